"""Ordered bytes to records, handshake messages and alerts: the same ones however TCP and the records cut them."""

from __future__ import annotations

import random
from dataclasses import fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.tls.records import SideRecords
from tests.packets import ACK, CLIENT, FIN, SERVER, Dialogue, records, segments_of, tcp, tls_flows

VECTORS = Path(__file__).parent / "vectors"
HANDSHAKE, CCS, ALERT, DATA = 22, 20, 21, 23
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, DONE, FINISHED = 1, 2, 11, 14, 20


def record(kind: int, body: bytes, version: int = 0x0303) -> bytes:
    return bytes([kind]) + version.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def vector(name: str) -> bytes:
    return (VECTORS / f"{name}.bin").read_bytes()


HELLO = message(CLIENT_HELLO, vector("openssl-tls13.client_hello"))
ANSWER = message(SERVER_HELLO, vector("openssl-tls12-mtls.server_hello"))
CHAIN = message(CERTIFICATE, vector("openssl-tls12-mtls.certificate"))
FLIGHT = record(HANDSHAKE, ANSWER) + record(HANDSHAKE, CHAIN) + record(HANDSHAKE, message(DONE, b""))
UNKNOWN_CA = record(ALERT, bytes([2, 48]))


def read(stream: bytes, cuts: list[int] | None = None, *, batch: int | None = None, opened: bool = True) -> SideRecords:
    """The records of a client's bytes, cut into segments at the given places."""
    frames = Dialogue().open().frames if opened else []
    return records(tls_flows(frames + segments_of(stream, cuts or []), batch=batch), CLIENT)


def types(seen: SideRecords) -> list[int]:
    return [m.type for m in seen.messages]


def without_packets(seen: SideRecords) -> dict[str, Any]:
    """All that was seen, but for the packets and times, which depend on the cuts."""

    def strip(value: Any) -> Any:
        if isinstance(value, list):
            return [strip(item) for item in value]
        if is_dataclass(value):
            value = {field.name: getattr(value, field.name) for field in fields(value)}
        if hasattr(value, "_asdict"):
            value = value._asdict()
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if "packet" not in k and k != "time_ns"}
        return value

    return {field.name: strip(getattr(seen, field.name)) for field in fields(seen)}


def test_messages_have_their_type_body_position_and_record_version() -> None:
    seen = read(record(HANDSHAKE, HELLO, 0x0301) + UNKNOWN_CA)
    (hello,) = seen.messages
    assert (hello.type, hello.body, hello.length) == (1, HELLO[4:], len(HELLO) - 4)
    assert (hello.position, hello.record_version, hello.complete, hello.sslv2) == (5, 0x0301, True, False)
    (alert,) = seen.alerts
    assert (alert.level, alert.description, alert.length, alert.position) == (2, 48, 2, 5 + len(HELLO))
    assert seen.begins == 0


def test_one_record_may_hold_several_messages() -> None:
    seen = read(record(HANDSHAKE, ANSWER + CHAIN + message(DONE, b"")))
    assert types(seen) == [SERVER_HELLO, CERTIFICATE, DONE]
    assert [m.position for m in seen.messages] == [5, 5 + len(ANSWER), 5 + len(ANSWER) + len(CHAIN)]


@pytest.mark.parametrize("size", [1, 3, 100, 1000])
def test_one_message_may_be_split_over_records(size: int) -> None:
    joined = ANSWER + CHAIN + message(DONE, b"")
    stream = b"".join(record(HANDSHAKE, joined[at : at + size]) for at in range(0, len(joined), size))
    seen = read(stream)
    assert [(m.type, m.body) for m in seen.messages] == [(2, ANSWER[4:]), (11, CHAIN[4:]), (14, b"")]


def test_a_message_ends_in_the_packet_that_brought_its_last_byte_and_begins_in_that_of_its_first() -> None:
    stream = record(HANDSHAKE, HELLO)
    seen = read(stream, [2, 60, len(stream) - 1])
    assert (seen.messages[0].first_packet, seen.messages[0].packet) == (5, 7)


def test_a_message_that_was_completed_out_of_order_counts_at_the_last_packet_to_come() -> None:
    stream = record(HANDSHAKE, HELLO)
    first, second, third = segments_of(stream, [50, 100])
    flows = tls_flows([*Dialogue().open().frames, first, third, second])
    assert records(flows, CLIENT).messages[0].packet == 6


