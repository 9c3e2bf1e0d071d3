"""IRC with STARTTLS (IRCv3 `tls` capability; numerics 670 and 691)."""

from __future__ import annotations

import re
from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Part, Speech, quoted
from analyzer.tls.prelude.lines import Command, words
from analyzer.tls.prelude.model import Kind, Layer, Refusal, State, Step

OPENING: Final = rb":\S+ (?:NOTICE|CAP|\d{3}) |(?:STARTTLS\r?\n|CAP LS|NICK )"
_BEFORE: Final = frozenset({"CAP", "STARTTLS", "PING", "PONG", "QUIT"})
_KNOWN: Final = frozenset({"NICK", "USER", "PASS", "JOIN", "AUTHENTICATE", "MODE"})
_AGREED, _FAILED, _UNKNOWN_COMMAND, _NOT_REGISTERED = b"670", b"691", b"421", b"451"
_SERVER: Final = (b":", b"NOTICE ", b"PING ", b"ERROR ")
_ANSWER: Final = re.compile(rb":\S+ (\d{3}) \S+ (.*)", re.DOTALL)


def read(dialogue: Dialogue) -> Layer | None:
    """Read a session up to `670` in answer to STARTTLS; without that command it is told from nothing else."""
    if dialogue.server.left and not dialogue.server.peek(8).startswith(_SERVER):
        return None
    asked: Step | None = None
    in_clear: Step | None = None
    while (line := dialogue.client.line()) is not None:
        command = words(line.data) or Command("", b"")
        if not asked and command.verb not in _BEFORE | _KNOWN:
            return None
        step = dialogue.tell(dialogue.client.side, line, _text(command))
        if command.verb == "STARTTLS":
            asked = step
        elif asked and command.verb not in _BEFORE:
            in_clear = in_clear or step
    if asked is None:
        return None
    answer = _answer(dialogue.server)
    state, refusal = State.UNANSWERED, None
    if answer is not None:
        code, part = answer
        dialogue.tell(dialogue.server.side, part, quoted(part.data))
        state = State.AGREED if code == _AGREED else State.REFUSED
        if state is State.REFUSED:
            refusal = Refusal(part.packet, code.decode(), quoted(part.data))
    return Layer(
        protocol="IRC",
        kind=Kind.UPGRADE,
        state=state,
        steps=tuple(dialogue.steps),
        asked=asked,
        refusal=refusal,
        in_clear=in_clear if state is not State.AGREED else None,
        option="irc",
    )


def _answer(server: Speech) -> tuple[bytes, Part] | None:
    """The reply to STARTTLS among the server's other lines."""
    while (line := server.line()) is not None:
        found = _ANSWER.fullmatch(line.data)
        if found is None:
            continue
        about = found[1] in (_AGREED, _FAILED) or (
            found[1] in (_UNKNOWN_COMMAND, _NOT_REGISTERED) and b"STARTTLS" in found[2].upper()
        )
        if about:
            return found[1], line
    return None


def _text(command: Command) -> str:
    if command.verb in ("STARTTLS", "CAP"):
        return quoted(b" ".join(filter(None, (command.verb.encode(), command.rest))))
    return f"{command.verb} …" if command.verb in _BEFORE | _KNOWN else "(a line that is not shown)"
