"""The main job: capture → packets → flows → TLS → trust → diagnosis → report, in one direction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import numpy as np

from analyzer.capture.batch import Recording
from analyzer.dataclass import dataclass
from analyzer.diagnosis.case import UNKNOWN, Case, Trust, when
from analyzer.diagnosis.engine import Outcome, diagnose
from analyzer.diagnosis.progress import Progress
from analyzer.diagnosis.server_chain import ChainsSeen, ServerChain, server_chain
from analyzer.errors import InputError
from analyzer.inputs import (
    Paths,
    as_paths,
    chain_of,
    gateway_named,
    log_files,
    profiles_asked,
    public_roots,
    read_logs,
    require_zone,
    store_problems,
    truststore_info,
)
from analyzer.judging import Judging, Terms
from analyzer.reading import Keys, Reading, Source, problems_of, read
from analyzer.report.build import connection_report, summary
from analyzer.report.connections import Connections, address_of
from analyzer.report.model import Capture, Connection, InputProblem, Logs, Point, Report
from analyzer.tls import connection as wire
from analyzer.tls.columns import RecordColumns
from analyzer.tls.connection import Side
from analyzer.verdicts import Verdicts
from analyzer.wireshark import DISSECTORS

if TYPE_CHECKING:
    from analyzer.gateways import Product
    from analyzer.gateways.repairable import Repairable
    from analyzer.live import Latest, Live
    from analyzer.net.flows import Flows
    from analyzer.net.wrappings import Wrappings
    from analyzer.report.legs import Legs
    from analyzer.report.model import Gateway
    from analyzer.trust.check import Checker
    from analyzer.trust.model import Fix, TrustVerdict
    from analyzer.trust.store import TrustStore

__all__ = ["analyze"]

_BLOCK: Final = 1024
"""Rows of the flow table turned into plain data at a time."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BEFORE_TLS: Final = datetime(1995, 1, 1, tzinfo=UTC)
"""The year of SSL 2.0."""


