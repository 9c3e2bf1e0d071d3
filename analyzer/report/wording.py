"""Blocks of a report in the words of a product, and which leg of it a connection is."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analyzer.report.document import Block, Code, Ladder, Listing, Step, Strong
from analyzer.report.model import Connection, Gateway

if TYPE_CHECKING:
    from analyzer.gateways.wording import Wording

__all__ = ["front_legs", "in_words"]


def front_legs(connections: Sequence[Connection]) -> frozenset[int]:
    """The connections that lead to the gateway: their server is a client elsewhere, and their client is no server."""
    clients = {_address(item.client) for item in connections}
    servers = {_address(item.server) for item in connections}
    return frozenset(
        item.id for item in connections if _address(item.server) in clients and _address(item.client) not in servers
    )


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


def _address(endpoint: str) -> str:
    return endpoint.rpartition(":")[0]
