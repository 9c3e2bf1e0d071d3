"""HAProxy with `server ... ssl verify required`."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

_FAILED: Final = "SSL handshake failure"
_OTHER_NAME: Final = lines("""
    Server presented an SSL certificate different from the expected one
    Server presented an SSL certificate different from the configured one
""")

PRODUCT: Final = Product(
    name="haproxy",
    title="HAProxy",
    profile="openssl",
    words=Words(
        client="HAProxy",
        server="the backend server",
        store="the ca-file",
        leg="HAProxy to backend server",
    ),
    store="the PEM file (or directory) that ca-file of the server line names; @system-ca stands for the system's",
    form=Form(together=True),
    errors=MappingProxyType(
        {
            "certificate": (
                _FAILED,
                f'reason: Layer6 invalid response, info: "{_FAILED}"',
                "certificate verify failed",
            ),
            "hostname-mismatch": _OTHER_NAME,
            "hostname-only-in-cn": _OTHER_NAME,
            **dict.fromkeys(
                ("protocol-version-mismatch", "no-shared-cipher", "sni-rejected", "client-cert-missing"),
                (_FAILED,),
            ),
        }
    ),
    repairs=MappingProxyType(
        {
            "store": lines("""
                # In the server line of the backend; the root itself has to be in the file, an intermediate does not \
                    do:
                server NAME {server} ssl verify required ca-file {bundle} sni str({host}) verifyhost {host}
                haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy
            """),
            "host": lines("""
                # In the server line of the backend; the name in sni is the one that is checked, verifyhost counts \
                    without it:
                sni str({host}) verifyhost {host}
                # With health checks over TLS:
                check-sni {host}
                haproxy -c -f /etc/haproxy/haproxy.cfg && systemctl reload haproxy
            """),
        }
    ),
    notes=lines("""
        HAProxy's default log shows only SC-- for all of these; log-format with %[bc_err] %[bc_err_str] \
            %[ssl_bc_err_str] tells them apart
        for a wrong name HAProxy sends the alert internal_error (80)
    """),
    sources=("measured: HAProxy 2.6.12 with OpenSSL 3.0.22", "https://docs.haproxy.org/2.6/configuration.html"),
)
