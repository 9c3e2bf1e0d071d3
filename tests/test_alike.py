"""Connections that went alike are judged once, and are told as if each had been judged for itself.

The captures are made of recorded sessions, told apart by addresses, ports, times and random values.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from analyzer import analyze, verdicts
from analyzer.report.connections import Connections
from analyzer.report.model import Connection, Report
from analyzer.report.to_text import to_text
from benchmarks import make_captures
from tests.packets import Dialogue, Frame, pcap, read, written
from tests.tls.test_records import HANDSHAKE, HELLO, UNKNOWN_CA, record

ROOT = Path(__file__).resolve().parents[1]
STORE = ROOT / "captures" / "stores" / "without-root"
EACH = 6


def of_recordings(path: Path, seconds: int, which: str = "*", each: int = EACH) -> Path:
    """Every recorded session of one connection so many times within some seconds, to several servers."""
    templates = make_captures.Templates()
    names = [file.stem for file in sorted((ROOT / "captures").glob(f"{which}.pcap"))]
    plans = []
    for name in names:
        frames = make_captures.recording(name)
        if all(frame.data[12:14] == b"\x08\x00" and frame.data[14] == 0x45 and frame.data[23] == 6 for frame in frames):
            plans.append(make_captures.session_plan(frames, templates, segments=0, ack_every=1))
    assert len(plans) > (80 if which == "*" else 5)
    with path.open("wb") as out:
        make_captures.write(out, templates, plans, [each] * len(plans), seconds, np.random.default_rng(1))
    return path


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A gateway under load, where a third of 900 handshakes fail; and all recordings, close together and far apart."""
    folder = tmp_path_factory.mktemp("captures")
    return {
        "busy": make_captures.make("busy", 0.03, folder),
        "close": of_recordings(folder / "close.pcap", 10),
        "apart": of_recordings(folder / "apart.pcap", 7200),
        "hidden": of_recordings(folder / "hidden.pcap", 60, "tls13-*", 150),
    }


def in_brief(capture: Path, monkeypatch: pytest.MonkeyPatch, *, shared: bool, store: Path | None = STORE) -> Report:
    """The report that counts connections; `shared`, or each of them judged for itself."""
    with monkeypatch.context() as patch:
        if not shared:
            patch.setattr(verdicts, "Likeness", lambda _: None)
        return analyze(capture, truststore=store, all=False)


def story(item: Connection) -> tuple[object, ...]:
    """All that is told of a connection in brief."""
    causes = None if item.cause is None else (item.cause.code, item.cause.confidence, item.cause.title)
    ended = item.outcome, item.stage, item.aborted_by, item.abort_act, item.abort_packet
    chains = item.server_chain, item.client_chain, item.chain_source
    trust = [(verdict.profile, verdict.accepted, [p.code for p in verdict.problems]) for verdict in item.trust]
    alerts = [(alert.packet, alert.number) for alert in item.alerts if alert.packet == item.abort_packet]
    return (
        item.id,
        item.client,
        item.server,
        item.started_at,
        item.host,
        item.tls,
        *ended,
        causes,
        *chains,
        trust,
        alerts,
    )


