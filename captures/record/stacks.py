"""The TLS stacks that the recordings are made with: how each client and server is started.

A client is one row of `CLIENTS`, a server one row of `SERVERS`; a scenario names them by key.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from captures.record import pki
from captures.record.lab import SERVER_ADDRESS, Finished, Lab

PROGRAMS = Path(__file__).resolve().parent / "programs"

REQUEST = "GET / HTTP/1.0\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a stack has to know of the run. `bundle` is the PEM file of the client's trust anchors."""

    lab: Lab
    host: str
    family: int
    port: int
    tls: str
    bundle: Path
    patience: float
    chain: tuple[str, ...]
    client_options: tuple[str, ...]
    server_options: tuple[str, ...]
    programs: Path

    @property
    def address(self) -> str:
        """The server's address, in brackets when it is IPv6."""
        return SERVER_ADDRESS[4] if self.family == 4 else f"[{SERVER_ADDRESS[6]}]"

    @property
    def url(self) -> str:
        """The URL that HTTP clients ask for."""
        return f"https://{self.host}:{self.port}/" if self.port != 443 else f"https://{self.host}/"

    @property
    def keylog(self) -> Path:
        """Where a server that can do so writes the session secrets."""
        return self.lab.directory / "keylog"


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client stack.

    `talk` connects and asks for a page; `errors` finds the client's own words for a failure in what it said,
    as group 1; `version` is the command whose output holds the version, found by `version_pattern`.
    """

    title: str
    talk: Callable[[Job], Finished]
    errors: re.Pattern[str]
    needs: tuple[str, ...]
    version: tuple[str, ...]
    version_pattern: str = r"(\d+\.\d+[\w.+-]*)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server stack. `start` starts it and returns when it listens."""

    title: str
    start: Callable[[Job], None]
    needs: tuple[str, ...] = ()
    version: tuple[str, ...] = ()
    version_pattern: str = r"(\d+\.\d+[\w.+-]*)"


def missing(stack: Client | Server) -> tuple[str, ...]:
    """Name the executables that a stack needs and that this machine does not have."""
    return tuple(tool for tool in stack.needs if shutil.which(tool) is None)


@functools.cache
def version_of(command: tuple[str, ...], pattern: str) -> str:
    """Ask a program for its version; empty when there is nothing to ask."""
    if not command:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"


def build_programs(directory: Path, languages: set[str]) -> None:
    """Compile the clients of `languages` (`java`, `go`) into `directory`."""
    if "java" in languages:
        sources = sorted(str(path) for path in PROGRAMS.glob("*.java"))
        _build(["javac", "-d", str(directory), *sources], {})
    if "go" in languages:
        settings = {"GO111MODULE": "off", "GOFLAGS": "", "CGO_ENABLED": "0"}
        _build(["go", "build", "-o", str(directory / "client"), str(PROGRAMS / "client.go")], settings)


def _build(command: list[str], settings: dict[str, str]) -> None:
    subprocess.run(command, check=True, env=os.environ | settings, timeout=300, stdout=subprocess.DEVNULL)


# Clients


def _curl(job: Job) -> Finished:
    command = [
        "curl", "--silent", "--show-error", "--output", "/dev/null", "--write-out", "%{size_download} bytes",
        "--cacert", str(job.bundle), "--capath", "/dev/null", "--http1.1", "--max-time", f"{job.patience:g}",
        "--resolve", f"{job.host}:{job.port}:{job.address}", *job.client_options, job.url,
    ]  # fmt: skip
    return _run(job, command)


def _openssl(job: Job) -> Finished:
    command = [
        "openssl", "s_client", "-connect", f"{job.address}:{job.port}", "-servername", job.host,
        "-verify_hostname", job.host, "-verify_return_error", "-CAfile", str(job.bundle),
        "-no-CApath", "-no-CAstore", "-ign_eof", *job.client_options,
    ]  # fmt: skip
    return _run(job, command, stdin=REQUEST.encode())


def _python(job: Job) -> Finished:
    program = str(PROGRAMS / "tls_client.py")
    return _run(job, [sys.executable, program, job.host, str(job.port), str(job.bundle), f"{job.patience:g}"])


def _go(job: Job) -> Finished:
    return _run(job, [str(job.programs / "client"), job.url, str(job.bundle), f"{job.patience:g}s"])


def _node(job: Job) -> Finished:
    program = str(PROGRAMS / "client.js")
    return _run(job, ["node", program, job.url, str(job.bundle), f"{job.patience * 1000:.0f}"])


def _gnutls(job: Job) -> Finished:
    command = [
        "gnutls-cli", "--x509cafile", str(job.bundle), "--port", str(job.port), *job.client_options, job.host,
    ]  # fmt: skip
    return _run(job, command, stdin=REQUEST.encode())


