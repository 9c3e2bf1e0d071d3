"""The client spoke something that is not TLS to a port that expects TLS.

The client sent plain text, plain HTTP most often, where the server waits for a ClientHello.

Aborted by: server, or client. Confidence: certain or likely.

## What happened
A target was configured with `http://` and the port of HTTPS, TLS was not switched on in the client, or it connects to
the port where a protocol begins with TLS (465, 636, 993) as if it had to ask for it first.

## How we know
- The client's first bytes begin no TLS record, and it sent no ClientHello. The report quotes them.
- Certain: the server says so in its answer, as nginx, Apache, Go and Tomcat do.
- Likely: the server answered with a TLS alert, which a server that speaks plain text does not have.
- A server that closes without a word at this place does not show that it expects TLS, and the connection is none of
  TLS then: it is not in the report.

## What to do
1. Gateway operator: write `https://` into the target, or switch TLS on for it. Apigee: `SSLInfo` with `Enabled` true
   in the target endpoint or server; nginx: `proxy_pass https://`; HAProxy: `ssl` on the `server` line.
2. See what the port speaks:

       openssl s_client -connect HOST:PORT </dev/null
       curl -v http://HOST:PORT/

3. Server operator, if plain text is meant: open a port without TLS for it.
4. SMTP, IMAP, LDAP: on the ports 465, 993 and 636 TLS comes first; STARTTLS is for 587, 143 and 389.

## In the log
- nginx (server): `client sent plain HTTP request to HTTPS port`; it answers 400
- Apache (server): `speaking plain HTTP to an SSL-enabled server port` stands in its answer
- Go (server): `http: TLS handshake error from ...: client sent an HTTP request to an HTTPS server`
- OpenSSL (server): `http request`, or `wrong version number`
- Java (server): `Unsupported or unrecognized SSL message`; GnuTLS (server): `An unexpected TLS packet was received`

## Not to be confused with
- `not-tls`: the client speaks TLS, and the server does not.
- `handshake-integrity`: TLS that began, and broke.

## References
- RFC 8446 section 5.1: the record; RFC 8314: TLS from the beginning in mail
- nginx: `ngx_http_ssl_module`, error 497; Go: net/http, `Server`
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.registry import printable
from analyzer.tls.connection import Side
from analyzer.tls.detect import expects_tls, http_request

_SHOWN: Final = 60


def look(case: Case) -> Match | None:
    """Plain text from the client, and a server that answers it as one does that expects TLS."""
    connection = case.connection
    client, server = connection.halves[Side.CLIENT].seen, connection.halves[Side.SERVER].seen
    if connection.hellos or connection.prelude is not None or client.is_tls or client.plain is None or client.lost:
        return None
    request = http_request(client.plain.data)
    said = request or printable(client.plain.data.split(b"\n")[0].rstrip(b"\r")[:_SHOWN])
    kind = "something that is not TLS" if request is None else "plain HTTP"
    asked = Evidence(client.plain.packet, f"the client's first bytes are “{said}”")
    text = f"The client spoke {kind} to {connection.server}, which expects TLS: it sent “{said}”, and the server "
    if server.plain is not None and (words := expects_tls(server.plain.data)) is not None:
        answer = printable(words)
        return Match(
            confidence=CERTAIN,
            explanation=f"{text}answered “{answer}”.",
            evidence=(asked, Evidence(server.plain.packet, f"the server answered “{answer}”")),
            weight=4,
        )
    first = next(iter(connection.alerts), None)
    if first is None or first.side is not Side.SERVER or first.packet < client.plain.packet or server.messages:
        return None
    return Match(
        confidence=LIKELY,
        explanation=f"{text}answered with a TLS alert.",
        evidence=(asked, Evidence(first.packet, "the server answered with a TLS alert")),
        weight=4,
    )


CAUSE = Cause(
    code="client-not-tls",
    title="The client spoke something that is not TLS to a port that expects TLS",
    look=look,
    covers=("server-closed", "server-reset", "client-closed", "handshake-integrity", "unexplained", "no-shared-cipher"),
)
