"""The host name stands in the common name only."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("hostname-only-in-cn", "The host name stands in the common name only")
