"""The root certificate has expired."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("expired-root", "The root certificate has expired")
