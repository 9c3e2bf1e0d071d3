"""Mutual TLS: the server wants a certificate of the client, and does not get one that it accepts.

The server's CA for clients is `acme-clients-root`. A client that is refused under TLS 1.3 believes that it is
done when the refusal comes, and unless the server's secrets are kept nobody sees which alert it was; that a
certificate was sent at all shows in the size of its record, and no more does.
"""

from __future__ import annotations

from captures.record.matrix.case import Case

_BY_CA = "clients.pem"

_REQUIRE: dict[str, tuple[str, ...]] = {
    "openssl": ("-Verify", "2", "-verify_return_error", "-CAfile", _BY_CA),
    "nginx": ("ssl_verify_client on;", f"ssl_client_certificate {_BY_CA};", "ssl_verify_depth 2;"),
    "haproxy": (f"verify required ca-file {_BY_CA}",),
    "apache": ("SSLVerifyClient require", f"SSLCACertificateFile {_BY_CA}", "SSLVerifyDepth 2"),
    "stunnel": ("verifyChain = yes", f"CAfile = {_BY_CA}"),
    "gnutls": ("--require-client-cert", "--verify-client-cert", "--x509cafile", _BY_CA),
    "go": ("verify=require", f"ca={_BY_CA}"),
    "node": ("verify=require", f"ca={_BY_CA}"),
    "python": ("verify=require", f"ca={_BY_CA}"),
    "java": ("verify=need",),
}
"""How each server is told to refuse a client without a certificate of that CA."""

_IDENTITY: dict[str, tuple[str, ...]] = {
    "curl": ("--cert", "client.pem", "--key", "client.key"),
    "openssl": ("-cert", "client.pem", "-key", "client.key"),
    "gnutls": ("--x509certfile", "client.pem", "--x509keyfile", "client.key"),
    "wget": ("--certificate", "client.pem", "--private-key", "client.key"),
    "python": ("cert=client.pem", "key=client.key"),
    "go": ("cert=client.pem", "key=client.key"),
    "node": ("cert=client.pem", "key=client.key"),
    "java": ("cert=client.pem", "key=client.key"),
}
"""How each client is told of its certificate."""

_ON_ERROR: dict[str, tuple[str, ...]] = {"curl": ("--fail",)}
"""What makes a client take an HTTP error for a failure."""

_KEEPS_SECRETS = ("openssl",)
"""The servers whose secrets stand beside the capture."""


def _case(
    injected: str | None,
    what: str,
    fault: str,
    server: str,
    client: str,
    tls: str,
    *,
    identity: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
    require: tuple[str, ...] | None = None,
    family: int = 4,
) -> Case:
    sent = bool(identity)
    hidden = tls == "1.3" and sent and injected is not None and server not in _KEEPS_SECRETS
    return Case(
        name=f"{what}-{server}-{client}-tls{tls.replace('.', '')}",
        group=injected or "mutual-tls",
        fault=fault,
        injected=injected,
        by="server" if injected else None,
        accepts=injected is None,
        also=(*also, *(("client-cert-rejected",) if hidden else ())),
        client=client,
        server=server,
        tls=tls,
        family=family,
        patience=4,
        identity=identity,
        client_ca="clients",
        client_options=(*_ON_ERROR.get(client, ()), *(_IDENTITY[client] if sent else ())),
        server_options=_REQUIRE[server] if require is None else require,
    )


def _missing(server: str, client: str, tls: str) -> Case:
    return _case(
        "client-cert-missing", "client-cert-missing", "the server wants a certificate, the client has none",
        server, client, tls,
    )  # fmt: skip


def _stranger(server: str, client: str, tls: str) -> Case:
    return _case(
        "client-cert-untrusted", "client-cert-stranger", "the client's certificate is of a CA unknown to the server",
        server, client, tls, identity=("client-stranger",),
    )  # fmt: skip


