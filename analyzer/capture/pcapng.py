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

from analyzer.capture.batch import CaptureProblem, PacketBatch, Secrets
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
        self._last_time = 0
        self._secrets_bytes = 0
        self._rows: list[tuple[int, int, int, int, int]] = []
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
        self._rows = []
        position = self._walk(memoryview(data.data), start, end, number, file_offset - start)
        following = number + len(self._rows)
        if final and not self.stopped and position < end:
            self._stop(
                "truncated-capture",
                f"the file ends in the middle of a block, at byte {file_offset + end - start}; "
                f"the {following - 1} packets before it were read",
                following,
            )
        if not self._rows:
            return [], position
        columns = np.array(self._rows, dtype=np.int64)
        self._rows = []
        return [
            PacketBatch(
                first_number=number,
                data=data,
                offset=columns[:, 0].copy(),
                captured=columns[:, 1].copy(),
                original=np.maximum(columns[:, 2], columns[:, 1]),
                time_ns=columns[:, 3].copy(),
                link=columns[:, 4].astype(np.int32),
            )
        ], position

    def _walk(self, view: memoryview, position: int, end: int, number: int, to_file: int) -> int:
        rows = self._rows
        header = struct.Struct(f"{self._order}II")
        enhanced = struct.Struct(f"{self._order}5I")
        while position + 12 <= end:
            kind, length = header.unpack_from(view, position)
            if kind == _SECTION_HEADER:
                order = self._byte_order(view, position)
                if order is None:
                    self._damage("a section header has no byte-order magic", position + to_file, number + len(rows))
                    return position
                self._order = order
                header, enhanced = struct.Struct(f"{order}II"), struct.Struct(f"{order}5I")
                (length,) = struct.unpack_from(f"{order}I", view, position + 4)
            if length < 12 or length > _MAX_BLOCK:
                self._damage(f"a block claims a length of {length} bytes", position + to_file, number + len(rows))
                return position
            following = position + length + (-length % 4)
            if following > end:
                return position
            if kind == _ENHANCED_PACKET and length >= 32:
                index, high, low, captured, original = enhanced.unpack_from(view, position + 8)
                if index < len(self._interfaces) and captured <= min(length - 32, MAX_PACKET):
                    interface = self._interfaces[index]
                    time_ns = self._time(high << 32 | low, interface)
                    rows.append((position + 28, captured, original, time_ns, interface.link))
                else:
                    self._bad_packet(index, captured, number + len(rows), position + to_file)
            else:
                self._other_block(kind, view[position + 8 : position + length - 4], position + 8, number)
            position = following
        return position

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
                self._bad_packet(0, original, number + len(self._rows), at)
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
                self._bad_packet(index, captured, number + len(self._rows), at)
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
            self._interfaces.append(_Interface(link=-1, snap=0, ticks_per_second=1_000_000, offset_seconds=0))
            return
        link, _reserved, snap = struct.unpack_from(f"{self._order}HHI", body)
        ticks, offset = 1_000_000, 0
        for code, value in self._options(body, 8):
            if code == _OPTION_TIME_RESOLUTION and len(value) == 1:
                ticks = _ticks_per_second(value[0]) or ticks
            elif code == _OPTION_TIME_OFFSET and len(value) == 8:
                (offset,) = struct.unpack(f"{self._order}q", value)
        self._interfaces.append(_Interface(link=link, snap=snap, ticks_per_second=ticks, offset_seconds=offset))

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
