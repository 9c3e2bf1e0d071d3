"""What was said before TLS began, as plain data.

A `Prelude` is a row of layers, the outermost first: a PROXY header, a tunnel through a proxy, a protocol that asks for
TLS. Texts are fit for a report: quoted, cut, and without what a client proves itself by.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

from analyzer.dataclass import dataclass
from analyzer.tls.side import Side

__all__ = ["Kind", "Layer", "Prelude", "Refusal", "State", "Step", "Target"]

_ADDRESS: Final = re.compile(r"[\d.]+|[0-9A-Fa-f.]*:[0-9A-Fa-f:.%]*")
_PORTS_WITHOUT_TLS: Final = frozenset({22, 23, 80})
"""A tunnel to SSH, Telnet or HTTP was not asked for to speak TLS through it."""


class Kind(Enum):
    """What a layer is for."""

    ANNOUNCEMENT = "announcement"
    """Says where the connection comes from (PROXY protocol); nobody answers."""
    TUNNEL = "tunnel"
    """Asks a proxy for a connection to somebody else."""
    UPGRADE = "upgrade"
    """A protocol that begins in clear text and may ask for TLS."""


class State(Enum):
    """What became of it."""

    AGREED = "agreed"
    REFUSED = "refused"
    UNANSWERED = "unanswered"
    NOT_OFFERED = "not-offered"
    """The server said what it can do, TLS is not among it, and the client did not ask."""
    NOT_ASKED = "not-asked"


class Step(NamedTuple):
    """Something that a side said, and the frame that brought its last byte."""

    packet: int
    time_ns: int
    side: Side
    text: str


class Refusal(NamedTuple):
    """How it was refused. `code` is the protocol's own, as text, where it has one."""

    packet: int
    code: str | None
    text: str


class Target(NamedTuple):
    """A host (name or address, without brackets) and a port."""

    host: str
    port: int

    @property
    def is_name(self) -> bool:
        """Whether the host is none of an IPv4 or IPv6 address."""
        return _ADDRESS.fullmatch(self.host) is None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """What one protocol said."""

    protocol: str
    kind: Kind
    state: State
    steps: tuple[Step, ...]
    asked: Step | None = None
    """Where TLS, or the tunnel, was asked for last."""
    offered: bool | None = None
    """Whether TLS is among what the server said it can do; None when it did not say."""
    refusal: Refusal | None = None
    in_clear: Step | None = None
    """What the client did first in clear text though it has no TLS: a login, a mail."""
    target: Target | None = None
    """Of a tunnel: where to."""
    client: Target | None = None
    """Of a PROXY header: who connected, and (`server`) to which address."""
    server: Target | None = None
    authority: str | None = None
    """Of a PROXY header: the host name that the client sent."""
    domain: str | None = None
    """The name that the certificate has to hold by the protocol's own rules (RFC 6120 section 13.7.2)."""
    option: str | None = None
    """The word by which `openssl s_client -starttls` knows the protocol."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prelude:
    """All layers, and how many bytes of each side followed them that are no TLS."""

    layers: tuple[Layer, ...]
    client_left: int
    server_left: int
    whole: bool
    """Whether all that was said before TLS is at hand."""

    @property
    def last(self) -> Layer:
        """The innermost layer: what became of it is what became of the prelude."""
        return self.layers[-1]

    @property
    def steps(self) -> tuple[Step, ...]:
        """All that was said, in the order of the packets, with the names of the protocols."""
        said = [step._replace(text=f"{layer.protocol}: {step.text}") for layer in self.layers for step in layer.steps]
        return tuple(sorted(said, key=lambda step: step.packet))

    @property
    def protocols(self) -> str:
        """The names of the layers' protocols, the outermost first: `PROXY protocol v2, SMTP`."""
        return ", ".join(layer.protocol for layer in self.layers)

    @property
    def agreed(self) -> bool:
        """Whether TLS may begin: both sides agreed, or there was nothing to agree on."""
        return self.last.kind is Kind.ANNOUNCEMENT or self.last.state is State.AGREED

    @property
    def offered(self) -> bool:
        """Whether TLS was to be had, as far as the server said."""
        return self.last.state is not State.NOT_OFFERED

    @property
    def client_spoke(self) -> bool:
        """Whether the innermost layer has anything of the client."""
        return any(step.side is Side.CLIENT for step in self.last.steps)

    @property
    def target(self) -> Target | None:
        """Where the innermost tunnel leads."""
        return next((layer.target for layer in reversed(self.layers) if layer.target is not None), None)

    @property
    def announced(self) -> Layer | None:
        """The outermost PROXY header that names a client."""
        return next((layer for layer in self.layers if layer.client is not None), None)

    @property
    def domain(self) -> str | None:
        """The name that the certificate has to hold by the rules of the protocol that asked for TLS."""
        return self.last.domain

    @property
    def meant_for_tls(self) -> bool:
        """Whether a connection without TLS was to carry it: it was asked for, or the client left for want of it."""
        last = self.last
        if last.kind is Kind.ANNOUNCEMENT or (not self.whole and last.state is State.UNANSWERED):
            return False
        if last.kind is Kind.TUNNEL:
            if last.target is None:
                return last.state is State.REFUSED
            used = last.state is State.AGREED and (self.client_left or self.server_left)
            return not used and last.target.port not in _PORTS_WITHOUT_TLS
        if last.state is State.NOT_OFFERED:
            return last.in_clear is None
        return last.state is not State.NOT_ASKED
