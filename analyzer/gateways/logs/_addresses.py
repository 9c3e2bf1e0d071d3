"""Addresses and ports in log lines."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["ADDRESS", "PORTED", "Endpoint", "as_host", "endpoint", "host_of_url"]

_MAPPED: Final = "::ffff:"
ADDRESS: Final = (
    r"(?:\[[0-9A-Fa-f:.]{2,45}(?:%\w{1,16})?\]|\d{1,3}(?:\.\d{1,3}){3}|"
    r"(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]{0,15}(?:%\w{1,16})?)"
)
"""Matches what looks like an address; `endpoint` says whether it is one."""
PORTED: Final = rf"(?:{ADDRESS}[:.]\d{{1,5}})"
_HOST = re.compile(r"(?=.{1,253}$)(?!-)[\w-]{1,63}(?:\.[\w-]{1,63})*\.?$")
_URL = re.compile(
    r"\b(?:https?|wss?|grpcs?|tls|ssl)://(?:[^/\s@\"']{1,200}@)?(\[[0-9A-Fa-f:.]+\]|[\w.-]{1,253})(?::(\d{1,5}))?"
)


class Endpoint(NamedTuple):
    """An IP address in its shortest form, and a port where it is known."""

    address: str
    port: int | None


@lru_cache(maxsize=65536)
def endpoint(text: str) -> Endpoint | None:
    """Read `10.0.0.1:443`, `[2001:db8::1]:443`, `10.0.0.1.443` (F5), `::ffff:10.0.0.1`; None for anything else."""
    text = text.strip()
    whole = _address(text)
    if whole is not None:
        return Endpoint(whole, None)
    head, mark, tail = text.rpartition(":")
    if not mark or not tail.isdecimal():
        head, mark, tail = text.rpartition(".")
    if not mark or not tail.isdecimal() or not tail.isascii() or len(tail) > 5 or int(tail) > 65535:
        return None
    address = _address(head)
    return None if address is None else Endpoint(address, int(tail))


def _address(text: str) -> str | None:
    text = text.strip("/")
    if text[:1] == "[" and text[-1:] == "]":
        text = text[1:-1]
    text = text.partition("%")[0]
    if text.lower().startswith(_MAPPED) and "." in text:
        text = text[len(_MAPPED) :]
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(parsed)


def as_host(text: str | None) -> str | None:
    """A host name in lower case, without a port; None for an address or what cannot be a name."""
    if not text:
        return None
    name = text.strip().lower()
    head, mark, tail = name.rpartition(":")
    if mark and tail.isdecimal():
        name = head
    name = name.rstrip(".")
    if not _HOST.match(name) or _address(name) is not None or name.isdecimal() or name == "_":
        return None
    return name


def host_of_url(text: str) -> tuple[str | None, Endpoint | None]:
    """The host name and the address of the first URL in a text: one of them, or neither."""
    match = _URL.search(text)
    if match is None:
        return None, None
    port = int(match[2]) if match[2] else 443 if match[0].startswith(("https", "wss", "grpcs")) else None
    at = endpoint(match[1])
    if at is not None:
        return None, Endpoint(at.address, port)
    return as_host(match[1]), None
