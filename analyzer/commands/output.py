"""Where words go: the report to standard output or a file, diagnostics to standard error."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

from analyzer.errors import InputError

if TYPE_CHECKING:
    from analyzer.report.document import Document
    from analyzer.report.model import InputProblem

__all__ = ["Terminal", "keep_inputs", "rendered", "say", "tell", "terminal", "write"]


REPORT_SUFFIXES: Final = {".md": "markdown", ".json": "json", ".ndjson": "ndjson", ".txt": "text"}
"""Of report files, and the format that each stands for."""


class Terminal(TypedDict, total=False):
    """How text is set; empty where it does not go to a terminal."""

    width: int
    colour: bool


def write(text: str | Iterable[str], output: str | None) -> bool:
    """Write the report, whole or in parts, to the file `output`, or to standard output for None and `-`.

    A text is ended by a newline. Raises `InputError`, but not when a reader of standard output (`head`, a pager) has
    seen enough: then it gives False.
    """
    parts = text
    if isinstance(text, str):
        parts = (text if not text or text.endswith("\n") else f"{text}\n",)
    try:
        if output is None or output == "-":
            _print(parts)
            return True
        with Path(output).open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(parts)
    except BrokenPipeError:
        return False
    except OSError as error:
        place = output or "standard output"
        raise InputError(place, f"the report cannot be written: {error.strerror or error}") from None
    return True


def keep_inputs(output: str | None, *inputs: str | Iterable[str] | None) -> None:
    """Raise `InputError` where the report would be written over one of the inputs: files, directories, patterns.

    In a directory of inputs a file with the suffix of a report is none of them.
    """
    if output is None or not Path(output).is_file():
        return
    named = [path for given in inputs for path in ((given,) if isinstance(given, str) else given or ())]
    if any(_holds(path, Path(output)) for path in named):
        raise InputError(output, "the report would be written over an input", hint="Name another file with -o")


def _holds(named: str, output: Path) -> bool:
    path = Path(named)
    may_be_report = output.suffix.lower() in REPORT_SUFFIXES
    try:
        if path.is_dir():
            return not may_be_report and output.resolve().is_relative_to(path.resolve())
        if path.exists():
            return path.samefile(output)
        matches = glob.glob(named)  # noqa: PTH207 - Path.glob takes no absolute pattern
        return not may_be_report and any(Path(match).samefile(output) for match in matches)
    except (OSError, ValueError):
        return False  # an input that cannot be looked at is told when it is read


def _print(parts: Iterable[str]) -> None:
    if sys.stdout is None:
        raise OSError("it is closed")
    for part in parts:
        sys.stdout.buffer.write(part.encode("utf-8", "backslashreplace"))
    sys.stdout.flush()


def say(text: str) -> None:
    """Print one line of diagnostics."""
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    if sys.stderr is not None:
        with suppress(OSError):
            print(f"hsanalyze: {printable}", file=sys.stderr)  # noqa: T201 - the one place that speaks to it


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
    if output is not None or sys.stdout is None or not sys.stdout.isatty():
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
