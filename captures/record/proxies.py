"""Reverse proxies as clients: each validates its backend, and curl asks it in plain text on the client's host.

`Job.client_options` are each proxy's own words: directives of nginx's `location`, of Apache's virtual host and of
stunnel's service; words of HAProxy's `server` line.
"""

from __future__ import annotations

import re

from captures.record.lab import Finished
from captures.record.stacks import Client, Job, nginx

_PORT = 8080


def _nginx_proxy(job: Job) -> Finished:
    settings = "\n".join(f"{option};" for option in job.client_options)
    if "proxy_ssl_verify_depth" not in settings:
        settings += "proxy_ssl_verify_depth 5;"
    _configure(job, "proxy.conf", _NGINX, settings)
    return _through(job, nginx(job.lab.directory, "proxy.conf"), words="proxy-error.log")


def _haproxy(job: Job) -> Finished:
    _configure(job, "haproxy.cfg", _HAPROXY, " ".join(job.client_options))
    return _through(job, ["haproxy", "-db", "-f", "haproxy.cfg"])


def _apache(job: Job) -> Finished:
    settings = "\n".join(job.client_options)
    if "SSLProxyVerifyDepth" not in settings:
        # Apache's own default of 1 refuses the usual chain of three.
        settings += "\nSSLProxyVerifyDepth 5"
    _configure(job, "apache.conf", _APACHE, settings)
    folder = job.lab.directory
    command = ["apache2", "-DFOREGROUND", "-d", str(folder), "-f", str(folder / "apache.conf")]
    return _through(job, command, words="proxy-error.log")


def _stunnel(job: Job) -> Finished:
    _configure(job, "stunnel.conf", _STUNNEL, "\n".join(job.client_options))
    return _through(job, ["stunnel", "stunnel.conf"])


def _configure(job: Job, name: str, configuration: str, options: str) -> None:
    folder = job.lab.directory
    text = configuration.format(folder=folder, job=job, listen=f"127.0.0.1:{_PORT}", options=options)
    (folder / name).write_text(text)


def _through(job: Job, command: list[str], *, words: str = "proxy.log") -> Finished:
    """Start the proxy, ask it for a page, and add its log, the file `words`, to what the asking said."""
    job.lab.start(job.lab.client, command, log="proxy.log", listening=_PORT)
    asking = ["curl", "--silent", "--show-error", "--fail", "--max-time", f"{job.patience + 2:g}"]
    asking += ["--output", "/dev/null", f"http://127.0.0.1:{_PORT}/"]
    done = job.lab.run(job.lab.client, asking, timeout=job.patience + 5)
    return Finished(output=(job.lab.directory / words).read_text() + done.output, status=done.status)


_NGINX = """
daemon off; worker_processes 1; master_process off; user root; pid {folder}/proxy.pid;
error_log {folder}/proxy-error.log info;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    server {{
        listen {listen};
        location / {{
            proxy_pass https://{job.host}:{job.port};
            proxy_connect_timeout {job.patience:.0f}s;
            proxy_read_timeout {job.patience:.0f}s;
            proxy_ssl_server_name on;
            proxy_ssl_name {job.host};
            proxy_ssl_verify on;
            proxy_ssl_protocols TLSv1.2 TLSv1.3;
            proxy_ssl_trusted_certificate {job.bundle};
            {options}
        }}
    }}
}}
"""

_HAPROXY = """
global
    log stderr local0
defaults
    mode http
    log global
    retries 0
    timeout connect {job.patience:.0f}s
    timeout client 20s
    timeout server {job.patience:.0f}s
frontend plain
    bind {listen}
    log-format "haproxy: %ST %tsc %[bc_err_str] %[ssl_bc_err_str]"
    default_backend secure
backend secure
    server one {job.host}:{job.port} ssl verify required ca-file {job.bundle} sni str({job.host}) verifyhost {job.host} {options}
"""  # noqa: E501 - a server line cannot be broken

_APACHE = """
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so
ServerName gateway.example
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/proxy-error.log
LogLevel info
StartServers 1
MinSpareThreads 1
MaxSpareThreads 25
ThreadsPerChild 5
MaxRequestWorkers 25
SSLSessionCache none
Listen {listen}
<VirtualHost *:8080>
    SSLProxyEngine on
    SSLProxyVerify require
    SSLProxyCheckPeerName on
    SSLProxyCheckPeerExpire on
    SSLProxyCACertificateFile {job.bundle}
    ProxyPass / https://{job.host}:{job.port}/ connectiontimeout={job.patience:.0f} timeout={job.patience:.0f}
    {options}
</VirtualHost>
"""

_STUNNEL = """
foreground = yes
pid =
debug = info
[secure]
client = yes
accept = {listen}
connect = {job.host}:{job.port}
CAfile = {job.bundle}
verifyChain = yes
checkHost = {job.host}
sni = {job.host}
TIMEOUTconnect = {job.patience:.0f}
{options}
"""

PROXIES: dict[str, Client] = {
    "nginx-proxy": Client(
        title="nginx proxy",
        talk=_nginx_proxy,
        errors=re.compile(r"^\S+ \S+ \[(?:error|crit)\] \S+ \*\d+ (.*)$", re.MULTILINE),
        needs=("nginx", "curl"),
        version=("nginx", "-v"),
        profile="openssl",
    ),
    "haproxy": Client(
        title="HAProxy",
        talk=_haproxy,
        errors=re.compile(r"haproxy: (.*)$", re.MULTILINE),
        needs=("haproxy", "curl"),
        version=("haproxy", "-v"),
        profile="openssl",
    ),
    "apache": Client(
        title="Apache httpd proxy",
        talk=_apache,
        errors=re.compile(
            r"^\[.*\[pid [^]]*\] (.*(?:AH02276|AH02040|AH02411|AH02005|AH00898|SSL Library).*)$", re.MULTILINE
        ),
        needs=("apache2", "curl"),
        version=("apache2", "-v"),
        profile="openssl",
    ),
    "stunnel": Client(
        title="stunnel",
        talk=_stunnel,
        errors=re.compile(r"LOG[0-4]\[\d+\]: (.*)$", re.MULTILINE),
        needs=("stunnel", "curl"),
        version=("stunnel", "-version"),
        profile="openssl",
    ),
}
