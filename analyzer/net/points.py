"""Several capture files: which are one recording in pieces, and which were taken at different points.

A ring buffer's files follow each other: their connections go on from file to file, and frame numbers run on, as
`mergecap` has it. Captures of the client and of the gateway hold the same packets: to put these into one connection
would make retransmissions of all of them, and frame numbers that are those of no file. So each point has flows of its
own, and frames count within it.

What tells is the beginning of each file, held against all that was read before it:

- segments that a point has already seen, or the two initial sequence numbers of one of its connections behind other
  addresses (NAT): another point, whatever the clocks say
- connections that go on where the point's files left them, or their other direction: a piece of it
- nothing in common: a piece where the file begins when the point's last one ends, another point where they overlap

Where a file may continue several points, it is one from which the packets have come as far, and of a like name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field, replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.dataclass import dataclass
from analyzer.net.flows import Flows, joined_numbers
from analyzer.net.segments import ACK, FIN, SYN, Segments

__all__ = ["CapturePoint", "CapturePoints"]

_BESIDE_NS: Final = 1_000_000_000
"""Nanoseconds by which files that follow each other never overlap: what is out of order in one is so by less."""
_OVERLAP_NS: Final = 1_000_000
"""Packets of one recording are out of order by less than this."""
_SENT_AGAIN: Final = 3
"""Segments at the beginning of a file that are there although the one before has their acknowledgements: sent again by
one whom these had not reached. Files of another point have more, or SYNs."""
Column = NDArray[np.int64]

_HALF: Final = 1 << 31
_MODULUS: Final = 1 << 32


@dataclass(slots=True, kw_only=True)
class CapturePoint:
    """What was recorded at one point: its files in order, and their connections. Times in nanoseconds, 0 for none."""

    flows: Flows
    files: list[str] = field(default_factory=list)
    spans: list[_Span] = field(default_factory=list)
    packets: int = 0
    first_time_ns: int = 0
    last_time_ns: int = 0


class _Span(NamedTuple):
    """The names of files that were read as one, and their first and last time."""

    names: tuple[str, ...]
    first_ns: int
    last_ns: int


class _Fit(NamedTuple):
    """How well a file continues a point, the weightiest first: its time, the hops that its packets made, its name."""

    follows: bool
    as_near: bool
    named_alike: bool
    carried_on: int
    last_time_ns: int


class CapturePoints:
    """Takes the segments of file after file and gives each to the flows of its point."""

    def __init__(self, flows: Callable[[], Flows], *, apart: bool = True) -> None:
        """`flows` makes those of another point. Without `apart` all files are one recording."""
        self.points: list[CapturePoint] = []
        self._flows = flows
        self._apart = apart
        self._current: CapturePoint | None = None
        self._shift = 0
        """What frame numbers over all files are ahead of those of the point."""

    def begin(self, names: tuple[str, ...], before: int, segments: Segments, time_ns: Column) -> None:
        """Files that are read as one begin with these segments and times of packets.

        `before` counts the packets of all files before.
        """
        self._end(before)
        begins = _within(time_ns)[0]
        point = self._point_of(names[0], segments, begins)
        if point is None:
            point = CapturePoint(flows=self._flows(), first_time_ns=begins)
            self.points.append(point)
        point.files += names
        point.spans.append(_Span(names, begins, begins))
        self._current, self._shift = point, before - point.packets

    def add(self, segments: Segments, time_ns: Column) -> None:
        """The next segments and times of the file that was begun."""
        point = self._current
        if point is None:
            return
        latest = _within(time_ns)[1]
        point.last_time_ns = max(point.last_time_ns, latest)
        span = point.spans[-1]
        point.spans[-1] = span._replace(last_ns=max(span.last_ns, latest))
        if self._shift and len(segments):
            segments = replace(segments, packet=segments.packet - self._shift)
        point.flows.add(segments)

    def finish(self, packets: int) -> list[CapturePoint]:
        """There are no more files; all held `packets` packets."""
        self._end(packets)
        for point in self.points:
            point.flows.finish()
        return self.points

    def beside(self) -> list[tuple[str, ...]]:
        """Files of one point that were recorded side by side, as when each has one direction: to be read together."""
        groups: list[tuple[str, ...]] = []
        for point in self.points if self._apart else ():
            whole: _Span | None = None
            for span in sorted(point.spans, key=lambda span: span.first_ns):
                if whole is not None and _is_beside(whole, span):
                    whole = _Span(whole.names + span.names, whole.first_ns, max(whole.last_ns, span.last_ns))
                    continue
                groups += [whole.names] if whole is not None else []
                whole = span
            groups += [whole.names] if whole is not None else []
        return [names for names in groups if len(names) > 1]

    def _end(self, packets: int) -> None:
        if self._current is not None:
            self._current.packets = packets - self._shift

    def _point_of(self, name: str, segments: Segments, first_time_ns: int) -> CapturePoint | None:
        """The point of which a file is the next piece; None for a new point."""
        if not self._apart:
            return self.points[0] if self.points else None
        fits: list[tuple[_Fit, CapturePoint]] = []
        for point in self.points:
            overlaps = first_time_ns < point.last_time_ns - _OVERLAP_NS
            old, new, near = _in_common(point.flows, segments, overlaps=overlaps)
            if new > old or not (old or overlaps):
                alike = _without_numbers(point.files[-1]) == _without_numbers(name)
                fits.append((_Fit(not overlaps, near, alike, new - old, point.last_time_ns), point))
        return max(fits, key=lambda fit: fit[0])[1] if fits else None


def _is_beside(one: _Span, other: _Span) -> bool:
    """Whether a file that begins later was recorded beside another, not behind it."""
    half = one.first_ns + (one.last_ns - one.first_ns) // 2
    return one.last_ns - other.first_ns > _BESIDE_NS or other.first_ns < half


def _without_numbers(name: str) -> str:
    """The name of a file but for what counts a ring buffer's."""
    return re.sub(r"\d+", "", name)


