"""One direction of a TCP connection: segments in, ordered bytes out (RFC 9293 section 3.10.7.4).

A `Stream` hands its consumer `Run`s: stretches of bytes without a hole, each byte's packet known. Bytes that arrive
twice are dropped (the first seen wins), bytes that arrive early are held back until the hole before them is filled.
A hole that is never filled is told to the consumer with its size; it is never papered over.

    seq     1000      1500      2000      2500
            |-- A ----|         |-- C ----|          C is held back
            |-- A ----|-- B ----|-- C ----|          B fills the hole: B, then C go out
                                                     no B ever: gap(position of B, 500), then C

Bytes that the consumer does not want (`wanted` lies behind them: the inside of an application data record) are
neither copied nor waited for. Positions count bytes from the first byte after the SYN, or from where the
capture begins; they do not wrap.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from analyzer.dataclass import dataclass

__all__ = ["Consumer", "Cut", "OrderedRuns", "Reader", "Retransmission", "Rows", "Run", "Stream"]

_MODULUS: Final = 1 << 32
_HALF: Final = 1 << 31
_MAX_HELD_BYTES: Final = 1 << 20
_MAX_HELD_SEGMENTS: Final = 1024
"""Beyond this much held back the hole is taken for lost: the capture dropped the packet."""
_MAX_REPEATS: Final = 4096
"""Places looked at together at most."""
_MAX_GAPS: Final = 64
_MAX_RETRANSMISSIONS: Final = 32


@dataclass(slots=True)
class Rows:
    """Data segments of one batch as columns, sorted by flow, side and arrival. One index is one segment.

    The columns are lists or memory views: of bulk data only one segment in twelve is ever looked at.
    """

    view: memoryview
    """The bytes that `payload` points into."""
    payload: Sequence[int]
    length: Sequence[int]
    captured: Sequence[int]
    seq: Sequence[int]
    """Sequence number of the first payload byte."""
    packet: Sequence[int]
    time_ns: Sequence[int]
    total: Sequence[int]
    """Payload bytes of all segments before this one, over the whole batch."""
    breaks: Sequence[int]
    """Indices of segments that do not follow the one before, or lack bytes: all others continue without a hole."""
    find_likely: Callable[[], Sequence[int]]
    """Finds `likely`; few batches have anybody who asks."""
    find_repeats: Callable[[int, int, int, int], Sequence[int]] | None = None
    """`Run.repeats`: at a place of `total`, so many bytes, how far apart, how often."""
    _likely: Sequence[int] | None = None

    @property
    def likely(self) -> Sequence[int]:
        """Indices of segments that look like the beginning of what the consumer waits for."""
        if self._likely is None:
            self._likely = self.find_likely()
        return self._likely


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderedRuns:
    """Runs of one batch in columns: N stretches of bytes in order and without a hole, each of another direction.

    The first columns are [M] segments, sorted by direction and arrival. A place is a byte of their payloads, counted
    over all of them: segment i begins at place `total[i]`.
    """

    data: NDArray[np.uint8]
    """The bytes that `payload` points into."""
    payload: NDArray[np.int64]
    length: NDArray[np.int64]
    packet: NDArray[np.int64]
    """[M] frame number."""
    time_ns: NDArray[np.int64]
    total: NDArray[np.int64]
    key: NDArray[np.int64]
    """[N] flow * 2 + side."""
    first: NDArray[np.int64]
    """[N] the run's first segment."""
    last: NDArray[np.int64]
    """[N] the segment behind its last one."""
    start: NDArray[np.int64]
    """[N] position of its first byte in the stream."""
    size: NDArray[np.int64]
    """[N] bytes."""


class Reader(Protocol):
    """What takes runs in columns."""

    def take(self, runs: OrderedRuns) -> NDArray[np.bool_]:
        """Take the runs; gives [N] those that a consumer has to take as well, which then goes on where this stopped."""


