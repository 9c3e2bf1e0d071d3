"""The pcapng format: sections, interfaces, the three packet blocks, secrets, and blocks that lie."""

from __future__ import annotations

import io
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.capture import pcapng
from analyzer.capture.batch import PADDING, CaptureProblem
from analyzer.capture.pcapng import PcapngParser
from analyzer.capture.source import CaptureReader
from tests.packets import NOON, SECOND, block, enhanced, interface, pcap, problems, read, read_all, run, section, tshark

MICROSECONDS = NOON // 1000
ORDERS = pytest.mark.parametrize("order", ["<", ">"], ids=["little-endian", "big-endian"])


def file(*blocks: bytes) -> io.BytesIO:
    return io.BytesIO(b"".join(blocks))


@ORDERS
def test_an_enhanced_packet_block_is_a_packet(order: str) -> None:
    packet = enhanced(b"odd size!", MICROSECONDS, original=60, order=order)
    (frame,) = read(file(section(order), interface(113, order=order), packet))
    assert frame == (1, b"odd size!", 60, NOON, 113)


def test_a_length_on_the_wire_below_what_was_captured_is_not_believed() -> None:
    (frame,) = read(file(section(), interface(), enhanced(b"whole", MICROSECONDS, original=0)))
    assert (frame.data, frame.original) == (b"whole", 5)


def test_of_interfaces_without_number_some_are_kept() -> None:
    many = file(section(), interface() * 100_000, enhanced(b"read"), enhanced(b"not", interface=99_999))
    frames, reader = read_all(many)
    assert [frame.data for frame in frames] == [b"read", b""]
    assert [problem.code for problem in reader.problems] == ["damaged-packet"]


@ORDERS
def test_a_simple_packet_block_has_the_first_interface_its_snap_length_and_no_time(order: str) -> None:
    simple = block(3, struct.pack(f"{order}I", 1500) + b"as much as the snap length", order)
    (frame,) = read(file(section(order), interface(1, snap=10, order=order), simple))
    assert frame == (1, b"as much as", 1500, 0, 1)


@ORDERS
def test_an_obsolete_packet_block_is_a_packet(order: str) -> None:
    header = struct.pack(f"{order}HHIIII", 1, 0, MICROSECONDS >> 32, MICROSECONDS & 0xFFFFFFFF, 3, 99)
    packet = block(2, header + b"old", order)
    (frame,) = read(file(section(order), interface(1, order=order), interface(101, order=order), packet))
    assert frame == (1, b"old", 99, NOON, 101)


