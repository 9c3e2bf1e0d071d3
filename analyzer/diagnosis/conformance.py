"""What in a handshake breaks the RFCs, as far as the wire shows it in clear: facts, whatever alert or silence follows.

`breaches` lists them, the first on the wire first: which side, in which packet, what, and the section that says so.
`confidence` weighs one against how the handshake ended: who got it must have left on it, not gone on, and not have
named another reason. Only what is in the capture is judged: where bytes are missing, order and absence prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.alerts import CERTIFICATE_ALERTS
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE
from analyzer.diagnosis.curves import share_fault
from analyzer.diagnosis.signed_parameters import key_exchange_fault
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import (
    CipherSuite,
    ContentType,
    ExtensionType,
    HandshakeType,
    ProtocolVersion,
    alpn_name,
    cipher_suite_name,
    compression_method_name,
    extension_name,
    group_name,
    handshake_type_name,
    is_grease,
    signature_scheme_name,
    version_name,
)
from analyzer.tls.connection import Connection, Hello, Side
from analyzer.tls.extensions import Extension, KeyShare
from analyzer.tls.messages import HELLO_RETRY_REQUEST_RANDOM, ClientHello, ServerHello, is_tls13
from analyzer.tls.records import RawMessage
from analyzer.trust.certificate import Certificate
from analyzer.trust.signatures import key_family

__all__ = ["INTEGRITY_ALERTS", "Breach", "breaches", "confidence"]

INTEGRITY_ALERTS: Final = frozenset(
    {
        Alert.UNEXPECTED_MESSAGE,
        Alert.BAD_RECORD_MAC,
        Alert.DECRYPTION_FAILED,
        Alert.RECORD_OVERFLOW,
        Alert.DECOMPRESSION_FAILURE,
        Alert.ILLEGAL_PARAMETER,
        Alert.DECODE_ERROR,
        Alert.DECRYPT_ERROR,
        Alert.MISSING_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
    }
)
"""Alerts by which one side says that what it got breaks the protocol (RFC 8446 section 6.2, RFC 5246 section 7.2.2)."""

_SMALLEST_GROUP: Final = 2048
"""Bits of a Diffie-Hellman prime below which clients refuse it (RFC 8270 section 4, RFC 9325 section 4.1)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """Something that a side sent and may not send.

    `code` is the cause that it speaks for, `rfc` the section that forbids it. `fatal`: whoever gets it must end the
    handshake, and known stacks do; else some go on.
    """

    code: str
    side: Side
    packet: int
    text: str
    rfc: str
    fatal: bool = True

    @property
    def evidence(self) -> str:
        """The fact and its source in one line."""
        return f"{self.text} ({self.rfc})"


@lru_cache(maxsize=4)
def breaches(case: Case) -> tuple[Breach, ...]:
    """What breaks the RFCs before the handshake ended; nothing for a handshake that was completed.

    What some stacks go on with is left out where the peer did.
    """
    ending = case.ending
    if ending is None or ending.packet is None or case.progress.handshake_done:
        return ()
    found: list[Breach] = []
    for check in _CHECKS:
        found += check(case.connection)
        if found and found[0].code == _VERSION:
            break  # what follows is the consequence
    told = (item for item in found if item.packet <= ending.packet and (item.fatal or not _carried_on(case, item)))
    return tuple(sorted(told, key=lambda item: item.packet))


def confidence(case: Case, breach: Breach) -> str:
    """How sure it is that the handshake ended for this."""
    ending = case.ending
    if ending is None or _carried_on(case, breach):
        return POSSIBLE
    alert = case.fatal_alert
    if ending.side is breach.side:
        return POSSIBLE
    if alert in CERTIFICATE_ALERTS or alert in _OTHER_REASONS:
        return POSSIBLE
    if breach.fatal or alert in INTEGRITY_ALERTS:
        return CERTAIN
    return LIKELY if alert is not None or case.progress.stage == "client-hello" else POSSIBLE


