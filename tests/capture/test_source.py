"""Where captures come from: files, streams, directories, patterns; compressed or not; and what is no capture."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from analyzer import InputError
from analyzer.capture import CaptureReader, mapped, source
from tests.packets import (
    NOON,
    Frame,
    block,
    enhanced,
    interface,
    pcap,
    pcap_record,
    problems,
    read,
    read_all,
    run,
    section,
    tool,
    tshark,
)

PACKETS = [b"a packet", bytes(100), b"", b"the last one"]
PLAIN = pcap(PACKETS)
PCAPNG = b"".join([section(), interface(), *[enhanced(packet, NOON // 1000) for packet in PACKETS]])

Compress = Callable[[bytes], bytes]
COMPRESSIONS: dict[str, Compress] = {
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "xz": lzma.compress,
    "bzip2": lambda content: bz2.compress(content, 1),
}
COMPRESSED = pytest.mark.parametrize("name", COMPRESSIONS)


@COMPRESSED
@pytest.mark.parametrize("content", [PLAIN, PCAPNG], ids=["pcap", "pcapng"])
def test_compression_is_recognised_by_content_whatever_the_name_says(name: str, content: bytes, tmp_path: Path) -> None:
    for suffix in ("pcap", "gz", "zst", "txt"):
        path = tmp_path / f"capture.{suffix}"
        path.write_bytes(COMPRESSIONS[name](content))
        frames, reader = read_all(path)
        assert [frame.data for frame in frames] == PACKETS
        assert reader.formats == [f"{'pcap' if content is PLAIN else 'pcapng'} ({name})"]


@COMPRESSED
def test_several_compressed_parts_one_after_the_other_are_one_capture(name: str) -> None:
    compress = COMPRESSIONS[name]
    assert read(io.BytesIO(compress(PLAIN[:50]) + compress(PLAIN[50:]))) == read(io.BytesIO(PLAIN))


@pytest.mark.parametrize("program", ["gzip", "zstd", "xz", "bzip2"])
def test_what_the_usual_programs_compress_is_read(program: str, captures: Path, tmp_path: Path) -> None:
    path = tmp_path / "copy.pcap"
    path.write_bytes((captures / "playbook.pcap").read_bytes())
    run(program, "-f", path)
    (packed,) = tmp_path.glob("copy.pcap.*")
    assert read(packed) == read(captures / "playbook.pcap")


@COMPRESSED
def test_compressed_data_that_ends_early_gives_what_came_before_and_a_problem(name: str) -> None:
    many = pcap([os.urandom(1000) for _ in range(300)])
    packed = COMPRESSIONS[name](many)
    frames, reader = read_all(io.BytesIO(packed[: len(packed) * 3 // 4]))
    whole = read(io.BytesIO(many))
    assert frames == whole[: len(frames)]
    assert len(frames) < 300
    assert reader.problems[0].code in {"damaged-compression", "truncated-capture"}
    assert reader.problems[0].packet is not None or not frames


@pytest.mark.parametrize("name", ["gzip", "xz", "bzip2"])
def test_damaged_compressed_data_is_a_problem_that_says_so(name: str) -> None:
    packed = bytearray(COMPRESSIONS[name](pcap([os.urandom(1000) for _ in range(300)])))
    packed[len(packed) // 2] ^= 0xFF
    told = problems(io.BytesIO(bytes(packed)))
    assert any("damaged" in problem.text for problem in told)


@COMPRESSED
def test_compressed_data_that_is_no_capture_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="text file"):
        read(io.BytesIO(COMPRESSIONS[name](b"just a letter\n" * 10)))


@COMPRESSED
def test_nothing_but_the_magic_of_a_compression_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        read(io.BytesIO(COMPRESSIONS[name](PLAIN)[:7]))


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, content: bytes, sizes: Iterator[int]) -> None:
        super().__init__()
        self._content = io.BytesIO(content)
        self._sizes = sizes

    def readable(self) -> bool:
        return True

    def readinto(self, target: memoryview) -> int:  # type: ignore[override]
        data = self._content.read(min(next(self._sizes), len(target)))
        target[: len(data)] = data
        return len(data)


def repeated(*sizes: int) -> Iterator[int]:
    while True:
        yield from sizes


@pytest.mark.parametrize("sizes", [(1,), (7,), (1, 24, 3, 100)])
@pytest.mark.parametrize("content", [PLAIN, PCAPNG, gzip.compress(PLAIN)], ids=["pcap", "pcapng", "gzip"])
def test_a_stream_may_come_in_pieces_of_any_size(content: bytes, sizes: tuple[int, ...]) -> None:
    stream = Dribble(content, repeated(*sizes))
    assert read(stream) == read(io.BytesIO(content))  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [(), ("--nano",)], ids=["microseconds", "nanoseconds"])
def test_what_tcpdump_writes_to_a_pipe_is_read(options: tuple[str, ...], captures: Path) -> None:
    path = captures / "playbook.pcap"
    command = [tool("tcpdump"), "-r", str(path), "-U", "-w", "-", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tcpdump:
        assert tcpdump.stdout is not None
        assert [frame.data for frame in read(tcpdump.stdout)] == [frame.data for frame in read(path)]  # type: ignore[arg-type]


def test_an_open_file_is_read_from_where_it_stands_and_stays_open(tmp_path: Path) -> None:
    path = tmp_path / "embedded"
    path.write_bytes(b"something else" + PLAIN)
    with path.open("rb") as stream:
        stream.seek(14)
        assert [frame.data for frame in read(stream)] == PACKETS
        assert not stream.closed


@pytest.mark.parametrize("size", [1, 7, 41])
def test_a_pipe_may_be_written_in_pieces_of_any_size(size: int) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            for start in range(0, len(PLAIN), size):
                pipe.write(PLAIN[start : start + size])

    writer = threading.Thread(target=write)
    writer.start()
    with os.fdopen(reading, "rb") as stream:
        assert read(stream) == read(io.BytesIO(PLAIN))
    writer.join()


def test_packets_of_a_live_pipe_are_given_out_while_the_pipe_stays_open() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as pipe:
        pipe.write(PLAIN)
        batches = CaptureReader([stream]).batches()
        assert len(next(batches)) == len(PACKETS)
        pipe.write(pcap_record(b"later"))
        later = next(batches)
        assert (later.first_number, len(later)) == (len(PACKETS) + 1, 1)


def test_a_dash_is_standard_input(captures: Path) -> None:
    code = "from tests.packets import read; print(len(read('-')))"
    command = ["cat", str(captures / "playbook.pcap")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as cat:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdin=cat.stdout,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            cwd=captures.parent,
        )
    assert done.stdout.strip() == str(len(read(captures / "playbook.pcap")))


@pytest.mark.parametrize("several", [False, True])
def test_a_named_pipe_is_read_once_and_whole(tmp_path: Path, several: bool) -> None:
    path = tmp_path / "live"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(PLAIN,), daemon=True)
    writer.start()
    others = [tmp_path / "other.pcap"] if several else []
    for other in others:
        other.write_bytes(pcap([b"other"]))
    frames = read(path, *others)
    writer.join(10)
    assert [frame.data for frame in frames] == [*PACKETS, *[b"other"] * several]


def at(seconds: int, *packets: bytes) -> bytes:
    return pcap([]) + b"".join(pcap_record(packet, NOON + seconds * 10**9) for packet in packets)


def test_several_files_are_read_in_the_order_of_their_first_packets_and_frame_numbers_run_on(tmp_path: Path) -> None:
    for name, content in {
        "a": at(20, b"fifth"),
        "b.gz": gzip.compress(at(10, b"third", b"fourth")),
        "c": at(0, b"first", b"second"),
    }.items():
        (tmp_path / name).write_bytes(content)
    frames, reader = read_all(tmp_path / "a", tmp_path / "b.gz", tmp_path / "c")
    assert [(f.number, f.data) for f in frames] == [
        (1, b"first"),
        (2, b"second"),
        (3, b"third"),
        (4, b"fourth"),
        (5, b"fifth"),
    ]
    assert [Path(file).name for file in reader.files] == ["c", "b.gz", "a"]
    assert (reader.packets, reader.first_time_ns, reader.last_time_ns) == (5, NOON, NOON + 20 * 10**9)


def test_a_ring_buffer_is_numbered_as_wireshark_numbers_the_merged_files(captures: Path, tmp_path: Path) -> None:
    run("editcap", "-c", "5", captures / "playbook-repaired.pcap", tmp_path / "ring.pcap")
    parts = sorted(tmp_path.iterdir(), reverse=True)
    assert len(parts) > 2
    run("mergecap", "-a", "-F", "pcap", "-w", tmp_path / "whole.pcap", *reversed(parts))
    assert read(*parts) == read(tmp_path / "whole.pcap")
    fins = tshark(tmp_path / "whole.pcap", "frame.number", display_filter="tcp.flags.fin==1")
    assert [str(f.number) for f in read(*parts) if f.data[47] & 1] == [row[0] for row in fins]


def test_problems_of_one_file_among_several_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(at(0, b"x"))
    (tmp_path / "cut").write_bytes(at(1, b"y", b"z")[:-1])
    (tmp_path / "text").write_bytes(b"hello hello hello")
    frames, reader = read_all(tmp_path / "good", tmp_path / "cut", tmp_path / "text")
    assert [frame.data for frame in frames] == [b"x", b"y"]
    assert {(p.code, p.text.split(":")[0]) for p in reader.problems} == {
        ("truncated-capture", str(tmp_path / "cut")),
        ("unreadable-capture", str(tmp_path / "text")),
    }


def test_packet_numbers_in_the_problems_of_a_later_file_are_those_of_the_whole(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(at(0, b"1", b"2", b"3"))
    (tmp_path / "cut").write_bytes(at(1, b"4", b"5")[:-1])
    (problem,) = problems(tmp_path / "good", tmp_path / "cut")
    assert problem.packet == 5


def test_of_a_directory_the_captures_are_read_and_the_rest_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "1.pcap").write_bytes(at(0, b"1"))
    (tmp_path / "2.bin").write_bytes(gzip.compress(at(1, b"2")))
    (tmp_path / "readme.txt").write_text("not a capture")
    (tmp_path / "empty").write_bytes(b"")
    (tmp_path / "notes.gz").write_bytes(gzip.compress(b"not a capture"))
    (tmp_path / "folder").mkdir()
    frames, reader = read_all(tmp_path)
    assert ([frame.data for frame in frames], reader.problems) == ([b"1", b"2"], [])


def test_a_problem_of_one_capture_in_a_directory_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "good.pcap").write_bytes(at(0, b"x"))
    (tmp_path / "cut.pcap").write_bytes(at(1, b"y", b"z")[:-1])
    (problem,) = problems(tmp_path)
    assert problem.text.startswith(f"{tmp_path / 'cut.pcap'}: the file ends in the middle of packet 2")


def test_a_directory_without_captures_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("not a capture")
    with pytest.raises(InputError, match="holds no capture") as raised:
        read(tmp_path)
    assert raised.value.source == str(tmp_path)


def test_a_pattern_names_the_files_that_match(tmp_path: Path) -> None:
    for index in range(3):
        (tmp_path / f"ring{index}.pcap").write_bytes(at(index, b"%d" % index))
    (tmp_path / "other.pcap").write_bytes(at(9, b"other"))
    assert [frame.data for frame in read(str(tmp_path / "ring*.pcap"))] == [b"0", b"1", b"2"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path: Path) -> None:
    (tmp_path / "ring[1].pcap").write_bytes(at(0, b"this"))
    (tmp_path / "ring1.pcap").write_bytes(at(0, b"not this"))
    assert [frame.data for frame in read(str(tmp_path / "ring[1].pcap"))] == [b"this"]


def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file matches"):
        read(str(tmp_path / "*.pcap"))


def test_no_capture_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="no capture was named"):
        read()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty.*stopped before a packet"),
        (b"CLIENT_RANDOM 00", "a TLS key log.*--keylog"),
        (b"# SSL/TLS secrets log file", "a TLS key log.*--keylog"),
        (b"-----BEGIN CERTIFICATE-----", "a PEM file.*--truststore"),
        (b"\xfe\xed\xfe\xed\0\0\0\2", "a Java key store.*--truststore"),
        (b"GET / HTTP/1.1\r\nHost: example\r\n", "a text file .it begins 'GET / HTTP/1.1'.*tcpdump -s 0 -w"),
        (b"\x00\x01\x02\x03" * 20, "neither pcap nor pcapng .its first bytes are 00 01 02 03"),
        (b"\x7fELF" + bytes(60), "neither pcap nor pcapng"),
        (b"snoop\x00\x00\x00" + bytes(60), "Solaris snoop.*editcap -F pcapng"),
        (b"GMBU" + bytes(60), "Network Monitor 2.*editcap"),
        (b"PK\x03\x04" + bytes(60), "zip archive.*Unpack it first"),
        (b"\xa1", "neither"),
    ],
    ids=[
        "empty",
        "key log",
        "commented key log",
        "PEM",
        "JKS",
        "text",
        "zeros",
        "elf",
        "snoop",
        "netmon",
        "zip",
        "one byte",
    ],
)
def test_what_is_no_capture_is_refused_with_its_reason_and_a_way_out(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = tmp_path / "input"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as raised:
        read(path)
    assert raised.value.source == str(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read(tmp_path / "nothing.pcap")


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[Path]:
    """A folder that a user without privileges may enter; the test runs as one."""
    folder = tmp_path
    while folder != Path(tempfile.gettempdir()) and folder.parent != folder:
        folder.chmod(0o755)
        folder = folder.parent
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    yield tmp_path
    os.seteuid(user)


def test_a_file_that_may_not_be_read_is_refused(unprivileged: Path, tmp_path: Path) -> None:
    path = tmp_path / "secret.pcap"
    with as_owner():
        path.write_bytes(PLAIN)
        path.chmod(0)
    with pytest.raises(InputError, match="cannot be opened: Permission denied"):
        read(path)


def test_a_directory_that_may_not_be_read_is_refused(unprivileged: Path, tmp_path: Path) -> None:
    folder = tmp_path / "secret"
    with as_owner():
        folder.mkdir()
        (folder / "capture.pcap").write_bytes(PLAIN)
        folder.chmod(0)
    with pytest.raises(InputError, match="the directory cannot be read: Permission denied"):
        read(folder)
    with pytest.raises(InputError, match="cannot be opened: Permission denied"):
        read(folder / "capture.pcap")
    with as_owner():
        folder.chmod(0o755)


@pytest.mark.parametrize("name", ["a" * 5000, "nul\0byte", "no/such/folder/x.pcap"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        read(name)


def test_a_file_that_cannot_be_read_is_refused() -> None:
    path = Path("/proc/self/mem")
    if not path.exists():
        pytest.skip("there is no /proc here")
    with pytest.raises(InputError, match=r"cannot be read.*Input/output error"):
        read(path)


@pytest.mark.parametrize("chunk", [1, 40, 64, 65, 127, 1000])
@pytest.mark.parametrize(
    "content",
    [PLAIN, PCAPNG, PCAPNG + PCAPNG, b"".join([section(), block(5, bytes(900)), interface(), enhanced(bytes(500))])],
    ids=["pcap", "pcapng", "two sections", "long blocks"],
)
def test_the_boundaries_of_chunks_may_lie_anywhere(content: bytes, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read(io.BytesIO(content))
    monkeypatch.setattr(source, "_CHUNK", chunk)
    assert read(io.BytesIO(content)) == whole


@pytest.mark.parametrize("chunk", [33, 500])
def test_a_damaged_file_is_told_alike_wherever_chunks_end(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in (PLAIN[:-3], PLAIN + b"\xff" * 50, PCAPNG[:-3], PCAPNG + b"\xff" * 50):
        whole = problems(io.BytesIO(content))
        monkeypatch.setattr(source, "_CHUNK", chunk)
        assert problems(io.BytesIO(content)) == whole
        monkeypatch.undo()


def written_long_ago(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    os.utime(path, (NOON // 10**9, NOON // 10**9))
    return path


MANY = pcap(bytes([n % 251]) * (n * 37 % 1500) for n in range(400))
MANY_BLOCKS = section() + interface() + b"".join(enhanced(bytes(n * 37 % 1500), NOON // 1000 + n) for n in range(400))
LARGE = pytest.mark.parametrize("content", [MANY, MANY_BLOCKS], ids=["pcap", "pcapng"])


@LARGE
@pytest.mark.parametrize("chunk", [8192, 20000, 65536])
@pytest.mark.parametrize("damage", [b"", b"\xff" * 50, b"cut"], ids=["whole", "damaged", "truncated"])
def test_a_file_that_is_mapped_reads_like_one_that_is_not(
    content: bytes, chunk: int, damage: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = content[:-3] if damage == b"cut" else content + damage
    path = written_long_ago(tmp_path / "x.pcap", content)
    whole, reader = read_all(io.BytesIO(content))
    monkeypatch.setattr(source, "_CHUNK", chunk)

    mapped, own = read_all(path)

    with path.open("rb", buffering=0) as file:
        assert source._size_at_rest(file) == len(content) > chunk
    assert mapped == whole
    assert own.problems == reader.problems
    assert (own.bytes, own.packets) == (reader.bytes, reader.packets)


@LARGE
def test_what_comes_from_a_disk_is_read_ahead_and_reads_alike(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written_long_ago(tmp_path / "x.pcap", content)
    whole, reader = read_all(io.BytesIO(content))
    monkeypatch.setattr(source, "_CHUNK", 8192)
    monkeypatch.setattr(source, "_MAX_WINDOW", 8192)
    monkeypatch.setattr(mapped, "_WAIT", -1)
    monkeypatch.setattr(mapped, "_DISK", -1)
    threads = threading.active_count()
    asked: list[int] = []
    read = os.preadv

    def seen(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        asked.append(offset)
        return read(descriptor, buffers, offset)

    monkeypatch.setattr(os, "preadv", seen)

    ahead, own = read_all(path)

    assert ahead == whole
    assert (own.problems, own.bytes) == (reader.problems, reader.bytes)
    assert len(asked) > 10
    assert max(asked) > len(content) // 2
    assert threading.active_count() == threads


@pytest.mark.parametrize(("waits", "ahead"), [(0.004, False), (0.02, True)], ids=["a busy processor", "a disk"])
def test_only_who_waits_as_long_as_for_a_disk_is_read_ahead(
    waits: float, ahead: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(1 << 20))
    clock = iter([0.0, waits])
    clocks = SimpleNamespace(perf_counter=lambda: next(clock), thread_time=lambda: 0.0)
    monkeypatch.setattr("analyzer.capture.mapped.time", clocks)
    asked: list[int] = []
    monkeypatch.setattr(mapped.MappedFile, "_read", lambda _, begin, __: asked.append(begin))

    with path.open("rb") as file:
        windows = mapped.MappedFile(file)
        windows.window(0, 1 << 19)
        windows.expect(1 << 19, 1 << 20)
        windows.close()

    assert asked == ([1 << 19] if ahead else [])


def test_reading_ahead_ends_with_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written_long_ago(tmp_path / "x.pcap", MANY)
    monkeypatch.setattr(source, "_CHUNK", 8192)
    monkeypatch.setattr(source, "_MAX_WINDOW", 8192)
    monkeypatch.setattr(mapped, "_WAIT", -1)
    monkeypatch.setattr(mapped, "_DISK", -1)
    threads = threading.active_count()
    batches = CaptureReader([path]).batches()
    next(batches)

    batches.close()  # type: ignore[attr-defined]

    assert threading.active_count() == threads


@LARGE
def test_a_file_that_is_cut_short_while_it_is_read_ends_in_a_problem(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written_long_ago(tmp_path / "x.pcap", content)
    monkeypatch.setattr(source, "_CHUNK", 8192)
    monkeypatch.setattr(source, "_MAX_WINDOW", 8192)
    reader = CaptureReader([path])

    packets = 0
    for number, batch in enumerate(reader.batches()):
        packets += len(batch)
        if number == 3:
            os.truncate(path, 100_000)

    assert 0 < packets < 400
    assert [problem.code for problem in reader.problems] == ["truncated-capture"]


def test_a_file_that_grows_while_it_is_read_is_read_to_its_new_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written_long_ago(tmp_path / "x.pcap", MANY)
    monkeypatch.setattr(source, "_CHUNK", 8192)
    monkeypatch.setattr(source, "_MAX_WINDOW", 8192)
    reader = CaptureReader([path])

    packets = 0
    for number, batch in enumerate(reader.batches()):
        packets += len(batch)
        if number == 3:
            with path.open("ab") as file:
                file.write(pcap_record(b"one more"))

    assert packets == 401
    assert reader.problems == []


def test_only_a_plain_file_that_nobody_writes_to_is_mapped(tmp_path: Path) -> None:
    at_rest = written_long_ago(tmp_path / "old.pcap", MANY)
    (tmp_path / "new.pcap").write_bytes(MANY)
    with at_rest.open("rb", buffering=0) as old, (tmp_path / "new.pcap").open("rb", buffering=0) as new:
        assert source._size_at_rest(old) == len(MANY)
        assert source._size_at_rest(new) == 0
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as pipe, os.fdopen(writing, "wb"):
        assert source._size_at_rest(pipe) == 0


def test_progress_is_told_in_bytes_read_and_bytes_in_all(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    path.write_bytes(PLAIN)
    told: list[tuple[int, int]] = []
    reader = CaptureReader([path], lambda done, total: told.append((done, total)))
    for _ in reader.batches():
        pass
    assert told[-1] == (len(PLAIN), len(PLAIN))
    assert reader.bytes == len(PLAIN)


@contextmanager
def as_owner() -> Iterator[None]:
    """For a moment, the user who started the tests."""
    user = os.geteuid()
    os.seteuid(os.getuid())
    try:
        yield
    finally:
        os.seteuid(user)


def _outcome(content: bytes) -> list[Frame]:
    """The frames of a file, checked for what always holds; none when it is refused."""
    try:
        frames, reader = read_all(io.BytesIO(content))
    except InputError:
        return []
    assert [frame.number for frame in frames] == list(range(1, len(frames) + 1))
    assert all(problem.text and problem.code for problem in reader.problems)
    return frames


@COMPRESSED
def test_any_one_byte_of_a_compressed_capture_may_be_wrong(name: str) -> None:
    packed = COMPRESSIONS[name](PLAIN)
    for place in range(len(packed)):
        damaged = bytearray(packed)
        damaged[place] ^= 0x11
        _outcome(bytes(damaged))


@given(st.binary(max_size=300))
def test_any_bytes_are_packets_problems_or_a_refusal(content: bytes) -> None:
    _outcome(content)


@given(
    head=st.sampled_from(
        [PLAIN[:24], pcap([], order=">", kind="kuznetzov"), section(), section(">"), section() + interface()]
    ),
    tail=st.binary(max_size=400),
)
def test_any_bytes_behind_a_good_header_are_packets_or_problems(head: bytes, tail: bytes) -> None:
    _outcome(head + tail)


@given(
    content=st.sampled_from([PLAIN, PCAPNG, *[compress(PLAIN) for compress in COMPRESSIONS.values()]]),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    cut=st.integers(0, 200),
)
def test_a_capture_with_any_bytes_changed_is_packets_problems_or_a_refusal(
    content: bytes, changes: list[tuple[int, int]], cut: int
) -> None:
    damaged = bytearray(content)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    _outcome(bytes(damaged[: len(damaged) - cut]))


@given(
    kinds=st.lists(
        st.tuples(
            st.sampled_from([1, 2, 3, 5, 6, 9, 10, 0x0A0D0D0A, 0xBAD]), st.binary(max_size=60), st.integers(0, 7)
        ),
        max_size=8,
    )
)
def test_any_pcapng_blocks_are_packets_or_problems(kinds: list[tuple[int, bytes, int]]) -> None:
    blocks = []
    for kind, body, more in kinds:
        whole = bytearray(block(kind, body))
        whole[4] = (whole[4] + more) % 256
        blocks.append(bytes(whole))
    _outcome(section() + interface() + b"".join(blocks))


def test_a_compressed_capture_of_any_length_is_read_in_bounded_memory(tmp_path: Path) -> None:
    path = tmp_path / "bomb.gz"
    record = pcap_record(bytes(60_000))
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(pcap([]))
        for _ in range(2500):
            stream.write(record)
    code = (
        "import resource, sys\n"
        "from analyzer.capture import CaptureReader\n"
        "packets, used = 0, []\n"
        "for batch in CaptureReader([sys.argv[1]]).batches():\n"
        "    packets += len(batch)\n"
        "    used.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
        "print(packets, used[-1] - used[0])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True, timeout=60)
    packets, grown = map(int, done.stdout.split())
    assert packets == 2500  # 150 MB of capture
    assert grown < 20


def test_a_capture_that_is_waited_for_costs_no_processor_time() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as pipe:
        pipe.write(PLAIN)
        waiter = threading.Timer(1.0, pipe.close)
        waiter.start()
        before = resource.getrusage(resource.RUSAGE_THREAD).ru_utime
        started = time.monotonic()
        assert len(read(stream)) == len(PACKETS)
        waiter.join()
        assert time.monotonic() - started > 0.9
        assert resource.getrusage(resource.RUSAGE_THREAD).ru_utime - before < 0.3
