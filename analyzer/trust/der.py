"""A bounded reader of DER (ITU-T X.690), just enough for certificates.

Works on offsets into one `bytes` object, so a nested length can never reach past its parent. Lengths must be
definite and fit the enclosing value. What DER forbids but engines read (a length with leading zeros) is read.
"""

from __future__ import annotations

from calendar import timegm
from functools import lru_cache
from typing import NamedTuple

__all__ = [
    "BIT_STRING",
    "BOOLEAN",
    "GENERALIZED_TIME",
    "INTEGER",
    "OCTET_STRING",
    "OID",
    "SEQUENCE",
    "SET",
    "UTC_TIME",
    "DerError",
    "Element",
    "children",
    "integer",
    "oid_text",
    "read",
    "time_value",
]

BOOLEAN = 0x01
INTEGER = 0x02
BIT_STRING = 0x03
OCTET_STRING = 0x04
OID = 0x06
UTC_TIME = 0x17
GENERALIZED_TIME = 0x18
SEQUENCE = 0x30
SET = 0x31

MAX_OID_BYTES = 128
"""An object identifier longer than this names nothing that exists; it is shown in hex."""


class DerError(ValueError):
    """Bytes that are not the expected DER; the text says what and at which byte."""


class Element(NamedTuple):
    """One tag-length-value: `data[header:end]`, its content `data[start:end]`, `tag` the identifier octet."""

    tag: int
    header: int
    start: int
    end: int


def read(data: bytes, position: int, limit: int, expected: int | None = None) -> Element:
    """The element at `position`; its end is at most `limit`. Raises `DerError`."""
    if position + 2 > limit:
        raise DerError(f"an element is cut short at byte {position}")
    tag = data[position]
    if tag & 0x1F == 0x1F:
        raise DerError(f"a multi-byte tag at byte {position}")
    length = data[position + 1]
    start = position + 2
    if length & 0x80:
        count = length & 0x7F
        if count == 0:
            raise DerError(f"an indefinite length at byte {position}")
        if count > 4 or start + count > limit:
            raise DerError(f"an impossible length at byte {position}")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    end = start + length
    if end > limit:
        raise DerError(f"an element at byte {position} runs {end - limit} bytes past its parent")
    if expected is not None and tag != expected:
        raise DerError(f"tag 0x{tag:02x} instead of 0x{expected:02x} at byte {position}")
    return Element(tag, position, start, end)


def children(data: bytes, start: int, end: int) -> list[Element]:
    """All elements in `data[start:end]`, side by side. Raises `DerError`."""
    found = []
    while start < end:
        element = read(data, start, end)
        found.append(element)
        start = element.end
    return found


def integer(content: bytes) -> int:
    """The value of an INTEGER's content octets (two's complement). Raises `DerError` when empty."""
    if not content:
        raise DerError("an INTEGER without content")
    return int.from_bytes(content, "big", signed=True)


@lru_cache(maxsize=1024)
def oid_text(content: bytes) -> str:
    """An object identifier in dotted form. Raises `DerError` when it is not one."""
    if not content or content[-1] & 0x80 or len(content) > MAX_OID_BYTES:
        raise DerError(f"an object identifier of {len(content)} bytes that does not end")
    arcs: list[int] = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))


def time_value(tag: int, content: bytes) -> int:
    """UTCTime or GeneralizedTime as seconds since 1970 (RFC 5280 section 4.1.2.5). Raises `DerError`.

    Fractions of a second are dropped, seconds may be absent, `+hhmm` offsets are applied, as OpenSSL reads them.
    """
    text = content.decode("ascii", "replace")
    if tag == UTC_TIME:
        if not text[:2].isdigit():
            raise DerError(f"a UTCTime that is no time: {text!r}")
        text = ("19" if int(text[:2]) >= 50 else "20") + text
    elif tag != GENERALIZED_TIME:
        raise DerError(f"tag 0x{tag:02x} instead of a time")
    digits = 0
    while digits < len(text) and digits < 14 and "0" <= text[digits] <= "9":
        digits += 1
    rest = text[digits:]
    if digits not in (12, 14):
        raise DerError(f"a time that is no time: {text!r}")
    if rest.startswith("."):
        rest = rest[1:].lstrip("0123456789")
    offset = 0
    if rest != "Z":
        if len(rest) != 5 or rest[0] not in "+-" or not rest[1:].isdigit():
            raise DerError(f"a time without its zone: {text!r}")
        offset = (int(rest[1:3]) * 60 + int(rest[3:])) * 60 * (1 if rest[0] == "+" else -1)
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    hour, minute = int(text[8:10]), int(text[10:12])
    second = int(text[12:14]) if digits == 14 else 0
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 61):
        raise DerError(f"a time that does not exist: {text!r}")
    try:
        return timegm((year, month, day, hour, minute, second, 0, 0, 0)) - offset
    except ValueError as error:
        raise DerError(f"a time that does not exist: {text!r}") from error
