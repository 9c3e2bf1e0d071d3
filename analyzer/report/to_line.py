"""One connection on one line, as it is told while more is captured."""

from __future__ import annotations

from analyzer.report.characters import clean
from analyzer.report.layout_connection import ended_briefly, host
from analyzer.report.model import Connection
from analyzer.report.words import clock

__all__ = ["to_line"]


def to_line(connection: Connection, *, place: str = "") -> str:
    """Write a connection as one line of plain text, ended by a newline.

    `place` says where the packet that ended it stands, where that is not told by its number alone.
    """
    name = host(connection)
    who = f"{connection.client} -> {connection.server}" + (f" ({name})" if name else "")
    parts = [clock(connection.started_at), who, connection.outcome]
    cause, tls = connection.cause, connection.tls
    if cause is not None:
        parts.append(f"{cause.code} ({cause.confidence})")
        if connection.aborted_by or connection.abort_act:
            parts.append(f"{ended_briefly(connection)}{f' [{place}]' if place else ''}")
        parts.append(cause.headline or f"{cause.title}.")
    elif connection.fault:
        parts.append(f"fault of hsanalyze: {connection.fault}")
    elif tls is not None:
        parts.append(", ".join(filter(None, (tls.version, tls.cipher))))
    return clean("  ".join(filter(None, parts))) + "\n"
