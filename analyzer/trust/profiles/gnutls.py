"""GnuTLS `gnutls_x509_trust_list_verify_crt2` with purpose and host name; wget, and others linked to GnuTLS.

Sources: lib/x509/verify.c, verify-high.c, hostname-verify.c, name_constraints.c of GnuTLS 3.7; measured on 3.7.9.
The chain is sorted and cut at the first certificate that the store holds; a stored leaf counts when it was sent
alone; the purpose of the anchor is not looked at.
"""

from __future__ import annotations

from typing import Final

from analyzer.trust.names import HostRules
from analyzer.trust.profile import ConstraintRules, Profile, Stage, Strength

_STATUS: Final = {
    "issuer": "The certificate issuer is unknown. ",
    "ca": "The certificate issuer is not a CA. ",
    "insecure": "The certificate chain uses insecure algorithm. ",
    "constraints": "The certificate chain violates the signer's constraints. ",
    "purpose": "The certificate chain does not match the intended purpose. ",
    "future": "The certificate chain uses not yet valid certificate. ",
    "expired": "The certificate chain uses expired certificate. ",
    "signature": "The signature in the certificate is invalid. ",
    "owner": "The name in the certificate does not match the expected. ",
    "critical": "The certificate contains an unknown critical extension. ",
}
"""In the order in which gnutls_certificate_verification_status_print puts them."""

_REASONS: Final = {
    "issuer": ("missing-issuer", "self-signed-leaf", "self-signed-root", "stored-without-root", "too-long"),
    "ca": ("not-ca", "version-1-issuer"),
    "insecure": ("algorithm", "weak-signature", "weak-leaf-key", "weak-ca-key", "unsupported-key", "explicit-curve"),
    "constraints": (
        "no-cert-sign", "path-length", "constraint-permitted", "constraint-excluded", "constraint-unsupported",
        "constraint-syntax", "constraint-too-many",
    ),
    "purpose": ("purpose",),
    "future": ("not-yet-valid",),
    "expired": ("expired",),
    "signature": ("signature",),
    "owner": (
        "name", "name-without-san", "name-no-san", "name-in-cn", "illegal-host", "address", "address-without-san",
        "address-no-san", "address-in-cn",
    ),
    "critical": ("critical",),
}  # fmt: skip

_CURVES: Final = frozenset({
    "1.2.840.10045.3.1.1", "1.3.132.0.33", "1.2.840.10045.3.1.7", "1.3.132.0.34", "1.3.132.0.35",
})  # fmt: skip

PROFILE: Final = Profile(
    name="gnutls",
    title="GnuTLS",
    engine="GnuTLS 3.7, gnutls_x509_trust_list_verify_crt2",
    search="sorted",
    key_ids="require",
    stages=(
        Stage(
            direction="down",
            checks=(
                "unreadable", "critical", "ca", "path-length", "eku", "signature", "signature-strength",
                "key-strength", "name-constraints", "dates",
            ),
        ),
        Stage(direction="once", checks=("host",)),
    ),
    skipped={
        "anchor": frozenset({"eku"}),
        "pinned": frozenset({
            "critical", "ca", "path-length", "signature-strength", "key-strength",
            "name-constraints",
        }),
    },
    known_critical=frozenset({
        "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.18", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.32",
        "2.5.29.35", "2.5.29.37", "2.5.29.54", "1.3.6.1.5.5.7.1.14", "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.24",
    }),
    refused_at_once=frozenset({"2.5.29.17", "alt-name-form"}),
    anchor_without_constraints=frozenset({"self-signed"}),
    leaf_eku_any=True,
    empty_eku="any",
    strength=Strength(
        rsa_leaf=1024, rsa_ca=1024, ec=160, dsa=1024, curves=_CURVES,
        hashes=frozenset({"sha224", "sha256", "sha384", "sha512", "none"}),
    ),
    constraints=ConstraintRules(
        kinds=frozenset({"dns", "ip", "email"}), cn_is_host="any", leaf_only=True,
        networks_as_names=True, final_dots="dropped", other_kinds="excluded",
        refused_kinds=frozenset({"other", "x400", "edi", "rid", "wrong"}),
    ),
    host=HostRules(cn="no-host-san", partial="end"),
    errors={reason: _STATUS[status] for status, reasons in _REASONS.items() for reason in reasons}
    | {"unparsable": "ASN1 parser: Error in DER parsing."},
    joined_errors="The certificate is NOT trusted. ",
)  # fmt: skip
