"""From secrets to keys: the PRF and key block of TLS 1.2 and before, the key schedule of TLS 1.3.

SSL 3.0: RFC 6101 sections 6.1 and 6.2.2. TLS 1.0 and 1.1: RFC 2246 and RFC 4346 sections 5, 6.3 and 8.1. TLS 1.2: RFC
5246, the same sections. Extended master secret: RFC 7627 section 4. TLS 1.3: RFC 8446 sections 7.1 to 7.3.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final, NamedTuple

from analyzer.registry import ProtocolVersion
from analyzer.tls.suites import Suite

__all__ = [
    "Keys",
    "expand_label",
    "key_block",
    "master_secret",
    "next_traffic_secret",
    "prf",
    "session_hash",
    "traffic_keys",
]


class Keys(NamedTuple):
    """What protects the records of one direction; a part that the suite does not need is empty."""

    mac_key: bytes
    key: bytes
    iv: bytes


def expand_label(hash_name: str, secret: bytes, label: str, length: int, *, draft: int = 0) -> bytes:
    """HKDF-Expand-Label with an empty context (RFC 8446 section 7.1). `draft`: of TLS 1.3, 0 for the final one."""
    prefix = b"TLS 1.3, " if 0 < draft < _DRAFT_WITH_SHORT_LABELS else b"tls13 "
    name = prefix + label.encode()
    info = length.to_bytes(2, "big") + bytes([len(name)]) + name + b"\0"
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(secret, block + info + bytes([counter]), hash_name)
        out += block
        counter += 1
    return out[:length]


def traffic_keys(suite: Suite, secret: bytes, *, draft: int = 0) -> Keys:
    """The key and IV of a traffic secret (RFC 8446 section 7.3)."""
    key = expand_label(suite.hash, secret, "key", suite.key_length, draft=draft)
    return Keys(b"", key, expand_label(suite.hash, secret, "iv", _NONCE, draft=draft))


def next_traffic_secret(suite: Suite, secret: bytes, *, draft: int = 0) -> bytes:
    """The application traffic secret after a key update (RFC 8446 section 7.2)."""
    label = "application traffic secret" if 0 < draft < _DRAFT_WITH_SHORT_LABELS else "traffic upd"
    return expand_label(suite.hash, secret, label, len(secret), draft=draft)


def prf(version: int, hash_name: str, secret: bytes, label: bytes, seed: bytes, length: int) -> bytes:
    """The pseudorandom function of TLS 1.0 to 1.2; the hash is that of the suite, and used by TLS 1.2 alone."""
    if version >= ProtocolVersion.TLS_1_2:
        return _p_hash(hash_name, secret, label + seed, length)
    half = (len(secret) + 1) // 2
    md5 = _p_hash("md5", secret[:half], label + seed, length)
    sha = _p_hash("sha1", secret[len(secret) - half :], label + seed, length)
    return bytes(a ^ b for a, b in zip(md5, sha, strict=True))


def master_secret(
    version: int,
    suite: Suite,
    pre_master_secret: bytes,
    client_random: bytes,
    server_random: bytes,
    *,
    extended_by: bytes | None = None,
) -> bytes:
    """The master secret (48 bytes). `extended_by`: the session hash, where extended_master_secret was negotiated."""
    if version == ProtocolVersion.SSL_3_0:
        return _ssl3_block(pre_master_secret, client_random + server_random, 48)
    if extended_by is not None:
        return prf(version, suite.hash, pre_master_secret, b"extended master secret", extended_by, 48)
    return prf(version, suite.hash, pre_master_secret, b"master secret", client_random + server_random, 48)


def session_hash(version: int, suite: Suite, messages: Iterable[bytes]) -> bytes:
    """The hash of the handshake messages, with their headers, up to the ClientKeyExchange (RFC 7627 section 3)."""
    transcript = b"".join(messages)
    if version >= ProtocolVersion.TLS_1_2:
        return hashlib.new(suite.hash, transcript).digest()
    return hashlib.md5(transcript).digest() + hashlib.sha1(transcript).digest()


def key_block(
    version: int, suite: Suite, master: bytes, client_random: bytes, server_random: bytes
) -> tuple[Keys, Keys]:
    """The keys of the client's records and of the server's (RFC 5246 section 6.3)."""
    mac, key, iv = suite.mac_length, suite.key_material, suite.fixed_iv_length
    size = 2 * (mac + key + iv)
    seed = server_random + client_random
    if version == ProtocolVersion.SSL_3_0:
        block = _ssl3_block(master, seed, size)
    else:
        block = prf(version, suite.hash, master, b"key expansion", seed, size)
    parts = []
    for length in (mac, mac, key, key, iv, iv):
        parts.append(block[:length])
        block = block[length:]
    client, server = Keys(parts[0], parts[2], parts[4]), Keys(parts[1], parts[3], parts[5])
    if not suite.export:
        return client, server
    return _exported(version, suite, client, server, client_random, server_random)


_NONCE: Final = 12
"""Bytes of the nonce of each AEAD of TLS 1.3."""
_DRAFT_WITH_SHORT_LABELS: Final = 20


def _exported(
    version: int, suite: Suite, client: Keys, server: Keys, client_random: bytes, server_random: bytes
) -> tuple[Keys, Keys]:
    """The final keys of an export suite (RFC 2246 section 6.3.1, RFC 6101 section 6.2.2.1)."""
    randoms = client_random + server_random
    size, iv = suite.key_length, suite.fixed_iv_length
    if version == ProtocolVersion.SSL_3_0:
        opposite = server_random + client_random
        return (
            Keys(client.mac_key, hashlib.md5(client.key + randoms).digest()[:size], hashlib.md5(randoms).digest()[:iv]),
            Keys(
                server.mac_key, hashlib.md5(server.key + opposite).digest()[:size], hashlib.md5(opposite).digest()[:iv]
            ),
        )
    ivs = prf(version, suite.hash, b"", b"IV block", randoms, 2 * iv)
    return (
        Keys(client.mac_key, prf(version, suite.hash, client.key, b"client write key", randoms, size), ivs[:iv]),
        Keys(server.mac_key, prf(version, suite.hash, server.key, b"server write key", randoms, size), ivs[iv:]),
    )


def _p_hash(hash_name: str, secret: bytes, seed: bytes, length: int) -> bytes:
    """P_hash of RFC 5246 section 5."""
    out, a = b"", seed
    while len(out) < length:
        a = hmac.digest(secret, a, hash_name)
        out += hmac.digest(secret, a + seed, hash_name)
    return out[:length]


def _ssl3_block(secret: bytes, seed: bytes, length: int) -> bytes:
    """MD5 over SHA-1 with `A`, `BB`, `CCC` ... (RFC 6101 section 6.1)."""
    out = b""
    count = 1
    while len(out) < length:
        salt = bytes([ord("A") + count - 1]) * count
        out += hashlib.md5(secret + hashlib.sha1(salt + secret + seed).digest()).digest()
        count += 1
    return out[:length]
