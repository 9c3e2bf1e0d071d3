"""Any Go program on crypto/tls; the family of Traefik."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

ERRORS: Final = MappingProxyType(
    {
        "certificate": ("{error}", "tls: failed to verify certificate: {error}"),
        "protocol-version-mismatch": ("remote error: tls: protocol version not supported",),
        "no-shared-cipher": ("remote error: tls: handshake failure",),
        "server-closed": ("EOF",),
        "server-reset": ("read: connection reset by peer",),
        "not-tls": ("http: server gave HTTP response to HTTPS client",),
        "client-cert-missing": ("remote error: tls: certificate required",),
    }
)

PRODUCT: Final = Product(
    name="go",
    title="Go (crypto/tls, any program)",
    profile="go",
    words=Words(
        client="the Go client",
        server="the server",
        store="the pool of root CAs",
        leg="Go client to server",
    ),
    store="tls.Config.RootCAs; without it the system's bundle, or the PEM file that SSL_CERT_FILE names",
    form=Form(together=True),
    errors=ERRORS,
    repairs=MappingProxyType(
        {
            "store": lines("""
                # For a program that uses the system's roots; the file takes their place, so they are wanted in it \
                    too:
                export SSL_CERT_FILE={bundle}
                # In code: pool.AppendCertsFromPEM of that file, as tls.Config.RootCAs.
            """),
            "host": ("# The name in the URL, or tls.Config.ServerName, has to be {host}.",),
        }
    ),
    notes=("Go wants the name in a subject alternative name; the subject's CN does not count",),
    sources=("measured: Go 1.19.8", "https://pkg.go.dev/crypto/x509", "https://pkg.go.dev/crypto/tls"),
)
