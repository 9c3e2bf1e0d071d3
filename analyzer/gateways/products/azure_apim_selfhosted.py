"""The self-hosted gateway of Azure API Management: .NET in a Linux container."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from analyzer.gateways import Product, lines
from analyzer.gateways.products import azure_apim

PRODUCT: Final[Product] = replace(
    azure_apim.PRODUCT,
    name="azure-apim-selfhosted",
    title="Azure API Management (self-hosted gateway)",
    profile="dotnet",
    nearest="the container's .NET was not measured: the profile is .NET Core 3.1 on Linux",
    words=replace(
        azure_apim.WORDS, client="the self-hosted gateway", store="the gateway's list of certificate authorities"
    ),
    store="certificates of the service that are attached to the gateway as certificate authorities, with isTrusted",
    errors=MappingProxyType({"certificate": (azure_apim.CALLBACK, "{error}")}),
    repairs=MappingProxyType(
        {
            "store": lines("""
                # Upload {file} as a certificate of the service, with the id {alias}.
                SERVICE="https://management.azure.com/subscriptions/$SUB/resourceGroups/$RG\
/providers/Microsoft.ApiManagement/service/$NAME"
                az rest --method put --body '{{"properties":{{"isTrusted":true}}}}' \
                    --url "$SERVICE/gateways/$GATEWAY/certificateAuthorities/{alias}?api-version=2021-08-01"
                # The CA certificates of the service itself are not used by a self-hosted gateway.
            """),
            "host": azure_apim.PRODUCT.repairs["host"],
        }
    ),
    notes=(),
    sources=lines("""
        https://learn.microsoft.com/en-us/azure/api-management/api-management-howto-ca-certificates
        https://learn.microsoft.com/en-us/rest/api/apimanagement/gateway-certificate-authority/create-or-update
        measured: .NET Core 3.1 on Linux with OpenSSL 1.1.1
    """),
)
