r"""A server's chain out of whatever somebody saved of it: `read_chain`.

Takes the bytes of a file, gives the certificates in the order in which the server sent them, and the name that the
client meant where the text itself holds it. Known by content:

    openssl s_client -showcerts   the certificates under `Certificate chain`, and not what else the text holds (the
                                  leaf again, a stapled responder's certificate, a second connection)
    gnutls-cli --print-cert       in the order printed
    a browser's error page        as text or HTML; line breaks written as `<br>`, entities, `\n`, `\u003d`; the
                                  same chain in a script and in the page
    PEM with anything around it   in the order of the file, also quoted in a mail (`> `) or saved as UTF-16
    DER, PKCS#7, PKCS#12, JKS     PKCS#7 has no order, so it is put in order by names; of a key store the chain of
                                  its first private key

Nothing raises: what is wrong is a `Trouble`.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.trust.certificate import Certificate
from analyzer.trust.stores import Contents, Trouble, format_of, printable
from analyzer.trust.stores._unknown import describe

__all__ = ["SavedChain", "read_chain"]

MOST_CERTIFICATES: Final = 256
"""Of one chain; the checker looks at no more, and no stack sends or takes as many."""

_LONGEST_NAME: Final = 253
"""Characters of the longest DNS name in text form (RFC 1035 section 2.3.4)."""

# `openssl s_client`: a title, the certificates, and a line of three dashes.
_SENT: Final = re.compile(r"^Certificate chain[ \t]*$(?P<chain>.*?)^---[ \t]*$", re.MULTILINE | re.DOTALL)
_SENT_TITLE: Final = re.compile(r"^Certificate chain[ \t]*$", re.MULTILINE)
_SENT_ENTRY: Final = re.compile(r"^ {0,2}(\d{1,4}) s:", re.MULTILINE)
_NO_CERTIFICATE: Final = "no peer certificate available"
_PKCS7_LABEL: Final = re.compile(r"-BEGIN (?:PKCS7|PKCS #7 SIGNED DATA|CMS)-")
_BLOCK_TEXT: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{1,40}-----|-----END [A-Z0-9 ]{1,40}-----")

_PAGE: Final = re.compile(r"<(?:!doctype|html|head|body|script|div|pre|code|p|br|span|td)\b", re.IGNORECASE)
_TAG: Final = re.compile(r"<[^<>]{0,4000}>")
_SCRIPT_STRING: Final = re.compile(r"-----\\[nru]")
_SCRIPT_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([nrt/\"']))")
_MAIL_QUOTE: Final = re.compile(r"^[ \t]{0,8}>[> \t]{0,40}", re.MULTILINE)

_NAME: Final = r"(?P<name>[\w*][\w.:-]{0,255})"
_COMMAND: Final = re.compile(r"\bs_client\b(?P<words>(?:[^\n\\]|\\.){0,2000})", re.DOTALL)
_RESOLVED: Final = re.compile(rf"^Resolving '{_NAME}'\.\.\.", re.MULTILINE)
_VERIFIED: Final = re.compile(rf"^Verified peername: {_NAME}[ \t]*$", re.MULTILINE)
_CHROME: Final = re.compile(rf"steal your information from\s{{1,20}}{_NAME}\s")
_FIREFOX: Final = re.compile(
    rf"^[ \t]{{0,8}}https://{_NAME}/\S{{0,2000}}\s{{1,20}}[^\n]{{1,400}}\s{{1,20}}HTTP Strict Transport Security:",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedChain:
    """A chain as it was saved: DER certificates, the leaf first where the input says so.

    `host`: the name that the client meant, only where the text holds it: in the command line of `openssl s_client`
    (`-verify_hostname`, `-servername`, else a name after `-connect`), in its `Verified peername`, in what gnutls-cli
    resolved, on a browser's error page.
    """

    certificates: tuple[bytes, ...]
    host: str | None = None
    problems: tuple[Trouble, ...] = ()


def read_chain(data: bytes, password: str | None = None) -> SavedChain:
    """Find the chain in the bytes of a file; `password` opens a PKCS#12 or JKS key store."""
    known = format_of(data)
    if known is not None and known.name != "PEM":
        return _bounded(_from_store(known.read(data, password), known.name))
    text = _text(data)
    if text is None:
        return SavedChain(certificates=(), problems=(describe(data),))
    return _bounded(_from_text(_unwrapped(text), data, password))


