"""Mutual TLS, and handshakes that end under encryption, on recordings of real stacks (data/ending)."""

from __future__ import annotations

from pathlib import Path

import pytest

from analyzer.diagnosis.client_certificate import _NGINX_PAGES, MISSING, UNTRUSTED, _nginx_lengths, senders
from analyzer.pipeline import analyze
from analyzer.registry import AlertDescription as Alert
from analyzer.report.model import Connection

DATA = Path(__file__).parent / "data" / "ending"
MOST_BYTES = 60 << 10
EXPIRED = "client-cert-expired-openssl-curl-tls12"
FATAL = bytes((21, 3, 3, 0, 2, 2))


def seen(name: str) -> Connection:
    (only,) = analyze(DATA / f"{name}.pcap").connections
    return only


def said(connection: Connection) -> tuple[str, str | None, str | None, str | None]:
    cause = connection.cause
    return (
        connection.outcome,
        connection.aborted_by,
        cause.code if cause is not None else None,
        cause.confidence if cause is not None else None,
    )


def with_alert(number: int, folder: Path) -> Connection:
    """The recording of an expired client certificate, with another alert of the server."""
    data = (DATA / f"{EXPIRED}.pcap").read_bytes()
    own = FATAL + bytes((Alert.CERTIFICATE_EXPIRED,))
    assert data.count(own) == 1
    path = folder / "changed.pcap"
    path.write_bytes(data.replace(own, FATAL + bytes((number,))))
    (only,) = analyze(path).connections
    return only


def test_the_recordings_are_few_and_small() -> None:
    assert sum(path.stat().st_size for path in DATA.glob("*.pcap")) <= MOST_BYTES


def test_a_server_that_refuses_before_the_clients_finished_has_refused_its_certificate() -> None:
    connection = seen("client-cert-expired-java-java-tls13")
    assert said(connection) == ("failed", "server", "client-cert-rejected", "likely")
    assert (connection.stage, connection.abort_act, connection.abort_packet) == ("client-flight", "alert", 25)


def test_what_a_client_sent_that_believed_itself_done_proves_no_handshake() -> None:
    connection = seen("client-cert-missing-haproxy-gnutls-tls13")
    assert said(connection) == ("failed", "server", "client-cert-missing", "likely")
    assert (connection.abort_act, connection.abort_packet) == ("alert", 13)


def test_an_expired_certificate_explains_a_bare_fin_without_any_store() -> None:
    connection = seen("client-cert-expired-node-python-tls12")
    assert said(connection) == ("failed", "server", "client-cert-expired", "likely")
    assert connection.abort_act == "fin"
    assert any("expired" in item.text for item in connection.evidence)


def test_the_dates_and_the_alert_together_are_certain() -> None:
    assert said(seen(EXPIRED)) == ("failed", "server", "client-cert-expired", "certain")


@pytest.mark.parametrize(
    "alert", [Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_UNKNOWN, Alert.ACCESS_DENIED, Alert.HANDSHAKE_FAILURE]
)
def test_an_alert_that_fits_any_fault_leaves_what_shows_likely(alert: int, tmp_path: Path) -> None:
    assert said(with_alert(alert, tmp_path)) == ("failed", "server", "client-cert-expired", "likely")


def test_an_alert_for_another_fault_leads_and_the_contradiction_is_told(tmp_path: Path) -> None:
    connection = with_alert(Alert.UNKNOWN_CA, tmp_path)
    assert said(connection) == ("failed", "server", "client-cert-untrusted", "likely")
    (expired,) = (other for other in connection.other_causes if other.code == "client-cert-expired")
    assert expired.confidence == "possible"
    assert "speaks against it" in expired.explanation


def test_an_alert_about_broken_messages_is_no_refusal_of_a_certificate(tmp_path: Path) -> None:
    connection = with_alert(Alert.BAD_RECORD_MAC, tmp_path)
    assert connection.cause is not None
    assert connection.cause.code == "handshake-integrity"


def test_nginx_answers_400_in_a_handshake_that_is_done() -> None:
    connection = seen("client-cert-missing-nginx-curl-tls12")
    assert said(connection) == ("failed", "server", "client-cert-missing", "likely")
    assert connection.stage == "data"
    assert (connection.abort_act, connection.abort_packet) == ("alert", 14)
    assert any("No required SSL certificate was sent" in item.text for item in connection.evidence)


@pytest.mark.parametrize(
    ("name", "doubt"),
    [
        ("client-cert-optional-nginx-python-tls12", "client-cert-missing"),
        ("client-cert-unchecked-self-signed-nginx-python-tls12", "client-cert-untrusted"),
    ],
)
def test_a_short_answer_of_another_length_is_no_refusal_and_the_doubt_stands_beside_it(name: str, doubt: str) -> None:
    connection = seen(name)
    assert said(connection) == ("completed", None, None, None)
    assert (connection.abort_act, connection.abort_packet) == (None, None)
    assert [(other.code, other.confidence) for other in connection.other_causes] == [(doubt, "possible")]


def test_nginxs_pages_have_the_lengths_that_were_measured() -> None:
    assert 413 - 24 in _nginx_lengths(MISSING)
    assert 384 - 17 in _nginx_lengths(UNTRUSTED)
    assert not _nginx_lengths(MISSING) & _nginx_lengths(UNTRUSTED)
    assert set(_NGINX_PAGES) == {MISSING, UNTRUSTED}


def test_a_renegotiation_that_ends_in_an_alert_is_a_failed_handshake() -> None:
    connection = seen("client-cert-asked-late-apache-curl-tls12")
    assert said(connection) == ("failed", "server", "client-cert-missing", "likely")
    assert (connection.abort_act, connection.abort_packet) == ("alert", 19)


def test_an_alert_in_answer_to_the_clients_finished_is_a_failed_handshake_of_no_certain_cause() -> None:
    outcome, aborted_by, code, confidence = said(seen("changed-client-finished-go-curl-tls13"))
    assert (outcome, aborted_by) == ("failed", "server")
    assert code in {"handshake-integrity", "unexplained"}
    assert confidence != "certain"


def test_an_encrypted_alert_in_place_of_the_servers_certificate_is_an_alert() -> None:
    connection = seen("alpn-go-openssl-tls13")
    assert (connection.outcome, connection.aborted_by, connection.stage) == ("failed", "server", "server-flight")
    assert (connection.abort_act, connection.abort_packet) == ("alert", 6)
    assert connection.cause is not None
    assert connection.cause.code != "server-closed"
    assert connection.cause.confidence != "certain"


def test_an_encrypted_alert_of_the_client_is_no_silent_leaving() -> None:
    chain = DATA.parent / "certificate" / "usual-chain.pem"
    (only,) = analyze(
        DATA / "changed-server-random-nginx-java-tls13.pcap", truststore=chain, server_chain=chain, profile="java"
    ).connections
    assert all(verdict.accepted for verdict in only.trust)
    outcome, aborted_by, code, confidence = said(only)
    assert (outcome, aborted_by) == ("failed", "client")
    assert code in {"handshake-integrity", "unexplained"}
    assert confidence != "certain"


def test_the_table_tells_who_sends_what() -> None:
    assert senders(Alert.BAD_CERTIFICATE, MISSING) == "Go or Java"
    assert senders(Alert.UNKNOWN_CA, UNTRUSTED).startswith("OpenSSL")
    assert senders(None, UNTRUSTED) == "Node"
    assert senders(Alert.DECRYPT_ERROR, MISSING) == ""
