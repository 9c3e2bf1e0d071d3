"""`--gateway`: the report follows the product, and without it nothing changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import analyzer
from analyzer.cli import main
from analyzer.errors import InputError
from analyzer.gateways import product_of
from analyzer.gateways.wording import Wording
from analyzer.report.model import Connection
from analyzer.report.wording import front_legs

APIGEE = product_of("apigee-edge").words


@pytest.fixture
def words(captures: Path) -> list[str]:
    return [str(captures / "playbook.pcap"), "--truststore", str(captures / "stores/without-root")]


def connection(captures: Path, name: str, gateway: str, store: str) -> Connection:
    report = analyzer.analyze(captures / f"{name}.pcap", truststore=captures / "stores" / store, gateway=gateway)
    return report.connections[0]


def test_the_sentence_speaks_the_products_language(
    words: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main([*words, "--gateway", "apigee-edge"]) == 1
    text = " ".join(capsysbinary.readouterr().out.decode().split())
    assert "The Message Processor 10.77.0.1 refused the certificate of the target endpoint api.backend.example" in text
    assert "the referenced truststore lacks the root “Acme Root CA”" in text
    assert "503 messaging.adaptors.http.flow.SslHandshakeFailed" in text
    assert "southbound: Message Processor to target endpoint" in text
    assert "the client" not in text.lower().partition("packet walk")[0]


def test_json_names_the_product_and_its_validator(words: list[str], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main([*words, "--gateway", "apigee-edge", "--format", "json"]) == 1
    report = json.loads(capsysbinary.readouterr().out)
    gateway = report["gateway"]
    assert (gateway["name"], gateway["profile"], gateway["validator"]) == ("apigee-edge", "java", "Java (JSSE)")
    assert report["connections"][0]["leg"] == "back"
    assert [verdict["profile"] for verdict in report["connections"][0]["trust"]] == ["java"]


def test_without_a_gateway_nothing_is_said_of_any(captures: Path) -> None:
    report = analyzer.analyze(captures / "playbook.pcap", truststore=captures / "stores/without-root")
    assert report.gateway is None
    assert report.connections[0].leg is None
    assert report.connections[0].expected_log == ()


@pytest.mark.parametrize(
    ("name", "gateway", "store", "expected"),
    [
        (
            "missing-root-nginx-proxy",
            "nginx",
            "without-root",
            "verify error: (20:unable to get local issuer certificate) while SSL handshaking to upstream",
        ),
        ("missing-intermediate-openssl", "node", "with-root", "UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
        ("missing-root-openssl", "haproxy", "without-root", "SSL handshake failure"),
        ("hostname-mismatch-java", "apigee-edge", "with-root", "No subject alternative DNS name matching"),
        (
            "missing-root-go",
            "traefik",
            "without-root",
            "tls: failed to verify certificate: x509:",
        ),
        ("expired-leaf-openssl", "azure-appgw", "with-root", "Current date is not within"),
        ("server-reset-java", "java", "without-root", "Connection reset"),
    ],
)
def test_what_the_product_logs_is_named(captures: Path, name: str, gateway: str, store: str, expected: str) -> None:
    found = connection(captures, name, gateway, store)
    assert any(expected in line for line in found.expected_log), found.expected_log


def test_a_text_of_which_a_part_is_unknown_is_left_out(captures: Path) -> None:
    report = analyzer.analyze(captures / "missing-root-java.pcap", gateway="apigee-edge")
    assert report.connections[0].expected_log == ("503 messaging.adaptors.http.flow.SslHandshakeFailed",)


def test_a_profile_or_a_depth_given_by_hand_wins(captures: Path) -> None:
    report = analyzer.analyze(
        captures / "playbook.pcap",
        truststore=captures / "stores/without-root",
        gateway="nginx",
        profile="go",
        verify_depth=7,
    )
    assert report.gateway is not None
    assert (report.gateway.profile, report.gateway.verify_depth) == ("go", 7)


def test_the_depth_is_the_products_own_where_none_is_given(captures: Path) -> None:
    report = analyzer.analyze(captures / "playbook.pcap", gateway="nginx")
    assert report.gateway is not None
    assert report.gateway.verify_depth == 1


def test_a_product_that_verifies_nothing_says_so_first(
    words: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main([*words, "--gateway", "aws-alb"]) == 1
    text = " ".join(capsysbinary.readouterr().out.decode().split())
    assert text.index("does not validate the certificates of its targets") < text.index("Packet walk")


def test_an_unmeasured_validator_is_called_so(captures: Path) -> None:
    report = analyzer.analyze(captures / "playbook.pcap", gateway="azure-apim")
    assert report.gateway is not None
    assert "not measured" in report.gateway.validator


def test_an_unknown_gateway_is_wrong_usage(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*words, "--gateway", "ngnix"]) == 2
    assert "Did you mean nginx" in capsys.readouterr().err
    with pytest.raises(InputError):
        analyzer.analyze(words[0], gateway="ngnix")


def test_the_list_names_product_validator_and_profile(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["--list-gateways"]) == 0
    lines = capsysbinary.readouterr().out.decode().splitlines()
    assert any(line.split()[0] == "haproxy" and line.split()[-1] == "openssl" for line in lines if line)
    assert any(line.startswith("azure-apim ") and "not measured" in line for line in lines)


def test_names_out_of_certificates_and_validators_texts_are_left_alone() -> None:
    wording = Wording(APIGEE, front=False)
    text = 'the chain ends at "CN=the client of the server", which the server sent'
    assert wording(text) == 'the chain ends at "CN=the client of the server", which the target endpoint sent'
    said = "the java validator, run on this chain, says: the server lied"
    assert wording(said) == said


def test_words_of_the_protocol_are_left_alone() -> None:
    wording = Wording(APIGEE, front=False)
    for text in ("the server name is missing", "the client certificate", "the server hello", "the ClientHello"):
        assert wording(text) == text


def test_a_products_own_name_keeps_its_letters() -> None:
    wording = Wording(product_of("nginx").words, front=False)
    assert wording("The client left. The server waited.") == "nginx left. The upstream server waited."


def test_a_leg_towards_the_gateway_is_told_from_the_one_behind_it(captures: Path) -> None:
    report = analyzer.analyze(captures / "playbook.pcap")
    back = report.connections[0]
    front = replace(back, id=1, client="192.0.2.7:50000", server="10.77.0.1:443")
    assert front_legs((back, front)) == {1}
    assert front_legs((back,)) == frozenset()
    assert Wording(APIGEE, front=True)("The client left. The server waited.") == "The client left. The Router waited."


def test_redaction_keeps_the_products_words(captures: Path) -> None:
    report = analyzer.analyze(
        captures / "hostname-mismatch-java.pcap",
        truststore=captures / "stores/with-root",
        gateway="apigee-edge",
        redact=True,
    )
    assert report.gateway is not None
    assert report.gateway.words.client == "the Message Processor"
    assert "backend.example" not in " ".join(report.connections[0].expected_log)
    assert "The Message Processor" in report.findings[0].text


@pytest.mark.parametrize(("given", "doubted"), [(None, True), (1, False)])
def test_a_limit_that_nobody_named_is_called_the_products_default(
    captures: Path, given: int | None, doubted: bool
) -> None:
    folder = captures / "gateways/nginx-chain-too-long"
    report = analyzer.analyze(
        folder / "capture.pcap", truststore=folder / "trusted.pem", gateway="nginx", verify_depth=given
    )
    cause = report.connections[0].cause
    assert cause is not None
    assert cause.code == "chain-too-long"
    assert ("the default of proxy_ssl_verify_depth" in cause.explanation) == doubted
