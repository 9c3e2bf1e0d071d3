"""Handshake messages: vectors of real stacks read whole, cut and lengthened; then any bytes at all."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import WireError
from analyzer.registry import AlertDescription, ExtensionType, HandshakeType, ProtocolVersion
from analyzer.tls import messages
from analyzer.tls.fingerprint import ja3, ja3s, ja4
from analyzer.tls.messages import (
    Alert,
    Certificate,
    CertificateRequest,
    CertificateStatus,
    ClientHello,
    CompressedCertificate,
    KeyUpdate,
    NewSessionTicket,
    ServerHello,
    ServerKeyExchange,
    parse,
    parse_certificate,
    parse_client_hello,
    parse_partial,
    parse_server_hello,
    parse_sslv2_client_hello,
)

TLS10, TLS11, TLS12, TLS13 = (
    ProtocolVersion.TLS_1_0,
    ProtocolVersion.TLS_1_1,
    ProtocolVersion.TLS_1_2,
    ProtocolVersion.TLS_1_3,
)
VECTORS = Path(__file__).parent / "vectors"
NAMES = sorted(path.name.removesuffix(".bin") for path in VECTORS.glob("*.bin"))
CIPHER_SUITES = {
    "openssl-tls12-mtls": 0xC02C,
    "openssl-tls10-mtls": 0xC00A,
    "openssl-dhe": 0x009E,
    "openssl-psk": 0x00AA,
}


def vector(name: str) -> bytes:
    return (VECTORS / f"{name}.bin").read_bytes()


def version_of(name: str) -> int:
    return TLS13 if "tls13" in name else TLS10 if "tls10" in name else TLS12


def read(name: str, body: bytes) -> Any:
    run, kind = name.split(".")
    if kind == "alert":
        return messages.parse_alert(body)
    if kind == "sslv2_client_hello":
        return parse_sslv2_client_hello(body)
    handshake_type = getattr(HandshakeType, kind.upper())
    return parse(handshake_type, body, version=version_of(name), cipher_suite=CIPHER_SUITES.get(run))


def hellos(kind: str) -> list[str]:
    return [name for name in NAMES if name.endswith(f".{kind}")]


def length_before_extensions(hello: ClientHello | ServerHello) -> int:
    return hello.extensions[0].offset - 6


def u8(body: bytes) -> bytes:
    return len(body).to_bytes(1, "big") + body


def u16(body: bytes) -> bytes:
    return len(body).to_bytes(2, "big") + body


def u24(body: bytes) -> bytes:
    return len(body).to_bytes(3, "big") + body


def client_hello(*, suites: bytes = b"\x13\x01", session_id: bytes = b"", rest: bytes = b"\x01\x00") -> bytes:
    return b"\x03\x03" + bytes(32) + u8(session_id) + u16(suites) + rest


def extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "big") + u16(body)


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_message_parses_and_its_extensions_too(name: str) -> None:
    message = read(name, vector(name))
    assert message is not None
    if hasattr(message, "malformed_extensions"):
        assert message.malformed_extensions() == ()


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_message_with_a_trailing_byte_is_refused(name: str) -> None:
    with pytest.raises(WireError):
        read(name, vector(name) + b"\0")


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_message_cut_anywhere_is_refused_but_before_the_extensions_of_a_hello(name: str) -> None:
    body = vector(name)
    message = read(name, body)
    is_hello = name.endswith((".client_hello", ".server_hello"))
    legal = {length_before_extensions(message)} if is_hello else set()
    for length in range(len(body)):
        if length in legal:
            assert read(name, body[:length]).extensions == ()
        else:
            with pytest.raises(WireError) as caught:
                read(name, body[:length])
            assert caught.value.offset <= len(body)


@pytest.mark.parametrize("name", hellos("client_hello"))
def test_the_beginning_of_a_client_hello_gives_what_is_whole_in_it(name: str) -> None:
    body = vector(name)
    whole = parse_client_hello(body)
    for length in range(34, len(body)):
        part = parse_partial(HandshakeType.CLIENT_HELLO, body[:length], len(body))
        assert isinstance(part, ClientHello)
        assert not part.complete
        assert part.random == whole.random
        assert whole.session_id.startswith(part.session_id)
        assert part.cipher_suites == whole.cipher_suites[: len(part.cipher_suites)]
        expected = [entry for entry in whole.extensions if entry.offset + len(entry.body) <= length]
        assert list(part.extensions) == expected
    assert parse_partial(HandshakeType.CLIENT_HELLO, body, len(body)) == whole


def test_less_of_a_client_hello_than_its_random_is_of_no_use() -> None:
    body = vector("openssl-tls13.client_hello")
    with pytest.raises(WireError):
        parse_partial(HandshakeType.CLIENT_HELLO, body[:33], len(body))


@pytest.mark.parametrize("name", hellos("certificate"))
@pytest.mark.parametrize("version_known", [True, False])
def test_the_beginning_of_a_certificate_message_gives_the_certificates_that_are_whole(
    name: str, *, version_known: bool
) -> None:
    body = vector(name)
    whole = read(name, body)
    version = version_of(name) if version_known else None
    seen = set()
    for length in range(8, len(body)):
        part = parse_partial(HandshakeType.CERTIFICATE, body[:length], len(body), version=version)
        assert isinstance(part, Certificate)
        assert not part.complete
        assert part.chain == whole.chain[: len(part.chain)]
        assert part.entries[:-1] == whole.entries[: len(part.entries)][:-1]
        if part.entries and part.entries[-1].extensions:
            assert part.entries[-1] == whole.entries[len(part.entries) - 1]
        seen.add(len(part.entries))
    assert seen >= set(range(len(whole.entries)))
    assert parse_partial(HandshakeType.CERTIFICATE, body, len(body), version=version) == whole


def test_a_partial_message_whose_length_points_past_its_end_is_malformed_and_not_cut() -> None:
    cut_hello = client_hello(suites=b"\x13\x01" * 30)[:60]
    with pytest.raises(WireError, match="60 bytes announced, 33 left"):
        parse_partial(HandshakeType.CLIENT_HELLO, cut_hello, 70)
    with pytest.raises(WireError, match="announced"):
        parse_partial(HandshakeType.CERTIFICATE, b"\0\0\xff" + u24(bytes(50))[:20], 40, version=TLS12)
    with pytest.raises(WireError, match="certificate at byte 6: 1048576 bytes announced"):
        parse_partial(HandshakeType.CERTIFICATE, b"\0\0\x64\x10\0\0" + bytes(20), 103, version=TLS12)


def test_there_is_no_partial_form_of_other_messages() -> None:
    assert parse_partial(HandshakeType.SERVER_HELLO, bytes(40), 80) is None


def test_a_client_hello_of_openssl() -> None:
    hello = parse_client_hello(vector("openssl-tls13.client_hello"))
    assert hello.legacy_version == TLS12
    assert hello.server_name == "srv.example.net"
    assert hello.alpn == (b"h2", b"http/1.1")
    assert hello.offered_versions == (TLS13, TLS12, TLS11, TLS10)
    assert hello.supported_groups[:2] == (29, 23)
    assert hello.key_share_groups == (29,)
    assert hello.signature_algorithms[0] == 0x0403
    assert hello.ec_point_formats == (0, 1, 2)
    assert hello.cipher_suites[:3] == (0x1302, 0x1303, 0x1301)
    assert hello.complete


def test_without_supported_versions_the_legacy_version_is_the_offer() -> None:
    hello = parse_client_hello(vector("openssl-tls10-mtls.client_hello"))
    assert hello.offered_versions == (TLS10,)


def test_grease_is_kept_in_the_lists_and_left_out_of_the_offered_versions() -> None:
    versions = extension(ExtensionType.SUPPORTED_VERSIONS, u8(bytes.fromhex("0a0a03040303")))
    groups = extension(ExtensionType.SUPPORTED_GROUPS, u16(bytes.fromhex("1a1a001d")))
    hello = parse_client_hello(client_hello(suites=b"\x2a\x2a\x13\x01", rest=b"\x01\x00" + u16(versions + groups)))
    assert hello.offered_versions == (TLS13, TLS12)
    assert hello.supported_groups == (0x1A1A, 29)
    assert hello.cipher_suites == (0x2A2A, 0x1301)


def test_extensions_keep_their_order_and_duplicates_and_the_first_counts() -> None:
    block = extension(0xFF77, b"one") + extension(5, b"\x01\0\0\0\0") + extension(0xFF77, b"two")
    hello = parse_client_hello(client_hello(rest=b"\x01\x00" + u16(block)))
    assert [entry.type for entry in hello.extensions] == [0xFF77, 5, 0xFF77]
    first = hello.extension(0xFF77)
    assert first is not None
    assert first.body == b"one"
    assert first.name == "private use (0xff77)"


def test_an_extension_knows_where_its_body_is() -> None:
    body = vector("java-tls13.client_hello")
    for entry in parse_client_hello(body).extensions:
        assert body[entry.offset : entry.offset + len(entry.body)] == entry.body


def test_a_malformed_extension_is_absent_and_told_with_its_place() -> None:
    block = extension(ExtensionType.SERVER_NAME, b"\x00\x05\x00\x00\x09abc") + extension(
        ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, u16(u8(b"h2"))
    )
    hello = parse_client_hello(client_hello(rest=b"\x01\x00" + u16(block)))
    assert hello.server_name is None
    assert hello.alpn == (b"h2",)
    (error,) = hello.malformed_extensions()
    assert error.what == "server_name.list.name"
    with pytest.raises(WireError):
        hello.value(ExtensionType.SERVER_NAME)
    assert hello.value(ExtensionType.COOKIE) is None


def test_a_server_name_with_control_characters_is_shown_escaped() -> None:
    name = u16(b"\x00" + u16(b"a\x1b[2J\n.example"))
    hello = parse_client_hello(client_hello(rest=b"\x01\x00" + u16(extension(ExtensionType.SERVER_NAME, name))))
    assert hello.server_name == r"a\x1b[2J\x0a.example"


def test_a_server_name_that_is_no_host_name_is_none() -> None:
    name = u16(b"\x07" + u16(b"other"))
    hello = parse_client_hello(client_hello(rest=b"\x01\x00" + u16(extension(ExtensionType.SERVER_NAME, name))))
    assert hello.server_name is None


def test_a_hello_without_cipher_suites_and_extensions_parses() -> None:
    hello = parse_client_hello(client_hello(suites=b""))
    assert hello.cipher_suites == ()
    assert hello.extensions == ()


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (client_hello(suites=b"\x13\x01\x00"), "ClientHello.cipher_suites at byte 37: 3 bytes are no whole number"),
        (client_hello(session_id=bytes(33)), "ClientHello.session_id at byte 35: 33 bytes, at most 32"),
        (client_hello(rest=b"\x01\x00\x00\x04\x00\x00\x00\x01"), "server_name at byte 47: 1 bytes needed, 0 left"),
        (client_hello(rest=b"\x01\x00\x00\x03\x00\x00\x00"), "extensions.type at byte 43: 4 bytes needed, 3 left"),
        (client_hello(rest=b"\x01\x00\x00\x00\x00"), "1 bytes left over"),
    ],
)
def test_a_broken_length_is_refused_with_its_place(body: bytes, what: str) -> None:
    with pytest.raises(WireError, match=what):
        parse_client_hello(body)


def test_the_sslv2_style_client_hello_of_java() -> None:
    hello = parse_sslv2_client_hello(vector("java-sslv2.sslv2_client_hello"))
    assert hello.sslv2
    assert hello.legacy_version == TLS12
    assert hello.cipher_suites[0] == 0xC02C
    assert hello.cipher_kinds[28:30] == (0x0700C0, 0xC014)
    assert set(hello.cipher_suites) < set(hello.cipher_kinds)
    assert len(hello.random) == 32


def test_an_sslv2_style_client_hello_has_kinds_that_tls_does_not_know_and_a_short_challenge() -> None:
    body = bytes.fromhex("01 0300 0006 0000 0010 010080 00000a") + bytes(range(16))
    hello = parse_sslv2_client_hello(body)
    assert hello.cipher_kinds == (0x010080, 0x00000A)
    assert hello.cipher_suites == (0x0A,)
    assert hello.random == bytes(16) + bytes(range(16))


@pytest.mark.parametrize("body", ["02 0300 0003 0000 0010 010080", "01 0300 0004 0000 0000 01008000"])
def test_an_sslv2_record_of_another_kind_is_refused(body: str) -> None:
    with pytest.raises(WireError):
        parse_sslv2_client_hello(bytes.fromhex(body))


def test_a_server_hello_of_tls_1_3() -> None:
    hello = parse_server_hello(vector("openssl-tls13.server_hello"))
    assert (hello.legacy_version, hello.version) == (TLS12, TLS13)
    assert hello.cipher_suite == 0x1302
    assert hello.group == 29
    assert not hello.is_hello_retry_request
    assert hello.downgrade_sentinel is None


def test_a_hello_retry_request_of_openssl() -> None:
    hello = parse_server_hello(vector("openssl-hrr.server_hello"))
    assert hello.is_hello_retry_request
    assert hello.version == TLS13
    assert hello.group == 25
    assert hello.cookie is None


def test_a_hello_retry_request_has_a_cookie() -> None:
    block = extension(ExtensionType.COOKIE, u16(b"crumbs"))
    body = b"\x03\x03" + messages.HELLO_RETRY_REQUEST_RANDOM + b"\0\x13\x01\0" + u16(block)
    hello = parse_server_hello(body)
    assert hello.cookie == b"crumbs"
    assert hello.group is None


def test_a_server_hello_of_tls_1_2() -> None:
    hello = parse_server_hello(vector("openssl-tls12-mtls.server_hello"))
    assert hello.version == TLS12
    assert hello.alpn == b"http/1.1"
    assert hello.group is None
    assert hello.value(ExtensionType.STATUS_REQUEST) is True


def test_a_tls_1_3_server_that_negotiates_less_says_so() -> None:
    assert parse_server_hello(vector("openssl-dhe.server_hello")).downgrade_sentinel is None
    random = bytes(24) + b"DOWNGRD"
    assert parse_server_hello(b"\x03\x03" + random + b"\x01\0\0\x2f\0").downgrade_sentinel == TLS13
    assert parse_server_hello(b"\x03\x02" + random + b"\x00\0\0\x2f\0").downgrade_sentinel == TLS12


@pytest.mark.parametrize("version", [0x7F12, 0x0304])
def test_the_server_hello_of_early_drafts_has_no_session_id(version: int) -> None:
    share = extension(40, b"\0\x1d" + u16(bytes(32)))
    body = version.to_bytes(2, "big") + bytes(32) + b"\x13\x01" + u16(share)
    hello = parse_server_hello(body)
    assert hello.cipher_suite == 0x1301
    assert hello.version == version
    assert [entry.type for entry in hello.extensions] == [40]


@pytest.mark.parametrize(("version", "suite"), [(0x7F13, 0x1301), (0x7F12, None)])
def test_the_hello_retry_request_of_early_drafts_is_a_message_of_its_own(version: int, suite: int | None) -> None:
    share = extension(ExtensionType.KEY_SHARE, b"\0\x18")
    body = version.to_bytes(2, "big") + (b"" if suite is None else suite.to_bytes(2, "big")) + u16(share)
    hello = parse(HandshakeType.HELLO_RETRY_REQUEST, body)
    assert isinstance(hello, ServerHello)
    assert hello.is_hello_retry_request
    assert hello.cipher_suite == suite
    assert hello.group == 24


def test_a_certificate_message_of_tls_1_2() -> None:
    message = read("openssl-tls12-mtls.certificate", vector("openssl-tls12-mtls.certificate"))
    assert len(message.chain) == 2
    assert all(der.startswith(b"\x30\x82") for der in message.chain)
    assert message.entries[0].ocsp_response is None


def test_a_certificate_message_of_tls_1_3_has_a_stapled_response() -> None:
    message = read("openssl-tls13-mtls.certificate", vector("openssl-tls13-mtls.certificate"))
    status = read("openssl-tls12-mtls.certificate_status", vector("openssl-tls12-mtls.certificate_status"))
    assert len(message.chain) == 2
    assert message.request_context == b""
    assert message.entries[0].ocsp_response == status.responses[0]
    assert message.entries[1].ocsp_response is None


@pytest.mark.parametrize("name", hellos("certificate"))
def test_the_form_of_a_certificate_message_is_told_by_its_bytes_when_the_version_is_not_known(name: str) -> None:
    assert parse(HandshakeType.CERTIFICATE, vector(name)) == read(name, vector(name))


def test_a_client_without_a_certificate_sends_an_empty_list() -> None:
    assert parse_certificate(b"\0\0\0", tls13=False).chain == ()
    assert parse_certificate(b"\0\0\0\0", tls13=True).chain == ()
    assert parse(HandshakeType.CERTIFICATE, b"\0\0\0") == Certificate(entries=())
    assert parse(HandshakeType.CERTIFICATE, b"\0\0\0\0") == Certificate(entries=())


def test_millions_of_empty_certificates_or_responses_are_refused_at_once() -> None:
    crowd = u24(bytes(16_000_000))
    with pytest.raises(WireError, match="more than 1000 certificates"):
        parse_certificate(crowd, tls13=False)
    with pytest.raises(WireError, match="more than 65536 entries"):
        parse(HandshakeType.CERTIFICATE_STATUS, b"\x02" + crowd)
    part = parse_partial(HandshakeType.CERTIFICATE, crowd[:-1], len(crowd), version=TLS12)
    assert isinstance(part, Certificate)
    assert len(part.entries) == 1000


@pytest.mark.parametrize(
    ("name", "types", "schemes"),
    [
        ("openssl-tls10-mtls", (1, 2, 64), 0),
        ("openssl-tls12-mtls", (1, 2, 64), 20),
        ("openssl-tls13-mtls", (), 16),
    ],
)
def test_a_certificate_request_of_each_version(name: str, types: tuple[int, ...], schemes: int) -> None:
    body = vector(f"{name}.certificate_request")
    request = read(f"{name}.certificate_request", body)
    assert isinstance(request, CertificateRequest)
    assert request.certificate_types == types
    assert len(request.signature_algorithms) == schemes
    assert request.authority_names == (
        "CN=Example Root CA,O=Example Trust Ltd,C=DE",
        r"OU=PKI+CN=Clients,O=Société Générale d'Épreuve\, \"SA\",C=FR",
    )
    assert parse(HandshakeType.CERTIFICATE_REQUEST, body) == request


def test_stapled_responses_in_a_message_of_their_own() -> None:
    status = read("openssl-tls12-mtls.certificate_status", vector("openssl-tls12-mtls.certificate_status"))
    assert status.status_type == 1
    assert len(status.responses) == 1
    several = parse(HandshakeType.CERTIFICATE_STATUS, b"\x02" + u24(u24(b"one") + u24(b"") + u24(b"three")))
    assert several == CertificateStatus(status_type=2, responses=(b"one", b"", b"three"))
    unknown = parse(HandshakeType.CERTIFICATE_STATUS, b"\x09whatever")
    assert unknown == CertificateStatus(status_type=9, responses=())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("openssl-tls12-mtls", ServerKeyExchange(curve_type=3, group=29, signature_scheme=0x0403)),
        ("openssl-tls10-mtls", ServerKeyExchange(curve_type=3, group=29)),
        ("openssl-dhe", ServerKeyExchange(dh_prime_bits=2048, signature_scheme=0x0804)),
        ("openssl-psk", ServerKeyExchange(dh_prime_bits=2048, psk_identity_hint=b"gateway")),
    ],
)
def test_a_server_key_exchange_is_read_by_the_cipher_suite(name: str, expected: ServerKeyExchange) -> None:
    found = read(f"{name}.server_key_exchange", vector(f"{name}.server_key_exchange"))
    assert isinstance(found, ServerKeyExchange)
    assert replace(found, public=b"", parameters=b"", signature=b"") == expected


@pytest.mark.parametrize("name", ["openssl-tls12-mtls", "openssl-tls10-mtls", "openssl-dhe"])
def test_what_is_signed_is_all_that_stands_before_the_signature(name: str) -> None:
    body = vector(f"{name}.server_key_exchange")
    found = read(f"{name}.server_key_exchange", body)
    assert isinstance(found, ServerKeyExchange)
    scheme = b"" if found.signature_scheme is None else found.signature_scheme.to_bytes(2, "big")
    assert found.parameters + scheme + u16(found.signature) == body
    assert found.public
    assert found.parameters.endswith(found.public)


def test_a_key_exchange_with_a_pre_shared_key_signs_nothing() -> None:
    found = read("openssl-psk.server_key_exchange", vector("openssl-psk.server_key_exchange"))
    assert isinstance(found, ServerKeyExchange)
    assert (found.parameters, found.signature) == (b"", b"")


@pytest.mark.parametrize(
    ("suite", "body", "expected"),
    [
        (
            0x0003,
            u16(bytes([1]) + bytes(63)) + u16(b"\3") + u16(b"sig"),
            ServerKeyExchange(
                rsa_modulus_bits=505, parameters=u16(bytes([1]) + bytes(63)) + u16(b"\3"), signature=b"sig"
            ),
        ),
        (0x008C, u16(b"hint"), ServerKeyExchange(psk_identity_hint=b"hint")),
        (0xC018, b"\x03\x00\x17" + u8(b"point"), ServerKeyExchange(curve_type=3, group=23, public=b"point")),
        (0xC013, b"\x01explicit", ServerKeyExchange(curve_type=1)),
        (0x001E, b"kerberos", ServerKeyExchange()),
        (None, b"no cipher suite", ServerKeyExchange()),
    ],
)
def test_server_key_exchanges_of_other_kinds(suite: int | None, body: bytes, expected: ServerKeyExchange) -> None:
    assert parse(HandshakeType.SERVER_KEY_EXCHANGE, body, version=TLS11, cipher_suite=suite) == expected


@pytest.mark.parametrize(
    ("name", "scheme"),
    [
        ("openssl-tls10-mtls", None),
        ("openssl-tls12-mtls", 0x0403),
        ("openssl-tls13-mtls", 0x0403),
        ("openssl-tls13-mtls-client", 0x0403),
    ],
)
def test_a_certificate_verify_names_its_scheme_since_tls_1_2(name: str, scheme: int | None) -> None:
    message = read(f"{name}.certificate_verify", vector(f"{name}.certificate_verify"))
    assert message.signature_scheme == scheme
    assert message.signature.startswith(b"\x30")


def test_session_tickets_of_both_kinds() -> None:
    old = read("openssl-tls12-mtls.new_session_ticket", vector("openssl-tls12-mtls.new_session_ticket"))
    new = read("openssl-tls13-mtls.new_session_ticket", vector("openssl-tls13-mtls.new_session_ticket"))
    assert isinstance(old, NewSessionTicket)
    assert isinstance(new, NewSessionTicket)
    assert (old.lifetime, len(old.ticket), old.nonce, old.max_early_data_size) == (7200, 656, b"", None)
    assert (new.lifetime, len(new.ticket), new.nonce, new.max_early_data_size) == (7200, 32, bytes(8), 16384)


def test_encrypted_extensions_have_the_protocol_selected() -> None:
    message = read("openssl-tls13-mtls.encrypted_extensions", vector("openssl-tls13-mtls.encrypted_extensions"))
    assert message.alpn == b"h2"


def test_a_key_update_asks_for_one_or_does_not() -> None:
    assert parse(HandshakeType.KEY_UPDATE, b"\x01") == KeyUpdate(update_requested=True)
    assert parse(HandshakeType.KEY_UPDATE, b"\x00") == KeyUpdate(update_requested=False)
    with pytest.raises(WireError):
        parse(HandshakeType.KEY_UPDATE, b"\x02")


def test_alerts_of_openssl() -> None:
    alert = messages.parse_alert(vector("openssl-reject.alert"))
    assert (alert.level_name, alert.name) == ("fatal", "unknown_ca")
    assert messages.parse_alert(vector("openssl-version-alert.alert")).name == "protocol_version"


@pytest.mark.parametrize(
    ("level", "description", "version", "fatal"),
    [
        (2, AlertDescription.UNKNOWN_CA, TLS12, True),
        (1, AlertDescription.UNRECOGNIZED_NAME, TLS12, False),
        (1, AlertDescription.UNRECOGNIZED_NAME, TLS13, True),
        (1, AlertDescription.CLOSE_NOTIFY, TLS13, False),
        (2, AlertDescription.USER_CANCELED, 0x7F17, False),
        (2, AlertDescription.PROTOCOL_VERSION, None, True),
    ],
)
def test_an_alert_is_fatal_by_level_before_tls_1_3_and_by_description_since(
    level: int, description: int, version: int | None, *, fatal: bool
) -> None:
    assert Alert(level=level, description=description).is_fatal(version) is fatal


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize(("algorithm", "compress"), [(1, zlib.compress), (3, zstd)])
def test_a_compressed_certificate_is_decompressed(algorithm: int, compress: Callable[[bytes], bytes]) -> None:
    plain = vector("openssl-tls13-mtls.certificate")
    body = algorithm.to_bytes(2, "big") + len(plain).to_bytes(3, "big") + u24(compress(plain))
    message = parse(HandshakeType.COMPRESSED_CERTIFICATE, body)
    assert isinstance(message, CompressedCertificate)
    assert message.decompress() == parse_certificate(plain, tls13=True)
    for length in range(len(body)):
        with pytest.raises(WireError):
            parse(HandshakeType.COMPRESSED_CERTIFICATE, body[:length])


def test_a_certificate_compressed_with_brotli_is_decompressed_where_brotli_is_installed() -> None:
    brotli = pytest.importorskip("brotli")
    plain = vector("openssl-tls13-mtls.certificate")
    message = CompressedCertificate(algorithm=2, uncompressed_length=len(plain), data=brotli.compress(plain))
    assert message.decompress() == parse_certificate(plain, tls13=True)
    with pytest.raises(WireError, match="no brotli data"):
        CompressedCertificate(algorithm=2, uncompressed_length=99, data=b"\xff" * 40).decompress()


def test_without_brotli_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "brotli", None)
    message = CompressedCertificate(algorithm=2, uncompressed_length=10, data=b"x")
    with pytest.raises(WireError, match="module brotli is not installed"):
        message.decompress()


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (CompressedCertificate(algorithm=1, uncompressed_length=10, data=b"xyz"), "no zlib data"),
        (CompressedCertificate(algorithm=3, uncompressed_length=10, data=b"xyz"), "no zstd data"),
        (CompressedCertificate(algorithm=9, uncompressed_length=10, data=b"xyz"), "unknown .0x0009. cannot be"),
        (CompressedCertificate(algorithm=1, uncompressed_length=9, data=zlib.compress(bytes(8))), "9 bytes .* 8 made"),
        (CompressedCertificate(algorithm=3, uncompressed_length=9, data=zstd(bytes(8))), "9 bytes .* 8 made"),
        (CompressedCertificate(algorithm=1, uncompressed_length=0, data=zlib.compress(bytes(8))), "more made"),
    ],
)
def test_a_compressed_certificate_that_is_not_what_it_says_is_refused(
    message: CompressedCertificate, reason: str
) -> None:
    with pytest.raises(WireError, match=reason):
        message.decompress()


@pytest.mark.parametrize(("algorithm", "compress"), [(1, zlib.compress), (3, zstd)])
def test_a_decompression_bomb_makes_no_more_than_announced(algorithm: int, compress: Callable[[bytes], bytes]) -> None:
    bomb = compress(bytes(50_000_000))
    with pytest.raises(WireError, match="1000 bytes announced, more made"):
        CompressedCertificate(algorithm=algorithm, uncompressed_length=1000, data=bomb).decompress()


def test_messages_without_fields_of_interest_have_no_parser() -> None:
    assert parse(HandshakeType.FINISHED, bytes(12)) is None
    assert parse(HandshakeType.SERVER_HELLO_DONE, b"") is None
    assert parse(211, b"anything") is None


PARSED_TYPES = sorted(messages._PARSERS)
VERSIONS = st.sampled_from([None, 0x0300, TLS10, TLS12, TLS13, 0x7F12, 0xFFFF])
SUITES = st.sampled_from([None, 0xC02C, 0x009E, 0x0003, 0x00AA, 0xC018, 0xFFFF])


def use(message: object) -> None:
    """Everything that a report asks of a message."""
    for name in dir(message):
        if not name.startswith("_"):
            getattr(message, name)
    if isinstance(message, ClientHello):
        ja3(message)
        ja4(message)
    if isinstance(message, ServerHello):
        ja3s(message)
    if hasattr(message, "malformed_extensions"):
        message.malformed_extensions()
    if isinstance(message, CompressedCertificate):
        message.decompress()


@given(st.sampled_from(PARSED_TYPES), st.binary(max_size=200), VERSIONS, SUITES)
def test_any_bytes_are_a_message_or_a_wire_error(
    handshake_type: int, body: bytes, version: int | None, suite: int | None
) -> None:
    try:
        use(parse(handshake_type, body, version=version, cipher_suite=suite))
    except WireError:
        return


@given(st.sampled_from(NAMES), st.data())
def test_a_recorded_message_with_changed_bytes_is_a_message_or_a_wire_error(name: str, data: st.DataObject) -> None:
    body = bytearray(vector(name))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        use(read(name, bytes(body)))
    except WireError:
        return


@given(st.sampled_from([*hellos("client_hello"), *hellos("certificate")]), st.data())
def test_a_changed_and_cut_message_is_a_partial_message_or_a_wire_error(name: str, data: st.DataObject) -> None:
    body = bytearray(vector(name))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    handshake_type = getattr(HandshakeType, name.split(".")[1].upper())
    version = data.draw(st.sampled_from([None, version_of(name)]))
    try:
        use(parse_partial(handshake_type, bytes(body[:cut]), len(body), version=version))
    except WireError:
        return


@given(st.binary(max_size=120))
def test_any_bytes_are_an_sslv2_client_hello_or_a_wire_error(body: bytes) -> None:
    try:
        use(parse_sslv2_client_hello(b"\x01" + body))
    except WireError:
        return


HELLO_TYPES = {"client_hello": HandshakeType.CLIENT_HELLO, "server_hello": HandshakeType.SERVER_HELLO}


@pytest.mark.parametrize("kind", HELLO_TYPES)
def test_a_hello_with_a_broken_end_still_says_what_stands_before_it(kind: str) -> None:
    for name in hellos(kind):
        body = vector(name)
        whole = parse(HELLO_TYPES[kind], body)
        assert isinstance(whole, (ClientHello, ServerHello))
        if not whole.session_id and isinstance(whole, ServerHello) and whole.version >> 8 == 0x7F:
            continue  # drafts have another form
        read = messages.parse_malformed_hello(HELLO_TYPES[kind], body + b"\0")
        assert isinstance(read, type(whole))
        assert (read.legacy_version, read.random, read.session_id) == (
            whole.legacy_version,
            whole.random,
            whole.session_id,
        )
        assert read.extensions == whole.extensions


def test_of_an_extension_block_that_does_not_add_up_the_extensions_before_count() -> None:
    hello = bytes.fromhex("0303") + bytes(range(32)) + b"\0" + bytes.fromhex("c02f00")
    block = bytes.fromhex("ff01000100") + bytes.fromhex("000b0009aa")  # renegotiation_info; point formats, too long
    body = hello + len(block).to_bytes(2, "big") + block
    with pytest.raises(WireError):
        parse_server_hello(body)
    read = messages.parse_malformed_hello(HandshakeType.SERVER_HELLO, body)
    assert isinstance(read, ServerHello)
    assert (read.cipher_suite, [extension.type for extension in read.extensions]) == (0xC02F, [0xFF01])
    assert messages.parse_malformed_hello(HandshakeType.SERVER_HELLO, body[:30]) is None


@given(st.sampled_from([1, 2, 3, 11]), st.binary(max_size=120))
def test_whatever_the_bytes_of_a_malformed_hello_are_no_error_is_raised(kind: int, body: bytes) -> None:
    read = messages.parse_malformed_hello(kind, body)
    assert read is None or read.legacy_version == int.from_bytes(body[:2], "big")
