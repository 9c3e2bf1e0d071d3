"""What both sides can do, side by side: for handshakes that failed because they could not agree.

`negotiation_of` collects what one connection shows; `compared` adds what the same server chose in other connections of
the capture, says what is missing in common, and weighs the causes anew by it: a server that elsewhere chose what this
client offers too refuses it for another reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from analyzer.diagnosis.engine import Outcome
from analyzer.diagnosis.offer import USUAL_SIGNATURES
from analyzer.registry import (
    CipherSuite,
    ExtensionType,
    alpn_name,
    cipher_suite_name,
    client_certificate_type_name,
    group_name,
    is_grease,
    signature_scheme_name,
    version_name,
)
from analyzer.report.connections import Connections
from analyzer.report.model import Answered, Chosen, Connection, Diagnosis, Evidence, Missing, Negotiation, Offered
from analyzer.tls import connection as wire
from analyzer.tls.messages import ClientHello

__all__ = ["compared", "negotiation_of"]

_VERSION: Final = "protocol-version-mismatch"
_PARAMETERS: Final = "no-shared-cipher"
_PROTOCOL: Final = "alpn-mismatch"
_NAME: Final = "sni-rejected"
_CODES: Final = frozenset({_VERSION, _PARAMETERS, _PROTOCOL, _NAME})
_MAX_CHOSEN: Final = 6
"""Different choices of a server that are listed."""
_SIGNALS: Final = (CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV, CipherSuite.TLS_FALLBACK_SCSV)


def negotiation_of(seen: wire.Connection, outcome: Outcome) -> Negotiation | None:
    """What both sides showed of themselves; None unless the handshake failed for a cause of negotiation."""
    hello = seen.client_hello
    if outcome.outcome != "failed" or outcome.cause is None or outcome.cause[0].code not in _CODES or hello is None:
        return None
    return Negotiation(client=_offered(hello), server=_answered(seen))


def compared(connections: Connections) -> Connections:
    """The connections, those that failed in negotiation set beside what their server chose in the others.

    Of these each kind has but one server.
    """
    kinds = connections.kinds
    if all(kind.negotiation is None for kind in kinds):
        return connections
    chosen = _chosen_by_server(connections)
    return connections.with_kinds(
        [
            kind if kind.negotiation is None else _compared(kind, kind.negotiation, chosen.get(_reached(kind), ()))
            for kind in kinds
        ]
    )


def _offered(hello: ClientHello) -> Offered:
    return Offered(
        versions=tuple(version_name(version) for version in hello.offered_versions),
        older_versions=hello.extension(ExtensionType.SUPPORTED_VERSIONS) is None,
        cipher_suites=tuple(
            cipher_suite_name(suite) for suite in hello.cipher_suites if not is_grease(suite) and suite not in _SIGNALS
        ),
        groups=tuple(group_name(group) for group in hello.supported_groups if not is_grease(group)),
        signature_algorithms=_schemes(hello.signature_algorithms),
        alpn=tuple(name for name in map(alpn_name, hello.alpn) if not name.startswith("GREASE ")),
        sni=hello.server_name,
    )


def _answered(seen: wire.Connection) -> Answered:
    answers = [answer for answer in (seen.hello_retry, seen.server_hello) if answer is not None]
    exchange, request, answer = seen.server_key_exchange, seen.certificate_request, seen.server_hello
    groups = [answer.group for answer in answers]
    schemes: tuple[int, ...] = ()
    if exchange is not None:
        groups.append(exchange.group)
        schemes = () if exchange.signature_scheme is None else (exchange.signature_scheme,)
    return Answered(
        versions=_named(version_name, (answer.version for answer in answers)),
        cipher_suites=_named(cipher_suite_name, (answer.cipher_suite for answer in answers)),
        groups=_named(group_name, groups),
        signature_algorithms=_schemes(schemes),
        alpn=() if answer is None or answer.alpn is None else (alpn_name(answer.alpn),),
        dh_prime_bits=None if exchange is None else exchange.dh_prime_bits,
        requested_signature_algorithms=() if request is None else _schemes(request.signature_algorithms),
        requested_certificate_types=()
        if request is None
        else tuple(client_certificate_type_name(kind) for kind in request.certificate_types),
    )


def _named(name: Callable[[int], str], values: Iterable[int | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name(value) for value in values if value is not None))


def _schemes(values: Sequence[int]) -> tuple[str, ...]:
    return tuple(signature_scheme_name(value) for value in values if not is_grease(value))


def _reached(connection: Connection) -> tuple[str, str | None]:
    """The server that spoke TLS: behind one proxy there are many."""
    return connection.server, connection.prelude.target if connection.prelude is not None else None


def _chosen_by_server(connections: Connections) -> dict[tuple[str, str | None], tuple[Chosen, ...]]:
    """What each server chose, each different choice once, with the first connection that shows it."""
    wanted = {_reached(kind) for kind in connections.kinds if kind.negotiation is not None}
    found: dict[tuple[str, str | None], dict[tuple[str | None, ...], Chosen]] = {}
    for place in connections.firsts_of_servers():
        kind = connections.kind_of(place)
        reached = connections.servers[connections.server[place]], _reached(kind)[1]
        tls = kind.tls
        if reached not in wanted or tls is None or tls.version is None or kind.negotiation is not None:
            continue
        key = (tls.sni, tls.version, tls.cipher, tls.group, tls.alpn)
        found.setdefault(reached, {}).setdefault(
            key,
            Chosen(
                connection=int(connections.id[place]),
                version=tls.version,
                cipher_suite=tls.cipher,
                group=tls.group,
                alpn=tls.alpn,
                sni=tls.sni,
            ),
        )
    return {server: tuple(choices.values()) for server, choices in found.items()}


def _compared(connection: Connection, own: Negotiation, chosen: Sequence[Chosen]) -> Connection:
    cause = connection.cause
    if cause is None:
        return connection
    # Names have servers of their own: what one of them takes says little of another.
    same = tuple(item for item in chosen if item.sni == own.client.sni)
    elsewhere = chosen if cause.code == _NAME else same
    missing = _missing(own, same)
    if cause.code == _NAME and chosen:
        names = dict.fromkeys(item.sni or "no name" for item in chosen if item.sni != own.client.sni)
        asked = own.client.sni or "no name"
        if names:
            text = f"the client asked for {asked}; this server answered {_listed(tuple(names))} in other connections"
            missing = (*missing, Missing(of="sni", text=text))
    result = replace(
        connection, negotiation=replace(own, elsewhere=tuple(elsewhere[:_MAX_CHOSEN]), missing=tuple(missing))
    )
    return _weighed(result, own.client, same) if same else result


def _missing(own: Negotiation, chosen: Sequence[Chosen]) -> tuple[Missing, ...]:
    """What the server was seen to choose, and the client does not offer any of."""
    client, server = own.client, own.server
    found = []
    for of, word, offered, here, there in (
        ("versions", "version", client.versions, server.versions, [item.version for item in chosen]),
        ("cipher_suites", "cipher suite", client.cipher_suites, server.cipher_suites, [i.cipher_suite for i in chosen]),
        ("groups", "group", client.groups, server.groups, [item.group for item in chosen]),
        (
            "signature_algorithms",
            "signature algorithm",
            client.signature_algorithms,
            server.signature_algorithms,
            [],
        ),
        ("alpn", "application protocol", client.alpn, server.alpn, [item.alpn for item in chosen]),
    ):
        values = tuple(dict.fromkeys(value for value in (*here, *there) if value is not None))
        common = (_takes(client, value) if of == "versions" else value in offered for value in values)
        if values and offered and not any(common):
            text = f"no {word} in common with what was seen: the client offers {_listed(offered)}; "
            text += f"the server chose {_listed(values)}{_place(bool(here), chosen)}"
            found.append(Missing(of=of, text=text))
            if of == "versions":
                break  # the rest hangs on the version
    return tuple(found)


def _place(here: bool, chosen: Sequence[Chosen]) -> str:
    if here or not chosen:
        return ""
    numbers = ", ".join(str(item.connection) for item in chosen[:3])
    return f" in connection{'s' if len(chosen) > 1 else ''} {numbers}"


def _weighed(connection: Connection, client: Offered, chosen: Sequence[Chosen]) -> Connection:
    """The causes, with what the server chose for others as evidence."""
    cause = connection.cause
    if cause is None or cause.confidence == "certain" or cause.code not in (_VERSION, _PARAMETERS):
        return connection
    if not any(_takes(client, item.version) for item in chosen):
        return _the_version(connection, cause, chosen)
    agreed = next((item for item in chosen if _fits(client, item)), None)
    others = tuple(other for other in connection.other_causes if other.code != _VERSION)
    if agreed is not None:
        text = f"in connection {agreed.connection} this server chose {_choice(agreed)}, all of which this client "
        text += "offers too"
        if cause.code == _PARAMETERS and not set(_USUAL_SIGNATURES) <= set(client.signature_algorithms):
            text += f": what is left are its few signature algorithms, {_listed(client.signature_algorithms)}"
            return _changed(connection, replace(cause, explanation=_with(cause, text)), text, others)
        text += ": the reason is another one (the kind of the server's key, the client's address, a policy)"
        return _changed(connection, replace(cause, confidence="possible", explanation=_with(cause, text)), text, others)
    if cause.code == _PARAMETERS and not any(item.cipher_suite in client.cipher_suites for item in chosen):
        text = f"in connection {chosen[0].connection} this server chose {_choice(chosen[0])}; this client offers none "
        text += "of the cipher suites that it chose for others"
        return _changed(connection, replace(cause, confidence="likely"), text, others)
    return connection


def _the_version(connection: Connection, cause: Diagnosis, chosen: Sequence[Chosen]) -> Connection:
    """Every version that the server was seen to choose is one that this client does not offer."""
    text = f"in connection {chosen[0].connection} this server chose {_choice(chosen[0])}; it was seen to choose no "
    text += "version that this client offers"
    others = connection.other_causes
    if cause.code != _VERSION:
        other = next((item for item in others if item.code == _VERSION), None)
        if other is None:
            return connection
        others = (replace(cause, confidence="possible"), *(item for item in others if item is not other))
        cause = other
    others = tuple(other for other in others if other.code != "unexplained")
    return _changed(connection, replace(cause, confidence="likely", explanation=_with(cause, text)), text, others)


def _changed(connection: Connection, cause: Diagnosis, text: str, others: tuple[Diagnosis, ...]) -> Connection:
    evidence = (*connection.evidence, Evidence(packet=None, text=text))
    return replace(connection, cause=cause, evidence=evidence, other_causes=others)


def _with(cause: Diagnosis, text: str) -> str:
    return f"{cause.explanation} {text[:1].upper()}{text[1:]}."


def _takes(client: Offered, version: str) -> bool:
    """Without supported_versions a client names its newest version, and may take older ones (RFC 5246 appendix E.1)."""
    if version in client.versions or not client.older_versions:
        return version in client.versions
    newest = max((_VERSIONS.index(name) for name in client.versions if name in _VERSIONS), default=-1)
    return version in _VERSIONS[: newest + 1]


def _fits(client: Offered, item: Chosen) -> bool:
    return (
        _takes(client, item.version)
        and item.cipher_suite in client.cipher_suites
        and (item.group is None or item.group in client.groups)
    )


def _choice(item: Chosen) -> str:
    return ", ".join(value for value in (item.version, item.cipher_suite, item.group) if value)


def _listed(values: Sequence[str]) -> str:
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    return f"{', '.join(values[:_SHOWN])}{more}"


_SHOWN: Final = 4
_USUAL_SIGNATURES: Final = tuple(map(signature_scheme_name, sorted(USUAL_SIGNATURES)))
_VERSIONS: Final = ("SSL 3.0", "TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3")
