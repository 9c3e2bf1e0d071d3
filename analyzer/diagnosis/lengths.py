"""Lengths of what TLS 1.3 encrypts: they tell messages apart (RFC 8446 sections 4.4 and 5.2).

A record is its content, a byte for the content's type, padding, and the cipher suite's tag. Java pads what is no
application data by 16 bytes; a side pads its Finished as it pads its alerts.
"""

from __future__ import annotations

from typing import Final

from analyzer.dataclass import dataclass
from analyzer.tls.connection import Connection

__all__ = [
    "EMPTY_CERTIFICATE",
    "JAVA_PADDING",
    "RecordLengths",
    "certificate_length",
    "record_lengths",
    "suite_lengths",
]

JAVA_PADDING: Final = 16
EMPTY_CERTIFICATE: Final = 8
"""RFC 8446 section 4.4.2: type, length, an empty context and an empty list."""

_SUITES: Final = {0x1302: (16, 48), 0x1305: (8, 32), 0xC0B4: (32, 32), 0xC0B5: (48, 48)}
"""Bytes of tag and hash of the TLS 1.3 suites that differ from the usual 16 and 32 (RFC 8446 B.4, RFC 9150)."""


@dataclass(frozen=True, slots=True)
class RecordLengths:
    """Lengths of records without padding. `overhead` is what encryption adds to a record's content."""

    overhead: int
    finished: int
    alert: int
    empty_certificate: int
    end_of_early_data: int


def record_lengths(connection: Connection) -> RecordLengths:
    """The lengths with the cipher suite of a connection; those of the usual suites when it is not known."""
    return suite_lengths(connection.server_hello.cipher_suite if connection.server_hello is not None else None)


def suite_lengths(suite: int | None) -> RecordLengths:
    """The lengths with a cipher suite."""
    tag, digest = _SUITES.get(suite or 0, (16, 32))
    added = 1 + tag
    return RecordLengths(added, 4 + digest + added, 2 + added, EMPTY_CERTIFICATE + added, 4 + added)


def certificate_length(sizes: tuple[int, ...]) -> int:
    """Bytes of a server's Certificate message (RFC 8446 section 4.4.2) without extensions, its header counted.

    `sizes` are those of the certificates in DER. Each stands behind three bytes of length and before two.
    """
    return EMPTY_CERTIFICATE + sum(size + 5 for size in sizes)
