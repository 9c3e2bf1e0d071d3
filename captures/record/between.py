"""Record the cases of captures/between: a box between client and server, watched at several points.

    python -m captures.record.between                        all of them, into captures/between/
    python -m captures.record.between --only 'nat*'          one (or several, or a pattern)
    python -m captures.record.between --out DIR              somewhere else

    client 10.78.1.1  ──veth──  10.78.1.2 box 10.78.2.1  ──veth──  10.78.2.2 server

One entry of `CASES` is one folder with a capture for each point that watched. tshark counts what each file has to
show; a recording that shows something else is not kept. Needs root, iproute2, ethtool, iptables, tcpdump, tshark,
editcap, curl, and HAProxy where a case says so.
"""

from __future__ import annotations

import argparse
import contextlib
import fnmatch
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captures.record import lab, pki, products, readme, stacks
from captures.record.recording import RecordingError

CLIENT, BOX_TO_CLIENT, BOX_TO_SERVER, SERVER = "10.78.1.1", "10.78.1.2", "10.78.2.1", "10.78.2.2"
PORT = products.PORT

_DEFAULT_OUT = Path(__file__).resolve().parents[1] / "between"
_SETTLE = 0.3
_SYN = "tcp.flags.syn==1 && tcp.flags.ack==0"
_RST = "tcp.flags.reset==1"
_CERTIFICATE = "tls.handshake.type==11"
_HELLO = "tls.handshake.type==1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Where tcpdump listens: on which host (`client`, `box`, `server`), on which device.

    `shows`: a display filter -> how many packets of the file it has to find.
    """

    host: str
    device: str
    shows: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One recording.

    - `shows`: what happens, for the README
    - `points`: file name -> who watched
    - `box`: commands that make of the router what the case is about
    - `bridge`: the box is a switch, not a router: client and server are in one network
    - `gateway`: HAProxy's configuration, where the box is a proxy that the client is sent to
    - `chain`, `store`: keys of `pki.CHAINS` (what the server sends) and of `pki.STORES` (what the client trusts)
    - `gateway_chain`, `gateway_store`: the same of the proxy
    - `patience`: seconds that the client waits; `requests`: how often it asks, each time over a new connection
    - `clock`: file name -> seconds by which the clock of who recorded it is ahead
    """

    name: str
    shows: str
    points: Mapping[str, Point]
    box: tuple[tuple[str, ...], ...] = ()
    bridge: bool = False
    gateway: str = ""
    chain: str = "usual"
    store: str = "with-root"
    gateway_chain: str = "usual"
    gateway_store: str = "with-root"
    patience: float = 5
    requests: int = 1
    clock: Mapping[str, float] = field(default_factory=dict)


def _forward(*rule: str) -> tuple[str, ...]:
    return ("iptables", "-A", "FORWARD", "-p", "tcp", *rule)


_NAT = ("iptables", "-t", "nat", "-A", "POSTROUTING", "-o", "eth-bs", "-j", "MASQUERADE")
_RESET = ("-j", "REJECT", "--reject-with", "tcp-reset")
_MIRROR = ("action", "mirred", "egress", "mirror", "dev", "mirror")

_TCP_MODE = """\
defaults
    mode tcp
    timeout connect 5s
    timeout client 20s
    timeout server 20s

listen gateway
    bind 10.78.1.2:443
    server backend 10.78.2.2:443
"""

_HTTP_MODE = """\
defaults
    mode http
    retries 0
    timeout connect 5s
    timeout client 20s
    timeout server 20s

frontend gateway
    bind 10.78.1.2:443 ssl crt gateway.pem ssl-max-ver TLSv1.2
    default_backend orders

backend orders
    server orders1 10.78.2.2:443 ssl verify required ca-file anchors.pem sni str(orders.backend.example) ssl-max-ver TLSv1.2
"""  # noqa: E501 - HAProxy takes a server on one line

_INTERCEPTING = """\
defaults
    mode http
    timeout connect 5s
    timeout client 20s
    timeout server 20s

frontend gateway
    bind 10.78.1.2:8443 transparent ssl crt gateway.pem ssl-max-ver TLSv1.2
    default_backend anywhere

backend anywhere
    server there 10.78.2.2:443 ssl verify none sni ssl_fc_sni ssl-max-ver TLSv1.2
"""

