"""PKCS#12 (`.p12`, `.pfx`): RFC 7292, with the marks that Java and OpenSSL add.

Read here and not by a library's loader, for four reasons: a loader decrypts private keys, which nobody asked
for; it tells neither Java's mark of trust nor a second private key; it calls a wrong password, a damaged file
and an unknown cipher by one name; and it works through any number of rounds that the file asks for. Private
keys are never decrypted.
"""

from __future__ import annotations

from dataclasses import field

from analyzer.dataclass import dataclass
from analyzer.errors import WireError
from analyzer.trust.der import INTEGER, OID, SEQUENCE, SET
from analyzer.trust.stores import MOST_PROBLEMS, Contents, Format, Found, Trouble, printable
from analyzer.trust.stores._ber import (
    Element,
    children,
    element,
    first_children,
    integer,
    object_identifier,
    octets,
)
from analyzer.trust.stores._certificate import collect, outline
from analyzer.trust.stores._password import (
    MOST_ROUNDS,
    Budget,
    NotOpenedError,
    Secret,
    TooCostlyError,
    UnsupportedError,
    checksum_fits,
    decrypt,
)

__all__ = ["FORMAT"]

_DATA = "1.2.840.113549.1.7.1"
_SIGNED_DATA = "1.2.840.113549.1.7.2"
_ENCRYPTED_DATA = "1.2.840.113549.1.7.6"
_KEY_BAGS = ("1.2.840.113549.1.12.10.1.1", "1.2.840.113549.1.12.10.1.2")
_CERTIFICATE_BAG = "1.2.840.113549.1.12.10.1.3"
_NESTED_BAG = "1.2.840.113549.1.12.10.1.6"
_X509 = "1.2.840.113549.1.9.22.1"
_FRIENDLY_NAME = "1.2.840.113549.1.9.20"
_LOCAL_KEY_ID = "1.2.840.113549.1.9.21"
_JAVA_TRUSTED = "2.16.840.1.113894.746875.1.1"  # Oracle's trustedKeyUsage, set by keytool -importcert
_EXPLICIT_0 = 0xA0
_IMPLICIT_0 = (0x80, 0xA0)
_BMP_STRING = 0x1E
_NESTING = 4
_HOW = "give it with --truststore-password or HSANALYZE_TRUSTSTORE_PASSWORD"


def _recognise(data: bytes) -> bool:
    try:
        version, content = first_children(data, element(data), INTEGER, SEQUENCE)
        (kind,) = first_children(data, content, OID)
        return integer(data, version) == 3 and object_identifier(data, kind) in (_DATA, _SIGNED_DATA)
    except WireError:
        return False


def _read(data: bytes, password: str | None) -> Contents:
    reading = _Reading(password=password)
    try:
        _read_file(data, reading)
    except WireError as error:
        text = f"the PKCS#12 file is damaged after {len(reading.certificates)} certificates ({error}); get it again"
        reading.tell("damaged-store", text)
    except UnsupportedError as error:
        reading.tell("unsupported-encryption", _unsupported(error))
    except TooCostlyError as error:
        reading.tell("too-costly", _too_costly(error))
    entries = _sort_out(reading)
    if not entries and not reading.problems:
        if reading.keys:
            text = (
                "holds a private key and no certificate; export the CA certificates "
                "instead (openssl pkcs12 -export -nokeys)"
            )
            reading.tell("private-key", text)
        else:
            reading.tell("empty", "this PKCS#12 file holds no certificate")
    elif entries and all(entry.kind == "certificate" for entry in entries):
        text = (
            "none of its certificates bears Java's mark of trust, so Java and "
            "keytool find an empty store in it "
            '("the trustAnchors parameter must be non-empty"); for Java make it by `keytool -importcert`'
        )
        reading.tell("not-trusted-by-java", text, note=True)
    return Contents(entries=entries, problems=tuple(reading.problems))


@dataclass(slots=True, kw_only=True)
class _Certificate:
    found: Found
    key_id: bytes | None
    trusted: bool


@dataclass(slots=True, kw_only=True)
class _Reading:
    """What has been found so far, and what may still be tried."""

    password: str | None
    secrets: list[Secret] = field(default_factory=list)
    checksum: bool | None = None
    budget: Budget = field(default_factory=Budget)
    certificates: list[_Certificate] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    problems: list[Trouble] = field(default_factory=list)

    def __post_init__(self) -> None:
        passwords = ("", None) if self.password is None else (self.password, "", None)
        self.secrets = list(dict.fromkeys(map(Secret.of, passwords)))

    def tell(self, code: str, text: str, *, note: bool = False) -> None:
        self.problems.append(Trouble(code=code, text=text, severity="note" if note else "error"))


