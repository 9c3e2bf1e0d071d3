"""What a profile is: the policy knobs of one validator, as plain data.

The path builder (`search`), the checks (`checks`) and the name rules (`names`, `constraints`) read these knobs;
a profile never carries code of its own. The modules in `profiles/` hold one `PROFILE` each and are found by
walking the folder, so that adding a validator touches one file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from functools import cache
from types import MappingProxyType
from typing import Final, Literal

from analyzer.dataclass import dataclass
from analyzer.trust.names import HostRules

__all__ = ["ConstraintRules", "Profile", "Stage", "Strength", "profile_names", "profile_of"]

_OPENSSL_LIMIT: Final = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One round of checks: `up` from the leaf, `down` from the anchor, or `once` for the whole path."""

    direction: Literal["up", "down", "once"]
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strength:
    """Keys and signature algorithms that a validator takes. Sizes in bits; `curves` None means any."""

    rsa_leaf: int = 0
    rsa_ca: int = 0
    ec: int = 0
    dsa: int = 0
    hashes: frozenset[str] = frozenset({"md5", "sha1", "sha224", "sha256", "sha384", "sha512", "none"})
    families: frozenset[str] = frozenset({"rsa", "rsa-pss", "dsa", "ec", "ed25519", "ed448"})
    curves: frozenset[str] | None = None
    ca_curves: frozenset[str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstraintRules:
    """How a validator applies name constraints.

    `kinds` are the kinds of names that it compares. Constraints of another kind are `ignore`d, `presented` (refused
    when the certificate presents a name of that kind), likewise when they are `excluded` trees only, or make a
    `critical` extension an unknown one. Trees of `refused_kinds` are refused whatever is presented.
    `cn_is_host`: the leaf's CN counts as a DNS name when there is no DNS alternative name (`name-like` CNs only, or
    `any`); `last`: the last CN of any certificate, as an address or a DNS name, when there is no alternative name of
    that kind (JSSE). `cn_joins_names`: once constraints were compared, an address in the CN stands among the
    alternative names, when there are any (JSSE adds it to its cached list).
    `subject`: the subject is a directory name that constraints apply to. `subject_email`: `always`, `no-san`, `never`.
    `san_required`: a leaf below constraints needs alternative names. `self_issued_exempt`: self-issued CA certificates
    are not checked. `leaf_only`: names of CA certificates are not compared.
    `leading_dot`: `.example.com` covers the names below (`below`), or nothing (`literal`), or itself too (`same`).
    `case_sensitive`: names are compared as they stand. `bounded_refused`: trees with a minimum or maximum are refused.
    `final_dots`: those of host and e-mail names and of their trees `matter`, or are `dropped` (GnuTLS).
    `empty_tree`: an empty DNS constraint covers `all` names, or makes the comparison fail (`refuse`, JSSE).
    `wildcard_names`: `*.example.com` falls under an excluded `bar.example.com` (`widen`). `networks_as_names`: an
    address name that is a network (8 or 32 bytes, which RFC 5280 forbids) is compared as one.
    `addresses_first`: address names are compared before others, which decides what is reported.
    `limit` bounds names times constraints, as engines do against crafted certificates.
    """

    kinds: frozenset[str] = frozenset({"dns", "ip", "email", "uri", "dirname"})
    other_kinds: Literal["ignore", "presented", "excluded", "critical"] = "presented"
    refused_kinds: frozenset[str] = frozenset()
    cn_is_host: Literal["no", "name-like", "any", "last"] = "no"
    subject: bool = True
    subject_email: Literal["always", "no-san", "never"] = "never"
    san_required: bool = False
    self_issued_exempt: bool = False
    leading_dot: Literal["below", "literal", "same"] = "below"
    case_sensitive: bool = False
    final_dots: Literal["matter", "dropped"] = "matter"
    leaf_only: bool = False
    bounded_refused: bool = True
    empty_tree: Literal["all", "refuse"] = "all"
    wildcard_names: Literal["as-is", "widen"] = "as-is"
    networks_as_names: bool = False
    cn_joins_names: bool = False
    addresses_first: bool = False
    limit: int = _OPENSSL_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Setting:
    """A stricter setting of a validator, which many installations have: `strength`, checked in one more `stage`."""

    title: str
    strength: Strength
    stage: Stage


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Profile:
    """One validator. See validators' documentation in each profile module for where a knob comes from.

    Path building. `search`: `first` takes the first fitting candidate and never goes back (OpenSSL's family),
    `sorted` sorts what was sent by issuer and cuts it where the store holds it (GnuTLS), `as-sent` follows the order
    sent up to an anchor and only otherwise searches (JSSE), `backtrack` tries every candidate. `same_name`: names are
    compared `canonical` or as `bytes`. `prefer_valid`: among candidates, one that is valid now. `climb_store`: the
    store is asked again above a stored certificate until a self-signed one is reached.
    `anchor`: what ends a path: `self-signed` stored certificates only, or `any`. `pinned_leaf`: whether a stored leaf
    ends the path before any search: `no`, only when `self-signed`, `yes`. `partial`: the profile of the same validator
    told to take any stored certificate for an anchor.
    `key_ids`: authority against subject key id: `require`, `anchor` (only towards an anchor above a chain in the order
    sent), or `hint`; `issuer_serial` likewise for the authority's issuer and serial. `issuer_needs_sign`: a candidate
    without keyCertSign is no issuer; `match_algorithms`: nor one whose key is of another type than the signature.
    `unreadable_means_no_issuer`: with these parts unreadable, a certificate has and is no issuer.
    `max_intermediates`: None for no limit; `max_when_searching` applies when the order sent leads to no anchor.
    `max_signature_checks`: after as many the search gives up.

    Reading. `refused_at_once`: parts for which the whole chain is refused, in the leaf only or in every certificate
    sent (`every_sent_must_parse`); `refused_unreadable`: those that the check `unreadable` refuses on a path. The keys
    are those of `Certificate.unreadable`. `drops_odd_names`: alternative names with a malformed one count as none.

    Checks. `stages` in the order in which this validator makes them; `skipped` names per role (`leaf`, `issuer`,
    `anchor`, `pinned`) the checks that it does not make. `errors`: reason -> text as logged, formatted with the facts;
    with `joined_errors` as their common start, several are joined in the order of that table. `before_building` are
    the checks of the leaf that come before the search for its issuer, `after_building` those after it has succeeded.
    `stricter` is a setting that the verdict leaves out and tells of beside it.
    """

    name: str
    title: str
    engine: str
    measured: bool = True
    notes: tuple[str, ...] = ()

    search: Literal["first", "sorted", "as-sent", "backtrack"]
    same_name: Literal["canonical", "bytes"] = "bytes"
    prefer_valid: bool = False
    climb_store: bool = False
    anchor: Literal["self-signed", "any"] = "any"
    pinned_leaf: Literal["no", "self-signed", "yes"] = "no"
    partial: str | None = None
    key_ids: Literal["require", "anchor", "hint"] = "hint"
    issuer_serial: Literal["require", "hint"] = "hint"
    issuer_needs_sign: bool = False
    match_algorithms: bool = False
    max_intermediates: int | None = None
    max_when_searching: int | None = None
    max_signature_checks: int = 200

    stages: tuple[Stage, ...]
    after_building: frozenset[str] = frozenset()
    skipped: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    known_critical: frozenset[str]
    refused_unreadable: frozenset[str] = frozenset()
    refused_at_once: frozenset[str] = frozenset()
    drops_odd_names: bool = False
    every_sent_must_parse: bool = True
    unreadable_means_no_issuer: frozenset[str] = frozenset()
    last_second: Literal["valid", "expired"] = "valid"
    anchor_without_constraints: frozenset[str] = frozenset()
    ca_key_usage: bool = True
    empty_key_usage_is_none: bool = False
    leaf_may_be_ca: bool = True
    version_1_leaf: bool = True
    ca_eku: Literal["require", "any-counts", "ignore"] = "require"
    leaf_eku_any: bool = False
    empty_eku: Literal["refuse", "any"] = "refuse"
    gated_crypto: bool = False
    critical_san_needs_host: bool = False
    leaf_key_usage: tuple[int, ...] = ()
    path_length_counts_self_issued: bool = False
    strength: Strength = field(default_factory=Strength)
    constraints: ConstraintRules
    host: HostRules
    errors: Mapping[str, str]
    joined_errors: str = ""
    before_building: frozenset[str] = frozenset()
    stricter: Setting | None = None

    def strictly(self) -> Profile:
        """The same validator in its stricter setting; itself when it has none."""
        if self.stricter is None:
            return self
        stages = (*self.stages, self.stricter.stage)
        return replace(self, strength=self.stricter.strength, stages=stages, stricter=None)


@cache
def _profiles() -> Mapping[str, Profile]:
    from importlib import import_module
    from pkgutil import iter_modules

    from analyzer.trust import profiles

    found = {}
    for module in iter_modules(profiles.__path__):
        profile = import_module(f"{profiles.__name__}.{module.name}").PROFILE
        found[profile.name] = profile
    return MappingProxyType(found)


def profile_names() -> tuple[str, ...]:
    """The names of all profiles, in alphabetical order."""
    return tuple(sorted(_profiles()))


def profile_of(name: str) -> Profile:
    """The profile of that name. Raises `ValueError` that lists the known ones."""
    try:
        return _profiles()[name]
    except KeyError:
        raise ValueError(f"no profile {name!r}; known are {', '.join(profile_names())}") from None
