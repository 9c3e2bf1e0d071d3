"""Record the captures of captures/tunnels: one refused handshake through each tunnel that can be built here.

    python -m captures.record.tunnels                    all of them, into captures/tunnels/
    python -m captures.record.tunnels --only geneve      one (or several, or a pattern)
    python -m captures.record.tunnels --out DIR          somewhere else

The tunnels are those of real stacks: VXLAN of the Linux kernel, Geneve, GRE, ERSPAN, MPLS and QinQ of Open
vSwitch (its userspace datapath, which needs no kernel module), WireGuard of wireguard-go. tcpdump records on the wire
between the hosts, so outside the tunnel; curl refuses the certificate, for the root is not in its store. Needs root,
iproute2, ethtool, tcpdump, tshark, curl, openssl, and the program of the tunnel, else it is skipped, and said so.
"""

from __future__ import annotations

import functools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captures.record import lab, pki, readme, stacks
from captures.record.clients import CLIENTS
from captures.record.folder import record_folder
from captures.record.lab import Host, Lab
from captures.record.servers import SERVERS

PORT = 443
INNER = ("10.88.0.1", "10.88.0.2")
"""The addresses of the client and the server in the tunnel."""
_OUTER = (lab.CLIENT_ADDRESS[4], lab.SERVER_ADDRESS[4])
_DEFAULT_OUT = Path(__file__).resolve().parents[1] / "tunnels"
_LIMIT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunnel:
    """One way to wrap packets.

    - `build` makes it on both hosts; the server is then at the second address of `INNER`
    - `tunnels`: what an analysis should name, client to server; None for a tunnel that hides what is in it
    - `device`: what tcpdump records on
    """

    shows: str
    by: str
    build: Callable[[Lab], None]
    tunnels: tuple[str, ...] | None
    needs: tuple[str, ...] = ()
    device: str = "eth-c"


def _ends(wire: Lab) -> tuple[tuple[Host, str, str, str], ...]:
    """Each host, its address in the tunnel, its own outer address, the other's."""
    return (
        (wire.client, INNER[0], _OUTER[0], _OUTER[1]),
        (wire.server, INNER[1], _OUTER[1], _OUTER[0]),
    )


def _vxlan(wire: Lab, *, mtu: int) -> None:
    for host, inner, own, other in _ends(wire):
        wire.must(host, "ip", "link", "add", "vx", "type", "vxlan", "id", "42", "dstport", "4789",
                  "local", own, "remote", other)  # fmt: skip
        wire.must(host, "ip", "address", "add", f"{inner}/24", "dev", "vx")
        wire.must(host, "ip", "link", "set", "vx", "mtu", str(mtu), "up")


def _open_vswitch(wire: Lab, host: Host, *commands: tuple[str, ...]) -> None:
    """Run Open vSwitch on a host, with its own database, and give it commands of ovs-vsctl."""
    folder = wire.directory / host.device
    folder.mkdir()
    # The kernel sees what comes on the wire too, and must not answer for the switch's addresses.
    wire.must(host, "sysctl", "-q", "-w", "net.ipv4.conf.all.arp_ignore=1")
    schema = "/usr/share/openvswitch/vswitch.ovsschema"
    wire.must(host, "ovsdb-tool", "create", str(folder / "conf.db"), schema)
    socket = f"unix:{folder / 'db.sock'}"
    environment = {"OVS_RUNDIR": str(folder), "OVS_LOGDIR": str(folder)}
    database = ["ovsdb-server", str(folder / "conf.db"), f"--remote=p{socket}", f"--unixctl={folder / 'db.ctl'}"]
    wire.start(host, database, log=f"{host.device}-db.log", environment=environment)
    _until((folder / "db.sock").exists)
    tags = ("set", "Open_vSwitch", ".", "other_config:vlan-limit=2")
    wire.must(host, "ovs-vsctl", f"--db={socket}", "--no-wait", "init", "--", *tags)
    switch = ["ovs-vswitchd", socket, f"--unixctl={folder / 'switch.ctl'}"]
    wire.start(host, switch, log=f"{host.device}-switch.log", environment=environment)
    for command in commands:
        wire.must(host, "ovs-vsctl", f"--db={socket}", f"--timeout={_LIMIT}", *command)


def _until(done: Callable[[], bool]) -> None:
    limit = time.monotonic() + _LIMIT
    while not done():
        if time.monotonic() > limit:
            raise lab.LabError("a program did not become ready")
        time.sleep(0.05)


def _bridge(name: str, *ports: str) -> tuple[tuple[str, ...], ...]:
    added = ("add-br", name, "--", "set", "bridge", name, "datapath_type=netdev", "fail_mode=standalone")
    return (added, *(("add-port", name, port) for port in ports))


def _address(wire: Lab, host: Host, device: str, address: str, *, mtu: int = 1400) -> None:
    wire.must(host, "ethtool", "-K", device, "tx", "off")
    wire.must(host, "ip", "address", "add", f"{address}/24", "dev", device)
    wire.must(host, "ip", "link", "set", device, "mtu", str(mtu), "up")


