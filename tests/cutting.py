"""Recordings made incomplete as recorders make them: cut, dropped, one-sided, begun late, dated wrong, split.

A recording is a list of `Frame`s, whose `number` stays that of the whole recording; `capture` writes them to a file
again.
"""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tests.packets import PCAP_MAGIC, Frame, decode_file, pcap_record, read

__all__ = ["IP_AT", "SNAP_LENGTHS", "Derived", "capture", "derived", "recording", "senders"]

SNAP_LENGTHS = (60, 64, 68, 96, 128, 256, 512, 1000, 1514)
IP_AT = {1: 14, 101: 0, 113: 16, 276: 20}
"""Bytes before the IP header, by link type."""


class Derived(NamedTuple):
    """A recording made incomplete, and how."""

    how: str
    frames: Sequence[Frame]
    snap: int = 262_144

    def number_of(self, packet: int) -> int | None:
        """The frame number here of a packet of the whole recording; None where it is missing."""
        return next((number for number, frame in enumerate(self.frames, 1) if frame.number == packet), None)

    def capture(self) -> io.BytesIO:
        """The file."""
        return io.BytesIO(capture(self.frames, snap=self.snap))


@cache
def recording(path: Path) -> tuple[Frame, ...]:
    """The frames of a capture file."""
    return tuple(read(path))


def capture(frames: Sequence[Frame], *, snap: int = 262_144) -> bytes:
    """A pcap file, with nanoseconds, of frames of one link type."""
    link = frames[0].link if frames else 1
    parts = [struct.pack("<IHHiIII", PCAP_MAGIC["ns"], 2, 4, 0, 0, snap, link)]
    parts += [pcap_record(frame.data, frame.time_ns, tick=1, original=frame.original) for frame in frames]
    return b"".join(parts)


def senders(frames: Sequence[Frame]) -> dict[int, str]:
    """Who sent each frame that holds a TCP segment: its number -> `address:port`."""
    found = {}
    for segment in decode_file(io.BytesIO(capture(frames))):
        address, port = segment.source
        found[frames[segment.packet - 1].number] = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return found


def derived(frames: Sequence[Frame], client: str, *, chances: int = 4) -> Iterator[Derived]:
    """All the ways in which a recorder may have had less of a connection, whose client is `client`."""
    yield from _cut(frames)
    yield from _one_direction(frames, client)
    for place in range(1, len(frames)):
        yield Derived(f"begins at packet {place + 1}", frames[place:])
        yield Derived(f"ends at packet {place}", frames[:place])
    for count in (1, 2):
        for place in range(len(frames) - count + 1):
            yield Derived(f"lacks {count} from packet {place + 1}", (*frames[:place], *frames[place + count :]))
    chance = random.Random(7)
    for number in range(chances):
        some = [frame for frame in frames if chance.random() < 0.75]
        if some:
            yield Derived(f"lacks some, {number}", some)


def _cut(frames: Sequence[Frame]) -> Iterator[Derived]:
    for snap in SNAP_LENGTHS:
        yield Derived(f"cut to {snap}", [frame._replace(data=frame.data[:snap]) for frame in frames], snap)


def _one_direction(frames: Sequence[Frame], client: str) -> Iterator[Derived]:
    sent_by = senders(frames)
    for who, wanted in (("client", True), ("server", False)):
        own = [f for f in frames if f.number in sent_by and (sent_by[f.number] == client) is wanted]
        if own:
            yield Derived(f"only the {who}'s packets", own)


def changed(frames: Sequence[Frame], change: Callable[[bytearray, int], None]) -> list[Frame]:
    """The frames with their bytes changed; `change` takes them and where the IP header begins."""
    found = []
    for frame in frames:
        data = bytearray(frame.data)
        change(data, IP_AT[frame.link])
        found.append(frame._replace(data=bytes(data)))
    return found
