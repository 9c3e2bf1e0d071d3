"""Asks every cause, and picks: the outcome of a connection and why.

Causes are found by walking the `causes` folder, so a new one is a new file there and nothing else.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import replace
from functools import cache
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Match
from analyzer.diagnosis.certificate import SERVER_CERTIFICATE_CODES
from analyzer.diagnosis.client_certificate import answered_request
from analyzer.diagnosis.progress import Ending
from analyzer.diagnosis.unseen import unseen
from analyzer.registry import HandshakeType
from analyzer.tls.connection import Side
from analyzer.trust.model import Fix, TrustVerdict

__all__ = ["Outcome", "catalogue", "diagnose", "page"]

_RANK: Final = {CERTAIN: 3, LIKELY: 2, POSSIBLE: 1}
_MAX_OTHERS: Final = 5
_SSLV2_ENDING: Final = 66
_OPEN: Final = frozenset({"capture-incomplete", "certificate-rejected"})
"""Causes that, be they certain, leave open why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a connection. `others` are causes that also fit, the likelier first.

    Who left is given only where it is certain that the act seen as the first was the first.
    Of a completed one that carried no data, `aborted_by` and the act are given where the client may have refused.
    """

    outcome: str
    aborted_by: str | None
    abort_packet: int | None
    abort_act: str | None
    cause: tuple[Cause, Match] | None
    others: tuple[tuple[Cause, Match], ...] = ()
    fixes: tuple[Fix, ...] = ()
    to_repair: TrustVerdict | None = None
    """The verdict on the server's chain that a repair has to turn; None when the chain is not the cause."""


@cache
def catalogue() -> dict[str, Cause]:
    """All causes by code, in alphabetical order."""
    from analyzer.diagnosis import causes

    found: dict[str, Cause] = {}
    for module in pkgutil.iter_modules(causes.__path__):
        unit = importlib.import_module(f"{causes.__name__}.{module.name}")
        cause: Cause = unit.CAUSE
        found[cause.code] = cause
    return dict(sorted(found.items()))


def page(code: str) -> str:
    """The page of a cause: its module's docstring. Raises `KeyError` for an unknown code."""
    from analyzer.diagnosis import causes

    catalogue()[code]
    unit = importlib.import_module(f"{causes.__name__}.{code.replace('-', '_')}")
    return (unit.__doc__ or "").strip()


def diagnose(case: Case) -> Outcome:
    """Say what became of a connection and why."""
    progress = case.progress
    in_data = progress.handshake_done and progress.data
    asked_client = progress.handshake_done and answered_request(case)
    if in_data and not asked_client:
        return Outcome(outcome="completed", aborted_by=None, abort_packet=None, abort_act=None, cause=None)
    if (old := _sslv2_outcome(case)) is not None:
        return Outcome(outcome=old, aborted_by=None, abort_packet=None, abort_act=None, cause=None)
    asked = [cause for cause in catalogue().values() if cause.fails_in_data or not in_data]
    matches = [(cause, match) for cause in asked if (match := cause.look(case)) is not None]
    doubts = _ranked([pair for pair in matches if pair[0].fails_in_data]) if asked_client else []
    if progress.handshake_done and not in_data:
        doubts += [pair for pair in _ranked(matches) if pair[0].fails_after_handshake and pair not in doubts]
    if progress.handshake_done:
        # What only might be is no ground to call a connection failed whose handshake completed.
        matches = [
            (cause, match) for cause, match in matches if cause.fails_after_handshake and match.confidence != POSSIBLE
        ]
    lacking = unseen(case)
    matches = _ranked(matches, doubtful=lacking.doubtful)
    if not matches:
        outcome = "completed" if progress.handshake_done else "incomplete"
        others = tuple(doubts[:_MAX_OTHERS])
        left = progress.ending if case.only_opened else _left_without_data(case, others)
        return Outcome(
            outcome=outcome,
            aborted_by=None if left is None or left.side is None else left.side.value,
            abort_packet=None if left is None else left.packet,
            abort_act=None if left is None else left.act,
            cause=None,
            others=others,
        )
    cause, match = matches[0]
    ending = match.ending or (progress.ending if lacking.first else None)
    failed = cause.code != "capture-incomplete"
    aborted_by = match.aborted_by or (ending.side.value if ending is not None and ending.side is not None else None)
    return Outcome(
        outcome="failed" if failed else "incomplete",
        aborted_by=aborted_by,
        abort_packet=ending.packet if ending is not None else None,
        abort_act=ending.act if ending is not None else ("silence" if failed and progress.ending is None else None),
        cause=(cause, match),
        others=tuple(matches[1 : 1 + _MAX_OTHERS]),
        fixes=_fixes(case, cause, matches),
        to_repair=_to_repair(case, cause),
    )


def _left_without_data(case: Case, doubts: tuple[tuple[Cause, Match], ...]) -> Ending | None:
    """The act by which the client left a completed handshake that carried nothing, when that may be a refusal."""
    refused = any(cause.fails_after_handshake and not cause.fails_in_data for cause, _ in doubts)
    return case.progress.ending if refused and case.ended_by(Side.CLIENT) else None


def _fixes(case: Case, cause: Cause, matches: list[tuple[Cause, Match]]) -> tuple[Fix, ...]:
    """The repair of a cause, and how to capture again where what is missing leaves a doubt."""
    if matches[0][1].confidence == CERTAIN and cause.code not in _OPEN:
        return cause.fixes(case)
    again = [fix for other, _ in matches[1:] if other.code == "capture-incomplete" for fix in other.fixes(case)]
    return (*cause.fixes(case), *again)


def _ranked(matches: list[tuple[Cause, Match]], *, doubtful: bool = False) -> list[tuple[Cause, Match]]:
    """The likeliest first, without those that another explains.

    Where it is `doubtful` whether the capture has what would tell, what does not stand alone is only possible.
    """
    covered = {code for cause, match in matches if match.confidence != POSSIBLE for code in cause.covers}
    kept = [(cause, match) for cause, match in matches if cause.code not in covered]
    if doubtful:
        kept = [(c, m) if c.stands_alone else (c, replace(m, confidence=POSSIBLE)) for c, m in kept]
    return sorted(kept, key=lambda pair: (_RANK[pair[1].confidence], pair[1].weight), reverse=True)


def _sslv2_outcome(case: Case) -> str | None:
    """The outcome when the server chose SSL 2.0, which is not followed any further; None when it did not.

    Its SERVER-VERIFY and SERVER-FINISHED come last, encrypted: at least 33 bytes each (1 type, 16 content, 16 MAC).
    """
    server = case.connection.halves[Side.SERVER]
    answer = next((m for m in server.seen.messages if m.sslv2 and m.type == HandshakeType.SERVER_HELLO), None)
    if answer is None or not case.connection.hellos or not case.connection.hellos[0].message.sslv2:
        return None
    sent = max(server.delivered, server.acknowledged or 0)
    return "completed" if sent - answer.length - 2 >= _SSLV2_ENDING else "incomplete"


def _to_repair(case: Case, cause: Cause) -> TrustVerdict | None:
    """The strictest verdict that names this cause: what turns it satisfies the others."""
    if cause.code not in SERVER_CERTIFICATE_CODES or not case.trust.store_given:
        return None
    naming = [v for v in case.trust.verdicts if not v.accepted and any(p.code == cause.code for p in v.problems)]
    naming += [
        replace(verdict, accepted=False, problems=verdict.stricter)
        for verdict in case.trust.verdicts
        if any(problem.code == cause.code for problem in verdict.stricter)
    ]
    return next((v for v in naming if v.profile == "openssl"), naming[0] if naming else None)
