"""Microsoft SQL Server: encryption is agreed on in the PRELOGIN messages ([MS-TDS] 2.2.6.5).

The TLS handshake that follows is cut into TDS packets of its own (`tls.carriers`). TDS 8.0 begins with TLS.
"""

from __future__ import annotations

from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Part, Speech
from analyzer.tls.prelude.model import Kind, Layer, Refusal, State

OPENING: Final = rb"[\x12\x04]\x01..\0\0.\0\0\0[\x06-\xff]"
_HEADER: Final = 8
_PRELOGIN, _RESPONSE = 0x12, 0x04
_ENCRYPTION, _END = 0x01, 0xFF
_NAMES: Final = {0: "off, for the login only", 1: "on", 2: "not supported", 3: "required"}
_OFF, _NOT_SUPPORTED = 0, 2
_CERTIFICATE: Final = 0x80
"""A client that authenticates itself by certificate sets this bit."""


def read(dialogue: Dialogue) -> Layer | None:
    """Read the two PRELOGIN messages."""
    client, server = dialogue.client, dialogue.server
    request = _message(client, _PRELOGIN)
    if request is None:
        return None
    wanted = _encryption(request)
    if wanted is None:
        return None
    step = dialogue.tell(client.side, request, f"PRELOGIN, encryption {_NAMES.get(wanted, wanted)}")
    asks = wanted != _NOT_SUPPORTED
    asked = step if asks else None
    state, refusal = State.UNANSWERED if asks else State.NOT_ASKED, None
    response = _message(server, _RESPONSE)
    answer = None if response is None else _encryption(response)
    if response is not None and answer is not None:
        text = f"PRELOGIN, encryption {_NAMES.get(answer, answer)}"
        dialogue.tell(server.side, response, text)
        if answer == _NOT_SUPPORTED:
            state = State.REFUSED if wanted not in (_OFF, _NOT_SUPPORTED) else State.NOT_ASKED
            refusal = Refusal(response.packet, str(answer), text) if state is State.REFUSED else None
        elif asks:
            state = State.AGREED
    return Layer(
        protocol="TDS",
        kind=Kind.UPGRADE,
        state=state,
        steps=tuple(dialogue.steps),
        asked=asked,
        refusal=refusal,
    )


def _message(speech: Speech, kind: int) -> Part | None:
    """The next TDS packet, when it is whole and of that type."""
    head = speech.peek(_HEADER)
    length = int.from_bytes(head[2:4], "big")
    if len(head) < _HEADER or head[0] != kind or head[1] != 1 or length <= _HEADER:
        return None
    return speech.take(length)


def _encryption(message: Part) -> int | None:
    """The value of the option ENCRYPTION: options are type, offset and length of the value, up to a terminator."""
    body = message.data[_HEADER:]
    for at in range(0, len(body) - 4, 5):
        if body[at] == _END:
            return None
        offset, length = int.from_bytes(body[at + 1 : at + 3], "big"), int.from_bytes(body[at + 3 : at + 5], "big")
        if body[at] == _ENCRYPTION and length == 1 and offset < len(body):
            return body[offset] & ~_CERTIFICATE
    return None
