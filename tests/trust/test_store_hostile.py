"""Stores made to harm: any bytes give entries and problems, in bounded time, and nothing raises."""

from __future__ import annotations

import hashlib
import hmac
import struct
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.trust.stores import Contents, Format, _password, format_of, formats
from analyzer.trust.stores._rc2 import decrypt_cbc
from analyzer.trust.stores._unknown import describe

STORES = Path(__file__).parent / "data" / "stores"
# Those that ask for 600,000 rounds are left out: mutated a hundred times they would take minutes.
CHEAP = [
    path.read_bytes() for path in sorted(STORES.iterdir()) if "certtool" not in path.name and "nss" not in path.name
]
ROOT = x509.load_pem_x509_certificate((STORES / "root.pem").read_bytes()).public_bytes(Encoding.DER)
SECONDS = 10.0


def read(data: bytes, password: str | None = None) -> Contents:
    known = format_of(data)
    return known.read(data, password) if known else Contents(problems=(describe(data),))


def assert_told(contents: Contents) -> None:
    assert contents.entries or contents.problems
    for problem in contents.problems:
        assert problem.text.isprintable()
        assert problem.code.replace("-", "").isalpha()
        assert problem.severity in ("error", "warning", "note")
    for entry in contents.entries:
        assert entry.alias is None or entry.alias.isprintable()


@given(data=st.binary(max_size=300), password=st.one_of(st.none(), st.text(max_size=8)))
def test_any_bytes_give_entries_or_problems(data: bytes, password: str | None) -> None:
    assert_told(read(data, password))
    assert_told(Contents(problems=(describe(data),)))


def test_an_encrypted_content_of_any_length_is_damage_at_most() -> None:
    begins = bytes.fromhex("06092a864886f70d01070130")  # the type in an EncryptedContentInfo, and its algorithm
    damaged = 0
    for store in CHEAP:
        at = store.find(begins)
        for length in range(max(at - 4, 0), max(at, 0)):
            assert_told(read(store[:length] + b"\0" + store[length + 1 :], "changeit"))
            damaged += 1
    assert damaged


@pytest.mark.parametrize("known", [*formats()], ids=lambda known: known.name)
@given(data=st.binary(max_size=300))
def test_no_reader_raises_on_what_it_did_not_recognise(known: Format, data: bytes) -> None:
    known.read(data, None)


@settings(max_examples=400, deadline=None)
@given(data=st.data())
def test_a_damaged_store_gives_entries_or_problems(data: st.DataObject) -> None:
    store = bytearray(data.draw(st.sampled_from(CHEAP)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(store) - 1))
        match data.draw(st.sampled_from(("set", "cut", "insert"))):
            case "set":
                store[at] = data.draw(st.integers(0, 255))
            case "cut":
                del store[at : at + data.draw(st.integers(1, 8))]
            case _:
                store[at:at] = data.draw(st.binary(min_size=1, max_size=8))
    assert_told(read(bytes(store), data.draw(st.sampled_from((None, "changeit")))))


@pytest.mark.parametrize(
    "data",
    [
        b"-" * 2_000_000,
        b"-----BEGIN " * 200_000,
        b"-----BEGIN CERTIFICATE-----\n" * 70_000,
        b"-----END CERTIFICATE-----\n" * 70_000,
        b"-----BEGIN A-----" + b"A" * 2_000_000 + b"\n-----END A-----",
        b"-----BEGIN A-----\n" + b"A: b\n" * 400_000 + b"-----END A-----",
        b" " * 1_000_000 + b"friendlyName: " * 50_000 + b"\n-----BEGIN A-----\n-----END A-----",
        b"\x30\x80" * 500_000,
        b"\x30\x80\x02\x01\x03" + b"\x30\x80" * 500_000,
        b"\x30\x80\x02\x01\x03" + b"\x30\x80" * 300_000 + bytes(1_200_004),
        b"\x30\x84\x00\x1e\x84\x80" + b"\x05\x00" * 1_000_000,
        b"\xfe\xed\xfe\xed" + struct.pack(">II", 2, 0xFFFFFFFF) + bytes(2_000_000),
        b"\xce\xce\xce\xce" + struct.pack(">III", 2, 99, 3) + bytes(10) + b"\xac\xed\0\5" + b"\x73\x72" * 500_000,
        b"\xfe\xed\xfe\xed" + struct.pack(">III", 2, 1, 1) + bytes(14) + b"\xff\xff\xff\xff" + bytes(8_000_000),
    ],
    ids=lambda data: f"{data[:12]!r}",
)  # fmt: skip
def test_large_hostile_files_end_soon(data: bytes) -> None:
    began = time.perf_counter()
    assert_told(read(data, "changeit"))
    assert time.perf_counter() - began < SECONDS


