"""The command line: arguments in, a rendered report out. All work is done by the library.

Exit status: 0, no handshake failed; 1, at least one failed; 2, wrong usage or an input that could not be read (whole or
in part; what could be analysed is still reported); 3, a fault of ours in some connection. Diagnostics go to standard
error, the report to standard output.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn, Self

from analyzer.errors import InputError

if TYPE_CHECKING:
    from analyzer.report.model import Report

__all__ = ["main"]

_PASSWORD_VARIABLE: Final = "HSANALYZE_TRUSTSTORE_PASSWORD"  # noqa: S105 - the name of a variable
_FORMATS: Final = ("text", "markdown", "json", "ndjson")
_SUFFIXES: Final = {".md": "markdown", ".json": "json", ".ndjson": "ndjson", ".txt": "text"}
_LARGE: Final = 32 << 20
"""From this many bytes on a progress bar is shown."""
_LATER_OPTIONS: Final = {
    "--gateway": "knowledge of products is not in this version; name the validator with --profile",
    "--config": "product configuration is not read in this version; give --truststore and --host",
    "--log": "product logs are not read in this version",
    "--keylog": "decryption is not in this version; give the server's chain with --server-chain",
    "--fix-dir": "repair kits are not in this version; the report names the repair",
}
_LATER_COMMANDS: Final = ("diff", "archive", "watch", "bundle")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; `arguments` without the program's name. Returns the exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _run(words)
    except InputError as error:
        _say(f"error: {error}")
        return 2
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    command = words[0] if words else ""
    if command in _LATER_COMMANDS:
        raise InputError(command, "this command is not in this version")
    if command in _COMMANDS:
        return _COMMANDS[command](words[1:])
    return _analyze(words)


def _analyze(words: list[str]) -> int:
    options = _main_parser().parse_args(words)
    if options.json_schema:
        from analyzer.report.to_json import json_schema

        _write(json_schema(), None)
        return 0
    if not options.captures:
        raise InputError("usage", "no capture was named", hint="hsanalyze CAPTURE --truststore PATH; see --help")
    form = _format(options.format, options.output)
    from analyzer.pipeline import analyze

    with _Progress() as progress:
        report = analyze(
            options.captures,
            truststore=options.truststore,
            client_ca=options.client_ca,
            truststore_password=_password(options.truststore_password),
            host=options.host,
            profile=options.profile,
            verify_depth=options.verify_depth,
            server_chain=options.server_chain,
            candidate=options.candidate,
            at=_time(options.at),
            redact=options.redact,
            progress=progress.update,
        )
    _write(_render(report, form, all_connections=options.all, to_file=options.output is not None), options.output)
    return _tell_problems(report)


def _explain(words: list[str]) -> int:
    parser = _Parser(prog="hsanalyze explain", description="What a cause code means, its evidence, its fix.")
    parser.add_argument("code", nargs="?", help="a cause code, such as missing-root; without it all codes are listed")
    options = parser.parse_args(words)
    from analyzer.diagnosis.engine import catalogue, page

    causes = catalogue()
    if options.code is None:
        width = max(len(code) for code in causes)
        _write("\n".join(f"{code:<{width}}  {cause.title}" for code, cause in causes.items()), None)
        return 0
    if options.code not in causes:
        import difflib

        near = difflib.get_close_matches(options.code, causes, n=1)
        hint = f"Did you mean {near[0]}?" if near else "`hsanalyze explain` lists them all"
        raise InputError(options.code, "there is no such cause code", hint=hint)
    _write(page(options.code), None)
    return 0


_COMMANDS: Final[dict[str, Callable[[list[str]], int]]] = {"explain": _explain}


class _Parser(argparse.ArgumentParser):
    """Wrong usage is an error like any other: one line, exit status 2."""

    def error(self, message: str) -> NoReturn:
        raise InputError("usage", message, hint=f"See `{self.prog} --help`")


class _Later(argparse.Action):
    """An option of the contract that this version does not have yet."""

    def __call__(self, _parser: Any, _namespace: Any, _values: Any, option: str | None = None) -> NoReturn:
        raise InputError(option or "", _LATER_OPTIONS[option or ""])


def _main_parser() -> _Parser:
    from analyzer import __version__

    parser = _Parser(
        prog="hsanalyze",
        description="Says why a TLS handshake in a packet capture was aborted: who left, at which packet, for which "
        "cause, on what evidence, and what repairs it.",
        epilog="Further commands: hsanalyze explain [CODE]. Exit status: 0 no handshake failed, 1 at least one failed, "
        "2 wrong usage or an unreadable input, 3 a fault of our own.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "captures", nargs="*", metavar="CAPTURE", help="a capture file, a directory, a pattern, or - for standard input"
    )
    add("--truststore", action="append", metavar="PATH", help="store by which the client validates the server: a file, "
        "a directory, or the words system, mozilla (repeatable)")  # fmt: skip
    add(
        "--client-ca",
        action="append",
        metavar="PATH",
        help="store by which the server validates the client (repeatable)",
    )
    add(
        "--truststore-password",
        metavar="TEXT",
        help=f"password of PKCS#12, JKS and JCEKS stores (or {_PASSWORD_VARIABLE})",
    )
    add("--host", metavar="NAME", help="name or address that the client meant to reach (default: the SNI)")
    add("--profile", default="auto", metavar="NAME", help="validator to follow: java, openssl, openssl-partial, "
        "boringssl, gnutls, go, dotnet, schannel, webpki; auto asks all that are measured (default)")  # fmt: skip
    add("--verify-depth", type=int, metavar="N", help="the validator's configured limit on intermediates")
    add(
        "--server-chain",
        metavar="FILE",
        help="the server's chain from elsewhere, for captures in which it is encrypted",
    )
    add("--candidate", action="append", metavar="PATH", help="certificates at hand that a repair may use (repeatable)")
    add(
        "--at", metavar="TIME", help="validate at this time (RFC 3339) instead of the time of the packet with the chain"
    )
    add("--dissector", choices=("native",), default="native", help="who reads the handshakes")
    add("--format", choices=_FORMATS, help="default: text, or by the suffix of -o")
    add("-o", "--output", metavar="FILE", help="write the report there")
    add("--all", action="store_true", help="show completed connections in full too")
    add("--redact", action="store_true", help="replace private addresses, host names and serials by stable pseudonyms")
    add("--json-schema", action="store_true", help="print the JSON Schema of the report and exit")
    add("--version", action="version", version=f"hsanalyze {__version__}")
    for option in _LATER_OPTIONS:
        add(option, action=_Later, help=argparse.SUPPRESS)
    return parser


def _password(given: str | None) -> str | None:
    return given if given is not None else os.environ.get(_PASSWORD_VARIABLE)


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError("--at", f"{text!r} is no time", hint="Write it as 2026-01-31T12:00:00Z") from None
    if moment.tzinfo is None:
        raise InputError("--at", f"{text!r} has no time zone", hint="Add Z for UTC, or an offset such as +02:00")
    return moment


def _format(named: str | None, output: str | None) -> str:
    if named is not None:
        return named
    return _SUFFIXES.get(Path(output).suffix.lower(), "text") if output is not None else "text"


def _render(report: Report, form: str, *, all_connections: bool, to_file: bool) -> str:
    if form == "json":
        from analyzer.report.to_json import to_json

        return to_json(report)
    if form == "ndjson":
        from analyzer.report.to_json import to_ndjson

        return "\n".join(to_ndjson(report))
    if form == "markdown":
        from analyzer.report.to_markdown import to_markdown

        return to_markdown(report, all_connections=all_connections)
    from analyzer.report.to_text import to_text

    terminal = not to_file and sys.stdout.isatty()
    if not terminal:
        return to_text(report, all_connections=all_connections)
    import shutil

    width = max(60, min(shutil.get_terminal_size().columns, 140))
    colour = "NO_COLOR" not in os.environ
    return to_text(report, all_connections=all_connections, width=width, colour=colour)


def _write(text: str, output: str | None) -> None:
    if text and not text.endswith("\n"):
        text += "\n"
    if output is None or output == "-":
        sys.stdout.buffer.write(text.encode("utf-8", "backslashreplace"))
        sys.stdout.flush()
        return
    try:
        Path(output).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InputError(output, f"the report cannot be written: {error.strerror or error}") from None


def _tell_problems(report: Report) -> int:
    """Print what went wrong with the inputs, and find the exit status."""
    store = report.truststore.problems if report.truststore is not None else ()
    lost = False
    for problem in (*report.capture.problems, *store):
        place = f"{problem.source}: " if problem.source else ""
        if problem.severity != "note":
            _say(f"{problem.severity}: {place}{problem.text}")
        lost |= problem.severity == "error"
    faults = [connection for connection in report.connections if connection.fault is not None]
    for connection in faults:
        _say(f"fault of hsanalyze in connection {connection.id}: {connection.fault}; please report it")
    if faults:
        return 3
    if lost:
        return 2
    return 1 if report.summary.failed else 0


def _say(text: str) -> None:
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
    print(f"hsanalyze: {printable}", file=sys.stderr)  # noqa: T201 - the one place that speaks to standard error


class _Progress:
    """A progress bar on standard error, for a large capture on a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._wanted = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, total: int) -> None:
        """Show that `done` of `total` bytes were read (0: unknown)."""
        if not self._wanted or (self._bar is None and max(done, total) < _LARGE):
            return
        if self._bar is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn

            self._bar = Progress(
                "reading", BarColumn(), DownloadColumn(), TimeRemainingColumn(),
                console=Console(stderr=True), transient=True,
            )  # fmt: skip
            self._task = self._bar.add_task("reading", total=total or None)
            self._bar.start()
        self._bar.update(self._task, completed=done)