def analyze(
    captures: Source | Sequence[Source],
    *,
    truststore: Paths = None,
    client_ca: Paths = None,
    truststore_password: str | None = None,
    host: str | None = None,
    profile: str = "auto",
    gateway: str | None = None,
    verify_depth: int | None = None,
    server_chain: str | Path | None = None,
    candidate: Paths = None,
    config: Paths = None,
    keylog: Paths = None,
    log: Paths = None,
    dissector: str = "native",
    at: datetime | None = None,
    all: bool = True,  # noqa: A002 - the option's name in the contract
    fix_dir: str | Path | None = None,
    redact: bool = False,
    progress: Callable[[int, int], None] | None = None,
    processes: int = 1,
    live: Live | None = None,
) -> Report:
    """Read captures and say of each TLS connection what became of it, and why.

    `captures`: a path, several, or an open binary file; `-` is standard input. `truststore`, `client_ca` and
    `candidate` are paths of stores (or the words `system`, `mozilla`), `config` of the gateway's own configuration or
    listings of its management interface, `keylog` of NSS key logs or of a server's RSA
    private key (secrets that a pcapng holds itself are used without it), `at` an aware datetime to validate at
    instead of the time of the packet that carried the chain, `log` names logs and traces of products,
    `dissector` who reads the handshakes (`native`, `wireshark`, or `both`, which tells where they differ), `all` gives
    completed connections their timeline and fingerprints too, `progress` is called with (bytes read, bytes in all or
    0). `processes` above 1 allows for a second process where the work is worth it: not in a program that runs threads,
    which do not survive a `fork`. `live` follows streams while they are written, and is told what connections came to
    as they end. `fix_dir` is a directory to which the proven repair is written; what stood in the way of that is in
    `repair_kit.problems`. Raises `InputError` when there is nothing to work with: no readable capture, an unknown
    profile or gateway. What can be used in part is used, and the rest is in the report's problems.
    """
    settings = _settings(
        truststore=truststore,
        client_ca=client_ca,
        password=truststore_password,
        host=host,
        profile=profile,
        gateway=gateway,
        verify_depth=verify_depth,
        server_chain=server_chain,
        candidate=candidate,
        config=config,
        at=at,
    )
    sources: list[Source] = (
        list(captures) if isinstance(captures, Sequence) and not isinstance(captures, str) else [captures]
    )
    logs = log_files(log) if log is not None else None
    if dissector not in DISSECTORS:
        known = ", ".join(DISSECTORS)
        raise InputError("--dissector", f"there is no dissector {dissector!r}", hint=f"There are: {known}")
    comparison = None
    if dissector == "both":
        from analyzer.wireshark.comparison import Comparison

        comparison = Comparison(sources, as_paths(keylog))
    in_full = all or logs is not None
    finishing = _Finishing(settings, presumed=verify_depth is None and config is None, redact=redact)
    trial = _Trial(
        settings,
        finishing,
        live,
        in_full=in_full,
        # What a configuration or a chain from elsewhere says may differ by connection.
        share=config is None and server_chain is None and not in_full and comparison is None,
        watch=None if comparison is None else comparison.take,
        processes=processes
        if settings.product is None and fix_dir is None and comparison is None and live is None
        else 1,
    )
    reading = read(
        sources,
        trial,
        keylog=keylog,
        password=truststore_password,
        by_wireshark=dissector == "wireshark",
        apart=comparison is None,
        progress=progress,
        live=live,
    )
    found = trial.connections(reading)
    if reading.wrappings:
        from analyzer.report.wrapping import wrapped

        # Those that went alike may have run in different tunnels.
        found = found.finished(lambda item: wrapped(item, reading.wrappings))
    connections: Sequence[Connection] = found
    told = None
    if logs is not None:
        connections, told = _with_logs(connections, logs, reading.end_ns)
    report = replace(
        _report(reading, settings, connections, trial.legs.points()),
        logs=told,
        dissector=reading.dissector if comparison is None else comparison.told(),
    )
    more = problems_of(comparison.problems) if comparison is not None else trial.left_out()
    if more:
        report = replace(report, capture=replace(report.capture, problems=(*report.capture.problems, *more)))
    if settings.product is not None or fix_dir is not None:
        from analyzer.report.kit import with_kit

        report = with_kit(report, settings.product, settings.repaired, fix_dir, anonymous=redact)
    return finishing.all(report)


class _Finishing:
    """The last words: those of the product, and pseudonyms. The same for the report and for what is told before it."""

    def __init__(self, settings: _Settings, *, presumed: bool, redact: bool) -> None:
        self._settings = settings
        self._presumed = presumed
        self._redact = redact
        self._clients: set[str] = set()
        self._servers: set[str] = set()

    def all(self, report: Report) -> Report:
        """The whole report."""
        if self._settings.product is not None:
            from analyzer.report.product import told_for

            report = told_for(report, self._settings.product, self._gateway)
        return self._redactor(report) if self._redact else report

    def one(self, connection: Connection) -> Connection:
        """A connection by itself, on the leg that those before it show."""
        if self._settings.product is None and not self._redact:
            return connection
        report = replace(self._about, connections=(connection,))
        if self._settings.product is not None:
            from analyzer.report.product import told_for

            client, server = address_of(connection.client), address_of(connection.server)
            self._clients.add(client)
            self._servers.add(server)
            leads_to_it = server in self._clients and client not in self._servers
            front = frozenset({connection.id} if leads_to_it else ())
            report = told_for(report, self._settings.product, self._gateway, front=front)
        return (self._redactor(report) if self._redact else report).connections[0]

    @cached_property
    def _about(self) -> Report:
        """What a report says of all connections alike: it names what is private."""
        configured, store = self._settings.judging.configured, self._settings.judging.all_stores
        return Report(
            capture=Capture(
                files=(), format="", packets=0, bytes=0, first_time=None, last_time=None, link_types=(),
                problems=self._settings.problems,
            ),
            truststore=truststore_info(store) if store is not None else None,
            connections=(),
            findings=(),
            summary=summary(()),
            configuration=configured.info() if configured is not None else None,
        )  # fmt: skip

    @cached_property
    def _gateway(self) -> Gateway:
        from analyzer.report.product import gateway_of

        settings, product = self._settings, cast("Product", self._settings.product)
        followed = settings.profiles[0] if settings.profile_named else product.profile
        return gateway_of(product, followed, settings.verify_depth, presumed=self._presumed)

    @cached_property
    def _redactor(self) -> Callable[[Report], Report]:
        from analyzer.report.redact import Redactor

        return Redactor()


