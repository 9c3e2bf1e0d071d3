"""Carry Ethernet frames between two network devices, and do to them what boxes on the way do.

Arguments: device towards the client, device towards the server, milliseconds that each frame is under way, then
deeds:

lose-over=BYTES     IP packets longer than this vanish, and nobody is told: a path MTU black hole
lose=FROM:NUMBER    packets with data vanish, from the NUMBER-th of FROM (client or server) on; with 0, all its packets
ttl=FROM:WHAT:NUMBER  packets of FROM get this time to live, or hop limit; WHAT is all, syn, or later (all but SYN)
reset=TO            on the ClientHello, forge a RST: to the client, to the server, or to both, each in the other's name
  ttl-forged=NUMBER   its time to live; without it that of the last packet of the side in whose name it is
  id-forged=NUMBER    its IPv4 identification; `next` carries on that side's own; without it 0
  off=NUMBER          its sequence number is off by this much
  on=FLIGHT           forge on the server's first data instead
  swallow=1           the packet that gave the cause is not carried on
change=FROM:MESSAGE:OFFSET:XOR  change one byte of a handshake message on its way. MESSAGE is a handshake type,
                    `finished` for the first encrypted record, `data` for the first record of application data,
                    `record` for the first record with its header; OFFSET counts from its begin, or, if negative,
                    from its end; XOR is what the byte is combined with
"""

from __future__ import annotations

import collections
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field

_ETH_P_ALL = 3
_LONGEST_FRAME = 65536
_IPV4, _IPV6, _TCP = 0x0800, 0x86DD, 6
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_CHANGE_CIPHER_SPEC, _HANDSHAKE, _DATA = 20, 22, 23
_CLIENT_HELLO = b"\x16\x03"


@dataclass(slots=True)
class Segment:
    """A frame with a TCP segment in it, and where its parts begin."""

    frame: bytearray
    ip: int
    tcp: int
    data: int
    end: int

    @property
    def version(self) -> int:
        """4 or 6."""
        return self.frame[self.ip] >> 4

    @property
    def flags(self) -> int:
        """The TCP flags."""
        return self.frame[self.tcp + 13]

    @property
    def sequence(self) -> int:
        """The sequence number of the first byte of data."""
        return int.from_bytes(self.frame[self.tcp + 4 : self.tcp + 8])

    @property
    def acknowledged(self) -> int:
        """The acknowledgement number."""
        return int.from_bytes(self.frame[self.tcp + 8 : self.tcp + 12])

    @property
    def payload(self) -> bytes:
        """The data."""
        return bytes(self.frame[self.data : self.end])

    @property
    def ttl(self) -> int:
        """The time to live, or the hop limit."""
        return self.frame[self.ip + (8 if self.version == 4 else 7)]

    def set_ttl(self, ttl: int) -> None:
        """Change the time to live, or the hop limit."""
        self.frame[self.ip + (8 if self.version == 4 else 7)] = ttl
        self.seal()

    def seal(self) -> None:
        """Put the right checksums in."""
        if self.version == 4:
            self.frame[self.ip + 10 : self.ip + 12] = bytes(2)
            self.frame[self.ip + 10 : self.ip + 12] = _checksum(bytes(self.frame[self.ip : self.tcp]))
            addresses = self.frame[self.ip + 12 : self.ip + 20]
        else:
            addresses = self.frame[self.ip + 8 : self.ip + 40]
        self.frame[self.tcp + 16 : self.tcp + 18] = bytes(2)
        segment = bytes(self.frame[self.tcp : self.end])
        pseudo = bytes(addresses) + len(segment).to_bytes(4) + _TCP.to_bytes(4)
        self.frame[self.tcp + 16 : self.tcp + 18] = _checksum(pseudo + segment)


@dataclass(slots=True)
class Change:
    """A byte of one side's stream that is to be changed, once it is known where it is."""

    sender: str
    message: str
    offset: int
    xor: int
    masks: dict[int, int] = field(default_factory=dict)
    stream: bytearray = field(default_factory=bytearray)
    begin: int | None = None
    done: bool = False

    def apply(self, segment: Segment) -> None:
        """Follow the stream, and change the byte if it is in this segment, or was when it was sent before."""
        if segment.flags & _SYN:
            self.begin = (segment.sequence + 1) % 2**32
            return
        payload = segment.payload
        if not payload or self.begin is None:
            return
        position = (segment.sequence - self.begin) % 2**32
        if position == len(self.stream):
            self.stream += payload
            if not self.done:
                self._find()
        for place, mask in self.masks.items():
            if position <= place < position + len(payload):
                segment.frame[segment.data + place - position] ^= mask
                segment.seal()

    def _find(self) -> None:
        """Find the message in what has come so far; only then is the byte known, and it must not be past."""
        at = 0
        changed = False
        stream = self.stream
        while at + 5 <= len(stream):
            kind, length = stream[at], int.from_bytes(stream[at + 3 : at + 5])
            begin, end = at + 5, at + 5 + length
            if self.message == "record":
                return self._mark(at, end)
            if kind == _CHANGE_CIPHER_SPEC:
                changed = True
            elif kind == _HANDSHAKE and changed:
                if self.message == "finished":
                    return self._mark(begin, end)
            elif kind == _DATA:
                if self.message in {"data", "finished"}:
                    return self._mark(begin, end)
            elif kind == _HANDSHAKE:
                while begin + 4 <= min(end, len(stream)):
                    size = 4 + int.from_bytes(stream[begin + 1 : begin + 4])
                    if self.message == str(stream[begin]):
                        return self._mark(begin, begin + size)
                    begin += size
            at = end
        return None

    def _mark(self, begin: int, end: int) -> None:
        self.masks[(begin if self.offset >= 0 else end) + self.offset] = self.xor
        self.done = True


