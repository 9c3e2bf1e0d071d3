"""The server wants a client certificate, and the client sent none.

The server asked for a client certificate, the client had none to show, and the server refused.

Aborted by: server. Confidence: certain, likely or possible.

## What happened
The server wants mutual TLS. Its CertificateRequest came, and the client answered with an empty Certificate.
Either none is configured, or none fits the CAs and algorithms of the request: then Java sends none without a word.

## How we know
- Certain: the server's alert is certificate_required (116); or the request is in the capture, the client's
  Certificate is empty or absent, and the server answered with handshake_failure (40), bad_certificate (42) or
  no_certificate (41).
- Likely: the same with another alert, a FIN or a RST from the server.
- Likely, in TLS 1.3 without keys: a record as long as an empty Certificate, and then nothing from the server but
  one as long as an alert; the client may have sent its request. So too in a renegotiation of TLS 1.2 (Apache).
- Likely: the server finished the handshake and left the client's request unanswered; or its answer is as long as
  nginx's page `400 No required SSL certificate was sent`.
- Possible: it finished the handshake and closed without an alert, or after a short answer: the certificate may
  have been optional. Then the connection counts as completed, and this stands beside it.

## What to do
Client (gateway) operator:
1. Give the client a certificate and its private key, with the intermediates. nginx: `proxy_ssl_certificate`,
   `proxy_ssl_certificate_key`. HAProxy: `crt` on the server line. Java: a key store, not only a trust store:

       keytool -list -v -keystore keystore.p12 | grep -E 'Alias|Entry type|Issuer'

   It must say PrivateKeyEntry, and the issuer (or one above it) must be among the CAs that the server names.
2. See what the server accepts:
   `openssl s_client -connect HOST:443 -servername HOST </dev/null | grep -A9 'Acceptable client'`
3. Try it: `openssl s_client -connect HOST:443 -servername HOST -cert client.pem -key client.key -cert_chain
   intermediates.pem`

Server operator: if no client certificate was meant to be asked for, switch it off (nginx
`ssl_verify_client off`, HAProxy `verify none`).

## In the log
- OpenSSL (server): `tls_process_client_certificate:peer did not return a certificate`
- nginx (server): `client sent no required SSL certificate`; the client gets
  `400 No required SSL certificate was sent`
- HAProxy (server): `SSL handshake failure`
- Go (server): `tls: client didn't provide a certificate`
- Java (client): `Received fatal alert: handshake_failure`, also only `Broken pipe`; TLS 1.3:
  `Received fatal alert: certificate_required`, also `Read timed out`
- Go (client): `remote error: tls: handshake failure`; TLS 1.3: `remote error: tls: certificate required`
- nginx (client): `SSL_read() failed (... certificate required:SSL alert number 116)`
- Node (client): `ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED`
- curl: `(35) ... sslv3 alert handshake failure`; TLS 1.3: `(56) ... tlsv13 alert certificate required`

## Not to be confused with
- `client-cert-untrusted`: a certificate was sent, and its CA is not accepted.
- `client-cert-rejected`: a certificate was sent and refused; why is not visible.
- `no-shared-cipher`: the same alert 40, but in direct answer to the ClientHello.

## References
- RFC 8446 sections 4.3.2, 4.4.2 and 6.2 (certificate_required); RFC 5246 sections 7.4.4 and 7.4.6
- nginx: `ssl_verify_client`, `proxy_ssl_certificate`; HAProxy: `crt`, `verify`
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.client_certificate import MISSING, Refusal, server_refusal
from analyzer.registry import AlertDescription as Alert
from analyzer.trust.model import Fix

_SAY_SO: Final = (Alert.HANDSHAKE_FAILURE, Alert.BAD_CERTIFICATE, Alert.NO_CERTIFICATE)
"""What servers send for it by the RFCs; others do so too."""


def look(case: Case) -> Match | None:
    """The client answered the CertificateRequest with an empty Certificate, and the server refused."""
    refusal = server_refusal(case)
    if refusal is None:
        return None
    alert = None if refusal.page else case.fatal_alert
    unsent = _unsent(case)
    if alert == Alert.CERTIFICATE_REQUIRED:
        confidence = CERTAIN
    elif not unsent or refusal.page not in (None, MISSING):
        return None
    elif alert in _SAY_SO:
        confidence = CERTAIN
    else:
        confidence = POSSIBLE if refusal.unsure or _idle(case, refusal) else LIKELY
    names = authorities(case)
    wanted = f" It accepts certificates issued by {names}." if names else ""
    return Match(
        confidence=confidence,
        explanation="The server asked for a client certificate, the client sent none, and "
        f"{_refused(case, refusal)}.{wanted}",
        evidence=(*unsent, Evidence(refusal.ending.packet, refusal.text)),
        weight=3,
        aborted_by="server",
        ending=refusal.ending,
    )


def _unsent(case: Case) -> tuple[Evidence, ...]:
    """What shows that a certificate was asked for and none sent; nothing when it does not show."""
    progress = case.progress
    asked = case.connection.certificate_request_packet
    sent = case.client_chain
    if progress.renegotiation is not None:
        if progress.empty_client_certificate is None:
            return ()
        return (
            Evidence(progress.renegotiation, "the server asked for another handshake"),
            Evidence(progress.empty_client_certificate, "in it a record as long as a Certificate without one"),
        )
    if asked is not None and (sent is None or not sent.chain):
        if progress.stage not in ("client-flight", "after-handshake", "data"):
            return ()
        request = Evidence(asked, "the server's CertificateRequest")
        if sent is None:
            return (request,)
        return (request, Evidence(sent.packet, "the client's Certificate message holds no certificate"))
    refused = progress.server_refused or progress.handshake_done
    if refused and progress.empty_client_certificate is not None:
        text = "a record as long as a Certificate without a certificate"
        return (Evidence(progress.empty_client_certificate, text),)
    return ()


def _refused(case: Case, refusal: Refusal) -> str:
    """What the server made of it, for a sentence."""
    if refusal.unsure or _idle(case, refusal):
        return f"{refusal.text}: perhaps a refusal, perhaps all there was to say"
    if case.progress.handshake_done:
        return f"the server refused inside the connection: {refusal.text}"
    return "the server refused"


def _idle(case: Case, refusal: Refusal) -> bool:
    """Whether the server closed after a handshake in which nobody asked it anything: perhaps it was only idle."""
    return case.progress.handshake_done and not case.progress.data and refusal.page is None


def fixes(case: Case) -> tuple[Fix, ...]:
    """What the client has to be given."""
    names = authorities(case)
    issued = f" issued by {names}" if names else " that the server accepts"
    return (Fix(action="configure", text=f"Configure the client with a certificate{issued}, and its private key."),)


def authorities(case: Case) -> str:
    """The CAs that the request names, for a sentence."""
    request = case.connection.certificate_request
    names = request.authority_names if request is not None else ()
    return "; ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


CAUSE = Cause(
    code="client-cert-missing",
    title="The server wants a client certificate, and the client sent none",
    look=look,
    fixes=fixes,
    fails_after_handshake=True,
    fails_in_data=True,
    covers=("client-cert-rejected", "unexplained", "handshake-integrity", "server-closed", "server-reset"),
)
