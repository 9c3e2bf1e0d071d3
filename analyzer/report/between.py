"""Two sights of one TCP connection: what one side sent and the other never saw.

Of each direction one sight is nearer to its sender. What the receiver got though its sender never sent it was made by
who stands in between; what the sender sent and the receiver never got was dropped there. Neither is said of what
happened when the other point may no longer have recorded.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from analyzer.dataclass import dataclass
from analyzer.diagnosis.cause import CERTAIN, LIKELY
from analyzer.report.build import camel
from analyzer.report.model import Evidence
from analyzer.tls.connection import EventKind
from analyzer.tls.side import Side
from analyzer.tls.sighting import Act, Sighting

__all__ = ["Sight", "Told", "compared_sights"]

_SMALL: Final = 600
"""Payload of segments that pass any path (see `causes/path_mtu_blackhole`)."""
_STOPPED_NS: Final = 1_000_000_000
"""Nobody ends a recording within this time of the last packet that it has of a connection."""
_ENDINGS: Final = (EventKind.RST, EventKind.FIN, EventKind.ALERT, EventKind.ENCRYPTED_ALERT)
_MOST: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """A sighting, the file it is in (empty when there is but one point), and the point's clock.

    `ahead_ns` is that of the clock against the first point's, by which `recorded_until_ns` is told.
    """

    sighting: Sighting
    file: str
    ahead_ns: int
    recorded_until_ns: int
    point: int

    @property
    def first_ns(self) -> int:
        """When it began, by the first point's clock."""
        return self.sighting.first_time_ns - self.ahead_ns

    @property
    def place(self) -> str:
        """The file, for the end of a sentence."""
        return f" ({self.file})" if self.file else ""

    def name(self, packet: int) -> str:
        """A packet of it: `client.pcap #5`."""
        return f"{self.file} #{packet}" if self.file else f"#{packet}"

    def recorded(self, time_ns: int) -> bool:
        """Whether this point was still recording at a time of the first point's clock."""
        last = self.sighting.last_time_ns - self.ahead_ns
        return self.recorded_until_ns >= time_ns or time_ns - last < _STOPPED_NS


class Told(NamedTuple):
    """A conclusion about a connection: the cause, and the act by which it ended (None: by none that was seen).

    `headline` has places for `client` and `server`.
    """

    connection: int
    code: str
    confidence: str
    text: str
    headline: str
    evidence: tuple[Evidence, ...]
    packet: int | None
    act: str | None


def compared_sights(near: Sight, far: Sight) -> tuple[list[Told], tuple[str, ...]]:
    """What follows from two sights, `near` the client and `far` from it; and what differs, for people."""
    told: list[Told] = []
    differs: list[str] = []
    for side, sender, receiver in ((Side.CLIENT, near, far), (Side.SERVER, far, near)):
        if not sender.sighting.sent[side].packets:
            continue
        made = _not_in(receiver, sender, side)
        told += [_forged(act, sender, receiver) for act in made[:1]]
        differs += [
            f"the {act.text} in the {side.value}'s name ({receiver.name(act.packet)}) was not sent by the {side.value}"
            for act in made[:_MOST]
        ]
        differs += [
            f"the {side.value}'s {act.text} ({sender.name(act.packet)}) did not arrive"
            for act in _not_in(sender, receiver, side)[:_MOST]
        ]
        lost = _lost(side, sender, receiver)
        if lost:
            differs.append(lost)
            told += _too_big(side, sender, receiver, lost)
    cut = [found for found in told if found.code == "middlebox-reset"]
    return cut or told, tuple(differs)  # who cuts a connection drops packets of it too


def _not_in(own: Sight, other: Sight, side: Side) -> list[Act]:
    """The endings of a side that one sight has and the other, though it recorded, has not."""
    there = {act.key for act in other.sighting.acts if act.side is side}
    return [
        act
        for act in own.sighting.acts
        if act.side is side
        and act.kind in _ENDINGS
        and act.key not in there
        and other.recorded(act.time_ns - own.ahead_ns)
    ]


def _forged(act: Act, sender: Sight, receiver: Sight) -> Told:
    who = act.side.value
    at = f"{sender.file}, recorded on the {who}'s side," if sender.file else f"the leg on the {who}'s side"
    last = sender.sighting.sent[act.side].last_packet
    text = (
        f"The {act.text} in {receiver.name(act.packet)} bears the {who}'s address, but the {who} never sent it: {at} "
        "does not have it. A firewall, an intrusion prevention system or a filter between the two points cuts this "
        "connection."
    )
    evidence = (
        Evidence(packet=act.packet, text=f"{act.text} in the name of the {who}{receiver.place}"),
        Evidence(
            packet=None,
            text=f"{sender.name(last)} is the last packet that the {who} itself sent in this connection; no such "
            f"{act.text} is among them",
        ),
    )
    headline = f"A box between {{client}} and {{server}} ended the connection in the {who}'s name ({act.text})."
    kind = "rst" if act.kind is EventKind.RST else "fin" if act.kind is EventKind.FIN else "alert"
    confidence = LIKELY if sender.sighting.sent[act.side].lost else CERTAIN  # the recording may have lost it
    return Told(receiver.sighting.id, "middlebox-reset", confidence, text, headline, evidence, act.packet, kind)


def _lost(side: Side, sender: Sight, receiver: Sight) -> str:
    """What of a side's bytes did not arrive, in words; empty when all did, or that cannot be told."""
    sent, got = sender.sighting.sent[side], receiver.sighting.sent[side]
    arrived_bytes = got.end - got.lost
    missing = sent.end - arrived_bytes
    if sent.lost or missing <= 0 or not receiver.recorded(sender.sighting.last_time_ns - sender.ahead_ns):
        return ""
    if max(sent.acknowledged, got.acknowledged) > arrived_bytes:
        return ""  # it was the capture that lost them
    arrived = [name for name, _ in got.messages]
    names: list[str] = []
    first = sent.last_packet
    for name, packet in sent.messages:
        if name in arrived:
            arrived.remove(name)
        else:
            first = packet if not names else first
            names.append(camel(name))
    held = f" ({', '.join(names[:_MOST])}; {sender.name(first)})" if names else ""
    return f"{missing} bytes that the {side.value} sent{held} did not arrive"


def _too_big(side: Side, sender: Sight, receiver: Sight, lost: str) -> list[Told]:
    """Full-size segments were sent and none arrived, while smaller ones did."""
    sent, got = sender.sighting.sent[side], receiver.sighting.sent[side]
    if sent.longest <= _SMALL or got.longest >= sent.longest or not got.packets:
        return []
    arrived = f"at most {got.longest} bytes long" if got.longest else "bare acknowledgements"
    text = (
        f"The {side.value}'s segments of up to {sent.longest} bytes went in and did not come out: {lost}; what arrived "
        f"is {arrived}. A link between the two points takes less, and nobody says so to the sender (a tunnel or VPN "
        "with a smaller MTU, and ICMP filtered), or a filter drops them."
    )
    evidence = (
        Evidence(packet=sent.last_packet, text=f"the last packet that the {side.value} sent{sender.place}; {lost}"),
        Evidence(packet=None, text=f"{receiver.name(got.last_packet)}: the last of the {side.value}'s that arrived"),
    )
    headline = f"Full-size packets of the {side.value} vanish on the way between {{client}} and {{server}}."
    return [Told(sender.sighting.id, "path-mtu-blackhole", CERTAIN, text, headline, evidence, None, None)]
