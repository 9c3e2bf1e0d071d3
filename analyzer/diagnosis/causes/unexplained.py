"""Failed, and nothing that is known explains it.

The handshake failed, and none of the known causes fits.

Aborted by: client, or server. Confidence: possible.

## What happened
A side ended the handshake in a way that no other unit of this catalogue accounts for: an alert that is rare, an
encrypted one whose meaning is hidden, an end at an unusual place. It is said openly instead of guessed.

## How we know
- A FIN, a RST or an alert ended the connection before the handshake was done, TLS was spoken, and no other
  cause is likely.
- An alert of the client's before any ClientHello: it failed by itself, and its own log says why. A client that only
  closes then (Java: `No appropriate protocol`) looks like a health check of the port, and is not counted as failed.
- It is possible at most, and never covers another cause.
- The report names who ended it, by what, and how far the handshake had come.

## What to do
Support engineer:
1. Read the packet walk in the report, and the packets around the end in Wireshark with the filter that the
   report gives.
2. Give what is not given yet: `--truststore`, `--host`, `--profile`, `--client-ca`, `--server-chain`.
3. The alert's number and sender: look it up in RFC 8446 section 6.2. Whoever sent it has the reason in its log.
4. TLS 1.3 with an encrypted alert: repeat the connection with the same client held to TLS 1.2 if that is
   allowed; its alerts are in clear until the first ChangeCipherSpec.

       curl -v --tls-max 1.2 https://HOST/
       openssl s_client -connect HOST:443 -servername HOST -tls1_2 -msg </dev/null

5. Compare with a connection that works: same client, same server, another time or another host.

## In the log
Whatever both ends wrote at that second. For more words:
- Java: `-Djavax.net.debug=ssl,handshake`
- OpenSSL: `openssl s_client -msg -trace`
- nginx: `error_log ... info` shows what clients do in the handshake
- curl: `-v`

## Not to be confused with
- `capture-incomplete`: something is missing in the capture.
- `certificate-rejected`: the client left because of the certificate, for a reason not known yet.
- `client-closed`: the client left without a word.
- `handshake-integrity`: an alert that says that a message was broken.

## References
- RFC 8446 sections 6.1 and 6.2, RFC 5246 section 7.2: all alerts
- IANA: TLS Alerts registry
"""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import POSSIBLE, Cause, Evidence, Match
from analyzer.tls.connection import Side
from analyzer.tls.messages import is_tls13


def look(case: Case) -> Match | None:
    """The handshake was ended, and no other cause fits."""
    ending = case.ending
    if ending is None or ending.side is None or case.progress.handshake_done:
        return None
    if not case.connection.is_tls or (case.only_opened and case.ended_by(Side.CLIENT)):
        return None
    text = (
        f"The {ending.side.value} {case.leaving_text} at the stage {case.progress.stage}, and none of the causes in "
        f"the catalogue fits.{_hint(case)}"
    )
    if case.ended_by(Side.CLIENT, "alert") and case.progress.stage == "tcp":
        text = (
            f"The client {case.leaving_text} instead of a ClientHello, so it failed by itself. Its own settings leave "
            "it no version, cipher suite or group to offer (OpenSSL: no protocols available, no ciphers available, no "
            "suitable groups); its log says which."
        )
    return Match(
        confidence=POSSIBLE,
        explanation=text,
        evidence=(Evidence(ending.packet, f"the {ending.side.value} {case.leaving_text}"),),
        weight=0,
    )


def _hint(case: Case) -> str:
    """What TLS 1.3 still decides at a place where its alerts are hidden."""
    ending = case.ending
    if ending is None or not ending.encrypted or not is_tls13(case.connection.version):
        return ""
    if case.progress.server_refused:
        return (
            " By its length it is an alert, in answer to the client's Finished: it did not verify, or the server's "
            "policy refused this client after the handshake. The client's data stayed unanswered."
        )
    if ending.side is Side.SERVER and case.progress.stage == "server-flight":
        return (
            " By its length it is an alert, in place of the server's certificate: what TLS 1.3 settles there are the "
            "application protocol, the signature algorithm and the server's own rules."
        )
    return ""


CAUSE = Cause(code="unexplained", title="Failed, and nothing that is known explains it", look=look)
