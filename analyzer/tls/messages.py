"""Handshake messages and alerts: bytes of one message body to plain data, SSL 3.0 to TLS 1.3.

A body is what follows the four bytes of type and length (RFC 8446 section 4). `parse` looks the parser up
by the type; each is also a function of its own. All raise `WireError` when bytes are missing, left over, or
of a length that the format forbids. Minimum lengths are not enforced (a hello without cipher suites parses:
it is a fact about the peer, not a riddle), order and duplicates are kept, numbers need not be registered.

A message that the capture has only the beginning of goes to `parse_partial`: the result holds what is
there and says `complete=False`.

In a hello the value of a malformed extension counts as absent, so that the rest of the hello can be used;
`malformed_extensions` names those.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from functools import lru_cache
from struct import Struct
from typing import Final, TypeAlias, TypeVar, cast

from analyzer.dataclass import dataclass
from analyzer.errors import WireError
from analyzer.registry import (
    AlertDescription,
    AlertLevel,
    CertificateCompressionAlgorithm,
    ExtensionType,
    HandshakeType,
    ProtocolVersion,
    alert_level_name,
    alert_name,
    certificate_compression_name,
    cipher_suite_name,
    is_grease,
    printable,
)
from analyzer.tls.extensions import (
    Carrier,
    CertificateStatus,
    Extension,
    PreSharedKeys,
    parse_as,
    read_alpn,
    read_certificate_status,
    read_cookie,
    read_extensions,
    read_key_shares,
    read_pre_shared_keys,
    read_selected_key_share,
    read_server_names,
    read_u8_list,
    read_u16,
    read_u16_list,
    read_u16_list_short,
    read_u32,
    read_vector16_list,
    unpack_u16,
    value_of,
)
from analyzer.tls.names import name_text
from analyzer.wire import Reader

__all__ = [
    "HELLO_RETRY_REQUEST_RANDOM",
    "Alert",
    "Certificate",
    "CertificateEntry",
    "CertificateRequest",
    "CertificateStatus",
    "CertificateVerify",
    "ClientHello",
    "CompressedCertificate",
    "EncryptedExtensions",
    "KeyUpdate",
    "Message",
    "NewSessionTicket",
    "ServerHello",
    "ServerKeyExchange",
    "is_tls13",
    "parse",
    "parse_alert",
    "parse_certificate",
    "parse_certificate_request",
    "parse_certificate_status",
    "parse_certificate_verify",
    "parse_client_hello",
    "parse_compressed_certificate",
    "parse_encrypted_extensions",
    "parse_hello_retry_request",
    "parse_key_update",
    "parse_malformed_hello",
    "parse_new_session_ticket",
    "parse_partial",
    "parse_partial_certificate",
    "parse_partial_client_hello",
    "parse_server_hello",
    "parse_server_key_exchange",
    "parse_sslv2_certificate",
    "parse_sslv2_client_hello",
    "parse_sslv2_server_hello",
]

HELLO_RETRY_REQUEST_RANDOM: Final = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
"""SHA-256 of "HelloRetryRequest": the random of a ServerHello that is one (RFC 8446 section 4.1.3)."""

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class _WithExtensions:
    """What messages with an extension block have in common."""

    extensions: tuple[Extension, ...] = ()

    def extension(self, kind: int) -> Extension | None:
        """Find the first extension of a type."""
        return _first(self.extensions, kind)

    def value(self, kind: int) -> object:
        """Parse the first extension of a type; None when there is none. Raises `WireError`."""
        extension = self.extension(kind)
        return None if extension is None else value_of(extension, self._carrier)

    def malformed_extensions(self) -> tuple[WireError, ...]:
        """Parse all extensions that have a known format, and tell which of them break it."""
        errors = []
        for extension in self.extensions:
            try:
                value_of(extension, self._carrier)
            except WireError as error:
                errors.append(error)
        return tuple(errors)

    @property
    def _carrier(self) -> Carrier:
        raise NotImplementedError

    def _value(self, kind: int, read: Callable[[Reader], Value]) -> Value | None:
        return _value(self.extensions, kind, read)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientHello(_WithExtensions):
    """RFC 8446 section 4.1.2, RFC 5246 section 7.4.1.2; with `sslv2`, RFC 5246 appendix E.2.

    `cipher_kinds` are the three-byte values of an SSLv2-style hello, of which `cipher_suites` has those
    that TLS knows; its challenge is `random`, padded or cut on the left to 32 bytes.
    """

    legacy_version: int
    random: bytes
    session_id: bytes
    cipher_suites: tuple[int, ...]
    compression_methods: tuple[int, ...]
    cipher_kinds: tuple[int, ...] = ()
    sslv2: bool = False
    complete: bool = True

    @property
    def _carrier(self) -> Carrier:
        return "CH"

    @property
    def server_name(self) -> str | None:
        """The first host name of server_name, as text that is safe to show."""
        return self._value(ExtensionType.SERVER_NAME, _read_host_name)

    @property
    def alpn(self) -> tuple[bytes, ...]:
        """The protocols offered, the preferred first."""
        return self._value(ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, read_alpn) or ()

    @property
    def offered_versions(self) -> tuple[int, ...]:
        """supported_versions without GREASE; without the extension the legacy version alone."""
        versions = self._value(ExtensionType.SUPPORTED_VERSIONS, read_u16_list_short)
        if versions is None:
            return (self.legacy_version,)
        return tuple(version for version in versions if not is_grease(version))

    @property
    def supported_groups(self) -> tuple[int, ...]:
        """The groups offered, GREASE included."""
        return self._value(ExtensionType.SUPPORTED_GROUPS, read_u16_list) or ()

    @property
    def pre_shared_keys(self) -> PreSharedKeys | None:
        """The pre-shared keys offered (RFC 8446 section 4.2.11)."""
        return self._value(ExtensionType.PRE_SHARED_KEY, read_pre_shared_keys)

    @property
    def ec_point_formats(self) -> tuple[int, ...]:
        """The point formats offered."""
        return self._value(ExtensionType.EC_POINT_FORMATS, read_u8_list) or ()

    @property
    def signature_algorithms(self) -> tuple[int, ...]:
        """The signature schemes offered, GREASE included."""
        return self._value(ExtensionType.SIGNATURE_ALGORITHMS, read_u16_list) or ()

    @property
    def key_share_groups(self) -> tuple[int, ...]:
        """The groups that a key share was sent for."""
        shares = self._value(ExtensionType.KEY_SHARE, read_key_shares) or ()
        return tuple(share.group for share in shares)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerHello(_WithExtensions):
    """RFC 8446 section 4.1.3, RFC 5246 section 7.4.1.3; also a HelloRetryRequest.

    Up to draft 21 of TLS 1.3 the message has no session id and no compression method, and a
    HelloRetryRequest is a message of its own, with neither random nor (before draft 19) cipher suite.
    """

    legacy_version: int
    random: bytes
    session_id: bytes = b""
    cipher_suite: int | None
    compression_method: int = 0

    @property
    def _carrier(self) -> Carrier:
        return "HRR" if self.is_hello_retry_request else "SH"

    @property
    def is_hello_retry_request(self) -> bool:
        """Whether this asks for a second ClientHello."""
        return self.random == HELLO_RETRY_REQUEST_RANDOM or not self.random

    @property
    def version(self) -> int:
        """The negotiated version: supported_versions' choice, else the legacy version."""
        selected = self._value(ExtensionType.SUPPORTED_VERSIONS, read_u16)
        return self.legacy_version if selected is None else selected

    @property
    def downgrade_sentinel(self) -> int | None:
        """TLS 1.3 or 1.2, when the random says that this server can do that and negotiated less.

        RFC 8446 section 4.1.3. A client that offered the version must abort with illegal_parameter.
        """
        return _DOWNGRADE_SENTINELS.get(self.random[-8:])

    @property
    def group(self) -> int | None:
        """The group of key_share: the one used, or in a HelloRetryRequest the one asked for."""
        if self.is_hello_retry_request:
            return self._value(ExtensionType.KEY_SHARE, read_u16)
        share = self._value(ExtensionType.KEY_SHARE, read_selected_key_share)
        return None if share is None else share.group

    @property
    def cookie(self) -> bytes | None:
        """The cookie of a HelloRetryRequest."""
        return self._value(ExtensionType.COOKIE, read_cookie)

    @property
    def alpn(self) -> bytes | None:
        """The protocol selected (before TLS 1.3; afterwards it is in EncryptedExtensions)."""
        return _only(self._value(ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, read_alpn))


