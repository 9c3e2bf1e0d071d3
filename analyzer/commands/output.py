"""Where words go: the report to standard output or a file, diagnostics to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from analyzer.errors import InputError

if TYPE_CHECKING:
    from analyzer.report.document import Document
    from analyzer.report.model import InputProblem

__all__ = ["Terminal", "rendered", "say", "tell", "terminal", "write"]


class Terminal(TypedDict, total=False):
    """How text is set; empty where it does not go to a terminal."""

    width: int
    colour: bool


def write(text: str | Iterable[str], output: str | None) -> None:
    """Write the report, whole or in parts, to the file `output`, or to standard output for None and `-`.

    A text is ended by a newline. Raises `InputError`.
    """
    parts = text
    if isinstance(text, str):
        parts = (text if not text or text.endswith("\n") else f"{text}\n",)
    if output is None or output == "-":
        for part in parts:
            sys.stdout.buffer.write(part.encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
        return
    try:
        with Path(output).open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(parts)
    except OSError as error:
        raise InputError(output, f"the report cannot be written: {error.strerror or error}") from None


def say(text: str) -> None:
    """Print one line of diagnostics."""
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    print(f"hsanalyze: {printable}", file=sys.stderr)  # noqa: T201 - the one place that speaks to standard error


def tell(problems: Iterable[InputProblem]) -> bool:
    """Print the problems of the inputs but for mere notes; whether a part of an input was lost."""
    lost = False
    for problem in problems:
        place = f"{problem.source}: " if problem.source else ""
        if problem.severity != "note":
            say(f"{problem.severity}: {place}{problem.text}")
        lost |= problem.severity == "error"
    return lost


def terminal(output: str | None) -> Terminal:
    """The width of the terminal that text goes to, and whether it takes colours."""
    if output is not None or not sys.stdout.isatty():
        return {}
    import shutil

    width = max(60, min(shutil.get_terminal_size().columns, 140))
    return {"width": width, "colour": "NO_COLOR" not in os.environ}


def rendered(document: Document, form: str, output: str | None) -> str:
    """Render a document as text or Markdown."""
    if form == "markdown":
        from analyzer.report import to_markdown

        return to_markdown.render(document)
    from analyzer.report import to_text

    return to_text.render(document, **terminal(output))
