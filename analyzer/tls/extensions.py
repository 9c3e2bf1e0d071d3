"""Extensions of handshake messages: a type, a body, and by the table below a value.

Takes the bytes of an extension block, gives `Extension` values in wire order with duplicates kept. The
meaning of a body depends on the message that carries it (RFC 8446 section 4.2), so `value_of` is told
which one. A new extension is one parse function and one row of `_ROWS`. A type without a row has its body
as value; so has quic_transport_parameters, whose content says nothing about TLS.

Minimum lengths of lists are not enforced (an empty list is a fact about the peer, and parses); everything
else is: lengths, even sizes, bytes left over. A body that breaks its format raises `WireError`, whose
offset counts from the start of the message.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from struct import Struct, unpack
from typing import Final, Literal, NamedTuple, TypeVar, get_args

from analyzer.dataclass import dataclass
from analyzer.errors import WireError
from analyzer.registry import ExtensionType, extension_name
from analyzer.wire import Reader

__all__ = [
    "Carrier",
    "CertificateStatus",
    "EncryptedClientHello",
    "Extension",
    "KeyShare",
    "PreSharedKeys",
    "ServerName",
    "StatusRequest",
    "parse_as",
    "read_alpn",
    "read_certificate_status",
    "read_cookie",
    "read_extensions",
    "read_key_shares",
    "read_pre_shared_keys",
    "read_selected_key_share",
    "read_server_names",
    "read_u8",
    "read_u8_list",
    "read_u16",
    "read_u16_list",
    "read_u16_list_short",
    "read_u32",
    "read_vector16_list",
    "unpack_u16",
    "value_of",
]

Carrier = Literal["CH", "SH", "HRR", "EE", "CT", "CR", "NST"]
"""The message that carries an extension, as RFC 8446 section 4.2 abbreviates it; NST is NewSessionTicket.

