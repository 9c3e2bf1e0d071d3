"""The server's certificate is self-signed and not trusted."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("self-signed-leaf", "The server's certificate is self-signed and not trusted")
