"""What belongs together: sights of one connection at several points, and the two legs of a proxy.

Takes each connection as read and, in the end, the report's connections; gives these with their `legs`, and weighs what
follows. What one side sent and the other never saw names the box in between: a RST that nobody sent is its own
(`middlebox-reset`), and full-size packets that went in and did not come out are its fault (`path-mtu-blackhole`). What
is one failure is counted once: `counted_as` names the connection that stands for the others.

How two connections are found to belong together is told by `net.pairs` for the TCP connection, by the client's random
for the TLS handshake, and by `report.proxied` for the legs of a gateway that ends TLS.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np

from analyzer.diagnosis.cause import CERTAIN, LIKELY
from analyzer.net.pairs import Clock, Pair, Place, clocks, pairs, place_of
from analyzer.net.points import CapturePoint
from analyzer.report.between import Sight, Told, compared_sights
from analyzer.report.connections import Connections
from analyzer.report.model import Connection, Diagnosis, Evidence, Leg, Point
from analyzer.report.proxied import Proxied, proxied
from analyzer.tls import connection as wire
from analyzer.tls.sighting import Sighting, Talk, sighting_of, talk_of

__all__ = ["Legs"]

MOST_TALKS: Final = 1 << 18
"""Connections among which the legs of a gateway are looked for."""
_MOST_ALIKE: Final = 8
_RELAYED_NS: Final = 5_000_000_000
"""A proxy goes on within this time, or its client has gone."""
_MOST_LEGS: Final = 8
_SECOND: Final = 1e9
_STANDING: Final = {"failed": 3, "completed": 2, "incomplete": 1}
_RANK: Final = {"certain": 3, "likely": 2, "possible": 1}

_BY: Final = {
    "numbers": "both initial sequence numbers",
    "opening": "addresses, ports and the initial sequence number of the SYN",
    "endpoints": "addresses, ports and sequence numbers",
    "random": "the client's random value",
    "nothing-else": "addresses, ports and time",
}


Groups = dict[int, tuple[int, ...]]
"""Of a connection all sights of its handshake, itself among them."""


class _Link(NamedTuple):
    """Two connections that belong together; `one` is the nearer to the client, or the client's leg."""

    kind: str
    one: int
    other: int
    by: str
    differs: tuple[str, ...] = ()


class _Items(dict[int, Connection]):
    """Connections by number, each put together when it is first asked for."""

    def __init__(
        self, connections: Connections, numbers: Iterable[int], placed: Callable[[Connection], Connection]
    ) -> None:
        """`placed` is done with each of them first."""
        super().__init__()
        self._connections = connections
        self._placed = placed
        self.places = connections.places_of(numbers)
        """Those that there are, and where."""
        self.before: dict[int, Connection] = {}
        """As they were."""

    def __missing__(self, number: int) -> Connection:
        item = self.before[number] = self._connections[self.places[number]]
        self[number] = item = self._placed(item)
        return item

    def complete(self) -> None:
        """Put all of them together."""
        for number in self.places:
            self[number]

    def shared(self, number: int) -> Connection:
        """The connection, or one that went alike: its outcome and fault are the same."""
        return self[number] if number in self else self._connections.kind_of(self.places[number])


