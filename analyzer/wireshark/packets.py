"""Packets as Wireshark's dissectors read them: tshark's JSON, through pyshark, as plain data.

Shapes follow tshark 3.0 and later: a field's value is a string, `NAME_raw` beside it is [hex digits, position, ...] or
a list of such; what occurs several times is a list.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shutil import which
from typing import Any, Final

from analyzer.dataclass import dataclass
from analyzer.errors import InputError
from analyzer.net.uncommon import InnerSegment
from analyzer.wireshark.wrappings import NAMES, wrappings

__all__ = ["Fields", "Packet", "Record", "dissected", "occurrences", "tshark_version"]

Fields = Mapping[str, Any]
_LAYERS: Final = f"frame ip ipv6 icmp icmpv6 tcp tls {NAMES}"
_INSTALL: Final = "Install Wireshark's command line (Debian, Ubuntu: apt-get install tshark) and `pip install pyshark`"
_TCP_HEADER: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A TLS record. `type` is that of what was inside, where Wireshark decrypted it (`opened`).

    `messages` are whole handshake messages with their headers; `hidden` says that it holds handshake bytes which
    are encrypted. `alert` is (level, description), (None, None) when encrypted. `fields` are Wireshark's own.
    """

    type: int
    version: int
    length: int
    messages: tuple[bytes, ...]
    alert: tuple[int | None, int | None] | None
    hidden: bool
    opened: bool
    fields: Fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """A packet: its frame number, time (nanoseconds since 1970), length, its innermost TCP segment and TLS records."""

    number: int
    time_ns: int
    length: int
    stream: int | None = None
    segment: InnerSegment | None = None
    records: tuple[Record, ...] = ()


def tshark_version() -> str:
    """The version of the tshark that is installed. Raises `InputError` without one, or without pyshark."""
    pyshark = _pyshark()
    from pyshark.tshark.tshark import TSharkNotFoundException, get_tshark_version

    try:
        return str(get_tshark_version())
    except (TSharkNotFoundException, pyshark.tshark.tshark.TSharkVersionException, OSError):
        raise InputError("--dissector", "tshark does not run here", hint=_INSTALL) from None


def dissected(
    path: Path, *, keylogs: Sequence[str] = (), ports: Mapping[int, str] | None = None, problems: list[str]
) -> Iterator[Packet]:
    """The packets of a file in any format that Wireshark reads. Raises `InputError` when it reads none.

    `ports` are read by the dissectors named, whatever Wireshark has them for. What stopped it early goes to `problems`.
    """
    pyshark = _pyshark()
    preferences = [part for name in keylogs for part in ("-o", f"tls.keylog_file:{name}")]
    capture = pyshark.FileCapture(
        str(path),
        keep_packets=False,
        use_json=True,
        include_raw=True,
        decode_as={f"tcp.port=={port}": name for port, name in (ports or {}).items()},
        custom_parameters=["-n", "-J", _LAYERS, *preferences],
    )
    seen = 0
    try:
        try:
            for packet in capture:
                seen += 1
                yield _packet(packet)
        finally:
            capture.close()
    except pyshark.capture.capture.TSharkCrashException as error:
        reason = str(error).rpartition("Last error line: ")[2]
        if not seen:
            raise InputError(str(path), f"tshark cannot read it: {reason}", hint="See `tshark -r FILE`") from None
        problems.append(f"tshark stopped: {reason}")


def occurrences(fields: Any, name: str) -> Iterator[Any]:
    """The values of a field wherever it stands among these fields, in order."""
    if isinstance(fields, dict):
        for key, value in fields.items():
            if key == name:
                yield from value if isinstance(value, list) else (value,)
            elif isinstance(value, (dict, list)):
                yield from occurrences(value, name)
    elif isinstance(fields, list):
        for value in fields:
            yield from occurrences(value, name)


def _pyshark() -> Any:
    try:
        import pyshark
    except ImportError:
        raise InputError("--dissector", "pyshark is not installed", hint=_INSTALL) from None
    if which("tshark") is None:
        raise InputError("--dissector", "tshark is not installed", hint=_INSTALL)
    return pyshark


def _packet(packet: Any) -> Packet:
    whole, _, fraction = str(packet.sniff_timestamp).partition(".")
    layers = list(packet.layers)
    names = [layer.layer_name for layer in layers]
    stream, segment = None, None
    records: tuple[Record, ...] = ()
    if "tcp" in names:
        tcp = _all(layers[names.index("tcp")])[-1]
        segment = _segment(layers, tcp, str(packet.frame_info._all_fields.get("frame.protocols", "")))  # noqa: SLF001 - as below
        stream = _number(tcp.get("tcp.stream"))
        records = tuple(
            record for layer in layers if layer.layer_name == "tls" for part in _all(layer) for record in _records(part)
        )
    return Packet(
        number=int(packet.number),
        time_ns=int(whole) * 1_000_000_000 + int(fraction[:9].ljust(9, "0") or 0),
        length=int(packet.length),
        stream=stream,
        segment=segment,
        records=records,
    )


