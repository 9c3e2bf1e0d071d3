"""`keytool -list` without `-rfc`: fingerprints, and with `-v` names, serial numbers and dates too.

Every JDK writes `SHA1: …` and `SHA256: …` under `Certificate fingerprints`, and without `-v` one line
`Certificate fingerprint (SHA-256): …` (SHA1 before JDK 9). Other languages of the program are read as far as the
fingerprints: their labels are the same in all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from analyzer.structured import decoded
from analyzer.trust.stores import MOST_PROBLEMS, Contents, Format, Kind, Named, Trouble
from analyzer.trust.stores._words import hex_digits, moment, shell_word, text

__all__ = ["FORMAT"]

_FINGERPRINT: Final = re.compile(
    r"^[^\n:]{0,80}?\(?(SHA-?1|SHA-?256)\)?: ?((?:[0-9A-Fa-f]{2}:){19,31}[0-9A-Fa-f]{2})\s*$"
)
_ALIAS: Final = re.compile(r"^(?:Alias name|Aliasname|Nom d'alias|Nombre de Alias): ?(.{1,400})$")
_BRIEF: Final = re.compile(r"^(.{1,400}?), [^,]{1,40}(?:, \d{4})?, (trustedCertEntry|PrivateKeyEntry)\b")
_FIELDS: Final = (
    ("subject", re.compile(r"^(?:Owner|Eigentümer|Propriétaire|Propietario): ?(.{1,2000})$")),
    ("issuer", re.compile(r"^(?:Issuer|Aussteller|Emetteur|Emisor): ?(.{1,2000})$")),
    ("serial", re.compile(r"^(?:Serial number|Seriennummer|Numéro de série|Número de serie): ?([0-9a-fA-F]{1,80})$")),
)
_VALID: Final = re.compile(r"^Valid from: (.{10,40}) until: (.{10,40})$")
_COMMAND: Final = "keytool -exportcert -rfc -keystore KEYSTORE -alias {alias}"
_HERE: Final = (
    "a listing without the certificates: they are recognised by their fingerprints where they are at hand; "
    "`keytool -list -rfc -keystore KEYSTORE` gives the certificates themselves"
)


def _recognise(data: bytes) -> bool:
    return (
        b"ingerprint" in data
        and b"-----BEGIN" not in data
        and any(_FINGERPRINT.match(line.strip()) for line in decoded(data).splitlines())
    )


def _read(data: bytes, password: str | None) -> Contents:
    del password
    named = tuple(_certificates(decoded(data)))
    return Contents(named=named, problems=(Trouble(code="metadata-only", text=_HERE, severity="note"),))


def _certificates(listing: str) -> Iterator[Named]:
    """One for each certificate: its fingerprints are the last that is told of it."""
    alias = ""
    kind: Kind = "certificate"
    told: dict[str, str] = {}
    digests: dict[str, str] = {}
    index = count = 0

    def finished() -> Named:
        return Named(label=text(alias), kind=kind, export=_COMMAND.format(alias=shell_word(alias)), **told, **digests)

    for line in map(str.strip, listing.splitlines()):
        digest = _FINGERPRINT.match(line)
        if digits := hex_digits(digest[2]) if digest else "":
            digests["sha1" if len(digits) == 40 else "sha256"] = digits
            continue
        if digests:
            # What stands above a key's own certificate in its chain is no anchor for Java.
            if index == 0 or kind != "private-key-entry":
                yield finished()
                count += 1
            digests, told = {}, {}
            index += 1
        if count > MOST_PROBLEMS * 10:
            return
        if found := _ALIAS.match(line):
            alias, kind, index = found[1].strip(), "trusted-certificate", 0
        elif found := _BRIEF.match(line):
            alias, index = found[1].strip(), 0
            kind = "private-key-entry" if found[2] == "PrivateKeyEntry" else "trusted-certificate"
        elif "PrivateKeyEntry" in line:
            kind = "private-key-entry"
        elif found := _VALID.match(line):
            told |= {"not_before": moment(found[1]), "not_after": moment(found[2])}
        else:
            told |= {name: text(match[1]) for name, form in _FIELDS if (match := form.match(line))}
    if digests and (index == 0 or kind != "private-key-entry"):
        yield finished()


FORMAT = Format(name="keytool listing", recognise=_recognise, read=_read)
