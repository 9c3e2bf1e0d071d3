"""The pcapng format (draft-ietf-opsawg-pcapng).

Takes bytes, gives `PacketBatch`es. Several sections (each with its byte order) and interfaces (each with its
link type, time resolution and offset); enhanced, simple and obsolete packet blocks; decryption secrets blocks are
kept. Blocks that Wireshark counts as frames although they hold no packet (systemd journal, sysdig events) take a
frame number here too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import PADDING, CaptureProblem, PacketBatch, Secrets, gather
from analyzer.capture.chain import RecordShape, consecutive
from analyzer.capture.pcap import MAX_PACKET
from analyzer.dataclass import dataclass

__all__ = ["PcapngParser"]

_SECTION_HEADER: Final = 0x0A0D0D0A
_INTERFACE: Final = 1
_OBSOLETE_PACKET: Final = 2
_SIMPLE_PACKET: Final = 3
_ENHANCED_PACKET: Final = 6
_STATISTICS: Final = 5
_SECRETS: Final = 10
_FRAMES_WITHOUT_PACKET: Final = frozenset({9, 0x204, 0x208})
_BYTE_ORDER_MAGIC: Final = 0x1A2B3C4D
_MAX_BLOCK: Final = 16 << 20
"""Longest block believed; Wireshark's limit (MAX_BLOCK_SIZE)."""
_MAX_SECRETS: Final = 64 << 20
"""Bytes of decryption secrets kept in all."""
_MAX_INTERFACES: Final = 1 << 16
"""Interfaces kept of one section."""
_OPTION_TIME_RESOLUTION: Final = 9
_OPTION_TIME_OFFSET: Final = 14
_OPTIONS_DROPPED: Final = (5, 7)
"""`isb_ifdrop` and `isb_osdrop`: packets that the interface, and the system's buffer, dropped so far."""
_UNKNOWN_DROPS: Final = 0xFFFF
_PACKET_AT: Final = 28
"""Bytes of an enhanced packet block before the packet; four more follow it."""
_ENHANCED_OVERHEAD: Final = 32
_A_RUN: Final = 16
"""Enhanced packet blocks that follow each other, from which on it pays to read those that come in columns."""
_FIRST_STRETCH: Final = 1 << 14
_GROWTH: Final = 8
"""Bytes that are looked at together at first, and how many times more after each run that filled a half of them."""
_MAX_STRETCH: Final = 1 << 30
_FINEST: Final = 10_000_000_000
"""Ticks a second up to which times are worked out in columns: the nanoseconds of a rest then fit into 64 bits."""
_LATEST: Final = (1 << 63) // 1_000_000_000 - 1
"""Seconds since 1970 that 64 bits of nanoseconds hold."""

_CLOCK = np.dtype([("link", "i8"), ("ticks", "u8"), ("offset", "i8")])

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Interface:
    link: int
    snap: int
    ticks_per_second: int
    offset_seconds: int


