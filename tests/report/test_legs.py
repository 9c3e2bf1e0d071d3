"""What is seen at several points, and the legs of a proxy, become one failure with one cause."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import jsonschema
import pytest

from analyzer.pipeline import analyze
from analyzer.report.model import Connection, Report
from analyzer.report.to_json import json_schema, to_json
from analyzer.report.to_markdown import to_markdown
from captures.record.between import CASES, record
from captures.record.lab import NEEDS
from tests.packets import read, written

BETWEEN = Path(__file__).resolve().parents[2] / "captures" / "between"
STORES = BETWEEN.parent / "stores"
NAMES = [case.name for case in CASES]


@cache
def report(case: str, *files: str, store: str = "without-root", redact: bool = False) -> Report:
    """A case, of all its files or some, judged as by a user who names the client's trust store."""
    paths = [BETWEEN / case / f"{file}.pcap" for file in files] or sorted((BETWEEN / case).glob("*.pcap"))
    return analyze(list(paths), truststore=STORES / store, redact=redact)


def seen_in(found: Report, file: str) -> list[Connection]:
    return [item for item in found.connections if (item.file or "").endswith(f"{file}.pcap")]


def legs_of(connection: Connection) -> set[tuple[str, int]]:
    return {(leg.kind, leg.connection) for leg in connection.legs}


@pytest.mark.parametrize("case", [name for name in NAMES if name != "intercepted"])
def test_one_failure_is_one_finding_however_often_it_was_recorded(case: str) -> None:
    found = report(case)
    tries = 4 if case == "haproxy-tcp-over-tls" else 1
    assert (found.summary.failed, len(found.findings), found.findings[0].count) == (tries, 1, tries)


@pytest.mark.parametrize("case", NAMES)
def test_every_case_is_there_with_the_files_that_its_points_wrote(case: str) -> None:
    about = json.loads((BETWEEN / case / "about.json").read_text())
    assert sorted(about["files"]) == sorted(path.name for path in (BETWEEN / case).glob("*.pcap"))


@pytest.mark.parametrize("case", NAMES)
def test_the_report_of_each_case_keeps_to_the_schema(case: str) -> None:
    jsonschema.validate(json.loads(to_json(report(case))), json.loads(json_schema()))
    jsonschema.validate(json.loads(to_json(report(case, redact=True))), json.loads(json_schema()))


def test_the_readme_has_a_line_for_each_case() -> None:
    assert re.findall(r"^\| `([^`]+)/` \|", (BETWEEN / "README.md").read_text(), re.MULTILINE) == NAMES


def test_wireshark_s_dissector_is_not_asked_to_tell_points_apart(captures: Path) -> None:
    pytest.importorskip("pyshark", reason="pyshark is not installed: no second reading")
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed: no second reading")
    files = [str(captures / "between" / "mtu" / f"{name}.pcap") for name in ("client", "server")]
    found = analyze(files, dissector="both")
    assert [problem.code for problem in found.capture.problems] == ["one-recording"]
    assert found.capture.points == ()


def test_the_same_connection_at_three_points_is_told_beside_each() -> None:
    client, box, server = report("routed").connections[:1], *(seen_in(report("routed"), n) for n in ("box", "server"))
    first = report("routed").connections
    assert [legs_of(item) for item in first] == [
        {("same", 1), ("same", 2)},
        {("same", 0), ("same", 2)},
        {("same", 0), ("same", 1)},
    ]
    assert [item.counted_as for item in (*client, *box, *server)] in ([None, 0, 0], [1, None, 1], [2, 2, None])


def test_frame_numbers_and_streams_are_those_of_each_file() -> None:
    found = report("routed")
    ends = {Path(item.file or "").stem: (item.stream, item.abort_packet) for item in found.connections}
    assert ends == {"client": (0, 10), "box": (0, 19), "server": (0, 10)}


def test_behind_nat_the_sequence_numbers_say_that_it_is_the_same_connection() -> None:
    found = report("nat", "client", "server")
    client, server = found.connections
    assert client.client != server.client
    assert legs_of(client) == {("translated", server.id)}
    assert found.capture.points[1].clock_offset_seconds == pytest.approx(7.25, abs=0.01)


def test_nat_is_seen_in_one_capture_of_the_box_too() -> None:
    before, behind = report("nat", "box").connections
    assert (legs_of(before), behind.counted_as) == ({("translated", behind.id)}, before.id)
    assert (before.file, before.stream) == (None, None)


