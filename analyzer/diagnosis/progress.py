"""How far a handshake came, and which event ended it.

Takes a `Connection`, gives a `Progress`. The first of fatal alert, FIN, RST and silence ends a handshake; what follows
are echoes. A close_notify ends it too: who sends it will send nothing more (RFC 8446 section 6.1).

Up to TLS 1.2 a side's Finished is an encrypted handshake record behind its ChangeCipherSpec; encrypted handshake
records after both are a renegotiation (RFC 5246 section 7.4.1.1), and while that is not done the handshake is not.

TLS 1.3 encrypts what it is about, and lengths tell messages apart (`lengths`). A client believes that it is done before
the server has seen its Finished. So the handshake is done when the server answers it with anything but an alert:
session tickets or data. A server that sends an alert or nothing at all and leaves has refused the client's flight,
whatever the client has sent meanwhile.

Of a side whose records were decrypted nothing is taken from lengths: its messages and alerts are there.
"""

from __future__ import annotations

from typing import Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.lengths import EMPTY_CERTIFICATE, JAVA_PADDING, RecordLengths, record_lengths
from analyzer.registry import AlertDescription, AlertLevel, ContentType, HandshakeType
from analyzer.tls.connection import Connection, Event, EventKind, Half, Side
from analyzer.tls.messages import is_tls13
from analyzer.tls.records import AlertRecord, RawMessage, RecordSeen

__all__ = ["PROMPT_NS", "Ending", "Progress", "alert_lengths", "ending_of", "overhead", "trace"]

_BESIDE: Final = (HandshakeType.END_OF_EARLY_DATA, HandshakeType.KEY_UPDATE)
_CERTIFICATES: Final = (HandshakeType.CERTIFICATE, HandshakeType.COMPRESSED_CERTIFICATE)
_CLOSING: Final = (AlertDescription.CLOSE_NOTIFY, AlertDescription.USER_CANCELED)
_APPLICATION_SETTINGS: Final = (17513, 17613)
_EARLY_DATA: Final = 42
_PRE_SHARED_KEY: Final = 41
_NEVER: Final = 1 << 62
_ENDS: Final = (EventKind.ENCRYPTED_ALERT, EventKind.CUT_ALERT, EventKind.FIN, EventKind.RST)
_EMPTY_CERTIFICATE_12: Final = 7
"""RFC 5246 section 7.4.6: type, length and an empty list."""
_FINISHED_12: Final = 16
"""RFC 5246 section 7.4.9: type, length and 12 bytes."""
_AEAD_12: Final = (16, 24)
"""What AES-GCM, AES-CCM and ChaCha20 add to a TLS 1.2 record (RFC 5288, 6655, 7905); CBC hides lengths in blocks."""
_CERTIFICATE_FLIGHT: Final = 300
"""Bytes of encrypted records that can hold a server's certificate and its proof. EncryptedExtensions and Finished
alone, as in a resumption, stay under it; the smallest real certificates do not."""
PROMPT_NS: Final = 3_000_000_000
"""Nanoseconds within which who refuses does so; who leaves later waited for something, or was only idle."""
_ALERTS_AT_MOST: Final = 2
"""A fatal alert, and a close_notify behind it (GnuTLS)."""
_UNANSWERED_AT_MOST: Final = 4
"""Records that a client sends before it has heard that the server accepts it: a request, not an upload."""
_TICKETS_AT_MOST: Final = 4
_TICKET_BYTES: Final = 4096
"""Server records after the client's Finished that may all be session tickets: no more than this is no data."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The event that ended a connection. `act` is `alert`, `fin` or `rst`; None where TLS was refused and all went on.

    `encrypted` marks an alert of which only the record's length is known, `cut` one in clear that the capture cuts.
    """

    act: str | None
    side: Side | None
    packet: int | None
    time_ns: int | None
    description: int | None = None
    level: int | None = None
    encrypted: bool = False
    cut: bool = False


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
    """Frame of an encrypted record that is as long as a client Certificate without a certificate."""
    client_certificate_records: int | None
    """Frame of the first TLS 1.3 record before the client's Finished that is no empty Certificate."""
    server_refused: bool
    """TLS 1.3: the server answered the client's flight with nothing but an alert, or nothing at all, and left. The
    client may have sent data and more already, for it believes that it is done."""
    renegotiation: int | None
    """Up to TLS 1.2, the frame with which a renegotiation began that was not finished when a side left."""
    certificate_came: bool
    """Whether the server's certificate can have reached the client: it is in the capture or, in TLS 1.3, at least as
    many encrypted bytes as it takes."""
    resumed: bool
    """Session resumption: a pre-shared key accepted (RFC 8446), or an abbreviated handshake (RFC 5246 section 7.3)."""
    hidden_flight: tuple[RecordSeen, ...]
    """The server's encrypted records of TLS 1.3 before the client's, each of them whole; none when they were opened,
    or when a part of them is missing."""

    @property
    def data(self) -> bool:
        """Whether application data went either way."""
        return self.client_data or self.server_data


