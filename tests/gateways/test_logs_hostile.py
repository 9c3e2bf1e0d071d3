"""Logs that are damaged, endless, or written to hurt: no reader raises, none takes long."""

# ruff: noqa: E501 - as long as the lines of logs are

from __future__ import annotations

import gzip
import io
import json
import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer import InputError, analyze
from analyzer.gateways.logs import Block, Endpoint, LogEntry, formats, shown
from analyzer.gateways.logs._addresses import endpoint, host_of_url
from analyzer.gateways.logs._reader import LogFile
from analyzer.gateways.logs._times import find_time, read_time
from analyzer.gateways.logs._words import read_words
from analyzer.gateways.matching import LogMatcher, Seen
from tests.gateways.test_log_lines import LINES, NOON

LONGEST_SECONDS = 2.0
"""For 128 KiB of one line: a pattern that backtracks takes hours."""


def read(data: bytes) -> list[LogEntry]:
    return list(LogFile("a.log", NOON, lambda _local, _remote: True).entries(io.BytesIO(data)))


@given(st.binary(max_size=4000))
def test_any_bytes_are_read(data: bytes) -> None:
    read(data)


@given(st.lists(st.sampled_from([text for text, _, _ in LINES]), max_size=4), st.data())
@settings(max_examples=200)
def test_lines_cut_and_changed_anywhere_are_read(lines: list[str], data: st.DataObject) -> None:
    raw = bytearray("\n".join(lines).encode())
    for _ in range(data.draw(st.integers(0, 6))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    read(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(["traceEntries", "point", "results", "timestamp", "data", "records", "tables", "columns", "rows",
                         "properties", "property", "name", "value", "response_flags", "upstream_host", "serverRouted",
                         "LogLevel", "Category", "message", "backend", "healthProbeLog", "backendAddressPools"]),
        inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
@settings(max_examples=100)
def test_any_json_is_read(value: object) -> None:
    for known in formats():
        known.document(value, NOON)
        known.read(Block("", NOON, {}, value if isinstance(value, dict) else {}))
    read(json.dumps(value, indent=1).encode())


@given(st.text(max_size=300))
def test_any_text_is_shown_and_searched(text: str) -> None:
    assert shown(text).isprintable()
    read_words(text)
    find_time(text, NOON)
    read_time(text, -1)
    endpoint(text)
    host_of_url(text)


@pytest.mark.parametrize(
    "piece",
    ["ssl ", "1:", "a.", "1.1.1.1 ", "1.1.1.1:", ":", "[", '"', "'", "{", "\\", "-----BEGIN ", "eyJ", "token=", "=", "?a", " at ",
     "\n\tat a", "https://", "https://a@", "Remote:", "L:", "0:0:", "2026-11-22 12:00:00 ", "not ", "(a.", "x509: ", "alert ",
     "certificate is valid for ", "basic ", "Caused by: ", "a/1.1.1.1:", "ssl->", "a_b", "messageid:", " SC-- ", "<a>", "%"],
)  # fmt: skip
@pytest.mark.parametrize("before", ["2026-11-22 12:00:00 tls handshake ", "2026/11/22 12:00:00 [error] 1#1: *1 ssl "])
def test_no_line_takes_long(piece: str, before: str) -> None:
    data = (before + piece * (131_072 // len(piece))).encode()
    started = time.process_time()
    for entry in read(data):
        shown(entry.text)
    assert time.process_time() - started < LONGEST_SECONDS


def test_documents_that_nest_or_expand_without_end_are_read_as_lines() -> None:
    assert read(b"[" * 200_000) == []
    assert read(b'{"a":' * 100_000) == []
    entities = (
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "x"><!ENTITY c "&b;&b;">]><DebugSession>&c;</DebugSession>'
    )
    assert read(entities) == []
    read(b"<DebugSession>" * 50_000)


def seen(number: int, start: int, port: int = 0, server: str = "10.0.0.1") -> Seen:
    return Seen(
        id=number, client=Endpoint("10.0.0.2", port or 20_000 + number), server=Endpoint(server, 443), start_ns=start,
        end_ns=start + 10_000_000, names=frozenset({"api.example"}), open=True,
    )  # fmt: skip


def test_a_hundred_thousand_lines_and_thirty_thousand_connections_take_no_product_of_the_two() -> None:
    matcher = LogMatcher([seen(number, NOON + number * 10_000_000, 1024 + number) for number in range(30_000)])
    order = random.Random(4)
    line = (
        "2026/11/22 12:%02d:%02d [error] 31#31: *1 upstream SSL certificate verify error: (20:unable to get local issuer "
        'certificate) while SSL handshaking to upstream, client: 127.0.0.1, upstream: "https://10.0.0.1:443/", host: "a"\n'
    )
    moments = sorted(order.randrange(300) for _ in range(2_500))
    text = "".join(line % divmod(moment, 60) + "a line of no interest\n" * 39 for moment in moments)
    started = time.process_time()
    log = LogFile("a.log", NOON, matcher.wanted)
    for entry in log.entries(io.BytesIO(text.encode())):
        matcher.add(entry)
    result = matcher.result()
    assert time.process_time() - started < 30
    assert log.lines == 100_000
    assert len(result.lines) > 2_000
    assert not result.unmatched_count


def test_what_cannot_be_read_is_told_and_stops_nothing(captures: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.log.gz"
    cut.write_bytes(gzip.compress(b"ssl handshake failed\n" * 10_000)[:-20])
    report = analyze(captures / "playbook.pcap", log=[cut])
    assert report.logs is not None
    assert [problem.code for problem in report.logs.problems] == ["unreadable-log"]
    assert report.summary.failed == 1


def test_a_log_that_is_not_there_is_wrong_usage(captures: Path, tmp_path: Path) -> None:
    for name in ("none.log", "*.log"):
        with pytest.raises(InputError, match="no such log"):
            analyze(captures / "playbook.pcap", log=tmp_path / name)
