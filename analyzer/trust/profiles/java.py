"""JSSE: `TrustManagerFactory("PKIX")` with endpoint identification HTTPS; Apigee, MuleSoft, WSO2, Spring.

Sources: sun.security.validator (PKIXValidator, EndEntityChecker), sun.security.provider.certpath,
sun.security.x509.NameConstraintsExtension, sun.security.util.HostnameChecker of OpenJDK 17; measured on 17.0.21.
A chain in order is validated as it is; otherwise the builder searches with at most five intermediates. Of an anchor
only name, key, CA flag and key usage count. A leaf in the store is trusted unseen.
"""

from __future__ import annotations

from typing import Final

from analyzer.trust.names import HostRules
from analyzer.trust.profile import ConstraintRules, Profile, Stage, Strength

_VALIDATION: Final = "PKIX path validation failed: java.security.cert.CertPathValidatorException: "
_ANCHOR: Final = "PKIX path validation failed: sun.security.validator.ValidatorException: TrustAnchor with subject "
_BUILDING: Final = (
    "PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: "
    "unable to find valid certification path to requested target"
)

ERRORS: Final = {
    "unparsable": "java.security.cert.CertificateException: Unable to initialize, {detail}",
    "searched": _BUILDING,
    "missing-issuer": _BUILDING,
    "self-signed-leaf": _BUILDING,
    "self-signed-root": _BUILDING,
    "stored-without-root": _BUILDING,
    "too-long": _BUILDING,
    "no-fitting-anchor": _VALIDATION + "Path does not chain with any of the trust anchors",
    "expired": _VALIDATION + "validity check failed",
    "not-yet-valid": _VALIDATION + "validity check failed",
    "name": "No subject alternative DNS name matching {host} found.",
    "name-without-san": "No name matching {host} found",
    "name-no-san": "No name matching {host} found",
    "name-in-cn": "No name matching {host} found",
    "illegal-host": "Illegal given domain name: {host}",
    "address": "No subject alternative names matching IP address {host} found",
    "address-without-san": "No subject alternative names matching IP address {host} found",
    "address-no-san": "No subject alternative names present",
    "address-in-cn": "No subject alternative names present",
    "purpose": "Extended key usage does not permit use for TLS server authentication",
    "leaf-key-usage": "KeyUsage does not allow digital signatures",
    "not-ca": _VALIDATION + "basic constraints check failed: this is not a CA certificate",
    "version-1-issuer": _VALIDATION + "basic constraints check failed: this is not a CA certificate",
    "anchor-not-ca": _ANCHOR + '"{subject_spaced}" is not a CA certificate',
    "anchor-no-cert-sign": _ANCHOR + '"{subject_spaced}" does not have keyCertSign bit set in KeyUsage extension',
    "no-cert-sign": _VALIDATION + "CA key usage check failed: keyCertSign bit is not set",
    "path-length": _VALIDATION
    + "basic constraints check failed: pathLenConstraint violated - this cert must be the last cert in the "
    "certification path",
    "critical": _VALIDATION + "unrecognized critical extension(s)",
    "constraint-permitted": _VALIDATION + "name constraints check failed",
    "constraint-excluded": _VALIDATION + "name constraints check failed",
    "constraint-unsupported": _VALIDATION + "name constraints check failed",
    "constraint-syntax": _VALIDATION + "name constraints check failed",
    "signature": _VALIDATION + "signature check failed",
    "policy": _VALIDATION + "non-null policy tree required and policy tree is null",
    "weak-signature": _VALIDATION + "Algorithm constraints check failed on signature algorithm: {java_algorithm}",
    "weak-leaf-key": _VALIDATION + "Algorithm constraints check failed on keysize limits: {key}",
    "weak-ca-key": _VALIDATION + "Algorithm constraints check failed on keysize limits: {key}",
    "explicit-curve": "java.io.IOException: Only named ECParameters supported",
}

PROFILE: Final = Profile(
    name="java",
    title="Java (JSSE)",
    engine="OpenJDK 17, PKIX trust manager, endpoint identification HTTPS",
    search="as-sent",
    same_name="canonical",
    pinned_leaf="yes",
    key_ids="anchor",
    max_when_searching=5,
    stages=(
        Stage(
            direction="down",
            checks=("key-strength", "signature-strength", "ca", "path-length", "name-constraints"),
        ),
        Stage(direction="once", checks=("policies",)),
        Stage(direction="down", checks=("dates", "searched-anchor-dates", "signature", "critical")),
        Stage(direction="down", checks=("anchor-ca",)),
        Stage(direction="up", checks=("leaf-key-usage", "eku")),
        Stage(direction="once", checks=("host",)),
    ),
    drops_odd_names=True,
    after_building=frozenset({"anchor-ca", "leaf-key-usage", "eku", "host"}),
    skipped={
        "anchor": frozenset({
            "ca", "path-length", "name-constraints", "dates", "critical", "eku",
            "signature-strength",
        }),
        "pinned": frozenset({
            "key-strength", "signature-strength", "ca", "path-length", "name-constraints", "policies", "dates",
            "signature", "critical", "leaf-key-usage", "eku",
        }),
    },
    known_critical=frozenset({
        "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.32", "2.5.29.33", "2.5.29.36",
        "2.5.29.37", "2.5.29.54", "2.16.840.1.113730.1.1",
    }),
    refused_at_once=frozenset({"explicit-curve", "issuer-empty"}),
    anchor_without_constraints=frozenset({"v1"}),
    ca_eku="ignore",
    leaf_eku_any=True,
    gated_crypto=True,
    leaf_key_usage=(0,),
    strength=Strength(
        rsa_leaf=1024, rsa_ca=1024, ec=224, dsa=1024,
        hashes=frozenset({"sha1", "sha224", "sha256", "sha384", "sha512", "none"})
    ),
    constraints=ConstraintRules(
        cn_is_host="last", subject_email="no-san", self_issued_exempt=True, wildcard_names="widen",
        networks_as_names=True,
        empty_tree="refuse",
        cn_joins_names=True,
    ),
    host=HostRules(cn="no-dns", partial="anywhere", final_dot=True, underscore=False),
    errors=ERRORS,
)  # fmt: skip
