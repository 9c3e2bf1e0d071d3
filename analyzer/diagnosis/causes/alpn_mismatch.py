"""Client and server have no application protocol in common."""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, Cause, Evidence, Match
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import alpn_name


def look(case: Case) -> Match | None:
    """An alert no_application_protocol."""
    ending = case.ending
    if ending is None or ending.side is None or case.fatal_alert != Alert.NO_APPLICATION_PROTOCOL:
        return None
    hello = case.connection.client_hello
    offered = ", ".join(alpn_name(protocol) for protocol in hello.alpn) if hello is not None else ""
    return Match(
        confidence=CERTAIN,
        explanation=f"The {ending.side.value} sent the alert {case.alert_text()}; the client offered "
        f"{offered or 'no protocol'}.",
        evidence=(Evidence(ending.packet, f"the {ending.side.value} sent the alert {case.alert_text()}"),),
        weight=2,
    )


CAUSE = Cause(
    code="alpn-mismatch",
    title="Client and server have no application protocol in common",
    look=look,
    covers=("unexplained",),
)
