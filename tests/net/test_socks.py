"""Numbers that Wireshark gives to what a SOCKS proxy is asked for: no connection of the capture has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.pipeline import analyze
from tests.net.test_flows import check_numbers, syn
from tests.packets import Dialogue, Frame, read, tcp, tshark, written

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
CLIENT, PROXY = ("10.0.0.7", 40_700), ("10.0.0.8", 1080)
NAME = b"\x05\x01\x00\x03\x0bbackend.acm\x01\xbb"
GRANTED = b"\x05\x00\x00\x01\x0a\0\0\x08\x04\x38"
TALKS: dict[str, list[tuple[str, bytes]]] = {
    "SOCKS 5 by name": [("c", b"\x05\x01\x00"), ("s", b"\x05\x00"), ("c", NAME), ("s", GRANTED)],
    "SOCKS 5 by IPv4 address": [
        ("c", b"\x05\x02\x00\x02"), ("s", b"\x05\x00"), ("c", b"\x05\x01\x00\x01\x0a\0\0\x09\x01\xbb"), ("s", GRANTED),
    ],
    "SOCKS 5 by IPv6 address": [
        ("c", b"\x05\x01\x00"), ("s", b"\x05\x00"), ("c", b"\x05\x01\x00\x04" + bytes(16) + b"\x01\xbb"),
        ("s", GRANTED),
    ],
    "SOCKS 5 with a login": [
        ("c", b"\x05\x01\x02"), ("s", b"\x05\x02"), ("c", b"\x01\x02me\x02pw"), ("s", b"\x01\x00"), ("c", NAME),
        ("s", GRANTED),
    ],
    "SOCKS 4": [("c", b"\x04\x01\x01\xbb\x0a\0\0\x09me\0"), ("s", b"\0\x5a\x01\xbb\x0a\0\0\x09")],
    "SOCKS 4a": [("c", b"\x04\x01\x01\xbb\0\0\0\x01me\0backend.acme\0"), ("s", b"\0\x5a\x01\xbb\0\0\0\x01")],
    "no authentication that suits": [("c", b"\x05\x01\x00"), ("s", b"\x05\xff")],
    "no SOCKS at all": [("c", b"GET / HTTP/1.1\r\n\r\n"), ("s", b"HTTP/1.1 200 OK\r\n\r\n")],
    "begun in the middle": [("s", b"\x17\x03\x03\0\x10" + bytes(16)), ("c", b"\x17\x03\x03\0\x10" + bytes(16))],
}  # fmt: skip
DATA = [("c", b"\x16\x03\x01\x00\x05hello"), ("s", b"\x16\x03\x03\x00\x05world"), ("c", b"more")]


def through(talk: list[tuple[str, bytes]], client: tuple[str, int] = CLIENT) -> list[bytes]:
    dialogue = Dialogue(client, PROXY).open()
    for who, payload in [*talk, *DATA]:
        (dialogue.client if who == "c" else dialogue.server)(payload)
    return dialogue.frames


def among_others(frames: list[bytes], first_port: int = 50_000) -> list[bytes]:
    """A connection begins behind each packet: its number tells what was counted by then."""
    return [each for n, frame in enumerate(frames) for each in (frame, syn(1, ("10.0.0.1", first_port + n)))]


@pytest.mark.parametrize("talk", TALKS)
def test_connections_behind_a_tunnel_are_numbered_as_wireshark_numbers_them(talk: str, tmp_path: Path) -> None:
    check_numbers(among_others(through(TALKS[talk])), tmp_path / "socks.pcap", 1, 3)


def test_of_a_request_that_is_sent_again_the_first_counts(tmp_path: Path) -> None:
    frames = through(TALKS["SOCKS 5 by name"])
    again = [each for frame in frames for each in (frame, frame)]
    check_numbers(among_others(again), tmp_path / "again.pcap", 1, 4)


def test_several_tunnels_take_a_number_each_and_a_port_that_is_used_again_takes_none(tmp_path: Path) -> None:
    talk = TALKS["SOCKS 5 by name"]
    frames = [*through(talk), *through(talk, (CLIENT[0], 40_701))]
    later = Dialogue(CLIENT, PROXY, client_seq=700_000, server_seq=900_000).open()
    for who, payload in [*talk, *DATA]:
        (later.client if who == "c" else later.server)(payload)
    check_numbers(among_others([*frames, *later.frames]), tmp_path / "several.pcap", 1, 5)


def test_the_report_names_the_number_that_finds_the_connection_in_wireshark(tmp_path: Path) -> None:
    proxied, failed = read(CAPTURES / "socks-missing-root.pcap"), read(CAPTURES / "playbook.pcap")
    shift = proxied[-1].time_ns + 1_000_000 - failed[0].time_ns
    frames = [*proxied, *(Frame(0, f.data, f.original, f.time_ns + shift, f.link) for f in failed)]
    path = tmp_path / "both.pcap"
    path.write_bytes(written(frames).getvalue())
    report = analyze(path, all=True)
    assert [connection.id for connection in report.connections] == [0, 2]
    assert {int(stream) for (stream,) in tshark(path, "tcp.stream")} == {0, 2}


def test_a_segment_of_another_port_is_not_looked_at(tmp_path: Path) -> None:
    dialogue = Dialogue(CLIENT, ("10.0.0.8", 1081)).open()
    for who, payload in [*TALKS["SOCKS 5 by name"], *DATA]:
        (dialogue.client if who == "c" else dialogue.server)(payload)
    frames = [*dialogue.frames, tcp(CLIENT, ("10.0.0.9", 443), seq=1, flags=2)]
    check_numbers(frames, tmp_path / "other.pcap", 1)
