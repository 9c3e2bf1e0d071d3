"""Captures through Wireshark: in place of the capture's reader, the segments' decoder and the record readers."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import copyfileobj, which
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analyzer.capture import CaptureProblem
from analyzer.capture.batch import Recording
from analyzer.capture.source import Source, expand, source_name
from analyzer.errors import InputError
from analyzer.net.decode import inner_segments
from analyzer.net.flows import FlowRow, Flows
from analyzer.net.reassembly import Cut, Run
from analyzer.net.segments import IPV4_HIGH
from analyzer.net.wrappings import Wrappings
from analyzer.tls.records import Lost, SideRecords
from analyzer.wireshark.fields import Field
from analyzer.wireshark.model import Dissector
from analyzer.wireshark.packets import Packet, dissected, tshark_version
from analyzer.wireshark.records import Direction

__all__ = ["WiresharkReading"]

_BATCH: Final = 2000
_MERGE_SECONDS: Final = 3600

Sender = tuple[int, bytes, int]
"""tcp.stream, and the address and port that sends."""


class WiresharkReading:
    """Reads captures with Wireshark's dissectors. After `read` the attributes are those of a `CaptureReader`.

    Several captures are merged by time first, with mergecap. Raises `InputError` without tshark and pyshark, and for
    a file that Wireshark does not read.
    """

    def __init__(self, sources: Sequence[Source], keylogs: Sequence[str | Path] = ()) -> None:
        self.version = tshark_version()
        self.dissector = Dissector(name="wireshark", version=self.version)
        self._sources = [source for given in sources for source in expand(given)]
        self.files = [source_name(source) for source in self._sources]
        self.formats = [f"read by Wireshark's dissector (tshark {self.version})"]
        self.problems: list[CaptureProblem] = []
        self.packets = 0
        self.bytes = 0
        self.first_time_ns: int | None = None
        self.last_time_ns: int | None = None
        self.recording = Recording()
        self.links: list[int] = []
        self.wrappings = Wrappings()
        self._keylogs = keylogs
        self.fields: dict[int, tuple[Field, ...]] = {}
        """By flow: what Wireshark's dissector says of its handshake."""
        self._directions: dict[Sender, Direction] = {}
        self._streams: dict[int, int] = {}

    @property
    def end_time_ns(self) -> int:
        """Time of the last packet, in nanoseconds since 1970; 0 without any."""
        return self.last_time_ns or 0

    def read(
        self, progress: Callable[[int, int], None] | None = None, *, ports: Mapping[int, str] | None = None
    ) -> Flows:
        """All connections; the consumer of each direction holds what Wireshark saw of it. See `dissected`."""
        flows = Flows(_all, _passing)
        with _one_file(self._sources) as path, _one_log(self._keylogs) as logs:
            total = path.stat().st_size
            stopped: list[str] = []
            for batch in _batches(dissected(path, keylogs=logs, ports=ports, problems=stopped)):
                self._take(batch, flows)
                if progress is not None:
                    progress(min(self.bytes, total), total)
        self.problems += [CaptureProblem(code="dissector-stopped", text=text) for text in stopped]
        flows.finish()
        self._put_in_place(flows)
        return flows

    def _take(self, batch: list[Packet], flows: Flows) -> None:
        for packet in batch:
            self.packets += 1
            self.bytes += packet.length
            self.first_time_ns = packet.time_ns if self.first_time_ns is None else self.first_time_ns
            self.last_time_ns = packet.time_ns
            if packet.stream is None or packet.segment is None or packet.segment.quoted:
                continue
            self._streams.setdefault(packet.stream, packet.number)
            sender = (packet.stream, packet.segment.source, int.from_bytes(packet.segment.tcp[:2], "big"))
            self._directions.setdefault(sender, Direction()).take(packet)
        carried = [(packet, packet.segment) for packet in batch if packet.segment is not None]
        columns = (
            np.array([packet.number for packet, _ in carried], dtype=np.int64),
            np.array([packet.time_ns for packet, _ in carried], dtype=np.int64),
            np.array([packet.length for packet, _ in carried], dtype=np.int64),
            np.array([self.wrappings.stack(0, segment.layers) for _, segment in carried], dtype=np.int64),
        )
        segments = inner_segments(np.zeros(0, dtype=np.uint8), [segment for _, segment in carried], *columns)
        self.wrappings.note(segments)
        flows.add(segments)

    def _put_in_place(self, flows: Flows) -> None:
        """Give each direction of a flow what Wireshark saw of it; a connection is known by its first packet."""
        rows = flows.table.read(0, len(flows.table))
        flow_of = {row.first_packet: flow for flow, row in enumerate(rows)}
        lost = 0
        for (number, address, port), direction in self._directions.items():
            flow = flow_of.get(self._streams[number])
            ends = _ends(rows[flow]) if flow is not None else []
            if flow is None or (address, port) not in ends:
                lost += 1
                continue
            self.fields[flow] = (*self.fields.get(flow, ()), *direction.fields)
            stream = flows.streams.get(flow * 2 + ends.index((address, port)))
            if stream is not None and isinstance(stream.consumer, _Passing):
                direction.seen.lost = stream.consumer.lost
                stream.consumer = direction
        for stream in flows.streams.values():
            if isinstance(stream.consumer, _Passing):
                stream.consumer = Direction()
        if lost:
            text = f"{lost} directions of Wireshark's streams fit no connection as counted here, and were left out"
            self.problems.append(CaptureProblem(code="unmatched-streams", text=text, severity="warning"))


