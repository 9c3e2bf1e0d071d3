"""Is this certificate for this host? RFC 9525 (and RFC 6125 before it), as each validator reads it.

`match_host` takes a certificate, the reference name and the profile's `HostRules`, and says whether it matches,
and when not, what kind of mismatch it is: no name fits at all, or the name stands in the subject's CN only and
this validator does not look there.
"""

from __future__ import annotations

from fnmatch import translate
from functools import lru_cache
from ipaddress import ip_address
from re import IGNORECASE, Pattern
from re import compile as compile_pattern
from typing import Final, Literal

from analyzer.dataclass import dataclass
from analyzer.trust.certificate import Certificate, printable, shortened

__all__ = ["HostMatch", "HostRules", "Reference", "match_host", "reference", "wildcard_match"]

_HOST_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRules:
    """How a validator compares names.

    `cn`: when the subject's CN is looked at: `never`, when there is `no-dns` name among the alternative names,
    no DNS, IP or URI name (`no-host-san`), or no alternative names at all (`no-san`). `cn_for_address`: the CN
    also serves for addresses. `partial`: where else in the left label a `*` may stand beside other characters: `none`,
    at its `end` or its `edges`, or `anywhere` in any label. `labels_after`: labels that must follow the wildcard.
    `final_dot`: a reference name may end in a dot. `underscore`: a reference name may contain `_`.
    `exact_odd_names`: names that are no valid host names still match when they are equal.
    """

    cn: Literal["never", "no-dns", "no-host-san", "no-san"] = "never"
    cn_for_address: bool = False
    partial: Literal["none", "end", "edges", "anywhere"] = "none"
    labels_after: int = 2
    final_dot: bool = False
    underscore: bool = True
    exact_odd_names: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """The name that the client meant: A-labels in lower case, or the address in network byte order."""

    text: str
    name: str
    address: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMatch:
    """`reason` is empty on a match, else `mismatch`, `cn-only`, `no-names`, or `illegal-host`."""

    reason: str
    presented: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def reference(host: str) -> Reference:
    """Read a host name or address as a user writes it: brackets, U-labels and upper case are understood."""
    text = host.strip()
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return Reference(text=bare, name=bare.lower(), address=ip_address(bare.partition("%")[0]).packed)
    except ValueError:
        pass
    name = text.lower()
    if not name.isascii():
        import idna

        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            name = text.lower()
    return Reference(text=text, name=name, address=None)


def match_host(certificate: Certificate, wanted: Reference, rules: HostRules) -> HostMatch:
    """Compare the reference name with what the certificate presents."""
    alt_names = certificate.alt_names
    dns = [n.value.decode("latin-1") for n in certificate.alt_names_of("dns")]
    common_names = certificate.subject.common_names
    use_cn = _looks_at_cn(certificate, rules)
    if wanted.address is not None:
        return _match_address(certificate, wanted, rules, common_names)
    presented = tuple(printable(shortened(n)) for n in dns or (common_names if use_cn else ()))
    if not rules.underscore and "_" in wanted.name:
        return HostMatch(reason="illegal-host", presented=presented)
    candidates = dns if dns or not use_cn else list(common_names)
    if any(wildcard_match(candidate, wanted.name, rules) for candidate in candidates):
        return HostMatch(reason="")
    if not dns and not use_cn and any(wildcard_match(c, wanted.name, rules) for c in common_names):
        return HostMatch(reason="cn-only", presented=presented)
    return HostMatch(reason="mismatch" if alt_names or use_cn else "no-names", presented=presented)


