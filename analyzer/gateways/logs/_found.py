"""What lines of most formats have in common: how they name two ends, a URL, a host, a message."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final

from analyzer.gateways.logs import Fields, Side
from analyzer.gateways.logs._addresses import PORTED, Endpoint, as_host, endpoint, host_of_url
from analyzer.gateways.logs._times import Moment, find_time, read_time
from analyzer.gateways.logs._words import read_words

__all__ = ["ends", "flat", "from_object", "host_in", "id_in", "in_text", "strings"]

_NAMED = re.compile(rf"\b(Remote|Local):\s?/?({PORTED})")
_NETTY = re.compile(rf"\b([LR]):[\w.-]{{0,253}}/({PORTED})")
_ARROW = re.compile(rf"(?<![\w.])({PORTED})\s?-{{1,2}}>\s?({PORTED})")
_BESIDE = re.compile(rf"\b[\w-]{{1,63}}(?:\.[\w-]{{1,63}}){{0,8}}/({PORTED})")
_PORTED = re.compile(rf"(?<![\w.:/\[])/?({PORTED})(?![\w:]|\.\d)")
_ID = re.compile(
    r"(?i)\b((?:x-)?(?:apigee[._-])?(?:message|correlation|request|trace|activity|transaction|unique)[._ -]?id)"
    r"(?:\\?[\"']?)(?:\s{0,2}[:=]\s{0,2}|\s)(?:\\?[\"'\[]?)([\w.:@|-]{4,100})"
)
_HOSTS: Final = tuple(
    (mark, re.compile(pattern))
    for mark, pattern in (
        ("No subject alt", r"No subject alternative (?:DNS )?names? matching (?:IP address )?(\S{1,253}) found"),
        ("No name matching", r"No name matching (\S{1,253}) found"),
        ("valid for", r"certificate is (?:not )?valid for .{0,1000}, not (\S{1,253})"),
        ("match", r"does(?:n't| not) match (?:target host name )?[\"']([^\"']{1,253})[\"']"),
        ("target host name", r"target host name [\"']([^\"']{1,253})[\"']"),
        ("ost name '", r"[Hh]ost name '([^']{1,253})' does not match"),
        ("Host: ", r"Host: (\S{1,253})\. is not"),
        ("didn't match", r"[Hh]ostname in certificate didn't match: <([^>]{1,253})>"),
        ("", r"\b(?:server_?name|sni|SNI|hostname|server_host)[\"']?[=:]\s?[\"']?([\w.-]{1,253})"),
        ("onnect", r"\bConnect(?:ion)? to (?:https?://)?([\w.-]{1,253}):\d{1,5}\b"),
        ("to host", r"\bto host ([\w.-]{1,253})"),
        ("(", r"\(([\w-]{1,63}(?:\.[\w-]{1,63}){1,8}):\d{1,5}\)"),
    )
)
"""What must stand in a line for a pattern to be looked at, and the pattern."""
_SOURCES: Final = (".java", ".kt", ".scala", ".groovy", ".go", ".js", ".cs", ".c", ".cc", ".py", ".rs")
"""Endings of file names, which stand in brackets with a line number as hosts do with a port."""
_IDS: Final = (
    "message_id", "messageid", "correlation_id", "correlationid", "request_id", "requestid", "x_request_id",
    "x-request-id", "trace_id", "traceid", "activityid",
)  # fmt: skip
_MOST_VALUES: Final = 1000


def in_text(text: str, near_ns: int, *, side: Side | None = None) -> Fields:
    """What any line may hold."""
    local, remote = ends(text)
    host, at = host_of_url(text)
    return Fields(
        time=find_time(text, near_ns),
        local=local,
        remote=remote or at,
        host=host_in(text) or host,
        id=id_in(text),
        side=side,
    )


def ends(text: str) -> tuple[Endpoint | None, Endpoint | None]:
    """The writer's own end and the other, where a line names both or one in the usual ways."""
    both = chain(
        _NAMED.finditer(text) if "Remote:" in text or "Local:" in text else (),
        _NETTY.finditer(text) if "L:" in text or "R:" in text else (),
    )
    named = {match[1][0]: endpoint(match[2]) for match in both}
    if named:
        return named.get("L"), named.get("R")
    arrow = _ARROW.search(text) if "->" in text else None
    if arrow is not None:
        return endpoint(arrow[1]), endpoint(arrow[2])
    beside = _BESIDE.search(text)
    if beside is not None:
        return None, endpoint(beside[1])
    for match in _PORTED.finditer(text):
        found = endpoint(match[1])
        if found is not None and found.port:
            return None, found
    return None, None


