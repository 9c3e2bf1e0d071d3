"""The checks of RFC 5280 section 6 and of host names, one function each, steered by the profile's knobs.

A check takes the case, the path and an index into it (0 is the leaf) and gives the failures it sees there. Which
checks a validator makes, in which order and on which certificates, is in its profile (`stages`, `skipped`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from analyzer.trust.certificate import (
    ANY_EKU,
    CLIENT_AUTH,
    NAME_CONSTRAINTS,
    SERVER_AUTH,
    SUBJECT_ALT_NAME,
    Certificate,
    PolicyConstraints,
    instant,
    printable,
)
from analyzer.trust.names import match_host
from analyzer.trust.path import Case, Failure, Path
from analyzer.trust.profile import Profile
from analyzer.trust.signatures import hash_name, key_family, key_problem, signature_family

if TYPE_CHECKING:
    from analyzer.trust.constraints import Violation

__all__ = ["CHECKS", "added_failures", "failures", "position"]

Check = Callable[[Case, Path, int], Iterator[Failure]]

_CERT_SIGN: Final = 1 << 5
_USAGE_BITS: Final = (
    "digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign",
    "cRLSign", "encipherOnly", "decipherOnly",
)  # fmt: skip
_EKU_NAMES: Final = {
    SERVER_AUTH: "serverAuth",
    "1.3.6.1.5.5.7.3.2": "clientAuth",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.4": "emailProtection",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
    ANY_EKU: "anyExtendedKeyUsage",
}
_GATED: Final = ("2.16.840.1.113730.4.1", "1.3.6.1.4.1.311.10.3.3")
"""Server gated cryptography, Netscape's and Microsoft's: OpenSSL and JSSE take them for serverAuth."""


def failures(case: Case, path: Path) -> Iterator[Failure]:
    """Everything that this validator finds wrong with the path, in its order."""
    count = len(path.certificates)
    for stage in case.profile.stages:
        indexes = range(count) if stage.direction == "up" else range(count - 1, -1, -1)
        if stage.direction == "once":
            indexes = range(1)
        for index in indexes:
            for name in stage.checks:
                if not _skipped(case, path, index, name):
                    for failure in CHECKS[name](case, path, index):
                        yield replace(failure, check=name)


def added_failures(case: Case, path: Path) -> Iterator[Failure]:
    """What is wrong with the last certificate of a path that is still growing, and with its bond to those below."""
    last = len(path.certificates) - 1
    for stage in case.profile.stages:
        for name in stage.checks:
            if name == "signature":
                if last:
                    yield from _signature(case, path, last - 1)
            elif name == "name-constraints":
                if not _skipped(case, path, last, name):
                    for below in range(last):
                        yield from _constraints_between(case, path, below, last)
            elif (
                stage.direction != "once"
                and name not in case.profile.after_building
                and not _skipped(case, path, last, name)
            ):
                yield from CHECKS[name](case, path, last)


def _skipped(case: Case, path: Path, index: int, name: str) -> bool:
    return name in case.profile.skipped.get(path.role(index), ())


def position(path: Path, index: int) -> str:
    """What a certificate is on the path, for codes and sentences: leaf, intermediate or root."""
    certificate = path.certificates[index]
    if index == 0:
        return "leaf"
    if path.role(index) == "anchor" or certificate.self_issued:
        return "root" if certificate.self_issued else "intermediate"
    return "intermediate"


def _failure(code: str, reason: str, path: Path, index: int, text: str, **facts: str) -> Failure:
    certificate = path.certificates[index]
    return Failure(
        code=code,
        reason=reason,
        depth=index,
        certificate=certificate,
        text=text,
        facts={"subject": printable(str(certificate.subject)), **facts},
    )


def _unreadable(case: Case, path: Path, index: int) -> Iterator[Failure]:
    certificate = path.certificates[index]
    for what, why in certificate.unreadable.items():
        if what in case.profile.refused_unreadable:
            text = f"{certificate.title} cannot be read by this validator: {_part(what)}: {printable(why)}"
            yield _failure("malformed-certificate", "unreadable", path, index, text, detail=printable(why))


def _part(what: str) -> str:
    return {
        "2.5.29.17": "subject alternative names",
        "2.5.29.19": "basic constraints",
        "2.5.29.30": "name constraints",
        "2.5.29.37": "extended key usage",
        "2.5.29.15": "key usage",
    }.get(what, what)


def _critical(case: Case, path: Path, index: int) -> Iterator[Failure]:
    certificate = path.certificates[index]
    for extension in certificate.extensions:
        if extension.critical and not _knows(case.profile, certificate, extension.oid):
            text = f"{certificate.title} has the critical extension {extension.oid}, which this validator does not know"
            yield _failure("unknown-critical-extension", "critical", path, index, text, oid=extension.oid)


def _knows(profile: Profile, certificate: Certificate, oid: str) -> bool:
    if oid == NAME_CONSTRAINTS and profile.constraints.other_kinds == "critical":
        constraints = certificate.name_constraints
        trees = constraints.permitted + constraints.excluded if constraints is not None else ()
        return all(tree.base.kind in profile.constraints.kinds for tree in trees)
    if oid == SUBJECT_ALT_NAME and profile.critical_san_needs_host:
        return any(n.kind in ("dns", "ip", "email", "uri") for n in certificate.alt_names or ())
    return oid in profile.known_critical


def _authority(case: Case, path: Path, index: int) -> Iterator[Failure]:
    """Basic constraints and keyCertSign of everything above the leaf."""
    if index == 0:
        return
    certificate = path.certificates[index]
    profile = case.profile
    usage = certificate.key_usage or None if profile.empty_key_usage_is_none else certificate.key_usage
    constraints = certificate.basic_constraints
    role = position(path, index)
    if constraints is None:
        lenient = profile.anchor_without_constraints if index == len(path.certificates) - 1 else frozenset()
        forgiven = (
            (certificate.version < 3 and ("v1" in lenient or (certificate.self_issued and "self-issued-v1" in lenient)))
            or (usage is not None and usage & _CERT_SIGN and "key-usage" in lenient)
            or (certificate.self_signed and "self-signed" in lenient)
        )
        if not forgiven:
            what = "is an X.509 version 1 certificate" if certificate.version < 3 else "has no basic constraints"
            reason = "version-1-issuer" if certificate.version < 3 else "not-ca"
            text = f"the {role} {certificate.title} {what}, so it may not issue certificates"
            yield _failure("issuer-not-ca", reason, path, index, text)
    elif not constraints.ca:
        text = f"the {role} {certificate.title} says CA:FALSE in its basic constraints, yet it issued the one below it"
        yield _failure("issuer-not-ca", "not-ca", path, index, text)
    if profile.ca_key_usage and usage is not None and not usage & _CERT_SIGN:
        text = f"the key usage of the {role} {certificate.title} is {_usages(usage)}, without keyCertSign"
        yield _failure("issuer-not-ca", "no-cert-sign", path, index, text)


def _anchor_authority(case: Case, path: Path, index: int) -> Iterator[Failure]:
    """The same for the anchor alone, where a validator looks at it apart from the rest."""
    if path.role(index) == "anchor":
        for failure in _authority(case, path, index):
            yield replace(failure, reason=f"anchor-{failure.reason}")


def _usages(usage: int) -> str:
    return ", ".join(name for bit, name in enumerate(_USAGE_BITS) if usage & 1 << bit) or "empty"


def _path_length(case: Case, path: Path, index: int) -> Iterator[Failure]:
    certificate = path.certificates[index]
    constraints = certificate.basic_constraints
    if index < 2 or constraints is None or constraints.path_length is None:
        return
    below = [c for c in path.certificates[1:index] if case.profile.path_length_counts_self_issued or not c.self_issued]
    if len(below) > constraints.path_length:
        text = (
            f"{certificate.title} allows {constraints.path_length} intermediates below it, and there are {len(below)}"
        )
        yield _failure("path-too-long", "path-length", path, index, text)


def _extended_usage(case: Case, path: Path, index: int) -> Iterator[Failure]:
    certificate = path.certificates[index]
    usages = certificate.extended_key_usage
    profile = case.profile
    needed = SERVER_AUTH if case.purpose == "server" else CLIENT_AUTH
    if usages is None or needed in usages or (not usages and profile.empty_eku == "any"):
        return
    if case.purpose == "server" and profile.gated_crypto and any(oid in usages for oid in _GATED):
        return
    if index == 0:
        if profile.leaf_eku_any and ANY_EKU in usages:
            return
    elif profile.ca_eku == "ignore" or (profile.ca_eku == "any-counts" and ANY_EKU in usages):
        return
    listed = ", ".join(_EKU_NAMES.get(oid, oid) for oid in usages) or "empty"
    text = (
        f"the extended key usage of the {position(path, index)} {certificate.title} is {listed}; "
        f"a TLS {case.purpose} needs {case.purpose}Auth"
    )
    yield _failure("wrong-key-usage", "purpose", path, index, text, usage=listed)


def _leaf_key_usage(case: Case, path: Path, index: int) -> Iterator[Failure]:
    certificate = path.certificates[index]
    usage, wanted = certificate.key_usage, case.profile.leaf_key_usage
    if index or usage is None or not wanted or any(usage & 1 << bit for bit in wanted):
        return
    names = " or ".join(_USAGE_BITS[bit] for bit in wanted)
    text = f"the key usage of the leaf {certificate.title} is {_usages(usage)}; this validator wants {names}"
    yield _failure("wrong-key-usage", "leaf-key-usage", path, index, text)


def _leaf_form(case: Case, path: Path, index: int) -> Iterator[Failure]:
    """A leaf that is a CA, or that is no version 3 certificate, where the validator minds."""
    certificate = path.certificates[index]
    profile = case.profile
    if index:
        return
    if not profile.version_1_leaf and certificate.version < 3:
        text = f"the leaf {certificate.title} is an X.509 version {certificate.version} certificate"
        yield _failure("malformed-certificate", "version", path, index, text)
    constraints = certificate.basic_constraints
    if not profile.leaf_may_be_ca and constraints is not None and constraints.ca:
        text = f"the leaf {certificate.title} is a CA certificate, which this validator does not take for a server"
        yield _failure("wrong-key-usage", "leaf-is-ca", path, index, text)


def _dates(case: Case, path: Path, index: int) -> Iterator[Failure]:
    certificate = path.certificates[index]
    before, after, at = certificate.not_before, certificate.not_after, case.at
    role = position(path, index)
    if before is None or after is None:
        text = f"the validity of the {role} {certificate.title} cannot be read"
        yield _failure("malformed-certificate", "unreadable", path, index, text, detail="validity")
        return
    if at < before:
        text = f"the {role} {certificate.title} is valid from {instant(before)}"
        failure = _failure("not-yet-valid", "not-yet-valid", path, index, text, not_before=instant(before))
        yield replace(failure, edge=before)
    elif at > after or (at == after and case.profile.last_second == "expired"):
        text = f"the {role} {certificate.title} expired on {instant(after)}"
        failure = _failure(f"expired-{role}", "expired", path, index, text, not_after=instant(after))
        yield replace(failure, edge=after)


def _searched_anchor_dates(case: Case, path: Path, index: int) -> Iterator[Failure]:
    """JSSE's builder minds the dates of an anchor unless that issued the leaf itself.

    Its selector is kept, with a date, from the first intermediate on; the validator of chains in order never minds.
    """
    if path.searched and index > 1 and path.role(index) == "anchor":
        yield from _dates(case, path, index)


def _key_strength(case: Case, path: Path, index: int) -> Iterator[Failure]:
    certificate = path.certificates[index]
    strength = case.profile.strength
    family = key_family(certificate)
    role = position(path, index)
    reason = "weak-leaf-key" if index == 0 else "weak-ca-key"
    bits = certificate.key_bits
    least = {
        "rsa": strength.rsa_leaf if index == 0 else strength.rsa_ca,
        "rsa-pss": strength.rsa_leaf if index == 0 else strength.rsa_ca,
        "ec": strength.ec,
        "dsa": strength.dsa,
    }.get(family or "", 0)
    if bits and bits < least:
        text = f"the key of the {role} {certificate.title} has {bits} bits; this validator wants {least}"
        yield _failure("weak-key", reason, path, index, text, bits=str(bits))
    elif family is not None and family not in strength.families:
        text = f"the key of the {role} {certificate.title} is of the type {family}, which this validator does not take"
        yield _failure("weak-key", "unsupported-key", path, index, text, bits=str(bits))
    elif family == "ec":
        curves = strength.curves if index == 0 or strength.ca_curves is None else strength.ca_curves
        if curves is not None and certificate.curve not in curves:
            text = (
                f"the key of the {role} {certificate.title} is on the curve {certificate.curve}, "
                "which this validator does not take"
            )
            yield _failure("weak-key", "unsupported-key", path, index, text, bits=str(bits))


def _signature_strength(case: Case, path: Path, index: int) -> Iterator[Failure]:
    """The algorithm under each signature that is relied on: not the anchor's own."""
    certificate = path.certificates[index]
    if path.role(index) in ("anchor", "pinned"):
        return
    digest, strength = hash_name(certificate), case.profile.strength
    family = signature_family(certificate)
    start = f"the {position(path, index)} {certificate.title} is signed with"
    if family is not None and family not in strength.families:
        text = f"{start} {family.upper()}, which this validator does not know"
        yield _failure("weak-signature", "algorithm", path, index, text)
    elif digest is not None and digest not in strength.hashes:
        text = f"{start} {digest.upper()}, which this validator refuses"
        yield _failure("weak-signature", "weak-signature", path, index, text)


