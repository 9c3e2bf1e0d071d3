"""One connection in full: cause, who and where, packet walk, chain, evidence, verdicts, repair steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from analyzer.report import (
    layout_chain,
    layout_configuration,
    layout_legs,
    layout_logs,
    layout_negotiation,
    layout_trust,
)
from analyzer.report.connections import Connections
from analyzer.report.document import (
    Block,
    Code,
    Facts,
    Heading,
    Inline,
    Items,
    Ladder,
    LadderRow,
    Listing,
    Paragraph,
    Strong,
    Text,
)
from analyzer.report.model import Connection, Finding, Gateway, Report, TimelineEntry
from analyzer.report.wording import in_words
from analyzer.report.words import clock, more

__all__ = ["STAGES", "ended_briefly", "example", "host", "in_full", "sentence", "stream_filter", "without_data"]

STAGES: Mapping[str, str] = {
    "tcp": "the TCP handshake",
    "client-hello": "the ClientHello",
    "server-flight": "the server's flight (ServerHello, Certificate)",
    "client-flight": "the client's flight (key exchange)",
    "after-handshake": "the end of the handshake, with no application data yet",
    "data": "application data",
}

ACTS: Mapping[str, str] = {
    "alert": "an alert",
    "fin": "FIN without an alert",
    "rst": "RST without an alert",
    "silence": "silence",
}

SENT_BY: Mapping[str, str] = {
    "captured": "As sent by the server",
    "decrypted": "As sent by the server (decrypted)",
    "supplied": "As supplied with --server-chain",
    "inferred": "As inferred from another connection",
}

FILTER_CELLS = 76
"""A display filter fits on one line, or it cannot be pasted."""
LADDER_ROWS = 30
EVIDENCE = 20
CAUSES = 10


def example(finding: Finding, everything: Connections) -> Connection | None:
    """Choose the connection that shows a finding best: the first of those of which most is known."""
    members = filter(None, map(everything.by_id, finding.examples[:1] or finding.connections))
    return max(
        members,
        key=lambda item: (
            bool(item.server_chain),
            bool(item.trust),
            bool(item.fixes),
            len(item.timeline) > 0,
        ),
        default=None,
    )


def sentence(finding: Finding, connection: Connection | None) -> str:
    """Say the finding in one sentence: its own, or one made of the connection's fields."""
    text = (finding.text or finding.cause.headline).strip()
    if text:
        return text if text.endswith((".", "!", "?")) else f"{text}."
    if connection is None:
        return f"{finding.cause.title}."
    name = host(connection)
    server = f"{name} ({connection.server})" if name else connection.server
    client, title = _address(connection.client), finding.cause.title
    if title[1:2].islower():
        title = title[0].lower() + title[1:]
    if connection.aborted_by == "client":
        return f"The client {client} ended its handshake with {server}: {title}."
    if connection.aborted_by == "server":
        return f"The server {server} ended the handshake of the client {client}: {title}."
    return f"The handshake of the client {client} with {server} failed: {title}."


def host(connection: Connection) -> str:
    """Give the name that the client meant, as far as it is known; empty when it is not."""
    return connection.host or (connection.tls.sni if connection.tls else None) or ""


def ended_briefly(connection: Connection) -> str:
    """`client, FIN #47`."""
    act = connection.abort_act or ""
    what = {"fin": "FIN", "rst": "RST"}.get(act, act)
    if act == "alert":
        what = (
            next((item.description for item in connection.alerts if item.packet == connection.abort_packet), "") or act
        )
    packet = f"#{connection.abort_packet}" if connection.abort_packet is not None else ""
    who = connection.aborted_by or "-"
    detail = " ".join(part for part in (what, packet) if part)
    return f"{who}, {detail}" if detail else who


