"""What packets are wrapped in, in columns: where the packet inside begins, and what it is.

A reader takes bytes, the positions of N headers of its kind, and where the captured bytes of each packet end; it gives
an `Inner`. It may look at the `REACH` bytes from a header's beginning on; what lies further may be another packet's.
A new encapsulation is one function and one row of `BY_ETHERTYPE`, `BY_PROTOCOL` or `BY_UDP_PORT`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.net.link import (
    CENTRINO,
    ETHERNET,
    ETHERTYPE_IPV4,
    ETHERTYPE_IPV6,
    HDLC,
    LLC,
    LLC_MAX,
    MACSEC,
    MPLS,
    MPLS_MULTICAST,
    NFLOG,
    PPP,
    PPPOE,
    WLAN,
    WLAN_PADDED,
    Bytes,
    Column,
    be16,
    be32,
    by_ip_version,
    hdlc_protocol,
    members,
    ppp_protocol,
)
from analyzer.net.wrappings import Kind

__all__ = [
    "BY_ETHERTYPE",
    "BY_PROTOCOL",
    "BY_UDP_PORT",
    "IS_ENCAPSULATION",
    "IS_TUNNEL_PORT",
    "REACH",
    "Inner",
    "Reader",
    "llc",
]

REACH: Final = 40
"""Bytes from the beginning of a header on that can be looked at."""
_ERSPAN_2: Final = 0x88BE
_ERSPAN_3: Final = 0x22EB
_WCCP: Final = 0x883E
_NSH: Final = 0x894F
_GRE_CHECKSUM, _GRE_ROUTING, _GRE_KEY, _GRE_SEQUENCE, _GRE_ACK = 0x8000, 0x4000, 0x2000, 0x1000, 0x0080
_GRE_VERSION: Final = 7
_GTP_EXTENSIONS: Final = 8
"""Extension headers of GTP-U that are stepped over at most; there are hardly ever more than two."""
_MOST_TAGS: Final = 16
_NFLOG_PACKET: Final = 9
_AMSDU: Final = 0xFFFD
"""Several packets in one frame of IEEE 802.11. This EtherType is reserved, and stands for them here alone."""
_PROTECTED: Final = 0x40
_SNAP: Final = 0xAAAA03
_NO_NUMBER: Final = -1


class Inner(NamedTuple):
    """N packets inside others: position, EtherType (0 where nothing can be read), what they were wrapped in.

    `number` tells a tunnel from its like (a VNI, a label), -1 for none; `kind` is a `Kind`, or a column of them.
    """

    at: Column
    ethertype: Column
    kind: Kind | Column
    number: Column


Reader = Callable[[Bytes, Column, Column], Inner]


def _none(at: Column) -> Column:
    return np.full(len(at), _NO_NUMBER, dtype=np.int64)


def _be24(data: Bytes, at: Column) -> Column:
    return be32(data, at) >> 8


def vlan(data: Bytes, at: Column, end: Column) -> Inner:
    """IEEE 802.1Q and 802.1ad: 4 bytes, the EtherType in the last two. Priority tags (VLAN 0) are no wrapping."""
    number = be16(data, at) & 0x0FFF
    kind = np.where(number > 0, Kind.VLAN, Kind.NONE)
    return Inner(at + 4, np.where(at + 4 <= end, be16(data, at + 2), 0), kind, number)


def mpls(data: Bytes, at: Column, end: Column) -> Inner:
    """RFC 3032: one label; behind the last one the first four bits tell what comes, as in Wireshark (RFC 4385).

    Ethernet may have a pseudowire's control word before it, which begins with four zero bits (RFC 4448 section 4.6), as
    many an address does: the EtherType behind it decides.
    """
    entry = be32(data, at)
    last = entry >> 8 & 1 == 1
    nibble = data[at + 4].astype(np.int64) >> 4
    ip = (nibble == 4) | (nibble == 6)
    inside = np.where(ip, by_ip_version(nibble), ETHERNET)
    control_word = last & (nibble == 0) & _IS_FRAMED[be16(data, at + 20)]
    ethertype = np.where(last, inside, MPLS)
    inner = at + 4 + np.where(control_word, 4, 0)
    return Inner(inner, np.where((at + 5 <= end) & (nibble != 1) | ~last, ethertype, 0), Kind.MPLS, entry >> 12)


_IS_FRAMED: Final = members((ETHERTYPE_IPV4, ETHERTYPE_IPV6, 0x8100, 0x88A8, MPLS, PPPOE), 1 << 16)


def pppoe(data: Bytes, at: Column, end: Column) -> Inner:
    """RFC 2516, a session's packet: version and type, code 0, session, length, then PPP."""
    sound = (at + 7 <= end) & (data[at] == 0x11) & (data[at + 1] == 0)
    return Inner(at + 6, np.where(sound, PPP, 0), Kind.PPPOE, be16(data, at + 2))


