"""GnuTLS `gnutls_x509_trust_list_verify_crt2` with purpose and host name; wget, and others linked to GnuTLS.

Sources: lib/x509/verify.c, verify-high.c, hostname-verify.c, name_constraints.c of GnuTLS 3.7; measured on 3.7.9.
The chain is sorted and cut at the first certificate that the store holds; a stored leaf counts when it was sent
alone; the purpose of the anchor is not looked at.
"""

from __future__ import annotations

from typing import Final

from analyzer.trust.constraints import ConstraintRules
from analyzer.trust.names import HostRules
from analyzer.trust.profile import Profile, Stage, Strength

_LINE: Final = "The certificate is NOT trusted. "
_UNKNOWN: Final = _LINE + "The certificate issuer is unknown. "
_OWNER: Final = _LINE + "The name in the certificate does not match the expected. "
_CONSTRAINTS: Final = _LINE + "The certificate chain violates the signer's constraints. "
_PURPOSE: Final = _LINE + "The certificate chain does not match the intended purpose. "
_NOT_CA: Final = _LINE + "The certificate issuer is not a CA. "
_INSECURE: Final = _LINE + "The certificate chain uses insecure algorithm. "

ERRORS: Final = {
    "missing-issuer": _UNKNOWN,
    "self-signed-leaf": _UNKNOWN,
    "self-signed-root": _UNKNOWN,
    "stored-without-root": _UNKNOWN,
    "too-long": _UNKNOWN,
    "expired": _LINE + "The certificate chain uses expired certificate. ",
    "not-yet-valid": _LINE + "The certificate chain uses not yet valid certificate. ",
    "name": _OWNER,
    "name-without-san": _OWNER,
    "name-no-san": _OWNER,
    "name-in-cn": _OWNER,
    "illegal-host": _OWNER,
    "address": _OWNER,
    "address-without-san": _OWNER,
    "address-no-san": _OWNER,
    "address-in-cn": _OWNER,
    "purpose": _PURPOSE,
    "not-ca": _NOT_CA,
    "no-cert-sign": _CONSTRAINTS,
    "version-1-issuer": _NOT_CA,
    "path-length": _CONSTRAINTS,
    "critical": _LINE + "The certificate contains an unknown critical extension. ",
    "constraint-permitted": _CONSTRAINTS,
    "constraint-excluded": _CONSTRAINTS,
    "constraint-unsupported": _CONSTRAINTS,
    "constraint-syntax": _CONSTRAINTS,
    "signature": _LINE + "The signature in the certificate is invalid. ",
    "algorithm": _INSECURE,
    "weak-signature": _INSECURE,
    "weak-leaf-key": _INSECURE,
    "weak-ca-key": _INSECURE,
    "unsupported-key": _INSECURE,
    "explicit-curve": _INSECURE,
    "unreadable": "ASN1 parser: Error in DER parsing.",
}

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
        "pinned": frozenset({"critical", "ca", "path-length", "signature-strength", "key-strength", "name-constraints"}),
    },
    known_critical=frozenset({
        "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.18", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.32",
        "2.5.29.35", "2.5.29.37", "2.5.29.54", "1.3.6.1.5.5.7.1.14", "1.3.6.1.5.5.7.1.1", "1.3.6.1.5.5.7.1.24",
    }),
    refused_at_once=frozenset({"2.5.29.17", "alt-name-form"}),
    anchor_without_constraints=frozenset({"self-issued"}),
    leaf_eku_any=True,
    empty_eku="any",
    strength=Strength(
        rsa_leaf=1024, rsa_ca=1024, ec=160, dsa=1024, curves=_CURVES,
        hashes=frozenset({"sha224", "sha256", "sha384", "sha512", "none"}),
    ),
    constraints=ConstraintRules(
        kinds=frozenset({"dns", "ip", "email"}), cn_is_host="any", subject=False, leaf_only=True, case_sensitive=True,
        networks_as_names=True, other_kinds="excluded", refused_kinds=frozenset({"other", "x400", "edi", "rid", "wrong"}),
    ),
    host=HostRules(cn="no-host-san", partial="end"),
    errors=ERRORS,
)  # fmt: skip
