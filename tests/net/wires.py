"""Packets in every link type and encapsulation, each around the same TCP segment."""

from __future__ import annotations

import struct
from typing import Any

from scapy.contrib.erspan import ERSPAN_II
from scapy.contrib.geneve import GENEVE
from scapy.contrib.gtp import GTP_U_Header
from scapy.contrib.mpls import MPLS
from scapy.layers.dot11 import Dot11
from scapy.layers.inet import IP, TCP, UDP, IPOption_NOP, IPOption_RR
from scapy.layers.inet6 import (
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
    IPv6ExtHdrHopByHop,
    IPv6ExtHdrRouting,
)
from scapy.layers.l2 import GRE, LLC, SNAP, Dot1AD, Dot1Q, Dot3, Ether
from scapy.layers.ppp import PPP, PPPoE
from scapy.layers.vxlan import VXLAN

from tests.packets import ACK, PSH, Segment

V4, V6 = ("10.1.2.3", "192.0.2.9"), ("2001:db8::1", "2001:db8:ffff::9")
MAC = "02:00:00:00:00:01"
PAYLOAD = b"\x16\x03\x01 hello"
LENGTH = len(PAYLOAD)


def eth(**fields: Any) -> Any:
    return Ether(src=MAC, dst=MAC, **fields)


def outer4(**fields: Any) -> Any:
    return IP(src="198.51.100.1", dst="198.51.100.2", **fields)


def outer6(**fields: Any) -> Any:
    return IPv6(src="2001:db8:1::1", dst="2001:db8:1::2", **fields)


def ip4(**fields: Any) -> Any:
    return IP(src=V4[0], dst=V4[1], id=77, ttl=60, **fields)


def ip6(**fields: Any) -> Any:
    return IPv6(src=V6[0], dst=V6[1], hlim=60, **fields)


def tcp(payload: bytes = PAYLOAD, **fields: Any) -> Any:
    return TCP(sport=40000, dport=443, seq=0xFFFFFFF0, ack=0x01020304, flags="PA", window=512, **fields) / payload


def segment(version: int = 4, packet: int = 1, **changes: Any) -> Segment:
    """The segment that every encapsulation here carries."""
    ends = V4 if version == 4 else V6
    whole = Segment(
        packet=packet,
        source=(ends[0], 40000),
        target=(ends[1], 443),
        seq=0xFFFFFFF0,
        ack=0x01020304,
        flags=PSH | ACK,
        window=512,
        length=LENGTH,
        payload=PAYLOAD,
        ttl=60,
        ip_id=77 if version == 4 else -1,
        quoted=0,
    )
    return whole._replace(**changes)


def pppoe() -> Any:
    return eth() / PPPoE(sessionid=1) / PPP()


def nflog(packet: bytes) -> bytes:
    other = struct.pack("<HH", 8, 1) + bytes(4)
    return b"\x02\x00\x00\x00" + other + struct.pack("<HH", 4 + len(packet), 9) + packet


def cooked(packet: bytes, ethertype: int) -> bytes:
    return bytes(14) + struct.pack(">H", ethertype) + packet


def cooked2(packet: bytes, ethertype: int) -> bytes:
    return struct.pack(">H", ethertype) + bytes(18) + packet


WIRES: dict[str, tuple[int, int, bytes]] = {}
"""name -> (link type, IP version of the segment, packet)"""


def wire(name: str, link: int, version: int, packet: Any) -> None:
    WIRES[name] = (link, version, bytes(packet))


