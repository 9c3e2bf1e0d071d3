"""Packets to TCP segments, in columns.

Takes a `PacketBatch`, gives `Segments`. All packets of a batch are decoded at once, layer by layer: what is wrapped in
something (a tag, a label, a tunnel) comes again as a packet of its own in the next round, until TCP is reached. Few
packets go one by one through `UncommonPackets`: fragments, ICMP errors and rare link types.
IPv4: RFC 791; IPv6: RFC 8200; TCP: RFC 9293 section 3.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import PADDING, PacketBatch, distinct, gather
from analyzer.dataclass import dataclass
from analyzer.net.encapsulations import (
    BY_ETHERTYPE,
    BY_PROTOCOL,
    BY_UDP_PORT,
    IS_ENCAPSULATION,
    IS_TUNNEL_PORT,
    REACH,
    Inner,
    Reader,
    llc,
)
from analyzer.net.link import (
    DECODERS,
    ETHERNET,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    LLC_MAX,
    NESTED,
    be16,
    members,
)
from analyzer.net.sealed import Sealed
from analyzer.net.segments import IPV4_HIGH, Segments, halves
from analyzer.net.uncommon import InnerSegment, UncommonPackets
from analyzer.net.wrappings import Ends, Kind, Wrappings

if TYPE_CHECKING:
    from analyzer.net.datagrams import TlsOverUdp

__all__ = ["SegmentDecoder", "inner_segments"]

_TCP: Final = 6
_UDP: Final = 17
_ICMP: Final = 1
_ICMPV6: Final = 58
_AH: Final = 51
_FRAGMENT: Final = 44
_IPV6_EXTENSIONS: Final = (0, 43, 60, 135, _AH)
"""Hop-by-hop options, routing, destination options, mobility; each tells its length."""
_MOST_EXTENSIONS: Final = 8
_ICMP_ERRORS: Final = (3, 4, 5, 11, 12)
_ICMPV6_ERRORS: Final = (1, 2, 3, 4)
_IS_TUNNEL: Final = members(tuple(BY_PROTOCOL), 256)
_IS_EXTENSION: Final = members(_IPV6_EXTENSIONS, 256)
_LINK_IPV4: Final = 228
_LINK_IPV6: Final = 229
_MOST_LAYERS: Final = 24
"""Wrappings around a packet that are taken off at most, tags and labels counted. Clouds have up to eight."""
_LONGEST_LINK_HEADER: Final = 20
"""Bytes before the network header up to which all headers lie within `PADDING`."""

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
"""More than the longest headers that are decoded at once: a link header, IPv4, UDP and `REACH` take 128 bytes."""

Column = NDArray[np.int64]
Chosen = slice | NDArray[np.bool_]


class _Wrapped(NamedTuple):
    """Packets that were found inside others of a batch. Positions are those of the batch's bytes."""

    rows: Column
    """Which packet of the batch each was in."""
    start: Column
    end: Column
    """Where the captured bytes end."""
    wire_end: Column
    """Where the packet ended on the wire."""
    ethertype: Column
    within: Column
    """The stack of wrappings around it."""


class _Single(NamedTuple):
    """A packet that a dissector has to take apart: its link type, its place in the batch, its wrappings."""

    row: int
    link: int
    start: int
    end: int
    within: int


