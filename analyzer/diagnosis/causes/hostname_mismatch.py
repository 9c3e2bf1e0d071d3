"""The certificate is for other names than the host."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("hostname-mismatch", "The certificate is for other names than the host")
