"""Opens the protected records of one direction, one by one, each on its own: a failure never stops the rest.

A `Protection` has the keys that follow each other in a direction, and knows which sequence number the next record may
have. Every record that is not opened is one more number that the next may have; so are those that a hole may have
swallowed. Sequence numbers, and after them the next keys, are simply tried: every suite but those that encrypt
without a MAC tells a right one from a wrong one. How often is bounded, for a record and in all.

    keys      early data ──► handshake ──► application 0 ──► application 1 ──► ...      (TLS 1.3)
    numbers   0 1 2          0 1 2 3       0 1 2 3 4         0 1 2

TLS 1.3: RFC 8446 section 5.2 and 5.4. GCM: RFC 5288; CCM: RFC 6655; ChaCha20: RFC 7905; block and stream ciphers: RFC
5246 section 6.2.3 (and RFC 4346, 2246 for the IVs before it); encrypt-then-MAC: RFC 7366; SSL 3.0: RFC 6101 section
5.2.3.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from struct import Struct
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from analyzer.registry import ProtocolVersion
from analyzer.tls.keylog import Secrets
from analyzer.tls.keys import Keys, next_traffic_secret, traffic_keys
from analyzer.tls.suites import Form, Suite

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import CipherContext

__all__ = ["Opened", "Protection", "RecordCipher", "protection", "protections13"]


class Opened(NamedTuple):
    """What was in a record: its true content type, and its content without padding."""

    type: int
    content: bytes


class Protection:
    """Opens the records of one direction in their order. `ciphers`: the keys that follow each other."""

    def __init__(self, ciphers: Iterable[RecordCipher]) -> None:
        self._ciphers = iter(ciphers)
        self._at_hand = list(islice(self._ciphers, 1))  # those of the record opened last, and the next few
        self._sequence = 0  # the lowest number that the next record can have
        self._slack = 0  # how many more it may be
        self._unread = 0  # records since the last one opened: as many may be of the next keys
        self._tries = _MOST_TRIES
        self.changes = 0
        """How often the keys changed so far."""

    def open(self, kind: int, version: int, body: bytes) -> Opened | None:
        """Open a record; `kind` and `version` are those of its header. None when it does not open with these keys."""
        if self._at_hand:
            numbers = range(self._sequence, self._sequence + self._more(self._slack) + 1)
            found = self._at_hand[0].open(numbers, kind, version, body)
            if found is not None:
                return self._opened(0, *found)
            self._tries -= len(numbers) - 1
            self._at_hand += islice(self._ciphers, 1 + _KEYS_AHEAD - len(self._at_hand))
        for ahead, cipher in enumerate(self._at_hand[1:], 1):
            numbers = range(self._more(self._unread) + 1)
            found = cipher.open(numbers, kind, version, body)
            if found is not None:
                return self._opened(ahead, *found)
            self._tries -= len(numbers) - 1
        self._slack += 1
        self._unread += 1
        return None

    def skip(self, count: int, length: int, end: bytes = b"") -> None:
        """Step over records: how many, the bytes of their bodies, and the last bytes of the last body.

        The end, a block long, is what TLS 1.0 needs to go on with a block cipher.
        """
        self._sequence += count
        self._unread += count
        for cipher in self._at_hand:
            cipher.skip(length, end)

    def lose(self, size: int) -> None:
        """Bytes are missing from the stream, and with them an unknown number of records."""
        most = size // _SHORTEST_RECORD + 1
        self._slack += most
        self._unread += most
        for cipher in self._at_hand:
            cipher.lose()

    def _more(self, possible: int) -> int:
        """How many sequence numbers beyond the first to try."""
        return min(possible, _MOST_TRIES_FOR_A_RECORD, max(self._tries, 0))

    def _opened(self, ahead: int, opened: Opened, number: int) -> Opened:
        del self._at_hand[:ahead]
        self.changes += ahead
        self._sequence = number + 1
        self._slack = self._unread = 0
        return opened


def protection(version: int, suite: Suite, keys: Keys | None, *, encrypt_then_mac: bool = False) -> Protection | None:
    """For TLS 1.2 and before: the records between two ChangeCipherSpecs of a direction.

    Without `keys` a suite that encrypts nothing is read all the same. None when there is no way to read the records.
    """
    cipher: RecordCipher
    if suite.form is Form.NULL:
        cipher = _Null(suite)
    elif keys is None:
        return None
    elif suite.form is Form.STREAM:
        cipher = _Stream(version, suite, keys)
    elif suite.form is Form.BLOCK:
        cipher = _Block(version, suite, keys, encrypt_then_mac=encrypt_then_mac)
    else:
        cipher = _Aead(suite, keys)
    return Protection([cipher])


def protections13(version: int, suite: Suite, secrets: Secrets) -> tuple[Protection, Protection]:
    """For TLS 1.3: all records of the client, and of the server, by the secrets of the key log."""
    draft = version & 0xFF if version >> 8 in _DRAFTS else 0

    def ciphers(*secrets: bytes | None) -> Iterator[RecordCipher]:
        """The keys of some secrets, and those of the updates that follow the last."""
        for secret in secrets:
            if secret is not None:
                yield _Aead13(suite, traffic_keys(suite, secret, draft=draft), draft)
        latest = secrets[-1]
        while latest is not None:
            latest = next_traffic_secret(suite, latest, draft=draft)
            yield _Aead13(suite, traffic_keys(suite, latest, draft=draft), draft)

    return (
        Protection(ciphers(secrets.client_early, secrets.client_handshake, secrets.client_application)),
        Protection(ciphers(secrets.server_handshake, secrets.server_application)),
    )


class RecordCipher(Protocol):
    """The keys of one direction between two changes of keys."""

    def open(self, numbers: range, kind: int, version: int, body: bytes, /) -> tuple[Opened, int] | None:
        """Open a record that has one of some sequence numbers; what was in it, and its number."""

    def skip(self, length: int, end: bytes, /) -> None:
        """Step over bodies of so many bytes in all; `end` is the end of the last."""

    def lose(self) -> None:
        """An unknown number of bytes is missing."""


class _Aead13:
    """RFC 8446 section 5.2. Up to draft 24 nothing is authenticated besides the record."""

    def __init__(self, suite: Suite, keys: Keys, draft: int) -> None:
        self._decrypt = _aead(suite, keys.key)
        self._iv = int.from_bytes(keys.iv, "big")
        self._with_header = not 0 < draft < _DRAFT_WITH_HEADER

    def open(self, numbers: range, kind: int, version: int, body: bytes, /) -> tuple[Opened, int] | None:
        header = _HEADER.pack(kind, version, len(body)) if self._with_header else b""
        for number in numbers:
            inner = self._decrypt((self._iv ^ number).to_bytes(_NONCE, "big"), body, header)
            if inner is not None:
                inner = inner.rstrip(b"\0")
                return Opened(inner[-1] if inner else 0, inner[:-1]), number
        return None

    def skip(self, length: int, end: bytes, /) -> None:
        pass

    def lose(self) -> None:
        pass


class _Aead:
    """RFC 5246 section 6.2.3.3, with the nonces of RFC 5288, 6655 and 7905."""

    def __init__(self, suite: Suite, keys: Keys) -> None:
        self._decrypt = _aead(suite, keys.key)
        self._iv = keys.iv
        self._explicit = _NONCE - len(keys.iv)
        self._overhead = self._explicit + suite.tag_length

    def open(self, numbers: range, kind: int, version: int, body: bytes, /) -> tuple[Opened, int] | None:
        length = len(body) - self._overhead
        if length < 0:
            return None
        sealed = body[self._explicit :]
        for number in numbers:
            if self._explicit:
                nonce = self._iv + body[: self._explicit]
            else:
                nonce = (int.from_bytes(self._iv, "big") ^ number).to_bytes(_NONCE, "big")
            content = self._decrypt(nonce, sealed, _NUMBERED_HEADER.pack(number, kind, version, length))
            if content is not None:
                return Opened(kind, content), number
        return None

    def skip(self, length: int, end: bytes, /) -> None:
        pass

    def lose(self) -> None:
        pass


class _Block:
    """RFC 5246 section 6.2.3.2, RFC 7366. Before TLS 1.1 the IV is the last block of the record before."""

    def __init__(self, version: int, suite: Suite, keys: Keys, *, encrypt_then_mac: bool) -> None:
        self._version = version
        self._key = keys.key
        self._cipher = suite.cipher
        self._size = suite.fixed_iv_length
        self._mac = _mac_of(version, suite, keys)
        self._mac_length = suite.mac_length
        self._encrypt_then_mac = encrypt_then_mac
        self._chained = version < ProtocolVersion.TLS_1_1
        self._previous = keys.iv

    def open(self, numbers: range, kind: int, version: int, body: bytes, /) -> tuple[Opened, int] | None:
        sealed, tag = self._split(body) if self._encrypt_then_mac else (body, b"")
        if self._chained:
            iv, text = self._previous, sealed
            self._previous = sealed[-self._size :]
        else:
            iv, text = sealed[: self._size], sealed[self._size :]
        if not text or len(text) % self._size or len(iv) != self._size:
            return None
        plain = self._unpadded(_decrypt_cbc(self._cipher, self._key, iv, text))
        if plain is None:
            return None
        if self._encrypt_then_mac:
            content, authenticated = plain, sealed
        else:
            content, tag = self._split(plain)
            authenticated = content
        for number in numbers:
            if hmac.compare_digest(self._mac(number, kind, version, authenticated), tag):
                return Opened(kind, content), number
        return None

    def skip(self, length: int, end: bytes, /) -> None:
        if length:
            cut = self._mac_length if self._encrypt_then_mac else 0
            self._previous = end[: len(end) - cut][-self._size :]

    def lose(self) -> None:
        self._previous = b""

    def _split(self, data: bytes) -> tuple[bytes, bytes]:
        cut = max(len(data) - self._mac_length, 0)
        return data[:cut], data[cut:]

    def _unpadded(self, plain: bytes | None) -> bytes | None:
        if plain is None:
            return None
        padding = plain[-1] + 1
        least = padding if self._encrypt_then_mac else padding + self._mac_length
        if least > len(plain):
            return None
        if self._version > ProtocolVersion.SSL_3_0 and plain[-padding:] != plain[-1:] * padding:
            return None
        return plain[:-padding]


class _Stream:
    """RFC 5246 section 6.2.3.1 with RC4: every byte of the direction counts."""

    def __init__(self, version: int, suite: Suite, keys: Keys) -> None:
        self._context = _arc4(keys.key)
        self._mac = _mac_of(version, suite, keys)
        self._mac_length = suite.mac_length
        self._left = _MOST_SKIPPED

    def open(self, numbers: range, kind: int, version: int, body: bytes, /) -> tuple[Opened, int] | None:
        if self._context is None:
            return None
        plain = self._context.update(body)
        cut = len(plain) - self._mac_length
        if cut < 0:
            return None
        for number in numbers:
            if hmac.compare_digest(self._mac(number, kind, version, plain[:cut]), plain[cut:]):
                return Opened(kind, plain[:cut]), number
        return None

    def skip(self, length: int, _end: bytes, /) -> None:
        self._left -= length
        if self._left < 0:
            self._context = None
        while self._context is not None and length > 0:
            step = min(length, len(_ZEROS))
            self._context.update(_ZEROS[:step])
            length -= step

    def lose(self) -> None:
        self._context = None


class _Null:
    """A suite that encrypts nothing: the content, and a MAC that is not needed to read it."""

    def __init__(self, suite: Suite) -> None:
        self._mac_length = suite.mac_length

    def open(self, numbers: range, kind: int, _version: int, body: bytes, /) -> tuple[Opened, int] | None:
        cut = len(body) - self._mac_length
        return (Opened(kind, body[:cut]), numbers.start) if cut >= 0 else None

    def skip(self, length: int, end: bytes, /) -> None:
        pass

    def lose(self) -> None:
        pass


_MOST_TRIES_FOR_A_RECORD: Final = 256
"""Sequence numbers tried for one record, beyond the first: about a millisecond."""
_MOST_TRIES: Final = 8192
"""The same for one direction, those of the records that opened not counted."""
_KEYS_AHEAD: Final = 2
"""Keys tried beyond those of the record before: a hole may swallow the whole handshake, or a key update."""
_SHORTEST_RECORD: Final = 22
"""Bytes: a header, a content type and a tag of 16."""
_MOST_SKIPPED: Final = 1 << 28
"""Bytes of an RC4 stream that are stepped over, at half a second."""
_ZEROS: Final = bytes(1 << 16)
_NONCE: Final = 12
_DRAFTS: Final = (0x7F, 0xFB)
_DRAFT_WITH_HEADER: Final = 25
_HEADER: Final = Struct(">BHH")
_NUMBERED_HEADER: Final = Struct(">QBHH")

_Decrypt = Callable[[bytes, bytes, bytes], bytes | None]


def _aead(suite: Suite, key: bytes) -> _Decrypt:
    """What opens by nonce, ciphertext with tag, and associated data; its answer is None when the tag is wrong."""
    from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.ciphers import aead

    try:
        cipher: aead.AESGCM | aead.AESCCM | aead.ChaCha20Poly1305
        if suite.form is Form.GCM:
            cipher = aead.AESGCM(key)
        elif suite.form is Form.CCM:
            cipher = aead.AESCCM(key, suite.tag_length)
        else:
            cipher = aead.ChaCha20Poly1305(key)
    except UnsupportedAlgorithm:  # the OpenSSL beneath was built without it
        return lambda _nonce, _sealed, _associated: None

    def decrypt(nonce: bytes, sealed: bytes, associated: bytes) -> bytes | None:
        try:
            return cipher.decrypt(nonce, sealed, associated)
        except InvalidTag:
            return None

    return decrypt


def _decrypt_cbc(name: str, key: bytes, iv: bytes, text: bytes) -> bytes | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    if name == "DES":  # is what 3DES does with three equal keys
        name, key = "TripleDES", key * 3
    try:
        return Cipher(_algorithm(name)(key), modes.CBC(iv)).decryptor().update(text)
    except UnsupportedAlgorithm:
        return None


def _arc4(key: bytes) -> CipherContext | None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.ciphers import Cipher

    try:
        return Cipher(_algorithm("ARC4")(key), None).decryptor()
    except UnsupportedAlgorithm:
        return None


def _algorithm(name: str) -> Any:
    """The class of a cipher: old ones move to another module from one version of `cryptography` to the next."""
    from cryptography.hazmat.decrepit.ciphers import algorithms as decrepit
    from cryptography.hazmat.primitives.ciphers import algorithms

    return getattr(decrepit, name, None) or getattr(algorithms, name)


def _mac_of(version: int, suite: Suite, keys: Keys) -> Callable[[int, int, int, bytes], bytes]:
    """The MAC over sequence number, content type, version and content (RFC 5246 section 6.2.3.1)."""
    name, key = suite.mac, keys.mac_key
    if version > ProtocolVersion.SSL_3_0:
        return lambda number, kind, wire, content: hmac.digest(
            key, _NUMBERED_HEADER.pack(number, kind, wire, len(content)) + content, name
        )
    pad = 48 if name == "md5" else 40
    inner, outer = key + b"\x36" * pad, key + b"\x5c" * pad

    def mac(number: int, kind: int, _wire: int, content: bytes) -> bytes:
        header = number.to_bytes(8, "big") + bytes([kind]) + len(content).to_bytes(2, "big")
        return hashlib.new(name, outer + hashlib.new(name, inner + header + content).digest()).digest()

    return mac
