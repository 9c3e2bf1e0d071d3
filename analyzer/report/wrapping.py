"""What the packets of a connection were wrapped in, as the report says it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from analyzer.net.segments import halves
from analyzer.net.wrappings import End, Layer, Wrappings, name_of
from analyzer.report.model import Connection

__all__ = ["wrapped"]

_NOTHING = "no tunnel"


def wrapped(connection: Connection, wrappings: Wrappings) -> Connection:
    """The connection with the tunnels that it ran in."""
    around = wrappings.around(_end(connection.client), _end(connection.server))
    if around is None:
        return connection
    there, back = around.forth, around.back
    if not there:
        there = _turned(back)
    return replace(
        connection,
        tunnels=_names(there),
        tunnels_back=_names(back) if back and _turned(back) != there else (),
        tunnels_also=tuple(", then ".join(_names(stack)) or _NOTHING for stack in around.also),
    )


def _turned(stack: tuple[Layer, ...]) -> tuple[Layer, ...]:
    return tuple(layer.back for layer in stack)


def _names(stack: tuple[Layer, ...]) -> tuple[str, ...]:
    return tuple(map(name_of, stack))


def _end(text: str) -> End:
    address, _, port = text.rpartition(":")
    return (*halves(ip_address(address.strip("[]")).packed), int(port))
