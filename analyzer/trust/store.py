"""Reading trust stores: files and directories of any mix of formats, `system` and `mozilla`.

The formats are in `stores/`, one module each; this module opens files and nothing else of the trust stage
does. Nothing raises: what cannot be read is a `StoreProblem` with its path, its reason and what to do.

Codes of problems
    the file      missing-file, unreadable-file, too-large, too-many-files, missing-system-store,
                  mozilla-not-installed, files-skipped
    its kind      not-a-store, unsupported-format, empty, private-key, public-key, certificate-request, crl,
                  other-content
    its bytes     truncated, damaged-certificate, damaged-store, damaged-armor, trailing-bytes, several-in-der
    its password  wrong-password, password-needed, password-not-needed, integrity-not-checked, too-costly,
                  unsupported-encryption
    its contents  duplicate, unsupported-entry, secret-key, distrusted-certificate,
                  not-trusted-by-java, metadata-only, not-embedded, more-problems
"""

from __future__ import annotations

import dataclasses
import importlib
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import field
from pathlib import Path
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.trust.stores import Contents, Kind, Named, Purpose, Severity, Trouble, format_of, printable
from analyzer.trust.stores._unknown import by_first_bytes, describe

__all__ = ["NamedEntry", "StoreEntry", "StoreProblem", "TrustStore", "read_stores", "store_of", "together"]

MOST_BYTES: Final = 32 << 20
"""Of one file. The list of all public intermediates, the largest store in use, has about 20 MB."""

MOST_FILES: Final = 10_000
"""In one directory and all below it."""

_HASH_LINK: Final = re.compile(r"[0-9a-f]{8}\.r?[0-9]{1,3}")
_MOST_PROBLEMS: Final = 50
_EXAMPLES: Final = 3

SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL 7 and later
    "/etc/pki/tls/certs/ca-bundle.crt",  # RHEL 6
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, macOS, OpenBSD, FreeBSD
    "/usr/local/share/certs/ca-root-nss.crt",  # FreeBSD
    "/usr/local/etc/ssl/cert.pem",  # DragonFly
    "/etc/openssl/certs/ca-certificates.crt",  # NetBSD
    "/etc/certs/ca-certificates.crt",  # Solaris, illumos
)

