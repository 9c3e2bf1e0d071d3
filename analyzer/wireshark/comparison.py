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


_DISSECTORS: Final = {
    "FTP": "ftp",
    "HTTP": "http",
    "IMAP": "imap",
    "IRC": "irc",
    "LDAP": "ldap",
    "MySQL": "mysql",
    "NNTP": "nntp",
    "POP3": "pop",
    "PostgreSQL": "pgsql",
    "SMTP": "smtp",
    "SOCKS4": "socks",
    "SOCKS5": "socks",
    "XMPP": "xmpp",
}
"""Wireshark's dissectors of protocols that lead to TLS, and follow it there."""


class Comparison:
    """Wireshark's reading, held against the connections that `take` is given. Raises what the reading raises."""

    def __init__(self, sources: Sequence[Source], keylogs: Sequence[str | Path] = ()) -> None:
        if not CaptureReader(sources).can_be_read_again:
            why = "both readings need the capture, and a stream can be read once"
            raise InputError("--dissector", why, hint="Save it to a file, and name that")
        self._reading = WiresharkReading(sources, keylogs)
        self._ports: dict[int, str] = {}
        self._native: dict[int, tuple[Field, ...]] = {}

    def take(self, connection: Connection) -> None:
        """Remember the fields of a connection as read here."""
        self._native[connection.id] = native_fields(connection)
        if connection.is_tls:
            self._ports[connection.server.port] = _dissector(connection)

    @property
    def problems(self) -> tuple[CaptureProblem, ...]:
        """What Wireshark's reading could not use; complete after `told`."""
        return tuple(self._reading.problems)

    def told(self) -> Dissector:
        """Where the readings differ. What was found on a port is what Wireshark reads there, too."""
        self._reading.read(ports=dict(sorted(self._ports.items())[:_MOST_PORTS]))
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


def _dissector(connection: Connection) -> str:
    """Wireshark's dissector for what a connection begins with."""
    layers = () if connection.prelude is None else connection.prelude.layers
    return _DISSECTORS.get(layers[0].protocol, "tls") if layers else "tls"
