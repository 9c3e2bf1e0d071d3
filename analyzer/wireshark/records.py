"""From the records that Wireshark found to what the TLS stage reads: one direction of a connection."""

from __future__ import annotations

from typing import Final

from analyzer.net.reassembly import Cut, Run
from analyzer.registry import ContentType
from analyzer.tls.records import AlertRecord, PlainText, RawMessage, RecordSeen, SideRecords
from analyzer.wireshark.fields import Field, wireshark_fields
from analyzer.wireshark.packets import Packet, Record

__all__ = ["Direction"]

_HEADER: Final = 4
_RECORD_HEADER: Final = 5
_FIRST_KEPT: Final = 16
_LAST_KEPT: Final = 4
_PLAIN_KEPT: Final = 4096


class Direction:
    """What one side sent. It is the consumer of the direction's bytes in place of a record reader, and passes them."""

    def __init__(self) -> None:
        self.wanted = 0
        self.seen = SideRecords()
        self._position = 0
        self.fields: list[Field] = []
        """What Wireshark's dissector says of it."""
        self._opened: dict[int, int] = {}

    def take(self, packet: Packet) -> None:
        """Take the records that Wireshark shows with a packet, and the bytes of one that has none."""
        for record in packet.records:
            self._take(record, packet)
            self.fields += wireshark_fields(record, packet.number)
        payload = packet.segment.tcp if packet.segment is not None else b""
        data = payload[(payload[12] >> 4) * 4 :] if len(payload) > 12 else b""
        if data and self.seen.begins is None:
            self._plain(data, packet)

    def feed(self, run: Run) -> None:
        """Pass bytes that come: Wireshark has put them together."""
        self.wanted = run.end

    def gap(self, start: int, size: int, cut: Cut | None = None) -> None:  # noqa: ARG002 - as the protocol has it
        """Pass a hole."""
        self.wanted = start + size

    def finish(self) -> SideRecords:
        """All that was seen."""
        if self._opened:
            self.seen.opened = self._opened
        return self.seen

    def _plain(self, data: bytes, packet: Packet) -> None:
        """Keep what is said before TLS, or in place of it."""
        before = self.seen.plain or PlainText(b"", packet.number, packet.time_ns)
        data = data[: max(_PLAIN_KEPT - len(before.data), 0)]
        if data:
            pieces = (*before.pieces, (len(before.data), packet.number, packet.time_ns))
            self.seen.plain = PlainText(before.data + data, before.packet, before.time_ns, pieces)

    def _take(self, record: Record, packet: Packet) -> None:
        seen, position = self.seen, self._position
        self._position += _RECORD_HEADER + record.length
        if seen.begins is None:
            seen.begins = position
        if record.opened:
            self._opened[position] = record.type
        summary = RecordSeen(record.type, record.length, packet.number, packet.time_ns, position)
        for message in record.messages:
            seen.messages.append(_message(message, record, packet, position))
        if record.type == ContentType.ALERT and record.alert is not None:
            level, description = record.alert
            seen.alerts.append(
                AlertRecord(packet.number, packet.time_ns, position, record.length, level, description, record.opened)
            )
        elif record.type == ContentType.CHANGE_CIPHER_SPEC:
            seen.change_cipher_spec.append(summary)
        elif record.type == ContentType.HANDSHAKE and record.hidden:
            seen.encrypted_handshake.append(summary)
        elif record.type == ContentType.APPLICATION_DATA:
            self._data(summary)

    def _data(self, record: RecordSeen) -> None:
        seen = self.seen
        seen.application_count += 1
        seen.application_bytes += record.length
        if len(seen.application) < _FIRST_KEPT:
            seen.application.append(record)
        else:
            seen.application_last.append(record)
            del seen.application_last[:-_LAST_KEPT]


def _message(data: bytes, record: Record, packet: Packet, position: int) -> RawMessage:
    claimed = int.from_bytes(data[1:_HEADER], "big")
    return RawMessage(
        type=data[0],
        body=data[_HEADER : _HEADER + claimed],
        length=claimed,
        first_packet=packet.number,
        packet=packet.number,
        time_ns=packet.time_ns,
        position=position,
        record_version=record.version,
        complete=len(data) >= _HEADER + claimed,
        opened=record.opened,
    )
