"""How a failure came about in this capture: since when, for whom else not, by which of several servers.

All of it is read off the connections of the capture, the completed ones included, in the order in which they started.
It says what the capture shows and in which order, and nothing of what lies before or behind it. Completed and failed
connections count; those that cannot be judged do not.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from analyzer.capture.batch import distinct
from analyzer.report.characters import unescaped
from analyzer.report.connections import Column, Connections
from analyzer.report.model import CertificateInfo, Connection

__all__ = ["Past", "by_weight", "chain_of", "name_of", "top_issuer"]

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
    """The judged connections of a capture, in the order of their start. Who asks names connections by their places."""

    def __init__(self, connections: Connections) -> None:
        self._all = connections
        kinds = connections.kinds
        self._names = [name_of(kind) for kind in kinds]
        chains: dict[Chain, int] = {(): 0}
        self._chain = [chains.setdefault(chain_of(kind), len(chains)) for kind in kinds]
        numbers: dict[str | None, int] = {None: 0}
        self._name = np.array([numbers.setdefault(name, len(numbers)) for name in self._names], dtype=np.int64)
        self._by_number = list(numbers)
        self._worked = connections.of_kinds([kind.outcome == "completed" for kind in kinds])
        judged = np.flatnonzero(connections.of_kinds([_is_judged(kind) for kind in kinds]))
        self._judged = judged[np.lexsort((connections.id[judged], connections.started_ns[judged]))]
        self._rank = np.full(len(connections), -1, dtype=np.int64)
        self._rank[self._judged] = np.arange(len(judged))
        working = self._judged[self._worked[self._judged]]
        self._working = {connections.servers[number] for number in distinct(connections.server[working]).tolist()}
        self._working.update(filter(None, (self._names[kind] for kind in distinct(connections.kind[working]))))
        ends = self._judged[[0, -1]].tolist() if len(judged) else []
        self._several_days = len({connections.started_at(place)[:10] for place in ends}) > 1

    def works(self, place: int) -> bool:
        """Whether the host that a connection was for, or else its server, completes handshakes in this capture."""
        return self.host(place) in self._working

    def host(self, place: int) -> str:
        """The name that the client sent, or else the server's address and port."""
        return self._names[self._all.kind[place]] or self._server(place)

    def ordered(self, places: Column) -> Column:
        """Judged connections in the order of their start."""
        return places[np.argsort(self._rank[places], kind="stable")]

    def names_by_weight(self, places: Column) -> tuple[str, ...]:
        """The different names that the clients sent, the most frequent first."""
        numbers = by_weight(self._name[self._all.kind[places]])
        return tuple(name for number in numbers if (name := self._by_number[number]))

    def notes(self, members: Column) -> tuple[str, ...]:
        """Say in a few sentences how these failures, which are one finding, came about; the most telling first.

        `members` are in the order of their start. Nothing is said of a connection that stands alone.
        """
        if len(self._judged) <= 1:
            return ()
        servers = self._servers(members)
        related = self._related(members)
        worked = related[self._worked[related]]
        sentences = self._behind_one_name(members, servers, worked) if not len(worked) else []
        if not sentences:
            sentences = self._course(members, worked) if len(worked) else self._never(members, servers, related)
        return tuple(sentences[:NOTES])

    def _server(self, place: int) -> str:
        name: str = self._all.servers[self._all.server[place]]
        return name

    def _servers(self, places: Column) -> list[str]:
        """The different servers, in the order of their first appearance."""
        return [self._all.servers[number] for number in _different(self._all.server[places])]

    def _clients(self, places: Column) -> list[str]:
        return [self._all.clients[number] for number in _different(self._all.client[places])]

    def _kinds(self, places: Column) -> list[int]:
        return _different(self._all.kind[places])

    def _names_of(self, places: Column) -> list[str | None]:
        return list(dict.fromkeys(self._names[kind] for kind in self._kinds(places)))

    def _hosts(self, places: Column) -> set[str]:
        named = {name for name in self._names_of(places) if name}
        nameless = places[self._all.of_kinds([not name for name in self._names])[places]]
        return named | set(self._servers(nameless))

    def _related(self, members: Column) -> Column:
        """The connections to the same servers, for the same names where the failed ones came as far as a name."""
        width = int(self._name.max()) + 1
        judged, server, name = self._judged, self._all.server, self._name[self._all.kind]
        asked = distinct(server[members] * width + name[members])
        whole = distinct(server[members[name[members] == 0]])
        same = np.isin(server[judged] * width + name[judged], asked) | np.isin(server[judged], whole)
        return judged[same]

    def _behind_one_name(self, members: Column, servers: Sequence[str], worked: Column) -> list[str]:
        """Of several servers behind a name only these fail."""
        names = self._names_of(members)
        name = names[0]
        if len(worked) or len(names) > 1 or not name:
            return []
        asked = self._judged[self._all.of_kinds([each == name for each in self._names])[self._judged]]
        good = asked[self._worked[asked]]
        if not len(good):
            return []
        bad_servers, good_servers = _listed(servers), _listed(self._servers(good))
        difference = self._difference(members, good)
        it_sends = "it sends" if len(servers) == 1 else "they send"
        turned = self._turned(members, good)
        if turned[0][1] == members[0] and len(turned) == 1 and self._no_chance(turned, len(members), len(good)):
            before, since = self._moments(good[-1], members[0])
            text = f"Fails since {since}: until {before} the connections to {name} went to {good_servers} and completed"
            sending = f"; {it_sends} another chain, {difference}" if difference else ""
            return [f"{text}, since then they go to {bad_servers}{sending}."]
        why = f": {it_sends} another chain, {difference}" if difference else ""
        if self._same_chain(members, good):
            why = ", with the same chain"
        fails = "fails" if len(servers) == 1 else "fail"
        completes = "completes" if len(self._servers(good)) == 1 else "complete"
        counted = f"in {len(members):,} of {len(asked):,} connections"
        return [f"Behind {name} only {bad_servers} {fails}, {counted}{why}. {good_servers} {completes}."]

    def _never(self, members: Column, servers: Sequence[str], related: Column) -> list[str]:
        """Nobody succeeds with these servers."""
        sentences = []
        if len(servers) > 1:
            none = "Neither of these servers" if len(servers) == PAIR else f"None of these {len(servers)} servers"
            sentences.append(f"{none} completed a handshake in this capture.")
            cause = self._all.kind_of(int(members[0])).cause
            if cause is not None and cause.code in UNREACHED:
                sentences.append(self._reached_otherwise(members))
        elif 1 < len(related) < len(self._judged):
            this_way = "" if len(related) == len(members) else f", {len(members)} of them this way"
            every = "Both" if len(related) == PAIR else f"All {len(related):,}"
            sentences.append(f"{every} connections to {self._asked(members)} failed{this_way}.")
        if len(servers) == 1:
            sentences += self._for_other_names(members)
        return sentences

    def _reached_otherwise(self, members: Column) -> str:
        clients = distinct(self._all.client[members])
        working = self._judged[self._worked[self._judged]]
        reached = distinct(self._all.server[working[np.isin(self._all.client[working], clients)]])
        who = "The same client" if len(clients) == 1 else "The same clients"
        if not len(reached):
            return f"{who} completed no handshake with any server in this capture."
        return f"{who} completed handshakes with {_count(len(reached), 'other server')} in this capture."

    def _for_other_names(self, members: Column) -> list[str]:
        """The same server completes handshakes, but for those who ask for another name."""
        names = set(self._names_of(members))
        here = self._judged[self._all.server[self._judged] == self._all.server[members[0]]]
        worked = here[self._worked[here]]
        if None in names or not len(worked):
            return []
        others = [name or "" for name in self._names_of(worked)]
        sent = "no SNI" if others == [""] else f"the SNI {_listed(filter(None, others))}"
        if "" in others and others != [""]:
            sent += " or none"
        failing = "none" if names == {""} else _listed(sorted(filter(None, names)))
        completed = f"The same server completed {_count(len(worked), 'handshake')}"
        return [f"{completed}: those clients sent {sent}, the failing ones {failing}."]

    def _course(self, members: Column, worked: Column) -> list[str]:
        """These servers succeed too: before, since, in between, or for others."""
        clients, others = set(self._clients(members)), set(self._clients(worked))
        one_service = len(self._servers(members)) == 1 or len(self._hosts(members)) == 1
        changed = one_service and self._chains_apart(members, worked)
        turned = self._turned(members, worked)
        turns = "".join("s" if self._worked[place] else "f" for place, _ in turned[:1].tolist())
        turns += "".join("s" if self._worked[place] else "f" for _, place in turned[:IN_BETWEEN].tolist())
        ordered = len(turns) <= IN_BETWEEN and (changed or self._no_chance(turned, len(members), len(worked)))
        enough = min(len(clients), len(others)) > 1
        if clients & others or (ordered and changed and enough):
            if ordered:
                return [self._in_turn(members, worked, turns, changed=changed, one_service=one_service)]
            return [self._mixed(members, worked, changed=changed, together=len(turns) <= IN_BETWEEN)]
        sentences = [self._other_clients(members, worked, turns, changed=changed, one_service=one_service)]
        return sentences + self._told_apart(members, worked)

    def _in_turn(
        self,
        members: Column,
        worked: Column,
        turns: str,
        *,
        changed: bool,
        one_service: bool,
    ) -> str:
        servers = len(self._servers(members))
        who = "the server" if servers == 1 else "the servers"
        same = ", with the same chain" if one_service and self._same_chain(members, worked) else ""
        completed = f"{_count(len(worked), 'connection')} completed"
        if turns == "sf":
            before, since = self._moments(worked[-1], members[0])
            if changed:
                difference = self._difference(members[:1], worked[-1:])
                text = f"Fails since {since}, when {who} began to send another chain: {difference}"
                return f"{text}. Before that, {completed}, the last at {before}."
            text = f"Fails since {since}" if len(members) > 1 else f"Failed once, at {since}"
            return f"{text}: before that, {completed}, the last at {before}{same}."
        if turns == "fs":
            until, since = self._moments(members[-1], worked[0])
            text = f"Failed until {until}, works since {since} ({completed}{same})"
            if changed:
                verb = "sends" if servers == 1 else "send"
                text += (
                    f": {who} {verb} another chain now. The failing one: {self._difference(members[-1:], worked[:1])}"
                )
            return f"{text}."
        if turns == "sfs":
            first, last = self._moments(members[0], members[-1])
            when = f"at {first}" if len(members) == 1 else f"from {first} to {last}"
            text = f"Failed {when} only; {completed} before and after{same}"
            if changed:
                text += f". In between, {who} sent another chain: {self._difference(members, worked)}"
            return f"{text}."
        first, last = self._moments(worked[0], worked[-1])
        when = f"at {first}" if len(worked) == 1 else f"from {first} to {last}"
        again = members[self._rank[members] > self._rank[worked[-1]]][0]
        text = f"Fails again since {self._moments(again)[0]}; {completed} {when}{same}"
        if changed:
            text += f", while {who} sent another chain. The failing one: {self._difference(members, worked)}"
        return f"{text}."

    def _mixed(self, members: Column, worked: Column, *, changed: bool, together: bool) -> str:
        servers = len(self._servers(members))
        judged = len(members) + len(worked)
        where = f" to these {servers} servers" if servers > 1 else ""
        when = "at about the same time as" if together else "mixed in time with"
        text = f"Fails in {len(members):,} of {judged:,} connections{where}, {when} those that completed"
        if changed:
            text += f": the failing ones got another chain, {self._difference(members, worked)}."
            if servers > 1:
                return text
            return f"{text} That is what several servers behind one address, as of a load balancer, look like."
        if self._same_chain(members, worked):
            return f"{text}, with the same chain."
        return f"{text}."

    def _other_clients(
        self,
        members: Column,
        worked: Column,
        turns: str,
        *,
        changed: bool,
        one_service: bool,
    ) -> str:
        names = [name.strip("[]") for name in self._clients(worked)]
        who = "Another client" if len(names) == 1 else f"{len(names)} other clients"
        servers = len(self._servers(members))
        what = "the same server" if servers == 1 else "the same servers"
        when = ""
        if turns == "sf":
            when = f", all before the first failure (the last at {self._moments(worked[-1], members[0])[0]})"
        elif turns == "fs":
            when = f", all after the last failure (the first at {self._moments(worked[0], members[-1])[0]})"
        text = f"{who} ({_listed(names)}) completed {_count(len(worked), 'handshake')} with {what}{when}"
        if changed:
            return f"{text}; the failing got another chain: {self._difference(members, worked)}."
        if one_service and self._same_chain(members, worked):
            return f"{text}, and got the same chain: the clients differ, not the server."
        return f"{text}."

    def _turned(self, members: Column, worked: Column) -> Column:
        """[T, 2] the places in time where success turns to failure, or failure to success: the last and the first."""
        marks = self.ordered(np.concatenate([members, worked]))
        worked_at = self._worked[marks]
        turns = np.flatnonzero(worked_at[1:] != worked_at[:-1])
        return np.stack([marks[turns], marks[turns + 1]], axis=1)

    def _no_chance(self, turned: Column, failed: int, worked: int) -> bool:
        """Whether an order in time says anything: by the pauses in which it turned, or by the number of connections.

        Connections that begin together say nothing by which of them began first.
        """
        started = self._all.started_ns
        if ((started[turned[:, 1]] - started[turned[:, 0]]) >= APART * 1_000_000_000).all():
            return True
        number = min(failed + worked, CHANCE)
        orders = math.comb(number, min(failed, worked, number // 2))
        return bool(orders >= CHANCE * number ** (len(turned) - 1))

    def _chains_apart(self, members: Column, worked: Column) -> bool:
        """Whether every failing chain that was seen is another than every one that succeeded."""
        bad, good = self._chains_of(members), self._chains_of(worked)
        return bool(bad and good) and not bad & good

    def _same_chain(self, members: Column, worked: Column) -> bool:
        bad = self._chains_of(members)
        return len(bad) == 1 and bad == self._chains_of(worked)

    def _chains_of(self, places: Column) -> set[int]:
        return {self._chain[kind] for kind in self._kinds(places)} - {0}

    def _moments(self, *places: int) -> tuple[str, ...]:
        """The clock at which connections started, as exact as it takes to tell them apart."""
        for digits in (0, 3, 6):
            shown = [_clock(self._all.started_at(place), date=self._several_days, digits=digits) for place in places]
            if len(set(shown)) == len(shown):
                break
        return tuple(shown)

    def _told_apart(self, members: Column, worked: Column) -> list[str]:
        """What the clients that fail offer and those that succeed do not, or the other way round."""
        kinds = self._all.kinds
        offers = [
            {tls.offered_versions for kind in self._kinds(places) if (tls := kinds[kind].tls)}
            for places in (worked, members)
        ]
        if len(offers[0]) == len(offers[1]) == 1 and offers[0] != offers[1] and all(map(all, offers)):
            good, bad = (", ".join(next(iter(offer))[:LISTED]) for offer in offers)
            return [f"Those that completed offered {good}; those that failed {bad}."]
        return []

    def _difference(self, members: Column, worked: Column) -> str:
        """In what the failing chain differs from the one that succeeds; empty when they do not or were not seen."""
        shown = [
            next((self._all.kinds[kind].server_chain for kind in self._kinds(places) if self._chain[kind]), ())
            for places in (members, worked)
        ]
        return _difference(*shown)

    def _asked(self, members: Column) -> str:
        """The one server of a finding, with the name that it was asked for."""
        names, server = self._names_of(members), self._server(int(members[0]))
        return f"{names[0]} ({server})" if len(names) == 1 and names[0] else server


def by_weight(values: Column) -> list[int]:
    """The different values, the most frequent first, else in the order of their first appearance."""
    found, first, counts = np.unique(values, return_index=True, return_counts=True)
    ordered: list[int] = found[np.lexsort((first, -counts))].tolist()
    return ordered


def _different(values: Column) -> list[int]:
    """The different values, in the order of their first appearance."""
    found, first = np.unique(values, return_index=True)
    different: list[int] = found[np.argsort(first)].tolist()
    return different


def name_of(item: Connection) -> str | None:
    """The server name that the client sent, in lower case; empty when it sent none, None without a ClientHello.

    Through a tunnel the target is what the client meant, whoever the server of the connection is.
    """
    if item.prelude is not None and item.prelude.target:
        return item.prelude.target.rpartition(":")[0].strip("[]").lower().rstrip(".")
    return None if item.tls is None else (item.tls.sni or "").lower().rstrip(".")


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


def _difference(bad: Sequence[CertificateInfo], good: Sequence[CertificateInfo]) -> str:
    """In what a chain differs from another; empty when it does not, or one of them is not known."""
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