def _signature(case: Case, path: Path, index: int) -> Iterator[Failure]:
    """Whether the next certificate's key made this one's signature."""
    if index + 1 >= len(path.certificates):
        return
    certificate, issuer = path.certificates[index], path.certificates[index + 1]
    outcome = case.budget.verify(certificate, issuer)
    if outcome == "good":
        return
    names = (*issuer.subject.common_names, *issuer.subject.values("2.5.4.10"))
    facts = {
        "candidate": printable(names[0]) if names else f"serial:{issuer.serial}",
        "verification": _GO_VERIFICATION.get(key_family(issuer) or "", "x509: invalid signature"),
    }
    if outcome == "unchecked":
        text = f"the signature of {certificate.title} was not checked: too many candidates, the search was cut short"
        yield _failure("bad-signature", "signature-limit", path, index, text, **facts)
    elif outcome in ("unsupported", "no-key"):
        why = key_problem(issuer) or f"the signature algorithm {certificate.signature_oid}"
        text = f"the signature of {certificate.title} cannot be checked: {why}"
        code = "malformed-certificate" if outcome == "no-key" else "weak-signature"
        yield _failure(code, "issuer-key" if outcome == "no-key" else "algorithm", path, index, text, **facts)
    elif path.role(index + 1) == "anchor" and case.other_key_signed(certificate, issuer):
        text = (
            f"the store holds {issuer.title} with another key: the signature of {certificate.title} does not verify "
            f"under it ({_key_ids(certificate, issuer)})"
        )
        yield _failure("root-key-mismatch", "signature", path, index, text, **facts)
    else:
        text = f"the signature of {certificate.title} does not verify under the key of {issuer.title}"
        yield _failure("bad-signature", "signature", path, index, text, **facts)


