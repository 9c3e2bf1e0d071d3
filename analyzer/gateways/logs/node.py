"""Node programs and gateways (Edge Microgateway): errors with a `code`, alone or in a line."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._addresses import as_host, endpoint
from analyzer.gateways.logs._found import in_text

_MARKS: Final = re.compile(
    r"\b(?:UNABLE_TO_[A-Z_]{5,40}|[A-Z_]{0,20}SELF_SIGNED_CERT[A-Z_]{0,20}|CERT_[A-Z_]{5,30}|ERR_TLS_[A-Z_]{5,40}|ERR_SSL_\w{3,60}|"
    r"EPROTO|ECONNRESET|ECONNREFUSED|ETIMEDOUT|INVALID_PURPOSE)\b|\(node:|\bnode:internal/|TLSSocket\b"
)
_HOST: Final = re.compile(r"\bhost: '([\w.:-]{1,253})'")
_ADDRESS: Final = re.compile(r"\baddress: '([0-9A-Fa-f.:]{2,45})',\s{1,20}port: (\d{1,5})")


def _read(block: Block) -> Fields | None:
    if block.json is not None or _MARKS.search(block.text[:6000]) is None:
        return None
    fields = in_text(block.text, block.near_ns, side="client")
    host, address = _HOST.search(block.text), _ADDRESS.search(block.text)
    if address is not None:
        bracketed = f"[{address[1]}]:{address[2]}" if ":" in address[1] else f"{address[1]}:{address[2]}"
        fields = replace(fields, remote=endpoint(bracketed))
    if host is not None:
        fields = replace(fields, host=as_host(host[1]) or fields.host, remote=fields.remote or endpoint(host[1]))
    return fields


FORMAT = Format(name="Node", read=_read, rank=1)
