"""Apigee's router: the access log of its nginx, with the fault code that the message processor reported.

Tab-separated lines, or JSON, in which `X-Apigee-fault-code` (or a field of that name) holds something like
`messaging.adaptors.http.flow.SslHandshakeFailed`. The fault is the backend leg's, the addresses are those of the leg in
front; so only time and message id lead to the connection.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format, Said
from analyzer.gateways.logs._found import flat, from_object, in_text
from analyzer.gateways.logs._words import ANY_CERTIFICATE, read_words

_FAULT: Final = re.compile(r"\bmessaging\.(?:adaptors\.http\.(?:flow|configuration)|runtime)\.(\w{3,80})")
_KEY: Final = re.compile(r"(?i)x[-_]apigee[-_.]?fault[-_]code")
_ID: Final = re.compile(
    r"\b(rrt-[\w-]{5,120}|[\w.-]{3,100}_[A-Za-z0-9]{6,12}_[\w-]{1,40}|[\w-]{8,100}-\d{1,6}-\d{4,12}-\d{1,4})\b"
)
_LEFT: Final = frozenset({"server-closed", "server-reset", "client-cert-missing", "client-cert-rejected"})
_UNREACHED: Final = frozenset({"connection-refused", "connect-timeout", "server-silent", "path-mtu-blackhole"})
_FAILED: Final = ANY_CERTIFICATE | {"no-shared-cipher", "protocol-version-mismatch", "certificate-rejected"}
_FAULTS: Final = {
    "SslHandshakeFailed": _FAILED,
    "ServiceUnavailable": _FAILED | _UNREACHED | _LEFT | {"client-cert-untrusted"},
    "BadGateway": _UNREACHED | {"server-closed", "server-reset", "client-closed"},
    "UnexpectedEOFAtTarget": _LEFT,
    "GatewayTimeout": _UNREACHED | {"client-closed"},
}


def _read(block: Block) -> Fields | None:
    head = block.head
    fault = _FAULT.search(head)
    if fault is None or ("\t" not in head and _KEY.search(head) is None and block.json is None):
        return None
    found = block.json
    fields = from_object(flat(found), block.near_ns) if found is not None else in_text(head, block.near_ns)
    named = _ID.search(head)
    meant = _FAULTS.get(fault[1], frozenset())
    said = Said(words=(fault[0],), as_client=meant) if read_words(head) is None or fault[1] in _FAULTS else None
    return replace(
        fields, local=None, remote=None, id=fields.id or (named[1] if named is not None else None), side="client",
        text=None, said=said,
    )  # fmt: skip


FORMAT = Format(name="Apigee router", read=_read, words=(b"messaging.", b"fault-code", b"fault_code"), rank=-1)
