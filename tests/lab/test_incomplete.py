"""Captures that lack something, recorded afresh: what is said of them is what is said of those that are kept."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from analyzer.pipeline import analyze
from captures.record import incomplete, lab, stacks

CAPTURES = Path(__file__).resolve().parents[2] / "captures"

pytestmark = pytest.mark.lab


def said(path: Path) -> list[tuple[str, str | None, str | None, str | None]]:
    report = analyze(path, truststore=CAPTURES / "stores/without-root")
    return [(c.outcome, c.cause.code if c.cause else None, c.aborted_by, c.abort_act) for c in report.connections]


def test_a_recorder_that_leaves_out_what_it_must_is_understood_again(tmp_path: Path) -> None:
    if absent := stacks.absent((*lab.NEEDS, "dumpcap", "curl", "openssl", "nginx")):
        pytest.skip(f"not installed: {', '.join(absent)}")
    assert incomplete.main(["--out", str(tmp_path)]) == 0
    for name in (
        "snap-96.pcap",
        "client-only.pcap",
        "server-only.pcap",
        "offloads.pcap",
        "ring-tcpdump",
        "ring-dumpcap",
        "sent-again.pcap",
    ):
        assert said(tmp_path / name) == said(CAPTURES / "incomplete" / name), name
    assert int(re.findall(r"(\d+) packets dropped by kernel", (tmp_path / "kernel-drops.txt").read_text())[0]) > 0
    assert {cause for _, cause, _, _ in said(tmp_path / "kernel-drops.pcap")} <= {
        None, "missing-root", "certificate-rejected", "capture-incomplete",
    }  # fmt: skip
