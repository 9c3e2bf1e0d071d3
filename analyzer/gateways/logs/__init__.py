"""Logs and traces of products: one module a format, found by walking this folder.

A module without a leading underscore is a format and holds `FORMAT`, a `Format`. A new one is a new module and
nothing else. A format finds out where and when: addresses, time, host, message id. What a line says of the handshake
is the same for all, `_words`. `read_log` streams an open file and never raises for what is in it; lines of several
formats may be mixed in one file. Nothing here opens files.
"""

from __future__ import annotations

import json
import pkgutil
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from typing import Any, Final, Literal

from analyzer.dataclass import dataclass
from analyzer.gateways.logs._addresses import Endpoint, endpoint
from analyzer.gateways.logs._secrets import shown
from analyzer.gateways.logs._times import Moment
from analyzer.gateways.logs._words import ANY_CERTIFICATE, Said

__all__ = [
    "ANY_CERTIFICATE",
    "Block",
    "Endpoint",
    "Fields",
    "Format",
    "LogEntry",
    "Moment",
    "Said",
    "Side",
    "endpoint",
    "formats",
    "shown",
]

Side = Literal["client", "server"]
_MOST_JSON: Final = 1 << 20
"""Characters of one line of JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """What a format finds beside the words.

    `local` and `remote` are the writer's own end and the other one, as the writer names them; `side` is the part that
    the writer plays in the TLS handshake. `text` is what to show and to look for words in, where that is not the whole
    of the lines. `said`: what the format itself says of the handshake where there are no words (a termination state).
    """

    time: Moment | None = None
    local: Endpoint | None = None
    remote: Endpoint | None = None
    host: str | None = None
    id: str | None = None
    side: Side | None = None
    text: str | None = None
    said: Said | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """A line, or several that belong together, that speaks of a handshake.

    `line` is the number of the first, from 1; None where a document does not tell. `text` is as it
    stands in the log, cut: what is shown of it goes through `_secrets.shown` first.
    """

    source: str
    line: int | None
    format: str
    text: str
    said: Said
    time: Moment | None = None
    local: Endpoint | None = None
    remote: Endpoint | None = None
    host: str | None = None
    id: str | None = None
    side: Side | None = None


class Block:
    """A line with those that continue it (a stack trace). `near_ns` is a moment of the capture.

    `memory` is kept by a format from block to block of one file, for what an earlier line says of a later one.
    """

    __slots__ = ("_json", "head", "memory", "near_ns", "text")

    def __init__(self, text: str, near_ns: int, memory: dict[str, str], json: dict[str, Any] | None = None) -> None:
        self.text = text
        self.head = text.partition("\n")[0]
        self.near_ns = near_ns
        self.memory = memory
        self._json: Any = _UNREAD if json is None else json

    @property
    def json(self) -> dict[str, Any] | None:
        """The object that the line holds, alone or behind a prefix (of a container runtime); None without one."""
        if self._json is _UNREAD:
            self._json = _object(self.head)
        found: dict[str, Any] | None = self._json
        return found


_UNREAD: Final = object()


def _object(line: str) -> dict[str, Any] | None:
    start = line.find("{")
    if start < 0 or start > 200 or not line.rstrip().endswith("}") or len(line) > _MOST_JSON:
        return None
    try:
        value = json.loads(line[start:])
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format of a log: `read` gives what it finds in a block, None when the block is none of its own.

    `document` reads a value of a whole file (JSON, or an `Element` of XML): the blocks in it, each with its text; None
    when it is none of its own. `words` are further texts, in lower case, for which lines are looked at. Formats are
    asked by `rank`, the narrow ones first.
    """

    name: str
    read: Callable[[Block], Fields | None] = lambda _: None
    document: Callable[[Any, int], Iterable[Fields] | None] = lambda _value, _near: None
    words: tuple[bytes, ...] = ()
    rank: int = 0


@cache
def formats() -> tuple[Format, ...]:
    """All formats, in the order in which they are asked."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    found: list[Format] = [import_module(f"{__name__}.{name}").FORMAT for name in names]
    return tuple(sorted(found, key=lambda known: known.rank))
