"""Makes the captures of the benchmark out of the sessions recorded in `captures/`.

A capture is a plan in columns (which recorded frame, of which connection, when) that is sorted by time and written
block by block. Real are the handshakes: hellos, chains and alerts as OpenSSL, Java, Go, GnuTLS, curl, Node, wget and
Python sent them. Made up are addresses, ports, sequence numbers, times and the hellos' random values, so that no two
connections are alike, and the bulk data: records of 16 KiB in segments of 1,448 bytes that continue a recorded
download, filled with random bytes as encryption gives them. IP and TCP checksums are those of the recordings and so
mostly wrong, as in a capture on a host with checksum offload; TCP time stamps are not carried on.

    bulk      1.02 GB,   800,000 packets,  1,400 connections: downloads, one connection in twenty refused
    busy       580 MB,   835,000 packets, 30,000 connections: handshakes, a third of them fail
    hostile    380 MB, 5,000,000 packets of 60 bytes: handshakes cut into 6-byte segments (some out of order, some
                        twice), bare acknowledgements, SYNs answered by RST

    python benchmarks/make_captures.py [NAME ...] [--scale 0.01] [--out DIR]
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["DATA", "KINDS", "make", "path_of"]

ROOT: Final = Path(__file__).resolve().parent.parent
DATA: Final = ROOT / "benchmarks" / "data"
_RECORDINGS: Final = ROOT / "captures"

_COMPLETED: Final = ("curl", "go", "java", "nginx-proxy", "node", "openssl", "python", "wget")
_COMPLETED_NAMES: Final = (*(f"success-{stack}" for stack in _COMPLETED), "playbook-repaired")
_FAILED_NAMES: Final = (
    *(f"missing-root-{stack}" for stack in _COMPLETED),
    "playbook",
    "playbook-late-close",
    "playbook-with-alert",
    "missing-intermediate-java",
    "missing-intermediate-go",
    "expired-leaf-openssl",
    "self-signed-leaf-curl",
    "hostname-mismatch-java",
    "no-shared-cipher-go",
    "protocol-version-java",
    "server-reset-java",
    "server-close-curl",
)

_SEGMENT: Final = 1448
_HEADERS: Final = 66
"""Ethernet, IPv4, and TCP with the time stamp option."""
_RECORD: Final = 5 + 8 + 16384 + 16
"""A full AES-GCM record of TLS 1.2: header, nonce, data, tag."""
_FILE_HEADER: Final = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
_RECORD_HEADER: Final = 16
_BLOCK: Final = 24_000
"""Packets written at once."""
_GAP: Final = 100_000
"""Nanoseconds between two segments of a download."""
_PIECE: Final = 6
_SMALL: Final = 60
_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10

Column = NDArray[np.int64]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Frame:
    """One recorded frame; `seq` and `ack` count from the side's initial sequence number."""

    data: bytes
    from_client: bool
    seq: int
    ack: int
    flags: int
    payload: bytes
    time_ns: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a connection sends, one row a packet. `stream` is the place in the made-up data, -1 outside it."""

    template: Column
    from_client: Column
    seq: Column
    ack: Column
    time_ns: Column
    stream: Column
    stream_bytes: int

    def __len__(self) -> int:
        return len(self.template)


class Templates:
    """Frames used as moulds, each with the place of its hello's random value (or -1)."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.random_at: list[int] = []
        self._known: dict[bytes, int] = {}

    def add(self, frame: bytes, payload_at: int) -> int:
        """The number of a frame."""
        known = self._known.get(frame)
        if known is not None:
            return known
        payload = frame[payload_at:]
        hello = len(payload) > 43 and payload[0] == 22 and payload[5] in (1, 2)
        self.frames.append(frame)
        self.random_at.append(payload_at + 11 if hello else -1)
        return self._known.setdefault(frame, len(self.frames) - 1)


