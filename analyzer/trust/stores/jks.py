"""Java's own key stores, JKS and JCEKS, versions 1 and 2.

    magic       u32   FEEDFEED (JKS), CECECECE (JCEKS)
    version     u32   1 or 2
    count       u32
    entry       count times
      tag       u32   1 private key, 2 trusted certificate, 3 secret key (JCEKS only)
      alias     u16 length, modified UTF-8
      date      u64   milliseconds since 1970
      1:  key   u32 length, bytes; u32 count of certificates, the key's own first
      2:  one certificate
      3:  a serialized Java object
    certificate       in version 2: type, u16 length and text; then u32 length, DER
    digest      20 bytes: SHA-1 of the password (UTF-16BE), the words "Mighty Aphrodite", and all that
    precedes

All numbers are big-endian. The layout is that of sun.security.provider.JavaKeyStore and
com.sun.crypto.provider.JceKeyStore in OpenJDK. Certificates are in clear: the password guards integrity only.
"""

from __future__ import annotations

import hashlib
import hmac

from analyzer.errors import WireError
from analyzer.trust.stores import MOST_PROBLEMS, Contents, Format, Found, Kind, Trouble, printable
from analyzer.trust.stores._certificate import collect
from analyzer.wire import Reader

__all__ = ["FORMAT"]

_JKS = b"\xfe\xed\xfe\xed"
_JCEKS = b"\xce\xce\xce\xce"
_PRIVATE_KEY, _TRUSTED, _SECRET_KEY = 1, 2, 3
_DIGEST_SIZE = 20
_WHITENER = b"Mighty Aphrodite"


def _recognise(data: bytes) -> bool:
    return data[:4] in (_JKS, _JCEKS)


def _read(data: bytes, password: str | None) -> Contents:
    entries: list[Found] = []
    problems: list[Trouble] = []
    reader = Reader(data, "key store", 4)
    try:
        version = reader.u32("version")
        if version not in (1, 2):
            text = f"says it is version {version} of Java's key store; only 1 and 2 exist, so the file is damaged"
            return Contents(problems=(Trouble(code="damaged-store", text=text),))
        count = reader.u32("count")
        for _ in range(count):
            _read_entry(reader, version, entries, problems)
    except WireError as error:
        text = (
            f"the key store is cut or damaged after {len(entries)} certificates ({error}); "
            "copy it again in binary mode and compare with `keytool -list -keystore FILE`"
        )
        problems.append(Trouble(code="truncated", text=text))
    else:
        problems.extend(_check_integrity(data, reader.position, password))
        if not count:
            text = "this key store has no entries: import a CA with `keytool -importcert`"
            problems.append(Trouble(code="empty", text=text))
        elif not entries and not problems:
            text = "this key store holds keys and no certificate"
            problems.append(Trouble(code="empty", text=text))
    return Contents(entries=tuple(entries), problems=tuple(problems))


def _read_entry(reader: Reader, version: int, entries: list[Found], problems: list[Trouble]) -> None:
    if len(problems) >= MOST_PROBLEMS:
        raise WireError("entry", reader.position, "too many damaged entries")
    tag = reader.u32("entry.tag")
    alias = printable(reader.vector(2, "entry.alias").decode("utf-8", "replace"))
    reader.take(8, "entry.date")
    if tag == _TRUSTED:
        _read_certificate(reader, version, alias, "trusted-certificate", 0, entries, problems)
    elif tag == _PRIVATE_KEY:
        reader.vector(4, "entry.key")
        length = reader.u32("entry.chain")
        for index in range(length):
            _read_certificate(reader, version, alias, "private-key-entry", index, entries, problems)
        if not length:
            text = f"entry '{alias}' is a private key without a certificate"
            problems.append(Trouble(code="private-key", text=text, severity="note"))
    elif tag == _SECRET_KEY:
        _skip_sealed_object(reader)
        text = f"entry '{alias}' is a secret key, which has no place in a trust store"
        problems.append(Trouble(code="secret-key", text=text, severity="note"))
    else:
        raise WireError("entry.tag", reader.position, f"{tag} is no kind of entry")


