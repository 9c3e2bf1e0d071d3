"""TLS in the packets of another protocol, which have headers of their own between its bytes.

TDS (Microsoft SQL Server, [MS-TDS] 2.2.3 and 2.2.6.5) wraps the handshake until it is complete, and then no more.
OpenVPN over TCP (its source: `ssl_pkt.h`, "network protocol" of its documentation) has a length before each packet, and
carries TLS in those of its control channel. Its packets may be authenticated (tls-auth); where they are encrypted
(tls-crypt), there is nothing to read.

A `Carrier` says what stands at the beginning of a packet; `Carried` goes from packet to packet of one direction. What
is read of TLS then counts its bytes without the headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum
from typing import Final, NamedTuple, Protocol

from analyzer.net.reassembly import Run

__all__ = ["NEEDED", "Carried", "Carrier", "Packet", "What", "recognise"]


class What(Enum):
    """What a packet carries."""

    TLS = 1
    TALK = 2
    """What is said before TLS; it is kept with its header."""
    OTHER = 3
    BARE = 4
    """It is none: from here on TLS stands for itself."""
    END = 5
    """It is none that is known: here the reading ends."""


class Packet(NamedTuple):
    """A packet: `header` bytes of its own, then `size` bytes of what it carries."""

    what: What
    header: int = 0
    size: int = 0


class Carrier(Protocol):
    """One direction's packets; it has no state but what it was made with."""

    def packet(self, head: bytes, number: int) -> Packet | int:
        """The packet `number` of the direction, which begins with `head`; or how many bytes of it are needed."""


class _Tds:
    """[MS-TDS] 2.2.3.1: type, status, length with this header (16 bits, big-endian), and four bytes more."""

    _HEADER: Final = 8
    _TYPES: Final = (0x12, 0x04)
    """PRELOGIN, which carries the handshake too, and a response to it."""

    def packet(self, head: bytes, number: int) -> Packet | int:
        if head and 0x14 <= head[0] <= 0x17:
            return Packet(What.BARE)
        if len(head) < self._HEADER:
            return 1 if not head else self._HEADER
        length = int.from_bytes(head[2:4], "big")
        if head[0] not in self._TYPES or length < self._HEADER:
            return Packet(What.END)
        if number == 0:
            return Packet(What.TALK, 0, length)
        return Packet(What.TLS, self._HEADER, length - self._HEADER)


class _OpenVpn:
    """A length (16 bits, big-endian), opcode and key number, the sender's session, and so on: see `packet`.

    `added` bytes of authentication come next, then the packets that are acknowledged, and a number; behind them TLS.
    """

    def __init__(self, added: int) -> None:
        self._added = added

    def packet(self, head: bytes, number: int) -> Packet | int:
        acknowledged = 2 + _SESSION + self._added
        if len(head) < 3:
            return 3
        length, opcode = int.from_bytes(head[:2], "big"), head[2] >> 3
        if not length or opcode not in _OPCODES:
            return Packet(What.END)
        if number == 0:
            return Packet(What.TALK, 0, 2 + length)
        if opcode != _CONTROL:
            return Packet(What.OTHER, len(head), 2 + length - len(head))
        if len(head) <= acknowledged:
            return acknowledged + 1
        count = head[acknowledged]
        header = acknowledged + 1 + 4 * count + (8 if count else 0) + 4
        if header > 2 + length:
            return Packet(What.END)
        return header if len(head) < header else Packet(What.TLS, header, 2 + length - header)


_SESSION: Final = 9
"""Opcode and session id."""
_CONTROL: Final = 4
_OPCODES: Final = range(1, 12)
_RESETS: Final = (7, 8)
"""P_CONTROL_HARD_RESET_CLIENT_V2 and _SERVER_V2, with which the directions begin."""
_ADDED: Final = (0, *(size + 8 for size in (16, 20, 28, 32, 48, 64)))
"""Bytes of authentication: none, or a HMAC and eight bytes against replay."""
_LONGEST_RESET: Final = 160
_PRELOGIN: Final = re.compile(rb"[\x12\x04]\x01..\0\0.\0\0\0[\x06-\xff]", re.DOTALL)