CASES: tuple[Case, ...] = (
    Case(
        name="routed",
        shows="plain routing; the box records on `any`, which sees each packet twice, the second time with a TTL less",
        points={
            "client.pcap": Point(host="client", device="eth-c", shows={_SYN: 1, _CERTIFICATE: 1}),
            "box.pcap": Point(host="box", device="any", shows={_SYN: 2}),
            "server.pcap": Point(host="server", device="eth-s", shows={_SYN: 1, _CERTIFICATE: 1}),
        },
        store="without-root",
    ),
    Case(
        name="bridged",
        shows="the box is a switch, recorded on `any`: each packet twice with the same TTL",
        points={"box.pcap": Point(host="box", device="any", shows={_SYN: 2})},
        bridge=True,
        store="without-root",
    ),
    Case(
        name="mirrored",
        shows="a mirror port that copies what goes in and what comes out, so each packet twice",
        points={"mirror.pcap": Point(host="box", device="sniffer", shows={_SYN: 2})},
        bridge=True,
        box=(
            ("ip", "link", "add", "mirror", "type", "veth", "peer", "name", "sniffer"),
            ("ip", "link", "set", "mirror", "up"),
            ("ip", "link", "set", "sniffer", "up"),
            ("tc", "qdisc", "add", "dev", "eth-bc", "clsact"),
            ("tc", "qdisc", "add", "dev", "eth-bs", "clsact"),
            *(
                ("tc", "filter", "add", "dev", device, way, "u32", "match", "u32", "0", "0", *_MIRROR)
                for device in ("eth-bc", "eth-bs")
                for way in ("ingress", "egress")
            ),
        ),
        store="without-root",
    ),
    Case(
        name="nat",
        shows="the box masquerades the client; the clock of the server is 7.25 s ahead",
        points={
            "client.pcap": Point(host="client", device="eth-c", shows={_SYN: 1}),
            "box.pcap": Point(host="box", device="any", shows={_SYN: 2}),
            "server.pcap": Point(host="server", device="eth-s", shows={_SYN: 1, f"ip.src=={BOX_TO_SERVER}": 1}),
        },
        box=(_NAT,),
        store="without-root",
        clock={"server.pcap": 7.25},
    ),
    Case(
        name="reset-of-the-hello",
        shows="a firewall answers the ClientHello with a RST in the server's name (REJECT with tcp-reset)",
        points={
            "client.pcap": Point(host="client", device="eth-c", shows={_HELLO: 1, f"{_RST} && ip.src=={SERVER}": 1}),
            "server.pcap": Point(host="server", device="eth-s", shows={_HELLO: 0, f"{_RST} && ip.src=={SERVER}": 0}),
        },
        box=(_forward("--dport", "443", "-m", "string", "--string", pki.HOST, "--algo", "bm", *_RESET),),
        patience=2,
    ),
    Case(
        name="reset-of-the-certificate",
        shows="a firewall answers the server's certificate with a RST in the client's name; the client waits in vain",
        points={
            "client.pcap": Point(
                host="client", device="eth-c", shows={_CERTIFICATE: 0, f"{_RST} && ip.src=={CLIENT}": 0}
            ),
            "server.pcap": Point(host="server", device="eth-s", shows={f"{_RST} && ip.src=={CLIENT}": 1}),
        },
        box=(_forward("--sport", "443", "-m", "string", "--string", "Acme Root CA", "--algo", "bm", *_RESET),),
        patience=2,
    ),
    Case(
        name="reset-of-the-syn",
        shows="a firewall answers every third SYN with a RST in the server's name",
        points={
            "client.pcap": Point(host="client", device="eth-c", shows={_SYN: 3, f"{_RST} && ip.src=={SERVER}": 1}),
            "server.pcap": Point(host="server", device="eth-s", shows={_SYN: 2}),
        },
        box=(
            _forward("--dport", "443", "--syn", "-m", "statistic", "--mode", "nth", "--every", "3", "--packet", "1",
                     *_RESET),
        ),
        requests=3,
        patience=2,
    ),
    Case(
        name="reset-behind-nat",
        shows="the box masquerades, and answers the ClientHello with a RST; recorded on the box alone",
        points={"box.pcap": Point(host="box", device="any", shows={_HELLO: 1, _RST: 1, _SYN: 2})},
        box=(_NAT, _forward("--dport", "443", "-m", "string", "--string", pki.HOST, "--algo", "bm", *_RESET)),
        patience=2,
    ),
    Case(
        name="mtu",
        shows="the box drops the server's packets of more than 1,000 bytes and says nothing",
        points={
            "client.pcap": Point(host="client", device="eth-c", shows={_HELLO: 1, "tcp.len>948": 0}),
            "server.pcap": Point(host="server", device="eth-s", shows={_HELLO: 1}),
        },
        box=(_forward("--sport", "443", "-m", "length", "--length", "1001:65535", "-j", "DROP"),),
        patience=3,
    ),
    Case(
        name="haproxy-tcp",
        shows="HAProxy in TCP mode: two TCP connections, one TLS handshake",
        points={
            "client.pcap": Point(host="client", device="eth-c", shows={_HELLO: 1, f"ip.src=={SERVER}": 0}),
            "box.pcap": Point(host="box", device="any", shows={_HELLO: 2}),
            "server.pcap": Point(host="server", device="eth-s", shows={_HELLO: 1, f"ip.src=={CLIENT}": 0}),
        },
        gateway=_TCP_MODE,
        store="without-root",
    ),
    Case(
        name="haproxy-503",
        shows="HAProxy ends TLS, and refuses its backend for a missing root: the client gets a 503",
        points={
            "client.pcap": Point(host="client", device="eth-c", shows={_HELLO: 1}),
            "gateway.pcap": Point(host="box", device="any", shows={_HELLO: 2}),
            "backend.pcap": Point(host="server", device="eth-s", shows={_HELLO: 1}),
        },
        gateway=_HTTP_MODE,
        gateway_store="without-root",
        chain="wildcard-leaf",
    ),
    Case(
        name="haproxy-503-one-address",
        shows="the same where HAProxy has one address on both sides; recorded on the gateway alone",
        points={"gateway.pcap": Point(host="box", device="any", shows={_HELLO: 2})},
        gateway=_HTTP_MODE.replace(f"{SERVER}:443", f"{SERVER}:443 source {BOX_TO_CLIENT}"),
        gateway_store="without-root",
        chain="wildcard-leaf",
    ),
    Case(
        name="haproxy-tcp-over-tls",
        shows="HAProxy in TCP mode with `ssl` to its backend, which it refuses four times; the client gets no answer",
        points={
            "client.pcap": Point(host="client", device="eth-c", shows={_HELLO: 1, "tls.handshake.type==2": 0}),
            "gateway.pcap": Point(host="box", device="any", shows={_HELLO: 5}),
        },
        gateway=_TCP_MODE.replace(f"{SERVER}:443", f"{SERVER}:443 ssl verify required ca-file anchors.pem"),
        gateway_store="without-root",
    ),
    Case(
        name="intercepted",
        shows="a transparent proxy shows the client a certificate of its own, and speaks to the server itself",
        points={
            "client.pcap": Point(host="client", device="eth-c", shows={_HELLO: 1, _CERTIFICATE: 1}),
            "server.pcap": Point(host="server", device="eth-s", shows={_HELLO: 1, _CERTIFICATE: 1}),
        },
        box=(
            ("iptables", "-t", "nat", "-A", "PREROUTING", "-p", "tcp", "--dport", "443", "-j", "REDIRECT",
             "--to-ports", "8443"),
        ),
        gateway=_INTERCEPTING,
        gateway_chain="self-signed-leaf",
    ),
)  # fmt: skip


