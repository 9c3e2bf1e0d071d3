"""Configuration of products that ran for real, beside the capture of what they did (captures/gateways)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from analyzer import analyze
from analyzer.report.model import Report
from analyzer.report.redact import redact
from analyzer.report.to_json import json_schema, to_json
from analyzer.report.to_text import to_text

CASES = Path(__file__).resolve().parents[2] / "captures" / "gateways"


def about(case: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CASES / case / "about.json").read_text())
    return found


@pytest.fixture(scope="module")
def report_of() -> Callable[[str], Report]:
    done: dict[str, Report] = {}

    def report(case: str) -> Report:
        if case not in done:
            files = [CASES / case / name for name in about(case)["configuration"]]
            done[case] = analyze(CASES / case / "capture.pcap", config=files)
        return done[case]

    return report


@pytest.mark.parametrize("case", ["nginx-missing-root", "haproxy-missing-root", "apigee-edge", "nginx-chain-too-long"])
def test_the_configuration_alone_gives_host_store_and_cause(case: str, report_of: Callable[[str], Report]) -> None:
    report, told = report_of(case), about(case)
    (connection,) = [item for item in report.connections if item.id == told["expected"]["connection"]]
    assert report.configuration is not None
    assert [problem for problem in report.configuration.problems if problem.severity == "error"] == []
    assert connection.host == told["host"]
    assert connection.cause is not None
    assert connection.cause.code == told["expected"]["cause"]


def test_without_proxy_ssl_name_the_name_of_the_upstream_block_is_checked(report_of: Callable[[str], Report]) -> None:
    connection = report_of("nginx-hostname").connections[0]
    assert connection.host == "orders_backend"
    assert connection.cause is not None
    assert connection.cause.code == "hostname-mismatch"
    assert "upstream block" in connection.cause.explanation
    assert any("upstream block" in item.text for item in connection.evidence)


def test_the_depth_that_holds_when_none_is_set_explains_a_chain_that_is_too_long(
    report_of: Callable[[str], Report],
) -> None:
    connection = report_of("nginx-chain-too-long").connections[0]
    assert connection.cause is not None
    assert "proxy_ssl_verify_depth is not set, so it is 1" in connection.cause.explanation


def test_the_product_of_the_configuration_sets_the_validator(report_of: Callable[[str], Report]) -> None:
    report = report_of("apigee-edge")
    assert report.gateway is not None
    assert report.gateway.name == "apigee-edge"
    assert [verdict.profile for verdict in report.connections[0].trust] == ["java"]
    expected = report.connections[0].configuration
    assert expected is not None
    assert expected.place.endswith("target-endpoint.xml:13")
    assert any("profile java" in note for note in expected.notes)


def test_a_gateway_that_does_not_verify_is_never_said_for_certain_to_have_refused_for_trust(tmp_path: Path) -> None:
    case = CASES / "haproxy-missing-root"
    text = (case / "haproxy.cfg").read_text().replace("verify required ca-file trusted.pem", "verify none")
    (tmp_path / "haproxy.cfg").write_text(text)
    report = analyze(case / "capture.pcap", truststore=case / "trusted.pem", config=tmp_path / "haproxy.cfg")
    cause = report.connections[0].cause
    assert cause is not None
    assert (cause.code, cause.confidence) == ("missing-root", "likely")  # the alert speaks of it all the same
    assert "does not verify the chain" in cause.explanation


def test_nginx_that_does_not_verify_closed_an_idle_connection(tmp_path: Path) -> None:
    case = CASES / "nginx-missing-root"
    text = (case / "nginx.conf").read_text().replace("proxy_ssl_verify on", "proxy_ssl_verify off")
    (tmp_path / "nginx.conf").write_text(text)
    report = analyze(case / "capture.pcap", truststore=case / "trusted.pem", config=tmp_path / "nginx.conf")
    assert report.connections[0].outcome == "completed"


@pytest.mark.parametrize("case", ["nginx-hostname", "apigee-edge", "azure-apim"])
def test_the_json_is_as_its_schema_says(case: str, report_of: Callable[[str], Report]) -> None:
    import jsonschema

    report = report_of(case)
    for one in (report, redact(report)):
        jsonschema.validate(json.loads(to_json(one)), json.loads(json_schema()))


def test_redacted_reports_do_not_tell_what_the_configuration_tells(report_of: Callable[[str], Report]) -> None:
    text = to_text(redact(report_of("apigee-edge"))).lower()
    for private in ("backend.example", "globex", "initech", "target-endpoint.xml", "orders-truststore"):
        assert private not in text
