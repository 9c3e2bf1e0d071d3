"""Segments to connections: which packets belong together, and their numbers, which are Wireshark's."""

from __future__ import annotations

import io
import random
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from analyzer.capture import CaptureReader
from analyzer.net.decode import SegmentDecoder
from analyzer.net.flows import Flows
from tests.packets import ACK, CLIENT, FIN, PSH, RST, SERVER, SYN, Dialogue, flows_of, kept, pcap, read, tcp, tshark


def stream_of_each_packet(flows: Flows) -> dict[int, int]:
    """Frame number -> connection, for packets with SYN, FIN or RST and those that brought bytes."""
    signals, _ = flows.signals.by_flow()
    found = {int(row["packet"]): int(row["flow"]) for row in signals}
    for key, stream in flows.streams.items():
        found |= dict.fromkeys(stream.consumer.packets, key >> 1)  # type: ignore[attr-defined]
    found.pop(0, None)
    return found


def check_numbers(frames: Sequence[bytes], path: Path, *sizes: int) -> None:
    """Our connection numbers against `tcp.stream`, in batches of several sizes."""
    path.write_bytes(pcap(frames))
    told = {int(number): int(stream or -1) for number, stream in tshark(path, "frame.number", "tcp.stream")}
    for size in (len(frames), *sizes):
        flows = flows_of(frames, batch=size)
        assert len(flows.table) == max(told.values()) + 1
        for packet, number in stream_of_each_packet(flows).items():
            assert told[packet] == -1 or number == told[packet], f"packet {packet} in batches of {size}"


def syn(seq: int, client: tuple[str, int] = CLIENT) -> bytes:
    return tcp(client, SERVER, seq=seq, flags=SYN)


def test_a_connection_is_numbered_by_its_first_packet() -> None:
    one, two = Dialogue().open(), Dialogue(("10.0.0.1", 40001)).open()
    mixed = [frame for pair in zip(two.frames, one.frames, strict=True) for frame in pair]
    flows = flows_of(mixed)
    ends = [{str(flows.table.endpoint(n, side)) for side in (0, 1)} for n in (0, 1)]
    assert ends == [{"10.0.0.1:40001", "10.0.0.2:443"}, {"10.0.0.1:40000", "10.0.0.2:443"}]
    assert flows.table.rows["first_packet"].tolist() == [1, 2]


def test_both_directions_are_one_connection_whoever_speaks_first() -> None:
    flows = flows_of(Dialogue().server(b"hello").client(b"yes").server(b"no").frames)
    assert len(flows.table) == 1
    assert bytes(kept(flows, 0, SERVER).data) == b"hellono"
    assert bytes(kept(flows, 0, CLIENT).data) == b"yes"


def test_equal_ports_on_both_sides_are_two_directions() -> None:
    ends = ("10.0.0.1", 443), ("10.0.0.2", 443)
    flows = flows_of(Dialogue(*ends).open().client(b"a").server(b"b").frames)
    assert (bytes(kept(flows, 0, ends[0]).data), bytes(kept(flows, 0, ends[1]).data)) == (b"a", b"b")


def test_an_ipv4_and_an_ipv6_connection_with_equal_bits_are_two() -> None:
    mapped = ("::ffff:10.0.0.1", 40000), ("::ffff:10.0.0.2", 443)
    assert len(flows_of([*Dialogue().open().frames, *Dialogue(*mapped).open().frames]).table) == 2


def test_a_repeated_syn_opens_no_other_connection() -> None:
    assert len(flows_of([syn(1000), syn(1000), syn(1000), *Dialogue().open().frames]).table) == 1


@pytest.mark.parametrize("batch", [1, 2, 7, None])
def test_a_syn_with_another_sequence_number_is_another_connection_on_the_same_ports(batch: int | None) -> None:
    first = Dialogue().open().client(b"first").server(b"one").frames
    again = Dialogue(client_seq=500_000, server_seq=7).open().client(b"second").server(b"two").frames
    flows = flows_of(first + again, batch=batch)
    assert len(flows.table) == 2
    assert [bytes(kept(flows, n, CLIENT).data) for n in (0, 1)] == [b"first", b"second"]
    assert [bytes(kept(flows, n, SERVER).data) for n in (0, 1)] == [b"one", b"two"]
    assert flows.table.rows["packets"].tolist() == [[3, 2], [3, 2]]