def _text(data: bytes) -> str | None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace").replace("\r\n", "\n")
    return None if b"\0" in data else data.decode("utf-8-sig", "replace").replace("\r\n", "\n")


def _unwrapped(text: str) -> str:
    """Take off what a script, a page or a mail has put around the lines."""
    if _SCRIPT_STRING.search(text):
        text = _SCRIPT_ESCAPE.sub(_unescaped, text)
    if _PAGE.search(text):
        text = html.unescape(_TAG.sub("\n", text)).replace("\xa0", " ")
    return _MAIL_QUOTE.sub("", text)


def _unescaped(match: re.Match[str]) -> str:
    code = match[1] or match[2]
    if code:
        return chr(int(code, 16))
    return {"n": "\n", "r": "", "t": "\t"}.get(match[3], match[3])


def _from_text(text: str, data: bytes, password: str | None) -> SavedChain:
    title = _SENT_TITLE.search(text)
    host = _host(text, title.start() if title else None)
    if title is not None:
        chain = _from_session(text, title, password)
        if chain is not None:
            return SavedChain(certificates=chain.certificates, host=host, problems=chain.problems)
    contents = _blocks(text, password)
    if contents is None:
        if _NO_CERTIFICATE in text:
            why = "the server sent no certificate (openssl s_client says so): the handshake ended before it"
            return SavedChain(certificates=(), host=host, problems=(Trouble(code="no-certificate", text=why),))
        return SavedChain(certificates=(), host=host, problems=(describe(data),))
    certificates = tuple(entry.der for entry in contents.entries)
    problems = list(contents.problems)
    if _PKCS7_LABEL.search(text):
        certificates, sorted_by_names = _in_order(certificates)
        problems += sorted_by_names
    elif len(set(certificates)) < len(certificates) and _has_prose(text):
        left_out = len(certificates) - len(set(certificates))
        certificates = tuple(dict.fromkeys(certificates))
        what = "a certificate that is" if left_out == 1 else f"{left_out} certificates that are"
        problems.append(
            Trouble(code="duplicate", text=f"{what} in the text more than once counted once", severity="note")
        )
    if _CHROME.search(text) or _FIREFOX.search(text):
        why = "a browser may show intermediates that it had at hand: what the server sent can be less"
        problems.append(Trouble(code="browser-chain", text=why, severity="note"))
    return SavedChain(certificates=certificates, host=host, problems=tuple(problems))


def _from_session(text: str, title: re.Match[str], password: str | None) -> SavedChain | None:
    """The chain of the first connection in the output of `openssl s_client`."""
    section = _SENT.match(text, title.start())
    sent = section["chain"] if section else text[title.end() :]
    contents = _blocks(sent, password) or Contents()
    problems = list(contents.problems)
    listed = len(_SENT_ENTRY.findall(sent))
    entries = contents.entries
    if not entries and section is not None:
        following = _SENT_TITLE.search(text, section.end())
        rest = _blocks(text[section.end() : following.start() if following else None], password)
        entries = rest.entries[:1] if rest is not None else ()
    if not entries:
        return None
    if len(entries) < listed and not any(problem.severity == "error" for problem in problems):
        why = (
            f"the server sent {listed} certificates, and the text holds {len(entries)} of them: run "
            "openssl s_client again with -showcerts"
        )
        problems.append(Trouble(code="chain-not-shown", text=why))
    others = sum(1 for _ in _SENT_TITLE.finditer(text, title.end()))
    if others:
        why = f"holds the output of {others + 1} connections; the chain of the first is checked"
        problems.append(Trouble(code="several-chains", text=why, severity="warning"))
    return SavedChain(certificates=tuple(entry.der for entry in entries), problems=tuple(problems))


def _blocks(text: str, password: str | None) -> Contents | None:
    data = text.encode()
    known = format_of(data)
    return None if known is None else known.read(data, password)


def _has_prose(text: str) -> bool:
    """Whether anything stands around the blocks: a bundle that is served as it is has nothing there."""
    outside, inside = 0, False
    done = 0
    for mark in _BLOCK_TEXT.finditer(text):
        if not inside:
            outside += len(text[done : mark.start()].strip())
        inside = mark[0].startswith("-----BEGIN")
        done = mark.end()
    return outside + len(text[done:].strip()) > 0


