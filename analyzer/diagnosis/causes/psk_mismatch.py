"""Client and server do not hold the same pre-shared key.

Both were to prove that they know the same secret (a pre-shared key, an SRP password), and they do not.

Aborted by: server, or client. Confidence: certain, likely or possible.

## What happened
No certificate is in question: the key was agreed on beforehand, and is found by an identity that the client names.
The identity is unknown to the server, or the key behind it is another one: mistyped, exchanged on one side only, or
read in another notation (hexadecimal, base64, text).

## How we know
- Certain: the alert unknown_psk_identity (115).
- Likely: the server chose a PSK or SRP suite, and one side answered the other's Finished with bad_record_mac (20),
  decryption_failed (21) or decrypt_error (51). Servers answer an unknown identity so, too, and give nothing away.
- Likely: TLS 1.3, the ClientHello offers a key from outside TLS (its ticket age is 0), and the server refused it
  with illegal_parameter (47), bad_record_mac (20) or decrypt_error (51): the binder did not verify. Possible: the
  same with a session ticket.
- Possible: the server left at this place in another way, or answered a ClientHello with a key from outside TLS with
  handshake_failure (40): it knows no such key, and has no certificate to go on with.

## What to do
1. Compare identity and key on both sides, character by character. Keys are written in hexadecimal here: OpenSSL
   `-psk`, GnuTLS `--pskkey`, Mosquitto `psk_file`, stunnel `PSKsecrets`, Zabbix `TLSPSKFile`.
2. Try the key by hand:

       openssl s_client -connect HOST:PORT -psk_identity NAME -psk HEX -tls1_2 -cipher PSK
       openssl s_client -connect HOST:PORT -psk_identity NAME -psk HEX -tls1_3

3. Zabbix: PSK identity and PSK of the host in the server's settings, `TLSPSKIdentity` and `TLSPSKFile` of the agent.
4. Several servers behind one address and a key from a session ticket: they have to share their ticket keys.

## In the log
- OpenSSL (server): `decryption failed or bad record mac`, `binder does not verify`, `psk identity not found`;
  (client): `sslv3 alert bad record mac ... SSL alert number 20`
- GnuTLS (client): `Received alert [20]: Bad record MAC`

## Not to be confused with
- `handshake-integrity`: the same alerts where a certificate, not a shared secret, vouches for the server.
- `no-shared-cipher`: one side does not take PSK at all.

## References
- RFC 4279 section 2, RFC 5054 section 2.9, RFC 8446 section 4.2.11
- Zabbix: Using pre-shared keys; OpenSSL: openssl-s_client(1), `-psk`
"""

from __future__ import annotations

from typing import Final

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.offer import refused_at_hello
from analyzer.registry import AlertDescription as Alert
from analyzer.registry import cipher_suite_name
from analyzer.tls.connection import Side
from analyzer.tls.messages import is_tls13

_NOT_VERIFIED: Final = (Alert.BAD_RECORD_MAC, Alert.DECRYPTION_FAILED, Alert.DECRYPT_ERROR)
_BINDER: Final = (Alert.ILLEGAL_PARAMETER, Alert.BAD_RECORD_MAC, Alert.DECRYPT_ERROR)


def look(case: Case) -> Match | None:
    """An unknown identity, or a Finished or binder made with another key."""
    ending = case.ending
    if ending is None or ending.side is None or case.progress.handshake_done:
        return None
    if case.fatal_alert == Alert.UNKNOWN_PSK_IDENTITY:
        return _match(case, CERTAIN, "it has no key for the identity that it was given")
    return _by_suite(case) or _by_hello(case)


def _by_suite(case: Case) -> Match | None:
    """Up to TLS 1.2: the suite says that a secret is shared (RFC 4279, RFC 5054)."""
    answer = case.connection.server_hello
    if answer is None or answer.cipher_suite is None or is_tls13(case.connection.version):
        return None
    suite = cipher_suite_name(answer.cipher_suite)
    if not any(word in suite for word in ("_PSK_", "_SRP_")) or case.progress.stage != "client-flight":
        return None
    if case.fatal_alert in _NOT_VERIFIED:
        return _match(case, LIKELY, f"with {suite} that is how a Finished made with another key ends")
    if case.ended_by(Side.SERVER):
        return _match(case, POSSIBLE, f"with {suite} it may have no such identity, or another key for it")
    return None


def _by_hello(case: Case) -> Match | None:
    """TLS 1.3: the server refused a hello whose binder it could check."""
    hello = refused_at_hello(case)
    offered = None if hello is None else hello.pre_shared_keys
    if offered is None:
        return None
    outside = not any(offered.ages)
    if case.fatal_alert in _BINDER:
        if outside:
            why = "the ClientHello offers a key from outside TLS, and its binder did not verify: the keys differ"
            return _match(case, LIKELY, why)
        # A server that does not know a ticket goes on without it; a binder breaks too when a hello is changed.
        return _match(case, POSSIBLE, "the ClientHello offers a session ticket, of which it may have another key")
    if outside and case.fatal_alert == Alert.HANDSHAKE_FAILURE:
        return _match(case, POSSIBLE, "the ClientHello offers a key from outside TLS, which the server may not know")
    return None


def _match(case: Case, confidence: str, why: str) -> Match:
    side = "server" if case.ended_by(Side.SERVER) else "client"
    packet = case.ending.packet if case.ending is not None else None
    return Match(
        confidence=confidence,
        explanation=f"The {side} {case.leaving_text}: {why}.",
        evidence=(Evidence(packet, f"the {side} {case.leaving_text}"),),
        weight=1 if confidence == POSSIBLE else 3,
    )


CAUSE = Cause(
    code="psk-mismatch",
    title="Client and server do not hold the same pre-shared key",
    look=look,
    covers=("handshake-integrity", "unexplained", "client-closed", "no-shared-cipher"),
)
