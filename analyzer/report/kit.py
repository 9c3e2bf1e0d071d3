"""The repair kit in the report: which files belong to which repair, and the steps to install them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from analyzer.errors import InputError
from analyzer.gateways import Product
from analyzer.gateways.kit import Kit, Part, build
from analyzer.gateways.repairable import Repairable
from analyzer.outputs import write_new
from analyzer.report.connections import Connections
from analyzer.report.model import Fix, InputProblem, KitFileInfo, RepairKit, Report
from analyzer.report.wording import front_legs

__all__ = ["with_kit"]


def with_kit(
    report: Report,
    product: Product | None,
    repaired: Mapping[int, Repairable],
    fix_dir: str | Path | None,
    *,
    anonymous: bool,
) -> Report:
    """The report with the steps of its repair kit, which is written to `fix_dir` where that is named.

    `repaired` has what there is to repair, by connection: the weightiest finding comes first in the kit. `anonymous`:
    the names of its files tell nothing.
    """
    everything = Connections.of(report.connections)
    front = front_legs(everything) if product is not None else frozenset()
    by_id = {kind.id: kind for kind in everything.kinds if kind.id in repaired and kind.id not in front}
    members = [by_id[number] for finding in report.findings for number in finding.connections if number in by_id]
    places: dict[int, int] = {}
    cases: list[Repairable] = []
    for item in members:
        question = repaired[item.id]
        if id(question) not in places and item.cause is not None:
            places[id(question)] = len(cases)
            cases.append(replace(question, server=item.server, code=item.cause.code))
    directory = None if fix_dir is None else str(fix_dir)
    kit = build(cases, product, directory=directory or "", anonymous=anonymous)
    problem = None
    if directory is not None and kit.files:
        problem = _not_written(directory, kit)
    written = directory if problem is None else None
    told: dict[tuple[int, int], tuple[Fix, ...]] = {}
    connections = {}
    for item in members:
        key = places[id(repaired[item.id])], id(item.fixes)
        if key not in told:
            told[key] = _told(item.fixes, kit.parts[key[0]], written)
        connections[item.id] = replace(item, fixes=told[key])
    return replace(
        report,
        connections=everything.with_kinds([connections.get(kind.id, kind) for kind in everything.kinds]),
        repair_kit=None if directory is None else _summary(kit, directory, problem),
    )


def _told(fixes: tuple[Fix, ...], part: Part, directory: str | None) -> tuple[Fix, ...]:
    """The steps stand with the first of the fixes that are applied together, the files with each of them."""
    applied = [remedy.fix for remedy in part.applied] or list(fixes[:1])
    files = () if directory is None else tuple(f"{directory.rstrip('/')}/{name}" for name in part.files)
    told = []
    for fix in fixes:
        if fix not in applied:
            told.append(fix)
            continue
        commands = part.commands if fix == applied[0] else ()
        told.append(replace(fix, commands=(*fix.commands, *commands), files=(*fix.files, *files)))
    return tuple(told)


def _not_written(directory: str, kit: Kit) -> InputProblem | None:
    """Write the files of the kit; what stood in the way, None when all are there."""
    try:
        write_new(directory, {file.name: file.data for file in kit.files})
    except InputError as error:
        hint = f". {error.hint}" if error.hint else ""
        return InputProblem(code="kit-not-written", text=f"{error.reason}{hint}", source=error.source)
    return None


def _summary(kit: Kit, directory: str, problem: InputProblem | None) -> RepairKit:
    written = kit.files if problem is None else ()
    return RepairKit(
        directory=directory,
        files=tuple(KitFileInfo(name=file.name, text=file.text, certificates=file.certificates) for file in written),
        left_out=tuple(dict.fromkeys(part.refused for part in kit.parts if part.refused)),
        problems=() if problem is None else (problem,),
    )
