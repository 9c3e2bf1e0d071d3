"""The length of a server's encrypted flight against that of a chain: the arithmetic, and recorded flights."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from hypothesis import given
from hypothesis import strategies as st

from analyzer.diagnosis.flight import Fit, Flight, fit, flight_of, verify_lengths
from analyzer.diagnosis.lengths import certificate_length
from analyzer.diagnosis.progress import trace
from analyzer.registry import ContentType, HandshakeType, ProtocolVersion
from analyzer.tls.messages import Certificate as CertificateMessage
from analyzer.tls.messages import parse
from analyzer.tls.records import RecordSeen
from analyzer.trust.certificate import Certificate
from analyzer.trust.chain import read_chain
from tests.diagnosis.recorded import only

FULL = read_chain((Path(__file__).parent / "data" / "full-chain.pem").read_bytes()).certificates
"""What most captures' servers send, leaf and intermediate, and the root above them."""
FINISHED = 52
"""Of a suite with SHA-384."""
OVERHEAD = 17
RSA_2048_VERIFY = 264

sizes = st.lists(st.integers(200, 3000), min_size=1, max_size=5)


def stand_ins(lengths: list[int]) -> tuple[bytes, ...]:
    """Byte strings as long as certificates, no two the same: only lengths count here."""
    return tuple(number.to_bytes(2, "big") * (length // 2) + bytes(length % 2) for number, length in enumerate(lengths))


def message(chain: tuple[bytes, ...]) -> bytes:
    """A Certificate message (RFC 8446 section 4.4.2) without extensions."""
    entries = b"".join(len(der).to_bytes(3, "big") + der + b"\0\0" for der in chain)
    body = b"\0" + len(entries).to_bytes(3, "big") + entries
    return b"\x0b" + len(body).to_bytes(3, "big") + body


def apart(certificate: int, *, more: bool = False, compressible: bool = False) -> Flight:
    """A flight whose messages have a record each."""
    return Flight(
        certificate=(certificate,), verify=RSA_2048_VERIFY, sum=6 + certificate + RSA_2048_VERIFY, room=30,
        more=more, compressible=compressible, delegated=False, packet=6, bytes=certificate + 400,
    )  # fmt: skip


def together(certificate: int, *, extensions: int, room: int) -> Flight:
    """A flight whose messages share records."""
    return Flight(
        certificate=(), verify=None, sum=extensions + certificate + RSA_2048_VERIFY, room=room,
        more=False, compressible=False, delegated=False, packet=6, bytes=certificate + 400,
    )  # fmt: skip


def recorded(name: str) -> Flight:
    seen = only(name)
    flight = flight_of(seen, trace(seen))
    assert flight is not None
    return flight


def split(name: str, lengths: list[int]) -> Flight | None:
    """The flight of a recording, as if the records had these lengths."""
    seen = only(name)
    progress = trace(seen)
    records = tuple(RecordSeen(ContentType.APPLICATION_DATA, length, 6, 0, 0) for length in lengths)
    return flight_of(seen, replace(progress, hidden_flight=records))


@given(sizes)
def test_a_certificate_message_is_as_long_as_computed(lengths: list[int]) -> None:
    chain = stand_ins(lengths)
    encoded = message(chain)
    assert len(encoded) == certificate_length(tuple(lengths))
    parsed = parse(HandshakeType.CERTIFICATE, encoded[4:], version=ProtocolVersion.TLS_1_3)
    assert isinstance(parsed, CertificateMessage)
    assert parsed.chain == chain


def test_one_without_certificates_is_eight_bytes() -> None:
    assert certificate_length(()) == len(message(())) == 8


KEYS = {
    "RSA 1024": rsa.generate_private_key(65537, 1024),
    "RSA 2048": rsa.generate_private_key(65537, 2048),
    "RSA 3072": rsa.generate_private_key(65537, 3072),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "Ed448": ed448.Ed448PrivateKey.generate(),
}
LONGEST_VERIFY = {
    "RSA 1024": 136, "RSA 2048": 264, "RSA 3072": 392, "P-256": 80, "P-384": 112, "P-521": 147, "Ed25519": 72,
    "Ed448": 122,
}  # fmt: skip


def leaf(key: object) -> Certificate:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "leaf")])
    begins = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, begins, begins + dt.timedelta(days=1))  # type: ignore[attr-defined]
    algorithm = None if isinstance(key, (ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey)) else hashes.SHA256()
    signed = builder.sign(key, algorithm)  # type: ignore[arg-type]
    return Certificate.parse(signed.public_bytes(serialization.Encoding.DER))


@pytest.mark.parametrize("name", KEYS)
def test_signatures_that_a_key_makes_have_the_lengths_computed_from_it(name: str) -> None:
    key = KEYS[name]
    lengths = verify_lengths(leaf(key))
    assert max(lengths) == LONGEST_VERIFY[name]
    for number in range(30):
        data = number.to_bytes(8, "big")
        if isinstance(key, rsa.RSAPrivateKey):
            made = key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePrivateKey):
            made = key.sign(data, ec.ECDSA(hashes.SHA256()))
        else:
            made = key.sign(data)  # type: ignore[attr-defined]
        assert 8 + len(made) in lengths


def test_a_certificate_that_cannot_be_read_has_no_known_signature() -> None:
    assert not verify_lengths(Certificate.parse(b"none"))


