"""What the capture lacks of a connection, and what that takes from its verdict.

The first act decides, so it matters whether an earlier one may be missing. Who leaves, by an alert or a FIN, says
nothing after it: bytes that are missing hide no act when the same side goes on behind them, nor when they are the
inside of a record whose header is there. A snap length cuts no FIN; it may cut an alert, which comes in a short
segment. What a side had received when it left is in its acknowledgement number: bytes of the peer behind the last that
were captured, or its FIN, count as unseen. In a capture of one direction these numbers are all there is of the other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.alerts import CERTIFICATE_ALERTS
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.progress import Ending, alert_lengths
from analyzer.registry import AlertDescription as Alert
from analyzer.tls.connection import Connection, Half, Side
from analyzer.tls.messages import is_tls13
from analyzer.tls.records import Lost

__all__ = ["Unseen", "hides_the_beginning", "may_have_had_certificate", "unseen"]

_ECHOES: Final = frozenset(
    {
        None,
        Alert.CLOSE_NOTIFY,
        Alert.USER_CANCELED,
        Alert.DECODE_ERROR,
        Alert.UNEXPECTED_MESSAGE,
        Alert.INTERNAL_ERROR,
        Alert.HANDSHAKE_FAILURE,
    }
)
"""Alerts that a side may send because the other has left; of one that is encrypted or cut nothing is known."""
_TELLING: Final = CERTIFICATE_ALERTS | {
    Alert.PROTOCOL_VERSION,
    Alert.INAPPROPRIATE_FALLBACK,
    Alert.UNRECOGNIZED_NAME,
    Alert.NO_APPLICATION_PROTOCOL,
    Alert.INSUFFICIENT_SECURITY,
    Alert.CERTIFICATE_REQUIRED,
}
"""Alerts that say what is wrong, whatever came before them."""

_LONGEST_HIDDEN_ALERT: Final = 64
"""Bytes of a record that may hold an alert with the padding that stacks give it."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """What is missing before the act that ended a connection, as far as it bears on the verdict.

    `first`: whether the act seen as the first is certainly that, so that it is known who left. `doubtful`: whether
    what is missing may hold what would tell another cause.
    """

    first: bool = True
    doubtful: bool = False


@lru_cache(maxsize=4)
def unseen(case: Case) -> Unseen:
    """What is missing before the ending of a case; nothing where there is no ending."""
    ending, connection = case.ending, case.connection
    if ending is None or ending.side is None or ending.packet is None:
        return Unseen()
    alert = ending.description if ending.act == "alert" else None
    first = alert not in _ECHOES or not _hides_act(connection, ending, ending.side.peer)
    if alert in _TELLING:
        return Unseen(first=first)
    doubtful = not first or _hides_act(connection, ending, ending.side) or _hides_step(case, ending)
    return Unseen(first=first, doubtful=doubtful)


def may_have_had_certificate(case: Case) -> bool:
    """Whether the server's certificate has reached the client, or may have: in what the capture lacks."""
    if case.progress.certificate_came:
        return True
    connection = case.connection
    lacking = bool(connection.halves[Side.SERVER].lost) or hides_the_beginning(connection)
    return lacking and not case.progress.resumed


def hides_the_beginning(connection: Connection) -> bool:
    """Whether the capture begins within the connection, and shows no hello."""
    return not connection.from_start and not connection.hellos


def _hides_act(connection: Connection, ending: Ending, side: Side) -> bool:
    """Whether an act of a side before the ending may be missing."""
    half, packet = connection.halves[side], ending.packet or 0
    own = ending.side is side
    if not own:
        if half.unseen_before(packet):
            return True
        hidden = is_tls13(connection.version) and bool(half.lost)
        hidden |= connection.version is None
        before = [record for record in half.application if record.packet < packet]
        if hidden and before and before[-1].length in alert_lengths(connection):
            return True
        if hides_the_beginning(connection) and not _speaks(half):
            return True  # it may have left before the capture begins
    elif half.unsent(packet):
        return True
    seen = half.seen
    positions = [m.position for m in seen.messages] + [
        r.position for r in (*seen.change_cipher_spec, *half.application)
    ]
    positions += [r.position for r in seen.encrypted_handshake]
    latest = max(positions, default=-1)
    return any(_before(hole, ending) and _may_hide_act(hole, latest) for hole in seen.lost)


def _speaks(half: Half) -> bool:
    """Whether a side sent what cannot be an alert, which TLS 1.3 hides."""
    seen = half.seen
    if seen.messages or seen.change_cipher_spec or seen.encrypted_handshake or seen.plain is not None:
        return True
    return any(record.length > _LONGEST_HIDDEN_ALERT for record in half.application)


def _hides_step(case: Case, ending: Ending) -> bool:
    """Whether the place of the ending in the handshake is uncertain, though no act before it is missing.

    What a side said before its own ending counts, since steps are told by what came before them, in TLS 1.3 by lengths
    alone. So does all that an alert may answer which does not say what is wrong, and what the server said when the
    client may have been done.
    """
    connection = case.connection
    holes = {
        side: [h for h in connection.halves[side].seen.lost if not h.inside and _before(h, ending)] for side in Side
    }
    if ending.side is not None and holes[ending.side]:
        return True
    server = connection.halves[Side.SERVER]
    if ending.act == "alert":
        if hides_the_beginning(connection) or holes[Side.CLIENT]:
            return True
        return bool(holes[Side.SERVER]) and not ending.encrypted
    if not connection.from_start and not server.bytes:
        return True  # what it said before may be what the client answers
    return bool(holes[Side.SERVER]) and case.progress.stage == "client-flight"


def _before(hole: Lost, ending: Ending) -> bool:
    packet = ending.packet or 0
    return hole.packet < packet or (hole.packet == packet and ending.act != "alert")


def _may_hide_act(hole: Lost, latest: int) -> bool:
    """Whether a hole may hold an alert: `latest` is the position of the last record of its side."""
    return not hole.inside and latest < hole.position and (hole.short or not hole.cut)
