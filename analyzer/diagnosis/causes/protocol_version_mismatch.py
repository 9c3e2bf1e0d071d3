"""Client and server have no protocol version in common.

The versions of TLS that the client offers and those that the server takes have none in common.

Aborted by: server, or client. Confidence: certain or likely.

## What happened
An old client meets a server that has switched off TLS 1.0 and 1.1, or a modern client meets an old server.
After an upgrade of either side a connection that always worked stops.

## How we know
- A fatal alert protocol_version (70), or inappropriate_fallback (86), ended the handshake. Then it is
  certain.
- From the server: nothing that the client offered suits it. The report lists what was offered
  (supported_versions, else the version of the ClientHello).
- From the client: the server chose a version that the client does not want.
- A server that cannot do better may simply close: then the report says `server-closed` or `server-reset`.
- Likely: the server chose TLS 1.1 or older, and the client sent internal_error (80) or insufficient_security (71)
  after the ServerKeyExchange, as OpenSSL 3 clients do that refuse its SHA-1 signature.

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

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import ProtocolVersion, version_name
from analyzer.tls.connection import Side


def look(case: Case) -> Match | None:
    """An alert protocol_version, or inappropriate_fallback, from either side."""
    ending = case.ending
    alert = case.fatal_alert
    if ending is None or ending.side is None:
        return None
    if _refuses_old_signature(case):
        return Match(
            confidence=LIKELY,
            explanation=f"The server chose {version_name(case.connection.version or 0)}; the client broke off with "
            f"{case.alert_text()} at the ServerKeyExchange, which is signed with SHA-1 in that version: OpenSSL 3 does "
            "so at its usual security level. The server has to offer TLS 1.2 or later.",
            evidence=(Evidence(ending.packet, f"the client sent the alert {case.alert_text()}"),),
            weight=3,
        )
    if alert not in (Alert.PROTOCOL_VERSION, Alert.INAPPROPRIATE_FALLBACK):
        return None
    hello = case.connection.client_hello
    offered = ", ".join(version_name(v) for v in hello.offered_versions) if hello is not None else "unknown versions"
    if ending.side is Side.SERVER:
        text = f"The client offered {offered}; the server sent the alert {case.alert_text()}: it speaks none of these."
    else:
        chosen = version_name(case.connection.version) if case.connection.version is not None else "a version"
        text = f"The server chose {chosen}; the client, which offered {offered}, refused with {case.alert_text()}."
    return Match(
        confidence=CERTAIN,
        explanation=text,
        evidence=(Evidence(ending.packet, f"the {ending.side.value} sent the alert {case.alert_text()}"),),
        weight=2,
    )


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
    code="protocol-version-mismatch",
    title="Client and server have no protocol version in common",
    look=look,
    covers=("unexplained",),
)
