"""An issuer on the path is not allowed to issue."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("issuer-not-ca", "An issuer on the path is not allowed to issue")
