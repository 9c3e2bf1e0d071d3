"""How far a handshake came, and which event ended it.

Takes a `Connection`, gives a `Progress`. The first of fatal alert, FIN, RST and silence ends a handshake; what follows
are echoes. A close_notify ends it too: who sends it will send nothing more (RFC 8446 section 6.1). Finished: up to
TLS 1.2 a side's ChangeCipherSpec and an encrypted handshake record; in TLS 1.3 the record that is as long as a Finished
(RFC 8446 sections 4.4.4 and 5.2: 4 + hash length + 1 + tag, Java adds 16 bytes of padding).
"""

from __future__ import annotations

from typing import Final

from analyzer.dataclass import dataclass
from analyzer.registry import AlertDescription, AlertLevel, HandshakeType
from analyzer.tls.connection import Connection, Event, EventKind, Side
from analyzer.tls.messages import is_tls13
from analyzer.tls.records import RecordSeen

__all__ = ["Ending", "Progress", "trace"]

_CLOSING: Final = (AlertDescription.CLOSE_NOTIFY, AlertDescription.USER_CANCELED)
_CCM_8: Final = 0x1305
_SHA384_SUITES: Final = (0x1302,)
_JAVA_PADDING: Final = 16
_TICKETS_AT_MOST: Final = 4
_TICKET_BYTES: Final = 4096
"""Server records after the client's Finished that may all be session tickets: no more than this is no data."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The event that ended a connection. `act` is `alert`, `fin` or `rst`.

    `encrypted` marks an alert of which only the record's length is known.
    """

    act: str
    side: Side | None
    packet: int | None
    time_ns: int | None
    description: int | None = None
    level: int | None = None
    encrypted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a connection came. `stage` is that of the report's contract."""

    stage: str
    ending: Ending | None
    """What ended the handshake, or the connection; None when the capture ends first, or when data went both ways and
    nobody asks how that ended."""
    echoes: tuple[Event, ...]
    """Alerts, FINs and RSTs that came after the ending."""
    finished: dict[Side, int | None]
    """Frame of each side's Finished."""
    handshake_done: bool
    client_data: bool
    server_data: bool
    server_flight_packet: int | None
    """Frame of the server's certificate, else of what it sent first."""
    server_flight_time_ns: int | None
    empty_client_certificate: int | None
    """Frame of a TLS 1.3 record that is as long as a client Certificate without a certificate."""
    client_certificate_records: int | None
    """Frame of the first TLS 1.3 record before the client's Finished that is no empty Certificate."""
    server_refused: bool
    """TLS 1.3: after the client's Finished the server sent nothing but an alert. The client may have sent data already,
    for it believes that it is done."""

    @property
    def data(self) -> bool:
        """Whether application data went either way."""
        return self.client_data or self.server_data


def trace(connection: Connection) -> Progress:
    """Work out the `Progress` of a connection."""
    thirteen = is_tls13(connection.version)
    client = _client_records(connection) if thirteen else None
    finished = _finished(connection, client)
    done = all(packet is not None for packet in finished.values())
    client_half, server_half = connection.halves[Side.CLIENT], connection.halves[Side.SERVER]
    client_data, server_data = client_half.application_count > 0, server_half.application_count > 0
    server_after = _server_after(connection, client) if client is not None else _ServerAfter((), None)
    if not connection.hellos and connection.server_hello is None:
        # Seen from the middle on: data that flows shows that the handshake was done before.
        done = done or client_data or server_data
    elif client is not None:
        client_data, server_data = bool(client.data), done and server_after.is_data
    ending: Ending | None = None
    echoes: tuple[Event, ...] = ()
    if not (done and (client_data or server_data)) or server_after.alert is not None:
        ending, echoes = _ending(connection, _alert_records(client, server_after))
    refused = (
        server_after.alert is not None
        and not server_after.records
        and ending is not None
        and ending.side is Side.SERVER
        and ending.act == "alert"
    )
    if refused:
        client_data = False
    flight_packet, flight_time = _server_flight(connection)
    empty = _empty_certificate(connection, client)
    return Progress(
        stage=_stage(connection, finished, client, done=done, data=client_data or server_data),
        ending=ending,
        echoes=echoes,
        finished=finished,
        handshake_done=done,
        client_data=done and client_data,
        server_data=done and server_data,
        server_flight_packet=flight_packet,
        server_flight_time_ns=flight_time,
        empty_client_certificate=empty,
        client_certificate_records=_certificate_records(client, empty),
        server_refused=refused,
    )


