"""A second process does a part of the work, and nothing in the report tells."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from analyzer.second_process import processors
from benchmarks import make_captures

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(processors() < 2, reason="there is one processor, or no fork")


def python(script: str, *arguments: str) -> str:
    """What a script prints that runs by itself: this process has threads, and may not be copied."""
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=120)
    assert not done.stderr
    return done.stdout


def test_the_report_is_the_same_with_one_process_and_with_two(tmp_path: Path) -> None:
    capture = make_captures.make("busy", 0.02, tmp_path)
    script = """
import sys
from analyzer import analyze, verdicts
from analyzer.report.to_json import to_json
verdicts._WORTH_A_PROCESS = 50
began = []
judge = verdicts.SecondProcess
verdicts.SecondProcess = lambda work: began.append(1) or judge(work)
one, two = (
    to_json(analyze(sys.argv[1], truststore="captures/stores/without-root", processes=n)) for n in (1, 2)
)
print(one == two, len(began), len(one) > 1000)
"""
    assert python(script, str(capture)) == "True 1 True\n"


def test_work_that_fails_there_gives_nothing_and_leaves_the_first_process_as_it_was() -> None:
    script = """
import os
from analyzer.second_process import SecondProcess
print(SecondProcess(lambda: 6 * 7).result(), SecondProcess(lambda: os._exit(3)).result())
print(SecondProcess(lambda: b"x" * 1_000_000).result() == b"x" * 1_000_000)
"""
    assert python(script) == "42 None\nTrue\n"
