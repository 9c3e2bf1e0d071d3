"""A certificate has a critical extension that the validator does not know."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause(
    "unknown-critical-extension", "A certificate has a critical extension that the validator does not know"
)
