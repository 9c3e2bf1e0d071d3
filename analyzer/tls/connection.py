"""A connection as plain data: what happened in it, in order, with frame numbers.

`build` takes the flow table, the signals (SYN, FIN, RST, ICMP errors) and the records of both directions, and gives
a `Connection`; None for a flow that carried something else than TLS. Who is the client is known by the first
ClientHello, else by the SYN, else by the message a side sent, else by the port.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.errors import WireError
from analyzer.net.flows import Endpoint, FlowTable, Signal
from analyzer.net.reassembly import Retransmission, Stream
from analyzer.net.segments import ACK, FIN, RST, SYN
from analyzer.registry import HandshakeType
from analyzer.tls import messages
from analyzer.tls.messages import (
    Certificate,
    CertificateRequest,
    CertificateStatus,
    ClientHello,
    ServerHello,
    ServerKeyExchange,
    is_tls13,
)
from analyzer.tls.records import AlertRecord, Lost, PlainText, RawMessage, RecordSeen, SideRecords

__all__ = [
    "CertificateMessage",
    "Connection",
    "Event",
    "EventKind",
    "Half",
    "Hello",
    "Malformed",
    "Reset",
    "SeenAlert",
    "Side",
    "build",
]


class Side(Enum):
    """The two ends of a connection."""

    CLIENT = "client"
    SERVER = "server"

    __hash__ = object.__hash__  # Enum's own is a Python call for every look-up

    @property
    def peer(self) -> Side:
        """The other end."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT


class EventKind(Enum):
    """What an `Event` is."""

    SYN = "SYN"
    SYN_ACK = "SYN,ACK"
    FIN = "FIN"
    RST = "RST"
    ICMP = "ICMP"
    MESSAGE = "message"
    CHANGE_CIPHER_SPEC = "change_cipher_spec"
    ALERT = "alert"
    ENCRYPTED_ALERT = "encrypted alert"
    ENCRYPTED_HANDSHAKE = "encrypted handshake message"
    APPLICATION_DATA = "application data"
    PLAIN_TEXT = "plain text"
    RETRANSMISSION = "retransmission"
    LOST = "lost"
    DAMAGED = "damaged"

    __hash__ = object.__hash__


class Event(NamedTuple):
    """Something that one side did, and the frame that shows it.

    `number` is the handshake type of a MESSAGE, the description of an ALERT (`level` its level), the TCP flags of a
    FIN or RST, `Segments.quoted` of an ICMP error, the record length of what is encrypted, the bytes missing of LOST.
    """

    kind: EventKind
    packet: int
    time_ns: int
    side: Side
    number: int = 0
    level: int = 0
    complete: bool = True


@dataclass(frozen=True, slots=True)
class Hello:
    """A parsed hello and where it was."""

    message: ClientHello
    packet: int
    first_packet: int
    time_ns: int
    length: int


@dataclass(frozen=True, slots=True)
class CertificateMessage:
    """The certificates (DER, wire order) of one Certificate message."""

    side: Side
    chain: tuple[bytes, ...]
    packet: int
    first_packet: int
    time_ns: int
    length: int
    complete: bool
    ocsp_response: bytes | None = None


@dataclass(frozen=True, slots=True)
class SeenAlert:
    """An alert; level and description are None for an encrypted one."""

    side: Side
    packet: int
    time_ns: int
    level: int | None
    description: int | None
    length: int


@dataclass(frozen=True, slots=True)
class Malformed:
    """A handshake message that breaks its format."""

    side: Side
    packet: int
    type: int
    text: str


