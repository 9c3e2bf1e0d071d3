"""The parts of a cause: `Cause` is the unit, `Match` what its test finds in a case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.progress import Ending
from analyzer.trust.model import Fix

__all__ = ["CERTAIN", "LIKELY", "POSSIBLE", "Cause", "Evidence", "Match", "no_fixes"]

CERTAIN: Final = "certain"
LIKELY: Final = "likely"
POSSIBLE: Final = "possible"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation, and the frame that shows it."""

    packet: int | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A cause that fits a case. `explanation` says what happened here.

    `aborted_by` overrides who left, and `ending` by which act.

    `headline` is the one sentence that a manager reads; without it the first of the explanation is taken.

    Of several matches with the same confidence the one with the greater `weight` leads: 0 for a cause that only says
    how it ended, 1 for one that says why, 2 for one with independent evidence.
    """

    confidence: str
    explanation: str
    evidence: tuple[Evidence, ...] = ()
    weight: int = 1
    aborted_by: str | None = None
    ending: Ending | None = None
    headline: str = ""


def no_fixes(_: Case) -> tuple[Fix, ...]:
    """For causes whose repair the trust stage proves, or that have none."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One cause that one person can repair. Its page is the docstring of its module.

    `code` is the catalogue's, `title` names the fault, `look` is the test on the evidence (None: it does not fit),
    `fixes` what repairs it. `covers` names weaker causes that need not be told beside this one.
    """

    code: str
    title: str
    look: Callable[[Case], Match | None]
    fixes: Callable[[Case], tuple[Fix, ...]] = no_fixes
    covers: tuple[str, ...] = ()
    fails_after_handshake: bool = False
    """Whether this cause makes a failure of a connection whose handshake completed."""
    stands_alone: bool = False
    """Whether what shows it is no less true for what a capture lacks elsewhere."""
    fails_in_data: bool = False
    """Whether it may do so even when data went over the connection."""
