"""The records of a capture file that follow each other: each one's length tells where the next begins.

Read one after the other that is a loop in Python. Here many walkers go at once, each from its own place in the bytes,
in step: a walker's place is a guess (a place that looks like a record, as do the two after it), and what a walker found
counts only when the one before it ends exactly where it began. So guesses save time and never decide anything.
"""

from __future__ import annotations

from collections.abc import Container
from struct import Struct
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analyzer.dataclass import dataclass

__all__ = ["RecordShape", "consecutive"]

_WALKERS: Final = 384
_APART: Final = 8192
"""Bytes between two walkers at least; less to walk than a few of these is walked in a plain loop."""
_SEARCHED: Final = 1664
"""Bytes in which a walker looks for its beginning: more than a full-size Ethernet frame and its record header."""
_FEW: Final = 8
"""When fewer than one walker in this many still goes, the plain loop ends its way: a step costs as much for one."""
_FIRST_STEPS: Final = 8
_MOST_STEPS: Final = 64
"""Steps that walkers take before they are asked, at first and at most."""

Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordShape:
    """What the plain records of a file have in common.

    The record at `p` has an unsigned 32-bit length (`order` is `<` or `>`) at `p + length_at`, at least `shortest`
    and at most `longest`; the next one begins `overhead` bytes and the length, rounded up to a multiple of
    `multiple`, after `p`. The bytes at `p + mark_at` are `mark` in nearly all of them, and `mark_decides` says
    that they are in all.
    """

    order: str
    length_at: int
    overhead: int
    shortest: int
    longest: int
    mark_at: int
    mark: bytes
    mark_decides: bool = False
    multiple: int = 1


def consecutive(data: NDArray[np.uint8], start: int, end: int, shape: RecordShape) -> tuple[Column, int]:
    """Positions of the plain, whole records in `data[start:end]` that follow each other from `start` on.

    Also gives where the first thing stands that is none (or `end`). At least `batch.PADDING` bytes follow `end`.
    """
    walk = _Walk(data, end, shape)
    if end - start < 4 * _APART:
        found, position = walk.plainly(start, end)
        return np.array(found, dtype=np.int64), position
    begins = walk.beginnings(start)
    found_by_all, counts, ends = walk.in_step(begins)
    if (ends[:-1] == begins[1:]).all():
        position = int(ends[-1])
        more, position = walk.plainly(position, end)
        return np.concatenate([found_by_all, np.array(more, dtype=np.int64)]), position
    return _joined(walk, begins, np.split(found_by_all, np.cumsum(counts)[:-1]), ends.tolist())


def _joined(walk: _Walk, begins: Column, parts: list[Column], ends: list[int]) -> tuple[Column, int]:
    """What the walkers found, from each one to that which began where it ended; the loop fills what lies between."""
    known = {begin: index for index, begin in enumerate(begins.tolist())}
    result: list[Column] = []
    index: int | None = 0
    while index is not None:
        position = ends[index]
        result.append(parts[index])
        if not len(parts[index]):
            break
        index = known.get(position)
        if index is None:
            found, position = walk.plainly(position, walk.end, known)
            result.append(np.array(found, dtype=np.int64))
            index = known.get(position)
    return np.concatenate(result), position


