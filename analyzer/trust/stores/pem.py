r"""PEM (RFC 7468) and any text that holds it: a bundle, `openssl s_client -showcerts`, a web page.

Text around the blocks is passed over, but a name that openssl or keytool wrote above a block becomes its
alias. Faults of copying (blocks run together, dashes lost, line breaks turned into `\n`, UTF-16) are read all
the same and told, because the gateway's own reader may well refuse them. What a block holds is decided by its
bytes; the label only names the blocks that are no certificates.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.errors import WireError
from analyzer.trust.der import OID, SEQUENCE
from analyzer.trust.stores import MOST_PROBLEMS, Contents, Format, Found, Kind, Purpose, Trouble, format_of, printable
from analyzer.trust.stores._ber import children, element, object_identifier
from analyzer.trust.stores._certificate import collect
from analyzer.trust.stores.keys_and_requests import named

__all__ = ["FORMAT"]

# Every quantifier is bounded: a file of nothing but dashes must not cost more than one pass. Three dashes in the clear
# are what `re` skips to; `-{3,5}` is tried at each character.
_LINE: Final = re.compile(r"(----{0,2}) ?(BEGIN|END) ([A-Z0-9][A-Z0-9 #._/]{0,60}?) ?(-{3,5})")
_NAME: Final = re.compile(r"^[ \t]{0,16}(?:friendlyName|Alias name): ?(.{1,400})$", re.MULTILINE)
_HEADER: Final = re.compile(r"[A-Za-z0-9-]{1,64}: ")
_CERTIFICATE_LABELS: Final = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_STORE_LABELS: Final = ("PKCS7", "PKCS #7 SIGNED DATA", "CMS", "PKCS12")
_REQUEST_LABELS: Final = ("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST")

_REJECT: Final = 0xA0
_UTF8_STRING: Final = 0x0C
_ANY_PURPOSE: Final = "2.5.29.37.0"
_PURPOSES: Final[dict[Purpose, str]] = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2"}


def _recognise(data: bytes) -> bool:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _LINE.search(_text(data)) is not None
    return b"BEGIN " in data and b"\0" not in data and _LINE.search(_text(data)) is not None


def _read(data: bytes, password: str | None) -> Contents:
    text = _text(data)
    entries: list[Found] = []
    problems: list[Trouble] = []
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        problems.append(
            Trouble(
                code="damaged-armor",
                text=("is written in UTF-16 (PowerShell's `>`), which OpenSSL does not read; save it as plain ASCII"),
                severity="warning",
            )
        )
    for piece in _pieces(text):
        if len(problems) >= MOST_PROBLEMS:
            problems.append(Trouble(code="damaged-store", text="reading ended here: too many damaged blocks"))
            break
        if isinstance(piece, Trouble):
            problems.append(piece)
            continue
        contents = _read_block(piece, password)
        entries.extend(contents.entries)
        problems.extend(contents.problems)
    return Contents(entries=tuple(entries), problems=tuple(problems))


def _text(data: bytes) -> str:
    if data[:2] == b"\xff\xfe":
        return data[2:].decode("utf-16-le", "replace")
    if data[:2] == b"\xfe\xff":
        return data[2:].decode("utf-16-be", "replace")
    return data.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """`where` names the block for people; `faults` are those of its BEGIN and END lines."""

    label: str
    body: str
    where: str
    alias: str | None
    faults: tuple[str, ...]


def _pieces(text: str) -> Iterator[_Block | Trouble]:
    """The blocks in order, and what is wrong between them."""
    opened: re.Match[str] | None = None
    line = number = counted = after = 0
    where = before = ""
    faults: tuple[str, ...] = ()
    for mark in _LINE.finditer(text):
        line += text.count("\n", counted, mark.start())
        counted = mark.start()
        if mark[2] == "BEGIN":
            if opened is not None:
                yield _cut(where)
            number += 1
            where = f"block {number} ({printable(mark[3].strip(), 40)}, line {line + 1})"
            glued = number > 1 and mark.start() == after
            faults = ("follows the block before it without a line break",) if glued else ()
            opened, before = mark, text[after : mark.start()]
        elif opened is None:
            yield Trouble(code="truncated", text=f"line {line + 1} ends a block that never began; copy the file again")
        else:
            if mark[3] != opened[3]:
                faults += (f"ends as {printable(mark[3], 40)}",)
            if len(opened[1] + opened[4] + mark[1] + mark[4]) != 20:
                faults += ("has lost some of the five dashes around BEGIN or END",)
            names = _NAME.findall(before)
            alias = printable(names[-1].strip()) if names else None
            body = text[opened.end() : mark.start()]
            yield _Block(label=opened[3].strip(), body=body, where=where, alias=alias, faults=faults)
            opened = None
        after = mark.end()
    if opened is not None:
        yield _cut(where)


def _cut(where: str) -> Trouble:
    return Trouble(code="truncated", text=f"{where} has no END line: the text was cut; copy it again as a whole")


def _read_block(block: _Block, password: str | None) -> Contents:
    known = _named_by_label(block)
    if known:
        return Contents(problems=(known,))
    faults = list(block.faults)
    body, fault = _decode(block.body)
    faults.extend(fault)
    if body is None:
        text = f"{block.where} is not whole base64: a character was changed or lost; get the certificate again"
        return Contents(problems=(Trouble(code="damaged-certificate", text=text),))
    contents = _read_bytes(block, body, password)
    if faults and contents.entries:
        text = f"{block.where} {'; '.join(faults)}. It was read all the same, but OpenSSL and Java may refuse it"
        told = Trouble(code="damaged-armor", text=text, severity="warning")
        contents = Contents(entries=contents.entries, problems=(*contents.problems, told))
    return contents


def _named_by_label(block: _Block) -> Trouble | None:
    label = block.label.upper()
    if label.endswith("PRIVATE KEY"):
        return named("private-key", block.where)
    if label.endswith("PUBLIC KEY"):
        return named("public-key", block.where)
    if label in _REQUEST_LABELS:
        return named("certificate-request", block.where)
    if label == "X509 CRL":
        return named("crl", block.where)
    if label.endswith("PARAMETERS") or label.startswith(("PGP ", "SSH2 ")) or label == "ATTRIBUTE CERTIFICATE":
        return Trouble(code="other-content", text=f"{block.where} is no X.509 certificate and is not used")
    return None


def _decode(body: str) -> tuple[bytes | None, tuple[str, ...]]:
    """The bytes of a block's body, or None; and what had to be overlooked to get them."""
    faults: tuple[str, ...] = ()
    if "\\n" in body or "\\r" in body:
        body = body.replace("\\r", "").replace("\\n", "\n")
        faults = ("has its line breaks written as \\n",)
    lines = [line.strip() for line in body.strip("- \t\r\n").splitlines()]
    if lines and _HEADER.match(lines[0]):
        blank = lines.index("") if "" in lines else len(lines)
        lines = lines[blank:]
    joined = "".join("".join(lines).split())
    if len(joined) % 4 and "=" not in joined:
        joined += "=" * (-len(joined) % 4)
        faults += ("lacks the = signs at its end",)
    try:
        return base64.b64decode(joined, validate=True), faults
    except (binascii.Error, ValueError):
        return None, faults


