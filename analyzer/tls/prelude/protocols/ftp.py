"""FTP (RFC 959) with AUTH TLS (RFC 4217)."""

from __future__ import annotations

from typing import Final

from analyzer.tls.prelude.dialogue import Dialogue, Speech
from analyzer.tls.prelude.lines import Command, LineProtocol, Reply, converse, numbered_reply, words
from analyzer.tls.prelude.model import Layer

OPENING: Final = rb"220[ -]|(?i:AUTH (?:TLS|SSL)|FEAT\r)"
_BEFORE: Final = frozenset({"AUTH", "FEAT", "SYST", "HOST", "OPTS", "CLNT", "NOOP", "QUIT", "PBSZ", "PROT", "HELP"})
_WITH_TLS: Final = (b"PBSZ", b"PROT")
_LOGIN: Final = frozenset({"USER", "PASS", "ACCT"})
_MECHANISMS: Final = (b"TLS", b"TLS-C", b"TLS-P", b"SSL")


def read(dialogue: Dialogue) -> Layer | None:
    """Read a control connection up to `234` in answer to AUTH TLS."""
    first = words(dialogue.client.peek(512).split(b"\n")[0].rstrip(b"\r"))
    ours = first is not None and first.verb in (_BEFORE | _LOGIN) - {"NOOP", "QUIT", "HELP"}
    return converse(_FTP, dialogue) if ours else None


def _asks(command: Command) -> bool:
    return command.verb == "AUTH" and command.rest.upper() in _MECHANISMS


def _reply(server: Speech, _: Command) -> Reply | None:
    """The final reply; a preliminary one (1yz) comes before it."""
    while (reply := numbered_reply(server)) is not None and reply.code.startswith("1"):
        pass
    return reply


def _offers(reply: Reply) -> bool | None:
    """Servers are known that list but the commands that TLS brings along (vsFTPd 3)."""
    features = [line.strip().upper() for line in reply.lines]
    if reply.code != "211" or any(feature in _WITH_TLS for feature in features):
        return True if any(map(_is_mechanism, features)) else None
    return any(map(_is_mechanism, features))


def _is_mechanism(feature: bytes) -> bool:
    """Whether a line of the reply to FEAT is `AUTH TLS`, `AUTH SSL;TLS;` or the like."""
    verb, _, rest = feature.partition(b" ")
    return verb == b"AUTH" and any(name.strip() in _MECHANISMS for name in rest.replace(b";", b" ").split())


_FTP: Final = LineProtocol(
    name="FTP",
    option="ftp",
    request="AUTH TLS",
    greeting=numbered_reply,
    reply=_reply,
    command=words,
    asks=_asks,
    agrees=frozenset({"234", "334"}),
    lists=frozenset({"FEAT"}),
    offers=_offers,
    before=_BEFORE,
    known=_LOGIN | {"PWD", "CWD", "TYPE", "PASV", "EPSV", "PORT", "EPRT", "LIST", "RETR", "STOR", "MLSD", "SIZE"},
    shown=frozenset({"HOST"}),
)
