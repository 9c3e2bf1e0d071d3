"""The root certificate has expired.

The root on the path is past its notAfter at the time of the capture.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
The anchor itself ran out. Old devices, old images and hand-made stores keep roots for decades. Validators
differ: RFC 5280 does not ask for an anchor's dates, Java does not look at them for a chain sent in order, the
OpenSSL family, Go and GnuTLS do.

## How we know
- The client left right after the server's certificate.
- The path ends at a self-signed certificate whose notAfter lies before the moment of the packet that carried
  the chain (or before `--at`).
- `java` accepts in the usual case. So validators disagree, and the cause is certain only with `--profile`, or
  when the alert leaves only those that refuse.
- Without `--truststore` the stored root is not known: possible at most.

## What to do
Gateway operator:
1. List what the store holds, with dates:

       keytool -list -v -keystore truststore.p12 | grep -E 'Alias|Owner|Valid'
       openssl storeutl -noout -text -certs ca.pem | grep -E 'Subject:|Not After'

2. Get the CA's root as it is today: often the same key with a new date. Compare its SHA-256 by a second way,
   add it, take the old one out.
3. If the CA moved to another root, the backend may have to send the intermediate that leads there.

Backend owner: do not send the root at all. When an expired one is sent, take it out of the chain file.

## In the log
- OpenSSL: `10 certificate has expired`, at the greatest depth
- nginx: `upstream SSL certificate verify error: (10:certificate has expired)`
- Java: no error for a chain in order
- Go: `x509: certificate has expired or is not yet valid: current time ... is after ...`
- .NET: `NotTimeValid`
- GnuTLS: `The certificate chain uses expired certificate.`
- Node: `CERT_HAS_EXPIRED`
- curl: `(60) SSL certificate problem: certificate has expired`

## Not to be confused with
- `expired-intermediate`: the same texts; that one the backend's owner repairs, this one the gateway's operator.
- `missing-root`: the root was taken out of the store when it expired.
- `root-key-mismatch`: the new root has another key, and the chain still hangs on the old one.

## References
- RFC 5280 sections 6.1.1 (d) and 6.1.3: an anchor's dates are no part of the input
- RFC 4210 section 4.4: how a root is renewed
- OpenSSL: openssl-verification-options(1)
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("expired-root", "The root certificate has expired")
