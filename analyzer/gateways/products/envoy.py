"""Envoy towards an upstream with TLS; the family of Istio and other meshes."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Form, Product, Words, lines

_TLS_ERROR: Final = "TLS_error:|"
_ROUTINES: Final = ":SSL routines:OPENSSL_internal:"

ERRORS: Final = MappingProxyType(
    {
        "certificate": (
            f"{_TLS_ERROR}268435581{_ROUTINES}CERTIFICATE_VERIFY_FAILED",
            "upstream_reset_before_response_started{{connection_failure}}",
            "{error}",
        ),
        "not-tls": (f"{_TLS_ERROR}268435703{_ROUTINES}WRONG_VERSION_NUMBER",),
        "protocol-version-mismatch": (f"{_TLS_ERROR}268435696{_ROUTINES}UNSUPPORTED_PROTOCOL",),
        "server-reset": ("33554536", "Connection_reset_by_peer"),
    }
)

PRODUCT: Final = Product(
    name="envoy",
    title="Envoy",
    profile="boringssl",
    words=Words(
        client="Envoy",
        server="the upstream host",
        store="trusted_ca of the validation context",
        leg="Envoy to upstream",
    ),
    store="trusted_ca in common_tls_context.validation_context of the cluster's UpstreamTlsContext: a file, inline PEM "
    "or an SDS secret",
    form=Form(together=True),
    errors=ERRORS,
    repairs=MappingProxyType(
        {
            "store": lines("""
                # In the UpstreamTlsContext of the cluster:
                common_tls_context: {{validation_context: {{trusted_ca: {{filename: {bundle}}}}}}}
            """),
            "host": lines("""
                # In the UpstreamTlsContext of the cluster:
                sni: {host}
                common_tls_context: {{validation_context: {{match_typed_subject_alt_names: [{{san_type: DNS, \
                    matcher: {{exact: {host}}}}}]}}}}
            """),
            "depth": lines("""
                # In the UpstreamTlsContext of the cluster:
                common_tls_context: {{validation_context: {{max_verify_depth: {depth}}}}}
            """),
        }
    ),
    notes=lines("""
        without a validation context Envoy verifies nothing; without match_typed_subject_alt_names it checks no name
        `Secret is not supplied by SDS` means that nothing went over the wire at all
    """),
    sources=lines("""
        https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto
        https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/tls.proto
        https://github.com/envoyproxy/envoy/issues/44233
        measured: BoringSSL of 2022, X509_verify_cert alone
    """),
)