def _within(time_ns: Column) -> tuple[int, int]:
    """The first and the last time; records that are no packets have none."""
    times = time_ns[time_ns > 0]
    return (int(times.min()), int(times.max())) if len(times) else (0, 0)


def _in_common(flows: Flows, segments: Segments, *, overlaps: bool) -> tuple[int, int, bool]:
    """How many segments these flows have seen, and how many carry on where they stopped.

    And whether they have as many hops behind them as those before.
    """
    if not len(segments) or not len(flows.table):
        return 0, 0, True
    flow, side = flows.known(segments)
    table = flows.table.rows
    told = np.flatnonzero((flow >= 0) & (segments.quoted == 0))
    known, side = flow[told], side[told]
    seq, flags = segments.seq[told], segments.flags[told]
    unseen = table["packets"][known, side] == 0
    acknowledged = table["last_ack"][known, 1 - side]
    occupies = (segments.length[told] > 0) | (flags & (SYN | FIN) != 0)
    behind = (seq - acknowledged + _HALF) % _MODULUS < _HALF
    # A SYN that nobody answered is sent again, perhaps into the next file.
    first_again = (flags & SYN != 0) & (seq == table["base"][known, side]) & ((acknowledged >= 0) | overlaps)
    old = ~unseen & occupies & (((acknowledged >= 0) & behind) | first_again)
    new = unseen | (occupies & ~old & (flags & SYN == 0))
    # What one point never got is new at the other, but no connection begins twice. Behind what was recorded, though, a
    # SYN or a SYN,ACK may be one that was sent again.
    begins = old & first_again & (overlaps | (flags & ACK == 0))
    if begins.any() and (overlaps or _is_copy(flows, known[begins], side[begins], segments.ip_id[told][begins])):
        return len(segments), 0, False
    seen = int((old & ~first_again).sum())
    translated = _translated(flows, segments, flow < 0)
    if seen <= _SENT_AGAIN and not overlaps:
        seen = 0
    as_near = segments.ttl[told] == table["last_ttl"][known, side]
    near = 2 * int((as_near & ~unseen).sum()) >= int((~unseen).sum())
    return seen + translated, int(new.sum()), near


def _is_copy(flows: Flows, flow: Column, side: Column, ip_id: Column) -> bool:
    """Whether one of these SYNs is a packet that was recorded: one that is sent again has another identification."""
    for each, by, own in zip(flows.signals.lists(flow), side.tolist(), ip_id.tolist(), strict=True):
        known = {signal.ip_id for signal in each if signal.side == by and signal.flags & SYN}
        if own <= 0 or own in known:
            return True
    return False


def _translated(flows: Flows, segments: Segments, elsewhere: NDArray[np.bool_]) -> int:
    """How many SYN,ACKs between other endpoints bring together the initial sequence numbers of a connection here."""
    rows = np.flatnonzero((segments.flags & (SYN | ACK) == SYN | ACK) & (segments.quoted == 0) & elsewhere)
    if not len(rows):
        return 0
    own, peers = segments.seq[rows], (segments.ack[rows] - 1) % _MODULUS
    numbers = joined_numbers(own.astype(np.uint64), peers.astype(np.uint64))
    return int(np.isin(numbers, flows.table.initial_numbers()[1]).sum())
