"""Files recorded side by side (one direction each, two interfaces) read as one, in order of time, as mergecap does.

Files that follow each other, as those of a ring buffer, are read one after the other: that is nearly always so, and
costs nothing. A file that begins well before the one before it ends was recorded beside it; their packets are then put
in order. Within a file its own order stays, whatever its times say.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import PacketBatch

__all__ = ["CaptureFile", "in_time_order"]

_BESIDE_NS: Final = 1_000_000_000
"""Nanoseconds by which files that follow each other never overlap: what is out of order in one is so by less."""


class CaptureFile(NamedTuple):
    """A file that waits to be read: the time of its first packet, and its batches, numbered within the file.

    A stream, of which that time is not known, has a negative one, and is read before all others.
    """

    first_time_ns: int
    batches: Iterator[PacketBatch]


def in_time_order(files: Sequence[CaptureFile]) -> Iterator[PacketBatch]:
    """The packets of files that are sorted by their first packets; frame numbers are then for the caller to give."""
    waiting = deque(files)
    active: list[_Reading] = []
    while waiting or active:
        if waiting and (not active or any(reading.goes_beyond(waiting[0].first_time_ns) for reading in active)):
            active.append(_Reading(waiting.popleft()))
        elif len(active) == 1:
            yield active[0].take(active[0].left)
        else:
            until = min(reading.reached for reading in active)
            yield _joined([(reading.times[reading.at :], reading.take(reading.up_to(until))) for reading in active])
        for reading in active:
            reading.advance()
        active = [reading for reading in active if reading.left]


class _Reading:
    """A file that is read: its present batch, and how much of that has been taken."""

    def __init__(self, file: CaptureFile) -> None:
        self._batches = file.batches
        self._is_stream = file.first_time_ns < 0
        self._batch: PacketBatch | None = None
        self._begin: int | None = None
        self.at = 0
        self.times: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        """[N] the latest time up to each packet of the batch."""
        self.reached = 0
        self.advance()

    @property
    def left(self) -> int:
        """Packets of the present batch that have not been taken."""
        return len(self.times) - self.at

    def advance(self) -> None:
        """Go on to the next batch when the present one has been taken."""
        while not self.left:
            self._batch = next(self._batches, None)
            if self._batch is None:
                return
            self.at = 0
            self.times = np.maximum(np.maximum.accumulate(self._batch.time_ns), self.reached)
            if len(self.times):
                self._begin = int(self.times[0]) if self._begin is None else self._begin
                self.reached = int(self.times[-1])

    def goes_beyond(self, time_ns: int) -> bool:
        """Whether this file was still being recorded well after a time."""
        if self._is_stream or self._begin is None:
            return False
        begin = self._begin
        return self.reached - time_ns > _BESIDE_NS or time_ns < begin + (self.reached - begin) // 2

    def up_to(self, time_ns: int) -> int:
        """How many packets there are up to a time."""
        return int(np.searchsorted(self.times, time_ns, side="right")) - self.at

    def take(self, count: int) -> PacketBatch:
        """The next packets of the present batch."""
        batch = self._batch
        if batch is None:
            raise ValueError(count)
        first, last = self.at, self.at + count
        self.at = last
        if count == len(batch):
            return batch
        return PacketBatch(
            first_number=batch.first_number + first,
            data=batch.data,
            offset=batch.offset[first:last],
            captured=batch.captured[first:last],
            original=batch.original[first:last],
            time_ns=batch.time_ns[first:last],
            link=batch.link[first:last],
            heads=None if batch.heads is None else batch.heads[first:last],
        )


def _joined(parts: Sequence[tuple[NDArray[np.int64], PacketBatch]]) -> PacketBatch:
    """The packets of several batches in order of time; `parts` are their latest times, perhaps of more, and they."""
    parts = [(times, batch) for times, batch in parts if len(batch)]
    if len(parts) == 1:
        return parts[0][1]
    batches = [batch for _, batch in parts]
    shifts = np.cumsum([0, *(len(batch.data) for batch in batches[:-1])])
    order = np.argsort(np.concatenate([times[: len(batch)] for times, batch in parts]), kind="stable")
    return PacketBatch(
        first_number=1,
        data=np.concatenate([batch.data for batch in batches]),
        offset=np.concatenate([batch.offset + shift for batch, shift in zip(batches, shifts, strict=True)])[order],
        captured=np.concatenate([batch.captured for batch in batches])[order],
        original=np.concatenate([batch.original for batch in batches])[order],
        time_ns=np.concatenate([batch.time_ns for batch in batches])[order],
        link=np.concatenate([batch.link for batch in batches])[order],
    )
