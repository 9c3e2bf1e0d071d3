"""Amazon API Gateway with HTTP integrations."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Product, Words, lines

_FAILED: Final = "Execution failed due to configuration error: "
_NAME: Final = (_FAILED + "Host name '{host}' does not match the certificate subject provided by the peer",)

PRODUCT: Final = Product(
    name="aws-apigw",
    title="Amazon API Gateway (HTTP integration)",
    profile="java",
    nearest="its texts are those of JSSE; its own list of CAs can be given as --truststore",
    words=Words(
        client="API Gateway",
        server="the integration endpoint",
        store="the list of CAs that API Gateway supports",
        leg="API Gateway to integration endpoint",
    ),
    store="AWS's own list of supported certificate authorities, which cannot be changed",
    form=None,
    closed="API Gateway trusts AWS's published list of CAs and takes no certificate of one's own",
    errors=MappingProxyType(
        {
            "certificate": (_FAILED + "{error}",),
            "hostname-mismatch": _NAME,
            "hostname-only-in-cn": _NAME,
        }
    ),
    repairs=MappingProxyType(
        {
            "store": lines("""
                # API Gateway takes no root of one's own: the endpoint needs a certificate of a CA on AWS's list,
                # sent with its intermediates.
            """),
            "host": lines("""
                # Put {host} into the uri of the integration; for a private HTTP API:
                aws apigatewayv2 update-integration --api-id $API --integration-id $INTEGRATION --tls-config \
                    ServerNameToVerify={host}
            """),
        }
    ),
    notes=("of a refused certificate only the execution log tells more than a 500",),
    sources=lines("""
        https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-supported-certificate-authorities-for-http-endpoints.html
        https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-extensions-integration-tls-config.html
        measured: OpenJDK 17.0.21
    """),
)
