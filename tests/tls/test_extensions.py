"""Extension values: one example for each row of the table, whole, cut and lengthened."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import WireError
from analyzer.registry import ExtensionType, extension_name
from analyzer.tls import extensions
from analyzer.tls.extensions import (
    Carrier,
    CertificateStatus,
    EncryptedClientHello,
    Extension,
    KeyShare,
    PreSharedKeys,
    ServerName,
    StatusRequest,
    read_extensions,
    value_of,
)
from analyzer.wire import Reader

E = ExtensionType
ECH = EncryptedClientHello(inner=False, kdf=1, aead=3, config_id=7, enc=b"\xaa\xbb", payload_length=3)

EXAMPLES: list[tuple[str, int, str, object]] = [
    ("CH", E.SERVER_NAME, "0008 00 0005 612e636f6d", (ServerName(type=0, name=b"a.com"),)),
    ("SH EE", E.SERVER_NAME, "", True),
    ("CH SH EE", E.MAX_FRAGMENT_LENGTH, "02", 2),
    ("CH CR", E.STATUS_REQUEST, "01 0000 0000", StatusRequest(status_type=1, request=bytes(4))),
    ("SH", E.STATUS_REQUEST, "", True),
    ("CT", E.STATUS_REQUEST, "01 000003 0a0b0c", CertificateStatus(status_type=1, responses=(b"\n\x0b\x0c",))),
    ("CH", E.STATUS_REQUEST_V2, "0007 02 0004 00000000", (StatusRequest(status_type=2, request=bytes(4)),)),
    ("SH", E.STATUS_REQUEST_V2, "", True),
    ("CH SH EE", E.SUPPORTED_GROUPS, "0004 001d 0017", (29, 23)),
    ("CH SH", E.EC_POINT_FORMATS, "02 00 01", (0, 1)),
    ("CH CR", E.SIGNATURE_ALGORITHMS, "0004 0804 0403", (0x0804, 0x0403)),
    ("CH CR", E.SIGNATURE_ALGORITHMS_CERT, "0002 0401", (0x0401,)),
    ("CH SH EE", E.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, "0005 02 6832 01 61", (b"h2", b"a")),
    ("CH CR", E.SIGNED_CERTIFICATE_TIMESTAMP, "", True),
    ("SH CT", E.SIGNED_CERTIFICATE_TIMESTAMP, "0005 0003 010203", (b"\1\2\3",)),
    ("CH SH", E.ENCRYPT_THEN_MAC, "", True),
    ("CH SH", E.EXTENDED_MASTER_SECRET, "", True),
    ("CH CR", E.COMPRESS_CERTIFICATE, "04 0002 0001", (2, 1)),
    ("CH SH EE", E.RECORD_SIZE_LIMIT, "4001", 0x4001),
    ("CH CR", E.DELEGATED_CREDENTIAL, "0002 0403", (0x0403,)),
    ("CH SH", E.SESSION_TICKET, "aabb", b"\xaa\xbb"),
    (
        "CH",
        E.PRE_SHARED_KEY,
        "0008 0002 6964 00000001 0005 04 01020304",
        PreSharedKeys(identities=(b"id",), ages=(1,), binders=(b"\1\2\3\4",)),
    ),
    ("SH", E.PRE_SHARED_KEY, "0001", 1),
    ("CH EE", E.EARLY_DATA, "", True),
    ("NST", E.EARLY_DATA, "00004000", 0x4000),
    ("CH", E.SUPPORTED_VERSIONS, "04 0304 0303", (0x0304, 0x0303)),
    ("SH HRR", E.SUPPORTED_VERSIONS, "0304", 0x0304),
    ("CH HRR", E.COOKIE, "0002 abcd", b"\xab\xcd"),
    ("CH", E.PSK_KEY_EXCHANGE_MODES, "01 01", (1,)),
    ("CH CR", E.CERTIFICATE_AUTHORITIES, "0004 0002 3000", (b"\x30\x00",)),
    ("CH", E.POST_HANDSHAKE_AUTH, "", True),
    ("CH", E.KEY_SHARE, "0006 001d 0002 0102", (KeyShare(group=29, key_exchange=b"\1\2"),)),
    ("SH", E.KEY_SHARE, "001d 0002 0102", KeyShare(group=29, key_exchange=b"\1\2")),
    ("HRR", E.KEY_SHARE, "0018", 24),
    ("CH", E.NEXT_PROTOCOL_NEGOTIATION, "", True),
    ("SH", E.NEXT_PROTOCOL_NEGOTIATION, "02 6832", (b"h2",)),
    ("CH", E.APPLICATION_SETTINGS_OLD, "0003 02 6832", (b"h2",)),
    ("CH", E.APPLICATION_SETTINGS, "0003 02 6832", (b"h2",)),
    ("CH", E.ENCRYPTED_CLIENT_HELLO, "00 0001 0003 07 0002 aabb 0003 010203", ECH),
    ("CH SH", E.RENEGOTIATION_INFO, "00", b""),
]
ROWS = [
    pytest.param(carrier, kind, bytes.fromhex(body), value, id=f"{carrier}-{extension_name(kind)}")
    for carriers, kind, body, value in EXAMPLES
    for carrier in carriers.split()
]
LEGAL_CUTS = {("CH", E.SESSION_TICKET): {0, 1}, ("SH", E.SESSION_TICKET): {0, 1}, ("SH", 13172): {0}}
LEGALLY_LONGER = {E.SESSION_TICKET}


def test_every_row_of_the_table_has_an_example() -> None:
    rows = {(carrier, kind) for carrier, table in extensions._TABLE.items() for kind in table}
    assert rows == {(carrier, kind) for carriers, kind, _, _ in EXAMPLES for carrier in carriers.split()}


@pytest.mark.parametrize(("carrier", "kind", "body", "value"), ROWS)
def test_an_extension_has_its_value(carrier: Carrier, kind: int, body: bytes, value: object) -> None:
    assert value_of(Extension(kind, body, 0), carrier) == value


@pytest.mark.parametrize(("carrier", "kind", "body", "value"), ROWS)
def test_an_extension_with_a_trailing_byte_is_refused(carrier: Carrier, kind: int, body: bytes, value: object) -> None:
    longer = Extension(kind, body + b"\1", 40)
    if kind in LEGALLY_LONGER:
        assert value_of(longer, carrier) != value
        return
    with pytest.raises(WireError) as caught:
        value_of(longer, carrier)
    assert 40 <= caught.value.offset <= 40 + len(body) + 1


@pytest.mark.parametrize(("carrier", "kind", "body", "value"), ROWS)
def test_an_extension_cut_anywhere_is_refused(carrier: Carrier, kind: int, body: bytes, value: object) -> None:
    legal = LEGAL_CUTS.get((carrier, kind), set())
    for length in range(len(body)):
        cut = Extension(kind, body[:length], 0)
        if length in legal:
            assert value_of(cut, carrier) != value
        else:
            with pytest.raises(WireError):
                value_of(cut, carrier)


def test_a_type_without_a_row_has_its_body_as_value() -> None:
    assert value_of(Extension(0x1234, b"whatever", 0), "CH") == b"whatever"
    assert value_of(Extension(ExtensionType.QUIC_TRANSPORT_PARAMETERS, b"\1\2", 0), "CH") == b"\1\2"
    assert value_of(Extension(0x0A0A, b"", 0), "CH") == b""


def test_an_inner_encrypted_client_hello_shows_nothing() -> None:
    inner = Extension(ExtensionType.ENCRYPTED_CLIENT_HELLO, b"\x01", 0)
    assert value_of(inner, "CH") == EncryptedClientHello(inner=True)
    with pytest.raises(WireError, match="outer"):
        value_of(Extension(ExtensionType.ENCRYPTED_CLIENT_HELLO, b"\x05", 0), "CH")


def test_status_requests_and_responses_of_unknown_types_are_kept() -> None:
    request = Extension(ExtensionType.STATUS_REQUEST, b"\x09rest", 0)
    assert value_of(request, "CH") == StatusRequest(status_type=9, request=b"rest")
    assert value_of(request, "CT") == CertificateStatus(status_type=9, responses=())


def test_an_error_is_placed_in_the_whole_message() -> None:
    block = bytes.fromhex("0008 000a 0004 0004 001d")
    (entry,) = read_extensions(Reader(b"12345" + block, "ClientHello", 5))
    with pytest.raises(WireError, match=r"supported_groups\.list at byte 13: 4 bytes needed, 2 left"):
        value_of(entry, "CH")


@given(
    st.sampled_from(get_args(Carrier)),
    st.sampled_from(sorted({kind for _, kind, _, _ in EXAMPLES})),
    st.binary(max_size=60),
)
def test_any_body_has_a_value_or_is_a_wire_error(carrier: Carrier, kind: int, body: bytes) -> None:
    try:
        value_of(Extension(kind, body, 0), carrier)
    except WireError as error:
        offset = error.offset
    else:
        offset = 0
    assert 0 <= offset <= len(body)
