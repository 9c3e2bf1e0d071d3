"""Packets and capture files made for tests, and what our own stages and tshark read in them."""

from __future__ import annotations

import io
import ipaddress
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterable, Sequence
from itertools import count, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from analyzer.capture import CaptureProblem, CaptureReader, PacketBatch
from analyzer.capture.source import Source
from analyzer.net.decode import SegmentDecoder
from analyzer.net.flows import Flows
from analyzer.net.reassembly import Consumer, Cut, Run
from analyzer.net.segments import Segments, address_text
from analyzer.tls.detect import likely_record
from analyzer.tls.records import RecordReader, SideRecords
from analyzer.tls.sealed import KeyRing, Lookup, SealedReader

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CLIENT, SERVER = ("10.0.0.1", 40000), ("10.0.0.2", 443)
SECOND = 1_000_000_000
NOON = 1_700_000_000 * SECOND

_IP_IDS = count(1)
PCAP_MAGIC = {"us": 0xA1B2C3D4, "ns": 0xA1B23C4D, "kuznetzov": 0xA1B2CD34}


class Frame(NamedTuple):
    number: int
    data: bytes
    original: int
    time_ns: int
    link: int


class Segment(NamedTuple):
    packet: int
    source: tuple[str, int]
    target: tuple[str, int]
    seq: int
    ack: int
    flags: int
    window: int
    length: int
    payload: bytes
    ttl: int
    ip_id: int
    quoted: int


def pcap(packets: Iterable[bytes], *, order: str = "<", kind: str = "us", link: int = 1, step_ns: int = 1000) -> bytes:
    """A pcap file: packets one `step_ns` apart from `NOON` on."""
    parts = [struct.pack(f"{order}IHHiIII", PCAP_MAGIC[kind], 2, 4, 0, 0, 262144, link)]
    tick = 1 if kind == "ns" else 1000
    for index, packet in enumerate(packets):
        parts.append(pcap_record(packet, NOON + index * step_ns, order=order, tick=tick, wide=kind == "kuznetzov"))
    return b"".join(parts)


def pcap_record(
    packet: bytes,
    time_ns: int = NOON,
    *,
    order: str = "<",
    tick: int = 1000,
    wide: bool = False,
    original: int | None = None,
) -> bytes:
    """One record of a pcap file; `original` is the length on the wire when the packet was cut."""
    whole, rest = divmod(time_ns, SECOND)
    size = len(packet) if original is None else original
    header = struct.pack(f"{order}IIII", whole, rest // tick, len(packet), size)
    return header + (bytes(8) if wide else b"") + packet


def written(frames: Sequence[Frame], *, ahead_ns: int = 0) -> io.BytesIO:
    """A capture of these frames, by a clock that is so far ahead."""
    link = frames[0].link if frames else 1
    parts = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, link)]
    parts += [pcap_record(f.data, f.time_ns + ahead_ns, tick=1, original=f.original) for f in frames]
    return io.BytesIO(b"".join(parts))


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    """A pcapng block."""
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", 12 + len(body))
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    """A section header block."""
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(
    link: int = 1, *, resolution: int | None = None, offset: int | None = None, snap: int = 0, order: str = "<"
) -> bytes:
    """An interface description block."""
    options = b""
    if resolution is not None:
        options += struct.pack(f"{order}HHB3x", 9, 1, resolution)
    if offset is not None:
        options += struct.pack(f"{order}HHq", 14, 8, offset)
    if options:
        options += bytes(4)
    return block(1, struct.pack(f"{order}HHI", link, 0, snap) + options, order)


def enhanced(
    packet: bytes, ticks: int = 0, *, interface: int = 0, original: int | None = None, order: str = "<"
) -> bytes:
    """An enhanced packet block."""
    size = len(packet) if original is None else original
    header = struct.pack(f"{order}5I", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(packet), size)
    return block(6, header + packet, order)


def read(*sources: Source, together: bool = False) -> list[Frame]:
    """All packets of captures, through `CaptureReader`."""
    return read_all(*sources, together=together)[0]


def read_all(*sources: Source, together: bool = False) -> tuple[list[Frame], CaptureReader]:
    """All packets of captures and the reader, with its problems. `together`: they were recorded side by side."""
    reader = CaptureReader(sources, beside=[[str(source) for source in sources]] if together else ())
    frames: list[Frame] = []
    for batch in reader.batches():
        for row in range(len(batch)):
            start = int(batch.offset[row])
            data = batch.data[start : start + int(batch.captured[row])].tobytes()
            frames.append(
                Frame(
                    batch.first_number + row,
                    data,
                    int(batch.original[row]),
                    int(batch.time_ns[row]),
                    int(batch.link[row]),
                )
            )
    return frames, reader


