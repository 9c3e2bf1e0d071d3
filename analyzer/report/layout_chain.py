"""The chain as it was sent, beside what the trust store holds of it, and where it breaks.

Works on names and digests in the report alone: which path was tried and what failed is the trust stage's
finding (`trust[].path`, `trust[].problems`); here it is put into words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from analyzer.report.characters import shorten
from analyzer.report.document import (
    Block,
    Chain,
    Code,
    Column,
    Heading,
    Items,
    Link,
    Paragraph,
    Strong,
    Table,
    Text,
)
from analyzer.report.model import (
    CertificateInfo,
    Connection,
    StoreEntryInfo,
    Truststore,
    TrustVerdict,
)
from analyzer.report.words import count, day, listed, more, validators

__all__ = ["client_section", "common_name", "decisive", "digests", "server_section", "store_disagrees"]

LINKS = 20
PROBLEMS = 20
NAMES = 8
NAME_CELLS = 160
STORE_ROWS = 8
"""A store of up to this many certificates is shown whole: a wrong store shows itself."""
DIGEST_CELLS = 16
NO_NAME = "(no name)"

_ATTRIBUTE = re.compile(r"(?:^|[,+])\s*CN\s*=\s*((?:\\.|[^,+\\])*)", re.IGNORECASE | re.DOTALL)


def server_section(
    chain: Sequence[CertificateInfo], *, sent: str, store: Truststore | None, verdict: TrustVerdict | None
) -> list[Block]:
    """Show a server's chain beside the store, and what `verdict` finds wrong with it; `sent` titles the chain."""
    links = _links(chain, store, verdict)
    title = _store_title(store) if store else ""
    blocks: list[Block] = [
        Heading(level=2, text=("Chain",)),
        Chain(sent=sent, store=title, links=tuple(links[: LINKS + 2])),
    ]
    if len(links) > LINKS + 2:
        blocks.append(Paragraph(text=(more(len(links) - LINKS - 2, "certificate"),)))
    leaf = chain[0]
    if leaf.names:
        names = listed([Code(shorten(name, NAME_CELLS)) for name in leaf.names], NAMES)
        blocks.append(Paragraph(text=("The leaf is valid for: ", *names, ".")))
    else:
        blocks.append(Paragraph(text=("The leaf has no subject alternative names.",)))
    blocks += _problems(verdict, chain)
    blocks += _store_contents(store)
    return blocks


def client_section(chain: Sequence[CertificateInfo]) -> list[Block]:
    """Show a client's chain; nothing when it sent none."""
    if not chain:
        return []
    links = [_sent(index, item, chain) for index, item in enumerate(chain[:LINKS])]
    return [
        Heading(level=2, text=("The client's certificates",)),
        Chain(sent="As sent by the client", store="", links=tuple(links)),
    ]


def decisive(verdicts: Sequence[TrustVerdict], code: str = "") -> TrustVerdict | None:
    """Choose the verdict whose problems are shown: one that refuses, and for the cause `code` where one does."""
    refusing = [verdict for verdict in verdicts if not verdict.accepted]
    for verdict in refusing:
        if any(problem.code == code for problem in verdict.problems):
            return verdict
    if refusing:
        return refusing[0]
    return verdicts[0] if verdicts else None


def digests(certificates: Iterable[CertificateInfo]) -> list[Block]:
    """List the full digest of each certificate once."""
    different = {certificate.sha256: certificate for certificate in certificates}
    if not different:
        return []
    rows = tuple((Code(digest), common_name(certificate.subject)) for digest, certificate in different.items())
    return [
        Heading(level=2, text=("Full SHA-256 of the certificates",)),
        Table(columns=(Column("SHA-256"), Column("name", 6)), rows=rows),
    ]


