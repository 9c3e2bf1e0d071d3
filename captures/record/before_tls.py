"""Programs that say something before TLS: mail, directory and database servers, proxies, and those who ask them.

They are started from configurations in the lab's scratch directory; nothing of the machine's own is touched.
`Job.server_options` and `Job.client_options` are each program's own words, as in `servers` and `clients`. Servers take
the file `server.pem` and its key; the option `no-key` gives a server a key that does not fit, `no-tls` none at all.

A proxy listens on the recorded port, and the TLS server that it leads to on 443 of the same host.
"""

from __future__ import annotations

import grp
import os
import pwd
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from captures.record import pki
from captures.record.lab import SERVER_ADDRESS, Finished
from captures.record.stacks import Client, Job, Server, nginx

_BEHIND = 443


# Servers


def _files(job: Job) -> Path:
    """Write certificates and keys where other users than root can read them."""
    folder = job.lab.directory
    folder.chmod(0o755)
    key = "leaf" if "no-key" not in job.server_options else "acme-root"
    secret = pki.key_pem(job.chain[0] if key == "leaf" else key)
    (folder / "server.pem").write_bytes(pki.pem(job.chain))
    (folder / "server.key").write_bytes(secret)
    (folder / "server-all.pem").write_bytes(pki.pem(job.chain) + secret)
    return folder


def _has_tls(job: Job) -> bool:
    return "no-tls" not in job.server_options


def _start(job: Job, command: list[str], *, port: int = 0, environment: dict[str, str] | None = None) -> None:
    job.lab.start(
        job.lab.server, command, log=f"{command[0].rpartition('/')[2]}.log", listening=port or job.port,
        environment=environment,
    )  # fmt: skip


def _owned(path: Path, user: str, group: str = "") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    os.chown(path, pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid if group else pwd.getpwnam(user).pw_gid)
    return path


def _postfix(job: Job) -> None:
    """Start Postfix's smtpd with a queue of its own."""
    folder = _files(job)
    level = "may" if _has_tls(job) else "none"
    _owned(folder / "data", "postfix")
    for name in ("active", "incoming", "deferred", "bounce", "defer", "corrupt", "flush", "hold", "private", "saved",
                 "trace"):  # fmt: skip
        _owned(folder / "queue" / name, "postfix")
    for name in ("maildrop", "public"):
        _owned(folder / "queue" / name, "postfix", "postdrop").chmod(0o710 if name == "public" else 0o730)
    (folder / "queue/pid").mkdir()
    (folder / "main.cf").write_text(_POSTFIX.format(folder=folder, level=level, host=pki.HOST))
    (folder / "master.cf").write_text(_POSTFIX_SERVICES.format(port=job.port))
    _start(job, ["/usr/lib/postfix/sbin/master", "-c", str(folder), "-d"])


def _dovecot(job: Job) -> None:
    folder = _files(job)
    words = {"folder": folder, "port": job.port, "ssl": "yes" if _has_tls(job) else "no"}
    (folder / "dovecot.conf").write_text(_DOVECOT.format(**words))
    (folder / "users").write_text("karl:{PLAIN}secret:65534:65534::/nonexistent\n")
    _start(job, ["dovecot", "-F", "-c", str(folder / "dovecot.conf")])


def _vsftpd(job: Job) -> None:
    folder = _files(job)
    (folder / "empty").mkdir()
    words = {"folder": folder, "port": job.port, "ssl": "YES" if _has_tls(job) else "NO"}
    (folder / "vsftpd.conf").write_text(_VSFTPD.format(**words))
    _start(job, ["vsftpd", str(folder / "vsftpd.conf")])


def _slapd(job: Job) -> None:
    folder = _files(job)
    tls = _SLAPD_TLS.format(folder=folder, tls=job.tls) if _has_tls(job) else ""
    (folder / "slapd.conf").write_text(_SLAPD.format(folder=folder) + tls)
    _start(job, ["slapd", "-f", str(folder / "slapd.conf"), "-h", f"ldap://0.0.0.0:{job.port}", "-d", "0"])


