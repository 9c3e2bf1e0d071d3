"""Client-certificate causes: what the server's refusal and the check against `--client-ca` say together."""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Evidence, Match
from analyzer.tls.connection import Side

__all__ = ["client_refused"]


def client_refused(case: Case, codes: frozenset[str], alert: int) -> Match | None:
    """A match when the server refused the client's certificate for a fault among `codes`, or with the alert for it."""
    sent = case.client_chain
    ending = case.ending
    if sent is None or not sent.chain or ending is None or not case.ended_by(Side.SERVER):
        return None
    if (ending.packet or 0) < sent.packet or case.progress.data:
        return None
    evidence = [
        Evidence(sent.packet, f"the client's Certificate message: {len(sent.chain)} certificates"),
        Evidence(ending.packet, f"the server {case.leaving_text}"),
    ]
    problem = next(
        (
            problem
            for verdict in case.client_trust.verdicts
            if not verdict.accepted
            for problem in verdict.problems[:1]
            if problem.code in codes
        ),
        None,
    )
    says_so = case.fatal_alert == alert
    if problem is None and not says_so:
        return None
    if problem is not None:
        evidence.append(Evidence(None, problem.text))
    checked = case.client_trust.store_given
    confidence = (
        CERTAIN if says_so and problem is not None and checked else (LIKELY if says_so or checked else POSSIBLE)
    )
    reason = f" {problem.text[:1].upper()}{problem.text[1:].rstrip('.')}." if problem is not None else ""
    return Match(
        confidence=confidence,
        explanation=f"After the client's certificate the server {case.leaving_text}.{reason}",
        evidence=tuple(evidence),
        weight=3,
    )
