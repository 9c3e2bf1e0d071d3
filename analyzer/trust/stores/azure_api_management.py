"""Azure API Management: the CA certificates of an instance (`az apim show`, ARM templates, the REST API).

Each is `{storeName, encodedCertificate, certificatePassword, certificate: {subject, thumbprint, expiry}}`; when read
back, `encodedCertificate` is usually null, and the thumbprint (SHA-1 of the DER encoding) tells which certificate it
is. What is in the store `Root` is trusted, if it is a root: of a PFX with a whole chain the leaf counts, which no
path ends at. What is in `CertificateAuthority` is used to build paths only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from analyzer.structured import documents, walk
from analyzer.trust.stores import Contents, Format, Kind, Named, Trouble
from analyzer.trust.stores._embedded import embedded, joined
from analyzer.trust.stores._words import hex_digits, moment, text

__all__ = ["FORMAT"]

_KINDS: Final[dict[str, Kind]] = {"root": "root", "certificateauthority": "intermediate"}
_HERE: Final = (
    "Azure tells only thumbprints of the CA certificates here, never the certificates; give the files that were "
    "uploaded (.cer) with --candidate or --truststore, and they are recognised by their thumbprints"
)


def _recognise(data: bytes) -> bool:
    return b"storeName" in data and any(True for _ in _certificates(documents(data)))


def _read(data: bytes, password: str | None) -> Contents:
    parts = []
    for where, found in _certificates(documents(data)):
        name = str(found["storeName"])
        kind = _KINDS.get(name.lower())
        if kind is None:
            told = f"{where} stands in a store {text(name)}, which is neither Root nor CertificateAuthority"
            parts.append(Contents(problems=(Trouble(code="unsupported-entry", text=told, severity="warning"),)))
            continue
        encoded, about = found.get("encodedCertificate"), found.get("certificate")
        label = f"{where} (store {name})"
        if encoded:
            own = found.get("certificatePassword")
            parts.append(embedded(encoded, label, own if isinstance(own, str) and own else password, kind))
        elif isinstance(about, dict):
            parts.append(Contents(named=(_named(label, about, kind),)))
    if any(part.named for part in parts):
        parts.append(Contents(problems=(Trouble(code="metadata-only", text=_HERE, severity="note"),)))
    return joined(parts)


def _certificates(values: tuple[Any, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    for value in values:
        for path, found in walk(value):
            store = found.get("storeName")
            if isinstance(store, str) and ("encodedCertificate" in found or "certificate" in found):
                yield path.removeprefix("$."), found


def _named(label: str, about: dict[str, Any], kind: Kind) -> Named:
    return Named(
        subject=text(about.get("subject")),
        sha1=hex_digits(about.get("thumbprint"), 40),
        not_after=moment(about.get("expiry")),
        label=text(label),
        kind=kind,
    )


FORMAT = Format(name="Azure API Management CA certificates", recognise=_recognise, read=_read)
