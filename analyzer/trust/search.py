"""Building paths from the leaf to an anchor, in the manner of each validator, with one bounded search.

    first       take the first fitting candidate, the store before what was sent, never go back
    sorted      sort what was sent into one chain, cut it where the store holds it, look for the last one's issuer
    as-sent     follow the order sent up to an anchor; only when it leads to none, search with going back
    backtrack   depth first over all candidates, anchors first

`search` gives an `Outcome`: every path that was tried with what failed on it, and the one that came closest. The
budget bounds signature checks and steps, so a crafted chain costs bounded time; when it is spent, that is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.trust.certificate import Certificate, Name
from analyzer.trust.checks import added_failures, failures
from analyzer.trust.path import Case, Failure, Path
from analyzer.trust.signatures import key_family, signature_family
from analyzer.trust.unanchored import dead_end

__all__ = ["Attempt", "Outcome", "search"]

MAX_ATTEMPTS: Final = 48
"""Paths kept for the report: more than anyone reads, few enough to keep a crafted chain's report small."""

MAX_SORTED: Final = 16
"""GnuTLS sorts no more certificates than this (DEFAULT_MAX_VERIFY_DEPTH) and otherwise takes them as sent."""

_REPORT_SIGNATURES: Final = 200
_REPORT_STEPS: Final = 400
"""What looking for near misses may cost once it is clear that no path passes."""

