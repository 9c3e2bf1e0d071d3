"""What an alert says about the cause, and about who sent it: data, with its sources.

`SPECIFIC` holds alerts whose definition names a class of certificate faults (RFC 8446 section 6.2, RFC 5246
section 7.2.2). Alerts that any fault may carry (bad_certificate, certificate_unknown, handshake_failure,
internal_error) are not in it: several stacks send one of them for everything. What each library sends is
in `stacks`.
"""

from __future__ import annotations

from typing import Final

from analyzer.registry import AlertDescription as Alert

__all__ = ["CERTIFICATE_ALERTS", "EXPIRY", "SPECIFIC", "UNTRUSTED"]

EXPIRY: Final = frozenset({"expired-leaf", "expired-intermediate", "expired-root"})
UNTRUSTED: Final = frozenset(
    {
        "missing-root",
        "missing-intermediate",
        "self-signed-leaf",
        "root-key-mismatch",
        "anchor-not-self-signed",
        "issuer-not-ca",
        "wrong-chain-order",
        "chain-too-long",
        "path-too-long",
        "name-constraint-violation",
        "bad-signature",
        "malformed-certificate",
    }
)
"""No path leads to an anchor, or one of its issuers may not issue."""
SPECIFIC: Final[dict[int, frozenset[str]]] = {
    Alert.UNKNOWN_CA: UNTRUSTED,
    Alert.CERTIFICATE_EXPIRED: EXPIRY | {"not-yet-valid"},
    Alert.CERTIFICATE_REVOKED: frozenset({"revoked"}),
    Alert.UNSUPPORTED_CERTIFICATE: frozenset(
        {
            "wrong-key-usage",
            "unknown-critical-extension",
            "weak-key",
            "weak-signature",
            "malformed-certificate",
            "wrong-chain-order",
        }
    ),
    Alert.DECRYPT_ERROR: frozenset({"bad-signature", "root-key-mismatch"}),
}

CERTIFICATE_ALERTS: Final = frozenset(
    {
        Alert.BAD_CERTIFICATE,
        Alert.UNSUPPORTED_CERTIFICATE,
        Alert.CERTIFICATE_REVOKED,
        Alert.CERTIFICATE_EXPIRED,
        Alert.CERTIFICATE_UNKNOWN,
        Alert.UNKNOWN_CA,
        Alert.ACCESS_DENIED,
        Alert.BAD_CERTIFICATE_STATUS_RESPONSE,
    }
)
"""Alerts that by their definition are about a certificate."""
