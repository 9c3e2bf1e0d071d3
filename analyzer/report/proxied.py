"""The two legs of a gateway that ends TLS: found by time and shape, for they have no byte in common.

A gateway opens its connection to the backend while a request of a client is open: after the client asked, and before
it was answered. That is taken for a pair where one such client connection stands out:

- its server is the address from which the gateway goes on
- or, at another point, the same server and name were asked for, and that point never saw the client's own connection:
  who stands in between speaks for the client
- or, for a leg to a backend that failed while little else went on, the request shortly before and the answer shortly
  after fit

Where two fit alike nothing is said.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from analyzer.diagnosis.case import seconds
from analyzer.report.model import Connection
from analyzer.tls.sighting import Talk

__all__ = ["Proxied", "proxied"]

_MOST_OPEN: Final = 64
"""Open connections beyond which time tells nothing, though one thing more fits."""
_MOST_BESIDE: Final = 4
_QUIET: Final = 100
"""The same where time is all there is; and the connections beyond which two that fit by chance have to be expected."""
_MOST_LOOKED_AT: Final = 2_000_000
"""Pairs that are looked at in all: some seconds."""
_AT_ONCE_NS: Final = 100_000_000
_AGAIN_NS: Final = 2_000_000_000
_MOST_TRIES: Final = 8
"""Nanoseconds after which a gateway has tried its backend again, and how often it does."""
_SOON_NS: Final = 1_000_000_000
_SECOND: Final = 1_000_000_000


Placed = tuple[Talk, int, int]
"""A connection, how far its point's clock is ahead in nanoseconds, and the number of its point."""


class Proxied(NamedTuple):
    """A client's leg, the leg that a gateway opened for it, how that is known, and what time shows."""

    front: int
    back: int
    by: str
    shape: str


class _Fit(NamedTuple):
    strength: int
    by: str
    asked_ns: int
    answered_ns: int | None


def proxied(
    talks: Sequence[Placed],
    failed: Container[int],
    by_id: Mapping[int, Connection],
    groups: Mapping[int, tuple[int, ...]],
) -> Iterator[Proxied]:
    """The pairs among connections. `groups` has what is the same handshake seen again, which is no pair.

    `failed` are the numbers of those that failed; `by_id` is asked for few of them.
    """
    several = len({point for _, _, point in talks}) > 1
    quiet = len({_handshake(talk.id, groups) for talk, _, _ in talks}) <= _QUIET
    series = _series(talks, failed, by_id) if quiet else {}
    open_ = _Open()
    told: set[tuple[int, int]] = set()
    for own in sorted(talks, key=lambda item: item[0].first_time_ns - item[1]):
        talk, ahead, _ = own
        begins = talk.first_time_ns - ahead
        others = open_.at(begins, _address(talk.client), everyone=several or talk.id in failed)
        fits = [
            (fit, other[0].id)
            for other in others
            if other[0].id not in groups.get(talk.id, ()) and (fit := _fit(other, own, by_id, series)) is not None
        ]
        if not quiet or len({_handshake(other[0].id, groups) for other in others}) > _MOST_BESIDE:
            fits = [(fit, number) for fit, number in fits if fit.strength > 1]
        found = _one(fits, groups)
        if found is not None:
            fit, front = found
            key = _handshake(front, groups), _handshake(talk.id, groups)
            if key not in told:
                told.add(key)
                yield Proxied(front, talk.id, fit.by, _shape(fit, begins, by_id[talk.id], talk, ahead))
        open_.add(own)


class _Open:
    """The connections that are open at a time that only goes on."""

    def __init__(self) -> None:
        self._ends: list[tuple[int, int]] = []
        self._talks: dict[int, Placed] = {}
        self._by_server: dict[str, dict[int, Placed]] = {}
        self._count = 0
        self._looked_at = 0

    def at(self, now_ns: int, gateway: str, *, everyone: bool) -> list[Placed]:
        """Those whose server is the `gateway`, or `everyone`; none when there are too many to tell by time."""
        while self._ends and self._ends[0][0] < now_ns:
            place = heapq.heappop(self._ends)[1]
            server = _address(self._talks.pop(place)[0].server)
            self._by_server[server].pop(place)
            if not self._by_server[server]:
                del self._by_server[server]
        found = self._talks if everyone else self._by_server.get(gateway, {})
        if len(found) > _MOST_OPEN or self._looked_at > _MOST_LOOKED_AT:
            return []
        self._looked_at += len(found)
        return list(found.values())

    def add(self, placed: Placed) -> None:
        """One more has begun."""
        talk, ahead, _ = placed
        self._count += 1
        self._talks[self._count] = placed
        self._by_server.setdefault(_address(talk.server), {})[self._count] = placed
        heapq.heappush(self._ends, (talk.last_time_ns - ahead, self._count))


