"""Options of a Java virtual machine: `-Djavax.net.ssl.trustStore=…` in a command line, a script or an options file.

Without them the store is `lib/security/jssecacerts` or `cacerts` of the installation.
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.gateways.configuration import Configuration, File, Format, Store, Target
from analyzer.gateways.configuration._reading import shown

__all__ = ["FORMAT"]

_NAMES: Final = r"javax\.net\.ssl\.(?:trustStore|trustStorePassword|keyStore)"
_OPTION: Final = re.compile(
    rf"""(?:^|[\s"'=:,])-D?(?P<name>{_NAMES})="""
    r"""(?:"(?P<quoted>[^"\n]{0,1000})"|'(?P<single>[^'\n]{0,1000})'|(?P<bare>[^\s"']{0,1000}))"""
    rf"""|^(?P<property>(?:systemProp\.)?{_NAMES})[ \t]*=[ \t]*(?P<value>.{{0,1000}})$""",
    re.MULTILINE,
)


def _recognise(file: File) -> bool:
    return any(found for found in _OPTION.finditer(file.text) if _name(found) != "keyStore")


def _read(file: File) -> Configuration:
    told: dict[str, str] = {}
    line = 1
    for found in _OPTION.finditer(file.text):
        value = next((found[key] for key in ("quoted", "single", "bare", "value") if found[key] is not None), "")
        if _name(found) == "trustStore":
            line = file.text.count("\n", 0, found.end()) + 1
        told[_name(found)] = value.strip()
    path = told.get("trustStore", "")
    name = shown(path, 1000)
    stores = (Store(name=name, path=path, password=told.get("trustStorePassword") or None),) if name else ()
    target = Target(
        name="every connection of this Java process",
        product="java",
        place=f"{file.name}:{line}",
        verifies_chain=True,
        stores=(name,) if name else (),
        client_certificate=True if told.get("keyStore") else None,
    )
    return Configuration(product="java", targets=(target,), stores=stores)


def _name(found: re.Match[str]) -> str:
    return (found["name"] or found["property"] or "").rpartition(".")[2]


FORMAT = Format(name="Java options", recognise=_recognise, read=_read)
