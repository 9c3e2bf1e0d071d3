"""Does this key verify this certificate's signature? Weak algorithms included: the profile judges strength.

`verify` answers for (certificate, public key); answers are cached, because the same pairs come back in every path
of a search and in every connection of a capture. RSA with PKCS #1 v1.5 and PSS, DSA, ECDSA, Ed25519 and Ed448.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from analyzer.dataclass import dataclass
from analyzer.trust import der
from analyzer.trust.certificate import Certificate

__all__ = [
    "Algorithm",
    "Outcome",
    "algorithm_of",
    "hash_name",
    "key_family",
    "key_problem",
    "signature_family",
    "verify",
    "verify_bytes",
]

Outcome = str
"""`good`, `bad`, `mismatch` (key type and algorithm do not belong together), `unsupported`, or `no-key`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Algorithm:
    """A signature algorithm: the key's family and the hash (`none` for Edwards curves).

    RSASSA-PSS has the hash of its mask generation and the salt's length in bytes as well.
    """

    family: str
    digest: str
    mask: str | None = None
    salt: int = 0


HASHES: Final = {
    "1.2.840.113549.1.1.2": ("rsa", "md2"),
    "1.2.840.113549.1.1.3": ("rsa", "md4"),
    "1.2.840.113549.1.1.4": ("rsa", "md5"),
    "1.2.840.113549.1.1.5": ("rsa", "sha1"),
    "1.3.14.3.2.29": ("rsa", "sha1"),
    "1.2.840.113549.1.1.14": ("rsa", "sha224"),
    "1.2.840.113549.1.1.11": ("rsa", "sha256"),
    "1.2.840.113549.1.1.12": ("rsa", "sha384"),
    "1.2.840.113549.1.1.13": ("rsa", "sha512"),
    "1.2.840.10040.4.3": ("dsa", "sha1"),
    "2.16.840.1.101.3.4.3.1": ("dsa", "sha224"),
    "2.16.840.1.101.3.4.3.2": ("dsa", "sha256"),
    "2.16.840.1.101.3.4.3.3": ("dsa", "sha384"),
    "2.16.840.1.101.3.4.3.4": ("dsa", "sha512"),
    "1.2.840.10045.4.1": ("ec", "sha1"),
    "1.2.840.10045.4.3.1": ("ec", "sha224"),
    "1.2.840.10045.4.3.2": ("ec", "sha256"),
    "1.2.840.10045.4.3.3": ("ec", "sha384"),
    "1.2.840.10045.4.3.4": ("ec", "sha512"),
    "1.3.101.112": ("ed25519", "none"),
    "1.3.101.113": ("ed448", "none"),
}
"""Signature algorithm -> (key family, hash). RSASSA-PSS is apart: its hash stands in the parameters."""

PSS: Final = "1.2.840.113549.1.1.10"

KEY_FAMILIES: Final = {
    "1.2.840.113549.1.1.1": "rsa",
    "1.2.840.113549.1.1.10": "rsa-pss",
    "1.2.840.10040.4.1": "dsa",
    "1.2.840.10045.2.1": "ec",
    "1.3.101.112": "ed25519",
    "1.3.101.113": "ed448",
}

_HASH_OIDS: Final = {
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.4": "sha224",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "1.2.840.113549.2.5": "md5",
}

_MAX_RSA_BITS: Final = 16384
"""OpenSSL's own limit (OPENSSL_RSA_MAX_MODULUS_BITS): a larger modulus only costs time."""


def key_family(certificate: Certificate) -> str | None:
    """The family of the certificate's public key, None when unknown."""
    return KEY_FAMILIES.get(certificate.key_oid)


def hash_name(certificate: Certificate) -> str | None:
    """The hash under the certificate's signature (`sha256`, `none` for Ed25519), None when unknown."""
    algorithm = _algorithm_of(certificate)
    return None if algorithm is None else algorithm.digest


def signature_family(certificate: Certificate) -> str | None:
    """The key family that the certificate's signature algorithm belongs to (`rsa` for PSS too)."""
    algorithm = _algorithm_of(certificate)
    if algorithm is None:
        return "rsa" if certificate.signature_oid == PSS else None
    return algorithm.family


def verify(certificate: Certificate, issuer: Certificate) -> Outcome:
    """Whether `issuer`'s key made the signature on `certificate`."""
    return _verify(certificate.der, issuer.spki)


def key_problem(certificate: Certificate) -> str | None:
    """Why the certificate's public key cannot be used at all, or None."""
    if certificate.key_oid not in KEY_FAMILIES:
        return f"a public key of the unknown type {certificate.key_oid or '?'}"
    return None if _load_key(certificate.spki) is not None else "a public key that cannot be decoded"


