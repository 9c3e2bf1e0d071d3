"""Key logs, secrets inside captures and private keys, through the whole analysis."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest

from analyzer import InputError, analyze
from analyzer.cli import main
from analyzer.registry import ContentType, HandshakeType
from analyzer.report.model import EMBEDDED_SECRETS, Connection, Report
from analyzer.tls.keylog import TLS_KEY_LOG, KeyLog
from analyzer.tls.keys import traffic_keys
from analyzer.tls.suites import suite_of
from tests.packets import FIN, Dialogue, Frame, block, enhanced, flows_of_file, interface, kept, pcap, read, section
from tests.tls.sealed import dialogues

CAPTURES = Path(__file__).resolve().parents[1] / "captures"
RECORDED = Path(__file__).parent / "tls" / "data" / "decryption"
REFUSED = CAPTURES / "tls13-missing-root-openssl.pcap"
KEYS = REFUSED.with_suffix(".keys")
STORE = CAPTURES / "stores" / "without-root"
_FILLER = bytes(12) + b"\x08\x06" + bytes(60_000)
"""A frame that is no TCP."""


def recording(name: str, **options: str | Path) -> Connection:
    (connection,) = analyze(RECORDED / f"{name}.pcap", keylog=RECORDED / f"{name}.keys", **options).connections  # type: ignore[arg-type]
    return connection


def codes(report: Report) -> list[tuple[str, str]]:
    return [(problem.code, problem.severity) for problem in report.capture.problems]


def what(connection: Connection, sender: str) -> str:
    return ", ".join(entry.what for entry in connection.timeline if entry.from_ == sender)


def test_all_handshake_messages_of_tls_13_stand_in_the_timeline() -> None:
    seen = recording("tls13-server-wants-certificate")
    assert "EncryptedExtensions, CertificateRequest" in what(seen, "server")
    assert "CertificateVerify, Finished" in what(seen, "server")
    assert "Certificate (0 certificates), Finished" in what(seen, "client")
    assert [(alert.from_, alert.description) for alert in seen.alerts][:1] == [("server", "certificate_required")]
    assert seen.cause is not None
    assert seen.cause.code == "client-cert-missing"


def test_the_client_certificate_of_a_renegotiation_is_shown() -> None:
    seen = recording("tls12-renegotiation")
    assert seen.client_chain
    assert what(seen, "client").count("Finished") == 2
    assert what(seen, "server").count("ServerHello (") == 1
    assert "HelloRetryRequest" not in what(seen, "server")
    assert seen.tls is not None
    assert seen.tls.ja3 == analyze(RECORDED / "tls12-renegotiation.pcap").connections[0].tls.ja3  # type: ignore[union-attr]


def test_the_client_certificate_that_was_asked_for_after_the_handshake_is_shown() -> None:
    seen = recording("tls13-post-handshake-authentication")
    assert seen.outcome == "completed"
    assert seen.client_chain
    assert "CertificateRequest" in what(seen, "server")


def test_early_data_is_not_taken_for_the_clients_flight() -> None:
    seen = recording("tls13-early-data")
    assert (seen.outcome, seen.stage) == ("completed", "data")
    assert "EndOfEarlyData" in what(seen, "client")


def test_an_alert_under_encryption_before_tls_13_counts_like_one_in_clear() -> None:
    seen, without = recording("tls12-aes128-gcm"), analyze(RECORDED / "tls12-aes128-gcm.pcap").connections[0]
    assert all(alert.encrypted for alert in without.alerts)
    assert {(alert.packet, alert.number) for alert in seen.alerts} == {(alert.packet, 0) for alert in without.alerts}


@pytest.mark.parametrize("name", ["tls12-rsa", "tls11-rsa", "tls12-rsa-old-master-secret"])
def test_a_servers_rsa_key_in_place_of_a_log_opens_rsa_key_exchange(name: str) -> None:
    report = analyze(RECORDED / f"{name}.pcap", keylog=RECORDED / "rsa.key")
    assert report.connections == (recording(name),)
    assert codes(report) == []
    assert all(alert.encrypted and alert.number is not None for alert in report.connections[0].alerts)


def test_a_servers_rsa_key_opens_no_other_key_exchange() -> None:
    report = analyze(REFUSED, keylog=RECORDED / "rsa.key")
    assert codes(report) == [("no-secret", "warning")]
    assert report.connections == analyze(REFUSED).connections


def test_a_compressed_certificate_is_a_chain_like_any_other(tmp_path: Path) -> None:
    capture = tmp_path / "compressed.pcap"
    capture.write_bytes(pcap(with_compressed_certificate()))
    (seen,) = analyze(capture, keylog=KEYS, truststore=STORE).connections
    (plain,) = analyze(REFUSED, keylog=KEYS, truststore=STORE).connections
    assert "CompressedCertificate" in what(seen, "server")
    assert (seen.server_chain, seen.chain_source) == (plain.server_chain, "decrypted")
    assert seen.cause is not None
    assert seen.cause.code == "missing-root"


def with_compressed_certificate() -> list[bytes]:
    """The recording with its Certificate compressed by zlib, and sealed anew."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    (dialogue,) = dialogues(REFUSED)
    log = KeyLog()
    log.add(KEYS.read_bytes(), KEYS.name)
    secrets = log.secrets(dialogue.client.messages[0].body[2:34])
    suite = suite_of(0x1302)
    assert secrets is not None
    assert secrets.server_handshake is not None
    assert suite is not None
    keys = traffic_keys(suite, secrets.server_handshake)
    aead, iv = AESGCM(keys.key), int.from_bytes(keys.iv, "big")
    flows = flows_of_file(REFUSED.read_bytes())
    ends = [(end.address, end.port) for end in (flows.table.endpoint(0, 0), flows.table.endpoint(0, 1))]
    server_end = next(end for end in ends if end[1] == 443)
    client_end = next(end for end in ends if end != server_end)
    client, server = (bytes(kept(flows, 0, end).data) for end in (client_end, server_end))
    out, at, number = b"", 0, 0
    while at < len(server):
        head, length = server[at : at + 5], int.from_bytes(server[at + 3 : at + 5], "big")
        record = server[at : at + 5 + length]
        if head[0] == ContentType.APPLICATION_DATA:
            nonce = (iv ^ number).to_bytes(12, "big")
            inner = aead.decrypt(nonce, record[5:], head)
            number += 1
            if inner[0] == HandshakeType.CERTIFICATE:
                body = zlib.compress(inner[4:-1])
                body = b"\0\1" + (len(inner) - 5).to_bytes(3, "big") + len(body).to_bytes(3, "big") + body
                inner = bytes([HandshakeType.COMPRESSED_CERTIFICATE]) + len(body).to_bytes(3, "big") + body + inner[-1:]
                head = head[:3] + (len(inner) + 16).to_bytes(2, "big")
                record = head + aead.encrypt(nonce, inner, head)
        out += record
        at += 5 + length
    hello = 5 + int.from_bytes(client[3:5], "big")
    dialogue_ = Dialogue(client_end, server_end).open()
    dialogue_.client(client[:hello]).server(out).client(client[hello:]).client(flags=FIN | 16).server(flags=FIN | 16)
    return dialogue_.frames


