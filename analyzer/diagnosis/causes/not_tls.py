"""The server answered with something that is not TLS."""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, Cause, Evidence, Match
from analyzer.registry import printable
from analyzer.tls.connection import Side

_SHOWN: Final = 60


def look(case: Case) -> Match | None:
    """The bytes after the ClientHello do not begin a TLS record."""
    connection = case.connection
    server = connection.halves[Side.SERVER]
    if not connection.hellos or server.is_tls or server.plain is None:
        return None
    text = printable(server.plain.data.split(b"\n")[0].rstrip(b"\r")[:_SHOWN])
    kind = protocol_of(server.plain.data)
    return Match(
        confidence=CERTAIN,
        explanation=f"{connection.server} answered the ClientHello with {kind}: it begins “{text}”. The port is not "
        "meant for TLS, or TLS is switched off there; or the client speaks TLS where plain text is expected.",
        evidence=(Evidence(server.plain.packet, f"the server's first bytes are “{text}”"),),
        weight=3,
    )


def protocol_of(data: bytes) -> str:
    """What the first bytes of a server look like."""
    for prefix, name in _PROTOCOLS:
        if data.startswith(prefix):
            return name
    return "bytes that are no TLS record"


_PROTOCOLS: Final = (
    (b"HTTP/", "plain HTTP"),
    (b"SSH-", "SSH"),
    (b"220", "a plain-text greeting (SMTP or FTP)"),
    (b"+OK", "a POP3 greeting"),
    (b"* OK", "an IMAP greeting"),
    (b"<?xml", "XML"),
    (b"<", "markup"),
    (b"-ERR", "a Redis or POP3 error"),
)


CAUSE = Cause(
    code="not-tls",
    title="The server answered with something that is not TLS",
    look=look,
    covers=("server-closed", "server-reset", "client-closed", "handshake-integrity", "unexplained"),
)
