"""Directions read in columns: what is known of them when others are let go."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from analyzer.capture import CaptureReader
from analyzer.net.decode import SegmentDecoder
from analyzer.net.flows import Flows
from analyzer.tls.columns import RecordColumns
from analyzer.tls.detect import likely_record
from analyzer.tls.records import RecordReader, SideRecords


def test_flows_that_are_dropped_leave_the_records_of_the_others_as_they_are(captures: Path) -> None:
    columns = RecordColumns()
    flows = Flows(likely_record, lambda flow, side: columns.restore(flow * 2 + side), columns)
    for batch in CaptureReader([captures / "thirty-times.pcap"]).batches():
        flows.add(SegmentDecoder().decode(batch))
    before = [records(flows, number) for number in range(2 * len(flows.table))]
    gone = np.arange(len(flows.table)) % 3 == 1
    columns.drop(gone)
    flows.drop(gone)
    kept = [seen for number, seen in enumerate(before) if not gone[number >> 1]]
    assert [records(flows, number) for number in range(2 * len(flows.table))] == kept
    assert any(seen is not None and seen.messages for seen in kept)


def records(flows: Flows, number: int) -> SideRecords | None:
    stream = flows.stream_so_far(number)
    if stream is None:
        return None
    assert isinstance(stream.consumer, RecordReader)
    return stream.consumer.finish()
