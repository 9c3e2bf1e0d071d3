"""Packets to TCP segments: every link type and encapsulation gives the segment that was put in."""

from __future__ import annotations

import gc
import io
import random
import socket
import struct
import tracemalloc
from collections.abc import Callable, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import (
    ICMPv6DestUnreach,
    ICMPv6PacketTooBig,
    IPv6,
    IPv6ExtHdrFragment,
    fragment6,
)
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN

from analyzer.capture import CaptureReader
from analyzer.net.decode import SegmentDecoder
from tests.net.wires import (
    LENGTH,
    PAYLOAD,
    UNLIKE_WIRESHARK,
    V4,
    V6,
    WIRES,
    eth,
    ip4,
    ip6,
    outer4,
    outer6,
    segment,
    tcp,
)
from tests.packets import (
    SYN,
    Segment,
    decode,
    decode_file,
    enhanced,
    interface,
    pcap,
    pcap_record,
    rows,
    section,
    tshark,
)


@pytest.mark.parametrize("name", WIRES)
def test_the_segment_inside_is_found(name: str) -> None:
    link, version, packet = WIRES[name]
    assert decode([packet], link) == [segment(version)]


def test_wireshark_finds_the_same_segments(tmp_path: Path) -> None:
    links = sorted({link for link, _, _ in WIRES.values()})
    names = [name for name in WIRES if name not in UNLIKE_WIRESHARK]
    packets = [enhanced(WIRES[name][2], interface=links.index(WIRES[name][0])) for name in names]
    path = tmp_path / "wires.pcapng"
    path.write_bytes(b"".join([section(), *[interface(link) for link in links], *packets]))
    fields = ("frame.number", "ip.src", "ipv6.src", "tcp.srcport", "tcp.seq_raw", "tcp.len")
    seen = {row[0]: row[1:] for row in tshark(path, *fields)}
    for number, name in enumerate(names, 1):
        source4, source6, port, seq, length = seen[str(number)]
        version = WIRES[name][1]
        assert (V4[0] if version == 4 else V6[0]) == (source4 if version == 4 else source6), name
        assert (port, seq, length) == ("40000", str(0xFFFFFFF0), str(LENGTH)), name
    assert [found._replace(packet=0) for found in decode_file(path)] == [
        segment(WIRES[name][1], packet=0) for name in names
    ]


@pytest.mark.parametrize("family", [10, 24, 28, 30])
def test_each_system_has_its_own_number_for_ipv6_on_the_loopback(family: int) -> None:
    packet = bytes(ip6() / tcp())
    for header in (struct.pack("<I", family), struct.pack(">I", family)):
        assert decode([header + packet], 0) == [segment(6)]


def test_addresses_are_written_as_wireshark_writes_them(tmp_path: Path) -> None:
    sources = ["::ffff:192.0.2.1", "::1", "2001:db8::", "fe80::1:0:0:1", "64:ff9b::102:304", "2001:db8:0:1:1:1:1:1"]
    path = tmp_path / "addresses.pcap"
    path.write_bytes(pcap([bytes(eth() / IPv6(src=source, dst="::1") / tcp()) for source in sources]))
    assert [[found.source[0]] for found in decode_file(path)] == tshark(path, "ipv6.src")


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize("trailer", [1, 4, 18])
def test_ethernet_padding_is_no_payload(version: int, trailer: int) -> None:
    ip = ip4() if version == 4 else ip6()
    empty = bytes(eth() / ip / tcp(b"")) + bytes(trailer)
    assert decode([empty]) == [segment(version, length=0, payload=b"")]
    assert decode([bytes(eth() / ip / tcp()) + bytes(trailer)]) == [segment(version)]


@pytest.mark.parametrize("name", [name for name, (link, _, _) in WIRES.items() if link == 1])
def test_a_trailer_behind_any_encapsulation_is_no_payload(name: str) -> None:
    _, version, packet = WIRES[name]
    if "outer4()" in name:
        return
    assert decode([packet + b"\xee" * 4]) == [segment(version)]


@pytest.mark.parametrize("version", [4, 6])
def test_a_length_of_zero_is_that_of_a_card_which_segments_itself(version: int) -> None:
    packet = bytearray(bytes(eth() / (ip4() if version == 4 else ip6()) / tcp(bytes(5000))))
    place = 16 if version == 4 else 18
    packet[place : place + 2] = b"\x00\x00"
    assert decode([bytes(packet)]) == [segment(version, length=5000, payload=bytes(5000))]


