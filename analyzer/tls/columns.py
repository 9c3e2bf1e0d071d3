"""Records of many directions at once: what `RecordReader` does for one, in columns.

A gateway's capture holds thousands of handshakes that lie side by side in every batch, and nearly all of them are
plain: each direction begins with its SYN and a hello, comes in order, and every handshake message lies whole in its
record. These are read in step: the first record of all directions together, then the second, and so forth, a few NumPy
calls for each step. Whatever is not so plain is handed to a `RecordReader`, from the record on that is not, with all
that was seen before it. What is seen is the same either way.

Rows are kept in columns until somebody asks for a direction (`restore`), or says that it is done with (`forget`).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterable
from struct import Struct
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from analyzer.capture.batch import gather, joined, picked
from analyzer.dataclass import dataclass
from analyzer.net.reassembly import OrderedRuns
from analyzer.registry import ContentType, HandshakeType
from analyzer.tls.detect import MAX_RECORD, MINORS
from analyzer.tls.records import (
    MAX_LAST_KEPT,
    MAX_RECORDS_KEPT,
    MAX_SHARED,
    AlertRecord,
    RawMessage,
    RecordReader,
    RecordSeen,
    shared,
)

__all__ = ["ALERT", "DATA", "MESSAGE", "OTHER", "ROW", "SEALED_ALERT", "RecordColumns"]

MESSAGE, ALERT, SEALED_ALERT, OTHER, DATA = range(5)
"""Kinds of rows: a handshake message in clear, an alert in clear and an encrypted one, an encrypted handshake record or
a ChangeCipherSpec (`type` tells which), application data."""

ROW: Final = np.dtype(
    [
        ("key", "i8"),  # flow * 2 + side
        ("position", "i8"),  # of the record's header in the stream; of a message that of its own header
        ("first", "i8"),  # frame of the first byte of a message
        ("packet", "i8"),  # frame as `RecordReader` gives it
        ("time_ns", "i8"),
        ("length", "i4"),  # of the record's body; of a message that of its own
        ("body", "i4"),  # of a message: place among the bodies
        ("kind", "u1"),
        ("type", "u1"),  # content type; of a message its handshake type, of an alert its first byte: in clear the level
        ("minor", "u1"),  # of the record's version; of an alert its second byte: in clear the description
    ]
)
"""A row of what was seen."""

_STATE: Final = np.dtype(
    [
        ("wanted", "i8"),  # position of the next header
        ("data_bytes", "i8"),
        ("data", "i4"),  # application data records
        ("others", "i4"),  # rows of other kinds
        ("begun", "?"),
        ("sealed", "?"),  # behind a ChangeCipherSpec
        ("handed", "?"),  # a `RecordReader` has taken over
    ]
)
_HEADER: Final = np.dtype([("kind", "u1"), ("major", "u1"), ("minor", "u1"), ("length", ">u2")])
_MESSAGE: Final = np.dtype([("type", "u1"), ("high", "u1"), ("low", ">u2")])
_OPENING: Final = np.dtype([("type", "u1"), ("high", "u1"), ("low", ">u2"), ("major", "u1")])
_PLAIN_HEADER: Final = Struct(">BBBH")
_ALERT: Final = np.dtype([("level", "u1"), ("description", "u1")])
_STEPS: Final = 16
"""Steps after which application data is read in a loop: senders of many records mostly have them alike."""
_MOST_AT_ONCE: Final = 1 << 15
"""Places looked at at once."""
_FIRST_AHEAD: Final = 8
_GROWTH: Final = 16
"""Records looked at ahead of each sender, and how many times as many where all of them were alike."""
_MANY: Final = 2
"""Records of application data from which on it pays to look for all that are of one length at once."""
_MOST_ROWS: Final = 48
"""Rows of a direction, application data not counted: what has more is no plain handshake."""
_SHORTEST_HELLO: Final = 38

Column = NDArray[np.int64]
Table = NDArray[np.void]


class RecordColumns:
    """Takes runs in order, as `Flows` finds them, batch by batch."""

    def __init__(self) -> None:
        self._state = np.zeros(1024, dtype=_STATE)
        self._parts: list[_Part] = []
        self._latest: list[_Part] = []  # application data beyond the first records: of each direction the last
        self._bodies: list[bytes] = []

    def take(self, runs: OrderedRuns) -> NDArray[np.bool_]:
        """Read the runs; gives which of them a `RecordReader` has to read, from `restore` on."""
        highest = int(runs.key.max()) + 1
        if highest > len(self._state):
            grown = np.zeros(max(highest, len(self._state) * 2), dtype=_STATE)
            grown[: len(self._state)] = self._state
            self._state = grown
        step = _Step(runs, self._state[runs.key])
        step.read()
        self._state[runs.key] = step.state
        self._keep(step)
        handed: NDArray[np.bool_] = step.state["handed"]
        return handed

    def knows(self, key: int) -> bool:
        """Whether something of this direction was read here."""
        return key < len(self._state) and bool(self._state[key]["begun"])

    def restore(self, key: int) -> RecordReader:
        """A reader that has seen what was seen of this direction, and goes on behind it."""
        reader = RecordReader()
        if not self.knows(key):
            return reader
        wanted, data_bytes, data, _, _, sealed, _ = self._state[key].item()
        seen = reader.seen
        seen.begins = 0
        seen.application_count, seen.application_bytes = data, data_bytes
        latest = (0, 0)
        for _, position, first, packet, time_ns, length, place, kind, code, minor in _rows_of(self._parts, key):
            if kind == MESSAGE:
                body = self._bodies[place]
                seen.messages.append(RawMessage(code, body, length, first, packet, time_ns, position, 0x300 | minor))
            elif kind == DATA:
                seen.application.append(RecordSeen(ContentType.APPLICATION_DATA, length, packet, time_ns, position))
                continue
            elif kind == ALERT:
                seen.alerts.append(AlertRecord(packet, time_ns, position, length, code, minor))
            elif kind == SEALED_ALERT:
                begins = bytes((code, minor))
                seen.alerts.append(AlertRecord(packet, time_ns, position, length, None, None, begins=begins))
                continue
            else:
                ours = seen.encrypted_handshake if code == ContentType.HANDSHAKE else seen.change_cipher_spec
                ours.append(RecordSeen(code, length, packet, time_ns, position))
            latest = (packet, time_ns)
        for _, position, _, packet, time_ns, length, *_ in _rows_of(self._latest, key)[-MAX_LAST_KEPT:]:
            seen.application_last.append(RecordSeen(ContentType.APPLICATION_DATA, length, packet, time_ns, position))
        reader.resume(wanted, sealed=sealed, latest=latest)
        return reader

    def rows(self, flows: NDArray[np.bool_]) -> Table:
        """The rows of both directions of some flows, by direction and position.

        `flows` is a mask over flow numbers. Application data beyond a direction's first records is left out.
        """
        found = [picked(part.rows, flows[part.key >> 1]) for part in self._parts]
        if not found:
            return np.zeros(0, dtype=ROW)
        return _Part.of(joined(found)).rows if len(found) > 1 else found[0]

    def bodies(self, places: Iterable[int]) -> list[bytes]:
        """The bodies of messages, by the rows' `body`."""
        return [self._bodies[place] for place in places]

    def forget(self, flows: NDArray[np.bool_]) -> None:
        """Let go what is known of some flows: a mask over flow numbers."""
        bodies: list[bytes] = []
        for parts in (self._parts, self._latest):
            parts[:] = [old.pick(kept) for old in parts if (kept := ~flows[old.key >> 1]).any()]
        for part in self._parts:
            held = np.flatnonzero(part.rows["kind"] == MESSAGE)
            places = part.rows["body"][held].tolist()
            part.rows["body"][held] = np.arange(len(bodies), len(bodies) + len(places))
            bodies += [self._bodies[place] for place in places]
        self._bodies = bodies

    def drop(self, flows: NDArray[np.bool_]) -> None:
        """The same, and the flows behind them move up."""
        self.forget(flows)
        moved = np.cumsum(~flows) - 1
        kept = np.repeat(~flows, 2)[: len(self._state)]
        state = np.zeros(max(int(kept.sum()), 1024), dtype=_STATE)
        state[: int(kept.sum())] = picked(self._state[: len(kept)], kept)
        self._state = state
        for parts in (self._parts, self._latest):
            for part in parts:
                part.key[:] = moved[part.key >> 1] * 2 + (part.key & 1)
                part.rows["key"] = part.key

    def _keep(self, step: _Step) -> None:
        rows = step.rows(len(self._bodies))
        self._bodies += step.bodies
        same = (rows["kind"] == MESSAGE) & (rows["type"] == HandshakeType.CERTIFICATE) & (rows["length"] <= MAX_SHARED)
        for place in rows["body"][same].tolist():
            self._bodies[place] = shared(self._bodies[place])
        if len(rows):
            _add(self._parts, _Part.of(rows))
        if len(latest := step.latest_rows()):
            _add(self._latest, _Part.of(latest).last_of_each())
            self._latest[-1] = self._latest[-1].last_of_each()