@dataclass(frozen=True, slots=True)
class _Client13:
    """The client's encrypted records of TLS 1.3, told apart by their lengths."""

    before: tuple[RecordSeen, ...]
    """Before Finished: certificate messages."""
    alert: RecordSeen | None
    """An alert in place of Finished: the client refuses."""
    finished: RecordSeen | None
    data: tuple[RecordSeen, ...]
    closing: RecordSeen | None
    """A record of an alert's length after Finished."""


def _lengths(connection: Connection) -> tuple[int, int]:
    """Record lengths of a Finished and of an alert, without padding."""
    suite = connection.server_hello.cipher_suite if connection.server_hello is not None else None
    tag = 8 if suite == _CCM_8 else 16
    digest = 48 if suite in _SHA384_SUITES else 32
    return 4 + digest + 1 + tag, 2 + 1 + tag


def _client_records(connection: Connection) -> _Client13:
    finished_length, alert_length = _lengths(connection)
    after = connection.server_hello_packet or 0
    records = [record for record in connection.halves[Side.CLIENT].application if record.packet > after]
    before: list[RecordSeen] = []
    for index, record in enumerate(records):
        if record.length in (alert_length, alert_length + _JAVA_PADDING):
            return _Client13(tuple(before), record, None, (), None)
        if record.length in (finished_length, finished_length + _JAVA_PADDING):
            later = records[index + 1 :]
            data = tuple(r for r in later if r.length not in (alert_length, alert_length + _JAVA_PADDING))
            closing = next((r for r in later if r not in data), None)
            return _Client13(tuple(before), None, record, data, closing)
        before.append(record)
    if before and before[0].length > finished_length:
        # A certificate, its proof and Finished in one record, or data behind a flight that was not captured whole.
        return _Client13((), None, before[0], tuple(before[1:]), None)
    return _Client13(tuple(before), None, None, (), None)


def _finished(connection: Connection, client: _Client13 | None) -> dict[Side, int | None]:
    if client is None:
        return {side: _finished_12(connection, side) for side in Side}
    server_records = [
        record
        for record in connection.halves[Side.SERVER].application
        if client.finished is None or record.packet < client.finished.packet
    ]
    return {
        Side.CLIENT: client.finished.packet if client.finished is not None else None,
        Side.SERVER: server_records[-1].packet if server_records and client.finished is not None else None,
    }


def _finished_12(connection: Connection, side: Side) -> int | None:
    seen = connection.halves[side].seen
    clear = connection.packet_of(side, HandshakeType.FINISHED)
    if clear is not None:
        return clear
    if not seen.change_cipher_spec:
        return None
    begins = seen.change_cipher_spec[0].position
    return next((record.packet for record in seen.encrypted_handshake if record.position > begins), None)


@dataclass(frozen=True, slots=True)
class _ServerAfter:
    """The server's TLS 1.3 records after the client's first encrypted one; a last one of an alert's length apart."""

    records: tuple[RecordSeen, ...]
    alert: RecordSeen | None

    @property
    def is_data(self) -> bool:
        """Whether there is more than session tickets."""
        return len(self.records) > _TICKETS_AT_MOST or sum(r.length for r in self.records) > _TICKET_BYTES


def _server_after(connection: Connection, client: _Client13) -> _ServerAfter:
    own = (*client.before, *((client.finished,) if client.finished is not None else ()))
    if not own:
        return _ServerAfter((), None)
    _, alert_length = _lengths(connection)
    half = connection.halves[Side.SERVER]
    # The server may refuse a client's Certificate before it has seen the Finished behind it.
    later = tuple(record for record in half.application if record.packet > own[0].packet)
    if later and later[-1].length in (alert_length, alert_length + _JAVA_PADDING):
        return _ServerAfter(later[:-1], later[-1])
    return _ServerAfter(later, None)


