"""The certificates and trust stores of the recordings.

Keys are computed from their owners' names, serial numbers and dates are fixed, and signatures are
deterministic, so every run makes the same certificates byte for byte: a capture recorded afresh fits the
stores that stand in the repository. These keys protect nothing.

    Acme Root CA ── Acme Intermediate CA ── api.backend.example   (leaf and its faulty sisters)
    Acme Root CA (re-issued: same name, another key)
    Globex Root CA, Initech Root CA                               (what is in a store that lacks Acme)
"""

from __future__ import annotations

import datetime as dt
import functools
import hashlib
import itertools
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID, NameOID

HOST = "api.backend.example"
OTHER_HOST = "orders.backend.example"
STORE_PASSWORD = "changeit"

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_BEGIN = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
_END = dt.datetime(2099, 12, 31, 23, 59, 59, tzinfo=dt.UTC)
_PAST = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
_FAR = dt.datetime(2098, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What one certificate says. `issuer` names another recipe; `None` is a self-signed certificate.

    `may_sign` is the key usage keyCertSign, `within` the one domain for which a CA may issue, `odd_name` a DNS name
    that no host can have, `critical` a critical extension that nobody knows, `sha1` signs by SHA-1 with RSA,
    and `forged` spoils the signature's last bit.
    """

    subject: str
    key: str
    issuer: str | None = None
    ca: bool = False
    path_length: int | None = None
    names: tuple[str, ...] = ()
    odd_name: bytes = b""
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.SERVER_AUTH
    within: str = ""
    critical: bool = False
    sha1: bool = False
    forged: bool = False
    begin: dt.datetime = _BEGIN
    end: dt.datetime = _END


def _intermediate(**faults: Any) -> Recipe:
    """Give a faulty sister of `acme-intermediate`: same name and key."""
    usual: dict[str, Any] = {"ca": True, "path_length": 0} if faults.get("ca", True) else {}
    return Recipe(subject="Acme Intermediate CA", key="rsa:acme-intermediate", issuer="acme-root", **usual | faults)


def _client(
    issuer: str | None,
    *,
    key: str = "rsa:client",
    usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH,
    begin: dt.datetime = _BEGIN,
    end: dt.datetime = _END,
) -> Recipe:
    return Recipe(subject="gateway-7", key=key, issuer=issuer, usage=usage, begin=begin, end=end)


RECIPES: dict[str, Recipe] = {
    "acme-root": Recipe(subject="Acme Root CA", key="rsa:acme-root", ca=True),
    "acme-root-old": Recipe(subject="Acme Root CA", key="rsa:acme-root-old", ca=True),
    "acme-intermediate": Recipe(
        subject="Acme Intermediate CA",
        key="rsa:acme-intermediate",
        issuer="acme-root",
        ca=True,
        path_length=0,
    ),
    "globex-root": Recipe(subject="Globex Root CA", key="ec:globex-root", ca=True),
    "initech-root": Recipe(subject="Initech Root CA", key="rsa:initech-root", ca=True),
    "leaf": Recipe(subject=HOST, key="rsa:leaf", issuer="acme-intermediate", names=(HOST,)),
    "leaf-ec": Recipe(subject=HOST, key="ec:leaf", issuer="acme-intermediate", names=(HOST,)),
    "leaf-expired": Recipe(subject=HOST, key="rsa:leaf", issuer="acme-intermediate", names=(HOST,), end=_PAST),
    "leaf-future": Recipe(subject=HOST, key="rsa:leaf", issuer="acme-intermediate", names=(HOST,), begin=_FAR),
    "leaf-cn-only": Recipe(subject=HOST, key="rsa:leaf", issuer="acme-intermediate"),
    "leaf-client-usage": Recipe(
        subject=HOST,
        key="rsa:leaf",
        issuer="acme-intermediate",
        names=(HOST,),
        usage=ExtendedKeyUsageOID.CLIENT_AUTH,
    ),
    "leaf-self-signed": Recipe(subject=HOST, key="rsa:leaf", names=(HOST,)),
    "acme-root-expired": Recipe(subject="Acme Root CA", key="rsa:acme-root", ca=True, end=_PAST),
    "acme-intermediate-expired": _intermediate(end=_PAST),
    "acme-intermediate-future": _intermediate(begin=_FAR),
    "acme-intermediate-no-ca": _intermediate(ca=False),
    "acme-intermediate-elsewhere": _intermediate(within="globex.example"),
    "acme-intermediate-sha1": _intermediate(sha1=True),
    "acme-intermediate-forged": _intermediate(forged=True),
    "acme-issuing": Recipe(subject="Acme Issuing CA", key="ec:acme-issuing", issuer="acme-intermediate", ca=True),
    "acme-policy": Recipe(subject="Acme Policy CA", key="ec:acme-policy", issuer="acme-root", ca=True),
    "acme-division": Recipe(subject="Acme Division CA", key="ec:acme-division", issuer="acme-policy", ca=True),
    "legacy-root": Recipe(subject="Legacy Root CA", key="ec:legacy-root", ca=True),
    "legacy-root-expired": Recipe(subject="Legacy Root CA", key="ec:legacy-root", ca=True, end=_PAST),
    "acme-root-crossed": Recipe(subject="Acme Root CA", key="rsa:acme-root", issuer="legacy-root", ca=True),
    "leaf-below-issuing": Recipe(subject=HOST, key="rsa:leaf", issuer="acme-issuing", names=(HOST,)),
    "leaf-below-division": Recipe(subject=HOST, key="rsa:leaf", issuer="acme-division", names=(HOST,)),
    "leaf-wildcard": Recipe(subject=HOST, key="rsa:leaf", issuer="acme-intermediate", names=("*.backend.example",)),
    "leaf-critical": Recipe(subject=HOST, key="rsa:leaf", issuer="acme-intermediate", names=(HOST,), critical=True),
    "leaf-weak": Recipe(subject=HOST, key="rsa1024:leaf", issuer="acme-intermediate", names=(HOST,)),
    "leaf-sha1": Recipe(subject=HOST, key="rsa:leaf", issuer="acme-intermediate", names=(HOST,), sha1=True),
    "leaf-forged": Recipe(subject=HOST, key="rsa:leaf", issuer="acme-intermediate", names=(HOST,), forged=True),
    "leaf-odd-name": Recipe(
        subject=HOST, key="rsa:leaf", issuer="acme-intermediate", names=(HOST,), odd_name=b"\xffapi\xfe.example"
    ),
    "acme-clients-root": Recipe(subject="Acme Clients CA", key="rsa:acme-clients-root", ca=True),
    "acme-clients-intermediate": Recipe(
        subject="Acme Clients Issuing CA",
        key="rsa:acme-clients-intermediate",
        issuer="acme-clients-root",
        ca=True,
    ),
    "client": _client("acme-clients-root"),
    "client-ec": _client("acme-clients-root", key="ec:client"),
    "client-issued": _client("acme-clients-intermediate"),
    "client-expired": _client("acme-clients-root", end=_PAST),
    "client-future": _client("acme-clients-root", begin=_FAR),
    "client-server-usage": _client("acme-clients-root", usage=ExtendedKeyUsageOID.SERVER_AUTH),
    "client-stranger": _client("globex-root"),
    "client-self-signed": _client(None),
}

CHAINS: dict[str, tuple[str, ...]] = {
    "full": ("leaf", "acme-intermediate", "acme-root"),
    "usual": ("leaf", "acme-intermediate"),
    "usual-ec": ("leaf-ec", "acme-intermediate"),
    "leaf-only": ("leaf",),
    "leaf-only-ec": ("leaf-ec",),
    "expired-leaf": ("leaf-expired", "acme-intermediate"),
    "future-leaf": ("leaf-future", "acme-intermediate"),
    "cn-only-leaf": ("leaf-cn-only", "acme-intermediate"),
    "client-usage-leaf": ("leaf-client-usage", "acme-intermediate"),
    "self-signed-leaf": ("leaf-self-signed",),
    "expired-intermediate": ("leaf", "acme-intermediate-expired"),
    "future-intermediate": ("leaf", "acme-intermediate-future"),
    "wildcard-leaf": ("leaf-wildcard", "acme-intermediate"),
    "no-ca": ("leaf", "acme-intermediate-no-ca"),
    "long-path": ("leaf-below-issuing", "acme-issuing", "acme-intermediate"),
    "deep": ("leaf-below-division", "acme-division", "acme-policy"),
    "elsewhere": ("leaf", "acme-intermediate-elsewhere"),
    "critical-leaf": ("leaf-critical", "acme-intermediate"),
    "weak-leaf": ("leaf-weak", "acme-intermediate"),
    "sha1-leaf": ("leaf-sha1", "acme-intermediate"),
    "sha1-intermediate": ("leaf", "acme-intermediate-sha1"),
    "forged-leaf": ("leaf-forged", "acme-intermediate"),
    "forged-intermediate": ("leaf", "acme-intermediate-forged"),
    "odd-name-leaf": ("leaf-odd-name", "acme-intermediate"),
    "shuffled": ("leaf", "acme-root", "acme-intermediate"),
    "crossed": ("leaf", "acme-intermediate", "acme-root-crossed"),
    "with-strangers": ("leaf", "globex-root", "acme-intermediate", "acme-clients-root"),
    "doubled": ("leaf", "leaf", "acme-intermediate"),
}
"""What a server sends, in wire order."""

STORES: dict[str, tuple[str, ...]] = {
    "without-root": ("globex-root", "initech-root"),
    "with-root": ("globex-root", "initech-root", "acme-root"),
    "with-old-root": ("globex-root", "initech-root", "acme-root-old"),
    "intermediate-only": ("acme-intermediate",),
    "clients": ("acme-clients-root",),
    "with-expired-root": ("globex-root", "acme-root-expired"),
    "with-intermediate": ("globex-root", "acme-root", "acme-intermediate"),
    "with-legacy-root": ("initech-root", "legacy-root"),
    "with-both-legacies": ("legacy-root-expired", "acme-root"),
}
"""What a validator trusts."""

# Object identifiers in DER: of one length, so that one can take the other's place.
_SHA256_WITH_RSA = bytes.fromhex("06092a864886f70d01010b")
_SHA1_WITH_RSA = bytes.fromhex("06092a864886f70d010105")
_UNKNOWN_EXTENSION = x509.ObjectIdentifier("2.25.77001234")
_SMALL_PRIMES = tuple(n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2)))
_FOLDERS = ("without-root", "with-root")
_FILES = ("with-old-root", "intermediate-only")
_KEYSTORES = ("with-root",)


@functools.cache
def key(name: str) -> Key:
    """Compute the private key called `name`: `rsa:WHOSE` (2048 bits), `rsa1024:WHOSE` or `ec:WHOSE` (P-256)."""
    kind, _, owner = name.partition(":")
    if kind == "ec":
        return ec.derive_private_key(int.from_bytes(_stream(owner, 31)), ec.SECP256R1())
    exponent = 65537
    size = int(kind.removeprefix("rsa") or 2048)
    p, q = (_prime(f"{owner}/{half}", exponent, size // 2) for half in ("p", "q"))
    d = pow(exponent, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    return rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public).private_key()


@functools.cache
def certificate(name: str) -> x509.Certificate:
    """Make the certificate of `RECIPES[name]`."""
    recipe = RECIPES[name]
    own = key(recipe.key)
    issuer = RECIPES[recipe.issuer] if recipe.issuer else recipe
    signer = key(issuer.key)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_distinguished_name(recipe))
        .issuer_name(_distinguished_name(issuer))
        .public_key(own.public_key())
        .serial_number(int.from_bytes(_stream(f"serial/{name}", 15)) | 1 << 119)
        .not_valid_before(recipe.begin)
        .not_valid_after(recipe.end)
        .add_extension(x509.BasicConstraints(ca=recipe.ca, path_length=recipe.path_length), critical=True)
        .add_extension(_key_usage(ca=recipe.ca), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    if recipe.issuer:
        place = f"http://pki.acme.example/{recipe.issuer}"
        builder = builder.add_extension(_issuer_access(f"{place}.cer"), critical=False).add_extension(
            _revocation_list(f"{place}.crl"), critical=False
        )
    if not recipe.ca:
        builder = builder.add_extension(x509.ExtendedKeyUsage([recipe.usage]), critical=False)
    if recipe.names:
        builder = builder.add_extension(_alternative_names(recipe), critical=False)
    if recipe.within:
        allowed = x509.NameConstraints(permitted_subtrees=[x509.DNSName(recipe.within)], excluded_subtrees=None)
        builder = builder.add_extension(allowed, critical=True)
    if recipe.critical:
        builder = builder.add_extension(x509.UnrecognizedExtension(_UNKNOWN_EXTENSION, b"\x05\x00"), critical=True)
    deterministic = True if isinstance(signer, ec.EllipticCurvePrivateKey) else None
    made = builder.sign(signer, hashes.SHA256(), ecdsa_deterministic=deterministic)
    if recipe.sha1:
        return _signed_by_sha1(made, signer)
    if recipe.forged:
        spoilt = bytearray(made.public_bytes(serialization.Encoding.DER))
        spoilt[-1] ^= 1
        return x509.load_der_x509_certificate(bytes(spoilt))
    return made


def pem(names: tuple[str, ...]) -> bytes:
    """Give the certificates `names` as one PEM bundle, in that order."""
    return b"".join(certificate(name).public_bytes(serialization.Encoding.PEM) for name in names)


def key_pem(certificate_name: str) -> bytes:
    """Give the private key of a certificate as PKCS#8 PEM, without a password."""
    return key(RECIPES[certificate_name].key).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def digests(names: tuple[str, ...]) -> tuple[str, ...]:
    """SHA-256 of each certificate's DER bytes, lower-case hex."""
    return tuple(certificate(name).fingerprint(hashes.SHA256()).hex() for name in names)


def store_path(store: str) -> str:
    """Path of a store's PEM form below the folder of the captures."""
    return f"stores/{store}" if store in _FOLDERS else f"stores/{store}.pem"


def write_stores(directory: Path) -> None:
    """Write the stores that the captures need below `directory`; PKCS#12 by openssl and keytool, JKS by keytool.

    A file that is there already stays: PKCS#12 and JKS files hold random salts and would differ at each run
    though their certificates are the same.
    """
    for store in _FOLDERS:
        (directory / store).mkdir(parents=True, exist_ok=True)
        for name in STORES[store]:
            (directory / store / f"{name}.pem").write_bytes(pem((name,)))
    for store in _FILES:
        (directory / f"{store}.pem").write_bytes(pem(STORES[store]))
    for store in _KEYSTORES:
        write_keystore(directory / f"{store}.p12", "PKCS12", STORES[store])
        write_keystore(directory / f"{store}.jks", "JKS", STORES[store])
        _write_openssl_pkcs12(directory / f"{store}-openssl.p12", STORES[store])


def write_keystore(path: Path, kind: str, members: tuple[str, ...]) -> None:
    """Write a PKCS#12 or JKS store (`kind` in keytool's words) of the certificates `members`, if it is not there."""
    if path.exists():
        return
    for name in members:
        subprocess.run(
            ["keytool", "-importcert", "-noprompt", "-alias", name, "-keystore", str(path),
             "-storetype", kind, "-storepass", STORE_PASSWORD],
            input=pem((name,)), check=True, capture_output=True, timeout=60,
        )  # fmt: skip


def _write_openssl_pkcs12(path: Path, members: tuple[str, ...]) -> None:
    if path.exists():
        return
    subprocess.run(
        ["openssl", "pkcs12", "-export", "-nokeys", "-out", str(path), "-passout", f"pass:{STORE_PASSWORD}"],
        input=pem(members), check=True, capture_output=True, timeout=60,
    )  # fmt: skip


def _stream(seed: str, size: int) -> bytes:
    return hashlib.shake_256(f"hsanalyze recording: {seed}".encode()).digest(size)


def _prime(seed: str, exponent: int, size: int) -> int:
    """Find the first prime p of `size` bits in the stream of `seed` with p-1 coprime to `exponent`."""
    for attempt in itertools.count():
        # The two top bits make the product of two such primes exactly twice as long.
        number = int.from_bytes(_stream(f"{seed}/{attempt}", size // 8)) | 3 << size - 2 | 1
        if number % exponent != 1 and _is_prime(number):
            return number
    raise AssertionError


def _is_prime(number: int) -> bool:
    """Miller-Rabin to 12 fixed bases: enough for numbers that nobody has chosen against us."""
    if any(number % p == 0 for p in _SMALL_PRIMES):
        return False
    twos = ((number - 1) & -(number - 1)).bit_length() - 1
    odd = (number - 1) >> twos
    for base in _SMALL_PRIMES[:12]:
        x = pow(base, odd, number)
        if x in {1, number - 1}:
            continue
        for _ in range(twos - 1):
            x = x * x % number
            if x == number - 1:
                break
        else:
            return False
    return True


def _distinguished_name(recipe: Recipe) -> x509.Name:
    organisation = "Acme" if not recipe.ca else recipe.subject.split()[0]
    return x509.Name([
        x509.NameAttribute(NameOID.COUNTRY_NAME, "DE"),
        x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
        x509.NameAttribute(NameOID.COMMON_NAME, recipe.subject),
    ])  # fmt: skip


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca, key_encipherment=not ca, key_cert_sign=ca, crl_sign=ca,
        content_commitment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _signed_by_sha1(made: x509.Certificate, signer: Key) -> x509.Certificate:
    """Replace a signature by RSA and SHA-256, as `cryptography` signs no certificate by SHA-1."""
    assert isinstance(signer, rsa.RSAPrivateKey)
    body = made.tbs_certificate_bytes.replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    signature = signer.sign(body, padding.PKCS1v15(), hashes.SHA1())
    whole = made.public_bytes(serialization.Encoding.DER)
    whole = whole.replace(made.tbs_certificate_bytes, body).replace(_SHA256_WITH_RSA, _SHA1_WITH_RSA)
    return x509.load_der_x509_certificate(whole.replace(made.signature, signature))


def _alternative_names(recipe: Recipe) -> x509.ExtensionType:
    if not recipe.odd_name:
        return x509.SubjectAlternativeName([x509.DNSName(host) for host in recipe.names])
    names = (*(host.encode() for host in recipe.names), recipe.odd_name)
    encoded = b"".join(bytes((0x82, len(name))) + name for name in names)
    return x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes((0x30, len(encoded))) + encoded)


def _issuer_access(url: str) -> x509.AuthorityInformationAccess:
    where = x509.UniformResourceIdentifier(url)
    return x509.AuthorityInformationAccess([x509.AccessDescription(AuthorityInformationAccessOID.CA_ISSUERS, where)])


def _revocation_list(url: str) -> x509.CRLDistributionPoints:
    where = x509.UniformResourceIdentifier(url)
    return x509.CRLDistributionPoints(
        [x509.DistributionPoint(full_name=[where], relative_name=None, reasons=None, crl_issuer=None)]
    )
