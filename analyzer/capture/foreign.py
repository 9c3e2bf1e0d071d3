"""Formats that only Wireshark reads: its program editcap turns them into pcapng, where it is installed."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from shutil import which
from typing import IO, Final

__all__ = ["converted"]

_TIMEOUT: Final = 3600


@contextmanager
def converted(path: Path) -> Iterator[IO[bytes] | None]:
    """The packets of a file as a pcapng stream; None when editcap is not installed, or does not read the file.

    The file at `path` is left alone. editcap takes no packet apart, so what it is fed may be crafted.
    """
    program = which("editcap")
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "converted.pcapng")
        words = [program, "-F", "pcapng", str(path.absolute()), str(copy)]
        with suppress(subprocess.TimeoutExpired):  # what it has written by then is cut short, and told to be
            subprocess.run(words, capture_output=True, timeout=_TIMEOUT, check=False)
        if not copy.is_file() or not copy.stat().st_size:
            yield None
            return
        with copy.open("rb", buffering=0) as file:
            yield file
