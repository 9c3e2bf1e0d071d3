"""What a password opens in PKCS#12: its key derivations, ciphers and checksums.

RFC 7292 appendices B and C (PKCS#12's own), RFC 8018 (PBES2, PBKDF2), RFC 9579 (PBMAC1). The rounds that a
file asks for are its author's choice, so they are counted against a `Budget`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

from analyzer.dataclass import dataclass
from analyzer.trust.der import INTEGER, OCTET_STRING, SEQUENCE
from analyzer.trust.stores._ber import Element, children, first_children, integer, object_identifier, octets
from analyzer.trust.stores._rc2 import decrypt_cbc

__all__ = [
    "MOST_ROUNDS",
    "Budget",
    "NotOpenedError",
    "Secret",
    "TooCostlyError",
    "UnsupportedError",
    "checksum_fits",
    "decrypt",
]

MOST_ROUNDS: Final = 5_000_000
"""Rounds of hashing for one file. OpenJDK refuses more in a PKCS#12 file, too (MAX_ITERATION_COUNT)."""

_Value = TypeVar("_Value")
_MOST_SALT: Final = 1024
_MOST_RC2: Final = 1 << 20

_HASHES: Final = {
    "1.2.840.113549.2.5": "md5",
    "1.3.14.3.2.26": "sha1",
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
    "2.16.840.1.101.3.4.2.4": "sha224",
}
# Without `usedforsecurity`, which doubles the time of a round; MD5 alone is forbidden without it in FIPS mode.
_HASH_FUNCTIONS: Final[Mapping[str, Callable[[bytes], Any]]] = {
    "md5": partial(hashlib.md5, usedforsecurity=False),
    "sha1": hashlib.sha1,
    "sha224": hashlib.sha224,
    "sha256": hashlib.sha256,
    "sha384": hashlib.sha384,
    "sha512": hashlib.sha512,
}
_KEYED_HASHES: Final = {
    "1.2.840.113549.2.7": "sha1",
    "1.2.840.113549.2.8": "sha224",
    "1.2.840.113549.2.9": "sha256",
    "1.2.840.113549.2.10": "sha384",
    "1.2.840.113549.2.11": "sha512",
}
_PBES2: Final = "1.2.840.113549.1.5.13"
_PBKDF2: Final = "1.2.840.113549.1.5.12"
_PBMAC1: Final = "1.2.840.113549.1.5.14"
_FOR_KEY, _FOR_IV, _FOR_CHECKSUM = 1, 2, 3


class NotOpenedError(Exception):
    """The password does not open it, or the bytes are damaged: the two look the same."""


class UnsupportedError(Exception):
    """An algorithm that is not known here; the text names it."""


class TooCostlyError(Exception):
    """The file asks for more work than any honest one does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A password as both derivations take it: UTF-16BE with a closing zero, and UTF-8.

    `NO_PASSWORD` differs from the empty password in the first (RFC 7292 appendix B.1 leaves it open).
    """

    utf16: bytes
    utf8: bytes

    @classmethod
    def of(cls, password: str | None) -> Secret:
        """The secret of a password; None stands for none at all."""
        if password is None:
            return cls(utf16=b"", utf8=b"")
        return cls(
            utf16=password.encode("utf-16-be", "surrogatepass") + b"\0\0",
            utf8=password.encode("utf-8", "surrogatepass"),
        )


class Budget:
    """Rounds of hashing that a file may still cost."""

    def __init__(self) -> None:
        self.left = MOST_ROUNDS

    def spend(self, rounds: int) -> None:
        """Take `rounds` off; `TooCostlyError` when there are not so many left."""
        if not 0 < rounds <= self.left:
            raise TooCostlyError(f"asks for {rounds} rounds of key derivation")
        self.left -= rounds


