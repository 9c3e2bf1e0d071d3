"""Client and server have no protocol version in common.

The versions of TLS that the client offers and those that the server takes have none in common.

Aborted by: server, or client. Confidence: certain, likely or possible.

## What happened
An old client meets a server that has switched off TLS 1.0 and 1.1, or a modern client meets an old server.
After an upgrade of either side a connection that always worked stops.

## How we know
- Certain: the ServerHello chooses a version that the ClientHello does not offer, whatever the client did then.
- Certain: a fatal alert protocol_version (70), or inappropriate_fallback (86), ended the handshake.
- Likely: the server chose TLS 1.1 or older, and the client sent internal_error (80) or insufficient_security (71)
  after the ServerKeyExchange, as OpenSSL 3 clients do that refuse its SHA-1 signature.
- Likely: the client offers TLS 1.1 at most, and the server answered with handshake_failure (40) or, as OpenSSL 3
  does when only its security level stands in the way, internal_error (80). Possible: it lacks only one of TLS 1.2
  and 1.3 (a GnuTLS server that wants 1.3 answers 40, as does Mbed TLS 2 to a client that offers nothing older), or
  the server left silently.
- The report shows what was offered, and which version this server chose in other connections of the capture.
- A server that cannot do better may simply close: then the report says `server-closed` or `server-reset`.

## What to do
1. See what the server takes:

       openssl s_client -connect HOST:443 -servername HOST -tls1_2 </dev/null
       openssl s_client -connect HOST:443 -servername HOST -tls1_3 </dev/null

2. The older side has to move. Server operator: enable TLS 1.2 at least (nginx `ssl_protocols TLSv1.2 TLSv1.3;`,
   HAProxy `ssl-min-ver TLSv1.2`).
3. Gateway operator: look at what limits the client. Java: `jdk.tls.client.protocols`,
   `jdk.tls.disabledAlgorithms`. nginx: `proxy_ssl_protocols`. OpenSSL: `MinProtocol` in openssl.cnf, and the
   security level. Apigee: `Protocols` in SSLInfo; Apigee X takes no TLS 1.0 and 1.1.
4. inappropriate_fallback: the client tried again with a lower version after a failure. Look for the first
   failure.

## In the log
- OpenSSL, curl (client): `tlsv1 alert protocol version`, `SSL alert number 70`
- nginx (client): `tlsv1 alert protocol version:SSL alert number 70`; as a server:
  `SSL routines::unsupported protocol`
- Java (client): `Received fatal alert: protocol_version`
- Go (client): `remote error: tls: protocol version not supported`; as a server:
  `tls: client offered only unsupported versions: [303 302 301]`
- GnuTLS (client): `Received alert [70]: Error in protocol version`
- HAProxy (server): `SSL handshake failure`

## Not to be confused with
- `no-shared-cipher`: the version is agreed, the rest is not. The alert is 40.
- `not-tls`: OpenSSL's `wrong version number` is about bytes that are no TLS at all.
- `server-closed`: an old server that answers with a FIN.

## References
- RFC 8446 sections 4.1.3, 4.2.1 and 6.2; RFC 5246 appendix E; RFC 7507 (inappropriate_fallback)
- RFC 8996: TLS 1.0 and 1.1 deprecated
- nginx: `ssl_protocols`, `proxy_ssl_protocols`; Java: JSSE Reference Guide
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.conformance import breaches, confidence
from analyzer.diagnosis.offer import lacking, newest, refused_at_hello, versions_lacking
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import ProtocolVersion, version_name
from analyzer.tls.connection import Side
from analyzer.tls.messages import ClientHello

_CODE: Final = "protocol-version-mismatch"


def look(case: Case) -> Match | None:
    """A version that was not offered, an alert that says so, or a client that offers too little."""
    ending = case.ending
    if ending is None or ending.side is None:
        return None
    chosen = next((breach for breach in breaches(case) if breach.code == _CODE), None)
    if chosen is not None:
        return Match(
            confidence=confidence(case, chosen),
            explanation=f"The two have no version in common: {chosen.text}. "
            f"The {ending.side.value} {case.leaving_text}.",
            evidence=(
                Evidence(chosen.packet, chosen.evidence),
                Evidence(ending.packet, f"the {ending.side.value} {case.leaving_text}"),
            ),
            weight=4,
        )
    if _refuses_old_signature(case):
        return Match(
            confidence=LIKELY,
            explanation=f"The server chose {version_name(case.connection.version or 0)}; the client broke off with "
            f"{case.alert_text()} at the ServerKeyExchange, which is signed with SHA-1 in that version: OpenSSL 3 does "
            "so at its usual security level. The server has to offer TLS 1.2 or later.",
            evidence=(Evidence(ending.packet, f"the client sent the alert {case.alert_text()}"),),
            weight=3,
        )
    if case.fatal_alert in (Alert.PROTOCOL_VERSION, Alert.INAPPROPRIATE_FALLBACK):
        return _said_so(case, ending.side, ending.packet)
    return _may_be(case, ending.packet)


def _said_so(case: Case, side: Side, packet: int | None) -> Match:
    hello = case.connection.client_hello
    offered = _names(hello) if hello is not None else "unknown versions"
    if side is Side.SERVER:
        text = f"The client offered {offered}; the server sent the alert {case.alert_text()}: it speaks none of these."
    else:
        chosen = version_name(case.connection.version) if case.connection.version is not None else "a version"
        text = f"The server chose {chosen}; the client, which offered {offered}, refused with {case.alert_text()}."
    return Match(
        confidence=CERTAIN,
        explanation=text,
        evidence=(Evidence(packet, f"the {side.value} sent the alert {case.alert_text()}"),),
        weight=2,
    )


def _may_be(case: Case, packet: int | None) -> Match | None:
    """The server refused a hello that lacks a version which servers may insist on."""
    hello = refused_at_hello(case)
    if hello is None or case.fatal_alert not in (None, Alert.HANDSHAKE_FAILURE, Alert.INTERNAL_ERROR):
        return None
    missing = versions_lacking(hello)
    old = newest(hello) < ProtocolVersion.TLS_1_2
    if not missing or (case.fatal_alert == Alert.INTERNAL_ERROR and not old):
        return None
    names = " and ".join(map(version_name, missing))
    text = f"The client offers {_names(hello)}, and not {names}: a server that insists on it may answer so."
    likely = old and case.fatal_alert is not None
    if case.fatal_alert == Alert.INTERNAL_ERROR:
        text += " OpenSSL 3 does with internal_error, when the version is switched on and its security level forbids "
        text += "the SHA-1 signature that goes with it."
    # Who offers all that is usual in TLS 1.3 finds a server of TLS 1.3 that takes it.
    without_older = missing == (ProtocolVersion.TLS_1_2,) and not lacking(hello) and case.fatal_alert is not None
    if without_older:
        text += " One that is older than TLS 1.3 finds no cipher suite of its own in such a hello."
    return Match(
        confidence=LIKELY if likely else POSSIBLE,
        explanation=text,
        evidence=(
            Evidence(case.connection.hellos[0].packet, f"the ClientHello does not offer {names}"),
            Evidence(packet, f"the server {case.leaving_text}"),
        ),
        weight=3 if likely or without_older else 1,
    )


def _names(hello: ClientHello) -> str:
    return ", ".join(map(version_name, hello.offered_versions)) or "no version"


def _refuses_old_signature(case: Case) -> bool:
    """Before TLS 1.2 the key exchange is signed with MD5 and SHA-1 (RFC 4346 section 7.4.3)."""
    connection = case.connection
    return (
        case.ended_by(Side.CLIENT)
        and case.fatal_alert in (Alert.INTERNAL_ERROR, Alert.INSUFFICIENT_SECURITY)
        and connection.version is not None
        and connection.version <= ProtocolVersion.TLS_1_1
        and connection.server_key_exchange is not None
    )


CAUSE = Cause(
    code=_CODE,
    title="Client and server have no protocol version in common",
    look=look,
    covers=("client-closed", "unexplained"),
)
