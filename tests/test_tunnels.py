"""Real tunnels, recorded outside of them: the connection inside is analysed, and the report names the tunnel."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import analyzer
from analyzer.cli import main
from analyzer.report.model import Connection, Report
from tests.packets import tshark

FOLDER = Path(__file__).resolve().parents[1] / "captures" / "tunnels"
TUNNELS: dict[str, dict[str, Any]] = json.loads((FOLDER / "manifest.json").read_text())
OPEN = [name for name, entry in TUNNELS.items() if entry["tunnels"] is not None]


def analysed(name: str) -> Report:
    store = FOLDER.parent / TUNNELS[name]["store"]
    return analyzer.analyze(FOLDER / f"{name}.pcap", truststore=str(store))


@pytest.mark.parametrize("name", OPEN)
def test_a_handshake_in_a_tunnel_is_explained_and_the_tunnel_named(name: str) -> None:
    (connection,) = analysed(name).connections
    assert connection.cause is not None
    assert (connection.cause.code, connection.tls is not None and connection.tls.sni) == (
        "missing-root",
        "api.backend.example",
    )
    assert list(connection.tunnels) == TUNNELS[name]["tunnels"]
    assert (connection.tunnels_back, connection.tunnels_also) == ((), ())


@pytest.mark.parametrize("name", OPEN)
def test_frames_and_streams_are_wiresharks(name: str) -> None:
    path = FOLDER / f"{name}.pcap"
    (connection,) = analysed(name).connections
    hello = tshark(path, "tcp.stream", "frame.number", display_filter="tls.handshake.type == 1")
    assert hello == [[str(connection.id), str(first(connection, "ClientHello"))]]
    alerts = tshark(path, "frame.number", display_filter="tls.alert_message")
    assert [int(row[0]) for row in alerts] == [alert.packet for alert in connection.alerts] != []


def first(connection: Connection, what: str) -> int:
    return next(entry.packet for entry in connection.timeline if entry.what.startswith(what))


def test_the_text_names_the_tunnel(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FOLDER / "vxlan.pcap")]) == 1
    assert "Tunnel       VXLAN 42 from 10.77.0.1 to 10.77.0.2".replace(" ", "") in capsys.readouterr().out.replace(
        " ", ""
    )


def test_the_outer_addresses_are_private_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FOLDER / "vxlan.pcap"), "--redact", "--format", "markdown"]) == 1
    out = capsys.readouterr().out
    assert "VXLAN 42 from address-1 to address-2" in out
    assert "10.77." not in out


@pytest.mark.lab
def test_a_tunnel_is_recorded_afresh(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("recording needs root")
    words = [sys.executable, "-m", "captures.record.tunnels", "--only", "vxlan", "--out", str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120, cwd=FOLDER.parents[1])
    if "skipped" in done.stdout:
        pytest.skip(done.stdout.strip())
    assert done.returncode == 0, done.stdout + done.stderr
    (connection,) = analyzer.analyze(tmp_path / "vxlan.pcap").connections
    assert list(connection.tunnels) == TUNNELS["vxlan"]["tunnels"]


def test_of_wireguard_the_outside_is_recognised() -> None:
    report = analysed("wireguard")
    assert report.connections == ()
    (problem,) = report.capture.problems
    assert problem.code == "sealed-tunnel"
    assert "are WireGuard between 10.77.0.1 and 10.77.0.2" in problem.text


@pytest.mark.slow
@pytest.mark.parametrize("name", OPEN)
def test_both_readings_agree_and_name_the_same_tunnel(name: str) -> None:
    pytest.importorskip("pyshark")
    path = FOLDER / f"{name}.pcap"
    both = analyzer.analyze(path, dissector="both").dissector
    assert both is not None
    assert (both.compared, both.differences) == (1, ())
    (connection,) = analyzer.analyze(path, dissector="wireshark").connections
    assert list(connection.tunnels) == TUNNELS[name]["tunnels"]
