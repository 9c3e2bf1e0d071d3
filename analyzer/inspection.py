"""The trust checker alone, and the trust store alone: the commands `check` and `store` as functions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from analyzer.errors import InputError
from analyzer.inputs import (
    Paths,
    as_paths,
    chain_of,
    named_certificate,
    profiles_asked,
    public_roots,
    require_zone,
    store_problems,
    truststore_info,
)
from analyzer.report.model import CheckFix, CheckReport, Fix, InputProblem, StoredCertificate, StoreReport, TrustVerdict

if TYPE_CHECKING:
    from analyzer.trust.store import TrustStore

__all__ = ["check_chain", "inspect_store"]

_PART: Final = re.compile(r" \(change \d+ of (\d+) that are needed together\)")


def check_chain(
    chain: str | Path | BinaryIO,
    *,
    truststore: Paths = None,
    truststore_password: str | None = None,
    host: str | None = None,
    profile: str = "auto",
    verify_depth: int | None = None,
    at: datetime | None = None,
    candidate: Paths = None,
    redact: bool = False,
) -> CheckReport:
    """Ask the validators whether they accept a chain that somebody saved, and what would turn those that refuse.

    `chain`: a path, `-` for standard input, or an open binary file, in any form that `analyzer.trust.chain` reads.
    `truststore`: paths or the words `system` and `mozilla`; None takes `system`. `host`: the name or address that
    the client meant; None takes it from the input where it stands there, else no name is checked. `profile`: one
    validator, or `auto` for all whose verdicts are measured. `at`: an aware datetime, None is now. `candidate`:
    certificates that nobody trusts yet and that a repair may use. `truststore_password` opens a key store given as
    `chain` too.

    Raises `InputError` when there is no certificate to check or none to trust, for an unknown profile and for a
    time without zone. What can be used in part is used, and the rest is in the report's problems.
    """
    from analyzer.report.certificates import chain_infos
    from analyzer.trust.anchors import Anchors
    from analyzer.trust.certificate import instant
    from analyzer.trust.check import seconds_of
    from analyzer.trust.repair import remedies
    from analyzer.trust.store import read_stores

    profiles = profiles_asked(profile)
    require_zone(at)
    source, saved = chain_of(chain, truststore_password)
    paths = as_paths(truststore)
    store = read_stores(paths or ["system"], truststore_password)
    _require_certificates(store, "" if paths else "Give the validator's store with --truststore PATH")
    candidates = read_stores(as_paths(candidate), truststore_password)
    host = host or None
    wanted = host or saved.host
    moment = at or datetime.now(UTC)
    anchors = Anchors(store, (*candidates.certificates, *(public_roots() if store.named else ())))
    checker = anchors.checker(saved.certificates, verify_depth)
    verdicts = tuple(checker.check(saved.certificates, host=wanted, at=moment, profile=asked) for asked in profiles)

    stored, held = anchors.anchors(saved.certificates), anchors.intermediates(saved.certificates)

    def fixes(verdict: TrustVerdict) -> tuple[Fix, ...]:
        found = remedies(
            saved.certificates,
            stored,
            verdict,
            host=wanted,
            at=moment,
            verify_depth=verify_depth,
            intermediates=held,
            candidates=candidates.certificates,
            public_roots=public_roots,
        )
        return tuple(remedy.fix for remedy in found)

    found = [fixes(verdict) for verdict in verdicts]
    own = [InputProblem(code=p.code, text=p.text, source=source, severity=p.severity) for p in saved.problems]
    report = CheckReport(
        source=source,
        chain=chain_infos(saved.certificates),
        host=wanted,
        host_source="option" if host else "input" if wanted else None,
        at=instant(seconds_of(moment)),
        truststore=truststore_info(store, anchors.matched),
        store_given=bool(paths),
        trust=verdicts,
        fixes=_joined(profiles, found),
        problems=(*own, *store_problems(candidates.problems)),
    )
    if redact:
        from analyzer.report.redact import redact as redacted

        return redacted(report)
    return report


def inspect_store(
    paths: Paths,
    *,
    truststore_password: str | None = None,
    at: datetime | None = None,
) -> StoreReport:
    """List what trust stores hold and what is wrong with it at the time `at` (an aware datetime, None is now).

    `paths`: files, directories, or the words `system` and `mozilla`. Raises `InputError` when no certificate could
    be read at all.
    """
    from analyzer.report.certificates import store_certificate
    from analyzer.trust.certificate import instant
    from analyzer.trust.check import seconds_of
    from analyzer.trust.lint import lint_store
    from analyzer.trust.store import read_stores

    require_zone(at)
    moment = at or datetime.now(UTC)
    store = read_stores(as_paths(paths), truststore_password)
    _require_certificates(store, "")
    return StoreReport(
        sources=store.sources,
        at=instant(seconds_of(moment)),
        certificates=len(store.certificates),
        entries=tuple(
            StoredCertificate(
                source=entry.source,
                alias=entry.alias,
                kind=entry.kind,
                chain_index=entry.chain_index,
                certificate=store_certificate(entry.der),
            )
            for entry in store.entries
        ),
        problems=store_problems((*store.problems, *lint_store(store, moment))),
        named=tuple(map(named_certificate, store.named)),
    )


def _require_certificates(store: TrustStore, hint: str) -> None:
    if store.usable:
        return
    reasons = [problem for problem in store.problems if problem.severity != "note"] or list(store.problems)
    if not reasons:
        raise InputError(", ".join(store.sources) or "the trust store", "holds no certificate", hint=hint)
    first, others = reasons[0], reasons[1:]
    more = "".join(f"; {problem.source}: {problem.text}" for problem in others[:3])
    raise InputError(first.source, f"{first.text}{more}", hint=hint)


def _joined(profiles: Sequence[str], found: Sequence[Sequence[Fix]]) -> tuple[CheckFix, ...]:
    """The repairs for each of `profiles`, equal ones once; proven ones first, then those that help most of them."""
    fixes: dict[Fix, Fix] = {}
    helped: dict[Fix, list[str]] = {}
    for profile, own in zip(profiles, found, strict=True):
        for fix in own:
            # The same changes may be numbered in another order for another validator.
            key = replace(fix, text=_PART.sub(r" (of \1)", fix.text))
            fixes.setdefault(key, fix)
            helped.setdefault(key, []).append(profile)
    ranked = sorted(fixes, key=lambda key: (not key.proven, bool(key.caution), -len(helped[key])))
    return tuple(_with_profiles(fixes[key], helped[key]) for key in ranked)


def _with_profiles(fix: Fix, profiles: Sequence[str]) -> CheckFix:
    return CheckFix(**{item.name: getattr(fix, item.name) for item in fields(Fix)}, profiles=tuple(profiles))