def _overlay(wire: Lab, *, kind: str, options: tuple[str, ...]) -> None:
    """A tunnel of Open vSwitch: the inner address on one bridge, the wire on another."""
    for host, inner, own, other in _ends(wire):
        remote = ("set", "interface", "tunnel", f"type={kind}", f"options:remote_ip={other}", *options)
        _open_vswitch(
            wire,
            host,
            *_bridge("outside", host.device),
            *_bridge("inside"),
            ("add-port", "inside", "tunnel", "--", *remote),
        )
        wire.must(host, "ip", "address", "flush", "dev", host.device)
        _address(wire, host, "outside", own, mtu=1500)
        _address(wire, host, "inside", inner)


def _flows(wire: Lab, host: Host, *flows: str) -> None:
    bridge = wire.directory / host.device / "inside.mgmt"
    _until(bridge.exists)
    for flow in flows:
        wire.must(host, "ovs-ofctl", "-O", "OpenFlow13", "add-flow", f"unix:{bridge}", flow)


def _pushed(wire: Lab, push: str, *pops: str) -> None:
    """What Open vSwitch puts in front of packets, without a tunnel's own IP header; `pops` take it off by turns."""
    for host, inner, _, _ in _ends(wire):
        _open_vswitch(wire, host, *_bridge("inside", host.device))
        wire.must(host, "ip", "address", "flush", "dev", host.device)
        _address(wire, host, "inside", inner)
        _flows(
            wire,
            host,
            f"priority=9,in_port=LOCAL,ip,actions={push},output:1",
            f"table=0,priority=9,in_port=1,{pops[0]},goto_table:1",
            f"table=1,priority=9,{pops[1]},output:LOCAL",
            "priority=1,actions=normal",
        )


def _labels(wire: Lab) -> None:
    push = "push_mpls:0x8847,set_field:17->mpls_label,push_mpls:0x8847,set_field:1600->mpls_label"
    _pushed(wire, push, "mpls,actions=pop_mpls:0x8847", "mpls,actions=pop_mpls:0x0800")


def _tags(wire: Lab) -> None:
    push = "push_vlan:0x8100,set_field:4103->vlan_vid,push_vlan:0x88a8,set_field:4296->vlan_vid"
    _pushed(wire, push, "dl_vlan=200,actions=pop_vlan", "dl_vlan=7,actions=pop_vlan")


def _wireguard(wire: Lab) -> None:
    keys = []
    for _ in range(2):
        private = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout.strip()
        public = subprocess.run(["wg", "pubkey"], input=private, capture_output=True, text=True, check=True)
        keys.append((private, public.stdout.strip()))
    for number, (host, inner, _, other) in enumerate(_ends(wire)):
        wire.start(host, ["wireguard-go", "-f", f"wg-{number}"], log=f"wireguard-{number}.log")
        secret = wire.directory / f"{host.device}.key"
        secret.write_text(keys[number][0])
        _until(functools.partial(_is_there, wire, host, f"wg-{number}"))
        wire.must(host, "wg", "set", f"wg-{number}", "private-key", str(secret), "listen-port", "51820",
                  "peer", keys[1 - number][1], "allowed-ips", "10.88.0.0/24", "endpoint", f"{other}:51820")  # fmt: skip
        wire.must(host, "ip", "address", "add", f"{inner}/24", "dev", f"wg-{number}")
        wire.must(host, "ip", "link", "set", f"wg-{number}", "up")


def _is_there(wire: Lab, host: Host, device: str) -> bool:
    return wire.run(host, ["wg", "show", device], timeout=5).status == 0


def _nflog(wire: Lab) -> None:
    for host, inner, _, _ in _ends(wire):
        wire.must(host, "ip", "address", "add", f"{inner}/24", "dev", host.device)
    for chain, direction in (("OUTPUT", "--dport"), ("INPUT", "--sport")):
        wire.must(wire.client, "iptables", "-A", chain, "-p", "tcp", direction, str(PORT), "-j", "NFLOG",
                  "--nflog-group", "5", "--nflog-prefix", "a handshake")  # fmt: skip


_OVS = ("ovs-vswitchd", "ovsdb-server", "ovs-vsctl", "ovs-ofctl", "ovsdb-tool")
_SWITCH = "Open vSwitch, userspace datapath"


def _between(name: str) -> str:
    return f"{name} from {_OUTER[0]} to {_OUTER[1]}"


