"""Bouncy Castle's stores, BKS and BCFKS: recognised, so that the user learns how to convert them.

BKS: version u32 (1 or 2), salt with u32 length, iteration count u32, then entries (BcKeyStoreSpi).
BCFKS: SEQUENCE { SEQUENCE { AlgorithmIdentifier PBES2, OCTET STRING }, integrity check } (ObjectStore).
"""

from __future__ import annotations

from analyzer.errors import WireError
from analyzer.trust.der import OCTET_STRING, OID, SEQUENCE
from analyzer.trust.stores import Contents, Format, Trouble
from analyzer.trust.stores._ber import element, first_children, object_identifier
from analyzer.wire import Reader

__all__ = ["FORMAT"]

_PBES2 = "1.2.840.113549.1.5.13"


def _recognise(data: bytes) -> bool:
    return _is_bks(data) or _is_bcfks(data)


def _is_bks(data: bytes) -> bool:
    reader = Reader(data, "BKS")
    try:
        version = reader.u32("version")
        salt = reader.vector(4, "salt")
        rounds = reader.u32("iterations")
    except WireError:
        return False
    return version in (1, 2) and 8 <= len(salt) <= 64 and 0 < rounds < 1 << 24 and reader.left > 0


def _is_bcfks(data: bytes) -> bool:
    try:
        store, _ = first_children(data, element(data), SEQUENCE, SEQUENCE)
        algorithm, _ = first_children(data, store, SEQUENCE, OCTET_STRING)
        (name,) = first_children(data, algorithm, OID)
        return object_identifier(data, name) == _PBES2
    except WireError:
        return False


def _read(data: bytes, password: str | None) -> Contents:
    del password
    name = "BKS" if _is_bks(data) else "BCFKS"
    text = (
        f"is a Bouncy Castle key store ({name}), which is not read here. Convert it: keytool -importkeystore "
        f"-srckeystore FILE -srcstoretype {name} -destkeystore store.p12 -deststoretype PKCS12 "
        "-provider org.bouncycastle.jce.provider.BouncyCastleProvider -providerpath bcprov.jar"
    )
    return Contents(problems=(Trouble(code="unsupported-format", text=text),))


FORMAT = Format(name="Bouncy Castle key store", recognise=_recognise, read=_read)