@dataclass(frozen=True, slots=True)
class _Part:
    """Rows sorted by key; those of one key are in the order in which they were found, which is that of position."""

    key: Column
    rows: Table

    @classmethod
    def of(cls, rows: Table) -> _Part:
        key = np.ascontiguousarray(rows["key"])
        order = np.argsort(key, kind="stable")
        return cls(key[order], picked(rows, order))

    def pick(self, which: NDArray[np.bool_]) -> _Part:
        return _Part(self.key[which], picked(self.rows, which))

    def of_key(self, key: int) -> Table:
        first, last = self.key.searchsorted((key, key + 1))
        return self.rows[first:last]

    def last_of_each(self) -> _Part:
        """Of each key the last few rows."""
        kept = np.ones(len(self.key), dtype=np.bool_)
        kept[:-MAX_LAST_KEPT] = self.key[:-MAX_LAST_KEPT] != self.key[MAX_LAST_KEPT:]
        return self.pick(kept)


def _is_hello(types: NDArray[np.uint8]) -> NDArray[np.bool_]:
    hello: NDArray[np.bool_] = (types == HandshakeType.CLIENT_HELLO) | (types == HandshakeType.SERVER_HELLO)
    return hello


def _rows_of(parts: list[_Part], key: int) -> list[tuple[int, ...]]:
    return [row for part in parts for row in part.of_key(key).tolist()]


