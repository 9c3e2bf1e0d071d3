"""One X.509 certificate (RFC 5280 section 4) read field by field, failing softly.

`Certificate.parse` takes any bytes and never raises: what cannot be read is listed in `unreadable`, and only when
the outer structure is broken is the whole certificate `malformed`. Validators disagree on what they refuse to
read; the facts are kept here, the judgement is the profile's. Results are interned by digest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from hashlib import sha1, sha256
from ipaddress import ip_address
from types import MappingProxyType
from typing import Any, Final, TypeVar

from analyzer.dataclass import dataclass
from analyzer.trust import der
from analyzer.trust.der import DerError, Element
from analyzer.trust.model import CertificateInfo

__all__ = [
    "AIA",
    "ANY_EKU",
    "AUTHORITY_KEY_ID",
    "BASIC_CONSTRAINTS",
    "CERTIFICATE_POLICIES",
    "CLIENT_AUTH",
    "CRL_DISTRIBUTION_POINTS",
    "EXTENDED_KEY_USAGE",
    "FRESHEST_CRL",
    "INHIBIT_ANY_POLICY",
    "ISSUER_ALT_NAME",
    "KEY_USAGE",
    "NAME_CONSTRAINTS",
    "POLICY_CONSTRAINTS",
    "POLICY_MAPPINGS",
    "SERVER_AUTH",
    "SUBJECT_ALT_NAME",
    "SUBJECT_KEY_ID",
    "AuthorityKeyId",
    "BasicConstraints",
    "Certificate",
    "Extension",
    "GeneralName",
    "Name",
    "NameConstraints",
    "PolicyConstraints",
    "Subtree",
    "describe",
    "instant",
    "printable",
    "read_name",
    "shortened",
    "subject_of",
]

SUBJECT_KEY_ID: Final = "2.5.29.14"
KEY_USAGE: Final = "2.5.29.15"
SUBJECT_ALT_NAME: Final = "2.5.29.17"
ISSUER_ALT_NAME: Final = "2.5.29.18"
BASIC_CONSTRAINTS: Final = "2.5.29.19"
NAME_CONSTRAINTS: Final = "2.5.29.30"
CRL_DISTRIBUTION_POINTS: Final = "2.5.29.31"
CERTIFICATE_POLICIES: Final = "2.5.29.32"
POLICY_MAPPINGS: Final = "2.5.29.33"
AUTHORITY_KEY_ID: Final = "2.5.29.35"
POLICY_CONSTRAINTS: Final = "2.5.29.36"
EXTENDED_KEY_USAGE: Final = "2.5.29.37"
FRESHEST_CRL: Final = "2.5.29.46"
INHIBIT_ANY_POLICY: Final = "2.5.29.54"
AIA: Final = "1.3.6.1.5.5.7.1.1"

SERVER_AUTH: Final = "1.3.6.1.5.5.7.3.1"
CLIENT_AUTH: Final = "1.3.6.1.5.5.7.3.2"
ANY_EKU: Final = "2.5.29.37.0"

_CA_ISSUERS: Final = "1.3.6.1.5.5.7.48.2"

_LONGEST_NAME: Final = 2048
"""Characters of a name that are shown; the bounds of X.520 make an honest one of a few hundred the longest."""

DIGITAL_SIGNATURE: Final = 1 << 0
KEY_ENCIPHERMENT: Final = 1 << 2
KEY_AGREEMENT: Final = 1 << 4
KEY_CERT_SIGN: Final = 1 << 5
"""Bits of `Certificate.key_usage`: bit n of the integer is named bit n of RFC 5280 section 4.2.1.3."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A distinguished name: its DER, and for each attribute in order (RDN index, type, string tag, content)."""

    der: bytes
    attributes: tuple[tuple[int, str, int, bytes], ...]
    canonical: bytes
    """For comparing names as RFC 5280 section 7.1 wants it: case folded, white space compressed."""

    @property
    def empty(self) -> bool:
        """Whether there is no attribute at all."""
        return not self.attributes

    def values(self, oid: str) -> tuple[str, ...]:
        """The values of one attribute type, as text."""
        return tuple(_string(tag, content) for _, kind, tag, content in self.attributes if kind == oid)

    @property
    def common_names(self) -> tuple[str, ...]:
        """The values of commonName."""
        return self.values("2.5.4.3")

    @property
    def spaced(self) -> str:
        """With a blank after each comma, as Java and OpenSSL print names."""
        return _name_text(self, ", ")

    def __str__(self) -> str:
        return _name_text(self)


