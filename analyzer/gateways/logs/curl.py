"""curl -v: what it tried, to whom it was connected, and the error. Times only with `--trace-time`, without a date."""

from __future__ import annotations

import re
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._addresses import ADDRESS, as_host, endpoint
from analyzer.gateways.logs._found import host_in
from analyzer.gateways.logs._times import find_time

_LINE: Final = re.compile(r"^(?:(\d\d:\d\d:\d\d\.\d{1,6}) )?(?:\* |== Info: |[{}<>] |curl: \(\d{1,3}\) )")
_TRYING: Final = re.compile(rf"\bTrying ({ADDRESS}(?::\d{{1,5}})?)")
_CONNECTED: Final = re.compile(rf"\b(?:Connected|[Cc]onnection) to ([\w.-]{{1,253}}) \(({ADDRESS})\)? port (\d{{1,5}})")
_FROM: Final = re.compile(rf"\bfrom ({ADDRESS}) port (\d{{1,5}})")
_ERROR: Final = re.compile(r"\bSSL|\bTLS|\bcertificate|curl: \(|\balert\b|\b[Cc]onnect", re.ASCII)


def _read(block: Block) -> Fields | None:
    line = _LINE.match(block.head)
    if line is None:
        return None
    memory = block.memory
    trying, connected, own = (pattern.search(block.head) for pattern in (_TRYING, _CONNECTED, _FROM))
    if trying is not None:
        for name in ("curl remote", "curl host", "curl local"):
            memory.pop(name, None)
        memory["curl remote"] = trying[1]
    if connected is not None:
        memory["curl host"] = connected[1]
        memory["curl remote"] = _joined(connected[2], connected[3])
    if own is not None:
        memory["curl local"] = _joined(own[1], own[2])
    if trying is not None or connected is not None or _ERROR.search(block.head) is None:
        return Fields(text="")
    return Fields(
        time=find_time(line[1], block.near_ns) if line[1] else None,
        local=endpoint(memory.get("curl local", "")),
        remote=endpoint(memory.get("curl remote", "")),
        host=host_in(block.head) or as_host(memory.get("curl host")),
        side="client",
        text=block.head,
    )


def _joined(address: str, port: str) -> str:
    return f"[{address.strip('[]')}]:{port}" if ":" in address else f"{address}:{port}"


FORMAT = Format(name="curl", read=_read, words=(b"trying ", b"connected to"))
