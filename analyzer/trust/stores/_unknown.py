"""What a file is that no format recognises: named by its first bytes, with what to do about it."""

from __future__ import annotations

from typing import Final

from analyzer.trust.stores import Trouble
from analyzer.trust.stores._certificate import announced_length

__all__ = ["by_first_bytes", "describe"]

_EXPORT: Final = "give certificates as PEM, DER, PKCS#7, PKCS#12 or JKS"
_STARTS: Final = (
    (
        b"SQLite format 3\0",
        "an SQLite database (NSS's cert9.db?); export from it: certutil -L -d DIR -n NAME -a",
    ),
    (b"kych", "a macOS keychain; export from it: security find-certificate -a -p KEYCHAIN"),
    (b"\0\0\0\0CERT", "a Windows certificate store (SST); unpack it: certutil -split -dump FILE"),
    (b"PK\x03\x04", "a ZIP or JAR archive; unpack it first"),
    (b"\x1f\x8b", "compressed by gzip; unpack it first"),
    (b"BZh", "compressed by bzip2; unpack it first"),
    (b"\xfd7zXZ\0", "compressed by xz; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd; unpack it first"),
    (b"\x0a\x0d\x0d\x0a", "a packet capture, not a trust store"),
    (b"\xd4\xc3\xb2\xa1", "a packet capture, not a trust store"),
    (b"\xa1\xb2\xc3\xd4", "a packet capture, not a trust store"),
    (b"\x4d\x3c\xb2\xa1", "a packet capture, not a trust store"),
    (b"\xa1\xb2\x3c\x4d", "a packet capture, not a trust store"),
    (b"%PDF", "a PDF document"),
    (b"\x7fELF", "a program"),
    (b"ssh-", "an SSH public key; a trust store needs X.509 certificates"),
    (b"ecdsa-sha2-", "an SSH public key; a trust store needs X.509 certificates"),
)
_HTML: Final = (b"<!doctype html", b"<html", b"<head", b"<body")
_PREVIEW: Final = 4096


def by_first_bytes(data: bytes) -> Trouble | None:
    """The problem of a file that begins as one of the well-known kinds that are no store."""
    return next(
        (Trouble(code="not-a-store", text=f"is {name}") for magic, name in _STARTS if data.startswith(magic)),
        None,
    )


def describe(data: bytes) -> Trouble:
    """The problem of a file that holds `data`."""
    start = data[:_PREVIEW].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not data.strip():
        return Trouble(code="empty", text=f"the file is empty; {_EXPORT}")
    known = by_first_bytes(data)
    if known:
        return known
    if any(tag in start.lower() for tag in _HTML):
        text = "is a web page (HTML), no certificate: a download that ended on an error or a login page? Fetch it again"
        return Trouble(code="not-a-store", text=text)
    if announced_length(data) > len(data) or (data[:2] == b"\x30\x80" and data[-2:] != b"\0\0"):
        return Trouble(
            code="truncated",
            text=(
                f"begins as ASN.1 (a certificate, PKCS#7 or PKCS#12) and is cut after {len(data)} bytes; copy it again"
            ),
        )
    if _is_text(data[:_PREVIEW]):
        if start.startswith((b"MII", b"LS0tLS1CRUdJTi")):
            text = (
                "is base64 without its BEGIN and END lines; decode it first (base64 -d FILE), "
                "or put -----BEGIN CERTIFICATE----- and -----END CERTIFICATE----- around it"
            )
            return Trouble(code="not-a-store", text=text)
        return Trouble(code="not-a-store", text=f"is a text file without any -----BEGIN CERTIFICATE-----; {_EXPORT}")
    if data[:1] == b"\x30" and announced_length(data):
        text = f"is ASN.1 of a kind that is no trust store, or a damaged certificate; {_EXPORT}"
        return Trouble(code="damaged-certificate", text=text)
    return Trouble(code="not-a-store", text=f"is of a kind that is not known here; {_EXPORT}")


def _is_text(data: bytes) -> bool:
    return b"\0" not in data and sum(byte < 9 or 13 < byte < 32 for byte in data) == 0
