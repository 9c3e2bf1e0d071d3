"""Azure Application Gateway: backend settings with HTTPS (`az network application-gateway show`, ARM templates).

A setting's host is its `hostName`, else that of its probe; with `pickHostNameFromBackendAddress` that of the server in
the pool. Its `trustedRootCertificates` are what it trusts; without them a public CA is wanted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.gateways.configuration import Configuration, Endpoint, File, Format, Store, Target
from analyzer.gateways.configuration._reading import is_address, number, shown, switch
from analyzer.structured import items, walk
from analyzer.trust.stores._embedded import embedded

__all__ = ["FORMAT"]


def _recognise(file: File) -> bool:
    return any(True for _ in _gateways(file))


def _read(file: File) -> Configuration:
    targets: list[Target] = []
    stores: dict[str, Store] = {}
    for path, about in _gateways(file):
        for kind in ("trustedRootCertificates", "authenticationCertificates"):
            for root in _entries(about, kind):
                name = shown(root.get("name"))
                stores.setdefault(name, Store(name=name, contents=embedded(root.get("data"), name)))
        targets += [
            _target(file, path, about, setting)
            for setting in _entries(about, "backendHttpSettingsCollection")
            if str(setting.get("protocol", "")).lower() == "https"
        ]
    return Configuration(product="azure-appgw", targets=tuple(targets), stores=tuple(stores.values()))


def _gateways(file: File) -> Iterator[tuple[str, dict[str, Any]]]:
    for value in file.values:
        for path, found in walk(value):
            if isinstance(found.get("backendHttpSettingsCollection"), list):
                yield path, found


def _entries(about: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of named objects, the properties of each beside its name, as az shows it and ARM does not."""
    found = []
    for item in items(about, name):
        if isinstance(item, dict):
            inner = item.get("properties")
            found.append({**item, **inner} if isinstance(inner, dict) else item)
    return found


def _target(file: File, path: str, about: dict[str, Any], setting: dict[str, Any]) -> Target:
    own = _reference(setting)
    pools = {
        _last(rule.get("backendAddressPool"))
        for rule in [*_entries(about, "requestRoutingRules"), *_path_rules(about)]
        if _last(rule.get("backendHttpSettings")) == own
    }
    port = number(setting.get("port"))
    hosts = [
        str(address.get("fqdn") or address.get("ipAddress"))
        for pool in _entries(about, "backendAddressPools")
        if _reference(pool) in pools or not pools
        for address in items(pool, "backendAddresses")
        if isinstance(address, dict) and (address.get("fqdn") or address.get("ipAddress"))
    ]
    probe = next((p for p in _entries(about, "probes") if _reference(p) == _last(setting.get("probe"))), {})
    picked = bool(switch(setting.get("pickHostNameFromBackendAddress")))
    name = shown(setting.get("hostName")) or shown(probe.get("host"))
    if picked and hosts and not is_address(hosts[0]):
        name = hosts[0] if len(hosts) == 1 else ""
    roots = [_last(root) for kind in ("trustedRootCertificates", "authenticationCertificates")
             for root in items(setting, kind)]  # fmt: skip
    notes = [] if name else ["the name that is checked is that of the server in the pool"]
    if not roots:
        notes.append("no trusted root certificate is bound to this setting: a public CA is wanted")
    return Target(
        name=f"backend setting {own}",
        product="azure-appgw",
        place=f"{file.name} {path.removeprefix('$').lstrip('.')}".strip(),
        endpoints=tuple(Endpoint(host=host, port=port) for host in hosts[:500]),
        server_name=name or None,
        sends_server_name=True if name else None,
        checked_name=name or None,
        verifies_chain=switch(setting.get("validateCertChainAndExpiry")) is not False,
        verifies_name=switch(setting.get("validateSNI")) is not False,
        stores=tuple(root for root in roots if root),
        notes=tuple(notes),
    )


def _path_rules(about: dict[str, Any]) -> list[dict[str, Any]]:
    return [rule for group in _entries(about, "urlPathMaps") for rule in [group, *_entries(group, "pathRules")]]


def _reference(item: dict[str, Any]) -> str:
    return shown(item.get("name")) or _last(item)


def _last(reference: Any) -> str:
    """The name at the end of a resource's id, which ARM may write as an expression."""
    written = str(reference.get("id", "")) if isinstance(reference, dict) else ""
    return shown(written.rstrip("')]").replace("'", "/").rpartition("/")[2])


FORMAT = Format(name="Azure Application Gateway", recognise=_recognise, read=_read)
