"""What a TLS stack is to the recorder, and what several of them need.

A client is one row of `clients.CLIENTS`, a server one row of `servers.SERVERS`; a scenario names them by key.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from captures.record.lab import SERVER_ADDRESS, Finished, Lab

PROGRAMS = Path(__file__).resolve().parent / "programs"

REQUEST = "GET / HTTP/1.0\r\n\r\n"

JAVA_SETTINGS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")
"""What makes a short-lived Java program start sooner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a stack has to know of the run.

    `bundle` is the PEM file of the client's trust anchors; `chain` are the server's certificates and `identity`
    the client's own, if any (names of `pki.RECIPES`, the leaf first). `to` is the address of another server than
    the lab's one.
    """

    lab: Lab
    host: str
    family: int
    port: int
    tls: str
    bundle: Path
    patience: float
    chain: tuple[str, ...]
    identity: tuple[str, ...]
    client_options: tuple[str, ...]
    server_options: tuple[str, ...]
    programs: Path
    to: str = ""

    @property
    def address(self) -> str:
        """The server's address, in brackets when it is IPv6."""
        return self.to or (SERVER_ADDRESS[4] if self.family == 4 else f"[{SERVER_ADDRESS[6]}]")

    @property
    def url(self) -> str:
        """The URL that HTTP clients ask for."""
        return f"https://{self.host}:{self.port}/" if self.port != 443 else f"https://{self.host}/"

    @property
    def certificate(self) -> Path:
        """The PEM file of the client's own certificates, its leaf first; there only when `identity` is given."""
        return self.lab.directory / "client.pem"

    @property
    def certificate_key(self) -> Path:
        """The PEM file of the client's private key; there only when `identity` is given."""
        return self.lab.directory / "client.key"

    @property
    def keylog(self) -> Path:
        """Where a server that can do so writes the session secrets."""
        return self.lab.directory / "keylog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client stack.

    `talk` connects and asks for a page, and ends with status 0 only if it got one; `errors` finds the client's
    own words for a failure in what it said, as group 1; `version` is the command whose output holds the version,
    found by `version_pattern`. `profile` names the analyzer's profile of its validator, empty when there is none.
    """

    title: str
    talk: Callable[[Job], Finished]
    errors: re.Pattern[str]
    needs: tuple[str, ...]
    version: tuple[str, ...]
    version_pattern: str = r"(\d+\.\d+[\w.+-]*)"
    profile: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server stack. `start` starts it and returns when it listens."""

    title: str
    start: Callable[[Job], None]
    needs: tuple[str, ...] = ()
    version: tuple[str, ...] = ()
    version_pattern: str = r"(\d+\.\d+[\w.+-]*)"


def missing(stack: Client | Server) -> tuple[str, ...]:
    """Name the executables that a stack needs and that this machine does not have."""
    return absent(stack.needs)


def absent(tools: tuple[str, ...]) -> tuple[str, ...]:
    """Name those of `tools` that this machine does not have."""
    return tuple(tool for tool in tools if shutil.which(tool) is None)


@functools.cache
def version_of(command: tuple[str, ...], pattern: str) -> str:
    """Ask a program for its version; empty when there is nothing to ask."""
    if not command:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"


def build_programs(directory: Path, names: Iterable[str]) -> None:
    """Compile into `directory` what the stacks called `names` need: all of Java, all of Go, Erlang."""
    languages = {name.partition("-")[0] for name in names}
    if "java" in languages:
        sources = sorted(str(path) for path in PROGRAMS.glob("*.java"))
        _build(["javac", "-d", str(directory), *sources], {})
    if "go" in languages:
        settings = {"GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}
        for source in sorted(PROGRAMS.glob("*.go")):
            _build(["go", "build", "-o", str(directory / source.stem), str(source)], settings)
    if "erlang" in languages:
        _build(["erlc", "-o", str(directory), str(PROGRAMS / "client.erl")], {})


def _build(command: list[str], settings: dict[str, str]) -> None:
    subprocess.run(command, check=True, env=os.environ | settings, timeout=300, stdout=subprocess.DEVNULL)


# Clients


def nginx(folder: Path, configuration: str) -> list[str]:
    """Give the command that starts nginx in the foreground with a file of `folder` as its configuration."""
    return [
        "nginx",
        "-p",
        str(folder),
        "-e",
        str(folder / "nginx-start.log"),
        "-c",
        str(folder / configuration),
    ]
