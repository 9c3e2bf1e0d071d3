"""What `server-closed` and `server-reset` have in common: the server ended the handshake without a word."""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import Evidence, Match
from analyzer.tls.connection import Side

__all__ = ["server_left"]

_IDLE_NS: Final = 2_000_000_000
"""Clients send their hello at once; a connection without one for this long was not opened to be used."""


def server_left(case: Case, act: str, *, said: str, why: str, sure: str, unsure: str) -> Match | None:
    """A match when the server's `act` came first, before the handshake was done.

    `said` tells the act and `why` what is behind it, for a sentence; `sure` is the confidence, `unsure` that for bytes
    of the server missing before the act, an alert perhaps among them, and for an act after the client's Finished: the
    server may have accepted it, for it need not answer (RFC 8446 section 4.6.1).
    """
    connection = case.connection
    if not case.ended_by(Side.SERVER, act) or case.progress.handshake_done:
        return None
    if not connection.hellos and (not connection.from_start or (case.waited_ns or 0) > _IDLE_NS):
        return None  # begun before the capture, or a spare connection on which the client never spoke
    ending = case.ending
    place = "after the ClientHello" if connection.hellos else "before any ClientHello was sent"
    if connection.hellos and case.progress.stage == "tcp":
        place = "before the ClientHello had come"
    if case.progress.stage in ("server-flight", "client-flight"):
        place = f"in the middle of the handshake ({case.progress.stage})"
    unseen = sum(lost.size for lost in connection.halves[Side.SERVER].lost)
    silent = f"; {unseen} bytes of the server before that are not in the capture" if unseen else ", without an alert"
    return Match(
        confidence=unsure if unseen or case.progress.server_refused else sure,
        explanation=f"The server {said} {place}{silent}. {why}",
        evidence=(Evidence(ending.packet if ending is not None else None, f"the server {said} {place}{silent}"),),
        weight=0,
    )
