"""Protocols of command lines and replies that ask for TLS by a command: what SMTP, IMAP, POP3 and others share."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from analyzer.dataclass import dataclass
from analyzer.tls.prelude.dialogue import Dialogue, Part, Speech, quoted
from analyzer.tls.prelude.model import Kind, Layer, Refusal, State, Step

__all__ = ["Command", "LineProtocol", "Reply", "converse", "numbered_reply", "words"]


class Command(NamedTuple):
    """A command line: its verb in capitals, what follows it, and the tag before it (IMAP)."""

    verb: str
    rest: bytes
    tag: bytes = b""


class Reply(NamedTuple):
    """A whole reply. `code` decides, `lines` hold all of it; `part` is its last line."""

    code: str
    lines: tuple[bytes, ...]
    part: Part


@dataclass(frozen=True, slots=True, kw_only=True)
class LineProtocol:
    """How a protocol speaks.

    - `greeting`, `reply`: read the server's next reply; None when it is not there. The greeting is None too when it
      is not this protocol's
    - `command`: parts a line; None for one that is no command and gets no reply of its own
    - `asks`: whether a command asks for TLS; `agrees`: the codes of replies that agree
    - `lists`: verbs whose reply says what the server can do (`greeting_lists`: the greeting does); `offers`: whether
      TLS is among that, None when the reply does not say what the server can do
    - `before`: verbs that may come before TLS, or end the dialogue. All others use the connection without TLS
    - `shown`: verbs whose arguments may be shown
    - `ends`: verbs behind which no commands are read
    """

    name: str
    option: str | None
    request: str
    greeting: Callable[[Speech], Reply | None]
    reply: Callable[[Speech, Command], Reply | None]
    command: Callable[[bytes], Command | None]
    asks: Callable[[Command], bool]
    agrees: frozenset[str]
    lists: frozenset[str]
    offers: Callable[[Reply], bool | None]
    before: frozenset[str]
    known: frozenset[str] = frozenset()
    shown: frozenset[str] = frozenset()
    ends: frozenset[str] = frozenset()
    greeting_lists: bool = False


def converse(protocol: LineProtocol, dialogue: Dialogue) -> Layer | None:
    """Read the dialogue up to where TLS begins, or to its end; None when it is not of this protocol."""
    client, server = dialogue.client, dialogue.server
    greeting = protocol.greeting(server)
    if greeting is None:
        return None
    offered = protocol.offers(greeting) if protocol.greeting_lists else None
    dialogue.tell(server.side, greeting.part, _reply_text(protocol, greeting, offered))
    asked: Step | None = None
    in_clear: Step | None = None
    refusal: Refusal | None = None
    state = State.NOT_ASKED
    while (line := client.line()) is not None:
        command = protocol.command(line.data)
        if command is None:
            continue
        asks = protocol.asks(command)
        step = dialogue.tell(client.side, line, _command_text(protocol, command, asks=asks))
        if asks:
            asked, refusal, in_clear, state = step, None, None, State.UNANSWERED
        elif command.verb not in protocol.before:
            in_clear = in_clear or step
        if command.verb in protocol.ends:
            break
        reply = protocol.reply(server, command)
        if reply is None:
            break
        listed = protocol.offers(reply) if command.verb in protocol.lists else None
        offered = offered if listed is None else listed
        quiet = not asks and command.verb not in protocol.before
        dialogue.tell(server.side, reply.part, reply.code if quiet else _reply_text(protocol, reply, listed))
        if asks and reply.code in protocol.agrees:
            state = State.AGREED
            break
        if asks:
            refusal = Refusal(reply.part.packet, reply.code, quoted(reply.part.data))
            state = State.REFUSED
    if state is State.NOT_ASKED and offered is False:
        state = State.NOT_OFFERED
    return Layer(
        protocol=protocol.name,
        kind=Kind.UPGRADE,
        state=state,
        steps=tuple(dialogue.steps),
        asked=asked,
        offered=offered,
        refusal=refusal,
        in_clear=in_clear,
        option=protocol.option,
    )


def words(line: bytes) -> Command | None:
    """A line that begins with its verb."""
    verb, _, rest = line.partition(b" ")
    return Command(verb.upper().decode("ascii", "replace"), rest.strip())


def numbered_reply(speech: Speech) -> Reply | None:
    """A reply that begins with three digits, and with `-` behind them until its last line (RFC 959 section 4.2)."""
    lines: list[bytes] = []
    code = b""
    while (line := speech.line()) is not None:
        if not lines:
            code = line.data[:3]
            if len(code) < 3 or not code.isdigit():
                return None
        lines.append(line.data)
        if line.data[:3] == code and line.data[3:4] in (b" ", b""):
            return Reply(code.decode(), tuple(lines), line)
    return None


def _command_text(protocol: LineProtocol, command: Command, *, asks: bool) -> str:
    """The command without what may be private: of verbs that are not known not even these."""
    if asks or command.verb in protocol.shown:
        return quoted(b" ".join(filter(None, (command.verb.encode(), command.rest))))
    if command.verb in protocol.before or command.verb in protocol.known:
        return f"{command.verb} …" if command.rest else command.verb
    return "(a line that is not shown)"


def _reply_text(protocol: LineProtocol, reply: Reply, offered: bool | None) -> str:
    text = quoted(reply.lines[0] if offered is not None else reply.part.data)
    if offered is None:
        return text
    return f"{text} ({'offers' if offered else 'does not offer'} {protocol.request})"