def _key_exchange_name(suite: int | None) -> str:
    """`ECDHE_RSA` of TLS_ECDHE_RSA_WITH_...: the key exchange of a suite before TLS 1.3; empty for any other."""
    exchange, found, _ = cipher_suite_name(suite or 0).removeprefix("TLS_").partition("_WITH_")
    return exchange if found else ""


_VERSION: Final = "protocol-version-mismatch"
_PARAMETERS: Final = "no-shared-cipher"
_INTEGRITY: Final = "handshake-integrity"

_OTHER_REASONS: Final = (
    Alert.UNRECOGNIZED_NAME,
    Alert.CERTIFICATE_REQUIRED,
    Alert.NO_APPLICATION_PROTOCOL,
    Alert.UNKNOWN_PSK_IDENTITY,
    Alert.INAPPROPRIATE_FALLBACK,
)
"""Alerts that name something else."""


def _carried_on(case: Case, breach: Breach) -> bool:
    """Whether the one who got it went on with the handshake all the same."""
    if breach.side is Side.SERVER:
        return case.progress.stage not in ("client-hello", "server-flight")
    answered = case.connection.server_hello_packet
    return answered is not None and answered > breach.packet


def _version(connection: Connection) -> Iterator[Breach]:
    hello, answer, packet = _answered(connection)
    if hello is None or answer is None or packet is None:
        return
    offered = hello.offered_versions
    listed = hello.extension(ExtensionType.SUPPORTED_VERSIONS) is not None
    if listed and not offered:
        return
    wrong = answer.version not in offered if listed else answer.version > hello.legacy_version
    if wrong:
        names = ", ".join(map(version_name, offered))
        most = "" if listed else " at the most"
        yield Breach(
            code=_VERSION,
            side=Side.SERVER,
            packet=packet,
            text=f"the ServerHello chooses {version_name(answer.version)}; the ClientHello offers {names}{most}",
            rfc="RFC 8446 section 4.2.1" if listed else "RFC 5246 section 7.4.1.3",
        )
        return
    sentinel = answer.downgrade_sentinel
    if sentinel is not None and answer.version < sentinel and sentinel in offered and not is_tls13(answer.version):
        yield Breach(
            code=_INTEGRITY,
            side=Side.SERVER,
            packet=packet,
            text=f"the server's random says that it would have chosen {version_name(sentinel)}, which the ClientHello "
            f"that was captured offers, and it chose {version_name(answer.version)}: something on the way took the "
            "version from the ClientHello, or the server is faulty",
            rfc="RFC 8446 section 4.1.3",
            fatal=ProtocolVersion.TLS_1_3 in offered,
        )


def _choices(connection: Connection) -> Iterator[Breach]:
    """What a ServerHello chooses has to be among what was offered."""
    hello, answer, packet = _answered(connection)
    if hello is None or answer is None or packet is None:
        return
    retry = connection.hello_retry
    suite = answer.cipher_suite
    suites, rfc = hello.cipher_suites, _section(answer, "4.1.3", "7.4.1.3")
    if suite is not None and suites and suite not in suites:
        yield _server(packet, f"the ServerHello chooses {cipher_suite_name(suite)}, which was not offered", rfc)
    elif suite is not None and _of_another_version(suite, answer):
        text = f"the ServerHello chooses {cipher_suite_name(suite)}, which is none of {version_name(answer.version)}"
        yield _server(packet, text, "RFC 8446 appendix B.4")
    if retry is not None and None not in (suite, retry.cipher_suite) and suite != retry.cipher_suite:
        text = f"the HelloRetryRequest chose {cipher_suite_name(retry.cipher_suite or 0)}, the ServerHello another one"
        yield _server(packet, text, "RFC 8446 section 4.1.4")
    method = answer.compression_method
    if method and (method not in hello.compression_methods or is_tls13(answer.version)):
        name = compression_method_name(method)
        yield _server(packet, f"the ServerHello chooses the compression {name}, which was not offered", rfc)
    if _is_final_tls13(answer) and answer.session_id != hello.session_id:
        yield _server(packet, "the ServerHello does not repeat the ClientHello's session id", "RFC 8446 section 4.1.3")
    chosen = answer.alpn
    if chosen is not None and chosen not in hello.alpn:
        text = f"the ServerHello chooses the protocol {alpn_name(chosen)}, which was not offered"
        yield _server(packet, text, "RFC 7301 section 3.2", fatal=False)


