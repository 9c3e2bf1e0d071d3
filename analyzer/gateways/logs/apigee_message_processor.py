"""Apigee's message processor: `system.log`.

`… org:O env:E api:A rev:R messageid:ID NIOThread@1 ERROR HTTP.CLIENT - HTTPClient$Context.handshakeFailed() :
SSLClientChannel[Connected: Remote:IP:443 Local:IP:PORT]@… handshake failed, message: …`, with the chain of exceptions
below it. The two addresses are the connection itself (Apigee's playbooks on handshake failures).
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._found import in_text

_ID: Final = re.compile(r"\bmessageid:(\S{1,200})")
_CHANNEL: Final = re.compile(r"\b(?:SSL)?(Client|Server)Channel\[|\bHTTP(Client|Server)\b|HTTP\.(CLIENT|SERVER)")
_MARKS: Final = re.compile(
    r"\borg:\S+ env:\S+|\bmessageid:\S|\bSSL(?:Client|Server)Channel\[|\bNIOThread@\d|\.adaptors\.http\."
)


def _read(block: Block) -> Fields | None:
    if _MARKS.search(block.head[:4000]) is None:
        return None
    fields = in_text(block.text, block.near_ns)
    named = _ID.search(block.head)
    channel = _CHANNEL.search(block.head)
    part = next(filter(None, channel.groups()), "").lower() if channel is not None else "client"
    return replace(
        fields,
        id=named[1] if named is not None and named[1] != "null" else fields.id,
        side="server" if part == "server" else "client",
    )


FORMAT = Format(name="Apigee message processor", read=_read, words=(b"messageid:", b"channel["))
