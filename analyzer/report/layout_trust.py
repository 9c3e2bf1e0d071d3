"""What the validators say of a chain, and what would turn their verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analyzer.report.document import (
    Block,
    Code,
    Column,
    Heading,
    Items,
    Listing,
    Paragraph,
    Step,
    Steps,
    Table,
    Text,
)
from analyzer.report.model import Fix, TrustVerdict
from analyzer.report.words import listed, more

__all__ = ["repair", "verdicts"]

VERDICTS = 20
FIXES = 10
COMMANDS = 40


def verdicts(trust: Sequence[TrustVerdict]) -> list[Block]:
    """Lay out who accepts and who refuses, the error that each would log, and what to know about each."""
    shown = trust[:VERDICTS]
    if not shown:
        return []
    blocks: list[Block] = []
    errors: dict[str, list[str]] = {}
    for verdict in shown:
        if verdict.error:
            errors.setdefault(verdict.error, []).append(verdict.profile)
    if len(shown) > 1:
        rows = tuple(
            (
                verdict.profile,
                "accepts" if verdict.accepted else "refuses",
                _codes(verdict),
            )
            for verdict in shown
        )
        columns = (Column("validator", 9), Column("verdict"), Column("problems", 20))
        blocks += [Heading(level=2, text=("Verdict by validator",)), Table(columns=columns, rows=rows)]
    if errors:
        title = "What the validator itself would log" if len(shown) == 1 else "What each validator itself would log"
        lines = tuple(f"{', '.join(profiles)}: {error}" for error, profiles in errors.items())
        blocks += [Heading(level=2, text=(title,)), Listing(lines=lines)]
    notes: dict[str, list[str]] = {}
    for verdict in shown:
        for note in verdict.notes[:4]:
            notes.setdefault(note, []).append(verdict.profile)
    if notes:
        blocks.append(Items(items=tuple((f"{', '.join(profiles)}: {note}",) for note, profiles in notes.items())))
    return blocks


def _codes(verdict: TrustVerdict) -> str:
    codes = ", ".join(dict.fromkeys(problem.code for problem in (verdict.problems or verdict.stricter)[:4]))
    return f"{codes} in a stricter setting" if verdict.accepted and codes else codes or "-"


def repair(fixes: Sequence[Fix], standings: Mapping[Fix, str] | None = None) -> list[Block]:
    """Lay out the repairs, the best first; `standings` says of some how far they can be relied upon."""
    if not fixes:
        return []
    blocks: list[Block] = [
        Heading(level=2, text=("Repair",)),
        Steps(steps=tuple(_step(fix, (standings or {}).get(fix)) for fix in fixes[:FIXES])),
    ]
    if len(fixes) > FIXES:
        blocks.append(Paragraph(text=(more(len(fixes) - FIXES, "repair"),)))
    return blocks


def _step(fix: Fix, standing: str | None) -> Step:
    details: list[Text] = []
    if fix.certificate and fix.certificate not in fix.text:
        details.append(("Certificate (SHA-256): ", Code(fix.certificate)))
    if fix.files:
        details.append(("Files: ", *listed([Code(name) for name in fix.files], 10)))
    commands = fix.commands[:COMMANDS]
    if len(fix.commands) > COMMANDS:
        commands += (f"# {more(len(fix.commands) - COMMANDS, 'command')}",)
    return Step(
        text=(fix.text,),
        standing=standing or _standing(fix),
        proven=fix.proven,
        details=tuple(details),
        commands=commands,
        caution=fix.caution,
    )


def _standing(fix: Fix) -> str:
    if fix.action == "supply":
        return "tells more, and repairs nothing"
    return "proven: the check passes with it" if fix.proven else "not proven"
