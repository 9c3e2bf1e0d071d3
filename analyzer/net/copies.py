"""Packets that were captured more than once: on several interfaces (`tcpdump -i any`), or by a mirror port.

A copy is the same packet, not the same bytes sent again. It has the connection, the side, all TCP fields and options of
the first one, the same IPv4 identification, and comes within milliseconds. A retransmission has another identification
(RFC 6864 section 4) and, as timestamps run (RFC 7323), other options; where there is neither, it comes later than
copies do: no retransmission timer is that short (RFC 6298 section 2.4). Bare ACKs, FINs and RSTs without an
identification may well be alike and yet sent twice: they are copies only in a connection that has others. The time to
live may differ: a router takes one off, a bridge does not.
"""

from __future__ import annotations

import os
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import gather
from analyzer.net.segments import ACK, RST, SYN, Segments

__all__ = ["Copies"]

_WITHIN_NS: Final = 50_000_000
"""Nanoseconds between copies that have an IPv4 identification."""
_WITHIN_UNNAMED_NS: Final = 3_000_000
"""The same without one: IPv6, or 0, as in a RST of Linux."""
_OPTIONS: Final = 20
"""Bytes before the payload that have to be alike: the TCP header itself where it has no options, else those."""
_MAX_KEPT: Final = 1024
"""Segments at the end of a batch that the next is compared with."""
_PLACE_BITS: Final = 18
_PLACES: Final = 1 << _PLACE_BITS
_MIX: Final = (0x1E3779B97F4A7C15, 0x3F58476D1CE4E5B9, 0x14D049BB133111EB)
"""Odd multipliers. Whoever aims at collisions makes more rows be compared, and no other result."""
_HALF: Final = 1 << 31
_MODULUS: Final = 1 << 32

Column = NDArray[np.int64]
Rows = NDArray[np.void]

_FACTS: Final = ("seq", "ack", "flags", "window", "length", "ip_id", "quoted")
_SAME: Final = np.dtype(
    [("direction", "i8"), *((name, "i8") for name in _FACTS), ("options", f"V{_OPTIONS}"), ("", "V4")]
)
_SECRETS: Final = np.frombuffer(os.urandom(_SAME.itemsize), dtype=np.int64) | 1
"""Odd multipliers of a hash at which a crafted capture cannot aim."""
_NUMBERS: Final = ("direction", "flags", "length", "ip_id")
_SEEN: Final = np.dtype([*((name, "i8") for name in (*_NUMBERS, "place", "time_ns")), ("same", f"V{_SAME.itemsize}")])


