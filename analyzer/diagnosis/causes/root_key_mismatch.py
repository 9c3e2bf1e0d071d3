"""The trust store holds a root of the same name with another key."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("root-key-mismatch", "The trust store holds a root of the same name with another key")
