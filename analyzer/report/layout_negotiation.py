"""What client and server can do, side by side, where they could not agree."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.report.document import Block, Code, Facts, Heading, Inline, Items, Strong, Text
from analyzer.report.model import Answered, Chosen, Connection, Negotiation
from analyzer.report.words import listed

__all__ = ["section"]

SHOWN = 6
"""Names of a list; its others are counted."""
ELSEWHERE = 3


def section(connection: Connection) -> list[Block]:
    """Lay out both sides' lists, what the server chose elsewhere, and what is missing in common."""
    negotiation = connection.negotiation
    if negotiation is None:
        return []
    rows: list[tuple[str, Text]] = []
    for label, offered, chosen in _lists(negotiation):
        if offered or chosen:
            server: Text = ("; server: ", *chosen) if chosen else ()
            rows.append((label, ("client: ", *_names(offered), *server)))
    name = negotiation.client.sni
    rows.append(("Server name", ("client: ", Code(name)) if name else ("client: none",)))
    requested = negotiation.server.requested_certificate_types or negotiation.server.requested_signature_algorithms
    if requested:
        asked = (
            *negotiation.server.requested_certificate_types,
            *negotiation.server.requested_signature_algorithms,
        )
        rows.append(("Asked of the client", ("a certificate of ", *listed([Code(name) for name in asked], SHOWN))))
    blocks: list[Block] = [Heading(level=2, text=("What both sides can do",)), Facts(rows=tuple(rows))]
    items = [_elsewhere(item) for item in negotiation.elsewhere[:ELSEWHERE]]
    if len(negotiation.elsewhere) > ELSEWHERE:
        items.append((f"… and {len(negotiation.elsewhere) - ELSEWHERE} other choices.",))
    items += [(Strong("Missing"), f": {item.text}.") for item in negotiation.missing]
    if negotiation.server == Answered() and not negotiation.elsewhere:
        items.append(("The server left before it showed what it would have chosen.",))
    if items:
        blocks.append(Items(items=tuple(items)))
    return blocks


def _lists(negotiation: Negotiation) -> list[tuple[str, Sequence[str], Text]]:
    """Each list's name, what the client offers of it, and what the server was seen to choose, and where."""
    client, server, elsewhere = negotiation.client, negotiation.server, negotiation.elsewhere
    versions = client.versions
    if client.older_versions and versions:
        versions = (f"{versions[0]} or older", *versions[1:])
    groups = server.groups
    if server.dh_prime_bits is not None:
        groups = (*groups, f"a prime of {server.dh_prime_bits} bits")
    return [
        ("Versions", versions, _seen(server.versions, [(item.version, item) for item in elsewhere])),
        (
            "Cipher suites",
            client.cipher_suites,
            _seen(server.cipher_suites, [(item.cipher_suite, item) for item in elsewhere]),
        ),
        ("Groups", client.groups, _seen(groups, [(item.group, item) for item in elsewhere])),
        ("Signatures", client.signature_algorithms, _seen(server.signature_algorithms, [])),
        ("ALPN", client.alpn, _seen(server.alpn, [(item.alpn, item) for item in elsewhere])),
    ]


def _seen(here: Sequence[str], elsewhere: Sequence[tuple[str | None, Chosen]]) -> Text:
    pieces: list[Inline] = list(listed([Code(value) for value in here], SHOWN))
    known = set(here)
    for value, item in elsewhere:
        if value is not None and value not in known and len(known) < SHOWN:
            known.add(value)
            pieces += [", "] if pieces else []
            pieces += [Code(value), f" (connection {item.connection})"]
    return tuple(pieces)


def _names(values: Sequence[str]) -> Text:
    return listed([Code(value) for value in values], SHOWN) if values else ("none",)


def _elsewhere(item: Chosen) -> Text:
    pieces: list[Inline] = [f"In connection {item.connection} this server chose {item.version}"]
    for value in (item.cipher_suite, item.group):
        if value is not None:
            pieces += [", ", Code(value)]
    if item.alpn is not None:
        pieces += [", ALPN ", Code(item.alpn)]
    pieces += [" for ", Code(item.sni)] if item.sni else [" for a client that named no server"]
    return (*pieces, ".")
