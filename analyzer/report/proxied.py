"""The two legs of a gateway that ends TLS: found by time and shape, for they have no byte in common.

A gateway opens its connection to the backend while a request of a client is open: after the client asked, and before
it was answered. That is taken for a pair where one such client connection stands out:

- its server is the address from which the gateway goes on
- or, at another point, the same server and name were asked for, and that point never saw the client's own connection:
  who stands in between speaks for the client
- or, for a leg to a backend that failed, both the request shortly before and the answer shortly after fit

Where two fit alike nothing is said.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from analyzer.diagnosis.case import seconds
from analyzer.report.model import Connection
from analyzer.tls.sighting import Talk

__all__ = ["Proxied", "proxied"]

_MOST_OPEN: Final = 64
"""Open connections beyond which time tells nothing."""
_AT_ONCE_NS: Final = 100_000_000
_SOON_NS: Final = 1_000_000_000
_SECOND: Final = 1_000_000_000


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
    talks: Sequence[tuple[Talk, int, int]], by_id: Mapping[int, Connection], groups: Mapping[int, tuple[int, ...]]
) -> Iterator[Proxied]:
    """The pairs among connections, each with how far its point's clock is ahead and the number of its point.

    `groups` has what is the same handshake seen again, which is no pair.
    """
    waiting: list[tuple[int, int]] = []
    open_: dict[int, tuple[Talk, int, int]] = {}
    answered: set[tuple[int, int]] = set()
    for place, (talk, ahead, point) in sorted(enumerate(talks), key=lambda item: item[1][0].first_time_ns - item[1][1]):
        begins = talk.first_time_ns - ahead
        while waiting and waiting[0][0] < begins:
            del open_[heapq.heappop(waiting)[1]]
        if 0 < len(open_) <= _MOST_OPEN:
            fits = [
                (fit, other[0].id)
                for other in open_.values()
                if other[0].id not in groups.get(talk.id, ())
                and (fit := _fit(other, (talk, ahead, point), by_id)) is not None
            ]
            found = _one(fits, groups)
            if found is not None:
                fit, front = found
                key = (_handshake(front, groups), _handshake(talk.id, groups))
                if key not in answered:
                    answered.add(key)
                    yield Proxied(front, talk.id, fit.by, _shape(fit, begins, by_id[talk.id], talk, ahead))
        open_[place] = talk, ahead, point
        heapq.heappush(waiting, (talk.last_time_ns - ahead, place))


def _one(fits: list[tuple[_Fit, int]], groups: Mapping[int, tuple[int, ...]]) -> tuple[_Fit, int] | None:
    """The one that fits best; None where several do."""
    strongest = max((fit.strength for fit, _ in fits), default=0)
    best = [(fit, number) for fit, number in fits if fit.strength == strongest]
    handshakes = {_handshake(number, groups) for _, number in best}
    return best[0] if len(handshakes) == 1 else None


def _handshake(number: int, groups: Mapping[int, tuple[int, ...]]) -> int:
    """One number for all sights of a handshake."""
    return groups[number][0] if number in groups else number


def _fit(front: tuple[Talk, int, int], back: tuple[Talk, int, int], by_id: Mapping[int, Connection]) -> _Fit | None:
    """Whether a connection may have been opened for the request that another one was waiting with."""
    (asking, asking_ahead, asking_point), (talk, ahead, point) = front, back
    gateway, client = _address(talk.client), _address(asking.client)
    if gateway == client:
        return None
    begins = talk.first_time_ns - ahead
    asked = [time - asking_ahead for time in asking.asked]
    answers = [time - asking_ahead for time in asking.answered]
    before = bisect_right(asked, begins)
    since = asked[before - 1] if before else asking.first_time_ns - asking_ahead
    if any(since < time <= begins for time in answers):
        return None
    answer = next((time for time in answers if time > begins), None)
    if gateway == _address(asking.server):
        return _Fit(3, "the gateway's address and time", since, answer)
    own, other = by_id[talk.id], by_id[asking.id]
    if asking.server == talk.server and point != asking_point and begins - since < _SOON_NS:
        alike = own.tls is not None and other.tls is not None and own.tls.sni == other.tls.sni
        unseen = not _seen_at(other, own)
        return _Fit(2, "the server, its name and time", since, answer) if alike and unseen else None
    if own.outcome != "failed" or not before or begins - since > _AT_ONCE_NS:
        return None
    left = _left_ns(own, talk, ahead)
    ends = asking.last_time_ns - asking_ahead if answer is None else answer
    return _Fit(1, "time and shape", since, answer) if 0 <= ends - left <= _AT_ONCE_NS else None


def _seen_at(front: Connection, back: Connection) -> bool:
    return back.client == front.client


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
