"""Apache httpd as a proxy to https backends (mod_proxy, mod_ssl)."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

_NAME: Final = ("AH02411: SSL Proxy: Peer certificate does not match for hostname {host}",)

PRODUCT: Final = Product(
    name="apache",
    title="Apache httpd (ProxyPass https://)",
    profile="openssl",
    depth_setting="SSLProxyVerifyDepth",
    words=Words(
        client="Apache",
        server="the backend server",
        store="the file of SSLProxyCACertificateFile",
        leg="Apache to backend server",
    ),
    store="the PEM file of SSLProxyCACertificateFile, or the directory of SSLProxyCACertificatePath",
    form=Form(together=True),
    errors=MappingProxyType(
        {
            "certificate": lines("""
                AH02276: Certificate Verification: Error ({number}): {reason}
                AH02003: SSL Proxy connect failed
                AH00898: Error during SSL Handshake with remote server
            """),
            "hostname-mismatch": _NAME,
            "hostname-only-in-cn": _NAME,
            "chain-too-long": ("AH02040: Certificate Verification: Certificate Chain too long",),
            **dict.fromkeys(
                ("protocol-version-mismatch", "no-shared-cipher", "sni-rejected", "server-closed", "not-tls"),
                ("AH02003: SSL Proxy connect failed", "AH00898: Error during SSL Handshake with remote server"),
            ),
        }
    ),
    repairs=MappingProxyType(
        {
            "store": lines("""
                # In the virtual host:
                SSLProxyVerify require
                SSLProxyCACertificateFile {bundle}
                apachectl configtest && apachectl graceful
            """),
            "host": lines("""
                # In the virtual host: Apache checks the host of the ProxyPass address (with ProxyPreserveHost on, \
                    the
                # name that the client asked for).
                ProxyPass / https://{host}/
                apachectl configtest && apachectl graceful
            """),
            "depth": lines("""
                # In the virtual host; it counts the root, so the default, 1, takes no intermediate:
                SSLProxyVerifyDepth {depth_with_root}
                apachectl configtest && apachectl graceful
            """),
        }
    ),
    notes=lines("""
        Apache verifies the backend only where SSLProxyVerify is require
        SSLProxyVerifyDepth counts the root: 1, the default, refuses a path with an intermediate (AH02040), 2 takes one
    """),
    sources=lines("""
        measured: Apache httpd 2.4.71 with OpenSSL 3.0.22
        https://httpd.apache.org/docs/2.4/mod/mod_ssl.html
    """),
)
