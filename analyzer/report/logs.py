"""Log lines beside connections, and what they weigh.

The wire shows that a side left and when; the product's own words show why it thought so. Where both say the same, that
is evidence, and settles the doubt whether a client that left without an alert refused at all. Where the wire cannot
tell causes apart (a chain that TLS 1.3 hides, a client that finished the handshake first), the words decide. Where they
contradict the verdict, it is told, and nothing stays certain.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from analyzer.diagnosis.case import when
from analyzer.diagnosis.engine import catalogue
from analyzer.gateways.logs import ANY_CERTIFICATE, LogEntry, endpoint, shown
from analyzer.gateways.matching import Matched, Placed, Seen
from analyzer.report.model import Connection, Diagnosis, Evidence, InputProblem, LogClock, LogLine, Logs

__all__ = ["beside", "logs_of", "seen"]

_SECOND: Final = 1_000_000_000
_OPEN_CAUSES: Final = frozenset(
    {"certificate-rejected", "client-closed", "unexplained", "server-closed", "server-reset", "client-cert-rejected"}
)
"""Causes that say how it ended, and leave open why."""
_TRANSPORT: Final = frozenset(
    {"server-closed", "server-reset", "server-silent", "connection-refused", "connect-timeout", "middlebox-reset"}
    | {"client-closed", "path-mtu-blackhole", "unexplained"}
)
_NAME: Final = frozenset({"hostname-mismatch", "hostname-only-in-cn"})
_CLIENT_CERTIFICATE: Final = frozenset({"client-cert-untrusted", "client-cert-expired", "client-cert-rejected"})
_DATES: Final = frozenset({"expired-leaf", "expired-intermediate", "expired-root", "not-yet-valid"})
_BY_THE_STORE: Final = frozenset(
    {"missing-root", "missing-intermediate", "self-signed-leaf", "root-key-mismatch", "anchor-not-self-signed"}
)
"""Causes that a store given excludes when it accepts the chain."""
_MOST_CAUSES: Final = 5
_MOST_EVIDENCE: Final = 3
_ACT: Final = re.compile(r"\b(FIN|RST|Alert)\b")
_RAISED: Final = {"possible": "likely", "likely": "certain"}


def seen(connections: Sequence[Connection]) -> list[Seen]:
    """The connections as matching looks at them."""
    found = []
    for item in connections:
        client, server = endpoint(item.client), endpoint(item.server)
        if client is None or server is None:
            continue
        start = _ns(item.started_at)
        ended = next((row.time for row in item.timeline if row.packet == item.abort_packet), None)
        last = ended if ended is not None else item.timeline[-1].time if item.timeline else 0.0
        names = {name.lower().rstrip(".") for name in (item.host, item.tls.sni if item.tls else None) if name}
        found.append(
            Seen(
                id=item.id,
                client=client,
                server=server,
                start_ns=start,
                end_ns=start + round(last * _SECOND),
                names=frozenset(names),
                open=item.outcome != "completed" or item.stage == "after-handshake",
            )
        )
    return found


def beside(connections: Sequence[Connection], matched: Matched) -> tuple[Connection, ...]:
    """The connections with their log lines, and with what these change in the verdict."""
    weighed = [_weighed(item, matched.lines[item.id]) if item.id in matched.lines else item for item in connections]
    known: dict[tuple[str, tuple[str, ...]], Connection] = {}
    for item in weighed:
        if item.cause is not None and item.cause.code in ANY_CERTIFICATE:
            for line in item.log_lines:
                if line.agrees:
                    known.setdefault((item.server, line.words), item)
    return tuple(_as_elsewhere(item, known) for item in weighed)


def _as_elsewhere(connection: Connection, known: dict[tuple[str, tuple[str, ...]], Connection]) -> Connection:
    """A refusal without a chain (a resumed session) has the cause that the same words had for the same server."""
    cause = connection.cause
    if cause is None or cause.code != "certificate-rejected" or connection.server_chain:
        return connection
    for line in connection.log_lines:
        other = known.get((connection.server, line.words)) if line.agrees else None
        if other is not None and other.cause is not None:
            text = (
                f"{cause.explanation} Connection {other.id} to the same server, of which the log says the same, "
                f"shows the chain: {other.cause.code}."
            )
            found = replace(other.cause, confidence="likely", explanation=text)
            others = tuple(item for item in connection.other_causes if item.code != found.code)
            return replace(
                connection, cause=found, other_causes=others, fixes=other.fixes, trust=other.trust,
                server_chain=other.server_chain, chain_source="inferred",
            )  # fmt: skip
    return connection


def logs_of(
    connections: Sequence[Connection],
    matched: Matched,
    *,
    sources: Sequence[str],
    lines: int,
    problems: Sequence[InputProblem],
) -> Logs:
    """What the report says of the logs as a whole."""
    told = list(problems)
    if matched.let_go:
        text = f"{matched.let_go} more lines speak of handshakes; cut the log to the time of the capture"
        told.append(InputProblem(code="log-too-long", text=text, severity="warning"))
    if matched.outside and not matched.lines:
        text = f"the times of {matched.outside} lines about handshakes are not those of the capture"
        told.append(InputProblem(code="log-of-another-time", text=text, severity="warning"))
    best = max(matched.clocks, key=lambda clock: clock.lines, default=None)
    number = sum(len(item.log_lines) for item in connections)
    return Logs(
        sources=tuple(sources),
        lines=lines,
        matched=number,
        clock_offset_seconds=best.offset_ns / _SECOND if best is not None else 0.0 if number else None,
        clocks=tuple(
            LogClock(
                source=clock.source,
                zone_seconds=None if clock.zone_ns is None else clock.zone_ns // _SECOND,
                offset_seconds=clock.offset_ns / _SECOND,
                lines=clock.lines,
            )
            for clock in matched.clocks
        ),
        unmatched=tuple(_line(entry, time) for entry, time in matched.unmatched),
        unmatched_count=matched.unmatched_count,
        problems=tuple(told),
    )


def _line(entry: LogEntry, time_ns: int | None, match: str = "", *, agrees: bool | None = None) -> LogLine:
    return LogLine(
        source=entry.source,
        line=entry.line,
        time=None if time_ns is None else when(time_ns),
        id=entry.id,
        text=shown(entry.text),
        product=entry.format,
        words=entry.said.words,
        match=match,
        agrees=agrees,
    )


def _weighed(connection: Connection, placed: Sequence[Placed]) -> Connection:
    """One connection with its lines: first what they decide, then whether each agrees with that."""
    telling = sorted(
        (item for item in placed if item.entry.said.codes(item.side) or item.entry.said.alert is not None),
        key=_strength,
    )
    decided = _decided(connection, telling) if telling else connection
    agreement = {id(item): _agrees(decided, item) for item in placed}
    lines = tuple(_line(item.entry, item.time_ns, item.how, agrees=agreement[id(item)]) for item in placed)
    cause = decided.cause
    evidence = [
        Evidence(packet=None, text=f"{_quoted(item)} ({_AGREEMENT[agreement[id(item)]]})")
        for item in telling[:_MOST_EVIDENCE]
        if agreement[id(item)] is not None or (cause is not None and cause.code == "capture-incomplete")
    ]
    if cause is not None and decided is connection:
        cause = _confidence(connection, cause, telling, agreement)
    return replace(decided, cause=cause, evidence=(*decided.evidence, *evidence), log_lines=lines)


_AGREEMENT: Final = {
    True: "the log agrees",
    False: "the log contradicts this verdict",
    None: "the packets do not show it",
}


def _strength(item: Placed) -> tuple[int, int, int]:
    """The surest match first, then the most telling words."""
    return (
        int(item.how not in ("addresses", "message id")),
        int(not item.alone),
        len(item.entry.said.codes(item.side)) or 99,
    )


def _sure(item: Placed) -> bool:
    """Whether a line is this connection's beyond reasonable doubt."""
    return item.alone and ("address" in item.how or "name" in item.how or item.how == "message id")


