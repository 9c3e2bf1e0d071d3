"""What is read from the lines that products write."""

# ruff: noqa: E501 - the lines of logs are as long as they are

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from analyzer.gateways.logs import LogEntry, shown
from analyzer.gateways.logs._reader import LogFile
from analyzer.gateways.logs._times import find_time, read_time
from analyzer.gateways.logs._words import ANY_CERTIFICATE, alert_codes, read_words

NOON = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 10**9


def entries(text: str | bytes) -> list[LogEntry]:
    data = text.encode() if isinstance(text, str) else text
    return list(LogFile("a.log", NOON, lambda _local, _remote: False).entries(io.BytesIO(data)))


def facts(entry: LogEntry) -> dict[str, Any]:
    ends = {
        name: f"{end.address}:{end.port}" if end.port else end.address
        for name, end in (("local", entry.local), ("remote", entry.remote))
        if end is not None
    }
    known = {"host": entry.host, "id": entry.id, "side": entry.side, "format": entry.format, **ends}
    return {name: value for name, value in known.items() if value is not None}


NGINX = (
    "2026/11/22 12:00:00 [error] 31#31: *1 upstream SSL certificate verify error: (20:unable to get local issuer "
    "certificate) while SSL handshaking to upstream, client: 127.0.0.1, server: gw.example, request: "
    '"GET /a?key=1 HTTP/1.1", upstream: "https://10.0.0.1:443/a?key=1", host: "gw.example"'
)
APIGEE = (
    "2026-11-22 12:00:00,123 org:acme env:prod api:orders rev:7 messageid:rt-1-2 NIOThread@1 ERROR HTTP.CLIENT - "
    "HTTPClient$Context.handshakeFailed() : SSLClientChannel[Connected: Remote:10.0.0.1:443 Local:10.0.0.2:4321]@7 "
    "useCount=1 handshake failed, message: General SSLEngine problem\n"
    "javax.net.ssl.SSLHandshakeException: General SSLEngine problem\n"
    "\tat sun.security.ssl.Handshaker.checkThrown(Handshaker.java:1431)\n"
    "Caused by: sun.security.validator.ValidatorException: PKIX path building failed: unable to find valid "
    "certification path to requested target\n"
)
LINES: list[tuple[str, dict[str, str], str]] = [
    (NGINX, {"format": "nginx", "remote": "10.0.0.1:443", "side": "client"}, "missing-root"),
    (
        ('2026/11/22 12:00:00 [error] 31#31: *1 upstream SSL certificate does not match "my_backend" while SSL '
        'handshaking to upstream, client: 127.0.0.1, server: , upstream: "https://[2001:db8::1]:8443/", host: "a"'),
        {"format": "nginx", "remote": "2001:db8::1:8443", "host": "my_backend", "side": "client"},
        "hostname-mismatch",
    ),
    (
        ("2026/11/22 12:00:00 [crit] 31#31: *1 SSL_do_handshake() failed (SSL: error:0A000418:SSL routines::tlsv1 alert "
        "unknown ca:SSL alert number 48) while SSL handshaking, client: 10.0.0.9, server: 0.0.0.0:443"),
        {"format": "nginx", "remote": "10.0.0.9", "side": "server"},
        "missing-root",
    ),
    (
        ("2026-11-22T12:00:00.1Z stderr F 2026/11/22 12:00:00 [info] 31#31: *1 client SSL certificate verify error: "
        "(10:certificate has expired) while reading client request headers, client: 10.0.0.9, server: api.example"),
        {"format": "nginx", "remote": "10.0.0.9", "host": "api.example", "side": "server"},
        "client-cert-expired",
    ),
    (APIGEE, {"format": "Apigee message processor", "local": "10.0.0.2:4321", "remote": "10.0.0.1:443",
              "id": "rt-1-2", "side": "client"}, "missing-root"),
    (
        ("10.0.0.9:4000 [22/Nov/2026:12:00:00.123] gw orders/o1 0/0/-1/-1/3 503 217 SC-- 10.0.0.2:4321->10.0.0.1:443 SSL "
        "handshake failure error:0A000086:SSL routines::certificate verify failed"),
        {"format": "HAProxy", "local": "10.0.0.2:4321", "remote": "10.0.0.1:443", "side": "client"},
        "missing-root",
    ),
    (
        ("<134>Nov 22 12:00:00 lb haproxy[88]: 10.0.0.9:4000 [22/Nov/2026:12:00:00.000] gw orders/o1 0/0/-1/-1/30 503 217 "
        '- - SC-- 1/1/0/0/3 0/0 "GET / HTTP/1.1"'),
        {"format": "HAProxy", "side": "client"},
        "missing-root",
    ),
    (
        "Nov 22 12:00:00 lb haproxy[88]: 10.0.0.9:4000 [22/Nov/2026:12:00:00.000] gw/1: SSL handshake failure",
        {"format": "HAProxy", "remote": "10.0.0.9:4000", "side": "server"},
        "missing-root",
    ),
    (
        '[WARNING] (9) : Server orders/o1 is DOWN, reason: Layer6 invalid response, info: "SSL handshake failure"',
        {"format": "HAProxy", "side": "client"},
        "missing-root",
    ),
    (
        ('[2026-11-22T12:00:00.123Z] "GET / HTTP/1.1" 503 UF,URX upstream_reset_before_response_started{connection_'
        'failure,TLS_error:|268435581:SSL_routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:TLS_error_end} - "-" 0 152 '
        '9 - "-" "curl/8" "req-77" "api.example" "10.0.0.1:443" outbound|443||api 10.0.0.2:4321 10.1.1.1:80 '
        "10.1.1.2:33333 api.example -"),
        {"format": "Envoy", "local": "10.0.0.2:4321", "remote": "10.0.0.1:443", "host": "api.example", "id": "req-77",
         "side": "client"},
        "missing-root",
    ),
    (
        ('{"start_time":"2026-11-22T12:00:00.123Z","response_flags":"UF","upstream_host":"10.0.0.1:443",'
        '"upstream_local_address":"10.0.0.2:4321","authority":"api.example","request_id":"req-77",'
        '"upstream_transport_failure_reason":"TLS_error:|268435581:SSL routines:OPENSSL_internal:'
        'CERTIFICATE_VERIFY_FAILED:TLS_error_end"}'),
        {"format": "Envoy", "local": "10.0.0.2:4321", "remote": "10.0.0.1:443", "host": "api.example", "id": "req-77",
         "side": "client"},
        "missing-root",
    ),
    (
        ("[Sun Nov 22 12:00:00.123456 2026] [ssl:info] [pid 1:tid 2] [remote 10.0.0.1:443] AH02276: Certificate "
        "Verification: Error (20): unable to get local issuer certificate [subject: CN=x / issuer: CN=y]"),
        {"format": "Apache httpd", "remote": "10.0.0.1:443", "side": "client"},
        "missing-root",
    ),
    (
        ("[Sun Nov 22 12:00:00.123456 2026] [ssl:error] [pid 1:tid 2] [client 10.0.0.9:4000] AH02039: Certificate "
        "Verification: Error (10): certificate has expired"),
        {"format": "Apache httpd", "remote": "10.0.0.9:4000", "side": "server"},
        "client-cert-expired",
    ),
    (
        ("javax.net.ssl|ERROR|01|main|2026-11-22 12:00:00.123 UTC|TransportContext.java:345|Fatal (CERTIFICATE_UNKNOWN): "
        'PKIX path building failed: x (\n"throwable" : {\n  sun.security.validator.ValidatorException: y\n}\n\n)\n'),
        {"format": "javax.net.debug"},
        "missing-root",
    ),
    (
        ("2026-11-22 12:00:00.123 ERROR [gw,abc123,def456] 7 --- [nio-1] o.s.Handler : I/O error on GET request for "
        '"https://api.example/orders": No subject alternative DNS name matching api.example found.\n'
        "javax.net.ssl.SSLHandshakeException: No subject alternative DNS name matching api.example found.\n\tat a.b(C.java:1)\n"),
        {"format": "Java", "host": "api.example"},
        "hostname-mismatch",
    ),
    (
        ("12:00:00.123 [nio-2] WARN r.n.http.client - [9f2e, L:/10.0.0.2:4321 ! R:api.example/10.0.0.1:443] The connection "
        "observed an error\nio.netty.handler.ssl.SslHandshakeTimeoutException: handshake timed out after 10000ms\n"),
        {"format": "Java", "local": "10.0.0.2:4321", "remote": "10.0.0.1:443"},
        "server-silent",
    ),
    (
        ("TID: [-1234] [] [2026-11-22 12:00:00,123] ERROR {org.apache.synapse.transport.passthru.TargetHandler} - I/O "
        "error: General SSLEngine problem\n"),
        {"format": "WSO2", "side": "client"},
        "missing-root",
    ),
    (
        ("fail: Yarp.ReverseProxy.Forwarder.HttpForwarder[48]\n      Request: An error was encountered before receiving a "
        "response.\n      System.Net.Http.HttpRequestException: The SSL connection could not be established, see inner "
        "exception.\n       ---> System.Security.Authentication.AuthenticationException: The remote certificate is "
        "invalid because of errors in the certificate chain: PartialChain\n"),
        {"format": ".NET", "side": "client"},
        "missing-intermediate",
    ),
    (
        ('{"EventId":48,"LogLevel":"Error","Category":"Yarp","Message":"Request: An error","Timestamp":'
        '"2026-11-22T12:00:00.1Z","Exception":"System.Security.Authentication.AuthenticationException: The remote '
        'certificate is invalid according to the validation procedure: RemoteCertificateNameMismatch"}'),
        {"format": ".NET"},
        "hostname-mismatch",
    ),
    (
        "2026/11/22 12:00:00 http: TLS handshake error from [2001:db8::9]:5321: remote error: tls: bad certificate",
        {"format": "Go", "remote": "2001:db8::9:5321", "side": "server"},
        "missing-root",
    ),
    (
        "2026/11/22 12:00:00 read tcp 10.0.0.2:4321->10.0.0.1:443: read: connection reset by peer",
        {"format": "Go", "local": "10.0.0.2:4321", "remote": "10.0.0.1:443", "side": "client"},
        "server-reset",
    ),
    (
        ('time="2026-11-22T12:00:00Z" level=debug msg="\'502 Bad Gateway\' caused by: tls: failed to verify certificate: '
        'x509: certificate is valid for a.example, not b.example"'),
        {"format": "Traefik", "host": "b.example", "side": "client"},
        "hostname-mismatch",
    ),
    (
        ("Error: self-signed certificate in certificate chain\n    at TLSSocket.onConnectSecure (node:_tls_wrap:1539:34)\n"
        "    at emit (node:events:514:28) {\n  code: 'SELF_SIGNED_CERT_IN_CHAIN'\n}\n"),
        {"format": "Node", "side": "client"},
        "missing-root",
    ),
    (
        ("*   Trying 10.0.0.1:443...\n* Connected to api.example (10.0.0.1) port 443 (#0)\n"
        "* SSL certificate problem: certificate has expired\n"),
        {"format": "curl", "remote": "10.0.0.1:443", "host": "api.example", "side": "client"},
        "expired-leaf",
    ),
    (
        "Nov 22 12:00:00 bigip warning tmm1[11]: 01260013:4: SSL Handshake failed for TCP 10.0.0.2:4321 -> 10.0.0.1:443",
        {"format": "F5 BIG-IP", "local": "10.0.0.2:4321", "remote": "10.0.0.1:443"},
        "",
    ),
    (
        "Nov 22 12:00:00 bigip warning tmm1[11]: 01260026:4: No shared ciphers between SSL peers 10.0.0.2.4321:10.0.0.1.443.",
        {"format": "F5 BIG-IP", "local": "10.0.0.2:4321", "remote": "10.0.0.1:443"},
        "no-shared-cipher",
    ),
    (
        ('{"time":"2026-11-22T12:00:00.1Z","correlationId":"c-1","properties":{"backendUrl":"https://api.example/v1",'
        '"lastError":{"source":"forward-request","reason":"BackendConnectionFailure","message":"The underlying '
        'connection was closed: Could not establish trust relationship for the SSL/TLS secure channel."}}}'),
        {"format": "Azure API Management", "host": "api.example", "id": "c-1", "side": "client"},
        "missing-root",
    ),
    (
        ('{"timeStamp":"2026-11-22T12:00:00Z","properties":{"clientIP":"10.1.1.1","httpStatus":502,"sslEnabled":"on",'
        '"host":"gw.example","serverRouted":"10.0.0.1:443","serverStatus":"502","error_info":'
        '"ERRORINFO_UPSTREAM_CLOSED_CONNECTION","transactionId":"t-1"}}'),
        {"format": "Azure Application Gateway", "remote": "10.0.0.1:443", "host": "gw.example", "id": "t-1",
         "side": "client"},
        "server-closed",
    ),
    (
        ("2026-11-22T12:00:00+00:00\trt-01\t10.0.0.9:4000\t10.0.0.8:8998\t0.1\t-\t-\t503\t503\t200\tGET /a HTTP/1.1\t"
        "rrt-0123-a-b-4711-1\tmessaging.adaptors.http.flow.SslHandshakeFailed\t-"),
        {"format": "Apigee router", "id": "rrt-0123-a-b-4711-1", "side": "client"},
        "missing-root",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected", "cause"), LINES, ids=[f"{e['format']}-{i}" for i, (_, e, _) in enumerate(LINES)]
)
def test_a_line_gives_its_addresses_its_host_its_id_and_what_it_says(
    text: str, expected: dict[str, str], cause: str
) -> None:
    (entry,) = entries(text)
    assert facts(entry) == expected
    codes = entry.said.codes(entry.side)
    assert cause in codes if cause else not codes


def test_a_file_may_mix_formats_and_hold_lines_of_no_interest() -> None:
    mixed = "\n".join(["starting", NGINX, "GET /index.html 200", APIGEE + LINES[5][0], "bye"])
    assert [(entry.format, entry.line) for entry in entries(mixed)] == [
        ("nginx", 2), ("Apigee message processor", 4), ("HAProxy", 8),
    ]  # fmt: skip


def test_a_server_that_misses_the_client_s_certificate_says_so() -> None:
    (entry,) = entries(
        "2026/11/22 12:00:00 [info] 31#31: *3 client sent no required SSL certificate while reading client request "
        'headers, client: 10.0.0.9, server: api.example, request: "GET / HTTP/1.1"'
    )
    assert entry.said.codes(entry.side) == {"client-cert-missing"}


def test_a_hello_names_the_host_for_its_thread_in_java_debug() -> None:
    text = (
        "javax.net.ssl|DEBUG|1A|io-3|2026-11-22 12:00:00.100 UTC|ClientHello.java:641|Produced ClientHello handshake "
        'message (\n"ClientHello": {\n  "extensions": [\n    "server_name (0)": {\n      type=host_name (0), '
        "value=api.example\n    },\n)\n"
        "javax.net.ssl|DEBUG|1A|io-3|2026-11-22 12:00:00.200 UTC|Alert.java:238|Received alert message (\n"
        '"Alert": {\n  "level"      : "fatal",\n  "description": "handshake_failure"\n}\n)\n'
        "javax.net.ssl|ERROR|1A|io-3|2026-11-22 12:00:00.201 UTC|TransportContext.java:345|Fatal (HANDSHAKE_FAILURE): "
        "Received fatal alert: handshake_failure (\n)\n"
    )
    entry = entries(text)[-1]
    assert (entry.host, entry.side, entry.said.alert) == ("api.example", "client", 40)


def test_the_trace_of_an_apigee_debug_session_is_one_entry_as_json_and_as_xml() -> None:
    reason = "SSL Handshake failed PKIX path building failed: unable to find valid certification path"
    document = {"completed": True, "point": [
        {"id": "Headers", "results": [{"timestamp": "22-11-26 11:59:59:900", "headers": [
            {"name": "X-Apigee.Message-ID", "value": "m-1"}]}]},
        {"id": "Target", "results": [{"timestamp": "22-11-26 12:00:00:000", "properties": {"property": [
            {"name": "target.url", "value": "https://api.example/v1?x=1"}]}}]},
        {"id": "Error", "results": [{"timestamp": "22-11-26 12:00:00:123", "properties": {"property": [
            {"name": "error.cause", "value": reason}]}}]},
    ]}  # fmt: skip
    xml = (
        "<DebugSession><Messages><Message><DebugId>m-1</DebugId><Data><Point id='Target'><DebugInfo><Timestamp>22-11-26 "
        "12:00:00:000</Timestamp><Properties><Property name='target.url'>https://api.example/v1</Property></Properties>"
        "</DebugInfo></Point><Point id='Error'><DebugInfo><Timestamp>22-11-26 12:00:00:123</Timestamp><Properties>"
        f"<Property name='error.cause'>{reason}</Property></Properties></DebugInfo></Point></Data></Message></Messages>"
        "</DebugSession>"
    )
    for text in (json.dumps(document, indent=2), xml):
        (entry,) = entries(text)
        assert facts(entry) == {"format": "Apigee debug session", "host": "api.example", "id": "m-1", "side": "client"}
        assert entry.time is not None
        assert entry.time.ns == NOON + 123_000_000
        assert not entry.time.zoned


def test_records_may_be_wrapped_in_one_document() -> None:
    record = json.loads(LINES[10][0])
    for document in ([record], {"records": [record]}, {"value": [record]}):
        (entry,) = entries(json.dumps(document, indent=1))
        assert entry.format == "Envoy"
    table = {"tables": [{"columns": [{"name": name} for name in record], "rows": [list(record.values())]}]}
    assert [entry.format for entry in entries(json.dumps(table, indent=1))] == ["Envoy"]


def test_a_file_of_powershell_is_utf_16() -> None:
    (entry,) = entries(NGINX.encode("utf-16"))
    assert entry.format == "nginx"


@pytest.mark.parametrize(
    ("text", "seconds", "zoned"),
    [
        ("2026-11-22T12:00:05Z x", 5, True),
        ("2026-11-22T13:00:05.000+01:00 x", 5, True),
        ("2026-11-22 12:00:05,250 ERROR", 5.25, False),
        ("[2026-11-22 07:00:05.1 -0500] x", 5.1, True),
        ("2026/11/22 12:00:05 [error] 1#1: x", 5, False),
        ('10.0.0.1 - - [22/Nov/2026:13:00:05 +0100] "GET /"', 5, True),
        ("[22/Nov/2026:12:00:05.123] x", 5.123, False),
        ("Nov 22 12:00:05 host prog: x", 5, False),
        ("<134>Nov 22 12:00:05 host prog: x", 5, False),
        ("[Sun Nov 22 12:00:05.5 2026] [ssl:info]", 5.5, False),
        ("Sun, 22 Nov 2026 12:00:05 GMT x", 5, True),
        ("Nov 22, 2026 12:00:05 PM Class method", 5, False),
        ("11/22/2026 12:00:05 PM x", 5, False),
        ("12:00:05.123 [main] WARN x", 5.123, False),
        ("22-11-26 12:00:05:123", 5.123, False),
        ("1795348805.250 x", 5.25, True),
        ("1795348805250 x", 5.25, True),
    ],
)
def test_a_time_is_read_in_any_usual_shape(text: str, seconds: float, zoned: bool) -> None:
    moment = find_time(text, NOON)
    assert moment is not None
    assert moment.zoned is zoned
    assert (moment.ns - NOON) / 1e9 == pytest.approx(seconds)


def test_a_year_that_is_not_written_is_the_capture_s() -> None:
    new_year = int(datetime(2027, 1, 1, 0, 0, 10, tzinfo=UTC).timestamp()) * 10**9
    moment = find_time("Dec 31 23:59:59 host x", new_year)
    assert moment is not None
    assert new_year - moment.ns == 11 * 10**9


@pytest.mark.parametrize("value", [NOON // 10**9, NOON // 10**6, NOON // 10**3, NOON, NOON / 1e9])
def test_a_number_is_a_time_in_seconds_milliseconds_microseconds_or_nanoseconds(value: float) -> None:
    moment = read_time(value, 0)
    assert moment is not None
    assert moment.ns == NOON


@pytest.mark.parametrize(
    "text", ["2026-13-45 12:00:00", "Feb 30 12:00:00 x", "[99/Nov/2026:12:00:00]", "25:99:99 x", "no time here"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert find_time(text, NOON) is None


@pytest.mark.parametrize(
    ("number", "cause"),
    [(2, "missing-root"), (7, "bad-signature"), (9, "not-yet-valid"), (10, "expired-leaf"), (18, "self-signed-leaf"),
     (19, "missing-root"), (20, "missing-root"), (21, "missing-intermediate"), (22, "chain-too-long"), (23, "revoked"),
     (25, "path-too-long"), (26, "wrong-key-usage"), (34, "unknown-critical-extension"), (62, "hostname-mismatch"),
     (66, "weak-key"), (68, "weak-signature"), (79, "issuer-not-ca")],
)  # fmt: skip
def test_openssl_s_numbers_stand_for_their_texts(number: int, cause: str) -> None:
    said = read_words(f"verify error:num={number}:whatever")
    assert said is not None
    assert cause in said.as_client


def test_the_more_telling_of_two_texts_counts() -> None:
    said = read_words("certificate verify failed: self-signed certificate in certificate chain")
    assert said is not None
    assert said.as_client == {"missing-root", "root-key-mismatch"}


@pytest.mark.parametrize(
    "text",
    [
        "*1 client sent plain HTTP request to HTTPS port while reading client request headers",
        "AH01996: SSL handshake failed: HTTP spoken on HTTPS port; trying to send HTML error page",
        "http: TLS handshake error from 10.0.0.1:5: client sent an HTTP request to an HTTPS server",
    ],
)
def test_servers_tell_of_plain_http_on_their_port_of_tls(text: str) -> None:
    said = read_words(text)
    assert said is not None
    assert (said.as_client, said.as_server) == (frozenset(), frozenset({"client-not-tls"}))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("tlsv1 alert unknown ca:SSL alert number 48", 48),
        ("Received fatal alert: certificate_unknown", 46),
        ("remote error: tls: certificate required", 116),
        ("SSL routines:ssl3_read_bytes:tlsv1 alert protocol version", 70),
    ],
)
def test_an_alert_that_was_received_is_the_other_side_s_word(text: str, number: int) -> None:
    said = read_words(text)
    assert said is not None
    assert said.alert == number
    assert said.as_client == alert_codes(number, "server")
    assert said.as_server == alert_codes(number, "client")


def test_a_refused_client_certificate_is_told_apart_by_who_writes() -> None:
    said = read_words("certificate verify failed: certificate has expired")
    assert said is not None
    assert "expired-leaf" in said.codes("client")
    assert "client-cert-expired" in said.codes("server")
    assert not said.codes("server") & ANY_CERTIFICATE


@pytest.mark.parametrize(
    "secret",
    [
        "Authorization: Bearer abcdef123456", "authorization=Basic QWxhZGRpbjpvcGVu", '"Cookie": "session=abcdef123456"',
        "Set-Cookie: id=abcdef123456; Secure", "GET /a?access_token=abcdef123456&b=1 HTTP/1.1", "password=abcdef123456",
        "eyJhbGciOiJIUzI1NiJ9.abcdef123456.abcdef123456", "https://user:abcdef123456@api.example/",
        "Ocp-Apim-Subscription-Key: abcdef123456", "client_secret='abcdef123456'", "x-api-key: abcdef123456",
        "-----BEGIN PRIVATE KEY-----\nabcdef123456\n-----END PRIVATE KEY-----", "trustStorePassword=abcdef123456",
    ],
)  # fmt: skip
def test_credentials_and_query_strings_are_never_shown(secret: str) -> None:
    text = shown(f"2026-11-22 SSL handshake failed {secret} end")
    assert "abcdef123456" not in text
    assert "QWxhZGRpbjpvcGVu" not in text
    assert "SSL handshake failed" in text


def test_control_characters_and_stack_frames_are_not_shown() -> None:
    assert shown("a\x1b[31mb\r\n\tat x.Y.z(Y.java:1)\nCaused by: c\u202e") == "a\\x1b[31mb Caused by: c\\x202e"
