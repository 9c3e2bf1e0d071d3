"""Go programs: `http: TLS handshake error from …`, errors of `net/http` and `net`.

`read tcp A->B` names both ends, `dial tcp B` the other one (Go's net.OpError).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._addresses import PORTED, endpoint
from analyzer.gateways.logs._found import in_text

_SERVED: Final = re.compile(rf"\bTLS handshake error from ({PORTED})")
_MARKS: Final = re.compile(
    r"\bx509: |\btls: |\b(?:dial|read|write) tcp |\bTLS handshake (?:error|timeout)|server gave HTTP response"
)


def _read(block: Block) -> Fields | None:
    if block.json is not None or _MARKS.search(block.head[:4000]) is None:
        return None
    fields = in_text(block.head, block.near_ns, side="client")
    served = _SERVED.search(block.head)
    if served is not None:
        return replace(fields, local=None, remote=endpoint(served[1]), host=None, side="server")
    return fields


FORMAT = Format(name="Go", read=_read, rank=1)
