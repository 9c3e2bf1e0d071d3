"""Stage 1: capture bytes to packet batches.

`read_capture` opens a file or a stream, takes off its compression, recognises the format and yields
`PacketBatch` columns; the formats themselves (`pcap`, `pcapng`) do no I/O.
"""

from __future__ import annotations

from analyzer.capture.batch import CaptureProblem, PacketBatch
from analyzer.capture.source import CaptureReader

__all__ = ["CaptureProblem", "CaptureReader", "PacketBatch"]
