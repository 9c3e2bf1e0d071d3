"""A connection as plain data: what happened in it, in order, with frame numbers.

`build` takes the flow table, the signals (SYN, FIN, RST, ICMP errors) and the records of both directions, and gives
a `Connection`; None for a flow that carried something else than TLS. Who is the client is known by the first
ClientHello, else by the SYN, else by the message a side sent, else by the port.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from enum import Enum
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from analyzer.dataclass import dataclass
from analyzer.errors import WireError
from analyzer.net.flows import Endpoint, FlowRow, Signal
from analyzer.net.reassembly import Retransmission, Stream
from analyzer.net.segments import ACK, FIN, RST, SYN
from analyzer.registry import ContentType, HandshakeType, ProtocolVersion, encrypts_nothing
from analyzer.tls import messages
from analyzer.tls.detect import expects_tls
from analyzer.tls.messages import (
    Certificate,
    CertificateEntry,
    CertificateRequest,
    CertificateStatus,
    ClientHello,
    CompressedCertificate,
    EncryptedExtensions,
    Message,
    ServerHello,
    ServerKeyExchange,
    is_tls13,
)
from analyzer.tls.prelude.model import Prelude
from analyzer.tls.records import AlertRecord, Lost, PlainText, RawMessage, RecordSeen, Sealed, SideRecords
from analyzer.tls.side import Side

if TYPE_CHECKING:
    from analyzer.tls.decryption import Decrypted, Plain
    from analyzer.tls.sealed import KeyRing

__all__ = [
    "CertificateMessage",
    "Connection",
    "Event",
    "EventKind",
    "Half",
    "Hello",
    "Malformed",
    "Prelude",
    "Reset",
    "SeenAlert",
    "Side",
    "build",
]


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
    CUT_ALERT = "alert that is cut"
    ENCRYPTED_HANDSHAKE = "encrypted handshake message"
    APPLICATION_DATA = "application data"
    PRELUDE = "prelude"
    PLAIN_TEXT = "plain text"
    RETRANSMISSION = "retransmission"
    LOST = "lost"
    DAMAGED = "damaged"

    __hash__ = object.__hash__


class Event(NamedTuple):
    """Something that one side did, and the frame that shows it.

    `number` is the handshake type of a MESSAGE, the description of an ALERT (`level` its level), the TCP flags of a
    FIN or RST, `Segments.quoted` of an ICMP error, the record length of what is encrypted, the bytes missing of LOST,
    the place of a PRELUDE event among `Prelude.steps`.
    `opened` marks messages and application data that were decrypted.
    """

    kind: EventKind
    packet: int
    time_ns: int
    side: Side
    number: int = 0
    level: int = 0
    complete: bool = True
    opened: bool = False


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
    opened: bool = False
    """Whether it was decrypted."""


@dataclass(frozen=True, slots=True)
class SeenAlert:
    """An alert; level and description are None for an encrypted one, and for one of 2 bytes that is cut.

    `opened`: it was encrypted, and has been decrypted.
    """

    side: Side
    packet: int
    time_ns: int
    level: int | None
    description: int | None
    length: int
    opened: bool = False


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


@dataclass(frozen=True, slots=True)
class Half:
    """What one side did as far as TCP and the record layer show it."""

    _row: FlowRow
    number: int
    _log: Sequence[Signal]
    _stream: Stream | None = field(repr=False, compare=False)
    seen: SideRecords

    @property
    def packets(self) -> int:
        """Segments of this side."""
        return self._row.packets[self.number]

    @property
    def bytes(self) -> int:
        """Payload bytes of this side, those sent twice counted twice."""
        return self._row.bytes[self.number]

    @property
    def syn(self) -> int | None:
        """Frame of the first SYN (of the server: SYN,ACK)."""
        return next((s.packet for s in self._log if s.side == self.number and s.flags & SYN), None)

    @property
    def syn_count(self) -> int:
        """How often the SYN was sent."""
        return sum(1 for s in self._log if s.side == self.number and s.flags & SYN)

    @property
    def ttl(self) -> int:
        """Time to live of the side's first segment; -1 when unknown."""
        return self._row.ttl[self.number]

    @property
    def ttls(self) -> tuple[int, int]:
        """Times to live of the side's first and last segment that is no RST; -1 when unknown."""
        return self._row.ttl[self.number], self._row.last_ttl[self.number]

    @property
    def ip_ids(self) -> tuple[int, int] | None:
        """The lowest and the highest IP identification of its segments, RSTs and zeros left out; None without any."""
        low, high = self._row.low_ip_id[self.number], self._row.high_ip_id[self.number]
        return (low, high) if high > 0 else None

    @property
    def next_seq(self) -> int | None:
        """Sequence number behind the last byte that was put in order; None when the side sent no data."""
        return None if self._stream is None else self._stream.next_seq

    @property
    def last_packet(self) -> int:
        """Frame of the side's last segment."""
        return self._row.side_last_packet[self.number]

    @property
    def last_time_ns(self) -> int:
        """Time of the side's last segment."""
        return self._row.side_last_time[self.number]

    @property
    def last_ack(self) -> int:
        """The last acknowledgement number that the side sent; -1 when none."""
        return self._row.last_ack[self.number]

    @property
    def base(self) -> int | None:
        """Sequence number before the first byte (that of the SYN)."""
        return self._row.base[self.number] if self._row.base_known[self.number] else None

    @property
    def acknowledged(self) -> int | None:
        """Bytes of this side that the peer has acknowledged, a FIN counted as one."""
        base, peer_ack = self.base, self._row.last_ack[1 - self.number]
        return None if base is None or peer_ack < 0 else (peer_ack - base - 1) % _MODULUS

    @property
    def delivered(self) -> int:
        """Bytes of this side put in order."""
        return 0 if self._stream is None else self._stream.position - self._stream.lost_bytes

    @property
    def max_segment(self) -> int:
        """Payload bytes of the side's longest segment."""
        return self._row.max_segment[self.number]

    @property
    def retransmitted(self) -> int:
        """Segments that brought nothing new."""
        return 0 if self._stream is None else self._stream.retransmitted

    @property
    def retransmissions(self) -> tuple[Retransmission, ...]:
        """The first few of them."""
        return () if self._stream is None else tuple(self._stream.retransmissions)

    @property
    def lost_bytes(self) -> int:
        """Bytes that are missing from the capture."""
        return 0 if self._stream is None else self._stream.lost_bytes

    @property
    def fin(self) -> int | None:
        """Frame of the first FIN."""
        return next((s.packet for s in self._log if s.side == self.number and s.flags & FIN), None)

    def unseen_before(self, packet: int) -> int:
        """Bytes behind all that the capture has of this side which the peer had when it sent its FIN or RST `packet`.

        A FIN counts as one. Where `packet` is neither, its next FIN or RST counts, else its last segment.
        """
        base = self.base
        ends = (s for s in self._log if s.side != self.number and s.packet >= packet and s.flags & ACK and not s.quoted)
        end = next(ends, None)
        had = self._row.last_ack[1 - self.number] if end is None else end.ack
        if base is None or had < 0:
            return 0
        left = self.fin is not None and (end is None or (self.fin or 0) <= end.packet)
        ahead = (
            had - base - 1 - (0 if self._stream is None else self._stream.position) - left + _HALF
        ) % _MODULUS - _HALF
        return ahead if 0 < ahead < _WINDOW else 0

    @property
    def fin_position(self) -> int | None:
        """Position of the first FIN in the side's stream; None without one."""
        signal = next((s for s in self._log if s.side == self.number and s.flags & FIN), None)
        base = self.base
        return None if signal is None or base is None else (signal.seq + signal.length - base - 1) % _MODULUS

    @property
    def bounds(self) -> list[tuple[int, int]]:
        """Packets before which all up to a position was sent: FINs and RSTs of the side itself, and of its peer.

        [N] frame and position of the first byte that need not have been sent; a FIN counts as a byte.
        """
        base = self.base
        if base is None:
            return []
        found = []
        for s in self._log[:_MAX_SIGNALS]:
            if s.side == self.number and s.flags & (FIN | RST):
                found.append((s.packet, (s.seq + s.length - base - 1) % _MODULUS))
            elif s.side != self.number and s.flags & (FIN | RST) and s.flags & ACK and not s.quoted:
                found.append((s.packet, (s.ack - base - 1) % _MODULUS))
        return [(packet, position) for packet, position in found if position < _WINDOW]

    def unsent(self, packet: int) -> int:
        """Bytes between the last that the capture has of this side and its own FIN or RST `packet`."""
        end = next((s for s in self._log if s.packet == packet and s.side == self.number and not s.quoted), None)
        base = self.base
        if end is None or base is None:
            return 0
        reached = 0 if self._stream is None else self._stream.position
        carried = end.length if end.flags & RST else 0
        ahead = (end.seq + end.length - carried - base - 1 - reached + _HALF) % _MODULUS - _HALF
        return ahead if 0 < ahead < _WINDOW else 0

    @property
    def lost(self) -> tuple[Lost, ...]:
        """What is missing from the capture though it was needed, and what is missing at the end."""
        return (*self.seen.lost, *_unseen_end(self._row, self.number, self._log, self._stream))

    @property
    def plain(self) -> PlainText | None:
        """The first bytes, when they are not TLS."""
        return self.seen.plain

    @property
    def unfinished(self) -> tuple[int, int, int] | None:
        """Content type, length and present bytes of the record in which the stream ends."""
        return self.seen.unfinished

    @property
    def damaged(self) -> RecordSeen | None:
        """Where the bytes stopped being records."""
        return self.seen.damaged

    @property
    def application(self) -> tuple[RecordSeen, ...]:
        """The first (and, at the end, the last few) application data records."""
        return (*self.seen.application, *self.seen.application_last)

    @property
    def application_count(self) -> int:
        """Application data records."""
        return self.seen.application_count

    @property
    def application_bytes(self) -> int:
        """Bytes of all application data records."""
        return self.seen.application_bytes

    @property
    def encrypted_handshake(self) -> tuple[RecordSeen, ...]:
        """Handshake records that are encrypted."""
        return tuple(self.seen.encrypted_handshake)

    @property
    def change_cipher_spec(self) -> tuple[RecordSeen, ...]:
        """ChangeCipherSpec records."""
        return tuple(self.seen.change_cipher_spec)

    @property
    def is_tls(self) -> bool:
        """Whether a TLS record was seen."""
        return self.seen.begins is not None

    @property
    def tls_begins(self) -> int:
        """Bytes before the first record (STARTTLS, a proxy's dialogue)."""
        return self.seen.begins or 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One TCP connection and the TLS in it. `id` is Wireshark's `tcp.stream`."""

    id: int
    client: Endpoint
    server: Endpoint
    first_packet: int
    first_time_ns: int
    last_packet: int
    last_time_ns: int
    halves: dict[Side, Half]
    from_start: bool
    """Whether the capture has the connection's SYN or SYN,ACK."""
    hellos: tuple[Hello, ...]
    server_hello: ServerHello | None
    server_hello_packet: int | None
    hello_retry: ServerHello | None
    certificates: tuple[CertificateMessage, ...]
    decrypted: Decrypted | None = None
    """What the protected records hold; None where nothing was given that may open them."""
    prelude: Prelude | None = None
    """What was said before TLS, when that is a protocol that leads to it."""
    _details: _Details = field(repr=False, compare=False)

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened, in order."""
        return self._details.events

    @property
    def resets(self) -> tuple[Reset, ...]:
        """The first RSTs."""
        return self._details.resets

    @property
    def certificate_request(self) -> CertificateRequest | None:
        """The server's first CertificateRequest."""
        return self._details.others.certificate_request

    @property
    def certificate_request_packet(self) -> int | None:
        """Its frame."""
        return self._details.others.certificate_request_packet

    @property
    def server_key_exchange(self) -> ServerKeyExchange | None:
        """The first ServerKeyExchange."""
        return self._details.others.server_key_exchange

    @property
    def encrypted_extensions(self) -> EncryptedExtensions | None:
        """The server's EncryptedExtensions, where they were decrypted."""
        return self._details.others.encrypted_extensions

    @property
    def alerts(self) -> tuple[SeenAlert, ...]:
        """All alerts, in order."""
        return self._details.alerts

    @property
    def malformed(self) -> tuple[Malformed, ...]:
        """Messages that break their format."""
        return tuple(self._details.others.malformed)

    @property
    def ocsp_responses(self) -> tuple[bytes, ...]:
        """Stapled OCSP responses in DER."""
        return self._details.ocsp_responses

    @property
    def client_hello(self) -> ClientHello | None:
        """The first ClientHello."""
        return self.hellos[0].message if self.hellos else None

    @property
    def expected_host(self) -> str | None:
        """The host that the client meant, as far as it said: that of its tunnel, or the server name of its hello.

        Who has a proxy connect it to an address has looked it up before, so then the server name counts for more.
        """
        name = self.client_hello.server_name if self.client_hello is not None else None
        if self.prelude is None:
            return name
        target = self.prelude.target
        if target is None:
            return name or self.prelude.domain
        return target.host if target.is_name or name is None else name

    @property
    def version(self) -> int | None:
        """The negotiated version, None before the ServerHello."""
        return self._details.version

    @property
    def is_tls(self) -> bool:
        """Whether a TLS record was seen in either direction."""
        return any(half.seen.begins is not None for half in self.halves.values())

    @property
    def plain_answer(self) -> PlainText | None:
        """What the server answered the ClientHello with, when that is not TLS.

        A server that speaks first has answered too, unless both agreed on TLS: its greeting is what the client gets.
        """
        server, client = self.halves[Side.SERVER], self.halves[Side.CLIENT]
        if server.plain is None or server.is_tls or not self.hellos:
            return None
        agreed = client.tls_begins > 0 if self.prelude is None else self.prelude.agreed
        return server.plain.behind(self.hellos[0].packet) if agreed else server.plain

    def plain_text(self, side: Side) -> PlainText | None:
        """What a side said that is neither TLS nor told by the prelude."""
        return self._details.plain_texts.get(side)

    def chain(self, side: Side) -> CertificateMessage | None:
        """The first Certificate message of a side that holds certificates; else its first one."""
        return self._details.chains.get(side)

    def packet_of(self, side: Side, handshake_type: int) -> int | None:
        """Frame of the first handshake message of a type that a side sent."""
        return next((m.packet for m in self.halves[side].seen.messages if m.type == handshake_type), None)


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
_MAY_END: Final = (
    EventKind.ALERT,
    EventKind.ENCRYPTED_ALERT,
    EventKind.CUT_ALERT,
    EventKind.APPLICATION_DATA,
)
_SHOWN_DATA: Final = 3
"""Application data records of one side that stand among the events, before TLS 1.3."""
_MAX_SIGNALS: Final = 64
"""Events of one kind kept of a side: a crafted connection may hold millions."""