@dataclass(frozen=True, slots=True, kw_only=True)
class EncryptedExtensions(_WithExtensions):
    """RFC 8446 section 4.3.1."""

    @property
    def _carrier(self) -> Carrier:
        return "EE"

    @property
    def alpn(self) -> bytes | None:
        """The protocol selected."""
        return _only(self._value(ExtensionType.APPLICATION_LAYER_PROTOCOL_NEGOTIATION, read_alpn))


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateEntry(_WithExtensions):
    """One certificate in DER; extensions since TLS 1.3 (RFC 8446 section 4.4.2)."""

    der: bytes

    @property
    def _carrier(self) -> Carrier:
        return "CT"

    @property
    def ocsp_response(self) -> bytes | None:
        """The stapled OCSP response in DER."""
        status = self._value(ExtensionType.STATUS_REQUEST, read_certificate_status)
        return status.responses[0] if status is not None and status.responses else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """RFC 8446 section 4.4.2, RFC 5246 section 7.4.2. No entries: the client has no certificate.

    With `complete` false the capture has only the beginning, and `entries` those that are whole.
    """

    entries: tuple[CertificateEntry, ...]
    request_context: bytes = b""
    complete: bool = True

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The certificates in DER, in wire order."""
        return tuple(entry.der for entry in self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressedCertificate:
    """RFC 8879 section 4: a TLS 1.3 Certificate message, compressed."""

    algorithm: int
    uncompressed_length: int
    data: bytes

    def decompress(self) -> Certificate:
        """Undo the compression, and parse the Certificate.

        Raises `WireError` for an algorithm that cannot be undone here (an unknown one; brotli when no
        `brotli` module is installed), for data that is not of that format, and for a result that is not
        exactly `uncompressed_length` (below 2^24) bytes: no more than that is ever made.
        """
        name = certificate_compression_name(self.algorithm)
        decompress = _DECOMPRESSORS.get(self.algorithm)
        if decompress is None:
            raise WireError("CompressedCertificate.algorithm", 0, f"{name} cannot be decompressed")
        body = decompress(self.data, self.uncompressed_length)
        if len(body) != self.uncompressed_length:
            made = "more" if len(body) > self.uncompressed_length else str(len(body))
            reason = f"{self.uncompressed_length} bytes announced, {made} made"
            raise WireError("CompressedCertificate.data", 8, reason)
        return parse_certificate(body, tls13=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateRequest(_WithExtensions):
    """RFC 8446 section 4.3.2, RFC 5246 section 7.4.4, RFC 4346 section 7.4.4.

    `authorities` are DER names. `signature_algorithms` is empty before TLS 1.2, `certificate_types` since
    TLS 1.3.
    """

    request_context: bytes = b""
    certificate_types: tuple[int, ...] = ()
    signature_algorithms: tuple[int, ...] = ()
    authorities: tuple[bytes, ...] = ()

    @property
    def _carrier(self) -> Carrier:
        return "CR"

    @property
    def authority_names(self) -> tuple[str, ...]:
        """`authorities` as RFC 4514 text that is safe to show."""
        return tuple(name_text(name) for name in self.authorities)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKeyExchange:
    """RFC 5246 section 7.4.3, RFC 8422 section 5.4, RFC 4279 section 2.

    `group` is the named curve of ECDHE, `dh_prime_bits` and `rsa_modulus_bits` the sizes of an ephemeral
    DH group or export RSA key. `public` is the server's public value: the point of ECDHE, the big-endian
    number of DHE. `parameters` are the bytes that `signature` is made over, behind both randoms; both are
    empty where nothing is signed. `signature_scheme` is None before TLS 1.2 and where nothing is signed. For
    a key exchange unknown here all fields are None or empty.
    """

    curve_type: int | None = None
    group: int | None = None
    dh_prime_bits: int | None = None
    rsa_modulus_bits: int | None = None
    psk_identity_hint: bytes | None = None
    signature_scheme: int | None = None
    public: bytes = b""
    parameters: bytes = b""
    signature: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateVerify:
    """RFC 8446 section 4.4.3, RFC 5246 section 7.4.8. No scheme is named before TLS 1.2."""

    signature_scheme: int | None
    signature: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSessionTicket(_WithExtensions):
    """RFC 8446 section 4.6.1, RFC 5077 section 3.3. `lifetime` is in seconds, before TLS 1.3 a hint."""

    lifetime: int
    ticket: bytes
    nonce: bytes = b""

    @property
    def _carrier(self) -> Carrier:
        return "NST"

    @property
    def max_early_data_size(self) -> int | None:
        """Bytes of early data that the server will take; None when it takes none."""
        return self._value(ExtensionType.EARLY_DATA, read_u32)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUpdate:
    """RFC 8446 section 4.6.3."""

    update_requested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """RFC 8446 section 6, RFC 5246 section 7.2."""

    level: int
    description: int

    @property
    def name(self) -> str:
        """`unknown_ca`."""
        return alert_name(self.description)

    @property
    def level_name(self) -> str:
        """`warning` or `fatal`."""
        return alert_level_name(self.level)

    def is_fatal(self, version: int | None) -> bool:
        """Whether the connection ends by it: in TLS 1.3 nearly all do, whatever their level (section 6.2)."""
        if is_tls13(version):
            return self.description not in (AlertDescription.CLOSE_NOTIFY, AlertDescription.USER_CANCELED)
        return self.level == AlertLevel.FATAL


Message: TypeAlias = (
    ClientHello
    | ServerHello
    | EncryptedExtensions
    | Certificate
    | CompressedCertificate
    | CertificateRequest
    | CertificateStatus
    | CertificateVerify
    | ServerKeyExchange
    | NewSessionTicket
    | KeyUpdate
)


def is_tls13(version: int | None) -> bool:
    """Whether a negotiated version is TLS 1.3 or one of its drafts."""
    return version == ProtocolVersion.TLS_1_3 or (version is not None and version >> 8 in (0x7F, 0xFB))


def parse(
    handshake_type: int, body: bytes, *, version: int | None = None, cipher_suite: int | None = None
) -> Message | None:
    """Parse the body of a handshake message by its type; None for types without fields of interest.

    `version` and `cipher_suite` are the negotiated ones, on which several formats depend. Without a version
    the forms of Certificate and CertificateRequest are told apart by their bytes, all else is read as
    TLS 1.2.
    """
    parser = _PARSERS.get(handshake_type)
    return None if parser is None else parser(body, version, cipher_suite)


def parse_partial(
    handshake_type: int, prefix: bytes, length: int, *, version: int | None = None
) -> ClientHello | Certificate | None:
    """Parse the beginning of a message of `length` bytes; None for types for which that is no use.

    Raises `WireError` when the beginning is too short to hold anything of use, or breaks the format.
    """
    if handshake_type == HandshakeType.CLIENT_HELLO:
        return parse_partial_client_hello(prefix, length)
    if handshake_type == HandshakeType.CERTIFICATE:
        tls13 = _looks_like_tls13(prefix, length) if version is None else is_tls13(version)
        return parse_partial_certificate(prefix, length, tls13=tls13)
    return None


_HELLO_BEGINS: Final = Struct(">H32sB")
_ANY_LENGTH: Final = 1 << 24
"""More than any handshake message has."""


def parse_client_hello(body: bytes) -> ClientHello:
    """RFC 8446 section 4.1.2. It may end after the compression methods, without an extension block."""
    reader = Reader(body, "ClientHello")
    version, random, session_id = _beginning_of_hello(reader)
    suites = reader.vector(2, "cipher_suites")
    cipher_suites = unpack_u16(suites, "ClientHello.cipher_suites", reader.position - len(suites))
    compression_methods = tuple(reader.vector(1, "compression_methods"))
    extensions: tuple[Extension, ...] = ()
    if reader.left:
        extensions = read_extensions(reader)
        reader.finish()
    return ClientHello(
        legacy_version=version,
        random=random,
        session_id=session_id,
        cipher_suites=cipher_suites,
        compression_methods=compression_methods,
        extensions=extensions,
    )


def parse_sslv2_client_hello(body: bytes) -> ClientHello:
    """RFC 5246 appendix E.2. `body` is the SSLv2 record after its two length bytes: msg_type (1) first."""
    reader = Reader(body, "ClientHello (SSLv2)")
    kind = reader.u8("msg_type")
    if kind != HandshakeType.CLIENT_HELLO:
        raise WireError("ClientHello (SSLv2).msg_type", 0, f"1 needed, {kind} found")
    version = reader.u16("version")
    kinds_length = reader.u16("cipher_spec_length")
    session_id_length = reader.u16("session_id_length")
    challenge_length = reader.u16("challenge_length")
    if kinds_length % 3:
        raise WireError("ClientHello (SSLv2).cipher_spec_length", 3, f"{kinds_length} is no multiple of 3")
    kinds = reader.take(kinds_length, "cipher_specs")
    session_id = reader.take(session_id_length, "session_id")
    challenge = reader.take(challenge_length, "challenge")
    reader.finish()
    cipher_kinds = tuple(int.from_bytes(kinds[at : at + 3], "big") for at in range(0, kinds_length, 3))
    return ClientHello(
        legacy_version=version,
        random=challenge[-32:].rjust(32, b"\0"),
        session_id=session_id,
        cipher_suites=tuple(kind for kind in cipher_kinds if kind <= 0xFFFF),
        compression_methods=(0,),
        cipher_kinds=cipher_kinds,
        sslv2=True,
    )


def parse_sslv2_server_hello(body: bytes) -> ServerHello:
    """Section 2.6 of "The SSL Protocol", 1995. `body` follows the record's two length bytes: msg_type (4) first.

    The client chooses among the cipher kinds later, so there is no cipher suite. The connection id, the server's share
    of randomness, stands for the random value.
    """
    _, connection = _sslv2_server_hello(body)
    return ServerHello(legacy_version=ProtocolVersion.SSL_2_0, random=connection.ljust(16, b"\0"), cipher_suite=None)


def parse_sslv2_certificate(body: bytes) -> bytes:
    """The certificate in an SSL 2.0 SERVER-HELLO, empty where a session is resumed: see `parse_sslv2_server_hello`."""
    certificate, _ = _sslv2_server_hello(body)
    return certificate


def _sslv2_server_hello(body: bytes) -> tuple[bytes, bytes]:
    """Certificate and connection id."""
    reader = Reader(body, "ServerHello (SSLv2)")
    reader.take(5, "msg_type to version")
    sizes = [reader.u16(name) for name in ("certificate_length", "cipher_specs_length", "connection_id_length")]
    certificate, _, connection = (
        reader.take(size, name)
        for size, name in zip(sizes, ("certificate", "cipher_specs", "connection_id"), strict=True)
    )
    return certificate, connection


def parse_partial_client_hello(prefix: bytes, length: int) -> ClientHello:
    """Parse the first bytes of a ClientHello of `length` bytes: version and random at least (34 bytes).

    What the cut falls into is left out: half a session id, the rest of the cipher suites, the extensions
    from there on. Raises `WireError` for less than 34 bytes, and where a length points past `length`.
    """
    if len(prefix) >= length:
        return parse_client_hello(prefix)
    reader = Reader(prefix, "ClientHello")
    version = reader.u16("legacy_version")
    random = reader.take(32, "random")
    session_id = _beginning(reader, 1, "session_id", length).rest()
    suites = _beginning(reader, 2, "cipher_suites", length).rest()
    compression_methods = _beginning(reader, 1, "compression_methods", length).rest()
    block = _beginning(reader, 2, "extensions", length)
    return ClientHello(
        legacy_version=version,
        random=random,
        session_id=session_id,
        cipher_suites=unpack_u16(suites[: len(suites) // 2 * 2], "ClientHello.cipher_suites", 0),
        compression_methods=tuple(compression_methods),
        extensions=_whole_extensions(block),
        complete=False,
    )


def _whole_extensions(block: Reader) -> tuple[Extension, ...]:
    """The extensions of a block up to one that it does not hold whole."""
    found = []
    while block.left:
        try:
            kind = block.u16("type")
            body = block.vector(2, "body")
        except WireError:
            break
        found.append(Extension(kind, body, block.position - len(body)))
    return tuple(found)


def parse_server_hello(body: bytes) -> ServerHello:
    """RFC 8446 section 4.1.3; also the shorter form of the drafts up to 21."""
    reader = Reader(body, "ServerHello")
    if old_draft := _is_old_draft(body):
        version, random, session_id = reader.u16("legacy_version"), reader.take(32, "random"), b""
    else:
        version, random, session_id = _beginning_of_hello(reader)
    cipher_suite = reader.u16("cipher_suite")
    compression_method = 0 if old_draft else reader.u8("compression_method")
    extensions = read_extensions(reader) if reader.left else ()
    reader.finish()
    return ServerHello(
        legacy_version=version,
        random=random,
        session_id=session_id,
        cipher_suite=cipher_suite,
        compression_method=compression_method,
        extensions=extensions,
    )


def parse_malformed_hello(handshake_type: int, body: bytes) -> ClientHello | ServerHello | None:
    """What a hello that breaks its format says before the place where it does; None when that is not enough.

    Of extensions those are kept that stand before it.
    """
    try:
        if handshake_type == HandshakeType.CLIENT_HELLO:
            return parse_partial_client_hello(body, _ANY_LENGTH)
        if handshake_type != HandshakeType.SERVER_HELLO or _is_old_draft(body):
            return None
        reader = Reader(body, "ServerHello")
        version, random, session_id = _beginning_of_hello(reader)
        return ServerHello(
            legacy_version=version,
            random=random,
            session_id=session_id,
            cipher_suite=reader.u16("cipher_suite"),
            compression_method=reader.u8("compression_method"),
            extensions=_whole_extensions(_beginning(reader, 2, "extensions", _ANY_LENGTH)),
        )
    except WireError:
        return None


def parse_hello_retry_request(body: bytes) -> ServerHello:
    """Message type 6 of the drafts of TLS 1.3 up to 21 (section 4.1.4 there)."""
    reader = Reader(body, "HelloRetryRequest")
    version = reader.u16("server_version")
    cipher_suite = reader.u16("cipher_suite") if version & 0xFF >= _DRAFT_WITH_SUITE_IN_RETRY else None
    extensions = read_extensions(reader)
    reader.finish()
    return ServerHello(legacy_version=version, random=b"", cipher_suite=cipher_suite, extensions=extensions)


def parse_encrypted_extensions(body: bytes) -> EncryptedExtensions:
    """RFC 8446 section 4.3.1."""
    reader = Reader(body, "EncryptedExtensions")
    extensions = read_extensions(reader)
    reader.finish()
    return EncryptedExtensions(extensions=extensions)


def parse_certificate(body: bytes, *, tls13: bool) -> Certificate:
    """RFC 8446 section 4.4.2 with `tls13`, else RFC 5246 section 7.4.2."""
    reader = Reader(body, "Certificate")
    context = reader.vector(1, "certificate_request_context") if tls13 else b""
    entries = reader.sub(3, "certificate_list")
    reader.finish()
    found: list[CertificateEntry] = []
    while entries.left:
        if len(found) == _MOST_CERTIFICATES:
            raise WireError(entries.what, entries.position, f"more than {_MOST_CERTIFICATES} certificates")
        der = entries.vector(3, "certificate")
        found.append(CertificateEntry(der=der, extensions=read_extensions(entries) if tls13 else ()))
    return Certificate(entries=tuple(found), request_context=context)


def parse_partial_certificate(prefix: bytes, length: int, *, tls13: bool) -> Certificate:
    """Parse the first bytes of a Certificate message of `length` bytes: the certificates that are whole.

    There may be none; the last may lack its extensions. Raises `WireError` where a length points past
    `length`.
    """
    if len(prefix) >= length:
        return parse_certificate(prefix, tls13=tls13)
    reader = Reader(prefix, "Certificate")
    context = _beginning(reader, 1, "certificate_request_context", length).rest() if tls13 else b""
    entries = _beginning(reader, 3, "certificate_list", length)
    found: list[CertificateEntry] = []
    while entries.left >= 3 and len(found) < _MOST_CERTIFICATES:
        announced = int.from_bytes(prefix[entries.position : entries.position + 3], "big")
        der = _beginning(entries, 3, "certificate", length)
        if der.left < announced:
            break
        extensions: tuple[Extension, ...] = ()
        if tls13:
            try:
                extensions = read_extensions(entries)
            except WireError:
                entries.rest()
        found.append(CertificateEntry(der=der.rest(), extensions=extensions))
    return Certificate(entries=tuple(found), request_context=context, complete=False)


def parse_compressed_certificate(body: bytes) -> CompressedCertificate:
    """RFC 8879 section 4."""
    reader = Reader(body, "CompressedCertificate")
    message = CompressedCertificate(
        algorithm=reader.u16("algorithm"),
        uncompressed_length=reader.u24("uncompressed_length"),
        data=reader.vector(3, "compressed_certificate_message"),
    )
    reader.finish()
    return message


def parse_certificate_request(body: bytes, *, version: int) -> CertificateRequest:
    """RFC 8446 section 4.3.2, RFC 5246 section 7.4.4 (TLS 1.2), RFC 4346 section 7.4.4 (before)."""
    reader = Reader(body, "CertificateRequest")
    if is_tls13(version):
        context = reader.vector(1, "certificate_request_context")
        extensions = read_extensions(reader)
        reader.finish()
        return CertificateRequest(
            request_context=context,
            signature_algorithms=_value(extensions, ExtensionType.SIGNATURE_ALGORITHMS, read_u16_list) or (),
            authorities=_value(extensions, ExtensionType.CERTIFICATE_AUTHORITIES, read_vector16_list) or (),
            extensions=extensions,
        )
    types = tuple(reader.vector(1, "certificate_types"))
    schemes: tuple[int, ...] = ()
    if version >= ProtocolVersion.TLS_1_2:
        schemes = read_u16_list(reader)
    authorities = read_vector16_list(reader)
    reader.finish()
    return CertificateRequest(certificate_types=types, signature_algorithms=schemes, authorities=authorities)


def parse_certificate_status(body: bytes) -> CertificateStatus:
    """RFC 6066 section 8, RFC 6961 section 2.2."""
    reader = Reader(body, "CertificateStatus")
    status = read_certificate_status(reader)
    reader.finish()
    return status


def parse_server_key_exchange(body: bytes, *, version: int, cipher_suite: int | None) -> ServerKeyExchange:
    """RFC 5246 section 7.4.3 and the RFC of the cipher suite's key exchange, which the format depends on."""
    name = cipher_suite_name(cipher_suite or 0)
    exchange = name.removeprefix("TLS_").partition("_WITH_")[0].upper()
    reader = Reader(body, "ServerKeyExchange")
    hint = curve_type = group = prime_bits = modulus_bits = scheme = None
    public = parameters = signature = b""
    if "PSK" in exchange:
        hint = reader.vector(2, "psk_identity_hint")
    if exchange.startswith(("ECDHE", "ECDH_ANON")):
        curve_type = reader.u8("curve_type")
        if curve_type != _NAMED_CURVE:
            return ServerKeyExchange(curve_type=curve_type, psk_identity_hint=hint)
        group = reader.u16("namedcurve")
        public = reader.vector(1, "public")
    elif exchange.startswith(("DHE", "DH_ANON")):
        prime_bits = _bits(reader.vector(2, "dh_p"))
        reader.vector(2, "dh_g")
        public = reader.vector(2, "dh_Ys")
    elif exchange.startswith("RSA_EXPORT"):
        modulus_bits = _bits(reader.vector(2, "rsa_modulus"))
        reader.vector(2, "rsa_exponent")
    elif exchange not in ("PSK", "RSA_PSK"):
        return ServerKeyExchange()
    if "PSK" not in exchange and "ANON" not in exchange:
        parameters = reader.data[: reader.position]
        if version >= ProtocolVersion.TLS_1_2:
            scheme = reader.u16("algorithm")
        signature = reader.vector(2, "signature")
    reader.finish()
    return ServerKeyExchange(
        curve_type=curve_type,
        group=group,
        dh_prime_bits=prime_bits,
        rsa_modulus_bits=modulus_bits,
        psk_identity_hint=hint,
        signature_scheme=scheme,
        public=public,
        parameters=parameters,
        signature=signature,
    )


