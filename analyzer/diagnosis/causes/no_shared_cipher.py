"""Client and server have no cipher suite, group or signature algorithm in common."""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import cipher_suite_name, group_name, is_grease
from analyzer.tls.connection import Side


def look(case: Case) -> Match | None:
    """An alert handshake_failure or insufficient_security in answer to a hello."""
    ending = case.ending
    alert = case.fatal_alert
    if ending is None or ending.side is None or alert not in (Alert.HANDSHAKE_FAILURE, Alert.INSUFFICIENT_SECURITY):
        return None
    before = case.progress.stage in ("client-hello", "server-flight")
    if not before or (ending.side is Side.CLIENT and case.server_chain is not None):
        return None
    if ending.side is Side.SERVER and case.progress.stage != "client-hello":
        return None
    hello = case.connection.client_hello
    offered = ""
    if hello is not None:
        names = [cipher_suite_name(suite) for suite in hello.cipher_suites if not is_grease(suite)]
        groups = [group_name(group) for group in hello.supported_groups if not is_grease(group)]
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        offered = f" The client offered {', '.join(names[:8])}{more}"
        offered += f", with the groups {', '.join(groups[:6])}." if groups else "."
    specific = alert == Alert.INSUFFICIENT_SECURITY
    return Match(
        confidence=CERTAIN if specific else LIKELY,
        explanation=f"The {ending.side.value} answered the hello with the alert {case.alert_text()}: by the RFC "
        f"it found "
        f"no acceptable set of security parameters.{offered}",
        evidence=(Evidence(ending.packet, f"the {ending.side.value} sent the alert {case.alert_text()}"),),
        weight=2,
    )


CAUSE = Cause(
    code="no-shared-cipher",
    title="Client and server have no cipher suite, group or signature algorithm in common",
    look=look,
    covers=("unexplained",),
)
