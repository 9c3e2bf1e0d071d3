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
from analyzer.net.flows import LINGER_NS, NEVER, Flows
from analyzer.report.connections import Connections
from analyzer.report.model import Connection
from analyzer.tls import connection as wire
from analyzer.tls.columns import RecordColumns
from analyzer.tls.records import RecordReader
from analyzer.verdicts import Judge, Verdicts, broken, connection_of

if TYPE_CHECKING:
    from analyzer.capture import CaptureReader
    from analyzer.capture.source import Source
    from analyzer.reading import Keys

__all__ = ["MOST", "QUIET_NS", "SILENT_NS", "Latest", "Live", "Tell"]

QUIET_NS: Final = 2_000_000_000
"""Nanoseconds without a packet after which a connection has ended of which one side closed, or sent an alert."""
SILENT_NS: Final = 30_000_000_000
"""Nanoseconds without a packet after which a connection has ended that never came to data: nobody answers any more."""

MOST: Final = 100_000
"""Connections of a ring that are kept for the report."""
_FORGOTTEN_NS: Final = 3_600_000_000_000
"""Nanoseconds without a packet after which a connection of a ring is let go when room is needed."""
Tell = Callable[[Connection], None]
Column = NDArray[np.int64]


class Latest:
    """The last connections of a capture without end: those before them are let go, with all that was kept of them.

    Takes the place of `Verdicts` in a reading. `let_go` is told the number of the first connection that is kept.
    """

    def __init__(
        self, flows: Flows, columns: RecordColumns, verdicts: Verdicts, let_go: Callable[[int], None], most: int = MOST
    ) -> None:
        self._flows = flows
        self._columns = columns
        self._verdicts = verdicts
        self._let_go = let_go
        self._most = most
        self._before: Connections | None = None
        self.left_out = 0
        """How many connections were judged, and are not among the last."""

    def sweep(self, now_ns: int) -> bool:
        """Judge what has ended by a time of the capture; let go of what is too much. See `Verdicts.sweep`."""
        swept = self._verdicts.sweep(now_ns)
        if len(self._flows.table) < self._most:
            return swept
        found = self._verdicts.close(now_ns, now_ns - _FORGOTTEN_NS)
        self._before = self._with_those_before(found)
        if len(self._before):
            self._let_go(int(self._before.id.min()))
        rows = self._flows.table.rows
        # Late echoes find their connection a while longer.
        gone = rows["judged"] & (rows["last_time"] < now_ns - 8 * LINGER_NS)
        self._columns.drop(gone)
        self._flows.drop(gone)
        return True

    def finish(self, end_ns: int, first: int, *, alone: bool) -> None:
        """See `Verdicts.finish`."""
        self._verdicts.finish(end_ns, first, alone=alone)

    def connections(self) -> Connections:
        """The last connections; see `Verdicts.connections`."""
        return self._with_those_before(self._verdicts.connections())

    def _with_those_before(self, found: Connections) -> Connections:
        if self._before is None:
            return found
        if len(found) >= self._most:
            self.left_out += len(self._before)
            return found
        both = sorted([*self._before, *found], key=lambda item: item.id)
        self.left_out += len(both[: -self._most])
        return Connections.of(both[-self._most :])


class Live:
    """Follows captures that are still being written; `tell` gets each connection as it ends, None tells none.

    Until it is told to `stop`, the reading goes on. With `ring` the one source is a directory that is followed (see
    `analyzer.capture.ring`), and `say` is told what somebody should know before the end.
    """

    def __init__(self, tell: Tell | None, *, ring: bool = False, say: Callable[[str], None] = lambda _: None) -> None:
        self.stopped = False
        self._tell = tell
        self.ring = ring
        self._say = say
        self._place_of: Callable[[int], tuple[str, int] | None] = lambda _: None
        self._flows: Flows | None = None
        self._first = 0  # all connections with a lesser number were told

    def stop(self) -> None:
        """End the reading, as if the capture had ended; what was read is reported."""
        self.stopped = True

    def reader(
        self,
        sources: Sequence[Source],
        progress: Callable[[int, int], None] | None,
        beside: Sequence[Sequence[str]],
    ) -> CaptureReader:
        """The reader of the captures; see `CaptureReader`."""
        if self.ring:
            from analyzer.capture.ring import RingReader

            (directory,) = sources
            ring = RingReader(cast("str | Path", directory), lambda: self.stopped, self._say)
            self._place_of = ring.place_of
            return ring
        from analyzer.capture import CaptureReader

        return CaptureReader(sources, progress, beside, until=lambda: self.stopped)

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
        first = int(np.searchsorted(rows["number"], self._first))
        left = np.flatnonzero(~(rows["told"][first:] | rows["judged"][first:])) + first
        if len(rows):
            self._first = int(rows["number"][left[0]] if len(left) else rows["number"][-1] + 1)
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
        return connection_of(row, log, streams, self._keys.ring)

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
            return broken(row, error)


def _closed(flows: Flows, numbers: Column) -> Column:
    """Those of which both sides closed, or one reset."""
    closed: Column = numbers[flows.table.rows["closed_at"][numbers].max(axis=1) < NEVER]
    return closed


def _has_alert(flows: Flows, number: int) -> bool:
    """Whether an alert was seen in a connection."""
    streams = (flows.stream_so_far(number * 2 + side) for side in (0, 1))
    return any(isinstance(s.consumer, RecordReader) and s.consumer.seen.alerts for s in streams if s is not None)
