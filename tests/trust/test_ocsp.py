"""Stapled OCSP responses: what they say, and whether they may."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from hypothesis import given
from hypothesis import strategies as st

from analyzer.trust.ocsp import Staple, read_staple
from tests.trust.pki import NOW, SERVER, Issued, root

ROOT = root("Acme Root")
ISSUING = ROOT.issue_ca("Acme Issuing CA")
LEAF = ISSUING.issue("gw.example.com")
OTHER = ISSUING.issue("other.example.com", label="other leaf")
RESPONDER = ISSUING.issue(None, names=[], eku=[x509.oid.ExtendedKeyUsageOID.OCSP_SIGNING], label="responder")
CHAIN = [LEAF.der, ISSUING.der]


def answer(
    about: Issued = LEAF,
    *,
    status: ocsp.OCSPCertStatus = ocsp.OCSPCertStatus.GOOD,
    signer: Issued = ISSUING,
    certificates: tuple[Issued, ...] = (),
    this_update: datetime = NOW - timedelta(hours=1),
    next_update: datetime | None = NOW + timedelta(days=4),
    digest: Any = None,
) -> bytes:
    revoked = status is ocsp.OCSPCertStatus.REVOKED
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=about.certificate,
        issuer=ISSUING.certificate,
        algorithm=digest or hashes.SHA1(),
        cert_status=status,
        this_update=this_update,
        next_update=next_update,
        revocation_time=NOW - timedelta(days=2) if revoked else None,
        revocation_reason=x509.ReasonFlags.key_compromise if revoked else None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, signer.certificate)
    if certificates:
        builder = builder.certificates([c.certificate for c in certificates])
    return builder.sign(signer.private_key, hashes.SHA256()).public_bytes(Encoding.DER)


def read(response: bytes, **how: Any) -> Staple:
    return read_staple(response, CHAIN, at=NOW, **how)


def test_a_good_staple_is_good() -> None:
    staple = read(answer())
    assert (staple.status, staple.problem) == ("good", None)
    assert staple.next_update == "2026-11-26T06:00:00Z"
    assert read(answer(digest=hashes.SHA256())).status == "good"


def test_a_revoked_certificate_is_a_problem_with_its_date_and_reason() -> None:
    staple = read(answer(status=ocsp.OCSPCertStatus.REVOKED))
    assert staple.status == "revoked"
    assert staple.problem is not None
    assert staple.problem.code == "revoked"
    assert staple.problem.certificate == LEAF.sha256
    assert "revoked on 2026-11-20T06:00:00Z (keyCompromise)" in staple.problem.text


def test_a_responder_that_the_issuer_authorised_may_sign() -> None:
    assert read(answer(signer=RESPONDER, certificates=(RESPONDER,))).status == "good"


def test_a_certificate_for_another_purpose_may_not_sign() -> None:
    server = ISSUING.issue("gw.example.com", eku=[SERVER], label="server")
    assert read(answer(signer=server, certificates=(server,))).status == "not-by-issuer"


def test_a_stranger_may_not_sign_that_a_certificate_is_revoked() -> None:
    staple = read(answer(signer=root("Zeta Root"), status=ocsp.OCSPCertStatus.REVOKED))
    assert (staple.status, staple.problem) == ("not-by-issuer", None)


def test_a_staple_of_last_week_has_expired() -> None:
    old = answer(this_update=NOW - timedelta(days=9), next_update=NOW - timedelta(days=2))
    staple = read(old)
    assert staple.status == "expired"
    assert "2026-11-20T06:00:00Z" in staple.text


def test_a_staple_of_tomorrow_does_not_hold_yet() -> None:
    assert read(answer(this_update=NOW + timedelta(hours=1))).status == "not-yet-valid"


def test_a_staple_about_another_certificate_says_nothing() -> None:
    assert read(answer(OTHER)).status == "other-certificate"


def test_without_the_issuer_nothing_is_verified_and_with_it_in_the_store_it_is() -> None:
    assert read_staple(answer(), [LEAF.der], at=NOW).status == "unverified"
    assert read_staple(answer(), [LEAF.der], at=NOW, anchors=[ISSUING.der]).status == "good"


def test_a_responder_that_answers_with_an_error_says_so() -> None:
    refused = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(Encoding.DER)
    staple = read(refused)
    assert staple.status == "unsuccessful"
    assert "try later" in staple.text


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    assert read(data).status == "unreadable"


GOOD = answer()


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_no_changed_byte_turns_a_staple_into_a_revocation(position: int, flip: int) -> None:
    changed = bytearray(GOOD)
    changed[position] ^= flip
    assert read(bytes(changed)).problem is None