def test_three_connections_on_the_same_ports_within_one_batch_stay_apart() -> None:
    frames = []
    for number in range(3):
        frames += Dialogue(client_seq=1000 * number, server_seq=77 * number).open().client(b"%d" % number).frames
    flows = flows_of(frames)
    assert [bytes(kept(flows, n, CLIENT).data) for n in range(3)] == [b"0", b"1", b"2"]


def test_port_reuse_is_numbered_as_wireshark_numbers_it(tmp_path: Path) -> None:
    frames = []
    for number in range(4):
        for port in (40000, 40001):
            talk = Dialogue(("10.0.0.1", port), client_seq=1000 * number, server_seq=5000 * number)
            frames += talk.open().client(b"hello").server(b"bye", flags=FIN | ACK).client(flags=RST | ACK).frames
    check_numbers(frames, tmp_path / "reuse.pcap", 1, 5)


def test_port_reuse_without_the_first_connections_syn_is_numbered_as_wireshark_numbers_it(tmp_path: Path) -> None:
    midstream = Dialogue(client_seq=5000).client(b"middle").server(b"answer").frames
    check_numbers([*midstream, *Dialogue(client_seq=9).open().client(b"new").frames], tmp_path / "reuse.pcap", 1, 2)


def test_a_connection_refused_and_tried_again_is_numbered_as_wireshark_numbers_it(tmp_path: Path) -> None:
    refusal = tcp(SERVER, CLIENT, ack=1001, flags=RST | ACK)
    check_numbers([syn(1000), refusal, syn(1000), refusal, syn(2000), refusal], tmp_path / "refused.pcap", 1, 2)


def test_an_open_by_both_sides_is_numbered_as_wireshark_numbers_it(tmp_path: Path) -> None:
    both = [
        syn(1000),
        tcp(SERVER, CLIENT, seq=9000, flags=SYN),
        tcp(CLIENT, SERVER, seq=1000, ack=9001, flags=SYN | ACK),
    ]
    check_numbers([*both, tcp(CLIENT, SERVER, b"x", seq=1001, ack=9001)], tmp_path / "simultaneous.pcap", 1)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [1, 2, None])
def test_of_several_different_syn_acks_the_last_one_counts(batch: int | None, tmp_path: Path) -> None:
    def answer(seq: int) -> bytes:
        return tcp(SERVER, CLIENT, seq=seq, ack=1001, flags=SYN | ACK)

    talk = Dialogue(server_seq=2829651200).open().client(b"hello").server(b"welcome").frames
    frames = [talk[0], answer(238755595), answer(2859879429), *talk[1:]]
    check_numbers(frames, tmp_path / "answers.pcap", 1, 2)
    flows = flows_of(frames, batch=batch)
    assert (bytes(kept(flows, 0, SERVER).data), kept(flows, 0, SERVER).holes) == (b"welcome", [])


def test_a_connection_seen_from_the_middle_begins_alike_wherever_batches_end() -> None:
    late_ack = [
        tcp(SERVER, CLIENT, b"data", seq=5000, ack=100),
        tcp(CLIENT, SERVER, seq=100, ack=4000),
        tcp(SERVER, CLIENT, b"more", seq=5004, ack=100),
    ]
    for batch in (1, 2, 3):
        served = kept(flows_of(late_ack, batch=batch), 0, SERVER)
        assert (bytes(served.data), served.holes) == (b"datamore", [])


def icmp_error(packet: bytes, quoted: int) -> bytes:
    """A router's answer to an Ethernet frame, with the IPv4 header and so many bytes of TCP in it."""
    quote = packet[14 : 34 + quoted]
    header = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(quote), 1, 0, 64, 1, 0, b"\x0a\x09\x09\x09", packet[26:30])
    return bytes(12) + b"\x08\x00" + header + struct.pack(">BBHI", 3, 4, 0, 1400) + quote


@pytest.mark.slow
@pytest.mark.parametrize("quoted", [8, 12, 20, 32])
def test_icmp_errors_do_not_shift_the_numbers(quoted: int, tmp_path: Path) -> None:
    one, two = Dialogue().open().frames, Dialogue(("10.0.0.1", 40001)).open().frames
    frames = [icmp_error(two[0], quoted), *one, icmp_error(one[2], quoted), *two, icmp_error(two[1], quoted)]
    check_numbers(frames, tmp_path / "icmp.pcap", 1, 3)


