"""Options that several commands share: their names, their help, and how their values are read."""

from __future__ import annotations

import argparse
import os
from datetime import datetime
from pathlib import Path
from typing import Final, NoReturn

from analyzer.commands.output import REPORT_SUFFIXES
from analyzer.errors import InputError

__all__ = ["Parser", "chosen_format", "moment", "password"]

PASSWORD_VARIABLE: Final = "HSANALYZE_TRUSTSTORE_PASSWORD"  # noqa: S105 - the name of a variable
FORMATS: Final = ("text", "markdown", "json")


class Parser(argparse.ArgumentParser):
    """Wrong usage is an error like any other: one line, exit status 2."""

    def __init__(self, *, prog: str, description: str, epilog: str = "") -> None:
        super().__init__(prog=prog, description=description, epilog=epilog, allow_abbrev=False)

    def read(self, words: list[str]) -> argparse.Namespace:
        """Read the command's arguments; a value that is empty would name the current directory, and is an error."""
        options = self.parse_args(words)
        for name, value in vars(options).items():
            if name != "truststore_password" and "" in (value if isinstance(value, list) else [value]):
                self.error(f"{name.replace('_', '-')}: an empty value, as of a shell's variable that is not set")
        return options

    def error(self, message: str) -> NoReturn:
        """Raise `InputError`."""
        raise InputError("usage", message, hint=f"See `{self.prog} --help`")

    def add_truststore(self, default: str = "") -> None:
        """Add `--truststore` and its password."""
        text = "store by which the client validates the server: a file, a directory, or the words system, mozilla"
        self.add_argument(
            "--truststore", action="append", metavar="PATH", help=f"{text} (repeatable{default and f'; {default}'})"
        )
        self.add_password()

    def add_password(self) -> None:
        """Add `--truststore-password`."""
        text = f"password of PKCS#12, JKS and JCEKS stores (or {PASSWORD_VARIABLE})"
        self.add_argument("--truststore-password", metavar="TEXT", help=text)

    def add_validation(self, *, host: str, at: str) -> None:
        """Add what steers the validator; `host` and `at` say what holds without these options."""
        add = self.add_argument
        add("--host", metavar="NAME", help=f"name or address that the client meant to reach (default: {host})")
        profiles = (
            "java, openssl, openssl-partial, boringssl, gnutls, go, dotnet, schannel, webpki; "
            "auto asks all that are measured (default)"
        )
        add("--profile", default="auto", metavar="NAME", help=f"validator to follow: {profiles}")
        add("--verify-depth", type=_limit, metavar="N", help="the validator's configured limit on intermediates")
        text = "certificates at hand that a repair may use (repeatable)"
        add("--candidate", action="append", metavar="PATH", help=text)
        self.add_at(at)

    def add_at(self, default: str) -> None:
        """Add `--at`; `default` is the time without it."""
        self.add_argument("--at", metavar="TIME", help=f"validate at this time (RFC 3339) instead of {default}")

    def add_report(self, formats: tuple[str, ...] = FORMATS) -> None:
        """Add the format of the report and where it goes."""
        self.add_argument("--format", choices=formats, help="default: text, or by the suffix of -o")
        self.add_argument("-o", "--output", metavar="FILE", help="write the report there")

    def add_redact(self) -> None:
        """Add `--redact`."""
        text = "replace private addresses, host names and serials by stable pseudonyms"
        self.add_argument("--redact", action="store_true", help=text)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of certificates")
    return int(text)


def password(given: str | None) -> str | None:
    """The password that was given, or that of the environment."""
    return given if given is not None else os.environ.get(PASSWORD_VARIABLE)


def moment(text: str | None) -> datetime | None:
    """The time of `--at`. Raises `InputError` for what is none, or has no zone."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InputError("--at", f"{text!r} is no time", hint="Write it as 2026-01-31T12:00:00Z") from None
    if time.tzinfo is None:
        raise InputError("--at", f"{text!r} has no time zone", hint="Add Z for UTC, or an offset such as +02:00")
    return time


def chosen_format(named: str | None, output: str | None, formats: tuple[str, ...] = FORMATS) -> str:
    """The format that was named, else that of the output file's suffix, else text."""
    if named is not None:
        return named
    by_suffix = REPORT_SUFFIXES.get(Path(output).suffix.lower(), "text") if output is not None else "text"
    return by_suffix if by_suffix in formats else "text"