def parse_certificate_verify(body: bytes, *, version: int) -> CertificateVerify:
    """RFC 8446 section 4.4.3, RFC 5246 section 7.4.8."""
    reader = Reader(body, "CertificateVerify")
    scheme = reader.u16("algorithm") if version >= ProtocolVersion.TLS_1_2 else None
    signature = reader.vector(2, "signature")
    reader.finish()
    return CertificateVerify(signature_scheme=scheme, signature=signature)


def parse_new_session_ticket(body: bytes, *, tls13: bool) -> NewSessionTicket:
    """RFC 8446 section 4.6.1 with `tls13`, else RFC 5077 section 3.3."""
    reader = Reader(body, "NewSessionTicket")
    lifetime = reader.u32("ticket_lifetime")
    nonce = b""
    if tls13:
        reader.u32("ticket_age_add")
        nonce = reader.vector(1, "ticket_nonce")
    ticket = reader.vector(2, "ticket")
    extensions = read_extensions(reader) if tls13 else ()
    reader.finish()
    return NewSessionTicket(lifetime=lifetime, ticket=ticket, nonce=nonce, extensions=extensions)


def parse_key_update(body: bytes) -> KeyUpdate:
    """RFC 8446 section 4.6.3."""
    reader = Reader(body, "KeyUpdate")
    request = reader.u8("request_update")
    reader.finish()
    if request > 1:
        raise WireError("KeyUpdate.request_update", 0, f"0 or 1 needed, {request} found")
    return KeyUpdate(update_requested=request == 1)


