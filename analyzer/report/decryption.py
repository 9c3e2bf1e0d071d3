"""What the keys that were given did not open, in words for the report's problems."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from analyzer.registry import cipher_suite_name
from analyzer.report.model import InputProblem
from analyzer.tls.connection import Connection, Side
from analyzer.tls.decryption import Result

if TYPE_CHECKING:
    from analyzer.tls.sealed import KeyRing

__all__ = ["Tally", "problems"]

_MOST_NAMED: Final = 5
"""Packets that a problem names."""


class Tally:
    """Which connections the keys opened, and which they did not."""

    def __init__(self, ring: KeyRing) -> None:
        self._ring = ring
        self.opened = 0
        self.without_secret: list[int] = []
        """Packets of the ClientHellos; so are the next."""
        self.unfit: list[tuple[int, int]] = []
        """And the first packet that did not open."""
        self.suites: dict[str, list[int]] = {}
        """By the names of suites that cannot be undone."""
        self.not_opened: list[int] = []
        """Packets of records that did not open though others of their connection did."""

    def take(self, connection: Connection) -> None:
        """Count a connection."""
        found = connection.decrypted
        hello = connection.client_hello
        if found is None or hello is None:
            return
        packet = connection.hellos[0].packet
        failed = sorted(record.packet for plain in (found.client, found.server) for record in plain.failed)
        if found.result is Result.OPENED:
            self.opened += 1
            self.not_opened += failed
        elif not _is_protected(connection):
            return
        elif hello.random not in self._ring.log:
            self.without_secret.append(packet)
        elif found.result is Result.UNKNOWN_SUITE:
            answer = connection.server_hello
            suite = None if answer is None else answer.cipher_suite
            self.suites.setdefault(cipher_suite_name(suite or 0), []).append(packet)
        elif found.result is Result.NO_KEYS:
            self.without_secret.append(packet)
        elif found.result is Result.DOES_NOT_FIT:
            self.unfit.append((packet, failed[0]))


def problems(ring: KeyRing, tally: Tally | None, *, named: bool, complete: bool) -> tuple[InputProblem, ...]:
    """What is wrong with the keys, and what they did not open.

    `named`: the user gave them, else they are a capture's own. `complete`: none came too late. That a key log has
    nothing for some of the connections is usual, and no more than a note when it opened others.
    """
    found = [
        InputProblem(code=problem.code, text=problem.text, source=problem.source, severity="warning")
        for problem in ring.log.problems
    ]
    if not complete:
        text = (
            "decryption secrets stand behind the packets that they are for, in a stream that cannot be read twice: "
            "save it to a file, and name that"
        )
        found.append(InputProblem(code="late-secrets", text=text, severity="warning"))
    if tally is None:
        return tuple(found)
    if tally.without_secret:
        what = "client random" if len(tally.without_secret) == 1 else "client randoms"
        text = f"no secret for the {what} of {_packets(tally.without_secret)}"
        severity = "warning" if named and not tally.opened else "note"
        found.append(InputProblem(code="no-secret", text=text, packet=tally.without_secret[0], severity=severity))
    for packet, first in tally.unfit[:_MOST_NAMED]:
        text = f"the secret for the client random of packet {packet} does not open the records from packet {first} on"
        found.append(InputProblem(code="unfit-secret", text=text, packet=packet, severity="warning"))
    for suite, packets in tally.suites.items():
        text = f"{suite}, negotiated after {_packets(packets)}, cannot be decrypted here"
        found.append(InputProblem(code="unknown-protection", text=text, packet=packets[0], severity="warning"))
    if tally.not_opened:
        text = (
            f"protected records that did not open, though others of their connections did: {_packets(tally.not_opened)}"
        )
        found.append(InputProblem(code="unopened-records", text=text, packet=tally.not_opened[0], severity="note"))
    return tuple(found)


def _packets(packets: Sequence[int]) -> str:
    """`packet 4`, or `packets 4, 9, 13, 20, 22 and 7 more`."""
    shown = ", ".join(map(str, packets[:_MOST_NAMED]))
    more = len(packets) - _MOST_NAMED
    return f"packet{'s' if len(packets) > 1 else ''} {shown}" + (f" and {more} more" if more > 0 else "")


def _is_protected(connection: Connection) -> bool:
    """Whether there is anything to open."""
    if connection.server_hello is None:
        return False
    halves = (connection.halves[side] for side in Side)
    return any(half.application_count or half.encrypted_handshake for half in halves)
