"""The server refuses the server name, or its absence.

The server has no service for the name in the ClientHello, or wants a name and got none.

Aborted by: server. Confidence: certain, likely or possible.

## What happened
The client names the host it wants (SNI) in its first message. The server does not know that name, or insists on
one. Gateways often send another name than one expects: the name of an upstream block, the address (then none at
all), or nothing.

## How we know
- Certain: the server sent unrecognized_name (112) as a fatal alert.
- Likely: missing_extension (109), and the ClientHello holds no server name.
- Possible: the server answered the ClientHello with handshake_failure (40), internal_error (80; Go does when its
  callback finds no certificate), access_denied (49), a FIN or a RST; the more so when it holds no server name.
- The report shows the name that was sent, and the names that this server answered in other connections. An
  address is never sent as a name: RFC 6066 forbids it.
- A server may also answer with a default certificate, close, or reset: then the report says
  `hostname-mismatch`, `server-closed` or `server-reset`.

## What to do
1. Try with and without the name:

       openssl s_client -connect HOST:443 -servername HOST </dev/null
       openssl s_client -connect HOST:443 -noservername </dev/null

2. Gateway operator: let it send the name that the backend knows.
   - nginx: `proxy_ssl_server_name on; proxy_ssl_name api.example.com;`. The default is off: no SNI.
   - HAProxy: `sni str(api.example.com)`, for health checks `check-sni api.example.com`
   - Java: no SNI goes out when the URL holds an address.
   - Apigee: call the target by its name, not by its address.
3. Server operator: add the name to the virtual host, or a default host. nginx: `ssl_reject_handshake on` in the
   default server is what refuses; HAProxy: `strict-sni`.

## In the log
- OpenSSL, curl (client): `tlsv1 unrecognized name`, `SSL alert number 112`
- nginx (client): `[crit] ... tlsv1 unrecognized name`; as a server: `handshake rejected while SSL handshaking`
- Java (client): `Received fatal alert: unrecognized_name`
- Go (client): `remote error: tls: unrecognized name`
- GnuTLS (client): `Received alert [112]: The server name sent was not recognized`
- Node (client): `EPROTO ... tlsv1 unrecognized name`

## Not to be confused with
- `hostname-mismatch`: the server answers, with a certificate for other names; the client refuses.
- `no-shared-cipher`: alert 40, which some servers send for an unknown name.
- `server-reset`: load balancers that know no such name often only reset.

## References
- RFC 6066 section 3 (server_name), RFC 8446 sections 6.2 and 9.2
- nginx: `proxy_ssl_server_name`, `ssl_reject_handshake`; HAProxy: `sni`, `strict-sni`
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.offer import refused_at_hello
from analyzer.registry import AlertDescription as Alert
from analyzer.tls.connection import Side

_MAY_MEAN_IT: Final = (None, Alert.HANDSHAKE_FAILURE, Alert.INTERNAL_ERROR, Alert.ACCESS_DENIED)
"""How servers leave that do not know a name, or miss one: silently, or with an alert for anything."""


def look(case: Case) -> Match | None:
    """A fatal unrecognized_name from the server, or missing_extension for a hello without a server name."""
    ending = case.ending
    alert = case.fatal_alert
    if ending is None or ending.side is not Side.SERVER:
        return None
    hello = case.connection.client_hello
    name = hello.server_name if hello is not None else None
    if alert == Alert.UNRECOGNIZED_NAME:
        said = f"does not know the name “{name}”" if name else "wants a server name, and the client sent none"
    elif alert == Alert.MISSING_EXTENSION and hello is not None and name is None:
        said = "misses an extension; the client sent no server name"
    elif refused_at_hello(case) is not None and alert in _MAY_MEAN_IT:
        packet = case.connection.hellos[0].packet
        if name is None:
            text = "The client sent no server name (SNI); some servers refuse that, and do not say so."
            evidence = Evidence(packet, "the ClientHello has no server_name extension")
        else:
            text = f"Some servers answer so to a name that they do not know; the client asked for “{name}”."
            evidence = Evidence(packet, f"the ClientHello asks for “{name}”")
        internal = alert == Alert.INTERNAL_ERROR
        return Match(
            confidence=POSSIBLE, explanation=text, evidence=(evidence,), weight=1 if name is None or internal else 0
        )
    else:
        return None
    return Match(
        confidence=CERTAIN if alert == Alert.UNRECOGNIZED_NAME else LIKELY,
        explanation=f"The server {said}: it sent the alert {case.alert_text()}.",
        evidence=(Evidence(ending.packet, f"the server sent the alert {case.alert_text()}"),),
        weight=2,
    )


CAUSE = Cause(
    code="sni-rejected", title="The server refuses the server name, or its absence", look=look, covers=("unexplained",)
)
