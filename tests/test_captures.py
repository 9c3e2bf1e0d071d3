"""Every recorded capture, through the whole analysis, against what its manifest says it shows."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from analyzer.pipeline import analyze
from analyzer.report.model import Connection, Report
from analyzer.report.to_text import to_text
from tests.packets import tshark

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
ENTRIES: dict[str, dict[str, Any]] = {
    entry["name"]: entry for entry in json.loads((CAPTURES / "manifest.json").read_text())["captures"]
}
PASSWORD = json.loads((CAPTURES / "manifest.json").read_text())["store_password"]
SEVERAL: dict[str, dict[str, Any]] = {
    entry["name"]: entry for entry in json.loads((CAPTURES / "manifest.json").read_text())["several"]
}
TIME = re.compile(r"\d\d:\d\d:\d\d(?:\.\d+)? UTC")
ALL = pytest.mark.parametrize("name", ENTRIES)

WITHOUT_KEYS: dict[str, dict[str, Any]] = {
    "tls13-missing-root-openssl": {"cause": "certificate-rejected"},
    "tls13-missing-root-java": {"cause": "certificate-rejected"},
    "tls13-missing-root-gnutls": {"cause": "certificate-rejected"},
    "tls13-missing-root-node": {"cause": "certificate-rejected"},
    "tls13-missing-root-nginx-proxy": {"outcome": "completed", "cause": None},
}
"""TLS 1.3 encrypts the certificates: what the same captures show without their key log, where that is less.

