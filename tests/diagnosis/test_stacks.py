"""Which TLS library wrote a ClientHello: hellos of real programs, as recorded, and what must not be guessed."""

from __future__ import annotations

import json
import random
import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.diagnosis.stacks import LIBRARIES, library_of
from analyzer.registry import AlertDescription
from analyzer.tls.messages import ClientHello, parse_client_hello
from analyzer.trust.profile import profile_names

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
_CLIENT_HELLO = re.compile(rb"\x16\x03[\x01\x03]..\x01\x00(..)\x03\x03", re.DOTALL)
_LIBRARY_OF_STACK = {
    "curl": "OpenSSL",
    "openssl": "OpenSSL",
    "python": "OpenSSL",
    "node": "OpenSSL",
    "nginx-proxy": "OpenSSL",
    "haproxy": "OpenSSL",
    "go": "Go crypto/tls",
    "java": "Java JSSE",
    "java-nio": "Java JSSE",
    "java-http": "Java JSSE",
    "gnutls": "GnuTLS",
    "wget": "GnuTLS",
}
SCSV = 0x00FF

# Program: the types of its extensions, the first of its cipher suites (and the SCSV), of its signature algorithms,
# and its point formats.
MEASURED: dict[str, tuple[str, tuple[int, ...], tuple[int, ...], tuple[int, ...], bytes]] = {
    "Go 1.22": (
        "Go crypto/tls",
        (0, 5, 10, 11, 13, 65281, 23, 18, 43, 51),
        (0xC02B, 0xC02F), (0x0804, 0x0403, 0x0807), b"\0",
    ),
    "Go 1.27": (
        "Go crypto/tls",
        (0, 11, 65281, 23, 18, 5, 10, 13, 50, 43, 51),
        (0xC02B, 0xC02F), (0x0904, 0x0905, 0x0906, 0x0804), b"\0",
    ),
    "Java 11": (
        "Java JSSE",
        (0, 5, 10, 11, 13, 50, 17, 23, 43, 45, 51),
        (0x1302, 0x1301, SCSV), (0x0403, 0x0503, 0x0603), b"\0",
    ),
    "Java 25": (
        "Java JSSE",
        (0, 5, 10, 11, 17, 23, 35, 13, 43, 45, 50, 51),
        (0x1302, 0x1301, SCSV), (0x0403, 0x0503, 0x0603), b"\0",
    ),
    "Node 24, OpenSSL 3.5": (
        "OpenSSL",
        (65281, 0, 11, 10, 35, 22, 23, 13, 43, 45, 51),
        (0x1302, 0x1303), (0x0905, 0x0906, 0x0904, 0x0403), b"\0\1\2",
    ),
    ".NET, OpenSSL 1.1.1": (
        "OpenSSL",
        (0, 11, 10, 35, 22, 23, 13, 43, 45, 51),
        (0x1302, 0x1303, SCSV), (0x0403, 0x0503, 0x0603), b"\0\1\2",
    ),
    "libcurl on BoringSSL": (
        "BoringSSL",
        (0, 23, 65281, 10, 11, 35, 16, 13, 51, 45, 43, 21),
        (0x1301, 0x1302), (0x0403, 0x0804, 0x0401, 0x0503), b"\0",
    ),
    "gRPC": (
        "BoringSSL",
        (0, 23, 65281, 10, 11, 35, 16, 13, 13172, 51, 45, 43),
        (0x1301, 0x1302), (0x0403, 0x0804, 0x0401, 0x0503), b"\0",
    ),
    "Mono, an older BoringSSL": (
        "BoringSSL",
        (65281, 0, 23, 35, 13, 11, 10),
        (0xC02B, 0xC02F), (0x0601, 0x0603, 0x0501, 0x0503), b"\0",
    ),
    "Chromium 156": (
        "BoringSSL",
        (51914, 35, 23, 5, 65037, 11, 51764, 17613, 27, 0, 18, 13, 16, 43, 10, 45, 65281, 51, 27242),
        (0x1A1A, 0x1301), (0xEAEA, 0x0904, 0x0905, 0x0906), b"\0",
    ),
    "Deno, rustls": (
        "rustls",
        (5, 16, 13, 51, 10, 0, 45, 43, 23, 11, 35),
        (0x1302, 0x1301, SCSV), (0x0503, 0x0403, 0x0603), b"\0",
    ),
    "uv, rustls": (
        "rustls",
        (45, 10, 51, 0, 11, 43, 5, 16, 35, 23, 13),
        (0x1302, 0x1301, SCSV), (0x0503, 0x0403, 0x0603), b"\0",
    ),
    "awscrt, s2n-tls": (
        "s2n-tls",
        (43, 10, 51, 13, 0, 5, 11, 23),
        (0x1301, 0x1302, SCSV), (0x0809, 0x080A, 0x080B, 0x0804), b"\0",
    ),
    "Mbed TLS 2.28": (
        "Mbed TLS",
        (0, 13, 10, 11, 22, 23, 35),
        (0xCCA8, 0xCCA9, SCSV), (0x0603, 0x0601, 0x0503), b"\0",
    ),
    "wolfSSL 5.5": (
        "wolfSSL",
        (45, 51, 43, 13, 11, 10, 22, 0, 23),
        (0x1301, 0x1302), (0x0603, 0x0503, 0x0403), b"\0",
    ),
    "NSS 3.87": (
        "NSS",
        (0, 23, 65281, 10, 11, 51, 43, 13, 45, 28, 21),
        (0x1301, 0x1303), (0x0403, 0x0503, 0x0603), b"\0",
    ),
    "Erlang ssl 10.8": (
        "Erlang ssl",
        (0, 13, 51, 10, 11, 43),
        (SCSV, 0x1302), (0x0807, 0x0808, 0x0603), b"\0",
    ),
    "libcurl on GnuTLS 3.7": (
        "GnuTLS",
        (5, 10, 11, 13, 16, 22, 23, 51, 43, 65281, 0, 28),
        (0x1302, 0x1303), (0x0401, 0x0809, 0x0804), b"\0",
    ),
    "wget on GnuTLS 3.7": (
        "GnuTLS",
        (5, 10, 11, 13, 35, 51, 43, 49, 65281, 0, 45, 28, 21),
        (0x1302, 0x1303), (0x0401, 0x0809, 0x0804), b"\0",
    ),
}  # fmt: skip


