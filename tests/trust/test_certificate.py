"""Certificates are read field by field; what is broken is said, and never raised."""

from __future__ import annotations

from hashlib import sha256

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from analyzer.trust.certificate import (
    BASIC_CONSTRAINTS,
    SERVER_AUTH,
    SUBJECT_ALT_NAME,
    Certificate,
    describe,
    instant,
    printable,
    read_name,
)
from tests.trust.pki import NOW, YEAR, root

ACME = root("Acme Root")
ISSUING = ACME.issue_ca("Acme Issuing CA", path_length=0)
LEAF = ISSUING.issue(None, names=["gw.example.com", "10.1.2.3", "ops@example.com"])


def read(issued: object) -> Certificate:
    return Certificate.parse(issued.der)  # type: ignore[attr-defined]


def test_the_fields_are_those_that_cryptography_reads() -> None:
    ours, theirs = read(LEAF), LEAF.certificate
    assert ours.serial == theirs.serial_number
    assert ours.version == 3
    assert ours.not_before == int((NOW - YEAR).timestamp())
    assert ours.not_after == int((NOW + YEAR).timestamp())
    assert ours.signature == theirs.signature
    assert ours.tbs == theirs.tbs_certificate_bytes
    assert str(ours.subject) == theirs.subject.rfc4514_string()
    assert ours.extended_key_usage == (SERVER_AUTH,)
    assert [n.text for n in ours.alt_names or ()] == ["gw.example.com", "10.1.2.3", "ops@example.com"]
    assert ours.sha256 == sha256(LEAF.der).hexdigest()


def test_a_ca_tells_its_constraints_and_key_ids() -> None:
    ca = read(ISSUING)
    assert ca.basic_constraints is not None
    assert (ca.basic_constraints.ca, ca.basic_constraints.path_length) == (True, 0)
    assert ca.authority_key_id is not None
    assert ca.authority_key_id.key_id == read(ACME).subject_key_id
    assert not ca.self_issued
    assert read(ACME).self_issued


def test_the_same_bytes_give_the_same_object() -> None:
    assert Certificate.parse(bytes(bytearray(LEAF.der))) is Certificate.parse(LEAF.der)


def test_names_compare_without_regard_to_case_and_blanks() -> None:
    one = root("Acme  Root", label="x").certificate.subject
    other = root("ACME ROOT", label="x").certificate.subject
    assert one != other
    assert (
        Certificate.parse(root("Acme  Root", label="x").der).subject.canonical
        == Certificate.parse(root("ACME ROOT", label="x").der).subject.canonical
    )


def test_a_report_shows_what_a_person_wants_to_know() -> None:
    info = describe(read(LEAF), "leaf")
    assert info.subject == "CN=gw.example.com,O=Acme"
    assert info.names == ("gw.example.com", "10.1.2.3", "email:ops@example.com")
    assert (info.key, info.signature, info.role) == ("EC P-256", "ecdsa-with-SHA256", "leaf")
    assert info.not_after == "2027-11-22T06:00:00Z"


def test_control_characters_in_names_do_not_reach_a_terminal() -> None:
    hostile = ACME.issue("gw.example.com", common_name="\x1b[2Jgw\u202e\n")
    info = describe(read(hostile), "leaf")
    assert info.subject.isprintable()
    assert "\\x1b[2Jgw\\u202e\\n" in info.subject
    assert printable("plain") == "plain"


def test_a_broken_extension_is_told_and_the_rest_is_read() -> None:
    bad = x509.UnrecognizedExtension(x509.ObjectIdentifier(SUBJECT_ALT_NAME), b"\x04\x03abc")
    certificate = read(ISSUING.issue(None, names=[], extra=[(bad, False)]))
    assert SUBJECT_ALT_NAME in certificate.unreadable
    assert certificate.alt_names is None
    assert BASIC_CONSTRAINTS not in certificate.unreadable
    assert certificate.malformed is None


@pytest.mark.parametrize("cut", [0, 1, 5, 60, 200])
def test_a_certificate_cut_short_is_malformed_and_says_where(cut: int) -> None:
    certificate = Certificate.parse(LEAF.der[:cut])
    assert certificate.malformed is not None
    assert "byte" in certificate.malformed
    assert describe(certificate, "leaf").role == "malformed"


def test_moments_before_and_beyond_the_epoch_are_written() -> None:
    assert instant(-86400) == "1969-12-31T00:00:00Z"
    assert instant(253402300799) == "9999-12-31T23:59:59Z"
    assert instant(None) == ""
    assert instant(10**15) == ""


@given(st.binary(max_size=400))
def test_no_bytes_make_the_reader_raise(data: bytes) -> None:
    certificate = Certificate.parse(data)
    assert certificate.malformed or certificate.tbs
    describe(certificate, "leaf")


@given(st.integers(0, len(LEAF.der) - 1), st.integers(0, 255))
def test_no_single_changed_byte_makes_the_reader_raise(position: int, value: int) -> None:
    der = bytearray(LEAF.der)
    der[position] = value
    info = describe(Certificate.parse(bytes(der)), "leaf")
    assert info.subject.isprintable()
    assert all(name.isprintable() for name in info.names)


def test_of_a_name_that_nobody_reads_to_its_end_the_beginning_is_shown() -> None:
    value = b"a," * 500_000
    attribute = b"\x06\x03\x55\x04\x03" + b"\x0c\x83" + len(value).to_bytes(3, "big") + value
    for tag in (0x30, 0x31, 0x30):
        attribute = bytes([tag, 0x83]) + len(attribute).to_bytes(3, "big") + attribute
    name = read_name(attribute)
    assert name is not None
    assert len(name.common_names[0]) == len(value)
    assert str(name).startswith("CN=a\\,a\\,")
    assert str(name).endswith("... (1,497,955 more characters)")