def tlv(tag: int, *parts: bytes) -> bytes:
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def oid(dotted: str) -> bytes:
    first, second, *rest = map(int, dotted.split("."))
    body = bytes([40 * first + second])
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        body += bytes(reversed(groups))
    return tlv(0x06, body)


def number(value: int) -> bytes:
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def algorithm(dotted: str, *parameters: bytes) -> bytes:
    return tlv(0x30, oid(dotted), *parameters)


DATA, ENCRYPTED = "1.2.840.113549.1.7.1", "1.2.840.113549.1.7.6"
PBES2, PBKDF2, PBMAC1 = "1.2.840.113549.1.5.13", "1.2.840.113549.1.5.12", "1.2.840.113549.1.5.14"
HMAC_SHA256, AES256 = "1.2.840.113549.2.9", "2.16.840.1.101.3.4.1.42"


def certificate_bag(der: bytes) -> bytes:
    value = tlv(0x30, oid("1.2.840.113549.1.9.22.1"), tlv(0xA0, tlv(0x04, der)))
    return tlv(0x30, oid("1.2.840.113549.1.12.10.1.3"), tlv(0xA0, value))


def in_clear(*bags: bytes) -> bytes:
    return tlv(0x30, oid(DATA), tlv(0xA0, tlv(0x04, tlv(0x30, *bags))))


def sealed(how: bytes, content: bytes = bytes(32)) -> bytes:
    info = tlv(0x30, oid(DATA), how, tlv(0x80, content))
    return tlv(0x30, oid(ENCRYPTED), tlv(0xA0, tlv(0x30, number(0), info)))


def pfx(*parts: bytes, mac: bytes = b"") -> bytes:
    return tlv(0x30, number(3), tlv(0x30, oid(DATA), tlv(0xA0, tlv(0x04, tlv(0x30, *parts)))), mac)


def pbkdf2(rounds: int, *, salt: bytes = b"saltsalt", size: bytes = b"") -> bytes:
    return algorithm(PBKDF2, tlv(0x30, tlv(0x04, salt), number(rounds), size, algorithm(HMAC_SHA256, b"\x05\x00")))


def pbes2(rounds: int, *, salt: bytes = b"saltsalt") -> bytes:
    return algorithm(PBES2, tlv(0x30, pbkdf2(rounds, salt=salt), algorithm(AES256, tlv(0x04, bytes(16)))))


def old_mac(rounds: int) -> bytes:
    return tlv(
        0x30, tlv(0x30, algorithm("1.3.14.3.2.26"), tlv(0x04, bytes(20))), tlv(0x04, b"saltsalt"), number(rounds)
    )


@pytest.mark.parametrize("rounds", [2**31 - 1, 2**62, -1, 0])
def test_absurd_rounds_are_refused_at_once(rounds: int) -> None:
    old = algorithm("1.2.840.113549.1.12.1.3", tlv(0x30, tlv(0x04, b"saltsalt"), number(rounds)))
    for store in (pfx(sealed(pbes2(rounds))), pfx(sealed(old)), pfx(mac=old_mac(rounds))):
        began = time.perf_counter()
        contents = read(store, "changeit")
        assert [problem.code for problem in contents.problems] == ["too-costly"]
        assert time.perf_counter() - began < 1


