r"""The host name stands in the common name only.

The host name is in the subject's common name only, and this validator reads subject alternative names only.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
The certificate was made the old way: the name in the CN, no subject alternative name. OpenSSL, Java, GnuTLS,
Node and curl as measured still take it. Go has not since 1.15; rustls never did. So the same backend works for
one gateway and fails for the next.

## How we know
- The client left right after the server's certificate.
- The name from `--host`, else the SNI, equals the CN of the leaf, and no subject alternative name matches.
- The validators `go` and `webpki` refuse, the others accept. So they disagree, and the cause is certain only
  with `--profile`, or when a certificate alert and the refusals leave no other choice.
- No trust store is needed for this verdict.

## What to do
Backend owner: have the certificate issued again with the name as a subject alternative name. For a CA of one's
own:

    printf 'subjectAltName=DNS:api.example.com\n' >ext
    openssl req -new -key server.key -subj /CN=api.example.com -out server.csr
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 365 -extfile ext -out server.pem

`openssl x509 -req` takes over no extensions from a request by itself: without `-extfile` (or
`-copy_extensions copy`) the name is lost, which is how most of these certificates come about. Check:
`openssl x509 -in server.pem -noout -ext subjectAltName`

Gateway operator: nothing to switch in Go-based products (Traefik and others); the environment variable that
once brought back the CN is gone since Go 1.17.

## In the log
- Go: `x509: certificate relies on legacy Common Name field, use SANs instead`
- OpenSSL, nginx, Java, GnuTLS, Node, Python, curl: no error, they accept
- rustls: `CertNotValidForName`

## Not to be confused with
- `hostname-mismatch`: the name is nowhere in the certificate; every validator refuses.
- `wrong-key-usage`: another leftover of certificates made with few extensions.

## References
- RFC 9525 section 2: the common name is not to be used
- RFC 2818 section 3.1: where the CN came from, deprecated in the year 2000
- Go 1.15 and 1.17 release notes, crypto/x509
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("hostname-only-in-cn", "The host name stands in the common name only")
