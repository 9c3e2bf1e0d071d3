"""`hsanalyze watch DIR`: follows a directory in which captures are written one after the other."""

from __future__ import annotations

from analyzer.commands.analyze import ALL_FORMATS, add_options, analysed
from analyzer.commands.following import Following
from analyzer.commands.options import Parser, chosen_format

__all__ = ["run"]


def run(words: list[str]) -> int:
    """Follow a directory until Ctrl-C or SIGTERM, then report; see `analyzer.cli` for the exit status."""
    parser = Parser(
        prog="hsanalyze watch",
        description="Follows a directory to which a ring buffer is written (tcpdump -C or -G, with or without -W; "
        "dumpcap -b): the files that are there first, then each as it grows. A line is printed for each connection as "
        "it ends (with --format ndjson its JSON object), and after Ctrl-C the report. Of connections that were judged "
        "the last 100,000 are kept for it.",
        epilog="Compressed files are passed over. With --format json or markdown, or -o, all is told at the end. Exit "
        "status as without watch.",
    )
    parser.add_argument("captures", nargs=1, metavar="DIR", help="the directory that tcpdump or dumpcap writes to")
    parser.set_defaults(dissector="native")
    add_options(parser)
    options = parser.read(words)
    form = chosen_format(options.format, options.output, ALL_FORMATS)
    with Following(form, options.output, ring=True) as following:
        return analysed(options, form, following)