def trace(connection: Connection) -> Progress:
    """Work out the `Progress` of a connection."""
    if is_tls13(connection.version):
        return _trace_13(connection)
    finished = {side: _finished_12(connection, side) for side in Side}
    done = all(packet is not None for packet in finished.values())
    client_data, server_data = (connection.halves[side].application_count > 0 for side in Side)
    if not connection.hellos and connection.server_hello is None:
        done = done or ((client_data or server_data) and (not _may_have_failed(connection) or _goes_on(connection)))
    elif server_data and (finished[Side.SERVER] is not None or _hides_finished(connection)):
        done = True  # no server sends data before it has read the client's Finished
    again = _renegotiation(connection, finished) if done else None
    ending: Ending | None = None
    echoes: tuple[Event, ...] = ()
    if again is not None or not (done and (client_data or server_data)):
        after = 0 if again is None else again.packet
        ending, echoes = _ending(connection, _alerts_midstream(connection), after=after)
    return _progress(
        connection,
        stage=_stage(connection, finished, None, ending, done=done, data=client_data or server_data),
        ending=ending,
        echoes=echoes,
        finished=finished,
        handshake_done=done and again is None,
        client_data=done and client_data,
        server_data=done and server_data,
        empty_client_certificate=None if again is None else _empty_certificate_12(connection, again),
        renegotiation=None if again is None else again.packet,
    )


def _alerts_midstream(connection: Connection) -> frozenset[tuple[Side, int, int]]:
    """The last record of each side, if it is as long as an alert of TLS 1.3 and the capture does not show the version.

    Up to TLS 1.2 no record of data is as short, but one of a byte or two.
    """
    if connection.hellos or connection.server_hello is not None:
        return frozenset()
    length = record_lengths(connection).alert
    last = [(side, half.application[-1]) for side, half in connection.halves.items() if half.application]
    return frozenset((side, record.packet, record.length) for side, record in last if record.length == length)


def _hides_finished(connection: Connection) -> bool:
    """Whether the capture lacks bytes of a server that speaks TLS 1.2 or less, its Finished perhaps among them."""
    client = connection.halves[Side.CLIENT].seen
    went_on = bool(client.change_cipher_spec) or client.application_count > 0
    return went_on and connection.server_hello is not None and bool(connection.halves[Side.SERVER].lost)


def _may_have_failed(connection: Connection) -> bool:
    """Whether a handshake that is not seen may have failed: its records of data may be what TLS 1.3 hides in them."""
    seen = connection.from_start and not any(half.lost for half in connection.halves.values())
    # Up to TLS 1.2 alerts and handshake messages that are encrypted are still called so.
    shown = any(event.kind in (EventKind.ENCRYPTED_ALERT, EventKind.ENCRYPTED_HANDSHAKE) for event in connection.events)
    return not (seen or shown) and any(event.kind in (EventKind.FIN, EventKind.RST) for event in connection.events)