class Legs:
    """Collects what connections may have in common, while they are built; then tells what belongs together.

    Those that are built before `complete` have no other sight (`net.pairs.related`).
    """

    def __init__(self) -> None:
        self._points: Sequence[CapturePoint] = ()
        self._pairs: list[Pair] = []
        self._clocks: list[Clock | None] = []
        self._paired: set[int] = set()
        self._sights: dict[int, Sighting] = {}
        self._talks: list[Talk] = []
        self._randoms = array("Q")
        self._ids = array("q")

    def complete(self, points: Sequence[CapturePoint]) -> None:
        """All packets were read: find sights of the same connections."""
        self._points = points
        self._pairs = pairs(points)
        self._clocks = clocks(points, self._pairs) if len(points) > 1 else []
        self._paired = {number for pair in self._pairs for number in pair[:2]}

    def note(self, numbers: Sequence[int], randoms: Sequence[int]) -> None:
        """Remember of connections that are not built the last 8 bytes of the client's random value."""
        self._ids.extend(numbers)
        self._randoms.extend(randoms)

    def take(self, seen: wire.Connection) -> None:
        """Remember of a connection what is needed of it."""
        if seen.id in self._paired and not all(half.application_count for half in seen.halves.values()):
            self._sights[seen.id] = sighting_of(seen)  # where data went both ways there is nothing to conclude
        hello = seen.client_hello
        if hello is not None and len(hello.random) >= 8:
            self._randoms.append(int.from_bytes(hello.random[-8:], "big"))
            self._ids.append(seen.id)
        if len(self._talks) < MOST_TALKS:
            self._talks.append(talk_of(seen))

    def points(self) -> tuple[Point, ...]:
        """The points as the report names them; none when there is but one."""
        return tuple(
            Point(
                files=tuple(point.files),
                packets=point.packets,
                clock_offset_seconds=None if clock is None else clock.ahead_ns / _SECOND,
                clock_connections=0 if clock is None else clock.connections,
            )
            for point, clock in zip(self._points, self._clocks, strict=False)
        )

    def told(self, connections: Connections) -> Connections:
        """The connections with their legs, and with what these change in the verdicts."""
        whole = len(self._points) > 1
        numbers = {talk.id for talk in self._talks} | self._paired | self._alike()
        by_id = _Items(connections, connections.id.tolist() if whole else numbers, self._placed)
        links, told = self._same(by_id)
        known = {frozenset((link.one, link.other)) for link in links}
        links += [link for link in self._relayed(by_id) if frozenset((link.one, link.other)) not in known]
        groups = _groups(links)
        _weigh(by_id, told, groups)
        _count_once(by_id, groups)
        if whole:
            self._unseen(by_id, groups)
        links += self._proxied(by_id, groups)
        self._put(by_id, links)
        return connections.changed({n: item for n, item in by_id.items() if item is not by_id.before[n]})

    def _alike(self) -> set[int]:
        """Connections that have the client's random value in common with another."""
        if not self._randoms:
            return set()
        randoms = np.frombuffer(self._randoms, dtype=np.uint64)
        _, group, counts = np.unique(randoms, return_inverse=True, return_counts=True)
        several = np.flatnonzero(counts[group] > 1)
        return {self._ids[index] for index in several.tolist()}

    def _placed(self, item: Connection) -> Connection:
        if len(self._points) < 2:
            return item
        place = place_of(self._points, item.id)
        return replace(item, file=self._points[place.point].files[0], stream=place.flow)

    def _same(self, by_id: _Items) -> tuple[list[_Link], list[Told]]:
        """The same TCP connections, and what is to be concluded from what they have not in common."""
        randoms = dict(zip(self._ids, self._randoms, strict=True)) if len(self._points) > 1 else {}
        links: list[_Link] = []
        told: list[Told] = []
        read = {number for number in self._paired if number in by_id.places and not by_id.shared(number).fault}
        found_pairs = [pair for pair in self._pairs if pair.one in read and pair.other in read]
        sure = (
            _Link("same", pair.one, pair.other, pair.by)
            for pair in found_pairs
            if pair.by != "nothing-else" and pair.one in self._sights and pair.other in self._sights
        )
        ordered = [self._in_order(sights) for sights in set(_groups(sure).values())]
        sights_of = {sight.sighting.id: sights for sights in ordered for sight in sights}
        for pair in found_pairs:
            sights = sights_of.get(pair.one, ())
            numbers = [sight.sighting.id for sight in sights if sight.sighting.id in pair[:2]]
            if len(numbers) < 2:
                numbers = sorted(pair[:2], key=lambda number: self._started(by_id[number]))
            near, far = (by_id[number] for number in numbers)
            differs = _read_differently(near, far)
            kind, by = "translated" if pair.translated else "same", pair.by
            if by == "nothing-else":
                random = randoms.get(pair.one)
                if random is None or random != randoms.get(pair.other):
                    if abs(self._started(near) - self._started(far)) < _SECOND:
                        links.append(_Link("intercepted", near.id, far.id, _BY[by], differs))
                    continue
                by = "random"
                differs = ("the sequence numbers: a box in between rewrites them", *differs)
            elif pair.one in sights_of and pair.other in sights_of:
                found, facts = compared_sights(self._sight(near.id), self._sight(far.id), sights)
                differs = (*facts, *differs)
                told += found
            links.append(_Link(kind, near.id, far.id, _BY[by], differs))
        return links, told

    def _in_order(self, numbers: Iterable[int]) -> list[Sight]:
        """Sights of a connection, the one nearest to the client first: there the server's answer takes longest."""
        sights = [self._sight(number) for number in numbers]
        if any(sight.sighting.opened_ns is None for sight in sights):
            return sorted(sights, key=lambda sight: sight.first_ns)
        return sorted(sights, key=lambda sight: -(sight.sighting.opened_ns or 0))

    def _sight(self, number: int) -> Sight:
        place = place_of(self._points, number)
        point = self._points[place.point]
        ahead = self._ahead(place)
        return Sight(
            sighting=self._sights[number],
            file=_name(point.files[0]) if len(self._points) > 1 else "",
            ahead_ns=ahead,
            recorded_until_ns=point.last_time_ns - ahead,
            point=place.point,
        )

    def _ahead(self, place: Place) -> int:
        clock = self._clocks[place.point] if self._clocks else None
        return 0 if clock is None else clock.ahead_ns

    def _relayed(self, by_id: _Items) -> list[_Link]:
        """Connections with the same ClientHello."""
        randoms = np.frombuffer(self._randoms, dtype=np.uint64) if self._randoms else np.zeros(0, dtype=np.uint64)
        order = np.argsort(randoms, kind="stable")
        again = np.flatnonzero(randoms[order][1:] == randoms[order][:-1])
        groups: dict[int, set[int]] = {}
        for index in again.tolist():
            members = groups.setdefault(int(randoms[order[index]]), set())
            members |= {int(self._ids[int(order[index])]), int(self._ids[int(order[index + 1])])}
        links: list[_Link] = []
        for members in groups.values():
            known = sorted(members & by_id.places.keys())
            for one, other in combinations(known, 2) if len(known) <= _MOST_ALIKE else ():
                first, second = sorted((by_id[one], by_id[other]), key=self._started)
                if not self._may_relay(first, second):
                    continue
                differs = _read_differently(first, second)
                links.append(_Link("relayed", first.id, second.id, _BY["random"], differs))
        return links

    def _may_relay(self, first: Connection, second: Connection) -> bool:
        """Whether the first can be the client's leg: a client may well send one ClientHello to several servers."""
        ends = [[end.rpartition(":")[0] for end in (item.client, item.server)] for item in (first, second)]
        by_itself = ends[0][0] == ends[1][0] and ends[1][0] != ends[0][1]
        return not by_itself and self._started(second) - self._started(first) < _RELAYED_NS

    def _unseen(self, by_id: _Items, groups: Groups) -> None:
        """Say of a SYN that led to nothing that another point, which has others to that server, does not have it."""
        by_id.complete()
        servers: dict[str, set[int]] = {}
        for item in by_id.values():
            servers.setdefault(item.server, set()).add(place_of(self._points, item.id).point)
        for item in list(by_id.values()):
            if item.outcome != "failed" or item.stage != "tcp" or item.cause is None:
                continue
            seen_at = {place_of(self._points, number).point for number in groups.get(item.id, (item.id,))}
            for index in sorted(servers[item.server] - seen_at):
                clock, point = self._clocks[index], self._points[index]
                started = self._started(item) + (0 if clock is None else clock.ahead_ns)
                if clock is not None and point.first_time_ns <= started <= point.last_time_ns:
                    by_id[item.id] = _stopped(by_id[item.id], _name(point.files[0]))
                    break

    def _started(self, item: Connection) -> int:
        place = place_of(self._points, item.id)
        row = self._points[place.point].flows.table.rows[place.flow]
        return int(row["first_time"]) - self._ahead(place)

    def _proxied(self, by_id: _Items, groups: Groups) -> list[_Link]:
        talks = [
            (talk, self._ahead(place), place.point)
            for talk in self._talks
            if talk.id in by_id.places and not by_id.shared(talk.id).fault
            for place in (place_of(self._points, talk.id),)
        ]
        links: list[_Link] = []
        failed = {talk.id for talk, _, _ in talks if by_id.shared(talk.id).outcome == "failed"}
        for found in proxied(talks, failed, by_id, groups):
            front, back = by_id[found.front], by_id[found.back]
            kind = "intercepted" if front.server == back.server else "proxied"
            differs = _read_differently(front, back) if kind == "intercepted" else ()
            links.append(_Link(kind, front.id, back.id, found.by, differs))
            _follow(by_id, found, groups)
        return links

    def _put(self, by_id: dict[int, Connection], links: Iterable[_Link]) -> None:
        legs: dict[int, list[Leg]] = {}
        for link in links:
            for own, peer in ((link.one, link.other), (link.other, link.one)):
                other = by_id[peer]
                place = place_of(self._points, peer)
                leg = Leg(
                    kind=link.kind, connection=peer, file=other.file, stream=place.flow, client=other.client,
                    server=other.server, matched_by=link.by, differs=link.differs,
                )  # fmt: skip
                legs.setdefault(own, []).append(leg)
            if link.kind in ("same", "translated", "relayed", "intercepted"):
                _tell_interception(by_id, link)
        for number, found in legs.items():
            by_id[number] = replace(by_id[number], legs=tuple(found[:_MOST_LEGS]))


