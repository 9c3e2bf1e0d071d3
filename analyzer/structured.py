"""JSON, YAML and XML from strangers, read into plain data within bounds.

What products write of themselves (configuration, management interfaces, traces) comes in these forms. `read_json`,
`read_yaml` and `read_xml` take text and give plain data or raise `StructureError`; none opens a file, follows a
reference, expands an entity of its own making or builds an object. YAML aliases are followed, and count as often as
they are used: a document that would unfold to more than `MOST_NODES` is refused (the "billion laughs").

A mapping of YAML is a `Table`, which knows its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import field
from functools import lru_cache
from typing import Any, Final

from analyzer.dataclass import dataclass
from analyzer.errors import HsanalyzeError

__all__ = [
    "Element",
    "StructureError",
    "Table",
    "decoded",
    "documents",
    "items",
    "looks_like_json",
    "looks_like_xml",
    "read_json",
    "read_xml",
    "read_yaml",
    "walk",
]

MOST_NODES: Final = 400_000
"""Values of one YAML document or elements of an XML one; what a gateway with a thousand routes writes has fewer."""

MOST_JSON: Final = 1_000_000
"""Commas and opening brackets of a JSON text, of which it has about one for each value."""

MOST_YAML: Final = 16 << 20
"""Characters of a YAML text."""

MOST_DEPTH: Final = 100
"""Levels of nesting; no product's configuration has half as many."""

_SPACE: Final = re.compile(r"\s*")
_YAML_KEY: Final = re.compile(rb"^[ ]{0,16}(?:- )?[\"']?[A-Za-z_][\w./-]{0,80}[\"']?:(?:[ \t\r\n]|$)", re.MULTILINE)
_HEAD: Final = 1 << 16


class StructureError(HsanalyzeError):
    """Text that breaks the rules of its form, or goes beyond our bounds: where, and what is wrong."""


class Table(dict[str, Any]):
    """A mapping read from YAML. `line` is that of its first key, from 1."""

    __slots__ = ("line",)

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line


@dataclass(slots=True, kw_only=True)
class Element:
    """An XML element: its name without namespace prefix, the text directly in it, its elements, its line."""

    name: str
    line: int
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def child(self, *names: str) -> Element | None:
        """The first element found by going down by these names; None where there is none."""
        found: Element | None = self
        for name in names:
            found = next((item for item in found.children if item.name == name), None) if found else None
        return found

    def value(self, *names: str) -> str | None:
        """The text of that element, stripped; None where there is no such element."""
        found = self.child(*names)
        return found.text.strip() if found is not None else None

    def every(self, name: str) -> Iterator[Element]:
        """All elements of a name, this one included, in the order of the document."""
        waiting = [self]
        while waiting:
            element = waiting.pop()
            if element.name == name:
                yield element
            waiting.extend(reversed(element.children))


def decoded(data: bytes) -> str:
    """Text as products and shells write it: UTF-8, or UTF-16 where PowerShell's `>` made it; without its mark."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8")):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    return data.decode("utf-8", "replace")


def looks_like_json(data: bytes) -> bool:
    """Whether the first character opens a JSON object or array."""
    return decoded(data[:256]).lstrip()[:1] in ("{", "[")


def looks_like_xml(data: bytes) -> bool:
    """Whether the first character opens a tag."""
    return decoded(data[:256]).lstrip()[:1] == "<"


@lru_cache(maxsize=2)
def documents(data: bytes) -> tuple[Any, ...]:
    """The values of a JSON or YAML file; none where it is neither. Kept for the next who asks of the same file."""
    if b"\0" in data[:_HEAD] and data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return ()
    try:
        if looks_like_json(data):
            return read_json(decoded(data))
        return read_yaml(decoded(data)) if _YAML_KEY.search(data[:_HEAD]) else ()
    except StructureError:
        return ()


def read_json(text: str) -> tuple[Any, ...]:
    """All JSON values of a text, one after another: a file, or several answers in one. Raises `StructureError`."""
    import json

    if sum(map(text.count, ",{[")) > MOST_JSON:
        raise StructureError(f"holds more than {MOST_JSON:,} values, which no product's configuration does")
    decoder = json.JSONDecoder()
    values: list[Any] = []
    place = _after_space(text, 0)
    try:
        while place < len(text):
            value, place = decoder.raw_decode(text, place)
            values.append(value)
            place = _after_space(text, place)
    except RecursionError:
        raise StructureError("is nested deeper than any product nests its JSON") from None
    except json.JSONDecodeError as error:
        raise StructureError(f"is no JSON: line {error.lineno}, column {error.colno}: {error.msg}") from None
    except ValueError as error:  # a number of thousands of digits
        raise StructureError(f"is no JSON: {error}") from None
    return tuple(values)


def read_yaml(text: str) -> tuple[Any, ...]:
    """All documents of a YAML text. Scalars are str, bool, int or None; other tags are ignored.

    Raises `StructureError`.
    """
    import yaml

    if len(text) > MOST_YAML:
        raise StructureError(f"has more than {MOST_YAML >> 20} MiB, which is too much for YAML")
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    reading = _YamlReading()
    try:
        for event in yaml.parse(text, Loader=loader):
            reading.take(event)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}: " if mark is not None else ""
        reason = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise StructureError(f"is no YAML: {place}{reason}") from None
    except (RecursionError, ValueError) as error:
        raise StructureError(f"is no YAML: {error}") from None
    return tuple(reading.documents)


def read_xml(text: str) -> Element:
    """The outermost element of an XML text. A document type declaration is refused. Raises `StructureError`."""
    from xml.parsers import expat  # nothing is expanded or fetched: declarations are refused

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    top: list[Element] = []
    open_elements: list[Element] = []
    count = 0

    def refuse(*_: Any) -> None:
        raise StructureError("has a document type declaration (DOCTYPE), which no product's configuration needs")

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MOST_NODES or len(open_elements) >= MOST_DEPTH:
            raise StructureError(f"has more than {MOST_NODES} elements, or more than {MOST_DEPTH} levels")
        element = Element(name=_local(name), line=parser.CurrentLineNumber)
        element.attributes.update((_local(key), value) for key, value in attributes.items())
        (open_elements[-1].children if open_elements else top).append(element)
        open_elements.append(element)

    def end(_: str) -> None:
        open_elements.pop()

    def characters(data: str) -> None:
        if open_elements:
            open_elements[-1].text += data

    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    parser.StartElementHandler = begin
    parser.EndElementHandler = end
    parser.CharacterDataHandler = characters
    try:
        parser.Parse(text.encode("utf-8", "replace") if "encoding" not in text[:200] else _without_encoding(text), True)
    except expat.ExpatError as error:
        raise StructureError(f"is no XML: line {error.lineno}: {expat.ErrorString(error.code)}") from None
    return top[0]


def walk(value: Any, most: int = 10 * MOST_NODES) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each mapping in a JSON or YAML value with its path (`$.a[0].b`), the outer before the inner; `most` in all."""
    waiting: list[tuple[str, Any]] = [("$", value)]
    while waiting and most > 0:
        most -= 1
        path, value = waiting.pop()
        if isinstance(value, dict):
            yield path, value
            waiting.extend((f"{path}.{key}", item) for key, item in reversed(value.items()))
        elif isinstance(value, list):
            waiting.extend((f"{path}[{index}]", item) for index, item in reversed(list(enumerate(value))))


