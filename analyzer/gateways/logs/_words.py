"""What products say of a failed handshake: texts of TLS libraries, and the causes that each stands for.

Every format of a log uses this one table. A row is a text in lower case as it stands in the log, the cause codes that
it may mean when whoever wrote it is the TLS client (a gateway towards its backend), and, where that is something
else, when it is the server. The texts are those that a library prints for a fault whatever the capture: OpenSSL's
`X509_verify_cert_error_string` (x509_txt.c) and `ssl_err.c`, BoringSSL, the JDK's certpath and ssl packages, Go's
crypto/x509 and crypto/tls, .NET's `SslStream` and Schannel, Node's error codes, the alert names of RFC 8446.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.certificate import SERVER_CERTIFICATE_CODES

__all__ = ["ANY_CERTIFICATE", "NO_CONNECTION", "Said", "alert_codes", "read_words"]

ANY_CERTIFICATE: Final = frozenset(SERVER_CERTIFICATE_CODES)
"""The server's certificate was refused, and the text does not tell for what."""

_EXPIRED: Final = frozenset({"expired-leaf", "expired-intermediate", "expired-root"})
_NAME: Final = frozenset({"hostname-mismatch", "hostname-only-in-cn"})
_NO_PATH: Final = frozenset(
    {"missing-root", "missing-intermediate", "self-signed-leaf", "root-key-mismatch", "anchor-not-self-signed"}
)
_CLIENT_REFUSED: Final = frozenset({"client-cert-untrusted", "client-cert-expired", "client-cert-rejected"})
_LEFT: Final = frozenset({"client-closed", "certificate-rejected"}) | ANY_CERTIFICATE
_SERVER_LEFT: Final = frozenset({"server-closed", "server-reset", "client-cert-missing", "client-cert-rejected"})
_VERSION: Final = frozenset({"protocol-version-mismatch"})
_CIPHER: Final = frozenset({"no-shared-cipher"})
_CIPHER_OR_VERSION: Final = _CIPHER | _VERSION
_BROKEN: Final = frozenset({"handshake-integrity", "psk-mismatch"})
_SILENT: Final = frozenset({"server-silent", "connect-timeout", "path-mtu-blackhole", "client-closed"})
_NOT_REACHED: Final = frozenset({"connect-timeout", "connection-refused", "server-silent", "path-mtu-blackhole"})
NO_CONNECTION: Final = (
    ANY_CERTIFICATE | _CIPHER_OR_VERSION | _NOT_REACHED | _SERVER_LEFT | _CLIENT_REFUSED
    | _BROKEN
    | {"not-tls", "sni-rejected", "certificate-rejected", "client-closed", "unexplained"}
)  # fmt: skip
"""A product that says only that there is no connection to its backend."""
_MANY: Final = 8
"""A text that may mean more causes than this says that something failed, not why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a line says: its words as they stand in it, and what they mean.

    `as_client` and `as_server` are the causes they may mean when the writer is that side of the connection, empty
    when they say nothing of a cause. `alert` is the number of an alert that came from the other side, `sent` that of
    one that the writer sent.
    """

    words: tuple[str, ...] = ()
    as_client: frozenset[str] = frozenset()
    as_server: frozenset[str] = frozenset()
    alert: int | None = None
    sent: int | None = None

    def codes(self, side: str | None) -> frozenset[str]:
        """The causes it may mean for a writer that is `client` or `server`, or not known."""
        if side is None:
            return self.as_client | self.as_server
        return self.as_server if side == "server" else self.as_client

    def tells(self, side: str | None) -> bool:
        """Whether it says why, rather than only that it failed."""
        return 0 < len(self.codes(side)) <= _MANY


def _row(text: str, codes: Iterable[str], as_server: Iterable[str] | None = None) -> tuple[str, _Meaning]:
    client = frozenset(codes)
    server = _for_a_client_certificate(client) if as_server is None else frozenset(as_server)
    return text, (client, server)


_Meaning = tuple[frozenset[str], frozenset[str]]


