"""What goes wrong beneath TLS, or before it: at the server, in the network, at the client."""

from __future__ import annotations

from captures.record.matrix.case import Case


def _case(
    injected: str | None,
    what: str,
    fault: str,
    server: str,
    client: str,
    tls: str = "none",
    *,
    by: str | None = None,
    also: tuple[str, ...] = (),
    family: int = 4,
    chain: str = "usual",
    identity: tuple[str, ...] = (),
    patience: float = 4,
    delay: float = 0,
    wire: tuple[str, ...] = (),
    server_network: tuple[tuple[str, ...], ...] = (),
    server_options: tuple[str, ...] = (),
    client_options: tuple[str, ...] = (),
    recorder: str = "tcpdump",
) -> Case:
    version = "" if tls == "none" else f"-tls{tls.replace('.', '')}"
    return Case(
        name=f"{what}-{server}-{client}{version}{'-ipv6' if family == 6 else ''}",
        group=injected or "transported",
        fault=fault,
        injected=injected,
        by=by,
        accepts=injected is None,
        also=also,
        client=client,
        server=server,
        tls=tls,
        family=family,
        chain=chain,
        identity=identity,
        patience=patience,
        delay=delay,
        wire=wire,
        server_network=server_network,
        client_options=client_options,
        server_options=server_options,
        recorder=recorder,
    )


# Nobody there

_REFUSED, _TIMEOUT = "connection-refused", "connect-timeout"


def _rejecting(family: int, kind: str) -> tuple[tuple[str, ...], ...]:
    """Have the server's firewall answer what comes for the port by an ICMP message, or by a RST."""
    tool = "iptables" if family == 4 else "ip6tables"
    return ((tool, "-A", "INPUT", "-p", "tcp", "--dport", "443", "-j", "REJECT", "--reject-with", kind),)


_NOT_CONNECTED = (
    *(
        _case(_REFUSED, "refused", "nobody listens on the port", "nothing", client, family=family, by="server")
        for client, family in (
            ("curl", 4), ("java", 4), ("go", 6), ("node", 4), ("python", 6), ("gnutls", 4), ("openssl", 6),
        )
    ),
    *(
        _case(_REFUSED, f"rejected-{kind}", "the server's firewall refuses, by ICMP", "nothing", client, family=family,
              by="network", server_network=_rejecting(family, kind), recorder="with-icmp")
        for client, family, kind in (
            ("curl", 4, "icmp-port-unreachable"),
            ("java", 4, "icmp-port-unreachable"),
            ("go", 4, "icmp-admin-prohibited"),
            ("python", 4, "icmp-host-unreachable"),
            ("curl", 6, "icmp6-port-unreachable"),
            ("node", 6, "icmp6-adm-prohibited"),
        )
    ),
    _case(_REFUSED, "rejected-rst", "the server's firewall refuses, by a RST", "nothing", "go", by="server",
          server_network=_rejecting(4, "tcp-reset")),
    *(
        _case(_TIMEOUT, "timeout", "the server's firewall drops what comes for the port", "dropping", client,
              patience=patience, by="network")
        for client, patience in (
            ("curl", 2), ("go", 2), ("node", 2), ("python", 4), ("java", 2), ("wget", 2), ("gnutls", 0),
        )
    ),
    _case(_TIMEOUT, "timeout", "the server's SYN,ACK is lost on its way", "openssl", "curl", "1.2", family=6,
          patience=2, by="network", wire=("box.py", "lose=server:0")),
)  # fmt: skip

# There, and no TLS

_SILENT, _CLOSED, _RESET, _PLAIN = "server-silent", "server-closed", "server-reset", "not-tls"

