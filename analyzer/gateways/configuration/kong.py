"""Kong: services, as the Admin API answers them and as a declarative file (deck) writes them.

`tls_verify` unset is off, as nginx's; `tls_verify_depth` unset is 1; the server name that is sent is the service's
host. `ca_certificates` are ids of certificates, which the same file or `GET /ca_certificates` has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.gateways.configuration import Configuration, Endpoint, File, Format, Store, Target
from analyzer.gateways.configuration._reading import endpoint_of_url, is_address, number, shown, strings, switch
from analyzer.structured import Table, items, walk
from analyzer.trust.stores._embedded import embedded

__all__ = ["FORMAT"]


def _recognise(file: File) -> bool:
    return any(True for _ in _services(file))


def _read(file: File) -> Configuration:
    stores: dict[str, Store] = {}
    for value in file.values:
        for found in items(value, "ca_certificates"):
            if isinstance(found, dict) and found.get("id") and isinstance(found.get("cert"), str):
                name = shown(found["id"])
                stores[name] = Store(name=name, contents=embedded(found["cert"], f"CA certificate {name}"))
    targets = [_target(file, path, found) for path, found in _services(file)]
    return Configuration(product="kong", targets=tuple(targets), stores=tuple(stores.values()))


def _services(file: File) -> Iterator[tuple[str, dict[str, Any]]]:
    for value in file.values:
        declared = isinstance(value, dict) and "_format_version" in value
        for path, found in walk(value):
            asked = {"tls_verify", "ca_certificates", "connect_timeout"} & found.keys() and "host" in found
            if not asked and not (declared and ".services[" in path and {"host", "url"} & found.keys()):
                continue
            scheme = found.get("protocol") or endpoint_of_url(str(found.get("url", "")))[0]
            if scheme in ("https", "wss", "grpcs", "tls"):
                yield path, found


def _target(file: File, path: str, found: dict[str, Any]) -> Target:
    end = endpoint_of_url(str(found["url"]))[1] if isinstance(found.get("url"), str) else None
    host = shown(found.get("host"))
    if end is None and host:
        end = Endpoint(host=host, port=number(found.get("port")) or 443)
    verified = switch(found.get("tls_verify")) or False
    line = f":{found.line}" if isinstance(found, Table) else f" {path.removeprefix('$').lstrip('.')}".rstrip()
    sent = end.host if end is not None and not is_address(end.host) else None
    notes = (
        [] if found.get("tls_verify") is not None else ["tls_verify is not set: nginx's default holds, which is off"]
    )
    return Target(
        name=f"service {shown(found.get('name') or found.get('id'))}".strip(),
        product="kong",
        place=f"{file.name}{line}",
        endpoints=(end,) if end is not None else (),
        server_name=sent,
        sends_server_name=sent is not None,
        checked_name=end.host if end is not None else None,
        verifies_chain=verified,
        verifies_name=verified,
        verify_depth=number(found.get("tls_verify_depth")) or 1,
        stores=tuple(map(shown, strings(found.get("ca_certificates")))) if verified else (),
        client_certificate=bool(found.get("client_certificate")),
        notes=tuple(notes),
    )


FORMAT = Format(name="Kong", recognise=_recognise, read=_read)
