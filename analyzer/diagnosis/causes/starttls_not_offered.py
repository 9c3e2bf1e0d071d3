"""The server does not offer TLS, and the client left.

The server said what it can do, TLS was not among it, and the client left without doing anything else.

Aborted by: client, or server. Confidence: likely or possible.

## What happened
The client connected in clear text, read what the server can do (EHLO, CAPABILITY, CAPA, FEAT, stream features, the
greeting of MySQL), did not find TLS there, and left. A client that must have TLS does just that.

## How we know
- The capture holds the server's list in clear text, without STARTTLS (or its like).
- The client neither asked for TLS nor logged in nor sent anything: it said QUIT, or closed.
- Likely: it had asked for the list. Possible: it never said a word (MySQL lists by itself).
- A monitoring probe that says EHLO and QUIT looks alike. What the client's log says decides.
- A client that goes on in clear text by its own choice is no failure, and not reported.

## What to do
1. See what the server offers:

       openssl s_client -starttls smtp -connect HOST:25

2. Server operator: set a certificate and enable TLS (Postfix `smtpd_tls_security_level = may`, Dovecot
   `ssl = yes`, vsftpd `ssl_enable=YES`, MySQL `ssl_cert` and `ssl_key`). Many servers leave STARTTLS out of the
   list when they cannot read their key: look into the log of their start.
3. A box in between that rewrites the list (Cisco `inspect esmtp`, virus scanners) hides STARTTLS: compare with
   a capture on the server's side.
4. Client: another port may speak TLS from the first byte (465, 993, 995, 990, 5223).

## In the log
- curl: `STARTTLS not supported.`, `STLS not supported.`
- Postfix (client): `TLS is required, but was not offered by host`
- MariaDB: `ERROR 2026 (HY000): TLS/SSL error: SSL is required, but the server does not support it`
- Java Mail: `STARTTLS is required but host does not support STARTTLS`

## Not to be confused with
- `starttls-refused`: the client asked, and the server said no.
- `not-tls`: the client began with a ClientHello and got plain text.

## References
- RFC 3207 section 4 (SMTP), RFC 9051 section 6.2.1 (IMAP), RFC 2595 section 4 (POP3), RFC 6120 section 5 (XMPP)
"""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import LIKELY, POSSIBLE, Cause, Evidence, Match
from analyzer.diagnosis.causes.starttls_refused import fixes
from analyzer.diagnosis.prelude import COVERED
from analyzer.tls.connection import Side
from analyzer.tls.prelude.model import State


def look(case: Case) -> Match | None:
    """The list of what the server can do has no TLS, and the client left."""
    prelude = case.connection.prelude
    if prelude is None or prelude.last.state is not State.NOT_OFFERED or prelude.last.in_clear is not None:
        return None
    if case.ending is None or case.connection.is_tls:
        return None
    last = prelude.last
    told = [Evidence(step.packet, f"{last.protocol}: {step.text}") for step in last.steps if step.side is Side.SERVER]
    text = f"The server {case.connection.server} does not offer TLS ({last.protocol}), and the client left."
    return Match(
        confidence=LIKELY if prelude.client_spoke else POSSIBLE,
        explanation=f"{text} It had done nothing else, as a client does that must have TLS (or a probe).",
        evidence=(*told, Evidence(case.ending.packet, f"the connection ended: {_who(case)} {case.leaving_text}")),
        weight=2,
        headline=text,
    )


def _who(case: Case) -> str:
    side = case.ending.side if case.ending is not None else None
    return "a side" if side is None else f"the {side.value}"


CAUSE = Cause(
    code="starttls-not-offered",
    title="The server does not offer TLS, and the client left",
    look=look,
    fixes=fixes,
    covers=COVERED,
    stands_alone=True,
)
