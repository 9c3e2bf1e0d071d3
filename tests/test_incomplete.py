"""Recordings that lack something: what is there is used, and nothing wrong is said with confidence.

Each recorded capture is cut to snap lengths, loses packets and directions, begins late and ends early. The rules are
the same for all: what was completed is not called failed, a failure keeps its cause or becomes less sure of it, who
left is right wherever it is told, and the report says what is missing.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from analyzer.pipeline import analyze
from analyzer.report.model import Connection, Report
from analyzer.report.to_text import to_text
from captures.record import pki
from tests.cutting import Derived, capture, changed, derived, recording, senders
from tests.packets import SECOND, Frame, block, enhanced, interface, section

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
MANIFEST = json.loads((CAPTURES / "manifest.json").read_text())
ENTRIES: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in MANIFEST["captures"]}
FEW = (
    "playbook", "playbook-with-alert", "playbook-late-close", "playbook-repaired", "missing-root-wget",
    "expired-leaf-openssl", "hostname-mismatch-curl", "client-cert-missing-go", "tls13-missing-root-java",
    "tls13-client-cert-missing-go", "tls13-success", "server-close-java", "not-tls-nginx", "ldap-missing-root",
    "connect-success", "any-sll2",
)  # fmt: skip
"""One of each kind, for the quick suite; `slow` has them all."""
HONEST: Final = frozenset({"capture-incomplete", "certificate-rejected", "client-closed", "unexplained"})
"""Causes that say that the true one is not known."""
REFUSALS: Final = frozenset({"proxy-refused", "starttls-refused", "starttls-not-offered"})
HOUR: Final = 3600 * SECOND
ALL = [
    pytest.param(name, marks=[] if name in FEW else pytest.mark.slow)
    for name, entry in ENTRIES.items()
    if len({frame.link for frame in recording(CAPTURES / entry["file"])}) == 1
]


def analyzed(name: str, source: Any, *, store: bool = True) -> Report:
    entry = ENTRIES[name]
    return analyze(
        source,
        truststore=CAPTURES / entry["store"] if store else None,
        truststore_password=MANIFEST["store_password"],
        host=entry["host"] if store else None,
    )


@cache
def whole(name: str, *, store: bool = True) -> Report:
    return analyzed(name, io.BytesIO(capture(frames_of(name))), store=store)


def frames_of(name: str) -> tuple[Frame, ...]:
    return recording(CAPTURES / ENTRIES[name]["file"])


def wrong(whole: Connection, part: Connection, cut: Derived) -> list[str]:
    """What a report of a cut recording says that is not so."""
    found = []
    was = whole.cause.code if whole.cause is not None else None
    code, sure = (part.cause.code, part.cause.confidence) if part.cause is not None else (None, "")
    if part.fault is not None:
        found.append(part.fault)
    if whole.outcome == "completed" and part.outcome == "failed" and sure in ("certain", "likely"):
        found.append(f"completed became failed: {code} {sure}")
    if whole.outcome == "failed" and part.outcome == "completed" and whole.stage != "after-handshake":
        found.append("failed became completed")
    if whole.outcome == part.outcome == "failed" and code != was and code not in HONEST and sure != "possible":
        found.append(f"{was} became {code} {sure}")
    found += _wrong_ending(whole, part, cut)
    found += [f"packet {entry.packet} {entry.time} s before the first" for entry in part.timeline if entry.time < 0]
    return found


def _wrong_ending(whole: Connection, part: Connection, cut: Derived) -> list[str]:
    if part.aborted_by is None or part.outcome == "completed":
        return []
    first = next((e for e in whole.timeline if re.search(r"Alert|\b(FIN|RST)\b", e.what)), None)
    by = whole.aborted_by or (first.from_ if first is not None else None)
    told = f"{part.aborted_by} by {part.abort_act}, packet {part.abort_packet}"
    place = cut.number_of(whole.abort_packet) if whole.abort_packet is not None else None
    if place is not None and part.abort_packet not in (place, None):
        return [f"who left became the {told}, not packet {place}"]
    # Where none is seen to leave, who refused or said nothing is named instead.
    unseen = part.abort_act in (None, "silence")
    return [] if by in (part.aborted_by, None) or unseen else [f"the {by} became the {told}"]


@pytest.mark.parametrize(
    ("name", "store"),
    [
        *(pytest.param(*param.values, True, marks=param.marks, id=str(param.values[0])) for param in ALL),
        *(
            pytest.param(*param.values, False, marks=pytest.mark.slow, id=f"{param.values[0]}-without-a-store")
            for param in ALL
        ),
    ],
)
def test_whatever_a_recording_lacks_nothing_wrong_is_said_with_confidence(name: str, store: bool) -> None:
    (before,) = whole(name, store=store).connections
    found = {}
    for cut in derived(frames_of(name), before.client):
        report = analyzed(name, cut.capture(), store=store)
        said = [p.code for p in report.capture.problems if p.severity not in ("note", "warning")]
        for part in report.connections[:1]:
            said += wrong(before, part, cut)
        if said:
            found[cut.how] = said
    assert found == {}


CUT = {
    "playbook": "missing-root",
    "expired-leaf-openssl": "expired-leaf",
    "hostname-mismatch-openssl": "hostname-mismatch",
}


def cut_to(name: str, snap: int) -> Connection:
    frames = [frame._replace(data=frame.data[:snap]) for frame in frames_of(name)]
    (only,) = analyzed(name, io.BytesIO(capture(frames, snap=snap))).connections
    return only


@pytest.mark.parametrize("name", ["expired-leaf-openssl", "hostname-mismatch-openssl"])
def test_a_certificate_message_cut_after_the_leaf_gives_the_leaf_and_what_it_alone_shows(name: str) -> None:
    (before,) = whole(name).connections
    seen = cut_to(name, 1400)
    assert [c.sha256 for c in seen.server_chain] == [before.server_chain[0].sha256]
    assert seen.cause is not None
    assert (seen.outcome, seen.cause.code, seen.abort_packet) == ("failed", CUT[name], before.abort_packet)


def test_what_is_missing_from_a_chain_that_is_cut_is_no_more_than_possible() -> None:
    seen = cut_to("missing-root-openssl", 1400)
    assert seen.cause is not None
    assert len(seen.server_chain) == 1
    assert (seen.cause.code, seen.cause.confidence) == ("certificate-rejected", "certain")
    others = {cause.code: cause.confidence for cause in seen.other_causes}
    assert others.keys() & {"missing-root", "missing-intermediate"}
    assert set(others.values()) == {"possible"}


def test_the_report_says_what_is_cut_to_how_many_bytes_and_how_to_record_it_whole() -> None:
    frames = [frame._replace(data=frame.data[:96]) for frame in frames_of("playbook")]
    report = analyzed("playbook", io.BytesIO(capture(frames, snap=96)))
    (seen,) = report.connections
    assert seen.cause is not None
    assert (seen.outcome, seen.cause.code, seen.aborted_by, seen.abort_packet) == (
        "incomplete", "capture-incomplete", "client", 12,
    )  # fmt: skip
    missing = sum(f.original - 96 for f in frames if f.original > 96)
    told = [int(size.replace(",", "")) for size in re.findall(r"([\d,]+) bytes of the", seen.cause.explanation)]
    assert sum(told) == missing
    assert "snap length of 96 bytes (packets #6, #8, #10)" in seen.cause.explanation
    (problem,) = report.capture.problems
    assert (
        problem.text
        == "4 of 13 packets are cut to 96 bytes or less, from packet 4 on: record whole packets (`tcpdump -s 0`)"
    )
    (fix,) = seen.fixes
    assert "here they are cut to 96 bytes" in fix.text
    assert fix.commands == ("tcpdump -i any -s 0 -B 65536 -w again.pcap 'host 10.77.0.2 and port 443'",)


def only_from(name: str, who: str) -> Connection:
    (before,) = whole(name).connections
    frames = frames_of(name)
    sent_by = senders(frames)
    own = [frame for frame in frames if (sent_by[frame.number] == before.client) is (who == "client")]
    (seen,) = analyzed(name, io.BytesIO(capture(own))).connections
    return seen


def test_of_one_direction_an_alert_tells_who_left_and_acknowledgements_how_much_is_missing() -> None:
    seen = only_from("playbook-with-alert", "client")
    assert seen.cause is not None
    assert (seen.outcome, seen.cause.code, seen.aborted_by, seen.abort_act) == (
        "failed", "certificate-rejected", "client", "alert",
    )  # fmt: skip
    told = next(c.explanation for c in seen.other_causes if c.code == "capture-incomplete")
    assert re.search(
        r"nothing of the server's direction was captured, though the client acknowledged [\d,]+ bytes", told
    )
    assert any("Record on 10.77.0.1 or 10.77.0.2 itself" in fix.text for fix in seen.fixes)


def test_of_one_direction_a_fin_alone_does_not_tell_who_left_first() -> None:
    seen = only_from("playbook", "client")
    assert seen.cause is not None
    assert (seen.outcome, seen.cause.code, seen.aborted_by) == ("incomplete", "capture-incomplete", None)
    assert "The client closed the connection (FIN) without an alert, as far as is seen" in seen.cause.explanation


def test_the_echo_of_a_fin_that_the_capture_lacks_is_not_taken_for_the_cause() -> None:
    (before,) = whole("playbook-late-close").connections
    frames = [frame for frame in frames_of("playbook-late-close") if frame.number != before.abort_packet]
    (seen,) = analyzed("playbook-late-close", io.BytesIO(capture(frames))).connections
    assert seen.cause is not None
    assert (seen.outcome, seen.cause.code, seen.aborted_by) == ("incomplete", "capture-incomplete", None)
    assert "the FIN of the client, or one byte, is in no packet" in seen.cause.explanation


def test_an_alert_of_which_nothing_but_its_length_was_recorded_still_tells_who_left() -> None:
    (before,) = whole("playbook-with-alert").connections
    frames = [
        frame._replace(data=frame.data[:-7]) if frame.number == before.abort_packet else frame
        for frame in frames_of("playbook-with-alert")
    ]
    (seen,) = analyzed("playbook-with-alert", io.BytesIO(capture(frames))).connections
    assert seen.cause is not None
    assert (seen.cause.code, seen.aborted_by, seen.abort_packet) == ("missing-root", "client", before.abort_packet)
    assert "sent an alert that the capture cuts off" in seen.cause.explanation


def test_a_server_whose_answer_was_acknowledged_was_not_silent() -> None:
    (before,) = whole("success-curl").connections
    frames = frames_of("success-curl")
    sent_by = senders(frames)
    said = [f for f in frames if sent_by[f.number] == before.client or f.original < 90]
    late = [f._replace(time_ns=f.time_ns + (5 * SECOND if f.number > 5 else 0)) for f in said]
    (seen,) = analyzed("success-curl", io.BytesIO(capture(late))).connections
    assert seen.outcome == "completed" or (seen.cause is not None and seen.cause.code == "capture-incomplete")


def test_a_server_that_is_silent_until_the_capture_ends_may_answer_a_moment_later() -> None:
    frames = frames_of("success-curl")[:5]
    for seconds, code in ((3, "capture-incomplete"), (30, "server-silent")):
        more = frames[0]._replace(data=frames[0].data[:34], original=34, time_ns=frames[4].time_ns + seconds * SECOND)
        (seen,) = analyzed("success-curl", io.BytesIO(capture([*frames, more]))).connections
        assert seen.cause is not None
        assert seen.cause.code == code


def test_begun_in_mid_connection_a_certificate_that_is_there_is_used() -> None:
    (before,) = whole("playbook").connections
    (seen,) = analyzed("playbook", io.BytesIO(capture(frames_of("playbook")[4:]))).connections
    assert seen.cause is not None
    assert (seen.cause.code, seen.aborted_by, seen.abort_packet) == ("missing-root", "client", 8)
    assert [c.sha256 for c in seen.server_chain] == [c.sha256 for c in before.server_chain]


# Checksums and lengths that a network card would have put in


def _ip_checksum(value: bytes) -> Any:
    def change(data: bytearray, at: int) -> None:
        if data[at] >> 4 == 4:
            data[at + 10 : at + 12] = value

    return change


def _tcp_checksum(value: bytes) -> Any:
    def change(data: bytearray, at: int) -> None:
        tcp = at + (data[at] & 15) * 4 if data[at] >> 4 == 4 else at + 40
        if data[at + (9 if data[at] >> 4 == 4 else 6)] == 6:
            data[tcp + 16 : tcp + 18] = value

    return change


def _no_length(data: bytearray, at: int) -> None:
    place = at + (2 if data[at] >> 4 == 4 else 4)
    data[place : place + 2] = bytes(2)


OFFLOADED = {
    "a wrong IP checksum": _ip_checksum(b"\xde\xad"),
    "no IP checksum": _ip_checksum(bytes(2)),
    "a wrong TCP checksum": _tcp_checksum(b"\xde\xad"),
    "no TCP checksum": _tcp_checksum(bytes(2)),
    "an IP length of 0": _no_length,
}


@pytest.mark.parametrize("what", OFFLOADED)
@pytest.mark.parametrize("name", ALL)
def test_what_a_network_card_fills_in_changes_nothing(name: str, what: str) -> None:
    report = analyzed(name, io.BytesIO(capture(changed(frames_of(name), OFFLOADED[what]))))
    assert report.connections == whole(name).connections


# Time


def dated(name: str, times: Sequence[int]) -> Report:
    frames = [frame._replace(time_ns=time) for frame, time in zip(frames_of(name), times, strict=True)]
    return analyzed(name, io.BytesIO(capture(frames)))


def verdict(seen: Connection) -> tuple[str, str | None, str | None, int | None]:
    return seen.outcome, seen.cause.code if seen.cause is not None else None, seen.aborted_by, seen.abort_packet


@pytest.mark.parametrize("name", ALL)
def test_a_clock_that_is_set_back_in_mid_connection_changes_no_verdict_and_makes_no_negative_duration(
    name: str,
) -> None:
    times = [frame.time_ns for frame in frames_of(name)]
    (before,) = whole(name).connections
    for place in range(1, len(times)):
        report = dated(name, [time - 2 * HOUR * (number >= place) for number, time in enumerate(times)])
        (seen,) = report.connections
        # How long a silence lasted is then unknown, and nothing else.
        assert verdict(seen) == verdict(before) or verdict(before)[1] == "server-silent"
        assert [p.text.partition(" at packet ")[0] for p in report.capture.problems] == [
            "the recorder's clock goes back by 2.0 hours"
        ]
        assert re.search(r"(?<![\w.-])-\d", to_text(report)) is None
        assert min((entry.time for entry in seen.timeline), default=0) >= 0


@pytest.mark.parametrize("name", ["playbook", "missing-root-go", "tls13-missing-root-java", "success-curl"])
def test_without_a_clock_no_certificate_is_called_expired_or_too_young(name: str) -> None:
    report = dated(name, [0] * len(frames_of(name)))
    assert verdict(report.connections[0]) == verdict(whole(name).connections[0])
    assert {p.code for p in report.capture.problems} <= {"no-clock"}


@pytest.mark.parametrize("name", ALL)
def test_what_one_side_sent_and_was_written_in_the_wrong_order_is_put_right(name: str) -> None:
    frames = frames_of(name)
    (before,) = whole(name).connections
    sent_by = senders(frames)
    for place in range(len(frames) - 1):
        pair = frames[place : place + 2]
        if len({sent_by[frame.number] for frame in pair}) > 1:
            continue
        report = analyzed(name, io.BytesIO(capture([*frames[:place], *reversed(pair), *frames[place + 2 :]])))
        (seen,) = report.connections
        assert verdict(seen)[:3] == verdict(before)[:3]
        # A record is where its last byte came.
        assert seen.abort_packet == before.abort_packet or {seen.abort_packet, before.abort_packet} <= {
            place + 1,
            place + 2,
        }


@pytest.mark.parametrize(
    "name", ["missing-root-curl", "expired-leaf-java", "server-close-curl", "self-signed-leaf-openssl"]
)
def test_a_fin_that_acknowledges_an_alert_or_a_fin_came_after_it_wherever_it_stands(name: str) -> None:
    frames = frames_of(name)
    (before,) = whole(name).connections
    at = before.abort_packet or 0
    (seen,) = analyzed(
        name, io.BytesIO(capture([*frames[: at - 1], frames[at], frames[at - 1], *frames[at + 1 :]]))
    ).connections
    assert verdict(seen) == (*verdict(before)[:3], at + 1)


# A ring buffer


def pieces(folder: Path, frames: Sequence[Frame], cuts: Sequence[int]) -> list[Path]:
    """The frames in files, each from one of the `cuts` up to the next."""
    found = []
    for number, (first, last) in enumerate(zip((0, *cuts), (*cuts, len(frames)), strict=True)):
        path = folder / f"ring.pcap{number}"
        path.write_bytes(capture(frames[first:last]))
        found.append(path)
    return found


@pytest.mark.parametrize("name", ["playbook", "playbook-repaired", "tls13-missing-root-java", "thirty-times"])
def test_a_connection_that_is_spread_over_files_is_reported_as_if_it_were_in_one(name: str, tmp_path: Path) -> None:
    entry = ENTRIES.get(name) or next(e for e in MANIFEST["several"] if e["name"] == name)
    frames = recording(CAPTURES / entry["file"])
    before = analyze(io.BytesIO(capture(frames)), truststore=CAPTURES / entry["store"])
    places = range(1, len(frames)) if len(frames) < 40 else range(1, len(frames), 41)
    splits = [[place] for place in places] + [[place, (place + len(frames)) // 2 + 1] for place in places[:-2]]
    for cuts in [*splits, list(range(1, len(frames)))]:
        files = pieces(tmp_path, frames, cuts)
        # The order on the command line is no matter.
        report = analyze(list(reversed(files)), truststore=CAPTURES / entry["store"])
        assert report.connections == before.connections
        assert (report.findings, report.summary) == (before.findings, before.summary)
        assert (report.capture.packets, report.capture.problems) == (len(frames), ())


def test_a_ring_buffer_is_read_by_pattern_or_directory_compressed_or_not_in_whatever_format(tmp_path: Path) -> None:
    frames = frames_of("playbook")
    files = pieces(tmp_path, frames, [3, 6, 9, 11])
    files[1].with_suffix(".pcap1.gz").write_bytes(gzip.compress(files[1].read_bytes()))
    files[1].unlink()
    blocks = [section(), interface(frames[0].link, resolution=9)]
    for frame in frames[6:9]:
        blocks += [enhanced(frame.data, frame.time_ns)]
        # Another section, with another interface before the one that is meant.
        blocks += [section(">"), interface(113, order=">"), interface(frames[0].link, resolution=9, order=">")]
        blocks += [enhanced(frame.data, frame.time_ns, interface=1, order=">")] if frame is frames[8] else []
        blocks += [section(), interface(frames[0].link, resolution=9)]
    del blocks[-2:]
    files[2].write_bytes(b"".join(b for n, b in enumerate(blocks) if not (frames[8].data in b and b[8:12] == bytes(4))))
    cooked = [
        frame._replace(link=113, data=struct.pack(">HHH6sHH", 0, 1, 6, bytes(6), 0, 0x800) + frame.data[14:])
        for frame in frames[9:11]
    ]
    files[3].write_bytes(capture(cooked))
    before = whole("playbook").connections
    for source in (str(tmp_path / "ring.*"), tmp_path):
        report = analyzed("playbook", source)
        assert report.connections == before
        assert report.capture.packets == len(frames)
    assert report.capture.link_types == ("Ethernet", "Linux cooked v1")


@pytest.mark.parametrize("name", ALL)
def test_two_files_of_one_direction_each_are_read_as_one_with_both(name: str, tmp_path: Path) -> None:
    (before,) = whole(name).connections
    frames = frames_of(name)
    sent_by = senders(frames)
    for who, own in (("a", True), ("b", False)):
        half = [frame for frame in frames if (sent_by[frame.number] == before.client) is own]
        (tmp_path / f"{who}.pcap").write_bytes(capture(half))
    report = analyzed(name, [tmp_path / "b.pcap", tmp_path / "a.pcap"])
    assert report.connections == (before,)


def test_files_without_a_time_are_taken_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    frames = [frame._replace(time_ns=0) for frame in frames_of("playbook")]
    files = pieces(tmp_path, frames, list(range(1, len(frames))))
    assert len(files) > 10
    report = analyzed("playbook", str(tmp_path / "*"))
    assert verdict(report.connections[0]) == verdict(whole("playbook").connections[0])


@pytest.mark.parametrize("gone", range(5))
def test_a_piece_of_a_ring_buffer_that_is_missing_leaves_no_wrong_verdict(gone: int, tmp_path: Path) -> None:
    frames = frames_of("playbook")
    edges = [0, 3, 6, 9, 11, len(frames)]
    files = pieces(tmp_path, frames, edges[1:-1])
    files[gone].unlink()
    (before,) = whole("playbook").connections
    cut = Derived("a piece is missing", [f for n, f in enumerate(frames) if not edges[gone] <= n < edges[gone + 1]])
    report = analyzed("playbook", tmp_path)
    # Without its hellos a server's stream that begins in the middle of a record is not known to be TLS.
    assert [wrong(before, part, cut) for part in report.connections] == ([] if gone == 1 else [[]])


# What recorders say of themselves


def statistics(dropped: int, *, interface: int = 0, code: int = 5) -> bytes:
    """An interface statistics block."""
    return block(5, struct.pack("<III", interface, 0, 0) + struct.pack("<HHQHH", code, 8, dropped, 0, 0))


def with_statistics(frames: Sequence[Frame], *blocks: bytes) -> io.BytesIO:
    start = [section(), interface(frames[0].link, resolution=9)]
    return io.BytesIO(b"".join([*start, *(enhanced(f.data, f.time_ns) for f in frames), *blocks]))


def test_packets_that_the_recorder_dropped_are_told_with_their_number_and_what_to_do() -> None:
    lacking = [frame for frame in frames_of("playbook") if frame.number != 10]
    report = analyzed("playbook", with_statistics(lacking, statistics(3), statistics(1742)))
    (problem,) = report.capture.problems
    assert (problem.code, problem.severity) == ("dropped-packets", "warning")
    assert problem.text.startswith("the recorder says that it dropped 1,742 packets: record with a larger buffer")
    (seen,) = report.connections
    assert any("here it says that at least 1,742 were" in fix.text for fix in seen.fixes)


def test_a_recorder_that_dropped_nothing_says_nothing() -> None:
    report = analyzed("playbook", with_statistics(frames_of("playbook"), statistics(0), statistics(0, code=7)))
    assert report.capture.problems == ()


def test_statistics_that_are_cut_or_of_no_use_do_no_harm() -> None:
    blocks = [block(5, bytes(size)) for size in (0, 8, 12, 16)] + [block(5, bytes(12) + b"\xff" * 12)]
    assert analyzed("playbook", with_statistics(frames_of("playbook"), *blocks)).capture.problems == ()


# A chain that is cut, and the whole of it elsewhere


def after_the_leaf(name: str) -> io.BytesIO:
    """A recording that has of the server's chain but the leaf."""
    return io.BytesIO(capture([frame._replace(data=frame.data[:1400]) for frame in frames_of(name)]))


