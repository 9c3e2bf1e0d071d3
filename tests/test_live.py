"""Connections told while they are captured: when one has ended, what is said of it, and that it changes nothing."""

from __future__ import annotations

import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import IO

import pytest

from analyzer import analyze
from analyzer.capture import CaptureReader, PacketBatch
from analyzer.capture.batch import no_packets
from analyzer.capture.source import Source
from analyzer.live import Latest, Live
from analyzer.report.model import Connection
from analyzer.report.to_json import to_json
from analyzer.report.to_line import to_line
from tests.packets import SECOND

CAPTURES = Path(__file__).parents[1] / "captures"
PLAYBOOK = CAPTURES / "playbook.pcap"
STORE = CAPTURES / "stores" / "without-root"


class PacketByPacket(CaptureReader):
    """A live reader: each packet is a batch, and the time is that of the packet, or goes on in the pauses behind it."""

    def __init__(self, source: Source, packets: int | None, pauses: Iterator[float], slower: int) -> None:
        super().__init__([source])
        self.live = True
        self._most = packets
        self._slower = slower
        self._pauses = pauses
        self._now = 0

    @property
    def now_ns(self) -> int:
        return self._now

    def batches(self) -> Iterator[PacketBatch]:
        for batch in super().batches():
            counted = self.packets
            for row in range(len(batch)):
                number = batch.first_number + row
                if self._most is not None and number > self._most:
                    break
                self.packets = number
                begin = self.first_time_ns or 0
                time_ns = begin + (batch.time_ns[row : row + 1] - begin) * self._slower
                self._now = self.last_time_ns = max(self._now, int(time_ns[0]))
                columns = {name: getattr(batch, name)[row : row + 1] for name in COLUMNS}
                yield replace(batch, first_number=number, heads=None, time_ns=time_ns, **columns)
            self.packets = counted
        for seconds in self._pauses:
            self._now += int(seconds * SECOND)
            yield no_packets(self.packets + 1)


COLUMNS = ("offset", "captured", "original", "link")


class Followed(Live):
    """Follows a capture packet by packet, up to a packet; then nothing more comes for some times, in seconds.

    `slower` stretches the time between packets.
    """

    def __init__(
        self, *, packets: int | None = None, pauses: tuple[float, ...] = (), ring: bool = False, slower: int = 1
    ) -> None:
        self.told: list[Connection] = []
        self.at: list[int] = []
        """How many pauses there had been when each was told."""
        self._count = 0
        super().__init__(self._note, ring=ring)
        self._packets, self._seconds, self._slower = packets, pauses, slower

    def _note(self, connection: Connection) -> None:
        self.told.append(connection)
        self.at.append(self._count)

    def _waits(self) -> Iterator[float]:
        for seconds in self._seconds:
            self._count += 1
            yield seconds

    def reader(self, sources: Sequence[Source], progress: object, beside: object) -> CaptureReader:
        (source,) = sources
        return PacketByPacket(source, self._packets, self._waits(), self._slower)


def brief(connection: Connection) -> tuple[object, ...]:
    cause = connection.cause
    return connection.id, connection.outcome, cause and cause.code, connection.abort_packet, connection.aborted_by


NAMES = """
    playbook any-sll2 chain-changes connection-refused expired-leaf-go ipv6 missing-root-gnutls no-shared-cipher-curl
    pcapng-with-secrets.pcapng postgresql-missing-root proxy-header-2-missing-root smtp-refused success-java
    thirty-times tls13-client-cert-missing-go tls13-missing-root-gnutls
"""


@pytest.mark.parametrize("name", NAMES.split())
def test_what_is_told_as_it_ends_is_what_the_report_says_and_leaves_no_trace_in_it(name: str) -> None:
    path = CAPTURES / (name if "." in name else f"{name}.pcap")
    keys = path.with_suffix(".keys") if path.with_suffix(".keys").exists() else None
    report = analyze(path, truststore=STORE, keylog=keys)
    live = Followed()
    assert to_json(analyze(path, truststore=STORE, keylog=keys, live=live)) == to_json(report)
    assert {brief(told) for told in live.told} <= {brief(connection) for connection in report.connections}
    assert len({told.id for told in live.told}) == len(live.told) > 0


def test_a_connection_that_was_reset_or_closed_by_both_is_told_at_once() -> None:
    live = Followed()
    analyze(PLAYBOOK, truststore=STORE, live=live)
    assert ([told.cause.code for told in live.told if told.cause], live.at) == (["missing-root"], [0])


def test_one_that_only_its_client_closed_is_told_after_two_seconds() -> None:
    live = Followed(packets=12, pauses=(1.5, 1, 60))
    analyze(PLAYBOOK, truststore=STORE, live=live)
    assert ([brief(told)[1:] for told in live.told], live.at) == ([("failed", "missing-root", 12, "client")], [2])


def test_one_with_an_alert_and_nothing_more_is_told_after_two_seconds() -> None:
    path = CAPTURES / "playbook-with-alert.pcap"
    (whole,) = analyze(path, truststore=STORE).connections
    (alert,) = whole.alerts
    live = Followed(packets=alert.packet, pauses=(1.5, 1, 60))
    analyze(path, truststore=STORE, live=live)
    assert ([brief(told)[1:4] for told in live.told], live.at) == ([("failed", "missing-root", alert.packet)], [2])