def wildcard_match(pattern: str, name: str, rules: HostRules) -> bool:
    """Whether one presented identifier covers one host name."""
    pattern, name = pattern.lower(), name.lower()
    if rules.final_dot and name.endswith("."):
        name = name[:-1]
    if not pattern or not name:
        return False
    if rules.partial == "anywhere":
        return _matches_any_label(pattern, name)
    if "*" not in pattern:
        return pattern == name and (rules.exact_odd_names or _plausible(pattern))
    left, dot, parent = pattern.partition(".")
    labels = parent.split(".")
    if (
        pattern.count("*") != 1
        or "*" not in left
        or not dot
        or len(labels) < rules.labels_after
        or not all(_plausible(label) and label[0] != "-" and label[-1] != "-" for label in labels)
    ):
        return pattern == name and rules.exact_odd_names
    name_left, dot, name_parent = name.partition(".")
    if name_parent != parent or not dot:
        return False
    if left == "*":
        return bool(name_left) and (_plausible(name_left) or name_left == "*")
    before, after = left.split("*")
    if rules.partial == "none" or (rules.partial == "end" and before) or (before and after):
        return False
    if left.startswith("xn--") or (name_left.startswith("xn--") and rules.partial == "edges"):
        return False
    if len(name_left) < len(left) - 1 or not _plausible(before + after):
        return False
    return name_left.startswith(before) and name_left.endswith(after) and _plausible(name_left)


def _looks_at_cn(certificate: Certificate, rules: HostRules) -> bool:
    if rules.cn == "no-dns":
        return not certificate.alt_names_of("dns")
    if rules.cn == "no-host-san":
        return not any(n.kind in ("dns", "ip", "uri") for n in certificate.alt_names or ())
    if rules.cn == "no-san":
        return certificate.alt_names is None
    return False


def _match_address(
    certificate: Certificate, wanted: Reference, rules: HostRules, common_names: tuple[str, ...]
) -> HostMatch:
    addresses = certificate.alt_names_of("ip")
    if any(name.value == wanted.address for name in addresses):
        return HostMatch(reason="")
    in_cn = any(reference(cn).address == wanted.address for cn in common_names)
    if in_cn and rules.cn_for_address:
        return HostMatch(reason="")
    presented = tuple(name.text for name in addresses)
    if in_cn and not certificate.alt_names:
        return HostMatch(reason="cn-only", presented=presented)
    return HostMatch(reason="mismatch" if certificate.alt_names else "no-names", presented=presented)


def _plausible(label: str) -> bool:
    return bool(label) and all(c in _HOST_CHARACTERS for c in label)


def _matches_any_label(pattern: str, name: str) -> bool:
    """JSSE: label by label, a `*` anywhere; the last wildcard needs a dot after it, each label valid LDH."""
    if "*" in pattern and ("." not in pattern[pattern.rindex("*") :] or pattern in ("*", "*.")):
        return False
    if pattern.count(".") != name.count("."):
        return False
    pattern_labels = [_unicode_label(label) for label in pattern.split(".")]
    name_labels = [_unicode_label(label) for label in name.split(".")]
    return all(map(_std3, pattern_labels)) and all(map(_matches_label, pattern_labels, name_labels))


def _unicode_label(label: str) -> str:
    """IDNA 2003 ToUnicode as `java.net.IDN` does it: an A-label that decodes to nothing sensible stays as it is."""
    if not label.startswith("xn--"):
        return label
    try:
        decoded = label[4:].encode("ascii").decode("punycode")
    except (UnicodeError, ValueError):
        return label
    return decoded if decoded.isprintable() else label


def _std3(label: str) -> bool:
    """Host name characters, no hyphen at the ends; a `*` stands for a letter."""
    text = label.replace("*", "z")
    return (
        bool(text) and text[0] != "-" and text[-1] != "-" and all(c.isalnum() or c == "-" for c in text if c.isascii())
    )


def _matches_label(pattern: str, label: str) -> bool:
    if "*" not in pattern and pattern.isascii() and label.isascii():
        return pattern == label
    return _label_pattern(pattern).fullmatch(label) is not None


@lru_cache(maxsize=1024)
def _label_pattern(label: str) -> Pattern[str]:
    if label.count("*") > 4:
        label = label.replace("*", "?")
    escaped = label.replace("[", "[[]").replace("?", "[?]")
    return compile_pattern(translate(escaped), IGNORECASE)
