"""Kong's `GET /ca_certificates`, and `ca_certificates` of a declarative file (deck): PEM in the field `cert`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.structured import documents, items
from analyzer.trust.stores import Contents, Format
from analyzer.trust.stores._embedded import embedded, joined
from analyzer.trust.stores._words import text

__all__ = ["FORMAT"]


def _recognise(data: bytes) -> bool:
    return b"cert" in data and any(True for _ in _certificates(documents(data)))


def _read(data: bytes, password: str | None) -> Contents:
    return joined(
        [embedded(found["cert"], f"CA certificate {text(found.get('id'))}".strip(), password)
         for found in _certificates(documents(data))]
    )  # fmt: skip


def _certificates(values: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    for value in values:
        declared = items(value, "ca_certificates")
        answered = [value, *items(value, "data")] if isinstance(value, dict) else items(value)
        for found in declared or answered:
            if not isinstance(found, dict) or "key" in found or not isinstance(found.get("cert"), str):
                continue
            if declared or {"cert_digest", "id"} & found.keys():
                yield found


FORMAT = Format(name="Kong CA certificates", recognise=_recognise, read=_read)