def _for_a_client_certificate(codes: frozenset[str]) -> frozenset[str]:
    """What a fault of the peer's certificate is when the writer is the server."""
    if not codes or not codes <= ANY_CERTIFICATE:
        return codes
    if codes <= _EXPIRED | {"not-yet-valid"}:
        return frozenset({"client-cert-expired", "client-cert-rejected"})
    if codes >= _EXPIRED:
        return _CLIENT_REFUSED
    return frozenset({"client-cert-untrusted", "client-cert-rejected"})


_ROOT: Final = frozenset({"missing-root"})
_USAGE: Final = frozenset({"wrong-key-usage"})
_NOT_CA: Final = frozenset({"issuer-not-ca"})
_KEY: Final = frozenset({"weak-key"})
_DIGEST: Final = frozenset({"weak-signature"})
_SIGNATURE: Final = frozenset({"bad-signature", "root-key-mismatch"})
_REVOKED: Final = frozenset({"revoked"})
_MALFORMED: Final = frozenset({"malformed-certificate"})
_CONSTRAINT: Final = frozenset({"name-constraint-violation"})
_CRITICAL: Final = frozenset({"unknown-critical-extension"})
_LENGTH: Final = frozenset({"path-too-long"})
_DEPTH: Final = frozenset({"chain-too-long"})
_WANTED: Final = frozenset({"client-cert-missing"})
_REFUSED: Final = frozenset({"connection-refused"})
_RESET: Final = frozenset({"server-reset", "middlebox-reset", "client-cert-missing", "client-cert-rejected"})
_NOT_TLS: Final = frozenset({"not-tls"})
_IN_CLEAR: Final = frozenset({"client-not-tls"})

