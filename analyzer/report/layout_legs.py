"""Where else a connection was seen, the other leg of a proxy, and the points at which captures were taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analyzer.report.document import Block, Code, Heading, Inline, Items, Text
from analyzer.report.model import Capture, Connection, Leg, Report
from analyzer.report.words import count, listed, more, numbers

__all__ = ["facts", "place", "section", "streams"]

LEGS = 8
POINTS = 20

_KINDS: Mapping[str, str] = {
    "same": "the same TCP connection at another point",
    "translated": "the same TCP connection behind an address translation",
    "relayed": "the same TLS handshake over another TCP connection (a proxy in TCP mode)",
    "proxied": "the other leg of a gateway that ends TLS",
    "intercepted": "the TLS handshake of a box in between, which speaks for the client",
}


def section(connection: Connection) -> list[Block]:
    """List the legs of a connection, each with what differs there."""
    if not connection.legs:
        return []
    items: list[Text] = []
    for leg in connection.legs[:LEGS]:
        items.append(_leg(leg))
        items += [(f"there, {text}" if not text.startswith("the ") else text,) for text in leg.differs]
    return [Heading(level=2, text=("Seen elsewhere",)), Items(items=tuple(dict.fromkeys(items)))]


def _leg(leg: Leg) -> Text:
    where: tuple[Inline, ...] = (Code(f"tcp.stream eq {leg.stream}"),)
    if leg.file is not None:
        where = (*where, " in ", Code(leg.file))
    ends: tuple[Inline, ...] = (Code(leg.client), " -> ", Code(leg.server))
    return (f"connection {leg.connection} (", *where, "), ", *ends, f": {_KINDS[leg.kind]}, by {leg.matched_by}")


def place(connection: Connection) -> Text:
    """Where Wireshark shows a connection: its display filter, and the file where there are several points."""
    if connection.stream is None:
        return (Code(f"tcp.stream eq {connection.id}"),)
    file: Text = () if connection.file is None else (" in ", Code(connection.file))
    return (Code(f"tcp.stream eq {connection.stream}"), *file, f" (connection {connection.id} here)")


def streams(report: Report, connections: Sequence[int]) -> str:
    """Name connections by numbers: Wireshark's, where these are the report's own."""
    return f"{'connection' if report.capture.points else 'tcp.stream'} {numbers(connections)}"


def facts(capture: Capture) -> list[tuple[str, Text]]:
    """The points at which captures were taken, with their clocks; and the packets that were captured more than once."""
    rows: list[tuple[str, Text]] = []
    for number, point in enumerate(capture.points[:POINTS], start=1):
        files = listed([Code(name) for name in point.files], 3)
        rows.append((f"Point {number}", (*files, f": {count(point.packets, 'packet')}{_clock(capture, number)}")))
    if len(capture.points) > POINTS:
        rows.append(("", (more(len(capture.points) - POINTS, "point"),)))
    if capture.points:
        several = any(len(point.files) > 1 for point in capture.points)
        within = (
            "at each point by itself, over its files as mergecap joins them" if several else "in each file by itself"
        )
        rows.append(("Numbers", (f"packets count {within}; connections count on from point to point",)))
    if capture.duplicate_packets:
        text = (
            f"{capture.duplicate_packets:,} of {capture.packets:,} packets are others captured once more, on another "
            "interface or by a mirror port; each is counted once"
        )
        rows.append(("Duplicate", (text,)))
    return rows


def _clock(capture: Capture, number: int) -> str:
    point = capture.points[number - 1]
    if number == 1:
        return ""
    if point.clock_offset_seconds is None:
        return "; nothing tells how its clock differs from that of point 1"
    by = count(point.clock_connections, "connection")
    offset = point.clock_offset_seconds
    if abs(offset) < 0.001:
        return f"; its clock agrees with that of point 1 (by {by})"
    ahead = "ahead of" if offset > 0 else "behind"
    return f"; its clock is {abs(offset):.3f} s {ahead} that of point 1 (by {by})"
