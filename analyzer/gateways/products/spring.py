"""Spring Cloud Gateway on Netty."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines
from analyzer.gateways.products import java

PRODUCT: Final[Product] = replace(
    java.PRODUCT,
    name="spring",
    title="Spring Cloud Gateway",
    words=Words(
        client="Spring Cloud Gateway",
        server="the routed service",
        store="the list of trustedX509Certificates",
        leg="Spring Cloud Gateway to routed service",
    ),
    store="spring.cloud.gateway.httpclient.ssl.trustedX509Certificates, a list of PEM files; else the JDK's cacerts",
    form=Form(together=False),
    repairs=MappingProxyType(
        {
            "store": lines("""
                # In the application's configuration, one line for each file:
                spring.cloud.gateway.httpclient.ssl.trustedX509Certificates: [{file}]
                # The WebMVC variant of the gateway ignores this property: there, the trust store of the JVM:
                keytool -importcert -noprompt -alias {alias} -file {file} -cacerts
            """),
            "host": ("# Put {host} into the uri of the route: it is the name that is checked.",),
        }
    ),
    notes=lines("""
        with netty-tcnative the validator is still JSSE's trust manager, but alerts come from OpenSSL or BoringSSL
    """),
    sources=lines("""
        https://docs.spring.io/spring-cloud-gateway/docs/current/reference/html/#tls-and-ssl
        https://github.com/spring-cloud/spring-cloud-gateway/issues/3423
        measured: OpenJDK 17.0.21
    """),
)
