"""The main job: `hsanalyze CAPTURE …`."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections.abc import Container, Iterator
from typing import TYPE_CHECKING, Any, Final, Self

from analyzer.commands.options import FORMATS, Parser, chosen_format, moment, password
from analyzer.commands.output import keep_inputs, say, tell, terminal, write
from analyzer.errors import InputError
from analyzer.wireshark import DISSECTORS

if TYPE_CHECKING:
    from analyzer.commands.following import Following
    from analyzer.report.model import Report

__all__ = ["ALL_FORMATS", "add_options", "analysed", "parser", "run"]

ALL_FORMATS: Final = (*FORMATS, "ndjson")
_LARGE: Final = 32 << 20
"""From this many bytes on a progress bar is shown."""
_REDRAWN: Final = 0.1
"""Seconds after which the progress bar is drawn anew."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""Parameters of glibc's `mallopt` (malloc.h); the second takes 32 MB at most."""


def run(words: list[str]) -> int:
    """Analyse captures; see `analyzer.cli` for the exit status."""
    options = parser().read(words)
    if options.json_schema:
        from analyzer.report.to_json import json_schema

        write(json_schema(), None)
        return 0
    if options.list_gateways:
        from analyzer.commands.gateways import listing

        write(listing(), None)
        return 0
    if not options.captures:
        raise InputError("usage", "no capture was named", hint="hsanalyze CAPTURE --truststore PATH; see --help")
    from analyzer.commands.following import Following, is_stream

    form = chosen_format(options.format, options.output, ALL_FORMATS)
    if is_stream(options.captures):
        with Following(form, options.output) as following:
            return analysed(options, form, following)
    return analysed(options, form, None)


def analysed(options: Namespace, form: str, following: Following | None) -> int:
    """Do the main job with its options, and print the report; gives the exit status."""
    stores = (options.truststore, options.client_ca, options.candidate)
    keep_inputs(options.output, options.captures, options.server_chain, options.keylog, *stores)
    _keep_freed_memory()
    from analyzer.pipeline import analyze
    from analyzer.second_process import processors

    with _Progress() as progress:
        if following is not None:
            following.before_line = progress.stop
        report = analyze(
            options.captures,
            truststore=options.truststore,
            client_ca=options.client_ca,
            truststore_password=password(options.truststore_password),
            host=options.host,
            profile=options.profile,
            gateway=options.gateway,
            verify_depth=options.verify_depth,
            server_chain=options.server_chain,
            keylog=options.keylog,
            log=options.log,
            dissector=options.dissector,
            candidate=options.candidate,
            config=options.config,
            at=moment(options.at),
            all=options.all or form in ("json", "ndjson"),
            fix_dir=options.fix_dir,
            redact=options.redact,
            progress=progress.update,
            processes=processors(),
            live=None if following is None else following.live(),
        )
    try:
        told = () if following is None else following.told
        write(_render(report, form, options.output, all_connections=options.all, told=told), options.output)
    finally:
        status = _status(report)
    return status


def parser() -> Parser:
    """The arguments and options of the main job."""
    from analyzer import __version__

    main = Parser(
        prog="hsanalyze",
        description="Says why a TLS handshake in a packet capture was aborted: who left, at which packet, for which "
        "cause, on what evidence, and what repairs it. A live capture (tcpdump -U -w - ... | hsanalyze -) is answered "
        "as it goes: a line for each connection that has ended (with --format ndjson its JSON object), and at the "
        "end, or after Ctrl-C, the report.",
        epilog="Further commands: hsanalyze watch DIR, hsanalyze check CHAIN, hsanalyze store PATH, hsanalyze explain "
        "[CODE]. Exit status: "
        "0 no handshake failed, 1 at least one failed, 2 wrong usage or an unreadable input, 3 a fault of our own.",
    )
    add = main.add_argument
    text = "a capture file, a directory, a pattern, or - for standard input"
    add("captures", nargs="*", metavar="CAPTURE", help=text)
    add_options(main)
    text = "who reads the handshakes: native (default); wireshark, by tshark and pyshark; both, and where they differ"
    add("--dissector", choices=DISSECTORS, default="native", help=text)
    add("--list-gateways", action="store_true", help="print the names that --gateway takes and exit")
    add("--json-schema", action="store_true", help="print the JSON Schema of the report and exit")
    add("--version", action="version", version=f"hsanalyze {__version__}")
    return main


