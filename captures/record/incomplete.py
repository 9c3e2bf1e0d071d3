"""Record captures that lack something: what recorders really do when they are set up in haste.

    python -m captures.record.incomplete              all of them, into captures/incomplete/
    python -m captures.record.incomplete --out DIR    somewhere else

Needs root, tcpdump, dumpcap, curl, OpenSSL and nginx. Each is a real recording of a real connection: a snap length, one
direction, a ring buffer whose files change in mid-handshake, a buffer that overflows (the recorder is stopped for a
while, as a busy machine does it), and network cards that leave checksums and segmentation to the hardware.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from captures.record import lab, pki, stacks
from captures.record.servers import SERVERS

_PORT = 443
_OUT = Path(__file__).resolve().parents[1] / "incomplete"
_TCPDUMP = ("tcpdump", "-n", "-U", *lab.AT_ONCE, "-Z", "root")
_FILTER = f"tcp port {_PORT}"
_SLOW = 600
"""Milliseconds of a wire, one way, on which a handshake takes longer than a file of a ring buffer."""


@contextlib.contextmanager
def _job(server: str, chain: str, *, delay: float = 0) -> Iterator[stacks.Job]:
    """Two hosts, a server that sends a chain, and the trust stores `with-root.pem` and `without-root.pem`."""
    with lab.Lab(names=(pki.HOST,), family=4, delay=delay) as wire:
        for store in ("with-root", "without-root"):
            (wire.directory / f"{store}.pem").write_bytes(pki.pem(pki.STORES[store]))
        job = stacks.Job(
            lab=wire, host=pki.HOST, family=4, port=_PORT, tls="1.2", bundle=wire.directory / "without-root.pem",
            patience=8, chain=pki.CHAINS[chain], identity=(), client_options=(), server_options=(), programs=Path(),
        )  # fmt: skip
        SERVERS[server].start(job)
        yield job


def _curl(job: stacks.Job, store: str, *more: str) -> list[str]:
    return [
        "curl", "--silent", "--show-error", "--output", "/dev/null", "--http1.1", "--max-time", "12",
        "--cacert", str(job.lab.directory / f"{store}.pem"), "--capath", "/dev/null", *more,
    ]  # fmt: skip


def _fails(job: stacks.Job) -> None:
    """The client refuses a chain of which its store lacks the root."""
    said = job.lab.run(job.lab.client, _curl(job, "without-root", job.url), timeout=15)
    if said.status != 60:
        raise lab.LabError(f"curl was to refuse the certificate: {said}")


def _one_file(out: Path, name: str, *options: str, server: str = "openssl", offloads: bool = False) -> None:
    with _job(server, "full") as job:
        wire = job.lab
        if offloads:
            words = [word for what in ("tx", "rx", "tso", "gso", "gro") for word in (what, "on")]
            for host in (wire.client, wire.server):
                wire.must(host, "ethtool", "-K", host.device, *words)
        path = wire.directory / name
        with wire.recording([*_TCPDUMP, *options[:-1], "-w", str(path), options[-1]], ready="listening on", settle=0.4):
            _fails(job)
        shutil.copyfile(path, out / name)


def snap_96(out: Path) -> None:
    """Record with `tcpdump -s 96`, as old scripts have it."""
    _one_file(out, "snap-96.pcap", "-i", "eth-c", "-s", "96", _FILTER)


def client_only(out: Path) -> None:
    """Record what the client sends, and nothing of the server."""
    _one_file(out, "client-only.pcap", "-i", "eth-c", "-s", "0", f"src host {lab.CLIENT_ADDRESS[4]} and {_FILTER}")


def server_only(out: Path) -> None:
    """Record what the server sends, and nothing of the client."""
    _one_file(out, "server-only.pcap", "-i", "eth-c", "-s", "0", f"src host {lab.SERVER_ADDRESS[4]} and {_FILTER}")


def offloads(out: Path) -> None:
    """Record on a device that leaves checksums and segmentation to the hardware."""
    _one_file(out, "offloads.pcap", "-i", "any", "-s", "0", _FILTER, offloads=True)


def rings(out: Path) -> None:
    """Record two ring buffers of the same connections at once: a busy one that stays, and a handshake that fails."""
    with _job("nginx", "full", delay=_SLOW) as job:
        wire = job.lab
        folders = [wire.directory / "ring-tcpdump", wire.directory / "ring-dumpcap"]
        for folder in folders:
            folder.mkdir()
        tcpdump = [*_TCPDUMP, "-i", "eth-c", "-s", "0", "-G", "1", "-w", str(folders[0] / "ring-%s.pcap"), _FILTER]
        dumpcap = ["dumpcap", "-q", "-i", "eth-c", "-f", _FILTER, "-b", "duration:1", "-w", str(folders[1] / "ring")]
        with (
            wire.recording(tcpdump, ready="listening on", settle=1.5, log="tcpdump.log"),
            wire.recording(dumpcap, ready="File:", settle=0, log="dumpcap.log"),
        ):
            several = f"{job.url}?[1-4]"
            busy = wire.start(wire.client, _curl(job, "with-root", several), log="busy.log")
            time.sleep(1.5)
            _fails(job)
            busy.wait(timeout=20)
            time.sleep(0.5)
        for folder in folders:
            kept = out / folder.name
            shutil.rmtree(kept, ignore_errors=True)
            kept.mkdir(parents=True)
            for number, path in enumerate(sorted(folder.iterdir())):
                shutil.copyfile(path, kept / f"ring-{number}{path.suffix or '.pcapng'}")


def sent_again(out: Path) -> None:
    """Record at the server how a client sends its SYN again because the wire is slow."""
    with _job("nginx", "full", delay=_SLOW) as job:
        wire = job.lab
        path = wire.directory / "sent-again.pcap"
        recorder = [*_TCPDUMP, "-i", wire.server.device, "-s", "0", "-w", str(path), _FILTER]
        with wire.recording(recorder, ready="listening on", settle=1.5, host=wire.server):
            _fails(job)
        shutil.copyfile(path, out / path.name)


def kernel_drops(out: Path) -> None:
    """Record handshakes with a small buffer while the recorder is kept from working now and then."""
    with _job("nginx", "full") as job:
        wire = job.lab
        path = wire.directory / "kernel-drops.pcap"
        recorder = wire.start(
            wire.client, [*_TCPDUMP, "-i", "eth-c", "-s", "0", "-B", "4", "-w", str(path), _FILTER], log="tcpdump.log"
        )
        time.sleep(1)
        for number in range(6):
            if number % 2:
                recorder.send_signal(signal.SIGSTOP)
            for store in ("without-root", "with-root"):
                wire.run(wire.client, _curl(job, store, job.url), timeout=15)
            recorder.send_signal(signal.SIGCONT)
            time.sleep(0.2)
        recorder.send_signal(signal.SIGINT)
        recorder.wait(timeout=10)
        words = (wire.directory / "tcpdump.log").read_text()
        dropped = next((int(line.split()[0]) for line in words.splitlines() if "dropped by kernel" in line), 0)
        if not dropped:
            raise lab.LabError(f"the kernel dropped nothing: {words}")
        shutil.copyfile(path, out / path.name)
        (out / "kernel-drops.txt").write_text(words)


RECORDINGS: tuple[Callable[[Path], None], ...] = (
    snap_96,
    client_only,
    server_only,
    offloads,
    rings,
    sent_again,
    kernel_drops,
)


def main(arguments: list[str] | None = None) -> int:
    """Record them all; give the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=_OUT)
    out: Path = parser.parse_args(arguments).out
    out.mkdir(parents=True, exist_ok=True)
    lab.remove_leftovers()
    for record in RECORDINGS:
        record(out)
        print(f"{record.__name__}: recorded")
    return 0


if __name__ == "__main__":
    sys.exit(main())
