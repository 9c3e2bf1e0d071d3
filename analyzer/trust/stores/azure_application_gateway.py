"""Azure Application Gateway: the roots of its backend settings, as `az network application-gateway show` has them.

`trustedRootCertificates[].data` is base64 of a `.cer` file, v1 has `authenticationCertificates[].data`; ARM templates
the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from analyzer.structured import documents, walk
from analyzer.trust.stores import Contents, Format, Trouble
from analyzer.trust.stores._embedded import embedded, joined
from analyzer.trust.stores._words import text

__all__ = ["FORMAT"]

_LISTS: Final = ("trustedRootCertificates", "authenticationCertificates")


def _recognise(data: bytes) -> bool:
    return any(name.encode() in data for name in _LISTS) and any(True for _ in _certificates(documents(data)))


def _read(data: bytes, password: str | None) -> Contents:
    parts = []
    for name, found in _certificates(documents(data)):
        if found.get("data"):
            parts.append(embedded(found["data"], name, password))
        else:
            told = f"{name} stands in a Key Vault or is not told; az keyvault secret show gives it"
            parts.append(Contents(problems=(Trouble(code="not-embedded", text=told, severity="warning"),)))
    return joined(parts)


def _certificates(values: tuple[Any, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for value in values:
        for path, found in walk(value):
            for kind in _LISTS:
                entries = found.get(kind)
                for index, entry in enumerate(entries if isinstance(entries, list) else ()):
                    if not isinstance(entry, dict):
                        continue
                    inner = entry.get("properties")
                    about = {**entry, **inner} if isinstance(inner, dict) else entry
                    if {"data", "keyVaultSecretId"} & about.keys():
                        place = f"{path}.{kind}[{index}]".removeprefix("$.")
                        yield text(entry.get("name")) or place, about


FORMAT = Format(name="Azure Application Gateway trusted roots", recognise=_recognise, read=_read)
