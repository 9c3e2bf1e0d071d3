"""One direction of a TLS connection: ordered bytes to records, handshake messages and alerts.

Takes runs of bytes from reassembly (it is their `Consumer`), gives `SideRecords`. Only what can be read is copied:
handshake messages and alerts in clear. Of encrypted records the header is read and the body is stepped over, so bulk
data costs one look per record, not per segment.

Record layer: RFC 8446 section 5.1, RFC 5246 section 6.2.1; messages may be split over records and records hold several
messages. After a ChangeCipherSpec the side's records are taken for encrypted, but for a hello in clear (TLS 1.3 sends
the second ClientHello after its compatibility ChangeCipherSpec, appendix D.4) and an alert of two bytes (an encrypted
one is longer).

A message's packet is the frame that completed the record with its last byte, as Wireshark shows it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import field
from enum import Enum
from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, Self, TypeVar, runtime_checkable

from analyzer.dataclass import dataclass
from analyzer.net.flows import Flows
from analyzer.net.reassembly import Cut, Run
from analyzer.registry import ContentType, HandshakeType
from analyzer.tls.detect import (
    HELLO_SIGNATURE,
    MAX_RECORD,
    MINORS,
    begins_session,
    hello_inside,
    may_begin_record,
    record_header,
    sslv2_answer_length,
    sslv2_hello_length,
)

if TYPE_CHECKING:
    from analyzer.tls.carriers import Carried

__all__ = [
    "MAX_LAST_KEPT",
    "MAX_RECORDS_KEPT",
    "MAX_SHARED",
    "AlertRecord",
    "Lost",
    "PlainText",
    "RawMessage",
    "RecordReader",
    "RecordSeen",
    "Recorder",
    "Sealed",
    "SideRecords",
    "is_hello",
    "shared",
]

_SSLV2: Final = -1
"""In place of a content type: a hello in the SSLv2 format."""
_SSLV2_SERVER_HELLO: Final = 4
_SSLV2_ANSWER: Final = 7
"""Bytes by which it is known."""
_MAX_MESSAGE: Final = 2 << 20
"""Longest handshake message joined, in bytes. Wireshark gives up at 256 KiB; real chains of that size exist."""
MAX_RECORDS_KEPT: Final = 16
"""First records of a kind that are kept of a direction."""
MAX_LAST_KEPT: Final = 4
"""Last records of application data that are kept beside the first."""
_MANY: Final = 8
"""Records of application data from which on it pays to look for all that are of one length at once."""
_MAX_MESSAGES: Final = 512
MAX_SHARED: Final = 1 << 15
"""Bytes of a Certificate message that may be remembered for the next connection."""
_MAX_ALERTS: Final = 64
_MAX_LOST: Final = 64
_HEADER: Final = 5
_ALERT_IN_CLEAR: Final = 7
"""Bytes of a record that holds an alert, header and all. No other record that comes by itself is as short."""
_LONGEST_ALERT: Final = 128
"""Bytes of a segment that may hold an alert alone, encrypted and padded, or two in a row."""
_APPLICATION_DATA: Final = ContentType.APPLICATION_DATA
_MAX_PLAIN: Final = 512
"""Bytes kept of a direction that is not TLS."""
_MAX_PRELUDE: Final = 1 << 14
"""The same where they may be a dialogue that leads to TLS: an error page of a proxy may be among it."""
_NEVER: Final = Flows.NEVER
_RECORD_HEADER: Final = Struct(">BBBH")
_KEPT: Final = (ContentType.HANDSHAKE, ContentType.CHANGE_CIPHER_SPEC)


class RawMessage(NamedTuple):
    """A handshake message, not yet parsed. `body` follows the 4-byte header.

    `length` is what the header claims; `complete` is false when the capture holds less. `sslv2` marks a hello in the
    SSLv2 format: its body, from the message type on, then follows the 2-byte record header. `record_version` is the
    record's. `opened`: it was decrypted; `position` is then that of the body of the record in which it begins.
    """

    type: int
    body: bytes
    length: int
    first_packet: int
    packet: int
    time_ns: int
    position: int
    record_version: int
    complete: bool = True
    sslv2: bool = False
    opened: bool = False


class AlertRecord(NamedTuple):
    """An alert; level and description are None for one that is encrypted, `length` is its record's.

    They are None as well for one in clear, of 2 bytes, that the snap length cuts. `opened` marks one that was encrypted
    and has been decrypted. `begins` are the first two bytes of one that is protected: with a suite that encrypts
    nothing these are its level and description.
    """

    packet: int
    time_ns: int
    position: int
    length: int
    level: int | None
    description: int | None
    opened: bool = False
    begins: bytes = b""


class RecordSeen(NamedTuple):
    """A record of which only the header was read, or a ChangeCipherSpec."""

    type: int
    length: int
    packet: int
    time_ns: int
    position: int


@dataclass(frozen=True, slots=True)
class PlainText:
    """The first bytes of a direction that are not TLS, and the packet they came in.

    `pieces` are offset, packet and time of what each segment brought; `whole` is false when more was said before TLS,
    or before the end, than was kept.
    """

    data: bytes
    packet: int
    time_ns: int
    pieces: tuple[tuple[int, int, int], ...] = ()
    whole: bool = True

    def behind(self, packet: int) -> PlainText | None:
        """What came in later packets than `packet`; None when nothing did."""
        for number, (offset, later, time_ns) in enumerate(self.pieces):
            if later > packet:
                return PlainText(self.data[offset:], later, time_ns, self.pieces[number:], self.whole)
        return None


@dataclass(frozen=True, slots=True)
class Lost:
    """Bytes that are not in the capture though they were needed. `packet` is the last one before the hole.

    `cut`: the snap length cut them off the frame `packet`; else no frame of the capture brought them. `short`: what is
    left of that frame does not show what it began with, and it is no longer than one with an alert may be. `inside`:
    they are all of a record whose header is there.
    """

    position: int
    size: int
    packet: int
    cut: bool = False
    inside: bool = False
    short: bool = False


class Sealed(NamedTuple):
    """A record of type `type` that is protected, or a ChangeCipherSpec; or `records` records that were stepped over.

    `length` is that of the body on the wire, of several records the sum. `body` is the whole body, or of one that was
    stepped over its end, as much as was kept: 16 bytes suffice. `first_packet` and `packet` hold the first and last
    byte, `position` is that of the header in the stream.
    """

    type: int
    version: int
    length: int
    body: bytes
    first_packet: int
    packet: int
    time_ns: int
    position: int
    records: int = 1


@dataclass(slots=True)
class SideRecords:
    """All that one direction sent, in order of arrival."""

    messages: list[RawMessage] = field(default_factory=list)
    alerts: list[AlertRecord] = field(default_factory=list)
    change_cipher_spec: list[RecordSeen] = field(default_factory=list)
    encrypted_handshake: list[RecordSeen] = field(default_factory=list)
    application: list[RecordSeen] = field(default_factory=list)
    """The first few application data records; in TLS 1.3 these hide handshake messages and alerts too."""
    application_last: list[RecordSeen] = field(default_factory=list)
    application_count: int = 0
    application_bytes: int = 0
    plain: PlainText | None = None
    lost: list[Lost] = field(default_factory=list)
    damaged: RecordSeen | None = None
    """Where the bytes stopped being records; type and length are what stood there."""
    begins: int | None = None
    """Position of the first record; None when this direction carries no TLS."""
    unfinished: tuple[int, int, int] | None = None
    """Content type, body length and bytes present of a record that the stream ends in."""
    sealed: Sequence[Sealed | Lost] = ()
    """The protected records, as far as they were kept to be decrypted."""
    opened: Mapping[int, int] | None = None
    """True content type of every record that was decrypted, by the position of its header; None when none was."""

    @property
    def is_tls(self) -> bool:
        """Whether a record was found."""
        return self.begins is not None


class _Mode(Enum):
    RECORDS = 1
    PLAIN = 2  # not TLS so far: look for a beginning at each segment
    LOST = 3  # the place of the next record header is unknown, after a hole


@runtime_checkable
class Recorder(Protocol):
    """A consumer of one direction's bytes that tells which records they are."""

    def finish(self) -> SideRecords:
        """What was seen."""


