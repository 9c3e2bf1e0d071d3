"""The server stacks, and what stands in for one: how each is started.

`Job.server_options` are each server's own words: further arguments of `openssl s_server`, `gnutls-serv` and the
programs of ours; lines of the `server` block of nginx, the virtual host of Apache and the service of stunnel; words
of HAProxy's `bind` line. They run in the lab's scratch directory, and name the files there: `server.pem` (the
chain), `server.key`, `server-all.pem` (both), and of the CAs of clients `clients.pem` (the right one), `strangers.pem`
(another one); `dh1024.pem` holds Diffie-Hellman parameters that are too small.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

from captures.record import pki
from captures.record.before_tls import BEFORE_TLS_SERVERS
from captures.record.stacks import JAVA_SETTINGS, PROGRAMS, Job, Server, nginx


def _openssl_server(job: Job) -> None:
    """Answer GET requests with a status page; write the session secrets to the key log."""
    folder = _files(job)
    (folder / "server.pem").write_bytes(pki.pem(job.chain[:1]) + pki.key_pem(job.chain[0]))
    (folder / "chain.pem").write_bytes(pki.pem(job.chain[1:]))
    (folder / "client-ca.pem").write_bytes(pki.pem(("acme-root",)))
    command = ["openssl", "s_server", "-accept", str(job.port), "-www", "-cert", "server.pem",
               "-no-CAfile", "-no-CApath", "-no-CAstore", "-keylogfile", str(job.keylog)]  # fmt: skip
    if len(job.chain) > 1:
        # Without this the server builds its chain itself and ignores the order of the file.
        command += ["-cert_chain", "chain.pem"]
    command += [f"-tls{job.tls.removesuffix('.0').replace('.', '_')}", *job.server_options]
    job.lab.start(job.lab.server, command, log="server.log", listening=job.port)


def _nginx_server(job: Job) -> None:
    _configured(job, "server.conf", _NGINX_SERVER)
    job.lab.start(job.lab.server, nginx(job.lab.directory, "server.conf"), log="server.log", listening=job.port)


def _haproxy_server(job: Job) -> None:
    _configured(job, "haproxy.cfg", _HAPROXY_SERVER)
    job.lab.start(job.lab.server, ["haproxy", "-db", "-f", "haproxy.cfg"], log="server.log", listening=job.port)


def _balancer(job: Job) -> None:
    """Let HAProxy carry the bytes, without looking at them, to a server that is not there."""
    _configured(job, "haproxy.cfg", _HAPROXY_BALANCER)
    job.lab.start(job.lab.server, ["haproxy", "-db", "-f", "haproxy.cfg"], log="server.log", listening=job.port)


def _apache_server(job: Job) -> None:
    _configured(job, "apache.conf", _APACHE_SERVER)
    folder = job.lab.directory
    command = ["apache2", "-DFOREGROUND", "-d", str(folder), "-f", str(folder / "apache.conf")]
    job.lab.start(job.lab.server, command, log="server.log", listening=job.port)


def _lighttpd_server(job: Job, library: str) -> None:
    """Let lighttpd serve a page, by one of the libraries that it has a module for."""
    _configured(job, "lighttpd.conf", f'server.modules = ("mod_{library}")\n{_LIGHTTPD_SERVER}')
    command = ["lighttpd", "-D", "-f", str(job.lab.directory / "lighttpd.conf")]
    job.lab.start(job.lab.server, command, log="server.log", listening=job.port)


def _stunnel_server(job: Job) -> None:
    """Let stunnel take the TLS off for a plain server behind it."""
    _configured(job, "stunnel.conf", _STUNNEL_SERVER)
    plain = [sys.executable, "-m", "http.server", "--directory", "page", "--bind", "127.0.0.1", "8080"]
    job.lab.start(job.lab.server, plain, log="plain.log", listening=8080)
    job.lab.start(job.lab.server, ["stunnel", "stunnel.conf"], log="server.log", listening=job.port)


def _gnutls_server(job: Job) -> None:
    _files(job)
    versions = f"-VERS-ALL:+VERS-TLS{job.tls}"
    priority = next((word for word in job.server_options if word.startswith("--priority=")), "--priority=NORMAL")
    options = [word for word in job.server_options if not word.startswith("--priority=")]
    asking = any("client-cert" in word for word in options)
    command = ["gnutls-serv", "--quiet", "--http", "--port", str(job.port), "--x509certfile", "server.pem",
               "--x509keyfile", "server.key", f"{priority}:{versions}",
               *(() if asking else ("--disable-client-cert",)), *options]  # fmt: skip
    job.lab.start(job.lab.server, command, log="server.log", listening=job.port)


def _go_server(job: Job) -> None:
    _program(job, str(job.programs / "server"))


def _node_server(job: Job) -> None:
    _program(job, "node", str(PROGRAMS / "server.js"))


def _python_server(job: Job) -> None:
    _program(job, sys.executable, str(PROGRAMS / "tls_server.py"))


def _java_server(job: Job) -> None:
    _files(job)
    clients = next((word[3:] for word in job.server_options if word.startswith("ca=")), "clients.pem")
    settings = [word for word in job.server_options if word.startswith("-")]
    rest = [word for word in job.server_options if not word.startswith(("-", "ca="))]
    command = ["java", *JAVA_SETTINGS, "-cp", str(job.programs), *settings, "HttpsServer", str(job.port),
               "server.pem", "server.key", job.tls, clients, *rest]  # fmt: skip
    job.lab.start(job.lab.server, command, log="server.log", listening=job.port)


def _program(job: Job, *command: str) -> None:
    _files(job)
    arguments = [str(job.port), "server.pem", "server.key", job.tls, *job.server_options]
    job.lab.start(job.lab.server, [*command, *arguments], log="server.log", listening=job.port)


def _files(job: Job) -> Path:
    """Write the server's certificates and keys into the scratch directory."""
    folder = job.lab.directory
    chain, secret = pki.pem(job.chain), pki.key_pem(job.chain[0])
    (folder / "server.pem").write_bytes(chain)
    (folder / "server.key").write_bytes(secret)
    (folder / "server-all.pem").write_bytes(chain + secret)
    (folder / "clients.pem").write_bytes(pki.pem(("acme-clients-root",)))
    (folder / "dh1024.pem").write_text(_DH_1024)
    (folder / "keys.psk").write_text(_PRE_SHARED_KEYS)
    (folder / "keys.psk").chmod(0o600)
    (folder / "page").mkdir(exist_ok=True)
    (folder / "page/index.html").write_text("hello\n")
    (folder / "strangers.pem").write_bytes(pki.pem(("globex-root",)))
    return folder