def ppp(data: Bytes, at: Column, end: Column) -> Inner:
    """RFC 1661: the protocol in one byte or two, after the address and control bytes where these were not left out."""
    inner, ethertype = ppp_protocol(data, at, end)
    return Inner(inner, ethertype, Kind.NONE, _none(at))


def hdlc(data: Bytes, at: Column, end: Column) -> Inner:
    """PPP in HDLC framing (RFC 1662), or Cisco's."""
    inner, ethertype = hdlc_protocol(data, at, end)
    return Inner(inner, ethertype, Kind.NONE, _none(at))


def llc(data: Bytes, at: Column, end: Column) -> Inner:
    """IEEE 802.2 with SNAP (RFC 1042), or IP's own access point."""
    snap = (be16(data, at) == 0xAAAA) & (data[at + 2] == 3) & (at + 8 <= end)
    ip = (be16(data, at) == 0x0606) & (data[at + 2] == 3) & (at + 3 <= end)
    ethertype = np.where(snap, be16(data, at + 6), np.where(ip, ETHERTYPE_IPV4, 0))
    ethertype = np.where(ethertype > LLC_MAX, ethertype, 0)
    return Inner(np.where(snap, at + 8, at + 3), ethertype, Kind.NONE, _none(at))


def _skip(size: int, kind: Kind = Kind.NONE, *, mask: int = 0) -> Reader:
    """A header of fixed size that ends with the EtherType; `mask` picks the number from its first four bytes."""

    def read(data: Bytes, at: Column, end: Column) -> Inner:
        number = be32(data, at) & mask if mask else _none(at)
        return Inner(at + size, np.where(at + size <= end, be16(data, at + size - 2), 0), kind, number)

    return read


def nsh(data: Bytes, at: Column, end: Column) -> Inner:
    """RFC 8300: the length in words, the next protocol, the service path."""
    size = (data[at + 1].astype(np.int64) & 0x3F) * 4
    sound = (size >= 8) & (at + size <= end)
    return Inner(at + size, np.where(sound, _next_of_nsh(data[at + 3]), 0), Kind.NSH, _be24(data, at + 4))


_NEXT_OF_NSH: Final = np.zeros(256, dtype=np.int64)
_NEXT_OF_NSH[[1, 2, 3, 4, 5]] = [ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERNET, _NSH, MPLS]


def _next_of_nsh(number: Bytes) -> Column:
    """RFC 8300 section 2.2; VXLAN-GPE has the same numbers."""
    return _NEXT_OF_NSH[number]


def macsec(data: Bytes, at: Column, end: Column) -> Inner:
    """IEEE 802.1AE, where it only authenticates: TCI, short length, packet number, and SCI (8 bytes) if it is told."""
    control = data[at].astype(np.int64)
    size = np.where(control & 0x20 != 0, 14, 6)
    clear = (control & 0x0C == 0) & (at + size + 2 <= end)
    return Inner(at + size + 2, np.where(clear, be16(data, at + size), 0), Kind.MACSEC, _none(at))


def nflog(data: Bytes, at: Column, end: Column) -> Inner:
    """One attribute of Linux's packet log: length and type, padded to words; type 9 is the packet itself.

    Both are in the byte order of the machine, little-endian but for a few.
    """
    size = data[at].astype(np.int64) | data[at + 1].astype(np.int64) << 8
    packet = (data[at + 2] == _NFLOG_PACKET) & (data[at + 3] & 0x7F == 0)
    carried = np.where(packet, by_ip_version(data[at + 4] >> 4), NFLOG)
    inner = at + np.where(packet, 4, size + 3 & ~3)
    return Inner(inner, np.where((size >= 4) & (at + 5 <= end), carried, 0), Kind.NONE, _none(at))