for _version, _ip, _type in ((4, ip4, 0x0800), (6, ip6, 0x86DD)):
    _plain = bytes(_ip() / tcp())
    _family = 2 if _version == 4 else 30
    wire(f"Ethernet v{_version}", 1, _version, eth() / _ip() / tcp())
    wire(f"VLAN v{_version}", 1, _version, eth() / Dot1Q(vlan=5) / _ip() / tcp())
    wire(f"QinQ v{_version}", 1, _version, eth() / Dot1AD(vlan=5) / Dot1Q(vlan=6) / _ip() / tcp())
    wire(f"old QinQ v{_version}", 1, _version, eth(type=0x9100) / Dot1Q(vlan=5) / _ip() / tcp())
    wire(f"four tags v{_version}", 1, _version, eth() / Dot1Q() / Dot1Q() / Dot1Q() / Dot1Q() / _ip() / tcp())
    wire(f"raw v{_version}", 101, _version, _plain)
    wire(f"raw, old number v{_version}", 12, _version, _plain)
    wire(f"raw, OpenBSD's number v{_version}", 14, _version, _plain)
    wire(f"raw v{_version} only", 228 if _version == 4 else 229, _version, _plain)
    wire(f"cooked v{_version}", 113, _version, cooked(_plain, _type))
    wire(f"cooked with VLAN v{_version}", 113, _version, cooked(struct.pack(">HH", 5, _type) + _plain, 0x8100))
    wire(f"cooked 2 v{_version}", 276, _version, cooked2(_plain, _type))
    wire(f"loopback, little-endian v{_version}", 0, _version, struct.pack("<I", _family) + _plain)
    wire(f"loopback, big-endian v{_version}", 0, _version, struct.pack(">I", _family) + _plain)
    wire(f"OpenBSD loopback v{_version}", 108, _version, struct.pack(">I", 2 if _version == 4 else 24) + _plain)
    wire(f"NFLOG v{_version}", 239, _version, nflog(_plain))
    wire(f"GRE v{_version}", 1, _version, eth() / outer4() / GRE() / _ip() / tcp())
    wire(
        f"GRE with Ethernet v{_version}",
        1,
        _version,
        eth() / outer4() / GRE(proto=0x6558) / eth() / _ip() / tcp(),
    )
    wire(f"GRE with key v{_version}", 1, _version, eth() / outer4() / GRE(key_present=1, key=7) / _ip() / tcp())
    wire(
        f"VXLAN v{_version}",
        1,
        _version,
        eth() / outer4() / UDP(sport=40001, dport=4789) / VXLAN(vni=9) / eth() / _ip() / tcp(),
    )
    wire(
        f"VXLAN with VLAN v{_version}",
        1,
        _version,
        eth() / outer6() / UDP(sport=40001, dport=4789) / VXLAN(vni=9) / eth() / Dot1Q(vlan=3) / _ip() / tcp(),
    )
    wire(
        f"Geneve v{_version}",
        1,
        _version,
        eth() / outer4() / UDP(sport=40001, dport=6081) / GENEVE(vni=9) / eth() / _ip() / tcp(),
    )
    wire(
        f"GTP-U v{_version}",
        1,
        _version,
        eth() / outer4() / UDP(sport=2152, dport=2152) / GTP_U_Header(teid=1) / _ip() / tcp(),
    )
    wire(f"in IPv4 v{_version}", 1, _version, eth() / outer4() / _ip() / tcp())
    wire(f"in IPv6 v{_version}", 1, _version, eth() / outer6() / _ip() / tcp())
    wire(
        f"ERSPAN v{_version}",
        1,
        _version,
        eth() / outer4() / GRE(seqnum_present=1) / ERSPAN_II(session_id=3) / eth() / _ip() / tcp(),
    )
    wire(f"MPLS v{_version}", 1, _version, eth() / MPLS(label=5, s=0) / MPLS(label=6, s=1) / _ip() / tcp())
    wire(f"PPPoE v{_version}", 1, _version, pppoe() / _ip() / tcp())
    wire(f"PPPoE in VLAN v{_version}", 1, _version, eth() / Dot1Q(vlan=5) / PPPoE(sessionid=1) / PPP() / _ip() / tcp())
    wire(f"PPP v{_version}", 9, _version, b"\xff\x03" + struct.pack(">H", 0x21 if _version == 4 else 0x57) + _plain)
    wire(
        f"802.11 v{_version}",
        105,
        _version,
        Dot11(type=2, subtype=0, FCfield="to_DS")
        / LLC(dsap=0xAA, ssap=0xAA, ctrl=3)
        / SNAP(code=_type)
        / _ip()
        / tcp(),
    )
    wire(
        f"LLC v{_version}",
        1,
        _version,
        Dot3(src=MAC, dst=MAC) / LLC(dsap=0xAA, ssap=0xAA, ctrl=3) / SNAP(code=_type) / _ip() / tcp(),
    )

