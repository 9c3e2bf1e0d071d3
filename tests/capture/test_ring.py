"""A directory in which captures are written one after the other, step by step: a step is what happens between looks."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import pytest

from analyzer.capture import ring
from analyzer.capture.ring import RingReader
from analyzer.errors import InputError
from tests.packets import NOON, SECOND, pcap, pcap_record

Step = Callable[[], object]


class Followed:
    """What a reader gave while the steps were done, each at an empty batch."""

    def __init__(self, directory: Path, steps: Sequence[Step]) -> None:
        self.said: list[str] = []
        self.packets: list[bytes] = []
        self.numbers: list[int] = []
        left = list(steps)
        ended = False
        self.reader = RingReader(directory, lambda: ended, self.said.append)
        for batch in islice(self.reader.batches(), 1000):
            self.numbers += range(batch.first_number, batch.first_number + len(batch))
            for offset, length in zip(batch.offset.tolist(), batch.captured.tolist(), strict=True):
                self.packets.append(batch.data[offset : offset + length].tobytes())
            if not len(batch) and left:
                left.pop(0)()
            elif not len(batch):
                ended = True
        assert self.numbers == list(range(1, len(self.packets) + 1)), "frame numbers run on"

    @property
    def codes(self) -> list[str]:
        return [problem.code for problem in self.reader.problems]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "_EVERY", 0)


def named(*names: str, size: int = 60) -> list[bytes]:
    return [name.encode().ljust(size, b".") for name in names]


def capture(*names: str, after: int = 0) -> bytes:
    """A capture of packets with these names, `after` seconds later than others."""
    return pcap([], link=1) + b"".join(pcap_record(packet, NOON + after * SECOND) for packet in named(*names))


def grow(path: Path, *names: str) -> None:
    with path.open("ab") as file:
        file.write(b"".join(pcap_record(packet, NOON + 90 * SECOND) for packet in named(*names)))


def test_files_are_read_in_the_order_of_their_first_packets_then_as_they_grow(tmp_path: Path) -> None:
    (tmp_path / "ring0").write_bytes(capture("c", after=20))
    (tmp_path / "ring1").write_bytes(capture("a"))
    (tmp_path / "ring2").write_bytes(capture("b", after=10))
    seen = Followed(tmp_path, [lambda: grow(tmp_path / "ring0", "d"), lambda: grow(tmp_path / "ring0", "e", "f")])
    assert seen.packets == named("a", "b", "c", "d", "e", "f")
    assert seen.reader.place_of(2) == (str(tmp_path / "ring2"), 1)
    assert seen.reader.place_of(5) == (str(tmp_path / "ring0"), 3)
    assert seen.said == []


def test_a_packet_cut_at_the_present_end_of_the_newest_file_is_no_damage(tmp_path: Path) -> None:
    path, whole = tmp_path / "ring0", capture("a", "b")
    path.write_bytes(whole[:-7])
    seen = Followed(tmp_path, [lambda: path.write_bytes(whole)])
    assert (seen.packets, seen.codes) == (named("a", "b"), [])


def test_a_packet_cut_at_the_end_of_a_file_that_has_a_successor_is_told(tmp_path: Path) -> None:
    (tmp_path / "ring0").write_bytes(capture("a", "b")[:-7])
    seen = Followed(tmp_path, [lambda: (tmp_path / "ring1").write_bytes(capture("c", after=1))])
    assert (seen.packets, seen.codes) == (named("a", "c"), ["truncated-capture"])


def test_a_ring_that_comes_round_overwrites_its_first_file_and_nothing_is_lost_or_read_twice(tmp_path: Path) -> None:
    files = [tmp_path / f"ring{number}" for number in range(3)]
    rounds = [(files[number % 3], capture(f"p{number}", f"q{number}", after=number)) for number in range(7)]
    seen = Followed(tmp_path, [lambda file=file, data=data: file.write_bytes(data) for file, data in rounds])  # type: ignore[misc]
    assert seen.packets == named(*(f"{letter}{number}" for number in range(7) for letter in "pq"))
    assert seen.codes == []


def test_a_file_that_was_overwritten_while_it_was_the_newest_may_have_lost_packets(tmp_path: Path) -> None:
    path = tmp_path / "ring0"
    path.write_bytes(capture("a", "b"))
    seen = Followed(tmp_path, [lambda: path.write_bytes(capture("c", "d", "e", after=5))])
    assert seen.packets == named("a", "b", "c", "d", "e")
    assert seen.codes == ["ring-overtook"]
    assert "was overwritten before it was known to be read to its end" in seen.said[0]


def test_a_file_that_was_emptied_and_has_no_packet_yet_is_waited_for(tmp_path: Path) -> None:
    first, second = tmp_path / "ring0", tmp_path / "ring1"
    first.write_bytes(capture("a"))
    steps = [
        lambda: second.write_bytes(capture("b", after=1)),
        lambda: first.write_bytes(b""),
        lambda: first.write_bytes(capture()),
        lambda: grow(first, "c"),
    ]
    seen = Followed(tmp_path, steps)
    assert (seen.packets, seen.codes) == (named("a", "b", "c"), [])


def test_a_file_that_is_deleted_while_it_is_read_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "ring0"
    path.write_bytes(capture("a"))

    def rotate() -> None:
        grow(path, "b")
        path.unlink()
        (tmp_path / "ring1").write_bytes(capture("c", after=1))

    seen = Followed(tmp_path, [rotate])
    assert (seen.packets, seen.codes) == (named("a", "b", "c"), [])


def test_files_of_dumpcap_that_came_and_went_between_two_looks_are_missed(tmp_path: Path) -> None:
    def name(number: int) -> Path:
        return tmp_path / f"ring_{number:05}_20260101120000.pcap"

    name(1).write_bytes(capture("a"))
    seen = Followed(tmp_path, [lambda: name(4).write_bytes(capture("d", after=9))])
    assert (seen.packets, seen.codes) == (named("a", "d"), ["ring-overtook"])
    assert "2 files before" in seen.said[0]


def test_two_rings_in_one_directory_are_followed_by_turns(tmp_path: Path) -> None:
    one, other = tmp_path / "eth0", tmp_path / "eth1"
    one.write_bytes(capture("a"))
    other.write_bytes(capture("b", after=1))
    steps = [lambda: grow(one, "c"), lambda: grow(other, "d"), lambda: grow(one, "e")]
    seen = Followed(tmp_path, steps)
    assert sorted(seen.packets) == named("a", "b", "c", "d", "e")
    assert seen.codes == []
    assert seen.reader.place_of(seen.packets.index(named("e")[0]) + 1) == (str(one), 3)


def test_what_is_no_capture_is_passed_over_and_said_once(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are the notes of last night")
    (tmp_path / "old.pcap.gz").write_bytes(gzip.compress(capture("z") * 10))
    (tmp_path / "older.pcap.gz").write_bytes(gzip.compress(capture("z") * 10))
    (tmp_path / ".hidden").write_bytes(capture("h"))
    (tmp_path / "folder").mkdir()
    steps: list[Step] = [lambda: None, lambda: (tmp_path / "ring0").write_bytes(capture("a"))]
    seen = Followed(tmp_path, steps)
    assert (seen.packets, seen.codes) == (named("a"), [])
    text, compressed, waiting = sorted(seen.said, key=lambda said: ("text file" not in said, "compressed" not in said))
    assert "notes.txt" in text
    assert "compressed files are passed over" in compressed
    assert waiting == f"{tmp_path} holds no capture yet: waiting for the first"


def test_a_file_that_cannot_be_read_is_told_and_the_others_are_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path, count: int) -> bytes:
        if path.name == "ring0":
            raise PermissionError(13, "Permission denied")
        return path.read_bytes()[:count]

    monkeypatch.setattr(ring, "_first_bytes", refused)
    (tmp_path / "ring0").write_bytes(capture("a"))
    (tmp_path / "ring1").write_bytes(capture("b"))
    seen = Followed(tmp_path, [lambda: None])
    assert (seen.packets, seen.codes) == (named("b"), ["unreadable-capture"])
    assert "Permission denied" in seen.said[0]


def test_damage_in_one_file_does_not_stop_the_others(tmp_path: Path) -> None:
    damaged = capture("a") + b"\xff" * 100
    (tmp_path / "ring0").write_bytes(damaged)
    seen = Followed(tmp_path, [lambda: (tmp_path / "ring1").write_bytes(capture("b", after=1))])
    assert (seen.packets, seen.codes) == (named("a", "b"), ["damaged-capture"])


@pytest.mark.parametrize("name", ["absent", "file"])
def test_what_is_followed_has_to_be_a_directory(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(capture("a"))
    with pytest.raises(InputError, match="no such directory" if name == "absent" else "no directory"):
        Followed(tmp_path / name, [])


def test_a_directory_in_which_nothing_was_written_is_an_error_in_the_end(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no capture was written there"):
        Followed(tmp_path, [lambda: None])


def test_a_directory_that_is_deleted_and_made_again_is_followed_on(tmp_path: Path) -> None:
    directory = tmp_path / "ring"
    directory.mkdir()
    path = directory / "ring0"
    path.write_bytes(capture("a"))

    def deleted() -> None:
        path.unlink()
        directory.rmdir()

    def made() -> None:
        directory.mkdir()
        path.write_bytes(capture("b", after=1))

    seen = Followed(directory, [deleted, lambda: None, made])
    assert (seen.packets, seen.codes) == (named("a", "b"), [])
    assert seen.said == [f"{directory} is gone: waiting for it to come back"]


def test_a_capture_without_a_packet_that_can_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "ring0").write_bytes(capture() + b"\xff" * (1 << 20))
    (tmp_path / "ring1").write_bytes(capture("a"))
    seen = Followed(tmp_path, [lambda: None])
    assert (seen.packets, seen.codes) == (named("a"), [])
    assert "holds no packet that can be read" in seen.said[0]
