"""A certificate has a critical extension that the validator does not know.

A certificate carries an extension marked critical that this validator does not understand.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
Critical means: who does not understand this must refuse. A private CA put an extension of its own, or a rare
standard one, into a certificate and marked it critical. Others who know the extension accept the same
certificate.

## How we know
- The client left right after the server's certificate.
- A certificate on the path has a critical extension that is not among those that this validator knows. The
  report gives its object identifier.
- Each validator has its own list. Extensions of a stored anchor are not looked at by some (Java, BoringSSL).
- The alert says little: the OpenSSL family and Java send certificate_unknown (46) for it, Go and GnuTLS
  bad_certificate (42).

## What to do
Backend owner, or whoever runs the CA:
1. Find it:

       openssl x509 -in cert.pem -noout -text | grep -B1 -A3 critical

   Usual and harmless there: Basic Constraints, Key Usage, Name Constraints, Extended Key Usage.
2. Have the certificate issued again with that extension not critical, or without it.
3. If the extension has a purpose (policy constraints, for instance), use a validator that knows it; a newer
   version of the same product may.

Gateway operator: nothing to repair in the store. Note the object identifier for the backend's owner.

## In the log
- OpenSSL: `34 unhandled critical extension`
- nginx: `upstream SSL certificate verify error: (34:unhandled critical extension)`
- Java: `PKIX path validation failed: ... unrecognized critical extension(s)`
- Go: `x509: unhandled critical extension`
- .NET: `HasNotSupportedCriticalExtension`
- GnuTLS: `The certificate contains an unknown critical extension.`
- Node: `UNSPECIFIED unhandled critical extension`
- curl: `(60) SSL certificate problem: unhandled critical extension`

## Not to be confused with
- `malformed-certificate`: the extension is known, and its contents cannot be read.
- `name-constraint-violation`: the constraint is understood, and broken.

## References
- RFC 5280 sections 4.2 and 6.1.4 (o), 6.1.5 (f)
- ITU-T X.509, clause on critical extensions
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause(
    "unknown-critical-extension", "A certificate has a critical extension that the validator does not know"
)
