"""Both directions' bytes before TLS, read from their beginning on."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import Final, NamedTuple

from analyzer.registry import printable
from analyzer.tls.prelude.model import Step
from analyzer.tls.side import Side

__all__ = ["Dialogue", "Part", "Speech", "quoted"]

_QUOTED: Final = 100
_MOST_STEPS: Final = 40


class Part(NamedTuple):
    """Bytes that belong together, and frame and time of the last one."""

    data: bytes
    packet: int
    time_ns: int


class Speech:
    """What one side said: bytes with a cursor. Whatever is asked for and is not there is None.

    `pieces` tell from which offset on which frame (and its time) brought the bytes.
    """

    __slots__ = ("_offsets", "_pieces", "at", "data", "side", "whole")

    def __init__(self, side: Side, data: bytes, pieces: Sequence[tuple[int, int, int]], *, whole: bool) -> None:
        self.side = side
        self.data = data
        self.whole = whole
        self.at = 0
        self._pieces = pieces
        self._offsets = [offset for offset, _, _ in pieces]

    @property
    def left(self) -> int:
        """Bytes behind the cursor."""
        return len(self.data) - self.at

    def peek(self, count: int, skip: int = 0) -> bytes:
        """Up to `count` bytes behind the cursor, or behind the `skip` bytes that follow it."""
        return self.data[self.at + skip : self.at + skip + count]

    def take(self, count: int) -> Part | None:
        """The next `count` bytes."""
        if count > self.left:
            return None
        return self._part(self.at + count)

    def line(self) -> Part | None:
        """The next line, without its end; None when its end is not there."""
        end = self.data.find(b"\n", self.at)
        if end < 0:
            return None
        part = self._part(end + 1)
        return part._replace(data=part.data.rstrip(b"\r\n"))

    def until(self, *ends: bytes) -> Part | None:
        """All up to and with the first of `ends`."""
        found = [place + len(end) for end in ends if (place := self.data.find(end, self.at)) >= 0]
        return self._part(min(found)) if found else None

    def rest(self) -> Part:
        """All that is left."""
        return self._part(len(self.data))

    def _part(self, end: int) -> Part:
        data, self.at = self.data[self.at : end], end
        _, packet, time_ns = self._pieces[bisect_right(self._offsets, max(end - 1, 0)) - 1]
        return Part(data, packet, time_ns)


class Dialogue:
    """Both sides, and what was told of them so far."""

    def __init__(self, client: Speech, server: Speech) -> None:
        self.client = client
        self.server = server
        self.steps: list[Step] = []

    @property
    def cursors(self) -> tuple[int, int]:
        """Where both are read up to."""
        return self.client.at, self.server.at

    def begin(self, cursors: tuple[int, int]) -> None:
        """Read on from there, with nothing told."""
        self.client.at, self.server.at = cursors
        self.steps = []

    def tell(self, side: Side, part: Part, text: str) -> Step:
        """Note what a part says; `text` is fit to be shown."""
        step = Step(part.packet, part.time_ns, side, text)
        if len(self.steps) < _MOST_STEPS:
            self.steps.append(step)
        return step


def quoted(data: bytes, limit: int = _QUOTED) -> str:
    """Bytes off the wire as one line for a report."""
    text = printable(data[:limit].rstrip(b"\r\n"))
    return f"{text}…" if len(data) > limit else text