def _wlan(alignment: int, *, decrypted: bool = False) -> Reader:
    """IEEE 802.11-2020 section 9.2.3: a data frame that is not encrypted; IEEE 802.2 follows its header.

    `decrypted`: protected frames come in clear, with the initialization vector (4 bytes, or 8) before IEEE 802.2.
    """

    def read(data: Bytes, at: Column, end: Column) -> Inner:
        kind, flags = data[at], data[at + 1]
        service = kind & 0x80 != 0
        size = np.where(flags & 3 == 3, 30, 24)
        several = service & (data[at + size] & 0x80 != 0)
        first = data[at + 22] & 0x0F == 0
        size = size + np.where(service, np.where(flags & 0x80 != 0, 6, 2), 0)
        size = (size + alignment - 1) // alignment * alignment
        # Type 2 is data, of which the subtypes with bit 2 carry none.
        carrying = (kind & 0x4F == 0x08) & first
        protected = flags & _PROTECTED != 0
        if decrypted:
            short, long = (be32(data, at + size + vector) >> 8 == _SNAP for vector in (4, 8))
            size = size + np.where(protected & short, 4, np.where(protected & long, 8, 0))
            protected &= ~(short | long)
        carrying &= ~protected & (at + size + 8 <= end)
        inside = np.where(several, _AMSDU, LLC)
        return Inner(at + size, np.where(carrying, inside, 0), Kind.WLAN, _none(at))

    return read


def _subframe(_data: Bytes, at: Column, end: Column) -> Inner:
    """The first packet of an aggregate (IEEE 802.11-2020 section 9.3.2.2): addresses, length, IEEE 802.2."""
    return Inner(at + 14, np.where(at + 14 <= end, LLC, 0), Kind.NONE, _none(at))


def _further_subframes(data: Bytes, at: Column, end: Column) -> Inner:
    """What follows it, padded to words."""
    following = at + (14 + be16(data, at + 12) + 3 & ~3)
    return Inner(following, np.where(following + 14 <= end, _AMSDU, 0), Kind.NONE, _none(at))


def nested(data: Bytes, at: Column, end: Column) -> Inner:
    """IP directly in IP (RFC 2003, RFC 4213, RFC 2473); the versions name it, which `Wrappings` does."""
    version = data[at].astype(np.int64) >> 4
    kind = np.where(version == 4, Kind.IPV4_IN_IP, Kind.IPV6_IN_IP)
    return Inner(at, np.where(at + 20 <= end, by_ip_version(version), 0), kind, _none(at))


def gre(data: Bytes, at: Column, end: Column) -> Inner:
    """RFC 2784, RFC 2890; version 1 is PPTP's (RFC 2637); NVGRE (RFC 7637), ERSPAN and WCCP are payloads of it."""
    flags = be16(data, at)
    pptp = flags & _GRE_VERSION == 1
    protocol = be16(data, at + 2)
    optional = np.where((flags & (_GRE_CHECKSUM | _GRE_ROUTING) != 0) & ~pptp, 4, 0)
    keyed = flags & _GRE_KEY != 0
    sequenced = flags & _GRE_SEQUENCE != 0
    acknowledged = pptp & (flags & _GRE_ACK != 0)
    inner = at + 4 + optional + np.where(keyed, 4, 0) + np.where(sequenced, 4, 0) + np.where(acknowledged, 4, 0)
    key = np.where(keyed, be32(data, at + 4 + optional), _NO_NUMBER)
    kind = np.where(keyed, Kind.GRE_KEY, Kind.GRE)
    # RFC 7637 section 3.2: Ethernet, a key and no sequence number; the key is a 24-bit subnet and a flow's 8 bits.
    # Subnets below 4096 are reserved, so smaller keys are those of other tunnels.
    subnet = keyed & ~sequenced & (protocol == ETHERNET) & (key >= 0x1000 << 8)
    kind = np.where(pptp, Kind.PPTP, np.where(subnet, Kind.NVGRE, kind))
    number = np.where(pptp, key & 0xFFFF, np.where(subnet, key >> 8, key))
    sound = (inner + 4 <= end) & (flags & _GRE_VERSION <= 1) & ((flags & _GRE_ROUTING == 0) | pptp)
    ethertype = np.where(sound, protocol, 0)
    kind, number, inner, ethertype = _erspan(data, end, sequenced, (kind, number, inner, ethertype))
    # A redirect header of four bytes stands before the packet in version 2 of WCCP; it begins with no IP version.
    redirected = ethertype == _WCCP
    begins = data[np.minimum(inner, len(data) - 1)] >> 4 == 4
    inner = np.where(redirected & ~begins, inner + 4, inner)
    ethertype = np.where(redirected, ETHERTYPE_IPV4, ethertype)
    return Inner(inner, ethertype, kind, number)


