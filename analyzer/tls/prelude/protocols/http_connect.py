"""A tunnel through an HTTP proxy: CONNECT (RFC 9110 section 9.3.6)."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from analyzer.tls.prelude.dialogue import Dialogue, Part, Speech, quoted
from analyzer.tls.prelude.model import Kind, Layer, Refusal, State, Step, Target

OPENING: Final = rb"CONNECT |HTTP/1\.[01] (?:407|200 [Cc]onnection)"
_REQUEST: Final = re.compile(rb"CONNECT +(\S{1,512}) +HTTP/1\.\d", re.IGNORECASE)
_STATUS: Final = re.compile(rb"HTTP/1\.\d +(\d{3})(?: +(.*))?", re.DOTALL)
_AUTHORITY: Final = re.compile(rb"(?:\[([0-9A-Fa-f:.%]{2,64})\]|([A-Za-z0-9._~*-]{1,253})):(\d{1,5})")
_SCHEME: Final = re.compile(rb"[A-Za-z][\w!#$%&'*+.^`|~-]{0,30}")
_HIGHEST_PORT: Final = 0xFFFF


class _Head(NamedTuple):
    """A message's first line and its fields by name in lower case; `part` is the whole, `complete` up to its end."""

    first: bytes
    fields: dict[bytes, list[bytes]]
    part: Part
    complete: bool


def read(dialogue: Dialogue) -> Layer | None:
    """Read requests up to a 2xx answer. A proxy that wants authentication is asked again on the same connection."""
    client, server = dialogue.client, dialogue.server
    asked: Step | None = None
    target: Target | None = None
    refusal: Refusal | None = None
    state = State.UNANSWERED
    while (found := _REQUEST.match(client.peek(600))) is not None and (head := _head(client)) is not None:
        target = _target(found[1])
        # What stands before an @ would be a password.
        shown = target or quoted(found[1].rpartition(b"@")[2])
        proof = " with Proxy-Authorization" if b"proxy-authorization" in head.fields else ""
        asked = dialogue.tell(client.side, head.part, f"CONNECT {shown}{proof}")
        answer = _final_head(server)
        if answer is None:
            state, refusal = State.UNANSWERED, None
            break
        status = _STATUS.fullmatch(answer.first)
        code = None if status is None else status[1].decode()
        text = quoted(answer.first) if status is None else quoted(b" ".join(filter(None, status.groups())))
        dialogue.tell(server.side, answer.part, text)
        if code is not None and code.startswith("2"):
            state, refusal = State.AGREED, None
            break
        state = State.REFUSED
        refusal = Refusal(answer.part.packet, code, text + _said_more(answer))
        if not answer.complete or not _skip_body(server, answer):
            break
    if asked is None:
        return None
    return Layer(
        protocol="HTTP",
        kind=Kind.TUNNEL,
        state=state,
        steps=tuple(dialogue.steps),
        asked=asked,
        refusal=refusal,
        target=target,
    )


def _target(authority: bytes) -> Target | None:
    found = _AUTHORITY.fullmatch(authority.rpartition(b"@")[2])
    if found is None or int(found[3]) > _HIGHEST_PORT:
        return None
    return Target((found[1] or found[2]).decode(), int(found[3]))


def _final_head(server: Speech) -> _Head | None:
    """The head of an answer that is not an interim one (1xx)."""
    while (head := _head(server)) is not None:
        status = _STATUS.fullmatch(head.first)
        if status is None or not status[1].startswith(b"1") or not head.complete:
            return head
    return None


def _head(speech: Speech) -> _Head | None:
    """The next head; one that is cut is given as far as it goes, if its first line is there."""
    complete = speech.until(b"\r\n\r\n", b"\n\n")
    if complete is None and b"\n" not in speech.data[speech.at :]:
        return None
    part = complete or speech.rest()
    first, *lines = part.data.split(b"\n")
    fields: dict[bytes, list[bytes]] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon:
            fields.setdefault(name.strip().lower(), []).append(value.strip())
    return _Head(first.rstrip(b"\r"), fields, part, complete is not None)


def _said_more(answer: _Head) -> str:
    """What the proxy gives as a reason, and which authentication it wants."""
    schemes = [m[0].decode() for value in answer.fields.get(b"proxy-authenticate", ()) if (m := _SCHEME.match(value))]
    wants = f" (wants {', '.join(dict.fromkeys(schemes[:4]))})" if schemes else ""
    error = next(iter(answer.fields.get(b"x-squid-error", ())), b"")
    return wants + (f" ({quoted(error)})" if error else "")


def _skip_body(server: Speech, answer: _Head) -> bool:
    """Step over the body of an answer; whether its end is known and there."""
    if any(b"chunked" in value.lower() for value in answer.fields.get(b"transfer-encoding", ())):
        while (size := server.line()) is not None:
            digits = size.data.split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", digits):
                return False
            if int(digits, 16) == 0:
                return server.until(b"\r\n", b"\n") is not None
            if server.take(int(digits, 16)) is None or server.line() is None:
                return False
        return False
    length = next(iter(answer.fields.get(b"content-length", ())), b"")
    if not re.fullmatch(rb"\d{1,9}", length):
        return False
    return int(length) == 0 or server.take(int(length)) is not None
