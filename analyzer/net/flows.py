"""Segments to connections: numbered as Wireshark's `tcp.stream`, each direction's bytes in order.

A batch of segments is sorted by connection and side at once; per connection and batch Python then runs a few lines,
per segment only where bytes are out of order. What a report needs of the packets themselves is kept in columns:
`FlowTable` (one row a connection) and the log of segments that open, close, or break (SYN, FIN, RST, ICMP errors).

A new connection begins with the first segment between two endpoints, and again with a SYN whose sequence number is
not that of the connection at hand (port reuse), which is Wireshark's rule.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import distinct, joined, picked
from analyzer.dataclass import dataclass
from analyzer.net.copies import Copies
from analyzer.net.reassembly import Consumer, OrderedRuns, Reader, Rows, Stream
from analyzer.net.segments import ACK, FIN, IPV4_HIGH, RST, SOCKS_PORT, SYN, Segments, address_text

if TYPE_CHECKING:
    from analyzer.net.socks import SocksNumbers

__all__ = [
    "LEAST_RUNS",
    "NEVER",
    "Endpoint",
    "FlowRow",
    "FlowTable",
    "Flows",
    "Signal",
    "SignalLog",
    "joined_numbers",
]

_MODULUS: Final = 1 << 32
_UNKNOWN, _GUESSED, _FROM_SYN = 0, 1, 2
_NO_IP_ID: Final = 1 << 16
NEVER: Final = (1 << 63) - 1
"""Time of what has not come to pass."""
LINGER_NS: Final = 15_000_000_000
"""Nanoseconds after both sides have closed, or one reset, in which echoes still count: later packets between the same
ports are no part of the connection's story."""
LEAST_RUNS: Final = 16
"""Directions of a batch from which on it pays to read them in columns."""

Mask = NDArray[np.bool_]
Column = NDArray[np.int64]

_FLOW = np.dtype(
    [
        ("number", "i8"),  # Wireshark's tcp.stream: the row's index, and as many more as were dropped before
        ("high", "u8", (2,)),
        ("low", "u8", (2,)),
        ("port", "i4", (2,)),
        ("base", "i8", (2,)),  # initial sequence number, or one less than the first sequence number seen
        ("base_known", "u1", (2,)),
        ("next_seq", "i8", (2,)),  # of a side whose bytes all came in order, as far as they were taken in columns
        ("in_order", "i8", (2,)),  # how many bytes that is
        ("streamed", "?", (2,)),  # a `Stream` puts the side's bytes in order
        ("closed_at", "i8", (2,)),  # time of a side's first FIN; of the first RST, of both
        ("closed_by", "i8", (2,)),  # its frame
        ("judged", "?"),  # nothing more is to be known of it
        ("told", "?"),  # it was told that it ended, while more was captured
        ("looked", "i8"),  # up to which packet it was looked at for that, twice the frame; and one more, of silence
        ("passed", "?"),  # bytes are looked at only where they look like a beginning
        ("opener", "i1"),  # side of the first packet
        ("opening", "u1"),  # flags of the first packet
        ("first_packet", "i8"),
        ("first_time", "i8"),
        ("last_packet", "i8"),
        ("last_time", "i8"),
        ("packets", "i8", (2,)),
        ("bytes", "i8", (2,)),
        ("side_last_packet", "i8", (2,)),
        ("side_last_time", "i8", (2,)),
        ("last_ack", "i8", (2,)),
        ("last_window", "i8", (2,)),
        ("max_segment", "i8", (2,)),
        ("ttl", "i2", (2,)),
        ("last_ttl", "i2", (2,)),
        ("low_ip_id", "i4", (2,)),  # of segments other than RST, 0 left out: some systems send that in a SYN,ACK
        ("high_ip_id", "i4", (2,)),
    ]
)
_SIGNAL = np.dtype(
    [
        ("flow", "i8"),
        ("side", "u1"),
        ("flags", "u1"),
        ("packet", "i8"),
        ("time_ns", "i8"),
        ("seq", "u4"),
        ("ack", "u4"),
        ("length", "i4"),
        ("window", "i4"),
        ("ttl", "i2"),
        ("ip_id", "i4"),
        ("quoted", "i4"),
    ]
)


class Signal(NamedTuple):
    """One row of `SignalLog`: a segment with SYN, FIN or RST, or an ICMP error (`quoted` is not 0, `flags` is)."""

    flow: int
    side: int
    flags: int
    packet: int
    time_ns: int
    seq: int
    ack: int
    length: int
    window: int
    ttl: int
    ip_id: int
    quoted: int


class FlowRow(NamedTuple):
    """One row of `FlowTable`; a list has two items, by side. Times in nanoseconds, packets as frame numbers."""

    number: int
    high: list[int]
    low: list[int]
    port: list[int]
    base: list[int]
    base_known: list[int]
    first_packet: int
    first_time: int
    last_packet: int
    last_time: int
    packets: list[int]
    bytes: list[int]
    side_last_packet: list[int]
    side_last_time: list[int]
    last_ack: list[int]
    max_segment: list[int]
    ttl: list[int]
    last_ttl: list[int]
    low_ip_id: list[int]
    high_ip_id: list[int]

    def endpoint(self, side: int) -> Endpoint:
        """Address and port of one side."""
        return Endpoint(address_text(self.high[side], self.low[side]), self.port[side])


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


