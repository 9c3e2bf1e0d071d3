"""Apigee Edge, public and private cloud: a Java Message Processor towards the backend, an nginx Router in front."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

_FAULT: Final = "messaging.adaptors.http.flow."
_PKIX: Final = "SSL Handshake failed sun.security.validator.ValidatorException: {error}"
_NAME: Final = "SSL Handshake failed java.security.cert.CertificateException: {error}"
_HANDSHAKE: Final = "503 " + _FAULT + "SslHandshakeFailed"
_UNAVAILABLE: Final = "503 " + _FAULT + "ServiceUnavailable"

ERRORS: Final = MappingProxyType(
    {
        "certificate": (_HANDSHAKE, _PKIX),
        "hostname-mismatch": (_HANDSHAKE, _NAME),
        "hostname-only-in-cn": (_HANDSHAKE, _NAME),
        "protocol-version-mismatch": (_UNAVAILABLE, "Received fatal alert: protocol_version"),
        "no-shared-cipher": (_UNAVAILABLE, "Received fatal alert: handshake_failure"),
        "client-cert-missing": (_UNAVAILABLE, "Received fatal alert: bad_certificate"),
        "server-silent": ("502 " + _FAULT + "BadGateway", "handshakeTimeout()"),
        "connect-timeout": (_UNAVAILABLE,),
    }
)

WORDS: Final = Words(
    client="the Message Processor",
    server="the target endpoint",
    store="the referenced truststore",
    leg="southbound: Message Processor to target endpoint",
    front="the Router",
)
NAME_LINES: Final = lines("""
    # Put {host} into <URL> of the TargetEndpoint, or into the host of the target server.
    # Or name it in <CommonName> of SSLInfo, as the name that the target's certificate is expected to hold.
""")

PRODUCT: Final = Product(
    name="apigee-edge",
    title="Apigee Edge",
    profile="java",
    words=WORDS,
    store="the truststore that SSLInfo/TrustStore of the TargetEndpoint names, best by a truststore reference "
    "(ref://...): a keystore with certificates only, one alias for each, PEM or DER",
    form=Form(together=False, afresh=True, intermediates=True),
    errors=ERRORS,
    repairs=MappingProxyType(
        {
            "store": lines("""
                # A new truststore, then the reference is pointed to it; the one in use stays as it is.
                API="https://api.enterprise.apigee.com/v1/o/$ORG/e/$ENV"
                curl -X POST -u "$USER" -H "Content-Type: text/xml" -d '<KeyStore name="tsNew"/>' "$API/keystores"
                curl -X POST -u "$USER" -F "certFile=@{file}" \
                    "$API/keystores/tsNew/aliases?alias={alias}&format=keycertfile"
                curl -X PUT -u "$USER" -H "Content-Type: application/xml" "$API/references/$REF" -d \
                    "<ResourceReference name='$REF'><ResourceType>KeyStore</ResourceType><Refers>tsNew</Refers>\
</ResourceReference>"
                # $REF is the name behind ref:// in <TrustStore>. Where that names a truststore itself, change it.
            """),
            "host": NAME_LINES,
        }
    ),
    notes=lines("""
        in Edge for Public Cloud the Message Processor cannot be captured: a capture is taken at the backend, and \
            shows addresses after NAT
    """),
    sources=lines("""
        https://docs.apigee.com/api-platform/system-administration/creating-keystores-and-truststore-cloud-using-edge-management-api
        https://docs.apigee.com/api-platform/system-administration/working-references
        https://docs.apigee.com/api-platform/troubleshoot/runtime/ssl-handshake-failures
        measured: JSSE of OpenJDK 17 with SSLEngine over NIO, as the Message Processor uses it
    """),
)
