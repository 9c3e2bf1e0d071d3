"""What a repair kit is made from: noted for each refused chain, whether or not a kit is asked for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from analyzer.dataclass import dataclass

if TYPE_CHECKING:
    from analyzer.trust.repair import Remedy

__all__ = ["Repairable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairable:
    """A refused chain (DER), the question that was asked of it, and what would turn the verdict.

    `strict`: a stricter setting of the validator refuses. `named` are the certificates of the store in use that are
    known by name only. `server` (address and port) and `code`, the cause, are those of a connection.
    """

    chain: tuple[bytes, ...]
    anchors: tuple[bytes, ...]
    intermediates: tuple[bytes, ...] = ()
    host: str | None
    verify_depth: int | None
    at: datetime
    remedies: tuple[Remedy, ...]
    named: tuple[str, ...] = ()
    strict: bool = False
    server: str = ""
    code: str = ""