def _postgresql(job: Job) -> None:
    folder = _files(job)
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data = _owned(folder / "data", "postgres")
    as_postgres = ["runuser", "-u", "postgres", "--"]
    subprocess.run(
        [*as_postgres, str(programs / "initdb"), "-D", str(data), "-A", "trust", "-N"],
        check=True, capture_output=True, timeout=60, cwd="/",
    )  # fmt: skip
    for name in ("server.pem", "server.key"):
        own = data / name
        own.write_bytes((folder / name).read_bytes())
        own.chmod(0o600)
        os.chown(own, pwd.getpwnam("postgres").pw_uid, -1)
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 0.0.0.0/0 trust\n")
    settings = {"listen_addresses": "*", "port": job.port, "unix_socket_directories": data, "fsync": "off",
                "ssl": "on" if _has_tls(job) else "off", "ssl_cert_file": "server.pem",
                "ssl_key_file": "server.key", "ssl_max_protocol_version": "TLSv1.2"}  # fmt: skip
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    _start(job, [*as_postgres, str(programs / "postgres"), "-D", str(data), *options])


def _mariadb(job: Job) -> None:
    folder = _files(job)
    data = folder / "data"
    subprocess.run(
        ["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db",
         "--auth-root-authentication-method=normal"],
        check=True, capture_output=True, timeout=90,
    )  # fmt: skip
    tls = (
        [f"--ssl-cert={folder}/server.pem", f"--ssl-key={folder}/server.key", "--tls-version=TLSv1.2"]
        if _has_tls(job)
        else ["--skip-ssl"]
    )
    (folder / "init.sql").write_text("CREATE USER karl;\nGRANT ALL ON *.* TO karl;\n")
    _start(
        job,
        ["mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--port={job.port}",
         f"--socket={folder}/my.sock", f"--init-file={folder}/init.sql", "--skip-name-resolve", *tls],
    )  # fmt: skip


def _prosody(job: Job) -> None:
    folder = _files(job)
    _owned(folder / "data", "prosody")
    for name in ("server.pem", "server.key"):
        os.chown(folder / name, pwd.getpwnam("prosody").pw_uid, -1)
    (folder / "prosody.cfg.lua").write_text(_PROSODY.format(folder=folder, port=job.port, host=job.host))
    _start(job, ["runuser", "-u", "prosody", "--", "prosody", "-F", "--config", str(folder / "prosody.cfg.lua")])


def _tls_behind(job: Job) -> None:
    """Start the TLS server that a proxy leads to."""
    folder = _files(job)
    (folder / "behind.conf").write_text(_NGINX.format(folder=folder, port=_BEHIND, option="", tls="1.2"))
    _start(job, nginx(folder, "behind.conf"), port=_BEHIND)


def _squid(job: Job) -> None:
    """Start Squid in front of a TLS server. Options are lines of its configuration."""
    _tls_behind(job)
    folder = job.lab.directory
    rules = "\n".join(job.server_options) or "http_access allow all"
    (folder / "squid.conf").write_text(_SQUID.format(folder=folder, port=job.port, rules=rules))
    _start(job, ["squid", "-N", "-f", str(folder / "squid.conf")])


def _tinyproxy(job: Job) -> None:
    _tls_behind(job)
    folder = job.lab.directory
    (folder / "tinyproxy.conf").write_text("\n".join((f"Port {job.port}", "Timeout 10", *job.server_options, "")))
    _start(job, ["tinyproxy", "-d", "-c", str(folder / "tinyproxy.conf")])


def _microsocks(job: Job) -> None:
    _tls_behind(job)
    _start(job, ["microsocks", "-p", str(job.port), *job.server_options])


def _nginx_proxy_protocol(job: Job) -> None:
    """Start nginx as a server that wants a PROXY header."""
    folder = _files(job)
    text = _NGINX.format(folder=folder, port=job.port, option="proxy_protocol", tls=job.tls)
    (folder / "server.conf").write_text(text)
    _start(job, nginx(folder, "server.conf"))


def _tds(job: Job) -> None:
    """Start what speaks as SQL Server, which is no free program; the TLS in it is OpenSSL's."""
    _files(job)
    program = Path(__file__).parent / "programs/tds_server.py"
    _start(job, [sys.executable, str(program), str(job.port), "server.pem", "server.key", job.tls])


