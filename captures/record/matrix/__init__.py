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
from collections import Counter
from collections.abc import Mapping
from functools import cache

from captures.record.matrix.case import Case

_NO_CASES = ("case", "__main__")


@cache
def parts() -> Mapping[str, tuple[Case, ...]]:
    """Give the cases of each module, by the module's name. Raises `ValueError` if a case's name is given twice."""
    found: dict[str, tuple[Case, ...]] = {}
    for module in pkgutil.iter_modules(__path__):
        if module.name not in _NO_CASES:
            found[module.name] = importlib.import_module(f"{__name__}.{module.name}").CASES
    twice = [name for name, count in Counter(c.name for part in found.values() for c in part).items() if count > 1]
    if twice:
        raise ValueError(f"more than one case is called {', '.join(twice)}")
    return found


def cases() -> tuple[Case, ...]:
    """Every case of the lab, in the order of the modules' names."""
    return tuple(case for part in parts().values() for case in part)