def _with_logs(
    connections: Sequence[Connection], files: Sequence[Path], near_ns: int
) -> tuple[tuple[Connection, ...], Logs]:
    """The connections with what the logs say of them, and what is to be said of the logs."""
    from analyzer.gateways.matching import LogMatcher
    from analyzer.report.logs import beside, logs_of, seen

    matcher = LogMatcher(seen([item for item in connections if item.counted_as is None]))
    lines, problems = read_logs(files, matcher, near_ns)
    matched = matcher.result()
    connections = beside(connections, matched)
    sources = [str(file) for file in files]
    return connections, logs_of(connections, matched, sources=sources, lines=lines, problems=problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """What the user said, read and ready."""

    judging: Judging
    client_store: TrustStore | None
    client_checker: Checker | None
    profiles: tuple[str, ...]
    profile_named: bool
    supplied: tuple[bytes, ...]
    candidates: tuple[bytes, ...]
    problems: tuple[InputProblem, ...]
    """Of the supplied chain and of the candidates."""
    at: datetime | None
    verify_depth: int | None
    product: Product | None = None
    """The gateway that was named."""
    known_repairs: dict[object, tuple[Repairable, tuple[Fix, ...]]] = field(default_factory=dict)
    repaired: dict[int, Repairable] = field(default_factory=dict)
    """What there is to repair in each connection that was refused for the server's chain."""
    subjects: dict[bytes, list[bytes]] = field(default_factory=dict)

    def let_go(self, first: int) -> None:
        """Let go of what there is to repair in connections before one."""
        for number in [number for number in self.repaired if number < first]:
            del self.repaired[number]

    def edges(self) -> tuple[int, ...]:
        """The seconds since 1970 at which a certificate at hand begins or ceases to be valid.

        None where one moment counts for all.
        """
        from analyzer.trust.certificate import Certificate

        if self.at is not None:
            return ()
        store = self.judging.all_stores
        stores = [store.certificates if store is not None else (), self.candidates]
        stores.append(self.client_store.certificates if self.client_store is not None else ())
        found = [Certificate.parse(der) for certificates in stores for der in certificates]
        return tuple({time for c in found for time in (c.not_before, c.not_after) if time is not None})

    def issuers_of(self, certificate: bytes) -> Sequence[bytes]:
        """The certificates of the store, and the candidates, that have the name of a certificate's issuer."""
        from analyzer.trust.certificate import Certificate, subject_of

        if not self.subjects:
            store = self.judging.all_stores
            for der in (*(store.certificates if store is not None else ()), *self.candidates):
                self.subjects.setdefault(subject_of(der), []).append(der)
        return self.subjects.get(Certificate.parse(certificate).issuer.canonical, ())


def _settings(
    *,
    truststore: Paths,
    client_ca: Paths,
    password: str | None,
    host: str | None,
    profile: str,
    gateway: str | None,
    verify_depth: int | None,
    server_chain: str | Path | None,
    candidate: Paths,
    config: Paths,
    at: datetime | None,
) -> _Settings:
    from analyzer.trust.check import Checker
    from analyzer.trust.store import read_stores

    product = gateway_named(gateway)
    if product is not None:
        profile = product.profile or profile if profile == "auto" else profile
    profiles = profiles_asked(profile)
    require_zone(at)
    store = read_stores(as_paths(truststore), password) if truststore is not None else None
    client_store = read_stores(as_paths(client_ca), password, purpose="client") if client_ca is not None else None
    candidates = read_stores(as_paths(candidate), password)
    problems = list(store_problems(candidates.problems))
    if client_store is not None:
        problems += store_problems(client_store.problems)
    supplied: tuple[bytes, ...] = ()
    if server_chain is not None:
        source, saved = chain_of(server_chain, password)
        supplied = saved.certificates
        problems += [InputProblem(code=p.code, text=p.text, source=source, severity=p.severity) for p in saved.problems]
    configured = None
    if config is not None:
        from analyzer.configured import read_configurations

        configured = read_configurations(as_paths(config), password, stores_wanted=store is None)
        if product is not None:
            configured.expect(product.name)
    judging = Judging(
        store=store,
        configured=configured,
        at_hand=(*candidates.certificates, *supplied, *(client_store.certificates if client_store is not None else ())),
        host=host,
        profiles=profiles,
        profile_named=profile != "auto",
        verify_depth=verify_depth,
        usual_depth=product.verify_depth if product is not None else None,
    )
    if product is None and configured is not None:
        product = gateway_named(configured.product)
    if product is not None and verify_depth is None:
        verify_depth = product.verify_depth
    return _Settings(
        judging=judging,
        client_store=client_store,
        client_checker=Checker(client_store.certificates) if client_store is not None and client_store.usable else None,
        profiles=profiles,
        profile_named=profile != "auto",
        supplied=supplied,
        candidates=candidates.certificates,
        problems=tuple(problems),
        at=at,
        verify_depth=verify_depth,
        product=product,
    )


class _Trial:
    """Judges all connections of captures while these are read."""

    legs: Legs

    def __init__(
        self,
        settings: _Settings,
        finishing: _Finishing,
        live: Live | None,
        *,
        in_full: bool,
        share: bool,
        watch: Callable[[wire.Connection], None] | None,
        processes: int,
    ) -> None:
        self._settings = settings
        self._finishing = finishing
        self._live = live
        self._ring = live is not None and live.ring
        self._in_full = in_full
        self._share = share
        self._watch = watch
        self._processes = processes

    def start(self, keys: Keys, wrappings: Wrappings, recording: Callable[[], Recording]) -> None:
        """See `reading.Watcher`."""
        from analyzer.report.legs import Legs

        self._keys = keys
        self._wrappings = wrappings
        self._recording = recording
        self._chains = ChainsSeen()
        self._points: list[Verdicts | Latest] = []
        self.legs = Legs()

    def begin(self, flows: Flows, columns: RecordColumns) -> None:
        """See `reading.Watcher`."""
        if self._live is not None and not self._points:
            # What is judged before its time is no part of the repair kit.
            untold = replace(self._settings, repaired={})
            judge = partial(_judge, untold, recording=self._recording, in_full=self._in_full)
            self._live.begin(flows, self._keys, judge, self._told)
        verdicts = Verdicts(
            flows,
            columns,
            self._keys,
            partial(_judge, self._settings, recording=self._recording, in_full=self._in_full),
            chains=self._chains,
            share=self._share,
            edges=self._settings.edges(),
            watch=self._see,
            note=self._note,
            processes=self._processes,
        )
        if not self._ring:
            self._points.append(verdicts)
            return
        from analyzer.live import Latest

        self._points.append(Latest(flows, columns, verdicts, self._settings.let_go))

    def sweep(self, now_ns: int) -> bool:
        """See `reading.Watcher`."""
        return self._points[0].sweep(now_ns)

    def connections(self, reading: Reading) -> Connections:
        """All connections, those that belong together beside each other."""
        from analyzer.report.negotiation import compared

        if not self._ring:
            self.legs.complete(reading.points)
        end_ns = reading.end_ns
        first = 0
        for point, verdicts in zip(reading.points, self._points, strict=True):
            if len(reading.points) > 1:
                end_ns = point.last_time_ns
            verdicts.finish(end_ns, first, alone=len(reading.points) == 1)
            first += len(point.flows.table)
        several = [verdicts.connections() for verdicts in self._points]
        found = several[0] if len(several) == 1 else Connections.of(item for items in several for item in items)
        return compared(found) if self._ring else self.legs.told(compared(found))

    def left_out(self) -> tuple[InputProblem, ...]:
        """That a watch was too long for its report to have all connections."""
        left_out = sum(cast("Latest", point).left_out for point in self._points) if self._ring else 0
        if not left_out:
            return ()
        text = (
            f"{left_out:,} earlier connections were told when they ended, and are not in this report: it has the last"
        )
        return (InputProblem(code="earlier-connections", text=f"{text} ones", severity="note"),)

    def _told(self, connection: Connection) -> Connection:
        """A connection that is told before the end, in its last words."""
        if self._wrappings:
            from analyzer.report.wrapping import wrapped

            connection = wrapped(connection, self._wrappings)
        return self._finishing.one(connection)

    def _note(self, numbers: Sequence[int], randoms: Sequence[int]) -> None:
        if not self._ring:  # what is let go has no other leg
            self.legs.note(numbers, randoms)

    def _see(self, seen: wire.Connection) -> None:
        if not self._ring:
            self.legs.take(seen)
        if self._watch is not None:
            self._watch(seen)


def _judge(
    settings: _Settings,
    seen: wire.Connection,
    progress: Progress,
    chains: ChainsSeen | None,
    end_ns: int,
    *,
    recording: Callable[[], Recording],
    in_full: bool,
) -> tuple[Connection, Outcome]:
    """What became of one connection.

    `end_ns` is the time up to which it was watched, `recording` tells what the recorder left out so far.
    """
    chain = server_chain(seen, progress, supplied=settings.supplied, seen=chains, issuers_of=settings.issuers_of)
    terms = settings.judging.terms(seen)
    trust = _server_trust(seen, settings, terms, chain)
    case = Case(
        connection=seen,
        progress=progress,
        trust=trust,
        client_trust=_client_trust(seen, settings),
        capture_end_ns=end_ns,
        recording=recording(),
    )
    outcome = diagnose(case)
    if outcome.to_repair is not None:
        found = _repairs(seen, settings, terms, chain, outcome.to_repair)
        outcome = replace(outcome, fixes=(*outcome.fixes, *found) if outcome.fixes else found)
    outcome = terms.told(outcome, trust)
    report = connection_report(case, outcome, in_full=in_full)
    return (replace(report, configuration=terms.expected) if terms.expected is not None else report), outcome


def _repairs(
    seen: wire.Connection, settings: _Settings, terms: Terms, chain: ServerChain, verdict: TrustVerdict
) -> tuple[Fix, ...]:
    """What turns the verdict, worked out once for connections that were refused alike."""
    from analyzer.gateways.repairable import Repairable
    from analyzer.trust.repair import remedies

    codes = tuple(problem.code for problem in verdict.problems)
    key = (chain.certificates, chain.unsent, verdict.profile, codes, terms.key)
    if key not in settings.known_repairs:
        anchors = tuple(terms.anchors.anchors(chain.certificates))
        intermediates = tuple(terms.anchors.intermediates(chain.certificates))
        at = _checked_at(seen, settings, chain.certificates)
        found = remedies(
            chain.certificates,
            anchors,
            verdict,
            host=terms.checked_host,
            at=at,
            intermediates=intermediates,
            verify_depth=terms.verify_depth,
            candidates=(*settings.candidates, *chain.unsent),
            public_roots=public_roots,
        )
        question = Repairable(
            chain=tuple(chain.certificates),
            anchors=anchors,
            intermediates=intermediates,
            host=terms.checked_host,
            at=at,
            verify_depth=terms.verify_depth,
            strict=bool(verdict.stricter),
            remedies=found,
            named=terms.anchors.names_only(),
        )
        settings.known_repairs[key] = question, tuple(remedy.fix for remedy in found)
    settings.repaired[seen.id], fixes = settings.known_repairs[key]
    return fixes


def _checked_at(
    seen: wire.Connection, settings: _Settings, chain: Sequence[bytes], side: Side = Side.SERVER
) -> datetime:
    """The moment of judgement: that of the packet that carried the chain, unless the user named another.

    A recorder without a clock tells no time: then it is one at which no certificate of the chain is too young.
    """
    message = seen.chain(side)
    at = settings.at or _moment(message.time_ns if message is not None and message.chain else seen.first_time_ns)
    if settings.at is None and at < _BEFORE_TLS:
        from analyzer.trust.certificate import Certificate

        begins = [begin for der in chain if (begin := Certificate.parse(der).not_before) is not None]
        at = _EPOCH + timedelta(seconds=max(begins, default=0))
    return at


def _server_trust(seen: wire.Connection, settings: _Settings, terms: Terms, chain: ServerChain) -> Trust:
    if not chain.certificates:
        return replace(terms.trust(), chain=chain)
    at = _checked_at(seen, settings, chain.certificates)
    revoked, staple = _staple(seen, terms, chain.certificates, at)
    checker = terms.anchors.checker(chain.certificates, terms.verify_depth)
    verdicts = checker.check_by(chain.certificates, terms.profiles, host=terms.checked_host, at=at)
    if chain.unsent:
        from analyzer.trust.unanchored import with_issuer_at_hand

        verdicts = tuple(with_issuer_at_hand(verdict, chain.certificates, chain.unsent) for verdict in verdicts)
    trust = replace(terms.trust(), verdicts=verdicts, chain=chain, revoked=revoked, staple=staple)
    return terms.doubted(trust, chain.certificates)


def _staple(seen: wire.Connection, terms: Terms, chain: Sequence[bytes], at: datetime) -> tuple[str | None, str | None]:
    """What a stapled OCSP response says: that the leaf is revoked, or what is wrong with the response itself."""
    if not seen.ocsp_responses:
        return None, None
    from analyzer.trust.ocsp import read_staple

    staple = read_staple(seen.ocsp_responses[0], chain, at=at, anchors=terms.anchors.anchors(chain))
    if staple.problem is not None:
        return staple.problem.text, None
    return None, None if staple.status in ("good", "unverified") else staple.text


def _client_trust(seen: wire.Connection, settings: _Settings) -> Trust:
    message = seen.chain(wire.Side.CLIENT)
    if settings.client_checker is None or message is None or not message.chain:
        return UNKNOWN
    chain = tuple(message.chain)
    at = _checked_at(seen, settings, chain, Side.CLIENT)
    verdicts = settings.client_checker.check_by(chain, settings.profiles, at=at, purpose="client")
    return Trust(verdicts=verdicts, store_given=True, profile_named=settings.profile_named)


def _moment(time_ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=time_ns // 1000)


def _report(
    reading: Reading,
    settings: _Settings,
    connections: Sequence[Connection],
    points: tuple[Point, ...],
) -> Report:
    from analyzer.net.link_names import name_of
    from analyzer.report.findings import findings

    store, configured = settings.judging.all_stores, settings.judging.configured
    reader = reading.reader
    problems = [*reading.problems]
    everything = Connections.of(connections)
    counted = everything.select(everything.of_kinds([kind.counted_as is None for kind in everything.kinds]))
    dated = np.flatnonzero(everything.of_kinds([bool(kind.server_chain) for kind in everything.kinds]))
    earliest = (
        everything.started_at(int(dated[everything.started_ns[dated].argmin()]))
        if len(dated)
        else str(_BEFORE_TLS.year)
    )
    if earliest < str(_BEFORE_TLS.year) and settings.at is None:
        text = (
            f"packets are dated {earliest[:10]}, before there was TLS: whether certificates had expired was not "
            "checked; give the true time with --at"
        )
        problems.append(InputProblem(code="no-clock", text=text, severity="warning"))
    return Report(
        capture=Capture(
            files=tuple(reader.files),
            format=", ".join(dict.fromkeys(reader.formats)),
            packets=reader.packets,
            bytes=reader.bytes,
            first_time=None if reader.first_time_ns is None else when(reader.first_time_ns),
            last_time=None if reader.last_time_ns is None else when(reader.last_time_ns),
            duplicate_packets=reading.copies,
            points=points,
            link_types=tuple(name_of(link) for link in reader.links),
            problems=(*problems, *settings.problems, *reading.keys.problems()),
        ),
        truststore=truststore_info(store, settings.judging.matched) if store is not None else None,
        connections=everything,
        findings=findings(counted),
        summary=summary(counted),
        configuration=configured.info() if configured is not None else None,
    )
