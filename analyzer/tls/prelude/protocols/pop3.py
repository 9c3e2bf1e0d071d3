"""POP3 (RFC 1939, RFC 2449) with STLS (RFC 2595)."""

from __future__ import annotations

from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Speech, quoted
from analyzer.tls.prelude.lines import Command, LineProtocol, Reply, converse, words
from analyzer.tls.prelude.model import Layer

OPENING: Final = rb"\+OK|-ERR|(?i:CAPA|STLS)\r?\n"

_LONGEST_CODE: Final = 8


def read(dialogue: Dialogue) -> Layer | None:
    """Read a session up to `+OK` in answer to STLS."""
    return converse(_POP3, dialogue) if dialogue.server.peek(4).startswith((b"+OK", b"-ERR")) else None


def _greeting(server: Speech) -> Reply | None:
    return _reply(server, Command("", b""))


def _reply(server: Speech, command: Command) -> Reply | None:
    """One line; the list of CAPA has more, up to a dot."""
    line = server.line()
    if line is None:
        return None
    code = quoted(line.data.split(b" ")[0].upper(), _LONGEST_CODE)
    lines = [line.data]
    if command.verb == "CAPA" and code == "+OK":
        while (more := server.line()) is not None and more.data != b".":
            lines.append(more.data)
        if more is None:
            return None
        line = more
    return Reply(code, tuple(lines), line)


def _offers(reply: Reply) -> bool | None:
    return any(line.strip().upper() == b"STLS" for line in reply.lines) if reply.code == "+OK" else None


_POP3: Final = LineProtocol(
    name="POP3",
    option="pop3",
    request="STLS",
    greeting=_greeting,
    reply=_reply,
    command=words,
    asks=lambda command: command.verb == "STLS",
    agrees=frozenset({"+OK"}),
    lists=frozenset({"CAPA"}),
    offers=_offers,
    before=frozenset({"CAPA", "NOOP", "STLS", "QUIT", "UTF8", "LANG"}),
    known=frozenset({"USER", "PASS", "APOP", "AUTH", "STAT", "LIST", "UIDL", "RETR", "TOP", "DELE"}),
    ends=frozenset({"LIST", "UIDL", "RETR", "TOP"}),
)