def parse_alert(body: bytes) -> Alert:
    """RFC 8446 section 6: the two bytes of one alert."""
    reader = Reader(body, "Alert")
    alert = Alert(level=reader.u8("level"), description=reader.u8("description"))
    reader.finish()
    return alert


def _first(extensions: tuple[Extension, ...], kind: int) -> Extension | None:
    for extension in extensions:
        if extension[0] == kind:
            return extension
    return None


def _value(extensions: tuple[Extension, ...], kind: int, read: Callable[[Reader], Value]) -> Value | None:
    """Parse the first extension of a type; None when there is none, or when it is malformed."""
    for found, body, _ in extensions:
        if found == kind:
            if len(body) > _LONGEST_REMEMBERED_BODY:
                return _well_formed(read, body)
            # The cache is typed by its function's parameters' types only; the value is of the type that `read` gives.
            return cast("Value | None", _remembered(read, body))
    return None


def _well_formed(read: Callable[[Reader], Value], body: bytes) -> Value | None:
    try:
        return parse_as(Extension(0, body, 0), read)
    except WireError:
        return None


@lru_cache(maxsize=1024)
def _remembered(read: Callable[[Reader], object], body: bytes) -> object:
    """The value of a body seen before: the hellos of one stack differ in little but random and key share."""
    return _well_formed(read, body)


