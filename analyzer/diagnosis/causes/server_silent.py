"""The server never answered the ClientHello."""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case, seconds
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.tls.connection import Side

_WATCHED_NS: Final = 1_000_000_000
"""A server that has not answered for this long is silent; a healthy one answers within milliseconds."""


def look(case: Case) -> Match | None:
    """The ClientHello was sent, nothing came back, and the client gave up or the capture ended."""
    connection = case.connection
    server = connection.halves[Side.SERVER]
    if not connection.hellos or server.is_tls or server.bytes or not server.packets:
        return None
    ending = case.ending
    if ending is not None and ending.side is Side.SERVER:
        return None
    hello = connection.hellos[0]
    last = ending.time_ns if ending is not None and ending.time_ns is not None else case.capture_end_ns
    waited = last - hello.time_ns
    repeats = [again.packet for again in connection.halves[Side.CLIENT].retransmissions]
    if waited < _WATCHED_NS and not repeats:
        return None
    acknowledged = bool(server.last_ack >= 0 and (connection.halves[Side.CLIENT].acknowledged or 0) > 0)
    evidence = [Evidence(hello.packet, "the ClientHello")]
    if acknowledged:
        evidence.append(Evidence(server.last_packet, "the server's TCP acknowledged it, and nothing more came"))
    if repeats:
        evidence.append(Evidence(repeats[0], f"the ClientHello was sent again {len(repeats)} times"))
    gave_up = ""
    if ending is not None:
        evidence.append(Evidence(ending.packet, f"the client gave up after {seconds(waited)}"))
        gave_up = f" The client gave up after {seconds(waited)}."
    state = "acknowledged by the server's TCP" if acknowledged else "not even acknowledged"
    return Match(
        confidence=CERTAIN if acknowledged else LIKELY,
        explanation=f"The ClientHello was {state}, and no byte came back in {seconds(waited)}.{gave_up} The process "
        "behind the port hangs or is overloaded, or a box in between accepts connections that nobody serves.",
        evidence=tuple(evidence),
        weight=2,
        aborted_by="client" if ending is not None else "network",
    )


CAUSE = Cause(
    code="server-silent",
    title="The server never answered the ClientHello",
    look=look,
    covers=("client-closed", "unexplained", "capture-incomplete"),
)
