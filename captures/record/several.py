"""Captures of several connections: what only their history tells, such as since when, and for whom else not.

An entry of `SEVERAL` is one capture: the clients go one after the other, each to its end. As with the captures of one
connection, the recorder refuses a recording in which a client fared otherwise than its entry says.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from captures.record import lab, pki, stacks, walk
from captures.record.clients import CLIENTS
from captures.record.recording import RECORDERS, mismatch
from captures.record.servers import SERVERS

OTHER_CLIENT = "10.77.0.11"
OTHER_SERVER = "10.77.0.3"
NOBODY = tuple(f"10.78.0.{number}" for number in range(1, 11))
"""Addresses to which there is a way, and nobody at its end."""

_RECORDER = "tcpdump"
_PORT_BEHIND = 8443
_PAUSE = 1.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """One go of the client.

    - `ends`: who leaves by which act; None when it gets its page
    - `options`: its further arguments; `store`: what it trusts
    - `to`: the address that the name leads to this time, the server's own when empty
    - `chain`: what the server sends from now on (a key of `pki.CHAINS`); empty when nothing changes
    """

    ends: tuple[str, str] | None = None
    options: tuple[str, ...] = ()
    store: str = "with-root"
    to: str = ""
    chain: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedFinding:
    """A finding that an analysis should make; TIME in a note stands for any time of day."""

    cause: str
    count: int
    servers: int = 1
    clients: int = 1
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Several:
    """One recording of several connections.

    - `server`, `chain`: the server and what it sends at first; `other_chain`: what the server at `OTHER_SERVER`
      sends, if there is one
    - `tls`: the version of the server, or several, as `1.2+1.3`
    - `store`: a key of `pki.STORES`, by which an analysis should judge
    """

    name: str
    shows: str
    fault: str
    goes: tuple[Go, ...]
    findings: tuple[ExpectedFinding, ...]
    client: str = "curl"
    server: str = "nginx"
    chain: str = "usual-ec"
    other_chain: str = ""
    other_server: str = "openssl"
    server_options: tuple[str, ...] = ()
    tls: str = "1.2"
    store: str = "with-root"
    patience: float = 8


_GOOD = Go()
_BAD = Go(ends=("client", "alert"))
_IN_CLEAR = Go(options=("--tls-max", "1.2"))
_AS_OTHER_CLIENT = replace(_BAD, options=("--interface", OTHER_CLIENT), store="without-root")
_WITHOUT_INTERMEDIATE = "the same leaf, without “Acme Intermediate CA”"

SEVERAL: tuple[Several, ...] = (
    Several(
        name="chain-changes",
        shows="nginx is reloaded with another chain, without the intermediate, after two good connections",
        fault="the server leaves out the intermediate from some moment on",
        goes=(_GOOD, _GOOD, replace(_BAD, chain="leaf-only-ec"), _BAD),
        findings=(
            ExpectedFinding(
                cause="missing-intermediate",
                count=2,
                notes=(
                    (
                        "Fails since TIME, when the server began to send another chain: "
                        f"{_WITHOUT_INTERMEDIATE}. Before that, 2 connections completed, the last at TIME."
                    ),
                ),
            ),
        ),
    ),
    Several(
        name="two-servers",
        shows="two servers behind one name, by turns; one leaves out the intermediate",
        fault="one of two servers leaves out the intermediate",
        other_chain="leaf-only-ec",
        goes=(replace(_BAD, to=OTHER_SERVER), _GOOD, replace(_BAD, to=OTHER_SERVER)),
        findings=(
            ExpectedFinding(
                cause="missing-intermediate",
                count=2,
                notes=(
                    (
                        f"Behind {pki.HOST} only {OTHER_SERVER}:443 fails, in 2 of 3 connections: it sends another "
                        f"chain, {_WITHOUT_INTERMEDIATE}. 10.77.0.2:443 completes."
                    ),
                ),
            ),
        ),
    ),
    Several(
        name="two-clients",
        shows="two clients with different trust stores, by turns; only one store holds the root",
        fault="the store of one client lacks the root",
        goes=(_AS_OTHER_CLIENT, _GOOD, _AS_OTHER_CLIENT),
        store="without-root",
        findings=(
            ExpectedFinding(
                cause="missing-root",
                count=2,
                notes=(
                    (
                        "Another client (10.77.0.1) completed 1 handshake with the same server, and got the same "
                        "chain: the clients differ, not the server."
                    ),
                ),
            ),
        ),
    ),
    Several(
        name="chain-from-elsewhere",
        shows="a good connection in TLS 1.2, then a client in TLS 1.3 with another store, to the same server",
        fault="the store of one client lacks the root",
        tls="1.2+1.3",
        chain="usual",
        goes=(_IN_CLEAR, _AS_OTHER_CLIENT),
        store="without-root",
        findings=(
            ExpectedFinding(
                cause="missing-root",
                count=1,
                notes=(
                    (
                        "Another client (10.77.0.1) completed 1 handshake with the same server, all before the first "
                        "failure (the last at TIME)."
                    ),
                    "Those that completed offered TLS 1.2; those that failed TLS 1.3, TLS 1.2, TLS 1.1.",
                ),
            ),
        ),
    ),
    Several(
        name="chain-cut-short",
        shows="a good connection in TLS 1.2, then nginx is reloaded without the intermediate, and TLS 1.3 hides that",
        fault="the server leaves out the intermediate from some moment on",
        tls="1.2+1.3",
        chain="usual",
        goes=(_IN_CLEAR, replace(_BAD, chain="leaf-only")),
        findings=(
            ExpectedFinding(
                cause="missing-intermediate",
                count=1,
                notes=("Failed once, at TIME: before that, 1 connection completed, the last at TIME.",),
            ),
        ),
    ),
    Several(
        name="thirty-times",
        shows="thirty times the same: server resets after the ClientHello",
        fault="the server resets",
        client="openssl",
        server="faulty",
        server_options=("reset",),
        tls="none",
        goes=(Go(ends=("server", "rst"), options=("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")),) * 30,
        findings=(ExpectedFinding(cause="server-reset", count=30),),
    ),
    Several(
        name="port-checks",
        shows="a health check opens the port and closes it; the server's decode_error, an echo of that, is no failure",
        fault="none; the last client leaves after its ClientHello",
        client="leaving",
        server="openssl",
        goes=(
            Go(ends=("client", "fin"), options=("when=open",)),
            Go(ends=("client", "rst"), options=("when=open", "how=rst")),
            Go(ends=("client", "fin"), options=("when=open", "after=0.3")),
            Go(ends=("client", "fin"), options=("when=hello",)),
        ),
        findings=(ExpectedFinding(cause="client-closed", count=1),),
    ),
    Several(
        name="ten-addresses",
        shows="ten addresses at which nobody answers; client gives up after 1.5 s",
        fault="nobody is there",
        server="nothing",
        tls="none",
        patience=1.5,
        goes=tuple(Go(ends=("network", "silence"), to=address) for address in NOBODY),
        findings=(
            ExpectedFinding(
                cause="connect-timeout",
                count=10,
                servers=10,
                notes=(
                    "None of these 10 servers completed a handshake in this capture.",
                    "The same client completed no handshake with any server in this capture.",
                ),
            ),
        ),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A capture, tshark's verdict on each of its connections by number, and the number of its packets."""

    raw: Path
    verdicts: dict[int, walk.Verdict]
    packets: tuple[walk.Packet, ...]


