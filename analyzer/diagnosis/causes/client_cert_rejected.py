"""The server refused the client's certificate; why the wire does not show.

The server ended the handshake after the client's certificate, and the wire does not tell its reason.

Aborted by: server. Confidence: likely or possible.

## What happened
Mutual TLS: the client sent a certificate, and the server left. It may not trust the CA, mind the dates, the
purpose or the name, or the proof of possession may be wrong. Or it left for a reason of its own that happened
to come then.

## How we know
- The client's Certificate holds certificates; after it the server ended the connection, and neither the dates nor
  the CAs that its request names say why.
- Likely: the alert is one about certificates, such as bad_certificate (42), which Go sends for every fault; or
  there is none (Node); or the certificate's purpose does not allow a TLS client.
- Possible: the alert is handshake_failure (40) or decrypt_error (51), or the server left without one although the
  check against `--client-ca` finds no fault.
- Likely, in TLS 1.3 without the keys: the client sent encrypted messages before its Finished, and nothing came from
  the server after them but a record as long as an alert. The same in a renegotiation of TLS 1.2.
- Likely: the server finished the handshake, and its answer is as long as nginx's page `400 The SSL certificate
  error`.

## What to do
Support engineer: run again with the store by which the server checks its clients: `--client-ca FILE`. It often
turns this into `client-cert-untrusted` or `client-cert-expired`.

Client (gateway) operator:
1. Look at the certificate as a server does:

       openssl verify -purpose sslclient -CAfile client-ca.pem -untrusted intermediates.pem client.pem
       openssl x509 -in client.pem -noout -subject -issuer -dates -ext extendedKeyUsage

   It needs clientAuth. One made for servers is refused with unsupported_certificate (43) by the OpenSSL family.
2. Does the key belong to it? The two digests must be equal:

       openssl x509 -in client.pem -noout -pubkey | openssl sha256
       openssl pkey -in client.key -pubout | openssl sha256

Server operator: the reason is in the server's log. Look also for lists of allowed subjects or fingerprints.

## In the log
- OpenSSL (server): `tls_process_client_certificate:certificate verify failed`, with `verify error:num=...`
  before it
- nginx (server): `client SSL certificate verify error: (26:unsuitable certificate purpose)`
- HAProxy (server): `SSL client certificate not trusted`
- Go (server): `tls: failed to verify client certificate: x509: certificate specifies an incompatible key usage`
- curl (client): `(35) ... sslv3 alert bad certificate`, `(35) ... sslv3 alert unsupported certificate`
- Go (client): `remote error: tls: bad certificate`

## Not to be confused with
- `client-cert-untrusted`: the CA is known to be the reason.
- `client-cert-expired`: a date is known to be the reason.
- `client-cert-missing`: the client sent no certificate.
- `server-closed`: the server left, and no client certificate had been sent.

## References
- RFC 8446 sections 4.4.2.3, 4.4.3 and 6.2; RFC 5246 sections 7.4.6 and 7.4.8
- OpenSSL: openssl-verify(1), `-purpose sslclient`
"""

from __future__ import annotations

from analyzer.diagnosis.alerts import CERTIFICATE_ALERTS
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.client_certificate import MISSING, UNFIT, Refusal, count, faults, senders, server_refusal
from analyzer.diagnosis.key_logs import key_log_fix
from analyzer.registry import AlertDescription as Alert
from analyzer.tls.messages import is_tls13
from analyzer.trust.model import Fix


def look(case: Case) -> Match | None:
    """The server refused after the client's Certificate, with an alert about certificates or none."""
    refusal = server_refusal(case)
    if refusal is None or refusal.page == MISSING:
        return None
    progress = case.progress
    if progress.renegotiation is not None:
        return _asked_late(refusal, progress.renegotiation)
    if progress.client_certificate_records is not None and (progress.server_refused or refusal.page is not None):
        return _encrypted(refusal, progress.client_certificate_records)
    return _in_clear(case, refusal)


