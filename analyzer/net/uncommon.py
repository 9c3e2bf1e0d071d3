"""Packets that the columns do not decode: one by one, through scapy's dissectors.

IP fragments (reassembled), rare link types, and ICMP errors, which quote the TCP header that
caused them; with what is inside of these, tunnels too. Takes the bytes of one packet, gives the TCP segments inside.
scapy is imported at the first such packet.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from typing import Any, Final

from analyzer.dataclass import dataclass
from analyzer.net.segments import halves
from analyzer.net.wrappings import Kind, Layer

__all__ = ["InnerSegment", "UncommonPackets"]

_MAX_FRAGMENT_BYTES: Final = 16 << 20
"""Bytes of incomplete datagrams kept, bookkeeping included; the oldest go first."""
_PIECE_OVERHEAD: Final = 400
"""What a fragment costs beyond its bytes: about as much as a datagram of one byte takes in memory."""
_TCP: Final = 6
_LEAST_QUOTED: Final = 8
_TCP_HEADER: Final = 20
_MAX_DATAGRAM: Final = 65_535 + 40


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerSegment:
    """A TCP header and what follows it. Addresses are 4 or 16 bytes, network byte order.

    `wire_length` counts the bytes from the TCP header on as the IP header claims them; `tcp` may be shorter.
    `quoted` is that of `Segments.quoted`; `layers` are what it was wrapped in, the outermost first.
    """

    source: bytes
    target: bytes
    ttl: int
    ip_id: int
    tcp: bytes
    wire_length: int
    quoted: int = 0
    layers: tuple[Layer, ...] = ()


class UncommonPackets:
    """Dissects single packets; keeps the fragments of datagrams that are not yet complete."""

    def __init__(self) -> None:
        self.failures = 0
        """Packets that scapy could not dissect."""
        self._fragments: OrderedDict[tuple[bytes, bytes, int, int], _Datagram] = OrderedDict()
        self._fragment_bytes = 0
        self._link_classes: dict[int, Any] | None = None

    def dissect(self, link: int, packet: bytes) -> list[InnerSegment]:
        """The TCP segments inside one packet of link type `link`; none when there are none."""
        try:
            layer = self._first_layer(link, packet)
            return [] if layer is None else self._inner(layer)
        except Exception:  # noqa: BLE001 - a dissector of a third party met crafted bytes; the packet is counted
            self.failures += 1
            return []

    def knows(self, link: int) -> bool:
        """Whether packets of this link type can be dissected at all."""
        return self._link_classes is not None and link in self._link_classes

    def _first_layer(self, link: int, packet: bytes) -> Any:
        if self._link_classes is None:
            self._link_classes = _load_scapy()
        layer_class = self._link_classes.get(link)
        return None if layer_class is None else layer_class(packet)

    def _inner(self, layer: Any) -> list[InnerSegment]:
        """Walk scapy's layers down to the innermost TCP header."""
        from scapy.layers.inet import ICMP, IP, TCP, IPerror, TCPerror
        from scapy.layers.inet6 import IPerror6, IPv6, IPv6ExtHdrFragment, _ICMPv6Error
        from scapy.packet import Raw

        network: Any = None
        quoted = 0
        layers: list[Layer] = []
        wrapped = False
        while layer is not None and layer.name != "NoPayload":
            kind = type(layer)
            if (known := _wrapping(layer)) is not None:
                layers.append(known if network is None or wrapped else known._replace(ends=_ends(network)))
                wrapped = True
            if kind in (IP, IPv6, IPerror, IPerror6):
                if network is not None and not quoted and not wrapped:
                    nested = Kind.IPV4_IN_IP if layer.version == 4 else Kind.IPV6_IN_IP
                    layers.append(Layer(nested, ends=_ends(network)))
                network, wrapped = layer, False
                if kind is IP and (layer.frag or layer.flags.MF):
                    return self._within(self._fragment_v4(layer), layers)
            elif kind is IPv6ExtHdrFragment and network is not None:
                return self._within(self._fragment_v6(network, layer), layers)
            elif kind is ICMP:
                quoted = 4 << 16 | layer.type << 8 | layer.code
            elif isinstance(layer, _ICMPv6Error):
                quoted = 6 << 16 | layer.type << 8 | layer.code
            elif kind in (TCP, TCPerror) and network is not None:
                header = bytes(layer.original or layer)
                return self._within(_segment(network, _completed(header) if quoted else header, quoted), layers)
            elif kind is Raw and quoted and _TCP in (getattr(network, "proto", None), getattr(network, "nh", None)):
                return _segment(network, _completed(bytes(layer)), quoted)
            layer = layer.payload
        return []

    @staticmethod
    def _within(segments: list[InnerSegment], layers: list[Layer]) -> list[InnerSegment]:
        """The same segments, with the wrappings around them."""
        if not layers:
            return segments
        return [replace(segment, layers=(*layers, *segment.layers)) for segment in segments]

    def _fragment_v4(self, ip: Any) -> list[InnerSegment]:
        from scapy.layers.inet import IP

        header = ip.ihl * 4
        body = bytes(ip.original)[header : max(ip.len, header)] if ip.original else bytes(ip.payload)
        source, target = _packed(ip.src), _packed(ip.dst)
        whole = self._collect((source, target, ip.id, ip.proto), ip.frag * 8, body, last=not ip.flags.MF)
        if whole is None:
            return []
        header_bytes = bytearray(bytes(ip.original)[:header])
        header_bytes[2:4] = min(header + len(whole), 65_535).to_bytes(2, "big")
        header_bytes[6:8] = b"\x00\x00"
        return self._inner(IP(bytes(header_bytes) + whole))

    def _fragment_v6(self, ip: Any, fragment: Any) -> list[InnerSegment]:
        from scapy.layers.inet6 import IPv6

        source, target = _packed(ip.src), _packed(ip.dst)
        body = bytes(fragment.original)[8:]
        whole = self._collect((source, target, fragment.id, -1), fragment.offset * 8, body, last=not fragment.m)
        if whole is None:
            return []
        header = bytes(ip.original)[:40]
        return self._inner(
            IPv6(header[:4] + min(len(whole), 65_535).to_bytes(2, "big") + bytes([fragment.nh]) + header[7:] + whole)
        )

    def _collect(self, key: tuple[bytes, bytes, int, int], offset: int, body: bytes, *, last: bool) -> bytes | None:
        """The whole datagram once its last missing fragment has come."""
        if offset + len(body) > _MAX_DATAGRAM or not body:
            return None
        datagram = self._fragments.setdefault(key, _Datagram())
        self._fragment_bytes += datagram.add(offset, body, last=last)
        whole = datagram.whole()
        if whole is not None:
            self._fragment_bytes -= datagram.held
            del self._fragments[key]
            return whole
        while self._fragment_bytes > _MAX_FRAGMENT_BYTES and self._fragments:
            _, oldest = self._fragments.popitem(last=False)
            self._fragment_bytes -= oldest.held
        return None


