"""RDP: TLS is agreed on in the X.224 connection request and confirm ([MS-RDPBCGR] 2.2.1.1 and 2.2.1.2)."""

from __future__ import annotations

from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Part, Speech
from analyzer.tls.prelude.model import Kind, Layer, Refusal, State, Step

OPENING: Final = rb"\x03\0\0.[\x06-\xff][\xd0\xe0]"
_REQUEST, _CONFIRM = 0xE0, 0xD0
_NEGOTIATION, _FAILURE = 2, 3
_PROTOCOLS: Final = {
    0: "standard RDP security, no TLS",
    1: "TLS",
    2: "CredSSP",
    4: "RDSTLS",
    8: "CredSSP with early authorization",
    16: "Entra ID",
}
_FAILURES: Final = {
    1: "SSL_REQUIRED_BY_SERVER", 2: "SSL_NOT_ALLOWED_BY_SERVER", 3: "SSL_CERT_NOT_ON_SERVER",
    4: "INCONSISTENT_FLAGS", 5: "HYBRID_REQUIRED_BY_SERVER", 6: "SSL_WITH_USER_AUTH_REQUIRED_BY_SERVER",
}  # fmt: skip


def read(dialogue: Dialogue) -> Layer | None:
    """Read the request and its answer."""
    client, server = dialogue.client, dialogue.server
    request = _packet(client, _REQUEST)
    if request is None:
        return None
    wanted = int.from_bytes(request.data[-4:], "little") if request.data[-8:-4] in _requests(request) else 0
    names = ", ".join(name for bit, name in _PROTOCOLS.items() if wanted & bit) or _PROTOCOLS[0]
    step = dialogue.tell(client.side, request, f"connection request ({names})")
    asked = step if wanted else None
    state, refusal = (State.UNANSWERED if wanted else State.NOT_ASKED), None
    confirm = _packet(server, _CONFIRM)
    in_clear: Step | None = None
    if confirm is not None:
        kind, value = confirm.data[-8], int.from_bytes(confirm.data[-4:], "little")
        if len(confirm.data) < 19 or kind not in (_NEGOTIATION, _FAILURE):
            kind, value = _NEGOTIATION, 0
        text = _FAILURES.get(value, f"failure {value}") if kind == _FAILURE else _PROTOCOLS.get(value, str(value))
        dialogue.tell(server.side, confirm, f"connection confirm ({text})")
        if wanted and (kind == _FAILURE or not value):
            code = str(value) if kind == _FAILURE else None
            state, refusal = State.REFUSED, Refusal(confirm.packet, code, text)
            if kind != _FAILURE and client.left:
                in_clear = dialogue.tell(client.side, client.rest(), "goes on without TLS")
        elif wanted:
            state = State.AGREED
    return Layer(
        protocol="RDP",
        kind=Kind.UPGRADE,
        state=state,
        steps=tuple(dialogue.steps),
        asked=asked,
        refusal=refusal,
        in_clear=in_clear,
    )


def _requests(request: Part) -> tuple[bytes, ...]:
    """What an RDP_NEG_REQ begins with: type 1, any flags, length 8."""
    return (bytes((1, request.data[-7], 8, 0)),)


def _packet(speech: Speech, code: int) -> Part | None:
    """The TPKT packet with an X.224 PDU of that code (RFC 1006 section 6, X.224 section 13)."""
    head = speech.peek(6)
    length = int.from_bytes(head[2:4], "big")
    if len(head) < 6 or head[:2] != b"\x03\x00" or length < 11 or head[5] & 0xF0 != code:
        return None
    return speech.take(length)