def items(value: Any, *names: str) -> list[Any]:
    """The list found by going down a value by these names; empty where there is none, a single mapping as one."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, dict):
        return [value]
    return value if isinstance(value, list) else []


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return found.end() if found else place


def _local(name: str) -> str:
    """A name without its namespace, which expat puts before it."""
    return name.rpartition(" ")[2]


def _without_encoding(text: str) -> bytes:
    """What was decoded is UTF-8 from here on, whatever its declaration said."""
    return re.sub(r"""(<\?xml[^>]{0,150}?)\s+encoding\s*=\s*["'][\w.-]{0,40}["']""", r"\1", text, count=1).encode(
        "utf-8", "replace"
    )


_TRUE: Final = frozenset({"true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON"})
_FALSE: Final = frozenset({"false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF"})
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")


@dataclass(slots=True, kw_only=True)
class _Open:
    """A collection that is being filled; `size` counts what stands in it, aliases unfolded."""

    value: Table | list[Any]
    anchor: str | None
    key: Any = None
    has_key: bool = False
    size: int = 1


class _YamlReading:
    """Builds plain data from a YAML parser's events."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._total = 0

    def take(self, event: Any) -> None:
        """One event of PyYAML."""
        kind = type(event).__name__
        if kind == "ScalarEvent":
            plain = event.implicit[0] and event.tag is None and not self._awaits_key()
            self._add(_scalar(event.value) if plain else event.value, 1, event.anchor)
        elif kind in ("MappingStartEvent", "SequenceStartEvent"):
            if len(self._open) >= MOST_DEPTH:
                raise StructureError(f"has more than {MOST_DEPTH} levels")
            new: Table | list[Any] = Table(event.start_mark.line + 1) if kind[0] == "M" else []
            self._open.append(_Open(value=new, anchor=event.anchor))
        elif kind in ("MappingEndEvent", "SequenceEndEvent"):
            done = self._open.pop()
            self._add(done.value, done.size, done.anchor)
        elif kind == "AliasEvent":
            if event.anchor not in self._anchors:
                raise StructureError(f"is no YAML: line {event.start_mark.line + 1}: an alias of nothing")
            self._add(*self._anchors[event.anchor], None)
        elif kind == "DocumentStartEvent":
            self._anchors.clear()

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, Table) and not self._open[-1].has_key

    def _add(self, value: Any, size: int, anchor: str | None) -> None:
        self._total += 1
        if size > MOST_NODES or self._total > MOST_NODES:
            raise StructureError(f"has more than {MOST_NODES} values, its aliases unfolded")
        if anchor is not None:
            self._anchors[anchor] = (value, size)
        if not self._open:
            self.documents.append(value)
            return
        into = self._open[-1]
        into.size += size
        if isinstance(into.value, list):
            into.value.append(value)
        elif not into.has_key:
            into.key, into.has_key = value, True
        else:
            into.has_key = False
            self._set(into.value, into.key, value)

    @staticmethod
    def _set(table: Table, key: Any, value: Any) -> None:
        if key == "<<":
            for merged in value if isinstance(value, list) else [value]:
                if isinstance(merged, dict):
                    table.update((name, item) for name, item in merged.items() if name not in table)
        elif isinstance(key, str):
            table[key] = value


def _scalar(text: str) -> str | bool | int | None:
    """A plain scalar by YAML 1.1's words, which products' own readers follow."""
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text in _NULL:
        return None
    return int(text) if _INTEGER.fullmatch(text) else text
