"""Distinguished names in DER as text: the CA list of a CertificateRequest.

The text is RFC 4514's: last component first, the attribute descriptors of its section 3, dotted decimal for
all other types. On names that keep to X.690 it is what `cryptography` prints. Names on the wire often do
not keep to it, and may be crafted, so the decoder here is lenient where that one refuses: a string is
decoded as far as its type allows, and what cannot be decoded is shown in hexadecimal. Control characters
are escaped: the text is safe on a terminal.
"""

from __future__ import annotations

from typing import Final

from analyzer.errors import WireError
from analyzer.wire import Reader

__all__ = ["name_text"]


def name_text(der: bytes) -> str:
    """Write a DER Name as RFC 4514 text; bytes that are no Name as `#` and hexadecimal (section 2.4)."""
    try:
        return _name(der)
    except WireError:
        return f"#{der.hex()}"


def _name(der: bytes) -> str:
    outer = Reader(der, "Name")
    sequence = _element(outer, _SEQUENCE)
    outer.finish()
    components = []
    while sequence.left:
        attributes = _element(sequence, _SET)
        parts = []
        while attributes.left:
            parts.append(_attribute(_element(attributes, _SEQUENCE)))
        components.append("+".join(parts))
    return ",".join(reversed(components))


def _attribute(attribute: Reader) -> str:
    oid = _oid(_element(attribute, _OBJECT_IDENTIFIER).rest())
    start = attribute.position
    tag, value = _tag_and_value(attribute)
    attribute.finish()
    text = _string(tag, value)
    shown = f"#{attribute.data[start : attribute.end].hex()}" if text is None else _escaped(text)
    return f"{_DESCRIPTORS.get(oid, oid)}={shown}"


def _element(reader: Reader, tag: int) -> Reader:
    """Move past the next element, which must have this tag; the reader is over its content."""
    position = reader.position
    found, content = _tag_and_bounds(reader)
    if found != tag:
        raise WireError(reader.what, position, f"tag 0x{tag:02x} needed, 0x{found:02x} found")
    return content


def _tag_and_value(reader: Reader) -> tuple[int, bytes]:
    tag, content = _tag_and_bounds(reader)
    return tag, content.rest()


def _tag_and_bounds(reader: Reader) -> tuple[int, Reader]:
    """Tag and content of a definite-length element (X.690 sections 8.1.2, 8.1.3); no long-form tags."""
    tag = reader.u8("tag")
    length = reader.u8("length")
    if length > 0x80:
        length = int.from_bytes(reader.take(min(length - 0x80, 8), "length"), "big")
    elif length == 0x80:
        raise WireError(reader.what, reader.position - 1, "indefinite length")
    start = reader.position
    reader.take(length, "content")
    return tag, Reader(reader.data, reader.what, start, start + length)


def _oid(content: bytes) -> str:
    """Dotted decimal (X.690 section 8.19)."""
    if not content or len(content) > _LONGEST_OID or content[-1] & 0x80:
        raise WireError("Name.type", 0, "no object identifier")
    arcs = []
    arc = 0
    for byte in content:
        arc = arc << 7 | byte & 0x7F
        if not byte & 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, (first, arcs[0] - 40 * first, *arcs[1:])))


def _string(tag: int, value: bytes) -> str | None:
    """Text of a DirectoryString or IA5String; None for other types and for what cannot be decoded."""
    encodings = _ENCODINGS.get(tag)
    if encodings is None:
        return None
    for encoding in encodings:
        try:
            return value.decode(encoding)
        except UnicodeDecodeError:
            continue
    return None


def _escaped(text: str) -> str:
    """RFC 4514 section 2.4; what cannot be printed (controls, format characters) as hex pairs of its UTF-8."""
    out = []
    last = len(text) - 1
    for index, character in enumerate(text):
        if character in '\\"+,;<>' or (character == "#" and index == 0):
            out.append(f"\\{character}")
        elif character == " " and index in (0, last):
            out.append("\\ ")
        elif not character.isprintable():
            out.append("".join(f"\\{byte:02x}" for byte in character.encode("utf-8", "surrogatepass")))
        else:
            out.append(character)
    return "".join(out)


_SEQUENCE: Final = 0x30
_SET: Final = 0x31
_OBJECT_IDENTIFIER: Final = 0x06

_LONGEST_OID: Final = 64
"""Bytes. Real attribute types have up to 12; the bound keeps a crafted one from being megabytes of digits."""

_ENCODINGS: Final[dict[int, tuple[str, ...]]] = {
    0x0C: ("utf-8", "latin-1"),
    0x12: ("ascii", "latin-1"),
    0x13: ("ascii", "utf-8", "latin-1"),
    0x14: ("utf-8", "latin-1"),
    0x16: ("ascii", "utf-8", "latin-1"),
    0x1A: ("ascii", "utf-8", "latin-1"),
    0x1C: ("utf-32-be",),
    0x1E: ("utf-16-be",),
}
"""How UTF8-, Numeric-, Printable-, Teletex-, IA5-, Visible-, Universal- and BMPString are decoded.

Many a CA put another character set under these tags; after the type's own the likely ones are tried.
"""

_DESCRIPTORS: Final = {
    "2.5.4.3": "CN",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
}
"""RFC 4514 section 3."""
