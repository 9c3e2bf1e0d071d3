"""A directory in which captures are written one after the other, as `tcpdump -C -W`, `tcpdump -G` and `dumpcap -b` do.

`RingReader` reads what is there in the order of the first packets, then follows the file that grows, and goes on to the
next when there is one. It knows a file by its first bytes: where these change, the ring has begun anew in its place.
What it could not read before that happened is told as lost, and no packet is read twice.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import time
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from analyzer.capture.batch import PADDING, CaptureProblem, PacketBatch, no_packets
from analyzer.capture.pcapng import PcapngParser
from analyzer.capture.source import COMPRESSIONS, CaptureReader, Parser, Place, first_time, recognise
from analyzer.dataclass import dataclass
from analyzer.errors import InputError

__all__ = ["RingReader"]

_EVERY: Final = 0.5
"""Seconds between two looks at a directory in which nothing happens."""
_CHUNK: Final = 8 << 20
"""Bytes read at a time."""
_KNOWN_BY: Final = 4096
"""First bytes by which a file is known: there are packets among them, and their times."""
_LEAST: Final = 24
"""Bytes of a file that has begun."""
_FIRST_PACKET: Final = 1 << 19
"""Bytes among which a capture has a packet, if it has any that can be read."""
_MOST: Final = 1000
"""Names of files, stretches of frames and problems that are kept: the last ones."""
_SEQUENCE: Final = re.compile(r"(.*)_(\d{5,})_\d{14}(?:\.\w+)*")
"""A file of dumpcap's ring buffer (ringbuffer.c): name, number, time."""


class _Status(NamedTuple):
    """What shows that a file has changed."""

    inode: int
    size: int
    changed_ns: int


@dataclass(slots=True, kw_only=True)
class _File:
    """A file of the ring, in one life of it: what is written in its place later is another."""

    path: Path
    known_by: bytes
    first_time_ns: int
    status: _Status
    parser: Parser
    offset: int = 0
    """Bytes that were read, whole packets all."""
    packets: int = 0
    chunk: int = _CHUNK
    passed: bool = False
    """It was read to its end, and there is a newer one."""
    gone: bool = False
    """It was deleted, or another stands in its place."""


