"""Windows: CryptoAPI's chain engine as Schannel and SslStream use it; Azure API Management's managed gateways.

Written from documentation alone (CertGetCertificateChain, CERT_CHAIN_CONTEXT, X509ChainStatusFlags) and not
measured: its verdicts say so. A path ends in a self-signed certificate of the Root store; intermediates come from
what was sent, the CA store, a cache, or a download that a capture does not show.
"""

from __future__ import annotations

from typing import Final

from analyzer.trust.names import HostRules
from analyzer.trust.profile import ConstraintRules, Profile, Stage, Strength
from analyzer.trust.profiles import dotnet

PROFILE: Final = Profile(
    name="schannel",
    title="Windows (Schannel)",
    engine="Windows CryptoAPI",
    measured=False,
    notes=(
        "the schannel profile follows Microsoft's documentation and was not measured against Windows",
        "Windows may download a missing intermediate from the address in the certificate (AIA), or hold it in a cache",
        dotnet.WORDING_NOTE,
    ),
    search="backtrack",
    same_name="canonical",
    anchor="self-signed",
    pinned_leaf="self-signed",
    stages=(
        Stage(direction="up", checks=("critical", "ca", "path-length", "eku", "dates")),
        Stage(direction="down", checks=("signature", "key-strength", "signature-strength", "name-constraints")),
        Stage(direction="once", checks=("policies",)),
        Stage(direction="once", checks=("host",)),
    ),
    known_critical=frozenset({
        "2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.18", "2.5.29.19", "2.5.29.30", "2.5.29.31", "2.5.29.32",
        "2.5.29.33", "2.5.29.35", "2.5.29.36", "2.5.29.37", "2.5.29.46", "2.5.29.54", "1.3.6.1.5.5.7.1.1",
    }),
    anchor_without_constraints=frozenset({"self-issued-v1", "key-usage"}),
    ca_eku="any-counts",
    leaf_eku_any=True,
    gated_crypto=True,
    strength=Strength(
        rsa_leaf=1024, rsa_ca=1024,
        hashes=frozenset({"sha1", "sha224", "sha256", "sha384", "sha512", "none"}),
    ),
    constraints=ConstraintRules(subject_email="always", self_issued_exempt=True),
    host=HostRules(cn="no-dns", labels_after=1),
    errors=dotnet.ERRORS,
)  # fmt: skip
