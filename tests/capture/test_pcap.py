"""The pcap format: both byte orders, three kinds of records, files that end early or lie."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest

from analyzer import InputError
from tests.packets import NOON, SECOND, pcap, pcap_record, problems, read, read_all, run

PACKETS = [b"first", b"", b"the third packet", bytes(1500)]
ORDERS = pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])


@ORDERS
@pytest.mark.parametrize("kind", ["us", "ns", "kuznetzov"])
def test_packets_are_read_in_both_byte_orders_and_all_kinds_of_records(order: str, kind: str) -> None:
    frames, reader = read_all(io.BytesIO(pcap(PACKETS, order=order, kind=kind, link=113)))
    assert [frame.data for frame in frames] == PACKETS
    assert [frame.number for frame in frames] == [1, 2, 3, 4]
    assert [frame.time_ns for frame in frames] == [NOON, NOON + 1000, NOON + 2000, NOON + 3000]
    assert {frame.link for frame in frames} == {113}
    assert (reader.formats, reader.problems, reader.links) == (["pcap"], [], [113])
    assert (reader.packets, reader.first_time_ns, reader.last_time_ns) == (4, NOON, NOON + 3000)


def test_only_nanosecond_files_keep_nanoseconds() -> None:
    (fine,) = read(io.BytesIO(pcap([], kind="ns") + pcap_record(b"x", NOON + 123_456_789, tick=1)))
    (coarse,) = read(io.BytesIO(pcap([]) + pcap_record(b"x", NOON + 123_456_789)))
    assert (fine.time_ns, coarse.time_ns) == (NOON + 123_456_789, NOON + 123_456_000)


def test_a_packet_that_was_cut_keeps_its_length_on_the_wire() -> None:
    (frame,) = read(io.BytesIO(pcap([]) + pcap_record(b"cut", original=1500)))
    assert (frame.data, frame.original) == (b"cut", 1500)


def test_a_length_on_the_wire_below_what_was_captured_is_not_believed() -> None:
    (frame,) = read(io.BytesIO(pcap([]) + pcap_record(b"whole", original=0)))
    assert (frame.data, frame.original) == (b"whole", 5)


def test_the_upper_bits_of_the_link_type_tell_of_a_frame_check_sequence_and_are_no_part_of_it() -> None:
    file = bytearray(pcap([b"x"]))
    file[20:24] = struct.pack("<I", 0x5400_0001)
    assert read(io.BytesIO(bytes(file)))[0].link == 1


def test_times_up_to_the_year_2106_are_read() -> None:
    (frame,) = read(io.BytesIO(pcap([]) + pcap_record(b"x", (2**32 - 1) * SECOND)))
    assert frame.time_ns == (2**32 - 1) * SECOND


def test_a_file_without_packets_is_a_capture_without_packets() -> None:
    frames, reader = read_all(io.BytesIO(pcap([])))
    assert (frames, reader.problems, reader.first_time_ns) == ([], [], None)


@pytest.mark.parametrize("cut", [4, 10, 23])
def test_a_file_that_ends_in_its_header_says_at_which_byte(cut: int) -> None:
    (problem,) = problems(io.BytesIO(pcap(PACKETS)[:cut]))
    assert problem.code == "truncated-capture"
    assert f"ends inside its 24-byte header, at byte {cut}" in problem.text


def test_a_file_cut_at_any_byte_gives_the_whole_packets_and_says_where_it_ends() -> None:
    packets = [b"first", b"second", b"third"]
    file = pcap(packets)
    whole = {len(pcap(packets[:count])): count for count in range(4)}
    for end in range(24, len(file)):
        frames, reader = read_all(io.BytesIO(file[:end]))
        count = max(n for size, n in whole.items() if size <= end)
        assert [frame.data for frame in frames] == packets[:count]
        if end in whole:
            assert reader.problems == []
        else:
            (problem,) = reader.problems
            assert (problem.code, problem.packet) == ("truncated-capture", count + 1)
            assert f"in the middle of packet {count + 1}, at byte {end}" in problem.text


@ORDERS
@pytest.mark.parametrize("length", [262_145, 2**31, 2**32 - 1])
def test_a_length_that_no_packet_has_ends_the_reading_and_is_told_with_its_place(order: str, length: int) -> None:
    good = pcap([b"good"], order=order)
    lie = struct.pack(f"{order}IIII", 0, 0, length, length)
    frames, reader = read_all(io.BytesIO(good + lie + bytes(4000)))
    (problem,) = reader.problems
    assert [frame.data for frame in frames] == [b"good"]
    assert (problem.code, problem.packet) == ("damaged-capture", 2)
    assert f"packet 2 claims {length} captured bytes (at byte {len(good)} of the file" in problem.text


def test_a_packet_of_the_greatest_length_is_read() -> None:
    (frame,) = read(io.BytesIO(pcap([bytes(262_144)])))
    assert len(frame.data) == 262_144


def test_what_editcap_writes_is_read_as_capinfos_counts_it(captures: Path, tmp_path: Path) -> None:
    source = captures / "nanoseconds.pcap"
    for kind in ("pcap", "nsecpcap", "modpcap"):
        run("editcap", "-F", kind, source, tmp_path / kind)
        told = run("capinfos", "-T", "-r", "-c", "-d", tmp_path / kind).stdout.split("\t")
        frames = read(tmp_path / kind)
        assert len(frames) == int(told[1])
        assert sum(frame.original for frame in frames) == int(told[2])
        exact = [frame.time_ns for frame in read(source)]
        times = exact if kind == "nsecpcap" else [time // 1000 * 1000 for time in exact]
        assert [frame.time_ns for frame in frames] == times
        assert [frame.data for frame in frames] == [frame.data for frame in read(source)]


def test_a_wrong_magic_is_no_capture() -> None:
    with pytest.raises(InputError, match="neither pcap nor pcapng") as raised:
        read(io.BytesIO(b"\xa1\xb2\xc3\xd5" + pcap(PACKETS)[4:]))
    assert raised.value.offset == 0
    assert "a1 b2 c3 d5" in str(raised.value)
