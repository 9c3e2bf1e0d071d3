"""What packets are wrapped in: every encapsulation and link type, named, stacked, cut and mixed."""

from __future__ import annotations

import io
import re
import socket
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP, fragment
from scapy.layers.vxlan import VXLAN

import analyzer
from analyzer.capture import CaptureReader
from analyzer.net.decode import SegmentDecoder
from analyzer.net.encapsulations import BY_ETHERTYPE, BY_PROTOCOL, BY_UDP_PORT
from analyzer.net.link import DECODERS, NESTED
from analyzer.net.segments import halves
from analyzer.net.wrappings import Around, End, name_of
from tests.net.wires import (
    FRAME,
    IP4,
    IP6,
    NAMED,
    SNAP_IP,
    V4,
    V6,
    WIRES,
    WLAN_FRAME,
    aggregate,
    datagram,
    eth,
    hexed,
    ip4,
    outer4,
    segment,
    tcp,
    typed,
)
from tests.packets import decode, pcap

CLIENT_PORT, SERVER_PORT = 40000, 443


def end(address: str, port: int) -> End:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return (*halves(socket.inet_pton(family, address)), port)


def around(packets: list[bytes], link: int = 1, version: int = 4) -> Around | None:
    """What the connection of all these packets ran in."""
    decoder = SegmentDecoder()
    decode(packets, link, decoder)
    client, server = V4 if version == 4 else V6
    return decoder.wrappings.around(end(client, CLIENT_PORT), end(server, SERVER_PORT))


def names(found: Around | None) -> tuple[str, ...]:
    return () if found is None else tuple(name_of(layer).partition(" from ")[0] for layer in found.forth)


@pytest.mark.parametrize("name", NAMED)
def test_what_a_connection_was_wrapped_in_is_named(name: str) -> None:
    link, version, packet = WIRES[name]
    assert names(around([packet], link, version)) == NAMED[name]


def test_every_link_type_and_encapsulation_is_among_the_wires() -> None:
    assert {*DECODERS, *NESTED} == {link for link, _, _ in WIRES.values()}
    ports = {datagram(port, "", b"")[UDP].dport for port in BY_UDP_PORT}
    wires = b"".join(packet for _, _, packet in WIRES.values())
    assert all(struct.pack(">H", port) in wires for port in ports)
    assert {4, 41, 47, 97, 137} == set(BY_PROTOCOL)
    assert all(struct.pack(">H", number) in wires for number in BY_ETHERTYPE if number < 0xFF00 and number != 0x9200)


def test_a_tunnel_is_named_with_its_outer_ends() -> None:
    found = around([WIRES["VXLAN v4"][2]])
    assert found is not None
    assert [name_of(layer) for layer in found.forth] == ["VXLAN 9 from 198.51.100.1 to 198.51.100.2"]


def reply(packet: bytes) -> bytes:
    """The same IPv4 packet the other way."""
    return packet[:12] + packet[16:20] + packet[12:16] + packet[22:24] + packet[20:22] + packet[24:]


def vxlan(number: int, *, back: bool = False) -> bytes:
    ends = {"src": "198.51.100.2", "dst": "198.51.100.1"} if back else {"src": "198.51.100.1", "dst": "198.51.100.2"}
    frame = FRAME[:14] + (reply(IP4) if back else IP4)
    return bytes(eth() / IP(**ends) / UDP(sport=50000, dport=4789) / VXLAN(vni=number) / frame)


def test_both_directions_of_a_tunnel_are_the_same_tunnel() -> None:
    found = around([vxlan(9), vxlan(9, back=True)])
    assert names(found) == ("VXLAN 9",)
    assert found is not None
    assert (found.back, found.also) == ((), ())


def test_a_mirror_sends_both_directions_the_same_way() -> None:
    turned = bytes(datagram(4789, "0800000000000900", FRAME[:14] + reply(IP4)))
    found = around([bytes(datagram(4789, "0800000000000900", FRAME)), turned])
    assert names(found) == ("VXLAN 9",)
    assert found is not None
    assert (found.back, found.also) == ((), ())


def test_a_mirror_that_shows_a_packet_twice_is_told() -> None:
    for packets in ([FRAME, vxlan(9)], [vxlan(9), FRAME]):
        found = around(packets)
        assert names(found) == ("VXLAN 9",)
        assert found is not None
        assert found.also == ((),)


