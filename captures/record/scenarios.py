"""The scenarios: one entry is one capture.

An entry says what is injected, who talks to whom, and what is expected on the wire; the recorder refuses a
recording in which tshark sees something else. Add a scenario by adding an entry.
"""

from __future__ import annotations

from dataclasses import dataclass

from captures.record.pki import HOST, OTHER_HOST


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What an analysis should find, in the words of the cause codes.

    `by`, `act` and `stage` are about the first event that ended the connection; all but `stage` are `None`
    for a connection that served its purpose.
    """

    cause: str | None
    by: str | None
    act: str | None
    stage: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Who talks to whom, and how.

    - `client`, `server`: keys of `clients.CLIENTS` and `servers.SERVERS`
    - `chain`, `store`: keys of `pki.CHAINS` (what the server sends) and `pki.STORES` (what the client trusts)
    - `identity`: the client's own certificates, its leaf first: names of `pki.RECIPES`
    - `tls`: the one version that the server speaks, or `none`
    - `host`: the name that the client asks for; `family`: 4 or 6, the version of IP
    - `patience`: the client's time limit in seconds; `delay`: the length of the wire, one way, in ms
    - `wire`: what carries the frames in the middle of the wire: a program of `programs/`, and its arguments
      after the two devices and the delay
    - `client_network`, `server_network`: commands run on the host before the client starts, such as `nft`
    - `recorder`: a key of `recording.RECORDERS`
    """

    client: str
    server: str = "openssl"
    chain: str = "usual"
    store: str = "with-root"
    identity: tuple[str, ...] = ()
    tls: str = "1.2"
    host: str = HOST
    family: int = 4
    port: int = 443
    patience: float = 8
    delay: float = 0
    wire: tuple[str, ...] = ()
    client_network: tuple[tuple[str, ...], ...] = ()
    server_network: tuple[tuple[str, ...], ...] = ()
    client_options: tuple[str, ...] = ()
    server_options: tuple[str, ...] = ()
    recorder: str = "tcpdump"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario(Setup):
    """One recording of which it is known beforehand what it shows.

    - `keys`: the session secrets are kept beside the capture
    - `or_else`: what else the wire may show where both sides leave at once; the manifest tells which it was
    - `must_show`: further events (see `walk.events`) without which the recording is not what it should be
    """

    name: str
    shows: str
    fault: str
    expected: Expected
    keys: bool = False
    or_else: tuple[Expected, ...] = ()
    must_show: tuple[str, ...] = ()


def _refused(cause: str, act: str = "alert", stage: str = "server-flight") -> Expected:
    return Expected(cause=cause, by="client", act=act, stage=stage)


def _turned_away(cause: str, act: str = "alert", stage: str = "client-hello") -> Expected:
    return Expected(cause=cause, by="server", act=act, stage=stage)


_COMPLETED = Expected(cause=None, by=None, act=None, stage="data")

_ROOT_MISSING = "the store lacks the root"
_QUIET_NIO = ("alert=keep", "read=record")

_PLAYBOOK = (
    Scenario(
        name="playbook",
        shows="the playbook: PKIX path building fails and the client closes without an alert; FIN, then RST",
        fault=_ROOT_MISSING,
        client="java-nio",
        client_options=_QUIET_NIO,
        chain="full",
        store="without-root",
        delay=4,
        expected=_refused("missing-root", "fin"),
        must_show=("client_rst",),
    ),
    Scenario(
        name="playbook-late-close",
        shows="as the playbook, but the server's decode_error, an echo of the FIN, comes before any RST",
        fault=_ROOT_MISSING,
        client="java-nio",
        client_options=("alert=keep", "linger=200"),
        chain="full",
        store="without-root",
        delay=4,
        expected=_refused("missing-root", "fin"),
        must_show=("server_alert",),
    ),
    Scenario(
        name="playbook-with-alert",
        shows="as the playbook, by a client that does send its alert before it closes",
        fault=_ROOT_MISSING,
        client="java-nio",
        client_options=("alert=flush",),
        chain="full",
        store="without-root",
        delay=4,
        expected=_refused("missing-root"),
    ),
    Scenario(
        name="playbook-repaired",
        shows="the playbook's client with the root in its store",
        fault="none",
        client="java-nio",
        client_options=_QUIET_NIO,
        chain="full",
        delay=4,
        expected=_COMPLETED,
    ),
)

