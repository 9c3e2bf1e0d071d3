"""A report as a document: headings, paragraphs, facts, tables, steps. No format, no colour, no width.

`layout` writes a document from a `Report`; `to_text` and `to_markdown` render it. The words are chosen once,
in `layout`; a renderer only decides how a block looks.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from analyzer.dataclass import dataclass
from analyzer.report.characters import shorten

__all__ = [
    "Block",
    "Chain",
    "Code",
    "Column",
    "Document",
    "Facts",
    "Heading",
    "Inline",
    "Items",
    "Ladder",
    "LadderRow",
    "Link",
    "Listing",
    "Paragraph",
    "Step",
    "Steps",
    "Strong",
    "Table",
    "Text",
    "Verdict",
    "cleaned",
    "ladder_lines",
    "plain",
]

STRING_LIMIT = 2000
"""Cells of the longest string in a document. A certificate can carry a name of megabytes; no reader can."""


@dataclass(frozen=True, slots=True)
class Code:
    """A value to be read or pasted letter by letter: an address, a name, a display filter."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """Words that must not be missed."""

    text: str


Inline = str | Code | Strong
Text = tuple[Inline, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the whole document says, in one sentence. `failed` tells good news from bad."""

    text: Text
    failed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """`level` 1 opens a finding or a part of the report, `level` 2 a section of it."""

    level: int
    text: Text


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """Prose. `warning` marks what the reader should stumble over."""

    text: Text
    warning: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Labelled values."""

    rows: tuple[tuple[str, Text], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Items:
    """A list; `numbered` when the order is a ranking."""

    items: tuple[Text, ...]
    numbered: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading. `floor` is the width in cells below which it is not cut; None: it is never cut."""

    name: str
    floor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of as many cells as there are columns."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Inline, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Lines to be shown as they are. `language` is `sh` for commands and `text` otherwise."""

    lines: tuple[str, ...]
    language: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class LadderRow:
    """One packet: its number, seconds since the connection's first, who sent it, what it carries.

    `packet` None is a remark between packets. `ends` marks the packet that ended the handshake.
    """

    packet: int | None
    time: float
    from_: str
    what: str
    ends: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """The packet walk between client and server."""

    rows: tuple[LadderRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One certificate of the chain, or the place where one is missing.

    `position` is the place in wire order, None when it was not sent. `digest` is empty when the certificate
    is nowhere at hand. `store` says what the trust store holds of it, `broken` what is wrong here (empty:
    nothing).
    """

    position: int | None
    role: str
    subject: str
    issuer: Text
    validity: str
    digest: str
    store: str
    broken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """A chain as it was sent (`sent` is the title of that side), beside what the trust store holds of it."""

    sent: str
    store: str
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One repair. `standing` is how far it can be relied upon, `caution` why it may be unwise."""

    text: Text
    standing: str
    proven: bool
    details: tuple[Text, ...] = ()
    commands: tuple[str, ...] = ()
    caution: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Repairs, the best first."""

    steps: tuple[Step, ...]


Block = Verdict | Heading | Paragraph | Facts | Items | Table | Listing | Ladder | Chain | Steps


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Blocks in reading order."""

    blocks: tuple[Block, ...]


def cleaned(document: Document) -> Document:
    """Make every string printable, on one line and of bounded length."""
    result = _cleaned(document)
    assert isinstance(result, Document)  # noqa: S101  (tells the type checker what a walk over any type returns)
    return result


def plain(text: Text) -> str:
    """Give the words alone."""
    return "".join(piece if isinstance(piece, str) else piece.text for piece in text)


def ladder_lines(ladder: Ladder) -> list[tuple[str, str, bool]]:
    """Draw the ladder in ASCII.

    Each line is (number, time and arrow; what the packet carries; whether it ended it all).
    """
    number = max([len(f"#{row.packet}") for row in ladder.rows if row.packet is not None], default=6)
    time = max([len(_seconds(row.time)) for row in ladder.rows], default=7)
    margin = " " * (number + time + 2)
    lines = [(f"{margin}  client          server", "", False)]
    for row in ladder.rows:
        if row.packet is None:
            lines.append((f"{margin}    |      :      |   ", row.what, False))
            continue
        arrow = "|------------>|" if row.from_ == "client" else "|<------------|"
        lines.append((f"{f'#{row.packet}':<{number}}  {_seconds(row.time):>{time}}    {arrow}   ", row.what, row.ends))
    return lines


def _seconds(time: float) -> str:
    return f"{time:.4f} s"


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return shorten(value, STRING_LIMIT)
    if isinstance(value, tuple):
        return tuple(_cleaned(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{item.name: _cleaned(getattr(value, item.name)) for item in dataclasses.fields(value)})
    return value
