"""What is wrong with the contents of a trust store: `lint_store`.

Reading has told already what could not be read (`TrustStore.problems`); this judges what was read, at a given
time. Nothing here says whether some chain is trusted.

Codes: expired-certificate, not-yet-valid-certificate, leaf-certificate, missing-issuer, duplicate,
same-name-other-key, private-key-entry, full-chain, damaged-certificate.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from analyzer.trust.certificate import Certificate, instant
from analyzer.trust.signatures import verify
from analyzer.trust.store import StoreEntry, StoreProblem, TrustStore, duplicates
from analyzer.trust.stores import Severity, printable

__all__ = ["lint_store"]

_MOST_SIGNATURES: Final = 2_000
"""Signature checks for one store; beyond, an issuer is taken by its name. 2,000 take about half a second."""

_MOST_NAMESAKES: Final = 64
"""Issuers of one name that are looked at: nobody re-issues a CA as often."""

_MOST_NAMED: Final = 4
_LONGEST_NAME: Final = 200


def lint_store(store: TrustStore, at: datetime) -> tuple[StoreProblem, ...]:
    """The faults of the certificates in `store` at the time `at` (without a zone: UTC), each told once.

    A duplicate that reading has told is not told again.
    """
    moment = int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp())
    contents = _Contents(store)
    told = any(problem.code == "duplicate" for problem in store.problems)
    return (
        *_damaged(contents),
        *_dates(contents, moment),
        *_leaves(contents),
        *_missing_issuers(contents),
        *_same_names(contents),
        *_private_keys(store),
        *_full_chains(contents),
        *(() if told else duplicates(store.entries)),
    )


class _Contents:
    """The different certificates of a store, where each first stands, and who issued whom."""

    def __init__(self, store: TrustStore) -> None:
        self.sources: dict[Certificate, str] = {}
        self.by_source: defaultdict[str, dict[Certificate, None]] = defaultdict(dict)
        self.by_name: defaultdict[bytes, list[Certificate]] = defaultdict(list)
        self.damaged: dict[Certificate, str] = {}
        self._issuers: dict[Certificate, tuple[Certificate, ...]] = {}
        self._signatures = _MOST_SIGNATURES
        for entry in store.entries:
            certificate = Certificate.parse(entry.der)
            if certificate.malformed:
                self.damaged.setdefault(certificate, entry.source)
                continue
            if certificate not in self.sources:
                self.sources[certificate] = entry.source
                self.by_name[certificate.subject.canonical].append(certificate)
            self.by_source[entry.source].setdefault(certificate)

    def issuers(self, certificate: Certificate) -> tuple[Certificate, ...]:
        """The certificates of the store, other than itself, whose key made its signature."""
        if certificate not in self._issuers:
            namesakes = self.by_name.get(certificate.issuer.canonical, [])
            self._issuers[certificate] = tuple(
                other
                for other in namesakes[:_MOST_NAMESAKES]
                if other != certificate and self._signed_by(certificate, other)
            )
        return self._issuers[certificate]

    def _signed_by(self, certificate: Certificate, issuer: Certificate) -> bool:
        if not self._signatures:
            return True
        self._signatures -= 1
        # An algorithm that cannot be checked here is no reason to call the issuer missing.
        return verify(certificate, issuer) in ("good", "unsupported")


def _problem(code: str, text: str, source: str, severity: Severity = "warning") -> StoreProblem:
    return StoreProblem(code=code, text=text, source=source, severity=severity)


def _damaged(contents: _Contents) -> Iterator[StoreProblem]:
    for certificate, source in contents.damaged.items():
        text = f"{_title(certificate)} cannot be parsed ({certificate.malformed}); get it again from its owner"
        yield _problem("damaged-certificate", text, source)


def _dates(contents: _Contents, moment: int) -> Iterator[StoreProblem]:
    for certificate, source in contents.sources.items():
        if certificate.not_after is not None and certificate.not_after < moment:
            text = (
                f"{_title(certificate)} expired on {instant(certificate.not_after)}: "
                "put its successor beside it, then take it out"
            )
            yield _problem("expired-certificate", text, source)
        if certificate.not_before is not None and moment < certificate.not_before:
            since = instant(certificate.not_before)
            text = f"{_title(certificate)} is not valid before {since}; is the clock right?"
            yield _problem("not-yet-valid-certificate", text, source)


def _leaves(contents: _Contents) -> Iterator[StoreProblem]:
    for certificate, source in contents.sources.items():
        if certificate.is_ca:
            continue
        if certificate.self_issued:
            text = (
                f"{_title(certificate)} is self-signed and no CA certificate: it vouches only for itself, "
                "and not every validator accepts that"
            )
            yield _problem("leaf-certificate", text, source, "note")
        else:
            text = (
                f"{_title(certificate)} is a leaf certificate, not a CA's: trust in it ends at the server's "
                "next renewal, and some validators ignore it; put the root of its chain in its place"
            )
            yield _problem("leaf-certificate", text, source)


def _missing_issuers(contents: _Contents) -> Iterator[StoreProblem]:
    for certificate, source in contents.sources.items():
        if not certificate.is_ca or certificate.self_issued or contents.issuers(certificate):
            continue
        namesake = contents.by_name.get(certificate.issuer.canonical)
        why = "is here with another key" if namesake else "is not in the store"
        text = (
            f"{_title(certificate)} is an intermediate, and its issuer {_quoted_issuer(certificate)} {why}: "
            "OpenSSL and others refuse a path that ends here; add the root"
        )
        yield _problem("missing-issuer", text, source)


def _title(certificate: Certificate) -> str:
    title = certificate.title
    return title if len(title) <= _LONGEST_NAME else f'{title[:_LONGEST_NAME]}…"'


def _quoted_issuer(certificate: Certificate) -> str:
    return f'"{printable(str(certificate.issuer), _LONGEST_NAME)}"'


def _same_names(contents: _Contents) -> Iterator[StoreProblem]:
    for namesakes in contents.by_name.values():
        authorities = [certificate for certificate in namesakes if certificate.is_ca]
        if len({certificate.spki for certificate in authorities}) < 2 or authorities[0].subject.empty:
            continue
        each = ", ".join(
            f"{certificate.sha256[:16]} (valid to {instant(certificate.not_after)[:10]})"
            for certificate in authorities[:_MOST_NAMED]
        )
        more = f" and {len(authorities) - _MOST_NAMED} more" if len(authorities) > _MOST_NAMED else ""
        text = (
            f"{_title(authorities[0])} is in the store with different keys: SHA-256 {each}{more}. After a "
            "re-issue that is right; else find out which of them the servers' chains lead to"
        )
        yield _problem("same-name-other-key", text, contents.sources[authorities[0]], "note")


def _private_keys(store: TrustStore) -> Iterator[StoreProblem]:
    owners: dict[tuple[str, str | None], StoreEntry] = {}
    for entry in store.entries:
        if entry.kind == "private-key-entry" and entry.chain_index == 0:
            owners.setdefault((entry.source, entry.alias), entry)
    for entry in owners.values():
        name = f"entry '{entry.alias}'" if entry.alias else "an entry"
        text = (
            f"{name} holds a private key, which a trust store does not need and should not carry around. "
            "Java trusts the key's own certificate, but not the chain above it"
        )
        yield _problem("private-key-entry", text, entry.source)


def _full_chains(contents: _Contents) -> Iterator[StoreProblem]:
    """A leaf together with its issuer in one file: a server's own bundle, given as a trust store."""
    for source, certificates in contents.by_source.items():
        for leaf in certificates:
            if leaf.is_ca or leaf.self_issued:
                continue
            above = [issuer for issuer in contents.issuers(leaf) if issuer in certificates]
            if not above:
                continue
            text = (
                f"holds a server's whole chain, {_title(leaf)} with the issuer above it, in one bundle. Where "
                "CA certificates are wanted one by one (Azure API Management, Windows), "
                "export each of them into a file of its own, without the leaf"
            )
            yield _problem("full-chain", text, source)
            break
