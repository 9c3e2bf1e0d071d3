"""What the search and the checks pass to each other: the case at hand, a path, a failed check."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Final, Literal

from analyzer.dataclass import dataclass
from analyzer.trust.certificate import Certificate, instant
from analyzer.trust.model import TrustProblem
from analyzer.trust.names import Reference
from analyzer.trust.profile import Profile
from analyzer.trust.signatures import key_family, signature_family, verify

__all__ = ["Budget", "Case", "Failure", "Path", "Pool", "Purpose"]

Purpose = Literal["server", "client"]
"""What the leaf is for: a TLS server's certificate, or a TLS client's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One failed check: the code of the catalogue, the engine-neutral `reason` that picks the error text, where.

    `depth` counts from the leaf (0). `facts` fill the placeholders of the error text. `check` is the check's name,
    empty for the end of a path that leads to no anchor. `edge` is the begin or end of validity (seconds since 1970) on
    whose wrong side the moment of the check is: the only thing that a sentence says of that moment, and said last, so
    that one failure serves every moment of a window.
    """

    code: str
    reason: str
    depth: int
    certificate: Certificate | None
    text: str
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    check: str = ""
    edge: int | None = None

    def text_at(self, seconds: int) -> str:
        """The sentence, with the distance to the moment of the check where that matters."""
        if self.edge is None:
            return self.text
        side = "before" if seconds >= self.edge else "after"
        return f"{self.text}, {_span(abs(seconds - self.edge))} {side} {instant(seconds)}"

    def problem_at(self, seconds: int) -> TrustProblem:
        """The failure as the report shows it."""
        digest = self.certificate.sha256 if self.certificate is not None else None
        return TrustProblem(code=self.code, certificate=digest, text=self.text_at(seconds))


def _span(seconds: int) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Path:
    """A chain under trial, leaf first. Certificates from index `trusted` on were taken from the store.

    `anchored`: it ends in a certificate that this validator takes as an anchor. `searched`: found by searching, not
    by following the order sent. `end`: why it goes no further, when it is not anchored.
    """

    certificates: tuple[Certificate, ...]
    trusted: int
    anchored: bool
    searched: bool = False
    end: Failure | None = None

    def role(self, index: int) -> str:
        """`pinned` (the leaf itself is the anchor), `leaf`, `anchor` (from the store), or `issuer`."""
        if index == 0:
            return "pinned" if self.anchored and self.trusted == 0 else "leaf"
        return "anchor" if index >= self.trusted else "issuer"


class Pool:
    """Certificates findable by subject, in the order given and each once."""

    __slots__ = ("_by_name", "_members", "certificates")

    def __init__(self, certificates: tuple[Certificate, ...]) -> None:
        self.certificates = tuple(dict.fromkeys(certificates))
        self._members = frozenset(self.certificates)
        self._by_name: dict[tuple[bool, bytes], list[Certificate]] = {}
        for certificate in self.certificates:
            name = certificate.subject
            self._by_name.setdefault((True, name.canonical), []).append(certificate)
            self._by_name.setdefault((False, name.der), []).append(certificate)

    def named_like_issuer_of(self, certificate: Certificate, profile: Profile) -> list[Certificate]:
        """The certificates whose subject is the issuer of `certificate`, compared as this validator does."""
        if profile.same_name == "canonical":
            return self._by_name.get((True, certificate.issuer.canonical), [])
        return self._by_name.get((False, certificate.issuer.der), [])

    def with_subject(self, certificate: Certificate) -> list[Certificate]:
        """The certificates with the same subject as `certificate`."""
        return self._by_name.get((True, certificate.subject.canonical), [])

    def __contains__(self, certificate: object) -> bool:
        return certificate in self._members

    def __len__(self) -> int:
        return len(self.certificates)


class Budget:
    """A bound on the work of one check: signature checks, steps, compared names. `spent` once it is used up."""

    __slots__ = ("evidence", "names", "signatures", "spent", "steps", "vouched")

    NAMES: Final = 40_000
    """Names that may be compared with name constraints in one check: some 0.3 s."""

    EVIDENCE: Final = 32
    """Signature checks, apart from the validator's own, that tell whose fault a bad signature is."""

    def __init__(self, signatures: int, steps: int, vouched: frozenset[str] = frozenset()) -> None:
        self.vouched = vouched
        self.signatures = signatures
        self.steps = steps
        self.names = self.NAMES
        self.evidence = self.EVIDENCE
        self.spent = False

    def renew(self, *, signatures: int, steps: int) -> None:
        """A fresh allowance for a second pass; that the first one was used up stays known."""
        self.signatures, self.steps = signatures, steps

    def compare(self, names: int) -> bool:
        """Whether as many names may still be compared with the constraints of one more certificate."""
        self.names -= names
        if self.names < 0:
            self.spent = True
        return self.names >= 0

    def step(self) -> bool:
        """Take one step; False when there is none left."""
        self.steps -= 1
        if self.steps < 0:
            self.spent = True
        return self.steps >= 0

    def verify(self, certificate: Certificate, issuer: Certificate) -> str:
        """`signatures.verify` at the budget's expense; `unchecked` when there is none left."""
        self.signatures -= 1
        if self.signatures < 0:
            self.spent = True
            return "unchecked"
        if certificate.sha256 in self.vouched:
            return "good"
        return verify(certificate, issuer)

    def made(self, certificate: Certificate, issuer: Certificate) -> bool:
        """Whether `issuer`'s key made the signature, for the report only: the validator's own checks cost the same."""
        self.evidence -= 1
        return self.evidence >= 0 and verify(certificate, issuer) == "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One question to one validator. `at` is in seconds since 1970, rounded down."""

    chain: tuple[Certificate, ...]
    sent: Pool
    """Everything that may serve as intermediate: sent after the leaf, then the extra ones."""
    store: Pool
    wanted: Reference | None
    at: int
    profile: Profile
    verify_depth: int | None
    budget: Budget
    purpose: Purpose = "server"

    @property
    def leaf(self) -> Certificate:
        """The first certificate sent."""
        return self.chain[0]

    @property
    def max_intermediates(self) -> int | None:
        """The configured or built-in limit on intermediates, None for none."""
        limits = [n for n in (self.verify_depth, self.profile.max_intermediates) if n is not None]
        return min(limits, default=None)

    def other_key_signed(self, certificate: Certificate, stored: Certificate) -> bool:
        """Whether the signature that `stored` does not verify was made with another key, as far as anything tells.

        Else the signature itself is bad: damaged, or forged. Key types tell, then key identifiers, then a namesake at
        hand whose key verifies it, then the root that was sent.
        """
        family, wanted = key_family(stored), signature_family(certificate)
        if family is not None and wanted is not None and family.removesuffix("-pss") != wanted:
            return True
        namesakes = [
            c for pool in (self.sent, self.store) for c in pool.with_subject(stored) if c not in (stored, certificate)
        ]
        sent_roots = [c for c in self.sent.with_subject(stored) if c.self_issued]
        sent_same = any(c.spki == stored.spki for c in sent_roots)
        named = certificate.authority_key_id.key_id if certificate.authority_key_id is not None else None
        if named is not None and stored.subject_key_id is not None:
            return named != stored.subject_key_id and not sent_same
        if any(c.spki != stored.spki and self.budget.made(certificate, c) for c in namesakes):
            return True
        return bool(sent_roots) and not sent_same
