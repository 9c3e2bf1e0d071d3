r"""PowerShell's listing of a Windows store: `Get-ChildItem Cert:\LocalMachine\Root`, as table, `Format-List` or JSON.

A table and a list tell thumbprint and names (a table cuts long ones), `ConvertTo-Json` has the whole certificate in
`RawData`, an array of bytes. Dates are in local time and order, so they are not used.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from analyzer.structured import decoded, documents, looks_like_json, walk
from analyzer.trust.stores import Contents, Format, Named, Trouble
from analyzer.trust.stores._embedded import embedded, joined
from analyzer.trust.stores._words import hex_digits, text
from analyzer.trust.stores.windows_certutil import kind_of_store

__all__ = ["FORMAT"]

_PARENT: Final = re.compile(r"Certificate::\w{1,40}\\(\w{1,60})\s*$")
_ROW: Final = re.compile(r"^\s{0,8}([0-9A-F]{40})(?:\s+(\S.{0,2000}))?$")
_FIELD: Final = re.compile(r"^\s{0,4}(Thumbprint|Subject|Issuer|SerialNumber|PSParentPath)\s{0,30}: ?(.{0,2000})$")
_MOST_BYTES: Final = 1 << 16


def _recognise(data: bytes) -> bool:
    if looks_like_json(data):
        return b"humbprint" in data and any(True for _ in _objects(documents(data)))
    plain = data.replace(b"\0", b"")
    return b"humbprint" in plain and b"-----BEGIN" not in plain and any(True for _ in _listed(decoded(data)))


def _read(data: bytes, password: str | None) -> Contents:
    if looks_like_json(data):
        parts = [_part(found, password) for found in _objects(documents(data))]
    else:
        parts = [Contents(named=tuple(_listed(decoded(data))))]
    if any(part.named for part in parts):
        told = (
            "a listing without the certificates: they are recognised by their thumbprints where they are at hand; "
            "the command of each certificate writes it to a file"
        )
        parts.append(Contents(problems=(Trouble(code="metadata-only", text=told, severity="note"),)))
    return joined(parts)


def _listed(listing: str) -> Iterator[Named]:
    store = "Root"
    told: dict[str, str] = {}
    for line in [*listing.splitlines(), ""]:
        found, row = _FIELD.match(line), _ROW.match(line)
        if parent := _PARENT.search(line[:400]):
            store = parent[1]
        if row:
            told = {"Thumbprint": row[1], "Subject": row[2] or ""}
        elif found:
            told[found[1]] = found[2].strip()
        elif line.strip() and line.startswith("    ") and told:
            continue  # the rest of a value that did not fit on its line
        if (row or not line.strip()) and (digest := hex_digits(told.get("Thumbprint"), 40)):
            yield _named(told, digest, store)
            told = {}


def _objects(values: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    for value in values:
        for _, found in walk(value):
            if hex_digits(found.get("Thumbprint"), 40) and {"Subject", "SubjectName", "RawData"} & found.keys():
                yield found


def _part(found: dict[str, Any], password: str | None) -> Contents:
    parent = _PARENT.search(str(found.get("PSParentPath"))[:400])
    store, digest, raw = parent[1] if parent else "Root", hex_digits(found["Thumbprint"], 40), found.get("RawData")
    if isinstance(raw, list) and 0 < len(raw) < _MOST_BYTES and all(type(b) is int and 0 <= b < 256 for b in raw):
        return embedded(bytes(raw), f"store {store}, {digest}", password, kind_of_store(store))
    if isinstance(raw, str) and raw:
        return embedded(raw, f"store {store}, {digest}", password, kind_of_store(store))
    return Contents(named=(_named(found, digest, store),))


def _named(told: dict[str, Any], digest: str, store: str) -> Named:
    subject, issuer = text(told.get("Subject")), text(told.get("Issuer"))
    return Named(
        subject="" if subject.endswith("...") else subject,
        issuer="" if issuer.endswith("...") else issuer,
        serial=hex_digits(told.get("SerialNumber")),
        sha1=digest,
        label=text(f"store {store}"),
        kind=kind_of_store(store),
        export=f"Export-Certificate -Cert Cert:\\LocalMachine\\{text(store)}\\{digest} -FilePath {digest[:8]}.cer",
    )


FORMAT = Format(name="PowerShell certificate listing", recognise=_recognise, read=_read)
