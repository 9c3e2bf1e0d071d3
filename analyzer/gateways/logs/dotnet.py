"""ASP.NET Core, YARP and .NET: the console logger in plain text and JSON, and exceptions.

`fail: Category[48]` with indented lines below it; in JSON `{"EventId":48,"LogLevel":"Error","Category":…,"Message":…,
"Exception":…}`, with a `Timestamp` where it is configured (Microsoft Learn, "Console log formatting").
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._found import flat, from_object, in_text

_CONSOLE: Final = re.compile(r"(?:^|\s)(?:trce|dbug|info|warn|fail|crit): [\w.`+-]{1,300}\[\d{1,9}\]")
_EXCEPTION: Final = re.compile(
    r"\bSystem\.(?:Net|Security|IO|ComponentModel|Exception)[\w.]{0,100}|\bThe SSL connection could not be established|"
    r"\bThe remote certificate (?:is invalid|was rejected)|\bThe underlying connection was closed"
)
_SERVER: Final = re.compile(r"\bKestrel\b|HttpsConnectionMiddleware|AuthenticateAsServer")


def _read(block: Block) -> Fields | None:
    found = block.json
    if found is not None:
        if "LogLevel" not in found or "Category" not in found:
            return None
        return from_object(flat(found), block.near_ns)
    if _CONSOLE.search(block.head[:400]) is None and _EXCEPTION.search(block.text[:4000]) is None:
        return None
    side = "server" if _SERVER.search(block.text[:4000]) else "client"
    return in_text(block.text, block.near_ns, side="server" if side == "server" else "client")


FORMAT = Format(name=".NET", read=_read, rank=1)
