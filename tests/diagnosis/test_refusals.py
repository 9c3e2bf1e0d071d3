"""Why a client refused a certificate, where validators differ or the capture shows a part. Recordings of the lab."""

from pathlib import Path
from typing import Any

import pytest

from analyzer import analyze
from analyzer.report.model import Connection

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).parent / "data" / "certificate"
STORES = ROOT / "captures" / "stores"
HOST = "api.backend.example"


def only(name: str, store: str, **options: Any) -> Connection:
    (found,) = analyze(DATA / f"{name}.pcap", truststore=STORES / store, host=HOST, **options).connections
    return found


def cause(connection: Connection) -> tuple[str, str]:
    assert connection.cause is not None
    return connection.cause.code, connection.cause.confidence


def evidence(connection: Connection) -> str:
    return "\n".join(item.text for item in connection.evidence)


def test_a_certificate_message_with_a_hole_proves_nothing_about_what_was_not_sent() -> None:
    found = only("certificate-lost-missing-root-curl-tls12", "without-root")
    assert cause(found)[1] != "certain" or cause(found)[0] in ("capture-incomplete", "certificate-rejected")
    assert found.aborted_by == "client"


@pytest.mark.parametrize("profile", ["auto", "openssl", "openssl-partial"])
def test_a_key_too_small_for_security_level_2_is_the_reason_though_openssl_verify_accepts(profile: str) -> None:
    found = only("weak-key-openssl-tls12", "with-root", profile=profile)
    assert cause(found) == ("weak-key", "likely")
    assert "security level 2" in evidence(found)
    assert any(fix.proven and fix.action == "replace-certificate" for fix in found.fixes)


def test_the_hello_of_a_library_chooses_among_validators_that_differ() -> None:
    chain = DATA / "usual-chain.pem"
    found = only("intermediate-only-haproxy-tls13", "intermediate-only.pem", server_chain=chain)
    assert cause(found) == ("anchor-not-self-signed", "likely")
    assert "the ClientHello is written as OpenSSL writes it" in evidence(found)


def test_a_depth_that_the_validator_was_given_explains_a_refusal_after_the_handshake() -> None:
    found = only("depth-nginx-proxy-tls12", "with-root", verify_depth=1)
    assert cause(found) == ("chain-too-long", "likely")
    assert (found.aborted_by, found.stage) == ("client", "after-handshake")


def test_the_same_connection_counts_as_completed_when_no_limit_is_known() -> None:
    assert only("depth-nginx-proxy-tls12", "with-root").outcome == "completed"