@contextlib.contextmanager
def recording(several: Several, programs: Path) -> Iterator[Recorded]:
    """Record an entry. `programs` holds the compiled clients.

    Raises `RecordingError` when a client did not fare as its entry says, `LabError` when the lab fails.
    """
    client = CLIENTS[several.client]
    with lab.Lab(names=(pki.HOST,), family=4) as wire:
        job = stacks.Job(
            lab=wire,
            host=pki.HOST,
            family=4,
            port=443,
            tls=several.tls,
            bundle=wire.directory / "with-root.pem",
            patience=several.patience,
            chain=pki.CHAINS[several.chain],
            identity=(),
            client_options=(),
            server_options=several.server_options,
            programs=programs,
        )
        SERVERS[several.server].start(job)
        _more_hosts(several, job)
        for store in {go.store for go in several.goes}:
            (wire.directory / f"{store}.pem").write_bytes(pki.pem(pki.STORES[store]))
        raw = wire.directory / "recording"
        recorder = RECORDERS[_RECORDER]
        fared: list[tuple[Go, lab.Finished]] = []
        with wire.recording(recorder.command(raw, 443), ready=recorder.ready, settle=0.4):
            for go in several.goes:
                if go.chain:
                    _change_chain(wire, pki.CHAINS[go.chain])
                bundle = wire.directory / f"{go.store}.pem"
                said = client.talk(replace(job, bundle=bundle, to=go.to, client_options=go.options))
                fared.append((go, said))
        for number, (go, said) in enumerate(fared):
            if (go.ends is None) != (said.status == 0):
                raise mismatch(f"the client fared otherwise in go {number}", said, raw)
        packets = walk.read(raw, port=443)
        verdicts = {stream: walk.judge(own) for stream, own in walk.streams(packets).items()}
        ends = [(verdict.aborted_by, verdict.abort_act) for verdict in verdicts.values()]
        if ends != [go.ends or (None, None) for go in several.goes]:
            raise mismatch(f"the connections ended otherwise: {ends}", fared[-1][1], raw)
        yield Recorded(raw=raw, verdicts=verdicts, packets=packets)


