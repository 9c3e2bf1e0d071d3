"""An issuer on the path may not issue for this name.

A CA on the path may not issue for a name that a certificate below it bears.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
A CA certificate carries name constraints: domains, addresses or directory names that it may issue for, or may
not. A name in the leaf lies outside. Typical: a company's CA that is bound to `example.com` issued for
`example.net`, or for an address when only DNS names were thought of. Every name of the leaf counts, not only
the one that the client asked for.

## How we know
- The client left right after the server's certificate.
- A name of the leaf (or of an intermediate) is outside the permitted subtrees of an issuer, or inside an
  excluded one. The report names the CA, the name and the constraint.
- Validators differ much: which kinds of names they know, whether the common name counts as a host, what they
  make of a constraint that they do not know. The report says who would accept.
- The alert says little: the OpenSSL family and Java send certificate_unknown (46) for it, Go and GnuTLS
  bad_certificate (42).

## What to do
Backend owner:
1. Put the two side by side:

       openssl x509 -in intermediate.pem -noout -ext nameConstraints
       openssl x509 -in leaf.pem -noout -subject -ext subjectAltName

2. Have the leaf issued again without the offending name, or by a CA that may issue for it.

Whoever runs the CA: have the CA certificate issued again with the right subtrees. Mind the form: a DNS
constraint without a leading dot covers the domain and everything below; an address constraint is an address
with a mask. A constraint on DNS names says nothing about addresses.

Gateway operator: nothing to repair in the store, unless the constraint is in a stored root that has since been
renewed.

## In the log
- OpenSSL: `47 permitted subtree violation`, `48 excluded subtree violation`
- nginx: `upstream SSL certificate verify error: (47:permitted subtree violation)`
- Java: `PKIX path validation failed: ... name constraints check failed`
- Go: `x509: a root or intermediate certificate is not authorized to sign for this name: DNS name "..." is not
  permitted by any constraint`
- GnuTLS: `The certificate chain violates the signer's constraints.`
- Node: `UNSPECIFIED permitted subtree violation`
- curl: `(60) SSL certificate problem: permitted subtree violation`
- BoringSSL: `unsupported name constraint type` for kinds that it does not know, such as addresses

## Not to be confused with
- `hostname-mismatch`: the leaf has no matching name; here it has one that it should not have been given.
- `path-too-long`: GnuTLS has the same text for both.
- `unknown-critical-extension`: a validator that does not know name constraints, or a kind of them, refuses as
  such.

## References
- RFC 5280 sections 4.2.1.10 and 6.1.3 (b), (c)
- OpenSSL: x509v3_config(5), Name Constraints
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("name-constraint-violation", "An issuer on the path may not issue for this name")
