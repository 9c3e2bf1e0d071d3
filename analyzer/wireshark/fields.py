"""Fields of a handshake as Wireshark's dissector reads them, and as the native reading does: to be compared."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import Final, NamedTuple

from analyzer.registry import (
    HandshakeType,
    alert_name,
    alpn_name,
    cipher_suite_name,
    handshake_type_name,
    is_grease,
    version_name,
)
from analyzer.tls.connection import Connection
from analyzer.tls.fingerprint import ja3, ja3s
from analyzer.tls.messages import ClientHello, ServerHello
from analyzer.wireshark.model import SERVER_NAME, Difference
from analyzer.wireshark.packets import Record, occurrences

__all__ = ["Field", "differences", "native_fields", "wireshark_fields"]

_RETRY: Final = sha256(b"HelloRetryRequest").hexdigest()
"""RFC 8446 section 4.1.3: the random of a ServerHello that is a HelloRetryRequest."""


class Field(NamedTuple):
    """A field, the frame that holds it, and its value as a report shows it."""

    name: str
    packet: int
    value: str


def differences(connection: int, native: tuple[Field, ...], wireshark: tuple[Field, ...]) -> tuple[Difference, ...]:
    """Fields that differ in value or frame, in the order of frames."""
    ours, theirs = _by_place(native), _by_place(wireshark)
    found = []
    for name, packet in sorted(ours.keys() | theirs.keys(), key=lambda place: (place[1], place[0])):
        mine, other = ours.get((name, packet)), theirs.get((name, packet))
        if mine != other:
            found.append(Difference(connection=connection, field=name, packet=packet, native=mine, wireshark=other))
    return tuple(found)


def native_fields(connection: Connection) -> tuple[Field, ...]:
    """The fields of a connection as read here."""
    found = [field for hello in connection.hellos for field in _client_hello(hello.message, hello.packet)]
    if connection.server_hello is not None and connection.server_hello_packet is not None:
        found += _server_hello(connection.server_hello, connection.server_hello_packet)
    for message in connection.certificates:
        found += [
            Field("certificate", message.packet, sha256(der).hexdigest()) for der in message.chain if message.complete
        ]
    for half in connection.halves.values():
        found += [
            Field("handshake message", raw.packet, handshake_type_name(raw.type))
            for raw in half.seen.messages
            if raw.complete and not raw.sslv2
        ]
    found += [_alert(alert.packet, alert.level, alert.description) for alert in connection.alerts]
    return tuple(found)


def wireshark_fields(record: Record, packet: int) -> Iterator[Field]:
    """The fields of a record as Wireshark reads them."""
    for message in record.messages:
        yield Field("handshake message", packet, handshake_type_name(message[0]))
    kinds = {message[0] for message in record.messages}
    if HandshakeType.CLIENT_HELLO in kinds:
        offered = tuple(_numbers(record, "extensions.supported_version")) or tuple(_numbers(record, "version"))
        yield Field(SERVER_NAME, packet, _first(record, "extensions_server_name") or "")
        yield Field("offered versions", packet, _versions(offered))
        yield Field("offered cipher suites", packet, _suites(tuple(_numbers(record, "ciphersuite"))))
        yield Field("offered ALPN", packet, ", ".join(_texts(record, "extensions_alpn_str")))
        yield Field("JA3", packet, _first(record, "ja3") or "")
    if HandshakeType.SERVER_HELLO in kinds and (_first(record, "random") or "").replace(":", "") != _RETRY:
        chosen = tuple(_numbers(record, "extensions.supported_version")) or tuple(_numbers(record, "version"))
        yield Field("version", packet, _versions(chosen[:1]))
        yield Field("cipher suite", packet, _suites(tuple(_numbers(record, "ciphersuite"))[:1]))
        yield Field("JA3S", packet, _first(record, "ja3s") or "")
    for text in _texts(record, "certificate"):
        yield Field("certificate", packet, sha256(bytes.fromhex(text.replace(":", ""))).hexdigest())
    if record.alert is not None:
        yield _alert(packet, *record.alert)


def _client_hello(hello: ClientHello, packet: int) -> list[Field]:
    if hello.sslv2 or not hello.complete:
        return []
    return [
        Field(SERVER_NAME, packet, hello.server_name or ""),
        Field("offered versions", packet, _versions(hello.offered_versions)),
        Field("offered cipher suites", packet, _suites(hello.cipher_suites)),
        Field("offered ALPN", packet, ", ".join(map(alpn_name, hello.alpn))),
        Field("JA3", packet, ja3(hello) or ""),
    ]


def _server_hello(hello: ServerHello, packet: int) -> list[Field]:
    return [
        Field("version", packet, version_name(hello.version)),
        Field("cipher suite", packet, _suites(() if hello.cipher_suite is None else (hello.cipher_suite,))),
        Field("JA3S", packet, ja3s(hello)),
    ]


def _alert(packet: int, level: int | None, description: int | None) -> Field:
    text = "encrypted" if description is None else f"{alert_name(description)}, level {level}"
    return Field("alert", packet, text)


def _versions(numbers: tuple[int, ...]) -> str:
    return ", ".join(version_name(number) for number in numbers if not is_grease(number))


def _suites(numbers: tuple[int, ...]) -> str:
    return ", ".join(cipher_suite_name(number) for number in numbers)


def _by_place(fields: tuple[Field, ...]) -> dict[tuple[str, int], str]:
    """By name and frame; what a frame holds several times is one value."""
    found: dict[tuple[str, int], str] = {}
    for field in fields:
        place = (field.name, field.packet)
        found[place] = f"{found[place]}, {field.value}" if place in found else field.value
    return found


def _texts(record: Record, name: str) -> list[str]:
    return [str(value) for value in occurrences(record.fields, f"tls.handshake.{name}")]


def _first(record: Record, name: str) -> str | None:
    return next(iter(_texts(record, name)), None)


def _numbers(record: Record, name: str) -> Iterator[int]:
    for text in _texts(record, name):
        try:
            yield int(text, 0)
        except ValueError:
            continue