def test_a_proxy_in_tcp_mode_relays_the_client_s_random() -> None:
    client, server = report("haproxy-tcp", "client", "server").connections
    assert legs_of(client) == {("relayed", server.id)}
    assert len({item.id for item in report("haproxy-tcp", "box").connections if item.counted_as is None}) == 1


def test_a_gateway_with_one_address_is_known_by_it() -> None:
    front, back = report("haproxy-503-one-address").connections
    assert [leg.matched_by for leg in front.legs] == ["the gateway's address and time"]
    assert (legs_of(back), back.outcome, front.outcome) == ({("proxied", front.id)}, "failed", "completed")


@pytest.mark.parametrize("files", [("gateway",), ("client", "gateway"), ("client", "backend"), ()])
def test_the_503_of_a_gateway_is_told_from_the_backend_s_leg_that_failed(files: tuple[str, ...]) -> None:
    found = report("haproxy-503", *files)
    (finding,) = found.findings
    back = next(item for item in found.connections if item.id == finding.connections[0])
    assert back.cause is not None
    assert (back.server, back.cause.code) == ("10.78.2.2:443", "missing-root")
    front = next(item for item in found.connections if ("proxied", back.id) in legs_of(item) or item.counted_as is None)
    assert (front.server, front.outcome) == ("10.78.1.2:443", "completed")
    assert [e.text for e in back.evidence if "waited for it" in e.text and "after the request" in e.text]


@pytest.mark.parametrize("files", [("gateway",), ("client", "gateway")])
def test_a_client_s_handshake_that_failed_for_the_backend_s_is_its_consequence(files: tuple[str, ...]) -> None:
    found = report("haproxy-tcp-over-tls", *files)
    (finding,) = found.findings
    fronts = [item for item in found.connections if item.server == "10.78.1.2:443"]
    assert len(fronts) == len(files)
    for front in fronts:
        assert front.cause is not None
        assert (front.outcome, front.aborted_by, front.counted_as) == ("failed", "server", finding.connections[0])
        assert "It follows from connection" in front.cause.explanation
        assert "(missing-root)" in front.cause.explanation
    assert {("proxied", back) for back in finding.connections} <= legs_of(fronts[0])


RESETS = [("reset-of-the-hello", "client", "server", 5), ("reset-of-the-certificate", "server", "client", 8)]


@pytest.mark.parametrize(("case", "at", "name", "packet"), RESETS)
def test_a_reset_that_arrived_and_was_never_sent_is_the_box_s(case: str, at: str, name: str, packet: int) -> None:
    found = report(case, store="with-root")
    (hit,) = seen_in(found, at)
    assert hit.cause is not None
    assert (hit.cause.code, hit.cause.confidence, hit.aborted_by) == ("middlebox-reset", "certain", "network")
    assert (hit.abort_packet, hit.abort_act, hit.counted_as) == (packet, "rst", None)
    assert f"the {name} never sent it" in hit.cause.explanation
    shown, missing = hit.evidence
    assert shown.packet == packet
    assert f"{name}.pcap #" in missing.text
    (other,) = seen_in(found, name)
    assert other.counted_as == hit.id


@pytest.mark.parametrize(("case", "at", "name", "packet"), RESETS)
def test_what_the_reset_kept_from_arriving_is_told(case: str, at: str, name: str, packet: int) -> None:
    differs = {text for item in report(case).connections for leg in item.legs for text in leg.differs}
    lost = {"client": "(ClientHello; client.pcap #4)", "server": "(ServerHello, Certificate"}[at]
    assert [text for text in differs if lost in text and text.endswith("did not arrive")]


def test_a_reset_behind_nat_shows_in_one_capture_of_the_box() -> None:
    front, back = report("reset-behind-nat", store="with-root").connections
    assert front.cause is not None
    assert (front.cause.code, front.cause.confidence, front.abort_packet) == ("middlebox-reset", "certain", 8)
    assert back.counted_as == front.id
    assert "the leg on the server's side does not have it" in front.cause.explanation


def test_a_refusal_of_a_syn_that_the_server_s_capture_does_not_have_is_the_box_s() -> None:
    found = report("reset-of-the-syn", store="with-root")
    (refused,) = [item for item in found.connections if item.outcome == "failed"]
    assert refused.cause is not None
    assert (refused.cause.code, refused.cause.confidence) == ("middlebox-reset", "likely")
    assert (found.summary.connections, found.summary.completed) == (3, 2)