class _Datagram:
    """The fragments of one datagram, the first seen of an overlap being kept (RFC 791 section 3.2)."""

    __slots__ = ("held", "pieces", "total")

    def __init__(self) -> None:
        self.pieces: dict[int, bytes] = {}
        self.total: int | None = None
        self.held = 0

    def add(self, offset: int, body: bytes, *, last: bool) -> int:
        if last:
            self.total = offset + len(body)
        if offset in self.pieces:
            return 0
        self.pieces[offset] = body
        self.held += len(body) + _PIECE_OVERHEAD
        return len(body) + _PIECE_OVERHEAD

    def whole(self) -> bytes | None:
        if self.total is None or self.held - _PIECE_OVERHEAD * len(self.pieces) < self.total:
            return None
        data = bytearray()
        for offset in sorted(self.pieces):
            if offset > len(data):
                return None
            data += self.pieces[offset][len(data) - offset :]
        return bytes(data[: self.total]) if len(data) >= self.total else None


def _completed(start: bytes) -> bytes:
    """A TCP header of which an ICMP error quotes but the beginning (RFC 792: 8 bytes); what is missing becomes 0."""
    if not _LEAST_QUOTED <= len(start) < _TCP_HEADER:
        return start
    header = bytearray(start.ljust(_TCP_HEADER, b"\x00"))
    header[12] = _TCP_HEADER // 4 << 4
    return bytes(header)


