"""The server did not start TLS when it was asked to.

The client asked for TLS inside a connection that begins in clear text, and the server said no.

Aborted by: client, or server. Confidence: certain or likely.

## What happened
SMTP, IMAP, POP3, FTP, LDAP, XMPP, PostgreSQL, RDP and others begin in clear text and turn to TLS on request
(STARTTLS, STLS, AUTH TLS, SSLRequest). Here the server refused the request or never answered it. Some clients leave
then; others go on without encryption, and nobody notices. The report says which.

## How we know
- The capture holds the request and the answer in clear text: a reply such as `454`, `NO`, `-ERR`, an LDAP result
  other than 0, `<failure/>`, or the `N` of PostgreSQL. That is certain.
- Likely: the server closed, or was silent, in place of an answer.
- When the client goes on in clear text `abort_act` is null and `abort_packet` is the refusal: nothing else ended.

## What to do
1. Ask by hand; the answer shows at once:

       openssl s_client -starttls smtp -connect HOST:25

   (`imap`, `pop3`, `ftp`, `ldap`, `xmpp`, `postgres`, `mysql`, `nntp`, `sieve`, `lmtp` likewise)
2. Server operator: a certificate must be set, and its key be readable by the server. Postfix
   `smtpd_tls_security_level = may` with `smtpd_tls_chain_files`; Dovecot `ssl = yes`; PostgreSQL `ssl = on`;
   slapd `olcTLSCertificateFile`. A `454` often means that the key could not be read: look into the log.
3. Client: is it the right port? 465, 993, 995, 636 speak TLS from the first byte and know no STARTTLS.
   OpenVPN closes without a word when the packet's key (`tls-auth`) is not its own, and logs `packet HMAC
   authentication failed`.
4. A firewall may filter STARTTLS out (Cisco `inspect esmtp` writes `XXXXXXXA` in its place).
5. Went on in clear text: make TLS a must in the client (`sslmode=require`, Postfix
   `smtp_tls_security_level = encrypt`).

## In the log
- OpenSSL s_client: `didn't found starttls in server response, try anyway...`
- libpq: `server does not support SSL, but SSL was required`
- ldapsearch: `ldap_start_tls: Protocol error (2)`
- Postfix (client): `TLS is required, but was not offered by host`
- curl: `STARTTLS denied, code 454`; for FTP `Requested SSL level failed`

## Not to be confused with
- `starttls-not-offered`: the client did not even ask, since the server does not list it.
- `not-tls`: the client began with a ClientHello and got plain text.

## References
- RFC 3207 (SMTP), RFC 9051 (IMAP), RFC 2595 (POP3), RFC 4217 (FTP), RFC 4511 section 4.14 (LDAP), RFC 6120 (XMPP)
- PostgreSQL: "SSL Session Encryption" in the chapter on the protocol
"""

from __future__ import annotations

from analyzer.diagnosis.case import Case
from analyzer.diagnosis.cause import CERTAIN, LIKELY, Cause, Match
from analyzer.diagnosis.prelude import COVERED, refused, s_client
from analyzer.tls.prelude.model import Kind
from analyzer.trust.model import Fix


def look(case: Case) -> Match | None:
    """The answer to the request for TLS is a refusal, or there is none."""
    prelude = case.connection.prelude
    if prelude is None:
        return None
    last = prelude.last
    why = "Its own log tells why: no certificate set, or one that it cannot read, most often."
    if last.offered is False:
        why = "It does not list TLS among what it can do either."
    elif last.offered:
        why = "It lists TLS among what it can do: a certificate or key that it cannot read, most often. Its log says."
    return refused(
        case, Kind.UPGRADE, what=f"TLS ({last.protocol})", who="the server", why=why, sure=CERTAIN, unsure=LIKELY
    )


def fixes(case: Case) -> tuple[Fix, ...]:
    """How to ask by hand."""
    prelude = case.connection.prelude
    if prelude is None or prelude.last.option is None:
        text = "Look into the server's log for why it did not start TLS; `openssl s_client` does not know the protocol."
        return (Fix(action="configure", text=text),)
    command = f"{s_client(case.connection)} </dev/null"
    return (Fix(action="configure", text="Enable TLS on the server; this shows whether it is:", commands=(command,)),)


CAUSE = Cause(
    code="starttls-refused",
    title="The server did not start TLS when it was asked to",
    look=look,
    fixes=fixes,
    covers=COVERED,
    stands_alone=True,
)
