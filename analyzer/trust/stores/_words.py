"""Dates, serial numbers and thumbprints as products write them, brought into one form."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from typing import Any, Final

from analyzer.trust.certificate import instant
from analyzer.trust.stores import printable

__all__ = ["hex_digits", "moment", "shell_word", "text"]

MOST_CHARACTERS: Final = 2_000
"""Of one value that is shown; a distinguished name is shorter."""

_FORMS: Final = (
    "%b %d %H:%M:%S %Y GMT",  # OpenSSL, HAProxy
    "%a %b %d %H:%M:%S GMT %Y",  # Java's Date.toString, in this zone
    "%a %b %d %H:%M:%S UTC %Y",
    "%a, %d %b %Y %H:%M:%S GMT",  # HTTP
    "%a, %d %b %Y %H:%M:%S UTC",
)
_NUMBER: Final = re.compile(r"(?:/Date\()?(-?\d{1,15})(?:\)/)?")
_MILLISECONDS: Final = 100_000_000_000
"""From this number on it counts milliseconds: as seconds it would be in the year 5138."""
_NOT_HEX: Final = re.compile(r"[^0-9A-Fa-f]")


def text(value: Any) -> str:
    """A value that a product wrote, safe to print; empty for what is no text or number."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return printable(str(value).strip(), MOST_CHARACTERS)


def shell_word(value: str) -> str:
    """A name that a stranger chose, as one word of a command that a user may paste into a shell."""
    return shlex.quote(text(value))


def hex_digits(value: Any, length: int | None = None) -> str:
    """A digest or serial as bare lower-case hex (`00:AB` is `00ab`); empty where it has another `length`."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    digits = _NOT_HEX.sub("", str(value)[:MOST_CHARACTERS].strip().removeprefix("0x")).lower()
    return digits if length in (None, len(digits)) else ""


def moment(value: Any) -> str:
    """A time as RFC 3339 UTC; empty where it is none, or its zone is not known."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    written = str(value)[:80].strip()
    number = _NUMBER.fullmatch(written)
    if number:
        seconds = int(number[1])
        return instant(seconds // 1000 if abs(seconds) >= _MILLISECONDS else seconds)
    found = _iso(written) or _by_form(" ".join(written.split()))
    if found is None or found.tzinfo is None:
        return ""
    return instant(int(found.timestamp()))


def _iso(written: str) -> datetime | None:
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return None


def _by_form(written: str) -> datetime | None:
    for form in _FORMS:
        try:
            return datetime.strptime(written, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
