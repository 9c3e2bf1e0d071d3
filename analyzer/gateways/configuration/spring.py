"""Spring Cloud Gateway: `application.yml` or `.properties`, and profiles of them.

`httpclient.ssl` has `use-insecure-trust-manager` and `trusted-x509-certificates` (files of PEM); names may be written
in kebab or camel case, and stand below `spring.cloud.gateway` or `spring.cloud.gateway.server.webflux`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from analyzer.gateways.configuration import Configuration, Endpoint, File, Format, Store, Target
from analyzer.gateways.configuration._reading import endpoint_of_url, is_address, shown, switch
from analyzer.structured import walk

__all__ = ["FORMAT"]

_PROPERTY: Final = re.compile(r"^[ \t]*([\w.\[\]-]{1,300})[ \t]*[=:][ \t]*(.{0,2000})$", re.MULTILINE)
_GATEWAY: Final = re.compile(r"^spring\.cloud\.gateway\.(?:server\.webflux\.|server\.webmvc\.|mvc\.)?")
_MOST: Final = 100_000


def _recognise(file: File) -> bool:
    return b"gateway" in file.data and any(_GATEWAY.match(key) for key, _, _ in _settings(file))


def _read(file: File) -> Configuration:
    insecure = False
    stores: list[str] = []
    ends: list[Endpoint] = []
    lines: dict[str, int] = {}
    for key, value, line in _settings(file):
        name = _plain(_GATEWAY.sub("", key))
        if name.startswith("httpclient.ssl.useinsecuretrustmanager"):
            insecure = bool(switch(value))
        elif name.startswith("httpclient.ssl.trustedx509certificates"):
            stores += [item.strip().removeprefix("file:") for item in str(value).split(",") if item.strip()]
        elif re.fullmatch(r"routes\[\d+\]\.uri", name):
            scheme, end = endpoint_of_url(str(value))
            if scheme == "https" and end is not None:
                ends.append(end)
                lines.setdefault(str(end), line)
    notes = ["use-insecure-trust-manager is true"] if insecure else []
    if "webmvc" in file.text or "gateway.mvc" in file.text:
        notes.append("the MVC variant ignores httpclient.ssl (spring-cloud-gateway issues 3305, 3423)")
    names = tuple(shown(store, 1000) for store in stores)
    places: tuple[Endpoint | None, ...] = tuple(ends) or (None,)
    targets = [_target(file, end, lines.get(str(end), 0), insecure, names, tuple(notes)) for end in places]
    return Configuration(
        product="spring", targets=tuple(targets), stores=tuple(Store(name=name, path=name) for name in names)
    )


def _target(
    file: File, end: Endpoint | None, line: int, insecure: bool, stores: tuple[str, ...], notes: tuple[str, ...]
) -> Target:
    host = end.host if end is not None else None
    return Target(
        name=f"route to {end}" if end is not None else "every route",
        product="spring",
        place=f"{file.name}:{line}" if line else file.name,
        endpoints=(end,) if end is not None else (),
        server_name=host if host and not is_address(host) else None,
        sends_server_name=None if host is None else not is_address(host),
        checked_name=host,
        verifies_chain=not insecure,
        verifies_name=None if not insecure else False,
        stores=() if insecure else stores,
        notes=notes,
    )


def _settings(file: File) -> Iterator[tuple[str, Any, int]]:
    """Each setting under its dotted name, with its line (0: not known)."""
    for value in file.values:
        for path, found in walk(value):
            for key, item in found.items():
                dotted = f"{path}.{key}".removeprefix("$.")
                line = getattr(found, "line", 0)
                if isinstance(item, list):
                    yield from ((f"{dotted}[{i}]", one, line) for i, one in enumerate(item) if isinstance(one, str))
                elif not isinstance(item, dict):
                    yield dotted, item, line
    if not file.values and re.search(r"^[ \t]*spring\.", file.text, re.MULTILINE):
        line, counted = 1, 0
        for count, match in enumerate(_PROPERTY.finditer(file.text)):
            if count >= _MOST:
                return
            line += file.text.count("\n", counted, match.start())
            counted = match.start()
            yield match[1], match[2].strip(), line


def _plain(name: str) -> str:
    return name.replace("-", "").lower()


FORMAT = Format(name="Spring Cloud Gateway", recognise=_recognise, read=_read)