_TABLE: Final[dict[str, _Meaning]] = dict(
    [
        # OpenSSL, X509_verify_cert_error_string: openssl, nginx, HAProxy, Apache, curl, Python, Ruby, PHP, stunnel
        _row("unable to get local issuer certificate", _NO_PATH | _DEPTH),
        _row("unable to verify the first certificate", {"missing-intermediate", "missing-root", "root-key-mismatch"}),
        _row("unable to get issuer certificate", {"missing-root", "anchor-not-self-signed", "chain-too-long"}),
        _row("self-signed certificate in certificate chain", {"missing-root", "root-key-mismatch"}),
        _row("self signed certificate in certificate chain", {"missing-root", "root-key-mismatch"}),
        _row("self-signed certificate", {"self-signed-leaf", "missing-root"}),
        _row("self signed certificate", {"self-signed-leaf", "missing-root"}),
        _row("certificate has expired", _EXPIRED),
        _row("certificate is not yet valid", {"not-yet-valid"}),
        _row("certificate signature failure", _SIGNATURE),
        _row("unable to decrypt certificate's signature", _SIGNATURE | _MALFORMED),
        _row("certificate chain too long", _DEPTH),
        _row("certificate revoked", _REVOKED),
        _row("invalid ca certificate", _NOT_CA),
        _row("invalid non-ca certificate", _NOT_CA | _MALFORMED),
        _row("path length constraint exceeded", _LENGTH),
        _row("unsuitable certificate purpose", _USAGE),
        _row("unsupported certificate purpose", _USAGE),
        _row("certificate not trusted", _NO_PATH | _USAGE),
        _row("key usage does not include certificate signing", _NOT_CA),
        _row("unhandled critical extension", _CRITICAL),
        _row("permitted subtree violation", _CONSTRAINT),
        _row("excluded subtree violation", _CONSTRAINT),
        _row("hostname mismatch", _NAME),
        _row("ip address mismatch", _NAME),
        _row("certificate key too weak", _KEY),
        _row("ca signature digest algorithm too weak", _DIGEST),
        _row("ca md too weak", _DIGEST),
        _row("ca key too small", _KEY),
        _row("ee key too small", _KEY),
        _row("certificate verify failed", ANY_CERTIFICATE),
        _row("certificate_verify_failed", ANY_CERTIFICATE),
        # OpenSSL and BoringSSL, the handshake itself
        _row("wrong version number", _NOT_TLS | _VERSION),
        _row("wrong_version_number", _NOT_TLS | _VERSION),
        _row("http request", set(), _IN_CLEAR | _NOT_TLS | _BROKEN),
        _row("client sent plain http request to https port", set(), _IN_CLEAR),
        _row("http spoken on https port", set(), _IN_CLEAR),
        _row("client sent an http request to an https server", set(), _IN_CLEAR),
        _row("unsupported protocol", _VERSION),
        _row("unsupported_protocol", _VERSION),
        _row("version too low", _VERSION),
        _row("no protocols available", _VERSION),
        _row("no shared cipher", _CIPHER),
        _row("no_shared_cipher", _CIPHER),
        _row("no ciphers available", _CIPHER),
        _row("no shared group", _CIPHER),
        _row("no suitable key share", _CIPHER),
        _row("no suitable signature algorithm", _CIPHER),
        _row("no common signature algorithms", _CIPHER),
        _row("wrong signature type", _CIPHER),
        _row("dh key too small", _CIPHER | _BROKEN),
        _row("legacy sigalg disallowed or unsupported", _CIPHER | _VERSION),
        _row("unsafe legacy renegotiation disabled", _BROKEN),
        _row("peer did not return a certificate", set(), _WANTED),
        _row("peer_did_not_return_a_certificate", set(), _WANTED),
        _row("no required ssl certificate was sent", set(), _WANTED),
        _row("client sent no required ssl certificate", set(), _WANTED),
        _row("ssl client ca chain cannot be verified", set(), {"client-cert-untrusted", "client-cert-rejected"}),
        _row("unexpected eof while reading", _SERVER_LEFT, _LEFT),
        _row("unexpected message", _BROKEN),
        _row("decryption failed or bad record mac", _BROKEN),
        _row("bad signature", _BROKEN | _SIGNATURE),
        _row("digest check failed", _BROKEN),
        _row("packet length too long", _BROKEN | _NOT_TLS),
        _row("clienthello tlsext", {"sni-rejected"} | _BROKEN),
        # nginx, Kong, OpenResty, ingress
        _row("upstream ssl certificate does not match", _NAME),
        _row("ssl certificate verify error", ANY_CERTIFICATE),
        _row("peer closed connection in ssl handshake", _SERVER_LEFT, _LEFT),
        _row("upstream timed out", _SILENT),
        _row("upstream prematurely closed connection", _SERVER_LEFT),
        # HAProxy
        _row("server presented an ssl certificate different from", _NAME),
        _row("ssl handshake failure", ANY_CERTIFICATE | _CIPHER | _VERSION | _SERVER_LEFT | _BROKEN, _LEFT | _CIPHER),
        _row("timeout during ssl handshake", _SILENT),
        _row("connection closed during ssl handshake", _SERVER_LEFT, _LEFT),
        _row("connection error during ssl handshake", _RESET, _LEFT),
        _row("layer6 timeout", _SILENT),
        _row("layer4 timeout", _NOT_REACHED),
        _row("layer4 connection problem", _NOT_REACHED),
        _row("server ca chain", ANY_CERTIFICATE),
        # Apache
        _row("ssl proxy: peer certificate does not match", _NAME),
        _row("ssl proxy requires a name match", _NAME),
        _row("ah02411", _NAME),
        _row("ah02005", _NAME),
        _row("ah02276", ANY_CERTIFICATE),
        _row("error during ssl handshake with remote server", set()),
        _row("certificate verification: error", ANY_CERTIFICATE),
        # Azure Application Gateway, backend health
        _row("does not match the probe or backend setting hostname", _NAME),
        _row("backend certificate is invalid", _EXPIRED | {"not-yet-valid"}),
        _row("intermediate certificate is missing from the certificate chain", {"missing-intermediate"}),
        _row("leaf certificate is not the topmost certificate", {"wrong-chain-order"}),
        _row("is not signed by a well-known ca", _ROOT | {"self-signed-leaf"}),
        _row("not signed by any root certificates uploaded", _ROOT),
        _row("doesn't match the trusted root certificate", _ROOT | {"root-key-mismatch"}),
        _row("does not match the trusted root certificate", _ROOT | {"root-key-mismatch"}),
        _row("errorinfo_upstream_timed_out", _SILENT),
        _row("errorinfo_upstream_closed_connection", _SERVER_LEFT),
        _row("errorinfo_https_no_cert", set(), _WANTED),
        # Java
        _row("pkix path building failed", _NO_PATH),
        _row("unable to find valid certification path", _NO_PATH),
        _row("could not build a valid certpath", _NO_PATH),
        _row("is not trusted. internal cause is", _NO_PATH),
        _row("no trusted certificate found", _NO_PATH),
        _row("trust anchor for certification path not found", _NO_PATH),
        _row("path does not chain with any of the trust anchors", _NO_PATH),
        _row("trustanchors parameter must be non-empty", _NO_PATH),
        _row("validity check failed", _EXPIRED | {"not-yet-valid"}),
        _row("certificateexpiredexception", _EXPIRED),
        _row("certificatenotyetvalidexception", {"not-yet-valid"}),
        _row("no subject alternative", _NAME),
        _row("no name matching", _NAME),
        _row("hostname in certificate didn't match", _NAME),
        _row("doesn't match any of the subject alternative names", _NAME),
        _row("doesn't match the common name", _NAME),
        _row("does not match the certificate subject provided by the peer", _NAME),
        _row("extended key usage does not permit", _USAGE),
        _row("keyusage does not allow", _USAGE),
        _row("keycertsign bit is not set", _NOT_CA),
        _row("basic constraints check failed", _NOT_CA | _LENGTH),
        _row("is not a ca certificate", _NOT_CA),
        _row("name constraints check failed", _CONSTRAINT),
        _row("unrecognized critical extension", _CRITICAL),
        _row("unsupported critical extension", _CRITICAL),
        _row("signature check failed", _SIGNATURE),
        _row("algorithm constraints check failed", _KEY | _DIGEST),
        _row("certificates do not conform to algorithm constraints", _KEY | _DIGEST),
        _row("certificate has been revoked", _REVOKED),
        _row("pkix path validation failed", ANY_CERTIFICATE),
        _row("no appropriate protocol", _VERSION | _CIPHER),
        _row("is not enabled or supported in server context", _VERSION),
        _row("no cipher suites in common", _CIPHER),
        _row("no negotiable cipher suite", _CIPHER),
        _row("unsupported or unrecognized ssl message", _NOT_TLS),
        _row("unrecognized ssl message, plaintext connection", _NOT_TLS),
        _row("remote host terminated the handshake", _SERVER_LEFT, _LEFT),
        _row("remote host closed connection during handshake", _SERVER_LEFT, _LEFT),
        _row("ssl peer shut down incorrectly", _SERVER_LEFT, _LEFT),
        _row("empty client certificate chain", set(), _WANTED),
        _row("null cert chain", set(), _WANTED),
        _row("bad_certificate", ANY_CERTIFICATE),
        _row("general sslengine problem", ANY_CERTIFICATE | _CIPHER | _VERSION | _BROKEN),
        _row("handshaketimeout", _SILENT),
        _row("handshake timed out", _SILENT),
        _row("sslhandshakefailed", set()),
        _row("unexpectedeofattarget", {"server-closed", "server-reset"}),
        # Go, Traefik
        _row("certificate signed by unknown authority", _NO_PATH | _SIGNATURE),
        _row("certificate has expired or is not yet valid", _EXPIRED | {"not-yet-valid"}),
        _row("x509: certificate is valid for", _NAME),
        _row("x509: certificate is not valid for any names", _NAME),
        _row("doesn't contain any ip sans", _NAME),
        _row("relies on legacy common name field", {"hostname-only-in-cn"}),
        _row("certificate specifies an incompatible key usage", _USAGE),
        _row("parent certificate cannot sign this kind of certificate", _NOT_CA),
        _row("certificate is not authorized to sign other certificates", _NOT_CA),
        _row("too many intermediates for path length constraint", _LENGTH),
        _row("name constraints", _CONSTRAINT),
        _row("insecure algorithm", _DIGEST),
        _row("malformed certificate", _MALFORMED),
        _row("server gave http response to https client", _NOT_TLS),
        _row("first record does not look like a tls handshake", _NOT_TLS),
        _row("client didn't provide a certificate", set(), _WANTED),
        _row("tls handshake timeout", _SILENT),
        _row("tls: failed to verify certificate", ANY_CERTIFICATE),
        # .NET, Azure API Management
        _row("remotecertificatenamemismatch", _NAME),
        _row("untrustedroot", _ROOT | {"self-signed-leaf"}),
        _row("partialchain", {"missing-intermediate", "missing-root"}),
        _row("nottimevalid", _EXPIRED | {"not-yet-valid"}),
        _row("notsignaturevalid", _SIGNATURE),
        _row("notvalidforusage", _USAGE),
        _row("invalidbasicconstraints", _NOT_CA | _LENGTH),
        _row("remotecertificatechainerrors", ANY_CERTIFICATE),
        _row("remotecertificatenotavailable", set(), _WANTED),
        _row("could not establish trust relationship for the ssl/tls secure channel", ANY_CERTIFICATE),
        _row("the remote certificate is invalid", ANY_CERTIFICATE),
        _row("rejected by the provided remotecertificatevalidationcallback", ANY_CERTIFICATE),
        _row("0x80072f8f", ANY_CERTIFICATE),
        _row("could not create ssl/tls secure channel", _VERSION | _CIPHER | _WANTED | _CLIENT_REFUSED),
        _row("the client and server cannot communicate, because they do not possess a common algorithm",
             _VERSION | _CIPHER),
        _row("an unexpected error occurred on a send", _SERVER_LEFT | _VERSION | _CIPHER),
        _row("an unexpected error occurred on a receive", _SERVER_LEFT | _VERSION | _CIPHER),
        _row("received an unexpected eof or 0 bytes from the transport stream", _SERVER_LEFT, _LEFT),
        _row("cannot determine the frame size or a corrupted frame was received", _NOT_TLS | _BROKEN),
        _row("the handshake failed due to an unexpected packet format", _NOT_TLS | _BROKEN),
        # Node
        _row("unable_to_get_issuer_cert_locally", _NO_PATH),
        _row("unable_to_verify_leaf_signature", {"missing-intermediate", "missing-root", "root-key-mismatch"}),
        _row("unable_to_get_issuer_cert", {"missing-root", "anchor-not-self-signed"}),
        _row("depth_zero_self_signed_cert", {"self-signed-leaf"}),
        _row("self_signed_cert_in_chain", {"missing-root", "root-key-mismatch"}),
        _row("cert_has_expired", _EXPIRED),
        _row("cert_not_yet_valid", {"not-yet-valid"}),
        _row("err_tls_cert_altname_invalid", _NAME),
        _row("hostname/ip does not match certificate's altnames", _NAME),
        _row("hostname/ip doesn't match certificate's altnames", _NAME),
        _row("invalid_purpose", _USAGE),
        _row("cert_revoked", _REVOKED),
        _row("client network socket disconnected before secure tls connection was established", _SERVER_LEFT),
        # curl, GnuTLS, Envoy, gRPC
        _row("no alternative certificate subject name matches", _NAME),
        _row("does not match target host name", _NAME),
        _row("ssl_error_syscall in connection to", _SERVER_LEFT),
        _row("the certificate issuer is unknown", _NO_PATH),
        _row("hasn't got a known issuer", _NO_PATH),
        _row("the certificate chain uses expired certificate", _EXPIRED),
        _row("the name in the certificate does not match the expected", _NAME),
        _row("verify cert failed: verify san list", _NAME),
        _row("verify_cert_failed", ANY_CERTIFICATE),
        _row("unable to get local issuer", _NO_PATH | _DEPTH),
        # below TLS
        _row("connection refused", _REFUSED),
        _row("econnrefused", _REFUSED),
        _row("connection reset by peer", _RESET, _LEFT),
        _row("connection_reset_by_peer", _RESET, _LEFT),
        _row("econnreset", _RESET, _LEFT),
        _row("connection reset", _RESET, _LEFT),
        _row("forcibly closed by the remote host", _RESET, _LEFT),
        _row("broken pipe", _RESET | {"server-closed"}, _LEFT),
        _row("connection timed out", _NOT_REACHED),
        _row("connect timed out", _NOT_REACHED),
        _row("read timed out", _SILENT | _WANTED),
        _row("i/o timeout", _NOT_REACHED),
        _row("etimedout", _NOT_REACHED),
    ]
)  # fmt: skip

