"""The pcap format (draft-ietf-opsawg-pcap), and Kuznetzov's variant with longer record headers.

Takes bytes, gives `PacketBatch`es. The file header is 24 bytes; a record is 16 bytes of header (seconds,
fraction, captured length, original length; 24 bytes in the variant) and the packet. Both byte orders,
microseconds and nanoseconds.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import PADDING, CaptureProblem, PacketBatch, gather
from analyzer.capture.chain import RecordShape, consecutive

__all__ = ["MAX_PACKET", "PcapParser"]

MAX_PACKET: Final = 262_144
"""Longest packet believed; Wireshark's limit (WTAP_MAX_PACKET_SIZE_STANDARD). More means damage."""

_FILE_HEADER: Final = 24
_MAGIC: Final = {
    bytes.fromhex("d4c3b2a1"): ("<", 1000, 16),
    bytes.fromhex("a1b2c3d4"): (">", 1000, 16),
    bytes.fromhex("4d3cb2a1"): ("<", 1, 16),
    bytes.fromhex("a1b23c4d"): (">", 1, 16),
    bytes.fromhex("34cdb2a1"): ("<", 1000, 24),
    bytes.fromhex("a1b2cd34"): (">", 1000, 24),
}


class PcapParser:
    """Walks the records of one pcap file.

    `parse` is called with a growing window of the file; it returns the batch of whole records in it and how
    many bytes they took. After damage (`problems`) nothing more is read, as in Wireshark.
    """

    name: Final = "pcap"
    header_bytes: Final = _FILE_HEADER

    def __init__(self) -> None:
        self.problems: list[CaptureProblem] = []
        self.stopped = False
        self._started = False
        self._order = "<"
        self._tick_ns = 1000
        self._record_header = 16
        self._link = 0
        self._captured_length = struct.Struct("<8xI")

    @staticmethod
    def recognises(head: bytes) -> bool:
        """Whether `head`, the first bytes of a file, is of this format."""
        return head[:4] in _MAGIC

    def parse(
        self, data: NDArray[np.uint8], start: int, end: int, number: int, file_offset: int, final: bool
    ) -> tuple[list[PacketBatch], int]:
        """Read whole records from `data[start:end]`.

        `number` is the frame number of the next packet, `file_offset` the position of `start` in the file.
        Returns the batches (none or one) and the position in `data` up to which it was read. With `final`,
        what is left over is told as a problem.
        """
        position = start
        if not self._started:
            if end - start < _FILE_HEADER:
                if final:
                    self._stop(
                        "truncated-capture",
                        f"the file ends inside its 24-byte header, at byte {end - start}",
                        None,
                    )
                return [], start
            self._file_header(bytes(data[start : start + _FILE_HEADER]))
            position += _FILE_HEADER
        offsets, position, bad_length = self._walk(data, position, end)
        batches = [self._batch(data, offsets, number)] if len(offsets) else []
        following = number + len(offsets)
        if bad_length is not None:
            place = file_offset + position - start
            self._stop(
                "damaged-capture",
                f"packet {following} claims {bad_length} captured bytes (at byte {place} of the file; at most "
                f"{MAX_PACKET} are believed): the file is damaged from here on and was read up to packet "
                f"{following - 1}",
                following,
            )
        elif final and position < end:
            self._stop(
                "truncated-capture",
                f"the file ends in the middle of packet {following}, at byte {file_offset + end - start}; "
                f"the {following - 1} packets before it were read",
                following,
            )
        return batches, position

    def _file_header(self, header: bytes) -> None:
        self._order, self._tick_ns, self._record_header = _MAGIC[header[:4]]
        (link,) = struct.unpack(f"{self._order}I", header[20:24])
        self._link = link & 0xFFFF  # the upper bits tell of a frame check sequence
        self._captured_length = struct.Struct(f"{self._order}8xI")
        self._started = True

    def _walk(self, data: NDArray[np.uint8], position: int, end: int) -> tuple[NDArray[np.int64], int, int | None]:
        """Positions of the whole records, where they end, and the length found there if nobody would believe it."""
        if position + self._record_header > end:
            return np.zeros(0, dtype=np.int64), position, None
        # Packets of one file come within hours: the upper half of the seconds is the same in nearly all.
        mark_at = position + 2 if self._order == "<" else position
        shape = RecordShape(
            order=self._order,
            length_at=8,
            overhead=self._record_header,
            shortest=0,
            longest=MAX_PACKET,
            mark_at=mark_at - position,
            mark=data[mark_at : mark_at + 2].tobytes(),
        )
        offsets, position = consecutive(data, position, end, shape)
        if position + self._record_header <= end:
            (length,) = self._captured_length.unpack_from(data.data, position)
            if length > MAX_PACKET:
                return offsets, position, length
        return offsets, position, None

    def _batch(self, data: NDArray[np.uint8], at: NDArray[np.int64], number: int) -> PacketBatch:
        # The first bytes of the packets are taken along: another way through the bytes costs as much again.
        heads = gather(data, at, np.dtype(("u1", (self._record_header + PADDING,))))
        headers = heads[:, :16].view(f"{self._order}u4").astype(np.int64)
        time_ns = headers[:, 0] * 1_000_000_000 + headers[:, 1] * self._tick_ns
        return PacketBatch(
            first_number=number,
            data=data,
            offset=at + self._record_header,
            captured=headers[:, 2],
            original=np.maximum(headers[:, 3], headers[:, 2]),  # some writers leave it 0
            time_ns=time_ns,
            link=np.full(len(at), self._link, dtype=np.int32),
            heads=heads,
        )

    def _stop(self, code: str, text: str, packet: int | None) -> None:
        self.problems.append(CaptureProblem(code=code, text=text, packet=packet))
        self.stopped = True