def add_options(main: Parser) -> None:
    """Add the options that say by what captures are judged, and what is written."""
    add = main.add_argument
    main.add_truststore()
    text = "store by which the server validates the client (repeatable)"
    add("--client-ca", action="append", metavar="PATH", help=text)
    main.add_validation(host="the SNI", at="the time of the packet with the chain")
    text = "product that validates: picks its profile, its words, its error texts and its repair steps"
    add("--gateway", metavar="NAME", help=f"{text}; see --list-gateways")
    text = "the gateway's own configuration, or what its management interface answers (repeatable)"
    add("--config", action="append", metavar="FILE", help=text)
    text = "the server's chain from elsewhere, for captures in which it is encrypted"
    add("--server-chain", metavar="FILE", help=text)
    text = "key log that opens what is encrypted: SSLKEYLOGFILE, or the server's RSA private key (repeatable)"
    add("--keylog", action="append", metavar="FILE", help=text)
    text = "a product's log or trace, matched to the connections: a file, a directory or a pattern (repeatable)"
    add("--log", action="append", metavar="FILE", help=text)
    text = "write the proven repair there, in the form that the product takes; never over an existing file"
    add("--fix-dir", metavar="DIR", help=text)
    main.add_report(ALL_FORMATS)
    add("--all", action="store_true", help="show completed connections in full too")
    main.add_redact()


def _keep_freed_memory() -> None:
    """Have glibc keep what is freed, up to 256 MB, rather than give it back to the system.

    The columns of a batch are some megabytes each; given back after each use, they are mapped, zeroed and faulted in
    anew for the next batch, which costs a fifth of the run. Only in this command: a program that uses the library
    decides for itself.
    """
    import ctypes

    try:
        libc = ctypes.CDLL(None)
    except (OSError, TypeError):
        return
    # The numbers mean something else elsewhere.
    if hasattr(libc, "gnu_get_libc_version"):
        libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)
        libc.mallopt(_M_TRIM_THRESHOLD, 256 << 20)


def _render(
    report: Report, form: str, output: str | None, *, all_connections: bool, told: Container[int]
) -> str | Iterator[str]:
    if form == "json":
        from analyzer.report.to_json import json_parts

        return json_parts(report)
    if form == "ndjson":
        from analyzer.report.to_json import to_ndjson

        return to_ndjson(report, told)
    if form == "markdown":
        from analyzer.report.to_markdown import to_markdown

        return to_markdown(report, all_connections=all_connections)
    from analyzer.report.to_text import to_text

    return to_text(report, all_connections=all_connections, **terminal(output))


def _status(report: Report) -> int:
    """Print what went wrong with the inputs, and find the exit status."""
    from analyzer.report.connections import Connections

    store = report.truststore.problems if report.truststore is not None else ()
    logs = report.logs.problems if report.logs is not None else ()
    configuration = report.configuration.problems if report.configuration is not None else ()
    kit = report.repair_kit.problems if report.repair_kit is not None else ()
    lost = tell((*report.capture.problems, *store, *logs, *configuration, *kit))
    faults = [kind for kind in Connections.of(report.connections).kinds if kind.fault is not None]
    for connection in faults:
        say(f"fault of hsanalyze in connection {connection.id}: {connection.fault}; please report it")
    if faults:
        return 3
    if lost:
        return 2
    return 1 if report.summary.failed else 0


class _Progress:
    """A progress bar on standard error, for a large capture on a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._drawn = 0.0
        self._wanted = sys.stderr is not None and sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Show no bar any more: there is something else to see."""
        self._wanted = False
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
                console=Console(stderr=True), transient=True, auto_refresh=False,
            )  # fmt: skip
            self._task = self._bar.add_task("reading", total=total or None)
            self._bar.start()
        # Without a thread of its own: a second process may be made of this one.
        due = time.monotonic() - self._drawn > _REDRAWN
        self._bar.update(self._task, completed=done, refresh=due)
        if due:
            self._drawn = time.monotonic()
