"""The same faults by client stacks that the lab does without (`captures.record.further`), which need not be there."""

from __future__ import annotations

from itertools import cycle
from typing import Any

from captures.record.further import FURTHER
from captures.record.matrix.case import Case
from captures.record.pki import OTHER_HOST

_BOTH = ("1.2", "1.3")
# Up to the versions that are packaged, these speak TLS 1.2 only.
_OLD = frozenset({"mbedtls", "mono"})
_SLOW = frozenset({"chromium"})
_EVERY = tuple(name for name in FURTHER if name not in _SLOW)
# One of each library and validator: where several versions of one are there, the newest.
_KINDS = ("go127", "java25", "node24", "boringssl", "bun", "deno", "uv", "s2n", "dotnet", "wolfssl", "mbedtls", "mono",
          "java11", "grpc")  # fmt: skip
_SECLEVEL = ("-cipher", "DEFAULT:@SECLEVEL=0")


def _case(group: str, cause: str | None, client: str, tls: str, fault: str, **settings: Any) -> Case:
    settings.setdefault("server", "openssl")
    if client == "grpc":
        settings.setdefault("patience", 4)
    if client == "grpc" and settings.pop("http2", True):
        settings["server_options"] = (*settings.get("server_options", ()), "-alpn", "h2")
    return Case(
        name=f"further-{group}-{client}-tls{tls.replace('.', '')}",
        group=group,
        fault=fault,
        injected=cause,
        by=settings.pop("by", "client"),
        client=client,
        tls=tls,
        **settings,
    )


def _both(group: str, cause: str | None, clients: tuple[str, ...], fault: str, **settings: Any) -> tuple[Case, ...]:
    return tuple(
        _case(group, cause, client, tls, fault, **settings)
        for client in clients
        for tls in _BOTH
        if not (client in _OLD and tls == "1.3")
    )


def _turns(group: str, cause: str | None, clients: tuple[str, ...], fault: str, **settings: Any) -> tuple[Case, ...]:
    versions = ("1.2" if client in _OLD else tls for client, tls in zip(clients, cycle(_BOTH), strict=False))
    return tuple(
        _case(group, cause, client, tls, fault, **settings) for client, tls in zip(clients, versions, strict=True)
    )


CASES: tuple[Case, ...] = (
    *_both("usual", None, (*_EVERY, "chromium"), "nothing"),
    *_both("missing-root", "missing-root", (*_EVERY, "chromium"), "the store lacks the root", store="without-root",
           accepts=False),
    *_turns("missing-root-sent", "missing-root", _KINDS, "the store lacks the root, which the server sends along",
            chain="full", store="without-root", accepts=False),
    *_both("missing-intermediate", "missing-intermediate", _KINDS, "the server leaves out the intermediate",
           chain="leaf-only", accepts=False),
    *_turns("self-signed-leaf", "self-signed-leaf", _KINDS, "the leaf is its own issuer", chain="self-signed-leaf",
            accepts=False),
    *_turns("reissued-root", "root-key-mismatch", _KINDS,
            "the root was re-issued with a new key, the store has the old one", store="with-old-root", accepts=False),
    *_turns("intermediate-only", "anchor-not-self-signed", _KINDS, "the store holds the intermediate but not its root",
            store="intermediate-only"),
    *_both("expired-leaf", "expired-leaf", _EVERY, "the leaf is past its notAfter", chain="expired-leaf",
          accepts=False),
    *_turns("expired-intermediate", "expired-intermediate", _KINDS, "the intermediate is past its notAfter",
            chain="expired-intermediate"),
    *_turns("expired-root", "expired-root", _KINDS, "the root in the store is past its notAfter",
            store="with-expired-root"),
    *_turns("not-yet-valid", "not-yet-valid", _KINDS, "the leaf is before its notBefore", chain="future-leaf",
            accepts=False),
    *_both("hostname-mismatch", "hostname-mismatch", (*_EVERY, "chromium"),
           "the client asks for a name that the leaf does not hold", host=OTHER_HOST, accepts=False),
    *_turns("cn-only", "hostname-only-in-cn", _KINDS, "the leaf has its name in the CN only", chain="cn-only-leaf"),
    *_turns("wrong-usage", "wrong-key-usage", _KINDS, "the leaf's extended key usage is clientAuth",
            chain="client-usage-leaf"),
    *_turns("issuer-not-ca", "issuer-not-ca", _KINDS, "the intermediate is no CA", chain="no-ca"),
    *_turns("path-too-long", "path-too-long", _KINDS,
            "the intermediate allows no further CA below it, and there is one", chain="long-path"),
    *_turns("name-constraint", "name-constraint-violation", _KINDS,
            "the intermediate may issue for another domain only", chain="elsewhere"),
    *_turns("unknown-critical", "unknown-critical-extension", _KINDS,
            "the leaf has a critical extension that nobody knows", chain="critical-leaf"),
    *_turns("weak-key", "weak-key", _KINDS, "the leaf's key is RSA of 1024 bits", chain="weak-leaf",
            server="openssl", server_options=_SECLEVEL),
    *_turns("weak-signature-leaf", "weak-signature", _KINDS, "the leaf is signed by SHA-1", chain="sha1-leaf",
            server="openssl", server_options=_SECLEVEL),
    *_turns("forged-leaf", "bad-signature", _KINDS, "the leaf's signature does not verify", chain="forged-leaf",
            accepts=False),
    *_both("alpn", "alpn-mismatch", ("grpc",), "the server does not know ALPN, and the client insists on HTTP/2",
           http2=False, by=None),
    *(
        _case("client-cert-missing", "client-cert-missing", client, tls,
              "the server wants a certificate, the client has none",
              by="server", server="openssl", client_ca="clients",
              server_options=("-Verify", "2", "-verify_return_error", "-CAfile", "clients.pem"))
        for client in ("go127", "java25", "node24", "boringssl", "deno", "s2n", "dotnet", "wolfssl")
        for tls in _BOTH
    ),
    *(
        _case("no-shared-cipher", "no-shared-cipher", client, "1.2", "the server offers CAMELLIA only", by="server",
              server="openssl", server_options=("-cipher", "CAMELLIA256-SHA"))
        for client in ("go127", "java25", "node24", "boringssl", "deno", "s2n", "dotnet", "wolfssl")
    ),
    *(
        _case("server-closed", "server-closed", client, "1.2", "the server closes without a word", by="server",
              server="faulty", server_options=("close",), patience=4)
        for client in ("go127", "java25", "node24", "boringssl", "deno", "s2n", "wolfssl")
    ),
)  # fmt: skip
