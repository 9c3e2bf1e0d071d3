"""OpenVPN over TCP: both sides reset the session, then TLS runs in packets of the control channel (`tls.carriers`)."""

from __future__ import annotations

from typing import Final

from analyzer.tls.carriers import recognise
from analyzer.tls.prelude.dialogue import Dialogue, Part, Speech
from analyzer.tls.prelude.model import Kind, Layer, State

OPENING: Final = rb"\0[\x0e-\xa0][\x38\x40]"
_CLIENT, _SERVER = 0x38, 0x40
_PLAIN: Final = (14, 26)
"""Bytes of a reset that nothing authenticates."""


def read(dialogue: Dialogue) -> Layer | None:
    """Read the packets by which the session begins."""
    client, server = dialogue.client, dialogue.server
    request = _reset(client, _CLIENT)
    if request is None:
        return None
    added = "" if len(request.data) - 2 in _PLAIN else ", authenticated (tls-auth)"
    asked = dialogue.tell(client.side, request, f"P_CONTROL_HARD_RESET_CLIENT_V2{added}")
    answer = _reset(server, _SERVER)
    if answer is not None:
        dialogue.tell(server.side, answer, f"P_CONTROL_HARD_RESET_SERVER_V2{added}")
    return Layer(
        protocol="OpenVPN",
        kind=Kind.UPGRADE,
        state=State.UNANSWERED if answer is None else State.AGREED,
        steps=tuple(dialogue.steps),
        asked=asked,
    )


def _reset(speech: Speech, opcode: int) -> Part | None:
    head = speech.peek(3)
    length = int.from_bytes(head[:2], "big")
    if len(head) < 3 or head[2] != opcode or recognise(speech.peek(2 + length)) is None:
        return None
    return speech.take(2 + length)
