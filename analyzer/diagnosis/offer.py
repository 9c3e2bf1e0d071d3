"""What a ClientHello leaves out of what every server may be expected to have: where an agreement may have failed.

The measure is what RFC 8446 section 9.1 makes mandatory, or asks for, and RFC 9325 section 4.2 recommends. A hello that
has all of it can fail on few servers for its lists; one that lacks some may.
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.registry import ProtocolVersion, is_grease
from analyzer.tls.connection import Side
from analyzer.tls.messages import ClientHello, is_tls13

__all__ = [
    "CIPHER_SUITES",
    "GROUPS",
    "SIGNATURES",
    "USUAL_SIGNATURES",
    "lacking",
    "left_before_certificate",
    "newest",
    "refused_at_hello",
    "versions_lacking",
]

CIPHER_SUITES: Final = "cipher suites"
GROUPS: Final = "groups"
SIGNATURES: Final = "signature algorithms"

_SUITES: Final = {
    ProtocolVersion.TLS_1_3: frozenset({0x1301, 0x1302}),
    ProtocolVersion.TLS_1_2: frozenset({0xC02B, 0xC02C, 0xC02F, 0xC030}),
}
"""AES-GCM, before TLS 1.3 with ECDHE for keys of both kinds."""
_GROUPS: Final = frozenset({23, 29})
"""secp256r1 and x25519."""
USUAL_SIGNATURES: Final = frozenset({0x0401, 0x0403, 0x0804})
"""rsa_pkcs1_sha256, ecdsa_secp256r1_sha256, rsa_pss_rsae_sha256."""
_VERSIONS: Final = (ProtocolVersion.TLS_1_2, ProtocolVersion.TLS_1_3)


def lacking(hello: ClientHello) -> tuple[str, ...]:
    """The lists that lack something usual. A hello that the capture cuts is not judged."""
    if not hello.complete:
        return ()
    found = []
    wanted = [suites for version, suites in _SUITES.items() if version in hello.offered_versions]
    if not wanted or not frozenset().union(*wanted) <= set(hello.cipher_suites):
        found.append(CIPHER_SUITES)
    if hello.supported_groups and not set(hello.supported_groups) >= _GROUPS:
        found.append(GROUPS)
    if hello.signature_algorithms and not set(hello.signature_algorithms) >= USUAL_SIGNATURES:
        found.append(SIGNATURES)
    return tuple(found)


def versions_lacking(hello: ClientHello) -> tuple[int, ...]:
    """TLS 1.2 and 1.3, as far as the client does not offer them."""
    return tuple(version for version in _VERSIONS if version not in hello.offered_versions) if hello.complete else ()


def newest(hello: ClientHello) -> int:
    """The newest version offered; 0 when none is."""
    return max((version for version in hello.offered_versions if not is_grease(version)), default=0)


def refused_at_hello(case: Case) -> ClientHello | None:
    """The only ClientHello, when the server ended the handshake in answer to it."""
    connection = case.connection
    if not case.ended_by(Side.SERVER) or case.progress.stage != "client-hello" or len(connection.hellos) != 1:
        return None
    return connection.client_hello


def left_before_certificate(case: Case) -> bool:
    """TLS 1.3: whether the server sent an encrypted alert where its Certificate belongs.

    What is settled between its ServerHello and its Certificate are the application protocol (EncryptedExtensions) and
    the signature algorithm (RFC 8446 sections 4.3.1 and 4.4.2.2).
    """
    ending = case.ending
    return (
        ending is not None
        and ending.encrypted
        and case.ended_by(Side.SERVER, "alert")
        and is_tls13(case.connection.version)
        and case.progress.stage == "server-flight"
        and not case.progress.certificate_came
    )
