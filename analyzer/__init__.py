"""hsanalyze: why a TLS handshake was aborted.

The public interface is what `__all__` names; nothing else is promised.
"""

from __future__ import annotations

from analyzer.errors import InputError

__all__ = ["InputError", "__version__"]

__version__ = "0.1.0"
