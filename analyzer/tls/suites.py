"""What a cipher suite does to a record: cipher, lengths, MAC and hash, read from its registered name.

The names of IANA's "TLS Cipher Suites" registry say it all (`TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`); the lengths of
each cipher stand here with their sources. Suites whose cipher cannot be undone here (ARIA, GOST, Salsa20) give None.
"""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

from analyzer.dataclass import dataclass
from analyzer.registry import cipher_suite_name

__all__ = ["Form", "Suite", "suite_of"]


class Form(Enum):
    """How a record is protected: the CipherType of RFC 5246 section 6.1, the AEADs told apart."""

    GCM = "GCM"
    CCM = "CCM"
    POLY1305 = "Poly1305"
    BLOCK = "block"
    STREAM = "stream"
    NULL = "null"

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """The SecurityParameters (RFC 5246 section 6.1) that a cipher suite sets. Lengths are bytes."""

    number: int
    cipher: str
    form: Form
    key_length: int
    """Of the key that the cipher takes."""
    key_material: int
    """Of the key that the key block holds: less, for the export suites of RFC 2246."""
    fixed_iv_length: int
    """Of the IV in the key block: the implicit part of an AEAD's nonce, the first IV of a block cipher."""
    tag_length: int
    """Of an AEAD's tag."""
    mac: str
    """Name of the MAC's hash for `hashlib`; empty without a MAC."""
    mac_length: int
    hash: str
    """Name of the hash of the PRF of TLS 1.2, and of HKDF in TLS 1.3, for `hashlib`."""
    export: bool
    rsa_key_exchange: bool
    """Whether the client sends the pre-master secret encrypted with the server's RSA key (RFC 5246 section 7.4.7.1)."""


@lru_cache(maxsize=256)
def suite_of(number: int) -> Suite | None:
    """What a cipher suite does; None when it is not registered, or its cipher is not known here."""
    match = _NAME.fullmatch(cipher_suite_name(number))
    if match is None:
        return None
    exchange, cipher, name = match["exchange"] or "", match["cipher"], match["hash"] or "SHA256"
    row = _CIPHERS[cipher]
    aead = row.form in (Form.GCM, Form.CCM, Form.POLY1305)
    mac = "" if aead or name == "NULL" else _HASHES[name]
    export = "EXPORT" in exchange
    return Suite(
        number=number,
        cipher=row.algorithm,
        form=row.form,
        key_length=row.key_length,
        key_material=row.key_material or row.key_length,
        fixed_iv_length=row.fixed_iv_length,
        tag_length=row.tag_length,
        mac=mac,
        mac_length=_LENGTHS.get(mac, 0),
        hash="sha384" if name == "SHA384" else "sha256",
        export=export,
        rsa_key_exchange=exchange in _RSA,
    )


class _Cipher(NamedTuple):
    algorithm: str
    form: Form
    key_length: int
    fixed_iv_length: int
    tag_length: int = 0
    key_material: int = 0


_CIPHERS: Final = {
    "AES_128_GCM": _Cipher("AES", Form.GCM, 16, 4, 16),  # RFC 5288
    "AES_256_GCM": _Cipher("AES", Form.GCM, 32, 4, 16),
    "AES_128_CCM": _Cipher("AES", Form.CCM, 16, 4, 16),  # RFC 6655
    "AES_256_CCM": _Cipher("AES", Form.CCM, 32, 4, 16),
    "AES_128_CCM_8": _Cipher("AES", Form.CCM, 16, 4, 8),
    "AES_256_CCM_8": _Cipher("AES", Form.CCM, 32, 4, 8),
    "CHACHA20_POLY1305": _Cipher("ChaCha20", Form.POLY1305, 32, 12, 16),  # RFC 7905
    "AES_128_CBC": _Cipher("AES", Form.BLOCK, 16, 16),  # RFC 5246 appendix C
    "AES_256_CBC": _Cipher("AES", Form.BLOCK, 32, 16),
    "3DES_EDE_CBC": _Cipher("TripleDES", Form.BLOCK, 24, 8),
    "CAMELLIA_128_CBC": _Cipher("Camellia", Form.BLOCK, 16, 16),  # RFC 5932
    "CAMELLIA_256_CBC": _Cipher("Camellia", Form.BLOCK, 32, 16),
    "SEED_CBC": _Cipher("SEED", Form.BLOCK, 16, 16),  # RFC 4162
    "IDEA_CBC": _Cipher("IDEA", Form.BLOCK, 16, 8),  # RFC 5469
    "DES_CBC": _Cipher("DES", Form.BLOCK, 8, 8),
    "RC4_128": _Cipher("ARC4", Form.STREAM, 16, 0),
    "NULL": _Cipher("NULL", Form.NULL, 0, 0),
    "DES40_CBC": _Cipher("DES", Form.BLOCK, 8, 8, key_material=5),  # RFC 2246 appendix C
    "DES_CBC_40": _Cipher("DES", Form.BLOCK, 8, 8, key_material=5),  # RFC 2712
    "RC2_CBC_40": _Cipher("RC2", Form.BLOCK, 16, 8, key_material=5),
    "RC4_40": _Cipher("ARC4", Form.STREAM, 16, 0, key_material=5),
    "RC4_56": _Cipher("ARC4", Form.STREAM, 16, 0, key_material=7),
}
_HASHES: Final = {"MD5": "md5", "SHA": "sha1", "SHA256": "sha256", "SHA384": "sha384"}
_LENGTHS: Final = {"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48}
_RSA: Final = {"RSA", "RSA_EXPORT", "RSA_EXPORT1024", "RSA_FIPS"}
_NAME: Final = re.compile(
    rf"(?:TLS|SSL)_(?:(?P<exchange>\w+?)_WITH_)?(?P<cipher>{'|'.join(sorted(_CIPHERS, key=len, reverse=True))})"
    r"(?:_(?P<hash>MD5|SHA|SHA256|SHA384|NULL))?"
)
