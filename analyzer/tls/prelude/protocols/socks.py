"""Tunnels through SOCKS 4, 4a ("SOCKS: A protocol for TCP proxy across firewalls") and 5 (RFC 1928, RFC 1929)."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, NamedTuple

from analyzer.tls.prelude.dialogue import Dialogue, Part, Speech, quoted
from analyzer.tls.prelude.model import Kind, Layer, Refusal, State, Step, Target

OPENING: Final = rb"\x05[\x01-\x09][\0-\x09\x80-\xff]|\x04[\x01\x02]|\x05[\0-\x02]\x05\0\0|\0[\x5a-\x5d].{6}"
_CONNECT: Final = 1
_COMMANDS: Final = {1: "CONNECT", 2: "BIND", 3: "UDP ASSOCIATE"}
_SOCKS4_REPLIES: Final = {
    91: "request rejected or failed", 92: "the client runs no identd", 93: "identd names another user",
}  # fmt: skip
_GRANTED: Final = 90
_LONGEST_REQUEST: Final = 512
_SOCKS5_REPLIES: Final = {
    1: "general SOCKS server failure", 2: "connection not allowed by ruleset", 3: "network unreachable",
    4: "host unreachable", 5: "connection refused", 6: "TTL expired", 7: "command not supported",
    8: "address type not supported",
}  # fmt: skip
_METHODS: Final = {0: "no authentication", 1: "GSSAPI", 2: "user name and password"}
_NO_METHOD: Final = 0xFF
_PASSWORD: Final = 2
_IPV4, _DOMAIN, _IPV6 = 1, 3, 4
_NAME: Final = re.compile(rb"[A-Za-z0-9._-]{1,255}")


class _Progress(NamedTuple):
    """How far a negotiation came."""

    state: State
    asked: Step | None = None
    refusal: Refusal | None = None
    target: Target | None = None


def read(dialogue: Dialogue) -> Layer | None:
    """Read the negotiation up to the reply that grants the connection."""
    version = dialogue.client.peek(1)
    found = _socks5(dialogue) if version == b"\x05" else _socks4(dialogue) if version == b"\x04" else None
    if found is None:
        return None
    return Layer(
        protocol="SOCKS5" if version == b"\x05" else "SOCKS4",
        kind=Kind.TUNNEL,
        state=found.state,
        steps=tuple(dialogue.steps),
        asked=found.asked,
        refusal=found.refusal,
        target=found.target,
    )


def _socks4(dialogue: Dialogue) -> _Progress | None:
    client, server = dialogue.client, dialogue.server
    head = client.peek(8)
    if len(head) < 8 or head[1] not in (1, 2):
        return None
    # The user's id comes next, then, behind an address that cannot be, the host name.
    begin = client.at + 8
    end = client.data.find(b"\0", begin)
    address = head[4:8]
    by_name = address[:3] == bytes(3) and address[3] != 0
    name = b""
    if by_name and end >= 0:
        begin, end = end + 1, client.data.find(b"\0", end + 1)
        name = client.data[begin:end] if end >= 0 else b""
    if end < 0 or end - client.at > _LONGEST_REQUEST or (request := client.take(end + 1 - client.at)) is None:
        return None
    port = int.from_bytes(head[2:4], "big")
    target = _named(name, port) if by_name else Target(str(ipaddress.IPv4Address(address)), port)
    asked = dialogue.tell(client.side, request, f"{_COMMANDS[head[1]]} {target or quoted(name)}")
    answer = server.take(8)
    if answer is None:
        return _Progress(State.UNANSWERED, asked, None, target)
    code = answer.data[1]
    if answer.data[0] or not (code == _GRANTED or code in _SOCKS4_REPLIES):
        return None
    if code == _GRANTED:
        dialogue.tell(server.side, answer, "request granted (90)")
        return _Progress(State.AGREED, asked, None, target)
    return _no(dialogue, answer, code, _SOCKS4_REPLIES, asked, target)


def _socks5(dialogue: Dialogue) -> _Progress | None:
    client, server = dialogue.client, dialogue.server
    head = client.peek(2)
    if len(head) < 2 or not head[1] or (offer := client.take(2 + head[1])) is None:
        return None
    methods = ", ".join(_METHODS.get(method, f"method {method}") for method in offer.data[2:8])
    asked = dialogue.tell(client.side, offer, f"offers {methods}")
    choice = server.take(2)
    if choice is None:
        return _Progress(State.UNANSWERED, asked)
    if choice.data[0] != 5:
        return None
    method = choice.data[1]
    if method == _NO_METHOD:
        return _no(dialogue, choice, method, {_NO_METHOD: "no acceptable method of authentication"}, asked, None)
    dialogue.tell(server.side, choice, f"chooses {_METHODS.get(method, f'method {method}')}")
    if method == _PASSWORD and (ended := _password(dialogue, asked)) is not None:
        return ended
    return _request5(dialogue, asked)


def _password(dialogue: Dialogue, asked: Step) -> _Progress | None:
    """Step over the proof (RFC 1929), which is never shown; how it ended when it did not succeed."""
    client, server = dialogue.client, dialogue.server
    user = int.from_bytes(client.peek(1, skip=1), "big")
    length = 3 + user + int.from_bytes(client.peek(1, skip=2 + user), "big")
    proof = client.take(length)
    if proof is None:
        return _Progress(State.UNANSWERED, asked)
    asked = dialogue.tell(client.side, proof, "user name and password (not shown)")
    status = server.take(2)
    if status is None:
        return _Progress(State.UNANSWERED, asked)
    if status.data[1]:
        return _no(dialogue, status, status.data[1], {}, asked, None, otherwise="authentication failed")
    dialogue.tell(server.side, status, "authentication succeeded")
    return None


def _request5(dialogue: Dialogue, asked: Step) -> _Progress:
    client, server = dialogue.client, dialogue.server
    target, name, length = _address5(client, skip=3)
    head = client.peek(2)
    request = client.take(3 + length) if length else None
    if request is None or head[:1] != b"\x05":
        return _Progress(State.UNANSWERED, asked)
    command = _COMMANDS.get(head[1], f"command {head[1]}")
    asked = dialogue.tell(client.side, request, f"{command} {target or name}")
    if len(server.peek(2)) < 2:
        return _Progress(State.UNANSWERED, asked, None, target)
    code = server.peek(2)[1]
    answer = server.take(3 + _address5(server, skip=3)[2]) or server.rest()
    if code:
        return _no(dialogue, answer, code, _SOCKS5_REPLIES, asked, target)
    dialogue.tell(server.side, answer, "succeeded (0)")
    return _Progress(State.AGREED, asked, None, target)


def _address5(speech: Speech, skip: int) -> tuple[Target | None, str, int]:
    """The address behind `skip` bytes: as a target, as text, and the bytes it takes; 0 bytes when it is not there."""
    kind = speech.peek(1, skip=skip)[:1]
    if not kind:
        return None, "", 0
    if kind[0] == _DOMAIN:
        size = int.from_bytes(speech.peek(1, skip=skip + 1), "big")
        name = speech.peek(size, skip=skip + 2)
        port = int.from_bytes(speech.peek(2, skip=skip + 2 + size), "big")
        return _named(name, port), quoted(name), 4 + size
    size = {_IPV4: 4, _IPV6: 16}.get(kind[0], 0)
    data = speech.peek(size, skip=skip + 1)
    if not size or len(data) < size:
        return None, "", 0
    port = int.from_bytes(speech.peek(2, skip=skip + 1 + size), "big")
    target = Target(str(ipaddress.ip_address(data)), port)
    return target, str(target), 3 + size


def _named(name: bytes, port: int) -> Target | None:
    return Target(name.decode(), port) if _NAME.fullmatch(name) else None


def _no(
    dialogue: Dialogue,
    answer: Part,
    code: int,
    names: dict[int, str],
    asked: Step,
    target: Target | None,
    otherwise: str = "unknown reply",
) -> _Progress:
    text = f"{names.get(code, otherwise)} ({code})"
    dialogue.tell(dialogue.server.side, answer, text)
    return _Progress(State.REFUSED, asked, Refusal(answer.packet, str(code), text), target)