def checksum_fits(data: bytes, mac: Element, content: bytes, secret: Secret, budget: Budget) -> bool:
    """Whether the MacData at `mac` is that of `content` under `secret`."""
    digest_info, salt = first_children(data, mac, SEQUENCE, OCTET_STRING)
    algorithm, stored = first_children(data, digest_info, SEQUENCE, OCTET_STRING)
    name, parameters = _algorithm(data, algorithm)
    if name == _PBMAC1:
        if parameters is None:
            raise UnsupportedError("PBMAC1 without parameters")
        derivation, scheme = first_children(data, parameters, SEQUENCE, SEQUENCE)
        hash_name = _known(_KEYED_HASHES, _algorithm(data, scheme)[0], "checksum")
        key = _pbkdf2(data, derivation, secret, None, budget)
    else:
        hash_name = _known(_HASHES, name, "checksum")
        numbers = [integer(data, field) for field in children(data, mac) if field.tag == INTEGER]
        rounds = numbers[0] if numbers else 1
        size = hashlib.new(hash_name, usedforsecurity=False).digest_size
        key = _derive(hash_name, secret, octets(data, salt), rounds, _FOR_CHECKSUM, size, budget)
    return hmac.compare_digest(hmac.digest(key, content, hash_name), octets(data, stored))


def decrypt(data: bytes, algorithm: Element, content: bytes, secret: Secret, budget: Budget) -> bytes:
    """`content` decrypted by the AlgorithmIdentifier at `algorithm`, its padding taken off.

    Raises `NotOpenedError`, `UnsupportedError`, `TooCostlyError`, `WireError`.
    """
    name, parameters = _algorithm(data, algorithm)
    if parameters is None:
        raise UnsupportedError(f"encryption {name} without parameters")
    if name == _PBES2:
        derivation, scheme = first_children(data, parameters, SEQUENCE, SEQUENCE)
        cipher_name, start = _algorithm(data, scheme)
        cipher = _known(_PBES2_CIPHERS, cipher_name, "encryption")
        key = _pbkdf2(data, derivation, secret, cipher.key_size, budget)
        iv = octets(data, start) if start is not None else b""
    else:
        cipher = _known(_PKCS12_CIPHERS, name, "encryption")
        salt_field, rounds_field = first_children(data, parameters, OCTET_STRING, INTEGER)
        salt, rounds = octets(data, salt_field), integer(data, rounds_field)
        key = _derive("sha1", secret, salt, rounds, _FOR_KEY, cipher.key_size, budget)
        iv = _derive("sha1", secret, salt, rounds, _FOR_IV, cipher.block, budget) if cipher.block else b""
    if cipher.block and (len(iv) != cipher.block or not content or len(content) % cipher.block):
        raise NotOpenedError
    try:
        plain = cipher.open(key, iv, content)
    except ValueError as error:
        raise NotOpenedError from error
    if not cipher.block:
        return plain
    padding = plain[-1]
    if not 1 <= padding <= cipher.block or plain[-padding:] != bytes([padding]) * padding:
        raise NotOpenedError
    return plain[:-padding]


def _algorithm(data: bytes, identifier: Element) -> tuple[str, Element | None]:
    """An AlgorithmIdentifier: its name, and its parameters where it has some."""
    fields = children(data, identifier)
    name = next(fields, None)
    if name is None:
        raise UnsupportedError("an algorithm without a name")
    return object_identifier(data, name), next(fields, None)


def _known(table: Mapping[str, _Value], name: str, purpose: str) -> _Value:
    if name not in table:
        raise UnsupportedError(f"{purpose} {name}")
    return table[name]