def _key_share(connection: Connection) -> Iterator[Breach]:
    """The key share of a TLS 1.3 ServerHello."""
    hello, answer, packet = _answered(connection)
    if hello is None or answer is None or packet is None or not _is_final_tls13(answer):
        return
    share = _parsed(answer, ExtensionType.KEY_SHARE)
    if not isinstance(share, KeyShare):
        if not (answer.extension(ExtensionType.KEY_SHARE) or answer.extension(ExtensionType.PRE_SHARED_KEY)):
            text = "the ServerHello has neither a key share nor a pre-shared key"
            yield _server(packet, text, "RFC 8446 section 9.2")
        return
    groups = hello.key_share_groups
    if groups and share.group not in groups:
        names = ", ".join(map(group_name, groups))
        text = f"the ServerHello's key share is of {group_name(share.group)}; the ClientHello has shares of {names}"
        yield _server(packet, text, "RFC 8446 section 4.2.8")
    fault = share_fault(share.group, share.key_exchange)
    if fault is not None:
        yield _server(packet, f"the ServerHello's key share {fault}", "RFC 8446 section 4.2.8")


def _retry(connection: Connection) -> Iterator[Breach]:
    """The HelloRetryRequest, and the ClientHello that answers it."""
    retry = connection.hello_retry
    first = connection.hellos[0] if connection.hellos else None
    if retry is None or first is None or not first.message.complete:
        return
    packet = next((m.packet for m in _messages(connection, Side.SERVER) if _is_retry(m)), first.packet)
    hello, group, rfc = first.message, retry.group, "RFC 8446 section 4.1.4"
    if group is not None and hello.supported_groups and group not in hello.supported_groups:
        text = f"the HelloRetryRequest asks for {group_name(group)}, which the ClientHello does not offer"
        yield _server(packet, text, rfc)
    elif group is not None and group in hello.key_share_groups:
        text = f"the HelloRetryRequest asks for {group_name(group)}, of which the ClientHello has a share already"
        yield _server(packet, text, rfc)
    if group is None and retry.cookie is None:
        yield _server(packet, "the HelloRetryRequest asks for nothing that the ClientHello did not have", rfc)
    suite = retry.cipher_suite
    if suite is not None and hello.cipher_suites and suite not in hello.cipher_suites:
        text = f"the HelloRetryRequest chooses {cipher_suite_name(suite)}, which was not offered"
        yield _server(packet, text, rfc)
    if len(connection.hellos) > 1 and connection.hellos[1].message.complete:
        yield from _second_hello(retry, hello, connection.hellos[1])


def _second_hello(retry: ServerHello, first: ClientHello, second: Hello) -> Iterator[Breach]:
    hello, group, rfc = second.message, retry.group, "RFC 8446 section 4.1.2"
    if group is not None and hello.key_share_groups != (group,):
        names = ", ".join(map(group_name, hello.key_share_groups)) or "none"
        text = f"the HelloRetryRequest asks for a share of {group_name(group)}; the second ClientHello has {names}"
        yield _client(second.packet, text, rfc)
    if retry.cookie is not None and _parsed(hello, ExtensionType.COOKIE) != retry.cookie:
        yield _client(second.packet, "the second ClientHello does not repeat the cookie", "RFC 8446 section 4.2.2")
    if (hello.random, hello.session_id, hello.cipher_suites) != (first.random, first.session_id, first.cipher_suites):
        text = "the second ClientHello has another random, session id or other cipher suites than the first"
        yield _client(second.packet, text, rfc)


