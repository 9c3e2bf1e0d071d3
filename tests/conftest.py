"""Fixtures for all tests: where the captures are, what they show, and the folder beside the project."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]

settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of the recorded captures."""
    return ROOT / "captures"


@pytest.fixture(scope="session")
def manifest(captures: Path) -> dict[str, dict[str, Any]]:
    """What each recorded capture shows, by its name."""
    entries = json.loads((captures / "manifest.json").read_text())["captures"]
    return {entry["name"]: entry for entry in entries}


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the project that holds the public captures; the test is skipped where it is absent."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("there is no folder `shared` beside the project")
    return folder
