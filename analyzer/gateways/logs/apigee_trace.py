"""Apigee's debug sessions: the trace as JSON (Apigee X, hybrid) or XML (Edge).

A trace is a list of points in time order with properties of each: `error`, `error.cause`, `fault`, `target.url`,
`targetendpoint….resolvedAddress`. What the points of one message say is one entry, at the time of the point with the
error. Their times are written `22-11-26 13:00:00:123`, without a zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from analyzer.gateways.logs import Fields, Format
from analyzer.gateways.logs._addresses import as_host, endpoint, host_of_url
from analyzer.gateways.logs._found import ends, host_in
from analyzer.gateways.logs._times import Moment, read_time
from analyzer.gateways.logs._words import read_words
from analyzer.structured import Element

_MOST_MESSAGES: Final = 1000
_MOST_POINTS: Final = 20_000
_ID: Final = frozenset({"messageid", "message.id", "x-apigee-message-id", "x-apigee.message-id", "x-apigee-messageid"})
_ADDRESS: Final = re.compile(r"(?i)resolvedaddress$|^target\.ip$")

Point = tuple[str, list[tuple[str, str]]]
"""The time of a point as it is written, and its properties."""


def _document(value: Any, near_ns: int) -> Iterable[Fields] | None:
    if isinstance(value, Element):
        messages = _of_xml(value)
    elif isinstance(value, dict):
        messages = _of_json(value)
    else:
        return None
    return None if messages is None else filter(None, (_entry(points, near_ns) for points in messages))


def _of_xml(root: Element) -> list[list[Point]] | None:
    if root.name != "DebugSession":
        return None
    found: list[list[Point]] = []
    for message in root.every("Message"):
        points: list[Point] = []
        for point in message.every("Point"):
            values = [
                (item.attributes.get("name", ""), item.text.strip())
                for item in (*point.every("Property"), *point.every("Header"))
            ]
            stamp = next((item.text.strip() for item in point.every("Timestamp")), "")
            values += [("content", item.text.strip()) for item in point.every("Content")]
            points.append((stamp, values))
        number = message.value("DebugId") or ""
        found.append([("", [("debugid", number)]), *points[:_MOST_POINTS]])
        if len(found) >= _MOST_MESSAGES:
            break
    return found


def _of_json(value: dict[str, Any]) -> list[list[Point]] | None:
    transactions = value.get("Messages") or value.get("transactions") or [value]
    found = []
    for item in transactions[:_MOST_MESSAGES] if isinstance(transactions, list) else ():
        points = item.get("point") if isinstance(item, dict) else None
        if isinstance(points, list):
            found.append([_json_point(point) for point in points[:_MOST_POINTS] if isinstance(point, dict)])
    return found or None


def _json_point(point: dict[str, Any]) -> Point:
    stamp, values = "", []
    for result in point.get("results") or ():
        if not isinstance(result, dict):
            continue
        stamp = str(result.get("timestamp") or "") or stamp
        values += list(_pairs(result.get("properties")))
        values += list(_pairs(result.get("headers")))
        if isinstance(result.get("content"), str):
            values.append(("content", result["content"]))
    return stamp, values


def _pairs(value: Any) -> Iterator[tuple[str, str]]:
    items = value.get("property", value) if isinstance(value, dict) else value
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and isinstance(item.get("value"), str):
            yield str(item.get("name") or ""), item["value"]


def _entry(points: list[Point], near_ns: int) -> Fields | None:
    """What one message's trace says; None when no point speaks of a handshake."""
    number, host, text = None, None, []
    remote = local = None
    time: Moment | None = None
    for stamp, values in points:
        for name, value in values:
            low = name.lower()
            if low in _ID or (low == "debugid" and number is None):
                number = value[:200] or number
            elif _ADDRESS.search(low):
                remote = endpoint(value.rpartition("/")[2]) or remote
            elif low in ("target.url", "target.uri", "request.url"):
                named, at = host_of_url(value)
                host, remote = named or host, remote or at
            elif low == "target.host":
                host = as_host(value) or host
            if read_words(value) is not None:
                own, other = ends(value)
                local, remote, host = own or local, other or remote, host_in(value) or host
                text.append(f"{name}: {value[:2000]}")
                time = read_time(stamp, near_ns) or time
    if not text:
        return None
    unique = list(dict.fromkeys(text))[:4]
    return Fields(time=time, local=local, remote=remote, host=host, id=number, side="client", text="\n".join(unique))


FORMAT = Format(name="Apigee debug session", document=_document)
