"""Opening captures: files, directories, standard input, open binary files; compressed or not.

This is the one module of the stage that does I/O. Compression is recognised by content. The bytes go through one
buffer that is used again and again, so memory does not grow with the capture.
"""

from __future__ import annotations

import glob
import io
import mmap
import os
import re
import select
import stat
import sys
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import PADDING, CaptureProblem, PacketBatch, Recording, Secrets, no_packets
from analyzer.capture.completeness import Completeness
from analyzer.capture.merging import CaptureFile, in_time_order
from analyzer.capture.pcap import PcapParser
from analyzer.capture.pcapng import PcapngParser
from analyzer.errors import InputError

if TYPE_CHECKING:
    from analyzer.capture.foreign import Conversion

__all__ = ["COMPRESSIONS", "CaptureReader", "Parser", "Place", "Source", "expand", "first_time", "recognise"]

Source = str | Path | BinaryIO

_CHUNK: Final = 8 << 20
"""Bytes read at a time: large enough that work on columns pays, small enough to stay in a processor's cache."""
_MAX_WINDOW: Final = 64 << 20
_ROWS: Final = 3 << 14
"""Bytes mapped at a time at most, and packets in them wished for: so that columns pay, and stay in the cache."""
_REST: Final = 2.0
"""Seconds since a file was last written to after which it is taken for finished."""
_PATIENCE: Final = 0.02
"""Seconds to wait for more from a pipe before what is there is analysed: a live capture is answered at once."""
_AT_MOST: Final = 0.25
"""Seconds after which what has come is analysed though more comes all the time."""
_PAUSE: Final = 0.5
"""Seconds without a byte after which a stream is taken for live: its writer waits for packets."""
_YOUNG_NS: Final = 5_000_000_000
"""Packets of a stream that are younger than this are being captured now."""
_HEAD: Final = 64