class RecordReader:
    """Reads the records of one direction. `midstream`: the capture begins inside the connection."""

    __slots__ = (
        "_body",
        "_body_left",
        "_carried",
        "_carried_wanted",
        "_early",
        "_encrypted",
        "_head",
        "_join",
        "_join_first",
        "_latest",
        "_latest_time",
        "_midstream",
        "_mode",
        "_plain",
        "_record",
        "_starts",
        "seen",
        "wanted",
    )

    def __init__(self, *, midstream: bool = False) -> None:
        self.seen = SideRecords()
        self.wanted = 0
        self._midstream = midstream
        self._mode = _Mode.RECORDS
        self._encrypted = False
        self._head = b""  # the first bytes of a record header that is split over runs
        self._record: tuple[int, int, int, int] = (0, 0, 0, 0)  # type, version, length, position of the body
        self._body = bytearray()
        self._body_left = 0
        self._starts: list[tuple[int, int]] = []  # (position, packet) at which parts of the body begin
        self._join = bytearray()  # handshake bytes that do not make a message yet
        self._join_first: tuple[int, int] = (0, 0)  # packet and position of their first byte
        self._latest = 0
        self._latest_time = 0
        self._plain: _Plain | None = None
        self._early: Sequence[tuple[int, int, int, int]] = ()  # segments of a `_head` that begins the stream
        self._carried: Carried | None = None  # the packets of another protocol that carry the records
        self._carried_wanted = -1  # what is wanted of what they carry; -1: there never were any

    def __copy__(self) -> Self:
        """A reader that has seen the same, and goes on by itself."""
        twin = _twin(self)
        twin._carried = copy(self._carried)  # noqa: SLF001 - of its own class
        return twin

    def resume(self, wanted: int, *, sealed: bool, latest: tuple[int, int]) -> None:
        """Go on at a record's header, at `wanted`, in a direction of which `seen` holds what came before.

        `sealed`: behind a ChangeCipherSpec. `latest`: packet and time of the last record that was kept.
        """
        self.wanted = wanted
        self._encrypted = sealed
        self._latest, self._latest_time = latest

    def feed(self, run: Run) -> None:
        """Take the next run of bytes."""
        if self._carried is not None:
            self._feed_carried(run)
            return
        at: int | None = run.start
        while at is not None:
            at = self._records(run) if self._mode is _Mode.RECORDS else self._search(run, at)

    def _feed_carried(self, run: Run) -> None:
        """Take what another protocol's packets carry: `wanted` counts the bytes of TLS alone meanwhile."""
        from analyzer.tls.carriers import What

        carried, self._carried = self._carried, None
        if carried is None:
            return
        self.wanted = self._carried_wanted
        for what, part in carried.pieces(run):
            if what is What.TALK:
                self._keep_plain(part, part.end)
            elif self.wanted < part.end:
                self.feed(part)
            if self.wanted != _NEVER:
                carried.skip(self.wanted)
        self._resume_carried(carried)

    def _is_carried(self, run: Run) -> bool:
        """Whether another protocol's packets begin here; then they are taken."""
        from analyzer.tls.carriers import NEEDED, Carried, recognise

        carrier = recognise(run.read(0, min(run.end, NEEDED)))
        if carrier is None:
            return False
        self._carried_wanted = 0
        self._latest = self._latest_time = 0
        self._carried = Carried(carrier)
        self._feed_carried(run)
        return True

    def _resume_carried(self, carried: Carried) -> None:
        self._carried, self._carried_wanted = carried, self.wanted
        self.wanted = _NEVER if carried.ended or self.wanted == _NEVER else carried.at

    def gap(self, start: int, size: int, cut: Cut | None = None) -> None:
        """Bytes are missing. Inside a body that is stepped over they do not matter."""
        if self._carried is None:
            self._gap(start, size, cut)
            return
        carried, self._carried = self._carried, None
        self.wanted = self._carried_wanted
        missing = carried.gap(start, size)
        if missing is not None:
            self._gap(*missing, cut)
        self._resume_carried(carried)

    def _gap(self, start: int, size: int, cut: Cut | None) -> None:
        self._pass_alert()
        if cut is not None and cut.length == _ALERT_IN_CLEAR and self._alert_cut(start, size, cut):
            return
        if self._mode is _Mode.PLAIN:
            if self._plain is not None:
                self._plain.cut()
            self._midstream = True  # the hello may be in the hole: any record shows that TLS has begun
        if start + size <= self.wanted:
            if self._mode is _Mode.LOST:
                self._lose(start, size, cut)
            return
        inside = bool(self._body_left) and start + size <= self.wanted + self._body_left
        self._lose(start, size, cut, inside=inside)
        if self._mode is not _Mode.RECORDS:
            return
        if self._body_left:
            kind, version, length, body = self._record
            self._handshake_cut(kind, version)
            self._body_left = 0
            self.wanted = body + length
            if inside:
                return
        self._lose_place()

    def _note_alert(self) -> None:
        """The first bytes are there of the last alert, which is protected."""
        self.seen.alerts[-1] = self.seen.alerts[-1]._replace(begins=bytes(self._body[:2]))

    def _pass_alert(self) -> None:
        """Wait no longer for the first bytes of an alert that is protected."""
        kind, _, length, body = self._record
        if self._body_left and kind == ContentType.ALERT and length > 2:
            self._body_left = 0
            self.wanted = body + length

    def _lose(self, start: int, size: int, cut: Cut | None, *, inside: bool = False) -> None:
        if len(self.seen.lost) < _MAX_LOST:
            packet = self._latest if cut is None else cut.packet
            short = cut is not None and cut.captured < _HEADER and cut.length <= _LONGEST_ALERT
            self.seen.lost.append(Lost(start, size, packet, cut is not None, inside, short))

    def _alert_cut(self, start: int, size: int, cut: Cut) -> bool:
        """Take a segment that was cut and is as long as an alert in clear for one, if its place and its bytes allow."""
        begin = start + size - _ALERT_IN_CLEAR
        known = self.seen.begins is not None or self._head[:1] == b"\x15"
        if self._mode is _Mode.PLAIN or self._encrypted or not known:
            return False
        if self._mode is _Mode.RECORDS:
            if self._body_left:
                kind, _, length, body = self._record
                fits = kind == ContentType.ALERT and length == 2 and body - 5 == begin
            else:
                fits = start == self.wanted and self._head[:1] in (b"", b"\x15") and len(self._head) == cut.captured
            if not fits:
                return False
            self._body_left = 0
            self._head = b""
            self.wanted = start + size
        elif cut.captured >= _HEADER:
            return False
        if self.seen.begins is None:
            self.seen.begins = begin
        self._lose(start, size, cut, inside=True)
        if len(self.seen.alerts) < _MAX_ALERTS:
            self.seen.alerts.append(AlertRecord(cut.packet, cut.time_ns, begin, 2, None, None))
        return True

    def finish(self) -> SideRecords:
        """No more bytes: give what was seen. What is incomplete is marked so."""
        self._pass_alert()
        if self._body_left:
            kind, version, length, _ = self._record
            shown = ContentType.HANDSHAKE if kind == _SSLV2 else kind
            self.seen.unfinished = (shown, length, length - self._body_left)
            self._handshake_cut(kind, version)
            self._body_left = 0
        elif self._join:
            self._handshake_cut(ContentType.HANDSHAKE, self._record[1])
        if self._head and self.seen.begins is None and not may_begin_record(self._head):
            self._plain = _Plain()
            self._add_head(self._plain)
        if self._plain is not None:
            self.seen.plain = self._plain.text()
        return self.seen

    def _records(self, run: Run) -> int | None:
        """Read records until the run ends (None), or until the place of the next is lost (where to search)."""
        end = run.end
        while (position := self.wanted) < end:
            if self._body_left:
                take = min(self._body_left, end - position)
                self._starts.append((position, run.packet_at(position)))
                self._body += run.read(position, take)
                self._body_left -= take
                self.wanted = position + take
                self._reach(run, position + take - 1)
                if self._body_left:
                    return None
                self._complete(run)
            elif (not self._step(run) and not self._header(run, position, end)) or self._carried is not None:
                return None
            if self._mode is not _Mode.RECORDS:
                return max(position, run.start)
        return None

    def _step(self, run: Run) -> bool:
        """Take the records at hand that need no joining; whether there was one.

        Nearly all records are such: application data, of which a header within one segment is enough, and handshake
        records and ChangeCipherSpec that the run holds whole. This does for them what `_header` and `_complete` do,
        with as little as possible.
        """
        position = self.wanted
        if self._head or position < run.start:
            return False
        rows, shift, end, last = run.rows, run.shift, run.end, run.last
        total, index = rows.total, run.first
        lengths, payloads, view = rows.length, rows.payload, rows.view
        seen = self.seen
        begun = position
        count = size = 0
        kept = len(seen.application)
        before = -1
        latest: list[RecordSeen] = []
        while position + 5 <= end:
            at = position + shift
            index = bisect_right(total, at, index, last) - 1
            inside = at - total[index]
            if inside + 5 > lengths[index]:
                break
            start = payloads[index] + inside
            kind, major, minor, length = _RECORD_HEADER.unpack_from(view, start)
            if major != 3 or minor >= MINORS or length > MAX_RECORD:
                break
            if kind == _APPLICATION_DATA and length == before and end - position > _MANY * length:
                many = self._alike(run, position, length, latest)
                kept = len(seen.application)
                count += many
                size += many * length
                position += (many - 1) * (5 + length)
            elif kind == _APPLICATION_DATA:
                before = length
                count += 1
                size += length
                packet = max(self._latest, rows.packet[index])
                record = RecordSeen(kind, length, packet, rows.time_ns[index], position)
                if kept < MAX_RECORDS_KEPT:
                    kept += 1
                    seen.application.append(record)
                else:
                    latest.append(record)
            elif kind in _KEPT and 0 < length <= end - position - 5:
                if inside + 5 + length <= lengths[index]:
                    body, final = view[start + 5 : start + 5 + length].tobytes(), index
                else:
                    body, final = run.read(position + 5, length), bisect_right(total, at + 4 + length, index, last) - 1
                packet = rows.packet[final]
                if packet >= self._latest:
                    self._latest, self._latest_time = packet, rows.time_ns[final]
                self._record = (kind, 0x300 | minor, length, position + 5)
                first = rows.packet[index] if inside + 5 < lengths[index] else run.packet_at(position + 5)
                self._whole(run, body, first)
            else:
                break
            if seen.begins is None:
                seen.begins = position
            position += 5 + length
        seen.application_count += count
        seen.application_bytes += size
        seen.application_last += latest[-MAX_LAST_KEPT:]
        del seen.application_last[:-MAX_LAST_KEPT]
        self.wanted = position
        return position > begun

    def _alike(self, run: Run, position: int, length: int, latest: list[RecordSeen]) -> int:
        """Take the application data from `position` on while records are of one length; gives how many there are.

        A sender of bulk data fills its records. What is not kept is added to `latest`, if it is of the last.
        """
        rows, seen, stride = run.rows, self.seen, 5 + length
        places = list(zip(run.repeats(position, 5, stride), range(position, run.end, stride), strict=False))
        room = MAX_RECORDS_KEPT - len(seen.application)
        for target, chosen in ((seen.application, places[:room]), (latest, places[room:][-MAX_LAST_KEPT:])):
            for index, at in chosen:
                packet = max(self._latest, rows.packet[index])
                target.append(RecordSeen(_APPLICATION_DATA, length, packet, rows.time_ns[index], at))
        return len(places)

    def _whole(self, run: Run, body: bytes, first: int) -> None:
        """Take the body of a kept record; `first` is the packet of its first byte."""
        kind, version, length, position = self._record
        if kind == ContentType.HANDSHAKE and not self._join:
            if self._encrypted and not is_hello(body):
                if len(self.seen.encrypted_handshake) < MAX_RECORDS_KEPT:
                    record = RecordSeen(kind, length, self._latest, self._latest_time, position - 5)
                    self.seen.encrypted_handshake.append(record)
                return
            if length >= 4 and length - 4 == body[1] << 16 | body[2] << 8 | body[3]:
                self._encrypted = False
                self._emit(body[0], body[4:], length - 4, first, position, version)
                return
        self._body[:] = body
        self._complete(run)

    def _header(self, run: Run, position: int, end: int) -> bool:
        """Read the record header at `position`; False when more bytes are needed."""
        have = self._head
        take = min(5 - len(have), end - position)
        if take < 0 or position < run.start:
            self._lose_place()
            return True
        head = have + run.read(position, take)
        if len(head) < 5:
            self._head = head
            self.wanted = position + take
            self._reach(run, position)
            if self.seen.begins is None:
                self._early = (*self._early, *run.segments(position, position + take))
            return False
        self._head = b""
        start = position + take - 5
        header = record_header(head)
        if header is None:
            self._no_header(run, head, start)
            return True
        if self.seen.begins is None:
            if self._midstream and start == 0 and header[2] == 0:
                self._not_tls(run, head, start)
                return True
            self.seen.begins = start
        kind, version, length = header
        body = start + 5
        if (
            kind == ContentType.APPLICATION_DATA
            or (kind == ContentType.ALERT and length > 2)
            or kind == ContentType.HEARTBEAT
        ):
            self.wanted = body + length
            self._stepped_over(run, (kind, version, length, body), position)
            return True
        self._record = (kind, version, length, body)
        self._body.clear()
        self._starts.clear()
        self._body_left = length
        self.wanted = body
        if not length:
            self._reach(run, position)
            self._complete(run)
        return True

    def _stepped_over(self, run: Run, record: tuple[int, int, int, int], position: int) -> None:
        kind, _, length, body = record
        start = body - 5
        seen = self.seen
        if kind == ContentType.APPLICATION_DATA:
            seen.application_count += 1
            seen.application_bytes += length
            application = RecordSeen(kind, length, self._at(run, position), run.time_at(position), start)
            if len(seen.application) < MAX_RECORDS_KEPT:
                seen.application.append(application)
            else:
                seen.application_last.append(application)
                if len(seen.application_last) > MAX_LAST_KEPT:
                    del seen.application_last[0]
        elif kind == ContentType.ALERT and len(seen.alerts) < _MAX_ALERTS:
            last = min(start + 5 + length, run.end) - 1
            begins = run.read(body, 2) if run.start <= body <= run.end - 2 else b""
            place = self._at(run, last), run.time_at(last), start
            seen.alerts.append(AlertRecord(*place, length, None, None, begins=begins))
            if not begins and body >= run.start:
                self._record = record
                self._body.clear()
                self._body_left = 2
                self.wanted = body

    def _complete(self, run: Run) -> None:
        """The body of a record that is kept is whole."""
        kind, version, length, body = self._record
        seen = self.seen
        if kind == ContentType.HANDSHAKE:
            if self._encrypted and not is_hello(self._body):
                if len(seen.encrypted_handshake) < MAX_RECORDS_KEPT:
                    seen.encrypted_handshake.append(RecordSeen(kind, length, self._latest, self._latest_time, body - 5))
                return
            self._encrypted = False
            self._messages(run, body, version)
        elif kind == ContentType.CHANGE_CIPHER_SPEC:
            self._encrypted = True
            if len(seen.change_cipher_spec) < _MAX_ALERTS:
                seen.change_cipher_spec.append(RecordSeen(kind, length, self._latest, self._latest_time, body - 5))
        elif kind == ContentType.ALERT and length > 2:
            self._note_alert()
            self.wanted = body + length
        elif kind == ContentType.ALERT and length == 2 and len(seen.alerts) < _MAX_ALERTS:
            level, description = self._body[0], self._body[1]
            seen.alerts.append(AlertRecord(self._latest, self._latest_time, body - 5, length, level, description))
        elif kind == _SSLV2:
            self._sslv2_message(complete=True)

    def _messages(self, run: Run, body: int, version: int) -> None:
        """Join the record's bytes to those before them and take out the whole messages."""
        join = self._join
        carried = len(join)
        if not carried:
            self._join_first = (self._packet_of(run, body), body)
        join += self._body
        offset = 0
        while len(join) - offset >= 4:
            length = join[offset + 1] << 16 | join[offset + 2] << 8 | join[offset + 3]
            if length > _MAX_MESSAGE:
                self.seen.damaged = RecordSeen(join[offset], length, self._latest, self._latest_time, body)
                join.clear()
                return
            if len(join) - offset < 4 + length:
                break
            first, position = self._join_first
            if offset >= carried:
                position = body + offset - carried
                first = self._packet_of(run, position)
            self._emit(join[offset], bytes(join[offset + 4 : offset + 4 + length]), length, first, position, version)
            offset += 4 + length
        if offset:
            if offset < len(join):
                position = body + offset - carried
                self._join_first = (
                    self._packet_of(run, position) if offset >= carried else self._join_first[0],
                    position,
                )
            del join[:offset]

    def _emit(
        self,
        kind: int,
        body: bytes,
        length: int,
        first: int,
        position: int,
        version: int,
        *,
        complete: bool = True,
    ) -> None:
        if len(self.seen.messages) < _MAX_MESSAGES:
            if kind == HandshakeType.CERTIFICATE and length <= MAX_SHARED:
                body = shared(body)
            self.seen.messages.append(
                RawMessage(kind, body, length, first, self._latest, self._latest_time, position, version, complete)
            )

    def _handshake_cut(self, kind: int, version: int) -> None:
        """Keep what there is of a handshake message that the capture cuts."""
        if kind == _SSLV2:
            self._sslv2_message(complete=False)
        elif kind == ContentType.HANDSHAKE and (not self._encrypted or is_hello(self._body)):
            if not self._join and self._starts:
                self._join_first = (self._starts[0][1], self._starts[0][0])
            if self._body_left:
                self._join += self._body
            first, position = self._join_first
            data = bytes(self._join)
            # Whole messages may stand before the one that is cut.
            while len(data) >= 4:
                length = int.from_bytes(data[1:4], "big")
                whole = len(data) >= 4 + length
                self._emit(data[0], data[4 : 4 + length], length, first, position, version, complete=whole)
                if not whole:
                    break
                data = data[4 + length :]
                position += 4 + length
        self._join.clear()
        self._body.clear()

    def _no_header(self, run: Run, head: bytes, start: int) -> None:
        """What stands where a record should begin is none."""
        if self.seen.begins is None:
            length = _sslv2_length(run, head) if start == 0 else None
            if length is not None:
                self._sslv2_hello(run, head, length)
            elif not (start == run.start == 0 and self._carried_wanted < 0 and self._is_carried(run)):
                self._not_tls(run, head, start)
            return
        if self.seen.damaged is None:
            place = min(start + 4, run.end - 1)
            length = head[3] << 8 | head[4]
            self.seen.damaged = RecordSeen(head[0], length, self._at(run, place), run.time_at(place), start)
        self._lose_place()

    def _sslv2_hello(self, run: Run, head: bytes, length: int) -> None:
        """A hello in the SSLv2 format has a record header of its own: two bytes of length."""
        self.seen.begins = 0
        self._record = (_SSLV2, 0x0002, length, 2)
        self._body[:] = head[2:]
        self._body_left = length - len(self._body)
        self._starts[:] = [(0, run.packet_at(0) if run.start == 0 else self._latest)]
        self.wanted = len(head)
        self._reach(run, len(head) - 1)

    def _sslv2_message(self, *, complete: bool) -> None:
        _, version, length, _ = self._record
        answer = self._body[0] == _SSLV2_SERVER_HELLO
        self.seen.messages.append(
            RawMessage(
                HandshakeType.SERVER_HELLO if answer else HandshakeType.CLIENT_HELLO,
                bytes(self._body),
                length,
                self._starts[0][1],
                self._latest,
                self._latest_time,
                0,
                version,
                complete,
                sslv2=True,
            )
        )
        if answer:
            self._lose_place()  # what follows are records of SSL 2.0

    def _not_tls(self, run: Run, head: bytes, start: int) -> None:
        self._mode = _Mode.PLAIN
        self._head = head[: max(run.start - start, 0)]  # what this run does not hold
        if self._latest == 0:
            self._reach(run, min(max(start, run.start), run.end - 1))

    def _search(self, run: Run, start: int) -> int | None:
        """Look for a record at the beginning of each segment from `start` on; None when there is none.

        Among the first bytes a hello may also follow in the same segment: a PROXY header has no answer to wait for.
        """
        found = self._beginning(run, start)
        if self._mode is _Mode.PLAIN:
            inside = self._keep_plain(run, run.end if found is None else found)
            if inside is not None:
                return self._begin_inside(run, inside)
        if found is None:
            self.wanted = _NEVER if self._mode is _Mode.LOST or self._plain_is_full() else run.end
            return None
        self._mode = _Mode.RECORDS
        self._head = b""
        self._join.clear()
        self.wanted = found
        if self.seen.begins is None:
            self.seen.begins = found
        return found

    def _beginning(self, run: Run, start: int) -> int | None:
        """Position of the first segment from `start` on that begins a session."""
        at = start
        midstream = self._midstream or self._mode is _Mode.LOST
        while (found := run.next_likely(at)) is not None and found + 5 < run.end:
            if begins_session(run.read(found, 6), midstream=midstream):
                return found
            at = found + 1
        return None

    def _keep_plain(self, run: Run, end: int) -> int | None:
        """Keep the first bytes of what is not TLS, up to `end`; the position of a hello among them, or None."""
        plain = self._plain
        if plain is None:
            plain = self._plain = _Plain()
        searched = len(plain.data)
        self._add_head(plain)
        for start, stop, packet, time_ns in run.segments(run.start, end):
            room = plain.room
            if room <= 0:
                plain.cut()
                break
            plain.add(run.read(start, min(room, stop - start)), packet, time_ns)
            if room < stop - start:
                plain.cut()
        inside = hello_inside(plain.data, max(searched - HELLO_SIGNATURE + 1, 0))
        return inside if inside is not None and plain.leads_to_tls else None

    def _add_head(self, plain: _Plain) -> None:
        """Add the first bytes, that came in earlier runs and were too few to tell what they are."""
        for start, stop, packet, time_ns in self._early:
            plain.add(self._head[start:stop], packet, time_ns)
        self._early = ()
        self._head = b""

    def _begin_inside(self, run: Run, found: int) -> int:
        """Take up the records at `found`, though they stand behind other bytes, perhaps in an earlier run."""
        plain = self._plain
        packet, time_ns, before = (0, 0, b"") if plain is None else plain.end_at(found, run.start)
        self._mode = _Mode.RECORDS
        self._join.clear()
        self.seen.begins = found
        self.wanted = max(found, run.start)
        self._head = before[:4]
        if before:
            self._latest, self._latest_time = max((self._latest, self._latest_time), (packet, time_ns))
        header = record_header(before[:5]) if len(before) >= 5 else None
        if header is not None:
            kind, version, length = header
            self._head = b""
            self._record = (kind, version, length, found + 5)
            self._body[:] = before[5:]
            self._body_left = length - len(self._body)
            self._starts[:] = [(found + 5, packet)]
        return self.wanted

    def _plain_is_full(self) -> bool:
        return self._plain is not None and self._plain.room <= 0

    def _lose_place(self) -> None:
        self._mode = _Mode.LOST
        self._head = b""
        self._join.clear()
        self.wanted = _NEVER

    def _reach(self, run: Run, position: int) -> None:
        """The byte at `position` has been taken: no message that ends there was complete before its packet."""
        packet, time_ns = run.seen_at(position)
        if packet >= self._latest:
            self._latest = packet
            self._latest_time = time_ns

    def _at(self, run: Run, position: int) -> int:
        return max(self._latest, run.packet_at(position))

    def _packet_of(self, run: Run, position: int) -> int:
        if position >= run.start:
            return run.packet_at(min(position, run.end - 1))
        before = [packet for at, packet in self._starts if at <= position]
        return before[-1] if before else self._latest


