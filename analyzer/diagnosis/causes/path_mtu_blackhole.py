"""Full-size packets vanish on the way (path MTU black hole)."""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.tls.connection import EventKind, Side

_WATCHED_NS: Final = 1_000_000_000
_SMALL: Final = 600
"""Segments up to this size pass any path (RFC 879, RFC 8200: 576 and 1280 bytes)."""


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
        if hole is not None and stuck and peer.packets:
            return _match(
                side,
                hole.packet,
                f"{hole.size} bytes are missing and were never acknowledged, while later small segments arrived",
                bool(needed),
            )
    return None


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
)
