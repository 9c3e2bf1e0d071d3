"""Full-size packets vanish on the way (path MTU black hole).

Small packets pass, full-size ones do not, so a flight of the handshake never arrives.

Aborted by: network. Confidence: certain or likely.

## What happened
A link on the way (VPN, tunnel, PPPoE, overlay network) takes less than 1500 bytes. Packets that are too big are
dropped, and the ICMP message that should say so is filtered. The TCP handshake and the ClientHello are small
and pass; the server's certificate is not and does not. Both sides wait, until one gives up.

## How we know
- A segment of more than 600 bytes was sent three times or more from the same place and never acknowledged (seen
  at the sender's end).
- Or more than 600 bytes of one side are missing in the capture, were never acknowledged, and later packets of
  that side did arrive (seen at the receiver's end), for more than a second.
- Or two captures, one from each side (`hsanalyze client.pcap server.pcap`): the full-size segments that one side sent
  are not among those that came to the other, small ones are.
- Certain: an ICMP message "fragmentation needed" or "packet too big" is in the capture too, or both captures show it.
  Likely: without either.
- The client's side counts as well: a large ClientHello, a client certificate with its chain.

## What to do
1. Find the size that passes:

       ping -M do -s 1472 HOST
       ping -M do -s 1392 HOST
       tracepath HOST

   1472 bytes and 28 of headers make 1500.
2. Network operator: let ICMP type 3 code 4 and ICMPv6 type 2 pass. That is the repair.
3. On the tunnel or firewall, clamp the segment size:
   `iptables -t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu`
4. On the machine, until then: `ip link set dev eth0 mtu 1400`, or for one route
   `ip route replace NET via GW advmss 1360`; Linux finds out by itself with
   `sysctl -w net.ipv4.tcp_mtu_probing=1`.

## In the log
Timeouts only; no product names this cause.
- Apigee (documented): `handshakeTimeout` at 55 s
- Java (client): `Read timed out`
- curl: `(28) Connection timed out after ... milliseconds`

## Not to be confused with
- `server-silent`: no byte of the server's came, and nothing of it is missing.
- `capture-incomplete`: the bytes are missing in the capture, but the peer did acknowledge them.
- `client-closed`: how it ends when the client gives up; the reason is here.

## References
- RFC 1191, RFC 8201: path MTU discovery; RFC 2923: its problems with TCP; RFC 4821: probing
- RFC 792 (type 3, code 4), RFC 4443 section 3.2 (packet too big)
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.tls.connection import EventKind, Side

_SMALL: Final = 600
"""Segments up to this size pass any path (RFC 879, RFC 8200: 576 and 1280 bytes)."""

_WATCHED_NS: Final = 1_000_000_000
"""A hole that is not filled for this long was not: TCP would have sent the segment again (RFC 6298)."""


def look(case: Case) -> Match | None:
    """A hole where the server's flight should be, while small segments pass; or full-size segments sent in vain."""
    connection = case.connection
    if case.progress.handshake_done or not connection.hellos:
        return None
    for side in (Side.SERVER, Side.CLIENT):
        half = connection.halves[side]
        needed = [event for event in case.events(EventKind.ICMP) if _too_big(event.number)]
        repeats = [again for again in half.retransmissions if again.length > _SMALL]
        same = {again.position for again in repeats}
        if len(repeats) >= 2 and len(same) == 1 and half.acknowledged is not None and half.acknowledged <= min(same):
            return _match(
                side,
                repeats[0].packet,
                f"a segment of {repeats[0].length} bytes was sent "
                f"{len(repeats) + 1} times and never acknowledged, while small ones are",
                bool(needed),
            )
        hole = next((lost for lost in half.lost if lost.size > _SMALL), None)
        peer = connection.halves[side.peer]
        stuck = half.acknowledged is not None and hole is not None and half.acknowledged <= hole.position
        if hole is not None and stuck and peer.packets and _watched_ns(case) > _WATCHED_NS:
            return _match(
                side,
                hole.packet,
                f"{hole.size} bytes are missing and were never acknowledged, while later small segments arrived",
                bool(needed),
            )
    return None


def _watched_ns(case: Case) -> int:
    """From the ClientHello to the ending, or to the end of the capture."""
    ending = case.ending
    last = ending.time_ns if ending is not None and ending.time_ns is not None else case.capture_end_ns
    return last - case.connection.hellos[0].time_ns


def _too_big(quoted: int) -> bool:
    """ICMP fragmentation needed (RFC 792: type 3, code 4) and ICMPv6 packet too big (RFC 4443: type 2)."""
    return quoted == (4 << 16 | 3 << 8 | 4) or quoted >> 8 == (6 << 8 | 2)


def _match(side: Side, packet: int, what: str, told: bool) -> Match:
    flight = "server's certificate flight" if side is Side.SERVER else "client's messages"
    return Match(
        confidence=CERTAIN if told else LIKELY,
        explanation=f"The {flight} did not get through: {what}. Packets of full size are dropped on the path and "
        "nobody says so to the sender (a tunnel or VPN with a smaller MTU, and ICMP filtered).",
        evidence=(Evidence(packet, what),),
        weight=3,
        aborted_by="network",
    )


CAUSE = Cause(
    code="path-mtu-blackhole",
    title="Full-size packets vanish on the way (path MTU black hole)",
    look=look,
    covers=("client-closed", "server-closed", "server-silent", "capture-incomplete", "unexplained"),
    stands_alone=True,
)
