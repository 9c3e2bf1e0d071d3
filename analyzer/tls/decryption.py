"""What a connection's protected records hold, by the secrets of a key log or the server's private key.

Takes the handshake messages in clear and the protected records of both directions, gives the handshake messages and
alerts in them, with the true content type of every record that was opened. Application data is neither kept nor looked
at. In TLS 1.2 and before, each ChangeCipherSpec of a direction takes the keys of the next handshake into use, and a
renegotiation's hellos are themselves protected: a direction that needs hellos which the other has not read yet waits
for it, so that the order in which packets were captured does not matter.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import field
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from analyzer.dataclass import dataclass
from analyzer.errors import WireError
from analyzer.registry import ContentType, ExtensionType, HandshakeType, ProtocolVersion
from analyzer.tls import messages
from analyzer.tls.keylog import KeyLog
from analyzer.tls.keys import key_block, master_secret, session_hash
from analyzer.tls.messages import ClientHello, ServerHello, is_tls13
from analyzer.tls.protection import Opened, Protection, protection, protections13
from analyzer.tls.records import AlertRecord, Lost, RawMessage, Sealed
from analyzer.tls.suites import Suite, suite_of

if TYPE_CHECKING:
    from analyzer.tls.rsa import ServerKey

__all__ = ["Decrypted", "Direction", "Plain", "Result", "Sealed", "decrypt"]


class Direction(NamedTuple):
    """What one side sent: its handshake messages in clear, and its protected records with the holes among them."""

    messages: Sequence[RawMessage]
    records: Sequence[Sealed | Lost]


class Result(Enum):
    """How decrypting ended."""

    OPENED = "opened"
    """Some records, of one direction at least."""
    NOTHING_SEALED = "nothing sealed"
    """There are no protected records, or no ServerHello that tells how to read them."""
    NO_KEYS = "no keys"
    """There are, and neither the key log nor a private key has what opens them."""
    UNKNOWN_SUITE = "unknown suite"
    """The cipher suite cannot be undone here."""
    DOES_NOT_FIT = "does not fit"
    """There is a secret, and not one record opens with it."""

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """What was in the protected records of one direction, in their order."""

    messages: tuple[RawMessage, ...]
    """`position` is that of the body of the record in which the message begins."""
    alerts: tuple[AlertRecord, ...]
    """`position` is that of the record's header, `length` that of its content (2)."""
    types: dict[int, int]
    """True content type of every record that was opened, by the position of its header."""
    failed: tuple[Sealed, ...]
    """The first few records whose body is there and that did not open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decrypted:
    """What was in the protected records of a connection."""

    result: Result
    client: Plain
    server: Plain


def decrypt(log: KeyLog, client: Direction, server: Direction, server_keys: Sequence[ServerKey] = ()) -> Decrypted:
    """Open the records of a connection. Never raises for what is in them."""
    conversation = _Conversation(log, tuple(server_keys))
    sides = (_Side(_CLIENT, conversation, client.records), _Side(_SERVER, conversation, server.records))
    for number, direction in enumerate((client, server)):
        for message in direction.messages:
            conversation.see(number, message)
    conversation.begin(sides)
    while any(side.read() for side in sides):
        pass
    plain = [side.finish() for side in sides]
    return Decrypted(result=_result(conversation, plain), client=plain[0], server=plain[1])


def _result(conversation: _Conversation, plain: Sequence[Plain]) -> Result:
    if any(part.types for part in plain):
        return Result.OPENED
    if conversation.obstacle is not None:
        return conversation.obstacle
    return Result.DOES_NOT_FIT if any(part.failed for part in plain) else Result.NOTHING_SEALED


_CLIENT: Final = 0
_SERVER: Final = 1
_MAX_MESSAGE: Final = 2 << 20
_MAX_MESSAGES: Final = 512
_MAX_ALERTS: Final = 64
_MAX_FAILED: Final = 16
_MAX_HANDSHAKES: Final = 16
"""Renegotiations followed: each derives keys anew."""
_MAX_CONTENT: Final = 1 << 14
_DEFLATE: Final = 1
_HEADER: Final = 4


class _Hello(NamedTuple):
    """A hello, and which of its side's messages it is."""

    message: ClientHello | ServerHello
    place: int
    packet: int


