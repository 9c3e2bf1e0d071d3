"""The command line among its files and streams: full, closed, unreadable, or one and the same."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import analyzer.pipeline
from analyzer.cli import main

CAPTURES = Path(__file__).parent.parent / "captures"
PLAYBOOK = CAPTURES / "playbook.pcap"
STORE = CAPTURES / "stores" / "without-root"
COMMAND = shlex.join([sys.executable, "-m", "analyzer"])

Capsys = pytest.CaptureFixture[str]


def shell(words: str) -> subprocess.CompletedProcess[str]:
    script = f"set -o pipefail; {COMMAND} {words}"
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("words", [str(PLAYBOOK), "explain", f"store {STORE}"])
def test_a_report_that_standard_output_does_not_take_is_told(words: str) -> None:
    done = shell(f"{words} > /dev/full")
    assert done.returncode == 2
    assert done.stderr == ("hsanalyze: error: standard output: the report cannot be written: No space left on device\n")


def test_a_closed_standard_output_is_told_and_so_is_what_was_wrong_with_the_inputs() -> None:
    done = shell(f"{PLAYBOOK} no-such-file >&-")
    assert done.returncode == 2
    assert "no-such-file: there is no such file" in done.stderr
    assert "standard output: the report cannot be written: it is closed" in done.stderr


def test_a_reader_that_has_seen_enough_does_not_change_the_exit_status() -> None:
    assert shell(f"{PLAYBOOK} --format json | true").returncode == 1
    assert shell(f"{CAPTURES / 'success-curl.pcap'} --format json | true").returncode == 0


@pytest.mark.parametrize("closed", ["2>&-", "2>/dev/full"])
def test_diagnostics_that_nobody_takes_do_not_get_into_the_report(closed: str) -> None:
    done = shell(f"{PLAYBOOK} no-such-file --format json {closed}")
    assert done.returncode == 2
    assert len(json.loads(done.stdout)["connections"]) == 1


@pytest.mark.parametrize("words", ["-", "check -"])
def test_a_closed_standard_input_is_told(words: str) -> None:
    done = shell(f"{words} <&-")
    assert (done.returncode, done.stderr) == (2, "hsanalyze: error: -: standard input is closed\n")


def test_what_cannot_be_read_does_not_cost_the_captures_beside_it(tmp_path: Path, capsys: Capsys) -> None:
    nothing = tmp_path / "folder"
    nothing.mkdir()
    assert main([str(nothing), str(tmp_path / "*.pcap"), str(tmp_path / "gone"), str(PLAYBOOK)]) == 2
    said = capsys.readouterr()
    assert "the directory holds no capture" in said.err
    assert "no file matches this pattern" in said.err
    assert "there is no such file" in said.err
    assert "#12" in said.out


def test_a_store_for_clients_that_cannot_be_read_is_told_and_judges_nobody(capsys: Capsys) -> None:
    capture = str(CAPTURES / "tls13-client-cert-missing-go.pcap")
    assert main([capture, "--client-ca", "no-such-store", "--format", "ndjson"]) == 2
    said = capsys.readouterr()
    assert "no-such-store: there is no such file" in said.err
    main([capture, "--format", "ndjson"])
    assert json.loads(said.out) == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "target"),
    [
        ("a.pcap", "a.pcap"),
        ("a.pcap", "../{folder}/a.pcap"),
        (".", "a.pcap"),
        ("*.pcap", "a.pcap"),
        ("a.pcap --truststore store", "store/globex-root.pem"),
        ("a.pcap --keylog a.txt", "a.txt"),
        ("store store", "store/globex-root.pem"),
        ("check store/globex-root.pem", "store/globex-root.pem"),
    ],
)
def test_a_report_is_never_written_over_an_input(
    words: str, target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(PLAYBOOK, "a.pcap")
    shutil.copytree(STORE, "store")
    Path("a.txt").write_bytes(b"")
    output = Path(target.format(folder=tmp_path.name))
    before = output.read_bytes()
    assert main([*words.split(), "-o", str(output)]) == 2
    assert "would be written over an input" in capsys.readouterr().err
    assert output.read_bytes() == before


def test_a_report_among_the_captures_is_written_anew(tmp_path: Path) -> None:
    shutil.copy(PLAYBOOK, tmp_path)
    report = tmp_path / "report.md"
    for _ in range(2):
        assert main([str(tmp_path), "-o", str(report)]) == 1
    assert "Verdict" in report.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", [[""], [str(PLAYBOOK), "--truststore", ""], ["store", ""], ["check", ""]])
def test_an_empty_name_does_not_stand_for_the_current_directory(words: list[str], capsys: Capsys) -> None:
    assert main(words) == 2
    assert "an empty value" in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["-1", "two", "9" * 30])
def test_a_limit_that_is_no_number_of_certificates_is_wrong_usage(limit: str, capsys: Capsys) -> None:
    assert main([str(PLAYBOOK), "--verify-depth", limit]) == 2
    assert "is no number of certificates" in capsys.readouterr().err


def test_a_fault_of_ours_is_one_line_and_exit_status_3(monkeypatch: pytest.MonkeyPatch, capsys: Capsys) -> None:
    monkeypatch.setattr(analyzer.pipeline, "summary", lambda _: 1 // 0)
    assert main([str(PLAYBOOK)]) == 3
    error = capsys.readouterr().err
    assert error.startswith("hsanalyze: fault of hsanalyze: ZeroDivisionError: ")
    assert "(test_streams.py:" in error
    assert error.count("\n") == 1
