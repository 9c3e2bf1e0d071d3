"""What a cause may look at: one connection, how far it came, and what the validators say of its chain."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from analyzer.capture.batch import Recording
from analyzer.dataclass import dataclass
from analyzer.diagnosis.progress import Ending, Progress
from analyzer.diagnosis.server_chain import NO_CHAIN, ServerChain
from analyzer.registry import alert_name
from analyzer.tls.connection import CertificateMessage, Connection, Event, EventKind, Side
from analyzer.trust.model import TrustVerdict

__all__ = ["UNKNOWN", "Case", "Doubt", "Trust", "seconds", "when"]

_LONG_UNITS: Final = (("days", 86_400), ("hours", 3600), ("minutes", 60))
_NANO: Final = 1_000_000_000
_OUT_OF_ORDER_NS: Final = 1_000_000
"""What a recorder writes in the wrong order is apart by less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """Why some causes may not be what the verdicts say, though the wire fits: a sentence for the report.

    `unchecked`: by its configuration the client does not look at what these causes are about, so that any other
    problem goes first.
    """

    codes: frozenset[str]
    text: str
    unchecked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """What the trust stage found for the server's chain of one connection.

    `verdicts` has one for each profile that was asked; `store_given` is false when no trust store could be read (the
    check then ran against an empty one, so only what does not depend on a store counts), `store_partial` true when a
    part of it could not. `host_known` tells whether a host name was there to check. `revoked` is the text of a stapled
    OCSP response that says so.
    """

    verdicts: tuple[TrustVerdict, ...] = ()
    store_given: bool = False
    store_partial: bool = False
    store_names: str = ""
    host: str | None = None
    host_known: bool = False
    profile_named: bool = False
    chain: ServerChain = NO_CHAIN
    """The chain that was checked: read in this very connection, or from elsewhere."""
    revoked: str | None = None
    staple: str | None = None
    """What is wrong with a stapled OCSP response that proves nothing (expired, not by the issuer, ...)."""
    doubts: tuple[Doubt, ...] = ()

    def doubt(self, code: str) -> Doubt | None:
        """The first reason to doubt a cause."""
        return next((doubt for doubt in self.doubts if code in doubt.codes), None)

    @property
    def accepted_by_all(self) -> bool:
        """Whether there are verdicts and all accept."""
        return bool(self.verdicts) and all(verdict.accepted for verdict in self.verdicts)


UNKNOWN: Final = Trust()
"""No chain, no store: nothing was asked."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """One connection under diagnosis. Compared by identity: what is worked out for a case is kept with it."""

    connection: Connection
    progress: Progress
    trust: Trust
    client_trust: Trust
    """The same for the client's chain against `--client-ca`."""
    capture_end_ns: int
    """Time of the last packet of the capture: how long a silence was watched."""
    recording: Recording = Recording()
    """What the recorder left out."""

    @property
    def ending(self) -> Ending | None:
        """What ended the connection."""
        return self.progress.ending

    @property
    def server_chain(self) -> CertificateMessage | None:
        """The server's Certificate message."""
        return self.connection.chain(Side.SERVER)

    @property
    def client_chain(self) -> CertificateMessage | None:
        """The client's Certificate message; its chain is empty when the client had none."""
        return self.connection.chain(Side.CLIENT)

    def ended_by(self, side: Side, *acts: str) -> bool:
        """Whether a side ended the connection, by one of the acts when any are named."""
        ending = self.ending
        return ending is not None and ending.side is side and (not acts or ending.act in acts)

    @property
    def fatal_alert(self) -> int | None:
        """Description of the fatal alert in clear that ended the handshake."""
        ending = self.ending
        if ending is None or ending.act != "alert" or ending.description in (None, 0, 90):
            return None
        return ending.description

    def alert_text(self) -> str:
        """The ending alert as text, e.g. `unknown_ca (48)`."""
        number = self.fatal_alert
        if self.ending is not None and self.ending.cut:
            return "an alert that the capture cuts off"
        return "an encrypted alert" if number is None else f"{alert_name(number)} ({number})"

    @property
    def waited_ns(self) -> int | None:
        """Nanoseconds from the server's flight, else from the last event before it, to the ending.

        None where that is unknown: nothing ended it, or the recorder's clock was set back in between.
        """
        ending = self.ending
        if ending is None or ending.time_ns is None:
            return None
        before = self.progress.server_flight_time_ns
        flight = self.progress.server_flight_packet
        if before is None or (flight or 0) > (ending.packet or 0):
            earlier = [e.time_ns for e in self.connection.events if e.packet < (ending.packet or 0) and e.time_ns]
            before = earlier[-1] if earlier else self.connection.first_time_ns
        waited = ending.time_ns - before
        return max(waited, 0) if waited > -_OUT_OF_ORDER_NS else None

    def events(self, kind: EventKind, side: Side | None = None) -> tuple[Event, ...]:
        """The events of a kind, of a side."""
        return tuple(
            event for event in self.connection.events if event.kind is kind and (side is None or event.side is side)
        )

    @property
    def went_on(self) -> bool:
        """Whether the client went on after its SYN, so that an answer came, be it in the capture or not."""
        client = self.connection.halves[Side.CLIENT]
        return client.packets > client.syn_count + len(self.events(EventKind.RST, Side.CLIENT))

    @property
    def only_opened(self) -> bool:
        """Whether the client opened the connection and said nothing, and all of that was captured."""
        connection, client = self.connection, self.connection.halves[Side.CLIENT]
        opened = bool(self.events(EventKind.SYN, Side.CLIENT)) and bool(self.events(EventKind.SYN_ACK, Side.SERVER))
        closing = len(self.events(EventKind.FIN, Side.CLIENT)[:1])
        silent = not client.bytes and not client.lost and (client.acknowledged or 0) <= closing
        return opened and silent and connection.prelude is None and self.progress.stage == "tcp"

    @property
    def leaving_text(self) -> str:
        """How the one who left did it: `closed the connection (FIN) without an alert`."""
        ending = self.ending
        if ending is None:
            return "sent nothing more"
        if ending.act == "alert" and ending.description in (0, 90):
            return "closed the TLS session (close_notify)"
        if ending.act == "alert":
            told = self.fatal_alert is not None
            return f"sent the alert {self.alert_text()}" if told else f"sent {self.alert_text()}"
        act = "closed the connection (FIN)" if ending.act == "fin" else "reset the connection (RST)"
        return f"{act} without an alert"


def seconds(ns: int) -> str:
    """A duration for people: `0.8 ms`, `3.0 s`, `5.0 minutes`, `2.0 days`."""
    value = ns / _NANO
    if abs(value) < 0.001:
        return f"{ns / 1000:.0f} µs"
    if abs(value) < 1:
        return f"{value * 1000:.1f} ms"
    for unit, size in _LONG_UNITS:
        if abs(value) >= 2 * size:
            return f"{value / size:.1f} {unit}"
    return f"{value:.1f} s"


def when(ns: int) -> str:
    """RFC 3339 in UTC with microseconds."""
    whole, rest = divmod(ns, _NANO)
    return f"{_second(whole)}.{rest // 1000:06d}Z"


@lru_cache(maxsize=1024)
def _second(whole: int) -> str:
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}"
