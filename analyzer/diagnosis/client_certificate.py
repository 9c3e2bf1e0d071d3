"""Client-certificate causes: how servers refuse, and what can be seen of the client's certificate.

A server refuses a client's certificate in one of three ways. In the handshake: an alert, a FIN or a RST after the
client's flight (RFC 5246 section 7.4.6, RFC 8446 section 4.4.2.4). After it, without a word: it leaves as soon as the
client has sent a request. Or in words: nginx answers HTTP 400 with a page of its own, whose length shows.

Up to TLS 1.2 the certificate is in clear, and so are its dates, its purpose, its issuer and the CAs that the request
names. What is at fault there and what the server's act says are weighed together; `_SERVER_ALERTS` tells who is known
to send what. It is a likelihood and never the only proof.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from analyzer.dataclass import dataclass
from analyzer.diagnosis.alerts import CERTIFICATE_ALERTS, SPECIFIC
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Evidence, Match
from analyzer.diagnosis.progress import PROMPT_NS, Ending, alert_lengths, ending_of, overhead
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import alert_name
from analyzer.tls.connection import Connection, Event, EventKind, Side
from analyzer.tls.messages import is_tls13
from analyzer.tls.records import RecordSeen
from analyzer.trust.certificate import (
    ANY_EKU,
    CLIENT_AUTH,
    DIGITAL_SIGNATURE,
    Certificate,
    instant,
    printable,
    read_name,
)

__all__ = [
    "EXPIRED",
    "MISSING",
    "UNFIT",
    "UNTRUSTED",
    "Fault",
    "Refusal",
    "answered_request",
    "client_refused",
    "count",
    "faults",
    "senders",
    "server_refusal",
]

MISSING: Final = "none sent"
UNTRUSTED: Final = "no CA of the server's"
EXPIRED: Final = "outside its dates"
UNFIT: Final = "not for TLS clients"

_SERVER_ALERTS: Final[Mapping[str, Mapping[str, tuple[int | None, ...]]]] = MappingProxyType(
    {
        "OpenSSL, HAProxy, Apache, stunnel, Python": {
            MISSING: (Alert.HANDSHAKE_FAILURE, Alert.CERTIFICATE_REQUIRED),
            UNTRUSTED: (Alert.UNKNOWN_CA,),
            EXPIRED: (Alert.CERTIFICATE_EXPIRED,),
            UNFIT: (Alert.UNSUPPORTED_CERTIFICATE,),
        },
        "Go": dict.fromkeys((MISSING, UNTRUSTED, EXPIRED, UNFIT), (Alert.BAD_CERTIFICATE,)),
        "Java": {
            MISSING: (Alert.BAD_CERTIFICATE,),
            **dict.fromkeys((UNTRUSTED, EXPIRED, UNFIT), (Alert.CERTIFICATE_UNKNOWN,)),
        },
        "GnuTLS": {
            MISSING: (Alert.DECODE_ERROR,),
            **dict.fromkeys((UNTRUSTED, EXPIRED), (Alert.ACCESS_DENIED,)),
        },
        "Node": {
            MISSING: (Alert.HANDSHAKE_FAILURE, Alert.CERTIFICATE_REQUIRED),
            **dict.fromkeys((UNTRUSTED, EXPIRED, UNFIT), (None,)),
        },
    }
)
"""The alert by which a server refuses, by what is wrong with the client's certificate; None is a FIN without one.