@lru_cache(maxsize=4096)
def _load_key(spki: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        return load_der_public_key(spki)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def algorithm_of(oid: str, parameters: bytes) -> Algorithm | None:
    """The algorithm of an AlgorithmIdentifier, `parameters` as encoded; None when unknown or unreadable."""
    if oid == PSS:
        return _pss_parameters(parameters)
    family, digest = HASHES.get(oid, (None, None))
    return None if family is None or digest is None else Algorithm(family=family, digest=digest)


def verify_bytes(message: bytes, signature: bytes, algorithm: Algorithm, spki: bytes) -> Outcome:
    """Whether the key in `spki` (a DER SubjectPublicKeyInfo) made `signature` on `message`."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    key = _load_key(spki)
    if key is None:
        return "no-key"
    try:
        return _verify_with(key, algorithm, message, signature)
    except InvalidSignature:
        return "bad"
    except (UnsupportedAlgorithm, ValueError, TypeError):
        return "unsupported"


@lru_cache(maxsize=32768)
def _verify(data: bytes, spki: bytes) -> Outcome:
    certificate = Certificate.parse(data)
    algorithm = _algorithm_of(certificate)
    if algorithm is None:
        return "unsupported"
    return verify_bytes(certificate.tbs, certificate.signature, algorithm, spki)


def _algorithm_of(certificate: Certificate) -> Algorithm | None:
    return algorithm_of(certificate.signature_oid, certificate.signature_parameters)


def _verify_with(key: Any, algorithm: Algorithm, message: bytes, signature: bytes) -> Outcome:
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa

    types: dict[str, type[Any]] = {
        "rsa": rsa.RSAPublicKey,
        "ec": ec.EllipticCurvePublicKey,
        "dsa": dsa.DSAPublicKey,
        "ed25519": ed25519.Ed25519PublicKey,
        "ed448": ed448.Ed448PublicKey,
    }
    if not isinstance(key, types[algorithm.family]):
        return "mismatch"
    if algorithm.family == "rsa":
        return _verify_rsa(key, algorithm, message, signature)
    if algorithm.family == "ec":
        key.verify(signature, message, ec.ECDSA(_hash(algorithm.digest)))
    elif algorithm.family == "dsa":
        key.verify(signature, message, _hash(algorithm.digest))
    else:
        key.verify(signature, message)
    return "good"


def _verify_rsa(key: Any, algorithm: Algorithm, message: bytes, signature: bytes) -> Outcome:
    from cryptography.hazmat.primitives.asymmetric import padding

    if key.key_size > _MAX_RSA_BITS:
        return "unsupported"
    scheme: Any = padding.PKCS1v15()
    if algorithm.mask is not None:
        scheme = padding.PSS(mgf=padding.MGF1(_hash(algorithm.mask)), salt_length=algorithm.salt)
    key.verify(signature, message, scheme, _hash(algorithm.digest))
    return "good"


def _hash(name: str) -> Any:
    from cryptography.hazmat.primitives import hashes

    table: dict[str, Any] = {
        "md5": hashes.MD5,
        "sha1": hashes.SHA1,
        "sha224": hashes.SHA224,
        "sha256": hashes.SHA256,
        "sha384": hashes.SHA384,
        "sha512": hashes.SHA512,
    }
    if name not in table:
        raise ValueError(f"no {name}")
    return table[name]()


def _pss_parameters(data: bytes) -> Algorithm | None:
    """RSASSA-PSS-params (RFC 4055 section 3.1). None when unreadable."""
    digest, mask, salt = "sha1", "sha1", 20
    try:
        outer = der.read(data, 0, len(data), der.SEQUENCE)
        for element in der.children(data, outer.start, outer.end):
            inner = der.read(data, element.start, element.end)
            if element.tag == 0xA0:
                oid = der.read(data, inner.start, inner.end, der.OID)
                digest = _HASH_OIDS[der.oid_text(data[oid.start : oid.end])]
            elif element.tag == 0xA1:
                function = der.read(data, inner.start, inner.end, der.OID)
                algorithm = der.read(data, function.end, inner.end, der.SEQUENCE)
                oid = der.read(data, algorithm.start, algorithm.end, der.OID)
                mask = _HASH_OIDS[der.oid_text(data[oid.start : oid.end])]
            elif element.tag == 0xA2:
                salt = der.integer(data[inner.start : inner.end])
    except (der.DerError, KeyError):
        return None
    return Algorithm(family="rsa", digest=digest, mask=mask, salt=salt) if 0 <= salt <= 512 else None
