r"""Text from hostile places, made fit for a terminal and a ticket.

Names in a report come out of captures and certificates, so anybody may have written them. `clean` leaves only
printable characters: what would move a cursor, start an escape sequence or turn the reading direction
(Unicode categories Cc, Cf, Cs, Co, Cn, Zl, Zp) becomes visible as `\x1b`, `\u202e`. Widths are counted in
terminal cells (Unicode Standard Annex 11: wide characters take two, combining marks none).
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache

__all__ = ["ELLIPSIS", "cells", "clean", "shorten", "split_cells", "unescaped"]

ELLIPSIS = "…"


def clean(text: str) -> str:
    """One line of printable characters: white space becomes a space, what is unprintable its escape."""
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _visible(character) for character in text)


def cells(text: str) -> int:
    """Width of clean text in terminal cells."""
    if text.isascii():
        return len(text)
    return sum(map(_character_cells, text))


def shorten(text: str, limit: int) -> str:
    """Clean text cut to `limit` cells, the last of them an ellipsis when something was cut.

    Combining marks take no cells, so the number of characters is bounded too (at four per cell).
    """
    text = clean(text)
    if cells(text) <= limit and len(text) <= 4 * limit:
        return text
    return split_cells(text, max(limit - 1, 0))[0].rstrip() + ELLIPSIS


def split_cells(text: str, limit: int) -> tuple[str, str]:
    """Clean text parted after at most `limit` cells and four characters per cell."""
    if text.isascii():
        return text[:limit], text[limit:]
    width = 0
    for index, character in enumerate(text[: 4 * limit]):
        width += _character_cells(character)
        if width > limit:
            return text[:index], text[index:]
    return text[: 4 * limit], text[4 * limit :]


def unescaped(value: str) -> str:
    """Give an attribute value of an RFC 4514 name without its escapes."""
    if "\\" not in value:
        return value.strip()
    text = re.sub(r"((?:\\[0-9A-Fa-f]{2})+)", lambda match: _from_hex(match[0]), value)
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL).strip()


def _from_hex(escaped: str) -> str:
    return bytes.fromhex(escaped.replace("\\", "")).decode("utf-8", "replace")


def _visible(character: str) -> str:
    if character.isspace() and ord(character) not in (0x1C, 0x1D, 0x1E, 0x1F, 0x85):
        return " "
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


@cache
def _character_cells(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