def test_a_server_that_stays_silent_is_told_after_half_a_minute() -> None:
    live = Followed(packets=4, pauses=(10, 10, 11, 60))
    analyze(PLAYBOOK, truststore=STORE, live=live)
    assert ([brief(told)[1:3] for told in live.told], live.at) == ([("failed", "server-silent")], [3])


def test_a_syn_that_nobody_answers_is_told_after_half_a_minute() -> None:
    live = Followed(packets=1, pauses=(29, 2, 60))
    analyze(PLAYBOOK, truststore=STORE, live=live)
    assert ([brief(told)[1:3] for told in live.told], live.at) == ([("failed", "connect-timeout")], [2])


def test_one_that_carried_data_is_told_only_when_it_ends() -> None:
    path = CAPTURES / "success-java.pcap"
    (whole,) = analyze(path).connections
    data = max(entry.packet for entry in whole.timeline if "ata" in entry.what)
    live = Followed(packets=data, pauses=(3, 40, 4000))
    analyze(path, live=live)
    assert live.told == []


def test_a_hidden_chain_is_taken_from_the_connections_that_were_told_before() -> None:
    path = CAPTURES / "chain-from-elsewhere.pcap"
    live = Followed()
    report = analyze(path, truststore=STORE, live=live)
    inferred = {c.id for c in report.connections if c.chain_source == "inferred"}
    assert inferred
    assert {told.id for told in live.told if told.chain_source == "inferred"} <= inferred


def test_only_the_last_connections_of_a_watch_are_kept_with_their_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    path = CAPTURES / "thirty-times.pcap"
    whole = analyze(path, truststore=STORE, live=Followed(slower=1000))
    seen: list[int] = []

    class Few(Latest):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, most=8)  # type: ignore[arg-type, misc]

        def sweep(self, now_ns: int) -> bool:
            swept = super().sweep(now_ns)
            seen.append(len(self._flows.table))
            return swept

    monkeypatch.setattr("analyzer.live.Latest", Few)
    monkeypatch.setattr("analyzer.reading._SWEEP_EVERY", 1)
    report = analyze(path, truststore=STORE, live=Followed(ring=True, slower=1000))
    assert list(map(brief, report.connections)) == list(map(brief, whole.connections[-8:]))
    (note,) = report.capture.problems
    assert note.text.startswith("22 earlier connections were told when they ended, and are not in this report")
    assert max(seen) <= 16 < len(whole.connections)


def test_a_failed_connection_on_one_line() -> None:
    (connection,) = analyze(PLAYBOOK, truststore=STORE).connections
    assert to_line(connection, place="ring2 #5") == (
        "08:25:12 UTC  10.77.0.1:47756 -> 10.77.0.2:443 (api.backend.example)  failed  missing-root (certain)  "
        "client, FIN #12 [ring2 #5]  The client 10.77.0.1 refused the certificate of api.backend.example "
        "(10.77.0.2:443): the trust store lacks the root “Acme Root CA”.\n"
    )


def test_a_completed_connection_on_one_line() -> None:
    (connection,) = analyze(CAPTURES / "success-java.pcap").connections
    assert connection.tls is not None
    assert to_line(connection).endswith(f"  completed  {connection.tls.version}, {connection.tls.cipher}\n")


def test_a_hostile_name_stays_on_its_line() -> None:
    (connection,) = analyze(PLAYBOOK).connections
    line = to_line(replace(connection, host="a\n\x1b[2J\u202eb"))
    assert line.count("\n") == 1
    assert line[:-1].isprintable()


def test_a_live_line_speaks_as_the_gateway_does() -> None:
    live = Followed()
    analyze(PLAYBOOK, truststore=STORE, gateway="apigee-edge", live=live)
    assert "The Message Processor 10.77.0.1 refused" in to_line(live.told[0])


def test_a_live_line_has_the_pseudonyms_of_the_report() -> None:
    live = Followed()
    report = analyze(PLAYBOOK, truststore=STORE, redact=True, live=live)
    line = to_line(live.told[0])
    assert line == to_line(report.connections[0])
    for private in ("10.77.0", "backend", "Acme"):
        assert private not in line


def packets_of(path: Path) -> list[bytes]:
    """The header of a pcap file, then its packets with their headers."""
    content = path.read_bytes()
    parts, at = [content[:24]], 24
    while at < len(content):
        end = at + 16 + struct.unpack_from("<I", content, at + 8)[0]
        parts.append(content[at:end])
        at = end
    return parts


# What follows runs the command on a pipe, as tcpdump would.