def without_data(connection: Connection, server: str) -> str:
    """A sentence about a handshake that completed with nothing said after it; else empty.

    `server` is that of the connection or of one that went alike.
    """
    if connection.outcome != "completed" or connection.stage != "after-handshake" or connection.counted_as is not None:
        return ""
    name = connection.host or (connection.tls.sni if connection.tls else None)
    server = f"{name} ({server})" if name else server
    doubt = next((cause for cause in connection.other_causes if cause.code == "certificate-rejected"), None)
    if doubt is not None:
        return f"Perhaps the certificate of {server} was refused. {doubt.explanation.strip()}"
    return (
        f"No application data followed the handshake with {server}: a check that only shakes hands, or a client that "
        "refuses for a reason which its store does not show, such as a pinned key or a missing OCSP response."
    )


def stream_filter(connections: Sequence[int]) -> tuple[str, int]:
    """Write a display filter for as many connections as fit on a line, and how many were left out."""
    if len(connections) == 1:
        return f"tcp.stream eq {connections[0]}", 0
    return _filter("tcp.stream", connections)


def in_full(report: Report, connection: Connection, *, said: str = "") -> list[Block]:
    """Lay out everything about one connection; `said` is the sentence that opened it and need not come twice."""
    blocks: list[Block] = [_facts(connection, report.gateway)]
    cause = connection.cause
    if cause is not None and cause.explanation.strip() not in said:
        blocks.append(Paragraph(text=(cause.explanation,)))
    if connection.fault:
        text = ("hsanalyze itself broke on this connection, so it may be incomplete: ", connection.fault)
        blocks.append(Paragraph(text=text, warning=True))
    if connection.timeline:
        blocks += [Heading(level=2, text=("Packet walk",)), _ladder(connection)]
    blocks += layout_legs.section(connection)
    blocks += layout_negotiation.section(connection)
    blocks += _chains(report, connection)
    blocks += layout_configuration.section(connection)
    blocks += layout_logs.section(connection)
    blocks += _evidence(connection)
    blocks += _other_causes(connection)
    blocks += layout_trust.verdicts(connection.trust)
    blocks += _expected_log(report, connection)
    blocks += layout_trust.repair(connection.fixes)
    return in_words(blocks, report.gateway, connection)


_TWICE = (
    "packets recorded twice, or connections of several networks with the same addresses and ports. They are counted as "
    "one, as in Wireshark's tcp.stream"
)


def _facts(connection: Connection, gateway: Gateway | None) -> Facts:
    rows: list[tuple[str, Text]] = []
    cause = connection.cause
    if cause is not None:
        rows.append(("Cause", (Strong(cause.code), f" ({cause.confidence}): {cause.title}")))
    if connection.fixes:
        fix = next((fix for fix in connection.fixes if fix.proven and not fix.caution), connection.fixes[0])
        standing = "" if fix.action == "supply" else "proven; " if fix.proven else "not proven; "
        rows.append(("Repair", (fix.text.rstrip(".:"), f" ({standing}steps below)")))
    started = f", {clock(connection.started_at, date=True)}"
    rows.append(("Connection", (Code(connection.client), " -> ", Code(connection.server), started)))
    if connection.tunnels:
        rows.append(("Tunnel", (", then ".join(connection.tunnels),)))
    if connection.tunnels_back:
        rows.append(("Tunnel back", (", then ".join(connection.tunnels_back),)))
    if connection.tunnels_also:
        rows.append(("Seen in", (f"{'; '.join(connection.tunnels_also)} as well: {_TWICE}",)))
    before = _before_tls(connection)
    if before:
        rows.append(("Before TLS", before))
    tls = _tls(connection)
    if tls:
        rows.append(("TLS", tls))
    if connection.aborted_by or connection.abort_act:
        rows.append(("Ended by", (_ended(connection),)))
    if gateway is not None and connection.leg == "back":
        rows.append(("Leg", (gateway.words.leg,)))
    elif gateway is not None:
        rows.append(("Leg", (f"{gateway.title} is the server here, and its validator is not this client's",)))
    identified = layout_logs.identified(connection)
    if identified:
        rows.append(("Log", identified))
    rows.append(("Wireshark", layout_legs.place(connection)))
    frames = _frames(connection)
    if frames:
        rows.append(("Packets", (Code(_filter("frame.number", frames)[0]),)))
    return Facts(rows=tuple(rows))


