"""The code points that this package decides by, under the names of their RFCs.

Only values that code branches on; every other value is a plain number with a name in `tables`. Each
constant is the IANA name in upper case, which a test compares with the table.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "AlertDescription",
    "AlertLevel",
    "CertificateCompressionAlgorithm",
    "CipherSuite",
    "ContentType",
    "ExtensionType",
    "HandshakeType",
    "ProtocolVersion",
]


class ContentType:
    """RFC 8446 section 5.1, RFC 6520."""

    CHANGE_CIPHER_SPEC: Final = 20
    ALERT: Final = 21
    HANDSHAKE: Final = 22
    APPLICATION_DATA: Final = 23
    HEARTBEAT: Final = 24


class HandshakeType:
    """RFC 8446 section 4, RFC 5246 section 7.4."""

    HELLO_REQUEST: Final = 0
    CLIENT_HELLO: Final = 1
    SERVER_HELLO: Final = 2
    NEW_SESSION_TICKET: Final = 4
    END_OF_EARLY_DATA: Final = 5
    HELLO_RETRY_REQUEST: Final = 6
    ENCRYPTED_EXTENSIONS: Final = 8
    CERTIFICATE: Final = 11
    SERVER_KEY_EXCHANGE: Final = 12
    CERTIFICATE_REQUEST: Final = 13
    SERVER_HELLO_DONE: Final = 14
    CERTIFICATE_VERIFY: Final = 15
    CLIENT_KEY_EXCHANGE: Final = 16
    FINISHED: Final = 20
    CERTIFICATE_URL: Final = 21
    CERTIFICATE_STATUS: Final = 22
    SUPPLEMENTAL_DATA: Final = 23
    KEY_UPDATE: Final = 24
    COMPRESSED_CERTIFICATE: Final = 25
    NEXT_PROTOCOL: Final = 67


class AlertLevel:
    """RFC 8446 section 6."""

    WARNING: Final = 1
    FATAL: Final = 2


class AlertDescription:
    """RFC 8446 section 6, RFC 5246 section 7.2, RFC 6066 section 9, RFC 7301 section 3.2, RFC 7507."""

    CLOSE_NOTIFY: Final = 0
    UNEXPECTED_MESSAGE: Final = 10
    BAD_RECORD_MAC: Final = 20
    DECRYPTION_FAILED: Final = 21
    RECORD_OVERFLOW: Final = 22
    DECOMPRESSION_FAILURE: Final = 30
    HANDSHAKE_FAILURE: Final = 40
    NO_CERTIFICATE: Final = 41
    BAD_CERTIFICATE: Final = 42
    UNSUPPORTED_CERTIFICATE: Final = 43
    CERTIFICATE_REVOKED: Final = 44
    CERTIFICATE_EXPIRED: Final = 45
    CERTIFICATE_UNKNOWN: Final = 46
    ILLEGAL_PARAMETER: Final = 47
    UNKNOWN_CA: Final = 48
    ACCESS_DENIED: Final = 49
    DECODE_ERROR: Final = 50
    DECRYPT_ERROR: Final = 51
    PROTOCOL_VERSION: Final = 70
    INSUFFICIENT_SECURITY: Final = 71
    INTERNAL_ERROR: Final = 80
    INAPPROPRIATE_FALLBACK: Final = 86
    USER_CANCELED: Final = 90
    NO_RENEGOTIATION: Final = 100
    MISSING_EXTENSION: Final = 109
    UNSUPPORTED_EXTENSION: Final = 110
    UNRECOGNIZED_NAME: Final = 112
    BAD_CERTIFICATE_STATUS_RESPONSE: Final = 113
    UNKNOWN_PSK_IDENTITY: Final = 115
    CERTIFICATE_REQUIRED: Final = 116
    NO_APPLICATION_PROTOCOL: Final = 120
    ECH_REQUIRED: Final = 121


class ExtensionType:
    """IANA's TLS ExtensionType Values."""

    SERVER_NAME: Final = 0
    MAX_FRAGMENT_LENGTH: Final = 1
    TRUSTED_CA_KEYS: Final = 3
    STATUS_REQUEST: Final = 5
    SUPPORTED_GROUPS: Final = 10
    EC_POINT_FORMATS: Final = 11
    SIGNATURE_ALGORITHMS: Final = 13
    APPLICATION_LAYER_PROTOCOL_NEGOTIATION: Final = 16
    STATUS_REQUEST_V2: Final = 17
    SIGNED_CERTIFICATE_TIMESTAMP: Final = 18
    PADDING: Final = 21
    ENCRYPT_THEN_MAC: Final = 22
    EXTENDED_MASTER_SECRET: Final = 23
    COMPRESS_CERTIFICATE: Final = 27
    RECORD_SIZE_LIMIT: Final = 28
    DELEGATED_CREDENTIAL: Final = 34
    SESSION_TICKET: Final = 35
    PRE_SHARED_KEY: Final = 41
    EARLY_DATA: Final = 42
    SUPPORTED_VERSIONS: Final = 43
    COOKIE: Final = 44
    PSK_KEY_EXCHANGE_MODES: Final = 45
    CERTIFICATE_AUTHORITIES: Final = 47
    POST_HANDSHAKE_AUTH: Final = 49
    SIGNATURE_ALGORITHMS_CERT: Final = 50
    KEY_SHARE: Final = 51
    QUIC_TRANSPORT_PARAMETERS: Final = 57
    NEXT_PROTOCOL_NEGOTIATION: Final = 13172
    APPLICATION_SETTINGS_OLD: Final = 17513
    APPLICATION_SETTINGS: Final = 17613
    ENCRYPTED_CLIENT_HELLO: Final = 65037
    RENEGOTIATION_INFO: Final = 65281


class CipherSuite:
    """The signalling values: RFC 5746 section 3.3, RFC 7507 section 2."""

    TLS_EMPTY_RENEGOTIATION_INFO_SCSV: Final = 0x00FF
    TLS_FALLBACK_SCSV: Final = 0x5600


class ProtocolVersion:
    """`ProtocolVersion` as two bytes on the wire."""

    SSL_2_0: Final = 0x0002
    SSL_3_0: Final = 0x0300
    TLS_1_0: Final = 0x0301
    TLS_1_1: Final = 0x0302
    TLS_1_2: Final = 0x0303
    TLS_1_3: Final = 0x0304


class CertificateCompressionAlgorithm:
    """RFC 8879 section 7.3."""

    ZLIB: Final = 1
    BROTLI: Final = 2
    ZSTD: Final = 3
