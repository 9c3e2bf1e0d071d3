"""SMTP (RFC 5321) and LMTP (RFC 2033) with STARTTLS (RFC 3207)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue
from analyzer.tls.prelude.lines import LineProtocol, Reply, converse, numbered_reply, words
from analyzer.tls.prelude.model import Layer

OPENING: Final = rb"220[ -]|(?i:EHLO|HELO|LHLO) "
_GREETINGS: Final = frozenset({"EHLO", "HELO", "LHLO"})
_OTHERS: Final = frozenset({"NOOP", "RSET", "QUIT", "STARTTLS", "HELP", "VRFY", "XCLIENT", "XFORWARD"})


def read(dialogue: Dialogue) -> Layer | None:
    """Read a session up to `220` in answer to STARTTLS."""
    first = words(dialogue.client.peek(512).split(b"\n")[0].rstrip(b"\r"))
    if first is None or first.verb not in _GREETINGS | _OTHERS:
        return None
    layer = converse(_SMTP, dialogue)
    return layer if layer is None or first.verb != "LHLO" else replace(layer, protocol="LMTP", option="lmtp")


def _offers(reply: Reply) -> bool | None:
    if reply.code != "250":
        return None
    return any(line[4:].strip().upper().startswith(b"STARTTLS") for line in reply.lines[1:])


_SMTP: Final = LineProtocol(
    name="SMTP",
    option="smtp",
    request="STARTTLS",
    greeting=numbered_reply,
    reply=lambda server, _: numbered_reply(server),
    command=words,
    asks=lambda command: command.verb == "STARTTLS",
    agrees=frozenset({"220"}),
    lists=frozenset({"EHLO", "LHLO"}),
    offers=_offers,
    before=_GREETINGS | _OTHERS,
    known=frozenset({"AUTH", "MAIL", "RCPT", "DATA", "BDAT", "ETRN", "EXPN"}),
    shown=_GREETINGS,
    ends=frozenset({"DATA", "BDAT"}),
)