def _goes_on(connection: Connection) -> bool:
    """Whether data flows in a connection whose hellos are not seen, so that its handshake was done before.

    The version is not known, and TLS 1.3 hides what ends a handshake in records of data. So the client must have sent
    one that is neither an alert nor a Finished, and the server one behind it that is no alert.
    """
    lengths = record_lengths(connection)
    short = {*_padded(lengths.alert), *_padded(lengths.finished), *_padded(lengths.empty_certificate)}
    client, server = (connection.halves[side].application for side in Side)
    asked = next((record.packet for record in client if record.length not in short), None)
    return asked is not None and any(
        record.packet > asked and record.length not in _padded(lengths.alert) for record in server
    )


def overhead(connection: Connection) -> int | None:
    """Bytes that encryption adds to a record of the client's; None where lengths do not show (CBC, no Finished).

    In TLS 1.2 the Finished tells: its length in clear is known.
    """
    if is_tls13(connection.version):
        return record_lengths(connection).overhead
    own = connection.halves[Side.CLIENT].encrypted_handshake
    added = own[0].length - _FINISHED_12 if own else None
    return added if added in _AEAD_12 else None


def _trace_13(connection: Connection) -> Progress:
    client = _client_records(connection)
    server = _server_records(connection, client)
    finished = {
        Side.CLIENT: None if client.finished is None else client.finished.packet,
        Side.SERVER: _finished_13(connection, client, server),
    }
    refused = _refused(connection, client, server)
    done = all(packet is not None for packet in finished.values()) and (
        refused or not _awaits_verdict(connection, client, server)
    )
    if server.answer and any(half.lost for half in connection.halves.values()):
        done = True  # a Finished may be what the capture lacks: tickets and data come after both
    client_data, server_data = bool(client.data), done and server.is_data
    if refused:
        client_data = False
    ending: Ending | None = None
    echoes: tuple[Event, ...] = ()
    if refused or not (done and (client_data or server_data)):
        after = client.first.packet if refused and client.first is not None else 0
        ending, echoes = _ending(connection, _alert_records(client, server), after=after, side=_only(refused=refused))
    return _progress(
        connection,
        stage=_stage(connection, finished, client, ending, done=done, data=client_data or server_data),
        ending=ending,
        echoes=echoes,
        finished=finished,
        handshake_done=done and not refused,
        client_data=done and client_data,
        server_data=done and server_data,
        empty_client_certificate=None if client.empty is None else client.empty.packet,
        client_certificate_records=None if client.certificate is None else client.certificate.packet,
        server_refused=refused,
        certificate_came=_certificate_came(connection, server),
        hidden_flight=() if done and (client_data or server_data) else _hidden_flight(connection, server),
    )


def _only(*, refused: bool) -> Side | None:
    """Whose acts count: the client that believes that it is done may close its side while the server refuses."""
    return Side.SERVER if refused else None


def _progress(
    connection: Connection,
    *,
    stage: str,
    ending: Ending | None,
    echoes: tuple[Event, ...],
    finished: dict[Side, int | None],
    handshake_done: bool,
    client_data: bool,
    server_data: bool,
    empty_client_certificate: int | None = None,
    client_certificate_records: int | None = None,
    server_refused: bool = False,
    renegotiation: int | None = None,
    certificate_came: bool = False,
    hidden_flight: tuple[RecordSeen, ...] = (),
) -> Progress:
    flight_packet, flight_time = _server_flight(connection)
    return Progress(
        stage=stage,
        ending=ending,
        echoes=echoes,
        finished=finished,
        handshake_done=handshake_done,
        client_data=client_data,
        server_data=server_data,
        server_flight_packet=flight_packet,
        server_flight_time_ns=flight_time,
        empty_client_certificate=empty_client_certificate,
        client_certificate_records=client_certificate_records,
        server_refused=server_refused,
        renegotiation=renegotiation,
        certificate_came=certificate_came or connection.chain(Side.SERVER) is not None,
        resumed=_resumed(connection),
        hidden_flight=hidden_flight,
    )


