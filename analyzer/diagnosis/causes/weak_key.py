"""A key on the path is too weak for the validator."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("weak-key", "A key on the path is too weak for the validator")
