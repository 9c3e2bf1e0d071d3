"""The report in the words of a product: one place that turns "the client" into "the Message Processor".

Everything else writes client, server and trust store, whatever the product. What stands in quotation marks (names out
of certificates) and what a validator says itself are left as they are.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from analyzer.gateways import Words
from analyzer.report.document import Block, Code, Ladder, Listing, Step, Strong
from analyzer.report.model import Connection, Gateway

__all__ = ["Wording", "front_legs", "in_words", "wording_of"]

_KEPT: Final = re.compile(r'"[^"]*"|“[^”]*”|\bsays: .*', re.DOTALL)
_NOT_THE_PEER: Final = r"(?! (?:name|hello|random|certificate|certificates|key|flight|side|CA)\b)"
_CLIENT: Final = re.compile(rf"\b([Tt])he client\b{_NOT_THE_PEER}")
_SERVER: Final = re.compile(rf"\b([Tt])he server\b{_NOT_THE_PEER}")
_STORE: Final = re.compile(r"\b([Tt])he (?:trust )?store\b(?! given)")
_WHOSE: Final = re.compile(r"(\brefused the certificates? of )(?!the |\d+ (?:servers|hosts)\b)")


class Wording:
    """The words for one kind of leg. `front`: the product is the server here, and its clients come from outside."""

    def __init__(self, words: Words, *, front: bool) -> None:
        self._words = words
        self._front = front
        self._replaced = lru_cache(maxsize=4096)(self._worded)

    def __call__(self, text: str) -> str:
        """The text in the product's words; applied twice it is the same."""
        return self._replaced(text)

    def _worded(self, text: str) -> str:
        pieces, done = [], 0
        for kept in _KEPT.finditer(text):
            pieces += [self._outside_quotes(text[done : kept.start()]), kept[0]]
            done = kept.end()
        return "".join([*pieces, self._outside_quotes(text[done:])])

    def _outside_quotes(self, text: str) -> str:
        words = self._words
        if self._front:
            return _put(_SERVER, words.front or words.client, text)
        text = _WHOSE.sub(lambda match: f"{match[1]}{words.server} ", text)
        text = _put(_CLIENT, words.client, text)
        return _put(_STORE, words.store, _put(_SERVER, words.server, text))


def wording_of(gateway: Gateway, *, front: bool) -> Wording:
    """The wording of a gateway for one kind of leg."""
    return _wording(gateway.words, front)


@lru_cache(maxsize=8)
def _wording(words: Words, front: bool) -> Wording:
    return Wording(words, front=front)


def front_legs(connections: Sequence[Connection]) -> frozenset[int]:
    """The connections that lead to the gateway: their server is a client elsewhere, and their client is no server."""
    clients = {_address(item.client) for item in connections}
    servers = {_address(item.server) for item in connections}
    return frozenset(
        item.id for item in connections if _address(item.server) in clients and _address(item.client) not in servers
    )


def in_words(blocks: list[Block], gateway: Gateway | None, connection: Connection) -> list[Block]:
    """The blocks about one connection in the gateway's words; as they are without a gateway."""
    if gateway is None:
        return blocks
    wording = wording_of(gateway, front=connection.leg == "front")
    return [_reworded(block, wording) for block in blocks]


def _reworded(value: Any, wording: Wording) -> Any:
    if isinstance(value, str):
        return wording(value)
    if isinstance(value, tuple):
        return tuple(_reworded(item, wording) for item in value)
    if isinstance(value, (Code, Ladder, Listing)) or not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    if isinstance(value, Strong):
        return Strong(wording(value.text))
    kept = {"commands"} if isinstance(value, Step) else set()
    fields = [item.name for item in dataclasses.fields(value) if item.name not in kept]
    return dataclasses.replace(value, **{name: _reworded(getattr(value, name), wording) for name in fields})


def _put(what: re.Pattern[str], word: str, text: str) -> str:
    """Put a word in place of a phrase, with a capital where the phrase had one (a product's own name keeps its own)."""

    def replacement(match: re.Match[str]) -> str:
        return f"The {word[4:]}" if match[1] == "T" and word.startswith("the ") else word

    return what.sub(replacement, text)


def _address(endpoint: str) -> str:
    return endpoint.rpartition(":")[0]
