"""What Wireshark found a packet wrapped in: its layers, in the order of `frame.protocols`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from analyzer.net.segments import halves
from analyzer.net.wrappings import Kind, Layer

__all__ = ["NAMES", "wrappings"]

_KINDS: Final = {
    "ah": (Kind.AH, ""),
    "erspan": (Kind.ERSPAN_SESSION, "erspan.spanid"),
    "etherip": (Kind.ETHERIP, ""),
    "geneve": (Kind.GENEVE, "geneve.vni"),
    "gre": (Kind.GRE_KEY, "gre.key"),
    "gtp": (Kind.GTP_U, "gtp.teid"),
    "ieee8021ad": (Kind.VLAN, "ieee8021ad.id"),
    "ieee8021ah": (Kind.PBB, "ieee8021ah.isid"),
    "l2tp": (Kind.L2TP, "l2tp.session"),
    "macsec": (Kind.MACSEC, ""),
    "mpls": (Kind.MPLS, "mpls.label"),
    "pppoes": (Kind.PPPOE, "pppoe.session_id"),
    "teredo": (Kind.TEREDO, ""),
    "tzsp": (Kind.TZSP, ""),
    "vlan": (Kind.VLAN, "vlan.id"),
    "nsh": (Kind.NSH, "nsh.spi"),
    "vxlan": (Kind.VXLAN, "vxlan.vni"),
    "wlan": (Kind.WLAN, ""),
}
"""By Wireshark's name of the layer: what it is, and the field with its number."""
NAMES: Final = " ".join(_KINDS)
"""The layers to ask Wireshark for."""
_MOST: Final = 32

Fields = dict[str, Any]


def wrappings(protocols: str, layers: Sequence[tuple[str, Fields]]) -> tuple[Layer, ...]:
    """The wrappings of a packet, the outermost first.

    `protocols` is the value of `frame.protocols`; `layers` are (name, fields), those of one name in their order.
    """
    pending: dict[str, Iterator[Fields]] = {}
    for name in {name for name, _ in layers}:
        pending[name] = iter([fields for own, fields in layers if own == name])
    found: list[Layer] = []
    ends: tuple[int, int, int, int] | None = None
    wrapped, before = False, ""
    for protocol in protocols.split(":")[: 4 * _MOST]:
        if protocol in ("ip", "ipv6"):
            if ends is not None and (before in ("ip", "ipv6", "ah") or before.startswith("ipv6.")):
                found.append(Layer(Kind.IPV4_IN_IP if protocol == "ip" else Kind.IPV6_IN_IP, ends=ends))
            ends, wrapped = _ends(protocol, next(pending.get(protocol, iter(())), {})), False
        elif protocol in _KINDS:
            own = ends if not wrapped else None
            if protocol == "erspan" and found and found[-1].kind in (Kind.GRE, Kind.GRE_KEY):
                own = found.pop().ends
            group = pending.get(protocol, iter(()))
            # Labels that follow each other are told once, all other layers each time.
            own_fields = list(group)[:_MOST] if protocol == "mpls" else [next(group, {})]
            for fields in own_fields:
                found.append(_layer(protocol, fields, own))
                own = None
            wrapped = True
        before = protocol
    return tuple(found)


def _layer(protocol: str, fields: Fields, ends: tuple[int, int, int, int] | None) -> Layer:
    kind, field = _KINDS[protocol]
    try:
        number = int(str(fields[field]), 0) if field in fields else -1
    except ValueError:
        number = -1
    if number < 0 and kind in (Kind.GRE_KEY, Kind.ERSPAN_SESSION):
        kind = Kind.GRE if kind == Kind.GRE_KEY else Kind.ERSPAN
    return Layer(kind, number, ends)


def _ends(name: str, fields: Fields) -> tuple[int, int, int, int] | None:
    import ipaddress

    try:
        source, target = (ipaddress.ip_address(str(fields[f"{name}.{end}"])).packed for end in ("src", "dst"))
    except (KeyError, ValueError):
        return None
    return (*halves(source), *halves(target))
