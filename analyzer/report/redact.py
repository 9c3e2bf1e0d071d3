"""The same report without private addresses, host names and serial numbers.

Every private value gets a pseudonym, and the same value the same pseudonym all through the report: in fields,
in sentences, in commands. Addresses become `client-1` and `server-1`, host names `host-1.example` (a name below
a wildcard's domain stays below it, so that a mismatch can still be seen), certificate authorities `ca-1`, files
`capture-1.pcap`. A certificate's digest finds its names in the public Certificate Transparency logs (RFC 9162),
so it gets a pseudonym too. Names, digests and serials of well-known public CAs stay: they tell nothing private,
and the repair needs them. Ports, times, packet numbers and what was negotiated stay.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Any, TypeVar

from analyzer.report.characters import unescaped
from analyzer.report.connections import Connections
from analyzer.report.model import (
    EMBEDDED_SECRETS,
    Capture,
    CertificateInfo,
    CheckReport,
    Configuration,
    Gateway,
    LogLine,
    Logs,
    NamedCertificate,
    Prelude,
    Report,
    Truststore,
)
from analyzer.report.public_authorities import PUBLIC_CAS, PUBLIC_ORGANISATIONS
from analyzer.wireshark.model import SERVER_NAME, Dissector

__all__ = ["Redactor", "redact"]

AnyReport = TypeVar("AnyReport", Report, CheckReport)


def redact(report: AnyReport) -> AnyReport:
    """Put pseudonyms into the report for what is private."""
    return Redactor()(report)


class Redactor:
    """Redacts reports one after the other: what is told beforehand and at the end has the same pseudonyms."""

    def __init__(self) -> None:
        self._names = _Pseudonyms()

    def __call__(self, report: AnyReport) -> AnyReport:
        """See `redact`."""
        self._names.collect(report)
        result: AnyReport = _Walk(self._names).redacted(report)
        return result


_GENERIC = """
    a an and authority ca cert certificate certification client example for gateway global http https
    intermediate internal issuing leaf localhost new of old primary private proxy public root self self-signed
    server signing ssl sub subordinate test the tls unknown web
"""
GENERIC_WORDS = frozenset(_GENERIC.split())
"""A name made of these alone tells nothing, and to replace it would make every sentence unreadable."""

_KEPT = """
    schema format link_types code confidence outcome aborted_by abort_act stage from_ level description cipher
    version offered_versions alpn alpn_offered ja3 ja3s ja4 role key signature profile action chain_source
    versions cipher_suites cipher_suite groups group signature_algorithms requested_signature_algorithms
    requested_certificate_types of started_at not_before not_after first_time last_time first_at last_at at severity
    host_source profiles leg product words match protocols
"""
KEPT = frozenset(_KEPT.split())
"""Fields whose values are words of the contract, registered names, times or fingerprints of software."""

WELL_KNOWN_SOURCES = frozenset({"system", "mozilla", "-", EMBEDDED_SECRETS})
_SUFFIXES = """
    .pcap .pcapng .cap .gz .zst .xz .bz2 .pem .crt .cer .der .p7b .p7c .p12 .pfx .jks .jceks .ks .keys .log .txt
