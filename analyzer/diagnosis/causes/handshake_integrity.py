"""One side found the other's handshake messages broken.

One side says that the handshake messages it got break the protocol or do not verify.

Aborted by: server, or client. Confidence: certain, likely or possible.

## What happened
A message could not be decoded, came at the wrong time, had a value that is not allowed, or its signature or MAC
was wrong. Either a peer has a fault, or a box in between changes the handshake: a proxy that opens TLS, a
firewall that rewrites, a damaged segment that passed.

## How we know
- Certain: what was captured breaks the RFCs, and whoever got it left there, by whatever alert or none. Looked for
  are: a cipher suite, compression, group or extension that was not offered; messages out of order, missing or
  malformed; a key share that is no point of its curve; a wrong HelloRetryRequest, or a wrong answer to it; a random
  that tells of a downgrade; a record that is too long. In TLS 1.2 the signature on the ServerKeyExchange is
  verified: it covers both randoms. The report names the packet and the section.
- Likely: one of the alerts unexpected_message (10), bad_record_mac (20), decryption_failed (21), record_overflow
  (22), decompression_failure (30), illegal_parameter (47), decode_error (50), decrypt_error (51),
  missing_extension (109), unsupported_extension (110), and nothing to be seen that is wrong.
- Likely or possible: TLS 1.3, the client sent an encrypted alert, and the server answered it with one: it could not
  read it, so the two have different keys. Without an answer, and with an accepted chain: possible. Possible too: the
  server answered the client's Finished with nothing but an alert, and no client certificate is in question.
- An alert that follows something else is an echo and no cause: an OpenSSL server sends decode_error (50) after
  the client's silent FIN; a JSSE client sends an alert after the server's FIN.

## What to do
1. Capture on both sides at once and compare.
   `openssl s_client -connect HOST:443 -servername HOST -msg </dev/null` prints the messages as one end sees
   them.
2. The bytes differ: something in between rewrites. Take the box out of the path, or exempt the address from its
   inspection. Switch off checksum and segmentation offloads for the test.
3. The bytes are equal: a fault of the one that sent the malformed message. Try with another client (`curl -v`,
   `openssl s_client`) and with TLS 1.2 only. Update the older side.
4. decrypt_error from the server after the client's certificate: the client's key does not belong to its
   certificate.
5. decrypt_error from the client: a certificate's signature may be what does not verify; see `bad-signature`.

## In the log
- Go (server): `local error: tls: bad record MAC`
- OpenSSL 3 client with TLS 1.0 allowed: `legacy sigalg disallowed or unsupported` (it sends 80)
- After a server's FIN: OpenSSL client `unexpected eof while reading`, with an alert 50 behind it; that is
  `server-closed`

## Not to be confused with
- `server-closed`: the FIN came first, and the alert is its echo.
- `bad-signature`: a certificate's signature.
- `not-tls`: the bytes are not TLS at all.
- `client-cert-rejected`: an alert after the client's certificate may be about that certificate.

## References
- RFC 8446 section 6.2, RFC 5246 section 7.2.2: the alerts
- RFC 8446 section 9.3: what middleboxes must not do
- OpenSSL: openssl-s_client(1), `-msg`
"""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.conformance import INTEGRITY_ALERTS, Breach, breaches, confidence
from analyzer.diagnosis.offer import refused_at_hello
from analyzer.diagnosis.progress import alert_lengths
from analyzer.registry import AlertDescription as Alert
from analyzer.tls.connection import Side
from analyzer.tls.messages import is_tls13


def look(case: Case) -> Match | None:
    """Something that breaks the protocol, an alert that says so, or keys that differ."""
    ending = case.ending
    if ending is None or ending.side is None:
        return None
    found = [breach for breach in breaches(case) if breach.code == "handshake-integrity"]
    if found:
        rank = (CERTAIN, LIKELY, POSSIBLE)
        worst = min(found, key=lambda breach: rank.index(confidence(case, breach)))
        if confidence(case, worst) != POSSIBLE or case.fatal_alert not in INTEGRITY_ALERTS:
            return _broken(case, found, worst)
    if case.fatal_alert in INTEGRITY_ALERTS:
        return _said_so(case, found)
    return _refused_finished(case) or _cannot_read(case)


