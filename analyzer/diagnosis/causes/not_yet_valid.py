"""A certificate is not valid yet."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("not-yet-valid", "A certificate is not valid yet")