def test_the_rounds_of_a_whole_file_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_password, "MOST_ROUNDS", 100_000)
    contents = read(pfx(*[sealed(pbes2(20_000))] * 20), "changeit")
    assert [problem.code for problem in contents.problems].count("too-costly") == 19


def test_a_huge_salt_or_rc2_content_is_refused() -> None:
    rc2 = algorithm("1.2.840.113549.1.12.1.6", tlv(0x30, tlv(0x04, b"saltsalt"), number(1)))
    for store in (pfx(sealed(pbes2(1, salt=bytes(1_000_000)))), pfx(sealed(rc2, bytes(8_000_000)))):
        assert [problem.code for problem in read(store, "x").problems] == ["too-costly"]


def test_unknown_algorithms_are_named() -> None:
    unknown = algorithm("1.2.643.7.1.1.5.1", tlv(0x30))
    (problem,) = read(pfx(sealed(unknown)), "x").problems
    assert problem.code == "unsupported-encryption"
    assert "1.2.643.7.1.1.5.1" in problem.text


def test_nested_contents_are_read_to_a_limit() -> None:
    def nested(depth: int) -> bytes:
        bag = certificate_bag(ROOT)
        for _ in range(depth):
            bag = tlv(0x30, oid("1.2.840.113549.1.12.10.1.6"), tlv(0xA0, tlv(0x30, bag)))
        return pfx(in_clear(bag))

    assert len(read(nested(3)).entries) == 1
    assert [problem.code for problem in read(nested(100)).problems] == ["damaged-store"]


def test_pbmac1_of_rfc_9579_is_checked() -> None:
    safe = tlv(0x30, in_clear(certificate_bag(ROOT)))
    key = hashlib.pbkdf2_hmac("sha256", "pass wörd".encode(), b"saltsalt", 2048, 32)
    how = algorithm(PBMAC1, tlv(0x30, pbkdf2(2048, size=number(32)), algorithm(HMAC_SHA256, b"\x05\x00")))
    mac = tlv(0x30, tlv(0x30, how, tlv(0x04, hmac.digest(key, safe, "sha256"))), tlv(0x04, b"not used"), number(1))
    store = pfx(in_clear(certificate_bag(ROOT)), mac=mac)
    assert [problem.code for problem in read(store, "pass wörd").problems] == ["not-trusted-by-java"]
    assert "wrong-password" in [problem.code for problem in read(store, "password").problems]


@pytest.mark.parametrize(
    ("key", "bits", "plain", "cipher"),
    [
        ("0000000000000000", 63, "0000000000000000", "ebb773f993278eff"),
        ("ffffffffffffffff", 64, "ffffffffffffffff", "278b27e42e2f0d49"),
        ("3000000000000000", 64, "1000000000000001", "30649edf9be7d2c2"),
        ("88", 64, "0000000000000000", "61a8a244adacccf0"),
        ("88bca90e90875a", 64, "0000000000000000", "6ccf4308974c267f"),
        ("88bca90e90875a7f0f79c384627bafb2", 64, "0000000000000000", "1a807d272bbe5db1"),
        ("88bca90e90875a7f0f79c384627bafb2", 128, "0000000000000000", "2269552ab0f85ca6"),
        ("88bca90e90875a7f0f79c384627bafb216f80a6f85920584c42fceb0be255daf1e", 129, "0" * 16, "5b78d3a43dfff1f1"),
    ],
)  # fmt: skip
def test_rc2_gives_the_vectors_of_rfc_2268(key: str, bits: int, plain: str, cipher: str) -> None:
    assert decrypt_cbc(bytes.fromhex(key), bits, bytes(8), bytes.fromhex(cipher)) == bytes.fromhex(plain)