_MAX_REMEMBERED: Final = 1 << 15
"""Bytes of a Certificate message above which it is parsed each time it comes."""


def build(
    flow: int,
    row: FlowRow,
    log: Sequence[Signal],
    streams: tuple[Stream | None, Stream | None],
    records: tuple[SideRecords | None, SideRecords | None],
    keys: KeyRing | None = None,
) -> Connection | None:
    """Make the `Connection` of a flow; None when it carried data that is no TLS.

    `row` and `log` are the flow's rows of `FlowTable` and `SignalLog`; streams and records are by side number. What
    `keys` open of the records that were kept for it is decrypted. Hellos and certificates are parsed here; all else
    when it is asked for.
    """
    first, second = records
    plain = (first is not None and first.plain is not None) or (second is not None and second.plain is not None)
    tls = (first is not None and first.begins is not None) or (second is not None and second.begins is not None)
    if first is None and second is None:
        if not any(signal.flags & SYN for signal in log):
            return None
    elif not tls and not plain:
        return None
    client = _client_side(row, log, records)
    prelude = _prelude(records[client], records[1 - client]) if plain else None
    about_tls = (prelude is not None and _is_about_tls(prelude, client, log)) or _wants_tls(records[1 - client])
    if plain and not tls and not about_tls:
        return None
    sides = (Side.CLIENT, Side.SERVER) if client == 0 else (Side.SERVER, Side.CLIENT)
    decrypted = None
    if keys is not None:
        decrypted, records = _decrypted(keys, client, records)
    seen = [part or SideRecords() for part in records]
    parsed = _Hellos()
    for number in (client, 1 - client):
        parsed.take(seen[number], sides[number])
    seen = [_in_clear(part, parsed) for part in seen]
    halves = {sides[number]: Half(row, number, log, streams[number], seen[number]) for number in (client, 1 - client)}
    parsed.version = parsed.version or _version_shown(halves[Side.CLIENT].seen)
    certificates = _Certificates()
    for side, half in halves.items():
        certificates.take(half.seen, side, parsed.version)
    return Connection(
        id=flow,
        client=row.endpoint(client),
        server=row.endpoint(1 - client),
        first_packet=row.first_packet,
        first_time_ns=row.first_time,
        last_packet=row.last_packet,
        last_time_ns=row.last_time,
        halves=halves,
        from_start=any(signal.flags & SYN for signal in log),
        hellos=tuple(parsed.hellos),
        server_hello=parsed.server_hello,
        server_hello_packet=parsed.server_hello_packet,
        hello_retry=parsed.hello_retry,
        certificates=tuple(certificates.found),
        decrypted=decrypted,
        prelude=prelude,
        _details=_Details(halves, sides, log, parsed, certificates, prelude),
    )


