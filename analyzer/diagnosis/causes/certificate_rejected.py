"""The client refused the server's certificate; why is not known yet."""

from __future__ import annotations

from analyzer.diagnosis.alerts import CERTIFICATE_ALERTS
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.certificate import refusal
from analyzer.tls.connection import Side
from analyzer.trust.model import Fix


def look(case: Case) -> Match | None:
    """The client left right after the server's certificate, and nothing at hand says why."""
    left = refusal(case)
    if left is None or left.after_handshake:
        return None
    about_certificates = left.alert in CERTIFICATE_ALERTS
    evidence = [Evidence(left.packet, f"the client {left.text}")]
    chain = case.server_chain
    readable = chain is not None and bool(chain.chain)
    if not readable and not about_certificates and not case.progress.server_flight_packet:
        return None
    if readable and case.trust.store_given and case.trust.accepted_by_all:
        if not about_certificates:
            return None
        evidence.append(
            Evidence(
                None, f"yet the chain verifies against the store given ({case.trust.store_names}): a contradiction"
            )
        )
        text = (
            f"The client {left.text}, which says that it refuses the certificate; but this store would have accepted "
            "the chain. Is it the store that the client really uses, with the profile and host name that it really has?"
        )
        return Match(confidence=LIKELY, explanation=text, evidence=tuple(evidence), weight=2, headline=_headline(case))
    missing = supply(case)
    text = f"The client {left.text}. To say why, supply {missing}."
    silent_reset = left.alert is None and case.ended_by(Side.CLIENT, "rst")
    doubtful = left.unprompted or silent_reset
    confidence = CERTAIN if about_certificates else (POSSIBLE if doubtful else LIKELY)
    return Match(confidence=confidence, explanation=text, evidence=tuple(evidence), weight=1, headline=_headline(case))


def _headline(case: Case) -> str:
    connection = case.connection
    name = f"{case.trust.host} ({connection.server})" if case.trust.host else str(connection.server)
    said = f" with the alert {case.alert_text()}" if case.fatal_alert is not None else ""
    return f"The client {connection.client.address} refused the certificate of {name}{said}; why is not known yet."


def supply(case: Case) -> str:
    """What would tell the cause: the inputs that are not there."""
    chain = case.server_chain
    wanted = []
    if chain is None or not chain.chain:
        wanted.append("the key log of the session (--keylog) or the server's chain (--server-chain)")
    if not case.trust.store_given:
        wanted.append("the client's trust store (--truststore)")
    if not case.trust.host_known:
        wanted.append("the host name that the client meant (--host)")
    return ", ".join(wanted) or "the validator that the client uses (--profile or --gateway)"


def fixes(case: Case) -> tuple[Fix, ...]:
    """Say how to get what is missing."""
    chain = case.server_chain
    if chain is not None and chain.chain:
        return (Fix(action="supply", text=f"Run again with {supply(case)}."),)
    server = case.connection.server
    hello = case.connection.client_hello
    name = hello.server_name if hello is not None else None
    servername = f" -servername {name}" if name else " -noservername"
    return (
        Fix(
            action="supply",
            text=f"Run again with {supply(case)}. The chain can be taken from the server itself:",
            commands=(f"openssl s_client -connect {server}{servername} -showcerts </dev/null >chain.txt",),
        ),
    )


CAUSE = Cause(
    code="certificate-rejected",
    title="The client refused the server's certificate; why is not known yet",
    look=look,
    fixes=fixes,
    covers=("client-closed", "unexplained"),
)