def _wget(job: Job) -> Finished:
    command = [
        "wget", "--no-config", "--no-hsts", "--tries", "1", "--timeout", f"{job.patience:g}",
        "--ca-certificate", str(job.bundle), "--ca-directory", str(job.programs),
        "--output-document", "/dev/null", job.url,
    ]  # fmt: skip
    return _run(job, command)


def _java_https(job: Job) -> Finished:
    command = ["java", *_JAVA_SETTINGS, "-cp", str(job.programs), *job.client_options, "HttpsClient", job.url]
    return _run(job, [*command, str(job.bundle), f"{job.patience * 1000:.0f}"])


def _java_nio(job: Job) -> Finished:
    command = ["java", *_JAVA_SETTINGS, "-cp", str(job.programs), "NioClient", job.host, str(job.port)]
    return _run(job, [*command, str(job.bundle), *job.client_options])


def _nginx_proxy(job: Job) -> Finished:
    """Let curl ask an nginx on the client's host, which asks the server; nginx's log has the words."""
    folder = job.lab.directory
    (folder / "proxy.conf").write_text(_NGINX_PROXY.format(folder=folder, job=job))
    job.lab.start(job.lab.client, _nginx(folder, "proxy.conf"), log="proxy.log", listening=8080)
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", f"{job.patience + 2:g}"]
    done = _run(job, [*command, "--output", "/dev/null", "http://127.0.0.1:8080/"])
    return Finished(output=(folder / "proxy-error.log").read_text() + done.output, status=done.status)


def _run(job: Job, command: list[str], stdin: bytes = b"") -> Finished:
    # Stacks that can give up by themselves get the time to do so first.
    return job.lab.run(job.lab.client, command, timeout=job.patience + 5, stdin=stdin)


_JAVA_SETTINGS = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

_NGINX_PROXY = """
daemon off; worker_processes 1; master_process off; user root; pid {folder}/proxy.pid;
error_log {folder}/proxy-error.log info;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen 127.0.0.1:8080;
        location / {{
            proxy_pass https://{job.host}:{job.port};
            proxy_connect_timeout {job.patience:.0f}s;
            proxy_read_timeout {job.patience:.0f}s;
            proxy_ssl_server_name on;
            proxy_ssl_name {job.host};
            proxy_ssl_verify on;
            proxy_ssl_verify_depth 5;
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
            proxy_ssl_trusted_certificate {job.bundle};
        }}
    }}
}}
"""

CLIENTS: dict[str, Client] = {
    "curl": Client(
        title="curl",
        talk=_curl,
        errors=re.compile(r"^(curl: \(\d+\).*)$", re.MULTILINE),
        needs=("curl",),
        version=("curl", "--version"),
    ),
    "openssl": Client(
        title="openssl s_client",
        talk=_openssl,
        errors=re.compile(r"^(verify error:.*|.*:error:.*|connect:errno=.*|.*Connection refused.*)$", re.MULTILINE),
        needs=("openssl",),
        version=("openssl", "version"),
    ),
    "python": Client(
        title="Python ssl",
        talk=_python,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=(),
        version=(sys.executable, "--version"),
    ),
    "go": Client(
        title="Go net/http",
        talk=_go,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("go",),
        version=("go", "version"),
        version_pattern=r"go(\d+\.\d+[\w.]*)",
    ),
    "node": Client(
        title="Node https",
        talk=_node,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("node",),
        version=("node", "--version"),
    ),
    "gnutls": Client(
        title="gnutls-cli",
        talk=_gnutls,
        errors=re.compile(r"^(?:- Status: |\*\*\* )(.*)$", re.MULTILINE),
        needs=("gnutls-cli",),
        version=("gnutls-cli", "--version"),
    ),
    "wget": Client(
        title="GNU wget/GnuTLS",
        talk=_wget,
        errors=re.compile(r"^(ERROR: .*|.*failed: .*)$", re.MULTILINE),
        needs=("wget",),
        version=("wget", "--version"),
    ),
    "java": Client(
        title="Java HttpsURLConnection",
        talk=_java_https,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("java", "javac"),
        version=("java", "-version"),
        version_pattern=r'version "([^"]+)"',
    ),
    "java-nio": Client(
        title="Java SSLEngine over NIO",
        talk=_java_nio,
        errors=re.compile(r"^error: (.*)$", re.MULTILINE),
        needs=("java", "javac"),
        version=("java", "-version"),
        version_pattern=r'version "([^"]+)"',
    ),
    "nginx-proxy": Client(
        title="nginx proxy",
        talk=_nginx_proxy,
        errors=re.compile(r"^\S+ \S+ \[(?:error|crit)\] \S+ \*\d+ (.*)$", re.MULTILINE),
        needs=("nginx", "curl"),
        version=("nginx", "-v"),
    ),
}