def _in_clear(case: Case, refusal: Refusal) -> Match | None:
    sent = case.client_chain
    if sent is None or not sent.chain or (refusal.ending.packet or 0) < sent.packet:
        return None
    unfit = next((fault for fault in faults(case) if fault.kind == UNFIT), None)
    alert = None if refusal.page else case.fatal_alert
    if alert is not None and alert not in CERTIFICATE_ALERTS | {Alert.HANDSHAKE_FAILURE, Alert.DECRYPT_ERROR}:
        return None
    if case.progress.handshake_done and not refusal.page and alert is None and unfit is None:
        return None  # nothing but a close, which is what a server does that is content
    sound = case.client_trust.store_given and case.client_trust.accepted_by_all
    doubtful = alert not in CERTIFICATE_ALERTS if alert is not None else sound
    unsure = refusal.page is None and (refusal.unsure or (doubtful and unfit is None))
    evidence = [
        Evidence(sent.packet, f"the client's Certificate message: {count(len(sent.chain))}"),
        Evidence(refusal.ending.packet, refusal.text),
    ]
    if unfit is not None:
        evidence.append(Evidence(sent.packet, unfit.text))
    if unfit is not None and alert is not None and (who := senders(alert, UNFIT)):
        evidence.append(Evidence(refusal.ending.packet, f"this alert is what {who} sends for it"))
    reason = f" {unfit.text[:1].upper()}{unfit.text[1:].rstrip('.')}." if unfit is not None else _supply(case)
    return Match(
        confidence=POSSIBLE if unsure else LIKELY,
        explanation=f"After the client's certificate {refusal.text}.{reason}",
        evidence=tuple(evidence),
        weight=1 if unfit is None else 3,
        aborted_by="server",
        ending=refusal.ending,
    )


def _encrypted(refusal: Refusal, packet: int) -> Match:
    """TLS 1.3 without keys: the lengths and the order of the records tell."""
    said = (
        f"After the client's encrypted certificate messages {refusal.text}"
        if refusal.page is not None
        else "The server answered the client's encrypted certificate messages with no more than an alert and left, "
        "although the client may have believed that the handshake was done"
    )
    return Match(
        confidence=LIKELY,
        explanation=f"{said}.",
        evidence=(
            Evidence(packet, "the client sent encrypted messages before its Finished: a certificate and its proof"),
            Evidence(refusal.ending.packet, refusal.text),
        ),
        weight=1,
        aborted_by="server",
        ending=refusal.ending,
    )


def _asked_late(refusal: Refusal, packet: int) -> Match:
    """A renegotiation is what a server does that wants a certificate for one page only."""
    return Match(
        confidence=LIKELY,
        explanation="After the handshake a second one began, as servers do that want a client certificate for one page "
        f"only; before it was done {refusal.text}.",
        evidence=(
            Evidence(packet, "encrypted handshake messages after both Finished: a renegotiation"),
            Evidence(refusal.ending.packet, refusal.text),
        ),
        weight=1,
        aborted_by="server",
        ending=refusal.ending,
    )


def _supply(case: Case) -> str:
    if case.client_trust.store_given:
        return " The check against the store given (--client-ca) finds no fault in it."
    return " Supply the store by which the server checks clients (--client-ca) to see why."


def fixes(case: Case) -> tuple[Fix, ...]:
    """Say how to see what TLS 1.3 hides: the server's alert, and the client's certificate."""
    hidden = is_tls13(case.connection.version) and case.client_chain is None
    return (key_log_fix(case),) if hidden else ()


CAUSE = Cause(
    code="client-cert-rejected",
    title="The server refused the client's certificate; why the wire does not show",
    look=look,
    fixes=fixes,
    fails_after_handshake=True,
    fails_in_data=True,
    covers=("unexplained", "server-closed", "server-reset"),
)
