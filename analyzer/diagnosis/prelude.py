"""What the causes about refused tunnels and refused STARTTLS have in common, and how to reach such a server by hand."""

from __future__ import annotations

from shlex import quote
from typing import Final

from analyzer.diagnosis.case import Case, seconds
from analyzer.diagnosis.cause import Evidence, Match
from analyzer.diagnosis.progress import Ending
from analyzer.tls.connection import Connection, Side
from analyzer.tls.prelude.model import Kind, Layer, State

__all__ = ["COVERED", "refused", "s_client"]

COVERED: Final = (
    "capture-incomplete",
    "client-closed",
    "not-tls",
    "server-closed",
    "server-reset",
    "server-silent",
    "unexplained",
)
"""Weaker causes: how it ended, where a refusal says why."""
_WATCHED_NS: Final = 1_000_000_000
"""Who has not answered for this long is silent."""


def refused(case: Case, kind: Kind, *, what: str, who: str, why: str, sure: str, unsure: str) -> Match | None:
    """A match when the innermost layer is of that kind and was refused, or never answered.

    `what` was asked for, of `who`; `why` is the sentence behind the refusal. `sure` is the confidence when there is an
    answer, `unsure` when there is none.
    """
    prelude = case.connection.prelude
    if prelude is None or prelude.last.kind is not kind or case.connection.halves[Side.SERVER].is_tls:
        return None
    layer = prelude.last
    if layer.asked is None:
        return None
    evidence = [Evidence(layer.asked.packet, f"the client asked: {layer.protocol}: {layer.asked.text}")]
    # A ClientHello behind it shows that the answer came, and only the capture lacks it.
    if layer.state is State.UNANSWERED and prelude.whole and not case.connection.hellos:
        return _unanswered(case, layer, evidence, what=what, who=who, unsure=unsure)
    if layer.state is not State.REFUSED or layer.refusal is None:
        return None
    evidence.append(Evidence(layer.refusal.packet, f"{who} answered: {layer.refusal.text}"))
    on = ""
    if layer.in_clear is not None:
        evidence.append(Evidence(layer.in_clear.packet, f"the client went on without TLS: {layer.in_clear.text}"))
        on = " The client went on in clear text."
    text = f"{who[0].upper()}{who[1:]} {case.connection.server} refused {what}: {layer.refusal.text.rstrip('.')}."
    return Match(
        confidence=sure,
        explanation=f"{text} {why}{on}",
        evidence=tuple(evidence),
        weight=4,
        headline=f"{text[:-1]}{'; the client went on in clear text' if on else ''}.",
        ending=_at_the_refusal(case, layer),
    )


def s_client(connection: Connection) -> str:
    """The command by which OpenSSL comes to the same server in the same way, without the name that it asks for."""
    prelude = connection.prelude
    server = str(connection.server)
    if prelude is None:
        return f"openssl s_client -connect {server}"
    tunnel = next((layer for layer in reversed(prelude.layers) if layer.kind is Kind.TUNNEL), None)
    if tunnel is not None and tunnel.target is not None:
        proxy = f"-proxy {server} " if tunnel.protocol == "HTTP" else ""
        server = f"{proxy}-connect {quote(str(tunnel.target))}"
    else:
        server = f"-connect {server}"
    option = prelude.last.option
    return f"openssl s_client {f'-starttls {option} ' if option else ''}{server}"


def _unanswered(
    case: Case, layer: Layer, evidence: list[Evidence], *, what: str, who: str, unsure: str
) -> Match | None:
    """The server left in place of an answer, or the client had waited for one long enough."""
    asked, ending = layer.asked, case.ending
    if asked is None:
        return None
    last = ending.time_ns if ending is not None and ending.time_ns is not None else case.capture_end_ns
    waited = last - asked.time_ns
    left = ending is not None and ending.side is Side.SERVER
    if not left and waited < _WATCHED_NS:
        return None
    how = case.leaving_text if left else f"did not answer in {seconds(waited)}"
    evidence.append(Evidence(ending.packet if ending is not None else None, f"{who if left else 'no answer:'} {how}"))
    text = f"{who[0].upper()}{who[1:]} {case.connection.server} {how} when the client asked for {what}."
    return Match(
        confidence=unsure,
        explanation=f"{text} Nothing says why; its own log does.",
        evidence=tuple(evidence),
        weight=2,
        headline=text,
    )


def _at_the_refusal(case: Case, layer: Layer) -> Ending | None:
    """The refusal itself ends it where the connection went on, or was not seen to end."""
    if layer.refusal is None or (layer.in_clear is None and case.ending is not None):
        return None
    return Ending(act=None, side=Side.SERVER, packet=layer.refusal.packet, time_ns=None)