class SegmentDecoder:
    """Decodes batch after batch; keeps only the fragments of incomplete IP datagrams, and what wraps connections."""

    def __init__(self) -> None:
        self.uncommon = UncommonPackets()
        self.link_types_unknown: dict[int, int] = {}
        """Link type -> packets of it that nothing here reads."""
        self.sealed = Sealed()
        """Packets whose inside cannot be read."""
        self.datagrams: TlsOverUdp | None = None
        """TLS over UDP; None before the first datagram."""
        self.wrappings = Wrappings()
        """What the segments were wrapped in."""
        self.too_deep = 0
        """Packets in more wrappings than are taken off."""

    def decode(self, batch: PacketBatch) -> Segments:
        """All TCP segments of a batch, in frame order."""
        if not len(batch):
            return _empty(batch.data)
        round_ = _Round(self, batch)
        first = int(batch.link[0])
        links = {first} if (batch.link == first).all() else set(batch.link.tolist())
        for link in sorted(links):
            rows = np.flatnonzero(batch.link == link)
            if link >= 0:
                round_.link(link, _Heads.of(batch, rows))
        round_.unwrap()
        parts = round_.parts
        if round_.single:
            parts += self._one_by_one(batch, sorted(round_.single))
        if not parts:
            return _empty(batch.data)
        segments = parts[0] if len(parts) == 1 else _merge(parts)
        self.wrappings.note(segments)
        return segments

    def count_datagrams(
        self, data: NDArray[np.uint8], protocol: NDArray[np.integer], at: Column, end: Column, ends: Ends
    ) -> None:
        """Count those of IP packets that carry TLS over UDP: see `TlsOverUdp.count`."""
        if self.datagrams is None:
            from analyzer.net.datagrams import TlsOverUdp

            self.datagrams = TlsOverUdp()
        self.datagrams.count(data, protocol, at, end, ends)

    def _one_by_one(self, batch: PacketBatch, packets: list[_Single]) -> list[Segments]:
        found: list[tuple[int, InnerSegment]] = []
        within: list[int] = []
        for row, link, start, end, around in packets:
            inner = self.uncommon.dissect(link, batch.data[start:end].tobytes())
            if not self.uncommon.knows(link):
                self.link_types_unknown[link] = self.link_types_unknown.get(link, 0) + 1
            for segment in inner:
                found.append((row, segment))
                within.append(self.wrappings.stack(around, segment.layers))
        if not found:
            return []
        at = np.array([row for row, _ in found], dtype=np.int64)
        frames = (at + batch.first_number, batch.time_ns[at], batch.original[at])
        stacks = np.array(within, dtype=np.int64)
        return [inner_segments(batch.data, [inner for _, inner in found], *frames, stacks)]


