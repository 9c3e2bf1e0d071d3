"""The recorded gateways, each with what its owner has at hand: capture, configuration, log, trust store."""

from __future__ import annotations

import json
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from analyzer.cli import main
from analyzer.pipeline import analyze
from analyzer.report.model import Connection, Report
from captures.record.gateways import CASES
from captures.record.source_cases import CORRELATION_ID, MESSAGE_ID, SOURCE_CASES

ROOT = Path(__file__).resolve().parents[1]
GATEWAYS = ROOT / "captures" / "gateways"
ABOUT: dict[str, dict[str, Any]] = {
    path.parent.name: json.loads(path.read_text()) for path in sorted(GATEWAYS.glob("*/about.json"))
}
FAILED = [name for name, about in ABOUT.items() if about["expected"]["cause"]]
LINES = [pytest.param(name, log, id=f"{name}-{log['line']}") for name, about in ABOUT.items() for log in about["logs"]]
PASSWORD = "changeit"
ROOT_SHA256 = "46ec2b67563e44d0f4465d61ec28673239e855904559e47c37bdb19706949809"


@cache
def analysed(name: str) -> Report:
    """A case as its owner would have it analysed: no host, profile or depth is named, for the configuration tells."""
    about, folder = ABOUT[name], GATEWAYS / name
    shown = about.get("server_chain_file")
    return analyze(
        folder / "capture.pcap",
        gateway=about["gateway"],
        config=[folder / file for file in about["configuration"]],
        log=sorted({folder / log["file"] for log in about["logs"]}),
        truststore=[folder / file for file in about["truststore"]] or None,
        truststore_password=PASSWORD,
        candidate=[folder / file for file in about["candidates"]] or None,
        server_chain=folder / shown if shown else None,
    )


def failed_connection(name: str) -> Connection:
    number: int = ABOUT[name]["expected"]["connection"]
    return analysed(name).connections[number]


def test_every_case_that_can_be_recorded_is_there() -> None:
    assert set(ABOUT) == {case.name for case in CASES} | set(SOURCE_CASES)


@pytest.mark.parametrize("name", FAILED)
def test_the_cause_is_found_without_naming_profile_host_or_depth(name: str) -> None:
    expected, seen = ABOUT[name]["expected"], failed_connection(name)
    assert seen.cause is not None
    assert (seen.outcome, seen.cause.code, seen.abort_packet) == ("failed", expected["cause"], expected["abort_packet"])
    assert seen.client == expected["client"]


@pytest.mark.parametrize(("name", "log"), LINES)
def test_each_line_of_the_log_stands_beside_the_connection_that_it_speaks_of(name: str, log: dict[str, Any]) -> None:
    beside = analysed(name).connections[log["connection"]].log_lines
    (line,) = [line for line in beside if line.line == log["line"]]
    assert line.source.endswith(f"{name}/{log['file']}")
    assert line.agrees is not False
    assert line.id == log.get("id")


def test_a_success_has_no_lines_and_no_cause() -> None:
    (connection,) = analysed("nginx-success").connections
    assert (connection.outcome, connection.log_lines) == ("completed", ())


def run(name: str, *options: str, kit: Path) -> dict[str, Any]:
    """What one command gives of a case: its configuration, log and candidates, and the kit in a folder."""
    about, folder = ABOUT[name], GATEWAYS / name
    command = [str(folder / "capture.pcap"), "--gateway", about["gateway"], "--fix-dir", str(kit), *options]
    named = [("--config", about["configuration"]), ("--log", [log["file"] for log in about["logs"]])]
    for option, files in named:
        command += [word for file in files for word in (option, str(folder / file))]
    report = kit.parent / "report.json"
    assert main([*command, "-o", str(report)]) == 1
    (connection,) = json.loads(report.read_text())["connections"]
    found: dict[str, Any] = connection
    return found


def certificates(path: Path) -> list[str]:
    data = path.read_bytes()
    read = x509.load_pem_x509_certificates(data) if b"BEGIN" in data else [x509.load_der_x509_certificate(data)]
    return [certificate.fingerprint(hashes.SHA256()).hex() for certificate in read]


