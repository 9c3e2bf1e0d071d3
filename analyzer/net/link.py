"""Link layers in columns: where the network header of each packet begins, and what it is.

A decoder takes the bytes, the packets' positions and captured lengths, and gives two arrays: the position of the
network header and its EtherType (0 where there is none, or where the packet is too short). Numbers are those of the
LINKTYPE_ registry of tcpdump. A new link type is one function and one row of `DECODERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "CENTRINO",
    "DECODERS",
    "ETHERNET",
    "ETHERTYPE_IPV4",
    "ETHERTYPE_IPV6",
    "HDLC",
    "LLC",
    "LLC_MAX",
    "MACSEC",
    "MPLS",
    "MPLS_MULTICAST",
    "NESTED",
    "NFLOG",
    "PPP",
    "PPPOE",
    "WLAN",
    "WLAN_PADDED",
    "Bytes",
    "Column",
    "be16",
    "be32",
    "by_ip_version",
    "hdlc_protocol",
    "members",
    "ppp_protocol",
]

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_IPV6: Final = 0x86DD
ETHERNET: Final = 0x6558
"""An Ethernet frame: the EtherType by which GRE and Geneve call it."""
PPP: Final = 0x880B
PPPOE: Final = 0x8864
MPLS: Final = 0x8847
MPLS_MULTICAST: Final = 0x8848
MACSEC: Final = 0x88E5
NFLOG: Final = 0xFFFF
"""The attributes of Linux's packet log. This EtherType is reserved, and stands for them here alone."""
HDLC: Final = 0xFFFC
"""PPP in HDLC framing, or Cisco's. This EtherType is reserved, and stands for them here alone."""
CENTRINO: Final = 0x2452
"""The EtherType under which some wireless cards hand IEEE 802.11 frames to a capture of Ethernet, decrypted."""
WLAN: Final = 0xFFFB
"""An IEEE 802.11 frame. This EtherType is reserved, and stands for it here alone."""
WLAN_PADDED: Final = 0xFFFE
"""The same with its header padded to words, as some cards hand it over. Reserved as well."""
LLC: Final = 4
"""Any EtherType up to `LLC_MAX` is the length of an IEEE 802.3 frame, in which IEEE 802.2 follows."""
LLC_MAX: Final = 1500

Bytes = NDArray[np.uint8]
Column = NDArray[np.int64]
Decoder = Callable[[Bytes, Column, Column], tuple[Column, Column]]


def members(values: tuple[int, ...], size: int) -> NDArray[np.bool_]:
    """A table of `size` entries, true at `values`: to ask many numbers at once whether they are among them."""
    table = np.zeros(size, dtype=np.bool_)
    table[list(values)] = True
    return table


def be16(data: Bytes, at: Column) -> Column:
    """The big-endian 16-bit values at positions `at`."""
    return data[at].astype(np.int64) << 8 | data[at + 1]


def be32(data: Bytes, at: Column) -> Column:
    """The big-endian 32-bit values at positions `at`."""
    return be16(data, at) << 16 | be16(data, at + 2)


def _le16(data: Bytes, at: Column) -> Column:
    return data[at].astype(np.int64) | data[at + 1].astype(np.int64) << 8


_BY_VERSION: Final = np.zeros(16, dtype=np.int64)
_BY_VERSION[[4, 6]] = [ETHERTYPE_IPV4, ETHERTYPE_IPV6]


def by_ip_version(version: NDArray[np.integer]) -> Column:
    """The EtherTypes of IP packets by their versions (the first four bits), 0 for what is none."""
    found: Column = _BY_VERSION[version]
    return found


_PPP_PROTOCOLS: Final = np.zeros(1 << 16, dtype=np.int64)
_PPP_PROTOCOLS[[0x21, 0x57, 0x281, 0x283]] = [ETHERTYPE_IPV4, ETHERTYPE_IPV6, MPLS, MPLS_MULTICAST]


