"""Certificates within a product's answer: PEM or base64 in a field, of any format that is known here."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace
from typing import Any, Final

from analyzer.trust.stores import Contents, Kind, Trouble, format_of
from analyzer.trust.stores._words import text

__all__ = ["embedded", "joined"]

_EXPRESSION: Final = re.compile(r"\s*(\[.*\]|\$\{.*|@.*|#\{.*|<.*>|\*{3}.*)", re.DOTALL)


def embedded(value: Any, where: str, password: str | None = None, kind: Kind | None = None) -> Contents:
    """The certificates in one field. `where` names it for people, and is their alias; `kind` replaces the format's."""
    if isinstance(value, bytes):
        return _contents(value, where, password, kind)
    if not isinstance(value, str) or not value.strip():
        return Contents()
    if "-----BEGIN" in value:
        return _contents(value.encode(), where, password, kind)
    if _EXPRESSION.fullmatch(value[:4096]):
        text = f"{where} is a reference to a value that stands elsewhere; put the certificate itself there"
        return Contents(problems=(Trouble(code="not-embedded", text=text, severity="warning"),))
    try:
        data = base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        text = f"{where} is not whole base64: a character was changed or lost; get it again"
        return Contents(problems=(Trouble(code="damaged-certificate", text=text),))
    return _contents(data, where, password, kind)


def joined(parts: list[Contents]) -> Contents:
    """Several contents as one."""
    return Contents(
        entries=tuple(entry for part in parts for entry in part.entries),
        problems=tuple(problem for part in parts for problem in part.problems),
        named=tuple(named for part in parts for named in part.named),
    )


def _contents(data: bytes, where: str, password: str | None, kind: Kind | None) -> Contents:
    known = format_of(data)
    if known is None or not data.strip():
        told = Trouble(code="damaged-certificate", text=f"{where} holds no certificate in any form that is known here")
        return Contents(problems=(told,))
    found = known.read(data, password)
    return Contents(
        entries=tuple(
            replace(entry, alias=entry.alias or text(where), kind=kind or entry.kind) for entry in found.entries
        ),
        problems=tuple(replace(problem, text=f"{where}: {problem.text}") for problem in found.problems),
        named=found.named,
    )
