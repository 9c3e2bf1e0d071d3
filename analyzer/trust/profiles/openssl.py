"""OpenSSL 3.0 `X509_verify_cert` as `openssl verify -purpose sslserver`; nginx, HAProxy, Node and libssl clients.

Sources: crypto/x509/x509_vfy.c (build_chain, check_extensions, internal_verify), crypto/x509/v3_purp.c,
v3_ncons.c, v3_utl.c of OpenSSL 3.0; measured on 3.0.22. No authentication level, as the command has none: what libssl
adds at security level 2 (SSL_CTX_set_security_level(3), check_auth_level in x509_vfy.c) is told beside it.
"""

from __future__ import annotations

from typing import Final

from analyzer.trust.names import HostRules
from analyzer.trust.profile import ConstraintRules, Profile, Setting, Stage, Strength

KNOWN_CRITICAL: Final = frozenset({
    "2.16.840.1.113730.1.1", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.32", "2.5.29.31", "2.5.29.37",
    "1.3.6.1.5.5.7.1.7", "1.3.6.1.5.5.7.1.8", "1.3.6.1.5.5.7.48.1.5", "2.5.29.36", "2.5.29.30", "2.5.29.33",
    "2.5.29.54",
})  # fmt: skip

CACHED_EXTENSIONS: Final = frozenset({
    "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.18", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.35", "2.5.29.37",
    "2.16.840.1.113730.1.1", "alt-name-form", "name-constraint-form",
})  # fmt: skip
"""Extensions that OpenSSL reads when it looks for an issuer (x509v3_cache_extensions)."""

ERRORS: Final = {
    "unparsable": "error:0688010A:asn1 encoding routines::nested asn1 error",
    "missing-issuer": "error 20 at {depth} depth lookup: unable to get local issuer certificate",
    "stored-without-root": "error 2 at {depth} depth lookup: unable to get issuer certificate",
    "self-signed-leaf": "error 18 at {depth} depth lookup: self-signed certificate",
    "self-signed-root": "error 19 at {depth} depth lookup: self-signed certificate in certificate chain",
    "too-long": "error 22 at {depth} depth lookup: certificate chain too long",
    "expired": "error 10 at {depth} depth lookup: certificate has expired",
    "not-yet-valid": "error 9 at {depth} depth lookup: certificate is not yet valid",
    "name": "error 62 at 0 depth lookup: hostname mismatch",
    "name-without-san": "error 62 at 0 depth lookup: hostname mismatch",
    "name-no-san": "error 62 at 0 depth lookup: hostname mismatch",
    "name-in-cn": "error 62 at 0 depth lookup: hostname mismatch",
    "illegal-host": "error 62 at 0 depth lookup: hostname mismatch",
    "address": "error 64 at 0 depth lookup: IP address mismatch",
    "address-without-san": "error 64 at 0 depth lookup: IP address mismatch",
    "address-no-san": "error 64 at 0 depth lookup: IP address mismatch",
    "address-in-cn": "error 64 at 0 depth lookup: IP address mismatch",
    "purpose": "error 26 at {depth} depth lookup: unsuitable certificate purpose",
    "leaf-key-usage": "error 26 at {depth} depth lookup: unsuitable certificate purpose",
    "not-ca": "error 79 at {depth} depth lookup: invalid CA certificate",
    "no-cert-sign": "error 79 at {depth} depth lookup: invalid CA certificate",
    "version-1-issuer": "error 79 at {depth} depth lookup: invalid CA certificate",
    "path-length": "error 25 at {depth} depth lookup: path length constraint exceeded",
    "critical": "error 34 at {depth} depth lookup: unhandled critical extension",
    "constraint-permitted": "error 47 at {depth} depth lookup: permitted subtree violation",
    "constraint-excluded": "error 48 at {depth} depth lookup: excluded subtree violation",
    "constraint-unsupported": "error 51 at {depth} depth lookup: unsupported name constraint type",
    "constraint-syntax": "error 53 at {depth} depth lookup: unsupported or invalid name syntax",
    "constraint-too-many": "error 1 at {depth} depth lookup: unspecified certificate verification error",
    "signature": "error 7 at {depth} depth lookup: certificate signature failure",
    "algorithm": "error 7 at {depth} depth lookup: certificate signature failure",
    "issuer-key": "error 6 at {depth} depth lookup: unable to decode issuer public key",
    "explicit-curve": "error 94 at {depth} depth lookup: Certificate public key has explicit ECC parameters",
    "weak-leaf-key": "error 66 at {depth} depth lookup: EE certificate key too weak",
    "weak-ca-key": "error 67 at {depth} depth lookup: CA certificate key too weak",
    "weak-signature": "error 68 at {depth} depth lookup: CA signature digest algorithm too weak",
    "unreadable": "error 20 at {depth} depth lookup: unable to get local issuer certificate",
}

STAGES: Final = (
    Stage(direction="up", checks=("critical", "ca", "explicit-curve", "eku", "leaf-key-usage", "path-length")),
    Stage(direction="once", checks=("host",)),
    Stage(direction="down", checks=("algorithm-match", "signature", "dates")),
    Stage(direction="down", checks=("name-constraints",)),
)

LEVEL_2: Final = Strength(
    rsa_leaf=2048,
    rsa_ca=2048,
    ec=224,
    dsa=2048,
    hashes=frozenset({"sha224", "sha256", "sha384", "sha512", "none"}),
)
"""112 bits of security. SHA-1 has too few even for level 1."""

PROFILE: Final = Profile(
    name="openssl",
    title="OpenSSL",
    engine="OpenSSL 3.0, X509_verify_cert without partial chains",
    partial="openssl-partial",
    search="first",
    same_name="canonical",
    prefer_valid=True,
    anchor="self-signed",
    key_ids="require",
    issuer_serial="require",
    match_algorithms=True,
    max_intermediates=100,
    stages=STAGES,
    known_critical=KNOWN_CRITICAL,
    refused_at_once=frozenset({"serial-padded", "serial"}),
    unreadable_means_no_issuer=CACHED_EXTENSIONS | {"key-usage-empty"},
    last_second="expired",
    anchor_without_constraints=frozenset({"self-issued-v1", "key-usage"}),
    gated_crypto=True,
    leaf_key_usage=(0, 2, 4),
    constraints=ConstraintRules(cn_is_host="name-like", subject_email="always", self_issued_exempt=True),
    host=HostRules(cn="no-dns", partial="edges"),
    errors=ERRORS,
    stricter=Setting(
        title="at security level 2, the default of Debian, Ubuntu and OpenSSL 3.2",
        strength=LEVEL_2,
        stage=Stage(direction="down", checks=("key-strength", "signature-strength")),
    ),
)
