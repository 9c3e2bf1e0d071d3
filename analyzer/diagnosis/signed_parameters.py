"""The signature on a ServerKeyExchange (RFC 5246 section 7.4.3, RFC 8422 section 5.4, RFC 8446 section 4.2.3)."""

from __future__ import annotations

from typing import Final

from analyzer.registry import signature_scheme_name
from analyzer.tls.messages import ServerKeyExchange
from analyzer.trust.certificate import Certificate
from analyzer.trust.signatures import Algorithm, key_family, verify_bytes

__all__ = ["key_exchange_fault", "signature_fault"]


def key_exchange_fault(leaf: bytes, client_random: bytes, server_random: bytes, sent: ServerKeyExchange) -> str | None:
    """What is wrong with the signature on a ServerKeyExchange under the key of `leaf` (DER); None without one."""
    if not sent.signature:
        return None
    return signature_fault(leaf, sent.signature_scheme, client_random + server_random + sent.parameters, sent.signature)


def signature_fault(leaf: bytes, scheme: int | None, message: bytes, signature: bytes) -> str | None:
    """What is wrong with a signature of TLS 1.2 under the key of the certificate `leaf` (DER); else None.

    `message` is client random, server random and parameters. None too where it cannot be told: before TLS 1.2
    (no scheme), for an unknown scheme or key.
    """
    algorithm = _algorithm(scheme) if scheme is not None else None
    if algorithm is None or scheme is None:
        return None
    certificate = Certificate.parse(leaf)
    outcome = verify_bytes(message, signature, algorithm, certificate.spki)
    if outcome == "bad":
        return "does not verify under the certificate's key: what was signed is not what was captured"
    if outcome == "mismatch":
        family = key_family(certificate) or "unknown"
        return f"is {signature_scheme_name(scheme)}, which the certificate's key ({family}) cannot make"
    return None


_HASHES: Final = {1: "md5", 2: "sha1", 3: "sha224", 4: "sha256", 5: "sha384", 6: "sha512"}
_FAMILIES: Final = {1: "rsa", 2: "dsa", 3: "ec"}
"""HashAlgorithm and SignatureAlgorithm of RFC 5246 section 7.4.1.4.1: a scheme's first and second byte."""
_EDWARDS: Final = {0x0807: "ed25519", 0x0808: "ed448"}
_PSS: Final = {scheme: hash_ for first in (0x0804, 0x0809) for scheme, hash_ in enumerate((4, 5, 6), first)}
"""rsa_pss_rsae_* and rsa_pss_pss_* (RFC 8446 section 4.2.3)."""
_SALTS: Final = {"sha256": 32, "sha384": 48, "sha512": 64}
"""As many bytes as the hash has."""


def _algorithm(scheme: int) -> Algorithm | None:
    """What a SignatureScheme stands for; None for one that is unknown here."""
    if scheme in _PSS:
        digest = _HASHES[_PSS[scheme]]
        return Algorithm(family="rsa", digest=digest, mask=digest, salt=_SALTS[digest])
    if scheme in _EDWARDS:
        return Algorithm(family=_EDWARDS[scheme], digest="none")
    digest, family = _HASHES.get(scheme >> 8, ""), _FAMILIES.get(scheme & 0xFF, "")
    return Algorithm(family=family, digest=digest) if digest and family else None
