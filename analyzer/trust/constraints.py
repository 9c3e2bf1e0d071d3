"""Name constraints (RFC 5280 section 4.2.1.10): may a CA that carries these issue for a name.

`violation` compares one certificate's names with one CA's subtrees under a profile's `ConstraintRules`. Engines
disagree on the kinds they know, on whether the CN counts as a host name, and on what they do with what they do
not know; each of these is a knob.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.trust.certificate import (
    Certificate,
    GeneralName,
    NameConstraints,
    Subtree,
    printable,
    read_name,
)
from analyzer.trust.names import reference
from analyzer.trust.profile import ConstraintRules

__all__ = ["Violation", "violation"]

_EMAIL_ATTRIBUTE: Final = "1.2.840.113549.1.9.1"
_WORK_LIMIT: Final = 1 << 17
"""Comparisons of addresses, directory names and the like that one pair of certificates may cost: some 0.2 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What was violated: `reason` is `permitted`, `excluded`, `unsupported`, `syntax`, `no-san`, or `too-many`."""

    reason: str
    name: str
    kind: str
    constraint: str = ""


_KIND_LABELS: Final = {
    "dns": "DNS name",
    "ip": "IP address",
    "email": "email address",
    "uri": "URI",
    "dirname": "directory name",
}


def violation(certificate: Certificate, holder: Certificate, rules: ConstraintRules, *, leaf: bool) -> Violation | None:
    """The first name of `certificate` that the constraints in `holder` do not allow, or None."""
    constraints = holder.name_constraints
    if constraints is None:
        return None
    if rules.san_required and leaf and certificate.alt_names is None:
        return Violation(reason="no-san", name="", kind="")
    names = _names(certificate, rules, leaf=leaf)
    if rules.addresses_first:
        names.sort(key=lambda name: name.kind != "ip")
    trees = _trees(constraints, rules.final_dots == "dropped")
    if len(names) * trees.count > rules.limit or _comparisons(names, trees) > _WORK_LIMIT:
        return Violation(reason="too-many", name=f"{len(names)} names", kind="")
    for kind in rules.refused_kinds & trees.kinds:
        tree = (trees.permitted.get(kind) or trees.excluded[kind])[0]
        return Violation(reason="unsupported", name=printable(tree.base.text), kind=kind)
    for name in names:
        found = _check(name, trees, rules)
        if found is not None:
            return found
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trees:
    """Subtrees by kind, and those of DNS names as a set, so that many names cost no product with many trees."""

    permitted: dict[str, list[Subtree]]
    excluded: dict[str, list[Subtree]]
    permitted_hosts: frozenset[str]
    excluded_hosts: frozenset[str]
    permitted_folded: frozenset[str]
    excluded_folded: frozenset[str]
    bounded: frozenset[str]
    count: int

    @property
    def kinds(self) -> set[str]:
        return {*self.permitted, *self.excluded}


@lru_cache(maxsize=1024)
def _trees(constraints: NameConstraints, drop_dots: bool) -> _Trees:
    grouped: tuple[dict[str, list[Subtree]], dict[str, list[Subtree]]] = ({}, {})
    for group, trees in zip(grouped, (constraints.permitted, constraints.excluded), strict=True):
        for tree in trees:
            group.setdefault(tree.base.kind, []).append(tree)
    everything = constraints.permitted + constraints.excluded
    hosts = [frozenset(_text(t.base) for t in group.get("dns", ())) for group in grouped]
    if drop_dots:
        hosts = [frozenset(map(_without_final_dots, hosts[0])), frozenset(host.rstrip(".") for host in hosts[1])]
    return _Trees(
        permitted=grouped[0],
        excluded=grouped[1],
        permitted_hosts=hosts[0],
        excluded_hosts=hosts[1],
        permitted_folded=frozenset(host.lower() for host in hosts[0]),
        excluded_folded=frozenset(host.lower() for host in hosts[1]),
        bounded=frozenset(t.base.kind for t in everything if t.bounded),
        count=len(everything),
    )


def _comparisons(names: list[GeneralName], trees: _Trees) -> int:
    """One by one comparisons that these names will cost; host names cost none."""
    return sum(
        len(trees.permitted.get(n.kind, ())) + len(trees.excluded.get(n.kind, ())) for n in names if n.kind != "dns"
    )


def _text(name: GeneralName) -> str:
    return name.value.decode("latin-1")


def _without_final_dots(text: str) -> str:
    """What is nothing but dots stays: as a permitted tree it covers no name (an excluded one covers them all)."""
    return text.rstrip(".") or text


def _names(certificate: Certificate, rules: ConstraintRules, *, leaf: bool) -> list[GeneralName]:
    names: list[GeneralName] = []
    subject = certificate.subject
    if rules.subject and not subject.empty:
        names.append(GeneralName(tag=0xA4, kind="dirname", value=subject.der))
    if rules.subject_email == "always" or (rules.subject_email == "no-san" and certificate.alt_names is None):
        names += [
            GeneralName(tag=0x81, kind="email", value=content)
            for _, oid, _, content in subject.attributes
            if oid == _EMAIL_ATTRIBUTE
        ]
    names += certificate.alt_names or ()
    if rules.cn_is_host == "last":
        names += _last_common_name(certificate)
    elif leaf and rules.cn_is_host != "no" and not certificate.alt_names_of("dns"):
        names += [
            GeneralName(tag=0x82, kind="dns", value=cn.encode("utf-8", "surrogatepass"))
            for cn in subject.common_names
            if rules.cn_is_host == "any" or _looks_like_host(cn)
        ]
    return names


def _last_common_name(certificate: Certificate) -> list[GeneralName]:
    """JSSE: the most specific CN that reads as an address or a DNS name, when no such alternative name is there."""
    for cn in certificate.subject.common_names[-1:]:
        address = reference(cn).address
        if address is not None:
            return [] if certificate.alt_names_of("ip") else [GeneralName(tag=0x87, kind="ip", value=address)]
        labels = cn.split(".")
        if (
            not certificate.alt_names_of("dns")
            and cn.isascii()
            and all(label[:1].isalnum() and label.replace("-", "a").isalnum() for label in labels)
        ):
            return [GeneralName(tag=0x82, kind="dns", value=cn.encode())]
    return []


def _looks_like_host(text: str) -> bool:
    """OpenSSL's test of a CN: two labels or more, of letters, digits, `_`, and inner hyphens."""
    text = text.rstrip("\0")
    labels = text.split(".")
    return len(labels) > 1 and all(
        label and label[0] != "-" and label[-1] != "-" and label.replace("-", "").replace("_", "a").isalnum()
        and label.isascii()
        for label in labels
    )  # fmt: skip


