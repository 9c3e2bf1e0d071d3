"""PKCS#7 or CMS SignedData as a bag of certificates (`.p7b`, `.p7c`): RFC 5652 section 5."""

from __future__ import annotations

from analyzer.errors import WireError
from analyzer.trust.der import INTEGER, OID, SEQUENCE, SET
from analyzer.trust.stores import MOST_PROBLEMS, Contents, Format, Found, Trouble
from analyzer.trust.stores._ber import Element, children, element, first_children, object_identifier
from analyzer.trust.stores._certificate import collect

__all__ = ["FORMAT"]

_SIGNED_DATA = "1.2.840.113549.1.7.2"
_EXPLICIT_0 = 0xA0
_CERTIFICATES = 0xA0
_CRLS = 0xA1


def _recognise(data: bytes) -> bool:
    try:
        start = element(data)
        return start.tag == SEQUENCE and _type(data) == _SIGNED_DATA
    except WireError:
        return False


def _type(data: bytes) -> str:
    (kind,) = first_children(data, element(data), OID)
    return object_identifier(data, kind)


def _read(data: bytes, password: str | None) -> Contents:
    del password
    entries: list[Found] = []
    problems: list[Trouble] = []
    try:
        _, content = first_children(data, element(data), OID, _EXPLICIT_0)
        (signed,) = first_children(data, content, SEQUENCE)
        first_children(data, signed, INTEGER, SET, SEQUENCE)
        for field in children(data, signed):
            if field.tag == _CERTIFICATES:
                _read_certificates(data, field, entries, problems)
            elif field.tag == _CRLS:
                problems.append(Trouble(code="crl", text="its revocation lists are not used", severity="note"))
    except WireError as error:
        text = f"the PKCS#7 file is damaged after {len(entries)} certificates ({error}); get it again"
        problems.append(Trouble(code="damaged-store", text=text))
    if not entries and not problems:
        text = "this PKCS#7 file holds no certificate; was it made from a request or a revocation list?"
        problems.append(Trouble(code="empty", text=text))
    return Contents(entries=tuple(entries), problems=tuple(problems))


def _read_certificates(data: bytes, field: Element, entries: list[Found], problems: list[Trouble]) -> None:
    for number, item in enumerate(children(data, field), 1):
        if len(problems) == MOST_PROBLEMS:
            raise WireError("certificates", item.start, "too many damaged entries")
        if item.tag != SEQUENCE:
            text = f"item {number} of the PKCS#7 file is no X.509 certificate (an attribute certificate?)"
            problems.append(Trouble(code="unsupported-entry", text=text, severity="warning"))
            continue
        found = collect(data[item.start : item.end], f"certificate {number} of the PKCS#7 file")
        if isinstance(found, Trouble):
            problems.append(found)
        else:
            entries.append(found)


FORMAT = Format(name="PKCS#7", recognise=_recognise, read=_read)