def _read_host_name(reader: Reader) -> str | None:
    names = read_server_names(reader)
    return next((printable(entry.name) for entry in names if entry.type == 0), None)


def _beginning_of_hello(reader: Reader) -> tuple[int, bytes, bytes]:
    """Legacy version, random and session id, with which both hellos begin."""
    if len(reader.data) >= _HELLO_BEGINS.size:
        version, random, length = _HELLO_BEGINS.unpack_from(reader.data)
        end = _HELLO_BEGINS.size + length
        if length <= _LONGEST_SESSION_ID and end <= reader.end:
            reader.position = end
            return version, random, reader.data[_HELLO_BEGINS.size : end]
    version = reader.u16("legacy_version")
    random = reader.take(32, "random")
    session_id = reader.vector(1, "session_id")
    if len(session_id) > _LONGEST_SESSION_ID:
        offset = reader.position - len(session_id)
        raise WireError(f"{reader.what}.session_id", offset, f"{len(session_id)} bytes, at most 32 allowed")
    return version, random, session_id


def _beginning(reader: Reader, length_bytes: int, field: str, length: int) -> Reader:
    """As much of a vector as there is; `length` is that of the whole message, which bounds the vector."""
    if reader.left < length_bytes:
        reader.rest()
        return Reader(reader.data, f"{reader.what}.{field}", reader.end, reader.end)
    announced = int.from_bytes(reader.take(length_bytes, field), "big")
    start = reader.position
    if announced > length - start:
        reason = f"{announced} bytes announced, {length - start} left"
        raise WireError(f"{reader.what}.{field}", start, reason)
    reader.take(min(announced, reader.left), field)
    return Reader(reader.data, f"{reader.what}.{field}", start, reader.position)


