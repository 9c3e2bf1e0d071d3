"""Some cases of the lab, recorded afresh and scored: the whole of it is docs/lab.md."""

from __future__ import annotations

from pathlib import Path

import pytest

from captures.record import lab
from captures.record.matrix import cases
from captures.record.matrix.__main__ import read_manifest, record_all, unable
from captures.record.score import Score, reached, score_all

pytestmark = pytest.mark.lab

CHOSEN = (
    "missing-root-curl-tls12",
    "missing-root-java-nio-tls12",
    "missing-root-java-http-tls13",
    "missing-root-nginx-proxy-tls13",
    "missing-root-libcurl-gnutls-tls12",
    "missing-root-nss-tls12",
    "missing-root-erlang-tls13",
    "missing-intermediate-haproxy-tls12",
    "self-signed-leaf-go-tls13",
    "reissued-root-stunnel-tls12",
    "intermediate-only-curl-tls12",
    "intermediate-only-openssl-tls12",
    "expired-leaf-node-tls12",
    "expired-leaf-wget-tls13",
    "hostname-mismatch-curl-tls13",
    "hostname-mismatch-apache-tls12",
    "cn-only-go-tls12",
    "cn-only-openssl-tls12",
    "wrong-usage-gnutls-tls13",
    "usual-haproxy-tls13",
    "usual-gnutls-tls13",
    "shuffled-go-tls12",
    "kept-alive-curl-tls13",
    "resumed-curl-tls12",
    "snap-96-missing-root-curl-tls12",
    "ended-early-missing-root-openssl-tls13",
)


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Score]]:
    """Every score of each chosen case that this machine could record."""
    if problem := unable():
        pytest.skip(f"this machine cannot record: {problem}")
    folder: Path = tmp_path_factory.mktemp("lab")
    lab.remove_leftovers()
    chosen = [case for case in cases() if case.name in CHOSEN]
    assert len(chosen) == len(CHOSEN)
    failed = record_all(chosen, folder, jobs=2, again=True)
    assert not failed
    found: dict[str, list[Score]] = {}
    for one in score_all(read_manifest(folder).values(), folder, jobs=2):
        found.setdefault(one.name, []).append(one)
    return found


@pytest.mark.parametrize("name", CHOSEN)
def test_the_cause_and_who_left_are_right_where_the_evidence_is_at_hand(
    scores: dict[str, list[Score]], name: str
) -> None:
    if name not in scores:
        pytest.skip("a stack of this case is not installed")
    for one in scores[name]:
        if one.way != "unaided":
            assert (one.cause, one.aborted_by) == ("right", "right"), one


def test_nothing_that_was_accepted_is_called_failed_and_nothing_wrong_is_certain(
    scores: dict[str, list[Score]],
) -> None:
    every = [one for members in scores.values() for one in members]
    if not every:
        pytest.skip("no stack of the cases is installed")
    assert not [one for one in every if one.called_failed or one.rash]
    assert reached(every)
