"""What a report says to people, in order: the verdict, each finding, the tables, the inputs.

Takes a `Report`, gives a `Document`. Everything that a text, a ticket or a page says is worded here and in
`layout_connection` and `layout_chain`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final

import numpy as np

from analyzer.report import layout_chain, layout_configuration, layout_connection, layout_legs, layout_logs
from analyzer.report.connections import Column, Connections
from analyzer.report.document import (
    Block,
    Code,
    Document,
    Facts,
    Heading,
    Inline,
    Items,
    Paragraph,
    Strong,
    Table,
    Text,
    Verdict,
    cleaned,
)
from analyzer.report.document import Column as Titled
from analyzer.report.layout_inputs import problems
from analyzer.report.model import Connection, Dissector, Finding, Gateway, RepairKit, Report
from analyzer.report.words import clock, count, listed, more, numbers

__all__ = ["document"]

FINDINGS_IN_FULL = 20
"""Findings beyond these are listed by their sentence only: nobody reads the 21st packet walk."""
SENTENCES = 50
"""Findings named in the opening list."""
SERVERS = 10
FIRST_AND_LAST = 2
"""Examples of a finding that differ from the one shown by their time alone."""
PROBLEMS = 20
KIT_FILES = 40
REMARKS = 10
DIFFERENCES = 100


def document(report: Report, *, all_connections: bool = False, table_rows: int = 25) -> Document:
    """Lay the report out. `table_rows` caps the tables of connections unless `all_connections` is set."""
    everything = Connections.of(report.connections)
    limit = len(everything) if all_connections else table_rows
    shown = [
        (finding, layout_connection.example(finding, everything)) for finding in report.findings[:FINDINGS_IN_FULL]
    ]
    blocks: list[Block] = [*_opening(report, everything), *_verifies_nothing(report.gateway), *_own_faults(everything)]
    for number, (finding, connection) in enumerate(shown, start=1):
        blocks += _finding(report, everything, number, finding, connection)
    blocks += _failed_table(report, everything, limit)
    blocks += _completed(report, everything, limit if all_connections else 0)
    blocks += _incomplete(report, everything)
    in_full = {connection.id: connection for _, connection in shown if connection is not None}
    for connection in report.connections if all_connections else ():
        if connection.id not in in_full:
            in_full[connection.id] = connection
            title: Text = ("Connection ", *layout_legs.place(connection), f": {connection.outcome}")
            blocks += [Heading(level=1, text=title), *layout_connection.in_full(report, connection)]
    blocks += layout_logs.not_in_capture(report)
    blocks += _inputs(report)
    blocks += layout_chain.digests(
        certificate for item in in_full.values() for certificate in (*item.server_chain, *item.client_chain)
    )
    return cleaned(Document(blocks=tuple(blocks)))


def _opening(report: Report, everything: Connections) -> list[Block]:
    summary = report.summary
    if not summary.failed:
        return [Verdict(text=_all_well(report, everything), failed=False), *_remarks(report, everything)]
    if not report.findings:
        sentence: Text = (f"{summary.failed} of {count(summary.connections, 'connection')} failed.",)
        return [Verdict(text=sentence, failed=True), *_remarks(report, everything)]
    if len(report.findings) == 1:
        finding = report.findings[0]
        connection = layout_connection.example(finding, everything)
        text = (f"{layout_connection.sentence(finding, connection)} {_frequency(report, finding)}",)
        return [Verdict(text=text, failed=True), *_notes(finding), *_remarks(report, everything)]
    reasons = len(report.findings)
    failed = f"{summary.failed} of {count(summary.connections, 'connection')} failed"
    headline: Text = (f"{failed}, for {reasons} different reasons. The weightiest comes first.",)
    sentences: list[Text] = [
        (
            Strong(f"{finding.count}x "),
            layout_connection.sentence(finding, layout_connection.example(finding, everything)),
            *(f" {note}" for note in finding.notes[:1]),
        )
        for finding in report.findings[:SENTENCES]
    ]
    blocks: list[Block] = [Verdict(text=headline, failed=True), Items(items=tuple(sentences), numbered=True)]
    if reasons > SENTENCES:
        blocks.append(Paragraph(text=(more(reasons - SENTENCES, "reason"),)))
    return [*blocks, *_remarks(report, everything)]


_UNREAD: Final = ("tls-over-udp", "sealed-tunnel")
"""Problems that tell why there may be no connection: their texts begin with what the packets are."""


def _all_well(report: Report, everything: Connections) -> Text:
    summary = report.summary
    if not summary.connections:
        text = f"There is no TLS connection in this capture of {count(report.capture.packets, 'packet')}"
        unread = [p.text.partition(": ")[0] for p in report.capture.problems if p.code in _UNREAD]
        return ("; ".join((text, *(what.replace("of the packets", "of these", 1) for what in unread))) + ".",)
    doubts = any(kind.other_causes for kind in everything.kinds)
    sure = summary.completed == summary.connections and not doubts
    known = "No TLS handshake failed" if sure else "No TLS handshake is known to have failed"
    if summary.completed == summary.connections:
        if summary.connections == 1:
            return (f"{known}: the only connection completed its handshake.",)
        return (f"{known}: all {summary.connections} connections completed theirs.",)
    unused = _unused(everything)
    unknown = summary.incomplete - unused
    if summary.connections == 1:
        what = "cannot be judged" if unknown else "was opened, and closed before a handshake began"
        return (f"{known}: the only connection {what}.",)
    were = "was" if unused == 1 else "were"
    found = [
        f"{summary.completed} completed the handshake" if summary.completed else "",
        f"{unused} {were} opened, and closed before a handshake began" if unused else "",
        f"{unknown} cannot be judged" if unknown else "",
    ]
    *parts, last = [part for part in found if part]
    said = f"{', '.join(parts)} and {last}" if parts else last
    return (f"{known}: of {summary.connections} connections, {said}.",)


def _unused(everything: Connections) -> int:
    """How many connections were opened, and closed before a handshake began."""
    unused = [_is_unused(kind) and kind.counted_as is None for kind in everything.kinds]
    return int(np.count_nonzero(everything.of_kinds(unused)))


def _is_unused(kind: Connection) -> bool:
    return kind.outcome == "incomplete" and kind.cause is None and kind.stage == "tcp" and kind.abort_act is not None


def _why_incomplete(kind: Connection) -> str:
    stage = layout_connection.STAGES.get(kind.stage, kind.stage)
    if not _is_unused(kind):
        return f"seen only until it had come to {stage}"
    if kind.aborted_by == "client":
        return (
            "the client opened it, and closed it without a word: a health check of the port, a port scan, or a client "
            "whose own settings leave it no version or cipher suite (Java: No appropriate protocol)"
        )
    return f"the client opened it and sent nothing; the {kind.aborted_by} ended it"


def _frequency(report: Report, finding: Finding) -> str:
    several_days = _several_days(report)
    first, last = clock(finding.first_at, date=several_days), clock(finding.last_at, date=several_days)
    total = report.summary.connections
    if total == 1:
        return f"It is the only connection in the capture, at {first}."
    if finding.count == 1:
        return f"1 of {total} connections failed this way, at {first}."
    between = f"at {first}" if first == last else f"between {first} and {last}"
    clients = f"{finding.clients} clients "
    who = f", from {clients.strip()}" if finding.clients > 1 and clients not in finding.text else ""
    return f"{finding.count} of {total} connections failed this way{who}, {between}."


def _notes(finding: Finding) -> list[Block]:
    """How the finding came about in this capture."""
    return [Items(items=tuple((note,) for note in finding.notes))] if finding.notes else []


def _remarks(report: Report, everything: Connections) -> list[Block]:
    """What is odd about connections that completed, and where the given trust store and the wire disagree.

    It may not be the store that the client uses.
    """
    told: dict[str, list[Column]] = {}
    odd = everything.of_kinds([bool(_remark(report, kind, kind.server)) for kind in everything.kinds])
    for members in everything.by_kind_and_server(np.flatnonzero(odd)):
        place = int(members[0])
        server = everything.servers[everything.server[place]]
        told.setdefault(_remark(report, everything.kind_of(place), server), []).append(members)
    blocks: list[Block] = [
        Paragraph(text=(remark, f" ({layout_legs.streams(report, _ids(everything, several))})"), warning=True)
        for remark, several in islice(told.items(), REMARKS)
    ]
    if len(told) > REMARKS:
        blocks.append(Paragraph(text=(more(len(told) - REMARKS, "remark of this kind", "remarks of this kind"),)))
    return blocks


def _remark(report: Report, kind: Connection, server: str) -> str:
    """One sentence; empty where there is nothing to say. `server` is that of a connection that went alike."""
    disagrees = "" if report.truststore is None else layout_chain.store_disagrees(kind, server)
    return disagrees or layout_connection.without_data(kind, server)


def _ids(everything: Connections, several: Sequence[Column]) -> list[int]:
    ids: list[int] = np.sort(everything.id[np.concatenate(several)]).tolist()
    return ids


def _own_faults(everything: Connections) -> list[Block]:
    broken = [kind for kind in everything.kinds if kind.fault]
    if not broken:
        return []
    items: list[Text] = [(*layout_legs.place(item), f": {item.fault}") for item in broken[:PROBLEMS]]
    if len(broken) > PROBLEMS:
        items.append((more(len(broken) - PROBLEMS, "connection"),))
    text = f"hsanalyze itself broke on {count(len(broken), 'connection')}; the rest of the report stands."
    return [Paragraph(text=(text,), warning=True), Items(items=tuple(items))]


def _finding(
    report: Report, everything: Connections, number: int, finding: Finding, connection: Connection | None
) -> list[Block]:
    blocks: list[Block] = []
    if len(report.findings) > 1:
        title = (
            f"Reason {number} of {len(report.findings)}: ",
            Code(finding.cause.code),
            f": {finding.cause.title}",
        )
        lead = f"{layout_connection.sentence(finding, connection)} {_frequency(report, finding)}"
        blocks += [Heading(level=1, text=title), Paragraph(text=(lead,)), *_notes(finding)]
    if connection is not None:
        said = layout_connection.sentence(finding, connection)
        blocks += layout_connection.in_full(report, connection, said=said)
    return [*blocks, *_others(report, everything, finding, connection)]


def _others(report: Report, everything: Connections, finding: Finding, connection: Connection | None) -> list[Block]:
    others = [item for item in finding.connections if connection is None or item != connection.id]
    if not others:
        return []
    streams, left = layout_connection.stream_filter(others)
    rest = f" and {left} more" if left else ""
    named: Text = (layout_legs.streams(report, others),) if report.capture.points else (Code(streams), rest)
    blocks: list[Block] = [
        Heading(level=2, text=("The others that failed this way",)),
        Paragraph(text=(f"{count(len(others), 'connection')}: ", *named)),
    ]
    telling = [item for item in finding.examples if connection is None or item != connection.id]
    if len(telling) > FIRST_AND_LAST and not report.capture.points:
        text = ("Worth a look, each with another chain or end: ", Code(layout_connection.stream_filter(telling)[0]))
        blocks.append(Paragraph(text=text))
    if len(finding.servers) > 1:
        members = np.isin(everything.id, finding.connections)
        numbered = np.bincount(everything.server[members], minlength=len(everything.servers)).tolist()
        counts = dict(zip(everything.servers, numbered, strict=True))
        blocks.append(Paragraph(text=(f"{len(finding.servers)} servers: ", *_counted(finding.servers, counts), ".")))
    if len(finding.hosts) > 1:
        names = listed([Code(name) for name in finding.hosts], 10)
        blocks.append(Paragraph(text=(f"{len(finding.hosts)} host names: ", *names, ".")))
    return blocks


def _counted(values: Sequence[str], counts: Mapping[str, int]) -> Text:
    """The first values, each with its count where it is more than one."""
    pieces: list[Inline] = []
    for value in values[:SERVERS]:
        pieces += [", ", Code(value)] if pieces else [Code(value)]
        if counts.get(value, 0) > 1:
            pieces.append(f" ({counts[value]}x)")
    if len(values) > SERVERS:
        pieces.append(f" and {len(values) - SERVERS} more")
    return tuple(pieces)


def _failed_table(report: Report, everything: Connections, limit: int) -> list[Block]:
    failed = _counted_once(everything, "failed")
    if len(failed) < 2:
        return []

    def row(item: Connection) -> tuple[Inline, ...]:
        ended = layout_connection.ended_briefly(item)
        cause = item.cause.code if item.cause else "unexplained"
        return (*_common_cells(report, item), ended, Code(cause))

    columns = (*_COMMON_COLUMNS, Titled("ended by", 10), Titled("cause", 8))
    blocks: list[Block] = [Heading(level=1, text=(f"All {len(failed)} failed connections",))]
    return blocks + _table(everything, columns, failed, row, limit)


def _completed(report: Report, everything: Connections, limit: int) -> list[Block]:
    completed = _counted_once(everything, "completed")
    # When nothing failed, the opening sentence has said it already.
    if not len(completed) or (not limit and not report.summary.failed):
        return []
    heading = Heading(level=1, text=("Completed connections",))
    if not limit:
        verb = "completed its handshake" if len(completed) == 1 else "completed their handshakes"
        hint = "--all shows it in full." if len(completed) == 1 else "--all shows them in full."
        return [heading, Paragraph(text=(f"{count(len(completed), 'connection')} {verb}; ", hint))]

    def row(item: Connection) -> tuple[Inline, ...]:
        tls = item.tls
        return (*_common_cells(report, item), (tls and tls.version) or "-", (tls and tls.cipher) or "-")

    columns = (*_COMMON_COLUMNS, Titled("version", 7), Titled("cipher", 10))
    return [heading, *_table(everything, columns, completed, row, limit)]


def _incomplete(report: Report, everything: Connections) -> list[Block]:
    incomplete = _counted_once(everything, "incomplete")
    if not len(incomplete):
        return []
    groups: dict[tuple[str, str], list[Column]] = {}
    for members in everything.by_kind_and_server(incomplete):
        kind = everything.kind_of(int(members[0]))
        key = (kind.cause.code, kind.cause.title) if kind.cause else ("-", _why_incomplete(kind))
        groups.setdefault(key, []).append(members)
    rows: list[tuple[Inline, ...]] = []
    counts = {key: sum(map(len, several)) for key, several in groups.items()}
    for key in sorted(groups, key=lambda key: -counts[key])[:PROBLEMS]:
        code, title = key
        rows.append((str(counts[key]), Code(code), title, numbers(_ids(everything, groups[key]))))
    told = (everything.kind_of(int(place)).cause for place in incomplete)
    first = next((cause.explanation for cause in told if cause), "")
    unused = _unused(everything)
    said = [f"{count(len(incomplete) - unused, 'connection')} cannot be judged."] if len(incomplete) > unused else []
    if unused:
        said.append(f"{count(unused, 'connection')} ended before a handshake began.")
    blocks: list[Block] = [
        Heading(level=1, text=("Incomplete connections",)),
        Paragraph(text=(f"{' '.join(said)} {first}".strip(),)),
        Table(
            columns=(
                Titled("count"),
                Titled("code", 8),
                Titled("reason", 20),
                Titled("connections" if report.capture.points else "tcp.stream", 10),
            ),
            rows=tuple(rows),
        ),
    ]
    if len(groups) > PROBLEMS:
        blocks.append(Paragraph(text=(more(len(groups) - PROBLEMS, "reason"),)))
    return blocks


def _counted_once(everything: Connections, outcome: str) -> Column:
    """The places of connections of an outcome, without further sights of those that stand for them."""
    kinds = everything.kinds
    return np.flatnonzero(everything.of_kinds([k.outcome == outcome and k.counted_as is None for k in kinds]))


def _inputs(report: Report) -> list[Block]:
    capture, store = report.capture, report.truststore
    blocks: list[Block] = [Heading(level=1, text=("What was read",))]
    span = "no packets"
    if capture.first_time and capture.last_time:
        span = f"{clock(capture.first_time, date=True)} to {clock(capture.last_time, date=True)}"
    files = listed([Code(name) for name in capture.files], 10)
    link = ", ".join(capture.link_types) or "-"
    rows: list[tuple[str, Text]] = [
        ("Capture", files),
        (
            "Packets",
            (f"{count(capture.packets, 'packet')}, {capture.bytes:,} bytes, {capture.format}, link type {link}",),
        ),
        ("Time", (span,)),
        *layout_legs.facts(capture),
    ]
    if store is not None:
        sources = listed([Code(name) for name in store.sources], 10)
        only = f", {len(store.named)} more by name only" if store.named else ""
        rows.append(("Trust store", (*sources, f": {count(store.certificates, 'certificate')}{only}")))
    else:
        rows.append(("Trust store", ("none given; --truststore PATH lets the chain be checked as the client would",)))
    if report.dissector is not None:
        rows.append(("Dissector", (_read_by(report.dissector),)))
    rows += layout_configuration.facts(report.configuration)
    rows += _gateway_rows(report.gateway)
    if report.logs is not None:
        rows += layout_logs.sources(report.logs)
    blocks.append(Facts(rows=tuple(rows)))
    if report.gateway is not None and report.gateway.verifies and report.gateway.notes:
        blocks.append(Items(items=tuple((note,) for note in report.gateway.notes)))
    blocks += _repair_kit(report.repair_kit)
    blocks += _differences(report)
    blocks += problems("Problems in the capture", capture.problems)
    if report.logs is not None:
        blocks += layout_logs.troubles(report.logs)
    if store is not None:
        blocks += layout_configuration.named(store.named)
        blocks += problems("Problems in the trust store", store.problems)
    if report.configuration is not None:
        blocks += problems("Problems in the configuration", report.configuration.problems)
    return blocks


def _verifies_nothing(gateway: Gateway | None) -> list[Block]:
    if gateway is None or gateway.verifies:
        return []
    return [Paragraph(text=(f"{gateway.title}: {'; '.join(gateway.notes)}",), warning=True)]


def _repair_kit(kit: RepairKit | None) -> list[Block]:
    """What was written, or why not."""
    if kit is None:
        return []
    items: list[Text] = [(Code(file.name), f": {file.text}") for file in kit.files[:KIT_FILES]]
    if len(kit.files) > KIT_FILES:
        items.append((more(len(kit.files) - KIT_FILES, "file"),))
    items += [(f"not in it: {reason}",) for reason in kit.left_out[:KIT_FILES]]
    items += [("nothing was written: ", Code(item.source or ""), f": {item.text}") for item in kit.problems]
    if not items:
        items.append(("nothing was written: there is no proven repair for it",))
    return [Heading(level=2, text=("Repair kit in ", Code(kit.directory))), Items(items=tuple(items))]


def _gateway_rows(gateway: Gateway | None) -> list[tuple[str, Text]]:
    if gateway is None:
        return []
    depth = "" if gateway.verify_depth is None else f"; at most {count(gateway.verify_depth, 'intermediate')}"
    depth += f", the default of {gateway.presumed_depth}" if gateway.presumed_depth else ""
    followed = f" ({gateway.profile})" if gateway.profile else ""
    return [
        ("Gateway", (f"{gateway.title}: {gateway.words.leg}",)),
        ("Validator", (f"{gateway.validator}{followed}{depth}",)),
        ("Store there", (gateway.store,)),
    ]


def _read_by(dissector: Dissector) -> str:
    if dissector.name == "wireshark":
        return f"packets and handshakes were read by Wireshark's (tshark {dissector.version})"
    number = len(dissector.differences)
    found = "no difference" if not number else count(number, "difference")
    among = count(dissector.compared, "connection")
    both = f"read twice, here and by Wireshark's (tshark {dissector.version})"
    return f"{both}: {found} in {among}; the report is of the first reading"


def _differences(report: Report) -> list[Block]:
    """Where the native reading and Wireshark's differ."""
    found = report.dissector.differences if report.dissector is not None else ()
    if not found:
        return []
    shown = tuple(
        (str(each.connection), f"#{each.packet}", each.field, Code(each.native or "-"), Code(each.wireshark or "-"))
        for each in found[:DIFFERENCES]
    )
    columns = (Titled("stream"), Titled("packet"), Titled("field"), Titled("here", 12), Titled("Wireshark", 12))
    blocks: list[Block] = [
        Heading(level=2, text=("Where the two readings differ",)),
        Table(columns=columns, rows=shown),
    ]
    if len(found) > DIFFERENCES:
        blocks.append(Paragraph(text=(more(len(found) - DIFFERENCES, "difference"),)))
    return blocks


_COMMON_COLUMNS = (
    Titled("stream"),
    Titled("time", 10),
    Titled("client", 12),
    Titled("server", 12),
    Titled("host", 6),
)


def _common_cells(report: Report, item: Connection) -> tuple[Inline, ...]:
    started = clock(item.started_at, date=_several_days(report)).removesuffix(" UTC")
    host = layout_connection.host(item)
    return (str(item.id), started, Code(item.client), Code(item.server), Code(host) if host else "-")


def _table(
    everything: Connections,
    columns: tuple[Titled, ...],
    places: Column,
    row: Callable[[Connection], tuple[Inline, ...]],
    limit: int,
) -> list[Block]:
    blocks: list[Block] = [
        Table(columns=columns, rows=tuple(row(everything[place]) for place in places[:limit].tolist()))
    ]
    if len(places) > limit:
        note = f"{more(len(places) - limit, 'connection')} --all lists them."
        blocks.append(Paragraph(text=(note,)))
    return blocks


def _several_days(report: Report) -> bool:
    first, last = report.capture.first_time, report.capture.last_time
    return not first or not last or first[:10] != last[:10]
