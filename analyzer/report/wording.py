"""Blocks of a report in the words of a product, and which leg of it a connection is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from analyzer.report.connections import Connections, address_of
from analyzer.report.document import Block, Code, Ladder, Listing, Step, Strong
from analyzer.report.model import Connection, Gateway

if TYPE_CHECKING:
    from analyzer.gateways.wording import Wording

__all__ = ["front_legs", "in_words"]


def front_legs(connections: Sequence[Connection]) -> frozenset[int]:
    """The connections that lead to the gateway: their server is a client elsewhere, and their client is no server."""
    everything = Connections.of(connections)
    servers = [address_of(server) for server in everything.servers]
    of_servers, of_clients = set(servers), set(everything.clients)
    passes_on = np.array([server in of_clients for server in servers], dtype=np.bool_)
    serves = np.array([client in of_servers for client in everything.clients], dtype=np.bool_)
    if not passes_on.any():
        return frozenset()
    return frozenset(everything.id[passes_on[everything.server] & ~serves[everything.client]].tolist())


def in_words(blocks: list[Block], gateway: Gateway | None, connection: Connection) -> list[Block]:
    """The blocks about one connection in the gateway's words; as they are without a gateway."""
    if gateway is None:
        return blocks
    from analyzer.gateways.wording import wording_of

    wording = wording_of(gateway.words, front=connection.leg == "front")
    return [_reworded(block, wording) for block in blocks]


def _reworded(value: Any, wording: Wording) -> Any:
    if isinstance(value, str):
        return wording(value)
    if isinstance(value, tuple):
        return tuple(_reworded(item, wording) for item in value)
    if isinstance(value, (Code, Ladder, Listing)) or not dataclasses.is_dataclass(value) or isinstance(value, type):
        return value
    if isinstance(value, Strong):
        return Strong(wording(value.text))
    kept = {"commands"} if isinstance(value, Step) else set()
    fields = [item.name for item in dataclasses.fields(value) if item.name not in kept]
    return dataclasses.replace(value, **{name: _reworded(getattr(value, name), wording) for name in fields})
