"""X.509 certificates in DER (`.cer`, `.crt`, `.der`): one, or several on end by `cat a.der b.der`."""

from __future__ import annotations

from analyzer.errors import WireError
from analyzer.trust.stores import Contents, Format, Found, Trouble
from analyzer.trust.stores._certificate import announced_length, collect, outline

__all__ = ["FORMAT"]


def _recognise(data: bytes) -> bool:
    try:
        outline(data)
    except WireError:
        return False
    return True


def _read(data: bytes, password: str | None) -> Contents:
    del password
    entries: list[Found] = []
    position = 0
    while position < len(data):
        there = position + max(announced_length(data[position : position + 6]), 1)
        found = collect(data[position:there], f"certificate {len(entries) + 1}")
        if isinstance(found, Trouble):
            if entries:
                left = len(data) - position
                found = Trouble(
                    code="trailing-bytes",
                    text=f"{left} bytes after the certificate are none themselves; they were not used",
                    severity="warning",
                )
            return Contents(entries=tuple(entries), problems=(found,))
        entries.append(found)
        position += len(found.der)
    problems: tuple[Trouble, ...] = ()
    if len(entries) > 1:
        text = f"holds {len(entries)} certificates in DER one after the other; most programs read the first only"
        problems = (Trouble(code="several-in-der", text=text, severity="warning"),)
    return Contents(entries=tuple(entries), problems=problems)


FORMAT = Format(name="DER certificate", recognise=_recognise, read=_read)
