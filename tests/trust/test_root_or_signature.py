"""Whose fault a signature is that does not verify under a stored certificate: the store's, or the signature's own."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from cryptography import x509

from analyzer.trust.check import check
from analyzer.trust.profile import profile_names
from analyzer.trust.repair import remedies
from tests.trust.pki import NOW, Issued, broken, root

HOST = "gw.example.com"
ROOT, SILENT_ROOT = root("Acme Root"), root("Acme Root", ski=False)
OTHER, SILENT_OTHER = root("Acme Root", label="other"), root("Acme Root", label="other", ski=False)
ISSUING, SILENT_ISSUING = ROOT.issue_ca("Acme Issuing CA"), ROOT.issue_ca("Acme Issuing CA", aki=None)
LEAF = ISSUING.issue(HOST)
RIGHT_KEY_ID = x509.SubjectKeyIdentifier.from_public_key(ROOT.private_key.public_key()).digest
EVERY = set(profile_names())


def codes(chain: Sequence[Issued], store: Sequence[Issued]) -> dict[str, set[str]]:
    """The first problem's code, and which validators come to it; an accepted chain has none."""
    found: dict[str, set[str]] = {}
    for profile in profile_names():
        verdict = check([c.der for c in chain], [c.der for c in store], host=HOST, at=NOW, profile=profile)
        if verdict.problems:
            found.setdefault(verdict.problems[0].code, set()).add(profile)
    return found


@pytest.mark.parametrize(
    ("chain", "store"),
    [
        pytest.param((LEAF, broken(ISSUING)), (ROOT,), id="damaged"),
        pytest.param((LEAF, broken(ISSUING), ROOT), (ROOT,), id="damaged, the root was sent"),
        pytest.param((LEAF, OTHER.issue_ca("Acme Issuing CA", aki=RIGHT_KEY_ID)), (ROOT,), id="forged"),
        pytest.param((LEAF, OTHER.issue_ca("Acme Issuing CA"), ROOT), (ROOT,), id="forged, the right root was sent"),
        pytest.param((LEAF, broken(SILENT_ISSUING)), (SILENT_ROOT,), id="damaged, without key identifiers"),
        pytest.param((broken(ROOT.issue(HOST)),), (ROOT,), id="a damaged leaf right below the root"),
    ],
)
def test_a_signature_that_is_itself_bad_is_not_blamed_on_the_right_root(
    chain: Sequence[Issued], store: Sequence[Issued]
) -> None:
    assert codes(chain, store) == {"bad-signature": EVERY}


@pytest.mark.parametrize(
    ("chain", "store"),
    [
        pytest.param((LEAF, ISSUING), (OTHER,), id="the key identifiers differ"),
        pytest.param((LEAF, ISSUING, ROOT), (OTHER,), id="the key identifiers differ, the root was sent"),
        pytest.param((LEAF, SILENT_ISSUING, SILENT_ROOT), (SILENT_OTHER,), id="the sent root has another key"),
        pytest.param(
            (LEAF, SILENT_ISSUING), (root("Acme Root", kind="rsa2048", ski=False),), id="the key is of another type"
        ),
    ],
)
def test_a_stored_root_with_another_key_is_told_as_such(chain: Sequence[Issued], store: Sequence[Issued]) -> None:
    assert codes(chain, store) == {"root-key-mismatch": EVERY}


def test_a_namesake_in_the_store_hides_the_right_root_from_validators_that_never_go_back() -> None:
    found = codes((LEAF, SILENT_ISSUING), (SILENT_OTHER, SILENT_ROOT))
    assert found == {"root-key-mismatch": {"openssl", "openssl-partial", "boringssl", "dotnet"}}


def test_what_hides_the_right_root_has_to_leave_the_store() -> None:
    chain, store = [LEAF.der, SILENT_ISSUING.der, SILENT_ROOT.der], [SILENT_OTHER.der]
    fixes = [remedy.fix for remedy in remedies(chain, store, check(chain, store, host=HOST, at=NOW), host=HOST, at=NOW)]
    assert (fixes[0].action, fixes[0].certificate, fixes[0].proven) == ("fix-store", SILENT_ROOT.sha256, True)


@pytest.mark.parametrize("chain", [(LEAF,), (LEAF, ISSUING), (LEAF, ISSUING, ROOT)])
def test_a_stored_leaf_is_the_reason_only_where_partial_chains_can_be_allowed(chain: Sequence[Issued]) -> None:
    found = codes(chain, (LEAF,))
    assert found["anchor-not-self-signed"] == {"openssl"}
    assert {"dotnet", "schannel"} <= found.get("missing-root", set()) | found.get("missing-intermediate", set())


def test_a_stored_leaf_becomes_an_anchor_by_allowing_partial_chains() -> None:
    chain, store = [LEAF.der, ISSUING.der], [LEAF.der]
    fixes = [remedy.fix for remedy in remedies(chain, store, check(chain, store, host=HOST, at=NOW), host=HOST, at=NOW)]
    assert [(f.action, f.proven) for f in fixes if "PARTIAL_CHAIN" in f.text] == [("configure", True)]
