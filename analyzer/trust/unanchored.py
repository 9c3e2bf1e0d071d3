"""Why a path leads to no anchor: what is missing, and from where.

The wire shows what was sent, the store what is trusted; what is between them has to be inferred. The facts used:
whether the path's last certificate is its own issuer, whether the store holds its issuer's name (with another
key), what else was sent that does not link, and whether some stored root looks like the missing link's parent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from analyzer.trust.certificate import KEY_CERT_SIGN, Certificate, Name, printable
from analyzer.trust.model import TrustProblem, TrustVerdict
from analyzer.trust.path import Case, Failure, Path
from analyzer.trust.signatures import verify

__all__ = ["dead_end", "with_issuer_at_hand"]

_GENERIC: Final = frozenset({
    "ca", "root", "int", "intermediate", "issuing", "issuer", "sub", "subordinate", "authority", "certificate",
    "certification", "certificates", "trust", "trusted", "server", "tls", "ssl", "rsa", "ecc", "ecdsa", "class",
    "secure", "test", "of", "the", "and", "inc", "ltd", "gmbh", "llc", "corp", "com", "org", "net", "co", "global",
    "g1", "g2", "g3", "g4", "g5", "r1", "r2", "r3", "r4", "x1", "x2", "x3", "v1", "v2", "v3", "sha256", "sha384",
    "2048", "4096",
})  # fmt: skip
"""Words in the names of CAs that say nothing about whose they are."""


def dead_end(case: Case, path: Path, *, too_long: bool = False) -> Failure:
    """The failure that stands for the missing anchor of `path`."""
    top = path.certificates[-1]
    depth = len(path.certificates) - 1
    if too_long:
        return _too_long(case, path)
    unreadable = _unreadable(case, path)
    if unreadable is not None:
        return unreadable
    if path.trusted < len(path.certificates):
        text = (
            f"the store holds {top.title} on the path, but this validator wants a self-signed root, and that one's "
            f'issuer "{printable(str(top.issuer))}" is not in the store'
        )
        return _failure("anchor-not-self-signed", "stored-without-root", depth, top, text)
    end = _self_issued_end(case, path) if top.self_signed else _missing_issuer(case, path)
    # A stored leaf is no issuer; it is the reason only where the validator can be told to take it for an anchor.
    first = 0 if case.profile.partial is not None else 1
    held = next((c for c in path.certificates[first:] if c in case.store), None)
    if (
        held is not None
        and case.profile.anchor == "self-signed"
        and end.code in ("missing-root", "missing-intermediate")
    ):
        text = (
            f"the store holds {held.title} on the path, but this validator wants a self-signed root, and the issuer "
            f'of {top.title}, "{printable(str(top.issuer))}", is not in the store'
        )
        return replace(end, code="anchor-not-self-signed", text=text)
    return end


def with_issuer_at_hand(verdict: TrustVerdict, chain: Sequence[bytes], unsent: Sequence[bytes]) -> TrustVerdict:
    """The verdict on a chain of whose issuer it is known what it is: it is among `unsent` (DER), and was not sent."""
    known = tuple(map(Certificate.parse, unsent))
    tops = {certificate.sha256: certificate for certificate in map(Certificate.parse, chain)}

    def told(problem: TrustProblem) -> TrustProblem:
        top = tops.get(problem.certificate or "")
        if problem.code not in ("missing-root", "missing-intermediate") or top is None or top.self_issued:
            return problem
        issuer = next(
            (c for c in known if c.subject.canonical == top.issuer.canonical and verify(top, c) == "good"), None
        )
        if issuer is None:
            return problem
        text = f"{top.title} was issued by {issuer.title}, which was not sent and is not in the store"
        if issuer.self_issued:
            return replace(problem, code="missing-root", text=f"{text}: it is a root, so the store has to hold it")
        return replace(
            problem, code="missing-intermediate", text=f"{text}: it is an intermediate, so the server has to send it"
        )

    return replace(verdict, problems=tuple(map(told, verdict.problems)))


def _failure(code: str, reason: str, depth: int, certificate: Certificate, text: str) -> Failure:
    return Failure(
        code=code,
        reason=reason,
        depth=depth,
        certificate=certificate,
        text=text,
        facts={"subject": printable(str(certificate.subject)), "issuer": printable(str(certificate.issuer))},
    )


def _too_long(case: Case, path: Path) -> Failure:
    depth = len(path.certificates) - 1
    top = path.certificates[-1]
    profile = case.profile
    limit = case.verify_depth
    if limit is None:
        limit = profile.max_intermediates if profile.max_intermediates is not None else profile.max_when_searching
    if profile.max_when_searching is not None and case.verify_depth is None:
        text = f"the certificates were not sent in order, and then this validator follows at most {limit} intermediates"
        return _failure("wrong-chain-order", "too-long", depth, top, text)
    text = f"the path needs more than {limit} intermediates, the validator's limit; it was followed up to {top.title}"
    return _failure("chain-too-long", "too-long", depth, top, text)


def _unreadable(case: Case, path: Path) -> Failure | None:
    refused = case.profile.unreadable_means_no_issuer
    for depth, certificate in enumerate(path.certificates):
        for what, why in certificate.unreadable.items():
            if what in refused:
                text = (
                    f"an extension of {certificate.title} cannot be read ({what}: {printable(why)}); this validator "
                    "then finds no issuer for it and reports that one as missing"
                )
                return _failure("malformed-certificate", "missing-issuer", depth, certificate, text)
    return None


def _self_issued_end(case: Case, path: Path) -> Failure:
    top, depth = path.certificates[-1], len(path.certificates) - 1
    if top in case.store:
        text = f"{top.title} is in the store, but this validator does not take it as an anchor"
        return _failure("anchor-not-self-signed", "missing-issuer", depth, top, text)
    twins = [c for c in case.store.with_subject(top) if c.self_issued]
    if depth == 0:
        reason = "self-signed-leaf"
        if any(c.spki != top.spki for c in twins):
            text = f"the store holds a certificate named {top.title} with another key: {_compare(top, twins[0])}"
            return _failure("root-key-mismatch", reason, depth, top, text)
        text = f"the leaf {top.title} is its own issuer, and it is not in the store"
        return _failure("self-signed-leaf", reason, depth, top, text)
    other_key = [c for c in twins if c.spki != top.spki]
    if other_key:
        text = (
            f"the root {top.title} that was sent and the one of that name in the store have different keys: "
            f"{_compare(top, other_key[0])}"
        )
        return _failure("root-key-mismatch", "self-signed-root", depth, top, text)
    if twins:
        text = f"the store holds another certificate of {top.title} with the same key, which this validator passes over"
        return _failure("missing-root", "self-signed-root", depth, top, text)
    text = f"the chain ends at the root {top.title}, which the server sent and the store does not hold"
    return _failure("missing-root", "self-signed-root", depth, top, text)


def _compare(sent: Certificate, stored: Certificate) -> str:
    return f"SHA-256 {sent.sha256[:16]}… sent, {stored.sha256[:16]}… stored"


def _missing_issuer(case: Case, path: Path) -> Failure:
    top, depth = path.certificates[-1], len(path.certificates) - 1
    issuer = printable(str(top.issuer))
    above = [c for c in case.sent.certificates if c.self_issued and _issued(case, top, c) and c != top]
    if above:
        end = replace(path, certificates=(*path.certificates, above[0]))
        return replace(_self_issued_end(case, end), reason="missing-issuer", depth=depth)
    stored = [c for c in case.store.certificates if c.subject.canonical == top.issuer.canonical]
    if stored:
        wanted, held = _key_id(top), _own_key_id(stored[0])
        good = any(_issued(case, top, c) for c in stored)
        if (refused := _no_issuer(case, top, depth, stored)) is not None:
            return refused
        if not good and not any(case.other_key_signed(top, c) for c in stored[:8]):
            text = f"the signature of {top.title} does not verify under the key of {stored[0].title} in the store"
            return _failure("bad-signature", "missing-issuer", depth, top, text)
        text = (
            f'the store holds a certificate named "{issuer}", but '
            f"{'this validator does not take it for' if good else 'it is not'} the issuer of {top.title}: "
            f"wanted key id {wanted}, stored key id {held}"
        )
        return _failure("missing-root" if good else "root-key-mismatch", "missing-issuer", depth, top, text)
    if case.leaf in case.store and depth == 0 and case.profile.partial is not None:
        text = f"the leaf {top.title} itself is in the store, but this validator does not take it as an anchor"
        return _failure("anchor-not-self-signed", "missing-issuer", depth, top, text)
    in_sent = [
        c for c in case.sent.certificates if c.subject.canonical == top.issuer.canonical and c not in path.certificates
    ]
    if in_sent:
        other = in_sent[0]
        if (refused := _no_issuer(case, top, depth, in_sent)) is not None:
            return refused
        if any(_issued(case, top, c) for c in in_sent):
            text = (
                f"{other.title} was sent and its key verifies the signature of {top.title}, but this validator does "
                f"not take it for the issuer: wanted key id {_key_id(top)}, its key id {_own_key_id(other)}"
            )
            return _failure("missing-intermediate", "missing-issuer", depth, top, text)
        text = f"the signature of {top.title} does not verify under the key of {other.title}, which was sent with it"
        return _failure("bad-signature", "missing-issuer", depth, top, text)
    return _absent_issuer(case, path)


def _no_issuer(case: Case, top: Certificate, depth: int, candidates: Sequence[Certificate]) -> Failure | None:
    """The failure when those that issued `top` are at hand, and none of them may issue certificates."""
    issued = [c for c in candidates if _issued(case, top, c)]
    if not issued or any(map(_may_issue, issued)):
        return None
    text = (
        f"{issued[0].title} issued {top.title} and may not issue: it is no CA by its basic constraints or its key "
        "usage, so this validator passes over it and reports the issuer as missing"
    )
    return replace(_failure("issuer-not-ca", "missing-issuer", depth, top, text), certificate=issued[0])


def _may_issue(certificate: Certificate) -> bool:
    usage = certificate.key_usage
    return certificate.is_ca and (usage is None or bool(usage & KEY_CERT_SIGN))


def _issued(case: Case, certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the name and the signature say so."""
    return (
        certificate.issuer.canonical == issuer.subject.canonical and case.budget.verify(certificate, issuer) == "good"
    )