def test_a_record_without_a_body_is_stepped_over() -> None:
    seen = read(record(HANDSHAKE, HELLO) + record(DATA, b"") + record(HANDSHAKE, b"") + UNKNOWN_CA)
    assert (types(seen), len(seen.alerts)) == ([CLIENT_HELLO], 1)


messages = st.lists(
    st.tuples(st.sampled_from([1, 2, 4, 11, 12, 13, 14, 15, 16]), st.binary(max_size=60)), min_size=1, max_size=5
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[tuple[int, bytes]]]:
    """A TLS 1.2 flight: handshake messages split over records anyhow, then what follows them; and the messages."""
    sent = [(CLIENT_HELLO, vector("go-tls13.client_hello")), *draw(messages)]
    joined = b"".join(message(*each) for each in sent)
    places = sorted(draw(st.sets(st.integers(1, len(joined) - 1), max_size=6)))
    parts = [joined[a:b] for a, b in pairwise([0, *places, len(joined)])]
    stream = b"".join(record(HANDSHAKE, part) for part in parts)
    if draw(st.booleans()):
        stream += record(CCS, b"\x01") + record(
            HANDSHAKE, draw(st.binary(min_size=40, max_size=60)).replace(b"\x03", b"\x04")
        )
    for body in draw(st.lists(st.binary(min_size=1, max_size=90), max_size=5)):
        stream += record(DATA, body)
    if draw(st.booleans()):
        stream += record(ALERT, bytes([draw(st.sampled_from([1, 2])), draw(st.integers(0, 120))]))
    return stream, sent


@given(made=streams(), data=st.data(), batch=st.sampled_from([1, 2, 7, None]))
@settings(max_examples=80)
def test_any_cut_of_a_stream_into_segments_gives_the_same_records(
    made: tuple[bytes, list[tuple[int, bytes]]], data: st.DataObject, batch: int | None
) -> None:
    stream, sent = made
    whole = read(stream)
    assert [(m.type, m.body) for m in whole.messages] == sent
    cuts = sorted(data.draw(st.sets(st.integers(1, len(stream) - 1), max_size=12)))
    assert without_packets(read(stream, cuts, batch=batch)) == without_packets(whole)


@pytest.mark.parametrize("batch", [40, None])
def test_a_stream_cut_into_single_bytes_gives_the_same_records(batch: int | None) -> None:
    stream = FLIGHT + record(CCS, b"\x01") + record(HANDSHAKE, bytes(40)) + record(DATA, bytes(300)) + UNKNOWN_CA
    cut = read(stream, list(range(1, len(stream))), batch=batch)
    assert without_packets(cut) == without_packets(read(stream))
    assert types(cut) == [SERVER_HELLO, CERTIFICATE, DONE]


def test_segments_in_any_order_give_the_same_records() -> None:
    stream = FLIGHT + record(CCS, b"\x01") + record(HANDSHAKE, bytes(40)) + record(DATA, bytes(300)) + UNKNOWN_CA
    pieces = segments_of(stream, list(range(100, len(stream), 100)))
    for seed in range(6):
        random.Random(seed).shuffle(pieces)
        seen = records(tls_flows(Dialogue().open().frames + pieces), CLIENT)
        assert without_packets(seen) == without_packets(read(stream))


def test_application_data_is_counted_not_copied() -> None:
    seen = read(record(HANDSHAKE, HELLO) + b"".join(record(DATA, bytes(n)) for n in range(1, 101)))
    assert (seen.application_count, seen.application_bytes) == (100, 5050)
    kept = [r.length for r in seen.application]
    assert kept == list(range(1, len(kept) + 1))
    assert 8 <= len(kept) <= 64
    assert [r.length for r in seen.application_last] == [97, 98, 99, 100]


def test_the_largest_record_that_encryption_may_make_is_read() -> None:
    seen = read(record(HANDSHAKE, HELLO) + record(DATA, bytes(2**14 + 2048)) + UNKNOWN_CA)
    assert (seen.application_bytes, len(seen.alerts)) == (2**14 + 2048, 1)


def test_after_change_cipher_spec_handshake_records_are_encrypted() -> None:
    seen = read(record(HANDSHAKE, HELLO) + record(CCS, b"\x01") + record(HANDSHAKE, b"\x14" + bytes(39)))
    assert types(seen) == [CLIENT_HELLO]
    assert [(r.length, r.position) for r in seen.encrypted_handshake] == [(40, 5 + len(HELLO) + 6)]
    assert len(seen.change_cipher_spec) == 1


