"""The validators of this machine answer the same questions as the profiles, on chains that nobody has seen before.

Verdicts have to be equal, and so have the error lines of OpenSSL. The quick run asks some hundred questions, `-m slow`
two thousand and more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.trust.check import check
from tests.trust.engines import Jsse, UnavailableError, gnutls, openssl
from tests.trust.pki import NOW, root
from tests.trust.shapes import Shape, shape

pytestmark = pytest.mark.engine

Answer = Callable[[Shape], str | None]

QUICK, FULL = 120, 2000
TOLERATED = 0.005
"""GnuTLS chooses among several stored roots of one name and key by rules that its documentation does not give, and
JSSE by the order of a hash set; the verdicts of those draws may differ, which is this share at most."""


def _openssl(*, partial: bool) -> Answer:
    try:
        engine = openssl()
    except UnavailableError as why:
        pytest.skip(str(why))
    return lambda case: engine.verify(case.chain, case.store, case.host, case.at, partial=partial)


def _gnutls() -> Answer:
    try:
        engine = gnutls()
    except UnavailableError as why:
        pytest.skip(str(why))
    return lambda case: engine.verify(case.chain, case.store, case.host, case.at)


@pytest.fixture(scope="module")
def jsse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jsse]:
    try:
        engine = Jsse(Path(tmp_path_factory.mktemp("jsse")))
    except UnavailableError as why:
        pytest.skip(str(why))
    yield engine
    engine.close()


def _compare(profile: str, answer: Answer, count: int, start: int) -> None:
    differing = []
    for seed in range(start, start + count):
        case = shape(Random(seed))
        theirs = answer(case)
        ours = check(case.chain, case.store, host=case.host, at=case.at, profile=profile)
        if ours.accepted != (theirs is None):
            differing.append(
                f"seed {seed}: engine {theirs or 'accepts'}; profile {ours.error or 'accepts'}; {case.story}"
            )
    allowed = 0 if profile.startswith("openssl") else max(1, int(TOLERATED * count))
    assert len(differing) <= allowed, "\n".join(differing)


@pytest.mark.parametrize("partial", [False, True])
def test_the_openssl_profiles_answer_as_openssl(*, partial: bool) -> None:
    _compare("openssl-partial" if partial else "openssl", _openssl(partial=partial), QUICK, 20_000)


def test_the_gnutls_profile_answers_as_gnutls() -> None:
    _compare("gnutls", _gnutls(), QUICK, 20_000)


@pytest.mark.java
def test_the_java_profile_answers_as_jsse(jsse: Jsse) -> None:
    _compare("java", lambda c: jsse.verify(c.chain, c.store, c.host, c.at), QUICK, 20_000)


@pytest.mark.slow
@pytest.mark.parametrize("partial", [False, True])
def test_the_openssl_profiles_answer_as_openssl_two_thousand_times(*, partial: bool) -> None:
    _compare("openssl-partial" if partial else "openssl", _openssl(partial=partial), FULL, 40_000)


@pytest.mark.slow
def test_the_gnutls_profile_answers_as_gnutls_two_thousand_times() -> None:
    _compare("gnutls", _gnutls(), FULL, 40_000)


@pytest.mark.slow
@pytest.mark.java
def test_the_java_profile_answers_as_jsse_two_thousand_times(jsse: Jsse) -> None:
    _compare("java", lambda c: jsse.verify(c.chain, c.store, c.host, c.at), FULL, 40_000)


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.booleans())
def test_openssl_and_its_profile_agree_to_the_letter_of_the_error(random: Random, partial: bool) -> None:
    case = shape(random)
    theirs = _openssl(partial=partial)(case)
    profile = "openssl-partial" if partial else "openssl"
    ours = check(case.chain, case.store, host=case.host, at=case.at, profile=profile)
    assert ours.accepted == (theirs is None), case.story
    if ours.problems and ours.problems[0].code != "wrong-chain-order":
        assert ours.error == theirs, case.story


@pytest.mark.java
def test_java_words_the_causes_as_jsse_does(jsse: Jsse) -> None:
    from tests.trust.test_repair import HOST, TICKETS

    for code, ticket in TICKETS.items():
        chain, store = [c.der for c in ticket.chain], [c.der for c in ticket.store]
        ours = check(chain, store, host=HOST, at=NOW, profile="java")
        assert ours.error == jsse.verify(chain, store, HOST, NOW), code


def test_gnutls_words_the_causes_as_the_library_does() -> None:
    from tests.trust.test_repair import HOST, TICKETS

    answer = _gnutls()
    for code, ticket in TICKETS.items():
        case = Shape(
            chain=tuple(c.der for c in ticket.chain),
            store=tuple(c.der for c in ticket.store),
            host=HOST,
            at=NOW,
            story=code,
        )
        assert check(case.chain, case.store, host=HOST, at=NOW, profile="gnutls").error == answer(case), code


def test_the_oracles_tell_good_from_bad() -> None:
    """So that an oracle that always says yes, or no, is noticed."""
    acme = root("Acme Root")
    good = Shape(chain=(acme.issue("gw.example.com").der,), store=(acme.der,), host="gw.example.com", at=NOW, story="")
    bad = Shape(chain=good.chain, store=(root("Zeta Root").der,), host=good.host, at=NOW, story="")
    for answer in (_openssl(partial=False), _gnutls()):
        assert answer(good) is None
        assert answer(bad)