def _openvpn(job: Job) -> None:
    folder = _files(job)
    (folder / "clients.pem").write_bytes(pki.pem(("acme-clients-root",)))
    command = ["openvpn", "--tls-server", "--dev", "null", "--proto", "tcp-server", "--port", str(job.port), "--ca",
               "clients.pem", "--cert", "server.pem", "--key", "server.key", "--dh", "none", "--tls-version-max",
               job.tls, *_tls_auth(job, "0")]  # fmt: skip
    _start(job, command)


def _tls_auth(job: Job, direction: str) -> list[str]:
    """A key by which both authenticate the packets of the control channel, where the server's options ask for it."""
    if "tls-auth" not in job.server_options:
        return []
    key = job.lab.directory / "ta.key"
    if not key.exists():
        subprocess.run(["openvpn", "--genkey", "secret", str(key)], check=True, capture_output=True, timeout=10)
    return ["--tls-auth", str(key), direction]


# Clients


def _curl_for(scheme: str, path: str = "/") -> Client:
    """Let curl speak another protocol than HTTP, with TLS as a must."""

    def talk(job: Job) -> Finished:
        url = f"{scheme}://{job.host}:{job.port}{path}"
        return _run(job, [*_CURL, "--ssl-reqd", "--cacert", str(job.bundle), *job.client_options, url])

    return _client("curl", talk, r"^(curl: \(\d+\).*)$", profile="openssl-partial")


def _curl_by_proxy(job: Job) -> Finished:
    """Let curl ask for a page through a proxy, which the options name as `PROXY`."""
    at = f"{SERVER_ADDRESS[4]}:{job.port}"
    options = [option.replace("PROXY", at) for option in job.client_options]
    return _run(job, [*_CURL, "--cacert", str(job.bundle), *options, f"https://{job.host}/"])


def _curl_by_haproxy(job: Job) -> Finished:
    """Let curl connect to HAProxy on its own host, which hands all on behind a PROXY header."""
    folder = job.lab.directory
    header = job.client_options[0]
    (folder / "haproxy.cfg").write_text(_HAPROXY.format(address=SERVER_ADDRESS[4], port=job.port, header=header))
    job.lab.start(job.lab.client, ["haproxy", "-db", "-f", "haproxy.cfg"], log="haproxy.log", listening=8443)
    asking = [*_CURL, "--cacert", str(job.bundle), "--connect-to", f"{job.host}:443:127.0.0.1:8443"]
    return _run(job, [*asking, f"https://{job.host}/"])


def _ldapsearch(job: Job) -> Finished:
    command = ["ldapsearch", "-x", "-ZZ", "-H", f"ldap://{job.host}:{job.port}", "-b", "", "-s", "base"]
    settings = {"LDAPTLS_CACERT": str(job.bundle), "LDAPTLS_REQCERT": "demand", "LDAPNOINIT": ""}
    return _run(job, [*command, *job.client_options], settings)


def _psql(job: Job) -> Finished:
    words = f"host={job.host} port={job.port} user=postgres dbname=postgres sslrootcert={job.bundle}"
    mode = " ".join(job.client_options) or "sslmode=verify-full"
    return _run(job, ["psql", f"{words} gssencmode=disable {mode}", "-c", "SELECT 1"], {"HOME": "/nonexistent"})


def _mariadb_client(job: Job) -> Finished:
    command = ["mariadb", "--no-defaults", f"--host={job.host}", f"--port={job.port}", "--user=karl"]
    return _run(job, [*command, "--ssl-verify-server-cert", f"--ssl-ca={job.bundle}", "-e", "SELECT 1"])


def _tsql(job: Job) -> Finished:
    """Ask by FreeTDS, which is what PHP, Perl and Python ask SQL Server by."""
    settings = job.lab.directory / "freetds.conf"
    settings.write_text(_FREETDS.format(bundle=job.bundle))
    command = ["tsql", "-H", job.host, "-p", str(job.port), "-U", "karl", "-P", "secret"]
    done = _run(job, command, {"FREETDSCONF": str(settings), "HOME": "/nonexistent"})
    # That the login is refused is told in TLS, and all that this server has to say.
    return Finished(output=done.output, status=0 if "Login failed" in done.output else done.status)


def _openvpn_client(job: Job) -> Finished:
    command = ["openvpn", "--tls-client", "--dev", "null", "--proto", "tcp-client", "--remote", job.host,
               str(job.port), "--ca", str(job.bundle), "--cert", str(job.certificate), "--key",
               str(job.certificate_key), "--verify-x509-name", job.host, "name", "--connect-retry-max", "1",
               "--tls-exit", "--connect-timeout", "5", *_tls_auth(job, "1")]  # fmt: skip
    return job.lab.run(job.lab.client, command, timeout=job.patience)


