"""The path is longer than an issuer allows."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("path-too-long", "The path is longer than an issuer allows")
