"""Which line speaks of which connection, and what it weighs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analyzer import analyze
from analyzer.gateways.logs import Endpoint, LogEntry, Moment, endpoint
from analyzer.gateways.logs._words import read_words
from analyzer.gateways.matching import LogMatcher, Matched, Seen
from analyzer.report.logs import beside
from analyzer.report.model import Alert, Connection, Diagnosis, TimelineEntry
from analyzer.report.to_json import to_json
from analyzer.report.to_markdown import to_markdown
from analyzer.report.to_text import to_text
from tests.gateways.test_log_lines import NOON

SECOND = 10**9
CASES = sorted(
    path.parent
    for path in (Path(__file__).parents[2] / "captures" / "gateways").glob("*/about.json")
    if json.loads(path.read_text())["logs"]
)


def connection(number: int, at: float = 0.0, *, host: str = "api.example", failed: bool = True) -> Seen:
    start = NOON + round(at * SECOND)
    return Seen(
        id=number, client=Endpoint("10.0.0.2", 40_000 + number), server=Endpoint("10.0.0.1", 443), start_ns=start,
        end_ns=start + SECOND // 20, names=frozenset({host}), open=failed,
    )  # fmt: skip


def line(at: float | None = 0.05, words: str = "PKIX path building failed", **known: Any) -> LogEntry:
    said = read_words(words)
    assert said is not None
    time = (
        None
        if at is None
        else Moment(ns=NOON + round(at * SECOND), zoned=known.pop("zoned", True), resolution_ns=SECOND)
    )
    known.update({name: endpoint(known[name]) for name in ("local", "remote") if name in known})
    entry = LogEntry(source="a.log", line=1, format="test", text=f"ssl {words}", said=said, time=time, side="client")
    return replace(entry, **known)


def matched(connections: list[Seen], *lines: LogEntry) -> Matched:
    matcher = LogMatcher(connections)
    for entry in lines:
        matcher.add(entry)
    return matcher.result()


def how(result: Matched) -> dict[int, list[str]]:
    return {number: [placed.how for placed in lines] for number, lines in result.lines.items()}


def test_both_addresses_and_ports_decide_whatever_else_fits() -> None:
    both = [connection(1), connection(2)]
    assert how(matched(both, line(local="10.0.0.2:40002", remote="10.0.0.1:443"))) == {2: ["addresses"]}
    assert how(matched(both, line(local="10.0.0.1:443", remote="10.0.0.2:40002"))) == {2: ["addresses"]}
    assert how(matched(both, line(None, local="10.0.0.2:40002", remote="10.0.0.1:443"))) == {2: ["addresses"]}


def test_ports_that_were_used_before_belong_to_the_connection_of_that_time() -> None:
    again = [connection(1), replace(connection(1, 3600.0), id=2)]
    assert how(matched(again, line(3600.1, local="10.0.0.2:40001", remote="10.0.0.1:443"))) == {2: ["addresses"]}
    assert how(matched(again, line(7200.0, local="10.0.0.2:40001", remote="10.0.0.1:443"))) == {}


def test_one_address_and_the_time_find_the_connection() -> None:
    several = [connection(1), connection(2, 60.0), connection(3, 120.0)]
    result = matched(several, line(60.5, remote="10.0.0.1:443"))
    assert how(result) == {2: ["address and time"]}
    assert result.lines[2][0].side == "client"
    assert how(matched(several, line(60.5, remote="10.0.0.99:443"))) == {}


def test_behind_a_translated_address_the_port_tells_which() -> None:
    both = [connection(1), connection(2)]
    found = matched(both, line(local="192.0.2.7:40002", remote="10.0.0.1:443"))
    assert how(found) == {2: ["ports, one address and time"]}


def test_brackets_and_mapped_addresses_are_the_same_address() -> None:
    assert endpoint("[::ffff:10.0.0.1]:443") == endpoint("10.0.0.1:443") == endpoint("::ffff:10.0.0.1:443")
    assert endpoint("[2001:DB8:0::1]:443") == endpoint("[2001:db8::1]:443")
    assert endpoint("[fe80::1%eth0]:443") == endpoint("[fe80::1]:443")
    assert endpoint("10.0.0.1.443") == endpoint("10.0.0.1:443")


def test_the_host_and_the_time_find_the_connection() -> None:
    both = [connection(1, host="a.example"), connection(2, host="b.example")]
    assert how(matched(both, line(host="b.example"))) == {2: ["name and time"]}
    assert how(matched(both, line(host="c.example"))) == {}


def test_the_time_alone_finds_it_when_it_is_the_only_one() -> None:
    assert how(matched([connection(1), connection(2, 600.0)], line(600.1))) == {2: ["time"]}
    assert how(matched([connection(1), connection(2, 0.5)], line(0.3))) == {}


def test_a_connection_that_worked_is_no_candidate() -> None:
    assert how(matched([connection(1, failed=False)], line(remote="10.0.0.1:443"))) == {}


def test_a_message_id_leads_to_the_connection_of_its_other_line() -> None:
    both = [connection(1), connection(2)]
    lines = (line(3000.0, id="m-7"), line(local="10.0.0.2:40002", remote="10.0.0.1:443", id="m-7"))
    assert how(matched(both, *lines)) == {2: ["addresses", "message id"]}


@pytest.mark.parametrize("zone_minutes", [0, 60, -300, 330, 345, 840])
@pytest.mark.parametrize("ahead", [0.0, 40.0, -70.0])
def test_zone_and_offset_of_a_clock_are_found_from_the_matches(zone_minutes: int, ahead: float) -> None:
    several = [connection(number, number * 37.0 + number % 7 * 5) for number in range(12)]
    lines = [
        line((item.end_ns - NOON) / SECOND + zone_minutes * 60 + ahead, remote="10.0.0.1:443", zoned=False)
        for item in several
    ]
    result = matched(several, *lines)
    assert {number: len(mine) for number, mine in result.lines.items()} == dict.fromkeys(range(12), 1)
    (clock,) = result.clocks
    assert clock.zone_ns == zone_minutes * 60 * SECOND
    assert clock.offset_ns / SECOND == pytest.approx(ahead, abs=1)


def test_a_single_line_moves_no_clock() -> None:
    assert how(matched([connection(1)], line(240.0, remote="10.0.0.1:443", zoned=False))) == {}
    assert how(matched([connection(1)], line(3600.3, remote="10.0.0.1:443", zoned=False))) == {1: ["address and time"]}


def test_lines_and_connections_of_one_second_are_paired_in_order_and_said_to_be() -> None:
    several = [connection(number, number * 0.2) for number in range(3)]
    result = matched(several, *[line(number * 0.2, remote="10.0.0.1:443") for number in range(3)])
    assert how(result) == {number: ["address and time, one of 3"] for number in range(3)}
    assert all(mine[0].alone for mine in result.lines.values())
    fewer = matched(several, line(0.1, remote="10.0.0.1:443"))
    assert not next(iter(fewer.lines.values()))[0].alone


def test_lines_about_handshakes_that_are_not_in_the_capture_are_counted_and_the_first_listed() -> None:
    result = matched([connection(1)], *[line(remote="10.9.9.9:443")] * 200)
    assert (result.unmatched_count, len(result.unmatched)) == (200, 50)


def test_lines_of_another_day_are_let_go() -> None:
    result = matched([connection(1)], line(90_000.0, remote="10.0.0.1:443"))
    assert (result.outside, result.unmatched_count) == (1, 0)


def judged(code: str | None, confidence: str = "certain", **known: Any) -> Connection:
    cause = Diagnosis(code=code, confidence=confidence, title="T", explanation="E.") if code else None
    made = Connection(
        id=1, client="10.0.0.2:40001", server="10.0.0.1:443", started_at="2026-11-22T12:00:00.000000Z",
        outcome="failed" if cause else "completed", aborted_by="client" if cause else None, abort_packet=9,
        abort_act="fin", stage="after-handshake", cause=cause,
        timeline=(TimelineEntry(packet=9, time=0.05, from_="client", what="FIN,ACK"),),
    )  # fmt: skip
    return replace(made, **known)


def weighed(item: Connection, words: str, **known: Any) -> Connection:
    entry = line(words=words, local="10.0.0.2:40001", remote="10.0.0.1:443", **known)
    return beside([item], matched([connection(1)], entry))[0]


def cause_of(item: Connection) -> tuple[str, str] | None:
    return (item.cause.code, item.cause.confidence) if item.cause else None


def test_words_that_agree_are_evidence() -> None:
    found = weighed(judged("missing-root"), "unable to get local issuer certificate")
    assert found.log_lines[0].agrees
    assert cause_of(found) == ("missing-root", "certain")
    assert "unable to get local issuer certificate" in found.evidence[-1].text
    assert cause_of(weighed(judged("missing-root", "possible"), "PKIX path building failed")) == (
        "missing-root",
        "likely",
    )


def test_words_that_contradict_are_told_and_nothing_stays_certain() -> None:
    found = weighed(judged("missing-root"), "certificate has expired")
    assert found.log_lines[0].agrees is False
    assert cause_of(found) == ("missing-root", "likely")
    assert found.cause is not None
    assert "certificate has expired" in found.cause.explanation


def test_words_below_tls_contradict_no_cause() -> None:
    found = weighed(judged("missing-root"), "Connection reset by peer")
    assert found.log_lines[0].agrees is None
    assert cause_of(found) == ("missing-root", "certain")


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("certificate has been revoked", "revoked"),
        ('certificate does not match: upstream SSL certificate does not match "x"', "hostname-mismatch"),
        ("PKIX path building failed", "certificate-rejected"),
        ("unsuitable certificate purpose", "wrong-key-usage"),
    ],
)
@pytest.mark.parametrize("before", [None, "certificate-rejected", "client-closed"])
def test_words_decide_what_the_packets_leave_open(words: str, cause: str, before: str | None) -> None:
    found = weighed(judged(before, "likely"), words)
    assert found.cause is not None
    assert found.cause.code == cause
    assert (found.outcome, found.aborted_by, found.abort_packet) == ("failed", "client", 9)
    assert found.log_lines[0].agrees


def test_words_choose_among_the_causes_considered() -> None:
    other = Diagnosis(code="expired-leaf", confidence="possible", title="T", explanation="E.")
    found = weighed(judged("hostname-mismatch", "likely", other_causes=(other,)), "certificate has expired")
    assert cause_of(found) == ("expired-leaf", "likely")
    assert [item.code for item in found.other_causes] == ["hostname-mismatch"]


def test_a_connection_over_which_data_went_has_not_failed() -> None:
    found = weighed(judged(None, stage="data"), "PKIX path building failed")
    assert (found.outcome, found.cause) == ("completed", None)


def test_words_of_a_side_that_did_not_leave_decide_nothing() -> None:
    found = weighed(judged("server-closed", "likely", aborted_by="server"), "PKIX path building failed")
    assert cause_of(found) == ("server-closed", "likely")


def test_an_alert_that_the_writer_received_is_looked_for_in_the_packets() -> None:
    sent = Alert(packet=8, from_="server", level="fatal", description="handshake_failure", number=40, encrypted=False)
    item = judged("no-shared-cipher", aborted_by="server", alerts=(sent,))
    assert weighed(item, "Received fatal alert: handshake_failure").log_lines[0].agrees
    assert weighed(item, "Received fatal alert: protocol_version").log_lines[0].agrees is False


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.name)
def test_the_line_of_a_real_product_stands_beside_its_connection(case: Path) -> None:
    about = json.loads((case / "about.json").read_text())
    report = analyze(
        case / "capture.pcap",
        truststore=[case / name for name in about["truststore"]] or None,
        truststore_password="changeit",
        host=about.get("host"),
        log=sorted({case / item["file"] for item in about["logs"]}),
    )
    beside_ = {
        (Path(found.source).name, found.line): (item.id, found.id, found.agrees)
        for item in report.connections
        for found in item.log_lines
    }
    for item in about["logs"]:
        number = item.get("connection", about["expected"].get("connection", 0))
        assert beside_[item["file"], item["line"]] == (number, item.get("id"), True)
    assert all(item.outcome == "failed" for item in report.connections)


@pytest.mark.parametrize("write", [to_text, to_markdown, to_json])
def test_every_form_of_the_report_has_the_line_and_redacted_ones_nothing_private(
    write: Callable[..., str], captures: Path
) -> None:
    case = captures / "gateways" / "apigee-edge"
    known: dict[str, Any] = {"truststore": case / "truststore.pem", "log": case / "system.log"}
    number = json.loads((case / "about.json").read_text())["logs"][0]["id"]
    text = " ".join(write(analyze(case / "capture.pcap", **known)).split())
    assert number in text
    assert "PKIX path building failed" in text
    redacted = " ".join(write(analyze(case / "capture.pcap", redact=True, **known)).split())
    assert "PKIX path building failed" in redacted
    assert "message-1" in redacted
    for private in (number, "10.77.0", "api.backend.example", "orders", "system.log", "NIOThread"):
        assert private not in redacted


def test_a_line_about_another_handshake_is_listed_apart(captures: Path) -> None:
    case = captures / "gateways" / "apigee-edge"
    logs = analyze(case / "capture.pcap", log=case / "system.log").logs
    assert logs is not None
    assert [item.words for item in logs.unmatched] == [("handshakeTimeout",)]


def test_logs_come_from_a_directory_a_pattern_and_a_gzip_file(captures: Path, tmp_path: Path) -> None:
    import gzip

    case = captures / "gateways" / "nginx-missing-root"
    (tmp_path / "error.log.1.gz").write_bytes(gzip.compress((case / "error.log").read_bytes()))
    for given in (tmp_path, f"{tmp_path}/*.gz", [tmp_path / "error.log.1.gz"]):
        report = analyze(case / "capture.pcap", log=given)
        assert report.connections[0].log_lines
