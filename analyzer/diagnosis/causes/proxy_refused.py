"""The proxy did not open the tunnel.

The client asked a proxy for a tunnel (HTTP CONNECT, SOCKS), and did not get it. TLS never began.

Aborted by: server, or client. Confidence: certain or likely.

## What happened
The client does not reach its server by itself: it asks a proxy to connect it. The proxy said no, could not, or
left without an answer. The `server` of the report is the proxy; the host that was meant is in `prelude`.

## How we know
- The capture holds the request for the tunnel and the proxy's answer in clear text. That is certain.
- Likely: the proxy closed, or was silent, in place of an answer.
- The status says why. 407: the proxy wants authentication. 403: its rules forbid the host or the port. 502, 503,
  504: it could not reach the host, resolve its name, or waited in vain. 400, 405, 501: it is no proxy for CONNECT.
- SOCKS 5 has codes: 2 is a rule, 3 to 5 are the network's and the host's, 255 wants another authentication.

## What to do
1. Try the same by hand, from the client's machine:

       curl -v -x http://PROXY:PORT https://HOST/
       curl -v --socks5-hostname PROXY:PORT https://HOST/

2. 407: give the client the user and password, or the scheme that the proxy wants. Java leaves out Basic for
   tunnels unless `jdk.http.auth.tunneling.disabledSchemes` is empty.
3. 403: ask who runs the proxy to allow host and port. Squid allows CONNECT to `SSL_ports` only.
4. 502, 503, 504: from the proxy's own machine, does the name resolve, does the port answer?
5. Should the client use a proxy at all for this host? `NO_PROXY`, `http.nonProxyHosts` name those it should not.

## In the log
- curl: `CONNECT tunnel failed, response 403`; for SOCKS `Can't complete SOCKS5 connection to HOST. (5)`,
  `No authentication method was acceptable.`
- Java: `Unable to tunnel through proxy. Proxy returns "HTTP/1.1 407 Proxy Authentication Required"`
- Go: `Forbidden`, `Proxy Authentication Required`
- Python requests: `Tunnel connection failed: 403 Forbidden`
- Squid: `TCP_DENIED/403`, `TCP_DENIED/407`, `TCP_TUNNEL/503`

## Not to be confused with
- `connection-refused`, `connect-timeout`: the proxy itself cannot be reached.
- `not-tls`: the tunnel was there, and plain text came through it.
- `hostname-mismatch`: a proxy that opens TLS itself answers with a certificate of its own.

## References
- RFC 9110 section 9.3.6 (CONNECT), section 15.5.8 (407)
- RFC 1928: SOCKS 5
"""

from __future__ import annotations

from shlex import quote
from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Match
from analyzer.diagnosis.prelude import COVERED, refused
from analyzer.tls.prelude.model import Kind
from analyzer.trust.model import Fix

_WHY: Final = {
    "HTTP": {
        "407": "It wants the client to authenticate itself.",
        "403": "Its rules do not allow this host or port to this client.",
        "400": "It does not take the request for one that a proxy is asked.",
        "405": "It is no proxy for CONNECT.",
        "501": "It is no proxy for CONNECT.",
        "500": "It failed by itself.",
        "502": "It could not connect to the host.",
        "503": "It could not connect to the host, or not resolve its name.",
        "504": "The host did not answer it in time.",
    },
    "SOCKS5": {
        "1": "It failed by itself.",
        "2": "Its rules do not allow this host or port to this client.",
        "3": "It has no way to the host's network.",
        "4": "It could not reach the host, or not resolve its name.",
        "5": "The host refused it.",
        "255": "It wants the client to authenticate itself in another way.",
    },
}
"""What a status means, by protocol."""


def look(case: Case) -> Match | None:
    """The answer to the request for a tunnel is a refusal, or there is none."""
    prelude = case.connection.prelude
    if prelude is None:
        return None
    last = prelude.last
    code = last.refusal.code if last.refusal is not None else None
    why = _WHY.get(last.protocol, {}).get(code or "", "Its own log tells why.")
    to = f" to {last.target}" if last.target is not None else ""
    return refused(case, Kind.TUNNEL, what=f"the tunnel{to}", who="the proxy", why=why, sure=CERTAIN, unsure=LIKELY)


def fixes(case: Case) -> tuple[Fix, ...]:
    """How to ask the proxy by hand."""
    prelude = case.connection.prelude
    if prelude is None or prelude.target is None:
        return ()
    url = f"https://{prelude.target}/"
    option = {"HTTP": "-x http://", "SOCKS4": "--socks4a "}.get(prelude.last.protocol, "--socks5-hostname ")
    text = f"Have the proxy let this client through to {prelude.target}; from the client's machine this shows whether:"
    command = f"curl -v -o /dev/null {option}{case.connection.server} {quote(url)}"
    return (Fix(action="configure", text=text, commands=(command,)),)


CAUSE = Cause(
    code="proxy-refused",
    title="The proxy did not open the tunnel",
    look=look,
    fixes=fixes,
    covers=COVERED,
    stands_alone=True,
)
