"""Record the captures of captures/datagrams: handshakes over UDP that a client refused, which are recognised and told.

    python -m captures.record.datagrams                  both, into captures/datagrams/
    python -m captures.record.datagrams --only quic      one
    python -m captures.record.datagrams --out DIR        somewhere else

QUIC is spoken by Caddy and aioquic (from PyPI), DTLS by OpenSSL on both sides. Needs root, iproute2, ethtool, tcpdump,
tshark, and these; what is missing is skipped, and said so.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from captures.record import lab, pki, readme, stacks
from captures.record.folder import record_folder
from captures.record.lab import Finished, Lab

_PORT = 443
_PATIENCE = 8
_DEFAULT_OUT = Path(__file__).resolve().parents[1] / "datagrams"
_CADDY = """{
    admin off
    auto_https off
}
https://:443 {
    tls server.pem server.key
    respond "hello"
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Datagrams:
    """A protocol that carries TLS over UDP. `talk` starts the server and has a client refuse its certificate."""

    shows: str
    by: str
    named: str
    talk: Callable[[Lab], Finished]
    needs: tuple[str, ...]
    module: str | None = None


def _quic(wire: Lab) -> Finished:
    (wire.directory / "Caddyfile").write_text(_CADDY)
    home = {"HOME": str(wire.directory), "XDG_DATA_HOME": str(wire.directory), "XDG_CONFIG_HOME": str(wire.directory)}
    words = ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    wire.start(wire.server, words, log="server.log", listening=_PORT, environment=home)
    program = str(stacks.PROGRAMS / "quic_client.py")
    words = [sys.executable, program, pki.HOST, str(_PORT), "anchors.pem", str(_PATIENCE)]
    return wire.run(wire.client, words, timeout=2 * _PATIENCE)


def _dtls(wire: Lab) -> Finished:
    server = f"openssl s_server -dtls1_2 -accept {_PORT} -cert leaf.pem -key server.key -cert_chain server.pem"
    # At the end of its input it leaves.
    wire.start(wire.server, ["sh", "-c", f"sleep {2 * _PATIENCE} | {server}"], log="server.log")
    time.sleep(1)  # nobody listens on a UDP port before somebody has sent to it
    words = ["openssl", "s_client", "-dtls1_2", "-connect", f"{pki.HOST}:{_PORT}", "-CAfile", "anchors.pem"]
    return wire.run(wire.client, [*words, "-verify_return_error"], timeout=_PATIENCE)


DATAGRAMS: dict[str, Datagrams] = {
    "quic": Datagrams(
        shows="QUIC: a client of HTTP/3 does not find the root",
        by="Caddy, aioquic",
        named="QUIC",
        talk=_quic,
        needs=("caddy",),
        module="aioquic",
    ),
    "dtls": Datagrams(
        shows="DTLS 1.2: a client does not find the root",
        by="OpenSSL",
        named="DTLS",
        talk=_dtls,
        needs=("openssl",),
    ),
}


def record(name: str, datagrams: Datagrams, out: Path) -> dict[str, Any]:
    """Record one protocol into `out`, and give what is to be known of it."""
    with Lab(names=(pki.HOST,), family=4) as wire:
        chain = pki.CHAINS["usual"]
        (wire.directory / "server.pem").write_bytes(pki.pem(chain))
        (wire.directory / "leaf.pem").write_bytes(pki.pem(chain[:1]))
        (wire.directory / "server.key").write_bytes(pki.key_pem(chain[0]))
        (wire.directory / "anchors.pem").write_bytes(pki.pem(pki.STORES["without-root"]))
        raw = wire.directory / "recording.pcap"
        words = ["tcpdump", "-i", wire.client.device, "-n", "-s", "0", "-U", *lab.AT_ONCE, "-Z", "root", "-w", str(raw)]
        with wire.recording([*words, "udp or icmp"], ready="listening on", settle=1):
            said = datagrams.talk(wire)
        if said.status in (0, 124):
            raise lab.LabError(f"the client did not refuse: {said.output.strip()} ({said.status})")
        (out / f"{name}.pcap").write_bytes(raw.read_bytes())
    return {"shows": datagrams.shows, "by": datagrams.by, "named": datagrams.named}


def _absent(datagrams: Datagrams) -> tuple[str, ...]:
    absent = stacks.absent((*lab.NEEDS, *datagrams.needs))
    if datagrams.module is not None and importlib.util.find_spec(datagrams.module) is None:
        return (*absent, datagrams.module)
    return absent


def main(arguments: list[str] | None = None) -> int:
    """Record the protocols that were asked for."""
    title = (__doc__ or "").partition("\n")[0]
    return record_folder(
        arguments, title, _DEFAULT_OUT, DATAGRAMS, absent=_absent, record=record, update_readme=update_readme
    )


def update_readme(folder: Path) -> None:
    """Write the table of the recordings into `folder`/README.md, if there is one."""
    path = folder / "README.md"
    if not path.exists():
        return
    lines = ["| file | what it shows | made by |", "| --- | --- | --- |"]
    for name, entry in json.loads((folder / "manifest.json").read_text()).items():
        lines.append(f"| `{name}.pcap` | {entry['shows']} | {entry['by']} |")
    path.write_text(readme.replace_block(path.read_text(), "datagrams", "\n".join(lines)))


if __name__ == "__main__":
    sys.exit(main())