@pytest.mark.parametrize("begins_alike", [True, False])
def test_a_chain_that_is_cut_is_completed_by_one_that_was_supplied_if_it_begins_alike(
    begins_alike: bool, tmp_path: Path
) -> None:
    entry = ENTRIES["missing-root-openssl"]
    (tmp_path / "chain.pem").write_bytes(pki.pem(pki.CHAINS["usual" if begins_alike else "self-signed-leaf"]))
    (seen,) = analyze(
        after_the_leaf("missing-root-openssl"),
        truststore=CAPTURES / entry["store"],
        server_chain=tmp_path / "chain.pem",
    ).connections
    assert seen.cause is not None
    digests = [certificate.sha256 for certificate in seen.server_chain]
    if begins_alike:
        assert (seen.chain_source, digests) == ("supplied", entry["server_chain"])
        assert (seen.cause.code, seen.cause.confidence) == ("missing-root", "likely")
    else:
        assert (seen.chain_source, digests) == ("captured", entry["server_chain"][:1])
        assert "supply the server's whole chain (--server-chain)" in seen.cause.explanation


def test_a_chain_that_is_cut_is_completed_by_another_connection_to_the_same_server() -> None:
    entry = ENTRIES["missing-root-openssl"]
    other = io.BytesIO(capture(frames_of("missing-root-curl")))
    report = analyze([after_the_leaf("missing-root-openssl"), other], truststore=CAPTURES / entry["store"])
    assert [connection.chain_source for connection in report.connections] == ["inferred", "captured"]
    (seen, _) = report.connections
    assert [certificate.sha256 for certificate in seen.server_chain] == entry["server_chain"]
    assert seen.cause is not None
    assert (seen.cause.code, seen.cause.confidence) == ("missing-root", "likely")


