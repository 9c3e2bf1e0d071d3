"""Client and server have no cipher suite, group or signature algorithm in common.

Client and server found no cipher suite, group or signature algorithm on which both could agree.

Aborted by: server, or client. Confidence: certain or likely.

## What happened
The lists in the hellos have nothing usable in common. It need not be the suites: an ECDSA certificate needs an
ECDSA suite (TLS 1.2), a key exchange needs a common group, a certificate needs a signature algorithm that the
client offered. A server that has no certificate for the name asked for may answer alike.

## How we know
- The server answered the ClientHello with handshake_failure (40): likely. The alert is the one that the RFC has
  for it, but servers send it for other reasons too.
- insufficient_security (71) from either side: certain.
- From the client only before it got a certificate.
- The report lists what the client offered. What the server would have taken is not on the wire.
- A Java client does not offer MD5 and other disabled algorithms: a certificate signed so ends here, not at the
  certificate.

## What to do
1. See what the server takes, and what certificate it has:

       openssl s_client -connect HOST:443 -servername HOST -tls1_2 </dev/null | grep -E 'Cipher is|signature|Temp Key'

2. Try with the client's list:
   `openssl s_client -connect HOST:443 -servername HOST -cipher LIST -groups LIST -sigalgs LIST`
3. Server operator: allow a suite that the client offers, if it is still a sound one. Give an RSA certificate
   beside the ECDSA one for old clients.
4. Gateway operator: look at what limits the client: nginx `proxy_ssl_ciphers`, HAProxy `ciphers`, Java
   `jdk.tls.disabledAlgorithms`, Apigee `Ciphers` in SSLInfo, OpenSSL's security level.
5. Did the right SNI go out? A default host may have a narrower list.

## In the log
- OpenSSL (client): `sslv3 alert handshake failure ... SSL alert number 40`
- nginx (server): `SSL_do_handshake() failed (SSL: ... no shared cipher)`
- Java (client): `Received fatal alert: handshake_failure`
- Go (client): `remote error: tls: handshake failure`
- GnuTLS (client): `Received alert [40]: Handshake failed`
- Node (client): `EPROTO ... sslv3 alert handshake failure`
- curl: `(35) ... sslv3 alert handshake failure`
- HAProxy (server): `SSL handshake failure`; F5 (documented): `no shared ciphers (40)`

## Not to be confused with
- `client-cert-missing`: the same alert 40, but after the client's Certificate.
- `protocol-version-mismatch`: alert 70.
- `sni-rejected`: alert 112; some servers send 40 for an unknown name, which looks like this.
- `weak-key`: a certificate was looked at and refused.

## References
- RFC 8446 sections 4.1.1, 4.2.3, 4.2.7 and 6.2; RFC 5246 sections 7.4.1 and 7.2.2
- RFC 8422: elliptic curves in TLS 1.2
- nginx: `ssl_ciphers`, `proxy_ssl_ciphers`
"""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import cipher_suite_name, group_name, is_grease
from analyzer.tls.connection import Side


def look(case: Case) -> Match | None:
    """An alert handshake_failure or insufficient_security in answer to a hello."""
    ending = case.ending
    alert = case.fatal_alert
    if ending is None or ending.side is None or alert not in (Alert.HANDSHAKE_FAILURE, Alert.INSUFFICIENT_SECURITY):
        return None
    before = case.progress.stage in ("client-hello", "server-flight")
    if not before or (ending.side is Side.CLIENT and case.server_chain is not None):
        return None
    if ending.side is Side.SERVER and case.progress.stage != "client-hello":
        return None
    if ending.side is Side.CLIENT and case.connection.halves[Side.SERVER].application:
        return None  # TLS 1.3: the server's certificate is among its encrypted records
    hello = case.connection.client_hello
    offered = ""
    if hello is not None:
        names = [cipher_suite_name(suite) for suite in hello.cipher_suites if not is_grease(suite)]
        groups = [group_name(group) for group in hello.supported_groups if not is_grease(group)]
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        offered = f" The client offered {', '.join(names[:8])}{more}"
        offered += f", with the groups {', '.join(groups[:6])}." if groups else "."
    specific = alert == Alert.INSUFFICIENT_SECURITY
    return Match(
        confidence=CERTAIN if specific else LIKELY,
        explanation=f"The {ending.side.value} answered the hello with the alert {case.alert_text()}: by the RFC "
        f"it found "
        f"no acceptable set of security parameters.{offered}",
        evidence=(Evidence(ending.packet, f"the {ending.side.value} sent the alert {case.alert_text()}"),),
        weight=2,
    )


CAUSE = Cause(
    code="no-shared-cipher",
    title="Client and server have no cipher suite, group or signature algorithm in common",
    look=look,
    covers=("unexplained",),
)
