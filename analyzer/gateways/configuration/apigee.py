"""Apigee: TargetEndpoint, TargetServer and VirtualHost, as XML of a bundle or JSON of the management API.

What `SSLInfo` enforces (measured by others on Apigee X, runtime 1-18): without it the host name is checked and the
chain is not; with a TrustStore the chain is checked against it; with Enforce against it or the platform's own store;
`IgnoreValidationErrors` leaves the chain unchecked unless Enforce is set. Edge is taken to do the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from analyzer.gateways.configuration import Configuration, Endpoint, File, Format, Store, Target
from analyzer.gateways.configuration._reading import dig, endpoint_of_url, is_address, number, shown, switch
from analyzer.structured import Element, walk
from analyzer.trust.stores import Trouble

__all__ = ["FORMAT"]

_NAMES: Final = ("TargetEndpoint", "TargetServer", "VirtualHost")
_SETTINGS: Final = ("enabled", "enforce", "clientAuthEnabled", "keyStore", "trustStore", "ignoreValidationErrors")
_PLATFORM: Final = "the platform's own trust store"


def _recognise(file: File) -> bool:
    top = file.xml
    return (top is not None and top.name in _NAMES) or any(True for _ in _servers(file.values))


def _read(file: File) -> Configuration:
    targets: list[Target] = []
    problems: list[Trouble] = []
    top = file.xml
    if top is not None and top.name == "TargetEndpoint":
        targets += _endpoints(top, file.name, problems)
    elif top is not None:
        targets += _server(top.name, _of_xml(top), f"{file.name}:{top.line}", problems)
    for path, value in _servers(file.values):
        targets += _server("TargetServer", value, f"{file.name} {path}".strip(), problems)
    stores = {name: Store(name=name) for target in targets for name in target.stores}
    return Configuration(
        product="apigee-edge", targets=tuple(targets), stores=tuple(stores.values()), problems=tuple(problems)
    )


def _endpoints(top: Element, file: str, problems: list[Trouble]) -> Iterator[Target]:
    name = shown(top.attributes.get("name", "default"))
    connection = top.child("HTTPTargetConnection")
    if connection is None:
        text = f"TargetEndpoint {name} has no HTTPTargetConnection: it connects to nothing by TLS"
        problems.append(Trouble(code="no-target", text=text, severity="warning"))
        return
    url = connection.value("URL")
    if url is None:
        servers = [shown(item.attributes.get("name", "")) for item in connection.every("Server")]
        text = (
            f"TargetEndpoint {name} leads to target servers ({', '.join(servers[:5]) or 'none'}), which have the host "
            "and the trust store; give their definitions with --config too"
        )
        problems.append(Trouble(code="no-target", text=text, severity="warning"))
        return
    scheme, end = endpoint_of_url(url)
    info = connection.child("SSLInfo")
    if scheme != "https" and "{" not in url:
        text = f"TargetEndpoint {name} connects without TLS ({shown(url, 80)})"
        problems.append(Trouble(code="no-target", text=text, severity="warning"))
        return
    settings = _of_xml(info) if info is not None else {}
    place = f"{file}:{(connection.child('URL') or connection).line}"
    yield _target(f"TargetEndpoint {name}", end, settings, place, has_info=info is not None)


def _server(kind: str, value: Mapping[str, Any], place: str, problems: list[Trouble]) -> Iterator[Target]:
    name = f"{kind} {shown(value.get('name'))}".strip()
    settings = value.get("sSLInfo") or value.get("SSLInfo") or {}
    settings = settings if isinstance(settings, dict) else {}
    if kind == "VirtualHost":
        text = (
            f"{name} is the side towards the clients of the API: "
            + ("a client certificate is asked for, and checked against " if switch(settings.get("clientAuthEnabled"))
               else "no client certificate is asked for; its trust store is ")
            + f"{shown(settings.get('trustStore')) or 'none'}"
        )  # fmt: skip
        problems.append(Trouble(code="no-target", text=text, severity="note"))
        return
    host = shown(value.get("host"))
    if not switch(settings.get("enabled")):
        text = f"{name} connects without TLS: its SSLInfo is not enabled"
        problems.append(Trouble(code="no-target", text=text, severity="warning"))
        return
    end = Endpoint(host=host, port=number(value.get("port"))) if host else None
    yield _target(name, end, settings, place, has_info=True)


def _target(name: str, end: Endpoint | None, settings: Mapping[str, Any], place: str, *, has_info: bool) -> Target:
    enforced = bool(switch(settings.get("enforce")))
    ignored = bool(switch(settings.get("ignoreValidationErrors")))
    store = shown(settings.get("trustStore"))
    checked = (enforced or bool(store)) and (enforced or not ignored)
    notes = []
    if end is None:
        notes.append("the host stands in a variable")
    if not has_info:
        notes.append("there is no SSLInfo: the chain is not checked, the host name is (measured on Apigee X)")
    elif not checked:
        why = "IgnoreValidationErrors is true" if ignored else "neither Enforce nor a TrustStore is set"
        notes.append(f"{why}: the chain is not checked (measured on Apigee X)")
    elif enforced and ignored:
        notes.append("Enforce overrides IgnoreValidationErrors")
    common = settings.get("commonName")
    wanted = common.get("value") if isinstance(common, dict) else common
    wanted = shown(wanted)
    if wanted:
        notes.append(f"CommonName: the certificate has to bear the name {wanted}")
    host = end.host if end is not None else None
    stores = (store,) if store and checked else (_PLATFORM,) if checked else ()
    return Target(
        name=name,
        product="apigee-edge",
        place=place,
        endpoints=(end,) if end is not None else (),
        server_name=host if host and not is_address(host) else None,
        sends_server_name=None if host is None else not is_address(host),
        checked_name=wanted if wanted and "*" not in wanted else host,
        verifies_chain=checked,
        verifies_name=not ignored or enforced,
        stores=stores,
        client_certificate=bool(switch(settings.get("clientAuthEnabled"))) and bool(settings.get("keyStore")),
        notes=tuple(notes),
    )


def _of_xml(element: Element) -> dict[str, Any]:
    """An element's settings under the names that the JSON has: the first letter small."""
    found: dict[str, Any] = {"name": element.attributes.get("name", "")}
    for child in element.children:
        key = child.name[:1].lower() + child.name[1:]
        if child.name == "SSLInfo":
            found["sSLInfo"] = _of_xml(child)
        elif child.name in ("CommonName", "Host", "Port", "Name") or key in _SETTINGS:
            found[key] = child.text.strip()
    return found


def _servers(values: tuple[Any, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for value in values:
        for path, found in walk(value):
            info = found.get("sSLInfo", found.get("SSLInfo"))
            if isinstance(info, dict) and "host" in found and dig(found, "port") is not None:
                yield path.removeprefix("$").lstrip("."), found


FORMAT = Format(name="Apigee", recognise=_recognise, read=_read)