_ALERTS: Final[dict[str, int]] = {
    "unexpected message": 10, "bad record mac": 20, "handshake failure": 40, "no certificate": 41,
    "bad certificate": 42, "unsupported certificate": 43, "revoked certificate": 44, "certificate revoked": 44,
    "expired certificate": 45, "certificate expired": 45, "unknown certificate": 46, "certificate unknown": 46,
    "illegal parameter": 47, "unknown ca": 48, "unknown certificate authority": 48, "access denied": 49,
    "decode error": 50, "error decoding message": 50, "decrypt error": 51, "error decrypting message": 51,
    "protocol version": 70, "protocol version not supported": 70, "insufficient security": 71,
    "insufficient security level": 71, "internal error": 80, "inappropriate fallback": 86, "user canceled": 90,
    "missing extension": 109, "unsupported extension": 110, "unrecognized name": 112,
    "bad certificate status response": 113, "certificate required": 116, "no application protocol": 120,
}  # fmt: skip
"""Names of alerts as libraries spell them, blanks for underscores: RFC 8446 section 6, Go's alert.go."""

_FROM_SERVER: Final[dict[int, frozenset[str]]] = {
    40: _CIPHER | _VERSION | _WANTED | _CLIENT_REFUSED | {"sni-rejected"},
    70: _VERSION, 71: _CIPHER, 80: _BROKEN | _CIPHER | _VERSION | {"sni-rejected"}, 86: _VERSION,
    112: frozenset({"sni-rejected"}), 116: _WANTED, 120: frozenset({"alpn-mismatch"}),
    41: _WANTED, 42: _CLIENT_REFUSED | _WANTED, 43: _CLIENT_REFUSED, 44: _CLIENT_REFUSED,
    45: frozenset({"client-cert-expired", "client-cert-rejected"}), 46: _CLIENT_REFUSED,
    48: frozenset({"client-cert-untrusted", "client-cert-rejected"}), 49: _CLIENT_REFUSED,
    109: _BROKEN | _CIPHER, 10: _BROKEN, 20: _BROKEN, 47: _BROKEN | _CIPHER, 50: _BROKEN, 51: _BROKEN, 110: _BROKEN,
}  # fmt: skip
_CERTIFICATE_ALERTS: Final = frozenset({42, 43, 44, 45, 46, 48, 49, 113})