def _in_clear(part: SideRecords, hellos: _Hellos) -> SideRecords:
    """The records of a side; where the suite encrypts nothing (RFC 5246 appendix A.5), with its alerts read."""
    answer = hellos.server_hello
    if answer is None or answer.cipher_suite is None or not part.alerts or not encrypts_nothing(answer.cipher_suite):
        return part
    from analyzer.tls.suites import suite_of

    suite = suite_of(answer.cipher_suite)
    return part if suite is None else replace(part, alerts=[_read_alert(a, 2 + suite.mac_length) for a in part.alerts])


def _read_alert(alert: AlertRecord, length: int) -> AlertRecord:
    if alert.description is not None or alert.length != length or alert.begins[:1] not in (b"\1", b"\2"):
        return alert
    return alert._replace(level=alert.begins[0], description=alert.begins[1])


def _version_shown(client: SideRecords) -> int | None:
    """TLS 1.3, where the ServerHello is missing and the client shows it; else None.

    Before TLS 1.3 no client sends application data before a Finished of its own, which is a handshake record.
    """
    hello = next((m for m in client.messages if m.type == HandshakeType.CLIENT_HELLO), None)
    place_lost = any(not hole.inside for hole in client.lost)
    if hello is None or place_lost or not client.application or client.encrypted_handshake:
        return None
    return ProtocolVersion.TLS_1_3 if len({m.type for m in client.messages}) == 1 else None