def store_disagrees(connection: Connection, server: str) -> str:
    """One sentence when the given store's verdict does not agree with what happened; else empty.

    `server` is that of the connection or of one that went alike.
    """
    accepting = [verdict.profile for verdict in connection.trust if verdict.accepted]
    refusing = [verdict for verdict in connection.trust if not verdict.accepted]
    name = connection.host or (connection.tls.sni if connection.tls else None)
    server = f"{name} ({server})" if name else server
    revoked = connection.cause is not None and connection.cause.code == "revoked"
    reached = connection.stage not in ("tcp", "client-hello")
    refused = connection.outcome == "failed" and connection.aborted_by == "client" and reached
    if refused and accepting and not revoked:
        if refusing:
            others = validators([verdict.profile for verdict in refusing])
            return (
                f"By the given trust store, {validators(accepting)} would have accepted the chain of {server} "
                f"and {others} would not: it matters which validator the client is."
            )
        return (
            f"The given trust store would have accepted the chain of {server} ({validators(accepting)}): "
            "either the client uses another store, or it refused for another reason."
        )
    if connection.outcome == "completed" and refusing:
        codes = ", ".join(dict.fromkeys(item.problems[0].code for item in refusing if item.problems))
        reason = f" ({codes})" if codes else ""
        others = f", {validators(accepting)} would not" if accepting else ""
        return (
            f"The handshake with {server} completed, but by the given trust store "
            f"{validators([item.profile for item in refusing])} would have refused its chain{reason}{others}: "
            "the client uses another store, or does not verify."
        )
    return ""


def common_name(subject: str) -> str:
    """Give the CN of an RFC 4514 name, or the whole name when it has none."""
    match = _ATTRIBUTE.search(subject)
    name = re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL) if match else subject
    return shorten(name, NAME_CELLS) or NO_NAME


def _links(chain: Sequence[CertificateInfo], store: Truststore | None, verdict: TrustVerdict | None) -> list[Link]:
    entries = store.entries if store else ()
    faults = _faults(verdict)
    links = [
        _sent(index, item, chain, faults.get(item.sha256, ""), _held(item, store)) for index, item in enumerate(chain)
    ]
    path = verdict.path if verdict else ()
    sent = {item.sha256 for item in chain}
    held = {entry.certificate.sha256: entry for entry in entries}
    unsent = [digest for digest in path if digest in held and digest not in sent]
    links += [_from_store(held[digest], faults.get(digest, "")) for digest in unsent]
    if verdict is not None and not verdict.accepted:
        missing = _missing_issuer(chain, entries, verdict)
        if missing:
            links = [_without_missing(link) for link in links]
            code = next((item.code for item in verdict.problems if item.code.startswith("missing-")), "missing")
            links.append(_missing_link(missing, store, code))
    return links


def _sent(
    index: int, item: CertificateInfo, chain: Sequence[CertificateInfo], broken: str = "", store: str = ""
) -> Link:
    issuer = _issuer(item)
    if item.issuer != item.subject and index + 1 < len(chain) and chain[index + 1].subject != item.issuer:
        place = next((number for number, other in enumerate(chain) if other.subject == item.issuer), None)
        issuer = (*issuer, f" (number {place} here)" if place is not None else " (not the next one here)")
    return Link(
        position=index,
        role=item.role,
        subject=item.subject or NO_NAME,
        issuer=issuer,
        validity=f"{day(item.not_before)} to {day(item.not_after)}",
        digest=item.sha256,
        store=store,
        broken=broken,
    )


def _from_store(entry: StoreEntryInfo, broken: str) -> Link:
    item = entry.certificate
    return Link(
        position=None,
        role=f"{item.role}, not sent:",
        subject=item.subject or NO_NAME,
        issuer=_issuer(item),
        validity=f"{day(item.not_before)} to {day(item.not_after)}",
        digest=item.sha256,
        store=f"held: {entry.source}",
        broken=broken,
    )


def _issuer(item: CertificateInfo) -> Text:
    return ("itself",) if item.issuer == item.subject else (Code(item.issuer or NO_NAME),)


def _missing_link(name: str, store: Truststore | None, code: str) -> Link:
    held = f"none of its {count(store.certificates, 'certificate')} has this name" if store else ""
    if store and store.certificates == 1:
        held = "its only certificate has another name"
    if store and not store.certificates:
        held = f"it only names {count(len(store.named), 'certificate')}" if store.named else "it is empty"
    return Link(
        position=None,
        role="missing, not sent:",
        subject=name,
        issuer=(),
        validity="",
        digest="",
        store=held,
        broken=code,
    )