_ALL_CLIENTS = {
    "openssl": "OpenSSL",
    "curl": "curl",
    "python": "Python",
    "java": "Java",
    "go": "Go",
    "gnutls": "GnuTLS",
    "wget": "GNU wget",
    "node": "Node",
    "nginx-proxy": "nginx as a proxy",
}

# These look at the verdict only once the handshake is done, and leave without a byte of data: by FIN, or with
# a close_notify before it.
_AFTER_HANDSHAKE = {"node": "fin", "wget": "fin", "nginx-proxy": "alert"}


def _by_each(
    clients: tuple[str, ...],
    *,
    name: str,
    shows: str,
    fault: str,
    cause: str,
    chain: str,
    store: str = "with-root",
    host: str = HOST,
) -> tuple[Scenario, ...]:
    """One scenario of a refused server certificate for each of `clients`."""
    scenarios = []
    for client in clients:
        late = client in _AFTER_HANDSHAKE or (client == "curl" and cause == "hostname-mismatch")
        scenarios.append(
            Scenario(
                name=f"{name}-{client}",
                shows=f"{shows}; {_ALL_CLIENTS[client]}",
                fault=fault,
                client=client,
                chain=chain,
                store=store,
                host=host,
                expected=_refused(
                    cause,
                    _AFTER_HANDSHAKE.get(client, "alert"),
                    "after-handshake" if late else "server-flight",
                ),
            )
        )
    return tuple(scenarios)


_CERTIFICATES = (
    *_by_each(
        tuple(_ALL_CLIENTS),
        name="missing-root",
        shows="root not in the store, server sends leaf and intermediate",
        fault=_ROOT_MISSING,
        cause="missing-root",
        chain="usual",
        store="without-root",
    ),
    *_by_each(
        ("openssl", "curl", "java", "go", "gnutls"),
        name="missing-intermediate",
        shows="server sends the leaf only",
        fault="the server leaves out the intermediate",
        cause="missing-intermediate",
        chain="leaf-only",
    ),
    *_by_each(
        ("openssl", "curl", "java", "go", "gnutls", "node"),
        name="expired-leaf",
        shows="leaf expired on 2025-01-01",
        fault="the leaf is past its notAfter",
        cause="expired-leaf",
        chain="expired-leaf",
    ),
    *_by_each(
        ("openssl", "curl", "java", "go", "gnutls", "node"),
        name="hostname-mismatch",
        shows=f"client asks for {OTHER_HOST}, leaf is for {HOST}",
        fault="the client asks for a name that the leaf does not hold",
        cause="hostname-mismatch",
        chain="usual",
        host=OTHER_HOST,
    ),
    *_by_each(
        ("openssl", "curl", "java", "go"),
        name="self-signed-leaf",
        shows="leaf is self-signed and not in the store",
        fault="the leaf is its own issuer",
        cause="self-signed-leaf",
        chain="self-signed-leaf",
    ),
    *_by_each(
        ("openssl", "curl", "java", "go", "gnutls"),
        name="reissued-root",
        shows="store holds a root of the right name and another key",
        fault="the root was re-issued with a new key, the store has the old one",
        cause="root-key-mismatch",
        chain="usual",
        store="with-old-root",
    ),
    *_by_each(
        ("openssl", "java"),
        name="not-yet-valid",
        shows="leaf is valid from 2098-01-01 on",
        fault="the leaf is before its notBefore",
        cause="not-yet-valid",
        chain="future-leaf",
    ),
    *_by_each(
        ("go",),
        name="cn-only",
        shows="leaf has its name in the CN only",
        fault="the leaf has no subject alternative name",
        cause="hostname-only-in-cn",
        chain="cn-only-leaf",
    ),
    *_by_each(
        ("openssl", "java", "go"),
        name="wrong-usage",
        shows="leaf is for TLS clients only",
        fault="the leaf's extended key usage is clientAuth",
        cause="wrong-key-usage",
        chain="client-usage-leaf",
    ),
    *_by_each(
        ("openssl",),
        name="anchor-not-self-signed",
        shows="store holds the intermediate only, which OpenSSL does not take for an anchor",
        fault="the store holds the intermediate but not its root",
        cause="anchor-not-self-signed",
        chain="usual",
        store="intermediate-only",
    ),
)

