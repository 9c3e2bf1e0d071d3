"""The trust checker's front door: one chain, one store, one validator, one verdict.

`check` answers one question. `Checker` holds a parsed store for many: what was found is cached, and the cache key holds
the moment only as precisely as it matters, namely by which validity periods of the certificates at hand it is in.
Sentences that name the moment ("expired 12 days before ...") are put into words anew for each moment asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from analyzer.errors import InputError
from analyzer.trust.certificate import Certificate, describe, instant, printable
from analyzer.trust.model import PathAttempt, TrustProblem, TrustVerdict
from analyzer.trust.names import reference
from analyzer.trust.path import Budget, Case, Failure, Path, Pool, Purpose
from analyzer.trust.profile import Profile, Setting, profile_of
from analyzer.trust.search import Attempt, Outcome, search
from analyzer.trust.signatures import hash_name, signature_family

__all__ = ["Checker", "check", "judge", "policy_of", "seconds_of"]

_EVER: Final = (-(1 << 62), 1 << 62)

MAX_STEPS: Final = 4000
"""Steps of one search: some ten times what the deepest sane chain with cross-signs takes."""

MAX_CHAIN: Final = 256
"""Certificates of one chain that are looked at; no stack sends or takes as many."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def check(
    chain: Sequence[bytes],
    anchors: Sequence[bytes],
    *,
    host: str | None = None,
    at: datetime | None = None,
    profile: str = "openssl",
    intermediates: Sequence[bytes] = (),
    verify_depth: int | None = None,
) -> TrustVerdict:
    """What the validator `profile` says of `chain` (DER certificates, leaf first) when it trusts `anchors`.

    `host` is the name or address that the client meant; None leaves it unchecked and says so in `notes`. `at` is an
    aware datetime, None means now. `intermediates` may be used without being trusted. `verify_depth` is the
    configured limit on intermediates. Raises `InputError` for an empty chain, a naive time or an unknown profile.
    """
    return Checker(anchors, intermediates=intermediates, verify_depth=verify_depth).check(
        chain, host=host, at=at, profile=profile
    )


class Checker:
    """A store, parsed once, against which many chains are checked."""

    __slots__ = ("_answers", "_cache", "_intermediates", "_moments", "_store", "_verify_depth")

    _CACHED: Final = 4096

    def __init__(
        self,
        anchors: Iterable[bytes],
        *,
        intermediates: Iterable[bytes] = (),
        verify_depth: int | None = None,
    ) -> None:
        """Read the store's and the further certificates (DER); unreadable ones can serve for nothing."""
        self._store = Pool(tuple(c for c in map(Certificate.parse, anchors) if not c.malformed))
        self._intermediates = tuple(c for c in map(Certificate.parse, intermediates) if not c.malformed)
        self._verify_depth = verify_depth
        self._cache: OrderedDict[tuple[object, ...], _Judgement] = OrderedDict()
        self._answers: dict[tuple[object, ...], tuple[int, int, tuple[TrustVerdict, ...]]] = {}
        self._moments = _edges((*self._store.certificates, *self._intermediates))

    @property
    def anchors(self) -> tuple[Certificate, ...]:
        """The readable certificates of the store, each once."""
        return self._store.certificates

    def check(
        self,
        chain: Sequence[bytes],
        *,
        host: str | None = None,
        at: datetime | None = None,
        profile: str = "openssl",
        purpose: Purpose = "server",
    ) -> TrustVerdict:
        """The verdict on one chain; see `check`. `purpose` is `client` for a client's certificate."""
        seconds = seconds_of(at)
        judgement, _ = self._known(chain, host, seconds, profile, purpose)
        return judgement.at(seconds)

    def check_by(
        self,
        chain: tuple[bytes, ...],
        profiles: tuple[str, ...],
        *,
        host: str | None = None,
        at: datetime | None = None,
        purpose: Purpose = "server",
    ) -> tuple[TrustVerdict, ...]:
        """The verdicts of several validators on one chain; see `check`.

        Asked again and again about one chain this is quick: one answer is good until a validity begins or ends.
        """
        seconds = seconds_of(at)
        key = (chain, profiles, host, purpose)
        known = self._answers.get(key)
        if known is not None and known[0] <= seconds < known[1]:
            return known[2]
        found = [self._known(chain, host, seconds, profile, purpose) for profile in profiles]
        verdicts = tuple(judgement.at(seconds) for judgement, _ in found)
        window = found[0][1] if found and not any(judgement.dated for judgement, _ in found) else (seconds, seconds + 1)
        if len(self._answers) >= self._CACHED:
            self._answers.clear()
        self._answers[key] = (*window, verdicts)
        return verdicts

    def _known(
        self, chain: Sequence[bytes], host: str | None, seconds: int, profile: str, purpose: Purpose
    ) -> tuple[_Judgement, tuple[int, int]]:
        """What was found once for all chains that are alike, and the seconds (from, to before) in which it holds."""
        policy = policy_of(profile)
        if not chain:
            raise InputError("the chain", "it holds no certificate")
        certificates = tuple(Certificate.parse(data) for data in chain[:MAX_CHAIN])
        own = _edges(certificates)
        windows = (_between(self._moments, seconds), _between(own, seconds))
        key = (tuple(c.sha256 for c in certificates), host, profile, purpose, *windows)
        known = self._cache.get(key)
        if known is None:
            known = self._cache[key] = _judgement(
                certificates,
                store=self._store,
                intermediates=self._intermediates,
                host=host,
                seconds=seconds,
                profile=policy,
                verify_depth=self._verify_depth,
                purpose=purpose,
            )
            if len(self._cache) > self._CACHED:
                self._cache.popitem(last=False)
        else:
            self._cache.move_to_end(key)
        (begin, end), (own_begin, own_end) = _holds(self._moments, seconds), _holds(own, seconds)
        return known, (max(begin, own_begin), min(end, own_end))