def problems(*sources: Source) -> list[CaptureProblem]:
    """The problems of captures that were read to their end."""
    return read_all(*sources)[1].problems


def decode(packets: Sequence[bytes], link: int = 1, decoder: SegmentDecoder | None = None) -> list[Segment]:
    """The TCP segments of packets, through `CaptureReader` and `SegmentDecoder`."""
    return decode_file(io.BytesIO(pcap(packets, link=link)), decoder)


def decode_file(source: Source, decoder: SegmentDecoder | None = None) -> list[Segment]:
    """The TCP segments of a capture."""
    decoder = decoder or SegmentDecoder()
    found: list[Segment] = []
    for batch in CaptureReader([source]).batches():
        found += rows(decoder.decode(batch))
    return found


def rows(segments: Segments) -> list[Segment]:
    """The columns of segments, row by row."""
    found = []
    for i in range(len(segments)):
        start = int(segments.payload[i])
        source = address_text(int(segments.source_high[i]), int(segments.source_low[i]))
        target = address_text(int(segments.target_high[i]), int(segments.target_low[i]))
        found.append(
            Segment(
                int(segments.packet[i]),
                (source, int(segments.source_port[i])),
                (target, int(segments.target_port[i])),
                int(segments.seq[i]),
                int(segments.ack[i]),
                int(segments.flags[i]),
                int(segments.window[i]),
                int(segments.length[i]),
                segments.data[start : start + int(segments.captured[i])].tobytes(),
                int(segments.ttl[i]),
                int(segments.ip_id[i]),
                int(segments.quoted[i]),
            )
        )
    return found


def tcp(
    source: tuple[str, int],
    target: tuple[str, int],
    payload: bytes = b"",
    *,
    seq: int = 0,
    ack: int = 0,
    flags: int = ACK,
    window: int = 1000,
    ttl: int = 64,
    ip_id: int | None = None,
) -> bytes:
    """An Ethernet frame with one TCP segment over IPv4 or IPv6; checksums are left at 0.

    Each IPv4 packet has an identification of its own unless one is given: two that are alike in it too are one packet
    that was captured twice.
    """
    segment = struct.pack(">HHIIBBHHH", source[1], target[1], seq % 2**32, ack % 2**32, 0x50, flags, window, 0, 0)
    segment += payload
    ends = ipaddress.ip_address(source[0]).packed + ipaddress.ip_address(target[0]).packed
    if len(ends) == 8:
        ip_id = next(_IP_IDS) & 0xFFFF if ip_id is None else ip_id
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), ip_id, 0, ttl, 6, 0)
        return bytes(12) + b"\x08\x00" + header + ends + segment
    header = struct.pack(">IHBB", 6 << 28, len(segment), 6, ttl)
    return bytes(12) + b"\x86\xdd" + header + ends + segment


def segments_of(stream: bytes, cuts: Iterable[int], *, base: int = 1001) -> list[bytes]:
    """The client's bytes, the first of them with sequence number `base`, as segments cut at the given places."""
    places = [0, *cuts, len(stream)]
    return [tcp(CLIENT, SERVER, stream[a:b], seq=base + a, ack=9001) for a, b in pairwise(places)]


class Dialogue:
    """A TCP connection whose segments one after the other become frames."""

    def __init__(
        self,
        client: tuple[str, int] = CLIENT,
        server: tuple[str, int] = SERVER,
        *,
        client_seq: int = 1000,
        server_seq: int = 9000,
    ) -> None:
        self.ends = (client, server)
        self.next = [client_seq, server_seq]
        self.frames: list[bytes] = []

    def open(self) -> Dialogue:
        """The three-way handshake."""
        self._add(0, SYN)
        self._add(1, SYN | ACK)
        self._add(0, ACK)
        return self

    def client(self, payload: bytes = b"", *, flags: int = ACK) -> Dialogue:
        """A segment of the client."""
        return self._add(0, flags, payload)

    def server(self, payload: bytes = b"", *, flags: int = ACK) -> Dialogue:
        """A segment of the server."""
        return self._add(1, flags, payload)

    def lose(self, side: int, size: int) -> Dialogue:
        """Bytes that the capture does not have."""
        self.next[side] += size
        return self

    def _add(self, side: int, flags: int, payload: bytes = b"") -> Dialogue:
        ack = self.next[1 - side] if flags & ACK else 0
        frame = tcp(self.ends[side], self.ends[1 - side], payload, seq=self.next[side], ack=ack, flags=flags)
        self.frames.append(frame)
        self.next[side] += len(payload) + bool(flags & (SYN | FIN))
        return self


