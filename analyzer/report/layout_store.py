"""What `hsanalyze store` says: the certificates of a trust store in a table, then what is wrong with it.

Takes a `StoreReport`, gives a `Document`.
"""

from __future__ import annotations

from collections import Counter

from analyzer.report import layout_chain, layout_configuration
from analyzer.report.document import (
    Block,
    Code,
    Column,
    Document,
    Facts,
    Heading,
    Inline,
    Paragraph,
    Table,
    Text,
    Verdict,
    cleaned,
)
from analyzer.report.layout_inputs import problems
from analyzer.report.model import StoredCertificate, StoreReport
from analyzer.report.words import clock, count, day, listed, more

__all__ = ["document"]

ROWS = 1000
"""Certificates that are listed; a bundle of all public roots has 150. JSON has them all."""
PROBLEMS = 200
DIGEST_CELLS = 12

_TITLES = (
    ("error", "Errors: not read, or not trusted"),
    ("warning", "Warnings: a gateway may stumble over these"),
    ("note", "Notes"),
)


def document(report: StoreReport, *, table_rows: int = ROWS) -> Document:
    """Lay the report out; `table_rows` caps the list of certificates."""
    blocks: list[Block] = [_verdict(report), _facts(report)]
    if report.entries:
        blocks += [Heading(level=2, text=("Certificates",)), _table(report, table_rows)]
    if len(report.entries) > table_rows:
        left = more(len(report.entries) - table_rows, "certificate")
        blocks.append(Paragraph(text=(f"{left} --format json lists them all.",)))
    blocks += layout_configuration.named(report.named)
    for severity, title in _TITLES:
        blocks += problems(title, [item for item in report.problems if item.severity == severity], limit=PROBLEMS)
    return cleaned(Document(blocks=tuple(blocks)))


def _verdict(report: StoreReport) -> Verdict:
    held = count(report.certificates, "certificate")
    if report.named:
        held += f" and {len(report.named)} that {'are' if len(report.named) > 1 else 'is'} only named"
    found = Counter(problem.severity for problem in report.problems)
    wrong = [count(found[severity], severity) for severity in ("error", "warning") if found[severity]]
    if wrong:
        return Verdict(text=(f"Something is wrong with this store of {held}: {' and '.join(wrong)}.",), failed=True)
    notes = f"; {count(found['note'], 'note')} below" if found["note"] else ""
    return Verdict(text=(f"Nothing is wrong with this store of {held}{notes}.",), failed=False)


def _facts(report: StoreReport) -> Facts:
    sources = listed([Code(source) for source in report.sources], 10)
    kinds = Counter(entry.certificate.role for entry in report.entries)
    held = ", ".join(count(number, kind, "leaves" if kind == "leaf" else "") for kind, number in kinds.items())
    if report.named:
        held = ", ".join(filter(None, (held, f"{len(report.named)} by name only")))
    repeated = len(report.entries) - report.certificates
    again = f" ({count(repeated, 'of them a repetition', 'of them repetitions')})" if repeated else ""
    rows: list[tuple[str, Text]] = [
        ("Store", sources),
        ("Holds", (f"{held}{again}",)),
        ("Time", (clock(report.at, date=True),)),
    ]
    return Facts(rows=tuple(rows))


def _table(report: StoreReport, rows: int) -> Table:
    """One row for each certificate; where all come from one file without names, the file is told above only."""
    sources = {entry.source for entry in report.entries}
    shared = _shared_folder(sources)
    named = len(sources) > 1 or any(entry.alias for entry in report.entries)
    columns = [
        Column("subject", 16),
        Column("issuer", 10),
        Column("until"),
        Column("key"),
        Column("signature", 13),
        Column("SHA-256"),
        Column("kind", 13),
    ]
    if named:
        columns.append(Column("from" if len(sources) > 1 else "alias", 10))

    def row(entry: StoredCertificate) -> tuple[Inline, ...]:
        if not named:
            return _cells(entry)
        alias = entry.alias or "-"
        file = entry.source.removeprefix(shared)
        place = alias if len(sources) == 1 else f"{file} ({alias})" if entry.alias else file
        return (*_cells(entry), Code(place))

    return Table(columns=tuple(columns), rows=tuple(row(entry) for entry in report.entries[:rows]))


def _shared_folder(sources: set[str]) -> str:
    """The folder that all files are in, with the slash at its end; empty when they share none."""
    folders = [source.rpartition("/")[0].split("/") for source in sources]
    shared: list[str] = []
    for parts in zip(*folders, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return f"{'/'.join(shared)}/" if any(shared) else ""


def _cells(entry: StoredCertificate) -> tuple[Inline, ...]:
    item = entry.certificate
    return (
        Code(item.subject or layout_chain.NO_NAME),
        "itself" if item.issuer == item.subject else Code(item.issuer or layout_chain.NO_NAME),
        day(item.not_after),
        item.key or "?",
        item.signature.removesuffix("Encryption") or "?",
        Code(f"{item.sha256[:DIGEST_CELLS]}…"),
        _kind(entry),
    )


def _kind(entry: StoredCertificate) -> str:
    role = entry.certificate.role
    if entry.kind == "trusted-certificate":
        return f"{role}, trusted"
    if entry.kind == "private-key-entry":
        return f"{role}, with private key" if entry.chain_index == 0 else f"{role}, in a key's chain"
    return role
