"""Small grammar: counts, lists and times as a person writes them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from analyzer.report.document import Inline, Text

__all__ = ["clock", "count", "listed", "more", "numbers", "validators"]

_RFC3339 = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)")


def count(number: int, one: str, several: str = "") -> str:
    """`1 connection`, `14 connections`."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def more(number: int, one: str, several: str = "") -> str:
    """Say what a cut list ends with."""
    return f"… and {count(number, one, several).replace(' ', ' more ', 1)}."


def clock(time: str, *, date: bool = False) -> str:
    """`10:42:07 UTC` of an RFC 3339 time, with the date when asked; any other text as it is."""
    match = _RFC3339.fullmatch(time)
    if match is None:
        return time or "an unknown time"
    return f"{match[1]} {match[2]} UTC" if date else f"{match[2]} UTC"


def day(time: str) -> str:
    """Give the date of an RFC 3339 time; any other text as it is."""
    match = _RFC3339.fullmatch(time)
    return match[1] if match else time or "?"


def listed(values: Sequence[Inline], limit: int) -> Text:
    """Values with commas between; beyond `limit` they are only counted."""
    pieces: list[Inline] = []
    for index, value in enumerate(values[:limit]):
        pieces += [", ", value] if index else [value]
    if len(values) > limit:
        pieces.append(f" and {len(values) - limit} more")
    return tuple(pieces)


def numbers(values: Sequence[int], limit: int = 12) -> str:
    """`3, 5, 7 and 4 more`."""
    text = ", ".join(str(value) for value in values[:limit])
    return f"{text} and {len(values) - limit} more" if len(values) > limit else text


def validators(profiles: Sequence[str]) -> str:
    """`java`, `java and go`, `java, go and openssl`."""
    if len(profiles) < 2:
        return "".join(profiles)
    return f"{', '.join(profiles[:-1])} and {profiles[-1]}"