_MUTUAL_TLS = tuple(
    Scenario(
        name=f"client-cert-missing-{client}",
        shows=f"server requires a client certificate, none is sent; {_ALL_CLIENTS[client]}",
        fault="the client has no certificate",
        client=client,
        server_options=("-Verify", "3", "-CAfile", "client-ca.pem"),
        expected=_turned_away("client-cert-missing", stage="client-flight"),
    )
    for client in ("openssl", "java", "go")
)

_NEGOTIATION = (
    Scenario(
        name="protocol-version-curl",
        shows="server speaks TLS 1.3 only, client up to TLS 1.2",
        fault="no version in common",
        client="curl",
        client_options=("--tls-max", "1.2"),
        tls="1.3",
        expected=_turned_away("protocol-version-mismatch"),
    ),
    Scenario(
        name="protocol-version-java",
        shows="server speaks TLS 1.1 only, client TLS 1.2 and 1.3",
        fault="no version in common",
        client="java",
        tls="1.1",
        server_options=("-cipher", "DEFAULT:@SECLEVEL=0"),
        expected=_turned_away("protocol-version-mismatch"),
    ),
    Scenario(
        name="no-shared-cipher-go",
        shows="server offers DHE-RSA-AES256-GCM-SHA384 only, which the client does not know",
        fault="no cipher suite in common",
        client="go",
        server_options=("-cipher", "DHE-RSA-AES256-GCM-SHA384"),
        expected=_turned_away("no-shared-cipher"),
    ),
    Scenario(
        name="null-suite",
        shows="a suite that authenticates and encrypts nothing: what follows ChangeCipherSpec can be read",
        fault="none",
        client="curl",
        client_options=("--tls-max", "1.2", "--ciphers", "ECDHE-RSA-NULL-SHA:@SECLEVEL=0"),
        server_options=("-cipher", "ECDHE-RSA-NULL-SHA:@SECLEVEL=0"),
        expected=_COMPLETED,
    ),
    Scenario(
        name="no-shared-cipher-curl",
        shows="client offers ECDHE-RSA-AES128-GCM-SHA256 only, server AES256-GCM-SHA384 only",
        fault="no cipher suite in common",
        client="curl",
        client_options=("--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256"),
        server_options=("-cipher", "AES256-GCM-SHA384"),
        expected=_turned_away("no-shared-cipher"),
    ),
)

_SUCCESSES = (
    *(
        Scenario(
            name=f"success-{client}",
            shows=f"success with data; {words}",
            fault="none",
            client=client,
            chain="usual-ec" if client in {"go", "node"} else "usual",
            expected=_COMPLETED,
        )
        for client, words in _ALL_CLIENTS.items()
    ),
    Scenario(
        name="success-nginx-server",
        shows="success with data; nginx as the server",
        fault="none",
        client="curl",
        server="nginx",
        expected=_COMPLETED,
    ),
)

