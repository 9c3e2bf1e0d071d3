"""A certification authority for tests: real keys and certificates by `cryptography`, one call each.

acme = root("Acme Root")
issuing = acme.issue_ca("Acme Issuing CA")
leaf = issuing.issue("gw.example.com")
chain = [leaf.der, issuing.der]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from analyzer.trust.certificate import Certificate

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
YEAR = timedelta(days=365)
SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH
ANY = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE
UNKNOWN = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")


def key(label: str, kind: str = "ec") -> Any:
    """One key for each label and kind (`ec`, `rsa2048`, `rsa1024`), made once for all tests of a process."""
    return _key(label, kind)


@lru_cache(maxsize=256)
def _key(label: str, kind: str) -> Any:
    del label
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else rsa.generate_private_key(65537, int(kind[3:]))


def name(common_name: str | None, organisation: str | None = "Acme") -> x509.Name:
    parts = [] if organisation is None else [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)]
    if common_name is not None:
        parts.append(x509.NameAttribute(NameOID.COMMON_NAME, common_name))
    return x509.Name(parts)


def general_name(text: str) -> x509.GeneralName:
    if "://" in text:
        return x509.UniformResourceIdentifier(text)
    if "@" in text:
        return x509.RFC822Name(text)
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def key_usage(*names: str) -> x509.KeyUsage:
    every = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{each: each in names for each in every})


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A certificate and the key that belongs to it."""

    certificate: x509.Certificate
    private_key: Any

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def sha256(self) -> str:
        return Certificate.parse(self.der).sha256

    def sign(
        self,
        subject: x509.Name,
        public: Any,
        *,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
        not_before: datetime = NOW - YEAR,
        not_after: datetime = NOW + YEAR,
        digest: Any = None,
        issuer: x509.Name | None = None,
        aki: bytes | bool | None = True,
        ski: bool = True,
        serial: int | None = None,
        own_key: Any = None,
    ) -> Issued:
        """A certificate made with this one's key. `aki`: True for the right one, None for none, or the bytes."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject if issuer is None else issuer)
            .public_key(public)
            .serial_number(serial or x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical)
        if ski:
            builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        if aki is True:
            right = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private_key.public_key())
            builder = builder.add_extension(right, critical=False)
        elif isinstance(aki, bytes):
            builder = builder.add_extension(x509.AuthorityKeyIdentifier(aki, None, None), critical=False)
        made = builder.sign(self.private_key, digest or hashes.SHA256())
        return Issued(certificate=made, private_key=own_key)

    def issue(
        self,
        host: str | None,
        *,
        names: Sequence[str] | None = None,
        common_name: str | None = "gw.example.com",
        organisation: str | None = "Acme",
        eku: Sequence[x509.ObjectIdentifier] | None = (SERVER,),
        usage: Sequence[str] | None = ("digital_signature", "key_encipherment"),
        extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
        kind: str = "ec",
        label: str = "leaf",
        **how: Any,
    ) -> Issued:
        """A server's certificate for `host` (or for `names`; an empty list for no alternative names)."""
        own = key(label, kind)
        wanted = ([host] if host else []) if names is None else list(names)
        extensions: list[tuple[x509.ExtensionType, bool]] = [(x509.BasicConstraints(ca=False, path_length=None), True)]
        if wanted:
            extensions.append((x509.SubjectAlternativeName([general_name(n) for n in wanted]), False))
        if eku is not None:
            extensions.append((x509.ExtendedKeyUsage(list(eku)), False))
        if usage is not None:
            extensions.append((key_usage(*usage), True))
        extensions += extra
        subject = name(common_name, organisation)
        return self.sign(subject, own.public_key(), extensions=extensions, own_key=own, **how)

    def issue_ca(
        self,
        common_name: str,
        *,
        organisation: str | None = "Acme",
        ca: bool | None = True,
        path_length: int | None = None,
        usage: Sequence[str] | None = ("key_cert_sign", "crl_sign"),
        extra: Sequence[tuple[x509.ExtensionType, bool]] = (),
        kind: str = "ec",
        label: str | None = None,
        **how: Any,
    ) -> Issued:
        """A subordinate CA; `ca` None leaves basic constraints out. `label` picks the key, else the name does."""
        own = key(label or common_name, kind)
        extensions: list[tuple[x509.ExtensionType, bool]] = []
        if ca is not None:
            length = path_length if ca else None
            extensions.append((x509.BasicConstraints(ca=ca, path_length=length), True))
        if usage is not None:
            extensions.append((key_usage(*usage), True))
        extensions += extra
        subject = name(common_name, organisation)
        return self.sign(subject, own.public_key(), extensions=extensions, own_key=own, **how)


def root(common_name: str = "Acme Root", *, kind: str = "ec", label: str | None = None, **how: Any) -> Issued:
    """A self-signed CA."""
    own = key(label or common_name, kind)
    organisation = how.get("organisation", "Acme")
    seed = Issued(certificate=_placeholder(common_name, organisation), private_key=own)
    return seed.issue_ca(common_name, label=label, kind=kind, aki=how.pop("aki", None), **how)


@lru_cache(maxsize=256)
def _placeholder(common_name: str, organisation: str | None) -> x509.Certificate:
    own = key(common_name)
    subject = name(common_name, organisation)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(own.public_key())
        .serial_number(1)
        .not_valid_before(NOW - YEAR)
        .not_valid_after(NOW + YEAR)
        .sign(own, hashes.SHA256())
    )


def broken(issued: Issued) -> Issued:
    """The same certificate with one bit of its signature turned over."""
    der = bytearray(issued.der)
    der[-3] ^= 1
    return Issued(certificate=x509.load_der_x509_certificate(bytes(der)), private_key=issued.private_key)


def resigned(issued: Issued, issuer: Issued, digest: Any) -> Issued:
    """The same certificate signed with RSA and SHA-1 or MD5, which the builder no longer does."""
    oid = {"sha256": b"\x0b", "sha1": b"\x05", "md5": b"\x04"}
    prefix = bytes.fromhex("2a864886f70d0101")
    der = issued.der.replace(prefix + oid["sha256"], prefix + oid[digest.name])
    tbs = Certificate.parse(der).tbs
    signature = issuer.private_key.sign(tbs, padding.PKCS1v15(), digest)
    made = x509.load_der_x509_certificate(der[: -len(signature)] + signature)
    return Issued(certificate=made, private_key=issued.private_key)


def public_bytes(issued: Issued) -> bytes:
    """The SubjectPublicKeyInfo."""
    public: bytes = issued.private_key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return public
