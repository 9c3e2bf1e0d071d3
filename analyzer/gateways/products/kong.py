"""Kong Gateway, on OpenResty: nginx's lines and nginx's behaviour on the wire."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, lines
from analyzer.gateways.products import nginx

PRODUCT: Final[Product] = replace(
    nginx.PRODUCT,
    name="kong",
    title="Kong Gateway",
    words=replace(
        nginx.WORDS,
        client="Kong",
        server="the upstream service",
        store="the service's list of ca_certificates",
        leg="Kong to upstream service",
    ),
    depth_setting="tls_verify_depth",
    store="CA certificate objects (one certificate each), whose ids stand in ca_certificates of the service; or, for "
    "all services, the PEM file of nginx_proxy_proxy_ssl_trusted_certificate",
    form=Form(together=False),
    repairs=MappingProxyType(
        {
            "store": lines("""
                curl -X POST http://localhost:8001/ca_certificates -F cert=@{file}
                # An object alone is not used: put its id into the service, beside those that are there.
                curl -X PATCH http://localhost:8001/services/SERVICE -H 'Content-Type: application/json' \
                    -d '{{"tls_verify": true, "ca_certificates": ["ID"]}}'
            """),
            "host": ("curl -X PATCH http://localhost:8001/services/SERVICE -d host={host}",),
            "depth": ("curl -X PATCH http://localhost:8001/services/SERVICE -d tls_verify_depth={depth}",),
        }
    ),
    notes=("Kong verifies only where tls_verify of the service, or nginx_proxy_proxy_ssl_verify, is on",),
    sources=lines("""
        https://developer.konghq.com/gateway/entities/ca-certificate
        https://developer.konghq.com/gateway/ssl-certificates
        https://github.com/Kong/kong/issues/5112
        measured: nginx 1.22.1 with OpenSSL 3.0.22, on which it is built
    """),
)
