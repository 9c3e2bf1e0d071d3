"""A file's bytes where the system keeps them, a window at a time.

To copy each byte first would cost more than all that is done with it.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MappedFile"]

_AT_ONCE: Final = mmap.__dict__.get("MAP_POPULATE", 0)
"""Linux's flag for mapping all pages at once: in their order, which a disk likes better than that of the walkers."""
_DISK: Final = 5_000_000_000
"""Bytes a second: who waits as long as if they came no faster waits for a disk."""
_WAIT: Final = 0.005
"""Seconds of waiting that tell nothing: the processor was busy elsewhere, or a few pages were not there."""
_PIECE: Final = 4 << 20


class MappedFile:
    """Windows of a file that nobody cuts short meanwhile. Close it before the file.

    When the file is found to come from a disk, not from the system's memory, a thread reads what is asked for next
    while the window before it is worked on.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._descriptor = file.fileno()
        self._waits = False
        self._reading: threading.Thread | None = None
        self._closing = False

    def window(self, begin: int, length: int) -> NDArray[np.uint8]:
        """The bytes from `begin`, a multiple of `mmap.ALLOCATIONGRANULARITY`.

        They stay mapped as long as the array. Raises `OSError` or `ValueError` when they cannot be.
        """
        self._end_reading()
        clock, work = time.perf_counter(), time.thread_time()
        mapped = self._mapped(begin, length)
        waited = time.perf_counter() - clock - (time.thread_time() - work)
        self._waits |= waited > max(length / _DISK, _WAIT)
        return mapped

    def expect(self, begin: int, end: int) -> None:
        """The bytes from `begin` to `end` will be asked for."""
        if self._waits and begin < end:
            self._reading = threading.Thread(target=self._read, args=(begin, end), daemon=True)
            self._reading.start()

    def close(self) -> None:
        """Let the file go; windows stay."""
        self._closing = True
        self._end_reading()

    def _mapped(self, begin: int, length: int) -> NDArray[np.uint8]:
        if _AT_ONCE:
            flags = mmap.MAP_SHARED | _AT_ONCE
            mapped = mmap.mmap(self._descriptor, length, flags=flags, prot=mmap.PROT_READ, offset=begin)
        else:
            mapped = mmap.mmap(self._descriptor, length, access=mmap.ACCESS_READ, offset=begin)
        return np.frombuffer(mapped, dtype=np.uint8)

    def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.join()
            self._reading = None

    def _read(self, begin: int, end: int) -> None:
        """Have the system read; what it then has in memory is looked at when it is mapped."""
        piece = memoryview(bytearray(min(_PIECE, end - begin)))
        while begin < end and not self._closing:
            try:
                count = os.preadv(self._descriptor, [piece[: end - begin]], begin)
            except OSError:
                return
            if not count:
                return
            begin += count