def ending_of(event: Event) -> Ending:
    """An event as the ending of its connection: an alert, a FIN or a RST; any other record stands for an alert."""
    tcp = event.kind in (EventKind.FIN, EventKind.RST)
    clear = event.kind is EventKind.ALERT
    return Ending(
        act=event.kind.value.lower() if tcp else "alert",
        side=event.side,
        packet=event.packet,
        time_ns=event.time_ns,
        description=event.number if clear else None,
        level=event.level if clear else None,
        encrypted=not tcp and not clear and event.kind is not EventKind.CUT_ALERT,
        cut=event.kind is EventKind.CUT_ALERT,
    )


def alert_lengths(connection: Connection) -> tuple[int, int]:
    """Bytes of a TLS 1.3 record that holds an alert: without padding, and with Java's."""
    return _padded(record_lengths(connection).alert)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Client13:
    """The client's encrypted records of TLS 1.3, told apart by their lengths."""

    first: RecordSeen | None = None
    """The first of its flight, unless that is an alert."""
    empty: RecordSeen | None = None
    """A Certificate without a certificate."""
    certificate: RecordSeen | None = None
    """Certificate messages."""
    alert: RecordSeen | None = None
    """An alert in place of Finished: the client refuses."""
    finished: RecordSeen | None = None
    """Finished, perhaps with the certificate in the same record."""
    data: tuple[RecordSeen, ...] = ()
    closing: RecordSeen | None = None
    """A record of an alert's length after Finished."""


def _padded(length: int) -> tuple[int, int]:
    return length, length + JAVA_PADDING


def _is_alert(record: RecordSeen, lengths: RecordLengths, padding: int | None = None) -> bool:
    if padding is None:
        return record.length in _padded(lengths.alert)
    return record.length == lengths.alert + padding


def _finished_13(connection: Connection, client: _Client13, server: _Server13) -> int | None:
    """The frame of the server's Finished; where it is not seen, of the record that holds it if the client has it."""
    if server.opened:
        return connection.packet_of(Side.SERVER, HandshakeType.FINISHED)
    return server.flight[-1].packet if server.flight and client.finished is not None else None


def _is_readable(half: Half) -> bool:
    """Whether a side's handshake was decrypted, as far as it came: a key log may have a part of the secrets only."""
    opened = half.seen.opened
    if opened is None:
        return False
    sent = [message.type for message in half.seen.messages if message.opened and message.type not in _BESIDE]
    whole = all(record.position in opened for record in half.application)
    return HandshakeType.FINISHED in sent or (whole and bool(sent or half.seen.alerts))


def _opened_client(connection: Connection) -> _Client13:
    """The client's records, by what was in them."""
    seen = connection.halves[Side.CLIENT].seen
    opened = seen.opened or {}
    sent = [message for message in seen.messages if message.opened and message.type not in _BESIDE]
    finished = next((message for message in sent if message.type == HandshakeType.FINISHED), None)
    own = [m for m in sent if m.type in _CERTIFICATES and (finished is None or m.position <= finished.position)]
    empty = next((message for message in own if message.length == EMPTY_CERTIFICATE - 4), None)
    alerts = [alert for alert in seen.alerts if alert.description is not None]
    behind = [alert for alert in alerts if finished is not None and alert.position > finished.position]
    before = [alert for alert in alerts if alert not in behind]
    flight = sent[: sent.index(finished) + 1] if finished is not None else sent
    return _Client13(
        first=_of_message(flight[0]) if flight else None,
        empty=None if empty is None else _of_message(empty),
        certificate=next((_of_message(message) for message in own if message is not empty), None),
        alert=_of_alert(before[0]) if before else None,
        finished=None if finished is None else _of_message(finished),
        data=tuple(
            record
            for record in connection.halves[Side.CLIENT].application
            # Early data is read by a server that finishes the handshake.
            if finished is not None and (record.position in opened or _follows(record, finished))
        ),
        closing=_of_alert(behind[0]) if behind else None,
    )