def _own_key_id(certificate: Certificate) -> str:
    return certificate.subject_key_id.hex() if certificate.subject_key_id is not None else "not given"


def _key_id(certificate: Certificate) -> str:
    named = certificate.authority_key_id
    return named.key_id.hex() if named is not None and named.key_id is not None else "not given"


def _absent_issuer(case: Case, path: Path) -> Failure:
    top, depth = path.certificates[-1], len(path.certificates) - 1
    issuer = printable(str(top.issuer))
    others = [c for c in case.chain if c not in path.certificates]
    roots = [c for c in case.store.certificates if c.self_issued]
    kin = [c for c in roots if _related(c.subject, top.issuer)]
    sent_above = [c for c in others if c.is_ca and c.subject.canonical != top.issuer.canonical]
    unlinked_root = [c for c in sent_above if c in case.store or _related(c.subject, top.issuer)]
    what = "the leaf" if depth == 0 else "the last certificate of the chain"
    ends = f'{what} {top.title} was issued by "{issuer}", which was neither sent nor is in the store'
    id_text = f" (key id {_key_id(top)})" if _key_id(top) != "not given" else ""
    intermediate = False
    why = ""
    if unlinked_root:
        intermediate = True
        why = f"the server sent {unlinked_root[0].title}, so the link between the two is what is missing"
    elif _names_a_root(top.issuer):
        why = "its name says that it is a root"
    elif kin and (depth == 0 or _names_an_intermediate(top.issuer)):
        intermediate = True
        why = f"the store holds the root {kin[0].title}, which it probably leads to"
    elif depth == 0 and top.ca_issuers:
        intermediate = True
        why = f"the server sent the leaf only, and says where its issuer can be had: {printable(top.ca_issuers[0])}"
    elif depth == 0 and len(case.chain) == 1 and not top.is_ca and len(roots) > 20:
        intermediate = True
        why = "the server sent the leaf only, and the store holds many public roots"
    elif depth == 0:
        why = "it may itself be a root, or an intermediate that the server should have sent"
    else:
        why = "a server sends everything up to its root, so this is most probably the root"
    code = "missing-intermediate" if intermediate else "missing-root"
    also = (
        "; if it is itself a root, it is missing from the store instead"
        if intermediate
        else "; if it is an intermediate, the server should have sent it"
    )
    if not intermediate and depth == 0 and "may itself" in why:
        also = ""
    return _failure(code, "missing-issuer", depth, top, f"{ends}{id_text}: {why}{also}")


def _names_a_root(name: Name) -> bool:
    return any("root" in cn.lower() for cn in name.common_names)


def _names_an_intermediate(name: Name) -> bool:
    words = {w for cn in name.common_names for w in cn.casefold().replace("-", " ").split()}
    return bool(words & {"int", "intermediate", "sub", "subordinate", "issuing", "issuer"})


def _related(one: Name, other: Name) -> bool:
    """Whether two CA names look like the same house: the same organisation, or a telling word in common."""
    organisations = [{v.casefold() for v in n.values("2.5.4.10")} for n in (one, other)]
    if organisations[0] and organisations[1]:
        return bool(organisations[0] & organisations[1])
    return bool(_words(one) & _words(other))


def _words(name: Name) -> set[str]:
    text = " ".join((*name.common_names, *name.values("2.5.4.10"))).casefold()
    return {w for w in "".join(c if c.isalnum() else " " for c in text).split() if len(w) > 1} - _GENERIC
