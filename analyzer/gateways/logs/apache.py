"""Apache httpd's error log: mod_ssl and mod_proxy.

`[Sun Nov 22 13:00:00.123456 2026] [ssl:error] [pid 1:tid 2] [remote 10.0.0.1:443] AH…: TEXT`. The time is local and
without a zone. `remote` is the backend; `client` is the client in front, which for mod_proxy's own lines is not the
other end of the TLS connection (ap_log_rerror, ap_log_cerror).
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._addresses import PORTED, as_host, endpoint, host_of_url
from analyzer.gateways.logs._found import host_in, id_in
from analyzer.gateways.logs._times import find_time

_LINE: Final = re.compile(
    r"\[\w{3} \w{3} {1,2}\d{1,2} [\d:.]{8,15} \d{4}\] \[(\w*):(\w+)\] \[pid (\d+)(?::tid (\d+))?\]"
)
_REMOTE: Final = re.compile(rf"\[remote ({PORTED})\]")
_CLIENT: Final = re.compile(rf"\[client ({PORTED})\]")
_TO: Final = re.compile(rf"\b(?:to|with|from) ({PORTED}) \(([\w.-]{{1,253}})\)")
_BACKEND: Final = re.compile(r"\bremote server\b|SSL Proxy|proxy connect", re.IGNORECASE)


def _read(block: Block) -> Fields | None:
    head = block.head
    line = _LINE.search(head[:300])
    if line is None:
        return None
    time, near = find_time(head[line.start() :], block.near_ns), id_in(head)
    remote, client, to = _REMOTE.search(head), _CLIENT.search(head), _TO.search(head)
    if remote is not None:
        return Fields(time=time, remote=endpoint(remote[1]), host=host_in(head), id=near, side="client")
    if to is not None:
        return Fields(time=time, remote=endpoint(to[1]), host=as_host(to[2]), id=near, side="client")
    if line[1].startswith("proxy") or _BACKEND.search(head):
        host, at = host_of_url(head[line.end() :])
        return Fields(time=time, remote=at, host=host_in(head) or host, id=near, side="client")
    if client is not None:
        return Fields(time=time, remote=endpoint(client[1]), id=near, side="server")
    return Fields(time=time, host=host_in(head), id=near)


FORMAT = Format(name="Apache httpd", read=_read)
