"""The signature on a ServerKeyExchange (RFC 5246 section 7.4.3, RFC 8422 section 5.4, RFC 8446 section 4.2.3)."""

from __future__ import annotations

from typing import Final

from analyzer.registry import signature_scheme_name
from analyzer.trust.certificate import Certificate
from analyzer.trust.signatures import PSS, key_family, verify_bytes

__all__ = ["signature_fault"]


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


_RSA, _DSA, _ECDSA = 1, 2, 3
_OIDS: Final = {
    (_RSA, 1): "1.2.840.113549.1.1.4",
    (_RSA, 2): "1.2.840.113549.1.1.5",
    (_RSA, 3): "1.2.840.113549.1.1.14",
    (_RSA, 4): "1.2.840.113549.1.1.11",
    (_RSA, 5): "1.2.840.113549.1.1.12",
    (_RSA, 6): "1.2.840.113549.1.1.13",
    (_DSA, 2): "1.2.840.10040.4.3",
    (_DSA, 3): "2.16.840.1.101.3.4.3.1",
    (_DSA, 4): "2.16.840.1.101.3.4.3.2",
    (_ECDSA, 2): "1.2.840.10045.4.1",
    (_ECDSA, 3): "1.2.840.10045.4.3.1",
    (_ECDSA, 4): "1.2.840.10045.4.3.2",
    (_ECDSA, 5): "1.2.840.10045.4.3.3",
    (_ECDSA, 6): "1.2.840.10045.4.3.4",
}
"""(SignatureAlgorithm, HashAlgorithm) of RFC 5246 section 7.4.1.4.1 -> the algorithm's OID."""
_EDWARDS: Final = {0x0807: "1.3.101.112", 0x0808: "1.3.101.113"}
_PSS: Final = {0x0804: (1, 32), 0x0805: (2, 48), 0x0806: (3, 64), 0x0809: (1, 32), 0x080A: (2, 48), 0x080B: (3, 64)}
"""rsa_pss_* -> the last arc of its hash (2.16.840.1.101.3.4.2.x) and the salt's bytes: as many as the hash's."""


def _algorithm(scheme: int) -> tuple[str, bytes] | None:
    """OID and encoded parameters of a SignatureScheme; None for one that is unknown here."""
    if scheme in _PSS:
        return PSS, _pss_parameters(*_PSS[scheme])
    oid = _EDWARDS.get(scheme) or _OIDS.get((scheme & 0xFF, scheme >> 8))
    return None if oid is None else (oid, b"")


def _pss_parameters(arc: int, salt: int) -> bytes:
    """RSASSA-PSS-params (RFC 4055 section 3.1) with the same hash for MGF1."""
    digest = _element(0x30, bytes.fromhex("0609608648016503040200")[:-1] + bytes([arc]))
    mask = _element(0x30, bytes.fromhex("06092a864886f70d010108") + digest)
    return _element(
        0x30,
        _element(0xA0, digest) + _element(0xA1, mask) + _element(0xA2, _element(0x02, bytes([salt]))),
    )


def _element(tag: int, content: bytes) -> bytes:
    return bytes([tag, len(content)]) + content
