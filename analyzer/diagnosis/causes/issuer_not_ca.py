"""An issuer on the path is not allowed to issue.

A certificate on the path issued another one without the right to do so.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
An issuer above the leaf says `CA:FALSE` in its basic constraints, has no basic constraints at all, is of X.509
version 1, or has a key usage without keyCertSign. Hand-made CAs are the usual source: the intermediate was
signed with the settings for a server. An attack looks the same: a leaf used as if it were a CA.

## How we know
- The client left right after the server's certificate.
- The signatures fit, but basic constraints or key usage of an issuer on the path forbid issuing.
- Validators are lenient in different ways: an anchor in the store is often taken as it is, rustls never looks
  at key usage. The report says who would accept.
- The OpenSSL family sends unknown_ca (48) for it, Java certificate_unknown (46).

## What to do
Backend owner, or whoever runs the CA:
1. Look at every issuer that is sent:

       openssl x509 -in intermediate.pem -noout -subject -ext basicConstraints,keyUsage

   It needs `CA:TRUE`, and if there is a key usage, `Certificate Sign`.
2. Have the intermediate issued again, same name and same key, with

       basicConstraints = critical, CA:TRUE
       keyUsage = critical, keyCertSign, cRLSign

   Certificates below it stay valid. `openssl x509 -req` needs these in `-extfile`.
3. Put the new one into the server's chain and reload.

Gateway operator: do not add the faulty intermediate to the store to silence it.

## In the log
- OpenSSL: `79 invalid CA certificate` (BoringSSL: `invalid CA certificate`, number 24)
- nginx: `upstream SSL certificate verify error: (32:key usage does not include certificate signing)`; without
  basic constraints and key usage `(26:unsuitable certificate purpose)`
- Java: `CA key usage check failed: keyCertSign bit is not set`, or
  `basic constraints check failed: this is not a CA certificate`
- Go: `x509: certificate signed by unknown authority (possibly because of "x509: invalid signature: parent
  certificate cannot sign this kind of certificate" ...)`
- .NET: `InvalidBasicConstraints`
- GnuTLS: `The certificate issuer is not a CA.`, or `The certificate chain violates the signer's constraints.`
- Node: `UNSPECIFIED key usage does not include certificate signing`
- curl: `(60) SSL certificate problem: invalid CA certificate`

## Not to be confused with
- `path-too-long`: the issuer is a CA, but may have fewer CAs below it.
- `wrong-key-usage`: the leaf's own purpose.
- `missing-root`: Go and Java may report an unusable issuer as an unknown authority.

## References
- RFC 5280 sections 4.2.1.3, 4.2.1.9 and 6.1.4 (k), (n)
- OpenSSL: x509v3_config(5), openssl-verification-options(1)
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("issuer-not-ca", "An issuer on the path is not allowed to issue")
