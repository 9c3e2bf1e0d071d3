"""Recordings in which something goes before TLS: what was said, who was meant, and why it came to nothing."""

from __future__ import annotations

import io
import json
from functools import cache
from pathlib import Path

import pytest

from analyzer import analyze
from analyzer.report.model import Connection, Prelude, Report
from analyzer.report.to_json import to_json
from analyzer.report.to_markdown import to_markdown
from tests.packets import ACK, FIN, Dialogue, pcap, tool, tshark
from tests.tls.test_prelude import prelogin

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
STORES = CAPTURES / "stores"
HOST = "api.backend.example"


@cache
def report(name: str, *, redact: bool = False) -> Report:
    """Without --host, so that the host is what the capture itself says."""
    return analyze(CAPTURES / f"{name}.pcap", truststore=STORES / "without-root", redact=redact)


def only(name: str) -> Connection:
    (found,) = report(name).connections
    return found


def prelude(name: str) -> Prelude:
    found = only(name).prelude
    assert found is not None
    return found


def code(name: str) -> str | None:
    cause = only(name).cause
    return None if cause is None else cause.code


@pytest.mark.parametrize(
    ("name", "protocols", "steps"),
    [
        ("smtp-missing-root", "SMTP", ["220 api", "EHLO", "offers STARTTLS", "STARTTLS", "220 2.0.0"]),
        ("imap-missing-root", "IMAP", ["* OK", "CAPABILITY", "offers STARTTLS", "STARTTLS", "OK Begin TLS"]),
        ("ftp-missing-root", "FTP", ["220 (vsFTPd", "AUTH TLS", "234"]),
        ("ldap-missing-root", "LDAP", ["extendedReq StartTLS", "success (0)"]),
        ("postgresql-missing-root", "PostgreSQL", ["SSLRequest", "S (willing"]),
        ("mysql-missing-root", "MySQL", ["offers TLS", "SSLRequest"]),
        ("xmpp-missing-root", "XMPP", [f"stream to {HOST}", "offers starttls", "<starttls>", "<proceed>"]),
        ("connect-missing-root", "HTTP", [f"CONNECT {HOST}:443", "200"]),
        ("socks-missing-root", "SOCKS5", ["offers no authentication", "chooses", f"CONNECT {HOST}:443", "succeeded"]),
        ("proxy-header-1-missing-root", "PROXY protocol v1", ["127.0.0.1:"]),
        ("proxy-header-2-missing-root", "PROXY protocol v2", ["127.0.0.1:"]),
    ],
)
def test_what_was_said_before_tls_is_in_the_report_and_the_root_is_missing_all_the_same(
    name: str, protocols: str, steps: list[str]
) -> None:
    seen = prelude(name)
    assert seen.protocols == (protocols,)
    assert seen.agreed
    texts = [step.text for step in seen.steps]
    assert len(texts) >= len(steps)
    assert all(text.startswith(f"{protocols}: ") for text in texts)
    left = iter(texts)
    for step in steps:
        assert any(step in text for text in left), step
    walk = [entry.what for entry in only(name).timeline]
    assert all(any(text in what for what in walk) for text in texts)
    assert not any("not TLS" in what for what in walk)
    assert code(name) == "missing-root"


@pytest.mark.parametrize(
    ("name", "cause", "status", "text"),
    [
        ("smtp-refused", "starttls-refused", "454", "TLS not available due to local problem"),
        ("ftp-refused", "starttls-refused", "530", "Please login"),
        ("ldap-refused", "starttls-refused", "2", "protocolError (2): unsupported extended operation"),
        ("postgresql-refused", "starttls-refused", "N", "unwilling"),
        ("connect-forbidden", "proxy-refused", "403", "403 Forbidden (ERR_ACCESS_DENIED"),
        ("connect-unauthenticated", "proxy-refused", "407", "wants Basic"),
        ("socks-refused", "proxy-refused", "5", "connection refused"),
        ("socks-unauthenticated", "proxy-refused", "255", "no acceptable method"),
    ],
)
def test_a_refusal_is_a_cause_of_its_own(name: str, cause: str, status: str, text: str) -> None:
    seen = only(name)
    assert seen.cause is not None
    assert (seen.cause.code, seen.cause.confidence) == (cause, "certain")
    refusal = prelude(name).refusal
    assert refusal is not None
    assert refusal.code == status
    assert text in refusal.text
    assert refusal.text.rstrip(".") in seen.cause.headline
    assert refusal.packet in [item.packet for item in seen.evidence]
    assert any(refusal.text in item.text for item in seen.evidence)