COMPRESSIONS: Final = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
}
_PCAP_ITSELF: Final = ("pcap", "nsecpcap", "modpcap", "unknown", "")
_CONVERT: Final = (
    "Wireshark's editcap, when installed (Debian, Ubuntu: apt-get install wireshark-common), converts it unasked; "
    "elsewhere run `editcap -F pcapng IN OUT`. Or name --dissector wireshark"
)
_OTHER_FORMATS: Final = {
    b"snoop\x00\x00\x00": "a Solaris snoop capture",
    b"RTSS": "a Microsoft Network Monitor 1 capture",
    b"GMBU": "a Microsoft Network Monitor 2 capture",
    b"TRSNIFF data": "a Sniffer capture",
    b"XCP\x00": "a NetXRay or Windows Sniffer capture",
    b"VL\x00\x00": "an old NetXRay capture",
    b"TR\x00\x64": "an HP-UX nettl trace",
    b"iptrace": "an AIX iptrace capture",
    b"\xaa\xaa\xaa\xaa": "a 5View capture",
    b"\x05VNF": "a Visual Networks capture",
    b"\x01\x10\x4c\x00": "a Novell LANalyzer capture",
    b"\x7fver": "an OmniPeek capture",
    b"ObserverPktBuff": "an Observer capture",
    b"LOGG": "a Vector BLF log",
    b"TTL ": "a TTL log of TTTech",
    b"btsnoop\x00": "a Bluetooth snoop log",
    b"\x00\x00\x02\x00\x12\x05\x00\x10": "a Tektronix K12 capture",
    b"NetScaler": "a NetScaler trace",
    b"EyeSDN": "an EyeSDN trace",
}
_KEY_LOG: Final = "a TLS key log", "Name it with --keylog, and the capture that it belongs to as CAPTURE"
_OTHER_INPUTS: Final = {
    b"-----BEGIN ": (
        "a PEM file",
        "Certificates are given with --truststore or --server-chain, a server's private key with --keylog",
    ),
    b"\xfe\xed\xfe\xed": ("a Java key store", "Name it with --truststore"),
    b"# SSL/TLS secrets log": _KEY_LOG,
    b"CLIENT_RANDOM ": _KEY_LOG,
    b"CLIENT_HANDSHAKE_TRAFFIC_SECRET ": _KEY_LOG,
    b"CLIENT_TRAFFIC_SECRET_0 ": _KEY_LOG,
    b"SERVER_HANDSHAKE_TRAFFIC_SECRET ": _KEY_LOG,
    b"SERVER_TRAFFIC_SECRET_0 ": _KEY_LOG,
}
"""What is given to other options: how it begins, what it is, and where it belongs."""
_ARCHIVES: Final = {b"PK\x03\x04": "a zip archive", b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive", b"Rar!": "a RAR archive"}


class Parser(Protocol):
    """What takes the bytes of a capture's format, and gives packets."""

    name: str
    problems: list[CaptureProblem]
    stopped: bool

    def parse(
        self, data: NDArray[np.uint8], start: int, end: int, number: int, file_offset: int, final: bool
    ) -> tuple[list[PacketBatch], int]:
        """See `PcapParser.parse`."""


class Place:
    """Where a file stands among all: packets of the files before it, and its own so far."""

    def __init__(self, before: int) -> None:
        self.before = before
        self.packets = 0


class CaptureReader:
    """Reads one or several captures as one: frame numbers run on from file to file.

    Several files are taken in the order of their first packets, as a ring buffer has them, and those that were recorded
    side by side in the order of all their packets, as `mergecap` has them. Iterate
    over `batches()` once; the other attributes are complete when it has ended. A file that cannot be used is a
    problem; when none can, `batches()` raises `InputError`. `progress` is called with (bytes read, bytes in all
    or 0 when unknown) after each chunk.

    With `until` streams (standard input, pipes) are followed: an empty batch marks each half second in which nothing
    came, and reading ends, as if the stream had, when it gives true. `live` tells whether a stream was found to be
    captured right now, `now_ns` what time it is in the capture.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        progress: Callable[[int, int], None] | None = None,
        beside: Sequence[Sequence[str]] = (),
        until: Callable[[], bool] | None = None,
    ) -> None:
        """`beside` are the names of files that were recorded side by side."""
        self._beside = beside
        self.files: list[str] = []
        self.formats: list[str] = []
        self.problems: list[CaptureProblem] = []
        self.secrets: list[Secrets] = []
        self.packets = 0
        self.bytes = 0
        self.first_time_ns: int | None = None
        self.last_time_ns: int | None = None
        self._completeness = Completeness()
        self.links: list[int] = []
        self.source: tuple[tuple[str, ...], int] = (), 0
        """The names of the files that the last batch is from, and how many packets came before these."""
        self.live = False
        self._until = until
        self._counted_at = time.monotonic_ns()
        self._sources = sources
        self._progress = progress
        self._total = 0
        self._several = False

    @property
    def can_be_read_again(self) -> bool:
        """Whether the sources are files, not streams."""
        return all(
            isinstance(source, (str, Path)) and str(source) != "-" and not stat.S_ISFIFO(_mode(Path(source)))
            for source in self._sources
        )

    @property
    def recording(self) -> Recording:
        """What the recorder left out."""
        return self._completeness.recording

    @property
    def end_time_ns(self) -> int:
        """Until when was recorded, in nanoseconds since 1970, by a clock that may have been set back; 0 if unknown."""
        return self._completeness.end_time_ns

    @property
    def now_ns(self) -> int:
        """The time of the last packet, and what has passed since it was read; nanoseconds since 1970."""
        return (self.last_time_ns or 0) + time.monotonic_ns() - self._counted_at

    def batches(self) -> Iterator[PacketBatch]:
        """All packets of all files, in batches; a batch is valid until the next is asked for."""
        failures: list[InputError] = []
        sources: list[Source] = []
        for given in self._sources:
            try:
                sources += expand(given)
            except InputError as error:
                self._fail(error, failures)
        self._several = len(sources) > 1
        if self._several:
            timed = [(first_time(source), _in_number_order(source), source) for source in sources]
            timed.sort(key=lambda item: item[:2])
        else:
            timed = [(0, [], source) for source in sources]
        self._total = sum(_size(source) for source in sources)
        for names, files in self._in_groups(timed, failures):
            if self.files and self._is_to_end():
                break
            self.source = names, self.packets
            yield from map(self._count, in_time_order(files) if len(files) > 1 else files[0].batches)
        self.problems += self._completeness.problems(self.packets)
        if not self.files:
            raise failures[0] if failures else InputError("-", "no capture was named")

    def _in_groups(
        self, timed: Sequence[tuple[int, object, Source]], failures: list[InputError]
    ) -> Iterator[tuple[tuple[str, ...], list[CaptureFile]]]:
        """The files in order, those that were recorded side by side together, each with its name."""
        groups: dict[int, list[tuple[str, CaptureFile]]] = {}
        for place, (time_ns, _, source) in enumerate(timed):
            name = source_name(source)
            beside = next((number for number, names in enumerate(self._beside, len(timed)) if name in names), place)
            groups.setdefault(beside, []).append((name, CaptureFile(time_ns, self._usable(source, failures))))
        for members in groups.values():
            files = [file for _, file in members]
            if len(files) > 1:  # nobody waits for the pauses of one stream while there are others
                files = [CaptureFile(file.first_time_ns, filter(len, file.batches)) for file in files]
            yield tuple(name for name, _ in members), files

    def _usable(self, source: Source, failures: list[InputError]) -> Iterator[PacketBatch]:
        try:
            yield from self._read(source)
        except InputError as error:
            self._fail(error, failures)

    def _fail(self, error: InputError, failures: list[InputError]) -> None:
        failures.append(error)
        self.problems.append(CaptureProblem(code="unreadable-capture", text=str(error)))

    def _read(self, source: Source) -> Iterator[PacketBatch]:
        name = source_name(source)
        place = Place(self.packets)
        with _open(source, name) as opened:
            followed = self._until is not None and _is_pipe(opened)
            if followed:
                opened = cast("IO[bytes]", _Interruptible(opened, self._is_to_end))
            stream, head, compression = _decompressed(opened, name)
            try:
                parser = recognise(head, name)
            except InputError as error:
                if not head or _other_input(head) is not None:
                    raise
                yield from self._read_converted(source, stream, compression, error)
                return
            if not compression and _is_variant(parser, opened) and (yield from self._read_variant(source)):
                return
            if isinstance(parser, PcapngParser):
                parser.secrets = self.secrets  # they are here as soon as they were read
            self.files.append(name)
            self.formats.append(parser.name + (f" ({compression})" if compression else ""))
            done = 0
            if not compression and (size := _size_at_rest(opened)) > _CHUNK:
                done = yield from self._mapped(opened, size, parser, place)
                stream = opened
            # What a decompressor holds back does not show in the pipe.
            yield from self._chunks(stream, parser, name, place, done, followed=followed and not compression)
        self._end_file(parser, name, place)

    def _end_file(self, parser: Parser, name: str, place: Place) -> None:
        found = [*parser.problems, *self._completeness.end_file(getattr(parser, "dropped", 0))]
        self.problems += [self._located(problem, name, place) for problem in found]

    def _is_over(self, parser: Parser) -> bool:
        return parser.stopped or self._is_to_end()

    def _is_to_end(self) -> bool:
        return self._until is not None and self._until()

    def _read_converted(
        self, source: Source, stream: IO[bytes], compression: str, error: InputError
    ) -> Iterator[PacketBatch]:
        """The batches of a file in a format that only Wireshark reads. Raises `error` when it does not, either."""
        from analyzer.capture.foreign import converted

        plain = isinstance(source, (str, Path)) and not compression and not _is_stream(source)
        with converted(Path(cast("str | Path", source)) if plain else stream, _read_errors()) as conversion:
            if conversion.told and conversion.file is None:
                why = f"{error.reason}; editcap takes it for {conversion.format}, and says: {conversion.told}"
                raise InputError(source_name(source), why, hint=error.hint)
            if not (yield from self._conversion(source, conversion, compression)):
                raise error

    def _read_variant(self, source: Source) -> Generator[PacketBatch, None, bool]:
        """The batches of a file that begins as pcap does and goes on otherwise, where Wireshark knows its kind."""
        from analyzer.capture.foreign import converted, format_name

        path = Path(cast("str | Path", source))
        if format_name(path) in _PCAP_ITSELF:
            return False
        with converted(path) as conversion:
            if conversion.told:
                return False  # it is damaged, whatever it may be
            return (yield from self._conversion(source, conversion, ""))

    def _conversion(
        self, source: Source, conversion: Conversion, compression: str
    ) -> Generator[PacketBatch, None, bool]:
        """The batches of a converted file, and whether there were any."""
        name, place = source_name(source), Place(self.packets)
        if conversion.file is None:
            return False
        parser = PcapngParser()
        parser.secrets = self.secrets
        yield from self._chunks(conversion.file, cast("Parser", parser), name, place, 0)
        if not place.packets:
            return False
        self.files.append(name)
        how = f"{compression}, converted by editcap" if compression else "converted by editcap"
        self.formats.append(f"{conversion.format or 'a format of Wireshark'} ({how})")
        if conversion.told:
            text = f"editcap did not convert all of it: {conversion.told}"
            parser.problems.append(CaptureProblem(code="converted-in-part", text=text, packet=place.packets))
        self._end_file(cast("Parser", parser), name, place)
        return True

    def _located(self, problem: CaptureProblem, name: str, place: Place) -> CaptureProblem:
        """A problem of one file among several: its text counts in the file and names it, `packet` counts over all."""
        alone = self.packets == place.before + place.packets
        return CaptureProblem(
            code=problem.code,
            text=f"{name}: {problem.text}" if self._several else problem.text,
            packet=problem.packet + place.before if problem.packet is not None and alone else None,
            severity=problem.severity,
        )

    def _mapped(self, file: IO[bytes], size: int, parser: Parser, place: Place) -> Generator[PacketBatch, None, int]:
        """The batches of a file but for its last bytes, read where the system keeps them; gives how far it came."""
        from analyzer.capture.mapped import MappedFile

        position = 0
        window = _CHUNK
        mapped = MappedFile(file)
        try:
            while size - position > _CHUNK and not self._is_over(parser) and _size_at_rest(file) == size:
                begin = position - position % mmap.ALLOCATIONGRANULARITY
                length = min(window, size - begin)
                try:
                    data = mapped.window(begin, length)
                except (OSError, ValueError):
                    break
                number = place.packets + 1
                batches, reached = parser.parse(data, position - begin, length - PADDING, number, position, final=False)
                taken = begin + reached - position
                if not taken:
                    break
                # Nothing here holds on to these bytes while the next ones are read: of two windows one is resident.
                del data
                packets = sum(map(len, batches))
                window = min(max(_ROWS * taken // max(packets, 1), _CHUNK // 2), _MAX_WINDOW)
                mapped.expect(begin + length, min(position + taken + window, size))
                while batches:
                    place.packets += len(batches[0])
                    yield batches.pop()
                position += taken
                self.bytes += taken
                if self._progress is not None:
                    self._progress(self.bytes, self._total)
        finally:
            mapped.close()
        file.seek(position)
        return position

    def _chunks(
        self, stream: IO[bytes], parser: Parser, name: str, place: Place, done: int, *, followed: bool = False
    ) -> Iterator[PacketBatch]:
        """The batches of a stream of which `done` bytes have been read.

        One that is `followed` is waited for, half a second at a time.
        """
        size = _CHUNK
        buffer = np.zeros(size + PADDING, dtype=np.uint8)
        filled = 0
        file_offset = done
        final = False
        while not final and not self._is_over(parser):
            # The first bytes were taken already, and are not waited for.
            while followed and filled + file_offset and not self._is_to_end() and not _is_ready(stream, _PAUSE):
                self.live |= place.packets > 0
                yield no_packets(self.packets + 1)
            if followed and self._is_to_end():
                return  # nor is it damage that a packet is cut where somebody ended the reading
            try:
                count = _fill(stream, memoryview(buffer.data)[filled:size])
            except _read_errors() as error:
                count = 0
                self.problems.append(
                    CaptureProblem(
                        code="damaged-compression",
                        text=f"{name}: the compressed data ends early or is damaged after "
                        f"{file_offset + filled} bytes of capture ({error}); what came before it was read",
                        packet=self.packets or None,
                    )
                )
            final = count == 0
            filled += count
            self.bytes += count
            batches, position = parser.parse(buffer, 0, filled, place.packets + 1, file_offset, final)
            for batch in batches:
                place.packets += len(batch)
                newest = max(self.last_time_ns or 0, int(batch.time_ns.max()))
                self.live |= followed and time.time_ns() - newest < _YOUNG_NS
                yield batch
            if self._progress is not None:
                self._progress(self.bytes, self._total)
            carry = filled - position
            if carry > size // 2:
                size *= 2
                grown = np.zeros(size + PADDING, dtype=np.uint8)
                grown[:carry] = buffer[position:filled]
                buffer = grown
            else:
                buffer[:carry] = buffer[position:filled].copy()
            file_offset += position
            filled = carry

    def _count(self, batch: PacketBatch) -> PacketBatch:
        if not len(batch):
            return batch
        if batch.first_number != self.packets + 1:
            batch = PacketBatch(
                first_number=self.packets + 1,
                data=batch.data,
                offset=batch.offset,
                captured=batch.captured,
                original=batch.original,
                time_ns=batch.time_ns,
                link=batch.link,
                heads=batch.heads,
            )
        self.packets += len(batch)
        self._counted_at = time.monotonic_ns()
        times = batch.time_ns[batch.link >= 0]
        self._completeness.take(batch)
        if len(times):
            first, last = int(times.min()), int(times.max())
            self.first_time_ns = first if self.first_time_ns is None else min(first, self.first_time_ns)
            self.last_time_ns = last if self.last_time_ns is None else max(last, self.last_time_ns)
        if int(batch.link[0]) not in self.links or (batch.link != batch.link[0]).any():
            found = sorted(set(batch.link.tolist()))
            self.links += [link for link in found if link >= 0 and link not in self.links]
        return batch


def expand(source: Source) -> list[Source]:
    """A directory or a pattern replaced by the captures in it; anything else as it is.

    In a directory, files that are no captures are passed over. Raises `InputError` when nothing is left.
    """
    if not isinstance(source, (str, Path)) or str(source) == "-":
        return [source]
    path = Path(source)
    mode = _mode(path)
    if stat.S_ISDIR(mode):
        try:
            inside: list[Source] = [p for p in sorted(path.iterdir()) if p.is_file() and _is_capture(p)]
        except OSError as error:
            raise InputError(str(path), f"the directory cannot be read: {error.strerror or error}") from None
        if not inside:
            raise InputError(str(path), "the directory holds no capture", hint="Name the capture file itself")
        return inside
    if not mode and glob.has_magic(str(path)):
        matches = sorted(glob.glob(str(path)))  # noqa: PTH207 - Path.glob takes no absolute pattern
        if not matches:
            raise InputError(str(path), "no file matches this pattern")
        return [Path(match) for match in matches]
    return [path]


def source_name(source: Source) -> str:
    """The name by which messages call a source: its path, or `-` for a stream."""
    if isinstance(source, (str, Path)):
        return str(source)
    name = getattr(source, "name", "-")
    return name if isinstance(name, str) else "-"


def _size_at_rest(file: IO[bytes]) -> int:
    """The size of a plain file that nobody is writing; else 0.

    A mapped file must not be cut short by somebody while it is read (as a ring buffer's may be): that would end the
    process. Files written to a moment ago are read in the ordinary way.
    """
    if not isinstance(file, io.FileIO):
        return 0
    status = os.fstat(file.fileno())
    at_rest = time.time() - status.st_mtime > _REST
    return status.st_size if stat.S_ISREG(status.st_mode) and at_rest else 0


def _open(source: Source, name: str) -> IO[bytes]:
    if not isinstance(source, (str, Path)):
        return cast("IO[bytes]", _Unclosed(source))
    if name == "-":
        if sys.stdin is None:
            raise InputError("-", "standard input is closed")
        return cast("IO[bytes]", _Unclosed(sys.stdin.buffer))
    try:
        return Path(source).open("rb", buffering=0)
    except FileNotFoundError:
        raise InputError(name, "there is no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(name, f"the file cannot be opened: {getattr(error, 'strerror', None) or error}") from None


class _Unclosed(io.RawIOBase):
    """A stream that belongs to somebody else: read it, do not close it."""

    def __init__(self, stream: Any) -> None:
        super().__init__()
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any, /) -> int:
        """Fill `target` as far as bytes are there; 0 at the end."""
        read = getattr(self._stream, "read1", None) or self._stream.read
        data = read(len(target)) or b""
        target[: len(data)] = data
        return len(data)

    def fileno(self) -> int:
        return int(self._stream.fileno())


class _Interruptible(io.RawIOBase):
    """A pipe that ends when its writer does, or when it is `to_end`."""

    def __init__(self, stream: IO[bytes], to_end: Callable[[], bool]) -> None:
        super().__init__()
        self._stream = stream
        self._to_end = to_end

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any, /) -> int:
        """Fill `target` as far as bytes are there; 0 at the end."""
        while not _is_ready(self._stream, _PAUSE):
            if self._to_end():
                return 0
        return int(self._stream.readinto(target) or 0)  # type: ignore[attr-defined]

    def fileno(self) -> int:
        return self._stream.fileno()


class _Joined(io.RawIOBase):
    """A stream whose first bytes were taken already, put together again."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        super().__init__()
        self._head = head
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any, /) -> int:
        """Fill `target`: the taken bytes first, then from the stream."""
        if self._head:
            count = min(len(self._head), len(target))
            target[:count] = self._head[:count]
            self._head = self._head[count:]
            return count
        return int(self._stream.readinto(target) or 0)  # type: ignore[attr-defined]

    def fileno(self) -> int:
        return self._stream.fileno()


def _decompressed(stream: IO[bytes], name: str) -> tuple[IO[bytes], bytes, str]:
    """The stream without its compression, its first bytes, and the compression's name (or empty)."""
    head = _take(stream, _HEAD, name)
    joined: IO[bytes] = cast("IO[bytes]", _Joined(head, stream))
    compression = next((kind for magic, kind in COMPRESSIONS.items() if head.startswith(magic)), "")
    if not compression:
        return joined, head, ""
    # Read in single steps, so that what was unpacked before damage is not lost with it.
    plain = cast("IO[bytes]", _Unclosed(_decompressor(compression, joined)))
    inner = _take(plain, _HEAD, name)
    if not inner:
        raise InputError(name, f"its {compression} data holds nothing, or ends before the first whole block")
    return cast("IO[bytes]", _Joined(inner, plain)), inner, compression


def _decompressor(compression: str, stream: IO[bytes]) -> IO[bytes]:
    if compression == "gzip":
        import gzip

        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
    if compression == "xz":
        import lzma

        return cast("IO[bytes]", lzma.LZMAFile(stream))
    if compression == "bzip2":
        import bz2

        return cast("IO[bytes]", bz2.BZ2File(stream))
    import zstandard

    return cast("IO[bytes]", zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True))


