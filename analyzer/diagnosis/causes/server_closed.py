"""The server closed the connection in the handshake.

The server closed the connection (FIN) during the handshake and gave no reason.

Aborted by: server. Confidence: certain or possible.

## What happened
The server's end hung up in good order: no alert, no reset. It did not want this connection, or something in
front of the server did not: a load balancer without a healthy backend, a port for another protocol, a list of
allowed addresses, an unknown SNI, a process that is being restarted.

## How we know
- The server's FIN was the first act that ended the connection, before the handshake was done.
- The code says how it ended, not why. It is certain of that much.
- Possible: bytes that the server sent before are not in the capture, an alert perhaps among them; or it came after
  the client's Finished of TLS 1.3, which the server may have accepted.
- An alert by the client behind the FIN is an echo: OpenSSL sends 50, Java 40, GnuTLS 10.
- When another cause explains the FIN (plain text, a refused client certificate), that one is named instead.

## What to do
The reason is in the log of the server, or of what stands in front of it. Ask for it with the time and the
addresses from the report.
1. Same from elsewhere, with and without SNI?

       openssl s_client -connect HOST:443 -servername HOST </dev/null
       openssl s_client -connect HOST:443 -noservername </dev/null

2. Works from another network: a list of allowed addresses. Ask which source address it saw; NAT changes it.
3. Works with another SNI: the virtual host or the load balancer's rule is missing.
4. Works sometimes: one of several backends; compare addresses and times.
5. Closed only after the client's flight: think of client certificates first.

## In the log
- OpenSSL (client): `unexpected eof while reading`
- nginx (client): `peer closed connection in SSL handshake`
- Java (client): `Remote host terminated the handshake`, `SSL peer shut down incorrectly`
- Go (client): `EOF`
- Node (client): `Client network socket disconnected before secure TLS connection was established`
- curl: `(35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to HOST:443`

## Not to be confused with
- `server-reset`: a RST in place of the FIN.
- `server-silent`: nothing comes at all.
- `client-closed`: the client's FIN was first.
- `client-cert-rejected`: the FIN came after a client certificate.

## References
- RFC 9293 section 3.6: closing a connection
- RFC 8446 section 6.1: a FIN without close_notify says nothing
"""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, POSSIBLE, Cause, Match
from analyzer.diagnosis.server_left import server_left


def look(case: Case) -> Match | None:
    """The server's FIN came first, before the handshake was done."""
    return server_left(
        case,
        "fin",
        said="closed the connection (FIN)",
        why="Its own log tells why: often a load balancer without a healthy backend, a port that is not meant "
        "for TLS, or "
        "a refused SNI or address.",
        sure=CERTAIN,
        unsure=POSSIBLE,
    )


CAUSE = Cause(
    code="server-closed", title="The server closed the connection in the handshake", look=look, covers=("unexplained",)
)