def judge(
    chain: tuple[Certificate, ...],
    *,
    store: Pool,
    intermediates: tuple[Certificate, ...] = (),
    host: str | None,
    seconds: int,
    profile: Profile,
    verify_depth: int | None = None,
    purpose: Purpose = "server",
    vouched: frozenset[str] = frozenset(),
) -> TrustVerdict:
    """The verdict on certificates that have been read; `seconds` is the moment, since 1970.

    `vouched` are digests of certificates whose signature is taken for good: a repair supposes them reissued.
    """
    return _judgement(
        chain,
        store=store,
        intermediates=intermediates,
        host=host,
        seconds=seconds,
        profile=profile,
        verify_depth=verify_depth,
        purpose=purpose,
        vouched=vouched,
    ).at(seconds)


class _Judgement:
    """What was found, good for every moment of one window between begins and ends of validity.

    When no sentence names the moment, every moment gets the same verdict; else the words are found again.
    """

    __slots__ = ("_case", "_outcome", "_seconds", "_verdict")

    def __init__(self, verdict: TrustVerdict, seconds: int, case: Case | None, outcome: Outcome | None) -> None:
        """`case` and `outcome` are what the verdict was worded from, None when it holds at any moment."""
        self._verdict = verdict
        self._seconds = seconds
        self._case = case
        self._outcome = outcome

    @property
    def dated(self) -> bool:
        """Whether a sentence of it names the moment."""
        return self._case is not None

    def at(self, seconds: int) -> TrustVerdict:
        """The verdict at a moment of the window."""
        if self._case is not None and self._outcome is not None and seconds != self._seconds:
            reworded = _verdict(self._case, self._outcome, seconds)
            self._verdict, self._seconds = replace(reworded, stricter=self._verdict.stricter), seconds
        return self._verdict


def _judgement(
    chain: tuple[Certificate, ...],
    *,
    store: Pool,
    intermediates: tuple[Certificate, ...],
    host: str | None,
    seconds: int,
    profile: Profile,
    verify_depth: int | None,
    purpose: Purpose,
    vouched: frozenset[str] = frozenset(),
) -> _Judgement:
    refused = _refused_reading(chain, profile)
    if refused is not None:
        return _Judgement(_verdict_of_unreadable(profile, chain, refused, seconds), seconds, None, None)
    readable = tuple(_as_read(c, profile) for c in chain if not c.malformed)
    case = Case(
        chain=readable,
        sent=Pool((*readable[1:], *intermediates)),
        store=store,
        wanted=None if host is None else reference(host),
        at=seconds,
        profile=profile,
        verify_depth=verify_depth,
        purpose=purpose,
        budget=Budget(signatures=profile.max_signature_checks, steps=MAX_STEPS, vouched=vouched),
    )
    outcome = search(case)
    verdict = _verdict(case, outcome, seconds)
    if verdict.accepted and profile.stricter is not None:
        verdict = replace(verdict, stricter=_stricter(case, profile.stricter, seconds))
    attempts = (outcome.best, *outcome.attempts)
    if any(failure.edge is not None for attempt in attempts for failure in attempt.failures):
        return _Judgement(verdict, seconds, case, outcome)
    return _Judgement(verdict, seconds, None, None)