_NO_RETURN: Final = frozenset({"signature", "signature-limit", "algorithm", "issuer-key", "key-id"})
"""Failures after which it makes no sense to follow a path even for the report: this is not the issuer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A path and what failed on it; no failure means that it is accepted."""

    path: Path
    failures: tuple[Failure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """All attempts in the order tried, and the best: the accepted one, or the one that came closest."""

    best: Attempt
    attempts: tuple[Attempt, ...]
    budget_spent: bool


def search(case: Case) -> Outcome:
    """Try paths until one passes every check of the profile, or none is left."""
    attempts: list[Attempt] = []
    for path in _paths(case):
        attempt = Attempt(path=path, failures=_judge(case, path))
        attempts.append(attempt)
        if path.anchored and all(f.check in case.profile.after_building for f in attempt.failures):
            return Outcome(best=attempt, attempts=tuple(_kept(attempts)), budget_spent=case.budget.spent)
        if len(attempts) >= 4 * MAX_ATTEMPTS:
            break
    kept = _kept(attempts)
    return Outcome(best=min(kept, key=_distance), attempts=tuple(kept), budget_spent=case.budget.spent)


def _judge(case: Case, path: Path) -> tuple[Failure, ...]:
    """The failures in the order in which this validator would report them."""
    found = tuple(failures(case, path))
    if path.end is None:
        return found
    early = tuple(f for f in found if f.depth == 0 and f.check in case.profile.before_building)
    return (*early, path.end, *(f for f in found if f not in early))


def _distance(attempt: Attempt) -> tuple[int, int, int]:
    """How far an attempt is from being accepted: reaching an anchor counts most, then few failures."""
    path = attempt.path
    broken = any(f.reason in _NO_RETURN for f in attempt.failures)
    return (int(not path.anchored) + int(broken), len(attempt.failures), -len(path.certificates))


def _kept(attempts: list[Attempt]) -> list[Attempt]:
    unique: dict[tuple[str, ...], Attempt] = {}
    for attempt in attempts:
        unique.setdefault(tuple(c.sha256 for c in attempt.path.certificates), attempt)
    kept = list(unique.values())
    if len(kept) <= MAX_ATTEMPTS:
        return kept
    best = min(kept, key=_distance)
    return [*kept[: MAX_ATTEMPTS - 1], best]


def _paths(case: Case) -> Iterator[Path]:
    if case.profile.search == "first":
        yield _first(case)
    elif case.profile.search == "sorted":
        yield from _sorted(case)
    else:
        pinned = _pinned(case)
        if pinned is not None:
            yield pinned
            return
        if case.profile.search == "as-sent":
            straight = list(_as_sent(case))
            if straight:
                yield from straight
                return
        yield from _backtrack(case)


def _pinned(case: Case) -> Path | None:
    """The leaf itself as the anchor."""
    if case.leaf not in case.store:
        return None
    rule = case.profile.pinned_leaf
    if rule == "yes" or (rule == "self-signed" and case.leaf.self_issued):
        return Path(certificates=(case.leaf,), trusted=0, anchored=True)
    return None


# Candidates


def _may_issue(case: Case, certificate: Certificate, issuer: Certificate) -> bool:
    """Whether this validator takes `issuer` for a possible issuer before it looks at the signature."""
    profile = case.profile
    if profile.unreadable_means_no_issuer and any(
        what in profile.unreadable_means_no_issuer for c in (certificate, issuer) for what in c.unreadable
    ):
        return False
    if profile.key_ids == "require" and not _key_ids_fit(certificate, issuer):
        return False
    if profile.issuer_serial == "require" and not _issuer_serial_fits(certificate, issuer):
        return False
    usage = issuer.key_usage
    if profile.issuer_needs_sign and certificate != issuer and usage is not None and not usage & 1 << 5:
        return False
    if profile.match_algorithms:
        wanted, family = signature_family(certificate), key_family(issuer)
        if wanted is not None and family is not None and family.removesuffix("-pss") != wanted:
            return False
    return True


def _key_ids_fit(certificate: Certificate, issuer: Certificate) -> bool:
    wanted = certificate.authority_key_id.key_id if certificate.authority_key_id else None
    return wanted is None or issuer.subject_key_id is None or wanted == issuer.subject_key_id


def _issuer_number_fits(certificate: Certificate, issuer: Certificate) -> bool:
    """The serial number alone, which JSSE compares for anchors of version 3."""
    named = certificate.authority_key_id
    return named is None or named.serial is None or issuer.version < 3 or named.serial == issuer.serial_bytes


def _issuer_serial_fits(certificate: Certificate, issuer: Certificate) -> bool:
    named = certificate.authority_key_id
    if named is None:
        return True
    if named.serial is not None and named.serial != issuer.serial_bytes:
        return False
    return named.issuer is None or named.issuer.canonical == issuer.issuer.canonical


def _self_signed(case: Case, certificate: Certificate) -> bool:
    """Whether this validator takes the certificate for self-signed, which it tells without the signature."""
    return certificate.self_issued and _may_issue(case, certificate, certificate)


def _valid_now(case: Case, certificate: Certificate) -> bool:
    before, after = certificate.not_before, certificate.not_after
    if before is None or after is None or case.at < before:
        return False
    return case.at < after or (case.at == after and case.profile.last_second == "valid")


def _pick(case: Case, candidates: list[Certificate]) -> Certificate | None:
    if not candidates:
        return None
    if not case.profile.prefer_valid:
        return candidates[0]
    for candidate in candidates:
        if _valid_now(case, candidate):
            return candidate
    return max(candidates, key=lambda c: c.not_after or 0)


def _stored_issuers(case: Case, certificate: Certificate) -> list[Certificate]:
    named = case.store.named_like_issuer_of(certificate, case.profile)
    return [c for c in named if _may_issue(case, certificate, c)]


# first


def _first(case: Case) -> Path:
    """OpenSSL goes round in circles among stored certificates up to its depth limit; here one round is enough."""
    profile = case.profile
    path = [case.leaf]
    unused = [c for c in case.sent.certificates if c != case.leaf or _self_signed(case, case.leaf)]
    trusted: int | None = None
    anchored = ends_self_signed = circles = False
    most = None if case.max_intermediates is None else case.max_intermediates + 2
    while case.budget.step():
        top = path[-1]
        self_signed = _self_signed(case, top)
        room = most is None or len(path) < most
        if trusted is not None and self_signed:
            break
        issuer = _pick(case, _stored_issuers(case, top)) if room else None
        if issuer is not None and self_signed:
            ends_self_signed = True
            if issuer == top:
                trusted = len(path) - 1
                anchored = True
            break
        circles = issuer is not None and issuer in path[trusted or len(path) :]
        if circles:
            break
        if issuer is not None:
            trusted = len(path) if trusted is None else trusted
            path.append(issuer)
            anchored = anchored or profile.anchor == "any" or _self_signed(case, issuer)
            if anchored and not (profile.climb_store and not _self_signed(case, issuer)):
                break
            continue
        if trusted is not None or self_signed:
            ends_self_signed = self_signed
            break
        named = [c for c in unused if _same_name(case, top, c)] if room else []
        issuer = _pick(case, [c for c in named if c not in path and _may_issue(case, top, c)])
        if issuer is None:
            break
        path.append(issuer)
        unused.remove(issuer)
    if not anchored and trusted is None and profile.anchor == "any" and case.leaf in case.store:
        return Path(certificates=tuple(path), trusted=0, anchored=True)
    found = Path(certificates=tuple(path), trusted=len(path) if trusted is None else trusted, anchored=anchored)
    if anchored:
        return found
    too_long = most is not None and len(path) >= most and not ends_self_signed
    ended = _ended(case, found, too_long=too_long)
    if circles and most is not None and ended.end is not None:
        return replace(ended, end=replace(ended.end, reason="too-long", depth=most - 1))
    return ended


def _same_name(case: Case, certificate: Certificate, issuer: Certificate) -> bool:
    if case.profile.same_name == "canonical":
        return certificate.issuer.canonical == issuer.subject.canonical
    return certificate.issuer.der == issuer.subject.der


def _ended(case: Case, path: Path, *, too_long: bool = False) -> Path:
    end = dead_end(case, path, too_long=too_long)
    return Path(certificates=path.certificates, trusted=path.trusted, anchored=False, searched=path.searched, end=end)


# sorted


def _sorted(case: Case) -> Iterator[Path]:
    """GnuTLS: first the stored issuers of the last certificate, then that certificate itself in the store.

    The second only when no stored issuer is there, or those that are have expired or are weak.
    """
    chain = _cut_at_store(case, _sort(case))
    last = chain[-1]
    found = list(_onto_stored(case, chain, _bucket_of(case, last.issuer)))
    yield from found
    if not last.self_issued and all(_unsettled(case, path) for path in found):
        again = list(_onto_stored(case, chain, _bucket_of(case, last.subject)))
        yield from again
        found += again
    if not found:
        yield _ended(case, Path(certificates=tuple(chain), trusted=len(chain), anchored=False))


def _onto_stored(case: Case, chain: list[Certificate], bucket: list[Certificate]) -> Iterator[Path]:
    """The chain below its first stored certificate, onto the last stored issuer that is valid now (else the first).

    Signatures are not looked at: a namesake with another key that stands later in the store is taken.
    """
    if len(chain) > 1 and _self_signed(case, chain[-1]):
        chain = chain[:-1]
    same = _same_key_as_stored(chain, bucket)
    if same is not None:
        index, stored = same
        if index == 0 or not _valid_now(case, stored):
            yield _linked(case, Path(certificates=(*chain[:index], stored), trusted=index, anchored=True))
            return
        chain = chain[:index]
    last = chain[-1]
    fitting = [c for c in bucket if _same_name(case, last, c) and _may_issue(case, last, c)]
    if fitting:
        valid = [c for c in fitting if _valid_now(case, c)]
        anchor = valid[-1] if valid else fitting[0]
        yield _linked(case, Path(certificates=(*chain, anchor), trusted=len(chain), anchored=True))


def _linked(case: Case, path: Path) -> Path:
    """The path, or its part below the first gap, when what was sent came in several pieces."""
    certificates = path.certificates
    for index in range(1, len(certificates)):
        below, above = certificates[index - 1 : index + 1]
        if not (_same_name(case, below, above) and _may_issue(case, below, above)):
            return _ended(case, Path(certificates=certificates[:index], trusted=index, anchored=False))
    return path


def _unsettled(case: Case, path: Path) -> bool:
    """Whether GnuTLS would look further: a gap, or a date or strength among what fails first from the anchor down."""
    if not path.anchored:
        return True
    found = [(_bond(f), f) for f in failures(case, path) if f.check != "host"]
    upper = max((bond for bond, _ in found), default=None)
    return any(
        f.reason == "expired" or f.check in ("key-strength", "signature-strength") for bond, f in found if bond == upper
    )


def _bond(failure: Failure) -> int:
    """Which pair of certificates GnuTLS was looking at: the depth of the lower one.

    Flags and constraints of an issuer are looked at together with the signature, date and strength of what it issued.
    """
    return failure.depth - (failure.check in ("ca", "path-length"))


_BUCKETS: Final = 127


def _bucket_of(case: Case, name: Name) -> list[Certificate]:
    """The stored certificates that GnuTLS looks through for a name: all whose subject falls into the same bucket.

    Names meet in a bucket by chance too, and then count: a stored leaf is found when its issuer's name meets it.
    """
    wanted = _bucket(name.der)
    return [c for c in case.store.certificates if _bucket(c.subject.der) == wanted]


@lru_cache(maxsize=8192)
def _bucket(data: bytes) -> int:
    """Bob Jenkins' adaptation of P. J. Weinberger's hash, as gnulib's hash_pjw_bare computes it on 64 bits."""
    value = 0
    for octet in data:
        value = (octet + (value << 9 | value >> 55)) & 0xFFFFFFFFFFFFFFFF
    return value % _BUCKETS


def _sort(case: Case) -> list[Certificate]:
    """What was sent, segment by segment: each starts where the last one ended and follows the first issuers found.

    It stops as soon as the store holds the issuer of a segment's end; else everything sent is kept.
    """
    rest = list(dict.fromkeys((*case.chain, *case.sent.certificates)))
    if len(rest) > MAX_SORTED:
        return rest
    chain: list[Certificate] = []
    while rest:
        head, *rest = rest
        segment = [head]
        while True:
            top = segment[-1]
            above = next((c for c in rest if _same_name(case, top, c) and _may_issue(case, top, c)), None)
            if above is None or above in segment:
                break
            segment.append(above)
        rest = [c for c in rest if c not in segment]
        chain += segment
        if _stored_issuers(case, chain[-1]):
            break
    return chain


def _cut_at_store(case: Case, chain: list[Certificate]) -> list[Certificate]:
    if len(chain) > 1 and _self_signed(case, chain[-1]):
        chain = chain[:-1]
    for index in range(1, len(chain)):
        if chain[index] in _bucket_of(case, chain[index].issuer):
            return chain[: index + 1]
    return chain


def _same_key_as_stored(chain: list[Certificate], bucket: list[Certificate]) -> tuple[int, Certificate] | None:
    for index, certificate in enumerate(chain):
        for stored in bucket:
            if stored == certificate:
                return index, stored
            if index and stored.subject.der == certificate.subject.der and stored.spki == certificate.spki:
                return index, stored
    return None


# as-sent


def _as_sent(case: Case) -> Iterator[Path]:
    """JSSE's own first try: nothing when the order is broken or no anchor has the last issuer's name."""
    chain = case.chain
    for index in range(1, len(chain)):
        if not _same_name(case, chain[index - 1], chain[index]):
            return
        stored = case.store.with_subject(chain[index])
        if any(c == chain[index] or c.spki == chain[index].spki for c in stored):
            yield from _onto_anchors(case, chain[:index])
            return
    if case.store.named_like_issuer_of(chain[-1], case.profile):
        yield from _onto_anchors(case, chain)


def _onto_anchors(case: Case, chain: tuple[Certificate, ...]) -> Iterator[Path]:
    last = chain[-1]
    fitting = [
        c
        for c in case.store.named_like_issuer_of(last, case.profile)
        if case.profile.key_ids == "hint" or (_key_ids_fit(last, c) and _issuer_number_fits(last, c))
    ]
    for anchor in fitting:
        yield Path(certificates=(*chain, anchor), trusted=len(chain), anchored=True)
    if not fitting:
        path = _ended(case, Path(certificates=chain, trusted=len(chain), anchored=False))
        if path.end is not None:
            path = replace(path, end=replace(path.end, reason="no-fitting-anchor"))
        yield path


# backtrack


def _backtrack(case: Case) -> Iterator[Path]:
    """First the paths on which nothing fails, and when there is none, the near misses for the report."""
    start = Path(certificates=(case.leaf,), trusted=1, anchored=False, searched=True)
    strict = list(_grow(case, start, strict=True))
    if strict:
        yield from strict
        return
    case.budget.renew(signatures=_REPORT_SIGNATURES, steps=_REPORT_STEPS)
    near = list(_grow(case, start, strict=False))
    yield from near or [_ended(case, start)]


def _grow(case: Case, path: Path, *, strict: bool) -> Iterator[Path]:
    """All continuations of a path, depth first, without recursion so that depth costs no stack."""
    profile = case.profile
    pending: list[Path] = [path]
    found = 0
    while pending and found < MAX_ATTEMPTS and case.budget.step():
        current = pending.pop()
        certificates = current.certificates
        if current.anchored:
            if not strict:
                found += 1
                yield current
            elif all(f.check in profile.after_building for f in failures(case, current)):
                yield current
                return
            continue
        top = certificates[-1]
        following: list[Path] = []
        stored = case.store.named_like_issuer_of(top, profile)
        for anchor in stored:
            if profile.anchor == "self-signed" and not anchor.self_issued:
                continue
            grown = Path(certificates=(*certificates, anchor), trusted=len(certificates), anchored=True, searched=True)
            if _may_issue(case, top, anchor) and _grows(case, grown, strict=strict):
                following.append(grown)
        most = case.max_intermediates
        if profile.max_when_searching is not None:
            most = min(profile.max_when_searching, most if most is not None else profile.max_when_searching)
        inner = [c for c in certificates[1:] if not c.self_issued] if profile.search == "as-sent" else certificates[1:]
        full = most is not None and len(inner) >= most
        blocked = False
        inner_stored = [c for c in stored if profile.anchor == "self-signed" and not c.self_issued]
        for candidate in dict.fromkeys((*case.sent.certificates, *inner_stored)):
            if not _same_name(case, top, candidate) or any(_alike(candidate, c) for c in certificates):
                continue
            if full:
                blocked = True
                continue
            grown = Path(
                certificates=(*certificates, candidate),
                trusted=len(certificates) + 1,
                anchored=False,
                searched=True,
            )
            if _may_issue(case, top, candidate) and _grows(case, grown, strict=strict):
                following.append(grown)
        if not following and not strict:
            found += 1
            yield _ended(case, current, too_long=blocked)
        pending.extend(reversed(following))


def _alike(one: Certificate, other: Certificate) -> bool:
    return one.spki == other.spki and one.subject.der == other.subject.der


def _grows(case: Case, path: Path, *, strict: bool) -> bool:
    """Whether to follow the path with its last certificate added."""
    if strict:
        return next(added_failures(case, path), None) is None
    below, last = path.certificates[-2:]
    return case.budget.verify(below, last) == "good" or path.anchored