def _prelude(client: SideRecords | None, server: SideRecords | None) -> Prelude | None:
    """What both sides said before TLS."""
    from analyzer.tls.prelude import read

    return read(None if client is None else client.plain, None if server is None else server.plain)


def _wants_tls(server: SideRecords | None) -> bool:
    """Whether a server told the client, in plain text, that it has to speak TLS."""
    return server is not None and server.plain is not None and expects_tls(server.plain.data) is not None


def _is_about_tls(prelude: Prelude, client: int, log: Sequence[Signal]) -> bool:
    """Whether a connection that carries no TLS was to do so.

    Of a server that does not offer it only a client speaks that leaves. One that has not said a word may be a check of
    the port; these reset, where a client that has read the greeting closes.
    """
    if not prelude.meant_for_tls:
        return False
    if prelude.offered:
        return True
    ends = [signal for signal in log if signal.flags & (FIN | RST)]
    if prelude.client_spoke:
        return bool(ends)
    return bool(ends) and ends[0].side == client and not ends[0].flags & RST


_HELLOS: Final = (HandshakeType.CLIENT_HELLO, HandshakeType.SERVER_HELLO, 6)
_CERTIFICATES: Final = (HandshakeType.CERTIFICATE, HandshakeType.COMPRESSED_CERTIFICATE)