_BENEATH_TLS = (
    Scenario(
        name="not-tls-nginx",
        shows="plain HTTP server on the port: HTTP/1.1 400",
        fault="the server does not speak TLS",
        client="curl",
        server="nginx-plain",
        tls="none",
        expected=_turned_away("not-tls", "fin"),
        or_else=(_refused("not-tls", "fin", "client-hello"), _refused("not-tls", "rst", "client-hello")),
    ),
    Scenario(
        name="not-tls-python",
        shows="plain HTTP server on the port: a page without a status line",
        fault="the server does not speak TLS",
        client="java",
        server="python-http",
        tls="none",
        expected=_turned_away("not-tls", "fin"),
        or_else=(_refused("not-tls", "alert", "client-hello"),),
    ),
    Scenario(
        name="not-tls-banner",
        shows="a mail server's greeting instead of a ServerHello; the client leaves",
        fault="the server does not speak TLS",
        client="openssl",
        server="faulty",
        server_options=("banner",),
        tls="none",
        port=8443,
        expected=_refused("not-tls", "fin", "client-hello"),
    ),
    Scenario(
        name="plain-client-nginx",
        shows="the client speaks plain HTTP to the port of TLS; nginx answers 400 in plain HTTP",
        fault="the client does not speak TLS",
        client="curl-plain",
        server="nginx",
        expected=Expected(cause="client-not-tls", by="client", act="fin", stage="tcp"),
        or_else=(Expected(cause="client-not-tls", by="server", act="fin", stage="tcp"),),
    ),
    Scenario(
        name="connection-refused",
        shows="nobody listens: SYN answered by RST",
        fault="the port is closed",
        client="curl",
        server="nothing",
        tls="none",
        expected=Expected(cause="connection-refused", by="server", act="rst", stage="tcp"),
    ),
    Scenario(
        name="connect-timeout",
        shows="a firewall drops the SYN and its repetitions; client gives up after 4 s",
        fault="the SYN is dropped",
        client="curl",
        server="dropping",
        tls="none",
        patience=4,
        expected=Expected(cause="connect-timeout", by="network", act="silence", stage="tcp"),
    ),
    *(
        Scenario(
            name=f"server-{deed}-{client}",
            shows=f"{shows}; {_ALL_CLIENTS[client]}",
            fault=fault,
            client=client,
            server="faulty",
            server_options=(deed,),
            tls="none",
            patience=3,
            expected=expected,
        )
        for deed, shows, fault, expected in (
            (
                "silent",
                "server acknowledges the ClientHello and never answers; client gives up after 3 s",
                "the server does not answer",
                _refused("server-silent", "fin", "client-hello"),
            ),
            (
                "close",
                "server closes (FIN) after the ClientHello",
                "the server closes",
                _turned_away("server-closed", "fin"),
            ),
            (
                "reset",
                "server resets after the ClientHello",
                "the server resets",
                _turned_away("server-reset", "rst"),
            ),
        )
        for client in ("curl", "java", "go")
    ),
)

_FORMATS = (
    Scenario(
        name="any-sll2",
        shows="tcpdump -i any: Linux cooked capture v2",
        fault=_ROOT_MISSING,
        client="curl",
        store="without-root",
        recorder="any-sll2",
        expected=_refused("missing-root"),
    ),
    Scenario(
        name="any-sll",
        shows="tcpdump -i any -y LINUX_SLL: Linux cooked capture v1",
        fault=_ROOT_MISSING,
        client="curl",
        store="without-root",
        recorder="any-sll",
        expected=_refused("missing-root"),
    ),
    Scenario(
        name="ipv6",
        shows="over IPv6",
        fault=_ROOT_MISSING,
        client="go",
        store="without-root",
        family=6,
        expected=_refused("missing-root"),
    ),
    Scenario(
        name="ipv6-any",
        shows="over IPv6, tcpdump -i any",
        fault="the server leaves out the intermediate",
        client="openssl",
        chain="leaf-only",
        family=6,
        recorder="any-sll2",
        expected=_refused("missing-intermediate"),
    ),
    Scenario(
        name="nanoseconds",
        shows="time stamps in nanoseconds",
        fault=_ROOT_MISSING,
        client="curl",
        store="without-root",
        port=8443,
        recorder="tcpdump-nano",
        expected=_refused("missing-root"),
    ),
    Scenario(
        name="pcapng",
        shows="pcapng, by dumpcap",
        fault=_ROOT_MISSING,
        client="curl",
        store="without-root",
        recorder="dumpcap",
        expected=_refused("missing-root"),
    ),
    Scenario(
        name="pcapng-with-secrets",
        shows="pcapng with the session secrets inside (editcap --inject-secrets), TLS 1.3",
        fault=_ROOT_MISSING,
        client="go",
        store="without-root",
        tls="1.3",
        recorder="tcpdump-secrets",
        keys=True,
        expected=_refused("missing-root"),
    ),
)

