"""A part of a long piece of work in a second process, where the machine has a second processor.

The process is a copy of this one as it stands (`fork`): what it works on is there already, and only its result has to
be sent back. A library must not do that in a stranger's program, which may run threads; the command line may.
"""

from __future__ import annotations

import os
import pickle
import sys
import warnings
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["SecondProcess", "processors"]

T = TypeVar("T")


def processors() -> int:
    """The processors that this process may use; 1 where there is no `fork`."""
    if not hasattr(os, "fork") or sys.platform == "darwin":
        return 1  # macOS's own libraries do not survive it
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class SecondProcess(Generic[T]):
    """Runs `work` in a copy of this process. Its result has to be one that `pickle` takes."""

    def __init__(self, work: Callable[[], T]) -> None:
        reading, writing = os.pipe()
        with warnings.catch_warnings():
            # Of the one thread that there may be, which reads ahead in the capture: it holds no lock.
            warnings.simplefilter("ignore", DeprecationWarning)
            self._child = os.fork()
        if self._child:
            os.close(writing)
            self._pipe = os.fdopen(reading, "rb")
            return
        status = 1
        try:
            os.close(reading)
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(work(), pipe, protocol=pickle.HIGHEST_PROTOCOL)
            status = 0
        finally:
            os._exit(status)  # nothing that the copied process has opened is flushed or ended a second time

    def result(self) -> T | None:
        """What the work gave; None when the process failed, and the work is to be done again."""
        try:
            with self._pipe:
                found: T = pickle.load(self._pipe)  # noqa: S301 - from a copy of this process
        except (EOFError, OSError, pickle.UnpicklingError):
            found = None  # type: ignore[assignment]
        _, status = os.waitpid(self._child, 0)
        return found if status == 0 else None
