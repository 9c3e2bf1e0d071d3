"""Formats of trust stores: one module each, found by walking this folder.

A module of this folder without a leading underscore is a format and holds `FORMAT`, a `Format`. A new one is
a new module and nothing else. Formats take bytes and give `Contents`; none opens a file, none raises.

`recognise` looks at the content, never at a name, and is true for one format at most: each binary format by
its first bytes or its outermost ASN.1 structure, the textual one by its `-----BEGIN` lines.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Final, Literal

from analyzer.dataclass import dataclass
from analyzer.trust import certificate

__all__ = [
    "MOST_PROBLEMS",
    "Contents",
    "Format",
    "Found",
    "Kind",
    "Purpose",
    "Severity",
    "Trouble",
    "format_of",
    "formats",
    "printable",
]

MOST_PROBLEMS: Final = 1_000
"""Of one file: whoever has more damaged entries than this has no store, and reading it ends."""

Kind = Literal["trusted-certificate", "private-key-entry", "certificate"]
Severity = Literal["error", "warning", "note"]
Purpose = Literal["server", "client"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A certificate in a store.

    `der` is one whole X.509 certificate, checked for its outline only. `kind` says what the store makes of
    it:
    `trusted-certificate` is marked as trusted by the format itself (a JKS or Java PKCS#12 trusted entry,
    OpenSSL's
    `TRUSTED CERTIFICATE`), `private-key-entry` belongs to a private key, `certificate` carries no such mark.
    `chain_index` counts from 0, the key's own certificate, up the chain of a private-key entry; else it is 0.
    `purposes`: whose certificates it may vouch for by the format's own settings, TLS servers and clients by
    default.
    """

    der: bytes
    alias: str | None = None
    kind: Kind = "certificate"
    chain_index: int = 0
    purposes: frozenset[Purpose] = frozenset({"server", "client"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What is wrong with a store: a stable kebab-case code, and what to do in words."""

    code: str
    text: str
    severity: Severity = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What one file holds, in the file's order, and what of it could not be used."""

    entries: tuple[Found, ...] = ()
    problems: tuple[Trouble, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: its name for people, `recognise(data)`, and `read(data, password)`. Neither raises."""

    name: str
    recognise: Callable[[bytes], bool]
    read: Callable[[bytes, str | None], Contents]


def formats() -> Iterator[Format]:
    """All formats of this folder, each imported when its turn comes; that of most stores, the textual one, is first."""
    for name in _names():
        known: Format = import_module(f"{__name__}.{name}").FORMAT
        yield known


def format_of(data: bytes) -> Format | None:
    """The format that recognises `data`, if any does."""
    return next((known for known in formats() if known.recognise(data)), None)


def printable(text: str, most: int = 200) -> str:
    """`text` safe for a terminal, cut after `most` characters: aliases and file names come from strangers."""
    return certificate.printable(text[:most]) + ("…" if len(text) > most else "")


@cache
def _names() -> tuple[str, ...]:
    names = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    return tuple(sorted(names, key=lambda name: (name != "pem", name)))
