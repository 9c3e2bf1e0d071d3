"""Numbers that Wireshark gives to no connection of the capture, but to what a SOCKS proxy is asked for.

Its dissector of SOCKS hands what follows the dialogue (RFC 1928; "SOCKS: A protocol for TCP proxy across firewalls") to
the dissector of the port that the client named, as if the packet had gone there: and at the first such packet
`tcp.stream` counts one more. No packet ever has that number; all connections after it are one further on.
Only port 1080 is taken for SOCKS. Seen with tshark 4.0.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import numpy as np

from analyzer.dataclass import dataclass
from analyzer.net.segments import SOCKS_PORT, SYN, Segments

__all__ = ["SocksNumbers"]

_MOST_DIALOGUES: Final = 4096
_MOST_TARGETS: Final = 1 << 16
_LONGEST_REQUEST: Final = 262
"""Bytes of the longest request of SOCKS 5: a name of 255, and 7 others."""
_HALF: Final = 1 << 31
_MODULUS: Final = 1 << 32


class _Turn(Enum):
    """Whose next packet means what."""

    GREETING = "client", 1
    METHOD = "server", 2
    LOGIN = "client", 3
    LOGIN_ANSWER = "server", 4
    REQUEST = "client", 5
    ANSWER = "server", 6
    DATA = "both", 7


@dataclass(slots=True)
class _Dialogue:
    turn: _Turn = _Turn.GREETING
    port: bytes = b""
    client_next: int | None = None
    server_next: int | None = None


class SocksNumbers:
    """Follows the dialogues of connections to port 1080, packet by packet, as the dissector does."""

    def __init__(self) -> None:
        self._dialogues: dict[bytes, _Dialogue] = {}
        self._targets: set[bytes] = set()

    def taken(self, segments: Segments) -> list[int]:
        """The segments, by their places, at which a number is taken."""
        on_port = (segments.target_port == SOCKS_PORT) != (segments.source_port == SOCKS_PORT)
        return [row for row in np.flatnonzero(on_port & (segments.quoted == 0)).tolist() if self._take(segments, row)]

    def _take(self, segments: Segments, row: int) -> bool:
        from_client = bool(segments.target_port[row] == SOCKS_PORT)
        ends = (segments.source_high, segments.source_low, segments.source_port)
        others = (segments.target_high, segments.target_low, segments.target_port)
        client, server = (ends, others) if from_client else (others, ends)
        key = b"".join(int(column[row]).to_bytes(8, "big") for column in (*client, *server[:2]))
        if from_client and segments.flags[row] & SYN:
            self._dialogues.pop(key, None)
        length = int(segments.length[row])
        if not length:
            return False
        dialogue = self._dialogues.get(key)
        if dialogue is None:
            if not from_client:
                return False
            if len(self._dialogues) >= _MOST_DIALOGUES:
                del self._dialogues[next(iter(self._dialogues))]
            dialogue = self._dialogues[key] = _Dialogue()
        seq = int(segments.seq[row])
        expected = dialogue.client_next if from_client else dialogue.server_next
        if expected is not None and (seq - expected) % _MODULUS >= _HALF:
            return False  # sent again
        following = (seq + length) % _MODULUS
        if from_client:
            dialogue.client_next = following
        else:
            dialogue.server_next = following
        if dialogue.turn.value[0] not in ("both", "client" if from_client else "server"):
            return False
        start = int(segments.payload[row])
        size = min(int(segments.captured[row]), _LONGEST_REQUEST)
        following_turn = _after(dialogue, segments.data[start : start + size].tobytes())
        if following_turn is not None:
            dialogue.turn = following_turn
            return False
        del self._dialogues[key]
        target = key + dialogue.port
        if dialogue.turn is not _Turn.DATA or target in self._targets:
            return False
        if len(self._targets) >= _MOST_TARGETS:
            self._targets.clear()
        self._targets.add(target)
        return True


def _after(dialogue: _Dialogue, data: bytes) -> _Turn | None:
    """What comes behind a packet of the dialogue; None where it ends, in data or in vain."""
    turn = dialogue.turn
    if turn is _Turn.GREETING:
        dialogue.port = data[2:4]
        return {4: _Turn.ANSWER, 5: _Turn.METHOD}.get(data[0]) if data else None
    if turn is _Turn.METHOD:
        return {0: _Turn.REQUEST, 2: _Turn.LOGIN}.get(data[1]) if len(data) > 1 else None
    if turn is _Turn.REQUEST:
        if data[1:2] != b"\x01" or len(data) < 5:
            return None
        at = 4 + {1: 4, 3: 1 + data[4], 4: 16}.get(data[3], 0)
        dialogue.port = data[at : at + 2]
        return _Turn.ANSWER
    return {_Turn.LOGIN: _Turn.LOGIN_ANSWER, _Turn.LOGIN_ANSWER: _Turn.REQUEST, _Turn.ANSWER: _Turn.DATA}.get(turn)
