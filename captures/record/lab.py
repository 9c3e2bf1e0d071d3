"""Two hosts on one wire: network namespaces joined by a veth pair, with tcpdump on the client's side.

    client 10.77.0.1, fd77::1  ──veth, MTU 1500, no offloads──  10.77.0.2, fd77::2 server

With a delay the wire is made longer by a third namespace in its middle, where a program carries the frames.

Needs root, iproute2, ethtool and tcpdump. Everything that a `Lab` makes (namespaces, processes, files) is
gone when its `with` block ends, whatever ended it. Every wait has a limit.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self

NEEDS = ("ip", "ethtool", "tcpdump", "tshark")
AT_ONCE = ("--immediate-mode", "-B", "65536")
"""For tcpdump: packets are written as they come. Each slot of its buffer then has room for the longest packet, 256 KiB,
and of the usual 2 MiB a burst of nine packets is lost in part."""

CLIENT_ADDRESS = {4: "10.77.0.1", 6: "fd77::1"}
SERVER_ADDRESS = {4: "10.77.0.2", 6: "fd77::2"}

_NETNS_FILES = Path("/etc/netns")
_PREFIX = "hsa"
_PROGRAMS = Path(__file__).resolve().parent / "programs"
_LONG_WIRE = "long_wire.py"


class LabError(Exception):
    """The lab could not be built, or a part of it did not do its work in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One end of the wire: the namespace and its network device."""

    namespace: str
    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What a command said (standard output and error, joined) and its exit status; 124 when cut off."""

    output: str
    status: int


