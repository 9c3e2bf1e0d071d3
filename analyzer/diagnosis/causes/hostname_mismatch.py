"""The certificate is for other names than the host.

No name in the server's certificate matches the host that the client meant.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
The chain may be perfect, but it vouches for somebody else. The client asked for one name and got a certificate
for others. Usual reasons: the gateway calls the backend by an internal name or an address, a wildcard is one
label too deep (`*.example.com` covers `a.example.com`, not `a.b.example.com` and not `example.com`), a default
virtual host answered, or the proxy checks the name of its own upstream block.

## How we know
- The client left right after the server's certificate. curl finishes the handshake first; nginx, Node and wget
  do so for every fault. HAProxy sends internal_error (80) for it.
- The name from `--host`, else the SNI of the ClientHello, matches none of the leaf's subject alternative names.
  The report lists them. The SNI may differ from the name that the client checks: give `--host` when you know
  it.
- Without either, the name is not checked, and this cause is not named.
- No trust store is needed for this verdict.

## What to do
See what answers to that name: `openssl s_client -connect HOST:443 -servername HOST </dev/null | openssl x509
-noout -ext subjectAltName`

Gateway operator: call the backend by a name that is in the certificate, or tell the gateway which name to
expect.
- nginx: `proxy_ssl_name api.example.com; proxy_ssl_server_name on;`. The default is the host in `proxy_pass`;
  with an `upstream` block that is the block's name, and no SNI is sent.
- HAProxy: `sni str(api.example.com) verifyhost api.example.com`
- Traefik: `serverName`. Azure Application Gateway: host name of the probe, then of the backend setting.
- Apigee: the host in the target's URL or target server.

Backend owner: have a certificate issued whose subject alternative names hold every name in use. An address
needs an entry of the kind IP, not DNS. See it: `openssl x509 -in leaf.pem -noout -checkhost api.example.com`

## In the log
- OpenSSL: `62 hostname mismatch`; for an address `64 IP address mismatch`
- nginx: `upstream SSL certificate does not match "NAME"`
- Java: `No subject alternative DNS name matching B found.`; `No name matching B found` (no DNS name in it);
  `No subject alternative names matching IP address X found`
- Go: `x509: certificate is valid for A, not B`
- .NET: `RemoteCertificateNameMismatch`
- GnuTLS: `The name in the certificate does not match the expected.`
- Node: `ERR_TLS_CERT_ALTNAME_INVALID`
- curl: `(60) SSL: no alternative certificate subject name matches target host name 'B'`

## Not to be confused with
- `hostname-only-in-cn`: the name is there, in the common name, where this validator does not look.
- `sni-rejected`: the server refused the name itself, by an alert of its own.
- `self-signed-leaf`: a default certificate answered; often both faults at once.

## References
- RFC 9525 section 6 and RFC 6125 section 6.4: matching of names, wildcards
- nginx: ngx_http_proxy_module, `proxy_ssl_name`; HAProxy: `verifyhost`, `sni`
- Microsoft: Troubleshoot backend health issues in Application Gateway
"""

from __future__ import annotations

from analyzer.diagnosis.certificate import certificate_cause

CAUSE = certificate_cause("hostname-mismatch", "The certificate is for other names than the host")