@pytest.mark.parametrize("batch", [1, 3, None])
@pytest.mark.parametrize("quoted", [8, 20])
def test_an_icmp_error_is_logged_with_the_connection_that_it_quotes(quoted: int, batch: int | None) -> None:
    frames = Dialogue().open().client(b"x" * 1400).frames
    rows, _ = flows_of([*frames, icmp_error(frames[-1], quoted)], batch=batch).signals.by_flow()
    (error,) = rows[rows["quoted"] != 0]
    assert (int(error["packet"]), int(error["flow"]), int(error["quoted"])) == (5, 0, 4 << 16 | 3 << 8 | 4)


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "batch"), [(0, 1), (1, 13), (2, 40)])
def test_random_traffic_is_numbered_as_wireshark_numbers_it(seed: int, batch: int, tmp_path: Path) -> None:
    generator = random.Random(seed)
    frames: list[tuple[float, bytes]] = []
    for number in range(120):
        address = "10.1.%d.%d" if number % 3 else "2001:db8::%x:%x"
        ends = (address % (number, 1), 40000), (address % (number, 2), 443)
        when = generator.random() * 100
        for _ in range(generator.randint(1, 12)):
            when += generator.random() * 10
            side = generator.randint(0, 1)
            flags = generator.choice([SYN, SYN, SYN | ACK, ACK, ACK, PSH | ACK, FIN | ACK, RST, RST | ACK])
            payload = generator.choice([b"", b"data"]) if not flags & (SYN | RST) else b""
            seq, ack = generator.choice([1000, 1001, 1005, 7000]), generator.choice([1001, 1005, 7001])
            frames.append((when, tcp(ends[side], ends[1 - side], payload, seq=seq, ack=ack, flags=flags)))
    check_numbers([frame for _, frame in sorted(frames)], tmp_path / "random.pcap", batch)


def test_syn_fin_and_rst_are_logged_with_their_frames_and_senders() -> None:
    talk = Dialogue().open().client(b"x", flags=PSH | ACK).server(flags=FIN | ACK).client(flags=RST | ACK)
    flows = flows_of(talk.frames)
    rows, begins = flows.signals.by_flow()
    sender = [str(flows.table.endpoint(0, int(row["side"]))) for row in rows]
    assert begins.tolist() == [0, 4, 4]
    assert [int(row["packet"]) for row in rows] == [1, 2, 5, 6]
    assert [int(row["flags"]) for row in rows] == [SYN, SYN | ACK, FIN | ACK, RST | ACK]
    assert sender == ["10.0.0.1:40000", "10.0.0.2:443", "10.0.0.2:443", "10.0.0.1:40000"]


@pytest.mark.parametrize("name", ["playbook-repaired.pcap", "server-reset-go.pcap"])
def test_fin_and_rst_are_those_that_wireshark_shows(captures: Path, name: str) -> None:
    flows = flows_of([frame.data for frame in read(captures / name)], batch=3)
    rows, _ = flows.signals.by_flow()
    ours = [
        [str(row["packet"]), str(row["flow"]), f"0x{row['flags']:04x}"] for row in rows if row["flags"] & (FIN | RST)
    ]
    ends = "tcp.flags.fin==1 || tcp.flags.reset==1"
    assert sorted(ours) == sorted(
        tshark(captures / name, "frame.number", "tcp.stream", "tcp.flags", display_filter=ends)
    )


def test_the_table_counts_packets_and_bytes_of_each_side() -> None:
    flows = flows_of(Dialogue().open().client(b"12345").server(b"123").client(b"6").frames, batch=2)
    row = flows.table.rows[0]
    client = 0 if str(flows.table.endpoint(0, 0)) == "10.0.0.1:40000" else 1
    assert (row["packets"][client], row["packets"][1 - client]) == (4, 2)
    assert (row["bytes"][client], row["bytes"][1 - client]) == (6, 3)
    assert (row["first_packet"], row["last_packet"]) == (1, 6)
    assert row["max_segment"][client] == 5