@dataclass(frozen=True, slots=True)
class Reset:
    """What a RST looked like: time to live and IP identification (-1 for IPv6) of its packet, its sequence number."""

    side: Side
    packet: int
    ttl: int
    ip_id: int
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """What one side did as far as TCP shows it."""

    packets: int = 0
    bytes: int = 0
    syn: int | None = None
    """Frame of the first SYN (of the server: SYN,ACK)."""
    syn_count: int = 0
    ttl: int = -1
    """Time to live of the side's first segment; -1 when unknown."""
    last_ip_id: int = -1
    last_packet: int = 0
    last_time_ns: int = 0
    last_ack: int = -1
    base: int | None = None
    """Sequence number before the first byte (that of the SYN)."""
    acknowledged: int | None = None
    """Bytes of this side that the peer has acknowledged, FIN not counted."""
    delivered: int = 0
    """Bytes of this side put in order."""
    max_segment: int = 0
    retransmitted: int = 0
    retransmissions: tuple[Retransmission, ...] = ()
    lost_bytes: int = 0
    lost: tuple[Lost, ...] = ()
    plain: PlainText | None = None
    unfinished: tuple[int, int, int] | None = None
    """Content type, length and present bytes of the record in which the stream ends."""
    damaged: RecordSeen | None = None
    application: tuple[RecordSeen, ...] = ()
    """The first (and, at the end, the last few) application data records."""
    application_count: int = 0
    application_bytes: int = 0
    encrypted_handshake: tuple[RecordSeen, ...] = ()
    change_cipher_spec: tuple[RecordSeen, ...] = ()
    is_tls: bool = False
    tls_begins: int = 0
    """Bytes before the first record (STARTTLS, a proxy's dialogue)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One TCP connection and the TLS in it. `id` is Wireshark's `tcp.stream`."""

    id: int
    client: Endpoint
    server: Endpoint
    client_known_by: str
    """`hello`, `syn`, `message` or `port`."""
    first_packet: int
    first_time_ns: int
    last_packet: int
    last_time_ns: int
    events: tuple[Event, ...]
    halves: dict[Side, Half]
    resets: tuple[Reset, ...]
    from_start: bool
    """Whether the capture has the connection's SYN or SYN,ACK."""
    hellos: tuple[Hello, ...] = ()
    server_hello: ServerHello | None = None
    server_hello_packet: int | None = None
    hello_retry: ServerHello | None = None
    certificates: tuple[CertificateMessage, ...] = ()
    certificate_request: CertificateRequest | None = None
    certificate_request_packet: int | None = None
    server_key_exchange: ServerKeyExchange | None = None
    alerts: tuple[SeenAlert, ...] = ()
    malformed: tuple[Malformed, ...] = ()
    ocsp_responses: tuple[bytes, ...] = ()

    @property
    def client_hello(self) -> ClientHello | None:
        """The first ClientHello."""
        return self.hellos[0].message if self.hellos else None

    @property
    def version(self) -> int | None:
        """The negotiated version, None before the ServerHello."""
        return None if self.server_hello is None else self.server_hello.version

    @property
    def is_tls(self) -> bool:
        """Whether a TLS record was seen in either direction."""
        return any(half.is_tls for half in self.halves.values())

    def chain(self, side: Side) -> CertificateMessage | None:
        """The first Certificate message of a side that holds certificates; else its first one."""
        own = [message for message in self.certificates if message.side is side]
        return next((message for message in own if message.chain), own[0] if own else None)

    def packet_of(self, side: Side, handshake_type: int) -> int | None:
        """Frame of the first handshake message of a type that a side sent."""
        return next(
            (
                event.packet
                for event in self.events
                if event.kind is EventKind.MESSAGE and event.side is side and event.number == handshake_type
            ),
            None,
        )


_CLIENT_MESSAGES: Final = (HandshakeType.CLIENT_KEY_EXCHANGE, HandshakeType.END_OF_EARLY_DATA)
_SERVER_MESSAGES: Final = (
    HandshakeType.SERVER_HELLO,
    HandshakeType.SERVER_KEY_EXCHANGE,
    HandshakeType.SERVER_HELLO_DONE,
    HandshakeType.CERTIFICATE_REQUEST,
    HandshakeType.NEW_SESSION_TICKET,
    HandshakeType.CERTIFICATE_STATUS,
)
_MODULUS: Final = 1 << 32
_HALF: Final = 1 << 31
_WINDOW: Final = 1 << 30
"""The largest window (RFC 7323 section 2.2): what is farther ahead is no sequence number of this connection."""
_SHOWN_DATA: Final = 3
"""Application data records of one side that stand among the events, before TLS 1.3."""
_MAX_SIGNALS: Final = 64
"""Events of one kind kept of a side: a crafted connection may hold millions."""


_MAX_REMEMBERED: Final = 1 << 15
"""Bytes of a Certificate message above which it is parsed each time it comes."""