# Recorded so


INCOMPLETE = CAPTURES / "incomplete"


def recorded(name: str, store: str = "without-root") -> Report:
    return analyze(INCOMPLETE / name, truststore=CAPTURES / "stores" / store)


def test_with_a_snap_length_of_96_the_alert_is_there_and_the_certificate_is_not() -> None:
    report = recorded("snap-96.pcap")
    (seen,) = report.connections
    assert seen.cause is not None
    assert (seen.outcome, seen.cause.code, seen.aborted_by, seen.alerts[0].number) == (
        "failed", "certificate-rejected", "client", 48,
    )  # fmt: skip
    assert "--server-chain" in seen.cause.explanation
    assert [problem.code for problem in report.capture.problems] == ["cut-packets"]
    assert any("here they are cut to 96 bytes" in fix.text for fix in seen.fixes)


def test_of_the_clients_direction_alone_the_alert_is_read_and_of_the_servers_what_it_acknowledged() -> None:
    (client,) = recorded("client-only.pcap").connections
    assert client.cause is not None
    assert (client.outcome, client.cause.code, client.aborted_by) == ("failed", "certificate-rejected", "client")
    (server,) = recorded("server-only.pcap").connections
    assert server.cause is not None
    assert (server.outcome, server.cause.code, server.aborted_by) == ("incomplete", "capture-incomplete", None)
    assert "though the server acknowledged 517 bytes of it" in server.cause.explanation
    assert len(server.server_chain) == 3