def _alert_records(client: _Client13 | None, server: _ServerAfter) -> frozenset[tuple[Side, int, int]]:
    if client is None:
        return frozenset()
    own = [(Side.CLIENT, record) for record in (client.alert, client.closing) if record is not None]
    theirs = [(Side.SERVER, server.alert)] if server.alert is not None else []
    return frozenset((side, record.packet, record.length) for side, record in (*own, *theirs))


def _empty_certificate(connection: Connection, client: _Client13 | None) -> int | None:
    """RFC 8446 section 4.4.2: type, length, an empty context and an empty list are 8 bytes."""
    if client is None:
        return None
    _, alert_length = _lengths(connection)
    length = alert_length - 2 + 8
    return next((r.packet for r in client.before if r.length in (length, length + _JAVA_PADDING)), None)


def _certificate_records(client: _Client13 | None, empty: int | None) -> int | None:
    if client is None or empty is not None or not client.before:
        return None
    return client.before[0].packet


def _server_flight(connection: Connection) -> tuple[int | None, int | None]:
    chain = connection.chain(Side.SERVER)
    if chain is not None:
        return chain.packet, chain.time_ns
    records = connection.halves[Side.SERVER].application
    if is_tls13(connection.version) and records:
        return records[0].packet, records[0].time_ns
    if connection.server_hello_packet is not None:
        sent = connection.halves[Side.SERVER].seen.messages
        return connection.server_hello_packet, next(
            (message.time_ns for message in sent if message.packet == connection.server_hello_packet), None
        )
    return None, None


def _client_spoke(connection: Connection, client: _Client13 | None) -> bool:
    if client is not None:
        return client.finished is not None or bool(client.before)
    flight = connection.server_hello_packet or 0
    sent = connection.halves[Side.CLIENT].seen
    return any(m.packet > flight for m in sent.messages) or any(r.packet > flight for r in sent.change_cipher_spec)


def _ending(
    connection: Connection, alerts: frozenset[tuple[Side, int, int]]
) -> tuple[Ending | None, tuple[Event, ...]]:
    """The first event that ends the connection, and what came after it.

    `alerts` are the TLS 1.3 records (side, packet, length) that by their length and place are alerts.
    """
    ending: Ending | None = None
    echoes: list[Event] = []
    thirteen = is_tls13(connection.version)
    for event in connection.events:
        if event.kind is EventKind.ALERT:
            ends = event.number in _CLOSING or event.level == AlertLevel.FATAL or thirteen
        elif event.kind is EventKind.APPLICATION_DATA:
            ends = (event.side, event.packet, event.number) in alerts
        else:
            ends = event.kind in (EventKind.ENCRYPTED_ALERT, EventKind.FIN, EventKind.RST)
        if not ends:
            continue
        if ending is None:
            tcp = event.kind in (EventKind.FIN, EventKind.RST)
            ending = _as_ending(event.kind.value.lower() if tcp else "alert", event)
        else:
            echoes.append(event)
    return ending, tuple(echoes)


def _as_ending(act: str, event: Event) -> Ending:
    clear = event.kind is EventKind.ALERT
    return Ending(
        act=act,
        side=event.side,
        packet=event.packet,
        time_ns=event.time_ns,
        description=event.number if clear else None,
        level=event.level if clear else None,
        encrypted=act == "alert" and not clear,
    )


def _stage(
    connection: Connection, finished: dict[Side, int | None], client: _Client13 | None, *, done: bool, data: bool
) -> str:
    if done:
        return "data" if data else "after-handshake"
    if _client_spoke(connection, client) and connection.server_hello is not None:
        return "client-flight"
    if connection.server_hello is not None or connection.chain(Side.SERVER) is not None:
        return "server-flight"
    if connection.hellos or connection.halves[Side.CLIENT].is_tls:
        return "client-hello"
    return "server-flight" if any(packet is not None for packet in finished.values()) else "tcp"
