"""rustls-webpki 0.102 with ring: `verify_for_usage(server_auth)` and `verify_is_valid_for_subject_name`.

Sources: rustls-webpki src/verify_cert.rs, cert.rs, subject_name/, signed_data.rs; measured on 0.102.8. An anchor is
a name, a key and name constraints, nothing more; key usage is never looked at; RSA below 2048 bits and SHA-1
verify nothing.
"""

from __future__ import annotations

from typing import Final

from analyzer.trust.names import HostRules
from analyzer.trust.profile import ConstraintRules, Profile, Stage, Strength

_LINE: Final = "invalid peer certificate: "

ERRORS: Final = {
    "missing-issuer": _LINE + "UnknownIssuer",
    "self-signed-leaf": _LINE + "UnknownIssuer",
    "self-signed-root": _LINE + "UnknownIssuer",
    "stored-without-root": _LINE + "UnknownIssuer",
    "too-long": _LINE + "Other(OtherError(MaximumPathDepthExceeded))",
    "signature": _LINE + "BadSignature",
    "algorithm": _LINE + "Other(OtherError(UnsupportedSignatureAlgorithm))",
    "weak-signature": _LINE + "Other(OtherError(UnsupportedSignatureAlgorithm))",
    "weak-ca-key": _LINE + "Other(OtherError(UnsupportedSignatureAlgorithmForPublicKey))",
    "unsupported-key": _LINE + "Other(OtherError(UnsupportedSignatureAlgorithmForPublicKey))",
    "signature-limit": _LINE + "Other(OtherError(MaximumSignatureChecksExceeded))",
    "expired": _LINE + "Expired",
    "not-yet-valid": _LINE + "NotValidYet",
    "name": _LINE + 'certificate not valid for name "{host}"; certificate is only valid for {names}',
    "name-without-san": _LINE + 'certificate not valid for name "{host}"',
    "name-no-san": _LINE + 'certificate not valid for name "{host}"',
    "name-in-cn": _LINE + 'certificate not valid for name "{host}"',
    "address": _LINE + 'certificate not valid for name "{host}"; certificate is only valid for {names}',
    "address-without-san": _LINE + 'certificate not valid for name "{host}"',
    "address-no-san": _LINE + 'certificate not valid for name "{host}"',
    "address-in-cn": _LINE + 'certificate not valid for name "{host}"',
    "purpose": _LINE + "InvalidPurpose",
    "leaf-is-ca": _LINE + "Other(OtherError(CaUsedAsEndEntity))",
    "not-ca": _LINE + "Other(OtherError(EndEntityUsedAsCa))",
    "version-1-issuer": _LINE + "Other(OtherError(UnsupportedCertVersion))",
    "version": _LINE + "Other(OtherError(UnsupportedCertVersion))",
    "path-length": _LINE + "Other(OtherError(PathLenConstraintViolated))",
    "critical": _LINE + "Other(OtherError(UnsupportedCriticalExtension))",
    "constraint-permitted": _LINE + "Other(OtherError(NameConstraintViolation))",
    "constraint-excluded": _LINE + "Other(OtherError(NameConstraintViolation))",
    "constraint-unsupported": _LINE + "Other(OtherError(NameConstraintViolation))",
    "constraint-syntax": _LINE + "Other(OtherError(MalformedNameConstraint))",
    "unparsable": _LINE + "BadEncoding",
    "unreadable": _LINE + "BadEncoding",
}

_REFUSED: Final = frozenset(
    {
        "2.5.29.15",
        "2.5.29.17",
        "2.5.29.19",
        "2.5.29.30",
        "2.5.29.37",
        "alt-name-form",
        "eku-empty",
        "trailing",
        "duplicate",
    }
)

_CURVES: Final = frozenset({"1.2.840.10045.3.1.7", "1.3.132.0.34"})

PROFILE: Final = Profile(
    name="webpki",
    title="rustls (webpki)",
    engine="rustls-webpki 0.102 with ring",
    search="backtrack",
    max_intermediates=6,
    before_building=frozenset({"unreadable", "critical", "leaf-form", "dates", "ca", "eku"}),
    every_sent_must_parse=False,
    stages=(
        Stage(direction="up", checks=("unreadable", "critical", "leaf-form", "dates", "ca", "path-length", "eku")),
        Stage(direction="down", checks=("key-strength", "signature-strength", "signature")),
        Stage(direction="down", checks=("name-constraints",)),
        Stage(direction="once", checks=("host",)),
    ),
    skipped={
        "anchor": frozenset({"leaf-form", "dates", "ca", "path-length", "eku"}),
        "leaf": frozenset({"key-strength"}),
    },
    known_critical=frozenset({"2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.37"}),
    refused_at_once=_REFUSED,
    refused_unreadable=_REFUSED,
    ca_key_usage=False,
    leaf_may_be_ca=False,
    version_1_leaf=False,
    path_length_counts_self_issued=True,
    strength=Strength(
        rsa_ca=2048,
        hashes=frozenset({"sha256", "sha384", "sha512", "none"}),
        families=frozenset({"rsa", "ec", "ed25519"}),
        ca_curves=_CURVES,
    ),
    constraints=ConstraintRules(kinds=frozenset({"dns", "ip"}), wildcard_names="widen"),
    host=HostRules(final_dot=True),
    errors=ERRORS,
)  # fmt: skip
