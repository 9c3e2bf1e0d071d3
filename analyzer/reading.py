"""Captures to flows: by the native reading, or by Wireshark's dissectors; and the keys that open what is encrypted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol

from analyzer.dataclass import dataclass
from analyzer.errors import InputError
from analyzer.inputs import Paths, as_paths, keys_of, sizes_of
from analyzer.report.model import EMBEDDED_SECRETS, Dissector, InputProblem
from analyzer.tls.columns import RecordColumns
from analyzer.tls.connection import Connection
from analyzer.tls.records import RecordReader

if TYPE_CHECKING:
    from analyzer.capture import CaptureReader
    from analyzer.capture.batch import CaptureProblem, Secrets
    from analyzer.net.decode import SegmentDecoder
    from analyzer.net.flows import Flows
    from analyzer.report.connections import Connections
    from analyzer.report.decryption import Tally
    from analyzer.tls.sealed import KeyRing, Lookup
    from analyzer.wireshark.reader import WiresharkReading

__all__ = ["Begin", "Follower", "Keys", "Reading", "Source", "Sweeper", "problems_of", "read"]

_SWEEP_EVERY: Final = 100_000
"""Packets after which connections that have ended are looked for."""

Source = str | Path | BinaryIO


class Sweeper(Protocol):
    """What is done with connections while a capture is read."""

    def sweep(self, now_ns: int) -> None:
        """Take the connections that have ended by a time of the capture, in nanoseconds since 1970."""

    def finish(self, end_ns: int) -> Connections:
        """Take the rest: the capture ends. Gives what became of all."""


class Follower(Protocol):
    """What follows a capture that is still being written."""

    def reader(self, sources: Sequence[Source], progress: Callable[[int, int], None] | None) -> CaptureReader:
        """The reader of the captures; an empty batch of it marks a pause."""

    def look(self, now_ns: int) -> None:
        """Look at the connections at a time of the capture, in nanoseconds since 1970."""


Tunnels = Mapping[frozenset[tuple[bytes, int]], tuple[str, ...]]
Begin = Callable[["Flows", "RecordColumns", "Keys", Tunnels], Sweeper]
"""Makes a `Sweeper` for each reading of the captures: they are read twice where secrets stand behind their packets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Captures as read. `reader` holds what is to be said of the files, `problems` of it and of single packets.

    `tunnels`: both ends (packed address, port) of a connection -> what its packets were wrapped in.
    """

    flows: Flows
    keys: Keys
    reader: CaptureReader | WiresharkReading
    problems: tuple[InputProblem, ...]
    tunnels: Tunnels
    sweeper: Sweeper
    """What was asked for with `begin`; it has seen all but the connections that had not ended."""
    dissector: Dissector | None = None

    @property
    def end_ns(self) -> int:
        """Time of the last packet, in nanoseconds since 1970; 0 without any."""
        return self.reader.last_time_ns or 0


def read(
    sources: Sequence[Source],
    *,
    keylog: Paths = None,
    password: str | None = None,
    by_wireshark: bool = False,
    progress: Callable[[int, int], None] | None = None,
    begin: Begin,
    live: Follower | None = None,
) -> Reading:
    """All packets of the captures, put in order.

    `live` follows those that are still being written, but for Wireshark's.

    Raises `InputError` when no capture can be read, for a key log that cannot, and where Wireshark is asked for and not
    installed.
    """
    if by_wireshark:
        from analyzer.wireshark.reader import WiresharkReading

        ring = keys_of(keylog, password)  # for its errors: Wireshark takes the logs themselves
        reading = WiresharkReading(sources, as_paths(keylog))
        flows = reading.read(progress)
        keys = Keys(None, named=False)
        sweeper = begin(flows, RecordColumns(), keys, {})
        problems = problems_of(reading.problems)
        if ring is not None and ring.server_keys:
            text = "Wireshark's dissector is given key logs only: the server's private key was not used"
            problems = (*problems, InputProblem(code="unused-private-key", text=text, severity="warning"))
        return Reading(
            flows=flows,
            keys=keys,
            reader=reading,
            problems=problems,
            tunnels={},
            sweeper=sweeper,
            dissector=reading.dissector,
        )
    sizes = sizes_of(keylog) if live is not None else []
    keys = Keys(keys_of(keylog, password), named=keylog is not None)
    again = _Again(keys, keylog, password, sizes)
    pass_ = _packets(sources, keys, progress, begin, live, again)
    if keys.came_late(pass_.flows):
        keys.complete = pass_.reader.can_be_read_again
        if keys.complete:
            pass_ = _packets(sources, keys, progress, begin, live, again)
    reader, decoder, flows = pass_.reader, pass_.decoder, pass_.flows
    problems = (*problems_of(reader.problems), *_undecoded(decoder))
    return Reading(
        flows=flows, keys=keys, reader=reader, problems=problems, tunnels=decoder.tunnels, sweeper=pass_.sweeper
    )


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
        self._closed = False
        self._tally: Tally | None = None

    def add(self, secrets: Sequence[Secrets]) -> None:
        """Take decryption secrets blocks."""
        from analyzer.tls.keylog import TLS_KEY_LOG, KeyLog
        from analyzer.tls.sealed import KeyRing

        found = [block.data for block in secrets if block.kind == TLS_KEY_LOG]
        if found and not self._closed:
            self.ring = self.ring or KeyRing(KeyLog())
            self.ring.log.add(b"\n".join(found), EMBEDDED_SECRETS)
            self.embedded = True

    def came_late(self, flows: Flows) -> bool:
        """Whether secrets stand in a capture behind the packets that they are for, which were let go."""
        self._closed = True  # when it is read again they are known
        if self.ring is None or not self.embedded:
            return False
        from analyzer.tls.sealed import let_go

        return any(let_go(reader, self.ring) for reader in flows.consumers())

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


@dataclass(frozen=True, slots=True)
class _Pass:
    reader: CaptureReader
    decoder: SegmentDecoder
    flows: Flows
    sweeper: Sweeper


def _packets(
    sources: Sequence[Source],
    keys: Keys,
    progress: Callable[[int, int], None] | None,
    begin: Begin,
    live: Follower | None,
    again: Callable[[], None],
) -> _Pass:
    """All packets, put in order; the secrets that the captures hold go to `keys`."""
    from analyzer.capture import CaptureReader
    from analyzer.net.decode import SegmentDecoder

    reader = CaptureReader(sources, progress) if live is None else live.reader(sources, progress)
    decoder = SegmentDecoder()
    flows, columns = _flows(keys)
    sweeper = begin(flows, columns, keys, decoder.tunnels)
    taken = swept = 0
    for batch in reader.batches():
        if len(reader.secrets) > taken:
            keys.add(reader.secrets[taken:])
            taken = len(reader.secrets)
            if keys.ring is not None:
                flows.read_singly()
        if reader.live:
            again()
        if len(batch):
            flows.add(decoder.decode(batch))
        if live is not None and reader.live:
            live.look(reader.now_ns)
        if reader.packets - swept >= _SWEEP_EVERY and reader.last_time_ns is not None:
            swept = reader.packets
            sweeper.sweep(reader.last_time_ns)
    if len(reader.secrets) > taken:
        keys.add(reader.secrets[taken:])
    flows.finish()
    return _Pass(reader, decoder, flows, sweeper)


def _flows(keys: Keys) -> tuple[Flows, RecordColumns]:
    from analyzer.net.flows import Flows
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


def _undecoded(decoder: SegmentDecoder) -> tuple[InputProblem, ...]:
    """Packets that could not be read, or not whole."""
    from analyzer.net.link import LINK_NAMES

    problems = [
        InputProblem(
            code="unknown-link-type",
            text=f"{count} packets have the link type {LINK_NAMES.get(link, link)}, which cannot be read",
            severity="warning",
        )
        for link, count in decoder.link_types_unknown.items()
    ]
    if decoder.sealed:
        packets = ", ".join(f"{count:,} are {name}" for name, count in decoder.sealed.items())
        text = f"of the packets {packets}: what runs inside is not seen; record where it leaves the tunnel"
        problems.append(InputProblem(code="sealed-tunnel", text=text, severity="note"))
    if decoder.uncommon.encrypted_frames:
        text = (
            f"{decoder.uncommon.encrypted_frames:,} IEEE 802.11 frames are encrypted: record on the station itself, or "
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
