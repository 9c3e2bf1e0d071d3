"""The connections of a capture, judged as they end; those that went alike are judged once.

While a capture is read, `sweep` takes the connections that have ended, judges them and lets go of what is known of
them, so that memory holds the live ones. `finish` takes the rest. A connection whose server chain is hidden waits until
then: another may show it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import field, replace
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from analyzer.dataclass import dataclass
from analyzer.diagnosis.engine import Outcome
from analyzer.diagnosis.likeness import ALONE, Alike, Likeness
from analyzer.diagnosis.progress import Progress, trace
from analyzer.diagnosis.server_chain import ChainsSeen, is_hidden
from analyzer.errors import fault_text
from analyzer.net.flows import FlowRow, Flows, Signal
from analyzer.net.pairs import related
from analyzer.net.reassembly import Stream
from analyzer.reading import Keys
from analyzer.report.build import broken_connection
from analyzer.report.connections import ENDS, Columns, Connections, story_of, with_packets_of_another
from analyzer.report.findings import told_by_server
from analyzer.report.model import Connection
from analyzer.second_process import SecondProcess
from analyzer.tls import connection as wire
from analyzer.tls.columns import RecordColumns
from analyzer.tls.records import Recorder, SideRecords
from analyzer.tls.side import Side

if TYPE_CHECKING:
    from analyzer.tls.sealed import KeyRing

__all__ = ["Judge", "Verdicts", "broken", "connection_of"]

Judge = Callable[[wire.Connection, Progress, ChainsSeen | None, int], tuple[Connection, Outcome]]
"""Judges one connection, as read and traced; with the chains that were seen elsewhere, and the time (ns since 1970) up
to which it was watched."""

_SWEPT: Final = 256
"""Connections that have ended from which on it pays to judge them while more is read."""
_AT_ONCE: Final = 8192
"""Connections that are judged together."""
_BLOCK: Final = 1024
"""Rows of the flow table turned into plain data at a time."""
_MOST_SERVERS: Final = 1000
"""Servers of connections that are alike of which each gets a verdict of its own."""
_MOST_STORIES: Final = 4096
"""Different ends of connections that are judged for themselves with which later ones are compared."""
_FEW: Final = 256
"""Connections of a capture up to which each is judged for itself: what belongs together is looked for in all."""
_WORTH_A_PROCESS: Final = 1500
"""Connections to be judged each for itself from which on a second process pays."""
_INTEGRITY: Final = "handshake-integrity"

Column = NDArray[np.int64]
_Server = tuple[int, int, int]


@dataclass(slots=True, kw_only=True)
class _Known:
    """What was found for connections that are alike.

    `kind` is None when each of them has to be judged for itself; `event` is the number of the event that ended the
    connection, -1 for none. `hidden`: the server's chain is, so that it depends on the server. `servers`: the kind by
    server, where that makes a difference. `signed`: kind and event by what is wrong with the signature on the
    ServerKeyExchange, where that makes one.
    """

    kind: int | None
    event: int = -1
    hidden: bool = False
    servers: dict[_Server, int] | None = None
    signed: dict[str | None, tuple[int, int]] | None = None


@dataclass(slots=True, kw_only=True)
class _Waiting:
    """A connection whose chain is hidden; `others` are alike and went to the same server: flow and start.

    `alone`: it is judged for itself, and of it no more is kept than how it ended (`_kind_for`).
    """

    kind: int
    alone: bool
    flow: int
    row: FlowRow
    seen: wire.Connection
    progress: Progress
    others: list[tuple[int, int]] = field(default_factory=list)


class _Apart(NamedTuple):
    """What a second process found: rows of the table with their places and its own kinds, and the places left over."""

    judged: list[tuple[int, list[int]]]
    kinds: dict[int, Connection]
    left: list[int]
    chains: ChainsSeen
    randoms: tuple[list[int], list[int]]


class _Shown(NamedTuple):
    """The connection of a kind that shows a chain, for `ChainsSeen`."""

    seen: wire.Connection
    chain: wire.CertificateMessage


class Verdicts:
    """See the module's text. `share`: what is equal in connections that went alike is told once (`Connections`)."""

    def __init__(
        self,
        flows: Flows,
        columns: RecordColumns,
        keys: Keys,
        judge: Judge,
        *,
        chains: ChainsSeen,
        share: bool,
        edges: Sequence[int] = (),
        watch: Callable[[wire.Connection], None] = lambda _: None,
        note: Callable[[Sequence[int], Sequence[int]], None] = lambda *_: None,
        processes: int = 1,
    ) -> None:
        """`chains` are those of all points of a capture, `edges` those of `Likeness.of`.

        `watch` sees each connection as read; of those that are like another `note` gets the numbers, and the last 8
        bytes of the client's random values.
        """
        self._flows = flows
        self._columns = columns
        self._keys = keys
        self._judge = judge
        self._likeness = Likeness(columns) if share else None
        self._edges = edges
        self._watch = watch
        self._processes = processes
        self._note = note
        self._chains = chains
        self._first = 0  # number of the point's first connection
        self._end_ns = 0
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._kinds: list[Connection | None] = []
        self._stories: dict[Hashable, int] = {}
        self._shown: dict[int, _Shown] = {}
        self._known: dict[tuple[int, int], _Known] = {}
        self._waiting: dict[tuple[object, ...], _Waiting] = {}
        self._parts: list[Column] = []

    @property
    def judged(self) -> int:
        """How many connections were judged so far."""
        return sum(map(len, self._parts))

    def sweep(self, now_ns: int) -> bool:
        """Judge the connections that have ended by a time of the capture, when they are many; whether there were any.

        Those that may belong together with others wait until all is known.
        """
        ended = self._flows.ended(now_ns)
        if len(ended) < _SWEPT:
            return False
        ended = ended[~related(self._flows.table)[ended]]
        self._take_all(ended, now_ns, last=False)
        return bool(len(ended))

    def close(self, now_ns: int, silent_since_ns: int) -> Connections:
        """Judge the connections that have ended, or were silent for long; give all so far, and begin anew."""
        self._take_all(self._flows.ended(now_ns), now_ns, last=False)
        self._take_all(self._flows.silent(silent_since_ns), now_ns, last=True)
        self._judge_waiting(now_ns)
        connections = self._connections()
        self._begin_anew()
        if self._likeness is not None:
            self._likeness = Likeness(self._columns)
        return connections

    def finish(self, end_ns: int, first: int, *, alone: bool) -> None:
        """Judge what is left, but those whose chain is hidden. `end_ns` is the time of the point's last packet.

        `first` is the number of the point's first connection; `alone`: there is no other point.
        """
        self._first, self._end_ns = first, end_ns
        left = np.flatnonzero(~self._flows.table.rows["judged"])
        few = len(self._flows.table) <= _FEW
        if not alone or few:
            self._likeness = None
        else:
            # What may belong together with others is judged for itself.
            apart = related(self._flows.table)[left]
            likeness, self._likeness = self._likeness, None
            self._take_all(left[apart], end_ns, last=True)
            self._likeness = likeness
            left = left[~apart]
        self._take_all(left, end_ns, last=True)

    def connections(self) -> Connections:
        """All connections, now that all chains were seen."""
        self._judge_waiting(self._end_ns)
        return self._connections()

    def _take_all(self, numbers: Column, now_ns: int, *, last: bool) -> None:
        for start in range(0, len(numbers), _AT_ONCE):
            self._take(numbers[start : start + _AT_ONCE], now_ns, last=last)

    def _take(self, numbers: Column, now_ns: int, *, last: bool) -> None:
        """Judge connections (ascending numbers), and let go of them. `last`: the capture has ended."""
        alike = None
        if self._likeness is not None and self._keys.ring is None:
            alike = self._likeness.of(self._flows, numbers, end_ns=now_ns if last else None, edges=self._edges)
        table = np.full((len(numbers), 5), -1, dtype=np.int64)
        table[:, _FLOW] = numbers
        values = alike.values if alike is not None else [ALONE] * len(numbers)
        batch = _Batch(numbers, alike, values, table, np.zeros(len(numbers), dtype=np.bool_))
        first, others = self._first_of_each(batch)
        self._judge_each(batch, first, now_ns)
        self._judge_each(batch, self._shared(batch, others, now_ns), now_ns)
        if alike is not None:
            table[:, _CHAIN_PACKET] = alike.chain_packet
            told = np.flatnonzero((alike.random != 0) & ~batch.judged)
            self._note(self._numbers(numbers[told]).tolist(), alike.random[told].tolist())
        self._parts.append(table[table[:, _KIND] >= 0])
        gone = np.zeros(len(self._flows.table), dtype=np.bool_)
        gone[numbers] = True
        self._flows.forget(gone)
        self._columns.forget(gone)

    def _first_of_each(self, batch: _Batch) -> tuple[list[int], list[int]]:
        """The places of connections to be judged, and of those that are like another."""
        first, others = [], []
        met: set[tuple[int, int]] = set()
        for place, (number, value) in enumerate(zip(batch.numbers.tolist(), batch.values, strict=True)):
            if value == ALONE or (value not in met and self._is_first(value, number)):
                first.append(place)
            else:
                others.append(place)
            met.add(value)
        return first, others

    def _is_first(self, value: tuple[int, int], number: int) -> bool:
        """Whether nobody knows this story yet, or this connection comes before the one that stands for it."""
        known = self._known.get(value)
        if known is None:
            return True
        told = None if known.kind is None or known.servers is not None else self._kinds[known.kind]
        return told is not None and self._number_of(number) < told.id

    def _shared(self, batch: _Batch, places: list[int], now_ns: int) -> list[int]:
        """Give connections the verdict of those that they are like; the places of those that need one of their own."""
        left = []
        members: dict[int, list[int]] = {}
        events: dict[int, int] = {}
        servers: list[_Server] = []
        for place in places:
            known = self._known[batch.values[place]]
            if known.hidden:
                if (batch.values[place], self._server_at(batch, place)) not in self._waiting:
                    self._judge_each(batch, [place], now_ns)  # those after it wait along with it
                elif not self._wait_along(batch, place, known):
                    left.append(place)
            elif known.kind is None:
                kind, event = self._by_signature(batch, place, known)
                if kind < 0:
                    left.append(place)
                    continue
                members.setdefault(kind, []).append(place)
                events[kind] = event
            else:
                kind = known.kind
                if known.servers is not None:
                    servers = servers or self._servers(batch)
                    server = servers[place]
                    if server not in known.servers and len(known.servers) < _MOST_SERVERS:
                        self._judge_each(batch, [place], now_ns)
                        continue
                    kind = known.servers.get(server, kind)
                members.setdefault(kind, []).append(place)
                events[kind] = known.event
        for kind, those in members.items():
            batch.table[those, _KIND] = kind
            if events[kind] >= 0 and batch.alike is not None:
                batch.table[those, _ABORT_PACKET] = batch.alike.packet(np.array(those), events[kind])
        if members and batch.alike is not None:
            every = [place for those in members.values() for place in those]
            batch.table[every, _CLIENT] = batch.alike.client[every]
        return left

    def _by_signature(self, batch: _Batch, place: int, known: _Known) -> tuple[int, int]:
        """Kind and event of a connection of which the signature tells whether it is like others; -1 if it is not."""
        if not known.signed or batch.alike is None:
            return -1, -1
        kind, event = known.signed.get(batch.alike.signature_fault(place), (-1, -1))
        first = self._kinds[kind] if kind >= 0 else None
        return (-1, -1) if first is None or self._number_of(int(batch.numbers[place])) < first.id else (kind, event)

    def _wait_along(self, batch: _Batch, place: int, known: _Known) -> bool:
        """Have a connection wait with one that is alike and went to the same server; False when there is none."""
        number = int(batch.numbers[place])
        if batch.alike is None:
            return False
        client = int(batch.alike.client[place])
        waiting = self._waiting.get((batch.values[place], self._server_at(batch, place)))
        if waiting is None or number < waiting.flow:
            return False
        waiting.others.append((number, int(self._flows.table.rows["first_time"][number])))
        batch.table[place, [_KIND, _CLIENT]] = waiting.kind, client
        if known.event >= 0:
            batch.table[place, _ABORT_PACKET] = batch.alike.events(place)[known.event]
        return True

    def _servers(self, batch: _Batch) -> list[_Server]:
        """The server of each connection of a batch."""
        rows, numbers = self._flows.table.rows, batch.numbers
        side = 1 - batch.alike.client if batch.alike is not None else np.ones(len(numbers), dtype=np.int64)
        return list(zip(*(rows[name][numbers, side].tolist() for name in ENDS.names or ()), strict=True))

    def _server_at(self, batch: _Batch, place: int) -> _Server:
        client = 0 if batch.alike is None else int(batch.alike.client[place])
        return self._server_of(int(batch.numbers[place]), client)

    def _numbers(self, flows: Column) -> Column:
        """The numbers of connections: those of the point's flows, behind those of the points before."""
        numbers: Column = self._flows.table.rows["number"][flows] + self._first
        return numbers

    def _number_of(self, flow: int) -> int:
        return int(self._flows.table.rows["number"][flow]) + self._first

    def _server_of(self, number: int, client: int) -> _Server:
        row = self._flows.table.rows[number]
        return int(row["high"][1 - client]), int(row["low"][1 - client]), int(row["port"][1 - client])

    def _judge_each(self, batch: _Batch, places: list[int], now_ns: int) -> None:
        """Judge connections for themselves, a half of many in a second process."""
        alone = len(places) < _WORTH_A_PROCESS or self._processes < 2 or self._keys.ring is not None
        if alone or related(self._flows.table).any():
            self._judge_here(batch, places, now_ns)
            return
        first, second = places[: len(places) // 2], places[len(places) // 2 :]
        elsewhere = SecondProcess(lambda: self._judge_apart(batch, second, now_ns))
        self._judge_here(batch, first, now_ns)
        found = elsewhere.result()
        if found is None:
            self._judge_here(batch, second, now_ns)
            return
        kinds: dict[int, int] = {}
        for place, row in found.judged:
            kind = row[_KIND]
            if kind not in kinds:
                kinds[kind] = self._kind_for(found.kinds[kind], alone=self._is_alone(batch.values[place]))
            batch.table[place] = [*row[:_KIND], kinds[kind], *row[_KIND + 1 :]]
            batch.judged[place] = True
        self._chains.add(found.chains)
        self._note(*found.randoms)
        self._judge_here(batch, found.left, now_ns)

    def _judge_apart(self, batch: _Batch, places: list[int], now_ns: int) -> _Apart:
        """Judge connections in a process of their own; those of a hidden chain, and those alike, are left."""
        known, waiting = set(self._known), set(self._waiting)
        randoms: dict[int, int] = {}

        def watch(seen: wire.Connection) -> None:
            if seen.client_hello is not None:
                randoms[seen.id] = int.from_bytes(seen.client_hello.random[-8:], "big")

        self._watch = watch
        self._judge_here(batch, places, now_ns)
        news = {value for value in self._known if value not in known}
        hidden = {entry.kind for key, entry in self._waiting.items() if key not in waiting}
        table = batch.table[places].tolist()
        done = [
            (place, row)
            for place, row in zip(places, table, strict=True)
            if row[_KIND] >= 0 and row[_KIND] not in hidden and batch.values[place] not in news
        ]
        kinds = {row[_KIND]: report for _, row in done if (report := self._kinds[row[_KIND]]) is not None}
        judged = [(place, row) for place, row in done if row[_KIND] in kinds]
        left = [
            place
            for place, row in zip(places, table, strict=True)
            if row[_KIND] in hidden or batch.values[place] in news
        ]
        again = set(self._numbers(batch.numbers[left]).tolist())
        told = [number for number in randoms if number not in again]
        return _Apart(judged, kinds, left, self._chains, (told, [randoms[number] for number in told]))

    def _judge_here(self, batch: _Batch, places: list[int], now_ns: int) -> None:
        """Judge connections; a fault of ours in one is marked there and does not stop the others."""
        for start in range(0, len(places), _BLOCK):
            block = places[start : start + _BLOCK]
            numbers = batch.numbers[block]
            rows, logs = self._flows.table.rows_of(numbers), self._flows.signals.lists(numbers)
            rows = [row._replace(number=row.number + self._first) for row in rows] if self._first else rows
            for place, number, row, log in zip(block, numbers.tolist(), rows, logs, strict=True):
                try:
                    streams = self._flows.stream(number * 2), self._flows.stream(number * 2 + 1)
                    seen = connection_of(row, log, streams, self._keys.ring)
                    if seen is not None:
                        self._judge_one(batch, place, row, seen, now_ns)
                except Exception as error:  # noqa: BLE001 - one connection's fault must not cost the others
                    self._keep(batch, place, broken(row, error))

    def _judge_one(self, batch: _Batch, place: int, row: FlowRow, seen: wire.Connection, now_ns: int) -> None:
        batch.judged[place] = True
        self._keys.take(seen)
        self._chains.take(seen)
        self._watch(seen)
        progress = trace(seen)
        value = batch.values[place]
        batch.table[place, _CLIENT] = seen.halves[Side.CLIENT].number
        if is_hidden(seen, progress):
            kind = len(self._kinds)
            self._kinds.append(None)
            event = -1
            key: tuple[object, ...] = (seen.id,)
            if value != ALONE:
                ending = progress.ending
                found = batch.event_of(place, None if ending is None else ending.packet)
                event = -1 if found is None else found
                self._known[value] = _Known(kind=None, event=event, hidden=True)
                key = value, self._server_at(batch, place)
                if key in self._waiting:
                    key = (seen.id,)
            flow = int(batch.numbers[place])
            self._waiting[key] = _Waiting(
                kind=kind, alone=self._is_alone(value), flow=flow, row=row, seen=seen, progress=progress
            )
            batch.table[place, _KIND] = kind
            return
        report, outcome = self._judge(seen, progress, None, now_ns)
        kind = self._keep(batch, place, report)
        if value != ALONE:
            known = self._known.get(value)
            event_found = batch.event_of(place, report.abort_packet)
            if event_found is None:
                self._known[value] = _Known(kind=None)
            elif not _holds_for_all(outcome, signed=batch.is_signed(place)):
                if known is None or known.kind is not None or known.hidden:
                    known = self._known[value] = _Known(kind=None, signed=None if told_by_server(report) else {})
                if known.signed is not None and batch.alike is not None:
                    known.signed.setdefault(batch.alike.signature_fault(place), (kind, event_found))
            elif known is None or known.kind is None:
                servers = {self._server_at(batch, place): kind} if told_by_server(report) else None
                self._known[value] = _Known(kind=kind, event=event_found, servers=servers)
            elif known.servers is not None:
                known.servers[self._server_at(batch, place)] = kind
            else:  # an earlier one of a kind that is known: it stands for the kind from now on
                self._kinds[known.kind] = report
                self._kinds.pop()
                batch.table[place, _KIND] = kind = known.kind
        chain = seen.chain(Side.SERVER)
        if chain is not None and chain.chain and value != ALONE:
            self._shown[kind] = _Shown(seen, chain)

    def _keep(self, batch: _Batch, place: int, report: Connection) -> int:
        kind = self._kind_for(report, alone=self._is_alone(batch.values[place]))
        packet = report.abort_packet
        batch.table[place, [_KIND, _ABORT_PACKET]] = kind, -1 if packet is None else packet
        return kind

    def _is_alone(self, value: tuple[int, int]) -> bool:
        """Whether a connection is judged for itself though likeness is looked for; what is related stays whole."""
        return value == ALONE and self._likeness is not None

    def _kind_for(self, report: Connection, *, alone: bool) -> int:
        """The kind that a connection is of, after it was judged; a new one when none before it ended the same way.

        Where all are judged for themselves (packets were cut, one direction recorded) only so much is kept of them.
        """
        kind = None
        if alone:
            story = story_of(report), report.server if told_by_server(report) else None
            kind = self._stories.get(story)
            if kind is None and len(self._stories) < _MOST_STORIES:
                self._stories[story] = len(self._kinds)
        if kind is None:
            self._kinds.append(report)
            return len(self._kinds) - 1
        first = self._kinds[kind]
        if first is None or report.id < first.id:
            self._kinds[kind] = report
        return kind

    def _judge_waiting(self, end_ns: int) -> None:
        """Judge those whose chain is hidden, now that all chains were seen."""
        if not self._waiting:
            return
        table = self._table()
        self._see_again(table)
        own = {flow: place for place, flow in enumerate(table[:, _FLOW].tolist())}
        for waiting in self._waiting.values():
            report = self._judge_late(waiting, waiting.seen, end_ns)
            packet = report.abort_packet
            table[own[waiting.flow], _ABORT_PACKET] = -1 if packet is None else packet
            if waiting.alone:
                table[own[waiting.flow], _KIND] = self._kind_for(report, alone=True)
                continue
            self._kinds[waiting.kind] = report
            places = [own[flow] for flow, _ in waiting.others]
            ending = waiting.progress.ending
            if packet is None or ending is None or packet != ending.packet:
                table[places, _ABORT_PACKET] = -1
            if waiting.others and not self._same_for_all(waiting):
                self._judge_others(waiting, table, places, end_ns)
        self._parts = [table]

    def _judge_late(self, waiting: _Waiting, seen: wire.Connection, end_ns: int) -> Connection:
        try:
            return self._judge(seen, waiting.progress, self._chains, end_ns)[0]
        except Exception as error:  # noqa: BLE001 - as above
            return broken(waiting.row._replace(number=seen.id), error)

    def _judge_others(self, waiting: _Waiting, table: Column, places: list[int], end_ns: int) -> None:
        """Judge each of those that are alike by its own moment: what the server sent then, and what was valid.

        Of one that is told otherwise than the first, nothing is told that rests on the first one's packets.
        """
        kinds = {_verdict(self._kinds[waiting.kind]): waiting.kind}
        for (flow, first_ns), place in zip(waiting.others, places, strict=True):
            client = self._flows.table.endpoint(flow, int(table[place, _CLIENT]))
            seen = replace(waiting.seen, id=self._number_of(flow), client=client, first_time_ns=first_ns)
            report = self._judge_late(waiting, seen, end_ns)
            kind = kinds.setdefault(_verdict(report), len(self._kinds))
            if kind == len(self._kinds):
                self._kinds.append(with_packets_of_another(report, int(table[place, _ABORT_PACKET])))
            table[place, _KIND] = kind

    def _same_for_all(self, waiting: _Waiting) -> bool:
        """Whether the moment makes no difference among those that are alike."""
        chains = self._chains.chains_of(waiting.seen)
        if not chains:
            return True
        moments = [waiting.seen.first_time_ns, *(first_ns for _, first_ns in waiting.others)]
        edges = {*self._edges, *(edge for chain in chains for edge in _validity(chain))}
        earliest, latest = min(moments) // _SECOND, max(moments) // _SECOND
        return len(chains) == 1 and not any(earliest <= edge <= latest + 1 for edge in edges)

    def _see_again(self, table: Column) -> None:
        """Tell when servers showed the chains of connections that were not read one by one: first and last."""
        rows = self._flows.table.rows
        for kind, shown in self._shown.items():
            members = table[table[:, _KIND] == kind]
            number, server = members[:, _FLOW], 1 - members[:, _CLIENT]
            ends = np.stack([rows[name][number, server].astype(np.uint64) for name in ENDS.names or ()])
            _, group = np.unique(ends, axis=1, return_inverse=True)
            times = rows["first_time"][number]
            order = np.lexsort((number, times, group))
            begins = np.append(np.flatnonzero(np.diff(group[order], prepend=-1)), len(order))
            for begin, end in zip(begins[:-1].tolist(), begins[1:].tolist(), strict=True):
                for place in {int(order[begin]), int(order[end - 1])}:
                    server_end = self._flows.table.endpoint(int(number[place]), int(server[place]))
                    self._chains.again(
                        replace(
                            shown.seen,
                            id=self._number_of(int(number[place])),
                            server=server_end,
                            first_time_ns=int(times[place]),
                        ),
                        replace(shown.chain, packet=int(members[place, _CHAIN_PACKET])),
                    )

    def _table(self) -> Column:
        return np.concatenate(self._parts) if self._parts else np.zeros((0, 5), dtype=np.int64)

    def _connections(self) -> Connections:
        table = self._table()
        table = table[np.argsort(table[:, _FLOW], kind="stable")]
        number, client = table[:, _FLOW], table[:, _CLIENT]
        rows = self._flows.table.rows
        ends = []
        for side in (client, 1 - client):
            end = np.zeros(len(table), dtype=ENDS)
            for name in ENDS.names or ():
                end[name] = rows[name][number, side]
            ends.append(end)
        kept = np.array([kind is not None for kind in self._kinds], dtype=np.bool_)
        return Connections(
            [kind for kind in self._kinds if kind is not None],
            Columns(
                (np.cumsum(kept) - 1)[table[:, _KIND]],
                self._numbers(number),
                rows["first_time"][number],
                table[:, _ABORT_PACKET],
                ends[0],
                ends[1],
            ),
        )


_SECOND: Final = 1_000_000_000
_FLOW, _KIND, _CLIENT, _ABORT_PACKET, _CHAIN_PACKET = range(5)
"""Columns of the table of judged connections: flow, kind, side of the client, and two frames (-1 for none)."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Connections that are judged together. `table` has a row for each."""

    numbers: Column
    alike: Alike | None
    values: Sequence[tuple[int, int]]
    """What is equal for those that are alike."""
    table: Column
    judged: NDArray[np.bool_]
    """Those that were judged for themselves."""

    def is_signed(self, place: int) -> bool:
        """Whether a signature tells whether a connection is like the others."""
        return self.alike is not None and bool(self.alike.signed[place])

    def event_of(self, place: int, packet: int | None) -> int | None:
        """The number of the event that a packet shows; -1 without a packet, None when there is no such event."""
        if packet is None:
            return -1
        if self.alike is None:
            return None
        (found,) = np.nonzero(self.alike.events(place) == packet)
        return int(found[0]) if len(found) else None


def connection_of(
    row: FlowRow,
    log: Sequence[Signal],
    streams: tuple[Stream | None, Stream | None],
    ring: KeyRing | None,
) -> wire.Connection | None:
    """A connection, as its two directions end here; see `wire.build`."""
    records = tuple(_records(stream) for stream in streams)
    return wire.build(row.number, row, log, streams, (records[0], records[1]), ring)


def _records(stream: Stream | None) -> SideRecords | None:
    if stream is None or not _is_recorder(type(stream.consumer)):
        return None
    return cast("Recorder", stream.consumer).finish()


@cache
def _is_recorder(kind: type) -> bool:
    """Whether consumers of a class are recorders; to ask each one would take as long as to judge a cause."""
    return issubclass(kind, Recorder)


def _holds_for_all(outcome: Outcome, *, signed: bool) -> bool:
    """Whether the verdict is the same whatever the signature on the ServerKeyExchange is worth."""
    if not signed:
        return True
    if outcome.cause is None:
        return False
    cause, match = outcome.cause
    return match.confidence != "possible" and _INTEGRITY in cause.covers


def _verdict(report: Connection | None) -> tuple[object, ...]:
    """What tells kinds apart that differ by the chain that is inferred."""
    if report is None:
        return ()
    cause = None if report.cause is None else (report.cause.code, report.cause.confidence)
    return report.outcome, cause, report.server_chain, report.chain_source, report.trust


def _validity(chain: Iterable[bytes]) -> list[int]:
    from analyzer.trust.certificate import Certificate

    certificates = [Certificate.parse(der) for der in chain]
    return [time for c in certificates for time in (c.not_before, c.not_after) if time is not None]


def broken(row: FlowRow, error: Exception) -> Connection:
    """What is reported of a connection in which a fault of ours showed."""
    return broken_connection(row.number, str(row.endpoint(0)), str(row.endpoint(1)), row.first_time, fault_text(error))
