"""The packets that would tell are not in the capture."""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, POSSIBLE, Cause, Evidence, Match
from analyzer.tls.connection import Side
from analyzer.trust.model import Fix


def look(case: Case) -> Match | None:
    """Something that the verdict needs was not captured."""
    connection = case.connection
    if case.progress.handshake_done:
        return None
    reasons: list[str] = []
    packet: int | None = None
    if not connection.from_start and not connection.hellos:
        reasons.append("the capture begins in the middle of the connection")
    for side in Side:
        half = connection.halves[side]
        if half.lost:
            packet = packet or half.lost[0].packet
            missing = sum(lost.size for lost in half.lost)
            reasons.append(f"{missing} bytes of the {side.value} are missing (dropped, or cut by a snap length)")
        if not half.packets and (connection.is_tls or case.connection.halves[side.peer].packets > 1):
            reasons.append(f"nothing of the {side.value}'s direction was captured")
    if case.ending is None and not reasons:
        if not connection.is_tls:
            return None
        reasons.append("the capture ends in the middle of the handshake")
        packet = connection.last_packet
    if not reasons:
        return None
    blind = any(not connection.halves[side].packets for side in Side) or not (
        connection.from_start or connection.hellos
    )
    return Match(
        confidence=CERTAIN if case.ending is None or blind else POSSIBLE,
        explanation=f"The handshake cannot be judged: {'; '.join(reasons)}.",
        evidence=tuple(Evidence(packet, reason) for reason in reasons),
        weight=1 if blind else 0,
    )


def fixes(case: Case) -> tuple[Fix, ...]:
    """How to capture again."""
    client, server = case.connection.client, case.connection.server
    return (
        (
            Fix(
                action="capture-again",
                text="Capture both directions, whole packets, from before the connection is opened until after "
                "it ends:",
                commands=(f"tcpdump -i any -s 0 -w again.pcap 'host {server.address} and port {server.port}'",),
            ),
        )
        if client
        else ()
    )


CAUSE = Cause(
    code="capture-incomplete", title="The packets that would tell are not in the capture", look=look, fixes=fixes
)
