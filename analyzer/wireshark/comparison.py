"""The two readings of a capture held side by side (`--dissector both`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from analyzer.capture import CaptureProblem, CaptureReader
from analyzer.capture.source import Source
from analyzer.errors import InputError
from analyzer.tls.connection import Connection
from analyzer.wireshark.fields import Field, differences, native_fields
from analyzer.wireshark.model import Dissector
from analyzer.wireshark.reader import WiresharkReading

__all__ = ["Comparison"]

_MOST_PORTS: Final = 200


class Comparison:
    """Wireshark's reading, held against the connections that `take` is given. Raises what the reading raises."""

    def __init__(self, sources: Sequence[Source], keylogs: Sequence[str | Path] = ()) -> None:
        if not CaptureReader(sources).can_be_read_again:
            why = "both readings need the capture, and a stream can be read once"
            raise InputError("--dissector", why, hint="Save it to a file, and name that")
        self._reading = WiresharkReading(sources, keylogs)
        self._ports: set[int] = set()
        self._native: dict[int, tuple[Field, ...]] = {}

    def take(self, connection: Connection) -> None:
        """Remember the fields of a connection as read here."""
        self._native[connection.id] = native_fields(connection)
        if connection.is_tls:
            self._ports.add(connection.server.port)

    @property
    def problems(self) -> tuple[CaptureProblem, ...]:
        """What Wireshark's reading could not use; complete after `told`."""
        return tuple(self._reading.problems)

    def told(self) -> Dissector:
        """Where the readings differ. Ports on which TLS was found are TLS for Wireshark too."""
        self._reading.read(tls_ports=sorted(self._ports)[:_MOST_PORTS])
        theirs = self._reading.fields
        flows = sorted(self._native.keys() | theirs.keys())
        return Dissector(
            name="both",
            version=self._reading.version,
            compared=len(self._native.keys() & theirs.keys()),
            differences=tuple(
                one for flow in flows for one in differences(flow, self._native.get(flow, ()), theirs.get(flow, ()))
            ),
        )