def test_the_second_hello_of_a_hello_retry_stands_in_clear_after_change_cipher_spec() -> None:
    retry = message(SERVER_HELLO, vector("openssl-hrr.server_hello"))
    for first, second in ((HELLO, HELLO), (retry, ANSWER)):
        seen = read(record(HANDSHAKE, first) + record(CCS, b"\x01") + record(HANDSHAKE, second) + record(DATA, b"x"))
        assert [m.body for m in seen.messages] == [first[4:], second[4:]]
        assert seen.encrypted_handshake == []


def test_an_alert_of_two_bytes_is_in_clear_and_a_longer_one_is_encrypted() -> None:
    stream = (
        record(HANDSHAKE, HELLO)
        + UNKNOWN_CA
        + record(CCS, b"\x01")
        + record(ALERT, bytes(26))
        + record(ALERT, b"\x01\x00")
    )
    assert [(a.level, a.description, a.length) for a in read(stream).alerts] == [
        (2, 48, 2),
        (None, None, 26),
        (1, 0, 2),
    ]


def test_an_sslv2_hello_is_found_and_the_records_behind_it() -> None:
    body = vector("java-sslv2.sslv2_client_hello")
    stream = bytes([0x80 | len(body) >> 8, len(body) & 0xFF]) + body
    seen = read(stream + UNKNOWN_CA)
    (hello,) = seen.messages
    assert (hello.type, hello.body, hello.sslv2, hello.complete, hello.record_version) == (1, body, True, True, 2)
    assert [a.description for a in seen.alerts] == [48]


SSLV2_HELLO = vector("java-sslv2.sslv2_client_hello")
SSLV2 = bytes([0x80 | len(SSLV2_HELLO) >> 8, len(SSLV2_HELLO) & 0xFF]) + SSLV2_HELLO


@pytest.mark.parametrize("batch", [1, None])
def test_an_sslv2_hello_in_several_segments_is_found_too(batch: int | None) -> None:
    for cut in (1, 3, 6, 30, len(SSLV2) - 1):
        seen = read(SSLV2 + UNKNOWN_CA, [cut], batch=batch)
        (hello,) = seen.messages
        assert (hello.body, hello.complete, hello.first_packet, hello.packet) == (SSLV2_HELLO, True, 4, 5), cut
        assert [a.description for a in seen.alerts] == [48], cut


@pytest.mark.parametrize("batch", [1, None])
def test_an_sslv2_hello_that_is_cut_is_kept_as_far_as_it_came(batch: int | None) -> None:
    for end in (7, 20, len(SSLV2) - 1):
        seen = read(SSLV2[:end], [4], batch=batch)
        assert [(m.body, m.length, m.complete) for m in seen.messages] == [(SSLV2[2:end], len(SSLV2_HELLO), False)]
        assert seen.unfinished is not None


@pytest.mark.parametrize(
    "greeting",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"\x00\x01\x02\x03" * 30,
        b"\x16\x05\x00\x00\x10" + bytes(16),
        b"x",
    ],
    ids=["http", "ssh", "binary", "no such version", "one byte"],
)
def test_what_is_no_tls_is_kept_as_plain_text_with_its_packet(greeting: bytes) -> None:
    seen = read(greeting)
    assert not seen.is_tls
    assert (seen.messages, seen.alerts) == ([], [])
    assert seen.plain is not None
    assert (seen.plain.data, seen.plain.packet) == (greeting, 4)


@pytest.mark.parametrize("batch", [1, None])
@pytest.mark.parametrize("cut", [1, 2, 4, 5, 9])
def test_plain_text_in_several_segments_is_kept_whole_from_its_first_packet(cut: int, batch: int | None) -> None:
    seen = read(b"HTTP/1.1 400 Bad Request", [cut], batch=batch)
    assert seen.plain is not None
    assert (seen.plain.data, seen.plain.packet) == (b"HTTP/1.1 400 Bad Request", 4)


@pytest.mark.parametrize("start", [b"\x16", b"\x16\x03", b"\x15\x03\x03", b"\x80\x2e"])
def test_the_first_bytes_of_a_record_alone_are_not_called_plain_text(start: bytes) -> None:
    seen = read(start)
    assert (seen.plain, seen.is_tls) == (None, False)


