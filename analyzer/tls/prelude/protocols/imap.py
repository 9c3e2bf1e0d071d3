"""IMAP (RFC 9051) with STARTTLS."""

from __future__ import annotations

import re
from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Speech, quoted
from analyzer.tls.prelude.lines import Command, LineProtocol, Reply, converse
from analyzer.tls.prelude.model import Layer

OPENING: Final = rb"\* (?:OK|PREAUTH|BYE)\b|[\w.]{1,32} (?i:CAPABILITY|STARTTLS)\r?\n"
_GREETING: Final = re.compile(rb"\* (OK|PREAUTH|BYE)\b", re.IGNORECASE)
_COMMAND: Final = re.compile(rb"([!#-'\x2c-\[\]^-z|}~]{1,64}) ([A-Za-z]{2,32})(?: (.*))?", re.DOTALL)
_CAPABILITIES: Final = re.compile(rb"CAPABILITY ([^\]\r\n]*)", re.IGNORECASE)

_LONGEST_CODE: Final = 8


def read(dialogue: Dialogue) -> Layer | None:
    """Read a session up to the tagged OK in answer to STARTTLS."""
    return converse(_IMAP, dialogue) if _GREETING.match(dialogue.server.peek(16)) else None


def _greeting(server: Speech) -> Reply | None:
    line = server.line()
    found = None if line is None else _GREETING.match(line.data)
    if line is None or found is None:
        return None
    return Reply(found[1].decode().upper(), (line.data,), line)


def _command(line: bytes) -> Command | None:
    """A tagged command; None for what goes on with one: a literal, an answer to a challenge, the end of IDLE."""
    found = _COMMAND.fullmatch(line)
    return None if found is None else Command(found[2].decode().upper(), found[3] or b"", found[1])


def _reply(server: Speech, command: Command) -> Reply | None:
    """All up to the line that begins with the command's tag."""
    lines: list[bytes] = []
    while (line := server.line()) is not None:
        lines.append(line.data)
        tag, _, status = line.data.partition(b" ")
        if tag == command.tag:
            return Reply(quoted(status.split(b" ")[0].upper(), _LONGEST_CODE), tuple(lines), line)
    return None


def _offers(reply: Reply) -> bool | None:
    found = [match[1].upper().split() for line in reply.lines if (match := _CAPABILITIES.search(line))]
    return any(b"STARTTLS" in capabilities for capabilities in found) if found else None


_IMAP: Final = LineProtocol(
    name="IMAP",
    option="imap",
    request="STARTTLS",
    greeting=_greeting,
    reply=_reply,
    command=_command,
    asks=lambda command: command.verb == "STARTTLS",
    agrees=frozenset({"OK"}),
    lists=frozenset({"CAPABILITY"}),
    offers=_offers,
    before=frozenset({"CAPABILITY", "NOOP", "ID", "STARTTLS", "LOGOUT"}),
    known=frozenset({"LOGIN", "AUTHENTICATE", "SELECT", "EXAMINE", "LIST", "FETCH", "IDLE", "ENABLE", "NAMESPACE"}),
    greeting_lists=True,
)