"""
SUFFIXES = frozenset(_SUFFIXES.split())
HOST_LIMIT = 253
"""Characters of the longest DNS name (RFC 1035 section 2.3.4, in text form)."""
PLACES = frozenset({"L", "ST", "STREET", "POSTALCODE"})
KINDS = {"O": "organisation", "OU": "unit"}
ATTRIBUTE_NAMES_KEPT = frozenset({"C", "COUNTRYNAME", "2.5.4.6"})
SHORT = 6
"""A number of fewer digits is not replaced in sentences: it stands for all kinds of things there."""
CHUNK_WORDS = 100
"""Names are looked up in pieces of this many words at the least, so that a name of megabytes costs no more."""

_HOST = re.compile(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)+")
_SAID = re.compile(r"\b(?:EHLO|HELO|LHLO) ([\w.-]+)|(?<![\w.@-])((?:[\w-]{1,63}\.){1,9}[A-Za-z]{2,24})(?![\w.-])")
"""The name by which a mail client greets, and what else looks like a host name."""
_TOKEN = re.compile(
    r"\[[0-9A-Fa-f:.]+(?:%\w+)?\]"  # an address in brackets, as before a port
    r"|(?<!\w)(?:[0-9A-Fa-f]{40,}|(?:[0-9A-Fa-f]{2}:){15,}[0-9A-Fa-f]{2})(?!\w)"  # a digest or a key identifier
    r"|(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,8}[0-9A-Fa-f:.]*[0-9A-Fa-f](?:%\w+)?(?![\w:])"  # like IPv6
    r"|(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?!\w|\.\d)"  # like IPv4
    r"|(?<![\w.-])(?:[\w.+%-]{1,64}@)?(?:\*\.)?[\w-]{1,63}(?:\.[\w-]{1,63})+"  # like a host or an e-mail
)
_IDENTIFIER = re.compile(r"(?:[0-9A-Fa-f]{2}:?){16,}[0-9A-Fa-f]?")
_PEM = re.compile(r"-----BEGIN [^-]*-----.*?(?:-----END [^-]*-----|\Z)", re.DOTALL)
_WORD = re.compile(r"[^\W_]+|[\W_]", re.DOTALL)
_DN_PART = re.compile(r"(?:\\.|[^,+\\])+|[,+\\]", re.DOTALL)
_JOINS_BEFORE = re.compile(r"[\w.*-]\Z")
_JOINS_AFTER = re.compile(r"[\w-]|\.\w")


class _Words:
    """A trie of names, word by word: the longest known name at any place of a text, in one pass."""

    def __init__(self) -> None:
        self._root: dict[str, Any] = {}

    def add(self, name: str, pseudonym: str) -> None:
        words = _WORD.findall(name.lower())
        starts = range(0, max(len(words) - CHUNK_WORDS + 1, 1), CHUNK_WORDS)
        for start in starts:
            node = self._root
            for word in words[start : None if start == starts[-1] else start + CHUNK_WORDS]:
                node = node.setdefault(word, {})
            node.setdefault("", pseudonym)

    def pieces(self, text: str, *, strict: bool) -> Iterator[tuple[str, bool]]:
        """Cut the text in pieces: (as it was, False) or (a pseudonym, True).

        `strict` leaves a name alone that is only a part of what looks like a longer host or file name.
        """
        words = [(match.start(), match.end(), match[0].lower()) for match in _WORD.finditer(text)]
        index = done = 0
        while index < len(words):
            start = words[index][0]
            after, pseudonym = self._longest(words, index)
            if pseudonym is not None:
                end = words[after - 1][1]
                joined = _JOINS_BEFORE.search(text, max(start - 1, 0), start) or _JOINS_AFTER.match(text, end)
                if not (strict and joined):
                    if start > done:
                        yield text[done:start], False
                    yield pseudonym, True
                    index, done = after, end
                    continue
            index += 1
        if done < len(text):
            yield text[done:], False

    def _longest(self, words: list[tuple[int, int, str]], index: int) -> tuple[int, str | None]:
        node, found = self._root, (index, None)
        while index < len(words) and (node := node.get(words[index][2], {})):
            index += 1
            if "" in node:
                found = (index, node[""])
        return found


class _Pseudonyms:
    """What is private in one report, and what stands for it."""

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._numbers: dict[str, int] = {}
        self._private: set[str] = set()
        self._domains: set[str] = set()
        self._suffixes: set[str] = set()
        self._hosts: dict[str, None] = {}
        self._addresses: dict[str, str] = {}
        self._named: dict[str, str] = {}
        self._serials: dict[str, None] = {}
        self._digests: dict[str, None] = {}
        self._public_digests: set[str] = set()
        self._files: dict[str, str] = {}
        self._names = _Words()
        self._all = _Words()
        self._noted: set[CertificateInfo] = set()

    def collect(self, report: Report | CheckReport) -> None:
        """Find what is private, then fill the tries: a pseudonym must not equal a private value."""
        if isinstance(report, CheckReport):
            self._collect_check(report)
        else:
            self._collect_connections(report)
        self._files.pop("", None)
        self._private |= {*self._hosts, *self._addresses, *self._named, *self._serials, *self._digests}
        self._fill()

    def _collect_connections(self, report: Report) -> None:
        for name in report.capture.files:
            self._files.setdefault(name, "capture")
        for connection in report.connections:
            for endpoint, kind in ((connection.client, "client"), (connection.server, "server")):
                self._addresses.setdefault(_address(endpoint), kind)
            for host in (connection.host, connection.tls.sni if connection.tls else None):
                self._note_name(host or "", "host")
            if connection.prelude is not None:
                self._note_prelude(connection.prelude)
            for certificate in (*connection.server_chain, *connection.client_chain):
                self._note_certificate(certificate)
            for line in connection.log_lines:
                self._note_line(line)
        if report.truststore is not None:
            self._note_store(report.truststore)
        if report.repair_kit is not None:
            self._files.setdefault(report.repair_kit.directory, "directory")
        for problem in report.capture.problems:
            self._files.setdefault(problem.source or "", "keylog" if problem.code.endswith("-key-log") else "file")
        if report.configuration is not None:
            self._note_configuration(report.configuration)
        if report.logs is not None:
            self._note_logs(report.logs)
        if report.dissector is not None:
            self._note_dissector(report.dissector)

    def _note_dissector(self, dissector: Dissector) -> None:
        for difference in dissector.differences:
            if difference.field == SERVER_NAME:
                for name in (difference.native, difference.wireshark):
                    self._note_name(name or "", "host")

    def _collect_check(self, report: CheckReport) -> None:
        self._files.setdefault(report.source, "chain")
        self._note_name(report.host or "", "host")
        for certificate in report.chain:
            self._note_certificate(certificate)
        self._note_store(report.truststore)
        for problem in report.problems:
            self._files.setdefault(problem.source or "", "candidate")

    def text(self, text: str) -> str:
        """Replace what is private in a sentence, a command or any other text."""
        return self._replaced(_PEM.sub("[certificate removed]", text))

    def endpoint(self, endpoint: str) -> str:
        """`client-1:52214` for `10.1.2.3:52214`."""
        address, colon, port = endpoint.rpartition(":")
        return f"{self.address(address.strip('[]'))}{colon}{port}" if address else self.text(endpoint)

    def target(self, target: str) -> str:
        """`host-1.example:443` for `api.acme.example:443`; an address is an address."""
        host, colon, port = target.rpartition(":")
        return f"{self.host(host.strip('[]'))}{colon}{port}"

    def address(self, address: str) -> str:
        """`client-1`, `server-1` or `address-1`; loopback and unspecified addresses stay."""
        parsed = _parsed_address(address)
        if parsed is not None and (parsed.is_loopback or parsed.is_unspecified):
            return address
        return self._pseudonym("address", address.lower(), self._addresses.get(address.lower(), "address"))

    def host(self, name: str) -> str:
        """Give a host name's pseudonym; a wildcard stays one, and an address is an address."""
        if _parsed_address(name) is not None:
            return self.address(name)
        if name.startswith("*."):
            return f"*.{self.host(name[2:])}"
        key = name.lower().rstrip(".")
        if key in ("", "localhost"):
            return name
        parent = key.partition(".")[2]
        known = len(key) > HOST_LIMIT or key in self._domains
        if not known and any(item in self._domains for item in _parents(key)):
            return f"{self._pseudonym('host', key, 'host')}.{self.host(parent)}"
        return self._pseudonym("host", key, "host", ".example" if parent else "")

    def alternative_name(self, name: str) -> str:
        """Replace a subject alternative name: a host, an address, or a value after a prefix such as `email:`."""
        prefix, colon, value = name.partition(":")
        if _parsed_address(name) is None and colon and prefix.isalpha():
            return f"{prefix}:{self._name(value, 'name')}"
        return self.host(name)

    def distinguished_name(self, name: str) -> str:
        """Replace the values of an RFC 4514 name, unless all of it is a public CA's; types and countries stay."""
        if _public(name):
            return name
        parts = []
        for part in _DN_PART.findall(name):
            kind, equals, raw = part.partition("=")
            if not equals:
                parts.append(self.text(part))
            elif _kept_attribute(kind.strip().upper(), unescaped(raw)):
                parts.append(part)
            else:
                parts.append(f"{kind}={self._attribute_value(kind.strip().upper(), unescaped(raw))}")
        return "".join(parts)

    def serial(self, serial: str) -> str:
        """Give a serial's pseudonym, hex like the serial itself."""
        return self._numbered_hex("serial", serial, 8) if serial in self._serials else serial

    def digest(self, digest: str) -> str:
        """Give a digest's pseudonym: 64 hex digits, told apart by the first 16."""
        return self._numbered_hex("digest", digest, 16).ljust(64, "0") if digest in self._digests else digest

    def file(self, name: str) -> str:
        """`capture-1.pcap` for a capture, `store-1.jks (alias …)` for what lies in a store."""
        kind = self._files.get(name)
        if kind is None:
            return self.text(name)
        path, bracket, rest = name.partition(" (")
        if path in WELL_KNOWN_SOURCES:
            return name
        suffix = "".join(item for item in PurePosixPath(path).suffixes[-2:] if item.lower() in SUFFIXES)
        return self._pseudonym("file", path, kind, suffix) + (self.text(f"{bracket}{rest}") if bracket else "")

    def _note_store(self, store: Truststore) -> None:
        for source in store.sources:
            self._files.setdefault(source, "store")
        for problem in store.problems:
            self._files.setdefault(problem.source or "", "store")
        for entry in store.entries:
            self._note_certificate(entry.certificate)
            self._files.setdefault(entry.source, "store")
        for named in store.named:
            self._files.setdefault(named.source, "store")
            self._note_words(named)

    def _note_logs(self, logs: Logs) -> None:
        for source in (*logs.sources, *(problem.source or "" for problem in logs.problems)):
            self._files.setdefault(source, "log")
        for line in logs.unmatched:
            self._note_line(line)

    def _note_line(self, line: LogLine) -> None:
        self._files.setdefault(line.source, "log")
        if line.id:
            self._named.setdefault(line.id.lower(), "message")

    def message(self, number: str) -> str:
        """`message-1` for a message id."""
        return self._pseudonym("name", number.lower(), "message")

    def _note_prelude(self, prelude: Prelude) -> None:
        for endpoint, kind in ((prelude.client, "client"), (prelude.server, "server")):
            if endpoint:
                self._addresses.setdefault(_address(endpoint), kind)
        for name in (_address(prelude.target or ""), prelude.authority, prelude.domain):
            self._note_name(name or "", "host")
        for step in prelude.steps:
            for match in _SAID.finditer(step.text):
                self._note_name(match[1] or match[2], "host")

    def _note_words(self, named: NamedCertificate) -> None:
        for name in (named.subject, named.issuer):
            for kind, value in [] if _public(name) else _attributes(name):
                self._note_attribute(kind, value, ca=True)
        if not _public(named.subject):
            self._note_name(named.label, "name")
            for value, kept in ((named.serial, self._serials), (named.sha256, self._digests)):
                if value:
                    kept.setdefault(value)

    def _note_configuration(self, configuration: Configuration) -> None:
        for source in (*configuration.sources, *(problem.source or "" for problem in configuration.problems)):
            self._files.setdefault(source, "configuration")
        for target in configuration.targets:
            self._note_name(target.name, "target")
            for name in (target.server_name, target.checked_name, *map(_address, target.endpoints)):
                self._note_name(name or "", "host")
            for store in target.stores:
                self._files.setdefault(store, "store")

    def _note_certificate(self, certificate: CertificateInfo) -> None:
        if certificate in self._noted:
            return
        self._noted.add(certificate)
        if _public(certificate.subject) and _public(certificate.issuer):
            self._public_digests.add(certificate.sha256)
            return
        self._digests.setdefault(certificate.sha256)
        if certificate.serial:
            self._serials.setdefault(certificate.serial)
        is_ca = certificate.role in ("intermediate", "root")
        for name, ca in ((certificate.subject, is_ca), (certificate.issuer, True)):
            if _public(name):
                continue
            for kind, value in _attributes(name):
                self._note_attribute(kind, value, ca=ca)
        for name in certificate.names:
            prefix, colon, value = name.partition(":")
            if _parsed_address(name) is None and colon and prefix.isalpha():
                self._note_name(value, "name")
            else:
                self._note_name(name, "host")

    def _note_attribute(self, kind: str, value: str, *, ca: bool) -> None:
        if _kept_attribute(kind, value):
            return
        if kind == "CN":
            self._note_name(value, "ca" if ca else "name")
        else:
            self._note_name(value, "place" if kind in PLACES else KINDS.get(kind, "value"))

    def _note_name(self, value: str, kind: str) -> None:
        value = value.strip()
        if not value or (kind != "host" and _generic(value.lower())):
            return
        if _parsed_address(value) is not None:
            self._addresses.setdefault(value.lower(), "address")
        elif kind == "host" or _HOST.fullmatch(value):
            name = value.lower().rstrip(".")
            if name.startswith("*."):
                self._domains.add(name[2:])
            name = name.removeprefix("*.")
            self._hosts.setdefault(name)
            if "." in name:
                self._suffixes.add(".".join(name.split(".")[-2:]))
        else:
            self._named.setdefault(value.lower(), kind)

    def _fill(self) -> None:
        for name, kind in self._named.items():
            pseudonym = self._pseudonym("name", name, kind)
            for form in _spellings(name):
                self._names.add(form, pseudonym)
                self._all.add(form, pseudonym)
        for name in self._files:
            path = name.partition(" (")[0]
            for form in (path, PurePosixPath(path).name):
                if _telling(form) and len(form) > 1 and not _generic(form.lower()):
                    self._names.add(form, self.file(name).partition(" (")[0])
                    self._all.add(form, self.file(name).partition(" (")[0])
        for serial in self._serials:
            for form in _serial_spellings(serial):
                self._all.add(form, self.serial(serial))
                self._names.add(form, self.serial(serial))
        for digest in self._digests:
            self._all.add(digest[:16], self.digest(digest)[:16])
        for host in self._hosts:
            if _telling(host) and ("." in host or not _generic(host)):
                self._all.add(host, self.host(host))
        for address in self._addresses:
            self._all.add(address, self.address(address))

    def _replaced(self, text: str) -> str:
        result = []
        for piece, final in self._names.pieces(text, strict=True):
            result.append(piece if final else self._tokens_replaced(piece))
        return "".join(result)

    def _tokens_replaced(self, text: str) -> str:
        result, done = [], 0
        for match in _TOKEN.finditer(text):
            stand_in = self._token(match[0])
            if stand_in is not None:
                result += [self._rest_replaced(text[done : match.start()]), stand_in]
                done = match.end()
        return "".join([*result, self._rest_replaced(text[done:])])

    def _token(self, token: str) -> str | None:
        if _IDENTIFIER.fullmatch(token):
            return self._identifier(token, token.lower().replace(":", ""))
        bare = token.strip("[]")
        if _parsed_address(bare) is not None:
            if re.match(r"2\.5\.(4|29)\.", token) and token not in self._addresses:
                return None  # an object identifier of X.509, not an address
            return self.address(bare)
        name = token.lower().rpartition("@")[2]
        host = name.removeprefix("*.")
        if host in self._hosts or ".".join(host.rsplit(".", 2)[-2:]) in self._suffixes:
            return self._name(token, "name") if "@" in token else self.host(token)
        return None

    def _identifier(self, token: str, digits: str) -> str:
        if digits in self._public_digests:
            return token
        if digits in self._digests:
            return self.digest(digits)
        return self._pseudonym("identifier", digits, "identifier")

    def _rest_replaced(self, text: str) -> str:
        return "".join(piece for piece, _ in self._all.pieces(text, strict=False))

    def _attribute_value(self, kind: str, value: str) -> str:
        return self._name(value, "place" if kind in PLACES else KINDS.get(kind, "value"))

    def _name(self, value: str, kind: str) -> str:
        value = value.strip()
        key = value.lower()
        if key in self._hosts or _parsed_address(value) is not None or _HOST.fullmatch(value):
            return self.host(value)
        if not value or _generic(key):
            return value
        return self._pseudonym("name", key, self._named.get(key, kind))

    def _pseudonym(self, space: str, value: str, kind: str, suffix: str = "") -> str:
        key = (space, value)
        while key not in self._given:
            number = self._numbers[kind] = self._numbers.get(kind, 0) + 1
            candidate = f"{kind}-{number}"
            if f"{candidate}{suffix}" not in self._private and candidate not in self._private:
                self._given[key] = f"{candidate}{suffix}"
        return self._given[key]

    def _numbered_hex(self, space: str, value: str, digits: int) -> str:
        key = (space, value)
        while key not in self._given:
            number = self._numbers[space] = self._numbers.get(space, 0) + 1
            candidate = f"{number:0{digits}x}"
            if candidate not in self._private:
                self._given[key] = candidate
        return self._given[key]


