"""A certificate cannot be parsed.

A certificate of the chain cannot be read as X.509, or not as this validator reads it.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
The bytes are no certificate, or an extension in it is encoded wrongly. Home-made generators and old CAs are the
source: wrong types in a subject alternative name, a serial number that is negative or too long, an extension
given twice, elliptic curves by explicit parameters. Strict parsers refuse what lenient ones let pass: the same
server works for Java and fails for Go.

## How we know
- The client left right after the server's certificate.
- A certificate that was sent cannot be parsed, or has a part that this validator refuses to read. The report
  names the part.
- The alert does not name the fault: OpenSSL sends unknown_ca (48) when a subject alternative name cannot be
  read, Go bad_certificate (42).
- Validators differ the most here. Some look at every certificate sent, rustls only at those it needs. The
  report says who would accept.
- No trust store is needed for this verdict.

## What to do
Backend owner:
1. See whether two parsers agree:

       openssl x509 -in leaf.pem -noout -text
       openssl asn1parse -in leaf.pem -i
       keytool -printcert -file leaf.pem

2. Is it the certificate at all? A key, a request, or a PEM file with damaged lines is served now and then.
   `openssl x509 -in leaf.pem -outform der | wc -c` must work.
3. Have it issued again by a CA that encodes it right. For a CA of one's own: update the tool that issues.

Gateway operator: nothing to repair in the store. A faulty certificate in the store itself is told under the
problems of the trust store.

## In the log
A subject alternative name that cannot be read:
- OpenSSL: `20 unable to get local issuer certificate`, with `X509 V3 routines:...:invalid certificate` beside
  it
- nginx: `upstream SSL certificate verify error: (21:unable to verify the first certificate)`
- Java: accepts
- Go: `tls: failed to parse certificate from server: x509: invalid subject alternative name`
- GnuTLS: `*** Fatal error: Error in the certificate.`
- Node: `UNABLE_TO_VERIFY_LEAF_SIGNATURE`
- curl: `(35) ... X509 V3 routines::invalid certificate`

## Not to be confused with
- `missing-intermediate`: OpenSSL gives up the search for an issuer when an extension cannot be read, and logs
  20 or 21.
- `unknown-critical-extension`: well formed, but not known.
- `handshake-integrity`: the Certificate message is broken, not a certificate in it.

## References
- RFC 5280 section 4.1: the certificate's structure; section 4.2: extensions
- ITU-T X.690: DER
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("malformed-certificate", "A certificate cannot be parsed")
