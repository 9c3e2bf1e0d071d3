"""A signature on the path does not verify."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("bad-signature", "A signature on the path does not verify")
