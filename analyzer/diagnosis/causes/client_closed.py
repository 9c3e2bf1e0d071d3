"""The client left in the handshake without saying why."""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case, seconds
from analyzer.diagnosis.cause import LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.tls.connection import Side

_GAVE_UP_NS: Final = 1_000_000_000
"""Who leaves later than this after the last sign of the peer has probably waited for something."""


def look(case: Case) -> Match | None:
    """The client closed or reset during the handshake, without a fatal alert."""
    if not case.ended_by(Side.CLIENT, "fin", "rst", "alert") or case.progress.handshake_done:
        return None
    if case.fatal_alert is not None or not case.connection.hellos:
        return None
    if not case.connection.halves[Side.SERVER].packets:
        return None  # one direction only: what the server did is not known
    ending = case.ending
    packet = ending.packet if ending is not None else None
    evidence = [Evidence(packet, f"the client {case.leaving_text}")]
    text = f"The client {case.leaving_text} in the handshake."
    waited = case.waited_ns
    if waited is not None:
        text += f" It had waited {seconds(waited)} since the server's last step"
        text += ": a timeout of its own, or a cancelled request." if waited > _GAVE_UP_NS else "."
    if case.trust.verdicts and case.trust.accepted_by_all and case.trust.store_given:
        text += " The store given would have accepted the server's chain, so the certificate gives no reason."
        evidence.append(Evidence(None, f"the chain verifies against the store given ({case.trust.store_names})"))
    confidence = LIKELY if case.trust.accepted_by_all or case.server_chain is None else POSSIBLE
    return Match(confidence=confidence, explanation=text, evidence=tuple(evidence), weight=0)


CAUSE = Cause(
    code="client-closed",
    title="The client left in the handshake without saying why",
    look=look,
    covers=("unexplained",),
)