class PcapngParser:
    """Walks the blocks of one pcapng file; the interface is that of `PcapParser`."""

    name: Final = "pcapng"
    header_bytes: Final = 28

    def __init__(self) -> None:
        self.problems: list[CaptureProblem] = []
        self.secrets: list[Secrets] = []
        self.stopped = False
        self._order = "<"
        self._interfaces: list[_Interface] = []
        self._clocks = np.zeros(8, dtype=_CLOCK)
        self._last_time = 0
        self._secrets_bytes = 0
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._parts: list[list[Column]] = []
        self._heads: list[NDArray[np.uint8]] = []
        self._count = 0
        self._in_a_row = 0
        self._stretch = _FIRST_STRETCH
        self._told: set[str] = set()
        self._dropped_by: dict[tuple[int, int, int], int] = {}  # section, interface, option
        self._dropped_between = 0
        self._section = 0

    @property
    def dropped(self) -> int:
        """Packets that the recorder says it lost, by interface statistics or obsolete packet blocks."""
        return max(sum(self._dropped_by.values()), self._dropped_between)

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether `head`, the first bytes of a file, is of this format."""
        return head[:4] == bytes.fromhex("0a0d0d0a")

    def parse(
        self, data: NDArray[np.uint8], start: int, end: int, number: int, file_offset: int, final: bool
    ) -> tuple[list[PacketBatch], int]:
        """Read whole blocks from `data[start:end]`; see `PcapParser.parse`."""
        self._parts, self._heads, self._rows, self._count = [], [], [], 0
        position = self._walk(data, start, end, number, file_offset - start)
        following = number + self._count + len(self._rows)
        if final and not self.stopped and position < end:
            self._stop(
                "truncated-capture",
                f"the file ends in the middle of a block, at byte {file_offset + end - start}; "
                f"the {following - 1} packets before it were read",
                following,
            )
        self._end_rows()
        if not self._count:
            return [], position
        offset, captured, original, time_ns, link = (
            np.concatenate(columns) if len(columns) > 1 else columns[0] for columns in zip(*self._parts, strict=True)
        )
        heads = None
        if len(self._heads) == len(self._parts):
            heads = np.concatenate(self._heads) if len(self._heads) > 1 else self._heads[0]
        self._parts, self._heads = [], []
        return [
            PacketBatch(
                first_number=number,
                data=data,
                offset=offset,
                captured=captured,
                original=np.maximum(original, captured),
                time_ns=time_ns,
                link=link.astype(np.int32),
                heads=heads,
            )
        ], position

    def _end_rows(self) -> None:
        """Turn the packets that were read one by one into columns."""
        if self._rows:
            table = np.array(self._rows, dtype=np.int64)
            self._parts.append([column.copy() for column in table.T])
            self._count += len(table)
            self._rows = []

    def _walk(self, data: NDArray[np.uint8], position: int, end: int, number: int, to_file: int) -> int:
        view = memoryview(data.data)
        header = struct.Struct(f"{self._order}II")
        enhanced = struct.Struct(f"{self._order}5I")
        while position + 12 <= end:
            kind, length = header.unpack_from(view, position)
            if kind == _SECTION_HEADER:
                order = self._byte_order(view, position)
                if order is None:
                    self._damage("a section header has no byte-order magic", position + to_file, self._next(number))
                    return position
                self._order = order
                header, enhanced = struct.Struct(f"{order}II"), struct.Struct(f"{order}5I")
                (length,) = struct.unpack_from(f"{order}I", view, position + 4)
            if length < 12 or length > _MAX_BLOCK:
                self._damage(f"a block claims a length of {length} bytes", position + to_file, self._next(number))
                return position
            following = position + length + (-length % 4)
            if following > end:
                return position
            if kind != _ENHANCED_PACKET:
                self._in_a_row = 0
            if kind == _ENHANCED_PACKET and length >= _ENHANCED_OVERHEAD:
                self._in_a_row += 1
                if self._in_a_row > _A_RUN:
                    limit = min(end, max(position + self._stretch, following))
                    reached = self._run(data, position, limit, number, to_file)
                    filled = 2 * (reached - position) >= limit - position
                    self._stretch = min(self._stretch * _GROWTH, _MAX_STRETCH) if filled else _FIRST_STRETCH
                    position = reached
                    continue
                index, high, low, captured, original = enhanced.unpack_from(view, position + 8)
                if index < len(self._interfaces) and captured <= min(length - _ENHANCED_OVERHEAD, MAX_PACKET):
                    interface = self._interfaces[index]
                    time_ns = self._time(high << 32 | low, interface)
                    self._rows.append((position + _PACKET_AT, captured, original, time_ns, interface.link))
                else:
                    self._bad_packet(index, captured, self._next(number), position + to_file)
            else:
                self._other_block(kind, view[position + 8 : position + length - 4], position + 8, number)
            position = following
        return position

    def _next(self, number: int) -> int:
        """The frame number of the next packet, where `number` is that of the first in these bytes."""
        return number + self._count + len(self._rows)

    def _run(self, data: NDArray[np.uint8], position: int, end: int, number: int, to_file: int) -> int:
        """Read the enhanced packet blocks that follow each other, in columns; gives where they end."""
        self._end_rows()
        shape = RecordShape(
            order=self._order,
            length_at=4,
            overhead=0,
            shortest=_ENHANCED_OVERHEAD,
            longest=_MAX_BLOCK,
            mark_at=0,
            mark=struct.pack(f"{self._order}I", _ENHANCED_PACKET),
            mark_decides=True,
            multiple=4,
        )
        at, position = consecutive(data, position, end, shape)
        # The first bytes of the packets are taken along: another way through the bytes costs as much again.
        heads = gather(data, at, np.dtype(("u1", (_PACKET_AT + PADDING,))))
        words = heads[:, :_PACKET_AT].view(f"{self._order}u4")
        length, index, captured, original = words.T[[1, 2, 5, 6]].astype(np.int64)
        known = np.minimum(index, len(self._interfaces))
        bad = (index >= len(self._interfaces)) | (captured > np.minimum(length - _ENHANCED_OVERHEAD, MAX_PACKET))
        link = self._clocks["link"][known]
        time_ns = self._times(words[:, 3].astype(np.uint64) << np.uint64(32) | words[:, 4], known, bad)
        offset = at + _PACKET_AT
        if bad.any():
            first = int(bad.argmax())
            self._tell_bad(
                int(index[first]), int(captured[first]), self._next(number) + first, int(at[first]) + to_file
            )
            offset, captured, original, link = (
                np.where(bad, nothing, column)
                for column, nothing in ((offset, 0), (captured, 0), (original, 0), (link, -1))
            )
        else:
            self._heads.append(heads)
        self._parts.append([offset, captured, original, time_ns, link])
        self._count += len(at)
        return position

    def _times(self, ticks: NDArray[np.uint64], index: Column, bad: NDArray[np.bool_]) -> Column:
        """What `_time` gives for packets of some interfaces; a bad one has the time of the one before it."""
        latest = self._last_time
        per_second = np.maximum(self._clocks["ticks"][index], 1)
        offset = self._clocks["offset"][index]
        whole = ticks // per_second
        rest = (ticks - whole * per_second) * np.uint64(1_000_000_000) // per_second
        sound = (whole <= _LATEST) & (per_second <= _FINEST) & (np.abs(offset) <= _LATEST)
        seconds = np.where(sound, whole, 0).astype(np.int64) + np.where(sound, offset, 0)
        sound &= (seconds >= 0) & (seconds <= _LATEST)
        time_ns: Column = np.where(sound, seconds, 0) * 1_000_000_000 + np.where(sound, rest, 0).astype(np.int64)
        for row in np.flatnonzero(~sound & ~bad).tolist():
            time_ns[row] = self._time(int(ticks[row]), self._interfaces[int(index[row])])
        if bad.any():
            before = np.maximum.accumulate(np.where(bad, -1, np.arange(len(bad))))
            time_ns = np.where(before >= 0, time_ns[before], latest)
        self._last_time = int(time_ns[-1])
        return time_ns

    @staticmethod
    def _byte_order(view: memoryview, position: int) -> str | None:
        magic = bytes(view[position + 8 : position + 12])
        return {
            _BYTE_ORDER_MAGIC.to_bytes(4, "little"): "<",
            _BYTE_ORDER_MAGIC.to_bytes(4, "big"): ">",
        }.get(magic)

    def _time(self, ticks: int, interface: _Interface) -> int:
        self._last_time = ticks * 1_000_000_000 // interface.ticks_per_second + interface.offset_seconds * 1_000_000_000
        if not 0 <= self._last_time < 1 << 63:
            self._last_time = 0
        return self._last_time

    def _other_block(self, kind: int, body: memoryview, at: int, number: int) -> None:
        order = self._order
        if kind == _SECTION_HEADER:
            self._interfaces = []
            self._section += 1
        elif kind == _INTERFACE and len(self._interfaces) < _MAX_INTERFACES:
            self._interface(body)
        elif kind == _SIMPLE_PACKET and len(body) >= 4:
            (original,) = struct.unpack_from(f"{order}I", body)
            if not self._interfaces:
                self._bad_packet(0, original, self._next(number), at)
                return
            interface = self._interfaces[0]
            captured = min(original, len(body) - 4, interface.snap or original)
            self._rows.append((at + 4, captured, original, self._last_time, interface.link))
        elif kind == _OBSOLETE_PACKET and len(body) >= 20:
            index, drops, high, low, captured, original = struct.unpack_from(f"{order}HHIIII", body)
            self._dropped_between += drops if drops != _UNKNOWN_DROPS else 0
            if index < len(self._interfaces) and captured <= min(len(body) - 20, MAX_PACKET):
                interface = self._interfaces[index]
                time_ns = self._time(high << 32 | low, interface)
                self._rows.append((at + 20, captured, original, time_ns, interface.link))
            else:
                self._bad_packet(index, captured, self._next(number), at)
        elif kind == _SECRETS and len(body) >= 8:
            secrets_kind, length = struct.unpack_from(f"{order}II", body)
            data = bytes(body[8 : 8 + length])
            self._secrets_bytes += len(data)
            if self._secrets_bytes <= _MAX_SECRETS:
                self.secrets.append(Secrets(kind=secrets_kind, data=data))
        elif kind == _STATISTICS and len(body) >= 12:
            self._statistics(body)
        elif kind in _FRAMES_WITHOUT_PACKET:
            self._rows.append((at, 0, 0, self._last_time, -1))

    def _interface(self, body: memoryview) -> None:
        if len(body) < 8:
            self._add(_Interface(link=-1, snap=0, ticks_per_second=1_000_000, offset_seconds=0))
            return
        link, _reserved, snap = struct.unpack_from(f"{self._order}HHI", body)
        ticks, offset = 1_000_000, 0
        for code, value in self._options(body, 8):
            if code == _OPTION_TIME_RESOLUTION and len(value) == 1:
                ticks = _ticks_per_second(value[0]) or ticks
            elif code == _OPTION_TIME_OFFSET and len(value) == 8:
                (offset,) = struct.unpack(f"{self._order}q", value)
        self._add(_Interface(link=link, snap=snap, ticks_per_second=ticks, offset_seconds=offset))

    def _add(self, interface: _Interface) -> None:
        index = len(self._interfaces)
        self._interfaces.append(interface)
        if index + 1 >= len(self._clocks):  # one row more than there are interfaces: what names none finds it
            self._clocks = np.concatenate([self._clocks, np.zeros(len(self._clocks), dtype=_CLOCK)])
        self._clocks[index] = (interface.link, interface.ticks_per_second, interface.offset_seconds)

    def _statistics(self, body: memoryview) -> None:
        """An interface statistics block: its counts begin with the recording, so the last one of an interface holds."""
        (interface,) = struct.unpack_from(f"{self._order}I", body)
        for code, value in self._options(body, 12):
            if code in _OPTIONS_DROPPED and len(value) == 8 and len(self._dropped_by) < _MAX_INTERFACES:
                (self._dropped_by[self._section, interface, code],) = struct.unpack(f"{self._order}Q", value)

    def _options(self, body: memoryview, position: int) -> Iterator[tuple[int, bytes]]:
        """The options of a block from `position` of its body on: code and value."""
        while position + 4 <= len(body):
            code, length = struct.unpack_from(f"{self._order}HH", body, position)
            if code == 0:
                return
            yield code, bytes(body[position + 4 : position + 4 + length])
            position += 4 + length + (-length % 4)

    def _bad_packet(self, interface: int, captured: int, packet: int, place: int) -> None:
        """A packet block that cannot be read still is a frame for Wireshark's count."""
        self._rows.append((0, 0, 0, self._last_time, -1))
        self._tell_bad(interface, captured, packet, place)

    def _tell_bad(self, interface: int, captured: int, packet: int, place: int) -> None:
        self._tell(
            "damaged-packet",
            f"packet {packet} (at byte {place} of the file) names interface {interface} of {len(self._interfaces)} and "
            f"{captured} captured bytes, which its block does not hold: it was left out",
            packet,
        )

    def _tell(self, code: str, text: str, packet: int | None) -> None:
        if code not in self._told:  # one of a kind is enough: a crafted file may hold millions
            self._told.add(code)
            self.problems.append(CaptureProblem(code=code, text=text, packet=packet))

    def _damage(self, what: str, place: int, packet: int) -> None:
        self._stop(
            "damaged-capture",
            f"{what} (at byte {place} of the file): the file is damaged from here on and was read up to packet "
            f"{packet - 1}",
            packet,
        )

    def _stop(self, code: str, text: str, packet: int | None) -> None:
        self.problems.append(CaptureProblem(code=code, text=text, packet=packet))
        self.stopped = True


def _ticks_per_second(resolution: int) -> int | None:
    """The `if_tsresol` option: a negative power of 10, or of 2 when the highest bit is set."""
    exponent = resolution & 0x7F
    if resolution & 0x80:
        return 1 << exponent if exponent <= 63 else None
    return 10**exponent if exponent <= 18 else None
