"""The path is deeper than the validator's configured depth."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("chain-too-long", "The path is deeper than the validator's configured depth")
