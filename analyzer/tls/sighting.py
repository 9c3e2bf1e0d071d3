"""A connection as one point saw it, reduced to what can be held against another sight of the same one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from analyzer.dataclass import dataclass
from analyzer.registry import alert_level_name, alert_name, handshake_type_name
from analyzer.tls.connection import Connection, EventKind, Half
from analyzer.tls.side import Side

__all__ = ["Act", "Sent", "Sighting", "Talk", "sighting_of", "talk_of"]

_MODULUS: Final = 1 << 32
_WINDOW: Final = 1 << 30
"""The largest window (RFC 7323 section 2.2): what is farther ahead is no sequence number of this connection."""
_MOST_TIMES: Final = 4
"""Records of application data of a side whose time is kept, at its beginning and at its end."""


class Act(NamedTuple):
    """A segment or an alert that decides something. `key` is what two sights of it have in common, `text` its name.

    `ip_id` is the IP identification of a RST, else 0.
    """

    key: tuple[object, ...]
    ip_id: int
    kind: EventKind
    side: Side
    packet: int
    time_ns: int
    text: str


class Sent(NamedTuple):
    """What was seen of one side.

    `end` is the position behind its last byte, `lost` how many before that are missing, `acknowledged` how many its
    peer said to have; `longest` is the payload of its longest segment, `repeated` counts those sent again. `whole`:
    nothing shows that bytes of the side are missing. `ip_ids` are its lowest and highest IP identification, `messages`
    name and frame of its handshake messages in clear.
    """

    packets: int
    end: int
    lost: int
    acknowledged: int
    longest: int
    repeated: int
    whole: bool
    ip_ids: tuple[int, int] | None
    last_packet: int
    messages: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One sight of a TCP connection."""

    id: int
    acts: tuple[Act, ...]
    sent: dict[Side, Sent]
    opened_ns: int | None
    """From the SYN to the SYN,ACK: the way from here to the server and back."""
    first_time_ns: int
    last_time_ns: int


class Talk(NamedTuple):
    """The shape of a connection: when it ran, when the client asked and when the server answered.

    That is the connection itself, the ClientHello and the first message for it, then the first and last few records of
    application data.
    """

    id: int
    first_time_ns: int
    last_time_ns: int
    client: str
    server: str
    asked: tuple[int, ...]
    answered: tuple[int, ...]


def sighting_of(seen: Connection) -> Sighting:
    """Reduce a connection."""
    acts = tuple(_acts(seen))
    syn = next((act.time_ns for act in acts if act.kind is EventKind.SYN), None)
    answer = next((act.time_ns for act in acts if act.kind is EventKind.SYN_ACK), None)
    return Sighting(
        id=seen.id,
        acts=acts,
        sent={side: _sent(half, [r.seq for r in seen.resets if r.side is side]) for side, half in seen.halves.items()},
        opened_ns=None if syn is None or answer is None else answer - syn,
        first_time_ns=seen.first_time_ns,
        last_time_ns=seen.last_time_ns,
    )


def talk_of(seen: Connection) -> Talk:
    """The shape of a connection."""
    client, server = seen.halves[Side.CLIENT], seen.halves[Side.SERVER]
    hello = (seen.hellos[0].time_ns,) if seen.hellos else ()
    answer = tuple(message.time_ns for message in server.seen.messages[:1])
    return Talk(
        seen.id,
        seen.first_time_ns,
        seen.last_time_ns,
        str(seen.client),
        str(seen.server),
        (seen.first_time_ns, *hello, *_times(client)),
        (*answer, *_times(server)),
    )


def _acts(seen: Connection) -> Iterator[Act]:
    resets = {reset.packet: reset for reset in seen.resets}
    for event in seen.events:
        key: tuple[object, ...]
        text, reset = str(event.kind.value), None
        if event.kind in (EventKind.SYN, EventKind.SYN_ACK, EventKind.FIN):
            key = (event.kind,)
        elif event.kind is EventKind.RST:
            reset = resets.get(event.packet)
            key = (event.kind, None if reset is None else reset.seq)
        elif event.kind is EventKind.ALERT:
            key = (event.kind, event.number, event.level)
            text = f"alert {alert_name(event.number)} ({alert_level_name(event.level)})"
        elif event.kind is EventKind.ENCRYPTED_ALERT:
            key = (event.kind, event.number)
        else:
            continue
        ip_id = 0 if reset is None else reset.ip_id
        yield Act(key, ip_id, event.kind, event.side, event.packet, event.time_ns, text)


def _sent(half: Half, resets: Sequence[int]) -> Sent:
    """What was seen of a side, whose RSTs have these sequence numbers."""
    begins = half.next_seq if half.next_seq is not None else None if half.base is None else half.base + 1
    ahead = [(seq - begins) % _MODULUS for seq in resets] if begins is not None else []
    names = ((handshake_type_name(m.type), m.packet) for m in half.seen.messages if not m.opened)
    return Sent(
        packets=half.packets,
        end=half.delivered + half.lost_bytes,
        lost=half.lost_bytes,
        acknowledged=half.acknowledged or 0,
        longest=half.max_segment,
        repeated=half.retransmitted,
        whole=not half.lost and not half.lost_bytes and not any(0 < distance < _WINDOW for distance in ahead),
        ip_ids=half.ip_ids,
        last_packet=half.last_packet,
        messages=tuple(names),
    )


def _times(half: Half) -> tuple[int, ...]:
    times = [record.time_ns for record in half.application]
    return tuple(times if len(times) <= 2 * _MOST_TIMES else (*times[:_MOST_TIMES], *times[-_MOST_TIMES:]))