class Box:
    """What is done to the frames."""

    def __init__(self, deeds: list[str]) -> None:
        """Read the deeds."""
        pairs = [deed.split("=", 1) for deed in deeds]
        self._deeds = dict(pairs)
        self._changes = []
        for name, value in pairs:
            if name == "change":
                sender, message, offset, xor = value.split(":")
                self._changes.append(Change(sender, message, int(offset), int(xor, 0)))
        self._last: dict[str, Segment] = {}
        self._with_data: collections.Counter[str] = collections.Counter()
        self._forged = False

    def pass_on(self, sender: str, frame: bytes) -> list[tuple[str, bytes]]:
        """Give what leaves the box because of this frame: to whom, and the frame."""
        receiver = "server" if sender == "client" else "client"
        segment = _segment(frame)
        if segment is None:
            return [(receiver, frame)]
        if segment.end - segment.ip > int(self._deeds.get("lose-over", _LONGEST_FRAME)):
            return []
        if segment.payload:
            self._with_data[sender] += 1
        if "lose" in self._deeds:
            who, number = self._deeds["lose"].split(":")
            gone = segment.payload and self._with_data[sender] >= int(number)
            if who == sender and (gone or number == "0"):
                return []
        if "ttl" in self._deeds:
            who, what, number = self._deeds["ttl"].split(":")
            if who == sender and what in {"all", "syn" if segment.flags & _SYN else "later"}:
                segment.set_ttl(int(number))
        for change in self._changes:
            if change.sender == sender:
                change.apply(segment)
        self._last[sender] = segment
        leaving = [(receiver, bytes(segment.frame))]
        side = "server" if self._deeds.get("on") == "flight" else "client"
        if "reset" in self._deeds and not self._forged and sender == side and segment.payload[:2] == _CLIENT_HELLO:
            self._forged = True
            if "swallow" in self._deeds:
                leaving = []
            for victim in ("client", "server"):
                if self._deeds["reset"] in {victim, "both"}:
                    leaving.append((victim, self._forge(victim, segment, sender)))
        return leaving

    def _forge(self, victim: str, cause: Segment, sender: str) -> bytes:
        """Make a RST to `victim` in the other side's name."""
        pretended = "server" if victim == "client" else "client"
        model = self._last[pretended]
        frame = bytearray(model.frame[: model.tcp + 20])
        forged = Segment(frame, model.ip, model.tcp, model.tcp + 20, model.tcp + 20)
        after = (cause.sequence + len(cause.payload)) % 2**32
        sequence, acknowledged = (after, cause.acknowledged) if pretended == sender else (cause.acknowledged, after)
        sequence = (sequence + int(self._deeds.get("off", 0))) % 2**32
        frame[model.tcp + 4 : model.tcp + 8] = sequence.to_bytes(4)
        frame[model.tcp + 8 : model.tcp + 12] = acknowledged.to_bytes(4)
        frame[model.tcp + 12], frame[model.tcp + 13] = 5 << 4, _RST | _ACK
        frame[model.tcp + 14 : model.tcp + 16] = bytes(2)
        if forged.version == 4:
            number = self._deeds.get("id-forged", "0")
            own = int.from_bytes(model.frame[model.ip + 4 : model.ip + 6])
            frame[model.ip + 2 : model.ip + 4] = (model.tcp + 20 - model.ip).to_bytes(2)
            frame[model.ip + 4 : model.ip + 6] = ((own + 1) % 2**16 if number == "next" else int(number)).to_bytes(2)
        else:
            frame[model.ip + 4 : model.ip + 6] = (20).to_bytes(2)
        forged.set_ttl(int(self._deeds.get("ttl-forged", model.ttl)))
        return bytes(frame)


def main(towards_client: str, towards_server: str, delay: str, *deeds: str) -> None:
    """Carry frames until killed."""
    box = Box(list(deeds))
    ends = {"client": _open(towards_client), "server": _open(towards_server)}
    ready = selectors.DefaultSelector()
    for side, end in ends.items():
        ready.register(end, selectors.EVENT_READ, side)
    under_way: collections.deque[tuple[float, str, bytes]] = collections.deque()
    print("carrying", flush=True)
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        for key, _ in ready.select(wait):
            frame, address = ends[key.data].recvfrom(_LONGEST_FRAME)
            if address[2] != socket.PACKET_OUTGOING:
                arrival = time.monotonic() + float(delay) / 1000
                under_way.extend((arrival, to, leaving) for to, leaving in box.pass_on(key.data, frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, to, leaving = under_way.popleft()
            ends[to].send(leaving)


def _segment(frame: bytes) -> Segment | None:
    """Find the TCP segment in a frame; `None` if there is none, or behind extension headers."""
    ip, kind = 14, int.from_bytes(frame[12:14])
    if kind == _IPV4 and frame[ip + 9] == _TCP:
        tcp = ip + (frame[ip] & 15) * 4
        end = ip + int.from_bytes(frame[ip + 2 : ip + 4])
    elif kind == _IPV6 and frame[ip + 6] == _TCP:
        tcp = ip + 40
        end = tcp + int.from_bytes(frame[ip + 4 : ip + 6])
    else:
        return None
    return Segment(bytearray(frame[:end]), ip, tcp, tcp + (frame[tcp + 12] >> 4) * 4, end)


def _checksum(data: bytes) -> bytes:
    """RFC 1071."""
    data += bytes(len(data) % 2)
    total = sum(int.from_bytes(data[i : i + 2]) for i in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return (total ^ 0xFFFF).to_bytes(2)


def _open(device: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    end.bind((device, 0))
    return end


if __name__ == "__main__":
    main(*sys.argv[1:])
