"""tcpdump and openssl for real, on the loopback of a network namespace: verdicts come while it is captured."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

pytestmark = [pytest.mark.lab, pytest.mark.slow]

NEEDS = ("ip", "tcpdump", "openssl", "curl")
TCPDUMP = ("tcpdump", "-Z", "root", "-U", "-i", "lo")
DUMPCAP = ("dumpcap", "-q", "-i", "lo", "-f", "port 4433")
HSANALYZE = [sys.executable, "-m", "analyzer"]


class Loopback:
    """A network namespace with a TLS server in it, whose certificate nobody trusts."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._name = f"hsalive{os.getpid()}"
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        subprocess.run(["ip", "netns", "add", self._name], check=True)
        self.run("ip", "link", "set", "lo", "up")
        (self.directory / "data").write_bytes(bytes(700_000))
        key, leaf = str(self.directory / "key.pem"), str(self.directory / "leaf.pem")
        words = ("-newkey", "rsa:2048", "-nodes", "-subj", "/CN=api.backend.example", "-keyout", key, "-out", leaf)
        self.run("openssl", "req", "-x509", *words)
        self.start("openssl", "s_server", "-accept", "4433", "-WWW", "-tls1_2", "-cert", leaf, "-key", key)
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()
            for pipe in (process.stdout, process.stdin):
                if pipe is not None:
                    pipe.close()
        subprocess.run(["ip", "netns", "del", self._name], check=True)

    def run(self, *words: str, **options: object) -> subprocess.CompletedProcess[bytes]:
        command = ["ip", "netns", "exec", self._name, *words]
        return subprocess.run(command, check=False, capture_output=True, timeout=30, **options)  # type: ignore[call-overload, no-any-return]

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        command = ["ip", "netns", "exec", self._name, *words]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.directory,
        )
        self._processes.append(process)
        return process

    def capture(self, *words: str) -> subprocess.Popen[bytes]:
        process = self.start(*words)
        time.sleep(1)
        return process

    def refuse(self) -> None:
        """A client that does not trust the server."""
        words = "openssl s_client -connect 127.0.0.1:4433 -servername api.backend.example -verify_return_error"
        self.run(*words.split(), input=b"")

    def fetch(self) -> None:
        """A client that trusts the server, and fetches 700 kB."""
        self.run("curl", "-sko", "/dev/null", "https://127.0.0.1:4433/data")


@pytest.fixture
def loopback(tmp_path: Path) -> Iterator[Loopback]:
    if os.geteuid() != 0 or any(shutil.which(name) is None for name in NEEDS):
        pytest.skip(f"needs root and {', '.join(NEEDS)}")
    with Loopback(tmp_path) as made:
        yield made


def analysing(*words: str, stdin: object = subprocess.DEVNULL) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [*HSANALYZE, *words], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("ended", ["tcpdump", "hsanalyze"])
def test_what_tcpdump_writes_to_a_pipe_is_answered_before_it_ends(loopback: Loopback, ended: str) -> None:
    tcpdump = loopback.capture(*TCPDUMP, "-w", "-", "port 4433")
    live = analysing("-", stdin=tcpdump.stdout)
    for _ in range(2):
        loopback.refuse()
        told = line_of(live)
        assert "127.0.0.1:4433 (api.backend.example)  failed  " in told
        assert tcpdump.poll() is None
    (tcpdump if ended == "tcpdump" else live).send_signal(signal.SIGINT)
    output, errors = live.communicate(timeout=20)
    assert (live.returncode, errors) == (1, "")
    assert "2 of 2 connections failed" in " ".join(output.split())


@pytest.mark.parametrize(
    "words",
    [
        (*TCPDUMP, "-C", "1", "-W", "3", "-w", "ring/ring", "port 4433"),
        (*TCPDUMP, "-G", "1", "-w", "ring/ring-%S.pcap", "port 4433"),
        (*DUMPCAP, "-b", "filesize:700", "-b", "files:3", "-w", "ring/ring.pcapng"),
    ],
    ids=["tcpdump -C -W", "tcpdump -G", "dumpcap -b"],
)
def test_a_ring_buffer_is_followed(loopback: Loopback, words: tuple[str, ...]) -> None:
    if shutil.which(words[0]) is None:
        pytest.skip(f"needs {words[0]}")
    directory = loopback.directory / "ring"
    directory.mkdir()
    live = analysing("watch", str(directory))
    loopback.capture(*words)
    files = set()
    for _ in range(5):
        loopback.refuse()
        told = line_of(live)
        assert "127.0.0.1:4433 (api.backend.example)  failed  " in told
        files.add(told.partition("[")[2].partition(" #")[0])
        loopback.fetch()
        assert "  completed  TLS 1.2" in line_of(live)
        time.sleep(1)
    live.send_signal(signal.SIGTERM)
    output, errors = live.communicate(timeout=20)
    assert (live.returncode, errors.partition("waiting for the first\n")[2]) == (1, "")
    assert "5 of 10 connections failed" in output
    assert len(files) > 2
