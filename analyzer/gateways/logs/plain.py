"""Any other log: a time at the head of a line, addresses, a host, an id, in whatever words; text or JSON."""

from __future__ import annotations

from analyzer.gateways.logs import Block, Fields, Format
from analyzer.gateways.logs._found import flat, from_object, in_text


def _read(block: Block) -> Fields | None:
    found = block.json
    if found is not None:
        return from_object(flat(found), block.near_ns)
    return in_text(block.text, block.near_ns)


FORMAT = Format(name="log", read=_read, rank=9)