def _agrees(connection: Connection, item: Placed) -> bool | None:
    said = item.entry.said
    codes = said.codes(item.side)
    if said.alert is not None:
        peer = {"client": "server", "server": "client"}.get(item.side or "")
        clear = [alert.number for alert in connection.alerts if alert.number and peer in (None, alert.from_)]
        if said.alert in clear:
            return True
        if clear and item.side is not None:
            return False
    code = connection.cause.code if connection.cause is not None else None
    if code is None or not codes:
        return None
    if code in codes or (code == "certificate-rejected" and codes & ANY_CERTIFICATE):
        return True
    if code == "capture-incomplete" or codes <= _TRANSPORT or codes & _TRANSPORT or code in _OPEN_CAUSES:
        return None
    return False if said.tells(item.side) or codes <= ANY_CERTIFICATE else None


def _confidence(
    connection: Connection, cause: Diagnosis, telling: Sequence[Placed], agreement: dict[int, bool | None]
) -> Diagnosis:
    """The same cause, surer or less sure."""
    against = [item for item in telling if agreement[id(item)] is False]
    agreeing = [
        item
        for item in telling
        if agreement[id(item)]
        and _sure(item)
        and item.entry.said.tells(item.side)
        and cause.code in item.entry.said.codes(item.side)
    ]
    if against and not agreeing and cause.confidence == "certain":
        text = f"{cause.explanation} But {_quoted(against[0])}: that is another cause, so this one is not certain."
        return replace(cause, confidence="likely", explanation=text)
    if agreeing and not against and cause.confidence in _RAISED:
        # The chain, or an alert in clear, says the same independently of the log.
        shows = any(problem.code == cause.code for verdict in connection.trust for problem in verdict.problems)
        raised = _RAISED[cause.confidence] if shows or cause.confidence == "possible" else cause.confidence
        text = f"{cause.explanation} The log of the one who left says so too: {_quoted(agreeing[0])}."
        return replace(cause, confidence=raised, explanation=text)
    return cause