def test_a_packet_longer_than_its_ip_length_field_can_say_keeps_what_the_field_says() -> None:
    packet = bytes(eth() / ip4(len=20 + 20 + 3) / tcp())
    assert decode([packet]) == [segment(length=3, payload=PAYLOAD[:3])]


def test_a_length_field_that_claims_more_than_the_frame_is_cut_to_the_frame() -> None:
    assert decode([bytes(eth() / ip4(len=9000) / tcp())]) == [segment()]


def test_a_snap_length_leaves_the_length_on_the_wire() -> None:
    packet = bytes(eth() / ip4() / tcp())
    file = pcap([]) + pcap_record(packet[:-4], original=len(packet))
    assert decode_file(io.BytesIO(file)) == [segment(payload=PAYLOAD[:-4])]


def test_a_snap_length_in_a_tunnel_leaves_the_length_on_the_wire() -> None:
    packet = WIRES["GRE v4"][2]
    file = pcap([]) + pcap_record(packet[:-4], original=len(packet))
    assert decode_file(io.BytesIO(file)) == [segment(payload=PAYLOAD[:-4])]


@pytest.mark.parametrize("cut", range(14, 54))
def test_a_packet_cut_in_its_headers_is_left_out(cut: int) -> None:
    packet = bytes(eth() / ip4() / tcp())
    assert decode_file(io.BytesIO(pcap([]) + pcap_record(packet[:cut], original=len(packet)))) == []


@pytest.mark.parametrize("offset", [0, 4, 15])
def test_a_tcp_header_length_that_cannot_be_is_left_out(offset: int) -> None:
    packet = bytearray(bytes(eth() / ip4() / tcp(b"")))
    packet[46] = offset << 4
    assert decode([bytes(packet)]) == []


def test_packets_that_are_no_tcp_are_left_out() -> None:
    others = [
        bytes(eth() / ip4() / UDP() / PAYLOAD),
        bytes(eth() / ip4() / ICMP()),
        bytes(eth() / ip6() / UDP() / PAYLOAD),
        bytes(eth(type=0x0806) / bytes(28)),
        bytes(eth(type=0x88CC) / bytes(28)),
        b"",
        b"\x00",
    ]
    assert decode([*others, bytes(eth() / ip4() / tcp())]) == [segment(packet=len(others) + 1)]


def test_a_link_type_that_nothing_reads_is_counted() -> None:
    decoder = SegmentDecoder()
    assert decode([bytes(60)] * 3, 189, decoder) == []
    assert decoder.link_types_unknown == {189: 3}


def test_common_and_uncommon_packets_of_one_batch_stay_in_frame_order() -> None:
    names = ["Ethernet v4", "GRE v4", "Ethernet v6", "VXLAN v6", "PPPoE v4", "VLAN v6", "hop-by-hop options"]
    packets = [WIRES[name][2] for name in names]
    assert decode(packets) == [segment(WIRES[name][1], packet=number) for number, name in enumerate(names, 1)]


BIG = bytes(range(256)) * 12
Fragmenter = Callable[[], list[bytes]]


def pieces4() -> list[bytes]:
    return [bytes(eth() / piece) for piece in fragment(ip4() / tcp(BIG), 1000)]


def pieces6() -> list[bytes]:
    whole = ip6() / IPv6ExtHdrFragment(id=9) / tcp(BIG)
    return [bytes(eth() / piece) for piece in fragment6(whole, 1000)]


FRAGMENTED = pytest.mark.parametrize(("pieces", "version"), [(pieces4, 4), (pieces6, 6)], ids=["v4", "v6"])


@FRAGMENTED
def test_fragments_in_any_order_make_the_segment_at_the_last_to_come(pieces: Fragmenter, version: int) -> None:
    parts = pieces()
    assert len(parts) == 4
    for order in permutations(parts):
        assert decode(order) == [segment(version, packet=4, length=len(BIG), payload=BIG)]


@FRAGMENTED
def test_repeated_fragments_change_nothing(pieces: Fragmenter, version: int) -> None:
    first, *rest = pieces()
    assert decode([first, first, *rest]) == [segment(version, packet=5, length=len(BIG), payload=BIG)]