def test_a_damaged_record_does_not_stop_the_rest(tmp_path: Path) -> None:
    data = bytearray(REFUSED.read_bytes())
    (dialogue,) = dialogues(REFUSED)
    record = next(r for r in dialogue.server.records if len(getattr(r, "body", b"")) > 500)
    data[data.index(record.body[:200]) + 100] ^= 1  # type: ignore[union-attr]
    capture = tmp_path / "damaged.pcap"
    capture.write_bytes(data)
    report = analyze(capture, keylog=KEYS, truststore=STORE)
    (seen,) = report.connections
    assert [alert.description for alert in seen.alerts] == ["unknown_ca"]
    assert "Finished" in what(seen, "server")
    assert seen.server_chain == ()
    assert codes(report) == [("unopened-records", "note")]


def test_a_secret_that_does_not_fit_is_told_and_changes_nothing(tmp_path: Path) -> None:
    lines = [line.split() for line in KEYS.read_text().splitlines() if not line.startswith("#")]
    log = tmp_path / "wrong.keys"
    log.write_text("".join(f"{label} {random} {secret[::-1]}\n" for label, random, secret in lines))
    report = analyze(REFUSED, keylog=log, truststore=STORE)
    assert report.connections == analyze(REFUSED, truststore=STORE).connections
    (problem,) = report.capture.problems
    assert problem.severity == "warning"
    assert "the secret for the client random of packet 4 does not open the records from packet" in problem.text


def test_a_log_with_a_part_of_the_secrets_opens_that_part(tmp_path: Path) -> None:
    java = CAPTURES / "tls13-missing-root-java.pcap"
    lines = java.with_suffix(".keys").read_text().splitlines(keepends=True)
    log = tmp_path / "half.keys"
    log.write_text("".join(line for line in lines if line.startswith("SERVER_HANDSHAKE")))
    (seen,) = analyze(java, keylog=log, truststore=STORE).connections
    assert seen.chain_source == "decrypted"
    assert seen.cause is not None
    assert (seen.cause.code, seen.aborted_by, seen.abort_packet) == ("missing-root", "client", 11)
    assert seen.alerts == ()