def _decrypted(
    keys: KeyRing, client: int, records: tuple[SideRecords | None, SideRecords | None]
) -> tuple[Decrypted, tuple[SideRecords | None, SideRecords | None]]:
    """What the protected records hold, and the records with that in its place."""
    from analyzer.tls.decryption import Direction, decrypt

    parts = [part or SideRecords() for part in (records[client], records[1 - client])]
    asked, answered = (Direction(part.messages, part.sealed) for part in parts)
    found = decrypt(keys.log, asked, answered, keys.server_keys)
    first, second = (_with_opened(part, plain) for part, plain in zip(parts, (found.client, found.server), strict=True))
    return found, (first, second) if client == 0 else (second, first)


def _with_opened(part: SideRecords, plain: Plain) -> SideRecords:
    """The records of a side with what was opened, and without the records that turned out to be no data."""
    if not plain.types:
        return part
    types = plain.types
    no_data = {position for position, kind in types.items() if kind != ContentType.APPLICATION_DATA}
    hidden = [record for record in part.sealed if isinstance(record, Sealed) and record.position in no_data]
    data = [record.length for record in hidden if record.type == ContentType.APPLICATION_DATA]
    told = {alert.position for alert in plain.alerts}
    return replace(
        part,
        messages=sorted((*part.messages, *plain.messages), key=lambda message: message.position),
        alerts=sorted(
            (*(alert for alert in part.alerts if alert.position not in told), *plain.alerts),
            key=lambda alert: alert.position,
        ),
        application=[record for record in part.application if record.position not in no_data],
        application_last=[record for record in part.application_last if record.position not in no_data],
        application_count=part.application_count - len(data),
        application_bytes=part.application_bytes - sum(data),
        opened=types,
    )


@dataclass(slots=True)
class _Hellos:
    """The hellos: how other messages read depends on the version."""

    hellos: list[Hello] = field(default_factory=list)
    server_hello: ServerHello | None = None
    server_hello_packet: int | None = None
    hello_retry: ServerHello | None = None
    version: int | None = None
    malformed: list[Malformed] = field(default_factory=list)

    def take(self, part: SideRecords, side: Side) -> None:
        """Parse the hellos of one direction."""
        for message in part.messages:
            if message.type not in _HELLOS or message.opened:
                continue  # those of a renegotiation are protected
            try:
                if message.type == HandshakeType.CLIENT_HELLO:
                    self._client_hello(message)
                elif message.complete:
                    self._server_hello(message)
            except WireError as error:
                self.malformed.append(Malformed(side, message.packet, message.type, str(error)))
                if message.complete and not message.sslv2:
                    self._keep(messages.parse_malformed_hello(message.type, message.body), message)

    def _client_hello(self, message: RawMessage) -> None:
        if message.sslv2:
            hello = messages.parse_sslv2_client_hello(message.body)
        elif message.complete:
            hello = messages.parse_client_hello(message.body)
        else:
            hello = messages.parse_partial_client_hello(message.body, message.length)
        self._keep(hello, message)

    def _server_hello(self, message: RawMessage) -> None:
        if message.sslv2:
            self._keep(messages.parse_sslv2_server_hello(message.body), message)
        else:
            self._keep(messages.parse(message.type, message.body), message)

    def _keep(self, hello: Message | None, message: RawMessage) -> None:
        if isinstance(hello, ClientHello):
            self.hellos.append(Hello(hello, message.packet, message.first_packet, message.time_ns, message.length))
        elif not isinstance(hello, ServerHello):
            return
        elif hello.is_hello_retry_request:
            self.hello_retry = self.hello_retry or hello
        elif self.server_hello is None:
            self.server_hello = hello
            self.version = hello.version
            self.server_hello_packet = message.packet


