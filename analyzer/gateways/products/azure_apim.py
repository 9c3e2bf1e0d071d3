"""Azure API Management, the managed gateway of the classic tiers: .NET Framework on Windows."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

WORDS: Final = Words(
    client="the API Management gateway",
    server="the backend",
    store="the list of CA certificates",
    leg="API Management gateway to backend",
)
CALLBACK: Final = "The remote certificate was rejected by the provided RemoteCertificateValidationCallback"

PRODUCT: Final = Product(
    name="azure-apim",
    title="Azure API Management (classic tiers, managed gateway)",
    profile="schannel",
    nearest="Windows itself was not measured: the profile follows Microsoft's documentation",
    words=WORDS,
    store="Certificates > CA certificates: each upload names the store Root or CertificateAuthority (intermediates)",
    form=Form(
        together=False,
        encoding="der",
        suffix=".cer",
        intermediates=True,
        places=MappingProxyType({"root": "Root", "intermediate": "CertificateAuthority", "leaf": "Root"}),
    ),
    errors=MappingProxyType(
        {
            "certificate": lines("""
                The underlying connection was closed: Could not establish trust relationship for the SSL/TLS secure \
                    channel.
                The remote certificate is invalid according to the validation procedure.
                BackendConnectionFailure
            """),
            "server-closed": ("BackendConnectionFailure",),
            "server-reset": ("BackendConnectionFailure",),
        }
    ),
    repairs=MappingProxyType(
        {
            "store": lines("""
                # Portal: Security > Certificates > CA certificates > Add, the root first:
                #   {file} into the store {place}
                # Or in PowerShell; Set-AzApiManagement then takes these together with those that are there:
                ${{{alias}}} = New-AzApiManagementSystemCertificate -StoreName {place} -PfxPath {file}
                # Not a PFX with the whole chain: all of it goes to one store, and no chain is built from that.
                # The change takes 15 minutes or more; in the Developer tier the gateway is down meanwhile.
            """),
            "host": lines("""
                # Put {host} into the backend's address (Web service URL, or url of the backend entity): it is the \
                    name that is checked.
            """),
        }
    ),
    notes=lines("""
        in the v2 tiers the list of CA certificates is stored and not consulted: there trust is set on the backend \
            entity
        the self-hosted gateway does not use the uploaded CA certificates: see --gateway azure-apim-selfhosted
    """),
    sources=lines("""
        https://learn.microsoft.com/en-us/azure/api-management/api-management-howto-ca-certificates
        https://learn.microsoft.com/en-us/powershell/module/az.apimanagement/new-azapimanagementsystemcertificate
    """),
)
