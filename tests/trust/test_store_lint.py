"""What `lint_store` says of stores as people make them."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

from analyzer.trust.lint import lint_store
from analyzer.trust.store import StoreEntry, StoreProblem, TrustStore, read_stores

STORES = Path(__file__).parent / "data" / "stores"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def lint(*names: str, at: datetime = NOW) -> tuple[StoreProblem, ...]:
    return lint_store(read_stores([STORES / name for name in names], "changeit"), at)


def codes(*names: str, at: datetime = NOW) -> list[str]:
    return [problem.code for problem in lint(*names, at=at)]


def test_a_store_of_good_roots_is_clean() -> None:
    assert lint("root.pem", "other-root.pem") == ()
    assert lint("root-and-other.jks") == ()


def test_an_intermediate_with_its_root_is_clean() -> None:
    assert lint("issuing.pem", "root.pem") == ()


def test_an_expired_anchor_is_told_from_the_second_after_its_end() -> None:
    end = datetime(2021, 1, 1, tzinfo=UTC)
    assert codes("expired-root.pem", at=end) == []
    assert codes("expired-root.pem", at=end.replace(second=1)) == ["expired-certificate"]
    (problem,) = lint("expired-root.pem")
    assert "CN=Store Test Expired Root" in problem.text
    assert "2021-01-01" in problem.text


def test_an_anchor_that_is_not_yet_valid() -> None:
    start = datetime(2098, 1, 1, tzinfo=UTC)
    assert codes("future-root.pem") == ["not-yet-valid-certificate"]
    assert codes("future-root.pem", at=start) == []


def test_a_time_without_zone_is_utc() -> None:
    assert codes("future-root.pem", at=datetime(2098, 1, 1)) == []  # noqa: DTZ001


def test_a_leaf_among_the_roots() -> None:
    (problem,) = lint("leaf.pem", "other-root.pem")
    assert (problem.code, problem.severity) == ("leaf-certificate", "warning")
    assert problem.source.endswith("leaf.pem")


def test_an_intermediate_without_its_root() -> None:
    (problem,) = lint("issuing.pem", "other-root.pem")
    assert problem.code == "missing-issuer"
    assert '"CN=Store Test Root A" is not in the store' in problem.text


def test_a_root_of_the_same_name_with_another_key_is_not_the_issuer() -> None:
    (problem,) = lint("issuing.pem", "reissued-root.pem")
    assert problem.code == "missing-issuer"
    assert "with another key" in problem.text


def test_same_name_with_different_keys() -> None:
    (problem,) = lint("root.pem", "reissued-root.pem")
    assert problem.code == "same-name-other-key"
    assert problem.text.count("valid to 2099-12-31") == 2


def test_duplicates_are_told_once_by_reading_or_by_lint() -> None:
    store = read_stores([STORES / "root.pem", STORES / "root.der"])
    assert [problem.code for problem in store.problems] == ["duplicate"]
    assert lint_store(store, NOW) == ()
    by_hand = TrustStore(sources=store.sources, entries=store.entries, problems=())
    assert [problem.code for problem in lint_store(by_hand, NOW)] == ["duplicate"]


def test_a_pfx_with_a_server_s_key_and_whole_chain() -> None:
    for name in ("chain.p12", "with-key.jks"):
        assert codes(name) == ["leaf-certificate", "private-key-entry", "full-chain"]


def test_a_server_s_chain_without_key() -> None:
    assert codes("chain.p7b") == ["leaf-certificate", "full-chain"]


def test_a_leaf_and_its_issuer_in_different_files_are_no_full_chain() -> None:
    assert codes("leaf.pem", "issuing.pem", "root.pem") == ["leaf-certificate"]


def test_each_private_key_is_told() -> None:
    problems = [problem for problem in lint("java-two-keys.p12") if problem.code == "private-key-entry"]
    assert ["key 1" in problems[0].text, "key 2" in problems[1].text] == [True, True]


def test_thousands_of_namesakes_are_judged_in_bounded_time() -> None:
    def variants(name: str) -> list[StoreEntry]:
        der = next(iter(read_stores([STORES / name]).entries)).der
        at = der.index(b"\xa0\x03\x02\x01\x02\x02") + 8
        changed = (der[:at] + number.to_bytes(2, "big") + der[at + 2 :] for number in range(1, 1500))
        return [StoreEntry(der=item, source=name, alias=None, kind="certificate") for item in changed]

    entries = (*variants("reissued-root.pem"), *variants("issuing.pem"))
    began = time.perf_counter()
    problems = lint_store(TrustStore(sources=(), entries=entries, problems=()), NOW)
    assert time.perf_counter() - began < 10
    assert {problem.code for problem in problems} == {"missing-issuer"}


def test_what_is_no_certificate_inside_is_told_and_nothing_raises() -> None:
    entry = StoreEntry(der=b"\x30\x03\x02\x01\x01", source="x", alias=None, kind="certificate")
    store = TrustStore(sources=("x",), entries=(entry,), problems=())
    assert [problem.code for problem in lint_store(store, NOW)] == ["damaged-certificate"]