nginx closes after the handshake, as who looked in for its health does: who left is told, and that it may be a refusal.
"""


EMBEDDED = {"pcapng-with-secrets"}
"""Captures that hold their own secrets."""


@cache
def analyzed(name: str, store: str | None, keylog: str | None = None) -> Report:
    entry = ENTRIES[name]
    return analyze(
        CAPTURES / entry["file"],
        truststore=None if store is None else CAPTURES / store,
        truststore_password=PASSWORD,
        host=entry["host"],
        keylog=None if keylog is None else CAPTURES / keylog,
    )


def connection(name: str, store: str | None = None, keylog: str | None = None) -> Connection:
    """The one connection of a capture, analysed with the store that its manifest names, or another."""
    (only,) = analyzed(name, store or ENTRIES[name]["store"], keylog).connections
    return only


def expected(name: str) -> dict[str, Any]:
    return {**ENTRIES[name]["expected"], **WITHOUT_KEYS.get(name, {})}


def judged(seen: Connection) -> dict[str, Any]:
    return {
        "outcome": seen.outcome,
        "cause": seen.cause.code if seen.cause is not None else None,
        "aborted_by": seen.aborted_by,
        "abort_act": seen.abort_act,
        "abort_packet": seen.abort_packet,
        "stage": seen.stage,
    }


@ALL
def test_the_outcome_its_cause_and_who_left_by_which_act_at_which_packet(name: str) -> None:
    assert judged(connection(name)) == expected(name)


KEYED = pytest.mark.parametrize("name", [name for name, entry in ENTRIES.items() if entry["keylog"]])


@KEYED
def test_with_its_key_log_an_encrypted_handshake_shows_what_one_in_clear_does(name: str) -> None:
    entry = ENTRIES[name]
    seen = connection(name, keylog=entry["keylog"])
    assert judged(seen) == entry["expected"]
    assert seen.chain_source == "decrypted"
    assert [certificate.sha256 for certificate in seen.server_chain] == entry["server_chain"]
    assert all(alert.number is not None for alert in seen.alerts)
    assert [p for p in analyzed(name, entry["store"], entry["keylog"]).capture.problems if p.severity != "note"] == []


@KEYED
def test_with_the_key_log_of_another_capture_all_stays_as_it_is_and_that_is_said(name: str) -> None:
    entry = ENTRIES[name]
    other = next(e["keylog"] for e in ENTRIES.values() if e["keylog"] not in (None, entry["keylog"]))
    report = analyzed(name, entry["store"], other)
    assert report.connections == analyzed(name, entry["store"]).connections
    if name not in EMBEDDED:
        (hello,) = entry["events"]["client_hello"]
        (problem,) = report.capture.problems
        assert problem.text == f"no secret for the client random of packet {hello}"
        assert (problem.severity, problem.packet) == ("warning", hello)


def test_secrets_that_a_capture_holds_itself_are_used_unasked() -> None:
    for name in EMBEDDED:
        assert judged(connection(name)) == ENTRIES[name]["expected"]
        assert connection(name).chain_source == "decrypted"


def test_key_logs_change_nothing_where_nothing_is_encrypted() -> None:
    logs = [CAPTURES / entry["keylog"] for entry in ENTRIES.values() if entry["keylog"]]
    for name in ("playbook", "success-curl", "client-cert-missing-go", "server-reset-go"):
        entry = ENTRIES[name]
        report = analyze(
            CAPTURES / entry["file"], truststore=CAPTURES / entry["store"], host=entry["host"], keylog=logs,
            truststore_password=PASSWORD,
        )  # fmt: skip
        assert report.connections == analyzed(name, entry["store"]).connections


def test_several_captures_are_decrypted_by_several_key_logs_at_once() -> None:
    entries = [entry for entry in ENTRIES.values() if entry["keylog"]]
    report = analyze(
        [CAPTURES / entry["file"] for entry in entries], keylog=[CAPTURES / entry["keylog"] for entry in entries]
    )
    assert {c.chain_source for c in report.connections} == {"decrypted"}
    chains = sorted([certificate.sha256 for certificate in c.server_chain] for c in report.connections)
    assert chains == sorted(entry["server_chain"] for entry in entries)


@ALL
def test_nothing_broke_and_nothing_was_left_out(name: str) -> None:
    report = analyzed(name, ENTRIES[name]["store"])
    assert report.capture.problems == ()
    assert report.capture.packets == ENTRIES[name]["packets"]
    assert [c.fault for c in report.connections] == [None]


@ALL
def test_the_connection_is_wiresharks_first_stream_between_the_recorded_hosts(name: str) -> None:
    seen = connection(name)
    entry = ENTRIES[name]
    assert seen.id == 0
    assert seen.server.rsplit(":", 1)[1] == str(entry["port"])
    assert seen.server.startswith("[") == (entry["family"] == 6)


SPREAD = ("openvpn-missing-root", "openvpn-tls-auth-missing-root")
"""Here the certificates are spread over several packets of OpenVPN, which tshark does not join."""


@ALL
def test_the_chain_in_clear_is_the_one_that_the_server_was_given(name: str) -> None:
    entry = ENTRIES[name]
    seen = connection(name)
    if name in EMBEDDED or name in SPREAD:
        assert [certificate.sha256 for certificate in seen.server_chain] == entry["server_chain"]
    elif not entry["events"].get("server_certificate") or entry["tls"] == "1.3":
        assert seen.server_chain == ()
        assert seen.chain_source is None
    else:
        assert [certificate.sha256 for certificate in seen.server_chain] == entry["server_chain"]
        assert seen.chain_source == "captured"


EVENTS = {
    "client_syn": ("client", "SYN"),
    "server_syn": ("server", "SYN,ACK"),
    "client_hello": ("client", "ClientHello"),
    "server_hello": ("server", "ServerHello"),
    "client_fin": ("client", "FIN"),
    "server_fin": ("server", "FIN"),
    "client_rst": ("client", "RST"),
    "server_rst": ("server", "RST"),
}


@ALL
def test_the_timeline_has_each_event_at_the_packet_in_which_tshark_saw_it(name: str) -> None:
    timeline = connection(name).timeline
    for event, packets in ENTRIES[name]["events"].items():
        if event in EVENTS:
            sender, word = EVENTS[event]
            shown = {entry.packet for entry in timeline if entry.from_ == sender and word in entry.what}
            assert set(packets) <= shown, event


@ALL
def test_every_piece_of_evidence_names_a_packet_of_the_capture(name: str) -> None:
    seen = connection(name)
    for evidence in seen.evidence:
        assert evidence.text
        assert evidence.packet is None or 1 <= evidence.packet <= ENTRIES[name]["packets"]
    if seen.outcome == "failed":
        assert seen.evidence


@pytest.mark.parametrize(
    "name", [n for n, entry in ENTRIES.items() if entry["accepting_store"] and not entry["keylog"]]
)
def test_another_store_that_would_have_accepted_the_chain_is_said_to(name: str) -> None:
    verdicts = connection(name, ENTRIES[name]["accepting_store"]).trust
    assert any(verdict.accepted for verdict in verdicts)
    refused = connection(name).trust
    assert not all(verdict.accepted for verdict in refused)


@pytest.mark.parametrize(
    "name", [n for n, e in ENTRIES.items() if e["expected"]["cause"] == "missing-root" and not e["keylog"]]
)
def test_a_missing_root_is_named_and_its_repair_is_offered(name: str) -> None:
    seen = connection(name)
    assert seen.cause is not None
    issuer = seen.server_chain[-1].issuer if seen.server_chain else ""
    common_name = issuer.split("CN=")[-1].split(",")[0]
    assert common_name
    assert common_name in seen.cause.explanation
    assert seen.fixes


@pytest.mark.parametrize("profile", ["java", "openssl", "go", "gnutls"])
def test_the_playbook_is_a_missing_root_to_every_validator(profile: str) -> None:
    report = analyze(CAPTURES / "playbook.pcap", truststore=CAPTURES / "stores/without-root", profile=profile)
    (seen,) = report.connections
    assert seen.cause is not None
    assert (seen.cause.code, [verdict.profile for verdict in seen.trust]) == ("missing-root", [profile])


@pytest.mark.parametrize(
    "store", ["stores/with-root", "stores/with-root.jks", "stores/with-root.p12", "stores/with-root-openssl.p12"]
)
def test_the_accepting_store_accepts_in_whatever_format_it_comes(store: str) -> None:
    assert any(verdict.accepted for verdict in connection("playbook", store).trust)


def test_without_a_store_the_playbook_still_says_who_left_and_what_to_supply() -> None:
    (seen,) = analyze(CAPTURES / "playbook.pcap").connections
    assert (seen.outcome, seen.aborted_by, seen.abort_packet) == ("failed", "client", 12)
    assert seen.cause is not None
    assert "--truststore" in seen.cause.explanation


def test_all_captures_read_as_one_have_all_their_connections_numbered_in_order_of_time() -> None:
    files = [CAPTURES / entry["file"] for entry in ENTRIES.values()]
    report = analyze(files)
    assert report.capture.packets == sum(entry["packets"] for entry in ENTRIES.values())
    numbers = [c.id for c in report.connections]
    proxied = next(
        number for number, c in enumerate(report.connections) if c.client == connection("socks-missing-root").client
    )
    assert numbers == [n for n in range(len(numbers) + 1) if n != proxied + 1], "Wireshark counts the tunnel too"
    assert report.summary.connections == len(report.connections)
    starts = [c.started_at for c in report.connections]
    assert starts == sorted(starts)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["playbook", "ipv6-any", "server-reset-go", "tls13-missing-root-java", "not-tls-nginx"]
)
def test_ends_and_alerts_are_those_that_tshark_shows(name: str) -> None:
    path = CAPTURES / ENTRIES[name]["file"]
    seen = connection(name)
    told = tshark(path, "frame.number", "tls.alert_message.desc", display_filter="tls.alert_message.desc")
    assert [[str(a.packet), str(a.number)] for a in seen.alerts if not a.encrypted] == told
    (first, *_) = tshark(path, "ip.src", "ipv6.src", "tcp.srcport", display_filter="tcp.flags.syn==1")
    address = first[0] or f"[{first[1]}]"
    assert seen.client == f"{address}:{first[2]}"


def several(name: str) -> Report:
    entry = SEVERAL[name]
    return analyze(CAPTURES / entry["file"], truststore=CAPTURES / entry["store"], truststore_password=PASSWORD)


@pytest.mark.parametrize("name", SEVERAL)
def test_each_of_several_connections_ended_as_tshark_saw_it(name: str) -> None:
    report = several(name)
    assert report.capture.packets == SEVERAL[name]["packets"]
    seen = [
        {
            "stream": item.id,
            "outcome": item.outcome,
            "aborted_by": item.aborted_by,
            "abort_act": item.abort_act,
            "abort_packet": item.abort_packet,
        }
        for item in report.connections
    ]
    expected = [dict(item) for item in SEVERAL[name]["connections"]]
    for mine, theirs in zip(seen, expected, strict=True):
        if theirs["abort_act"] == "silence":
            mine["abort_packet"] = None
    assert seen == expected


@pytest.mark.parametrize("name", SEVERAL)
def test_the_findings_of_several_connections_and_what_is_noted_of_them(name: str) -> None:
    found = [
        {
            "cause": finding.cause.code,
            "count": finding.count,
            "servers": len(finding.servers),
            "clients": finding.clients,
            "notes": [TIME.sub("TIME", note) for note in finding.notes],
        }
        for finding in several(name).findings
    ]
    assert found == SEVERAL[name]["expected_findings"]


def test_who_opens_the_port_and_closes_it_without_a_word_has_not_failed() -> None:
    report = several("port-checks")
    assert [(c.outcome, c.stage, c.cause) for c in report.connections[:3]] == [("incomplete", "tcp", None)] * 3
    text = " ".join(to_text(report).split())
    assert "3 connections ended before a handshake began." in text
    assert "the client opened it, and closed it without a word" in text


def test_without_a_store_who_left_after_the_handshake_may_have_refused() -> None:
    text = " ".join(to_text(analyze(CAPTURES / ENTRIES["missing-root-nginx-proxy"]["file"])).split())
    assert text.startswith("No TLS handshake is known to have failed: the only connection completed its handshake.")
    assert "Perhaps the certificate of api.backend.example (10.77.0.2:443) was refused." in text
    assert "To tell, supply the client's trust store (--truststore). (tcp.stream 0)" in text


def test_who_leaves_before_the_server_has_answered_came_to_the_client_hello_whatever_is_sent_after_that() -> None:
    left = several("port-checks").connections[3]
    certificate = next(event.packet for event in left.timeline if "Certificate" in event.what)
    assert left.abort_packet is not None
    assert left.abort_packet < certificate
    assert left.stage == "client-hello"
    assert left.cause is not None
    assert (left.cause.code, left.cause.confidence) == ("client-closed", "likely")
    assert "store" not in left.cause.explanation


def test_the_moment_since_when_it_fails_is_that_of_the_first_failure() -> None:
    report = several("chain-changes")
    first = next(item for item in report.connections if item.outcome == "failed")
    assert first.started_at[11:19] in report.findings[0].notes[0].partition(",")[0]


def test_alerts_of_a_suite_that_encrypts_nothing_are_read_behind_the_change_of_ciphers() -> None:
    (connection,) = analyze(CAPTURES / "null-suite.pcap").connections
    assert [(alert.from_, alert.description, alert.encrypted) for alert in connection.alerts] == [
        ("server", "close_notify", False),
        ("client", "close_notify", False),
    ]
