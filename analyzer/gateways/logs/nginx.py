"""nginx's error log, and that of what is built on it: OpenResty, Kong, ingress-nginx, APISIX, the Apigee router.

`2026/11/22 13:00:00 [error] 12#12: *1 TEXT while SSL handshaking to upstream, client: …, upstream: "https://…"`. The
time is local and without a zone. The upstream's address is there, the own port is not (ngx_log.c,
ngx_http_upstream.c). The access log in JSON is read for the same keys as its variables have.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._addresses import as_host, endpoint, host_of_url
from analyzer.gateways.logs._found import ends, flat, from_object, host_in, id_in
from analyzer.gateways.logs._times import find_time

_LINE: Final = re.compile(
    r"(?<!\d)\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?:debug|info|notice|warn|error|crit|alert|emerg)\] \d+#\d+:"
)
_CLIENT: Final = re.compile(r", client: ([0-9A-Fa-f.:\[\]]{2,50})")
_SERVER: Final = re.compile(r", server: ([\w.-]{1,253})")
_UPSTREAM: Final = re.compile(r', upstream: "([^"]{1,4000})"')
_DOES_NOT_MATCH: Final = re.compile(r'does not match "([^"]{1,253})"')
_MARKS: Final = frozenset({"upstream_addr", "upstream_status", "request_time"})


def _read(block: Block) -> Fields | None:
    match = _LINE.search(block.head[:400])
    if match is None:
        return _json(block)
    head = block.head[match.start() :]
    fields = Fields(
        time=find_time(head, block.near_ns), id=id_in(head), side="server", text=block.text[match.start() :]
    )
    upstream = _UPSTREAM.search(head)
    if upstream is not None or "upstream" in head.partition(", client:")[0]:
        host, at = host_of_url(upstream[1]) if upstream is not None else (None, None)
        wanted = _DOES_NOT_MATCH.search(head)
        named = as_host(wanted[1]) if wanted is not None else host_in(head)
        return replace(fields, side="client", remote=at or ends(head)[1], host=named or host)
    client, server = _CLIENT.search(head), _SERVER.search(head)
    return replace(
        fields,
        remote=endpoint(client[1]) if client is not None else None,
        host=as_host(server[1]) if server is not None else None,
    )


def _json(block: Block) -> Fields | None:
    found = block.json
    if found is None or not _MARKS & found.keys():
        return None
    return from_object(
        flat(found),
        block.near_ns,
        time=("time_iso8601", "time_local", "msec", "timestamp", "@timestamp", "time"),
        side="client",
    )


FORMAT = Format(name="nginx", read=_read)