def _stricter(case: Case, setting: Setting, seconds: int) -> tuple[TrustProblem, ...]:
    """What the validator finds in a stricter setting, in a chain that it accepts."""
    budget = Budget(signatures=case.profile.max_signature_checks, steps=MAX_STEPS)
    again = replace(case, profile=case.profile.strictly(), budget=budget)
    problems = _problems(again, search(again).best, seconds)
    return tuple(replace(problem, text=f"{problem.text}, {setting.title}") for problem in problems)


def policy_of(profile: str) -> Profile:
    """The profile of that name. Raises `InputError` that lists the known ones."""
    try:
        return profile_of(profile)
    except ValueError as error:
        raise InputError("the profile", str(error)) from None


def seconds_of(at: datetime | None) -> int:
    """A moment as seconds since 1970, rounded down; now for None. Raises `InputError` for a naive one."""
    if at is None:
        at = datetime.now(UTC)
    if at.tzinfo is None:
        raise InputError("the time", "it has no time zone", hint="Give an aware datetime, UTC for instance.")
    return (at - _EPOCH) // timedelta(seconds=1)


def _edges(certificates: Iterable[Certificate]) -> tuple[int, ...]:
    """The seconds at which some validity begins or ends."""
    return tuple(sorted({t for c in certificates for t in (c.not_before, c.not_after) if t is not None}))


def _between(edges: tuple[int, ...], seconds: int) -> tuple[int, bool]:
    """Which interval between the edges a moment is in; the edges themselves are intervals of their own."""
    index = bisect_left(edges, seconds)
    return index, index < len(edges) and edges[index] == seconds


def _holds(edges: tuple[int, ...], seconds: int) -> tuple[int, int]:
    """The seconds (from, to before) that are in the same interval as a moment."""
    index, exactly = _between(edges, seconds)
    if exactly:
        return seconds, seconds + 1
    return edges[index - 1] + 1 if index else _EVER[0], edges[index] if index < len(edges) else _EVER[1]


def _refused_reading(chain: tuple[Certificate, ...], profile: Profile) -> Failure | None:
    """The certificate for which this validator gives up before it builds any path."""
    looked_at = chain if profile.every_sent_must_parse else chain[:1]
    for depth, certificate in enumerate(looked_at):
        reason = certificate.malformed
        if reason is None and (depth == 0 or profile.every_sent_must_parse):
            refused = (w for what, w in certificate.unreadable.items() if what in profile.refused_at_once)
            reason = next(refused, None)
        if reason is not None:
            detail = printable(reason)
            text = f"certificate {depth + 1} of the chain cannot be read by this validator: {detail}"
            return Failure(
                code="malformed-certificate",
                reason="unparsable",
                depth=depth,
                certificate=certificate,
                text=text,
                facts={"detail": detail, "subject": printable(str(certificate.subject))},
            )
    return None


def _as_read(certificate: Certificate, profile: Profile) -> Certificate:
    """JSSE drops an alternative name extension in which one name is malformed, and goes on without it."""
    odd = {"2.5.29.17", "alt-name-form", "alt-name-length"}
    if profile.drops_odd_names and not odd.isdisjoint(certificate.unreadable):
        return replace(certificate, alt_names=None)
    return certificate


def _verdict_of_unreadable(
    profile: Profile, chain: tuple[Certificate, ...], failure: Failure, seconds: int
) -> TrustVerdict:
    problem = failure.problem_at(seconds)
    return TrustVerdict(
        profile=profile.name,
        accepted=False,
        error=_error(profile, None, failure, seconds),
        path=(chain[0].sha256,),
        problems=(problem,),
        attempts=(PathAttempt(path=(chain[0].sha256,), anchored=False, problems=(problem,)),),
        notes=profile.notes,
    )


def _verdict(case: Case, outcome: Outcome, seconds: int) -> TrustVerdict:
    profile, best = case.profile, outcome.best
    notes = list(profile.notes)
    if case.wanted is None:
        notes.append("the host name was not checked: it is not known which name the client meant")
    if outcome.budget_spent:
        notes.append("the search was cut short: the certificates offer too many combinations to try them all")
    problems = _problems(case, best, seconds)
    return TrustVerdict(
        profile=profile.name,
        accepted=not problems,
        error=_line(case, outcome, seconds) if best.failures else None,
        path=_digests(best.path),
        problems=problems,
        attempts=tuple(
            PathAttempt(path=_digests(a.path), anchored=a.path.anchored, problems=_distinct(a.failures, seconds))
            for a in outcome.attempts
        ),
        notes=tuple(notes),
    )