wire("IPv4 options", 1, 4, eth() / ip4(options=[IPOption_NOP(), IPOption_RR()]) / tcp())
wire("TCP options", 1, 4, eth() / ip4() / tcp(options=[("MSS", 1460), ("Timestamp", (1, 2)), ("EOL", None)]))
wire("TCP options v6", 1, 6, eth() / ip6() / tcp(options=[("SAckOK", b""), ("NOP", None), ("NOP", None)]))
wire("hop-by-hop options", 1, 6, eth() / ip6() / IPv6ExtHdrHopByHop() / tcp())
wire("destination options", 1, 6, eth() / ip6() / IPv6ExtHdrDestOpt() / tcp())
wire("routing header", 1, 6, eth() / ip6() / IPv6ExtHdrRouting(addresses=[]) / tcp())
wire(
    "three extension headers",
    1,
    6,
    eth() / ip6() / IPv6ExtHdrHopByHop() / IPv6ExtHdrDestOpt() / IPv6ExtHdrRouting() / tcp(),
)
wire("atomic fragment", 1, 6, eth() / ip6() / IPv6ExtHdrFragment(offset=0, m=0, id=9) / tcp())
wire(
    "VXLAN on Linux's old port",
    1,
    4,
    eth() / outer4() / UDP(sport=40001, dport=8472) / VXLAN(vni=9) / eth() / ip4() / tcp(),
)
wire(
    "tunnel in a tunnel",
    1,
    4,
    eth() / outer4() / GRE() / outer4() / UDP(sport=40001, dport=4789) / VXLAN() / eth() / ip4() / tcp(),
)


IP4, IP6 = bytes(ip4() / tcp()), bytes(ip6() / tcp())
FRAME = bytes(eth() / ip4() / tcp())
SNAP_IP = bytes.fromhex("aaaa030000000800")
WLAN_FRAME = bytes.fromhex("080100000200000000010200000000020200000000030000") + SNAP_IP + IP4
WLAN_QOS = bytes.fromhex("8801000002000000000102000000000202000000000300000000")


def hexed(text: str) -> bytes:
    return bytes.fromhex(text)


def typed(ethertype: int, body: bytes) -> bytes:
    """An Ethernet frame."""
    return hexed("020000000001020000000001") + struct.pack(">H", ethertype) + body


def datagram(port: int, header: str, body: bytes, outer: Any = None) -> Any:
    return eth() / (outer or outer4()) / UDP(sport=40001, dport=port) / (hexed(header) + body)


def gre(header: str, body: bytes) -> Any:
    return eth() / outer4(proto=47) / (hexed(header) + body)


def session(packet: bytes, protocol: str = "0021") -> bytes:
    """A PPPoE session's header and PPP."""
    return hexed("11000005") + struct.pack(">H", len(packet) + 2) + hexed(protocol) + packet


def aggregate(*packets: bytes) -> bytes:
    """An IEEE 802.11 frame that holds several packets."""
    snap = {4: SNAP_IP, 6: SNAP_IP[:6] + hexed("86dd")}
    inside = [snap[packet[0] >> 4] + packet for packet in packets]
    subframes = [bytes(12) + struct.pack(">H", len(packet)) + packet for packet in inside]
    padded = b"".join(subframe + bytes(-len(subframe) % 4) for subframe in subframes)
    return WLAN_QOS[:24] + b"\x80\x00" + padded


NAMED: dict[str, tuple[str, ...]] = {}
"""name of a wire -> what its segment was wrapped in, without the outer addresses"""


def named(name: str, link: int, version: int, packet: Any, *wrappings: str) -> None:
    wire(name, link, version, packet)
    NAMED[name] = wrappings


