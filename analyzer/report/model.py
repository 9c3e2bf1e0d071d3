"""The report as plain data: what `analyze` returns and every renderer reads.

Field names are those of the JSON contract (`hsanalyze/1`). Times are RFC 3339 UTC strings; times in a
timeline are seconds from the connection's first packet. Packet numbers are 1-based frame numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from analyzer.trust.model import CertificateInfo, Fix, TrustProblem, TrustVerdict

__all__ = [
    "SCHEMA",
    "Alert",
    "Capture",
    "CertificateInfo",
    "Connection",
    "Diagnosis",
    "Evidence",
    "Finding",
    "Fix",
    "InputProblem",
    "Report",
    "StoreEntryInfo",
    "Summary",
    "TimelineEntry",
    "Tls",
    "TrustProblem",
    "TrustVerdict",
    "Truststore",
]

SCHEMA = "hsanalyze/1"


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
class Capture:
    """The capture files that were read."""

    files: tuple[str, ...]
    format: str
    packets: int
    bytes: int
    first_time: str | None
    last_time: str | None
    link_types: tuple[str, ...]
    problems: tuple[InputProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreEntryInfo:
    """One certificate of the trust store and where it came from (`ts/ca.pem`, `cacerts.jks (alias acme)`)."""

    source: str
    certificate: CertificateInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Truststore:
    """The trust store that was given: its sources, how many certificates, what could not be read."""

    sources: tuple[str, ...]
    certificates: int
    problems: tuple[InputProblem, ...] = ()
    entries: tuple[StoreEntryInfo, ...] = ()


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A TLS alert. For an encrypted one, level, description and number are unknown (None)."""

    packet: int
    from_: str
    level: str | None
    description: str | None
    number: int | None
    encrypted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One TCP connection and what became of its handshake."""

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
    """The name that the trust check was made for (`--host`, else the SNI), None when it is unknown."""
    fault: str | None = None
    """Our own fault, when the analysis of this connection broke; the rest of the report stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Connections that failed the same way."""

    cause: Diagnosis
    count: int
    connections: tuple[int, ...]
    servers: tuple[str, ...]
    first_at: str
    last_at: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Counts over all connections; `causes` maps a cause code to the number of connections."""

    connections: int
    completed: int
    failed: int
    incomplete: int
    causes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The whole answer."""

    capture: Capture
    truststore: Truststore | None
    connections: tuple[Connection, ...]
    findings: tuple[Finding, ...]
    summary: Summary
    schema: str = SCHEMA
