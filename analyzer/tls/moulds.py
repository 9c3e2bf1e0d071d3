"""Handshake messages that are alike: equal but for the bytes that are new in every handshake.

A client says the same hello each time, but for its random value, its key shares and its session's name; a server sends
the same certificates. A `Mould` is a message with a mask over such bytes. Messages of one type and length are compared
with the known moulds all at once, in columns; who fits none is parsed and makes another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import distinct
from analyzer.dataclass import dataclass
from analyzer.errors import WireError
from analyzer.registry import ExtensionType, HandshakeType
from analyzer.tls.messages import HELLO_RETRY_REQUEST_RANDOM
from analyzer.wire import Reader

__all__ = ["NO_MOULD", "Mould", "Moulds"]

NO_MOULD: Final = -1
_MOST: Final = 64
"""Moulds of one type and length: what differs more often than that is not worth comparing."""
_AT_ONCE: Final = 8 << 20
"""Bytes compared at once."""
_RANDOM: Final = slice(2, 34)
_SENTINEL: Final = slice(26, 33)
_DOWNGRADED: Final = np.frombuffer(b"DOWNGRD", dtype=np.uint8)
_RETRY: Final = np.frombuffer(HELLO_RETRY_REQUEST_RANDOM, dtype=np.uint8)
_NAMED_CURVE: Final = b"\3"

Bytes = NDArray[np.uint8]
Column = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mould:
    """What messages of one type and length have in common. `share` is the group of a server's key, and its place."""

    type: int
    body: bytes
    """The message of which the mould was made."""
    mask: Bytes
    """255 for a byte that all have in common, else 0."""
    common: Bytes
    share: tuple[int, slice] | None = None


