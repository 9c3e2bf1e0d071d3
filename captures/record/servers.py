"""The server stacks, and what stands in for one: how each is started."""

from __future__ import annotations

import sys

from captures.record import pki
from captures.record.stacks import PROGRAMS, Job, Server, nginx


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
    job.lab.start(job.lab.server, nginx(folder, "server.conf"), log="server.log", listening=job.port)


def _nginx_plain_server(job: Job) -> None:
    folder = job.lab.directory
    (folder / "server.conf").write_text(_NGINX_PLAIN_SERVER.format(folder=folder, job=job))
    job.lab.start(job.lab.server, nginx(folder, "server.conf"), log="server.log", listening=job.port)


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
