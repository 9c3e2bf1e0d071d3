"""The server never answered the ClientHello.

The ClientHello went out, and not one byte came back.

Aborted by: client, or network. Confidence: certain, likely or possible.

## What happened
TCP is up, TLS is not answered. The process behind the port hangs, is overloaded or waits for something itself;
its accept queue takes connections that nobody serves; or a box in between opened the connection on the server's
behalf and cannot reach it.

## How we know
- The connection was opened, the ClientHello was sent, and the server sent no byte of data for a second at
  least, or the ClientHello had to be sent again.
- Certain: the server's TCP acknowledged the ClientHello. Likely: it did not even do that. Possible: it did, and the
  capture ends within ten seconds, while the client still waits.
- Bytes of the server that the client acknowledged, or more from the client than its hello, show an answer that the
  capture lacks: then it is not this.
- Client: it gave up, and the report says after how long. Network: the capture ends in the silence.
- The time tells who gave up: Apigee's handshake timeout is 55 s, many proxies have 60 s, curl's and Java's are
  set by the caller.

## What to do
Server operator:
1. Does the process answer on its own machine? `openssl s_client -connect 127.0.0.1:443 </dev/null`
2. Is its queue full? `ss -ltn 'sport = :443'`: Recv-Q near Send-Q means that nobody accepts.
3. All threads busy? A thread dump (`jstack PID`), or the process's load. Slow DNS or a slow key store in the
   handshake shows there.
4. Behind a load balancer: does the health check speak TLS, and to this port?

Gateway operator:
1. Not acknowledged: a firewall that lets small packets through and drops this one (deep inspection, a large
   ClientHello), or a path that swallows full-size packets.
2. Do not only raise the timeout: a server that needs more than a second for its hello is ill.

## In the log
- Apigee (documented): `handshakeTimeout` at 55 s, HTTP 502
- Java (client): `java.net.SocketTimeoutException: Read timed out`
- Go (client): `context deadline exceeded (Client.Timeout exceeded while awaiting headers)`
- curl: `(28) Connection timed out after ... milliseconds`

## Not to be confused with
- `connect-timeout`: not even the SYN was answered.
- `path-mtu-blackhole`: the server did answer, and its full-size packets vanish.
- `server-closed`: a FIN came, without data.
- `client-closed`: the client left before a second had passed.

## References
- RFC 6298: retransmission timer; RFC 9293 section 3.8
- Apigee: playbook on handshake timeouts; ss(8)
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case, seconds
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.registry import HandshakeType
from analyzer.tls.connection import Side

_WATCHED_NS: Final = 1_000_000_000
"""A server that has not answered for this long is silent; a healthy one answers within milliseconds."""

_PATIENT_NS: Final = 10_000_000_000
"""Where the client still waits when the capture ends, a slow server may have answered a moment later."""

_REPEATED_NS: Final = 200_000_000
"""TCP sends again after 200 ms at the earliest; what is seen twice sooner was copied by a mirror port."""


def look(case: Case) -> Match | None:
    """The ClientHello was sent, nothing came back, and the client gave up or the capture ended."""
    connection = case.connection
    server = connection.halves[Side.SERVER]
    said = connection.plain_answer is not None if connection.prelude is not None else server.bytes
    if not connection.hellos or server.is_tls or said or not server.packets:
        return None
    ending = case.ending
    if ending is not None and ending.side is Side.SERVER:
        return None
    if server.lost or _went_on(case):
        return None  # what it said is not in the capture
    hello = connection.hellos[0]
    last = ending.time_ns if ending is not None and ending.time_ns is not None else case.capture_end_ns
    waited = last - hello.time_ns
    repeats = [again.packet for again in connection.halves[Side.CLIENT].retransmissions]
    if waited < (_REPEATED_NS if repeats else _WATCHED_NS):
        return None
    client = connection.halves[Side.CLIENT]
    acknowledged = bool(server.last_ack >= 0 and (client.acknowledged or 0) > client.tls_begins)
    evidence = [Evidence(hello.packet, "the ClientHello")]
    if acknowledged:
        evidence.append(Evidence(server.last_packet, "the server's TCP acknowledged it, and nothing more came"))
    if repeats:
        evidence.append(Evidence(repeats[0], f"the ClientHello was sent again {len(repeats)} times"))
    silence = f"until the capture ends, {seconds(waited)} later."
    if ending is not None:
        evidence.append(Evidence(ending.packet, f"the client gave up after {seconds(waited)}"))
        silence = f"in {seconds(waited)}. The client gave up then."
    state = "acknowledged by the server's TCP" if acknowledged else "not even acknowledged"
    brief = ending is None and acknowledged and waited < _PATIENT_NS
    return Match(
        confidence=POSSIBLE if brief else CERTAIN if acknowledged else LIKELY,
        explanation=f"The ClientHello to {connection.server} was {state}, and no byte came back {silence} The process "
        "behind the port hangs or is overloaded, or a box in between accepts connections that nobody serves.",
        evidence=tuple(evidence),
        weight=2,
        aborted_by="client" if ending is not None else "network",
    )


def _went_on(case: Case) -> bool:
    """Whether the client said more than its hello, which it does only when it has an answer."""
    seen = case.connection.halves[Side.CLIENT].seen
    more = [message for message in seen.messages if message.type != HandshakeType.CLIENT_HELLO]
    return bool(more or seen.encrypted_handshake)


CAUSE = Cause(
    code="server-silent",
    title="The server never answered the ClientHello",
    look=look,
    covers=("client-closed", "unexplained", "capture-incomplete"),
    stands_alone=True,
)