class Kept:
    """A consumer that wants every byte and remembers which packet brought it."""

    def __init__(self) -> None:
        self.wanted = 0
        self.data = bytearray()
        self.packets: list[int] = []
        self.holes: list[tuple[int, int]] = []

    def feed(self, run: Run) -> None:
        assert run.start == len(self.data), "a run begins where the last one, or a gap, ended"
        self.data += run.read(run.start, run.end - run.start)
        self.packets += [run.packet_at(position) for position in range(run.start, run.end)]
        self.wanted = run.end

    def gap(self, start: int, size: int, cut: Cut | None = None) -> None:
        assert start == len(self.data)
        self.holes.append((start, size))
        if size > 1 << 20:
            pytest.fail(f"a hole of {size} bytes")
        self.data += b"?" * size
        self.packets += [0] * size
        self.wanted = start + size


def flows_of(
    frames: Sequence[bytes],
    *,
    batch: int | None = None,
    link: int = 1,
    consumer: Callable[[], Consumer] = Kept,
) -> Flows:
    """Frames through decode and `Flows`, in batches of `batch` packets, into consumers that keep every byte."""
    return fed(frames, batch, link, Flows(likely_record, lambda _flow, _side: consumer()))


def flows_of_file(content: bytes) -> Flows:
    """The same from a whole capture file."""
    flows, decoder = Flows(likely_record, lambda _flow, _side: Kept()), SegmentDecoder()
    for batch in CaptureReader([io.BytesIO(content)]).batches():
        flows.add(decoder.decode(batch))
    flows.finish()
    return flows


def kept(flows: Flows, flow: int, sender: tuple[str, int]) -> Kept:
    """What the consumer of one direction was given; nothing when it carried no bytes."""
    side = next(n for n in (0, 1) if _end(flows, flow, n) == sender)
    stream = flows.streams.get(flow * 2 + side)
    consumer = stream.consumer if stream is not None else Kept()
    assert isinstance(consumer, Kept)
    return consumer


def tls_flows(
    frames: Sequence[bytes], *, batch: int | None = None, link: int = 1, keys: KeyRing | None = None
) -> Flows:
    """The same with record readers as consumers, as the pipeline has them."""
    lookups: dict[int, Lookup] = {}

    def reader(flow: int, side: int) -> RecordReader:
        midstream = not flows.opened_by_syn(flow, side)
        if keys is None:
            return RecordReader(midstream=midstream)
        return SealedReader(lookups.setdefault(flow, Lookup(keys)), midstream=midstream)

    flows = Flows(likely_record, reader)
    return fed(frames, batch, link, flows)


def records(flows: Flows, sender: tuple[str, int], flow: int = 0) -> SideRecords:
    """The records of one direction."""
    side = next(n for n in (0, 1) if _end(flows, flow, n) == sender)
    consumer = flows.streams[flow * 2 + side].consumer
    assert isinstance(consumer, RecordReader)
    return consumer.finish()


def _end(flows: Flows, flow: int, side: int) -> tuple[str, int]:
    end = flows.table.endpoint(flow, side)
    return end.address, end.port


def fed(frames: Sequence[bytes], size: int | None, link: int, flows: Flows) -> Flows:
    """The flows when they have got the frames, in batches of a size."""
    decoder = SegmentDecoder()
    for whole in CaptureReader([io.BytesIO(pcap(frames, link=link))]).batches():
        step = size or len(whole)
        for start in range(0, len(whole), step):
            flows.add(decoder.decode(_part(whole, start, start + step)))
    flows.finish()
    return flows


def _part(batch: PacketBatch, start: int, end: int) -> PacketBatch:
    """Some rows of a batch, as a batch of their own."""
    return PacketBatch(
        first_number=batch.first_number + start,
        data=batch.data,
        offset=batch.offset[start:end],
        captured=batch.captured[start:end],
        original=batch.original[start:end],
        time_ns=batch.time_ns[start:end],
        link=batch.link[start:end],
    )


def tool(name: str) -> str:
    """The path of a program; the test is skipped, saying so, where it is missing."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def tshark(capture: Path, *fields: str, display_filter: str = "tcp", options: Sequence[str] = ()) -> list[list[str]]:
    """What tshark prints for the fields of each frame that passes the filter."""
    command = [tool("tshark"), "-n", "-r", str(capture), "-Y", display_filter, "-T", "fields", "-E", "occurrence=l"]
    command += [argument for field in fields for argument in ("-e", field)]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode in {0, 2}, done.stderr  # 2: the file is cut short
    return [line.split("\t") for line in done.stdout.splitlines()]


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program that must succeed."""
    words = [str(word) for word in command]
    words[0] = tool(words[0])
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=120, **options)