def build(
    flow: int,
    table: FlowTable,
    signals: NDArray[np.void],
    streams: tuple[Stream | None, Stream | None],
    records: tuple[SideRecords | None, SideRecords | None],
) -> Connection | None:
    """Make the `Connection` of a flow; None when it carried data that is no TLS.

    `signals` are the rows of `SignalLog` of this flow; streams and records are by side number.
    """
    carried = [part for part in records if part is not None]
    if carried and not any(part.is_tls for part in carried):
        return None
    log = [Signal._make(values) for values in signals.tolist()]
    opening = [signal for signal in log if signal.flags & SYN]
    if not carried and not opening:
        return None
    row = table.row(flow)
    client, known_by = _client_side(row, opening, records)
    sides = {client: Side.CLIENT, 1 - client: Side.SERVER}
    parsed = _Parsed()
    for number in (client, 1 - client):
        part = records[number]
        if part is not None:
            parsed.take_hellos(part, sides[number])
    for number in (client, 1 - client):
        part = records[number]
        if part is not None:
            parsed.take(part, sides[number])
    events = _signal_events(log, sides) + parsed.events
    for number in (0, 1):
        events += _stream_events(streams[number], records[number], sides[number])
    # A segment's FIN takes effect after its payload.
    events.sort(key=lambda event: (event.packet, event.kind in (EventKind.FIN, EventKind.RST)))
    return Connection(
        id=flow,
        client=table.endpoint(flow, client),
        server=table.endpoint(flow, 1 - client),
        client_known_by=known_by,
        first_packet=row["first_packet"],
        first_time_ns=row["first_time"],
        last_packet=row["last_packet"],
        last_time_ns=row["last_time"],
        events=tuple(events),
        halves={sides[n]: _half(row, n, log, streams[n], records[n]) for n in (client, 1 - client)},
        resets=tuple(
            Reset(sides[signal.side], signal.packet, signal.ttl, signal.ip_id, signal.seq)
            for signal in [signal for signal in log if signal.flags & RST][:_MAX_SIGNALS]
        ),
        from_start=bool(opening),
        hellos=tuple(parsed.hellos),
        server_hello=parsed.server_hello,
        server_hello_packet=parsed.server_hello_packet,
        hello_retry=parsed.hello_retry,
        certificates=tuple(parsed.certificates),
        certificate_request=parsed.certificate_request,
        certificate_request_packet=parsed.certificate_request_packet,
        server_key_exchange=parsed.server_key_exchange,
        alerts=tuple(sorted(parsed.alerts, key=lambda alert: alert.packet)),
        malformed=tuple(parsed.malformed),
        ocsp_responses=tuple(parsed.ocsp_responses),
    )


