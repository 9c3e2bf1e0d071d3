"""Connections that went alike: what is worked out for one of them holds for all.

Behind a gateway the same handshake fails ten thousand times. Two connections are alike when everything that a cause
looks at is equal in both but frame numbers, addresses and the moment: the same messages (`moulds`), records of the
same lengths, alerts, SYN, FIN and RST, in the same order, as far apart as the limits go by which causes judge
(`_LIMITS_NS`), with the same bytes acknowledged, at a time when the same certificates are valid. All of that is put
together in columns, into one value for each connection; what is not plain gets none, and is judged for itself.

Of a connection that finished its handshake and carried data only hellos and certificates count.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import distinct, picked
from analyzer.dataclass import dataclass
from analyzer.diagnosis.curves import share_fault
from analyzer.diagnosis.lengths import JAVA_PADDING, suite_lengths
from analyzer.errors import WireError
from analyzer.net.flows import Flows
from analyzer.net.segments import ACK, FIN, RST, SYN
from analyzer.registry import ContentType, ExtensionType, HandshakeType, encrypts_nothing
from analyzer.tls.columns import ALERT, DATA, MESSAGE, OTHER, RecordColumns
from analyzer.tls.messages import Certificate as CertificateList
from analyzer.tls.messages import ClientHello, ServerHello, ServerKeyExchange, is_tls13, parse
from analyzer.tls.moulds import NO_MOULD, Moulds
from analyzer.tls.records import MAX_RECORDS_KEPT
from analyzer.trust.certificate import Certificate

__all__ = ["ALONE", "Alike", "Likeness"]

ALONE: Final = (0, 0)
"""The value of a connection that is like no other."""

_LIMITS_NS: Final = np.array([200, 300, 1000, 2000, 3000], dtype=np.int64) * 1_000_000
"""The durations that causes compare with, in nanoseconds: in `progress`, `server_left`, `client_closed`, `prelude`,
`server_silent`, `connect_timeout`, `path_mtu_blackhole`. A test holds the two together."""
_MOST_EVENTS: Final = 64
_MOST_EVENTS_SLOW: Final = 24
"""Events of a connection between any two of which a limit may lie."""
_TELLING: Final = (HandshakeType.CLIENT_HELLO, HandshakeType.SERVER_HELLO, HandshakeType.CERTIFICATE)
"""Messages that count of a connection that finished its handshake and carried data."""
_SENT_BY_CLIENT, _SENT_BY_SERVER = 0, 1
_RANDOM_END: Final = 34
_RANDOM: Final = slice(2, _RANDOM_END)
_SIGNING: Final = (
    HandshakeType.CLIENT_HELLO,
    HandshakeType.SERVER_HELLO,
    HandshakeType.CERTIFICATE,
    HandshakeType.SERVER_KEY_EXCHANGE,
)
"""What a signature on a ServerKeyExchange is about, and what it is verified by."""
_MODULUS: Final = 1 << 32
_HALF: Final = 1 << 31
_OUTSIDE: Final = 4096

Column = NDArray[np.int64]
Mask = NDArray[np.bool_]
Table = NDArray[np.void]
Value = NDArray[np.uint64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alike:
    """What was found of N connections. Each has a place; `flow` is its number."""

    flow: Column
    values: list[tuple[int, int]]
    """[N] equal for connections that are alike; `ALONE` for one that has to be judged for itself."""
    client: Column
    """[N] the side that is the client."""
    signed: Mask
    """[N] not settled, and with a signature in the ServerKeyExchange, of which nothing is known here."""
    random: NDArray[np.uint64]
    """[N] the last 8 bytes of the client's random value, big-endian; 0 for one that is judged for itself."""
    chain_packet: Column
    """[N] frame of the server's Certificate message; -1 without one."""
    _begins: Column
    _packets: Column
    _fault: Callable[[int], str | None]

    def signature_fault(self, place: int) -> str | None:
        """What is wrong with the signature on a connection's ServerKeyExchange: see `signed_parameters`.

        It is verified when it is asked for, and only as long as the connections have not been let go.
        """
        return self._fault(place)

    def events(self, place: int) -> Column:
        """The frames of a connection's events, in order."""
        return self._packets[self._begins[place] : self._begins[place + 1]]

    def packet(self, places: Column, event: int) -> Column:
        """The frame of each connection's event number `event`."""
        return self._packets[self._begins[places] + event]


