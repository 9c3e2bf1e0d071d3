"""What a case of the lab is, and how its truth is decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from captures.record import walk
from captures.record.scenarios import Setup

COMPLETED: Final = "completed"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case(Setup):
    """One recording of the lab: who talks to whom, and what is wrong.

    - `group`: the row of the tables, such as `missing-root`; `fault`: what is injected, in words
    - `injected`: the cause (a code) if this client fails; `None` for a control, in which nothing is wrong
    - `by`: who ends it; `None` leaves it to what tshark sees. State it where the fault decides it
    - `accepts`: what this client is known to do; a recording in which it does otherwise is not valid. `None`
      leaves it to the client: one that accepted makes the case one that has to be called completed
    - `also`: codes that are right too, such as `capture-incomplete` where evidence was taken away
    - `second`: a key of `recording.RECORDERS`: its capture is kept instead of the whole one
    - `cut`: a key of `CUTS`: which packets are taken out of the whole capture before it is kept
    - `client_ca`: a key of `pki.STORES`, by which the server validates the client
    - `verify_depth`: the limit that the client is configured with, if it is
    """

    name: str
    group: str
    fault: str
    injected: str | None
    by: str | None = None
    accepts: bool | None = None
    also: tuple[str, ...] = ()
    second: str | None = None
    cut: str | None = None
    client_ca: str | None = None
    verify_depth: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What an analysis has to find. `aborted_by` and `cause` are `None` for a connection that completed."""

    outcome: str
    cause: str | None
    aborted_by: str | None


class NotInjectedError(Exception):
    """The stacks did not do what the case says they do, so the recording proves nothing."""


def truth(case: Case, *, accepted: bool, seen: walk.Verdict) -> Truth:
    """Decide what an analysis of a recording has to find.

    By the client's own word: a connection that its client accepted has completed, whatever was wrong with it.
    Otherwise the injected fault is the cause, and who ended it is known by the fault, else by tshark. Raises
    `NotInjectedError`.
    """
    if case.accepts is not None and case.accepts != accepted:
        word = "accepted" if accepted else "failed"
        raise NotInjectedError(f"the client {word}, which the case does not expect")
    if case.injected is None and not accepted:
        raise NotInjectedError("the client failed although nothing is wrong")
    if accepted:
        return Truth(outcome=COMPLETED, cause=None, aborted_by=None)
    return Truth(outcome=FAILED, cause=case.injected, aborted_by=case.by or seen.aborted_by)


Cut = Callable[[tuple[walk.Packet, ...]], set[int]]
"""Names the packets to take out of a capture."""


def _before(index: int, packets: tuple[walk.Packet, ...]) -> set[int]:
    return {packet.number for packet in packets[:index]}


def _until_handshake(packets: tuple[walk.Packet, ...]) -> set[int]:
    return _before(min(3, len(packets)), packets)


def _until_client_hello(packets: tuple[walk.Packet, ...]) -> set[int]:
    hello = next(i for i, packet in enumerate(packets) if 1 in packet.handshake_types)
    return _before(hello + 1, packets)


def _until_client_left(packets: tuple[walk.Packet, ...]) -> set[int]:
    """Everything before the client's first packet with data after the ServerHello, or before its FIN or RST."""
    flight = next(i for i, packet in enumerate(packets) if 2 in packet.handshake_types)
    left = next(
        i
        for i, packet in enumerate(packets)
        if i > flight and packet.sender == "client" and (packet.length or packet.fin or packet.rst)
    )
    return _before(left, packets)


def _server_flight(packets: tuple[walk.Packet, ...]) -> set[int]:
    """What the server sent between the ClientHello and the client's answer, but for the bare acknowledgements."""
    gone = _until_client_left(packets) - _until_client_hello(packets)
    return {p.number for p in packets if p.number in gone and p.sender == "server" and p.length}


def _second_of_flight(packets: tuple[walk.Packet, ...]) -> set[int]:
    """The second packet with data of the server's flight, in which most of the certificates are."""
    return set(sorted(_server_flight(packets))[1:2])


def _ending(packets: tuple[walk.Packet, ...]) -> set[int]:
    """All from the event on that ended the connection."""
    end = walk.judge(packets).abort_packet
    return {packet.number for packet in packets if end is not None and packet.number >= end}


CUTS: Final = MappingProxyType({
    "begun-after-syn": _until_handshake,
    "begun-after-hello": _until_client_hello,
    "begun-after-certificate": _until_client_left,
    "flight-lost": _server_flight,
    "certificate-lost": _second_of_flight,
    "ended-early": _ending,
})  # fmt: skip
"""Which packets a capture lacks, by name."""
