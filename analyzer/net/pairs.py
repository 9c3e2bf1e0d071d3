"""The same TCP connection seen twice: at several points, or before and behind an address translation.

Takes the points' flow tables, gives pairs of connections by their numbers over all points, and how far the points'
clocks are apart. All on columns, in the time of a sort: a capture may have a million connections.

What pairs two connections, the first that holds:

- both initial sequence numbers, which no translation of addresses changes
- at different points: the same endpoints, and the initial sequence number of the one who opened it (nothing came back),
  or numbers that are near each other (begun before the recording)
- at different points: the same endpoints alone, when there is but one such connection at each: who stands in between
  made another connection of it, or changes sequence numbers
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import among
from analyzer.net.flows import FlowTable
from analyzer.net.points import CapturePoint
from analyzer.net.segments import ACK, SYN

__all__ = ["Clock", "Pair", "Place", "clocks", "pairs", "place_of", "related"]

MOST: Final = 1 << 20
"""Pairs that are looked for: memory is not endless."""
_MOST_BY_ENDS: Final = 1 << 16
"""The same of those that only their endpoints pair, for each is looked at by itself."""
_MOST_ALIKE: Final = 8
"""Connections with the same numbers that may be one: seen on both sides of a box, at several points. Where more have
them in common, numbers are not drawn by chance, and tell nothing."""
_AT_ONCE_NS: Final = 1_000_000_000
"""A translated connection begins behind the box within this time of before it."""
_MOST_MEASURED: Final = 500
"""Pairs by which clocks are compared."""
_NEAR: Final = 1 << 30
_ODD: Final = 0x9E3779B97F4A7C15
_MODULUS: Final = 1 << 32

Column = NDArray[np.int64]


class Pair(NamedTuple):
    """Two connections, by their numbers over all points. `by` is `numbers`, `opening`, `endpoints` or `nothing-else`.

    `translated`: their endpoints differ.
    """

    one: int
    other: int
    by: str
    translated: bool


class Place(NamedTuple):
    """A connection's point, and its number there."""

    point: int
    flow: int


class Clock(NamedTuple):
    """How far a point's clock is ahead of the first point's, in nanoseconds, by so many connections."""

    ahead_ns: int
    connections: int


def place_of(points: Sequence[CapturePoint], number: int) -> Place:
    """Where the connection of a number over all points is."""
    for index, point in enumerate(points):
        if number < len(point.flows.table):
            return Place(index, number)
        number -= len(point.flows.table)
    raise IndexError(number)


def pairs(points: Sequence[CapturePoint]) -> list[Pair]:
    """All pairs, in the order of their numbers."""
    first = np.cumsum([0, *(len(point.flows.table) for point in points)])
    if not first[-1]:
        return []
    rows = np.concatenate([point.flows.table.rows for point in points])
    where = np.repeat(np.arange(len(points)), np.diff(first))
    told = [point.flows.table.initial_numbers() for point in points]
    whole = np.concatenate([flows + start for (flows, _), start in zip(told, first, strict=False)])
    one, other = _coupled(whole, np.concatenate([numbers for _, numbers in told]))
    same = np.ones(len(one), dtype=np.bool_)
    for name in ("high", "low", "port"):
        same &= (rows[name][one] == rows[name][other]).all(axis=1)
    at_once = np.abs(rows["first_time"][one] - rows["first_time"][other]) < _AT_ONCE_NS
    kept = (where[one] != where[other]) | (~same & at_once)
    columns = (column[kept][:MOST].tolist() for column in (one, other, ~same))
    found = [Pair(first, second, "numbers", apart) for first, second, apart in zip(*columns, strict=True)]
    if len(points) > 1:
        times = np.bincount(np.concatenate([one[kept], other[kept]]), minlength=len(rows))
        left = np.flatnonzero(times < len(points) - 1)
        several = found if len(points) > 2 else ()
        paired = {(a, int(where[b])) for pair in several for a, b in (pair[:2], pair[1::-1])}
        found += _by_ends(rows, where, left, paired)
    return sorted(found)[:MOST]


def related(table: FlowTable) -> NDArray[np.bool_]:
    """[N] which connections of one point may belong together with another: sights of one, or legs of a gateway.

    They have both initial sequence numbers in common, or one end of theirs is a client here and a server there.
    """
    rows = table.rows
    found = np.zeros(len(rows), dtype=np.bool_)
    whole, numbers = table.initial_numbers()
    _, group, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    found[whole[counts[group] > 1]] = True
    opened = np.flatnonzero(rows["opening"] & (SYN | ACK) == SYN)
    side = rows["opener"][opened].astype(np.int64)
    clients, servers = (
        rows["high"][opened, own] * np.uint64(_ODD) + rows["low"][opened, own] for own in (side, 1 - side)
    )
    found[opened[among(servers, clients) | among(clients, servers)]] = True
    return found


