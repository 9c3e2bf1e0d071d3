"""What the packets of a connection were wrapped in, as the report says it."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
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
    return replace(
        connection,
        tunnels=_names(around.forth),
        tunnels_back=_names(around.back),
        tunnels_also=tuple(", then ".join(_names(stack)) or _NOTHING for stack in around.also),
    )


@lru_cache(maxsize=1024)
def _names(stack: tuple[Layer, ...]) -> tuple[str, ...]:
    return tuple(map(name_of, stack))


def _end(text: str) -> End:
    address, _, port = text.rpartition(":")
    return (*_halves(address.strip("[]")), int(port))


@lru_cache(maxsize=4096)
def _halves(address: str) -> tuple[int, int]:
    return halves(ip_address(address).packed)