SH is the ServerHello of every version: before TLS 1.3 it carries what is EncryptedExtensions' since.
"""

Value = TypeVar("Value")


class Extension(NamedTuple):
    """One extension: its type, its body, and where the body begins, in bytes from the message's start.

    A named tuple, not a dataclass: a ClientHello has up to twenty, and making one is the hot path.
    """

    type: int
    body: bytes
    offset: int

    @property
    def name(self) -> str:
        """IANA's name of the type."""
        return extension_name(self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerName:
    """One entry of server_name (RFC 6066 section 3); type 0 is a host name."""

    type: int
    name: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyShare:
    """One KeyShareEntry (RFC 8446 section 4.2.8)."""

    group: int
    key_exchange: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PreSharedKeys:
    """The OfferedPsks of a ClientHello (RFC 8446 section 4.2.11): an identity and a binder for each key."""

    identities: tuple[bytes, ...]
    ages: tuple[int, ...]
    """The obfuscated_ticket_age of each; 0 for a key from outside TLS."""
    binders: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusRequest:
    """A CertificateStatusRequest (RFC 6066 section 8, RFC 6961 section 2.2): 1 is ocsp, 2 ocsp_multi."""

    status_type: int
    request: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateStatus:
    """Stapled OCSP responses in DER (RFC 6066 section 8, RFC 6961 section 2.2).

    `ocsp` (1) has one response; `ocsp_multi` (2) one for each certificate, empty where there is none.
    """

    status_type: int
    responses: tuple[bytes, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedClientHello:
    """An ECHClientHello (RFC 9849 section 5): what the outer hello shows; the inner one shows nothing."""

    inner: bool
    kdf: int = 0
    aead: int = 0
    config_id: int = 0
    enc: bytes = b""
    payload_length: int = 0


def read_extensions(reader: Reader) -> tuple[Extension, ...]:
    """Read an extension block from `reader`: two length bytes, then type, length and body of each."""
    block = reader.sub(2, "extensions")
    data = block.data[block.position : block.end]
    # Of servers nearly all blocks are alike.
    read = _remembered_block if len(data) <= _MAX_REMEMBERED else _block
    return read(data, block.position, block.what)


def _block(data: bytes, start: int, what: str) -> tuple[Extension, ...]:
    position, end = 0, len(data)
    found = []
    while position < end:
        if end - position < 4:
            raise WireError(f"{what}.type", start + position, f"4 bytes needed, {end - position} left")
        kind, length = _TYPE_AND_LENGTH(data, position)
        position += 4
        stop = position + length
        if stop > end:
            name = f"{what}.{extension_name(kind)}"
            raise WireError(name, start + position, f"{length} bytes needed, {end - position} left")
        # tuple.__new__ is what Extension(...) calls, at less than half its cost.
        found.append(tuple.__new__(Extension, (kind, data[position:stop], start + position)))
        position = stop
    return tuple(found)


_MAX_REMEMBERED: Final = 1024
"""Bytes of an extension block that may be remembered."""
_remembered_block = lru_cache(maxsize=256)(_block)
_KEY_SHARE: Final = 51


def value_of(extension: Extension, carrier: Carrier) -> object:
    """Parse an extension of the message `carrier`; without a row for it the value is its body."""
    read = _TABLE[carrier].get(extension.type)
    if read is None:
        return extension.body
    # Of the extensions of one stack only the key share differs from hello to hello.
    remembered = len(extension.body) <= _MAX_REMEMBERED and extension.type != _KEY_SHARE
    return (_remembered_value if remembered else parse_as)(extension, read)


def parse_as(extension: Extension, read: Callable[[Reader], Value]) -> Value:
    """Parse an extension by one of the `read_` functions, which must consume all of its body."""
    try:
        reader = Reader(extension.body, extension_name(extension.type))
        value = read(reader)
        reader.finish()
    except WireError as error:
        raise WireError(error.what, extension.offset + error.offset, error.reason) from None
    return value


@lru_cache(maxsize=1024)
def _remembered_value(extension: Extension, read: Callable[[Reader], object]) -> object:
    return parse_as(extension, read)


def unpack_u16(data: bytes, what: str, offset: int) -> tuple[int, ...]:
    """Big-endian 16-bit numbers; `what` and `offset` are for the error when the length is odd."""
    if len(data) % 2:
        raise WireError(what, offset, f"{len(data)} bytes are no whole number of 2-byte values")
    return unpack(f">{len(data) // 2}H", data)


def read_u8(reader: Reader) -> int:
    """One byte: max_fragment_length (code 1 to 4 for 512 to 4096 bytes), one PSK mode, and the like."""
    return reader.u8("value")


def read_u16(reader: Reader) -> int:
    """Two bytes: a selected version or group, record_size_limit, a selected identity."""
    return reader.u16("value")


def read_u32(reader: Reader) -> int:
    """Four bytes: max_early_data_size."""
    return reader.u32("value")


def read_u8_list(reader: Reader) -> tuple[int, ...]:
    """Bytes behind a length byte: ec_point_formats (RFC 8422), psk_key_exchange_modes (RFC 8446)."""
    return tuple(reader.vector(1, "list"))


def read_u16_list(reader: Reader) -> tuple[int, ...]:
    """16-bit numbers behind two length bytes: supported_groups, signature_algorithms."""
    return _u16_list(reader, 2)


def read_u16_list_short(reader: Reader) -> tuple[int, ...]:
    """16-bit numbers behind one length byte: supported_versions, compress_certificate."""
    return _u16_list(reader, 1)


def read_vector16_list(reader: Reader) -> tuple[bytes, ...]:
    """Read a list of vectors, both lengths two bytes: certificate_authorities, SCTs (RFC 6962 3.3)."""
    return _vectors(reader.sub(2, "list"), 2)


def read_server_names(reader: Reader) -> tuple[ServerName, ...]:
    """ServerNameList of a ClientHello (RFC 6066 section 3)."""
    names = reader.sub(2, "list")
    found = []
    while names.left:
        found.append(ServerName(type=names.u8("name_type"), name=names.vector(2, "name")))
    return tuple(found)


def read_alpn(reader: Reader) -> tuple[bytes, ...]:
    """ProtocolNameList (RFC 7301 section 3.1); a server sends one name."""
    return _vectors(reader.sub(2, "list"), 1)


def read_key_shares(reader: Reader) -> tuple[KeyShare, ...]:
    """KeyShareClientHello (RFC 8446 section 4.2.8)."""
    shares = reader.sub(2, "client_shares")
    found = []
    while shares.left:
        found.append(read_selected_key_share(shares))
    return tuple(found)


def read_selected_key_share(reader: Reader) -> KeyShare:
    """KeyShareServerHello (RFC 8446 section 4.2.8)."""
    return KeyShare(group=reader.u16("group"), key_exchange=reader.vector(2, "key_exchange"))


def read_cookie(reader: Reader) -> bytes:
    """The cookie of a HelloRetryRequest, and of the ClientHello that answers (RFC 8446 section 4.2.2)."""
    return reader.vector(2, "cookie")


def read_certificate_status(reader: Reader) -> CertificateStatus:
    """CertificateStatus (RFC 6066 section 8, RFC 6961 section 2.2); an unknown type has no responses."""
    kind = reader.u8("status_type")
    if kind == _OCSP:
        return CertificateStatus(status_type=kind, responses=(reader.vector(3, "response"),))
    if kind == _OCSP_MULTI:
        return CertificateStatus(status_type=kind, responses=_vectors(reader.sub(3, "responses"), 3))
    reader.rest()
    return CertificateStatus(status_type=kind, responses=())


def _read_flag(_: Reader) -> bool:
    """Read the empty body of an extension that says all by being there."""
    return True


def _read_rest(reader: Reader) -> bytes:
    return reader.rest()


def _read_renegotiated_connection(reader: Reader) -> bytes:
    """RFC 5746 section 3.2."""
    return reader.vector(1, "renegotiated_connection")


def read_pre_shared_keys(reader: Reader) -> PreSharedKeys:
    """RFC 8446 section 4.2.11."""
    identities = reader.sub(2, "identities")
    found, ages = [], []
    while identities.left:
        found.append(identities.vector(2, "identity"))
        ages.append(identities.u32("obfuscated_ticket_age"))
    return PreSharedKeys(identities=tuple(found), ages=tuple(ages), binders=_vectors(reader.sub(2, "binders"), 1))


def _read_status_request(reader: Reader) -> StatusRequest:
    """RFC 6066 section 8; the request of an unknown type is whatever follows."""
    kind = reader.u8("status_type")
    start = reader.position
    if kind in (_OCSP, _OCSP_MULTI):
        reader.vector(2, "responder_id_list")
        reader.vector(2, "request_extensions")
    else:
        reader.rest()
    return StatusRequest(status_type=kind, request=reader.data[start : reader.position])


def _read_status_request_v2(reader: Reader) -> tuple[StatusRequest, ...]:
    """RFC 6961 section 2.2."""
    items = reader.sub(2, "list")
    found = []
    while items.left:
        kind = items.u8("status_type")
        found.append(StatusRequest(status_type=kind, request=items.vector(2, "request")))
    return tuple(found)


def _read_encrypted_client_hello(reader: Reader) -> EncryptedClientHello:
    """RFC 9849 section 5."""
    kind = reader.u8("type")
    if kind == 1:
        return EncryptedClientHello(inner=True)
    if kind != 0:
        raise WireError(f"{reader.what}.type", 0, f"0 (outer) or 1 (inner) needed, {kind} found")
    return EncryptedClientHello(
        inner=False,
        kdf=reader.u16("kdf_id"),
        aead=reader.u16("aead_id"),
        config_id=reader.u8("config_id"),
        enc=reader.vector(2, "enc"),
        payload_length=len(reader.vector(2, "payload")),
    )


def _read_next_protocols(reader: Reader) -> tuple[bytes, ...]:
    """draft-agl-tls-nextprotoneg-04 section 3: the server's list has no length of its own."""
    return _vectors(reader, 1)


def _u16_list(reader: Reader, length_bytes: int) -> tuple[int, ...]:
    values = reader.vector(length_bytes, "list")
    return unpack_u16(values, f"{reader.what}.list", reader.position - len(values))


def _vectors(reader: Reader, length_bytes: int) -> tuple[bytes, ...]:
    found: list[bytes] = []
    while reader.left:
        if len(found) == _MOST_ENTRIES:
            raise WireError(reader.what, reader.position, f"more than {_MOST_ENTRIES} entries")
        found.append(reader.vector(length_bytes, "entry"))
    return tuple(found)


_TYPE_AND_LENGTH: Final = Struct(">HH").unpack_from
_MOST_ENTRIES: Final = 1 << 16
"""What a list behind two length bytes can hold; without a bound ocsp_multi, behind three, holds millions."""

_OCSP: Final = 1
_OCSP_MULTI: Final = 2

_ROWS: Final[tuple[tuple[int, str, Callable[[Reader], object]], ...]] = (
    (ExtensionType.SERVER_NAME, "CH", read_server_names),
    (ExtensionType.SERVER_NAME, "SH EE", _read_flag),
    (ExtensionType.MAX_FRAGMENT_LENGTH, "CH SH EE", read_u8),
    (ExtensionType.STATUS_REQUEST, "CH CR", _read_status_request),
    (ExtensionType.STATUS_REQUEST, "SH", _read_flag),
    (ExtensionType.STATUS_REQUEST, "CT", read_certificate_status),
    (ExtensionType.STATUS_REQUEST_V2, "CH", _read_status_request_v2),
    (ExtensionType.STATUS_REQUEST_V2, "SH", _read_flag),
    (ExtensionType.SUPPORTED_GROUPS, "CH SH EE", read_u16_list),
    (ExtensionType.EC_POINT_FORMATS, "CH SH", read_u8_list),
    (ExtensionType.SIGNATURE_ALGORITHMS, "CH CR", read_u16_list),
    (ExtensionType.SIGNATURE_ALGORITHMS_CERT, "CH CR", read_u16_list),
    (ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, "CH SH EE", read_alpn),
    (ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP, "CH CR", _read_flag),
    (ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP, "SH CT", read_vector16_list),
    (ExtensionType.ENCRYPT_THEN_MAC, "CH SH", _read_flag),
    (ExtensionType.EXTENDED_MASTER_SECRET, "CH SH", _read_flag),
    (ExtensionType.COMPRESS_CERTIFICATE, "CH CR", read_u16_list_short),
    (ExtensionType.RECORD_SIZE_LIMIT, "CH SH EE", read_u16),
    (ExtensionType.DELEGATED_CREDENTIAL, "CH CR", read_u16_list),
    (ExtensionType.SESSION_TICKET, "CH SH", _read_rest),
    (ExtensionType.PRE_SHARED_KEY, "CH", read_pre_shared_keys),
    (ExtensionType.PRE_SHARED_KEY, "SH", read_u16),
    (ExtensionType.EARLY_DATA, "CH EE", _read_flag),
    (ExtensionType.EARLY_DATA, "NST", read_u32),
    (ExtensionType.SUPPORTED_VERSIONS, "CH", read_u16_list_short),
    (ExtensionType.SUPPORTED_VERSIONS, "SH HRR", read_u16),
    (ExtensionType.COOKIE, "CH HRR", read_cookie),
    (ExtensionType.PSK_KEY_EXCHANGE_MODES, "CH", read_u8_list),
    (ExtensionType.CERTIFICATE_AUTHORITIES, "CH CR", read_vector16_list),
    (ExtensionType.POST_HANDSHAKE_AUTH, "CH", _read_flag),
    (ExtensionType.KEY_SHARE, "CH", read_key_shares),
    (ExtensionType.KEY_SHARE, "SH", read_selected_key_share),
    (ExtensionType.KEY_SHARE, "HRR", read_u16),
    (ExtensionType.NEXT_PROTOCOL_NEGOTIATION, "CH", _read_flag),
    (ExtensionType.NEXT_PROTOCOL_NEGOTIATION, "SH", _read_next_protocols),
    (ExtensionType.APPLICATION_SETTINGS_OLD, "CH", read_alpn),
    (ExtensionType.APPLICATION_SETTINGS, "CH", read_alpn),
    (ExtensionType.ENCRYPTED_CLIENT_HELLO, "CH", _read_encrypted_client_hello),
    (ExtensionType.RENEGOTIATION_INFO, "CH SH", _read_renegotiated_connection),
)
"""Type, the messages that carry it so, and how its body is read (RFC 8446 section 4.2 and the RFC named)."""

_TABLE: Final[dict[str, dict[int, Callable[[Reader], object]]]] = {
    carrier: {kind: read for kind, carriers, read in _ROWS if carrier in carriers.split()}
    for carrier in get_args(Carrier)
}
