"""The server does not trust the client's certificate.

The client's certificate does not lead to a CA that the server accepts.

Aborted by: server. Confidence: certain, likely or possible.

## What happened
Mutual TLS: the client did send a certificate. The server could not build a path from it to one of its own CAs.
The client uses the certificate of another environment, leaves out its intermediate, or the server's list of CAs
is old.

## How we know
- The client's Certificate holds certificates, and after it the server left, by an alert, a FIN or a RST.
- It shows: the check against `--client-ca` fails for a reason of trust; or no certificate that was sent is by a CA
  that the server's request names.
- Certain: it shows, and the alert is unknown_ca (48). Likely: only one of the two.
- Possible: it shows, and the alert speaks of something else; or the server finished the handshake, gave one short
  answer and closed, as one does that is content.
- The OpenSSL family sends 48 for it, Go bad_certificate (42), Java certificate_unknown (46), GnuTLS
  access_denied (49), Node a bare FIN. nginx finishes the handshake and answers HTTP 400: likely, if the answer is
  as long as its page.
- The request's list of CAs may be empty, or shorter than what the server accepts: alone it is no proof.
- In TLS 1.3 the client's certificate is encrypted: without the keys this cause cannot be seen.

## What to do
Client (gateway) operator:
1. Compare issuer and accepted names:

       openssl x509 -in client.pem -noout -subject -issuer
       openssl s_client -connect HOST:443 -servername HOST </dev/null | grep -A9 'Acceptable client'

2. Send the intermediate too. In the client's file it stands behind the leaf; in Java the alias must hold the
   whole chain (`Certificate chain length` in `keytool -list -v`).
3. The right environment? Production certificates do not work on a test server.

Server operator: add the CA to the list (nginx `ssl_client_certificate`, HAProxy `ca-file`, Go `ClientCAs`), and
check:

    openssl verify -purpose sslclient -CAfile client-ca.pem -untrusted intermediates.pem client.pem

Support engineer: `--client-ca FILE` lets this tool make that check.

## In the log
- OpenSSL (server): `verify error:num=20:unable to get local issuer certificate`, or
  `18:self-signed certificate`
- nginx (server): `client SSL certificate verify error: (21:unable to verify the first certificate)`; the client
  gets `400 The SSL certificate error`
- HAProxy (server): `SSL client certificate not trusted`
- Go (server): `tls: failed to verify client certificate: x509: certificate signed by unknown authority`
- curl (client): `(35) ... tlsv1 alert unknown ca`; TLS 1.3: `(56) ... tlsv1 alert unknown ca`

## Not to be confused with
- `client-cert-expired`: the same place, another reason.
- `client-cert-missing`: the client sent an empty Certificate, perhaps because it saw that none of its own would
  fit.
- `missing-root`: the client refuses the server's certificate; then the alert comes from the client.

## References
- RFC 8446 sections 4.2.4 and 4.4.2.3; RFC 5246 sections 7.4.4 and 7.4.6
- nginx: `ssl_client_certificate`; HAProxy: `ca-file`
"""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import Cause, Match
from analyzer.diagnosis.client_certificate import UNTRUSTED, client_refused


def look(case: Case) -> Match | None:
    """The server refused after the client's Certificate, and the alert, its request or `--client-ca` say why."""
    return client_refused(case, UNTRUSTED)


CAUSE = Cause(
    code="client-cert-untrusted",
    title="The server does not trust the client's certificate",
    look=look,
    fails_after_handshake=True,
    fails_in_data=True,
    covers=("client-cert-rejected", "server-closed", "server-reset", "unexplained"),
)
