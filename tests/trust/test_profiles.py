"""The profiles as a catalogue, and the validators' own words."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from analyzer.trust.check import check
from analyzer.trust.checks import CHECKS
from analyzer.trust.profile import profile_names, profile_of
from tests.trust.pki import CLIENT, NOW, root

HOST = "gw.example.com"
ROOT = root("Acme Root")
ISSUING = ROOT.issue_ca("Acme Issuing CA")
LEAF = ISSUING.issue(HOST)
ZETA = root("Zeta Root", organisation="Zeta")


def test_the_profiles_of_the_contract_are_there() -> None:
    assert profile_names() == (
        "boringssl", "dotnet", "gnutls", "go", "java", "openssl", "openssl-partial", "schannel", "webpki",
    )  # fmt: skip


@pytest.mark.parametrize("name", profile_names())
def test_a_profile_names_only_checks_that_exist(name: str) -> None:
    profile = profile_of(name)
    named = {check for stage in profile.stages for check in stage.checks}
    skipped = {check for checks in profile.skipped.values() for check in checks}
    assert named <= set(CHECKS)
    assert skipped | profile.after_building | profile.before_building <= set(CHECKS)


@pytest.mark.parametrize("name", profile_names())
def test_the_error_texts_hold_only_facts_that_are_known(name: str) -> None:
    profile = profile_of(name)
    chains = [
        [LEAF.der], [LEAF.der, ISSUING.der], [ROOT.der], [ISSUING.issue("other.test").der, ISSUING.der],
        [ISSUING.issue(HOST, not_after=NOW - timedelta(days=9)).der, ISSUING.der],
        [ISSUING.issue(HOST, eku=[CLIENT]).der, ISSUING.der],
    ]  # fmt: skip
    for chain in chains:
        verdict = check(chain, [ZETA.der] if len(chain) == 1 else [ROOT.der], host=HOST, at=NOW, profile=name)
        if verdict.error is not None:
            assert "?" not in verdict.error
            assert "{" not in verdict.error
    assert profile.engine


def test_the_unmeasured_profile_says_so() -> None:
    verdict = check([LEAF.der, ISSUING.der], [ROOT.der], host=HOST, at=NOW, profile="schannel")
    assert verdict.accepted
    assert any("not measured" in note for note in verdict.notes)


@pytest.mark.parametrize(
    ("profile", "error"),
    [
        ("openssl", "error 20 at 1 depth lookup: unable to get local issuer certificate"),
        (
            "java",
            (
                "PKIX path building failed: sun.security.provider.certpath.SunCertPathBuilderException: "
                "unable to find valid certification path to requested target"
            ),
        ),
        ("go", "x509: certificate signed by unknown authority"),
        ("gnutls", "The certificate is NOT trusted. The certificate issuer is unknown. "),
        ("webpki", "invalid peer certificate: UnknownIssuer"),
        (
            "dotnet",
            (
                "The remote certificate is invalid according to the validation procedure: "
                "RemoteCertificateChainErrors (PartialChain)"
            ),
        ),
        (
            "boringssl",
            (
                "verify cert failed: X509_verify_cert: certificate verification error at depth 1: "
                "unable to get local issuer certificate"
            ),
        ),
    ],
)
def test_a_missing_root_is_worded_as_the_validator_words_it(profile: str, error: str) -> None:
    assert check([LEAF.der, ISSUING.der], [ZETA.der], host=HOST, at=NOW, profile=profile).error == error


@pytest.mark.parametrize(
    ("profile", "error"),
    [
        ("openssl", "error 62 at 0 depth lookup: hostname mismatch"),
        ("java", "No subject alternative DNS name matching gw.example.com found."),
        ("go", "x509: certificate is valid for other.test, not gw.example.com"),
    ],
)
def test_a_wrong_host_is_worded_as_the_validator_words_it(profile: str, error: str) -> None:
    leaf = ISSUING.issue("other.test")
    assert check([leaf.der, ISSUING.der], [ROOT.der], host=HOST, at=NOW, profile=profile).error == error


def test_importing_the_package_costs_no_cryptography() -> None:
    script = "import sys, analyzer; assert not any(m.startswith('cryptography') for m in sys.modules); analyzer.check"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
