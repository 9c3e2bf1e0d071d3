"""Certificates that stand inline in an Envoy configuration or `/config_dump`: `trusted_ca` of validation contexts.

A `DataSource` is `inline_bytes` (base64), `inline_string` (PEM) or `filename`; camel case is the same in JSON.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.structured import documents, walk
from analyzer.trust.stores import Contents, Format, Trouble
from analyzer.trust.stores._embedded import embedded, joined
from analyzer.trust.stores._words import text

__all__ = ["FORMAT"]


def _recognise(data: bytes) -> bool:
    return (b"trusted_ca" in data or b"trustedCa" in data) and any(True for _ in _sources(documents(data)))


def _read(data: bytes, password: str | None) -> Contents:
    parts = []
    for path, source in _sources(documents(data)):
        inline = next((source[key] for key in _INLINE if isinstance(source.get(key), str)), None)
        if inline is not None:
            parts.append(embedded(inline, path.removeprefix("$."), password))
        else:
            file = text(source.get("filename"))
            told = (
                f"names the file {file}; give that file with --truststore" if file else "names a trusted_ca elsewhere"
            )
            parts.append(Contents(problems=(Trouble(code="not-embedded", text=told, severity="warning"),)))
    return joined(parts)


_INLINE = ("inline_bytes", "inlineBytes", "inline_string", "inlineString")


def _sources(values: tuple[Any, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for value in values:
        for path, found in walk(value):
            for name in ("trusted_ca", "trustedCa"):
                if isinstance(found.get(name), dict):
                    yield f"{path}.{name}", found[name]


FORMAT = Format(name="Envoy trusted_ca", recognise=_recognise, read=_read)
