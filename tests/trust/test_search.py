"""Paths over several candidates, loops, and crafted chains that must not cost time."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.errors import InputError
from analyzer.trust.check import Checker, check
from analyzer.trust.path import Case
from analyzer.trust.profile import profile_names, profile_of
from analyzer.trust.search import Outcome, search
from tests.trust.pki import NOW, YEAR, Issued, root
from tests.trust.shapes import shape

HOST = "gw.example.com"
ROOT = root("Acme Root")
ISSUING = ROOT.issue_ca("Acme Issuing CA")
LEAF = ISSUING.issue(HOST)
OLD = root("Acme Old Root")
CROSS = OLD.issue_ca("Acme Root", label="Acme Root")
SECOND = 1.0
"""What one check may cost on a crafted input."""


def ders(*certificates: Issued) -> list[bytes]:
    return [c.der for c in certificates]


def accepts(chain: list[bytes], store: list[bytes], **how: object) -> set[str]:
    return {p for p in profile_names() if check(chain, store, host=HOST, at=NOW, profile=p, **how).accepted}  # type: ignore[arg-type]


EVERY = set(profile_names())


@pytest.mark.parametrize(
    "sent",
    [
        (LEAF, ISSUING),
        (LEAF, ISSUING, ROOT),
        (LEAF, ROOT, ISSUING),
        (LEAF, ISSUING, ISSUING),
        (LEAF, OLD, ISSUING),
        (LEAF, ISSUING, CROSS),
    ],
)
def test_no_validator_minds_the_order_of_what_follows_the_leaf(sent: tuple[Issued, ...]) -> None:
    assert accepts(ders(*sent), ders(ROOT)) == EVERY


def test_a_cross_certificate_leads_to_the_old_root() -> None:
    assert accepts(ders(LEAF, ISSUING, CROSS), ders(OLD)) == EVERY


def test_an_expired_old_root_does_no_harm_beside_the_new_one() -> None:
    expired = root("Acme Old Root", not_after=NOW - timedelta(days=1))
    assert accepts(ders(LEAF, ISSUING, CROSS), ders(expired, ROOT)) == EVERY


def test_going_back_from_a_dead_end_is_what_tells_validators_apart() -> None:
    stray = OLD.issue_ca("Acme Issuing CA", label="Acme Issuing CA")
    assert accepts(ders(LEAF, stray, ISSUING), ders(ROOT)) == {"java", "go", "webpki", "schannel"}


def test_a_stored_intermediate_is_an_anchor_for_some() -> None:
    assert accepts(ders(LEAF, ISSUING), ders(ISSUING)) == EVERY - {"openssl", "dotnet", "schannel"}


def test_a_stored_leaf_is_an_anchor_for_fewer() -> None:
    assert accepts(ders(LEAF, ISSUING), ders(LEAF)) == {"openssl-partial", "boringssl", "java", "go"}


def test_further_intermediates_help_without_being_trusted() -> None:
    assert accepts(ders(LEAF), ders(ROOT), intermediates=ders(ISSUING)) == EVERY
    assert accepts(ders(LEAF), ders(OLD), intermediates=ders(ISSUING)) == set()


def test_every_attempt_is_kept_with_what_failed() -> None:
    stray = OLD.issue_ca("Acme Issuing CA", label="Acme Issuing CA", not_after=NOW - timedelta(days=1))
    expired = ROOT.issue_ca("Acme Issuing CA", not_after=NOW - timedelta(days=2))
    verdict = check(ders(LEAF, stray, expired), ders(ROOT), host=HOST, at=NOW, profile="go")
    assert {a.path for a in verdict.attempts} == {
        (LEAF.sha256, stray.sha256),
        (LEAF.sha256, expired.sha256, ROOT.sha256),
    }
    assert verdict.path == (LEAF.sha256, expired.sha256, ROOT.sha256)
    assert [p.code for p in verdict.problems] == ["expired-intermediate"]


def test_the_depth_limit_of_the_configuration_counts_intermediates() -> None:
    lower = ISSUING.issue_ca("Acme Lower CA")
    chain = ders(lower.issue(HOST), lower, ISSUING)
    assert check(chain, ders(ROOT), host=HOST, at=NOW, verify_depth=2).accepted
    refused = check(chain, ders(ROOT), host=HOST, at=NOW, verify_depth=1)
    assert [p.code for p in refused.problems] == ["chain-too-long"]


def test_a_loop_of_two_authorities_ends() -> None:
    one = OLD.issue_ca("Acme A")
    two = one.issue_ca("Acme B")
    back = two.issue_ca("Acme A")
    chain = ders(two.issue(HOST), two, back, one)
    for profile in profile_names():
        assert not check(chain, ders(ROOT), host=HOST, at=NOW, profile=profile).accepted


def test_a_crafted_lattice_costs_less_than_a_second() -> None:
    levels = [[OLD.issue_ca("Acme Level 0", label=f"0 {i}", ski=False, aki=None) for i in range(6)]]
    for level in range(1, 6):
        levels.append(
            [levels[-1][i].issue_ca(f"Acme Level {level}", label=f"{level} {i}", ski=False, aki=None) for i in range(6)]
        )
    leaf = levels[-1][0].issue(HOST, aki=None)
    chain = ders(leaf, *(c for level in levels for c in level))
    wrong = [root("Acme Level 0", label=f"wrong {i}", ski=False).der for i in range(20)]
    for profile in profile_names():
        check(chain, wrong, host=HOST, at=NOW, profile=profile)
        start = time.process_time()
        verdict = check(chain, wrong, host=HOST, at=NOW + timedelta(seconds=1), profile=profile)
        assert time.process_time() - start < SECOND
        assert not verdict.accepted


def test_many_names_under_many_constraints_cost_less_than_a_second() -> None:
    trees = [x509.DNSName(f"n{i}.example.com") for i in range(1500)]
    ca = ROOT.issue_ca("Acme Wide", extra=[(x509.NameConstraints(None, trees), True)])
    leaf = ca.issue(None, names=[f"m{i}.example.com" for i in range(1500)])
    chain = ders(leaf, ca)
    for profile in profile_names():
        start = time.process_time()
        check(chain, ders(ROOT), host="m7.example.com", at=NOW, profile=profile)
        assert time.process_time() - start < SECOND


def test_many_names_under_constraints_on_many_paths_cost_less_than_a_second() -> None:
    trees = [x509.DNSName(f"n{i}.example.com") for i in range(800)]
    wide = [(x509.NameConstraints(None, trees), True)]
    levels = [[OLD.issue_ca("Acme Wide 0", label=f"wide 0 {i}", extra=wide) for i in range(4)]]
    for level in range(1, 4):
        levels.append(
            [levels[-1][0].issue_ca(f"Acme Wide {level}", label=f"wide {level}", extra=wide) for _ in range(4)]
        )
    leaf = levels[-1][0].issue(None, names=[f"m{i}.example.com" for i in range(1500)])
    chain = ders(leaf, *(c for level in levels for c in level))
    for profile in profile_names():
        start = time.process_time()
        check(chain, ders(ROOT), host="m7.example.com", at=NOW, profile=profile)
        assert time.process_time() - start < SECOND


def test_a_check_of_three_certificates_takes_less_than_two_milliseconds() -> None:
    chain, store = ders(LEAF, ISSUING, ROOT), ders(ROOT)
    check(chain, store, host=HOST, at=NOW)
    rounds = 50
    start = time.process_time()
    for index in range(rounds):
        check(chain, store, host=HOST, at=NOW + timedelta(seconds=index))
    assert (time.process_time() - start) / rounds < 0.002


def test_ten_thousand_connections_with_one_chain_cost_one_verification() -> None:
    checker = Checker(ders(ROOT))
    chain = ders(LEAF, ISSUING)
    first = checker.check(chain, host=HOST, at=NOW)
    again = [checker.check(chain, host=HOST, at=NOW + timedelta(seconds=i)) for i in range(10_000)]
    assert all(verdict is first for verdict in again)


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[Case]:
    """The searches that are made, which go on being made."""
    made: list[Case] = []

    def counted(case: Case) -> Outcome:
        made.append(case)
        return search(case)

    monkeypatch.setattr("analyzer.trust.check.search", counted)
    return made


@pytest.mark.parametrize(
    ("profile", "count"),
    [
        ("openssl", 10_000),
        *((p, 500) for p in profile_names()),
        *(pytest.param(p, 30_000, marks=pytest.mark.slow) for p in profile_names()),
    ],
)
def test_failing_handshakes_over_an_hour_with_five_chains_cost_a_search_for_each_chain(
    profile: str, count: int, searches: list[Case]
) -> None:
    expired = ISSUING.issue(HOST, not_after=NOW - timedelta(days=3))
    future = ISSUING.issue(HOST, not_before=NOW + timedelta(days=3))
    chains = [
        ders(expired, ISSUING), ders(future, ISSUING), ders(LEAF), ders(CROSS.issue(HOST), CROSS),
        ders(ISSUING.issue("other.example.com"), ISSUING),
    ]  # fmt: skip
    checker = Checker(ders(ROOT))
    start = time.process_time()
    for index in range(count):
        moment = NOW + timedelta(seconds=index * 3600 // count)
        assert checker.check(chains[index % 5], host=HOST, at=moment, profile=profile).accepted == (index % 5 == 3)
    # The one chain that is accepted is searched again in the stricter setting, where there is one.
    assert len(searches) == 5 + (profile_of(profile).stricter is not None)
    assert time.process_time() - start < 20


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False), st.lists(st.integers(-400, 400), min_size=1, max_size=6))
def test_a_verdict_from_the_cache_is_the_verdict_of_that_very_moment(random: object, days: list[int]) -> None:
    case = shape(random)  # type: ignore[arg-type]
    checker = Checker(case.store)
    moments = [case.at, *(NOW + timedelta(days=day, seconds=day) for day in days), case.at]
    for profile in profile_names():
        for moment in moments:
            fresh = check(case.chain, case.store, host=case.host, at=moment, profile=profile)
            assert checker.check(case.chain, host=case.host, at=moment, profile=profile) == fresh


def test_a_cached_expiry_is_told_for_the_moment_that_was_asked_for() -> None:
    checker = Checker(ders(ROOT))
    chain = ders(ISSUING.issue(HOST, not_after=NOW - timedelta(days=12)), ISSUING)
    first = checker.check(chain, host=HOST, at=NOW, profile="go")
    later = checker.check(chain, host=HOST, at=NOW + timedelta(days=1), profile="go")
    assert "12 days before 2026-11-22T06:00:00Z" in first.problems[0].text
    assert "13 days before 2026-11-23T06:00:00Z" in later.problems[0].text
    assert "13 days before 2026-11-23T06:00:00Z" in later.attempts[0].problems[0].text
    assert later.error is not None
    assert "current time 2026-11-23T06:00:00Z is after 2026-11-10T06:00:00Z" in later.error
    assert checker.check(chain, host=HOST, at=NOW, profile="go") == first


def test_the_cache_knows_the_very_second_of_an_edge() -> None:
    checker = Checker(ders(ROOT))
    chain = ders(ISSUING.issue(HOST, not_after=NOW), ISSUING)
    moments = [NOW - timedelta(seconds=1), NOW, NOW + timedelta(seconds=1)]
    assert [checker.check(chain, host=HOST, at=m, profile="go").accepted for m in moments] == [True, True, False]
    assert [checker.check(chain, host=HOST, at=m).accepted for m in moments] == [True, False, False]
    assert [checker.check(chain, host=HOST, at=m).accepted for m in reversed(moments)] == [False, False, True]


def test_the_text_of_an_expiry_names_both_moments() -> None:
    chain = ders(ISSUING.issue(HOST, not_after=NOW - timedelta(days=12)), ISSUING)
    text = check(chain, ders(ROOT), host=HOST, at=NOW).problems[0].text
    assert "expired on 2026-11-10T06:00:00Z, 12 days before 2026-11-22T06:00:00Z" in text


@pytest.mark.parametrize(
    ("chain", "how", "reason"),
    [
        ([], {"at": NOW}, "no certificate"),
        ([LEAF.der], {"at": NOW.replace(tzinfo=None)}, "time zone"),
        ([LEAF.der], {"at": NOW, "profile": "nss"}, "known are boringssl"),
    ],
)
def test_input_that_cannot_be_used_is_said_in_one_sentence(
    chain: list[bytes], how: dict[str, object], reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        check(chain, ders(ROOT), **how)  # type: ignore[arg-type]


def test_an_unreadable_certificate_in_the_store_serves_for_nothing_and_does_no_harm() -> None:
    assert accepts(ders(LEAF, ISSUING), [b"garbage", b"", ROOT.der[:80], ROOT.der]) == EVERY


@settings(max_examples=60, deadline=None)
@given(st.randoms(use_true_random=False))
def test_no_random_chain_breaks_any_profile(random: object) -> None:
    case = shape(random)  # type: ignore[arg-type]
    for profile in profile_names():
        verdict = check(case.chain, case.store, host=case.host, at=case.at, profile=profile)
        assert verdict.accepted == (not verdict.problems) == (verdict.error is None)
        assert verdict.path[0] == verdict.attempts[0].path[0]


def test_a_later_check_of_the_same_chain_is_not_spoiled_by_an_earlier_moment() -> None:
    checker = Checker(ders(ROOT))
    chain = ders(LEAF, ISSUING)
    assert not checker.check(chain, host=HOST, at=NOW + 3 * YEAR).accepted
    assert checker.check(chain, host=HOST, at=NOW).accepted
