"""The server's certificate is self-signed and not trusted.

The server's certificate was issued by nobody but itself, and the client's store does not hold it.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
The server shows a certificate that it signed with its own key: a product's default certificate, a test set-up,
or a default virtual host that answered in place of the right one. No CA vouches for it, so the client refuses.

## How we know
- The client left right after the server's certificate.
- The first certificate sent has the same subject and issuer, and it is not in the store.
- Without `--truststore` this cause is named only after the alert unknown_ca (48), and is likely at most.

## What to do
Backend owner:
1. Look at what answers, with and without the name:

       openssl s_client -connect HOST:443 -servername HOST </dev/null | openssl x509 -noout -subject -issuer -dates
       openssl s_client -connect HOST:443 -noservername </dev/null | openssl x509 -noout -subject -issuer -dates

   If the two differ, the client sends no SNI, or another one: repair that, not the certificate. (nginx as a
   proxy sends no SNI unless `proxy_ssl_server_name on` is set.)
2. Install a certificate from a CA, with its intermediates.

Gateway operator, when the self-signed certificate is meant: add this very certificate to the trust store (all
measured stacks then take it), after comparing its SHA-256 with the owner's. It has to be replaced there at each
renewal.

## In the log
- OpenSSL: `18 self-signed certificate` (OpenSSL 1.1 and BoringSSL write `self signed certificate`)
- nginx: `upstream SSL certificate verify error: (18:self-signed certificate)`
- Java: `PKIX path building failed: ... unable to find valid certification path to requested target`
- Go: `x509: certificate signed by unknown authority`
- .NET: `UntrustedRoot`
- GnuTLS: `The certificate is NOT trusted. The certificate issuer is unknown.`
- Node: `DEPTH_ZERO_SELF_SIGNED_CERT`
- curl: `(60) SSL certificate problem: self-signed certificate`
- A self-signed leaf that is marked as a CA: nginx says `(26:unsuitable certificate purpose)` instead, Node
  `INVALID_PURPOSE`

## Not to be confused with
- `missing-root`: OpenSSL's `19 self-signed certificate in certificate chain` is about a root that was sent, not
  the leaf.
- `root-key-mismatch`: the store holds a certificate of this name with another key: the self-signed one was
  renewed.
- `sni-rejected`: the server refuses a wrong name by an alert; here it answers with a default certificate.

## References
- RFC 5280 sections 3.2 and 6.1
- nginx: ngx_http_proxy_module, `proxy_ssl_server_name`
- OpenSSL: openssl-verification-options(1)
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("self-signed-leaf", "The server's certificate is self-signed and not trusted")
