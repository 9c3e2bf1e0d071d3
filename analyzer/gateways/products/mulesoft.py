"""Mule runtime and Anypoint Flex-less API gateways (Java)."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from analyzer.gateways import Product, Words, lines
from analyzer.gateways.products import java

PRODUCT: Final[Product] = replace(
    java.PRODUCT,
    name="mulesoft",
    title="MuleSoft (Mule runtime)",
    words=Words(
        client="the Mule runtime",
        server="the implementation endpoint",
        store="the tls:trust-store",
        leg="Mule runtime to implementation endpoint",
    ),
    store="the file of <tls:trust-store> in the <tls:context> (type jks or pkcs12); without it the JRE's cacerts",
    repairs=MappingProxyType(
        {
            "store": (
                *java.STORE_LINES,
                '# <tls:context><tls:trust-store path="TRUSTSTORE" password="${{...}}" type="jks"/></tls:context>',
                "# Deploy the application anew: the store is part of it.",
            ),
            "host": ("# Put {host} into host of the <http:request-connection>: it is the name that is checked.",),
        }
    ),
    sources=lines("""
        https://docs.mulesoft.com/mule-runtime/latest/tls-configuration
        measured: OpenJDK 17.0.21, keytool of the same
    """),
)
