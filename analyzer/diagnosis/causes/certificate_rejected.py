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

## What to do
Support engineer: run again with what is missing. The report names it.
1. The client's trust store: `--truststore FILE_OR_DIRECTORY`
2. The name that the client meant, when there is no SNI or it is not the one checked: `--host NAME`
3. The chain, when TLS 1.3 hides it; take it from the server itself:

       openssl s_client -connect HOST:443 -servername HOST -showcerts </dev/null >chain.txt
       hsanalyze capture.pcap --server-chain chain.txt --truststore store.pem

   It is the chain of now, not that of the capture.
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

from analyzer.diagnosis.alerts import CERTIFICATE_ALERTS
from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.certificate import refusal
from analyzer.tls.connection import Side
from analyzer.trust.model import Fix


def look(case: Case) -> Match | None:
    """The client left right after the server's certificate, and nothing at hand says why."""
    left = refusal(case)
    if left is None or left.after_handshake:
        return None
    about_certificates = left.alert in CERTIFICATE_ALERTS
    evidence = [Evidence(left.packet, f"the client {left.text}")]
    chain = case.server_chain
    readable = (chain is not None and bool(chain.chain)) or bool(case.trust.verdicts)
    if not about_certificates and not case.progress.certificate_came:
        return None
    if readable and case.trust.store_given and case.trust.accepted_by_all:
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


def _headline(case: Case) -> str:
    connection = case.connection
    name = f"{case.trust.host} ({connection.server})" if case.trust.host else str(connection.server)
    said = f" with the alert {case.alert_text()}" if case.fatal_alert is not None else ""
    return f"The client {connection.client.address} refused the certificate of {name}{said}; why is not known yet."


def supply(case: Case) -> str:
    """What would tell the cause: the inputs that are not there."""
    chain = case.server_chain
    wanted = []
    if (chain is None or not chain.chain) and not case.trust.verdicts:
        wanted.append("the server's chain (--server-chain)")
    if not case.trust.store_given:
        wanted.append("the client's trust store (--truststore)")
    if not case.trust.host_known:
        wanted.append("the host name that the client meant (--host)")
    return ", ".join(wanted) or "the validator that the client uses (--profile)"


def fixes(case: Case) -> tuple[Fix, ...]:
    """Say how to get what is missing."""
    chain = case.server_chain
    if (chain is not None and chain.chain) or case.trust.verdicts:
        return (Fix(action="supply", text=f"Run again with {supply(case)}."),)
    server = case.connection.server
    hello = case.connection.client_hello
    name = hello.server_name if hello is not None else None
    servername = f" -servername {name}" if name else " -noservername"
    return (
        Fix(
            action="supply",
            text=f"Run again with {supply(case)}. The chain can be taken from the server itself:",
            commands=(f"openssl s_client -connect {server}{servername} -showcerts </dev/null >chain.txt",),
        ),
    )


CAUSE = Cause(
    code="certificate-rejected",
    title="The client refused the server's certificate; why is not known yet",
    look=look,
    fixes=fixes,
    covers=("client-closed", "unexplained"),
)
