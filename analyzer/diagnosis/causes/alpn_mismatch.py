"""Client and server have no application protocol in common.

The application protocols that the client offers (ALPN) and those that the server speaks have none in common.

Aborted by: server, or client. Confidence: certain or possible.

## What happened
In its hello the client lists the protocols it wants to speak inside TLS: `h2` for HTTP/2, `http/1.1`, and
others. The server speaks none of them, and says so instead of going on without. Typical: a gRPC client (only
`h2`) on a port that speaks HTTP/1.1.

## How we know
- Certain: a fatal alert no_application_protocol (120) ended the handshake. It has one meaning.
- Possible: TLS 1.3, the client offered protocols, and the server sent an encrypted alert after its ServerHello and
  before its Certificate. There Go refuses protocols; the alert's number cannot be seen.
- The report lists what the client offered, and what this server chose in other connections of the capture.
- Many servers do not send this alert and go on without a protocol: then the handshake completes, and the
  failure comes later, inside.

## What to do
1. See what the server chooses:

       openssl s_client -connect HOST:443 -servername HOST -alpn h2,http/1.1 </dev/null | grep -i ALPN

   `No ALPN negotiated` means that it takes none.
2. Server operator: enable the protocol on this port (nginx 1.22: `listen 443 ssl http2`; HAProxy:
   `alpn h2,http/1.1` on the bind line), or send the client to the port that speaks it.
3. Gateway operator: offer `http/1.1` too, or nothing. HAProxy: `alpn` on the server line. A gRPC client cannot
   do without `h2`: then the backend has to change.
4. A load balancer in between that ends TLS has a list of its own: look there first.

## In the log
- OpenSSL, curl (client): `tlsv1 alert no application protocol`, `SSL alert number 120`
- Java (client): `Received fatal alert: no_application_protocol`
- Go (client): `remote error: tls: no application protocol`
- Node (client): `ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL`

## Not to be confused with
- `no-shared-cipher`: alert 40; HTTP/2 also forbids many old suites, which can show as either.
- `protocol-version-mismatch`: versions of TLS, not of HTTP.
- `not-tls`: the server does not speak TLS at all.

## References
- RFC 7301 section 3.2: no_application_protocol
- RFC 9113 section 3.2: `h2`; IANA: TLS ALPN Protocol IDs
- nginx: `listen ... http2`; HAProxy: `alpn`
"""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.offer import left_before_certificate
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import alpn_name


def look(case: Case) -> Match | None:
    """An alert no_application_protocol, or an encrypted one where TLS 1.3 settles the protocol."""
    ending = case.ending
    if ending is None or ending.side is None:
        return None
    hello = case.connection.client_hello
    offered = ", ".join(alpn_name(protocol) for protocol in hello.alpn) if hello is not None else ""
    if offered and left_before_certificate(case):
        return Match(
            confidence=POSSIBLE,
            explanation="The server sent an encrypted alert after its ServerHello, where it would answer what "
            f"protocol it speaks; the client offered {offered}.",
            evidence=(Evidence(ending.packet, "the server sent an encrypted alert before its Certificate"),),
            weight=2,
        )
    if case.fatal_alert != Alert.NO_APPLICATION_PROTOCOL:
        return None
    return Match(
        confidence=CERTAIN,
        explanation=f"The {ending.side.value} sent the alert {case.alert_text()}; the client offered "
        f"{offered or 'no protocol'}.",
        evidence=(Evidence(ending.packet, f"the {ending.side.value} sent the alert {case.alert_text()}"),),
        weight=2,
    )


CAUSE = Cause(
    code="alpn-mismatch",
    title="Client and server have no application protocol in common",
    look=look,
    covers=("unexplained",),
)
