"""How a failure came about in this capture: since when, for whom else not, by which of several servers.

All of it is read off the connections of the capture, the completed ones included, in the order in which they started.
It says what the capture shows and in which order, and nothing of what lies before or behind it. Completed and failed
connections count; those that cannot be judged do not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Final

from analyzer.report.characters import unescaped
from analyzer.report.model import CertificateInfo, Connection

__all__ = ["Past", "chain_of", "host_of", "name_of", "started", "top_issuer"]

NOTES: Final = 3
LISTED: Final = 3
PAIR: Final = 2
IN_BETWEEN: Final = 3
"""Turns of success and failure of what failed only in between, or worked only in between."""
LONGEST: Final = 200
"""Characters of the longest name that a sentence quotes."""
APART: Final = 1.0
"""Seconds: connections that begin closer to each other than this begin together."""
CHANCE: Final = 1000
"""One success and failure more often apart in time than in one of so many shuffles are not so by chance."""
UNREACHED: Final = frozenset({"connect-timeout", "connection-refused", "server-silent", "path-mtu-blackhole"})
"""Causes of which it matters what else the client could reach."""

_SEEN: Final = frozenset({"captured", "decrypted"})
_COMMON_NAME: Final = re.compile(r"(?:^|,)CN=((?:\\.|[^,\\])*)", re.DOTALL)

Chain = tuple[str, ...]


class Past:
    """The judged connections of a capture by server, by name and by client, each in the order of their start."""

    def __init__(self, connections: Iterable[Connection]) -> None:
        judged = sorted(filter(_is_judged, connections), key=started)
        self._total = len(judged)
        self._place = {item.id: place for place, item in enumerate(judged)}
        self._names: dict[int, str | None] = {}
        self._chains: dict[int, Chain] = {}
        chains: dict[Chain, Chain] = {}
        self._by_server: dict[str, list[Connection]] = {}
        self._by_name: dict[str, list[Connection]] = {}
        self._working: set[str] = set()
        self._reached: dict[str, dict[str, None]] = {}
        for item in judged:
            self._by_server.setdefault(item.server, []).append(item)
            name = self._names[item.id] = name_of(item)
            chain = chain_of(item)
            self._chains[item.id] = chains.setdefault(chain, chain)
            if name:
                self._by_name.setdefault(name, []).append(item)
            if item.outcome == "completed":
                self._working.update((item.server, name or item.server))
                self._reached.setdefault(_address(item.client), {})[item.server] = None
        days = {item.started_at[:10] for item in (judged[:1] + judged[-1:])}
        self._several_days = len(days) > 1

    def works(self, item: Connection) -> bool:
        """Whether the host that a connection was for, or else its server, completes handshakes in this capture."""
        return host_of(item) in self._working

    def ordered(self, items: Iterable[Connection]) -> list[Connection]:
        """Judged connections in the order of their start."""
        return sorted(items, key=self._started)

    def notes(self, members: Sequence[Connection]) -> tuple[str, ...]:
        """Say in a few sentences how these failures, which are one finding, came about; the most telling first.

        `members` are in the order of their start. Nothing is said of a connection that stands alone.
        """
        if self._total <= 1:
            return ()
        servers = list(dict.fromkeys(item.server for item in members))
        related = self._related(members, servers)
        worked = [item for item in related if item.outcome == "completed"]
        sentences = self._behind_one_name(members, servers, worked) if not worked else []
        if not sentences:
            sentences = self._course(members, worked) if worked else self._never(members, servers, related)
        return tuple(sentences[:NOTES])

    def _related(self, members: Sequence[Connection], servers: Sequence[str]) -> list[Connection]:
        """The connections to the same servers, for the same names where the failed ones came as far as a name."""
        asked: dict[str, set[str | None]] = {}
        for item in members:
            asked.setdefault(item.server, set()).add(self._names[item.id])
        related = [
            item
            for server in servers
            for item in self._by_server[server]
            if None in asked[server] or self._names[item.id] in asked[server]
        ]
        return related if len(servers) == 1 else self.ordered(related)

    def _started(self, item: Connection) -> int:
        return self._place[item.id]

    def _behind_one_name(
        self, members: Sequence[Connection], servers: Sequence[str], worked: Sequence[Connection]
    ) -> list[str]:
        """Of several servers behind a name only these fail."""
        names = {name_of(item) for item in members}
        name = next(iter(names))
        if worked or len(names) > 1 or not name:
            return []
        asked = self._by_name[name]
        good = [item for item in asked if item.outcome == "completed"]
        if not good:
            return []
        bad_servers, good_servers = _listed(servers), _listed(dict.fromkeys(item.server for item in good))
        difference = _difference(members, good)
        it_sends = "it sends" if len(servers) == 1 else "they send"
        turned = self._turned(members, good)
        if turned[0][1] is members[0] and len(turned) == 1 and _no_chance(turned, len(members), len(good)):
            before, since = self._moments(good[-1], members[0])
            text = f"Fails since {since}: until {before} the connections to {name} went to {good_servers} and completed"
            sending = f"; {it_sends} another chain, {difference}" if difference else ""
            return [f"{text}, since then they go to {bad_servers}{sending}."]
        why = f": {it_sends} another chain, {difference}" if difference else ""
        if self._same_chain(members, good):
            why = ", with the same chain"
        fails = "fails" if len(servers) == 1 else "fail"
        completes = "completes" if len({item.server for item in good}) == 1 else "complete"
        counted = f"in {len(members):,} of {len(asked):,} connections"
        return [f"Behind {name} only {bad_servers} {fails}, {counted}{why}. {good_servers} {completes}."]

    def _never(self, members: Sequence[Connection], servers: Sequence[str], related: Sequence[Connection]) -> list[str]:
        """Nobody succeeds with these servers."""
        sentences = []
        if len(servers) > 1:
            none = "Neither of these servers" if len(servers) == PAIR else f"None of these {len(servers)} servers"
            sentences.append(f"{none} completed a handshake in this capture.")
            code = members[0].cause.code if members[0].cause is not None else ""
            if code in UNREACHED:
                sentences.append(self._reached_otherwise({_address(item.client) for item in members}))
        elif 1 < len(related) < self._total:
            this_way = "" if len(related) == len(members) else f", {len(members)} of them this way"
            every = "Both" if len(related) == PAIR else f"All {len(related):,}"
            sentences.append(f"{every} connections to {_asked(members)} failed{this_way}.")
        if len(servers) == 1:
            sentences += self._for_other_names(members, servers[0])
        return sentences

    def _reached_otherwise(self, clients: set[str]) -> str:
        reached = list(dict.fromkeys(server for client in clients for server in self._reached.get(client, ())))
        who = "The same client" if len(clients) == 1 else "The same clients"
        if not reached:
            return f"{who} completed no handshake with any server in this capture."
        return f"{who} completed handshakes with {_count(len(reached), 'other server')} in this capture."

    def _for_other_names(self, members: Sequence[Connection], server: str) -> list[str]:
        """The same server completes handshakes, but for those who ask for another name."""
        names = {name_of(item) for item in members}
        worked = [item for item in self._by_server[server] if item.outcome == "completed"]
        if None in names or not worked:
            return []
        others = list(dict.fromkeys(name_of(item) or "" for item in worked))
        sent = "no SNI" if others == [""] else f"the SNI {_listed(filter(None, others))}"
        if "" in others and others != [""]:
            sent += " or none"
        failing = "none" if names == {""} else _listed(sorted(filter(None, names)))
        completed = f"The same server completed {_count(len(worked), 'handshake')}"
        return [f"{completed}: those clients sent {sent}, the failing ones {failing}."]

    def _course(self, members: Sequence[Connection], worked: Sequence[Connection]) -> list[str]:
        """These servers succeed too: before, since, in between, or for others."""
        clients = {_address(item.client) for item in members}
        others = {_address(item.client) for item in worked}
        one_service = len({item.server for item in members}) == 1 or len({host_of(item) for item in members}) == 1
        changed = one_service and self._chains_apart(members, worked)
        turned = self._turned(members, worked)
        turns = "".join("f" if item.outcome == "failed" else "s" for item, _ in turned[:1])
        turns += "".join("f" if item.outcome == "failed" else "s" for _, item in turned[:IN_BETWEEN])
        ordered = len(turns) <= IN_BETWEEN and (changed or _no_chance(turned, len(members), len(worked)))
        enough = min(len(clients), len(others)) > 1
        if clients & others or (ordered and changed and enough):
            if ordered:
                return [self._in_turn(members, worked, turns, changed=changed, one_service=one_service)]
            return [self._mixed(members, worked, changed=changed, together=len(turns) <= IN_BETWEEN)]
        sentences = [self._other_clients(members, worked, others, turns, changed=changed, one_service=one_service)]
        return sentences + _told_apart(members, worked)

    def _in_turn(
        self,
        members: Sequence[Connection],
        worked: Sequence[Connection],
        turns: str,
        *,
        changed: bool,
        one_service: bool,
    ) -> str:
        servers = len({item.server for item in members})
        who = "the server" if servers == 1 else "the servers"
        same = ", with the same chain" if one_service and self._same_chain(members, worked) else ""
        completed = f"{_count(len(worked), 'connection')} completed"
        if turns == "sf":
            before, since = self._moments(worked[-1], members[0])
            if changed:
                difference = _difference(members[:1], worked[-1:])
                text = f"Fails since {since}, when {who} began to send another chain: {difference}"
                return f"{text}. Before that, {completed}, the last at {before}."
            text = f"Fails since {since}" if len(members) > 1 else f"Failed once, at {since}"
            return f"{text}: before that, {completed}, the last at {before}{same}."
        if turns == "fs":
            until, since = self._moments(members[-1], worked[0])
            text = f"Failed until {until}, works since {since} ({completed}{same})"
            if changed:
                verb = "sends" if servers == 1 else "send"
                text += f": {who} {verb} another chain now. The failing one: {_difference(members[-1:], worked[:1])}"
            return f"{text}."
        if turns == "sfs":
            first, last = self._moments(members[0], members[-1])
            when = f"at {first}" if len(members) == 1 else f"from {first} to {last}"
            text = f"Failed {when} only; {completed} before and after{same}"
            if changed:
                text += f". In between, {who} sent another chain: {_difference(members, worked)}"
            return f"{text}."
        first, last = self._moments(worked[0], worked[-1])
        when = f"at {first}" if len(worked) == 1 else f"from {first} to {last}"
        again = next(item for item in members if self._place[item.id] > self._place[worked[-1].id])
        text = f"Fails again since {self._moments(again)[0]}; {completed} {when}{same}"
        if changed:
            text += f", while {who} sent another chain. The failing one: {_difference(members, worked)}"
        return f"{text}."

    def _mixed(
        self, members: Sequence[Connection], worked: Sequence[Connection], *, changed: bool, together: bool
    ) -> str:
        servers = len({item.server for item in members})
        judged = len(members) + len(worked)
        where = f" to these {servers} servers" if servers > 1 else ""
        when = "at about the same time as" if together else "mixed in time with"
        text = f"Fails in {len(members):,} of {judged:,} connections{where}, {when} those that completed"
        if changed:
            text += f": the failing ones got another chain, {_difference(members, worked)}."
            if servers > 1:
                return text
            return f"{text} That is what several servers behind one address, as of a load balancer, look like."
        if self._same_chain(members, worked):
            return f"{text}, with the same chain."
        return f"{text}."

    def _other_clients(
        self,
        members: Sequence[Connection],
        worked: Sequence[Connection],
        others: set[str],
        turns: str,
        *,
        changed: bool,
        one_service: bool,
    ) -> str:
        names = list(dict.fromkeys(_address(item.client).strip("[]") for item in worked))
        who = "Another client" if len(others) == 1 else f"{len(others)} other clients"
        servers = len({item.server for item in members})
        what = "the same server" if servers == 1 else "the same servers"
        when = ""
        if turns == "sf":
            when = f", all before the first failure (the last at {self._moments(worked[-1], members[0])[0]})"
        elif turns == "fs":
            when = f", all after the last failure (the first at {self._moments(worked[0], members[-1])[0]})"
        text = f"{who} ({_listed(names)}) completed {_count(len(worked), 'handshake')} with {what}{when}"
        if changed:
            return f"{text}; the failing got another chain: {_difference(members, worked)}."
        if one_service and self._same_chain(members, worked):
            return f"{text}, and got the same chain: the clients differ, not the server."
        return f"{text}."

    def _turned(
        self, members: Sequence[Connection], worked: Sequence[Connection]
    ) -> list[tuple[Connection, Connection]]:
        """The places in time where success turns to failure, or failure to success: the last and the first."""
        marks = self.ordered((*members, *worked))
        return [(one, other) for one, other in pairwise(marks) if one.outcome != other.outcome]

    def _chains_apart(self, members: Iterable[Connection], worked: Iterable[Connection]) -> bool:
        """Whether every failing chain that was seen is another than every one that succeeded."""
        bad, good = self._chains_of(members), self._chains_of(worked)
        return bool(bad and good) and not bad & good

    def _same_chain(self, members: Iterable[Connection], worked: Iterable[Connection]) -> bool:
        bad = self._chains_of(members)
        return len(bad) == 1 and bad == self._chains_of(worked)

    def _chains_of(self, items: Iterable[Connection]) -> set[Chain]:
        return {self._chains[item.id] for item in items} - {()}

    def _moments(self, *items: Connection) -> tuple[str, ...]:
        """The clock at which connections started, as exact as it takes to tell them apart."""
        for digits in (0, 3, 6):
            shown = [_clock(item.started_at, date=self._several_days, digits=digits) for item in items]
            if len(set(shown)) == len(shown):
                break
        return tuple(shown)


def started(item: Connection) -> tuple[str, int]:
    """What sorts connections by their start; those of the same moment by number."""
    return item.started_at.removesuffix("Z"), item.id


def name_of(item: Connection) -> str | None:
    """The server name that the client sent, in lower case; empty when it sent none, None without a ClientHello.

    Through a tunnel the target is what the client meant, whoever the server of the connection is.
    """
    if item.prelude is not None and item.prelude.target:
        return item.prelude.target.rpartition(":")[0].strip("[]").lower().rstrip(".")
    return None if item.tls is None else (item.tls.sni or "").lower().rstrip(".")


def host_of(item: Connection) -> str:
    """The name that the client sent, or else the server's address and port."""
    return name_of(item) or item.server


