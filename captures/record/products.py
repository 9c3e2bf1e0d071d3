"""Gateways' products as their owners run them: a folder with a configuration, a trust store and a log.

All paths in a configuration are relative to that folder, and nothing in it is there for the recorder's sake, so a
folder can be kept as an example and looks like one from the field. `backend` is the folder of the server behind.

A proxy is started for the requests that `ask` has curl make on its host, and ended behind them; a program makes one.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from captures.record import pki
from captures.record.lab import Finished, Lab
from captures.record.stacks import JAVA_SETTINGS, PROGRAMS

PORT = 443
CHAIN = "fullchain.pem"
KEYS = "keylog"
"""Where the backend writes the session secrets, for tshark to look into what TLS 1.3 encrypts."""

_LISTEN = 8080
_WRITTEN = 0.3
"""Seconds until a product has written its log: the one who asked has the answer before."""
_PAUSE = 1.2
"""Seconds between requests: some logs know no smaller unit than a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A product that can be run here.

    - `gateway`: its name for `--gateway`
    - `configuration`, `store`, `log`: the names of these files in its folder
    - `template`: the configuration; `{host}`, `{store}` and `{options}` (indented lines) stand for what differs
    - `command`: what is run in the folder, given the folder of the compiled programs and the URL to ask for
    - `proxy`: it listens for requests and goes on until it is ended
    - `prints`: its log is what it prints
    - `kind`: the form of its trust store: `PEM`, or keytool's word for it
    - `version`: the command whose output holds the version, found by `version_pattern`
    """

    title: str
    gateway: str
    configuration: str
    store: str
    log: str
    template: str
    command: Callable[[Path, str], list[str]]
    needs: tuple[str, ...]
    version: tuple[str, ...]
    version_pattern: str = r"(\d+\.\d+[\w.+-]*)"
    proxy: bool = True
    prints: bool = False
    kind: str = "PEM"


def install(
    product: Product,
    folder: Path,
    *,
    host: str,
    store: tuple[str, ...],
    options: tuple[str, ...] = (),
    template: str = "",
) -> None:
    """Write configuration and trust store (names of `pki.RECIPES`) into a new `folder`.

    `template` stands for the product's own, where a case wants another.
    """
    folder.mkdir()
    text = template or product.template
    # The lines of `options` are indented as the place is where they stand.
    before = text.partition("{options}")[0].rpartition("\n")[2]
    lines = f"\n{before}".join(options)
    (folder / product.configuration).write_text(text.format(host=host, store=product.store, options=lines))
    if product.kind == "PEM":
        (folder / product.store).write_bytes(pki.pem(store))
    else:
        pki.write_keystore(folder / product.store, product.kind, store)


def ask(
    product: Product, wire: Lab, folder: Path, programs: Path, *, host: str, zone: str = "UTC", requests: int = 1
) -> Finished:
    """Have the product make its requests to `host`; its log is in the folder afterwards. `zone` is its time zone.

    Gives what the one who asked heard of the last request.
    """
    command = ["env", "-C", str(folder), *product.command(programs, f"https://{host}/")]
    environment = {"TZ": zone}
    if not product.proxy:
        done = wire.run(wire.client, command, timeout=20, environment=environment)
        (folder / product.log).write_text(done.output)
        return done
    # What a product logs to its standard output is its log.
    output = product.log if product.prints else "started.log"
    running = wire.start(wire.client, command, log=str(folder / output), listening=_LISTEN, environment=environment)
    asking = ["curl", "--silent", "--show-error", "--fail", "--max-time", "10", "--output", "/dev/null"]
    for number in range(requests):
        if number:
            time.sleep(_PAUSE)
        done = wire.run(wire.client, [*asking, f"http://127.0.0.1:{_LISTEN}/orders/{4711 + number}"], timeout=15)
    time.sleep(_WRITTEN)
    stop(running)
    return done


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a product, or the backend."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        process.kill()


def write_backend(folder: Path, chain: tuple[str, ...]) -> None:
    """Write the certificates that the backend sends (names of `pki.RECIPES`) and its key into a new `folder`."""
    folder.mkdir()
    (folder / CHAIN).write_bytes(pki.pem(chain))
    (folder / "privkey.pem").write_bytes(pki.key_pem(chain[0]))


def serve(wire: Lab, folder: Path, *, tls: str = "1.2") -> subprocess.Popen[bytes]:
    """Start the backend on the server's host."""
    program = str(PROGRAMS / "tls_server.py")
    command = [sys.executable, program, str(PORT), str(folder / CHAIN), str(folder / "privkey.pem"), tls]
    command.append(f"keylog={wire.directory / KEYS}")
    return wire.start(wire.server, command, log="backend.log", listening=PORT)