def _follows(record: RecordSeen, message: RawMessage | None) -> bool:
    return message is not None and record.position > message.position


def _of_message(message: RawMessage) -> RecordSeen:
    return RecordSeen(ContentType.HANDSHAKE, message.length, message.packet, message.time_ns, message.position)


def _of_alert(alert: AlertRecord) -> RecordSeen:
    return RecordSeen(ContentType.ALERT, alert.length, alert.packet, alert.time_ns, alert.position)


def _client_records(connection: Connection) -> _Client13:
    if _is_readable(connection.halves[Side.CLIENT]):
        return _opened_client(connection)
    lengths = record_lengths(connection)
    records = _own_flight(connection, lengths)
    if not records:
        return _Client13()
    first = records[0]
    if _is_alert(first, lengths):
        return _Client13(alert=first)
    whole = _padded(lengths.finished)
    with_empty = lengths.finished + EMPTY_CERTIFICATE
    for index, record in enumerate(records):
        if _is_alert(record, lengths):
            break
        if record.length in whole or record.length == with_empty:
            empty, certificate = _certificates(connection, records[:index], lengths)
            if record.length == with_empty and index == 0:
                empty = record
            padding: int | None = JAVA_PADDING if record.length == whole[1] else 0
            if connection.server_hello is None:
                padding = None  # with a longer hash a Finished is as long as one that is padded
            later = records[index + 1 :]
            return _Client13(
                first=first,
                empty=empty,
                certificate=certificate,
                finished=record,
                data=tuple(r for r in later if not _is_alert(r, lengths, padding)),
                closing=next((r for r in later if _is_alert(r, lengths, padding)), None),
            )
    return _without_finished(connection, records, lengths)


def _without_finished(connection: Connection, records: tuple[RecordSeen, ...], lengths: RecordLengths) -> _Client13:
    """No record is as long as a Finished: it shares one with the certificate, or was never sent.

    The server's answer tells which: after a flight that is whole it sends tickets or data.
    """
    first = records[0]
    later = [record for record in connection.halves[Side.SERVER].application if record.packet > first.packet]
    answered = any(not _is_alert(record, lengths) for record in later)
    left = bool(later) or any(
        event.side is Side.SERVER and event.packet > first.packet and event.kind in (EventKind.FIN, EventKind.RST)
        for event in connection.events
    )
    empty, certificate = _certificates(connection, records, lengths)
    if first.length > lengths.finished and (answered or not left or _shares_finished(connection)):
        return _Client13(
            first=first,
            certificate=certificate,
            finished=first,
            data=tuple(r for r in records[1:] if not _is_alert(r, lengths)),
            closing=next((r for r in records[1:] if _is_alert(r, lengths)), None),
        )
    alert = None if left else next((record for record in records if _is_alert(record, lengths)), None)
    return _Client13(first=first, empty=empty, certificate=certificate, alert=alert)


def _shares_finished(connection: Connection) -> bool:
    """Whether no certificate can be what makes the client's first record longer than a Finished.

    Application settings (draft-vvv-tls-alps, sent by Chrome) put an EncryptedExtensions message before it.
    """
    hello = connection.client_hello
    settings = hello is not None and any(hello.extension(kind) is not None for kind in _APPLICATION_SETTINGS)
    return _by_pre_shared_key(connection) and settings


def _own_flight(connection: Connection, lengths: RecordLengths) -> tuple[RecordSeen, ...]:
    """The client's records from its second flight on: what follows the ServerHello but for early data."""
    after = connection.server_hello_packet or 0
    records = tuple(record for record in connection.halves[Side.CLIENT].application if record.packet > after)
    hello = connection.client_hello
    if hello is None or hello.extension(_EARLY_DATA) is None:
        return records
    ends = [index for index, record in enumerate(records) if record.length in _padded(lengths.end_of_early_data)]
    return records[ends[0] + 1 :] if ends else records