def _read_errors() -> tuple[type[Exception], ...]:
    """What reading a damaged stream may raise (bz2 a RuntimeError, when it is read again after a first error)."""
    import lzma
    import zlib

    errors: tuple[type[Exception], ...] = (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError, RuntimeError)
    zstandard = sys.modules.get("zstandard")
    return (*errors, zstandard.ZstdError) if zstandard is not None else errors


def _take(stream: IO[bytes], count: int, name: str) -> bytes:
    taken = b""
    try:
        while len(taken) < count:
            more = stream.read(count - len(taken))
            if not more:
                break
            taken += more
    except _read_errors() as error:
        if not taken:
            raise InputError(name, f"the file cannot be read or unpacked: {error}") from None
    return taken


def _fill(stream: IO[bytes], target: memoryview) -> int:
    """Read into `target`; 0 only at the end of the stream."""
    readinto = stream.readinto  # type: ignore[attr-defined]
    filled = 0
    began = time.monotonic()
    while filled < len(target):
        try:
            count = readinto(target[filled:])
        except _read_errors():
            if filled:
                break  # the next call meets the error again
            raise
        if not count:
            break
        filled += count
        if not _is_ready(stream, _PATIENCE) or time.monotonic() - began > _AT_MOST:
            break
    return filled


def _is_ready(stream: IO[bytes], patience: float) -> bool:
    """Whether a read will not block, after some seconds at most; always for what is no pipe, socket or terminal."""
    try:
        descriptor = stream.fileno()
        return bool(select.select([descriptor], [], [], patience)[0])
    except (OSError, ValueError, AttributeError, io.UnsupportedOperation):
        return True


