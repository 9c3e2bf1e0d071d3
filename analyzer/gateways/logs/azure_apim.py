"""Azure API Management: the trace of a call (`traceEntries`) and the resource log GatewayLogs.

A trace has the entries of the sections inbound, backend, outbound and on-error, each with `source`, `timestamp` and
`data`; the one of `forward-request` holds the exception's text. GatewayLogs has `backendUrl`, `lastErrorReason` and
`lastErrorMessage` (Microsoft Learn, "GatewayLogs schema reference"). Neither has an address or a port of the gateway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from analyzer.gateways.logs import Block, Fields, Format, Said
from analyzer.gateways.logs._addresses import host_of_url
from analyzer.gateways.logs._found import flat, from_object, host_in, strings
from analyzer.gateways.logs._times import read_time
from analyzer.gateways.logs._words import read_words

_MARKS: Final = frozenset(
    {"backendurl", "backendid", "apimsubscriptionid", "lasterrorreason", "lasterrormessage", "lasterror.reason"}
    | {"properties.lasterror.reason", "errorsource"}
)
_MOST_ENTRIES: Final = 2000
_FAILED: Final = Said(words=("BackendConnectionFailure",))


def _read(block: Block) -> Fields | None:
    found = block.json
    if found is None:
        return None
    if "traceEntries" in found:
        return next(iter(_trace(found, block.near_ns)), None)
    values = flat(found)
    if len(_MARKS & values.keys()) < 2:
        return None
    fields = from_object(
        values,
        block.near_ns,
        url=("backendurl", "url"),
        id=("correlationid", "correlation_id", "requestid"),
        side="client",
    )
    if fields.text or "backendconnectionfailure" not in " ".join(map(str, values.values())).lower():
        return fields
    return Fields(time=fields.time, host=fields.host, remote=fields.remote, id=fields.id, side="client", said=_FAILED)


def _document(value: Any, near_ns: int) -> Iterable[Fields] | None:
    return list(_trace(value, near_ns)) if isinstance(value, dict) and "traceEntries" in value else None


def _trace(value: dict[str, Any], near_ns: int) -> Iterator[Fields]:
    entries = value["traceEntries"]
    sections = list(entries.values()) if isinstance(entries, dict) else [entries]
    number = value.get("traceId") or value.get("requestId") or value.get("correlationId")
    host = remote = None
    seen: set[str] = set()
    for entry in [item for section in sections if isinstance(section, list) for item in section[:_MOST_ENTRIES]]:
        if not isinstance(entry, dict):
            continue
        texts = strings(entry.get("data"))
        if entry.get("source") == "forward-request" or host is None:
            for text in texts:
                named, at = host_of_url(text)
                host, remote = named or host, at or remote
        telling = [text for text in texts if read_words(text) is not None]
        shown = "\n".join(telling)
        if not telling or shown in seen:
            continue
        seen.add(shown)
        yield Fields(
            time=read_time(entry.get("timestamp"), near_ns),
            host=host_in(shown) or host,
            remote=remote,
            id=str(number)[:200] if number else None,
            side="client",
            text=shown,
        )


FORMAT = Format(name="Azure API Management", read=_read, document=_document, words=(b"backendconnectionfailure",))
