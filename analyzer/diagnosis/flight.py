"""Whether a chain is as long as what a server sent encrypted.

In TLS 1.3 the server's flight is EncryptedExtensions, perhaps CertificateRequest, Certificate, CertificateVerify and
Finished (RFC 8446 section 2). All but the first two have a length that follows from the chain, the leaf's key and the
cipher suite. What is not known: the answer to the client's extensions, a stapled OCSP response or SCTs (section
4.4.2.1, only if the client asked), a compression (RFC 8879, likewise).

Most servers give each message a record of its own. Then the length of Certificate shows to the byte, and one that is
equal to a chain's is no coincidence. Where messages share records only their sum shows, and what fits then is no more
than likely.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.lengths import JAVA_PADDING, certificate_length, record_lengths
from analyzer.diagnosis.progress import Progress
from analyzer.registry import ExtensionType
from analyzer.tls.connection import Connection
from analyzer.tls.messages import ClientHello
from analyzer.trust.certificate import Certificate
from analyzer.trust.signatures import key_family

__all__ = ["Fit", "Flight", "fit", "flight_of", "verify_lengths"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """What a server's encrypted flight shows of its messages. Lengths are bytes, those of messages with their header.

    `certificate` has the lengths that its Certificate message can have, none where it shares its records; `verify` is
    that of CertificateVerify where it has a record of its own. `sum` is that of all messages but Finished, of which
    EncryptedExtensions has at most `room`. `more`: the client asked for what may be sent beside the certificates,
    `compressible`: it takes a compressed message, `delegated`: a signature by a key that is not the leaf's.
    """

    certificate: tuple[int, ...]
    verify: int | None
    sum: int
    room: int
    more: bool
    compressible: bool
    delegated: bool
    packet: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What a flight's length says of a chain.

    `agrees` is True when some of the certificates, the leaf among them, are exactly as long as what was sent; False
    when none can be; None when that is not known. `nearly`: a few bytes lack or are too many, as when one of the
    certificates has been renewed. `sent` are the certificates that were sent, by the lengths; the whole chain where
    they do not tell. `text` is the evidence.
    """

    agrees: bool | None
    nearly: bool = False
    sent: tuple[bytes, ...]
    packet: int
    text: str


def flight_of(connection: Connection, progress: Progress) -> Flight | None:
    """The server's encrypted flight; None where there is none, or not the whole of it."""
    hello, records = connection.client_hello, progress.hidden_flight
    if hello is None or not hello.complete or not progress.certificate_came or not records:
        return None
    lengths = record_lengths(connection)
    contents = [record.length - lengths.overhead for record in records]
    finished = lengths.finished - lengths.overhead
    certificate, verify = _told_apart(contents, finished)
    offered = {extension.type for extension in hello.extensions}
    return Flight(
        certificate=certificate,
        verify=verify,
        sum=sum(contents) - finished,
        room=_room(hello),
        more=bool(offered & _ADD_TO_CERTIFICATE),
        compressible=ExtensionType.COMPRESS_CERTIFICATE in offered,
        delegated=ExtensionType.DELEGATED_CREDENTIAL in offered,
        packet=records[-1].packet,
        bytes=sum(record.length for record in records),
    )


def fit(flight: Flight, chain: Sequence[bytes], further: Sequence[bytes] = ()) -> Fit:
    """Compare a flight with a chain (DER, the leaf first).

    `further` are certificates that continue it and may have been sent as well.
    """
    parts = _Parts(chain, further)
    leaf = Certificate.parse(chain[0])
    verify = verify_lengths(leaf)
    if flight.certificate and not flight.delegated and verify and flight.verify not in verify:
        text = f"its CertificateVerify of {flight.verify} bytes is none that the key of {leaf.title} makes"
        return _fit(flight, parts, agrees=False, part=parts.whole, text=f"{text}: {_ANOTHER}")
    return _by_message(flight, parts) if flight.certificate else _by_sum(flight, parts, verify)


def verify_lengths(leaf: Certificate) -> range:
    """Bytes that a CertificateVerify message (RFC 8446 section 4.4.3) by the key of `leaf` has; empty when unknown."""
    signature = _SIGNATURES.get(key_family(leaf))
    if signature is None or not leaf.key_bits:
        return range(0)
    shortest, longest = signature(leaf.key_bits)
    return range(8 + shortest, 8 + longest + 1)


