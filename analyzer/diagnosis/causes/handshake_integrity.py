"""One side found the other's handshake messages broken.

One side says that the handshake messages it got break the protocol or do not verify.

Aborted by: server, or client. Confidence: certain or likely.

## What happened
A message could not be decoded, came at the wrong time, had a value that is not allowed, or its signature or MAC
was wrong. Either a peer has a fault, or a box in between changes the handshake: a proxy that opens TLS, a
firewall that rewrites, a damaged segment that passed.

## How we know
- The first ending act was one of the alerts unexpected_message (10), bad_record_mac (20), decryption_failed
  (21), record_overflow (22), decompression_failure (30), illegal_parameter (47), decode_error (50),
  decrypt_error (51), missing_extension (109), unsupported_extension (110).
- Certain: a message of the other side is malformed. The report says which. Likely: the alert alone.
- An alert that follows something else is an echo and no cause: an OpenSSL server sends decode_error (50) after
  the client's silent FIN; a Go server says `bad record MAC` when a TLS 1.3 client of the OpenSSL family refuses
  with its alert in clear; a JSSE client sends an alert after the server's FIN.

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

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Evidence, Match
from analyzer.registry import AlertDescription as Alert

_ALERTS: Final = frozenset(
    {
        Alert.UNEXPECTED_MESSAGE,
        Alert.BAD_RECORD_MAC,
        Alert.DECRYPTION_FAILED,
        Alert.RECORD_OVERFLOW,
        Alert.DECOMPRESSION_FAILURE,
        Alert.ILLEGAL_PARAMETER,
        Alert.DECODE_ERROR,
        Alert.DECRYPT_ERROR,
        Alert.MISSING_EXTENSION,
        Alert.UNSUPPORTED_EXTENSION,
    }
)


def look(case: Case) -> Match | None:
    """An alert by which one side says that what it got breaks the protocol."""
    ending = case.ending
    alert = case.fatal_alert
    if ending is None or ending.side is None or alert not in _ALERTS:
        return None
    received = [broken for broken in case.connection.malformed if broken.side is ending.side.peer]
    evidence = [Evidence(ending.packet, f"the {ending.side.value} sent the alert {case.alert_text()}")]
    evidence += [
        Evidence(broken.packet, f"a message of the {broken.side.value} is malformed: {broken.text}")
        for broken in received[:3]
    ]
    return Match(
        confidence=CERTAIN if received else LIKELY,
        explanation=f"The {ending.side.value} sent the alert {case.alert_text()}: what it received breaks the "
        f"protocol, "
        "or does not verify. Either a peer is faulty, or a box in between rewrites the handshake.",
        evidence=tuple(evidence),
        weight=1,
    )


CAUSE = Cause(
    code="handshake-integrity",
    title="One side found the other's handshake messages broken",
    look=look,
    covers=("unexplained",),
)
