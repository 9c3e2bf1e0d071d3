"""Connections as plain data: who is who, what happened in which order, and in which packets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.net.flows import Flows
from analyzer.tls.connection import Connection, EventKind, Side, build
from tests.packets import ACK, CLIENT, FIN, RST, SERVER, SYN, Dialogue, read, tcp, tls_flows

VECTORS = Path(__file__).parent / "vectors"
HANDSHAKE, CCS, ALERT, DATA = 22, 20, 21, 23


def record(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + b"\x03\x03" + len(body).to_bytes(2, "big") + body


def message(kind: int, vector: str = "") -> bytes:
    body = (VECTORS / f"{vector}.bin").read_bytes() if vector else b""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


HELLO = record(HANDSHAKE, message(1, "openssl-tls12-mtls.client_hello"))
ANSWER = record(HANDSHAKE, message(2, "openssl-tls12-mtls.server_hello"))
CHAIN = record(HANDSHAKE, message(11, "openssl-tls12-mtls.certificate"))
STATUS = record(HANDSHAKE, message(22, "openssl-tls12-mtls.certificate_status"))
REQUEST = record(HANDSHAKE, message(13, "openssl-tls12-mtls.certificate_request"))
DONE = record(HANDSHAKE, message(14))
RETRY = record(HANDSHAKE, message(2, "openssl-hrr.server_hello"))
NO_CERTIFICATE = record(HANDSHAKE, b"\x0b\x00\x00\x03\x00\x00\x00")
FLIGHT = ANSWER + CHAIN + STATUS + REQUEST + DONE
ALERT_UNKNOWN_CA = record(ALERT, bytes([2, 48]))


def connections(frames: Sequence[bytes], batch: int | None = None) -> list[Connection | None]:
    return connections_of(tls_flows(frames, batch=batch))


def connections_of(flows: Flows) -> list[Connection | None]:
    count = len(flows.table)
    found = []
    for flow, (row, log) in enumerate(zip(flows.table.read(0, count), flows.signals.read(0, count), strict=True)):
        streams = flows.streams.get(flow * 2), flows.streams.get(flow * 2 + 1)
        parts = [None if stream is None else stream.consumer.finish() for stream in streams]  # type: ignore[attr-defined]
        found.append(build(flow, row, log, streams, (parts[0], parts[1])))
    return found


def only(frames: Sequence[bytes], batch: int | None = None) -> Connection:
    (found,) = connections(frames, batch)
    assert found is not None
    return found


def story(connection: Connection) -> list[tuple[int, str, str, int]]:
    """(packet, side, kind, number) of all events."""
    return [(e.packet, e.side.value, e.kind.value, e.number) for e in connection.events]


PLAYBOOK = Dialogue().open().client(HELLO).server(FLIGHT).client(flags=FIN | ACK).client(flags=RST | ACK).frames


@pytest.mark.parametrize("batch", [1, 2, 7, None])
def test_events_stand_in_packet_order_with_their_sides(batch: int | None) -> None:
    assert story(only(PLAYBOOK, batch)) == [
        (1, "client", "SYN", SYN),
        (2, "server", "SYN,ACK", SYN | ACK),
        (4, "client", "message", 1),
        (5, "server", "message", 2),
        (5, "server", "message", 11),
        (5, "server", "message", 22),
        (5, "server", "message", 13),
        (5, "server", "message", 14),
        (6, "client", "FIN", FIN | ACK),
        (7, "client", "RST", RST | ACK),
    ]


def test_the_messages_are_parsed() -> None:
    seen = only(PLAYBOOK)
    assert seen.client_hello is not None
    assert seen.client_hello.server_name == "srv.example.net"
    assert seen.version == 0x0303
    chain = seen.chain(Side.SERVER)
    assert chain is not None
    assert (len(chain.chain), chain.packet, chain.complete) == (2, 5, True)
    assert seen.certificate_request is not None
    assert len(seen.certificate_request.authorities) == 2
    assert len(seen.ocsp_responses) == 1
    assert (seen.server_hello_packet, seen.packet_of(Side.SERVER, 11)) == (5, 5)


def test_a_fin_in_the_packet_of_an_alert_comes_after_it() -> None:
    talk = Dialogue().open().client(HELLO).server(FLIGHT).client(ALERT_UNKNOWN_CA, flags=FIN | ACK)
    assert [kind for packet, _, kind, _ in story(only(talk.frames)) if packet == 6] == ["alert", "FIN"]


def test_the_client_is_who_sent_the_hello_whatever_the_ports_say() -> None:
    ends = ("10.0.0.9", 443), ("10.0.0.2", 50000)
    midstream = Dialogue(*ends).client(HELLO).server(FLIGHT)
    seen = only(midstream.frames)
    assert (str(seen.client), str(seen.server)) == ("10.0.0.9:443", "10.0.0.2:50000")
    assert not seen.from_start


def test_without_a_hello_the_client_is_who_sent_the_syn() -> None:
    ends = ("10.0.0.9", 443), ("10.0.0.2", 50000)
    seen = only(Dialogue(*ends).open().frames)
    assert (str(seen.client), seen.is_tls) == ("10.0.0.9:443", False)
    answered = only(Dialogue(*ends).open().frames[1:])
    assert str(answered.client) == "10.0.0.9:443"


def test_without_both_the_client_is_told_by_a_message_of_the_server() -> None:
    ends = ("10.0.0.9", 443), ("10.0.0.2", 50000)
    seen = only(Dialogue(*ends).server(FLIGHT).frames)
    assert str(seen.client) == "10.0.0.9:443"


def test_at_last_the_client_is_the_higher_port() -> None:
    seen = only(Dialogue().client(record(DATA, bytes(40))).server(record(DATA, bytes(40))).frames)
    assert str(seen.client) == "10.0.0.1:40000"


def test_what_carries_something_else_than_tls_is_no_connection_here() -> None:
    assert connections(Dialogue().open().client(b"GET / HTTP/1.1\r\n\r\n").server(b"HTTP/1.1 200 OK\r\n").frames) == [
        None
    ]


def test_bare_acknowledgements_without_a_syn_are_no_connection_here() -> None:
    assert connections(Dialogue().client().server().frames) == [None]


def test_plain_text_in_answer_to_a_hello_is_kept_with_its_packet() -> None:
    seen = only(Dialogue().open().client(HELLO).server(b"HTTP/1.1 400 Bad Request\r\n\r\n").frames)
    plain = seen.halves[Side.SERVER].plain
    assert plain is not None
    assert (plain.data[:12], plain.packet) == (b"HTTP/1.1 400", 5)
    assert (5, "server", "plain text", 0) in story(seen)


def test_a_hello_retry_has_two_hellos_and_the_second_answer_counts() -> None:
    talk = Dialogue().open().client(HELLO).server(RETRY + record(CCS, b"\x01"))
    seen = only(talk.client(record(CCS, b"\x01") + HELLO).server(ANSWER).frames)
    assert len(seen.hellos) == 2
    assert seen.hello_retry is not None
    assert seen.hello_retry.is_hello_retry_request
    assert seen.server_hello_packet == 7


def test_a_client_without_a_certificate_has_an_empty_chain() -> None:
    chain = only(Dialogue().open().client(HELLO).server(FLIGHT).client(NO_CERTIFICATE).frames).chain(Side.CLIENT)
    assert chain is not None
    assert (chain.chain, chain.packet) == ((), 6)


def test_a_malformed_message_is_told_with_its_packet_and_the_rest_is_read() -> None:
    bad = record(HANDSHAKE, b"\x0b\x00\x00\x05\x00\xff\xff\xff\xff")
    seen = only(Dialogue().open().client(HELLO).server(ANSWER + bad + DONE).client(ALERT_UNKNOWN_CA).frames)
    (fault,) = seen.malformed
    assert (fault.side, fault.packet, fault.type) == (Side.SERVER, 5, 11)
    assert "at byte" in fault.text
    assert [a.description for a in seen.alerts] == [48]


def test_a_certificate_message_that_the_capture_cuts_gives_the_certificates_that_are_whole() -> None:
    whole = only(PLAYBOOK).chain(Side.SERVER)
    talk = Dialogue().open().client(HELLO)
    cut = (ANSWER + CHAIN)[:-30]
    seen = only(talk.server(cut).frames).chain(Side.SERVER)
    assert whole is not None
    assert seen is not None
    assert (seen.complete, seen.chain) == (False, whole.chain[:1])


def test_resets_keep_what_tells_a_forger_from_the_peer() -> None:
    forged = tcp(SERVER, CLIENT, seq=9001, flags=RST, ttl=200)
    seen = only([*Dialogue().open().client(HELLO).frames, forged])
    (reset,) = seen.resets
    assert (reset.side, reset.packet, reset.ttl, reset.seq) == (Side.SERVER, 5, 200, 9001)
    assert seen.halves[Side.SERVER].ttl == 64


def test_halves_count_packets_bytes_and_what_the_peer_acknowledged() -> None:
    seen = only(Dialogue().open().client(HELLO).server().server(FLIGHT).client().frames)
    client, server = seen.halves[Side.CLIENT], seen.halves[Side.SERVER]
    assert (client.packets, client.bytes, client.delivered, client.acknowledged) == (
        4,
        len(HELLO),
        len(HELLO),
        len(HELLO),
    )
    assert (server.packets, server.bytes, server.delivered, server.acknowledged) == (
        3,
        len(FLIGHT),
        len(FLIGHT),
        len(FLIGHT),
    )
    assert (client.syn, client.syn_count, server.syn) == (1, 1, 2)


def test_a_hole_in_the_flight_is_an_event_with_its_size() -> None:
    talk = Dialogue().open().client(HELLO).server(FLIGHT[:500]).lose(1, 400).server(FLIGHT[900:])
    seen = only(talk.frames)
    assert [(e.packet, e.side, e.number) for e in seen.events if e.kind is EventKind.LOST] == [(5, Side.SERVER, 400)]
    assert seen.halves[Side.SERVER].lost_bytes == 400


def test_icmp_errors_belong_to_the_side_whose_packet_they_quote() -> None:
    from scapy.layers.inet import ICMP, IP
    from scapy.layers.l2 import Ether

    talk = Dialogue().open().client(HELLO).server(FLIGHT)
    mac = "02:00:00:00:00:01"
    error = bytes(
        Ether(src=mac, dst=mac) / IP(src="10.9.9.9", dst=SERVER[0]) / ICMP(type=3, code=4) / talk.frames[4][14:42]
    )
    seen = only([*talk.frames, error])
    (event,) = (e for e in seen.events if e.kind is EventKind.ICMP)
    assert (event.packet, event.side, event.number) == (6, Side.SERVER, 4 << 16 | 3 << 8 | 4)


@pytest.mark.parametrize("batch", [1, 2, 7])
@pytest.mark.parametrize("name", ["playbook.pcap", "playbook-repaired.pcap", "tls13-success.pcap", "any-sll2.pcap"])
def test_where_batches_end_changes_nothing_in_a_recorded_connection(captures: Path, name: str, batch: int) -> None:
    frames = read(captures / name)
    packets, link = [frame.data for frame in frames], frames[0].link
    (whole,), (parts,) = (connections_of(tls_flows(packets, link=link, batch=size)) for size in (None, batch))
    assert whole is not None
    assert parts is not None
    assert parts == whole
    assert parts.events == whole.events
    assert [half.delivered for half in parts.halves.values()] == [half.delivered for half in whole.halves.values()]


def test_a_crafted_connection_with_endless_signals_keeps_a_few() -> None:
    resets = [tcp(CLIENT, SERVER, seq=1001 + n, flags=RST) for n in range(3000)]
    seen = only([*Dialogue().open().client(HELLO).frames, *resets])
    assert len([e for e in seen.events if e.kind is EventKind.RST]) <= 64
    assert len(seen.resets) <= 64


@given(data=st.data())
@settings(max_examples=60)
def test_any_damage_to_a_handshake_is_read_without_a_fault(data: st.DataObject) -> None:
    client, server = bytearray(HELLO + NO_CERTIFICATE + ALERT_UNKNOWN_CA), bytearray(FLIGHT)
    for half in (client, server):
        for place, value in data.draw(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 255)), max_size=6)):
            half[place % len(half)] = value
    talk = Dialogue().open().client(bytes(client[:300])).server(bytes(server)).client(bytes(client[300:]))
    (seen,) = connections(talk.server(flags=FIN | ACK).frames)
    if seen is None:
        assert bytes(client[:11] + server[:11]) != HELLO[:11] + FLIGHT[:11]
        return
    packets = [event.packet for event in seen.events]
    assert packets == sorted(packets)
    assert all(fault.text for fault in seen.malformed)
