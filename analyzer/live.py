"""Connections told as they end, while their capture is still being written.

When a live capture pauses, and at each batch's end, `Live.look` finds the connections that have ended by then and have
each judged from a copy of what is known of it: what was captured goes on undisturbed, and the report at the end is the
one that it would be if nothing had been told. `Live` opens nothing and knows no clock: it is told the time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np
from numpy.typing import NDArray

from analyzer.diagnosis.progress import trace
from analyzer.diagnosis.server_chain import ChainsSeen, is_hidden
from analyzer.net.flows import NEVER, Flows
from analyzer.report.model import Connection
from analyzer.tls import connection as wire
from analyzer.tls.records import RecordReader
from analyzer.verdicts import Judge, broken, connection_of

if TYPE_CHECKING:
    from analyzer.capture import CaptureReader
    from analyzer.capture.source import Source
    from analyzer.reading import Keys

__all__ = ["QUIET_NS", "SILENT_NS", "Live", "Tell"]

QUIET_NS: Final = 2_000_000_000
"""Nanoseconds without a packet after which a connection has ended of which one side closed, or sent an alert."""
SILENT_NS: Final = 30_000_000_000
"""Nanoseconds without a packet after which a connection has ended that never came to data: nobody answers any more."""

Tell = Callable[[Connection], None]
Column = NDArray[np.int64]


class Live:
    """Follows captures that are still being written; `tell` gets each connection as it ends, None tells none.

    Until it is told to `stop`, the reading goes on. With `ring` the one source is a directory that is followed (see
    `analyzer.capture.ring`), and `say` is told what somebody should know before the end.
    """

    def __init__(self, tell: Tell | None, *, ring: bool = False, say: Callable[[str], None] = lambda _: None) -> None:
        self.stopped = False
        self._tell = tell
        self._ring = ring
        self._say = say
        self._place_of: Callable[[int], tuple[str, int] | None] = lambda _: None
        self._flows: Flows | None = None
        self._first = 0  # all connections before this one were told

    def stop(self) -> None:
        """End the reading, as if the capture had ended; what was read is reported."""
        self.stopped = True

    def reader(self, sources: Sequence[Source], progress: Callable[[int, int], None] | None) -> CaptureReader:
        """The reader of the captures."""
        if self._ring:
            from analyzer.capture.ring import RingReader

            (directory,) = sources
            ring = RingReader(cast("str | Path", directory), lambda: self.stopped, self._say)
            self._place_of = ring.place_of
            return ring
        from analyzer.capture import CaptureReader

        return CaptureReader(sources, progress, until=lambda: self.stopped)

    def place_of(self, packet: int) -> tuple[str, int] | None:
        """The file of a ring that holds a frame, and the frame's number there."""
        return self._place_of(packet)

    def begin(self, flows: Flows, keys: Keys, judge: Judge, finished: Callable[[Connection], Connection]) -> None:
        """Follow what `flows` take. `judge` must leave no trace; `finished` puts a verdict into its last words."""
        self._flows, self._keys, self._judge, self._finished = flows, keys, judge, finished
        self._chains = ChainsSeen()

    def look(self, now_ns: int) -> None:
        """Tell the connections that have ended at a time of the capture, in nanoseconds since 1970."""
        flows, tell = self._flows, self._tell
        if flows is None or tell is None:
            return
        rows = flows.table.rows
        done = rows["told"][self._first :] | rows["judged"][self._first :]
        left = np.flatnonzero(~done) + self._first
        self._first = int(left[0]) if len(left) else len(rows)
        for number in sorted({*_closed(flows, left).tolist(), *self._quiet(flows, left, now_ns)}):
            rows["told"][number] = True
            report = self._judged(flows, number, now_ns)
            if report is not None:
                tell(self._finished(report))

    def _quiet(self, flows: Flows, numbers: Column, now_ns: int) -> list[int]:
        """Those that have ended by falling silent. Each is looked at once after its last packet, and once more."""
        rows = flows.table.rows
        packet = rows["last_packet"][numbers]
        silence = np.where(packet > 0, now_ns - rows["last_time"][numbers], 0)
        looked = rows["looked"][numbers]
        found: list[int] = []
        quiet = numbers[(silence > QUIET_NS) & (looked < 2 * packet)]
        rows["looked"][quiet] = 2 * rows["last_packet"][quiet]
        found += [n for n in quiet.tolist() if rows["closed_at"][n].min() < NEVER or _has_alert(flows, n)]
        silent = numbers[(silence > SILENT_NS) & (looked <= 2 * packet)]
        rows["looked"][silent] = 2 * rows["last_packet"][silent] + 1
        found += [number for number in silent.tolist() if not self._is_in_use(flows, number)]
        return found

    def _is_in_use(self, flows: Flows, number: int) -> bool:
        """Whether a connection that is silent may go on: it carried data, or is none that is reported."""
        try:
            seen = self._seen(flows, number)
            return seen is None or trace(seen).data
        except Exception:  # noqa: BLE001 - the fault is told when it is judged
            return False

    def _seen(self, flows: Flows, number: int) -> wire.Connection | None:
        """A connection as far as it was captured; None for one that is none of TLS."""
        one = np.array([number])
        (row,), (log,) = flows.table.rows_of(one), flows.signals.lists(one)
        streams = flows.stream_so_far(number * 2), flows.stream_so_far(number * 2 + 1)
        return connection_of(number, row, log, streams, self._keys.ring)

    def _judged(self, flows: Flows, number: int, now_ns: int) -> Connection | None:
        try:
            seen = self._seen(flows, number)
            if seen is None:
                return None
            self._chains.take(seen)
            progress = trace(seen)
            return self._judge(seen, progress, self._chains if is_hidden(seen, progress) else None, now_ns)[0]
        except Exception as error:  # noqa: BLE001 - one connection's fault must not cost the others
            (row,) = flows.table.read(number, number + 1)
            return broken(number, row, error)


def _closed(flows: Flows, numbers: Column) -> Column:
    """Those of which both sides closed, or one reset."""
    closed: Column = numbers[flows.table.rows["closed_at"][numbers].max(axis=1) < NEVER]
    return closed


def _has_alert(flows: Flows, number: int) -> bool:
    """Whether an alert was seen in a connection."""
    streams = (flows.stream_so_far(number * 2 + side) for side in (0, 1))
    return any(isinstance(s.consumer, RecordReader) and s.consumer.seen.alerts for s in streams if s is not None)
