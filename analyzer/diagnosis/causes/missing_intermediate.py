"""The server left out an intermediate certificate."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("missing-intermediate", "The server left out an intermediate certificate")
