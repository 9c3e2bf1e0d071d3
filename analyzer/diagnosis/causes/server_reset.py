"""The server reset the connection in the handshake."""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, Cause, Evidence, Match
from analyzer.tls.connection import EventKind, Side

_IDLE_NS: Final = 2_000_000_000
"""Clients send their hello at once; a connection without one for this long was not opened to be used."""


def look(case: Case) -> Match | None:
    """The server's RST came first, on an open connection, before the handshake was done."""
    if not case.ended_by(Side.SERVER, "rst") or case.progress.handshake_done:
        return None
    if case.connection.from_start and not case.events(EventKind.SYN_ACK):
        return None
    if not case.connection.hellos and (not case.connection.from_start or (case.waited_ns or 0) > _IDLE_NS):
        return None  # begun before the capture, or a spare connection on which the client never spoke
    ending = case.ending
    packet = ending.packet if ending is not None else None
    place = "after the ClientHello" if case.connection.hellos else "before any ClientHello was sent"
    if case.progress.stage in ("server-flight", "client-flight"):
        place = f"in the middle of the handshake ({case.progress.stage})"
    return Match(
        confidence=CERTAIN,
        explanation=f"The server reset the connection (RST) {place}, without an alert: the process behind the port "
        "aborted or was gone, or a firewall in front of it refuses.",
        evidence=(Evidence(packet, f"RST from the server's address {place}, without an alert"),),
        weight=0,
    )


CAUSE = Cause(
    code="server-reset", title="The server reset the connection in the handshake", look=look, covers=("unexplained",)
)
