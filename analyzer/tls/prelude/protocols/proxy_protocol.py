"""The PROXY protocol, versions 1 and 2 (HAProxy, "The PROXY protocol"): who really connected."""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Part, quoted
from analyzer.tls.prelude.model import Kind, Layer, State, Target

_SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
OPENING: Final = rb"PROXY |\r\n\r\n\0\r\nQUIT\n"
_LONGEST_LINE: Final = 107
_LINE: Final = re.compile(
    rb"PROXY (?:(TCP[46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (\d{1,5}) (\d{1,5})|UNKNOWN[^\r]*)\r\n"
)
_ADDRESSES: Final = {1: 4, 2: 16}
"""Bytes of an address by the upper half of the family byte: AF_INET, AF_INET6."""
_LOCAL: Final = 0x20
_PROXY: Final = 0x21
_AUTHORITY: Final = 0x02
_NAME: Final = re.compile(rb"[A-Za-z0-9._*-]{1,253}")


def read(dialogue: Dialogue) -> Layer | None:
    """Read one header of the client's side."""
    return _version2(dialogue) if dialogue.client.peek(12) == _SIGNATURE else _version1(dialogue)


def _version1(dialogue: Dialogue) -> Layer | None:
    client = dialogue.client
    found = _LINE.match(client.peek(_LONGEST_LINE))
    line = client.take(found.end()) if found is not None else None
    if found is None or line is None:
        return None
    source = target = None
    if found[1]:
        source, target = _target(found[2], found[4]), _target(found[3], found[5])
    return _layer(dialogue, 1, line, source, target, None)


def _version2(dialogue: Dialogue) -> Layer | None:
    client = dialogue.client
    head = client.peek(16)
    if len(head) < 16 or head[12] not in (_LOCAL, _PROXY):
        return None
    header = client.take(16 + int.from_bytes(head[14:16], "big"))
    if header is None:
        return None
    body = header.data[16:]
    size = _ADDRESSES.get(head[13] >> 4, 0)
    source = target = None
    if head[12] == _PROXY and size and len(body) >= 2 * size + 4:
        ends = [str(ipaddress.ip_address(body[at : at + size])) for at in (0, size)]
        ports = [int.from_bytes(body[2 * size + at :][:2], "big") for at in (0, 2)]
        source, target = (Target(end, port) for end, port in zip(ends, ports, strict=True))
    name = _value(body[2 * size + 4 :], _AUTHORITY) if size else None
    authority = name.decode() if name is not None and _NAME.fullmatch(name) else None
    return _layer(dialogue, 2, header, source, target, authority)


def _layer(
    dialogue: Dialogue,
    version: int,
    header: Part,
    source: Target | None,
    target: Target | None,
    authority: str | None,
) -> Layer:
    what = f"{source} to {target}" if source is not None else "no address (a check by the proxy itself)"
    name = f", authority {quoted(authority.encode())}" if authority else ""
    dialogue.tell(dialogue.client.side, header, f"{what}{name}")
    return Layer(
        protocol=f"PROXY protocol v{version}",
        kind=Kind.ANNOUNCEMENT,
        state=State.AGREED,
        steps=tuple(dialogue.steps),
        client=source,
        server=target,
        authority=authority,
    )


def _target(address: bytes, port: bytes) -> Target | None:
    try:
        return Target(str(ipaddress.ip_address(address.decode())), min(int(port), 0xFFFF))
    except ValueError:
        return None


def _value(data: bytes, wanted: int) -> bytes | None:
    """The value of the first TLV of a type (section 2.2.1: type, two bytes of length, value)."""
    while len(data) >= 3:
        end = 3 + int.from_bytes(data[1:3], "big")
        if data[0] == wanted and end <= len(data):
            return data[3:end]
        data = data[end:]
    return None