def alert_codes(number: int, sender: str) -> frozenset[str]:
    """The causes that an alert of a sender, `client` or `server`, is for, as stacks use them."""
    if sender == "server" or number not in _CERTIFICATE_ALERTS:
        return _FROM_SERVER.get(number, frozenset())
    if number == 44:
        return _REVOKED | {"certificate-rejected"}
    if number == 45:
        return _EXPIRED | {"not-yet-valid", "certificate-rejected"}
    return ANY_CERTIFICATE | {"certificate-rejected"}


_TOKEN: Final = re.compile(r"[a-z0-9]+")
_BY_WORD: Final[dict[str, list[str]]] = {}
"""The texts of the table by the longest word in each: a line is compared with those few whose word is in it."""
for _text in _TABLE:
    _BY_WORD.setdefault(max(_TOKEN.findall(_text), key=len), []).append(_text)
_NUMBER: Final = re.compile(r"\b(?:ssl )?alert number (\d{1,3})\b")
_RECEIVED: Final = re.compile(
    r"(?:received fatal alert: |fatal alert received: |remote error: tls: |(?:ssl|tls)v[\d.]+ alert |"
    r"(?:ssl|tls)v\d+_alert_)([a-z]+(?:[ _][a-z]+){0,3})"
)
_SENT: Final = re.compile(r"\bfatal \(([a-z]+(?:_[a-z]+){0,3})\)|\balert fatal (?:[\w-]{1,40} )?\b(unknown_ca)\b")
_VERIFY: Final = re.compile(r"\bverify error:? ?num[=:] ?(\d{1,3})\b|\bx509_v_err(?:or)?(?: code)?[ :=]+(\d{1,3})\b")
_X509: Final[dict[int, str]] = {
    2: "unable to get issuer certificate", 7: "certificate signature failure", 9: "certificate is not yet valid",
    10: "certificate has expired", 18: "self-signed certificate", 19: "self-signed certificate in certificate chain",
    20: "unable to get local issuer certificate", 21: "unable to verify the first certificate",
    22: "certificate chain too long", 23: "certificate revoked", 24: "invalid ca certificate",
    25: "path length constraint exceeded", 26: "unsuitable certificate purpose", 27: "certificate not trusted",
    32: "key usage does not include certificate signing", 34: "unhandled critical extension",
    47: "permitted subtree violation", 48: "excluded subtree violation", 62: "hostname mismatch",
    64: "ip address mismatch", 66: "certificate key too weak", 67: "ca key too small",
    68: "ca signature digest algorithm too weak", 79: "invalid ca certificate",
}  # fmt: skip
"""Numbers of OpenSSL's x509_vfy.h and the text of each."""
_MOST_WORDS: Final = 6


