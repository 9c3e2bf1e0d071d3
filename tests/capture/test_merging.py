"""Files recorded side by side are read in order of time, those of a ring buffer one after the other."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.capture import source
from tests.packets import NOON, PCAP_MAGIC, SECOND, pcap, pcap_record, read, read_all


def dated(times: Sequence[int]) -> io.BytesIO:
    """A capture with a packet at each time, in nanoseconds from noon on; the packet says which."""
    head = pcap([], kind="ns")
    assert head[:4] == PCAP_MAGIC["ns"].to_bytes(4, "little")
    return io.BytesIO(head + b"".join(pcap_record(f"{time}".encode(), NOON + time, tick=1) for time in times))


def files(folder: Path, *times: Sequence[int]) -> list[Path]:
    found = []
    for number, own in enumerate(times):
        path = folder / f"{number}.pcap"
        path.write_bytes(dated(own).getvalue())
        found.append(path)
    return found


def told(paths: Sequence[Path]) -> list[int]:
    frames = read(*paths, together=True)
    assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
    return [int(frame.data) for frame in frames]


@given(
    times=st.lists(st.integers(0, 50 * SECOND), min_size=4, max_size=60, unique=True),
    owner=st.randoms(use_true_random=False),
    chunk=st.sampled_from([1 << 8, 1 << 20]),
)
@settings(max_examples=60)
def test_packets_of_files_that_were_recorded_side_by_side_come_in_order_of_time(
    times: list[int], owner: object, chunk: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    times = sorted(times)
    first, last = times[0], times[-1]
    shares: list[list[int]] = [[first, last], [times[1]]]
    for time in times[2:-1]:
        shares[owner.randrange(2)].append(time)  # type: ignore[attr-defined]
    paths = files(tmp_path_factory.mktemp("side"), *map(sorted, shares))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source, "_CHUNK", chunk)
        got = told(paths)
    beside = times[1] < first + (last - first) // 2 or last - times[1] > SECOND
    assert sorted(got) == times
    if beside and chunk > 1 << 10:
        assert got == times


def test_files_of_a_ring_buffer_are_not_mixed_though_packets_are_out_of_order_at_their_ends(tmp_path: Path) -> None:
    one, other = [0, SECOND, SECOND + 900], [SECOND + 500, 2 * SECOND]
    assert told(files(tmp_path, other, one)) == [*one, *other]


def test_what_is_out_of_order_within_a_file_stays_so(tmp_path: Path) -> None:
    one, other = [0, 10 * SECOND, 4 * SECOND, 20 * SECOND], [5 * SECOND, 15 * SECOND]
    assert told(files(tmp_path, one, other)) == [
        0, 5 * SECOND, 10 * SECOND, 4 * SECOND, 15 * SECOND, 20 * SECOND,
    ]  # fmt: skip


def test_a_file_that_breaks_off_beside_another_costs_only_its_rest(tmp_path: Path) -> None:
    one, other = files(tmp_path, [0, 2 * SECOND, 4 * SECOND], [SECOND, 3 * SECOND])
    other.write_bytes(other.read_bytes()[:-3])
    frames, reader = read_all(one, other, together=True)
    assert [int(frame.data) for frame in frames] == [0, SECOND, 2 * SECOND, 4 * SECOND]
    (problem,) = reader.problems
    assert (problem.code, problem.packet) == ("truncated-capture", None)
    assert "in the middle of packet 2" in problem.text
