""".NET on Linux: `X509Chain.Build` over OpenSSL, as SslStream calls it; YARP, the self-hosted API Management gateway.

Source: src/libraries/System.Security.Cryptography (OpenSslX509ChainProcessor, pal_x509.c); measured on .NET Core
3.1 with OpenSSL 1.1.1, with neither AIA download nor revocation. All errors of the chain are gathered; the chain
must allow serverAuth at every level; a root whose signature on itself is broken is refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from analyzer.trust.names import HostRules
from analyzer.trust.profile import ConstraintRules, Stage
from analyzer.trust.profiles import openssl

_CHAIN: Final = "The remote certificate is invalid according to the validation procedure: RemoteCertificateChainErrors "
_NAME: Final = "The remote certificate is invalid according to the validation procedure: RemoteCertificateNameMismatch"

ERRORS: Final = {
    "missing-issuer": _CHAIN + "(PartialChain)",
    "stored-without-root": _CHAIN + "(PartialChain)",
    "self-signed-leaf": _CHAIN + "(UntrustedRoot)",
    "self-signed-root": _CHAIN + "(UntrustedRoot)",
    "too-long": _CHAIN + "(PartialChain)",
    "expired": _CHAIN + "(NotTimeValid)",
    "not-yet-valid": _CHAIN + "(NotTimeValid)",
    "name": _NAME,
    "name-without-san": _NAME,
    "name-no-san": _NAME,
    "name-in-cn": _NAME,
    "illegal-host": _NAME,
    "address": _NAME,
    "address-without-san": _NAME,
    "address-no-san": _NAME,
    "address-in-cn": _NAME,
    "purpose": _CHAIN + "(NotValidForUsage)",
    "leaf-key-usage": _CHAIN + "(NotValidForUsage)",
    "not-ca": _CHAIN + "(InvalidBasicConstraints)",
    "no-cert-sign": _CHAIN + "(InvalidBasicConstraints)",
    "version-1-issuer": _CHAIN + "(InvalidBasicConstraints)",
    "path-length": _CHAIN + "(InvalidBasicConstraints)",
    "critical": _CHAIN + "(HasNotSupportedCriticalExtension)",
    "constraint-permitted": _CHAIN + "(HasNotPermittedNameConstraint)",
    "constraint-excluded": _CHAIN + "(HasExcludedNameConstraint)",
    "constraint-unsupported": _CHAIN + "(HasNotSupportedNameConstraint)",
    "constraint-syntax": _CHAIN + "(InvalidNameConstraints)",
    "constraint-too-many": _CHAIN + "(InvalidNameConstraints)",
    "signature": _CHAIN + "(NotSignatureValid)",
    "algorithm": _CHAIN + "(NotSignatureValid)",
    "issuer-key": _CHAIN + "(NotSignatureValid)",
    "unreadable": _CHAIN + "(PartialChain)",
    "policy": _CHAIN + "(InvalidPolicyConstraints)",
    "weak-signature": _CHAIN + "(HasWeakSignature)",
    "weak-ca-key": _CHAIN + "(HasWeakSignature)",
    "weak-leaf-key": _CHAIN + "(HasWeakSignature)",
}

WORDING_NOTE: Final = (
    ".NET 5 and later word a chain error: The remote certificate is invalid because of errors in the certificate "
    "chain: followed by the same status names"
)

PROFILE: Final = replace(
    openssl.PROFILE,
    partial=None,
    name="dotnet",
    title=".NET on Linux",
    engine=".NET Core 3.1 on Linux, X509Chain over OpenSSL 1.1.1",
    notes=(WORDING_NOTE,),
    issuer_needs_sign=True,
    unreadable_means_no_issuer=openssl.CACHED_EXTENSIONS,
    match_algorithms=False,
    stages=(
        Stage(direction="up", checks=("critical", "ca", "eku", "path-length")),
        Stage(direction="down", checks=("algorithm-match", "signature", "self-signature", "dates")),
        Stage(direction="down", checks=("name-constraints",)),
        Stage(direction="once", checks=("host",)),
    ),
    gated_crypto=False,
    leaf_key_usage=(),
    constraints=ConstraintRules(cn_is_host="name-like", subject_email="always", self_issued_exempt=True),
    host=HostRules(cn="no-dns", cn_for_address=True),
    errors=ERRORS,
    stricter=None,
)
