"""JA3, JA3S and JA4: published values, the corpus' ground truth by tshark, and the odd cases of the rules."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.registry import ExtensionType
from analyzer.tls.extensions import Extension
from analyzer.tls.fingerprint import ja3, ja3_string, ja3s, ja3s_string, ja4
from analyzer.tls.messages import (
    ClientHello,
    ServerHello,
    parse_client_hello,
    parse_partial_client_hello,
    parse_server_hello,
    parse_sslv2_client_hello,
)

VECTORS = Path(__file__).parent / "vectors"


def vector(name: str) -> bytes:
    return (VECTORS / f"{name}.bin").read_bytes()


def u8(values: bytes) -> bytes:
    return len(values).to_bytes(1, "big") + values


def u16(values: bytes) -> bytes:
    return len(values).to_bytes(2, "big") + values


def numbers(text: str) -> bytes:
    return bytes.fromhex(text.replace(",", ""))


def hello(
    ciphers: str = "", extensions: str = "", *, bodies: dict[int, bytes] | None = None, version: int = 0x0303
) -> ClientHello:
    """A ClientHello of hexadecimal lists, as FoxIO's raw fingerprints are written."""
    kinds = [int(kind, 16) for kind in extensions.split(",") if kind]
    return ClientHello(
        legacy_version=version,
        random=bytes(32),
        session_id=b"",
        cipher_suites=tuple(int(suite, 16) for suite in ciphers.split(",") if suite),
        compression_methods=(0,),
        extensions=tuple(Extension(kind, (bodies or {}).get(kind, b""), 0) for kind in kinds),
    )


CHROME_CIPHERS = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
CHROME_EXTENSIONS = "001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"
CHROME_BODIES = {
    0x10: u16(u8(b"h2") + u8(b"http/1.1")),
    0x2B: u8(numbers("0304,0303")),
    0x0D: u16(numbers("0403,0804,0401,0503,0805,0501,0806,0601")),
}


def test_the_example_of_the_ja4_specification() -> None:
    assert ja4(hello(CHROME_CIPHERS, CHROME_EXTENSIONS, bodies=CHROME_BODIES)) == "t13d1516h2_8daaf6152771_e5627efa2ab1"


def test_grease_changes_nothing_anywhere() -> None:
    bodies = {
        0x10: CHROME_BODIES[0x10],
        0x2B: u8(numbers("dada,0304,0303")),
        0x0D: u16(numbers("1a1a,0403,0804,0401,0503,0805,0501,0806,0601")),
        0x0A: u16(numbers("2a2a,001d")),
    }
    plain = hello(CHROME_CIPHERS, CHROME_EXTENSIONS, bodies={**CHROME_BODIES, 0x0A: u16(numbers("001d"))})
    greased = hello(f"fafa,{CHROME_CIPHERS}", f"0a0a,{CHROME_EXTENSIONS},5a5a", bodies=bodies)
    assert ja4(greased) == ja4(plain)
    assert ja3_string(greased) == ja3_string(plain)


def test_the_order_of_ciphers_and_extensions_changes_ja3_and_not_ja4() -> None:
    shuffled = hello(",".join(reversed(CHROME_CIPHERS.split(","))), CHROME_EXTENSIONS, bodies=CHROME_BODIES)
    ordered = hello(CHROME_CIPHERS, CHROME_EXTENSIONS, bodies=CHROME_BODIES)
    assert ja4(shuffled) == ja4(ordered)
    assert ja3(shuffled) != ja3(ordered)


def test_a_hello_of_2012_as_in_foxio_test_data() -> None:
    ciphers = (
        "0039,0038,0035,0016,0013,000a,0033,0032,002f,009a,0099,0096,0005,0004,0015,0012,0009,0014,0011,0008,"
        "0006,0003,00ff"
    )
    assert ja4(hello(ciphers, "0000", version=0x0301)) == "t10d230100_6a57a6f57151_000000000000"


