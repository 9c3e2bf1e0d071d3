"""Captures to flows: by the native reading, or by Wireshark's dissectors; and the keys that open what is encrypted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from analyzer.dataclass import dataclass
from analyzer.inputs import Paths, as_paths, keys_of
from analyzer.report.model import EMBEDDED_SECRETS, Dissector, InputProblem
from analyzer.tls.connection import Connection

if TYPE_CHECKING:
    from analyzer.capture import CaptureReader
    from analyzer.capture.batch import CaptureProblem, Secrets
    from analyzer.net.decode import SegmentDecoder
    from analyzer.net.flows import Flows
    from analyzer.report.decryption import Tally
    from analyzer.tls.sealed import KeyRing, Lookup
    from analyzer.wireshark.reader import WiresharkReading

__all__ = ["Keys", "Reading", "Source", "problems_of", "read"]

Source = str | Path | BinaryIO
Tunnels = Mapping[frozenset[tuple[bytes, int]], tuple[str, ...]]


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
    dissector: Dissector | None = None

    @property
    def end_ns(self) -> int:
        """Until when was recorded, in nanoseconds since 1970; 0 without any packet."""
        return self.reader.end_time_ns


def read(
    sources: Sequence[Source],
    *,
    keylog: Paths = None,
    password: str | None = None,
    by_wireshark: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Reading:
    """All packets of the captures, put in order.

    Raises `InputError` when no capture can be read, for a key log that cannot, and where Wireshark is asked for and not
    installed.
    """
    if by_wireshark:
        from analyzer.wireshark.reader import WiresharkReading

        ring = keys_of(keylog, password)  # for its errors: Wireshark takes the logs themselves
        reading = WiresharkReading(sources, as_paths(keylog))
        flows = reading.read(progress)
        keys = Keys(None, named=False)
        problems = problems_of(reading.problems)
        if ring is not None and ring.server_keys:
            text = "Wireshark's dissector is given key logs only: the server's private key was not used"
            problems = (*problems, InputProblem(code="unused-private-key", text=text, severity="warning"))
        return Reading(
            flows=flows, keys=keys, reader=reading, problems=problems, tunnels={}, dissector=reading.dissector
        )
    keys = Keys(keys_of(keylog, password), named=keylog is not None)
    reader, decoder, flows = _packets(sources, keys, progress)
    if keys.came_late(flows):
        keys.complete = reader.can_be_read_again
        if keys.complete:
            reader, decoder, flows = _packets(sources, keys, progress)
    problems = (*problems_of(reader.problems), *_undecoded(decoder))
    return Reading(flows=flows, keys=keys, reader=reader, problems=problems, tunnels=decoder.tunnels)


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
        self._embedded = False
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
            self._embedded = True

    def came_late(self, flows: Flows) -> bool:
        """Whether secrets stand in a capture behind the packets that they are for, which were let go."""
        self._closed = True  # when it is read again they are known
        if self.ring is None or not self._embedded:
            return False
        from analyzer.tls.sealed import let_go

        return any(let_go(stream.consumer, self.ring) for stream in flows.streams.values())

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


def _packets(
    sources: Sequence[Source], keys: Keys, progress: Callable[[int, int], None] | None
) -> tuple[CaptureReader, SegmentDecoder, Flows]:
    """All packets, put in order; the secrets that the captures hold go to `keys`."""
    from analyzer.capture import CaptureReader
    from analyzer.net.decode import SegmentDecoder

    reader = CaptureReader(sources, progress)
    decoder = SegmentDecoder()
    flows = _flows(keys)
    taken = 0
    for batch in reader.batches():
        if len(reader.secrets) > taken:
            keys.add(reader.secrets[taken:])
            taken = len(reader.secrets)
        flows.add(decoder.decode(batch))
    if len(reader.secrets) > taken:
        keys.add(reader.secrets[taken:])
    flows.finish()
    return reader, decoder, flows


def _flows(keys: Keys) -> Flows:
    from analyzer.net.flows import Flows
    from analyzer.tls.detect import likely_record
    from analyzer.tls.records import RecordReader

    lookups: dict[int, Lookup] = {}

    def reader(flow: int, side: int) -> RecordReader:
        midstream = not flows.opened_by_syn(flow, side)
        if keys.ring is None:
            return RecordReader(midstream=midstream)
        from analyzer.tls.sealed import Lookup, SealedReader

        lookup = lookups.pop(flow, None)
        if lookup is None:
            lookup = lookups[flow] = Lookup(keys.ring)
        return SealedReader(lookup, midstream=midstream)

    flows = Flows(likely_record, reader)
    return flows


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