def _one(fits: list[tuple[_Fit, int]], groups: Mapping[int, tuple[int, ...]]) -> tuple[_Fit, int] | None:
    """The one that fits best; None where several do."""
    strongest = max((fit.strength for fit, _ in fits), default=0)
    best = [(fit, number) for fit, number in fits if fit.strength == strongest]
    handshakes = {_handshake(number, groups) for _, number in best}
    return best[0] if len(handshakes) == 1 else None


def _handshake(number: int, groups: Mapping[int, tuple[int, ...]]) -> int:
    """One number for all sights of a handshake."""
    return groups[number][0] if number in groups else number


def _fit(
    front: Placed, back: Placed, by_id: Mapping[int, Connection], series: Mapping[int, tuple[int, int]]
) -> _Fit | None:
    """Whether a connection may have been opened for the request that another one was waiting with."""
    (asking, asking_ahead, asking_point), (talk, ahead, point) = front, back
    gateway, client = _address(talk.client), _address(asking.client)
    own, other = by_id[talk.id], by_id[asking.id]
    if gateway == client or other.tls is None:
        return None
    begins = talk.first_time_ns - ahead
    asked = [time - asking_ahead for time in asking.asked]
    answers = [time - asking_ahead for time in asking.answered]
    before = bisect_right(asked, begins)
    since = asked[max(before - 1, 0)]
    if any(since < time <= begins for time in answers):
        return None  # that request had its answer
    answer = next((time for time in answers if time > begins), None)
    if gateway == _address(asking.server):
        return _Fit(3, "the gateway's address and time", since, answer)
    if asking.server == talk.server and point != asking_point and begins - since < _SOON_NS:
        alike = own.tls is not None and other.tls is not None and own.tls.sni == other.tls.sni
        return _Fit(2, "the server, its name and time", since, answer) if alike else None
    server = _address(asking.server)
    if talk.id not in series or server == _address(talk.server):
        return None
    if server.startswith("127.") or server == "[::1]":
        return None  # a proxy there would have that address on its other side too
    first, last = series[talk.id]
    since = asked[max(bisect_right(asked, first) - 1, 0)]
    ends = asking.last_time_ns - asking_ahead if answer is None else answer
    at_once = 0 <= first - since <= _AT_ONCE_NS and 0 <= ends - last <= _AT_ONCE_NS
    return _Fit(1, "time and shape", since, answer) if at_once else None


def _series(
    talks: Sequence[Placed], failed: Container[int], by_id: Mapping[int, Connection]
) -> dict[int, tuple[int, int]]:
    """Of each failed connection when the tries began to which it belongs, and when the last of them had failed."""
    ends: dict[tuple[str, str, int], tuple[int, int, list[int]]] = {}
    found: dict[int, tuple[int, int]] = {}
    for talk, ahead, point in sorted(talks, key=lambda item: item[0].first_time_ns - item[1]):
        if talk.id not in failed:
            continue
        key, begins = (_address(talk.client), talk.server, point), talk.first_time_ns - ahead
        first, last, members = ends.get(key, (begins, begins, []))
        if begins - last > _AGAIN_NS:
            first, members = begins, []
        last = max(last, _left_ns(by_id[talk.id], talk, ahead))
        members.append(talk.id)
        ends[key] = first, last, members
        found |= dict.fromkeys(members[-_MOST_TRIES:], (first, last))
    return found


def _left_ns(item: Connection, talk: Talk, ahead: int) -> int:
    """When a connection failed."""
    entry = next((entry for entry in item.timeline if entry.packet == item.abort_packet), None)
    end = talk.last_time_ns if entry is None else talk.first_time_ns + round(entry.time * _SECOND)
    return end - ahead


def _shape(fit: _Fit, begins: int, item: Connection, talk: Talk, ahead: int) -> str:
    text = f"the gateway went on {seconds(begins - fit.asked_ns)} after the request"
    if fit.answered_ns is None:
        return text
    since = fit.answered_ns - _left_ns(item, talk, ahead)
    return (
        f"{text} and answered {seconds(since)} after this failure" if since >= 0 and item.outcome == "failed" else text
    )


def _address(endpoint: str) -> str:
    return endpoint.rpartition(":")[0]