def _read_bytes(block: _Block, body: bytes, password: str | None) -> Contents:
    found = collect(body, block.where, block.alias)
    if isinstance(found, Trouble):
        return _read_other(block, body, password, found)
    extra = body[len(found.der) :]
    if not extra:
        return Contents(entries=(found,))
    if block.label == "TRUSTED CERTIFICATE":
        return _read_trusted(block, found.der, extra)
    text = f"{block.where} has {len(extra)} bytes after the certificate, which were not used"
    return _with(found, Trouble(code="trailing-bytes", text=text, severity="warning"))


def _read_other(block: _Block, body: bytes, password: str | None, trouble: Trouble) -> Contents:
    """What is no certificate, for the reason `trouble`."""
    kind = format_of(body)
    if kind is not None and kind.name != FORMAT.name:
        contents = kind.read(body, password)
        problems = tuple(
            Trouble(code=item.code, text=f"{block.where}: {item.text}", severity=item.severity)
            for item in contents.problems
        )
        if block.label in _CERTIFICATE_LABELS and contents.entries:
            text = f"{block.where} is labelled a certificate and is a {kind.name} file (certutil -encode makes such)"
            problems += (Trouble(code="damaged-armor", text=text, severity="warning"),)
        return Contents(entries=contents.entries, problems=problems)
    if kind is None and block.label in _STORE_LABELS:
        text = f"{block.where} is damaged; get it again from its owner"
        return Contents(problems=(Trouble(code="damaged-store", text=text),))
    if kind is None and block.label not in _CERTIFICATE_LABELS:
        text = f"{block.where} is of a kind that is not known here and is not used"
        return Contents(problems=(Trouble(code="other-content", text=text),))
    if not body:
        text = f"{block.where} is empty; put the certificate back between its BEGIN and END lines"
        return Contents(problems=(Trouble(code="truncated", text=text),))
    return Contents(problems=(trouble,))


def _read_trusted(block: _Block, der: bytes, settings: bytes) -> Contents:
    """OpenSSL's X509_CERT_AUX behind the certificate: what it is trusted for, rejected for, and its name.

    SEQUENCE { trust SEQUENCE OF OID OPTIONAL, reject [0] SEQUENCE OF OID OPTIONAL, alias UTF8String OPTIONAL,
    ... }
    """
    trusted: tuple[str, ...] | None = None
    rejected: tuple[str, ...] = ()
    alias = block.alias
    try:
        for item in children(settings, element(settings)):
            if item.tag in (SEQUENCE, _REJECT):
                purposes = tuple(
                    object_identifier(settings, purpose) for purpose in children(settings, item) if purpose.tag == OID
                )
                if item.tag == SEQUENCE:
                    trusted = purposes
                else:
                    rejected = purposes
            elif item.tag == _UTF8_STRING:
                alias = printable(settings[item.body : item.stop].decode("utf-8", "replace"))
    except WireError as error:
        text = f"{block.where} carries damaged trust settings ({error}); they were not used"
        problem = Trouble(code="trailing-bytes", text=text, severity="warning")
        return _with(collect(der, block.where, alias), problem)
    kept = frozenset(
        purpose
        for purpose, identifier in _PURPOSES.items()
        if (trusted is None or {identifier, _ANY_PURPOSE} & {*trusted}) and not {identifier, _ANY_PURPOSE} & {*rejected}
    )
    kind: Kind = "trusted-certificate" if trusted is not None else "certificate"
    found = collect(der, block.where, alias, kind)
    return _with(found if isinstance(found, Trouble) else replace(found, purposes=kept))


def _with(found: Found | Trouble, *problems: Trouble) -> Contents:
    if isinstance(found, Trouble):
        return Contents(problems=(found,))
    return Contents(entries=(found,), problems=problems)


FORMAT = Format(name="PEM", recognise=_recognise, read=_read)
