"""What segments were wrapped in: tunnels, labels and tags, each stack of them by a number, and per connection.

Wireshark tells connections apart by addresses and ports alone, whatever they are wrapped in (`tcp.stream`), and so
does `Flows`. Hence it is remembered by connection and direction in which stacks its segments came: several of them mean
that packets were recorded more than once, or that networks use the same addresses.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.dataclass import dataclass
from analyzer.net.segments import IPV4_HIGH, Segments, address_text

__all__ = ["Around", "End", "Ends", "Kind", "Layer", "Wrappings", "name_of"]

_MOST_STACKS: Final = 1 << 14
"""Stacks that are told apart. Whoever makes up a number for each packet gets no more than that."""
_MOST_CONNECTIONS: Final = 200_000
"""Directions of connections of which it is remembered what they were wrapped in."""
_MOST_PER_DIRECTION: Final = 8

Column = NDArray[np.int64]
Halves = NDArray[np.uint64]
Ends = tuple[Halves, Halves, Halves, Halves]
"""Source and target of IP headers, each in two halves, as `Segments` has them."""
End = tuple[int, int, int]
"""One end of a connection: the halves of the address, the port."""


class Kind(IntEnum):
    """What a packet can be wrapped in; `NONE` for headers that say nothing of the way a packet took."""

    NONE = 0
    VLAN = 1
    MPLS = 2
    PPPOE = 3
    PBB = 4
    NSH = 5
    MACSEC = 6
    IPV4_IN_IP = 7
    IPV6_IN_IP = 8
    GRE = 9
    GRE_KEY = 10
    NVGRE = 11
    PPTP = 12
    ERSPAN = 13
    ERSPAN_SESSION = 14
    ETHERIP = 15
    VXLAN = 16
    GENEVE = 17
    GTP_U = 18
    L2TP = 19
    TEREDO = 20
    TZSP = 21
    AH = 22
    WLAN = 23


_NAMES: Final[Mapping[int, str]] = {
    Kind.VLAN: "VLAN {}",
    Kind.MPLS: "MPLS {}",
    Kind.PPPOE: "PPPoE session {}",
    Kind.PBB: "IEEE 802.1ah I-SID {}",
    Kind.NSH: "NSH path {}",
    Kind.MACSEC: "MACsec",
    Kind.GRE: "GRE",
    Kind.GRE_KEY: "GRE key {}",
    Kind.NVGRE: "NVGRE subnet {}",
    Kind.PPTP: "PPTP call {}",
    Kind.ERSPAN: "ERSPAN",
    Kind.ERSPAN_SESSION: "ERSPAN session {}",
    Kind.ETHERIP: "EtherIP",
    Kind.VXLAN: "VXLAN {}",
    Kind.GENEVE: "Geneve {}",
    Kind.GTP_U: "GTP-U {:#x}",
    Kind.L2TP: "L2TP session {}",
    Kind.TEREDO: "Teredo",
    Kind.TZSP: "TZSP",
    Kind.AH: "IPsec (AH)",
    Kind.WLAN: "IEEE 802.11",
}
_NESTED: Final = {
    (Kind.IPV4_IN_IP, False): "IP in IP",
    (Kind.IPV6_IN_IP, False): "6in4",
    (Kind.IPV4_IN_IP, True): "4in6",
    (Kind.IPV6_IN_IP, True): "IPv6 in IPv6",
}


class Layer(NamedTuple):
    """One wrapping.

    `number` is the tunnel's own (a VNI, a key, a label), -1 for none; `ends` are source and target of the IP header
    that carries it, as halves, None without one.
    """

    kind: int
    number: int = -1
    ends: tuple[int, int, int, int] | None = None

    @property
    def back(self) -> Layer:
        """The same wrapping on the way back."""
        return self if self.ends is None else self._replace(ends=(*self.ends[2:], *self.ends[:2]))


def name_of(layer: Layer) -> str:
    """A wrapping as reports show it: `VXLAN 9 from 192.0.2.1 to 192.0.2.2`."""
    ends = layer.ends
    nested = (Kind(layer.kind), ends is not None and not _is_ipv4(ends))
    name = _NESTED[nested] if nested in _NESTED else _NAMES[layer.kind]
    name = name.format(layer.number) if layer.number >= 0 else name.partition(" {")[0]
    return name if ends is None else f"{name} from {address_text(*ends[:2])} to {address_text(*ends[2:])}"


def _turned(stack: tuple[Layer, ...]) -> tuple[Layer, ...]:
    return tuple(layer.back for layer in stack)


def _is_ipv4(ends: tuple[int, int, int, int]) -> bool:
    return ends[0] == IPV4_HIGH and ends[1] < 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What a connection ran in, the outermost first.

    `forth`: as most segments of the asked direction were; `back`: of the other one, where that is another tunnel.
    `also`: the further stacks in which a direction was seen; an empty one is the packet without any.
    """

    forth: tuple[Layer, ...]
    back: tuple[Layer, ...]
    also: tuple[tuple[Layer, ...], ...] = ()