Measured on OpenSSL 3.0, HAProxy 2.6, Apache 2.4, stunnel 5.68, Python 3.11, Go 1.19, Java 17, GnuTLS 3.7 and Node 20
(docs/lab.md). Where there are two the second is TLS 1.3's.
"""

_NAMED: Final[dict[int, str]] = {
    Alert.UNKNOWN_CA: UNTRUSTED,
    Alert.CERTIFICATE_EXPIRED: EXPIRED,
    Alert.UNSUPPORTED_CERTIFICATE: UNFIT,
    Alert.CERTIFICATE_REQUIRED: MISSING,
    Alert.NO_CERTIFICATE: MISSING,
}
"""Alerts whose definition names one fault (RFC 8446 section 6.2, RFC 5246 section 7.2.2)."""
_MAX_CERTIFICATES: Final = 16
_NGINX_NAMES: Final = ("nginx", "nginx/1.9.9", "nginx/1.22.1", "openresty", "openresty/1.21.4.1")
"""What nginx calls itself, by `server_tokens`; of a version only the length counts."""
_NGINX_PAGES: Final = MappingProxyType(
    {MISSING: "No required SSL certificate was sent", UNTRUSTED: "The SSL certificate error"}
)
"""What nginx answers with HTTP status 400: to a client without a certificate, and to one whose check failed for any
reason."""
_DOUBT: Final = " That may be a refusal, or all there was to say."
_RECORDS_AT_MOST: Final = 12
_TICKET: Final = 512
"""Bytes of a record that may hold a session ticket of TLS 1.3."""
_SHORT: Final = 2048
"""Bytes of a record in which an error page has room."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The server's act after the client's flight that may be a refusal of its certificate.

    `page` is the fault of which nginx's page speaks, when the server answered with one as long. `unsure`: a server
    that is content may do the same.
    """

    ending: Ending
    text: str
    page: str | None = None
    unsure: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the client's certificate, as far as it can be seen. `kind` is one of the module's words.

    `avoidable`: the server may have built a path without the certificate at fault.
    """

    kind: str
    text: str
    avoidable: bool = False


def answered_request(case: Case) -> bool:
    """Whether the client answered a CertificateRequest, be it by an empty Certificate."""
    progress = case.progress
    encrypted = progress.empty_client_certificate, progress.client_certificate_records
    return encrypted != (None, None) or case.client_chain is not None


@lru_cache(maxsize=4)
def server_refusal(case: Case) -> Refusal | None:
    """How the server may have refused the client's certificate, whether one was sent or not."""
    progress = case.progress
    if progress.handshake_done and progress.data:
        return _inside(case)
    ending = case.ending
    if ending is None or ending.side is not Side.SERVER:
        return None
    late = progress.handshake_done and (case.waited_ns or 0) > PROMPT_NS
    return Refusal(ending=ending, text=f"the server {case.leaving_text}", unsure=late)


@lru_cache(maxsize=4)
def faults(case: Case) -> tuple[Fault, ...]:
    """What is wrong with the certificates that the client sent in clear, the decisive first.

    By the check against `--client-ca` if there is one, else by their dates; and by the CAs that the request names.
    """
    sent = case.client_chain
    if sent is None or not sent.chain:
        return ()
    chain = tuple(Certificate.parse(der) for der in sent.chain[:_MAX_CERTIFICATES])
    found: list[Fault] = []
    if case.client_trust.store_given:
        refusing = [verdict for verdict in case.client_trust.verdicts if not verdict.accepted]
        found += [Fault(_kind(problem.code), problem.text) for verdict in refusing for problem in verdict.problems[:1]]
    else:
        found += _dates(chain, sent.time_ns)
    found += _purpose(chain[0])
    if sent.complete:
        found += _unnamed(case, chain)
    return tuple({(fault.kind, fault.text): fault for fault in found}.values())


def client_refused(case: Case, kind: str) -> Match | None:
    """A match when the server refused the client's certificate for this kind of fault: it shows, or the alert says so.

    Certain when the two agree, possible when the alert speaks of something else.
    """
    sent = case.client_chain
    refusal = server_refusal(case)
    if sent is None or not sent.chain or refusal is None or (refusal.ending.packet or 0) < sent.packet:
        return None
    if refusal.page == MISSING:
        return None
    fault = next((fault for fault in faults(case) if fault.kind == kind), None)
    alert = None if refusal.page else case.fatal_alert
    named = None if alert is None else _NAMED.get(alert)
    if fault is None and named != kind:
        return None
    evidence = [
        Evidence(sent.packet, f"the client's Certificate message: {count(len(sent.chain))}"),
        Evidence(refusal.ending.packet, refusal.text),
    ]
    accepted = case.client_trust.store_given and case.client_trust.accepted_by_all
    if fault is not None:
        evidence.append(Evidence(None, fault.text))
    contradiction = _contradiction(kind, alert, fault)
    if contradiction:
        evidence.append(Evidence(refusal.ending.packet, contradiction))
    elif alert is not None and (who := senders(alert, kind)):
        evidence.append(Evidence(refusal.ending.packet, f"{alert_name(alert)} ({alert}) is what {who} sends for it"))
    if fault is not None and accepted:
        evidence.append(Evidence(None, "yet the store given (--client-ca) accepts the certificate: a contradiction"))
    avoidable = fault is not None and fault.avoidable and named != kind
    if refusal.unsure or avoidable or (contradiction and fault is not None):
        confidence = POSSIBLE
    else:
        confidence = CERTAIN if fault is not None and named == kind and not accepted else LIKELY
    reason = f" {fault.text[:1].upper()}{fault.text[1:].rstrip('.')}." if fault is not None else ""
    against = (f" But {contradiction}." if contradiction else "") + (_DOUBT if refusal.unsure else "")
    return Match(
        confidence=confidence,
        explanation=f"After the client's certificate {refusal.text}.{reason}{against}",
        evidence=tuple(evidence),
        weight=4 if faults(case)[:1] == (fault,) else 3,
        aborted_by="server",
        ending=refusal.ending,
    )