class Lab:
    """A client host, a server host, and a scratch directory. Use it in a `with` statement."""

    client: Host
    server: Host
    directory: Path

    def __init__(self, *, names: Iterable[str], family: int, delay: float = 0, wire: tuple[str, ...] = ()) -> None:
        """`names` lead to the server by IPv4 or IPv6 (`family` 4 or 6); `delay` in ms is that of one way.

        `wire` names the program that carries the frames in the middle of the wire, and its further arguments.
        """
        self._names = tuple(names)
        self._family = family
        self._delay = delay
        self._wire = wire or ((_LONG_WIRE,) if delay else ())
        self._processes: list[subprocess.Popen[bytes]] = []
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """Build the hosts and the wire between them."""
        with self._undo:
            self.directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}-{os.getpid()}-"))
            self._undo.callback(shutil.rmtree, self.directory, ignore_errors=True)
            self.client = self._add_host("c")
            self.server = self._add_host("s")
            self._undo.callback(self._end_processes)
            self._join()
            self._undo = self._undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End every process and remove every trace of the lab."""
        self._undo.close()

    def run(
        self,
        host: Host,
        command: Iterable[str],
        *,
        timeout: float,
        stdin: bytes = b"",
        environment: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a command on a host to its end, or for `timeout` seconds at the most."""
        process = subprocess.Popen(
            _inside(host, command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=self.directory,
            env=_environment(environment),
            start_new_session=True,
        )
        self._processes.append(process)
        try:
            output, _ = process.communicate(stdin, timeout=timeout)
            status = process.returncode
        except subprocess.TimeoutExpired:
            _end(process)
            output, _ = process.communicate(timeout=5)
            status = 124
        return Finished(output=output.decode("utf-8", "replace"), status=status)

    def start(
        self,
        host: Host,
        command: Iterable[str],
        *,
        log: str,
        listening: int | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a command on a host and wait until it listens on the TCP port `listening`.

        Its output goes to the file `log` in the scratch directory. Whether it listens is read from /proc, so
        no connection of ours gets into the capture.
        """
        with (self.directory / log).open("wb") as sink:
            process = subprocess.Popen(
                _inside(host, command),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                env=_environment(environment),
                start_new_session=True,
            )
        self._processes.append(process)
        if listening is not None:
            self._await(process, log, lambda: listening in _listening_ports(process.pid))
        return process

    @contextlib.contextmanager
    def recording(
        self, command: Iterable[str], *, ready: str, settle: float, log: str = "recorder.log", host: Host | None = None
    ) -> Iterator[None]:
        """Record by `command` on a host (the client's) while the block runs, and `settle` seconds longer.

        `ready` is what the recorder prints, into the file `log`, once it records.
        """
        recorder = self.start(host or self.client, command, log=log)
        words = self.directory / log
        self._await(recorder, log, lambda: ready in words.read_text(errors="replace"))
        yield
        time.sleep(settle)
        recorder.send_signal(signal.SIGINT)
        try:
            recorder.wait(timeout=10)
        except subprocess.TimeoutExpired:
            raise LabError(f"the recorder did not end: {words.read_text(errors='replace').strip()}") from None

    def must(self, host: Host, *command: str) -> None:
        """Run a command that has to succeed, such as one that changes the network."""
        _must(_inside(host, command))

    def _await(self, process: subprocess.Popen[bytes], log: str, done: Callable[[], bool]) -> None:
        limit = time.monotonic() + 15
        while time.monotonic() < limit:
            if process.poll() is not None:
                break
            if done():
                return
            time.sleep(0.02)
        words = (self.directory / log).read_text(errors="replace").strip()
        raise LabError(f"{log.removesuffix('.log')} did not start: {words}")

    def _add_host(self, letter: str) -> Host:
        namespace = f"{_PREFIX}-{os.getpid()}-{letter}"
        host = Host(namespace=namespace, device=f"eth-{letter}")
        _must(["ip", "netns", "add", namespace])
        self._undo.callback(_remove_host, namespace)
        files = _NETNS_FILES / namespace
        with contextlib.suppress(FileNotFoundError):
            files.mkdir(parents=True, exist_ok=True)
        # Another lab that ends just now may have taken the folder above away in between.
        files.mkdir(parents=True, exist_ok=True)
        lines = ["127.0.0.1 localhost", *(f"{SERVER_ADDRESS[self._family]} {name}" for name in self._names)]
        (files / "hosts").write_text("\n".join(lines) + "\n")
        (files / "resolv.conf").write_text("")
        _must(_inside(host, ["ip", "link", "set", "lo", "up"]))
        return host

    def _join(self) -> None:
        client, server = self.client, self.server
        if self._wire:
            middle = self._add_host("w")
            ends = (replace(middle, device="to-c"), replace(middle, device="to-s"))
            lay(client, ends[0])
            lay(ends[1], server)
            for end in ends:
                prepare(end)
            self._address()
            program, *arguments = self._wire
            command = [sys.executable, str(_PROGRAMS / program), ends[0].device, ends[1].device, f"{self._delay:g}"]
            carrier = self.start(middle, [*command, *arguments], log="wire.log")
            self._await(carrier, "wire.log", lambda: "carrying" in (self.directory / "wire.log").read_text())
        else:
            lay(client, server)
            self._address()

    def _address(self) -> None:
        for host, addresses in ((self.client, CLIENT_ADDRESS), (self.server, SERVER_ADDRESS)):
            prepare(host)
            self.must(host, "ip", "address", "add", f"{addresses[4]}/24", "dev", host.device)
            self.must(host, "ip", "address", "add", f"{addresses[6]}/64", "dev", host.device, "nodad")

    def _end_processes(self) -> None:
        for process in self._processes:
            _end(process)


def remove_leftovers() -> None:
    """Remove what runs of this script left behind that were killed before they could tidy up."""
    for namespace in _output("ip", "netns", "list").splitlines():
        name = namespace.partition(" ")[0]
        if _is_leftover(name):
            for pid in _output("ip", "netns", "pids", name).split():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            _remove_host(name)
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}-*"):
        if _is_leftover(directory.name):
            shutil.rmtree(directory, ignore_errors=True)


def _is_leftover(name: str) -> bool:
    """Tell whether `name` (PREFIX-PID-REST) was given by a process that is gone."""
    parts = name.split("-", 2)
    named_by_us = len(parts) == 3 and parts[0] == _PREFIX and parts[1].isdigit()
    return named_by_us and not Path("/proc", parts[1]).exists()


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=15).stdout


def lay(one: Host, other: Host) -> None:
    """Lay a cable between two hosts."""
    _must(["ip", "link", "add", one.device, "netns", one.namespace, "type", "veth",
           "peer", "name", other.device, "netns", other.namespace])  # fmt: skip


def prepare(host: Host) -> None:
    """Let the device carry what a cable would: frames of at most 1,514 bytes with finished checksums."""
    device = host.device
    offloads = [word for name in ("tso", "gso", "gro", "tx", "rx") for word in (name, "off")]
    _must(_inside(host, ["ethtool", "-K", device, *offloads]))
    _must(_inside(host, ["ip", "link", "set", device, "mtu", "1500", "up"]))


def _inside(host: Host, command: Iterable[str]) -> list[str]:
    return ["ip", "netns", "exec", host.namespace, *command]


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    """Keep what programs need to start; proxies and the user's TLS settings must not steer a recording."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    return kept | {"LC_ALL": "C.UTF-8"} | dict(extra or {})


def _must(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=15)
    if done.returncode:
        raise LabError(f"{' '.join(command)}: {done.stderr.strip() or f'exit status {done.returncode}'}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and the children it started (it leads a process group of its own)."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)


def _remove_host(namespace: str) -> None:
    shutil.rmtree(_NETNS_FILES / namespace, ignore_errors=True)
    with contextlib.suppress(OSError):
        _NETNS_FILES.rmdir()
    subprocess.run(["ip", "netns", "delete", namespace], capture_output=True, check=False, timeout=15)


def _listening_ports(pid: int) -> set[int]:
    ports: set[int] = set()
    with contextlib.suppress(OSError):
        # Until `ip netns exec` has entered the namespace, the tables are those of this machine.
        if Path("/proc", str(pid), "ns/net").samefile("/proc/self/ns/net"):
            return ports
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(OSError):
            for line in Path("/proc", str(pid), "net", table).read_text().splitlines()[1:]:
                _, local, _, state = line.split()[:4]
                if state == "0A":
                    ports.add(int(local.rpartition(":")[2], 16))
    return ports