def _looks_like_tls13(body: bytes, length: int) -> bool:
    """Whether a Certificate message is TLS 1.3's: its list length fits after the context, not before."""
    if int.from_bytes(body[:3], "big") == length - 3:
        return False
    after = 1 + body[0] if body else 0
    return int.from_bytes(body[after : after + 3], "big") == length - after - 3


def _any_certificate(body: bytes, version: int | None, _: int | None) -> Certificate:
    tls13 = _looks_like_tls13(body, len(body)) if version is None else is_tls13(version)
    return parse_certificate(body, tls13=tls13)


def _any_certificate_request(body: bytes, version: int | None, _: int | None) -> CertificateRequest:
    if version is not None:
        return parse_certificate_request(body, version=version)
    for candidate in (ProtocolVersion.TLS_1_3, ProtocolVersion.TLS_1_0):
        try:
            return parse_certificate_request(body, version=candidate)
        except WireError:
            continue
    return parse_certificate_request(body, version=ProtocolVersion.TLS_1_2)


def _version_or_tls12(version: int | None) -> int:
    return ProtocolVersion.TLS_1_2 if version is None else version


def _is_old_draft(body: bytes) -> bool:
    """Whether a ServerHello has the short form: by its draft's number, or 0x0304 and lengths that fit it.

    Drafts sent 0x7f00 plus their number, some stacks the final 0x0304, which RFC 8446 never has there.
    """
    if body[:1] == b"\x7f":
        return body[1:2] <= bytes([_LAST_DRAFT_WITH_SHORT_SERVER_HELLO])
    return body[:2] == b"\x03\x04" and int.from_bytes(body[36:38], "big") == len(body) - 38