def _certificates(
    connection: Connection, records: tuple[RecordSeen, ...], lengths: RecordLengths
) -> tuple[RecordSeen | None, RecordSeen | None]:
    """An empty Certificate, or the first of other messages that stand before Finished.

    A handshake by a pre-shared key has no certificates (RFC 8446 section 4.3.2).
    """
    if _by_pre_shared_key(connection):
        return None, None
    empty = next((r for r in records if r.length in _padded(lengths.empty_certificate)), None)
    return empty, (records[0] if records and empty is None else None)


def _by_pre_shared_key(connection: Connection) -> bool:
    hello = connection.server_hello
    return hello is not None and hello.extension(_PRE_SHARED_KEY) is not None


def _resumed(connection: Connection) -> bool:
    if connection.server_hello is None or not connection.hellos:
        return False
    if is_tls13(connection.version):
        return _by_pre_shared_key(connection)
    return bool(
        connection.chain(Side.SERVER) is None
        and connection.halves[Side.SERVER].change_cipher_spec
        and connection.server_key_exchange is None
        and connection.packet_of(Side.SERVER, HandshakeType.SERVER_HELLO_DONE) is None
    )


@dataclass(frozen=True, slots=True)
class _Server13:
    """The server's encrypted records of TLS 1.3."""

    flight: tuple[RecordSeen, ...]
    """Up to the client's first."""
    answer: tuple[RecordSeen, ...]
    """After it, without `alert`: session tickets and data."""
    alert: RecordSeen | None
    """The last record, when it has the length of an alert and stands where one ends the handshake."""
    opened: bool = False
    """Whether this is by what was in them."""
    data: bool = False
    """Whether there was application data among it."""

    @property
    def is_data(self) -> bool:
        """Whether there is more than session tickets."""
        if self.opened:
            return self.data
        return len(self.answer) > _TICKETS_AT_MOST or sum(r.length for r in self.answer) > _TICKET_BYTES


def _opened_server(connection: Connection, first: RecordSeen | None) -> _Server13:
    """The server's records, by what was in them; what came before the client's `first` is no answer to it."""
    half = connection.halves[Side.SERVER]
    sent = [message for message in half.seen.messages if message.opened]
    finished = next((message for message in sent if message.type == HandshakeType.FINISHED), None)
    flight = sent if finished is None else sent[: sent.index(finished) + 1]
    alert = next((alert for alert in half.seen.alerts if alert.description is not None), None)
    data = [record for record in half.application if _follows(record, finished)]
    later = (*map(_of_message, sent[len(flight) :]), *data)
    return _Server13(
        flight=tuple(map(_of_message, flight)),
        answer=tuple(record for record in later if first is not None and record.packet > first.packet),
        alert=None if alert is None else _of_alert(alert),
        opened=True,
        data=bool(data),
    )


def _server_records(connection: Connection, client: _Client13) -> _Server13:
    if _is_readable(connection.halves[Side.SERVER]):
        return _opened_server(connection, client.first)
    lengths = record_lengths(connection)
    records = connection.halves[Side.SERVER].application
    first = client.first
    # The server may refuse a client's Certificate before it has seen the Finished behind it.
    flight = tuple(r for r in records if first is None or r.packet <= first.packet)
    answer = records[len(flight) :]
    whole = {record.length for record in flight} & set(_padded(lengths.finished))
    padding = next(iter(whole)) - lengths.finished if len(whole) == 1 else None
    if answer:
        ends = _is_alert(answer[-1], lengths, padding)
        if ends and len(answer) == _ALERTS_AT_MOST and _is_alert(answer[0], lengths, padding):
            return _Server13(flight, (), answer[0])
        return _Server13(flight, answer[:-1] if ends else answer, answer[-1] if ends else None)
    if first is None and flight and _is_alert(flight[-1], lengths):
        # Nothing that opens a flight is as short, and a padded one might be EncryptedExtensions: who left decides.
        left = client.alert is None and _left(connection, Side.SERVER, flight[-1].packet)
        if left or flight[-1].length == lengths.alert:
            return _Server13(flight[:-1], (), flight[-1])
    return _Server13(flight, (), None)