def recording(name: str) -> tuple[Frame, ...]:
    """A recorded session of `captures/`: one connection, IPv4 on Ethernet."""
    raw = (_RECORDINGS / f"{name}.pcap").read_bytes()
    frames: list[Frame] = []
    bases: dict[bool, int] = {}
    at, first_ns = 24, 0
    client = b""
    while at < len(raw):
        seconds, micros, captured, _ = struct.unpack_from("<IIII", raw, at)
        data = raw[at + 16 : at + 16 + captured]
        at += 16 + captured
        time_ns = seconds * 1_000_000_000 + micros * 1000
        first_ns, client = first_ns or time_ns, client or data[26:30]
        seq, ack = struct.unpack_from(">II", data, 38)
        from_client = data[26:30] == client
        bases.setdefault(from_client, seq)
        peer = bases.get(not from_client, ack)
        end = 14 + struct.unpack_from(">H", data, 16)[0]
        payload = data[34 + (data[46] >> 4) * 4 : end]
        frames.append(
            Frame(
                data, from_client, seq - bases[from_client] & 0xFFFFFFFF, ack - peer & 0xFFFFFFFF, data[47], payload,
                time_ns - first_ns,
            )
        )  # fmt: skip
    return tuple(frames)


def session_plan(frames: Sequence[Frame], templates: Templates, *, segments: int, ack_every: int) -> Plan:
    """A recorded session, its server's data continued by `segments` full segments and their acknowledgements."""
    full = max((i for i, f in enumerate(frames) if not f.from_client and len(f.payload) == _SEGMENT), default=0)
    ends = next((i for i in range(full + 1, len(frames)) if not frames[i].from_client and frames[i].payload), -1)
    split = ends if segments else len(frames)
    shift, delay = segments * _SEGMENT, segments * _GAP
    rows: list[tuple[int, int, int, int, int, int]] = []
    for index, frame in enumerate(frames):
        after = index > split
        rows.append(
            (
                templates.add(frame.data, len(frame.data) - len(frame.payload)),
                frame.from_client,
                frame.seq + (shift if after and not frame.from_client else 0),
                frame.ack + (shift if after and frame.from_client and frame.flags & _ACK else 0),
                frame.time_ns + (delay if after else 0),
                -1,
            )
        )
        if index == split:
            rows += _continuation(frames, full, ends, templates, segments, ack_every)
    return _plan(rows, shift)


def _continuation(
    frames: Sequence[Frame], full: int, ends: int, templates: Templates, segments: int, ack_every: int
) -> Iterator[tuple[int, int, int, int, int, int]]:
    """Segments that follow frame `ends`, in the mould of frame `full`, and bare acknowledgements of the client."""
    last = frames[ends]
    begin = last.seq + len(last.payload)
    pure = next(f for f in frames[full:] if f.from_client and not f.payload and f.flags == _ACK)
    data = templates.add(frames[full].data[:_HEADERS] + bytes(_SEGMENT), _HEADERS + _SEGMENT)
    ack = templates.add(pure.data, len(pure.data))
    for number in range(segments):
        at = number * _SEGMENT
        time_ns = last.time_ns + number * _GAP + 1000
        yield data, 0, begin + at, last.ack, time_ns, at
        if number % ack_every == ack_every - 1:
            yield ack, 1, pure.seq, begin + at + _SEGMENT, time_ns + 20_000, -1


def pieces_plan(frames: Sequence[Frame], templates: Templates, *, acks: int, order: np.random.Generator) -> Plan:
    """A recorded session as frames of 60 bytes: payloads cut to 6 bytes, each followed by `acks` acknowledgements.

    One pair of neighbours in eight is swapped, one segment in sixteen comes twice.
    """
    rows: list[tuple[int, int, int, int, int, int]] = []
    time_ns = 0
    for frame in frames:
        pieces = [frame.payload[i : i + _PIECE] for i in range(0, len(frame.payload), _PIECE)] or [b""]
        numbered = [(frame.seq + i * _PIECE, piece) for i, piece in enumerate(pieces)]
        for i in range(0, len(numbered) - 1, 2):
            if order.random() < 1 / 4:
                numbered[i], numbered[i + 1] = numbered[i + 1], numbered[i]
        for i, (seq, piece) in enumerate(numbered):
            last = i == len(numbered) - 1
            flags = frame.flags if last else frame.flags & ~_FIN
            again = 2 if piece and order.random() < 1 / 16 else 1
            for _ in range(again):
                template = templates.add(_small(frame.data, piece, flags), _SMALL)
                rows.append((template, frame.from_client, seq, frame.ack, time_ns, -1))
                time_ns += 7000
            for _ in range(acks if piece else 0):
                template = templates.add(_small(frame.data, b"", _ACK, reverse=True), _SMALL)
                rows.append((template, not frame.from_client, frame.ack, seq + len(piece), time_ns, -1))
                time_ns += 3000
    return _plan(rows)


