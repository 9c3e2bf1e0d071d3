"""The handshake in clear and the protected records of captures, as `decrypt` takes them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from analyzer.capture import CaptureReader
from analyzer.errors import WireError
from analyzer.net.decode import SegmentDecoder
from analyzer.net.flows import Flows
from analyzer.net.reassembly import Cut, Run
from analyzer.registry import ContentType, HandshakeType
from analyzer.tls.decryption import Direction, Plain, Sealed
from analyzer.tls.detect import likely_record
from analyzer.tls.messages import is_tls13, parse_server_hello
from analyzer.tls.records import RawMessage, RecordReader, SideRecords


class Dialogue(NamedTuple):
    """One connection of a capture."""

    stream: int
    client: Direction
    server: Direction
    in_clear: frozenset[tuple[int, int | None]]
    """(frame, description) of the alerts in clear."""


def dialogues(*captures: Path) -> Iterator[Dialogue]:
    """The connections of a capture that carry TLS in both directions; what follows a hole is left out."""
    decoder = SegmentDecoder()
    flows = Flows(likely_record, lambda flow, side: Wire(midstream=not flows.opened_by_syn(flow, side)))
    for batch in CaptureReader(list(captures)).batches():
        flows.add(decoder.decode(batch))
    flows.finish()
    for flow in range(len(flows.table)):
        streams = (flows.streams.get(flow * 2), flows.streams.get(flow * 2 + 1))
        wires = [stream.consumer for stream in streams if stream is not None and isinstance(stream.consumer, Wire)]
        seen = [wire.reader.finish() for wire in wires]
        if len(wires) != 2:
            continue
        thirteen = any(is_tls13(version_of(message)) for side in seen for message in side.messages)
        client, server = sorted(
            (
                Direction(tuple(side.messages), tuple(wire.sealed(side, thirteen=thirteen)))
                for wire, side in zip(wires, seen, strict=True)
            ),
            key=lambda direction: HandshakeType.CLIENT_HELLO not in {m.type for m in direction.messages},
        )
        in_clear = {(a.packet, a.description) for side in seen for a in side.alerts if a.description is not None}
        yield Dialogue(flow, client, server, frozenset(in_clear))


def only(capture: Path) -> Dialogue:
    (dialogue,) = dialogues(capture)
    return dialogue


def shown(clear: Direction, plain: Plain) -> tuple[list[tuple[int, int]], list[tuple[int, int | None]]]:
    """(frame, handshake type) of all messages, in clear and opened, and (frame, description) of the opened alerts."""
    complete = [(m.packet, m.type) for m in (*clear.messages, *plain.messages) if m.complete]
    return sorted(complete), sorted((a.packet, a.description) for a in plain.alerts)


def version_of(message: RawMessage) -> int | None:
    if message.type != HandshakeType.SERVER_HELLO:
        return None
    try:
        return parse_server_hello(message.body).version
    except WireError:
        return None


class Wire:
    """Keeps the bytes of a direction, beside what the record reader makes of them."""

    def __init__(self, *, midstream: bool) -> None:
        self.reader = RecordReader(midstream=midstream)
        self.wanted = 0
        self._data = bytearray()
        self._pieces: list[tuple[int, int, int]] = []  # position, packet and time
        self._whole = True

    def feed(self, run: Run) -> None:
        self.reader.feed(run)
        self.wanted = run.end
        if self._whole:
            for position in range(run.start, run.end):
                packet, time_ns = run.seen_at(position)
                if not self._pieces or self._pieces[-1][1] != packet:
                    self._pieces.append((position, packet, time_ns))
            self._data += run.read(run.start, run.end - run.start)

    def gap(self, start: int, size: int, cut: Cut | None = None) -> None:
        self.reader.gap(start, size, cut)
        self._whole = False

    def sealed(self, seen: SideRecords, *, thirteen: bool) -> Iterator[Sealed]:
        """The protected records: of TLS 1.3 application data, before it all that follows a ChangeCipherSpec."""
        data, at, latest, changed = self._data, seen.begins or 0, 0, False
        if seen.messages and seen.messages[0].sslv2:
            at = 2 + seen.messages[0].length
        while at + 5 <= len(data):
            kind, length = data[at], int.from_bytes(data[at + 3 : at + 5], "big")
            if at + 5 + length > len(data):
                return
            packet, time_ns = self._seen_at(at + 4 + length)
            latest = max(latest, packet)
            change = kind == ContentType.CHANGE_CIPHER_SPEC
            if kind == ContentType.APPLICATION_DATA if thirteen else change or changed:
                version, body = int.from_bytes(data[at + 1 : at + 3], "big"), bytes(data[at + 5 : at + 5 + length])
                yield Sealed(kind, version, length, body, self._seen_at(at)[0], latest, time_ns, at)
            changed = changed or change
            at += 5 + length

    def _seen_at(self, position: int) -> tuple[int, int]:
        _, packet, time_ns = self._pieces[bisect_right(self._pieces, (position, 1 << 60, 0)) - 1]
        return packet, time_ns