def _configured(job: Job, name: str, configuration: str) -> None:
    folder = _files(job)
    between = " " if name == "haproxy.cfg" else "\n"
    # The configuration files of nginx and Apache name 1.0 without its minor number.
    version = " ".join(f"TLSv{number.removesuffix('.0')}" for number in job.tls.split("+"))
    text = configuration.format(
        folder=folder, job=job, openssl_version=version, options=between.join(job.server_options)
    )
    (folder / name).write_text(text)


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


def _broken_server(job: Job) -> None:
    command = [sys.executable, str(PROGRAMS / "broken_server.py"), str(job.port), *job.server_options]
    job.lab.start(job.lab.server, command, log="server.log", listening=job.port)


def _nothing(job: Job) -> None:
    """Nobody listens."""


def _dropping(job: Job) -> None:
    """Have the server's firewall drop what comes for the port, without a word."""
    rule = ("INPUT", "-p", "tcp", "--dport", str(job.port), "-j", "DROP")
    job.lab.must(job.lab.server, "iptables", "-A", *rule)


_PRE_SHARED_KEYS = "me:aabbccddaabbccddaabbccddaabbccdd\n"
"""Identity and key, as gnutls-serv and stunnel read them."""

_DH_1024 = """\
-----BEGIN DH PARAMETERS-----
MIGHAoGBAPnzKxNAyJJx8k2FlQClH0jI7awUcLo6AIUFF3++V1Wwr/T5v3JoxHzx
+B6f2cYDwPrHVa0tUI62PTiu2w0q4prJSwchfO0sCGgzu+8xmCwPVylD3PF46h7D
BtBfB4RMhiPCN4JvPcD0gSFBbTj7JwvQL/cyDTDTW+gaHzWGA5SfAgEC
-----END DH PARAMETERS-----
"""

_NGINX_SERVER = """
daemon off; worker_processes 1; user root; pid {folder}/server.pid;
error_log {folder}/server-error.log info;
events {{}}
http {{
    access_log off;
    server {{
        listen {job.port} ssl; listen [::]:{job.port} ssl;
        ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
        ssl_protocols {openssl_version};
        {options}
        location / {{ return 200 "hello\\n"; }}
    }}
}}
"""