def _check(name: GeneralName, trees: _Trees, rules: ConstraintRules) -> Violation | None:
    permitted, excluded = trees.permitted.get(name.kind, []), trees.excluded.get(name.kind, [])
    if not permitted and not excluded:
        return None
    first = (permitted + excluded)[0]
    if name.kind not in rules.kinds:
        if rules.other_kinds == "presented" or (rules.other_kinds == "excluded" and excluded):
            return _violation("unsupported", name, first)
        return None
    if rules.bounded_refused and name.kind in trees.bounded:
        return _violation("unsupported", name, first)
    if name.kind == "dns":
        return _check_host(name, trees, rules)
    if permitted:
        verdicts = {_within(name, tree.base, rules) for tree in permitted}
        if True not in verdicts:
            return _violation("syntax" if None in verdicts else "permitted", name, permitted[0])
    for tree in excluded:
        verdict = _within(name, tree.base, rules)
        if verdict is None:
            return _violation("syntax", name, tree)
        if verdict:
            return _violation("excluded", name, tree)
    return None


def _check_host(name: GeneralName, trees: _Trees, rules: ConstraintRules) -> Violation | None:
    value = _text(name)
    if rules.final_dots == "dropped":
        value = _without_final_dots(value)
    permitted, excluded = trees.permitted_hosts, trees.excluded_hosts
    if not rules.case_sensitive:
        value = value.lower()
        permitted, excluded = trees.permitted_folded, trees.excluded_folded
    if rules.empty_tree == "refuse" and value and ("" in permitted or "" in excluded):
        return _violation("syntax", name, (trees.permitted.get("dns") or trees.excluded["dns"])[0])
    covering = _covering(value, rules)
    if permitted and not covering & permitted:
        return _violation("permitted", name, trees.permitted["dns"][0])
    hit = next(iter(sorted(covering & excluded)), None)
    if hit is None and rules.wildcard_names == "widen" and value.startswith("*."):
        hit = next((tree for tree in excluded if tree.partition(".")[2] == value[2:] and tree[:1] != "."), None)
    if hit is None:
        return None
    spellings = (hit.lower(), hit.lower().rstrip("."))
    tree = next(t for t in trees.excluded["dns"] if _text(t.base).lower().rstrip(".") in spellings)
    return _violation("excluded", name, tree)