def _self_signed(server: str, client: str, tls: str) -> Case:
    return _case(
        "client-cert-untrusted", "client-cert-self-signed", "the client's certificate is self-signed",
        server, client, tls, identity=("client-self-signed",),
    )  # fmt: skip


def _incomplete(server: str, client: str, tls: str) -> Case:
    return _case(
        "client-cert-untrusted", "client-cert-incomplete", "the client leaves out its intermediate",
        server, client, tls, identity=("client-issued",),
    )  # fmt: skip


def _expired(server: str, client: str, tls: str) -> Case:
    return _case(
        "client-cert-expired", "client-cert-expired", "the client's certificate has expired",
        server, client, tls, identity=("client-expired",),
    )  # fmt: skip


def _wrong_usage(server: str, client: str, tls: str) -> Case:
    return _case(
        "client-cert-rejected", "client-cert-wrong-usage", "the client's certificate is one for servers only",
        server, client, tls, identity=("client-server-usage",),
    )  # fmt: skip


def _accepted(server: str, client: str, tls: str, identity: tuple[str, ...] = ("client",)) -> Case:
    return _case(None, "client-cert-accepted", "none", server, client, tls, identity=identity)


_OPTIONAL: dict[str, tuple[str, ...]] = {
    "nginx": ("ssl_verify_client optional;", f"ssl_client_certificate {_BY_CA};"),
    "go": ("verify=given", f"ca={_BY_CA}"),
    "python": ("verify=given", f"ca={_BY_CA}"),
    "java": ("verify=want",),
}
"""How each server is told to ask for a certificate, and to do without."""

_UNCHECKED: dict[str, tuple[str, ...]] = {
    "openssl": ("-verify", "2", "-CAfile", _BY_CA),
    "nginx": ("ssl_verify_client optional_no_ca;", f"ssl_client_certificate {_BY_CA};"),
}
"""How each server is told to ask for a certificate, and to take any."""


def _optional(server: str, client: str, tls: str) -> Case:
    return _case(
        None, "client-cert-optional", "none: the server asks, and does without", server, client, tls,
        require=_OPTIONAL[server],
    )  # fmt: skip


def _unchecked(server: str, client: str, tls: str, identity: str) -> Case:
    return _case(
        None, f"client-cert-unchecked-{identity.removeprefix('client-')}",
        "none: the server asks, and takes a certificate that others would refuse", server, client, tls,
        identity=(identity,), require=_UNCHECKED[server],
    )  # fmt: skip


def _unsent(server: str, client: str, tls: str) -> Case:
    return _case(
        "client-cert-missing", "client-cert-unfit",
        "the client has a certificate of another CA than those that the server names, and keeps it for itself",
        server, client, tls, identity=("client-stranger",), also=("client-cert-untrusted",),
    )  # fmt: skip


