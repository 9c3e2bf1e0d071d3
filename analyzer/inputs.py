"""What a user names on the command line or as an argument, read and checked: stores, a chain, a profile, a time.

Shared by `pipeline` (the main job) and `inspection` (`check` and `store`).
"""

from __future__ import annotations

import sys
import zlib
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from glob import glob
from mmap import ACCESS_READ, mmap
from os import SEEK_END
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, cast

from analyzer.errors import InputError
from analyzer.report.model import InputProblem, NamedCertificate, StoreEntryInfo, Truststore

if TYPE_CHECKING:
    from analyzer.gateways import Product
    from analyzer.gateways.matching import LogMatcher
    from analyzer.tls.rsa import ServerKey
    from analyzer.tls.sealed import KeyRing
    from analyzer.trust.chain import SavedChain
    from analyzer.trust.store import NamedEntry, StoreProblem, TrustStore

__all__ = [
    "AUTO_PROFILES",
    "Paths",
    "as_paths",
    "chain_of",
    "gateway_named",
    "keys_of",
    "log_files",
    "named_certificate",
    "profiles_asked",
    "public_roots",
    "read_logs",
    "require_zone",
    "sizes_of",
    "store_problems",
    "truststore_info",
]

Paths = str | Path | Sequence[str | Path] | None

AUTO_PROFILES: Final = ("java", "openssl", "openssl-partial", "boringssl", "gnutls", "go", "dotnet", "webpki")
"""What `auto` asks: the profiles whose verdicts have been measured."""

MOST_BYTES: Final = 8 << 20
"""Of a file with a chain: a page with everything that a browser saves has less."""
_MAPPED: Final = 64 << 20
"""Bytes from which a key log is not read but mapped."""
_PRIVATE_KEY: Final = b"PRIVATE KEY-----"
_HEAD: Final = 1 << 16
"""Bytes in which it stands, if the file is none of a log."""

_PATTERN: Final = frozenset("*?[")
_HOW: Final = "Save the output of `openssl s_client -connect HOST:443 -servername HOST -showcerts`, or give a PEM file"


def as_paths(value: Paths) -> list[str | Path]:
    """One path, several, or none, as a list."""
    if value is None:
        return []
    return [value] if isinstance(value, (str, Path)) else list(value)


def profiles_asked(profile: str) -> tuple[str, ...]:
    """The validators that a profile's name stands for. Raises `InputError` for an unknown one."""
    from analyzer.trust.profile import profile_names

    if profile == "auto":
        return AUTO_PROFILES
    if profile not in profile_names():
        known = ", ".join(profile_names())
        raise InputError("--profile", f"there is no profile {profile!r}", hint=f"There are: auto, {known}")
    return (profile,)


def gateway_named(name: str | None) -> Product | None:
    """The product of that name, None for none. Raises `InputError` for an unknown one."""
    if name is None:
        return None
    from analyzer.gateways import product_of

    return product_of(name)


def require_zone(at: datetime | None) -> None:
    """Raise `InputError` for a time without a time zone."""
    if at is not None and at.tzinfo is None:
        raise InputError("--at", "the time has no time zone", hint="Write it as 2026-01-31T12:00:00Z")


@cache
def public_roots() -> tuple[bytes, ...]:
    """The roots that this machine trusts: where a missing root is a public one, it is at hand."""
    from analyzer.trust.store import read_stores

    return read_stores(["system"]).certificates


def chain_of(source: str | Path | BinaryIO, password: str | None = None) -> tuple[str, SavedChain]:
    """The name of the input and the chain in it. Raises `InputError` when there is no certificate in it.

    `source`: a path, `-` for standard input, or an open binary file.
    """
    from analyzer.trust.certificate import printable
    from analyzer.trust.chain import read_chain

    name, data = _content(source)
    chain = read_chain(data, password)
    if not chain.certificates:
        reasons = [problem.text for problem in chain.problems if problem.severity != "note"] or [
            problem.text for problem in chain.problems
        ]
        raise InputError(printable(name), "; ".join(reasons[:3]) or "it holds no certificate", hint=_HOW)
    return printable(name), chain


def keys_of(paths: Paths, password: str | None = None) -> KeyRing | None:
    """The key logs, and the server's RSA private keys, of some files; None without any.

    Raises `InputError` for a file that cannot be read. What is wrong with the lines of a log is in its `problems`.
    """
    if paths is None:
        return None
    from analyzer.tls.keylog import KeyLog
    from analyzer.tls.sealed import KeyRing

    log = KeyLog()
    keys: list[ServerKey] = []
    for path in as_paths(paths):
        data = _key_file(str(path))
        if data[:_HEAD].find(_PRIVATE_KEY) >= 0:
            from analyzer.tls.rsa import server_keys

            keys += server_keys(data[:MOST_BYTES], str(path), password)
        else:
            if data[:2] in (BOM_UTF16_LE, BOM_UTF16_BE):  # as PowerShell redirects
                data = data[:].decode("utf-16", "replace").encode("ascii", "replace")
            log.add(data, str(path))
    return KeyRing(log, tuple(keys))


def sizes_of(paths: Paths) -> list[int]:
    """The sizes of some files in bytes; -1 for one that is not there."""
    files = map(Path, as_paths(paths))
    return [file.stat().st_size if file.is_file() else -1 for file in files]


def log_files(paths: Paths) -> list[Path]:
    """The logs that were named: files, all files of a directory, those that a pattern fits.

    Raises `InputError` where there is none.
    """
    found: list[Path] = []
    for name in as_paths(paths):
        path = Path(name)
        if path.is_dir():
            files = sorted(item for item in path.iterdir() if item.is_file() and not item.name.startswith("."))
        elif path.exists() or not _PATTERN & set(str(name)):
            files = [path] if path.exists() else []
        else:
            matches = glob(str(name))  # noqa: PTH207 - Path.glob takes no absolute pattern
            files = sorted(path for path in map(Path, matches) if path.is_file())
        if not files:
            raise InputError(str(name), "there is no such log")
        found += files
    return list(dict.fromkeys(found))


