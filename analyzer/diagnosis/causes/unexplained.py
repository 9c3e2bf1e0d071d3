"""Failed, and nothing that is known explains it."""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import POSSIBLE, Cause, Evidence, Match


def look(case: Case) -> Match | None:
    """The handshake was ended, and no other cause fits."""
    ending = case.ending
    if ending is None or ending.side is None or case.progress.handshake_done:
        return None
    if not case.connection.is_tls:
        return None
    return Match(
        confidence=POSSIBLE,
        explanation=f"The {ending.side.value} {case.leaving_text} at the stage {case.progress.stage}, and none of the "
        "causes in the catalogue fits.",
        evidence=(Evidence(ending.packet, f"the {ending.side.value} {case.leaving_text}"),),
        weight=0,
    )


CAUSE = Cause(code="unexplained", title="Failed, and nothing that is known explains it", look=look)