_EMPTY_EXTENSIONS: Final = 6
"""RFC 8446 section 4.3.1: type, length, an empty list."""
_VERIFY: Final = (range(72, 1033), range(2428, 2429), range(3317, 3318), range(4635, 4636))
"""Bytes of a CertificateVerify: from Ed25519 to RSA of 8192 bits, and ML-DSA (FIPS 204)."""
_ADD_TO_CERTIFICATE: Final = frozenset(
    {
        ExtensionType.STATUS_REQUEST,
        ExtensionType.STATUS_REQUEST_V2,
        ExtensionType.SIGNED_CERTIFICATE_TIMESTAMP,
        ExtensionType.DELEGATED_CREDENTIAL,
    }
)
_LEAST_ADDED: Final = 64
"""Bytes of an OCSP response, a list of SCTs or a delegated credential: a signature at the least."""
_NEAR: Final = 16
"""Bytes by which two certificates differ that one CA issued for the same names: serial number and signature."""
_MOST_PARTS: Final = 6
"""Certificates of which any may have been left out; of a longer chain only the end."""
_ANSWERS: Final = {
    ExtensionType.SERVER_NAME: 4,
    ExtensionType.MAX_FRAGMENT_LENGTH: 5,
    ExtensionType.RECORD_SIZE_LIMIT: 6,
    ExtensionType.EARLY_DATA: 4,
    ExtensionType.SUPPORTED_GROUPS: 48,
    ExtensionType.APPLICATION_SETTINGS: 64,
    ExtensionType.APPLICATION_SETTINGS_OLD: 64,
    ExtensionType.ENCRYPTED_CLIENT_HELLO: 512,
}
"""Bytes that the answer to an extension takes in EncryptedExtensions, at the most."""
_ANOTHER: Final = "what was sent is another chain"


