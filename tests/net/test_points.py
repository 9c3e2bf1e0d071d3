"""Which of several files are one recording in pieces, and which were taken at different points."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.net.pairs import clocks, pairs
from analyzer.pipeline import analyze
from analyzer.reading import read as read_captures
from analyzer.report.model import Report
from tests.packets import CLIENT, NOON, SECOND, SERVER, Dialogue, Frame, read, tcp, written

BETWEEN = Path(__file__).resolve().parents[2] / "captures" / "between"
CAPTURES = BETWEEN.parent
MTU = [BETWEEN / "mtu" / "client.pcap", BETWEEN / "mtu" / "server.pcap"]


def files_of(*sources: object) -> list[int]:
    """How many files each point has."""
    reading = read_captures(list(sources))  # type: ignore[arg-type]
    return [len(point.files) for point in reading.points]


@cache
def whole(name: str) -> tuple[Report, list[Frame]]:
    path = CAPTURES / f"{name}.pcap"
    return analyze(path), read(path)


@given(
    name=st.sampled_from(["playbook", "thirty-times", "between/mtu/server", "between/reset-of-the-certificate/client"]),
    cuts=st.lists(st.floats(0.01, 0.99), min_size=1, max_size=4),
)
@settings(max_examples=40, deadline=None)
def test_wherever_a_ring_buffer_begins_a_new_file_the_report_is_that_of_the_whole(name: str, cuts: list[float]) -> None:
    report, frames = whole(name)
    places = sorted({0, len(frames), *(max(round(cut * len(frames)), 1) for cut in cuts)})
    found = analyze([written(frames[a:b]) for a, b in pairwise(places)])
    assert found.connections == report.connections
    assert found.findings == report.findings
    assert found.capture.points == ()


SLOW_WIRES = {
    "ring-tcpdump": [CAPTURES / "incomplete" / "ring-tcpdump" / f"ring-{number}.pcap" for number in range(11)],
    "sent-again": [CAPTURES / "incomplete" / "sent-again.pcap"],
}


@pytest.mark.parametrize("name", SLOW_WIRES)
def test_what_is_sent_again_over_a_slow_wire_into_the_next_file_is_no_other_point(name: str) -> None:
    frames = [frame for path in SLOW_WIRES[name] for frame in read(path)]
    report = analyze(written(frames))
    for first in range(1, len(frames)):
        for second in range(first + 1, len(frames) + 1):
            places = sorted({0, first, second, len(frames)})
            found = analyze([written(frames[a:b]) for a, b in pairwise(places)])
            assert (found.connections, found.capture.points) == (report.connections, ()), places


@pytest.mark.parametrize(
    "case", ["routed", "nat", "mtu", "reset-of-the-hello", "reset-of-the-certificate", "haproxy-503"]
)
def test_files_that_show_the_same_time_at_different_points_are_kept_apart(case: str) -> None:
    files = sorted((BETWEEN / case).glob("*.pcap"))
    assert files_of(*files) == [1] * len(files)


@pytest.mark.parametrize("order", [1, -1])
def test_two_ring_buffers_of_two_points_are_two_recordings(order: int, tmp_path: Path) -> None:
    pieces = []
    for path in MTU:
        frames = read(path)
        for number, part in enumerate((frames[:5], frames[5:])):
            pieces.append(tmp_path / f"{path.stem}{number}.pcap")
            pieces[-1].write_bytes(written(part).getvalue())
    report = analyze(pieces[::order])
    assert [len(point.files) for point in report.capture.points] == [2, 2]
    assert {connection.cause.code for connection in report.connections if connection.cause} == {"path-mtu-blackhole"}


def test_a_clock_that_is_off_by_more_than_the_recording_lasts_makes_no_sequel_of_another_point() -> None:
    client, server = (read(path) for path in MTU)
    report = analyze([written(client), written(server, ahead_ns=3600 * SECOND)])
    first, second = report.capture.points
    assert (first.clock_offset_seconds, second.clock_connections) == (0, 1)
    assert second.clock_offset_seconds == pytest.approx(3600, abs=0.001)


def test_a_tap_that_writes_each_direction_to_a_file_of_its_own_is_one_point() -> None:
    frames = read(CAPTURES / "playbook.pcap")
    client = frames[0].data[26:30]
    to_server = [frame for frame in frames if frame.data[26:30] == client]
    to_client = [frame for frame in frames if frame.data[26:30] != client]
    report = analyze([written(to_server), written(to_client)])
    (connection,) = report.connections
    assert report.capture.points == ()
    assert connection.tls is not None
    assert (len(connection.server_chain), connection.tls.sni) == (3, "api.backend.example")


def test_captures_of_other_connections_at_the_same_time_have_frame_numbers_of_their_own() -> None:
    other = ("10.9.9.9", 50_000)
    made = [
        [*Dialogue(client=client).open().frames, tcp(client, SERVER, b"x" * 50, seq=1001, ack=9001)]
        for client in (CLIENT, other)
    ]
    sources = [written([Frame(0, f, len(f), NOON + n * SECOND, 1) for n, f in enumerate(frames)]) for frames in made]
    reading = read_captures(sources)
    assert [point.flows.table.rows["first_packet"].tolist() for point in reading.points] == [[1], [1]]


def test_a_syn_that_is_sent_again_into_the_next_file_is_no_other_point() -> None:
    syn = tcp(CLIENT, SERVER, seq=1000, flags=2)
    again = tcp(CLIENT, SERVER, seq=1000, flags=2)
    at = [Frame(0, syn, len(syn), NOON, 1), Frame(0, again, len(again), NOON + SECOND, 1)]
    assert files_of(written(at[:1]), written(at[1:])) == [2]


def test_the_clocks_differ_by_what_both_ways_tell_together() -> None:
    reading = read_captures([BETWEEN / "nat" / f"{name}.pcap" for name in ("client", "box", "server")])
    found = clocks(reading.points, pairs(reading.points))
    assert [clock is not None and round(clock.ahead_ns / SECOND, 2) for clock in found] == [0, 0, 7.25]


@given(ahead=st.integers(-(10**14), 10**14))
@settings(max_examples=25, deadline=None)
def test_whatever_a_clock_says_the_same_connection_is_found_and_the_clock_measured(ahead: int) -> None:
    client, server = (read(path) for path in MTU)
    reading = read_captures([written(client), written(server, ahead_ns=ahead)])
    assert len(reading.points) == 2
    first, second = clocks(reading.points, pairs(reading.points))
    assert first is not None
    assert second is not None
    by_files = abs(second.ahead_ns) // 1000 - abs(ahead) // 1000
    assert abs(by_files) < 1000  # microseconds: the way from one to the other, and what the two clocks differ by


def test_many_connections_with_the_same_sequence_numbers_are_no_pairs() -> None:
    frames = [
        frame
        for port in range(40_000, 40_050)
        for frame in Dialogue(client=(f"10.1.0.{port % 50}", port)).open().frames
    ]
    reading = read_captures([written([Frame(0, f, len(f), NOON + n, 1) for n, f in enumerate(frames)])])
    assert pairs(reading.points) == []


def test_a_report_of_one_file_has_no_points_and_says_nothing_of_them() -> None:
    report = analyze(MTU[0])
    (connection,) = report.connections
    assert (report.capture.points, connection.file, connection.stream, connection.legs) == ((), None, None, ())
    assert replace(connection, counted_as=None) == connection