_GO_VERIFICATION: Final = {
    "rsa": "crypto/rsa: verification error",
    "ec": "x509: ECDSA verification failure",
    "ed25519": "x509: Ed25519 verification failure",
}


def _key_ids(certificate: Certificate, issuer: Certificate) -> str:
    wanted = certificate.authority_key_id.key_id if certificate.authority_key_id else None
    held = issuer.subject_key_id
    return (
        f"wanted key id {wanted.hex() if wanted else 'not given'}, stored key id {held.hex() if held else 'not given'}"
    )


def _self_signature(case: Case, path: Path, index: int) -> Iterator[Failure]:
    """The anchor's signature on itself, which only .NET on Linux minds."""
    certificate = path.certificates[index]
    if index + 1 == len(path.certificates) and certificate.self_issued:
        outcome = case.budget.verify(certificate, certificate)
        if outcome not in ("good", "unchecked"):
            text = f"the signature of the root {certificate.title} on itself does not verify"
            yield _failure("bad-signature", "signature", path, index, text)


def _name_constraints(case: Case, path: Path, index: int) -> Iterator[Failure]:
    for above in range(len(path.certificates) - 1, index, -1):
        if not _skipped(case, path, above, "name-constraints"):
            yield from _constraints_between(case, path, index, above)


def _constraints_between(case: Case, path: Path, index: int, above: int) -> Iterator[Failure]:
    certificate, holder = path.certificates[index], path.certificates[above]
    rules = case.profile.constraints
    if holder.name_constraints is None or (
        index and (rules.leaf_only or (rules.self_issued_exempt and certificate.self_issued))
    ):
        return
    from analyzer.trust.constraints import Violation, violation

    if case.budget.compare(1 + len(certificate.alt_names or ())):
        found = violation(certificate, holder, rules, leaf=index == 0)
    else:
        found = Violation(reason="too-many", name=f"{len(certificate.alt_names or ())} names", kind="")
    if found is None:
        return
    reason = f"constraint-{found.reason}"
    yield _failure(
        "name-constraint-violation", reason, path, index, _constraint_text(certificate, holder, found),
        kind=found.kind, name=found.name, constraint=found.constraint, holder=printable(str(holder.subject)),
    )  # fmt: skip