@pytest.mark.parametrize("store", [STORE, None], ids=["store", "no store"])
@pytest.mark.parametrize("name", ["busy", "close", "apart"])
def test_a_capture_is_told_the_same_whether_each_connection_is_judged_or_each_story(
    name: str, store: Path | None, captures: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, single = (in_brief(captures[name], monkeypatch, shared=shared, store=store) for shared in (True, False))
    assert len(Connections.of(shared.connections).kinds) < len(single.connections) * 2 / 3
    assert list(map(story, shared.connections)) == list(map(story, single.connections))
    assert to_text(shared) == to_text(single)


def test_those_whose_chain_is_hidden_wait_along_with_the_first_to_each_server(
    captures: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand handshakes of TLS 1.3: seven stories, some of them with 39 servers."""
    shared, single = (in_brief(captures["hidden"], monkeypatch, shared=shared) for shared in (True, False))
    assert len(Connections.of(shared.connections).kinds) < 7 * 40 < len(single.connections) / 3
    assert list(map(story, shared.connections)) == list(map(story, single.connections))
    assert to_text(shared) == to_text(single)


def test_of_what_may_belong_together_with_others_all_is_kept(
    captures: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if one end of each were a client here and a server there; the chains are hidden, and judged at the end."""
    monkeypatch.setattr(verdicts, "related", lambda table: np.ones(len(table), dtype=np.bool_))
    found = in_brief(captures["hidden"], monkeypatch, shared=True).connections
    assert len(Connections.of(found).kinds) == len(found)
    assert all(item.timeline for item in found if item.outcome == "failed")


def without(capture: Path, path: Path, what: str) -> Path:
    """A capture of which the recorder left something out: the end of each packet, the SYNs, or one direction."""
    content = capture.read_bytes()
    kept, at = [content[:24]], 24
    while at < len(content):
        (size,) = struct.unpack_from("<I", content, at + 8)
        packet = content[at + 16 : at + 16 + size]
        to_server = packet[36:38] == b"\x01\xbb"
        if what == "ends" or not {"SYNs": packet[47] & 2, "client": to_server, "server": not to_server}[what]:
            packet = packet[:128] if what == "ends" else packet
            kept.append(content[at : at + 8] + struct.pack("<I", len(packet)) + content[at + 12 : at + 16] + packet)
        at += 16 + size
    path.write_bytes(b"".join(kept))
    return path


@pytest.mark.parametrize("what", ["ends", "SYNs", "client", "server"])
@pytest.mark.parametrize("name", ["busy", "hidden"])
def test_of_what_was_judged_one_by_one_no_more_is_kept_than_ended_differently(
    name: str, what: str, captures: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = without(captures[name], tmp_path / "incomplete.pcap", what)
    shared, single = (in_brief(capture, monkeypatch, shared=shared) for shared in (True, False))
    assert len(Connections.of(shared.connections).kinds) < len(single.connections) / 3
    assert list(map(story, shared.connections)) == list(map(story, single.connections))
    assert to_text(shared) == to_text(single)


def test_what_is_swept_while_reading_is_told_the_same(
    captures: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = in_brief(captures["apart"], monkeypatch, shared=True)
    monkeypatch.setattr(verdicts, "_SWEPT", 16)
    monkeypatch.setattr("analyzer.reading._SWEEP_EVERY", 500)
    monkeypatch.setattr("analyzer.capture.source._CHUNK", 1 << 16)
    swept = in_brief(captures["apart"], monkeypatch, shared=True)
    assert to_text(swept) == to_text(whole)
    assert list(map(story, swept.connections)) == list(map(story, whole.connections))


def test_connections_that_went_alike_are_told_with_the_tunnel_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same handshake again and again, every other time in VLAN 6 instead of 5."""
    monkeypatch.setattr(verdicts, "_FEW", 1)
    frames: list[bytes] = []
    for number in range(8):
        client = "10.0.0.1", 40000 + number
        dialogue = Dialogue(client, client_seq=1000 * (number + 1), server_seq=90_000 * (number + 1)).open()
        dialogue.client(record(HANDSHAKE, HELLO)).server(UNKNOWN_CA)
        tag = b"\x81\x00" + (5 + number % 2).to_bytes(2, "big")
        frames += [frame[:12] + tag + frame[12:] for frame in dialogue.frames]
    path = tmp_path / "tagged.pcap"
    path.write_bytes(pcap(frames))
    found = analyze(path, all=False).connections
    assert isinstance(found, Connections)
    assert [item.tunnels for item in found] == [("VLAN 5",), ("VLAN 6",)] * 4


def test_of_many_that_went_alike_one_whose_signature_is_of_another_hello_is_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verdicts, "_FEW", 1)
    frames = read(ROOT / "captures" / "missing-root-go.pcap")
    path = tmp_path / "one-of-many.pcap"
    several = []
    for number in range(40):
        for frame in frames:
            data = bytearray(frame.data)
            by_client = data[26:30] == frames[0].data[26:30]
            port = 34 if by_client else 36
            data[port : port + 2] = (20_000 + number).to_bytes(2, "big")
            for at in (38, 42):  # sequence and acknowledgement number
                value = int.from_bytes(data[at : at + 4], "big")
                ours = (at == 38) is by_client
                moved = (value + number * (1_000_003 if ours else 2_000_003)) % (1 << 32) if value else 0
                data[at : at + 4] = moved.to_bytes(4, "big")
            hello = data.find(b"\x16\x03\x01")
            if number == 33 and by_client and hello > 0:
                data[hello + 20] ^= 1  # in the random value
            several.append(Frame(0, bytes(data), frame.original, frame.time_ns + number * 40_000_000_000, frame.link))
    path.write_bytes(written(several).getvalue())
    shared, single = (in_brief(path, monkeypatch, shared=shared, store=None) for shared in (True, False))
    assert list(map(story, shared.connections)) == list(map(story, single.connections))
    told = [[cause.code for cause in connection.other_causes] for connection in shared.connections]
    assert [number for number, codes in enumerate(told) if "handshake-integrity" in codes] == [33]
    assert len(Connections.of(shared.connections).kinds) < 5
