"""A box in between reset the connection.

A RST bears the peer's address, but it was not the peer that sent it.

Aborted by: network. Confidence: certain, likely or possible.

## What happened
Something on the path cut the connection and signed with the peer's address: a firewall, an intrusion prevention
system, a filter that minds the SNI, a carrier. Often it resets both sides at once, so each believes that the
other did it.

## How we know
The first ending act is a RST, and one of these speaks against its sender:
- The same side went on sending data behind the RST's sequence number. Who resets a connection sends nothing more
  in it, so these bytes are the true peer's.
- Its time to live differs by three or more from that of the peer's first and of its latest packet, and not by
  the difference between usual initial values (64, 128, 255) over the same distance.
- Its IP identification lies far outside the row of the peer's other packets, and that row is close.

Or two captures show it, one from each side (`hsanalyze client.pcap server.pcap`), or one of the box itself: a RST, FIN
or alert that arrived in the name of a side that never sent it.

Certain: two of the signs above together, or two sights of the connection. Likely: one of the first two alone. Possible:
the last alone, for some systems number the resets of connections that they no longer know by another row. A load
balancer that answers for its server, or a route that changed, can explain the last two by themselves. A box that
imitates the peer well is not seen in one capture: that looks like `server-reset`.

## What to do
1. Capture on both ends at once, and give both files to hsanalyze. A RST that one end received and the other never
   sent is the proof.
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
- `server-reset`: nothing in the RST speaks against the server.
- `connection-refused`: the RST answered the SYN.
- `client-closed`: the RST came from the client itself.

## References
- RFC 3360: inappropriate TCP resets
- RFC 9293 sections 3.5.2 and 3.10.7.4; RFC 1700: initial time to live
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.tls.connection import Half, Reset

_FAR: Final = 3
"""Hops by which a reset must differ from the peer's other packets: routes move by one or two."""
_HALF_SPACE: Final = 1 << 31
_PACKETS_IN_A_ROW: Final = 3
_ROW_PER_PACKET: Final = 256
"""Identifications that a system's other traffic may take between two packets of one connection, in a close row."""
_OUTSIDE: Final = 4096


def look(case: Case) -> Match | None:
    """A RST that speaks for another sender than the peer whose address it bears."""
    ending = case.ending
    if ending is None or ending.act != "rst" or ending.side is None or ending.packet is None:
        return None
    half = case.connection.halves[ending.side]
    reset = next((r for r in case.connection.resets if r.packet == ending.packet), None)
    if case.progress.handshake_done or reset is None or half.packets < 2:
        return None
    who = ending.side.value
    strong = [sign for sign in (_went_on(half, reset, who), _other_distance(half, reset, who)) if sign]
    weak = _other_row(half, reset, who)
    signs = [*strong, *((weak,) if weak else ())]
    if not signs:
        return None
    return Match(
        confidence=CERTAIN if len(signs) > 1 else LIKELY if strong else POSSIBLE,
        explanation=f"The RST bears the {who}'s address but comes from elsewhere: {'; '.join(signs)}. A firewall, an "
        "intrusion prevention system or a filter on the path cuts this connection.",
        evidence=tuple(Evidence(ending.packet, text) for text in signs),
        weight=3 if strong else 0,
        aborted_by="network",
    )


def _went_on(half: Half, reset: Reset, who: str) -> str | None:
    """Data behind the RST's own sequence number: its true sender would have known that there is none to come."""
    if half.next_seq is None:
        return None
    ahead = (half.next_seq - reset.seq + _HALF_SPACE) % (2 * _HALF_SPACE) - _HALF_SPACE
    if ahead <= 0 or half.last_packet <= reset.packet:
        return None
    return f"the {who} itself went on: {ahead} bytes of data from behind the RST's sequence number"


def _other_distance(half: Half, reset: Reset, who: str) -> str | None:
    """A time to live that is not that of the side's other packets."""
    ttls = [ttl for ttl in half.ttls if ttl >= 0]
    if not ttls or reset.ttl < 0 or any(abs(reset.ttl - t) < _FAR or _own_default(reset.ttl, t) for t in ttls):
        return None
    shown = " and ".join(dict.fromkeys(map(str, ttls)))
    return f"the RST has a time to live of {reset.ttl}, the {who}'s other packets {shown}"


def _other_row(half: Half, reset: Reset, who: str) -> str | None:
    """An IP identification far outside the row of the side's other packets."""
    if half.ip_ids is None or reset.ip_id <= 0 or half.packets <= _PACKETS_IN_A_ROW:
        return None
    low, high = half.ip_ids
    in_a_row = low <= high <= low + _ROW_PER_PACKET * half.packets
    outside = min((low - reset.ip_id) % 65_536, (reset.ip_id - high) % 65_536)
    if not in_a_row or low <= reset.ip_id <= high or outside <= _OUTSIDE + 16 * (high - low):
        return None
    return f"the RST has the IP identification {reset.ip_id:#06x}, the {who}'s others {low:#06x} to {high:#06x}"


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
    stands_alone=True,
)
