"""Apache httpd as a proxy: `ProxyPass`, `BalancerMember` and `RewriteRule … [P]` to https, with what SSLProxy sets.

As documented for mod_ssl: `SSLProxyVerify none`, `SSLProxyVerifyDepth 1`, `SSLProxyCheckPeerName on` and
`SSLProxyCheckPeerExpire on` are the defaults; the two checks of the peer are made whatever SSLProxyVerify says. A
section inherits from the server around it. As measured (httpd 2.4.71), SSLProxyVerifyDepth counts the root too: 1
takes no intermediate.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.gateways.configuration import MOST_TARGETS, Configuration, File, Format, Store, Target
from analyzer.gateways.configuration._reading import endpoint_of_url, is_address, number, shown, switch
from analyzer.trust.stores import Trouble

__all__ = ["FORMAT"]

_LOOKS: Final = re.compile(
    r"^[ \t]*(?:SSLProxy\w+[ \t]|ProxyPass(?:Match|Reverse)?[ \t]|<(?:VirtualHost|Location|Proxy|IfModule)\b)",
    re.MULTILINE,
)
_SECTION: Final = re.compile(r"<(/?)(\w+)\s*([^>]{0,500})>?")
_URL: Final = re.compile(r"(?:https|wss|h2)://[^\s\"'|]{1,2000}")
_TO_BACKENDS: Final = ("proxypass", "proxypassmatch", "balancermember", "rewriterule")
_MOST_LINES: Final = 300_000
_MOST_DEPTH: Final = 30


@dataclass(slots=True, kw_only=True)
class _Section:
    """`settings` are the directives that count, by name in small letters; those of what is around first."""

    name: str
    settings: dict[str, str] = field(default_factory=dict)
    backends: list[tuple[int, str]] = field(default_factory=list)


def _recognise(file: File) -> bool:
    return file.xml is None and _LOOKS.search(file.text) is not None and "{\n" not in file.text[:200]


def _read(file: File) -> Configuration:
    targets: list[Target] = []
    problems: list[Trouble] = []
    for section in _sections(file.text):
        for line, url in section.backends:
            if len(targets) >= MOST_TARGETS:
                text = f"has more than {MOST_TARGETS} backends; the others were not read"
                problems.append(Trouble(code="too-large", text=text, severity="warning"))
                break
            targets.append(_target(f"{file.name}:{line}", section, url))
    stores = {name: Store(name=name, path=name) for target in targets for name in target.stores}
    return Configuration(
        product="apache", targets=tuple(targets), stores=tuple(stores.values()), problems=tuple(problems)
    )


def _sections(text: str) -> Iterator[_Section]:
    """Each section when it is closed: directives may follow what they hold for, so none can be judged before."""
    stack = [_Section(name="")]
    closed: list[tuple[_Section, tuple[_Section, ...]]] = []
    for line, words in _lines(text):
        found = _SECTION.match(words[0]) if words[0].startswith("<") else None
        if found is not None and not found[1] and len(stack) < _MOST_DEPTH:
            rest = " ".join([found[3], *words[1:]]).strip(' >"')
            stack.append(_Section(name=f"{found[2]} {rest}".strip()))
        elif found is not None:
            if len(stack) > 1:
                closed.append((stack[-1], tuple(stack[:-1])))
                stack.pop()
        else:
            name = words[0].lower()
            if name.startswith("sslproxy") or name in ("proxypreservehost", "servername"):
                stack[-1].settings[name] = words[1] if len(words) > 1 else ""
            url = _URL.search(" ".join(words[1:])) if name in _TO_BACKENDS else None
            if url is not None and (name != "rewriterule" or re.search(r"\[[^\]]*\bP\b", " ".join(words))):
                stack[-1].backends.append((line, url[0]))
    closed += [(section, tuple(stack[:index])) for index, section in enumerate(stack)]
    for section, around in closed:
        settings: dict[str, str] = {}
        for outer in around:
            settings |= outer.settings
        yield _Section(name=section.name, settings={**settings, **section.settings}, backends=section.backends)


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    """The words of each line, those that end in a backslash joined with the next."""
    joined, begin = "", 0
    for line, content in enumerate(text.splitlines()[:_MOST_LINES], 1):
        begin = begin or line
        joined += content[:8192]
        if joined.endswith("\\") and len(joined) < 65_536:
            joined = joined[:-1]
            continue
        stripped = joined.strip()
        if stripped and not stripped.startswith("#"):
            try:
                words = shlex.split(stripped)
            except ValueError:
                words = stripped.split()
            if words:
                yield begin, words
        joined, begin = "", 0


def _target(place: str, section: _Section, url: str) -> Target:
    settings: Mapping[str, str] = section.settings
    _, end = endpoint_of_url(re.sub(r"\$\d.*", "", url))
    mode = settings.get("sslproxyverify", "none").lower()
    verified = mode in ("require", "optional")
    named = switch(settings.get("sslproxycheckpeername", "on")) is not False
    dated = switch(settings.get("sslproxycheckpeerexpire", "on")) is not False
    kept = bool(switch(settings.get("proxypreservehost")))
    stores = [settings[key] for key in ("sslproxycacertificatefile", "sslproxycacertificatepath") if settings.get(key)]
    notes = []
    if not verified:
        default = "" if "sslproxyverify" in settings else ", its default"
        notes.append(f"SSLProxyVerify is {shown(mode)}{default}: the chain is not verified")
    depth = number(settings.get("sslproxyverifydepth"))
    if verified and depth is None:
        notes.append(
            "SSLProxyVerifyDepth is not set, so it is 1 and counts the root: a path with an intermediate is refused"
        )
    if kept:
        notes.append("ProxyPreserveHost is on: the name that is sent and checked is that of the request")
    host = end.host if end is not None and not kept else None
    sent = host if host is not None and not is_address(host) else None
    return Target(
        name=shown(section.name) or "server",
        product="apache",
        place=place,
        endpoints=(end,) if end is not None else (),
        server_name=sent,
        sends_server_name=None if host is None else sent is not None,
        checked_name=host,
        verifies_chain=verified,
        verifies_name=named,
        verifies_dates=dated,
        verify_depth=max((1 if depth is None else depth) - 1, 0),
        stores=tuple(stores) if verified else (),
        client_certificate=any(key.startswith("sslproxymachinecertificate") for key in settings),
        notes=tuple(notes),
    )


FORMAT = Format(name="Apache httpd", recognise=_recognise, read=_read)