@dataclass(slots=True)
class _Parsed:
    """What the messages of both directions say, while it is being put together."""

    hellos: list[Hello] = field(default_factory=list)
    server_hello: ServerHello | None = None
    server_hello_packet: int | None = None
    hello_retry: ServerHello | None = None
    certificates: list[CertificateMessage] = field(default_factory=list)
    certificate_request: CertificateRequest | None = None
    certificate_request_packet: int | None = None
    server_key_exchange: ServerKeyExchange | None = None
    alerts: list[SeenAlert] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    ocsp_responses: list[bytes] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def take_hellos(self, part: SideRecords, side: Side) -> None:
        """Parse the hellos first: how other messages read depends on the version."""
        for message in part.messages:
            if message.type not in (HandshakeType.CLIENT_HELLO, HandshakeType.SERVER_HELLO, 6):
                continue
            try:
                if message.type == HandshakeType.CLIENT_HELLO:
                    self._client_hello(message)
                elif message.complete:
                    self._server_hello(message)
            except WireError as error:
                self.malformed.append(Malformed(side, message.packet, message.type, str(error)))

    def take(self, part: SideRecords, side: Side) -> None:
        """Parse the other messages, and list all events of one direction."""
        version = None if self.server_hello is None else self.server_hello.version
        suite = None if self.server_hello is None else self.server_hello.cipher_suite
        for message in part.messages:
            self.events.append(
                Event(
                    EventKind.MESSAGE,
                    message.packet,
                    message.time_ns,
                    side,
                    message.type,
                    complete=message.complete,
                )
            )
            if message.type in (HandshakeType.CLIENT_HELLO, HandshakeType.SERVER_HELLO, 6):
                continue
            try:
                self._message(message, side, version, suite)
            except WireError as error:
                self.malformed.append(Malformed(side, message.packet, message.type, str(error)))
        for alert in part.alerts:
            self._alert(alert, side)
        for record in part.change_cipher_spec:
            self.events.append(Event(EventKind.CHANGE_CIPHER_SPEC, record.packet, record.time_ns, side))
        for record in part.encrypted_handshake:
            self.events.append(Event(EventKind.ENCRYPTED_HANDSHAKE, record.packet, record.time_ns, side, record.length))
        # Before TLS 1.3 nothing is hidden in application data: that it flows is all there is to know.
        records = (*part.application, *part.application_last) if is_tls13(version) else part.application[:_SHOWN_DATA]
        for record in records:
            self.events.append(Event(EventKind.APPLICATION_DATA, record.packet, record.time_ns, side, record.length))

    def _client_hello(self, message: RawMessage) -> None:
        if message.sslv2:
            hello = messages.parse_sslv2_client_hello(message.body)
        elif message.complete:
            hello = messages.parse_client_hello(message.body)
        else:
            hello = messages.parse_partial_client_hello(message.body, message.length)
        self.hellos.append(Hello(hello, message.packet, message.first_packet, message.time_ns, message.length))

    def _server_hello(self, message: RawMessage) -> None:
        hello = messages.parse(message.type, message.body)
        if not isinstance(hello, ServerHello):
            return
        if hello.is_hello_retry_request:
            self.hello_retry = self.hello_retry or hello
        elif self.server_hello is None:
            self.server_hello = hello
            self.server_hello_packet = message.packet

    def _message(self, message: RawMessage, side: Side, version: int | None, suite: int | None) -> None:
        if not message.complete:
            parsed: object = messages.parse_partial(message.type, message.body, message.length, version=version)
        elif message.type == HandshakeType.CERTIFICATE and len(message.body) <= _MAX_REMEMBERED:
            parsed = _certificate(message.body, version)
        else:
            parsed = messages.parse(message.type, message.body, version=version, cipher_suite=suite)
        if isinstance(parsed, Certificate):
            staple = next((entry.ocsp_response for entry in parsed.entries), None)
            self.certificates.append(
                CertificateMessage(
                    side,
                    parsed.chain,
                    message.packet,
                    message.first_packet,
                    message.time_ns,
                    message.length,
                    message.complete and parsed.complete,
                    staple,
                )
            )
            if staple is not None:
                self.ocsp_responses.append(staple)
        elif isinstance(parsed, CertificateRequest) and self.certificate_request is None:
            self.certificate_request = parsed
            self.certificate_request_packet = message.packet
        elif isinstance(parsed, ServerKeyExchange):
            self.server_key_exchange = self.server_key_exchange or parsed
        elif isinstance(parsed, CertificateStatus):
            self.ocsp_responses += [response for response in parsed.responses if response]

    def _alert(self, alert: AlertRecord, side: Side) -> None:
        self.alerts.append(SeenAlert(side, alert.packet, alert.time_ns, alert.level, alert.description, alert.length))
        if alert.description is None:
            event = Event(EventKind.ENCRYPTED_ALERT, alert.packet, alert.time_ns, side, alert.length)
        else:
            event = Event(EventKind.ALERT, alert.packet, alert.time_ns, side, alert.description, alert.level or 0)
        self.events.append(event)


@lru_cache(maxsize=256)
def _certificate(body: bytes, version: int | None) -> object:
    """The parsed message: a server sends the same one each time, and its certificates are kept but once."""
    return messages.parse(HandshakeType.CERTIFICATE, body, version=version)


def _client_side(
    row: dict[str, Any], opening: Sequence[Signal], records: Sequence[SideRecords | None]
) -> tuple[int, str]:
    """Which side number is the client, and how that is known. `opening` are the segments with SYN."""
    for wanted in ((HandshakeType.CLIENT_HELLO,), _CLIENT_MESSAGES):
        senders = [
            (message.packet, number)
            for number in (0, 1)
            for message in (records[number] or SideRecords()).messages
            if message.type in wanted
        ]
        if senders:
            return min(senders)[1], "hello" if wanted == (HandshakeType.CLIENT_HELLO,) else "message"
    if opening:
        first = opening[0]
        return (1 - first.side if first.flags & ACK else first.side), "syn"
    for number in (0, 1):
        if any(message.type in _SERVER_MESSAGES for message in (records[number] or SideRecords()).messages):
            return 1 - number, "message"
    ports = row["port"]
    return (0 if ports[0] > ports[1] else 1), "port"


