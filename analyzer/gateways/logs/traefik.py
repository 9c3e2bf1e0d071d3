"""Traefik: its own log as text and JSON.

Version 2: `time="…" level=debug msg="'502 Bad Gateway' caused by: x509: …"`; version 3: `2026-11-22T13:00:00Z DBG
github.com/traefik/…  > 500 Internal Server Error error="tls: failed to verify certificate: x509: …"`. The lines name no
backend; the access log does (`ServiceAddr`), and does not say why.
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._found import flat, from_object, in_text

_LINE: Final = re.compile(
    r"^time=\"[^\"]{10,40}\" level=\w+ |^\S{19,35} (?:TRC|DBG|INF|WRN|ERR) \S*traefik|\btraefik/v\d"
)
_MARKS: Final = frozenset({"ServiceAddr", "serviceName", "entryPointName", "middlewareName", "DownstreamStatus"})


def _read(block: Block) -> Fields | None:
    found = block.json
    if found is not None:
        if not _MARKS & found.keys():
            return None
        names = ("serviceaddr", "upstream_addr")
        return from_object(flat(found), block.near_ns, time=("startutc", "time"), remote=names, side="client")
    if _LINE.search(block.head[:300]) is None:
        return None
    return in_text(block.head, block.near_ns, side="server" if "TLS handshake error from" in block.head else "client")


FORMAT = Format(name="Traefik", read=_read)
