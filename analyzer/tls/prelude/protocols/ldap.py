"""LDAP (RFC 4511) with the StartTLS extended operation (section 4.14)."""

from __future__ import annotations

from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Part, Speech, quoted
from analyzer.tls.prelude.model import Kind, Layer, Refusal, State, Step

OPENING: Final = rb"\x30(?:[\0-\x7f]|\x81.|\x82..|\x83...|\x84....)\x02[\x01-\x04]"
_START_TLS: Final = b"1.3.6.1.4.1.1466.20037"
_EXTENDED_REQUEST, _EXTENDED_RESPONSE, _INTERMEDIATE = 0x77, 0x78, 0x79
_REQUEST_NAME, _UNBIND, _ABANDON, _BIND, _SEARCH = 0x80, 0x42, 0x50, 0x60, 0x63
_OPERATIONS: Final = {
    0x42: "unbindRequest", 0x4A: "delRequest", 0x50: "abandonRequest", 0x60: "bindRequest", 0x61: "bindResponse",
    0x63: "searchRequest", 0x64: "searchResEntry", 0x65: "searchResDone", 0x66: "modifyRequest", 0x68: "addRequest",
    0x6E: "compareRequest", 0x73: "searchResRef", 0x77: "extendedReq", 0x78: "extendedResp",
}  # fmt: skip
_RESULTS: Final = {
    0: "success", 1: "operationsError", 2: "protocolError", 3: "timeLimitExceeded", 8: "strongerAuthRequired",
    11: "adminLimitExceeded", 12: "unavailableCriticalExtension", 13: "confidentialityRequired",
    49: "invalidCredentials", 50: "insufficientAccessRights", 51: "busy", 52: "unavailable",
    53: "unwillingToPerform", 80: "other",
}  # fmt: skip
_LONGEST: Final = 1 << 20


def read(dialogue: Dialogue) -> Layer | None:
    """Read messages up to the response to StartTLS; None unless the first message is an LDAP request."""
    client, server = dialogue.client, dialogue.server
    asked: Step | None = None
    in_clear: Step | None = None
    refusal: Refusal | None = None
    state = State.NOT_ASKED
    while (message := _message(client)) is not None:
        number, operation, body, part = message
        if not dialogue.steps and operation not in _OPERATIONS:
            return None
        asks = operation == _EXTENDED_REQUEST and _START_TLS in body[:40]
        name = _OPERATIONS.get(operation, f"operation 0x{operation:02x}")
        step = dialogue.tell(client.side, part, f"{name} StartTLS" if asks else name)
        if not asks:
            if operation not in (_UNBIND, _ABANDON):
                in_clear = in_clear or step
            continue
        asked, in_clear = step, None
        answer = _answer(server, number)
        if answer is None:
            state = State.UNANSWERED
            break
        code, text, part = answer
        shown = f"{_RESULTS.get(code, 'resultCode')} ({code})"
        dialogue.tell(server.side, part, f"extendedResp {shown}{f': {text}' if text else ''}")
        if code == 0:
            state, refusal = State.AGREED, None
            break
        state, refusal = State.REFUSED, Refusal(part.packet, str(code), f"{shown}{f': {text}' if text else ''}")
    if not dialogue.steps:
        return None
    return Layer(
        protocol="LDAP",
        kind=Kind.UPGRADE,
        state=state,
        steps=tuple(dialogue.steps),
        asked=asked,
        refusal=refusal,
        in_clear=in_clear,
        option="ldap",
    )


def _answer(server: Speech, number: int) -> tuple[int, str, Part] | None:
    """Result code and diagnostic message of the response with that message ID."""
    while (message := _message(server)) is not None:
        own, operation, body, part = message
        if own != number or operation == _INTERMEDIATE:
            continue
        if operation != _EXTENDED_RESPONSE:
            continue
        parts = list(_elements(body, 3))
        code = int.from_bytes(parts[0][1][:4], "big") if parts else -1
        return code, quoted(parts[2][1]) if len(parts) > 2 else "", part
    return None


def _message(speech: Speech) -> tuple[int, int, bytes, Part] | None:
    """Message ID, tag of the operation, its content, and the whole of the next message."""
    header = _header(speech.peek(6))
    if header is None or header[0] != 0x30 or header[2] > _LONGEST:
        return None
    part = speech.peek(header[1] + header[2])
    parts = list(_elements(part[header[1] :], 2))
    whole = len(part) == header[1] + header[2] and len(parts) == 2 and parts[0][0] == 0x02
    if not whole or not 1 <= len(parts[0][1]) <= 4:
        return None
    taken = speech.take(len(part))
    (_, number), (operation, body) = parts
    return None if taken is None else (int.from_bytes(number, "big"), operation, body, taken)


def _elements(data: bytes, most: int) -> list[tuple[int, bytes]]:
    """Tag and content of up to `most` BER elements; those that are cut are left out."""
    found: list[tuple[int, bytes]] = []
    while len(found) < most and (header := _header(data)) is not None:
        tag, start, length = header
        if start + length > len(data):
            break
        found.append((tag, data[start : start + length]))
        data = data[start + length :]
    return found


def _header(data: bytes) -> tuple[int, int, int] | None:
    """Tag, bytes of tag and length, and length of a BER element with a definite length (RFC 4511 section 5.1)."""
    if len(data) < 2:
        return None
    first = data[1]
    if first < 0x80:
        return data[0], 2, first
    size = first & 0x7F
    if not 1 <= size <= 4 or len(data) < 2 + size:
        return None
    return data[0], 2 + size, int.from_bytes(data[2 : 2 + size], "big")
