"""What was wrong with the inputs."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.report.document import Block, Code, Heading, Inline, Items, Text
from analyzer.report.model import InputProblem
from analyzer.report.words import listed, more

__all__ = ["problems"]

PROBLEMS = 20


def problems(title: str, found: Sequence[InputProblem], *, limit: int = PROBLEMS) -> list[Block]:
    """List problems under a title, each with its place; nothing when there are none."""
    if not found:
        return []
    items: list[Text] = []
    for problem in found[:limit]:
        packet = f"#{problem.packet}" if problem.packet is not None else ""
        place: list[Inline] = [Code(part) for part in (problem.source or "", packet) if part]
        where: Text = (*listed(place, 2), ": ") if place else ()
        items.append((*where, problem.text, " (", Code(problem.code), ")"))
    if len(found) > limit:
        items.append((more(len(found) - limit, "problem"),))
    return [Heading(level=2, text=(title,)), Items(items=tuple(items))]
