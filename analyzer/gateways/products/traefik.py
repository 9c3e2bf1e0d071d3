"""Traefik, a Go program."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from analyzer.gateways import Product, Words, lines
from analyzer.gateways.products import go

PRODUCT: Final[Product] = replace(
    go.PRODUCT,
    name="traefik",
    title="Traefik",
    words=Words(
        client="Traefik",
        server="the service's server",
        store="rootCAs of the serversTransport",
        leg="Traefik to the service's server",
    ),
    store="rootCAs of the serversTransport (files or PEM), or the system's bundle",
    errors=MappingProxyType(
        {
            **go.ERRORS,
            "certificate": ("500 Internal Server Error", "tls: failed to verify certificate: {error}", "{error}"),
        }
    ),
    repairs=MappingProxyType(
        {
            "store": lines("""
                # In the dynamic configuration; the service names the transport as serversTransport:
                http: {{serversTransports: {{backend: {{rootCAs: [{bundle}], serverName: {host}}}}}}}
            """),
            "host": lines("""
                # In the dynamic configuration; the service names the transport as serversTransport:
                http: {{serversTransports: {{backend: {{serverName: {host}}}}}}}
            """),
        }
    ),
    notes=lines("""
        Traefik logs the reason at level DEBUG only
        Go wants the name in a subject alternative name; the subject's CN does not count
    """),
    sources=lines("""
        https://doc.traefik.io/traefik/routing/services/#serverstransport
        https://github.com/traefik/traefik/issues/11580
        measured: Go 1.19.8, in which it is written
    """),
)