def _pbkdf2(data: bytes, derivation: Element, secret: Secret, size: int | None, budget: Budget) -> bytes:
    """RFC 8018 appendix A.2. `size` is the key's length in bytes where the cipher fixes it."""
    name, parameters = _algorithm(data, derivation)
    if name != _PBKDF2 or parameters is None:
        raise UnsupportedError(f"key derivation {name}")
    salt_field, rounds_field = first_children(data, parameters, OCTET_STRING, INTEGER)
    hash_name, announced = "sha1", 0
    for field in children(data, parameters):
        if field.tag == SEQUENCE:
            hash_name = _known(_KEYED_HASHES, _algorithm(data, field)[0], "key derivation")
        elif field.tag == INTEGER and field.start != rounds_field.start:
            announced = integer(data, field)
    size = announced if size is None else size
    if not 1 <= size <= 128:
        raise UnsupportedError("a key length that is missing or absurd")
    salt, rounds = octets(data, salt_field), integer(data, rounds_field)
    blocks = -(-size // hashlib.new(hash_name, usedforsecurity=False).digest_size)
    _bound(salt)
    budget.spend(rounds * blocks)
    return hashlib.pbkdf2_hmac(hash_name, secret.utf8, salt, rounds, size)


def _derive(hash_name: str, secret: Secret, salt: bytes, rounds: int, purpose: int, size: int, budget: Budget) -> bytes:
    """PKCS#12's own derivation, RFC 7292 appendix B.2."""
    blank = hashlib.new(hash_name, usedforsecurity=False)
    block, blocks = blank.block_size, -(-size // blank.digest_size)
    _bound(salt)
    budget.spend(rounds * blocks)
    pool = _fill(salt, block) + _fill(secret.utf16, block)
    derived = bytearray()
    once = _HASH_FUNCTIONS[hash_name]
    for _ in range(blocks):
        piece = bytes([purpose]) * block + pool
        for _ in range(rounds):
            piece = once(piece).digest()
        derived += piece
        addend = int.from_bytes(_fill(piece, block), "big") + 1
        pool = b"".join(
            (int.from_bytes(pool[at : at + block], "big") + addend & (1 << 8 * block) - 1).to_bytes(block, "big")
            for at in range(0, len(pool), block)
        )
    return bytes(derived[:size])


def _fill(text: bytes, block: int) -> bytes:
    """`text` repeated to a multiple of `block` bytes; nothing stays nothing."""
    length = -(-len(text) // block) * block
    return (text * (length // len(text) + 1))[:length] if text else b""


def _bound(salt: bytes) -> None:
    if len(salt) > _MOST_SALT:
        raise TooCostlyError(f"has a salt of {len(salt)} bytes")


def _aes(key: bytes, iv: bytes, content: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor().update(content)


def _triple_des(key: bytes, iv: bytes, content: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
    from cryptography.hazmat.primitives.ciphers import Cipher, modes

    return Cipher(TripleDES((key + key[:8])[:24]), modes.CBC(iv)).decryptor().update(content)


def _rc4(key: bytes, iv: bytes, content: bytes) -> bytes:
    from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4
    from cryptography.hazmat.primitives.ciphers import Cipher

    del iv
    return Cipher(ARC4(key), mode=None).decryptor().update(content)


def _rc2(key: bytes, iv: bytes, content: bytes) -> bytes:
    if len(content) > _MOST_RC2:
        raise TooCostlyError(f"has {len(content)} bytes under RC2")
    return decrypt_cbc(key, 8 * len(key), iv, content)


@dataclass(frozen=True, slots=True)
class _Cipher:
    """`key_size` and `block` in bytes; a `block` of 0 is a stream cipher, without padding."""

    key_size: int
    block: int
    open: Callable[[bytes, bytes, bytes], bytes]


_PKCS12_CIPHERS: Final = {
    "1.2.840.113549.1.12.1.1": _Cipher(16, 0, _rc4),
    "1.2.840.113549.1.12.1.2": _Cipher(5, 0, _rc4),
    "1.2.840.113549.1.12.1.3": _Cipher(24, 8, _triple_des),
    "1.2.840.113549.1.12.1.4": _Cipher(16, 8, _triple_des),
    "1.2.840.113549.1.12.1.5": _Cipher(16, 8, _rc2),
    "1.2.840.113549.1.12.1.6": _Cipher(5, 8, _rc2),
}
_PBES2_CIPHERS: Final = {
    "1.2.840.113549.3.7": _Cipher(24, 8, _triple_des),
    "2.16.840.1.101.3.4.1.2": _Cipher(16, 16, _aes),
    "2.16.840.1.101.3.4.1.22": _Cipher(24, 16, _aes),
    "2.16.840.1.101.3.4.1.42": _Cipher(32, 16, _aes),
}
