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
                # In the virtual host; the default is 1:
                SSLProxyVerifyDepth {depth}
                apachectl configtest && apachectl graceful
            """),
        }
    ),
    notes=("Apache verifies the backend only where SSLProxyVerify is require",),
    sources=("https://httpd.apache.org/docs/2.4/mod/mod_ssl.html",),
)
