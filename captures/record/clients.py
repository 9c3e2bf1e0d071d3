"""The client stacks: how each is started, and where it says why it failed."""

from __future__ import annotations

import re
import sys

from captures.record.lab import Finished
from captures.record.stacks import JAVA_SETTINGS, PROGRAMS, REQUEST, Client, Job, nginx


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
    return _run(job, [sys.executable, program, job.host, str(job.port), str(job.bundle), f"{job.patience:g}",
                      *job.client_options])  # fmt: skip


def _go(job: Job) -> Finished:
    command = [str(job.programs / "client"), job.url, str(job.bundle), f"{job.patience:g}s"]
    return _run(job, [*command, *job.client_options])


def _node(job: Job) -> Finished:
    program = str(PROGRAMS / "client.js")
    return _run(job, ["node", program, job.url, str(job.bundle), f"{job.patience * 1000:.0f}",
                      *job.client_options])  # fmt: skip


def _gnutls(job: Job) -> Finished:
    command = [
        "gnutls-cli", "--x509cafile", str(job.bundle), "--port", str(job.port), *job.client_options, job.host,
    ]  # fmt: skip
    return _run(job, command, stdin=REQUEST.encode())


def _wget(job: Job) -> Finished:
    command = [
        "wget", "--no-config", "--no-hsts", "--tries", "1", "--timeout", f"{job.patience:g}",
        "--ca-certificate", str(job.bundle), "--ca-directory", str(job.programs),
        "--output-document", "/dev/null", *job.client_options, job.url,
    ]  # fmt: skip
    return _run(job, command)


def _java_https(job: Job) -> Finished:
    settings = [option for option in job.client_options if option.startswith("-")]
    rest = [option for option in job.client_options if not option.startswith("-")]
    command = ["java", *JAVA_SETTINGS, "-cp", str(job.programs), *settings, "HttpsClient", job.url]
    return _run(job, [*command, str(job.bundle), f"{job.patience * 1000:.0f}", *rest])


def _java_nio(job: Job) -> Finished:
    command = ["java", *JAVA_SETTINGS, "-cp", str(job.programs), "NioClient", job.host, str(job.port)]
    return _run(job, [*command, str(job.bundle), *job.client_options])


def _nginx_proxy(job: Job) -> Finished:
    """Let curl ask an nginx on the client's host, which asks the server; nginx's log has the words."""
    folder = job.lab.directory
    (folder / "proxy.conf").write_text(_NGINX_PROXY.format(folder=folder, job=job))
    job.lab.start(job.lab.client, nginx(folder, "proxy.conf"), log="proxy.log", listening=8080)
    command = ["curl", "--silent", "--show-error", "--fail", "--max-time", f"{job.patience + 2:g}"]
    done = _run(job, [*command, "--output", "/dev/null", "http://127.0.0.1:8080/"])
    return Finished(output=(folder / "proxy-error.log").read_text() + done.output, status=done.status)


def _run(job: Job, command: list[str], stdin: bytes = b"") -> Finished:
    # Stacks that can give up by themselves get the time to do so first.
    return job.lab.run(job.lab.client, command, timeout=job.patience + 5, stdin=stdin)


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
