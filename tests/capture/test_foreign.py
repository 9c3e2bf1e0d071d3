"""Formats that only Wireshark reads: each gives what the same packets in pcap give, or a word on what to do."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path
from shutil import which

import pytest

import analyzer
from analyzer.capture import CaptureReader
from analyzer.errors import InputError
from tests.packets import run

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
PLAYBOOK = CAPTURES / "playbook.pcap"
WRITTEN_BY_EDITCAP = (
    "5views",
    "commview-ncf",
    "k12text",
    "lanalyzer",
    "netmon1",
    "netmon2",
    "nettl",
    "ngsniffer",
    "ngwsniffer_1_1",
    "ngwsniffer_2_0",
    "nokiapcap",
    "rh6_1pcap",
    "snoop",
    "suse6_3pcap",
    "visual",
)
"""All formats that editcap 4.0 writes of Ethernet and reads again, but pcap and pcapng."""


@pytest.fixture(scope="module", autouse=True)
def editcap() -> None:
    """Skip where Wireshark's programs are not installed."""
    if which("editcap") is None or which("captype") is None:
        pytest.skip("editcap is not installed")


def written(form: str, path: Path) -> Path:
    run("editcap", "-F", form, PLAYBOOK, path)
    return path


def erf() -> bytes:
    """The playbook's packets as records of an Endace card, which have no magic number."""
    data, position, records = PLAYBOOK.read_bytes(), 24, b""
    while position < len(data):
        seconds, micros, size, length = struct.unpack_from("<IIII", data, position)
        packet = data[position + 16 : position + 16 + size]
        position += 16 + size
        stamp = struct.pack("<Q", seconds << 32 | (micros << 32) // 1_000_000)
        records += stamp + struct.pack(">BBHHHH", 2, 4, 18 + size, 0, length, 0) + packet
    return records


def told(source: Path | io.BytesIO) -> tuple[str, int, int | None, str]:
    """The format, the packets, and how the only connection ended."""
    report = analyzer.analyze(source, truststore=str(CAPTURES / "stores/without-root"))
    (connection,) = report.connections
    assert report.capture.problems == ()
    assert connection.cause is not None
    return report.capture.format, report.capture.packets, connection.abort_packet, connection.cause.code


@pytest.mark.parametrize("form", WRITTEN_BY_EDITCAP)
def test_every_format_that_editcap_writes_is_read(form: str, tmp_path: Path) -> None:
    path = written(form, tmp_path / "capture")
    assert told(path) == (f"{form} (converted by editcap)", 13, 12, "missing-root")


def test_erf_is_recognised_without_a_magic_number(tmp_path: Path) -> None:
    path = tmp_path / "capture.erf"
    path.write_bytes(erf())
    assert told(path) == ("erf (converted by editcap)", 13, 12, "missing-root")


COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress}


@pytest.mark.parametrize("name", COMPRESSIONS)
def test_a_compressed_one_is_read_too(name: str, tmp_path: Path) -> None:
    path = tmp_path / "capture"
    path.write_bytes(COMPRESSIONS[name](written("netmon2", tmp_path / "plain").read_bytes()))
    assert told(path)[0] == f"netmon2 ({name}, converted by editcap)"


def test_a_stream_is_kept_in_a_temporary_file(tmp_path: Path) -> None:
    stream = io.BytesIO(written("snoop", tmp_path / "capture").read_bytes())
    assert told(stream) == ("snoop (converted by editcap)", 13, 12, "missing-root")


def test_what_is_cut_short_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = written("snoop", tmp_path / "capture")
    path.write_bytes(path.read_bytes()[:-40])
    report = analyzer.analyze(path)
    assert report.capture.packets == 12
    assert [problem.code for problem in report.capture.problems] == ["converted-in-part"]


def test_a_directory_holds_these_too(tmp_path: Path) -> None:
    written("snoop", tmp_path / "capture")
    (tmp_path / "notes.txt").write_text("nothing")
    assert told(tmp_path)[0] == "snoop (converted by editcap)"


def test_a_damaged_pcap_file_is_no_other_format(tmp_path: Path) -> None:
    path = tmp_path / "damaged.pcap"
    data = bytearray(PLAYBOOK.read_bytes())
    data[24 + 16 + 74 + 8 : 24 + 16 + 74 + 12] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    reader = CaptureReader([path])
    assert sum(len(batch) for batch in reader.batches()) == 1
    assert (reader.formats, reader.problems[0].code) == (["pcap"], "damaged-capture")


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("snoop", "a Solaris snoop capture"),
        ("netmon1", "a Microsoft Network Monitor 1 capture"),
        ("netmon2", "a Microsoft Network Monitor 2 capture"),
        ("ngsniffer", "a Sniffer capture"),
        ("ngwsniffer_2_0", "a NetXRay or Windows Sniffer capture"),
        ("5views", "a 5View capture"),
        ("lanalyzer", "a Novell LANalyzer capture"),
        ("visual", "a Visual Networks capture"),
        ("nettl", "an HP-UX nettl trace"),
        ("k12text", "a text file"),
        ("commview-ncf", "neither pcap nor pcapng"),
    ],
)
def test_without_editcap_it_is_named_and_how_to_convert_is_said(
    form: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(form, tmp_path / "capture")
    monkeypatch.setenv("PATH", "")
    for source in (path, io.BytesIO(path.read_bytes())):
        with pytest.raises(InputError, match=rf"{name}.*editcap -F pcapng IN OUT.*--dissector wireshark"):
            analyzer.analyze(source)


def test_without_editcap_erf_is_guessed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "capture.erf"
    path.write_bytes(erf())
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"may be an Endace ERF capture.*editcap -F pcapng"):
        analyzer.analyze(path)


def test_what_editcap_cannot_convert_is_told_in_its_words(tmp_path: Path) -> None:
    path = written("snoop", tmp_path / "capture")
    path.write_bytes(path.read_bytes()[:30])
    with pytest.raises(InputError, match=r"Solaris snoop"):
        analyzer.analyze(path)


def test_a_file_that_nobody_knows_costs_no_conversion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "noise"
    path.write_bytes(bytes(range(256)) * 4)
    ran: list[str] = []
    original = subprocess.run

    def counted(words: list[str], **options: object) -> object:
        ran.append(Path(words[0]).name)
        return original(words, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", counted)
    with pytest.raises(InputError, match="neither pcap nor pcapng"):
        analyzer.analyze(path)
    assert ran == ["captype"]