def test_checksums_and_segments_that_the_hardware_would_finish_change_nothing() -> None:
    frames = recording(INCOMPLETE / "offloads.pcap")
    assert max(frame.original for frame in frames) > 3000
    report = recorded("offloads.pcap")
    (seen,) = report.connections
    assert seen.cause is not None
    assert (seen.cause.code, seen.cause.confidence, seen.abort_act) == ("missing-root", "certain", "alert")
    assert report.capture.problems == ()


@pytest.mark.parametrize("ring", ["ring-tcpdump", "ring-dumpcap"])
def test_a_handshake_that_is_spread_over_the_files_of_a_ring_buffer_is_read_as_one(ring: str) -> None:
    files = sorted((INCOMPLETE / ring).iterdir())
    report = recorded(ring)
    busy, failed = report.connections
    assert busy.outcome == "completed"
    assert failed.cause is not None
    assert (failed.outcome, failed.cause.code, failed.cause.confidence) == ("failed", "missing-root", "certain")
    assert report.capture.problems == ()
    by_name = analyze([str(file) for file in files], truststore=CAPTURES / "stores/without-root")
    assert by_name.connections == report.connections
    frames = [
        frame for file in sorted(files, key=lambda f: int(re.findall(r"\d+", f.name)[0])) for frame in recording(file)
    ]
    whole = analyze(io.BytesIO(capture(frames)), truststore=CAPTURES / "stores/without-root")
    assert whole.connections == report.connections


def test_where_the_kernel_dropped_packets_no_verdict_is_wrong() -> None:
    """In turn a client refuses the certificate and another one gets its page."""
    words = (INCOMPLETE / "kernel-drops.txt").read_text()
    assert int(re.findall(r"(\d+) packets dropped by kernel", words)[0]) > 0
    report = recorded("kernel-drops.pcap")
    for seen in report.connections:
        refused = any(alert.number == 48 for alert in seen.alerts)
        assert seen.outcome == ("failed" if refused else "completed" if seen.stage == "data" else "incomplete")
        if seen.outcome != "completed":
            assert seen.cause is not None
            assert seen.cause.code in ("missing-root", "certificate-rejected", "capture-incomplete")
            assert any("again.pcap" in command for fix in seen.fixes for command in fix.commands)