def _sslv2_length(run: Run, head: bytes) -> int | None:
    """Body length of a hello in the SSLv2 format that `head` (5 bytes) begins, at the beginning of the stream."""
    length = sslv2_hello_length(head)
    if length is None and run.start == 0 and run.end >= _SSLV2_ANSWER:
        length = sslv2_answer_length(run.read(0, _SSLV2_ANSWER))
    return length


class _Plain:
    """Bytes that are not TLS, as they are kept: few, unless they may lead to TLS."""

    __slots__ = ("_leads_to_tls", "_pieces", "_whole", "data")

    def __init__(self) -> None:
        self.data = bytearray()
        self._pieces: list[tuple[int, int, int]] = []
        self._leads_to_tls: bool | None = None
        self._whole = True

    @property
    def room(self) -> int:
        """Bytes that may be added."""
        if not self._whole:
            return 0
        if len(self.data) < _MAX_PLAIN:
            return _MAX_PLAIN - len(self.data)
        return (_MAX_PRELUDE if self.leads_to_tls else _MAX_PLAIN) - len(self.data)

    @property
    def leads_to_tls(self) -> bool:
        """Whether it begins like a protocol that may lead to TLS."""
        if self._leads_to_tls is None:
            from analyzer.tls.prelude import may_begin

            self._leads_to_tls = may_begin(bytes(self.data[:_MAX_PLAIN]))
        return self._leads_to_tls

    def add(self, data: bytes, packet: int, time_ns: int) -> None:
        """Keep the bytes that a packet brought."""
        if not self._pieces or self._pieces[-1][1] != packet:
            self._pieces.append((len(self.data), packet, time_ns))
        self.data += data

    def cut(self) -> None:
        """What follows is not kept, or not there."""
        self._whole = False

    def end_at(self, position: int, start: int) -> tuple[int, int, bytes]:
        """Let go what stands at and behind `position`, which is TLS.

        Gives packet and time of the byte there, and what of it was brought before the position `start`.
        """
        at = bisect_right(self._pieces, (position, _NEVER, 0)) - 1
        begin, packet, time_ns = self._pieces[at]
        before = bytes(self.data[position:start])
        del self.data[position:]
        del self._pieces[at + (begin < position) :]
        self._whole = True
        return packet, time_ns, before

    def text(self) -> PlainText | None:
        """All that was kept; None when it is nothing."""
        if not self.data:
            return None
        _, packet, time_ns = self._pieces[0]
        return PlainText(bytes(self.data), packet, time_ns, tuple(self._pieces), self._whole)


_T = TypeVar("_T")


def _twin(original: _T) -> _T:
    """A copy with the same parts, but for those that change in place, of which it has its own."""
    twin = object.__new__(type(original))
    for kind in type(original).__mro__:
        for name in getattr(kind, "__slots__", ()):
            value = getattr(original, name)
            if isinstance(value, (list, bytearray, deque)):
                value = copy(value)
            elif isinstance(value, (SideRecords, _Plain)):
                value = _twin(value)
            object.__setattr__(twin, name, value)
    return twin


def is_hello(body: bytes | bytearray) -> bool:
    """Whether a handshake record after a ChangeCipherSpec holds a hello in clear."""
    return (
        len(body) >= 38
        and body[0] in (1, 2)
        and body[4] == 3
        and 4 + (body[1] << 16 | body[2] << 8 | body[3]) <= len(body)
    )


@lru_cache(maxsize=256)
def shared(body: bytes) -> bytes:
    """The first object of equal ones: a server sends the same Certificate message each time; it is kept but once."""
    return body
