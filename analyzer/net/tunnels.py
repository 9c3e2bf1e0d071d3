"""What packets are wrapped in: tunnels that are looked into, by name, and those of which only the outside shows."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analyzer.net.link import be16

__all__ = ["SEALED_PROTOCOLS", "TUNNEL_UDP_PORTS", "name_of", "nested", "sealed_udp"]

TUNNEL_UDP_PORTS: Final = (4789, 6081, 2152, 8472)
"""VXLAN, Geneve, GTP-U, and the port on which Linux's VXLAN was before it had a number."""

SEALED_PROTOCOLS: Final = {50: "IPsec (ESP)", 51: "IPsec (AH)"}
"""IP protocols of which nothing inside is read (RFC 4303, RFC 4302)."""

_IPSEC_NAT: Final = 4500
_WIREGUARD_PORT: Final = 51820
_WIREGUARD_LENGTHS: Final = {1: 148, 2: 92, 3: 64}
"""Bytes of its handshake messages, by type (WireGuard paper, section 5.4)."""
_WIREGUARD_DATA: Final = 4
_UDP_HEADER: Final = 8

_NAMES: Final = {
    "MPLS": "MPLS {0.label}",
    "PPPoE": "PPPoE session {0.sessionid}",
    "GRE": "GRE",
    "GRE_PPTP": "PPTP call {0.call_id}",
    "ERSPAN_I": "ERSPAN",
    "ERSPAN_II": "ERSPAN session {0.session_id}",
    "ERSPAN_III": "ERSPAN session {0.session_id}",
    "VXLAN": "VXLAN {0.vni}",
    "GENEVE": "Geneve {0.vni}",
    "GTP_U_Header": "GTP-U {0.teid:#x}",
    "Dot11": "IEEE 802.11",
}
"""By the class of scapy's layer: what to call it, with the number that tells it from its like."""
_NESTED: Final = {(4, 4): "IP in IP", (4, 6): "6in4", (6, 4): "4in6", (6, 6): "IPv6 in IPv6"}


def name_of(layer: Any) -> str | None:
    """The name of a tunnel's header, None for a layer that is none."""
    template = _NAMES.get(type(layer).__name__)
    if template is None:
        return None
    name = template.format(layer)
    return f"{name} key {layer.key}" if name == "GRE" and layer.key_present else name


def nested(outer: int, inner: int) -> str:
    """What IP directly in IP is called, by the versions."""
    return _NESTED[outer, inner]


def sealed_udp(data: NDArray[np.uint8], at: NDArray[np.int64], end: NDArray[np.int64]) -> dict[str, int]:
    """Datagrams with UDP headers at `at` that carry what cannot be read, counted by its name.

    `end` is where the captured bytes of each end. ESP in UDP: RFC 3948; a WireGuard message begins with its type and
    three zero bytes, and those of its handshake have lengths of their own.
    """
    found: dict[str, int] = {}
    held = at + _UDP_HEADER + 4 <= end
    at = at[held]
    ports = np.stack([be16(data, at), be16(data, at + 2)])
    length = be16(data, at + 4) - _UDP_HEADER
    body = at + _UDP_HEADER
    marker = be16(data, body) << 16 | be16(data, body + 2)
    esp = (ports == _IPSEC_NAT).any(axis=0) & (marker != 0) & (length > 1)
    kind = marker >> 24
    handshake = np.zeros(len(at), dtype=bool)
    for message, size in _WIREGUARD_LENGTHS.items():
        handshake |= (kind == message) & (length == size)
    carried = (kind == _WIREGUARD_DATA) & (ports == _WIREGUARD_PORT).any(axis=0)
    wireguard = (marker & 0xFFFFFF == 0) & (handshake | carried)
    for name, mask in (("IPsec (ESP in UDP)", esp), ("WireGuard", wireguard)):
        count = int(np.count_nonzero(mask))
        if count:
            found[name] = count
    return found
