"""Stored outputs. HSANALYZE_UPDATE_SNAPSHOTS=1 writes them anew: then read the difference."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.report.model import Report
from analyzer.report.redact import redact
from analyzer.report.to_json import to_json, to_ndjson
from analyzer.report.to_markdown import to_markdown
from analyzer.report.to_text import to_text

SNAPSHOTS = Path(__file__).parent / "snapshots"

WAYS: dict[str, Callable[[Report], str]] = {
    "txt": to_text,
    "all.txt": lambda report: to_text(report, all_connections=True),
    "80.txt": lambda report: to_text(report, width=80),
    "redacted.txt": lambda report: to_text(redact(report)),
    "md": to_markdown,
    "json": to_json,
    "ndjson": lambda report: "".join(to_ndjson(report)),
}


@pytest.mark.parametrize(
    "name",
    [
        *("playbook.txt", "playbook.md", "playbook.ndjson", "playbook.redacted.txt"),
        *("mixed.txt", "mixed.80.txt", "mixed.md", "mixed.json"),
        *("accepted_by_this_store.txt", "quiet.txt", "quiet.all.txt"),
    ],
)
def test_output_is_the_stored_one(name: str, request: pytest.FixtureRequest) -> None:
    report, _, way = name.partition(".")
    output = WAYS[way](request.getfixturevalue(report))
    stored = SNAPSHOTS / name
    if os.environ.get("HSANALYZE_UPDATE_SNAPSHOTS"):
        SNAPSHOTS.mkdir(exist_ok=True)
        stored.write_text(output, encoding="utf-8")
    assert output == stored.read_text(encoding="utf-8")
