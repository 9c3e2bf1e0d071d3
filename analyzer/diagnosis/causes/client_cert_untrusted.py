"""The server does not trust the client's certificate."""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import Cause, Match
from analyzer.diagnosis.client_certificate import client_refused
from analyzer.registry import AlertDescription as Alert

_CODES: Final = frozenset(
    {
        "missing-root",
        "missing-intermediate",
        "self-signed-leaf",
        "root-key-mismatch",
        "anchor-not-self-signed",
        "bad-signature",
        "issuer-not-ca",
    }
)


def look(case: Case) -> Match | None:
    """The server refused after the client's Certificate, and the alert or the check against `--client-ca` says why."""
    return client_refused(case, _CODES, Alert.UNKNOWN_CA)


CAUSE = Cause(
    code="client-cert-untrusted",
    title="The server does not trust the client's certificate",
    look=look,
    fails_after_handshake=True,
    covers=("client-cert-rejected", "unexplained"),
)
