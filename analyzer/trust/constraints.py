"""Name constraints (RFC 5280 section 4.2.1.10): may a CA that carries these issue for these names?

`violation` compares one certificate's names with one CA's subtrees under a profile's `ConstraintRules`. Engines
disagree on the kinds they know, on whether the CN counts as a host name, and on what they do with what they do
not know; each of these is a knob.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from analyzer.trust.certificate import (
    Certificate,
    GeneralName,
    NameConstraints,
    Subtree,
    read_name,
    printable,
)

__all__ = ["ConstraintRules", "Violation", "violation"]

_EMAIL_ATTRIBUTE: Final = "1.2.840.113549.1.9.1"
_OPENSSL_LIMIT: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintRules:
    """How a validator applies name constraints.

    `kinds` are the kinds of names that it compares; of another kind, constraints are `ignore`d, `presented` (refused
    when the certificate presents a name of that kind), or `always` refused. `cn_is_host`: the leaf's CN counts
    as a DNS name when there is no DNS alternative name (`name-like` CNs only, or `any`). `subject`: the subject is a
    directory name that constraints apply to. `subject_email`: `always`, `no-san`, or `never`. `san_required`: a leaf
    below constraints needs alternative names. `self_issued_exempt`: self-issued CA certificates are not checked.
    `leading_dot`: `.example.com` covers names below (`below`), or nothing but literal suffixes after a dot (`literal`).
    `case_sensitive`: names are compared as they stand. `leaf_only`: names of CA certificates are not compared.
    `limit` bounds names times constraints, as engines do against crafted certificates.
    """

    kinds: frozenset[str] = frozenset({"dns", "ip", "email", "uri", "dirname"})
    other_kinds: Literal["ignore", "presented", "always"] = "presented"
    cn_is_host: Literal["no", "name-like", "any"] = "no"
    subject: bool = True
    subject_email: Literal["always", "no-san", "never"] = "never"
    san_required: bool = False
    self_issued_exempt: bool = False
    leading_dot: Literal["below", "literal", "same"] = "below"
    case_sensitive: bool = False
    leaf_only: bool = False
    bounded_refused: bool = True
    wildcard_names: Literal["as-is", "widen"] = "as-is"
    permitted_needs_kind: bool = False
    limit: int = _OPENSSL_LIMIT


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


def violation(
    certificate: Certificate, constraints: NameConstraints, rules: ConstraintRules, *, leaf: bool
) -> Violation | None:
    """The first name of `certificate` that `constraints` do not allow, or None."""
    trees = constraints.permitted + constraints.excluded
    if rules.san_required and leaf and certificate.alt_names is None:
        return Violation(reason="no-san", name="", kind="")
    names = _names(certificate, rules, leaf=leaf)
    if len(names) * len(trees) > rules.limit:
        return Violation(reason="too-many", name=f"{len(names)} names", kind="")
    if rules.other_kinds == "always":
        for tree in trees:
            if tree.base.kind not in rules.kinds:
                return Violation(reason="unsupported", name=tree.base.text, kind=tree.base.kind)
    for name in names:
        found = _check(name, constraints, rules)
        if found is not None:
            return found
    return None


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
    if leaf and rules.cn_is_host != "no" and not certificate.alt_names_of("dns"):
        names += [
            GeneralName(tag=0x82, kind="dns", value=cn.encode("utf-8", "surrogatepass"))
            for cn in subject.common_names
            if rules.cn_is_host == "any" or _looks_like_host(cn)
        ]
    return names


def _looks_like_host(text: str) -> bool:
    """OpenSSL's test of a CN: two labels or more, of letters, digits, `_`, and inner hyphens."""
    text = text.rstrip("\0")
    labels = text.split(".")
    return len(labels) > 1 and all(
        label and label[0] != "-" and label[-1] != "-" and label.replace("-", "").replace("_", "a").isalnum()
        and label.isascii()
        for label in labels
    )  # fmt: skip


def _check(name: GeneralName, constraints: NameConstraints, rules: ConstraintRules) -> Violation | None:
    permitted = [t for t in constraints.permitted if t.base.kind == name.kind]
    excluded = [t for t in constraints.excluded if t.base.kind == name.kind]
    if not permitted and not excluded:
        return None
    if name.kind not in rules.kinds:
        if rules.other_kinds == "presented":
            return _violation("unsupported", name, (permitted + excluded)[0])
        return None
    if rules.bounded_refused and any(t.bounded for t in permitted + excluded):
        return _violation("unsupported", name, (permitted + excluded)[0])
    verdicts = [_within(name, tree.base, rules) for tree in permitted]
    if permitted and True not in verdicts:
        reason = "syntax" if None in verdicts else "permitted"
        return _violation(reason, name, permitted[0])
    for tree in excluded:
        verdict = _within(name, tree.base, rules, excluded=True)
        if verdict is None:
            return _violation("syntax", name, tree)
        if verdict:
            return _violation("excluded", name, tree)
    return None


def _violation(reason: str, name: GeneralName, tree: Subtree) -> Violation:
    return Violation(
        reason=reason,
        name=printable(name.text),
        kind=_KIND_LABELS.get(name.kind, name.kind),
        constraint=printable(tree.base.text),
    )


def _within(name: GeneralName, base: GeneralName, rules: ConstraintRules, *, excluded: bool = False) -> bool | None:
    """Whether the name lies in the subtree; None when one of them is not of its kind's syntax."""
    if name.kind == "dirname":
        return _directory_within(name.value, base.value)
    if name.kind == "ip":
        return _address_within(name.value, base.value)
    value, tree = name.value.decode("latin-1"), base.value.decode("latin-1")
    if not rules.case_sensitive:
        value, tree = value.lower(), tree.lower()
    if name.kind == "dns":
        if excluded and rules.wildcard_names == "widen" and value.startswith("*."):
            parent = value[2:]
            if tree == parent or tree.endswith("." + parent):
                return True
        return _dns_within(value, tree, rules)
    if name.kind == "email":
        return _email_within(value, tree)
    return _uri_within(value, tree)


def _dns_within(value: str, tree: str, rules: ConstraintRules) -> bool:
    if not tree:
        return True
    if tree.startswith("."):
        if rules.leading_dot == "literal":
            return value.endswith("." + tree)
        if rules.leading_dot == "same":
            tree = tree[1:]
            return value == tree or value.endswith("." + tree)
        return value.endswith(tree) and len(value) > len(tree)
    return value == tree or value.endswith("." + tree)


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


def _address_within(value: bytes, tree: bytes) -> bool | None:
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