class Between(lab.Lab):
    """Client, box and server in a row. The box routes, or is a bridge."""

    box: lab.Host

    def __init__(self, *, bridge: bool, to_gateway: bool) -> None:
        """`to_gateway`: the client finds the box under the server's name."""
        super().__init__(names=(), family=4)
        self._bridge = bridge
        self._to_gateway = to_gateway

    def host(self, name: str) -> lab.Host:
        """The host that a `Point` names."""
        return {"client": self.client, "box": self.box, "server": self.server}[name]

    def _join(self) -> None:
        self.box = self._add_host("b")
        self._lay(self.client, "eth-bc")
        self._lay(self.server, "eth-bs")
        server = SERVER if not self._bridge else "10.78.1.3"
        if self._bridge:
            self.must(self.box, "ip", "link", "add", "br0", "type", "bridge")
            for device in ("eth-bc", "eth-bs"):
                self.must(self.box, "ip", "link", "set", device, "master", "br0")
            self.must(self.box, "ip", "link", "set", "br0", "up")
        else:
            for device, address in (("eth-bc", BOX_TO_CLIENT), ("eth-bs", BOX_TO_SERVER)):
                self.must(self.box, "ip", "address", "add", f"{address}/24", "dev", device)
            self.must(self.box, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        for host, address, way in ((self.client, CLIENT, BOX_TO_CLIENT), (self.server, server, BOX_TO_SERVER)):
            self.must(host, "ip", "address", "add", f"{address}/24", "dev", host.device)
            if not self._bridge:
                self.must(host, "ip", "route", "add", "default", "via", way)
        named = BOX_TO_CLIENT if self._to_gateway else server
        for host in (self.client, self.box):
            lines = ("127.0.0.1 localhost", f"{named if host is self.client else server} {pki.HOST}")
            Path("/etc/netns", host.namespace, "hosts").write_text("\n".join(lines) + "\n")

    def _lay(self, host: lab.Host, other: str) -> None:
        end = lab.Host(namespace=self.box.namespace, device=other)
        lab.lay(host, end)
        lab.prepare(host)
        lab.prepare(end)


def record(case: Case, out: Path) -> dict[str, Any]:
    """Record one case into the folder `out`; give what `about.json` says of it.

    Raises `RecordingError` when the wire shows something else than the case says, `LabError` when the lab fails.
    """
    to_gateway = bool(case.gateway) and case.gateway is not _INTERCEPTING
    with Between(bridge=case.bridge, to_gateway=to_gateway) as wire:
        products.write_backend(wire.directory / "backend", pki.CHAINS[case.chain])
        products.serve(wire, wire.directory / "backend")
        (wire.directory / "client.pem").write_bytes(pki.pem(pki.STORES[case.store]))
        for change in case.box:
            wire.must(wire.box, *change)
        if case.gateway:
            _start_gateway(case, wire)
        with contextlib.ExitStack() as recorders:
            for file, point in case.points.items():
                where = ["tcpdump", "-i", point.device, "-n", "-s", "0", "-U", *lab.AT_ONCE, "-Z", "root"]
                command = [*where, "-w", str(wire.directory / file), f"tcp port {PORT}"]
                recorders.enter_context(
                    wire.recording(
                        command, ready="listening on", settle=_SETTLE, log=f"{file}.log", host=wire.host(point.host)
                    )
                )
            curl = ["curl", "--silent", "--show-error", "--tls-max", "1.2", "--max-time", str(case.patience)]
            url = f"https://{pki.HOST}/"
            # A transparent proxy's certificate is taken unseen, as by a device that trusts its company's CA.
            trust = ["--insecure"] if case.gateway is _INTERCEPTING else ["--cacert", "client.pem"]
            asking = ["--output", "answer", url] * case.requests
            wire.run(wire.client, [*curl, *trust, *asking], timeout=case.patience * case.requests + 5)
        for file, point in case.points.items():
            _keep(wire.directory / file, out / file, point, case.clock.get(file, 0))
    about = {"name": case.name, "shows": case.shows, "files": list(case.points), "clock": dict(case.clock)}
    (out / "about.json").write_text(json.dumps(about, indent=1) + "\n")
    return about


def write_table(folder: Path) -> None:
    """Write the table of the cases into the README of their folder, if it has one."""
    page = folder / "README.md"
    if page.exists():
        lines = [f"| `{case.name}/` | {case.shows} | {', '.join(map('`{}`'.format, case.points))} |" for case in CASES]
        table = "\n".join(("| folder | what it shows | recorded |", "| --- | --- | --- |", *lines))
        page.write_text(readme.replace_block(page.read_text(), "cases", table))


def _start_gateway(case: Case, wire: Between) -> None:
    chain = pki.CHAINS[case.gateway_chain]
    (wire.directory / "gateway.pem").write_bytes(pki.pem(chain) + pki.key_pem(chain[0]))
    (wire.directory / "anchors.pem").write_bytes(pki.pem(pki.STORES[case.gateway_store]))
    (wire.directory / "haproxy.cfg").write_text(case.gateway)
    listening = 8443 if case.gateway is _INTERCEPTING else PORT
    wire.start(wire.box, ["haproxy", "-db", "-f", "haproxy.cfg"], log="haproxy.log", listening=listening)


def _keep(recorded: Path, kept: Path, point: Point, ahead: float) -> None:
    """Keep a recording that shows what it should, by the clock of who recorded it."""
    for wanted, number in point.shows.items():
        found = len(_tshark(recorded, wanted))
        at_least = wanted.startswith("ip.src==") and number
        if found < number if at_least else found != number:
            raise RecordingError(f"{kept.name}: {found} packets fit `{wanted}`, not {number}")
    command = ["editcap", "-F", "pcap", "-t", f"{ahead:g}", str(recorded), str(kept)]
    subprocess.run(command, check=True, timeout=60, capture_output=True)


def _tshark(file: Path, wanted: str) -> list[str]:
    command = ["tshark", "-n", "-r", str(file), "-Y", wanted, "-T", "fields", "-e", "frame.number"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.split()


def main(arguments: list[str] | None = None) -> int:
    """Record what the command line asks for; give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m captures.record.between", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--only", nargs="+", default=["*"], metavar="NAME")
    parser.add_argument("--out", type=Path, default=_DEFAULT_OUT)
    options = parser.parse_args(arguments)
    lab.remove_leftovers()
    failed = False
    for case in CASES:
        if not any(fnmatch.fnmatch(case.name, pattern) for pattern in options.only):
            continue
        needs = (*lab.NEEDS, "iptables", "tc", "editcap", "curl", *(["haproxy"] if case.gateway else []))
        if absent := stacks.absent(needs):
            print(f"skipped   {case.name}: {', '.join(absent)} missing", flush=True)
            continue
        out = options.out / case.name
        out.mkdir(parents=True, exist_ok=True)
        try:
            record(case, out)
            print(f"recorded  {case.name}", flush=True)
        except (lab.LabError, RecordingError) as error:
            failed = True
            print(f"FAILED    {case.name}: {error}", flush=True)
    write_table(options.out)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
