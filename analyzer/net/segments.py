"""Columns of TCP segments: what `decode` gives and `Flows` takes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from analyzer.dataclass import dataclass

__all__ = ["ACK", "FIN", "IPV4_HIGH", "RST", "SOCKS_PORT", "SYN", "Segments", "address_text", "halves"]

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10
SOCKS_PORT = 1080

IPV4_HIGH = (1 << 64) - 1
"""The upper half of an address column that marks an IPv4 address; the lower half holds its 32 bits.

An IPv6 address may begin so too (none that is assigned does); its lower half then tells, being longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """M TCP segments as columns, in frame order.

    Addresses are two unsigned 64-bit halves of the 128-bit IPv6 address; for IPv4 see `IPV4_HIGH`.
    """

    data: NDArray[np.uint8]
    """The bytes that `payload` points into: the batch's own, and after them those of reassembled packets."""
    packet: NDArray[np.int64]
    """[M] frame number."""
    time_ns: NDArray[np.int64]
    source_high: NDArray[np.uint64]
    source_low: NDArray[np.uint64]
    target_high: NDArray[np.uint64]
    target_low: NDArray[np.uint64]
    source_port: NDArray[np.int64]
    target_port: NDArray[np.int64]
    seq: NDArray[np.int64]
    """[M] sequence number, 0 to 2^32-1."""
    ack: NDArray[np.int64]
    flags: NDArray[np.int64]
    """[M] the low byte of the TCP flags: FIN 1, SYN 2, RST 4, PSH 8, ACK 16, URG 32."""
    window: NDArray[np.int64]
    payload: NDArray[np.int64]
    """[M] position of the first payload byte in `data`."""
    length: NDArray[np.int64]
    """[M] payload bytes on the wire."""
    captured: NDArray[np.int64]
    """[M] payload bytes that are in the capture (less than `length` when cut by a snap length)."""
    ttl: NDArray[np.int64]
    """[M] time to live, or hop limit."""
    ip_id: NDArray[np.int64]
    """[M] IPv4 identification; -1 for IPv6."""
    quoted: NDArray[np.int64]
    """[M] 0 for a segment; for a TCP header quoted by an ICMP error: family * 65536 + type * 256 + code, the family
    being 4 or 6. When the error quotes less than the header, `flags` is 0 and only ports and `seq` are known."""
    within: NDArray[np.int64]
    """[M] what it was wrapped in: the number of a stack of `Wrappings`, 0 for nothing."""

    def __len__(self) -> int:
        return len(self.packet)

    def rows(self, keep: NDArray[np.bool_]) -> Segments:
        """The rows of a mask [M]."""
        names = (name for name in Segments.__slots__ if name != "data")
        return Segments(data=self.data, **{name: getattr(self, name)[keep] for name in names})


@lru_cache(maxsize=4096)
def address_text(high: int, low: int) -> str:
    """An address of the columns as text, as Wireshark writes it; IPv6 without brackets."""
    if high == IPV4_HIGH and low < 1 << 32:
        return ".".join(map(str, low.to_bytes(4, "big")))
    import socket

    return socket.inet_ntop(socket.AF_INET6, (high << 64 | low).to_bytes(16, "big"))


def halves(address: bytes) -> tuple[int, int]:
    """An address of 4 or 16 bytes as the columns hold it."""
    if len(address) == 4:
        return IPV4_HIGH, int.from_bytes(address, "big")
    return int.from_bytes(address[:8], "big"), int.from_bytes(address[8:], "big")