_HAPROXY_SERVER = """
global
    log stderr local0
    ssl-default-bind-options ssl-min-ver TLSv{job.tls} ssl-max-ver TLSv{job.tls}
defaults
    mode http
    log global
    timeout connect 5s
    timeout client 10s
    timeout server 10s
frontend secure
    bind :::{job.port} v4v6 ssl crt {folder}/server-all.pem {options}
    http-request return status 200 content-type text/plain string hello
"""

_HAPROXY_BALANCER = """
global
    log stderr local0
defaults
    mode tcp
    timeout connect 1s
    timeout client 10s
    timeout server 10s
frontend balanced
    bind :::{job.port} v4v6
    default_backend gone
backend gone
    retries 0
    server gone 127.0.0.1:9
"""

_APACHE_SERVER = """
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so
ServerName api.backend.example
PidFile {folder}/apache.pid
DefaultRuntimeDir {folder}
ErrorLog {folder}/server-error.log
LogLevel info
DocumentRoot {folder}/page
StartServers 1
MinSpareThreads 1
MaxSpareThreads 25
ThreadsPerChild 5
MaxRequestWorkers 25
Listen {job.port}
SSLSessionCache none
<VirtualHost *:{job.port}>
    SSLEngine on
    SSLCertificateFile {folder}/server.pem
    SSLCertificateKeyFile {folder}/server.key
    SSLProtocol {openssl_version}
    {options}
</VirtualHost>
"""

_LIGHTTPD_SERVER = """
server.document-root = "{folder}/page"
server.port = {job.port}
server.errorlog = "{folder}/server-error.log"
index-file.names = ("index.html")
ssl.engine = "enable"
ssl.pemfile = "{folder}/server.pem"
ssl.privkey = "{folder}/server.key"
ssl.openssl.ssl-conf-cmd = ("MinProtocol" => "TLSv{job.tls}", "MaxProtocol" => "TLSv{job.tls}")
{options}
"""

_STUNNEL_SERVER = """
foreground = yes
pid =
debug = info
[secure]
accept = :::{job.port}
connect = 127.0.0.1:8080
cert = {folder}/server.pem
key = {folder}/server.key
sslVersionMin = TLSv{job.tls}
sslVersionMax = TLSv{job.tls}
{options}
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
    "haproxy": Server(title="HAProxy", start=_haproxy_server, needs=("haproxy",), version=("haproxy", "-v")),
    "balancer": Server(title="HAProxy as a balancer", start=_balancer, needs=("haproxy",), version=("haproxy", "-v")),
    "apache": Server(title="Apache httpd", start=_apache_server, needs=("apache2",), version=("apache2", "-v")),
    **{
        f"lighttpd-{library}": Server(
            title=f"lighttpd with {title}",
            start=partial(_lighttpd_server, library=library),
            needs=("lighttpd",),
            version=("lighttpd", "-v"),
        )
        for library, title in (("gnutls", "GnuTLS"), ("mbedtls", "Mbed TLS"), ("nss", "NSS"), ("wolfssl", "wolfSSL"))
    },
    "stunnel": Server(title="stunnel", start=_stunnel_server, needs=("stunnel",), version=("stunnel", "-version")),
    "gnutls": Server(
        title="gnutls-serv", start=_gnutls_server, needs=("gnutls-serv",), version=("gnutls-serv", "--version")
    ),
    "go": Server(
        title="Go net/http",
        start=_go_server,
        needs=("go",),
        version=("go", "version"),
        version_pattern=r"go(\d+\.\d+[\w.]*)",
    ),
    "node": Server(title="Node https", start=_node_server, needs=("node",), version=("node", "--version")),
    "python": Server(title="Python ssl", start=_python_server, version=(sys.executable, "--version")),
    "java": Server(
        title="Java SSLServerSocket",
        start=_java_server,
        needs=("java", "javac"),
        version=("java", "-version"),
        version_pattern=r'version "([^"]+)"',
    ),
    "python-http": Server(title="Python http.server", start=_python_http_server, version=(sys.executable, "--version")),
    "faulty": Server(title="faulty_server.py", start=_faulty_server),
    "broken": Server(title="broken_server.py", start=_broken_server),
    "nothing": Server(title="none (port closed)", start=_nothing),
    "dropping": Server(title="none (firewall drops)", start=_dropping, needs=("iptables",)),
} | BEFORE_TLS_SERVERS