class FlowTable:
    """One row a connection; pairs are by side, 0 and 1. As long as none was dropped the row's index is its number."""

    def __init__(self) -> None:
        self._rows = np.zeros(1024, dtype=_FLOW)
        self._count = 0
        self._dropped = 0

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> NDArray[np.void]:
        """The rows, as a structured array; a view."""
        return self._rows[: self._count]

    def read(self, start: int, stop: int) -> list[FlowRow]:
        """Rows `start` to `stop` as plain data. Some thousands at a time: a NumPy field read by itself is slow."""
        return self.rows_of(np.arange(start, min(stop, self._count)))

    def rows_of(self, numbers: Column) -> list[FlowRow]:
        """Some rows as plain data; see `read`."""
        rows = picked(self._rows, numbers)
        return list(map(FlowRow._make, zip(*(rows[name].tolist() for name in FlowRow._fields), strict=True)))

    def endpoint(self, flow: int, side: int) -> Endpoint:
        """Address and port of one side."""
        (row,) = self.read(flow, flow + 1)
        return row.endpoint(side)

    def initial_numbers(self) -> tuple[Column, NDArray[np.uint64]]:
        """The connections of which both SYNs are there, and both initial sequence numbers as one, the greater first.

        No translation of addresses changes them, and no two connections have them in common but by chance.
        """
        rows = self.rows
        whole = np.flatnonzero((rows["base_known"] == _FROM_SYN).all(axis=1))
        base = rows["base"][whole].astype(np.uint64)
        return whole, joined_numbers(base.max(axis=1, initial=0), base.min(axis=1, initial=_MODULUS))

    def extend(
        self, ends: Sequence[NDArray[np.generic]], opener: Column, opening: Column, packet: Column, time_ns: Column
    ) -> int:
        """Add connections, and give the index of the first.

        `ends` are six columns: the canonical endpoints' high, low and port of side 0, then of side 1; `opener` is the
        side of the first segment, `opening`, `packet` and `time_ns` are its flags, frame and time.
        """
        first, count = self._count, len(opener)
        if first + count > len(self._rows):
            # Pages of zeros that nobody has written to take no memory.
            grown = np.zeros(max(2 * len(self._rows), first + count), dtype=_FLOW)
            grown.view(np.uint8)[: first * _FLOW.itemsize] = self._rows[:first].view(np.uint8)
            self._rows = grown
        rows = self._rows[first : first + count]
        rows["number"] = np.arange(first, first + count) + self._dropped
        for side in (0, 1):
            for name, column in zip(("high", "low", "port"), ends[side * 3 : side * 3 + 3], strict=True):
                rows[name][:, side] = column
        told = (("opener", opener), ("opening", opening), ("first_packet", packet), ("first_time", time_ns))
        for name, column in told:
            rows[name] = column
        for name in ("ttl", "last_ttl", "high_ip_id", "last_ack"):
            rows[name] = -1
        rows["closed_at"] = rows["closed_by"] = NEVER
        rows["low_ip_id"] = _NO_IP_ID
        self._count += count
        return first

    def leave_out(self, index: int) -> None:
        """A row stands for nothing but its number: see `net.socks`."""
        row = self._rows[index]
        row["opening"] = 0
        row["judged"] = row["told"] = True

    def drop(self, gone: Mask) -> None:
        """Let go of some rows; those behind them move up."""
        self._rows = picked(self.rows, ~gone)
        self._dropped += self._count - len(self._rows)
        self._count = len(self._rows)
        if not self._count:
            self._rows = np.zeros(1024, dtype=_FLOW)