_TLS13 = (
    Scenario(
        name="tls13-success",
        shows="TLS 1.3, success with data",
        fault="none",
        client="curl",
        tls="1.3",
        keys=True,
        expected=_COMPLETED,
    ),
    Scenario(
        name="tls13-missing-root-openssl",
        shows="TLS 1.3, root missing; OpenSSL sends its alert in clear",
        fault=_ROOT_MISSING,
        client="openssl",
        store="without-root",
        tls="1.3",
        keys=True,
        expected=_refused("missing-root"),
    ),
    *(
        Scenario(
            name=f"tls13-missing-root-{client}",
            shows=f"TLS 1.3, root missing; {words}",
            fault=_ROOT_MISSING,
            client=client,
            store="without-root",
            tls="1.3",
            keys=True,
            expected=_refused("missing-root", act, stage),
        )
        for client, words, act, stage in (
            ("java", "Java sends its alert encrypted", "alert", "server-flight"),
            ("gnutls", "GnuTLS sends its alert encrypted", "alert", "server-flight"),
            ("node", "Node leaves by FIN at once", "fin", "server-flight"),
            ("nginx-proxy", "nginx finishes the handshake first", "alert", "after-handshake"),
        )
    ),
    Scenario(
        name="tls13-client-cert-missing-go",
        shows="TLS 1.3, server requires a client certificate, none is sent; refused after the client is done",
        fault="the client has no certificate",
        client="go",
        tls="1.3",
        keys=True,
        server_options=("-Verify", "3", "-CAfile", "client-ca.pem"),
        expected=_turned_away("client-cert-missing", stage="after-handshake"),
    ),
)

_LEFT = Expected(cause="missing-root", by="client", act="alert", stage="server-flight")


def _before_tls(
    name: str, shows: str, expected: Expected, *, client: str, server: str, port: int, fault: str = "", **more: object
) -> Scenario:
    """A scenario in which something goes before TLS; without a fault of its own the client's store lacks the root."""
    lacks_root = expected.cause == "missing-root"
    setup: dict[str, object] = {"store": "without-root" if lacks_root else "with-root", **more}
    return Scenario(
        name=name,
        shows=shows,
        fault=fault or (_ROOT_MISSING if lacks_root else "none"),
        client=client,
        server=server,
        port=port,
        expected=expected,
        **setup,  # type: ignore[arg-type]
    )


def _never_began(cause: str, by: str = "client", act: str = "fin") -> Expected:
    return Expected(cause=cause, by=by, act=act, stage="tcp")