class _Round:
    """The packets of one batch on their way to segments."""

    def __init__(self, decoder: SegmentDecoder, batch: PacketBatch) -> None:
        self.parts: list[Segments] = []
        self.single: list[_Single] = []
        self._decoder = decoder
        self._batch = batch
        self._wrapped: list[_Wrapped] = []

    def link(self, link: int, heads: _Heads) -> None:
        """Take the packets of one link type."""
        within = np.zeros(len(heads.rows), dtype=np.int64)
        if link in NESTED:
            self._nested(link, heads, within)
            return
        if link not in DECODERS:
            self._leave(link, heads, heads.start, within, np.ones(len(within), dtype=np.bool_))
            return
        network, ethertype = DECODERS[link](heads.data, heads.start, heads.end - heads.start)
        far = network - heads.start > _LONGEST_LINK_HEADER
        if far.any() or (ethertype == ETHERNET).any():
            self._put_off(heads, Inner(network, ethertype, Kind.NONE, within), within)
        else:
            self._network(heads, network, ethertype, within)

    def _nested(self, link: int, heads: _Heads, within: Column) -> None:
        """Take packets of another link type, which stands in each one's header."""
        size, inside = NESTED[link](heads.data, heads.start)
        held = (size >= 8) & (heads.start + size < heads.end)
        for other in distinct(inside[held]).tolist():
            chosen = heads.pick(held & (inside == other))
            start = chosen.start + size[held & (inside == other)]
            columns = (start, chosen.end, chosen.wire_end)
            if other not in NESTED:
                zeros = within[: len(start)]
                start, end, wire_end = (column + chosen.shift for column in columns)
                self.link(other, _Heads.inside(self._batch, _Wrapped(chosen.rows, start, end, wire_end, zeros, zeros)))

    def unwrap(self) -> None:
        """Take off one layer after the other from what was found wrapped, all packets together."""
        for _ in range(_MOST_LAYERS):
            if not self._wrapped:
                return
            wrapped = self._wrapped[0]
            if len(self._wrapped) > 1:
                columns = [np.concatenate(own) for own in zip(*self._wrapped, strict=True)]
                order = np.argsort(columns[0], kind="stable")  # segments come in frame order
                wrapped = _Wrapped(*(column[order] for column in columns))
            self._wrapped = []
            heads = _Heads.inside(self._batch, wrapped)
            at, ethertype = heads.start, wrapped.ethertype
            framed = ethertype == ETHERNET
            if framed.any():
                ethertype = np.where(framed, np.where(at + 14 <= heads.end, be16(heads.data, at + 12), 0), ethertype)
                at = np.where(framed, at + 14, at)
            self._network(heads, at, ethertype, wrapped.within)
        self._decoder.too_deep += sum(len(each.rows) for each in self._wrapped)

    def _network(self, heads: _Heads, network: Column, ethertype: Column, within: Column) -> None:
        """Take packets whose network headers begin at `network`."""
        room = heads.end - network
        is_v4 = (ethertype == ETHERTYPE_IPV4) & (room >= 20)
        is_v6 = (ethertype == ETHERTYPE_IPV6) & (room >= 40)
        if not (is_v4 | is_v6).all():
            self._encapsulated(heads, network, ethertype, within)
        for version, mask in ((4, is_v4), (6, is_v6)):
            if mask.any():
                chosen = _where(mask)
                self._ip(version, heads.pick(chosen), network[chosen], within[chosen])

    def _encapsulated(self, heads: _Heads, at: Column, ethertype: Column, within: Column) -> None:
        """Take what neither IPv4 nor IPv6 follows."""
        framed = (ethertype > 0) & (ethertype <= LLC_MAX)
        if framed.any():
            self._take_off(llc, heads, at, within, framed)
        found = IS_ENCAPSULATION[ethertype]
        if found.any():
            for number in distinct(ethertype[found]).tolist():
                for reader in BY_ETHERTYPE[number]:
                    self._take_off(reader, heads, at, within, ethertype == number)
            self._decoder.sealed.frames(heads.data, at, ethertype)

    def _take_off(
        self,
        reader: Reader,
        heads: _Heads,
        at: Column,
        within: Column,
        mask: NDArray[np.bool_],
        ends: Ends | None = None,
    ) -> None:
        """Take off one kind of wrapping from the packets of a mask; the headers begin at `at`."""
        chosen = _where(mask)
        heads, at = heads.pick(chosen), at[chosen]
        inner = reader(heads.data, at, heads.end)
        around = None if ends is None else (ends[0][chosen], ends[1][chosen], ends[2][chosen], ends[3][chosen])
        self._put_off(heads, inner, within[chosen], around)

    def _put_off(self, heads: _Heads, inner: Inner, within: Column, ends: Ends | None = None) -> None:
        """Keep the packets inside others for the next round."""
        found = (inner.ethertype > 0) & (inner.at < heads.end)
        if not found.any():
            return
        chosen = _where(found)
        kind = inner.kind if isinstance(inner.kind, int) else inner.kind[chosen]
        if not isinstance(kind, int) or kind != Kind.NONE:
            around = None if ends is None else (ends[0][chosen], ends[1][chosen], ends[2][chosen], ends[3][chosen])
            stacks = self._decoder.wrappings.within(within[chosen], kind, inner.number[chosen], around)
        else:
            stacks = within[chosen]
        heads = heads.pick(chosen)
        self._wrapped.append(
            _Wrapped(
                heads.rows,
                inner.at[chosen] + heads.shift,
                heads.end + heads.shift,
                heads.wire_end + heads.shift,
                inner.ethertype[chosen],
                stacks,
            )
        )

    def _leave(self, link: int, heads: _Heads, at: Column, within: Column, mask: NDArray[np.bool_]) -> None:
        """Leave the packets of a mask to a dissector."""
        heads, at = heads.pick(mask), at[mask]
        columns = (heads.rows, at + heads.shift, heads.end + heads.shift, within[mask])
        for row, start, end, stack in zip(*(column.tolist() for column in columns), strict=True):
            self.single.append(_Single(row, link, start, end, stack))

    def _ip(self, version: int, heads: _Heads, at: Column, within: Column) -> None:
        """Take IP packets with headers at `at`."""
        data = heads.data
        ip = _ipv4(heads, at) if version == 4 else _ipv6(heads, at)
        protocol, body = ip.protocol, ip.body
        whole = ip.sound & ~ip.fragment
        plain = whole & (protocol == _TCP)
        if ip.authenticated.any():
            within = self._authenticated(ip, within, whole)
        if not plain.all():
            link = _LINK_IPV4 if version == 4 else _LINK_IPV6
            errors = (_ICMP, _ICMP_ERRORS) if version == 4 else (_ICMPV6, _ICMPV6_ERRORS)
            carrying = (protocol == _TCP) | (protocol == _UDP) | _IS_TUNNEL[protocol]
            alone = ip.sound & ip.fragment & carrying
            alone |= whole & _icmp_error(data, protocol == errors[0], body, heads.end, errors[1])
            if alone.any():
                self._leave(link, heads, at, within, alone)
            first = np.where(whole, protocol, _TCP)
            self._decoder.sealed.count(data, first, body, heads.end, ip.ends)
            if (first == _UDP).any():
                self._decoder.count_datagrams(data, first, body, heads.end, ip.ends)
            self._tunnels(ip, heads, within, whole)
        chosen = _where(plain)
        part = _tcp(
            self._batch,
            heads.pick(chosen),
            body[chosen],
            # A length of 0 is written by cards that segment themselves (TCP segmentation offload).
            np.where(ip.end[chosen] < 0, heads.wire_end[chosen], ip.end[chosen]),
            (ip.ends[0][chosen], ip.ends[1][chosen], ip.ends[2][chosen], ip.ends[3][chosen]),
            ip.ttl[chosen],
            ip.id[chosen],
            within[chosen],
        )
        if len(part):
            self.parts.append(part)

    def _authenticated(self, ip: _Ip, within: Column, whole: NDArray[np.bool_]) -> Column:
        """The stacks of packets, with the authentication headers that were stepped over."""
        mask = whole & ip.authenticated
        if not mask.any():
            return within
        number = np.full(int(mask.sum()), -1, dtype=np.int64)
        ends = (ip.ends[0][mask], ip.ends[1][mask], ip.ends[2][mask], ip.ends[3][mask])
        within = within.copy()
        within[mask] = self._decoder.wrappings.within(within[mask], Kind.AH, number, ends)
        return within

    def _tunnels(self, ip: _Ip, heads: _Heads, within: Column, whole: NDArray[np.bool_]) -> None:
        """Take off what tunnels put around packets, by the protocol or port that tells them."""
        data, body = heads.data, ip.body
        found = whole & _IS_TUNNEL[ip.protocol] & (body + 4 <= heads.end)
        if found.any():
            for number in distinct(ip.protocol[found]).tolist():
                mask = found & (ip.protocol == number)
                self._take_off(BY_PROTOCOL[number], heads, body, within, mask, ip.ends)
        datagram = whole & (ip.protocol == _UDP) & (body + 12 <= heads.end)
        if not datagram.any():
            return
        target = np.where(datagram, be16(data, np.where(datagram, body + 2, 0)), 0)
        source = np.where(datagram, be16(data, np.where(datagram, body, 0)), 0)
        port = np.where(IS_TUNNEL_PORT[target], target, source)
        found = datagram & IS_TUNNEL_PORT[port]
        if found.any():
            for number in distinct(port[found]).tolist():
                self._take_off(BY_UDP_PORT[number], heads, body + 8, within, found & (port == number), ip.ends)


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

    @classmethod
    def inside(cls, batch: PacketBatch, wrapped: _Wrapped) -> _Heads:
        """The heads of packets inside others."""
        heads = gather(batch.data, wrapped.start, _HEAD)
        start = np.arange(0, len(wrapped.rows) * PADDING, PADDING)
        shift = wrapped.start - start
        return cls(heads.reshape(-1), wrapped.rows, start, wrapped.end - shift, wrapped.wire_end - shift, shift)

    def pick(self, chosen: Chosen) -> _Heads:
        columns = (self.rows, self.start, self.end, self.wire_end, self.shift)
        return _Heads(self.data, *(column[chosen] for column in columns))


