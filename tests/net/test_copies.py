"""Packets that were captured twice count once; what was sent twice stays a retransmission."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.net.flows import Flows
from analyzer.pipeline import analyze
from tests.packets import (
    ACK,
    CLIENT,
    NOON,
    RST,
    SERVER,
    Dialogue,
    Kept,
    flows_of,
    flows_of_file,
    kept,
    pcap_record,
    tcp,
)

BETWEEN = Path(__file__).resolve().parents[2] / "captures" / "between"
CLIENT6, SERVER6 = ("2001:db8::1", 40000), ("2001:db8::2", 443)


def file_of(frames: list[tuple[int, bytes]]) -> bytes:
    """A capture of frames at so many microseconds."""
    header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 262144, 1)
    return header + b"".join(pcap_record(frame, NOON + at * 1000) for at, frame in frames)


def packets_of(flows: Flows) -> list[int]:
    counted: list[int] = flows.table.rows["packets"].sum(axis=1).tolist()
    return counted


@pytest.mark.parametrize(
    ("name", "copies"), [("bridged/box", 11), ("mirrored/mirror", 12), ("routed/box", 12), ("nat/box", 0)]
)
def test_a_box_that_sees_each_packet_twice_reports_what_one_that_sees_it_once_does(name: str, copies: int) -> None:
    report = analyze(BETWEEN / f"{name}.pcap")
    assert report.capture.duplicate_packets == copies
    connection = report.connections[0]
    assert not [entry for entry in connection.timeline if "retransmission" in entry.what]
    assert (connection.outcome, connection.abort_act, connection.aborted_by) == ("failed", "alert", "client")


def test_a_capture_at_one_place_has_no_copies() -> None:
    assert analyze(BETWEEN / "routed" / "client.pcap").capture.duplicate_packets == 0


def test_a_copy_behind_a_router_has_another_time_to_live_and_is_one_still() -> None:
    first = tcp(CLIENT, SERVER, b"hello", seq=1001, ack=9001, ip_id=7)
    routed = tcp(CLIENT, SERVER, b"hello", seq=1001, ack=9001, ip_id=7, ttl=63)
    flows = flows_of([*Dialogue().open().frames, first, routed])
    assert flows.copies.count == 1
    assert [stream.retransmitted for stream in flows.streams.values()] == [0]


def test_the_same_bytes_with_another_identification_were_sent_again() -> None:
    frames = [tcp(CLIENT, SERVER, b"hello", seq=1001, ack=9001, ip_id=number) for number in (7, 8)]
    flows = flows_of([*Dialogue().open().frames, *frames])
    assert flows.copies.count == 0
    assert [stream.retransmitted for stream in flows.streams.values()] == [1]


def test_what_is_alike_but_comes_after_a_retransmission_timer_was_sent_again() -> None:
    frame = tcp(CLIENT, SERVER, b"hello", seq=1001, ack=9001, ip_id=7)
    flows = flows_of_file(file_of([(0, frame), (200_000, frame)]))
    assert (flows.copies.count, packets_of(flows)) == (0, [2])


@pytest.mark.parametrize(("apart", "copies"), [(2_000, 1), (10_000, 0)])
def test_without_an_identification_only_what_comes_at_once_is_a_copy(apart: int, copies: int) -> None:
    frame = tcp(CLIENT6, SERVER6, b"hello", seq=1001, ack=9001)
    assert flows_of_file(file_of([(0, frame), (apart, frame)])).copies.count == copies


def test_a_host_that_resets_each_late_segment_sends_resets_that_are_alike_and_no_copies() -> None:
    resets = [tcp(SERVER, CLIENT, seq=9001, flags=RST, ip_id=0)] * 3
    assert flows_of([*Dialogue().open().frames, *resets]).copies.count == 0


def test_the_resets_of_a_connection_that_is_seen_twice_are_seen_twice_too() -> None:
    frames = [*Dialogue().open().frames, tcp(SERVER, CLIENT, seq=9001, flags=RST, ip_id=0)]
    flows = flows_of([frame for frame in frames for _ in range(2)])
    assert (flows.copies.count, packets_of(flows)) == (len(frames), [len(frames)])


def test_acknowledgements_of_out_of_order_segments_are_alike_and_no_copies() -> None:
    again = [tcp(SERVER, CLIENT, seq=9001, ack=1001, flags=ACK) for _ in range(3)]
    assert flows_of([*Dialogue().open().frames, *again]).copies.count == 0


DATA = bytes(range(256)) * 4


@given(
    cuts=st.lists(st.integers(1, len(DATA) - 1), max_size=8, unique=True),
    twice=st.lists(st.booleans(), min_size=12, max_size=12),
    late=st.integers(0, 3),
    batch=st.sampled_from([1, 2, 3, 7, None]),
)
@settings(max_examples=60)
def test_wherever_a_batch_ends_copies_are_found_and_leave_bytes_and_counts_as_they_were(
    cuts: list[int], twice: list[bool], late: int, batch: int | None
) -> None:
    places = [0, *sorted(cuts), len(DATA)]
    once = Dialogue().open().frames
    once += [tcp(CLIENT, SERVER, DATA[a:b], seq=1001 + a, ack=9001) for a, b in pairwise(places)]
    order = sorted(
        [(number, 0, frame) for number, frame in enumerate(once)]
        + [(number + late, 1, frame) for number, frame in enumerate(once) if twice[number % 12]],
        key=lambda item: item[:2],
    )
    frames = [frame for _, _, frame in order]
    flows, plain = flows_of(frames, batch=batch), flows_of(once)
    assert flows.copies.count == len(frames) - len(once)
    assert packets_of(flows) == packets_of(plain)
    assert [stream.retransmitted for stream in flows.streams.values()] == [0]
    assert bytes(kept(flows, 0, CLIENT).data) == DATA
    assert isinstance(next(iter(flows.streams.values())).consumer, Kept)
