"""Apigee X and hybrid: the Message Processor of Edge, another management API, Envoy in front."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from analyzer.gateways import Product, lines
from analyzer.gateways.products import apigee_edge

PRODUCT: Final[Product] = replace(
    apigee_edge.PRODUCT,
    name="apigee-x",
    title="Apigee X and hybrid",
    words=replace(apigee_edge.WORDS, front="the ingress gateway"),
    repairs=MappingProxyType(
        {
            "store": lines("""
                # A new truststore, then the reference is pointed to it: in a store that is in use, a renewed \
                    certificate may not reach every pod (known issue 432315283).
                API="https://apigee.googleapis.com/v1/organizations/$ORG/environments/$ENV"
                AUTH="Authorization: Bearer $(gcloud auth print-access-token)"
                curl -X POST -H "$AUTH" "$API/keystores?name=ts-new"
                curl -X POST -H "$AUTH" -F "certFile=@{file}" \
                    "$API/keystores/ts-new/aliases?alias={alias}&format=keycertfile"
                curl -X PUT -H "$AUTH" -H "Content-Type: application/json" "$API/references/$REF" \
                    -d '{{"name":"'$REF'","refers":"ts-new","resourceType":"KeyStore"}}'
                # $REF is the name behind ref:// in <TrustStore>. Where that names a truststore itself, change it.
            """),
            "host": apigee_edge.NAME_LINES,
        }
    ),
    notes=lines("""
        SSLInfo without Enforce and without TrustStore: Apigee X checks the host name, and not the chain
        Enforce=true overrides IgnoreValidationErrors; with Enforce and no TrustStore the platform's CAs are trusted
    """),
    sources=lines("""
        https://cloud.google.com/apigee/docs/api-platform/system-administration/working-references
        https://cloud.google.com/apigee/docs/reference/apis/apigee/rest/v1/organizations.environments.keystores.aliases/create
        https://cloud.google.com/apigee/docs/api-platform/system-administration/options-configuring-tls
        https://cloud.google.com/apigee/docs/release/known-issues
    """),
)
