"""ingress-nginx, the Kubernetes ingress controller on nginx."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Final

from analyzer.gateways import Product, lines
from analyzer.gateways.products import nginx

_PREFIX: Final = "nginx.ingress.kubernetes.io/"

PRODUCT: Final[Product] = replace(
    nginx.PRODUCT,
    name="ingress-nginx",
    title="ingress-nginx (Kubernetes)",
    words=replace(
        nginx.WORDS,
        client="the ingress controller",
        server="the backend service",
        store="the Secret of proxy-ssl-secret",
        leg="ingress controller to backend service",
    ),
    depth_setting=f"{_PREFIX}proxy-ssl-verify-depth",
    store=f"the key ca.crt of the Secret that the annotation {_PREFIX}proxy-ssl-secret names (NAMESPACE/NAME)",
    repairs=MappingProxyType(
        {
            "store": (
                *lines("""
                    kubectl create secret generic backend-ca --from-file=ca.crt={bundle} --dry-run=client -o yaml \
                        | kubectl apply -f -
                """),
                "# Annotations of the Ingress:",
                f'{_PREFIX}proxy-ssl-secret: "NAMESPACE/backend-ca"',
                f'{_PREFIX}proxy-ssl-verify: "on"',
            ),
            "host": (
                "# Annotations of the Ingress; without a name the controller checks upstream_balancer:",
                f'{_PREFIX}proxy-ssl-name: "{{host}}"',
                f'{_PREFIX}proxy-ssl-server-name: "on"',
            ),
            "depth": ("# Annotation of the Ingress:", f'{_PREFIX}proxy-ssl-verify-depth: "{{depth}}"'),
        }
    ),
    notes=(
        f"ingress-nginx verifies only where the annotation {_PREFIX}proxy-ssl-verify is on",
        "older versions demand tls.crt and tls.key in the Secret beside ca.crt",
    ),
    sources=lines("""
        https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/
        https://github.com/kubernetes/ingress-nginx/issues/12883
        measured: nginx 1.22.1 with OpenSSL 3.0.22, on which it is built
    """),
)