def read_logs(paths: Iterable[Path], matcher: LogMatcher, near_ns: int) -> tuple[int, tuple[InputProblem, ...]]:
    """Give the matcher what the logs say; how many lines there were, and what was wrong with the files.

    A log that cannot be read, to its end or at all, is a problem and stops nothing. `near_ns` is a moment of the
    capture.
    """
    from analyzer.gateways.logs._reader import LogFile

    lines = 0
    problems: list[InputProblem] = []
    for path in paths:
        log = LogFile(str(path), near_ns, matcher.wanted, matcher.of_its_time)
        try:
            with path.open("rb") as file:
                for entry in log.entries(_unpacked(file)):
                    matcher.add(entry)
                    log.full = matcher.full
        except (OSError, EOFError, ValueError, zlib.error) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or "it ends too early"
            problems.append(InputProblem(code="unreadable-log", text=f"cannot be read: {reason}", source=str(path)))
        else:
            if log.lines and not (log.blocks or log.outside or log.let_go):
                text = "no line speaks of a TLS handshake in the words of a product that is known"
                problems.append(
                    InputProblem(code="log-without-handshakes", text=text, source=str(path), severity="note")
                )
        matcher.passed_over(log.outside, log.let_go)
        lines += log.lines
    return lines, tuple(problems)


def _unpacked(file: BinaryIO) -> BinaryIO:
    """The same file, decompressed when it is a gzip file."""
    head = file.read(2)
    file.seek(0)
    if head != b"\x1f\x8b":
        return file
    import gzip

    return cast("BinaryIO", gzip.GzipFile(fileobj=file))


def _key_file(name: str) -> bytes | mmap:
    try:
        with Path(name).open("rb") as file:
            if file.seekable() and file.seek(0, SEEK_END) > _MAPPED:
                return mmap(file.fileno(), 0, access=ACCESS_READ)
            if file.seekable():
                file.seek(0)
            return file.read()
    except IsADirectoryError:
        raise InputError(name, "is a directory; name the key log itself") from None
    except FileNotFoundError:
        hint = "Set SSLKEYLOGFILE, or what the program has for it, before it is started"
        raise InputError(name, "there is no such key log", hint=hint) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(name, f"cannot be read: {reason or error}") from None


def _content(source: str | Path | BinaryIO) -> tuple[str, bytes]:
    if not isinstance(source, (str, Path)):
        name = getattr(source, "name", None)
        return name if isinstance(name, str) else "-", _bounded("-", source)
    if str(source) == "-":
        if sys.stdin is None:
            raise InputError("-", "standard input is closed")
        return "-", _bounded("-", sys.stdin.buffer)
    try:
        with Path(source).open("rb") as file:
            return str(source), _bounded(str(source), file)
    except IsADirectoryError:
        raise InputError(str(source), "is a directory; name the file with the chain", hint=_HOW) from None
    except FileNotFoundError:
        raise InputError(str(source), "there is no such file") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise InputError(str(source), f"cannot be read: {reason or error}") from None


def _bounded(name: str, file: BinaryIO) -> bytes:
    data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise InputError(name, f"has more than {MOST_BYTES >> 20} MiB, which is no chain", hint=_HOW)
    return data


def truststore_info(store: TrustStore, matched: Mapping[NamedEntry, tuple[str, str]] | None = None) -> Truststore:
    """A store as reports show it; `matched` says which of the certificates known by words are at hand."""
    from analyzer.report.certificates import store_certificate

    return Truststore(
        sources=store.sources,
        certificates=len(store.certificates),
        problems=(*store_problems(store.problems), *_not_at_hand(store, matched or {})),
        entries=tuple(
            StoreEntryInfo(
                source=entry.source + (f" (alias {entry.alias})" if entry.alias else ""),
                certificate=store_certificate(entry.der),
            )
            for entry in store.entries
        ),
        named=tuple(named_certificate(entry, (matched or {}).get(entry)) for entry in store.named),
    )


def _not_at_hand(store: TrustStore, matched: Mapping[NamedEntry, tuple[str, str]]) -> tuple[InputProblem, ...]:
    """That a new store made from this report would lack what the store in use holds and only names here."""
    absent = [entry for entry in store.named if entry not in matched]
    if not absent:
        return ()
    text = (
        f"{len(absent)} of its certificates are only named and not at hand: "
        "a file that takes the place of the store in use has to hold them too"
    )
    return (InputProblem(code="metadata-only", text=text, source=absent[0].source, severity="note"),)


def named_certificate(entry: NamedEntry, match: tuple[str, str] | None = None) -> NamedCertificate:
    """A certificate known by words, as reports show it; `match` is the digest of the one at hand, and by what."""
    return NamedCertificate(
        source=entry.source,
        label=entry.label,
        subject=entry.subject,
        issuer=entry.issuer,
        serial=entry.serial,
        not_before=entry.not_before,
        not_after=entry.not_after,
        sha1=entry.sha1,
        sha256=entry.sha256,
        anchor=entry.kind != "intermediate",
        export=entry.export,
        matched=match[0] if match else None,
        how=match[1] if match else None,
    )


def store_problems(problems: Iterable[StoreProblem]) -> tuple[InputProblem, ...]:
    """Problems of a store as reports show them."""
    return tuple(InputProblem(code=p.code, text=p.text, source=p.source, severity=p.severity) for p in problems)