TUNNELS: dict[str, Tunnel] = {
    "vxlan": Tunnel(
        shows="VXLAN",
        by="the Linux kernel",
        build=functools.partial(_vxlan, mtu=1450),
        tunnels=(_between("VXLAN 42"),),
    ),
    "vxlan-fragmented": Tunnel(
        shows="VXLAN whose outer packets are fragmented: the MTU inside is 1500, as on the wire",
        by="the Linux kernel",
        build=functools.partial(_vxlan, mtu=1500),
        tunnels=(_between("VXLAN 42"),),
    ),
    "geneve": Tunnel(
        shows="Geneve",
        by=_SWITCH,
        build=functools.partial(_overlay, kind="geneve", options=("options:key=4711",)),
        tunnels=(_between("Geneve 4711"),),
        needs=_OVS,
    ),
    "gre-key": Tunnel(
        shows="GRE with a key, Ethernet inside (gretap)",
        by=_SWITCH,
        build=functools.partial(_overlay, kind="gre", options=("options:key=4711",)),
        tunnels=(_between("GRE key 4711"),),
        needs=_OVS,
    ),
    "erspan-2": Tunnel(
        shows="ERSPAN, version II",
        by=_SWITCH,
        build=functools.partial(
            _overlay, kind="erspan", options=("options:key=471", "options:erspan_ver=1", "options:erspan_idx=3")
        ),
        tunnels=(_between("ERSPAN session 471"),),
        needs=_OVS,
    ),
    "erspan-3": Tunnel(
        shows="ERSPAN, version III",
        by=_SWITCH,
        build=functools.partial(
            _overlay,
            kind="erspan",
            options=("options:key=471", "options:erspan_ver=2", "options:erspan_dir=0", "options:erspan_hwid=1"),
        ),
        tunnels=(_between("ERSPAN session 471"),),
        needs=_OVS,
    ),
    "mpls": Tunnel(
        shows="MPLS, two labels",
        by=_SWITCH,
        build=_labels,
        tunnels=("MPLS 1600", "MPLS 17"),
        needs=_OVS,
    ),
    "qinq": Tunnel(
        shows="IEEE 802.1ad, a tag in a tag",
        by=_SWITCH,
        build=_tags,
        tunnels=("VLAN 200", "VLAN 7"),
        needs=_OVS,
    ),
    "wireguard": Tunnel(
        shows="WireGuard, from outside",
        by="wireguard-go",
        build=_wireguard,
        tunnels=None,
        needs=("wireguard-go", "wg"),
    ),
    "nflog": Tunnel(
        shows="no tunnel: packets that a firewall rule logs (NFLOG)",
        by="the Linux kernel, iptables",
        build=_nflog,
        tunnels=(),
        needs=("iptables",),
        device="nflog:5",
    ),
}


def record(name: str, tunnel: Tunnel, out: Path) -> dict[str, Any]:
    """Record one tunnel into `out`, and give what is to be known of it."""
    with Lab(names=(pki.HOST,), family=4) as wire:
        tunnel.build(wire)
        bundle = wire.directory / "anchors.pem"
        bundle.write_bytes(pki.pem(pki.STORES["without-root"]))
        job = stacks.Job(
            lab=wire,
            host=pki.HOST,
            family=4,
            port=PORT,
            tls="1.2",
            bundle=bundle,
            patience=8,
            chain=pki.CHAINS["usual"],
            identity=(),
            client_options=(),
            server_options=(),
            programs=wire.directory,
            to=INNER[1],
        )
        SERVERS["openssl"].start(job)
        raw = wire.directory / "recording.pcap"
        words = [
            "tcpdump",
            "-i",
            tunnel.device,
            "-n",
            "-s",
            "0",
            "-U",
            *lab.AT_ONCE,
            "-Z",
            "root",
            "-w",
            str(raw),
        ]
        with wire.recording(words, ready="listening on", settle=1.5):
            said = CLIENTS["curl"].talk(job)
        if said.status != 60:
            raise lab.LabError(f"curl did not refuse the certificate: {said.output.strip()} ({said.status})")
        (out / f"{name}.pcap").write_bytes(raw.read_bytes())
    return {
        "shows": tunnel.shows,
        "by": tunnel.by,
        "tunnels": tunnel.tunnels,
        "cause": "missing-root" if tunnel.tunnels is not None else None,
        "store": "stores/without-root",
    }


def _absent(tunnel: Tunnel) -> tuple[str, ...]:
    return stacks.absent((*lab.NEEDS, "curl", "openssl", *tunnel.needs))


def main(arguments: list[str] | None = None) -> int:
    """Record the tunnels that were asked for."""
    title = (__doc__ or "").partition("\n")[0]
    return record_folder(
        arguments, title, _DEFAULT_OUT, TUNNELS, absent=_absent, record=record, update_readme=update_readme
    )


def update_readme(folder: Path) -> None:
    """Write the table of the tunnels into `folder`/README.md, if there is one."""
    path = folder / "README.md"
    if not path.exists():
        return
    lines = ["| file | what it shows | made by | named |", "| --- | --- | --- | --- |"]
    for name, entry in json.loads((folder / "manifest.json").read_text()).items():
        named = ", then ".join(entry["tunnels"] or ()) or "-"
        lines.append(f"| `{name}.pcap` | {entry['shows']} | {entry['by']} | {named} |")
    path.write_text(readme.replace_block(path.read_text(), "tunnels", "\n".join(lines)))


if __name__ == "__main__":
    sys.exit(main())
