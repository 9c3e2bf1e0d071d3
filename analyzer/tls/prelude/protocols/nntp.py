"""NNTP (RFC 3977) with STARTTLS (RFC 4642)."""

from __future__ import annotations

from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Speech
from analyzer.tls.prelude.lines import Command, LineProtocol, Reply, converse, numbered_reply, words
from analyzer.tls.prelude.model import Layer

OPENING: Final = rb"20[01] |(?i:CAPABILITIES|STARTTLS)\r?\n"
_LIST_FOLLOWS: Final = "101"


def read(dialogue: Dialogue) -> Layer | None:
    """Read a session up to `382` in answer to STARTTLS."""
    return converse(_NNTP, dialogue) if dialogue.server.peek(4) in (b"200 ", b"201 ") else None


def _reply(server: Speech, _: Command) -> Reply | None:
    reply = numbered_reply(server)
    if reply is None or reply.code != _LIST_FOLLOWS:
        return reply
    lines = list(reply.lines)
    while (line := server.line()) is not None and line.data != b".":
        lines.append(line.data)
    return None if line is None else Reply(reply.code, tuple(lines), line)


def _offers(reply: Reply) -> bool | None:
    return any(line.upper() == b"STARTTLS" for line in reply.lines) if reply.code == _LIST_FOLLOWS else None


_NNTP: Final = LineProtocol(
    name="NNTP",
    option="nntp",
    request="STARTTLS",
    greeting=numbered_reply,
    reply=_reply,
    command=words,
    asks=lambda command: command.verb == "STARTTLS",
    agrees=frozenset({"382"}),
    lists=frozenset({"CAPABILITIES"}),
    offers=_offers,
    before=frozenset({"CAPABILITIES", "MODE", "STARTTLS", "QUIT", "DATE"}),
    known=frozenset({"AUTHINFO", "GROUP", "ARTICLE", "IHAVE", "POST", "CHECK", "TAKETHIS", "LIST"}),
    shown=frozenset({"MODE"}),
    ends=frozenset({"IHAVE", "POST", "TAKETHIS", "LIST", "ARTICLE"}),
)
