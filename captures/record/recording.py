"""One recording: the lab is built, the server started, the client let loose, and tcpdump watches.

What becomes of it (a capture that has to show what its scenario says, or a case of the lab that is kept with
whatever it showed) is for the caller to say.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from captures.record import lab, pki, stacks, walk
from captures.record.clients import CLIENTS
from captures.record.scenarios import Setup
from captures.record.servers import SERVERS


class RecordingError(Exception):
    """A recording does not show what it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorder:
    """A way to record: `command` takes the file to write and the server's port, `ready` is its first word."""

    title: str
    command: Callable[[Path, int], list[str]]
    link_type: str
    ready: str = "listening on"
    suffix: str = ".pcap"
    needs: tuple[str, ...] = ()
    inject_secrets: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What was recorded and what the client said. The files are gone when the recording's `with` block ends.

    `raw` is the whole capture, `second` the one by the second recorder, `keylog` is `None` when no secrets were
    kept; `verdict` is tshark's; `words` are the client's literal words for a failure; `accepted` tells whether
    the client got what it came for.
    """

    raw: Path
    second: Path | None
    keylog: Path | None
    packets: tuple[walk.Packet, ...]
    verdict: walk.Verdict
    said: lab.Finished
    words: str
    accepted: bool


def _tcpdump(device: str, *options: str, snap: int = 0, only: str = "tcp port") -> Callable[[Path, int], list[str]]:
    def command(path: Path, port: int) -> list[str]:
        where = ["tcpdump", "-i", device, "-n", "-s", f"{snap}", "-U", *lab.AT_ONCE, "-Z", "root", *options]
        return [*where, "-w", str(path), f"{only} {port}"]

    return command


def _dumpcap(path: Path, port: int) -> list[str]:
    return ["dumpcap", "-q", "-i", "eth-c", "-f", f"tcp port {port}", "-w", str(path)]


RECORDERS: dict[str, Recorder] = {
    "tcpdump": Recorder(title="tcpdump", command=_tcpdump("eth-c"), link_type="EN10MB"),
    "tcpdump-nano": Recorder(
        title="tcpdump", command=_tcpdump("eth-c", "--time-stamp-precision", "nano"), link_type="EN10MB"
    ),
    "tcpdump-secrets": Recorder(
        title="tcpdump, editcap",
        command=_tcpdump("eth-c"),
        link_type="EN10MB",
        suffix=".pcapng",
        needs=("editcap",),
        inject_secrets=True,
    ),
    "any-sll2": Recorder(title="tcpdump -i any", command=_tcpdump("any"), link_type="LINUX_SLL2"),
    "any-sll": Recorder(
        title="tcpdump -i any -y LINUX_SLL", command=_tcpdump("any", "-y", "LINUX_SLL"), link_type="LINUX_SLL"
    ),
    "dumpcap": Recorder(
        title="dumpcap",
        command=_dumpcap,
        link_type="EN10MB",
        ready="Capturing on",
        suffix=".pcapng",
        needs=("dumpcap",),
    ),
    "with-icmp": Recorder(
        title="tcpdump, ICMP too",
        command=_tcpdump("eth-c", only="icmp or (icmp6 and ip6[40] < 128) or tcp port"),
        link_type="EN10MB",
    ),
    "snap-96": Recorder(title="tcpdump -s 96", command=_tcpdump("eth-c", snap=96), link_type="EN10MB"),
    "snap-200": Recorder(title="tcpdump -s 200", command=_tcpdump("eth-c", snap=200), link_type="EN10MB"),
    "from-client": Recorder(
        title="tcpdump dst port", command=_tcpdump("eth-c", only="tcp dst port"), link_type="EN10MB"
    ),
    "from-server": Recorder(
        title="tcpdump src port", command=_tcpdump("eth-c", only="tcp src port"), link_type="EN10MB"
    ),
}


@contextlib.contextmanager
def recording(setup: Setup, programs: Path, *, second: str | None = None) -> Iterator[Recording]:
    """Record what `setup` says. `programs` holds the compiled clients; `second` names a further recorder.

    Raises `RecordingError` when no packet was recorded, `LabError` when the lab fails.
    """
    client, server = CLIENTS[setup.client], SERVERS[setup.server]
    names = (pki.HOST, pki.OTHER_HOST, *((setup.host,) if not setup.host[0].isdigit() else ()))
    with lab.Lab(names=dict.fromkeys(names), family=setup.family, delay=setup.delay, wire=setup.wire) as wire:
        bundle = wire.directory / "anchors.pem"
        bundle.write_bytes(pki.pem(pki.STORES[setup.store]))
        if setup.identity:
            (wire.directory / "client.pem").write_bytes(pki.pem(setup.identity))
            (wire.directory / "client.key").write_bytes(pki.key_pem(setup.identity[0]))
        job = stacks.Job(
            lab=wire,
            host=setup.host,
            family=setup.family,
            port=setup.port,
            tls=setup.tls,
            bundle=bundle,
            patience=setup.patience,
            chain=pki.CHAINS[setup.chain],
            identity=setup.identity,
            client_options=setup.client_options,
            server_options=setup.server_options,
            programs=programs,
        )
        server.start(job)
        for change in setup.server_network:
            wire.must(wire.server, *change)
        for change in setup.client_network:
            wire.must(wire.client, *change)
        raw, other = wire.directory / "recording", wire.directory / "second"
        with contextlib.ExitStack() as recorders:
            for name, path in ((setup.recorder, raw), *([(second, other)] if second else [])):
                recorder = RECORDERS[name]
                command = recorder.command(path, setup.port)
                recorders.enter_context(
                    wire.recording(command, ready=recorder.ready, settle=0.4, log=f"{path.name}.log")
                )
            said = client.talk(job)
        keylog = job.keylog if job.keylog.exists() and job.keylog.stat().st_size else None
        packets = walk.read(raw, port=setup.port, keylog=keylog)
        if not packets:
            raise mismatch("no packet was recorded", said, raw)
        words = "\n".join(dict.fromkeys(client.errors.findall(said.output))).replace(f"{wire.directory}/", "")
        yield Recording(
            raw=raw,
            second=other if second else None,
            keylog=keylog,
            packets=packets,
            verdict=walk.judge(packets),
            said=said,
            words=words,
            accepted=said.status == 0,
        )


def absent_tools(setup: Setup) -> tuple[str, ...]:
    """Name the programs that a setup needs and that this machine does not have."""
    return tuple(
        dict.fromkeys((
            *stacks.missing(CLIENTS[setup.client]),
            *stacks.missing(SERVERS[setup.server]),
            *stacks.absent(RECORDERS[setup.recorder].needs),
        ))
    )  # fmt: skip


def mismatch(reason: str, said: lab.Finished, raw: Path) -> RecordingError:
    """Make the error that shows what was recorded and what the client said."""
    return RecordingError(f"{reason}\n{walk.listing(raw)}\nthe client said:\n{said.output[-1500:].strip()}")
