"""Does this look like TLS? By content, never by port: TLS runs on any port, and other things run on 443."""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analyzer.registry import ContentType

__all__ = [
    "HELLO_SIGNATURE",
    "MAX_RECORD",
    "MINORS",
    "begins_session",
    "expects_tls",
    "hello_inside",
    "http_request",
    "likely_record",
    "may_begin_record",
    "record_header",
    "sslv2_answer_length",
    "sslv2_hello_length",
]

MAX_RECORD: Final = (1 << 14) + 2048
"""Longest record body: 2^14 bytes and the expansion that encryption may add (RFC 5246 section 6.2.3)."""
_CONTENT_TYPES: Final = range(ContentType.CHANGE_CIPHER_SPEC, ContentType.HEARTBEAT + 1)
MINORS: Final = 5
"""SSL 3.0 to TLS 1.3 are 3.0 to 3.4 on the wire."""

HELLO_SIGNATURE: Final = 11
"""Bytes by which a hello is known: record header, message header, version."""
_HELLO: Final = re.compile(
    rb"(?<!\x12[\0\1].{6})\x16\x03[\0-\x04](..)[\x01\x02]\0(..)\x03[\0-\x04]",
    re.DOTALL,
)
"""Not behind the header of a TDS packet ([MS-TDS] 2.2.3.1): SQL Server cuts the records anew, and they do not join."""
_SHORTEST_HELLO: Final = 38


def likely_record(
    data: NDArray[np.uint8], position: NDArray[np.int64], captured: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which payloads begin with a plausible record header: [M] mask for [M] positions and captured lengths."""
    kind = data[position]
    plausible = (kind >= ContentType.CHANGE_CIPHER_SPEC) & (kind <= ContentType.APPLICATION_DATA)
    plausible &= (data[position + 1] == 3) & (data[position + 2] < MINORS) & (captured >= 5)
    length = data[position + 3].astype(np.int64) << 8 | data[position + 4]
    return plausible & (length > 0) & (length <= MAX_RECORD)


def record_header(header: bytes) -> tuple[int, int, int] | None:
    """Content type, version and body length of a 5-byte record header (RFC 8446 section 5.1), or None if it is none."""
    kind, major, minor = header[0], header[1], header[2]
    length = header[3] << 8 | header[4]
    if kind not in _CONTENT_TYPES or major != 3 or minor >= MINORS or length > MAX_RECORD:
        return None
    return kind, major << 8 | minor, length


def may_begin_record(head: bytes) -> bool:
    """Whether fewer than five bytes may be the beginning of a record header, or of an SSLv2-style ClientHello."""
    if head[0] & 0x80:
        return True
    return head[0] in _CONTENT_TYPES and head[1:2] in (b"", b"\x03")


def begins_session(head: bytes, *, midstream: bool) -> bool:
    """Whether six bytes at the start of a segment begin TLS in a stream that was something else so far.

    A hello or an alert does; when the beginning of the stream was not captured (`midstream`) any record does.
    """
    header = record_header(head[:5])
    if header is None or len(head) < 6 or header[2] == 0:
        return False
    if header[0] == ContentType.HANDSHAKE:
        return head[5] in (1, 2) or midstream
    if header[0] == ContentType.ALERT:
        return midstream or (header[2] == 2 and head[5] in (1, 2))
    return midstream


def hello_inside(data: bytes | bytearray, start: int) -> int | None:
    """Where, from `start` on, a hello begins in bytes that begin with something else; None when none does."""
    for found in _HELLO.finditer(data, start):
        record, message = (int.from_bytes(length, "big") for length in found.groups())
        # The record holds the message and perhaps others, or a part of it.
        if _SHORTEST_HELLO <= record <= MAX_RECORD and message >= _SHORTEST_HELLO - 4:
            return found.start()
    return None


def sslv2_hello_length(head: bytes) -> int | None:
    """Body length of an SSLv2-style ClientHello that `head` (5 bytes) begins (RFC 5246 appendix E.2), or None."""
    if len(head) < 5 or not head[0] & 0x80 or head[2] != 1:
        return None
    if (head[3], head[4]) != (0, 2) and (head[3] != 3 or head[4] >= MINORS):
        return None
    length = (head[0] & 0x7F) << 8 | head[1]
    return length if length >= 9 else None


def sslv2_answer_length(head: bytes) -> int | None:
    """Body length of an SSL 2.0 SERVER-HELLO that `head` (7 bytes) begins, or None.

    "The SSL Protocol", 1995, section 2.6: a two-byte length, type 4, session id hit, certificate type, version 0.2.
    """
    if len(head) < 7 or not head[0] & 0x80 or head[2] != 4 or head[3] > 1 or (head[5], head[6]) != (0, 2):
        return None
    length = (head[0] & 0x7F) << 8 | head[1]
    return length if length >= 11 else None


_EXPECTS_TLS: Final = re.compile(
    rb"The plain HTTP request was sent to HTTPS port"
    rb"|Client sent an HTTP request to an HTTPS server\."
    rb"|You're speaking plain HTTP to an SSL-enabled server port\."
    rb"|This combination of host and port requires TLS\."
)
"""How nginx (error 497), Go's net/http, Apache httpd and Tomcat answer plain HTTP on a port of TLS."""


def expects_tls(answer: bytes) -> bytes | None:
    """The words in a server's plain HTTP by which it says that it expects TLS; None when there are none."""
    if not answer.startswith(b"HTTP/"):
        return None
    found = _EXPECTS_TLS.search(answer)
    return None if found is None else found[0]


_REQUEST: Final = re.compile(rb"(GET|HEAD|POST|PUT|DELETE|CONNECT|OPTIONS|TRACE|PATCH|PRI) [^ \r\n]*( HTTP/\d\.\d)?")


def http_request(data: bytes) -> str | None:
    """What begins like an HTTP request (RFC 9112 section 3), without its target, which may hold what is secret."""
    found = _REQUEST.match(data)
    return None if found is None else f"{found[1].decode()} ...{(found[2] or b'').decode()}"