def _ended(connection: Connection) -> str:
    who = {"client": "the client", "server": "the server", "network": "neither end (the network)"}
    act = _alert_name(connection) or ACTS.get(connection.abort_act or "", connection.abort_act or "")
    if connection.stage == "tcp":
        act = act.removesuffix(" without an alert")
    packet = f"packet #{connection.abort_packet}" if connection.abort_packet is not None else ""
    stage = STAGES.get(connection.stage, connection.stage)
    if connection.prelude is not None and connection.stage == "tcp":
        stage = f"what goes before TLS ({connection.prelude.protocols[-1]})"
    parts = [who.get(connection.aborted_by or "", "unknown"), packet, act]
    return f"{', '.join(part for part in parts if part)}; it had come to {stage}"


def _alert_name(connection: Connection) -> str:
    if connection.abort_act != "alert":
        return ""
    alert = next((item for item in connection.alerts if item.packet == connection.abort_packet), None)
    if alert is None:
        return "alert"
    if alert.description is None:
        return "encrypted alert" if alert.encrypted else f"alert {alert.number}"
    return f"{alert.level or ''} alert {alert.description}".strip() + (f" ({alert.number})" if alert.number else "")


def _before_tls(connection: Connection) -> Text:
    prelude = connection.prelude
    if prelude is None:
        return ()
    pieces: list[Inline] = [", ".join(prelude.protocols)]
    if prelude.target:
        pieces += [", tunnel to ", Code(prelude.target)]
    if prelude.client:
        pieces += [", for the client ", Code(prelude.client)]
        pieces += [" that came to ", Code(prelude.server)] if prelude.server else []
    if prelude.authority:
        pieces += [", authority ", Code(prelude.authority)]
    if prelude.domain:
        pieces += [", domain ", Code(prelude.domain)]
    if prelude.refusal is not None:
        pieces.append(f"; refused in packet #{prelude.refusal.packet}: {prelude.refusal.text}")
    if prelude.in_clear:
        pieces.append("; the client went on in clear text")
    return tuple(pieces)


def _tls(connection: Connection) -> Text:
    tls = connection.tls
    if tls is None:
        return ()
    pieces: list[Inline] = []
    if tls.version:
        pieces.append(tls.version)
    elif tls.offered_versions:
        pieces.append(f"offered {', '.join(tls.offered_versions[:8])}")
    if tls.cipher:
        pieces += [", ", Code(tls.cipher)]
    pieces += [", SNI ", Code(tls.sni)] if tls.sni else [", no SNI"]
    if connection.host and connection.host != tls.sni:
        pieces += [", checked for ", Code(connection.host)]
    if tls.alpn:
        pieces += [", ALPN ", Code(tls.alpn)]
    if tls.resumed:
        pieces.append(", resumed")
    if tls.hello_retry:
        pieces.append(", HelloRetryRequest")
    first = pieces[0]
    if isinstance(first, str):
        pieces[0] = first.removeprefix(", ")
    return tuple(pieces)


def _frames(connection: Connection) -> list[int]:
    """List the packets worth a look, the most telling first."""
    wanted = [connection.abort_packet] if connection.abort_packet is not None else []
    wanted += [alert.packet for alert in connection.alerts]
    wanted += [item.packet for item in connection.evidence if item.packet is not None]
    wanted += [item.packet for item in connection.timeline]
    return list(dict.fromkeys(wanted))


def _filter(field: str, values: Sequence[int]) -> tuple[str, int]:
    """Write `field in {3, 5..7}` of the first values that fit in `FILTER_CELLS`, and count the others."""

    def written(taken: int) -> str:
        return f"{field} in {{{', '.join(_ranges(sorted(values[:taken])))}}}"

    fits, too_many = 0, 1
    while too_many <= len(values) and len(written(too_many)) <= FILTER_CELLS:
        fits, too_many = too_many, too_many * 2
    too_many = min(too_many, len(values) + 1)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if len(written(middle)) <= FILTER_CELLS:
            fits = middle
        else:
            too_many = middle
    return written(fits), len(values) - fits


