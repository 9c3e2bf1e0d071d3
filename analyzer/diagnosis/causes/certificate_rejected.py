"""The client refused the server's certificate; why is not known yet.

The client left right after the server's certificate, and nothing at hand tells what it did not like.

Aborted by: client. Confidence: certain, likely or possible.

## What happened
The client refused the server's certificate. That much the moment, or an alert, says. The reason is in the
client's trust store, in its settings, or in a chain that TLS 1.3 hides. This is a verdict that asks for more
input.

## How we know
- The client ended the handshake after the server's flight and before its own Finished, by an alert, a FIN or a
  RST.
- Certain: the alert is one about certificates, such as certificate_unknown (46) or unknown_ca (48).
- Likely: no such alert, but the client left at once, without a message of its own.
- No certificate can have come (a handshake by a pre-shared key, too few encrypted bytes in TLS 1.3): it is not this.
- Possible: it left after more than 3 seconds, after messages of its own, or by a RST without an alert.
- A contradiction is told: the alert is about certificates, and every validator asked accepts the chain with the
  store given. That is likely; it usually means that the client uses another store, or checks another name.
- With a store given that would accept, and no such alert, the code is `client-closed` instead.
- A client that finished the handshake, sent nothing and left at once may have refused too. That alone makes no
  failure of a completed connection: this cause then stands beside it, as possible, and the report says who left.

## What to do
Support engineer: run again with what is missing. The report names it.
1. The client's trust store: `--truststore FILE_OR_DIRECTORY`
2. The name that the client meant, when there is no SNI or it is not the one checked: `--host NAME`
3. The chain, when TLS 1.3 hides it and no other connection of the capture shows it; take it from the server itself:

       openssl s_client -connect HOST:443 -servername HOST -showcerts </dev/null >chain.txt
       hsanalyze capture.pcap --server-chain chain.txt --truststore store.pem

   It is the chain of now, not that of the capture; the lengths of the encrypted records tell whether it is the same.
4. The validator that the client uses: `--profile java`, `openssl`, `go` and so on.

When all of that was given and the contradiction stays: look for a second store (a JVM option, a container
image, a secret that is mounted elsewhere), for pinning, for revocation checks, for a security level, and at the
client's own log.

## In the log
The client's log has the reason. Look there for:
- OpenSSL, nginx, HAProxy: `certificate verify failed`, `verify error:num=`
- Java: `PKIX path`, `SSLHandshakeException`
- Go: `x509:`
- .NET: `The remote certificate is invalid according to the validation procedure`,
  `The remote certificate was rejected by the provided RemoteCertificateValidationCallback`
- The server's log: `alert certificate unknown:SSL alert number 46`, `remote error: tls: unknown certificate`

## Not to be confused with
- `client-closed`: the client left in the handshake, and the chain gives no reason.
- `missing-root`: what this most often turns out to be, once the store is given.
- `capture-incomplete`: the packets that would tell were not captured.
- `client-cert-rejected`: the other way round, the server refuses the client's certificate.

## References
- RFC 8446 sections 4.4.2.4 and 6.2, RFC 5246 section 7.2.2: alerts about certificates
- OpenSSL: openssl-s_client(1), `-showcerts`
"""

from __future__ import annotations

from shlex import quote

from analyzer.diagnosis.alerts import CERTIFICATE_ALERTS
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.certificate import Refusal, refusal
from analyzer.diagnosis.key_logs import key_log_fix
from analyzer.diagnosis.prelude import s_client
from analyzer.diagnosis.unseen import may_have_had_certificate
from analyzer.tls.connection import Side
from analyzer.tls.messages import is_tls13
from analyzer.trust.model import Fix


