"""From the stages' results to the report's plain data: words, times, numbers as the contract has them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from analyzer.diagnosis.case import Case, Trust, when
from analyzer.diagnosis.cause import Cause, Match
from analyzer.diagnosis.engine import Outcome
from analyzer.diagnosis.server_chain import ServerChain
from analyzer.registry import (
    HandshakeType,
    ProtocolVersion,
    alert_level_name,
    alert_name,
    alpn_name,
    cipher_suite_name,
    group_name,
    handshake_type_name,
    printable,
    version_name,
)
from analyzer.report.certificates import chain_infos
from analyzer.report.connections import Connections
from analyzer.report.model import (
    Alert,
    Connection,
    Diagnosis,
    Evidence,
    Prelude,
    PreludeRefusal,
    PreludeStep,
    Summary,
    TimelineEntry,
    Tls,
)
from analyzer.report.negotiation import negotiation_of
from analyzer.tls import connection as wire
from analyzer.tls.connection import EventKind, Side
from analyzer.tls.detect import http_request
from analyzer.tls.fingerprint import ja3, ja3s, ja4
from analyzer.tls.messages import is_tls13

__all__ = ["broken_connection", "camel", "connection_report", "summary"]

_ALERT: Final = 2
"""Bytes of an alert in clear: its level and its description."""
_SAID: Final = {
    EventKind.ENCRYPTED_ALERT: "Encrypted Alert",
    EventKind.CUT_ALERT: "Alert (cut off)",
    EventKind.CHANGE_CIPHER_SPEC: "ChangeCipherSpec",
    EventKind.ENCRYPTED_HANDSHAKE: "Encrypted Handshake Message",
}
_CLOCK_STEP: Final = 1.0
"""Seconds by which a clock that is right never goes back."""
_MAX_TIMELINE: Final = 80
_MAX_ROWS_OF_DATA: Final = 3
"""Application data records of one side that the timeline shows before it counts them."""


def connection_report(case: Case, outcome: Outcome, *, in_full: bool = True) -> Connection:
    """One connection as the report shows it.

    Without `in_full` a completed connection has neither timeline nor fingerprints: a report that only counts it needs
    none.
    """
    in_full = in_full or outcome.outcome != "completed"
    seen = case.connection
    client_chain = case.client_chain
    trust = _shown(case.trust, outcome)
    return Connection(
        id=seen.id,
        client=str(seen.client),
        server=str(seen.server),
        started_at=when(seen.first_time_ns),
        outcome=outcome.outcome,
        aborted_by=outcome.aborted_by,
        abort_packet=outcome.abort_packet,
        abort_act=outcome.abort_act,
        stage=case.progress.stage,
        cause=_diagnosis(outcome, seen),
        other_causes=tuple(_as_diagnosis(other, seen) for other in outcome.others),
        evidence=_evidence(outcome),
        timeline=_timeline(seen, outcome.abort_packet) if in_full else (),
        tls=_tls(seen, resumed=case.progress.resumed, fingerprints=in_full),
        alerts=tuple(_alert(alert) for alert in seen.alerts),
        server_chain=chain_infos(trust.chain.certificates),
        client_chain=chain_infos(client_chain.chain if client_chain is not None else ()),
        chain_source=trust.chain.source,
        trust=trust.verdicts if trust.store_given else (),
        fixes=outcome.fixes,
        host=case.trust.host,
        negotiation=negotiation_of(seen, outcome),
        prelude=None if seen.prelude is None else _prelude(seen.prelude),
    )


def _shown(trust: Trust, outcome: Outcome) -> Trust:
    """What is shown of the chain: one that was inferred only where it explains a failure."""
    if trust.chain.source != "inferred" or outcome.outcome == "failed":
        return trust
    return replace(trust, chain=ServerChain(), verdicts=())


def broken_connection(number: int, client: str, server: str, started_ns: int, fault: str) -> Connection:
    """Stands for a connection whose analysis broke by a fault of ours."""
    return Connection(
        id=number,
        client=client,
        server=server,
        started_at=when(started_ns),
        outcome="incomplete",
        aborted_by=None,
        abort_packet=None,
        abort_act=None,
        stage="tcp",
        cause=None,
        fault=fault,
    )


def summary(connections: Sequence[Connection]) -> Summary:
    """Counts over all connections."""
    everything = Connections.of(connections)
    causes: dict[str, int] = {}
    outcomes = {"completed": 0, "failed": 0, "incomplete": 0}
    for kind, count in zip(everything.kinds, everything.counts(), strict=True):
        outcomes[kind.outcome] += count
        if kind.cause is not None and count:
            causes[kind.cause.code] = causes.get(kind.cause.code, 0) + count
    return Summary(
        connections=len(everything), **outcomes, causes=dict(sorted(causes.items(), key=lambda item: -item[1]))
    )


def _diagnosis(outcome: Outcome, seen: wire.Connection) -> Diagnosis | None:
    return None if outcome.cause is None else _as_diagnosis(outcome.cause, seen)


def _as_diagnosis(pair: tuple[Cause, Match], seen: wire.Connection) -> Diagnosis:
    cause, match = pair
    return Diagnosis(
        code=cause.code,
        confidence=match.confidence,
        title=cause.title,
        explanation=match.explanation,
        headline=match.headline or _first_sentence(match.explanation, seen),
    )


def _first_sentence(text: str, seen: wire.Connection) -> str:
    """The first sentence of an explanation, with the addresses of those it speaks of."""
    sentence = re.split(r"(?<=[.!?]) ", text, maxsplit=1)[0]
    for who, address in (("server", str(seen.server)), ("client", seen.client.address)):
        if address not in sentence:
            sentence = re.sub(rf"\b([Tt]he {who})\b(?!')", rf"\1 {address}", sentence, count=1)
    return sentence


def _evidence(outcome: Outcome) -> tuple[Evidence, ...]:
    if outcome.cause is None:
        return ()
    return tuple(Evidence(packet=item.packet, text=item.text) for item in outcome.cause[1].evidence)


def _prelude(prelude: wire.Prelude) -> Prelude:
    announced, refusal = prelude.announced, prelude.last.refusal
    client, server = (None, None) if announced is None else (announced.client, announced.server)
    return Prelude(
        protocols=tuple(layer.protocol for layer in prelude.layers),
        agreed=prelude.agreed,
        target=_text(prelude.target),
        client=_text(client),
        server=_text(server),
        authority=None if announced is None else announced.authority,
        domain=prelude.domain,
        refusal=None
        if refusal is None
        else PreludeRefusal(packet=refusal.packet, code=refusal.code, text=refusal.text),
        in_clear=prelude.last.in_clear is not None,
        steps=tuple(PreludeStep(packet=step.packet, from_=step.side.value, text=step.text) for step in prelude.steps),
    )


def _text(value: object | None) -> str | None:
    return None if value is None else str(value)


def _alert(alert: wire.SeenAlert) -> Alert:
    return Alert(
        packet=alert.packet,
        from_=alert.side.value,
        level=None if alert.level is None else alert_level_name(alert.level),
        description=None if alert.description is None else alert_name(alert.description),
        number=alert.description,
        encrypted=alert.opened or (alert.description is None and alert.length > _ALERT),
    )


def _tls(seen: wire.Connection, *, resumed: bool, fingerprints: bool) -> Tls | None:
    hello, answer = seen.client_hello, seen.server_hello
    if hello is None and answer is None:
        return None
    whole = hello if fingerprints and hello is not None and hello.complete else None
    return _tls_of(
        None if answer is None else answer.version,
        None if hello is None else hello.offered_versions,
        None if answer is None else answer.cipher_suite,
        None if hello is None else hello.server_name,
        _alpn(seen),
        None if hello is None else hello.alpn,
        None if whole is None else ja3(whole),
        ja3s(answer) if fingerprints and answer is not None and answer.version != ProtocolVersion.SSL_2_0 else None,
        None if whole is None else ja4(whole),
        resumed,
        seen.hello_retry is not None,
        _group(seen, in_full=fingerprints),
    )


@lru_cache(maxsize=1024)
def _tls_of(
    version: int | None,
    offered: tuple[int, ...] | None,
    suite: int | None,
    sni: str | None,
    chosen: bytes | None,
    alpn_offered: tuple[bytes, ...] | None,
    ja3_: str | None,
    ja3s_: str | None,
    ja4_: str | None,
    resumed: bool,
    hello_retry: bool,
    group: int | None,
) -> Tls:
    """The same object for the same handshake: it is put into words once, whatever the number of connections."""
    return Tls(
        version=None if version is None else version_name(version),
        offered_versions=tuple(version_name(v) for v in offered or ()),
        cipher=None if suite is None else cipher_suite_name(suite),
        sni=sni,
        alpn=None if chosen is None else alpn_name(chosen),
        alpn_offered=tuple(alpn_name(p) for p in alpn_offered or ()),
        ja3=ja3_,
        ja3s=ja3s_,
        ja4=ja4_,
        resumed=resumed,
        hello_retry=hello_retry,
        group=None if group is None else group_name(group),
    )


def _alpn(seen: wire.Connection) -> bytes | None:
    """The protocol chosen: since TLS 1.3 it is encrypted."""
    if seen.server_hello is None:
        return None
    opened = seen.halves[Side.SERVER].seen.opened is not None
    hidden = seen.encrypted_extensions if opened and is_tls13(seen.version) else None
    return seen.server_hello.alpn or (None if hidden is None else hidden.alpn)


def _group(seen: wire.Connection, *, in_full: bool) -> int | None:
    """The group of the key exchange: since TLS 1.3 in the ServerHello, before in the ServerKeyExchange."""
    answer = seen.server_hello
    if answer is None:
        return None
    if is_tls13(answer.version):
        return answer.group
    return seen.server_key_exchange.group if in_full and seen.server_key_exchange is not None else None


def _timeline(seen: wire.Connection, abort_packet: int | None) -> tuple[TimelineEntry, ...]:
    """The packet walk: what one packet shows stands in one line. The packet that ended it is never left out."""
    lines: list[tuple[int, int, Side, list[str]]] = []
    data = {Side.CLIENT: 0, Side.SERVER: 0}
    application = EventKind.APPLICATION_DATA
    for event in seen.events:
        if event.kind is application:
            data[event.side] += 1
            if data[event.side] > _MAX_ROWS_OF_DATA and event.packet != abort_packet:
                continue
        what = _words(seen, event)
        if lines and lines[-1][0] == event.packet and lines[-1][2] is event.side:
            if what not in lines[-1][3]:
                lines[-1][3].append(what)
        else:
            lines.append((event.packet, event.time_ns, event.side, [what]))
    shown = lines if len(lines) <= _MAX_TIMELINE else lines[: _MAX_TIMELINE // 2] + lines[-_MAX_TIMELINE // 2 :]
    entries = []
    reached = 0.0
    for packet, time_ns, side, words in shown:
        since = (time_ns - seen.first_time_ns) / 1e9 if time_ns else reached
        if since < max(reached - _CLOCK_STEP, 0):
            since = reached  # the recorder's clock was set back: how much later it was is not known
        reached = since
        entries.append(
            TimelineEntry(
                packet=packet or seen.first_packet,
                time=round(since, 6),
                from_="client" if side is Side.CLIENT else "server",
                what=words[0] if len(words) == 1 else ", ".join(words),
            )
        )
    return tuple(entries)


def _words(seen: wire.Connection, event: wire.Event) -> str:
    kind = event.kind
    if kind is EventKind.MESSAGE:
        return _message_words(seen, event)
    if kind is EventKind.ALERT:
        return f"Alert ({alert_level_name(event.level)}, {alert_name(event.number)})"
    if kind in _SAID:
        return _SAID[kind]
    if kind is EventKind.APPLICATION_DATA:
        hidden = is_tls13(seen.version) and not event.opened
        kind_of_record = "Encrypted record" if hidden else "Application Data"
        return f"{kind_of_record}, {event.number} bytes"
    if kind in (EventKind.FIN, EventKind.RST):
        return f"{kind.value},ACK" if event.number & 0x10 else kind.value
    if kind is EventKind.ICMP:
        return f"ICMP error (type {event.number >> 8 & 0xFF}, code {event.number & 0xFF}) about this connection"
    if kind is EventKind.RETRANSMISSION:
        return f"retransmission of {event.number} bytes"
    if kind is EventKind.LOST:
        return f"{event.number} bytes missing in the capture from here on"
    if kind is EventKind.PRELUDE and seen.prelude is not None:
        return seen.prelude.steps[event.number].text
    if kind is EventKind.PLAIN_TEXT:
        plain = seen.plain_text(event.side)
        if plain is None:
            return "not TLS"
        text = http_request(plain.data) or printable(plain.data.split(b"\n")[0].rstrip(b"\r")[:60])
        return f"not TLS: “{text}”"
    if kind is EventKind.DAMAGED:
        is_old = seen.server_hello is not None and seen.server_hello.version == ProtocolVersion.SSL_2_0
        return "records of SSL 2.0, which are not followed" if is_old else "bytes that are no TLS record"
    return str(kind.value)


def _message_words(seen: wire.Connection, event: wire.Event) -> str:
    name = camel(handshake_type_name(event.number))
    if not event.complete:
        return f"{name} (incomplete)"
    if event.number == HandshakeType.CLIENT_HELLO:
        hello = next((h.message for h in seen.hellos if h.packet == event.packet), None)
        if hello is not None and hello.server_name:
            return f"{name} (SNI {hello.server_name})"
    elif event.number == HandshakeType.SERVER_HELLO and event.packet == seen.server_hello_packet:
        answer = seen.server_hello
        if answer is not None:
            suite = "" if answer.cipher_suite is None else f", {cipher_suite_name(answer.cipher_suite)}"
            return f"{name} ({version_name(answer.version)}{suite})"
    elif event.number == HandshakeType.SERVER_HELLO and not event.opened:
        return "HelloRetryRequest"
    elif event.number == HandshakeType.CERTIFICATE:
        message = next((c for c in seen.certificates if c.packet == event.packet and c.side is event.side), None)
        if message is not None:
            count = len(message.chain)
            return f"{name} ({count} certificate{'' if count == 1 else 's'})"
    return name


def camel(name: str) -> str:
    """`server_hello_done` as the RFCs write the message: `ServerHelloDone`."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_")) if " " not in name else name
