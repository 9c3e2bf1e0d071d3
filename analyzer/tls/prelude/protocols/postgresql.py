"""PostgreSQL: SSLRequest, answered by one byte (documentation, "SSL Session Encryption" in "Message Flow")."""

from __future__ import annotations

from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Part, quoted
from analyzer.tls.prelude.model import Kind, Layer, Refusal, State, Step

_SSL_REQUEST: Final = bytes.fromhex("00000008 04d2162f")
_GSS_REQUEST: Final = bytes.fromhex("00000008 04d21630")
OPENING: Final = rb"\0\0\0\x08\x04\xd2\x16[\x2f\x30]|S\Z"
_VERSION_3: Final = b"\x00\x03"
_MESSAGE: Final = "M"


def read(dialogue: Dialogue) -> Layer | None:
    """Read the negotiation of encryption up to `S` in answer to SSLRequest."""
    client, server = dialogue.client, dialogue.server
    asked: Step | None = None
    refusal: Refusal | None = None
    state = State.NOT_ASKED
    while client.peek(8) in (_SSL_REQUEST, _GSS_REQUEST) and (request := client.take(8)) is not None:
        wants_tls = request.data == _SSL_REQUEST
        step = dialogue.tell(client.side, request, "SSLRequest" if wants_tls else "GSSENCRequest")
        asked = step if wants_tls else asked
        answer = server.take(1)
        if answer is None:
            state = State.UNANSWERED if wants_tls else state
            break
        if answer.data == b"S" and wants_tls:
            dialogue.tell(server.side, answer, "S (willing to perform SSL)")
            state, refusal = State.AGREED, None
            break
        code, text, part = _no(dialogue, answer)
        dialogue.tell(server.side, part, text)
        if wants_tls:
            state, refusal = State.REFUSED, Refusal(part.packet, code, text)
        if answer.data != b"N":
            break
    if not dialogue.steps or asked is None:
        return None
    in_clear = None
    if state is State.REFUSED and client.peek(2, skip=4) == _VERSION_3:
        length = int.from_bytes(client.peek(4), "big")
        part = client.take(min(length, client.left)) or client.rest()
        in_clear = dialogue.tell(client.side, part, "StartupMessage, without TLS")
    return Layer(
        protocol="PostgreSQL",
        kind=Kind.UPGRADE,
        state=state,
        steps=tuple(dialogue.steps),
        asked=asked,
        refusal=refusal,
        in_clear=in_clear,
        option="postgres",
    )


def _no(dialogue: Dialogue, answer: Part) -> tuple[str, str, Part]:
    """An answer that is not `S`: its code, its text, and the part that holds it."""
    if answer.data == b"N":
        return "N", "N (unwilling to perform SSL)", answer
    if answer.data != b"E":
        return quoted(answer.data), f"{quoted(answer.data)} (no answer to this request)", answer
    length = int.from_bytes(dialogue.server.peek(4), "big")
    body = dialogue.server.take(length) if 4 <= length <= dialogue.server.left else None
    if body is None:
        return "E", "ErrorResponse", answer
    fields = {field[:1].decode("ascii", "replace"): field[1:] for field in body.data[4:].split(b"\0") if field}
    return "E", f"ErrorResponse: {quoted(fields.get(_MESSAGE, b''))}", body
