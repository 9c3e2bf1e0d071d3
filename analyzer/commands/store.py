"""`hsanalyze store PATH`: what a trust store holds, and what is wrong with it."""

from __future__ import annotations

from analyzer.commands.options import Parser, chosen_format, moment, password
from analyzer.commands.output import keep_inputs, rendered, tell, write

__all__ = ["run"]

MARKDOWN_ROWS = 200
"""A comment on GitHub ends at 65,536 characters."""


def run(words: list[str]) -> int:
    """List stores; 0: nothing is wrong, 1: something is, 2: an input could not be read, whole or in part."""
    options = _parser().read(words)
    form = chosen_format(options.format, options.output)
    keep_inputs(options.output, options.paths)
    from analyzer.inspection import inspect_store

    report = inspect_store(
        options.paths, truststore_password=password(options.truststore_password), at=moment(options.at)
    )
    if form == "json":
        from analyzer.report.to_json import to_json

        write(to_json(report), options.output)
    else:
        from analyzer.report import layout_store

        rows = MARKDOWN_ROWS if form == "markdown" else layout_store.ROWS
        write(rendered(layout_store.document(report, table_rows=rows), form, options.output), options.output)
    if tell(problem for problem in report.problems if problem.severity == "error"):
        return 2
    return 1 if any(problem.severity == "warning" for problem in report.problems) else 0


def _parser() -> Parser:
    parser = Parser(
        prog="hsanalyze store",
        description="Lists what trust stores hold, and says what is wrong with them.",
        epilog="Exit status: 0 nothing is wrong, 1 something is wrong, 2 wrong usage or an unreadable input.",
    )
    parser.add_argument(
        "paths", nargs="+", metavar="PATH", help="a file or a directory of any formats, or the words system, mozilla"
    )
    parser.add_password()
    parser.add_at("now")
    parser.add_report()
    return parser
