"""An intermediate certificate has expired."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("expired-intermediate", "An intermediate certificate has expired")