def _extensions(connection: Connection) -> Iterator[Breach]:
    """Extensions that were not asked for, that come twice, or that break their format."""
    hello, answer, packet = _answered(connection)
    if hello is not None and answer is not None and packet is not None:
        asked = {extension.type for extension in hello.extensions}
        if CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV in hello.cipher_suites:
            asked.add(ExtensionType.RENEGOTIATION_INFO)
        unasked = [item for item in answer.extensions if item.type not in asked]
        if unasked:
            names = ", ".join(extension_name(item.type) for item in unasked[:4])
            text = f"the ServerHello has extensions that were not asked for: {names}"
            yield _server(packet, text, _section(answer, "4.2", "7.4.1.4"), fatal=False)
        yield from _block_faults(answer.extensions, "ServerHello", Side.SERVER, packet)
        for error in answer.malformed_extensions()[:3]:
            text = f"an extension of the ServerHello is malformed: {error}"
            yield _server(packet, text, "RFC 8446 section 4.2", fatal=False)
    for item in connection.hellos[:2]:
        if not item.message.complete:
            continue
        yield from _block_faults(item.message.extensions, "ClientHello", Side.CLIENT, item.packet)
        for error in item.message.malformed_extensions()[:3]:
            text = f"an extension of the ClientHello is malformed: {error}"
            yield _client(item.packet, text, "RFC 8446 section 4.2", fatal=False)
        yield from _client_hello(item)


def _block_faults(extensions: tuple[Extension, ...], name: str, side: Side, packet: int) -> Iterator[Breach]:
    types = [extension.type for extension in extensions]
    if len(set(types)) != len(types):
        twice = next(kind for index, kind in enumerate(types) if kind in types[:index])
        text = f"the {name} has the extension {extension_name(twice)} twice"
        yield Breach(code=_INTEGRITY, side=side, packet=packet, text=text, rfc="RFC 8446 section 4.2", fatal=False)


def _client_hello(item: Hello) -> Iterator[Breach]:
    """RFC 8446 section 9.2: what goes with TLS 1.3."""
    hello = item.message
    types = [extension.type for extension in hello.extensions]
    if 0 not in hello.compression_methods:
        text = "the ClientHello does not offer to go without compression"
        yield _client(item.packet, text, "RFC 5246 section 7.4.1.2")
    if ProtocolVersion.TLS_1_3 not in hello.offered_versions:
        return
    if ExtensionType.PRE_SHARED_KEY in types:
        if types[-1] != ExtensionType.PRE_SHARED_KEY:
            text = "the ClientHello has extensions behind pre_shared_key"
            yield _client(item.packet, text, "RFC 8446 section 4.2.11", fatal=False)
    else:
        missing = [kind for kind in _WITH_TLS_13 if kind not in types]
        if missing:
            text = f"the ClientHello offers TLS 1.3 without {', '.join(map(extension_name, missing))}"
            yield _client(item.packet, text, "RFC 8446 section 9.2", fatal=False)
    groups = hello.supported_groups
    stray = [group for group in hello.key_share_groups if group not in groups and not is_grease(group)]
    if groups and stray:
        text = f"the ClientHello has a key share of {group_name(stray[0])}, which its supported_groups do not have"
        yield _client(item.packet, text, "RFC 8446 section 4.2.8", fatal=False)


def _key_exchange(connection: Connection) -> Iterator[Breach]:
    """The ServerKeyExchange of TLS 1.2 and before."""
    exchange = connection.server_key_exchange
    hello, answer, _ = _answered(connection)
    packet = connection.packet_of(Side.SERVER, HandshakeType.SERVER_KEY_EXCHANGE)
    if exchange is None or hello is None or answer is None or packet is None or is_tls13(answer.version):
        return
    group, bits, scheme = exchange.group, exchange.dh_prime_bits, exchange.signature_scheme
    if group is not None:
        if hello.supported_groups and group not in hello.supported_groups:
            text = f"the ServerKeyExchange is of {group_name(group)}, which the ClientHello does not offer"
            yield _server(packet, text, "RFC 8422 section 5.1", fatal=False)
        fault = share_fault(group, exchange.public)
        if fault is not None:
            yield _server(packet, f"the point in the ServerKeyExchange {fault}", "RFC 8422 section 5.11")
    if bits is not None and bits < _SMALLEST_GROUP:
        text = f"the prime in the ServerKeyExchange has {bits} bits, and clients ask for {_SMALLEST_GROUP} at least"
        rfc = "RFC 8270 section 4"
        yield Breach(code=_PARAMETERS, side=Side.SERVER, packet=packet, text=text, rfc=rfc, fatal=False)
    offered = hello.signature_algorithms
    if scheme is not None and offered and scheme not in offered:
        text = f"the ServerKeyExchange is signed with {signature_scheme_name(scheme)}, which the ClientHello does "
        text += "not offer"
        yield Breach(
            code=_PARAMETERS, side=Side.SERVER, packet=packet, text=text, rfc="RFC 5246 section 7.4.3", fatal=True
        )
    chain = connection.chain(Side.SERVER)
    if chain is None or not chain.chain:
        return
    fault = key_exchange_fault(chain.chain[0], hello.random, answer.random, exchange)
    if fault is not None:
        yield _server(packet, f"the signature on the ServerKeyExchange {fault}", "RFC 5246 section 7.4.3")