def test_lines_that_are_none_and_logs_without_a_secret_are_told(tmp_path: Path) -> None:
    damaged, empty = tmp_path / "damaged.keys", tmp_path / "empty.keys"
    damaged.write_bytes(b"rubbish\n" + KEYS.read_bytes())
    empty.write_bytes(b"")
    report = analyze(REFUSED, keylog=[damaged, empty])
    assert codes(report) == [("damaged-key-log", "warning"), ("empty-key-log", "warning")]
    assert report.connections[0].chain_source == "decrypted"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_log_that_an_editor_or_a_shell_wrote_anew_is_read(encoding: str, tmp_path: Path) -> None:
    written = tmp_path / "written.keys"
    written.write_bytes(KEYS.read_text().replace("\n", "\r\n").encode(encoding))
    report = analyze(REFUSED, keylog=written)
    assert (codes(report), report.connections[0].chain_source) == ([], "decrypted")


def test_redaction_calls_a_key_log_one(tmp_path: Path) -> None:
    damaged, empty = tmp_path / "acme-payments.keys", tmp_path / "acme-ledger"
    damaged.write_bytes(b"rubbish\n" + KEYS.read_bytes())
    empty.write_bytes(b"")
    report = analyze(REFUSED, keylog=[damaged, empty], redact=True)
    assert [problem.source for problem in report.capture.problems] == ["keylog-1.keys", "keylog-2"]
    assert "acme" not in "".join(problem.text for problem in report.capture.problems)


def test_redaction_leaves_the_capture_s_own_secrets_their_name() -> None:
    secrets = block(10, struct.pack("<II", TLS_KEY_LOG, 8) + b"rubbish\n")
    report = analyze(io.BytesIO(section() + interface() + secrets + enhanced(_FILLER)), redact=True)
    assert [problem.source for problem in report.capture.problems] == [EMBEDDED_SECRETS]


def test_an_empty_log_changes_nothing() -> None:
    report = analyze(REFUSED, keylog=[])
    assert report.connections == analyze(REFUSED).connections


@pytest.mark.parametrize(("path", "reason"), [("none.keys", "no such key log"), (".", "is a directory")])
def test_a_key_log_that_cannot_be_read_is_an_input_error(tmp_path: Path, path: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        analyze(REFUSED, keylog=tmp_path / path)


def test_a_key_log_that_fits_nothing_is_said_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    main([str(REFUSED), "--keylog", str(CAPTURES / "tls13-success.keys"), "-o", "-"])
    assert "no secret for the client random of packet 4" in capsys.readouterr().err


def secrets(data: bytes) -> bytes:
    """A decryption secrets block."""
    return block(10, TLS_KEY_LOG.to_bytes(4, "little") + len(data).to_bytes(4, "little") + data)


def pcapng(*parts: bytes, frames: list[Frame]) -> bytes:
    """A capture with a frame for each of `frames`, and a block of `parts` behind them."""
    packets = (enhanced(frame.data, frame.time_ns // 1000) for frame in frames)
    return b"".join((section(), interface(frames[0].link), *packets, *parts))


def test_secrets_behind_the_packets_of_a_long_capture_have_it_read_again(tmp_path: Path) -> None:
    frames = read(REFUSED)
    filler = enhanced(_FILLER, frames[-1].time_ns // 1000)
    long = pcapng(*[filler] * 200, secrets(KEYS.read_bytes()), frames=frames)
    capture = tmp_path / "late.pcapng"
    capture.write_bytes(long)
    report = analyze(capture, truststore=STORE)
    (seen,) = report.connections
    assert (seen.chain_source, codes(report)) == ("decrypted", [])
    assert report.capture.packets == len(frames) + 200
    streamed = analyze(io.BytesIO(long), truststore=STORE)
    assert streamed.connections[0].chain_source is None
    assert ("late-secrets", "warning") in codes(streamed)


def test_secrets_behind_the_packets_of_a_short_capture_are_known_in_time() -> None:
    short = pcapng(secrets(KEYS.read_bytes()), frames=read(REFUSED))
    report = analyze(io.BytesIO(short), truststore=STORE)
    assert (report.connections[0].chain_source, codes(report)) == ("decrypted", [])


def test_secrets_of_other_connections_in_a_capture_are_no_more_than_a_note() -> None:
    other = pcapng(secrets((CAPTURES / "tls13-success.keys").read_bytes()), frames=read(REFUSED))
    report = analyze(io.BytesIO(other))
    assert codes(report) == [("no-secret", "note")]


def test_the_protocol_chosen_under_encryption_is_shown() -> None:
    capture = CAPTURES / "tls13-missing-root-node.pcap"
    (seen,) = analyze(capture, keylog=capture.with_suffix(".keys")).connections
    (without,) = analyze(capture).connections
    assert seen.tls is not None
    assert without.tls is not None
    assert without.tls.alpn is None
