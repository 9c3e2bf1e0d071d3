"""BoringSSL `X509_verify_cert` with X509_V_FLAG_PARTIAL_CHAIN, as Envoy and Istio configure it.

Source: crypto/x509/x509_vfy.c and v3_*.c of BoringSSL (Android 13, 2022); measured on that. Later versions may
no longer take MD5 and the subject's CN. Extensions of certificates from the store are not looked at, the first
fitting candidate is taken whether it is valid or not, and constraints on addresses are not known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from analyzer.trust.names import HostRules
from analyzer.trust.profile import ConstraintRules, Stage, Strength
from analyzer.trust.profiles import openssl

_TEXTS: Final = {
    "missing-issuer": "unable to get local issuer certificate",
    "stored-without-root": "unable to get issuer certificate",
    "self-signed-leaf": "self signed certificate",
    "self-signed-root": "self signed certificate in certificate chain",
    "too-long": "certificate chain too long",
    "expired": "certificate has expired",
    "not-yet-valid": "certificate is not yet valid",
    "name": "Hostname mismatch",
    "name-without-san": "Hostname mismatch",
    "name-no-san": "Hostname mismatch",
    "name-in-cn": "Hostname mismatch",
    "address": "IP address mismatch",
    "address-without-san": "IP address mismatch",
    "address-no-san": "IP address mismatch",
    "address-in-cn": "IP address mismatch",
    "purpose": "unsupported certificate purpose",
    "leaf-key-usage": "unsupported certificate purpose",
    "not-ca": "invalid CA certificate",
    "no-cert-sign": "invalid CA certificate",
    "version-1-issuer": "invalid CA certificate",
    "path-length": "path length constraint exceeded",
    "critical": "unhandled critical extension",
    "constraint-permitted": "permitted subtree violation",
    "constraint-excluded": "excluded subtree violation",
    "constraint-unsupported": "unsupported name constraint type",
    "constraint-syntax": "unsupported or invalid name syntax",
    "constraint-no-san": "Issuer has name constraints but leaf has no SANs",
    "constraint-too-many": "unknown certificate verification error",
    "signature": "certificate signature failure",
    "algorithm": "certificate signature failure",
    "issuer-key": "unable to decode issuer public key",
    "explicit-curve": "unable to decode issuer public key",
    "unreadable": "invalid or inconsistent certificate extension",
}

_LINE: Final = "verify cert failed: X509_verify_cert: certificate verification error at depth {depth}: "

PROFILE: Final = replace(
    openssl.PROFILE,
    partial=None,
    name="boringssl",
    title="BoringSSL (Envoy, Istio)",
    engine="BoringSSL of 2022, X509_verify_cert with X509_V_FLAG_PARTIAL_CHAIN",
    prefer_valid=False,
    climb_store=True,
    anchor="any",
    issuer_needs_sign=True,
    match_algorithms=False,
    stages=(
        Stage(direction="up", checks=("unreadable", "critical", "ca", "eku", "leaf-key-usage", "path-length")),
        Stage(direction="once", checks=("host",)),
        Stage(
            direction="down", checks=("explicit-curve", "algorithm-match", "signature-strength", "signature", "dates")
        ),
        Stage(direction="down", checks=("name-constraints",)),
    ),
    skipped={
        role: frozenset({"unreadable", "critical", "ca", "eku", "leaf-key-usage", "path-length", "explicit-curve"})
        for role in ("anchor", "pinned")
    },
    refused_unreadable=openssl.CACHED_EXTENSIONS,
    unreadable_means_no_issuer=frozenset(),
    constraints=ConstraintRules(
        kinds=frozenset({"dns", "email", "uri", "dirname"}),
        subject_email="always",
        self_issued_exempt=True,
        san_required=True,
    ),
    strength=Strength(families=frozenset({"rsa", "rsa-pss", "ec", "ed25519"})),
    host=HostRules(cn="no-san"),
    errors={reason: _LINE + text for reason, text in _TEXTS.items()},
    stricter=None,
)
