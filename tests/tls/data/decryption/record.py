"""Record the captures of this folder afresh: real TLS stacks on the loopback device, tcpdump, tshark as the witness.

    python tests/tls/data/decryption/record.py [NAME ...]

Needs root, openssl, gnutls-cli, gnutls-serv, tcpdump and tshark. Of each scenario stay `NAME.pcap`, `NAME.keys` (the
key log), and in `manifest.json` what tshark opens with it: frames, handshake types, alerts. A recording that does not
show what its scenario says is thrown away, and the exit status is 1. `rsa.key` is the key of the RSA servers.
"""

# ruff: noqa: T201
from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A server, a client, what is typed into them, and what tshark must see of it: (types from each side, alerts)."""

    name: str
    server: str
    client: str
    client_says: Sequence[str] = ("Q",)
    server_says: Sequence[str] = ()
    first: str = ""
    """A client that goes before, and is not recorded: it fetches a session."""
    shows: str
    must_see: frozenset[str] = frozenset()
    """Handshake types as `c20`, `s24`, and alerts as `c!48`, that must be there."""


OPENSSL = "openssl s_server -quiet -key {key} -cert {cert} -accept {port}"
COMMANDED = OPENSSL.replace(" -quiet", "")
"""Takes commands, too."""
CLIENT = "openssl s_client -connect 127.0.0.1:{port} -servername decrypt.example -keylogfile {keys}"
RSA = "openssl s_server -quiet -key rsa.key -cert rsa.pem -accept {port}"
GNUTLS = "gnutls-serv --quiet --x509keyfile {key} --x509certfile {cert} --port {port} --priority {priority}"
GNUTLS_CLIENT = "gnutls-cli --no-ca-verification --port {port} 127.0.0.1 --priority {priority}"
NOT_EMPTY = "(tcp[13] & 7 != 0 or ip[2:2] - ((ip[0] & 15) << 2) - ((tcp[12] & 0xf0) >> 2) != 0)"
"""Without the packets that only acknowledge, the captures are a quarter smaller."""
DONE = frozenset({"c20", "s20", "c!0"})


def tls12(name: str, cipher: str, more: str = "", *, version: str = "1_2", shows: str) -> Scenario:
    weak = f"-cipher {cipher}:@SECLEVEL=0 -tls{version}"
    server = RSA if cipher.startswith("AES") else OPENSSL
    return Scenario(name=name, server=f"{server} {weak}", client=f"{CLIENT} {weak} {more}", shows=shows, must_see=DONE)


def gnutls(name: str, priority: str, *, rsa: bool = False, server: str = "", shows: str) -> Scenario:
    names = (GNUTLS.replace("{key}", "rsa.key").replace("{cert}", "rsa.pem") if rsa else GNUTLS, GNUTLS_CLIENT)
    serve, connect = (text.replace("{priority}", priority) for text in names)
    return Scenario(
        name=name,
        server=f"{serve} {server}",
        client=f"{connect} {server}",
        client_says=(),
        shows=shows,
        must_see=frozenset({"c20", "s20"}),
    )


SCENARIOS = (
    tls12("tls12-aes128-gcm", "ECDHE-ECDSA-AES128-GCM-SHA256", shows="AES-128-GCM"),
    tls12("tls12-chacha20", "ECDHE-ECDSA-CHACHA20-POLY1305", shows="ChaCha20-Poly1305"),
    tls12("tls12-ccm8", "ECDHE-ECDSA-AES256-CCM8", shows="AES-256-CCM with a tag of 8 bytes"),
    tls12("tls12-cbc-encrypt-then-mac", "ECDHE-ECDSA-AES128-SHA256", shows="AES-128-CBC, encrypt-then-MAC"),
    tls12("tls12-cbc-mac-then-encrypt", "ECDHE-ECDSA-AES256-SHA384", "-no_etm", shows="AES-256-CBC, MAC inside"),
    tls12("tls11-cbc", "ECDHE-ECDSA-AES128-SHA", "-no_etm", version="1_1", shows="TLS 1.1: an IV in each record"),
    tls12("tls10-cbc", "ECDHE-ECDSA-AES256-SHA", "-no_etm", version="1", shows="TLS 1.0: IVs are chained"),
    tls12("tls10-cbc-encrypt-then-mac", "ECDHE-ECDSA-AES128-SHA", version="1", shows="TLS 1.0, encrypt-then-MAC"),
    tls12("tls12-null", "ECDHE-ECDSA-NULL-SHA", shows="a suite that encrypts nothing"),
    tls12("tls12-rsa", "AES128-GCM-SHA256", shows="RSA key exchange, extended master secret"),
    tls12("tls11-rsa", "AES128-SHA", version="1_1", shows="the same in TLS 1.1"),
    gnutls(
        "tls12-rsa-old-master-secret",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA:%NO_SESSION_HASH",
        rsa=True,
        shows="RSA key exchange without extended master secret",
    ),
    gnutls("tls12-3des", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+3DES-CBC:+SHA1", shows="3DES-CBC"),
    gnutls("tls12-rc4", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+ARCFOUR-128:+SHA1", shows="RC4"),
    gnutls(
        "tls12-camellia",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+CAMELLIA-256-CBC:+SHA384",
        shows="Camellia-256-CBC",
    ),
    Scenario(
        name="tls12-renegotiation",
        server=f"{OPENSSL} -tls1_2 -cipher ECDHE-ECDSA-AES128-GCM-SHA256 -client_renegotiation -verify 1",
        client=f"{CLIENT} -tls1_2 -cert {{cert}} -key {{key}}",
        client_says=("R", "Q"),
        shows="a second handshake inside the first, with a client certificate",
        must_see=DONE,
    ),
    Scenario(
        name="tls13-client-refuses",
        server=f"{OPENSSL} -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256",
        client=f"{CLIENT} -verify_return_error -CAfile rsa.pem",
        client_says=(),
        shows="the client refuses the certificate, in TLS 1.3",
        must_see=frozenset({"s11", "s20"}),
    ),
    Scenario(
        name="tls13-server-wants-certificate",
        server=f"{OPENSSL} -tls1_3 -ciphersuites TLS_CHACHA20_POLY1305_SHA256 -Verify 1",
        client=CLIENT,
        client_says=("hello", "Q"),
        shows="certificate_required under the application keys",
        must_see=frozenset({"s13", "c11", "s!116"}),
    ),
    Scenario(
        name="tls13-retry",
        server=f"{OPENSSL} -tls1_3 -ciphersuites TLS_AES_256_GCM_SHA384 -groups P-384",
        client=f"{CLIENT} -groups X25519:P-384 -cert {{cert}} -key {{key}}",
        shows="HelloRetryRequest",
        must_see=DONE,
    ),
    Scenario(
        name="tls13-key-update",
        server=f"{OPENSSL} -tls1_3 -ciphersuites TLS_AES_128_CCM_SHA256",
        client=f"{CLIENT} -ciphersuites TLS_AES_128_CCM_SHA256",
        client_says=("K", "one", "K", "two", "k", "Q"),
        shows="AES-128-CCM; keys are updated three times by the client, twice by the server",
        must_see=DONE | {"c24", "s24"},
    ),
    Scenario(
        name="tls13-post-handshake-authentication",
        server=f"{COMMANDED} -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256",
        client=f"{CLIENT} -enable_pha -cert {{cert}} -key {{key}}",
        client_says=("hello", "again", "Q"),
        server_says=("", "c", ""),
        shows="a certificate is asked for after the handshake",
        must_see=frozenset({"s13", "c11", "c15", "c20", "s20"}),
    ),
    Scenario(
        name="tls13-early-data",
        server=f"{OPENSSL} -tls1_3 -ciphersuites TLS_AES_128_GCM_SHA256 -early_data",
        first=f"{CLIENT} -sess_out session",
        client=f"{CLIENT} -sess_in session -early_data early",
        shows="0-RTT data",
        must_see=DONE | {"c5"},
    ),
    gnutls(
        "tls13-ccm8",
        "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-CCM-8",
        shows="TLS 1.3, AES-128-CCM with a tag of 8",
    ),
)


def record(scenario: Scenario, folder: Path) -> dict[str, Any]:
    """Record one scenario into this folder; give its entry."""
    port = free_port()
    keys, capture = folder / "keys", folder / "capture.pcap"
    keys.unlink(missing_ok=True)
    words = {"port": port, "key": "ec.key", "cert": "ec.pem", "keys": "keys"}
    server = start(scenario.server.format(**words).split(), folder)
    wait_for(port)
    try:
        if scenario.first:
            talk(start(scenario.first.format(**words).split(), folder), ("Q",))
            keys.unlink(missing_ok=True)
        watch = subprocess.Popen(
            [
                "tcpdump",
                "-i",
                "lo",
                "-s",
                "0",
                "-U",
                "--immediate-mode",
                "-Z",
                "root",
                "-w",
                str(capture),
                f"tcp port {port} and {NOT_EMPTY}",
            ],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert watch.stderr is not None
        while "listening on" not in watch.stderr.readline():
            pass
        client = start(scenario.client.format(**words).split(), folder)
        talk(client, scenario.client_says, server, scenario.server_says)
        time.sleep(0.4)
        watch.terminate()
        watch.wait(10)
    finally:
        server.kill()
        server.wait(10)
    shutil.copyfile(capture, HERE / f"{scenario.name}.pcap")
    lines = [line for line in keys.read_text().splitlines() if line and "EXPORTER" not in line and line[0] != "#"]
    (HERE / f"{scenario.name}.keys").write_text("\n".join(lines) + "\n")
    frames = witnessed(capture, keys, port)
    seen = {f"{f['from'][0]}{t}" for f in frames for t in f["handshake"]}
    seen |= {f"{f['from'][0]}!{a}" for f in frames for a in f["alerts"]}
    if not scenario.must_see <= seen:
        raise SystemExit(f"{scenario.name}: {sorted(scenario.must_see - seen)} are missing in {sorted(seen)}")
    return {"name": scenario.name, "shows": scenario.shows, "frames": frames}


def witnessed(capture: Path, keys: Path, port: int) -> list[dict[str, Any]]:
    """What tshark opens: of each frame with a handshake message or an alert its sender and their numbers."""
    fields = ("frame.number", "tcp.srcport", "tls.handshake.type", "tls.alert_message.desc")
    asked = [word for name in fields for word in ("-e", name)]
    command = ["tshark", "-r", str(capture), "-d", f"tcp.port=={port},tls", "-o", f"tls.keylog_file:{keys}"]
    done = subprocess.run([*command, "-T", "fields", *asked], capture_output=True, text=True, check=True)
    frames = []
    for line in done.stdout.splitlines():
        number, source, types, alerts = line.split("\t")
        if types or alerts:
            frames.append(
                {
                    "frame": int(number),
                    "from": "server" if int(source) == port else "client",
                    "handshake": [int(word) for word in types.split(",") if word],
                    "alerts": [int(word) for word in alerts.split(",") if word],
                }
            )
    return frames


def start(command: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    environment = os.environ | {"SSLKEYLOGFILE": "keys"} if command[0] == "gnutls-cli" else None
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )


def talk(
    client: subprocess.Popen[str],
    says: Sequence[str],
    server: subprocess.Popen[str] | None = None,
    answers: Sequence[str] = (),
) -> None:
    """Type lines into the client, and between them lines into the server; then close both inputs."""
    time.sleep(0.5)
    for number in range(max(len(says), len(answers))):
        for process, lines in ((server, answers), (client, says)):
            if process is not None and number < len(lines) and lines[number] and process.stdin is not None:
                try:
                    process.stdin.write(lines[number] + "\n")
                    process.stdin.flush()
                except BrokenPipeError:
                    pass
                time.sleep(0.4)
    try:
        client.communicate(timeout=3)
    except subprocess.TimeoutExpired:
        client.kill()
        client.wait(10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    for _ in range(50):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                time.sleep(0.2)
                return
        time.sleep(0.1)
    raise SystemExit(f"no server on port {port}")


def certificates(folder: Path) -> None:
    """An ECDSA and an RSA certificate, self-signed, short."""
    for name, kind in (("ec", ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]), ("rsa", ["rsa:2048"])):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", *kind, "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
             "-subj", "/CN=decrypt.example", "-days", "3650"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
    (folder / "early").write_text("GET / HTTP/1.0\r\n\r\n")
    if (HERE / "rsa.key").exists():
        shutil.copyfile(HERE / "rsa.key", folder / "rsa.key")
        subprocess.run(
            ["openssl", "req", "-x509", "-key", "rsa.key", "-out", "rsa.pem", "-subj", "/CN=decrypt.example",
             "-days", "3650"],
            cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
    else:
        shutil.copyfile(folder / "rsa.key", HERE / "rsa.key")


def main(names: Sequence[str]) -> int:
    """Record the scenarios of these names, or all."""
    manifest = HERE / "manifest.json"
    entries = {entry["name"]: entry for entry in json.loads(manifest.read_text())} if manifest.exists() else {}
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        certificates(folder)
        for scenario in SCENARIOS:
            if names and scenario.name not in names:
                continue
            try:
                entries[scenario.name] = record(scenario, folder)
                print(scenario.name, "recorded")
            except (SystemExit, OSError, subprocess.SubprocessError) as error:
                print(scenario.name, "FAILED:", error)
                failed = 1
    order = [scenario.name for scenario in SCENARIOS]
    kept = sorted((e for n, e in entries.items() if n in order), key=lambda entry: order.index(entry["name"]))
    manifest.write_text(json.dumps(kept, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