def _where(mask: NDArray[np.bool_]) -> Chosen:
    """An index for the rows of a mask; a slice, which copies nothing, when that is all of them."""
    return slice(None) if mask.all() else mask


class _Ip(NamedTuple):
    """The headers of N IP packets."""

    protocol: NDArray[np.uint8]
    """What follows the header and its extensions."""
    body: Column
    """Where that begins."""
    end: Column
    """Where the packet ends, by its own length field; -1 where that is 0."""
    sound: NDArray[np.bool_]
    fragment: NDArray[np.bool_]
    """What has to be put together first."""
    authenticated: NDArray[np.bool_]
    """What has an authentication header (RFC 4302)."""
    ends: Ends
    ttl: Column
    id: Column


def _ipv4(heads: _Heads, at: Column) -> _Ip:
    header = gather(heads.data, at, _IPV4)
    size = (header["version_ihl"].astype(np.int64) & 15) * 4
    sound = (header["version_ihl"] >> 4 == 4) & (size >= 20)
    fragment = (header["fragment"].astype(np.int64) & 0x3FFF) != 0
    length = header["length"].astype(np.int64)
    high = np.full(len(at), IPV4_HIGH, dtype=np.uint64)
    protocol, body, authenticated, _ = _extensions(heads, header["protocol"], at + size, sound & ~fragment, _IS_AH)
    return _Ip(
        protocol,
        body,
        np.where(length == 0, -1, at + length),
        sound,
        fragment,
        authenticated,
        (high, header["source"].astype(np.uint64), high, header["target"].astype(np.uint64)),
        header["ttl"].astype(np.int64),
        header["id"].astype(np.int64),
    )


