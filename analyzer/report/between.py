"""Two sights of one TCP connection: what one side sent and the other never saw.

Of each direction one sight is nearer to its sender. What the receiver got though its sender never sent it was made by
who stands in between; what the sender sent and the receiver never got was dropped there. Neither is said of what
happened when the other point may no longer have recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
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
_LONGER_NS: Final = 50_000_000
_ENDINGS: Final = (EventKind.RST, EventKind.FIN, EventKind.ALERT, EventKind.ENCRYPTED_ALERT)
_MOST: Final = 4
_IN_A_ROW: Final = 64
"""IP identifications from the last that was seen of a side to one that still belongs to its row."""


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
    def last_ns(self) -> int:
        """When its last packet came, by the first point's clock."""
        return self.sighting.last_time_ns - self.ahead_ns

    @property
    def place(self) -> str:
        """The file, for the end of a sentence."""
        return f" ({self.file})" if self.file else ""

    @property
    def there(self) -> str:
        """The same, as a place of its own."""
        return f"in {self.file}" if self.file else "on the other leg"

    def name(self, packet: int) -> str:
        """A packet of it: `client.pcap #5`."""
        return f"{self.file} #{packet}" if self.file else f"#{packet}"

    def recorded(self, time_ns: int) -> bool:
        """Whether this point was still recording at a time of the first point's clock."""
        return self.recorded_until_ns >= time_ns or time_ns - self.last_ns < _STOPPED_NS


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


def compared_sights(near: Sight, far: Sight, all_sights: Sequence[Sight]) -> tuple[list[Told], tuple[str, ...]]:
    """What follows from two sights, `near` the client and `far` from it; and what differs, for people.

    `all_sights` of the connection, the nearest to the client first, have the last word: a recording may lose packets.
    """
    told: list[Told] = []
    differs: list[str] = []
    for side, sender, receiver in ((Side.CLIENT, near, far), (Side.SERVER, far, near)):
        if not (sender.sighting.sent[side].packets and receiver.sighting.sent[side].packets):
            continue  # one of them does not record this direction at all
        way = all_sights if side is Side.CLIENT else all_sights[::-1]
        at = next(index for index, sight in enumerate(way) if sight.sighting.id == receiver.sighting.id)
        made = _made(side, sender, receiver, way[:at])
        told += [_forged(act, sender, receiver) for act in made[:1]]
        differs += [
            f"the {act.text} in the {side.value}'s name ({receiver.name(act.packet)}) was not sent by the {side.value}"
            for act in made[:_MOST]
        ]
        beyond = _keys(side, way[at:])
        differs += [
            f"the {side.value}'s {act.text} ({sender.name(act.packet)}) is not {receiver.there}"
            for act in _endings(sender, side)
            if act.key not in beyond and receiver.recorded(act.time_ns - sender.ahead_ns)
        ][:_MOST]
        lost = _lost(side, sender, receiver, way[at:])
        if lost:
            differs.append(lost)
            told += _too_big(side, sender, receiver, lost)
    cut = [found for found in told if found.code == "middlebox-reset"]
    return cut or told, tuple(differs)  # who cuts a connection drops packets of it too


def _endings(sight: Sight, side: Side) -> list[Act]:
    return [act for act in sight.sighting.acts if act.side is side and act.kind in _ENDINGS]


def _keys(side: Side, sights: Sequence[Sight]) -> set[tuple[object, ...]]:
    return {act.key for sight in sights for act in sight.sighting.acts if act.side is side}


def _made(side: Side, sender: Sight, receiver: Sight, before: Sequence[Sight]) -> list[Act]:
    """The endings that the receiver got and no sight `before` it, on the way from their sender, has.

    Unless the sender's recording shows that it has lost packets, which may have been these: only a RST is then still
    told of. Who numbers his packets in a row numbers a RST with them. Nobody else can encrypt an alert.
    """
    known, sent = _keys(side, before), sender.sighting.sent[side]
    whole = _has_all(sender, receiver, side)
    return [
        act
        for act in _endings(receiver, side)
        if act.key not in known
        and sender.recorded(act.time_ns - receiver.ahead_ns)
        and (whole or act.kind is EventKind.RST)
        and act.kind is not EventKind.ENCRYPTED_ALERT
        and not (sent.ip_ids is not None and act.ip_id and 0 < act.ip_id - sent.ip_ids[1] <= _IN_A_ROW)
    ]


def _has_all(sender: Sight, receiver: Sight, side: Side) -> bool:
    """Whether the sender's sight has what the receiver's has of a side, its endings aside.

    A recording that has lost other packets may have lost these too.
    """
    sent, got = sender.sighting.sent[side], receiver.sighting.sent[side]
    if not sent.whole or got.end - got.lost > sent.end:
        return False
    # Where the receiver's recording went on for longer it has more packets for that.
    longer = receiver.last_ns - sender.last_ns > _LONGER_NS
    return longer or sent.packets >= got.packets - len(_endings(receiver, side))


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
    confidence = CERTAIN if _has_all(sender, receiver, act.side) else LIKELY
    return Told(receiver.sighting.id, "middlebox-reset", confidence, text, headline, evidence, act.packet, kind)


def _lost(side: Side, sender: Sight, receiver: Sight, beyond: Sequence[Sight]) -> str:
    """What of a side's bytes did not arrive, in words; empty when all did, or that cannot be told.

    What a sight `beyond` the receiver has, which is the first of these, has come by there.
    """
    sent, got = sender.sighting.sent[side], receiver.sighting.sent[side]
    arrived_bytes = max(sight.sighting.sent[side].end - sight.sighting.sent[side].lost for sight in beyond)
    missing = sent.end - arrived_bytes
    if sent.lost or missing <= 0 or not receiver.recorded(sender.last_ns):
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
    """Full-size segments were sent, and again, and none arrived, while smaller ones did."""
    sent, got = sender.sighting.sent[side], receiver.sighting.sent[side]
    if sent.longest <= _SMALL or got.longest >= sent.longest or not sent.repeated:
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
