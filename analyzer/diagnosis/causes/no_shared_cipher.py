"""Client and server have no cipher suite, group or signature algorithm in common.

Client and server found no cipher suite, group or signature algorithm on which both could agree.

Aborted by: server, or client. Confidence: certain, likely or possible.

## What happened
The lists in the hellos have nothing usable in common. It need not be the suites: an ECDSA certificate needs an
ECDSA suite (TLS 1.2), a key exchange needs a common group, a certificate needs a signature algorithm that the
client offered. A server that has no certificate for the name asked for may answer alike.

## How we know
- Certain: insufficient_security (71) from either side; or the ServerKeyExchange is signed with an algorithm that
  the ClientHello does not offer.
- Likely: the server answered the ClientHello with handshake_failure (40), the alert that the RFC has for it, but
  servers send it for other reasons too. Possible: the same, but the lists have all that is usual and only a version
  is missing; or the answer was unexpected_message (10), which JSSE sends when no group is common.
- Likely: the client left at a Diffie-Hellman prime of less than 2048 bits. Possible: it left silently.
- Possible: the server left without an alert, and the hello's suites are not what is usual.
- Possible: TLS 1.3, and the server sent an encrypted alert where its Certificate belongs (signature algorithms).
- From the client only before it got a certificate, unless the ServerKeyExchange shows the reason.
- The report lists what the client offered, what of the usual it leaves out, and what this server chose in other
  connections of the capture. What else the server would have taken is not on the wire.
- A Java client does not offer MD5 and other disabled algorithms: a certificate signed so ends here.

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

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.conformance import Breach, breaches, confidence
from analyzer.diagnosis.offer import (
    CIPHER_SUITES,
    GROUPS,
    SIGNATURES,
    lacking,
    left_before_certificate,
    refused_at_hello,
    versions_lacking,
)
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import CipherSuite, cipher_suite_name, group_name, is_grease, signature_scheme_name
from analyzer.tls.connection import Side
from analyzer.tls.messages import ClientHello

_CODE: Final = "no-shared-cipher"
_SHOWN: Final = 4
_SIGNALS: Final = (CipherSuite.TLS_EMPTY_RENEGOTIATION_INFO_SCSV, CipherSuite.TLS_FALLBACK_SCSV)
"""What stands among the suites and is none."""


def look(case: Case) -> Match | None:
    """Parameters that cannot be agreed on, or an alert in answer to a hello that says so."""
    ending = case.ending
    if ending is None or ending.side is None:
        return None
    breach = next((breach for breach in breaches(case) if breach.code == _CODE), None)
    if breach is not None:
        return _unacceptable(case, breach, ending.packet)
    if case.fatal_alert in (Alert.HANDSHAKE_FAILURE, Alert.INSUFFICIENT_SECURITY):
        return _said_so(case, ending.side, ending.packet)
    if case.fatal_alert == Alert.UNEXPECTED_MESSAGE:
        return _unexpected_hello(case, ending.packet)
    return _without_a_word(case, ending.packet) or _before_certificate(case, ending.packet)


def _unacceptable(case: Case, breach: Breach, packet: int | None) -> Match | None:
    sure = CERTAIN if case.fatal_alert == Alert.INSUFFICIENT_SECURITY else confidence(case, breach)
    if sure == CERTAIN and not breach.fatal and case.fatal_alert != Alert.INSUFFICIENT_SECURITY:
        sure = LIKELY
    who = case.ending.side.value if case.ending is not None and case.ending.side is not None else "client"
    return Match(
        confidence=sure,
        explanation=f"The {who} {case.leaving_text} after the ServerKeyExchange: {breach.text}.",
        evidence=(Evidence(breach.packet, breach.evidence), Evidence(packet, f"the {who} {case.leaving_text}")),
        weight=3 if breach.fatal or sure != POSSIBLE else 1,
    )


def _said_so(case: Case, side: Side, packet: int | None) -> Match | None:
    before = case.progress.stage in ("client-hello", "server-flight")
    if not before or (side is Side.CLIENT and case.server_chain is not None):
        return None
    if side is Side.SERVER and case.progress.stage != "client-hello":
        return None
    if side is Side.CLIENT and case.connection.halves[Side.SERVER].application:
        return None  # TLS 1.3: the server's certificate is among its encrypted records
    hello = case.connection.client_hello
    evidence = [Evidence(packet, f"the {side.value} sent the alert {case.alert_text()}")]
    narrow: tuple[str, ...] = ()
    if hello is not None:
        narrow = lacking(hello)
        evidence += [Evidence(case.connection.hellos[0].packet, _leaves_out(hello, name)) for name in narrow]
    usual = hello is not None and hello.complete and not narrow
    doubtful = usual and hello is not None and bool(versions_lacking(hello))
    doubtful |= hello is None or not hello.complete  # what is cut may be what was not acceptable
    sure = CERTAIN if case.fatal_alert == Alert.INSUFFICIENT_SECURITY else POSSIBLE if doubtful else LIKELY
    text = f"The {side.value} answered the hello with the alert {case.alert_text()}: by the RFC it found "
    text += "no acceptable set of security parameters."
    if hello is not None:
        text += _offered(hello)
    if narrow:
        text += f" Of what is usual it leaves out some of the {' and '.join(narrow)}: look there first."
    elif usual:
        text += " Its lists have all that is usual, so the limit is the server's: its suites, or the kind of its key."
    return Match(confidence=sure, explanation=text, evidence=tuple(evidence), weight=2)


def _unexpected_hello(case: Case, packet: int | None) -> Match | None:
    """A first ClientHello cannot come at a wrong time: the alert stands for something in it."""
    hello = refused_at_hello(case)
    if hello is None or any(breach.side is Side.CLIENT for breach in breaches(case)):
        return None
    narrow = GROUPS in lacking(hello)
    return Match(
        confidence=POSSIBLE,
        explanation=f"The server answered the first ClientHello with the alert {case.alert_text()}, although a first "
        f"message cannot be out of order; JSSE does so when it has none of the client's groups.{_offered(hello)}",
        evidence=(
            Evidence(packet, f"the server sent the alert {case.alert_text()}"),
            Evidence(case.connection.hellos[0].packet, f"the client offers the groups {_groups(hello)}"),
        ),
        weight=2 if narrow else 0,
    )


def _without_a_word(case: Case, packet: int | None) -> Match | None:
    """The server closed or reset in answer to a hello whose suites are not what is usual."""
    hello = refused_at_hello(case)
    if hello is None or case.fatal_alert is not None or CIPHER_SUITES not in lacking(hello):
        return None
    at = case.connection.hellos[0].packet
    return Match(
        confidence=POSSIBLE,
        explanation="A server that finds none of the client's cipher suites acceptable may leave without an alert "
        f"(so do GnuTLS servers that send none).{_offered(hello)}",
        evidence=(
            Evidence(at, _leaves_out(hello, CIPHER_SUITES)),
            Evidence(packet, f"the server {case.leaving_text}"),
        ),
        weight=1,
    )


def _before_certificate(case: Case, packet: int | None) -> Match | None:
    """TLS 1.3: signature algorithms are looked at when the server chooses its certificate, after the ServerHello."""
    hello = case.connection.client_hello
    if hello is None or not left_before_certificate(case):
        return None
    narrow = SIGNATURES in lacking(hello)
    names = _listed([signature_scheme_name(scheme) for scheme in hello.signature_algorithms if not is_grease(scheme)])
    return Match(
        confidence=POSSIBLE,
        explanation="The server sent an encrypted alert after its ServerHello, where its Certificate belongs: it may "
        f"have no certificate for the client's signature algorithms ({names}).",
        evidence=(Evidence(packet, "the server sent an encrypted alert before any record as long as a certificate"),),
        weight=3 if narrow else 1,
    )


def _offered(hello: ClientHello) -> str:
    offered = [suite for suite in hello.cipher_suites if not is_grease(suite) and suite not in _SIGNALS]
    suites = _listed([cipher_suite_name(suite) for suite in offered])
    groups = _groups(hello)
    return f" The client offered {suites}" + (f", with the groups {groups}." if groups else ".")


def _groups(hello: ClientHello) -> str:
    return _listed([group_name(group) for group in hello.supported_groups if not is_grease(group)])


def _leaves_out(hello: ClientHello, name: str) -> str:
    if name == GROUPS:
        return f"the ClientHello's groups are few: {_groups(hello)}"
    if name == SIGNATURES:
        schemes = [signature_scheme_name(scheme) for scheme in hello.signature_algorithms if not is_grease(scheme)]
        return f"the ClientHello's signature algorithms are few: {_listed(schemes)}"
    return "the ClientHello's cipher suites lack some that RFC 9325 section 4.2 recommends, or RFC 8446 section 9.1"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{', '.join(names[:_SHOWN])}{more}"


CAUSE = Cause(
    code=_CODE,
    title="Client and server have no cipher suite, group or signature algorithm in common",
    look=look,
    covers=("unexplained",),
)
