"""The outline of an X.509 certificate (RFC 5280 section 4.1): enough to tell one from anything else.

Whether the certificate is any good is asked elsewhere; a store must hold on to what some gateway would load.
"""

from __future__ import annotations

from collections.abc import Iterator

from analyzer.dataclass import dataclass
from analyzer.errors import WireError
from analyzer.trust.der import BIT_STRING, GENERALIZED_TIME, INTEGER, OID, SEQUENCE, UTC_TIME
from analyzer.trust.stores import Found, Kind, Trouble
from analyzer.trust.stores._ber import Element, children, element, first_children

__all__ = ["Outline", "announced_length", "collect", "outline"]

_VERSION = 0xA0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """Names as encoded, and the length of the certificate in bytes."""

    issuer: bytes
    subject: bytes
    length: int


def outline(data: bytes, start: int = 0) -> Outline:
    """The outline of the certificate that begins at `start`; `WireError` where there is none."""
    whole = element(data, start)
    _expect(whole, SEQUENCE, "Certificate")
    signed, algorithm, _ = first_children(data, whole, SEQUENCE, SEQUENCE, BIT_STRING)
    first_children(data, algorithm, OID)
    fields = children(data, signed)
    serial = _next(fields, signed, "serialNumber")
    if serial.tag == _VERSION:
        serial = _next(fields, signed, "serialNumber")
    _expect(serial, INTEGER, "serialNumber")
    inner, issuer, validity, subject, key = (
        _expect(_next(fields, signed, name), SEQUENCE, name)
        for name in ("signature", "issuer", "validity", "subject", "subjectPublicKeyInfo")
    )
    first_children(data, inner, OID)
    first_children(data, key, SEQUENCE, BIT_STRING)
    for time in children(data, validity):
        if time.tag not in (UTC_TIME, GENERALIZED_TIME):
            raise WireError("Certificate.validity", time.start, "no time")
    for _ in fields:
        pass
    return Outline(
        issuer=data[issuer.start : issuer.end],
        subject=data[subject.start : subject.end],
        length=whole.end - whole.start,
    )


def collect(
    der: bytes, where: str, alias: str | None = None, kind: Kind = "certificate", chain_index: int = 0
) -> Found | Trouble:
    """One certificate out of a store, or why the bytes are none. `where` names the place: `entry 'root'`."""
    try:
        length = outline(der).length
    except WireError as error:
        short = announced_length(der)
        if short > len(der):
            return Trouble(
                code="truncated",
                text=f"{where} is cut: it should have {short} bytes and has {len(der)}; copy the file again",
            )
        return Trouble(
            code="damaged-certificate",
            text=f"{where} is no certificate ({error}); get it again from its owner",
        )
    return Found(der=der[:length], alias=alias, kind=kind, chain_index=chain_index)


def announced_length(data: bytes) -> int:
    """How long the element at the start of `data` says it is, in bytes; 0 where it does not say."""
    if len(data) < 2 or data[0] != SEQUENCE or data[1] == 0x80:
        return 0
    if data[1] < 0x80:
        return 2 + data[1]
    width = data[1] & 0x7F
    return 2 + width + int.from_bytes(data[2 : 2 + width], "big") if width <= 4 and len(data) >= 2 + width else 0


def _next(fields: Iterator[Element], parent: Element, name: str) -> Element:
    found = next(fields, None)
    if found is None:
        raise WireError(f"Certificate.{name}", parent.end, "missing")
    return found


def _expect(value: Element, tag: int, name: str) -> Element:
    if value.tag != tag:
        raise WireError(name, value.start, f"tag 0x{tag:02x} expected, 0x{value.tag:02x} found")
    return value