def _name(file: str) -> str:
    """A file as sentences call it: without its folder."""
    return file.replace("\\", "/").rpartition("/")[2] or file


def _groups(links: Iterable[_Link]) -> Groups:
    """Of each connection that is a sight of the same handshake as others all of these, in order."""
    root: dict[int, int] = {}

    def find(number: int) -> int:
        while root.setdefault(number, number) != number:
            root[number] = root[root[number]]
            number = root[number]
        return number

    for link in links:
        if link.kind != "intercepted":
            first, second = sorted((find(link.one), find(link.other)))
            root[second] = first
    members: dict[int, list[int]] = {}
    for number in sorted(root):
        members.setdefault(find(number), []).append(number)
    return {number: tuple(members[find(number)]) for number in root}


def _weigh(by_id: dict[int, Connection], told: Sequence[Told], groups: Groups) -> None:
    """Put conclusions in the place of what a connection alone seemed to show, in all sights of it.

    Those about a reset come first: who cuts a connection drops packets of it too.
    """
    decided: dict[tuple[int, ...], str] = {}
    itself: set[int] = set()
    for found in sorted(told, key=lambda found: found.code != "middlebox-reset"):
        item, sights = by_id[found.connection], groups[found.connection]
        if item.id in itself or decided.get(sights, found.code) != found.code or item.outcome == "completed":
            continue
        if found.packet is not None and item.abort_packet not in (None, found.packet):
            continue
        decided[sights] = found.code
        itself.add(item.id)
        by_id[item.id] = _concluded(item, found)
        unseen = found._replace(packet=None, evidence=tuple(replace(e, packet=None) for e in found.evidence))
        for number in sights:
            if number not in itself and by_id[number].outcome != "completed":
                by_id[number] = _concluded(by_id[number], unseen)


