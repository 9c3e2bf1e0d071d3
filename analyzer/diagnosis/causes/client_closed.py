"""The client left in the handshake without saying why.

The client left during the handshake without an alert, and the chain gives no reason.

Aborted by: client. Confidence: likely or possible.

## What happened
The client hung up or reset. It may have run into a timeout of its own, its caller may have cancelled, its
process may have been stopped. Health checks and scanners that begin a handshake do the same on purpose. Some
clients refuse a certificate this way, too: that is why the chain is looked at first.

## How we know
- The client's FIN, RST or close_notify was the first act that ended the connection, before the handshake was
  done.
- Likely: every validator asked accepts the server's chain, or no certificate had come yet, and nothing
  of the server is missing. Possible: otherwise.
- An alert that TLS 1.3 encrypts is one, and this is not the cause; but one that comes after more than a second is
  as likely the close_notify of a client that gave up: possible.
- Likely, too: it answered a SYN,ACK that came late with a RST, so it had given up before.
- The report says how long it had waited since the server's last step. More than a second speaks for a timeout
  or a cancelled request.
- Who opens the port and closes it without a word, as most health checks do, has begun no handshake: that is no
  failure, and counts as incomplete.
- Where a fault of the chain, silence, plain text or vanishing packets explain the leaving, those are named
  instead.

## What to do
Gateway operator:
1. A round number of seconds? Look for that timeout: connect, handshake and request timeouts of the gateway, the
   deadline of the caller behind it. Then the question is why the server was slow: compare with `server-silent`.
2. Within milliseconds, in a steady rhythm, from a few addresses: a health check that sends a ClientHello and
   no more. Leave it, or let it finish.
3. Right after the certificate: run again with the client's own store and validator, `--truststore` and
   `--profile`. A Java SSLEngine in a gateway, Node and nginx leave without an alert when they refuse.
4. Look at the client's log at that second: `context canceled`, a restart, a broken worker.

Server operator: nothing to repair, unless the wait was long.

## In the log
- OpenSSL server: sends decode_error (50) after the client's FIN; that is an echo
- nginx (server): `peer closed connection in SSL handshake`,
  `client closed connection while waiting for request`
- Go (server): `http: TLS handshake error from ...: EOF`
- HAProxy (server): `SSL handshake failure`
- Apigee (documented): `handshakeTimeout` at 55 s

## Not to be confused with
- `certificate-rejected`: the client left right after a certificate that it may not have liked.
- `missing-root`: the same FIN, once the store is known.
- `server-silent`: the client left because nothing came.
- `server-closed`: the server's FIN was first.

## References
- RFC 8446 section 6.1: closure alerts
- RFC 9293 section 3.6
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case, seconds
from analyzer.diagnosis.cause import LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.tls.connection import EventKind, Side

_LATE_NS: Final = 300_000_000
"""A SYN,ACK that comes later than this is late on any link but one by satellite."""
_GAVE_UP_NS: Final = 1_000_000_000
"""Who leaves later than this after the last sign of the peer has probably waited for something."""


def look(case: Case) -> Match | None:
    """The client closed or reset during the handshake, without a fatal alert."""
    if not case.ended_by(Side.CLIENT, "fin", "rst", "alert") or case.progress.handshake_done:
        return None
    if not case.connection.hellos:
        return _gone(case)
    if case.fatal_alert is not None:
        return None
    hidden = case.ending is not None and case.ending.encrypted
    if hidden and (case.waited_ns or 0) <= _GAVE_UP_NS:
        return None  # an alert at once says why, if only to those who have the keys
    if not case.connection.halves[Side.SERVER].packets:
        return None  # one direction only: what the server did is not known
    ending = case.ending
    packet = ending.packet if ending is not None else None
    evidence = [Evidence(packet, f"the client {case.leaving_text}")]
    text = f"The client {case.leaving_text} in the handshake."
    waited = case.waited_ns
    if waited is not None:
        asked = case.progress.stage == "client-hello" and case.connection.hello_retry is None
        since = "its ClientHello" if asked else "the server's last step"
        text += f" It had waited {seconds(waited)} since {since}"
        text += ": a timeout of its own, or a cancelled request." if waited > _GAVE_UP_NS else "."
    reached = case.progress.certificate_came and case.progress.stage not in ("tcp", "client-hello")
    if reached and case.trust.verdicts and case.trust.accepted_by_all and case.trust.store_given:
        text += " The store given would have accepted the server's chain, so the certificate gives no reason."
        evidence.append(Evidence(None, f"the chain verifies against the store given ({case.trust.store_names})"))
    unseen = bool(case.connection.halves[Side.SERVER].lost)
    explained = case.trust.accepted_by_all or not reached
    confidence = LIKELY if explained and not unseen and not hidden else POSSIBLE
    return Match(confidence=confidence, explanation=text, evidence=tuple(evidence), weight=0)


def _gone(case: Case) -> Match | None:
    """The client answered a late SYN,ACK with a RST: it no longer knew of the connection.

    At once that is what a port scan does on purpose, and no handshake that failed.
    """
    opening, answers = case.events(EventKind.SYN, Side.CLIENT), case.events(EventKind.SYN_ACK, Side.SERVER)
    client, ending = case.connection.halves[Side.CLIENT], case.ending
    resets = len(case.events(EventKind.RST, Side.CLIENT))
    if not opening or not answers or not case.ended_by(Side.CLIENT, "rst"):
        return None
    waited = answers[0].time_ns - opening[0].time_ns
    if client.packets > client.syn_count + resets or waited < _LATE_NS:
        return None
    packet = ending.packet if ending is not None else None
    return Match(
        confidence=LIKELY,
        explanation=f"The client had given up when the server's SYN,ACK came {seconds(waited)} after its SYN: it "
        "answered with a RST. Its patience is shorter than the way to the server, or the server was slow to answer.",
        evidence=(
            Evidence(answers[0].packet, f"the SYN,ACK came {seconds(waited)} after the SYN"),
            Evidence(packet, "the client answered it with a RST, and no ACK before"),
        ),
        weight=1,
    )


CAUSE = Cause(
    code="client-closed",
    title="The client left in the handshake without saying why",
    look=look,
    covers=("unexplained",),
)
