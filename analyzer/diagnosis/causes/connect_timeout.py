"""The connection attempt was never answered."""

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
    if not opening or connection.halves[Side.SERVER].packets or case.events(EventKind.ICMP):
        return None
    if connection.halves[Side.CLIENT].packets > len(opening):
        return None  # the client went on, so an answer came: it is the capture that lacks it
    watched = case.capture_end_ns - opening[0].time_ns
    if len(opening) == 1 and watched < _WATCHED_NS:
        return None
    again = (
        f", sent {len(opening)} times over {seconds(opening[-1].time_ns - opening[0].time_ns)}"
        if len(opening) > 1
        else ""
    )
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
)