def _stopped(item: Connection, file: str) -> Connection:
    """A connection that did not come as far as the point of `file`."""
    text = f"{file}, which has other connections to {item.server} before and after it, does not have this SYN"
    evidence = Evidence(packet=None, text=text)
    if item.cause is None or item.cause.code != "connection-refused":
        return replace(item, evidence=(*item.evidence, evidence))
    found = Told(
        connection=item.id,
        code="middlebox-reset",
        confidence=LIKELY,  # the address may be that of a balancer, with other servers behind it
        text=f"The RST in answer to the SYN bears the server's address, but {text}: a firewall between refuses it.",
        headline="A box between {client} and {server} refused the connection in the server's name (RST).",
        evidence=(*item.evidence, evidence),
        packet=item.abort_packet,
        act=item.abort_act,
    )
    return _concluded(item, found)


def _concluded(item: Connection, found: Told) -> Connection:
    """A connection with a conclusion for its cause; how it ended is changed where that was seen in it."""
    from analyzer.diagnosis.engine import catalogue

    cause = catalogue()[found.code]
    known = (*([item.cause] if item.cause is not None else []), *item.other_causes)
    covered = (found.code, *cause.covers)
    seen_here = found.packet is not None
    # What is less than certain was guessed without knowing of the box.
    others = tuple(other for other in known if other.confidence == CERTAIN and other.code not in covered)
    return replace(
        item,
        outcome="failed",
        aborted_by="network",
        abort_packet=found.packet if seen_here else item.abort_packet,
        abort_act=found.act if seen_here else item.abort_act or "silence",
        cause=Diagnosis(
            code=found.code,
            confidence=found.confidence,
            title=cause.title,
            explanation=found.text,
            headline=found.headline.format(client=f"the client {item.client}", server=f"the server {item.server}"),
        ),
        other_causes=others,
        evidence=found.evidence,
        fixes=(),
    )


