"""The server refused the client's certificate; why the wire does not show."""

from __future__ import annotations

from analyzer.diagnosis.alerts import CERTIFICATE_ALERTS
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.registry import AlertDescription as Alert
from analyzer.tls.connection import Side


def look(case: Case) -> Match | None:
    """The server refused after the client's Certificate, with an alert about certificates or none."""
    sent = case.client_chain
    ending = case.ending
    if sent is None or not sent.chain or ending is None or not case.ended_by(Side.SERVER):
        return None
    if case.progress.handshake_done or (ending.packet or 0) < sent.packet:
        return None
    alert = case.fatal_alert
    if alert is not None and alert not in CERTIFICATE_ALERTS | {Alert.HANDSHAKE_FAILURE, Alert.DECRYPT_ERROR}:
        return None
    return Match(
        confidence=LIKELY if alert in CERTIFICATE_ALERTS else POSSIBLE,
        explanation=f"After the client's certificate the server {case.leaving_text}. Supply the store by which the "
        "server checks clients (--client-ca) to see why.",
        evidence=(
            Evidence(sent.packet, f"the client's Certificate message: {len(sent.chain)} certificates"),
            Evidence(ending.packet, f"the server {case.leaving_text}"),
        ),
        weight=1,
    )


CAUSE = Cause(
    code="client-cert-rejected",
    title="The server refused the client's certificate; why the wire does not show",
    look=look,
    covers=("unexplained", "server-closed", "server-reset"),
)
