"""Names of TLS code points, for every number there is: past, present, future.

Registered values have IANA's name. Values that RFC 8701 reserves to test extensibility read
`GREASE (0x0a0a)`, those for private use `private use (0xff42)`, all others `unknown (0x1234)`: naming a
number never fails. The tables are generated from `sources/*.csv`; the few values that code branches on
are in `codes`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from analyzer.registry.codes import (
    AlertDescription,
    AlertLevel,
    CertificateCompressionAlgorithm,
    CipherSuite,
    ContentType,
    ExtensionType,
    HandshakeType,
    ProtocolVersion,
)
from analyzer.registry.tables import (
    ALERTS,
    ALPN_PROTOCOLS,
    CERTIFICATE_COMPRESSION_ALGORITHMS,
    CIPHER_SUITES,
    CLIENT_CERTIFICATE_TYPES,
    COMPRESSION_METHODS,
    CONTENT_TYPES,
    EXTENSIONS,
    HANDSHAKE_TYPES,
    PSK_KEY_EXCHANGE_MODES,
    SIGNATURE_SCHEMES,
    SSL2_CIPHER_KINDS,
    SUPPORTED_GROUPS,
    VERSIONS,
)

__all__ = [
    "GREASE",
    "AlertDescription",
    "AlertLevel",
    "CertificateCompressionAlgorithm",
    "CipherSuite",
    "ContentType",
    "ExtensionType",
    "HandshakeType",
    "ProtocolVersion",
    "alert_level_name",
    "alert_name",
    "alpn_name",
    "alpn_protocol",
    "certificate_compression_name",
    "cipher_suite_name",
    "client_certificate_type_name",
    "compression_method_name",
    "content_type_name",
    "encrypts_nothing",
    "extension_name",
    "group_name",
    "handshake_type_name",
    "is_grease",
    "is_grease_psk_mode",
    "printable",
    "psk_mode_name",
    "signature_scheme_name",
    "version_name",
]


GREASE: Final = frozenset(range(0x0A0A, 0x10000, 0x1010))
"""The 16-bit values 0x0a0a, 0x1a1a ... 0xfafa that are sent to be ignored (RFC 8701 section 2)."""


def is_grease(value: int) -> bool:
    """Whether a 16-bit value is one of `GREASE`."""
    return value in GREASE


def is_grease_psk_mode(value: int) -> bool:
    """Whether a PSK key exchange mode is one of 0x0b, 0x2a ... 0xe4 (RFC 8701 section 2)."""
    return value % 0x1F == 0x0B and value <= 0xE4


def version_name(value: int) -> str:
    """`TLS 1.2`, `SSL 3.0`, `TLS 1.3 (draft 23)`: a two-byte ProtocolVersion."""
    name = VERSIONS.get(value)
    if name is not None:
        return name
    if value >> 8 == 0x7F:
        return f"TLS 1.3 (draft {value & 0xFF})"
    return _unnamed(value)


def encrypts_nothing(suite: int) -> bool:
    """Whether a cipher suite protects records by a MAC alone (RFC 5246 appendix A.5, RFC 5289)."""
    return "_WITH_NULL_" in CIPHER_SUITES.get(suite, "")


def cipher_suite_name(value: int) -> str:
    """`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`; a three-byte value is an SSL 2.0 cipher kind.

    Of the cipher kinds those that begin with a zero byte are TLS cipher suites (RFC 5246 appendix E.2).
    """
    name = CIPHER_SUITES.get(value)
    if name is not None:
        return name
    if value > 0xFFFF:
        return SSL2_CIPHER_KINDS.get(value) or f"unknown (0x{value:06x})"
    return _unnamed(value, private_from=0xFF00)


def group_name(value: int) -> str:
    """`x25519`: a NamedGroup, called NamedCurve before TLS 1.3."""
    name = SUPPORTED_GROUPS.get(value)
    if name is not None:
        return name
    if 0x01FC <= value <= 0x01FF:
        return f"private use (0x{value:04x})"
    return _unnamed(value, private_from=0xFE00, private_to=0xFEFF)


def signature_scheme_name(value: int) -> str:
    """`rsa_pss_rsae_sha256`: a SignatureScheme, in TLS 1.2 a SignatureAndHashAlgorithm."""
    return SIGNATURE_SCHEMES.get(value) or _unnamed(value, private_from=0xFE00)


def extension_name(value: int) -> str:
    """`server_name`: an ExtensionType."""
    return EXTENSIONS.get(value) or _unnamed(value, private_from=0xFF00)


def alert_name(value: int) -> str:
    """`unknown_ca`: an AlertDescription."""
    return ALERTS.get(value) or f"unknown (0x{value:02x})"


def alert_level_name(value: int) -> str:
    """`warning` or `fatal`: an AlertLevel."""
    return {AlertLevel.WARNING: "warning", AlertLevel.FATAL: "fatal"}.get(value) or f"unknown (0x{value:02x})"


def handshake_type_name(value: int) -> str:
    """`client_hello`: a HandshakeType."""
    return HANDSHAKE_TYPES.get(value) or f"unknown (0x{value:02x})"


def content_type_name(value: int) -> str:
    """`application_data`: the ContentType of a record."""
    return CONTENT_TYPES.get(value) or f"unknown (0x{value:02x})"


def certificate_compression_name(value: int) -> str:
    """`brotli`: a CertificateCompressionAlgorithm (RFC 8879)."""
    name = CERTIFICATE_COMPRESSION_ALGORITHMS.get(value)
    return name or _unnamed(value, private_from=0x4000)


def client_certificate_type_name(value: int) -> str:
    """`ecdsa_sign`: a ClientCertificateType of a CertificateRequest before TLS 1.3."""
    name = CLIENT_CERTIFICATE_TYPES.get(value)
    if name is not None:
        return name
    return f"{'private use' if 224 <= value <= 255 else 'unknown'} (0x{value:02x})"


def psk_mode_name(value: int) -> str:
    """`psk_dhe_ke`: a PskKeyExchangeMode."""
    name = PSK_KEY_EXCHANGE_MODES.get(value)
    if name is not None:
        return name
    if is_grease_psk_mode(value):
        return f"GREASE (0x{value:02x})"
    return f"{'private use' if value in (254, 255) else 'unknown'} (0x{value:02x})"


def compression_method_name(value: int) -> str:
    """`null`: a CompressionMethod of a hello."""
    name = COMPRESSION_METHODS.get(value)
    if name is not None:
        return name
    return f"{'private use' if 224 <= value <= 255 else 'unknown'} (0x{value:02x})"


@lru_cache(maxsize=1024)
def alpn_name(protocol: bytes) -> str:
    r"""Name an ALPN protocol id in text that is safe to show: `h2`, `GREASE (0x0a0a)`, `\xff\xfe`."""
    if len(protocol) == 2 and is_grease(int.from_bytes(protocol, "big")):
        return f"GREASE (0x{protocol.hex()})"
    return printable(protocol)


def alpn_protocol(protocol: bytes) -> str | None:
    """Tell what an ALPN protocol id is registered for: `HTTP/2 over TLS`; None when it is not registered."""
    return ALPN_PROTOCOLS.get(protocol)


def printable(data: bytes) -> str:
    r"""Bytes off the wire as text without control characters: printable ASCII, the rest as `\x1b`.

    A backslash is doubled, so that two different byte strings never read the same.
    """
    if _PLAIN(data):
        return data.decode("ascii")
    return "".join(_SHOWN[byte] for byte in data)


_PLAIN: Final = re.compile(rb"[ -\[\]-~]*").fullmatch
_SHOWN: Final = tuple(
    "\\\\" if byte == 0x5C else chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}" for byte in range(256)
)


def _unnamed(value: int, *, private_from: int = 0x10000, private_to: int = 0xFFFF) -> str:
    if is_grease(value):
        return f"GREASE (0x{value:04x})"
    kind = "private use" if private_from <= value <= private_to else "unknown"
    return f"{kind} (0x{value:04x})"
