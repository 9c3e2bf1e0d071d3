"""Records found by many walkers at once are those that a plain loop finds, whatever the bytes are."""

from __future__ import annotations

from struct import pack_into, unpack_from
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.capture import chain
from analyzer.capture.batch import PADDING
from analyzer.capture.chain import RecordShape, consecutive

PCAP = RecordShape(order="<", length_at=8, overhead=16, shortest=0, longest=400, mark_at=2, mark=b"\x12\x69")
BLOCKS = RecordShape(
    order=">",
    length_at=4,
    overhead=0,
    shortest=32,
    longest=400,
    mark_at=0,
    mark=b"\0\0\0\6",
    mark_decides=True,
    multiple=4,
)
SHAPES = pytest.mark.parametrize("shape", [PCAP, BLOCKS], ids=["pcap", "pcapng"])
FILLS = (b"\0", b"\x12\x69", b"\0\0\0\6\0\0\0\x28", b"\xff", b"payload")


def one_by_one(data: bytes, end: int, shape: RecordShape) -> tuple[list[int], int]:
    found, position = [], 0
    while position + max(shape.length_at + 4, shape.mark_at + len(shape.mark)) <= end:
        (length,) = unpack_from(f"{shape.order}I", data, position + shape.length_at)
        following = position + shape.overhead + length + -length % shape.multiple
        marked = data[position + shape.mark_at :].startswith(shape.mark)
        if not shape.shortest <= length <= shape.longest or following > end or (shape.mark_decides and not marked):
            break
        found.append(position)
        position = following
    return found, position


def record(shape: RecordShape, size: int, fill: bytes) -> bytes:
    """A record with `size` bytes of content, which may look like records themselves."""
    head = 16 if shape is PCAP else 32
    length = size if shape is PCAP else head + size
    body = bytearray(head) + (fill * size)[:size]
    pack_into(f"{shape.order}I", body, shape.length_at, length)
    body[shape.mark_at : shape.mark_at + len(shape.mark)] = shape.mark
    return bytes(body) + bytes(-len(body) % shape.multiple)


SIZES = st.lists(st.tuples(st.integers(0, 300), st.sampled_from(FILLS)), min_size=1, max_size=120)
DAMAGE = st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=6)), max_size=3)


@SHAPES
@given(sizes=SIZES, damage=DAMAGE, cut=st.integers(0, 40), apart=st.sampled_from([128, 512, 8192]))
def test_any_records_with_any_damage_are_found_as_a_plain_loop_finds_them(
    shape: RecordShape, sizes: list[tuple[int, bytes]], damage: list[tuple[float, bytes]], cut: int, apart: int
) -> None:
    data = bytearray(b"".join(record(shape, size, fill) for size, fill in sizes))
    for place, wrong in damage:
        at = int(place * (len(data) - 1))
        data[at : at + len(wrong)] = wrong[: len(data) - at]
    end = max(len(data) - cut, 0)
    bytes_ = np.frombuffer(bytes(data) + bytes(PADDING), dtype=np.uint8)

    with patch.object(chain, "_APART", apart), patch.object(chain, "_SEARCHED", apart // 2):
        found, position = consecutive(bytes_, 0, end, shape)

    assert (found.tolist(), position) == one_by_one(bytes(data), end, shape)


@SHAPES
def test_where_the_first_thing_is_no_record_nothing_is_found_whatever_follows(shape: RecordShape) -> None:
    data = b"\xff" * 40 + record(shape, 100, b"x") * 2000

    found, position = consecutive(np.frombuffer(data + bytes(PADDING), dtype=np.uint8), 0, len(data), shape)

    assert (found.tolist(), position) == ([], 0)


@SHAPES
def test_content_full_of_what_looks_like_records_misleads_no_walker(shape: RecordShape) -> None:
    inner = record(shape, 8, b"x") * 5
    data = b"".join(record(shape, len(inner) + extra % 7, inner) for extra in range(2000))
    bytes_ = np.frombuffer(data + bytes(PADDING), dtype=np.uint8)

    found, position = consecutive(bytes_, 0, len(data), shape)

    assert (found.tolist(), position) == one_by_one(data, len(data), shape)
    assert position == len(data)
