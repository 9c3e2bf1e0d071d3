"""OpenSSL with X509_V_FLAG_PARTIAL_CHAIN: curl since 7.68, Python 3.13, and whoever sets the flag.

Any stored certificate ends a path, a stored leaf too; otherwise the `openssl` profile.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from analyzer.trust.profiles import openssl

PROFILE: Final = replace(
    openssl.PROFILE,
    partial=None,
    name="openssl-partial",
    title="OpenSSL with partial chains (curl, Python 3.13)",
    engine="OpenSSL 3.0, X509_verify_cert with X509_V_FLAG_PARTIAL_CHAIN",
    anchor="any",
)