def _add(parts: list[_Part], part: _Part) -> None:
    """Add a part, and join it with those before it that are not much larger: so there are few, and joining is rare."""
    while parts and len(parts[-1].key) <= 2 * len(part.key):
        part = _Part.of(joined([parts.pop().rows, part.rows]))
    parts.append(part)


class _Step:
    """One batch of runs. A place is a byte of the batch's payloads, counted over all segments; see `OrderedRuns`."""

    def __init__(self, runs: OrderedRuns, state: Table) -> None:
        self.state = state
        self.bodies: list[bytes] = []
        self._runs = runs
        self._begin = runs.total[runs.first]
        self._end = self._begin + runs.size
        self._shift = runs.start - self._begin
        self._at = state["wanted"] - self._shift
        self._found: list[Table] = []
        self._late: list[Table] = []
        self._spans: list[tuple[Column, Column]] = []

    def read(self) -> None:
        """Read all runs to their ends, or to what a `RecordReader` has to read."""
        who = np.flatnonzero((self._at < self._end) & ~self.state["handed"])
        steps = 0
        while len(who):
            who = self._step(who, ahead=steps < _STEPS)
            steps += 1
            if steps >= _STEPS:
                who = self._one_by_one(who)
        self.state["wanted"] = self._at + self._shift

    def rows(self, bodies: int) -> Table:
        """The rows found; the bodies begin at place `bodies`."""
        if not self._found:
            return np.zeros(0, dtype=ROW)
        if self._spans:
            self._copy_bodies()
        rows = joined(self._found)
        held = rows["kind"] == MESSAGE
        rows["body"][held] = np.arange(bodies, bodies + len(self.bodies))
        return rows

    def latest_rows(self) -> Table:
        """Application data beyond the first records."""
        return joined(self._late) if self._late else np.zeros(0, dtype=ROW)

    def _step(self, who: Column, *, ahead: bool) -> Column:
        """Read the next record of the runs `who`, with `ahead` what is like it too; gives those that have another."""
        at, end, state = self._at[who], self._end[who], self.state[who]
        segment, header = self._structures(at, end, _HEADER)
        kind, length = header["kind"], header["length"].astype(np.int64)
        following = at + 5 + length
        data = kind == ContentType.APPLICATION_DATA
        handshake = kind == ContentType.HANDSHAKE
        alert = kind == ContentType.ALERT
        change = kind == ContentType.CHANGE_CIPHER_SPEC
        sound = (at + 5 <= end) & (header["major"] == 3) & (header["minor"] < MINORS) & (length <= MAX_RECORD)
        whole = (following <= end) & ((handshake & (length > 0)) | (alert & (length > 1)) | (change & (length == 1)))
        sound &= data | (whole & (state["others"] < _MOST_ROWS))
        sound &= state["begun"] | handshake | (alert & (length == _ALERT.itemsize))
        sealed = handshake & state["sealed"] & sound
        if sealed.any():
            sound[sealed] = ~self._are_hellos(at[sealed] + 5, length[sealed], end[sealed])
        plain = np.flatnonzero(handshake & ~state["sealed"] & sound)
        if len(plain):
            good = self._messages(who[plain], at[plain], length[plain], header["minor"][plain])
            sound[plain[~good]] = False
        other = (sealed | change) & sound
        if other.any():
            last = self._segment_of(following[other] - 1)
            self._add(who[other], at[other], last, length[other], OTHER, kind[other], header["minor"][other])
            self.state["sealed"][who[change & sound]] = True
        if (alert & sound).any():
            self._alerts(who[alert & sound], at[alert & sound], length[alert & sound])
        if (data & sound).any():
            chosen = data & sound
            self._data(who[chosen], at[chosen], segment[chosen], length[chosen])
        self.state["handed"][who[~sound]] = True
        # A sender of bulk data goes on with records of one length, which are taken all at once.
        bulk = (data & (end - following > _MANY * (5 + length)))[sound]
        who, following = who[sound], following[sound]
        self.state["begun"][who] = True
        self._at[who] = following
        if ahead and bulk.any():
            self._go_on(who[bulk], following[bulk], length[sound][bulk])
        going: Column = who[self._at[who] < self._end[who]]
        return going

    def _go_on(self, who: Column, at: Column, length: Column, most: int = _FIRST_AHEAD) -> None:
        """Take as many records of application data as follow with the same length, at first up to `most` of each."""
        stride = 5 + length
        most = min(most, max(_MOST_AT_ONCE // len(who), 1))
        count = np.minimum((self._end[who] - at - 5) // stride + 1, most)
        begins = np.cumsum(count) - count
        run = np.repeat(np.arange(len(who)), count)
        number = np.arange(len(run)) - begins[run]
        place = at[run] + number * stride[run]
        segment, header = self._structures(place, self._end[who][run], _HEADER)
        alike = (header["kind"] == ContentType.APPLICATION_DATA) & (header["major"] == 3) & (header["minor"] < MINORS)
        alike &= header["length"] == length[run]
        count = np.minimum(np.minimum.reduceat(np.where(alike, most, number), begins), count)
        had = self.state["data"][who]
        early = number < np.minimum(count, MAX_RECORDS_KEPT - had)[run]
        late = (number < count[run]) & (number >= (count - MAX_LAST_KEPT)[run]) & ~early
        for mask, kept in ((early, self._found), (late, self._late)):
            if mask.any():
                kept.append(self._data_rows(who[run[mask]], place[mask], segment[mask], length[run[mask]]))
        self.state["data"][who] += count
        self.state["data_bytes"][who] += count * length
        at = at + count * stride
        self._at[who] = at
        more = (count == most) & (at + 5 <= self._end[who])
        if more.any() and most < _MOST_AT_ONCE // len(who):
            self._go_on(who[more], at[more], length[more], most * _GROWTH)

    def _one_by_one(self, who: Column) -> Column:
        """Take application data in a loop, as far as it goes; gives the runs that stand at another record."""
        left = []
        rows: list[tuple[int, int, int, int]] = []
        late: list[tuple[int, int, int, int]] = []
        for run in who.tolist():
            if self.state["begun"][run]:
                self._data_of(run, rows, late)
            if self._at[run] < self._end[run]:
                left.append(run)
        for chosen, kept in ((rows, self._found), (late, self._late)):
            if chosen:
                runs, at, segment, length = np.array(chosen, dtype=np.int64).T
                kept.append(self._data_rows(runs, at, segment, length))
        return np.array(left, dtype=np.int64)

    def _data_of(self, run: int, rows: list[tuple[int, int, int, int]], late: list[tuple[int, int, int, int]]) -> None:
        """Take the application data at which a run stands: run, place, segment and length of the first and last."""
        runs = self._runs
        total, payload, lengths, view = runs.total.data, runs.payload.data, runs.length.data, runs.data.data
        at, end, last = int(self._at[run]), int(self._end[run]), int(runs.last[run])
        index, count, size = int(runs.first[run]), 0, 0
        room = MAX_RECORDS_KEPT - int(self.state["data"][run])
        latest: deque[tuple[int, int, int, int]] = deque(maxlen=MAX_LAST_KEPT)
        while at < end:
            index = bisect_right(total, at, index, last) - 1
            inside = at - total[index]
            start = payload[index] + inside
            kind, major, minor, length = _PLAIN_HEADER.unpack_from(view, start)
            if inside + 5 > lengths[index] or kind != ContentType.APPLICATION_DATA:
                break
            if major != 3 or minor >= MINORS or length > MAX_RECORD:
                break
            (rows if count < room else latest).append((run, at, index, length))
            count += 1
            size += length
            at += 5 + length
        late += latest
        self._at[run] = at
        self.state["data"][run] += count
        self.state["data_bytes"][run] += size

    def _messages(self, who: Column, at: Column, length: Column, minor: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Take out the messages of handshake records in clear; gives which records hold whole ones and nothing else."""
        good = np.ones(len(who), dtype=np.bool_)
        ends = at + 5 + length
        last = self._segment_of(ends - 1)
        place = at + 5
        begun = self.state["begun"][who]
        found: list[tuple[Column, Column, Column, NDArray[np.uint8]]] = []
        index = np.arange(len(who))
        while len(index):
            _, header = self._structures(place, ends[index], _MESSAGE)
            size = header["high"].astype(np.int64) << 16 | header["low"]
            sound = (place + 4 <= ends[index]) & (place + 4 + size <= ends[index])
            sound &= begun[index] | _is_hello(header["type"])
            good[index[~sound]] = False
            found.append((index[sound], place[sound], size[sound], header["type"][sound]))
            begun[index] = True
            place = place[sound] + 4 + size[sound]
            index = index[sound]
            more = place < ends[index]
            place, index = place[more], index[more]
        for index, place, size, kind in found:
            keep = good[index]
            if not keep.all():
                index, place, size, kind = index[keep], place[keep], size[keep], kind[keep]
            if len(index):
                rows = self._add(who[index], place, last[index], size, MESSAGE, kind, minor[index])
                rows["first"] = self._runs.packet[self._segment_of(place)]
                self._spans.append((place + 4, size))
        return good

    def _alerts(self, who: Column, at: Column, length: Column) -> None:
        last = self._segment_of(at + 4 + length)
        _, content = self._structures(at + 5, at + 5 + length, _ALERT)
        clear = length == _ALERT.itemsize
        for mask, kind in ((clear, ALERT), (~clear, SEALED_ALERT)):
            if mask.any():
                codes = content[mask]
                self._add(who[mask], at[mask], last[mask], length[mask], kind, codes["level"], codes["description"])

    def _data(self, who: Column, at: Column, segment: Column, length: Column) -> None:
        """One record of application data of each of the runs `who`."""
        early = self.state["data"][who] < MAX_RECORDS_KEPT
        for mask, kept in ((early, self._found), (~early, self._late)):
            if mask.any():
                kept.append(self._data_rows(who[mask], at[mask], segment[mask], length[mask]))
        self.state["data"][who] += 1
        self.state["data_bytes"][who] += length

    def _data_rows(self, who: Column, at: Column, segment: Column, length: Column) -> Table:
        rows = np.zeros(len(who), dtype=ROW)
        rows["key"], rows["position"] = self._runs.key[who], at + self._shift[who]
        rows["packet"], rows["time_ns"] = self._runs.packet[segment], self._runs.time_ns[segment]
        rows["length"], rows["kind"] = length, DATA
        return rows

    def _add(
        self,
        who: Column,
        at: Column,
        segment: Column,
        length: Column,
        kind: int,
        code: NDArray[np.uint8],
        minor: NDArray[np.uint8],
    ) -> Table:
        """Rows of the runs `who` at their places `at`; `segment` is the one with the record's last byte."""
        rows = self._data_rows(who, at, segment, length)
        rows["kind"], rows["type"], rows["minor"] = kind, code, minor
        self.state["others"][who] += 1
        self._found.append(rows)
        return rows

    def _segment_of(self, places: Column) -> Column:
        segments: Column = self._runs.total.searchsorted(places, side="right")
        segments -= 1
        return segments

    def _structures(self, at: Column, end: Column, layout: np.dtype[Any]) -> tuple[Column, NDArray[Any]]:
        """The segments that hold the places `at`, and the structures there, as far as they lie before `end`."""
        runs, size = self._runs, layout.itemsize
        segment = self._segment_of(at)
        inside = at - runs.total[segment]
        found = gather(runs.data, runs.payload[segment] + inside, layout)
        split = np.flatnonzero((inside + size > runs.length[segment]) & (at + size <= end))
        if len(split):
            places = (at[split, np.newaxis] + np.arange(size)).ravel()
            holder = self._segment_of(places)
            content = runs.data[runs.payload[holder] + places - runs.total[holder]]
            found[split] = content.view(layout)
        return segment, found

    def _are_hellos(self, at: Column, length: Column, end: Column) -> NDArray[np.bool_]:
        """Which records behind a ChangeCipherSpec hold a hello in clear: see `records.is_hello`."""
        _, opening = self._structures(at, end, _OPENING)
        size = opening["high"].astype(np.int64) << 16 | opening["low"]
        hello = _is_hello(opening["type"]) & (opening["major"] == 3)
        result: NDArray[np.bool_] = hello & (length >= _SHORTEST_HELLO) & (4 + size <= length)
        return result

    def _copy_bodies(self) -> None:
        """Copy the messages' bodies, which may lie in several segments each."""
        runs = self._runs
        begin, size = (np.concatenate(column) for column in zip(*self._spans, strict=True))
        first, last = self._segment_of(begin), self._segment_of(begin + np.maximum(size, 1) - 1)
        start = runs.payload[first] + begin - runs.total[first]
        view = runs.data.data
        whole = zip(start.tolist(), (start + size).tolist(), (first == last).tolist(), strict=True)
        self.bodies = [view[one:other].tobytes() if alone else b"" for one, other, alone in whole]
        split = np.flatnonzero(first != last)
        count = (last - first + 1)[split]
        ends = np.cumsum(count)
        message = np.repeat(split, count)
        segment = np.arange(len(message)) + (first[split] - ends + count).repeat(count)
        shift = runs.payload[segment] - runs.total[segment]
        one = np.maximum(begin[message], runs.total[segment]) + shift
        other = np.minimum((begin + size)[message], runs.total[segment] + runs.length[segment]) + shift
        pieces = [view[begins:stops] for begins, stops in zip(one.tolist(), other.tolist(), strict=True)]
        for number, begins, stops in zip(split.tolist(), (ends - count).tolist(), ends.tolist(), strict=True):
            self.bodies[number] = b"".join(pieces[begins:stops])