class Likeness:
    """Finds which connections are alike, over all that it is asked about."""

    def __init__(self, columns: RecordColumns) -> None:
        self.columns = columns
        self.moulds = Moulds()
        self.seeds = [int.from_bytes(os.urandom(8), "big") for _ in range(2)]
        """Secret, so that a crafted capture cannot make connections look alike."""
        self._hellos: dict[int, _Hello] = {}
        self._edges: dict[int, frozenset[int]] = {}

    def of(self, flows: Flows, numbers: Column, *, end_ns: int | None, edges: Sequence[int]) -> Alike:
        """Compare the connections `numbers` (ascending).

        `end_ns` is the time of the capture's last packet, None as long as that is not read: then all of `numbers` have
        ended. `edges` are the seconds since 1970 at which a certificate of the trust store begins or ceases to be
        valid.
        """
        return _Comparison(self, flows, numbers, end_ns, edges).result()

    def hello(self, number: int) -> _Hello:
        """What a mould of a hello tells."""
        if number not in self._hellos:
            self._hellos[number] = _read_hello(self.moulds, number)
        return self._hellos[number]

    def edges(self, number: int) -> frozenset[int]:
        """The seconds at which certificates of a Certificate message begin or cease to be valid."""
        if number not in self._edges:
            self._edges[number] = _edges_of(self.moulds.all[number].body)
        return self._edges[number]


@dataclass(frozen=True, slots=True)
class _Hello:
    """What a mould of a ServerHello, or ClientHello, tells of the handshake."""

    thirteen: bool
    retry: bool
    early_data: bool
    finished: int
    alert: int
    in_clear: bool = False
    """The suite encrypts nothing, so that alerts tell more than their lengths."""