def look(case: Case) -> Match | None:
    """The client left right after the server's certificate, and nothing at hand says why."""
    left = refusal(case)
    if left is None:
        return None
    if left.after_handshake:
        return _after_handshake(case, left)
    about_certificates = left.alert in CERTIFICATE_ALERTS
    evidence = [Evidence(left.packet, f"the client {left.text}")]
    if not about_certificates and not case.progress.certificate_came:
        return None
    evidence += _of_chain(case)
    if _is_accepted(case):
        if not about_certificates:
            return None
        evidence.append(
            Evidence(
                None, f"yet the chain verifies against the store given ({case.trust.store_names}): a contradiction"
            )
        )
        text = (
            f"The client {left.text}, which says that it refuses the certificate; but this store would have accepted "
            "the chain. Is it the store that the client really uses, with the profile and host name that it really has?"
        )
        return Match(confidence=LIKELY, explanation=text, evidence=tuple(evidence), weight=2, headline=_headline(case))
    if case.trust.staple is not None:
        evidence.append(Evidence(None, case.trust.staple))
    missing = supply(case)
    text = f"The client {left.text}. To say why, supply {missing}."
    silent_reset = left.alert is None and case.ended_by(Side.CLIENT, "rst")
    doubtful = left.unprompted or silent_reset
    confidence = CERTAIN if about_certificates else (POSSIBLE if doubtful else LIKELY)
    return Match(confidence=confidence, explanation=text, evidence=tuple(evidence), weight=1, headline=_headline(case))


def _after_handshake(case: Case, left: Refusal) -> Match | None:
    """A client that finished the handshake and left at once may have refused; who only looked in does the same."""
    if left.unprompted or not may_have_had_certificate(case) or (_is_told(case) and case.trust.verdicts):
        return None
    text = (
        f"The client {left.text}. Some validators refuse a certificate only then (nginx, Node, .NET, wget, libcurl); a "
        f"health check, or a connection that was not needed, ends in the same way. To tell, supply {supply(case)}."
    )
    evidence = (Evidence(left.packet, f"the client {left.text}"), *_of_chain(case))
    headline = _headline(case, refused="may have refused")
    return Match(confidence=POSSIBLE, explanation=text, evidence=evidence, headline=headline)


def _is_told(case: Case) -> bool:
    """Whether store, host and chain are at hand, so that a verdict on them is the client's."""
    trust = case.trust
    return trust.store_given and trust.host_known and trust.chain.agrees is not False


def _is_accepted(case: Case) -> bool:
    trust = case.trust
    return trust.store_given and trust.accepted_by_all and trust.chain.agrees is not False


def _of_chain(case: Case) -> tuple[Evidence, ...]:
    return tuple(Evidence(packet, text) for packet, text in case.trust.chain.evidence)


def _headline(case: Case, *, refused: str = "refused") -> str:
    connection = case.connection
    name = f"{case.trust.host} ({connection.server})" if case.trust.host else str(connection.server)
    said = f" with the alert {case.alert_text()}" if case.fatal_alert is not None else ""
    return f"The client {connection.client.address} {refused} the certificate of {name}{said}; why is not known yet."


def supply(case: Case) -> str:
    """What would tell the cause: the inputs that are not there."""
    wanted = []
    if not case.trust.verdicts:
        wanted.append("the server's chain (--server-chain)")
    elif case.trust.chain.agrees is False:
        wanted.append("the chain that the server sent then (--server-chain)")
    elif case.server_chain is not None and not case.server_chain.complete and case.trust.chain.is_read:
        wanted.append("the server's whole chain (--server-chain)")
    if not case.trust.store_given:
        wanted.append("the client's trust store (--truststore)")
    if not case.trust.host_known:
        wanted.append("the host name that the client meant (--host)")
    return ", ".join(wanted) or "the validator that the client uses (--profile)"


def fixes(case: Case) -> tuple[Fix, ...]:
    """Say how to get what is missing."""
    if case.trust.verdicts:
        asked = Fix(action="supply", text=f"Run again with {supply(case)}.")
    else:
        hello = case.connection.client_hello
        name = hello.server_name if hello is not None else None
        named = f" -servername {quote(name)}" if name else " -noservername"
        asked = Fix(
            action="supply",
            text=f"Run again with {supply(case)}. The chain can be taken from the server itself:",
            commands=(f"{s_client(case.connection)}{named} -showcerts </dev/null >chain.txt",),
        )
    hidden = is_tls13(case.connection.version) and not case.trust.chain.is_read
    return (asked, key_log_fix(case)) if hidden else (asked,)


CAUSE = Cause(
    code="certificate-rejected",
    title="The client refused the server's certificate; why is not known yet",
    look=look,
    fixes=fixes,
    covers=("client-closed", "unexplained"),
    fails_after_handshake=True,
)