def _only(names: tuple[bytes, ...] | None) -> bytes | None:
    return names[0] if names else None


def _bits(number: bytes) -> int:
    return int.from_bytes(number, "big").bit_length()


def _decompress_zlib(data: bytes, size: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, size + 1)
    except zlib.error as error:
        raise WireError("CompressedCertificate.data", 8, f"no zlib data: {error}") from None


def _decompress_zstd(data: bytes, size: int) -> bytes:
    import zstandard

    try:
        with zstandard.ZstdDecompressor(max_window_size=_LARGEST_ZSTD_WINDOW).stream_reader(data) as stream:
            return stream.read(size + 1)
    except zstandard.ZstdError as error:
        raise WireError("CompressedCertificate.data", 8, f"no zstd data: {error}") from None


def _decompress_brotli(data: bytes, size: int) -> bytes:
    from importlib import import_module

    try:
        brotli = import_module("brotli")
    except ImportError:
        reason = "compressed with brotli, and the Python module brotli is not installed"
        raise WireError("CompressedCertificate.algorithm", 0, reason) from None
    decompressor = brotli.Decompressor()
    out = bytearray()
    try:
        # The module has no output limit in all its versions; small steps bound what one of them can make.
        for start in range(0, len(data), _BROTLI_STEP):
            out += decompressor.process(data[start : start + _BROTLI_STEP])
            if len(out) > size:
                break
    except brotli.error as error:
        raise WireError("CompressedCertificate.data", 8, f"no brotli data: {error}") from None
    return bytes(out[: size + 1])


