"""Envoy: clusters with an `UpstreamTlsContext`, in YAML, JSON or `/config_dump`; field names in snake or camel case.

Without a validation context, or without `trusted_ca` in it, nothing is verified. `sni` is sent; the name is checked
only by SAN matchers, or `auto_san_validation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from analyzer.gateways.configuration import MOST_TARGETS, Configuration, Endpoint, File, Format, Store, Target
from analyzer.gateways.configuration._reading import dig, number, shown, switch
from analyzer.structured import Table, items, walk
from analyzer.trust.stores import Trouble
from analyzer.trust.stores._embedded import embedded

__all__ = ["FORMAT"]

_INLINE: Final = ("inline_bytes", "inline_string")
_MATCHERS: Final = ("match_typed_subject_alt_names", "match_subject_alt_names")


def _recognise(file: File) -> bool:
    return b"ransport" in file.data and any(True for _ in _clusters(file))


def _read(file: File) -> Configuration:
    stores: dict[str, Store] = {}
    contexts: dict[str, Any] = {}
    for value in file.values:
        for _, found in walk(value):
            secret = dig(found, "validation_context")
            if isinstance(secret, dict) and isinstance(found.get("name"), str):
                contexts[found["name"]] = secret
    targets: list[Target] = []
    problems: list[Trouble] = []
    for path, cluster, tls in _clusters(file):
        if len(targets) >= MOST_TARGETS:
            text = f"has more than {MOST_TARGETS} clusters; the others were not read"
            problems.append(Trouble(code="too-large", text=text, severity="warning"))
            break
        targets.append(_target(f"{file.name}{_line(cluster, path)}", cluster, tls, contexts, stores))
    return Configuration(
        product="envoy", targets=tuple(targets), stores=tuple(stores.values()), problems=tuple(problems)
    )


def _line(cluster: dict[str, Any], path: str) -> str:
    return f":{cluster.line}" if isinstance(cluster, Table) else f" {path.removeprefix('$.')}"


def _clusters(file: File) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    for value in file.values:
        for path, found in walk(value):
            if "name" not in found:
                continue
            sockets = [dig(found, "transport_socket")]
            sockets += [dig(match, "transport_socket") for match in items(dig(found, "transport_socket_matches"))]
            for socket in sockets:
                tls = dig(socket, "typed_config") or dig(socket, "config")
                kind = str(dig(tls, "@type") or "")
                if isinstance(tls, dict) and (kind.endswith("UpstreamTlsContext") or (not kind and "sni" in tls)):
                    yield path, found, tls


def _target(
    place: str, cluster: dict[str, Any], tls: dict[str, Any], contexts: dict[str, Any], stores: dict[str, Store]
) -> Target:
    name = shown(cluster.get("name"))
    common = dig(tls, "common_tls_context")
    context, notes = _validation(common, contexts)
    used = []
    source = dig(context, "trusted_ca")
    if isinstance(source, dict):
        inline = next((dig(source, key) for key in _INLINE if dig(source, key)), None)
        file = shown(source.get("filename"), 1000)
        label = file or f"trusted_ca of {name}"
        used.append(label)
        stores.setdefault(
            label, Store(name=label, path=file or None, contents=embedded(inline, label) if inline else None)
        )
    exact = [dig(m, "matcher", "exact") or dig(m, "exact") for key in _MATCHERS for m in items(dig(context, key))]
    wanted = [found for found in exact if isinstance(found, str)]
    if len(wanted) > 1:
        notes.append(f"any of these names is accepted: {', '.join(map(shown, wanted[:5]))}")
    elif exact and not wanted:
        notes.append("the name is matched by a pattern, which is not compared here")
    sni = shown(dig(tls, "sni"))
    accepted = str(dig(context, "trust_chain_verification") or "") == "ACCEPT_UNTRUSTED"
    if accepted:
        notes.append("trust_chain_verification is ACCEPT_UNTRUSTED")
    waits = bool(notes) and notes[0].startswith("its validation context")
    verified = None if waits else bool(used) and not accepted
    options = [
        dig(value, "upstream_http_protocol_options")
        for _, value in walk(dig(cluster, "typed_extension_protocol_options"))
    ]
    automatic = any(switch(dig(option, "auto_san_validation")) for option in options)
    auto_sni = any(switch(dig(option, "auto_sni")) for option in options)
    return Target(
        name=f"cluster {name}",
        product="envoy",
        place=place,
        endpoints=tuple(_endpoints(cluster)),
        server_name=sni or None,
        sends_server_name=True if sni else None if auto_sni else False,
        checked_name=wanted[0] if wanted else sni if automatic and sni else None,
        verifies_chain=verified,
        verifies_name=None if waits else bool(exact) or automatic,
        verify_depth=number(dig(context, "max_verify_depth")),
        stores=tuple(used) if verified else (),
        client_certificate=bool(dig(common, "tls_certificates") or dig(common, "tls_certificate_sds_secret_configs")),
        notes=tuple(notes),
    )


def _validation(common: Any, contexts: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The validation context, with what a named secret adds to it."""
    combined = dig(common, "combined_validation_context")
    context = dig(common, "validation_context") or dig(combined, "default_validation_context")
    context = dict(context) if isinstance(context, dict) else {}
    sds = dig(common, "validation_context_sds_secret_config") or dig(combined, "validation_context_sds_secret_config")
    secret = dig(sds, "name")
    if not isinstance(secret, str):
        return context, []
    if secret not in contexts:
        return context, [f"its validation context is the secret {shown(secret)}, which is not in this file"]
    return {**context, **contexts[secret]}, []


def _endpoints(cluster: dict[str, Any]) -> Iterator[Endpoint]:
    places = [dig(cluster, "load_assignment"), *items(dig(cluster, "hosts"))]
    count = 0
    for _, found in (pair for place in places for pair in walk(place)):
        address = dig(found, "socket_address")
        host = dig(address, "address")
        if isinstance(host, str) and count < 500:
            count += 1
            yield Endpoint(host=shown(host), port=number(dig(address, "port_value")))


FORMAT = Format(name="Envoy", recognise=_recognise, read=_read)