def joined_numbers(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Two sequence numbers as one, whichever comes first."""
    return np.maximum(one, other) << np.uint64(32) | np.minimum(one, other)


class SignalLog:
    """Segments with SYN, FIN or RST, and ICMP errors, in columns."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.void]] = []
        self._by_flow: tuple[NDArray[np.void], Column] | None = None

    def append(self, rows: NDArray[np.void]) -> None:
        """Add the rows of one batch."""
        self._parts.append(rows)
        self._by_flow = None

    def by_flow(self) -> tuple[NDArray[np.void], Column]:
        """All rows sorted by flow, then packet; and for each flow number, and one more, where its rows begin."""
        if self._by_flow is None:
            rows = joined(self._parts) if self._parts else np.zeros(0, dtype=_SIGNAL)
            rows = picked(rows, np.argsort(rows["flow"], kind="stable"))
            highest = int(rows["flow"][-1]) + 1 if len(rows) else 0
            self._by_flow = rows, np.searchsorted(rows["flow"], np.arange(highest + 2))
            self._parts = [rows]
        return self._by_flow

    def read(self, start: int, stop: int) -> list[list[Signal]]:
        """The rows of the flows `start` to `stop`, a list a flow, in packet order."""
        rows, begins = self.by_flow()
        first, last = (int(begins[min(flow, len(begins) - 1)]) for flow in (start, stop))
        found: list[list[Signal]] = [[] for _ in range(stop - start)]
        for values in rows[first:last].tolist():
            found[values[0] - start].append(Signal._make(values))
        return found

    def lists(self, numbers: Column) -> list[list[Signal]]:
        """The rows of some flows as plain data, a list a flow, in packet order."""
        rows, begins = self.by_flow()
        ends = np.minimum([numbers, numbers + 1], len(begins) - 1)
        spans = zip(begins[ends[0]].tolist(), begins[ends[1]].tolist(), strict=True)
        return [list(map(Signal._make, rows[first:last].tolist())) for first, last in spans]

    def of(self, flows: Mask) -> NDArray[np.void]:
        """The rows of some flows, a mask over flow numbers, sorted by flow, then packet."""
        rows, _ = self.by_flow()
        return picked(rows, flows[rows["flow"]])

    def forget(self, flows: Mask) -> None:
        """Let go the rows of some flows: a mask over flow numbers."""
        rows, _ = self.by_flow()
        self._parts = [picked(rows, ~flows[rows["flow"]])]
        self._by_flow = None

    def drop(self, flows: Mask) -> None:
        """The same, and those behind them move up."""
        self.forget(flows)
        (rows,) = self._parts
        rows["flow"] = (np.cumsum(~flows) - 1)[rows["flow"]]


class Flows:
    """Takes segments batch by batch, keeps connections, feeds a consumer for each direction that carries bytes.

    With a `reader`, what comes in order is read in columns first; a direction gets its `consumer` when the reader will
    not go on, or when its bytes come out of order.

    `likely` is a vectorised test (bytes, positions, captured lengths) -> mask of the payloads that look like the
    beginning of what consumers wait for; `consumer` makes the consumer of one direction. When both consumers of a
    connection have nothing to wait for but a likely beginning (`wanted` is `NEVER`), its other segments are passed.
    """

    NEVER: Final = 1 << 62

    def __init__(
        self,
        likely: Callable[[NDArray[np.uint8], Column, Column], Mask],
        consumer: Callable[[int, int], Consumer],
        reader: Reader | None = None,
    ) -> None:
        self.table = FlowTable()
        self.signals = SignalLog()
        self.copies = Copies()
        self.streams: dict[int, Stream] = {}
        """Key: flow * 2 + side; only of directions that carried bytes and were not left to the reader."""
        self._likely = likely
        self._consumer = consumer
        self._reader = reader
        self._flow_of: dict[bytes, int] = {}
        self._secrets = _new_secrets()
        self._socks: SocksNumbers | None = None

    def add(self, segments: Segments) -> None:
        """Take the next batch of segments."""
        if not len(segments):
            return
        side, ends = _sides(segments)
        brief = (segments.quoted != 0) & (segments.flags == 0)
        if brief.any():
            segments = segments.rows(~brief | self._met_before(brief, ends))
            if not len(segments):
                return
            side, ends = _sides(segments)
        order, flow = self._assign(segments, side, ends)
        copies = self.copies.find(segments, flow * 2 + side, order)
        if copies is not None:
            kept = ~copies
            order = (np.cumsum(kept) - 1)[order[kept[order]]]
            segments, side, flow = segments.rows(kept), side[kept], flow[kept]
            if not len(segments):
                return
        self._note_closing(segments, side, flow)
        late = self._late(segments, flow, order)
        if late is not None:
            # A FIN that is sent again is still shown, as long as its connection is there.
            shown = ~late | ~self.table.rows["judged"][flow]
            self._log_signals(segments.rows(shown), side[shown], flow[shown])
            segments, side, flow = segments.rows(~late), side[~late], flow[~late]
            order = np.lexsort((np.arange(len(flow)), side, flow))
            if not len(segments):
                return
        else:
            self._log_signals(segments, side, flow)
        self._count(segments, side, flow, order)
        self._feed(segments, side, flow, order)

    def known(self, segments: Segments) -> tuple[Column, Column]:
        """Of each segment the flow that its endpoints have now, -1 for none, and its side. Nothing is added."""
        side, ends = _sides(segments)
        _, first, place = np.unique(self._hash(ends), return_index=True, return_inverse=True)
        found = np.array([self._flow_of.get(key, -1) for key in _keys(ends, first)], dtype=np.int64)
        return found[place], side

    def silent(self, since_ns: int) -> Column:
        """The flows of which nothing came since a time of the capture, and that were not `judged` yet."""
        rows = self.table.rows
        return np.flatnonzero((rows["last_time"] < since_ns) & (rows["first_time"] < since_ns) & ~rows["judged"])

    def ended(self, now_ns: int) -> Column:
        """The flows of which nothing more is to come at a time of the capture, and that were not `judged` yet."""
        rows = self.table.rows
        closed_at = np.maximum(rows["closed_at"][:, 0], rows["closed_at"][:, 1])
        return np.flatnonzero((closed_at < now_ns - LINGER_NS) & ~rows["judged"])

    def forget(self, flows: Mask) -> None:
        """Let go what is kept of flows that were judged: a mask over flow numbers."""
        self.table.rows["judged"][flows] = True
        self.signals.forget(flows)

    def _late(self, segments: Segments, flow: Column, order: Column) -> Mask | None:
        """Which segments come so long after both sides closed that they are no part of the connection; None if none."""
        table, by_flow = self.table.rows, flow[order]
        starts = _starts(by_flow)
        number = by_flow[starts]
        latest = np.maximum.reduceat(segments.time_ns[order], starts)
        closed_at, closed_by = (np.maximum(*table[name][number].T) for name in ("closed_at", "closed_by"))
        if (latest - LINGER_NS <= closed_at).all():
            return None
        counts = np.diff(np.append(starts, len(order)))
        late = np.zeros(len(order), dtype=np.bool_)
        late[order] = (segments.time_ns[order] - LINGER_NS > np.repeat(closed_at, counts)) & (
            segments.packet[order] > np.repeat(closed_by, counts)
        )
        return late if late.any() else None

    def drop(self, gone: Mask) -> None:
        """Let go of flows altogether (a mask): those behind them move up, in the table and in all else that is kept.

        What comes between their endpoints from now on is a connection of its own.
        """
        moved = (np.cumsum(~gone) - 1).tolist()
        gone_already = gone.tolist()
        self.signals.drop(gone)
        self.copies.drop(gone)
        self._flow_of = {key: moved[flow] for key, flow in self._flow_of.items() if not gone_already[flow]}
        self.streams = {
            moved[number >> 1] * 2 + (number & 1): stream
            for number, stream in self.streams.items()
            if not gone_already[number >> 1]
        }
        self.table.drop(gone)

    def _note_closing(self, segments: Segments, side: Column, flow: Column) -> None:
        """Learn when sides closed: by the first FIN, or for both by a RST."""
        closing = np.flatnonzero((segments.flags & (FIN | RST) != 0) & (segments.quoted == 0))
        if not len(closing):
            return
        table = self.table.rows
        reset = closing[segments.flags[closing] & RST != 0]
        rows = np.concatenate([closing, reset])
        number, who = flow[rows], np.concatenate([side[closing], 1 - side[reset]])
        # Of several the first counts. Where an index is repeated, what is assigned last stays.
        first = np.argsort(-rows, kind="stable")
        first = first[table["closed_by"][number[first], who[first]] == NEVER]
        for name, column in (("closed_by", segments.packet), ("closed_at", segments.time_ns)):
            table[name][number[first], who[first]] = column[rows[first]]

    def opened_by_syn(self, flow: int, side: int) -> bool:
        """Whether the capture has the SYN with which this side's bytes begin."""
        return bool(self.table.rows["base_known"][flow, side] == _FROM_SYN)

    def finish(self) -> None:
        """The capture has ended: flush what streams hold back."""
        for stream in self.streams.values():
            stream.finish()

    def _assign(self, segments: Segments, side: Column, ends: tuple[NDArray[np.uint64], ...]) -> tuple[Column, Column]:
        """An order that sorts by flow, side, arrival; and the flow of each segment."""
        key = self._hash(ends) & np.uint64(_NOT_ONE) | side.astype(np.uint64)
        order = np.argsort(key, kind="stable")
        connection = key[order] >> np.uint64(1)
        if not _grouping_is_exact(order, connection, ends):
            self._secrets = _new_secrets()
            return self._assign(segments, side, ends)
        starts = _starts(connection)
        group = np.empty(len(order), dtype=np.int64)
        group[order] = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(order))))
        flow, reused = self._number(segments, side, ends, order, starts, group)
        if reused:
            order = np.lexsort((np.arange(len(flow)), side, flow))
        self._set_bases(segments, side, flow, order)
        return order, flow

    def _met_before(self, brief: Mask, ends: tuple[NDArray[np.uint64], ...]) -> Mask:
        """Which of the `brief` rows have endpoints that a segment before them had.

        An ICMP error that quotes but the ports of a TCP header belongs to its connection, and opens none: Wireshark
        gives it no number.
        """
        key = self._hash(ends)
        whole = np.flatnonzero(~brief)
        met, first = np.unique(key[whole], return_index=True)
        result = np.zeros(len(brief), dtype=np.bool_)
        for row in np.flatnonzero(brief).tolist():
            place = int(np.searchsorted(met, key[row]))
            if place < len(met) and met[place] == key[row] and whole[first[place]] < row:
                result[row] = True
            else:
                result[row] = _keys(ends, np.array([row]))[0] in self._flow_of
        return result

    def _hash(self, ends: tuple[NDArray[np.uint64], ...]) -> NDArray[np.uint64]:
        """A hash of both endpoints with secret constants, so that a crafted capture cannot aim at collisions."""
        a, b, c, d = self._secrets
        with np.errstate(over="ignore"):
            if len(ends) == 2:
                first, second = ends[0] * a, ends[1] * b
            else:
                first = (ends[0] * a) ^ (ends[1] * b) + ends[2] * c
                second = (ends[3] * b) ^ (ends[4] * c) + ends[5] * d
            first ^= first >> np.uint64(29)
            mixed = (first * d + second) * a
            result: NDArray[np.uint64] = mixed ^ mixed >> np.uint64(32)
            return result

    def _number(
        self,
        segments: Segments,
        side: Column,
        ends: tuple[NDArray[np.uint64], ...],
        order: Column,
        starts: Column,
        group: Column,
    ) -> tuple[Column, bool]:
        """The flow of each segment, and whether a SYN began another one on the ports of a flow before it.

        `order` and `starts` sort the segments by equal endpoints, `group` is the number of each one's endpoints in that
        order. New flows are numbered in packet order.
        """
        first_row = np.minimum.reduceat(order, starts)
        keys = _keys(ends, first_row)
        known = self._flow_of.get
        found = [known(key, -1) for key in keys]
        beginnings = [(row, index) for index, row in enumerate(first_row.tolist()) if found[index] < 0]
        opening = np.flatnonzero((segments.flags & (SYN | ACK) == SYN) & (segments.quoted == 0))
        inside = opening[opening != first_row[group[opening]]].tolist()
        asked = {int(group[row]) for row in inside} | {n for n in group[opening].tolist() if found[n] >= 0}
        members: dict[int, Column] = {}
        for index in asked:
            end = starts[index + 1] if index + 1 < len(starts) else len(order)
            members[index] = np.sort(order[starts[index] : end])
            beginnings += [(row, index) for row in self._reopened(segments, side, members[index], found[index])]
        numbers = [[number] if number >= 0 else [] for number in found]
        rows_of: dict[int, list[int]] = {}
        beginnings += [(row, _NOBODY) for row in self._tunnels(segments)]
        if beginnings:
            beginnings.sort()
            opened = np.array([row for row, _ in beginnings], dtype=np.int64)
            own = _six(ends, opened)
            told = (segments.flags[opened], segments.packet[opened], segments.time_ns[opened])
            first = self.table.extend(own, side[opened], *told)
            for number, (row, index) in enumerate(beginnings, first):
                if index == _NOBODY:
                    self.table.leave_out(number)
                    continue
                self._flow_of[keys[index]] = number
                if numbers[index]:
                    rows_of.setdefault(index, []).append(row)
                numbers[index].append(number)
        flow = np.array([own[0] for own in numbers], dtype=np.int64)[group]
        for index, begins in rows_of.items():
            rows = members[index]
            flow[rows] = np.array(numbers[index])[np.searchsorted(begins, rows, side="right")]
        return flow, bool(rows_of)

    def _tunnels(self, segments: Segments) -> list[int]:
        """Segments at which Wireshark counts a tunnel through SOCKS."""
        if not ((segments.target_port == SOCKS_PORT) | (segments.source_port == SOCKS_PORT)).any():
            return []
        if self._socks is None:
            from analyzer.net.socks import SocksNumbers

            self._socks = SocksNumbers()
        return self._socks.taken(segments)

    def _reopened(self, segments: Segments, side: Column, rows: Column, number: int) -> list[int]:
        """Which of the `rows`, all between the same endpoints, hold a SYN that opens another connection.

        That is a SYN whose sequence number is not the base of its side. A side's base is set by its first segment or,
        before that, by the peer's first ACK; a SYN,ACK sets it anew. `number` is the flow before them, or -1.
        """
        base: list[int | None] = [None, None]
        if number >= 0:
            record = self.table.rows[number]
            base = [int(record["base"][who]) if record["base_known"][who] else None for who in (0, 1)]
        found: list[int] = []
        columns = (segments.flags, segments.seq, segments.ack, segments.quoted)
        values = zip(rows.tolist(), side[rows].tolist(), *(column[rows].tolist() for column in columns), strict=True)
        for row, who, flags, seq, ack, quoted in values:
            if quoted:
                continue
            if flags & (SYN | ACK) == SYN and base[who] not in (None, seq):
                base = [None, None]
                found.append(row)
            if base[who] is None or flags & (SYN | ACK) == SYN | ACK:
                base[who] = seq if flags & SYN else (seq - 1) % _MODULUS
            if base[1 - who] is None and flags & ACK:
                base[1 - who] = (ack - 1) % _MODULUS
        return found

    def _set_bases(self, segments: Segments, side: Column, flow: Column, order: Column) -> None:
        """Learn where each side's sequence numbers begin: by its SYN, its first segment, or the peer's ACK."""
        table = self.table.rows
        syn = np.flatnonzero((segments.flags & SYN != 0) & (segments.quoted == 0))
        if len(syn):
            answers = segments.flags[syn] & ACK != 0
            first = syn[~answers][::-1]
            first = first[table["base_known"][flow[first], side[first]] < _FROM_SYN]
            # Of several SYNs the first one counts, of SYN,ACKs the last: a box in between answered too, or the first
            # was never taken. Where an index is repeated, what is assigned last stays.
            for rows in (first, syn[answers]):
                table["base"][flow[rows], side[rows]] = segments.seq[rows]
                table["base_known"][flow[rows], side[rows]] = _FROM_SYN
        sorted_flow = flow[order]
        starts = _starts(sorted_flow * 2 + side[order])
        if not (table["base_known"][sorted_flow[starts]] == _UNKNOWN).any():
            return
        real = np.where(segments.quoted[order] == 0, np.arange(len(order)), len(order))
        acknowledging = np.where(segments.flags[order] & ACK != 0, real, len(order))
        telling = np.concatenate([np.minimum.reduceat(column, starts) for column in (real, acknowledging)])
        rows = distinct(order[telling[telling < len(order)]])
        rows = rows[(table["base_known"][flow[rows]] == _UNKNOWN).any(axis=1)]
        if not len(rows):
            return  # nothing but ICMP errors
        # In packet order: a side's own first segment tells, or the peer's first ACK, whichever came first.
        answering = rows[segments.flags[rows] & ACK != 0]
        key = np.concatenate([flow[rows] * 2 + side[rows], flow[answering] * 2 + 1 - side[answering]])
        base = (np.concatenate([segments.seq[rows], segments.ack[answering]]) - 1) % _MODULUS
        chosen = np.lexsort((np.concatenate([rows, answering]), key))
        chosen = chosen[_starts(key[chosen])]
        number, who = key[chosen] >> 1, key[chosen] & 1
        unknown = table["base_known"][number, who] == _UNKNOWN
        number, who = number[unknown], who[unknown]
        table["base"][number, who] = base[chosen[unknown]]
        table["base_known"][number, who] = _GUESSED

    def _count(self, segments: Segments, side: Column, flow: Column, order: Column) -> None:
        """Bring the table's counters and last-seen columns up to date."""
        table = self.table.rows
        real = segments.quoted[order] == 0
        if not real.all():
            order = order[real]
            if not len(order):
                return
        number, who = flow[order], side[order]
        starts = _starts(number * 2 + who)
        counts = np.diff(np.append(starts, len(order)))
        last = order[np.append(starts[1:], len(order)) - 1]
        run_flow, run_side = number[starts], who[starts]
        length = segments.length[order]
        table["packets"][run_flow, run_side] += counts
        table["bytes"][run_flow, run_side] += np.add.reduceat(length, starts)
        longest = np.maximum.reduceat(length, starts)
        table["max_segment"][run_flow, run_side] = np.maximum(table["max_segment"][run_flow, run_side], longest)
        table["side_last_packet"][run_flow, run_side] = segments.packet[last]
        table["side_last_time"][run_flow, run_side] = segments.time_ns[last]
        acknowledging = np.where(segments.flags[order] & ACK != 0, np.arange(len(order)), -1)
        latest = np.maximum.reduceat(acknowledging, starts)
        has = latest >= starts
        table["last_ack"][run_flow[has], run_side[has]] = segments.ack[order[latest[has]]]
        table["last_window"][run_flow, run_side] = segments.window[last]
        np.maximum.at(table["last_packet"], run_flow, segments.packet[last])
        np.maximum.at(table["last_time"], run_flow, segments.time_ns[last])
        no_reset = segments.flags[order] & RST == 0
        latest = np.maximum.reduceat(np.where(no_reset, np.arange(len(order)), -1), starts)
        has = latest >= starts
        table["last_ttl"][run_flow[has], run_side[has]] = segments.ttl[order[latest[has]]]
        ip_id = segments.ip_id[order]
        counted = no_reset & (ip_id > 0)
        lowest = np.minimum.reduceat(np.where(counted, ip_id, _NO_IP_ID), starts)
        highest = np.maximum.reduceat(np.where(counted, ip_id, -1), starts)
        table["low_ip_id"][run_flow, run_side] = np.minimum(table["low_ip_id"][run_flow, run_side], lowest)
        table["high_ip_id"][run_flow, run_side] = np.maximum(table["high_ip_id"][run_flow, run_side], highest)
        ttl_unknown = table["ttl"][run_flow, run_side] < 0
        first = order[starts]
        fresh = ttl_unknown & no_reset[starts]
        table["ttl"][run_flow[fresh], run_side[fresh]] = segments.ttl[first[fresh]]

    def _log_signals(self, segments: Segments, side: Column, flow: Column) -> None:
        rows = np.flatnonzero((segments.flags & (SYN | FIN | RST) != 0) | (segments.quoted != 0))
        if not len(rows):
            return
        log = np.zeros(len(rows), dtype=_SIGNAL)
        log["flow"] = flow[rows]
        log["side"] = side[rows]
        for name in ("packet", "time_ns", "seq", "ack", "length", "window", "ttl", "ip_id", "quoted"):
            log[name] = getattr(segments, name)[rows]
        log["flags"] = np.where(log["quoted"] != 0, 0, segments.flags[rows])
        self.signals.append(log)

    def _feed(self, segments: Segments, side: Column, flow: Column, order: Column) -> None:
        """Hand the payloads to the streams, sorted by flow and side."""
        carrying = (segments.length[order] > 0) & (segments.flags[order] & RST == 0) & (segments.quoted[order] == 0)
        order = order[carrying]
        if not len(order):
            return
        passed = self.table.rows["passed"][flow[order]]
        if passed.any():
            order = order[~passed | self._likely(segments.data, segments.payload[order], segments.captured[order])]
            if not len(order):
                return
        key = flow[order] * 2 + side[order]
        payload, length, captured = segments.payload[order], segments.length[order], segments.captured[order]
        seq = (segments.seq[order] + (segments.flags[order] & SYN != 0)) & (_MODULUS - 1)
        total = np.concatenate([[0], np.cumsum(length)[:-1]])
        starts = _starts(key)
        ends = np.append(starts[1:], len(order))
        broken = np.zeros(len(order), dtype=np.int64)
        broken[1:] = (seq[1:] != (seq[:-1] + length[:-1]) & (_MODULUS - 1)) & (key[1:] == key[:-1])
        broken |= captured < length
        in_order = np.add.reduceat(broken, starts) == 0
        size = np.add.reduceat(length, starts)
        rows = Rows(
            view=segments.data.data,
            payload=payload.data,
            length=length.data,
            captured=captured.data,
            seq=seq.data,
            packet=segments.packet[order].data,
            time_ns=segments.time_ns[order].data,
            total=total.data,
            breaks=np.flatnonzero(broken).data,
            find_likely=lambda: np.flatnonzero(self._likely(segments.data, payload, captured)).data,
            find_repeats=partial(_repeats, segments.data, payload, length, total),
        )
        # Of a connection the side that opened it first: what its consumer reads may tell what the other's has to keep.
        run_key = key[starts]
        turn = np.argsort(run_key ^ self.table.rows["opener"][run_key >> 1], kind="stable")
        run_key, starts, ends, in_order, size = (column[turn] for column in (run_key, starts, ends, in_order, size))
        if self._reader is not None and len(run_key) >= LEAST_RUNS:
            columns = (segments.data, payload, length, segments.packet[order], segments.time_ns[order], total)
            left = ~self._read(self._reader, columns, (run_key, starts, ends, size), in_order.astype(bool), seq)
            run_key, starts, ends, in_order, size = (c[left] for c in (run_key, starts, ends, in_order, size))
        run_flow, run_side = run_key >> 1, run_key & 1
        for number, base, known, first, last, whole, count in zip(
            run_key.tolist(),
            self.table.rows["base"][run_flow, run_side].tolist(),
            self.table.rows["base_known"][run_flow, run_side].tolist(),
            starts.tolist(),
            ends.tolist(),
            in_order.tolist(),
            size.tolist(),
            strict=True,
        ):
            stream = self.streams.get(number)
            if stream is None:
                stream = self._new_stream(number, base, known, rows.seq[first])
            if whole:
                stream.add_in_order(rows, first, last, count)
            else:
                stream.add(rows, first, last)
            if stream.consumer.wanted == self.NEVER:
                self._pass(number >> 1)

    def _read(
        self,
        reader: Reader,
        columns: tuple[NDArray[np.uint8], Column, Column, Column, Column, Column],
        runs: tuple[Column, Column, Column, Column],
        whole: Mask,
        seq: Column,
    ) -> Mask:
        """Have the runs read in columns that come in order from their SYN on; gives those that need no stream."""
        key, first, last, size = runs
        table, flow, side = self.table.rows, key >> 1, key & 1
        taken = table["in_order"][flow, side]
        expected = np.where(taken > 0, table["next_seq"][flow, side], (table["base"][flow, side] + 1) % _MODULUS)
        usable = whole & ~table["streamed"][flow, side] & (table["base_known"][flow, side] == _FROM_SYN)
        usable &= seq[first] == expected
        done = np.zeros(len(key), dtype=np.bool_)
        chosen = np.flatnonzero(usable)
        if not len(chosen):
            return done
        data, payload, length, packet, time_ns, total = columns
        left = reader.take(
            OrderedRuns(
                data=data,
                payload=payload,
                length=length,
                packet=packet,
                time_ns=time_ns,
                total=total,
                key=key[chosen],
                first=first[chosen],
                last=last[chosen],
                start=taken[chosen],
                size=size[chosen],
            )
        )
        done[chosen[~left]] = True
        flow, side, size = flow[done], side[done], size[done]
        table["in_order"][flow, side] += size
        table["next_seq"][flow, side] = (expected[done] + size) % _MODULUS
        return done

    def read_singly(self) -> None:
        """Read nothing more in columns: from now on every direction gets its own consumer."""
        self._reader = None

    def consumers(self) -> Iterator[Consumer]:
        """Those of all directions that carried bytes; of what was read in columns they are made for the asking."""
        yield from (stream.consumer for stream in self.streams.values())
        rows = self.table.rows
        for flow, side in np.argwhere((rows["in_order"] > 0) & ~rows["streamed"]).tolist():
            yield self._consumer(flow, side)

    def stream(self, number: int) -> Stream | None:
        """Take out the stream `number` (flow * 2 + side), made now if the reader has it; None when it has no bytes."""
        stream = self.streams.pop(number, None)
        if stream is None and self.table.rows["in_order"][number >> 1, number & 1]:
            return self._resumed(number)
        return stream

    def stream_so_far(self, number: int) -> Stream | None:
        """A copy of the stream `number` that ends here; what is known of it stays as it is. None without bytes."""
        stream = self.streams.get(number)
        if stream is not None:
            return stream.so_far()
        return self._resumed(number) if self.table.rows["in_order"][number >> 1, number & 1] else None

    def _resumed(self, number: int) -> Stream:
        """The stream of a direction that was read in columns so far."""
        row, side = self.table.rows[number >> 1], number & 1
        consumer = self._consumer(number >> 1, side)
        return Stream(consumer, int(row["next_seq"][side]), int(row["in_order"][side]))

    def _new_stream(self, number: int, base: int, known: int, seq: int) -> Stream:
        self.table.rows["streamed"][number >> 1, number & 1] = True
        if self.table.rows["in_order"][number >> 1, number & 1]:
            stream = self.streams[number] = self._resumed(number)
            return stream
        start = (base + 1) % _MODULUS if known else seq
        if (seq - start + (1 << 31)) % _MODULUS - (1 << 31) < 0 and known != _FROM_SYN:
            start = seq
        stream = Stream(self._consumer(number >> 1, number & 1), start)
        self.streams[number] = stream
        return stream

    def _pass(self, flow: int) -> None:
        """Look at this flow only where bytes look like a beginning, if neither direction waits for more."""
        both = (self.streams.get(flow * 2), self.streams.get(flow * 2 + 1))
        if all(stream is not None and stream.consumer.wanted == self.NEVER for stream in both):
            self.table.rows["passed"][flow] = True