def _broken(case: Case, found: list[Breach], worst: Breach) -> Match:
    who = case.ending.side.value if case.ending is not None and case.ending.side is not None else "client"
    packet = case.ending.packet if case.ending is not None else None
    text = f"{worst.text[:1].upper()}{worst.text[1:]}, which {worst.rfc} forbids; the {who} {case.leaving_text}."
    text += " Either a peer is faulty, or a box in between rewrites the handshake."
    evidence = [Evidence(breach.packet, breach.evidence) for breach in found[:5]]
    sure = confidence(case, worst)
    return Match(
        confidence=sure,
        explanation=text,
        evidence=(*evidence, Evidence(packet, f"the {who} {case.leaving_text}")),
        weight=4 if sure == CERTAIN else 1,
    )


def _said_so(case: Case, found: list[Breach]) -> Match | None:
    ending = case.ending
    if ending is None or ending.side is None:
        return None
    # A first ClientHello cannot come at a wrong time: the alert stands for something else.
    misplaced = case.fatal_alert == Alert.UNEXPECTED_MESSAGE and refused_at_hello(case) is not None
    evidence = [Evidence(ending.packet, f"the {ending.side.value} sent the alert {case.alert_text()}")]
    evidence += [Evidence(breach.packet, breach.evidence) for breach in found[:3]]
    return Match(
        confidence=POSSIBLE if misplaced else LIKELY,
        explanation=f"The {ending.side.value} sent the alert {case.alert_text()}: what it received breaks the "
        "protocol, or does not verify. Either a peer is faulty, or a box in between rewrites the handshake.",
        evidence=tuple(evidence),
        weight=1 if misplaced else 2,
    )


def _refused_finished(case: Case) -> Match | None:
    """TLS 1.3: the server answered the client's flight, which held no certificate, with an alert alone."""
    ending, progress = case.ending, case.progress
    if ending is None or not progress.server_refused or not ending.encrypted:
        return None
    if progress.empty_client_certificate is not None or progress.client_certificate_records is not None:
        return None
    return Match(
        confidence=POSSIBLE,
        explanation="The server answered the client's Finished with an encrypted alert and left, although no client "
        "certificate is in question: the Finished may not have verified, because the handshake was changed on its way.",
        evidence=(
            Evidence(ending.packet, "the server sent nothing but an encrypted alert after the client's Finished"),
        ),
        weight=1,
    )


def _cannot_read(case: Case) -> Match | None:
    """TLS 1.3: an encrypted alert of the client, and what the server made of it.

    Who gets a fatal alert sends nothing more (RFC 8446 section 6.2); a server that answers it with an alert could not
    decrypt it: the two have different keys, so one of the hellos was changed on its way.
    """
    ending = case.ending
    connection = case.connection
    if ending is None or not ending.encrypted or not case.ended_by(Side.CLIENT, "alert"):
        return None
    if not is_tls13(connection.version) or case.progress.handshake_done:
        return None
    sent = [record for record in connection.halves[Side.CLIENT].application if record.packet == ending.packet]
    longest = max((record.length for record in sent), default=0)
    answers = [
        record
        for record in connection.halves[Side.SERVER].application
        if record.packet > (ending.packet or 0) and record.length <= max(longest, *alert_lengths(connection))
    ]
    accepted = case.trust.accepted_by_all and case.trust.store_given
    if not answers and not accepted:
        return None
    evidence = [Evidence(ending.packet, "the client sent an encrypted alert in place of its Finished")]
    text = "The client sent an encrypted alert in place of its Finished"
    if answers:
        evidence.append(Evidence(answers[0].packet, "the server answered the alert with a record as long as an alert"))
        text += ", and the server answered it with one: it could not read the client's, so the two have different keys"
    if accepted:
        evidence.append(Evidence(None, f"the chain verifies against the store given ({case.trust.store_names})"))
        text += "; the certificate gives no reason" if answers else ". The certificate gives no reason"
    text += ". A box in between may have changed the handshake."
    return Match(
        confidence=LIKELY if answers and (accepted or not case.trust.verdicts) else POSSIBLE,
        explanation=text,
        evidence=tuple(evidence),
        weight=2 if answers else 1,
    )


CAUSE = Cause(
    code="handshake-integrity",
    title="One side found the other's handshake messages broken",
    look=look,
    covers=("client-closed", "unexplained"),
)