@dataclass(slots=True)
class _Certificates:
    """The Certificate messages."""

    found: list[CertificateMessage] = field(default_factory=list)
    malformed: list[Malformed] = field(default_factory=list)
    ocsp_responses: list[bytes] = field(default_factory=list)

    def take(self, part: SideRecords, side: Side, version: int | None) -> None:
        """Parse the Certificate messages of one direction."""
        for message in part.messages:
            if message.type not in _CERTIFICATES and not (message.sslv2 and message.type == HandshakeType.SERVER_HELLO):
                continue
            try:
                parsed = _certificate_of(message, version)
            except WireError as error:
                self.malformed.append(Malformed(side, message.packet, message.type, str(error)))
                continue
            if not isinstance(parsed, Certificate):
                continue
            staple = next((entry.ocsp_response for entry in parsed.entries), None)
            self.found.append(
                CertificateMessage(
                    side,
                    parsed.chain,
                    message.packet,
                    message.first_packet,
                    message.time_ns,
                    message.length,
                    message.complete and parsed.complete,
                    staple,
                    message.opened,
                )
            )
            if staple is not None:
                self.ocsp_responses.append(staple)


@dataclass(slots=True)
class _Others:
    """The messages that are neither hellos nor certificates."""

    certificate_request: CertificateRequest | None = None
    certificate_request_packet: int | None = None
    server_key_exchange: ServerKeyExchange | None = None
    encrypted_extensions: EncryptedExtensions | None = None
    malformed: list[Malformed] = field(default_factory=list)
    ocsp_responses: list[bytes] = field(default_factory=list)

    def take(self, part: SideRecords, side: Side, version: int | None, suite: int | None) -> None:
        """Parse the messages of one direction."""
        for message in part.messages:
            if message.type in _HELLOS or message.type in _CERTIFICATES:
                continue
            try:
                self._message(message, version, suite)
            except WireError as error:
                self.malformed.append(Malformed(side, message.packet, message.type, str(error)))

    def _message(self, message: RawMessage, version: int | None, suite: int | None) -> None:
        if not message.complete:
            messages.parse_partial(message.type, message.body, message.length, version=version)
            return
        parsed = messages.parse(message.type, message.body, version=version, cipher_suite=suite)
        if isinstance(parsed, CertificateRequest) and self.certificate_request is None:
            self.certificate_request = parsed
            self.certificate_request_packet = message.packet
        elif isinstance(parsed, ServerKeyExchange):
            self.server_key_exchange = self.server_key_exchange or parsed
        elif isinstance(parsed, EncryptedExtensions):
            self.encrypted_extensions = self.encrypted_extensions or parsed
        elif isinstance(parsed, CertificateStatus):
            self.ocsp_responses += [response for response in parsed.responses if response]


