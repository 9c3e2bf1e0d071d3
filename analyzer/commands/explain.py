"""`hsanalyze explain [CODE]`."""

from __future__ import annotations

from analyzer.commands.options import Parser
from analyzer.commands.output import write
from analyzer.errors import InputError

__all__ = ["run"]


def run(words: list[str]) -> int:
    """Print the page of a cause, or the list of all."""
    parser = Parser(prog="hsanalyze explain", description="What a cause code means, its evidence, its fix.")
    parser.add_argument("code", nargs="?", help="a cause code, such as missing-root; without it all codes are listed")
    options = parser.read(words)
    from analyzer.diagnosis.engine import catalogue
    from analyzer.diagnosis.page import page_markdown

    causes = catalogue()
    if options.code is None:
        width = max(len(code) for code in causes)
        write("\n".join(f"{code:<{width}}  {cause.title}" for code, cause in causes.items()), None)
        return 0
    if options.code not in causes:
        import difflib

        near = difflib.get_close_matches(options.code, causes, n=1)
        hint = f"Did you mean {near[0]}?" if near else "`hsanalyze explain` lists them all"
        raise InputError(options.code, "there is no such cause code", hint=hint)
    write(page_markdown(options.code), None)
    return 0
