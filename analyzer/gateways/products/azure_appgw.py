"""Azure Application Gateway v2."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

_NAME: Final = lines("""
    The Common Name of the leaf certificate presented by the backend server does not match the Probe or Backend \
        Setting hostname
""")
_DATE: Final = ("Backend certificate is invalid. Current date is not within",)
_INTERMEDIATE: Final = lines("""
    The Intermediate certificate is missing from the certificate chain presented by the backend server
""")
_OTHER_ROOT: Final = lines("""
    The root certificate of the server certificate used by the backend doesn't match the trusted root certificate \
        added
    The backend Server certificate is not signed by a well-known CA
""")

PRODUCT: Final = Product(
    name="azure-appgw",
    title="Azure Application Gateway v2",
    profile="openssl",
    nearest="its validator was not measured; its health page gives OpenSSL's error numbers; unlike OpenSSL it minds "
    "the order of the chain",
    words=Words(
        client="the Application Gateway",
        server="the backend server",
        store="the list of Trusted root certificates",
        leg="Application Gateway to backend server",
    ),
    store="Trusted root certificates of the backend setting: one .cer (base64) for each root",
    form=Form(together=False, suffix=".cer", places=MappingProxyType({"root": "Trusted root certificates"})),
    errors=MappingProxyType(
        {
            "certificate": ("The validity of the backend certificate could not be verified", "error code {number}"),
            "hostname-mismatch": _NAME,
            "hostname-only-in-cn": _NAME,
            **dict.fromkeys(("expired-leaf", "expired-intermediate", "expired-root", "not-yet-valid"), _DATE),
            "missing-intermediate": _INTERMEDIATE,
            "self-signed-leaf": _INTERMEDIATE,
            "missing-root": lines("""
                The Intermediate certificate not signed by any Root certificates uploaded
                The Intermediate certificate is not signed by a well-known CA
            """),
            "missing-root:leaf-only": _INTERMEDIATE,
            "missing-root:root-sent": _OTHER_ROOT,
            "root-key-mismatch": _OTHER_ROOT,
            "wrong-chain-order": lines("""
                The Leaf certificate is missing
                The Leaf certificate is not the topmost certificate in the chain
            """),
        }
    ),
    repairs=MappingProxyType(
        {
            "store": lines("""
                az network application-gateway root-cert create -g $RG --gateway-name $GATEWAY --name {alias} \
                    --cert-file {file}
                # Then bind it in the backend setting; the portal: Backend settings > Choose a certificate.
                # Microsoft advises that the backend sends its root as well, behind the intermediates.
            """),
            "host": lines("""
                # The name of a custom probe counts first, then that of the backend setting (Override with a host \
                    name):
                az network application-gateway http-settings update -g $RG --gateway-name $GATEWAY --name $SETTING \
                    --host-name {host}
            """),
        }
    ),
    notes=("the default probe asks for the host 127.0.0.1",),
    sources=lines("""
        https://learn.microsoft.com/en-us/azure/application-gateway/application-gateway-backend-health-troubleshooting
        https://learn.microsoft.com/en-us/cli/azure/network/application-gateway/root-cert
    """),
)
