"""The server refused the client's certificate; why the wire does not show.

The server ended the handshake after the client's certificate, and the wire does not tell its reason.

Aborted by: server. Confidence: likely or possible.

## What happened
Mutual TLS: the client sent a certificate, and the server left. It may not trust the CA, mind the dates, the
purpose or the name, or the proof of possession may be wrong. Or it left for a reason of its own that happened
to come then.

## How we know
- The client's Certificate holds certificates; after it, and before the handshake was done, the server ended the
  connection.
- Likely: the alert is one about certificates, such as bad_certificate (42), which Go sends for every fault.
- Possible: the alert is handshake_failure (40) or decrypt_error (51), or there is none.
- Likely, in TLS 1.3 without the keys: the client sent encrypted messages before its Finished, and nothing came from
  the server after them but a record as long as an alert.

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
from analyzer.registry import AlertDescription as Alert
from analyzer.tls.connection import Side


def look(case: Case) -> Match | None:
    """The server refused after the client's Certificate, with an alert about certificates or none."""
    sent = case.client_chain
    ending = case.ending
    if ending is None or not case.ended_by(Side.SERVER):
        return None
    if case.progress.server_refused and case.progress.client_certificate_records is not None:
        return _encrypted(case, case.progress.client_certificate_records)
    if sent is None or not sent.chain or case.progress.handshake_done or (ending.packet or 0) < sent.packet:
        return None
    alert = case.fatal_alert
    if alert is not None and alert not in CERTIFICATE_ALERTS | {Alert.HANDSHAKE_FAILURE, Alert.DECRYPT_ERROR}:
        return None
    return Match(
        confidence=LIKELY if alert in CERTIFICATE_ALERTS else POSSIBLE,
        explanation=f"After the client's certificate the server {case.leaving_text}.{_supply(case)}",
        evidence=(
            Evidence(sent.packet, f"the client's Certificate message: {len(sent.chain)} certificates"),
            Evidence(ending.packet, f"the server {case.leaving_text}"),
        ),
        weight=1,
    )


def _encrypted(case: Case, packet: int) -> Match:
    """TLS 1.3 without keys: the lengths and the order of the records tell."""
    ending = case.ending
    return Match(
        confidence=LIKELY,
        explanation="The server answered the client's encrypted certificate messages with a record as long as an alert "
        "and left, although the client believed that the handshake was done.",
        evidence=(
            Evidence(packet, "the client sent encrypted messages before its Finished: a certificate and its proof"),
            Evidence(ending.packet if ending is not None else None, "the server answered with no more than an alert"),
        ),
        weight=1,
    )


def _supply(case: Case) -> str:
    if case.client_trust.store_given:
        return " The check against the store given (--client-ca) finds no fault in it."
    return " Supply the store by which the server checks clients (--client-ca) to see why."


CAUSE = Cause(
    code="client-cert-rejected",
    title="The server refused the client's certificate; why the wire does not show",
    look=look,
    fails_after_handshake=True,
    covers=("unexplained", "server-closed", "server-reset"),
)
