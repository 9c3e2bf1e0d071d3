"""Failed connections as findings: one finding is one thing to repair.

Takes the report's connections, gives its findings, the weightiest first. What makes two failures the same depends on
who repairs them:

- a fault of the server's certificate: the certificate at fault, whatever server sends it and whatever name was asked
  for; a root that the client lacks: that root, whatever servers it stands above
- a refusal that nothing explains: the alert, and the issuer at the top of the chain
- a fault of the client's certificate: that certificate (its issuer, where no server trusts it)
- all else, from negotiation down to the network: the host that the client named, or else the server's address. Servers
  that fail alike towards the same clients are one finding: two of which only the address is known, or `ALIKE` of which
  the names are. So are more than `APART` of any kind, because nobody reads the same sentence eleven times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from analyzer.capture.batch import distinct
from analyzer.diagnosis.certificate import SERVER_CERTIFICATE_CODES
from analyzer.report.connections import Column, Connections, address_of
from analyzer.report.history import Past, by_weight, chain_of, name_of, top_issuer
from analyzer.report.model import Connection, Diagnosis, Finding

__all__ = ["findings", "told_by_server"]

ALIKE: Final = 3
"""So many named hosts that fail alike towards the same clients have the client's side in common."""
APART: Final = 10
"""Findings of one kind beyond so many become one."""
NOTED: Final = 50
"""Findings whose history is told. A hostile capture can have as many findings as connections."""
EXAMPLES: Final = 10

_STORE_CODES: Final = frozenset({"missing-root", "root-key-mismatch", "anchor-not-self-signed"})
"""Repaired in the client's trust store, and there once for all servers below that issuer."""
_CHAIN_CODES: Final = frozenset({"missing-intermediate", "wrong-chain-order", "chain-too-long"})
"""Faults of the chain as it was sent, not of one certificate in it."""
_LEAF_CODES: Final = frozenset(
    {"expired-leaf", "self-signed-leaf", "hostname-mismatch", "hostname-only-in-cn", "wrong-key-usage", "revoked"}
)
_CLIENT_LEAF_CODES: Final = frozenset({"client-cert-expired"})
_CLIENT_ISSUER_CODES: Final = frozenset({"client-cert-untrusted", "client-cert-rejected"})
_ALERT_MATTERS: Final = frozenset({"certificate-rejected", "handshake-integrity"})
"""Codes under which different alerts mean different faults."""
_RANK: Final = {"certain": 2, "likely": 1, "possible": 0}

Key = tuple[str, ...]


def findings(connections: Sequence[Connection]) -> tuple[Finding, ...]:
    """Group the failed connections, the largest group first, and say of each how it came about in this capture."""
    everything = Connections.of(connections)
    kinds = everything.kinds
    failed = [kind.outcome == "failed" and kind.cause is not None for kind in kinds]
    if not any(failed):
        return ()
    past = Past(everything)
    groups: dict[Key, list[Column]] = {}
    apart: dict[Key, list[Column]] = {}
    for members in everything.by_kind_and_server(np.flatnonzero(everything.of_kinds(failed))):
        kind = everything.kind_of(int(members[0]))
        host = past.host(int(members[0]))
        key = _certificate_key(kind, host)
        if key is not None:
            groups.setdefault(key, []).append(members)
        else:
            apart.setdefault((*_kind(kind), host), []).append(members)
    alike = [np.concatenate(several) for several in groups.values()]
    gathered = _gathered({key: np.concatenate(several) for key, several in apart.items()}, past, everything)
    found = [_finding(everything, past, past.ordered(members)) for members in (*alike, *gathered)]
    found.sort(key=lambda pair: (-pair[0].count, -_RANK.get(pair[0].cause.confidence, 0), pair[0].first_at))
    return tuple(
        _with_notes(finding, past.notes(members)) if number < NOTED else finding
        for number, (finding, members) in enumerate(found)
    )


def told_by_server(item: Connection) -> bool:
    """Whether findings tell failed connections that are like this one apart by their server."""
    if item.outcome != "failed":
        return False
    if item.negotiation is not None:
        return True  # it is set beside what the same server chose for others
    one, other = (_certificate_key(item, host) for host in ("one", "other"))
    return not name_of(item) and (one is None or one != other)


def _certificate_key(item: Connection, host: str) -> Key | None:
    """What is to be repaired, when it is a certificate or a store; None when it is something else.

    `host` is the name that the client sent, or else the server's address and port.
    """
    code = item.cause.code if item.cause is not None else ""
    if code in SERVER_CERTIFICATE_CODES:
        if code in _STORE_CODES:
            return code, _store_lacks(item, code) or host
        if code in _LEAF_CODES and item.server_chain:
            return code, item.server_chain[0].sha256
        if code not in _CHAIN_CODES:
            blamed = next((p.certificate for v in item.trust for p in v.problems if p.code == code), None)
            if blamed:
                return code, blamed
        return (code, *chain_of(item)) if chain_of(item) else (code, host)
    if code == "certificate-rejected" and item.server_chain:
        return code, _alert(item), top_issuer(item.server_chain)
    if code in _CLIENT_LEAF_CODES and item.client_chain:
        return code, item.client_chain[0].sha256
    if code in _CLIENT_ISSUER_CODES and item.client_chain:
        return code, host, top_issuer(item.client_chain)
    return None


def _store_lacks(item: Connection, code: str) -> str:
    """The name of the issuer at which the path ends; empty when it is not known."""
    ends = next((v.path[-1] for v in item.trust if v.path and any(p.code == code for p in v.problems)), None)
    issuer = next((info.issuer for info in item.server_chain if info.sha256 == ends), None)
    return issuer or top_issuer(item.server_chain)


