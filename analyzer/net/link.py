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

__all__ = ["DECODERS", "ETHERTYPE_IPV4", "ETHERTYPE_IPV6", "LINK_NAMES", "be16", "members", "skip_vlan_tags"]

ETHERTYPE_IPV4: Final = 0x0800
ETHERTYPE_IPV6: Final = 0x86DD
_VLAN_TAGS: Final = (0x8100, 0x88A8, 0x9100, 0x9200)
_MAX_VLAN_TAGS: Final = 4

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


_IS_VLAN_TAG: Final = members(_VLAN_TAGS, 1 << 16)


def skip_vlan_tags(data: Bytes, network: Column, ethertype: Column, end: Column) -> tuple[Column, Column]:
    """Step over 802.1Q and 802.1ad tags (4 bytes each, the EtherType in the last two)."""
    for _ in range(_MAX_VLAN_TAGS):
        tagged = _IS_VLAN_TAG[ethertype] & (network + 4 <= end)
        if not tagged.any():
            break
        ethertype = np.where(tagged, be16(data, np.where(tagged, network + 2, 0)), ethertype)
        network = np.where(tagged, network + 4, network)
    return network, ethertype


def _fixed(header: int, type_at: int) -> Decoder:
    """A header of fixed size with an EtherType in it."""

    def decode(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
        ethertype = be16(data, offset + type_at)
        return offset + header, np.where(captured >= header, ethertype, 0)

    return decode


def _family(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """BSD loopback: a 4-byte address family in the byte order of the machine that captured."""
    family = np.maximum(data[offset], data[offset + 3]).astype(np.int64)
    ethertype = np.where(family == 2, ETHERTYPE_IPV4, np.where(np.isin(family, (10, 24, 28, 30)), ETHERTYPE_IPV6, 0))
    return offset + 4, np.where(captured >= 4, ethertype, 0)


def _raw(data: Bytes, offset: Column, captured: Column) -> tuple[Column, Column]:
    """No link header: the IP version tells."""
    version = data[offset].astype(np.int64) >> 4
    ethertype = np.where(version == 4, ETHERTYPE_IPV4, np.where(version == 6, ETHERTYPE_IPV6, 0))
    return offset, np.where(captured >= 1, ethertype, 0)


DECODERS: Final[dict[int, Decoder]] = {
    0: _family,  # BSD loopback
    1: _fixed(14, 12),  # Ethernet
    12: _raw,
    14: _raw,
    101: _raw,
    108: _family,  # OpenBSD loopback
    113: _fixed(16, 14),  # Linux cooked capture
    228: _raw,
    229: _raw,
    276: _fixed(20, 0),  # Linux cooked capture, version 2
}

LINK_NAMES: Final[dict[int, str]] = {
    0: "BSD loopback",
    1: "Ethernet",
    9: "PPP",
    12: "raw IP",
    14: "raw IP",
    51: "PPPoE",
    101: "raw IP",
    105: "IEEE 802.11",
    108: "OpenBSD loopback",
    113: "Linux cooked v1",
    119: "IEEE 802.11 with Prism header",
    127: "IEEE 802.11 with radiotap header",
    143: "DOCSIS",
    147: "a private link type",
    166: "a PPP dialogue of pppd",
    187: "Bluetooth HCI",
    189: "USB (Linux)",
    220: "USB (Linux, memory-mapped)",
    228: "raw IPv4",
    229: "raw IPv6",
    239: "NFLOG",
    249: "USBPcap",
    201: "Bluetooth HCI",
    224: "Fibre Channel",
    227: "CAN bus",
    231: "D-Bus messages",
    240: "NetAnalyzer",
    251: "Bluetooth Low Energy",
    252: "a Wireshark upper PDU export",
    253: "Linux netlink",
    271: "vsock",
    276: "Linux cooked v2",
}
"""Names for reports; other numbers are shown as they are."""
