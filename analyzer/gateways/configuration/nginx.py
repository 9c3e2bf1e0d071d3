"""nginx.conf, its parts, and `nginx -T`: each `proxy_pass https://`, `grpc_pass grpcs://`, or TLS upstream of `stream`.

Directives are inherited from the block around (http, server, location). Defaults as documented for
ngx_http_proxy_module: `proxy_ssl_verify off`, `proxy_ssl_verify_depth 1`, `proxy_ssl_server_name off`,
`proxy_ssl_name` the host of `proxy_pass`; with an `upstream` block that is the block's name.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.gateways.configuration import MOST_TARGETS, Configuration, Endpoint, File, Format, Store, Target
from analyzer.gateways.configuration._reading import endpoint_of_url, is_address, number, shown, switch, with_port
from analyzer.trust.stores import Trouble

__all__ = ["FORMAT"]

_MOST_DIRECTIVES: Final = 300_000
_MOST_DEPTH: Final = 50
_MOST_INCLUDES: Final = 2_000
_TOKEN: Final = re.compile(
    r"""(?P<skip>\s+)|\#(?P<comment>[^\n]*)|(?P<mark>[;{}])"""
    r"""|"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)'|(?P<word>(?:\\.|\$\{[^}\s]*\}|[^\s;{}"'\\])(?:\\.|\$\{[^}\s]*\}|[^\s;{}\\])*)"""
    r"""|(?P<odd>.)""",
    re.DOTALL,
)
_PART: Final = re.compile(r" configuration file (.{1,1000}):$")
_LOOKS: Final = re.compile(
    r"^[ \t]*(?:(?:http|stream|server|events)\s*\{|(?:location|upstream)\s[^;{}\n]{1,300}\{"
    r"|(?:proxy|grpc)_(?:pass|ssl_\w+)\s[^\n;]{1,500};)",
    re.MULTILINE,
)
_INHERITED: Final = ("name", "server_name", "verify", "verify_depth", "trusted_certificate", "certificate")
_SCHEMES: Final = {
    "proxy_pass": ("https", "proxy_ssl_"),
    "grpc_pass": ("grpcs", "grpc_ssl_"),
    "uwsgi_pass": ("suwsgi", "uwsgi_ssl_"),
}


@dataclass(slots=True, kw_only=True)
class _Directive:
    name: str
    words: tuple[str, ...]
    place: str
    block: list[_Directive] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Context:
    """What holds in a block: the directives that count here, by name, and the variables that are set to constants."""

    settings: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    where: str = ""
    stream: bool = False


def _recognise(file: File) -> bool:
    return _LOOKS.search(file.text) is not None and not re.search(r"^\s*<\w+", file.text[:2000])


def _read(file: File) -> Configuration:
    reading = _Reading(file)
    targets = tuple(reading.targets())
    stores = {name: Store(name=name, path=name) for target in targets for name in target.stores}
    return Configuration(
        product="nginx", targets=targets, stores=tuple(stores.values()), problems=tuple(reading.problems)
    )