def _is_pipe(stream: IO[bytes]) -> bool:
    """Whether somebody writes at the other end: a pipe, a socket or a terminal."""
    try:
        return not stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError, AttributeError, io.UnsupportedOperation):
        return False


def recognise(head: bytes, name: str) -> Parser:
    """The parser for a file that begins so. Raises `InputError` for what is no capture, and says what it is."""
    if PcapParser.recognises(head):
        return cast("Parser", PcapParser())
    if PcapngParser.recognises(head):
        return cast("Parser", PcapngParser())
    if not head:
        raise InputError(name, "the file is empty", hint="Was the capture stopped before a packet was written?")
    for magic, what in (*_OTHER_FORMATS.items(), *_ARCHIVES.items()):
        if head.startswith(magic):
            hint = "Unpack it first" if magic in _ARCHIVES else _CONVERT
            raise InputError(name, f"this is {what}, which cannot be read directly", hint=hint)
    if (other := _other_input(head)) is not None:
        what, hint = other
        raise InputError(name, f"this is {what}, not a packet capture", offset=0, hint=hint)
    if _may_be_erf(head):
        raise InputError(name, "this may be an Endace ERF capture, which cannot be read directly", hint=_CONVERT)
    if all(32 <= byte < 127 or byte in b"\r\n\t" for byte in head):
        shown = head[:24].decode("ascii").split("\n")[0].strip()
        raise InputError(
            name,
            f"this is a text file (it begins {shown!r}), not a packet capture",
            offset=0,
            hint="Record with `tcpdump -s 0 -w FILE`; text printed by tcpdump or Wireshark holds no certificates. "
            f"A trace in text that Wireshark opens: {_CONVERT}",
        )
    raise InputError(
        name,
        f"this is neither pcap nor pcapng (its first bytes are {head[:4].hex(' ')})",
        offset=0,
        hint=f"If it is a format that Wireshark opens: {_CONVERT}",
    )


