"""F5 BIG-IP with a server SSL profile."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

_PROFILE: Final = "tmsh modify ltm profile server-ssl PROFILE "

PRODUCT: Final = Product(
    name="f5",
    title="F5 BIG-IP (server SSL profile)",
    profile="openssl",
    nearest="its stack descends from OpenSSL and was not measured",
    depth_setting="authenticate-depth",
    words=Words(
        client="BIG-IP",
        server="the pool member",
        store="the bundle of Trusted Certificate Authorities",
        leg="BIG-IP to pool member",
    ),
    store="Trusted Certificate Authorities (ca-file) of the server SSL profile: one bundle",
    form=Form(together=True, suffix=".crt"),
    errors=MappingProxyType(
        {
            "certificate": ("01260013:4: SSL Handshake failed for TCP",),
            "no-shared-cipher": ("01260009:4: Connection error: ", "01260026:4: No shared ciphers between SSL peers"),
            "protocol-version-mismatch": ("01260013:4: SSL Handshake failed for TCP",),
        }
    ),
    repairs=MappingProxyType(
        {
            "store": (
                "# Copy {bundle} to the BIG-IP first:",
                "tmsh install sys crypto cert backend-ca from-local-file {bundle}",
                _PROFILE + "ca-file backend-ca.crt peer-cert-mode require",
            ),
            "host": (_PROFILE + "authenticate-name {host} server-name {host}",),
            "depth": (_PROFILE + "authenticate-depth {depth}",),
        }
    ),
    notes=("BIG-IP verifies the pool member only where Server Certificate (peer-cert-mode) is require",),
    sources=lines("""
        https://clouddocs.f5.com/cli/tmsh-reference/latest/modules/ltm/ltm_profile_server-ssl.html
        https://clouddocs.f5.com/products/big-iq/mgmt-api/v0.0/ApiReferences/bigiq_public_api_ref/r_profile_server_ssl.html
    """),
)
