"""What the capture stage yields: columns of packets, and problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analyzer.dataclass import dataclass

__all__ = [
    "PADDING",
    "CaptureProblem",
    "PacketBatch",
    "Recording",
    "Secrets",
    "among",
    "distinct",
    "gather",
    "joined",
    "no_packets",
    "picked",
]

PADDING = 128
"""Readable bytes that follow the last packet of a batch, so that a header can be gathered without a bounds test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureProblem:
    """Something in a capture that could not be read. `packet` is the frame number it concerns or follows."""

    code: str
    text: str
    packet: int | None = None
    severity: str = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a recorder left out. `snap`: bytes to which it cut packets, 0 where none is cut; `cut`: how many are.

    `dropped`: packets that it says it lost, as far as the files have it.
    """

    snap: int = 0
    cut: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """A decryption secrets block of a pcapng file (draft-ietf-opsawg-pcapng, section 4.7)."""

    kind: int
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PacketBatch:
    """N packets as columns. Row i is frame `first_number + i`.

    The columns are views that stay valid only until the next batch is asked for: the reader uses its
    buffer again. Copy what must live longer.
    """

    first_number: int
    """Frame number of row 0, as Wireshark counts (from 1)."""
    data: NDArray[np.uint8]
    """The bytes that `offset` points into; at least `PADDING` bytes follow the last packet."""
    offset: NDArray[np.int64]
    """[N] position of the packet's first byte in `data`."""
    captured: NDArray[np.int64]
    """[N] bytes of the packet that are in the file."""
    original: NDArray[np.int64]
    """[N] bytes of the packet on the wire."""
    time_ns: NDArray[np.int64]
    """[N] nanoseconds since 1970-01-01 UTC."""
    link: NDArray[np.int32]
    """[N] link type (LINKTYPE_ number of the tcpdump registry); -1 for a record that is no packet."""
    heads: NDArray[np.uint8] | None = None
    """[N, M] bytes of which the last `PADDING` are the first of each packet, when it was gathered already."""

    def __len__(self) -> int:
        return len(self.offset)


def no_packets(number: int) -> PacketBatch:
    """A batch without a packet, which marks a pause; `number` is that of the next frame."""
    none = np.zeros(0, dtype=np.int64)
    data = np.zeros(PADDING, dtype=np.uint8)
    return PacketBatch(
        first_number=number,
        data=data,
        offset=none,
        captured=none,
        original=none,
        time_ns=none,
        link=np.zeros(0, dtype=np.int32),
    )


def gather(data: NDArray[np.uint8], positions: NDArray[np.int64], layout: np.dtype[Any]) -> NDArray[Any]:
    """The structures of `layout` that begin at `positions` of `data`, as an array of [N] rows.

    Each must lie within `data` (see `PADDING`). Rows are copied whole: ten times as fast as indexing by byte.
    """
    size = layout.itemsize
    window = np.ndarray((max(len(data) - size + 1, 0),), dtype=f"V{size}", buffer=data.data, strides=(1,))
    rows = window[positions]
    if layout.subdtype is None:
        return rows.view(layout)
    base, shape = layout.subdtype
    return rows.view(base).reshape((len(positions), *shape))


def distinct(values: NDArray[Any]) -> NDArray[Any]:
    """The values of an array, each once, in order; `numpy.unique` would load all of `numpy.ma` first."""
    ordered = np.sort(values, axis=None)
    found: NDArray[Any] = ordered[np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]]
    return found


def among(values: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    """Which of the values are among the others; `numpy.isin` sorts both, and loads `numpy.ma` too."""
    if not len(others):
        return np.zeros(len(values), dtype=np.bool_)
    ordered = np.sort(others)
    place = ordered.searchsorted(values)
    found: NDArray[np.bool_] = ordered[np.minimum(place, len(ordered) - 1)] == values
    return found


def picked(table: NDArray[np.void], which: NDArray[Any]) -> NDArray[np.void]:
    """The rows of a structured array that an index or a mask names; NumPy copies them field by field, slowly."""
    rows: NDArray[np.void] = table.view(f"V{table.dtype.itemsize}")[which].view(table.dtype)
    return rows


def joined(tables: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Structured arrays of one layout, at least one, as one: see `picked`."""
    if len(tables) == 1:
        return tables[0]
    layout = tables[0].dtype
    return np.concatenate([table.view(f"V{layout.itemsize}") for table in tables]).view(layout)
