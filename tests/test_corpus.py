"""Public captures of other projects, against what tshark says of them.

The captures and their truth files stand in the folder `shared` beside the project; the tests are skipped without it.
Streams that tshark itself marks (segments lost, malformed, cut short) are read but not scored. Every difference must
stand in `KNOWN`, with its reason; one that has gone must be taken off.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from analyzer import InputError
from analyzer.capture import CaptureReader
from analyzer.net.decode import SegmentDecoder
from analyzer.net.flows import Flows
from analyzer.pipeline import analyze
from analyzer.registry import cipher_suite_name
from analyzer.report.model import Connection
from analyzer.tls.detect import likely_record
from analyzer.tls.records import RecordReader
from tests.packets import FIN, RST

pytestmark = pytest.mark.shared

FOLDER = Path(__file__).resolve().parents[2] / "shared" / "corpus" / "captures"
VERSIONS = {
    0x0002: "SSL 2.0",
    0x0300: "SSL 3.0",
    0x0301: "TLS 1.0",
    0x0302: "TLS 1.1",
    0x0303: "TLS 1.2",
    0x0304: "TLS 1.3",
}
SAMPLES = "ajbanjara+Wireshark__uploads____moin_import____attachments__SampleCaptures__"
SMALL = 20_000
"""Bytes up to which a capture is in the quick selection."""


class Known(NamedTuple):
    capture: str
    streams: tuple[int, ...]
    fields: frozenset[str]
    reason: str


def known(capture: str, streams: tuple[int, ...], fields: str, reason: str) -> Known:
    return Known(capture, streams, frozenset(fields.split()), reason)


CUT = "the capture ends, or has a hole, inside the Certificate message: we show the certificates that are whole"
FRAMED = "TLS inside the framing of another protocol, which we do not take off"
TRANSLATED = "captured on both sides of a translator that changes sequence numbers: we read the server's bytes of both"
SOCKS = "the truth has this connection twice: tshark itself gives it the number 3, for its SOCKS dissector takes one"
NULL = "the cipher suite encrypts nothing: tshark reads all behind ChangeCipherSpec, we read the alerts"
JOINED = "tshark joins packets of OpenVPN: messages count at the last one, here where each is complete"
COPIED = "each packet was captured twice: we show it once"
NO_HELLO = "an encrypted record that tshark takes for a ServerHello"

KNOWN = (
    known("CESNET+FlowTest__pcap__ssl-v2.pcap", (0,), "messages", "of SSL 2.0 we read the hellos only"),
    *(
        known(f"Voev+snet__tests__pcap__data__decrypt_by_keylog__{suite}.pcap", (0,), "messages", NULL)
        for suite in ("TLS1_1_AECDH-NULL-SHA", "TLS1_AECDH-NULL-SHA", "TLS1_ECDHE-RSA-NULL-SHA")
    ),
    known(
        "OISF+suricata-verify__tests__tls__tls13-draft14__tls13_draft14.pcap",
        (0,),
        "cipher",
        "tshark 4.0 reads the ServerHello of draft 14 as if it had a session id",
    ),
    known(f"{SAMPLES}OpenVPN_TCP_tls-auth.pcapng", (0, 1), "messages", JOINED),
    known("ntop+nDPI__tests__cfgs__default__pcap__openvpn_nohmac_tcp.pcapng", (0,), "messages", JOINED),
    known(f"{SAMPLES}jxta-sample.pcap", (3,), "presence messages", FRAMED),
    known("cisco+mercury__test__afl_data__corner-cases.pcap", (2,), "cipher", NO_HELLO),
    known("cisco+mercury__test__afl_data__encrypted_handshake_cert_false_positive.pcap", (0,), "cipher", NO_HELLO),
    known("cisco+mercury__test__afl_data__corner-cases.pcap", (11,), "server_chain", CUT),
    known("cisco+mercury__test__afl_data__full_cert_empty_second_cert.pcap", (0,), "server_chain", CUT),
    known("cisco+mercury__unit_tests__pcaps__capture2.pcap", (101, 105, 106, 108, 111, 112), "messages", TRANSLATED),
    known("cisco+mercury__unit_tests__pcaps__capture2.pcap", (216, 217), "server_chain", CUT),
    known("cisco+mercury__unit_tests__pcaps__capture2.pcap", (129, 142, 149, 151, 152, 153), "fin rst", COPIED),
    known(
        "cloudflare+mitmengine__reference_fingerprints__pcaps__browsers__iPad_Mini_4-ios-9.1-ipad-unk__handshake.pcap",
        (0,),
        "server_chain",
        CUT,
    ),
    known(
        "ntop+nDPI__tests__cfgs__default__pcap__4in6tunnel.pcap",
        (0,),
        "messages",
        "the capture ends inside a record: we show its first message, which is whole",
    ),
    *(
        known(f"ntop+nDPI__tests__cfgs__default__pcap__{name}.pcapng", (0,), "server_chain", CUT)
        for name in ("pops", "tls_client_certificate_with_missing_server_one", "tls_port_80")
    ),
    *(
        known(f"ntop+nDPI__tests__cfgs__default__pcap__tls_heur__{name}.pcapng", (2,), "number", SOCKS)
        for name in ("shadowsocks-tcp", "vmess-tcp", "vmess-tcp-tls", "vmess-websocket")
    ),
)


def truths() -> list[Path]:
    return [p for p in sorted(FOLDER.glob("*.truth.json")) if not p.name.endswith(".decrypted.truth.json")]


def capture_of(truth: Path) -> Path:
    return truth.with_name(truth.name.removesuffix(".truth.json"))


def decrypted_truths() -> list[Path]:
    return sorted(FOLDER.glob("*.decrypted.truth.json"))


def is_marked(stream: dict[str, Any]) -> bool:
    analysis = stream["analysis"]
    return bool(analysis["lost_segment"] or analysis["malformed"] or analysis["cut_short"])


def streams_of(truth: Path) -> list[dict[str, Any]]:
    """What tshark says of each stream; of certificates and alerts, with the secrets that the capture holds itself."""
    told = json.loads(truth.read_text())
    streams: list[dict[str, Any]] = told["streams"]
    decrypted = truth.with_name(f"{capture_of(truth).name}.decrypted.truth.json")
    if told["has_dsb"] and decrypted.exists():
        opened = {stream["stream"]: stream for stream in json.loads(decrypted.read_text())["streams"]}
        for stream in streams:
            theirs = opened[stream["stream"]]
            stream |= {field: theirs[field] for field in ("server_chain", "client_chain")}
            stream["frames"]["alerts"] = theirs["frames"]["alerts"]
    return streams


def flows_of_capture(path: Path) -> Flows:
    def reader(flow: int, side: int) -> RecordReader:
        return RecordReader(midstream=not flows.opened_by_syn(flow, side))

    flows = Flows(likely_record, reader)
    decoder = SegmentDecoder()
    for batch in CaptureReader([path]).batches():
        flows.add(decoder.decode(batch))
    flows.finish()
    return flows


@cache
def differences(truth: Path) -> tuple[tuple[int, str, str], ...]:
    """(stream, field, ours and theirs) wherever we differ from tshark in a stream that it does not mark."""
    streams = [s for s in streams_of(truth) if not is_marked(s)]
    path = capture_of(truth)
    report = {c.id: c for c in analyze(path).connections}
    flows = flows_of_capture(path)
    found: list[tuple[int, str, str]] = []
    for theirs in streams:
        number = theirs["stream"]
        for field, mine, other in compare(number, theirs, report.get(number), flows):
            if mine != other:
                found.append((number, field, f"ours {mine!s:.200} tshark {other!s:.200}"))
    return tuple(found)


def compare(number: int, theirs: dict[str, Any], ours: Any, flows: Flows) -> Iterator[tuple[str, Any, Any]]:
    if number >= len(flows.table):
        yield "number", f"{len(flows.table)} connections", f"connection {number}"
        return
    ends = [str(flows.table.endpoint(number, side)) for side in (0, 1)]
    yield "number", sorted(ends), sorted((theirs["client"], theirs["server"]))
    if sorted(ends) != sorted((theirs["client"], theirs["server"])):
        return
    yield from compare_frames(
        number, theirs, flows, {"c2s": ends.index(theirs["client"]), "s2c": ends.index(theirs["server"])}
    )
    if not theirs["plaintext_handshake"]:
        return
    yield "presence", ours is not None, True
    if ours is None:
        return
    yield "client", ours.client, theirs["client"]
    yield "sni", ours.tls.sni if ours.tls else None, theirs["sni"] or None
    chain = () if ours.chain_source == "inferred" else ours.server_chain  # which is then from another connection
    yield "server_chain", [c.sha256 for c in chain], theirs["server_chain"]
    yield "client_chain", [c.sha256 for c in ours.client_chain], theirs["client_chain"]
    if theirs["server_version"] and int(theirs["server_version"], 16) in VERSIONS:
        yield "version", ours.tls.version if ours.tls else None, VERSIONS[int(theirs["server_version"], 16)]
    if theirs["cipher_suite"] is not None:
        yield "cipher", ours.tls.cipher if ours.tls else None, cipher_suite_name(theirs["cipher_suite"])
    if theirs["alpn"] and theirs["alpn"]["selected"]:
        yield "alpn", ours.tls.alpn if ours.tls else None, theirs["alpn"]["selected"]
    if theirs["ja3"] and len(theirs["client_hellos"]) == 1 and not theirs["client_hellos"][0]["sslv2_format"]:
        yield "ja3", ours.tls.ja3 if ours.tls else None, theirs["ja3"]
    yield "alerts", alerts_of(ours), alerts_told(theirs)


def alerts_of(ours: Connection) -> list[tuple[int, str, int | None]]:
    """Those in clear, and those that a key opened."""
    read = (alert for alert in ours.alerts if alert.number is not None)
    return sorted((alert.packet, "c2s" if alert.from_ == "client" else "s2c", alert.number) for alert in read)


def alerts_told(theirs: dict[str, Any]) -> list[tuple[int, str, int]]:
    alerts = (alert for alert in theirs["frames"]["alerts"] if not alert["encrypted"])
    return sorted((alert["frame"], alert["direction"], alert["description"]) for alert in alerts)


def compare_frames(
    number: int, theirs: dict[str, Any], flows: Flows, sides: dict[str, int]
) -> Iterator[tuple[str, Any, Any]]:
    """Frames of FIN, RST and handshake messages in clear, by direction."""
    signals, begins = flows.signals.by_flow()
    own = signals[begins[number] : begins[number + 1]] if number + 1 < len(begins) else signals[:0]
    for direction, side in sides.items():
        for field, bit in (("fin", FIN), ("rst", RST)):
            mine = [int(row["packet"]) for row in own if row["side"] == side and row["flags"] & bit]
            yield field, mine, [f["frame"] for f in theirs["frames"][field] if f["direction"] == direction]
        stream = flows.streams.get(number * 2 + side)
        seen = stream.consumer.finish() if stream is not None else None  # type: ignore[attr-defined]
        messages = [[m.packet, m.type] for m in seen.messages if m.complete] if seen is not None else []
        yield "messages", messages, theirs["handshake_types"][direction]


def unexplained(truth: Path) -> list[tuple[int, str, str]]:
    name = capture_of(truth).name
    return [
        (number, field, text)
        for number, field, text in differences(truth)
        if not any(k.capture == name and number in k.streams and field in k.fields for k in KNOWN)
    ]


def quick_selection() -> list[Path]:
    """Three small captures of each source repository."""
    taken: Counter[str] = Counter()
    chosen = []
    for truth in truths():
        source = truth.name.split("__")[0]
        if taken[source] < 3 and capture_of(truth).stat().st_size < SMALL:
            taken[source] += 1
            chosen.append(truth)
    return chosen


def scored(truth: Path) -> list[int]:
    return [s["stream"] for s in json.loads(truth.read_text())["streams"] if not is_marked(s)]


@pytest.fixture(scope="module", autouse=True)
def _corpus(shared: Path) -> None:
    if not (shared / "corpus" / "captures").is_dir():
        pytest.skip("the folder `shared` holds no corpus")


@pytest.mark.parametrize("part", range(4))
def test_three_small_captures_of_each_repository_are_read_as_tshark_reads_them(part: int) -> None:
    chosen = quick_selection()
    assert len(chosen) >= 40
    assert {t.name: unexplained(t) for t in chosen[part::4] if unexplained(t)} == {}


@pytest.mark.slow
@pytest.mark.parametrize("part", range(8))
def test_every_difference_from_tshark_is_known(part: int) -> None:
    assert {t.name: unexplained(t) for t in truths()[part::8] if unexplained(t)} == {}


@pytest.mark.slow
def test_every_known_difference_is_still_one() -> None:
    for entry in KNOWN:
        truth = FOLDER / f"{entry.capture}.truth.json"
        seen = {(number, field) for number, field, _ in differences(truth)}
        assert {number for number, _ in seen} >= set(entry.streams), entry
        assert {field for number, field in seen if number in entry.streams} >= entry.fields, entry


@pytest.mark.slow
def test_at_least_97_of_100_streams_agree_in_every_field_over_all_and_on_average_over_repositories() -> None:
    total: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    for truth in truths():
        source = truth.name.split("__")[0]
        total[source] += len(scored(truth))
        wrong[source] += len({number for number, _, _ in differences(truth)})
    assert 1 - wrong.total() / total.total() >= 0.97
    shares = [1 - wrong[source] / total[source] for source in total if total[source]]
    assert sum(shares) / len(shares) >= 0.97


def opened(truth: Path) -> dict[int, dict[str, tuple[Any, Any]]]:
    """By stream, ours and theirs of what its keys show: the key log beside the capture, or the secrets in it."""
    path = truth.with_name(truth.name.removesuffix(".decrypted.truth.json"))
    keys = path.with_name(f"{path.name}.keys")
    report = {c.id: c for c in analyze(path, keylog=keys if keys.exists() else None).connections}
    return {
        theirs["stream"]: {
            "server_chain": ([c.sha256 for c in report[theirs["stream"]].server_chain], theirs["server_chain"]),
            "client_chain": ([c.sha256 for c in report[theirs["stream"]].client_chain], theirs["client_chain"]),
            "alerts": (alerts_of(report[theirs["stream"]]), alerts_told(theirs)),
        }
        for theirs in json.loads(truth.read_text())["streams"]
        if theirs["plaintext_handshake"] and not is_marked(theirs)
    }


def test_with_their_keys_97_of_100_streams_show_the_certificates_and_alerts_that_tshark_decrypts() -> None:
    seen = [(truth.name, number, fields) for truth in decrypted_truths() for number, fields in opened(truth).items()]
    wrong = [(name, number) for name, number, fields in seen if any(ours != other for ours, other in fields.values())]
    assert len(seen) >= 150
    assert len(wrong) <= 0.03 * len(seen), wrong


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_no_key_log_of_the_corpus_breaks_the_analysis_or_loses_what_is_in_clear(part: int) -> None:
    logs = sorted(FOLDER.glob("*.keys"))[part::4]
    assert logs
    for keys in logs:
        without, report = (analyze(keys.with_suffix(""), keylog=log) for log in (None, keys))
        assert [c.fault for c in report.connections if c.fault] == [], keys.name
        assert [c.id for c in report.connections] == [c.id for c in without.connections]
        for clear, connection in zip(without.connections, report.connections, strict=True):
            assert set(alerts_of(clear)) <= set(alerts_of(connection)), keys.name
            assert not clear.server_chain or clear.server_chain == connection.server_chain, keys.name


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_no_capture_of_the_corpus_breaks_the_analysis(part: int) -> None:
    captures = [p for p in sorted(FOLDER.iterdir()) if p.suffix not in {".json", ".keys", ".csv", ".md"}]
    assert len(captures) > 400
    for path in captures[part::4]:
        try:
            report = analyze(path)
        except InputError:
            continue
        assert [c.fault for c in report.connections if c.fault] == [], path.name
