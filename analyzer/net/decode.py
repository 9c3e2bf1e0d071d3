"""Packets to TCP segments, in columns.

Takes a `PacketBatch`, gives `Segments`. Common packets (Ethernet with VLAN tags, Linux cooked, loopback or raw IP,
then IPv4 or IPv6 without extension headers, then TCP) are decoded all at once; the few others one by one
by `UncommonPackets`. IPv4: RFC 791; IPv6: RFC 8200; TCP: RFC 9293 section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import PADDING, PacketBatch, gather
from analyzer.dataclass import dataclass
from analyzer.net.link import DECODERS, ETHERTYPE_IPV4, ETHERTYPE_IPV6, be16, members, skip_vlan_tags
from analyzer.net.segments import IPV4_HIGH, Segments
from analyzer.net.tunnels import SEALED_PROTOCOLS, TUNNEL_UDP_PORTS, sealed_udp
from analyzer.net.uncommon import InnerSegment, UncommonPackets

__all__ = ["SegmentDecoder", "inner_segments"]

_TCP: Final = 6
_UDP: Final = 17
_ICMP: Final = 1
_ICMPV6: Final = 58
_TUNNELS: Final = (4, 41, 47)
"""IP in IP, IPv6 in IP, GRE."""
_IPV6_EXTENSIONS: Final = (0, 43, 44, 51, 60, 135)
_ICMP_ERRORS: Final = (3, 4, 5, 11, 12)
_ICMPV6_ERRORS: Final = (1, 2, 3, 4)
_ENCLOSING_ETHERTYPES: Final = (0x8864, 0x8847, 0x8848, 0x8909, 0x88E7, 0x893F, 0x2452)
"""PPPoE session, MPLS, Cisco metadata, provider backbone bridges, 802.1BR, 802.11 of wireless cards."""
_MOST_TUNNELLED: Final = 100_000
"""Connections of which it is remembered in which tunnels they ran."""
_LLC_MAX: Final = 1500
"""An EtherType field up to here is the length of an IEEE 802.3 frame."""
_IS_TUNNEL: Final = members(_TUNNELS, 256)
_IS_EXTENSION_OR_TUNNEL: Final = members((*_IPV6_EXTENSIONS, *_TUNNELS), 256)
_IS_ENCLOSING: Final = members(_ENCLOSING_ETHERTYPES, 1 << 16)
_COMMON_LINKS_WITHOUT_LLC: Final = frozenset({0, 12, 14, 101, 108, 228, 229})

_IPV4 = np.dtype(
    [
        ("version_ihl", "u1"),
        ("tos", "u1"),
        ("length", ">u2"),
        ("id", ">u2"),
        ("fragment", ">u2"),
        ("ttl", "u1"),
        ("protocol", "u1"),
        ("checksum", ">u2"),
        ("source", ">u4"),
        ("target", ">u4"),
    ]
)
_IPV6 = np.dtype(
    [
        ("version", "u1"),
        ("class_flow", "V3"),
        ("length", ">u2"),
        ("next", "u1"),
        ("hops", "u1"),
        ("source_high", ">u8"),
        ("source_low", ">u8"),
        ("target_high", ">u8"),
        ("target_low", ">u8"),
    ]
)
_TCP_HEADER = np.dtype(
    [
        ("source_port", ">u2"),
        ("target_port", ">u2"),
        ("seq", ">u4"),
        ("ack", ">u4"),
        ("offset", "u1"),
        ("flags", "u1"),
        ("window", ">u2"),
        ("checksum", ">u2"),
        ("urgent", ">u2"),
    ]
)

_HEAD: Final = np.dtype(("u1", (PADDING,)))
"""More than the longest headers that are decoded in columns: cooked, four VLAN tags, IPv4 and TCP take 116 bytes."""

Column = NDArray[np.int64]
Chosen = slice | NDArray[np.bool_]


class SegmentDecoder:
    """Decodes batch after batch; keeps only the fragments of incomplete IP datagrams."""

    def __init__(self) -> None:
        self.uncommon = UncommonPackets()
        self.link_types_unknown: dict[int, int] = {}
        """Link type -> packets of it that nothing here reads."""
        self.sealed: dict[str, int] = {}
        """Tunnel whose inside cannot be read -> packets of it."""
        self.tunnels: dict[frozenset[tuple[bytes, int]], tuple[str, ...]] = {}
        """Both ends (address of 4 or 16 bytes, port) of a connection -> the tunnels it ran in, the outermost first."""

    def decode(self, batch: PacketBatch) -> Segments:
        """All TCP segments of a batch, in frame order."""
        if not len(batch):
            return _empty(batch.data)
        parts: list[Segments] = []
        single: list[int] = []
        first = int(batch.link[0])
        links = {first} if (batch.link == first).all() else set(batch.link.tolist())
        for link in sorted(links):
            rows = np.flatnonzero(batch.link == link)
            if link in DECODERS:
                self._common(batch, link, rows, parts, single)
            elif link >= 0:
                single += rows.tolist()
        if single:
            parts += self._one_by_one(batch, single)
        if not parts:
            return _empty(batch.data)
        return parts[0] if len(parts) == 1 else _merge(parts)

    def _common(self, batch: PacketBatch, link: int, rows: Column, parts: list[Segments], single: list[int]) -> None:
        heads = _Heads.of(batch, rows)
        network, ethertype = DECODERS[link](heads.data, heads.start, heads.end - heads.start)
        network, ethertype = skip_vlan_tags(heads.data, network, ethertype, heads.end)
        is_v4 = (ethertype == ETHERTYPE_IPV4) & (heads.end - network >= 20)
        is_v6 = (ethertype == ETHERTYPE_IPV6) & (heads.end - network >= 40)
        enclosing = _IS_ENCLOSING[ethertype]
        if link not in _COMMON_LINKS_WITHOUT_LLC:
            enclosing |= (ethertype > 0) & (ethertype <= _LLC_MAX)
        if enclosing.any():
            single += rows[enclosing].tolist()
        for decode, mask in ((_ipv4, is_v4), (_ipv6, is_v6)):
            if mask.any():
                chosen = _where(mask)
                part, others = decode(batch, heads.pick(chosen), network[chosen], self.sealed)
                parts.append(part)
                single += others.tolist()

    def _one_by_one(self, batch: PacketBatch, rows: list[int]) -> list[Segments]:
        found: list[tuple[int, InnerSegment]] = []
        for row in sorted(rows):
            start, count = int(batch.offset[row]), int(batch.captured[row])
            link = int(batch.link[row])
            inner = self.uncommon.dissect(link, batch.data[start : start + count].tobytes())
            if not self.uncommon.knows(link):
                self.link_types_unknown[link] = self.link_types_unknown.get(link, 0) + 1
            found += [(row, segment) for segment in inner]
            for segment in inner:
                if segment.tunnels and len(self.tunnels) < _MOST_TUNNELLED:
                    self.tunnels.setdefault(_ends(segment), segment.tunnels)
        if not found:
            return []
        at = np.array([row for row, _ in found], dtype=np.int64)
        frames = (at + batch.first_number, batch.time_ns[at], batch.original[at])
        return [inner_segments(batch.data, [inner for _, inner in found], *frames)]


@dataclass(frozen=True, slots=True)
class _Heads:
    """The first `PADDING` bytes of some packets of a batch, one after the other, and where things are in them.

    Brought together once: what is then read of the headers is in the processor's cache.
    """

    data: NDArray[np.uint8]
    rows: Column
    """Which packets of the batch."""
    start: Column
    end: Column
    """Where the captured bytes of each end (or would, if they were all here)."""
    wire_end: Column
    """Where the packet ended on the wire."""
    shift: Column
    """What turns a position here into one of the batch's bytes."""

    @classmethod
    def of(cls, batch: PacketBatch, rows: Column) -> _Heads:
        offset = batch.offset[rows]
        if batch.heads is None:
            heads = gather(batch.data, offset, _HEAD)
            start = np.arange(0, len(rows) * PADDING, PADDING)
        else:
            heads = batch.heads
            start = (rows + 1) * heads.shape[1] - PADDING
        end, wire_end = start + batch.captured[rows], start + batch.original[rows]
        return cls(heads.reshape(-1), rows, start, end, wire_end, offset - start)

    def pick(self, chosen: Chosen) -> _Heads:
        columns = (self.rows, self.start, self.end, self.wire_end, self.shift)
        return _Heads(self.data, *(column[chosen] for column in columns))


