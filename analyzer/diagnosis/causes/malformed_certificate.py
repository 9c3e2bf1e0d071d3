"""A certificate cannot be parsed."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("malformed-certificate", "A certificate cannot be parsed")
