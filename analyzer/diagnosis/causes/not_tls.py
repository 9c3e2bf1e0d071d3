"""The server answered with something that is not TLS.

The server answered the ClientHello with bytes that are no TLS record.

Aborted by: client, or server. Confidence: certain or possible.

## What happened
The client spoke TLS to a port that speaks something else: plain HTTP most often, or SSH, SMTP, a database. Or
TLS was switched off there, or a proxy in between answered with an error page in plain text.

## How we know
- The capture holds a ClientHello, and the first bytes of the server do not begin a TLS record. The report
  quotes them.
- There is no room for doubt, so it is certain. Where the capture lacks what came before that answer it is only
  possible: it may be the middle of something. The client usually ends the connection; a server that answers
  400 may do so itself.

## What to do
1. See what the port speaks:

       curl -v http://HOST:PORT/
       openssl s_client -connect HOST:PORT </dev/null

2. Gateway operator: is it the right port, and is `https` meant? A target with port 80 or 8080 and TLS enabled
   is the usual mistake. In nginx `proxy_pass https://` speaks TLS, `http://` does not.
3. Server operator: enable TLS on that port (nginx `listen 443 ssl`, HAProxy `bind ... ssl crt FILE`).
4. A proxy on the way: the client must send CONNECT first. `curl -v -x PROXY https://HOST/` shows whether that
   works.
5. SMTP, IMAP, LDAP, PostgreSQL: these ask for STARTTLS or a request of their own first:
   `openssl s_client -starttls smtp -connect HOST:25`

## In the log
- OpenSSL, nginx, Node, curl (client): `wrong version number`
- Java (client): `Unsupported or unrecognized SSL message`
- Go (client): `http: server gave HTTP response to HTTPS client`
- GnuTLS (client): `An unexpected TLS packet was received`

## Not to be confused with
- `client-not-tls`: the reverse, plain HTTP sent to a port of TLS.
- `protocol-version-mismatch`: both speak TLS. OpenSSL's words `wrong version number` mislead.
- `server-closed`: the server sent no byte at all.
- `proxy-refused`, `starttls-refused`: the client asked for TLS first, and was refused in plain text.
- `handshake-integrity`: TLS that began, and broke.

## References
- RFC 8446 section 5.1: the record
- RFC 9110 section 9.3.6 (CONNECT), RFC 3207 (STARTTLS)
- nginx: `listen ... ssl`, `proxy_pass`
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, POSSIBLE, Cause, Evidence, Match
from analyzer.registry import printable

_SHOWN: Final = 60


def look(case: Case) -> Match | None:
    """The bytes after the ClientHello do not begin a TLS record."""
    connection = case.connection
    answer = connection.plain_answer
    if answer is None:
        return None
    text = printable(answer.data.split(b"\n")[0].rstrip(b"\r")[:_SHOWN])
    kind = protocol_of(answer.data)
    holes = [hole for half in connection.halves.values() for hole in half.seen.lost]
    whole = all(hole.inside or hole.packet >= answer.packet for hole in holes)
    return Match(
        confidence=CERTAIN if whole else POSSIBLE,
        explanation=f"{connection.server} answered the ClientHello with {kind}: it begins “{text}”. The port is not "
        "meant for TLS, or TLS is switched off there; or the client speaks TLS where plain text is expected.",
        evidence=(Evidence(answer.packet, f"the server's first bytes are “{text}”"),),
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
    stands_alone=True,
)