def read_words(text: str) -> Said | None:
    """What a text says; None when there is no word of a failure in it."""
    low = text.lower()
    words: dict[str, _Meaning] = {}
    tokens = _BY_WORD.keys() & _TOKEN.findall(low)
    for known in sorted((text for token in tokens for text in _BY_WORD[token] if text in low), key=len, reverse=True):
        if not any(known in longer for longer in words):
            words[known] = _TABLE[known]
    for match in _VERIFY.finditer(low) if "num" in low or "x509_v" in low else ():
        name = _X509.get(int(match[1] or match[2]))
        if name is not None:
            words.setdefault(name, _TABLE[name])
    received = _alert_of(low) if "alert" in low or "remote error" in low else None
    sent = _SENT.search(low) if "fatal" in low else None
    sent_number = _ALERTS.get((sent[1] or sent[2]).replace("_", " ")) if sent is not None else None
    if not words and received is None and sent_number is None:
        return None
    if received is not None:
        # The peer said it, so its own words for the alert are no finding of the writer.
        number, name = received
        words = {word: meaning for word, meaning in words.items() if word not in _SAME_AS_AN_ALERT}
        words[name] = alert_codes(number, "server"), alert_codes(number, "client")
    return Said(
        words=_as_written(words, text, low),
        as_client=_narrowed(meaning[0] for meaning in words.values()),
        as_server=_narrowed(meaning[1] for meaning in words.values()),
        alert=received[0] if received is not None else None,
        sent=sent_number,
    )


