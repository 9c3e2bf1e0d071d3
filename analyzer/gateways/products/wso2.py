"""WSO2 API Manager (Java)."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from analyzer.gateways import Product, Words, lines
from analyzer.gateways.products import java

_STORE: Final = "repository/resources/security/client-truststore.jks"

PRODUCT: Final[Product] = replace(
    java.PRODUCT,
    name="wso2",
    title="WSO2 API Manager",
    words=Words(
        client="the WSO2 gateway",
        server="the backend endpoint",
        store="client-truststore.jks",
        leg="WSO2 gateway to backend endpoint",
    ),
    store=f"{_STORE} (JKS), or a dynamic profile in sslprofiles.xml",
    repairs=MappingProxyType(
        {
            "store": (
                f"keytool -importcert -noprompt -alias {{alias}} -file {{file}} -keystore {_STORE}",
                java.ONE_EACH,
                "# Restart the gateway, unless the store is watched by a dynamic SSL profile.",
            ),
            "host": ("# Put {host} into the address of the endpoint: it is the name that is checked.",),
        }
    ),
    sources=lines("""
        https://apim.docs.wso2.com/en/latest/install-and-setup/setup/security/configuring-keystores/
        measured: OpenJDK 17.0.21, keytool of the same
    """),
)
