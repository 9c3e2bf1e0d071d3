"""Java's `-Djavax.net.debug=ssl,handshake` (or `all`): the JSSE's own account of a handshake.

Since JDK 11 a line is `javax.net.ssl|LEVEL|thread|name|2026-11-22 13:00:00.123 UTC|File.java:1|TEXT`, its structures go
on over lines to a closing bracket. Before, it was `thread, SEND TLSv1.2 ALERT:  fatal, description = …`, without a
time. It has no addresses; the server name of the ClientHello stands for the thread that sent it.
"""

from __future__ import annotations

import re
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._found import ends, host_in
from analyzer.gateways.logs._times import find_time

_LINE: Final = re.compile(r"javax\.net\.ssl\|(\w+)\|([0-9A-Fa-f]+)\|([^|]{0,200})\|([^|]{10,40})\|([^|]{0,100})\|")
_OLD: Final = re.compile(r"^[^,\n]{1,200}, (?:SEND|RECV|READ|WRITE|handling exception|fatal error|called close)")
_NAME: Final = re.compile(r"\btype=host_name \(0\), value=([\w.-]{1,253})")
_HELLO: Final = "ClientHello handshake message"
_THREADS: Final = 1000


def _read(block: Block) -> Fields | None:
    line = _LINE.match(block.head)
    if line is None:
        return Fields(host=host_in(block.text)) if _OLD.match(block.head) else None
    thread = f"java {line[2]} {line[3]}"
    if _HELLO in block.head:
        name = _NAME.search(block.text)
        side = "client" if "Produced" in block.head else "server"
        if len(block.memory) < _THREADS:
            block.memory[thread] = f"{side} {name[1] if name is not None else ''}"
        return Fields(text="")
    side, _, host = block.memory.get(thread, "").partition(" ")
    local, remote = ends(block.text)
    return Fields(
        time=find_time(line[4], block.near_ns),
        local=local,
        remote=remote,
        host=host_in(block.text) or host or None,
        side="server" if side == "server" else "client" if side else None,
        text=block.text[line.end() :],
    )


FORMAT = Format(name="javax.net.debug", read=_read, words=(b"host_name (0)", b"javax.net.ssl|"))
