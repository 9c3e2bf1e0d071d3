"""Packets that the columns do not decode: one by one, through scapy's dissectors.

IP fragments (reassembled), IPv6 extension headers, tunnels (IP in IP, GRE, VXLAN, Geneve, GTP-U), PPPoE, MPLS, LLC,
other link types, and ICMP errors, which quote the TCP header that caused them. Takes the bytes of one packet, gives
the TCP segments inside. scapy is imported at the first such packet.
"""

from __future__ import annotations

import struct
from collections import OrderedDict
from dataclasses import replace
from typing import Any, Final

from analyzer.dataclass import dataclass
from analyzer.net.tunnels import name_of, nested

__all__ = ["InnerSegment", "UncommonPackets"]

_LINK_NFLOG: Final = 239
_NFLOG_PAYLOAD: Final = 9
_LINK_80211: Final = 105
_CISCO_METADATA: Final = b"\x89\x09"
_CENTRINO: Final = b"\x24\x52"
"""EtherType under which some wireless cards hand 802.11 frames to a capture on an Ethernet interface."""
_MAX_FRAGMENT_BYTES: Final = 16 << 20
"""Bytes of incomplete datagrams kept, bookkeeping included; the oldest go first."""
_PIECE_OVERHEAD: Final = 400
"""What a fragment costs beyond its bytes: about as much as a datagram of one byte takes in memory."""
_TCP: Final = 6
_LEAST_QUOTED: Final = 8
_TCP_HEADER: Final = 20
_MAX_DATAGRAM: Final = 65_535 + 40
_DATA_FRAME: Final = 2
_PROTECTED: Final = 0x40


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerSegment:
    """A TCP header and what follows it. Addresses are 4 or 16 bytes, network byte order.

    `wire_length` counts the bytes from the TCP header on as the IP header claims them; `tcp` may be shorter.
    `quoted` is that of `Segments.quoted`; `tunnels` names what it was wrapped in, the outermost first.
    """

    source: bytes
    target: bytes
    ttl: int
    ip_id: int
    tcp: bytes
    wire_length: int
    quoted: int = 0
    tunnels: tuple[str, ...] = ()


class UncommonPackets:
    """Dissects single packets; keeps the fragments of datagrams that are not yet complete."""

    def __init__(self) -> None:
        self.failures = 0
        """Packets that scapy could not dissect."""
        self.encrypted_frames = 0
        """IEEE 802.11 data frames that are encrypted."""
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
        return link == _LINK_NFLOG or (self._link_classes is not None and link in self._link_classes)

    def _first_layer(self, link: int, packet: bytes) -> Any:
        if self._link_classes is None:
            self._link_classes = _load_scapy()
        if link == _LINK_NFLOG:
            return self._nflog(packet)
        if link == 1 and packet[12:14] == _CISCO_METADATA and len(packet) > 22:
            packet = packet[:12] + packet[20:]
        if link == 1 and packet[12:14] == _CENTRINO:
            link, packet = _LINK_80211, packet[14:]
        layer_class = self._link_classes.get(link)
        return None if layer_class is None else layer_class(packet)

    def _nflog(self, packet: bytes) -> Any:
        """NFLOG: a 4-byte header (address family, version, resource id), then TLVs in host byte order."""
        from scapy.layers.inet import IP
        from scapy.layers.inet6 import IPv6

        position = 4
        while position + 4 <= len(packet):
            length, kind = struct.unpack_from("<HH", packet, position)
            if kind & 0x7FFF == _NFLOG_PAYLOAD:
                body = packet[position + 4 : position + length]
                return IP(body) if body[:1] and body[0] >> 4 == 4 else IPv6(body)
            if length < 4:
                return None
            position += length + (-length % 4)
        return None

    def _inner(self, layer: Any) -> list[InnerSegment]:
        """Walk scapy's layers down to the innermost TCP header."""
        from scapy.layers.inet import ICMP, IP, TCP, IPerror, TCPerror
        from scapy.layers.inet6 import IPerror6, IPv6, IPv6ExtHdrFragment, _ICMPv6Error
        from scapy.packet import Raw

        network: Any = None
        quoted = 0
        tunnels: list[str] = []
        wrapped = False
        while layer is not None and layer.name != "NoPayload":
            kind = type(layer)
            if (name := name_of(layer)) is not None:
                tunnels.append(name)
                wrapped = True
                self.encrypted_frames += _is_encrypted(layer)
            if kind in (IP, IPv6, IPerror, IPerror6):
                if network is not None and not quoted and not wrapped:
                    tunnels.append(nested(network.version, layer.version))
                network, wrapped = layer, False
                if kind is IP and (layer.frag or layer.flags.MF):
                    return self._within(self._fragment_v4(layer), tunnels)
            elif kind is IPv6ExtHdrFragment and network is not None:
                return self._within(self._fragment_v6(network, layer), tunnels)
            elif kind is ICMP:
                quoted = 4 << 16 | layer.type << 8 | layer.code
            elif isinstance(layer, _ICMPv6Error):
                quoted = 6 << 16 | layer.type << 8 | layer.code
            elif kind in (TCP, TCPerror) and network is not None:
                header = bytes(layer.original or layer)
                return self._within(_segment(network, _completed(header) if quoted else header, quoted), tunnels)
            elif kind is Raw and quoted and _TCP in (getattr(network, "proto", None), getattr(network, "nh", None)):
                return _segment(network, _completed(bytes(layer)), quoted)
            layer = layer.payload
        return []

    @staticmethod
    def _within(segments: list[InnerSegment], tunnels: list[str]) -> list[InnerSegment]:
        """The same segments, with the tunnels around them."""
        if not tunnels:
            return segments
        return [replace(segment, tunnels=(*tunnels, *segment.tunnels)) for segment in segments]

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


def _is_encrypted(layer: Any) -> bool:
    """Whether a layer is an IEEE 802.11 data frame with the Protected Frame bit (IEEE 802.11-2020, 9.2.4.1.9)."""
    return type(layer).__name__ == "Dot11" and layer.type == _DATA_FRAME and bool(layer.FCfield & _PROTECTED)


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
    import scapy.layers.dot11
    import scapy.layers.inet6
    import scapy.layers.l2
    import scapy.layers.ppp
    import scapy.layers.sctp
    import scapy.layers.vxlan  # noqa: F401 - importing binds the layer to its UDP port

    return dict(conf.l2types.num2layer)
