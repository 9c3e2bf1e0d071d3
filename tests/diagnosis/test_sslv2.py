"""SSL 2.0 is recognised and not followed: a session that came to its end is no failed handshake."""

import io
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from analyzer import analyze
from analyzer.report.model import Connection
from tests.packets import ACK, FIN, Dialogue, pcap

HELLO = b"\x01\x00\x02\x00\x03\x00\x00\x00\x10\x07\x00\xc0" + b"challenge-16-oct"
ANSWER = b"\x04\x00\x01\x00\x02\x00\x04\x00\x03\x00\x10" + b"CERT\x07\x00\xc0" + b"connection-id-16"
MASTER_KEY = b"\x02\x07\x00\xc0" + b"k" * 60


def record(body: bytes) -> bytes:
    return (0x8000 | len(body)).to_bytes(2, "big") + body


def connection(*, ends: bool, answer: bytes = ANSWER) -> Connection:
    talk = Dialogue().open().client(record(HELLO)).server(record(answer)).client(record(MASTER_KEY))
    if ends:
        talk = (
            talk.server(record(b"v" * 33)).client(record(b"f" * 33)).server(record(b"F" * 33)).client(record(b"d" * 50))
        )
    frames = talk.client(flags=FIN | ACK).frames
    (found,) = analyze(io.BytesIO(pcap(frames))).connections
    return found


def outcome(*, ends: bool, answer: bytes = ANSWER) -> tuple[str, str | None]:
    found = connection(ends=ends, answer=answer)
    return found.outcome, None if found.cause is None else found.cause.code


def test_a_session_whose_server_finished_is_completed() -> None:
    assert outcome(ends=True) == ("completed", None)


def test_a_session_that_ends_before_that_is_incomplete() -> None:
    assert outcome(ends=False) == ("incomplete", None)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x04\x02" + ANSWER[2:]])
def test_other_bytes_in_answer_are_no_tls(answer: bytes) -> None:
    assert outcome(ends=False, answer=answer)[1] == "not-tls"


def test_the_version_and_the_certificate_stand_in_its_answer() -> None:
    root = Path(__file__).resolve().parents[2] / "captures/stores/with-root"
    pem = next(path for path in sorted(root.iterdir()) if path.suffix == ".pem")
    der = subprocess.run(["openssl", "x509", "-in", pem, "-outform", "DER"], capture_output=True, check=True).stdout
    answer = b"\x04\x00\x01\x00\x02" + len(der).to_bytes(2, "big") + ANSWER[7:11] + der + ANSWER[15:]
    found = connection(ends=True, answer=answer)
    assert found.tls is not None
    assert (found.tls.version, found.tls.ja3s, found.outcome) == ("SSL 2.0", None, "completed")
    assert [certificate.sha256 for certificate in found.server_chain] == [sha256(der).hexdigest()]
    assert [entry.what for entry in found.timeline if entry.packet == 6] == [
        "records of SSL 2.0, which are not followed"
    ]


def test_an_answer_whose_lengths_do_not_add_up_is_told_as_malformed() -> None:
    found = connection(ends=False, answer=ANSWER[:5] + b"\xff\xff" + ANSWER[7:])
    assert found.tls is not None
    assert (found.outcome, found.tls.version, found.server_chain) == ("incomplete", None, ())
