"""The connections of recorded captures, read as the pipeline reads them, for tests of single stages."""

from __future__ import annotations

from pathlib import Path

from analyzer.capture import CaptureReader
from analyzer.net.decode import SegmentDecoder
from analyzer.net.flows import Flows
from analyzer.tls.connection import Connection, build
from analyzer.tls.detect import likely_record
from analyzer.tls.records import RecordReader

CAPTURES = Path(__file__).resolve().parents[2] / "captures"


def connections(name: str) -> list[Connection]:
    """All connections of a recorded capture that carry TLS."""
    flows, decoder = Flows(likely_record, lambda _flow, _side: RecordReader()), SegmentDecoder()
    for batch in CaptureReader([CAPTURES / f"{name}.pcap"]).batches():
        flows.add(decoder.decode(batch))
    flows.finish()
    rows = flows.table.read(0, len(flows.table))
    found = []
    for flow, (row, log) in enumerate(zip(rows, flows.signals.read(0, len(rows)), strict=True)):
        streams = (flows.streams.get(flow * 2), flows.streams.get(flow * 2 + 1))
        first, second = (None if stream is None else stream.consumer.finish() for stream in streams)  # type: ignore[attr-defined]
        seen = build(flow, row, log, streams, (first, second))
        if seen is not None:
            found.append(seen)
    return found


def only(name: str) -> Connection:
    """The one connection of a recorded capture."""
    (found,) = connections(name)
    return found