def senders(alert: int | None, kind: str) -> str:
    """The servers that are known to answer a fault of this kind so, for a sentence."""
    return " or ".join(stack for stack, alerts in _SERVER_ALERTS.items() if alert in alerts.get(kind, ()))


def count(number: int) -> str:
    """Certificates, for a sentence."""
    return f"{number} certificate{'s' if number != 1 else ''}"


def _contradiction(kind: str, alert: int | None, fault: Fault | None) -> str:
    """What the alert says against this kind of fault, or the certificate against the alert."""
    if alert is None:
        return ""
    word = f"{alert_name(alert)} ({alert})"
    named = _NAMED.get(alert)
    if fault is None:
        looks = "nothing in the certificate that was sent shows it"
        return f"{looks}: look at the server's clock, and at its CAs" if kind is EXPIRED else ""
    if named is not None and named != kind:
        return f"the alert {word} speaks against it: it is for a certificate that is refused for another reason"
    if named is None and alert not in CERTIFICATE_ALERTS | {Alert.HANDSHAKE_FAILURE, Alert.INTERNAL_ERROR}:
        return f"the alert {word} is not one about certificates"
    return ""


def _kind(code: str) -> str:
    if code in SPECIFIC[Alert.CERTIFICATE_EXPIRED]:
        return EXPIRED
    return UNTRUSTED if code in SPECIFIC[Alert.UNKNOWN_CA] else UNFIT


def _dates(chain: tuple[Certificate, ...], time_ns: int) -> list[Fault]:
    """The first certificate outside its dates, from the leaf up."""
    now = time_ns // 1_000_000_000
    for certificate in _path(chain):
        if certificate.not_after is not None and certificate.not_after < now:
            what = f"expired {instant(certificate.not_after)}"
        elif certificate.not_before is not None and certificate.not_before > now:
            what = f"is not valid before {instant(certificate.not_before)}"
        else:
            continue
        text = f"the client's certificate {certificate.title} {what}"
        return [Fault(EXPIRED, text, avoidable=certificate is not chain[0])]
    return []


def _purpose(leaf: Certificate) -> list[Fault]:
    """RFC 5280 sections 4.2.1.3 and 4.2.1.12: what a certificate that signs CertificateVerify must allow."""
    if leaf.extended_key_usage is not None and not {CLIENT_AUTH, ANY_EKU} & set(leaf.extended_key_usage):
        return [Fault(UNFIT, f"the extended key usage of {leaf.title} does not allow a TLS client")]
    if leaf.key_usage is not None and not leaf.key_usage & DIGITAL_SIGNATURE:
        return [Fault(UNFIT, f"the key usage of {leaf.title} does not allow signatures")]
    return []


def _path(chain: tuple[Certificate, ...]) -> list[Certificate]:
    """From the leaf up through what was sent, by names."""
    path = [chain[0]]
    while not path[-1].self_issued:
        wanted = path[-1].issuer.canonical
        above = next((other for other in chain if other.subject.canonical == wanted and other not in path), None)
        if above is None:
            break
        path.append(above)
    return path


def _unnamed(case: Case, chain: tuple[Certificate, ...]) -> list[Fault]:
    """No certificate that was sent was issued by a CA that the request names (RFC 5246 section 7.4.4)."""
    request = case.connection.certificate_request
    if request is None or not request.authorities:
        return []
    accepted = {name.canonical for name in map(read_name, request.authorities) if name is not None}
    path = _path(chain)
    if not accepted or any({c.issuer.canonical, c.subject.canonical} & accepted for c in path):
        return []
    top = path[-1]
    if top is chain[0] and top.self_issued:
        return [Fault(UNTRUSTED, f"{top.title} is self-signed, and the server's request does not name it")]
    text = (
        f'the client\'s chain ends at "{printable(str(top.issuer))}", which is not among the CAs that the server names'
    )
    return [Fault(UNTRUSTED, text)]


