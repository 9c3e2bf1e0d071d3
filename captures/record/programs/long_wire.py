"""Carry Ethernet frames between two network devices, each a while later.

Arguments: device, device, milliseconds. The kernel's own way to do this, netem, is a module that many
machines lack. Hosts that react to each other within microseconds hide what a real distance shows, such as a
RST that is on its way before the other side's answer.
"""

from __future__ import annotations

import collections
import selectors
import socket
import sys
import time

_ETH_P_ALL = 3
_LONGEST_FRAME = 65536


def main(left: str, right: str, delay: str) -> None:
    """Carry frames until killed."""
    ends = {name: _open(name) for name in (left, right)}
    other = {ends[left]: ends[right], ends[right]: ends[left]}
    ready = selectors.DefaultSelector()
    for name, end in ends.items():
        ready.register(end, selectors.EVENT_READ, name)
    under_way: collections.deque[tuple[float, socket.socket, bytes]] = collections.deque()
    print("carrying", flush=True)
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        for key, _ in ready.select(wait):
            end = ends[key.data]
            frame, address = end.recvfrom(_LONGEST_FRAME)
            if address[2] != socket.PACKET_OUTGOING:
                under_way.append((time.monotonic() + float(delay) / 1000, other[end], frame))
        while under_way and under_way[0][0] <= time.monotonic():
            _, target, frame = under_way.popleft()
            target.send(frame)


def _open(device: str) -> socket.socket:
    end = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    end.bind((device, 0))
    return end


if __name__ == "__main__":
    main(*sys.argv[1:])