def _no_name() -> Name:
    return Name(der=b"0\x00", attributes=(), canonical=b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneralName:
    """A GeneralName (RFC 5280 section 4.2.1.6). `tag` is the identifier octet as it stands.

    `kind` is `other`, `email`, `dns`, `x400`, `dirname`, `edi`, `uri`, `ip`, `rid`, or `wrong` when the tag is none
    of the nine (a primitive [0], for one, which some generators write).
    """

    tag: int
    kind: str
    value: bytes

    @property
    def text(self) -> str:
        """For people; not yet made safe for a terminal."""
        if self.kind == "ip":
            if len(self.value) in (4, 16):
                return str(ip_address(self.value))
            if len(self.value) in (8, 32):
                half = len(self.value) // 2
                mask = int.from_bytes(self.value[half:], "big")
                prefix = mask.bit_count() if _masked_network(self.value) else ip_address(self.value[half:])
                return f"{ip_address(self.value[:half])}/{prefix}"
            return self.value.hex()
        if self.kind == "dirname":
            name = read_name(self.value)
            return str(name) if name is not None else self.value.hex()
        if self.kind in ("dns", "email", "uri"):
            return shortened(self.value.decode("utf-8", "backslashreplace"))
        return self.value[:64].hex()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """One extension as it stands in the certificate."""

    oid: str
    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicConstraints:
    """RFC 5280 section 4.2.1.9."""

    ca: bool
    path_length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorityKeyId:
    """RFC 5280 section 4.2.1.1. `issuer` is the first directory name given, `serial` the raw INTEGER content."""

    key_id: bytes | None
    issuer: Name | None
    serial: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Subtree:
    """One subtree of a name constraint; `bounded` when minimum or maximum are given (RFC 5280 forbids them)."""

    base: GeneralName
    bounded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NameConstraints:
    """RFC 5280 section 4.2.1.10."""

    permitted: tuple[Subtree, ...]
    excluded: tuple[Subtree, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyConstraints:
    """RFC 5280 section 4.2.1.11."""

    require_explicit: int | None
    inhibit_mapping: int | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Certificate:
    """One certificate. Two are equal when their DER is.

    Times are seconds since 1970, None where unreadable. `key_bits` is the modulus or curve size in bits, 0 when
    unknown. `unreadable` maps a field name or extension OID to the reason; `malformed` is the reason for which
    nothing at all could be made of it, else None.
    """

    der: bytes
    sha256: str
    sha1: str
    malformed: str | None = None
    version: int = 1
    serial: int = 0
    serial_bytes: bytes = b""
    tbs: bytes = b""
    signature_oid: str = ""
    signature_parameters: bytes = b""
    inner_signature: bytes = b""
    outer_signature: bytes = b""
    signature: bytes = b""
    issuer: Name = field(default_factory=_no_name)
    subject: Name = field(default_factory=_no_name)
    not_before: int | None = None
    not_after: int | None = None
    spki: bytes = b""
    key_oid: str = ""
    key_parameters: bytes = b""
    key_bits: int = 0
    curve: str | None = None
    extensions: tuple[Extension, ...] = ()
    subject_key_id: bytes | None = None
    authority_key_id: AuthorityKeyId | None = None
    basic_constraints: BasicConstraints | None = None
    key_usage: int | None = None
    extended_key_usage: tuple[str, ...] | None = None
    alt_names: tuple[GeneralName, ...] | None = None
    name_constraints: NameConstraints | None = None
    policies: tuple[str, ...] | None = None
    policy_mappings: tuple[tuple[str, str], ...] = ()
    policy_constraints: PolicyConstraints | None = None
    inhibit_any_policy: int | None = None
    ca_issuers: tuple[str, ...] = ()
    unreadable: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Certificate) and self.der == other.der

    def __hash__(self) -> int:
        return hash(self.sha256)

    @staticmethod
    def parse(data: bytes) -> Certificate:
        """Read a certificate; never raises. Calls with the same bytes give the same object."""
        return _parse(bytes(data))

    @property
    def self_issued(self) -> bool:
        """Whether subject and issuer are the same name."""
        return self.subject.canonical == self.issuer.canonical

    @property
    def self_signed(self) -> bool:
        """Self-issued, and nothing in the authority key identifier speaks against it; the signature is not checked."""
        named = self.authority_key_id
        if not self.self_issued or named is None:
            return self.self_issued
        own = self.subject_key_id
        return (
            (named.key_id is None or own is None or named.key_id == own)
            and (named.serial is None or named.serial == self.serial_bytes)
            and (named.issuer is None or named.issuer.canonical == self.issuer.canonical)
        )

    @property
    def is_ca(self) -> bool:
        """Whether basic constraints say CA; for version 1, whether it is self-issued."""
        if self.basic_constraints is not None:
            return self.basic_constraints.ca
        return self.version < 3 and self.self_issued

    @property
    def critical(self) -> tuple[str, ...]:
        """The OIDs of the critical extensions, in order."""
        return tuple(e.oid for e in self.extensions if e.critical)

    def alt_names_of(self, kind: str) -> tuple[GeneralName, ...]:
        """The subject alternative names of one kind."""
        return tuple(n for n in self.alt_names or () if n.kind == kind)

    def has_extension(self, oid: str) -> bool:
        """Whether the extension is there, readable or not."""
        return any(e.oid == oid for e in self.extensions)

    @property
    def title(self) -> str:
        """The subject for a sentence, safe to print; the digest's head where there is no subject."""
        text = printable(str(self.subject))
        return f'"{text}"' if text else f"the certificate {self.sha256[:12]}"


def describe(certificate: Certificate, role: str) -> CertificateInfo:
    """The certificate as a report shows it; control characters in its names are made visible."""
    return CertificateInfo(
        sha256=certificate.sha256,
        subject=printable(str(certificate.subject)),
        issuer=printable(str(certificate.issuer)),
        serial=certificate.serial_bytes.hex(),
        not_before=instant(certificate.not_before),
        not_after=instant(certificate.not_after),
        names=tuple(printable(_alt_name_text(n)) for n in certificate.alt_names or ()),
        key=_key_text(certificate),
        signature=_SIGNATURE_NAMES.get(certificate.signature_oid, certificate.signature_oid),
        role="malformed" if certificate.malformed else role,
    )


def instant(seconds: int | None) -> str:
    """Seconds since 1970 as RFC 3339 in UTC; empty when unknown."""
    if seconds is None:
        return ""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return ""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")


def printable(text: str) -> str:
    """Text that may go to a terminal or a ticket: control and direction characters are shown, not obeyed."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def shortened(text: str) -> str:
    """The beginning of a name that is longer than anybody reads, and how much more there is."""
    more = len(text) - _LONGEST_NAME
    return f"{text[:_LONGEST_NAME]}... ({more:,} more characters)" if more > 0 else text


# Reading


@lru_cache(maxsize=8192)
def _parse(data: bytes) -> Certificate:
    digest, fingerprint = sha256(data).hexdigest(), sha1(data, usedforsecurity=False).hexdigest()
    unreadable: dict[str, str] = {}
    try:
        fields = _read_certificate(data, unreadable)
    except DerError as error:
        return Certificate(der=data, sha256=digest, sha1=fingerprint, malformed=str(error))
    return Certificate(der=data, sha256=digest, sha1=fingerprint, unreadable=MappingProxyType(unreadable), **fields)


def _read_certificate(data: bytes, unreadable: dict[str, str]) -> dict[str, Any]:
    outer = der.read(data, 0, len(data), der.SEQUENCE)
    if outer.end != len(data):
        unreadable["trailing"] = f"{len(data) - outer.end} bytes after the certificate"
    tbs = der.read(data, outer.start, outer.end, der.SEQUENCE)
    algorithm = der.read(data, tbs.end, outer.end, der.SEQUENCE)
    signature = der.read(data, algorithm.end, outer.end, der.BIT_STRING)
    signature_oid, signature_parameters = _read_algorithm(data, algorithm)

    position = tbs.start
    version = 1
    element = der.read(data, position, tbs.end)
    if element.tag == 0xA0:
        inner = der.read(data, element.start, element.end, der.INTEGER)
        version = der.integer(data[inner.start : inner.end]) + 1
        element = der.read(data, element.end, tbs.end)
    if element.tag != der.INTEGER:
        raise DerError(f"no serial number at byte {element.header}")
    serial_bytes = data[element.start : element.end]
    inner_algorithm = der.read(data, element.end, tbs.end, der.SEQUENCE)
    issuer = der.read(data, inner_algorithm.end, tbs.end, der.SEQUENCE)
    validity = der.read(data, issuer.end, tbs.end, der.SEQUENCE)
    subject = der.read(data, validity.end, tbs.end, der.SEQUENCE)
    spki = der.read(data, subject.end, tbs.end, der.SEQUENCE)

    fields: dict[str, Any] = {
        "version": version,
        "serial": der.integer(serial_bytes) if serial_bytes else 0,
        "serial_bytes": serial_bytes,
        "tbs": data[tbs.header : tbs.end],
        "signature_oid": signature_oid,
        "signature_parameters": signature_parameters,
        "inner_signature": data[inner_algorithm.start : inner_algorithm.end],
        "outer_signature": data[algorithm.start : algorithm.end],
        "signature": data[signature.start + 1 : signature.end],
        "issuer": _soft(unreadable, "issuer", lambda: _read_name(data[issuer.header : issuer.end]), _no_name()),
        "subject": _soft(unreadable, "subject", lambda: _read_name(data[subject.header : subject.end]), _no_name()),
        "spki": data[spki.header : spki.end],
    }
    if not serial_bytes:
        unreadable["serial"] = "empty"
    times = der.children(data, validity.start, validity.end)
    if len(times) != 2:
        raise DerError(f"{len(times)} times in the validity")
    for name, time in zip(("not_before", "not_after"), times, strict=True):
        fields[name] = _soft(unreadable, name, partial(der.time_value, time.tag, data[time.start : time.end]), None)
    no_fields: dict[str, Any] = {}
    fields.update(_soft(unreadable, "key", lambda: _read_key(data, spki), no_fields))
    none: tuple[Extension, ...] = ()
    extensions = _soft(unreadable, "extensions", lambda: _read_extensions(data, spki.end, tbs.end, unreadable), none)
    fields["extensions"] = extensions
    for extension in extensions:
        reader = _EXTENSIONS.get(extension.oid)
        if reader is not None:
            fields.update(_soft(unreadable, extension.oid, partial(reader, extension.value), no_fields))
    _note_oddities(fields, unreadable)
    return fields


def _note_oddities(fields: dict[str, Any], unreadable: dict[str, str]) -> None:
    """What is readable here and yet refused by some validator; the keys are those of `Profile.refused_unreadable`."""
    serial: bytes = fields["serial_bytes"]
    if serial[:1] >= b"\x80":
        unreadable["serial-negative"] = "a negative serial number"
    if len(serial) > 1 and ((serial[0] == 0 and serial[1] < 0x80) or (serial[0] == 0xFF and serial[1] >= 0x80)):
        unreadable["serial-padded"] = "a serial number that is not minimally encoded"
    if fields["issuer"].empty:
        unreadable["issuer-empty"] = "an empty issuer name"
    if fields.get("curve") == "explicit":
        unreadable["explicit-curve"] = "explicit elliptic curve parameters"
    elif fields.get("curve") is not None and fields["curve"] not in _NIST_CURVES:
        unreadable["unknown-curve"] = f"the elliptic curve {fields['curve']}"
    if fields.get("key_usage") == 0:
        unreadable["key-usage-empty"] = "a key usage without any bit"
    if fields.get("extended_key_usage") == ():
        unreadable["eku-empty"] = "an empty extended key usage"
    for name in fields.get("alt_names") or ():
        unreadable.update(_odd_general_name(name))
    if fields.get("name_constraints") is not None:
        unreadable.update(_odd_constraints(fields["name_constraints"]))
    for extension in fields["extensions"]:
        if extension.critical and extension.oid in (AIA, AUTHORITY_KEY_ID, SUBJECT_KEY_ID):
            unreadable[f"critical-{extension.oid}"] = f"the extension {extension.oid} marked critical"


def _odd_constraints(constraints: NameConstraints) -> dict[str, str]:
    odd = {}
    trees = constraints.permitted + constraints.excluded
    if not trees:
        odd["name-constraints-empty"] = "name constraints without any subtree"
    for tree in trees:
        if tree.base.kind == "wrong":
            odd["name-constraint-form"] = f"a name constraint with tag 0x{tree.base.tag:02x}"
        elif tree.base.kind == "ip" and not _masked_network(tree.base.value):
            odd["name-constraint-address"] = f"an address constraint {tree.base.value[:32].hex()}"
    return odd


def _odd_general_name(name: GeneralName) -> dict[str, str]:
    if name.kind == "wrong":
        return {"alt-name-form": f"an alternative name with tag 0x{name.tag:02x}"}
    if name.kind == "ip" and len(name.value) not in (4, 16):
        key = "alt-name-address" if len(name.value) in (8, 32) else "alt-name-length"
        return {key: f"an address of {len(name.value)} bytes"}
    if name.kind in ("dns", "email", "uri") and not name.value.isascii():
        return {"alt-name-ascii": "an alternative name that is not ASCII"}
    return {}


def _masked_network(value: bytes) -> bool:
    """Whether these are an address and a contiguous mask."""
    if len(value) not in (8, 32):
        return False
    half = len(value) // 2
    mask = int.from_bytes(value[half:], "big")
    inverse = ~mask & ((1 << half * 8) - 1)
    return inverse & (inverse + 1) == 0


_NIST_CURVES: Final = frozenset({"1.3.132.0.33", "1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35"})


_T = TypeVar("_T")


def _soft(unreadable: dict[str, str], what: str, reader: Callable[[], _T], otherwise: _T) -> _T:
    try:
        return reader()
    except (DerError, ValueError) as error:
        unreadable[what] = str(error)
        return otherwise


def subject_of(data: bytes) -> bytes:
    """`Certificate.parse(data).subject.canonical`, and nothing else of the certificate is read."""
    try:
        outer = der.read(data, 0, len(data), der.SEQUENCE)
        tbs = der.read(data, outer.start, outer.end, der.SEQUENCE)
        element = der.read(data, tbs.start, tbs.end)
        if element.tag == 0xA0:
            element = der.read(data, element.end, tbs.end)
        for _ in ("signature", "issuer", "validity", "subject"):
            element = der.read(data, element.end, tbs.end)
        return _read_name(data[element.header : element.end]).canonical
    except (DerError, ValueError):
        return b""


def _read_algorithm(data: bytes, element: Element) -> tuple[str, bytes]:
    oid = der.read(data, element.start, element.end, der.OID)
    return der.oid_text(data[oid.start : oid.end]), data[oid.end : element.end]


def _read_name(data: bytes) -> Name:
    outer = der.read(data, 0, len(data), der.SEQUENCE)
    attributes = []
    canonical = bytearray()
    for index, rdn in enumerate(der.children(data, outer.start, outer.end)):
        if rdn.tag != der.SET:
            raise DerError(f"a name component with tag 0x{rdn.tag:02x}")
        parts = []
        for pair in der.children(data, rdn.start, rdn.end):
            oid = der.read(data, pair.start, pair.end, der.OID)
            value = der.read(data, oid.end, pair.end)
            content = data[value.start : value.end]
            kind = der.oid_text(data[oid.start : oid.end])
            attributes.append((index, kind, value.tag, content))
            parts.append(data[oid.header : oid.end] + _canonical_value(value.tag, content))
        canonical += b"\x31" + b"".join(sorted(parts)) + b"\x00"
    return Name(der=data, attributes=tuple(attributes), canonical=bytes(canonical))


def _canonical_value(tag: int, content: bytes) -> bytes:
    """Strings as OpenSSL and Java compare them: UTF-8, ASCII lower case, inner white space as one blank."""
    if tag not in _STRING_TAGS:
        return bytes([tag]) + len(content).to_bytes(4, "big") + content
    text = " ".join(_string(tag, content).split())
    folded = text.lower() if text.isascii() else "".join(c.lower() if c.isascii() else c for c in text)
    encoded = folded.encode("utf-8", "surrogatepass")
    return b"\x0c" + len(encoded).to_bytes(4, "big") + encoded


_STRING_TAGS: Final = frozenset({0x0C, 0x12, 0x13, 0x14, 0x16, 0x1A, 0x1C, 0x1E})


def _string(tag: int, content: bytes) -> str:
    """A directory string as text; unknown types in hex as RFC 4514 section 2.4 writes them."""
    if tag == 0x1E:
        return content.decode("utf-16-be", "replace")
    if tag == 0x1C:
        return content.decode("utf-32-be", "replace")
    if tag == 0x14:
        return content.decode("latin-1")
    if tag in _STRING_TAGS:
        return content.decode("utf-8", "backslashreplace")
    return "#" + content[:256].hex()


def read_name(data: bytes) -> Name | None:
    """A distinguished name from its DER; None when it is none."""
    try:
        return _read_name(data)
    except DerError:
        return None


def _read_key(data: bytes, spki: Element) -> dict[str, Any]:
    algorithm = der.read(data, spki.start, spki.end, der.SEQUENCE)
    key = der.read(data, algorithm.end, spki.end, der.BIT_STRING)
    oid, parameters = _read_algorithm(data, algorithm)
    fields: dict[str, Any] = {"key_oid": oid, "key_parameters": parameters}
    if oid in ("1.2.840.113549.1.1.1", "1.2.840.113549.1.1.10"):
        outer = der.read(data, key.start + 1, key.end, der.SEQUENCE)
        modulus = der.read(data, outer.start, outer.end, der.INTEGER)
        fields["key_bits"] = int.from_bytes(data[modulus.start : modulus.end], "big").bit_length()
    elif oid == "1.2.840.10045.2.1":
        if parameters[:1] == b"\x06":
            inner = der.read(parameters, 0, len(parameters))
            curve = der.oid_text(parameters[inner.start : inner.end])
            fields["curve"] = curve
            fields["key_bits"] = _CURVES.get(curve, ("", 0))[1]
        else:
            fields["curve"] = "explicit"
            fields["key_bits"] = (key.end - key.start - 2) // 2 * 8
    elif oid == "1.2.840.10040.4.1":
        fields["key_bits"] = _dsa_bits(parameters)
    else:
        fields["key_bits"] = _FIXED_KEYS.get(oid, ("", 0))[1]
    return fields


def _dsa_bits(parameters: bytes) -> int:
    if not parameters:
        return 0
    outer = der.read(parameters, 0, len(parameters), der.SEQUENCE)
    prime = der.read(parameters, outer.start, outer.end, der.INTEGER)
    return int.from_bytes(parameters[prime.start : prime.end], "big").bit_length()


def _read_extensions(data: bytes, position: int, end: int, unreadable: dict[str, str]) -> tuple[Extension, ...]:
    while position < end:
        element = der.read(data, position, end)
        if element.tag == 0xA3:
            break
        position = element.end
    else:
        return ()
    outer = der.read(data, element.start, element.end, der.SEQUENCE)
    found = []
    for item in der.children(data, outer.start, outer.end):
        oid = der.read(data, item.start, item.end, der.OID)
        following = der.read(data, oid.end, item.end)
        critical = False
        if following.tag == der.BOOLEAN:
            critical = data[following.start : following.end] != b"\x00"
            if not critical:
                unreadable.setdefault("default", "an encoded default value (critical FALSE)")
            following = der.read(data, following.end, item.end)
        if following.tag != der.OCTET_STRING:
            raise DerError(f"an extension without its OCTET STRING at byte {following.header}")
        value = data[following.start : following.end]
        found.append(Extension(oid=der.oid_text(data[oid.start : oid.end]), critical=critical, value=value))
    seen = [e.oid for e in found]
    if len(set(seen)) != len(seen):
        unreadable["duplicate"] = "the same extension twice"
    return tuple(found)


# Extensions: content in, fields of `Certificate` out


def _whole(value: bytes, tag: int) -> Element:
    element = der.read(value, 0, len(value), tag)
    if element.end != len(value):
        raise DerError(f"{len(value) - element.end} bytes left over")
    return element


def _read_subject_key_id(value: bytes) -> dict[str, Any]:
    element = _whole(value, der.OCTET_STRING)
    return {"subject_key_id": value[element.start : element.end]}


def _read_key_usage(value: bytes) -> dict[str, Any]:
    element = _whole(value, der.BIT_STRING)
    content = value[element.start : element.end]
    if not content or content[0] > 7:
        raise DerError("a BIT STRING without its count of unused bits")
    usage = 0
    for index, octet in enumerate(content[1:3]):
        for bit in range(8):
            if octet & 0x80 >> bit:
                usage |= 1 << (index * 8 + bit)
    return {"key_usage": usage}


def _read_basic_constraints(value: bytes) -> dict[str, Any]:
    outer = _whole(value, der.SEQUENCE)
    ca, path_length = False, None
    for element in der.children(value, outer.start, outer.end):
        if element.tag == der.BOOLEAN:
            ca = value[element.start : element.end] != b"\x00"
        elif element.tag == der.INTEGER:
            path_length = der.integer(value[element.start : element.end])
        else:
            raise DerError(f"tag 0x{element.tag:02x} in basic constraints")
    return {"basic_constraints": BasicConstraints(ca=ca, path_length=path_length)}


def _read_eku(value: bytes) -> dict[str, Any]:
    outer = _whole(value, der.SEQUENCE)
    usages = []
    for element in der.children(value, outer.start, outer.end):
        if element.tag != der.OID:
            raise DerError(f"tag 0x{element.tag:02x} in extended key usage")
        usages.append(der.oid_text(value[element.start : element.end]))
    return {"extended_key_usage": tuple(usages)}


_GENERAL_NAME_KINDS: Final = {
    0xA0: "other", 0x81: "email", 0x82: "dns", 0xA3: "x400", 0xA4: "dirname", 0xA5: "edi", 0x86: "uri", 0x87: "ip",
    0x88: "rid",
}  # fmt: skip


def _general_name(value: bytes, element: Element) -> GeneralName:
    return GeneralName(
        tag=element.tag,
        kind=_GENERAL_NAME_KINDS.get(element.tag, "wrong"),
        value=value[element.start : element.end],
    )


def _read_alt_names(value: bytes) -> dict[str, Any]:
    outer = _whole(value, der.SEQUENCE)
    return {"alt_names": tuple(_general_name(value, e) for e in der.children(value, outer.start, outer.end))}


def _read_authority_key_id(value: bytes) -> dict[str, Any]:
    outer = _whole(value, der.SEQUENCE)
    key_id, issuer, serial = None, None, None
    for element in der.children(value, outer.start, outer.end):
        if element.tag == 0x80:
            key_id = value[element.start : element.end]
        elif element.tag == 0xA1:
            for name in der.children(value, element.start, element.end):
                if name.tag == 0xA4:
                    issuer = _read_name(value[name.start : name.end])
                    break
        elif element.tag == 0x82:
            serial = value[element.start : element.end]
        else:
            raise DerError(f"tag 0x{element.tag:02x} in the authority key identifier")
    return {"authority_key_id": AuthorityKeyId(key_id=key_id, issuer=issuer, serial=serial)}


def _read_name_constraints(value: bytes) -> dict[str, Any]:
    outer = _whole(value, der.SEQUENCE)
    trees: dict[int, tuple[Subtree, ...]] = {0xA0: (), 0xA1: ()}
    for group in der.children(value, outer.start, outer.end):
        if group.tag not in trees:
            raise DerError(f"tag 0x{group.tag:02x} in name constraints")
        found = []
        for tree in der.children(value, group.start, group.end):
            base = der.read(value, tree.start, tree.end)
            found.append(Subtree(base=_general_name(value, base), bounded=base.end != tree.end))
        trees[group.tag] = tuple(found)
    return {"name_constraints": NameConstraints(permitted=trees[0xA0], excluded=trees[0xA1])}


def _read_policies(value: bytes) -> dict[str, Any]:
    outer = _whole(value, der.SEQUENCE)
    policies = []
    for element in der.children(value, outer.start, outer.end):
        oid = der.read(value, element.start, element.end, der.OID)
        policies.append(der.oid_text(value[oid.start : oid.end]))
    if len(set(policies)) != len(policies):
        raise DerError("the same policy twice")
    return {"policies": tuple(policies)}


def _read_policy_mappings(value: bytes) -> dict[str, Any]:
    outer = _whole(value, der.SEQUENCE)
    pairs = []
    for element in der.children(value, outer.start, outer.end):
        first = der.read(value, element.start, element.end, der.OID)
        second = der.read(value, first.end, element.end, der.OID)
        pairs.append((der.oid_text(value[first.start : first.end]), der.oid_text(value[second.start : second.end])))
    return {"policy_mappings": tuple(pairs)}


def _read_policy_constraints(value: bytes) -> dict[str, Any]:
    outer = _whole(value, der.SEQUENCE)
    found: dict[int, int | None] = {0x80: None, 0x81: None}
    for element in der.children(value, outer.start, outer.end):
        if element.tag not in found:
            raise DerError(f"tag 0x{element.tag:02x} in policy constraints")
        found[element.tag] = der.integer(value[element.start : element.end])
    constraints = PolicyConstraints(require_explicit=found[0x80], inhibit_mapping=found[0x81])
    return {"policy_constraints": constraints}


def _read_inhibit_any_policy(value: bytes) -> dict[str, Any]:
    element = _whole(value, der.INTEGER)
    return {"inhibit_any_policy": der.integer(value[element.start : element.end])}


def _read_aia(value: bytes) -> dict[str, Any]:
    outer = _whole(value, der.SEQUENCE)
    addresses = []
    for element in der.children(value, outer.start, outer.end):
        oid = der.read(value, element.start, element.end, der.OID)
        location = der.read(value, oid.end, element.end)
        if location.tag == 0x86 and der.oid_text(value[oid.start : oid.end]) == _CA_ISSUERS:
            addresses.append(value[location.start : location.end].decode("ascii", "backslashreplace"))
    return {"ca_issuers": tuple(addresses)}


_EXTENSIONS: Final[Mapping[str, Callable[[bytes], dict[str, Any]]]] = {
    SUBJECT_KEY_ID: _read_subject_key_id,
    KEY_USAGE: _read_key_usage,
    SUBJECT_ALT_NAME: _read_alt_names,
    BASIC_CONSTRAINTS: _read_basic_constraints,
    NAME_CONSTRAINTS: _read_name_constraints,
    CERTIFICATE_POLICIES: _read_policies,
    POLICY_MAPPINGS: _read_policy_mappings,
    AUTHORITY_KEY_ID: _read_authority_key_id,
    POLICY_CONSTRAINTS: _read_policy_constraints,
    EXTENDED_KEY_USAGE: _read_eku,
    INHIBIT_ANY_POLICY: _read_inhibit_any_policy,
    AIA: _read_aia,
}


# Text

_ATTRIBUTE_NAMES: Final = {
    "2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST",
    "2.5.4.9": "street", "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.17": "postalCode",
    "2.5.4.42": "GN", "2.5.4.15": "businessCategory", "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID", "0.9.2342.19200300.100.1.25": "DC", "1.2.840.113549.1.9.1": "emailAddress",
}  # fmt: skip


_ESCAPED: Final = re.compile(r'([,+"\\<>;=])')


@lru_cache(maxsize=4096)
def _name_text(name: Name, separator: str = ",") -> str:
    """RFC 4514: the last RDN first, values escaped."""
    groups: dict[int, list[str]] = {}
    for index, oid, tag, content in name.attributes:
        groups.setdefault(index, []).append(f"{_ATTRIBUTE_NAMES.get(oid, oid)}={_escape(_string(tag, content))}")
    return shortened(separator.join("+".join(groups[index]) for index in sorted(groups, reverse=True)))


def _escape(value: str) -> str:
    text = _ESCAPED.sub(r"\\\1", value)
    if text.startswith((" ", "#")):
        text = "\\" + text
    if text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1] + "\\ "
    return text


def _alt_name_text(name: GeneralName) -> str:
    if name.kind in ("dns", "ip"):
        return name.text
    return f"{name.kind}:{name.text}"


_CURVES: Final = {
    "1.2.840.10045.3.1.1": ("P-192", 192),
    "1.3.132.0.33": ("P-224", 224),
    "1.2.840.10045.3.1.7": ("P-256", 256),
    "1.3.132.0.34": ("P-384", 384),
    "1.3.132.0.35": ("P-521", 521),
    "1.3.132.0.10": ("secp256k1", 256),
    "1.3.36.3.3.2.8.1.1.7": ("brainpoolP256r1", 256),
    "1.3.36.3.3.2.8.1.1.11": ("brainpoolP384r1", 384),
    "1.3.36.3.3.2.8.1.1.13": ("brainpoolP512r1", 512),
}

_FIXED_KEYS: Final = {
    "1.3.101.110": ("X25519", 256),
    "1.3.101.111": ("X448", 448),
    "1.3.101.112": ("Ed25519", 256),
    "1.3.101.113": ("Ed448", 456),
}


def _key_text(certificate: Certificate) -> str:
    oid, bits = certificate.key_oid, certificate.key_bits
    if oid == "1.2.840.113549.1.1.1":
        return f"RSA {bits}"
    if oid == "1.2.840.113549.1.1.10":
        return f"RSA-PSS {bits}"
    if oid == "1.2.840.10040.4.1":
        return f"DSA {bits}"
    if oid == "1.2.840.10045.2.1":
        curve = certificate.curve or ""
        name = "explicit parameters" if curve == "explicit" else _CURVES.get(curve, (curve, 0))[0]
        return f"EC {name}"
    return _FIXED_KEYS.get(oid, (oid, 0))[0]


_SIGNATURE_NAMES: Final = {
    "1.2.840.113549.1.1.2": "md2WithRSAEncryption",
    "1.2.840.113549.1.1.3": "md4WithRSAEncryption",
    "1.2.840.113549.1.1.4": "md5WithRSAEncryption",
    "1.2.840.113549.1.1.5": "sha1WithRSAEncryption",
    "1.3.14.3.2.29": "sha1WithRSA",
    "1.2.840.113549.1.1.10": "rsassaPss",
    "1.2.840.113549.1.1.11": "sha256WithRSAEncryption",
    "1.2.840.113549.1.1.12": "sha384WithRSAEncryption",
    "1.2.840.113549.1.1.13": "sha512WithRSAEncryption",
    "1.2.840.113549.1.1.14": "sha224WithRSAEncryption",
    "1.2.840.10040.4.3": "dsa-with-sha1",
    "2.16.840.1.101.3.4.3.1": "dsa-with-sha224",
    "2.16.840.1.101.3.4.3.2": "dsa-with-sha256",
    "1.2.840.10045.4.1": "ecdsa-with-SHA1",
    "1.2.840.10045.4.3.1": "ecdsa-with-SHA224",
    "1.2.840.10045.4.3.2": "ecdsa-with-SHA256",
    "1.2.840.10045.4.3.3": "ecdsa-with-SHA384",
    "1.2.840.10045.4.3.4": "ecdsa-with-SHA512",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
