"""HAProxy's `show ssl ca-file NAME` (and `show ssl cert NAME`) on its stats socket: no certificate, but what it tells.

Lines as HAProxy 2.6 writes them: `Serial:`, `notBefore:`, `notAfter:`, `SHA1 FingerPrint:`, `Subject:`, `Issuer:` for
each `Certificate #n:`, under `Filename:`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from analyzer.structured import decoded
from analyzer.trust.stores import Contents, Format, Named, Trouble
from analyzer.trust.stores._words import hex_digits, moment, text

__all__ = ["FORMAT"]

_FIELD: Final = re.compile(r"^(Filename|Serial|notBefore|notAfter|SHA1 FingerPrint|Subject|Issuer): ?(.{0,2000})$")
_NUMBER: Final = re.compile(r"^Certificate #(\d{1,6}):$")


def _recognise(data: bytes) -> bool:
    return b"SHA1 FingerPrint:" in data and b"-----BEGIN" not in data


def _read(data: bytes, password: str | None) -> Contents:
    del password
    named = tuple(_certificates(decoded(data)))
    file = next((item.label.partition(" #")[0] for item in named if item.label), "") or "its file"
    told = (
        "a listing without the certificates: they are recognised by their fingerprints where they are at hand; "
        f"the certificates themselves are in {file} on the machine that runs HAProxy"
    )
    return Contents(named=named, problems=(Trouble(code="metadata-only", text=told, severity="note"),))


def _certificates(listing: str) -> Iterator[Named]:
    file = number = ""
    told: dict[str, str] = {}
    for line in [*listing.splitlines(), "Certificate #0:"]:
        line = line.strip()
        found, begins = _FIELD.match(line), _NUMBER.match(line)
        if begins or (found and found[1] == "Filename"):
            if "SHA1 FingerPrint" in told:
                yield _named(told, f"{file} #{number}" if number else file)
            told = {}
            number = begins[1] if begins else ""
        if found:
            if found[1] == "Filename":
                file = text(found[2])
            told[found[1]] = found[2]


def _named(told: dict[str, str], label: str) -> Named:
    return Named(
        subject=text(told.get("Subject")),
        issuer=text(told.get("Issuer")),
        serial=hex_digits(told.get("Serial")),
        not_before=moment(told.get("notBefore")),
        not_after=moment(told.get("notAfter")),
        sha1=hex_digits(told["SHA1 FingerPrint"], 40),
        label=text(label),
    )


FORMAT = Format(name="HAProxy CA listing", recognise=_recognise, read=_read)
