"""The server refuses the server name, or its absence."""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.registry import AlertDescription as Alert
from analyzer.tls.connection import Side


def look(case: Case) -> Match | None:
    """A fatal unrecognized_name from the server, or missing_extension for a hello without a server name."""
    ending = case.ending
    alert = case.fatal_alert
    if ending is None or ending.side is not Side.SERVER:
        return None
    hello = case.connection.client_hello
    name = hello.server_name if hello is not None else None
    if alert == Alert.UNRECOGNIZED_NAME:
        said = f"does not know the name “{name}”" if name else "wants a server name, and the client sent none"
    elif alert == Alert.MISSING_EXTENSION and hello is not None and name is None:
        said = "misses an extension; the client sent no server name"
    else:
        return None
    return Match(
        confidence=CERTAIN if alert == Alert.UNRECOGNIZED_NAME else LIKELY,
        explanation=f"The server {said}: it sent the alert {case.alert_text()}.",
        evidence=(Evidence(ending.packet, f"the server sent the alert {case.alert_text()}"),),
        weight=2,
    )


CAUSE = Cause(
    code="sni-rejected", title="The server refuses the server name, or its absence", look=look, covers=("unexplained",)
)
