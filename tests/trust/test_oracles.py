"""The validators of this machine answer the same questions as the profiles, on chains that nobody has seen before.

Verdicts have to be equal, and so have the error lines of OpenSSL. A disagreement is a failure unless one of the
reasons in `EXPLAINED` applies to the case. The quick run asks 150 questions of each, `-m slow` two thousand.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from random import Random

import pytest
from cryptography import x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analyzer.trust.certificate import Certificate
from analyzer.trust.check import check
from analyzer.trust.model import TrustVerdict
from tests.trust.engines import GoX509, Jsse, UnavailableError, gnutls, openssl
from tests.trust.pki import NOW, Issued, broken, root
from tests.trust.shapes import Shape, shape
from tests.trust.test_repair import HOST, TICKETS, ask

pytestmark = pytest.mark.engine

Answer = Callable[[Shape], str | None]

QUICK, FULL = range(20_000, 20_150), range(40_000, 42_000)


def _twins_stored(case: Shape) -> bool:
    """The store holds two different certificates of one name and key."""
    stored = [Certificate.parse(der) for der in dict.fromkeys(case.store)]
    return len({(c.subject.canonical, c.spki) for c in stored}) < len(stored)


_POLICY_EXTENSIONS = frozenset({"2.5.29.32", "2.5.29.33", "2.5.29.36", "2.5.29.54"})


def _policies_are_critical(case: Shape) -> bool:
    """Some certificate has a critical extension about certificate policies."""
    certificates = [Certificate.parse(der) for der in (*case.chain, *case.store)]
    return any(e.critical and e.oid in _POLICY_EXTENSIONS for c in certificates for e in c.extensions)


def _bare_wildcard(case: Shape) -> bool:
    """The leaf is for the name `*`, which newer versions take for no wildcard."""
    return "*" in (name.text for name in Certificate.parse(case.chain[0]).alt_names or ())


EXPLAINED: Mapping[str, Mapping[str, Callable[[Shape], bool]]] = {
    "go": {
        "Go before 1.24 knows no policy constraints, and refuses them when critical": _policies_are_critical,
        "Go before 1.24 takes a bare * for any one label": _bare_wildcard,
    },
    "java": {"JSSE takes stored anchors of one name and key in the order of a hash set": _twins_stored},
}
"""Profile -> reason -> to which cases it applies."""


@lru_cache(maxsize=len(FULL))
def _drawn(seed: int) -> Shape:
    return shape(Random(seed))


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


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoX509]:
    try:
        engine = GoX509(Path(tmp_path_factory.mktemp("go")))
    except UnavailableError as why:
        pytest.skip(str(why))
    yield engine
    engine.close()


def _compare(profile: str, answer: Answer, seeds: range) -> None:
    differing = []
    for seed in seeds:
        case = _drawn(seed)
        theirs = answer(case)
        ours = check(case.chain, case.store, host=case.host, at=case.at, profile=profile)
        same = ours.accepted == (theirs is None)
        if same and profile.startswith("openssl") and _words_comparable(ours):
            same = ours.error == theirs
        if not same and not any(applies(case) for applies in EXPLAINED.get(profile, {}).values()):
            differing.append(
                f"seed {seed}: engine {theirs or 'accepts'}; profile {ours.error or 'accepts'}; {case.story}"
            )
    assert not differing, "\n".join(differing)


def _words_comparable(verdict: TrustVerdict) -> bool:
    """OpenSSL's callback is not told that the CA was sent first, the report is."""
    return not verdict.problems or verdict.problems[0].code != "wrong-chain-order"


SEEDS = pytest.mark.parametrize(
    "seeds", [pytest.param(QUICK, id="quick"), pytest.param(FULL, id="full", marks=pytest.mark.slow)]
)


@SEEDS
@pytest.mark.parametrize("partial", [False, True])
def test_the_openssl_profiles_answer_as_openssl_to_the_letter(seeds: range, *, partial: bool) -> None:
    _compare("openssl-partial" if partial else "openssl", _openssl(partial=partial), seeds)