class Run:
    """Consecutive bytes of a stream, positions `start` to `end`, spread over the segments `first` to `last` of `rows`.

    Valid while the batch is: a consumer copies what it keeps.
    """

    __slots__ = ("end", "first", "last", "rows", "shift", "start")

    def __init__(self, rows: Rows, first: int, last: int, start: int, end: int, skip: int = 0) -> None:
        self.rows = rows
        self.first = first
        self.last = last
        self.start = start
        self.end = end
        self.shift = rows.total[first] + skip - start
        """What turns a position of the stream into one of `rows.total`."""

    def part(self, start: int, end: int, position: int) -> Run:
        """The bytes from `start` to `end` of this run, counted from `position` on."""
        part = Run.__new__(Run)
        part.rows, part.first, part.last = self.rows, self.first, self.last
        part.start, part.end = position, position + end - start
        part.shift = self.shift + start - position
        return part

    def read(self, position: int, count: int) -> bytes:
        """`count` bytes from `position`; both must lie within the run."""
        rows = self.rows
        at = position + self.shift
        index = bisect_right(rows.total, at, self.first, self.last) - 1
        inside = at - rows.total[index]
        start = rows.payload[index] + inside
        room = rows.length[index] - inside
        if count <= room:
            return rows.view[start : start + count].tobytes()
        parts = [rows.view[start : start + room]]
        count -= room
        while count > 0:
            index += 1
            start = rows.payload[index]
            take = min(rows.length[index], count)
            parts.append(rows.view[start : start + take])
            count -= take
        return b"".join(parts)

    def repeats(self, position: int, size: int, stride: int) -> Sequence[int]:
        """Where the `size` bytes at `position` stand again, `stride` bytes on and so forth: the segments, from its own.

        Each lies within one segment and the run. All are looked at together, which is what bulk data is for.
        """
        if self.rows.find_repeats is None:
            return (self._index(position),)
        count = min((self.end - position - size) // stride + 1, _MAX_REPEATS)
        return self.rows.find_repeats(position + self.shift, size, stride, count)

    def packet_at(self, position: int) -> int:
        """Frame number of the segment that holds the byte at `position`."""
        return self.rows.packet[self._index(position)]

    def time_at(self, position: int) -> int:
        """Time in nanoseconds of the segment that holds the byte at `position`."""
        return self.rows.time_ns[self._index(position)]

    def seen_at(self, position: int) -> tuple[int, int]:
        """Frame number and time in nanoseconds of the segment that holds the byte at `position`."""
        index = self._index(position)
        return self.rows.packet[index], self.rows.time_ns[index]

    def segments(self, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
        """The segments that hold the bytes from `start` to `end`: start, end, frame number, time in nanoseconds."""
        rows = self.rows
        index = self._index(start)
        while start < end:
            stop = min(rows.total[index] + rows.length[index] - self.shift, end)
            yield start, stop, rows.packet[index], rows.time_ns[index]
            start, index = stop, index + 1

    def next_likely(self, position: int) -> int | None:
        """Position of the first segment at or after `position` that looks like a beginning, or None."""
        rows = self.rows
        at = position + self.shift
        lowest = bisect_left(rows.total, at, self.first, self.last)
        found = bisect_left(rows.likely, lowest)
        if found < len(rows.likely) and rows.likely[found] < self.last:
            return rows.total[rows.likely[found]] - self.shift
        return None

    def _index(self, position: int) -> int:
        return bisect_right(self.rows.total, position + self.shift, self.first, self.last) - 1


class Cut(NamedTuple):
    """The segment of which the snap length cut bytes off: of `length` payload bytes the first `captured` are there."""

    packet: int
    time_ns: int
    length: int
    captured: int


class Consumer(Protocol):
    """What takes the ordered bytes of one direction."""

    wanted: int
    """Position of the first byte not yet taken that will be needed; bytes before it may be left out."""

    def feed(self, run: Run) -> None:
        """Take a run; it begins where the last run or gap ended, except for bytes that were not wanted."""

    def gap(self, start: int, size: int, cut: Cut | None = None) -> None:
        """Bytes that are missing from the capture; `cut` is the segment that brought them, when the capture has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retransmission:
    """A segment that brought nothing new. `position` is that of its first byte in the stream."""

    packet: int
    time_ns: int
    position: int
    length: int


@dataclass(slots=True)
class _Held:
    """A segment that came before its turn: its bytes, copied."""

    position: int
    data: bytes
    length: int
    packet: int
    time_ns: int
    likely: bool


class Stream:
    """Reassembles one direction for one consumer."""

    __slots__ = (
        "consumer",
        "gaps",
        "held",
        "held_bytes",
        "lost_bytes",
        "next_seq",
        "position",
        "retransmissions",
        "retransmitted",
    )

    def __init__(self, consumer: Consumer, next_seq: int, position: int = 0) -> None:
        self.consumer = consumer
        self.next_seq = next_seq
        """Sequence number of the next byte in order."""
        self.position = position
        self.held: list[_Held] = []
        self.held_bytes = 0
        self.gaps: list[tuple[int, int]] = []
        """Holes (position, size) that were passed; one that is filled later is taken off again."""
        self.lost_bytes = 0
        self.retransmissions: list[Retransmission] = []
        """The first few of them."""
        self.retransmitted = 0

    def add_in_order(self, rows: Rows, first: int, last: int, size: int) -> None:
        """Take segments `first` to `last`, known to follow each other without hole or overlap."""
        if self.held or rows.seq[first] != self.next_seq:
            self.add(rows, first, last)
            return
        start = self.position
        end = start + size
        self.consumer.feed(Run(rows, first, last, start, end))
        self.position = end
        self.next_seq = (self.next_seq + size) % _MODULUS

    def add(self, rows: Rows, first: int, last: int) -> None:
        """Take segments `first` to `last` in whatever order they came; stretches that are in order go out as one."""
        index = first
        while index < last:
            if not self.held and rows.seq[index] == self.next_seq and rows.captured[index] == rows.length[index]:
                follower = bisect_right(rows.breaks, index)
                end = min(rows.breaks[follower], last) if follower < len(rows.breaks) else last
                size = rows.total[end - 1] + rows.length[end - 1] - rows.total[index]
                self.consumer.feed(Run(rows, index, end, self.position, self.position + size))
                self._advance(size)
                index = end
            else:
                self._add_one(rows, index)
                index += 1

    def so_far(self) -> Stream:
        """A copy that ends here; this one goes on. Its consumer is a copy too."""
        ended = copy(self)
        ended.consumer = copy(self.consumer)
        ended.held, ended.gaps, ended.retransmissions = self.held[:], self.gaps[:], self.retransmissions[:]
        ended.finish()
        return ended

    def finish(self) -> None:
        """No more segments: what is held back goes out, the holes before it are lost."""
        while self.held:
            self._lose_hole()

    def _add_one(self, rows: Rows, index: int) -> None:
        length = rows.length[index]
        ahead = (rows.seq[index] - self.next_seq + _HALF) % _MODULUS - _HALF
        if ahead + length <= 0:
            self._old(rows, index, ahead, length)
            return
        if ahead > 0:
            if self.position + ahead > self.consumer.wanted:
                self._hold(rows, index, ahead)
                return
            self._pass(ahead)
            ahead = 0
        self._deliver_row(rows, index, -ahead)
        self._deliver_held()

    def _old(self, rows: Rows, index: int, ahead: int, length: int) -> None:
        if length == 1 and ahead == -1:
            return  # a keep-alive probe (RFC 9293 section 3.8.4)
        position = self.position + ahead
        for number, (start, size) in enumerate(self.gaps):
            if position <= start and start + size <= position + length:
                del self.gaps[number]
                self.lost_bytes -= size
                return
        self.retransmitted += 1
        if len(self.retransmissions) < _MAX_RETRANSMISSIONS:
            self.retransmissions.append(
                Retransmission(packet=rows.packet[index], time_ns=rows.time_ns[index], position=position, length=length)
            )

    def _deliver_row(self, rows: Rows, index: int, skip: int) -> None:
        """Deliver a segment from its byte `skip` on; what the snap length cut off is a gap."""
        length, captured = rows.length[index], rows.captured[index]
        present = captured - skip
        if present > 0:
            self.consumer.feed(Run(rows, index, index + 1, self.position, self.position + present, skip))
            self._advance(present)
        missing = length - max(captured, skip)
        if missing > 0:
            self._lose(missing, Cut(rows.packet[index], rows.time_ns[index], length, captured))

    def _hold(self, rows: Rows, index: int, ahead: int) -> None:
        position = self.position + ahead
        start = rows.payload[index]
        data = rows.view[start : start + rows.captured[index]].tobytes()
        held = _Held(
            position=position,
            data=data,
            length=rows.length[index],
            packet=rows.packet[index],
            time_ns=rows.time_ns[index],
            likely=index in rows.likely[bisect_left(rows.likely, index) :][:1],
        )
        at = bisect_right(self.held, position, key=lambda other: other.position)
        if at and self.held[at - 1].position == position and self.held[at - 1].length >= held.length:
            self.retransmitted += 1
            return
        self.held.insert(at, held)
        self.held_bytes += len(data)
        if self.held_bytes > _MAX_HELD_BYTES or len(self.held) > _MAX_HELD_SEGMENTS:
            self._lose_hole()

    def _deliver_held(self) -> None:
        while self.held and self.held[0].position <= self.position:
            held = self.held.pop(0)
            self.held_bytes -= len(held.data)
            skip = self.position - held.position
            if skip >= held.length:
                continue
            rows = Rows(
                view=memoryview(held.data),
                payload=[0],
                length=[held.length],
                captured=[len(held.data)],
                seq=[0],
                packet=[held.packet],
                time_ns=[held.time_ns],
                total=[0],
                breaks=[],
                find_likely=lambda known=held.likely: [0] if known else [],  # type: ignore[misc]
            )
            self._deliver_row(rows, 0, skip)

    def _lose_hole(self) -> None:
        size = self.held[0].position - self.position
        if size > 0:
            self._lose(size)
        self._deliver_held()

    def _lose(self, size: int, cut: Cut | None = None) -> None:
        self.consumer.gap(self.position, size, cut)
        self._pass(size)

    def _pass(self, size: int) -> None:
        """Step over bytes that are not there."""
        self.lost_bytes += size
        if len(self.gaps) < _MAX_GAPS:
            self.gaps.append((self.position, size))
        self._advance(size)

    def _advance(self, size: int) -> None:
        self.position += size
        self.next_seq = (self.next_seq + size) % _MODULUS