@pytest.mark.parametrize("batch", [1, None])
def test_tls_behind_the_single_letter_by_which_a_database_agrees_to_it_is_found(batch: int | None) -> None:
    request = bytes.fromhex("0000000804d2162f")
    talk = Dialogue().open().client(request).server(b"S").client(record(HANDSHAKE, HELLO)).server(FLIGHT)
    flows = tls_flows(talk.frames, batch=batch)
    ours, theirs = records(flows, CLIENT), records(flows, SERVER)
    assert (types(ours), types(theirs)) == ([CLIENT_HELLO], [SERVER_HELLO, CERTIFICATE, DONE])
    assert (ours.begins, theirs.begins) == (8, 1)
    assert theirs.plain is not None
    assert theirs.plain.data == b"S"


def test_of_long_plain_text_the_beginning_is_kept() -> None:
    text = b"220 ready\r\n" * 300
    seen = read(text, [100, 700, 2000])
    assert seen.plain is not None
    assert text.startswith(seen.plain.data)
    assert len(seen.plain.data) == 512


@pytest.mark.parametrize("batch", [1, 2, None])
def test_tls_after_a_dialogue_in_plain_text_is_found(batch: int | None) -> None:
    client = [b"EHLO gateway\r\n", b"STARTTLS\r\n", record(HANDSHAKE, HELLO)]
    server = [b"220 mail ready\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"220 go ahead\r\n", FLIGHT]
    talk = Dialogue().open().server(server[0])
    for ask, answer in zip(client, server[1:], strict=True):
        talk.client(ask).server(answer)
    flows = tls_flows(talk.frames, batch=batch)
    ours, theirs = records(flows, CLIENT), records(flows, SERVER)
    assert (types(ours), types(theirs)) == ([CLIENT_HELLO], [SERVER_HELLO, CERTIFICATE, DONE])
    assert ours.begins == len(client[0] + client[1])
    assert ours.plain is not None
    assert ours.plain.data == client[0] + client[1]
    assert theirs.plain is not None
    assert theirs.plain.data == b"".join(server[:3])


def test_tls_after_much_plain_text_is_found() -> None:
    talk = Dialogue().open()
    for _ in range(300):
        talk.client(b"NOOP\r\n").server(b"250 OK\r\n")
    flows = tls_flows(talk.client(record(HANDSHAKE, HELLO)).server(FLIGHT).frames, batch=50)
    assert types(records(flows, CLIENT)) == [CLIENT_HELLO]
    assert types(records(flows, SERVER)) == [SERVER_HELLO, CERTIFICATE, DONE]


def test_plain_text_that_looks_like_data_records_is_no_tls() -> None:
    assert not read(b"hello there, " + record(DATA, bytes(20)), [13]).is_tls


def test_a_hole_inside_application_data_does_no_harm() -> None:
    body = bytes(2000)
    stream = record(HANDSHAKE, HELLO) + record(DATA, body) + UNKNOWN_CA
    start = 5 + len(HELLO) + 5 + 500
    pieces = segments_of(stream, [start, start + 1000])
    del pieces[1]
    seen = records(tls_flows(Dialogue().open().frames + pieces), CLIENT)
    assert (seen.application_bytes, [a.description for a in seen.alerts], seen.lost) == (2000, [48], [])


def test_a_hole_inside_a_message_is_remembered_with_its_size_and_what_came_before_is_kept() -> None:
    stream = record(HANDSHAKE, ANSWER) + record(HANDSHAKE, CHAIN) + record(HANDSHAKE, message(DONE, b""))
    start = 5 + len(ANSWER) + 5 + 200
    pieces = segments_of(stream, [start, start + 300])
    del pieces[1]
    seen = records(tls_flows(Dialogue().open().frames + pieces), CLIENT)
    assert [(hole.position, hole.size, hole.packet) for hole in seen.lost] == [(start, 300, 4)]
    assert [(m.type, m.complete) for m in seen.messages] == [(SERVER_HELLO, True), (CERTIFICATE, False), (DONE, True)]
    assert seen.messages[1].body == CHAIN[4:200]
    assert seen.messages[1].length == len(CHAIN) - 4


def test_after_a_hole_over_a_record_header_reading_goes_on_at_a_segment_that_begins_with_a_record() -> None:
    stream = record(HANDSHAKE, ANSWER) + record(HANDSHAKE, CHAIN) + UNKNOWN_CA
    header = 5 + len(ANSWER)
    pieces = segments_of(stream, [header - 10, header + 10, len(stream) - len(UNKNOWN_CA)])
    del pieces[1]
    seen = records(tls_flows(Dialogue().open().frames + pieces), CLIENT)
    assert [hole.size for hole in seen.lost] == [20]
    assert [a.description for a in seen.alerts] == [48]


def test_a_stream_that_ends_in_a_record_says_how_much_of_it_was_there() -> None:
    stream = record(HANDSHAKE, ANSWER) + record(HANDSHAKE, CHAIN)
    seen = read(stream[:-100])
    assert seen.unfinished == (HANDSHAKE, len(CHAIN), len(CHAIN) - 100)
    assert [(m.type, m.complete) for m in seen.messages] == [(SERVER_HELLO, True), (CERTIFICATE, False)]


def test_bytes_that_are_no_record_are_told_with_their_place() -> None:
    stream = record(HANDSHAKE, HELLO) + b"\xff" * 60
    seen = read(stream)
    assert seen.damaged is not None
    assert (seen.damaged.type, seen.damaged.position, seen.damaged.packet) == (0xFF, len(stream) - 60, 4)


def test_a_message_that_claims_megabytes_is_not_waited_for() -> None:
    seen = read(record(HANDSHAKE, HELLO) + record(HANDSHAKE, b"\x0b\xff\xff\xff" + bytes(50)) + UNKNOWN_CA)
    assert types(seen) == [CLIENT_HELLO]
    assert seen.damaged is not None
    assert [a.description for a in seen.alerts] == [48]


def test_a_connection_seen_from_the_middle_is_found_at_a_segment_that_begins_with_a_record() -> None:
    stream = bytes(range(200)) + record(DATA, bytes(80)) + UNKNOWN_CA
    seen = read(stream, [200, 285], opened=False)
    assert (seen.application_count, [a.description for a in seen.alerts]) == (1, [48])


def test_endless_messages_and_alerts_are_bounded() -> None:
    many = record(HANDSHAKE, HELLO) + record(HANDSHAKE, message(0, b"") * 4000) * 3 + UNKNOWN_CA * 3000
    seen = read(many + record(CCS, b"\x01") * 3000, [10_000, 20_000, 40_000])
    assert len(seen.messages) <= 512
    assert len(seen.alerts) <= 64
    assert len(seen.change_cipher_spec) <= 64


def test_a_fin_does_not_belong_to_the_records() -> None:
    talk = Dialogue().open().client(record(HANDSHAKE, HELLO), flags=FIN | ACK)
    assert types(records(tls_flows(talk.frames), CLIENT)) == [CLIENT_HELLO]


pieces_of_tls = st.one_of(
    st.binary(max_size=80),
    st.builds(record, st.integers(18, 26), st.binary(max_size=60), st.sampled_from([0x0300, 0x0303, 0x0304, 0x0305])),
    st.sampled_from([record(HANDSHAKE, HELLO), FLIGHT, UNKNOWN_CA, record(CCS, b"\x01"), record(DATA, bytes(50))]),
)


@given(parts=st.lists(pieces_of_tls, max_size=8), data=st.data(), opened=st.booleans())
@settings(max_examples=100)
def test_any_bytes_in_any_segments_are_read_without_a_fault(
    parts: list[bytes], data: st.DataObject, opened: bool
) -> None:
    stream = b"".join(parts)
    if not stream:
        return
    cuts = sorted(data.draw(st.sets(st.integers(0, len(stream)), max_size=8)))
    frames = [frame for frame in segments_of(stream, cuts) if data.draw(st.integers(0, 9))]
    frames += [tcp(SERVER, CLIENT, b"answer", seq=9001, ack=1001)]
    flows = tls_flows(
        (Dialogue().open().frames if opened else []) + frames, batch=data.draw(st.sampled_from([1, 3, None]))
    )
    for key in flows.streams:
        seen = flows.streams[key].consumer.finish()  # type: ignore[attr-defined]
        assert all(m.complete == (len(m.body) == m.length) or m.sslv2 for m in seen.messages)
        assert all(a.length >= 0 for a in seen.alerts)
        assert [m.packet for m in seen.messages] == sorted(m.packet for m in seen.messages)
