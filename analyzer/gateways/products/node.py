"""Any Node.js program: express-gateway, Apigee Edge Microgateway and others."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

PRODUCT: Final = Product(
    name="node",
    title="Node.js (tls, any program)",
    profile="openssl",
    words=Words(
        client="the Node client",
        server="the server",
        store="the list of CAs",
        leg="Node client to server",
    ),
    store="Node's own list of public roots and the PEM file that NODE_EXTRA_CA_CERTS names; the option `ca` takes the "
    "place of both",
    form=Form(together=True),
    errors=MappingProxyType(
        {
            "certificate": ("{reason}",),
            "missing-root": ("UNABLE_TO_GET_ISSUER_CERT_LOCALLY",),
            "missing-root:leaf-only": ("UNABLE_TO_VERIFY_LEAF_SIGNATURE",),
            "missing-root:root-sent": ("SELF_SIGNED_CERT_IN_CHAIN",),
            "missing-intermediate": ("UNABLE_TO_GET_ISSUER_CERT_LOCALLY",),
            "missing-intermediate:leaf-only": ("UNABLE_TO_VERIFY_LEAF_SIGNATURE",),
            "anchor-not-self-signed": ("UNABLE_TO_GET_ISSUER_CERT",),
            "self-signed-leaf": ("DEPTH_ZERO_SELF_SIGNED_CERT",),
            "expired-leaf": ("CERT_HAS_EXPIRED",),
            "expired-intermediate": ("CERT_HAS_EXPIRED",),
            "expired-root": ("CERT_HAS_EXPIRED",),
            "not-yet-valid": ("CERT_NOT_YET_VALID",),
            "hostname-mismatch": ("ERR_TLS_CERT_ALTNAME_INVALID",),
            "hostname-only-in-cn": ("ERR_TLS_CERT_ALTNAME_INVALID",),
            "wrong-key-usage": ("INVALID_PURPOSE",),
            "server-closed": ("Client network socket disconnected before secure TLS connection was established",),
            "server-reset": ("ECONNRESET",),
            "not-tls": ("wrong version number",),
        }
    ),
    repairs=MappingProxyType(
        {
            "store": lines("""
                # Read once, when the process starts; for programs that do not set `ca` themselves:
                export NODE_EXTRA_CA_CERTS={bundle}
            """),
            "host": ("# The name in the URL, or the option servername, has to be {host}.",),
        }
    ),
    notes=("Node refuses by a FIN without an alert, which looks like a client that crashed",),
    sources=lines("""
        measured: Node 20.20 with OpenSSL 3.0
        https://nodejs.org/api/tls.html
        https://nodejs.org/api/cli.html
    """),
)
