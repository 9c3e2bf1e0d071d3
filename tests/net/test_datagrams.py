"""TLS over UDP is recognised by its first packets and told; it is not read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

import analyzer
from analyzer.cli import main
from analyzer.net.decode import SegmentDecoder
from tests.packets import decode, tshark

FOLDER = Path(__file__).resolve().parents[2] / "captures" / "datagrams"
RECORDED = json.loads((FOLDER / "manifest.json").read_text())
FILTERS = {"quic": "quic.header_form == 1", "dtls": "dtls.handshake.type || dtls.alert_message"}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_handshake_is_named_with_its_ends(name: str) -> None:
    report = analyzer.analyze(FOLDER / f"{name}.pcap")
    (problem,) = report.capture.problems
    packets = len(tshark(FOLDER / f"{name}.pcap", "frame.number", display_filter=FILTERS[name]))
    assert (problem.code, problem.severity, report.connections) == ("tls-over-udp", "note", ())
    assert problem.text.startswith(
        f"of the packets {packets} are {RECORDED[name]['named']} between 10.77.0.1 and 10.77."
    )
    assert ("HTTP/3" in problem.text) == (name == "quic")


def test_the_first_sentence_says_what_there_is_instead_of_tls(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FOLDER / "quic.pcap")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    told = (
        "There is no TLS connection in this capture of 9 packets; of these 9 are QUIC between 10.77.0.1 and 10.77.0.2."
    )
    assert said.startswith(told)


def counted(payload: bytes, *, times: int = 1) -> dict[str, int]:
    decoder = SegmentDecoder()
    packet = bytes(Ether() / IP(src="192.0.2.1", dst="192.0.2.2") / UDP(sport=40001, dport=443) / payload)
    decode([packet] * times, decoder=decoder)
    assert decoder.datagrams is not None
    return decoder.datagrams.seen.packets


LONG = bytes([0xC3])
IDS = bytes([8]) + b"01234567" + bytes([0]) + bytes(40)
RECORD = bytes.fromhex("16fefd0000 000000000000 0020") + bytes([1]) + bytes(31)


@pytest.mark.parametrize(
    ("version", "what"),
    [("00000001", "1"), ("6b3343cf", "2"), ("ff00001d", "draft 29"), ("faceb002", "mvfst"), ("51303530", "Q050")],
)
def test_the_versions_of_quic_are_known(version: str, what: str) -> None:
    assert counted(LONG + bytes.fromhex(version) + IDS, times=3) == {"QUIC": 3}, what


def test_google_quic_before_it_had_long_headers_is_known() -> None:
    assert counted(bytes([0x09]) + b"01234567" + b"Q039" + bytes(40)) == {"QUIC": 1}


@pytest.mark.parametrize("version", ["feff", "fefd", "0100"])
def test_the_versions_of_dtls_are_known(version: str) -> None:
    assert counted(RECORD[:1] + bytes.fromhex(version) + RECORD[3:]) == {"DTLS": 1}
    assert counted(bytes([21]) + bytes.fromhex(version) + bytes(8) + bytes.fromhex("0002 0230 00")) == {"DTLS": 1}


@pytest.mark.parametrize(
    "payload",
    [
        LONG + bytes.fromhex("00000000") + IDS,
        LONG + bytes.fromhex("00000001") + bytes([21]) + bytes(40),
        bytes([0x43]) + bytes.fromhex("00000001") + IDS,
        (LONG + bytes.fromhex("00000001") + IDS)[:13],
        RECORD[:3] + b"\x00\x01" + RECORD[5:],
        RECORD[:-1],
        RECORD[:13] + bytes([25]) + RECORD[14:],
        bytes.fromhex("17fefd0000 000000000000 0020") + bytes(32),
        b"",
    ],
    ids=[
        "no version",
        "long id",
        "no long header",
        "cut",
        "epoch 1",
        "too long",
        "no message",
        "data",
        "none",
    ],
)
def test_other_datagrams_are_neither(payload: bytes) -> None:
    assert counted(payload) == {}
