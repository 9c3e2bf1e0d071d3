"""What the second reading says: plain data, shared with the report."""

from __future__ import annotations

from typing import Final

from analyzer.dataclass import dataclass

__all__ = ["SERVER_NAME", "Difference", "Dissector"]

SERVER_NAME: Final = "SNI"
"""The field whose values are names of hosts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A field of a handshake that two readings of the capture see differently; None where one does not see it."""

    connection: int
    field: str
    packet: int
    native: str | None
    wireshark: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dissector:
    """Who read the handshakes: `wireshark`, or `both`, the report then being that of the native reading.

    `version` is tshark's; `compared` counts the connections that both readings saw.
    """

    name: str
    version: str
    compared: int = 0
    differences: tuple[Difference, ...] = ()