@pytest.mark.parametrize(
    ("resolution", "ticks_per_second"),
    [(None, 10**6), (3, 10**3), (6, 10**6), (9, 10**9), (0, 1), (0x80 | 10, 2**10), (0x80 | 20, 2**20), (0x80, 1)],
)
def test_each_interface_has_its_own_resolution(resolution: int | None, ticks_per_second: int) -> None:
    ticks = NOON // SECOND * ticks_per_second + ticks_per_second // 2
    (frame,) = read(file(section(), interface(resolution=resolution), enhanced(b"x", ticks)))
    assert frame.time_ns == NOON + (SECOND // 2 if ticks_per_second > 1 else 0)


@pytest.mark.parametrize("offset", [0, 3600, -3600, 1_700_000_000])
def test_the_time_offset_of_an_interface_is_added_in_seconds(offset: int) -> None:
    ticks = MICROSECONDS - offset * 10**6
    (frame,) = read(file(section(), interface(offset=offset), enhanced(b"x", ticks)))
    assert frame.time_ns == NOON


def test_the_interfaces_of_one_section_differ_in_link_type_and_resolution() -> None:
    content = file(
        section(),
        interface(1),
        interface(276, resolution=9),
        interface(101, resolution=0x80 | 20, offset=NOON // SECOND),
        enhanced(b"ethernet", MICROSECONDS),
        enhanced(b"cooked", NOON + 1, interface=1),
        enhanced(b"raw", 2**19, interface=2),
    )
    frames, reader = read_all(content)
    assert [(f.data, f.link, f.time_ns - NOON) for f in frames] == [
        (b"ethernet", 1, 0),
        (b"cooked", 276, 1),
        (b"raw", 101, SECOND // 2),
    ]
    assert sorted(reader.links) == [1, 101, 276]


def test_each_section_has_its_own_byte_order_and_interfaces_and_frame_numbers_run_on() -> None:
    content = file(
        section("<"),
        interface(1),
        enhanced(b"little", MICROSECONDS),
        section(">"),
        interface(113, order=">"),
        enhanced(b"big", MICROSECONDS, order=">"),
        section("<"),
        interface(101),
        enhanced(b"little again", MICROSECONDS),
    )
    assert [(f.number, f.data, f.link) for f in read(content)] == [
        (1, b"little", 1),
        (2, b"big", 113),
        (3, b"little again", 101),
    ]


def test_unknown_blocks_and_statistics_are_stepped_over() -> None:
    content = file(
        section(),
        block(0xBAD, b"???"),
        interface(),
        block(5, bytes(12)),
        enhanced(b"x"),
        block(4, bytes(4)),
        enhanced(b"y"),
    )
    assert [f.data for f in read(content)] == [b"x", b"y"]


def test_secrets_are_kept_for_decryption() -> None:
    keys = b"CLIENT_RANDOM 00 11\n"
    content = file(section(), block(10, struct.pack("<II", 0x544C534B, len(keys)) + keys), interface(), enhanced(b"x"))
    frames, reader = read_all(content)
    assert [(secret.kind, secret.data) for secret in reader.secrets] == [(0x544C534B, keys)]
    assert [frame.number for frame in frames] == [1]


def test_a_journal_entry_takes_a_frame_number_as_in_wireshark(tmp_path: Path) -> None:
    journal = block(9, b"__REALTIME_TIMESTAMP=1700000000000000\nMESSAGE=hello\n")
    path = tmp_path / "journal.pcapng"
    path.write_bytes(b"".join([section(), interface(), journal, enhanced(bytes(60), MICROSECONDS)]))
    assert [(frame.number, frame.link) for frame in read(path)] == [(1, -1), (2, 1)]
    assert tshark(path, "frame.number", "frame.len", display_filter="eth") == [["2", "60"]]


def test_a_packet_of_an_interface_that_was_never_described_is_told_and_keeps_its_number() -> None:
    frames, reader = read_all(file(section(), interface(), enhanced(b"lost", interface=7), enhanced(b"kept")))
    (problem,) = reader.problems
    assert [(f.number, f.data) for f in frames if f.link >= 0] == [(2, b"kept")]
    assert (problem.code, problem.packet) == ("damaged-packet", 1)
    assert "names interface 7 of 1" in problem.text


def test_a_packet_that_claims_more_bytes_than_its_block_holds_is_told_and_the_rest_is_read() -> None:
    lie = block(6, struct.pack("<5I", 0, 0, 0, 5000, 5000) + b"short")
    frames, reader = read_all(file(section(), interface(), lie, enhanced(b"kept")))
    (problem,) = reader.problems
    assert [(f.number, f.data) for f in frames if f.link >= 0] == [(2, b"kept")]
    assert "5000 captured bytes, which its block does not hold" in problem.text


def test_a_thousand_bad_packets_make_one_problem() -> None:
    assert len(problems(file(section(), interface(), *[enhanced(b"x", interface=9)] * 1000))) == 1


@pytest.mark.parametrize("length", [0, 8, 11, (16 << 20) + 1, 0xFFFFFFFC])
def test_a_block_length_that_cannot_be_ends_the_reading_and_is_told_with_its_place(length: int) -> None:
    before = section() + interface() + enhanced(b"good")
    frames, reader = read_all(io.BytesIO(before + struct.pack("<II", 6, length) + bytes(100)))
    (problem,) = reader.problems
    assert [f.data for f in frames] == [b"good"]
    assert (problem.code, problem.packet) == ("damaged-capture", 2)
    assert f"claims a length of {length} bytes (at byte {len(before)} of the file)" in problem.text


def test_a_section_header_without_its_magic_is_told_with_its_place() -> None:
    before = section() + interface() + enhanced(b"good")
    frames, reader = read_all(io.BytesIO(before + block(0x0A0D0D0A, bytes(16))))
    assert [f.data for f in frames] == [b"good"]
    assert f"no byte-order magic (at byte {len(before)} of the file)" in reader.problems[0].text


def test_a_file_cut_at_any_byte_gives_the_whole_packets_and_says_so() -> None:
    parts = [section(), interface(), enhanced(b"one"), enhanced(b"two!")]
    content = b"".join(parts)
    edges = {sum(map(len, parts[:count])): max(count - 2, 0) for count in range(5)}
    for end in range(28, len(content)):
        frames, reader = read_all(io.BytesIO(content[:end]))
        count = max(n for size, n in edges.items() if size <= end)
        assert [f.data for f in frames] == [b"one", b"two!"][:count]
        if end in edges:
            assert reader.problems == []
        else:
            (problem,) = reader.problems
            assert (problem.code, problem.packet) == ("truncated-capture", count + 1)
            assert f"at byte {end}" in problem.text


@pytest.mark.parametrize("trailer", [0, 1, 2, 3])
def test_a_block_length_that_is_no_multiple_of_four_is_rounded_up(trailer: int) -> None:
    odd = struct.pack("<II", 0xBAD, 13 + trailer) + bytes(5 + trailer)
    padding = bytes(-len(odd) % 4)
    assert [f.data for f in read(file(section(), interface(), odd, padding, enhanced(b"x")))] == [b"x"]
    frames, reader = read_all(file(section(), interface(), enhanced(b"x"), odd, padding))
    assert ([f.data for f in frames], reader.problems) == ([b"x"], [])


def test_a_last_block_whose_padding_is_missing_is_told() -> None:
    frames, reader = read_all(file(section(), interface(), enhanced(b"x"), struct.pack("<II", 0xBAD, 13), bytes(5)))
    assert [f.data for f in frames] == [b"x"]
    assert reader.problems[0].code == "truncated-capture"


def mergecap(path: Path, *sources: Path) -> Path:
    run("mergecap", "-w", path, *sources)
    return path


def test_what_mergecap_joins_has_the_packets_of_all_in_order_of_time(captures: Path, tmp_path: Path) -> None:
    sources = [captures / name for name in ("any-sll.pcap", "any-sll2.pcap", "ipv6.pcap", "nanoseconds.pcap")]
    merged = mergecap(tmp_path / "merged.pcapng", *sources)
    frames, reader = read_all(merged)
    alone = sorted((f.time_ns, f.data, f.link) for source in sources for f in read(source))
    assert [(f.time_ns, f.data, f.link) for f in frames] == alone
    assert sorted(reader.links) == [1, 113, 276]


def test_editcap_writes_secrets_where_we_find_them(captures: Path, tmp_path: Path) -> None:
    keys = captures / "pcapng-with-secrets.keys"
    target = tmp_path / "with.pcapng"
    run("editcap", "--inject-secrets", f"tls,{keys}", captures / "pcapng.pcapng", target)
    assert [secret.data for secret in read_all(target)[1].secrets] == [keys.read_bytes()]
    assert read(target) == read(captures / "pcapng.pcapng")


def _as_pcap(packets: list[bytes]) -> bytes:
    return pcap(packets)


def _as_pcapng(packets: list[bytes]) -> bytes:
    blocks = [enhanced(packet, MICROSECONDS + index) for index, packet in enumerate(packets)]
    return b"".join([section(), interface(), *blocks])


@given(packets=st.lists(st.binary(max_size=70), max_size=12))
@pytest.mark.parametrize("write", [_as_pcap, _as_pcapng])
def test_pcap_and_pcapng_say_the_same(write: Callable[[list[bytes]], bytes], packets: list[bytes]) -> None:
    assert read(io.BytesIO(write(packets))) == [
        (index + 1, packet, len(packet), NOON + index * 1000, 1) for index, packet in enumerate(packets)
    ]


_CLOCKS = st.tuples(
    st.sampled_from([None, 0, 3, 6, 9, 10, 12, 18, 0x80, 0x80 | 20, 0x80 | 34, 0x80 | 40, 0x80 | 63]),
    st.sampled_from([0, 0, 3600, -3600, 1_700_000_000, -(1 << 40), (1 << 63) - 1]),
)
_TICKS = st.one_of(st.just(MICROSECONDS), st.just(NOON), st.integers(0, (1 << 64) - 1), st.integers(0, 1 << 33))
_BLOCKS = st.one_of(
    st.tuples(st.just("packet"), st.integers(0, 3), _TICKS, st.integers(0, 40)),
    st.tuples(st.just("packet"), st.integers(0, 3), _TICKS, st.integers(0, 40)),
    st.tuples(st.just("simple"), st.integers(0, 40)),
    st.tuples(st.just("interface"), _CLOCKS),
    st.tuples(st.just("section"), st.sampled_from("<>")),
    st.tuples(st.just("lie"), st.integers(0, 2), st.integers(0, 100_000)),
    st.tuples(st.just("unknown"), st.integers(0, 30)),
)


def _made(clocks: list[tuple[int | None, int]], blocks: list[tuple[Any, ...]]) -> bytes:
    order = "<"
    made = [section(order), *(interface(resolution=clock, offset=offset) for clock, offset in clocks)]
    for kind, *rest in blocks:
        if kind == "packet":
            index, ticks, size = rest
            made.append(enhanced(bytes([size]) * size, ticks, interface=index, order=order))
        elif kind == "simple":
            made.append(block(3, struct.pack(f"{order}I", rest[0]) + bytes(rest[0]), order))
        elif kind == "interface":
            made.append(interface(resolution=rest[0][0], offset=rest[0][1], order=order))
        elif kind == "section":
            order = rest[0]
            made += [section(order), interface(101, order=order)]
        elif kind == "lie":
            made.append(block(6, struct.pack(f"{order}5I", rest[0], 0, 0, rest[1], 9) + bytes(12), order))
        else:
            made.append(block(0x0BAD, bytes(rest[0]), order))
    return b"".join(made)


def _read_by(content: bytes, cuts: list[int], run: int) -> tuple[list[tuple[int, ...]], list[CaptureProblem], int]:
    """All packets with their first bytes, read window by window; columns from `run` blocks in a row on."""
    parser = PcapngParser()
    data = np.frombuffer(content + bytes(PADDING), dtype=np.uint8)
    found: list[tuple[int, ...]] = []
    position = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pcapng, "_A_RUN", run)
        for cut in [*sorted(cuts), len(content)]:
            if parser.stopped:
                break
            window = np.concatenate([data[:cut], np.full(PADDING, 255, dtype=np.uint8)])
            final = cut == len(content)
            batches, position = parser.parse(window, position, cut, len(found) + 1, position, final)
            for batch in batches:
                columns = (batch.offset, batch.captured, batch.original, batch.time_ns, batch.link)
                rows = list(zip(*(column.tolist() for column in columns), strict=True))
                if batch.heads is not None:
                    for head, row in zip(batch.heads, rows, strict=True):
                        assert head[-PADDING:][: row[1]].tobytes() == content[row[0] : row[0] + row[1]]
                found += rows
    return found, parser.problems, position


@given(
    st.lists(_CLOCKS, min_size=1, max_size=3),
    st.lists(_BLOCKS, max_size=60),
    st.lists(st.floats(0, 1), max_size=3),
    st.sampled_from([0, 2]),
    st.integers(0, 3),
)
def test_blocks_in_columns_say_what_each_one_says(
    clocks: list[tuple[int | None, int]], blocks: list[tuple[Any, ...]], cuts: list[float], run: int, shorter: int
) -> None:
    content = _made(clocks, blocks)
    content = content[: len(content) - shorter]
    places = [int(cut * len(content)) for cut in cuts]
    assert _read_by(content, places, run) == _read_by(content, [], 1 << 30)


def test_blocks_between_short_runs_cost_little() -> None:
    """Whoever makes up a file cannot have the columns made in vain: a run is looked for in as much as the last held."""
    packets = enhanced(b"x", MICROSECONDS) * 17
    content = file(section(), interface(), (packets + interface()) * 2000)
    began = time.process_time()
    assert sum(map(len, CaptureReader([content]).batches())) == 34_000
    assert time.process_time() - began < 2  # it takes a tenth of that; walkers over all of it took 2.5