def _openssl_starttls(job: Job) -> Finished:
    """Let OpenSSL ask for TLS in the protocol that the options name, and say no more than a line."""
    command = ["openssl", "s_client", "-connect", f"{job.address}:{job.port}", "-verify_return_error",
               "-verify_hostname", job.host, "-CAfile", str(job.bundle), "-no-CApath", "-no-CAstore",
               *job.client_options]  # fmt: skip
    return job.lab.run(job.lab.client, command, timeout=job.patience + 5, stdin=b"hello\n")


def _run(job: Job, command: list[str], environment: dict[str, str] | None = None) -> Finished:
    return job.lab.run(job.lab.client, command, timeout=job.patience + 5, environment=environment)


def _client(
    program: str,
    talk: Callable[[Job], Finished],
    errors: str,
    *,
    asked: str = "--version",
    profile: str = "",
) -> Client:
    return Client(
        title=program,
        talk=talk,
        errors=re.compile(errors, re.MULTILINE),
        needs=(program,),
        version=(program, asked),
        profile=profile,
    )


_CURL = ["curl", "--silent", "--show-error", "--output", "/dev/null", "--max-time", "8", "--capath", "/dev/null",
         "--user", "karl:secret"]  # fmt: skip

_POSTFIX = """
compatibility_level = 3.6
config_directory = {folder}
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = {host}
mydestination =
inet_interfaces = all
inet_protocols = ipv4
alias_maps =
maillog_file = /dev/stdout
smtpd_tls_security_level = {level}
smtpd_tls_cert_file = {folder}/server.pem
smtpd_tls_key_file = {folder}/server.key
smtpd_relay_restrictions = reject
smtpd_peername_lookup = no
smtp_host_lookup = native
"""

_POSTFIX_SERVICES = """
{port}    inet  n - n - 1 smtpd
postlog   unix-dgram n - n - 1 postlogd
tlsmgr    unix  - - n 1000? 1 tlsmgr
anvil     unix  - - n - 1 anvil
rewrite   unix  - - n - - trivial-rewrite
proxymap  unix  - - n - - proxymap
"""

_DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = /dev/stderr
protocols = imap pop3 sieve
listen = 0.0.0.0
ssl = {ssl}
ssl_cert = <{folder}/server.pem
ssl_key = <{folder}/server.key
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail
first_valid_uid = 1000
passdb {{
  driver = passwd-file
  args = {folder}/users
}}
userdb {{
  driver = passwd-file
  args = {folder}/users
}}
service imap-login {{
  inet_listener imap {{
    port = 143
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = 110
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
"""

_VSFTPD = """
listen=YES
listen_port={port}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={folder}/empty
secure_chroot_dir={folder}/empty
ssl_enable={ssl}
allow_anon_ssl=YES
rsa_cert_file={folder}/server.pem
rsa_private_key_file={folder}/server.key
seccomp_sandbox=NO
isolate=NO
isolate_network=NO
"""

_SLAPD = """
include /etc/ldap/schema/core.schema
pidfile {folder}/slapd.pid
argsfile {folder}/slapd.args
"""

_SLAPD_TLS = """
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
TLSCipherSuite NORMAL:-VERS-ALL:+VERS-TLS{tls}
"""

_PROSODY = """
data_path = "{folder}/data"
pidfile = "{folder}/data/prosody.pid"
log = {{ info = "*console" }}
interfaces = {{ "*" }}
c2s_ports = {{ {port} }}
s2s_ports = {{ }}
modules_enabled = {{ "tls", "saslauth" }}
modules_disabled = {{ "s2s" }}
authentication = "internal_plain"
c2s_require_encryption = true
VirtualHost "{host}"
    ssl = {{ key = "{folder}/server.key", certificate = "{folder}/server.pem" }}
"""

_NGINX = """
daemon off; worker_processes 1; user root; pid {folder}/behind.pid;
error_log {folder}/behind-error.log info;
events {{}}
http {{
    access_log off;
    server {{
        listen {port} ssl {option};
        ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
        ssl_protocols TLSv{tls};
        location / {{ return 200 "hello\\n"; }}
    }}
}}
"""

_SQUID = """
http_port {port}
pid_filename none
access_log none
cache_log /dev/null
cache deny all
coredump_dir {folder}
shutdown_lifetime 0 seconds
hosts_file /etc/hosts
visible_hostname proxy.example
{rules}
"""

_HAPROXY = """
defaults
    mode tcp
    timeout connect 5s
    timeout client 10s
    timeout server 10s
listen through
    bind 127.0.0.1:8443
    server one {address}:{port} {header}
"""

_FREETDS = """
[global]
    tds version = 7.4
    encryption = require
    ca file = {bundle}
    check certificate hostname = yes
"""

BEFORE_TLS_SERVERS: dict[str, Server] = {
    "postfix": Server(title="Postfix", start=_postfix, needs=("postfix",), version=("postconf", "-d", "mail_version")),
    "dovecot": Server(title="Dovecot", start=_dovecot, needs=("dovecot",), version=("dovecot", "--version")),
    "vsftpd": Server(title="vsftpd", start=_vsftpd, needs=("vsftpd",), version=("dpkg-query", "--show", "vsftpd")),
    "slapd": Server(title="OpenLDAP slapd", start=_slapd, needs=("slapd",), version=("slapd", "-VV")),
    "postgresql": Server(
        title="PostgreSQL", start=_postgresql, needs=("psql", "runuser"), version=("psql", "--version")
    ),
    "mariadb": Server(
        title="MariaDB",
        start=_mariadb,
        needs=("mariadbd", "mariadb-install-db"),
        version=("mariadbd", "--version"),
        version_pattern=r"Ver (\S+?)-MariaDB",
    ),
    "tds": Server(title="Python's ssl, in TDS", start=_tds, needs=(), version=("openssl", "version")),
    "openvpn": Server(title="OpenVPN", start=_openvpn, needs=("openvpn",), version=("openvpn", "--version")),
    "prosody": Server(
        title="Prosody", start=_prosody, needs=("prosody", "runuser"), version=("dpkg-query", "--show", "prosody")
    ),
    "squid": Server(title="Squid, nginx behind it", start=_squid, needs=("squid", "nginx"), version=("squid", "-v")),
    "tinyproxy": Server(
        title="tinyproxy, nginx behind it", start=_tinyproxy, needs=("tinyproxy", "nginx"), version=("tinyproxy", "-v")
    ),
    "microsocks": Server(
        title="microsocks, nginx behind it",
        start=_microsocks,
        needs=("microsocks", "nginx"),
        version=("dpkg-query", "--show", "microsocks"),
    ),
    "nginx-proxy-protocol": Server(
        title="nginx, proxy_protocol", start=_nginx_proxy_protocol, needs=("nginx",), version=("nginx", "-v")
    ),
}

_CURL_ERROR = r"^(curl: \(\d+\).*)$"

BEFORE_TLS_CLIENTS: dict[str, Client] = {
    "curl-smtp": _curl_for("smtp"),
    "curl-imap": _curl_for("imap"),
    "curl-pop3": _curl_for("pop3"),
    "curl-ftp": _curl_for("ftp"),
    "curl-by-proxy": _client("curl", _curl_by_proxy, _CURL_ERROR, profile="openssl-partial"),
    "curl-by-haproxy": _client("curl", _curl_by_haproxy, _CURL_ERROR, profile="openssl-partial"),
    "openssl-starttls": _client(
        "openssl", _openssl_starttls, r"^(verify error:.*|.*:error:.*)$", asked="version", profile="openssl"
    ),
    "ldapsearch": _client(
        "ldapsearch", _ldapsearch, r"^(ldap_start_tls: .*|\s+additional info: .*)$", asked="-VV", profile="gnutls"
    ),
    "psql": _client("psql", _psql, r"error: (.*)$", profile="openssl"),
    "tsql": _client("tsql", _tsql, r"^(Error .*|There was a problem .*)$", asked="-C", profile="gnutls"),
    "openvpn": _client("openvpn", _openvpn_client, r"(VERIFY \w*ERROR: .*|TLS Error: .*)$", profile="openssl"),
    "mariadb": _client("mariadb", _mariadb_client, r"^(ERROR .*)$", profile="gnutls"),
}