class Wrappings:
    """Numbers stacks of wrappings, and remembers which connections came in which."""

    def __init__(self) -> None:
        self._stacks: list[tuple[Layer, ...]] = [()]
        self._number_of: dict[tuple[int, Layer], int] = {}
        self._seen: dict[tuple[End, End], dict[int, int]] = {}
        self._secrets = np.frombuffer(os.urandom(8 * 16), dtype=np.uint64) | np.uint64(1)

    def __bool__(self) -> bool:
        """Whether any connection was wrapped in anything."""
        return bool(self._seen)

    def number(self, outer: int, layer: Layer) -> int:
        """The stack that a layer in another stack is."""
        known = self._number_of.get((outer, layer))
        if known is not None:
            return known
        if len(self._stacks) >= _MOST_STACKS and (layer.number >= 0 or layer.ends is not None):
            return self.number(outer, Layer(layer.kind))
        if len(self._stacks) >= 2 * _MOST_STACKS:
            return outer
        self._stacks.append((*self._stacks[outer], layer))
        self._number_of[outer, layer] = len(self._stacks) - 1
        return len(self._stacks) - 1

    def stack(self, outer: int, layers: Iterable[Layer]) -> int:
        """The stack that several layers in another stack are, the outermost first."""
        for layer in layers:
            outer = self.number(outer, layer)
        return outer

    def within(self, outer: Column, kind: Column | int, number: Column, ends: Ends | None) -> Column:
        """The stacks of N packets that are wrapped in one layer more; `outer` are those around that layer."""
        kinds = np.broadcast_to(np.asarray(kind, dtype=np.int64), outer.shape)
        first, which = self._groups([outer, kinds, number, *(ends or ())])
        columns = [column[first].tolist() for column in (outer, kinds, number, *(ends or ()))]
        found = [
            around if kind == Kind.NONE else self.number(around, Layer(kind, own, tuple(rest) if rest else None))
            for around, kind, own, *rest in zip(*columns, strict=True)
        ]
        return np.array(found, dtype=np.int64)[which]

    def note(self, segments: Segments) -> None:
        """Remember what the segments of a batch were wrapped in."""
        if not (self._seen or segments.within.any()):
            return
        if segments.quoted.any():
            segments = segments.rows(segments.quoted == 0)
        columns = (
            segments.source_high,
            segments.source_low,
            segments.source_port,
            segments.target_high,
            segments.target_low,
            segments.target_port,
            segments.within,
        )
        first, which = self._groups(list(columns))
        counts = np.bincount(which, minlength=len(first))
        rows = zip(*(column[first].tolist() for column in columns), counts.tolist(), strict=True)
        bare = []
        for high, low, port, to_high, to_low, to_port, stack, count in rows:
            key = ((high, low, port), (to_high, to_low, to_port))
            if stack:
                self._count(key, stack, count)
            else:
                bare.append((key, count))
        for key, count in bare:
            if key in self._seen:
                self._count(key, 0, count)

    def _count(self, key: tuple[End, End], stack: int, count: int) -> None:
        stacks = self._seen.get(key)
        if stacks is None:
            if len(self._seen) >= _MOST_CONNECTIONS:
                return
            stacks = self._seen[key] = {}
        if stack in stacks or len(stacks) < _MOST_PER_DIRECTION:
            stacks[stack] = stacks.get(stack, 0) + count

    def around(self, source: End, target: End) -> Around | None:
        """What the segments of a connection were wrapped in; None when in nothing."""
        forth, back = self._seen.get((source, target), {}), self._seen.get((target, source), {})
        if not any(forth) and not any(back):
            return None
        there, here = (self._ranked(stacks) for stacks in (forth, back))
        main = there[0] if there else _turned(here[0])
        # Tunnels may have a number for each way; a mirror sends both ways the same way.
        known = (main, _turned(main))
        answer = next((stack for stack in here if stack in known), here[0] if here else main)
        told = {main, _turned(main), answer, _turned(answer)}
        also = []
        for stack in (*there, *map(_turned, here)):
            if stack not in told:
                also.append(stack)
                told |= {stack, _turned(stack)}
        return Around(forth=main, back=() if answer in known else answer, also=tuple(also))

    def _ranked(self, stacks: dict[int, int]) -> list[tuple[Layer, ...]]:
        """The stacks of one direction, that of most segments first; what stands in no tunnel besides is the copy."""
        order = sorted(stacks, key=lambda stack: (not stack, -stacks[stack], stack))
        return [self._stacks[stack] for stack in order]

    def _groups(self, columns: list[NDArray[np.int64] | Halves]) -> tuple[Column, Column]:
        """Rows that are alike in all columns: the first of each group, and for each row its group's number."""
        key = np.zeros(len(columns[0]), dtype=np.uint64)
        with np.errstate(over="ignore"):
            for column, secret in zip(columns, self._secrets, strict=False):
                key = (key ^ column.astype(np.uint64)) * secret
                key ^= key >> np.uint64(29)
        _, first, which = np.unique(key, return_index=True, return_inverse=True)
        if not all((column[first][which] == column).all() for column in columns):
            # Two groups with one hash, which somebody would have to guess secrets for.
            self._secrets = np.frombuffer(os.urandom(8 * 16), dtype=np.uint64) | np.uint64(1)
            return self._groups(columns)
        return first, which
