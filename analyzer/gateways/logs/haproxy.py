"""HAProxy: its HTTP and TCP logs, messages of health checks and of its TLS front ends, and a log-format with both ends.

`%bi:%bp->%si:%sp` in a log-format is the very connection to the backend; `%tr` or `%t` is the time of the request,
local and without a zone. Without them a line has the termination state only: `SC` says that the connection to the
server failed (HAProxy's management guide, "Session state at disconnection"). Measured with 2.6.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format, Said
from analyzer.gateways.logs._addresses import ADDRESS, endpoint
from analyzer.gateways.logs._found import ends, host_in, id_in
from analyzer.gateways.logs._times import find_time
from analyzer.gateways.logs._words import NO_CONNECTION, read_words

_LINE: Final = re.compile(
    rf"\bhaproxy\[\d+\]: |(?<![\w.]){ADDRESS}:\d{{1,5}} \[\d\d/\w{{3}}/\d{{4}}:\d\d:\d\d:\d\d\.\d{{3}}\] |"
    r"\bServer [\w.-]+/[\w.-]+ is (?:DOWN|UP|going)|\bssl_[bf]c_err(?:_str)?=|Health check for server "
)
_TIME: Final = re.compile(r"\[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d\.\d{3})\]")
_TIMERS: Final = re.compile(r"\] \S{1,200} \S{1,200} (?:-?\d{1,9}/){2,4}\+?(\d{1,9})\s")
"""The last of the timers is the session's whole time in milliseconds: the line is written at its end."""
_FRONT: Final = re.compile(rf"(?<![\w.])({ADDRESS}:\d{{1,5}}) \[[^\]]{{20,30}}\] \S{{1,100}}: ")
_STATE: Final = re.compile(r"\s(S[CH]|s[CH])[-A-Z]{2}[\s,\"]")
_FAILED: Final = Said(
    words=("the connection to the server failed (termination state SC)",),
    as_client=NO_CONNECTION,
)


def _read(block: Block) -> Fields | None:
    head = block.head
    if _LINE.search(head[:2000]) is None:
        return None
    exact = _TIME.search(head)
    time = find_time(exact[1] if exact is not None else head, block.near_ns)
    total = _TIMERS.search(head)
    if exact is not None and total is not None and time is not None:
        time = replace(time, ns=time.ns + int(total[1]) * 1_000_000)
    front = _FRONT.search(head)
    state = _STATE.search(head)
    if front is not None and state is None and "->" not in head:
        return Fields(time=time, remote=endpoint(front[1]), id=id_in(head), side="server")
    local, remote = ends(head) if "->" in head else (None, None)
    said = _FAILED if state is not None and read_words(head) is None else None
    return Fields(time=time, local=local, remote=remote, host=host_in(head), id=id_in(head), side="client", said=said)


FORMAT = Format(name="HAProxy", read=_read, words=(b" sc--", b" sc", b"layer6", b"ssl_bc_err"))
