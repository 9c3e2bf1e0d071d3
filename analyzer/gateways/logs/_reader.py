"""Reads one log: lines into blocks, each block by the format that knows it, and what it says by the table of words.

Work and memory are bounded: lines are cut, blocks too, a file that is one document is read up to `MOST_DOCUMENT`
bytes, and what speaks of no handshake is let go at once. A block is looked at only when one of a few short words is in
it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import Any, BinaryIO, Final

from analyzer.gateways.logs import Block, Fields, Format, LogEntry, Moment, formats
from analyzer.gateways.logs._addresses import Endpoint
from analyzer.gateways.logs._secrets import kept, shown
from analyzer.gateways.logs._times import find_time
from analyzer.gateways.logs._words import Said, read_words
from analyzer.structured import StructureError, decoded, looks_like_json, looks_like_xml, read_json, read_xml

__all__ = ["LogFile"]

_MOST_LINE: Final = 1 << 16
"""Bytes of a line that are looked at."""
_MOST_LINES: Final = 200
_AT_ONCE: Final = 100
_MOST_HEAD: Final = 2000
_MOST_BLOCK: Final = 1 << 17
MOST_DOCUMENT: Final = 32 << 20
_MOST_ID: Final = 200
_WORDS: Final = (
    b"ssl", b"tls", b"certif", b"handshake", b"pkix", b"x509", b"cert_", b"altname", b"certpath", b"alert", b"issuer",
    b"subject alternative", b"no name matching", b"trust", b"invalid_purpose", b"wrong version", b"http re",
    b"connection re", b"econn", b"etimedout", b"timed out", b"timeout", b"pipe", b"forcibly closed", b"peer closed",
    b"prematurely closed", b"errorinfo_", b"an unexpected error occurred",
)  # fmt: skip
"""In lower case. Each text of `_words` holds one of them, but for those that a format adds."""
_CONTINUES: Final = (
    b" ", b"\t", b")", b"}", b"]", b"Caused by:", b"Suppressed:", b"...", b"--- End of", b'"', b"\r", b"\n", b"SEVERE:",
    b"WARNING:", b"INFO:",
)  # fmt: skip


class LogFile:
    """One log: its entries, and what was wrong with it.

    `near_ns` is a moment of the capture; `wanted(local, remote)` tells whether the capture has a connection between
    two addresses, so that a line about it is kept though it tells of no failure. `of_its_time` tells of a moment
    whether it may be the capture's: a line of another is not looked at, unless it names both ends.
    """

    def __init__(
        self,
        source: str,
        near_ns: int,
        wanted: Callable[[Endpoint | None, Endpoint | None], bool],
        of_its_time: Callable[[Moment], bool] = lambda _: True,
    ) -> None:
        self.source = source
        self.lines = 0
        self.blocks = 0
        """Of which something could be read: without any it is no log that is known."""
        self.outside = 0
        """Blocks of another time."""
        self.full = False
        """Set by the reader's user when no more entries are wanted: from then on they are only counted."""
        self.let_go = 0
        self._near = near_ns
        self._wanted = wanted
        self._of_its_time = of_its_time
        self._memory: dict[str, str] = {}
        self._formats = formats()
        self._last: Format | None = None
        self._words = tuple(dict.fromkeys((*_WORDS, *(word for known in self._formats for word in known.words))))

    def entries(self, file: BinaryIO) -> Iterator[LogEntry]:
        """The entries of an open file. Raises what reading the file raises, and nothing for what is in it."""
        first = file.readline(_MOST_LINE)
        if (
            first[:2] in (b"\xff\xfe", b"\xfe\xff")
            or (looks_like_json(first) and not _is_object(first))
            or looks_like_xml(first)
        ):
            yield from self._document_or_lines(first + file.read(MOST_DOCUMENT), file)
        else:
            yield from self._lines(chain((first,), _lines_of(file)))

    def _document_or_lines(self, data: bytes, rest: BinaryIO) -> Iterator[LogEntry]:
        found = self._document(data) if len(data) < MOST_DOCUMENT else None
        if found is not None:
            self.lines += data.count(b"\n")
            yield from found
            return
        lines = (
            decoded(data).encode().splitlines(keepends=True)
            if data[:1] in b"\xff\xfe"
            else data.splitlines(keepends=True)
        )
        yield from self._lines(chain(lines, _lines_of(rest)))

    def _document(self, data: bytes) -> list[LogEntry] | None:
        """The entries of a file that is JSON or XML as a whole; None when it is not, or is no log of a known form."""
        text = decoded(data)
        try:
            values = (read_xml(text),) if looks_like_xml(data) else read_json(text)
        except StructureError:
            return None
        found: list[LogEntry] = []
        known = False
        place = _Places(text)
        for value in values:
            blocks = self._by_a_format(value)
            if blocks is None:
                continue
            known = True
            for form, fields in blocks:
                entry = self._entry(form, fields, place.line_of(fields), "")
                if entry is not None:
                    found.append(entry)
        return found if known else None

    def _by_a_format(self, value: Any) -> list[tuple[Format, Fields]] | None:
        for known in self._formats:
            fields = known.document(value, self._near)
            if fields is not None:
                return [(known, item) for item in fields]
        records = _records(value)
        if not records:
            return None
        found = []
        for record in records:
            block = Block("", self._near, self._memory, record)
            for known in self._formats:
                read = known.read(block)
                if read is not None:
                    found.append((known, read))
                    break
        return found

    def _lines(self, lines: Iterable[bytes]) -> Iterator[LogEntry]:
        blocks = self._blocks_of(lines)
        # What no line of many holds is found sooner in all of them at once than in each.
        while batch := [(number, b"".join(held)) for number, held in islice(blocks, _AT_ONCE)]:
            words = self._present(b"".join(data for _, data in batch))
            for number, data in batch if words else ():
                low = data.lower()
                if any(word in low for word in words):
                    yield from self._read(data[:_MOST_BLOCK].decode("utf-8", "replace"), number)

    def _present(self, data: bytes) -> list[bytes]:
        low = data.lower()
        return [word for word in self._words if word in low]

    def _blocks_of(self, lines: Iterable[bytes]) -> Iterator[tuple[int, list[bytes]]]:
        held: list[bytes] = []
        first = number = 0
        for line in lines:
            number += 1
            if held and (line.startswith(_CONTINUES) or _is_exception(line, held[0])):
                if len(held) < _MOST_LINES:
                    held.append(line)
                continue
            if held:
                yield first, held
            held, first = [line], number
        self.lines += number
        if held:
            yield first, held

    def _passed_over(self, head: str) -> bool:
        if self.full:
            self.let_go += 1
            return True
        if head.startswith("{") or "->" in head or "Local:" in head or "L:/" in head:
            return False
        moment = find_time(head, self._near)
        if moment is None or self._of_its_time(moment):
            return False
        self.outside += 1
        return True

    def _read(self, text: str, number: int) -> Iterator[LogEntry]:
        text = _without_stream(text)
        if self._passed_over(text[:_MOST_HEAD]):
            return
        block = Block(text, self._near, self._memory)
        asked = self._formats if self._last is None else (self._last, *self._formats)
        for known in asked:
            fields = known.read(block)
            if fields is None:
                continue
            self._last = known if known.rank == 0 else None
            entry = self._entry(known, fields, number, text)
            if entry is not None:
                yield replace(entry, line=number + _first_words(text)) if "\n" in text[:-1] else entry
            return

    def _entry(self, form: Format, fields: Fields, line: int | None, text: str) -> LogEntry | None:
        told = text if fields.text is None else fields.text
        said = read_words(told) or fields.said
        if said is None:
            if fields.text == "" or not self._wanted(fields.local, fields.remote):
                return None
            said = Said()
        self.blocks += 1
        if fields.said is not None and not said.as_client:
            said = replace(said, as_client=fields.said.as_client)
        return LogEntry(
            source=self.source,
            line=line,
            format=form.name,
            text=kept(told or text or ", ".join(said.words)),
            said=said,
            time=fields.time,
            local=fields.local,
            remote=fields.remote,
            host=fields.host,
            id=shown(fields.id)[:_MOST_ID] if fields.id else None,
            side=fields.side,
        )