def _left(connection: Connection, side: Side, packet: int) -> bool:
    """Whether a side sent a FIN or RST from a packet on, before the other did."""
    ends = [e for e in connection.events if e.kind in (EventKind.FIN, EventKind.RST) and e.packet >= packet]
    return bool(ends) and ends[0].side is side


def _refused(connection: Connection, client: _Client13, server: _Server13) -> bool:
    """Whether the server did not accept the client's flight: see the module's text.

    One that closes an idle connection, or answers the client's own closing, looks alike. So the answer must be prompt,
    and there must have been something to refuse: a client's certificate, or data that stayed unanswered.
    """
    if client.first is None or server.answer:
        return False
    said = _NEVER if server.alert is None else server.alert.position
    holes = [hole for hole in connection.halves[Side.SERVER].lost if hole.position < said]
    if any(hole.packet >= client.first.packet for hole in holes):
        return False
    asked = client.certificate is not None or client.empty is not None
    if server.alert is not None:
        packet, time_ns = server.alert.packet, server.alert.time_ns
    else:
        kinds = (EventKind.FIN, EventKind.RST)
        event = next((e for e in connection.events if e.kind in kinds and e.packet > client.first.packet), None)
        if event is None or event.side is Side.CLIENT:
            return False
        packet, time_ns = event.packet, event.time_ns
    handshake = client.first
    if client.finished is not None and client.finished.packet <= packet:
        handshake = client.finished
    if time_ns - handshake.time_ns > PROMPT_NS or len(client.data) > _UNANSWERED_AT_MOST:
        return False
    closed_first = (client.closing is not None and client.closing.packet <= packet) or any(
        e.side is Side.CLIENT and e.kind in (EventKind.FIN, EventKind.RST) and e.packet < packet
        for e in connection.events
    )
    if closed_first:
        return asked and bool(client.data)
    return asked or bool(client.data) or client.finished is None


def _awaits_verdict(connection: Connection, client: _Client13, server: _Server13) -> bool:
    """Whether it is not in the capture what the server makes of a client that answered its CertificateRequest."""
    if (client.certificate is None and client.empty is None) or server.answer or server.alert is not None:
        return False
    ended = any(event.kind in (EventKind.FIN, EventKind.RST) for event in connection.events)
    return not ended or bool(connection.halves[Side.SERVER].lost)


def _certificate_came(connection: Connection, server: _Server13) -> bool:
    if _by_pre_shared_key(connection):
        return False
    half = connection.halves[Side.SERVER]
    there = half.delivered + half.lost_bytes
    whole = sum(record.length for record in server.flight if record.position + 5 + record.length <= there)
    return whole >= _CERTIFICATE_FLIGHT


def _hidden_flight(connection: Connection, server: _Server13) -> tuple[RecordSeen, ...]:
    """The records of the server's flight, if they are all there, one behind the other."""
    half = connection.halves[Side.SERVER]
    if server.opened or half.lost or half.unfinished is not None:
        return ()
    between = {record.position for record in half.change_cipher_spec}
    end = None
    for record in server.flight:
        if end is not None and record.position != end and end not in between:
            return ()
        end = record.position + 5 + record.length
    return server.flight


def _alert_records(client: _Client13, server: _Server13) -> frozenset[tuple[Side, int, int]]:
    own = [(Side.CLIENT, record) for record in (client.alert, client.closing) if record is not None]
    theirs = [(Side.SERVER, server.alert)] if server.alert is not None else []
    return frozenset((side, record.packet, record.length) for side, record in (*own, *theirs))


