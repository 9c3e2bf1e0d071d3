"""Records read in columns are those that each direction's own reader sees, whatever is sent and wherever it is cut."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.capture import CaptureReader
from analyzer.net import flows as net
from analyzer.net.decode import SegmentDecoder
from analyzer.net.flows import Flows
from analyzer.tls.columns import RecordColumns
from analyzer.tls.detect import likely_record
from analyzer.tls.records import RecordReader, SideRecords
from tests.packets import Dialogue, fed
from tests.tls.test_records import (
    ALERT,
    ANSWER,
    CCS,
    CHAIN,
    DATA,
    DONE,
    FLIGHT,
    HANDSHAKE,
    HELLO,
    UNKNOWN_CA,
    message,
    record,
)

SEALED = record(CCS, b"\1") + record(HANDSHAKE, bytes(range(40)))
PARTS = st.sampled_from(
    [
        record(HANDSHAKE, HELLO),
        record(HANDSHAKE, ANSWER),
        FLIGHT,
        record(HANDSHAKE, ANSWER + CHAIN + message(DONE, b"")),
        record(HANDSHAKE, CHAIN[:700]) + record(HANDSHAKE, CHAIN[700:]),  # a message over two records
        SEALED,
        record(CCS, b"\1") + record(HANDSHAKE, HELLO),  # the second ClientHello of TLS 1.3
        UNKNOWN_CA,
        record(ALERT, bytes(26)),
        record(ALERT, b"\2"),
        record(DATA, bytes(300)),
        record(DATA, bytes(40)) * 30,
        record(DATA, bytes(1400)) * 20,
        record(24, bytes(20)),
        record(HANDSHAKE, b""),
        record(DATA, b""),
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(7),
        b"\x17\x03\x03\xff\xff",
    ]
)
SAYINGS = st.lists(PARTS, min_size=1, max_size=8).map(b"".join)


@pytest.fixture(autouse=True)
def always_in_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(net, "LEAST_RUNS", 1)


def pieces(text: bytes, cuts: random.Random) -> Iterator[bytes]:
    while text:
        size = cuts.choice([1, 3, 4, 5, 6, 60, 536, 1448, 1448, 1448, 4000])
        yield text[:size]
        text = text[size:]


def sides(flows: Flows) -> dict[int, tuple[SideRecords, int, int]]:
    """By direction: what was read, how many bytes, and the next sequence number."""
    found: dict[int, tuple[SideRecords, int, int]] = {}
    for number in range(len(flows.table) * 2):
        stream = flows.stream(number)
        if stream is not None and isinstance(stream.consumer, RecordReader):
            found[number] = stream.consumer.finish(), stream.position, stream.next_seq
    return found


def read(frames: list[bytes], batch: int, *, columns: bool) -> dict[int, tuple[SideRecords, int, int]]:
    reader = RecordColumns() if columns else None

    def consumer(flow: int, side: int) -> RecordReader:
        if reader is not None and reader.knows(flow * 2 + side):
            return reader.restore(flow * 2 + side)
        return RecordReader(midstream=not flows.opened_by_syn(flow, side))

    flows = Flows(likely_record, consumer, reader)
    return sides(fed(frames, batch, 1, flows))


@given(
    sayings=st.lists(st.tuples(SAYINGS, SAYINGS), min_size=1, max_size=4),
    seed=st.integers(0, 1 << 32),
    batch=st.sampled_from([1, 3, 10, 1000]),
    faults=st.sampled_from([0.0, 0.0, 0.05]),
)
@settings(max_examples=150)
def test_each_direction_is_read_alike_in_columns_and_by_itself(
    sayings: list[tuple[bytes, bytes]], seed: int, batch: int, faults: float
) -> None:
    cuts = random.Random(seed)
    dialogues = [Dialogue(("10.0.0.1", 40000 + number)).open() for number in range(len(sayings))]
    for dialogue, (asked, answered) in zip(dialogues, sayings, strict=True):
        for one, other in zip_longest(pieces(asked, cuts), pieces(answered, cuts)):
            if one:
                dialogue.client(one)
            if other:
                dialogue.server(other)
    frames = [frame for several in zip_longest(*(d.frames for d in dialogues)) for frame in several if frame]
    for place in range(len(frames) - 1, 0, -1):
        if cuts.random() < faults:
            match cuts.randrange(3):
                case 0:
                    del frames[place]
                case 1:
                    frames[place - 1], frames[place] = frames[place], frames[place - 1]
                case _:
                    frames.insert(place, frames[place - 1])
    assert read(frames, batch, columns=True) == read(frames, batch, columns=False)


def test_what_was_forgotten_is_gone_and_the_rest_is_as_it_was() -> None:
    reader = RecordColumns()
    flows = Flows(likely_record, lambda flow, side: reader.restore(flow * 2 + side), reader)
    first, second = (Dialogue(("10.0.0.1", port)).open().client(record(HANDSHAKE, HELLO)) for port in (40000, 40001))
    fed([*first.frames, *second.frames], 1000, 1, flows)
    keys = [key for key in range(4) if reader.knows(key)]
    assert len(keys) == 2
    before = reader.restore(keys[1]).seen
    gone = np.zeros(2, dtype=np.bool_)
    gone[keys[0] >> 1] = True
    reader.forget(gone)
    assert reader.restore(keys[0]).seen.messages == []
    assert reader.restore(keys[1]).seen == before
    assert [m.body for m in before.messages] == [HELLO[4:]]


def test_flows_that_are_dropped_leave_the_records_of_the_others_as_they_are(captures: Path) -> None:
    columns = RecordColumns()
    flows = Flows(likely_record, lambda flow, side: columns.restore(flow * 2 + side), columns)
    for batch in CaptureReader([captures / "thirty-times.pcap"]).batches():
        flows.add(SegmentDecoder().decode(batch))
    before = [records(flows, number) for number in range(2 * len(flows.table))]
    gone = np.arange(len(flows.table)) % 3 == 1
    columns.drop(gone)
    flows.drop(gone)
    kept = [seen for number, seen in enumerate(before) if not gone[number >> 1]]
    assert [records(flows, number) for number in range(2 * len(flows.table))] == kept
    assert any(seen is not None and seen.messages for seen in kept)


def records(flows: Flows, number: int) -> SideRecords | None:
    stream = flows.stream_so_far(number)
    if stream is None:
        return None
    assert isinstance(stream.consumer, RecordReader)
    return stream.consumer.finish()
