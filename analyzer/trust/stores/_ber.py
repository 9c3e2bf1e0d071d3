"""A bounded walk over BER (ITU-T X.690), the encoding of PKCS#7 and PKCS#12; DER is its strict subset.

Real files need BER: NSS, Bouncy Castle and old Windows write indefinite lengths and strings in segments.
No call takes more than one pass over its bytes or recurses deeper than a constant; each gives a value or
raises `WireError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from analyzer.errors import WireError
from analyzer.trust.der import INTEGER, OID, DerError, oid_text

__all__ = [
    "Element",
    "children",
    "element",
    "first_children",
    "integer",
    "object_identifier",
    "octets",
    "shape",
]

_CONSTRUCTED: Final = 0x20
_SEGMENT_DEPTH: Final = 8
_INDEFINITE_DEPTH: Final = 32
_INDEFINITE_ELEMENTS: Final = 100_000


class Element(NamedTuple):
    """One value: `tag` is the identifier octet, `[start:end]` the whole, `[body:stop]` its contents."""

    tag: int
    start: int
    body: int
    stop: int
    end: int


def element(data: bytes, position: int = 0, end: int | None = None) -> Element:
    """The element that begins at `position` and must be over by `end`."""
    end = len(data) if end is None else end
    tag, body, length = _header(data, position, end)
    if length is None:
        after = _after_indefinite(data, body, end)
        return Element(tag, position, body, after - 2, after)
    if length > end - body:
        raise WireError("ASN.1 length", position, f"{length} bytes announced, {end - body} there")
    return Element(tag, position, body, body + length, body + length)


def children(data: bytes, parent: Element) -> Iterator[Element]:
    """The elements within a constructed one, read as they are asked for."""
    if not parent.tag & _CONSTRUCTED:
        raise WireError("ASN.1 value", parent.start, f"tag 0x{parent.tag:02x} holds no elements")
    position = parent.body
    while position < parent.stop:
        child = element(data, position, parent.stop)
        yield child
        position = child.end


def first_children(data: bytes, parent: Element, *tags: int) -> list[Element]:
    """The first `len(tags)` elements within `parent`, which must bear these tags."""
    found: list[Element] = []
    walk = children(data, parent)
    for tag in tags:
        child = next(walk, None)
        if child is None or child.tag != tag:
            seen = "nothing" if child is None else f"0x{child.tag:02x}"
            raise WireError("ASN.1 value", parent.start, f"tag 0x{tag:02x} expected, {seen} found")
        found.append(child)
    return found


def shape(data: bytes, parent: Element, most: int) -> tuple[int, ...]:
    """The tags of the first `most` elements within `parent`; shorter where its contents end or break."""
    tags: list[int] = []
    try:
        for child in children(data, parent):
            tags.append(child.tag)
            if len(tags) == most:
                break
    except WireError:
        pass
    return tuple(tags)


def octets(data: bytes, value: Element, depth: int = 0) -> bytes:
    """The bytes of an OCTET STRING, or of one with an implicit tag, also when it comes in segments."""
    if not value.tag & _CONSTRUCTED:
        return data[value.body : value.stop]
    if depth == _SEGMENT_DEPTH:
        raise WireError("OCTET STRING", value.start, "segments nested too deeply")
    return b"".join(octets(data, segment, depth + 1) for segment in children(data, value))


def integer(data: bytes, value: Element) -> int:
    """An INTEGER of at most 8 bytes: the counts and versions of these formats."""
    if value.tag != INTEGER or not 1 <= value.stop - value.body <= 8:
        raise WireError("INTEGER", value.start, "a small number expected")
    return int.from_bytes(data[value.body : value.stop], "big", signed=True)


def object_identifier(data: bytes, value: Element) -> str:
    """An OBJECT IDENTIFIER in dotted form (X.690 section 8.19)."""
    if value.tag != OID:
        raise WireError("OBJECT IDENTIFIER", value.start, "an identifier expected")
    try:
        return oid_text(data[value.body : value.stop])
    except DerError as error:
        raise WireError("OBJECT IDENTIFIER", value.start, str(error)) from error


def _header(data: bytes, position: int, end: int) -> tuple[int, int, int | None]:
    """Tag, offset of the contents, and length, which is None where it is indefinite."""
    if end - position < 2:
        raise WireError("ASN.1 header", position, f"2 bytes needed, {end - position} left")
    tag, first = data[position], data[position + 1]
    if tag & 0x1F == 0x1F:
        raise WireError("ASN.1 tag", position, "tag numbers above 30 do not occur in these formats")
    if first < 0x80:
        return tag, position + 2, first
    if first == 0x80:
        if not tag & _CONSTRUCTED:
            raise WireError("ASN.1 length", position, "indefinite length of a primitive value")
        return tag, position + 2, None
    body = position + 2 + (first & 0x7F)
    if first > 0x88 or body > end:
        raise WireError("ASN.1 length", position, "its length field is cut or absurd")
    return tag, body, int.from_bytes(data[position + 2 : body], "big")


def _after_indefinite(data: bytes, position: int, end: int) -> int:
    """Where an element of indefinite length, whose contents begin at `position`, is over."""
    depth = 1
    for _ in range(_INDEFINITE_ELEMENTS):
        if data[position : min(position + 2, end)] == b"\0\0":
            depth -= 1
            position += 2
            if not depth:
                return position
            continue
        _, body, length = _header(data, position, end)
        if length is None:
            depth += 1
            position = body
            if depth > _INDEFINITE_DEPTH:
                break
        elif length > end - body:
            raise WireError("ASN.1 length", position, f"{length} bytes announced, {end - body} there")
        else:
            position = body + length
    raise WireError("ASN.1 length", position, "more elements of indefinite length than any real file has")
