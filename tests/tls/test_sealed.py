"""What a record reader keeps to be decrypted: the same however TCP cuts it, no more than is needed, holes told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.tls.decryption import Direction, Result, decrypt
from analyzer.tls.keylog import KeyLog
from analyzer.tls.records import Lost, Sealed, SideRecords
from analyzer.tls.sealed import KeyRing, let_go
from tests.packets import CLIENT, SERVER, Dialogue, read, records, segments_of, tls_flows
from tests.tls.sealed import only, shown
from tests.tls.test_records import ALERT, ANSWER, CCS, DATA, HANDSHAKE, HELLO, record, without_packets

DATA_FOLDER = Path(__file__).parent / "data" / "decryption"
RECORDED = [entry["name"] for entry in json.loads((DATA_FOLDER / "manifest.json").read_text())]
SEGMENT = 60_000
CHANGE = record(CCS, b"\1")
BEGIN = record(HANDSHAKE, HELLO) + CHANGE


def ring(random: bytes = HELLO[6:38]) -> KeyRing:
    """A log with a secret for the client random."""
    log = KeyLog()
    log.add(b"CLIENT_RANDOM %s %s\n" % (random.hex().encode(), b"00" * 48), "log")
    return KeyRing(log)


def kept(stream: bytes, cuts: list[int] | None = None, *, batch: int | None = None) -> SideRecords:
    places = range(SEGMENT, len(stream), SEGMENT) if cuts is None else cuts
    frames = Dialogue().open().frames + segments_of(stream, places)
    return records(tls_flows(frames, batch=batch, keys=ring()), CLIENT)


def summed(seen: SideRecords) -> tuple[int, int]:
    """How many records, and the bytes of their bodies."""
    sealed = [item for item in seen.sealed if isinstance(item, Sealed)]
    return sum(item.records for item in sealed), sum(item.length for item in sealed)


@pytest.mark.parametrize("batch", [None, 1, 3])
@pytest.mark.parametrize("name", RECORDED)
def test_what_is_kept_of_a_recording_opens_as_all_of_it_does(name: str, batch: int | None) -> None:
    log = KeyLog()
    log.add((DATA_FOLDER / f"{name}.keys").read_bytes(), name)
    capture = DATA_FOLDER / f"{name}.pcap"
    frames = read(capture)
    flows = tls_flows([frame.data for frame in frames], batch=batch, link=frames[0].link, keys=KeyRing(log))
    seen = [stream.consumer.finish() for stream in flows.streams.values()]  # type: ignore[attr-defined]
    seen.sort(key=lambda side: side.messages[0].type)
    client, server = (Direction(side.messages, side.sealed) for side in seen)
    whole = only(capture)
    found, expected = decrypt(log, client, server), decrypt(log, whole.client, whole.server)
    assert found.result is Result.OPENED
    assert shown(client, found.client) == shown(whole.client, expected.client)
    assert shown(server, found.server) == shown(whole.server, expected.server)


RECORDS = st.lists(
    st.tuples(st.sampled_from((DATA, DATA, DATA, HANDSHAKE, ALERT)), st.integers(0, 5000)), min_size=1, max_size=10
)


@settings(deadline=None)
@given(RECORDS, st.data(), st.integers(1, 5))
def test_it_is_the_same_wherever_segments_and_batches_end(
    shape: list[tuple[int, int]], data: st.DataObject, batch: int
) -> None:
    stream = BEGIN + b"".join(record(kind, b"\7" * length) for kind, length in shape)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=12)))
    assert without_packets(kept(stream, cuts, batch=batch)) == without_packets(kept(stream))


def test_without_keys_for_it_a_connection_is_read_as_ever() -> None:
    stream = BEGIN + record(DATA, b"x" * 100) + record(HANDSHAKE, b"y" * 40)
    frames = Dialogue().open().frames + segments_of(stream, [40])
    other = records(tls_flows(frames, keys=ring(bytes(32))), CLIENT)
    assert without_packets(other) == without_packets(records(tls_flows(frames), CLIENT))
    assert other.sealed == ()


def test_all_that_is_not_kept_is_counted() -> None:
    sizes = [16_000] * 200 + [19, 16_000, 300, 19]
    seen = kept(BEGIN + b"".join(record(DATA, bytes(size)) for size in sizes))
    assert summed(seen) == (1 + len(sizes), 1 + sum(sizes))
    assert len(seen.sealed) < 20
    assert sum(len(item.body) for item in seen.sealed if isinstance(item, Sealed)) < 140_000
    assert [item.length for item in seen.sealed[-3:] if isinstance(item, Sealed) and item.body] == [300, 19]


def test_what_is_short_is_kept_amid_bulk_data() -> None:
    seen = kept(BEGIN + (record(DATA, bytes(16_000)) * 20 + record(DATA, b"\5" * 22)) * 3)
    assert [item.body for item in seen.sealed if isinstance(item, Sealed) and item.length == 22] == [b"\5" * 22] * 3


def test_of_very_many_short_records_no_more_than_some_thousands_are_kept() -> None:
    seen = kept(BEGIN + record(DATA, bytes(30)) * 20_000)
    assert summed(seen) == (20_001, 1 + 600_000)
    assert len(seen.sealed) < 5000


def test_in_tls_1_0_the_end_of_what_is_stepped_over_is_kept_for_the_next_record() -> None:
    seen = kept(BEGIN + record(DATA, bytes(15_936) + b"\7" * 64, 0x0301) * 24 + record(ALERT, bytes(32), 0x0301))
    counted = next(item for item in seen.sealed if isinstance(item, Sealed) and item.records > 1)
    assert counted.body == b"\7" * 64


def test_a_hole_in_the_body_of_a_record_leaves_a_record_that_does_not_open() -> None:
    body = record(DATA, b"x" * 3000)
    dialogue = Dialogue().open().client(BEGIN + body[:1000]).lose(0, 1000).client(body[2000:] + record(DATA, b"y" * 30))
    seen = records(tls_flows(dialogue.frames, keys=ring()), CLIENT)
    assert [(i.length, len(i.body)) for i in seen.sealed if isinstance(i, Sealed)] == [(1, 1), (3000, 0), (30, 30)]


def test_a_hole_over_record_headers_is_told_with_its_size() -> None:
    dialogue = Dialogue().open().client(BEGIN + record(DATA, b"x" * 30)).lose(0, 5000).client(record(DATA, b"y" * 40))
    seen = records(tls_flows(dialogue.frames, keys=ring()), CLIENT)
    change, first, hole, last = seen.sealed
    assert [i.length for i in (change, first, last) if isinstance(i, Sealed)] == [1, 30, 40]
    assert isinstance(hole, Lost)
    assert hole.size == 5000


def test_protected_records_before_a_hello_are_not_kept() -> None:
    dialogue = Dialogue().client(record(DATA, b"x" * 100) * 3).server(record(DATA, b"y" * 100) * 3)
    flows = tls_flows(dialogue.frames, keys=ring())
    assert [records(flows, side).sealed for side in (CLIENT, SERVER)] == [(), ()]


def test_a_reader_that_let_go_is_known_once_there_are_keys() -> None:
    frames = Dialogue().open().client(BEGIN + record(DATA, b"x" * 100)).server(record(HANDSHAKE, ANSWER)).frames
    without = [stream.consumer for stream in tls_flows(frames).streams.values()]
    assert any(let_go(reader, ring()) for reader in without)
    assert not any(let_go(reader, ring(bytes(32))) for reader in without)
    keeping = [stream.consumer for stream in tls_flows(frames, keys=ring()).streams.values()]
    assert not any(let_go(reader, ring()) for reader in keeping)
