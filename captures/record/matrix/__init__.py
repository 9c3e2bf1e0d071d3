"""The lab: real client stacks against faults of every kind, by TLS 1.2 and 1.3, each recorded.

    python -m captures.record.matrix                       the whole matrix, into captures/lab/
    python -m captures.record.matrix --only 'missing-root-*'
    python -m captures.record.score captures/lab           what hsanalyze makes of them

Each module in this package but `case` and `__main__` holds a tuple `CASES`; they are found by walking the
package, so that adding a kind of fault touches one file.
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from captures.record.matrix.case import Case

_NO_CASES = ("case", "__main__")


@cache
def cases() -> tuple[Case, ...]:
    """Every case of the lab, in the order of the modules' names. Raises `ValueError` if a name is given twice."""
    found: dict[str, Case] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name in _NO_CASES:
            continue
        for case in importlib.import_module(f"{__name__}.{module.name}").CASES:
            if case.name in found:
                raise ValueError(f"two cases are called {case.name}")
            found[case.name] = case
    return tuple(found.values())
