"""The server's chain where a connection does not show it: supplied, or seen in another connection of the capture.

TLS 1.3 encrypts the chain, and a resumed session has none. What the same server (address, port and server name) sent
elsewhere in clear, or what keys opened there, is most likely what it sent here; the lengths of the encrypted flight
(`flight`) tell more. A server may have several chains: one for each kind of key, of which it takes one that the client
can verify (RFC 8446 section 4.4.2.2); an old one and a renewed one; or one on each machine behind an address. Which of
them it was is said only where nothing speaks for another.

Of a server and a name each different chain is kept once, with the first and the last connection that had it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

from analyzer.dataclass import dataclass
from analyzer.diagnosis.progress import Progress
from analyzer.registry import cipher_suite_name
from analyzer.tls.connection import CertificateMessage, Connection, Side
from analyzer.tls.messages import ClientHello, is_tls13
from analyzer.trust.certificate import Certificate
from analyzer.trust.signatures import key_family

if TYPE_CHECKING:
    from analyzer.diagnosis.flight import Fit, Flight

__all__ = ["NO_CHAIN", "ChainsSeen", "ServerChain", "is_hidden", "server_chain"]

IssuersOf = Callable[[bytes], Sequence[bytes]]
"""Gives the certificates at hand (DER) that may have issued one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerChain:
    """The chain (DER, wire order) that a server sent, or most likely sent.

    `source` is `captured`, `decrypted`, `supplied` or `inferred`; None without a chain. `agrees`: whether the lengths
    of the encrypted flight are those of this chain, None when they do not tell; `nearly`: those of one of which a
    certificate has been renewed. `unsent` are certificates at hand that
    it did not send, by the lengths. `evidence` are (frame, text).
    """

    certificates: tuple[bytes, ...] = ()
    source: str | None = None
    agrees: bool | None = None
    nearly: bool = False
    unsent: tuple[bytes, ...] = ()
    evidence: tuple[tuple[int | None, str], ...] = ()

    @property
    def is_read(self) -> bool:
        """Whether it was read in the connection itself."""
        return self.source in ("captured", "decrypted")

    @property
    def is_sure(self) -> bool:
        """Whether it was read in the connection itself, or is exactly as long as what was sent there."""
        return self.is_read or self.agrees is True


NO_CHAIN: Final = ServerChain()


def is_hidden(connection: Connection, progress: Progress) -> bool:
    """Whether a server chain that the connection does not show belongs to it, and would tell something."""
    message = connection.chain(Side.SERVER)
    if message is not None and message.chain:
        return not message.complete
    if connection.server_hello is None:
        return False
    if progress.handshake_done and progress.data:
        return False
    return progress.certificate_came or bool(connection.halves[Side.SERVER].lost) or progress.resumed


def server_chain(
    connection: Connection,
    progress: Progress,
    *,
    supplied: Sequence[bytes] = (),
    seen: ChainsSeen | None = None,
    issuers_of: IssuersOf = lambda _: (),
) -> ServerChain:
    """The chain of a connection: its own, else the one `supplied`, else one that was `seen` elsewhere.

    `seen` is for a connection whose chain `is_hidden`. Of one that the capture cuts the other two give the rest, when
    they begin with the same certificates.
    """
    message = connection.chain(Side.SERVER)
    own = NO_CHAIN
    if message is not None and message.chain:
        own = ServerChain(certificates=message.chain, source="decrypted" if message.opened else "captured")
        if message.complete:
            return own
        supplied = supplied if _continues(supplied, message.chain) else ()
    from analyzer.diagnosis.flight import flight_of

    flight = flight_of(connection, progress)
    given = NO_CHAIN
    if supplied and connection.is_tls:
        text = "the chain is not from this connection: it was supplied (--server-chain)"
        given = _placed(tuple(supplied), "supplied", (None, text), _fit(flight, supplied, issuers_of))
    if given.source is None:
        given = own
    if seen is None or (given is not own and given.agrees is not False):
        return given
    sightings = tuple(s for s in seen.of(connection) if _continues(s.chain, own.certificates))
    found = _inferred(connection, progress, flight, sightings, issuers_of)
    return found if found.source is not None or given.source is None else given


def _continues(chain: Sequence[bytes], beginning: Sequence[bytes]) -> bool:
    return tuple(chain[: len(beginning)]) == tuple(beginning)


