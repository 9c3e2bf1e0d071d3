"""Two sides that could not agree, or of which one breaks the protocol. Recordings of the lab."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import analyze
from analyzer.report.model import Connection, Negotiation, Report
from analyzer.report.to_json import json_schema, to_json
from analyzer.report.to_markdown import to_markdown
from analyzer.report.to_text import to_text

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(__file__).parent / "data" / "negotiation"
STORE = ROOT / "captures" / "stores" / "with-root"


def report(*names: str, redact: bool = False) -> Report:
    return analyze([DATA / f"{name}.pcap" for name in names], truststore=STORE, redact=redact)


def only(name: str) -> Connection:
    (found,) = report(name).connections
    return found


def failed(*names: str) -> Connection:
    (found,) = (item for item in report(*names).connections if item.outcome == "failed")
    return found


def cause(connection: Connection) -> tuple[str, str]:
    assert connection.cause is not None
    return connection.cause.code, connection.cause.confidence


def others(connection: Connection) -> dict[str, str]:
    return {item.code: item.confidence for item in connection.other_causes}


def evidence(connection: Connection) -> str:
    return "\n".join(f"#{item.packet} {item.text}" for item in connection.evidence)


def negotiation(connection: Connection) -> Negotiation:
    assert connection.negotiation is not None
    return connection.negotiation


@pytest.mark.parametrize(
    ("name", "fact"),
    [
        ("broken-order-broken-node-tlsnone", "sends a ServerHelloDone where a ServerHello belongs (RFC 5246"),
        ("broken-retry-twice-broken-go-tlsnone", "sends a second HelloRetryRequest (RFC 8446 section 4.1.4)"),
        ("broken-share-broken-go-tlsnone", "key share is of secp256r1; the ClientHello has shares of x25519"),
        ("broken-share-broken-go-tlsnone", "key share is no point of secp256r1 (RFC 8446 section 4.2.8)"),
        ("broken-suite-broken-gnutls-tlsnone", "chooses TLS_ECDHE_PSK_WITH_NULL_SHA, which was not offered"),
        ("changed-key-exchange-nginx-java-tls12", "the signature on the ServerKeyExchange does not verify"),
        ("changed-client-random-nginx-curl-tls12", "the signature on the ServerKeyExchange does not verify"),
    ],
)
def test_what_breaks_the_protocol_decides_whatever_alert_or_none_follows(name: str, fact: str) -> None:
    found = only(name)
    assert cause(found) == ("handshake-integrity", "certain")
    assert fact in evidence(found)
    assert found.aborted_by == "client"


def test_a_server_older_than_tls_1_3_finds_no_suite_in_a_hello_that_offers_nothing_older() -> None:
    found = only("version-new-client-lighttpd-mbedtls-curl-tls12")
    assert cause(found) == ("protocol-version-mismatch", "possible")
    assert others(found)["no-shared-cipher"] == "possible"
    assert found.cause is not None
    assert "older than TLS 1.3 finds no cipher suite of its own" in found.cause.explanation


def test_openssl_says_internal_error_to_a_version_that_only_its_security_level_forbids() -> None:
    assert cause(only("version-old-level-openssl-openssl-tls11")) == ("protocol-version-mismatch", "likely")


def test_a_server_that_closes_at_unusual_suites_may_have_none_of_them() -> None:
    found = only("suites-lighttpd-gnutls-openssl-tls12")
    assert cause(found) == ("server-closed", "certain")
    assert next(iter(others(found))) == "no-shared-cipher"


@pytest.mark.parametrize(
    ("name", "confidence", "why"),
    [
        ("psk-identity-stunnel-openssl-tls12", "certain", "it has no key for the identity"),
        ("psk-key-gnutls-gnutls-tls12", "likely", "with TLS_PSK_WITH_AES_256_GCM_SHA384 that is how a Finished"),
        ("psk-key-gnutls-gnutls-tls13", "likely", "offers a key from outside TLS, and its binder did not verify"),
    ],
)
def test_two_pre_shared_keys_are_no_broken_handshake(name: str, confidence: str, why: str) -> None:
    found = only(name)
    assert cause(found) == ("psk-mismatch", confidence)
    assert not others(found)
    assert found.cause is not None
    assert why in found.cause.explanation


@pytest.mark.parametrize(
    ("name", "confidence", "answer"),
    [
        ("plain-client-apache-curl-plain-tls12", "certain", "speaking plain HTTP to an SSL-enabled server port"),
        ("plain-client-go-curl-plain-tls12", "certain", "Client sent an HTTP request to an HTTPS server"),
        ("plain-client-gnutls-curl-plain-tls12", "likely", "answered with a TLS alert"),
    ],
)
def test_plain_http_on_a_port_of_tls_is_told_by_the_servers_answer(name: str, confidence: str, answer: str) -> None:
    found = only(name)
    assert (found.outcome, cause(found)) == ("failed", ("client-not-tls", confidence))
    assert not others(found)
    assert found.cause is not None
    assert answer in found.cause.explanation
    assert "GET ... HTTP/1.1" in evidence(found)


def test_a_client_that_sends_an_alert_instead_of_a_hello_failed_by_itself() -> None:
    found = only("own-settings-openssl-openssl-tls13")
    assert (found.stage, found.aborted_by, found.abort_act) == ("tcp", "client", "alert")
    assert cause(found) == ("unexplained", "possible")
    assert found.cause is not None
    assert "instead of a ClientHello, so it failed by itself" in found.cause.explanation


def test_a_version_that_was_not_offered_is_no_version_in_common_though_the_client_says_nothing() -> None:
    found = only("version-forced-broken-node-tlsnone")
    assert cause(found) == ("protocol-version-mismatch", "certain")
    assert found.abort_act == "fin"
    assert negotiation(found).client.versions == ("TLS 1.3",)
    assert negotiation(found).server.versions == ("TLS 1.2",)
    assert [item.of for item in negotiation(found).missing] == ["versions"]


def test_a_small_diffie_hellman_prime_that_the_client_calls_insufficient_is_the_reason() -> None:
    found = only("small-group-openssl-gnutls-tls12")
    assert cause(found) == ("no-shared-cipher", "certain")
    assert "the prime in the ServerKeyExchange has 1024 bits" in evidence(found)
    assert negotiation(found).server.dh_prime_bits == 1024


def test_keys_that_differ_show_in_an_answer_to_an_alert_that_could_not_be_read() -> None:
    found = only("changed-server-random-go-gnutls-tls13")
    assert cause(found) == ("handshake-integrity", "likely")
    assert "the server answered the alert" in evidence(found)


def test_an_encrypted_alert_before_the_certificate_may_mean_the_application_protocol() -> None:
    found = only("alpn-go-openssl-tls13")
    assert cause(found) == ("alpn-mismatch", "possible")
    assert others(found)["no-shared-cipher"] == "possible"
    assert (found.aborted_by, found.abort_act) == ("server", "alert")


def test_an_encrypted_alert_before_the_certificate_is_not_the_protocol_of_a_client_that_offered_none() -> None:
    found = only("signatures-java-openssl-tls13")
    assert cause(found) == ("no-shared-cipher", "possible")
    assert "alpn-mismatch" not in others(found)


def test_a_first_client_hello_cannot_be_out_of_order() -> None:
    found = only("groups-java-gnutls-tls13")
    assert cause(found) == ("no-shared-cipher", "possible")
    assert others(found)["handshake-integrity"] == "possible"
    assert negotiation(found).client.groups == ("x25519",)


def test_a_server_that_fails_on_a_name_may_not_know_it() -> None:
    assert cause(only("sni-unknown-go-curl-tls12")) == ("sni-rejected", "possible")


def test_a_hello_that_lacks_but_a_version_lists_the_version_among_what_else_fits() -> None:
    found = only("version-old-client-gnutls-curl-tls13")
    assert cause(found) == ("no-shared-cipher", "possible")
    assert next(iter(others(found))) == "protocol-version-mismatch"


def test_what_the_server_chose_in_another_connection_brings_the_version_to_the_front() -> None:
    found = failed("version-old-client-gnutls-curl-tls13", "usual-gnutls-tls13")
    assert cause(found) == ("protocol-version-mismatch", "likely")
    assert others(found)["no-shared-cipher"] == "possible"
    (elsewhere,) = negotiation(found).elsewhere
    assert (elsewhere.connection, elsewhere.version, elsewhere.cipher_suite, elsewhere.group) == (
        1,
        "TLS 1.3",
        "TLS_AES_256_GCM_SHA384",
        "secp256r1",
    )
    (missing,) = negotiation(found).missing
    assert missing.text.endswith("the client offers TLS 1.2; the server chose TLS 1.3 in connection 1")


def test_suites_that_the_server_chose_for_others_and_this_client_lacks_are_what_is_missing() -> None:
    found = failed("suites-nginx-curl-tls12", "elliptic-curl-tls12")
    assert cause(found) == ("no-shared-cipher", "likely")
    assert [item.of for item in negotiation(found).missing] == ["cipher_suites"]
    assert "this client offers none of the cipher suites that it chose for others" in evidence(found)


def test_when_version_suite_and_group_would_do_few_signature_algorithms_are_left() -> None:
    found = failed("signatures-nginx-openssl-tls12", "usual-gnutls-tls13")
    assert cause(found) == ("no-shared-cipher", "likely")
    assert negotiation(found).missing == ()
    assert "what is left are its few signature algorithms, rsa_pkcs1_sha256, rsa_pss_rsae_sha256" in evidence(found)


def test_grease_and_signalling_values_are_nobodys_capability() -> None:
    client = negotiation(only("suites-nginx-curl-tls12")).client
    assert client.cipher_suites == ("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",)
    assert client.older_versions


def test_a_completed_connection_and_other_causes_have_no_negotiation() -> None:
    assert only("usual-gnutls-tls13").negotiation is None
    assert only("broken-suite-broken-gnutls-tlsnone").negotiation is None


def test_both_lists_stand_in_text_and_markdown() -> None:
    both = report("suites-nginx-curl-tls12", "elliptic-curl-tls12")
    for output in (to_text(both, width=100), to_markdown(both)):
        assert "What both sides can do" in output
        assert "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" in output
        assert "In connection 1 this server chose" in output


def test_the_json_is_valid_and_names_are_redacted_in_it() -> None:
    from jsonschema import Draft202012Validator

    text = to_json(report("sni-unknown-go-curl-tls12", "usual-gnutls-tls13", redact=True))
    document = json.loads(text)
    Draft202012Validator(json.loads(json_schema())).validate(document)
    (found,) = (item for item in document["connections"] if item["outcome"] == "failed")
    asked = found["negotiation"]["client"]["sni"]
    answered = found["negotiation"]["elsewhere"][0]["sni"]
    assert asked != answered
    assert "backend" not in text
    assert found["negotiation"]["missing"] == [
        {
            "of": "sni",
            "text": f"the client asked for {asked}; this server answered {answered} in other connections",
        }
    ]


@settings(max_examples=60)
@given(
    st.sampled_from(sorted(path.name for path in DATA.glob("*.pcap"))),
    st.lists(st.tuples(st.integers(0, 11_000), st.integers(1, 255)), min_size=1, max_size=6),
)
def test_damage_to_a_handshake_is_judged_without_a_fault(name: str, damage: list[tuple[int, int]]) -> None:
    data = bytearray((DATA / name).read_bytes())
    for place, change in damage:
        data[24 + place % (len(data) - 24)] ^= change
    found = analyze(io.BytesIO(bytes(data)), truststore=STORE)
    assert [item.fault for item in found.connections if item.fault] == []
