"""The names of code points: generated tables, GREASE, private use, and text that is safe to show."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer import registry
from analyzer.registry import codes, tables

ROOT = Path(__file__).resolve().parents[2]
GREASE = tuple(0x0A0A + 0x1010 * step for step in range(16))


def test_tables_are_what_the_sources_give() -> None:
    tool = [sys.executable, str(ROOT / "tools" / "make_registries.py"), "--check"]
    run = subprocess.run(tool, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("source", sorted((ROOT / "analyzer/registry/sources").glob("*.csv")), ids=lambda p: p.stem)
def test_every_source_says_where_and_when_it_was_taken(source: Path) -> None:
    notes = [line for line in source.read_text("utf-8").splitlines() if line.startswith("#")]
    assert any("2026-" in note for note in notes)
    rows = source.read_text("utf-8").splitlines()[len(notes) + 1 :]
    assert all(row.rsplit(",", 1)[-1].strip() for row in rows)


@pytest.mark.parametrize(
    ("namespace", "table"),
    [
        (codes.ContentType, tables.CONTENT_TYPES),
        (codes.HandshakeType, tables.HANDSHAKE_TYPES),
        (codes.AlertDescription, tables.ALERTS),
        (codes.ExtensionType, tables.EXTENSIONS),
        (codes.CipherSuite, tables.CIPHER_SUITES),
        (codes.ProtocolVersion, tables.VERSIONS),
        (codes.CertificateCompressionAlgorithm, tables.CERTIFICATE_COMPRESSION_ALGORITHMS),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_constant_has_the_name_and_number_of_the_table(namespace: type, table: dict[int, str]) -> None:
    constants = {name: value for name, value in vars(namespace).items() if name.isupper()}
    assert constants
    for name, value in constants.items():
        assert table[value].upper().replace(" ", "_").replace(".", "_") == name


@pytest.mark.parametrize(
    ("table", "distinct"),
    [
        (tables.ALERTS, True),
        (tables.EXTENSIONS, True),
        (tables.SUPPORTED_GROUPS, True),
        (tables.SIGNATURE_SCHEMES, True),
        (tables.HANDSHAKE_TYPES, True),
        (tables.VERSIONS, True),
        (tables.CIPHER_SUITES, False),
    ],
)
def test_two_values_never_share_a_name_but_for_the_double_fips_suites(table: dict[int, str], *, distinct: bool) -> None:
    doubles = {name for name in table.values() if list(table.values()).count(name) > 1}
    assert doubles == (set() if distinct else {"SSL_RSA_FIPS_WITH_DES_CBC_SHA", "SSL_RSA_FIPS_WITH_3DES_EDE_CBC_SHA"})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (registry.cipher_suite_name(0xC02F), "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        (registry.cipher_suite_name(0x1301), "TLS_AES_128_GCM_SHA256"),
        (registry.cipher_suite_name(0x010080), "SSL_CK_RC4_128_WITH_MD5"),
        (registry.cipher_suite_name(0x1234), "unknown (0x1234)"),
        (registry.cipher_suite_name(0x123456), "unknown (0x123456)"),
        (registry.cipher_suite_name(0xFF42), "private use (0xff42)"),
        (registry.cipher_suite_name(0x0A0A), "GREASE (0x0a0a)"),
        (registry.group_name(29), "x25519"),
        (registry.group_name(0x11EC), "X25519MLKEM768"),
        (registry.group_name(0x01FC), "private use (0x01fc)"),
        (registry.group_name(0xFE31), "private use (0xfe31)"),
        (registry.group_name(0xFAFA), "GREASE (0xfafa)"),
        (registry.signature_scheme_name(0x0804), "rsa_pss_rsae_sha256"),
        (registry.signature_scheme_name(0x0202), "dsa_sha1"),
        (registry.signature_scheme_name(0xFE00), "private use (0xfe00)"),
        (registry.extension_name(0), "server_name"),
        (registry.extension_name(65037), "encrypted_client_hello"),
        (registry.extension_name(0xFF02), "private use (0xff02)"),
        (registry.extension_name(0x2A2A), "GREASE (0x2a2a)"),
        (registry.alert_name(48), "unknown_ca"),
        (registry.alert_name(116), "certificate_required"),
        (registry.alert_name(99), "unknown (0x63)"),
        (registry.alert_level_name(2), "fatal"),
        (registry.alert_level_name(0), "unknown (0x00)"),
        (registry.handshake_type_name(11), "certificate"),
        (registry.handshake_type_name(99), "unknown (0x63)"),
        (registry.content_type_name(23), "application_data"),
        (registry.content_type_name(0), "unknown (0x00)"),
        (registry.version_name(0x0303), "TLS 1.2"),
        (registry.version_name(0x0002), "SSL 2.0"),
        (registry.version_name(0x7F17), "TLS 1.3 (draft 23)"),
        (registry.version_name(0x0305), "unknown (0x0305)"),
        (registry.version_name(0x3A3A), "GREASE (0x3a3a)"),
        (registry.certificate_compression_name(2), "brotli"),
        (registry.certificate_compression_name(0x4000), "private use (0x4000)"),
        (registry.certificate_compression_name(9), "unknown (0x0009)"),
        (registry.client_certificate_type_name(64), "ecdsa_sign"),
        (registry.client_certificate_type_name(224), "private use (0xe0)"),
        (registry.client_certificate_type_name(100), "unknown (0x64)"),
        (registry.psk_mode_name(1), "psk_dhe_ke"),
        (registry.psk_mode_name(0x2A), "GREASE (0x2a)"),
        (registry.psk_mode_name(254), "private use (0xfe)"),
        (registry.psk_mode_name(7), "unknown (0x07)"),
        (registry.compression_method_name(0), "null"),
        (registry.compression_method_name(255), "private use (0xff)"),
        (registry.compression_method_name(9), "unknown (0x09)"),
        (registry.alpn_name(b"h2"), "h2"),
        (registry.alpn_name(b"\x4a\x4a"), "GREASE (0x4a4a)"),
        (registry.alpn_name(b"h2\x1b[31m"), r"h2\x1b[31m"),
    ],
)
def test_a_code_point_is_named(text: str, expected: str) -> None:
    assert text == expected


def test_the_grease_values_are_the_sixteen_of_rfc_8701() -> None:
    assert tuple(value for value in range(0x10000) if registry.is_grease(value)) == GREASE


def test_the_grease_psk_modes_are_the_eight_of_rfc_8701() -> None:
    found = [value for value in range(256) if registry.is_grease_psk_mode(value)]
    assert found == [0x0B, 0x2A, 0x49, 0x68, 0x87, 0xA6, 0xC5, 0xE4]


def test_no_grease_value_is_in_a_table() -> None:
    for table in (tables.CIPHER_SUITES, tables.EXTENSIONS, tables.SUPPORTED_GROUPS, tables.VERSIONS):
        assert not set(GREASE) & set(table)


def test_a_registered_alpn_id_tells_its_protocol() -> None:
    assert registry.alpn_protocol(b"h2") == "HTTP/2 over TLS"
    assert registry.alpn_protocol(b"h2c2") is None


@given(st.binary())
def test_printable_text_is_ascii_without_control_characters(data: bytes) -> None:
    text = registry.printable(data)
    assert text.isascii()
    assert text.isprintable()


@given(st.binary(max_size=4), st.binary(max_size=4))
def test_different_bytes_never_read_the_same(one: bytes, other: bytes) -> None:
    assert (registry.printable(one) == registry.printable(other)) == (one == other)


@given(st.integers(min_value=0, max_value=0xFFFFFF))
def test_every_number_has_a_name(value: int) -> None:
    for name in (
        registry.cipher_suite_name,
        registry.group_name,
        registry.extension_name,
        registry.alert_name,
    ):
        assert name(value).isprintable()
        assert name(value)