class _Details:
    """What of a connection is worked out only when it is asked for: most connections complete, and nobody asks."""

    def __init__(
        self,
        halves: dict[Side, Half],
        sides: tuple[Side, Side],
        log: Sequence[Signal],
        hellos: _Hellos,
        certificates: _Certificates,
        prelude: Prelude | None,
    ) -> None:
        self._halves = halves
        self._sides = sides
        self._log = log
        self._hellos = hellos
        self._certificates = certificates
        self._prelude = prelude
        self.version = hellos.version

    @cached_property
    def plain_texts(self) -> dict[Side, PlainText]:
        """What is not TLS; of a prelude that was read only the server's answer to a ClientHello."""
        said = {side: half.seen.plain for side, half in self._halves.items()}
        if self._prelude is not None:
            server, hellos = said[Side.SERVER], self._hellos.hellos
            answer = server.behind(hellos[0].packet) if server is not None and hellos else None
            said = {Side.SERVER: None if self._halves[Side.SERVER].is_tls else answer}
        return {side: plain for side, plain in said.items() if plain is not None}

    @cached_property
    def chains(self) -> dict[Side, CertificateMessage]:
        """Of each side the first Certificate message that holds certificates; else its first one."""
        chains: dict[Side, CertificateMessage] = {}
        for message in self._certificates.found:
            known = chains.get(message.side)
            if known is None or (message.chain and not known.chain):
                chains[message.side] = message
        return chains

    @cached_property
    def others(self) -> _Others:
        """What the messages say that are neither hellos nor certificates, and all that is malformed."""
        answer = self._hellos.server_hello
        suite = None if answer is None else answer.cipher_suite
        found = _Others(malformed=[*self._hellos.malformed, *self._certificates.malformed])
        for side, half in self._halves.items():
            found.take(half.seen, side, self.version, suite)
        return found

    @cached_property
    def ocsp_responses(self) -> tuple[bytes, ...]:
        """The stapled responses; of a TLS 1.3 handshake they are in the Certificate message."""
        if any(
            m.type == HandshakeType.CERTIFICATE_STATUS for half in self._halves.values() for m in half.seen.messages
        ):
            return (*self._certificates.ocsp_responses, *self.others.ocsp_responses)
        return tuple(self._certificates.ocsp_responses)

    @cached_property
    def resets(self) -> tuple[Reset, ...]:
        """The first RSTs."""
        resets = [signal for signal in self._log if signal.flags & RST][:_MAX_SIGNALS]
        return tuple(Reset(self._sides[s.side], s.packet, s.ttl, s.ip_id, s.seq) for s in resets)

    @cached_property
    def alerts(self) -> tuple[SeenAlert, ...]:
        """The alerts of both directions, in order."""
        found = [
            SeenAlert(side, alert.packet, alert.time_ns, alert.level, alert.description, alert.length, alert.opened)
            for side, half in self._halves.items()
            for alert in half.seen.alerts
        ]
        return tuple(sorted(found, key=lambda alert: alert.packet))

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """All that happened, in order."""
        thirteen = is_tls13(self.version)
        events = _signal_events(self._log, self._sides)
        early: dict[Event, int] = {}
        for side, half in self._halves.items():
            recorded = _record_events(half.seen, side, thirteen=thirteen)
            early |= _sent_earlier(half, side, recorded, events)
            events += recorded
        for half, side in sorted(((h, s) for s, h in self._halves.items()), key=lambda pair: pair[0].number):
            events += _stream_events(half, side)
        events += [
            Event(EventKind.PLAIN_TEXT, plain.packet, plain.time_ns, side) for side, plain in self.plain_texts.items()
        ]
        if self._prelude is not None:
            events += [
                Event(EventKind.PRELUDE, step.packet, step.time_ns, step.side, number)
                for number, step in enumerate(self._prelude.steps)
            ]
        # A segment's FIN takes effect after its payload.
        events.sort(key=lambda event: (early.get(event, event.packet), _rank(event, early)))
        return tuple(events)


def _rank(event: Event, early: Mapping[Event, int]) -> int:
    """The order of what one packet shows."""
    if event.kind not in (EventKind.FIN, EventKind.RST):
        return 0
    return 1 if event in early else 2


def _sent_earlier(half: Half, side: Side, recorded: Sequence[Event], signals: Sequence[Event]) -> dict[Event, int]:
    """Where a recorder wrote alerts and a FIN of a side too late: events, and the packet before which they were sent.

    A side's own FIN is behind all that it sent, and what its peer acknowledges with a FIN or RST was there before it.
    """
    bounds = half.bounds
    if not bounds or half.last_packet < min(packet for packet, _ in bounds):
        return {}
    places = [(alert.packet, alert.position) for alert in half.seen.alerts]
    places += [(record.packet, record.position) for record in half.application]
    found: dict[Event, int] = {}
    for packet, position in places:
        before = min((at for at, reached in bounds if reached > position and at < packet), default=None)
        if before is not None:
            late = [e for e in recorded if e.packet == packet and e.kind in _MAY_END]
            found |= dict.fromkeys(late, before)
    fin = next((e for e in signals if e.kind is EventKind.FIN and e.side is side), None)
    if fin is not None and half.fin_position is not None:
        acknowledged = [at for at, reached in bounds if reached > half.fin_position and at < fin.packet]
        found |= dict.fromkeys([fin] if acknowledged else [], min(acknowledged, default=0))
    return found