_NO_TLS = (
    *(
        _case(_SILENT, "silent", "the server reads and never answers", "faulty", client, family=family,
              patience=patience, server_options=("silent",), by="client")
        for client, family, patience in (
            ("curl", 4, 1.5), ("java", 4, 1.5), ("go", 6, 1.5), ("node", 4, 1.5), ("python", 6, 1.5), ("wget", 4, 1.5),
        )
    ),
    # It has no limit of its own and is ended from outside.
    _case(_SILENT, "silent", "the server reads and never answers", "faulty", "openssl", patience=0,
          server_options=("silent",), by="client"),
    _case(_SILENT, "slow", "the server needs longer than the client's patience", "go", "curl", "1.2", patience=1,
          server_options=("pause=2000",), by="client", also=("client-closed",)),
    *(
        _case(_CLOSED, "close", "the server closes after the ClientHello", "faulty", client, family=family,
              server_options=("close",), by="server")
        for client, family in (("curl", 6), ("java", 4), ("openssl", 4), ("gnutls", 4), ("python", 4), ("node", 6))
    ),
    *(
        _case(_CLOSED, "slam", "the server closes before the ClientHello has come", "faulty", client,
              server_options=("slam",), by="server", delay=25, also=(_RESET,))
        for client in ("curl", "go", "java")
    ),
    *(
        _case(_CLOSED, f"leave-{when}", "the server closes in the middle of the handshake", "python", client, tls,
              server_options=(f"leave={when}:fin",), by="server")
        for client, tls, when in (
            ("curl", "1.2", "record"), ("java", "1.3", "record"), ("go", "1.2", "record"), ("openssl", "1.2", "answer"),
            ("node", "1.2", "answer"),
        )
    ),
    *(
        _case(_RESET, "reset", "the server resets after the ClientHello", "faulty", client, family=family,
              server_options=("reset",), by="server")
        for client, family in (("curl", 6), ("java", 4), ("openssl", 4), ("gnutls", 4), ("python", 6), ("node", 4))
    ),
    *(
        _case(_RESET, "abort", "the server resets before the ClientHello has come", "faulty", client,
              server_options=("abort",), by="server", delay=25)
        for client in ("curl", "go", "java")
    ),
    *(
        _case(_RESET, f"abort-{when}", "the server resets in the middle of the handshake", "python", client, tls,
              server_options=(f"leave={when}:rst",), by="server")
        for client, tls, when in (
            ("curl", "1.3", "record"), ("go", "1.2", "record"), ("java", "1.2", "answer"), ("gnutls", "1.2", "answer"),
        )
    ),
    _case(_CLOSED, "balancer", "the balancer's backend is gone", "balancer", "curl", by="server", also=(_RESET,)),
    _case(_CLOSED, "balancer", "the balancer's backend is gone", "balancer", "java", by="server", also=(_RESET,)),
    *(
        _case(_PLAIN, "plain", "the server answers in plain HTTP", server, client, family=family)
        for server, client, family in (
            ("nginx-plain", "java", 4), ("nginx-plain", "go", 6), ("nginx-plain", "gnutls", 4),
            ("python-http", "node", 4), ("python-http", "openssl", 4), ("python-http", "wget", 4),
        )
    ),
    *(
        _case(_PLAIN, f"plain-{deed}", words, "faulty", client, server_options=(deed,), patience=2)
        for deed, words, client in (
            ("banner", "the server greets by SMTP", "java"),
            ("ssh", "the server greets by SSH", "curl"),
            ("ssh", "the server greets by SSH", "go"),
            ("ftp", "the server greets by FTP", "python"),
            ("mysql", "the server greets as MySQL", "curl"),
            ("mysql", "the server greets as MySQL", "java"),
            ("proxy", "a proxy answers in plain HTTP", "curl"),
            ("proxy", "a proxy answers in plain HTTP", "gnutls"),
            ("redis", "the server answers as Redis", "node"),
            ("postgresql", "the server answers as PostgreSQL", "java"),
            ("postgresql", "the server answers as PostgreSQL", "openssl"),
            ("imap", "the server answers by IMAP", "go"),
        )
    ),
)  # fmt: skip

# The network

_BLACK_HOLE, _FORGED = "path-mtu-blackhole", "middlebox-reset"
_NARROW = ("box.py", "lose-over=1400")

