"""The exceptions of the package.

    HsanalyzeError
    ├── InputError     an input that cannot be used at all: file, place, reason, what to do
    └── WireError      bytes that break the rules of a format; raised by `wire.Reader` and the parsers
                       on top of it, caught at one seam per stage and turned into a problem

Any other exception that leaves the package is a fault of ours.
"""

from __future__ import annotations

from pathlib import Path


class HsanalyzeError(Exception):
    """Base of all exceptions that this package raises on purpose."""


class InputError(HsanalyzeError):
    """An input that cannot be used at all.

    `source` names the file (or `-`), `offset` the byte at which it fails where that is known,
    `reason` what is wrong in one sentence, `hint` what to do about it.
    """

    def __init__(self, source: str, reason: str, *, offset: int | None = None, hint: str = "") -> None:
        self.source = source
        self.reason = reason
        self.offset = offset
        self.hint = hint
        place = f" (at byte {offset})" if offset is not None else ""
        super().__init__(f"{source}: {reason}{place}" + (f". {hint}" if hint else ""))


class WireError(HsanalyzeError):
    """Bytes that break the rules of a format.

    `what` names the field, `offset` is its position in bytes from the start of the whole message,
    `reason` says what was needed and what was there.
    """

    def __init__(self, what: str, offset: int, reason: str) -> None:
        self.what = what
        self.offset = offset
        self.reason = reason
        super().__init__(f"{what} at byte {offset}: {reason}")


def fault_text(error: BaseException) -> str:
    """A fault of ours in one line: what was raised, and in which file and line."""
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    line = f" ({Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno})" if place else ""
    return f"{type(error).__name__}: {error}{line}"
