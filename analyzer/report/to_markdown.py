"""The report for a ticket: Markdown as GitHub, GitLab and Jira take it.

Takes a `Report`, gives a string that ends with a newline. Nothing in a name can become markup: a word with
any character beyond letters, digits and plain punctuation stands in a code span, where Markdown, HTML, links and
mentions have no meaning (CommonMark 0.31, 6.1; GitHub Flavored Markdown, autolinks extension).
"""

from __future__ import annotations

import re
from functools import singledispatch

from analyzer.report import layout
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
)
from analyzer.report.model import Report

__all__ = ["render", "to_markdown"]

TABLE_ROWS = 200
"""A comment on GitHub ends at 65,536 characters."""

# A word of these characters means itself, wherever it stands but at the head of a line.
_HARMLESS = re.compile(r"""(?:[^\W_]|[-.,;'"()=/%+?!…]|[^\x00-\x7f]|(?<=\d):(?=\d)|(?<=-)>)*:?""")
# `www.`, and what looks like a host name: some hosts of tickets make links of these.
_HOST = re.compile(r"www\.|[^\W\d_]{2}\.[^\W_]{2}|[^\W_]{2}\.[^\W\d_]{2}", re.IGNORECASE)
_LINE_START = re.compile(r"[-+=]+|\d+[.)]")
_OPENING = "'\"("
_CLOSING = ")'\".,;:?!"


def to_markdown(report: Report, *, all_connections: bool = False) -> str:
    """Write the report as Markdown; `all_connections` shows the completed ones in full too."""
    return render(layout.document(report, all_connections=all_connections, table_rows=TABLE_ROWS))


def render(document: Document) -> str:
    """Write any document as Markdown."""
    return "\n\n".join(_block(block) for block in document.blocks) + "\n"


@singledispatch
def _block(block: Block) -> str:
    raise TypeError(f"no Markdown form for {type(block).__name__}")


@_block.register
def _verdict(block: Verdict) -> str:
    return f"**Verdict:** {_inline(block.text)}"


@_block.register
def _heading(block: Heading) -> str:
    return f"{'#' * (block.level + 1)} {_inline(block.text)}"


@_block.register
def _paragraph(block: Paragraph) -> str:
    return f"> **Note:** {_inline(block.text)}" if block.warning else _inline(block.text)


@_block.register
def _facts(block: Facts) -> str:
    return "\n".join(f"- **{label}:** {_inline(value)}" for label, value in block.rows)


@_block.register
def _items(block: Items) -> str:
    return "\n".join(
        f"{f'{number}.' if block.numbered else '-'} {_inline(item)}" for number, item in enumerate(block.items, 1)
    )


@_block.register
def _listing(block: Listing) -> str:
    return _fenced("\n".join(block.lines), block.language)


@_block.register
def _ladder(block: Ladder) -> str:
    lines = [f"{drawn}{what}{'  <== ends the handshake' if ends else ''}" for drawn, what, ends in ladder_lines(block)]
    return _fenced("\n".join(line.rstrip() for line in lines), "text")


@_block.register
def _chain(block: Chain) -> str:
    head = ["number", block.sent, "issued by", "valid", "SHA-256"]
    if block.store:
        head.append(block.store)
    return _rows(head, [_link(link, store=bool(block.store)) for link in block.links])


def _link(link: Link, *, store: bool) -> list[str]:
    broken = f" **broken here: {_cell(link.broken)}**" if link.broken else ""
    row = [
        "?" if link.position is None else str(link.position),
        f"{_cell(link.role)} {_cell(Code(link.subject))}{broken}",
        "".join(map(_cell, link.issuer)) or "-",
        _cell(link.validity) or "-",
        _cell(Code(f"{link.digest[:16]}…")) if link.digest else "-",
    ]
    return [*row, _cell(link.store)] if store else row


@_block.register
def _steps(block: Steps) -> str:
    return "\n".join(_step(number, step) for number, step in enumerate(block.steps, 1))


def _step(number: int, step: Step) -> str:
    margin = " " * (len(str(number)) + 2)
    lines = [f"{number}. {_inline(step.text)} **[{_inline((step.standing,))}]**"]
    lines += [f"{margin}- {_inline(detail)}" for detail in step.details]
    if step.caution:
        lines.append(f"{margin}- **Caution:** {_inline((step.caution,))}")
    if step.commands:
        fenced = _fenced("\n".join(step.commands), "sh").split("\n")
        lines += ["", *(f"{margin}{line}" for line in fenced), ""]
    return "\n".join(lines)


@_block.register
def _table(block: Table) -> str:
    return _rows([column.name for column in block.columns], [[_cell(cell) for cell in row] for row in block.rows])


def _rows(head: list[str], rows: list[list[str]]) -> str:
    import tabulate

    return tabulate.tabulate(rows, headers=[_cell(name) for name in head], tablefmt="github", disable_numparse=True)


def _cell(piece: Inline) -> str:
    """Write a table cell. No two dialects agree on a pipe in a table, so a broken bar stands for it."""
    text = piece if isinstance(piece, str) else piece.text
    return _inline((type(piece)(text.replace("|", "¦")),))


def _inline(text: Text) -> str:
    result = ""
    for piece in text:
        rendered = _piece(piece, first=not result)
        # Two code spans that touch would make one longer run of backticks.
        result += f" {rendered}" if result.endswith("`") and rendered.startswith("`") else rendered
    return result.strip()


def _piece(piece: Inline, *, first: bool) -> str:
    if isinstance(piece, Code):
        return _code(piece.text)
    if isinstance(piece, Strong):
        inner = " ".join(_word(word) for word in piece.text.split())
        after = " " if piece.text.endswith(" ") else ""
        return f"**{inner}**{after}" if inner else ""
    words = piece.split(" ")
    if first and _LINE_START.fullmatch(words[0]):
        words[0] = _code(words[0])
        return " ".join([words[0], *map(_word, words[1:])])
    return " ".join(map(_word, words))


def _word(word: str) -> str:
    if not word or (_HARMLESS.fullmatch(word) and not _HOST.search(word)):
        return word
    tail = word.lstrip(_OPENING)
    core = tail.rstrip(_CLOSING)
    return f"{word[: len(word) - len(tail)]}{_code(core)}{tail[len(core) :]}"


def _code(text: str) -> str:
    if not text.strip():
        return "` `" if text else ""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{space}{text}{space}{fence}"


def _fenced(text: str, language: str) -> str:
    fence = "`" * max(3, max(map(len, re.findall("`+", text)), default=0) + 1)
    return f"{fence}{language}\n{text}\n{fence}"