class _Places:
    """Finds the line of an entry in a document by the time or the text that stands there."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._line = 1

    def line_of(self, fields: Fields) -> int | None:
        wanted = (fields.text or "").partition("\n")[0].partition(": ")[2][:60] or (fields.text or "")[:60]
        place = self._text.find(wanted, self._at) if wanted else -1
        if place < 0:
            return None
        self._line += self._text.count("\n", self._at, place)
        self._at = place
        return self._line


def _records(value: Any) -> list[dict[str, Any]]:
    """The rows of a document that is a list of log records, however it is wrapped."""
    if isinstance(value, dict):
        for name in ("records", "value", "entries", "logs", "results"):
            if isinstance(value.get(name), list):
                return _records(value[name])
        tables = value.get("tables")
        if isinstance(tables, list):
            return [row for table in tables if isinstance(table, dict) for row in _rows(table)]
        return [value]
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _rows(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of Log Analytics: the names of the columns stand apart."""
    columns, rows = table.get("columns"), table.get("rows")
    if isinstance(columns, list) and isinstance(rows, list):
        names = [str(item.get("name")) if isinstance(item, dict) else str(item) for item in columns]
        yield from (dict(zip(names, row, strict=False)) for row in rows if isinstance(row, list))


def _first_words(text: str) -> int:
    """The line of a block, from 0, that says what failed."""
    lines = text.splitlines()
    return next((index for index, line in enumerate(lines) if read_words(line) is not None), 0)


def _is_object(line: bytes) -> bool:
    return len(line) < _MOST_LINE and line.rstrip().endswith(b"}") and line.count(b"{") == line.count(b"}")


def _lines_of(file: BinaryIO) -> Iterator[bytes]:
    """Lines cut after `_MOST_LINE` bytes; the rest of a longer one is passed over."""
    cut = False
    while line := file.readline(_MOST_LINE):
        if not cut:
            yield line
        cut = not line.endswith(b"\n")


def _is_exception(line: bytes, head: bytes) -> bool:
    """Whether a line is the exception that the line before it logged: `java.net.ConnectException: …`."""
    return _names_an_exception(line) and not _names_an_exception(head)


def _names_an_exception(line: bytes) -> bool:
    name = line[:300].partition(b":")[0].partition(b" ")[0].rstrip()
    return name.endswith((b"Exception", b"Error")) and name.count(b".") >= 1 and name[:1].isalpha()


def _without_stream(text: str) -> str:
    """Without what container runtimes put before a line, behind a time of their own (CRI log format)."""
    if " F " not in text[:60]:
        return text
    for mark in ("stdout F ", "stderr F "):
        text = text.replace(mark, "", 1)
    return text