class Copies:
    """Finds the copies in batch after batch; `count` of them so far.

    A copy brings neither a new byte nor a new acknowledgement number. That is a few operations on columns;
    only such rows, and those with the same numbers, are compared in full.
    """

    def __init__(self) -> None:
        self.count = 0
        self._copied = np.zeros(1024, dtype=np.bool_)
        """By flow: whether it has copies that are beyond doubt."""
        self._last: Rows = np.zeros(0, dtype=_SEEN)
        """The last segments of the batches before, as far as a copy may still come."""

    def find(self, segments: Segments, direction: Column, order: Column) -> NDArray[np.bool_] | None:
        """Which rows are copies; None when none is.

        `direction` is one number for each flow and side, `order` sorts by it, then by arrival.
        """
        latest = int(segments.time_ns[-1])
        before = self._last[latest - self._last["time_ns"] <= _WITHIN_NS] if len(self._last) else self._last
        place = _place(direction, segments.seq, segments.ack)
        looked_at = np.zeros(_PLACES, dtype=np.bool_)
        looked_at[before["place"]] = True
        looked_at[place[_behind(segments, direction, order)]] = True
        rows = np.flatnonzero(looked_at[place])
        copies = None
        if len(rows):
            seen = np.concatenate([before, _seen(segments, direction, place, rows)])
            again = self._sure(seen, _again(seen))[len(before) :]
            if again.any():
                copies = np.zeros(len(segments), dtype=np.bool_)
                copies[rows[again]] = True
                self.count += int(again.sum())
        recent = np.flatnonzero(latest - segments.time_ns[-_MAX_KEPT:] <= _WITHIN_NS)
        recent += max(len(segments) - _MAX_KEPT, 0)
        self._last = np.concatenate([before, _seen(segments, direction, place, recent)])[-_MAX_KEPT:]
        return copies

    def drop(self, gone: NDArray[np.bool_]) -> None:
        """Let go of flows (a mask over their numbers): those behind them move up."""
        there = self._copied[: len(gone)]
        self._copied = np.concatenate([there[~gone[: len(there)]], np.zeros(1024, dtype=np.bool_)])
        self._last = self._last[:0]

    def _sure(self, seen: Rows, again: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The rows of `again` but for those that may have been sent twice."""
        if not again.any():
            return again
        flow = seen["direction"] >> 1
        highest = int(flow.max()) + 1
        if highest > len(self._copied):
            self._copied = np.concatenate([self._copied, np.zeros(highest, dtype=np.bool_)])
        bare = (seen["length"] == 0) & (seen["flags"] & (SYN | RST) != SYN)
        sure = again & ((seen["ip_id"] > 0) | ~bare)
        self._copied[flow[sure]] = True
        result: NDArray[np.bool_] = again & (sure | self._copied[flow])
        return result


def _place(direction: Column, seq: Column, ack: Column) -> Column:
    """A small number that is the same for copies, and seldom for other segments."""
    mixed = direction * _MIX[0] + seq * _MIX[1] + ack * _MIX[2]
    return (mixed.view(np.uint64) >> np.uint64(64 - _PLACE_BITS)).astype(np.int64)


def _behind(segments: Segments, direction: Column, order: Column) -> Column:
    """The rows that bring neither a byte nor an acknowledgement number that was not there before."""
    own = direction[order]
    ends, acks = (segments.seq + segments.length)[order], segments.ack[order]
    # What acknowledges nothing (a SYN) is given the next number of its direction: from it on they are counted.
    bare = np.flatnonzero(segments.flags[order] & ACK == 0)
    if len(bare):
        last = np.flatnonzero(np.append(bare[1:] != bare[:-1] + 1, True))
        following = 1 + bare[last[last.searchsorted(np.arange(len(bare)))]]
        following[following == len(order)] = 0
        same = (own[following] == own[bare]) & (following > bare)
        acks[bare[same]] = acks[following[same]]
    # Where each segment of a direction brings something it has none: that is so in nearly all.
    sent, acknowledged = ((column[1:] - column[:-1]).astype(np.int32) for column in (ends, acks))
    doubtful = (own[1:] == own[:-1]) & ((sent | acknowledged) <= 0)
    if not doubtful.any():
        return order[:0]
    looked_at = np.isin(own, own[1:][doubtful])
    order, own = order[looked_at], own[looked_at]
    begins = np.concatenate([[True], own[1:] != own[:-1]])
    group = np.cumsum(begins)
    first = np.flatnonzero(begins)[group - 1]
    behind: NDArray[np.bool_] = ~begins
    for values in (ends[looked_at], acks[looked_at]):
        ahead = (values - values[first] + _HALF) & (_MODULUS - 1)
        ahead += group * (2 * _MODULUS)  # a direction begins above the last
        behind[1:] &= ahead[1:] <= np.maximum.accumulate(ahead)[:-1]
    rows: Column = order[behind]
    return rows


def _seen(segments: Segments, direction: Column, place: Column, rows: Column) -> Rows:
    same = np.zeros(len(rows), dtype=_SAME)
    same["direction"] = direction[rows]
    for name in _FACTS:
        same[name] = getattr(segments, name)[rows]
    same["options"] = gather(segments.data, np.maximum(segments.payload[rows] - _OPTIONS, 0), same.dtype["options"])
    seen = np.zeros(len(rows), dtype=_SEEN)
    for name in _NUMBERS:
        seen[name] = same[name]
    seen["place"] = place[rows]
    seen["time_ns"] = segments.time_ns[rows]
    seen["same"] = same.view(f"V{_SAME.itemsize}")
    return seen


def _again(seen: Rows) -> NDArray[np.bool_]:
    """Which rows have been there before, shortly."""
    same = np.ascontiguousarray(seen["same"]).view(np.int64).reshape(len(seen), -1)
    mixed = (same * _SECRETS).sum(axis=1)
    order = np.argsort(mixed, kind="stable")
    alike = 1 + np.flatnonzero(mixed[order[1:]] == mixed[order[:-1]])
    if (same[order[alike]] != same[order[alike - 1]]).any():
        order = np.lexsort(same.T)
        alike = 1 + np.flatnonzero((same[order[1:]] == same[order[:-1]]).all(axis=1))
    row, before = order[alike], order[alike - 1]
    apart = np.abs(seen["time_ns"][row] - seen["time_ns"][before])
    again = np.zeros(len(seen), dtype=np.bool_)
    again[row] = apart <= np.where(seen["ip_id"][row] > 0, _WITHIN_NS, _WITHIN_UNNAMED_NS)
    return again
