"""The connections of a report, a million of them if need be: what is equal in many is kept once.

A capture has many connections and few stories. `Connections` is a sequence of `Connection`s; behind it are the
different ones (`kinds`) and columns that say of which kind each is, when it began, and between whom. A connection is
put together when it is asked for. One that is its kind's first is told in full, with its packets; of those that went
alike only what all share is told, and which packet ended it.

Who counts and groups reads the columns: places (indices) are what is passed around then.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import fields, replace
from datetime import datetime
from functools import cached_property
from operator import attrgetter
from typing import Final, overload

import numpy as np
from numpy.typing import NDArray

from analyzer.diagnosis.case import when
from analyzer.net.flows import Endpoint
from analyzer.net.segments import address_text
from analyzer.report.model import Connection

__all__ = ["Column", "Columns", "Connections", "address_of", "story_of", "with_packets_of_another"]

Column = NDArray[np.int64]

ENDS: Final = np.dtype([("high", "u8"), ("low", "u8"), ("port", "i4")])
"""An address as `net.segments` has it, and a port."""
_OUTCOMES: Final = ("completed", "failed", "incomplete")


class Columns:
    """The columns behind `Connections`, one row a connection, as the judging of a capture gives them."""

    __slots__ = ("abort_packet", "client", "id", "kind", "server", "started_ns")

    def __init__(
        self,
        kind: Column,
        id_: Column,
        started_ns: Column,
        abort_packet: Column,
        client: NDArray[np.void],
        server: NDArray[np.void],
    ) -> None:
        """`abort_packet` is -1 without one; `client` and `server` are arrays of `ENDS`."""
        self.kind = kind
        self.id = id_
        self.started_ns = started_ns
        self.abort_packet = abort_packet
        self.client = client
        self.server = server


def with_packets_of_another(item: Connection, abort_packet: int) -> Connection:
    """A connection that went like `item`, as far as is known: which packet ended it (-1: none), and no other packet."""
    return replace(
        item,
        abort_packet=abort_packet if abort_packet >= 0 else None,
        other_causes=(),
        evidence=(),
        timeline=(),
        alerts=tuple(replace(a, packet=abort_packet) for a in item.alerts if a.packet == item.abort_packet),
        tunnels=(),
        tunnels_back=(),
        tunnels_also=(),
    )


def story_of(item: Connection) -> Hashable:
    """What connections have to have in common to be of one kind: all that `Connections` tells of those behind a first.

    Of what rests on packets and addresses, the other causes and the kinds of repair have to be the same too.
    """
    cause = item.cause
    causes = tuple((each.code, each.confidence, each.title) for each in ((cause,) if cause else ()) + item.other_causes)
    alerts = tuple(replace(alert, packet=-1) for alert in item.alerts if alert.packet == item.abort_packet)
    fixes = tuple((fix.action, fix.certificate, fix.proven) for fix in item.fixes)
    return _shared(item), item.abort_packet is None, cause is None, causes, alerts, fixes


_OWN: Final = frozenset(
    (
        "id", "client", "server", "started_at", "abort_packet", "cause", "other_causes", "evidence", "timeline",
        "alerts", "fixes", "tunnels", "tunnels_back", "tunnels_also",
    )
)  # fmt: skip
"""Fields of a connection that those of its kind do not share, or not as they are."""
_shared: Final = attrgetter(*(each.name for each in fields(Connection) if each.name not in _OWN))


class Connections(Sequence[Connection]):
    """A sequence of connections; see the module's text. All columns have one row for each, in its order."""

    _finish: Callable[[Connection], Connection] | None = None

    def __init__(self, kinds: Sequence[Connection], columns: Columns) -> None:
        self.kinds = kinds
        self.kind = columns.kind
        self.id = columns.id
        self.started_ns = columns.started_ns // 1000 * 1000  # as exact as it is shown
        self.server, servers = _numbered(columns.server)
        self.servers = [str(Endpoint(address_text(high, low), port)) for high, low, port in servers]
        """The servers as they are written, by the numbers in the column `server`."""
        hosts = columns.client.copy()
        hosts["port"] = 0
        self.client, clients = _numbered(hosts)
        self.clients = [address_of(str(Endpoint(address_text(high, low), 0))) for high, low, _ in clients]
        """The addresses of the clients, by the numbers in the column `client`."""
        self._client_port = columns.client["port"]
        self._abort_packet = columns.abort_packet
        self._times: NDArray[np.object_] | None = None

    @classmethod
    def of(cls, items: Iterable[Connection]) -> Connections:
        """Connections that are all different."""
        if isinstance(items, Connections):
            return items
        kinds = tuple(items)
        self = cls.__new__(cls)
        self.kinds = kinds
        self.kind = np.arange(len(kinds))
        self.id = np.array([item.id for item in kinds], dtype=np.int64)
        self._times = np.array([item.started_at for item in kinds], dtype=object)
        self.started_ns = np.array([_nanoseconds(item.started_at) for item in kinds], dtype=np.int64)
        servers: dict[str, int] = {}
        clients: dict[str, int] = {}
        self.server = np.array([servers.setdefault(item.server, len(servers)) for item in kinds], dtype=np.int64)
        self.client = np.array(
            [clients.setdefault(address_of(item.client), len(clients)) for item in kinds], dtype=np.int64
        )
        self.servers, self.clients = list(servers), list(clients)
        return self

    def __len__(self) -> int:
        return len(self.kind)

    @overload
    def __getitem__(self, place: int) -> Connection: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Connection, ...]: ...

    def __getitem__(self, place: int | slice) -> Connection | tuple[Connection, ...]:
        if isinstance(place, slice):
            return tuple(self[index] for index in range(*place.indices(len(self))))
        kind, number = self.kind_of(place), int(self.id[place])
        item = kind if kind.id == number else self._alike(kind, place)
        return item if self._finish is None else self._finish(item)

    def _alike(self, kind: Connection, place: int) -> Connection:
        """The connection at `place`, which went like that of another number."""
        return replace(
            with_packets_of_another(kind, int(self._abort_packet[place])),
            id=int(self.id[place]),
            client=f"{self.clients[self.client[place]]}:{self._client_port[place]}",
            server=self.servers[self.server[place]],
            started_at=self.started_at(place),
            cause=None if kind.cause is None else replace(kind.cause, explanation="", headline=""),
            fixes=(),
            expected_log=(),
        )

    def __iter__(self) -> Iterator[Connection]:
        return (self[place] for place in range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_same, self, other))

    __hash__ = None  # type: ignore[assignment]

    def kind_of(self, place: int) -> Connection:
        """The connection that stands for this one; of it only what all of a kind share may be used."""
        kind: Connection = self.kinds[self.kind[place]]
        return kind

    def with_kinds(self, kinds: Sequence[Connection]) -> Connections:
        """The same connections, and other words for their kinds."""
        result = copy(self)
        result.kinds = kinds
        return result

    def finished(self, finish: Callable[[Connection], Connection]) -> Connections:
        """The same connections, each as `finish` gives it whenever it is asked for: what is its own, not its kind's."""
        result = copy(self)
        result._finish = finish  # noqa: SLF001 - an object of this class
        return result

    def changed(self, items: Mapping[int, Connection]) -> Connections:
        """The same connections, but for those with these ids: each of them is of a kind of its own from now on."""
        if not items:
            return self
        places = np.flatnonzero(np.isin(self.id, list(items)))
        if len(places) == len(self):
            return Connections.of(tuple(items[number] for number in self.id.tolist()))
        result = copy(self)
        result.__dict__.pop("firsts", None)
        result.kind = self.kind.copy()
        result.kind[places] = len(self.kinds) + np.arange(len(places))
        result.kinds = [*self.kinds, *(items[number] for number in self.id[places].tolist())]
        return result

    def select(self, which: NDArray[np.bool_]) -> Connections:
        """Those of a mask, in the same order."""
        if which.all():
            return self
        result = copy(self)
        result.__dict__.pop("firsts", None)
        for name in ("kind", "id", "started_ns", "server", "client", "_client_port", "_abort_packet", "_times"):
            column = getattr(self, name, None)
            setattr(result, name, None if column is None else column[which])
        return result

    def firsts_of_servers(self) -> list[int]:
        """The places of the first connections of each kind with each server, in their order."""
        pairs = self.kind * len(self.servers) + self.server
        places: list[int] = np.sort(np.unique(pairs, return_index=True)[1]).tolist()
        return places

    def started_at(self, place: int) -> str:
        """When it began, as the report has it."""
        return when(int(self.started_ns[place])) if self._times is None else str(self._times[place])

    def place_of(self, number: int) -> int | None:
        """The place of the connection with this id."""
        (found,) = np.nonzero(self.id == number)
        return int(found[0]) if len(found) else None

    def places_of(self, numbers: Iterable[int]) -> dict[int, int]:
        """The places of the connections with these ids, as far as they are there."""
        wanted = np.array(sorted(numbers), dtype=np.int64)
        if not len(self) or not len(wanted):
            return {}
        order = np.argsort(self.id, kind="stable")
        ordered = self.id[order]
        at = np.minimum(ordered.searchsorted(wanted), len(ordered) - 1)
        there = ordered[at] == wanted
        return dict(zip(wanted[there].tolist(), order[at[there]].tolist(), strict=True))

    def by_id(self, number: int) -> Connection | None:
        """The connection with this id."""
        place = self.place_of(number)
        return None if place is None else self[place]

    def where(self, outcome: str) -> Column:
        """The places of the connections with an outcome."""
        return np.flatnonzero(self.of_kinds([kind.outcome == outcome for kind in self.kinds]))

    def of_kinds(self, values: Sequence[bool]) -> NDArray[np.bool_]:
        """What is known by kind as a column."""
        result: NDArray[np.bool_] = np.array(values, dtype=np.bool_)[self.kind] if len(self.kind) else _NONE
        return result

    def by_kind_and_server(self, places: Column) -> list[Column]:
        """The places of each kind and server, in the order of their first."""
        pair = self.kind[places] * len(self.servers) + self.server[places]
        order = np.argsort(pair, kind="stable")
        begins = np.flatnonzero(np.diff(pair[order], prepend=-1))
        groups = np.split(places[order], begins[1:]) if len(places) else []
        return sorted(groups, key=lambda members: int(members[0]))

    def counts(self) -> list[int]:
        """How many connections there are of each kind."""
        counts: list[int] = np.bincount(self.kind, minlength=len(self.kinds)).tolist()
        return counts

    @cached_property
    def firsts(self) -> Column:
        """The place of the connection of each kind that is told in full: its first."""
        first = np.full(len(self.kinds), -1, dtype=np.int64)
        told = np.array([kind.id for kind in self.kinds], dtype=np.int64)
        (places,) = np.nonzero(told[self.kind] == self.id) if len(self.kinds) else (first,)
        first[self.kind[places]] = places
        return first


_NONE: Final = np.zeros(0, dtype=np.bool_)


def address_of(endpoint: str) -> str:
    """The address of `address:port`, with the brackets of IPv6."""
    return endpoint.rpartition(":")[0] or endpoint


def _same(one: object, other: object) -> bool:
    return one == other


def _numbered(ends: NDArray[np.void]) -> tuple[Column, list[tuple[int, int, int]]]:
    """A number for each different row, in the order of their first appearance, and the rows by number."""
    if not len(ends):
        return np.zeros(0, dtype=np.int64), []
    order = np.lexsort((ends["port"], ends["low"], ends["high"]))
    ordered = ends[order]
    change = np.ones(len(ends), dtype=np.bool_)
    change[1:] = ordered[1:] != ordered[:-1]
    group = np.cumsum(change) - 1
    first = order[change]  # a stable sort: the first of each
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbers = np.empty(len(ends), dtype=np.int64)
    numbers[order] = rank[group]
    return numbers, ends[np.sort(first)].tolist()


def _nanoseconds(time: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time; 0 for what is none."""
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return 0
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000_000 + moment.microsecond * 1000
