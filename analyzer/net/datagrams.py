"""TLS over UDP, in QUIC (RFC 9001) and DTLS (RFC 6347, RFC 9147): recognised by the first packets, and not read."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import among
from analyzer.net.link import Bytes, Column, be16, be32
from analyzer.net.sealed import Sightings
from analyzer.net.wrappings import Ends

__all__ = ["TlsOverUdp"]

_UDP: Final = 17
_UDP_HEADER: Final = 8
_LEAST: Final = 14
"""Bytes of a datagram that are looked at: a record header of DTLS, and the type of the message in it."""
_LONG_HEADER: Final = 0xC0
_LONGEST_ID: Final = 20
_QUIC_2: Final = 0x6B3343CF
_DRAFTS: Final = (0xFF0000, 0xFACEB0)
"""Of the IETF, and of mvfst, without the last byte, which tells the draft."""
_GOOGLE: Final = (0x5130, 0x5430)
"""`Q0` and `T0`, with which the versions before the RFC begin."""
_GOOGLE_OLD: Final = 0x09
"""Flags of a header before version 46 of these: a version is told, and a connection id of 8 bytes."""
_DTLS_VERSIONS: Final = np.array([0xFEFF, 0xFEFD, 0x0100])
"""1.0, 1.2 (and 1.3, which says so), and that of OpenSSL before the RFC, which Cisco's AnyConnect still speaks."""
_HANDSHAKE: Final = 22
_ALERT: Final = 21
_RECORD_HEADER: Final = 13
_MOST_MESSAGE: Final = 24


class TlsOverUdp:
    """Counts what can be told from its first bytes: QUIC's long headers, handshakes and alerts of DTLS in clear."""

    def __init__(self) -> None:
        self.seen = Sightings()

    def count(self, data: Bytes, protocol: NDArray[np.integer], at: Column, end: Column, ends: Ends) -> None:
        """Count among IP packets; the IP header's payload begins `at`, the captured bytes end at `end`."""
        rows = np.flatnonzero((protocol == _UDP) & (at + _UDP_HEADER + _LEAST <= end))
        if not len(rows):
            return
        body = at[rows] + _UDP_HEADER
        length = be16(data, at[rows] + 4) - _UDP_HEADER
        self.seen.add("QUIC", rows[_is_quic(data, body)], ends)
        self.seen.add("DTLS", rows[_is_dtls(data, body, length)], ends)


def _is_quic(data: Bytes, at: Column) -> NDArray[np.bool_]:
    """RFC 8999 section 5.1, a long header: its form, a version that is known, and an id of no more than 20 bytes."""
    first = data[at]
    version = be32(data, at + 1)
    known = (version == 1) | (version == _QUIC_2)
    for begin in _DRAFTS:
        known |= version >> 8 == begin
    for begin in _GOOGLE:
        known |= version >> 16 == begin
    known &= (first & _LONG_HEADER == _LONG_HEADER) & (data[at + 5] <= _LONGEST_ID)
    old = (first & (_LONG_HEADER | _GOOGLE_OLD) == _GOOGLE_OLD) & (be16(data, at + 9) == _GOOGLE[0])
    found: NDArray[np.bool_] = known | old
    return found


def _is_dtls(data: Bytes, at: Column, length: Column) -> NDArray[np.bool_]:
    """RFC 6347 section 4.1: type, version, epoch 0, sequence number (6 bytes), length; then a message or an alert."""
    kind = data[at]
    size = be16(data, at + 11)
    version = be16(data, at + 1)
    found = (be16(data, at + 3) == 0) & among(version, _DTLS_VERSIONS)
    found &= (size > 0) & (_RECORD_HEADER + size <= length)
    message = (kind == _HANDSHAKE) & (data[at + _RECORD_HEADER] <= _MOST_MESSAGE)
    told: NDArray[np.bool_] = found & (message | (kind == _ALERT) & (size == 2))
    return told
