"""RC2 in CBC mode, decryption only (RFC 2268): for PKCS#12 files of old Windows and of `openssl -legacy`.

Written out because the usual libraries offer only 128 effective bits, and these files use 40.
"""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["decrypt_cbc"]

_PI: Final = bytes.fromhex(
    "d978f9c419ddb5ed28e9fd794aa0d89dc67e37832b76538e624c6488448bfba2"
    "179a59f587b34f1361456d8d09817d32bd8f40eb86b77b0bf09521225c6b4e82"
    "54d66593ce60b21c7356c014a78cf1dc1275ca1f3bbee4d1423dd430a33cb626"
    "6fbf0eda4669075727f21d9bbc944303f811c7f690ef3ee706c3d52fc8661ed7"
    "08e8eade8052eef784aa72ac354d6a2a961ad2715a1549744b9fd05e0418a4ec"
    "c2e0416e0f51cbcc2491af50a1f47039997c3a8523b8b47afc02365b25559731"
    "2d5dfa98e38a92ae05df2910676cbac9d300e6cfe19ea82c6316013f58e289a9"
    "0d38341bab33ffb0bb480c5fb9b1cd2ec5f3db47e5a59c770aa62068fe7fc1ad"
)
_MIX_ROUNDS_BEFORE_MASH: Final = (5, 6, 5)


def decrypt_cbc(key: bytes, effective_bits: int, start: bytes, data: bytes) -> bytes:
    """`data` (a multiple of 8 bytes) decrypted under `key`; `start` is the 8-byte initialization vector."""
    words = _expand(key, effective_bits)
    plain = bytearray()
    before = int.from_bytes(start, "big")
    for position in range(0, len(data), 8):
        block = data[position : position + 8]
        plain += (int.from_bytes(_decrypt_block(words, block), "big") ^ before).to_bytes(8, "big")
        before = int.from_bytes(block, "big")
    return bytes(plain)


def _expand(key: bytes, effective_bits: int) -> tuple[int, ...]:
    """Section 2: 64 words of 16 bits."""
    table = bytearray(key)
    for index in range(len(key), 128):
        table.append(_PI[(table[index - 1] + table[index - len(key)]) & 0xFF])
    size = (effective_bits + 7) // 8
    table[128 - size] = _PI[table[128 - size] & (0xFF >> (8 * size - effective_bits))]
    for index in range(127 - size, -1, -1):
        table[index] = _PI[table[index + 1] ^ table[index + size]]
    return struct.unpack("<64H", table)


def _decrypt_block(words: tuple[int, ...], block: bytes) -> bytes:
    """Section 4: mixing rounds undone in the order 5, 6, 5, a mashing round undone between them."""
    a, b, c, d = struct.unpack("<4H", block)
    at = 63
    for group, rounds in enumerate(_MIX_ROUNDS_BEFORE_MASH):
        if group:
            d = d - words[c & 63] & 0xFFFF
            c = c - words[b & 63] & 0xFFFF
            b = b - words[a & 63] & 0xFFFF
            a = a - words[d & 63] & 0xFFFF
        for _ in range(rounds):
            d = (d >> 5 | d << 11) & 0xFFFF
            d = d - words[at] - (c & b) - (~c & a) & 0xFFFF
            c = (c >> 3 | c << 13) & 0xFFFF
            c = c - words[at - 1] - (b & a) - (~b & d) & 0xFFFF
            b = (b >> 2 | b << 14) & 0xFFFF
            b = b - words[at - 2] - (a & d) - (~a & c) & 0xFFFF
            a = (a >> 1 | a << 15) & 0xFFFF
            a = a - words[at - 3] - (d & c) - (~d & b) & 0xFFFF
            at -= 4
    return struct.pack("<4H", a, b, c, d)