# What commonly lies beside certificates, in one directory or one file: no cause for alarm there.
_NEIGHBOURS: Final = frozenset(
    {"private-key", "public-key", "certificate-request", "crl", "other-content", "not-a-store", "empty"}
)
_BACKUP_ENDS: Final = (
    "~",
    ".swp",
    ".swo",
    ".bak",
    ".orig",
    ".tmp",
    ".dpkg-old",
    ".dpkg-dist",
    ".rpmsave",
    ".rpmnew",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEntry:
    """A certificate of a store: DER, the path of its file, its alias where it has one.

    `kind`: `trusted-certificate` is marked as trusted by its format (JKS, Java's PKCS#12, OpenSSL's TRUSTED
    CERTIFICATE), `private-key-entry` belongs to a private key in the store, `certificate` carries no mark,
    `intermediate` may be used for a path and is no anchor.
    `chain_index`: place in the chain of a private-key entry, 0 for the key's own certificate (the only one of
    the chain that Java takes for an anchor); 0 for the other kinds. `source` and `alias` are safe to print.
    """

    der: bytes
    source: str
    alias: str | None
    kind: Kind
    chain_index: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedEntry(Named):
    """A certificate that a store holds and of which only words are known. `source` as in `StoreEntry`."""

    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreProblem:
    """What is wrong with a store. `source` is the path of the file, or the word or path that the user gave.

    `severity`: `error` means that something the user meant to be used could not be read or trusted, `warning`
    that it was used and a gateway may not, `note` that nothing is lost.
    """

    code: str
    text: str
    source: str
    severity: Severity = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """All stores together: `sources` as the user gave them, `entries` and `named` as read, duplicates kept."""

    sources: tuple[str, ...]
    entries: tuple[StoreEntry, ...]
    problems: tuple[StoreProblem, ...]
    named: tuple[NamedEntry, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether there is any certificate at all, if only by its name."""
        return bool(self.entries or self.named)

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The different certificates (DER), in order of first appearance."""
        return tuple(dict.fromkeys(entry.der for entry in self.entries))

    @property
    def anchors(self) -> tuple[bytes, ...]:
        """Those of them that the product takes for trusted."""
        return tuple(dict.fromkeys(entry.der for entry in self.entries if entry.kind != "intermediate"))

    @property
    def intermediates(self) -> tuple[bytes, ...]:
        """Those that it uses for a path only."""
        return tuple(dict.fromkeys(entry.der for entry in self.entries if entry.kind == "intermediate"))


def read_stores(paths: Sequence[str | Path], password: str | None = None, *, purpose: Purpose = "server") -> TrustStore:
    """Read every store of `paths` with `password`.

    A path is a file, a directory (read with all below it, in the order of names; a file that is reached
    twice, as through the links of an OpenSSL hash directory, counts once), the word `system` (this machine's
    bundle) or the word `mozilla` (the package `certifi`, where installed). A file of one of these names is
    `./system`.

    `purpose`: whose certificates the store is to vouch for. What OpenSSL's trust settings in a `TRUSTED
    CERTIFICATE` deny it is left out, and told.
    """
    reading = _Reading(password=password, purpose=purpose)
    for path in paths:
        match path:
            case "system":
                _read_system(reading)
            case "mozilla":
                _read_mozilla(reading)
            case _:
                _read_path(Path(path), reading)
    return _store(reading, [_shown(path) for path in paths])


def store_of(contents: Sequence[tuple[str, Contents]], *, purpose: Purpose = "server") -> TrustStore:
    """What was read out of something else than a store, a configuration for one; each part with its source."""
    reading = _Reading(password=None, purpose=purpose)
    for source, part in contents:
        _take(part, source, reading, alone=True)
    return _store(reading, list(dict.fromkeys(_shown(source) for source, _ in contents)))


def together(stores: Sequence[TrustStore]) -> TrustStore:
    """Several stores as one."""
    entries = tuple(entry for store in stores for entry in store.entries)
    told = [problem for store in stores for problem in store.problems if problem.code != "duplicate"]
    return TrustStore(
        sources=tuple(dict.fromkeys(source for store in stores for source in store.sources)),
        entries=entries,
        problems=(*told, *duplicates(entries)),
        named=tuple(entry for store in stores for entry in store.named),
    )


def duplicates(entries: Sequence[StoreEntry]) -> tuple[StoreProblem, ...]:
    """One problem that tells of all certificates that occur more than once; none where all differ."""
    first: dict[bytes, StoreEntry] = {}
    again: dict[bytes, StoreEntry] = {}
    for entry in entries:
        if first.setdefault(entry.der, entry) is not entry:
            again.setdefault(entry.der, entry)
    if not again:
        return ()
    examples = []
    for der, entry in list(again.items())[:_EXAMPLES]:
        name, other = _place(first[der]), _place(entry)
        examples.append(f"twice in {name}" if name == other else f"in {name} and in {other}")
    more = f", and {len(again) - len(examples)} more" if len(again) > len(examples) else ""
    count = "a certificate occurs" if len(again) == 1 else f"{len(again)} certificates occur"
    text = f"{count} more than once ({'; '.join(examples)}{more}); that does no harm"
    return (StoreProblem(code="duplicate", text=text, source=next(iter(again.values())).source, severity="note"),)


@dataclass(slots=True, kw_only=True)
class _Reading:
    password: str | None
    purpose: Purpose
    entries: list[StoreEntry] = field(default_factory=list)
    named: list[NamedEntry] = field(default_factory=list)
    problems: list[StoreProblem] = field(default_factory=list)
    seen: set[tuple[int, int]] = field(default_factory=set)

    def tell(self, source: str | Path, code: str, text: str, severity: Severity = "error") -> None:
        self.problems.append(StoreProblem(code=code, text=text, source=_shown(source), severity=severity))


def _store(reading: _Reading, sources: Sequence[str]) -> TrustStore:
    entries = tuple(reading.entries)
    return TrustStore(
        sources=tuple(sources),
        entries=entries,
        problems=(*reading.problems, *duplicates(entries)),
        named=tuple(reading.named),
    )


def _read_system(reading: _Reading) -> None:
    bundle = next((path for path in map(Path, SYSTEM_BUNDLES) if path.is_file()), None)
    if bundle is None:
        text = (
            "this machine has no bundle of CA certificates in the usual places; install ca-certificates, or give a path"
        )
        reading.tell("system", "missing-system-store", text)
        return
    _read_path(bundle, reading)


def _read_mozilla(reading: _Reading) -> None:
    try:
        bundle = importlib.import_module("certifi").where()
    except ImportError:
        text = "Mozilla's roots come with the package certifi, which is not installed: pip install certifi"
        reading.tell("mozilla", "mozilla-not-installed", text)
    else:
        _read_path(Path(bundle), reading)


def _read_path(path: Path, reading: _Reading) -> None:
    try:
        status = path.stat()
    except FileNotFoundError:
        text = "there is no such file or directory"
        if path.is_symlink():
            text = f"is a link to {_shown(path.readlink())}, which does not exist"
        reading.tell(path, "missing-file", text)
    except (OSError, ValueError) as error:
        reading.tell(path, "unreadable-file", _reason(error))
    else:
        if stat.S_ISDIR(status.st_mode):
            _read_directory(path, reading)
        else:
            _read_file(path, status, reading, alone=True)


def _read_directory(top: Path, reading: _Reading) -> None:
    before, told = len(reading.entries) + len(reading.named), len(reading.problems)
    skipped: list[str] = []
    files = repeated = 0
    for path, status in _walk(top, reading, skipped):
        files += 1
        if files > MOST_FILES:
            text = (
                f"holds more than {MOST_FILES} files, and the rest was not read; name a directory of certificates only"
            )
            reading.tell(top, "too-many-files", text)
            break
        repeated += (status.st_dev, status.st_ino) in reading.seen
        _read_file(path, status, reading, alone=False)
    if skipped:
        more = f" and {len(skipped) - _EXAMPLES} more" if len(skipped) > _EXAMPLES else ""
        text = f"hidden, backup and special files were not read: {', '.join(skipped[:_EXAMPLES])}{more}"
        reading.tell(top, "files-skipped", text, "note")
    told_why = any(problem.severity != "note" for problem in reading.problems[told:])
    if len(reading.entries) + len(reading.named) == before and not told_why and not repeated:
        text = "no file in this directory holds a certificate" if files else "the directory is empty"
        reading.tell(top, "empty", text)


def _walk(top: Path, reading: _Reading, skipped: list[str]) -> Iterator[tuple[Path, os.stat_result]]:
    """The regular files below `top` by name, each real directory once, so that links in a circle end."""
    waiting = [top]
    visited: set[tuple[int, int]] = set()
    while waiting:
        folder = waiting.pop()
        try:
            status = folder.stat()
            if (status.st_dev, status.st_ino) in visited:
                continue
            visited.add((status.st_dev, status.st_ino))
            paths = sorted(folder.iterdir(), key=_reading_order)
        except OSError as error:
            reading.tell(folder, "unreadable-file", _reason(error))
            continue
        below: list[Path] = []
        for path in paths:
            name = path.name
            if name.startswith((".", "#")) or name.endswith(_BACKUP_ENDS):
                skipped.append(_shown(name))
                continue
            try:
                status = path.stat()
            except OSError as error:
                text = _reason(error)
                if isinstance(error, FileNotFoundError):
                    text = "is a link to a file that does not exist"
                reading.tell(path, "unreadable-file", text)
                continue
            if stat.S_ISDIR(status.st_mode):
                below.append(path)
            elif stat.S_ISREG(status.st_mode):
                yield path, status
            else:
                skipped.append(_shown(name))
        waiting.extend(reversed(below))


def _reading_order(path: Path) -> tuple[bool, str]:
    """By name, but the hash links of an OpenSSL directory last: the file they lead to has the better name."""
    return _HASH_LINK.fullmatch(path.name) is not None, path.name


def _read_file(path: Path, status: os.stat_result, reading: _Reading, *, alone: bool) -> None:
    """One file. `alone`: the user named it, so that it must hold certificates."""
    if stat.S_ISREG(status.st_mode):
        if (status.st_dev, status.st_ino) in reading.seen:
            return
        reading.seen.add((status.st_dev, status.st_ino))
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        reading.tell(path, "unreadable-file", _reason(error))
        return
    if len(data) > MOST_BYTES:
        text = f"has more than {MOST_BYTES >> 20} MiB, which no trust store has; give the CA certificates only"
        large = Trouble(code="too-large", text=text, severity="error" if alone else "warning")
        contents = Contents(problems=(by_first_bytes(data) or large,))
    else:
        known = format_of(data)
        contents = known.read(data, reading.password) if known else Contents(problems=(describe(data),))
    _take(contents, path, reading, alone=alone)


def _take(contents: Contents, path: str | Path, reading: _Reading, *, alone: bool) -> None:
    source = _shown(path)
    for number, found in enumerate(contents.entries, 1):
        if reading.purpose not in found.purposes:
            text = (
                f"certificate {number} in it is denied trust for TLS "
                f"{reading.purpose}s by OpenSSL's trust settings, "
                "so it was left out; `openssl x509 -in FILE -clrtrust` takes the settings off"
            )
            reading.tell(path, "distrusted-certificate", text, "warning")
            continue
        reading.entries.append(
            StoreEntry(
                der=found.der,
                source=source,
                alias=found.alias,
                kind=found.kind,
                chain_index=found.chain_index,
            )
        )
    told = {item.name for item in dataclasses.fields(Named)}
    reading.named += [
        NamedEntry(source=source, **{name: getattr(named, name) for name in told}) for named in contents.named
    ]
    for trouble in contents.problems[:_MOST_PROBLEMS]:
        harmless = trouble.code in _NEIGHBOURS and (contents.entries or contents.named or not alone)
        reading.tell(path, trouble.code, trouble.text, "note" if harmless else trouble.severity)
    if len(contents.problems) > _MOST_PROBLEMS:
        left = len(contents.problems) - _MOST_PROBLEMS
        reading.tell(path, "more-problems", f"has {left} more problems of this kind", "warning")


def _place(entry: StoreEntry) -> str:
    return f"{entry.source} as '{entry.alias}'" if entry.alias else entry.source


def _reason(error: OSError | ValueError) -> str:
    if isinstance(error, PermissionError):
        return "may not be read by this user (permission denied)"
    reason = error.strerror if isinstance(error, OSError) else None
    return f"cannot be read: {reason or printable(str(error))}"


def _shown(path: str | Path) -> str:
    return printable(str(path), 4096)