def _read_file(data: bytes, reading: _Reading) -> None:
    _, content = first_children(data, element(data), INTEGER, SEQUENCE)
    (kind,) = first_children(data, content, OID)
    if object_identifier(data, kind) == _SIGNED_DATA:
        raise UnsupportedError("public-key integrity mode")
    safe = _content(data, content)
    whole = list(_up_to(data, element(data), 3))
    if len(whole) == 3:
        _check_integrity(data, whole[2], safe, reading)
    sealed = False
    for part in children(safe, element(safe)):
        sealed |= _read_part(safe, part, reading)
    _tell_integrity(reading, sealed=sealed)


def _up_to(data: bytes, parent: Element, most: int) -> list[Element]:
    found: list[Element] = []
    for child in children(data, parent):
        found.append(child)
        if len(found) == most:
            break
    return found


def _content(data: bytes, content_info: Element) -> bytes:
    _, explicit = first_children(data, content_info, OID, _EXPLICIT_0)
    return octets(data, element(data, explicit.body, explicit.stop))


def _check_integrity(data: bytes, mac: Element, safe: bytes, reading: _Reading) -> None:
    """Find the password that the checksum was made with; afterwards it is the only one to try."""
    try:
        for number, secret in enumerate(reading.secrets):
            if checksum_fits(data, mac, safe, secret, reading.budget):
                reading.checksum = True
                reading.secrets = [secret, *reading.secrets[:number], *reading.secrets[number + 1 :]]
                if number and reading.password is not None:
                    text = "opens without a password; the one given is not needed for it"
                    reading.tell("password-not-needed", text, note=True)
                return
    except UnsupportedError as error:
        reading.tell("integrity-not-checked", f"its checksum is of a kind not known here ({error})", note=True)
        return
    reading.checksum = False


def _tell_integrity(reading: _Reading, *, sealed: bool) -> None:
    """The verdict on the password, once it is known whether anything was encrypted."""
    if sealed and reading.password is None:
        text = f"is encrypted and needs its password: {_HOW} (keytool's usual one is changeit)"
        reading.tell("password-needed", text)
    elif sealed or (reading.checksum is False and reading.password is not None):
        used = ". The certificates that are not encrypted in it were used all the same" if reading.certificates else ""
        why = "it does not decrypt" if reading.checksum is not False else "its checksum does not fit"
        text = f"the password is wrong, or the file is damaged: {why}{used}; {_HOW}"
        reading.tell("wrong-password", text)
    elif reading.checksum is False:
        text = "read without its password, so its integrity was not checked; the certificates are in clear"
        reading.tell("integrity-not-checked", text, note=True)


def _read_part(safe: bytes, part: Element, reading: _Reading) -> bool:
    """One ContentInfo of the AuthenticatedSafe; whether it stayed shut for want of the password."""
    kind_field, explicit = first_children(safe, part, OID, _EXPLICIT_0)
    kind = object_identifier(safe, kind_field)
    if kind == _DATA:
        plain = _content(safe, part)
        _read_bags(plain, element(plain), reading, 0)
        return False
    if kind != _ENCRYPTED_DATA:
        reading.tell("unsupported-encryption", _unsupported(f"content of type {kind}"))
        return False
    (encrypted,) = first_children(safe, explicit, SEQUENCE)
    _, info = first_children(safe, encrypted, INTEGER, SEQUENCE)
    parts = _up_to(safe, info, 3)
    if len(parts) < 3 or parts[1].tag != SEQUENCE or parts[2].tag not in _IMPLICIT_0:
        raise WireError("EncryptedContentInfo", info.start, "no encrypted content")
    _, algorithm, sealed = parts
    if reading.checksum is False:
        return True
    try:
        plain = _open(safe, algorithm, octets(safe, sealed), reading)
    except NotOpenedError:
        return True
    except UnsupportedError as error:
        reading.tell("unsupported-encryption", _unsupported(error))
        return False
    except TooCostlyError as error:
        reading.tell("too-costly", _too_costly(error))
        return False
    _read_bags(plain, element(plain), reading, 0)
    return False


def _open(safe: bytes, algorithm: Element, content: bytes, reading: _Reading) -> bytes:
    for secret in reading.secrets:
        try:
            plain = decrypt(safe, algorithm, content, secret, reading.budget)
            if element(plain).tag == SEQUENCE:
                return plain
        except NotOpenedError:
            continue
        except WireError:
            if reading.checksum:
                raise
    raise NotOpenedError


