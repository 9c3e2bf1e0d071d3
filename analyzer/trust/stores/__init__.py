"""Formats of trust stores: one module each, found by walking this folder.

A module of this folder without a leading underscore is a format and holds `FORMAT`, a `Format`. A new one is
a new module and nothing else. Formats take bytes and give `Contents`; none opens a file, none raises.

`recognise` looks at the content, never at a name, and is true for one format at most: each binary format by
its first bytes or its outermost ASN.1 structure, the textual one by its `-----BEGIN` lines, what a product prints or
answers by the fields that only it has. What a product answers as JSON or YAML may hold PEM within: there the products
are asked first.

Some of these tell of a certificate without giving it: names, dates, a thumbprint. That is a `Named`.
"""

from __future__ import annotations

import pkgutil
import re
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
    "Named",
    "Purpose",
    "Severity",
    "Trouble",
    "format_of",
    "formats",
    "printable",
]

MOST_PROBLEMS: Final = 1_000
"""Of one file: whoever has more damaged entries than this has no store, and reading it ends."""

_PRODUCTS: Final = re.compile(rb"^(?:apiVersion|_format_version|static_resources):", re.MULTILINE)
_HEAD: Final = 1 << 16

Kind = Literal["trusted-certificate", "private-key-entry", "certificate", "root", "intermediate"]
"""What an entry is there for. `intermediate`: to build paths, and not trusted; `root`: trusted if it is a root."""
Severity = Literal["error", "warning", "note"]
Purpose = Literal["server", "client"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A certificate in a store.

    `der` is one whole X.509 certificate, checked for its outline only. `kind` says what the store makes of
    it:
    `trusted-certificate` is marked as trusted by the format itself (a JKS or Java PKCS#12 trusted entry,
    OpenSSL's
    `TRUSTED CERTIFICATE`), `private-key-entry` belongs to a private key, `certificate` carries no such mark,
    `intermediate` stands where the product looks for issuers, not for what it trusts (Windows' store CA).
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
class Named:
    """A certificate in a store of which only words are known; empty where the product does not tell.

    `subject` and `issuer` stand as the product writes them, `serial` is hex (or decimal, where the product writes so),
    times are RFC 3339 UTC, `sha1` and `sha256` are hex digests of the DER encoding, `label` is its name in the store,
    `export` the command that gives the certificate itself. All are safe to print.
    """

    subject: str = ""
    issuer: str = ""
    serial: str = ""
    not_before: str = ""
    not_after: str = ""
    sha1: str = ""
    sha256: str = ""
    label: str = ""
    export: str = ""
    kind: Kind = "certificate"


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
    named: tuple[Named, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A format: its name for people, `recognise(data)`, and `read(data, password)`. Neither raises."""

    name: str
    recognise: Callable[[bytes], bool]
    read: Callable[[bytes, str | None], Contents]


def formats(*, products_first: bool = False) -> Iterator[Format]:
    """All formats of this folder, each imported when its turn comes.

    That of most stores, the textual one, is first, what products print and answer last, or before all others.
    """
    for name in reversed(_names()) if products_first else _names():
        known: Format = import_module(f"{__name__}.{name}").FORMAT
        yield known


def format_of(data: bytes) -> Format | None:
    """The format that recognises `data`, if any does."""
    return next((known for known in formats(products_first=_is_of_a_product(data)) if known.recognise(data)), None)


def _is_of_a_product(data: bytes) -> bool:
    """Whether it is JSON, or YAML that begins as products write it."""
    if b"{" in data[:256] or b"[" in data[:256]:
        from analyzer.structured import looks_like_json

        if looks_like_json(data):
            return True
    return _PRODUCTS.search(data[:_HEAD]) is not None


def printable(text: str, most: int = 200) -> str:
    """`text` safe for a terminal, cut after `most` characters: aliases and file names come from strangers."""
    return certificate.printable(text[:most]) + ("…" if len(text) > most else "")


_FILES: Final = ("pem", "der_certificate", "pkcs7", "pkcs12", "jks", "bks", "keys_and_requests")
"""Formats made to hold certificates, the commonest first; the others are what products print and answer."""


@cache
def _names() -> tuple[str, ...]:
    names = (module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))
    order = {name: place for place, name in enumerate(_FILES)}
    return tuple(sorted(names, key=lambda name: (order.get(name, len(order)), name)))