def _read_certificate(
    reader: Reader,
    version: int,
    alias: str,
    kind: Kind,
    index: int,
    entries: list[Found],
    problems: list[Trouble],
) -> None:
    if len(problems) >= MOST_PROBLEMS:
        raise WireError("entry", reader.position, "too many damaged entries")
    kind_of_certificate = reader.vector(2, "certificate.type") if version == 2 else b"X.509"
    der = reader.vector(4, "certificate")
    if kind_of_certificate not in (b"X.509", b"X509"):
        name = printable(kind_of_certificate.decode("utf-8", "replace"), 40)
        text = f"entry '{alias}' holds a certificate of type '{name}', which is not X.509"
        problems.append(Trouble(code="unsupported-entry", text=text, severity="warning"))
        return
    found = collect(der, f"the certificate of entry '{alias}'", alias, kind, index)
    if isinstance(found, Trouble):
        problems.append(found)
    else:
        entries.append(found)


def _check_integrity(data: bytes, end: int, password: str | None) -> tuple[Trouble, ...]:
    stored = data[end : end + _DIGEST_SIZE]
    if len(stored) < _DIGEST_SIZE:
        text = "the checksum at its end is cut off; copy the file again in binary mode"
        return (Trouble(code="truncated", text=text),)
    if len(data) > end + _DIGEST_SIZE:
        left = len(data) - end - _DIGEST_SIZE
        return (
            Trouble(
                code="trailing-bytes",
                text=f"{left} bytes follow the end of the key store",
                severity="warning",
            ),
        )
    if password is None:
        text = "read without its password, so its integrity was not checked; the certificates are in clear"
        return (Trouble(code="integrity-not-checked", text=text, severity="note"),)
    digest = hashlib.sha1(password.encode("utf-16-be", "surrogatepass") + _WHITENER, usedforsecurity=False)
    digest.update(data[:end])
    if hmac.compare_digest(digest.digest(), stored):
        return ()
    text = (
        "the password is wrong, or the key store was altered: its checksum does not fit. "
        "Its certificates are in clear and were used all the same; a Java gateway "
        "with this password would refuse the file"
    )
    return (Trouble(code="wrong-password", text=text),)


# Java's object serialization protocol, version 5, as far as javax.crypto.SealedObject needs it.
_STREAM = b"\xac\xed\x00\x05"
_NULL, _REFERENCE, _CLASS, _OBJECT, _STRING, _ARRAY, _END = 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x78
_MOST_CLASSES = 8


def _skip_sealed_object(reader: Reader) -> None:
    """Move past the serialized `SealedObjectForKeyProtector` of a secret key: it has no length in front.

    Its two classes declare no primitive field and four others in all: two byte arrays and two strings.
    """
    if reader.take(4, "secret.stream") != _STREAM or reader.u8("secret.object") != _OBJECT:
        raise WireError("secret key", reader.position, "no serialized Java object")
    for _ in range(_skip_class(reader)):
        _skip_value(reader)


def _skip_class(reader: Reader) -> int:
    """Move past a class description and its superclasses; the number of object fields that they declare."""
    fields = 0
    for _ in range(_MOST_CLASSES):
        token = reader.u8("secret.class")
        if token == _NULL:
            return fields
        if token == _REFERENCE:
            reader.take(4, "secret.reference")
            return fields
        if token != _CLASS:
            break
        reader.vector(2, "secret.class.name")
        reader.take(9, "secret.class.uid and flags")
        for _ in range(reader.u16("secret.class.fields")):
            kind = reader.u8("secret.field.type")
            reader.vector(2, "secret.field.name")
            if kind not in b"[L":
                raise WireError("secret key", reader.position, "a field of a kind that a sealed object has not")
            _skip_value(reader)
            fields += 1
        if reader.u8("secret.class.end") != _END:
            break
    raise WireError("secret key", reader.position, "no class description of a sealed object")


def _skip_value(reader: Reader) -> None:
    token = reader.u8("secret.value")
    if token == _STRING:
        reader.vector(2, "secret.string")
    elif token == _REFERENCE:
        reader.take(4, "secret.reference")
    elif token == _ARRAY:
        _skip_class(reader)
        reader.vector(4, "secret.bytes")
    elif token != _NULL:
        raise WireError("secret key", reader.position, f"unexpected token 0x{token:02x}")


FORMAT = Format(name="JKS or JCEKS", recognise=_recognise, read=_read)