def _certificate(connection: Connection) -> Iterator[Breach]:
    """Whether the certificate's key is one for the suite (RFC 5246 section 7.4.2, RFC 8422 section 5.3)."""
    chain, answer = connection.chain(Side.SERVER), connection.server_hello
    if chain is None or not chain.chain or answer is None:
        return
    families = _KEYS.get(_key_exchange_name(answer.cipher_suite))
    family = key_family(Certificate.parse(chain.chain[0]))
    if families is not None and family is not None and family not in families:
        text = f"the certificate's key ({family}) is none for {cipher_suite_name(answer.cipher_suite or 0)}"
        yield _server(chain.packet, text, "RFC 5246 section 7.4.2", fatal=False)


def _order(connection: Connection) -> Iterator[Breach]:
    """Messages in clear that come where they do not belong."""
    if not connection.from_start or not connection.hellos or any(half.lost for half in connection.halves.values()):
        return
    yield from _client_order(connection)
    thirteen = is_tls13(connection.version)
    rank, last, retries = -1, "", 0
    for message in _messages(connection, Side.SERVER):
        name = _camel(message.type)
        if message.type == HandshakeType.HELLO_REQUEST:
            continue
        if rank < 0 and (message.type == HandshakeType.HELLO_RETRY_REQUEST or _is_retry(message)):
            retries += 1
            if retries > 1:
                yield _server(message.packet, "the server sends a second HelloRetryRequest", "RFC 8446 section 4.1.4")
                return
            continue
        place = _SERVER_ORDER.get(message.type)
        if place is None or (rank < 0 and place > 0) or place <= rank:
            where = f"after a {last}" if last else "where a ServerHello belongs"
            yield _server(message.packet, f"the server sends a {name} {where}", "RFC 5246 section 7.3")
            return
        if thirteen:
            return  # the rest is encrypted
        rank, last = place, name
    yield from _incomplete_flight(connection)


def _client_order(connection: Connection) -> Iterator[Breach]:
    rank, last, hellos = -1, "", 0
    for message in _messages(connection, Side.CLIENT):
        name = _camel(message.type)
        if message.type == HandshakeType.CLIENT_HELLO and rank <= 0:
            hellos += 1
            if hellos > 1 + (connection.hello_retry is not None):
                text = "the client sends another ClientHello that nothing asked for"
                yield _client(message.packet, text, "RFC 8446 section 4.1.2")
                return
            rank, last = 0, name
            continue
        if is_tls13(connection.version):
            return  # the rest is encrypted
        place = _CLIENT_ORDER.get(message.type)
        if place is None or place <= rank or rank < 0:
            where = f"after a {last}" if last else "where a ClientHello belongs"
            yield _client(message.packet, f"the client sends a {name} {where}", "RFC 5246 section 7.3")
            return
        rank, last = place, name


