"""Public keys of the groups of TLS: whether what a peer sent can be one at all.

Lengths and forms are those of RFC 8446 section 4.2.8 and RFC 8422 section 5.4, the curves' numbers those of SEC 2.
"""

from __future__ import annotations

from typing import Final

from analyzer.registry import group_name

__all__ = ["share_fault"]


def share_fault(group: int, key: bytes) -> str | None:
    """What makes a server's `key` (bytes of key_exchange or of an ECPoint) no public key of `group`; else None."""
    name = group_name(group)
    length = _LENGTHS.get(group)
    if length is not None and len(key) != length and not _is_compressed(group, key):
        return f"has {len(key)} bytes; one of {name} has {length}"
    if group in _CURVES and len(key) == length and not _is_point(group, key):
        return f"is no point of {name}"
    if group in _MONTGOMERY and key and not any(key):
        return f"is zero, which is no public key of {name}"
    return None


_CURVES: Final[dict[int, tuple[int, int]]] = {
    23: (
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    ),
    24: (
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    ),
    25: (
        2**521 - 1,
        0x0051953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00,
    ),
}
"""secp256r1, secp384r1, secp521r1: the prime and b of y² = x³ - 3x + b (SEC 2 sections 2.4.2, 2.5.1, 2.6.1)."""

_MONTGOMERY: Final = (29, 30)
"""x25519, x448: RFC 7748; of what is no key only zero is looked for (RFC 8446 section 7.4.2)."""

_LENGTHS: Final = {
    23: 65,
    24: 97,
    25: 133,
    29: 32,
    30: 56,
    256: 256,
    257: 384,
    258: 512,
    259: 768,
    260: 1024,
    0x11EB: 65 + 1088,
    0x11EC: 1088 + 32,
    0x11ED: 97 + 1568,
}
"""Bytes of a server's key: the curves uncompressed, ffdhe2048 to ffdhe8192 (RFC 7919), the hybrids with ML-KEM."""


def _is_point(group: int, key: bytes) -> bool:
    prime, b = _CURVES[group]
    half = (len(key) - 1) // 2
    x, y = int.from_bytes(key[1 : 1 + half], "big"), int.from_bytes(key[1 + half :], "big")
    return key[0] == 4 and x < prime and y < prime and (y * y - x * x * x + 3 * x - b) % prime == 0


def _is_compressed(group: int, key: bytes) -> bool:
    """Before TLS 1.3 a point may be compressed, where ec_point_formats allow (RFC 4492 section 5.1.2)."""
    return group in _CURVES and len(key) == (_LENGTHS[group] + 1) // 2 and key[:1] in (b"\x02", b"\x03")