def refused_plan(templates: Templates, frames: Sequence[Frame]) -> Plan:
    """A SYN and the RST that answers it."""
    syn, answer = frames[0].data, frames[1].data
    rows = [
        (templates.add(_small(syn, b"", _SYN), _SMALL), 1, 0, 0, 0, -1),
        (templates.add(_small(answer, b"", _RST | _ACK), _SMALL), 0, 0, 1, 30_000, -1),
    ]
    return _plan(rows)


def _plan(rows: Sequence[tuple[int, int, int, int, int, int]], stream_bytes: int = 0) -> Plan:
    template, from_client, seq, ack, time_ns, stream = np.array(rows, dtype=np.int64).T
    return Plan(template, from_client, seq, ack, time_ns, stream, stream_bytes)


def _small(frame: bytes, payload: bytes, flags: int, *, reverse: bool = False) -> bytes:
    """A frame of 60 bytes: Ethernet, IPv4 and TCP without options, 6 bytes of payload or padding."""
    ethernet = frame[6:12] + frame[:6] + frame[12:14] if reverse else frame[:14]
    ip = frame[14:16] + struct.pack(">H", 40 + len(payload)) + frame[18:34]
    tcp = frame[34:46] + bytes((0x50, flags)) + frame[48:50] + bytes(4)
    return (ethernet + ip + tcp + payload).ljust(_SMALL, b"\0")


def bulk(scale: float, out: IO[bytes]) -> None:
    """Downloads of 0.1 to 2.5 MB; what a mirror port of a gateway shows when little goes wrong."""
    random = np.random.default_rng(1)
    templates = Templates()
    connections = max(round(1400 * scale), 20)
    failed = connections // 20
    weights = np.array([0.15, 0.3, 0.6, 1.0, 1.5, 3.0])
    sizes = (weights * (490 / weights.mean())).astype(int)
    plans = [
        session_plan(recording(name), templates, segments=_whole(int(sizes[i % len(sizes)])), ack_every=6)
        for i, name in enumerate((*_COMPLETED_NAMES, *_COMPLETED_NAMES[:3]))
    ]
    plans += [session_plan(recording(name), templates, segments=0, ack_every=1) for name in _FAILED_NAMES]
    completed = _shares(connections - failed, len(_COMPLETED_NAMES) + 3)
    write(out, templates, plans, [*completed, *_shares(failed, len(_FAILED_NAMES))], 600, random)


def busy(scale: float, out: IO[bytes]) -> None:
    """A gateway under load: short connections with small answers, a third of them refused."""
    random = np.random.default_rng(2)
    templates = Templates()
    connections = max(round(30_000 * scale), 60)
    failed = connections // 3
    plans = [session_plan(recording(name), templates, segments=_whole(11), ack_every=8) for name in _COMPLETED_NAMES]
    plans += [session_plan(recording(name), templates, segments=0, ack_every=1) for name in _FAILED_NAMES]
    shares = [*_shares(connections - failed, len(_COMPLETED_NAMES)), *_shares(failed, len(_FAILED_NAMES))]
    write(out, templates, plans, shares, 600, random)


def hostile(scale: float, out: IO[bytes]) -> None:
    """The most packets a byte: nothing but the smallest frames."""
    random = np.random.default_rng(3)
    templates = Templates()
    names = _FAILED_NAMES[:12]
    plans = [pieces_plan(recording(name), templates, acks=2, order=random) for name in names]
    plans.append(refused_plan(templates, recording(names[0])))
    refused = max(round(10_000 * scale), 10)
    each = max(round((5_000_000 * scale - 2 * refused) / sum(len(plan) for plan in plans[:-1])), 1)
    write(out, templates, plans, [*[each] * len(names), refused], 300, random)


def refusals(scale: float, out: IO[bytes]) -> None:
    """A million connections that get no further than their first answer: cost and memory by connection."""
    random = np.random.default_rng(4)
    templates = Templates()
    plan = refused_plan(templates, recording(_FAILED_NAMES[0]))
    write(out, templates, [plan], [max(round(1_000_000 * scale), 10)], 300, random)


KINDS: Final = {"bulk": bulk, "busy": busy, "hostile": hostile, "refusals": refusals}


def path_of(name: str, scale: float = 1.0, directory: Path = DATA) -> Path:
    """Where a capture is kept."""
    return directory / (f"{name}.pcap" if scale == 1 else f"{name}-{scale:g}.pcap")


