"""Segments to ordered bytes: whatever happens to them on the way, the same bytes come out, and holes stay holes."""

from __future__ import annotations

import io
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.capture import CaptureReader
from analyzer.net import reassembly
from analyzer.net.decode import SegmentDecoder
from analyzer.net.flows import Flows
from analyzer.net.reassembly import Cut, Run, Stream
from analyzer.tls.detect import likely_record
from tests.packets import (
    ACK,
    CLIENT,
    FIN,
    NOON,
    PSH,
    RST,
    SERVER,
    SYN,
    Dialogue,
    Kept,
    flows_of,
    flows_of_file,
    kept,
    pcap,
    pcap_record,
    tcp,
)

START = 1001
"""Sequence number of the first byte that the client sends after `Dialogue.open`."""


def segment(data: bytes, start: int, length: int, base: int = START) -> bytes:
    """The client's bytes from `start` on, as a segment."""
    return tcp(CLIENT, SERVER, data[start : start + length], seq=base + start, ack=9001)


def opened(base: int = START) -> list[bytes]:
    return Dialogue(client_seq=base - 1).open().frames


def client_side(frames: list[bytes], batch: int | None = None) -> Kept:
    return kept(flows_of(frames, batch=batch), 0, CLIENT)


def stream_of(flows: Flows) -> Stream:
    side = 0 if str(flows.table.endpoint(0, 0)) == "10.0.0.1:40000" else 1
    return flows.streams[side]


DATA = bytes(range(256)) * 4

cuts = st.lists(st.integers(1, len(DATA) - 1), max_size=8, unique=True).map(
    lambda places: [0, *sorted(places), len(DATA)]
)
batches = st.sampled_from([1, 2, 7, None])
bases = st.sampled_from([START, 2**32 - 1, 2**32 - 500, 0, 2**31 - 3])


@given(cuts=cuts, base=bases, batch=batches, order=st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_any_order_of_segments_gives_the_same_bytes(
    cuts: list[int], base: int, batch: int | None, order: random.Random
) -> None:
    pieces = [(a, b - a) for a, b in pairwise(cuts)]
    order.shuffle(pieces)
    frames = opened(base) + [segment(DATA, a, size, base) for a, size in pieces]
    got = client_side(frames, batch)
    assert bytes(got.data) == DATA
    assert got.holes == []
    brought = {place: 4 + number for number, (a, size) in enumerate(pieces) for place in range(a, a + size)}
    assert got.packets == [brought[place] for place in range(len(DATA))]


@given(
    cuts=cuts,
    repeats=st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(1, 300)), max_size=6),
    batch=batches,
    order=st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_repeated_and_overlapping_segments_change_nothing(
    cuts: list[int], repeats: list[tuple[int, int]], batch: int | None, order: random.Random
) -> None:
    pieces = [(a, b - a) for a, b in pairwise(cuts)]
    pieces += [(start, min(size, len(DATA) - start)) for start, size in repeats]
    order.shuffle(pieces)
    got = client_side(opened() + [segment(DATA, *piece) for piece in pieces], batch)
    assert bytes(got.data) == DATA
    assert got.holes == []
    for place, packet in enumerate(got.packets):
        start, size = pieces[packet - 4]
        assert start <= place < start + size, "the packet named for a byte holds it"


@given(cuts=cuts, lost=st.sets(st.integers(0, 8), min_size=1, max_size=4), batch=batches)
@settings(max_examples=60)
def test_missing_segments_are_holes_of_their_size_and_nothing_else_is_missing(
    cuts: list[int], lost: set[int], batch: int | None
) -> None:
    pieces = [(a, b - a) for a, b in pairwise(cuts)]
    there = [piece for index, piece in enumerate(pieces) if index not in lost]
    if not there:
        return
    flows = flows_of(opened() + [segment(DATA, *piece) for piece in there], batch=batch)
    got = kept(flows, 0, CLIENT)
    held = {place for start, size in there for place in range(start, start + size)}
    last = max(held) + 1
    expected = bytes(DATA[place] if place in held else ord("?") for place in range(last))
    assert bytes(got.data) == expected
    missing = last - len(held)
    assert sum(size for _, size in got.holes) == missing
    assert stream_of(flows).lost_bytes == missing
    assert sum(size for _, size in stream_of(flows).gaps) == missing


@given(data=st.data(), batch=batches)
@settings(max_examples=60)
def test_any_segments_at_all_give_each_byte_that_was_there_and_holes_for_the_rest(
    data: st.DataObject, batch: int | None
) -> None:
    pieces = data.draw(st.lists(st.tuples(st.integers(0, 600), st.integers(1, 100)), min_size=1, max_size=12))
    got = client_side(opened() + [segment(DATA, *piece) for piece in pieces], batch)
    held = {place for start, size in pieces for place in range(start, start + size)}
    last = max(held) + 1
    assert bytes(got.data) == bytes(DATA[place] if place in held else ord("?") for place in range(last))
    assert sum(size for _, size in got.holes) == last - len(held)


