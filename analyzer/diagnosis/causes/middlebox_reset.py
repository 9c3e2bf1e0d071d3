"""A box in between reset the connection."""

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