def _record_events(part: SideRecords, side: Side, *, thirteen: bool) -> list[Event]:
    events = [
        Event(
            EventKind.MESSAGE,
            message.packet,
            message.time_ns,
            side,
            message.type,
            complete=message.complete,
            opened=message.opened,
        )
        for message in part.messages
    ]
    for alert in part.alerts:
        if alert.description is None:
            kind = EventKind.CUT_ALERT if alert.length == 2 else EventKind.ENCRYPTED_ALERT
            event = Event(kind, alert.packet, alert.time_ns, side, alert.length)
        else:
            event = Event(EventKind.ALERT, alert.packet, alert.time_ns, side, alert.description, alert.level or 0)
        events.append(event)
    events += [Event(EventKind.CHANGE_CIPHER_SPEC, r.packet, r.time_ns, side) for r in part.change_cipher_spec]
    opened = part.opened or {}
    events += [
        Event(EventKind.ENCRYPTED_HANDSHAKE, r.packet, r.time_ns, side, r.length)
        for r in part.encrypted_handshake
        if r.position not in opened
    ]
    # Before TLS 1.3 nothing is hidden in application data: that it flows is all there is to know.
    records = (*part.application, *part.application_last) if thirteen else part.application[:_SHOWN_DATA]
    events += [
        Event(EventKind.APPLICATION_DATA, r.packet, r.time_ns, side, r.length, opened=r.position in opened)
        for r in records
    ]
    if opened:
        # What was opened stands behind the ChangeCipherSpec of its packet.
        events.sort(key=lambda event: (event.packet, event.kind is not EventKind.CHANGE_CIPHER_SPEC))
    return events


def _certificate_of(message: RawMessage, version: int | None) -> object:
    if message.sslv2:
        der = messages.parse_sslv2_certificate(message.body) if message.complete else b""
        return Certificate(entries=(CertificateEntry(der=der),)) if der else None
    if not message.complete:
        return messages.parse_partial(message.type, message.body, message.length, version=version)
    if message.type == HandshakeType.COMPRESSED_CERTIFICATE:
        compressed = messages.parse(message.type, message.body, version=version)
        return compressed.decompress() if isinstance(compressed, CompressedCertificate) else None
    if len(message.body) <= _MAX_REMEMBERED:
        return _certificate(message.body, version)
    return messages.parse(message.type, message.body, version=version)


@lru_cache(maxsize=256)
def _certificate(body: bytes, version: int | None) -> object:
    """The parsed message: a server sends the same one each time, and its certificates are kept but once."""
    return messages.parse(HandshakeType.CERTIFICATE, body, version=version)


def _client_side(row: FlowRow, log: Sequence[Signal], records: tuple[SideRecords | None, SideRecords | None]) -> int:
    """Which side number is the client: by a ClientHello, else by another message, the SYN, and at last the port."""
    for wanted in ((HandshakeType.CLIENT_HELLO,), _CLIENT_MESSAGES):
        senders = [
            (message.packet, number)
            for number, part in enumerate(records)
            if part is not None
            for message in part.messages
            if message.type in wanted
        ]
        if senders:
            return min(senders)[1]
    first = next((signal for signal in log if signal.flags & SYN), None)
    if first is not None:
        return 1 - first.side if first.flags & ACK else first.side
    for number, part in enumerate(records):
        if part is not None and any(message.type in _SERVER_MESSAGES for message in part.messages):
            return 1 - number
    return 0 if row.port[0] > row.port[1] else 1


def _signal_events(log: Sequence[Signal], sides: tuple[Side, Side]) -> list[Event]:
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


def _stream_events(half: Half, side: Side) -> list[Event]:
    events = [
        Event(EventKind.RETRANSMISSION, again.packet, again.time_ns, side, again.length)
        for again in half.retransmissions
    ]
    part = half.seen
    events += [Event(EventKind.LOST, hole.packet, 0, side, hole.size) for hole in part.lost[:_MAX_SIGNALS]]
    if part.damaged is not None:
        events.append(Event(EventKind.DAMAGED, part.damaged.packet, part.damaged.time_ns, side, part.damaged.type))
    return events


def _unseen_end(row: FlowRow, number: int, log: Sequence[Signal], stream: Stream | None) -> tuple[Lost, ...]:
    """The bytes before a side's FIN, or before what its peer acknowledged, that are not in the capture."""
    if not row.base_known[number]:
        return ()
    first = row.base[number] + 1
    position = stream.position if stream is not None else 0
    fin = next((s for s in log if s.side == number and s.flags & FIN and not s.flags & RST), None)
    ends = [] if fin is None else [fin.seq + fin.length - first]
    if row.last_ack[1 - number] >= 0:
        ends.append(row.last_ack[1 - number] - first - (fin is not None))
    ahead = [(end - position + _HALF) % _MODULUS - _HALF for end in ends]
    missing = max(ahead, default=0)
    return (Lost(position, missing, row.side_last_packet[number]),) if 0 < missing < _WINDOW else ()