def clocks(points: Sequence[CapturePoint], found: Sequence[Pair]) -> list[Clock | None]:
    """Of each point how far its clock is ahead; None where it has no connection in common with one that is known.

    What both saw of a connection's opening, one packet each way, tells the difference but for half of what the ways
    there and back differ (RFC 5905 section 8).
    """
    ahead: dict[tuple[int, int], list[int]] = {}
    for pair in found[:: max(len(found) // (10 * _MOST_MEASURED), 1)]:
        one, other = place_of(points, pair.one), place_of(points, pair.other)
        between = ahead.setdefault((one.point, other.point), [])
        if pair.by not in ("numbers", "opening") or one.point == other.point or len(between) >= _MOST_MEASURED:
            continue
        openings = zip(_opening(points, one), _opening(points, other), strict=True)
        ways = [late - early for early, late in openings if early is not None and late is not None]
        if ways:
            between.append(round(sum(ways) / len(ways)))
    known: list[Clock | None] = [Clock(0, 0), *[None] * (len(points) - 1)]
    for _ in points:
        for (here, there), between in ahead.items():
            for start, end, sign in ((here, there, 1), (there, here, -1)):
                reference = known[start]
                if between and reference is not None and known[end] is None:
                    known[end] = Clock(reference.ahead_ns + sign * sorted(between)[len(between) // 2], len(between))
    return known


def _opening(points: Sequence[CapturePoint], place: Place) -> tuple[int | None, int | None]:
    """The times of the first SYN and the first SYN,ACK."""
    (log,) = points[place.point].flows.signals.read(place.flow, place.flow + 1)
    syn = next((s.time_ns for s in log if s.flags & (SYN | ACK) == SYN), None)
    return syn, next((s.time_ns for s in log if s.flags & (SYN | ACK) == SYN | ACK), None)


def _groups(members: Column, key: NDArray[np.generic]) -> tuple[Column, Column, Column]:
    """The members sorted by key, where each group of equal keys begins among them, and how many each has."""
    order = np.argsort(key, kind="stable")
    key, members = key[order], members[order]
    begins = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]])) if len(key) else np.zeros(0, dtype=np.int64)
    return members, begins, np.diff(np.append(begins, len(key)))


def _coupled(members: Column, key: NDArray[np.generic]) -> tuple[Column, Column]:
    """All couples of members that have a key in common, the lower first."""
    members, begins, sizes = _groups(members, key)
    couples: list[tuple[Column, Column]] = []
    for size in range(2, _MOST_ALIKE + 1):
        starts = begins[sizes == size]
        couples += [(members[starts + one], members[starts + other]) for one, other in combinations(range(size), 2)]
    first, second = (np.concatenate(columns) for columns in zip(*couples, strict=True))
    return np.minimum(first, second), np.maximum(first, second)


def _by_ends(rows: NDArray[np.void], where: Column, left: Column, paired: set[tuple[int, int]]) -> list[Pair]:
    """Pairs of those that are `left`, of the same endpoints at different points.

    `paired` are connections, with the point at which they were found by their initial numbers.
    """
    ends = np.zeros(len(left), dtype=np.dtype([(name, rows.dtype[name]) for name in ("high", "low", "port")]))
    for name in ends.dtype.names or ():
        ends[name] = rows[name][left]
    found: list[Pair] = []
    ordered, begins, sizes = _groups(left, ends.view(f"V{ends.dtype.itemsize}"))
    several = sizes > 1
    for start, size in zip(begins[several].tolist(), sizes[several].tolist(), strict=True):
        members = ordered[start : start + size].tolist()
        seen_at = set(where[members].tolist())
        by_point: dict[int, list[int]] = {}
        for member in members:
            if not any((member, point) in paired for point in seen_at):
                by_point.setdefault(int(where[member]), []).append(member)
        for here, there in combinations(by_point.values(), 2):
            alone = len(here) == len(there) == 1
            for one in here[:_MOST_ALIKE]:
                for other in there[:_MOST_ALIKE]:
                    by = _how(rows[one], rows[other], alone=alone)
                    if by is not None:
                        found.append(Pair(min(one, other), max(one, other), by, translated=False))
        if len(found) >= _MOST_BY_ENDS:
            break
    return found


def _how(one: np.void, other: np.void, *, alone: bool) -> str | None:
    """What two connections of the same endpoints have in common beyond these."""
    known = [side for side in (0, 1) if one["base_known"][side] and other["base_known"][side]]
    apart = [(int(one["base"][side]) - int(other["base"][side])) % _MODULUS for side in known]
    if apart and not apart[one["opener"]] if len(known) == 2 else apart == [0]:
        return "opening"
    begun = all((row["base_known"] < 2).all() for row in (one, other))
    if begun and apart and all(min(distance, _MODULUS - distance) < _NEAR for distance in apart):
        return "endpoints"
    return "nothing-else" if alone else None