@pytest.mark.parametrize("name", ["smtp-not-offered", "pop3-not-offered", "mysql-not-offered"])
def test_a_server_that_does_not_offer_tls_is_told_from_one_that_refuses_it(name: str) -> None:
    assert code(name) == "starttls-not-offered"
    assert any("does not offer" in item.text for item in only(name).evidence)
    assert prelude(name).refusal is None


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("connect-hostname-mismatch", "orders.backend.example"),
        ("connect-success", HOST),
        ("socks-missing-root", HOST),
        ("xmpp-missing-root", HOST),
        ("ftp-missing-root", None),
    ],
)
def test_the_host_of_the_tunnel_is_the_one_that_was_meant(name: str, host: str | None) -> None:
    assert only(name).host == host


def test_the_user_knows_better_which_host_was_meant() -> None:
    capture = CAPTURES / "connect-hostname-mismatch.pcap"
    (seen,) = analyze(capture, truststore=STORES / "with-root").connections
    assert seen.cause is not None
    assert seen.cause.code == "hostname-mismatch"
    (seen,) = analyze(capture, truststore=STORES / "with-root", host=HOST).connections
    assert seen.host == HOST
    assert all(verdict.accepted for verdict in seen.trust)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "shown", "step"),
    [
        ("smtp-refused", 'smtp.command_line contains "STARTTLS"', "SMTP: STARTTLS"),
        ("smtp-refused", "smtp.response.code == 454", "SMTP: 454"),
        ("smtp-missing-root", "smtp.req.command == EHLO", "SMTP: EHLO"),
        ("imap-missing-root", 'imap.request contains "STARTTLS"', "IMAP: STARTTLS"),
        ("ftp-refused", "ftp.response.code == 530", "FTP: 530"),
        ("ldap-refused", "ldap.protocolOp == 24", "LDAP: extendedResp"),
        ("ldap-missing-root", 'ldap.requestName == "1.3.6.1.4.1.1466.20037"', "LDAP: extendedReq"),
        ("mysql-missing-root", "mysql.server_greeting", "MySQL: greeting"),
        ("xmpp-missing-root", "xmpp.starttls", "XMPP: <starttls>"),
        ("connect-forbidden", 'http.request.method == "CONNECT"', "HTTP: CONNECT"),
        ("connect-success", "http.response.code == 200", "HTTP: 200"),
        ("proxy-header-1-missing-root", "proxy.src.ipv4 == 127.0.0.1", "PROXY protocol v1: 127.0.0.1"),
        ("proxy-header-2-missing-root", "proxy.src.ipv4 == 127.0.0.1", "PROXY protocol v2: 127.0.0.1"),
    ],
)
def test_wireshark_sees_the_same_in_the_same_packets(name: str, shown: str, step: str) -> None:
    heuristic = ("-o", "tcp.try_heuristic_first:TRUE", "--enable-heuristic", "proxy_tcp")
    options = heuristic if name.startswith("proxy") else ()
    rows = tshark(CAPTURES / f"{name}.pcap", "frame.number", display_filter=shown, options=options)
    told = {int(row[0]) for row in rows}
    assert told
    assert told == {item.packet for item in prelude(name).steps if item.text.startswith(step)}


@pytest.mark.parametrize(
    "name", ["connect-missing-root", "connect-forbidden", "socks-missing-root", "xmpp-missing-root", "smtp-refused",
             "proxy-header-2-missing-root"]
)  # fmt: skip
def test_no_private_name_or_address_is_left_when_it_must_not(name: str) -> None:
    text = to_json(report(name, redact=True)) + to_markdown(report(name, redact=True))
    for private in (HOST, "backend.example", "10.77.0.1", "10.77.0.2"):
        assert private not in text
    found = json.loads(to_json(report(name, redact=True)))["connections"][0]["prelude"]
    if prelude(name).target:
        assert found["target"] == "host-1.example:443"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["smtp-refused", "postgresql-refused", "connect-missing-root"])
def test_the_second_reading_has_the_same_prelude(name: str) -> None:
    pytest.importorskip("pyshark")
    tool("tshark")
    (seen,) = analyze(CAPTURES / f"{name}.pcap", truststore=STORES / "without-root", dissector="wireshark").connections
    assert seen.cause is not None
    assert (seen.cause.code, seen.host, seen.prelude) == (code(name), only(name).host, prelude(name))