def test_the_same_addresses_in_two_networks_are_told() -> None:
    found = around([vxlan(9), vxlan(9), vxlan(12), vxlan(9, back=True), vxlan(12, back=True)])
    assert names(found) == ("VXLAN 9",)
    assert found is not None
    assert [[name_of(layer) for layer in stack] for stack in found.also] == [
        ["VXLAN 12 from 198.51.100.1 to 198.51.100.2"]
    ]


def test_a_tunnel_whose_ways_have_numbers_of_their_own_is_no_second_network() -> None:
    there, back = (
        bytes(
            eth()
            / outer4()
            / UDP(sport=2152, dport=2152)
            / (struct.pack(">BBHI", 0x30, 255, len(packet), teid) + packet)
        )
        for teid, packet in ((1, IP4), (2, reply(IP4)))
    )
    found = around([there, back])
    assert found is not None
    assert (names(found), [layer.number for layer in found.back], found.also) == (("GTP-U 0x1",), [2], ())


def test_what_came_in_fragments_of_a_tunnel_has_its_name() -> None:
    outer = IP(src="1.1.1.1", dst="2.2.2.2", id=5) / UDP(sport=40001, dport=4789) / VXLAN(vni=5) / eth() / ip4()
    pieces = [bytes(eth() / piece) for piece in fragment(outer / tcp(bytes(2000)), 1200)]
    found = around(pieces)
    assert found is not None
    assert [name_of(layer) for layer in found.forth] == ["VXLAN 5 from 1.1.1.1 to 2.2.2.2"]


def test_fragments_inside_a_tunnel_are_put_together_and_its_name_is_kept() -> None:
    pieces = [bytes(eth() / piece) for piece in fragment(ip4() / tcp(bytes(2000)), 1200)]
    wrapped = [bytes(datagram(4789, "0800000000000900", piece)) for piece in pieces]
    decoder = SegmentDecoder()
    assert [found.payload for found in decode(wrapped, decoder=decoder)] == [bytes(2000)]
    assert names(around(wrapped)) == ("VXLAN 9",)


def test_all_packets_of_a_wireless_aggregate_are_read() -> None:
    assert decode([aggregate(IP4, IP6, IP4)], 105) == [segment(4), segment(6), segment(4)]


def test_encrypted_wireless_frames_are_counted() -> None:
    decoder = SegmentDecoder()
    protected = WLAN_FRAME[:1] + b"\x41" + WLAN_FRAME[2:]
    assert decode([protected, WLAN_FRAME, protected], 105, decoder) == [segment(4, packet=2)]
    assert decoder.sealed.wireless == 2


def test_packets_in_too_many_wrappings_are_counted_not_chased() -> None:
    label = hexed("0001103f")
    decoder = SegmentDecoder()
    assert decode([typed(0x8847, label * 60 + SNAP_IP)] * 3, decoder=decoder) == []
    assert decoder.too_deep == 3


def test_made_up_numbers_cost_bounded_memory() -> None:
    decoder = SegmentDecoder()
    for start in range(0, 60_000, 20_000):
        labels = (typed(0x8847, struct.pack(">I", (start + n) << 12 | 0x13F) + IP4) for n in range(20_000))
        decode(list(labels), decoder=decoder)
    assert len(decoder.wrappings._stacks) <= 1 << 14 | 1 << 8
    assert len(decoder.wrappings._seen) == 1