class _Comparison:
    """One question to `Likeness`, step by step."""

    def __init__(
        self, owner: Likeness, flows: Flows, numbers: Column, end_ns: int | None, edges: Sequence[int]
    ) -> None:
        self._owner = owner
        self._numbers = numbers
        self._end_ns = end_ns
        self._edges = edges
        count = len(numbers)
        self._row = picked(flows.table.rows, numbers)
        chosen = np.zeros(len(flows.table), dtype=np.bool_)
        chosen[numbers] = True
        place = np.zeros(len(flows.table), dtype=np.int64)
        place[numbers] = np.arange(count)
        self._rows = owner.columns.rows(chosen)
        self._at = place[self._rows["key"] >> 1]
        self._side = self._rows["key"] & 1
        self._signals = flows.signals.of(chosen)
        self._signal_at = place[self._signals["flow"]]
        self.alone = np.zeros(count, dtype=np.bool_)
        self._settled = np.zeros(count, dtype=np.bool_)
        self._signed = np.zeros(count, dtype=np.bool_)
        self._extra: Value = np.zeros((count, 2), dtype=np.uint64)
        self._client: Column = np.zeros(count, dtype=np.int64)
        self._signing: Column | None = None

    def result(self) -> Alike:
        """All columns."""
        self._leave_out()
        client = self._client = self._clients()
        mould = np.full(len(self._rows), NO_MOULD, dtype=np.int64)
        messages = self._rows["kind"] == MESSAGE
        telling = messages & np.isin(self._rows["type"], _TELLING)
        self._number_messages(telling, mould)
        self._settle(client, mould)
        self._number_messages(messages & ~telling & ~self._settled[self._at], mould)
        self._weigh_signals(client)
        self._weigh_messages(mould)
        events = self._events(client, mould)
        return self._summed(client, *events)

    def _leave_out(self) -> None:
        """Connections that are not plain: a stream was needed, bytes are missing or came twice, ICMP spoke."""
        row, signals = self._row, self._signals
        self.alone |= row["streamed"].any(axis=1)
        self.alone |= (row["bytes"] != row["in_order"]).any(axis=1)
        self.alone[self._signal_at[signals["quoted"] != 0]] = True
        counts = np.bincount(self._signal_at, minlength=len(self.alone))
        opened = np.zeros(len(self.alone), dtype=np.bool_)
        opened[self._signal_at[signals["flags"] & SYN != 0]] = True
        self.alone |= (counts > _MOST_EVENTS) | ~opened
        for side in (0, 1):
            self.alone |= self._unseen(side) > 0

    def _unseen(self, side: int) -> Column:
        """Bytes before a side's FIN, or before what its peer acknowledged, that are not there."""
        row, signals = self._row, self._signals
        first = row["base"][:, side] + 1
        missing = np.zeros(len(row), dtype=np.int64)
        fins = (signals["flags"] & (FIN | RST) == FIN) & (signals["side"] == side)
        ends = signals["seq"][fins].astype(np.int64) + signals["length"][fins]
        at = self._signal_at[fins]
        has_fin = np.zeros(len(row), dtype=np.bool_)
        has_fin[at] = True
        np.maximum.at(missing, at, _ahead(ends - first[at] - row["in_order"][at, side]))
        ack = row["last_ack"][:, 1 - side]
        behind = np.where(ack >= 0, _ahead(ack - first - has_fin - row["in_order"][:, side]), 0)
        result = np.maximum(missing, behind)
        return np.where(row["base_known"][:, side] != 0, result, 0)

    def _clients(self) -> Column:
        """[N] the side that is the client: by its ClientHello, else by the SYN."""
        count = len(self.alone)
        hello = (self._rows["kind"] == MESSAGE) & (self._rows["type"] == HandshakeType.CLIENT_HELLO)
        said = np.zeros((count, 2), dtype=np.bool_)
        said[self._at[hello], self._side[hello]] = True
        self.alone |= said.all(axis=1)
        data = np.zeros((count, 2), dtype=np.bool_)
        data[self._at, self._side] = True
        # Without a ClientHello there is more to weigh than this.
        self.alone |= data.any(axis=1) & ~said.any(axis=1)
        signals = self._signals
        syn = np.flatnonzero(signals["flags"] & SYN != 0)[::-1]
        client = np.zeros(count, dtype=np.int64)
        answered = signals["flags"][syn] & ACK != 0
        client[self._signal_at[syn]] = np.where(answered, 1 - signals["side"][syn], signals["side"][syn])
        return np.where(said.any(axis=1), said.argmax(axis=1), client)

    def _number_messages(self, which: Mask, mould: Column) -> None:
        """Put into `mould` [R] those of the rows of a mask."""
        rows = self._rows
        messages = np.flatnonzero(which & ~self.alone[self._at])
        if not len(messages):
            return
        shape = rows["type"][messages].astype(np.int64) << 32 | rows["length"][messages]
        order = np.argsort(shape, kind="stable")
        begins = np.flatnonzero(np.concatenate([[True], np.diff(shape[order]) != 0]))
        for members in np.split(messages[order], begins[1:]):
            bodies = self._owner.columns.bodies(rows["body"][members].tolist())
            mould[members] = self._owner.moulds.numbers(int(rows["type"][members[0]]), bodies)
        self.alone[self._at[messages[mould[messages] == NO_MOULD]]] = True

    def _settle(self, client: Column, mould: Column) -> None:
        """Find the connections that surely finished their handshake and carried data."""
        rows, count = self._rows, len(self.alone)
        by = (self._side != client[self._at]).astype(np.int64)  # 0: the client
        kind, code = rows["kind"], rows["type"]

        def number(mask: Mask) -> Column:
            """[N, 2] rows of a mask, by the client and by the server."""
            return np.bincount(self._at[mask] * 2 + by[mask], minlength=count * 2).reshape(count, 2)

        sealed = number((kind == OTHER) & (code == ContentType.HANDSHAKE))
        changed = number((kind == OTHER) & (code == ContentType.CHANGE_CIPHER_SPEC))
        data = number(kind == DATA)
        certificates = number((kind == MESSAGE) & (code == HandshakeType.CERTIFICATE))
        alerts = number((kind == ALERT) & (rows["minor"] != 0))
        answer = np.full(count, -1, dtype=np.int64)
        answers = np.flatnonzero((kind == MESSAGE) & (code == HandshakeType.SERVER_HELLO) & (by == 1))
        answer[self._at[answers[::-1]]] = answers[::-1]
        has = np.flatnonzero((answer >= 0) & ~self.alone)
        told = [self._owner.hello(number) for number in mould[answer[has]].tolist()]
        thirteen = np.zeros(count, dtype=np.bool_)
        thirteen[has] = [each.thirteen for each in told]
        self.alone[has] |= np.array([each.in_clear for each in told], dtype=np.bool_)
        plain = ~self.alone & (answer >= 0) & (alerts.sum(axis=1) == 0)
        twelve = plain & ~thirteen & (sealed == 1).all(axis=1) & (changed >= 1).all(axis=1)
        self._settled = twelve & (data.sum(axis=1) > 0) & (certificates[:, 0] == 0)
        usual = np.zeros(count, dtype=np.bool_)
        usual[has] = [each.thirteen and not each.retry for each in told]
        lengths = np.zeros((count, 2), dtype=np.int64)
        lengths[has, 0] = [each.finished for each in told]
        lengths[has, 1] = [each.alert for each in told]
        early = np.zeros(count, dtype=np.bool_)
        hellos = np.flatnonzero((kind == MESSAGE) & (code == HandshakeType.CLIENT_HELLO) & (mould != NO_MOULD))
        early[self._at[hellos]] = [self._owner.hello(number).early_data for number in mould[hellos].tolist()]
        self._settled |= plain & usual & ~early & self._answered(by, answer, lengths)
        self.alone |= (data >= MAX_RECORDS_KEPT).any(axis=1) & ~self._settled

    def _answered(self, by: Column, answer: Column, lengths: Column) -> Mask:
        """TLS 1.3: the client's first record is a Finished, another is no alert, and the server said more then."""
        rows, count = self._rows, len(self.alone)
        data = np.flatnonzero((rows["kind"] == DATA) & (answer[self._at] >= 0))
        data = data[rows["packet"][data] > rows["packet"][answer[self._at[data]]]]
        own = data[by[data] == _SENT_BY_CLIENT]
        first = np.full(count, -1, dtype=np.int64)
        first[self._at[own[::-1]]] = own[::-1]
        has = first >= 0
        finished = np.zeros(count, dtype=np.bool_)
        finished[has] = rows["length"][first[has]] == lengths[has, 0]
        later = own[own != first[self._at[own]]]
        sent = np.zeros(count, dtype=np.bool_)
        sent[self._at[later[~self._may_be_alert(later, lengths)]]] = True
        theirs = data[(by[data] == _SENT_BY_SERVER) & has[self._at[data]]]
        theirs = theirs[rows["packet"][theirs] > rows["packet"][first[self._at[theirs]]]]
        said = np.zeros(count, dtype=np.bool_)
        said[self._at[theirs[~self._may_be_alert(theirs, lengths)]]] = True
        flight = np.zeros(count, dtype=np.bool_)
        earlier = data[(by[data] == _SENT_BY_SERVER) & has[self._at[data]]]
        earlier = earlier[rows["packet"][earlier] <= rows["packet"][first[self._at[earlier]]]]
        flight[self._at[earlier]] = True
        answered: Mask = finished & sent & said & flight
        return answered

    def _may_be_alert(self, which: Column, lengths: Column) -> Mask:
        length, alert = self._rows["length"][which], lengths[self._at[which], 1]
        found: Mask = (length == alert) | (length == alert + JAVA_PADDING)
        return found

    def _weigh_signals(self, client: Column) -> None:
        """What counts of TCP: which bytes were acknowledged, how long segments were, who sent anything at all."""
        row, every = self._row, np.arange(len(self.alone))
        quiet = row["in_order"].sum(axis=1) == 0
        for what, own in ((10, client), (11, 1 - client)):
            base, peer_ack, taken = (
                row["base"][every, own],
                row["last_ack"][every, 1 - own],
                row["in_order"][every, own],
            )
            known = (row["base_known"][every, own] != 0) & (peer_ack >= 0)
            self._add(np.where(known, (peer_ack - base - 1) % _MODULUS - taken, _HALF), what)
            self._add(row["max_segment"][every, own], what + 2)
            self._add(np.minimum(row["packets"][every, own], np.where(quiet, 255, 1)), what + 4)

    def _weigh_messages(self, mould: Column) -> None:
        """What the bytes that moulds leave out tell: keys that are none, session ids; and when certificates came."""
        rows = self._rows
        messages = (rows["kind"] == MESSAGE) & ~self.alone[self._at]
        chains = np.flatnonzero(messages & (rows["type"] == HandshakeType.CERTIFICATE))
        self._date(chains, mould)
        open_ = ~self._settled & ~self.alone
        messages &= open_[self._at]
        exchanges = np.flatnonzero(messages & (rows["type"] == HandshakeType.SERVER_KEY_EXCHANGE))
        self._signed[self._at[exchanges]] = True
        # A stapled response ages.
        self.alone[self._at[messages & (rows["type"] == HandshakeType.CERTIFICATE_STATUS)]] = True
        answers = np.flatnonzero(messages & (rows["type"] == HandshakeType.SERVER_HELLO))
        hellos = np.flatnonzero(messages & (rows["type"] == HandshakeType.CLIENT_HELLO))
        self._check_shares(np.concatenate([answers, exchanges]), mould)
        self._compare_names(hellos, answers)

    def _check_shares(self, which: Column, mould: Column) -> None:
        moulds, columns = self._owner.moulds, self._owner.columns
        bodies = columns.bodies(self._rows["body"][which].tolist())
        for row, number, body in zip(which.tolist(), mould[which].tolist(), bodies, strict=True):
            share = moulds.all[number].share
            if share is not None and share_fault(share[0], body[share[1]]) is not None:
                self.alone[self._at[row]] = True

    def _compare_names(self, hellos: Column, answers: Column) -> None:
        """Whether the ServerHello repeats the session id of the ClientHello (RFC 8446 section 4.1.3)."""
        asked: dict[int, set[bytes]] = {}
        for at, name in self._sessions(hellos):
            asked.setdefault(at, set()).add(name)
        repeated = np.zeros(len(self.alone), dtype=np.int64)
        for at, name in self._sessions(answers):
            names = asked.get(at, set())
            repeated[at] = repeated[at] * 4 + (1 + (name in names)) + 64 * len(names)
        self._add(repeated, 20)

    def _sessions(self, which: Column) -> Iterator[tuple[int, bytes]]:
        """Place and session id of hellos (RFC 5246 section 7.4.1.2)."""
        bodies = self._owner.columns.bodies(self._rows["body"][which].tolist())
        for at, body in zip(self._at[which].tolist(), bodies, strict=True):
            yield at, body[35 : 35 + body[34]] if len(body) > 34 else b""

    def _date(self, chains: Column, mould: Column) -> None:
        """Between which beginnings and ends of validity the certificates came."""
        if not len(chains):
            return
        edges = set(self._edges)
        for number in distinct(mould[chains]).tolist():
            edges |= self._owner.edges(number)
        moments = np.array(sorted(edges), dtype=np.int64)
        seconds = self._rows["time_ns"][chains] // 1_000_000_000
        # A moment at which a validity begins or ends is an interval of its own.
        for values, what in (
            (np.concatenate([[0], moments])[moments.searchsorted(seconds, side="left")], 22),
            (np.append(moments, 0)[moments.searchsorted(seconds, side="right")], 23),
        ):
            self._add_to(self._at[chains], values * 2 + self._side[chains], what)

    def _events(self, client: Column, mould: Column) -> tuple[Column, Column, Column, Value]:
        """Messages, records and signals of all connections in order: place, frame, time, and what each is."""
        rows, signals = self._rows, self._signals
        settled = self._settled[self._at]
        kept = ~self.alone[self._at] & ((mould != NO_MOULD) | ~settled)
        heard = ~self.alone[self._signal_at] & ~self._settled[self._signal_at]
        by = self._side != client[self._at]
        detail = np.where(rows["kind"] == MESSAGE, mould, rows["length"]).astype(np.uint64)
        record = (
            rows["kind"].astype(np.uint64) << np.uint64(56)
            | rows["type"].astype(np.uint64) << np.uint64(48)
            | rows["minor"].astype(np.uint64) << np.uint64(40)
            | by.astype(np.uint64) << np.uint64(39)
            | detail
        )
        theirs = signals["side"] != client[self._signal_at]
        signal = (
            np.uint64(99 << 56)
            | signals["flags"].astype(np.uint64) << np.uint64(48)
            | theirs.astype(np.uint64) << np.uint64(39)
            | self._oddities().astype(np.uint64)
        )
        for own, name, seed in ((theirs, "seq", 1), (~theirs, "ack", 2)):
            side = np.where(own, 1 - client[self._signal_at], client[self._signal_at])
            base = self._row["base"][self._signal_at, side]
            told = np.where((name == "seq") | (signals["flags"] & ACK != 0), (signals[name] - base) % _MODULUS, 0)
            signal ^= _mixed((told * 4 + seed).astype(np.uint64))
        place = np.concatenate([self._at[kept], self._signal_at[heard]])
        packet = np.concatenate([rows["packet"][kept], signals["packet"][heard]])
        time_ns = np.concatenate([rows["time_ns"][kept], signals["time_ns"][heard]])
        what = np.concatenate([record[kept], signal[heard]])
        ends = np.concatenate([np.zeros(np.count_nonzero(kept), dtype=np.int64), signals["flags"][heard] & (FIN | RST)])
        position = np.concatenate([rows["position"][kept], np.zeros(np.count_nonzero(heard), dtype=np.int64)])
        order = np.lexsort((position, ends != 0, packet, place))
        return place[order], packet[order], time_ns[order], what[order]

    def _oddities(self) -> Column:
        """[S] of each RST what speaks for another sender than its peer: see the cause `middlebox-reset`."""
        signals, row = self._signals, self._row
        found = np.zeros(len(signals), dtype=np.int64)
        which = np.flatnonzero(signals["flags"] & RST != 0)
        if not len(which):
            return found
        at, side = self._signal_at[which], signals["side"][which]
        reset = {name: signals[name][which].astype(np.int64) for name in ("packet", "seq", "ttl", "ip_id")}
        own = {
            name: row[name][at, side].astype(np.int64)
            for name in ("next_seq", "in_order", "ttl", "last_ttl", "low_ip_id", "high_ip_id", "packets")
        }
        went_on = (own["in_order"] > 0) & (_ahead(own["next_seq"] - reset["seq"]) > 0)
        went_on &= row["side_last_packet"][at, side] > reset["packet"]
        numbers = np.stack([reset["ttl"], own["ttl"], own["last_ttl"]])
        # Which identifications are odd depends on all of them: what is outside their row is looked at one by one.
        inside = (own["low_ip_id"] <= reset["ip_id"]) & (reset["ip_id"] <= own["high_ip_id"])
        far = np.minimum((own["low_ip_id"] - reset["ip_id"]) % 65_536, (reset["ip_id"] - own["high_ip_id"]) % 65_536)
        odd = (reset["ip_id"] > 0) & (own["high_ip_id"] > 0) & ~inside & (far > _OUTSIDE)
        self.alone[at[odd]] = True
        found[which] = went_on | numbers[0] % 512 << 1 | numbers[1] % 512 << 10 | numbers[2] % 512 << 19
        found[which] |= np.minimum(own["packets"], 4) << 28
        return found

    def _summed(self, client: Column, place: Column, packet: Column, time_ns: Column, what: Value) -> Alike:
        """One value for each connection, of all its events in their order."""
        count = len(self.alone)
        begins = place.searchsorted(np.arange(count + 1))
        number = np.arange(len(place)) - begins[place]
        lengths = np.diff(begins)
        self.alone |= lengths > _MOST_EVENTS
        same = np.zeros(len(place), dtype=np.int64)
        same[1:] = (packet[1:] == packet[:-1]) & (place[1:] == place[:-1])
        self._weigh_time(place, time_ns, begins)
        values: Value = self._extra.copy()
        for part, seed in enumerate(self._owner.seeds):
            mixed = _mixed(what ^ np.uint64(seed)) + (number * 2 + same).astype(np.uint64)
            filled = np.flatnonzero(lengths)
            if len(filled):
                values[filled, part] += np.add.reduceat(_mixed(mixed * np.uint64(_ODD)), begins[filled])
            values[:, part] += _mixed(self._settled.astype(np.uint64) + np.uint64(seed))
        values[self.alone] = 0
        rows = self._rows
        chain_packet = np.full(count, -1, dtype=np.int64)
        chains = (rows["kind"] == MESSAGE) & (rows["type"] == HandshakeType.CERTIFICATE)
        chains = np.flatnonzero(chains & (self._side != client[self._at]))[::-1]
        chain_packet[self._at[chains]] = rows["packet"][chains]
        return Alike(
            flow=self._numbers,
            values=[(one, other) for one, other in values.tolist()],
            client=client,
            signed=self._signed,
            random=self._randoms(),
            chain_packet=chain_packet,
            _begins=begins,
            _packets=packet,
            _fault=self._signature_fault,
        )

    def _signature_fault(self, place: int) -> str | None:
        rows = self._rows
        if self._signing is None:
            by_server = self._side != self._client[self._at]
            which = (rows["kind"] == MESSAGE) & np.isin(rows["type"], _SIGNING)
            which &= by_server | (rows["type"] == HandshakeType.CLIENT_HELLO)
            self._signing = np.flatnonzero(which)
            self._signing = self._signing[np.argsort(self._at[self._signing], kind="stable")]
        own = self._signing[slice(*self._at[self._signing].searchsorted((place, place + 1)))]
        bodies = self._owner.columns.bodies(rows["body"][own].tolist())
        said = dict(zip(rows["type"][own].tolist(), bodies, strict=True))
        if len(said) < len(_SIGNING):
            return None
        client, server, chain, exchange = (said[kind] for kind in _SIGNING)
        try:
            answer, sent = parse(_SIGNING[1], server), parse(_SIGNING[2], chain)
            if not isinstance(answer, ServerHello) or not isinstance(sent, CertificateList) or not sent.chain:
                return None
            signed = parse(_SIGNING[3], exchange, version=answer.version, cipher_suite=answer.cipher_suite)
        except WireError:
            return None
        if not isinstance(signed, ServerKeyExchange):
            return None
        from analyzer.diagnosis.signed_parameters import key_exchange_fault

        return key_exchange_fault(sent.chain[0], client[_RANDOM], server[_RANDOM], signed)

    def _randoms(self) -> NDArray[np.uint64]:
        found = np.zeros(len(self.alone), dtype=np.uint64)
        rows = self._rows
        hellos = np.flatnonzero((rows["kind"] == MESSAGE) & (rows["type"] == HandshakeType.CLIENT_HELLO))[::-1]
        hellos = hellos[~self.alone[self._at[hellos]] & (rows["length"][hellos] >= _RANDOM_END)]
        bodies = self._owner.columns.bodies(rows["body"][hellos].tolist())
        values = b"".join([body[_RANDOM_END - 8 : _RANDOM_END] for body in bodies])
        found[self._at[hellos]] = np.frombuffer(values, dtype=">u8")
        return found

    def _weigh_time(self, place: Column, time_ns: Column, begins: Column) -> None:
        """Between which events a limit lies, and whether one lies between them and the end of the capture."""
        lengths = np.diff(begins)
        filled = lengths > 0
        first = begins[:-1][filled]
        span = np.zeros(len(self.alone), dtype=np.int64)
        span[filled] = np.maximum.reduceat(time_ns, first) - np.minimum.reduceat(time_ns, first) if len(first) else 0
        slow = (span >= _LIMITS_NS[0]) & ~self._settled
        self.alone |= slow & (lengths > _MOST_EVENTS_SLOW)
        slow &= ~self.alone
        chosen = np.flatnonzero(slow[place])
        for lag in range(1, _MOST_EVENTS_SLOW):
            pairs = chosen[chosen + lag < len(place)]
            pairs = pairs[place[pairs] == place[pairs + lag]]
            if not len(pairs):
                break
            apart = _LIMITS_NS.searchsorted(time_ns[pairs + lag] - time_ns[pairs])
            ordinal = (pairs - begins[place[pairs]]) * _MOST_EVENTS + lag
            self._add_to(place[pairs], apart * _MOST_EVENTS**2 + ordinal, 30)
        if self._end_ns is not None:
            events = np.flatnonzero(~self._settled[place])
            left = _LIMITS_NS.searchsorted(self._end_ns - time_ns[events])
            ordinal = events - begins[place[events]]
            self._add_to(place[events], left * _MOST_EVENTS + ordinal, 31)
        else:
            self._add(np.ones(len(self.alone), dtype=np.int64), 32)

    def _add(self, column: NDArray[Any], what: int) -> None:
        """Weigh a number of each connection that is not settled."""
        chosen = np.flatnonzero(~self._settled)
        self._add_to(chosen, column.astype(np.int64)[chosen], what)

    def _add_to(self, places: Column, numbers: Column, what: int) -> None:
        for part, seed in enumerate(self._owner.seeds):
            mixed = _mixed(_mixed(numbers.astype(np.uint64) ^ np.uint64(seed)) + np.uint64(what * _ODD & _ALL))
            np.add.at(self._extra[:, part], places, mixed)


