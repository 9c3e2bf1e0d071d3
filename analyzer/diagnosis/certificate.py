"""Server-certificate causes: the client's leaving and the validators' verdicts, weighed together.

All these causes share one test. The client must have left at a moment at which clients refuse a certificate: right
after the server's flight, or after a completed handshake without sending data (nginx, Node, wget, and curl for the
host name look at the verdict only then). The verdict then says which cause; an alert that names a class of faults
picks among several problems; the confidence is what is left after everything that speaks against it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.alerts import CERTIFICATE_ALERTS, SPECIFIC
from analyzer.diagnosis.case import Case, seconds
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.key_logs import key_log_fix
from analyzer.diagnosis.progress import PROMPT_NS
from analyzer.diagnosis.stacks import Library, library_of, validators_behind
from analyzer.diagnosis.unseen import may_have_had_certificate
from analyzer.registry import AlertDescription, alert_name
from analyzer.tls.connection import Side
from analyzer.tls.messages import is_tls13
from analyzer.trust.certificate import Certificate, printable
from analyzer.trust.model import Fix, TrustProblem, TrustVerdict

__all__ = [
    "OF_THE_CHAIN",
    "OF_THE_STORE",
    "SERVER_CERTIFICATE_CODES",
    "Refusal",
    "certificate_cause",
    "refusal",
    "refused",
]

SERVER_CERTIFICATE_CODES: Final = frozenset(
    {
        "missing-root",
        "missing-intermediate",
        "self-signed-leaf",
        "root-key-mismatch",
        "anchor-not-self-signed",
        "expired-leaf",
        "expired-intermediate",
        "expired-root",
        "not-yet-valid",
        "hostname-mismatch",
        "hostname-only-in-cn",
        "wrong-key-usage",
        "issuer-not-ca",
        "path-too-long",
        "name-constraint-violation",
        "unknown-critical-extension",
        "weak-key",
        "weak-signature",
        "wrong-chain-order",
        "chain-too-long",
        "bad-signature",
        "revoked",
        "malformed-certificate",
    }
)
_NEVER: Final = 1 << 62
_NEED_STORE: Final = frozenset(
    {
        "missing-root",
        "missing-intermediate",
        "self-signed-leaf",
        "root-key-mismatch",
        "anchor-not-self-signed",
        "expired-root",
        "chain-too-long",
    }
)
OF_THE_STORE: Final = _NEED_STORE - {"chain-too-long"}
"""The causes that depend on what the store holds."""
OF_THE_CHAIN: Final = SERVER_CERTIFICATE_CODES - {"hostname-mismatch", "hostname-only-in-cn", "malformed-certificate"}
"""The causes that a client does not see that takes any chain and compares the name alone."""
"""Causes that only the gateway's own store or settings decide."""
_OF_THE_REST: Final = frozenset({"missing-root", "missing-intermediate", "root-key-mismatch", "anchor-not-self-signed"})
"""Causes that need the whole chain as it was sent: a certificate that the capture lacks may be the missing one."""
_NAME_AN_ISSUER: Final = frozenset({"missing-root", "missing-intermediate", "root-key-mismatch"})
_GENERIC: Final = ("certificate-rejected", "client-closed", "handshake-integrity", "unexplained")
_OTHER_ALERTS: Final = frozenset(
    {
        AlertDescription.HANDSHAKE_FAILURE,
        AlertDescription.INTERNAL_ERROR,
        AlertDescription.DECRYPT_ERROR,
        AlertDescription.ILLEGAL_PARAMETER,
        AlertDescription.CERTIFICATE_REQUIRED,
        AlertDescription.CLOSE_NOTIFY,
        AlertDescription.USER_CANCELED,
    }
)
"""Alerts that are not about certificates by definition, and that some stacks send for them all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The client left at a moment at which clients refuse a certificate.

    `after_handshake`: it finished the handshake first. `unprompted`: the moment alone does not tell a refusal from
    any other leaving (no certificate alert, and it came late, or not at the usual place). `library` is the client's,
    as its ClientHello lets guess; `tls13` whether the alert was one of TLS 1.3.
    """

    packet: int | None
    after_handshake: bool
    alert: int | None
    unprompted: bool
    text: str
    library: Library | None = None
    tls13: bool = False


