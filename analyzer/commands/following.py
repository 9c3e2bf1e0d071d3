"""Captures that are still being written: what is printed as connections end, and how Ctrl-C ends the reading."""

from __future__ import annotations

import signal
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from analyzer.commands.output import say, write

if TYPE_CHECKING:
    from analyzer.live import Live
    from analyzer.report.model import Connection

__all__ = ["Following", "is_stream"]


_MOST_TOLD: Final = 1_000_000
"""Numbers that are kept: the last ones, of which the report of a watch has far fewer."""


def is_stream(captures: Sequence[str]) -> bool:
    """Whether one of the captures is standard input or a pipe, so that it may be captured right now."""
    return any(name == "-" or _is_pipe(name) for name in captures)


class Following:
    """What the commands have printed of live captures, in the `form` of their report; to a file nothing is.

    With `ring` it is a directory that is followed.

    In a `with` statement the first Ctrl-C or SIGTERM ends the reading, so that what was read is reported; a second one
    ends all.
    """

    def __init__(self, form: str, output: str | None, *, ring: bool = False) -> None:
        self.told: set[int] = set()
        """The numbers of the connections whose JSON objects were printed."""
        self.before_line: Callable[[], None] = lambda: None
        """Called before each line that is printed."""
        self._form = form
        self._ring = ring
        self._silent = output is not None or form not in ("text", "ndjson")
        self._live: Live | None = None
        self._before: dict[int, Any] = {}

    def live(self) -> Live:
        """What follows the captures."""
        from analyzer.live import Live

        self._live = Live(None if self._silent else self._print, ring=self._ring, say=say)
        return self._live

    def __enter__(self) -> Self:
        with suppress(ValueError):  # only the main thread may take signals
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._end)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _end(self, *_: object) -> None:
        if self._live is None or self._live.stopped:
            raise KeyboardInterrupt
        self._live.stop()

    def _print(self, connection: Connection) -> None:
        self.before_line()
        if self._form == "ndjson":
            self._note(connection.id)
            from analyzer.report.to_json import connection_line

            line = connection_line(connection)
        else:
            from analyzer.report.to_line import to_line

            line = to_line(connection, place=self._place(connection.abort_packet))
        if not write(line, None) and self._live is not None:
            self._live.stop()  # who read has seen enough

    def _note(self, number: int) -> None:
        self.told.add(number)
        if len(self.told) > _MOST_TOLD:
            self.told = set(sorted(self.told)[_MOST_TOLD // 2 :])

    def _place(self, packet: int | None) -> str:
        found = None if packet is None or self._live is None else self._live.place_of(packet)
        return "" if found is None else f"{Path(found[0]).name} #{found[1]}"


def _is_pipe(name: str) -> bool:
    try:
        return stat.S_ISFIFO(Path(name).stat().st_mode)
    except (OSError, ValueError):
        return False
