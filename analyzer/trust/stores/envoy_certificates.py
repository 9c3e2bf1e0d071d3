"""Envoy's admin answer `/certs`: serial number and dates of what it trusts (`envoy.admin.v3.Certificates`).

`ca_cert[]` is what a validation context trusts, `cert_chain[]` what Envoy presents. No names, no fingerprint: a
certificate at hand is recognised by serial number and dates together.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.structured import documents, items
from analyzer.trust.stores import Contents, Format, Named, Trouble
from analyzer.trust.stores._words import hex_digits, moment, text

__all__ = ["FORMAT"]


def _recognise(data: bytes) -> bool:
    return b'"ca_cert"' in data and b'"serial_number"' in data and any(True for _ in _trusted(documents(data)))


def _read(data: bytes, password: str | None) -> Contents:
    del password
    named = tuple(dict.fromkeys(_trusted(documents(data))))
    told = (
        "Envoy tells serial numbers and dates here, not the certificates; /config_dump has those that stand inline, "
        "and for the others the path names the file"
    )
    return Contents(named=named, problems=(Trouble(code="metadata-only", text=told, severity="note"),))


def _trusted(values: tuple[Any, ...]) -> Iterator[Named]:
    for value in values:
        for certificate in items(value, "certificates"):
            for about in items(certificate, "ca_cert"):
                if isinstance(about, dict) and about.get("serial_number"):
                    yield Named(
                        serial=hex_digits(about["serial_number"]),
                        not_before=moment(about.get("valid_from")),
                        not_after=moment(about.get("expiration_time")),
                        label=text(about.get("path")),
                    )


FORMAT = Format(name="Envoy /certs", recognise=_recognise, read=_read)
