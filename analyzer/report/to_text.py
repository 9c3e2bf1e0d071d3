"""The report for a terminal: plain text, or the same text with colours.

Takes a `Report` or any `Document`, gives a string that ends with a newline. Every line fits in the given width, but for
commands, digests and display filters, which are there to be pasted. With `colour` the very same lines carry
SGR sequences; without it no control character but the newline occurs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import singledispatch
from itertools import groupby, zip_longest
from operator import itemgetter

from analyzer.report import layout
from analyzer.report.characters import ELLIPSIS, cells, shorten, split_cells
from analyzer.report.document import (
    Block,
    Chain,
    Code,
    Document,
    Facts,
    Heading,
    Inline,
    Items,
    Ladder,
    Link,
    Listing,
    Paragraph,
    Step,
    Steps,
    Strong,
    Table,
    Text,
    Verdict,
    ladder_lines,
    plain,
)
from analyzer.report.model import Report

__all__ = ["render", "to_text"]

LEAST_WIDTH = 80
"""Below this many columns the ladder and the tables make no sense; a narrower terminal wraps by itself."""

UNBROKEN_CELLS = 80
"""A value of up to this width is moved to the next line as a whole, so that it can be copied."""

CELL_LINES = 3
"""A cell that needs more is cut."""

STYLES = {
    "heading": "bold",
    "failed": "bold red",
    "good": "bold green",
    "warning": "yellow",
    "strong": "bold",
    "code": "cyan",
    "label": "dim",
}

Line = tuple[tuple[str, str], ...]
"""Pieces of a line, each with the name of its style; the empty name is plain."""


def to_text(report: Report, *, all_connections: bool = False, width: int = 100, colour: bool = False) -> str:
    """Write the report as text of `width` columns; `all_connections` shows the completed ones in full too."""
    return render(layout.document(report, all_connections=all_connections), width=width, colour=colour)


def render(document: Document, *, width: int = 100, colour: bool = False) -> str:
    """Write any document as text of `width` columns."""
    width = max(width, LEAST_WIDTH)
    paint = _painter() if colour else _unpainted
    lines: list[Line] = []
    close = True
    for block in document.blocks:
        part = isinstance(block, Heading) and block.level == 1
        lines += [()] * (2 if part and lines else 0 if close else 1)
        lines += _lines(block, width)
        close = isinstance(block, Heading)
    return "".join(f"{paint(_stripped(line))}\n" for line in lines)


@singledispatch
def _lines(block: Block, width: int) -> list[Line]:
    raise TypeError(f"no text form for {type(block).__name__} of width {width}")


@_lines.register
def _verdict(block: Verdict, width: int) -> list[Line]:
    return _wrapped(block.text, width, style="failed" if block.failed else "good")


@_lines.register
def _heading(block: Heading, width: int) -> list[Line]:
    if block.level == 1:
        text = shorten(plain(block.text), width)
        return [((text, "heading"),), (("=" * cells(text), "heading"),)]
    return [((shorten(plain(block.text), width), "heading"),)]


@_lines.register
def _paragraph(block: Paragraph, width: int) -> list[Line]:
    if block.warning:
        return _wrapped(("Note: ", *block.text), width, style="warning")
    return _wrapped(block.text, width)


@_lines.register
def _facts(block: Facts, width: int) -> list[Line]:
    margin = max(cells(label) for label, _ in block.rows) + 2
    lines: list[Line] = []
    for label, value in block.rows:
        lines += _wrapped(value, width, first=((f"{label:<{margin}}", "label"),), indent=" " * margin)
    return lines


@_lines.register
def _items(block: Items, width: int) -> list[Line]:
    lines: list[Line] = []
    margin = len(str(len(block.items))) + 3 if block.numbered else 4
    for number, item in enumerate(block.items, start=1):
        mark = f"{number}.".rjust(margin - 1) if block.numbered else "  -"
        lines += _wrapped(item, width, first=((f"{mark} ", ""),), indent=" " * margin)
    return lines


@_lines.register
def _listing(block: Listing, width: int) -> list[Line]:
    if block.language == "sh":
        return [((f"  $ {line}", "code"),) for line in block.lines]
    lines: list[Line] = []
    for line in block.lines:
        lines += _wrapped((line,), width, first=(("  ", ""),), indent="    ")
    return lines


@_lines.register
def _ladder(block: Ladder, width: int) -> list[Line]:
    lines: list[Line] = []
    for drawn, what, ends in ladder_lines(block):
        style = "failed" if ends else ""
        text: Text = (what, "  <== ends the handshake") if ends else (what,)
        lines += _wrapped(text, width, first=((f"  {drawn}", style),), indent=" " * (len(drawn) + 2), style=style)
    return lines


@_lines.register
def _chain(block: Chain, width: int) -> list[Line]:
    right = min(38, (width - 6) * 2 // 5) if block.store else 0
    left = width - right - 4
    rows = [(_link_sent(link, left), _link_held(link, right) if block.store else []) for link in block.links]
    titles = _wrapped((block.sent,), left, style="label"), _wrapped((block.store,), right, style="label")
    lines: list[Line] = []
    for sent, held in [titles, *rows]:
        for index in range(max(len(sent), len(held))):
            piece = sent[index] if index < len(sent) else ()
            gap = " " * (left + 2 - cells(_unpainted(piece)))
            other = held[index] if index < len(held) else ()
            lines.append((("  ", ""), *piece, (gap, ""), *other))
    return lines


def _link_sent(link: Link, width: int) -> list[Line]:
    style = "failed" if link.broken else ""
    number = "?" if link.position is None else str(link.position)
    margin = "    "
    lines = _wrapped(
        (link.role, " ", link.subject), width, first=((f"{number:<4}", style),), indent=margin, style=style
    )
    if link.issuer:
        lines += _wrapped(("issued by ", *link.issuer), width, first=((margin, ""),), indent=f"{margin}  ")
    if link.digest:
        digest = (link.validity, ", SHA-256 ", Code(f"{link.digest[:16]}…"))
        lines += _wrapped(digest, width, first=((margin, ""),), indent=f"{margin}  ")
    if link.broken:
        lines += _wrapped(
            (f"<== broken here: {link.broken}",), width, first=((margin, ""),), indent=margin, style=style
        )
    return lines


def _link_held(link: Link, width: int) -> list[Line]:
    return _wrapped((link.store,), width, indent="  ", style="failed" if link.broken else "")


@_lines.register
def _steps(block: Steps, width: int) -> list[Line]:
    lines: list[Line] = []
    for number, step in enumerate(block.steps, start=1):
        if lines:
            lines.append(())
        lines += _step(number, step, width)
    return lines


def _step(number: int, step: Step, width: int) -> list[Line]:
    margin = " " * (len(str(number)) + 4)
    standing = Strong(f" [{step.standing}]") if step.proven else f" [{step.standing}]"
    lines = _wrapped((*step.text, standing), width, first=((f"  {number}. ", "strong"),), indent=margin)
    for detail in step.details:
        lines += _wrapped(detail, width, first=((margin, ""),), indent=f"{margin}  ")
    # A listing with remarks of its own is to be read: not each of its lines is a command.
    prompt = "" if any(command.startswith("#") for command in step.commands) else "$ "
    lines += [((f"{margin}{prompt}{command}", "code"),) for command in step.commands]
    if step.caution:
        caution = ("Caution: ", step.caution)
        lines += _wrapped(caution, width, first=((margin, ""),), indent=f"{margin}  ", style="warning")
    return lines


@_lines.register
def _table(block: Table, width: int) -> list[Line]:
    least = [cells(column.name) + 2 for column in block.columns]
    texts = [[plain((cell,)) for cell in row] for row in block.rows]
    widths = [max([least[index], *(cells(row[index]) for row in texts)]) for index, _ in enumerate(block.columns)]
    floors = [max(least[index], column.floor or widths[index]) for index, column in enumerate(block.columns)]
    _shrink(widths, floors, width - 2 - 2 * (len(widths) - 1))
    body = [[_folded(cell.strip(), widths[index]) for index, cell in enumerate(row)] for row in texts]
    widths = [max([own, *(cells(line) for row in body for line in row[index])]) for index, own in enumerate(least)]
    rows = [line for row in body for line in zip_longest(*row, fillvalue="")]
    drawn = [tuple(column.name for column in block.columns), tuple("-" * width for width in widths), *rows]
    return [((_row(line, widths), "label" if index < 2 else ""),) for index, line in enumerate(drawn)]


def _row(texts: Sequence[str], widths: Sequence[int]) -> str:
    padded = [text + " " * (width - cells(text)) for text, width in zip(texts, widths, strict=True)]
    return f"  {'  '.join(padded).rstrip()}"


def _folded(text: str, width: int) -> list[str]:
    """Fold a cell on as many lines as it needs, up to `CELL_LINES`."""
    if cells(text) <= width:
        return [text]
    lines = [_unpainted(line).rstrip() for line in _wrapped((text,), width)]
    if len(lines) > CELL_LINES:
        lines[CELL_LINES - 1 :] = [shorten(f"{lines[CELL_LINES - 1]}{ELLIPSIS}", width)]
    return lines


def _shrink(widths: list[int], floors: Sequence[int], room: int) -> None:
    """Take cells from the widest column that may still give, until all fit or none can."""
    while sum(widths) > room:
        giving = [index for index, width in enumerate(widths) if width > floors[index]]
        if not giving:
            return
        widest = max(giving, key=lambda index: widths[index])
        widths[widest] -= 1


def _wrapped(text: Text, width: int, *, first: Line = (), indent: str = "", style: str = "") -> list[Line]:
    """Break text at spaces: `first` opens the first line, `indent` the others; `style` goes over it all."""
    lines: list[Line] = []
    line, used = list(first), cells(_unpainted(first))
    room = width - len(indent)
    empty = True
    for word in _words(text, room):
        size = sum(cells(piece) for piece, _ in word)
        if not empty and used + 1 + size > width:
            lines.append(tuple(line))
            line, used, empty = [(indent, "")], len(indent), True
        if not empty:
            line.append((" ", style))
            used += 1
        for piece, own in word:
            while piece:
                if used >= width:
                    lines.append(tuple(line))
                    line, used = [(indent, "")], len(indent)
                head, piece = _parted(piece, width - used)
                line.append((head, style or own))
                used = width if piece else used + cells(head)
        empty = False
    lines.append(tuple(line))
    return lines


def _parted(word: str, room: int) -> tuple[str, str]:
    """Part a word too long for the line, after a dot, a hyphen or the like where one is near the end."""
    head, rest = split_cells(word, room)
    if not rest:
        return head, rest
    place = max(head.rfind(character) for character in ".-:/,_") + 1
    return (word[:place], word[place:]) if place > len(head) // 2 else (head, rest)


def _words(text: Text, room: int) -> list[list[tuple[str, str]]]:
    words: list[list[tuple[str, str]]] = [[]]
    for piece in text:
        content, style = plain((piece,)), _style(piece)
        whole = isinstance(piece, Code) and cells(content) <= min(room, UNBROKEN_CELLS)
        for index, part in enumerate([content] if whole else content.split(" ")):
            if index:
                words.append([])
            if part:
                words[-1].append((part, style))
    return [word for word in words if word]


def _style(piece: Inline) -> str:
    if isinstance(piece, Code):
        return "code"
    return "strong" if isinstance(piece, Strong) else ""


def _stripped(line: Line) -> Line:
    pieces = list(line)
    while pieces:
        text, style = pieces.pop()
        text = text.rstrip()
        if text:
            return (*pieces, (text, style))
    return ()


def _unpainted(line: Line) -> str:
    return "".join(text for text, _ in line)


def _painter() -> Callable[[Line], str]:
    from rich.color import ColorSystem
    from rich.style import Style

    styles = {name: Style.parse(definition) for name, definition in STYLES.items()}

    def paint(line: Line) -> str:
        runs = ((name, "".join(text for text, _ in run)) for name, run in groupby(line, key=itemgetter(1)))
        return "".join(
            styles[name].render(text, color_system=ColorSystem.STANDARD) if name else text for name, text in runs
        )

    return paint
