"""Kubernetes Secrets and ConfigMaps that hold certificates (`kubectl get … -o yaml`, `-o json`, manifests, lists).

The keys by which gateways find their CA (`ca.crt` for ingress-nginx, Gateway API and cert-manager, `cacert` for Istio)
are the store. Where an object has none of them, every key with certificates counts, but for `tls.crt` and `cert`: that
is what the holder presents, not what it trusts. `data` of a Secret is base64, `stringData` and a ConfigMap's `data` are
text, `binaryData` is base64.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final

from analyzer.structured import documents, walk
from analyzer.trust.stores import Contents, Format, Trouble, format_of
from analyzer.trust.stores._embedded import embedded, joined
from analyzer.trust.stores._words import text

__all__ = ["FORMAT"]

_KINDS: Final = ("Secret", "ConfigMap")
_AUTHORITIES: Final = (
    "ca.crt",
    "cacert",
    "ca.pem",
    "ca-cert.pem",
    "root-cert.pem",
    "ca-bundle.crt",
    "ca-certificates.crt",
)
_PRESENTED: Final = ("tls.crt", "tls.key", "cert", "key")


def _recognise(data: bytes) -> bool:
    return b"kind" in data and any(True for _ in _objects(documents(data)))


def _read(data: bytes, password: str | None) -> Contents:
    parts = []
    for where, values in _objects(documents(data)):
        known = [name for name in _AUTHORITIES if values.get(name)]
        others = [name for name in values if name not in _PRESENTED and _holds_certificates(values[name])]
        parts += [embedded(values[name], f"{where}, key {text(name)}", password) for name in known or others]
        if not known and not others:
            presented = any(_holds_certificates(values.get(name)) for name in _PRESENTED)
            what = "only the certificate that its holder presents (tls.crt)" if presented else "no certificate"
            told = f"{where} holds {what}; a gateway reads its CA from the key ca.crt"
            parts.append(Contents(problems=(Trouble(code="other-content", text=told, severity="warning"),)))
    return joined(parts)


def _objects(values: tuple[Any, ...]) -> Iterator[tuple[str, dict[str, str | bytes]]]:
    for value in values:
        for _, found in walk(value):
            kind, about = found.get("kind"), found.get("metadata")
            if kind not in _KINDS or "apiVersion" not in found:
                continue
            about = about if isinstance(about, dict) else {}
            name = "/".join(filter(None, (text(about.get("namespace")), text(about.get("name")))))
            yield f"{kind} {name}".strip(), _values(kind, found)


def _values(kind: str, found: dict[str, Any]) -> dict[str, str | bytes]:
    values: dict[str, str | bytes] = {}
    for group, encoded in (("data", kind == "Secret"), ("binaryData", True), ("stringData", False)):
        entries = found.get(group)
        for key, value in entries.items() if isinstance(entries, dict) else ():
            if isinstance(value, str):
                values[key] = _decoded(value) if encoded else value
    return values


def _decoded(value: str) -> str | bytes:
    """The bytes of base64; the text as it stands where it is none."""
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        return value


def _holds_certificates(value: str | bytes | None) -> bool:
    if not value:
        return False
    if isinstance(value, str):
        return "-----BEGIN" in value and "CERTIFICATE-----" in value
    if b"-----BEGIN" in value:
        return b"CERTIFICATE-----" in value
    known = format_of(value)
    return known is not None and known.name != "key, request or revocation list"


FORMAT = Format(name="Kubernetes Secret or ConfigMap", recognise=_recognise, read=_read)
