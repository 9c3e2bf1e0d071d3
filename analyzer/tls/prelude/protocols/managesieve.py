"""ManageSieve (RFC 5804) with STARTTLS."""

from __future__ import annotations

import re
from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Speech
from analyzer.tls.prelude.lines import LineProtocol, Reply, converse, words
from analyzer.tls.prelude.model import Layer

OPENING: Final = rb'"(?i:IMPLEMENTATION)"|(?i:STARTTLS)\r?\n'
_STATUS: Final = re.compile(rb"(OK|NO|BYE)\b", re.IGNORECASE)


def read(dialogue: Dialogue) -> Layer | None:
    """Read a session up to OK in answer to STARTTLS."""
    return converse(_MANAGESIEVE, dialogue) if dialogue.server.peek(16).upper() == b'"IMPLEMENTATION"' else None


def _reply(server: Speech) -> Reply | None:
    """All up to the line of OK, NO or BYE."""
    lines: list[bytes] = []
    while (line := server.line()) is not None:
        lines.append(line.data)
        if found := _STATUS.match(line.data):
            return Reply(found[1].decode().upper(), tuple(lines), line)
    return None


def _offers(reply: Reply) -> bool | None:
    names = [line.split(b" ")[0].upper() for line in reply.lines[:-1]]
    return b'"STARTTLS"' in names if names else None


_MANAGESIEVE: Final = LineProtocol(
    name="ManageSieve",
    option="sieve",
    request="STARTTLS",
    greeting=_reply,
    reply=lambda server, _: _reply(server),
    command=words,
    asks=lambda command: command.verb == "STARTTLS",
    agrees=frozenset({"OK"}),
    lists=frozenset({"CAPABILITY"}),
    offers=_offers,
    before=frozenset({"CAPABILITY", "NOOP", "STARTTLS", "LOGOUT"}),
    known=frozenset({"AUTHENTICATE", "PUTSCRIPT", "LISTSCRIPTS", "GETSCRIPT", "SETACTIVE"}),
    ends=frozenset({"PUTSCRIPT", "GETSCRIPT"}),
    greeting_lists=True,
)
