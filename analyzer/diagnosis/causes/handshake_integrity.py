"""One side found the other's handshake messages broken."""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.registry import AlertDescription as Alert

_ALERTS: Final = frozenset(
    {
        Alert.UNEXPECTED_MESSAGE,
        Alert.BAD_RECORD_MAC,
        Alert.DECRYPTION_FAILED,
        Alert.RECORD_OVERFLOW,
        Alert.DECOMPRESSION_FAILURE,
        Alert.ILLEGAL_PARAMETER,
        Alert.DECODE_ERROR,
        Alert.DECRYPT_ERROR,
        Alert.MISSING_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
    }
)


def look(case: Case) -> Match | None:
    """An alert by which one side says that what it got breaks the protocol."""
    ending = case.ending
    alert = case.fatal_alert
    if ending is None or ending.side is None or alert not in _ALERTS:
        return None
    evidence = [Evidence(ending.packet, f"the {ending.side.value} sent the alert {case.alert_text()}")]
    evidence += [
        Evidence(broken.packet, f"a message of the {broken.side.value} is malformed: {broken.text}")
        for broken in case.connection.malformed[:3]
    ]
    return Match(
        confidence=CERTAIN if case.connection.malformed else LIKELY,
        explanation=f"The {ending.side.value} sent the alert {case.alert_text()}: what it received breaks the "
        f"protocol, "
        "or does not verify. Either a peer is faulty, or a box in between rewrites the handshake.",
        evidence=tuple(evidence),
        weight=1,
    )


CAUSE = Cause(
    code="handshake-integrity",
    title="One side found the other's handshake messages broken",
    look=look,
    covers=("unexplained",),
)