def _covering(value: str, rules: ConstraintRules) -> set[str]:
    """Every subtree that would cover the host name."""
    found = {"", value}
    if rules.leading_dot == "same":
        found.add("." + value)
    position = value.find(".")
    while position >= 0:
        parent = value[position + 1 :]
        found.add(parent)
        if rules.leading_dot != "literal":
            found.add("." + parent)
        position = value.find(".", position + 1)
    return found


def _violation(reason: str, name: GeneralName, tree: Subtree) -> Violation:
    return Violation(
        reason=reason,
        name=printable(name.text),
        kind=_KIND_LABELS.get(name.kind, name.kind),
        constraint=printable(tree.base.text),
    )


def _within(name: GeneralName, base: GeneralName, rules: ConstraintRules) -> bool | None:
    """Whether the name lies in the subtree; None when one of them is not of its kind's syntax."""
    if name.kind == "dirname":
        return _directory_within(name.value, base.value)
    if name.kind == "ip":
        return _address_within(name.value, base.value, rules)
    value, tree = _text(name), _text(base)
    if rules.final_dots == "dropped":
        value, tree = _without_final_dots(value), _without_final_dots(tree)
    if not rules.case_sensitive:
        value, tree = value.lower(), tree.lower()
    return _email_within(value, tree) if name.kind == "email" else _uri_within(value, tree)


def _email_within(value: str, tree: str) -> bool | None:
    local, at, host = value.rpartition("@")
    if not at:
        return None
    if "@" in tree:
        tree_local, _, tree_host = tree.rpartition("@")
        return host == tree_host and tree_local in ("", local)
    if tree.startswith("."):
        return host.endswith(tree)
    return host == tree


def _uri_within(value: str, tree: str) -> bool | None:
    _, separator, rest = value.partition("://")
    host = rest.partition("/")[0].rpartition("@")[2].partition(":")[0]
    if not separator or not host:
        return None
    if tree.startswith("."):
        return host.endswith(tree) and len(host) > len(tree)
    return host == tree


def _address_within(value: bytes, tree: bytes, rules: ConstraintRules) -> bool | None:
    if rules.networks_as_names and len(value) in (8, 32):
        if len(value) != len(tree):
            return False
        half = len(value) // 2
        narrower = all(v | m == v for v, m in zip(value[half:], tree[half:], strict=True))
        return narrower and _address_within(value[:half], tree, rules)
    if len(value) not in (4, 16) or len(tree) not in (8, 32):
        return None
    if len(value) * 2 != len(tree):
        return False
    mask = tree[len(value) :]
    return all((a ^ b) & m == 0 for a, b, m in zip(value, tree, mask, strict=False))


def _directory_within(value: bytes, tree: bytes) -> bool | None:
    name, base = read_name(value), read_name(tree)
    if name is None or base is None:
        return None
    return name.canonical.startswith(base.canonical)