def _read_bags(data: bytes, safe_contents: Element, reading: _Reading, depth: int) -> None:
    for bag in children(data, safe_contents):
        if len(reading.problems) >= MOST_PROBLEMS:
            raise WireError("SafeContents", bag.start, "too many damaged entries")
        kind_field, value = first_children(data, bag, OID, _EXPLICIT_0)
        kind = object_identifier(data, kind_field)
        if kind == _NESTED_BAG:
            if depth == _NESTING:
                raise WireError("SafeContents", bag.start, "nested too deeply")
            _read_bags(data, element(data, value.body, value.stop), reading, depth + 1)
            continue
        attributes = _attributes(data, bag)
        if kind in _KEY_BAGS:
            reading.keys.append(attributes.key_id)
        elif kind == _CERTIFICATE_BAG:
            _read_certificate(data, value, attributes, reading)
        else:
            text = "an entry that is neither certificate nor private key is not used"
            reading.tell("unsupported-entry", text, note=True)


@dataclass(slots=True, kw_only=True)
class _Attributes:
    alias: str | None = None
    key_id: bytes | None = None
    trusted: bool = False


def _attributes(data: bytes, bag: Element) -> _Attributes:
    found = _Attributes()
    parts = _up_to(data, bag, 3)
    if len(parts) < 3 or parts[2].tag != SET:
        return found
    for attribute in children(data, parts[2]):
        name, values = first_children(data, attribute, OID, SET)
        first = next(children(data, values), None)
        match object_identifier(data, name):
            case oid if oid == _FRIENDLY_NAME and first is not None and first.tag == _BMP_STRING:
                found.alias = printable(data[first.body : first.stop].decode("utf-16-be", "replace"))
            case oid if oid == _LOCAL_KEY_ID and first is not None:
                found.key_id = data[first.body : first.stop]
            case oid if oid == _JAVA_TRUSTED:
                found.trusted = True
    return found


def _read_certificate(data: bytes, value: Element, attributes: _Attributes, reading: _Reading) -> None:
    bag = element(data, value.body, value.stop)
    kind, explicit = first_children(data, bag, OID, _EXPLICIT_0)
    where = f"the certificate of entry '{attributes.alias}'" if attributes.alias else "a certificate in it"
    if object_identifier(data, kind) != _X509:
        reading.tell("unsupported-entry", f"{where} is not X.509", note=True)
        return
    found = collect(octets(data, element(data, explicit.body, explicit.stop)), where, attributes.alias)
    if isinstance(found, Trouble):
        reading.problems.append(found)
        return
    reading.certificates.append(_Certificate(found=found, key_id=attributes.key_id, trusted=attributes.trusted))


def _sort_out(reading: _Reading) -> tuple[Found, ...]:
    """Say which certificate is trusted, which belongs to a private key, and which has neither mark.

    The chain of a key is that of OpenJDK's PKCS12KeyStore: the certificate with the key's localKeyId, then by
    issuer name through the certificates that are not marked as trusted.
    """
    outlines = [outline(item.found.der) for item in reading.certificates]
    plain = [index for index, item in enumerate(reading.certificates) if not item.trusted]
    by_subject = {outlines[index].subject: index for index in reversed(plain)}
    by_key_id = {reading.certificates[index].key_id: index for index in reversed(plain)}
    place: dict[int, int] = {}
    for key_id in reading.keys:
        at = by_key_id.get(key_id) if key_id is not None else None
        depth = 0
        while at is not None and at not in place:
            place[at] = depth
            at, depth = by_subject.get(outlines[at].issuer), depth + 1
    return tuple(
        Found(
            der=item.found.der,
            alias=item.found.alias,
            kind="trusted-certificate" if item.trusted else "private-key-entry" if index in place else "certificate",
            chain_index=place.get(index, 0),
        )
        for index, item in enumerate(reading.certificates)
    )


def _unsupported(what: object) -> str:
    return (
        f"uses {what}, which is not read here; convert it: openssl pkcs12 -in FILE -nokeys -out store.pem, "
        "or keytool -importkeystore -srckeystore FILE -destkeystore store.p12"
    )


def _too_costly(error: TooCostlyError) -> str:
    return (
        f"{error}; more than {MOST_ROUNDS} rounds in one file are refused, as Java does. "
        "If the file is honest, convert it: openssl pkcs12 -in FILE -nokeys -out store.pem"
    )


FORMAT = Format(name="PKCS#12", recognise=_recognise, read=_read)
