"""The packets that would tell are not in the capture.

What would tell the cause is not in the capture.

Aborted by: nobody known. Confidence: certain, likely or possible.

## What happened
The recording is at fault, not the handshake: packets were cut by a snap length, dropped under load, taken in
one direction only, or the recording began or ended in the middle of the connection. The connection may even
have succeeded.

## How we know
- One of these: the capture begins in the middle and holds no hello; bytes of a side are missing; nothing of one
  direction was captured; the capture ends in the middle of the handshake. The report says which.
- Certain: nothing ended the connection in the capture, or one direction or the beginning is missing altogether.
  Then the outcome is `incomplete`, not `failed`.
- Likely: the side that ended the connection sent bytes before that which are missing, an alert perhaps among them.
- Possible: the connection was ended, and other bytes before it are missing. Then other causes are named first.
- TLS inside TDS packets (Microsoft SQL Server before TDS 8.0) is not read, and said so here.
- A completed handshake is never reported so.

## What to do
Capture again: whole packets, both directions, from before the connection is opened until after it has ended.

    tcpdump -i any -s 0 -B 65536 -w again.pcap 'host 192.0.2.10 and port 443'

1. `-s 0` takes whole packets. Old scripts with `-s 96` cut the certificate off.
2. `-B 65536` gives a larger buffer. `packets dropped by kernel` at the end must be 0. Narrow the filter if it
   is not.
3. One direction only: asymmetric routing, a mirror port that copies one direction, or a filter that hits one
   address of a NAT. Capture on the client or the server itself.
4. TLS 1.3: the messages are there, but encrypted. That is not this code.
5. Long-lived connections: make the client connect anew while you record.

Tools: `capinfos again.pcap` shows the snap length and drops,
`tshark -r again.pcap -Y tcp.analysis.lost_segment` what is missing.

## In the log
Nothing: this is about the capture. Times and addresses in the report help to find the connection in the logs of
both ends, which may tell what the capture does not.

## Not to be confused with
- `path-mtu-blackhole`: bytes are missing, and the peer never acknowledged them: they really did not arrive.
- `connect-timeout`: only SYNs, because no answer came.
- `unexplained`: all is there, and nothing known fits.
- `certificate-rejected`: the capture is whole; the store is what is missing.

## References
- tcpdump(1): `-s`, `-B`; capinfos(1)
- Wireshark User's Guide: TCP analysis flags
"""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.tls.connection import Connection, Side
from analyzer.trust.model import Fix


def look(case: Case) -> Match | None:
    """Something that the verdict needs was not captured."""
    connection = case.connection
    if case.progress.handshake_done:
        return None
    if _is_inside_tds(connection):
        reason = "TLS is inside packets of TDS (Microsoft SQL Server), and is not read there"
        text = f"The handshake cannot be judged: {reason}. TDS 8.0 (`Encrypt=Strict`) begins with TLS and is read."
        return Match(confidence=CERTAIN, explanation=text, evidence=(Evidence(connection.first_packet, reason),))
    reasons: list[str] = []
    packet: int | None = None
    if not connection.from_start and not connection.hellos:
        reasons.append("the capture begins in the middle of the connection")
    for side in Side:
        half = connection.halves[side]
        if half.lost:
            packet = packet or half.lost[0].packet
            missing = sum(lost.size for lost in half.lost)
            reasons.append(f"{missing} bytes of the {side.value} are missing (dropped, or cut by a snap length)")
        if not half.packets and (connection.is_tls or case.connection.halves[side.peer].packets > 1):
            reasons.append(f"nothing of the {side.value}'s direction was captured")
    if case.ending is None and not reasons:
        if not connection.is_tls:
            return None
        reasons.append("the capture ends in the middle of the handshake")
        packet = connection.last_packet
    if not reasons:
        return None
    blind = any(not connection.halves[side].packets for side in Side) or not (
        connection.from_start or connection.hellos
    )
    ending_side = case.ending.side if case.ending is not None else None
    unseen = ending_side is not None and bool(connection.halves[ending_side].lost) and case.fatal_alert is None
    confidence = CERTAIN if case.ending is None or blind else (LIKELY if unseen else POSSIBLE)
    return Match(
        confidence=confidence,
        explanation=f"The handshake cannot be judged: {'; '.join(reasons)}.",
        evidence=tuple(Evidence(packet, reason) for reason in reasons),
        weight=1 if blind else 0,
    )


def _is_inside_tds(connection: Connection) -> bool:
    prelude = connection.prelude
    return prelude is not None and prelude.last.protocol == "TDS" and prelude.agreed and not connection.is_tls


def fixes(case: Case) -> tuple[Fix, ...]:
    """How to capture again."""
    if _is_inside_tds(case.connection):
        return ()
    client, server = case.connection.client, case.connection.server
    return (
        (
            Fix(
                action="capture-again",
                text="Capture both directions, whole packets, from before the connection is opened until after "
                "it ends:",
                commands=(f"tcpdump -i any -s 0 -w again.pcap 'host {server.address} and port {server.port}'",),
            ),
        )
        if client
        else ()
    )


CAUSE = Cause(
    code="capture-incomplete", title="The packets that would tell are not in the capture", look=look, fixes=fixes
)
