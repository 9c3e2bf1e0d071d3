"""Azure Application Gateway: the access log, and what the backend health says.

Access log: `serverRouted` is the backend's address and port, `error_info` the class of the error, `timeStamp` is UTC
(Microsoft Learn, "Diagnostic logs for Application Gateway"; table AGWAccessLogs). Backend health: the list of servers
with `address` and `healthProbeLog`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from analyzer.gateways.logs import Block, Fields, Format, Said
from analyzer.gateways.logs._addresses import as_host, endpoint
from analyzer.gateways.logs._found import flat, from_object
from analyzer.gateways.logs._words import read_words
from analyzer.structured import walk

_MARKS: Final = frozenset({"serverrouted", "backendpoolname", "sslenabled", "error_info", "errorinfo", "serverstatus"})
_FAILED: Final = frozenset({"502", "504"})


def _read(block: Block) -> Fields | None:
    found = block.json
    if found is None:
        return None
    values = flat(found)
    if len(_MARKS & values.keys()) < 2:
        return None
    fields = from_object(
        values,
        block.near_ns,
        time=("timestamp", "timegenerated", "time"),
        remote=("serverrouted",),
        host=("host",),
        id=("transactionid", "trackingid"),
        side="client",
    )
    said = None
    status = str(values.get("serverstatus") or values.get("httpstatus") or "")
    if not fields.text and status in _FAILED:
        info = str(values.get("error_info") or values.get("errorinfo") or "")
        said = Said(words=(f"{info or 'no answer'} (status {status})",))
    return Fields(
        time=fields.time, remote=fields.remote, host=fields.host, id=fields.id, side="client",
        text=fields.text or None, said=said,
    )  # fmt: skip


def _document(value: Any, near_ns: int) -> Iterable[Fields] | None:  # noqa: ARG001 - it has no times
    if not isinstance(value, dict) or "backendAddressPools" not in value:
        return None
    found = []
    for _, item in walk(value):
        text = item.get("healthProbeLog")
        if isinstance(text, str) and read_words(text) is not None:
            address = str(item.get("address") or "")
            found.append(Fields(remote=endpoint(address), host=as_host(address), side="client", text=text))
    return found


FORMAT = Format(name="Azure Application Gateway", read=_read, document=_document, words=(b"serverrouted",))
