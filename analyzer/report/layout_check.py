"""What `hsanalyze check` says: the verdict in one sentence, the chain beside the store, each validator, the repairs.

Takes a `CheckReport`, gives a `Document`.
"""

from __future__ import annotations

from collections import Counter

from analyzer.report import layout_chain, layout_trust
from analyzer.report.document import Block, Code, Document, Facts, Paragraph, Text, Verdict, cleaned
from analyzer.report.layout_inputs import problems
from analyzer.report.model import CheckFix, CheckReport
from analyzer.report.words import clock, count, listed, validators

__all__ = ["document"]


def document(report: CheckReport) -> Document:
    """Lay the report out."""
    verdict = layout_chain.decisive(report.trust, _commonest_code(report))
    blocks: list[Block] = [Verdict(text=(_sentence(report),), failed=not report.accepted)]
    lost = [problem for problem in report.problems if problem.severity == "error"]
    blocks += [Paragraph(text=(f"{problem.source}: {problem.text}",), warning=True) for problem in lost]
    blocks.append(_facts(report))
    blocks += layout_chain.server_section(report.chain, sent="As given", store=report.truststore, verdict=verdict)
    blocks += layout_trust.verdicts(report.trust)
    blocks += layout_trust.repair(report.fixes, {fix: _standing(report, fix) for fix in report.fixes})
    blocks += problems("Problems in the input", [problem for problem in report.problems if problem not in lost])
    blocks += problems("Problems in the trust store", report.truststore.problems)
    blocks += layout_chain.digests(report.chain)
    return cleaned(Document(blocks=tuple(blocks)))


def _sentence(report: CheckReport) -> str:
    what = f"the chain of {report.host or layout_chain.common_name(report.chain[0].subject)}"
    accepting = [verdict.profile for verdict in report.trust if verdict.accepted]
    refusing = [verdict.profile for verdict in report.trust if not verdict.accepted]
    if not refusing:
        unchecked = "" if report.host else ", whose names were not checked for any host"
        return f"{_who(accepting, 'accept', of=len(report.trust))} {what}{unchecked}."
    reason = _reason(report)
    if not accepting:
        return f"{_who(refusing, 'refuse', of=len(report.trust))} {what}: {reason}."
    others = f"{validators(accepting)} {'accepts' if len(accepting) == 1 else 'accept'} it"
    return f"{_who(refusing, 'refuse', of=len(report.trust))} {what}, while {others}: {reason}."


def _who(profiles: list[str], verb: str, *, of: int) -> str:
    if len(profiles) == 1:
        return f"{profiles[0]} {verb}s"
    return f"All {of} validators {verb}" if len(profiles) == of else f"{validators(profiles)} {verb}"


def _reason(report: CheckReport) -> str:
    """The decisive problem, in the words of the validator that is shown in full."""
    code = _commonest_code(report)
    verdict = layout_chain.decisive(report.trust, code)
    found = verdict.problems if verdict is not None else ()
    text = next((problem.text for problem in found if problem.code == code), code)
    return text.rstrip(".")


def _commonest_code(report: CheckReport) -> str:
    codes = Counter(verdict.problems[0].code for verdict in report.trust if verdict.problems)
    return codes.most_common(1)[0][0] if codes else ""


def _facts(report: CheckReport) -> Facts:
    rows: list[tuple[str, Text]] = []
    if report.fixes:
        fix = next((fix for fix in report.fixes if not fix.caution), report.fixes[0])
        standing = "proven" if fix.proven else "not proven"
        rows.append(("Repair", (fix.text.removesuffix("."), f" ({standing}; steps below)")))
    name = "standard input" if report.source == "-" else report.source
    rows.append(("Chain", (Code(name), f": {count(len(report.chain), 'certificate')}")))
    rows.append(("Host", _host(report)))
    sources = listed([Code(source) for source in report.truststore.sources], 10)
    certificates = f": {count(report.truststore.certificates, 'certificate')}"
    default = "" if report.store_given else " (none was named, so this machine's own; --truststore PATH names another)"
    rows.append(("Trust store", (*sources, certificates, default)))
    rows.append(("Time", (clock(report.at, date=True),)))
    return Facts(rows=tuple(rows))


def _host(report: CheckReport) -> Text:
    if report.host is None:
        return ("not checked: which name the client meant is not known; --host NAME tells it",)
    origin = "named by --host" if report.host_source == "option" else "as it stands in the input"
    return (Code(report.host), f" ({origin})")


def _standing(report: CheckReport, fix: CheckFix) -> str:
    if len(report.trust) == 1:
        return "proven: the check passes with it" if fix.proven else "not proven"
    who = validators(fix.profiles)
    if not fix.proven:
        return f"not proven, for {who}"
    refusing = sum(not verdict.accepted for verdict in report.trust)
    if len(fix.profiles) == refusing:
        return "proven: with it the check passes for all"
    return f"proven: {who} {'accepts' if len(fix.profiles) == 1 else 'accept'} with it"