class _Walk:
    """Goes through a report and replaces field by field; equal strings and certificates are worked out once."""

    def __init__(self, names: _Pseudonyms) -> None:
        digest, endpoint, name = (_once(change) for change in (names.digest, names.endpoint, names.distinguished_name))
        host, file = _once(names.host), _once(names.file)
        self._text = _once(names.text)
        self._file = file
        self._changes: dict[str, Callable[[str], str]] = {
            **dict.fromkeys(("sha256", "certificate", "path"), digest),
            **dict.fromkeys(("client", "server", "servers"), endpoint),
            **dict.fromkeys(("subject", "issuer"), name),
            **dict.fromkeys(("sni", "host", "hosts", "authority", "domain"), host),
            "target": _once(names.target),
            **dict.fromkeys(("source", "sources", "directory"), file),
            "certificates": digest,
            **dict.fromkeys(KEPT, str),
            "names": _once(names.alternative_name),
            "serial": names.serial,
            "message_id": names.message,
        }
        self._plans: dict[type, list[tuple[str, Callable[[str], str]]]] = {}
        self._certificates: dict[CertificateInfo, CertificateInfo] = {}

    def redacted(self, value: Any, change: Callable[[str], str] = str) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, (tuple, Connections)):
            return tuple([self.redacted(item, change) for item in value])
        if not dataclasses.is_dataclass(value) or isinstance(value, Gateway):
            return value
        if isinstance(value, LogLine):
            # A line holds anything; what is kept are the words by which it was understood.
            value = dataclasses.replace(value, text=" … ".join(value.words) or "[removed]")
        if not isinstance(value, CertificateInfo):
            return self._fields_redacted(value)
        known = self._certificates.get(value)
        if known is None:
            known = self._certificates[value] = self._fields_redacted(value)
        return known

    def _fields_redacted(self, value: Any) -> Any:
        kind = type(value)
        plan = self._plans.get(kind) or self._plans.setdefault(kind, self._plan(kind))
        return kind(**{name: self.redacted(getattr(value, name), change) for name, change in plan})

    def _plan(self, kind: type) -> list[tuple[str, Callable[[str], str]]]:
        """How the strings of each field are redacted; a field that is not known is text."""
        names = [item.name for item in dataclasses.fields(kind)]
        renamed = {"id": "message_id"} if kind is LogLine else {}
        plan = [(name, self._changes.get(renamed.get(name, name), self._text)) for name in names]
        return [(name, self._file if kind is Capture and name == "files" else change) for name, change in plan]