def _nginx(_: Path, __: str) -> list[str]:
    return ["nginx", "-p", ".", "-c", "nginx.conf", "-e", "error.log", "-g", "daemon off; user root; pid nginx.pid;"]


def _haproxy(_: Path, __: str) -> list[str]:
    return ["haproxy", "-db", "-f", "haproxy.cfg"]


def _apache(_: Path, __: str) -> list[str]:
    return ["apache2", "-DFOREGROUND", "-d", ".", "-f", "proxy.conf"]


def _java(programs: Path, url: str) -> list[str]:
    return ["java", *JAVA_SETTINGS, "@jvm.options", "-cp", str(programs), "ConfiguredClient", url]


_NGINX = """\
events {{}}

http {{
    access_log off;

    server {{
        listen 127.0.0.1:8080;
        server_name gateway.example;

        location /orders/ {{
            proxy_pass https://{host};
            proxy_ssl_server_name on;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {store};
            {options}
        }}
    }}
}}
"""

NGINX_UPSTREAM = """\
events {{}}

http {{
    access_log off;

    upstream orders_backend {{
        server {host}:443;
    }}

    server {{
        listen 127.0.0.1:8080;
        server_name gateway.example;

        location /orders/ {{
            proxy_pass https://orders_backend;
            proxy_ssl_verify on;
            proxy_ssl_trusted_certificate {store};
            {options}
        }}
    }}
}}
"""
"""As many write it: the name that nginx checks is then that of the upstream block."""

_HAPROXY = """\
global
    log stdout format raw local0

defaults
    mode http
    log global
    retries 0
    timeout connect 5s
    timeout client 20s
    timeout server 20s

frontend gateway
    bind 127.0.0.1:8080
    log-format "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %tsc %bi:%bp->%si:%sp %[bc_err_str] %[ssl_bc_err_str]"
    default_backend orders

backend orders
    server orders1 {host}:443 ssl verify required ca-file {store} {options}
"""  # noqa: E501 - a log format cannot be broken

HAPROXY_HTTPLOG = """\
global
    log stdout format rfc3164 local0

defaults
    mode http
    log global
    option httplog
    timeout connect 5s
    timeout client 20s
    timeout server 20s

frontend gateway
    bind 127.0.0.1:8080
    default_backend orders

backend orders
    server orders1 {host}:443 ssl verify required ca-file {store} {options}
"""
"""With the log format and the three retries that are there by default."""

_APACHE = """\
ServerName gateway.example
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
LoadModule proxy_module /usr/lib/apache2/modules/mod_proxy.so
LoadModule proxy_http_module /usr/lib/apache2/modules/mod_proxy_http.so

User www-data
Group www-data
PidFile apache.pid
DefaultRuntimeDir .
Mutex sem
SSLSessionCache none
ErrorLog error.log
LogLevel warn ssl:info

Listen 127.0.0.1:8080
<VirtualHost *:8080>
    SSLProxyEngine on
    SSLProxyVerify require
    SSLProxyCheckPeerName on
    SSLProxyCACertificateFile {store}
    {options}

    ProxyPass /orders/ https://{host}/
    ProxyPassReverse /orders/ https://{host}/
</VirtualHost>
"""

_JVM = """\
-Djavax.net.ssl.trustStore={store}
-Djavax.net.ssl.trustStorePassword=changeit
{options}
"""

PRODUCTS: dict[str, Product] = {
    "nginx": Product(
        title="nginx",
        gateway="nginx",
        configuration="nginx.conf",
        store="trusted.pem",
        log="error.log",
        template=_NGINX,
        command=_nginx,
        needs=("nginx", "curl"),
        version=("nginx", "-v"),
    ),
    "haproxy": Product(
        title="HAProxy",
        gateway="haproxy",
        configuration="haproxy.cfg",
        store="trusted.pem",
        log="haproxy.log",
        template=_HAPROXY,
        command=_haproxy,
        needs=("haproxy", "curl"),
        version=("haproxy", "-v"),
        prints=True,
    ),
    "apache": Product(
        title="Apache httpd",
        gateway="apache",
        configuration="proxy.conf",
        store="trusted.pem",
        log="error.log",
        template=_APACHE,
        command=_apache,
        needs=("apache2", "curl"),
        version=("apache2", "-v"),
    ),
    "java": Product(
        title="Java HttpsURLConnection",
        gateway="java",
        configuration="jvm.options",
        store="truststore.p12",
        log="application.log",
        template=_JVM,
        command=_java,
        needs=("java", "javac", "keytool"),
        version=("java", "-version"),
        version_pattern=r'version "([^"]+)"',
        proxy=False,
        prints=True,
        kind="PKCS12",
    ),
}
