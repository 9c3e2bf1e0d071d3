"""The validator wants a self-signed root, the store holds an intermediate."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause(
    "anchor-not-self-signed", "The validator wants a self-signed root, the store holds an intermediate"
)
