"""MySQL and MariaDB: the server's greeting and the client's SSLRequest (MySQL internals, "Connection Phase")."""

from __future__ import annotations

import re
from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, quoted
from analyzer.tls.prelude.model import Kind, Layer, State, Step

OPENING: Final = rb"..\0\0\x0a[ -~]{2}|[\x05\x20]\0\0\x01"
_GREETING: Final = re.compile(rb"(..)\x00\x00\x0a([\x20-\x7e]{1,80})\x00", re.DOTALL)
_CLIENT_SSL: Final = 0x0800
_CLIENT_PROTOCOL_41: Final = 0x0200
_THREAD_TO_FILLER: Final = 4 + 8 + 1
_SSL_REQUEST: Final = 32
_OLD_SSL_REQUEST: Final = 5


def read(dialogue: Dialogue) -> Layer | None:
    """Read the greeting and the client's first packet, which is an SSLRequest or a login."""
    client, server = dialogue.client, dialogue.server
    found = _GREETING.match(server.peek(128))
    length = int.from_bytes(server.peek(3), "little")
    if found is None or (greeting := server.take(4 + length)) is None:
        return None
    flags = int.from_bytes(greeting.data[found.end() + _THREAD_TO_FILLER :][:2], "little")
    offered = bool(flags & _CLIENT_SSL)
    text = f"greeting, version {quoted(found[2])} ({'offers' if offered else 'does not offer'} TLS)"
    dialogue.tell(server.side, greeting, text)
    asked: Step | None = None
    in_clear: Step | None = None
    size = int.from_bytes(client.peek(3), "little")
    if client.left >= 4 + 2 and client.peek(1, skip=3) == b"\x01":
        wants = int.from_bytes(client.peek(2, skip=4), "little")
        new = bool(wants & _CLIENT_PROTOCOL_41)
        asks = bool(wants & _CLIENT_SSL) and size == (_SSL_REQUEST if new else _OLD_SSL_REQUEST)
        part = client.take(4 + size) or client.rest()
        step = dialogue.tell(client.side, part, "SSLRequest" if asks else "login, without TLS")
        asked, in_clear = (step, None) if asks else (None, step)
    elif client.left:
        return None
    unasked = State.NOT_ASKED if offered else State.NOT_OFFERED
    return Layer(
        protocol="MySQL",
        kind=Kind.UPGRADE,
        state=State.AGREED if asked is not None else unasked,
        steps=tuple(dialogue.steps),
        asked=asked,
        offered=offered,
        in_clear=in_clear,
        option="mysql",
    )