def host_in(text: str) -> str | None:
    """The host that a line says it meant."""
    for mark, pattern in _HOSTS:
        match = pattern.search(text) if mark in text else None
        name = as_host(match[1].strip(".,;:'\"\\")) if match is not None else None
        if name is not None and not name.endswith(_SOURCES):
            return name
    return None


def id_in(text: str) -> str | None:
    """The message's or request's id."""
    match = _ID.search(text)
    return match[2] if match is not None else None


def flat(value: Any) -> dict[str, Any]:
    """The scalars of nested objects by their names in lower case, that of the object in front where there are two."""
    found: dict[str, Any] = {}
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting and len(found) < _MOST_VALUES:
        path, item = waiting.pop(0)
        if isinstance(item, Mapping):
            waiting.extend(
                (f"{path}.{name}".lower() if path else str(name).lower(), inner) for name, inner in item.items()
            )
        elif isinstance(item, list):
            waiting.extend((path, inner) for inner in item[:20])
        elif item is not None and item != "" and item != "-":
            found.setdefault(path, item)
            found.setdefault(path.rpartition(".")[2], item)
    return found


def strings(value: Any) -> list[str]:
    """All texts in nested objects, in their order, each once."""
    found: dict[str, None] = {}
    waiting: list[Any] = [value]
    while waiting and len(found) < _MOST_VALUES:
        item = waiting.pop()
        if isinstance(item, str):
            found.setdefault(item)
        elif isinstance(item, (dict, list)):
            waiting.extend(reversed(list(item.values() if isinstance(item, dict) else item)))
    return list(found)


def from_object(
    values: Mapping[str, Any],
    near_ns: int,
    *,
    time: Iterable[str] = ("timestamp", "@timestamp", "time", "ts", "datetime", "date", "timegenerated", "start_time"),
    remote: Iterable[str] = ("upstream_addr", "upstream_host", "remote", "remote_addr", "peer"),
    local: Iterable[str] = ("upstream_local_address", "local"),
    host: Iterable[str] = ("sni", "server_name", "upstream_name", "backendhost"),
    url: Iterable[str] = ("url", "backendurl", "backend_url", "target_url", "uri"),
    id: Iterable[str] = _IDS,  # noqa: A002 - as the field is called
    side: Side | None = None,
) -> Fields:  # fmt: skip
    """What the fields of a structured line hold, by the names that a product gives them (`flat`, in lower case)."""
    said = {name: str(item) for name, item in values.items() if isinstance(item, str) and "." not in name}
    telling = [f"{name}: {item}" for name, item in said.items() if read_words(item) is not None]
    everything = "\n".join(telling)
    own, other = ends(everything)
    address = next(filter(None, map(_last_endpoint, _of(values, remote))), None)
    named, at = next(filter(any, map(host_of_url, _of(values, url))), (None, None))
    return Fields(
        time=next(filter(None, (_time(values.get(name), near_ns) for name in time)), None),
        local=next(filter(None, map(endpoint, _of(values, local))), own),
        remote=address or at or other,
        host=next(filter(None, map(as_host, _of(values, host))), None) or host_in(everything) or named,
        id=next(_of(values, id), None),
        side=side,
        text=everything,
    )


def _of(values: Mapping[str, Any], names: Iterable[str]) -> Iterator[str]:
    return (str(values[name])[:2000] for name in names if name in values)


def _last_endpoint(text: str) -> Endpoint | None:
    """The last of several upstreams that were tried (`10.0.0.1:443, 10.0.0.2:443`)."""
    found = [endpoint(part.rpartition("/")[2]) for part in text.split(",")]
    return next((item for item in reversed(found) if item is not None), None)


def _time(value: Any, near_ns: int) -> Moment | None:
    return None if value is None else read_time(value, near_ns)