CASES: tuple[Case, ...] = (
    *(_missing(server, "curl", tls) for server in _REQUIRE for tls in ("1.2", "1.3")),
    *(
        _missing(server, client, tls)
        for server, client, tls in (
            ("openssl", "openssl", "1.2"),
            ("nginx", "python", "1.2"),
            ("openssl", "java", "1.3"),
            ("haproxy", "java", "1.2"),
            ("java", "java", "1.3"),
            ("go", "python", "1.3"),
            ("apache", "go", "1.2"),
            ("java", "go", "1.3"),
            ("haproxy", "gnutls", "1.3"),
            ("java", "node", "1.2"),
            ("go", "node", "1.3"),
            ("python", "wget", "1.3"),
            ("gnutls", "wget", "1.2"),
        )
    ),
    *(_stranger(server, "curl", "1.2") for server in _REQUIRE),
    *(
        _stranger(server, client, tls)
        for server, client, tls in (
            ("openssl", "curl", "1.3"),
            ("nginx", "curl", "1.3"),
            ("haproxy", "go", "1.3"),
            ("java", "openssl", "1.3"),
            ("go", "python", "1.3"),
            ("apache", "node", "1.3"),
            ("java", "python", "1.2"),
            ("go", "openssl", "1.2"),
            ("node", "curl", "1.3"),
            ("python", "openssl", "1.3"),
            ("gnutls", "curl", "1.3"),
            ("stunnel", "python", "1.3"),
        )
    ),
    *(
        _unsent(server, client, tls)
        for server, client, tls in (("haproxy", "java", "1.2"), ("openssl", "java", "1.3"), ("go", "gnutls", "1.2"))
    ),
    *(
        _self_signed(server, client, tls)
        for server, client, tls in (
            ("openssl", "curl", "1.2"),
            ("haproxy", "python", "1.2"),
            ("go", "go", "1.3"),
            ("java", "curl", "1.2"),
        )
    ),
    *(
        _incomplete(server, client, tls)
        for server, client, tls in (
            ("openssl", "curl", "1.3"),
            ("nginx", "curl", "1.2"),
            ("java", "openssl", "1.2"),
            ("apache", "python", "1.2"),
            ("go", "node", "1.2"),
        )
    ),
    *(
        _expired(server, client, tls)
        for server, client, tls in (
            ("openssl", "curl", "1.2"),
            ("openssl", "java", "1.3"),
            ("nginx", "curl", "1.2"),
            ("haproxy", "curl", "1.2"),
            ("haproxy", "python", "1.3"),
            ("apache", "go", "1.2"),
            ("stunnel", "openssl", "1.2"),
            ("gnutls", "curl", "1.2"),
            ("go", "java", "1.2"),
            ("go", "curl", "1.3"),
            ("node", "python", "1.2"),
            ("python", "gnutls", "1.2"),
            ("java", "curl", "1.2"),
            ("java", "java", "1.3"),
        )
    ),
    *(
        _wrong_usage(server, client, tls)
        for server, client, tls in (
            ("openssl", "curl", "1.2"),
            ("openssl", "curl", "1.3"),
            ("nginx", "curl", "1.2"),
            ("haproxy", "go", "1.3"),
            ("go", "python", "1.2"),
            ("java", "curl", "1.2"),
            ("node", "openssl", "1.2"),
        )
    ),
    *(
        _accepted(server, client, tls)
        for server, client, tls in (
            ("openssl", "java", "1.3"),
            ("nginx", "go", "1.3"),
            ("nginx", "curl", "1.2"),
            ("haproxy", "curl", "1.2"),
            ("apache", "python", "1.3"),
            ("go", "gnutls", "1.3"),
            ("java", "node", "1.2"),
            ("python", "openssl", "1.2"),
            ("gnutls", "curl", "1.3"),
            ("node", "java", "1.2"),
        )
    ),
    _case(
        "client-cert-missing", "client-cert-asked-late",
        "Apache asks for a certificate only when it has read which page is wanted, by renegotiation",
        "apache", "curl", "1.2", also=("client-cert-rejected",),
        require=(f"SSLCACertificateFile {_BY_CA}", "<Location />", "SSLVerifyClient require", "</Location>"),
    ),
    *(
        _optional(server, client, tls)
        for server, client, tls in (
            ("nginx", "curl", "1.2"),
            ("nginx", "python", "1.2"),
            ("nginx", "java", "1.3"),
            ("python", "curl", "1.2"),
            ("python", "openssl", "1.3"),
            ("go", "java", "1.3"),
            ("go", "python", "1.2"),
            ("java", "go", "1.3"),
            ("java", "wget", "1.2"),
        )
    ),
    *(
        _unchecked(server, client, tls, identity)
        for server, client, tls, identity in (
            ("openssl", "curl", "1.2", "client-stranger"),
            ("openssl", "python", "1.2", "client-expired"),
            ("openssl", "go", "1.3", "client-expired"),
            ("nginx", "curl", "1.2", "client-stranger"),
            ("nginx", "python", "1.2", "client-self-signed"),
            ("nginx", "openssl", "1.3", "client-stranger"),
        )
    ),
)  # fmt: skip
