"""Which TLS library a client is built on, guessed from its ClientHello; and what each library's alerts mean.

Both are data with their sources. The guess rests on what a library's code decides and no setting of the program above
it: the order in which it writes its extensions, and those that it always or never sends. Libraries that permute their
extensions are told by what they send in any order, and by how their lists begin. The guess chooses among validators
and weighs alerts; it never makes a cause certain by itself. A ClientHello that fits no row, or two, says nothing.

Measured on forty client programs (`docs/stacks.md`): OpenSSL 1.1.1, 3.0 and 3.5 under curl, s_client, Python, Perl,
PHP, Ruby, Node, .NET, nginx, HAProxy, Apache and stunnel; GnuTLS 3.7 under gnutls-cli, wget and libcurl; Go 1.19 to
1.27; Java 11 to 25; BoringSSL under libcurl, Bun, gRPC, Mono and Chromium; rustls under Deno and uv; s2n-tls under
awscrt; NSS, Erlang, wolfSSL and Mbed TLS under their own clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from analyzer.dataclass import dataclass
from analyzer.diagnosis.alerts import EXPIRY
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import ExtensionType, is_grease
from analyzer.tls.messages import ClientHello

__all__ = ["LIBRARIES", "Library", "Shape", "library_of", "validators_behind"]

_SCT: Final = 18
_STATUS_REQUEST_V2: Final = 17
_ENCRYPT_THEN_MAC: Final = 22
_EXTENDED_MASTER_SECRET: Final = 23
_RECORD_SIZE_LIMIT: Final = 28
_SIGNATURE_ALGORITHMS_CERT: Final = 50
_RENEGOTIATION_INFO: Final = 65281
_GROUPS: Final = ExtensionType.SUPPORTED_GROUPS
_FORMATS: Final = ExtensionType.EC_POINT_FORMATS
_SIGNATURES: Final = ExtensionType.SIGNATURE_ALGORITHMS
_VERSIONS: Final = ExtensionType.SUPPORTED_VERSIONS
_KEY_SHARE: Final = ExtensionType.KEY_SHARE
_SCSV: Final = 0x00FF
_UNCOMPRESSED: Final = (0,)
_ML_DSA: Final = frozenset({0x0904, 0x0905, 0x0906})

_ECDSA_P256_SHA256: Final = 0x0403
_ECDSA_P384_SHA384: Final = 0x0503
_RSA_SHA256: Final = 0x0401
_RSA_SHA384: Final = 0x0501
_ECDSA_P521_SHA512: Final = 0x0603
_RSA_SHA512: Final = 0x0601
_RSA_PSS_SHA256: Final = 0x0804

_NO_ISSUER: Final = frozenset(
    {"missing-root", "missing-intermediate", "self-signed-leaf", "root-key-mismatch", "anchor-not-self-signed"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One way in which a library writes its ClientHello; all that is given has to hold.

    `order` are extensions that come in this order, each of them sent; `sent` those that come anywhere; `never` those
    that do not. `point_formats`, where it is not None, is the list that is sent; `signatures` is how the list of
    signature algorithms begins, without ML-DSA, which newer versions of every library put first. `scsv`: whether the
    cipher suites hold TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746); `greased`: whether they hold a reserved value
    (RFC 8701). GREASE is passed over elsewhere.
    """

    order: tuple[int, ...] = ()
    sent: frozenset[int] = frozenset()
    never: frozenset[int] = frozenset()
    point_formats: tuple[int, ...] | None = None
    signatures: tuple[int, ...] = ()
    scsv: bool | None = None
    greased: bool = False

    def fits(self, hello: _Written) -> bool:
        """Whether a ClientHello is of this shape."""
        if self.point_formats is not None and hello.point_formats != self.point_formats:
            return False
        if self.scsv is not None and self.scsv != (_SCSV in hello.suites):
            return False
        if self.greased != any(map(is_grease, hello.suites)):
            return False
        algorithms = tuple(each for each in hello.signatures if each not in _ML_DSA and not is_grease(each))
        if algorithms[: len(self.signatures)] != self.signatures:
            return False
        sent = hello.extensions
        places = [sent.index(kind) for kind in self.order if kind in sent]
        in_order = len(places) == len(self.order) and places == sorted(places)
        return in_order and self.sent <= set(sent) and not self.never & set(sent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A TLS library, as a client.

    `shapes` are the ways in which its versions write a ClientHello. `profiles` are the validators used with it.
    `alerts` maps an alert to the causes for which this library sends it; what it sends for nearly everything is in
    `for_anything`, with the causes for which it sends another up to TLS 1.2.
    """

    name: str
    shapes: tuple[Shape, ...]
    profiles: tuple[str, ...]
    alerts: Mapping[int, frozenset[str]]
    for_anything: Mapping[int, frozenset[str]]

    def wrote(self, hello: ClientHello) -> bool:
        """Whether a ClientHello is written as this library writes it."""
        return self._wrote(_written(hello))

    def _wrote(self, hello: _Written) -> bool:
        return any(shape.fits(hello) for shape in self.shapes)


def library_of(hello: ClientHello | None) -> Library | None:
    """The library behind a ClientHello, when exactly one row fits."""
    return None if hello is None or not hello.complete else _library_of(_written(hello))


class _Written(NamedTuple):
    """All that shapes look at; the same in every ClientHello of one program, while its random values differ."""

    suites: tuple[int, ...]
    extensions: tuple[int, ...]
    point_formats: tuple[int, ...]
    signatures: tuple[int, ...]


def _written(hello: ClientHello) -> _Written:
    types = tuple([extension.type for extension in hello.extensions])
    return _Written(hello.cipher_suites, types, hello.ec_point_formats, hello.signature_algorithms)


@lru_cache(maxsize=64)
def _library_of(hello: _Written) -> Library | None:
    found = [library for library in LIBRARIES if library._wrote(hello)]  # noqa: SLF001 - of this module
    return found[0] if len(found) == 1 else None


def validators_behind(alert: int) -> frozenset[str]:
    """The profiles whose libraries are known to send an alert about a certificate; none when no library is."""
    return frozenset(
        profile
        for library in LIBRARIES
        if alert in library.alerts or alert in library.for_anything
        for profile in library.profiles
    )


_OF_OPENSSL: Final = {
    Alert.UNKNOWN_CA: _NO_ISSUER | {"issuer-not-ca", "chain-too-long", "path-too-long"},
    Alert.CERTIFICATE_EXPIRED: EXPIRY,
    Alert.BAD_CERTIFICATE: frozenset(
        {"not-yet-valid", "hostname-mismatch", "weak-key", "weak-signature", "malformed-certificate"}
    ),
    Alert.UNSUPPORTED_CERTIFICATE: frozenset({"wrong-key-usage"}),
    Alert.CERTIFICATE_REVOKED: frozenset({"revoked"}),
    Alert.DECRYPT_ERROR: frozenset({"bad-signature"}),
}

LIBRARIES: Final = (
    # Source: OpenSSL 1.1.1, 3.0, 3.5: ssl/statem/extensions.c (ext_defs) and ssl_x509err2alert of statem_lib.c;
    # measured
    Library(
        name="OpenSSL",
        shapes=(
            Shape(
                order=(_FORMATS, _GROUPS, _SIGNATURES),
                never=frozenset({_RENEGOTIATION_INFO, _STATUS_REQUEST_V2, _RECORD_SIZE_LIMIT}),
                point_formats=(0, 1, 2),
            ),
            # By 3.5 the extension, first of all, takes the place of the cipher suite.
            Shape(
                order=(_RENEGOTIATION_INFO, _FORMATS, _GROUPS, _SIGNATURES),
                never=frozenset({_STATUS_REQUEST_V2, _RECORD_SIZE_LIMIT}),
                point_formats=(0, 1, 2),
                scsv=False,
            ),
        ),
        profiles=("openssl", "openssl-partial", "dotnet"),
        alerts=_OF_OPENSSL
        | {
            Alert.CERTIFICATE_UNKNOWN: frozenset({"unknown-critical-extension", "name-constraint-violation"}),
            # What the program above refuses by itself: HAProxy and stunnel the name, Apache the depth.
            Alert.INTERNAL_ERROR: frozenset({"hostname-mismatch", "chain-too-long"}),
        },
        for_anything={},
    ),
    # Source: BoringSSL: SSL_alert_from_verify_result and ssl_verify_peer_cert, whose alert is certificate_unknown
    # unless a validator names one; ClientHellos and Chromium's alert measured, alerts of its own validator not
    Library(
        name="BoringSSL",
        shapes=(
            Shape(greased=True, sent=frozenset({_GROUPS, _SIGNATURES, _EXTENDED_MASTER_SECRET})),
            Shape(
                order=(_EXTENDED_MASTER_SECRET, _RENEGOTIATION_INFO, _GROUPS, _FORMATS, _SIGNATURES),
                never=frozenset({_ENCRYPT_THEN_MAC, _RECORD_SIZE_LIMIT, _STATUS_REQUEST_V2}),
                point_formats=_UNCOMPRESSED,
                signatures=(_ECDSA_P256_SHA256, _RSA_PSS_SHA256, _RSA_SHA256),
            ),
            # The older order: Chrome 45, Mono.
            Shape(
                order=(_EXTENDED_MASTER_SECRET, _SIGNATURES, _FORMATS, _GROUPS),
                never=frozenset({_ENCRYPT_THEN_MAC, _RECORD_SIZE_LIMIT, _STATUS_REQUEST_V2}),
                point_formats=_UNCOMPRESSED,
                signatures=(_RSA_SHA512, _ECDSA_P521_SHA512),
            ),
        ),
        profiles=("boringssl", "openssl-partial"),
        alerts=_OF_OPENSSL,
        # What its interface for validators other than its own sends, unless they name an alert: Chromium's do not.
        for_anything={Alert.CERTIFICATE_UNKNOWN: frozenset()},
    ),
    # Source: GnuTLS 3.7; measured. Not measured: that 3.8 permutes, by its priority string %NO_SHUFFLE_EXTENSIONS
    Library(
        name="GnuTLS",
        # Since 3.8 the extensions are permuted.
        shapes=(
            Shape(
                sent=frozenset({_GROUPS, _SIGNATURES, _RENEGOTIATION_INFO, _RECORD_SIZE_LIMIT}),
                never=frozenset({_SCT, _STATUS_REQUEST_V2, _SIGNATURE_ALGORITHMS_CERT}),
                signatures=(_RSA_SHA256,),
            ),
        ),
        profiles=("gnutls",),
        alerts={},
        for_anything={Alert.BAD_CERTIFICATE: frozenset()},
    ),
    # Source: Go 1.19, 1.22, 1.25, 1.27: crypto/tls/handshake_messages.go and handshake_client.go; measured
    Library(
        name="Go crypto/tls",
        shapes=(
            Shape(
                order=(_GROUPS, _FORMATS, _SIGNATURES, _RENEGOTIATION_INFO, _SCT),
                never=frozenset({_ENCRYPT_THEN_MAC, _RECORD_SIZE_LIMIT, _STATUS_REQUEST_V2}),
            ),
            # By 1.25, not yet in 1.22.
            Shape(
                order=(_FORMATS, _RENEGOTIATION_INFO, _SCT, _GROUPS, _SIGNATURES),
                never=frozenset({_ENCRYPT_THEN_MAC, _RECORD_SIZE_LIMIT, _STATUS_REQUEST_V2}),
            ),
        ),
        profiles=("go",),
        alerts={},
        for_anything={Alert.BAD_CERTIFICATE: frozenset()},
    ),
    # Source: OpenJDK 11, 17, 21, 25: sun.security.ssl.SSLExtension and CertificateMessage; measured
    Library(
        name="Java JSSE",
        shapes=tuple(
            Shape(
                order=order,
                never=frozenset({_ENCRYPT_THEN_MAC, _SCT, _RECORD_SIZE_LIMIT, _RENEGOTIATION_INFO}),
            )
            for order in (
                (_GROUPS, _SIGNATURES, _VERSIONS, _SIGNATURE_ALGORITHMS_CERT),
                # Java 11
                (_GROUPS, _SIGNATURES, _SIGNATURE_ALGORITHMS_CERT, _VERSIONS),
            )
        ),
        profiles=("java",),
        alerts={
            Alert.CERTIFICATE_EXPIRED: EXPIRY,
            Alert.BAD_CERTIFICATE: frozenset({"not-yet-valid", "bad-signature", "malformed-certificate"}),
        },
        # In TLS 1.3 versions before 25 send it for these too.
        for_anything={Alert.CERTIFICATE_UNKNOWN: EXPIRY | {"not-yet-valid"}},
    ),
    # Source: rustls 0.23; measured
    Library(
        name="rustls",
        # The extensions are permuted.
        shapes=(
            Shape(
                sent=frozenset({_GROUPS, _FORMATS, _SIGNATURES, _EXTENDED_MASTER_SECRET}),
                never=frozenset({_ENCRYPT_THEN_MAC, _RECORD_SIZE_LIMIT, _RENEGOTIATION_INFO, _SCT, _STATUS_REQUEST_V2}),
                point_formats=_UNCOMPRESSED,
                signatures=(_ECDSA_P384_SHA384, _ECDSA_P256_SHA256),
                scsv=True,
            ),
        ),
        profiles=("webpki",),
        alerts={
            Alert.UNKNOWN_CA: frozenset({"missing-root", "missing-intermediate", "self-signed-leaf"}),
            Alert.CERTIFICATE_EXPIRED: EXPIRY | {"not-yet-valid"},
            Alert.BAD_CERTIFICATE: frozenset({"hostname-mismatch", "hostname-only-in-cn", "malformed-certificate"}),
            Alert.UNSUPPORTED_CERTIFICATE: frozenset({"wrong-key-usage"}),
            Alert.CERTIFICATE_REVOKED: frozenset({"revoked"}),
            # An issuer of the right name and another key is one whose signature does not verify.
            Alert.DECRYPT_ERROR: frozenset({"bad-signature", "root-key-mismatch", "weak-key", "weak-signature"}),
            Alert.CERTIFICATE_UNKNOWN: frozenset(
                {"issuer-not-ca", "path-too-long", "name-constraint-violation", "unknown-critical-extension"}
            ),
        },
        for_anything={},
    ),
    # Source: NSS 3.87, lib/ssl/ssl3ext.c (clientHelloSendersTLS); measured on its test client, which sends no
    # alert
    Library(
        name="NSS",
        shapes=(
            Shape(
                sent=frozenset({_GROUPS, _SIGNATURES, _RENEGOTIATION_INFO, _RECORD_SIZE_LIMIT}),
                never=frozenset({_ENCRYPT_THEN_MAC, _STATUS_REQUEST_V2, _SIGNATURE_ALGORITHMS_CERT}),
                point_formats=_UNCOMPRESSED,
                signatures=(_ECDSA_P256_SHA256, _ECDSA_P384_SHA384),
            ),
            # The older order: Firefox 33.
            Shape(
                order=(_RENEGOTIATION_INFO, _GROUPS, _FORMATS, _SIGNATURES),
                never=frozenset({_ENCRYPT_THEN_MAC, _STATUS_REQUEST_V2}),
                point_formats=_UNCOMPRESSED,
                signatures=(_RSA_SHA256, _RSA_SHA384),
            ),
        ),
        profiles=(),
        alerts={},
        for_anything={},
    ),
    # Source: s2n-tls of awscrt 0.38: it sends no alert; measured
    Library(
        name="s2n-tls",
        shapes=(
            Shape(
                order=(_VERSIONS, _GROUPS, _KEY_SHARE, _SIGNATURES, _FORMATS, _EXTENDED_MASTER_SECRET),
                never=frozenset({_ENCRYPT_THEN_MAC, _RENEGOTIATION_INFO, _RECORD_SIZE_LIMIT}),
                point_formats=_UNCOMPRESSED,
                scsv=True,
            ),
        ),
        profiles=("openssl-partial",),
        alerts={},
        for_anything={},
    ),
    # Source: Mbed TLS 2.28; measured
    Library(
        name="Mbed TLS",
        shapes=(
            Shape(
                order=(_SIGNATURES, _GROUPS, _FORMATS, _ENCRYPT_THEN_MAC, _EXTENDED_MASTER_SECRET),
                never=frozenset({_RENEGOTIATION_INFO, _RECORD_SIZE_LIMIT}),
                point_formats=_UNCOMPRESSED,
                scsv=True,
            ),
        ),
        profiles=(),
        alerts={
            Alert.UNKNOWN_CA: _NO_ISSUER | {"issuer-not-ca", "path-too-long", "bad-signature"},
            Alert.CERTIFICATE_EXPIRED: EXPIRY,
            Alert.BAD_CERTIFICATE: frozenset(
                {
                    "hostname-mismatch",
                    "name-constraint-violation",
                    "unknown-critical-extension",
                    "malformed-certificate",
                }
            ),
            Alert.UNSUPPORTED_CERTIFICATE: frozenset({"wrong-key-usage", "weak-key"}),
            Alert.CERTIFICATE_UNKNOWN: frozenset({"not-yet-valid", "weak-signature"}),
        },
        for_anything={},
    ),
    # Source: wolfSSL 5.5; measured
    Library(
        name="wolfSSL",
        shapes=(
            Shape(
                order=(_SIGNATURES, _FORMATS, _GROUPS, _EXTENDED_MASTER_SECRET),
                never=frozenset({_RENEGOTIATION_INFO, _RECORD_SIZE_LIMIT}),
                point_formats=_UNCOMPRESSED,
                scsv=False,
            ),
        ),
        profiles=(),
        alerts={
            Alert.UNKNOWN_CA: frozenset(
                {"missing-root", "missing-intermediate", "root-key-mismatch", "expired-root", "issuer-not-ca"}
            ),
            Alert.CERTIFICATE_EXPIRED: EXPIRY | {"not-yet-valid"},
        },
        for_anything={
            Alert.BAD_CERTIFICATE: EXPIRY
            | {"not-yet-valid", "missing-root", "missing-intermediate", "root-key-mismatch", "issuer-not-ca"}
        },
    ),
    # Source: Erlang/OTP 25, ssl 10.8; measured
    Library(
        name="Erlang ssl",
        shapes=(
            Shape(
                order=(_SIGNATURES, _KEY_SHARE, _GROUPS, _FORMATS, _VERSIONS),
                never=frozenset({_RENEGOTIATION_INFO, _RECORD_SIZE_LIMIT, _EXTENDED_MASTER_SECRET}),
                point_formats=_UNCOMPRESSED,
                scsv=True,
            ),
        ),
        profiles=(),
        alerts={
            Alert.UNKNOWN_CA: frozenset(
                {"missing-root", "missing-intermediate", "root-key-mismatch", "anchor-not-self-signed"}
            ),
            Alert.CERTIFICATE_EXPIRED: EXPIRY | {"not-yet-valid"},
            Alert.BAD_CERTIFICATE: frozenset({"self-signed-leaf", "name-constraint-violation", "bad-signature"}),
            Alert.UNSUPPORTED_CERTIFICATE: frozenset({"unknown-critical-extension"}),
            Alert.HANDSHAKE_FAILURE: frozenset(
                {"hostname-mismatch", "wrong-key-usage", "issuer-not-ca", "path-too-long"}
            ),
        },
        for_anything={},
    ),
)
