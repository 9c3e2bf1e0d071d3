"""The validator wants a self-signed root, the store holds an intermediate.

The store holds an issuer on the path, but this validator only trusts self-signed roots.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
Somebody put the intermediate (or the server's own certificate) into the trust store, and not the root above it.
Java, Go, GnuTLS and curl take any stored certificate as an anchor. OpenSSL as such does not: nginx, HAProxy,
Node and Python up to 3.12 go on to look for a self-signed root, and find none.

## How we know
- The client left right after the server's certificate.
- A certificate of the path is in the store, it is not self-signed, and its issuer is not in the store.
- The validators that insist on a self-signed root refuse: `openssl`, `dotnet`, `schannel`. Those that do not
  accept: `java`, `go`, `gnutls`, `openssl-partial`, `boringssl`, `webpki`. So they disagree, and the cause is
  certain only with `--profile`, or when the alert comes from the OpenSSL family alone.
- This cause cannot be named without `--truststore`.

## What to do
Gateway operator:
1. See who issued what is stored: `openssl x509 -in stored.pem -noout -subject -issuer`
2. Add the issuer, up to the self-signed root: `cat intermediate.pem root.pem >ca.pem`, then reload.
3. Check without partial chains, as nginx does: `openssl verify -CAfile ca.pem leaf.pem`. It must say OK.
4. Where only the intermediate is to be trusted: `openssl s_client -partial_chain` shows whether that would
   pass; the product must offer that flag. curl and Python 3.13 set it by themselves; nginx and HAProxy as
   measured do not.

## In the log
- OpenSSL: `2 unable to get issuer certificate`; the leaf itself in the store:
  `20 unable to get local issuer certificate`
- nginx: `upstream SSL certificate verify error: (2:unable to get issuer certificate)`
- Java, Go, curl: no error, they accept
- GnuTLS: accepts an intermediate; for a leaf `There was a non-CA certificate in the trusted list`
- Node: `UNABLE_TO_GET_ISSUER_CERT`
- Python: `certificate verify failed: unable to get issuer certificate`
- .NET: `PartialChain`

## Not to be confused with
- `missing-root`: nothing of the path is in the store.
- `missing-intermediate`: the server left something out; here the chain is whole as far as the stored
  certificate.
- `expired-root`: the root is stored, and past its date.

## References
- OpenSSL: X509_VERIFY_PARAM_set_flags(3), X509_V_FLAG_PARTIAL_CHAIN
- RFC 5280 section 6.1.1: an anchor is a name and a key, self-signed or not
- curl 7.68 and Python 3.13: release notes (partial chains on by default)
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause(
    "anchor-not-self-signed", "The validator wants a self-signed root, the store holds an intermediate"
)
