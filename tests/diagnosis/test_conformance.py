"""What breaks the RFCs: signatures and points made with real keys, and hellos changed on their way."""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, padding, rsa, x448, x25519

from analyzer import analyze
from analyzer.diagnosis.curves import share_fault
from analyzer.diagnosis.signed_parameters import signature_fault
from analyzer.report.model import Connection

DATA = Path(__file__).parent / "data" / "negotiation"
SIGNED = b"client random, server random, parameters"
_SERVER_HELLO = re.compile(rb"\x16\x03\x03..\x02\x00..\x03\x03(.{32})", re.DOTALL)


def certificate(key: Any) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api.backend.example")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=90))
    edwards = isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
    return builder.sign(key, None if edwards else hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def pss(digest: hashes.HashAlgorithm) -> padding.PSS:
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)


RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
DSA = dsa.generate_private_key(2048)
EDWARDS = ed25519.Ed25519PrivateKey.generate()
EDWARDS_448 = ed448.Ed448PrivateKey.generate()

SIGNATURES: dict[int, tuple[Any, bytes]] = {
    0x0201: (RSA, RSA.sign(SIGNED, padding.PKCS1v15(), hashes.SHA1())),
    0x0401: (RSA, RSA.sign(SIGNED, padding.PKCS1v15(), hashes.SHA256())),
    0x0601: (RSA, RSA.sign(SIGNED, padding.PKCS1v15(), hashes.SHA512())),
    0x0804: (RSA, RSA.sign(SIGNED, pss(hashes.SHA256()), hashes.SHA256())),
    0x0805: (RSA, RSA.sign(SIGNED, pss(hashes.SHA384()), hashes.SHA384())),
    0x0806: (RSA, RSA.sign(SIGNED, pss(hashes.SHA512()), hashes.SHA512())),
    0x0402: (DSA, DSA.sign(SIGNED, hashes.SHA256())),
    0x0203: (EC, EC.sign(SIGNED, ec.ECDSA(hashes.SHA1()))),
    0x0403: (EC, EC.sign(SIGNED, ec.ECDSA(hashes.SHA256()))),
    0x0503: (EC, EC.sign(SIGNED, ec.ECDSA(hashes.SHA384()))),
    0x0807: (EDWARDS, EDWARDS.sign(SIGNED)),
    0x0808: (EDWARDS_448, EDWARDS_448.sign(SIGNED)),
}
each_scheme = pytest.mark.parametrize("scheme", SIGNATURES, ids=hex)


@each_scheme
def test_a_good_signature_has_no_fault(scheme: int) -> None:
    key, signature = SIGNATURES[scheme]
    assert signature_fault(certificate(key), scheme, SIGNED, signature) is None


@each_scheme
def test_a_signature_on_something_else_does_not_verify(scheme: int) -> None:
    key, signature = SIGNATURES[scheme]
    fault = signature_fault(certificate(key), scheme, SIGNED + b"!", signature)
    assert fault is not None
    assert fault.startswith("does not verify")


def test_a_key_cannot_make_a_signature_of_another_kind() -> None:
    fault = signature_fault(certificate(EC), 0x0804, SIGNED, SIGNATURES[0x0804][1])
    assert fault == "is rsa_pss_rsae_sha256, which the certificate's key (ec) cannot make"


@pytest.mark.parametrize("scheme", [None, 0xFE01, 0x0A0A], ids=str)
def test_a_scheme_that_is_not_known_proves_nothing(scheme: int | None) -> None:
    assert signature_fault(certificate(EC), scheme, SIGNED, b"whatever") is None


def test_a_certificate_that_cannot_be_read_proves_nothing() -> None:
    assert signature_fault(b"no certificate", 0x0403, SIGNED, b"whatever") is None


POINT = (serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
RAW = (serialization.Encoding.Raw, serialization.PublicFormat.Raw)
SHARES: dict[int, bytes] = {
    23: ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(*POINT),
    24: ec.generate_private_key(ec.SECP384R1()).public_key().public_bytes(*POINT),
    25: ec.generate_private_key(ec.SECP521R1()).public_key().public_bytes(*POINT),
    29: x25519.X25519PrivateKey.generate().public_key().public_bytes(*RAW),
    30: x448.X448PrivateKey.generate().public_key().public_bytes(*RAW),
}


@pytest.mark.parametrize("group", SHARES)
def test_a_real_public_key_has_no_fault(group: int) -> None:
    assert share_fault(group, SHARES[group]) is None


@pytest.mark.parametrize("group", [23, 24, 25])
def test_a_changed_coordinate_is_no_point_of_the_curve(group: int) -> None:
    key = SHARES[group]
    assert "is no point" in (share_fault(group, key[:-1] + bytes([key[-1] ^ 1])) or "")


@pytest.mark.parametrize("group", SHARES)
def test_a_key_of_another_length_is_none(group: int) -> None:
    assert "bytes; one of" in (share_fault(group, SHARES[group][:-1]) or "")


@pytest.mark.parametrize("group", [29, 30])
def test_zero_is_no_key(group: int) -> None:
    assert "is zero" in (share_fault(group, bytes(len(SHARES[group]))) or "")


def test_a_compressed_point_and_a_group_not_known_here_have_no_fault() -> None:
    compressed = (serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
    assert share_fault(23, EC.public_key().public_bytes(*compressed)) is None
    assert share_fault(0x6399, b"hybrid") is None


def changed(name: str, random: bytes) -> Connection:
    """The one connection of a recording, with the end of the ServerHello's random replaced."""
    data = bytearray((DATA / f"{name}.pcap").read_bytes())
    found = _SERVER_HELLO.search(bytes(data))
    assert found is not None
    data[found.end(1) - len(random) : found.end(1)] = random
    (only,) = analyze(io.BytesIO(bytes(data))).connections
    return only


def test_a_random_that_tells_of_a_downgrade_is_a_fact() -> None:
    found = changed("changed-client-random-nginx-curl-tls12", b"DOWNGRD\x01")
    assert found.cause is not None
    assert (found.cause.code, found.cause.confidence) == ("handshake-integrity", "certain")
    assert "it would have chosen TLS 1.3, which the ClientHello" in found.cause.explanation
