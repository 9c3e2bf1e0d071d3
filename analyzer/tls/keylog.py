"""The NSS key log format (SSLKEYLOGFILE): which secrets belong to which connection.

A line is `LABEL SP client random in hex SP secret in hex` (draft-ietf-tls-keylogfile section 2); one of the older label
`RSA` has the first eight bytes of the encrypted pre-master secret in place of a client random. Comments begin with `#`.
A pcapng decryption secrets block of type 0x544c534b holds the same text.

Several logs are searched as one. Of each line 16 bytes are kept, and the log is read where it lies: a log of hundreds
of megabytes costs no more than its own size and a fifteenth. Lines with a label that is not known are passed over, as
the draft asks; what is no such line at all is counted.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from mmap import mmap
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from analyzer.dataclass import dataclass

__all__ = ["TLS_KEY_LOG", "KeyLog", "KeyLogProblem", "Secrets"]

TLS_KEY_LOG: Final = 0x544C534B
"""Type of a pcapng decryption secrets block that holds a TLS key log (draft-ietf-opsawg-pcapng section 4.7)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """The secrets of one connection that open its records; None where the log has none."""

    master: bytes | None = None
    """`CLIENT_RANDOM`: the master secret of TLS 1.2 and before."""
    pre_master: bytes | None = None
    """`PMS_CLIENT_RANDOM`, of NSS and Wireshark."""
    client_early: bytes | None = None
    """`CLIENT_EARLY_TRAFFIC_SECRET`; this and those that follow are TLS 1.3's."""
    client_handshake: bytes | None = None
    server_handshake: bytes | None = None
    client_application: bytes | None = None
    """`CLIENT_TRAFFIC_SECRET_0`: those of later key updates follow from it."""
    server_application: bytes | None = None

    @property
    def thirteen(self) -> bool:
        """Whether there is a secret of TLS 1.3."""
        return any((self.client_early, self.client_handshake, self.server_handshake)) or any(
            (self.client_application, self.server_application)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLogProblem:
    """What is wrong with a key log. The text never holds anything of its contents."""

    code: str
    text: str
    source: str


class KeyLog:
    """The secrets of one or several key logs, by client random."""

    def __init__(self) -> None:
        self.problems: list[KeyLogProblem] = []
        self.by_pre_master_secret = False
        """Whether there are `RSA` lines, which name no client random."""
        self.grows = False
        """Whether it is being written: the secrets of a handshake may come after it."""
        self._logs: list[bytes | mmap] = []
        self._bases: list[int] = []  # where each log begins, all of them laid end to end
        self._end = 0
        self._prefixes = array("Q")  # the first eight bytes of a line's client random
        self._places = array("Q")  # where the line begins
        self._sorted: tuple[NDArray[np.uint64], NDArray[np.uint64]] | None = None

    def add(self, data: bytes | mmap, source: str) -> None:
        """Add a log. `data` is kept, not copied; `source` names it in problems."""
        base, before = self._end, len(self._prefixes)
        prefixes, places = self._prefixes, self._places
        odd = _OddLines()
        behind = 0
        for match in _LINE.finditer(data):
            if match.start() > behind:
                odd.look(data, behind, match.start())
            odd.number += 1
            behind = match.end() + 1
            at, ends = match.span(2)
            start, end = match.span(3)
            label = _LABELS.get(match[1])
            if label is None:
                continue
            if label.fits(ends - at, end - start):
                prefixes.append(int(data[at : at + _PREFIX_DIGITS], 16))
                places.append(base + match.start())
                self.by_pre_master_secret |= match[1] == _RSA
            elif behind <= len(data):
                odd.add()
        if behind < len(data):
            odd.look(data, behind, len(data))
        self._logs.append(data)
        self._bases.append(base)
        self._end = base + len(data)
        self._sorted = None
        self.problems += odd.problems(source, empty=len(self._prefixes) == before)

    def renew(self, newer: KeyLog) -> None:
        """Hold what another holds: the logs were read again."""
        vars(self).update(vars(newer), grows=self.grows)

    def __len__(self) -> int:
        """Lines that hold a secret, the same one counted as often as it stands there."""
        return len(self._prefixes)

    def __contains__(self, client_random: bytes) -> bool:
        """Whether there are secrets for a client random; a few in 2^64 answers are wrongly yes."""
        first, last = self._found(client_random[:8])
        return first < last

    def secrets(self, client_random: bytes) -> Secrets | None:
        """The secrets of a client random (32 bytes), of several lines with one label the last; None without any."""
        found = {
            field: secret
            for label, name, secret in self._lines(client_random[:8])
            if name == client_random and (field := _LABELS[label].field)
        }
        return Secrets(**found) if found else None

    def pre_master_secret(self, encrypted: bytes) -> bytes | None:
        """The pre-master secret that an `RSA` line has for an encrypted one; None without such a line."""
        name = encrypted[:8]
        found = [secret for label, key, secret in self._lines(name) if label == _RSA and key == name]
        return found[-1] if found else None

    def _found(self, prefix: bytes) -> tuple[int, int]:
        """Which of the sorted lines have a prefix: the first, and the one behind the last."""
        if self._sorted is None:
            prefixes = np.array(self._prefixes, dtype=np.uint64)
            order = np.argsort(prefixes, kind="stable")
            self._sorted = prefixes[order], np.array(self._places, dtype=np.uint64)[order]
        wanted = np.uint64(int.from_bytes(prefix.ljust(8, b"\0"), "big"))
        first, last = (int(np.searchsorted(self._sorted[0], wanted, side)) for side in ("left", "right"))
        return first, last

    def _lines(self, prefix: bytes) -> list[tuple[bytes, bytes, bytes]]:
        """Label, client random and secret of the lines that have a prefix, in the order of the logs."""
        first, last = self._found(prefix)
        assert self._sorted is not None  # noqa: S101 - `_found` has sorted
        lines = []
        for place in self._sorted[1][max(first, last - _MOST_LINES) : last].tolist():
            number = bisect_right(self._bases, place) - 1
            data, start = self._logs[number], place - self._bases[number]
            match = _LINE.match(data[start : start + _LONGEST_LINE])
            if match is not None:
                lines.append((match[1], bytes.fromhex(match[2].decode()), bytes.fromhex(match[3].decode())))
        return lines


class _OddLines:
    """Counts the lines of a log that are none: neither secrets nor comments."""

    def __init__(self) -> None:
        self.number = 0  # lines seen so far
        self._count = 0
        self._first: list[int] = []

    def look(self, data: bytes | mmap, start: int, end: int) -> None:
        """Take lines that did not read. One that the end of the log cuts is no fault: somebody is still writing."""
        for line in _ANY_LINE.finditer(data, start, end):
            self.number += 1
            bare = line[1].removeprefix(_BYTE_ORDER_MARK).strip()
            if bare and not bare.startswith(b"#"):
                self.add()

    def add(self) -> None:
        """Count the line seen last."""
        self._count += 1
        if len(self._first) < _MOST_NUMBERS:
            self._first.append(self.number)

    def problems(self, source: str, *, empty: bool) -> list[KeyLogProblem]:
        """What there is to say of the log; `empty`: it has not one secret."""
        if empty:
            hint = "a line reads `CLIENT_RANDOM <64 hexadecimal digits> <96 hexadecimal digits>`, or the like"
            text = f"the key log holds no secret: {hint}"
            return [KeyLogProblem(code="empty-key-log", text=text, source=source)]
        if not self._count:
            return []
        numbers = ", ".join(map(str, self._first)) + (", ..." if self._count > len(self._first) else "")
        lines = f"line {numbers} is" if self._count == 1 else f"{self._count} lines (numbers {numbers}) are"
        text = f"{lines} no line of a key log; the others were used"
        return [KeyLogProblem(code="damaged-key-log", text=text, source=source)]


_PREFIX_DIGITS: Final = 16
_MOST_LINES: Final = 256
"""Lines looked at for one client random: a connection has six, and each log that is merged may repeat them."""
_LONGEST_LINE: Final = 1 << 16
_MOST_NUMBERS: Final = 5
"""Numbers of odd lines that a problem names."""
_ANY_LINE: Final = re.compile(rb"([^\n]*+)\n")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LINE: Final = re.compile(
    rb"^(?:\xef\xbb\xbf)?[ \t]*+([A-Z][A-Z0-9_]*+)[ \t]++([0-9A-Fa-f]{16,64}+)[ \t]++"
    rb"([0-9A-Fa-f]{1,65000}+)[ \t]*+\r?$",
    re.MULTILINE,
)
"""Label, client random, secret."""


class _Label(NamedTuple):
    field: str
    """Of `Secrets`."""
    lengths: tuple[int, ...] = ()
    """Bytes that the secret may have; empty: any number."""
    name_length: int = 32
    """Bytes of what stands for the connection."""

    def fits(self, name: int, secret: int) -> bool:
        """Whether a line may have so many hexadecimal digits."""
        return name == 2 * self.name_length and secret % 2 == 0 and (not self.lengths or secret // 2 in self.lengths)


_HASH_LENGTHS: Final = (32, 48, 64)
_RSA: Final = b"RSA"
_LABELS: Final = {
    b"CLIENT_RANDOM": _Label("master", (48,)),
    b"PMS_CLIENT_RANDOM": _Label("pre_master"),
    _RSA: _Label("", (48,), name_length=8),
    b"CLIENT_EARLY_TRAFFIC_SECRET": _Label("client_early", _HASH_LENGTHS),
    b"CLIENT_HANDSHAKE_TRAFFIC_SECRET": _Label("client_handshake", _HASH_LENGTHS),
    b"SERVER_HANDSHAKE_TRAFFIC_SECRET": _Label("server_handshake", _HASH_LENGTHS),
    b"CLIENT_TRAFFIC_SECRET_0": _Label("client_application", _HASH_LENGTHS),
    b"SERVER_TRAFFIC_SECRET_0": _Label("server_application", _HASH_LENGTHS),
}
"""The labels whose secrets open records; those of exporters, ECH and QUIC do not."""