@FRAGMENTED
def test_a_missing_fragment_gives_no_segment(pieces: Fragmenter, version: int) -> None:
    for left_out in range(4):
        parts = pieces()
        del parts[left_out]
        assert decode(parts) == []


def test_overlapping_fragments_keep_the_bytes_seen_first() -> None:
    whole = bytes(tcp(b"A" * 40))
    first = eth() / ip4(flags="MF", proto=6) / whole[:40]
    overlap = eth() / ip4(flags="MF", frag=3, proto=6) / (b"B" * 24)
    last = eth() / ip4(frag=6, proto=6) / whole[48:]
    (found,) = decode([bytes(first), bytes(overlap), bytes(last)])
    assert found.payload == b"A" * 20 + b"B" * 8 + b"A" * 12


def test_fragments_of_two_datagrams_may_be_mixed() -> None:
    one = [bytes(eth() / p) for p in fragment(ip4() / tcp(BIG), 1600)]
    two = [bytes(eth() / p) for p in fragment(IP(src=V4[0], dst=V4[1], id=78, ttl=60) / tcp(BIG[::-1]), 1600)]
    found = decode([one[0], two[1], two[0], one[1]])
    assert [(f.packet, f.payload) for f in found] == [(3, BIG[::-1]), (4, BIG)]


def test_fragments_are_joined_over_batches() -> None:
    decoder = SegmentDecoder()
    found = [s for part in pieces4() for s in decode([part], decoder=decoder)]
    assert [f.payload for f in found] == [BIG]


def test_a_tunnel_whose_outer_packet_is_fragmented_is_read() -> None:
    outer = IP(src="1.1.1.1", dst="2.2.2.2", id=5) / UDP(sport=40001, dport=4789) / VXLAN() / eth() / ip4() / tcp(BIG)
    found = decode([bytes(eth() / piece) for piece in fragment(outer, 1200)])
    assert [f.payload for f in found] == [BIG]


def test_fragments_are_as_wireshark_joins_them(tmp_path: Path) -> None:
    shuffled = [*pieces4()[::-1], *pieces6()[::-1]]
    path = tmp_path / "fragments.pcap"
    path.write_bytes(pcap(shuffled))
    told = tshark(path, "frame.number", "tcp.seq_raw", "tcp.len", options=("-o", "ip.defragment:TRUE"))
    assert told == [[str(f.packet), str(f.seq), str(f.length)] for f in decode_file(path)]


def test_endless_fragments_cost_bounded_memory() -> None:
    decoder = SegmentDecoder()
    piece = bytes(eth() / ip4(flags="MF", proto=6) / bytes(16_000))
    flood = [piece[:26] + struct.pack(">I", number) + piece[30:] for number in range(1500)]  # 24 MB
    assert decode(flood, decoder=decoder) == []
    assert 0 < kept_bytes(decoder) <= 16 << 20
    assert decode(pieces4(), decoder=decoder) != []


def test_tiny_fragments_cost_bounded_memory_too() -> None:
    decoder = SegmentDecoder()
    piece = bytes(eth() / ip4(flags="MF", proto=6) / b"x")
    decode([piece], decoder=decoder)
    tracemalloc.start()
    kept: list[int] = []
    for start in range(0, 300, 100):
        decode([piece[:26] + struct.pack(">I", start + n) + piece[30:] for n in range(100)], decoder=decoder)
        gc.collect()
        kept.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    for_each = (kept[-1] - kept[0]) / 200
    counted = decoder.uncommon._fragment_bytes / len(decoder.uncommon._fragments)
    assert for_each < 3 * counted


def kept_bytes(decoder: SegmentDecoder) -> int:
    return sum(len(body) for datagram in decoder.uncommon._fragments.values() for body in datagram.pieces.values())