def _once(change: Callable[[str], str]) -> Callable[[str], str]:
    """Remember the results of a replacement for as long as the walk lasts."""
    done: dict[str, str] = {}

    def remembered(value: str) -> str:
        known = done.get(value)
        if known is None:
            known = done[value] = change(value)
        return known

    return remembered


def _address(endpoint: str) -> str:
    return (endpoint.rpartition(":")[0].strip("[]") or endpoint).lower()


@lru_cache(maxsize=4096)
def _parsed_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _parents(host: str) -> Iterator[str]:
    while "." in host:
        host = host.partition(".")[2]
        yield host


def _generic(value: str) -> bool:
    return all(word in GENERIC_WORDS for word in re.split(r"[\s._-]+", value) if word) or value in GENERIC_WORDS


@lru_cache(maxsize=4096)
def _public(name: str) -> bool:
    """Whether all of an RFC 4514 name is a well-known CA's."""
    attributes = _attributes(name)
    organisations = [value for kind, value in attributes if kind == "O"]
    common_names = [value.lower() for kind, value in attributes if kind == "CN"]
    return (
        bool(common_names)
        and all(value in PUBLIC_CAS for value in common_names)
        and bool(organisations)
        and all(PUBLIC_ORGANISATIONS.fullmatch(value) for value in organisations)
    )