def _kind(item: Connection) -> Key:
    code = item.cause.code if item.cause is not None else ""
    if item.prelude is not None and item.prelude.refusal is not None:
        return code, item.prelude.refusal.code or ""
    return (code, _alert(item)) if code in _ALERT_MATTERS else (code,)


def _alert(item: Connection) -> str:
    if item.abort_act != "alert":
        return item.abort_act or ""
    return next((alert.description or "" for alert in item.alerts if alert.packet == item.abort_packet), "")


def _gathered(apart: dict[Key, Column], past: Past, everything: Connections) -> list[Column]:
    """Put those together that fail alike towards the same clients.

    A server that also succeeds is ill in another way than one that never answers, so these are kept apart.
    """
    alike: dict[tuple[Key, bytes, bool], list[Column]] = {}
    for key, members in apart.items():
        clients = distinct(everything.client[members]).tobytes()
        # All of them have one host: what is said of the first holds for all.
        alike.setdefault((key[:-1], clients, past.works(int(members[0]))), []).append(members)
    kinds: dict[tuple[Key, bool], list[Column]] = {}
    for (kind, _, works), several in alike.items():
        named = any(name_of(everything.kind_of(int(members[0]))) for members in several)
        together = len(several) >= (ALIKE if named else 2)
        kinds.setdefault((kind, works), []).extend([np.concatenate(several)] if together else several)
    return [
        members
        for several in kinds.values()
        for members in ([np.concatenate(several)] if len(several) > APART else several)
    ]


def _finding(everything: Connections, past: Past, members: Column) -> tuple[Finding, Column]:
    example = _example(everything, members)
    best = everything[example]
    cause = best.cause
    if cause is None:
        raise ValueError("a finding is made of connections that have a cause")
    servers = tuple(everything.servers[number] for number in by_weight(everything.server[members]))
    hosts = past.names_by_weight(members)
    clients = len(distinct(everything.client[members]))
    others = everything.id[members[members != example]].tolist()
    finding = Finding(
        cause=cause,
        count=len(members),
        connections=(best.id, *others),
        servers=servers,
        first_at=everything.started_at(int(members[0])),
        last_at=everything.started_at(int(members[-1])),
        text=_headline(best, cause, servers, len(hosts), clients),
        hosts=hosts,
        clients=clients,
        examples=_examples(everything, best.id, members),
    )
    return finding, members


def _example(everything: Connections, members: Column) -> int:
    """The place of the connection that shows most: of each kind its first is told in full."""
    candidates = members[everything.firsts[everything.kind[members]] == members]
    places: list[int] = (candidates if len(candidates) else members).tolist()
    return max(places, key=lambda place: _telling(everything.kind_of(place)))


def _with_notes(finding: Finding, notes: tuple[str, ...]) -> Finding:
    return replace(finding, notes=notes) if notes else finding


def _telling(item: Connection) -> tuple[int, ...]:
    """How much a connection shows: the surest first, then the one of which most is known."""
    confidence = item.cause.confidence if item.cause is not None else ""
    known = (item.server_chain, item.trust, item.fixes, item.timeline)
    return _RANK.get(confidence, 0), *(int(bool(part)) for part in known)


def _examples(everything: Connections, best: int, members: Column) -> tuple[int, ...]:
    """The best, the first, the last, and the first of each other chain and each other ending."""
    kinds: dict[tuple[object, ...], int] = {}
    _, first = np.unique(everything.kind[members], return_index=True)
    for at in np.sort(first).tolist():
        item = everything.kind_of(int(members[at]))
        kinds.setdefault((chain_of(item), item.aborted_by, _alert(item)), int(everything.id[members[at]]))
    ends = everything.id[members[[0, -1]]].tolist()
    return tuple(dict.fromkeys((best, *ends, *kinds.values())))[:EXAMPLES]


def _headline(example: Connection, cause: Diagnosis, servers: Sequence[str], hosts: int, clients: int) -> str:
    """The example's headline, with the number of clients, of servers and of hosts where there are several."""
    client = address_of(example.client).strip("[]")
    text = cause.headline
    if len(servers) > 1 or hosts > 1:
        text = _of_several(text, example, len(servers), hosts)
    if not text:
        who = f"the client {client}" if clients == 1 else f"{clients} clients"
        title = f"{cause.title[:1].lower()}{cause.title[1:]}".rstrip(".")
        if len(servers) == 1:
            return cause.headline
        addresses = {address_of(server) for server in servers}
        several = f"{len(servers)} servers" if len(addresses) > 1 else f"{len(servers)} ports of {addresses.pop()}"
        return f"{several} failed alike towards {who}: {title}."
    return text if clients == 1 else text.replace(f"The client {client} ", f"{clients} clients ", 1)


def _of_several(text: str, example: Connection, servers: int, hosts: int) -> str:
    """The headline about one server, for several servers or hosts; empty when its words cannot be made to fit."""
    server = example.server
    named = f"the certificate of {example.host} ({server})"
    bare = f"the certificate of {server}"
    if named in text:
        if hosts > 1:
            several = f"{hosts} hosts" if servers > 1 else f"{server} for {hosts} hosts"
            return text.replace(named, f"the certificate{'s' if servers > 1 else ''} of {several}", 1)
        return text.replace(named, f"the certificate of {example.host} ({server} and {servers - 1} more)", 1)
    return text.replace(bare, f"the certificates of {servers} servers", 1) if bare in text and servers > 1 else ""