def _segment(network: Any, tcp: bytes, quoted: int) -> list[InnerSegment]:
    if len(tcp) < _TCP_HEADER:
        return []
    if hasattr(network, "ihl"):
        header = (network.ihl or 5) * 4
        claimed = (network.len or 0) - header
        ttl, ip_id = network.ttl, network.id
    else:
        # Not from the packet's own length: a trailer of the link layer may follow it.
        extensions = len(bytes(network.payload.original or network.payload)) - len(tcp)
        claimed = (network.plen or 0) - max(extensions, 0)
        ttl, ip_id = network.hlim, -1
    wire = claimed if claimed >= 20 else len(tcp)
    return [
        InnerSegment(
            source=_packed(network.src),
            target=_packed(network.dst),
            ttl=int(ttl or 0),
            ip_id=int(ip_id),
            tcp=tcp[: max(wire, 20)],
            wire_length=wire,
            quoted=quoted,
        )
    ]


_WRAPPINGS: Final = {
    "MPLS": (Kind.MPLS, "label"),
    "PPPoE": (Kind.PPPOE, "sessionid"),
    "Dot1Q": (Kind.VLAN, "vlan"),
    "Dot1AD": (Kind.VLAN, "vlan"),
    "GRE": (Kind.GRE, ""),
    "GRE_PPTP": (Kind.PPTP, "call_id"),
    "ERSPAN_I": (Kind.ERSPAN, ""),
    "ERSPAN_II": (Kind.ERSPAN_SESSION, "session_id"),
    "ERSPAN_III": (Kind.ERSPAN_SESSION, "session_id"),
    "VXLAN": (Kind.VXLAN, "vni"),
    "GENEVE": (Kind.GENEVE, "vni"),
    "GTP_U_Header": (Kind.GTP_U, "teid"),
}
"""By the class of scapy's layer: what it is, and the field with the number that tells it from its like."""


def _wrapping(layer: Any) -> Layer | None:
    """What a layer wraps a packet in; None for a layer that does not."""
    kind, field = _WRAPPINGS.get(type(layer).__name__, (Kind.NONE, ""))
    if kind == Kind.NONE:
        return None
    if kind == Kind.GRE and layer.key_present:
        return Layer(Kind.GRE_KEY, int(layer.key))
    return Layer(kind, int(getattr(layer, field)) if field else -1)


def _ends(network: Any) -> tuple[int, int, int, int]:
    return (*halves(_packed(network.src)), *halves(_packed(network.dst)))


def _packed(address: str) -> bytes:
    import ipaddress

    return ipaddress.ip_address(address).packed


def _load_scapy() -> dict[int, Any]:
    """Import the dissectors that packets around TCP need, and give the classes of link types."""
    import logging

    logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
    from scapy.config import conf

    conf.ipv6_enabled = True
    import scapy.contrib.erspan
    import scapy.contrib.geneve
    import scapy.contrib.gtp
    import scapy.contrib.mpls
    import scapy.layers.inet6
    import scapy.layers.l2
    import scapy.layers.ppp
    import scapy.layers.sctp
    import scapy.layers.vxlan  # noqa: F401 - importing binds the layer to its UDP port

    return dict(conf.l2types.num2layer)
