"""The server's certificate is revoked."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("revoked", "The server's certificate is revoked")
