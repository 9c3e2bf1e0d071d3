"""Envoy and Istio: access logs as text and JSON, and Envoy's own log.

The default text format ends with the authority and the upstream's address in quotes; Istio's goes on with cluster, own
address towards the upstream (`-` where the connection failed), the downstream addresses and the server name asked for
(Envoy documentation, "Access logging"; Istio, "Default access log format").
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format, Said
from analyzer.gateways.logs._addresses import PORTED, as_host, endpoint
from analyzer.gateways.logs._found import flat, from_object, host_in, id_in
from analyzer.gateways.logs._times import find_time
from analyzer.gateways.logs._words import NO_CONNECTION, read_words

_ACCESS: Final = re.compile(r'\[(\d{4}-\d\d-\d\dT[\d:.]{8,20}Z)\] "[^"]{0,4000}" (\d{1,3}) ([A-Z,]{1,40}|-) ')
_OWN: Final = re.compile(r"\[(\d{4}-\d\d-\d\d [\d:.]{8,20})\]\[\d+\]\[\w+\]\[\w+\]")
_QUOTED: Final = re.compile(r'"([^"]{0,4000})"')
_REMOTE: Final = re.compile(rf"remote address:\s?({PORTED})")
_FAILED_FLAGS: Final = frozenset({"UF", "UC", "UPE"})
_MARKS: Final = frozenset({"response_flags", "upstream_transport_failure_reason", "upstream_cluster"})
_UNREACHED: Final = Said(
    words=("the connection to the upstream failed (response flag UF)",),
    as_client=NO_CONNECTION,
)


def _read(block: Block) -> Fields | None:
    access = _ACCESS.search(block.head[:5000])
    if access is not None:
        return _access(block, access)
    own = _OWN.search(block.head[:300])
    if own is not None:
        remote = _REMOTE.search(block.head)
        return Fields(
            time=find_time(own[1], block.near_ns),
            remote=endpoint(remote[1]) if remote is not None else None,
            host=host_in(block.head),
            id=id_in(block.head),
        )
    found = block.json
    if found is None or not _MARKS & found.keys():
        return None
    values = flat(found)
    fields = from_object(values, block.near_ns, host=("requested_server_name", "authority"), side="client")
    flags = str(values.get("response_flags", ""))
    return _with_flags(fields, flags, fields.text or "")


def _access(block: Block, access: re.Match[str]) -> Fields:
    rest = block.head[access.end() :]
    quoted = list(_QUOTED.finditer(rest))
    remote, local, authority, request = None, None, None, None
    for place in range(len(quoted) - 1, -1, -1):
        remote = endpoint(quoted[place][1])
        if remote is not None or (quoted[place][1] == "-" and place == len(quoted) - 1):
            authority = as_host(quoted[place - 1][1]) if place else None
            request = quoted[place - 2][1] if place > 1 and quoted[place - 2][1] not in ("-", "") else None
            words = rest[quoted[place].end() :].split()
            local = endpoint(words[1]) if len(words) > 1 else None
            break
    fields = Fields(
        time=find_time(access[1], block.near_ns), local=local, remote=remote, host=authority, id=request, side="client"
    )
    return _with_flags(fields, access[3], block.head)


def _with_flags(fields: Fields, flags: str, text: str) -> Fields:
    if not _FAILED_FLAGS & set(flags.split(",")) or read_words(text) is not None:
        return fields
    return Fields(
        time=fields.time, local=fields.local, remote=fields.remote, host=fields.host, id=fields.id, side=fields.side,
        text=None, said=_UNREACHED,
    )  # fmt: skip


FORMAT = Format(name="Envoy", read=_read, words=(b" uf", b'"uf', b",uf"))