def _count_once(by_id: dict[int, Connection], groups: Groups) -> None:
    for sights in set(groups.values()):
        best = max(sights, key=lambda number: (*_tells(by_id[number]), -number))
        for number in sights:
            if number != best:
                by_id[number] = replace(by_id[number], counted_as=best)


def _tells(item: Connection) -> tuple[int, ...]:
    """How much a sight shows."""
    confidence = _RANK.get(item.cause.confidence, 0) if item.cause is not None else 0
    shows = item.abort_packet is not None
    proof = sum(evidence.packet is not None for evidence in item.evidence)
    return (
        _STANDING[item.outcome],
        confidence,
        int(shows and bool(proof)),
        int(bool(item.fixes)),
        len(item.server_chain),
    )


def _follow(by_id: dict[int, Connection], found: Proxied, groups: Groups) -> None:
    """A client's leg that failed for its backend's leg is no failure of its own, in whatever sight of it."""
    back = by_id[found.back]
    stands_for = by_id[back.counted_as] if back.counted_as is not None else back
    if stands_for.outcome != "failed" or stands_for.cause is None:
        return
    front = by_id[found.front]
    where = f" ({_name(front.file)})" if front.file else ""
    text = f"connection {front.id}{where} of the client {front.client} to the gateway waited for it: {found.shape}"
    by_id[stands_for.id] = replace(stands_for, evidence=(*stands_for.evidence, Evidence(packet=None, text=text)))
    follows = (
        f"It follows from connection {stands_for.id} of the gateway to {stands_for.server}, which failed before "
        f"({stands_for.cause.code})."
    )
    sights = groups.get(front.id, (front.id,))
    if any(by_id[number].counted_as not in (None, *sights) for number in sights):
        return  # it follows from an earlier try
    for number in sights:
        sight = by_id[number]
        if sight.outcome != "completed" and sight.aborted_by == "server" and sight.cause is not None:
            cause = replace(sight.cause, explanation=f"{sight.cause.explanation} {follows}")
            by_id[number] = replace(sight, counted_as=stands_for.id, cause=cause)


def _read_differently(one: Connection, other: Connection) -> tuple[str, ...]:
    """What the two sights of a handshake read differently: somebody in between has written it anew."""
    found: list[str] = []
    if one.tls is not None and other.tls is not None:
        fields: tuple[tuple[str, Callable[[Connection], object]], ...] = (
            ("the server name", lambda item: item.tls and item.tls.sni),
            ("the versions offered", lambda item: item.tls and ", ".join(item.tls.offered_versions)),
            ("the protocols offered (ALPN)", lambda item: item.tls and ", ".join(item.tls.alpn_offered)),
            ("the ClientHello's fingerprint (JA3)", lambda item: item.tls and item.tls.ja3),
            ("the version", lambda item: item.tls and item.tls.version),
            ("the cipher suite", lambda item: item.tls and item.tls.cipher),
        )
        for name, value in fields:
            here, there = value(one), value(other)
            if here and there and here != there:
                found.append(f"{name}: {here} at the client, {there} at the server")
    for name, attribute in (("server", "server_chain"), ("client", "client_chain")):
        chains = getattr(one, attribute), getattr(other, attribute)
        if chains[0] and chains[1] and _digests(chains[0]) != _digests(chains[1]):
            if chains[0][0].sha256 == chains[1][0].sha256:
                sizes = f"{len(chains[0])} certificates at the client, {len(chains[1])} at the server"
                found.append(f"the {name}'s chain: {sizes}")
            else:
                leaves = [f"“{chain[0].subject}” by “{chain[0].issuer}”" for chain in chains]
                found.append(f"the {name}'s certificate: {leaves[0]} at the client, {leaves[1]} at the server")
    return tuple(found)


def _digests(chain: Sequence[object]) -> list[object]:
    return [getattr(info, "sha256", None) for info in chain]


def _tell_interception(by_id: dict[int, Connection], link: _Link) -> None:
    """A client that refused a certificate which the server never sent refused the box's."""
    said = next((text for text in link.differs if text.startswith("the server's c")), None)
    front = by_id[link.one]
    if said is None or front.outcome != "failed" or front.cause is None:
        return
    text = f"a box in between wrote it anew, {said}"
    explanation = f"{front.cause.explanation} The server sent another chain (connection {link.other}): {text}."
    by_id[link.one] = replace(
        front,
        cause=replace(front.cause, explanation=explanation),
        evidence=(*front.evidence, Evidence(packet=None, text=text)),
    )
