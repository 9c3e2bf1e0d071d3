"""Client and server have something in common that they need, or not; or what they say is changed on its way."""

from __future__ import annotations

from captures.record.matrix.case import Case
from captures.record.pki import HOST, OTHER_HOST


def _case(
    injected: str | None,
    what: str,
    fault: str,
    server: str,
    client: str,
    tls: str,
    *,
    by: str | None = "server",
    server_options: tuple[str, ...] = (),
    client_options: tuple[str, ...] = (),
    also: tuple[str, ...] = (),
    chain: str = "usual",
    host: str = HOST,
    wire: tuple[str, ...] = (),
    family: int = 4,
) -> Case:
    return Case(
        name=f"{what}-{server}-{client}-tls{tls.replace('.', '')}",
        group=injected or "negotiated",
        fault=fault,
        injected=injected,
        by=by if injected else None,
        accepts=injected is None,
        also=also,
        client=client,
        server=server,
        tls=tls,
        chain=chain,
        host=host,
        family=family,
        wire=wire,
        patience=4,
        client_options=client_options,
        server_options=server_options,
    )


# Versions

_WEAK = "DEFAULT:@SECLEVEL=0"

_OLD: dict[str, tuple[str, ...]] = {
    "openssl": ("-cipher", _WEAK),
    "nginx": (f"ssl_ciphers {_WEAK};",),
    "haproxy": (f"ciphers {_WEAK}",),
    "apache": (f"SSLCipherSuite {_WEAK}",),
    "stunnel": (f"ciphers = {_WEAK}",),
    "python": (f"ciphers={_WEAK}",),
    "node": (f"ciphers={_WEAK}",),
    "go": (),
    "gnutls": (),
    "java": (),
}
"""What a server needs to speak TLS 1.0 and 1.1 at all."""

_MAX_12: dict[str, tuple[str, ...]] = {
    "curl": ("--tls-max", "1.2"),
    "openssl": ("-tls1_2",),
    "java": ("-Djdk.tls.client.protocols=TLSv1.2",),
    "go": ("max=1.2",),
    "python": ("max=1.2",),
    "node": ("maxVersion=TLSv1.2",),
    "gnutls": ("--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2",),
    "wget": ("--secure-protocol=TLSv1_2", "--ciphers=NORMAL:-VERS-ALL:+VERS-TLS1.2"),
}

_MIN_13: dict[str, tuple[str, ...]] = {
    "curl": ("--tlsv1.3",),
    "openssl": ("-tls1_3",),
    "java": ("-Djdk.tls.client.protocols=TLSv1.3",),
    "go": ("min=1.3",),
    "python": ("min=1.3",),
    "node": ("minVersion=TLSv1.3",),
    "gnutls": ("--priority=NORMAL:-VERS-ALL:+VERS-TLS1.3",),
}

_MISMATCH = "protocol-version-mismatch"

_VERSIONS = (
    *(
        _case(_MISMATCH, "version-old-server", f"the server speaks TLS {tls} only", server, client, tls,
              by=None,
            server_options=_OLD[server])
        for server, client, tls in (
            ("openssl", "curl", "1.0"),
            ("nginx", "python", "1.0"),
            ("haproxy", "node", "1.1"),
            ("apache", "curl", "1.1"),
            ("stunnel", "java", "1.1"),
            ("python", "go", "1.1"),
            ("go", "java", "1.0"),
            ("go", "curl", "1.1"),
            ("gnutls", "openssl", "1.0"),
            ("node", "curl", "1.1"),
        )
    ),
    *(
        _case(_MISMATCH, "version-old-client", "the server speaks TLS 1.3 only, the client up to 1.2",
              server, client, "1.3", client_options=_MAX_12[client])
        for server, client in (
            ("openssl", "java"),
            ("nginx", "curl"),
            ("haproxy", "go"),
            ("apache", "python"),
            ("stunnel", "node"),
            ("gnutls", "curl"),
            ("go", "openssl"),
            ("node", "gnutls"),
            ("python", "wget"),
            ("java", "curl"),
        )
    ),
    *(
        _case(_MISMATCH, "version-new-client", "the client speaks TLS 1.3 only, the server 1.2 only",
              server, client, "1.2", by=None,
            client_options=_MIN_13[client])
        for server, client in (
            ("openssl", "curl"),
            ("nginx", "java"),
            ("haproxy", "python"),
            ("gnutls", "go"),
            ("go", "node"),
            ("java", "openssl"),
            ("apache", "gnutls"),
        )
    ),
    _case(_MISMATCH, "version-new-client", "the client speaks TLS 1.3 only, the server's library 1.2 at most",
          "lighttpd-mbedtls", "curl", "1.2", client_options=_MIN_13["curl"]),
    _case(_MISMATCH, "version-new-client", "the client speaks TLS 1.3 only, the server 1.2 only",
          "lighttpd-wolfssl", "openssl", "1.2", client_options=_MIN_13["openssl"]),
    _case(_MISMATCH, "version-old-level", "the client speaks TLS 1.1, which the server's security level forbids",
          "openssl", "openssl", "1.1", client_options=("-tls1_1", "-cipher", _WEAK)),
    _case("unexplained", "own-settings", "the client's own settings leave it no group to offer",
          "openssl", "openssl", "1.3", by="client", client_options=("-tls1_3", "-groups", "sect571r1")),
    *(
        _case(_MISMATCH, "version-forced", "the server answers in TLS 1.2 to a client that offers only 1.3",
              "broken", client, "none", by="client", server_options=("version",), client_options=_MIN_13[client])
        for client in ("curl", "java", "go", "gnutls", "node")
    ),
    _case(_MISMATCH, "version-old-hash", "the server speaks TLS 1.0 only; the client takes it, but not its SHA-1",
          "openssl", "curl", "1.0", by="client", also=("no-shared-cipher",),
          server_options=_OLD["openssl"], client_options=("--tlsv1.0", "--ciphers", "DEFAULT:@SECLEVEL=1")),
)  # fmt: skip