def _where(mask: NDArray[np.bool_]) -> Chosen:
    """An index for the rows of a mask; a slice, which copies nothing, when that is all of them."""
    return slice(None) if mask.all() else mask


def _ipv4(batch: PacketBatch, heads: _Heads, at: Column, sealed: dict[str, int]) -> tuple[Segments, Column]:
    """The TCP segments of IPv4 packets with headers at `at`, and the rows that need a dissector.

    What cannot be read is counted in `sealed`, by the name of its tunnel.
    """
    data, end = heads.data, heads.end
    header = gather(data, at, _IPV4)
    protocol = header["protocol"]
    size = (header["version_ihl"].astype(np.int64) & 15) * 4
    sound = (header["version_ihl"] >> 4 == 4) & (size >= 20)
    fragment = (header["fragment"].astype(np.int64) & 0x3FFF) != 0
    plain = sound & (protocol == _TCP) & ~fragment
    special = sound & ((protocol == _TCP) | (protocol == _UDP)) & fragment
    special |= sound & _IS_TUNNEL[protocol]
    special |= sound & ~fragment & _tunnel_udp(data, protocol == _UDP, at + size, end)
    special |= sound & ~fragment & _icmp_error(data, protocol == _ICMP, at + size, end, _ICMP_ERRORS)
    chosen = _where(plain)
    if not plain.all():
        _count_sealed(data, np.where(sound & ~fragment, protocol, _TCP), at + size, end, sealed)
    tcp = (at + size)[chosen]
    length = header["length"][chosen].astype(np.int64)
    # A length of 0 is written by cards that segment themselves (TCP segmentation offload).
    ip_end = np.where(length == 0, heads.wire_end[chosen], at[chosen] + length)
    high = np.full(len(tcp), IPV4_HIGH, dtype=np.uint64)
    return (
        _tcp(
            batch,
            heads.pick(chosen),
            tcp,
            ip_end,
            (
                high,
                header["source"][chosen].astype(np.uint64),
                high,
                header["target"][chosen].astype(np.uint64),
            ),
            header["ttl"][chosen].astype(np.int64),
            header["id"][chosen].astype(np.int64),
        ),
        heads.rows[special],
    )


