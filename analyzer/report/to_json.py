"""The report as JSON, by the contract `hsanalyze/1`; those of `check` and `store` by theirs.

`to_json` gives one object with each connection on a line of its own (the lines can be compared and searched),
`to_ndjson` the connections alone. The output is ASCII: what a name holds beyond it is escaped, so that no
certificate can steer the terminal it is shown on. `schema.json` beside this file describes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import fields, is_dataclass
from importlib import resources
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from analyzer.report.model import (
    Capture,
    CheckReport,
    Configuration,
    Connection,
    InputProblem,
    Logs,
    RepairKit,
    Report,
    StoreReport,
    Truststore,
)

__all__ = ["connection_line", "json_parts", "json_schema", "to_json", "to_ndjson"]

_PLANS: dict[type, tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]] = {}
"""The names of a data class's fields in JSON, and a function that reads their values: looked up once."""
_SHARED: Final = frozenset({"tls", "server_chain", "client_chain", "trust", "fixes"})
"""Fields of a connection whose values many connections have in common, as the same object."""
_MAX_SHARED: Final = 4096


def to_json(report: Report | CheckReport | StoreReport) -> str:
    """Write the whole report: one JSON object, ended by a newline."""
    encode = _encoder()
    if isinstance(report, CheckReport):
        return _check(report, encode)
    if isinstance(report, StoreReport):
        return _store(report, encode)
    return "".join(json_parts(report))


def json_parts(report: Report) -> Iterator[str]:
    """Write the same piece by piece: the whole text of a large report takes much more memory than the report."""
    encode = _encoder()
    write = _ConnectionWriter(encode)
    yield "{\n" + f'"schema": {encode(report.schema)},\n'
    yield f'"capture": {encode(_capture(report.capture))},\n'
    yield f'"truststore": {encode(_truststore(report.truststore))},\n'
    if report.dissector is not None:
        yield f'"dissector": {encode(report.dissector)},\n'
    yield from _listed("connections", map(write, report.connections))
    yield from _listed("findings", map(encode, report.findings))
    yield f'"summary": {encode(report.summary)},\n'
    yield f'"gateway": {encode(report.gateway)},\n'
    yield f'"logs": {encode(_logs(report.logs))},\n'
    yield f'"configuration": {encode(_configuration(report.configuration))},\n'
    yield f'"repair_kit": {encode(_repair_kit(report.repair_kit))}\n' + "}\n"


def to_ndjson(report: Report, told: Container[int] = ()) -> Iterator[str]:
    """Write the connections, each a JSON object on a line ended by a newline, but for those that were `told`."""
    write = _ConnectionWriter(_encoder())
    for connection in report.connections:
        if connection.id not in told:
            yield f"{write(connection)}\n"


def connection_line(connection: Connection) -> str:
    """Write one connection as `to_ndjson` does."""
    return f"{_ConnectionWriter(_encoder())(connection)}\n"


def json_schema() -> str:
    """Give the JSON Schema (2020-12) of `to_json`.

    Of its `$defs`, `connection` is a line of `to_ndjson`, `check` and `store` are what these commands give.
    """
    return resources.files("analyzer.report").joinpath("schema.json").read_text(encoding="utf-8")


class _ConnectionWriter:
    """Writes connections. What many of them share (the same chain, verdicts, repairs) is put into words once."""

    def __init__(self, encode: Callable[[Any], str]) -> None:
        self._encode = encode
        self._known: dict[int, tuple[object, str]] = {}
        self._groups = [
            (shared, tuple(names))
            for shared, names in groupby((item.name for item in fields(Connection)), _SHARED.__contains__)
        ]

    def __call__(self, connection: Connection) -> str:
        parts: list[str] = []
        for shared, names in self._groups:
            if shared:
                parts += [f'"{name}": {self._shared(getattr(connection, name))}' for name in names]
            else:
                parts.append(self._encode({name: getattr(connection, name) for name in names})[1:-1])
        return "{" + ", ".join(parts) + "}"

    def _shared(self, value: object) -> str:
        known = self._known.get(id(value))
        if known is None:
            if len(self._known) >= _MAX_SHARED:
                self._known.clear()
            # The value is kept, so that its id stays its own.
            known = self._known[id(value)] = value, self._encode(value)
        return known[1]


def _check(report: CheckReport, encode: Callable[[Any], str]) -> str:
    return _object(
        schema=encode(report.schema),
        source=encode(report.source),
        accepted=encode(report.accepted),
        host=encode(report.host),
        host_source=encode(report.host_source),
        at=encode(report.at),
        chain=_lines(map(encode, report.chain)),
        trust=_lines(map(encode, report.trust)),
        fixes=_lines(map(encode, report.fixes)),
        truststore=encode(_truststore(report.truststore)),
        store_given=encode(report.store_given),
        problems=_lines(encode(_problem(item, "source", "severity")) for item in report.problems),
    )


def _store(report: StoreReport, encode: Callable[[Any], str]) -> str:
    return _object(
        schema=encode(report.schema),
        sources=encode(report.sources),
        at=encode(report.at),
        certificates=encode(report.certificates),
        entries=_lines(map(encode, report.entries)),
        problems=_lines(encode(_problem(item, "source", "severity")) for item in report.problems),
        named=_lines(map(encode, report.named)),
    )


def _object(**members: str) -> str:
    return "{\n" + ",\n".join(f'"{name}": {value}' for name, value in members.items()) + "\n}\n"


def _listed(name: str, values: Iterable[str]) -> Iterator[str]:
    """A member whose value is an array, an item a line."""
    before = "\n"
    yield f'"{name}": ['
    for value in values:
        yield before + value
        before = ",\n"
    yield "],\n" if before == "\n" else "\n],\n"


def _lines(values: Iterable[str]) -> str:
    lines = ",\n".join(values)
    return f"[\n{lines}\n]" if lines else "[]"


def _capture(capture: Capture) -> dict[str, Any]:
    problems = [_problem(item, "packet", "source") for item in capture.problems]
    return {**_fields(capture), "problems": problems}


def _truststore(store: Truststore | None) -> dict[str, Any] | None:
    if store is None:
        return None
    return {**_fields(store), "problems": [_problem(item, "source") for item in store.problems]}


def _logs(logs: Logs | None) -> dict[str, Any] | None:
    if logs is None:
        return None
    return {**_fields(logs), "problems": [_problem(item, "source") for item in logs.problems]}


def _configuration(found: Configuration | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {**_fields(found), "problems": [_problem(item, "source", "severity") for item in found.problems]}


def _repair_kit(kit: RepairKit | None) -> dict[str, Any] | None:
    if kit is None:
        return None
    return {**_fields(kit), "problems": [_problem(item, "source") for item in kit.problems]}


def _problem(problem: InputProblem, *places: str) -> dict[str, Any]:
    return {name: getattr(problem, name) for name in ("code", "text", *places)}


def _encoder() -> Callable[[Any], str]:
    """Make the encoder: `json` walks by itself, and asks only for the fields of each data class."""
    return json.JSONEncoder(default=_fields, allow_nan=False, check_circular=False).encode


def _fields(value: Any) -> dict[str, Any]:
    kind = type(value)
    names, read = _PLANS.get(kind) or _PLANS.setdefault(kind, _plan(kind))
    return dict(zip(names, read(value), strict=True))


def _plan(kind: type) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    if not is_dataclass(kind):
        raise TypeError(f"a report holds plain data only, not {kind.__name__}")
    names = [item.name for item in fields(kind)]
    read: Callable[[Any], tuple[Any, ...]] = attrgetter(*names)
    return tuple(name.rstrip("_") for name in names), read