class Moulds:
    """The moulds that were seen."""

    def __init__(self) -> None:
        self.all: list[Mould] = []
        """By number."""
        self._known: dict[tuple[int, int, int], list[int]] = {}

    def numbers(self, kind: int, bodies: Sequence[bytes]) -> Column:
        """The number of each body's mould, or `NO_MOULD`. `kind` is the handshake type; all are of one length."""
        by_id = {id(body): body for body in bodies}
        if len(by_id) < len(bodies):  # those that are kept but once need no second look
            place = {key: number for number, key in enumerate(by_id)}
            found = self.numbers(kind, list(by_id.values()))
            return found[[place[id(body)] for body in bodies]]
        length = len(bodies[0])
        result = np.full(len(bodies), NO_MOULD, dtype=np.int64)
        rows = max(_AT_ONCE // max(length, 1), 1)
        for start in range(0, len(bodies), rows):
            part = bodies[start : start + rows]
            table = np.frombuffer(b"".join(part), dtype=np.uint8).reshape(len(part), length)
            mark = _marks(kind, table)
            for value in distinct(mark).tolist():
                chosen = np.flatnonzero(mark == value)
                result[start + chosen] = self._of(kind, value, table[chosen] if len(chosen) < len(part) else table)
        return result

    def _of(self, kind: int, mark: int, table: Bytes) -> Column:
        known = self._known.setdefault((kind, table.shape[1], mark), [])
        result = np.full(len(table), NO_MOULD, dtype=np.int64)
        left = np.arange(len(table))
        tried = 0
        while len(left):
            if tried == len(known):
                if len(known) == _MOST:
                    break
                known.append(len(self.all))
                self.all.append(_mould(kind, table[left[0]].tobytes()))
            mould = self.all[known[tried]]
            rows = table[left] if len(left) < len(table) else table
            fits = ((rows & mould.mask) == mould.common).all(axis=1)
            result[left[fits]] = known[tried]
            left = left[~fits]
            tried += 1
        return result


def _marks(kind: int, table: Bytes) -> Column:
    """What of a random value tells something (RFC 8446 section 4.1.3): a HelloRetryRequest, and both downgrades."""
    mark = np.zeros(len(table), dtype=np.int64)
    if kind == HandshakeType.SERVER_HELLO and table.shape[1] >= _RANDOM.stop:
        mark += (table[:, _RANDOM] == _RETRY).all(axis=1)
        lower = (table[:, _SENTINEL] == _DOWNGRADED).all(axis=1)
        mark += np.where(lower, 2 + table[:, _RANDOM.stop - 1].astype(np.int64), 0)
    return mark


def _mould(kind: int, body: bytes) -> Mould:
    mask = bytearray(b"\xff" * len(body))
    reader = Reader(body, "message")
    share = None
    try:
        match kind:
            case HandshakeType.CLIENT_HELLO:
                _client_hello(reader, mask)
            case HandshakeType.SERVER_HELLO:
                share = _server_hello(reader, mask)
            case HandshakeType.SERVER_KEY_EXCHANGE:
                share = _server_key_exchange(reader, mask)
            case HandshakeType.CLIENT_KEY_EXCHANGE:
                _let(mask, _rest(reader, 2))
            case HandshakeType.CERTIFICATE_VERIFY:
                _let(mask, _rest(reader, 4))
            case HandshakeType.NEW_SESSION_TICKET:
                _let(mask, _rest(reader, 6))
            case _:
                pass
    except WireError:
        mask, share = bytearray(b"\xff" * len(body)), None
    cover = np.frombuffer(bytes(mask), dtype=np.uint8)
    return Mould(type=kind, body=body, mask=cover, common=np.frombuffer(body, dtype=np.uint8) & cover, share=share)


def _let(mask: bytearray, part: Reader) -> slice:
    """Let the bytes of a part differ; gives their place."""
    mask[part.position : part.end] = bytes(part.left)
    return slice(part.position, part.end)


def _rest(reader: Reader, behind: int) -> Reader:
    reader.take(behind, "head")
    return Reader(reader.data, "rest", reader.position)


def _opening(reader: Reader, mask: bytearray) -> None:
    """Version, random value and session id of a hello (RFC 5246 section 7.4.1.2)."""
    reader.take(_RANDOM.stop, "random")
    mask[_RANDOM] = bytes(_RANDOM.stop - _RANDOM.start)
    _let(mask, reader.sub(1, "session_id"))


def _client_hello(reader: Reader, mask: bytearray) -> None:
    _opening(reader, mask)
    reader.vector(2, "cipher_suites")
    reader.vector(1, "compression_methods")
    for kind, content in _extensions(reader):
        if kind == ExtensionType.KEY_SHARE:
            shares = content.sub(2, "client_shares")
            while shares.left:
                shares.u16("group")
                _let(mask, shares.sub(2, "key_exchange"))
        elif kind == ExtensionType.PRE_SHARED_KEY:
            _pre_shared_keys(content, mask)
        elif kind == ExtensionType.SESSION_TICKET:
            _let(mask, content)
        elif kind == ExtensionType.ENCRYPTED_CLIENT_HELLO:
            _let(mask, _rest(content, 5))


def _pre_shared_keys(content: Reader, mask: bytearray) -> None:
    """RFC 8446 section 4.2.11: identities with their ages, and binders."""
    identities, binders = content.sub(2, "identities"), content.sub(2, "binders")
    while identities.left:
        _let(mask, identities.sub(2, "identity"))
        start = identities.position
        identities.u32("obfuscated_ticket_age")
        mask[start : identities.position] = bytes(4)
    while binders.left:
        _let(mask, binders.sub(1, "binder"))


def _server_hello(reader: Reader, mask: bytearray) -> tuple[int, slice] | None:
    _opening(reader, mask)
    reader.take(3, "cipher_suite")
    if reader.data[_RANDOM] == HELLO_RETRY_REQUEST_RANDOM:
        return None
    for kind, content in _extensions(reader):
        if kind == ExtensionType.KEY_SHARE and content.left > 4:
            group = content.u16("group")
            return group, _let(mask, content.sub(2, "key_exchange"))
    return None


def _server_key_exchange(reader: Reader, mask: bytearray) -> tuple[int, slice] | None:
    """RFC 8422 section 5.4, RFC 5246 section 7.4.3; the suite is not known here, so the form has to tell."""
    share = None
    if reader.data[:1] == _NAMED_CURVE:
        reader.u8("curve_type")
        group = reader.u16("named_curve")
        share = group, _let(mask, reader.sub(1, "public"))
    else:
        reader.vector(2, "dh_p")
        reader.vector(2, "dh_g")
        _let(mask, reader.sub(2, "dh_Ys"))
    for before in (4, 2):  # with and without a SignatureScheme
        if reader.left > before:
            length = int.from_bytes(reader.data[reader.position + before - 2 : reader.position + before], "big")
            if length == reader.left - before:
                _let(mask, _rest(reader, before))
                break
    return share


def _extensions(reader: Reader) -> list[tuple[int, Reader]]:
    """The extensions of a hello, each with its content."""
    found = []
    if reader.left:
        block = reader.sub(2, "extensions")
        while block.left:
            found.append((block.u16("extension_type"), block.sub(2, "extension_data")))
    return found