def _ipv6(batch: PacketBatch, heads: _Heads, at: Column, sealed: dict[str, int]) -> tuple[Segments, Column]:
    data, end = heads.data, heads.end
    header = gather(data, at, _IPV6)
    following = header["next"]
    sound = header["version"] >> 4 == 6
    plain = sound & (following == _TCP)
    special = sound & _IS_EXTENSION_OR_TUNNEL[following]
    special |= sound & _tunnel_udp(data, following == _UDP, at + 40, end)
    special |= sound & _icmp_error(data, following == _ICMPV6, at + 40, end, _ICMPV6_ERRORS)
    chosen = _where(plain)
    if not plain.all():
        _count_sealed(data, np.where(sound, following, _TCP), at + 40, end, sealed)
    length = header["length"][chosen].astype(np.int64)
    start = at[chosen]
    ip_end = np.where(length == 0, heads.wire_end[chosen], start + 40 + length)
    addresses = tuple(
        header[name][chosen].astype(np.uint64) for name in ("source_high", "source_low", "target_high", "target_low")
    )
    return (
        _tcp(
            batch,
            heads.pick(chosen),
            start + 40,
            ip_end,
            (addresses[0], addresses[1], addresses[2], addresses[3]),
            header["hops"][chosen].astype(np.int64),
            np.full(len(start), -1, dtype=np.int64),
        ),
        heads.rows[special],
    )


def _count_sealed(data: NDArray[np.uint8], protocol: Column, at: Column, end: Column, sealed: dict[str, int]) -> None:
    """Count the packets of tunnels whose inside cannot be read, by what follows the IP header at `at`."""
    found = {name: int(np.count_nonzero(protocol == number)) for number, name in SEALED_PROTOCOLS.items()}
    udp = protocol == _UDP
    if udp.any():
        found |= sealed_udp(data, at[udp], end[udp])
    for name, count in found.items():
        if count:
            sealed[name] = sealed.get(name, 0) + count


def _ends(segment: InnerSegment) -> frozenset[tuple[bytes, int]]:
    ports = int.from_bytes(segment.tcp[0:2], "big"), int.from_bytes(segment.tcp[2:4], "big")
    return frozenset(zip((segment.source, segment.target), ports, strict=True))


def _tunnel_udp(data: NDArray[np.uint8], udp: NDArray[np.bool_], at: Column, end: Column) -> NDArray[np.bool_]:
    """Which packets are UDP to a tunnel's port."""
    result = udp & (at + 8 <= end)
    if result.any():
        where = np.flatnonzero(result)
        result[where] = np.isin(be16(data, at[where] + 2), TUNNEL_UDP_PORTS)
    return result


