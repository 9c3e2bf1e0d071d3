"""Apache APISIX, on OpenResty."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from analyzer.gateways import Product, lines
from analyzer.gateways.products import nginx

PRODUCT: Final[Product] = replace(
    nginx.PRODUCT,
    name="apisix",
    title="Apache APISIX",
    words=replace(
        nginx.WORDS,
        client="APISIX",
        server="the upstream node",
        store="the file of ssl_trusted_certificate",
        leg="APISIX to upstream node",
    ),
    depth_setting="",
    verify_depth=None,
    store="the PEM file of apisix.ssl.ssl_trusted_certificate in config.yaml",
    repairs=MappingProxyType(
        {
            "store": lines("""
                # In config.yaml:
                apisix: {{ssl: {{ssl_trusted_certificate: {bundle}}}}}
                # In the upstream:
                "tls": {{"verify": true}}
                apisix reload
            """),
            "host": lines("""
                # In the upstream:
                "pass_host": "rewrite", "upstream_host": "{host}"
            """),
        }
    ),
    notes=lines("""
        APISIX verifies only where tls.verify of the upstream is true, and not for streams (layer 4)
    """),
    sources=lines("""
        https://apisix.apache.org/docs/apisix/admin-api/
        https://github.com/apache/apisix/issues/12783
        measured: nginx 1.22.1 with OpenSSL 3.0.22, on which it is built
    """),
)
