"""Sentences in the words of a product: one place that turns "the client" into "the Message Processor".

Everything else writes client, server and trust store, whatever the product. What stands in quotation marks (names out
of certificates) and what a validator says itself are left as they are.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from analyzer.gateways import Words

__all__ = ["Wording", "wording_of"]

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


@lru_cache(maxsize=8)
def wording_of(words: Words, *, front: bool) -> Wording:
    """The wording of a product for one kind of leg."""
    return Wording(words, front=front)


def _put(what: re.Pattern[str], word: str, text: str) -> str:
    """Put a word in place of a phrase, with a capital where the phrase had one (a product's own name keeps its own)."""

    def replacement(match: re.Match[str]) -> str:
        return f"The {word[4:]}" if match[1] == "T" and word.startswith("the ") else word

    return what.sub(replacement, text)