def test_without_signature_algorithms_the_last_part_has_no_second_list() -> None:
    bodies = {kind: body for kind, body in CHROME_BODIES.items() if kind != 0x0D}
    found = ja4(hello(CHROME_CIPHERS, CHROME_EXTENSIONS, bodies=bodies))
    assert found == "t13d1516h2_8daaf6152771_6d807ffa2a79"


def test_a_hello_with_nothing_in_it() -> None:
    assert ja4(hello()) == "t12i000000_000000000000_000000000000"
    assert ja3_string(hello()) == "771,,,,"


@pytest.mark.parametrize(
    ("protocol", "shown"),
    [
        (b"h2", "h2"),
        (b"http/1.1", "h1"),
        (b"h", "hh"),
        (b"", "00"),
        (b"\xab", "ab"),
        (b"\xab\xcd", "ad"),
        (b"\x30\xab", "3b"),
        (b"\x30\x31\xab\xcd", "3d"),
        (b"\x30\xab\xcd\x31", "01"),
    ],
)
def test_the_alpn_part_of_ja4_as_the_specification_lists_it(protocol: bytes, shown: str) -> None:
    found = ja4(hello("1301", "0010", bodies={0x10: u16(u8(protocol))}))
    assert found is not None
    assert found.startswith(f"t12i0101{shown}_")


@pytest.mark.parametrize(
    ("version", "shown"),
    [(0x0304, "13"), (0x0303, "12"), (0x0302, "11"), (0x0301, "10"), (0x0300, "s3"), (0x0002, "s2"), (0x0999, "00")],
)
def test_the_version_part_of_ja4(version: int, shown: str) -> None:
    found = ja4(hello(version=version))
    assert found is not None
    assert found[1:3] == shown


def test_more_than_99_ciphers_count_as_99() -> None:
    many = ",".join(f"{value:04x}" for value in range(0x1000, 0x1400))
    found = ja4(hello(many))
    assert found is not None
    assert found.startswith("t12i990000_")


@pytest.mark.parametrize(
    ("name", "digest", "fingerprint"),
    [
        ("openssl-tls13", "5a1edc7f170af1014fc65c994878e63c", "t13d3111h2_e8f1e7e78f70_1f22a2ca17c4"),
        ("go-tls13", "3fed133de60c35724739b913924b6c24", "t13d1910h2_9dc949149365_97f8aa674fd9"),
        ("java-tls13", "1875aec3e9d2d51ffde08cc376aedcff", "t13d561200_bc01e4e2260a_7c76daad20ec"),
        ("gnutls-tls13", "6af33c9e05452609f615c60bfdef7ce7", "t13d2914h2_723694b0fccc_2cc26d266019"),
    ],
)
def test_the_fingerprints_of_recorded_stacks_stay_what_they_are(name: str, digest: str, fingerprint: str) -> None:
    client = parse_client_hello(vector(f"{name}.client_hello"))
    assert ja3(client) == digest
    assert ja4(client) == fingerprint


def test_an_sslv2_style_hello_and_part_of_a_hello_have_no_fingerprint() -> None:
    old = parse_sslv2_client_hello(vector("java-sslv2.sslv2_client_hello"))
    body = vector("openssl-tls13.client_hello")
    part = parse_partial_client_hello(body[:200], len(body))
    for client in (old, part):
        assert ja3(client) is None
        assert ja3_string(client) is None
        assert ja4(client) is None


def test_the_ja3s_string_is_version_cipher_and_extensions() -> None:
    server = parse_server_hello(vector("openssl-tls13.server_hello"))
    assert ja3s_string(server) == "771,4866,43-51"
    assert ja3s(server) == "15af977ce25de452b96affa2addb1036"


def test_a_hello_retry_request_of_an_early_draft_has_no_cipher_in_its_ja3s() -> None:
    retry = ServerHello(
        legacy_version=0x7F12, random=b"", cipher_suite=None, extensions=(Extension(ExtensionType.KEY_SHARE, b"", 0),)
    )
    assert ja3s_string(retry) == "32530,,51"