def _constraint_text(certificate: Certificate, holder: Certificate, found: Violation) -> str:
    start = f"{holder.title} may not issue for {found.kind} {found.name}" if found.name else f"{holder.title}"
    tail = {
        "permitted": f", which is outside of what it is permitted ({found.constraint})",
        "excluded": f", which it is excluded from ({found.constraint})",
        "unsupported": f": this validator does not know constraints of this kind ({found.constraint})",
        "syntax": f": the name or the constraint is malformed ({found.constraint})",
        "no-san": f" has name constraints, and {certificate.title} has no subject alternative names to compare",
        "too-many": ": too many names and constraints to compare",
    }
    return start + tail[found.reason]


def _policies(_: Case, path: Path, index: int) -> Iterator[Failure]:
    """RFC 5280 section 6.1.3 (d) to (f), with the set of valid policies in place of the tree."""
    below = path.certificates[: path.trusted] if path.anchored else path.certificates
    explicit = inhibit_any = inhibit_mapping = len(below) + 1
    valid = {_ANY_POLICY}
    for depth in range(len(below) - 1, -1, -1):
        certificate = below[depth]
        any_counts = inhibit_any > 0 or (depth > 0 and certificate.self_issued)
        valid = _still_valid(valid, certificate, any_counts=any_counts)
        if explicit == 0 and not valid:
            yield _policy_failure(path, depth)
            return
        if depth == 0:
            break
        for source, target in certificate.policy_mappings:
            if source in valid:
                valid.discard(source)
                valid.update({target} if inhibit_mapping > 0 else ())
        if not certificate.self_issued:
            explicit, inhibit_any, inhibit_mapping = (max(n - 1, 0) for n in (explicit, inhibit_any, inhibit_mapping))
        constraints = certificate.policy_constraints or PolicyConstraints(require_explicit=None, inhibit_mapping=None)
        explicit = _least(explicit, constraints.require_explicit)
        inhibit_mapping = _least(inhibit_mapping, constraints.inhibit_mapping)
        inhibit_any = _least(inhibit_any, certificate.inhibit_any_policy)
    explicit = max(explicit - 1, 0)
    last = path.certificates[0].policy_constraints
    if last is not None and last.require_explicit == 0:
        explicit = 0
    if explicit == 0 and not valid:
        yield _policy_failure(path, index)


