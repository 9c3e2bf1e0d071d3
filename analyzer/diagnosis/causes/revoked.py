"""The server's certificate is revoked.

The response about its certificate that the server stapled to the handshake says that it is revoked.

Aborted by: client. Confidence: certain or likely.

## What happened
The CA has withdrawn the certificate: its key leaked, its owner asked for it, or it was issued wrongly. The
server itself sends the CA's signed word on it. A client that looks refuses.

## How we know
- The client left at a moment at which clients refuse a certificate.
- A stapled OCSP response in the handshake says revoked.
- Certain after an alert about certificates, such as certificate_revoked (44) or bad_certificate (42, GnuTLS), or
  when the client left before its Finished without any alert. Likely after another alert, or after the handshake.
- Only stapled responses are on the wire. A client that asks the CA itself, or reads a list, leaves no trace of
  it in this connection: then the report says `certificate-rejected`.
- Most clients do not look: curl does with `--cert-status`, GnuTLS does by default, OpenSSL, Go, Node and Java
  as measured do not.

## What to do
Backend owner:
1. Ask for the state and the reason:

       openssl s_client -connect HOST:443 -servername HOST -status </dev/null | grep -A12 'OCSP response'
       openssl ocsp -issuer intermediate.pem -cert leaf.pem -url http://ocsp.example.com -resp_text

2. A revoked certificate does not come back. Make a new key (the old one may be known to others), have a new
   certificate issued, install it, reload.
3. Look for the same certificate on other servers, and in other products' key stores.

Gateway operator: do not switch the check off. If the response is old, the server's staple has to be renewed.

## In the log
- curl with `--cert-status`: `(91) SSL certificate revocation reason: keyCompromise (1)`
- GnuTLS: `The certificate is NOT trusted. The certificate chain is revoked.`
- OpenSSL, nginx, Go, Node, Java without further settings: no error, they accept

## Not to be confused with
- `certificate-rejected`: the client refused and nothing in the capture says why; revocation is one of the
  reasons.
- `expired-leaf`: a date, not a decision.
- `bad-signature`: the signature on the certificate; the staple has one of its own.

## References
- RFC 6960: OCSP; RFC 6066 section 8 and RFC 8446 section 4.4.2.1: stapling
- RFC 5246 section 7.2.2: certificate_revoked
- nginx: `ssl_stapling`
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("revoked", "The server's certificate is revoked")
