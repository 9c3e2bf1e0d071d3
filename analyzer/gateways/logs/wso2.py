"""WSO2 API Manager and Enterprise Integrator (carbon.log).

`TID: [-1234] [] [2026-11-22 13:00:00,123] ERROR {org.apache.synapse.transport.passthru.TargetHandler} - TEXT`. The
TargetHandler is the side of the backend, the SourceHandler that of the client.
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._found import in_text

_LINE: Final = re.compile(r"^(?:TID: ?\[|\[\d{4}-\d\d-\d\d [\d:,]{8,14}\]).{0,200}\{([\w.$]{3,200})\}")


def _read(block: Block) -> Fields | None:
    line = _LINE.search(block.head[:800])
    if line is None:
        return None
    return in_text(block.text, block.near_ns, side="server" if "Source" in line[1] else "client")


FORMAT = Format(name="WSO2", read=_read)
