"""How each stack writes a key log: with one, from either end, TLS 1.3 hides nothing from this tool.

`KEY_LOGS` is the one table; the report shows the rows that fit the client, `hsanalyze explain` all of them.
"""

from __future__ import annotations

from textwrap import fill
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.stacks import LIBRARIES, library_of
from analyzer.trust.model import Fix

__all__ = ["KEY_LOGS", "KeyLogSetting", "key_log_fix", "key_log_page"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLogSetting:
    """What makes a stack write a key log.

    `libraries` are names of `stacks.LIBRARIES`: those of clients that this may be for. `line` is a command, or a line
    of a configuration or a program, that writes to `keys.log`; empty where there is none. `remark` says from which
    version on, or what else it takes. `source` is where it stands, or "measured" with the version.
    """

    stack: str
    libraries: tuple[str, ...]
    line: str
    remark: str = ""
    source: str


KEY_LOGS: Final = (
    KeyLogSetting(
        stack="curl and libcurl",
        libraries=("OpenSSL", "GnuTLS", "BoringSSL", "wolfSSL", "rustls"),
        line="SSLKEYLOGFILE=keys.log curl https://HOST/",
        remark="not with Schannel; a program with libcurl takes the same variable",
        source="curl: lib/vtls/keylog.c; measured with 7.88",
    ),
    KeyLogSetting(
        stack="Python",
        libraries=("OpenSSL",),
        line="SSLKEYLOGFILE=keys.log python3 program.py",
        remark="from 3.8, for contexts of ssl.create_default_context()",
        source="Python documentation, ssl: SSLContext.keylog_filename; measured with 3.11",
    ),
    KeyLogSetting(
        stack="openssl s_client",
        libraries=("OpenSSL",),
        line="openssl s_client -connect HOST:443 -servername HOST -keylogfile keys.log",
        remark="it stands in for the client",
        source="openssl-s_client(1); measured with 3.0",
    ),
    KeyLogSetting(
        stack="Node",
        libraries=("OpenSSL",),
        line="node --tls-keylog=keys.log program.js",
        remark="from 12.16",
        source="Node documentation, command-line API",
    ),
    KeyLogSetting(
        stack=".NET",
        libraries=("OpenSSL",),
        line="SSLKEYLOGFILE=keys.log dotnet program.dll",
        remark='from 9, not on Windows, with "System.Net.EnableSslKeyLogging": true in program.runtimeconfig.json',
        source="dotnet/runtime: SslKeyLogger.cs, pull request 100665",
    ),
    KeyLogSetting(
        stack="nginx as the client",
        libraries=("OpenSSL",),
        line="proxy_ssl_key_log keys.log;",
        remark="NGINX Plus only, from 1.27.2; else take it from the other end",
        source="nginx documentation, ngx_http_proxy_module",
    ),
    KeyLogSetting(
        stack="Java",
        libraries=("Java JSSE",),
        line="java -javaagent:extract-tls-secrets-4.0.0.jar=keys.log -jar program.jar",
        remark="the JDK has none of its own; the agent is github.com/neykov/extract-tls-secrets",
        source="the agent's README",
    ),
    KeyLogSetting(
        stack="Go",
        libraries=("Go crypto/tls",),
        line="tls.Config{KeyLogWriter: file}",
        remark="in the program; an environment variable only where the program reads one",
        source="Go documentation, crypto/tls: Config",
    ),
    KeyLogSetting(
        stack="GnuTLS",
        libraries=("GnuTLS",),
        line="SSLKEYLOGFILE=keys.log gnutls-cli HOST",
        remark="any program with GnuTLS",
        source="GnuTLS: tests/keylog-env.c",
    ),
    KeyLogSetting(
        stack="NSS, Firefox",
        libraries=("NSS",),
        line="SSLKEYLOGFILE=keys.log firefox",
        remark="unless it was left out of the build",
        source="NSS documentation, Key Log Format",
    ),
    KeyLogSetting(
        stack="Chrome, Chromium",
        libraries=("BoringSSL",),
        line="SSLKEYLOGFILE=keys.log chromium",
        source="README of github.com/segevfiner/sslkeylog",
    ),
    KeyLogSetting(
        stack="Envoy",
        libraries=("BoringSSL",),
        line="common_tls_context: {key_log: {path: keys.log}}",
        remark="in the cluster's UpstreamTlsContext",
        source="Envoy API, extensions.transport_sockets.tls.v3.TlsKeyLog",
    ),
    KeyLogSetting(
        stack="gRPC (C++)",
        libraries=("BoringSSL",),
        line='config.set_tls_key_log_file_path("keys.log"); options.set_tls_key_log_config(config);',
        remark="in the program, on its TLS credentials options",
        source="gRPC: include/grpcpp/security/tls_credentials_options.h",
    ),
    KeyLogSetting(
        stack="rustls",
        libraries=("rustls",),
        line="config.key_log = Arc::new(rustls::KeyLogFile::new());",
        remark="in the program; then it follows SSLKEYLOGFILE",
        source="rustls documentation, KeyLogFile",
    ),
    KeyLogSetting(
        stack="s2n-tls",
        libraries=("s2n-tls",),
        line="s2n_config_set_key_log_cb(config, callback, context);",
        remark="in the program",
        source="s2n-tls: api/s2n.h",
    ),
    KeyLogSetting(
        stack="wolfSSL",
        libraries=("wolfSSL",),
        line="./configure --enable-keylog-export",
        remark="when it is built",
        source="wolfSSL, issue 8165",
    ),
    KeyLogSetting(
        stack="Mbed TLS",
        libraries=("Mbed TLS",),
        line="mbedtls_ssl_set_export_keys_cb(ssl, callback, context);",
        remark="in the program",
        source="Mbed TLS: mbedtls_ssl_set_export_keys_cb",
    ),
    KeyLogSetting(
        stack="Erlang",
        libraries=("Erlang ssl",),
        line="ssl:connect(Host, 443, [{keep_secrets, true}])",
        remark="then ssl:connection_information(Socket, [keylog]) has the lines",
        source="Erlang documentation, using ssl: NSS keylog",
    ),
    KeyLogSetting(
        stack="Apache httpd as the server",
        libraries=(),
        line="SSLKEYLOGFILE=/var/log/apache2/keys.log",
        remark="in its environment; Debian: as export in /etc/apache2/envvars",
        source="httpd 2.4.71: mod_ssl.so and its message AH10226",
    ),
    KeyLogSetting(
        stack="HAProxy as the server",
        libraries=(),
        line="tune.ssl.keylog on",
        remark='with log-format "SERVER_HANDSHAKE_TRAFFIC_SECRET %[ssl_fc_client_random,hex] '
        '%[ssl_fc_server_handshake_traffic_secret]" and so on for each secret',
        source="HAProxy 2.6: src/ssl_sample.c",
    ),
)

_WIDTH: Final = 112
_COMMON: Final = ("curl and libcurl", "Java", "Go", "Node")
"""What is shown when nothing tells what the client is."""


def key_log_fix(case: Case) -> Fix:
    """How to get a key log for the client of a case, as far as its library is known."""
    library = library_of(case.connection.client_hello)
    names = {library.name} if library is not None else set()
    said = f"; its ClientHello is written as {library.name} writes it" if library is not None else ""
    if library is None and case.trust.profile_named:
        asked = {verdict.profile for verdict in case.trust.verdicts}
        names = {row.name for row in LIBRARIES if asked & set(row.profiles)}
    rows = [row for row in KEY_LOGS if names & set(row.libraries)]
    rows = rows or [row for row in KEY_LOGS if row.stack in _COMMON]
    return Fix(
        action="supply",
        text=f"To be certain, capture again with a key log of either end (--keylog). The client writes one so{said}:",
        commands=tuple(f"{row.line}  # {row.stack}" + (f", {row.remark}" if row.remark else "") for row in rows),
    )


def key_log_page() -> str:
    """The table as a Markdown list, for the page of a cause."""
    lines = [f"- {row.stack}: `{row.line}`" + (f" ({row.remark})" if row.remark else "") for row in KEY_LOGS]
    wrapped = (fill(line, _WIDTH, subsequent_indent="  ", break_long_words=False) for line in lines)
    return "\n".join(("A key log of either end, written while the capture runs and given with `--keylog`:", *wrapped))