@lru_cache(maxsize=4)
def refusal(case: Case) -> Refusal | None:
    """Whether the client left as one leaves who refuses the server's certificate."""
    ending = case.ending
    progress = case.progress
    if ending is None or ending.side is not Side.CLIENT or progress.data:
        return None
    chain = case.server_chain
    encrypted = is_tls13(case.connection.version)
    if not encrypted and case.connection.halves[Side.CLIENT].application_count:
        return None  # it sent data ahead of the server's Finished (RFC 7918), so the certificate was good enough
    alert = case.fatal_alert
    after_handshake = progress.stage == "after-handshake"
    came = progress.certificate_came or (after_handshake and may_have_had_certificate(case))
    readable = (chain is not None and chain.chain) or encrypted or case.trust.verdicts or (after_handshake and came)
    if not readable and alert not in CERTIFICATE_ALERTS:
        return None
    if alert is not None and alert not in CERTIFICATE_ALERTS | _OTHER_ALERTS:
        return None
    if alert not in CERTIFICATE_ALERTS and not came:
        return None
    flight = progress.server_flight_packet
    unseen_flight = after_handshake and flight is None
    if alert not in CERTIFICATE_ALERTS and not unseen_flight and (ending.packet or 0) < (flight or _NEVER):
        return None
    late = (case.waited_ns or 0) > PROMPT_NS
    library = library_of(case.connection.client_hello)
    if after_handshake:
        text = "finished the handshake, sent no application data, and " + _left(case)
        return Refusal(
            packet=ending.packet,
            after_handshake=True,
            alert=alert,
            unprompted=late,
            text=text,
            library=library,
            tls13=encrypted,
        )
    unusual = progress.stage == "client-flight" and alert not in CERTIFICATE_ALERTS
    gap = ""
    if case.waited_ns is not None and flight is not None:
        what = "certificate" if progress.certificate_came else "first messages"
        gap = f" {seconds(case.waited_ns)} after the server's {what}"
    return Refusal(
        packet=ending.packet,
        after_handshake=False,
        alert=alert,
        unprompted=alert not in CERTIFICATE_ALERTS and (late or unusual),
        text=f"{_left(case)}{gap}",
        library=library,
        tls13=encrypted,
    )


@lru_cache(maxsize=4)
def refused(case: Case) -> dict[str, Match]:
    """The server-certificate causes that fit, by code."""
    left = refusal(case)
    if left is None:
        return {}
    if case.trust.revoked is not None:
        return {"revoked": _revoked(case, left)}
    rejecting = [verdict for verdict in map(_answerable(case, left), case.trust.verdicts) if verdict is not None]
    preferred = _preferred(case, left)
    strict = [v for v in map(_stricter, case.trust.verdicts) if v is not None and v.profile in preferred]
    considered = [verdict for verdict in rejecting if verdict.profile in preferred]
    asked = len([v for v in case.trust.verdicts if v.profile in preferred])
    settings = not considered and bool(strict)
    if settings:
        # None of this library's validators refuses as such; in a usual stricter setting they do.
        considered = rejecting = strict
    elif not considered:
        considered, asked = rejecting, len(case.trust.verdicts)
    if not rejecting:
        return {}
    decisive = Counter(_decisive(verdict, left).code for verdict in considered)
    leader, _ = max(decisive.items(), key=lambda item: item[1])
    found: dict[str, Match] = {}
    for verdict in sorted(rejecting, key=lambda v: v not in considered):
        for problem in verdict.problems:
            if problem.code in found or problem.code not in SERVER_CERTIFICATE_CODES:
                continue
            leads = problem.code == leader
            confidence = _confidence(case, left, problem.code, considered, asked) if leads else POSSIBLE
            if settings and confidence == CERTAIN:
                confidence = LIKELY
            found[problem.code] = _match(case, left, verdict, problem, confidence, leads=leads)
    return found


def _stricter(verdict: TrustVerdict) -> TrustVerdict | None:
    """The same validator's verdict in its stricter setting, when that refuses what it accepts."""
    if not verdict.accepted or not verdict.stricter:
        return None
    return replace(verdict, accepted=False, problems=verdict.stricter)


def certificate_cause(code: str, title: str, *, covers: tuple[str, ...] = ()) -> Cause:
    """A cause whose test is the shared one."""

    def look(case: Case) -> Match | None:
        match = refused(case).get(code)
        return None if match is None else replace(match, headline=_headline(case, code, title))

    return Cause(
        code=code, title=title, look=look, fixes=_fixes, covers=(*_GENERIC, *covers), fails_after_handshake=True
    )


def _fixes(case: Case) -> tuple[Fix, ...]:
    """What would make sure of a chain that is not certainly the one that was sent."""
    return () if case.trust.chain.is_sure or not case.trust.chain.certificates else (key_log_fix(case),)


def _left(case: Case) -> str:
    ending = case.ending
    if ending is not None and ending.act == "alert" and ending.encrypted and case.progress.handshake_done:
        return "closed the connection with an encrypted alert (a close_notify, by its place)"
    return case.leaving_text