def _decided(connection: Connection, telling: Sequence[Placed]) -> Connection:
    """The connection with the cause that the log names, where the wire leaves it open."""
    cause = connection.cause
    if connection.outcome == "completed" and connection.stage != "after-handshake":
        return connection
    for item in telling:
        codes = _narrowed(connection, item)
        if not _sure(item) or codes <= _TRANSPORT or (cause is not None and cause.code in codes - _OPEN_CAUSES):
            continue
        if not _by_the_one_who_left(connection, item):
            continue
        named = next((other for other in connection.other_causes if other.code in codes), None)
        if named is not None and item.entry.said.tells(item.side) and named.code not in _OPEN_CAUSES:
            return _with_cause(connection, _said_by(named, item, "likely"), item)
        if cause is None or cause.code in _OPEN_CAUSES:
            found = _from_words(connection, item, codes)
            if found is not None:
                return found
    return connection


def _by_the_one_who_left(connection: Connection, item: Placed) -> bool:
    """Whether it is the side that refused, by the words, which left, by the packets; unless either is not known."""
    if connection.outcome == "completed" or connection.aborted_by is None or item.side is None:
        return True
    return (connection.aborted_by == item.side) == (item.entry.said.alert is None)


def _narrowed(connection: Connection, item: Placed) -> frozenset[str]:
    """The causes that the words may mean, without those that the chain, where it was seen, excludes."""
    codes = item.entry.said.codes(item.side)
    if not item.entry.said.tells(item.side):
        return codes
    if codes == _NAME and not (connection.server_chain and not connection.server_chain[0].names):
        return frozenset({"hostname-mismatch"})
    if connection.server_chain and codes & _DATES:
        left = codes - _DATES | (codes & _by_dates(connection))
        return left or codes
    if connection.trust and all(verdict.accepted for verdict in connection.trust):
        return codes - _BY_THE_STORE or codes
    return codes


def _by_dates(connection: Connection) -> frozenset[str]:
    """The causes that are in the dates of the server's certificates."""
    found = set()
    for certificate in connection.server_chain:
        if certificate.not_after and certificate.not_after < connection.started_at:
            found.add(f"expired-{certificate.role}")
        if certificate.not_before and certificate.not_before > connection.started_at:
            found.add("not-yet-valid")
    return frozenset(found)


