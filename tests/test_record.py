import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

ROOT = Path(__file__).resolve().parents[1]
CAPTURES = ROOT / "captures"
SCRIPT = CAPTURES / "record" / "record.py"
_WHOLE = json.loads((CAPTURES / "manifest.json").read_text())
MANIFEST: list[dict[str, Any]] = _WHOLE["captures"]
SEVERAL: list[dict[str, Any]] = _WHOLE["several"]


def run_recorder(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def tshark(capture: Path, display_filter: str) -> list[int]:
    command = ["tshark", "-n", "-r", str(capture), "-Y", display_filter, "-T", "fields", "-e", "frame.number"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [int(number) for number in done.stdout.split()]


def sha256(path: Path) -> str:
    return x509.load_pem_x509_certificate(path.read_bytes()).fingerprint(hashes.SHA256()).hex()


def need_a_lab() -> None:
    missing = [tool for tool in ("ip", "ethtool", "tcpdump", "tshark", "openssl") if shutil.which(tool) is None]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"recording needs root and {', '.join(missing) or 'nothing else'}")


def recorded(name: str, directory: Path) -> tuple[Path, dict[str, Any]]:
    need_a_lab()
    done = run_recorder("--only", name, "--out", str(directory))
    if "skipped" in done.stdout and name in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    (entry,) = json.loads((directory / "manifest.json").read_text())["captures"]
    return directory / entry["file"], entry


def test_every_scenario_has_been_recorded_and_stands_in_the_manifest() -> None:
    listed = [line.split()[0] for line in run_recorder("--list").stdout.splitlines()]
    assert [entry["name"] for entry in (*MANIFEST, *SEVERAL)] == listed
    for entry in (*MANIFEST, *SEVERAL):
        for kind in ("file", "keylog", "store", "accepting_store"):
            assert entry.get(kind) is None or (CAPTURES / entry[kind]).exists(), (entry["name"], kind)


def test_every_capture_and_key_log_belongs_to_a_scenario() -> None:
    known = {entry.get(kind) for entry in (*MANIFEST, *SEVERAL) for kind in ("file", "keylog")}
    there = {path.name for path in CAPTURES.iterdir() if path.suffix in {".pcap", ".pcapng", ".keys"}}
    assert there <= known


def test_the_tables_in_the_readme_have_a_line_for_each_capture() -> None:
    named = re.findall(r"^\| `([^`]+\.pcap(?:ng)?)` \|", (CAPTURES / "README.md").read_text(), re.MULTILINE)
    assert named == [entry["file"] for entry in (*MANIFEST, *SEVERAL)]


def test_the_captures_of_several_connections_stay_below_eighty_kilobytes_together() -> None:
    assert sum((CAPTURES / entry["file"]).stat().st_size for entry in SEVERAL) < 80_000


def test_the_captures_stay_below_two_megabytes_in_all() -> None:
    assert sum(path.stat().st_size for path in CAPTURES.rglob("*") if path.suffix in {".pcap", ".pcapng"}) < 2e6


def test_the_stores_fit_the_chains_in_the_captures() -> None:
    (playbook,) = (entry for entry in MANIFEST if entry["name"] == "playbook")
    root = playbook["server_chain"][-1]
    assert sha256(CAPTURES / "stores" / "with-root" / "acme-root.pem") == root
    assert root not in {sha256(path) for path in (CAPTURES / playbook["store"]).iterdir()}


def test_an_unknown_scenario_is_refused_by_name(tmp_path: Path) -> None:
    done = run_recorder("--only", "no-such-scenario", "--out", str(tmp_path))
    assert done.returncode == 2
    assert "no-such-scenario" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.lab
@pytest.mark.java
def test_the_playbook_recorded_afresh_ends_by_the_clients_fin_without_an_alert_of_its_own(tmp_path: Path) -> None:
    capture, entry = recorded("playbook", tmp_path)
    (fin,) = tshark(capture, "tcp.flags.fin==1 && tcp.dstport==443")
    resets = tshark(capture, "tcp.flags.reset==1 && tcp.dstport==443")
    certificate = tshark(capture, "tls.handshake.type==11")
    assert entry["expected"] == {
        "outcome": "failed",
        "cause": "missing-root",
        "aborted_by": "client",
        "abort_act": "fin",
        "abort_packet": fin,
        "stage": "server-flight",
    }
    assert certificate[0] < fin < resets[0]
    assert not tshark(capture, "tls.alert_message && tcp.dstport==443")
    assert "PKIX path building failed" in entry["client_error"]


@pytest.mark.lab
def test_a_missing_root_recorded_afresh_shows_openssls_unknown_ca_alert(tmp_path: Path) -> None:
    capture, entry = recorded("missing-root-openssl", tmp_path)
    alerts = tshark(capture, "tls.alert_message.desc==48 && tcp.dstport==443")
    assert alerts == [entry["expected"]["abort_packet"]]
    assert tshark(capture, "tls.handshake.type==11") == entry["events"]["server_certificate"]
    assert "unable to get local issuer certificate" in entry["client_error"]


@pytest.mark.lab
def test_several_connections_recorded_afresh_end_as_their_entry_says(tmp_path: Path) -> None:
    need_a_lab()
    done = run_recorder("--only", "two-clients", "--out", str(tmp_path))
    if "skipped" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    (entry,) = json.loads((tmp_path / "manifest.json").read_text())["several"]
    alerts = tshark(tmp_path / entry["file"], "tls.alert_message.desc==48")
    assert [c["abort_packet"] for c in entry["connections"] if c["outcome"] == "failed"] == alerts
    assert [c["outcome"] for c in entry["connections"]] == ["failed", "completed", "failed"]


@pytest.mark.lab
def test_recording_leaves_no_namespace_behind(tmp_path: Path) -> None:
    def namespaces() -> set[str]:
        done = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=True, timeout=15)
        return {line.split()[0] for line in done.stdout.splitlines() if line.startswith("hsa-")}

    before = namespaces()
    recorded("connection-refused", tmp_path)
    assert namespaces() <= before
