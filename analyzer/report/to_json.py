"""The report as JSON, by the contract `hsanalyze/1`.

`to_json` gives one object with each connection on a line of its own (the lines can be compared and searched),
`to_ndjson` the connections alone. The output is ASCII: what a name holds beyond it is escaped, so that no
certificate can steer the terminal it is shown on. `schema.json` beside this file describes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from importlib import resources
from operator import attrgetter
from typing import Any

from analyzer.report.model import Capture, CertificateInfo, InputProblem, Report, Truststore

__all__ = ["json_schema", "to_json", "to_ndjson"]


def to_json(report: Report) -> str:
    """Write the whole report: one JSON object, ended by a newline."""
    walk = _walker()
    parts = [
        f'"schema": {_text(report.schema)}',
        f'"capture": {_text(_capture(report.capture, walk))}',
        f'"truststore": {_text(_truststore(report.truststore, walk))}',
        f'"connections": {_lines(walk(item) for item in report.connections)}',
        f'"findings": {_lines(walk(item) for item in report.findings)}',
        f'"summary": {_text(walk(report.summary))}',
    ]
    return "{\n" + ",\n".join(parts) + "\n}\n"


def to_ndjson(report: Report) -> Iterator[str]:
    """Write the connections, each a JSON object on a line ended by a newline."""
    walk = _walker()
    for connection in report.connections:
        yield f"{_text(walk(connection))}\n"


def json_schema() -> str:
    """Give the JSON Schema (2020-12) of `to_json`; a line of `to_ndjson` is its `connection`."""
    return resources.files("analyzer.report").joinpath("schema.json").read_text(encoding="utf-8")


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False, check_circular=False)


def _lines(values: Iterable[Any]) -> str:
    lines = ",\n".join(map(_text, values))
    return f"[\n{lines}\n]" if lines else "[]"


def _capture(capture: Capture, walk: Callable[[Any], Any]) -> dict[str, Any]:
    problems = [_problem(item, "packet", "source") for item in capture.problems]
    return {**walk(capture), "problems": problems}


def _truststore(store: Truststore | None, walk: Callable[[Any], Any]) -> dict[str, Any] | None:
    if store is None:
        return None
    return {**walk(store), "problems": [_problem(item, "source") for item in store.problems]}


def _problem(problem: InputProblem, *places: str) -> dict[str, Any]:
    names = ("code", "text", *places)
    return {name: getattr(problem, name) for name in names}


def _walker() -> Callable[[Any], Any]:
    """Make a function from the model to what `json` takes; it looks at the fields of each class once.

    Connections to one server share its certificates, so each of those is converted once.
    """
    plans: dict[type, tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {}
    seen: dict[int, tuple[Any, dict[str, Any]]] = {}

    def walk(value: Any) -> Any:
        kind = type(value)
        if kind in _SCALARS:
            return value
        if kind is tuple:
            return [item if type(item) in _SCALARS else walk(item) for item in value]
        if kind is dict:
            return {name: walk(item) for name, item in value.items()}
        if isinstance(value, str | int | float):
            return value
        known = seen.get(id(value))
        if known is not None:
            return known[1]
        plan = plans.get(kind) or plans.setdefault(kind, _plan(kind))
        names, read = plan
        result = {
            name: item if type(item) in _SCALARS else walk(item) for name, item in zip(names, read(value), strict=True)
        }
        if kind is CertificateInfo:
            seen[id(value)] = (value, result)
        return result

    return walk


_SCALARS = frozenset({str, int, float, bool, type(None)})


def _plan(kind: type) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    if not is_dataclass(kind):
        raise TypeError(f"a report holds plain data only, not {kind.__name__}")
    names = [item.name for item in fields(kind)]
    read: Callable[[Any], tuple[Any, ...]] = attrgetter(*names)
    return tuple(name.rstrip("_") for name in names), read
