"""The report as plain data: what `analyze` returns and every renderer reads.

Field names are those of the JSON contract (`hsanalyze/1`; `hsanalyze-check/1` and `hsanalyze-store/1` for what the
commands `check` and `store` return). Times are RFC 3339 UTC strings; times in a
timeline are seconds from the connection's first packet. Packet numbers are 1-based frame numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field

from analyzer.dataclass import dataclass
from analyzer.gateways import Words
from analyzer.trust.model import CertificateInfo, Fix, TrustProblem, TrustVerdict
from analyzer.wireshark.model import Difference, Dissector

__all__ = [
    "CHECK_SCHEMA",
    "SCHEMA",
    "STORE_SCHEMA",
    "Alert",
    "Answered",
    "Capture",
    "CertificateInfo",
    "CheckFix",
    "CheckReport",
    "Chosen",
    "Configuration",
    "ConfiguredTarget",
    "Connection",
    "Diagnosis",
    "Difference",
    "Dissector",
    "Evidence",
    "Expected",
    "Finding",
    "Fix",
    "Gateway",
    "InputProblem",
    "KitFileInfo",
    "Leg",
    "LogClock",
    "LogLine",
    "Logs",
    "Missing",
    "NamedCertificate",
    "Negotiation",
    "Offered",
    "Point",
    "Prelude",
    "PreludeRefusal",
    "PreludeStep",
    "RepairKit",
    "Report",
    "StoreEntryInfo",
    "StoreReport",
    "StoredCertificate",
    "Summary",
    "TimelineEntry",
    "Tls",
    "TrustProblem",
    "TrustVerdict",
    "Truststore",
]

SCHEMA = "hsanalyze/1"
CHECK_SCHEMA = "hsanalyze-check/1"
STORE_SCHEMA = "hsanalyze-store/1"


EMBEDDED_SECRETS = "the capture's decryption secrets"
"""The source of problems with the secrets that a pcapng holds itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputProblem:
    """Something in an input that could not be used. `packet` for captures, `source` for stores.

    `severity` is `error` when a part of the input was lost (exit status 2), else `warning` or `note`.
    """

    code: str
    text: str
    packet: int | None = None
    source: str | None = None
    severity: str = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A place where captures were taken. Frame numbers count within it, over its files as `mergecap` joins them.

    `clock_offset_seconds` says how far its clock is ahead of that of the first point, by `clock_connections` that both
    saw; None where they have none in common.
    """

    files: tuple[str, ...]
    packets: int
    clock_offset_seconds: float | None
    clock_connections: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """The capture files that were read.

    `duplicate_packets` counts those that are others captured once more, on another interface or by a mirror port; each
    of these is taken once. `points` are where the files were taken, when that is more than one place.
    """

    files: tuple[str, ...]
    format: str
    packets: int
    bytes: int
    first_time: str | None
    last_time: str | None
    link_types: tuple[str, ...]
    problems: tuple[InputProblem, ...] = ()
    duplicate_packets: int = 0
    points: tuple[Point, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEntryInfo:
    """One certificate of the trust store and where it came from (`ts/ca.pem`, `cacerts.jks (alias acme)`)."""

    source: str
    certificate: CertificateInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedCertificate:
    """A certificate of the trust store of which only words are known; empty where the product does not tell.

    `matched` is the digest of the certificate at hand that it is, `how` says by what that is known; both None where
    there is none. `anchor` is false for what the product uses for building paths only, `export` is the command that
    gives the certificate itself.
    """

    source: str
    label: str
    subject: str
    issuer: str
    serial: str
    not_before: str
    not_after: str
    sha1: str
    sha256: str
    anchor: bool
    export: str
    matched: str | None = None
    how: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Truststore:
    """The trust store that was given: its sources, how many certificates, what could not be read."""

    sources: tuple[str, ...]
    certificates: int
    problems: tuple[InputProblem, ...] = ()
    entries: tuple[StoreEntryInfo, ...] = ()
    named: tuple[NamedCertificate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfiguredTarget:
    """A backend as the gateway's own configuration has it; None where that does not tell.

    `endpoints` are `host:port`, `place` is `file:line` or a path in the file, `stores` the names of the trust stores.
    """

    name: str
    product: str
    place: str
    endpoints: tuple[str, ...]
    server_name: str | None
    sends_server_name: bool | None
    checked_name: str | None
    verifies_chain: bool | None
    verifies_name: bool | None
    verify_depth: int | None
    stores: tuple[str, ...]
    client_certificate: bool | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The configuration that was given (`--config`), and what of it could not be used."""

    sources: tuple[str, ...]
    targets: tuple[ConfiguredTarget, ...]
    problems: tuple[InputProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """The target of the configuration that a connection goes to.

    `matched` says by what it was found, `notes` what the configuration says against what the wire shows.
    """

    target: str
    place: str
    matched: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A cause: its code, how sure we are (`certain`, `likely`, `possible`), and what it means here."""

    code: str
    confidence: str
    title: str
    explanation: str
    headline: str = ""
    """The one sentence that a manager reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One observation that speaks for the verdict (or against it), and the packet that shows it."""

    packet: int | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEntry:
    """One line of the packet walk. `time` is in seconds from the connection's first packet.

    `from_` (JSON `from`) is `client` or `server`.
    """

    packet: int
    time: float
    from_: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What the hellos negotiated. Names are IANA's; `version` is `TLS 1.2` and the like."""

    version: str | None
    offered_versions: tuple[str, ...]
    cipher: str | None
    sni: str | None
    alpn: str | None
    alpn_offered: tuple[str, ...]
    ja3: str | None
    ja3s: str | None
    ja4: str | None
    resumed: bool
    hello_retry: bool
    group: str | None = None
    """The group of the key exchange, where it can be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """What a ClientHello offers, the preferred first, without GREASE (RFC 8701) and signalling values.

    `older_versions`: the hello has no supported_versions, and names only the newest version that the client takes.
    """

    versions: tuple[str, ...]
    cipher_suites: tuple[str, ...]
    groups: tuple[str, ...]
    signature_algorithms: tuple[str, ...]
    alpn: tuple[str, ...]
    sni: str | None
    older_versions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What the server chose in this connection, or asked for; empty where it did not come so far.

    `signature_algorithms` has that of its ServerKeyExchange, `dh_prime_bits` the size of its Diffie-Hellman prime. The
    fields `requested_...` are what its CertificateRequest takes from the client.
    """

    versions: tuple[str, ...] = ()
    cipher_suites: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    signature_algorithms: tuple[str, ...] = ()
    alpn: tuple[str, ...] = ()
    dh_prime_bits: int | None = None
    requested_signature_algorithms: tuple[str, ...] = ()
    requested_certificate_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What the same server (address, port, and server name) chose in another connection of the capture."""

    connection: int
    version: str
    cipher_suite: str | None
    group: str | None
    alpn: str | None
    sni: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A list of which nothing is in common with what the server was seen to choose. `of` is the field that holds it."""

    of: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Negotiation:
    """What both sides can do, as far as the capture shows it."""

    client: Offered
    server: Answered
    elsewhere: tuple[Chosen, ...] = ()
    missing: tuple[Missing, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A TLS alert. `encrypted`: it was sent so; then level, description and number are None unless a key opened it."""

    packet: int
    from_: str
    level: str | None
    description: str | None
    number: int | None
    encrypted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """A line of a product's log, or several that belong together.

    `time` is the log's own time in UTC, None where it has none or its zone is not known; `id` the message's or
    request's. `words` are those of the text by which it was understood. `match` says by what it was found to speak of
    the connection, empty for a line about none of the capture; `agrees` whether it says the same as the verdict, None
    when it does not say.
    """

    source: str
    line: int | None
    time: str | None
    id: str | None
    text: str
    product: str
    words: tuple[str, ...] = ()
    match: str = ""
    agrees: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogClock:
    """A log's clock: its zone (seconds east of UTC; None: it tells it itself), and how far it is ahead, by `lines`."""

    source: str
    zone_seconds: int | None
    offset_seconds: float
    lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The logs that were given. `lines` counts all lines, `matched` those that stand beside a connection.

    `clock_offset_seconds` is that of the log with most matches, None without any. `unmatched` are the first of the
    `unmatched_count` lines about a handshake that is not in the capture.
    """

    sources: tuple[str, ...]
    lines: int
    matched: int
    clock_offset_seconds: float | None
    clocks: tuple[LogClock, ...] = ()
    unmatched: tuple[LogLine, ...] = ()
    unmatched_count: int = 0
    problems: tuple[InputProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PreludeStep:
    """Something that was said before TLS, fit to be shown: no proof of identity is in it."""

    packet: int
    from_: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PreludeRefusal:
    """How TLS, or the tunnel, was refused: the protocol's own code, where it has one, and the answer."""

    packet: int
    code: str | None
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prelude:
    """What went before TLS: STARTTLS and its kin, tunnels through proxies, PROXY headers.

    `protocols` are ordered from the outermost to the one that leads to TLS; `agreed` tells whether TLS may begin.
    `target` is where a tunnel was to lead (`host:port`). Of a PROXY header: `client`, the address that really
    connected, `server`, the one that it connected to, `authority`, the name that it sent. `domain` is the name that
    XMPP has the certificate hold.
    """

    protocols: tuple[str, ...]
    agreed: bool
    target: str | None = None
    client: str | None = None
    server: str | None = None
    authority: str | None = None
    domain: str | None = None
    refusal: PreludeRefusal | None = None
    in_clear: bool = False
    """Whether the client went on without TLS."""
    steps: tuple[PreludeStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """Another sight of a connection, or the connection on the other side of a proxy.

    `kind`: `same`, the same TCP connection at another point; `translated`, the same behind an address translation;
    `relayed`, the same TLS handshake over another TCP connection (a proxy in TCP mode); `proxied`, another TLS
    handshake that a gateway made for this one, or the one that it made this one for; `intercepted`, another TLS
    handshake, with which a box in between speaks to the same server for the client. `connection` is its id; `file` and
    `stream` are where it is. `matched_by` says how that is known, `differs` what the two have not in common.
    """

    kind: str
    connection: int
    file: str | None
    stream: int
    client: str
    server: str
    matched_by: str
    differs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One TCP connection and what became of its handshake, as seen at one point.

    `id` is Wireshark's `tcp.stream`. With several points ids run on from one to the next; `file` is then the (first)
    file of the point, `stream` Wireshark's number there. `counted_as` is the id of the connection that stands for this
    one in findings and counts: the same one better seen, or the one whose failure this one follows from.
    """

    id: int
    client: str
    server: str
    started_at: str
    outcome: str
    aborted_by: str | None
    abort_packet: int | None
    abort_act: str | None
    stage: str
    cause: Diagnosis | None
    other_causes: tuple[Diagnosis, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    timeline: tuple[TimelineEntry, ...] = ()
    tls: Tls | None = None
    alerts: tuple[Alert, ...] = ()
    server_chain: tuple[CertificateInfo, ...] = ()
    client_chain: tuple[CertificateInfo, ...] = ()
    chain_source: str | None = None
    trust: tuple[TrustVerdict, ...] = ()
    fixes: tuple[Fix, ...] = ()
    host: str | None = None
    """The name that the trust check was made for (`--host`, else a tunnel's host or the SNI), None when unknown."""
    fault: str | None = None
    """Our own fault, when the analysis of this connection broke; the rest of the report stands."""
    negotiation: Negotiation | None = None
    """Both sides' lists, for handshakes that failed because they could not agree."""
    tunnels: tuple[str, ...] = ()
    """What its packets were wrapped in, client to server, the outermost first: `VXLAN 9 from 192.0.2.1 to 192.0.2.2`.
    A VLAN, an MPLS label and a PPPoE session count as well."""
    tunnels_back: tuple[str, ...] = ()
    """The same from server to client, where it is not the same tunnels turned round."""
    tunnels_also: tuple[str, ...] = ()
    """In what else packets of these addresses and ports were seen, one text each; `no tunnel` among them.

    They are counted as one connection, as Wireshark does: the packets were recorded twice, or two networks use the same
    addresses."""
    leg: str | None = None
    """With a gateway: `back`, to its backend, or `front`, from its own clients."""
    expected_log: tuple[str, ...] = ()
    """With a gateway: what it logs or answers for this cause."""
    log_lines: tuple[LogLine, ...] = ()
    """What the products' logs say of it."""
    configuration: Expected | None = None
    """What the gateway's own configuration says of this connection (`--config`)."""
    prelude: Prelude | None = None
    """What went before TLS; None when the connection began with it."""
    file: str | None = None
    stream: int | None = None
    legs: tuple[Leg, ...] = ()
    counted_as: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Connections that failed the same way: one thing to repair.

    `servers` and `hosts` (the names that the clients sent) are ordered by their number of connections, `clients` counts
    client addresses. `notes` say how it came about in this capture: since when, for whom else not, by which of several
    servers. `examples` are those of `connections` worth a look: the best one, the first, the last, one of each chain
    and each way of ending.
    """

    cause: Diagnosis
    count: int
    connections: tuple[int, ...]
    servers: tuple[str, ...]
    first_at: str
    last_at: str
    text: str
    hosts: tuple[str, ...] = ()
    clients: int = 0
    notes: tuple[str, ...] = ()
    examples: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Counts over all connections; `causes` maps a cause code to the number of connections."""

    connections: int
    completed: int
    failed: int
    incomplete: int
    causes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """The product that was named: which validator it follows and how it was judged here.

    `profile` is None when several validators were asked. `validator` describes it, with what is not measured about
    it. `verify_depth` is the limit on intermediates that was applied, `store` says where its trusted certificates live.
    """

    name: str
    title: str
    profile: str | None
    validator: str
    verify_depth: int | None
    words: Words
    store: str
    notes: tuple[str, ...]
    sources: tuple[str, ...]
    verifies: bool = True
    """False for a product that takes any certificate."""
    presumed_depth: str = ""
    """The setting behind `verify_depth` where that is the product's default, and nobody said so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KitFileInfo:
    """A file of the repair kit: its name, what it is, the digests of the certificates in it."""

    name: str
    text: str
    certificates: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairKit:
    """What was written to `directory`. `left_out` has the reasons why some repairs are not in it."""

    directory: str
    files: tuple[KitFileInfo, ...] = ()
    left_out: tuple[str, ...] = ()
    problems: tuple[InputProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole answer. `dissector` is None when only the native reading was asked for."""

    capture: Capture
    truststore: Truststore | None
    connections: Sequence[Connection]
    """A tuple, or `report.connections.Connections`, which are put together as they are asked for."""
    findings: tuple[Finding, ...]
    summary: Summary
    gateway: Gateway | None = None
    logs: Logs | None = None
    configuration: Configuration | None = None
    dissector: Dissector | None = None
    repair_kit: RepairKit | None = None
    schema: str = SCHEMA


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFix(Fix):
    """A repair of a chain that several validators refuse. `profiles`: those for which it was worked out.

    `proven` then means that each of these accepts with it.
    """

    profiles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckReport:
    """What the validators say of one chain and one store.

    `source` names the file of the chain, `-` for standard input. `host_source` tells where the name that was
    checked comes from: `option`, or `input` when it stands in the file; None when no name was checked.
    `store_given` is false when the user named no store and this machine's own was taken.
    """

    source: str
    chain: tuple[CertificateInfo, ...]
    host: str | None
    host_source: str | None
    at: str
    truststore: Truststore
    store_given: bool
    trust: tuple[TrustVerdict, ...]
    fixes: tuple[CheckFix, ...] = ()
    problems: tuple[InputProblem, ...] = ()
    schema: str = CHECK_SCHEMA

    @property
    def accepted(self) -> bool:
        """Whether every validator that was asked accepts."""
        return all(verdict.accepted for verdict in self.trust)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCertificate:
    """A certificate of a store.

    `kind`: `trusted-certificate`, `private-key-entry`, `intermediate` (used for building paths only) or `certificate`
    (no mark). `chain_index` is the place in the chain of a private-key entry, 0 for the key's own certificate and for
    the other kinds.
    """

    source: str
    alias: str | None
    kind: str
    chain_index: int
    certificate: CertificateInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReport:
    """What the stores hold, duplicates included, and what is wrong with it at the time `at`.

    `certificates` counts the different ones, without those in `named`, of which only words are known.
    """

    sources: tuple[str, ...]
    at: str
    certificates: int
    entries: tuple[StoredCertificate, ...]
    problems: tuple[InputProblem, ...] = ()
    named: tuple[NamedCertificate, ...] = ()
    schema: str = STORE_SCHEMA
