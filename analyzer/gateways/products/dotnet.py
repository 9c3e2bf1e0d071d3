""".NET: YARP, Ocelot, ASP.NET Core and any program on SslStream."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

_OUTER: Final = "The SSL connection could not be established, see inner exception."

PRODUCT: Final = Product(
    name="dotnet",
    title=".NET (YARP, HttpClient, any program)",
    profile="dotnet",
    nearest="this is .NET on Linux; on Windows it is Schannel (--profile schannel), which was not measured",
    words=Words(
        client="the .NET client",
        server="the destination",
        store="the trusted root store",
        leg=".NET client to destination",
    ),
    store="Linux: OpenSSL's directory (SSL_CERT_DIR, /etc/ssl/certs); Windows: LocalMachine\\Root and LocalMachine\\CA",
    form=Form(
        together=False,
        suffix=".crt",
        intermediates=True,
        places=MappingProxyType({"root": "Root", "intermediate": "CA", "leaf": "TrustedPeople"}),
    ),
    errors=MappingProxyType({"certificate": (_OUTER, "{error}")}),
    repairs=MappingProxyType(
        {
            "store": lines("""
                # Linux (Debian; elsewhere update-ca-trust):
                cp {file} /usr/local/share/ca-certificates/
                update-ca-certificates
                # Windows:
                certutil -addstore {place} {file}
            """),
            "host": lines("""
                # Put {host} into the destination's Address (YARP: or Host): it is the name that is checked.
            """),
        }
    ),
    notes=lines("""
        UntrustedRoot: the chain is complete and its root unknown; PartialChain: an issuer is missing. Windows and \
            Linux may name the same fault differently
    """),
    sources=lines("""
        measured: .NET Core 3.1 on Linux with OpenSSL 1.1.1
        https://learn.microsoft.com/en-us/dotnet/api/system.security.cryptography.x509certificates.x509chainstatusflags
        https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/certutil
    """),
)
