"""The client's certificate is outside its validity period."""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import Cause, Match
from analyzer.diagnosis.client_certificate import client_refused
from analyzer.registry import AlertDescription as Alert

_CODES: Final = frozenset({"expired-leaf", "expired-intermediate", "expired-root", "not-yet-valid"})


def look(case: Case) -> Match | None:
    """The server refused after the client's Certificate, and the alert or the check against `--client-ca` says why."""
    return client_refused(case, _CODES, Alert.CERTIFICATE_EXPIRED)


CAUSE = Cause(
    code="client-cert-expired",
    title="The client's certificate is outside its validity period",
    look=look,
    fails_after_handshake=True,
    covers=("client-cert-rejected", "unexplained"),
)