class ChainsSeen:
    """The chains that servers sent in the connections of a capture."""

    def __init__(self) -> None:
        self._servers: dict[_Server, dict[tuple[bytes, ...], _Sighting]] = {}
        self._bytes = 0

    def take(self, connection: Connection) -> None:
        """Remember the server's chain of a connection, if it shows one and all of it."""
        message = connection.chain(Side.SERVER)
        if message is not None:
            self.again(connection, message)

    def again(self, connection: Connection, message: CertificateMessage) -> None:
        """Remember a connection that is like another, and its Certificate message."""
        hello = connection.client_hello
        if not message.complete or hello is None or not 0 < len(message.chain) <= _LONGEST_CHAIN:
            return
        chains = self._servers.setdefault(_server(connection), {})
        here = _Place(connection.first_time_ns, connection.id, message.packet)
        known = chains.get(message.chain)
        if known is not None:
            chains[message.chain] = known._replace(
                first=min(known.first, here),
                last=max(known.last, here),
                families=known.families | _families(hello, connection.version),
            )
        elif self._bytes < _MOST_BYTES and len(chains) <= _MOST_COMPARED:
            self._bytes += sum(map(len, message.chain))
            chains[message.chain] = _Sighting(message.chain, here, here, _families(hello, connection.version))

    def add(self, other: ChainsSeen) -> None:
        """Add what was seen elsewhere of the same capture."""
        for server, chains in other._servers.items():
            own = self._servers.setdefault(server, {})
            for chain, seen in chains.items():
                known = own.get(chain)
                own[chain] = (
                    seen
                    if known is None
                    else _Sighting(
                        known.chain,
                        min(known.first, seen.first),
                        max(known.last, seen.last),
                        known.families | seen.families,
                    )
                )
        self._bytes = sum(len(der) for chains in self._servers.values() for chain in chains for der in chain)

    def chains_of(self, connection: Connection) -> tuple[tuple[bytes, ...], ...]:
        """The chains of the same server under the same name."""
        return tuple(self._servers.get(_server(connection), ()))

    def of(self, connection: Connection) -> tuple[_Sighting, ...]:
        """These chains, and where they were seen."""
        return tuple(self._servers.get(_server(connection), {}).values())


_MOST_BYTES: Final = 64 << 20
"""Bytes of chains that are remembered: those of thousands of servers."""
_MOST_COMPARED: Final = 16
"""Chains of one server: one that shows more has no usual one."""
_LONGEST_CLIMB: Final = 3
_LONGEST_CHAIN: Final = 32
"""Certificates of a chain that is looked at; a sane one has less than a third of that."""
_PAIRED: Final = frozenset({"rsa", "ec"})
"""Families of keys of which servers have a chain each."""
_PSS: Final = frozenset({0x0804, 0x0805, 0x0806})
_SCHEMES: Final = {0x0807: "ed25519", 0x0808: "ed448", 0x0809: "rsa-pss", 0x080A: "rsa-pss", 0x080B: "rsa-pss"} | (
    dict.fromkeys(_PSS, "rsa")
)
_ALGORITHMS: Final = {1: "rsa", 3: "ec"}
"""SignatureAlgorithm of RFC 5246 section 7.4.1.4.1, the lower byte of the older SignatureSchemes."""

_Server = tuple[str, str | None, str | None]


class _Place(NamedTuple):
    time_ns: int
    connection: int
    packet: int


class _Sighting(NamedTuple):
    """A chain, the first and the last connection that had it, and the key families that their clients can verify."""

    chain: tuple[bytes, ...]
    first: _Place
    last: _Place
    families: frozenset[str]


def _server(connection: Connection) -> _Server:
    hello = connection.client_hello
    name = None if hello is None else hello.server_name
    target = None if connection.prelude is None else connection.prelude.target
    return str(connection.server), None if target is None else str(target), None if name is None else name.lower()


def _families(hello: ClientHello, version: int | None) -> frozenset[str]:
    """The families of keys that a client can verify, by what it offers.

    Up to TLS 1.2 the cipher suite names the family too (RFC 8422 section 2, RFC 5246 section 7.4.2).
    """
    return _offered_families(hello.signature_algorithms, hello.cipher_suites, is_tls13(version))


@lru_cache(maxsize=64)
def _offered_families(schemes: tuple[int, ...], suites: tuple[int, ...], thirteen: bool) -> frozenset[str]:
    if thirteen:
        return frozenset(_SCHEMES.get(s) or ("ec" if s & 0xFF == 3 else "") for s in schemes) - {""}
    by_scheme = {_SCHEMES.get(scheme) or _ALGORITHMS.get(scheme & 0xFF, "") for scheme in schemes}
    names = [cipher_suite_name(suite) for suite in suites]
    by_suite = {"ec"} if any("_ECDSA_" in name for name in names) else set()
    if any("_RSA_WITH" in name for name in names):
        by_suite.add("rsa")
    return frozenset(by_suite & by_scheme if schemes else by_suite)