def _signal_events(log: Sequence[Signal], sides: dict[int, Side]) -> list[Event]:
    events: list[Event] = []
    counts: dict[tuple[EventKind, Side], int] = {}
    for signal in log:
        side = sides[signal.side]
        kind = _signal_kind(signal.flags, signal.quoted)
        counts[kind, side] = counts.get((kind, side), 0) + 1
        if counts[kind, side] <= _MAX_SIGNALS:
            value = signal.quoted if kind is EventKind.ICMP else signal.flags
            events.append(Event(kind, signal.packet, signal.time_ns, side, value))
    return events


def _signal_kind(flags: int, quoted: int) -> EventKind:
    if quoted:
        return EventKind.ICMP
    if flags & RST:
        return EventKind.RST
    if flags & SYN:
        return EventKind.SYN_ACK if flags & ACK else EventKind.SYN
    return EventKind.FIN


def _stream_events(stream: Stream | None, part: SideRecords | None, side: Side) -> list[Event]:
    events: list[Event] = []
    if stream is not None:
        events += [
            Event(EventKind.RETRANSMISSION, again.packet, again.time_ns, side, again.length)
            for again in stream.retransmissions
        ]
    if part is None:
        return events
    events += [Event(EventKind.LOST, hole.packet, 0, side, hole.size) for hole in part.lost[:_MAX_SIGNALS]]
    if part.plain is not None:
        events.append(Event(EventKind.PLAIN_TEXT, part.plain.packet, part.plain.time_ns, side))
    if part.damaged is not None:
        events.append(Event(EventKind.DAMAGED, part.damaged.packet, part.damaged.time_ns, side, part.damaged.type))
    return events


def _unseen_end(row: dict[str, Any], number: int, log: Sequence[Signal], stream: Stream | None) -> tuple[Lost, ...]:
    """The bytes before a side's FIN, or before what its peer acknowledged, that are not in the capture."""
    if not row["base_known"][number]:
        return ()
    first = row["base"][number] + 1
    position = stream.position if stream is not None else 0
    fin = next((s for s in log if s.side == number and s.flags & FIN and not s.flags & RST), None)
    ends = [] if fin is None else [fin.seq + fin.length - first]
    if row["last_ack"][1 - number] >= 0:
        ends.append(row["last_ack"][1 - number] - first - (fin is not None))
    ahead = [(end - position + _HALF) % _MODULUS - _HALF for end in ends]
    missing = max(ahead, default=0)
    return (Lost(position, missing, row["side_last_packet"][number]),) if 0 < missing < _WINDOW else ()


def _half(
    row: dict[str, Any], number: int, log: Sequence[Signal], stream: Stream | None, part: SideRecords | None
) -> Half:
    own = [signal for signal in log if signal.side == number and signal.flags & SYN]
    base = row["base"][number] if row["base_known"][number] else None
    peer_ack = row["last_ack"][1 - number]
    seen = part if part is not None else SideRecords()
    return Half(
        packets=row["packets"][number],
        bytes=row["bytes"][number],
        syn=own[0].packet if own else None,
        syn_count=len(own),
        ttl=row["ttl"][number],
        last_ip_id=row["last_ip_id"][number],
        last_packet=row["side_last_packet"][number],
        last_time_ns=row["side_last_time"][number],
        last_ack=row["last_ack"][number],
        base=base,
        acknowledged=None if base is None or peer_ack < 0 else (peer_ack - base - 1) % (1 << 32),
        delivered=stream.position - stream.lost_bytes if stream is not None else 0,
        max_segment=row["max_segment"][number],
        retransmitted=stream.retransmitted if stream is not None else 0,
        retransmissions=tuple(stream.retransmissions) if stream is not None else (),
        lost_bytes=stream.lost_bytes if stream is not None else 0,
        lost=(*seen.lost, *_unseen_end(row, number, log, stream)),
        plain=seen.plain,
        unfinished=seen.unfinished,
        damaged=seen.damaged,
        application=(*seen.application, *seen.application_last),
        application_count=seen.application_count,
        application_bytes=seen.application_bytes,
        encrypted_handshake=tuple(seen.encrypted_handshake),
        change_cipher_spec=tuple(seen.change_cipher_spec),
        is_tls=seen.is_tls,
        tls_begins=seen.begins or 0,
    )