def _erspan(
    data: Bytes, end: Column, sequenced: NDArray[np.bool_], found: tuple[Column, Column, Column, Column]
) -> tuple[Column, Column, Column, Column]:
    """What GRE carries, with ERSPAN's headers stepped over (draft-foschiano-erspan-03): none, 8 bytes, or 12 and 8."""
    kind, number, inner, ethertype = found
    second = (ethertype == _ERSPAN_2) & sequenced
    third = ethertype == _ERSPAN_3
    mirrored = (ethertype == _ERSPAN_2) | third
    if not mirrored.any():
        return found
    session = be16(data, inner + 2) & 0x3FF
    flags = be16(data, inner + 10)
    size = np.where(second, 8, np.where(third, 12 + np.where(flags & 1 == 1, 8, 0), 0))
    # The frame type of version III: 0 is Ethernet, 2 is IP.
    ip = third & (flags >> 10 & 0x1F == 2)
    inside = inner + size
    carried = np.where(ip, by_ip_version(data[inside].astype(np.int64) >> 4), ETHERNET)
    ethertype = np.where(mirrored, np.where(inside + 14 <= end, carried, 0), ethertype)
    kind = np.where(mirrored, np.where(size > 0, Kind.ERSPAN_SESSION, Kind.ERSPAN), kind)
    number = np.where(mirrored, np.where(size > 0, session, _NO_NUMBER), number)
    return kind, number, np.where(mirrored, inside, inner), ethertype


def etherip(data: Bytes, at: Column, end: Column) -> Inner:
    """RFC 3378: two bytes, version 3."""
    sound = (data[at] >> 4 == 3) & (at + 16 <= end)
    return Inner(at + 2, np.where(sound, ETHERNET, 0), Kind.ETHERIP, _none(at))


def vxlan(data: Bytes, at: Column, end: Column) -> Inner:
    """RFC 7348; flags of its extensions (group policy) change nothing of where the frame begins."""
    return Inner(at + 8, np.where(at + 22 <= end, ETHERNET, 0), Kind.VXLAN, _be24(data, at + 4))


def vxlan_gpe(data: Bytes, at: Column, end: Column) -> Inner:
    """draft-ietf-nvo3-vxlan-gpe: with flag P the fourth byte is the next protocol."""
    told = data[at] & 0x04 != 0
    ethertype = np.where(told, _next_of_nsh(data[at + 3]), ETHERNET)
    return Inner(at + 8, np.where(at + 9 <= end, ethertype, 0), Kind.VXLAN, _be24(data, at + 4))


def geneve(data: Bytes, at: Column, end: Column) -> Inner:
    """RFC 8926: version 0, the length of the options (a gateway load balancer's among them), then what is told."""
    first = data[at].astype(np.int64)
    inner = at + 8 + (first & 0x3F) * 4
    sound = (first >> 6 == 0) & (inner < end)
    return Inner(inner, np.where(sound, be16(data, at + 2), 0), Kind.GENEVE, _be24(data, at + 4))


def gtp_u(data: Bytes, at: Column, end: Column) -> Inner:
    """3GPP TS 29.281 section 5: a T-PDU of version 1, with its optional fields and extension headers."""
    flags = data[at]
    user_data = (flags >> 5 == 1) & (flags & 0x10 != 0) & (data[at + 1] == 255) & (be16(data, at + 2) > 0)
    optional = flags & 0x07 != 0
    inner = at + np.where(optional, 12, 8)
    following = np.where(flags & 0x04 != 0, data[at + 11], 0)
    limit = at + REACH - 4
    for _ in range(_GTP_EXTENSIONS):
        more = following != 0
        if not more.any():
            break
        size = data[np.minimum(inner, limit)].astype(np.int64) * 4
        user_data &= ~more | ((size > 0) & (inner + size <= limit))
        inner = np.where(more, inner + size, inner)
        following = np.where(more & (inner <= end), data[np.minimum(inner - 1, limit)], 0)
    user_data &= (following == 0) & (inner < end)
    version = data[np.minimum(inner, limit)].astype(np.int64) >> 4
    return Inner(inner, np.where(user_data, by_ip_version(version), 0), Kind.GTP_U, be32(data, at + 4))


