"""Faults of the server's certificate, its chain and the client's store, by every client stack; and their controls.

A certificate that no stack can read is not among them: no server of the lab would load one. `malformed-certificate`
is shown by a name that OpenSSL passes over and Go's parser does not.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

from captures.record.clients import CLIENTS
from captures.record.further import FURTHER
from captures.record.matrix.case import Case
from captures.record.pki import HOST, OTHER_HOST

_BOTH = ("1.2", "1.3")

# These are no clients that look at certificates.
_ALL = tuple(client for client in CLIENTS if client not in {"leaving", "curl-plain"} and client not in FURTHER)
_MOST = tuple(client for client in _ALL if client not in {"perl", "php", "ruby", "java-http"})
# One of each kind of validator: OpenSSL's, JSSE, Go's, GnuTLS's, Erlang's, NSS's.
_KINDS = ("openssl", "java", "go", "gnutls", "erlang", "nss")

# These two wait for the server to close the connection, which `s_server -www` does not do.
_WAITS_FOR_END = frozenset({"nss", "java-http"})

# The limits in the lab's configuration files.
_DEPTHS = {"nginx-proxy": 5, "apache": 5}

_ROOT_MISSING = "the store lacks the root"


def _case(group: str, cause: str | None, client: str, tls: str, fault: str, **settings: Any) -> Case:
    server = settings.pop("server", "python" if client in _WAITS_FOR_END else "openssl")
    settings.setdefault("verify_depth", _DEPTHS.get(client))
    return Case(
        name=f"{group}-{client}-tls{tls.replace('.', '')}",
        group=group,
        fault=fault,
        injected=cause,
        by="client",
        client=client,
        server=server,
        tls=tls,
        **settings,
    )


def _both(group: str, cause: str | None, clients: tuple[str, ...], fault: str, **settings: Any) -> tuple[Case, ...]:
    """One case for each client and each version of TLS."""
    return tuple(_case(group, cause, client, tls, fault, **settings) for client in clients for tls in _BOTH)


def _turns(group: str, cause: str | None, clients: tuple[str, ...], fault: str, **settings: Any) -> tuple[Case, ...]:
    """One case for each client, by TLS 1.2 and 1.3 in turns."""
    return tuple(
        _case(group, cause, client, tls, fault, **settings) for client, tls in zip(clients, cycle(_BOTH), strict=False)
    )


_UNANCHORED = (
    *_both("missing-root", "missing-root", _ALL, _ROOT_MISSING, store="without-root", accepts=False),
    *_turns(
        "missing-root-sent",
        "missing-root",
        (*_KINDS, "node", "haproxy", "apache", "libcurl-gnutls"),
        "the store lacks the root, which the server sends along",
        chain="full",
        store="without-root",
        accepts=False,
    ),
    *_both(
        "missing-root-flushed",
        "missing-root",
        ("java-nio",),
        "the store lacks the root; the alert is sent before the close",
        client_options=("alert=flush",),
        store="without-root",
        accepts=False,
    ),
    *_both(
        "missing-intermediate",
        "missing-intermediate",
        (*_KINDS, "curl", "node", "wget", "nginx-proxy", "haproxy", "apache"),
        "the server leaves out the intermediate",
        chain="leaf-only",
        accepts=False,
    ),
    *_both(
        "self-signed-leaf",
        "self-signed-leaf",
        (*_KINDS, "curl", "php"),
        "the leaf is its own issuer",
        chain="self-signed-leaf",
        accepts=False,
    ),
    *_both(
        "reissued-root",
        "root-key-mismatch",
        (*_KINDS, "java-nio", "stunnel"),
        "the root was re-issued with a new key, the store has the old one",
        store="with-old-root",
        accepts=False,
    ),
    *_turns(
        "intermediate-only",
        "anchor-not-self-signed",
        (*_KINDS, "curl", "haproxy", "apache", "perl", "ruby", "node"),
        "the store holds the intermediate but not its root",
        store="intermediate-only",
    ),
)

_DATES = (
    *_both(
        "expired-leaf",
        "expired-leaf",
        (*_KINDS, "curl", "java-http", "node", "wget", "nginx-proxy", "haproxy", "apache"),
        "the leaf is past its notAfter",
        chain="expired-leaf",
        accepts=False,
    ),
    *_turns(
        "expired-intermediate",
        "expired-intermediate",
        (*_KINDS, "libcurl-gnutls", "ruby"),
        "the intermediate is past its notAfter",
        chain="expired-intermediate",
    ),
    *_turns(
        "expired-root",
        "expired-root",
        (*_KINDS, "curl", "nginx-proxy"),
        "the root in the store is past its notAfter",
        store="with-expired-root",
    ),
    *_turns(
        "not-yet-valid",
        "not-yet-valid",
        (*_KINDS, "curl", "apache"),
        "the leaf is before its notBefore",
        chain="future-leaf",
        accepts=False,
    ),
    *_turns(
        "intermediate-not-yet-valid",
        "not-yet-valid",
        ("go", "java", "openssl", "gnutls"),
        "the intermediate is before its notBefore",
        chain="future-intermediate",
    ),
)

_NAMES = (
    *_both(
        "hostname-mismatch",
        "hostname-mismatch",
        _MOST,
        "the client asks for a name that the leaf does not hold",
        host=OTHER_HOST,
        accepts=False,
    ),
    *_turns(
        "wildcard-too-deep",
        "hostname-mismatch",
        (*_KINDS, "curl", "python", "stunnel"),
        "the name is one label too deep for the leaf's wildcard",
        chain="wildcard-leaf",
        host="v2.orders.backend.example",
        accepts=False,
    ),
    *_turns(
        "address",
        "hostname-mismatch",
        ("curl", "python", "go", "java", "node"),
        "the client asks for an address, the leaf holds a name",
        host="10.77.0.2",
        accepts=False,
    ),
    *_turns(
        "cn-only",
        "hostname-only-in-cn",
        (*_KINDS, "curl", "python", "ruby", "haproxy"),
        "the leaf has its name in the CN only",
        chain="cn-only-leaf",
    ),
)

_CONSTRAINTS = (
    *_turns(
        "wrong-usage",
        "wrong-key-usage",
        (*_KINDS, "curl", "haproxy", "node", "wget"),
        "the leaf's extended key usage is clientAuth",
        chain="client-usage-leaf",
    ),
    *_turns("issuer-not-ca", "issuer-not-ca", (*_KINDS, "curl"), "the intermediate is no CA", chain="no-ca"),
    *_turns(
        "path-too-long",
        "path-too-long",
        (*_KINDS, "python"),
        "the intermediate allows no further CA below it, and there is one",
        chain="long-path",
    ),
    *_turns(
        "name-constraint",
        "name-constraint-violation",
        (*_KINDS, "php"),
        "the intermediate may issue for another domain only",
        chain="elsewhere",
    ),
    *_turns(
        "unknown-critical",
        "unknown-critical-extension",
        (*_KINDS, "curl"),
        "the leaf has a critical extension that nobody knows",
        chain="critical-leaf",
    ),
    *_both(
        "depth",
        "chain-too-long",
        ("nginx-proxy",),
        "the path has two intermediates, the client allows one",
        chain="deep",
        client_options=("proxy_ssl_verify_depth 1",),
        verify_depth=1,
    ),
    _case(
        "depth",
        "chain-too-long",
        "apache",
        "1.2",
        "the path has an intermediate, the client's default allows none",
        client_options=("SSLProxyVerifyDepth 1",),
        verify_depth=0,
    ),
    _case(
        "depth",
        "chain-too-long",
        "openssl",
        "1.3",
        "the path has two intermediates, the client allows one",
        chain="deep",
        client_options=("-verify_depth", "1"),
        verify_depth=1,
    ),
)

_CRYPTOGRAPHY = (
    *_turns(
        "weak-key",
        "weak-key",
        (*_KINDS, "curl"),
        "the leaf's key is RSA of 1024 bits",
        chain="weak-leaf",
        server="openssl",
        server_options=("-cipher", "DEFAULT:@SECLEVEL=0"),
    ),
    *_turns(
        "weak-signature-leaf",
        "weak-signature",
        (*_KINDS, "python"),
        "the leaf is signed by SHA-1",
        chain="sha1-leaf",
        server="openssl",
        server_options=("-cipher", "DEFAULT:@SECLEVEL=0"),
    ),
    *_turns(
        "weak-signature-intermediate",
        "weak-signature",
        ("go", "java", "openssl", "gnutls", "erlang"),
        "the intermediate is signed by SHA-1",
        chain="sha1-intermediate",
        server="openssl",
        server_options=("-cipher", "DEFAULT:@SECLEVEL=0"),
    ),
    *_turns(
        "forged-leaf",
        "bad-signature",
        (*_KINDS, "node"),
        "the leaf's signature does not verify",
        chain="forged-leaf",
        accepts=False,
    ),
    *_turns(
        "forged-intermediate",
        "bad-signature",
        ("go", "java", "openssl", "gnutls"),
        "the intermediate's signature does not verify",
        chain="forged-intermediate",
        accepts=False,
    ),
    *_turns(
        "odd-name",
        "malformed-certificate",
        ("openssl", "go", "gnutls", "java"),
        "one of the leaf's names is not ASCII",
        chain="odd-name-leaf",
    ),
)

_ACCEPTED = (
    *_turns("usual", None, _ALL, "nothing"),
    *_turns("shuffled", None, _KINDS, "nothing: the chain is out of order, which these sort out", chain="shuffled"),
    *_turns(
        "crossed",
        None,
        ("java", "openssl", "go", "gnutls", "curl"),
        "nothing: the root is cross-signed, and the store has it",
        chain="crossed",
    ),
    *_turns(
        "crossed-legacy",
        None,
        ("openssl", "go", "java", "gnutls"),
        "nothing: the store has the root that cross-signed",
        chain="crossed",
        store="with-legacy-root",
    ),
    *_turns(
        "crossed-expired",
        None,
        ("go", "openssl", "gnutls", "java"),
        "nothing: the root that cross-signed has expired, the other one counts",
        chain="crossed",
        store="with-both-legacies",
    ),
    *_turns("strangers", None, _KINDS, "nothing: unrelated certificates are sent along", chain="with-strangers"),
    *_turns("doubled", None, ("go", "openssl", "java", "gnutls"), "nothing: the leaf is sent twice", chain="doubled"),
    *_turns(
        "stored-intermediate",
        None,
        ("java", "openssl", "gnutls", "go", "curl", "nginx-proxy"),
        "nothing: the server leaves out the intermediate, which the store holds",
        chain="leaf-only",
        store="with-intermediate",
    ),
    *_turns("deep", None, ("openssl", "go", "java", "gnutls"), "nothing: two intermediates", chain="deep"),
    *_turns("elliptic", None, ("go", "java", "nss", "wget", "curl"), "nothing: an EC key", chain="usual-ec"),
)


def _page(group: str, fault: str, clients: tuple[str, ...], location: str) -> tuple[Case, ...]:
    options = (f"location = / {{ {location} }}",) if location else ()
    return _both(group, None, clients, fault, server="nginx", server_options=options)


_SERVED = (
    *_page("empty-page", "nothing: an answer without a body", ("curl", "java-http", "wget"), "return 204;"),
    *_page(
        "large-page",
        "nothing: an answer of 35,000 bytes",
        ("curl", "go", "node", "gnutls"),
        "root /usr/share/common-licenses; rewrite ^ /GPL-3 break;",
    ),
    *_page("server-closes", "nothing: the server closes first", ("openssl", "python", "perl"), ""),
    *_both(
        "kept-alive",
        None,
        ("curl",),
        "nothing: two requests on one connection, which the client closes",
        server="nginx",
        client_options=(f"https://{HOST}/",),
    ),
    *_both(
        "resumed",
        None,
        ("curl",),
        "nothing: a second connection resumes the session of the first",
        client_options=(f"https://{HOST}/",),
    ),
    *_both(
        "reconnected",
        None,
        ("openssl",),
        "nothing: connections of a handshake and no data, which the client accepted",
        client_options=("-reconnect",),
    ),
)


def _reduced(client: str, tls: str) -> tuple[Case, ...]:
    """A missing root, seen through captures from which something was taken away."""
    reductions = (
        *(("second", name) for name in ("snap-96", "snap-200", "from-client", "from-server")),
        *(("cut", name) for name in ("begun-after-syn", "begun-after-hello", "begun-after-certificate")),
        *(("cut", name) for name in ("flight-lost", "certificate-lost", "ended-early")),
    )
    return tuple(
        _case(
            f"{name}-missing-root",
            "missing-root",
            client,
            tls,
            f"{_ROOT_MISSING}; the capture is {name}",
            store="without-root",
            accepts=False,
            also=("capture-incomplete", "certificate-rejected"),
            **{kind: name},
        )
        for kind, name in reductions
    )


_REDUCED = (
    *_reduced("curl", "1.2"),
    *_reduced("java-nio", "1.2"),
    *_reduced("openssl", "1.3"),
    *(
        _case(f"{name}-usual", None, client, tls, f"nothing; the capture is {name}", **{kind: name})
        for kind, name, client, tls in (
            ("second", "snap-96", "curl", "1.2"),
            ("second", "snap-200", "go", "1.3"),
            ("second", "from-client", "java", "1.2"),
            ("second", "from-server", "gnutls", "1.2"),
            ("second", "from-client", "openssl", "1.3"),
            ("cut", "begun-after-syn", "go", "1.2"),
            ("cut", "begun-after-hello", "curl", "1.3"),
            ("cut", "begun-after-certificate", "openssl", "1.2"),
            ("cut", "flight-lost", "java", "1.3"),
            ("cut", "certificate-lost", "curl", "1.2"),
        )
    ),
)

CASES: tuple[Case, ...] = (
    *_UNANCHORED, *_DATES, *_NAMES, *_CONSTRAINTS, *_CRYPTOGRAPHY, *_ACCEPTED, *_SERVED, *_REDUCED,
)  # fmt: skip
