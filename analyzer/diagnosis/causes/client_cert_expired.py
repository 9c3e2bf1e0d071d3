"""The client's certificate is outside its validity period.

The client's certificate, or one above it, is outside its validity period, and the server refused it.

Aborted by: server. Confidence: certain, likely or possible.

## What happened
Mutual TLS: the client sent a certificate that is out of date, or not in force yet. The gateway's own
certificate is easily forgotten: nobody visits it with a browser.

## How we know
- The client's Certificate holds certificates, and after it the server ended the connection before any
  application data, by an alert, a FIN or a RST.
- The dates are seen: of what was sent, at the time of the capture, or by the check against `--client-ca`.
- Certain: they are at fault, and the alert is certificate_expired (45).
- Likely: they are at fault, and the alert fits any fault or there is none; or the alert is 45 and the dates that
  show are right (the server's clock, or a CA that was not sent): a contradiction, which is told.
- Possible: they are at fault, and the alert speaks of something else; or the server finished the handshake, gave
  one short answer and closed, as one does that is content.
- The OpenSSL family sends 45 for it, Go bad_certificate (42), Java certificate_unknown (46), GnuTLS
  access_denied (49), Node a bare FIN. nginx finishes the handshake and answers HTTP 400: likely, if the answer is
  as long as its page.
- In TLS 1.3 the client's certificate is encrypted: without the keys this cause cannot be seen.

## What to do
Client (gateway) operator:
1. Look at what is sent:

       openssl x509 -in client.pem -noout -subject -serial -dates
       keytool -list -v -keystore keystore.p12 | grep -E 'Alias|Valid from'

2. Renew it. The key may stay, if the CA allows. Install it with its intermediates.
3. Make the process read it: many gateways load a key store once. Apigee: new key store, then repoint the
   reference.
4. The new one is installed and the old one is still sent: the reference, alias or secret points at the old one.

Server operator: only if the dates are right, look at the clock of the server (`date -u`, `chronyc tracking`)
and at the dates of the CAs in its list.

## In the log
- OpenSSL (server): `verify error:num=10:certificate has expired`
- nginx (server): `client SSL certificate verify error: (10:certificate has expired)`; the client gets
  `400 The SSL certificate error`
- HAProxy (server): `SSL client certificate not trusted`
- Go (server):
  `tls: failed to verify client certificate: x509: certificate has expired or is not yet valid: ...`
- curl (client): `(60) SSL certificate verification failed`, which reads as if the server's were at fault; TLS
  1.3: `(56) ... sslv3 alert certificate expired`

## Not to be confused with
- `expired-leaf`: the server's certificate; then the client leaves.
- `client-cert-untrusted`: the CA is not accepted.
- `client-cert-rejected`: refused without a reason that shows.

## References
- RFC 5280 section 4.1.2.5; RFC 8446 section 6.2 and RFC 5246 section 7.2.2: certificate_expired
- nginx: `ssl_client_certificate`; Apigee: references to key stores
"""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import Cause, Match
from analyzer.diagnosis.client_certificate import EXPIRED, client_refused


def look(case: Case) -> Match | None:
    """The server refused after the client's Certificate, and its dates or the alert say why."""
    return client_refused(case, EXPIRED)


CAUSE = Cause(
    code="client-cert-expired",
    title="The client's certificate is outside its validity period",
    look=look,
    fails_after_handshake=True,
    fails_in_data=True,
    covers=("client-cert-rejected", "server-closed", "server-reset", "unexplained"),
)
