"""The trust store lacks the root."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("missing-root", "The trust store lacks the root")