def _as_written(words: Iterable[str], text: str, low: str) -> tuple[str, ...]:
    """The words in the order and the letters of the text, as far as they stand in it."""
    same = len(low) == len(text)
    places = sorted((place if (place := low.find(word)) >= 0 else len(low), word) for word in words)
    return tuple(text[at : at + len(word)] if same and at < len(low) else word for at, word in places[:_MOST_WORDS])


_SAME_AS_AN_ALERT: Final = frozenset({"bad_certificate", "unexpected message", "certificate revoked"})


def _alert_of(low: str) -> tuple[int, str] | None:
    """The number and the words of an alert that came from the other side."""
    number = _NUMBER.search(low)
    if number is not None:
        return int(number[1]), f"alert number {number[1]}"
    match = _RECEIVED.search(low)
    if match is None:
        return None
    words = match[1].replace("_", " ").split()
    for count in range(len(words), 0, -1):
        found = _ALERTS.get(" ".join(words[:count]))
        if found is not None:
            return found, " ".join(words[:count])
    return None


def _narrowed(meanings: Iterable[frozenset[str]]) -> frozenset[str]:
    """The causes that all the words of a line allow; where they exclude one another, those of the most telling."""
    allowed: frozenset[str] = frozenset()
    for codes in sorted((codes for codes in meanings if codes), key=len):
        allowed = allowed & codes or allowed if allowed else codes
    return allowed