def _without_missing(link: Link) -> Link:
    """Clear the certificate below a missing issuer: that one has a row of its own."""
    codes = [code for code in link.broken.split(", ") if code and not code.startswith("missing-")]
    return Link(
        position=link.position,
        role=link.role,
        subject=link.subject,
        issuer=link.issuer,
        validity=link.validity,
        digest=link.digest,
        store=link.store,
        broken=", ".join(codes),
    )


def _held(item: CertificateInfo, store: Truststore | None) -> str:
    if store is None:
        return ""
    words = next((named for named in store.named if named.matched == item.sha256), None)
    if words is not None:
        return f"named {words.how}: {words.source}" + ("" if words.anchor else ", for building paths only")
    same_name: StoreEntryInfo | None = None
    issuer: StoreEntryInfo | None = None
    for entry in store.entries:
        if entry.certificate.sha256 == item.sha256:
            return f"held: {entry.source}"
        if entry.certificate.subject == item.subject:
            same_name = same_name or entry
        if entry.certificate.subject == item.issuer:
            issuer = issuer or entry
    if same_name is not None:
        digest = same_name.certificate.sha256[:DIGEST_CELLS]
        return f"another certificate of this name: {same_name.source}, SHA-256 {digest}…"
    if issuer is not None:
        return f"not held, but its issuer's name is: {issuer.source}"
    return "not held"


def _faults(verdict: TrustVerdict | None) -> dict[str, str]:
    faults: dict[str, list[str]] = {}
    for problem in verdict.problems if verdict else ():
        if problem.certificate and problem.code not in faults.setdefault(problem.certificate, []):
            faults[problem.certificate].append(problem.code)
    return {digest: ", ".join(codes[:4]) for digest, codes in faults.items()}


def _missing_issuer(chain: Sequence[CertificateInfo], entries: Sequence[StoreEntryInfo], verdict: TrustVerdict) -> str:
    """Name the issuer at which the closest path ends and that is nowhere at hand; empty when there is none."""
    held = {entry.certificate.sha256: entry.certificate for entry in entries}
    known = {item.sha256: item for item in chain} | held
    names = {item.subject for item in known.values()}
    path = [known[digest] for digest in verdict.path if digest in known] or [_top(chain)]
    top = path[-1]
    if top.sha256 in held or top.issuer == top.subject or not top.issuer or top.issuer in names:
        return ""
    return top.issuer


def _top(chain: Sequence[CertificateInfo]) -> CertificateInfo:
    """Find the last certificate reached from the leaf by issuer names."""
    by_subject = {item.subject: item for item in chain}
    item = chain[0]
    for _ in chain:
        issuer = by_subject.get(item.issuer)
        if issuer is None or issuer is item:
            break
        item = issuer
    return item


def _problems(verdict: TrustVerdict | None, chain: Sequence[CertificateInfo]) -> list[Block]:
    if verdict is None or not verdict.problems:
        return []
    places = {item.sha256: index for index, item in reversed(list(enumerate(chain)))}
    items: list[Text] = []
    for problem in verdict.problems[:PROBLEMS]:
        place = places.get(problem.certificate or "")
        where = f" (number {place})" if place is not None else ""
        items.append((Strong(problem.code), f"{where}: {problem.text}"))
    if len(verdict.problems) > PROBLEMS:
        items.append((more(len(verdict.problems) - PROBLEMS, "problem"),))
    return [Paragraph(text=(f"What {verdict.profile} finds wrong with it:",)), Items(items=tuple(items))]


def _store_title(store: Truststore) -> str:
    sources = store.sources[0] if len(store.sources) == 1 else count(len(store.sources), "source")
    only = f" and {len(store.named)} by name" if store.named else ""
    return f"In the trust store ({shorten(sources, 30)}, {count(store.certificates, 'certificate')}{only})"


def _store_contents(store: Truststore | None) -> list[Block]:
    if store is None or not store.entries or len(store.entries) > STORE_ROWS:
        return []
    rows = tuple(
        (
            Code(entry.certificate.subject or NO_NAME),
            day(entry.certificate.not_after),
            Code(f"{entry.certificate.sha256[:DIGEST_CELLS]}…"),
            Code(entry.source),
        )
        for entry in store.entries
    )
    columns = (
        Column("the trust store holds", 20),
        Column("valid until"),
        Column("SHA-256"),
        Column("from", 12),
    )
    return [Table(columns=columns, rows=rows)]