def _other_input(head: bytes) -> tuple[str, str] | None:
    return next((told for magic, told in _OTHER_INPUTS.items() if head.startswith(magic)), None)


def _may_be_erf(head: bytes) -> bool:
    """Whether a file may begin with an ERF record, which has no magic: time, type, flags, lengths (big-endian)."""
    if len(head) < 16:
        return False
    seconds, kind = int.from_bytes(head[4:8], "little"), head[8] & 0x7F
    record, wire = int.from_bytes(head[10:12], "big"), int.from_bytes(head[14:16], "big")
    sound = 0 < kind <= _ERF_TYPES and 0 < wire <= _ERF_LONGEST and 16 <= record <= wire + 16 + _ERF_EXTRA
    return _ERF_SECONDS[0] < seconds < _ERF_SECONDS[1] and sound


_ERF_SECONDS: Final = (946_684_800, 2_208_988_800)
"""From 2000 to 2040."""
_ERF_TYPES: Final = 48
_ERF_LONGEST: Final = 10_000
_ERF_EXTRA: Final = 64
"""Bytes of extension headers and padding."""


def _is_variant(parser: Parser, file: IO[bytes]) -> bool:
    """Whether a pcap file has no sound records from the beginning: some wrote longer headers without saying so."""
    if not isinstance(parser, PcapParser) or not isinstance(file, io.FileIO):
        return False
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        return False
    head = os.pread(file.fileno(), _VARIANT_HEAD, 0)
    trial = PcapParser()
    batches, _ = trial.parse(np.frombuffer(head + bytes(PADDING), dtype=np.uint8), 0, len(head), 1, 0, final=False)
    return trial.stopped and sum(map(len, batches)) <= _VARIANT_PACKETS


