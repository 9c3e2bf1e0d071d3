"""Certificates known by words only, compared with certificates at hand.

What a listing tells decides how sure a match is. A fingerprint is the certificate itself. Where there is none, all
that it tells of names, serial number and dates must agree, and it must tell enough. A name alone is no match: another
key can bear the same name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final, TypeVar

from analyzer.trust.certificate import Certificate, Name, instant
from analyzer.trust.stores import Named

__all__ = ["how_it_matches", "matches", "name_key", "same_name"]

_N = TypeVar("_N", bound=Named)

MOST_CHARACTERS: Final = 4_000
"""Of a name that is compared."""

_TYPES: Final = {
    "2.5.4.3": ("CN", "COMMONNAME"),
    "2.5.4.4": ("SN", "SURNAME"),
    "2.5.4.5": ("SERIALNUMBER",),
    "2.5.4.6": ("C", "COUNTRYNAME"),
    "2.5.4.7": ("L", "LOCALITYNAME"),
    "2.5.4.8": ("ST", "S", "STATEORPROVINCENAME"),
    "2.5.4.9": ("STREET", "STREETADDRESS"),
    "2.5.4.10": ("O", "ORGANIZATIONNAME"),
    "2.5.4.11": ("OU", "ORGANIZATIONALUNITNAME"),
    "2.5.4.12": ("TITLE", "T"),
    "2.5.4.13": ("DESCRIPTION",),
    "2.5.4.15": ("BUSINESSCATEGORY",),
    "2.5.4.17": ("POSTALCODE",),
    "2.5.4.42": ("GN", "G", "GIVENNAME"),
    "2.5.4.46": ("DNQ", "DNQUALIFIER"),
    "2.5.4.97": ("ORGANIZATIONIDENTIFIER",),
    "0.9.2342.19200300.100.1.1": ("UID",),
    "0.9.2342.19200300.100.1.25": ("DC", "DOMAINCOMPONENT"),
    "1.2.840.113549.1.9.1": ("EMAILADDRESS", "E", "EMAIL"),
}
_TYPE_OF: Final = {name: oid for oid, names in _TYPES.items() for name in (*names, oid)}
_ATTRIBUTE: Final = re.compile(
    r"""\s*([A-Za-z][\w.-]{0,60}|[0-9]+(?:\.[0-9]+)+)\s*=\s*((?:"(?:[^"\\]|\\.|"")*"|\\.|[^,;+\\"])*)[,;+]?""",
    re.DOTALL,
)
_SLASHED: Final = re.compile(r"/(?=(?:[A-Za-z][\w.-]{0,60}|[0-9]+(?:\.[0-9]+)+)=)")
_ESCAPE: Final = re.compile(r"((?:\\[0-9A-Fa-f]{2})+)|\\(.)", re.DOTALL)

_Key = frozenset[tuple[str, str]]


def how_it_matches(named: Named, certificate: Certificate) -> str:
    """By what the listing's words are those of this certificate: a phrase, or empty where they are not."""
    if named.sha256:
        return "by its SHA-256 fingerprint" if named.sha256 == certificate.sha256 else ""
    if named.sha1:
        return "by its thumbprint (SHA-1)" if named.sha1 == certificate.sha1 else ""
    names = [(named.subject, certificate.subject), (named.issuer, certificate.issuer)]
    if any(written and not same_name(written, name) for written, name in names):
        return ""
    if named.serial and not _same_serial(named.serial, certificate.serial):
        return ""
    dates = [(named.not_before, certificate.not_before), (named.not_after, certificate.not_after)]
    if any(written and written != instant(time) for written, time in dates):
        return ""
    agreed = [
        word
        for word, told in (
            ("names" if named.subject and named.issuer else "name", named.subject or named.issuer),
            ("serial", named.serial),
            ("dates" if named.not_before and named.not_after else "date", named.not_before or named.not_after),
        )
        if told
    ]
    enough = len(agreed) > 1 and (named.serial or (named.not_before and named.not_after))
    return f"by {', '.join(agreed[:-1])} and {agreed[-1]}" if enough else ""


def matches(named: Sequence[_N], certificates: Iterable[bytes]) -> Iterator[tuple[_N, Certificate, str]]:
    """Each of `named` that is one of `certificates` (DER), with it and the phrase of `how_it_matches`."""
    waiting = list(named)
    if not waiting:
        return
    by_digest: dict[str, Certificate] = {}
    by_serial: dict[int, list[Certificate]] = defaultdict(list)
    for certificate in map(Certificate.parse, certificates):
        by_digest.setdefault(certificate.sha256, certificate)
        by_digest.setdefault(certificate.sha1, certificate)
        by_serial[certificate.serial].append(certificate)
    every = list(dict.fromkeys(one for group in by_serial.values() for one in group))
    for item in waiting:
        digest = item.sha256 or item.sha1
        if digest:
            candidates = [by_digest[digest]] if digest in by_digest else []
        elif item.serial:
            candidates = [one for number in _serials(item.serial) for one in by_serial.get(number, ())]
        else:
            candidates = every
        for candidate in candidates:
            how = "" if candidate.malformed else how_it_matches(item, candidate)
            if how:
                yield item, candidate, how
                break


def same_name(written: str, name: Name) -> bool:
    """Whether a name as a product writes it is this one: the same attributes, whatever their order and spelling."""
    key = name_key(written)
    return bool(key) and key == _key_of(name)


@lru_cache(maxsize=4096)
def name_key(written: str) -> _Key:
    """The attributes of a distinguished name (RFC 4514, Java's, OpenSSL's with slashes); empty where it is none."""
    written = written.strip()[:MOST_CHARACTERS]
    if written.startswith("/"):
        pairs = [part.partition("=")[::2] for part in _SLASHED.split(written) if "=" in part]
    else:
        pairs = []
        place = 0
        while (found := _ATTRIBUTE.match(written, place)) is not None:
            pairs.append((found[1], _value(found[2].strip())))
            place = found.end()
        if written[place:].strip():
            return frozenset()
    return frozenset((_type(kind), _folded(value)) for kind, value in pairs)


def _key_of(name: Name) -> _Key:
    kinds = dict.fromkeys(oid for _, oid, _, _ in name.attributes)
    return frozenset((kind, _folded(value)) for kind in kinds for value in name.values(kind))


def _type(written: str) -> str:
    written = written.strip().upper().removeprefix("OID.")
    return _TYPE_OF.get(written, written)


def _value(written: str) -> str:
    if len(written) > 1 and written[0] == written[-1] == '"':
        written = written[1:-1].replace('""', '"')
    return _ESCAPE.sub(_unescaped, written)


def _unescaped(found: re.Match[str]) -> str:
    return bytes.fromhex(found[1].replace("\\", "")).decode("utf-8", "replace") if found[1] else found[2]


def _folded(value: str) -> str:
    return " ".join(value.split()).casefold()


def _serials(written: str) -> list[int]:
    """What a serial number may be: hex, or decimal where it has decimal digits only."""
    try:
        found = [int(written, 16)]
        if written.isascii() and written.isdigit() and len(written) < 60:
            found.append(int(written))
    except ValueError:
        return []
    return found


def _same_serial(written: str, serial: int) -> bool:
    return serial in _serials(written)
