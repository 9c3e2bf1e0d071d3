"""What goes before TLS: each protocol as it is spoken, agreed to and refused, however TCP cuts it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.tls.connection import Connection
from analyzer.tls.prelude import Kind, Prelude, State, read
from analyzer.tls.records import PlainText
from tests.packets import ACK, CLIENT, FIN, RST, SERVER, Dialogue, records, tls_flows
from tests.tls.test_connection import FLIGHT, HELLO, connections, only

C, S = "client", "server"
Turns = Sequence[tuple[str, bytes]]

SMTP: Turns = (
    (S, b"220 mail.example ESMTP\r\n"),
    (C, b"EHLO gw.example\r\n"),
    (S, b"250-mail.example\r\n250-PIPELINING\r\n250 STARTTLS\r\n"),
    (C, b"STARTTLS\r\n"),
    (S, b"220 2.0.0 Ready to start TLS\r\n"),
)
LMTP: Turns = tuple((side, said.replace(b"EHLO", b"LHLO").replace(b"ESMTP", b"LMTP")) for side, said in SMTP)
IMAP: Turns = (
    (S, b"* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n"),
    (C, b"a1 CAPABILITY\r\n"),
    (S, b"* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n"),
    (C, b"a2 STARTTLS\r\n"),
    (S, b"a2 OK Begin TLS negotiation now.\r\n"),
)
POP3: Turns = (
    (S, b"+OK ready\r\n"),
    (C, b"CAPA\r\n"),
    (S, b"+OK\r\nUSER\r\nSTLS\r\n.\r\n"),
    (C, b"STLS\r\n"),
    (S, b"+OK Begin TLS\r\n"),
)
FTP: Turns = (
    (S, b"220-Welcome\r\nto this server\r\n220 ready\r\n"),
    (C, b"FEAT\r\n"),
    (S, b"211-Features:\r\n AUTH TLS\r\n PBSZ\r\n211 End\r\n"),
    (C, b"AUTH TLS\r\n"),
    (S, b"234 Proceed with negotiation.\r\n"),
)
NNTP: Turns = (
    (S, b"200 news.example ready\r\n"),
    (C, b"CAPABILITIES\r\n"),
    (S, b"101 list\r\nVERSION 2\r\nSTARTTLS\r\n.\r\n"),
    (C, b"STARTTLS\r\n"),
    (S, b"382 continue\r\n"),
)
SIEVE: Turns = (
    (S, b'"IMPLEMENTATION" "Dovecot Pigeonhole"\r\n"STARTTLS"\r\nOK "ready"\r\n'),
    (C, b"STARTTLS\r\n"),
    (S, b'OK "Begin TLS negotiation now."\r\n'),
)
IRC: Turns = (
    (S, b":irc.example NOTICE * :*** Looking up your hostname\r\n"),
    (C, b"CAP LS 302\r\nSTARTTLS\r\n"),
    (S, b":irc.example CAP * LS :tls sasl\r\n:irc.example 670 * :STARTTLS successful\r\n"),
)
XMPP: Turns = (
    (C, b"<?xml version='1.0'?><stream:stream to='chat.example' xmlns='jabber:client' version='1.0'>"),
    (S, b"<?xml version='1.0'?><stream:stream from='chat.example' id='1' version='1.0'>"),
    (S, b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"),
    (C, b"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
    (S, b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
)
LDAP: Turns = (
    (C, bytes.fromhex("301d02010177188016") + b"1.3.6.1.4.1.1466.20037"),
    (S, bytes.fromhex("300c02010178070a010004000400")),
)
POSTGRESQL: Turns = ((C, bytes.fromhex("0000000804d2162f")), (S, b"S"))
POSTGRESQL_GSS: Turns = ((C, bytes.fromhex("0000000804d21630")), (S, b"N"), *POSTGRESQL)


def greeting(capabilities: int) -> bytes:
    """MySQL's, protocol 10 (the lower two bytes of the capabilities come first)."""
    low, high = capabilities & 0xFFFF, capabilities >> 16
    body = b"\x0a8.0.35\0" + bytes(4) + b"12345678\0" + low.to_bytes(2, "little") + b"\x21\x02\0"
    body += high.to_bytes(2, "little") + b"\x15" + bytes(10) + b"123456789012\0mysql_native_password\0"
    return len(body).to_bytes(3, "little") + b"\0" + body


