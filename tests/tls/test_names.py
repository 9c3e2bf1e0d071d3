"""Distinguished names as RFC 4514 text: as cryptography writes them, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from analyzer.tls.names import name_text

SYSTEM_STORE = Path("/etc/ssl/certs/ca-certificates.crt")
CN = b"\x06\x03\x55\x04\x03"


def element(tag: int, content: bytes) -> bytes:
    return bytes([tag, 0x81, len(content)]) + content if len(content) > 127 else bytes([tag, len(content)]) + content


def name(*attributes: bytes) -> bytes:
    return element(0x30, b"".join(element(0x31, element(0x30, attribute)) for attribute in attributes))


@pytest.mark.skipif(not SYSTEM_STORE.exists(), reason="this machine has no /etc/ssl/certs/ca-certificates.crt")
def test_the_names_of_public_roots_read_as_cryptography_writes_them() -> None:
    subjects = [certificate.subject for certificate in x509.load_pem_x509_certificates(SYSTEM_STORE.read_bytes())]
    assert len(subjects) > 50
    for subject in subjects:
        assert name_text(subject.public_bytes()) == subject.rfc4514_string()


@pytest.mark.parametrize(
    "text",
    [
        "CN=example.com",
        r"CN=a\,b\+c\"d\\e\<f\>g\;h",
        r"CN=\#hash,O=\ spaces\ ",
        "UID=u,DC=example,DC=org",
        "1.2.840.113549.1.9.1=ca@example.com,CN=Ω",
        "OU=PKI+CN=Clients,C=FR",
    ],
)
def test_special_characters_are_escaped_as_cryptography_does(text: str) -> None:
    parsed = x509.Name.from_rfc4514_string(text)
    assert name_text(parsed.public_bytes()) == parsed.rfc4514_string()


@pytest.mark.parametrize(
    ("der", "text"),
    [
        (name(), ""),
        (name(CN + element(0x13, b"a\x1b[2Jb\nc")), r"CN=a\1b[2Jb\0ac"),
        (name(CN + element(0x0C, "a\u202eb".encode())), r"CN=a\e2\80\aeb"),
        (name(CN + element(0x13, "é".encode())), "CN=é"),
        (name(CN + element(0x14, b"\xe9")), "CN=é"),
        (name(CN + element(0x1E, "Ünïcode".encode("utf-16-be"))), "CN=Ünïcode"),
        (name(CN + element(0x1E, b"\xd8\x00")), "CN=#1e02d800"),
        (name(CN + element(0x03, b"\0\xff")), "CN=#030200ff"),
        (name(b"\x06\x02\x88\x37" + element(0x0C, b"x")), "2.999=x"),
        (b"", "#"),
        (b"\x30\x80\0\0", "#30800000"),
        (b"\x30\x02\x31", "#300231"),
        (name(CN), "#3009310730050603550403"),
        (name(b"\x06\x00" + element(0x0C, b"x")), "#30093107300506000c0178"),
        (name(CN + element(0x0C, b"x")) + b"\0", "#300c310a300806035504030c017800"),
    ],
)
def test_names_that_are_odd_or_no_names_at_all(der: bytes, text: str) -> None:
    assert name_text(der) == text


@given(st.binary(max_size=80))
def test_any_bytes_have_a_text_that_is_safe_to_show(der: bytes) -> None:
    assert name_text(der).isprintable()


@given(st.binary(max_size=40), st.sampled_from([0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1C, 0x1E, 0x04]))
def test_any_string_in_a_name_is_safe_to_show(value: bytes, tag: int) -> None:
    assert name_text(name(CN + element(tag, value))).isprintable()
