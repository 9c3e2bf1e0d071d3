"""OpenSSL's security level 2 stands beside a verdict that, like `openssl verify`, is made without it."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from analyzer.trust.check import check
from analyzer.trust.model import TrustVerdict
from analyzer.trust.repair import remedies
from tests.trust.pki import NOW, resigned, root

HOST = "gw.example.com"


def pem(der: bytes) -> bytes:
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)


def openssl(directory: Path, chain: list[bytes], anchors: list[bytes]) -> str:
    """What `openssl verify` says at security level 2."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    (directory / "roots.pem").write_bytes(b"".join(map(pem, anchors)))
    (directory / "sent.pem").write_bytes(b"".join(map(pem, chain[1:])) or pem(chain[0]))
    (directory / "leaf.pem").write_bytes(pem(chain[0]))
    command = ["openssl", "verify", "-auth_level", "2", "-attime", str(int(NOW.timestamp())), "-CAfile", "roots.pem",
               "-no-CApath", "-no-CAstore", "-untrusted", "sent.pem", "leaf.pem"]  # fmt: skip
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=30)
    return done.stdout + done.stderr


def judged(chain: list[bytes], anchors: list[bytes]) -> TrustVerdict:
    return check(chain, anchors, host=HOST, at=NOW, profile="openssl")


def weak(which: str) -> tuple[list[bytes], list[bytes]]:
    acme = root("Acme Root", kind="rsa1024" if which == "root key" else "rsa2048")
    issuing = acme.issue_ca("Acme CA", kind="rsa1024" if which == "intermediate key" else "rsa2048")
    leaf = issuing.issue(HOST, kind="rsa1024" if which == "leaf key" else "rsa2048")
    if which == "leaf digest":
        leaf = resigned(leaf, issuing, hashes.SHA1())
    if which == "intermediate digest":
        issuing = resigned(issuing, acme, hashes.SHA1())
    return [leaf.der, issuing.der], [acme.der]


@pytest.mark.parametrize(
    ("which", "code", "error"),
    [
        ("leaf key", "weak-key", "error 66"),
        ("intermediate key", "weak-key", "error 67"),
        ("root key", "weak-key", "error 67"),
        ("leaf digest", "weak-signature", "error 68"),
        ("intermediate digest", "weak-signature", "error 68"),
    ],
)
def test_what_level_2_refuses_is_told_beside_the_acceptance(tmp_path: Path, which: str, code: str, error: str) -> None:
    chain, anchors = weak(which)
    verdict = judged(chain, anchors)
    assert verdict.accepted
    assert [problem.code for problem in verdict.stricter] == [code]
    assert "security level 2" in verdict.stricter[0].text
    assert error in openssl(tmp_path, chain, anchors)


def test_a_strong_chain_has_nothing_to_tell(tmp_path: Path) -> None:
    chain, anchors = weak("nothing")
    assert judged(chain, anchors).stricter == ()
    assert openssl(tmp_path, chain, anchors).strip().endswith("OK")


def test_a_chain_that_is_refused_anyway_says_no_more() -> None:
    chain, _ = weak("leaf key")
    verdict = judged(chain, [])
    assert not verdict.accepted
    assert verdict.stricter == ()


@pytest.mark.parametrize("profile", ["java", "go", "gnutls", "boringssl", "dotnet"])
def test_other_validators_have_no_such_setting(profile: str) -> None:
    chain, anchors = weak("leaf key")
    assert check(chain, anchors, host=HOST, at=NOW, profile=profile).stricter == ()


def test_the_repair_is_proven_in_the_stricter_setting() -> None:
    chain, anchors = weak("leaf key")
    verdict = judged(chain, anchors)
    refusing = replace(verdict, accepted=False, problems=verdict.stricter)
    fix = remedies(chain, anchors, refusing, host=HOST, at=NOW)[0].fix
    assert (fix.action, fix.proven) == ("replace-certificate", True)
    chain, anchors = weak("root key")
    verdict = judged(chain, anchors)
    refusing = replace(verdict, accepted=False, problems=verdict.stricter)
    found = [remedy.fix for remedy in remedies(chain, anchors, refusing, host=HOST, at=NOW)]
    assert not any(fix.action == "add-to-store" and fix.proven for fix in found)