def _renegotiation(connection: Connection, finished: dict[Side, int | None]) -> RecordSeen | None:
    """The first record of a renegotiation that a side broke off, if there is one."""
    if all(len(connection.halves[side].encrypted_handshake) < 2 for side in Side):
        return None
    done = max(packet or 0 for packet in finished.values())
    again = [
        (side, record)
        for side in Side
        for record in connection.halves[side].encrypted_handshake
        if record.packet > done
    ]
    if not again:
        return None
    first = min((record for _, record in again), key=lambda record: record.packet)
    server = connection.halves[Side.SERVER]
    if {side for side, _ in again} != set(Side) or any(r.packet > first.packet for r in server.application):
        return None  # the other side does not take it up, or all went on
    return first if len(server.change_cipher_spec) < 2 else None


def _empty_certificate_12(connection: Connection, again: RecordSeen) -> int | None:
    """A renegotiation's Certificate without a certificate: the record of Finished tells what encryption adds."""
    added = overhead(connection)
    if added is None:
        return None
    own = connection.halves[Side.CLIENT].encrypted_handshake
    return next((r.packet for r in own if r.packet > again.packet and r.length == _EMPTY_CERTIFICATE_12 + added), None)


def _finished_12(connection: Connection, side: Side) -> int | None:
    seen = connection.halves[side].seen
    clear = connection.packet_of(side, HandshakeType.FINISHED)
    if clear is not None:
        return clear
    if not seen.change_cipher_spec:
        return None
    begins = seen.change_cipher_spec[0].position
    return next((record.packet for record in seen.encrypted_handshake if record.position > begins), None)


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


def _client_spoke(connection: Connection, client: _Client13 | None, until: int) -> bool:
    """Whether the client answered the server's flight up to the packet `until`."""
    if client is not None:
        return client.first is not None and client.first.packet <= until
    flight = connection.server_hello_packet or 0
    sent = connection.halves[Side.CLIENT].seen
    answers = [m.packet for m in sent.messages] + [r.packet for r in sent.change_cipher_spec]
    return any(flight < packet <= until for packet in answers)


def _ending(
    connection: Connection, alerts: frozenset[tuple[Side, int, int]], *, after: int = 0, side: Side | None = None
) -> tuple[Ending | None, tuple[Event, ...]]:
    """The first event that ends the connection, and what came after it.

    `alerts` are the TLS 1.3 records (side, packet, length) that by their length and place are alerts. The ending is
    looked for behind the packet `after`, and among the acts of `side` if one is given.
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
            ends = event.kind in _ENDS
        if not ends or event.packet <= after:
            continue
        if ending is None:
            if side is not None and event.side is not side:
                continue
            ending = ending_of(event)
        else:
            echoes.append(event)
    return ending, tuple(echoes)


def _stage(
    connection: Connection,
    finished: dict[Side, int | None],
    client: _Client13 | None,
    ending: Ending | None,
    *,
    done: bool,
    data: bool,
) -> str:
    """How far the connection had come by its ending."""
    if done:
        return "data" if data else "after-handshake"
    until = _NEVER if ending is None or ending.packet is None else ending.packet
    answered = connection.server_hello_packet is not None and connection.server_hello_packet <= until
    if answered and _client_spoke(connection, client, until):
        return "client-flight"
    server, chain = connection.halves[Side.SERVER].seen, connection.chain(Side.SERVER)
    cut = server.begins is not None and (server.lost or any(not message.complete for message in server.messages))
    if answered or (chain is not None and chain.packet <= until) or (cut and connection.server_hello is None):
        return "server-flight"
    if connection.hellos:
        return "client-hello" if connection.hellos[0].packet <= until else "tcp"
    if connection.halves[Side.CLIENT].is_tls and not _sent_only_alerts(connection):
        return "client-hello"
    return "server-flight" if any(packet is not None for packet in finished.values()) else "tcp"


def _sent_only_alerts(connection: Connection) -> bool:
    """Whether alerts are all that the client said, as one does that fails before it has a ClientHello."""
    half, seen = connection.halves[Side.CLIENT], connection.halves[Side.CLIENT].seen
    spoke = seen.messages or seen.change_cipher_spec or seen.encrypted_handshake or seen.application_count
    whole = connection.from_start and not half.lost and seen.unfinished is None and seen.damaged is None
    return whole and bool(seen.alerts) and not spoke
