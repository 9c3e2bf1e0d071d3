"""Wireshark's reading beside ours: the same report, differences by field and frame, formats that it alone reads."""

from __future__ import annotations

import io
import json
import subprocess
from dataclasses import replace
from pathlib import Path
from shutil import which

import pytest

import analyzer
from analyzer.cli import main
from analyzer.errors import InputError
from analyzer.report.redact import redact
from analyzer.wireshark.fields import Field, differences
from analyzer.wireshark.model import Difference, Dissector
from analyzer.wireshark.packets import occurrences

CAPTURES = Path(__file__).resolve().parents[2] / "captures"
PLAYBOOK = CAPTURES / "playbook.pcap"
WITHOUT_ROOT = str(CAPTURES / "stores" / "without-root")


@pytest.fixture
def tshark() -> None:
    """Skip where Wireshark's command line, or pyshark, is not installed."""
    pytest.importorskip("pyshark")
    if which("tshark") is None:
        pytest.skip("tshark is not installed")


@pytest.fixture
def snoop(tmp_path: Path) -> Path:
    """The playbook's capture in the format of Solaris."""
    if which("editcap") is None:
        pytest.skip("editcap is not installed")
    path = tmp_path / "playbook.snoop"
    subprocess.run(["editcap", "-F", "snoop", str(PLAYBOOK), str(path)], check=True, capture_output=True)
    return path


def test_readings_that_agree_have_no_difference() -> None:
    fields = (Field("SNI", 4, "a.example"), Field("certificate", 6, "aa"), Field("certificate", 6, "bb"))
    assert differences(0, fields, fields) == ()


def test_a_difference_names_field_frame_and_both_values() -> None:
    native = (Field("SNI", 4, "a.example"), Field("alert", 9, "unknown_ca, level 2"))
    other = (Field("SNI", 4, "b.example"),)
    assert differences(3, native, other) == (
        Difference(connection=3, field="SNI", packet=4, native="a.example", wireshark="b.example"),
        Difference(connection=3, field="alert", packet=9, native="unknown_ca, level 2", wireshark=None),
    )


def test_a_message_seen_in_another_frame_is_two_differences() -> None:
    found = differences(0, (Field("certificate", 6, "aa"),), (Field("certificate", 8, "aa"),))
    assert [(one.packet, one.native, one.wireshark) for one in found] == [(6, "aa", None), (8, None, "aa")]


def test_a_field_is_found_wherever_it_stands() -> None:
    tree = {"a": {"b": "1", "c": [{"b": ["2", "3"]}, {"d": "4"}]}, "b": "5"}
    assert list(occurrences(tree, "b")) == ["1", "2", "3", "5"]


def test_without_tshark_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"not installed.*tshark"):
        analyzer.analyze(str(PLAYBOOK), dissector="wireshark")


def test_an_unknown_dissector_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="native, wireshark, both"):
        analyzer.analyze(str(PLAYBOOK), dissector="ours")


def test_a_name_that_only_wireshark_reads_is_private_too() -> None:
    difference = Difference(connection=0, field="SNI", packet=4, native=None, wireshark="vault.internal.test")
    report = replace(
        analyzer.analyze(str(PLAYBOOK)), dissector=Dissector(name="both", version="4", differences=(difference,))
    )
    told = redact(report).dissector
    assert told is not None
    assert told.name == "both"
    assert "vault" not in str(told.differences[0].wireshark)


@pytest.mark.usefixtures("tshark")
def test_both_readings_of_a_stream_are_refused() -> None:
    with pytest.raises(InputError, match="a stream can be read once"):
        analyzer.analyze(io.BytesIO(PLAYBOOK.read_bytes()), dissector="both")


@pytest.mark.usefixtures("tshark")
def test_a_key_log_that_is_not_there_is_an_error_for_wireshark_too() -> None:
    with pytest.raises(InputError, match="there is no such key log"):
        analyzer.analyze(str(PLAYBOOK), keylog="no-such.keys", dissector="wireshark")


@pytest.mark.slow
@pytest.mark.usefixtures("tshark")
@pytest.mark.parametrize("name", ["playbook", "missing-root-go", "client-cert-missing-go", "ipv6-any", "not-tls-nginx"])
def test_wiresharks_dissector_leads_to_the_same_verdict(name: str) -> None:
    path = str(CAPTURES / f"{name}.pcap")
    native, wireshark = (
        analyzer.analyze(path, truststore=WITHOUT_ROOT, dissector=each).connections for each in ("native", "wireshark")
    )
    assert [(c.cause, c.abort_packet, c.abort_act, c.server_chain) for c in native] == [
        (c.cause, c.abort_packet, c.abort_act, c.server_chain) for c in wireshark
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("tshark")
def test_both_readings_agree_on_what_a_captures_own_secrets_open(capsys: pytest.CaptureFixture[str]) -> None:
    main([str(CAPTURES / "pcapng-with-secrets.pcapng"), "--dissector", "both", "--format", "json"])
    dissector = json.loads(capsys.readouterr().out)["dissector"]
    assert (dissector["name"], dissector["compared"], dissector["differences"]) == ("both", 1, [])


@pytest.mark.slow
@pytest.mark.usefixtures("tshark")
def test_wireshark_reads_a_key_log_too() -> None:
    name = "tls13-missing-root-java"
    report = analyzer.analyze(
        str(CAPTURES / f"{name}.pcap"), keylog=str(CAPTURES / f"{name}.keys"), dissector="wireshark"
    )
    assert [(a.description, a.encrypted) for a in report.connections[0].alerts] == [("certificate_unknown", True)]
    assert report.connections[0].chain_source == "decrypted"


def test_a_format_of_wiresharks_is_converted_unasked(snoop: Path) -> None:
    report = analyzer.analyze(str(snoop), truststore=WITHOUT_ROOT)
    assert report.connections[0].cause is not None
    assert (report.connections[0].cause.code, report.capture.packets) == ("missing-root", 13)
    assert "editcap" in report.capture.format


def test_where_editcap_is_absent_the_error_says_how_to_convert(snoop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match=r"Solaris snoop.*editcap -F pcapng"):
        analyzer.analyze(str(snoop))