class _Reading:
    def __init__(self, file: File) -> None:
        self.problems: list[Trouble] = []
        self._parts = self._parsed(file)
        self._upstreams: dict[str, list[Endpoint]] = {}
        self._included = 0

    def targets(self) -> Iterator[Target]:
        main = next(iter(self._parts), "")
        tree = list(self._unfolded(self._parts.get(main, []), posixpath.dirname(main), 0))
        self._collect_upstreams(tree)
        for count, target in enumerate(self._visit(tree, _Context(), 0)):
            if count >= MOST_TARGETS:
                self._tell("too-large", f"has more than {MOST_TARGETS} targets; the others were not read")
                return
            yield target

    def _tell(self, code: str, text: str) -> None:
        self.problems.append(Trouble(code=code, text=text, severity="warning"))

    def _parsed(self, file: File) -> dict[str, list[_Directive]]:
        """The directives of each file in it: one, or those that `nginx -T` writes one after another."""
        parts: dict[str, list[_Directive]] = {}
        name, begin = "", 1
        stack: list[list[_Directive]] = [[]]
        words: list[str] = []
        words_line = count = place = 0
        line = 1
        while (found := _TOKEN.match(file.text, place)) is not None:
            place = found.end()
            kind = found.lastgroup
            at, line = line, line + found[0].count("\n")
            if kind == "comment":
                part = _PART.match(found["comment"])
                if part:
                    if name or stack[0]:
                        parts[name] = stack[0]
                    name, begin, stack, words = part[1], line, [[]], []
                continue
            if kind in ("skip", "odd"):
                continue
            if kind != "mark":
                words_line = words_line if words else at
                words.append(found["word"] or found["double"] or found["single"] or "")
                continue
            if found["mark"] == "}":
                words = []
                if len(stack) > 1:
                    stack.pop()
                continue
            if words:
                count += 1
                where = f"{shown(name) or file.name}:{words_line - begin if name else words_line}"
                directive = _Directive(name=words[0], words=tuple(words[1:]), place=where)
                stack[-1].append(directive)
                if found["mark"] == "{" and words[0].endswith("_by_lua_block"):
                    place, line = _after_lua(file.text, place, line)
                elif found["mark"] == "{":
                    directive.block = []
                    stack.append(directive.block)
                words = []
            if count > _MOST_DIRECTIVES or len(stack) > _MOST_DEPTH:
                self._tell("too-large", "is larger or deeper than nginx configurations are; the rest was not read")
                break
        if len(stack) > 1:
            self._tell("damaged-configuration", "ends inside a block: a closing brace is missing")
        parts[name] = stack[0]
        return parts

    def _unfolded(self, block: list[_Directive], folder: str, depth: int) -> Iterator[_Directive]:
        """The directives of a block, `include` replaced by the files that are at hand."""
        for directive in block:
            if directive.name != "include" or not directive.words:
                if directive.block is not None and depth < _MOST_DEPTH:
                    directive.block = list(self._unfolded(directive.block, folder, depth + 1))
                yield directive
                continue
            pattern = posixpath.join(folder, directive.words[0])
            names = [name for name in self._parts if name and fnmatch.fnmatch(name, pattern)]
            self._included += 1
            if self._included > _MOST_INCLUDES or depth >= _MOST_DEPTH:
                return
            if not names and not pattern.endswith(("mime.types", "fastcgi_params", "uwsgi_params", "proxy_params")):
                text = f"{directive.place} includes {shown(pattern)}, which is not here; `nginx -T` writes all in one"
                self.problems.append(Trouble(code="not-included", text=text, severity="note"))
            for name in names:
                yield from self._unfolded(self._parts[name], folder, depth + 1)

    def _collect_upstreams(self, tree: list[_Directive]) -> None:
        waiting = list(tree)
        while waiting:
            directive = waiting.pop()
            waiting.extend(directive.block or ())
            if directive.name == "upstream" and directive.words and directive.block is not None:
                servers = [item.words[0] for item in directive.block if item.name == "server" and item.words]
                ends = [with_port(server) for server in servers[:MOST_TARGETS]]
                self._upstreams[directive.words[0].lower()] = [end for end in ends if end is not None]

    def _visit(self, block: list[_Directive], outer: _Context, depth: int) -> Iterator[Target]:
        settings, variables = dict(outer.settings), dict(outer.variables)
        for item in block:
            if item.name == "set" and len(item.words) == 2:
                variables[item.words[0].lstrip("$")] = item.words[1]
            elif item.words and item.block is None:
                settings[item.name] = item.words[0]
        here = _Context(settings=settings, variables=variables, where=outer.where, stream=outer.stream)
        for item in block:
            if item.name in _SCHEMES and item.words and item.block is None:
                target = self._target(item, here)
                if target is not None:
                    yield target
            elif item.block is not None and depth < _MOST_DEPTH and item.name != "upstream":
                where = (
                    f"{item.name} {' '.join(item.words)}".strip()
                    if item.name in ("location", "server")
                    else outer.where
                )
                if item.name == "server":
                    where = (
                        f"server {next((i.words[0] for i in item.block if i.name == 'server_name' and i.words), '')}"
                    )
                inner = _Context(
                    settings={k: v for k, v in settings.items() if k not in _SCHEMES},
                    variables=variables, where=where.strip(), stream=outer.stream or item.name == "stream",
                )  # fmt: skip
                yield from self._visit(item.block, inner, depth + 1)

    def _target(self, directive: _Directive, here: _Context) -> Target | None:
        scheme, prefix = _SCHEMES[directive.name]
        url = _resolved(directive.words[0], here.variables)
        if here.stream:
            if switch(here.settings.get("proxy_ssl")) is not True:
                return None
            url, scheme = f"https://{url}", "https"
        elif not url.lower().startswith(f"{scheme}://"):
            return None
        _, end = endpoint_of_url(url)
        notes: list[str] = []
        if end is None or "$" in url.partition("://")[2].partition("/")[0]:
            notes.append(f"{directive.name} {shown(directive.words[0])} takes the host from a variable")
            end = None
        return self._described(directive, here, prefix, end, notes, explicit_port=_has_port(url))

    def _described(
        self, directive: _Directive, here: _Context, prefix: str, end: Endpoint | None, notes: list[str], *,
        explicit_port: bool,
    ) -> Target:  # fmt: skip
        own = {name: _resolved(here.settings.get(prefix + name, ""), here.variables) for name in _INHERITED}
        servers = self._upstreams.get(end.host.lower()) if end is not None and not explicit_port else None
        name = own["name"] or "$proxy_host"
        if name in ("$proxy_host", "${proxy_host}"):
            name = end.host if end is not None else ""
            if servers is not None and end is not None:
                notes.append(
                    f"without {prefix}name the name that is checked and sent is that of the upstream block, "
                    f"“{shown(end.host)}”, not that of a server in it; set {prefix}name to the backend's name"
                )
        elif "$" in name:
            notes.append(f"{prefix}name {shown(name)} is taken from a variable")
            name = ""
        verifies = switch(own["verify"]) or False
        sends = switch(own["server_name"]) or False
        if not sends:
            default = "" if own["server_name"] else ", its default"
            notes.append(f"{prefix}server_name is off{default}: no server name is sent (SNI)")
        depth = number(own["verify_depth"])
        if verifies and depth is None:
            notes.append(f"{prefix}verify_depth is not set, so it is 1: a path with two intermediates is refused")
        store = own["trusted_certificate"]
        return Target(
            name=shown(here.where) or directive.name,
            product="nginx",
            place=directive.place,
            endpoints=tuple(
                Endpoint(host=item.host, port=item.port or (end.port if end is not None else None)) for item in servers
            )
            if servers is not None
            else (end,)
            if end is not None
            else (),
            server_name=name if sends and name and not is_address(name) else None,
            sends_server_name=sends and not (name and is_address(name)),
            checked_name=name or None,
            verifies_chain=verifies,
            verifies_name=verifies,
            verify_depth=1 if depth is None else depth,
            stores=(store,) if store and verifies else (),
            client_certificate=bool(own["certificate"]),
            notes=tuple(notes),
        )


def _has_port(url: str) -> bool:
    return re.search(r":[0-9]{1,5}$", url.partition("://")[2].partition("/")[0]) is not None


def _resolved(value: str, variables: Mapping[str, str]) -> str:
    """A value with the variables in it that `set` gives a constant; one pass, so that none unfolds without end."""
    return re.sub(r"\$\{?(\w{1,80})\}?", lambda found: variables.get(found[1], found[0])[:2000], value[:2000])


def _after_lua(text: str, place: int, line: int) -> tuple[int, int]:
    """The place behind a block of Lua: its braces are balanced, strings and comments passed over."""
    depth, begin = 1, place
    for found in re.compile(r"--[^\n]*|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[{}]").finditer(text, place):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return found.end(), line + text.count("\n", begin, found.end())
    return len(text), line


FORMAT = Format(name="nginx", recognise=_recognise, read=_read)