@dataclass(frozen=True, slots=True)
class _Keys:
    """What a ChangeCipherSpec takes into use."""

    protections: tuple[Protection | None, Protection | None]
    compressed: bool


class _Conversation:
    """What both directions know of the handshakes so far, and the keys that follow from it."""

    def __init__(self, log: KeyLog, server_keys: tuple[ServerKey, ...]) -> None:
        self.obstacle: Result | None = None
        self.thirteen = False
        self._log = log
        self._server_keys = server_keys
        self._messages: tuple[list[RawMessage], list[RawMessage]] = ([], [])
        self._hellos: tuple[list[_Hello], list[_Hello]] = ([], [])
        self._keys: list[_Keys] = []

    def see(self, side: int, message: RawMessage) -> None:
        """Take a handshake message that a side sent, in clear or opened."""
        own = self._messages[side]
        if len(own) >= _MAX_MESSAGES:
            return
        own.append(message)
        if not message.complete or message.type != (HandshakeType.CLIENT_HELLO, HandshakeType.SERVER_HELLO)[side]:
            return
        try:
            parsed = (
                messages.parse_sslv2_client_hello(message.body)
                if message.sslv2
                else messages.parse(message.type, message.body)
            )
        except WireError:
            return
        if isinstance(parsed, ClientHello) or (isinstance(parsed, ServerHello) and not parsed.is_hello_retry_request):
            self._hellos[side].append(_Hello(parsed, len(own) - 1, message.packet))

    def begin(self, sides: tuple[_Side, _Side]) -> None:
        """Give both sides their keys, where TLS 1.3 was negotiated: they do not depend on what is read."""
        hellos = self._pair(0)
        if hellos is None or not is_tls13(hellos[1].version):
            return
        self.thirteen = True
        client_hello, server_hello = hellos
        suite = self._suite(server_hello)
        secrets = self._log.secrets(client_hello.random)
        if suite is not None and not suite.tag_length:
            self.obstacle = Result.UNKNOWN_SUITE
        if self.obstacle is not None or suite is None:
            return
        if secrets is None or not secrets.thirteen:
            self.obstacle = Result.NO_KEYS
            return
        for side, opener in zip(sides, protections13(server_hello.version, suite, secrets), strict=True):
            side.protection = opener

    def keys(self, number: int) -> _Keys | None:
        """The keys of the handshake `number` (from 0) of TLS 1.2 or before; None while they are not known."""
        if number < len(self._keys):
            return self._keys[number]
        pair = self._pair(number)
        if number > len(self._keys) or pair is None or number >= _MAX_HANDSHAKES:
            return None
        client_hello, server_hello = pair
        version, suite = server_hello.version, self._suite(server_hello)
        found: tuple[Protection | None, Protection | None] = (None, None)
        if suite is not None:
            master = self._master_secret(number, version, suite, client_hello, server_hello)
            parts = (
                (None, None)
                if master is None
                else key_block(version, suite, master, client_hello.random, server_hello.random)
            )
            after = server_hello.extension(ExtensionType.ENCRYPT_THEN_MAC) is not None
            first, second = (protection(version, suite, part, encrypt_then_mac=after) for part in parts)
            found = (first, second)
            if first is None:
                self.obstacle = Result.NO_KEYS
        self._keys.append(_Keys(found, compressed=server_hello.compression_method == _DEFLATE))
        return self._keys[-1]

    def _pair(self, number: int) -> tuple[ClientHello, ServerHello] | None:
        indices = self._indices(number)
        if indices is None:
            return None
        client, server = (self._hellos[side][index].message for side, index in enumerate(indices))
        assert isinstance(client, ClientHello)  # noqa: S101 - each list holds its side's hellos
        assert isinstance(server, ServerHello)  # noqa: S101
        return client, server

    def _indices(self, number: int) -> tuple[int, int] | None:
        """Which ClientHello the ServerHello `number` answers: a client may have asked in vain before."""
        asked, answered = self._hellos
        if number >= len(answered) or not asked:
            return None
        if len(asked) == len(answered):
            return number, number
        before = [index for index, hello in enumerate(asked) if hello.packet <= answered[number].packet]
        return (before[-1] if before else min(number, len(asked) - 1)), number

    def _suite(self, hello: ServerHello) -> Suite | None:
        suite = None if hello.cipher_suite is None else suite_of(hello.cipher_suite)
        if suite is None:
            self.obstacle = Result.UNKNOWN_SUITE
        return suite

    def _master_secret(
        self, number: int, version: int, suite: Suite, client_hello: ClientHello, server_hello: ServerHello
    ) -> bytes | None:
        secrets = self._log.secrets(client_hello.random)
        if secrets is not None and secrets.master is not None:
            return secrets.master
        transcript = list(self._transcript(number))
        exchange = transcript[-1] if transcript and transcript[-1].type == HandshakeType.CLIENT_KEY_EXCHANGE else None
        pre_master = None if secrets is None else secrets.pre_master
        if pre_master is None and exchange is not None and suite.rsa_key_exchange:
            pre_master = self._pre_master_secret(exchange, (client_hello.legacy_version, version))
        if pre_master is None:
            return None
        extended_by = None
        if server_hello.extension(ExtensionType.EXTENDED_MASTER_SECRET) is not None:
            if exchange is None or not all(message.complete for message in transcript):
                return None
            extended_by = session_hash(version, suite, (_with_header(message) for message in transcript))
        return master_secret(
            version, suite, pre_master, client_hello.random, server_hello.random, extended_by=extended_by
        )

    def _pre_master_secret(self, exchange: RawMessage, versions: tuple[int, int]) -> bytes | None:
        """What an EncryptedPreMasterSecret hides; before TLS 1.0 it has no length of its own."""
        encrypted = exchange.body if versions[1] == ProtocolVersion.SSL_3_0 else exchange.body[2:]
        logged = self._log.pre_master_secret(encrypted)
        if logged is not None:
            return logged
        tried = (key.pre_master_secret(encrypted, versions) for key in self._server_keys)
        return next((secret for secret in tried if secret is not None), None)

    def _transcript(self, number: int) -> Iterator[RawMessage]:
        """The messages of a full handshake up to the ClientKeyExchange, in the order of RFC 5246 section 7.3."""
        indices = self._indices(number)
        if indices is None:
            return
        client, server = (self._hellos[side][index].place for side, index in enumerate(indices))
        yield self._messages[_CLIENT][client]
        for message in self._messages[_SERVER][server:]:
            yield message
            if message.type == HandshakeType.SERVER_HELLO_DONE:
                break
        for message in self._messages[_CLIENT][client + 1 :]:
            yield message
            if message.type == HandshakeType.CLIENT_KEY_EXCHANGE:
                break


