"""SSL 2.0 is recognised and not followed: a session that came to its end is no failed handshake."""

import io

import pytest

from analyzer import analyze
from tests.packets import ACK, FIN, Dialogue, pcap

HELLO = b"\x01\x00\x02\x00\x03\x00\x00\x00\x10\x07\x00\xc0" + b"challenge-16-oct"
ANSWER = b"\x04\x00\x01\x00\x02\x00\x04\x00\x03\x00\x10" + b"CERT\x07\x00\xc0" + b"connection-id-16"
MASTER_KEY = b"\x02\x07\x00\xc0" + b"k" * 60


def record(body: bytes) -> bytes:
    return (0x8000 | len(body)).to_bytes(2, "big") + body


def outcome(*, ends: bool, answer: bytes = ANSWER) -> tuple[str, str | None]:
    talk = Dialogue().open().client(record(HELLO)).server(record(answer)).client(record(MASTER_KEY))
    if ends:
        talk = (
            talk.server(record(b"v" * 33)).client(record(b"f" * 33)).server(record(b"F" * 33)).client(record(b"d" * 50))
        )
    frames = talk.client(flags=FIN | ACK).frames
    (found,) = analyze(io.BytesIO(pcap(frames))).connections
    return found.outcome, None if found.cause is None else found.cause.code


def test_a_session_whose_server_finished_is_completed() -> None:
    assert outcome(ends=True) == ("completed", None)


def test_a_session_that_ends_before_that_is_incomplete() -> None:
    assert outcome(ends=False) == ("incomplete", None)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x04\x02" + ANSWER[2:]])
def test_other_bytes_in_answer_are_no_tls(answer: bytes) -> None:
    assert outcome(ends=False, answer=answer)[1] == "not-tls"
