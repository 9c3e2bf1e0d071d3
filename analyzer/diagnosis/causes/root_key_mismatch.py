"""The trust store holds a root of the same name with another key.

The store holds a certificate with the right name, but another key than the one that signed the chain.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
A CA made its root anew: same name, new key. (Or two CAs were given the same name, as test environments do.) The
gateway's store still holds the old one, or already the new one. Names match, signatures do not. To the eye the
store looks right: this is the fault that costs the most time.

## How we know
- The client left right after the server's certificate.
- The store holds a certificate whose subject is the issuer that the chain needs, and the signature does not
  verify under its key, or its key identifier is not the one that the chain names. The report shows both
  identifiers, or both SHA-256.
- The alert is unknown_ca (48) from the OpenSSL family; decrypt_error (51) when the certificates bear no key
  identifiers, so that only the signature tells.
- This cause cannot be named without `--truststore`.

## What to do
Gateway operator:
1. Compare key identifiers; they must be equal:

       openssl x509 -in intermediate.pem -noout -ext authorityKeyIdentifier
       openssl x509 -in stored-root.pem -noout -subject -dates -ext subjectKeyIdentifier

2. Get the root that belongs to this chain from the CA, compare its SHA-256 by a second way, and add it. Keep
   the old one as long as other backends hang on it: two roots of one name may stand side by side.
3. Java: give the new one another alias. `keytool -importcert` refuses an alias that exists.

Backend owner: if it is the chain that is old, install the certificate that the CA issued last, with the
intermediate of the same delivery. Old leaf and new intermediate of the same name do not fit either.

## In the log
- OpenSSL: `20 unable to get local issuer certificate`; root sent too:
  `19 self-signed certificate in certificate chain`; no key identifiers in the certificates:
  `7 certificate signature failure`
- nginx: the same with the number: `(20:...)`, `(19:...)`, `(7:certificate signature failure)`
- Java: `Path does not chain with any of the trust anchors`; no key identifiers: `signature check failed`,
  `Signature does not match.`
- Go: `x509: certificate signed by unknown authority (possibly because of "crypto/rsa: verification error" while
  trying to verify candidate authority certificate "Acme Root CA")`
- GnuTLS: `The certificate issuer is unknown.`; no key identifiers:
  `The signature in the certificate is invalid.`
- Node: `SELF_SIGNED_CERT_IN_CHAIN` (root sent), `CERT_SIGNATURE_FAILURE` (no key identifiers)
- curl: `(60) SSL certificate problem: unable to get local issuer certificate`

## Not to be confused with
- `missing-root`: no certificate of that name is in the store. OpenSSL's text is the same.
- `bad-signature`: both certificates were sent by the server and do not fit each other; the store has no part in
  it.
- `expired-root`: the stored root has the right key, and is past its date.

## References
- RFC 5280 sections 4.2.1.1 and 4.2.1.2 (key identifiers) and 6.1
- RFC 4210 section 4.4: how a root changes its key
- Java: keytool
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("root-key-mismatch", "The trust store holds a root of the same name with another key")
