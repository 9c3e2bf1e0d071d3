"""Elastic Load Balancing with HTTPS or TLS targets: it verifies nothing."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from analyzer.gateways import Product, Words, lines

_UNCHECKED: Final = lines("""
    # The load balancer does not look at the target's certificate: it is not what failed on this leg. Look at the
    # versions and cipher suites, or whether the one who refused is the load balancer at all.
""")

PRODUCT: Final = Product(
    name="aws-alb",
    title="Elastic Load Balancing (ALB, NLB)",
    profile=None,
    words=Words(
        client="the load balancer",
        server="the target",
        store="the trust store",
        leg="load balancer to target",
    ),
    store="none: the certificates of targets are not validated",
    form=None,
    closed="the load balancer does not validate the certificates of its targets, so it has no store",
    errors=MappingProxyType({}),
    repairs=MappingProxyType({"store": _UNCHECKED, "host": _UNCHECKED, "depth": _UNCHECKED}),
    notes=lines("""
        the load balancer does not validate the certificates of its targets (self-signed and expired ones are \
            taken): a fault in the chain is not why it refused, and whoever refused a certificate here is someone else
    """),
    sources=lines("""
        https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-target-groups.html
        https://docs.aws.amazon.com/elasticloadbalancing/latest/network/create-target-group.html
    """),
)