@SEEDS
def test_the_gnutls_profile_answers_as_gnutls(seeds: range) -> None:
    _compare("gnutls", _gnutls(), seeds)


@SEEDS
@pytest.mark.java
def test_the_java_profile_answers_as_jsse(jsse: Jsse, seeds: range) -> None:
    _compare("java", lambda c: jsse.verify(c.chain, c.store, c.host, c.at), seeds)


@SEEDS
def test_the_go_profile_answers_as_crypto_x509(go: GoX509, seeds: range) -> None:
    _compare("go", lambda c: go.verify(c.chain, c.store, c.host, c.at), seeds)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.randoms(use_true_random=False), st.booleans())
def test_openssl_and_its_profile_agree_to_the_letter_of_the_error(random: Random, partial: bool) -> None:
    case = shape(random)
    theirs = _openssl(partial=partial)(case)
    profile = "openssl-partial" if partial else "openssl"
    ours = check(case.chain, case.store, host=case.host, at=case.at, profile=profile)
    assert ours.accepted == (theirs is None), case.story
    if _words_comparable(ours):
        assert ours.error == theirs, case.story


@pytest.mark.parametrize("code", TICKETS)
@pytest.mark.parametrize("partial", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_openssl_words_each_cause_as_its_command_prints_it(code: str, tmp_path: Path, *, partial: bool) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    ticket = TICKETS[code]
    leaf, sent, stored = (tmp_path / name for name in ("leaf.pem", "sent.pem", "stored.pem"))
    leaf.write_bytes(ticket.chain[0].pem)
    sent.write_bytes(b"".join(c.pem for c in ticket.chain[1:]))
    stored.write_bytes(b"".join(c.pem for c in ticket.store))
    command = ["openssl", "verify", "-purpose", "sslserver", "-attime", str(int(NOW.timestamp())), "-no-CApath"]
    command += ["-verify_hostname", HOST, "-CAfile", str(stored)]
    command += ["-untrusted", str(sent)] if ticket.chain[1:] else []
    command += ["-partial_chain"] if partial else []
    if "verify_depth" in ticket.options:
        command += ["-verify_depth", str(ticket.options["verify_depth"])]
    said = subprocess.run([*command, str(leaf)], capture_output=True, text=True, check=False)
    lines = [line for line in said.stderr.splitlines() if line.startswith("error ") and " at " in line]
    ours = ask(ticket, "openssl-partial" if partial else "openssl")
    assert ours.accepted == (said.returncode == 0)
    assert (lines[0] if lines else None) == ours.error


@pytest.mark.java
@pytest.mark.parametrize("code", TICKETS)
def test_java_words_each_cause_as_jsse_does(code: str, jsse: Jsse) -> None:
    chain, store = ([c.der for c in group] for group in (TICKETS[code].chain, TICKETS[code].store))
    ours = check(chain, store, host=HOST, at=NOW, profile="java")
    assert ours.error == jsse.verify(chain, store, HOST, NOW)


@pytest.mark.parametrize("code", TICKETS)
def test_gnutls_words_each_cause_as_the_library_does(code: str) -> None:
    chain, store = (tuple(c.der for c in group) for group in (TICKETS[code].chain, TICKETS[code].store))
    ours = check(chain, store, host=HOST, at=NOW, profile="gnutls")
    theirs = _gnutls()(Shape(chain=chain, store=store, host=HOST, at=NOW, story=code))
    assert ours.error == theirs


def test_openssl_goes_round_in_circles_among_stored_certificates_up_to_its_limit() -> None:
    start = root("Acme Root")
    one = start.issue_ca("Acme A")
    two = one.issue_ca("Acme B")
    back = two.issue_ca("Acme A")
    case = Shape(
        chain=(two.issue(HOST).der, two.der), store=(back.der, two.der), host=HOST, at=NOW, story="circle"
    )  # fmt: skip
    ours = check(case.chain, case.store, host=HOST, at=NOW)
    assert ours.error == _openssl(partial=False)(case) == "error 22 at 101 depth lookup: certificate chain too long"
    assert ours.problems[0].code == "anchor-not-self-signed"


def _gnutls_agrees(chain: Sequence[Issued], store: Sequence[Issued]) -> bool:
    """Whether the chain is accepted, which engine and profile have to agree on."""
    case = Shape(chain=tuple(c.der for c in chain), store=tuple(c.der for c in store), host=HOST, at=NOW, story="")
    accepted = _gnutls()(case) is None
    assert check(case.chain, case.store, host=HOST, at=NOW, profile="gnutls").accepted == accepted
    return accepted


def test_gnutls_takes_the_last_stored_issuer_that_is_valid_now() -> None:
    good, narrow = root("Acme Root"), root("Acme Root", path_length=0)
    expired = root("Acme Root", not_after=NOW - timedelta(days=9))
    issuing = good.issue_ca("Acme Issuing CA")
    chain = (issuing.issue(HOST), issuing)
    assert _gnutls_agrees(chain, (narrow, good))
    assert not _gnutls_agrees(chain, (good, narrow))
    assert _gnutls_agrees(chain, (good, expired))
    assert _gnutls_agrees(chain, (expired, good))
    assert not _gnutls_agrees(chain, (good, narrow, expired))


def test_gnutls_takes_a_namesake_with_another_key_when_it_stands_last() -> None:
    good, other = root("Acme Root", ski=False), root("Acme Root", ski=False, label="other")
    issuing = good.issue_ca("Acme Issuing CA", aki=None)
    chain = (issuing.issue(HOST), issuing)
    assert _gnutls_agrees(chain, (other, good))
    assert not _gnutls_agrees(chain, (good, other))


def test_gnutls_stops_sorting_at_a_self_signed_certificate() -> None:
    old, renewed = root("Acme Old Root"), root("Acme Root", not_after=NOW + timedelta(days=700))
    expired, cross = root("Acme Root", not_after=NOW - timedelta(days=9)), old.issue_ca("Acme Root", label="Acme Root")
    issuing = renewed.issue_ca("Acme Issuing CA")
    stored = old.issue_ca("Acme Issuing CA", label="Acme Issuing CA")
    chain = (issuing.issue(HOST), broken(issuing), renewed, cross)
    assert _gnutls_agrees(chain, (old, stored, expired))
    assert not _gnutls_agrees(chain, (old, stored))


@pytest.mark.parametrize(
    ("name", "tree"), [("other.test.", "test"), ("other.test", "other.test."), ("a@other.test.", "mail:other.test")]
)
def test_gnutls_drops_final_dots_before_it_compares_names_with_constraints(name: str, tree: str) -> None:
    start = root("Acme Root")
    trees = [x509.RFC822Name(tree[5:]) if tree.startswith("mail:") else x509.DNSName(tree)]
    issuing = start.issue_ca("Acme Narrow CA", extra=[(x509.NameConstraints(None, trees), True)])
    assert _gnutls_agrees((issuing.issue(HOST), issuing), (start,))
    assert not _gnutls_agrees((issuing.issue(None, names=[HOST, name]), issuing), (start,))


def test_the_oracles_tell_good_from_bad() -> None:
    """So that an oracle that always says yes, or no, is noticed."""
    acme = root("Acme Root")
    good = Shape(chain=(acme.issue("gw.example.com").der,), store=(acme.der,), host="gw.example.com", at=NOW, story="")
    bad = Shape(chain=good.chain, store=(root("Zeta Root").der,), host=good.host, at=NOW, story="")
    for answer in (_openssl(partial=False), _gnutls()):
        assert answer(good) is None
        assert answer(bad)