# Cipher suites, groups, signature algorithms

_AES_128, _AES_256 = "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"

_SERVER_AES_128: dict[str, tuple[str, ...]] = {
    "openssl": ("-cipher", _AES_128),
    "nginx": (f"ssl_ciphers {_AES_128};",),
    "haproxy": (f"ciphers {_AES_128}",),
    "apache": (f"SSLCipherSuite {_AES_128}",),
    "stunnel": (f"ciphers = {_AES_128}",),
    "python": (f"ciphers={_AES_128}",),
    "node": (f"ciphers={_AES_128}",),
    "go": ("suites=c02f",),
    "gnutls": ("--priority=NORMAL:-CIPHER-ALL:+AES-128-GCM",),
    "java": ("suites=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",),
}

_CLIENT_AES_256: dict[str, tuple[str, ...]] = {
    "curl": ("--tls-max", "1.2", "--ciphers", _AES_256),
    "openssl": ("-tls1_2", "-cipher", _AES_256),
    "java": (
        "-Djdk.tls.client.protocols=TLSv1.2",
        "-Djdk.tls.client.cipherSuites=TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    ),
    "go": ("max=1.2", "suites=c030"),
    "python": ("max=1.2", f"ciphers={_AES_256}"),
    "node": ("maxVersion=TLSv1.2", f"ciphers={_AES_256}"),
    "gnutls": ("--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-256-GCM",),
}

_NO_CIPHER = "no-shared-cipher"

_PARAMETERS = (
    *(
        _case(_NO_CIPHER, "suites", "the server takes AES-128 only, the client AES-256 only", server, client, "1.2",
              server_options=_SERVER_AES_128[server], client_options=_CLIENT_AES_256[client])
        for server, client in (
            ("openssl", "java"),
            ("nginx", "curl"),
            ("haproxy", "python"),
            ("apache", "node"),
            ("stunnel", "curl"),
            ("python", "go"),
            ("node", "curl"),
            ("go", "openssl"),
            ("gnutls", "curl"),
            ("java", "gnutls"),
        )
    ),
    *(
        _case(_NO_CIPHER, "suites", "the server does not take the only suite of the client", f"lighttpd-{library}",
              "openssl", "1.2", also=also,
              client_options=("-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"))
        for library, also in (("gnutls", ("server-closed",)), ("mbedtls", ()), ("nss", ()), ("wolfssl", ()))
    ),
    _case(_NO_CIPHER, "suites", "the server takes ChaCha20 only, the client AES only", "openssl", "curl", "1.3",
          server_options=("-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"),
          client_options=("--tls13-ciphers", "TLS_AES_128_GCM_SHA256")),
    _case(_NO_CIPHER, "suites", "the server takes AES-128 only, the client AES-256 only", "java", "openssl", "1.3",
          server_options=("suites=TLS_AES_128_GCM_SHA256",),
          client_options=("-ciphersuites", "TLS_AES_256_GCM_SHA384")),
    _case(_NO_CIPHER, "suites-all-new", "the server takes AES-128 only; the client AES-256 only, and TLS 1.3",
          "openssl", "curl", "1.2", server_options=_SERVER_AES_128["openssl"], client_options=("--ciphers", _AES_256)),
    *(
        _case(_NO_CIPHER, "groups", "the server takes P-521 only, the client X25519 only", server, client, tls,
              server_options=server_options, client_options=client_options)
        for server, client, tls, server_options, client_options in (
            ("openssl", "curl", "1.3", ("-groups", "P-521"), ("--curves", "X25519")),
            ("nginx", "go", "1.3", ("ssl_ecdh_curve secp521r1;",), ("curves=29",)),
            ("haproxy", "node", "1.3", ("curves P-521",), ("ecdhCurve=X25519",)),
            ("go", "curl", "1.3", ("curves=25",), ("--curves", "X25519")),
            ("gnutls", "openssl", "1.3", ("--priority=NORMAL:-GROUP-ALL:+GROUP-SECP521R1",), ("-groups", "X25519")),
            ("java", "gnutls", "1.3", ("-Djdk.tls.namedGroups=secp521r1",),
             ("--priority=NORMAL:-GROUP-ALL:+GROUP-X25519",)),
            ("openssl", "java", "1.3", ("-groups", "P-521"), ("-Djdk.tls.namedGroups=x25519",)),
            ("openssl", "curl", "1.2", ("-groups", "P-521", "-cipher", "ECDHE"), ("--curves", "X25519")),
            ("go", "openssl", "1.2", ("curves=25", "suites=c02f"), ("-groups", "X25519")),
        )
    ),
    *(
        _case(_NO_CIPHER, "signatures", "the server's key is ECDSA, the client takes signatures of RSA only",
              server, client, tls, chain="usual-ec", client_options=client_options)
        for server, client, tls, client_options in (
            ("openssl", "openssl", "1.3", ("-sigalgs", "RSA-PSS+SHA256")),
            ("nginx", "openssl", "1.2", ("-sigalgs", "RSA+SHA256:RSA-PSS+SHA256")),
            ("go", "openssl", "1.3", ("-sigalgs", "RSA-PSS+SHA256:RSA+SHA256")),
            ("haproxy", "gnutls", "1.3", ("--priority=NORMAL:-SIGN-ALL:+SIGN-RSA-SHA256:+SIGN-RSA-PSS-RSAE-SHA256",)),
            ("java", "openssl", "1.3", ("-sigalgs", "RSA-PSS+SHA256:RSA+SHA256")),
            ("openssl", "java", "1.3", ("-Djdk.tls.client.SignatureSchemes=rsa_pss_rsae_sha256,rsa_pkcs1_sha256",)),
            ("apache", "curl", "1.2", ("--tls-max", "1.2", "--ciphers", "ECDHE-RSA-AES128-GCM-SHA256")),
        )
    ),
    *(
        _case(_NO_CIPHER, "small-group", "the server's Diffie-Hellman group has 1,024 bits, too few for the client",
              "openssl", client, "1.2", by="client", also=("handshake-integrity", "weak-key"),
              server_options=("-cipher", "DHE-RSA-AES128-GCM-SHA256:@SECLEVEL=0", "-dhparam", "dh1024.pem"),
              client_options=client_options)
        for client, client_options in (
            ("curl", ()),
            ("gnutls", ("--priority=NORMAL:%PROFILE_MEDIUM",)),
            ("python", ()),
        )
    ),
    _case(None, "hello-retry", "none: the first key share does not fit, the second does", "openssl", "curl", "1.3",
          server_options=("-groups", "P-384"), client_options=("--curves", "X25519:P-384")),
    _case(None, "hello-retry", "none: the first key share does not fit, the second does", "go", "java", "1.3",
          server_options=("curves=25",)),
)  # fmt: skip

# Names

_SNI = "sni-rejected"

_STRICT: dict[str, tuple[str, ...]] = {
    "nginx": ("ssl_reject_handshake on;",),
    "haproxy": ("strict-sni",),
    "openssl": ("-servername", HOST, "-servername_fatal", "-cert2", "server.pem", "-key2", "server.key"),
    "java": (f"sni={HOST}",),
    "go": (f"sni={HOST}",),
    "node": (f"sni={HOST}",),
    "gnutls": ("--sni-hostname", HOST, "--sni-hostname-fatal"),
    "python": (f"sni={HOST}",),
}

_NAMES = (
    *(
        _case(_SNI, "sni-unknown", "the server does not serve the name that the client asks for", server, client, tls,
              host=OTHER_HOST, server_options=_STRICT[server], also=also)
        for server, client, tls, also in (
            ("nginx", "curl", "1.2", ()),
            ("nginx", "java", "1.3", ()),
            ("haproxy", "curl", "1.2", ()),
            ("haproxy", "go", "1.3", ()),
            ("openssl", "python", "1.2", ()),
            ("openssl", "curl", "1.3", ()),
            ("java", "curl", "1.2", ()),
            ("java", "node", "1.3", ()),
            ("gnutls", "openssl", "1.3", ()),
            ("python", "gnutls", "1.2", ()),
            ("python", "java", "1.3", ()),
            # These two do not say by their alert what displeases them.
            ("go", "curl", "1.2", ("unexplained",)),
            ("node", "curl", "1.3", ("unexplained", "server-closed", "server-reset")),
        )
    ),
    *(
        _case(_SNI, "sni-absent", "the server wants a name, and the client asks for none", server, client, tls,
              host=host, server_options=_STRICT[server], client_options=options, also=also)
        for server, client, tls, host, options, also in (
            ("nginx", "curl", "1.3", "10.77.0.2", (), ()),
            ("haproxy", "java", "1.2", HOST, ("-Djsse.enableSNIExtension=false",), ()),
            ("haproxy", "curl", "1.3", "10.77.0.2", (), ()),
            ("python", "gnutls", "1.2", HOST, ("--disable-sni",), ()),
            ("go", "java", "1.3", HOST, ("-Djsse.enableSNIExtension=false",), ("unexplained",)),
        )
    ),
)  # fmt: skip

# Application protocols

_ALPN = "alpn-mismatch"

_PROTOCOLS = (
    *(
        _case(_ALPN, "alpn", "server and client name application protocols, but no common one", server, client, tls,
              server_options=server_options, client_options=client_options)
        for server, client, tls, server_options, client_options in (
            ("go", "curl", "1.2", ("alpn=mqtt",), ()),
            ("go", "openssl", "1.3", ("alpn=h2",), ("-alpn", "mqtt")),
            ("java", "curl", "1.2", ("alpn=h2",), ()),
            ("java", "python", "1.3", ("alpn=h2",), ("alpn=http/1.1",)),
            ("nginx", "openssl", "1.2", (), ("-alpn", "spdy/3")),
            ("nginx", "python", "1.3", (), ("alpn=spdy/3,mqtt",)),
            ("node", "curl", "1.3", ("alpn=h2",), ()),
            ("gnutls", "curl", "1.2", ("--alpn", "h2", "--alpn-fatal"), ()),
            ("gnutls", "python", "1.3", ("--alpn", "h2", "--alpn-fatal"), ("alpn=mqtt",)),
            ("openssl", "curl", "1.2", ("-alpn", "h2"), ()),
        )
    ),
    _case(None, "alpn-ignored", "none: this server makes an exception for HTTP/1.1", "go", "curl", "1.2",
          server_options=("alpn=h2",)),
    _case(None, "alpn-ignored", "none: this server does without a common protocol", "haproxy", "curl", "1.3",
          server_options=("alpn h2",)),
    _case(None, "alpn-ignored", "none: this server does without a common protocol", "python", "curl", "1.2",
          server_options=("alpn=h2",)),
)  # fmt: skip

# Clients without TLS

_IN_CLEAR = tuple(
    _case("client-not-tls", "plain-client", "the client speaks plain HTTP to the port of TLS", server, "curl-plain",
          "1.2", by=None)
    for server in ("apache", "gnutls", "go", "java", "nginx")
)  # fmt: skip

# Pre-shared keys

_PSK = "psk-mismatch"
_KEY, _OTHER_KEY = "aabbccddaabbccddaabbccddaabbccdd", "aabbccddaabbccddaabbccddaabbccee"
_GNUTLS_PSK = {
    "1.2": "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+PSK",
    "1.3": "--priority=NORMAL:-VERS-ALL:+VERS-TLS1.3:+PSK:+DHE-PSK:+ECDHE-PSK",
}

_SECRETS = (
    _case(_PSK, "psk-key", "client and server hold different pre-shared keys", "openssl", "openssl", "1.2",
          server_options=("-psk", _KEY, "-cipher", "PSK"),
          client_options=("-psk", _OTHER_KEY, "-tls1_2", "-cipher", "PSK")),
    *(
        _case(_PSK, what, fault, "gnutls", "gnutls", tls,
              server_options=("--pskpasswd", "keys.psk", _GNUTLS_PSK[tls]),
              client_options=("--pskusername", name, "--pskkey", key, _GNUTLS_PSK[tls]))
        for what, fault, name, key in (
            ("psk-key", "client and server hold different pre-shared keys", "me", _OTHER_KEY),
            ("psk-identity", "the server has no key for the client's identity", "nobody", _KEY),
        )
        for tls in ("1.2", "1.3")
    ),
    *(
        _case(_PSK, what, fault, "stunnel", "openssl", "1.2",
              server_options=("PSKsecrets = keys.psk", "ciphers = PSK"),
              client_options=("-psk", key, "-psk_identity", name, "-tls1_2", "-cipher", "PSK"))
        for what, fault, name, key in (
            ("psk-key", "client and server hold different pre-shared keys", "me", _OTHER_KEY),
            ("psk-identity", "the server has no key for the client's identity", "nobody", _KEY),
        )
    ),
)  # fmt: skip

# What is changed on its way, and what is wrong from the start

_INTEGRITY = "handshake-integrity"


def _changed(
    what: str,
    fault: str,
    change: str,
    server: str,
    client: str,
    tls: str,
    by: str,
    **settings: tuple[str, ...],
) -> Case:
    wire = ("box.py", f"change={change}")
    return _case(_INTEGRITY, f"changed-{what}", fault, server, client, tls, by=by, wire=wire, **settings)  # type: ignore[arg-type]


_BROKEN = (
    *(
        _changed("key-exchange", "a byte of the signature in the ServerKeyExchange is changed", "server:12:-1:0xff",
                 server, client, "1.2", "client")
        for server, client in (
            ("openssl", "curl"), ("nginx", "java"), ("go", "go"), ("haproxy", "gnutls"), ("java", "node"),
        )
    ),
    *(
        _changed("server-random", "a byte of the ServerHello's random is changed on its way", "server:2:10:0xff",
                 server, client, tls, "client")
        for server, client, tls in (
            ("openssl", "curl", "1.3"), ("nginx", "java", "1.3"), ("go", "gnutls", "1.3"), ("java", "go", "1.2"),
        )
    ),
    *(
        _changed("client-random", "a byte of the ClientHello's random is changed on its way", "client:1:10:0xff",
                 server, client, tls, "client")
        for server, client, tls in (("nginx", "curl", "1.2"), ("openssl", "go", "1.3"), ("haproxy", "java", "1.3"))
    ),
    *(
        _changed("suite", "the ServerHello's cipher suite is changed on its way", "server:2:72:0xf0",
                 server, client, "1.3", "client")
        for server, client in (("openssl", "python"), ("go", "java"), ("nginx", "gnutls"))
    ),
    *(
        _changed("client-finished", "a byte of the client's Finished is changed on its way", "client:finished:-1:0xff",
                 server, client, tls, "server")
        for server, client, tls in (
            ("openssl", "curl", "1.2"), ("nginx", "python", "1.2"), ("go", "curl", "1.3"), ("java", "go", "1.2"),
            ("haproxy", "curl", "1.3"), ("gnutls", "curl", "1.2"), ("node", "curl", "1.2"),
        )
    ),
    *(
        _changed("server-finished", "a byte of the server's first encrypted record is changed on its way",
                 "server:finished:-1:0xff", server, client, tls, "client")
        for server, client, tls in (
            ("openssl", "curl", "1.2"), ("nginx", "java", "1.2"), ("go", "go", "1.2"), ("openssl", "gnutls", "1.3"),
            ("nginx", "node", "1.3"),
        )
    ),
    *(
        _changed("client-key", "a byte of the ClientKeyExchange is changed on its way", "client:16:20:0xff",
                 server, "curl", "1.2", "server",)
        for server in ("openssl", "go", "java")
    ),
    *(
        _case(_INTEGRITY, f"broken-{fault}", words, "broken", client, "none", by="client", server_options=(fault,),
              also=also)
        for fault, words, also, clients in (
            ("suite", "the server chooses a cipher suite that was not offered", (), ("curl", "java", "go", "gnutls")),
            ("compression", "the server chooses compression, which was not offered", (), ("curl", "go")),
            ("short", "the server's ServerHello is cut short", (), ("curl", "java", "go", "gnutls")),
            ("order", "the server begins with a ServerHelloDone", (), ("curl", "java", "node")),
            ("overflow", "the server sends a record longer than records may be", ("not-tls",), ("curl", "java", "go")),
            ("retry-twice", "the server asks for another ClientHello twice", (), ("curl", "java", "go")),
            ("share", "the server's key share is no point of its curve", (), ("curl", "go")),
        )
        for client in clients
    ),
)  # fmt: skip

CASES: tuple[Case, ...] = (*_VERSIONS, *_PARAMETERS, *_NAMES, *_PROTOCOLS, *_IN_CLEAR, *_SECRETS, *_BROKEN)
