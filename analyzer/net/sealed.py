"""Packets of which only the outside shows: IPsec, WireGuard, MACsec, and tunnels whose inside nothing tells."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import distinct
from analyzer.net.link import MACSEC, WLAN, WLAN_PADDED, Bytes, Column, be16, members
from analyzer.net.segments import address_text
from analyzer.net.wrappings import Ends

__all__ = ["Sealed", "Sightings"]

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

_MOST_PAIRS: Final = 4
_LOOKED_AT: Final = 64
"""Packets of a batch of which the addresses are looked at."""


class Sightings:
    """Counts packets by name, and remembers between whom the first of them went."""

    def __init__(self) -> None:
        self.packets: dict[str, int] = {}
        self._between: dict[str, dict[frozenset[str], None]] = {}

    def add(self, name: str, rows: Column, ends: Ends | None) -> None:
        """Count packets: their rows in `ends`, which is None where there are no addresses to tell."""
        if not len(rows):
            return
        self.packets[name] = self.packets.get(name, 0) + len(rows)
        pairs = self._between.setdefault(name, {})
        if ends is None or len(pairs) >= _MOST_PAIRS:
            return
        for row in rows[:_LOOKED_AT].tolist():
            high, low, to_high, to_low = (int(column[row]) for column in ends)
            if len(pairs) < _MOST_PAIRS:
                pairs[frozenset((address_text(high, low), address_text(to_high, to_low)))] = None

    def told(self) -> list[str]:
        """For each name a text: how many packets, and between which addresses."""
        texts = []
        for name, count in self.packets.items():
            pairs = [" and ".join(sorted(pair)) for pair in self._between.get(name, ()) if len(pair) > 1]
            verb = "is" if count == 1 else "are"
            texts.append(f"{count:,} {verb} {name}" + (f" between {'; '.join(pairs)}" if pairs else ""))
        return texts


class Sealed:
    """Counts such packets by the name of what hides them."""

    def __init__(self) -> None:
        self.seen = Sightings()
        self.wireless = 0
        """IEEE 802.11 data frames that are encrypted."""
        self._wireguard: set[int] = set()
        """Ports that took part in a handshake of WireGuard."""

    def count(self, data: Bytes, protocol: NDArray[np.integer], at: Column, end: Column, ends: Ends) -> None:
        """Count IP packets by what follows the IP header, at `at`; `end` is where the captured bytes of each end."""
        if _IS_SEALED[protocol].any():
            for number, name in _PROTOCOLS.items():
                self.seen.add(name, np.flatnonzero(protocol == number), ends)
        rows = np.flatnonzero((protocol == _UDP) & (at + _UDP_HEADER + 4 <= end))
        if len(rows):
            self._datagrams(data, at[rows], rows, ends)

    def frames(self, data: Bytes, at: Column, ethertype: Column) -> None:
        """Count what is encrypted of MACsec (IEEE 802.1AE: the bits E and C) and of IEEE 802.11's data frames."""
        tags = at[ethertype == MACSEC]
        if len(tags):
            self.seen.add("MACsec", np.flatnonzero(data[tags] & 0x0C), None)
        wireless = at[(ethertype == WLAN) | (ethertype == WLAN_PADDED)]
        if len(wireless):
            # Type 2 is data, of which the subtypes with bit 2 carry none.
            protected = (data[wireless] & 0x4F == 0x08) & (data[wireless + 1] & _PROTECTED != 0)
            self.wireless += int(np.count_nonzero(protected))

    def _datagrams(self, data: Bytes, at: Column, rows: Column, ends: Ends) -> None:
        """Count ESP in UDP (RFC 3948) and WireGuard.

        A WireGuard message begins with its type and three zero bytes; those of its handshake have lengths of their own.
        """
        ports = np.stack([be16(data, at), be16(data, at + 2)])
        length = be16(data, at + 4) - _UDP_HEADER
        body = at + _UDP_HEADER
        marker = be16(data, body) << 16 | be16(data, body + 2)
        self.seen.add(
            "IPsec (ESP in UDP)", rows[(ports == _IPSEC_NAT).any(axis=0) & (marker != 0) & (length > 1)], ends
        )
        kind = np.where(marker & 0xFFFFFF == 0, marker >> 24, 0)
        handshake = np.zeros(len(at), dtype=bool)
        for message, size in _WIREGUARD_LENGTHS.items():
            handshake |= (kind == message) & (length == size)
        if handshake.any():
            self._wireguard |= set(distinct(ports[:, handshake]).tolist())
        data_message = (kind == _WIREGUARD_DATA) & (length >= _WIREGUARD_LEAST) & (length % 16 == 0)
        if data_message.any():
            known = np.array([_WIREGUARD_PORT, *self._wireguard])
            data_message &= np.isin(ports, known).any(axis=0)
        self.seen.add("WireGuard", rows[handshake | data_message], ends)
