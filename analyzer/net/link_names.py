"""Link types by name, and of those that carry no IP what such a capture shows and how to record instead.

Numbers are those of the LINKTYPE_ registry of tcpdump.
"""

from __future__ import annotations

from typing import Final

__all__ = ["name_of", "told"]

_NAMES: Final[dict[int, str]] = {
    0: "BSD loopback",
    1: "Ethernet",
    3: "AX.25",
    6: "IEEE 802.5 token ring",
    7: "ARCNET",
    8: "SLIP",
    9: "PPP",
    10: "FDDI",
    12: "raw IP",
    14: "raw IP",
    50: "PPP in HDLC framing",
    51: "PPPoE",
    99: "Symantec firewall",
    100: "ATM (RFC 1483)",
    101: "raw IP",
    104: "Cisco HDLC",
    105: "IEEE 802.11",
    107: "Frame Relay",
    108: "OpenBSD loopback",
    109: "OpenBSD IPsec (enc)",
    113: "Linux cooked v1",
    117: "OpenBSD packet filter log",
    119: "IEEE 802.11 with Prism header",
    122: "IP over Fibre Channel",
    123: "SunATM",
    127: "IEEE 802.11 with radiotap header",
    138: "IP over IEEE 1394",
    139: "SS7 MTP2 with pseudo-header",
    140: "SS7 MTP2",
    141: "SS7 MTP3",
    142: "SS7 SCCP",
    143: "DOCSIS",
    144: "IrDA",
    163: "IEEE 802.11 with AVS header",
    165: "BACnet",
    166: "a PPP dialogue of pppd",
    169: "GPRS LLC",
    177: "Linux LAPD",
    178: "Juniper Ethernet",
    187: "Bluetooth HCI",
    189: "USB (Linux)",
    190: "CAN bus",
    191: "IEEE 802.15.4",
    192: "IEEE 802.11 with PPI header",
    195: "IEEE 802.15.4",
    197: "ERF records",
    199: "IPMB",
    201: "Bluetooth HCI",
    203: "LAPD",
    204: "PPP with direction",
    205: "Cisco HDLC with direction",
    206: "Frame Relay with direction",
    209: "I2C bus",
    210: "FlexRay bus",
    212: "LIN bus",
    215: "IEEE 802.15.4",
    220: "USB (Linux, memory-mapped)",
    224: "Fibre Channel",
    225: "Fibre Channel",
    226: "Solaris IPNET",
    227: "CAN bus",
    228: "raw IPv4",
    229: "raw IPv6",
    230: "IEEE 802.15.4",
    231: "D-Bus messages",
    235: "DVB-CI",
    236: "a multiplex of mobile radio",
    239: "NFLOG",
    240: "netANALYZER",
    241: "netANALYZER (transparent)",
    242: "IP over InfiniBand",
    243: "MPEG-2 transport stream",
    245: "NFC",
    247: "InfiniBand",
    248: "SCTP without IP",
    249: "USBPcap",
    251: "Bluetooth Low Energy",
    252: "a Wireshark upper PDU export",
    253: "Linux netlink",
    254: "Bluetooth monitor (Linux)",
    256: "Bluetooth Low Energy",
    258: "PKTAP (macOS)",
    259: "EPON",
    264: "ISO 14443",
    265: "radiation detectors",
    266: "USB (macOS)",
    270: "a multiplex of mobile radio",
    271: "vsock",
    272: "Bluetooth Low Energy",
    273: "DOCSIS 3.1",
    274: "Ethernet with preamble",
    276: "Linux cooked v2",
    281: "Ethernet with Broadcom switch tag",
    282: "Ethernet with Broadcom switch tag",
    283: "IEEE 802.15.4",
    284: "Ethernet with Marvell switch tag",
    285: "Ethernet with Marvell switch tag",
    288: "USB 2.0",
    292: "an Android log",
    293: "USB (FreeBSD)",
}
"""Names for reports; other numbers are shown as they are."""
_JUNIPER: Final = frozenset({*range(130, 138), *range(178, 184), 194, 200, 222, 237, 238, 246})
_PRIVATE: Final = range(147, 163)

_SHOWS: Final = {
    "what the kernel and its programs tell each other": (253,),
    "what goes to and from a USB device, of a network adapter its own framing": (186, 189, 220, 249, 266, 288, 293),
    "what goes to and from a Bluetooth device": (187, 201, 251, 254, 255, 256, 272),
    "a radio network of sensors": (191, 195, 215, 230, 283),
    "the messages of a bus in a machine or vehicle": (190, 199, 209, 210, 212, 227),
    "what programs of one desktop tell each other": (231, 232),
    "what virtual machines and their host tell each other, without TCP": (271,),
    "signalling of a telephone network": (139, 140, 141, 142, 177, 203),
    "storage traffic": (224, 225),
    "what an application sent, without the TCP around it": (252,),
}
_INSTEAD: Final = {
    252: "open the original capture rather than this export",
    271: "record the connection where TCP carries it",
}
_RECORD: Final = "record on the network interface that the connection goes through (`tcpdump -i any -s 0 -w FILE`)"


def name_of(link: int) -> str:
    """A link type as reports call it."""
    if link in _JUNIPER and link not in _NAMES:
        return f"Juniper ({link})"
    if link in _PRIVATE:
        return f"a private link type ({link})"
    return _NAMES.get(link, f"link type {link}")


def told(link: int) -> str:
    """What to say of packets of a link type that nothing here reads: its name, what it shows, what to do."""
    shows = next((f", {text}" for text, links in _SHOWS.items() if link in links), "")
    known = link in _NAMES or link in _JUNIPER or link in _PRIVATE
    if shows:
        return f"{name_of(link)}{shows}: no TCP connection is in it; {_INSTEAD.get(link, _RECORD)}"
    unknown = "" if known else " and is not known"
    return f"{name_of(link)}, which cannot be read here{unknown}: Wireshark may know it, name --dissector wireshark"
