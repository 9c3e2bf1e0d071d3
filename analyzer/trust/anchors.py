"""A trust store of which some certificates are known by words only, and what of them is at hand.

A certificate that turns out to be one that the store names is an anchor like any other. It may be at hand for all
connections (a candidate, a public root, another store) or be sent in one chain; so the checker depends on the chain.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.trust.certificate import Certificate, printable
from analyzer.trust.check import Checker
from analyzer.trust.model import TrustVerdict
from analyzer.trust.store import NamedEntry, TrustStore

__all__ = ["Anchors", "NameOnly"]

_MOST_CHAINS: Final = 1024
_NO_ROOT: Final = "it is no root, so nothing is trusted for its sake"


@dataclass(frozen=True, slots=True, kw_only=True)
class NameOnly:
    """An entry of a store that may be the issuer that is wanted, and may not.

    `why` says of what too little is known, as the end of a sentence.
    """

    entry: NamedEntry
    why: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Set:
    anchors: tuple[bytes, ...]
    intermediates: tuple[bytes, ...]
    checkers: dict[int | None, Checker] = field(default_factory=dict)


class Anchors:
    """What a gateway trusts, as far as it is known; answers for one chain at a time."""

    def __init__(self, store: TrustStore, at_hand: Iterable[bytes] = ()) -> None:
        """`at_hand` are certificates (DER) among which those that the store only names are looked for."""
        self.store = store
        self.matched: dict[NamedEntry, tuple[str, str]] = {}
        """Of the entries known by words: the digest (SHA-256) of the certificate that each is, and by what."""
        self._known = _Set(anchors=store.anchors, intermediates=store.intermediates)
        if store.named:
            self._known = self._with(self._known, (*at_hand, *store.certificates))
        self._sets: dict[tuple[bytes, ...], _Set] = {}

    def anchors(self, chain: Sequence[bytes] = ()) -> tuple[bytes, ...]:
        """The certificates that are trusted, those of the chain that the store names included."""
        return self._set(chain).anchors

    def intermediates(self, chain: Sequence[bytes] = ()) -> tuple[bytes, ...]:
        """The certificates that the store holds for building paths only."""
        return self._set(chain).intermediates

    def checker(self, chain: Sequence[bytes] = (), verify_depth: int | None = None) -> Checker:
        """The checker by which a chain is judged."""
        known = self._set(chain)
        checker = known.checkers.get(verify_depth)
        if checker is None:
            checker = Checker(known.anchors, intermediates=known.intermediates, verify_depth=verify_depth)
            known.checkers[verify_depth] = checker
        return checker

    def names_only(self) -> tuple[str, ...]:
        """The entries of which the certificate is not at hand: subject, else label; safe to print."""
        described = {item.label for item in self.store.named if _described(item)}
        waiting = (entry for entry in self.store.named if entry not in self.matched)
        told = (entry for entry in waiting if _described(entry) or entry.label not in described)
        return tuple(dict.fromkeys(printable(entry.subject or entry.label) for entry in told))

    def name_only(self, chain: Sequence[bytes], verdict: TrustVerdict) -> NameOnly | None:
        """The entry that may be the issuer at which a verdict's path ends, where too little is known to tell."""
        waiting = [entry for entry in self.store.named if entry not in self.matched and entry.kind != "intermediate"]
        if not waiting or verdict.accepted:
            return None
        from analyzer.trust.named import same_name

        top = next((c for c in map(Certificate.parse, chain) if verdict.path and c.sha256 == verdict.path[-1]), None)
        if top is None:
            return None
        entry = next((item for item in waiting if item.subject and same_name(item.subject, top.issuer)), None)
        if entry is not None:
            told = entry.sha1 or entry.sha256 or entry.serial
            what = "it is another than the one that was sent, and whether its key is the same"
            return NameOnly(entry=entry, why=what if top.self_issued and told else "whether its key is the same")
        described = {item.label for item in self.store.named if _described(item)}
        entry = next((item for item in waiting if not _described(item) and item.label not in described), None)
        return None if entry is None else NameOnly(entry=entry, why="which certificate that is")

    def _set(self, chain: Sequence[bytes]) -> _Set:
        if not self.store.named or not chain:
            return self._known
        key = tuple(chain)
        if key not in self._sets:
            if len(self._sets) > _MOST_CHAINS:
                self._sets.clear()
            self._sets[key] = self._with(self._known, key)
        return self._sets[key]

    def _with(self, known: _Set, certificates: Iterable[bytes]) -> _Set:
        from analyzer.trust.named import matches

        anchors, intermediates = list(known.anchors), list(known.intermediates)
        for entry, certificate, how in matches(self.store.named, certificates):
            no_root = entry.kind == "root" and not certificate.self_issued
            told = f"{how}; {_NO_ROOT}" if no_root else how
            self.matched.setdefault(entry, (certificate.sha256, told))
            (intermediates if no_root or entry.kind == "intermediate" else anchors).append(certificate.der)
        if len(anchors) == len(known.anchors) and len(intermediates) == len(known.intermediates):
            return known
        return _Set(anchors=tuple(dict.fromkeys(anchors)), intermediates=tuple(dict.fromkeys(intermediates)))


def _described(entry: NamedEntry) -> bool:
    return bool(entry.subject or entry.sha1 or entry.sha256 or entry.serial)
