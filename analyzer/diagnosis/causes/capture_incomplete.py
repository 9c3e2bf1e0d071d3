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
- Certain: nothing ended the connection in the capture, or one direction or the beginning is missing altogether and
  what is there does not tell. Then the outcome is `incomplete`, not `failed`.
- Likely: what is missing may hold an act before the one that is seen, an alert perhaps; or it holds the server's
  certificate. What one side acknowledges shows how much of the other there was.
- Possible: the connection was ended, and other bytes before it are missing. Then other causes are named first.
- Who left is told only where no earlier act can be missing. An alert that says what is wrong is believed whatever is
  missing.
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

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.unseen import hides_the_beginning, unseen
from analyzer.tls.connection import Connection, EventKind, Side
from analyzer.tls.messages import is_tls13
from analyzer.tls.records import Lost
from analyzer.trust.model import Fix

_SHOWN: Final = 5
_BEGINNING: Final = "the capture begins in the middle of the connection"
_OPENING: Final = "the capture begins after the connection was opened, and has no byte of the server"
_END: Final = "the capture ends in the middle of the handshake"
_UNANSWERED: Final = "nothing is in the capture of what follows the SYN,ACK, which any client answers"


def look(case: Case) -> Match | None:
    """Something that the verdict needs was not captured."""
    connection = case.connection
    if case.progress.handshake_done:
        return None
    reasons = _reasons(case)
    if not reasons:
        return None
    ended = ""
    if case.ending is not None and case.ending.side is not None:
        ended = f" The {case.ending.side.value} {case.leaving_text}"
        ended += "." if unseen(case).first else ", as far as is seen; what came before that is not."
    return Match(
        confidence=_confidence(case),
        explanation=f"The handshake cannot be judged: {'; '.join(reason.text for reason in reasons)}.{ended}",
        evidence=tuple(reasons),
        weight=1 if _is_blind(connection) else 0,
    )


def _reasons(case: Case) -> list[Evidence]:
    """What is missing, with its size, and the packet before it."""
    connection = case.connection
    reasons: list[Evidence] = []
    if hides_the_beginning(connection):
        reasons.append(Evidence(connection.first_packet, _BEGINNING))
    elif not connection.from_start and not connection.halves[Side.SERVER].bytes:
        reasons.append(Evidence(connection.first_packet, _OPENING))
    for side in Side:
        half = connection.halves[side]
        if not half.packets:
            if connection.is_tls or connection.halves[side.peer].packets > 1:
                reasons.append(Evidence(None, _direction(connection, side)))
            continue
        cut = [hole for hole in half.lost if hole.cut]
        gone = [hole for hole in half.lost if not hole.cut]
        if cut:
            reasons.append(Evidence(cut[0].packet, _cut(case, side, cut)))
        if gone:
            reasons.append(Evidence(gone[0].packet, _gone(side, gone)))
    if case.ending is None and not reasons:
        if connection.is_tls:
            reasons.append(Evidence(connection.last_packet, _END))
        elif _is_unanswered(case):
            reasons.append(Evidence(connection.last_packet, _UNANSWERED))
    return reasons


def _is_unanswered(case: Case) -> bool:
    """Whether there is a SYN,ACK that no side cares about any more: it would be answered, or sent again."""
    server = case.connection.halves[Side.SERVER]
    opened = bool(case.events(EventKind.SYN, Side.CLIENT)) and server.syn is not None
    return opened and not case.went_on and server.packets == server.syn_count == 1


def _direction(connection: Connection, side: Side) -> str:
    """A side that sent nothing that was captured; what its peer acknowledged tells how much that is."""
    sent = connection.halves[side].acknowledged
    known = connection.from_start and sent is not None and 0 < sent < 1 << 30
    more = f", though the {side.peer.value} acknowledged {_bytes(sent or 0)} of it" if known else ""
    return f"nothing of the {side.value}'s direction was captured{more}"


def _gone(side: Side, holes: list[Lost]) -> str:
    size = sum(hole.size for hole in holes)
    what = f"{_bytes(size)} of the {side.value} are" if size > 1 else f"the FIN of the {side.value}, or one byte, is"
    return f"{what} in no packet: dropped while recording, or on another way"


def _cut(case: Case, side: Side, holes: list[Lost]) -> str:
    packets = list(dict.fromkeys(hole.packet for hole in holes))
    shown = ", ".join(f"#{packet}" for packet in packets[:_SHOWN])
    more = f" and {len(packets) - _SHOWN} more" if len(packets) > _SHOWN else ""
    by = f"the snap length of {case.recording.snap} bytes" if case.recording.snap else "a snap length"
    size = _bytes(sum(hole.size for hole in holes))
    return f"{size} of the {side.value} are cut off by {by} (packet{'s' if packets[1:] else ''} {shown}{more})"


def _bytes(count: int) -> str:
    return f"{count:,} byte{'' if count == 1 else 's'}"


def _is_blind(connection: Connection) -> bool:
    return hides_the_beginning(connection) or any(not connection.halves[side].packets for side in Side)


def _confidence(case: Case) -> str:
    """How sure it is that what is missing is what would tell."""
    connection = case.connection
    if case.ending is None:
        return CERTAIN
    chain = case.server_chain
    unread = chain is None or not (chain.chain or chain.complete)
    doubtful = unseen(case).doubtful
    if _is_blind(connection) and (doubtful or (hides_the_beginning(connection) and unread)):
        return CERTAIN
    hidden = unread and not is_tls13(connection.version) and bool(connection.halves[Side.SERVER].lost)
    hidden &= case.ended_by(Side.CLIENT) or connection.server_hello is None
    return LIKELY if doubtful or (hidden and case.fatal_alert is None) else POSSIBLE


def fixes(case: Case) -> tuple[Fix, ...]:
    """How to capture again."""
    connection = case.connection
    client, server = connection.client, connection.server
    holes = [hole for half in connection.halves.values() for hole in half.lost]
    advice = ["Capture both directions, whole packets, from before the connection is opened until after it ends."]
    if any(hole.cut for hole in holes):
        advice.append(f"`-s 0` takes whole packets{_here(case.recording.snap)}.")
    if any(not hole.cut for hole in holes):
        dropped = case.recording.dropped
        told = f" (here it says that at least {dropped:,} were)" if dropped else ""
        advice.append(
            f"`-B` gives the recorder a larger buffer: when it ends it must say `0 packets dropped by kernel`{told}."
        )
    if any(not connection.halves[side].packets for side in Side):
        advice.append(
            f"Record on {client.address} or {server.address} itself: elsewhere one direction may take another way, or "
            "a mirror port may copy one only."
        )
    if hides_the_beginning(connection):
        advice.append("Start to record first, then have the client connect anew.")
    command = f"tcpdump -i any -s 0 -B 65536 -w again.pcap 'host {server.address} and port {server.port}'"
    return (Fix(action="capture-again", text=" ".join(advice), commands=(command,)),)


def _here(snap: int) -> str:
    return f" (here they are cut to {snap} bytes)" if snap else ""


CAUSE = Cause(
    code="capture-incomplete",
    title="The packets that would tell are not in the capture",
    look=look,
    fixes=fixes,
    stands_alone=True,
)