class _Side:
    """Reads the records of one direction."""

    def __init__(self, number: int, conversation: _Conversation, records: Sequence[Sealed | Lost]) -> None:
        self.protection: Protection | None = None
        self._number = number
        self._conversation = conversation
        self._records = records
        self._at = 0
        self._changes = 0  # ChangeCipherSpecs that took keys into use
        self._changing = False  # a ChangeCipherSpec was read, and its keys are not known yet
        self._inflate: _Inflate | None = None
        self._join = _Join()
        self._alert = b""
        self._messages: list[RawMessage] = []
        self._alerts: list[AlertRecord] = []
        self._types: dict[int, int] = {}
        self._failed: list[Sealed] = []

    def read(self) -> bool:
        """Read as far as the keys are known; whether that was any further than before."""
        before = self._at, self._changes
        while self._at < len(self._records):
            if self._changing and not self._change():
                break
            record = self._records[self._at]
            self._at += 1
            if isinstance(record, Lost):
                self._cut()
                if self.protection is not None:
                    self.protection.lose(record.size)
            elif record.type == ContentType.CHANGE_CIPHER_SPEC and record.length == 1:
                self._changing = not self._conversation.thirteen
            elif self.protection is not None and record.length > len(record.body):
                self._cut()
                self.protection.skip(record.records, record.length, record.body)
            elif record.length == len(record.body):
                self._open(record)
        return (self._at, self._changes) != before

    def finish(self) -> Plain:
        """No more can be read."""
        self._cut()
        return Plain(
            messages=tuple(self._messages),
            alerts=tuple(self._alerts),
            types=self._types,
            failed=tuple(self._failed),
        )

    def _change(self) -> bool:
        """Take the keys of the next handshake into use; False while they are not known."""
        keys = self._conversation.keys(self._changes)
        if keys is None:
            return False
        self._changing = False
        self._changes += 1
        self._cut()
        self.protection = keys.protections[self._number]
        self._inflate = _Inflate() if keys.compressed else None
        return True

    def _open(self, record: Sealed) -> None:
        opener = self.protection
        changes = 0 if opener is None else opener.changes
        opened = None if opener is None else opener.open(record.type, record.version, record.body)
        if opened is not None and self._inflate is not None:
            content = self._inflate.take(opened.content)
            opened = None if content is None else Opened(opened.type, content)
        if opened is None or opener is None:
            self._cut()
            if len(self._failed) < _MAX_FAILED:
                self._failed.append(record)
            return
        if opener.changes != changes:
            self._cut()
        self._types[record.position] = opened.type
        if opened.type == ContentType.HANDSHAKE:
            for message in self._join.add(record, opened.content):
                self._emit(message)
        elif opened.type == ContentType.ALERT:
            self._alert += opened.content
            while len(self._alert) >= 2:
                if len(self._alerts) < _MAX_ALERTS:
                    level, description = self._alert[:2]
                    self._alerts.append(
                        AlertRecord(record.packet, record.time_ns, record.position, 2, level, description, opened=True)
                    )
                self._alert = self._alert[2:]
        elif opened.type == ContentType.CHANGE_CIPHER_SPEC:
            self._changing = not self._conversation.thirteen

    def _emit(self, message: RawMessage) -> None:
        if len(self._messages) < _MAX_MESSAGES:
            self._messages.append(message)
            self._conversation.see(self._number, message)

    def _cut(self) -> None:
        """What is not complete by now stays so."""
        for message in self._join.cut():
            self._emit(message)
        self._alert = b""
        if self._inflate is not None:
            self._inflate.lose()


