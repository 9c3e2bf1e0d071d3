"""The server wants a client certificate, and the client sent none."""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.registry import AlertDescription as Alert
from analyzer.tls.connection import Side
from analyzer.trust.model import Fix


def look(case: Case) -> Match | None:
    """The client answered the CertificateRequest with an empty Certificate, and the server refused."""
    if not case.ended_by(Side.SERVER):
        return None
    asked = case.connection.certificate_request_packet
    sent = case.client_chain
    alert = case.fatal_alert
    ending = case.ending
    packet = ending.packet if ending is not None else None
    if alert == Alert.CERTIFICATE_REQUIRED:
        evidence = [Evidence(packet, f"the server sent the alert {case.alert_text()}")]
        confidence = CERTAIN
    elif (
        asked is not None
        and (sent is None or not sent.chain)
        and case.progress.stage in ("client-flight", "after-handshake")
    ):
        evidence = [Evidence(asked, "the server's CertificateRequest")]
        if sent is not None:
            evidence.append(Evidence(sent.packet, "the client's Certificate message holds no certificate"))
        evidence.append(Evidence(packet, f"the server {case.leaving_text}"))
        confidence = (
            CERTAIN if alert in (Alert.HANDSHAKE_FAILURE, Alert.BAD_CERTIFICATE, Alert.NO_CERTIFICATE) else LIKELY
        )
    elif case.progress.server_refused and case.progress.empty_client_certificate is not None:
        evidence = [
            Evidence(case.progress.empty_client_certificate, "a record as long as a Certificate without a certificate"),
            Evidence(packet, "the server answered the client's Finished with a record as long as an alert, and left"),
        ]
        confidence = LIKELY
    else:
        return None
    names = authorities(case)
    wanted = f" It accepts certificates issued by {names}." if names else ""
    return Match(
        confidence=confidence,
        explanation=f"The server asked for a client certificate, the client sent none, and the server refused.{wanted}",
        evidence=tuple(evidence),
        weight=3,
    )


def fixes(case: Case) -> tuple[Fix, ...]:
    """What the client has to be given."""
    names = authorities(case)
    issued = f" issued by {names}" if names else " that the server accepts"
    return (Fix(action="configure", text=f"Configure the client with a certificate{issued}, and its private key."),)


def authorities(case: Case) -> str:
    """The CAs that the request names, for a sentence."""
    request = case.connection.certificate_request
    names = request.authority_names if request is not None else ()
    return "; ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


CAUSE = Cause(
    code="client-cert-missing",
    title="The server wants a client certificate, and the client sent none",
    look=look,
    fixes=fixes,
    fails_after_handshake=True,
    covers=("unexplained", "handshake-integrity"),
)
