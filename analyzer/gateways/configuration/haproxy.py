"""haproxy.cfg: each `server … ssl` of a backend or listen section, with what `default-server` and `defaults` give it.

As documented: `verify` is `required` unless the global `ssl-server-verify` says none; the name is matched against the
server name that is sent (`sni`), else against `verifyhost`; without either no name is checked.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Final

from analyzer.gateways.configuration import MOST_TARGETS, Configuration, Endpoint, File, Format, Store, Target
from analyzer.gateways.configuration._reading import shown, with_port
from analyzer.trust.stores import Trouble

__all__ = ["FORMAT"]

_SECTION: Final = re.compile(r"^(global|defaults|frontend|backend|listen|peers|resolvers|userlist|program|cache)\b")
_LOOKS: Final = re.compile(r"^(?:global|defaults|frontend|backend|listen)\b[^{}\n]{0,200}$", re.MULTILINE)
_SERVER: Final = re.compile(
    r"^[ \t]*(?:server|default-server|server-template|bind|mode|use_backend|default_backend)[ \t]", re.MULTILINE
)
_VALUED: Final = frozenset({
    "verify", "ca-file", "sni", "verifyhost", "crt", "check-sni", "port", "crl-file", "ca-ignore-err", "ciphers",
    "ciphersuites", "alpn", "npn", "inter", "fall", "rise", "weight", "maxconn", "ssl-min-ver", "ssl-max-ver", "addr",
    "cookie", "resolvers", "init-addr", "check-alpn", "check-proto", "proto", "source", "fastinter", "downinter",
    "slowstart", "error-limit", "observe", "on-error", "on-marked-down", "on-marked-up", "pool-max-conn", "id", "redir",
    "agent-port", "agent-addr", "agent-inter", "agent-send", "maxqueue", "minconn", "namespace", "resolve-prefer",
    "resolve-net", "sigalgs", "client-sigalgs", "curves", "track", "ws", "tcp-ut", "socks4", "resolve-opts",
})  # fmt: skip
_MOST_LINES: Final = 300_000
_MOST_WORDS: Final = 400


def _recognise(file: File) -> bool:
    return _LOOKS.search(file.text) is not None and _SERVER.search(file.text) is not None


def _read(file: File) -> Configuration:
    targets: list[Target] = []
    problems: list[Trouble] = []
    for target in _targets(file, problems):
        if len(targets) >= MOST_TARGETS:
            text = f"has more than {MOST_TARGETS} servers; the others were not read"
            problems.append(Trouble(code="too-large", text=text, severity="warning"))
            break
        targets.append(target)
    stores = {name: Store(name=name, path=name if name[0] != "@" else None) for item in targets for name in item.stores}
    return Configuration(
        product="haproxy", targets=tuple(targets), stores=tuple(stores.values()), problems=tuple(problems)
    )


def _targets(file: File, problems: list[Trouble]) -> Iterator[Target]:
    section, of_section = "", ""
    base = verify = ""
    inherited: dict[str, dict[str, str]] = {}
    here: dict[str, str] = {}
    for line, words in _lines(file.text, problems):
        if _SECTION.match(words[0]):
            section, of_section = words[0], words[1] if len(words) > 1 else ""
            named = words[words.index("from") + 1] if "from" in words[:-1] else ""
            here = dict(inherited.get(named, inherited.get("", {}))) if section != "defaults" else {}
            if section == "defaults":
                inherited[""] = inherited[of_section] = here
        elif section == "global":
            if words[0] == "ssl-server-verify" and len(words) > 1:
                verify = words[1]
            elif words[0] == "ca-base" and len(words) > 1:
                base = words[1]
        elif words[0] == "default-server":
            here |= _arguments(words[1:])
            if section == "defaults":
                inherited[""] = inherited[of_section] = here
        elif words[0] in ("server", "server-template") and len(words) > 2 and section in ("backend", "listen"):
            address = words[2] if words[0] == "server" else words[3] if len(words) > 3 else ""
            own = {**here, **_arguments(words[3:])}
            if "ssl" in own and own["ssl"] != "no":
                yield _target(f"{of_section}/{words[1]}", address, own, f"{file.name}:{line}", verify, base)


def _target(name: str, address: str, own: dict[str, str], place: str, verify: str, base: str) -> Target:
    notes: list[str] = []
    end = _endpoint(address)
    verified = own.get("verify", verify or "required") != "none"
    expression = own.get("sni", "")
    constant = re.fullmatch(r"str\(\s*([^\s()]{1,253})\s*\)", expression)
    sent = constant[1].strip("\"'") if constant else None
    if expression and sent is None:
        notes.append(f"the server name that is sent is taken from the request: sni {shown(expression)}")
    elif not expression:
        notes.append("no sni is set: no server name is sent")
    checked = sent or (own.get("verifyhost") if not expression else None)
    if verified and not expression and not checked:
        notes.append("neither sni nor verifyhost is set: no name is checked")
    file = own.get("ca-file", "")
    if base and file and file[0] not in "/@":
        file = f"{base}/{file}"
    if verified and not file:
        notes.append("verify required without ca-file: HAProxy does not start so")
    return Target(
        name=shown(name),
        product="haproxy",
        place=place,
        endpoints=(end,) if end is not None else (),
        server_name=sent,
        sends_server_name=bool(expression),
        checked_name=checked,
        verifies_chain=verified,
        verifies_name=verified and bool(checked or expression),
        stores=(file,) if verified and file else (),
        client_certificate="crt" in own,
        notes=tuple(notes),
    )


def _arguments(words: list[str]) -> dict[str, str]:
    """The arguments of a server line; `no-ssl` and the like take one back."""
    found: dict[str, str] = {}
    place = 0
    while place < len(words):
        word = words[place]
        if word in _VALUED and place + 1 < len(words):
            found[word] = words[place + 1]
            place += 1
        elif word == "no-ssl":
            found["ssl"] = "no"
        elif word in ("no-verifyhost", "no-sni"):
            found.pop(word[3:], None)
        else:
            found[word] = ""
        place += 1
    return found


def _endpoint(address: str) -> Endpoint | None:
    address = re.sub(r"^(?:ipv4|ipv6|tcp|tcp4|tcp6)@", "", address)
    return None if address.startswith(("/", "unix@", "abns@", "fd@", "sockpair@")) else with_port(address)


def _lines(text: str, problems: list[Trouble]) -> Iterator[tuple[int, list[str]]]:
    """The words of each line that has some, with its number."""
    for number, line in enumerate(text.splitlines()[:_MOST_LINES], 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        lexer = shlex.shlex(line[:8192], posix=True)
        lexer.whitespace_split = True
        lexer.commenters = "#"
        try:
            words = list(lexer)
        except ValueError:
            text = f"line {number} has a quotation mark that is not closed; it was not read"
            problems.append(Trouble(code="damaged-configuration", text=text, severity="warning"))
            continue
        if words:
            yield number, words[:_MOST_WORDS]


FORMAT = Format(name="HAProxy", recognise=_recognise, read=_read)
