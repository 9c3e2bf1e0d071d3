"""What the gateway's own configuration says, and the certificates that a store only names."""

from __future__ import annotations

from collections.abc import Sequence

from analyzer.report.document import Block, Code, Column, Heading, Inline, Items, Listing, Paragraph, Table, Text
from analyzer.report.model import Configuration, Connection, NamedCertificate
from analyzer.report.words import count, listed, more

__all__ = ["facts", "named", "section"]

NAMED = 100
"""Certificates that are listed; JSON has them all."""
COMMANDS = 10
DIGEST_CELLS = 12


def section(connection: Connection) -> list[Block]:
    """Show the target that a connection goes to, and what the wire shows against it; nothing where there is none."""
    expected = connection.configuration
    if expected is None:
        return []
    found: Text = (Code(expected.target), " at ", Code(expected.place), f", found by {expected.matched}")
    notes: list[Text] = [(note,) for note in expected.notes]
    return [Heading(level=2, text=("The gateway's configuration",)), Items(items=(found, *notes))]


def facts(configuration: Configuration | None) -> list[tuple[str, Text]]:
    """Say which configuration was read."""
    if configuration is None:
        return []
    sources = (
        listed([Code(name) for name in configuration.sources], 10) if configuration.sources else ("nothing usable",)
    )
    return [("Configuration", (*sources, f": {count(len(configuration.targets), 'target')}"))]


def named(certificates: Sequence[NamedCertificate]) -> list[Block]:
    """List the certificates of which only words are known, and how to get those that are not at hand."""
    if not certificates:
        return []
    columns = (Column("named, not held", 16), Column("at hand"), Column("label", 8), Column("from", 12))
    blocks: list[Block] = [
        Heading(level=2, text=("Certificates that the trust store only names",)),
        Table(columns=columns, rows=tuple(_row(item) for item in certificates[:NAMED])),
    ]
    if len(certificates) > NAMED:
        blocks.append(Paragraph(text=(more(len(certificates) - NAMED, "certificate"),)))
    commands = dict.fromkeys(item.export for item in certificates if item.export and item.matched is None)
    if commands:
        blocks.append(Paragraph(text=("These commands give the certificates that are not at hand:",)))
        blocks.append(Listing(lines=tuple(commands)[:COMMANDS], language="sh"))
    return blocks


def _row(item: NamedCertificate) -> tuple[Inline, ...]:
    digest = item.sha1 or item.sha256
    name = item.subject or (
        f"thumbprint {digest[:DIGEST_CELLS]}…" if digest else f"serial {item.serial}" if item.serial else "(label only)"
    )
    held = f"yes, {item.how}" if item.matched else "no"
    return (
        Code(name),
        held if item.anchor else f"{held}; for building paths only",
        Code(item.label or "-"),
        Code(item.source),
    )