def _inside(case: Case) -> Refusal | None:
    """The handshake is done and data flowed: the server may have refused in its answer, or by giving none.

    In TLS 1.3 session tickets look like data, so there only nginx's page tells.
    """
    connection = case.connection
    server, client = connection.halves[Side.SERVER], connection.halves[Side.CLIENT]
    thirteen = is_tls13(connection.version)
    if server.lost_bytes or server.application_count > _RECORDS_AT_MOST or not client.application:
        return None
    records = server.application
    if thirteen:
        records = tuple(record for record in records if record.length not in alert_lengths(connection))
    last = records[-1] if records else None
    since = last if last is not None else client.application[0]
    closing = tuple(event for event in connection.events if event.packet >= since.packet and _closes(event, since))
    close = next((event for event in closing if event.side is Side.SERVER), None)
    if close is None or close.time_ns - since.time_ns > PROMPT_NS:
        return None
    ending = ending_of(close)
    # In TLS 1.3 session tickets lie between the server's flight, which looks like data, and its answer. A stateless one
    # may hold the client's certificate (OpenSSL).
    done = case.progress.finished[Side.CLIENT] or 0
    ticket = _TICKET + sum(record.length for record in client.application if record.packet <= done)
    between = [record for record in records[:-1] if record.packet > client.application[0].packet]
    alone = all(record.length <= ticket for record in between) if thirteen else len(records) == 1
    page = _page(connection, last) if last is not None and alone else None
    if page is not None:  # it asks both sides to close, so either may be first
        reason = _NGINX_PAGES[page]
        text = f'the server answered in as many bytes as nginx\'s page "400 {reason}" takes, and closed the connection'
        # Other answers may be as long by chance: what the client sent has to agree.
        return Refusal(ending=ending, text=text, page=page, unsure=page != MISSING and not faults(case))
    if thirteen or closing[0] is not close:
        return None
    if last is None:
        # One that only takes in (a log collector) closes in good order, too.
        abrupt = close.kind is EventKind.RST or (close.kind is EventKind.ALERT and close.number != Alert.CLOSE_NOTIFY)
        text = "the server finished the handshake, and left the client's data unanswered"
        return Refusal(ending=ending, text=text, unsure=not abrupt)
    if len(records) > 1 or last.length > _SHORT:
        return None
    text = "the server finished the handshake, gave one short answer and closed the connection"
    return Refusal(ending=ending, text=text, unsure=True)


def _closes(event: Event, since: RecordSeen) -> bool:
    if event.kind is EventKind.APPLICATION_DATA:  # an alert of TLS 1.3, since all other records come before `since`
        return event.side is Side.SERVER and event.packet > since.packet
    return event.kind in (EventKind.ALERT, EventKind.ENCRYPTED_ALERT, EventKind.FIN, EventKind.RST)


def _page(connection: Connection, record: RecordSeen) -> str | None:
    """The fault of which nginx's page speaks, when one is as long as the record's content."""
    added = overhead(connection)
    if added is None:
        return None
    return next((kind for kind in _NGINX_PAGES if record.length - added in _nginx_lengths(kind)), None)


@lru_cache
def _nginx_lengths(kind: str) -> frozenset[int]:
    """Bytes of the HTTP response (`ngx_http_special_response.c`), for each of nginx's names."""
    reason = _NGINX_PAGES[kind]
    lengths = set()
    for name in _NGINX_NAMES:
        body = (
            f"<html>..<head><title>400 {reason}</title></head>..<body>..<center><h1>400 Bad Request</h1></center>.."
            f"<center>{reason}</center>..<hr><center>{name}</center>..</body>..</html>.."
        )
        head = (
            f"HTTP/1.1 400 Bad Request..Server: {name}..Date: Thu, 01 Jan 1970 00:00:00 GMT..Content-Type: text/html.."
            f"Content-Length: {len(body)}..Connection: close...."
        )
        lengths.add(len(head) + len(body))
    return frozenset(lengths)
