"""The connection was refused."""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, Cause, Evidence, Match
from analyzer.tls.connection import EventKind, Side

_ICMP_UNREACHABLE: Final = (4 << 16 | 3 << 8, 6 << 16 | 1 << 8)


def look(case: Case) -> Match | None:
    """The SYN was answered by a RST, or by an ICMP error that says unreachable."""
    connection = case.connection
    if case.events(EventKind.SYN_ACK) or connection.is_tls or not case.events(EventKind.SYN):
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
)
