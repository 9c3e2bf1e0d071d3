"""Times in log lines, in every usual shape, as nanoseconds since 1970.

A time without a zone is read as if it were UTC and marked so: `matching` finds the zone from the lines that fit the
capture. What a shape leaves out (syslog the year, a bare time of day the date) is taken from the capture: the moment
nearest to it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from analyzer.dataclass import dataclass

__all__ = ["Moment", "find_time", "read_time"]

_SECOND: Final = 1_000_000_000
_DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_UTC_NAMES: Final = frozenset({"z", "utc", "gmt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in time: `ns` since 1970, whether its zone is known, and how fine it was written (ns)."""

    ns: int
    zoned: bool
    resolution_ns: int


_CLOCK: Final = r"(?P<H>\d{1,2}):(?P<M>\d\d):(?P<S>\d\d)(?:[.,:](?P<f>\d{1,9}))?"
_ZONE: Final = r"(?:\s?(?P<z>Z\b|UTC\b|GMT\b|[+-]\d\d:?\d\d\b))?"
_MONTH: Final = r"(?P<b>Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
_HALF: Final = r"(?: (?P<p>[AP]M))?"
_WEEKDAY: Final = r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_SHAPES: Final = tuple(
    re.compile(shape)
    for shape in (
        # ISO 8601, nginx, Go
        rf"(?<!\d)(?P<Y>\d{{4}})[-/](?P<m>\d\d)[-/](?P<d>\d\d)(?:T|\s{{1,2}}|\s-\s|,\s?){_CLOCK}{_ZONE}",
        # the common log format, HAProxy
        rf"(?<!\d)(?P<d>\d\d)/{_MONTH}/(?P<Y>\d{{4}})[: ]{_CLOCK}{_ZONE}",
        # ctime, Apache
        rf"{_WEEKDAY},? {_MONTH} {{1,2}}(?P<d>\d{{1,2}}) {_CLOCK}(?: (?P<z>[A-Z]{{3,4}}))? (?P<Y>\d{{4}})",
        # RFC 1123
        rf"(?<!\d)(?P<d>\d{{1,2}})[- ]{_MONTH}[- ,]{{1,2}}(?P<Y>\d{{4}}) {_CLOCK}{_ZONE}",
        # java.util.logging, Azure's portal
        rf"\b{_MONTH} (?P<d>\d{{1,2}}), (?P<Y>\d{{4}}),? {_CLOCK}{_HALF}{_ZONE}",
        # syslog (RFC 3164)
        rf"\b{_MONTH} {{1,2}}(?P<d>\d{{1,2}}) {_CLOCK}",
        # .NET in English (US)
        rf"(?<!\d)(?P<m>\d{{1,2}})/(?P<d>\d{{1,2}})/(?P<Y>\d{{4}}),? {_CLOCK}{_HALF}{_ZONE}",
        # Apigee's debug sessions
        rf"(?<!\d)(?P<d>\d\d)[-.](?P<m>\d\d)[-.](?P<Y>\d{{4}}|\d\d) {_CLOCK}{_ZONE}",
    )
)
_BARE: Final = re.compile(rf"^\W{{0,3}}{_CLOCK}(?!\d)")
_EPOCH_TEXT: Final = re.compile(r"(?<![\d.:])(1\d{9})(?:\.(\d{1,9})|(\d{3}))?(?![\d.:])")
_HEAD: Final = 200
"""Characters of a line in which its time stands."""


def find_time(text: str, near_ns: int) -> Moment | None:
    """The first time at the head of a line; `near_ns` is a moment of the capture."""
    head = text[:_HEAD]
    start = 1 if head[:1] == "[" else 0
    for shape in _SHAPES:  # at the beginning, where it mostly is: found sooner than by searching
        match = shape.match(head, start)
        if match is not None:
            return _moment(match, near_ns)
    best: tuple[int, int, re.Match[str]] | None = None
    for number, shape in enumerate(_SHAPES):
        match = shape.search(head)
        if match is not None and (best is None or (match.start(), number) < best[:2]):
            best = match.start(), number, match
    if best is not None:
        return _moment(best[2], near_ns)
    bare = _BARE.match(head)
    if bare is not None:
        return _moment(bare, near_ns)
    return _from_epoch(head)


def read_time(value: object, near_ns: int) -> Moment | None:
    """The time that a field of a structured log holds: text of any shape, or a number since 1970."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return _from_number(value)
    return find_time(value, near_ns) if isinstance(value, str) else None


def _from_number(value: float) -> Moment | None:
    for scale in (_SECOND, 1_000_000, 1000, 1):
        if 10**9 <= value * scale / _SECOND < 2 * 10**9:
            whole = isinstance(value, int)
            ns = value * scale if isinstance(value, int) else round(value * scale / 1000) * 1000
            return Moment(ns=ns, zoned=True, resolution_ns=scale if whole else 1_000_000)
    return None


def _from_epoch(text: str) -> Moment | None:
    match = _EPOCH_TEXT.search(text)
    if match is None:
        return None
    digits = match[2] or match[3] or ""
    ns = int(match[1]) * _SECOND + int(digits.ljust(9, "0"))
    return Moment(ns=ns, zoned=True, resolution_ns=int(_SECOND / 10 ** len(digits)))


def _moment(match: re.Match[str], near_ns: int) -> Moment | None:
    part = match.groupdict()
    hour = int(part["H"])
    if part.get("p"):
        hour = hour % 12 + (12 if part["p"] == "PM" else 0)
    seconds = hour * 3600 + int(part["M"]) * 60 + int(part["S"])
    day = _day(part, seconds, near_ns // _SECOND)
    if day is None or seconds > _DAY:
        return None
    digits = part["f"] or ""
    ns = (day + seconds) * _SECOND + int(digits.ljust(9, "0"))
    zone = (part.get("z") or "").lower()
    offset = _offset(zone)
    zoned = offset is not None
    return Moment(ns=ns - (offset or 0) * _SECOND, zoned=zoned, resolution_ns=int(_SECOND / 10 ** len(digits)))


def _day(part: dict[str, str | None], seconds: int, near: int) -> int | None:
    """The start of the day in seconds since 1970."""
    day = part.get("d")
    if day is None:
        base = near // _DAY * _DAY
        return min((base - _DAY, base, base + _DAY), key=lambda start: abs(start + seconds - near))
    named = part.get("b")
    month = _MONTHS.index(named.lower()) + 1 if named else int(part["m"] or 0)
    year = part.get("Y")
    if year is not None:
        return _date(int(year) + (2000 if len(year) == 2 else 0), month, int(day))
    around = datetime.fromtimestamp(near, UTC).year if 0 <= near < 4 * 10**9 else 1970
    starts = [_date(number, month, int(day)) for number in (around - 1, around, around + 1)]
    return min((start for start in starts if start is not None), key=lambda start: abs(start - near), default=None)


@lru_cache(maxsize=256)
def _date(year: int, month: int, day: int) -> int | None:
    try:
        return int((datetime(year, month, day, tzinfo=UTC) - _EPOCH) / timedelta(seconds=1))
    except (ValueError, OverflowError):
        return None


def _offset(zone: str) -> int | None:
    """Seconds east of UTC; None when the zone is not told (a name such as CST means several)."""
    if zone in _UTC_NAMES:
        return 0
    if zone[:1] not in ("+", "-"):
        return None
    digits = zone[1:].replace(":", "")
    value = int(digits[:2]) * 3600 + int(digits[2:]) * 60
    return -value if zone[0] == "-" else value
