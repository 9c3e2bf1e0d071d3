"""On what terms the chain of a connection is judged: store, host, validator, limit on intermediates.

What the user names wins; then comes what the gateway's own configuration says of the target that the connection goes
to; then what the wire shows, the server name. With neither store nor configuration there is one set of terms for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field, replace
from typing import TYPE_CHECKING, Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.case import Doubt, Trust
from analyzer.diagnosis.cause import Evidence
from analyzer.diagnosis.certificate import OF_THE_CHAIN, OF_THE_STORE
from analyzer.diagnosis.engine import Outcome
from analyzer.inputs import public_roots
from analyzer.report.model import Expected
from analyzer.tls.connection import Connection, Side
from analyzer.trust.anchors import Anchors
from analyzer.trust.model import Fix
from analyzer.trust.store import NamedEntry, TrustStore, together

if TYPE_CHECKING:
    from analyzer.configured import Configured
    from analyzer.gateways.configuration import Target
    from analyzer.gateways.expectation import Note, Seen

__all__ = ["Judging", "Terms"]

_DATES: Final = frozenset({"expired-leaf", "not-yet-valid"})
_NOTHING: Final = TrustStore(sources=(), entries=(), problems=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The terms for one connection.

    `store` is None where none is known; `host` is for the report, `checked_host` the name that is checked. `key` is
    equal for equal terms.
    """

    anchors: Anchors
    store: TrustStore | None
    host: str | None
    checked_host: str | None
    profiles: tuple[str, ...]
    profile_named: bool
    verify_depth: int | None
    key: tuple[object, ...]
    doubts: tuple[Doubt, ...] = ()
    notes: tuple[Note, ...] = ()
    expected: Expected | None = None

    def trust(self) -> Trust:
        """What is known before any chain is checked."""
        store = self.store
        # A store of which nothing could be read says nothing of the chain.
        return Trust(
            store_given=store is not None and store.usable,
            store_partial=store is not None and any(problem.severity == "error" for problem in store.problems),
            store_names=", ".join(store.sources) if store is not None else "",
            host=self.host,
            host_known=self.checked_host is not None,
            profile_named=self.profile_named,
            doubts=self.doubts,
        )

    def doubted(self, trust: Trust, chain: Sequence[bytes]) -> Trust:
        """The same with what a store that is known by words only leaves open."""
        if not self.anchors.store.named:
            return trust
        texts = []
        for verdict in trust.verdicts:
            found = self.anchors.name_only(chain, verdict)
            if found is not None:
                entry = found.entry
                name = f"“{entry.subject}”" if entry.subject else f"the alias {entry.label}"
                texts.append(
                    f"the store names {name} ({entry.source}) without the certificate: {found.why} cannot be told"
                )
        doubts = [Doubt(codes=OF_THE_STORE, text=text) for text in dict.fromkeys(texts)]
        return replace(trust, doubts=(*trust.doubts, *doubts)) if doubts else trust

    def told(self, outcome: Outcome, trust: Trust) -> Outcome:
        """The outcome with what the configuration says of its cause, and how a doubt is settled."""
        if outcome.cause is None:
            return outcome
        cause, match = outcome.cause
        notes = [note.text for note in self.notes if cause.code in note.codes]
        if notes:
            text = " ".join([match.explanation, *(f"{_sentence(note)}." for note in notes)])
            evidence = (*match.evidence, *(Evidence(None, note) for note in notes))
            outcome = replace(outcome, cause=(cause, replace(match, explanation=text, evidence=evidence)))
        doubt = trust.doubt(cause.code)
        if doubt is None or doubt.unchecked:
            return outcome
        exports = [entry for entry in self.anchors.store.named if entry not in self.anchors.matched and entry.export]
        text = "Give the certificates that the store only names with --truststore: then it can be told."
        fix = Fix(action="supply", text=text, commands=tuple(dict.fromkeys(entry.export for entry in exports[:10])))
        return replace(outcome, fixes=(*outcome.fixes, fix))