# Servers


def _openssl_server(job: Job) -> None:
    """Answer GET requests with a status page; write the session secrets to the key log."""
    folder = job.lab.directory
    (folder / "server.pem").write_bytes(pki.pem(job.chain[:1]) + pki.key_pem(job.chain[0]))
    (folder / "chain.pem").write_bytes(pki.pem(job.chain[1:]))
    (folder / "client-ca.pem").write_bytes(pki.pem(("acme-root",)))
    command = ["openssl", "s_server", "-accept", str(job.port), "-www", "-cert", "server.pem",
               "-no-CAfile", "-no-CApath", "-no-CAstore", "-keylogfile", str(job.keylog)]  # fmt: skip
    if len(job.chain) > 1:
        # Without this the server builds its chain itself and ignores the order of the file.
        command += ["-cert_chain", "chain.pem"]
    command += [f"-tls{job.tls.replace('.', '_')}", *job.server_options]
    job.lab.start(job.lab.server, command, log="server.log", listening=job.port)


def _nginx_server(job: Job) -> None:
    folder = job.lab.directory
    (folder / "server.pem").write_bytes(pki.pem(job.chain))
    (folder / "server.key").write_bytes(pki.key_pem(job.chain[0]))
    (folder / "server.conf").write_text(_NGINX_SERVER.format(folder=folder, job=job))
    job.lab.start(job.lab.server, _nginx(folder, "server.conf"), log="server.log", listening=job.port)


def _nginx_plain_server(job: Job) -> None:
    folder = job.lab.directory
    (folder / "server.conf").write_text(_NGINX_PLAIN_SERVER.format(folder=folder, job=job))
    job.lab.start(job.lab.server, _nginx(folder, "server.conf"), log="server.log", listening=job.port)


def _python_http_server(job: Job) -> None:
    command = [sys.executable, "-m", "http.server", "--directory", str(job.lab.directory), str(job.port)]
    job.lab.start(job.lab.server, command, log="server.log", listening=job.port)


def _faulty_server(job: Job) -> None:
    command = [sys.executable, str(PROGRAMS / "faulty_server.py"), str(job.port), *job.server_options]
    job.lab.start(job.lab.server, command, log="server.log", listening=job.port)


def _nothing(job: Job) -> None:
    """Nobody listens."""


def _dropping(job: Job) -> None:
    """Have the server's firewall drop what comes for the port, without a word."""
    rule = ("INPUT", "-p", "tcp", "--dport", str(job.port), "-j", "DROP")
    job.lab.must(job.lab.server, "iptables", "-A", *rule)


def _nginx(folder: Path, configuration: str) -> list[str]:
    return [
        "nginx",
        "-p",
        str(folder),
        "-e",
        str(folder / "nginx-start.log"),
        "-c",
        str(folder / configuration),
    ]


_NGINX_SERVER = """
daemon off; worker_processes 1; master_process off; user root; pid {folder}/server.pid;
error_log {folder}/server-error.log info;
events {{}}
http {{
    access_log off;
    server {{
        listen {job.port} ssl; listen [::]:{job.port} ssl;
        ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
        ssl_protocols TLSv{job.tls};
        location / {{ return 200 "hello\\n"; }}
    }}
}}
"""

_NGINX_PLAIN_SERVER = """
daemon off; worker_processes 1; master_process off; user root; pid {folder}/server.pid;
error_log {folder}/server-error.log info;
events {{}}
http {{
    access_log off;
    server {{
        listen {job.port}; listen [::]:{job.port};
        location / {{ return 200 "hello\\n"; }}
    }}
}}
"""

SERVERS: dict[str, Server] = {
    "openssl": Server(
        title="openssl s_server", start=_openssl_server, needs=("openssl",), version=("openssl", "version")
    ),
    "nginx": Server(title="nginx", start=_nginx_server, needs=("nginx",), version=("nginx", "-v")),
    "nginx-plain": Server(
        title="nginx without TLS", start=_nginx_plain_server, needs=("nginx",), version=("nginx", "-v")
    ),
    "python-http": Server(title="Python http.server", start=_python_http_server, version=(sys.executable, "--version")),
    "faulty": Server(title="faulty_server.py", start=_faulty_server),
    "nothing": Server(title="none (port closed)", start=_nothing),
    "dropping": Server(title="none (firewall drops)", start=_dropping, needs=("iptables",)),
}