_ALL: Final = (1 << 64) - 1
_ODD: Final = 0x9E3779B97F4A7C15


def _mixed(values: Value) -> Value:
    """Every bit of a number spread over all (the finaliser of SplitMix64, Steele and others 2014)."""
    values = (values ^ values >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ values >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return values ^ values >> np.uint64(31)


def _ahead(difference: Column) -> Column:
    """A difference of sequence numbers, signed."""
    return (difference + _HALF) % _MODULUS - _HALF


def _read_hello(moulds: Moulds, number: int) -> _Hello:
    mould = moulds.all[number]
    try:
        hello = parse(mould.type, mould.body)
    except WireError:
        return _Hello(thirteen=False, retry=True, early_data=True, finished=0, alert=0)
    if isinstance(hello, ServerHello):
        lengths = suite_lengths(hello.cipher_suite)
        retry = hello.is_hello_retry_request
        return _Hello(
            is_tls13(hello.version),
            retry,
            early_data=False,
            finished=lengths.finished,
            alert=lengths.alert,
            in_clear=hello.cipher_suite is not None and encrypts_nothing(hello.cipher_suite),
        )
    early = isinstance(hello, ClientHello) and hello.extension(ExtensionType.EARLY_DATA) is not None
    return _Hello(thirteen=False, retry=False, early_data=early, finished=0, alert=0)


def _edges_of(body: bytes) -> frozenset[int]:
    try:
        message = parse(HandshakeType.CERTIFICATE, body)
    except WireError:
        return frozenset()
    chain = message.chain if isinstance(message, CertificateList) else ()
    certificates = [Certificate.parse(der) for der in chain]
    return frozenset(t for c in certificates for t in (c.not_before, c.not_after) if t is not None)
