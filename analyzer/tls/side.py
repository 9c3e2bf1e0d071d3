"""The two ends of a connection."""

from __future__ import annotations

from enum import Enum

__all__ = ["Side"]


class Side(Enum):
    """The two ends of a connection."""

    CLIENT = "client"
    SERVER = "server"

    __hash__ = object.__hash__  # Enum's own is a Python call for every look-up

    @property
    def peer(self) -> Side:
        """The other end."""
        return Side.SERVER if self is Side.CLIENT else Side.CLIENT