class Fed:
    """The command with a pipe for its standard input, into which packets are put."""

    def __init__(self, *options: str | Path, captures: tuple[str, ...] = ("-",)) -> None:
        words = [sys.executable, "-m", "analyzer", *captures, *map(str, options)]
        self.process = subprocess.Popen(
            words, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def feed(self, packets: bytes) -> None:
        stdin = self._pipe(self.process.stdin)
        stdin.write(packets)
        stdin.flush()

    def line(self) -> str:
        """The next line that is printed; it is waited for."""
        return self._pipe(self.process.stdout).readline().decode()

    def end(self, number: int | None = None) -> tuple[int, str, str]:
        """End the writer, or send a signal: the exit status, and what is printed from then on."""
        if number is not None:
            os.kill(self.process.pid, number)
            self.process.wait(20)
        output, errors = self.process.communicate(timeout=20)
        return self.process.returncode, output.decode(), errors.decode()

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe


def test_a_verdict_is_printed_while_the_writer_still_waits_and_the_report_when_it_has_ended() -> None:
    live = Fed("--truststore", STORE)
    content = PLAYBOOK.read_bytes()
    live.feed(content[:24])
    live.feed(content[24:])
    assert live.line().startswith(
        "08:25:12 UTC  10.77.0.1:47756 -> 10.77.0.2:443 (api.backend.example)  failed  missing"
    )
    status, report, errors = live.end()
    assert (status, errors) == (1, "")
    done = subprocess.run(
        [sys.executable, "-m", "analyzer", "-", "--truststore", STORE], input=content, capture_output=True, check=False
    )
    assert report == done.stdout.decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_reading_and_the_report_is_printed(number: int) -> None:
    live = Fed("--truststore", STORE)
    live.feed(PLAYBOOK.read_bytes())
    assert "missing-root" in live.line()
    status, report, errors = live.end(number)
    assert (status, errors) == (1, "")
    assert report.startswith("The client 10.77.0.1 refused the certificate of api.backend.example")


def test_ndjson_has_each_connection_once_as_it_ends_and_those_that_had_not_ended_at_the_end() -> None:
    path = CAPTURES / "chain-changes.pcap"
    report = analyze(path, truststore=STORE)
    live = Fed("--format", "ndjson", "--truststore", STORE)
    packets = packets_of(path)
    live.feed(b"".join(packets[: report.connections[-1].timeline[3].packet + 1]))
    first = json.loads(live.line())
    status, output, errors = live.end()
    found = [first, *map(json.loads, output.splitlines())]
    assert [item["id"] for item in found] == [connection.id for connection in report.connections]
    assert set(first) == set(json.loads(to_json(report))["connections"][0])
    assert (found[-1]["outcome"], status, errors) == ("incomplete", 1, "")


def test_json_is_printed_whole_at_the_end() -> None:
    live = Fed("--format", "json")
    live.feed(PLAYBOOK.read_bytes())
    time.sleep(0.8)
    _, output, _ = live.end(signal.SIGINT)
    assert json.loads(output)["summary"]["connections"] == 1


def test_who_has_seen_enough_of_a_live_capture_ends_it() -> None:
    live = Fed()
    live.feed(PLAYBOOK.read_bytes())
    live.line()
    live._pipe(live.process.stdout).close()
    content = (CAPTURES / "expired-leaf-curl.pcap").read_bytes()
    live.feed(content[24:])
    assert live.process.wait(20) == 1
    assert live.end()[2] == ""


def test_a_watch_follows_a_directory_until_it_is_ended(tmp_path: Path) -> None:
    live = Fed("--truststore", STORE, captures=("watch", str(tmp_path)))
    assert b"holds no capture yet" in live._pipe(live.process.stderr).readline()
    (tmp_path / "ring0").write_bytes(PLAYBOOK.read_bytes())
    assert "client, FIN #12 [ring0 #12]" in live.line()
    (tmp_path / "ring1").write_bytes((CAPTURES / "expired-leaf-curl.pcap").read_bytes())
    assert "certificate_expired #23 [ring1 #10]" in live.line()
    status, report, errors = live.end(signal.SIGTERM)
    assert (status, errors) == (1, "")
    assert report.startswith("2 of 2 connections failed, for 2 different reasons.")


def test_a_watch_without_a_directory_is_wrong_usage(tmp_path: Path) -> None:
    status, output, errors = Fed(captures=("watch", str(tmp_path / "absent"))).end()
    assert (status, output) == (2, "")
    assert "there is no such directory" in errors


def test_a_key_log_that_is_written_while_the_handshake_is_captured_opens_it(tmp_path: Path) -> None:
    log = tmp_path / "keys"
    log.write_text("# SSL/TLS secrets log file\n")
    path = CAPTURES / "tls13-missing-root-gnutls.pcap"
    live = Fed("--truststore", STORE, "--keylog", log, "--at", "2026-11-22T12:00:00Z")
    header, *packets = packets_of(path)
    packets = [struct.pack("<I", int(time.time())) + packet[4:] for packet in packets]  # captured right now
    hello = 4
    live.feed(b"".join([header, *packets[:hello]]))
    time.sleep(0.5)
    log.write_bytes(path.with_suffix(".keys").read_bytes())
    live.feed(b"".join(packets[hello:]))
    line = live.line()
    assert "missing-root (certain)" in line
    assert "client, bad_certificate #" in line
    status, report, errors = live.end()
    assert (status, errors) == (1, "")
    assert "(decrypted)" in report