_NOBODY: Final = -1
"""In place of endpoints: a number that no connection of the capture has."""
_NOT_ONE: Final = (1 << 64) - 2


def _sides(segments: Segments) -> tuple[Column, tuple[NDArray[np.uint64], ...]]:
    """Which endpoint sent each segment (0: the lower one), and the canonical endpoints, the lower first.

    These are six columns (high, low and port of each) or, where all are IPv4, two: address and port in one.
    """
    source = (segments.source_high, segments.source_low, segments.source_port.astype(np.uint64))
    target = (segments.target_high, segments.target_low, segments.target_port.astype(np.uint64))
    if int((source[0] & target[0]).min()) == IPV4_HIGH and int((source[1] | target[1]).max()) < 1 << 32:
        ours, theirs = (low << np.uint64(16) | port for _, low, port in (source, target))
        return (ours > theirs).astype(np.int64), (np.minimum(ours, theirs), np.maximum(ours, theirs))
    greater = source[2] > target[2]
    for ours, theirs in ((source[1], target[1]), (source[0], target[0])):
        greater = np.where(ours == theirs, greater, ours > theirs)
    swap = greater.astype(bool)
    low = tuple(np.where(swap, theirs, ours) for ours, theirs in zip(source, target, strict=True))
    high = tuple(np.where(swap, ours, theirs) for ours, theirs in zip(source, target, strict=True))
    return swap.astype(np.int64), (*low, *high)


