"""The server left out an intermediate certificate.

The server did not send a certificate that links its leaf to the root, and the client's store does not hold it
either.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
A server has to send everything between its leaf and the root. This one left something out. The client may well
trust the root, but it cannot reach it. Browsers often hide the fault: they keep intermediates from other sites,
or fetch them. Gateways do neither.

## How we know
- The client left right after the server's certificate.
- The path ends at an issuer that was neither sent nor stored, and that is probably no root: a CA certificate
  was sent that does not link to it; or the store holds a root of the same house; or only the leaf was sent, and
  it names an address where its issuer can be had, or the store is one of many public roots.
- This is an inference: nobody has seen the absent certificate. If it is itself a root, then `missing-root` is
  the cause; the text says so.
- Without `--truststore` this cause is named only after the alert unknown_ca (48), and is likely at most.

## What to do
Backend owner (the right place):
1. See what is sent: `openssl s_client -connect HOST:443 -servername HOST -showcerts </dev/null`
2. Get the intermediate from the CA, or from the address in the leaf:

       openssl x509 -in leaf.pem -noout -ext authorityInfoAccess
       openssl x509 -inform der -in issuer.crt -out intermediate.pem

3. Put it behind the leaf and reload: `cat leaf.pem intermediate.pem >fullchain.pem`. nginx `ssl_certificate`,
   HAProxy `crt`, Apache `SSLCertificateFile` take that file. Java: import the whole reply into the key's own
   alias: `keytool -importcert -alias server -file fullchain.pem -keystore keystore.p12`
4. Check from outside: `openssl verify -CAfile root.pem -untrusted intermediate.pem leaf.pem`

Gateway operator, when the backend cannot be changed: add the intermediate to the trust store, beside the root.
It has to be renewed there by hand. With OpenSSL-based validators the root must be there too.

## In the log
- OpenSSL: `20 unable to get local issuer certificate`, sometimes `21 unable to verify the first certificate`
- nginx: `upstream SSL certificate verify error: (21:unable to verify the first certificate)`: a leaf came alone
- Java: `PKIX path building failed: ... unable to find valid certification path to requested target`
- Go: `x509: certificate signed by unknown authority`
- .NET: `PartialChain`
- GnuTLS: `The certificate is NOT trusted. The certificate issuer is unknown.`
- Node: `UNABLE_TO_VERIFY_LEAF_SIGNATURE`
- curl: `(60) SSL certificate problem: unable to get local issuer certificate`
- Azure Application Gateway (documented): `The Intermediate certificate is missing from the certificate chain
  presented by the backend server`

## Not to be confused with
- `missing-root`: everything was sent up to the root, and the root is not in the store. The texts of OpenSSL
  (20), Java and Go are the same for both.
- `wrong-chain-order`: the intermediate was sent, at a place where this validator does not look.
- `root-key-mismatch`: an issuer of that name is there, with another key.

## References
- RFC 8446 section 4.4.2 and RFC 5246 section 7.4.2: what a server has to send
- RFC 5280 section 4.2.2.1: authority information access
- Java: keytool; Microsoft: Troubleshoot backend health issues in Application Gateway
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("missing-intermediate", "The server left out an intermediate certificate")
