"""A signature on the path does not verify.

A certificate's signature does not verify under the key of the issuer that was sent with it.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
Two certificates of the chain bear matching names, but the one did not sign the other. Usually they come from
two deliveries: the leaf of this year, the intermediate of last year, same name and another key. Rarely a file
was damaged, or somebody on the way puts forged certificates into the handshake.

## How we know
- The client left right after the server's certificate.
- The signature of a certificate does not verify under the key of the next one; or a sent certificate bears the
  issuer's name with another key identifier than the one asked for.
- Both are as sent: the trust store has no part in it. Where the issuer is a stored certificate, the code is
  `root-key-mismatch`.
- The alert decrypt_error (51) is the OpenSSL family's for this; Java, Go and GnuTLS send bad_certificate (42).

## What to do
Backend owner:
1. Do they fit? Identifiers must be equal, and verify must say OK:

       openssl x509 -in leaf.pem -noout -ext authorityKeyIdentifier
       openssl x509 -in intermediate.pem -noout -ext subjectKeyIdentifier
       openssl verify -partial_chain -trusted intermediate.pem leaf.pem

2. Take leaf and intermediate from the same delivery of the CA, write the chain file anew, reload.
3. If the files on the server fit and the capture's do not, something between changes the certificates: capture
   on both sides and compare the SHA-256.

Gateway operator: nothing to repair in the store.

## In the log
- OpenSSL: `7 certificate signature failure`; different key identifiers:
  `20 unable to get local issuer certificate`
- nginx: `upstream SSL certificate verify error: (7:certificate signature failure)`
- Java: `PKIX path validation failed: ... signature check failed`, then `Signature does not match.`
- Go: `x509: certificate signed by unknown authority (possibly because of "crypto/rsa: verification error" ...)`
- .NET: `NotSignatureValid`
- GnuTLS: `The signature in the certificate is invalid.`
- Node: `CERT_SIGNATURE_FAILURE`
- curl: `(35) ... rsa routines::invalid padding`

## Not to be confused with
- `root-key-mismatch`: the certificate that does not fit is in the trust store.
- `handshake-integrity`: the handshake's own signatures (ServerKeyExchange, CertificateVerify), not a
  certificate's.
- `weak-signature`: the signature may be right; its algorithm is refused.

## References
- RFC 5280 sections 4.2.1.1, 4.2.1.2 and 6.1.3 (a)(1)
- OpenSSL: openssl-verify(1)
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("bad-signature", "A signature on the path does not verify")
