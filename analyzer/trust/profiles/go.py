"""Go's crypto/x509 `Certificate.Verify` and `VerifyHostname`; Traefik, Caddy, Kubernetes tools.

Sources: crypto/x509 verify.go, parser.go and constraints.go of Go 1.26 and later; measured on 1.27.
All candidates are tried, 100 signature checks at most; every sent certificate must parse.
"""

from __future__ import annotations

from typing import Final

from analyzer.trust.names import HostRules
from analyzer.trust.profile import ConstraintRules, Profile, Stage, Strength

_UNKNOWN: Final = "x509: certificate signed by unknown authority"
_HINT: Final = ' (possibly because of "{}" while trying to verify candidate authority certificate "{{candidate}}")'
_NO_PARENT: Final = "x509: invalid signature: parent certificate cannot sign this kind of certificate"
_DATES: Final = "x509: certificate has expired or is not yet valid: current time {at} is "

ERRORS: Final = {
    "unparsable": "tls: failed to parse certificate from server: x509: {detail}",
    "missing-issuer": _UNKNOWN,
    "self-signed-leaf": _UNKNOWN,
    "self-signed-root": _UNKNOWN,
    "stored-without-root": _UNKNOWN,
    "too-long": _UNKNOWN,
    "signature": _UNKNOWN + _HINT.format("{verification}"),
    "not-ca": _UNKNOWN + _HINT.format(_NO_PARENT),
    "no-cert-sign": _UNKNOWN + _HINT.format(_NO_PARENT),
    "algorithm": _UNKNOWN + _HINT.format("x509: cannot verify signature: algorithm unimplemented"),
    "version-1-issuer": "x509: certificate is not authorized to sign other certificates",
    "weak-signature": _UNKNOWN + _HINT.format("x509: cannot verify signature: insecure algorithm {go_algorithm}"),
    "signature-limit": "x509: signature check attempts limit reached while verifying certificate chain",
    "expired": _DATES + "after {not_after}",
    "not-yet-valid": _DATES + "before {not_before}",
    "name": "x509: certificate is valid for {names}, not {host}",
    "name-without-san": "x509: certificate is not valid for any names, but wanted to match {host}",
    "name-no-san": "x509: certificate is not valid for any names, but wanted to match {host}",
    "name-in-cn": "x509: certificate relies on legacy Common Name field, use SANs instead",
    "address": "x509: certificate is valid for {names}, not {host}",
    "address-without-san": "x509: cannot validate certificate for {host} because it doesn't contain any IP SANs",
    "address-no-san": "x509: cannot validate certificate for {host} because it doesn't contain any IP SANs",
    "address-in-cn": "x509: certificate relies on legacy Common Name field, use SANs instead",
    "purpose": "x509: certificate specifies an incompatible key usage",
    "path-length": "x509: too many intermediates for path length constraint",
    "critical": "x509: unhandled critical extension",
    "constraint-permitted": "x509: a root or intermediate certificate is not authorized to sign for this name: "
    '{kind} "{name}" is not permitted by any constraint',
    "constraint-excluded": "x509: a root or intermediate certificate is not authorized to sign for this name: "
    '{kind} "{name}" is excluded by constraint "{constraint}"',
    "policy": "x509: no valid chains built: 1 candidate chains with invalid policies",
    "unsupported-key": "x509: unsupported elliptic curve",
    "explicit-curve": "x509: invalid ECDSA parameters",
}

PROFILE: Final = Profile(
    name="go",
    title="Go",
    engine="Go 1.27, crypto/x509",
    search="backtrack",
    pinned_leaf="yes",
    max_signature_checks=100,
    before_building=frozenset({"unreadable", "critical", "dates", "host"}),
    stages=(
        Stage(direction="up", checks=("unreadable", "critical", "dates")),
        Stage(direction="once", checks=("host",)),
        Stage(
            direction="up",
            checks=("signature-strength", "key-strength", "signature", "ca", "path-length", "name-constraints"),
        ),
        Stage(direction="up", checks=("eku",)),
        Stage(direction="once", checks=("policies",)),
    ),
    skipped={"pinned": frozenset({"signature-strength"})},
    known_critical=frozenset({
        "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.32", "2.5.29.33", "2.5.29.36",
        "2.5.29.37", "2.5.29.54",
    }),
    refused_at_once=frozenset({
        "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.32", "2.5.29.33",
        "2.5.29.35", "2.5.29.36", "2.5.29.37", "1.3.6.1.5.5.7.1.1", "duplicate", "serial", "serial-negative",
        "serial-padded", "alt-name-address", "alt-name-uri", "alt-name-ascii", "explicit-curve", "unknown-curve",
        "name-constraints-empty", "name-constraint-address",
        "critical-1.3.6.1.5.5.7.1.1", "critical-2.5.29.35", "critical-2.5.29.14",
    }),
    anchor_without_constraints=frozenset({"v1"}),
    ca_eku="any-counts",
    empty_eku="any",
    empty_key_usage_is_none=True,
    critical_san_needs_host=True,
    leaf_eku_any=True,
    path_length_counts_self_issued=True,
    strength=Strength(
        rsa_ca=1024, families=frozenset({"rsa", "ec", "ed25519"}),
        hashes=frozenset({"sha224", "sha256", "sha384", "sha512", "none"}),
    ),
    constraints=ConstraintRules(
        kinds=frozenset({"dns", "ip", "email", "uri"}), other_kinds="critical", subject=False, wildcard_names="widen",
        addresses_first=True, limit=1 << 40
    ),
    host=HostRules(labels_after=1, final_dot=True),
    errors=ERRORS,
)  # fmt: skip