def entry(several: Several, seen: Recorded) -> dict[str, Any]:
    """Give the facts of a recording for the manifest."""
    return {
        "fault": several.fault,
        "tls": several.tls if several.tls != "none" else None,
        "host": pki.HOST,
        "store": pki.store_path(several.store),
        "packets": len(seen.packets),
        "connections": [
            {
                "stream": stream,
                "outcome": _outcome(verdict),
                "aborted_by": verdict.aborted_by,
                "abort_act": verdict.abort_act,
                "abort_packet": verdict.abort_packet,
            }
            for stream, verdict in seen.verdicts.items()
        ],
        "expected_findings": [
            {
                "cause": finding.cause,
                "count": finding.count,
                "servers": finding.servers,
                "clients": finding.clients,
                "notes": list(finding.notes),
            }
            for finding in several.findings
        ],
    }


def _outcome(verdict: walk.Verdict) -> str:
    if verdict.aborted_by == "client" and verdict.stage == "tcp":
        return "incomplete"
    return "failed" if verdict.aborted_by else "completed"


def _more_hosts(several: Several, job: stacks.Job) -> None:
    """Give the hosts the further addresses that the entry names, and start the other server."""
    wire = job.lab
    wire.must(wire.client, "ip", "address", "add", f"{OTHER_CLIENT}/24", "dev", wire.client.device)
    wire.must(wire.client, "ip", "route", "add", "10.78.0.0/24", "via", lab.SERVER_ADDRESS[4])
    if several.other_chain:
        wire.must(wire.server, "ip", "address", "add", f"{OTHER_SERVER}/24", "dev", wire.server.device)
        rule = ("PREROUTING", "-d", OTHER_SERVER, "-p", "tcp", "--dport", "443")
        behind = ("-j", "REDIRECT", "--to-ports", str(_PORT_BEHIND))
        wire.must(wire.server, "iptables", "-t", "nat", "-A", *rule, *behind)
        chain = pki.CHAINS[several.other_chain]
        SERVERS[several.other_server].start(replace(job, port=_PORT_BEHIND, chain=chain))


def _change_chain(wire: lab.Lab, chain: tuple[str, ...]) -> None:
    """Put another chain into the file that nginx was started with, and have it read its configuration again."""
    (wire.directory / "server.pem").write_bytes(pki.pem(chain))
    (wire.directory / "server.key").write_bytes(pki.key_pem(chain[0]))
    os.kill(int((wire.directory / "server.pid").read_text()), signal.SIGHUP)
    time.sleep(_PAUSE)
