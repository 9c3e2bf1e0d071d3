"""Captures to flows: by the native reading, or by Wireshark's dissectors; and the keys that open what is encrypted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from analyzer.dataclass import dataclass
from analyzer.errors import InputError
from analyzer.inputs import Paths, as_paths, keys_of, sizes_of
from analyzer.net.flows import Flows
from analyzer.net.points import CapturePoint, CapturePoints
from analyzer.report.model import EMBEDDED_SECRETS, Dissector, InputProblem
from analyzer.tls.columns import RecordColumns
from analyzer.tls.connection import Connection
from analyzer.tls.records import RecordReader

if TYPE_CHECKING:
    from analyzer.capture import CaptureReader
    from analyzer.capture.batch import CaptureProblem, Recording, Secrets
    from analyzer.net.decode import SegmentDecoder
    from analyzer.net.wrappings import Wrappings
    from analyzer.report.decryption import Tally
    from analyzer.tls.sealed import KeyRing, Lookup
    from analyzer.wireshark.reader import WiresharkReading

__all__ = ["Follower", "Keys", "Reading", "Source", "Unwatched", "Watcher", "problems_of", "read"]

_SWEEP_EVERY: Final = 200_000
"""Packets after which connections that have ended are looked for."""

_FALLS_BACK: Final = "a client that speaks HTTP/3 takes TCP where UDP port 443 is closed to it (curl: with --http2)"

Source = str | Path | BinaryIO


class Watcher(Protocol):
    """What is done with connections while captures are read."""

    def start(self, keys: Keys, wrappings: Wrappings, recording: Callable[[], Recording]) -> None:
        """The captures are read from their beginning: once, or once more.

        `wrappings` are those of the connections as far as packets were read, `recording` what the recorder left out.
        """

    def begin(self, flows: Flows, columns: RecordColumns) -> None:
        """There is another point where captures were taken, with connections of its own."""

    def sweep(self, now_ns: int) -> bool:
        """Take the connections that have ended by a time of the capture (ns since 1970); whether there were any.

        Only while there is one point.
        """


class Follower(Protocol):
    """What follows a capture that is still being written."""

    ring: bool

    def reader(
        self,
        sources: Sequence[Source],
        progress: Callable[[int, int], None] | None,
        beside: Sequence[Sequence[str]],
    ) -> CaptureReader:
        """The reader of the captures, see `CaptureReader`; an empty batch of it marks a pause."""

    def look(self, now_ns: int) -> None:
        """Look at the connections at a time of the capture, in nanoseconds since 1970."""


class Unwatched:
    """Nothing is done before all is read."""

    def start(self, keys: Keys, wrappings: Wrappings, recording: Callable[[], Recording]) -> None:
        """See `Watcher`."""

    def begin(self, flows: Flows, columns: RecordColumns) -> None:
        """See `Watcher`."""

    def sweep(self, now_ns: int) -> bool:  # noqa: ARG002 - as above
        """See `Watcher`."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Captures as read. `reader` holds what is to be said of the files, `problems` of it and of single packets.

    `points` are those where captures were taken, each with its flows: but one, unless several files show the same time.
    `wrappings`: what the packets of connections were wrapped in.
    """

    points: tuple[CapturePoint, ...]
    keys: Keys
    reader: CaptureReader | WiresharkReading
    problems: tuple[InputProblem, ...]
    wrappings: Wrappings
    dissector: Dissector | None = None

    @property
    def end_ns(self) -> int:
        """Until when was recorded, in nanoseconds since 1970; 0 without any packet."""
        return self.reader.end_time_ns

    @property
    def copies(self) -> int:
        """Packets that are others captured once more."""
        return sum(point.flows.copies.count for point in self.points)


def read(
    sources: Sequence[Source],
    watcher: Watcher | None = None,
    *,
    keylog: Paths = None,
    password: str | None = None,
    by_wireshark: bool = False,
    apart: bool = True,
    progress: Callable[[int, int], None] | None = None,
    live: Follower | None = None,
) -> Reading:
    """All packets of the captures, put in order. `apart`: files of different points are told apart (native reading).

    `live` follows those that are still being written, but for Wireshark's.

    Raises `InputError` when no capture can be read, for a key log that cannot, and where Wireshark is asked for and not
    installed.
    """
    watcher = watcher or Unwatched()
    if by_wireshark:
        from analyzer.wireshark.reader import WiresharkReading

        ring = keys_of(keylog, password)  # for its errors: Wireshark takes the logs themselves
        reading = WiresharkReading(sources, as_paths(keylog))
        flows = reading.read(progress)
        keys = Keys(None, named=False)
        watcher.start(keys, reading.wrappings, lambda: reading.recording)
        watcher.begin(flows, RecordColumns())
        problems = problems_of(reading.problems)
        if ring is not None and ring.server_keys:
            text = "Wireshark's dissector is given key logs only: the server's private key was not used"
            problems = (*problems, InputProblem(code="unused-private-key", text=text, severity="warning"))
        problems += _taken_for_one(reading.files)
        point = CapturePoint(flows=flows, files=list(reading.files), last_time_ns=reading.last_time_ns or 0)
        return Reading(
            points=(point,),
            keys=keys,
            reader=reading,
            problems=problems,
            wrappings=reading.wrappings,
            dissector=reading.dissector,
        )
    sizes = sizes_of(keylog) if live is not None else []
    keys = Keys(keys_of(keylog, password), named=keylog is not None)
    again = _Again(keys, keylog, password, sizes)
    apart = apart and (live is None or not live.ring)
    once = _packets(sources, keys, watcher, progress, live, again, apart=apart)
    # What one point saw is held against what the others did: then nothing is let go before the end.
    sweep, beside = len(once.points) == 1, once.beside
    if (once.swept and not sweep) or (beside and once.reader.can_be_read_again):
        once = _packets(sources, keys, watcher, progress, live, again, apart=apart, sweep=sweep, beside=beside)
    if keys.came_late(once.points):
        keys.complete = once.reader.can_be_read_again
        if keys.complete:
            once = _packets(sources, keys, watcher, progress, live, again, apart=apart, sweep=sweep, beside=beside)
    problems = (*problems_of(once.reader.problems), *_undecoded(once.decoder))
    if not apart and live is None:
        problems += _taken_for_one(once.reader.files)
    wrappings = once.decoder.wrappings
    return Reading(points=once.points, keys=keys, reader=once.reader, problems=problems, wrappings=wrappings)


def problems_of(found: Iterable[CaptureProblem]) -> tuple[InputProblem, ...]:
    """Problems of a capture as reports show them."""
    return tuple(InputProblem(code=p.code, text=p.text, packet=p.packet, severity=p.severity) for p in found)


class Keys:
    """What may open protected records: given by the user, or held by a capture itself."""

    def __init__(self, ring: KeyRing | None, *, named: bool) -> None:
        self.ring = ring
        self.complete = True
        """False when secrets came too late, and nothing can be done about it."""
        self._named = named
        self.embedded = False
        """Whether some are a capture's own."""
        self._late = False
        self._closed = False
        self._tally: Tally | None = None

    def add(self, secrets: Sequence[Secrets], *, late: bool = False) -> None:
        """Take decryption secrets blocks. `late`: connections before them were let go."""
        from analyzer.tls.keylog import TLS_KEY_LOG, KeyLog
        from analyzer.tls.sealed import KeyRing

        found = [block.data for block in secrets if block.kind == TLS_KEY_LOG]
        if found and not self._closed:
            self.ring = self.ring or KeyRing(KeyLog())
            self.ring.log.add(b"\n".join(found), EMBEDDED_SECRETS)
            self.embedded = True
            self._late |= late

    def came_late(self, points: Sequence[CapturePoint]) -> bool:
        """Whether secrets stand in a capture behind the packets that they are for, which were let go."""
        self._closed = True  # when it is read again they are known
        if self.ring is None or not self.embedded:
            return False
        if self._late:
            return True
        from analyzer.tls.sealed import let_go

        return any(let_go(reader, self.ring) for point in points for reader in point.flows.consumers())

    def take(self, connection: Connection) -> None:
        """Count how far a connection was opened."""
        if self.ring is None:
            return
        if self._tally is None:
            from analyzer.report.decryption import Tally

            self._tally = Tally(self.ring)
        self._tally.take(connection)

    def problems(self) -> tuple[InputProblem, ...]:
        """What is wrong with the keys, and what they did not open."""
        if self.ring is None:
            return ()
        from analyzer.report.decryption import problems

        return problems(self.ring, self._tally, named=self._named, complete=self.complete)