class CutKept(Kept):
    """Remembers of which packet a hole was cut off as well."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts: list[tuple[int, int, Cut | None]] = []

    def gap(self, start: int, size: int, cut: Cut | None = None) -> None:
        super().gap(start, size)
        self.cuts.append((start, size, cut))


@given(
    pieces=st.lists(st.tuples(st.integers(0, 600), st.integers(1, 200), st.integers(0, 200)), min_size=1, max_size=12),
    base=bases,
)
@settings(max_examples=100)
def test_lost_cut_repeated_and_shuffled_segments_give_right_bytes_at_their_places_and_tell_every_hole(
    pieces: list[tuple[int, int, int]], base: int
) -> None:
    """`pieces`: start, length and captured length of segments in the order in which they were recorded."""
    content = pcap(opened(base))
    for start, length, captured in pieces:
        whole = segment(DATA, start, length, base)
        content += pcap_record(whole[: 54 + captured], original=len(whole))
    flows, decoder = Flows(likely_record, lambda _flow, _side: CutKept()), SegmentDecoder()
    for batch in CaptureReader([io.BytesIO(content)]).batches():
        flows.add(decoder.decode(batch))
    flows.finish()
    got = kept(flows, 0, CLIENT)
    assert isinstance(got, CutKept)
    missing = {place for start, size in got.holes for place in range(start, start + size)}
    assert len(got.data) == max(start + length for start, length, _ in pieces)
    for place, byte in enumerate(got.data):
        if place in missing:
            continue
        start, _, captured = pieces[got.packets[place] - 4]
        assert byte == DATA[place]
        assert start <= place < start + captured, "the packet named for a byte holds it"
    for at, size, cut in got.cuts:
        if cut is not None:
            start, length, captured = pieces[cut.packet - 4]
            assert (cut.length, cut.captured) == (length, min(captured, length))
            assert start + captured <= at
            assert at + size == start + length


def test_a_hole_is_told_with_its_place_and_size() -> None:
    frames = [*opened(), segment(DATA, 0, 100), segment(DATA, 250, 50), segment(DATA, 320, 5)]
    got = client_side(frames)
    assert got.holes == [(100, 150), (300, 20)]
    assert got.packets[99] == 4
    assert got.packets[250] == 5


def test_a_hole_that_is_filled_later_is_none() -> None:
    frames = [*opened(), segment(DATA, 0, 100), segment(DATA, 200, 100), segment(DATA, 100, 100)]
    got = client_side(frames)
    assert (bytes(got.data), got.holes) == (DATA[:300], [])
    assert [got.packets[place] for place in (0, 100, 200)] == [4, 6, 5]


def test_what_the_snap_length_cut_off_is_a_hole_of_its_size() -> None:
    cut = segment(DATA, 0, 1000)
    frames = opened()
    content = pcap(frames) + pcap_record(cut[: 54 + 60], NOON, original=len(cut)) + pcap_record(segment(DATA, 1000, 24))
    got = kept(flows_of_file(content), 0, CLIENT)
    assert got.holes == [(60, 940)]
    assert bytes(got.data) == DATA[:60] + b"?" * 940 + DATA[1000:]


def test_a_retransmission_fills_what_the_snap_length_cut_off_of_a_segment_held_back() -> None:
    cut = segment(DATA, 100, 200)
    content = (
        pcap(opened())
        + pcap_record(cut[: 54 + 50], original=len(cut))
        + b"".join(map(pcap_record, (segment(DATA, 0, 100), segment(DATA, 300, 10))))
    )
    got = kept(flows_of_file(content), 0, CLIENT)
    assert got.holes == [(150, 150)]
    assert bytes(got.data) == DATA[:150] + b"?" * 150 + DATA[300:310]


def test_a_keep_alive_is_neither_data_nor_a_retransmission() -> None:
    probe = tcp(CLIENT, SERVER, b"\x00", seq=START + 99, ack=9001)
    bare = tcp(CLIENT, SERVER, seq=START + 99, ack=9001)
    flows = flows_of([*opened(), segment(DATA, 0, 100), probe, bare, segment(DATA, 100, 100)])
    assert bytes(kept(flows, 0, CLIENT).data) == DATA[:200]
    assert stream_of(flows).retransmitted == 0


def test_a_zero_window_probe_brings_its_byte_once() -> None:
    frames = [*opened(), segment(DATA, 0, 100), segment(DATA, 100, 1), segment(DATA, 100, 1), segment(DATA, 100, 100)]
    got = client_side(frames)
    assert (bytes(got.data), got.holes) == (DATA[:200], [])
    assert got.packets[100:102] == [5, 7]


def test_a_retransmission_is_counted_with_its_packet_and_place() -> None:
    flows = flows_of([*opened(), segment(DATA, 0, 100), segment(DATA, 100, 50), segment(DATA, 0, 100)])
    (again,) = stream_of(flows).retransmissions
    assert (again.packet, again.position, again.length) == (6, 0, 100)
    assert stream_of(flows).retransmitted == 1


def test_the_first_of_two_different_contents_is_kept() -> None:
    other = bytes(100)
    got = client_side([*opened(), segment(DATA, 0, 100), segment(other, 0, 100), segment(DATA, 100, 10)])
    assert bytes(got.data) == DATA[:110]


def test_data_in_the_syn_is_the_beginning_of_the_stream() -> None:
    frames = [
        tcp(CLIENT, SERVER, b"early", seq=START - 1, flags=SYN),
        tcp(SERVER, CLIENT, seq=9000, ack=START + 5, flags=SYN | ACK),
        tcp(CLIENT, SERVER, b" late", seq=START + 5, ack=9001, flags=ACK),
    ]
    for batch in (1, 3):
        assert bytes(client_side(frames, batch).data) == b"early late"


def test_a_repeated_syn_does_not_shift_the_stream() -> None:
    frames = [opened()[0], *opened(), segment(DATA, 0, 50), segment(DATA, 50, 50)]
    assert bytes(client_side(frames).data) == DATA[:100]


def test_data_in_a_fin_counts_and_data_in_a_rst_does_not() -> None:
    frames = Dialogue().open().client(b"last words", flags=FIN | PSH | ACK).server(b"reason", flags=RST | ACK).frames
    flows = flows_of(frames)
    assert bytes(kept(flows, 0, CLIENT).data) == b"last words"
    assert bytes(kept(flows, 0, SERVER).data) == b""


@pytest.mark.parametrize("batch", [1, 2, None])
def test_a_stream_seen_from_the_middle_begins_with_its_first_segment(batch: int | None) -> None:
    got = client_side([segment(DATA, 500, 100), segment(DATA, 600, 100)], batch)
    assert (bytes(got.data), got.holes) == (DATA[500:700], [])


def test_segments_may_be_shuffled_in_a_stream_seen_from_the_middle() -> None:
    got = client_side([segment(DATA, 0, 100), segment(DATA, 200, 100), segment(DATA, 100, 100)])
    assert (bytes(got.data), got.holes) == (DATA[:300], [])


class Uninterested(Kept):
    """Wants nothing that comes soon: the inside of bulk data."""

    def __init__(self) -> None:
        super().__init__()
        self.wanted = 1 << 60

    def feed(self, run: Run) -> None:
        self.holes.append((run.start, run.end))


def test_positions_do_not_wrap_where_sequence_numbers_do() -> None:
    step = 1 << 29
    frames = opened() + [tcp(CLIENT, SERVER, b"x", seq=START + number * step, ack=9001) for number in range(20)]
    flows = flows_of(frames, batch=3, consumer=Uninterested)
    assert stream_of(flows).position == 19 * step + 1
    assert stream_of(flows).lost_bytes == 19 * (step - 1)


def test_a_hole_is_given_up_when_too_much_waits_behind_it() -> None:
    size = reassembly._MAX_HELD_BYTES // 1000 + 10
    frames = opened() + [tcp(CLIENT, SERVER, bytes(1000), seq=START + 1 + n * 1000, ack=9001) for n in range(size)]
    flows = flows_of(frames, batch=400)
    assert kept(flows, 0, CLIENT).holes == [(0, 1)]
    assert len(kept(flows, 0, CLIENT).data) == 1 + size * 1000


def test_endless_single_bytes_behind_a_hole_are_not_all_held_back() -> None:
    flows = Flows(likely_record, lambda _flow, _side: Kept())
    decoder = SegmentDecoder()
    frames = opened() + [tcp(CLIENT, SERVER, b"x", seq=START + 10 + 2 * n, ack=9001) for n in range(3000)]
    for batch in CaptureReader([io.BytesIO(pcap(frames))]).batches():
        flows.add(decoder.decode(batch))
    assert len(stream_of(flows).held) <= reassembly._MAX_HELD_SEGMENTS
    assert len(kept(flows, 0, CLIENT).holes) > 1000


class Picky(Kept):
    """Wants the first ten bytes, then nothing before byte 900."""

    def feed(self, run: Run) -> None:
        self.wanted = max(900, run.end)
        self.holes.append((run.start, run.end))

    def gap(self, start: int, size: int, cut: Cut | None = None) -> None:
        pytest.fail("a hole in what nobody wants is no hole")


@pytest.mark.parametrize("batch", [1, None])
def test_a_consumer_is_neither_fed_nor_told_of_holes_in_what_it_does_not_want(batch: int | None) -> None:
    frames = [*opened(), segment(DATA, 0, 10), segment(DATA, 600, 300), segment(DATA, 900, 100)]
    flows = flows_of(frames, batch=batch, consumer=Picky)
    fed = kept(flows, 0, CLIENT).holes
    assert (fed[0], fed[-1][1]) == ((0, 10), 1000)
    assert stream_of(flows).lost_bytes == 590
