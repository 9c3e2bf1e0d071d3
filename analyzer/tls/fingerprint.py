"""Fingerprints of hellos: JA3 and JA3S (Salesforce, 2017), JA4 for TLS over TCP (FoxIO, 2023).

They identify a TLS stack, not a user. JA3 and JA3S are computed as Wireshark 4.0 does; JA4 follows FoxIO's
technical details (technical_details/JA4.md of FoxIO-LLC/ja4, licensed BSD 3-Clause for JA4 itself). An
SSLv2-style hello has neither, and of a hello that the capture holds only in part nothing can be said.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import md5, sha256
from typing import Final

from analyzer.registry import GREASE, ExtensionType, ProtocolVersion
from analyzer.tls.messages import ClientHello, ServerHello

__all__ = ["ja3", "ja3_string", "ja3s", "ja3s_string", "ja4"]


def ja3(hello: ClientHello) -> str | None:
    """MD5 of the JA3 string, as 32 hexadecimal digits; None where there is no JA3."""
    text = ja3_string(hello)
    return None if text is None else _md5(text)


def ja3_string(hello: ClientHello) -> str | None:
    """`version,ciphers,extensions,groups,point formats`: decimal, joined by `-`, in wire order, no GREASE."""
    if hello.sslv2 or not hello.complete:
        return None
    return ",".join(
        (
            str(hello.legacy_version),
            _decimal(hello.cipher_suites),
            _decimal(tuple([extension.type for extension in hello.extensions])),
            _decimal(hello.supported_groups),
            "-".join(map(str, hello.ec_point_formats)),
        )
    )


def ja3s(hello: ServerHello) -> str:
    """MD5 of the JA3S string, as 32 hexadecimal digits."""
    return _md5(ja3s_string(hello))


def ja3s_string(hello: ServerHello) -> str:
    """`version,cipher,extensions`: decimal, the extensions joined by `-` in wire order."""
    cipher = "" if hello.cipher_suite is None else str(hello.cipher_suite)
    extensions = "-".join(str(extension.type) for extension in hello.extensions)
    return f"{hello.legacy_version},{cipher},{extensions}"


def ja4(hello: ClientHello) -> str | None:
    """`t13d1516h2_8daaf6152771_e5627efa2ab1`; None where there is no JA4."""
    if hello.sslv2 or not hello.complete:
        return None
    version = _JA4_VERSIONS.get(max(hello.offered_versions, default=hello.legacy_version), "00")
    ciphers = [suite for suite in hello.cipher_suites if suite not in GREASE]
    extensions = [extension.type for extension in hello.extensions if extension.type not in GREASE]
    named = "d" if ExtensionType.SERVER_NAME in extensions else "i"
    counts = f"{min(len(ciphers), 99):02}{min(len(extensions), 99):02}"
    hashed = [kind for kind in extensions if kind not in _JA4_UNHASHED]
    schemes = [scheme for scheme in hello.signature_algorithms if scheme not in GREASE]
    return (
        f"t{version}{named}{counts}{_ja4_alpn(hello.alpn)}"
        f"_{_ja4_hash(tuple(sorted(ciphers)))}_{_ja4_hash(tuple(sorted(hashed)), tuple(schemes))}"
    )


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def _decimal(values: tuple[int, ...]) -> str:
    """The values joined by `-`, no GREASE; remembered for lists of ordinary length."""
    return (_remembered_decimal if len(values) <= _LONGEST_REMEMBERED else _to_decimal)(values)


def _to_decimal(values: tuple[int, ...]) -> str:
    return "-".join([str(value) for value in values if value not in GREASE])


def _ja4_hash(values: tuple[int, ...], schemes: tuple[int, ...] = ()) -> str:
    """Twelve digits over the values in hexadecimal, after `_` the schemes; zeros when there are no values."""
    ordinary = len(values) + len(schemes) <= _LONGEST_REMEMBERED
    return (_remembered_ja4_hash if ordinary else _to_ja4_hash)(values, schemes)


def _to_ja4_hash(values: tuple[int, ...], schemes: tuple[int, ...]) -> str:
    if not values:
        return "000000000000"
    text = "_".join([",".join([f"{value:04x}" for value in part]) for part in (values, schemes) if part])
    return sha256(text.encode()).hexdigest()[:12]


def _ja4_alpn(protocols: tuple[bytes, ...]) -> str:
    """First and last character of the first protocol; of its hexadecimal when one is not alphanumeric."""
    protocol = protocols[0] if protocols else b""
    if not protocol:
        return "00"
    ends = protocol[:1] + protocol[-1:]
    return ends.decode("ascii") if ends.isalnum() else protocol.hex()[0] + protocol.hex()[-1]


_LONGEST_REMEMBERED: Final = 256
"""Values in a list. Real hellos have fewer, and those of one stack repeat; longer lists are made to fill memory."""

_remembered_decimal: Final = lru_cache(maxsize=1024)(_to_decimal)
_remembered_ja4_hash: Final = lru_cache(maxsize=1024)(_to_ja4_hash)

_JA4_VERSIONS: Final = {
    ProtocolVersion.TLS_1_3: "13",
    ProtocolVersion.TLS_1_2: "12",
    ProtocolVersion.TLS_1_1: "11",
    ProtocolVersion.TLS_1_0: "10",
    ProtocolVersion.SSL_3_0: "s3",
    ProtocolVersion.SSL_2_0: "s2",
}

_JA4_UNHASHED: Final = frozenset({ExtensionType.SERVER_NAME, ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION})
"""Their presence and value are in the first part already."""
