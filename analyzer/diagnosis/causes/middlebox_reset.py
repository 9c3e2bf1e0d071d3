"""A box in between reset the connection.

A RST bears the peer's address, but its packet does not look like the peer's.

Aborted by: network. Confidence: likely.

## What happened
Something on the path cut the connection and signed with the peer's address: a firewall, an intrusion prevention
system, a filter that minds the SNI, a carrier. Often it resets both sides at once, so each believes that the
other did it.

## How we know
- The first ending act is a RST whose time to live differs by three or more from that of the peer's first
  packet.
- The difference is not that of a host which sends resets with another initial value (64, 128, 255) over the
  same distance.
- It is never certain: load balancers answer for their servers with a RST of their own, and routes may change.
  Nothing but the time to live is looked at.

## What to do
1. Capture on both ends at once. A RST that one end received and the other never sent is the proof.
2. From the time to live the distance follows: a RST that comes with 62 has crossed two routers, if it began
   with 64. `traceroute -T -p 443 HOST` shows who is there.
3. Does it hang on the name? Try another SNI to the same address:

       openssl s_client -connect ADDRESS:443 -servername example.com </dev/null
       openssl s_client -connect ADDRESS:443 -noservername </dev/null

4. Network operator: look in the logs of firewall and intrusion prevention for the two addresses at that second.
   Exempt the connection, or repair the rule: typical are TLS inspection without the right CA, blocked
   categories, rules about unknown versions.

## In the log
The ends log a plain reset:
- nginx (client): `peer closed connection in SSL handshake (104: Connection reset by peer)`
- Java (client): `Connection reset`
- Go (client): `read: connection reset by peer`
- Node (client): `ECONNRESET read ECONNRESET`
- curl: `(35) Recv failure: Connection reset by peer`

## Not to be confused with
- `server-reset`: the RST fits the server's other packets.
- `connection-refused`: the RST answered the SYN.
- `client-closed`: the RST came from the client itself.

## References
- RFC 3360: inappropriate TCP resets
- RFC 9293 section 3.5.2; RFC 1700: initial time to live
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import LIKELY, Cause, Evidence, Match

_FAR: Final = 3
"""Hops by which a reset must differ from the peer's other packets: routes move by one or two."""


def look(case: Case) -> Match | None:
    """A RST whose time to live is not that of the peer whose address it bears."""
    ending = case.ending
    if ending is None or ending.act != "rst" or ending.side is None or ending.packet is None:
        return None
    half = case.connection.halves[ending.side]
    if case.progress.handshake_done or half.ttl < 0 or half.packets < 2:
        return None
    reset_ttl = next((r.ttl for r in case.connection.resets if r.packet == ending.packet), -1)
    if reset_ttl < 0 or abs(reset_ttl - half.ttl) < _FAR or _own_default(reset_ttl, half.ttl):
        return None
    who = ending.side.value
    text = f"the RST has a time to live of {reset_ttl}, the {who}'s other packets {half.ttl}"
    return Match(
        confidence=LIKELY,
        explanation=f"The RST bears the {who}'s address but comes from elsewhere: {text}. A firewall, an intrusion "
        "prevention system or a filter on the path cuts this connection.",
        evidence=(Evidence(ending.packet, text),),
        weight=3,
        aborted_by="network",
    )


def _own_default(reset_ttl: int, ttl: int) -> bool:
    """Whether both fit one host that sends resets with another initial value (64, 128, 255) over the same distance."""
    starts = (64, 128, 255)
    distance = min((start - ttl for start in starts if start >= ttl), default=0)
    return any(start - reset_ttl == distance for start in starts)


CAUSE = Cause(
    code="middlebox-reset",
    title="A box in between reset the connection",
    look=look,
    covers=("server-reset", "client-closed", "unexplained"),
)
