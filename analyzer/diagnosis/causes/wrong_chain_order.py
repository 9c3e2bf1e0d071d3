"""The server sends its chain in an order that the validator does not sort out."""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause(
    "wrong-chain-order", "The server sends its chain in an order that the validator does not sort out"
)
