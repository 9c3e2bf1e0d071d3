"""A signature algorithm on the path is too weak for the validator.

A signature on the path uses an algorithm that this validator refuses.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
A certificate was signed with MD5 or SHA-1, or with an algorithm that the client does not know. The signature of
an anchor on itself does not count: nobody checks it. After an upgrade of the client's system, a backend that
nobody touched fails.

## How we know
- The client left right after the server's certificate.
- The leaf or an intermediate is signed with a hash that is not on this validator's list, or the signature
  cannot be checked for want of the algorithm.
- The `openssl` profile is that of the bare library without a security level, so it accepts SHA-1 that Debian's
  OpenSSL (level 2) refuses, by the alert bad_certificate (42). Java 17 accepts SHA-1 for a private CA.
- With MD5 a client may not come so far: Java does not even offer it, and the server then sends
  handshake_failure (40), which is reported as `no-shared-cipher`.
- No trust store is needed for this verdict.

## What to do
Backend owner:
1. See how everything sent is signed:

       openssl x509 -in cert.pem -noout -text | grep 'Signature Algorithm' | head -1

2. Have the certificate issued again with SHA-256. For a CA of one's own: `openssl x509 -req -sha256 ...`, or
   `default_md = sha256`.
3. A weak signature on an intermediate: the CA has a newer one of the same name and key. Only the file has to
   change.

Gateway operator, until then and for this backend only: lower the client's level (OpenSSL: `DEFAULT@SECLEVEL=0`;
Go 1.19 for SHA-1: `GODEBUG=x509sha1=1`). Take it back afterwards.

## In the log
- OpenSSL: `68 CA signature digest algorithm too weak`, for the leaf's signature too
- nginx: `upstream SSL certificate verify error: (68:CA signature digest algorithm too weak)`
- Go: `x509: certificate signed by unknown authority (possibly because of "x509: cannot verify signature:
  insecure algorithm SHA1-RSA ..." ...)`
- GnuTLS: `The certificate chain uses insecure algorithm.`
- Node: `UNSPECIFIED CA signature digest algorithm too weak`
- curl: `(60) SSL certificate problem: CA signature digest algorithm too weak`

## Not to be confused with
- `weak-key`: the size of a key.
- `bad-signature`: the algorithm is fine, the signature does not verify.
- `missing-root`: Go's first words are the same; the bracket behind them tells.
- `no-shared-cipher`: no signature algorithm in common in the hellos.

## References
- RFC 8446 sections 4.2.3 and 4.4.2.2: signature algorithms of certificates
- RFC 6194 (SHA-1), RFC 6151 (MD5): security considerations
- OpenSSL: SSL_CTX_set_security_level(3); Go 1.18 release notes
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("weak-signature", "A signature algorithm on the path is too weak for the validator")
