"""Any Java program on JSSE; the family of Apigee, Spring, Mule and WSO2."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

_HANDSHAKE: Final = "javax.net.ssl.SSLHandshakeException: "

ERRORS: Final = MappingProxyType(
    {
        "certificate": (_HANDSHAKE + "{error}",),
        "protocol-version-mismatch": (_HANDSHAKE + "Received fatal alert: protocol_version",),
        "no-shared-cipher": (_HANDSHAKE + "Received fatal alert: handshake_failure",),
        "sni-rejected": (_HANDSHAKE + "Received fatal alert: unrecognized_name",),
        "server-closed": (_HANDSHAKE + "Remote host terminated the handshake", "SSL peer shut down incorrectly"),
        "server-reset": ("Connection reset",),
        "not-tls": ("Unsupported or unrecognized SSL message",),
        "client-cert-missing": ("Broken pipe", "Read timed out", _HANDSHAKE + "Received fatal alert: bad_certificate"),
    }
)

ONE_EACH: Final = "# One alias for each certificate: of a PEM file with two keytool stores only the first."

STORE_LINES: Final = (
    "keytool -importcert -noprompt -alias {alias} -file {file} -keystore TRUSTSTORE",
    ONE_EACH,
)

PRODUCT: Final = Product(
    name="java",
    title="Java (JSSE, any program)",
    profile="java",
    words=Words(
        client="the Java client",
        server="the server",
        store="the trust store",
        leg="Java client to server",
    ),
    store="the file that -Djavax.net.ssl.trustStore names, else lib/security/cacerts of the JDK (JKS or PKCS#12)",
    form=Form(together=False),
    errors=ERRORS,
    repairs=MappingProxyType(
        {
            "store": (
                *STORE_LINES,
                "# TRUSTSTORE is the file of -Djavax.net.ssl.trustStore; where none is set: -cacerts, not -keystore.",
                "# The process reads its trust store when it starts: restart it.",
            ),
            "host": ("# Put {host} into the URL that the program calls: it is the name that JSSE checks.",),
        }
    ),
    sources=lines("""
        measured: OpenJDK 17.0.21, HttpsURLConnection and SSLEngine; keytool of the same
        https://docs.oracle.com/en/java/javase/17/docs/specs/man/keytool.html
    """),
)