class _Walk:
    """One stretch of bytes, and how to step through it."""

    def __init__(self, data: NDArray[np.uint8], end: int, shape: RecordShape) -> None:
        self._data = data
        self.end = end
        self._shape = shape
        there = max(len(data) - shape.length_at - 3, 0)
        self._length_bytes = [data[shape.length_at + index :][:there] for index in range(4)]
        self._unpack = Struct(f"{shape.order}I").unpack_from

    def plainly(self, position: int, limit: int, stops: Container[int] = ()) -> tuple[list[int], int]:
        """Records from `position` on, one by one, up to `limit`, one of `stops`, or something that is no plain one."""
        shape, end, unpack, view = self._shape, self.end, self._unpack, self._data.data
        length_at, overhead, multiple = shape.length_at, shape.overhead, shape.multiple
        mark_at, mark_end = shape.mark_at, shape.mark_at + len(shape.mark)
        found: list[int] = []
        last = min(limit - 1, end - max(length_at + 4, mark_end))
        while position <= last:
            (length,) = unpack(view, position + length_at)
            following = position + overhead + length + -length % multiple
            if following > end or not shape.shortest <= length <= shape.longest:
                break
            if shape.mark_decides and view[position + mark_at : position + mark_end] != shape.mark:
                break
            found.append(position)
            position = following
            if position in stops:
                break
        return found, position

    def beginnings(self, start: int) -> Column:
        """`start`, and places further on that look like the beginning of a record."""
        shape = self._shape
        count = min(_WALKERS, (self.end - start) // _APART)
        apart = (self.end - start) // count
        places = range(start + apart, self.end - _SEARCHED, apart)
        view = self._data.data
        found = [view[place : place + _SEARCHED].tobytes().find(shape.mark, shape.mark_at) for place in places]
        likely = np.array([place + at for place, at in zip(places, found, strict=True) if at >= 0], dtype=np.int64)
        likely -= shape.mark_at
        ways, lengths = self._strides(likely, 3)
        good = self._is_sound(ways, lengths) & (ways[1:] < self.end) & self._is_marked(ways[1:])
        return np.append(start, likely[good.all(axis=0)])

    def in_step(self, begins: Column) -> tuple[Column, Column, Column]:
        """What each walker finds from its beginning up to the next one's, how much that is, and where it ends.

        They go some steps unasked, and then all that they came by is looked at together.
        """
        limits = np.append(begins[1:], self.end)
        ends = begins.copy()
        counts = np.zeros(len(begins), dtype=np.int64)
        live = np.ones(len(begins), dtype=np.bool_)
        few = max(len(begins) // _FEW, 1)
        found = [np.zeros((0, len(begins)), dtype=np.int64)]
        steps = _FIRST_STEPS
        while int(np.count_nonzero(live)) > few:
            ways, lengths = self._strides(ends, steps)
            going = self._is_sound(ways, lengths)
            going &= ways[:-1] < limits
            going[0] &= live
            found.append(ways[:-1])
            taken = np.where(going.all(axis=0), steps, going.argmin(axis=0))
            counts += taken
            ends = ways[taken, np.arange(len(begins))]
            live = (taken == steps) & (ends < limits)
            if live.any():
                mean = (ends - ways[0])[live].mean() / steps
                steps = int(np.clip((limits - ends)[live].mean() / mean, _FIRST_STEPS, _MOST_STEPS))
        ways = np.concatenate(found)
        positions = np.ascontiguousarray(ways.T)[np.arange(len(ways)) < counts[:, None]]
        slow = np.flatnonzero(live).tolist()
        if slow:
            parts = np.split(positions, np.cumsum(counts)[slow])
            for part, index in enumerate(slow):
                rest, ends[index] = self.plainly(int(ends[index]), int(limits[index]))
                parts[part] = np.concatenate([parts[part], np.array(rest, dtype=np.int64)])
                counts[index] += len(rest)
            positions = np.concatenate(parts)
        return positions, counts, ends

    def _strides(self, begins: Column, steps: int) -> tuple[Column, NDArray[np.unsignedinteger]]:
        """Where walkers come in some steps, [`steps` + 1, W], and the length that each found there, [`steps`, W].

        Nothing is asked: who is behind the end, or on what is no record, goes anywhere.
        """
        multiple, overhead = self._shape.multiple, self._shape.overhead
        first, second, third, fourth = self._length_bytes
        ways = np.empty((steps + 1, len(begins)), dtype=np.int64)
        ways[0] = begins
        # Byte by byte: NumPy reads what is not aligned one by one, and waits for each.
        octets = np.empty((steps, len(begins), 4), dtype=np.uint8)
        lengths = octets.view(f"{self._shape.order}u4")[:, :, 0]
        for at, following, found, length in zip(ways[:-1], ways[1:], octets, lengths, strict=True):
            found[:, 0] = first.take(at, mode="clip")
            found[:, 1] = second.take(at, mode="clip")
            found[:, 2] = third.take(at, mode="clip")
            found[:, 3] = fourth.take(at, mode="clip")
            np.add(at, length, out=following)
            if multiple > 1:
                following += -length.astype(np.int64) % multiple
            following += overhead
        return ways, lengths

    def _is_sound(self, ways: Column, lengths: NDArray[np.unsignedinteger]) -> NDArray[np.bool_]:
        """At which steps of `ways` there is a plain, whole record; see `_strides`."""
        shape = self._shape
        sound = ways[1:] <= self.end
        sound &= lengths <= shape.longest
        if shape.shortest:
            sound &= lengths >= shape.shortest
        if shape.mark_decides:
            sound &= self._is_marked(ways[:-1])
        return sound

    def _is_marked(self, at: Column) -> NDArray[np.bool_]:
        shape = self._shape
        result = np.ones(at.shape, dtype=np.bool_)
        for index, byte in enumerate(shape.mark, start=shape.mark_at):
            result &= self._data[index:].take(at, mode="clip") == byte
        return result
