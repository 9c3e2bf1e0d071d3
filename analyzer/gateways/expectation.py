"""What a product's configuration lets expect of a connection: its target, and what the wire shows against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.gateways.configuration import Endpoint, Target

__all__ = ["Note", "Seen", "Wanted", "notes_on", "target_of"]

_OF_NAMES: Final = frozenset({"hostname-mismatch", "hostname-only-in-cn", "sni-rejected", "protocol-version-mismatch",
                              "no-shared-cipher", "server-closed", "server-reset"})  # fmt: skip
"""Causes that may come from the server name that was sent, or was not: another virtual host answers."""
_OF_CLIENT_CERTIFICATES: Final = frozenset({"client-cert-missing", "client-cert-untrusted", "client-cert-rejected"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the wire shows of a connection: where it went, and what its ClientHello and the server's flight hold.

    `hello` is false where no ClientHello was seen; `certificate_requested` and `certificate_sent` are of mutual TLS.
    """

    server: str
    port: int
    hello: bool = False
    server_name: str | None = None
    certificate_requested: bool = False
    certificate_sent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The target of a connection, and by what it was found."""

    target: Target
    matched: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A remark on a connection. It belongs to the explanation of the causes in `codes`."""

    text: str
    codes: frozenset[str] = frozenset()


def target_of(targets: Sequence[Target], seen: Seen) -> Wanted | None:
    """The target that a connection goes to: by its server name, its address and port, its port, or as the only one.

    A connection that sends another name is none of a target's, unless it goes to its very address.
    """
    by_address = [t for t in targets if any(e.host == seen.server and e.port in (None, seen.port) for e in t.endpoints)]
    fitting = [t for t in targets if not t.endpoints or any(_port_fits(e, seen.port) for e in t.endpoints)]
    if seen.server_name is not None:
        name = _folded(seen.server_name)
        by_name = [t for t in by_address or fitting if name in _names(t)]
        if by_name:
            return Wanted(target=by_name[0], matched="the server name (SNI)")
        if not by_address:
            fitting = [t for t in fitting if not _names(t)]
    if by_address:
        return Wanted(target=by_address[0], matched="the address and port")
    if len(fitting) == 1 or (fitting and len({_sense(t) for t in fitting}) == 1):
        one = len(targets) == 1
        return Wanted(target=fitting[0], matched="it is the only target" if one else "the port")
    return None


def notes_on(target: Target, seen: Seen) -> tuple[Note, ...]:
    """What the configuration says of a connection, and where the wire shows another thing."""
    return (*_on_server_name(target, seen), *_on_verification(target), *_on_client_certificate(target, seen),
            *(Note(text=text, codes=_codes_of(text)) for text in target.notes))  # fmt: skip


def _on_server_name(target: Target, seen: Seen) -> tuple[Note, ...]:
    if not seen.hello or target.sends_server_name is None:
        return ()
    wanted, sent = target.server_name, seen.server_name
    elsewhere = "the configuration that runs is another one, or something between rewrites it"
    if target.sends_server_name and sent is None and wanted is not None:
        text = f"the server name {wanted} is configured to be sent (SNI), and the ClientHello carries none: {elsewhere}"
    elif not target.sends_server_name and sent is not None:
        text = f"by the configuration no server name is sent, and the ClientHello carries {sent}: {elsewhere}"
    elif wanted is not None and sent is not None and _folded(wanted) != _folded(sent):
        text = f"the server name {wanted} is configured, and the ClientHello carries {sent}: {elsewhere}"
    elif not target.sends_server_name:
        text = "as configured, the ClientHello carries no server name: a server with several certificates has to guess"
    else:
        return ()
    return (Note(text=text, codes=_OF_NAMES),)


def _on_verification(target: Target) -> tuple[Note, ...]:
    notes = []
    if target.verifies_chain is False:
        text = "by its configuration the gateway does not verify the chain: it would not have refused for trust"
        notes.append(Note(text=text))
    if target.verifies_name is False and target.verifies_chain:
        notes.append(Note(text="by its configuration the gateway checks no name in the certificate"))
    return tuple(notes)


def _on_client_certificate(target: Target, seen: Seen) -> tuple[Note, ...]:
    if not seen.certificate_requested or target.client_certificate is None:
        return ()
    if target.client_certificate and not seen.certificate_sent:
        text = "a client certificate is configured, the server asked for one, and none was seen to be sent"
    elif not target.client_certificate:
        text = "the server asked for a client certificate, and none is configured"
    else:
        return ()
    return (Note(text=text, codes=_OF_CLIENT_CERTIFICATES),)


def _codes_of(text: str) -> frozenset[str]:
    """The causes that a target's own remark explains."""
    if "depth" in text:
        return frozenset({"chain-too-long"})
    if "upstream block" in text or ("name" in text and "checked" in text):
        return frozenset({"hostname-mismatch", "hostname-only-in-cn"})
    return frozenset()


def _names(target: Target) -> frozenset[str]:
    names = (target.server_name, target.checked_name, *(endpoint.host for endpoint in target.endpoints))
    return frozenset(_folded(name) for name in names if name)


def _folded(name: str) -> str:
    return name.lower().rstrip(".")


def _port_fits(endpoint: Endpoint, port: int) -> bool:
    return endpoint.port in (None, port)


def _sense(target: Target) -> tuple[object, ...]:
    """What of a target bears on a connection: several places of a configuration may mean the same."""
    return (
        target.product, target.endpoints, target.server_name, target.sends_server_name, target.checked_name,
        target.verifies_chain, target.verifies_name, target.verify_depth, target.stores, target.client_certificate,
    )  # fmt: skip
