"""Key logs: what is read of them, what is passed over, and what is said of lines that are none."""

from __future__ import annotations

import os
from mmap import ACCESS_READ, mmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.tls.keylog import KeyLog, Secrets

ONE, OTHER = bytes(range(32)), bytes(range(32, 64))
MASTER, SHORT, LONG = b"m" * 48, b"s" * 32, b"l" * 48


def line(label: str, name: bytes, secret: bytes) -> bytes:
    return f"{label} {name.hex()} {secret.hex()}\n".encode()


def log(*texts: bytes) -> KeyLog:
    found = KeyLog()
    for number, text in enumerate(texts):
        found.add(text, f"log {number}")
    return found


@pytest.mark.parametrize(
    ("label", "secret", "field"),
    [
        ("CLIENT_RANDOM", MASTER, "master"),
        ("PMS_CLIENT_RANDOM", b"p" * 20, "pre_master"),
        ("CLIENT_EARLY_TRAFFIC_SECRET", SHORT, "client_early"),
        ("CLIENT_HANDSHAKE_TRAFFIC_SECRET", SHORT, "client_handshake"),
        ("SERVER_HANDSHAKE_TRAFFIC_SECRET", LONG, "server_handshake"),
        ("CLIENT_TRAFFIC_SECRET_0", LONG, "client_application"),
        ("SERVER_TRAFFIC_SECRET_0", SHORT, "server_application"),
    ],
)
def test_each_label_gives_its_secret(label: str, secret: bytes, field: str) -> None:
    found = log(line(label, ONE, secret))
    assert found.secrets(ONE) == Secrets(**{field: secret})
    assert ONE in found
    assert OTHER not in found
    assert found.secrets(OTHER) is None
    assert found.problems == []


def test_an_rsa_line_is_found_by_the_encrypted_pre_master_secret() -> None:
    found = log(line("RSA", ONE[:8], MASTER))
    assert found.pre_master_secret(ONE + bytes(200)) == MASTER
    assert found.pre_master_secret(OTHER) is None
    assert found.secrets(ONE) is None


@pytest.mark.parametrize("label", ["EXPORTER_SECRET", "ECH_SECRET", "ECH_CONFIG", "CLIENT_TRAFFIC_SECRET_1", "NEW"])
def test_labels_that_open_nothing_are_passed_over(label: str) -> None:
    found = log(line(label, ONE, b"x" * 77) + line("CLIENT_RANDOM", OTHER, MASTER))
    assert found.secrets(ONE) is None
    assert found.problems == []


@pytest.mark.parametrize(
    "text",
    [
        line("CLIENT_RANDOM", ONE, MASTER).replace(b"\n", b"\r\n"),
        f"CLIENT_RANDOM {ONE.hex().upper()} {MASTER.hex().upper()}\n".encode(),
        line("CLIENT_RANDOM", ONE, MASTER).rstrip(),
        b"\xef\xbb\xbf" + line("CLIENT_RANDOM", ONE, MASTER),
        b"  " + line("CLIENT_RANDOM", ONE, MASTER).replace(b" ", b"\t "),
        b"# comment\n\n \r\n#\n" + line("CLIENT_RANDOM", ONE, MASTER),
        line("CLIENT_RANDOM", ONE, MASTER) * 3,
        line("CLIENT_RANDOM", ONE, MASTER) + line("CLIENT_RANDOM", OTHER, MASTER)[:100],
        line("CLIENT_RANDOM", ONE, MASTER) + line("CLIENT_RANDOM", OTHER, MASTER)[:-2],
    ],
    ids=["CRLF", "upper case", "no end of line", "BOM", "blanks", "comments", "three times", "cut", "cut by a digit"],
)
def test_what_real_logs_look_like_is_no_problem(text: bytes) -> None:
    found = log(text)
    assert found.secrets(ONE) == Secrets(master=MASTER)
    assert found.problems == []


def test_lines_that_are_none_are_one_problem_with_their_numbers() -> None:
    good = line("CLIENT_RANDOM", ONE, MASTER)
    short = line("CLIENT_RANDOM", OTHER, MASTER[:20])
    found = log(b"# begin\n" + good + b"\x1b[31mnonsense\n\n" + short + good + b"x\n" * 9)
    assert found.secrets(ONE) == Secrets(master=MASTER)
    (problem,) = found.problems
    assert problem.code == "damaged-key-log"
    assert problem.text == "11 lines (numbers 3, 5, 7, 8, 9, ...) are no line of a key log; the others were used"


def test_one_line_that_is_none_is_named() -> None:
    found = log(line("CLIENT_RANDOM", ONE, MASTER) + b"nonsense\n")
    assert [problem.text for problem in found.problems] == ["line 2 is no line of a key log; the others were used"]


@pytest.mark.parametrize("text", [b"", b"# only a comment\n", b"-----BEGIN CERTIFICATE-----\n", os.urandom(1000)])
def test_a_file_without_a_secret_is_said_to_be_so(text: bytes) -> None:
    found = log(text)
    assert [problem.code for problem in found.problems] == ["empty-key-log"]
    assert not len(found)


def test_several_logs_are_one() -> None:
    found = log(
        line("CLIENT_HANDSHAKE_TRAFFIC_SECRET", ONE, SHORT),
        line("CLIENT_RANDOM", OTHER, MASTER) + line("SERVER_HANDSHAKE_TRAFFIC_SECRET", ONE, SHORT),
    )
    assert found.secrets(ONE) == Secrets(client_handshake=SHORT, server_handshake=SHORT)
    assert found.secrets(OTHER) == Secrets(master=MASTER)


def test_the_last_of_several_secrets_counts() -> None:
    found = log(line("CLIENT_RANDOM", ONE, b"a" * 48), line("CLIENT_RANDOM", ONE, b"b" * 48))
    assert found.secrets(ONE) == Secrets(master=b"b" * 48)


def test_client_randoms_that_begin_alike_are_told_apart() -> None:
    alike = ONE[:8] + bytes(24)
    found = log(line("CLIENT_RANDOM", ONE, MASTER) + line("CLIENT_RANDOM", alike, b"a" * 48))
    assert found.secrets(ONE) == Secrets(master=MASTER)
    assert found.secrets(alike) == Secrets(master=b"a" * 48)


def test_a_log_may_lie_in_a_mapped_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_bytes(b"nonsense\n" + line("CLIENT_RANDOM", ONE, MASTER))
    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as data:
        found = log(line("CLIENT_RANDOM", OTHER, MASTER))
        found.add(data, "mapped")
        assert found.secrets(ONE) == Secrets(master=MASTER)
        assert [problem.source for problem in found.problems] == ["mapped"]


@given(
    st.binary(max_size=400) | st.lists(st.sampled_from([b"CLIENT_RANDOM", b" ", b"00" * 32, b"0", b"\n"])).map(b"".join)
)
def test_any_bytes_are_read(text: bytes) -> None:
    found = log(text, line("CLIENT_RANDOM", ONE, MASTER))
    assert found.secrets(ONE) == Secrets(master=MASTER)


@given(st.lists(st.tuples(st.binary(min_size=32, max_size=32), st.binary(min_size=48, max_size=48)), max_size=20))
def test_every_secret_of_a_log_is_found(pairs: list[tuple[bytes, bytes]]) -> None:
    found = log(b"".join(line("CLIENT_RANDOM", name, secret) for name, secret in pairs))
    for name, secret in dict(pairs).items():
        assert found.secrets(name) == Secrets(master=secret)