STEPS: dict[str, Any] = {
    "VLAN": lambda frame: frame[:12] + hexed("81000007") + frame[12:],
    "802.1ad": lambda frame: frame[:12] + hexed("88a80008") + frame[12:],
    "VXLAN": lambda frame: bytes(datagram(4789, "0800000000000900", frame)),
    "Geneve": lambda frame: bytes(datagram(6081, "0200655800000900" + "01080101" + "00000000", frame)),
    "gretap": lambda frame: bytes(eth() / outer4(proto=47) / (hexed("2000655800000007") + frame)),
    "ERSPAN": lambda frame: bytes(eth() / outer4(proto=47) / (hexed("100088be000000011007000300000000") + frame)),
    "MPLS": lambda frame: typed(0x8847, hexed("0001103f0001113f") + frame[14:]) if is_ip(frame) else frame,
    "IP in IP": lambda frame: bytes(eth() / outer4(proto=4) / frame[14:]) if frame[12:14] == b"\x08\x00" else frame,
    "GTP-U": lambda frame: (
        bytes(datagram(2152, f"30ff{len(frame) - 14:04x}00000017", frame[14:])) if is_ip(frame) else frame
    ),
    "MAC in MAC": lambda frame: typed(0x88E7, hexed("00000123") + frame),
    "EtherIP": lambda frame: bytes(eth() / outer4(proto=97) / (hexed("3000") + frame)),
}


def gtp(packet: bytes) -> bytes:
    return bytes(datagram(2152, f"30ff{len(packet):04x}00000017", packet))


def is_ip(frame: bytes) -> bool:
    return frame[12:14] in (b"\x08\x00", b"\x86\xdd")


PLAYBOOK = Path(__file__).resolve().parents[2] / "captures" / "playbook.pcap"


def recorded() -> list[bytes]:
    """The frames of the playbook's capture."""
    return [
        batch.data[start : start + size].tobytes()
        for batch in CaptureReader([PLAYBOOK]).batches()
        for start, size in zip(batch.offset.tolist(), batch.captured.tolist(), strict=True)
    ]


@given(st.lists(st.sampled_from(sorted(STEPS)), max_size=7))
@settings(max_examples=40)
def test_any_stack_of_encapsulations_around_a_recording_gives_the_same_segments(steps: list[str]) -> None:
    frames = recorded()
    plain = decode(frames)
    for step in steps:
        frames = [STEPS[step](frame) for frame in frames]
    assert decode(frames) == plain


@given(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=4), st.data())
@settings(max_examples=60)
def test_a_stack_cut_at_any_byte_or_with_any_byte_changed_is_segments_or_nothing(
    steps: list[str], data: st.DataObject
) -> None:
    frame = recorded()[3]
    for step in steps:
        frame = STEPS[step](frame)
    damaged = bytearray(frame[: data.draw(st.integers(0, len(frame)))])
    if damaged and data.draw(st.booleans()):
        damaged[data.draw(st.integers(0, min(len(damaged), 300) - 1))] = data.draw(st.integers(0, 255))
    for batch in CaptureReader([io.BytesIO(pcap([bytes(damaged)]))]).batches():
        segments = SegmentDecoder().decode(batch)
        assert (segments.payload + segments.captured <= len(segments.data)).all()


@pytest.mark.parametrize("name", sorted(WIRES))
def test_no_wire_cut_at_any_byte_breaks_anything(name: str) -> None:
    link, _, packet = WIRES[name]
    decoder = SegmentDecoder()
    found = decode([packet[:size] for size in range(len(packet) + 1)], link, decoder)
    assert found[-1].payload == segment().payload
    assert decoder.uncommon.failures == 0


@pytest.mark.parametrize(
    ("link", "text"),
    [
        (253, r"are Linux netlink, what the kernel .* no TCP connection is in it; record on the network interface"),
        (189, r"are USB .Linux., what goes to and from a USB device"),
        (220, r"are USB"),
        (249, r"are USBPcap"),
        (201, r"are Bluetooth HCI"),
        (195, r"are IEEE 802.15.4, a radio network"),
        (227, r"are CAN bus"),
        (231, r"are D-Bus messages"),
        (252, r"are a Wireshark upper PDU export, .* without the TCP around it: .* open the original capture"),
        (271, r"are vsock, what virtual machines and their host tell each other"),
        (135, r"are Juniper .135., which cannot be read here: .* --dissector wireshark"),
        (150, r"are a private link type .150., which cannot be read here"),
        (9999, r"are link type 9999, which cannot be read here and is not known"),
    ],
)
def test_a_link_type_without_ip_is_named_and_what_it_shows_is_told(link: int, text: str) -> None:
    report = analyzer.analyze(io.BytesIO(pcap([bytes(40)] * 3, link=link)))
    (problem,) = report.capture.problems
    assert problem.code == "unknown-link-type"
    assert re.search(f"3 packets {text}", problem.text)
