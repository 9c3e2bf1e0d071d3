"""The certificate may not be used for a TLS server."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("wrong-key-usage", "The certificate may not be used for a TLS server")
