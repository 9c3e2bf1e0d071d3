"""Which log line speaks of which connection.

The rule, from sure to weak: both addresses and ports; the message id of a line that has them; one address with its port
and the time; the host's name and the time; the time alone, when one connection only comes into question. Where a log's
time has no zone, the zone is found first: the whole quarter of an hour, and the offset of the clocks, at which most
lines fit. Work is bounded by indexes on addresses and names and by small windows in time: a million lines and thirty
thousand connections take no product of the two.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import median
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.gateways.logs import Endpoint, LogEntry, Moment

__all__ = ["Clock", "LogMatcher", "Matched", "Placed", "Seen"]

_SECOND: Final = 1_000_000_000
_QUARTER: Final = 900 * _SECOND
_ZONES: Final = range(-14 * 4, 14 * 4 + 1)
"""Quarters of an hour east of UTC: no zone is farther away."""
_ONE_DAY: Final = 15 * 3600 * _SECOND
_MARGIN: Final = 3600 * _SECOND
"""Lines with a zone that are farther from the capture than this are not about it."""
_TOLERANCE: Final = 2 * _SECOND
"""A product writes its line so long after the packet at most, when it is not loaded."""
_AT_ONCE: Final = 100_000_000
_OFFSET: Final = 5 * _SECOND
"""Clocks that are farther apart are believed only when `_SUPPORT` lines, or both addresses, say so."""
_SUPPORT: Final = 3
_EXACT: Final = 600 * _SECOND
"""A pair of addresses and ports is used again after this, so that an older line is another connection's."""
_SAMPLE: Final = 200
_NEAREST: Final = 8
_WINDOW: Final = 24
MOST_ENTRIES: Final = 100_000
MOST_UNMATCHED: Final = 50
MOST_LINES: Final = 20
"""Of one connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A connection of the capture. `start_ns` to `end_ns`: from its first packet to what ended the handshake.

    `names` are the hosts that it may have meant, in lower case; `open` tells that the handshake failed, or that no data
    followed it: only then a line about a failure can be its own.
    """

    id: int
    client: Endpoint
    server: Endpoint
    start_ns: int
    end_ns: int
    names: frozenset[str]
    open: bool

    def apart(self, time: int) -> int:
        """How far a time is from this connection, in nanoseconds: 0 while it ran."""
        return max(self.start_ns - time, time - self.end_ns, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A line beside its connection. `how` is the rule by which, `alone` whether no other connection fits as well.

    Where several fit (`rivals`, their ids) and each has a line with the same words, it does not matter which is whose.

    `side` is the part that the writer plays in this connection, None when that is not known. `time_ns` is UTC by the
    writer's clock, None without a time.
    """

    entry: LogEntry
    how: str
    alone: bool
    side: str | None
    time_ns: int | None
    rivals: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """What was found of a log's clock: the zone it writes in (None: it says so itself) and how far it is ahead, in ns.

    `lines` is how many lines say so.
    """

    source: str
    zone_ns: int | None
    offset_ns: int
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """The lines of each connection by its id, those of no connection of the capture (the first ones), and the clocks.

    `unmatched_count` counts all of these; `outside` the lines whose time is not that of the capture; `let_go` those
    beyond `MOST_ENTRIES`.
    """

    lines: dict[int, tuple[Placed, ...]]
    unmatched: tuple[tuple[LogEntry, int | None], ...]
    unmatched_count: int
    clocks: tuple[Clock, ...]
    outside: int
    let_go: int


Used = Counter[tuple[int, str, tuple[str, ...]]]
"""How many lines of a log, with certain words, a connection has."""


class LogMatcher:
    """Takes the entries of all logs, then says to which connections they belong."""

    def __init__(self, connections: Sequence[Seen]) -> None:
        self._all = _Index(item for item in connections if item.open)
        self._pairs: dict[tuple[Endpoint, Endpoint], list[Seen]] = {}
        servers: dict[Endpoint, list[Seen]] = {}
        clients: dict[Endpoint, list[Seen]] = {}
        names: dict[str, list[Seen]] = {}
        for item in connections:
            self._pairs.setdefault((item.client, item.server), []).append(item)
            if item.open:
                for key in (item.server, Endpoint(item.server.address, None)):
                    servers.setdefault(key, []).append(item)
                for key in (item.client, Endpoint(item.client.address, None)):
                    clients.setdefault(key, []).append(item)
                for name in item.names:
                    names.setdefault(name, []).append(item)
        self._servers = {key: _Index(items) for key, items in servers.items()}
        self._clients = {key: _Index(items) for key, items in clients.items()}
        self._names = {key: _Index(items) for key, items in names.items()}
        self._start = min((item.start_ns for item in connections), default=0)
        self._end = max((item.end_ns for item in connections), default=0)
        self._entries: list[LogEntry] = []
        self._outside = 0
        self._let_go = 0

    def wanted(self, local: Endpoint | None, remote: Endpoint | None) -> bool:
        """Whether the capture has a connection between these two."""
        return local is not None and remote is not None and bool(self._pair(local, remote))

    def of_its_time(self, moment: Moment) -> bool:
        """Whether a moment of a log may be one of the capture."""
        margin = _MARGIN if moment.zoned else _ONE_DAY
        return self._start - margin <= moment.ns <= self._end + margin

    @property
    def full(self) -> bool:
        """Whether no more entries are taken."""
        return len(self._entries) >= MOST_ENTRIES

    def passed_over(self, outside: int, let_go: int) -> None:
        """Count lines that the reader has passed over: those of another time, and those when this was full."""
        self._outside += outside
        self._let_go += let_go

    def add(self, entry: LogEntry) -> None:
        """Take an entry, unless its time is far from the capture's."""
        exact = self.wanted(entry.local, entry.remote)
        if entry.time is not None and not exact and not self.of_its_time(entry.time):
            self._outside += 1
            return
        if self.full:
            self._let_go += 1
            return
        self._entries.append(entry)

    def result(self) -> Matched:
        """Match all entries that were taken."""
        groups: dict[tuple[str, bool], list[LogEntry]] = {}
        for entry in self._entries:
            if entry.time is not None:
                groups.setdefault((entry.source, entry.time.zoned), []).append(entry)
        clocks = {key: clock for key, group in groups.items() if (clock := self._clock(key, group)) is not None}
        lines: dict[int, list[Placed]] = {}
        unmatched: list[tuple[LogEntry, int | None]] = []
        count = 0
        used: Used = Counter()
        identified: dict[str, Seen] = {}
        # Lines with an address come first: what they say of a message's id holds for the others.
        for entry in sorted(self._entries, key=lambda item: item.remote is None and item.local is None):
            time, told = _times(entry, clocks)
            found = self._place(entry, time, told, used)
            known = identified.get(entry.id) if entry.id is not None else None
            if known is not None and (found is None or found[1].how.startswith("time")):
                found = known, _placed(entry, known, "message id", told, alone=True)
            if found is not None:
                if entry.id is not None and found[1].how == "addresses":
                    identified[entry.id] = found[0]
                seen, placed = found
                used[seen.id, entry.source, entry.said.words] += 1
                mine = lines.setdefault(seen.id, [])
                if len(mine) < MOST_LINES:
                    mine.append(placed)
            elif _about_tls(entry):
                count += 1
                if len(unmatched) < MOST_UNMATCHED:
                    unmatched.append((entry, told))
        return Matched(
            lines={
                number: tuple(sorted((_settled(item, used) for item in mine), key=lambda item: item.time_ns or 0))
                for number, mine in lines.items()
            },
            unmatched=tuple(unmatched),
            unmatched_count=count,
            clocks=tuple(
                clock for clock in clocks.values() if clock.zone_ns is not None or abs(clock.offset_ns) > _SECOND
            ),
            outside=self._outside,
            let_go=self._let_go,
        )

    def _pair(self, local: Endpoint, remote: Endpoint) -> list[Seen]:
        return self._pairs.get((local, remote)) or self._pairs.get((remote, local)) or []

    def _candidates(self, entry: LogEntry) -> tuple[_Index | None, str]:
        """The connections that come into question, and by what; not looking at the time."""
        for mine, end in ((entry.remote, "remote"), (entry.local, "local")):
            if mine is None:
                continue
            ways = (
                (self._servers, self._clients)
                if (entry.side == "server") == (end == "local")
                else (self._clients, self._servers)
            )
            if entry.side is None and end == "remote":
                ways = (self._servers, self._clients)
            for index in ways:
                if mine in index:
                    return index[mine], "address"
        if entry.host is not None and entry.host in self._names:
            return self._names[entry.host], "name"
        if entry.remote is not None or entry.host is not None:
            return None, ""
        return self._all, ""

    def _clock(self, key: tuple[str, bool], group: Sequence[LogEntry]) -> Clock | None:
        """The zone and the offset at which most of a log's lines fit; None when nothing fits."""
        source, zoned = key
        votes: Counter[tuple[int, int]] = Counter()
        residuals: dict[tuple[int, int], list[int]] = {}
        exact: set[tuple[int, int]] = set()
        for entry in _spread(group):
            pair = self._pair(entry.local, entry.remote) if entry.local is not None and entry.remote is not None else []
            candidates = _Index(pair) if pair else self._candidates(entry)[0]
            if entry.time is None or candidates is None:
                continue
            for zone in (0,) if zoned else _ZONES:
                for residual in candidates.residuals(entry.time.ns - zone * _QUARTER, entry.time.resolution_ns):
                    place = zone, residual // _SECOND
                    for near in (place, (zone, place[1] + 1)):
                        votes[near] += 1
                        residuals.setdefault(near, []).append(residual)
                        if pair:
                            exact.add(near)
        believed = [
            place
            for place, count in votes.items()
            if count >= _SUPPORT or place in exact or abs(median(residuals[place])) <= _OFFSET
        ]
        if not believed:
            return None
        best = max(believed, key=lambda place: (place in exact, votes[place], -abs(place[1]), -abs(place[0])))
        offset = round(median(residuals[best]))
        return Clock(
            source=source,
            zone_ns=None if zoned else best[0] * _QUARTER,
            offset_ns=offset if abs(offset) > _SECOND else 0,
            lines=votes[best],
        )

    def _place(self, entry: LogEntry, time: int | None, told: int | None, used: Used) -> tuple[Seen, Placed] | None:
        pair = self._pair(entry.local, entry.remote) if entry.local is not None and entry.remote is not None else []
        if pair:
            near = [item for item in pair if time is None or item.apart(time) <= _EXACT] or (
                pair if told is None else []
            )
            if near:
                best = min(near, key=lambda item: 0 if time is None else item.apart(time))
                return best, _placed(entry, best, "addresses", told, alone=True)
        candidates, by = self._candidates(entry)
        if candidates is None:
            return None
        if entry.time is None:
            fitting = candidates.items if len(candidates.items) <= _WINDOW else []
            how = by or "the only failed handshake"
        elif time is None:
            return None
        else:
            fitting = candidates.near(time, _TOLERANCE + entry.time.resolution_ns)
            how = f"{by} and time" if by else "time"
        if by == "address" and entry.local is not None and entry.local.port is not None:
            same = [item for item in fitting if entry.local.port in (item.client.port, item.server.port)]
            if same:
                fitting, how = same, "ports, one address and time"
        named = [item for item in fitting if entry.host in item.names] if entry.host is not None else []
        fitting = named or fitting
        if time is not None and len(fitting) > 1:
            fitting = _decisive(fitting, time)
        if not fitting or (len(fitting) > 1 and (entry.time is None or not by)):
            return None
        words = entry.said.words
        best = min(fitting, key=lambda item: (used[item.id, entry.source, words], item.apart(time or 0)))
        if len(fitting) == 1:
            return best, _placed(entry, best, how, told, alone=True)
        placed = _placed(entry, best, f"{how}, one of {len(fitting)}", told, alone=False)
        return best, replace(placed, rivals=tuple(item.id for item in fitting))


class _Index:
    """Connections in the order of their beginnings and of their ends."""

    def __init__(self, items: Iterable[Seen]) -> None:
        self.items = list(items)
        self._by: list[tuple[list[int], list[Seen]]] = []

    def _sorted(self) -> list[tuple[list[int], list[Seen]]]:
        if not self._by:
            by_end = sorted(self.items, key=lambda item: item.end_ns)
            by_start = sorted(self.items, key=lambda item: item.start_ns)
            self._by = [([item.end_ns for item in by_end], by_end), ([item.start_ns for item in by_start], by_start)]
        return self._by

    def near(self, time: int, tolerance: int) -> list[Seen]:
        """Those that began, ended or ran at a time, within a tolerance; a bounded number."""
        found: dict[int, Seen] = {}
        for times, items in self._sorted():
            middle = bisect_left(times, time)
            for item in items[max(middle - _WINDOW, 0) : middle + _WINDOW]:
                if item.apart(time) <= tolerance:
                    found[item.id] = item
        return list(found.values())

    def residuals(self, time: int, resolution: int) -> list[int]:
        """How far a time is from the ends of the nearest connections; none by more than half a quarter of an hour."""
        times, items = self._sorted()[0]
        middle = bisect_left(times, time)
        found = []
        for item in items[max(middle - _NEAREST, 0) : middle + _NEAREST]:
            inside = item.start_ns - resolution <= time <= item.end_ns + resolution
            residual = 0 if inside else time - item.end_ns
            if -_QUARTER // 2 <= residual < _QUARTER // 2:
                found.append(residual)
        return found


def _decisive(fitting: list[Seen], time: int) -> list[Seen]:
    """The one that ended at that very moment, when all the others were far from it; else all."""
    ordered = sorted(fitting, key=lambda item: abs(time - item.end_ns))
    near, next_ = (abs(time - item.end_ns) for item in ordered[:2])
    return ordered[:1] if near <= _AT_ONCE and next_ >= 5 * _AT_ONCE else fitting


def _spread(group: Sequence[LogEntry]) -> Sequence[LogEntry]:
    """Some entries of a log from all of its length."""
    step = max(len(group) // _SAMPLE, 1)
    return group[::step][:_SAMPLE]


def _times(entry: LogEntry, clocks: dict[tuple[str, bool], Clock]) -> tuple[int | None, int | None]:
    """An entry's time by the capture's clock, and by its own in UTC; None where it is not known."""
    if entry.time is None:
        return None, None
    clock = clocks.get((entry.source, entry.time.zoned))
    if clock is None:
        return (entry.time.ns, entry.time.ns) if entry.time.zoned else (None, None)
    told = entry.time.ns - (clock.zone_ns or 0)
    return told - clock.offset_ns, told


def _placed(entry: LogEntry, seen: Seen, how: str, told: int | None, *, alone: bool) -> Placed:
    side = entry.side
    if (
        entry.local is not None
        and entry.remote is not None
        and (entry.local, entry.remote) == (seen.server, seen.client)
    ):
        side = "server"
    elif entry.local == seen.client or entry.remote == seen.server:
        side = "client"
    elif entry.remote == seen.client:
        side = "server"
    return Placed(entry=entry, how=how, alone=alone, side=side, time_ns=told)


def _settled(item: Placed, used: Used) -> Placed:
    """Alone, too, when each connection that fits has a line that says the same."""
    entry = item.entry
    if item.rivals and all(used[number, entry.source, entry.said.words] for number in item.rivals):
        return replace(item, alone=True)
    return item


def _about_tls(entry: LogEntry) -> bool:
    """Whether a line that fits no connection is about a handshake, and not about any connection of any program."""
    low = entry.text.lower()
    return bool(entry.said.words) and any(word in low for word in ("ssl", "tls", "certif", "x509", "pkix", "handshake"))
