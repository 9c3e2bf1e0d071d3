"""Client and server have no protocol version in common."""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, Cause, Evidence, Match
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import version_name
from analyzer.tls.connection import Side


def look(case: Case) -> Match | None:
    """An alert protocol_version, or inappropriate_fallback, from either side."""
    ending = case.ending
    alert = case.fatal_alert
    if ending is None or ending.side is None or alert not in (Alert.PROTOCOL_VERSION, Alert.INAPPROPRIATE_FALLBACK):
        return None
    hello = case.connection.client_hello
    offered = ", ".join(version_name(v) for v in hello.offered_versions) if hello is not None else "unknown versions"
    if ending.side is Side.SERVER:
        text = f"The client offered {offered}; the server sent the alert {case.alert_text()}: it speaks none of these."
    else:
        chosen = version_name(case.connection.version) if case.connection.version is not None else "a version"
        text = f"The server chose {chosen}; the client, which offered {offered}, refused with {case.alert_text()}."
    return Match(
        confidence=CERTAIN,
        explanation=text,
        evidence=(Evidence(ending.packet, f"the {ending.side.value} sent the alert {case.alert_text()}"),),
        weight=2,
    )


CAUSE = Cause(
    code="protocol-version-mismatch",
    title="Client and server have no protocol version in common",
    look=look,
    covers=("unexplained",),
)