def make(name: str, scale: float = 1.0, directory: Path = DATA) -> Path:
    """Make a capture and give its path; a half-written one is not left behind."""
    path = path_of(name, scale, directory)
    directory.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    try:
        with partial.open("wb") as out:
            KINDS[name](scale, out)
        partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _whole(segments: int) -> int:
    """At least so many segments that the last record of the made-up data has room for what a record needs."""
    while 0 < segments * _SEGMENT % _RECORD < 32:
        segments += 1
    return segments


def _shares(total: int, parts: int) -> list[int]:
    return [total // parts + (i < total % parts) for i in range(parts)]


@dataclass(frozen=True, slots=True)
class _Rows:
    """All packets of a capture in order of time, one row each; `connection` indexes `_Ends`."""

    template: NDArray[np.int32]
    connection: NDArray[np.int32]
    from_client: NDArray[np.bool_]
    seq: NDArray[np.uint32]
    ack: NDArray[np.uint32]
    time_ns: Column
    stream: NDArray[np.int32]
    stream_bytes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.template)


def write(
    out: IO[bytes],
    templates: Templates,
    plans: Sequence[Plan],
    shares: Sequence[int],
    seconds: int,
    random: np.random.Generator,
) -> None:
    """Write a capture: `shares[i]` connections by `plans[i]`, laid over `seconds`."""
    out.write(_FILE_HEADER)
    total = sum(shares)
    number = random.permutation(total)
    isn = random.integers(1 << 32, size=(total, 2), dtype=np.uint64)
    begins = _recorded_at() + np.sort(random.integers(seconds * 1_000_000_000, size=total))
    rows = _in_order(plans, shares, number, begins, isn)
    clients = 0x0A400000 + random.permutation(1 << 16)[np.arange(total) // 40_000 + random.integers(400, size=total)]
    ends = np.zeros((total, 2), dtype=[("address", ">u4"), ("port", ">u2")])
    ends["address"][:, 0] = 0x0A010000 + random.integers(1, 40, size=total)
    ends["address"][:, 1] = clients + (np.arange(total) // 40_000 << 17)
    ends["port"][:, 0] = 443
    ends["port"][:, 1] = 20_000 + np.arange(total) % 40_000
    writer = _Writer(templates, ends, random)
    for first in range(0, len(rows), _BLOCK):
        out.write(writer.block(rows, slice(first, first + _BLOCK)).data)


def _in_order(
    plans: Sequence[Plan], shares: Sequence[int], number: Column, begins: Column, isn: NDArray[np.uint64]
) -> _Rows:
    parts: list[tuple[NDArray[np.generic], ...]] = []
    done = 0
    for plan, share in zip(plans, shares, strict=True):
        own = number[done : done + share]
        done += share
        client = plan.from_client.astype(bool)
        acknowledges = plan.ack != 0
        own_isn = isn[own][:, np.where(client, 1, 0)].astype(np.uint32)
        peer_isn = isn[own][:, np.where(client, 0, 1)].astype(np.uint32)
        parts.append(
            (
                np.tile(plan.template.astype(np.int32), share),
                np.repeat(own.astype(np.int32), len(plan)),
                np.tile(client, share),
                (own_isn + plan.seq.astype(np.uint32)).ravel(),
                np.where(acknowledges, peer_isn + plan.ack.astype(np.uint32), 0).astype(np.uint32).ravel(),
                (begins[own][:, None] + plan.time_ns).ravel(),
                np.tile(plan.stream.astype(np.int32), share),
                np.full(len(plan) * share, plan.stream_bytes, dtype=np.int32),
            )
        )
    order = np.argsort(np.concatenate([part[5] for part in parts]), kind="stable")
    return _Rows(*(np.concatenate([part[i] for part in parts])[order] for i in range(8)))


def _recorded_at() -> int:
    """The time of the playbook's first packet: the recorded certificates are valid around it."""
    seconds = struct.unpack_from("<I", (_RECORDINGS / "playbook.pcap").read_bytes(), 24)[0]
    return int(seconds) * 1_000_000_000


class _Writer:
    """Turns rows into the bytes of a pcap file."""

    def __init__(self, templates: Templates, ends: NDArray[np.void], random: np.random.Generator) -> None:
        self._frames = [np.frombuffer(frame, dtype=np.uint8) for frame in templates.frames]
        self._lengths = np.array([len(frame) for frame in templates.frames], dtype=np.int64)
        self._random_at = np.array(templates.random_at, dtype=np.int64)
        self._ends = ends
        self._random = random

    def block(self, rows: _Rows, part: slice) -> Bytes:
        """The records of some rows."""
        template = rows.template[part]
        length = self._lengths[template]
        size = length + _RECORD_HEADER
        begins = np.cumsum(size) - size
        total = int(size.sum())
        stream = rows.stream[part]
        data: Bytes = (
            np.frombuffer(self._random.bytes(total), dtype=np.uint8).copy()
            if (stream >= 0).any()
            else np.empty(total, dtype=np.uint8)
        )
        self._record_headers(data, begins, length, rows.time_ns[part])
        at = begins + _RECORD_HEADER
        self._frames_into(data, at, template, stream)
        client = rows.from_client[part]
        connection = rows.connection[part]
        source = self._ends[connection, client.astype(np.int64)]
        target = self._ends[connection, 1 - client.astype(np.int64)]
        _put(data, at + 26, source["address"])
        _put(data, at + 30, target["address"])
        _put(data, at + 34, source["port"])
        _put(data, at + 36, target["port"])
        _put(data, at + 38, rows.seq[part].astype(">u4"))
        _put(data, at + 42, rows.ack[part].astype(">u4"))
        place = self._random_at[template]
        hellos = np.flatnonzero(place >= 0)
        _put(data, (at + place)[hellos], self._random.integers(256, size=(len(hellos), 32), dtype=np.uint8))
        _tls_headers(data, at, stream, rows.stream_bytes[part])
        return data

    @staticmethod
    def _record_headers(data: Bytes, begins: Column, length: Column, time_ns: Column) -> None:
        header = np.empty((len(begins), 4), dtype="<u4")
        header[:, 0] = time_ns // 1_000_000_000
        header[:, 1] = time_ns % 1_000_000_000 // 1000
        header[:, 2] = header[:, 3] = length
        _put(data, begins, header)

    def _frames_into(self, data: Bytes, at: Column, template: NDArray[np.int32], stream: NDArray[np.int32]) -> None:
        order = np.argsort(template, kind="stable")
        kinds, first = np.unique(template[order], return_index=True)
        for kind, own in zip(kinds.tolist(), np.split(order, first[1:]), strict=True):
            frame = self._frames[kind]
            if stream[own[0]] >= 0:
                frame = frame[:_HEADERS]
            _put(data, at[own], np.broadcast_to(frame, (len(own), len(frame))))


def _put(data: Bytes, at: Column, values: NDArray[np.generic]) -> None:
    """Write row i of `values` to `data[at[i]:]`."""
    if not len(at):
        return
    values = np.ascontiguousarray(values)
    size = values.nbytes // len(at)
    window = np.ndarray((len(data) - size + 1,), dtype=f"V{size}", buffer=data.data, strides=(1,))
    window[at] = values.view(np.uint8).reshape(len(at), size).view(f"V{size}")[:, 0]


def _tls_headers(data: Bytes, at: Column, stream: NDArray[np.int32], stream_bytes: NDArray[np.int32]) -> None:
    """The record headers within made-up data; one may lie across two segments."""
    made_up = np.flatnonzero(stream >= 0)
    begin = stream[made_up].astype(np.int64)
    for index in range(5):
        record = -((index - begin) // _RECORD)
        record = np.where(begin <= index, 0, record)
        place = record * _RECORD + index - begin
        here = (place < _SEGMENT) & (record * _RECORD < stream_bytes[made_up])
        length = np.minimum(_RECORD, stream_bytes[made_up] - record * _RECORD) - 5
        value = (23, 3, 3, length >> 8, length & 0xFF)[index]
        target = (at[made_up] + _HEADERS + place)[here]
        data[target] = np.broadcast_to(np.asarray(value), here.shape)[here].astype(np.uint8)


def main() -> None:
    """Make the captures that are asked for."""
    parser = argparse.ArgumentParser(description="Make the captures of the benchmark.")
    parser.add_argument("names", nargs="*", choices=[*KINDS, []], help=f"which; all without: {', '.join(KINDS)}")
    parser.add_argument("--scale", type=float, default=1.0, help="a fraction of the full size")
    parser.add_argument("--out", type=Path, default=DATA, help="the folder to write to")
    options = parser.parse_args()
    for name in options.names or KINDS:
        path = make(name, options.scale, options.out)
        print(f"{path.name}: {path.stat().st_size / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