_LOST = (
    *(
        _case(_BLACK_HOLE, "narrow", "packets of more than 1,400 bytes vanish without a word", server, client, tls,
              family=family, chain="full", patience=2, wire=_NARROW, by="network")
        for server, client, tls, family in (
            ("openssl", "curl", "1.2", 4),
            ("openssl", "curl", "1.3", 4),
            ("nginx", "java", "1.2", 4),
            ("nginx", "go", "1.3", 6),
            ("go", "node", "1.2", 4),
            ("java", "python", "1.3", 4),
            ("haproxy", "curl", "1.2", 6),
            ("gnutls", "java", "1.3", 4),
        )
    ),
    _case(_BLACK_HOLE, "narrow-for-client", "the client's large packets vanish without a word", "openssl", "openssl",
          "1.3", patience=0, wire=_NARROW, by="network",
          client_options=("-alpn", ",".join(f"some-rather-long-protocol-name-{n}" for n in range(60)))),
    _case(_BLACK_HOLE, "narrow-for-client", "the client's large packets vanish without a word", "go", "go", "1.3",
          patience=2, wire=_NARROW, by="network", family=6,
          client_options=("alpn=" + ",".join(f"some-rather-long-protocol-name-{n}" for n in range(60)) + ",http/1.1",)),
    _case(None, "narrow-but-known", "none: the server knows how narrow the path is", "openssl", "curl", "1.2",
          chain="full", wire=_NARROW,
          server_network=(("ip", "link", "set", "eth-s", "mtu", "1400"),)),
    *(
        _case(_FORGED, f"forged-{what}", f"a box on the way {words}", server, client, tls, family=family,
              by=None if also else "network", also=also, delay=delay, wire=("box.py", *deeds), patience=3)
        for what, words, server, client, tls, family, also, delay, deeds in (
            ("ttl", "resets the client, with a time to live of its own", "openssl", "curl", "1.2", 4, (), 2,
             ("reset=client", "ttl-forged=57")),
            ("ttl", "resets the client, with a time to live of its own", "nginx", "java", "1.3", 4, (), 2,
             ("reset=client", "ttl-forged=250")),
            ("ttl", "resets the client, with a hop limit of its own", "go", "go", "1.3", 6, (), 2,
             ("reset=client", "ttl-forged=61")),
            ("ttl-swallowed", "resets the client and keeps the ClientHello", "openssl", "node", "1.2", 4, (), 2,
             ("reset=client", "ttl-forged=119", "swallow=1")),
            ("both", "resets both sides", "openssl", "python", "1.2", 4, (), 2, ("reset=both", "ttl-forged=120")),
            ("both", "resets both sides", "haproxy", "curl", "1.3", 6, (), 2, ("reset=both", "ttl-forged=200")),
            ("id", "resets the client, with the server's time to live", "openssl", "curl", "1.3", 4, (), 2,
             ("reset=client", "id-forged=54321")),
            ("id-swallowed", "resets the client, with the server's time to live, and keeps the ClientHello",
             "nginx", "gnutls", "1.2", 4, (_RESET,), 2, ("reset=client", "id-forged=54321", "swallow=1")),
            ("perfect", "resets the client just as the server would", "openssl", "curl", "1.2", 4, (_RESET,), 2,
             ("reset=client", "swallow=1")),
            ("flight", "resets both sides when the server answers", "nginx", "curl", "1.2", 4, (), 2,
             ("reset=both", "on=flight", "ttl-forged=60")),
            ("server", "resets the server in the client's name", "openssl", "curl", "1.2", 4, (_SILENT,), 2,
             ("reset=server", "ttl-forged=60")),
        )
    ),
    _case(_RESET, "far-reset", "the server resets, from far away", "faulty", "curl", by="server",
          server_options=("reset",), wire=("box.py", "ttl=server:all:46")),
    *(
        _case(_RESET, "far-reset", "the server resets amid its flight; a box before it sent the SYN,ACK", "python",
              client, tls, by="server", server_options=("leave=record:rst",), wire=("box.py", "ttl=server:syn:250"))
        for client, tls in (("curl", "1.2"), ("java", "1.3"))
    ),
    _case(_CLOSED, "far-close", "the server closes; a box before it sent the SYN,ACK", "faulty", "go", by="server",
          server_options=("close",), wire=("box.py", "ttl=server:syn:250")),
    _case(None, "forged-beside", "none: a box on the way forges a RST that TCP ignores, as its number is off",
          "openssl", "go", "1.2", delay=2, wire=("box.py", "reset=client", "off=4", "ttl-forged=63")),
    _case(None, "far", "none: the SYN,ACK was sent by a box before the server", "openssl", "curl", "1.2",
          wire=("box.py", "ttl=server:syn:250")),
    _case(_SILENT, "lost-hello", "a box on the way lets no data of the client pass", "openssl", "curl", "1.2",
          by="network", also=(_BLACK_HOLE, "unexplained"), patience=2, wire=("box.py", "lose=client:1")),
)  # fmt: skip

# The client

_LEFT = "client-closed"

_LEAVING = (
    *(
        _case(_LEFT, "impatient", "the client's patience ends amid the server's flight", "python", client, tls,
              by="client", patience=0.6, server_options=("stall=2",), family=family)
        for client, tls, family in (
            ("curl", "1.2", 4), ("curl", "1.3", 6), ("go", "1.2", 4), ("node", "1.2", 6),
            ("python", "1.3", 4), ("wget", "1.2", 4),
        )
    ),
    *(
        _case(_LEFT, f"left-{when}-{how}", "the client is ended by its user in the middle of the handshake", server,
              "leaving", tls, by="client", client_options=(f"when={when}", f"how={how}"), family=family)
        for server, tls, family, when, how in (
            ("openssl", "1.2", 4, "answer", "fin"),
            ("nginx", "1.2", 6, "flight", "fin"),
            ("go", "1.3", 4, "flight", "rst"),
            ("java", "1.2", 4, "flight", "rst"),
            ("haproxy", "1.3", 4, "answer", "rst"),
        )
    ),
    *(
        _case(_LEFT, f"left-hello-{how}", "the client leaves as soon as it has said hello", "openssl", "leaving", "1.2",
              by="client", client_options=("when=hello", f"how={how}"), delay=20)
        for how in ("fin", "rst")
    ),
    _case(_LEFT, "far-away", "the client's patience is shorter than the way there and back", "nginx", "curl", "1.2",
          by="client", patience=1.5, delay=300, also=(_SILENT,)),
    _case(_LEFT, "gone", "the client has given up when the server's SYN,ACK comes", "nginx", "curl", "1.2", by="client",
          patience=0.9, delay=300, also=(_TIMEOUT,)),
)  # fmt: skip

CASES: tuple[Case, ...] = (*_NOT_CONNECTED, *_NO_TLS, *_LOST, *_LEAVING)