def _icmp_error(
    data: NDArray[np.uint8], icmp: NDArray[np.bool_], at: Column, end: Column, types: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which packets are ICMP errors (they quote the packet that caused them)."""
    result = icmp & (at + 8 <= end)
    if result.any():
        where = np.flatnonzero(result)
        result[where] = np.isin(data[at[where]], types)
    return result


Addresses = tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64], NDArray[np.uint64]]


def _tcp(
    batch: PacketBatch,
    heads: _Heads,
    at: Column,
    ip_end: Column,
    addresses: Addresses,
    ttl: Column,
    ip_id: Column,
) -> Segments:
    """Decode the TCP headers at positions `at`; headers that are cut or too short are left out."""
    keep = at + 20 <= heads.end
    if not keep.all():
        heads = heads.pick(keep)
        at, ip_end, ttl, ip_id = (column[keep] for column in (at, ip_end, ttl, ip_id))
        addresses = (addresses[0][keep], addresses[1][keep], addresses[2][keep], addresses[3][keep])
    rows = heads.rows
    header = gather(heads.data, at, _TCP_HEADER)
    size = header["offset"].astype(np.int64) >> 4 << 2
    # No packet is longer than its frame, whatever its length field claims.
    ip_end = np.minimum(ip_end, heads.wire_end)
    payload = at + size
    sound = (size >= 20) & (payload <= ip_end)
    length = ip_end - payload
    captured = np.minimum(heads.end, ip_end)
    captured -= payload
    columns = {
        "packet": rows + batch.first_number,
        "time_ns": batch.time_ns[rows],
        "source_high": addresses[0],
        "source_low": addresses[1],
        "target_high": addresses[2],
        "target_low": addresses[3],
        "source_port": header["source_port"].astype(np.int64),
        "target_port": header["target_port"].astype(np.int64),
        "seq": header["seq"].astype(np.int64),
        "ack": header["ack"].astype(np.int64),
        "flags": header["flags"].astype(np.int64),
        "window": header["window"].astype(np.int64),
        "payload": payload + heads.shift,
        "length": length,
        "captured": np.maximum(captured, 0, out=captured),
        "ttl": ttl,
        "ip_id": ip_id,
        "quoted": np.zeros(len(rows), dtype=np.int64),
    }
    if not sound.all():
        columns = {name: column[sound] for name, column in columns.items()}
    return Segments(data=batch.data, **columns)


def inner_segments(
    data: NDArray[np.uint8], found: Sequence[InnerSegment], packet: Column, time_ns: Column, original: Column
) -> Segments:
    """Segments that a dissector found, as columns; their bytes are put behind `data`.

    [M] each: frame numbers, nanoseconds since 1970, and the frames' lengths on the wire in bytes.
    """
    extra = bytearray()
    starts: list[int] = []
    rows: list[int] = []
    numbers: list[tuple[int, ...]] = []
    for row, inner in enumerate(found):
        tcp = inner.tcp
        size = (tcp[12] >> 4) * 4
        if size < 20 or (inner.wire_length < size and not inner.quoted):
            continue
        starts.append(len(data) + len(extra) + size)
        rows.append(row)
        # No segment is longer than its frame, unless it was put together from fragments.
        wire_length = min(inner.wire_length, max(int(original[row]), len(tcp)))
        length = 0 if inner.quoted else wire_length - size
        numbers.append(
            (
                *_halves(inner.source),
                *_halves(inner.target),
                int.from_bytes(tcp[0:2], "big"),
                int.from_bytes(tcp[2:4], "big"),
                int.from_bytes(tcp[4:8], "big"),
                int.from_bytes(tcp[8:12], "big"),
                tcp[13],
                int.from_bytes(tcp[14:16], "big"),
                length,
                min(max(len(tcp) - size, 0), length),
                inner.ttl,
                inner.ip_id,
                inner.quoted,
            )
        )
        extra += tcp
    if not rows:
        return _empty(data)
    at = np.array(rows, dtype=np.int64)
    addresses = [np.array([number[i] for number in numbers], dtype=np.uint64) for i in range(4)]
    rest = np.array([number[4:] for number in numbers], dtype=np.int64)
    return Segments(
        data=np.concatenate([data, np.frombuffer(bytes(extra) + bytes(PADDING), dtype=np.uint8)]),
        packet=packet[at],
        time_ns=time_ns[at],
        source_high=addresses[0],
        source_low=addresses[1],
        target_high=addresses[2],
        target_low=addresses[3],
        source_port=rest[:, 0],
        target_port=rest[:, 1],
        seq=rest[:, 2],
        ack=rest[:, 3],
        flags=rest[:, 4],
        window=rest[:, 5],
        payload=np.array(starts, dtype=np.int64),
        length=rest[:, 6],
        captured=rest[:, 7],
        ttl=rest[:, 8],
        ip_id=rest[:, 9],
        quoted=rest[:, 10],
    )


def _halves(address: bytes) -> tuple[int, int]:
    if len(address) == 4:
        return IPV4_HIGH, int.from_bytes(address, "big")
    return int.from_bytes(address[:8], "big"), int.from_bytes(address[8:], "big")


_COLUMNS: Final = tuple(name for name in Segments.__slots__ if name != "data")


def _merge(parts: list[Segments]) -> Segments:
    """Several parts of one batch as one, in frame order. The longest `data` holds all the others'."""
    columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS}
    order = np.argsort(columns["packet"], kind="stable")
    data = max((part.data for part in parts), key=len)
    return Segments(data=data, **{name: column[order] for name, column in columns.items()})


def _empty(data: NDArray[np.uint8]) -> Segments:
    none = np.zeros(0, dtype=np.int64)
    halves = ("source_high", "source_low", "target_high", "target_low")
    columns: dict[str, NDArray[Any]] = {n: none.astype(np.uint64) if n in halves else none for n in _COLUMNS}
    return Segments(data=data, **columns)