def _from_store(contents: Contents, kind: str) -> SavedChain:
    problems = list(contents.problems)
    with_keys = [entry for entry in contents.entries if entry.kind == "private-key-entry"]
    keys = [entry for entry in with_keys if entry.chain_index == 0]
    if keys:
        with_keys.sort(key=lambda entry: entry.chain_index)
        certificates = tuple(entry.der for entry in with_keys)
        if len(keys) > 1:
            certificates = _climbed(keys[0].der, certificates)
            alias = f", '{printable(keys[0].alias)}'" if keys[0].alias else ""
            text = f"holds {len(keys)} private keys; the chain of the first{alias} is checked"
            problems.append(Trouble(code="several-chains", text=text, severity="warning"))
        return SavedChain(certificates=certificates, problems=tuple(problems))
    if any(entry.kind == "trusted-certificate" for entry in contents.entries):
        text = f"this {kind} file is a trust store and holds no server's chain; `hsanalyze store` lists it"
        problems.append(Trouble(code="not-a-chain", text=text, severity="warning"))
    certificates, sorted_by_names = _in_order([entry.der for entry in contents.entries])
    return SavedChain(certificates=certificates, problems=(*problems, *sorted_by_names))


def _in_order(data: Sequence[bytes]) -> tuple[tuple[bytes, ...], tuple[Trouble, ...]]:
    """The leaf first, then issuer after issuer by their names, then the others."""
    certificates = [Certificate.parse(der) for der in dict.fromkeys(data)]
    if len(certificates) < 2:
        return tuple(data), ()
    issuing = {c.issuer.canonical for c in certificates if not c.self_issued}
    ends = [c for c in certificates if c.subject.canonical not in issuing] or certificates
    leaf = next((c for c in ends if not c.is_ca), ends[0])
    der = {Certificate.parse(item): item for item in data}
    text = "this kind of file has no order; the certificates were put in order by their names, the leaf first"
    ordered = dict.fromkeys((*_climbed(der[leaf], data), *data))
    return tuple(ordered), (Trouble(code="no-order", text=text, severity="note"),)


def _climbed(leaf: bytes, others: Sequence[bytes]) -> tuple[bytes, ...]:
    """The leaf, its issuer by name, that one's issuer, and so on."""
    by_name = {Certificate.parse(item).subject.canonical: item for item in reversed(others)}
    path: dict[bytes, None] = {}
    current: bytes | None = leaf
    while current is not None and current not in path:
        path[current] = None
        current = by_name.get(Certificate.parse(current).issuer.canonical)
    return tuple(path)


def _bounded(chain: SavedChain) -> SavedChain:
    if len(chain.certificates) <= MOST_CERTIFICATES:
        return chain
    text = f"holds {len(chain.certificates)} certificates, which is no chain; the first {MOST_CERTIFICATES} are used"
    problem = Trouble(code="too-many-certificates", text=text, severity="warning")
    return SavedChain(
        certificates=chain.certificates[:MOST_CERTIFICATES], host=chain.host, problems=(*chain.problems, problem)
    )


# The name that the client meant


def _host(text: str, chain_at: int | None) -> str | None:
    """The name in the text; with several connections that of the first."""
    commands = list(_COMMAND.finditer(text))
    before = [command for command in commands if chain_at is None or command.start() < chain_at]
    for command in [*before[-1:], *(commands if not before else [])[:1]]:
        name = _name_in_command(command["words"])
        if name:
            return name
    for pattern in (_VERIFIED, _RESOLVED, _CHROME, _FIREFOX):
        match = pattern.search(text)
        name = _as_name(match["name"]) if match else None
        if name:
            return name
    return None


def _name_in_command(line: str) -> str | None:
    words = [word.strip("'\"") for word in line.replace("\\\n", " ").split()]
    options = {word.lstrip("-"): words[place + 1] for place, word in enumerate(words[:-1]) if word.startswith("-")}
    for option in ("verify_hostname", "servername"):
        name = _as_name(options.get(option, ""))
        if name:
            return name
    name = _as_name(options.get("connect") or options.get("host") or "")
    # An address after -connect only says where to connect to.
    return None if name is None or _is_address(name) else name


def _as_name(word: str) -> str | None:
    """A host name out of `name`, `name:port`; None for what is none, such as `$HOST`."""
    name, colon, port = word.partition(":")
    if colon and not port.isdigit():
        return None
    name = name.rstrip(".")
    plain = all(character.isalnum() or character in "-_." for character in name)
    return name if name and plain and len(name) <= _LONGEST_NAME and "*" not in name else None


def _is_address(name: str) -> bool:
    return all(part.isdigit() for part in name.split("."))