@given(sizes, st.integers(0, 2**32))
def test_what_was_sent_of_a_chain_is_told_when_no_other_part_is_as_long(lengths: list[int], seed: int) -> None:
    chain = stand_ins(lengths)
    sent = (chain[0], *(der for der in chain[1:] if Random(seed + len(der)).random() < 0.5))
    found = fit(apart(len(message(sent))), chain)
    assert found.agrees is True or found.sent == chain
    assert sum(map(len, found.sent)) == sum(map(len, sent)) or found.agrees is None


@given(sizes, st.integers(0, 500), st.integers(6, 200))
def test_a_chain_that_was_sent_is_never_contradicted_and_by_a_sum_never_taken_as_proven(
    lengths: list[int], staple: int, extensions: int
) -> None:
    chain = stand_ins(lengths)
    certificate = len(message(chain))
    assert fit(apart(certificate + staple, more=True), chain).agrees is not False or 16 < staple < 64
    assert fit(together(certificate, extensions=extensions, room=60), chain).agrees is None
    assert fit(apart(certificate // 2, compressible=True), chain).agrees is not False


def test_a_flight_too_short_for_the_chain_names_the_part_that_fits() -> None:
    found = fit(recorded("tls13-missing-root-openssl"), FULL)
    assert (found.agrees, found.sent) == (True, FULL[:2])
    assert "exactly what a Certificate message with" in found.text
    assert found.text.endswith("; the whole chain would take 2,938")


@pytest.mark.parametrize("client", ["openssl", "java", "gnutls", "node", "nginx-proxy"])
def test_every_recorded_flight_fits_what_its_server_sent_and_nothing_else(client: str) -> None:
    flight = recorded(f"tls13-missing-root-{client}")
    assert fit(flight, FULL[:2]) == replace(fit(flight, FULL), text=fit(flight, FULL[:2]).text)
    assert fit(flight, FULL[1:]).agrees is not True
    assert fit(flight, FULL[:1], further=FULL[1:]).sent == FULL[:2]


def test_more_than_the_chain_at_hand_is_another_chain_or_what_the_client_asked_for() -> None:
    flight = recorded("tls13-missing-root-openssl")
    assert fit(flight, FULL[:1]).agrees is False
    found = fit(replace(flight, more=True), FULL[:1])
    assert (found.agrees, found.sent) == (None, FULL[:1])
    assert "998 bytes more than" in found.text


def test_a_signature_of_another_kind_of_key_is_that_of_another_chain() -> None:
    flight = replace(recorded("tls13-missing-root-openssl"), verify=79)
    assert fit(flight, FULL).agrees is False
    assert fit(replace(flight, delegated=True), FULL).agrees is True


def test_a_renewed_certificate_is_nearly_as_long_and_that_proves_nothing() -> None:
    found = fit(apart(len(message(FULL[:2])) + 3), FULL[:2])
    assert (found.agrees, found.nearly, found.sent) == (None, True, FULL[:2])
    assert "within 3 bytes" in found.text


CERTIFICATE = len(message(FULL[:2]))


@pytest.mark.parametrize(
    ("contents", "agrees"),
    [
        pytest.param([6, CERTIFICATE, RSA_2048_VERIFY, FINISHED], True, id="a record each"),
        pytest.param([6, 45, CERTIFICATE, RSA_2048_VERIFY, FINISHED], True, id="with a CertificateRequest"),
        pytest.param([51, CERTIFICATE, RSA_2048_VERIFY, FINISHED], True, id="which shares the first record"),
        pytest.param([6, 1000, CERTIFICATE - 1000, RSA_2048_VERIFY, FINISHED], True, id="in two records"),
        pytest.param([n + 16 for n in (6, CERTIFICATE, RSA_2048_VERIFY, FINISHED)], True, id="padded by Java"),
        pytest.param([6, CERTIFICATE, RSA_2048_VERIFY, FINISHED, 213], True, id="with a ticket behind"),
        pytest.param([6 + CERTIFICATE + RSA_2048_VERIFY + FINISHED], None, id="all in one record"),
        pytest.param([6, CERTIFICATE + RSA_2048_VERIFY + FINISHED], None, id="all but the first in one record"),
        pytest.param([6 + CERTIFICATE, RSA_2048_VERIFY, FINISHED], None, id="Certificate shares the first record"),
    ],
)
def test_the_chain_is_told_however_the_messages_lie_in_records(contents: list[int], agrees: bool | None) -> None:
    flight = split("tls13-missing-root-openssl", [content + OVERHEAD for content in contents])
    assert flight is not None
    found = fit(flight, FULL)
    assert (found.agrees, found.sent) == (agrees, FULL[:2])


def test_a_flight_without_a_certificate_is_none() -> None:
    assert split("tls13-missing-root-openssl", []) is None
    seen = only("tls13-missing-root-openssl")
    assert flight_of(seen, replace(trace(seen), certificate_came=False)) is None


def test_a_flight_of_which_a_part_is_missing_is_none() -> None:
    assert trace(only("success-curl")).hidden_flight == ()


def test_nothing_is_worked_out_for_ever() -> None:
    chain = stand_ins([500] * 200)
    assert isinstance(fit(apart(len(message(chain[:7]))), chain), Fit)