def test_what_a_proxy_or_server_says_cannot_steer_a_terminal() -> None:
    page = b"HTTP/1.1 403 No\x1b[2J\xe2\x80\xae|`*way\r\nX-Squid-Error: \x07\r\n\r\n"
    ask = b"CONNECT api.example:443 HTTP/1.1\r\n\r\n"
    frames = Dialogue().open().client(ask).server(page).client(flags=FIN | ACK).frames
    (seen,) = analyze(io.BytesIO(pcap(frames))).connections
    assert seen.prelude is not None
    assert seen.prelude.refusal is not None
    assert seen.prelude.refusal.text == r"403 No\x1b[2J\xe2\x80\xae|`*way (\x07)"


def test_a_client_that_goes_on_in_clear_text_has_failed_to_get_tls_and_that_is_said() -> None:
    request, startup = bytes.fromhex("0000000804d2162f"), b"\0\0\0\x13\0\x03\0\0user\0karl\0\0"
    spoken = Dialogue().open().client(request).server(b"N").client(startup).server(b"R\0\0\0\x08\0\0\0\0")
    (seen,) = analyze(io.BytesIO(pcap(spoken.client(b"X\0\0\0\x04").client(flags=FIN | ACK).frames))).connections
    assert seen.cause is not None
    assert seen.cause.code == "starttls-refused"
    assert "went on in clear text" in seen.cause.headline
    assert (seen.outcome, seen.aborted_by, seen.abort_act, seen.abort_packet) == ("failed", "server", None, 5)
    assert seen.prelude is not None
    assert seen.prelude.in_clear


@pytest.mark.parametrize(
    ("answer", "cause", "aborted_by"),
    [
        (None, "proxy-refused", "client"),
        (b"", "proxy-refused", "server"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "server-closed", "server"),
    ],
)
def test_a_proxy_that_never_answers_or_closes(answer: bytes | None, cause: str, aborted_by: str) -> None:
    spoken = Dialogue().open().client(b"CONNECT api.example:443 HTTP/1.1\r\n\r\n")
    if answer is None:
        spoken = spoken.client(flags=FIN | ACK)
    else:
        spoken = (spoken.server(answer) if answer else spoken).server(flags=FIN | ACK)
    (seen,) = analyze(io.BytesIO(pcap(spoken.frames, step_ns=2_000_000_000))).connections
    if cause == "server-closed":
        assert seen.outcome == "incomplete" or (seen.cause is not None and seen.cause.code == cause)
        return
    assert seen.cause is not None
    assert (seen.cause.code, seen.cause.confidence, seen.aborted_by) == (cause, "likely", aborted_by)


def test_the_repair_comes_to_the_server_the_same_way() -> None:
    (seen,) = analyze(CAPTURES / "smtp-missing-root.pcap").connections
    commands = [command for fix in seen.fixes for command in fix.commands]
    assert commands == [] or all("-starttls smtp" in command for command in commands)
    (refused,) = analyze(CAPTURES / "connect-forbidden.pcap").connections
    assert f"-x http://10.77.0.2:3128 https://{HOST}:443/" in refused.fixes[0].commands[0]


def test_a_client_that_leaves_before_its_hello_in_tds_is_no_failure() -> None:
    spoken = Dialogue().open().client(prelogin(0x12, 1)).server(prelogin(4, 1)).client(b"\x12\x01\0\x20" + bytes(28))
    (seen,) = analyze(io.BytesIO(pcap(spoken.client(flags=FIN | ACK).frames))).connections
    assert (seen.outcome, seen.cause, seen.fixes) == ("incomplete", None, ())


def test_a_handshake_inside_openvpn_is_judged_though_its_certificates_are_spread_over_packets() -> None:
    for name in ("openvpn-missing-root", "openvpn-tls-auth-missing-root"):
        (seen,) = analyze(CAPTURES / f"{name}.pcap", truststore=CAPTURES / "stores/without-root").connections
        assert seen.cause is not None
        assert seen.prelude is not None
        assert (seen.cause.code, seen.abort_act, seen.prelude.protocols) == ("missing-root", "fin", ("OpenVPN",))
        assert len(seen.server_chain) == 2


def test_a_server_of_openvpn_with_another_key_leaves_without_a_word_and_no_useless_command_is_told() -> None:
    reset = bytes([7 << 3]) + b"\xcdJgd\x91\x19q\xaf" + b"h" * 28 + bytes(5)  # as recorded with tls-auth and SHA-1
    talk = Dialogue().open().client(len(reset).to_bytes(2, "big") + reset).server(flags=FIN | ACK)
    (seen,) = analyze(io.BytesIO(pcap(talk.client(flags=FIN | ACK).frames))).connections
    assert seen.cause is not None
    assert (seen.cause.code, seen.cause.confidence, seen.aborted_by, seen.abort_act) == (
        "starttls-refused",
        "likely",
        "server",
        "fin",
    )
    assert [fix.commands for fix in seen.fixes] == [()]