_VARIANT_HEAD: Final = 1 << 15
_VARIANT_PACKETS: Final = 3
"""Records that may look sound before one does not."""


def _is_capture(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError:
        return False
    return (
        PcapParser.recognises(head)
        or PcapngParser.recognises(head)
        or any(head.startswith(magic) for magic in _OTHER_FORMATS)
        or (any(head.startswith(magic) for magic in COMPRESSIONS) and first_time(path) < sys.maxsize)
    )


def _is_stream(source: Source) -> bool:
    """Whether what is read is gone: a stream, standard input, a named pipe (which a shell's `<(...)` is too)."""
    if not isinstance(source, (str, Path)) or str(source) == "-":
        return True
    mode = _mode(Path(source))
    return mode != 0 and not stat.S_ISREG(mode)


def _mode(path: Path) -> int:
    """What kind of file a path is, as `stat` has it; 0 when there is none, or none that we may look at."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return 0


def first_time(source: Source) -> int:
    """Time of a file's first packet in nanoseconds; files without one come last, streams first."""
    if _is_stream(source):
        return -1
    name = str(source)
    try:
        with _open(source, name) as opened:
            stream, head, _ = _decompressed(opened, name)
            parser = recognise(head, name)
            buffer = np.zeros((1 << 18) + PADDING, dtype=np.uint8)
            filled = _fill(stream, memoryview(buffer.data)[: 1 << 18])
            batches, _ = parser.parse(buffer, 0, filled, 1, 0, False)
            return int(batches[0].time_ns[0]) if batches else sys.maxsize
    except InputError:
        return sys.maxsize
    except _read_errors():
        return sys.maxsize


def _in_number_order(source: Source) -> list[tuple[int, str]]:
    """What sorts file names as people number them: `ring.pcap9` before `ring.pcap10`."""
    if not isinstance(source, (str, Path)):
        return []
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"([0-9]{1,18})", str(source))]


def _size(source: Source) -> int:
    """Bytes of a file, 0 where that is unknown (a stream, a compressed file)."""
    if _is_stream(source):
        return 0
    try:
        with Path(cast("str | Path", source)).open("rb") as stream:
            head = stream.read(6)
            compressed = any(head.startswith(magic) for magic in COMPRESSIONS)
            return 0 if compressed else os.fstat(stream.fileno()).st_size
    except (OSError, ValueError):
        return 0