def _line(case: Case, outcome: Outcome, seconds: int) -> str:
    """What this validator logs: for its first failure, or for all that it reports at once."""
    profile, best = case.profile, outcome.best
    first = best.failures[0]
    if outcome.budget_spent and "signature-limit" in profile.errors and not first.check:
        return profile.errors["signature-limit"]
    if not profile.joined_errors or first.reason not in profile.errors:
        return _error(profile, best.path, first, seconds)
    together = {
        f.reason
        for f in best.failures
        if f is first or f.check == "host" or (f.check == "eku" and f.depth == 0)
        or (f.check == "dates" and f.depth == first.depth)
    }  # fmt: skip
    return profile.joined_errors + "".join(dict.fromkeys(t for r, t in profile.errors.items() if r in together))


def _problems(case: Case, best: Attempt, seconds: int) -> tuple[TrustProblem, ...]:
    problems = _distinct(best.failures, seconds)
    if problems:
        misplaced = _leaf_not_first(case)
        if misplaced is not None:
            return (misplaced, *problems)
    return problems


def _distinct(failures: tuple[Failure, ...], seconds: int) -> tuple[TrustProblem, ...]:
    """Each code once for each certificate: one expired leaf is one problem."""
    unique: dict[tuple[str, str | None], TrustProblem] = {}
    for failure in failures:
        problem = failure.problem_at(seconds)
        unique.setdefault((problem.code, problem.certificate), problem)
    return tuple(unique.values())


def _leaf_not_first(case: Case) -> TrustProblem | None:
    """A CA stands first and what it issued, a server's certificate, comes later."""
    first = case.leaf
    if not first.is_ca:
        return None
    for certificate in case.chain[1:]:
        if certificate.is_ca or certificate == first:
            continue
        if certificate.alt_names_of("dns") or certificate.alt_names_of("ip") or _descends(case, certificate, first):
            return TrustProblem(
                code="wrong-chain-order",
                certificate=first.sha256,
                text=f"the CA {first.title} was sent first; the leaf {certificate.title} has to come first",
            )
    return None


def _descends(case: Case, certificate: Certificate, ancestor: Certificate) -> bool:
    names = {c.subject.canonical: c for c in case.chain}
    seen = 0
    current: Certificate | None = certificate
    while current is not None and seen <= len(case.chain):
        if current == ancestor:
            return True
        current = names.get(current.issuer.canonical)
        seen += 1
    return False


def _digests(path: Path) -> tuple[str, ...]:
    """The path's digests; a self-signed leaf that is its own anchor is shown once."""
    return tuple(dict.fromkeys(c.sha256 for c in path.certificates))


def _error(profile: Profile, path: Path | None, failure: Failure, seconds: int) -> str:
    """The line that this validator logs for the failure."""
    searched = path is not None and path.searched and failure.check not in profile.after_building
    template = (profile.errors.get("searched") if searched else None) or profile.errors.get(failure.reason)
    if template is None:
        return failure.text_at(seconds)
    facts = _Facts({"depth": str(failure.depth), "at": instant(seconds), **failure.facts})
    facts.certificate = failure.certificate
    return template.format_map(facts)


class _Facts(dict[str, str]):
    """What a template may name; what is to be said about the certificate is found out when it is asked for."""

    certificate: Certificate | None = None

    def __missing__(self, name: str) -> str:
        return _about(self.certificate).get(name, "?")


def _about(certificate: Certificate | None) -> dict[str, str]:
    if certificate is None:
        return {}
    digest = (hash_name(certificate) or certificate.signature_oid).upper()
    family = {"rsa": "RSA", "ec": "ECDSA", "dsa": "DSA"}.get(signature_family(certificate) or "", "?")
    names = (*certificate.subject.common_names, *certificate.subject.values("2.5.4.10"))
    key = describe(certificate, "").key.partition(" ")[0]
    return {
        "issuer": printable(str(certificate.issuer)),
        "subject_spaced": printable(certificate.subject.spaced),
        "candidate": printable(names[0]) if names else f"serial:{certificate.serial}",
        "java_algorithm": f"{digest}with{family}",
        "go_algorithm": f"{digest}-{family}" if family != "ECDSA" else f"{family}-{digest}",
        "key": f"{key} {certificate.key_bits} bit key used with certificate: {printable(certificate.subject.spaced)}",
        "not_after": instant(certificate.not_after),
        "not_before": instant(certificate.not_before),
    }