def _from_words(connection: Connection, item: Placed, codes: frozenset[str]) -> Connection | None:
    """The cause by the words alone."""
    fitting = codes - _OPEN_CAUSES
    refused = Counter(p.code for v in connection.trust if not v.accepted for p in v.problems if p.code in fitting)
    if refused or len(fitting) == 1:
        code = refused.most_common(1)[0][0] if refused else next(iter(fitting))
        return _with_cause(connection, _of_code(code, item, "likely"), item)
    if fitting and fitting <= _CLIENT_CERTIFICATE:
        return _with_cause(connection, _of_code("client-cert-rejected", item, "likely"), item)
    if fitting and fitting <= ANY_CERTIFICATE:
        return _rejected(connection, item, fitting)
    return None


def _rejected(connection: Connection, item: Placed, codes: frozenset[str]) -> Connection | None:
    """The certificate was refused; of several reasons the words do not tell which."""
    cause = _of_code("certificate-rejected", item, "certain" if item.how == "addresses" else "likely")
    if not item.entry.said.tells(item.side):
        if connection.cause is not None and connection.cause.code == cause.code:
            return None
        return _with_cause(connection, replace(cause, explanation=f"{cause.explanation}{_wanted(connection)}"), item)
    names = ", ".join(sorted(codes))
    text = f"{cause.explanation} These words stand for one of: {names}.{_wanted(connection)}"
    others = tuple(_of_code(code, item, "possible") for code in sorted(codes)[:_MOST_CAUSES])
    return replace(_with_cause(connection, replace(cause, explanation=text), item), other_causes=others)


def _wanted(connection: Connection) -> str:
    """What would tell which of several causes it is."""
    wanted = [] if connection.server_chain else ["the server's chain (--server-chain)"]
    wanted += [] if connection.trust else ["the client's trust store (--truststore)"]
    return f" To say which, supply {' and '.join(wanted)}." if wanted else ""


def _of_code(code: str, item: Placed, confidence: str) -> Diagnosis:
    title = catalogue()[code].title if code in catalogue() else code
    return _said_by(
        Diagnosis(code=code, confidence=confidence, title=title, explanation="", headline=""), item, confidence
    )


def _said_by(cause: Diagnosis, item: Placed, confidence: str) -> Diagnosis:
    text = f"The packets leave open why; {_quoted(item)}."
    explanation = f"{text} {cause.explanation}".rstrip()
    return replace(cause, confidence=confidence, explanation=explanation, headline="")


def _with_cause(connection: Connection, cause: Diagnosis, item: Placed) -> Connection:
    """The same connection, failed for another cause; the one it had is told among the others."""
    before = (connection.cause,) if connection.cause is not None and connection.cause.code != cause.code else ()
    others = tuple(other for other in (*before, *connection.other_causes) if other.code != cause.code)
    changed = replace(connection, cause=cause, other_causes=others[: _MOST_CAUSES + 1])
    if connection.outcome != "completed":
        return replace(changed, outcome="failed" if connection.outcome == "failed" else connection.outcome)
    ending = next(
        (row for row in connection.timeline if _ACT.search(row.what) and item.side in (None, row.from_)), None
    )
    act = _ACT.search(ending.what) if ending is not None else None
    return replace(
        changed,
        outcome="failed",
        aborted_by=ending.from_ if ending is not None else item.side,
        abort_packet=ending.packet if ending is not None else None,
        abort_act=act[1].lower() if act is not None else "silence",
    )


def _quoted(item: Placed) -> str:
    entry = item.entry
    place = f"{entry.source} line {entry.line}" if entry.line is not None else entry.source
    number = f", message id {entry.id}" if entry.id else ""
    words = " … ".join(f"“{shown(word)}”" for word in entry.said.words)
    return f"{place}{number} says {words}"


def _ns(time: str) -> int:
    moment = datetime.fromisoformat(time)
    return int(moment.timestamp()) * _SECOND + moment.microsecond * 1000
