"""Istio: Envoy as a sidecar or an egress gateway, by DestinationRule."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from analyzer.gateways import Product, Words, lines
from analyzer.gateways.products import envoy

PRODUCT: Final[Product] = replace(
    envoy.PRODUCT,
    name="istio",
    title="Istio",
    words=Words(
        client="the Istio proxy",
        server="the destination host",
        store="the CA certificates of the DestinationRule",
        leg="Istio proxy to destination",
    ),
    store="caCertificates (a file in the proxy) or credentialName (a Secret with ca.crt) in tls of the DestinationRule",
    repairs=MappingProxyType(
        {
            "store": lines("""
                kubectl create secret generic backend-ca -n NAMESPACE --from-file=ca.crt={bundle} --dry-run=client \
                    -o yaml | kubectl apply -f -
                # In trafficPolicy of the DestinationRule:
                tls: {{mode: SIMPLE, credentialName: backend-ca, sni: {host}, subjectAltNames: [{host}]}}
                istioctl proxy-config secret POD -n NAMESPACE
            """),
            "host": lines("""
                # In trafficPolicy of the DestinationRule, beside what is there:
                tls: {{sni: {host}, subjectAltNames: [{host}]}}
            """),
        }
    ),
    notes=lines("""
        with mode SIMPLE and neither caCertificates nor credentialName, whether the server is verified depends on \
            the version of Istio
        credentialName is not taken everywhere: which proxies read it depends on the version
    """),
    sources=lines("""
        https://istio.io/latest/docs/reference/config/networking/destination-rule/
        https://istio.io/latest/docs/reference/config/analysis/ist0128/
        https://github.com/istio/istio/issues/43540
        measured: BoringSSL of 2022, X509_verify_cert alone
    """),
)
