"""Azure API Management: backend entities (`az apim backend show`, REST, ARM templates), and an API's `serviceUrl`.

`tls.validateCertificateChain` and `tls.validateCertificateName` are true unless set. The CA certificates of the
instance stand elsewhere (`az apim show`), and are read as a trust store.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from analyzer.gateways.configuration import Configuration, File, Format, Target
from analyzer.gateways.configuration._reading import dig, endpoint_of_url, is_address, shown, switch
from analyzer.structured import walk

__all__ = ["FORMAT"]


def _recognise(file: File) -> bool:
    return any(True for _ in _backends(file))


def _read(file: File) -> Configuration:
    return Configuration(product="azure-apim", targets=tuple(_target(file, *found) for found in _backends(file)))


def _backends(file: File) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Path, entity and properties of each backend with an https address."""
    for value in file.values:
        for path, found in walk(value):
            inner = found.get("properties")
            about = inner if isinstance(inner, dict) else found
            kind = str(found.get("type", "")).lower()
            url = about.get("url") if "apis" not in kind.rpartition("/")[2] else about.get("serviceUrl")
            ours = kind.startswith("microsoft.apimanagement/") and kind.endswith(("/backends", "/apis"))
            flat = not kind and "protocol" in about and ("tls" in about or "credentials" in about)
            if (ours or flat) and isinstance(url, str) and not (inner is None and path.endswith(".properties")):
                yield path, found, about


def _target(file: File, path: str, found: dict[str, Any], about: dict[str, Any]) -> Target:
    url = about.get("url") or about.get("serviceUrl")
    scheme, end = endpoint_of_url(str(url))
    chain = switch(dig(about, "tls", "validateCertificateChain"))
    name = switch(dig(about, "tls", "validateCertificateName"))
    sent = None if end is None or is_address(end.host) else end.host
    notes = []
    if scheme != "https":
        notes.append(f"the address {shown(url)} is not https")
    if chain is False:
        notes.append("tls.validateCertificateChain is false")
    if name is False:
        notes.append("tls.validateCertificateName is false")
    return Target(
        name=f"backend {shown(found.get('name'))}".strip(),
        product="azure-apim",
        place=f"{file.name} {path.removeprefix('$').lstrip('.')}".strip(),
        endpoints=(end,) if end is not None else (),
        server_name=sent,
        sends_server_name=None if end is None else sent is not None,
        checked_name=end.host if end is not None else None,
        verifies_chain=chain is not False,
        verifies_name=name is not False,
        client_certificate=any(dig(about, "credentials", key) for key in ("certificate", "certificateIds")),
        notes=tuple(notes),
    )


FORMAT = Format(name="Azure API Management", recognise=_recognise, read=_read)
