"""Kubernetes objects that set TLS to a backend: DestinationRule, BackendTLSPolicy, Ingress, ServersTransport.

Istio's DestinationRule (`trafficPolicy.tls`), Gateway API's BackendTLSPolicy (`validation`), ingress-nginx annotations
(`nginx.ingress.kubernetes.io/proxy-ssl-…`), Traefik's ServersTransport. The secrets that they name are read when they
are given too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from analyzer.gateways.configuration import Configuration, Endpoint, File, Format, Store, Target
from analyzer.gateways.configuration._reading import dig, number, shown, strings, switch
from analyzer.structured import Table, items, walk

__all__ = ["FORMAT"]

_NGINX: Final = "nginx.ingress.kubernetes.io/"


def _recognise(file: File) -> bool:
    return any(True for _ in _objects(file))


def _read(file: File) -> Configuration:
    targets: list[Target] = []
    stores: dict[str, Store] = {}
    for path, found in _objects(file):
        line = f":{found.line}" if isinstance(found, Table) else f" {path.removeprefix('$').lstrip('.')}".rstrip()
        targets += _READERS[str(found["kind"])](found, f"{file.name}{line}")
    for target in targets:
        for name in target.stores:
            stores.setdefault(name, Store(name=name, path=name if name.startswith("/") else None))
    product = targets[0].product if targets else ""
    return Configuration(product=product, targets=tuple(targets), stores=tuple(stores.values()))


def _objects(file: File) -> Iterator[tuple[str, dict[str, Any]]]:
    for value in file.values:
        for path, found in walk(value):
            kind = found.get("kind")
            if "apiVersion" not in found or not isinstance(kind, str) or kind not in _READERS:
                continue
            if kind != "Ingress" or any(key.startswith(f"{_NGINX}proxy-ssl") for key in _annotations(found)):
                yield path, found


def _name(found: dict[str, Any]) -> str:
    about = found.get("metadata")
    parts = (dig(about, "namespace"), dig(about, "name"))
    return f"{shown(found['kind'])} {'/'.join(shown(part) for part in parts if part)}".strip()


def _annotations(found: dict[str, Any]) -> dict[str, str]:
    held = dig(found, "metadata", "annotations")
    return {str(key): str(value) for key, value in held.items()} if isinstance(held, dict) else {}


def _destination_rule(found: dict[str, Any], place: str) -> Iterator[Target]:
    host = shown(dig(found, "spec", "host"))
    policy = dig(found, "spec", "trafficPolicy")
    settings: list[tuple[int | None, Any]] = [(None, dig(policy, "tls"))]
    settings += [(number(dig(p, "port", "number")), dig(p, "tls")) for p in items(policy, "portLevelSettings")]
    for port, tls in settings:
        mode = str(dig(tls, "mode") or "").upper()
        if mode not in ("SIMPLE", "MUTUAL"):
            continue
        store = shown(dig(tls, "caCertificates"), 1000) or shown(dig(tls, "credentialName"))
        skips = switch(dig(tls, "insecureSkipVerify"))
        names = strings(dig(tls, "subjectAltNames"))
        sni = shown(dig(tls, "sni"))
        notes = []
        if not store and not skips:
            notes.append("neither caCertificates nor credentialName is set: whether the chain is verified depends on "
                         "Istio's version and settings")  # fmt: skip
        if len(names) > 1:
            notes.append(f"any of these names is accepted: {', '.join(map(shown, names[:5]))}")
        yield Target(
            name=_name(found), product="istio", place=place,
            endpoints=(Endpoint(host=host, port=port),) if host and "*" not in host else (),
            server_name=sni or None, sends_server_name=True if sni else None,
            checked_name=names[0] if names else None,
            verifies_chain=False if skips else True if store else None,
            verifies_name=False if skips else True if names else None,
            stores=(store,) if store else (), client_certificate=mode == "MUTUAL", notes=tuple(notes),
        )  # fmt: skip


def _backend_tls_policy(found: dict[str, Any], place: str) -> Iterator[Target]:
    validation = dig(found, "spec", "validation") or dig(found, "spec", "tls")
    hostname = shown(dig(validation, "hostname"))
    stores = tuple(
        f"{shown(dig(ref, 'kind')) or 'ConfigMap'} {shown(dig(ref, 'name'))}"
        for ref in items(validation, "caCertificateRefs")
        if dig(ref, "name")
    )
    if shown(dig(validation, "wellKnownCACertificates")) == "System":
        stores = (*stores, "the system's CA certificates")
    names = [shown(dig(name, "hostname")) for name in items(validation, "subjectAltNames") if dig(name, "hostname")]
    yield Target(
        name=_name(found), product="envoy", place=place, server_name=hostname or None, sends_server_name=bool(hostname),
        checked_name=names[0] if names else hostname or None, verifies_chain=True, verifies_name=True, stores=stores,
        notes=("which product enforces this policy is not told; Envoy's validator is taken",),
    )  # fmt: skip


def _ingress(found: dict[str, Any], place: str) -> Iterator[Target]:
    told = {key.removeprefix(_NGINX): value for key, value in _annotations(found).items()}
    verified = switch(told.get("proxy-ssl-verify")) or False
    sends = switch(told.get("proxy-ssl-server-name")) or False
    name = shown(told.get("proxy-ssl-name"))
    secret = shown(told.get("proxy-ssl-secret"))
    notes = []
    if not name:
        notes.append("proxy-ssl-name is not set: the name that is checked is upstream_balancer")
    if not sends:
        notes.append("proxy-ssl-server-name is off: no server name is sent (SNI)")
    yield Target(
        name=_name(found), product="ingress-nginx", place=place, server_name=name if sends and name else None,
        sends_server_name=sends, checked_name=name or "upstream_balancer", verifies_chain=verified,
        verifies_name=verified, verify_depth=number(told.get("proxy-ssl-verify-depth")) or 1,
        stores=(f"Secret {secret}",) if secret and verified else (), client_certificate=None, notes=tuple(notes),
    )  # fmt: skip


def _servers_transport(found: dict[str, Any], place: str) -> Iterator[Target]:
    spec = found.get("spec")
    name = shown(dig(spec, "serverName"))
    skips = bool(switch(dig(spec, "insecureSkipVerify")))
    secrets = [*strings(dig(spec, "rootCAsSecrets"))]
    secrets += [
        str(dig(ref, "secret") or dig(ref, "configMap")) for ref in items(spec, "rootCAs") if isinstance(ref, dict)
    ]
    yield Target(
        name=_name(found), product="traefik", place=place, server_name=name or None,
        sends_server_name=True if name else None, checked_name=name or None, verifies_chain=not skips,
        verifies_name=not skips, stores=tuple(f"Secret {shown(item)}" for item in secrets) if not skips else (),
        client_certificate=bool(dig(spec, "certificatesSecrets")),
    )  # fmt: skip


_READERS: Final[dict[str, Callable[[dict[str, Any], str], Iterator[Target]]]] = {
    "DestinationRule": _destination_rule,
    "BackendTLSPolicy": _backend_tls_policy,
    "Ingress": _ingress,
    "ServersTransport": _servers_transport,
}

FORMAT = Format(name="Kubernetes objects", recognise=_recognise, read=_read)
