"""The connection was refused.

The connection attempt was answered by a refusal: a RST, or an ICMP error.

Aborted by: server, or network. Confidence: certain.

## What happened
TLS never began. Nothing listens on that address and port, or a firewall refuses openly. The process is down,
listens on another address (127.0.0.1 only), or the client has the wrong port.

## How we know
- Server: a RST from the server's address answered the SYN, and there was no SYN,ACK before it.
- Network: a router or firewall answered with ICMP destination unreachable (IPv6: the same of ICMPv6). The
  report gives type and code; code 13 (IPv6: 1) means that a firewall forbids it.
- Both are plain statements, so the code is certain.

## What to do
Server operator:
1. Does it listen, and where? `ss -ltnp 'sport = :443'`
2. `127.0.0.1:443` instead of `0.0.0.0:443` or `*:443`: only the machine itself can come in.
3. The process is not there: its own log says why it did not start (often a key that does not fit its
   certificate).
4. A firewall rule with REJECT: `nft list ruleset` or `iptables -S`.

Gateway operator:
1. Right name, address and port? `getent ahosts HOST`, `nc -vz HOST 443`
2. Several addresses behind the name: one of them may be dead, and clients try them in turn.
3. Containers: the service's target port must be the one on which the process listens.

## In the log
- curl: `(7) Failed to connect to HOST port 443 after 0 ms: Couldn't connect to server`
- OpenSSL: `connect:errno=111`

## Not to be confused with
- `connect-timeout`: no answer at all; a firewall that drops.
- `server-reset`: the connection was open before the RST came.
- `middlebox-reset`: a RST whose packet does not fit the server.

## References
- RFC 9293 sections 3.5.2 and 3.10.7.1: a RST for a port without a listener
- RFC 792, RFC 4443 section 3.1, RFC 1812 section 5.2.7.1: destination unreachable
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, Cause, Evidence, Match
from analyzer.tls.connection import EventKind, Side

_ICMP_UNREACHABLE: Final = (4 << 16 | 3 << 8, 6 << 16 | 1 << 8)


def look(case: Case) -> Match | None:
    """The SYN was answered by a RST, or by an ICMP error that says unreachable."""
    connection = case.connection
    if case.events(EventKind.SYN_ACK) or connection.is_tls or case.went_on or not case.events(EventKind.SYN):
        return None
    reset = case.events(EventKind.RST, Side.SERVER)
    if reset:
        return Match(
            confidence=CERTAIN,
            explanation=f"{connection.server} answered the SYN with a RST: nothing listens on that port, or a firewall "
            "refuses it.",
            evidence=(Evidence(reset[0].packet, f"RST from {connection.server} in answer to the SYN"),),
            weight=2,
        )
    for event in case.events(EventKind.ICMP):
        if event.number & ~0xFF in _ICMP_UNREACHABLE:
            return Match(
                confidence=CERTAIN,
                explanation="A router or firewall answered the SYN with an ICMP error "
                f"(type {event.number >> 8 & 0xFF}, code {event.number & 0xFF}): {connection.server} cannot be "
                f"reached.",
                evidence=(Evidence(event.packet, "ICMP destination unreachable in answer to the SYN"),),
                weight=2,
                aborted_by="network",
            )
    return None


CAUSE = Cause(
    code="connection-refused",
    title="The connection was refused",
    look=look,
    covers=("server-reset", "connect-timeout", "unexplained"),
    stands_alone=True,
)
