"""The path is deeper than the validator's configured depth.

The path is sound, but it has more intermediates than the validator is set to follow.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
Some clients have a limit on the depth of a chain. The one that bites is nginx's: `proxy_ssl_verify_depth` is 1
unless set. One intermediate passes, two fail, with a message that looks like a missing root.

## How we know
- The client left right after the server's certificate; nginx does so after the handshake, with no alert.
- The path needs more intermediates than the limit: that of `--verify-depth`, or the built-in one of the
  validator (OpenSSL 100, rustls 6).
- The limit of a product is not on the wire: without `--verify-depth` this cause is named for built-in limits
  only. The same capture without the option says that the store would have accepted the chain.
- This cause cannot be told without `--truststore`.

## What to do
Gateway operator:
1. Count the certificates between leaf and root: `openssl s_client -connect HOST:443 -servername HOST -showcerts
   </dev/null | grep -c '^ *[0-9]* s:'` counts the leaf too.
2. Raise the limit and reload. nginx: `proxy_ssl_verify_depth 3;`. ingress-nginx: annotation
   `nginx.ingress.kubernetes.io/proxy-ssl-verify-depth`. Kong: `tls_verify_depth` of the service.
3. Try it again here with `--verify-depth 3`.

Backend owner: a shorter path may exist. Leave out cross-signs that nobody needs any more.

## In the log
- nginx: `upstream SSL certificate verify error: (20:unable to get local issuer certificate)`, although the root
  is in the store
- OpenSSL with `-verify_depth`: `22 certificate chain too long`
- curl, Java, Go, Node, GnuTLS as measured accept two intermediates by default
- rustls: `MaximumPathDepthExceeded`

## Not to be confused with
- `missing-root`: nginx has the same words; there the root is not in the store.
- `path-too-long`: the limit is in a CA certificate, and no setting of the client lifts it.
- `wrong-chain-order`: Java's limit of five holds only when it has to search.

## References
- nginx: ngx_http_proxy_module, `proxy_ssl_verify_depth`
- OpenSSL: SSL_CTX_set_verify_depth(3)
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("chain-too-long", "The path is deeper than the validator's configured depth")