def test_alone_the_client_s_capture_does_not_prove_the_box() -> None:
    (alone,) = report("reset-of-the-hello", "client").connections
    assert alone.cause is None or alone.cause.code != "middlebox-reset"


def test_full_size_packets_that_went_in_and_did_not_come_out_are_a_black_hole_for_certain() -> None:
    found = report("mtu", store="with-root")
    (finding,) = found.findings
    assert (finding.cause.code, finding.cause.confidence) == ("path-mtu-blackhole", "certain")
    assert "ServerHello, Certificate, ServerKeyExchange, ServerHelloDone; server.pcap #6" in finding.cause.explanation
    assert {item.cause.code for item in found.connections if item.cause} == {"path-mtu-blackhole"}


@pytest.mark.parametrize("file", ["client", "server"])
@pytest.mark.parametrize("lost", [{10}, {9, 10}, {7, 9, 10}, {10, 11}, {12}, {11, 12}, {6, 8}])
def test_what_a_recording_has_lost_is_laid_to_no_box(file: str, lost: set[int]) -> None:
    """The client left with an alert, and each packet came through; one of the recordings lacks some of them."""
    names = ("client", "server")
    frames = {name: read(BETWEEN / "routed" / f"{name}.pcap") for name in names}
    frames[file] = [frame for frame in frames[file] if frame.number not in lost]
    found = analyze([written(frames[name]) for name in names], truststore=STORES / "without-root")
    codes = {item.cause.code for item in found.connections if item.cause is not None}
    assert not codes & {"middlebox-reset", "path-mtu-blackhole"}
    assert (found.summary.connections, found.summary.failed) == (1, 1)


def test_what_a_third_recording_has_did_come_through() -> None:
    names = ("client", "box", "server")
    frames = {name: read(BETWEEN / "routed" / f"{name}.pcap") for name in names}
    frames["box"] = [frame for frame in frames["box"] if frame.number < 19]
    found = analyze([written(frames[name]) for name in names], truststore=STORES / "without-root")
    assert [leg.differs for item in found.connections for leg in item.legs] == [()] * 6


def test_a_certificate_that_the_server_did_not_send_names_the_interception() -> None:
    client, server = report("intercepted").connections
    assert legs_of(client) == {("intercepted", server.id)}
    (certificate,) = [text for text in client.legs[0].differs if text.startswith("the server's certificate")]
    assert "at the client" in certificate
    assert "“CN=Acme Intermediate CA,O=Acme,C=DE” at the server" in certificate


def test_the_text_names_files_clocks_and_duplicate_packets_once() -> None:
    text = to_markdown(report("routed"))
    assert text.count("captured once more") == 1
    assert "its clock agrees with that of point 1" in text
    assert "`tcp.stream eq 0` in" in text
    assert "its clock is 7.250 s ahead of that of point 1" in to_markdown(report("nat"))


def test_redaction_leaves_no_address_and_no_file_name_of_any_point() -> None:
    text = to_json(report("reset-of-the-hello", redact=True))
    assert "10.78." not in text
    assert "client.pcap" not in text


@pytest.mark.lab
@pytest.mark.parametrize("name", ["routed", "nat", "reset-of-the-hello", "haproxy-503"])
def test_a_recording_made_afresh_shows_the_same(name: str, tmp_path: Path) -> None:
    (case,) = [case for case in CASES if case.name == name]
    missing = [tool for tool in (*NEEDS, "iptables", "editcap", "curl", "haproxy") if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"recording needs root and {', '.join(missing) or 'nothing else'}")
    record(case, tmp_path)
    fresh = analyze(sorted(tmp_path.glob("*.pcap")), truststore=STORES / "without-root")
    stored = report(name)
    assert [(i.outcome, i.counted_as, legs_of(i)) for i in fresh.connections] == [
        (i.outcome, i.counted_as, legs_of(i)) for i in stored.connections
    ]
    assert [finding.cause.code for finding in fresh.findings] == [finding.cause.code for finding in stored.findings]


def test_the_command_takes_the_captures_of_both_sides() -> None:
    files = [str(BETWEEN / "mtu" / f"{name}.pcap") for name in ("client", "server")]
    command = [sys.executable, "-m", "analyzer", *files, "--truststore", str(STORES / "with-root")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stdout.startswith("Full-size packets of the server vanish")
    assert "All 2 failed connections" not in done.stdout