def ppp_protocol(data: Bytes, at: Column, end: Column) -> tuple[Column, Column]:
    """What PPP carries at `at` (RFC 1661, RFC 1662): behind FF 03, where these are, a protocol of one byte or two."""
    at = np.where(be16(data, at) == 0xFF03, at + 2, at)
    short = data[at] & 1 == 1
    protocol = np.where(short, data[at], be16(data, at))
    inner = np.where(short, at + 1, at + 2)
    return inner, np.where(inner < end, _PPP_PROTOCOLS[protocol], 0)


def _fixed(header: int, type_at: int) -> Decoder:
    """A header of fixed size with an EtherType in it."""

    def decode(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
        ethertype = be16(data, offset + type_at)
        return offset + header, np.where(captured >= header, ethertype, 0)

    return decode


def _always(header: int, ethertype: int) -> Decoder:
    """A header of fixed size that always stands before the same."""

    def decode(_data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
        return offset + header, np.where(captured > header, ethertype, 0)

    return decode


def _family(header: int, family_at: int = 0) -> Decoder:
    """BSD's address family in 4 bytes, in the byte order of the machine that captured; each has its own of IPv6."""

    def decode(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
        family = np.maximum(data[offset + family_at], data[offset + family_at + 3])
        return offset + header, np.where(captured >= header, _BY_FAMILY[family], 0)

    return decode


_BY_FAMILY: Final = np.zeros(256, dtype=np.int64)
_BY_FAMILY[2] = ETHERTYPE_IPV4
_BY_FAMILY[[10, 24, 28, 30]] = ETHERTYPE_IPV6


def _raw(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """No link header: the IP version tells."""
    return offset, np.where(captured >= 1, by_ip_version(data[offset] >> 4), 0)


def _ppp(header: int) -> Decoder:
    def decode(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
        return ppp_protocol(data, offset + header, offset + captured)

    return decode


def _hdlc(header: int) -> Decoder:
    def decode(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
        return hdlc_protocol(data, offset + header, offset + captured)

    return decode


def hdlc_protocol(data: Bytes, at: Column, end: Column) -> tuple[Column, Column]:
    """What a frame of HDLC carries at `at`: an address byte of 0F or 8F is Cisco's, and an EtherType follows."""
    cisco = (data[at] == 0x0F) | (data[at] == 0x8F)
    inner, ethertype = ppp_protocol(data, at, end)
    own = np.where(at + 4 <= end, be16(data, at + 2), 0)
    return np.where(cisco, at + 4, inner), np.where(cisco, own, ethertype)


_NLPID: Final = np.zeros(256, dtype=np.int64)
_NLPID[[0xCC, 0x8E]] = [ETHERTYPE_IPV4, ETHERTYPE_IPV6]


def _frame_relay(header: int) -> Decoder:
    """RFC 2427: an address of 2 to 4 bytes, 03, and the NLPID; SNAP (80) with an EtherType, or a bridged Ethernet."""

    def decode(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
        at = offset + header
        size = np.where(data[at + 1] & 1 == 1, 2, np.where(data[at + 2] & 1 == 1, 3, 4))
        control = at + size
        padded = (data[control] == 3) & (data[control + 1] == 0)
        nlpid = control + np.where(padded, 2, 1)
        inner, ethertype = nlpid + 1, _NLPID[data[nlpid]]
        snap = data[nlpid] == 0x80
        bridged = snap & (be16(data, nlpid + 2) == 0x80C2)
        ethertype = np.where(snap, np.where(bridged, ETHERNET, be16(data, nlpid + 4)), ethertype)
        inner = np.where(snap, nlpid + 6, inner)
        # Without the 03 it is Cisco's own: the EtherType follows the address.
        cisco = data[control] != 3
        ethertype = np.where(cisco, be16(data, control), ethertype)
        inner = np.where(cisco, control + 2, inner)
        return inner, np.where(inner < offset + captured, ethertype, 0)

    return decode


def _token_ring(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """IEEE 802.5: two control bytes, addresses, routing information when the source says so, IEEE 802.2."""
    routed = data[offset + 8] & 0x80 != 0
    size = 14 + np.where(routed, data[offset + 14] & 0x1F, 0)
    return offset + size, np.where(captured > size, LLC, 0)


def _fddi(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """A frame control byte (01x1 0xxx for IEEE 802.2), addresses, IEEE 802.2."""
    return offset + 13, np.where((captured > 13) & (data[offset] & 0xC0 == 0x40), LLC, 0)


def _sunatm(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """SunATM: a byte that tells the traffic (2 for IEEE 802.2, 1 for LAN emulation), VPI, VCI."""
    emulated = data[offset] & 0x0F == 1
    return np.where(emulated, offset + 6, offset + 4), np.where(
        captured > 6, np.where(emulated, ETHERNET, np.where(data[offset] & 0x0F == 2, LLC, 0)), 0
    )


def _pflog(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """OpenBSD's packet filter log: its length, the address family; the header is padded to words."""
    size = (data[offset].astype(np.int64) + 3) & ~3
    return offset + size, np.where((captured > size) & (size > 1), _BY_FAMILY[data[offset + 1]], 0)


def _ipnet(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """Solaris: version, family (2, or 26 for IPv6), 22 bytes more."""
    family = data[offset + 1]
    ethertype = np.where(family == 2, ETHERTYPE_IPV4, np.where(family == 26, ETHERTYPE_IPV6, 0))
    return offset + 24, np.where(captured > 24, ethertype, 0)


def _prism(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """The header of Prism cards: a code (44 in its last byte), then its length in the byte order of the machine."""
    size = np.where(data[offset] == 0x44, _le16(data, offset + 4), be16(data, offset + 6))
    avs = be32(data, offset) == _AVS_MAGIC
    size = np.where(avs, be16(data, offset + 6), size)
    return offset + size, np.where((captured > size) & (size > 8), WLAN, 0)


_AVS_MAGIC: Final = 0x80211001


def _avs(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """AVS: a magic number with a version, then the length."""
    size = be16(data, offset + 6)
    return offset + size, np.where((captured > size) & (size > 8), WLAN, 0)


def _radiotap(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """Radiotap: its length, a mask of the fields that are there (bit 0 time, 1 flags), masks behind it (bit 31)."""
    size = _le16(data, offset + 2)
    fields = offset + 8
    more = data[offset + 7] & 0x80 != 0
    for _ in range(_MOST_MASKS):
        if not more.any():
            break
        more, fields = more & (data[fields + 3] & 0x80 != 0), np.where(more, fields + 4, fields)
    timed = data[offset + 4] & 1 != 0
    fields = np.where(timed, (fields - offset + 7 & ~7) + offset + 8, fields)
    padded = (data[offset + 4] & 2 != 0) & (data[fields] & 0x20 != 0) & (fields < offset + size)
    return offset + size, np.where((captured > size) & (size >= 8), np.where(padded, WLAN_PADDED, WLAN), 0)


_MOST_MASKS: Final = 8


_ERF_INSIDE: Final = np.zeros(128, dtype=np.int64)
_ERF_INSIDE[[2, 11, 16, 20]] = ETHERNET
_ERF_INSIDE[[1, 10, 15, 17]] = HDLC
_ERF_INSIDE[[3, 4, 18, 24]] = LLC
_ERF_INSIDE[[22, 23]] = [ETHERTYPE_IPV4, ETHERTYPE_IPV6]


def _erf(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """Endace's records: 8 bytes of time, the type (80: extension headers of 8 bytes, each telling of the next so)."""
    kind = data[offset + 8]
    at, more = offset + 16, kind & 0x80 != 0
    for _ in range(_MOST_MASKS):
        if not more.any():
            break
        more, at = more & (data[at] & 0x80 != 0), np.where(more, at + 8, at)
    inside = _ERF_INSIDE[kind & 0x7F]
    at = at + np.where(inside == ETHERNET, 2, np.where(inside == LLC, 4, 0))
    return at, np.where(captured > at - offset, inside, 0)


_JUNIPER_MAGIC: Final = 0x4D4743


def _juniper(inside: int, services: int = 0) -> Decoder:
    """Juniper's header: a magic number, flags, extensions when told (80); `services` bytes of a card's own follow.

    With flag 02 there is no link header, and 4 bytes stand for it.
    """

    def decode(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
        magic = be32(data, offset) >> 8 == _JUNIPER_MAGIC
        flags = data[offset + 3]
        at = offset + 4 + np.where(flags & 0x80 != 0, 2 + be16(data, offset + 4), 0)
        at = np.where(magic & (at + services < offset + captured), at, offset)
        bare = flags & 0x02 != 0
        family = data[np.minimum(at, len(data) - 1)]
        unframed = np.where(family == 2, ETHERTYPE_IPV4, np.where(family == 6, ETHERTYPE_IPV6, 0))
        return np.where(bare, at + 4, at + services), np.where(at > offset, np.where(bare, unframed, inside), 0)

    return decode


DECODERS: Final[dict[int, Decoder]] = {
    0: _family(4),  # BSD loopback
    1: _fixed(14, 12),  # Ethernet
    6: _token_ring,
    9: _ppp(0),
    10: _fddi,
    12: _raw,
    14: _raw,
    50: _hdlc(0),  # PPP in HDLC framing
    51: _always(0, PPPOE),
    100: _always(0, LLC),  # RFC 2684 on ATM
    101: _raw,
    104: _hdlc(0),  # Cisco HDLC
    105: _always(0, WLAN),
    107: _frame_relay(0),
    108: _family(4),  # OpenBSD loopback
    109: _family(12),  # OpenBSD enc(4): what IPsec has just unwrapped
    113: _fixed(16, 14),  # Linux cooked capture
    117: _pflog,
    119: _prism,
    122: _always(16, LLC),  # IP over Fibre Channel, RFC 2625
    123: _sunatm,
    127: _radiotap,
    138: _fixed(18, 16),  # IP over IEEE 1394
    163: _avs,
    166: _ppp(2),  # pppd, with a direction in the place of FF 03
    178: _juniper(ETHERNET),
    197: _erf,
    204: _ppp(1),
    205: _hdlc(1),
    206: _frame_relay(1),
    226: _ipnet,
    228: _raw,
    229: _raw,
    239: _always(4, NFLOG),
    240: _always(4, ETHERNET),  # Hilscher netANALYZER
    241: _always(12, ETHERNET),  # the same, with the preamble
    242: _fixed(44, 40),  # IP over InfiniBand
    274: _always(8, ETHERNET),  # Ethernet with its preamble
    276: _fixed(20, 0),  # Linux cooked capture, version 2
    281: _fixed(18, 16),  # Broadcom's switch tag behind the addresses
    282: _always(4, ETHERNET),  # and in front of them
    284: _fixed(18, 16),  # Marvell's switch tag
    285: _fixed(22, 20),  # Marvell's longer one
}


def _ppi(data: Bytes, offset: Column) -> tuple[Column, Column]:
    """Per-Packet Information: version, flags, length (2 bytes), link type."""
    return _le16(data, offset + 2), _le16(data, offset + 4)


def _pktap(data: Bytes, offset: Column) -> tuple[Column, Column]:
    """Apple's: length (4 bytes), the kind of record, link type."""
    return _le16(data, offset), _le16(data, offset + 8)


NESTED: Final[dict[int, Callable[[Bytes, Column], tuple[Column, Column]]]] = {192: _ppi, 258: _pktap}
"""Link types that put a header before packets of another one: its length, and the other's number."""