def _fit(flight: Flight | None, chain: Sequence[bytes], issuers_of: IssuersOf) -> Fit | None:
    if flight is None or len(chain) > _LONGEST_CHAIN:
        return None
    from analyzer.diagnosis.flight import fit

    return fit(flight, chain, _climb(chain, issuers_of))


def _climb(chain: Sequence[bytes], issuers_of: IssuersOf) -> tuple[bytes, ...]:
    """The certificates at hand that lead on from a chain: they may have been sent as well."""
    found: list[bytes] = []
    last = chain[-1]
    while len(found) < _LONGEST_CLIMB:
        above = [der for der in issuers_of(last) if der not in chain and der not in found]
        if not above:
            break
        last = above[0]
        found.append(last)
    return tuple(found)


def _placed(
    chain: tuple[bytes, ...], source: str, origin: tuple[int | None, str], fits: Fit | None, *more: tuple[None, str]
) -> ServerChain:
    if fits is None:
        return ServerChain(certificates=chain, source=source, evidence=(origin, *more))
    return ServerChain(
        certificates=fits.sent,
        source=source,
        agrees=fits.agrees,
        nearly=fits.nearly,
        unsent=tuple(der for der in chain if der not in fits.sent),
        evidence=(origin, (fits.packet, fits.text), *more),
    )


def _inferred(
    connection: Connection,
    progress: Progress,
    flight: Flight | None,
    sightings: tuple[_Sighting, ...],
    issuers_of: IssuersOf,
) -> ServerChain:
    """The chain that the server sent elsewhere, if it is clear which; else why it is not."""
    hello = connection.client_hello
    if not sightings or hello is None:
        return NO_CHAIN
    offered = _families(hello, connection.version)
    usable = [s for s in sightings if (key_family(Certificate.parse(s.chain[0])) or "") in offered or not offered]
    if not usable:
        return _unclear("sent elsewhere in this capture only chains whose keys this client does not take")
    if len(usable) > _MOST_COMPARED:
        return _unclear(f"sent more than {_MOST_COMPARED} different chains elsewhere in this capture")
    fits = {s.chain: _fit(flight, s.chain, issuers_of) for s in usable}
    left = [s for s in usable if (found := fits[s.chain]) is None or (found.agrees is not False and not found.nearly)]
    if not left:
        found = fits[usable[0].chain]
        why = "" if found is None else f" ({found.text})"
        return _unclear(f"sent another chain elsewhere in this capture, which is not as long as what it sent here{why}")
    exact = [s for s in left if (found := fits[s.chain]) is not None and found.agrees]
    chosen = _nearest(exact or left, connection.first_time_ns)
    if chosen is None:
        count = len(exact or left)
        return _unclear(f"sent {count} different chains elsewhere in this capture; nothing tells which it sent here")
    if not exact and _other_key(chosen, offered, flight):
        return _unclear(
            "sent a chain elsewhere in this capture to a client that offers fewer signature algorithms; "
            "to this one it may have sent another"
        )
    near = min((chosen.first, chosen.last), key=lambda place: abs(place.time_ns - connection.first_time_ns))
    why = "the session was resumed, so no certificate was sent; " if progress.resumed else ""
    text = (
        f"{why}the chain is inferred: {connection.server} sent it{_under(hello)} in another connection of this capture "
        f"(tcp.stream {near.connection}, packet {near.packet})"
    )
    return _placed(chosen.chain, "inferred", (near.packet, text), fits[chosen.chain])


def _unclear(text: str) -> ServerChain:
    return ServerChain(evidence=((None, f"the server {text}: no chain is inferred"),))


def _under(hello: ClientHello) -> str:
    return f" for {hello.server_name}" if hello.server_name else " to a client that named no host either"


def _nearest(sightings: Sequence[_Sighting], time_ns: int) -> _Sighting | None:
    """The chain that was in use at a time: the one seen before and after it, or at the near end; None when unclear.

    Chains that were in use at the same time, on several machines or by turns, tell nothing.
    """
    ordered = sorted(sightings, key=lambda sighting: sighting.first)
    if any(one.last > other.first for one, other in pairwise(ordered)):
        return None
    before = [s for s in ordered if s.first.time_ns <= time_ns]
    if not before:
        return ordered[0]
    current = before[-1]
    return current if current is ordered[-1] or time_ns <= current.last.time_ns else None


def _other_key(sighting: _Sighting, offered: frozenset[str], flight: Flight | None) -> bool:
    """Whether the server may hold a chain with a key of another family for this client than for those it answered."""
    from analyzer.diagnosis.flight import verify_lengths

    leaf = Certificate.parse(sighting.chain[0])
    if flight is not None and flight.verify is not None and flight.verify in verify_lengths(leaf):
        return False
    return bool((offered & _PAIRED) - sighting.families)
