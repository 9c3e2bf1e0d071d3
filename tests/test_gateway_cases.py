"""The recorded gateways, each with what its owner has at hand: capture, configuration, log, trust store."""

from __future__ import annotations

from pathlib import Path

from analyzer.pipeline import analyze

GATEWAYS = Path(__file__).resolve().parents[1] / "captures" / "gateways"


def test_a_refused_session_that_is_resumed_and_closed_before_any_data_is_no_sign_that_it_works() -> None:
    folder = GATEWAYS / "nginx-missing-root-thrice"
    report = analyze(folder / "capture.pcap", truststore=folder / "trusted.pem", profile="openssl")
    assert [item.tls.resumed for item in report.connections if item.tls] == [False, True, True]
    assert "works since" not in " ".join(note for finding in report.findings for note in finding.notes)
