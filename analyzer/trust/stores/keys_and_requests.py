"""What lies beside certificates and is none, in DER: private and public keys, requests, revocation lists.

Recognised by the outermost structure: PKCS#8 (RFC 5208), PKCS#1 (RFC 8017 appendix A.1), SEC 1 (RFC 5915),
SubjectPublicKeyInfo and CertificateList (RFC 5280), CertificationRequest (RFC 2986). The PEM reader says the
same of their textual forms through `named`.
"""

from __future__ import annotations

from analyzer.errors import WireError
from analyzer.trust.der import BIT_STRING, GENERALIZED_TIME, INTEGER, OCTET_STRING, OID, SEQUENCE, UTC_TIME
from analyzer.trust.stores import Contents, Format, Severity, Trouble
from analyzer.trust.stores._ber import Element, element, first_children, shape

__all__ = ["FORMAT", "named"]

_TEXTS = {
    "private-key": (
        "is a private key, not a certificate. Keep it away from trust stores, and give the certificate of "
        "the CA that issued the server's certificate"
    ),
    "public-key": "is a bare public key; a trust store needs the whole certificate of the CA",
    "certificate-request": (
        "is a certificate request (CSR); give the certificate that the CA made from it, or the CA's own"
    ),
    "crl": "is a certificate revocation list, which is not used; a trust store needs CA certificates",
}
_ATTRIBUTES = 0xA0


def named(code: str, what: str, severity: Severity = "error") -> Trouble:
    """The problem of finding `what` (`block 2`, `the file`) to be one of these."""
    return Trouble(code=code, text=f"{what} {_TEXTS[code]}", severity=severity)


def _recognise(data: bytes) -> bool:
    return _code(data) is not None


def _read(data: bytes, password: str | None) -> Contents:
    del password
    code = _code(data)
    return Contents(problems=(named(code, "the file"),) if code else ())


def _code(data: bytes) -> str | None:
    try:
        whole = element(data)
        if whole.tag != SEQUENCE:
            return None
        return _code_of(data, whole)
    except WireError:
        return None


def _code_of(data: bytes, whole: Element) -> str | None:
    match shape(data, whole, 4):
        case (0x30, 0x30, 0x03):
            return _signed_code(data, whole)
        case (0x02, 0x30, 0x04, *_):
            _, algorithm, _ = first_children(data, whole, INTEGER, SEQUENCE, OCTET_STRING)
            return "private-key" if shape(data, algorithm, 1) == (OID,) else None
        case (0x02, 0x02, 0x02, 0x02) | (0x02, 0x04, 0xA0, *_) | (0x02, 0x04, 0xA1, *_):
            return "private-key"
        case (0x30, 0x04):
            (algorithm,) = first_children(data, whole, SEQUENCE)
            return "private-key" if shape(data, algorithm, 1) == (OID,) else None
        case (0x30, 0x03):
            (algorithm,) = first_children(data, whole, SEQUENCE)
            return "public-key" if shape(data, algorithm, 1) == (OID,) else None
        case (0x02, 0x02):
            return "public-key"
    return None


def _signed_code(data: bytes, whole: Element) -> str | None:
    """A request or a revocation list; both are signed as a certificate is."""
    signed, _, _ = first_children(data, whole, SEQUENCE, SEQUENCE, BIT_STRING)
    tags = shape(data, signed, 4)
    if tags[:3] == (INTEGER, SEQUENCE, SEQUENCE) and tags[3:] in ((), (_ATTRIBUTES,)):
        _, _, key = first_children(data, signed, INTEGER, SEQUENCE, SEQUENCE)
        if shape(data, key, 3) == (SEQUENCE, BIT_STRING):
            return "certificate-request"
    without_version = tags[1:] if tags[:1] == (INTEGER,) else tags
    if without_version[:2] == (SEQUENCE, SEQUENCE) and without_version[2:3] in (
        (UTC_TIME,),
        (GENERALIZED_TIME,),
    ):
        return "crl"
    return None


FORMAT = Format(name="key, request or revocation list", recognise=_recognise, read=_read)
