"""The connection attempt was never answered.

The SYN was sent, perhaps several times, and nothing came back.

Aborted by: network. Confidence: certain or likely.

## What happened
TLS never began. The packets of the client get lost on the way there, or the answers on the way back: a firewall
that drops silently, a security group, a wrong route, a machine that is off, a wrong address.

## How we know
- Certain: the SYN was sent more than once, and not one packet of the server is in the capture.
- Likely: a single SYN, watched for a second or more.
- ICMP errors about the connection make it another case.
- If the client went on after the SYN, an answer did come: then it is the capture that lacks one direction.

## What to do
Gateway operator:
1. Where does it end?

       nc -vz -w 5 HOST 443
       traceroute -T -p 443 HOST

2. Right address? `getent ahosts HOST`. Private and public DNS may differ; so may IPv6 and IPv4.
3. Rules on the way out: security group, network policy, egress proxy, NAT that ran out of ports.

Server operator:
1. Capture on the server: `tcpdump -ni any 'tcp[tcpflags] & tcp-syn != 0 and port 443'`
2. The SYN does not arrive: a rule in front. It arrives, and no answer leaves: a local rule, or a full accept
   queue (`nstat -az TcpExtListenDrops`). An answer leaves and does not arrive: the way back, often a route past
   a stateful firewall.

## In the log
- curl: `(28) Connection timed out after ... milliseconds`

## Not to be confused with
- `connection-refused`: a RST or an ICMP error came.
- `server-silent`: the connection was opened, and the ClientHello was not answered.
- `capture-incomplete`: answers came, and the capture has only one direction.

## References
- RFC 9293 section 3.8.1, RFC 6298 section 2: the SYN is sent again after a second, then after twice the time
- tcpdump(1), traceroute(8)
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case, seconds
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.tls.connection import EventKind, Side

_WATCHED_NS: Final = 1_000_000_000
"""A SYN without an answer for this long has been lost: TCP sends the first one again after a second (RFC 6298)."""


def look(case: Case) -> Match | None:
    """A SYN, perhaps several, and nothing from the server."""
    connection = case.connection
    opening = case.events(EventKind.SYN, Side.CLIENT)
    if not opening or connection.halves[Side.SERVER].packets:
        return None
    if case.went_on:
        return None
    watched = case.capture_end_ns - opening[0].time_ns
    if len(opening) == 1 and watched < _WATCHED_NS:
        return None
    again = f", sent {len(opening)} times" if len(opening) > 1 else ""
    over = opening[-1].time_ns - opening[0].time_ns
    if over > 0:
        again += f" over {seconds(over)}"
    return Match(
        confidence=CERTAIN if len(opening) > 1 else LIKELY,
        explanation=f"The SYN to {connection.server}{again} was never answered: the address does not answer, or a "
        "firewall drops the packets silently.",
        evidence=tuple(Evidence(event.packet, "SYN without an answer") for event in opening[:3]),
        weight=2,
        aborted_by="network",
    )


CAUSE = Cause(
    code="connect-timeout",
    title="The connection attempt was never answered",
    look=look,
    covers=("capture-incomplete", "unexplained"),
    stands_alone=True,
)