@dataclass(slots=True)
class _Join:
    """Handshake bytes that do not make a message yet, and the record in which they begin."""

    _data: bytearray = field(default_factory=bytearray)
    _first: Sealed | None = None
    _latest: Sealed | None = None

    def add(self, record: Sealed, content: bytes) -> Iterator[RawMessage]:
        """Join the content of a record to that of those before, and take out the whole messages."""
        data = self._data
        data += content
        self._latest = record
        self._first = self._first or record
        while len(data) >= _HEADER:
            length = int.from_bytes(data[1:_HEADER], "big")
            if length > _MAX_MESSAGE:
                data.clear()
            if len(data) < _HEADER + length:
                break
            yield self._message(length, complete=True)
            del data[: _HEADER + length]
            self._first = record
        if not data:
            self._first = None

    def cut(self) -> Iterator[RawMessage]:
        """Give up what has not become a message: its beginning, if the header is there."""
        if len(self._data) >= _HEADER:
            yield self._message(int.from_bytes(self._data[1:_HEADER], "big"), complete=False)
        self._data.clear()
        self._first = None

    def _message(self, length: int, *, complete: bool) -> RawMessage:
        first, latest = self._first, self._latest
        assert first is not None  # noqa: S101 - both stand for bytes that are there
        assert latest is not None  # noqa: S101
        return RawMessage(
            self._data[0],
            bytes(self._data[_HEADER : _HEADER + length]),
            length,
            first.first_packet,
            latest.packet,
            latest.time_ns,
            first.position + _RECORD_HEADER,
            first.version,
            complete,
            opened=True,
        )


class _Inflate:
    """The compression of a direction (RFC 3749): it goes on from record to record, so none may be missing."""

    def __init__(self) -> None:
        self._state: zlib._Decompress | None = zlib.decompressobj()
        self._begun = False

    def take(self, content: bytes) -> bytes | None:
        """What a record's content was before it was compressed; None when it is none, or one before it is missing."""
        if self._state is None:
            return None
        self._begun = True
        try:
            out = self._state.decompress(content, _MAX_CONTENT)
        except zlib.error:
            self._state = None
            return None
        if self._state.unconsumed_tail:
            self._state = None
        return out

    def lose(self) -> None:
        """A record is missing."""
        self._state = None


_RECORD_HEADER: Final = 5


def _with_header(message: RawMessage) -> bytes:
    return bytes([message.type]) + message.length.to_bytes(3, "big") + message.body