@pytest.mark.parametrize("batch", [1, 2, 7, None])
def test_where_batches_end_changes_nothing(batch: int | None) -> None:
    generator = random.Random(3)
    talks = []
    for number in range(12):
        talk = Dialogue(("10.0.0.1", 40000 + number % 5), client_seq=number * 10_000, server_seq=number * 777).open()
        for _ in range(generator.randint(0, 5)):
            talk.client(bytes(generator.randint(0, 30))).server(bytes(generator.randint(0, 30)))
        talks.append(talk.server(flags=FIN | ACK).client(flags=FIN | ACK).frames)
    frames = [frame for talk in talks for frame in talk]
    whole, parts = flows_of(frames), flows_of(frames, batch=batch)
    assert parts.table.rows.tobytes() == whole.table.rows.tobytes()
    assert parts.signals.by_flow()[0].tobytes() == whole.signals.by_flow()[0].tobytes()
    for key, stream in whole.streams.items():
        ours = parts.streams[key].consumer
        assert ours.data == stream.consumer.data  # type: ignore[attr-defined]
        assert ours.packets == stream.consumer.packets  # type: ignore[attr-defined]


def test_crafted_addresses_do_not_make_two_connections_one() -> None:
    high = "ffff:ffff:ffff:ffff:"
    pairs = [
        (f"{high}0:{n}:{a}:{b}", f"{high}0:{m}:{b}:{a}")
        for n in (0, 1, 2)
        for m in (0, 1, 2)
        for a, b in ((1, 2), (2, 1))
    ]
    frames = [tcp((source, 1), (target, 2), b"x") for source, target in pairs]
    assert len(flows_of(frames).table) == len({frozenset(((s, 1), (t, 2))) for s, t in pairs})


@pytest.mark.parametrize("size", [1, None])
def test_what_was_last_acknowledged_is_known_though_a_reset_without_an_acknowledgement_follows(
    size: int | None,
) -> None:
    frames = [
        tcp(CLIENT, SERVER, seq=1000, flags=SYN),
        tcp(SERVER, CLIENT, seq=5000, ack=1001, flags=SYN | ACK),
        tcp(SERVER, CLIENT, seq=5001, ack=1500, flags=ACK),
        tcp(SERVER, CLIENT, seq=5001, flags=RST),
    ]
    flows = flows_of(frames, batch=size)
    (row,) = flows.table.read(0, 1)
    assert sorted(row.last_ack) == [-1, 1500]


def test_a_batch_of_nothing_but_an_icmp_error_is_taken() -> None:
    unreachable = tcp(CLIENT, SERVER, seq=1000, flags=SYN)[14:]
    icmp = bytes([3, 1, 0, 0, 0, 0, 0, 0]) + unreachable
    header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(icmp), 1, 0, 64, 1, 0)
    frame = bytes(12) + b"\x08\x00" + header + bytes([10, 0, 0, 9, 10, 0, 0, 1]) + icmp
    flows = flows_of([frame, tcp(CLIENT, SERVER, seq=1000, flags=SYN)], batch=1)
    assert len(flows.table) == 1


@pytest.mark.parametrize("batch", [1, 4, None])
def test_flows_that_are_dropped_leave_the_others_as_they_are(batch: int | None) -> None:
    clients = [("10.0.0.1", 40000 + number) for number in range(4)]
    first = [tcp(client, SERVER, seq=1000, flags=SYN) for client in clients]
    second = [tcp(client, SERVER, str(client[1]).encode(), seq=1001) for client in clients]
    flows = flows_of([*first, *second], batch=batch)
    flows.drop(np.array([True, False, True, False]))
    assert flows.table.rows["number"].tolist() == [1, 3]
    assert [bytes(kept(flows, row, clients[number]).data) for row, number in enumerate((1, 3))] == [b"40001", b"40003"]
    assert [[signal.flow for signal in log] for log in flows.signals.lists(np.array([0, 1]))] == [[0], [1]]
    more = [tcp(clients[3], SERVER, b"more", seq=1006), tcp(clients[0], SERVER, seq=7, flags=SYN)]
    for packets in CaptureReader([io.BytesIO(pcap(more))]).batches():
        flows.add(SegmentDecoder().decode(packets))
    assert flows.table.rows["number"].tolist() == [1, 3, 4]
    assert bytes(kept(flows, 1, clients[3]).data) == b"40003more"