def _all(layer: Any) -> list[dict[str, Any]]:
    """A layer's fields, and those of its like in the same packet."""
    return [each._all_fields for each in (layer, *layer.duplicate_layers)]  # noqa: SLF001 - pyshark's own names are lossy


def _segment(layers: list[Any], tcp: Fields, protocols: str) -> InnerSegment | None:
    """The TCP header's bytes and the payload, between the addresses of the innermost IP header."""
    raw = {layer.layer_name: layer for layer in layers if layer.layer_name.endswith("_raw")}
    networks = [layer for layer in layers if layer.layer_name in ("ip", "ipv6")]
    if not networks or "tcp_raw" not in raw:
        return None
    name = networks[-1].layer_name
    fields = _all(networks[-1])[-1]
    header = _last_bytes(_values(raw["tcp_raw"]))
    source, target = (_last_bytes(fields.get(f"{name}.{end}_raw")) for end in ("src", "dst"))
    if len(header) < _TCP_HEADER or not source or len(source) != len(target):
        return None
    quoted = 0
    for family, icmp in ((4, "icmp"), (6, "icmpv6")):
        for layer in (layer for layer in layers if layer.layer_name == icmp):
            kind, code = (_number(_all(layer)[0].get(f"{icmp}.{part}")) or 0 for part in ("type", "code"))
            quoted = family << 16 | kind << 8 | code
    told = [
        (layer.layer_name, each) for layer in layers if not layer.layer_name.endswith("_raw") for each in _all(layer)
    ]
    payload = _last_bytes(tcp.get("tcp.payload_raw"))
    length = _number(tcp.get("tcp.len")) or 0
    return InnerSegment(
        source=source,
        target=target,
        ttl=_number(fields.get("ip.ttl" if name == "ip" else "ipv6.hlim")) or 0,
        ip_id=_number(fields.get("ip.id")) or 0 if name == "ip" else -1,
        tcp=header + payload,
        wire_length=len(header) + max(length, len(payload)),
        quoted=quoted,
        layers=wrappings(protocols, told),
    )


def _values(layer: Any) -> list[Any]:
    """What a raw layer holds: pyshark takes [hex digits, position, ...] for so many layers."""
    return [each.value for each in (layer, *layer.duplicate_layers)]


def _records(layer: Fields) -> Iterator[Record]:
    for fields in _each(layer.get("tls.record")):
        inner, outer = _number(fields.get("tls.record.content_type")), _number(fields.get("tls.record.opaque_type"))
        kind = inner if inner is not None else outer
        length = _number(fields.get("tls.record.length"))
        if kind is None or length is None:
            continue
        messages, alert = _each(fields.get("tls.handshake")), _each(fields.get("tls.alert_message"))
        raw = [_bytes(value) for value in _lists(fields.get("tls.handshake_raw"))]
        typed = [number for number, message in enumerate(messages) if "tls.handshake.type" in message]
        levels = [(_number(a.get("tls.alert_message.level")), _number(a.get("tls.alert_message.desc"))) for a in alert]
        yield Record(
            type=kind,
            version=_number(fields.get("tls.record.version")) or 0,
            length=length,
            messages=tuple(raw[number] for number in typed if number < len(raw)),
            alert=levels[0] if levels else ((None, None) if "tls.alert_message" in fields else None),
            hidden="tls.handshake" in fields and not typed,
            opened=inner is not None and outer is not None,
            fields=fields,
        )


def _each(value: Any) -> list[dict[str, Any]]:
    """The groups of fields in a value: one, several, or none."""
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def _lists(value: Any) -> list[list[Any]]:
    """The raw values in a field: one [hex digits, ...] or a list of them."""
    if not isinstance(value, list) or not value:
        return []
    return value if isinstance(value[0], list) else [value]


def _last_bytes(value: Any) -> bytes:
    found = _lists(value)
    return _bytes(found[-1]) if found else b""


def _bytes(raw: list[Any]) -> bytes:
    try:
        return bytes.fromhex(str(raw[0]))
    except ValueError:
        return b""


def _number(value: Any) -> int | None:
    if isinstance(value, list):
        value = value[-1] if value else None
    try:
        return None if value is None else int(str(value), 0)
    except ValueError:
        return None
