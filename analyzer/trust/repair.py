"""What would turn the verdict: the smallest change first, each tried by running the check again with it applied.

A repair either brings in a certificate that is at hand (sent by the server, held by the store, given as a
candidate, or a public root), or changes what is asked (host, depth, order), or supposes that a certificate is
reissued with the one thing put right. In the last case the check runs on the certificate with that field
changed, its signature taken for good; so `proven` then means: nothing else stands in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import field, replace
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.trust.certificate import (
    CLIENT_AUTH,
    KEY_USAGE,
    SERVER_AUTH,
    BasicConstraints,
    Certificate,
    GeneralName,
    instant,
    printable,
    subject_of,
)
from analyzer.trust.check import judge, policy_of, seconds_of
from analyzer.trust.model import Fix, TrustProblem, TrustVerdict
from analyzer.trust.names import reference
from analyzer.trust.path import Pool, Purpose
from analyzer.trust.profile import Profile

__all__ = ["Remedy", "remedies"]

MAX_CHECKS: Final = 80
"""Checks that looking for repairs may cost; a sane case takes three to ten."""

_WORK_OF_A_CHECK: Final = 40
"""Certificates on the paths that one check tries; a sane chain with cross-signs has fewer."""

MAX_STEPS: Final = 4
"""Changes that one repair may consist of; more is a new certificate hierarchy, not a repair."""

_ANCHOR_CODES: Final = frozenset({
    "missing-root", "missing-intermediate", "root-key-mismatch", "self-signed-leaf", "anchor-not-self-signed",
    "bad-signature",
})  # fmt: skip

_YEAR: Final = 365 * 86400


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """A repair, and what is in force with it.

    The server then sends `chain`, the validator trusts `anchors` (DER, both), is asked for `host` and goes by
    `profile` and `verify_depth`. Of several that are needed `together` (their number) each has what is in force when
    all are applied. `supposed`: it rests on a certificate that is yet to be issued.
    """

    fix: Fix
    chain: tuple[bytes, ...]
    anchors: tuple[bytes, ...]
    host: str | None
    verify_depth: int | None
    profile: str
    supposed: bool = False
    together: int = 1


def remedies(
    chain: Sequence[bytes],
    anchors: Sequence[bytes],
    verdict: TrustVerdict,
    *,
    host: str | None = None,
    at: datetime | None = None,
    intermediates: Sequence[bytes] = (),
    verify_depth: int | None = None,
    candidates: Sequence[bytes] = (),
    public_roots: Callable[[], Sequence[bytes]] = tuple,
    purpose: Purpose = "server",
) -> tuple[Remedy, ...]:
    """Repairs for a rejected chain with what is in force then, proven ones first; none for an accepted one.

    The arguments are those of the check that gave `verdict`. `candidates` (DER) are certificates at hand that nobody
    trusts yet, `public_roots` reads those of a well-known store, which not every repair wants. What is missing and not
    at hand is described by name, key identifier and download address, with `proven` false.
    """
    if verdict.accepted:
        return ()
    profile = policy_of(verdict.profile)
    if verdict.stricter:
        profile = profile.strictly()
    state = _State(
        chain=tuple(Certificate.parse(c) for c in chain),
        store=_readable(anchors),
        intermediates=_readable(intermediates),
        host=host,
        verify_depth=verify_depth,
        profile=profile,
    )
    bench = _Bench(seconds=seconds_of(at), purpose=purpose)
    at_hand = _AtHand(
        sent=tuple(c for c in state.chain if not c.malformed),
        candidates=_readable(candidates),
        public_roots=public_roots,
    )
    proven = _plans(state, verdict, at_hand, bench)
    described = [_remedy(fix, state) for fix in _descriptions(state, verdict, [remedy.fix for remedy in proven])]
    found = sorted((*proven, *described), key=lambda remedy: (not remedy.fix.proven, bool(remedy.fix.caution)))
    different: dict[Fix, Remedy] = {}
    for remedy in found:
        different.setdefault(remedy.fix, remedy)
    return tuple(different.values())


def _remedy(fix: Fix, after: _State, together: int = 1) -> Remedy:
    return Remedy(
        fix=fix,
        chain=tuple(certificate.der for certificate in after.chain),
        anchors=tuple(certificate.der for certificate in after.store),
        host=after.host,
        verify_depth=after.verify_depth,
        profile=after.profile.name,
        supposed=bool(after.vouched),
        together=together,
    )


def _readable(data: Sequence[bytes]) -> tuple[Certificate, ...]:
    return tuple(dict.fromkeys(c for c in map(Certificate.parse, data) if not c.malformed))


@lru_cache(maxsize=2)
def _subjects(certificates: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(map(subject_of, certificates))


@dataclass(frozen=True, slots=True, kw_only=True)
class _AtHand:
    """Certificates that a repair may bring in, by where they come from."""

    sent: tuple[Certificate, ...]
    candidates: tuple[Certificate, ...]
    public_roots: Callable[[], Sequence[bytes]]

    def public(self, subjects: set[bytes]) -> tuple[Certificate, ...]:
        """The public roots with one of these names; of the others, which are many, no more than the name is read."""
        roots = tuple(self.public_roots()) if subjects else ()
        named = zip(roots, _subjects(roots), strict=True)
        return _readable([data for data, subject in named if subject in subjects])


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """Everything that a repair may change."""

    chain: tuple[Certificate, ...]
    store: tuple[Certificate, ...]
    intermediates: tuple[Certificate, ...]
    host: str | None
    verify_depth: int | None
    profile: Profile
    vouched: frozenset[str] = field(default_factory=frozenset)

    def with_changed(self, old: Certificate, new: Certificate) -> _State:
        """The same with one certificate reissued wherever it stands."""

        def swap(group: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
            return tuple(new if c == old else c for c in group)

        return replace(self, chain=swap(self.chain), store=swap(self.store), vouched=self.vouched | {old.sha256})

    def find(self, digest: str | None) -> Certificate | None:
        """The certificate of that digest."""
        return next((c for c in (*self.chain, *self.store, *self.intermediates) if c.sha256 == digest), None)


class _Bench:
    """Runs the check for a state, a bounded number of times."""

    __slots__ = ("left", "purpose", "seconds")

    def __init__(self, seconds: int, purpose: Purpose) -> None:
        self.seconds = seconds
        self.purpose = purpose
        self.left = MAX_CHECKS

    def run(self, state: _State) -> TrustVerdict | None:
        """The verdict on the state, or None when no more checks may be made."""
        self.left -= 1
        if self.left < 0:
            return None
        verdict = judge(
            state.chain,
            store=Pool(state.store),
            intermediates=state.intermediates,
            host=state.host,
            seconds=self.seconds,
            profile=state.profile,
            verify_depth=state.verify_depth,
            purpose=self.purpose,
            vouched=state.vouched,
        )
        # A crafted lattice of cross-signs makes each check dear: those count for many.
        self.left -= sum(len(attempt.path) for attempt in verdict.attempts) // _WORK_OF_A_CHECK
        return verdict


_Option = tuple[Fix, _State]


def _plans(state: _State, verdict: TrustVerdict, at_hand: _AtHand, bench: _Bench) -> list[Remedy]:
    """Single changes that suffice; when there are none, one sequence of changes that does."""
    single = []
    brought_in: set[str | None] = set()
    for fix, changed in _options(state, verdict.problems[0], at_hand, bench):
        if fix.action == "add-to-store" and fix.certificate in brought_in:
            continue  # the same certificate is at hand from two sides
        outcome = bench.run(changed)
        if outcome is not None and outcome.accepted:
            if fix.action == "add-to-store":
                brought_in.add(fix.certificate)
            single.append(_remedy(replace(fix, proven=True), changed))
            if fix.action == "configure":
                break
    if single:
        return single
    steps = _sequence(state, verdict, at_hand, bench, MAX_STEPS)
    if steps is None:
        return []
    count = len(steps)
    done = steps[-1][1]
    return [
        _remedy(
            replace(fix, proven=True, text=f"{fix.text} (change {index} of {count} that are needed together)"),
            done,
            count,
        )
        for index, (fix, _) in enumerate(steps, 1)
    ]


def _sequence(
    state: _State, verdict: TrustVerdict, at_hand: _AtHand, bench: _Bench, steps: int
) -> list[_Option] | None:
    if steps == 0:
        return None
    before = {(p.code, p.certificate) for p in verdict.problems}
    for fix, changed in _options(state, verdict.problems[0], at_hand, bench):
        if fix.caution:
            continue
        outcome = bench.run(changed)
        if outcome is None:
            return None
        if outcome.accepted:
            return [(fix, changed)]
        after = {(p.code, p.certificate) for p in outcome.problems}
        first = verdict.problems[0]
        if (first.code, first.certificate) in after or len(after) > len(before):
            continue
        rest = _sequence(changed, outcome, at_hand, bench, steps - 1)
        if rest is not None:
            return [(fix, changed), *rest]
    return None


def _options(state: _State, problem: TrustProblem, at_hand: _AtHand, bench: _Bench) -> Iterator[_Option]:
    """Changes that may remove one problem, the most sensible first."""
    certificate = state.find(problem.certificate)
    if problem.code in _ANCHOR_CODES:
        yield from _bring_in(state, problem, at_hand)
    if problem.code == "root-key-mismatch":
        yield from _swapped_roots(state, at_hand, bench)
    if problem.code in ("hostname-mismatch", "hostname-only-in-cn"):
        yield from _other_hosts(state)
    if problem.code in ("chain-too-long", "wrong-chain-order"):
        yield from _reordered(state)
        yield from _deeper(state)
    if certificate is None:
        return
    if problem.code.startswith("expired-") or problem.code == "not-yet-valid":
        yield from _renewed_at_hand(state, certificate, at_hand)
    if problem.code == "malformed-certificate" and certificate in state.chain[1:]:
        rest = tuple(c for c in state.chain if c != certificate)
        text = f"Take {certificate.title} out of the chain that the server sends."
        yield Fix(action="configure", text=text, certificate=certificate.sha256), replace(state, chain=rest)
    yield from _reissued(state, problem, certificate, bench)


# Bringing in certificates


def _bring_in(state: _State, problem: TrustProblem, at_hand: _AtHand) -> Iterator[_Option]:
    held = set(state.store)
    sources = (("sent by the server", at_hand.sent[1:]), ("a candidate", at_hand.candidates))
    roots = (*sources, ("a public root", at_hand.public(_wanted(state))))
    for origin, group in roots:
        for root in group:
            if root.self_issued and root.is_ca and root not in held:
                yield _add_to_store(state, root, origin)
    for origin, group in (("a candidate", at_hand.candidates), ("from the store", state.store)):
        for certificate in group:
            if not certificate.self_issued and certificate.is_ca and certificate not in state.chain:
                text = f"Have the server send the intermediate {certificate.title} as well ({origin})."
                fix = Fix(action="serve-intermediate", text=text, certificate=certificate.sha256)
                yield fix, replace(state, chain=(*state.chain, certificate))
    for origin, group in sources:
        for certificate in group:
            if not certificate.self_issued and certificate.is_ca and certificate not in held:
                fix, changed = _add_to_store(state, certificate, origin)
                caution = "it trusts an intermediate, not the root: it breaks when the intermediate is renewed"
                yield replace(fix, caution=caution), changed
    if problem.code == "anchor-not-self-signed" and state.profile.partial is not None:
        text = "Let the validator accept any stored certificate as an anchor (X509_V_FLAG_PARTIAL_CHAIN)."
        yield Fix(action="configure", text=text), replace(state, profile=policy_of(state.profile.partial))
    leaf = state.chain[0]
    if leaf not in held and not leaf.malformed:
        fix, changed = _add_to_store(state, leaf, "sent by the server")
        caution = "it trusts this one certificate alone: it breaks at its next renewal"
        yield replace(fix, caution=caution), changed


def _swapped_roots(state: _State, at_hand: _AtHand, bench: _Bench) -> Iterator[_Option]:
    """The right root in the place of its namesake, for validators that would stop at that one."""
    stored = {c.subject.canonical for c in state.store}
    for root in (*at_hand.sent[1:], *at_hand.candidates, *at_hand.public(stored)):
        namesakes = [c for c in state.store if c.subject.canonical == root.subject.canonical and c.spki != root.spki]
        if not namesakes or not root.self_issued:
            continue
        kept = tuple(c for c in state.store if c not in namesakes)
        beside = bench.run(replace(state, store=(*state.store, root)))
        if beside is None or not beside.accepted:
            text = (
                f"Put the root {root.title} (SHA-256 {root.sha256}) into the trust store in place of its namesake "
                f"(SHA-256 {namesakes[0].sha256}), at which this validator stops."
            )
            yield Fix(action="fix-store", text=text, certificate=root.sha256), replace(state, store=(*kept, root))


def _wanted(state: _State) -> set[bytes]:
    """The issuer names that occur in the chain and have no certificate there."""
    return {c.issuer.canonical for c in (*state.chain, *state.store, *state.intermediates) if not c.malformed}


def _add_to_store(state: _State, certificate: Certificate, origin: str) -> _Option:
    kind = "root" if certificate.self_issued and certificate.is_ca else "certificate"
    text = f"Add the {kind} {certificate.title} to the trust store ({origin}; SHA-256 {certificate.sha256})."
    fix = Fix(action="add-to-store", text=text, certificate=certificate.sha256)
    return fix, replace(state, store=(*state.store, certificate))


def _renewed_at_hand(state: _State, certificate: Certificate, at_hand: _AtHand) -> Iterator[_Option]:
    """A renewed certificate with the same name and key, which only has to be put in place."""
    for renewed in (*at_hand.candidates, *at_hand.public({certificate.subject.canonical})):
        same = renewed.subject.canonical == certificate.subject.canonical and renewed.spki == certificate.spki
        if not same or renewed == certificate:
            continue
        if certificate in state.store:
            text = f"Replace {certificate.title} in the trust store by its renewed version (SHA-256 {renewed.sha256})."
            store = tuple(renewed if c == certificate else c for c in state.store)
            yield Fix(action="fix-store", text=text, certificate=renewed.sha256), replace(state, store=store)
        if certificate in state.chain:
            text = f"Have the server send the renewed {certificate.title} (SHA-256 {renewed.sha256})."
            chain = tuple(renewed if c == certificate else c for c in state.chain)
            fix = Fix(action="replace-certificate", text=text, certificate=renewed.sha256)
            yield fix, replace(state, chain=chain)


# Changing what is asked


def _other_hosts(state: _State) -> Iterator[_Option]:
    leaf = state.chain[0]
    if state.host is None:
        return
    wanted = reference(state.host).name
    names = [n.text for n in (*leaf.alt_names_of("dns"), *leaf.alt_names_of("ip"))] or list(leaf.subject.common_names)
    for name in sorted(names, key=lambda n: _closeness(n, wanted))[:6]:
        shown = f"www{name[1:]}" if name.startswith("*.") else name
        example = f", for instance {printable(shown)}" if shown != name else ""
        text = f"Call the server by a name that its certificate holds: {printable(name)}{example}."
        yield Fix(action="use-host", text=text, certificate=leaf.sha256), replace(state, host=shown)


def _closeness(name: str, wanted: str) -> int:
    """Fewer is closer: how many labels from the right are not in common."""
    labels, target = name.lower().split(".")[::-1], wanted.split(".")[::-1]
    common = 0
    while common < min(len(labels), len(target)) and labels[common] == target[common]:
        common += 1
    return -common


def _reordered(state: _State) -> Iterator[_Option]:
    """The chain in the order of RFC 8446 section 4.4.2: the leaf first, each next one issuing the one before."""
    issuers = {c.issuer.canonical for c in state.chain}
    starts = [c for c in state.chain if not c.is_ca] or [c for c in state.chain if c.subject.canonical not in issuers]
    for leaf in starts[:3]:
        ordered = [leaf]
        rest = [c for c in state.chain if c != leaf]
        while True:
            above = next((c for c in rest if c.subject.canonical == ordered[-1].issuer.canonical), None)
            if above is None:
                break
            ordered.append(above)
            rest.remove(above)
        if tuple(ordered) != state.chain:
            names = " <- ".join(c.title for c in ordered)
            text = f"Have the server send its chain in this order: {names}."
            yield Fix(action="configure", text=text, certificate=leaf.sha256), replace(state, chain=tuple(ordered))


def _deeper(state: _State) -> Iterator[_Option]:
    if state.verify_depth is None:
        return
    for depth in range(state.verify_depth + 1, min(len(state.chain) + len(state.store), state.verify_depth + 12) + 1):
        text = (
            f"Raise the validator's depth limit from {state.verify_depth} to {depth} (nginx: proxy_ssl_verify_depth)."
        )
        yield Fix(action="configure", text=text), replace(state, verify_depth=depth)


# Supposing a certificate reissued


def _reissued(state: _State, problem: TrustProblem, certificate: Certificate, bench: _Bench) -> Iterator[_Option]:
    if problem.code == "name-constraint-violation":
        free = state
        for holder in (*state.chain[1:], *state.store):
            if holder.name_constraints is not None:
                free = free.with_changed(holder, replace(holder, name_constraints=None))
        text = f"Have the certificate issued by a CA whose name constraints allow the names of {certificate.title}."
        yield Fix(action="replace-certificate", text=text, certificate=certificate.sha256), free
        return
    new = _put_right(state, problem, certificate, bench)
    if new is None:
        return
    changed, what = new
    where = "fix-store" if certificate in state.store and certificate not in state.chain else "replace-certificate"
    verb = "in the trust store" if where == "fix-store" else "on the server"
    text = f"Replace {certificate.title} {verb} by one {what}."
    yield Fix(action=where, text=text, certificate=certificate.sha256), state.with_changed(certificate, changed)


def _put_right(
    state: _State, problem: TrustProblem, certificate: Certificate, bench: _Bench
) -> tuple[Certificate, str] | None:
    """The certificate with the one thing put right, and how to say it."""
    code = problem.code
    if code.startswith("expired-") or code == "not-yet-valid":
        start, end = bench.seconds - 86400, bench.seconds + _YEAR
        dates = f"{instant(certificate.not_before)} to {instant(certificate.not_after)}"
        renewed = replace(certificate, not_before=start, not_after=end)
        return renewed, f"that is valid now (this one is valid from {dates})"
    if code in ("hostname-mismatch", "hostname-only-in-cn") and state.host is not None:
        return _with_host(certificate, state.host)
    if code == "wrong-key-usage":
        return _with_usage(certificate, bench.purpose)
    if code == "issuer-not-ca":
        usage = None if certificate.key_usage is None else certificate.key_usage | 1 << 5
        fixed = replace(
            certificate, version=3, basic_constraints=BasicConstraints(ca=True, path_length=None), key_usage=usage
        )
        return fixed, "with CA:TRUE and keyCertSign"
    if code == "path-too-long" and certificate.basic_constraints is not None:
        loose = BasicConstraints(ca=certificate.basic_constraints.ca, path_length=None)
        return replace(
            certificate, basic_constraints=loose
        ), "with a path length that allows the intermediates below it"
    if code == "unknown-critical-extension":
        known = state.profile.known_critical
        kept = tuple(e if e.oid in known else replace(e, critical=False) for e in certificate.extensions)
        return replace(certificate, extensions=kept, name_constraints=None), "without that critical extension"
    if code == "weak-key":
        strong = replace(certificate, key_oid="1.2.840.113549.1.1.1", key_bits=3072, curve=None, unreadable={})
        return strong, "with a stronger key (RSA 3072 or EC P-256)"
    if code == "weak-signature":
        strong = replace(certificate, signature_oid="1.2.840.113549.1.1.11")
        return strong, "signed with SHA-256"
    if code in ("bad-signature", "root-key-mismatch"):
        return (certificate, "whose signature verifies (reissued by the same CA)") if code == "bad-signature" else None
    if code == "malformed-certificate" and not certificate.malformed:
        plain = replace(certificate, version=3, unreadable=MappingProxyType({}), curve=None)
        return replace(plain, inner_signature=plain.outer_signature), "in proper DER"
    return None


def _with_host(certificate: Certificate, host: str) -> tuple[Certificate, str]:
    wanted = reference(host)
    if wanted.address is not None:
        name = GeneralName(tag=0x87, kind="ip", value=wanted.address)
    else:
        name = GeneralName(tag=0x82, kind="dns", value=wanted.name.encode("ascii", "replace"))
    names = (*(certificate.alt_names or ()), name)
    return replace(certificate, alt_names=names), f"that has {printable(host)} among its subject alternative names"


def _with_usage(certificate: Certificate, purpose: Purpose) -> tuple[Certificate, str]:
    needed = SERVER_AUTH if purpose == "server" else CLIENT_AUTH
    usages = None if certificate.extended_key_usage is None else (*certificate.extended_key_usage, needed)
    key_usage = None if certificate.key_usage is None else certificate.key_usage | 1
    fixed = replace(
        certificate,
        extended_key_usage=usages,
        key_usage=key_usage,
        basic_constraints=certificate.basic_constraints if not _is_leaf_like(certificate) else None,
        policy_constraints=None,
    )
    words = f"for a TLS {purpose}: extended key usage {purpose}Auth"
    if certificate.has_extension(KEY_USAGE):
        words += ", key usage digitalSignature"
    return fixed, words


def _is_leaf_like(certificate: Certificate) -> bool:
    return certificate.alt_names is not None


# What is not at hand


def _descriptions(state: _State, verdict: TrustVerdict, proven: list[Fix]) -> list[Fix]:
    """The missing certificate, described so that it can be asked for, unless a proven repair without caution exists."""
    first = verdict.problems[0]
    if first.code == "malformed-certificate" and not proven:
        text = "Have the server send a readable X.509 certificate in place of this one."
        return [Fix(action="replace-certificate", text=text, certificate=first.certificate)]
    if first.code not in _ANCHOR_CODES or any(not fix.caution for fix in proven):
        return []
    last = state.find(verdict.path[-1]) if verdict.path else None
    if last is None or last.malformed:
        return []
    key_id = last.authority_key_id.key_id if last.authority_key_id else None
    wanted = f'"{printable(str(last.issuer))}"' + (f", key identifier {key_id.hex()}" if key_id else "")
    source = "; it can be had from " + ", ".join(map(printable, last.ca_issuers)) if last.ca_issuers else ""
    if first.code == "missing-intermediate":
        text = f"Have the server send the intermediate {wanted} as well{source}."
        return [Fix(action="serve-intermediate", text=text)]
    if first.code == "self-signed-leaf":
        text = f"Have the server use a certificate that a CA of the trust store issued, in place of {last.title}."
        return [Fix(action="replace-certificate", text=text, certificate=last.sha256)]
    if first.code == "bad-signature":
        return []
    if last.self_issued:
        text = f"Ask the server's owner for the root {last.title}, compare its digest, and add it to the trust store."
    else:
        text = f"Ask the owner of the CA for the certificate {wanted}, and add it to the trust store{source}."
    return [Fix(action="add-to-store", text=text)]
