"""What goes before TLS in a connection: STARTTLS and its kin, tunnels through proxies, PROXY headers.

Each protocol is one module of `protocols/`, found by walking the folder, with

- `OPENING`: a regular expression for the bytes with which a direction of it begins
- `read(Dialogue) -> Layer | None`: reads its part from the cursors on, and leaves them where it ends; None when the
  dialogue is not of this protocol, or too little of it is there to tell

Layers follow each other (a PROXY header, then SMTP), so they are read until none fits. The parsers do no I/O, take
hostile bytes, and are bounded by what the record reader keeps.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from functools import cache
from types import ModuleType
from typing import TYPE_CHECKING, Final

from analyzer.tls.prelude.dialogue import Dialogue, Speech
from analyzer.tls.prelude.model import Kind, Layer, Prelude, Refusal, State, Step, Target
from analyzer.tls.side import Side

if TYPE_CHECKING:
    from analyzer.tls.records import PlainText

__all__ = ["Kind", "Layer", "Prelude", "Refusal", "State", "Step", "Target", "may_begin", "read"]

_MOST_LAYERS: Final = 8


def may_begin(data: bytes) -> bool:
    """Whether the first bytes of a direction may be those of a protocol that leads to TLS."""
    return _opening().match(data) is not None


def read(client: PlainText | None, server: PlainText | None) -> Prelude | None:
    """Read what both sides said before TLS; None when it is no protocol that is known here."""
    dialogue = Dialogue(_speech(Side.CLIENT, client), _speech(Side.SERVER, server))
    layers: list[Layer] = []
    while len(layers) < _MOST_LAYERS:
        layer = _next(dialogue)
        if layer is None:
            break
        layers.append(layer)
        if layer.kind is not Kind.ANNOUNCEMENT and layer.state is not State.AGREED:
            break
    if not layers:
        return None
    return Prelude(
        layers=tuple(layers),
        client_left=dialogue.client.left,
        server_left=dialogue.server.left,
        whole=dialogue.client.whole and dialogue.server.whole,
    )


def _next(dialogue: Dialogue) -> Layer | None:
    cursors = dialogue.cursors
    for protocol in _protocols():
        dialogue.begin(cursors)
        layer: Layer | None = protocol.read(dialogue)
        if layer is not None and dialogue.cursors != cursors:
            return layer
    dialogue.begin(cursors)
    return None


def _speech(side: Side, said: PlainText | None) -> Speech:
    if said is None:
        return Speech(side, b"", (), whole=True)
    return Speech(side, said.data, said.pieces or ((0, said.packet, said.time_ns),), whole=said.whole)


@cache
def _protocols() -> tuple[ModuleType, ...]:
    from analyzer.tls.prelude import protocols

    return tuple(
        importlib.import_module(f"{protocols.__name__}.{module.name}")
        for module in pkgutil.iter_modules(protocols.__path__)
    )


@cache
def _opening() -> re.Pattern[bytes]:
    return re.compile(b"|".join(b"(?:%b)" % protocol.OPENING for protocol in _protocols()), re.DOTALL)
