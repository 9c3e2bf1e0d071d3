"""nginx as a proxy to https backends; the family of ingress-nginx, Kong and APISIX."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

_VERIFY: Final = "upstream SSL certificate verify error: "
_SHAKING: Final = " while SSL handshaking to upstream"
_ALONE: Final = (_VERIFY + "(21:unable to verify the first certificate)" + _SHAKING,)
_NAME: Final = ('upstream SSL certificate does not match "{host}"' + _SHAKING,)

ERRORS: Final = MappingProxyType(
    {
        "certificate": (_VERIFY + "({number}:{reason})" + _SHAKING,),
        "missing-root:leaf-only": _ALONE,
        "missing-intermediate:leaf-only": _ALONE,
        "chain-too-long": (_VERIFY + "(20:unable to get local issuer certificate)" + _SHAKING,),
        "issuer-not-ca": (
            _VERIFY + "({number}:{reason})" + _SHAKING,
            _VERIFY + "(32:key usage does not include certificate signing)" + _SHAKING,
        ),
        "hostname-mismatch": _NAME,
        "hostname-only-in-cn": _NAME,
        "protocol-version-mismatch": ("SSL_do_handshake() failed (SSL: ", "tlsv1 alert protocol version"),
        "no-shared-cipher": ("SSL_do_handshake() failed (SSL: ", "SSL alert number 40"),
        "sni-rejected": ("SSL_do_handshake() failed (SSL: ", "tlsv1 unrecognized name"),
        "server-closed": ("peer closed connection in SSL handshake" + _SHAKING,),
        "server-reset": ("peer closed connection in SSL handshake (104: Connection reset by peer)" + _SHAKING,),
        "not-tls": ("SSL_do_handshake() failed (SSL: ", "wrong version number"),
        "client-cert-missing": ("SSL_read() failed (SSL: ", "certificate required:SSL alert number 116"),
    }
)

WORDS: Final = Words(
    client="nginx",
    server="the upstream server",
    store="the file of proxy_ssl_trusted_certificate",
    leg="nginx to upstream",
)

PRODUCT: Final = Product(
    name="nginx",
    title="nginx (proxy_pass https://)",
    profile="openssl",
    verify_depth=1,
    depth_setting="proxy_ssl_verify_depth",
    words=WORDS,
    store="the PEM file that proxy_ssl_trusted_certificate names, with all certificates in it",
    form=Form(together=True),
    errors=ERRORS,
    repairs=MappingProxyType(
        {
            "store": lines("""
                # In the location, server or http block of the upstream:
                proxy_ssl_verify on;
                proxy_ssl_trusted_certificate {bundle};
                nginx -t && nginx -s reload
            """),
            "host": lines("""
                # In the location, server or http block of the upstream; without it nginx checks the host of \
                    proxy_pass,
                # which is the block's name where proxy_pass names an upstream block:
                proxy_ssl_name {host};
                proxy_ssl_server_name on;
                nginx -t && nginx -s reload
            """),
            "depth": lines("""
                # In the location, server or http block of the upstream; the default is 1, which is one \
                    intermediate:
                proxy_ssl_verify_depth {depth};
                nginx -t && nginx -s reload
            """),
        }
    ),
    notes=lines("""
        nginx verifies only where proxy_ssl_verify is on, and looks at the result after the handshake: it sends no \
            alert
        nginx sends no server name (SNI) unless proxy_ssl_server_name is on
    """),
    sources=lines("""
        measured: nginx 1.22.1 with OpenSSL 3.0.22
        https://nginx.org/en/docs/http/ngx_http_proxy_module.html
    """),
)
