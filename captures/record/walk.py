"""What is on the wire of a recording, by tshark: who did what in which packet, and what ended it.

This looks at connections that were recorded whole, and judges them one by one. It is the recorder's own check that
a recording shows what its scenario says, and independent of the analyzer.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Side = Literal["client", "server"]

_FIELDS = (
    "frame.number", "frame.time_epoch", "tcp.srcport", "tcp.dstport", "tcp.flags.syn", "tcp.flags.ack",
    "tcp.flags.fin", "tcp.flags.reset", "tcp.len", "tls.record.content_type", "tls.handshake.type",
    "tls.alert_message.level", "tls.alert_message.desc", "tls.record.version", "_ws.col.Info",
    "tls.handshake.certificate_length", "tls.handshake.version", "tcp.stream",
)  # fmt: skip

_CHANGE_CIPHER_SPEC, _ALERT, _HANDSHAKE, _APPLICATION_DATA = 20, 21, 22, 23
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _CERTIFICATE_REQUEST, _FINISHED = 1, 2, 11, 13, 20
_FATAL, _CLOSE_NOTIFY = 2, 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One TCP packet; `level` and `description` are those of its first readable alert."""

    number: int
    stream: int
    time: float
    sender: Side
    syn: bool
    fin: bool
    rst: bool
    length: int
    content_types: tuple[int, ...]
    handshake_types: tuple[int, ...]
    level: int | None
    description: int | None
    info: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a connection ended; every field but `stage` is `None` when it served its purpose."""

    stage: str
    aborted_by: str | None
    abort_act: str | None
    abort_packet: int | None


_SERVED = Verdict(stage="data", aborted_by=None, abort_act=None, abort_packet=None)


def read(capture: Path, *, port: int, keylog: Path | None = None) -> tuple[Packet, ...]:
    """Read the packets to and from the server's `port`. `keylog` is an NSS key log."""
    command = [
        "tshark",
        "-n",
        "-r",
        str(capture),
        "-Y",
        f"tcp.port=={port} && !icmp && !icmpv6",
        "-T",
        "fields",
        "-E",
        "occurrence=a",
    ]
    if keylog is not None:
        command += ["-o", f"tls.keylog_file:{keylog}"]
    for field in _FIELDS:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return tuple(_packet(line.split("\t"), port) for line in done.stdout.splitlines())


def listing(capture: Path) -> str:
    """Give tshark's one-line summaries, as a user of Wireshark sees them."""
    command = ["tshark", "-n", "-t", "r", "-r", str(capture)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.rstrip()


def events(packets: tuple[Packet, ...]) -> dict[str, list[int]]:
    """Give the packet numbers of the decisive events: SYN, hellos, certificates, alerts, FIN and RST."""
    found: dict[str, list[int]] = {}
    names = {
        _CLIENT_HELLO: "client_hello",
        _SERVER_HELLO: "server_hello",
        _CERTIFICATE: "certificate",
        _CERTIFICATE_REQUEST: "certificate_request",
    }
    for packet in packets:
        for kind in packet.handshake_types:
            if kind in names:
                found.setdefault(f"{packet.sender}_certificate" if kind == _CERTIFICATE else names[kind], []).append(
                    packet.number
                )
        for name, happened in (
            ("syn", packet.syn),
            ("alert", _ALERT in packet.content_types),
            ("fin", packet.fin),
            ("rst", packet.rst),
        ):
            if happened:
                found.setdefault(f"{packet.sender}_{name}", []).append(packet.number)
    return found


def streams(packets: tuple[Packet, ...]) -> dict[int, tuple[Packet, ...]]:
    """Give the packets of each connection, by Wireshark's number for it."""
    found: dict[int, tuple[Packet, ...]] = {}
    for packet in packets:
        found[packet.stream] = (*found.get(packet.stream, ()), packet)
    return found


def judge(packets: tuple[Packet, ...]) -> Verdict:
    """Find the first event that ended the connection, and how far it had come by then.

    A FIN, a RST, silence, a fatal alert and one that cannot be read are such events; other warnings are not.
    A close_notify counts: before the first byte of data it is a refusal, however polite. A connection that has
    carried data served its purpose, except that a client of TLS 1.3 may send some before it learns, by a fatal
    alert, that the server refuses it.
    """
    stage = "tcp"
    asked = False
    finished: set[Side] = set()
    changed: set[Side] = set()
    for packet in packets:
        if _APPLICATION_DATA in packet.content_types and len(finished) == 2:
            if packet.sender == "server":
                return _SERVED
            asked = True
        act = _ending_act(packet)
        for kind in packet.content_types:
            if kind == _CHANGE_CIPHER_SPEC:
                changed.add(packet.sender)
            if kind == _HANDSHAKE and packet.sender in changed:
                finished.add(packet.sender)
        if _FINISHED in packet.handshake_types:
            finished.add(packet.sender)
        if act != "alert":
            stage = _advance(stage, packet, finished)
        if asked and act is not None and (packet.sender == "client" or packet.level != _FATAL):
            return _SERVED
        if act is not None:
            return Verdict(stage=stage, aborted_by=packet.sender, abort_act=act, abort_packet=packet.number)
    return Verdict(stage=stage, aborted_by="network", abort_act="silence", abort_packet=None)


def _advance(stage: str, packet: Packet, finished: set[Side]) -> str:
    if len(finished) == 2:
        return "after-handshake"
    if packet.sender == "client" and _CLIENT_HELLO in packet.handshake_types:
        return "client-hello"
    if packet.sender == "client" and stage == "server-flight" and _HANDSHAKE in packet.content_types:
        return "client-flight"
    if packet.sender == "server" and _SERVER_HELLO in packet.handshake_types:
        return "server-flight"
    return stage


def _ending_act(packet: Packet) -> str | None:
    warning = packet.level is not None and packet.level != _FATAL and packet.description != _CLOSE_NOTIFY
    if _ALERT in packet.content_types and not warning:
        return "alert"
    if packet.rst:
        return "rst"
    return "fin" if packet.fin else None


def _packet(columns: list[str], port: int) -> Packet:
    row = dict(zip(_FIELDS, columns, strict=True))
    levels, descriptions = _numbers(row["tls.alert_message.level"]), _numbers(row["tls.alert_message.desc"])
    return Packet(
        number=int(row["frame.number"]),
        stream=int(row["tcp.stream"]),
        time=float(row["frame.time_epoch"]),
        sender="server" if int(row["tcp.srcport"]) == port else "client",
        syn=row["tcp.flags.syn"] in {"1", "True"},
        fin=row["tcp.flags.fin"] in {"1", "True"},
        rst=row["tcp.flags.reset"] in {"1", "True"},
        length=int(row["tcp.len"]),
        content_types=_numbers(row["tls.record.content_type"]),
        handshake_types=_numbers(row["tls.handshake.type"]),
        level=levels[0] if levels else None,
        description=descriptions[0] if descriptions else None,
        info=row["_ws.col.Info"],
    )


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part, 0) for part in text.split(",") if part)