_LONGEST_SESSION_ID: Final = 32

_MOST_CERTIFICATES: Final = 1000
"""In one message: far above what any peer accepts, and far below the millions that fit into 2^24 bytes."""

_LONGEST_REMEMBERED_BODY: Final = 512
"""Bytes: with 1024 bodies remembered at most, a hostile capture can fill half a megabyte."""

_NAMED_CURVE: Final = 3
_LAST_DRAFT_WITH_SHORT_SERVER_HELLO: Final = 21
_DRAFT_WITH_SUITE_IN_RETRY: Final = 19
_BROTLI_STEP: Final = 16

_LARGEST_ZSTD_WINDOW: Final = 1 << 24
"""Bytes: the longest message (RFC 8879 section 4) has one byte less, so no honest sender needs more."""

_DOWNGRADE_SENTINELS: Final = {
    b"DOWNGRD\x01": ProtocolVersion.TLS_1_3,
    b"DOWNGRD\x00": ProtocolVersion.TLS_1_2,
}

_DECOMPRESSORS: Final[dict[int, Callable[[bytes, int], bytes]]] = {
    CertificateCompressionAlgorithm.ZLIB: _decompress_zlib,
    CertificateCompressionAlgorithm.BROTLI: _decompress_brotli,
    CertificateCompressionAlgorithm.ZSTD: _decompress_zstd,
}


_PARSERS: Final[dict[int, Callable[[bytes, int | None, int | None], Message]]] = {
    HandshakeType.CLIENT_HELLO: lambda body, _v, _c: parse_client_hello(body),
    HandshakeType.SERVER_HELLO: lambda body, _v, _c: parse_server_hello(body),
    HandshakeType.HELLO_RETRY_REQUEST: lambda body, _v, _c: parse_hello_retry_request(body),
    HandshakeType.NEW_SESSION_TICKET: lambda body, version, _c: parse_new_session_ticket(body, tls13=is_tls13(version)),
    HandshakeType.ENCRYPTED_EXTENSIONS: lambda body, _v, _c: parse_encrypted_extensions(body),
    HandshakeType.CERTIFICATE: _any_certificate,
    HandshakeType.SERVER_KEY_EXCHANGE: lambda body, version, cipher_suite: parse_server_key_exchange(
        body, version=_version_or_tls12(version), cipher_suite=cipher_suite
    ),
    HandshakeType.CERTIFICATE_REQUEST: _any_certificate_request,
    HandshakeType.CERTIFICATE_VERIFY: lambda body, version, _c: parse_certificate_verify(
        body, version=_version_or_tls12(version)
    ),
    HandshakeType.CERTIFICATE_STATUS: lambda body, _v, _c: parse_certificate_status(body),
    HandshakeType.KEY_UPDATE: lambda body, _v, _c: parse_key_update(body),
    HandshakeType.COMPRESSED_CERTIFICATE: lambda body, _v, _c: parse_compressed_certificate(body),
}