def _preferred(case: Case, left: Refusal) -> set[str]:
    """The profiles that may be behind this client, when several were asked: by its ClientHello, then by its alert."""
    every = {verdict.profile for verdict in case.trust.verdicts}
    if case.trust.profile_named:
        return every
    if left.library is not None and every & set(left.library.profiles):
        return every & set(left.library.profiles)
    if left.alert is None:
        return every
    return every & validators_behind(left.alert) or every


def _named(left: Refusal) -> frozenset[str] | None:
    """The causes that the alert is for: by the client's library, else by the RFC; None when it is for anything."""
    if left.alert is None:
        return None
    if left.library is not None:
        if left.alert in left.library.for_anything:
            return None
        if left.alert in left.library.alerts:
            return left.library.alerts[left.alert]
    return SPECIFIC.get(left.alert)


def _excluded(left: Refusal) -> frozenset[str]:
    """The causes for which the client's library sends another alert than the one it sent for anything else.

    In TLS 1.3 libraries differ in this from version to version (Java before 25), so nothing is excluded.
    """
    if left.alert is None or left.library is None or left.tls13:
        return frozenset()
    return left.library.for_anything.get(left.alert, frozenset())


def _decisive(verdict: TrustVerdict, left: Refusal) -> TrustProblem:
    """The problem that the client saw: the one that the alert names, else the one that this validator reports first."""
    named = _named(left)
    if named is not None:
        return next((problem for problem in verdict.problems if problem.code in named), verdict.problems[0])
    excluded = _excluded(left)
    return next((problem for problem in verdict.problems if problem.code not in excluded), verdict.problems[0])


def _confidence(case: Case, left: Refusal, code: str, considered: list[TrustVerdict], asked: int) -> str:
    """How sure: at most likely, by an alert that names it, where there is a reason to doubt it."""
    found = _weighed(case, left, code, considered, asked)
    if case.trust.doubt(code) is None or found == POSSIBLE:
        return found
    return LIKELY if code in (_named(left) or ()) else POSSIBLE


def _weighed(case: Case, left: Refusal, code: str, considered: list[TrustVerdict], asked: int) -> str:
    """How sure: certain only when the verdicts agree, the inputs are the gateway's own, and the wire fits.

    `considered` are those of the `asked` profiles that refuse. A client that refuses by an alert about certificates is
    none of the others; one that leaves without a word may be.
    """
    named = _named(left)
    incomplete = case.server_chain is not None and not case.server_chain.complete and case.trust.chain.is_read
    if incomplete and code in _OF_THE_REST:
        return POSSIBLE
    if code in _NEED_STORE and not case.trust.store_given:
        return LIKELY if named is not None and code in named else POSSIBLE
    some_accept = len(considered) < asked
    agree = all(_decisive(v, left).code == code for v in considered)
    contradicted = (named is not None and code not in named) or code in _excluded(left)
    doubts = (
        (not agree)
        + some_accept
        + (2 * len(considered) < asked and left.alert not in CERTIFICATE_ALERTS)
        + contradicted
        + left.after_handshake
        + left.unprompted
        + (not case.trust.chain.is_sure)
        + (case.trust.store_partial and code in _NEED_STORE)
        + (left.alert is None and not case.trust.store_given)
        + (left.alert is not None and left.alert not in CERTIFICATE_ALERTS and code not in (named or ()))
    )
    if case.trust.chain.agrees is False:
        return POSSIBLE
    if case.trust.chain.nearly and code not in _OF_THE_REST:
        return POSSIBLE  # what is wrong with one certificate says nothing of another
    if doubts == 0:
        return CERTAIN
    if some_accept and left.after_handshake:
        return POSSIBLE  # equal to an idle connection of a client that accepts
    return LIKELY if doubts <= 2 or (not some_accept and not left.unprompted) else POSSIBLE


def _answerable(case: Case, left: Refusal) -> Callable[[TrustVerdict], TrustVerdict | None]:
    """Verdicts that refuse, without what an unknown store cannot answer (unless the alert says it is the store).

    What the client does not check, by its configuration, counts only where nothing else is wrong.
    """
    unchecked = {code for doubt in case.trust.doubts if doubt.unchecked for code in doubt.codes}

    def reduce(verdict: TrustVerdict) -> TrustVerdict | None:
        if verdict.accepted or not verdict.problems:
            return None
        checked = tuple(problem for problem in verdict.problems if problem.code not in unchecked)
        if checked and len(checked) < len(verdict.problems):
            verdict = replace(verdict, problems=checked, error=None)
        if case.trust.store_given or left.alert == AlertDescription.UNKNOWN_CA:
            return verdict
        problems = tuple(problem for problem in verdict.problems if problem.code not in _NEED_STORE)
        return replace(verdict, problems=problems, error=None) if problems else None

    return reduce


