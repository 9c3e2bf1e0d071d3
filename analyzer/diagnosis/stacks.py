"""Which TLS library a client is built on, guessed from its ClientHello; and what each library's alerts mean.

Both are data with their sources. The guess rests on what a library's code decides and no setting of the program above
it: the order in which it writes its extensions, and those that it always or never sends. It chooses among validators
and weighs alerts; it never makes a cause certain by itself. A ClientHello that fits no row says nothing.

Measured on twenty client programs over these libraries (`docs/lab.md`): OpenSSL 3.0 under curl, s_client, Python, Perl,
PHP, Ruby, Node, nginx, HAProxy, Apache and stunnel; GnuTLS 3.7 under gnutls-cli, wget and libcurl; Go 1.19; Java 17.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import ExtensionType
from analyzer.tls.messages import ClientHello

__all__ = ["Library", "library_of"]

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

_EXPIRY: Final = frozenset({"expired-leaf", "expired-intermediate", "expired-root"})
_NO_ISSUER: Final = frozenset(
    {"missing-root", "missing-intermediate", "self-signed-leaf", "root-key-mismatch", "anchor-not-self-signed"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A TLS library, as a client.

    `order` are extensions that come in this order, each of them sent; `never` those that it does not send.
    `point_formats`, where it is not None, is the list that it sends. `profiles` are the validators used with it.
    `alerts` maps an alert to the causes for which this library sends it; what it sends for nearly everything is in
    `for_anything`, with the causes for which it sends another.
    """

    name: str
    order: tuple[int, ...]
    never: frozenset[int]
    point_formats: tuple[int, ...] | None = None
    profiles: tuple[str, ...]
    alerts: Mapping[int, frozenset[str]]
    for_anything: Mapping[int, frozenset[str]]
    source: str

    def wrote(self, hello: ClientHello) -> bool:
        """Whether a ClientHello is written as this library writes it."""
        if self.point_formats is not None and hello.ec_point_formats != self.point_formats:
            return False
        sent = [extension.type for extension in hello.extensions]
        places = [sent.index(kind) for kind in self.order if kind in sent]
        return len(places) == len(self.order) and places == sorted(places) and not self.never & set(sent)


def library_of(hello: ClientHello | None) -> Library | None:
    """The library behind a ClientHello, when exactly one row fits."""
    if hello is None or not hello.complete:
        return None
    found = [library for library in LIBRARIES if library.wrote(hello)]
    return found[0] if len(found) == 1 else None


LIBRARIES: Final = (
    Library(
        name="OpenSSL",
        order=(_FORMATS, _GROUPS, _SIGNATURES),
        never=frozenset({_RENEGOTIATION_INFO, _STATUS_REQUEST_V2, _RECORD_SIZE_LIMIT}),
        point_formats=(0, 1, 2),
        profiles=("openssl", "openssl-partial", "dotnet"),
        alerts={
            Alert.UNKNOWN_CA: _NO_ISSUER | {"issuer-not-ca", "chain-too-long", "path-too-long"},
            Alert.CERTIFICATE_EXPIRED: _EXPIRY,
            Alert.BAD_CERTIFICATE: frozenset(
                {"not-yet-valid", "hostname-mismatch", "weak-key", "weak-signature", "malformed-certificate"}
            ),
            Alert.UNSUPPORTED_CERTIFICATE: frozenset({"wrong-key-usage"}),
            Alert.CERTIFICATE_UNKNOWN: frozenset({"unknown-critical-extension", "name-constraint-violation"}),
            Alert.CERTIFICATE_REVOKED: frozenset({"revoked"}),
            Alert.DECRYPT_ERROR: frozenset({"bad-signature"}),
            # What the program above refuses by itself: HAProxy and stunnel the name, Apache the depth.
            Alert.INTERNAL_ERROR: frozenset({"hostname-mismatch", "chain-too-long"}),
        },
        for_anything={},
        source="OpenSSL 3.0, ssl/statem/extensions.c (ext_defs) and statem_lib.c (ssl_x509err2alert); measured",
    ),
    Library(
        name="GnuTLS",
        order=(_GROUPS, _SIGNATURES, _RENEGOTIATION_INFO),
        never=frozenset({_SCT, _STATUS_REQUEST_V2, _SIGNATURE_ALGORITHMS_CERT}),
        profiles=("gnutls",),
        alerts={},
        for_anything={Alert.BAD_CERTIFICATE: frozenset()},
        source="GnuTLS 3.7; measured",
    ),
    Library(
        name="Go crypto/tls",
        order=(_GROUPS, _FORMATS, _SIGNATURES, _RENEGOTIATION_INFO, _SCT),
        never=frozenset({_ENCRYPT_THEN_MAC, _RECORD_SIZE_LIMIT, _STATUS_REQUEST_V2}),
        profiles=("go",),
        alerts={},
        for_anything={Alert.BAD_CERTIFICATE: frozenset()},
        source="Go 1.19, crypto/tls/handshake_messages.go and handshake_client.go (verifyServerCertificate); measured",
    ),
    Library(
        name="Java JSSE",
        order=(_GROUPS, _SIGNATURES, _VERSIONS, _SIGNATURE_ALGORITHMS_CERT),
        never=frozenset({_ENCRYPT_THEN_MAC, _SCT, _RECORD_SIZE_LIMIT}),
        profiles=("java",),
        alerts={
            Alert.CERTIFICATE_EXPIRED: _EXPIRY,
            Alert.BAD_CERTIFICATE: frozenset({"not-yet-valid", "malformed-certificate"}),
        },
        for_anything={Alert.CERTIFICATE_UNKNOWN: _EXPIRY | {"not-yet-valid"}},
        source="OpenJDK 17, sun.security.ssl.SSLExtension and CertificateMessage (getCertificateAlert); measured",
    ),
)
