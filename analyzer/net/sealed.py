"""Packets of which only the outside shows: IPsec, WireGuard, MACsec, and tunnels whose inside nothing tells."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from analyzer.net.link import MACSEC, WLAN, WLAN_PADDED, Bytes, Column, be16, members

__all__ = ["Sealed"]

_PROTOCOLS: Final = {50: "IPsec (ESP)", 108: "IPComp (compressed)", 115: "L2TPv3"}
"""IP protocols of which nothing inside is read (RFC 4303, RFC 3173, RFC 3931: both ends agree on a cookie's size)."""
_IS_SEALED: Final = members(tuple(_PROTOCOLS), 256)
_UDP: Final = 17
_IPSEC_NAT: Final = 4500
_WIREGUARD_PORT: Final = 51820
_WIREGUARD_LENGTHS: Final = {1: 148, 2: 92, 3: 64}
"""Bytes of its handshake messages, by type (WireGuard paper, section 5.4)."""
_WIREGUARD_DATA: Final = 4
_WIREGUARD_LEAST: Final = 32
"""A data message without anything in it: a header of 16 bytes, and the tag (same section)."""
_UDP_HEADER: Final = 8
_PROTECTED: Final = 0x40


class Sealed:
    """Counts such packets by the name of what hides them."""

    def __init__(self) -> None:
        self.packets: dict[str, int] = {}
        self.wireless = 0
        """IEEE 802.11 data frames that are encrypted."""
        self._wireguard: set[int] = set()
        """Ports that took part in a handshake of WireGuard."""

    def count(self, data: Bytes, protocol: NDArray[np.integer], at: Column, end: Column) -> None:
        """Count IP packets by what follows the IP header, at `at`; `end` is where the captured bytes of each end."""
        if _IS_SEALED[protocol].any():
            for number, name in _PROTOCOLS.items():
                self._add(name, np.count_nonzero(protocol == number))
        udp = protocol == _UDP
        if udp.any():
            self._datagrams(data, at[udp], end[udp])

    def frames(self, data: Bytes, at: Column, ethertype: Column) -> None:
        """Count what is encrypted of MACsec (IEEE 802.1AE: the bits E and C) and of IEEE 802.11's data frames."""
        tags = at[ethertype == MACSEC]
        if len(tags):
            self._add("MACsec", np.count_nonzero(data[tags] & 0x0C))
        wireless = at[(ethertype == WLAN) | (ethertype == WLAN_PADDED)]
        if len(wireless):
            # Type 2 is data, of which the subtypes with bit 2 carry none.
            protected = (data[wireless] & 0x4F == 0x08) & (data[wireless + 1] & _PROTECTED != 0)
            self.wireless += int(np.count_nonzero(protected))

    def _datagrams(self, data: Bytes, at: Column, end: Column) -> None:
        """Count ESP in UDP (RFC 3948) and WireGuard.

        A WireGuard message begins with its type and three zero bytes; those of its handshake have lengths of their own.
        """
        at = at[at + _UDP_HEADER + 4 <= end]
        ports = np.stack([be16(data, at), be16(data, at + 2)])
        length = be16(data, at + 4) - _UDP_HEADER
        body = at + _UDP_HEADER
        marker = be16(data, body) << 16 | be16(data, body + 2)
        self._add(
            "IPsec (ESP in UDP)", np.count_nonzero((ports == _IPSEC_NAT).any(axis=0) & (marker != 0) & (length > 1))
        )
        kind = np.where(marker & 0xFFFFFF == 0, marker >> 24, 0)
        handshake = np.zeros(len(at), dtype=bool)
        for message, size in _WIREGUARD_LENGTHS.items():
            handshake |= (kind == message) & (length == size)
        if handshake.any():
            self._wireguard |= set(np.unique(ports[:, handshake]).tolist())
        data_message = (kind == _WIREGUARD_DATA) & (length >= _WIREGUARD_LEAST) & (length % 16 == 0)
        if data_message.any():
            known = np.array([_WIREGUARD_PORT, *self._wireguard])
            data_message &= np.isin(ports, known).any(axis=0)
        self._add("WireGuard", np.count_nonzero(handshake | data_message))

    def _add(self, name: str, count: int | np.integer) -> None:
        if count:
            self.packets[name] = self.packets.get(name, 0) + int(count)