class _Again:
    """Reads key logs again when they have grown: who is captured right now writes them right now."""

    def __init__(self, keys: Keys, keylog: Paths, password: str | None, sizes: list[int]) -> None:
        self._keys = keys
        self._keylog = keylog
        self._password = password
        self._sizes = sizes

    def __call__(self) -> None:
        ring = self._keys.ring
        if ring is None or not self._sizes or self._keys.embedded:
            return
        ring.log.grows = True
        sizes = sizes_of(self._keylog)
        if sizes != self._sizes:
            self._sizes = sizes
            with suppress(InputError):  # it was there before, and what it held then is known
                newer = keys_of(self._keylog, self._password)
                if newer is not None:
                    ring.log.renew(newer.log)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Once:
    """One reading of the captures. `swept`: connections were let go; `beside`: see `CapturePoints.beside`."""

    reader: CaptureReader
    decoder: SegmentDecoder
    points: tuple[CapturePoint, ...]
    swept: bool
    beside: tuple[tuple[str, ...], ...]


def _packets(
    sources: Sequence[Source],
    keys: Keys,
    watcher: Watcher,
    progress: Callable[[int, int], None] | None,
    live: Follower | None,
    again: Callable[[], None],
    *,
    apart: bool,
    sweep: bool = True,
    beside: Sequence[Sequence[str]] = (),
) -> _Once:
    """All packets, put in order; the secrets that the captures hold go to `keys`.

    `beside` are the names of files that were recorded side by side.
    """
    from analyzer.capture import CaptureReader
    from analyzer.net.decode import SegmentDecoder

    def made() -> Flows:
        flows, columns = _flows(keys)
        watcher.begin(flows, columns)
        return flows

    reader = CaptureReader(sources, progress, beside) if live is None else live.reader(sources, progress, beside)
    decoder = SegmentDecoder()
    watcher.start(keys, decoder.wrappings, lambda: reader.recording)
    points = CapturePoints(made, apart=apart)
    taken = looked = 0
    swept = False
    source: tuple[tuple[str, ...], int] | None = None
    for batch in reader.batches():
        if len(reader.secrets) > taken:
            keys.add(reader.secrets[taken:], late=swept)
            taken = len(reader.secrets)
            if keys.ring is not None:
                for point in points.points:
                    point.flows.read_singly()
        if reader.live:
            again()
        if len(batch):
            segments = decoder.decode(batch)
            if reader.source != source:
                source = reader.source
                points.begin(*source, segments, batch.time_ns)
            points.add(segments, batch.time_ns)
            del segments
        del batch  # its bytes are let go before the next ones are read
        if live is not None and reader.live:
            live.look(reader.now_ns)
        if sweep and len(points.points) == 1 and reader.packets - looked >= _SWEEP_EVERY:
            looked = reader.packets
            swept = watcher.sweep(reader.last_time_ns or 0) or swept
    if len(reader.secrets) > taken:
        keys.add(reader.secrets[taken:], late=swept)
    found = tuple(points.finish(reader.packets))
    return _Once(reader=reader, decoder=decoder, points=found, swept=swept, beside=tuple(points.beside()))


