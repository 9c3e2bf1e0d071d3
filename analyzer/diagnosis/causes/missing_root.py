"""The trust store lacks the root.

The chain that the server sent is sound, and it ends at an issuer that the client's trust store does not hold.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
The client built a path from the server's certificate upwards. It came to the end of what was sent and of what
is stored without meeting a certificate that it trusts. So it refused. Typical: a backend moved to a private CA,
or a gateway got a new trust store.

## How we know
- The client left right after the server's certificate.
- The path ends at a self-signed root that was sent and is not in the store. Or its last issuer was neither sent
  nor stored and is probably a root: by its name, or because several certificates were sent. When only the leaf
  was sent and nothing tells what the absent issuer is, this code is given, and the text says so.
- Without `--truststore` this cause is named only after the alert unknown_ca (48), and is likely at most.

## What to do
Gateway operator:
1. Get the root from the backend's owner, by a way that you trust. A root that came out of the handshake proves
   nothing; compare its SHA-256 with the owner's:
   `openssl x509 -in root.pem -noout -subject -issuer -fingerprint -sha256`
2. Add it. PEM bundle (nginx `proxy_ssl_trusted_certificate`, HAProxy `ca-file`, Go, Node): append the PEM block
   and reload. Java:

       keytool -importcert -noprompt -alias acme-root -file root.pem -keystore truststore.p12

   keytool stores only the first certificate of a PEM file that holds several, and still says "Certificate was
   added to keystore": one file and one alias each.
3. Check: `openssl verify -CAfile store.pem -untrusted intermediates.pem leaf.pem`

Apigee X: make a new trust store and repoint the reference. Azure API Management (classic): root into the store
Root, intermediate into CertificateAuthority; it takes 15 minutes or more.

Backend owner: give out the root. If the certificate was to be a public one, the wrong one is installed.

## In the log
- OpenSSL: `20 unable to get local issuer certificate`; with the root sent:
  `19 self-signed certificate in certificate chain`
- nginx: `upstream SSL certificate verify error: (20:unable to get local issuer certificate)`, or `(19:...)`
- Java: `PKIX path building failed: ... unable to find valid certification path to requested target`
- Go: `x509: certificate signed by unknown authority`
- .NET: `UntrustedRoot` (root sent), `PartialChain` (root not sent)
- GnuTLS: `The certificate is NOT trusted. The certificate issuer is unknown.`
- Node: `UNABLE_TO_GET_ISSUER_CERT_LOCALLY`, or `SELF_SIGNED_CERT_IN_CHAIN` (root sent)
- curl: `(60) SSL certificate problem: unable to get local issuer certificate`
- The server's log: `tlsv1 alert unknown ca:SSL alert number 48` (nginx), `remote error: tls: bad certificate`
  (Go)

## Not to be confused with
- `missing-intermediate`: the root may be trusted; what lacks is the link to it, and the server has to send it.
- `root-key-mismatch`: a root of this name is in the store, with another key.
- `anchor-not-self-signed`: the store holds the intermediate, and this validator wants the root.
- `self-signed-leaf`: there is no CA at all; the leaf is its own issuer.
- `chain-too-long`: nginx says `(20:...)` for its depth limit too; then the root is in the store.

## References
- RFC 5280 section 6.1 (path validation), RFC 8446 section 4.4.2.4 and RFC 5246 section 7.2.2 (unknown_ca)
- OpenSSL: openssl-verification-options(1); nginx: `proxy_ssl_trusted_certificate`; Java: keytool
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("missing-root", "The trust store lacks the root")