class _Passing:
    """The consumer of one direction's bytes: passes them all, for Wireshark has read them."""

    def __init__(self) -> None:
        self.wanted = 0
        self.lost: list[Lost] = []
        self._latest = 0

    def feed(self, run: Run) -> None:
        """Take the next run."""
        self.wanted = run.end
        self._latest = run.packet_at(run.end - 1)

    def gap(self, start: int, size: int, cut: Cut | None = None) -> None:
        """Remember bytes that are missing."""
        self.wanted = start + size
        self.lost.append(Lost(start, size, self._latest, cut=cut is not None))

    def finish(self) -> SideRecords:
        """Only what is missing."""
        return SideRecords(lost=self.lost)


def _batches(packets: Iterator[Packet]) -> Iterator[list[Packet]]:
    batch: list[Packet] = []
    for packet in packets:
        batch.append(packet)
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _all(data: NDArray[np.uint8], at: NDArray[np.int64], captured: NDArray[np.int64]) -> NDArray[np.bool_]:  # noqa: ARG001
    """Every payload may be the beginning of TLS: Wireshark decides that."""
    return np.ones(len(at), dtype=bool)


def _passing(flow: int, side: int) -> _Passing:  # noqa: ARG001
    return _Passing()


def _ends(row: FlowRow) -> list[tuple[bytes, int]]:
    """Address and port of both sides."""
    return [(_packed(row.high[side], row.low[side]), row.port[side]) for side in (0, 1)]


def _packed(high: int, low: int) -> bytes:
    if high == IPV4_HIGH and low < 1 << 32:
        return low.to_bytes(4, "big")
    return (high << 64 | low).to_bytes(16, "big")


@contextmanager
def _one_file(sources: Sequence[Source]) -> Iterator[Path]:
    """One file that holds the captures: the only one, or a temporary one."""
    if len(sources) == 1 and isinstance(sources[0], (str, Path)) and str(sources[0]) != "-":
        path = Path(sources[0])
        if not path.is_file():
            raise InputError(str(path), "there is no such file")
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "capture")
        if len(sources) == 1:
            with path.open("wb") as copy:
                stream = sources[0]
                copyfileobj(sys.stdin.buffer if isinstance(stream, (str, Path)) else stream, copy)
        else:
            _merge(sources, path)
        yield path


def _merge(sources: Sequence[Source], path: Path) -> None:
    program = which("mergecap")
    if program is None or not all(isinstance(source, (str, Path)) and str(source) != "-" for source in sources):
        hint = "Merge them with Wireshark's `mergecap -w OUT IN …`, and name that"
        raise InputError("--dissector", "several captures cannot be merged here", hint=hint)
    names = [str(Path(str(source)).absolute()) for source in sources]
    try:
        done = subprocess.run(
            [program, "-w", str(path), *names], capture_output=True, text=True, timeout=_MERGE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise InputError("--dissector", f"mergecap did not end within {_MERGE_SECONDS} seconds") from None
    if done.returncode:
        raise InputError("--dissector", f"mergecap failed: {done.stderr.strip()[:200]}")


@contextmanager
def _one_log(keylogs: Sequence[str | Path]) -> Iterator[tuple[str, ...]]:
    """The key logs as one file, for Wireshark takes no more."""
    if len(keylogs) <= 1:
        yield tuple(str(Path(name).absolute()) for name in keylogs)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "keys.log")
        path.write_bytes(b"\n".join(Path(name).read_bytes() for name in keylogs))
        yield (str(path),)