def _ecdsa(bits: int) -> tuple[int, int]:
    """Ecdsa-Sig-Value (RFC 3279 section 2.2.3): two INTEGERs, of which leading zeros are left out."""
    longest = 2 * (2 + bits // 8 + 1)
    return longest - 6 + 2, longest + (2 if longest < 128 else 3)


def _modulus(bits: int) -> tuple[int, int]:
    """RFC 8017 section 8: as many as the modulus has."""
    return (bits + 7) // 8, (bits + 7) // 8


_SIGNATURES: Final[dict[str | None, Callable[[int], tuple[int, int]]]] = {
    "rsa": _modulus,
    "rsa-pss": _modulus,
    "ec": _ecdsa,
    "ed25519": lambda _: (64, 64),
    "ed448": lambda _: (114, 114),
}
"""Bytes of a signature (shortest, longest) by the key's size in bits."""


class _Parts:
    """Certificates of a chain, and all that may have been sent of them: lists of their places."""

    def __init__(self, chain: Sequence[bytes], further: Sequence[bytes]) -> None:
        self.certificates = (*chain, *further)
        self.whole = tuple(range(len(chain)))
        count = len(self.certificates)
        if count <= _MOST_PARTS:
            above = [rest for size in range(count) for rest in combinations(range(1, count), size)]
        else:
            above = [tuple(range(1, size)) for size in range(1, count + 1)]
        self.all = [(0, *rest) for rest in above]

    def length(self, part: tuple[int, ...]) -> int:
        """Bytes of a Certificate message with them."""
        return certificate_length(tuple(len(self.certificates[place]) for place in part))

    def likeliest(self, parts: Iterable[tuple[int, ...]]) -> tuple[int, ...] | None:
        """The whole chain if it is among them, else the only one."""
        found = list(parts)
        return self.whole if self.whole in found else found[0] if len(found) == 1 else None

    def longest(self, parts: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
        """The whole chain if it is among them, else the longest, preferably of those that are a beginning of it."""
        return max(parts, key=lambda part: (part == self.whole, part == tuple(range(len(part))), self.length(part)))

    def named(self, part: tuple[int, ...]) -> str:
        """For a sentence."""
        titles = [Certificate.parse(self.certificates[place]).title for place in part]
        return f"{titles[0]} alone" if len(titles) == 1 else " and ".join((", ".join(titles[:-1]), titles[-1]))


def _told_apart(contents: Sequence[int], finished: int) -> tuple[tuple[int, ...], int | None]:
    """The lengths that Certificate can have, and that of CertificateVerify, where each has records of its own."""
    for last in range(3, len(contents)):
        padding = contents[last] - finished
        verify = contents[last - 1] - padding
        if padding not in (0, JAVA_PADDING) or not any(verify in lengths for lengths in _VERIFY):
            continue
        before = [content - padding for content in contents[: last - 1]]
        # EncryptedExtensions stands first; the next may be a CertificateRequest.
        found = tuple(sum(before[start:]) for start in (1, 2) if start < len(before))
        return (found, verify) if before[0] >= _EMPTY_EXTENSIONS else ((), None)
    return (), None


def _room(hello: ClientHello) -> int:
    """The most bytes that EncryptedExtensions has: a server answers only what was offered (RFC 8446 section 4.2)."""
    offered = {extension.type for extension in hello.extensions}
    protocol = 7 + max(map(len, hello.alpn), default=0) if hello.alpn else 0
    return _EMPTY_EXTENSIONS + protocol + sum(size for kind, size in _ANSWERS.items() if kind in offered)


def _by_message(flight: Flight, parts: _Parts) -> Fit:
    """Where the length of Certificate is known."""
    excess = {part: min((length - parts.length(part) for length in flight.certificate), key=abs) for part in parts.all}
    equal = [part for part, more in excess.items() if not more]
    if equal:
        part = parts.likeliest(equal)
        if part is not None:
            text = f"exactly what a Certificate message with {parts.named(part)} takes ({parts.length(part):,} bytes)"
            return _fit(flight, parts, agrees=True, part=part, text=text + _too_long(parts, part))
        text = f"it is as long with {parts.named(equal[0])} as with {parts.named(equal[1])}"
        return _fit(flight, parts, agrees=None, part=parts.whole, text=text)
    near = [part for part, more in excess.items() if abs(more) <= _NEAR]
    part = parts.likeliest(near)
    if part is not None:
        text = (
            f"within {abs(excess[part])} bytes of {parts.named(part)} ({parts.length(part):,} bytes): "
            "a certificate that was renewed differs by as much"
        )
        return replace(_fit(flight, parts, agrees=None, part=part, text=text + _too_long(parts, part)), nearly=True)
    longest = max(flight.certificate)
    return _unequal(flight, parts, {part: longest - parts.length(part) for part in parts.all}, least=_LEAST_ADDED)


def _by_sum(flight: Flight, parts: _Parts, verify: range) -> Fit:
    """Where only the sum of several messages is known."""
    signature = verify or range(min(map(min, _VERIFY)), max(map(max, _VERIFY)) + 1)
    left = {part: flight.sum - parts.length(part) - max(signature) for part in parts.all}
    spread = max(signature) - min(signature)
    fitting = [part for part, rest in left.items() if rest + spread >= _EMPTY_EXTENSIONS and rest <= flight.room]
    part = parts.likeliest(fitting)
    if part is not None:
        text = f"what a flight with {parts.named(part)} takes, and {max(left[part], 0):,} bytes for EncryptedExtensions"
        return _fit(flight, parts, agrees=None, part=part, text=text + _too_long(parts, part))
    return _unequal(flight, parts, {part: rest + spread for part, rest in left.items()}, least=_EMPTY_EXTENSIONS)


def _unequal(flight: Flight, parts: _Parts, excess: dict[tuple[int, ...], int], *, least: int) -> Fit:
    """Nothing fits as it is: what was sent is longer by something that is not known, or is another chain."""
    if flight.compressible and excess[parts.whole] < 0:
        text = "the client takes compressed certificates (RFC 8879), so their length says nothing"
        return _fit(flight, parts, agrees=None, part=parts.whole, text=text)
    possible = [part for part, more in excess.items() if more >= least]
    if possible and (flight.more or not flight.certificate):
        part = parts.longest(possible)
        text = f"{excess[part]:,} bytes more than {parts.named(part)} takes"
        if part != parts.whole:
            text += f"; it is too short for the whole chain ({parts.length(parts.whole):,} bytes)"
        return _fit(flight, parts, agrees=None, part=part, text=text)
    sizes = f"the whole chain would take {parts.length(parts.whole):,} bytes, the leaf alone {parts.length((0,)):,}"
    return _fit(flight, parts, agrees=False, part=parts.whole, text=f"{sizes}: {_ANOTHER}")


def _too_long(parts: _Parts, part: tuple[int, ...]) -> str:
    whole = parts.length(parts.whole)
    return f"; the whole chain would take {whole:,}" if part != parts.whole else ""


def _fit(flight: Flight, parts: _Parts, *, agrees: bool | None, part: tuple[int, ...], text: str) -> Fit:
    shown = " or ".join(f"{length:,}" for length in flight.certificate)
    own = f", of which Certificate has {shown}" if flight.certificate else ""
    return Fit(
        agrees=agrees,
        sent=tuple(parts.certificates[place] for place in part),
        packet=flight.packet,
        text=f"the server's encrypted flight has {flight.bytes:,} bytes{own}: {text}",
    )