named("VXLAN with group policy", 1, 4, datagram(4789, "8800001200000900", FRAME), "VXLAN 9")
named("VXLAN over IPv6", 1, 4, datagram(4789, "0800000000000900", FRAME, outer6()), "VXLAN 9")
named("VXLAN-GPE with IP", 1, 6, datagram(4790, "0c00000200000900", IP6), "VXLAN 9")
named("VXLAN-GPE with Ethernet", 1, 4, datagram(4790, "0c00000300000900", FRAME), "VXLAN 9")
named(
    "NSH in VXLAN-GPE",
    1,
    4,
    datagram(4790, "0c000004000009000fc6010300001203" + "00" * 16, FRAME),
    "VXLAN 9",
    "NSH path 18",
)
named("NSH", 1, 4, typed(0x894F, hexed("0fc2020100001203") + IP4), "NSH path 18")
named(
    "Geneve of a gateway load balancer",
    1,
    4,
    datagram(6081, "080008000000000001080102" + "00" * 8 + "01080202" + "00" * 8 + "0108030111223344", IP4),
    "Geneve 0",
)
named(
    "Geneve with the longest options",
    1,
    4,
    datagram(6081, "3f006558000009000108011f" + "00" * 124 + "0108011e" + "00" * 120, FRAME),
    "Geneve 9",
)
named("GRE with all fields", 1, 4, gre("b0000800000000000000000700000001", IP4), "GRE key 7")
named("GRE with MPLS", 1, 4, gre("000088470001113f", IP4), "GRE", "MPLS 17")
named("NVGRE", 1, 4, gre("2000655800138801", FRAME), "NVGRE subnet 5000")
named("PPTP", 1, 4, gre("3001880b0044000500000001ff030021", IP4), "PPTP call 5")
named("ERSPAN I", 1, 4, gre("000088be", FRAME), "ERSPAN")
named("ERSPAN III", 1, 4, gre("100022eb0000000120070003" + "00" * 8, FRAME), "ERSPAN session 3")
named(
    "ERSPAN III with platform header",
    1,
    4,
    gre("100022eb00000001200700030000000000000001" + "00" * 8, FRAME),
    "ERSPAN session 3",
)
named("WCCP", 1, 4, gre("0000883e", IP4), "GRE")
named("WCCP 2", 1, 4, gre("0000883e01020304", IP4), "GRE")
named("three labels", 1, 6, typed(0x8847, hexed("0001103f0001203f0001113f") + IP6), "MPLS 17", "MPLS 18", "MPLS 17")
named("multicast label", 1, 4, typed(0x8848, hexed("0001113f") + IP4), "MPLS 17")
named("pseudowire", 1, 4, typed(0x8847, hexed("0001113f") + FRAME), "MPLS 17")
named("pseudowire with control word", 1, 4, typed(0x8847, hexed("0001113f00000000") + FRAME), "MPLS 17")
named("MPLS in UDP", 1, 4, datagram(6635, "0001113f", IP4), "MPLS 17")
named("MPLS in IP", 1, 4, eth() / outer4(proto=137) / (hexed("0001113f") + IP4), "MPLS 17")
named(
    "PPPoE in QinQ",
    1,
    6,
    typed(0x88A8, hexed("0064810000058864") + session(IP6, "0057")),
    "VLAN 100",
    "VLAN 5",
    "PPPoE session 5",
)
GTP_EXTENDED = f"34ff{len(IP4) + 12:04x}00000017000000850110098501100900"
GTP_SEQUENCED = f"32ff{len(IP4) + 4:04x}0000001700010000"
named("GTP-U with extension headers", 1, 4, datagram(2152, GTP_EXTENDED, IP4), "GTP-U 0x17")
named("GTP-U with sequence number", 1, 4, datagram(2152, GTP_SEQUENCED, IP4), "GTP-U 0x17")
named("4in6 with destination options", 1, 4, eth() / outer6() / IPv6ExtHdrDestOpt(nh=4) / ip4() / tcp(), "4in6")
named("EtherIP", 1, 4, eth() / outer4(proto=97) / (hexed("3000") + FRAME), "EtherIP")
AH = "00001122334400000001" + "00" * 12
named("AH", 1, 4, eth() / ip4(proto=51) / (hexed("0604" + AH) + IP4[20:]), "IPsec (AH)")
named(
    "AH around IP",
    1,
    4,
    eth() / outer4(proto=51) / (hexed("0404" + AH) + IP4),
    "IPsec (AH)",
    "IP in IP",
)
named("AH v6", 1, 6, eth() / ip6(nh=51) / (hexed("0604" + AH) + IP6[40:]), "IPsec (AH)")
named("L2TP", 1, 4, datagram(1701, "000200110022ff030021", IP4), "L2TP session 34")
named("L2TP with all fields", 1, 4, datagram(1701, "4a0200460011002200010000000200000021", IP4), "L2TP session 34")
named("Teredo", 1, 6, datagram(3544, "", IP6), "Teredo")
named("Teredo with indications", 1, 6, datagram(3544, "000100000102030405060708000000123401020304", IP6), "Teredo")
named("TZSP", 1, 4, datagram(37008, "0100000101", FRAME), "TZSP")
named("TZSP with tags", 1, 4, datagram(37008, "010000010a01f00012010501", FRAME), "TZSP")
named("Cisco metadata", 1, 4, typed(0x8909, hexed("0101000100640800") + IP4))
named("VN-Tag", 1, 4, typed(0x8926, hexed("000000000800") + IP4))
named("E-Tag", 1, 4, typed(0x893F, hexed("0000000000000800") + IP4))
named("MAC in MAC", 1, 4, typed(0x88E7, hexed("00000123") + FRAME), "IEEE 802.1ah I-SID 291")
named("MACsec that only authenticates", 1, 4, typed(0x88E5, hexed("0000000000010800") + IP4 + bytes(16)), "MACsec")
named("MACsec with SCI", 1, 4, typed(0x88E5, hexed("20000000000102000000000100010800") + IP4 + bytes(16)), "MACsec")
named("802.11 in Ethernet", 1, 4, typed(0x2452, WLAN_FRAME), "IEEE 802.11")
DECRYPTED = WLAN_FRAME[:1] + b"\x41" + WLAN_FRAME[2:24] + hexed("66158300") + WLAN_FRAME[24:] + bytes(4)
named("802.11 in Ethernet, decrypted", 1, 4, typed(0x2452, DECRYPTED), "IEEE 802.11")
_INNERMOST = bytes(datagram(6081, "0000655800000500", FRAME, outer6()))[14:]
named(
    "five tunnels",
    1,
    4,
    typed(
        0x8100,
        hexed("000788470001113f")
        + bytes(
            datagram(
                4789,
                "0800000000000900",
                bytes(gre("200086dd00000007", bytes(datagram(6081, "0000655800000500", FRAME, outer6()))[14:])),
            )
        )[14:],
    ),
    "VLAN 7",
    "MPLS 17",
    "VXLAN 9",
    "GRE key 7",
    "Geneve 5",
)
named("token ring", 6, 4, hexed("1040020000000001020000000002") + SNAP_IP + IP4)
named("token ring with a route", 6, 4, hexed("1040020000000001820000000002063000110022") + SNAP_IP + IP4)
named("FDDI", 10, 4, hexed("54020000000001020000000002") + SNAP_IP + IP4)
named("PPP without address", 9, 4, hexed("0021") + IP4)
named("PPP in HDLC framing", 50, 4, hexed("ff030021") + IP4)
named("PPPoE without Ethernet", 51, 4, session(IP4), "PPPoE session 5")
named("ATM", 100, 4, SNAP_IP + IP4)
named("Cisco HDLC", 104, 4, hexed("0f000800") + IP4)
named("Frame Relay", 107, 4, hexed("184103cc") + IP4)
named("Frame Relay with SNAP", 107, 4, hexed("18410300800000000800") + IP4)
named("Frame Relay with Ethernet", 107, 4, hexed("18410300800080c20007") + FRAME)
named("Frame Relay of Cisco", 107, 4, hexed("18410800") + IP4)
named("OpenBSD's loopback, little-endian", 108, 4, hexed("02000000") + IP4)
named("enc", 109, 4, hexed("020000001122334400000000") + IP4)
named("cooked with LLC", 113, 4, hexed("00000001000602000000000100000004") + SNAP_IP + IP4)
named("PF log", 117, 4, hexed("3d020000") + bytes(60) + IP4)
named("Prism", 119, 4, hexed("4400000090000000") + bytes(136) + WLAN_FRAME, "IEEE 802.11")
named("IP over Fibre Channel", 122, 4, bytes(16) + SNAP_IP + IP4)
named("SunATM", 123, 4, hexed("02000064") + SNAP_IP + IP4)
named("SunATM, LAN emulation", 123, 4, hexed("010000640000") + FRAME)
named("radiotap", 127, 4, hexed("0000080000000000") + WLAN_FRAME, "IEEE 802.11")
named(
    "radiotap, padded header", 127, 4, hexed("000009000200000020") + WLAN_QOS + bytes(2) + SNAP_IP + IP4, "IEEE 802.11"
)
named(
    "radiotap with checksum", 127, 4, hexed("000009000200000010") + WLAN_QOS + SNAP_IP + IP4 + bytes(4), "IEEE 802.11"
)
named("IP over IEEE 1394", 138, 4, bytes(16) + hexed("0800") + IP4)
named("AVS", 163, 4, hexed("8021100100000040") + bytes(56) + WLAN_FRAME, "IEEE 802.11")
named("pppd", 166, 4, hexed("01030021") + IP4)
named("Juniper", 178, 4, hexed("4d474301") + FRAME)
named("Juniper with extensions", 178, 4, hexed("4d4743810006010101010101") + FRAME)
named("Juniper without link header", 178, 4, hexed("4d47430302000000") + IP4)
named("PPI", 192, 4, hexed("0000080069000000") + WLAN_FRAME, "IEEE 802.11")
ERF = "0000004000f26067"
named("ERF", 197, 4, hexed(ERF + f"0204{len(FRAME) + 18:04x}0000{len(FRAME):04x}0000") + FRAME)
named("ERF with extension", 197, 4, hexed(ERF + f"8204{len(FRAME) + 26:04x}0000{len(FRAME):04x}" + "00" * 10) + FRAME)
named("ERF of HDLC", 197, 4, hexed(ERF + f"0104{len(IP4) + 20:04x}0000{len(IP4) + 4:04x}" + "ff030021") + IP4)
named("PPP with direction", 204, 4, hexed("01ff030021") + IP4)
named("Cisco HDLC with direction", 205, 4, hexed("010f000800") + IP4)
named("Frame Relay with direction", 206, 4, hexed("01184103cc") + IP4)
named("IPNET", 226, 6, hexed("011a") + bytes(22) + IP6)
named("netANALYZER", 240, 4, bytes(4) + FRAME + bytes(4))
named("netANALYZER, transparent", 241, 4, bytes(4) + hexed("55555555555555d5") + FRAME + bytes(4))
named("IP over InfiniBand", 242, 4, bytes(40) + hexed("08000000") + IP4)
named("PKTAP", 258, 4, struct.pack("<III", 108, 1, 1) + bytes(96) + FRAME)
named("PKTAP around raw IP", 258, 6, struct.pack("<III", 108, 1, 12) + bytes(96) + IP6)
named("Ethernet with preamble", 274, 4, hexed("55555555555555d5") + FRAME + bytes(4))
named("Broadcom's tag", 281, 4, FRAME[:12] + hexed("20000001") + FRAME[12:])
named("Broadcom's tag in front", 282, 4, hexed("20000001") + FRAME)
named("Marvell's tag", 284, 4, FRAME[:12] + hexed("c0000000") + FRAME[12:])
named("Marvell's longer tag", 285, 4, FRAME[:12] + hexed("dada0000c0000000") + FRAME[12:])
NAMED |= {
    "Ethernet v4": (),
    "hop-by-hop options": (),
    "VLAN v4": ("VLAN 5",),
    "QinQ v6": ("VLAN 5", "VLAN 6"),
    "GRE v4": ("GRE",),
    "GRE with key v4": ("GRE key 7",),
    "VXLAN v4": ("VXLAN 9",),
    "VXLAN with VLAN v6": ("VXLAN 9", "VLAN 3"),
    "Geneve v6": ("Geneve 9",),
    "ERSPAN v4": ("ERSPAN session 3",),
    "GTP-U v4": ("GTP-U 0x1",),
    "MPLS v4": ("MPLS 5", "MPLS 6"),
    "PPPoE v6": ("PPPoE session 1",),
    "in IPv4 v4": ("IP in IP",),
    "in IPv4 v6": ("6in4",),
    "in IPv6 v4": ("4in6",),
    "in IPv6 v6": ("IPv6 in IPv6",),
    "802.11 v4": ("IEEE 802.11",),
    "tunnel in a tunnel": ("GRE", "VXLAN 0"),
}

UNKNOWN_TO_WIRESHARK = "tshark 4.0 does not know this link type"
UNLIKE_WIRESHARK = {
    "VXLAN on Linux's old port": "tshark 4.0 reads VXLAN on port 4789 only unless told otherwise",
    "pseudowire": "tshark takes it for one with a control word: it knows no vendor of these addresses",
    "pseudowire with control word": "and this one for one without",
    "OpenBSD's loopback, little-endian": "tshark takes it for big-endian, which it should be",
    "IPNET": "tshark goes no further than IPv6",
    "netANALYZER": "tshark wants a header in keeping with the device",
    "netANALYZER, transparent": "likewise",
    "Ethernet with preamble": "tshark checks the preamble's own checksum",
} | dict.fromkeys(
    (
        "pppd",
        "Cisco HDLC with direction",
        "Frame Relay with direction",
        "Broadcom's tag",
        "Broadcom's tag in front",
        "Marvell's tag",
        "Marvell's longer tag",
    ),
    UNKNOWN_TO_WIRESHARK,
)