def chain_of(item: Connection) -> Chain:
    """Digests of the chain that the server sent in this connection, as far as it was seen."""
    return tuple([info.sha256 for info in item.server_chain]) if item.chain_source in _SEEN else ()


def top_issuer(chain: Sequence[CertificateInfo]) -> str:
    """The issuer at which a chain ends that begins with its leaf, in whatever order the rest was sent."""
    if not chain:
        return ""
    by_subject = {info.subject: info.issuer for info in reversed(chain)}
    issuer = chain[0].issuer
    for _ in chain:
        above = by_subject.get(issuer, issuer)
        if above == issuer:
            break
        issuer = above
    return issuer


def _is_judged(item: Connection) -> bool:
    """Whether a connection failed or worked.

    One that was closed behind its handshake, before any data, did neither: some clients look at the certificate only
    then, and they do so again when they resume a session that they have refused.
    """
    return item.outcome == "failed" or (item.outcome == "completed" and item.stage == "data")


def _no_chance(turned: Sequence[tuple[Connection, Connection]], failed: int, worked: int) -> bool:
    """Whether an order in time says anything: by the pauses in which it turned, or by the number of connections.

    Connections that begin together say nothing by which of them began first.
    """
    if all(_seconds_between(*pair) >= APART for pair in turned):
        return True
    number = min(failed + worked, CHANCE)
    orders = math.comb(number, min(failed, worked, number // 2))
    return bool(orders >= CHANCE * number ** (len(turned) - 1))


def _seconds_between(one: Connection, other: Connection) -> float:
    try:
        span = datetime.fromisoformat(other.started_at) - datetime.fromisoformat(one.started_at)
    except ValueError:
        return 0.0
    return span.total_seconds()


def _told_apart(members: Sequence[Connection], worked: Sequence[Connection]) -> list[str]:
    """What the clients that fail offer and those that succeed do not, or the other way round."""
    offers = [{item.tls.offered_versions for item in items if item.tls} for items in (worked, members)]
    if len(offers[0]) == len(offers[1]) == 1 and offers[0] != offers[1] and all(map(all, offers)):
        good, bad = (", ".join(next(iter(offer))[:LISTED]) for offer in offers)
        return [f"Those that completed offered {good}; those that failed {bad}."]
    return []


def _difference(members: Sequence[Connection], worked: Sequence[Connection]) -> str:
    """In what the failing chain differs from the one that succeeds; empty when they do not or were not seen."""
    bad = next((item.server_chain for item in members if chain_of(item)), ())
    good = next((item.server_chain for item in worked if chain_of(item)), ())
    if not bad or not good or bad == good:
        return ""
    if bad[0].sha256 != good[0].sha256:
        return _other_leaf(bad, good)
    mine, yours = {info.sha256 for info in bad}, {info.sha256 for info in good}
    added = [_quoted(info.subject) for info in bad if info.sha256 not in yours]
    left_out = [_quoted(info.subject) for info in good if info.sha256 not in mine]
    if added and left_out:
        return f"the same leaf, with {_listed(added)} in place of {_listed(left_out)}"
    if left_out:
        return f"the same leaf, without {_listed(left_out)}"
    return f"the same leaf, with {_listed(added)} added" if added else "the same certificates in another order"


def _other_leaf(bad: Sequence[CertificateInfo], good: Sequence[CertificateInfo]) -> str:
    mine, yours = bad[0], good[0]
    parts = []
    if mine.subject != yours.subject:
        parts.append(f"for {_quoted(mine.subject)} instead of {_quoted(yours.subject)}")
    if mine.issuer != yours.issuer:
        parts.append(f"issued by {_quoted(mine.issuer)} instead of {_quoted(yours.issuer)}")
    if mine.not_after[:10] != yours.not_after[:10]:
        parts.append(f"valid until {mine.not_after[:10]} instead of {yours.not_after[:10]}")
    elif mine.not_before[:10] != yours.not_before[:10]:
        parts.append(f"valid from {mine.not_before[:10]} instead of {yours.not_before[:10]}")
    if mine.names != yours.names and mine.subject == yours.subject:
        parts.append("with other names")
    if len(bad) == 1 < len(good):
        parts.append("with no intermediate certificate")
    return f"another leaf, {', '.join(parts)}" if parts else f"another leaf (SHA-256 {mine.sha256[:16]}…)"


def _asked(members: Sequence[Connection]) -> str:
    """The one server of a finding, with the name that it was asked for."""
    names = {name_of(item) for item in members}
    server = members[0].server
    name = next(iter(names))
    return f"{name} ({server})" if len(names) == 1 and name else server


def _quoted(name: str) -> str:
    """The common name of an RFC 4514 name, or all of it when it has none.

    One that nobody could read is not cut but left out: a part of it could not be redacted any more.
    """
    match = _COMMON_NAME.search(name)
    text = (unescaped(match[1]) if match else name) or "an empty name"
    return f"“{text}”" if len(text) <= LONGEST else f"a name of {len(text):,} characters"


def _listed(values: Iterable[str]) -> str:
    several = list(values)
    if len(several) > LISTED:
        return f"{', '.join(several[:LISTED])} and {len(several) - LISTED} more"
    return " and ".join([", ".join(several[:-1]), several[-1]]) if len(several) > 1 else "".join(several)


def _count(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def _clock(time: str, *, date: bool, digits: int = 0) -> str:
    """`10:42:07 UTC` of an RFC 3339 time, with so many digits of the second's fraction."""
    day, _, clock = time.removesuffix("Z").partition("T")
    whole, _, fraction = clock.partition(".")
    shown = f"{whole}.{fraction[:digits]:0<{digits}}" if digits else whole
    return f"{day} {shown} UTC" if date else f"{shown} UTC"


def _address(endpoint: str) -> str:
    return endpoint.rpartition(":")[0] or endpoint