_BEFORE_TLS = (
    _before_tls(
        "smtp-missing-root",
        "SMTP, STARTTLS: root not in the store",
        _LEFT,
        client="curl-smtp",
        server="postfix",
        port=25,
        client_options=("--tls-max", "1.2"),
    ),
    _before_tls(
        "smtp-refused",
        "SMTP, STARTTLS: refused with 454, the server's key does not fit its certificate",
        _never_began("starttls-refused"),
        client="curl-smtp",
        server="postfix",
        port=25,
        fault="the server's key does not fit its certificate",
        server_options=("no-key",),
        tls="none",
    ),
    _before_tls(
        "smtp-not-offered",
        "SMTP: STARTTLS is not offered, and the client, which must have it, leaves",
        _never_began("starttls-not-offered"),
        client="curl-smtp",
        server="postfix",
        port=25,
        fault="TLS is switched off",
        server_options=("no-tls",),
        tls="none",
    ),
    _before_tls(
        "imap-missing-root",
        "IMAP, STARTTLS: root not in the store",
        _LEFT,
        client="curl-imap",
        server="dovecot",
        port=143,
        client_options=("--tls-max", "1.2"),
    ),
    _before_tls(
        "pop3-not-offered",
        "POP3: STLS is not offered, and the client, which must have it, leaves",
        _never_began("starttls-not-offered"),
        client="curl-pop3",
        server="dovecot",
        port=110,
        fault="TLS is switched off",
        server_options=("no-tls",),
        tls="none",
    ),
    _before_tls(
        "ftp-missing-root",
        "FTP, AUTH TLS: root not in the store",
        _LEFT,
        client="openssl-starttls",
        server="vsftpd",
        port=21,
        client_options=("-starttls", "ftp", "-tls1_2"),
    ),
    _before_tls(
        "ftp-refused",
        "FTP, AUTH SSL and AUTH TLS: refused, TLS is switched off",
        _never_began("starttls-refused"),
        client="curl-ftp",
        server="vsftpd",
        port=21,
        fault="TLS is switched off",
        server_options=("no-tls",),
        tls="none",
    ),
    _before_tls(
        "ldap-missing-root",
        "LDAP, StartTLS: root not in the store; the client leaves with an unbindRequest in clear text",
        Expected(cause="missing-root", by="client", act="fin", stage="after-handshake"),
        client="ldapsearch",
        server="slapd",
        port=389,
    ),
    _before_tls(
        "ldap-refused",
        "LDAP, StartTLS: refused, the server has no certificate",
        _never_began("starttls-refused", by="server"),
        client="ldapsearch",
        server="slapd",
        port=389,
        fault="the server has no certificate",
        or_else=(_never_began("starttls-refused"),),
        server_options=("no-tls",),
        tls="none",
    ),
    _before_tls(
        "postgresql-missing-root",
        "PostgreSQL, SSLRequest: root not in the store",
        _LEFT,
        client="psql",
        server="postgresql",
        port=5432,
    ),
    _before_tls(
        "postgresql-refused",
        "PostgreSQL, SSLRequest: answered N",
        _never_began("starttls-refused"),
        client="psql",
        server="postgresql",
        port=5432,
        fault="TLS is switched off",
        server_options=("no-tls",),
        tls="none",
    ),
    _before_tls(
        "mysql-missing-root",
        "MySQL protocol, SSLRequest: root not in the store",
        _LEFT,
        client="mariadb",
        server="mariadb",
        port=3306,
    ),
    _before_tls(
        "mysql-not-offered",
        "MySQL protocol: the greeting does not offer TLS, and the client, which must have it, leaves",
        _never_began("starttls-not-offered"),
        client="mariadb",
        server="mariadb",
        port=3306,
        fault="TLS is switched off",
        server_options=("no-tls",),
        tls="none",
    ),
    _before_tls(
        "tds-missing-root",
        "SQL Server's protocol, PRELOGIN, the handshake inside TDS packets: root not in the store",
        _refused("missing-root", "fin"),
        client="tsql",
        server="tds",
        port=1433,
    ),
    _before_tls(
        "tds-success",
        "as before, and the root is there: TLS stands for itself behind the handshake, and the login is refused in it",
        _COMPLETED,
        client="tsql",
        server="tds",
        port=1433,
    ),
    _before_tls(
        "openvpn-missing-root",
        "OpenVPN over TCP, the handshake inside packets of its control channel: root not in the store",
        _refused("missing-root", "fin"),
        client="openvpn",
        server="openvpn",
        port=1194,
        identity=("client",),
    ),
    _before_tls(
        "openvpn-tls-auth-missing-root",
        "as before, with packets that are authenticated by a key of their own (tls-auth)",
        _refused("missing-root", "fin"),
        client="openvpn",
        server="openvpn",
        port=1194,
        identity=("client",),
        server_options=("tls-auth",),
    ),
    _before_tls(
        "xmpp-missing-root",
        "XMPP, starttls: root not in the store",
        _LEFT,
        client="openssl-starttls",
        server="prosody",
        port=5222,
        client_options=("-starttls", "xmpp", "-xmpphost", HOST, "-no_tls1_3"),
    ),
    _before_tls(
        "connect-missing-root",
        "HTTP CONNECT: root not in the store",
        _LEFT,
        client="curl-by-proxy",
        server="squid",
        port=3128,
        client_options=("--proxy", "http://PROXY"),
    ),
    _before_tls(
        "connect-hostname-mismatch",
        "HTTP CONNECT: the tunnel leads to another host than the certificate is for",
        Expected(cause="hostname-mismatch", by="client", act="alert", stage="after-handshake"),
        client="curl-by-proxy",
        server="squid",
        port=3128,
        fault="the client asks for a name that the leaf does not hold",
        host=OTHER_HOST,
        client_options=("--proxy", "http://PROXY"),
    ),
    _before_tls(
        "connect-success",
        "HTTP CONNECT: success with data",
        _COMPLETED,
        client="curl-by-proxy",
        server="tinyproxy",
        port=3128,
        client_options=("--proxy", "http://PROXY"),
    ),
    _before_tls(
        "connect-forbidden",
        "HTTP CONNECT: refused with 403 by the proxy's rules",
        _never_began("proxy-refused"),
        client="curl-by-proxy",
        server="squid",
        port=3128,
        fault="the proxy's rules forbid the host",
        or_else=(_never_began("proxy-refused", act="rst"),),
        client_options=("--proxy", "http://PROXY"),
        server_options=("http_access deny all",),
        tls="none",
    ),
    _before_tls(
        "connect-unauthenticated",
        "HTTP CONNECT: refused with 407, the proxy wants authentication",
        _never_began("proxy-refused", by="server"),
        client="curl-by-proxy",
        server="tinyproxy",
        port=3128,
        fault="the client does not authenticate itself to the proxy",
        client_options=("--proxy", "http://PROXY"),
        server_options=("BasicAuth karl secret",),
        tls="none",
    ),
    _before_tls(
        "socks-missing-root",
        "SOCKS 5 with the host's name: root not in the store",
        _LEFT,
        client="curl-by-proxy",
        server="microsocks",
        port=1080,
        client_options=("--proxy", "socks5h://PROXY"),
    ),
    _before_tls(
        "socks-refused",
        "SOCKS 5: the proxy cannot connect, the port is closed",
        _never_began("proxy-refused", by="server"),
        client="curl-by-proxy",
        server="microsocks",
        port=1080,
        fault="the host's port is closed",
        client_options=("--proxy", "socks5h://PROXY", "--connect-to", f"{HOST}:443:{HOST}:8444"),
        tls="none",
    ),
    _before_tls(
        "socks-unauthenticated",
        "SOCKS 5: the proxy wants another authentication",
        _never_began("proxy-refused", by="server"),
        client="curl-by-proxy",
        server="microsocks",
        port=1080,
        fault="the client does not authenticate itself to the proxy",
        client_options=("--proxy", "socks5h://PROXY"),
        server_options=("-u", "karl", "-P", "secret"),
        tls="none",
    ),
    _before_tls(
        "proxy-header-1-missing-root",
        "PROXY protocol version 1 before TLS: root not in the store",
        _LEFT,
        client="curl-by-haproxy",
        server="nginx-proxy-protocol",
        port=443,
        client_options=("send-proxy",),
    ),
    _before_tls(
        "proxy-header-2-missing-root",
        "PROXY protocol version 2 before TLS: root not in the store",
        _LEFT,
        client="curl-by-haproxy",
        server="nginx-proxy-protocol",
        port=443,
        client_options=("send-proxy-v2",),
    ),
)


SCENARIOS: tuple[Scenario, ...] = (
    *_PLAYBOOK, *_CERTIFICATES, *_MUTUAL_TLS, *_NEGOTIATION, *_BENEATH_TLS, *_SUCCESSES, *_FORMATS, *_TLS13,
    *_BEFORE_TLS,
)  # fmt: skip
