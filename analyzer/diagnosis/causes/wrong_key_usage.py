"""The certificate may not be used for a TLS server.

The leaf's key usage, extended key usage or policies do not allow a TLS server.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
The certificate was issued for something else: for clients (mutual TLS), for code, for a CA. Often a client
certificate was installed on the server by mistake, or a CA's template lacks serverAuth.

## How we know
- The client left right after the server's certificate.
- The leaf, or an issuer above it, has an extended key usage without serverAuth; or the leaf's key usage has no
  bit that this validator wants; or the leaf is a CA and this validator minds; or a policy constraint of a CA is
  not met.
- Validators differ: Java and the OpenSSL family look at the leaf's key usage, Go does not; GnuTLS does in the
  handshake itself. The report says who would accept.
- The alert unsupported_certificate (43) is the OpenSSL family's for this. GNU wget accepts it.
- No trust store is needed for this verdict.

## What to do
Backend owner:
1. See what it may be used for:

       openssl x509 -in leaf.pem -noout -ext extendedKeyUsage,keyUsage,basicConstraints
       openssl x509 -in leaf.pem -noout -purpose | grep 'SSL server'

2. Is the right file installed? The server's certificate, not the client's and not the CA's, comes first in the
   chain.
3. Have it issued again with `extendedKeyUsage = serverAuth` and `keyUsage = digitalSignature, keyEncipherment`.
4. If an intermediate limits the purpose, another intermediate has to issue: the leaf alone cannot repair it.

Gateway operator: nothing to repair in the store.

## In the log
- OpenSSL: `26 unsuitable certificate purpose` (1.1 and BoringSSL: `unsupported certificate purpose`)
- nginx: `upstream SSL certificate verify error: (26:unsuitable certificate purpose)`
- Java: `Extended key usage does not permit use for TLS server authentication`, or
  `KeyUsage does not allow digital signatures`
- Go: `x509: certificate specifies an incompatible key usage`
- .NET: `NotValidForUsage`
- GnuTLS: `The certificate chain does not match the intended purpose.`, or
  `Key usage violation in certificate has been detected.`
- Node: `INVALID_PURPOSE`
- curl: `(60) SSL certificate problem: unsuitable certificate purpose`

## Not to be confused with
- `issuer-not-ca`: an issuer's key usage lacks the right to sign certificates.
- `wrong-chain-order`: the CA stands first in the chain, and is taken for the server's certificate.
- `client-cert-rejected`: the client's certificate has the wrong purpose; the server refuses.

## References
- RFC 5280 sections 4.2.1.3 and 4.2.1.12
- RFC 8446 section 4.4.2.2: what a server's certificate must allow
- OpenSSL: openssl-x509(1), `-purpose`
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("wrong-key-usage", "The certificate may not be used for a TLS server")
