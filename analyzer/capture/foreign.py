"""Formats that only Wireshark reads: its program editcap turns them into pcapng, where it is installed.

Wireshark's captype says which format a file has. Neither takes packets apart, so what they are fed may be crafted.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import IO, Final

from analyzer.dataclass import dataclass

__all__ = ["Conversion", "converted", "format_name"]

_TIMEOUT: Final = 3600
_BRIEF: Final = 60
"""Seconds for a program that reads but the beginning of a file."""
_CHUNK: Final = 1 << 16
_PROBE: Final = 1 << 20
"""Bytes of a stream by which its format is recognised, before all of it is kept."""
_UNKNOWN: Final = "unknown"
_IN_USE: Final = "Encapsulation in use by packets"
_HEADED: Final = "-nettl"
"""What ends the names of encapsulations that have a header of HP-UX beside the packet, not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What became of a file: its packets as a pcapng stream (None without any), its format's name, complaints."""

    file: IO[bytes] | None = None
    format: str = ""
    told: str = ""
    """What editcap said where it did not succeed, in its words."""


@contextmanager
def converted(source: Path | IO[bytes], errors: tuple[type[Exception], ...] = ()) -> Iterator[Conversion]:
    """The packets of a file, or of a stream, which is kept in a temporary file first; no file is changed.

    `errors` are what reading the stream may raise: what came before is converted.
    """
    program = which("editcap")
    if program is None:
        yield Conversion()
        return
    with tempfile.TemporaryDirectory() as folder:
        path, damage = (source, "") if isinstance(source, Path) else _kept(source, Path(folder, "kept"), errors)
        name = format_name(path)
        if name == _UNKNOWN:
            yield Conversion()
            return
        copy = Path(folder, "converted.pcapng")
        told = _convert(program, path, copy) or damage
        if told and _is_empty(copy) and (encapsulation := _only_encapsulation(program, path)):
            told = _convert(program, path, copy, "-T", encapsulation)
        if _is_empty(copy):
            yield Conversion(format=name, told=told)
            return
        with copy.open("rb", buffering=0) as file:
            yield Conversion(file=file, format=name, told=told)


def format_name(path: Path) -> str:
    """Wireshark's name of a file's format, `unknown` for what it does not read; empty where it cannot be asked."""
    program = which("captype")
    if program is None:
        return ""
    name = str(path.absolute())
    told = next((line for line in _output(program, name).splitlines() if line.startswith(f"{name}: ")), "")
    return told.removeprefix(f"{name}: ").strip() or _UNKNOWN


def _kept(stream: IO[bytes], path: Path, errors: tuple[type[Exception], ...]) -> tuple[Path, str]:
    """Write a stream to a file, no more of it than a probe where Wireshark does not know it; and what broke it off."""
    size, known = 0, False
    with path.open("wb") as file:
        try:
            while more := stream.read(_CHUNK):
                file.write(more)
                size += len(more)
                if not known and size >= _PROBE:
                    file.flush()
                    known = format_name(path) != _UNKNOWN
                    if not known:
                        break
        except errors as error:
            return path, f"the compressed data ends early or is damaged ({error})"
    return path, ""


def _is_empty(path: Path) -> bool:
    return not path.is_file() or not path.stat().st_size


def _convert(program: str, path: Path, copy: Path, *options: str) -> str:
    """Convert a file, and give what editcap complained of."""
    words = [program, "-F", "pcapng", *options, str(path.absolute()), str(copy)]
    try:
        done = subprocess.run(words, capture_output=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        return f"it did not end within {_TIMEOUT} seconds"
    lines = done.stderr.decode(errors="replace").replace(str(path.absolute()), path.name).strip().splitlines()
    return " ".join(line.strip() for line in lines)[:300].removeprefix("editcap: ").rstrip(".") or (
        "it failed" if done.returncode else ""
    )


def _only_encapsulation(program: str, path: Path) -> str:
    """The name of the one encapsulation that all packets of a file have; empty where there are several.

    Some formats tell it for each packet, which pcapng cannot be written from before it is known of all.
    """
    capinfos = which("capinfos")
    if capinfos is None:
        return ""
    lines = _output(capinfos, "-E", str(path.absolute())).splitlines()
    listed = next((number for number, line in enumerate(lines) if line.startswith(_IN_USE)), None)
    if listed is None:
        kinds = [line.partition(":")[2].strip() for line in lines if line.startswith("File encapsulation")]
    else:
        kinds = [line.rpartition("(")[0].strip() for line in lines[listed + 1 :] if line.startswith(" ")]
    names = {}
    for line in _output(program, "-T").splitlines():
        name, _, description = line.strip().partition(" - ")
        names[description] = name
    return names.get(kinds[0], "").removesuffix(_HEADED) if len(kinds) == 1 else ""


def _output(*words: str) -> str:
    """What a program prints."""
    try:
        done = subprocess.run(words, capture_output=True, timeout=_BRIEF, check=False)
    except subprocess.TimeoutExpired:
        return ""
    return (done.stdout or done.stderr).decode(errors="replace")
