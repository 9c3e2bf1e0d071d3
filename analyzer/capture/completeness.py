"""What a recorder left out, and what its clock did: counted batch by batch.

A snap length cuts packets (draft-ietf-opsawg-pcap, `SnapLen`), a full buffer drops them (which a pcapng's interface
statistics tell), and a clock that is set in mid-recording makes times go back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from analyzer.capture.batch import CaptureProblem, PacketBatch, Recording

__all__ = ["Completeness"]

_STEP_NS: Final = 1_000_000_000
"""Nanoseconds by which time must go back to be told: packets of several queues are out of order by less."""
_HOUR_NS: Final = 3600 * _STEP_NS


class Completeness:
    """Takes the batches of file after file."""

    def __init__(self) -> None:
        self.end_time_ns = 0
        """Time of the last packet; of several files the latest. After the clock was set back, its time counts."""
        self._cut = 0
        self._first_cut = 0
        self._snap = 0
        self._dropped = 0
        self._steps = 0
        self._step: tuple[int, int] = (0, 0)  # packet, counted in all files; nanoseconds
        self._latest: int | None = None  # time of the file's last packet
        self._reached = 0  # latest time of the file since its clock was set back

    @property
    def recording(self) -> Recording:
        """What was left out so far."""
        return Recording(snap=self._snap, cut=self._cut, dropped=self._dropped)

    def take(self, batch: PacketBatch) -> None:
        """Count the packets of a batch, whose frame numbers count over all files."""
        cut = batch.captured < batch.original
        if cut.any():
            if not self._cut:
                self._first_cut = batch.first_number + int(cut.argmax())
            self._cut += int(np.count_nonzero(cut))
            self._snap = max(self._snap, int(batch.captured[cut].max()))
        rows = np.flatnonzero(batch.link >= 0)
        if not len(rows):
            return
        times = batch.time_ns[rows]
        before = times[0] if self._latest is None else self._latest
        back = np.flatnonzero(np.diff(times, prepend=before) < -_STEP_NS)
        if len(back):
            if not self._steps:
                at = int(back[0])
                previous = int(times[at - 1]) if at else int(before)
                self._step = batch.first_number + int(rows[at]), previous - int(times[at])
            self._steps += len(back)
            self._reached = 0
        self._latest = int(times[-1])
        self._reached = max(self._reached, int(times[back[-1] if len(back) else 0 :].max()))

    def end_file(self, dropped: int) -> Sequence[CaptureProblem]:
        """The file has ended, of which the recorder says that it `dropped` packets."""
        self.end_time_ns = max(self.end_time_ns, self._reached)
        self._latest, self._reached = None, 0
        # The files of a ring buffer each count from the beginning of the recording.
        self._dropped = max(self._dropped, dropped)
        if not dropped:
            return ()
        text = (
            f"the recorder says that it dropped {dropped:,} packet{'' if dropped == 1 else 's'}: record with a larger "
            "buffer (`tcpdump -B 65536`, `dumpcap -B 64`) or a narrower filter, until it says 0"
        )
        return (CaptureProblem(code="dropped-packets", text=text, severity="warning"),)

    def problems(self, packets: int) -> Sequence[CaptureProblem]:
        """What is to be said of all files, which hold so many packets."""
        found = []
        if self._cut:
            text = (
                f"{self._cut:,} of {packets:,} packets are cut to {self._snap:,} bytes or less, from packet "
                f"{self._first_cut} on: record whole packets (`tcpdump -s 0`)"
            )
            found.append(CaptureProblem(code="cut-packets", text=text, packet=self._first_cut, severity="note"))
        if self._steps:
            packet, by = self._step
            hours = by / _HOUR_NS
            told = f"{hours:,.1f} hours" if hours >= 1 else f"{by / _STEP_NS:,.1f} s"
            more = f", and {self._steps - 1} times more later" if self._steps > 1 else ""
            text = (
                f"the recorder's clock goes back by {told} at packet {packet}{more}: packets are taken in the order of "
                "the file, and durations across it are unknown"
            )
            found.append(CaptureProblem(code="clock-set-back", text=text, packet=packet, severity="note"))
        return found