def _six(ends: tuple[NDArray[np.uint64], ...], rows: Column) -> list[NDArray[np.uint64]]:
    """The canonical endpoints of some rows in six columns: see `_sides`."""
    columns = [column[rows] for column in ends]
    if len(columns) == 6:
        return columns
    four = np.full(len(rows), IPV4_HIGH, dtype=np.uint64)
    return [part for both in columns for part in (four, both >> np.uint64(16), both & np.uint64(0xFFFF))]


def _new_secrets() -> NDArray[np.uint64]:
    """Odd multipliers for the hash of endpoints."""
    return np.frombuffer(os.urandom(32), dtype=np.uint64) | np.uint64(1)


def _grouping_is_exact(order: Column, connection: NDArray[np.uint64], ends: tuple[NDArray[np.uint64], ...]) -> bool:
    """Whether segments with equal hashes have equal endpoints."""
    same = connection[1:] == connection[:-1]
    for column in ends:
        values = column[order]
        if (same & (values[1:] != values[:-1])).any():
            return False
    return True


def _starts(key: NDArray[np.generic]) -> Column:
    """Indices at which a sorted column takes a new value."""
    return np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))


def _repeats(
    data: NDArray[np.uint8], payload: Column, length: Column, total: Column, at: int, size: int, stride: int, count: int
) -> list[int]:
    """See `Rows.find_repeats`."""
    places = np.arange(at, at + count * stride, stride)
    index = total.searchsorted(places, side="right") - 1
    inside = places - total[index]
    found = data[(payload[index] + inside)[:, np.newaxis] + np.arange(size)]
    same = (found == found[0]).all(axis=1) & (inside + size <= length[index])
    whole = count if same.all() else int(same.argmin())
    repeated: list[int] = index[:whole].tolist()
    return repeated


def _keys(ends: tuple[NDArray[np.uint64], ...], rows: Column) -> list[bytes]:
    """Both endpoints of some rows as bytes: 16 each when all are IPv4, else 48, which no IPv4 ones are."""
    if len(ends) == 2:
        brief: list[bytes] = np.stack([column[rows] for column in ends], axis=1).view("V16").ravel().tolist()
        return brief
    high_0, low_0, port_0, high_1, low_1, port_1 = (column[rows] for column in ends)
    four = (high_0 == IPV4_HIGH) & (high_1 == IPV4_HIGH) & ((low_0 | low_1) < 1 << 32)
    found: list[bytes] = np.stack([low_0 << 16 | port_0, low_1 << 16 | port_1], axis=1).view("V16").ravel().tolist()
    for row in np.flatnonzero(~four).tolist():
        found[row] = b"".join(column[row].tobytes() for column in (high_0, low_0, port_0, high_1, low_1, port_1))
    return found
