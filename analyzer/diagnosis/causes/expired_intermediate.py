"""An intermediate certificate has expired.

An issuer between the leaf and the root is past its notAfter at the time of the capture.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
The leaf was renewed, the intermediate behind it was not: the server still sends the old one. Or a cross-signed
certificate ran out, on the path that this validator takes; others find a second path and are content.

## How we know
- The client left right after the server's certificate.
- A certificate on the path that is neither the leaf nor a self-signed one has a notAfter before the moment of
  the packet that carried the chain (or before `--at`).
- Each validator is asked by its own way of building paths: one that goes back and finds a valid path accepts.
  The report says which would.

## What to do
Backend owner:
1. Show the dates of everything sent:

       openssl s_client -connect HOST:443 -servername HOST -showcerts </dev/null >sent.txt
       openssl storeutl -noout -text -certs sent.txt 2>/dev/null | grep -E 'Subject:|Not After'

2. Get the CA's present intermediate of the same name and key, put it behind the leaf in place of the old one,
   reload.
3. Cross-signs: leave out the expired one. A path over the CA's own root needs no cross-sign any more.

Gateway operator: look for the same old intermediate in the trust store and take it out. OpenSSL prefers what is
stored to what was sent, so an old one there spoils the path although the server sends a good one.

## In the log
- OpenSSL: `10 certificate has expired`, at depth 1 or more
- nginx: `upstream SSL certificate verify error: (10:certificate has expired)`, without the depth
- Java: `PKIX path validation failed: ... validity check failed`, then
  `CertificateExpiredException: NotAfter: ...`
- Go: `x509: certificate has expired or is not yet valid: current time ... is after ...`
- .NET: `NotTimeValid`
- GnuTLS: `The certificate chain uses expired certificate.`
- Node: `CERT_HAS_EXPIRED`
- curl: `(60) SSL certificate problem: certificate has expired`

## Not to be confused with
- `expired-leaf`: the same texts, the leaf's date.
- `expired-root`: the self-signed certificate at the top.
- `missing-intermediate`: some validators drop an expired candidate and report that no issuer was found.

## References
- RFC 5280 sections 4.1.2.5 and 6.1.3 (a)(2)
- RFC 8446 section 4.4.2: certificates that are not needed may be sent and have to be tolerated
- OpenSSL: openssl-verification-options(1)
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("expired-intermediate", "An intermediate certificate has expired")