SSL_REQUEST = bytes.fromhex("20000001 05ae0300 00000001 21") + bytes(23)
MYSQL: Turns = ((S, greeting(0xDFFFFFFF)), (C, SSL_REQUEST))
RDP: Turns = (
    (C, bytes.fromhex("0300002a25e00000000000") + b"Cookie: mstshash=karl\r\n" + bytes.fromhex("0100080003000000")),
    (S, bytes.fromhex("030000130ed000001234000200080001000000")),
)


def prelogin(kind: int, encryption: int) -> bytes:
    """TDS PRELOGIN with the options VERSION and ENCRYPTION."""
    body = bytes.fromhex("00000b0006 0100110001 ff") + bytes(6) + bytes([encryption])
    return bytes([kind, 1]) + (8 + len(body)).to_bytes(2, "big") + bytes.fromhex("00000100") + body


CONNECT: Turns = (
    (C, b"CONNECT api.example:443 HTTP/1.1\r\nHost: api.example:443\r\n\r\n"),
    (S, b"HTTP/1.1 200 Connection established\r\nVia: proxy\r\n\r\n"),
)
CONNECT_AGAIN: Turns = (
    (C, b"CONNECT api.example:443 HTTP/1.1\r\n\r\n"),
    (S, b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: NTLM\r\nContent-Length: 5\r\n\r\nno no"),
    (C, b"CONNECT api.example:443 HTTP/1.1\r\nProxy-Authorization: NTLM c2VjcmV0\r\n\r\n"),
    (S, b"HTTP/1.1 407 Again\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    *CONNECT,
)
SOCKS4: Turns = ((C, b"\x04\x01\x01\xbb\x0a\x00\x00\x07karl\0"), (S, b"\0\x5a" + bytes(6)))
SOCKS4A: Turns = ((C, b"\x04\x01\x01\xbb\0\0\0\x01karl\0api.example\0"), (S, b"\0\x5a" + bytes(6)))
SOCKS5: Turns = (
    (C, b"\x05\x02\x00\x01"),
    (S, b"\x05\x00"),
    (C, b"\x05\x01\x00\x03\x0bapi.example\x01\xbb"),
    (S, b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"),
)
SOCKS5_PASSWORD: Turns = (
    (C, b"\x05\x01\x02"),
    (S, b"\x05\x02"),
    (C, b"\x01\x04karl\x06secret"),
    (S, b"\x01\x00"),
    (C, b"\x05\x01\x00\x04" + bytes(15) + b"\x01\x01\xbb"),
    (S, b"\x05\x00\x00\x04" + bytes(18)),
)
PROXY1 = b"PROXY TCP4 192.0.2.7 198.51.100.9 51234 443\r\n"
PROXY2 = (
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + (12 + 3 + 11).to_bytes(2, "big")
    + bytes((192, 0, 2, 7, 198, 51, 100, 9)) + (51234).to_bytes(2, "big") + (443).to_bytes(2, "big")
    + b"\x02\x00\x0bapi.example"
)  # fmt: skip

AGREED: dict[str, tuple[str, Turns]] = {
    "smtp": ("SMTP", SMTP),
    "lmtp": ("LMTP", LMTP),
    "imap": ("IMAP", IMAP),
    "pop3": ("POP3", POP3),
    "ftp": ("FTP", FTP),
    "nntp": ("NNTP", NNTP),
    "managesieve": ("ManageSieve", SIEVE),
    "irc": ("IRC", IRC),
    "xmpp": ("XMPP", XMPP),
    "ldap": ("LDAP", LDAP),
    "postgresql": ("PostgreSQL", POSTGRESQL),
    "postgresql-gss": ("PostgreSQL", POSTGRESQL_GSS),
    "mysql": ("MySQL", MYSQL),
    "rdp": ("RDP", RDP),
    "connect": ("HTTP", CONNECT),
    "connect-again": ("HTTP", CONNECT_AGAIN),
    "socks4": ("SOCKS4", SOCKS4),
    "socks4a": ("SOCKS4", SOCKS4A),
    "socks5": ("SOCKS5", SOCKS5),
    "socks5-password": ("SOCKS5", SOCKS5_PASSWORD),
    "proxy-1": ("PROXY protocol v1", ((C, PROXY1),)),
    "proxy-2": ("PROXY protocol v2", ((C, PROXY2),)),
    "proxy-then-smtp": ("PROXY protocol v1, SMTP", ((C, PROXY1), *SMTP)),
    "proxy-twice-then-connect": ("PROXY protocol v2, PROXY protocol v1, HTTP", ((C, PROXY2 + PROXY1), *CONNECT)),
    "socks-then-smtp": ("SOCKS5, SMTP", (*SOCKS5, *SMTP)),
    "connect-then-imap": ("HTTP, IMAP", (*CONNECT, *IMAP)),
}
each = pytest.mark.parametrize("name", AGREED)


def talk(turns: Turns, then: Turns = ()) -> Dialogue:
    spoken = Dialogue().open()
    for side, said in (*turns, *then):
        spoken = spoken.client(said) if side == C else spoken.server(said)
    return spoken


def prelude(turns: Turns) -> Prelude:
    """What is read of a dialogue that came one turn a packet."""
    parts = {side: [(number, said) for number, (who, said) in enumerate(turns, 1) if who == side] for side in (C, S)}
    found = read(*(plain(parts[side]) for side in (C, S)))
    assert found is not None
    return found


def plain(parts: Sequence[tuple[int, bytes]]) -> PlainText | None:
    if not parts:
        return None
    pieces, data = [], b""
    for packet, said in parts:
        pieces.append((len(data), packet, packet * 1000))
        data += said
    return PlainText(data, parts[0][0], 0, tuple(pieces))


def said(connection: Connection | Prelude) -> str:
    found = connection.prelude if isinstance(connection, Connection) else connection
    return "" if found is None else "\n".join(step.text for step in found.steps)


@each
def test_a_dialogue_that_both_agree_on_is_read_up_to_where_tls_begins(name: str) -> None:
    protocols, turns = AGREED[name]
    seen = only(talk(turns, ((C, HELLO), (S, FLIGHT))).frames)
    assert seen.prelude is not None
    assert seen.prelude.protocols == protocols
    assert seen.prelude.agreed
    assert (seen.prelude.client_left, seen.prelude.server_left) == (0, 0)
    assert seen.plain_answer is None
    assert [len(seen.hellos), seen.server_hello is not None] == [1, True]
    assert len(seen.prelude.steps) >= len({side for side, _ in turns})


@each
@given(data=st.data())
@settings(max_examples=8)
def test_what_is_read_does_not_depend_on_how_it_was_cut(name: str, data: st.DataObject) -> None:
    _, turns = AGREED[name]
    cut: list[tuple[str, bytes]] = []
    for side, whole in turns:
        places = sorted(data.draw(st.sets(st.integers(1, max(len(whole) - 1, 1)), max_size=3)))
        cut += [(side, whole[a:b]) for a, b in pairwise([0, *places, len(whole)]) if whole[a:b]]
    batch = data.draw(st.sampled_from([1, 2, None]))
    first = only(talk(turns, ((C, HELLO), (S, FLIGHT))).frames)
    second = only(talk(cut, ((C, HELLO), (S, FLIGHT))).frames, batch)
    assert said(first) == said(second)
    assert [len(second.hellos), second.server_hello is not None] == [1, True]


@each
def test_a_dialogue_may_end_after_any_turn(name: str) -> None:
    _, turns = AGREED[name]
    for count in range(1, len(turns)):
        for seen in connections(talk(turns[:count]).client(flags=FIN | ACK).frames):
            assert seen is None or seen.prelude is not None


@pytest.mark.parametrize("name", ["proxy-1", "proxy-2", "mysql", "proxy-then-smtp", "socks5"])
@pytest.mark.parametrize("batch", [1, None])
def test_a_hello_behind_other_bytes_in_one_segment_is_found_wherever_the_segment_ends(name: str, batch: int) -> None:
    _, turns = AGREED[name]
    mine = b"".join(said for side, said in turns if side == C)
    theirs = b"".join(said for side, said in turns if side == S)
    for place in (len(mine) + 1, len(mine) + 5, len(mine) + 9, len(mine) + 40, len(mine + HELLO)):
        stream = mine + HELLO
        spoken = Dialogue().open()
        spoken = spoken.server(theirs) if theirs else spoken
        spoken = spoken.client(stream[:place])
        spoken = spoken.client(stream[place:]) if stream[place:] else spoken
        frames = spoken.server(FLIGHT).frames
        ours = records(tls_flows(frames, batch=batch), CLIENT)
        assert ours.begins == len(mine)
        assert [m.complete for m in ours.messages] == [True]
        assert ours.plain is not None
        assert ours.plain.data == mine
        assert records(tls_flows(frames, batch=batch), SERVER).messages


def test_a_hello_inside_another_protocol_is_none_of_ours() -> None:
    openvpn = len(HELLO).to_bytes(2, "big") + b"\x38" + bytes(8) + HELLO
    assert connections(Dialogue().open().client(openvpn).server(openvpn).frames) == [None]


REFUSED: dict[str, tuple[Turns, str, str | None, str]] = {
    "smtp": ((*SMTP[:4], (S, b"454 4.7.0 TLS not available due to local problem\r\n")), "SMTP", "454", "local problem"),
    "smtp-unknown": ((*SMTP[:4], (S, b"502 5.5.1 Command not implemented\r\n")), "SMTP", "502", "not implemented"),
    "imap": ((*IMAP[:4], (S, b"a2 NO TLS is off\r\n")), "IMAP", "NO", "TLS is off"),
    "imap-bad": ((*IMAP[:4], (S, b"a2 BAD unknown command\r\n")), "IMAP", "BAD", "unknown command"),
    "pop3": ((*POP3[:4], (S, b"-ERR no TLS here\r\n")), "POP3", "-ERR", "no TLS here"),
    "ftp": ((*FTP[:3], (C, b"AUTH TLS\r\n"), (S, b"530 Please login with USER\r\n")), "FTP", "530", "Please login"),
    "nntp": ((*NNTP[:4], (S, b"580 cannot\r\n")), "NNTP", "580", "cannot"),
    "managesieve": ((*SIEVE[:2], (S, b'NO "no TLS"\r\n')), "ManageSieve", "NO", "no TLS"),
    "irc": ((*IRC[:2], (S, b":irc.example 691 * :STARTTLS failed\r\n")), "IRC", "691", "failed"),
    "xmpp": ((*XMPP[:4], (S, b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")), "XMPP", "failure", "<failure>"),
    "ldap": (
        (LDAP[0], (S, bytes.fromhex("301902010178140a01020400040d") + b"unsupported e")),
        "LDAP",
        "2",
        "protocolError (2): unsupported e",
    ),
    "postgresql": ((POSTGRESQL[0], (S, b"N")), "PostgreSQL", "N", "unwilling"),
    "postgresql-error": (
        (POSTGRESQL[0], (S, b"E\0\0\0\x12SFATAL\0Mno way\0\0")),
        "PostgreSQL",
        "E",
        "no way",
    ),
    "rdp": ((RDP[0], (S, bytes.fromhex("030000130ed000001234000300080002000000"))), "RDP", "2", "SSL_NOT_ALLOWED"),
    "rdp-plain": ((RDP[0], (S, bytes.fromhex("0300000b06d00000123400"))), "RDP", None, "no TLS"),
    "connect": ((CONNECT[0], (S, b"HTTP/1.1 403 Forbidden\r\n\r\n<html>")), "HTTP", "403", "Forbidden"),
    "connect-407": (CONNECT_AGAIN[:2], "HTTP", "407", "wants NTLM"),
    "socks4": ((SOCKS4[0], (S, b"\0\x5b" + bytes(6))), "SOCKS4", "91", "rejected"),
    "socks5": ((*SOCKS5[:3], (S, b"\x05\x02\x00\x01" + bytes(6))), "SOCKS5", "2", "not allowed by ruleset"),
    "socks5-methods": (((C, b"\x05\x01\x00"), (S, b"\x05\xff")), "SOCKS5", "255", "no acceptable method"),
    "socks5-password": ((*SOCKS5_PASSWORD[:3], (S, b"\x01\x01")), "SOCKS5", "1", "authentication failed"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_named_by_the_protocols_own_code_and_packet(name: str) -> None:
    turns, protocol, code, text = REFUSED[name]
    seen = only(talk(turns).client(flags=FIN | ACK).frames)
    assert seen.prelude is not None
    last = seen.prelude.last
    assert (last.protocol, last.state) == (protocol, State.REFUSED)
    assert last.refusal is not None
    assert (last.refusal.packet, last.refusal.code) == (3 + len(turns), code)
    assert text in last.refusal.text
    assert not seen.prelude.agreed


@pytest.mark.parametrize("name", [name for name in AGREED if not name.startswith(("proxy-1", "proxy-2", "mysql"))])
def test_a_request_without_an_answer_is_told_from_a_refusal(name: str) -> None:
    _, turns = AGREED[name]
    seen = only(talk(turns[:-1]).client(flags=FIN | ACK).frames)
    assert seen.prelude is not None
    assert (seen.prelude.last.state, seen.prelude.last.refusal) == (State.UNANSWERED, None)


@pytest.mark.parametrize(
    ("turns", "target"),
    [
        (CONNECT, "api.example:443"),
        (((C, b"CONNECT [2001:db8::1]:8443 HTTP/1.0\r\n\r\n"), CONNECT[1]), "[2001:db8::1]:8443"),
        (((C, b"CONNECT karl:secret@api.example:443 HTTP/1.1\r\n\r\n"), CONNECT[1]), "api.example:443"),
        (SOCKS4, "10.0.0.7:443"),
        (SOCKS4A, "api.example:443"),
        (SOCKS5, "api.example:443"),
        (SOCKS5_PASSWORD, "[::1]:443"),
    ],
)
def test_a_tunnel_names_its_target(turns: Turns, target: str) -> None:
    assert str(prelude(turns).target) == target


def test_a_name_that_a_tunnel_leads_to_is_the_host_and_an_address_only_without_a_server_name() -> None:
    def host(turns: Turns) -> str | None:
        return only(talk(turns, ((C, HELLO),)).frames).expected_host

    sni = only(talk((), ((C, HELLO),)).frames).expected_host
    assert host(CONNECT) == "api.example" != sni
    assert host(SOCKS4) == (sni or "10.0.0.7")
    assert host(XMPP) == (sni or "chat.example")


@pytest.mark.parametrize(("header", "authority"), [(PROXY1, None), (PROXY2, "api.example")])
def test_a_proxy_header_names_the_real_client(header: bytes, authority: str | None) -> None:
    announced = prelude(((C, header),)).announced
    assert announced is not None
    assert (str(announced.client), str(announced.server)) == ("192.0.2.7:51234", "198.51.100.9:443")
    assert announced.authority == authority


def test_a_proxy_header_without_addresses_names_nobody() -> None:
    local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0"
    assert prelude(((C, b"PROXY UNKNOWN\r\n" + local),)).announced is None


PROOFS = {
    "smtp": (*SMTP[:3], (C, b"AUTH PLAIN AGthcmwAc2VjcmV0\r\n"), (S, b"235 ok karl\r\n"), *SMTP[3:]),
    "smtp-login": (
        *SMTP[:3],
        (C, b"AUTH LOGIN\r\n"),
        (S, b"334 VXNlcg==\r\n"),
        (C, b"a2FybA==\r\n"),
        (S, b"535 no\r\n"),
    ),
    "imap": (*IMAP[:3], (C, b"a9 LOGIN karl secret\r\n"), (S, b"a9 NO karl unknown\r\n"), *IMAP[3:]),
    "imap-literal": (*IMAP[:3], (C, b"a9 LOGIN {4}\r\nkarl {6}\r\nsecret\r\n"), (S, b"a9 OK karl\r\n")),
    "pop3": (*POP3[:3], (C, b"USER karl\r\nPASS secret\r\n"), (S, b"+OK karl\r\n+OK\r\n"), *POP3[3:]),
    "ftp": (
        *FTP[:3],
        (C, b"USER karl\r\n"),
        (S, b"331 password for karl\r\n"),
        (C, b"PASS secret\r\n"),
        (S, b"230 x\r\n"),
    ),
    "nntp": (*NNTP[:3], (C, b"AUTHINFO USER karl\r\n"), (S, b"381 karl\r\n")),
    "connect": (
        (C, b"CONNECT api.example:443 HTTP/1.1\r\nProxy-Authorization: Basic a2FybDpzZWNyZXQ=\r\n\r\n"),
        CONNECT[1],
    ),
    "connect-userinfo": ((C, b"CONNECT karl:secret@api.example:443 HTTP/1.1\r\n\r\n"), CONNECT[1]),
    "socks4": SOCKS4A,
    "socks5": SOCKS5_PASSWORD,
    "rdp": RDP,
    "mysql": (MYSQL[0], (C, b"\x30\0\0\x01\x85\xa6" + bytes(20) + b"karl\0\x14secret")),
    "postgresql": (POSTGRESQL[0], (S, b"N"), (C, b"\0\0\0\x20\0\x03\0\0user\0karl\0"), (C, b"p\0\0\0\x0bsecret\0")),
    "xmpp": (*XMPP[:3], (C, b"<auth mechanism='PLAIN'>AGthcmwAc2VjcmV0</auth>")),
    "ldap": ((C, b"\x30\x18\x02\x01\x01\x60\x13\x02\x01\x03\x04\x04karl\x80\x06secret" + bytes(2)), *LDAP),
}


@pytest.mark.parametrize("name", PROOFS)
def test_what_proves_an_identity_is_never_shown(name: str) -> None:
    shown = said(prelude(PROOFS[name]))
    for secret in ("karl", "secret", "AGthcmwA", "a2Fyb", "c2VjcmV0"):
        assert secret not in shown


def test_tls_inside_tds_is_read() -> None:
    inside = b"\x12\x01" + (8 + len(HELLO)).to_bytes(2, "big") + bytes(4) + HELLO
    seen = only(talk(((C, prelogin(0x12, 1)), (S, prelogin(4, 1)), (C, inside))).frames)
    assert seen.prelude is not None
    assert (seen.prelude.protocols, seen.prelude.agreed, len(seen.hellos)) == ("TDS", True, 1)
    refused = only(talk(((C, prelogin(0x12, 3)), (S, prelogin(4, 2)))).client(flags=FIN | ACK).frames)
    assert refused.prelude is not None
    assert refused.prelude.last.state is State.REFUSED
    assert connections(talk(((C, prelogin(0x12, 0)), (S, prelogin(4, 2)), (C, b"\x10\x01" + bytes(40)))).frames) == [
        None
    ]


def test_a_session_whose_client_never_asks_for_tls_is_no_failed_handshake() -> None:
    mail = (*SMTP[:3], (C, b"MAIL FROM:<a@b>\r\n"), (S, b"250 ok\r\n"), (C, b"QUIT\r\n"), (S, b"221 bye\r\n"))
    plain_list = ((S, SMTP[0][1]), SMTP[1], (S, b"250 mail.example\r\n"))
    for turns in (mail, (*plain_list, *mail[3:]), MYSQL[:1], SMTP[:3], ((C, PROXY1),)):
        assert connections(talk(turns).client(flags=FIN | ACK).server(flags=FIN | ACK).frames) == [None]
    for request in (b"GET / HTTP/1.1\r\n\r\n", b"\x16not tls", b"SSH-2.0-x\r\n"):
        assert connections(talk(((C, request), (S, b"HTTP/1.1 200 OK\r\n\r\n"))).frames) == [None]


def test_a_client_that_leaves_for_want_of_an_offer_is_told_from_a_check_of_the_port() -> None:
    no_tls = ((S, SMTP[0][1]), SMTP[1], (S, b"250 mail.example\r\n"))
    seen = only(talk((*no_tls, (C, b"QUIT\r\n"), (S, b"221 bye\r\n"))).server(flags=FIN | ACK).frames)
    assert seen.prelude is not None
    assert seen.prelude.last.state is State.NOT_OFFERED
    silent = talk(((S, greeting(0xD7FFF7FF)),))
    assert only(silent.client(flags=FIN | ACK).frames).prelude is not None
    silent = talk(((S, greeting(0xD7FFF7FF)),))
    assert connections(silent.client(flags=RST | ACK).frames) == [None]


def test_a_tunnel_that_carries_something_else_is_no_failed_handshake() -> None:
    assert connections(talk((*CONNECT, (S, b"SSH-2.0-OpenSSH_9.2\r\n"), (C, b"SSH-2.0-x\r\n"))).frames) == [None]
    ssh = (C, b"CONNECT api.example:22 HTTP/1.1\r\n\r\n")
    assert connections(talk((ssh, (S, b"HTTP/1.1 403 Forbidden\r\n\r\n"))).frames) == [None]
    assert only(talk(CONNECT).server(flags=FIN | ACK).frames).prelude is not None


def test_a_dialogue_of_which_bytes_are_missing_is_not_called_unanswered() -> None:
    spoken = talk(SMTP[:4])
    spoken.lose(1, 30)
    assert connections(spoken.server(b"more\r\n").client(flags=FIN | ACK).frames) == [None]


def test_much_that_is_said_before_tls_is_bounded_and_tls_is_found_all_the_same() -> None:
    page = b"HTTP/1.1 407 No\r\nProxy-Authenticate: Basic\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    spoken = Dialogue().open().client(CONNECT[0][1])
    for start in range(0, len(page), 1400):
        spoken.server(page[start : start + 1400])
    seen = only(spoken.client(CONNECT[0][1]).server(CONNECT[1][1]).client(HELLO).server(FLIGHT).frames)
    assert seen.server_hello is not None
    assert seen.prelude is not None
    assert len(seen.prelude.steps) <= 40
    kept = seen.halves[next(iter(seen.halves)).peer].plain
    assert kept is not None
    assert len(kept.data) <= 1 << 14
    assert not kept.whole


def test_endless_commands_give_few_steps() -> None:
    noise = (*SMTP[:3], *((C, b"NOOP\r\n"), (S, b"250 ok\r\n")) * 500)
    assert len(prelude(noise).steps) <= 40


words_of_protocols = st.sampled_from(
    [said for _, turns in AGREED.values() for _, said in turns]
    + [said for turns, *_ in REFUSED.values() for _, said in turns]
)
hostile = st.lists(
    st.tuples(st.sampled_from([C, S]), st.one_of(words_of_protocols, st.binary(min_size=1, max_size=60))), max_size=8
)


@given(turns=hostile, data=st.data())
@settings(max_examples=300)
def test_any_bytes_are_read_without_a_fault_and_shown_without_control_characters(
    turns: list[tuple[str, bytes]], data: st.DataObject
) -> None:
    changed = []
    for side, spoken in turns:
        place = data.draw(st.integers(0, len(spoken)))
        extra = data.draw(st.binary(max_size=3))
        changed.append((side, spoken[:place] + extra + spoken[place + len(extra) :]))
    parts = {
        side: [(n, spoken) for n, (who, spoken) in enumerate(changed, 1) if who == side and spoken] for side in (C, S)
    }
    found = read(*(plain(parts[side]) for side in (C, S)))
    if found is None:
        return
    assert len(found.layers) <= 8
    for layer in found.layers:
        assert (layer.refusal is None) == (layer.state is not State.REFUSED)
        assert layer.kind is not Kind.ANNOUNCEMENT or layer.state is State.AGREED
    for step in found.steps:
        assert step.text.isprintable()
        assert len(step.text) < 900
        assert 1 <= step.packet <= len(changed)


def test_a_connection_that_begins_with_tls_loads_nothing_of_this() -> None:
    program = (
        "import sys; from tests.tls.test_connection import only, PLAYBOOK; only(PLAYBOOK);"
        "sys.exit(any('prelude.protocols' in name for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