def _incomplete_flight(connection: Connection) -> Iterator[Breach]:
    """What a suite before TLS 1.3 needs has to come before the ServerHelloDone."""
    answer = connection.server_hello
    messages = _messages(connection, Side.SERVER)
    done = next((m for m in messages if m.type == HandshakeType.SERVER_HELLO_DONE), None)
    if answer is None or done is None or is_tls13(answer.version):
        return
    exchange = _key_exchange_name(answer.cipher_suite)
    types = {message.type for message in messages}
    suite = cipher_suite_name(answer.cipher_suite or 0)
    if exchange in _KEYS and HandshakeType.CERTIFICATE not in types:
        text = f"the server's flight has no Certificate, which {suite} needs"
        yield _server(done.packet, text, "RFC 5246 section 7.4.2")
    if exchange in _EPHEMERAL and HandshakeType.SERVER_KEY_EXCHANGE not in types:
        text = f"the server's flight has no ServerKeyExchange, which {suite} needs"
        yield _server(done.packet, text, "RFC 5246 section 7.4.3")
    if exchange == "RSA" and HandshakeType.SERVER_KEY_EXCHANGE in types:
        text = f"the server's flight has a ServerKeyExchange, which {suite} forbids"
        yield _server(done.packet, text, "RFC 5246 section 7.4.3")


def _malformed(connection: Connection) -> Iterator[Breach]:
    """Messages that are whole and break their format."""
    for broken in connection.malformed:
        whole = any(
            message.packet == broken.packet and message.type == broken.type and message.complete
            for message in connection.halves[broken.side].seen.messages
        )
        if whole:
            text = f"a message of the {broken.side.value} is malformed: {broken.text}"
            rfc = "RFC 8446 section 4"
            yield Breach(
                code=_INTEGRITY, side=broken.side, packet=broken.packet, text=text, rfc=rfc, fatal=broken.type == 2
            )


def _oversized(connection: Connection) -> Iterator[Breach]:
    """A first record that is longer than records may be is not taken for TLS by the record reader."""
    for side, half in connection.halves.items():
        plain = half.plain
        if plain is None or len(plain.data) < 5 or plain.data[0] not in _CONTENT_TYPES or plain.data[1] != 3:
            continue
        length = plain.data[3] << 8 | plain.data[4]
        if plain.data[2] <= 4 and length > _LONGEST_RECORD:
            text = f"the {side.value} announces a record of {length:,} bytes; the longest there may be has 18,432"
            yield Breach(
                code=_INTEGRITY, side=side, packet=plain.packet, text=text, rfc="RFC 5246 section 6.2.3", fatal=True
            )


_CHECKS: Final[tuple[Callable[[Connection], Iterator[Breach]], ...]] = (
    _version,
    _choices,
    _key_share,
    _retry,
    _extensions,
    _key_exchange,
    _certificate,
    _order,
    _malformed,
    _oversized,
)

_WITH_TLS_13: Final = (ExtensionType.SUPPORTED_GROUPS, ExtensionType.SIGNATURE_ALGORITHMS, ExtensionType.KEY_SHARE)
_CONTENT_TYPES: Final = (
    ContentType.CHANGE_CIPHER_SPEC,
    ContentType.ALERT,
    ContentType.HANDSHAKE,
    ContentType.APPLICATION_DATA,
)
_TLS_13_SUITES: Final = (0x1301, 0x1307)
_LONGEST_RECORD: Final = (1 << 14) + 2048
_RSA: Final = frozenset({"rsa", "rsa-pss"})
_EC: Final = frozenset({"ec", "ed25519", "ed448"})
_KEYS: Final = {
    "RSA": _RSA,
    "DHE_RSA": _RSA,
    "ECDHE_RSA": _RSA,
    "ECDHE_ECDSA": _EC,
    "DHE_DSS": frozenset({"dsa"}),
}
"""Keys that a certificate may have for a key exchange (RFC 5246 section 7.4.2, RFC 8422 sections 5.3 and 5.10)."""
_EPHEMERAL: Final = frozenset({"DHE_RSA", "ECDHE_RSA", "ECDHE_ECDSA", "DHE_DSS", "DH_anon", "ECDH_anon"})
_SERVER_ORDER: Final = {
    HandshakeType.SERVER_HELLO: 0,
    HandshakeType.SUPPLEMENTAL_DATA: 1,
    HandshakeType.CERTIFICATE: 2,
    HandshakeType.CERTIFICATE_STATUS: 3,
    HandshakeType.SERVER_KEY_EXCHANGE: 4,
    HandshakeType.CERTIFICATE_REQUEST: 5,
    HandshakeType.SERVER_HELLO_DONE: 6,
    HandshakeType.NEW_SESSION_TICKET: 7,
    HandshakeType.FINISHED: 8,
}
"""RFC 5246 section 7.3; RFC 4680 section 3, RFC 6066 section 8 and RFC 5077 section 3.3 for what was added."""
_CLIENT_ORDER: Final = {
    HandshakeType.SUPPLEMENTAL_DATA: 1,
    HandshakeType.CERTIFICATE: 2,
    HandshakeType.CERTIFICATE_URL: 2,
    HandshakeType.CLIENT_KEY_EXCHANGE: 3,
    HandshakeType.CERTIFICATE_VERIFY: 4,
    HandshakeType.NEXT_PROTOCOL: 5,
    HandshakeType.FINISHED: 6,
}