def _still_valid(valid: set[str], certificate: Certificate, *, any_counts: bool) -> set[str]:
    stated = set(certificate.policies or ())
    named = {p for p in stated if p != _ANY_POLICY and (p in valid or _ANY_POLICY in valid)}
    return named | (valid if _ANY_POLICY in stated and any_counts else set())


def _least(current: int, stated: int | None) -> int:
    return current if stated is None else min(current, max(stated, 0))


_ANY_POLICY: Final = "2.5.29.32.0"


def _policy_failure(path: Path, depth: int) -> Failure:
    certificate = path.certificates[depth]
    text = (
        "a CA on the path requires an explicit certificate policy (policyConstraints), and no policy is valid from "
        f"the anchor down to {certificate.title}"
    )
    return _failure("wrong-key-usage", "policy", path, depth, text)


def _explicit_curve(_: Case, path: Path, index: int) -> Iterator[Failure]:
    certificate = path.certificates[index]
    if certificate.curve == "explicit" and len(path.certificates) > 1:
        text = f"the EC key of {certificate.title} has explicit parameters instead of a named curve"
        yield _failure("malformed-certificate", "explicit-curve", path, index, text)


def _host(case: Case, path: Path, _: int) -> Iterator[Failure]:
    if case.wanted is None:
        return
    wanted, certificate = case.wanted, path.certificates[0]
    rules = case.profile.host
    constrained = any(c.name_constraints is not None for c in path.certificates[1 : path.trusted])
    if (
        case.profile.constraints.cn_joins_names
        and constrained
        and certificate.alt_names
        and not certificate.alt_names_of("ip")
    ):
        rules = replace(rules, cn_for_address=True)
    match = match_host(certificate, wanted, rules)
    if not match.reason:
        return
    host = printable(wanted.text)
    names = ", ".join(match.presented[:8]) + (
        f" and {len(match.presented) - 8} more" if len(match.presented) > 8 else ""
    )
    kind = "address" if wanted.address is not None else "name"
    facts = {"host": host, "names": names or "no names"}
    common_name = printable(next(iter(certificate.subject.common_names), ""))
    if match.reason == "cn-only":
        text = (
            f"{host} stands in the subject's CN of the leaf only, and this validator looks at subject alternative "
            "names only"
        )
        reason = f"{kind}-in-cn" if certificate.alt_names is None else f"{kind}-without-san"
        yield _failure("hostname-only-in-cn", reason, path, 0, text, **facts)
        return
    if match.reason == "illegal-host":
        text = f"{host} is no host name that this validator takes: it contains an underscore"
        yield _failure("hostname-mismatch", "illegal-host", path, 0, text, **facts)
        return
    reason = kind if certificate.alt_names_of("ip" if kind == "address" else "dns") else f"{kind}-without-san"
    if certificate.alt_names is None:
        reason = f"{kind}-no-san"
    shown = f"it is for {names}" if names else "it presents no such name"
    if not names and common_name:
        shown = f"it presents none; its CN is {common_name}"
    text = f"the leaf {certificate.title} is not for {host}: {shown}"
    yield _failure("hostname-mismatch", reason, path, 0, text, **facts)


def _algorithm_match(_: Case, path: Path, index: int) -> Iterator[Failure]:
    """The signature algorithm named inside the signed part must be the one outside of it."""
    certificate = path.certificates[index]
    if certificate.inner_signature != certificate.outer_signature:
        text = f"{certificate.title} names two different signature algorithms"
        yield _failure("malformed-certificate", "algorithm-mismatch", path, index, text)


CHECKS: Final[Mapping[str, Check]] = {
    "unreadable": _unreadable,
    "critical": _critical,
    "ca": _authority,
    "anchor-ca": _anchor_authority,
    "path-length": _path_length,
    "eku": _extended_usage,
    "leaf-key-usage": _leaf_key_usage,
    "leaf-form": _leaf_form,
    "dates": _dates,
    "searched-anchor-dates": _searched_anchor_dates,
    "key-strength": _key_strength,
    "signature-strength": _signature_strength,
    "signature": _signature,
    "self-signature": _self_signature,
    "name-constraints": _name_constraints,
    "policies": _policies,
    "explicit-curve": _explicit_curve,
    "algorithm-match": _algorithm_match,
    "host": _host,
}