@dataclass(slots=True, kw_only=True)
class Judging:
    """What the user and the configuration say, for all connections."""

    store: TrustStore | None
    configured: Configured | None
    at_hand: tuple[bytes, ...]
    host: str | None
    profiles: tuple[str, ...]
    profile_named: bool
    verify_depth: int | None
    """The limit that the user named."""
    usual_depth: int | None = None
    """That of the product, where neither the user nor a configuration tells."""
    _anchors: dict[tuple[str, ...], Anchors] = field(default_factory=dict)

    @property
    def all_stores(self) -> TrustStore | None:
        """All that was given and found, as one; None where there is none."""
        found = self.configured.store if self.configured is not None else None
        if self.store is None or found is None:
            return self.store or found
        return together([self.store, found])

    @property
    def matched(self) -> dict[NamedEntry, tuple[str, str]]:
        """Of the certificates known by words only, those that turned out to be at hand."""
        return {entry: match for anchors in self._anchors.values() for entry, match in anchors.matched.items()}

    def terms(self, seen: Connection) -> Terms:
        """The terms for one connection."""
        hello = seen.client_hello
        name = hello.server_name if hello is not None else None
        if self.configured is None:
            anchors = self._anchors_of((), self.store)
            host = self.host or seen.expected_host
            return self._plain(anchors, self.store, host, host)
        return self._configured(self.configured, seen, name)

    def _plain(self, anchors: Anchors, store: TrustStore | None, host: str | None, checked: str | None) -> Terms:
        depth = self.verify_depth if self.verify_depth is not None else self.usual_depth
        return Terms(
            anchors=anchors,
            store=store,
            host=host,
            checked_host=checked,
            profiles=self.profiles,
            profile_named=self.profile_named,
            verify_depth=depth,
            key=(id(anchors), checked, depth),
        )

    def _configured(self, configured: Configured, seen: Connection, name: str | None) -> Terms:
        from analyzer.gateways import catalogue
        from analyzer.gateways.expectation import notes_on

        facts = _facts(seen, name)
        wanted = configured.target_of(facts)
        target = wanted.target if wanted is not None else None
        key, store = configured.store_for(target)
        if self.store is not None:
            key, store = (), together([self.store, *([configured.listed] if configured.listed is not None else [])])
        anchors = self._anchors_of(key, store)
        host = self.host or (target.checked_name if target is not None else None) or seen.expected_host
        checked = None if target is not None and target.verifies_name is False else host
        terms = self._plain(anchors, store, host, checked)
        if wanted is None or target is None:
            return terms
        notes = notes_on(target, facts)
        told = [note.text for note in notes]
        profile = catalogue()[target.product].profile if target.product in catalogue() else None
        profiles, profile_named = self.profiles, self.profile_named
        if not profile_named and profile is not None:
            profiles, profile_named = (profile,), True
            told.append(f"judged by the validator of {target.product}, the profile {profile}")
        depth = terms.verify_depth
        if self.verify_depth is None and target.verify_depth is not None:
            depth = target.verify_depth
        return replace(
            terms,
            profiles=profiles,
            profile_named=profile_named,
            verify_depth=depth,
            key=(id(anchors), checked, depth),
            doubts=_doubts(target),
            notes=notes,
            expected=Expected(
                target=target.name, place=target.place, matched=wanted.matched, notes=tuple(dict.fromkeys(told))
            ),
        )

    def _anchors_of(self, key: tuple[str, ...], store: TrustStore | None) -> Anchors:
        if key not in self._anchors:
            named = store is not None and bool(store.named)
            at_hand = (*self.at_hand, *public_roots()) if named else ()
            self._anchors[key] = Anchors(store or _NOTHING, at_hand)
        return self._anchors[key]


def _doubts(target: Target) -> tuple[Doubt, ...]:
    if target.verifies_chain is not False:
        return ()
    codes = OF_THE_CHAIN - _DATES if target.verifies_dates else OF_THE_CHAIN
    text = (
        f"by its configuration ({target.place}) the gateway does not verify the chain, and would not refuse it for that"
    )
    return (Doubt(codes=codes, text=text, unchecked=True),)


def _facts(seen: Connection, name: str | None) -> Seen:
    from analyzer.gateways.expectation import Seen

    client = seen.chain(Side.CLIENT)
    return Seen(
        server=seen.server.address,
        port=seen.server.port,
        hello=seen.client_hello is not None,
        server_name=name,
        certificate_requested=seen.certificate_request is not None,
        certificate_sent=client is not None and bool(client.chain),
    )


def _sentence(text: str) -> str:
    """With a capital, unless the first word is the name of a directive."""
    return text if "_" in text.partition(" ")[0] else text[:1].upper() + text[1:]