class RingReader(CaptureReader):
    """Follows a directory until `until` gives true; see the module's text, and `CaptureReader` for the rest.

    `say` is told what somebody should know before the end.
    """

    def __init__(self, directory: str | Path, until: Callable[[], bool], say: Callable[[str], None]) -> None:
        super().__init__([directory], None, until=until)
        self.live = True
        self.source = (str(directory),), 0
        self._directory = Path(directory)
        self._say = say
        self._files: dict[str, _File] = {}
        self._waiting: list[_File] = []
        self._current: _File | None = None
        self._descriptor = -1
        self._passed_over: dict[str, _Status] = {}
        self._said: set[str] = set()
        self._places: list[tuple[int, int, str]] = []  # first frame, frames of the file before it, the file's name
        self._sequences: dict[str, int] = {}
        self._several = True

    @property
    def can_be_read_again(self) -> bool:
        """Never: its files are overwritten."""
        return False

    def place_of(self, packet: int) -> tuple[str, int] | None:
        """The file that holds a frame, and the frame's number there; None for one of long ago."""
        at = bisect_right(self._places, (packet, sys.maxsize, "")) - 1
        if at < 0:
            return None
        first, before, name = self._places[at]
        return name, packet - first + before + 1

    def batches(self) -> Iterator[PacketBatch]:
        """All packets, as they are written; an empty batch marks each look that found none."""
        if not self._directory.is_dir():
            found = "this is no directory" if self._directory.exists() else "there is no such directory"
            raise InputError(str(self._directory), found, hint="Name the directory that tcpdump or dumpcap writes to")
        try:
            while not self._is_to_end():
                self._look()
                if self._current is None and self._waiting:
                    self._open(self._waiting.pop(0))
                if self._current is not None:
                    newer = bool(self._waiting)  # the writer closes a file before it begins the next
                    more = yield from self._read_on(self._current)
                    if more:
                        continue
                    if newer or self._current.gone:
                        self._leave(self._current)
                        continue
                elif not self.files:
                    self._say_once(f"{self._directory} holds no capture yet: waiting for the first")
                yield no_packets(self.packets + 1)
                time.sleep(_EVERY)
        finally:
            if self._descriptor >= 0:
                os.close(self._descriptor)
        for file in self._files.values():
            if file is not self._current:
                self._tell_cut(file)
        if not self.files:
            raise InputError(str(self._directory), "no capture was written there")

    def _look(self) -> None:
        """See what is new in the directory."""
        found: dict[str, _Status] = {}
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    with suppress(FileNotFoundError):  # deleted since
                        about = entry.stat()
                        if stat.S_ISREG(about.st_mode) and not entry.name.startswith("."):
                            found[entry.name] = _Status(about.st_ino, about.st_size, about.st_mtime_ns)
        except FileNotFoundError:
            self._say_once(f"{self._directory} is gone: waiting for it to come back")
        except OSError as error:
            self._say_once(f"{self._directory} cannot be looked at: {error.strerror or error}")
            return
        for name in [name for name in self._files if name not in found]:
            self._end(self._files.pop(name), "deleted")
        for name in [name for name in self._passed_over if name not in found]:
            del self._passed_over[name]
        for name, status in found.items():
            known = self._files.get(name)
            if known is None:
                self._begin(name, status)
            elif known.status != status and not self._goes_on(known, status):
                # Another file in its place leaves the old one to be read on, if it is open.
                self._end(self._files.pop(name), "overwritten" if status.inode == known.status.inode else "deleted")
                self._begin(name, status)
        self._waiting.sort(key=lambda file: (file.first_time_ns, file.path))

    def _goes_on(self, file: _File, status: _Status) -> bool:
        """Whether it is the same file, that has grown at most."""
        grown = status.size > file.status.size
        if status.inode != file.status.inode or status.size < file.offset:
            return False
        try:
            if _first_bytes(file.path, len(file.known_by)) != file.known_by:
                return False
        except OSError:
            return False
        file.status = status
        if grown and file.passed and not file.parser.stopped:  # another ring in this directory, whose turn it is
            file.passed = False
            self._waiting.append(file)
        return True

    def _begin(self, name: str, status: _Status) -> None:
        """Take up a file, if it is a capture with a packet."""
        path = self._directory / name
        if status.size < _LEAST or self._passed_over.get(name) == status:
            return
        try:
            head = _first_bytes(path, _KNOWN_BY)
        except FileNotFoundError:
            return
        except OSError as error:
            self._passed_over[name] = status
            self._problem("unreadable-capture", f"{path} cannot be read: {error.strerror or error}")
            return
        if any(head.startswith(magic) for magic in COMPRESSIONS):
            self._passed_over[name] = status
            if "compressed" not in self._said:
                self._said.add("compressed")
                self._say(f"compressed files are passed over, {path} for one: a ring is read before it is compressed")
            return
        try:
            parser = recognise(head, str(path))
        except InputError as error:
            self._passed_over[name] = status
            self._say_once(f"passed over: {error}")
            return
        begins = first_time(path)
        if begins == sys.maxsize:
            if status.size > _FIRST_PACKET:
                self._passed_over[name] = status
                self._say_once(f"passed over: {path} holds no packet that can be read")
            return
        if isinstance(parser, PcapngParser):
            parser.secrets = self.secrets
        with suppress(OSError):
            head = _first_bytes(path, _KNOWN_BY)  # now that there is a packet
        self._files[name] = _File(path=path, known_by=head, first_time_ns=begins, status=status, parser=parser)
        self._waiting.append(self._files[name])

    def _end(self, file: _File, how: str) -> None:
        """A file's life has ended. What of it was not read is lost, but for what can still be read once deleted."""
        file.gone = True
        if file is self._current and how == "deleted":
            return
        if file.passed:
            self._tell_cut(file)
            return
        if file is self._current:
            self._close()
        else:
            self._waiting.remove(file)
        self._lost(f"{file.path} was {how} before it was known to be read to its end")

    def _open(self, file: _File) -> None:
        try:
            self._descriptor = os.open(file.path, os.O_RDONLY)
        except OSError as error:
            if not isinstance(error, FileNotFoundError):
                self._problem("unreadable-capture", f"{file.path} cannot be read: {error.strerror or error}")
                file.passed = True
            else:
                self._waiting.append(file)  # the next look tells what became of it
            return
        self._current = file
        name = str(file.path)
        if not file.packets:
            match = _SEQUENCE.fullmatch(file.path.name)
            if match is not None:
                missed = int(match[2]) - self._sequences.get(match[1], int(match[2])) - 1
                self._sequences[match[1]] = int(match[2])
                if missed > 0:
                    self._lost(f"{missed} {'file' if missed == 1 else 'files'} before {file.path} came and went unseen")
            self.files = [*self.files[1 - _MOST :], name]
            if file.parser.name not in self.formats:
                self.formats.append(file.parser.name)
        self._places = [*self._places[1 - _MOST :], (self.packets + 1, file.packets, name)]

    def _read_on(self, file: _File) -> Generator[PacketBatch, None, bool]:
        """The packets of a file from where it was left; whether it has more already."""
        if file.parser.stopped or not self._is_sound(file):
            return False
        try:
            data = os.pread(self._descriptor, file.chunk, file.offset)
        except OSError as error:
            self._problem("unreadable-capture", f"{file.path} cannot be read on: {error.strerror or error}")
            file.gone = True
            return False
        if not self._is_sound(file):
            return False
        content = np.zeros(len(data) + PADDING, dtype=np.uint8)
        content[: len(data)] = np.frombuffer(data, dtype=np.uint8)
        place = Place(self.packets - file.packets)
        told = len(file.parser.problems)
        batches, reached = file.parser.parse(content, 0, len(data), file.packets + 1, file.offset, final=False)
        file.offset += reached
        self.bytes += reached
        for batch in batches:
            file.packets += len(batch)
            yield self._count(batch)
        for problem in file.parser.problems[told:]:
            place.packets = file.packets
            located = self._located(problem, str(file.path), place)
            self._problem(located.code, located.text, located.packet, located.severity)
        whole = len(data) == file.chunk
        if whole and not reached:
            file.chunk *= 2
        return whole

    def _is_sound(self, file: _File) -> bool:
        """Whether the file that is open still begins as it did; if not, the next look tells what became of it."""
        try:
            return os.pread(self._descriptor, len(file.known_by), 0) == file.known_by
        except OSError:
            return False

    def _leave(self, file: _File) -> None:
        """Close a file that was read to its end, if it is still what it was."""
        file.passed = file.gone or self._is_sound(file)
        if not file.passed:
            file.status = _Status(0, 0, 0)  # whatever it is, it is not what was seen last
            return
        self._close()
        if file.gone:
            self._tell_cut(file)

    def _close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        self._current = None

    def _tell_cut(self, file: _File) -> None:
        """Tell of a packet that a file ends in, now that it is finished."""
        if file.passed and not file.parser.stopped and file.status.size > file.offset:
            file.offset = file.status.size
            text = f"{file.path} ends in the middle of packet {file.packets + 1}; the packets before it were read"
            self._problem("truncated-capture", text, self.packets)

    def _lost(self, text: str) -> None:
        hint = "packets are missing here: let the ring have more files, or larger ones"
        self._problem("ring-overtook", f"the ring was faster than hsanalyze: {text}; {hint}", self.packets or None)

    def _problem(self, code: str, text: str, packet: int | None = None, severity: str = "error") -> None:
        self._say(f"{severity}: {text}")
        self.problems = [
            *self.problems[1 - _MOST :],
            CaptureProblem(code=code, text=text, packet=packet, severity=severity),
        ]

    def _say_once(self, text: str) -> None:
        if text not in self._said and len(self._said) < _MOST:
            self._said.add(text)
            self._say(text)


def _first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)