def _ipv6(heads: _Heads, at: Column) -> _Ip:
    header = gather(heads.data, at, _IPV6)
    sound = header["version"] >> 4 == 6
    length = header["length"].astype(np.int64)
    protocol, body, authenticated, far = _extensions(heads, header["next"], at + 40, sound, _IS_EXTENSION)
    names = ("source_high", "source_low", "target_high", "target_low")
    ends = [header[name].astype(np.uint64) for name in names]
    return _Ip(
        # Extension headers that are too many for columns are left to a dissector, as fragments are.
        np.where(far | (protocol == _FRAGMENT), np.uint8(_TCP), protocol),
        body,
        np.where(length == 0, -1, at + 40 + length),
        sound,
        far | (protocol == _FRAGMENT),
        authenticated,
        (ends[0], ends[1], ends[2], ends[3]),
        header["hops"].astype(np.int64),
        np.full(len(at), -1, dtype=np.int64),
    )


_IS_AH: Final = members((_AH,), 256)


def _extensions(
    heads: _Heads, protocol: NDArray[np.uint8], body: Column, sound: NDArray[np.bool_], kinds: NDArray[np.bool_]
) -> tuple[NDArray[np.uint8], Column, NDArray[np.bool_], NDArray[np.bool_]]:
    """Step over headers that tell what follows them.

    Gives what follows them, where it begins, which had an authentication header, and which have more headers than lie
    within reach.
    """
    authenticated = np.zeros(len(body), dtype=np.bool_)
    if not kinds[protocol].any():
        return protocol, body, authenticated, authenticated
    limit = heads.start + (PADDING - REACH - 8)
    for _ in range(_MOST_EXTENSIONS):
        more = sound & kinds[protocol] & (body <= limit) & (body + 8 <= heads.end)
        if not more.any():
            break
        place = np.where(more, body, heads.start)
        units = heads.data[place + 1].astype(np.int64)
        own = more & (protocol == _AH)
        authenticated |= own
        # RFC 4302 section 2.2 counts words of 4 bytes less 2, RFC 8200 section 4 units of 8 less 1.
        body = np.where(more, body + np.where(own, (units + 2) * 4, (units + 1) * 8), body)
        protocol = np.where(more, heads.data[place], protocol)
    far = sound & (kinds[protocol] | (body > limit)) & (body + 8 <= heads.end)
    return protocol, body, authenticated, far


def _icmp_error(
    data: NDArray[np.uint8], icmp: NDArray[np.bool_], at: Column, end: Column, types: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which packets are ICMP errors (they quote the packet that caused them)."""
    result = icmp & (at + 8 <= end)
    if result.any():
        where = np.flatnonzero(result)
        result[where] = np.isin(data[at[where]], types)
    return result


def _tcp(
    batch: PacketBatch,
    heads: _Heads,
    at: Column,
    ip_end: Column,
    addresses: Ends,
    ttl: Column,
    ip_id: Column,
    within: Column,
) -> Segments:
    """Decode the TCP headers at positions `at`; headers that are cut or too short are left out."""
    keep = at + 20 <= heads.end
    if not keep.all():
        heads = heads.pick(keep)
        at, ip_end, ttl, ip_id, within = (column[keep] for column in (at, ip_end, ttl, ip_id, within))
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
        "within": within,
    }
    if not sound.all():
        columns = {name: column[sound] for name, column in columns.items()}
    return Segments(data=batch.data, **columns)


def inner_segments(
    data: NDArray[np.uint8],
    found: Sequence[InnerSegment],
    packet: Column,
    time_ns: Column,
    original: Column,
    within: Column,
) -> Segments:
    """Segments that a dissector found, as columns; their bytes are put behind `data`.

    [M] each: frame numbers, nanoseconds since 1970, the frames' lengths on the wire in bytes, stacks of wrappings.
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
                *halves(inner.source),
                *halves(inner.target),
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
        within=within[at],
    )


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