def _ranges(values: Sequence[int]) -> list[str]:
    runs: list[tuple[int, int]] = []
    for value in values:
        if runs and value == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], value)
        else:
            runs.append((value, value))
    return [
        f"{first}..{last}" if last > first + 1 else ", ".join(map(str, {first: 0, last: 0})) for first, last in runs
    ]


def _ladder(connection: Connection) -> Ladder:
    entries = connection.timeline
    rows = [_rung(connection, entry) for entry in entries]
    if len(rows) > LADDER_ROWS:
        rows = _around_the_end(rows)
    if connection.abort_act == "silence":
        rows.append(LadderRow(packet=None, time=entries[-1].time, from_="", what="then silence"))
    return Ladder(rows=tuple(rows))


def _rung(connection: Connection, entry: TimelineEntry) -> LadderRow:
    failed = connection.outcome != "completed" and connection.abort_act != "silence"
    ends = failed and entry.packet == connection.abort_packet
    return LadderRow(packet=entry.packet, time=entry.time, from_=entry.from_, what=entry.what, ends=ends)


def _around_the_end(rows: list[LadderRow]) -> list[LadderRow]:
    """Keep the first half, and as many rows about the one that ended it; what lies between is counted."""
    half = LADDER_ROWS // 2
    end = next((index for index, row in enumerate(rows) if row.ends), len(rows) - 1)
    start = max(half, min(end - half + 4, len(rows) - half))
    result = rows[:half]
    if start > half:
        result.append(LadderRow(packet=None, time=0.0, from_="", what=more(start - half, "packet")))
    result += rows[start : start + half]
    left = len(rows) - start - half
    if left > 0:
        result.append(LadderRow(packet=None, time=0.0, from_="", what=more(left, "packet")))
    return result


def _chains(report: Report, connection: Connection) -> list[Block]:
    blocks: list[Block] = []
    if connection.server_chain:
        sent = SENT_BY.get(connection.chain_source or "", "As sent by the server")
        verdict = layout_chain.decisive(connection.trust, connection.cause.code if connection.cause else "")
        blocks += layout_chain.server_section(
            connection.server_chain, sent=sent, store=report.truststore, verdict=verdict
        )
    return [*blocks, *layout_chain.client_section(connection.client_chain)]


def _evidence(connection: Connection) -> list[Block]:
    if not connection.evidence:
        return []
    items: list[Text] = []
    for item in connection.evidence[:EVIDENCE]:
        where = f"#{item.packet}: " if item.packet is not None else ""
        items.append((f"{where}{item.text}",))
    if len(connection.evidence) > EVIDENCE:
        items.append((more(len(connection.evidence) - EVIDENCE, "observation"),))
    return [Heading(level=2, text=("Evidence",)), Items(items=tuple(items))]


def _expected_log(report: Report, connection: Connection) -> list[Block]:
    if report.gateway is None or not connection.expected_log:
        return []
    title = f"What {report.gateway.title} logs or answers for this cause: look for"
    return [Heading(level=2, text=(title,)), Listing(lines=connection.expected_log)]


def _other_causes(connection: Connection) -> list[Block]:
    if not connection.other_causes:
        return []
    items: list[Text] = [
        (Strong(cause.code), f" ({cause.confidence}): {cause.title}. {cause.explanation}".rstrip())
        for cause in connection.other_causes[:CAUSES]
    ]
    if len(connection.other_causes) > CAUSES:
        items.append((more(len(connection.other_causes) - CAUSES, "cause"),))
    return [Heading(level=2, text=("Other causes considered",)), Items(items=tuple(items))]


def _address(endpoint: str) -> str:
    """`10.1.2.3` of `10.1.2.3:443`, `2001:db8::1` of `[2001:db8::1]:443`."""
    return endpoint.rpartition(":")[0].strip("[]") or endpoint
