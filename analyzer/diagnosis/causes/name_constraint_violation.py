"""An issuer on the path may not issue for this name."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("name-constraint-violation", "An issuer on the path may not issue for this name")