@pytest.mark.parametrize(
    ("packet", "version", "quoted"),
    [
        (eth() / outer4() / ICMP(type=3, code=4) / ip4() / tcp(), 4, 4 << 16 | 3 << 8 | 4),
        (eth() / outer4() / ICMP(type=3, code=13) / ip4() / tcp(), 4, 4 << 16 | 3 << 8 | 13),
        (eth() / outer4() / ICMP(type=11, code=0) / ip4() / tcp(), 4, 4 << 16 | 11 << 8),
        (eth() / outer6() / ICMPv6DestUnreach(code=1) / ip6() / tcp(), 6, 6 << 16 | 1 << 8 | 1),
        (eth() / outer6() / ICMPv6PacketTooBig(mtu=1280) / ip6() / tcp(), 6, 6 << 16 | 2 << 8),
    ],
    ids=["fragmentation needed", "prohibited", "time exceeded", "prohibited v6", "too big v6"],
)
def test_an_icmp_error_quotes_the_segment_that_caused_it(packet: Any, version: int, quoted: int) -> None:
    assert decode([bytes(packet)]) == [segment(version, quoted=quoted, length=0, payload=b"")]


@pytest.mark.parametrize("size", [8, 9, 12, 19, 20])
def test_an_icmp_error_that_quotes_but_eight_bytes_of_tcp_still_names_the_connection(size: int) -> None:
    inner = bytes(ip4() / tcp())[: 20 + size]
    (found,) = decode([bytes(eth() / outer4() / ICMP(type=3, code=4) / inner)])
    assert (found.source, found.target, found.seq) == ((V4[0], 40000), (V4[1], 443), 0xFFFFFFF0)
    assert found.quoted == 4 << 16 | 3 << 8 | 4


def test_pings_and_their_answers_quote_nothing() -> None:
    assert decode([bytes(eth() / ip4() / ICMP(type=8) / bytes(ip4() / tcp()))]) == []


def one_by_one(packets: Sequence[bytes]) -> list[Segment]:
    """What scapy reads in the TCP segments of Ethernet frames, packet after packet."""
    found = []
    for number, packet in enumerate(packets, 1):
        layer = Ether(packet)
        if TCP not in layer or not (IP in layer or IPv6 in layer):
            continue
        ip, tcp_layer = layer[IP] if IP in layer else layer[IPv6], layer[TCP]
        payload = bytes(tcp_layer.original)[tcp_layer.dataofs * 4 :]
        version = 4 if IP in layer else 6
        family = socket.AF_INET if version == 4 else socket.AF_INET6
        found.append(
            Segment(
                number,
                (socket.inet_ntop(family, socket.inet_pton(family, ip.src)), tcp_layer.sport),
                (socket.inet_ntop(family, socket.inet_pton(family, ip.dst)), tcp_layer.dport),
                tcp_layer.seq,
                tcp_layer.ack,
                int(tcp_layer.flags) & 0xFF,
                tcp_layer.window,
                len(payload),
                payload,
                ip.ttl if version == 4 else ip.hlim,
                ip.id if version == 4 else -1,
                0,
            )
        )
    return found


addresses = st.tuples(
    st.sampled_from([4, 6]), st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1), st.integers(0, 3)
)
headers = st.tuples(
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**32 - 1),
    st.integers(0, 255),
    st.integers(0, 65535),
)


def build(ends: tuple[int, int, int, int], header: tuple[int, ...], options: bytes, payload: bytes, pad: int) -> bytes:
    version, source, target, tags = ends
    sport, dport, seq, ack, flags, window = header
    options += bytes(-len(options) % 4)
    words = 5 + len(options) // 4
    body = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, words << 4, flags, window, 0, 0) + options + payload
    vlan = b"\x81\x00\x00\x07" * tags
    if version == 4:
        ip = struct.pack(
            ">BBHHHBBHII", 0x45, 0, 20 + len(body), seq & 0xFFFF, 0x4000, flags, 6, 0, source >> 96, target >> 96
        )
        return bytes(12) + vlan + b"\x08\x00" + ip + body + bytes(pad)
    ip = struct.pack(">IHBB", 6 << 28, len(body), 6, flags)
    ends_bytes = source.to_bytes(16, "big") + target.to_bytes(16, "big")
    return bytes(12) + vlan + b"\x86\xdd" + ip + ends_bytes + body + bytes(pad)


frames = st.builds(build, addresses, headers, st.binary(max_size=40), st.binary(max_size=30), st.integers(0, 6))


@given(st.lists(frames, max_size=10))
@settings(max_examples=40)
def test_columns_say_what_scapy_says_one_by_one(packets: list[bytes]) -> None:
    assert decode(packets) == one_by_one(packets)


