"""A key on the path is too weak for the validator.

A key on the path is smaller than this validator allows, or of a kind that it does not take.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
RSA keys of 1024 bits, small elliptic curves, DSA. What is too weak is a policy of the client: the OpenSSL
security level, Java's list of disabled algorithms, Go's and rustls' fixed rules. After an upgrade of the
gateway's operating system the same backend fails.

## How we know
- The client left right after the server's certificate.
- A key on the path is below the least size of this validator, or its kind or curve is not on its list.
- The `openssl` profile is that of the bare library without a security level, so it accepts small keys that
  Debian's OpenSSL (level 2) refuses. After an alert about certificates, with a small key in sight and no other
  problem, think of this cause even if the report says `certificate-rejected`. OpenSSL sends bad_certificate
  (42) for it.
- No trust store is needed for this verdict, unless the key is that of the stored root.

## What to do
Backend owner:
1. See the keys of everything sent: `openssl x509 -in cert.pem -noout -text | grep -A1 'Public Key Algorithm'`
2. Make a new key and have a new certificate issued (2048 bits RSA or more, or P-256):

       openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key -out server.csr

3. A weak key further up: change to the CA's newer intermediate.

Gateway operator, until then and for this backend only: lower the client's level. OpenSSL: cipher string
`DEFAULT@SECLEVEL=1` (nginx `proxy_ssl_ciphers`). Java: `jdk.certpath.disabledAlgorithms` in java.security. Take
it back afterwards.

## In the log
- OpenSSL: `66 EE certificate key too weak`, `67 CA certificate key too weak`
- nginx: `upstream SSL certificate verify error: (66:EE certificate key too weak)`
- curl: `(60) SSL certificate problem: EE certificate key too weak`
- Python: `certificate verify failed: EE certificate key too weak`
- Java 17, Go 1.19, Node 20, GnuTLS 3.7 accept RSA of 1024 bits
- rustls: `UnsupportedSignatureAlgorithmForPublicKey`

## Not to be confused with
- `weak-signature`: the hash under a signature, not the key.
- `no-shared-cipher`: the two sides do not agree on a suite or signature algorithm before any certificate is
  looked at.
- `certificate-rejected`: the reason that is left when the store and the validator given would accept.

## References
- OpenSSL: SSL_CTX_set_security_level(3)
- NIST SP 800-57 part 1 and SP 800-131A: sizes
- Java: `jdk.certpath.disabledAlgorithms` in the java.security file
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("weak-key", "A key on the path is too weak for the validator")
