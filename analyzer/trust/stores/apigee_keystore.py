"""Apigee's management API: the certificates of a keystore or truststore, told by names, serial number and dates.

`GET …/keystores/{keystore}/aliases/{alias}` answers `certsInfo.certInfo[]`, `GET …/keystores/{keystore}/certs/{cert}`
of Edge `certInfo[]`; several answers may stand in one file. The certificate itself is what
`…/aliases/{alias}/certificate` answers (method `aliases.getCertificate` of the Apigee API v1; Edge:
`…/certs/{cert}/export`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import quote

from analyzer.structured import documents, items, walk
from analyzer.trust.stores import Contents, Format, Named, Trouble
from analyzer.trust.stores._embedded import embedded, joined
from analyzer.trust.stores._words import hex_digits, moment, text

__all__ = ["FORMAT"]

_EXPORT: Final = (
    'curl -H "Authorization: Bearer $TOKEN" '
    '"$APIGEE/v1/organizations/$ORG/environments/$ENV/keystores/$KEYSTORE/aliases/{alias}/certificate"'
)
_HERE: Final = (
    "only names, serial numbers and dates stand here, so keys and signatures cannot be checked; the command of each "
    "certificate gives the certificate itself"
)


def _recognise(data: bytes) -> bool:
    return b"ert" in data and any(True for _ in _aliases(documents(data)))


def _read(data: bytes, password: str | None) -> Contents:
    parts = [Contents(problems=(Trouble(code="metadata-only", text=_HERE, severity="note"),))]
    for alias, certificates in _aliases(documents(data)):
        for info in certificates:
            whole = next((info[key] for key in ("pem", "certificate", "cert") if isinstance(info.get(key), str)), None)
            parts.append(embedded(whole, alias, password) if whole else Contents(named=(_named(alias, info),)))
    return joined(parts if any(part.named for part in parts) else parts[1:])


def _aliases(values: tuple[Any, ...]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each alias with what is told of its certificates; with nothing in it where a keystore only lists aliases."""
    for value in values:
        for path, found in walk(value):
            certificates = items(found.get("certsInfo") or found, "certInfo")
            told = [info for info in certificates if isinstance(info, dict) and "subject" in info]
            if told and not path.endswith(".certsInfo"):
                yield text(found.get("alias") or found.get("certName") or ""), told
            elif isinstance(found.get("certs"), list) and isinstance(found.get("keys"), list) and "name" in found:
                for listed in found["certs"]:
                    yield text(listed), [{}]


def _named(alias: str, info: dict[str, Any]) -> Named:
    return Named(
        subject=text(info.get("subject")),
        issuer=text(info.get("issuer")),
        serial=hex_digits(info.get("serialNumber")),
        not_before=moment(info.get("validFrom")),
        not_after=moment(info.get("expiryDate")),
        label=alias,
        export=_export(alias),
    )


def _export(alias: str) -> str:
    return _EXPORT.format(alias=quote(alias, safe="") or "$ALIAS")


FORMAT = Format(name="Apigee keystore listing", recognise=_recognise, read=_read)