def _attributes(name: str) -> list[tuple[str, str]]:
    """Read an RFC 4514 name as pairs of attribute type, in capitals, and value."""
    pairs = [part.partition("=") for part in _DN_PART.findall(name)]
    return [(kind.strip().upper(), unescaped(raw)) for kind, equals, raw in pairs if equals]


def _kept_attribute(kind: str, value: str) -> bool:
    return kind in ATTRIBUTE_NAMES_KEPT or (kind == "O" and PUBLIC_ORGANISATIONS.fullmatch(value) is not None)


def _spellings(name: str) -> set[str]:
    """List the forms in which a name turns up in sentences, in RFC 4514 names, and in file names."""
    words = [word for word in re.split(r"[\W_]+", name) if word]
    escaped = re.sub(r'([,+"\\<>;=])', r"\\\1", name)
    forms = {name, escaped}
    if len(words) > 1:
        forms |= {"-".join(words), "_".join(words), ".".join(words)}
    if len("".join(words)) > SHORT:
        forms.add("".join(words))
    return {form for form in forms if _telling(form)}


def _telling(form: str) -> bool:
    """Tell whether a text can be looked for in sentences: it has letters, or is a long number."""
    return any(map(str.isalpha, form)) or sum(map(str.isdigit, form)) >= SHORT


def _serial_spellings(serial: str) -> set[str]:
    """Hex, with colons, and decimal. A short one is a number like any other, and identifies nothing."""
    digits = serial.lstrip("-0")
    if len(digits) < SHORT:
        return set()
    even = digits if len(digits) % 2 == 0 else f"0{digits}"
    colons = ":".join(even[index : index + 2] for index in range(0, len(even), 2))
    forms = {serial, digits, even, colons, f"00:{colons}"}
    return forms | {str(int(digits, 16))} if len(digits) <= 64 else forms
