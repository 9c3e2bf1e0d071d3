"""Traefik: `serversTransports` and the services that use them, in YAML or TOML.

`insecureSkipVerify` is off unless set; `serverName` is sent and checked, without it the host of the server's URL is;
`rootCAs` are files or PEM, without them the system's store is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.gateways.configuration import Configuration, Endpoint, File, Format, Store, Target
from analyzer.gateways.configuration._reading import dig, endpoint_of_url, is_address, shown, strings, switch
from analyzer.structured import items
from analyzer.trust.stores._embedded import embedded

__all__ = ["FORMAT"]


def _recognise(file: File) -> bool:
    return any(_transports(value) or any(True for _ in _services(value)) for value in _values(file))


def _read(file: File) -> Configuration:
    targets: list[Target] = []
    stores: dict[str, Store] = {}
    for value in _values(file):
        transports = _transports(value)
        used: dict[str, list[Endpoint]] = {}
        for transport, end in _services(value):
            used.setdefault(transport, []).append(end)
        for name in dict.fromkeys([*transports, *used]):
            targets += _targets(file, name, transports.get(name, {}), used.get(name, []), stores)
    return Configuration(product="traefik", targets=tuple(targets), stores=tuple(stores.values()))


def _values(file: File) -> tuple[Any, ...]:
    if file.values:
        return file.values
    if b"ervers" not in file.data or not file.text:
        return ()
    import tomllib

    try:
        return (tomllib.loads(file.text),)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError):
        return ()


def _transports(value: Any) -> dict[str, dict[str, Any]]:
    named = dig(value, "http", "serversTransports")
    found = {str(k): v for k, v in named.items() if isinstance(v, dict)} if isinstance(named, dict) else {}
    default = dig(value, "serversTransport")
    if isinstance(default, dict) and {"rootCAs", "serverName", "insecureSkipVerify"} & default.keys():
        found["default"] = default
    return found


def _services(value: Any) -> Iterator[tuple[str, Endpoint]]:
    named = dig(value, "http", "services")
    for service in named.values() if isinstance(named, dict) else ():
        balancer = dig(service, "loadBalancer")
        transport = shown(dig(balancer, "serversTransport")).partition("@")[0] or "default"
        for server in items(balancer, "servers"):
            scheme, end = endpoint_of_url(str(dig(server, "url") or ""))
            if scheme == "https" and end is not None:
                yield transport, end


def _targets(
    file: File, name: str, about: dict[str, Any], ends: list[Endpoint], stores: dict[str, Store]
) -> Iterator[Target]:
    skips = bool(switch(dig(about, "insecureSkipVerify")))
    used = []
    for index, root in enumerate(strings(dig(about, "rootCAs")), 1):
        inline = "-----BEGIN" in root
        label = f"rootCAs {index} of {shown(name)}" if inline else shown(root, 1000)
        used.append(label)
        contents = embedded(root, label) if inline else None
        stores.setdefault(label, Store(name=label, path=None if inline else root, contents=contents))
    wanted = shown(dig(about, "serverName"))
    for end in (*dict.fromkeys(ends),) or (None,):
        host = wanted or (end.host if end is not None else "")
        yield Target(
            name=f"serversTransport {shown(name)}",
            product="traefik",
            place=file.name,
            endpoints=(end,) if end is not None else (),
            server_name=host if host and not is_address(host) else None,
            sends_server_name=not is_address(host) if host else None,
            checked_name=host or None,
            verifies_chain=not skips,
            verifies_name=not skips,
            stores=tuple(used) if not skips else (),
            client_certificate=bool(dig(about, "certificates")),
        )


FORMAT = Format(name="Traefik", recognise=_recognise, read=_read)
