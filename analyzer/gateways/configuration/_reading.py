"""Values as configurations write them: switches, ports, addresses with a port, URLs."""

from __future__ import annotations

import ipaddress
import re
from typing import Any, Final
from urllib.parse import urlsplit

from analyzer.gateways.configuration import Endpoint
from analyzer.trust.stores import printable

__all__ = ["dig", "endpoint_of_url", "is_address", "number", "shown", "strings", "switch", "with_port"]

_ON: Final = frozenset({"on", "true", "yes", "1", "enabled", "enable"})
_OFF: Final = frozenset({"off", "false", "no", "0", "disabled", "disable", "none"})
_PORTS: Final = {"https": 443, "wss": 443, "grpcs": 443, "h2": 443, "tls": 443}
_CAMEL: Final = re.compile(r"_([a-z])")


def switch(value: Any) -> bool | None:
    """A switch, however it is written; None for what is none."""
    if isinstance(value, bool):
        return value
    word = str(value).strip().lower() if isinstance(value, (str, int)) else ""
    return True if word in _ON else False if word in _OFF else None


def number(value: Any, most: int = 65535) -> int | None:
    """A whole number of 0 to `most`; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        return None
    written = str(value).strip()
    found = int(written) if re.fullmatch(r"[0-9]{1,9}", written) else None
    return found if found is not None and found <= most else None


def shown(value: Any, most: int = 200) -> str:
    """A value safe to print; empty for what is no text or number."""
    return printable(str(value).strip(), most) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


def strings(value: Any) -> tuple[str, ...]:
    """The texts of a list, or the one text that stands for it."""
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def dig(value: Any, *names: str) -> Any:
    """The value found by going down mappings by these names (snake or camel case); None where there is none."""
    for name in names:
        if not isinstance(value, dict):
            return None
        value = value.get(name, value.get(_CAMEL.sub(lambda found: found[1].upper(), name)))
    return value


def is_address(host: str) -> bool:
    """Whether a host is an IP address, which is never sent as server name (RFC 6066 section 3)."""
    try:
        ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def with_port(written: str, default: int | None = None) -> Endpoint | None:
    """`host`, `host:port`, `[v6]:port`, or a bare IPv6 address; None for what names no host."""
    written = written.strip()
    bracketed = re.fullmatch(r"\[([0-9A-Fa-f:.%\w]+)\](?::([0-9]{1,5}))?", written)
    if bracketed:
        return Endpoint(host=bracketed[1], port=number(bracketed[2]) or default)
    if written.count(":") > 1 and is_address(written):
        return Endpoint(host=written, port=default)
    host, _, port = written.partition(":")
    if not re.fullmatch(r"[\w.*-]{1,253}", host):
        return None
    return Endpoint(host=host, port=number(port) or default)


def endpoint_of_url(url: str) -> tuple[str, Endpoint | None]:
    """The scheme of a URL in lower case, and where it leads; None where no host stands in it."""
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        return "", None
    scheme = parts.scheme.lower()
    if not host or not re.fullmatch(r"[\w.:%-]{1,253}", host):
        return scheme, None
    return scheme, Endpoint(host=host, port=port or _PORTS.get(scheme))