def recognise(begin: bytes) -> Carrier | None:
    """The protocol whose packets a direction begins with; `begin` are its first `NEEDED` bytes, or all there are."""
    if _PRELOGIN.match(begin):
        return _Tds()
    length = int.from_bytes(begin[:2], "big")
    if not 14 <= length <= _LONGEST_RESET or len(begin) < 2 + length or begin[2] not in [code << 3 for code in _RESETS]:
        return None
    for added in _ADDED:
        at = 2 + _SESSION + added
        # The first packet has the number 0, and acknowledges the peer's first one at most.
        if at < len(begin) and begin[at] <= 1:
            header = at + 1 + 12 * begin[at] + 4
            if header == 2 + length and not any(begin[header - 4 : header]):
                return _OpenVpn(added)
    return None


NEEDED: Final = 2 + _LONGEST_RESET
"""Bytes from which `recognise` knows."""


class Carried:
    """Goes through the packets of one direction. `position` counts its bytes of TLS, without what is around them."""

    __slots__ = ("_carrier", "_head", "_left", "_number", "_what", "at", "position")

    def __init__(self, carrier: Carrier) -> None:
        self._carrier = carrier
        self._head = b""
        self._number = 0
        self._what = What.OTHER
        self._left = 0
        self.at = 0
        """Position in the stream of the first byte that was not looked at."""
        self.position = 0

    def pieces(self, run: Run) -> Iterator[tuple[What, Run]]:
        """What of a run is TLS, and what was said before it; each is to be taken before the next is asked for."""
        if self.at < run.start:
            self.gap(self.at, run.start - self.at)
        while self.at < run.end and self._what is not What.END:
            if self._what is What.BARE or self._left:
                stop = run.end if self._what is What.BARE else min(self.at + self._left, run.end)
                yield self._piece(run, stop)
            elif not self._begin(run):
                return

    def _piece(self, run: Run, stop: int) -> tuple[What, Run]:
        what, start = self._what, max(self.at, run.start)
        count = stop - self.at
        carried = what in (What.TLS, What.BARE)
        part = run.part(start, stop, self.position + start - self.at if carried else start)
        self.position += count if carried else 0
        self._left -= min(count, self._left)
        self.at = stop
        return what, part

    def _begin(self, run: Run) -> bool:
        """Find out what the packet is that begins here; False when that needs bytes of the next run."""
        while isinstance(found := self._carrier.packet(self._head, self._number), int):
            count = min(found - len(self._head), run.end - self.at)
            if count <= 0:
                return False
            self._head += run.read(self.at, count)
            self.at += count
        read, self._head = len(self._head), b""
        self._what, self._left = found.what, found.header + found.size - read
        self._number += 1
        if found.header < read:  # what was looked at belongs to what follows
            self.at -= read
            self._left += read
            if self.at < run.start:
                self._what = What.END
        if self._what is What.OTHER:
            self.at += self._left
            self._left = 0
        return True

    def skip(self, position: int) -> None:
        """TLS before this position is not needed."""
        if self._what in (What.TLS, What.BARE) and position > self.position:
            count = position - self.position if self._what is What.BARE else min(position - self.position, self._left)
            self.position += count
            self.at += count
            self._left -= min(count, self._left)

    def gap(self, start: int, size: int) -> tuple[int, int] | None:
        """Where bytes of TLS are missing, if some are; `ended` when it is unknown where the next packet begins."""
        inside = start == self.at and not self._head and (self._what is What.BARE or size <= self._left)
        if not inside:
            if start + size <= self.at:
                return None  # they were not needed
            self._what = What.END
            return self.position, size
        found = (self.position, size) if self._what in (What.TLS, What.BARE) else None
        self.position += 0 if found is None else size
        self._left -= min(size, self._left)
        self.at += size
        return found

    @property
    def ended(self) -> bool:
        """Whether there is no going on."""
        return self._what is What.END
