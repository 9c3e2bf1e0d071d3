"""hsanalyze: why a TLS handshake was aborted.

The public interface is what `__all__` names; nothing else is promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from analyzer.errors import InputError

if TYPE_CHECKING:
    from analyzer.pipeline import analyze
    from analyzer.report.model import Report
    from analyzer.trust.check import check
    from analyzer.trust.model import TrustVerdict

__all__ = ["InputError", "Report", "TrustVerdict", "__version__", "analyze", "check"]

__version__ = "0.1.0"


_HOMES = {
    "Report": "analyzer.report.model",
    "TrustVerdict": "analyzer.trust.model",
    "analyze": "analyzer.pipeline",
    "check": "analyzer.trust.check",
}


def __getattr__(name: str) -> Any:
    """Import the public names on first use: importing the package must not import numpy or cryptography."""
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
