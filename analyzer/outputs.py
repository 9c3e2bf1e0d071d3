"""Files that an analysis writes: new ones only, all of them or none."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from analyzer.errors import InputError

__all__ = ["write_new"]


def write_new(directory: str | Path, files: Mapping[str, bytes]) -> None:
    """Write files by name into a directory, which is made where it is missing.

    Each appears whole under its name or not at all. Raises `InputError`, with nothing left behind, when one of the
    names exists already or cannot be written.
    """
    folder = Path(directory)
    existing = [name for name in files if os.path.lexists(folder / name)]
    if existing:
        raise _exists(folder / existing[0])
    made = _with_parents(folder)
    written: list[Path] = []
    try:
        for name, data in files.items():
            _write(folder / name, data)
            written.append(folder / name)
    except BaseException as error:
        for path in written:
            path.unlink(missing_ok=True)
        _remove(made)
        if isinstance(error, FileExistsError):
            raise _exists(Path(error.filename2 or error.filename or folder)) from None
        if isinstance(error, OSError):
            raise InputError(str(folder), f"cannot be written: {error.strerror or error}") from None
        raise


def _with_parents(folder: Path) -> list[Path]:
    """Make a directory and those above it; gives what was made, the innermost first."""
    missing = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _remove(missing)
        reason = "is no directory" if isinstance(error, (FileExistsError, NotADirectoryError)) else error.strerror
        raise InputError(str(folder), f"the repair kit cannot be written there: {reason or error}") from None
    return missing


def _write(path: Path, data: bytes) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".hsanalyze-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).chmod(0o644)
        _named(Path(temporary), path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _named(temporary: Path, path: Path) -> None:
    """Give a file its name unless that exists; by a hard link, which does both in one step where there are any."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(None, None, str(path)) from None
        temporary.rename(path)


def _remove(folders: list[Path]) -> None:
    for path in folders:
        with suppress(OSError):
            path.rmdir()


def _exists(path: Path) -> InputError:
    return InputError(str(path), "exists already, and is not written over", hint="Name a new directory with --fix-dir")