def _match(
    case: Case, left: Refusal, verdict: TrustVerdict, problem: TrustProblem, confidence: str, *, leads: bool
) -> Match:
    evidence = [Evidence(left.packet, f"the client {left.text}")]
    chain = case.server_chain
    evidence += [Evidence(packet, text) for packet, text in case.trust.chain.evidence]
    if chain is not None and chain.chain:
        count = len(chain.chain)
        evidence.append(
            Evidence(chain.packet, f"the server's Certificate message: {count} certificate{'s' if count != 1 else ''}")
        )
    evidence.append(Evidence(None, problem.text))
    if verdict.error and problem is verdict.problems[0]:
        evidence.append(Evidence(None, f"the {verdict.profile} validator, run on this chain, says: {verdict.error}"))
    evidence += _alert_evidence(left, problem.code)
    doubt = case.trust.doubt(problem.code)
    if doubt is not None:
        evidence.append(Evidence(None, doubt.text))
    if left.library is not None and not case.trust.profile_named and len(case.trust.verdicts) > 1:
        text = f"the ClientHello is written as {left.library.name} writes it"
        evidence.append(Evidence(case.connection.hellos[0].packet, text))
    if case.trust.staple is not None:
        evidence.append(Evidence(None, case.trust.staple))
    against = [v.profile for v in case.trust.verdicts if v.accepted]
    if leads and against:
        evidence.append(Evidence(None, f"these validators would accept the chain: {', '.join(sorted(against))}"))
    weight = 2 if problem.code in (_named(left) or ()) else 1
    return Match(
        confidence=confidence,
        explanation=_explanation(case, left, problem),
        evidence=tuple(evidence),
        weight=weight + leads,
    )


def _explanation(case: Case, left: Refusal, problem: TrustProblem) -> str:
    text = f"The client {left.text}. {problem.text[:1].upper()}{problem.text[1:]}"
    text = text.rstrip(".") + "."
    if problem.code in _NEED_STORE and not case.trust.store_given:
        text += " No trust store was given, so this rests on the chain and the alert alone: name it with --truststore."
    elif problem.code in _NEED_STORE and case.trust.store_partial:
        text += " A part of the trust store could not be read, so what is missing may be in it: see the problems below."
    doubt = case.trust.doubt(problem.code)
    if doubt is not None:
        text += f" But {doubt.text}."
    if left.after_handshake:
        text += (
            " On the wire this equals an idle connection that was closed; the verdict and the missing data speak for a"
            " validator that looks at the result after the handshake."
        )
    return text


def _headline(case: Case, code: str, title: str) -> str:
    connection = case.connection
    name = f"{case.trust.host} ({connection.server})" if case.trust.host else str(connection.server)
    issuer = _last_issuer(case, code) if code in _NAME_AN_ISSUER else ""
    fault = f"{title[:1].lower()}{title[1:]}" + (f" “{issuer}”" if issuer else "")
    return f"The client {connection.client.address} refused the certificate of {name}: {fault}."


def _last_issuer(case: Case, code: str) -> str:
    """Common name of the issuer at which the path ends, by the first verdict with this code."""
    ends = [v.path[-1] for v in case.trust.verdicts if v.path and any(p.code == code for p in v.problems)]
    for der in case.trust.chain.certificates:
        certificate = Certificate.parse(der)
        if ends and certificate.sha256 == ends[0]:
            names = certificate.issuer.common_names
            return printable(names[0]) if names else ""
    return ""


def _alert_evidence(left: Refusal, code: str) -> list[Evidence]:
    if left.alert is None:
        return []
    name = f"{alert_name(left.alert)} ({left.alert})"
    named, library = _named(left), left.library
    measured = library is not None and left.alert in (*library.alerts, *library.for_anything)
    sends = f"{library.name} sends" if library is not None and measured else ""
    if code in _excluded(left):
        text = f"the alert {name} speaks against it: {sends} another for this fault"
    elif named is None:
        text = f"the alert {name} fits, and says no more: {sends or 'several stacks send'} it for any fault"
    elif code in named:
        text = f"the alert {name} is the one that {sends or 'the RFC has'} for this class of faults"
    else:
        text = f"the alert {name} speaks against it: {sends or 'the RFC has'} it for another class of faults"
    return [Evidence(left.packet, text)]


def _revoked(case: Case, left: Refusal) -> Match:
    certain = left.alert in CERTIFICATE_ALERTS or (left.alert is None and not left.after_handshake)
    text = case.trust.revoked or ""
    return Match(
        confidence=CERTAIN if certain else LIKELY,
        explanation=f"The client {left.text}. {text.rstrip('.')}.",
        evidence=(Evidence(left.packet, f"the client {left.text}"), Evidence(None, text)),
        weight=3,
    )
