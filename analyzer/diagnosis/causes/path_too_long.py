"""The path is longer than an issuer allows.

A CA on the path allows fewer intermediates below it than there are.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
A CA certificate carries `pathlen:N` in its basic constraints: at most N intermediates between it and the leaf.
Somebody put a further intermediate below. It is the CA's own rule, not a setting of the client.

## How we know
- The client left right after the server's certificate.
- Below a certificate on the path stand more intermediates than its pathLenConstraint allows. Self-issued ones
  do not count, except for rustls.
- All measured validators mind. Those that search may find another path over a cross-sign, and accept.
- No trust store is needed for it, unless the constraint is that of the stored root.

## What to do
Whoever runs the CA:
1. Find the constraint:

       openssl x509 -in intermediate.pem -noout -subject -ext basicConstraints

   `pathlen:0` means: leaves only, no further CA below.
2. Issue the leaf from the constrained CA itself, without the additional intermediate; or have the upper CA
   issued again, same name and key, with a greater pathlen or none.

Backend owner: a CA's chain file of another product line is sometimes installed by mistake. Compare each issuer
with the next one's subject before you send it.

Gateway operator: nothing to repair in the store. A depth setting does not help here.

## In the log
- OpenSSL: `25 path length constraint exceeded`
- nginx: `upstream SSL certificate verify error: (25:path length constraint exceeded)`
- Java: `basic constraints check failed: pathLenConstraint violated - this cert must be the last cert in the
  certification path`
- Go: `x509: too many intermediates for path length constraint`
- .NET: `InvalidBasicConstraints`
- GnuTLS: `The certificate chain violates the signer's constraints.`
- Node: `PATH_LENGTH_EXCEEDED`
- curl: `(60) SSL certificate problem: path length constraint exceeded`

## Not to be confused with
- `chain-too-long`: the validator's own limit, such as nginx's `proxy_ssl_verify_depth`; a setting repairs it.
- `issuer-not-ca`: the certificate may not issue at all.
- `name-constraint-violation`: GnuTLS has the same text for both.

## References
- RFC 5280 sections 4.2.1.9 and 6.1.4 (l), (m)
- OpenSSL: x509v3_config(5)
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("path-too-long", "The path is longer than an issuer allows")