def _answered(connection: Connection) -> tuple[ClientHello | None, ServerHello | None, int | None]:
    """The ClientHello that the ServerHello answers, if all of it was captured, the ServerHello, and its frame."""
    answer, packet = connection.server_hello, connection.server_hello_packet
    if answer is None or packet is None or len(connection.hellos) < 1 + (connection.hello_retry is not None):
        return None, answer, packet
    before = [hello.message for hello in connection.hellos if hello.packet <= packet]
    hello = before[-1] if before else None
    return (hello if hello is not None and hello.complete else None), answer, packet


def _messages(connection: Connection, side: Side) -> tuple[RawMessage, ...]:
    """The handshake messages that a side sent in clear before its first ChangeCipherSpec, and hellos."""
    seen = connection.halves[side].seen
    changed = seen.change_cipher_spec[0].position if seen.change_cipher_spec else None
    return tuple(
        message
        for message in seen.messages
        if changed is None or message.position < changed or message.type == HandshakeType.CLIENT_HELLO
    )


def _is_retry(message: RawMessage) -> bool:
    return message.type == HandshakeType.SERVER_HELLO and message.body[2:34] == HELLO_RETRY_REQUEST_RANDOM


def _is_final_tls13(answer: ServerHello) -> bool:
    """TLS 1.3 as in RFC 8446: the drafts differ, and some had its number already where the legacy version stands."""
    return answer.version == ProtocolVersion.TLS_1_3 and answer.legacy_version != ProtocolVersion.TLS_1_3


def _of_another_version(suite: int, answer: ServerHello) -> bool:
    """The suites of TLS 1.3 name no key exchange; those of before do (RFC 8446 appendix B.4)."""
    if _is_final_tls13(answer):
        return _key_exchange_name(suite) in _KEYS
    return answer.version <= ProtocolVersion.TLS_1_2 and _TLS_13_SUITES[0] <= suite <= _TLS_13_SUITES[1]


def _parsed(message: ClientHello | ServerHello, kind: int) -> object:
    extension = message.extension(kind)
    if extension is None or any(
        error.what.startswith(extension_name(kind)) for error in message.malformed_extensions()
    ):
        return None
    return message.value(kind)


def _server(packet: int, text: str, rfc: str, *, fatal: bool = True) -> Breach:
    return Breach(code=_INTEGRITY, side=Side.SERVER, packet=packet, text=text, rfc=rfc, fatal=fatal)


def _client(packet: int, text: str, rfc: str, *, fatal: bool = True) -> Breach:
    return Breach(code=_INTEGRITY, side=Side.CLIENT, packet=packet, text=text, rfc=rfc, fatal=fatal)


def _section(answer: ServerHello, new: str, old: str) -> str:
    return f"RFC 8446 section {new}" if is_tls13(answer.version) else f"RFC 5246 section {old}"


def _camel(kind: int) -> str:
    """`server_hello_done` as the RFCs write the message: `ServerHelloDone`."""
    name = handshake_type_name(kind)
    return name if " " in name else "".join(part[:1].upper() + part[1:] for part in name.split("_"))