@given(
    link=st.sampled_from([0, 1, 12, 14, 101, 105, 108, 113, 127, 228, 229, 239, 276, 9, 51, 9999]),
    packets=st.lists(st.binary(max_size=120), max_size=6),
)
@settings(max_examples=60)
def test_any_bytes_of_any_link_type_are_segments_or_nothing(link: int, packets: list[bytes]) -> None:
    check_columns(packets, link)


@given(name=st.sampled_from(sorted(WIRES)), data=st.data())
@settings(max_examples=100)
def test_any_packet_with_bytes_changed_gives_segments_that_lie_in_the_capture(name: str, data: st.DataObject) -> None:
    link, _, packet = WIRES[name]
    damaged = bytearray(packet)
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(packet) - 1), st.integers(0, 255)), max_size=5)
    ):
        damaged[place] = value
    check_columns([packet, bytes(damaged[: data.draw(st.integers(0, len(packet)))])], link)


def check_columns(packets: list[bytes], link: int) -> None:
    decoder = SegmentDecoder()
    for batch in CaptureReader([io.BytesIO(pcap(packets, link=link))]).batches():
        segments = decoder.decode(batch)
        for found in rows(segments):
            assert 1 <= found.packet <= len(packets)
            assert 0 <= len(found.payload) <= found.length <= max(map(len, packets))
        if len(segments):
            assert int(segments.payload.min()) >= 0
            assert int((segments.payload + segments.captured).max()) <= len(segments.data)
            assert (segments.packet[1:] >= segments.packet[:-1]).all()


def test_batches_of_any_size_give_the_same_segments() -> None:
    generator = random.Random(7)
    packets = [WIRES[generator.choice(sorted(n for n in WIRES if WIRES[n][0] == 1))][2] for _ in range(60)]
    packets += [*pieces4(), *pieces6()]
    whole = decode(packets)
    for size in (1, 2, 7):
        decoder = SegmentDecoder()
        parts = []
        for start in range(0, len(packets), size):
            found = decode(packets[start : start + size], decoder=decoder)
            parts += [s._replace(packet=s.packet + start) for s in found]
        assert parts == whole


def test_a_syn_with_ecn_bits_keeps_its_flags() -> None:
    packet = bytes(eth() / ip4() / TCP(sport=40000, dport=443, flags="SEC"))
    assert decode([packet])[0].flags & SYN


SEALED: dict[str, Any] = {
    "IPsec (ESP)": eth() / outer4(proto=50) / bytes(40),
    "L2TPv3": eth() / outer6(nh=115) / bytes(40),
    "MACsec": eth(type=0x88E5) / (b"\x0c" + bytes(40)),
    "IPsec (ESP in UDP)": eth() / outer4() / UDP(sport=4500, dport=4500) / (b"\x12\x34\x56\x78" + bytes(40)),
    "WireGuard": eth() / outer6() / UDP(sport=40001, dport=40002) / (b"\x01" + bytes(147)),
}


@pytest.mark.parametrize("name", SEALED)
def test_a_tunnel_of_which_only_the_outside_shows_is_counted_by_its_name(name: str) -> None:
    decoder = SegmentDecoder()
    for batch in CaptureReader([io.BytesIO(pcap([bytes(SEALED[name])] * 3))]).batches():
        assert len(decoder.decode(batch)) == 0
    assert decoder.sealed.seen.packets == {name: 3}


def test_the_data_of_a_wireguard_tunnel_is_known_by_the_ports_of_its_handshake() -> None:
    decoder = SegmentDecoder()
    ports = UDP(sport=40001, dport=40002)
    handshake, data = (eth() / outer4() / ports / body for body in (b"\x01" + bytes(147), b"\x04" + bytes(63)))
    for packet in (data, handshake, data):
        decode([bytes(packet)], decoder=decoder)
    assert decoder.sealed.seen.packets == {"WireGuard": 2}


@pytest.mark.parametrize(
    "payload",
    [b"\x01" + bytes(146), b"\x00" * 148, b"\x04" + bytes(60), b"\x00\x00\x00\x00" + bytes(40), b"\xff", b""],
)
def test_other_datagrams_are_no_tunnel(payload: bytes) -> None:
    decoder = SegmentDecoder()
    packet = bytes(eth() / outer4() / UDP(sport=4500 if payload[:1] == b"\0" else 40001, dport=53) / payload)
    for batch in CaptureReader([io.BytesIO(pcap([packet]))]).batches():
        decoder.decode(batch)
    assert decoder.sealed.seen.packets == {}
