"""What the second reading says: plain data, shared with the report."""

from __future__ import annotations

from analyzer.dataclass import dataclass

__all__ = ["Difference", "Dissector"]


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
