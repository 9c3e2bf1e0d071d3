"""A certificate is not valid yet.

Some certificate on the path is before its notBefore at the time of the capture.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
A certificate was put into service before its time. Or a clock is wrong: the CA's machine issued it some minutes
ahead, or the client's machine lags behind. A virtual machine that was asleep, a container host without NTP, a
device without a battery that starts in 1970.

## How we know
- The client left right after the server's certificate.
- The notBefore of a certificate on the path lies after the moment of the packet that carried the chain (or
  after `--at`). That moment is by the clock of the machine that captured, which need not be the client's.
- Of the measured stacks the OpenSSL family, Java, Go and GnuTLS all send bad_certificate (42) for it, not
  certificate_expired (45). After 45 this cause still counts: by its definition that alert covers both.

## What to do
Look at the distance first: the report says by how much.
- Minutes or hours: a clock. On the client: `date -u`, `timedatectl`, `chronyc tracking`. Wrong: repair NTP.
  Right: the CA's clock runs ahead; wait, or have it issued again with an earlier notBefore.
- Exactly some hours: local time was taken for UTC when the certificate was made.
- Days and more: the new certificate was installed too early. Backend owner: put the old one back until then.

       openssl x509 -in leaf.pem -noout -startdate -enddate

For a certificate of one's own making, let it begin a day in the past.

## In the log
- OpenSSL: `9 certificate is not yet valid`
- nginx: `upstream SSL certificate verify error: (9:certificate is not yet valid)`
- Java: `PKIX path validation failed: ... validity check failed`, then
  `CertificateNotYetValidException: NotBefore: ...`
- Go: `x509: certificate has expired or is not yet valid: current time ... is before ...`
- .NET: `NotTimeValid`
- Node: `CERT_NOT_YET_VALID`
- curl: `(60) SSL certificate problem: certificate is not yet valid`

## Not to be confused with
- `expired-leaf`: Java's first line, Go's text and .NET's status are the same for both; read the second line.
- `expired-intermediate`: a client whose clock runs ahead sees expired certificates; one that lags sees this.

## References
- RFC 5280 sections 4.1.2.5 and 6.1.3 (a)(2)
- RFC 8446 section 6.2: certificate_expired is for "expired or not currently valid"
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("not-yet-valid", "A certificate is not valid yet")