def l2tp(data: Bytes, at: Column, end: Column) -> Inner:
    """RFC 2661 section 3.1, a data message of version 2, with or without length, sequence numbers and padding; PPP."""
    flags = be16(data, at)
    session = at + 4 + np.where(flags & 0x4000 != 0, 2, 0)
    inner = session + 2 + np.where(flags & 0x0800 != 0, 4, 0)
    padded = flags & 0x0200 != 0
    inner = inner + np.where(padded, 2 + be16(data, inner), 0)
    sound = (flags & 0x800F == 2) & (inner + 2 <= end)
    return Inner(inner, np.where(sound, PPP, 0), Kind.L2TP, be16(data, session))


def teredo(data: Bytes, at: Column, end: Column) -> Inner:
    """RFC 4380 section 5.1.1: IPv6, after an authentication and an origin indication where these are there."""
    limit = at + REACH - 4
    authenticated = be16(data, at) == 1
    sizes = 13 + data[at + 2].astype(np.int64) + data[at + 3]
    inner = np.minimum(at + np.where(authenticated, sizes, 0), limit)
    inner = np.minimum(inner + np.where(be16(data, inner) == 0, 8, 0), limit)
    sound = (inner < limit) & (data[inner] >> 4 == 6) & (inner + 40 <= end)
    return Inner(inner, np.where(sound, ETHERTYPE_IPV6, 0), Kind.TEREDO, _none(at))


def tzsp(data: Bytes, at: Column, end: Column) -> Inner:
    """TZSP, by which MikroTik's routers and wireless sensors mirror: tags until an end tag, then an Ethernet frame."""
    sound = (data[at] == 1) & (be16(data, at + 2) == 1)  # version; Ethernet
    inner, done = at + 4, np.zeros(len(at), dtype=np.bool_)
    limit = at + REACH - 4
    for _ in range(_MOST_TAGS):
        tag = data[np.minimum(inner, limit)]
        step = np.where(tag <= 1, 1, 2 + data[np.minimum(inner + 1, limit)].astype(np.int64))
        inner, done = np.where(done, inner, inner + step), done | (tag == 1)
    return Inner(inner, np.where(sound & done & (inner + 14 <= end), ETHERNET, 0), Kind.TZSP, _none(at))


BY_ETHERTYPE: Final[dict[int, tuple[Reader, ...]]] = {
    0x8100: (vlan,),
    0x88A8: (vlan,),
    0x9100: (vlan,),
    0x9200: (vlan,),
    MPLS: (mpls,),
    MPLS_MULTICAST: (mpls,),
    PPPOE: (pppoe,),
    PPP: (ppp,),
    HDLC: (hdlc,),
    0x8909: (_skip(8),),  # Cisco metadata
    0x8926: (_skip(6),),  # VN-Tag
    0x893F: (_skip(8),),  # IEEE 802.1BR
    0x88E7: (_skip(18, Kind.PBB, mask=0xFFFFFF),),  # IEEE 802.1ah
    MACSEC: (macsec,),
    _NSH: (nsh,),
    NFLOG: (nflog,),
    WLAN: (_wlan(2),),
    CENTRINO: (_wlan(2, decrypted=True),),
    WLAN_PADDED: (_wlan(4),),
    _AMSDU: (_subframe, _further_subframes),
}
"""Several readers where a packet holds more than one."""

BY_PROTOCOL: Final[dict[int, Reader]] = {4: nested, 41: nested, 47: gre, 97: etherip, 137: mpls}
"""By the protocol number of the IP header around them."""

BY_UDP_PORT: Final[dict[int, Reader]] = {
    1701: l2tp,
    2152: gtp_u,
    3544: teredo,
    4789: vxlan,
    4790: vxlan_gpe,
    6081: geneve,
    6635: mpls,
    8472: vxlan,  # Linux's, before VXLAN had a number
    37008: tzsp,
}

IS_ENCAPSULATION: Final = members(tuple(BY_ETHERTYPE), 1 << 16)
IS_TUNNEL_PORT: Final = members(tuple(BY_UDP_PORT), 1 << 16)
