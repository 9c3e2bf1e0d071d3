"""Decrypting connections: every family of suites against what tshark opens, missing and wrong keys, holes, noise."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.capture import CaptureReader
from analyzer.errors import InputError
from analyzer.registry import ContentType, HandshakeType
from analyzer.tls import messages
from analyzer.tls.decryption import Decrypted, Direction, Result, Sealed, decrypt
from analyzer.tls.keylog import TLS_KEY_LOG, KeyLog
from analyzer.tls.messages import Certificate
from analyzer.tls.records import Lost, RawMessage
from analyzer.tls.rsa import ServerKey, server_keys
from tests.packets import run, tshark
from tests.tls.sealed import Dialogue, dialogues, only, shown

DATA = Path(__file__).parent / "data" / "decryption"
RECORDED: dict[str, dict[str, Any]] = {e["name"]: e for e in json.loads((DATA / "manifest.json").read_text())}


def log_of(*files: Path) -> KeyLog:
    log = KeyLog()
    for file in files:
        log.add(file.read_bytes(), file.name)
    return log


def recording(name: str) -> tuple[KeyLog, Dialogue]:
    return log_of(DATA / f"{name}.keys"), only(DATA / f"{name}.pcap")


def opened(name: str) -> Decrypted:
    log, dialogue = recording(name)
    return decrypt(log, dialogue.client, dialogue.server)


def types(messages_: Sequence[RawMessage]) -> list[int]:
    return [message.type for message in messages_]


MISSED_BY_TSHARK: dict[tuple[str, str], set[tuple[int, int | None]]] = {
    # It takes the Finished of post-handshake authentication for a change of keys, and opens nothing behind it.
    ("tls13-post-handshake-authentication", "client"): {(14, 0)},
}


@pytest.mark.parametrize("name", RECORDED, ids=lambda name: f"{name}: {RECORDED[name]['shows']}")
def test_a_recording_opens_as_tshark_opens_it(name: str) -> None:
    log, dialogue = recording(name)
    found = decrypt(log, dialogue.client, dialogue.server)
    assert found.result is Result.OPENED
    for side, clear, plain in (("client", dialogue.client, found.client), ("server", dialogue.server, found.server)):
        frames = [frame for frame in RECORDED[name]["frames"] if frame["from"] == side]
        handshake = sorted((frame["frame"], kind) for frame in frames for kind in frame["handshake"])
        alerts = {(frame["frame"], alert) for frame in frames for alert in frame["alerts"]} - dialogue.in_clear
        assert shown(clear, plain) == (handshake, sorted(alerts | MISSED_BY_TSHARK.get((name, side), set())))
        assert plain.failed == ()
        assert all(message.complete for message in plain.messages)


def test_the_recordings_show_every_form_of_suite() -> None:
    assert {"ccm8", "chacha20", "null", "rc4", "3des", "camellia"} <= {name.split("-")[1] for name in RECORDED}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pcapng-with-secrets", *(f"tls13-{rest}" for rest in (
    "client-cert-missing-go", "missing-root-gnutls", "missing-root-java", "missing-root-nginx-proxy",
    "missing-root-node", "missing-root-openssl", "success",
))])  # fmt: skip
def test_the_recorded_captures_open_as_tshark_opens_them(captures: Path, name: str) -> None:
    capture = next(captures.glob(f"{name}.pcap*"))
    keys = captures / f"{name}.keys"
    fields = ("frame.number", "tcp.srcport", "tls.handshake.type", "tls.alert_message.desc", "tcp.dstport")
    rows = tshark(capture, *fields, options=["-E", "occurrence=a", "-o", f"tls.keylog_file:{keys}"])
    (dialogue,) = [d for d in dialogues(capture) if d.client.messages]
    found = decrypt(log_of(keys), dialogue.client, dialogue.server)
    assert found.result is Result.OPENED
    mine: list[tuple[int, int]] = []
    told: list[tuple[int, int | None]] = []
    for clear, plain in ((dialogue.client, found.client), (dialogue.server, found.server)):
        handshake, alerts = shown(clear, plain)
        mine += handshake
        told += alerts
    theirs = [(int(row[0]), int(kind)) for row in rows for kind in row[2].split(",") if kind]
    assert sorted(mine) == sorted(theirs)
    theirs_told = {(int(row[0]), int(alert)) for row in rows for alert in row[3].split(",") if alert}
    assert set(told) == theirs_told - dialogue.in_clear


def test_the_secrets_in_a_capture_are_a_key_log(captures: Path) -> None:
    capture = captures / "pcapng-with-secrets.pcapng"
    reader = CaptureReader([capture])
    for _ in reader.batches():
        pass
    log = KeyLog()
    for secrets in reader.secrets:
        assert secrets.kind == TLS_KEY_LOG
        log.add(secrets.data, capture.name)
    (dialogue,) = dialogues(capture)
    found = decrypt(log, dialogue.client, dialogue.server)
    (chain,) = [m for m in found.server.messages if m.type == HandshakeType.CERTIFICATE]
    certificate = messages.parse(chain.type, chain.body, version=0x0304)
    assert isinstance(certificate, Certificate)
    assert certificate.chain


def test_the_true_types_of_records_are_told() -> None:
    _, dialogue = recording("tls13-key-update")
    found = opened("tls13-key-update")
    assert set(found.client.types) == {r.position for r in dialogue.client.records if isinstance(r, Sealed)}
    assert list(found.client.types.values()).count(ContentType.APPLICATION_DATA) == 2
    assert list(found.client.types.values()).count(ContentType.ALERT) == 1


def test_early_data_is_application_data_before_the_end_of_early_data() -> None:
    found = opened("tls13-early-data")
    assert next(iter(found.client.types.values())) == ContentType.APPLICATION_DATA
    assert types(found.client.messages) == [HandshakeType.END_OF_EARLY_DATA, HandshakeType.FINISHED]


def test_a_renegotiation_takes_its_keys_from_hellos_that_are_themselves_protected() -> None:
    found = opened("tls12-renegotiation")
    assert types(found.client.messages).count(HandshakeType.FINISHED) == 2
    assert types(found.server.messages).count(HandshakeType.FINISHED) == 2


def test_a_renegotiation_without_its_second_secret_opens_up_to_there() -> None:
    log, dialogue = recording("tls12-renegotiation")
    first = dialogue.client.messages[0].body[2:34]
    lines = (DATA / "tls12-renegotiation.keys").read_bytes().splitlines(keepends=True)
    log = KeyLog()
    log.add(b"".join(line for line in lines if first.hex().encode() in line), "half")
    found = decrypt(log, dialogue.client, dialogue.server)
    assert types(found.client.messages) == [20, 1, 16]
    assert types(found.server.messages) == [20, 2, 11, 12, 14, 4]


RSA_KEYS = ["tls12-rsa", "tls11-rsa", "tls12-rsa-old-master-secret"]


@pytest.fixture(scope="module")
def private_key() -> tuple[ServerKey, ...]:
    return server_keys((DATA / "rsa.key").read_bytes(), "rsa.key")


@pytest.mark.parametrize("name", RSA_KEYS)
def test_the_servers_key_opens_rsa_key_exchange(name: str, private_key: tuple[ServerKey, ...]) -> None:
    log, dialogue = recording(name)
    assert decrypt(KeyLog(), dialogue.client, dialogue.server, private_key) == decrypt(
        log, dialogue.client, dialogue.server
    )


@pytest.mark.parametrize("name", ["tls12-rsa", "tls11-rsa"])
def test_an_rsa_line_of_the_log_opens_rsa_key_exchange(name: str) -> None:
    # OpenSSL's client writes both lines.
    log, dialogue = recording(name)
    whole = (DATA / f"{name}.keys").read_bytes().splitlines(keepends=True)
    alone = KeyLog()
    alone.add(b"".join(line for line in whole if line.startswith(b"RSA ")), "RSA lines")
    assert decrypt(alone, dialogue.client, dialogue.server) == decrypt(log, dialogue.client, dialogue.server)


def test_a_logged_pre_master_secret_opens(private_key: tuple[ServerKey, ...]) -> None:
    log, dialogue = recording("tls12-rsa")
    (exchange,) = [m for m in dialogue.client.messages if m.type == HandshakeType.CLIENT_KEY_EXCHANGE]
    secret = private_key[0].pre_master_secret(exchange.body[2:], (0x0303,))
    assert secret is not None
    random = dialogue.client.messages[0].body[2:34]
    alone = KeyLog()
    alone.add(f"PMS_CLIENT_RANDOM {random.hex()} {secret.hex()}\n".encode(), "pre-master secret")
    assert decrypt(alone, dialogue.client, dialogue.server) == decrypt(log, dialogue.client, dialogue.server)


def test_the_key_of_another_server_opens_nothing(tmp_path: Path) -> None:
    run("openssl", "genrsa", "-out", tmp_path / "other.key", "2048")
    other = server_keys((tmp_path / "other.key").read_bytes(), "other.key")
    _, dialogue = recording("tls12-rsa")
    found = decrypt(KeyLog(), dialogue.client, dialogue.server, other)
    assert found.result is Result.NO_KEYS
    assert found.client.types == found.server.types == {}


def test_keys_are_read_from_pem_and_der_with_and_without_a_password(tmp_path: Path) -> None:
    key, der, locked = DATA / "rsa.key", tmp_path / "key.der", tmp_path / "locked.pem"
    run("openssl", "rsa", "-in", key, "-outform", "DER", "-out", der)
    run("openssl", "pkcs8", "-topk8", "-in", key, "-passout", "pass:sesame", "-out", locked)
    _, dialogue = recording("tls12-rsa")
    for data, password in ((der.read_bytes(), None), (locked.read_bytes(), "sesame"), (key.read_bytes() * 2, "unused")):
        found = decrypt(KeyLog(), dialogue.client, dialogue.server, server_keys(data, "a key", password))
        assert found.result is Result.OPENED


@pytest.mark.parametrize(
    ("made", "password", "reason"),
    [
        (lambda _: b"", None, "holds no private key"),
        (lambda _: b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None, "holds no private key"),
        (lambda f: output(f, "pkcs8", "-topk8", "-in", DATA / "rsa.key", "-passout", "pass:a"), None, "is encrypted"),
        (
            lambda f: output(f, "pkcs8", "-topk8", "-in", DATA / "rsa.key", "-passout", "pass:a"),
            "b",
            "password is wrong",
        ),
        (lambda f: output(f, "ecparam", "-name", "prime256v1", "-genkey"), None, "is an RSA key"),
    ],
    ids=["nothing", "no key", "no password", "wrong password", "another kind"],
)
def test_a_file_without_a_usable_key_is_refused(
    tmp_path: Path, made: Callable[[Path], bytes], password: str | None, reason: str
) -> None:
    with pytest.raises(InputError, match=reason):
        server_keys(made(tmp_path / "key"), "a key", password)


def output(file: Path, *words: str | Path) -> bytes:
    run("openssl", *words, "-out", file)
    return file.read_bytes()


@pytest.mark.parametrize("name", [name for name in RECORDED if name != "tls12-null"])
def test_without_a_secret_that_is_what_is_said(name: str) -> None:
    _, dialogue = recording(name)
    found = decrypt(KeyLog(), dialogue.client, dialogue.server)
    assert found.result is Result.NO_KEYS
    assert found.client.messages == found.server.messages == ()


def test_a_suite_that_encrypts_nothing_is_read_without_a_secret() -> None:
    _, dialogue = recording("tls12-null")
    assert decrypt(KeyLog(), dialogue.client, dialogue.server) == opened("tls12-null")


@pytest.mark.parametrize("name", [name for name in RECORDED if name != "tls12-null"])
def test_a_wrong_secret_opens_nothing_and_is_said_not_to_fit(name: str) -> None:
    lines = (DATA / f"{name}.keys").read_text().split("\n")
    wrong = KeyLog()
    wrong.add("\n".join(f"{line[:-32]}{'0' * 32}" if line else "" for line in lines).encode(), "wrong")
    _, dialogue = recording(name)
    found = decrypt(wrong, dialogue.client, dialogue.server)
    assert found.result is Result.DOES_NOT_FIT
    assert found.client.types == found.server.types == {}
    assert found.server.failed


def test_the_secrets_of_one_side_open_that_side() -> None:
    _, dialogue = recording("tls13-server-wants-certificate")
    lines = (DATA / "tls13-server-wants-certificate.keys").read_bytes().splitlines(keepends=True)
    log = KeyLog()
    log.add(b"".join(line for line in lines if line.startswith(b"SERVER")), "server's half")
    found = decrypt(log, dialogue.client, dialogue.server)
    assert found.result is Result.OPENED
    assert types(found.server.messages) == [8, 13, 11, 15, 20]
    assert [alert.description for alert in found.server.alerts] == [116]
    assert found.client.messages == ()


def test_without_a_server_hello_nothing_can_be_opened() -> None:
    log, dialogue = recording("tls13-retry")
    found = decrypt(log, dialogue.client, Direction((), dialogue.server.records))
    assert found.result in {Result.NOTHING_SEALED, Result.DOES_NOT_FIT}
    assert found.server.types == {}


CHANGE = (ContentType.CHANGE_CIPHER_SPEC, 1)
WHOLE = [
    name
    for name in RECORDED
    if name not in {"tls13-key-update", "tls12-renegotiation", "tls12-rc4", "tls10-cbc", "tls10-cbc-encrypt-then-mac"}
]


@pytest.mark.parametrize("name", WHOLE)
def test_the_last_alert_opens_though_the_records_before_it_were_stepped_over(name: str) -> None:
    log, dialogue = recording(name)
    whole = decrypt(log, dialogue.client, dialogue.server)
    for number, plain in enumerate((whole.client, whole.server)):
        direction = (dialogue.client, dialogue.server)[number]
        if not plain.alerts:
            continue
        records = [
            record
            if record is direction.records[-1] or (record.type, record.length) == CHANGE
            else record._replace(body=b"")
            for record in direction.records
            if isinstance(record, Sealed)
        ]
        parts = [dialogue.client, dialogue.server]
        parts[number] = Direction(direction.messages, records)
        again = decrypt(log, parts[0], parts[1])
        assert (again.client, again.server)[number].alerts == plain.alerts


@pytest.mark.parametrize("name", ["tls12-rc4", "tls10-cbc", "tls10-cbc-encrypt-then-mac"])
def test_a_chained_suite_goes_on_behind_a_record_whose_end_is_kept(name: str) -> None:
    log, dialogue = recording(name)
    records = [
        record if record.type != ContentType.HANDSHAKE else record._replace(body=record.body[-36:])
        for record in dialogue.client.records
        if isinstance(record, Sealed)
    ]
    found = decrypt(log, Direction(dialogue.client.messages, records), dialogue.server)
    assert [alert.description for alert in found.client.alerts] == [0]


@pytest.mark.parametrize("name", WHOLE)
def test_the_last_alert_opens_behind_a_hole(name: str) -> None:
    log, dialogue = recording(name)
    changes = [r for r in dialogue.server.records if isinstance(r, Sealed) and (r.type, r.length) == CHANGE]
    last = dialogue.server.records[-1]
    records = [*changes, Lost(0, 3000, 1), last]
    found = decrypt(log, dialogue.client, Direction(dialogue.server.messages, records))
    whole = decrypt(log, dialogue.client, dialogue.server)
    assert found.server.alerts == whole.server.alerts


def test_a_message_that_a_hole_cuts_is_told_as_incomplete() -> None:
    log, dialogue = recording("tls13-ccm8")
    kinds = opened("tls13-ccm8").server.messages
    assert types(kinds) == [8, 13, 11, 15, 20, 4, 4]
    first = dialogue.server.records[0]
    assert isinstance(first, Sealed)
    found = decrypt(log, dialogue.client, Direction(dialogue.server.messages, [first, Lost(9, 1000, 5)]))
    assert all(message.complete for message in found.server.messages)


def test_the_order_of_packets_does_not_matter() -> None:
    log, dialogue = recording("tls12-renegotiation")
    late = [
        record._replace(packet=record.packet + 100) for record in dialogue.client.records if isinstance(record, Sealed)
    ]
    found = decrypt(log, Direction(dialogue.client.messages, late), dialogue.server)
    assert types(found.server.messages) == types(opened("tls12-renegotiation").server.messages)


def test_compression_is_undone() -> None:
    # No stack of today compresses; the zlib stream runs through all records of a direction (RFC 3749).
    import zlib

    from analyzer.tls.decryption import _Inflate

    state, inflate = zlib.compressobj(), _Inflate()
    for content in (b"\x14\0\0\x0c" + bytes(12), b"\1\0"):
        assert inflate.take(state.compress(content) + state.flush(zlib.Z_SYNC_FLUSH)) == content
    bomb = zlib.compressobj()
    assert len(_Inflate().take(bomb.compress(bytes(1 << 24)) + bomb.flush()) or b"") <= 1 << 14
    assert _Inflate().take(b"no zlib") is None


SEALED = st.builds(
    Sealed,
    type=st.sampled_from([20, 21, 22, 23, 24]),
    version=st.sampled_from([0x0300, 0x0301, 0x0303]),
    length=st.integers(0, 40),
    body=st.binary(max_size=40),
    first_packet=st.just(1),
    packet=st.integers(1, 9),
    time_ns=st.just(0),
    position=st.integers(0, 99),
    records=st.integers(1, 9),
)
ANY_RECORDS = st.lists(
    SEALED | SEALED.map(lambda r: r._replace(length=len(r.body))) | st.just(Lost(0, 99, 1)), max_size=6
)


@given(
    st.sampled_from(sorted(RECORDED)),
    ANY_RECORDS,
    ANY_RECORDS,
    st.integers(0, 65535),
    st.sampled_from([0x0300, 0x0301, 0x0303, 0x0304]),
)
def test_no_records_raise_whatever_suite_and_version_the_hellos_name(
    name: str, client: list[Sealed | Lost], server: list[Sealed | Lost], suite: int, version: int
) -> None:
    log, dialogue = recording(name)
    changed = []
    for message in dialogue.server.messages:
        body = message.body
        if message.type == HandshakeType.SERVER_HELLO:
            at = 35 + body[34]
            body = version.to_bytes(2, "big") + body[2:at] + suite.to_bytes(2, "big") + body[at + 2 :]
        changed.append(message._replace(body=body))
    decrypt(log, Direction(dialogue.client.messages, client), Direction(changed, server))
    decrypt(log, Direction(dialogue.client.messages, client), Direction(dialogue.server.messages, server))


@pytest.mark.shared
def test_the_public_captures_open_as_tshark_opens_them(shared: Path) -> None:
    folder = shared / "corpus" / "captures"
    sides = 0
    differences = []
    for truth in sorted(folder.glob("*.decrypted.truth.json")):
        capture = folder / truth.name.removesuffix(".decrypted.truth.json")
        keys = Path(f"{capture}.keys")
        if not keys.exists():
            continue
        log = log_of(keys)
        streams = {stream["stream"]: stream for stream in json.loads(truth.read_text())["streams"]}
        for dialogue in dialogues(capture):
            stream = streams.get(dialogue.stream)
            if stream is None:
                continue
            found = decrypt(log, dialogue.client, dialogue.server)
            for name, clear, plain in (("c2s", dialogue.client, found.client), ("s2c", dialogue.server, found.server)):
                handshake, alerts = shown(clear, plain)
                theirs = sorted((frame, kind) for frame, kind in stream["handshake_types"][name])
                told = {
                    (alert["frame"], alert["description"])
                    for alert in stream["frames"]["alerts"]
                    if alert["direction"] == name and alert["description"] is not None
                }
                if (handshake, alerts) != (theirs, sorted(told - dialogue.in_clear)):
                    differences.append((capture.name, dialogue.stream, name))
                sides += 1
    assert sides > 300
    assert differences == []
