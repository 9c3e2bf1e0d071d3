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

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from analyzer.diagnosis.certificate import SERVER_CERTIFICATE_CODES
from analyzer.report.history import Past, chain_of, host_of, name_of, top_issuer
from analyzer.report.model import Connection, Diagnosis, Finding

__all__ = ["findings"]

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
    failed = [item for item in connections if item.outcome == "failed" and item.cause is not None]
    if not failed:
        return ()
    past = Past(connections)
    groups: dict[Key, list[Connection]] = {}
    apart: dict[Key, list[Connection]] = {}
    for item in failed:
        key = _certificate_key(item)
        if key is not None:
            groups.setdefault(key, []).append(item)
        else:
            apart.setdefault((*_kind(item), host_of(item)), []).append(item)
    found = [_finding(past.ordered(members)) for members in (*groups.values(), *_gathered(apart, past))]
    found.sort(key=lambda pair: (-pair[0].count, -_RANK.get(pair[0].cause.confidence, 0), pair[0].first_at))
    return tuple(
        _with_notes(finding, past.notes(members)) if number < NOTED else finding
        for number, (finding, members) in enumerate(found)
    )


def _certificate_key(item: Connection) -> Key | None:
    """What is to be repaired, when it is a certificate or a store; None when it is something else."""
    code = item.cause.code if item.cause is not None else ""
    if code in SERVER_CERTIFICATE_CODES:
        if code in _STORE_CODES:
            return code, _store_lacks(item, code)
        if code in _LEAF_CODES and item.server_chain:
            return code, item.server_chain[0].sha256
        if code not in _CHAIN_CODES:
            blamed = next((p.certificate for v in item.trust for p in v.problems if p.code == code), None)
            if blamed:
                return code, blamed
        return (code, *chain_of(item)) if chain_of(item) else (code, host_of(item))
    if code == "certificate-rejected" and item.server_chain:
        return code, _alert(item), top_issuer(item.server_chain)
    if code in _CLIENT_LEAF_CODES and item.client_chain:
        return code, item.client_chain[0].sha256
    if code in _CLIENT_ISSUER_CODES and item.client_chain:
        return code, host_of(item), top_issuer(item.client_chain)
    return None


def _store_lacks(item: Connection, code: str) -> str:
    """The name of the issuer at which the path ends."""
    ends = next((v.path[-1] for v in item.trust if v.path and any(p.code == code for p in v.problems)), None)
    issuer = next((info.issuer for info in item.server_chain if info.sha256 == ends), None)
    return issuer or top_issuer(item.server_chain) or host_of(item)


def _kind(item: Connection) -> Key:
    code = item.cause.code if item.cause is not None else ""
    if item.prelude is not None and item.prelude.refusal is not None:
        return code, item.prelude.refusal.code or ""
    return (code, _alert(item)) if code in _ALERT_MATTERS else (code,)


def _alert(item: Connection) -> str:
    if item.abort_act != "alert":
        return item.abort_act or ""
    return next((alert.description or "" for alert in item.alerts if alert.packet == item.abort_packet), "")


def _gathered(apart: dict[Key, list[Connection]], past: Past) -> list[list[Connection]]:
    """Put those together that fail alike towards the same clients.

    A server that also succeeds is ill in another way than one that never answers, so these are kept apart.
    """
    alike: dict[tuple[Key, frozenset[str], bool], list[list[Connection]]] = {}
    for key, members in apart.items():
        clients = frozenset(_address(item.client) for item in members)
        works = any(past.works(item) for item in members)
        alike.setdefault((key[:-1], clients, works), []).append(members)
    kinds: dict[tuple[Key, bool], list[list[Connection]]] = {}
    for (kind, _, works), several in alike.items():
        named = any(name_of(members[0]) for members in several)
        together = len(several) >= (ALIKE if named else 2)
        kinds.setdefault((kind, works), []).extend([_joined(several)] if together else several)
    return [
        members for several in kinds.values() for members in ([_joined(several)] if len(several) > APART else several)
    ]


def _joined(several: Iterable[list[Connection]]) -> list[Connection]:
    return [item for members in several for item in members]


def _finding(members: list[Connection]) -> tuple[Finding, list[Connection]]:
    example = max(members, key=_telling)
    cause = example.cause
    if cause is None:
        raise ValueError("a finding is made of connections that have a cause")
    servers = _by_weight(members, lambda item: item.server)
    hosts = _by_weight((item for item in members if name_of(item)), lambda item: name_of(item) or "")
    clients = {_address(item.client) for item in members}
    finding = Finding(
        cause=cause,
        count=len(members),
        connections=(example.id, *(item.id for item in members if item is not example)),
        servers=servers,
        first_at=members[0].started_at,
        last_at=members[-1].started_at,
        text=_headline(example, cause, servers, len(hosts), len(clients)),
        hosts=hosts,
        clients=len(clients),
        examples=_examples(example, members),
    )
    return finding, members


def _with_notes(finding: Finding, notes: tuple[str, ...]) -> Finding:
    return replace(finding, notes=notes) if notes else finding


def _telling(item: Connection) -> tuple[int, ...]:
    """How much a connection shows: the surest first, then the one of which most is known."""
    confidence = item.cause.confidence if item.cause is not None else ""
    known = (item.server_chain, item.trust, item.fixes, item.timeline)
    return _RANK.get(confidence, 0), *(int(bool(part)) for part in known)


def _examples(best: Connection, members: Sequence[Connection]) -> tuple[int, ...]:
    """The best, the first, the last, and the first of each other chain and each other ending."""
    kinds: dict[tuple[object, ...], int] = {}
    for item in members:
        kinds.setdefault((chain_of(item), item.aborted_by, _alert(item)), item.id)
    return tuple(dict.fromkeys((best.id, members[0].id, members[-1].id, *kinds.values())))[:EXAMPLES]


def _by_weight(members: Iterable[Connection], value: Callable[[Connection], str]) -> tuple[str, ...]:
    """The different values, the most frequent first, else in the order of their first appearance."""
    counts: dict[str, int] = {}
    for item in members:
        counts[value(item)] = counts.get(value(item), 0) + 1
    return tuple(sorted(counts, key=lambda name: -counts[name]))


def _headline(example: Connection, cause: Diagnosis, servers: Sequence[str], hosts: int, clients: int) -> str:
    """The example's headline, with the number of clients, of servers and of hosts where there are several."""
    client = _address(example.client).strip("[]")
    text = cause.headline
    if len(servers) > 1 or hosts > 1:
        text = _of_several(text, example, len(servers), hosts)
    if not text:
        who = f"the client {client}" if clients == 1 else f"{clients} clients"
        title = f"{cause.title[:1].lower()}{cause.title[1:]}".rstrip(".")
        if len(servers) == 1:
            return cause.headline
        addresses = {_address(server) for server in servers}
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


def _address(endpoint: str) -> str:
    return endpoint.rpartition(":")[0] or endpoint