def u16_list(values: tuple[int, ...]) -> bytes:
    return struct.pack(f">H{len(values)}H", 2 * len(values), *values)


def hello(
    types: tuple[int, ...],
    suites: tuple[int, ...] = (0x1301,),
    signatures: tuple[int, ...] = (0x0403,),
    formats: bytes = b"\0",
) -> ClientHello:
    bodies = {13: u16_list(signatures), 11: bytes([len(formats)]) + formats, 10: u16_list((29, 23))}
    block = b"".join(struct.pack(">HH", kind, len(bodies.get(kind, b""))) + bodies.get(kind, b"") for kind in types)
    start = b"\x03\x03" + bytes(32) + b"\0" + u16_list(suites) + b"\1\0"
    return parse_client_hello(start + struct.pack(">H", len(block)) + block)


def measured(program: str) -> ClientHello:
    return hello(*MEASURED[program][1:])


def recorded() -> dict[str, tuple[str, Path]]:
    entries = json.loads((CAPTURES / "manifest.json").read_text())["captures"]
    return {
        entry["name"]: (entry["client"]["stack"], CAPTURES / entry["file"])
        for entry in entries
        if "client" in entry and entry["client"]["stack"] in _LIBRARY_OF_STACK and entry["file"].endswith(".pcap")
    }


def first_hello(path: Path) -> ClientHello | None:
    data = path.read_bytes()
    found = _CLIENT_HELLO.search(data)
    if found is None:
        return None
    start = found.start() + 9
    return parse_client_hello(data[start : start + int.from_bytes(found[1], "big")])


@pytest.mark.parametrize("program", MEASURED)
def test_a_measured_hello_fits_its_library_and_no_other(program: str) -> None:
    fitting = [library.name for library in LIBRARIES if library.wrote(measured(program))]
    assert fitting == [MEASURED[program][0]]


@pytest.mark.parametrize("name", recorded())
def test_hellos_of_the_recorded_captures_fit_their_library(name: str) -> None:
    stack, path = recorded()[name]
    sent = first_hello(path)
    if sent is None:
        pytest.skip("this capture has no whole ClientHello in one packet")
    guess = library_of(sent)
    assert guess is not None
    assert guess.name == _LIBRARY_OF_STACK[stack]


@pytest.mark.parametrize("program", ["Deno, rustls", "Chromium 156", "wget on GnuTLS 3.7"])
@given(seed=st.integers(0, 2**32))
def test_permuted_extensions_are_never_taken_for_another_library(program: str, seed: int) -> None:
    name, types, suites, signatures, formats = MEASURED[program]
    shuffled = random.Random(seed).sample(types, len(types))
    guess = library_of(hello(tuple(shuffled), suites, signatures, formats))
    assert guess is None or guess.name == name


def test_schannel_is_not_taken_for_gnutls() -> None:
    windows = hello((0, 5, 10, 11, 13, 35, 23, 65281), (0xC02C, 0xC02B), (0x0804, 0x0805), b"\0")
    assert library_of(windows) is None


def test_a_hello_of_the_rfc_alone_says_nothing() -> None:
    assert library_of(hello((0, 10, 13, 43, 51))) is None
    assert library_of(None) is None


def test_every_profile_named_exists() -> None:
    assert {profile for library in LIBRARIES for profile in library.profiles} <= set(profile_names())


def test_a_permuted_hello_of_rustls_leads_to_its_own_alerts() -> None:
    guess = library_of(measured("uv, rustls"))
    assert guess is not None
    assert "root-key-mismatch" in guess.alerts[AlertDescription.DECRYPT_ERROR]
    assert guess.profiles == ("webpki",)
