"""The server's certificate has expired.

The server's certificate is past its notAfter at the time of the capture.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
Nobody renewed the certificate in time; or it was renewed, and the process still serves the old one from memory;
or one of several servers behind the name was forgotten. The client looked at the date and refused.

## How we know
- The client left right after the server's certificate.
- The leaf's notAfter lies before the moment of the packet that carried it (or before `--at`).
- The alert certificate_expired (45) confirms it. Java and the OpenSSL family send it; Go and GnuTLS send
  bad_certificate (42), nginx and Node none.
- No trust store is needed for this verdict.

## What to do
Backend owner:
1. See what is served now, on every address behind the name:

       openssl s_client -connect ADDRESS:443 -servername HOST </dev/null | openssl x509 -noout -serial -dates

2. The file is new and the answer is old: reload the process (`nginx -s reload`, restart the JVM).
3. Otherwise renew, install leaf and intermediates, and reload. Check the file first:
   `openssl x509 -in leaf.pem -noout -enddate -checkend 0`
4. Put a monitor on it: `openssl x509 -checkend 1209600` fails two weeks before the end.

Gateway operator: look at the gateway's clock when the dates look right (`date -u`, `chronyc tracking`). There
is nothing to change in the trust store. Do not switch verification off.

## In the log
- OpenSSL: `10 certificate has expired`
- nginx: `upstream SSL certificate verify error: (10:certificate has expired)`
- Java: `PKIX path validation failed: ... validity check failed`, then
  `CertificateExpiredException: NotAfter: ...`
- Go: `x509: certificate has expired or is not yet valid: current time ... is after ...`
- .NET: `NotTimeValid`
- GnuTLS: `The certificate chain uses expired certificate.`
- Node: `CERT_HAS_EXPIRED`
- curl: `(60) SSL certificate problem: certificate has expired`
- Azure Application Gateway (documented): `Backend certificate is invalid. Current date is not within ...`

## Not to be confused with
- `expired-intermediate`: the same texts; the date at fault is further up. Most logs do not say which
  certificate.
- `expired-root`: likewise, at the top.
- `not-yet-valid`: Go and .NET have one text for both.
- `client-cert-expired`: the server refuses the client's certificate; then the alert comes from the server.

## References
- RFC 5280 sections 4.1.2.5 and 6.1.3 (a)(2)
- RFC 8446 section 6.2, RFC 5246 section 7.2.2: certificate_expired
- OpenSSL: openssl-x509(1), `-checkend`
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("expired-leaf", "The server's certificate has expired")