@pytest.mark.parametrize("store", [(), ("--truststore", str(GATEWAYS / "apigee-edge" / "truststore.pem"))])
def test_apigee_from_message_id_to_the_pem_to_add(store: tuple[str, ...], tmp_path: Path) -> None:
    seen = run("apigee-edge", *store, kit=tmp_path / "kit")
    events = ABOUT["apigee-edge"]["expected"]["events"]
    assert (seen["cause"]["code"], seen["cause"]["confidence"]) == ("missing-root", "certain")
    assert (seen["aborted_by"], seen["abort_act"], [seen["abort_packet"]]) == ("client", "fin", events["client_fin"])
    assert {(step["packet"], step["what"]) for step in seen["timeline"]} >= {
        (events["client_fin"][0], "FIN,ACK"),
        (events["client_rst"][0], "RST,ACK"),
    }
    (line,) = [line for line in seen["log_lines"] if "handshakeFailed()" in line["text"]]
    assert (line["id"], line["match"], line["agrees"]) == (MESSAGE_ID, "addresses", True)
    assert "PKIX path building failed" in line["text"]
    assert "unable to find valid certification path to requested target" in line["text"]
    fix = seen["fixes"][0]
    assert (fix["action"], fix["certificate"], fix["proven"]) == ("add-to-store", ROOT_SHA256, True)
    assert [ROOT_SHA256] in [certificates(Path(file)) for file in fix["files"]]
    assert any("/keystores" in command for command in fix["commands"])


def test_what_apigee_only_names_is_not_forgotten_in_the_new_truststore(tmp_path: Path) -> None:
    steps = run("apigee-edge", kit=tmp_path / "kit")["fixes"][0]["commands"]
    (told,) = [step for step in steps if "only its name is known" in step]
    assert "Globex Root CA" in told
    assert "Initech Root CA" in told


def test_the_command_of_the_readme_runs_as_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (command,) = re.findall(r"^hsanalyze (captures/gateways/.*)$", (ROOT / "README.md").read_text(), re.MULTILINE)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "captures").symlink_to(ROOT / "captures")
    assert main([*shlex.split(command), "-o", "report.txt"]) == 1
    text = " ".join((tmp_path / "report.txt").read_text().split())
    assert "the referenced truststore lacks the root “Acme Root CA”" in text
    assert f"message id {MESSAGE_ID} is connection 0" in text
    assert ROOT_SHA256 in {digest for file in (tmp_path / "kit").glob("*.pem") for digest in certificates(file)}


def test_azure_from_the_trace_to_two_cer_files_each_with_its_store(tmp_path: Path) -> None:
    candidate = str(GATEWAYS / "azure-apim" / "backend-ca.pem")
    seen = run("azure-apim", "--candidate", candidate, kit=tmp_path / "kit")
    events = ABOUT["azure-apim"]["expected"]["events"]
    assert seen["cause"]["code"] == "missing-root"
    assert (seen["aborted_by"], seen["abort_act"], [seen["abort_packet"]]) == ("client", "fin", events["client_fin"])
    (line,) = seen["log_lines"]
    assert (line["id"], line["agrees"]) == (CORRELATION_ID, True)
    assert "The underlying connection was closed" in line["text"]
    assert seen["configuration"]["target"]
    fix = seen["fixes"][0]
    assert fix["proven"]
    leaf, intermediate = ABOUT["azure-apim"]["server_chain"]
    held = {certificates(Path(file))[0]: Path(file).name for file in fix["files"]}
    assert set(held) == {ROOT_SHA256, intermediate} - {leaf}
    steps = [command for command in fix["commands"] if "New-AzApiManagementSystemCertificate" in command]
    assert "-StoreName Root" in next(step for step in steps if held[ROOT_SHA256] in step)
    assert "-StoreName CertificateAuthority" in next(step for step in steps if held[intermediate] in step)
    assert any("PFX" in command for command in fix["commands"])
