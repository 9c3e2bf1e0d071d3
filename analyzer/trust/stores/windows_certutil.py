"""`certutil -store NAME` and `certutil -dump FILE` of Windows: names, serial number, SHA-1 hash.

The labels are translated on localised systems, the form of the hash line, `…(sha1): …`, is not. Dates are in local
time and local order, so they are not used. The store `CA` holds intermediates, which Windows does not trust for that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from analyzer.structured import decoded
from analyzer.trust.stores import Contents, Format, Kind, Named, Trouble
from analyzer.trust.stores._words import hex_digits, text

__all__ = ["FORMAT", "kind_of_store"]

_HASH: Final = re.compile(r"^\s{0,8}[^\n:()]{1,60}\(sha1\): ?((?:[0-9a-fA-F]{2} ?){20})\s*$", re.IGNORECASE)
_STORE: Final = re.compile(r'^\s{0,4}(\w{1,60}) "[^"\n]{1,120}"\s*$')
_FIELDS: Final = (
    (
        "serial",
        re.compile(r"^\s{0,8}(?:Serial Number|Seriennummer|Numéro de série|Número de serie): ?([0-9a-fA-F ]{1,80})$"),
    ),
    ("issuer", re.compile(r"^\s{0,8}(?:Issuer|Aussteller|Émetteur|Emisor): ?(.{1,2000})$")),
    ("subject", re.compile(r"^\s{0,8}(?:Subject|Antragsteller|Objet|Sujeto|Firmante): ?(.{1,2000})$")),
)
_NOT_ANCHORS: Final = frozenset({"ca", "certificateauthority", "intermediate"})


def kind_of_store(name: str) -> Kind:
    """What a certificate in a Windows store of that name is for path building."""
    return "intermediate" if name.lower() in _NOT_ANCHORS else "certificate"


def _recognise(data: bytes) -> bool:
    if b"(sha1):" not in data.replace(b"\0", b"").lower() or b"-----BEGIN" in data:
        return False
    return any(_HASH.match(line) for line in decoded(data).splitlines())


def _read(data: bytes, password: str | None) -> Contents:
    del password
    told = (
        "a listing without the certificates: they are recognised by their thumbprints where they are at hand; "
        "the command of each certificate writes it to a file"
    )
    note = Trouble(code="metadata-only", text=told, severity="note")
    return Contents(named=tuple(_certificates(decoded(data))), problems=(note,))


def _certificates(listing: str) -> Iterator[Named]:
    store = "Root"
    told: dict[str, str] = {}
    for line in listing.splitlines():
        if found := _STORE.match(line):
            store, told = found[1], {}
        elif found := _HASH.match(line):
            digest = hex_digits(found[1], 40)
            serial = hex_digits(told.pop("serial", ""))
            yield Named(
                sha1=digest, serial=serial, label=text(f"store {store}"), kind=kind_of_store(store),
                export=f"certutil -store {text(store)} {digest} {digest[:8]}.cer", **told,
            )  # fmt: skip
            told = {}
        else:
            told |= {name: text(match[1]) for name, form in _FIELDS if (match := form.match(line))}


FORMAT = Format(name="certutil listing", recognise=_recognise, read=_read)
