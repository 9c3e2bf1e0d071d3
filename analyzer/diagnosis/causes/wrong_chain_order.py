"""The server sends its chain in an order that the validator does not sort out.

The certificates are all there, but in an order that this validator does not sort out.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
The server sends its certificates in the wrong order. Most validators do not mind: the ten stacks measured all
reorder what comes after the leaf. What none forgives is a leaf that is not first. Java sorts out a disorder,
but then follows five intermediates at most. Azure Application Gateway minds the order.

## How we know
- The client left right after the server's certificate.
- A CA was sent first and the server's certificate came later; or the certificates were not in order, and there
  are more than this validator follows when it has to search.
- A CA in first place makes the OpenSSL family send unsupported_certificate (43), Java 46, Go and GnuTLS 42.
- TLS 1.2 asks for strict order, TLS 1.3 for the leaf first only.

## What to do
Backend owner:
1. Look at the order; each certificate's issuer must be the next one's subject:

       openssl s_client -connect HOST:443 -servername HOST -showcerts </dev/null | grep -E '^ *[0-9]+ s:|^ *i:'

2. Write the file anew, the leaf first, the root not at all:

       cat leaf.pem issuing.pem policy.pem >fullchain.pem

3. Reload. nginx and HAProxy send the file as it is. A server whose key does not fit the first certificate of
   the file will not start; that is a test in itself.

Gateway operator: nothing to repair in the store.

## In the log
A CA in the leaf's place is treated as if it were the server's certificate:
- OpenSSL: `26 unsuitable certificate purpose`
- Java: `KeyUsage does not allow digital signatures`; too many to sort: `PKIX path building failed: ...`
- Go: `x509: certificate is not valid for any names, but wanted to match B`
- GnuTLS: `The name in the certificate does not match the expected.`
- Node: `INVALID_PURPOSE`
- curl: `(60) SSL certificate problem: unsuitable certificate purpose`
- Azure Application Gateway (documented): `The Leaf certificate is not the topmost certificate in the chain`

## Not to be confused with
- `missing-intermediate`: a link is absent; order has no part in it.
- `wrong-key-usage`: the leaf itself is a CA certificate, and no other was sent.
- `hostname-mismatch`: a CA in first place bears no host name, so some validators complain about the name.

## References
- RFC 5246 section 7.4.2: each certificate must certify the one before it
- RFC 8446 section 4.4.2: the leaf first, the rest should be in order
- Microsoft: Troubleshoot backend health issues in Application Gateway
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause(
    "wrong-chain-order", "The server sends its chain in an order that the validator does not sort out"
)
