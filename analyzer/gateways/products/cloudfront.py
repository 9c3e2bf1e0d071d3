"""Amazon CloudFront towards a custom origin."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Product, Words, lines

PRODUCT: Final = Product(
    name="cloudfront",
    title="Amazon CloudFront (custom origin)",
    profile="openssl",
    nearest="its validator is not known: OpenSSL's is taken",
    words=Words(
        client="CloudFront",
        server="the origin",
        store="the list of public CAs",
        leg="CloudFront to origin",
    ),
    store="the public CAs (Mozilla's list: --truststore mozilla), which cannot be changed",
    form=None,
    closed="CloudFront trusts public CAs only and takes no certificate of one's own",
    errors=MappingProxyType(
        {
            "certificate": ("CloudFront wasn't able to connect to the origin",),
            "protocol-version-mismatch": ("CloudFront wasn't able to connect to the origin",),
            "no-shared-cipher": ("CloudFront wasn't able to connect to the origin",),
        }
    ),
    repairs=MappingProxyType(
        {
            "store": lines("""
                # CloudFront takes no root of one's own: the origin needs a certificate of a public CA, sent with \
                    its
                # intermediates.
            """),
            "host": lines("""
                # {host} has to be the origin's domain name, or the Host header that CloudFront forwards to it: one \
                    of
                # the two has to be in the origin's certificate.
            """),
        }
    ),
    sources=lines("""
        https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/http-502-bad-gateway.html
    """),
)
