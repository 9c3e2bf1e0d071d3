"""The record reader of a connection that may be decrypted: it keeps protected records instead of stepping over them.

Application data is kept as long as it can be the handshake of TLS 1.3 (the first `_ROOM` bytes), or an alert, a key
update or the end of a dialogue (what is short, and the last few records). All else is counted: how many records and
bytes, with the end of the last one, which is what the next ones need to be opened.

Whether there are keys at all is known by the ClientHello. Until one side has it, both keep; when there are none, both
let go and read on as `RecordReader` does.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from copy import copy
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from analyzer.errors import WireError
from analyzer.net.reassembly import Cut, Run
from analyzer.registry import ContentType, HandshakeType, ProtocolVersion
from analyzer.tls import messages
from analyzer.tls.detect import MAX_RECORD, MINORS
from analyzer.tls.keylog import KeyLog
from analyzer.tls.messages import is_tls13
from analyzer.tls.records import Lost, RawMessage, RecordReader, RecordSeen, Sealed, SideRecords, is_hello
from analyzer.tls.suites import suite_of

if TYPE_CHECKING:
    from analyzer.tls.rsa import ServerKey

__all__ = ["KeyRing", "Lookup", "SealedReader", "let_go"]


class KeyRing(NamedTuple):
    """All that may open records."""

    log: KeyLog
    server_keys: Sequence[ServerKey] = ()


def let_go(reader: object, ring: KeyRing) -> bool:
    """Whether a reader kept nothing of a connection of the client for which there are keys."""
    if not isinstance(reader, RecordReader) or (isinstance(reader, SealedReader) and reader.keeps):
        return False
    places = {HandshakeType.CLIENT_HELLO: slice(2, 34), HandshakeType.CLIENT_KEY_EXCHANGE: slice(2, 10)}
    return any(m.body[places[m.type]] in ring.log for m in reader.seen.messages if m.type in places)


class Lookup:
    """Whether there are keys for a connection. Its two directions share one, and tell it what they read."""

    __slots__ = ("_named_only", "_random", "_readers", "_ring", "_unnamed", "found")

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self._unnamed = False  # the log has nothing for the client random
        # Without a secret for the client random only RSA key exchange can be opened.
        self._named_only = not (ring.server_keys or ring.log.by_pre_master_secret)
        self._readers: list[SealedReader] = []
        self._random = b""
        self.found: bool | None = None
        """None as long as it is not known."""

    def tell(self, reader: SealedReader) -> None:
        """Have a reader let go when there are no keys."""
        self._readers.append(reader)

    def deny(self) -> None:
        """There are none."""
        self.found = False
        for reader in self._readers:
            reader.let_go()
        self._readers.clear()

    def alone_with(self, reader: SealedReader) -> Lookup:
        """The same for a copy of a reader, which must not have the others let go."""
        twin = copy(self)
        twin.serve([reader] if self._readers else [])
        return twin

    def serve(self, readers: list[SealedReader]) -> None:
        """Have these let go when there are no keys, and no others."""
        self._readers = readers

    def take(self, message: RawMessage) -> None:
        """Look at a handshake message in clear."""
        if self.found is not None or not message.complete:
            return
        try:
            if message.type == HandshakeType.CLIENT_HELLO:
                self._client_hello(message)
            elif message.type == HandshakeType.SERVER_HELLO:
                hello = messages.parse_server_hello(message.body)
                suite = None if hello.cipher_suite is None else suite_of(hello.cipher_suite)
                self._named_only |= is_tls13(hello.version) or suite is None or not suite.rsa_key_exchange
        except WireError:
            self.deny()
            return
        if not self._ring.log.grows:
            self.decide()

    def decide(self) -> None:
        """There are keys now, or there will be none."""
        if self.found is None and self._unnamed and self._random in self._ring.log:
            self.found = True
            self._readers.clear()
        elif self.found is None and self._unnamed and self._named_only:
            self.deny()

    def _client_hello(self, message: RawMessage) -> None:
        body = message.body
        random = messages.parse_sslv2_client_hello(body).random if message.sslv2 else body[2:34]
        if random in self._ring.log:
            self.found = True
        else:
            self._unnamed, self._random = True, random


class SealedReader(RecordReader):
    """Reads the records of one direction, and keeps those that are protected in `SideRecords.sealed`."""

    __slots__ = ("_collecting", "_first", "_kept", "_looked", "_lookup", "_lost_from", "_room", "_spare", "_tail")

    def __init__(self, lookup: Lookup, *, midstream: bool = False) -> None:
        super().__init__(midstream=midstream)
        self._lookup: Lookup | None = lookup if lookup.found is not False else None
        """None when there are no keys, and nothing is kept."""
        self._looked = 0  # messages that were shown to it
        self._collecting = False  # the body that is read is one that is stepped over elsewhere
        self._first = 0  # the packet of its record's header
        self._room = _ROOM
        self._spare = _ROOM
        self._kept: list[Sealed | Lost] = []
        self._tail: deque[Sealed | Lost] = deque()
        self._lost_from: int | None = None
        if lookup.found is None:
            lookup.tell(self)

    def __copy__(self) -> Self:
        """A reader that has seen the same, and goes on by itself."""
        twin = super().__copy__()
        twin.stand_alone()
        return twin

    def stand_alone(self) -> None:
        """Ask for keys by itself from now on: this is a copy, and the others go on without it."""
        if self._lookup is not None:
            self._lookup = self._lookup.alone_with(self)

    @property
    def keeps(self) -> bool:
        """Whether protected records are kept, as far as is known."""
        return self._lookup is not None

    def let_go(self) -> None:
        """There are no keys: what was kept goes, and all that is protected is stepped over from now on."""
        self._lookup = None
        self._kept = []
        self._tail.clear()
        carried, self._carried = self._carried, None
        if carried is not None:
            self.wanted = self._carried_wanted
        self._pass_body()
        if carried is not None:
            self._resume_carried(carried)

    def _pass_body(self) -> None:
        if self._collecting and self._body_left:
            if self._is_last_alert(self._record[3]):
                if len(self._body) < _IN_CLEAR:
                    self._collecting = False
                    self._body_left = _IN_CLEAR - len(self._body)
                    return
                self._note_alert()
            self._skip_body()

    def _is_last_alert(self, body: int) -> bool:
        """Whether the record with a body at this place is the last alert that was kept."""
        alerts = self.seen.alerts
        return bool(alerts) and alerts[-1].position == body - 5 and alerts[-1].length > _IN_CLEAR

    def _gap(self, start: int, size: int, cut: Cut | None) -> None:
        # What there is of a protected record does not open, but it counts.
        if self._body_left and start + size > self.wanted and self._is_protected(self._record[0], self._body):
            kind, version, length, body = self._record
            self._seal(Sealed(kind, version, length, b"", self._first, self._latest, self._latest_time, body - 5))
            if self._collecting:
                self._skip_body()
        super()._gap(start, size, cut)

    def finish(self) -> SideRecords:
        """No more bytes: give what was seen."""
        if self._body_left and self._collecting:
            self._skip_body()
        seen = super().finish()
        if self._lookup is not None:
            seen.sealed = [*self._kept, *self._tail]
        return seen

    def _step(self, run: Run) -> bool:
        if self._lookup is None:
            return super()._step(run)
        return not self._room and self._stride(run)

    def _header(self, run: Run, position: int, end: int) -> bool:
        if self._lookup is not None and not self._head and run.start <= position < end:
            self._first = run.packet_at(position)
        return super()._header(run, position, end)

    def _stepped_over(self, run: Run, record: tuple[int, int, int, int], position: int) -> None:
        super()._stepped_over(run, record, position)
        if self._lookup is None:
            return
        kind, version, length, body = record
        if length > self._room and length > _SHORT and version > ProtocolVersion.TLS_1_0:
            packet, time_ns = run.seen_at(position)
            self._seal(Sealed(kind, version, length, b"", self._first, packet, time_ns, body - 5))
            return
        self._record = record
        self._body.clear()
        self._starts.clear()
        self._body_left = length
        self._collecting = True
        self.wanted = body
        if not length:
            self._reach(run, position)
            self._complete(run)

    def _complete(self, run: Run) -> None:
        if self._lookup is None:
            super()._complete(run)
            return
        kind, version, length, body = self._record
        data = bytes(self._body) if self._is_protected(kind, self._body) else None
        if self._collecting:
            self._collecting = False
            if self._is_last_alert(body):
                self._note_alert()
            self._body.clear()
        else:
            super()._complete(run)
            self._look()
        if data is not None:
            self._seal(Sealed(kind, version, length, data, self._first, self._latest, self._latest_time, body - 5))

    def _lose_place(self) -> None:
        if self._lost_from is None:
            self._lost_from = self.wanted
        super()._lose_place()

    def _search(self, run: Run, start: int) -> int | None:
        found = super()._search(run, start)
        if found is not None and self._lost_from is not None:
            if self._lookup is not None:
                lost = Lost(self._lost_from, max(found - self._lost_from, 0), self._latest)
                (self._kept if self._room else self._tail).append(lost)
            self._lost_from = None
        return found

    def _stride(self, run: Run) -> bool:
        """Step over the application data at hand that is not kept; whether there was any.

        Of bulk data nearly all records are such: this does for them what `_header` does, with as little as possible.
        """
        begun = position = self.wanted
        seen = self.seen
        if self._head or position < run.start or len(seen.application_last) < _LAST:
            return False
        rows, shift, end, last = run.rows, run.shift, run.end, run.last
        total, index, lengths, payloads, view = rows.total, run.first, rows.length, rows.payload, rows.view
        found: list[tuple[int, int, int]] = []
        version = 0
        while position + 5 <= end:
            at = position + shift
            index = bisect_right(total, at, index, last) - 1
            inside = at - total[index]
            if inside + 5 > lengths[index]:
                break
            kind, version, length = _HEADER.unpack_from(view, payloads[index] + inside)
            wanted = kind != ContentType.APPLICATION_DATA or not _SHORT < length <= MAX_RECORD
            if wanted or not ProtocolVersion.TLS_1_0 < version < _BEYOND:
                break
            found.append((index, length, position))
            position += 5 + length
        if not found:
            return False
        size = sum(length for _, length, _ in found)
        seen.application_count += len(found)
        seen.application_bytes += size
        for index, length, at in found[-_LAST:]:
            packet = max(self._latest, rows.packet[index])
            record = RecordSeen(ContentType.APPLICATION_DATA, length, packet, rows.time_ns[index], at)
            seen.application_last.append(record)
            del seen.application_last[0]
        self._settle(max(_LAST - len(found), 0))
        first, final = found[0][0], found[-1][0]
        sealed = Sealed(
            ContentType.APPLICATION_DATA,
            version,
            size,
            b"",
            rows.packet[first],
            rows.packet[final],
            rows.time_ns[final],
            begun,
            len(found),
        )
        if self._tail:
            self._tail.append(sealed)
        else:
            self._count(sealed)
        self.wanted = position
        return True

    def _is_protected(self, kind: int, body: bytes | bytearray) -> bool:
        if kind == ContentType.HANDSHAKE:
            return self._encrypted and not is_hello(body)
        return self._collecting or kind == ContentType.CHANGE_CIPHER_SPEC

    def _skip_body(self) -> None:
        """Step over the rest of the body that is collected."""
        _, _, length, body = self._record
        self._collecting = False
        self._body_left = 0
        self._body.clear()
        self.wanted = body + length

    def _look(self) -> None:
        """Show new messages to whom it concerns."""
        lookup = self._lookup
        if lookup is None:
            return
        for message in self.seen.messages[self._looked :]:
            lookup.take(message)
        self._looked = len(self.seen.messages)

    def _seal(self, record: Sealed) -> None:
        lookup = self._lookup
        if lookup is None:
            return
        if not self._looked and lookup.found is None:
            lookup.deny()  # protected records before a hello: how to open them will never be known
            return
        if record.length <= self._room and len(self._kept) < _MOST_KEPT:
            self._room -= record.length
            self._kept.append(record)
            return
        if self._room and lookup.found is None:
            lookup.decide()  # the handshake is over, and a key log that grows has what it will have
            if lookup.found is False:
                return
        self._room = 0
        self._tail.append(record)
        self._settle(_LAST)

    def _settle(self, left: int) -> None:
        """Take over all but the last few records: as they are, or as a part of what was stepped over."""
        while len(self._tail) > left:
            record = self._tail.popleft()
            crowded = len(self._kept) >= _MOST_KEPT
            if isinstance(record, Lost):
                if not crowded:
                    self._kept.append(record)
            elif crowded or not self._stays(record):
                self._count(record)
            else:
                self._kept.append(record)

    def _stays(self, record: Sealed) -> bool:
        """Whether a record may hold more than data."""
        if record.records > 1 or record.length > len(record.body):
            return False
        if record.type == ContentType.APPLICATION_DATA:
            return record.length <= _ALERT
        self._spare -= record.length
        return self._spare >= 0

    def _count(self, record: Sealed) -> None:
        """Add a record to those that were stepped over."""
        end = record.body[1:][-_CHAINED:] if record.version <= ProtocolVersion.TLS_1_0 else b""
        before = self._kept[-1] if self._kept else None
        if isinstance(before, Sealed) and before.length > len(before.body):
            self._kept[-1] = before._replace(
                length=before.length + record.length,
                body=end,
                packet=record.packet,
                time_ns=record.time_ns,
                records=before.records + record.records,
            )
        else:
            self._kept.append(record._replace(body=end))


_ROOM: Final = 1 << 17
"""Bytes of application data of one direction that are kept from its beginning: TLS 1.3 hides the handshake there. And
bytes of other protected records behind them."""
_IN_CLEAR: Final = 2
"""Bytes of an alert that nothing protects."""
_SHORT: Final = 2048
_LAST: Final = 4
"""So many records at the end are kept in any case, if they are `_SHORT`: an alert may stand before tickets, and a
client's certificate after the handshake before a FIN."""
_ALERT: Final = 64
"""An alert or a key update is no longer than this with any suite and its usual padding."""
_CHAINED: Final = 64
"""The end of a record from which the next goes on in TLS 1.0: a block, and a MAC behind it."""
_MOST_KEPT: Final = 4096
_HEADER: Final = Struct(">BHH")
_BEYOND: Final = 0x300 + MINORS
