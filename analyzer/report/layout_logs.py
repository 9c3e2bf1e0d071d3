"""What the products' logs say: beside a connection, and of handshakes that are not in the capture."""

from __future__ import annotations

from analyzer.report.document import Block, Code, Heading, Inline, Items, Paragraph, Strong, Text
from analyzer.report.layout_inputs import problems
from analyzer.report.model import Connection, LogClock, LogLine, Logs, Report
from analyzer.report.words import clock, count, listed, more

__all__ = ["identified", "not_in_capture", "section", "sources", "troubles"]

LINES = 10
UNMATCHED = 10
_AGREEMENT = {True: "agrees with the verdict", False: "contradicts the verdict"}


def identified(connection: Connection) -> Text:
    """`message id rt-1 is this connection (system.log line 3)`: the first line that names an id; empty without one."""
    line = next((item for item in connection.log_lines if item.id), None)
    if line is None:
        return ()
    return (
        "message id ",
        Code(line.id or ""),
        f" is connection {connection.id} (",
        *_place(line),
        f", by {line.match})",
    )


def section(connection: Connection) -> list[Block]:
    """The lines that speak of one connection."""
    if not connection.log_lines:
        return []
    items = [_item(line) for line in connection.log_lines[:LINES]]
    if len(connection.log_lines) > LINES:
        items.append((more(len(connection.log_lines) - LINES, "line"),))
    return [Heading(level=2, text=("In the product's log",)), Items(items=tuple(items))]


def not_in_capture(report: Report) -> list[Block]:
    """The lines about handshakes that the capture does not have."""
    logs = report.logs
    if logs is None or not logs.unmatched_count:
        return []
    items = [_item(line) for line in logs.unmatched[:UNMATCHED]]
    if logs.unmatched_count > len(items):
        items.append((more(logs.unmatched_count - len(items), "line"),))
    verb = "line speaks of a handshake" if logs.unmatched_count == 1 else "lines speak of handshakes"
    return [
        Heading(level=1, text=("In the log, not in the capture",)),
        Paragraph(text=(f"{logs.unmatched_count:,} {verb} that no connection of this capture fits.",)),
        Items(items=tuple(items)),
    ]


def sources(logs: Logs) -> list[tuple[str, Text]]:
    """The rows that say what was read."""
    names = listed([Code(name) for name in logs.sources], 10)
    found = f": {count(logs.lines, 'line')}, {logs.matched:,} of them matched to connections"
    rows: list[tuple[str, Text]] = [("Logs", (*names, found))]
    rows += [("Clock", _clock(item)) for item in logs.clocks[:LINES]]
    return rows


def troubles(logs: Logs) -> list[Block]:
    """What was wrong with the logs."""
    return problems("Problems in the logs", logs.problems)


def _item(line: LogLine) -> Text:
    facts: list[Inline] = [*_place(line)]
    if line.time is not None:
        facts.append(f", {clock(line.time, date=not line.match)}")
    if line.id:
        facts += [", message id ", Code(line.id)]
    if line.match:
        facts.append(f", by {line.match}")
    agreement = _AGREEMENT.get(line.agrees) if line.agrees is not None else None
    if agreement:
        facts += [", ", Strong(agreement)]
    return (*facts, f": {line.text}")


def _place(line: LogLine) -> Text:
    return (Code(line.source if line.line is None else f"{line.source}:{line.line}"),)


def _clock(item: LogClock) -> Text:
    parts: list[str] = []
    if item.zone_seconds is not None:
        sign, rest = "+-"[item.zone_seconds < 0], abs(item.zone_seconds)
        parts.append(f"its times have no zone and fit as UTC{sign}{rest // 3600:02}:{rest % 3600 // 60:02}")
    if item.offset_seconds:
        side = "ahead of" if item.offset_seconds > 0 else "behind"
        parts.append(f"its clock is {abs(item.offset_seconds):.1f} s {side} the capture's")
    by = f" (estimated from {count(item.lines, 'line')})"
    return (Code(item.source), f": {'; '.join(parts)}{by}")
