"""The server reset the connection in the handshake.

The server's address reset the connection (RST) during the handshake.

Aborted by: server. Confidence: likely or possible.

## What happened
The connection was open, then a RST came from the server's address: the process aborted or was killed, it closed
the socket with unread data, a load balancer knows no such service, or a firewall answers in the server's name.

## How we know
- The server's RST was the first act that ended the connection, after the TCP handshake and before the TLS
  handshake was done.
- The code says how it ended, not why. It is never certain: a box in between that imitates the server's packets
  well leaves the same trace.
- Possible: bytes that the server sent before are not in the capture, an alert perhaps among them.
- When something in the RST or after it speaks against the server as its sender, the code is `middlebox-reset`.

## What to do
1. From the server's own machine, does it work?

       openssl s_client -connect 127.0.0.1:443 -servername HOST </dev/null

   Yes: look at everything in between. No: look at the service's log at that second.
2. Capture on the server too. A RST that arrives at the client and was never sent there comes from a box in
   between.
3. Load balancers: is there a healthy target, is the SNI known, is the idle limit very short? Cloud load
   balancers reset when no rule fits.
4. Only large ClientHellos are reset (over 1 400 bytes, with post-quantum key shares): an old firewall or server
   that cannot read one in two segments. Try `openssl s_client -groups X25519`.

## In the log
- nginx (client): `peer closed connection in SSL handshake (104: Connection reset by peer)`
- Java (client): `Connection reset`
- Go (client): `read: connection reset by peer`
- Node (client): `ECONNRESET read ECONNRESET`
- curl: `(35) Recv failure: Connection reset by peer`

## Not to be confused with
- `connection-refused`: the RST answered the SYN; the connection was never open.
- `middlebox-reset`: evidence in the packet that it was not the server.
- `server-closed`: a FIN.
- A RST after an alert or FIN of one's own is an echo and no cause.

## References
- RFC 9293 section 3.5.2: reset generation
- RFC 3360: inappropriate resets by firewalls
"""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import LIKELY, POSSIBLE, Cause, Match
from analyzer.diagnosis.server_left import server_left
from analyzer.tls.connection import EventKind


def look(case: Case) -> Match | None:
    """The server's RST came first, on an open connection, before the handshake was done."""
    if case.connection.from_start and not case.events(EventKind.SYN_ACK) and not case.went_on:
        return None
    return server_left(
        case,
        "rst",
        said="reset the connection (RST)",
        why="The process behind the port aborted or was gone, or a firewall in front of it refuses.",
        sure=LIKELY,
        unsure=POSSIBLE,
    )


CAUSE = Cause(
    code="server-reset", title="The server reset the connection in the handshake", look=look, covers=("unexplained",)
)
