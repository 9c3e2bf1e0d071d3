"""hsanalyze: why a TLS handshake was aborted.

The public interface is what `__all__` names; nothing else is promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyzer.errors import InputError

if TYPE_CHECKING:
    from analyzer.trust.check import check

__all__ = ["InputError", "__version__", "check"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`check` on first use: importing the package must not import cryptography."""
    if name == "check":
        from analyzer.trust.check import check

        return check
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