def _flows(keys: Keys) -> tuple[Flows, RecordColumns]:
    from analyzer.tls.detect import likely_record

    lookups: dict[int, Lookup] = {}
    columns = RecordColumns()

    def reader(flow: int, side: int) -> RecordReader:
        midstream = not flows.opened_by_syn(flow, side)
        if columns.knows(flow * 2 + side):
            return columns.restore(flow * 2 + side)
        if keys.ring is None:
            return RecordReader(midstream=midstream)
        from analyzer.tls.sealed import Lookup, SealedReader

        number = int(flows.table.rows["number"][flow])
        lookup = lookups.pop(number, None)
        if lookup is None:
            lookup = lookups[number] = Lookup(keys.ring)
        return SealedReader(lookup, midstream=midstream)

    flows = Flows(likely_record, reader, columns if keys.ring is None else None)
    return flows, columns


def _taken_for_one(files: Sequence[str]) -> tuple[InputProblem, ...]:
    """What is to be said of several files that Wireshark's dissector reads."""
    if len(files) < 2:
        return ()
    text = "with --dissector all files are read as one recording; without it those of different points are told apart"
    return (InputProblem(code="one-recording", text=text, severity="note"),)


def _undecoded(decoder: SegmentDecoder) -> tuple[InputProblem, ...]:
    """Packets that could not be read, or not whole."""
    from analyzer.net.link_names import told

    problems = [
        InputProblem(
            code="unknown-link-type",
            text=f"{count:,} packets are {told(link)}",
            severity="warning",
        )
        for link, count in decoder.link_types_unknown.items()
    ]
    if decoder.sealed.seen.packets:
        packets = ", ".join(decoder.sealed.seen.told())
        text = f"of the packets {packets}: what runs inside is not seen; record where it leaves the tunnel"
        problems.append(InputProblem(code="sealed-tunnel", text=text, severity="note"))
    if decoder.datagrams is not None and decoder.datagrams.seen.packets:
        packets = ", ".join(decoder.datagrams.seen.told())
        text = f"of the packets {packets}: TLS over UDP is not read here, Wireshark shows it"
        text += f"; {_FALLS_BACK}" if "QUIC" in decoder.datagrams.seen.packets else ""
        problems.append(InputProblem(code="tls-over-udp", text=text, severity="note"))
    if decoder.too_deep:
        text = f"{decoder.too_deep:,} packets are wrapped in more layers than are taken off, and were left out"
        problems.append(InputProblem(code="too-many-layers", text=text, severity="warning"))
    if decoder.sealed.wireless:
        text = (
            f"{decoder.sealed.wireless:,} IEEE 802.11 frames are encrypted: record on the station itself, or "
            "behind the access point"
        )
        problems.append(InputProblem(code="encrypted-frames", text=text, severity="note"))
    if decoder.uncommon.failures:
        problems.append(
            InputProblem(
                code="undissected-packets",
                text=f"{decoder.uncommon.failures} tunnelled or fragmented packets are malformed and were left out",
                severity="warning",
            )
        )
    return tuple(problems)
