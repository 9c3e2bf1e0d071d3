"""A bounded cursor over bytes: the one way in which parsers read network byte order fields.

A `Reader` knows its absolute position, so an error names the byte. A child made by `sub` cannot see
past its own length, which is what makes nested length fields of a crafted message harmless.
"""

from __future__ import annotations

from typing import Final

from analyzer.errors import WireError

__all__ = ["Reader"]


class Reader:
    """Reads big-endian fields from `data[start:end]`; every read is checked against `end`.

    `what` names the structure for error messages. Raises `WireError` on any read past the end.
    """

    __slots__ = ("data", "end", "position", "what")

    def __init__(self, data: bytes, what: str, start: int = 0, end: int | None = None) -> None:
        self.data: Final = data
        self.what: Final = what
        self.position = start
        self.end: Final = len(data) if end is None else end

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return self.end - self.position

    def _advance(self, count: int, field: str) -> int:
        start = self.position
        if count > self.end - start:
            raise WireError(f"{self.what}.{field}", start, f"{count} bytes needed, {self.end - start} left")
        self.position = start + count
        return start

    def u8(self, field: str) -> int:
        """One byte, unsigned."""
        return self.data[self._advance(1, field)]

    def u16(self, field: str) -> int:
        """Two bytes, big-endian, unsigned."""
        start = self._advance(2, field)
        return int.from_bytes(self.data[start : start + 2], "big")

    def u24(self, field: str) -> int:
        """Three bytes, big-endian, unsigned."""
        start = self._advance(3, field)
        return int.from_bytes(self.data[start : start + 3], "big")

    def u32(self, field: str) -> int:
        """Four bytes, big-endian, unsigned."""
        start = self._advance(4, field)
        return int.from_bytes(self.data[start : start + 4], "big")

    def take(self, count: int, field: str) -> bytes:
        """The next `count` bytes."""
        start = self._advance(count, field)
        return self.data[start : start + count]

    def vector(self, length_bytes: int, field: str) -> bytes:
        """A byte vector with a length prefix of `length_bytes` bytes (RFC 8446 section 3.4)."""
        start = self._advance(length_bytes, f"{field}.length")
        return self.take(int.from_bytes(self.data[start : start + length_bytes], "big"), field)

    def sub(self, length_bytes: int, field: str) -> Reader:
        """A child reader over a length-prefixed vector; this reader moves past it."""
        start = self._advance(length_bytes, f"{field}.length")
        length = int.from_bytes(self.data[start : start + length_bytes], "big")
        body = self._advance(length, field)
        return Reader(self.data, f"{self.what}.{field}", body, body + length)

    def rest(self) -> bytes:
        """All bytes that are left."""
        start, self.position = self.position, self.end
        return self.data[start : self.end]

    def finish(self) -> None:
        """Raise `WireError` when bytes are left over."""
        if self.position != self.end:
            raise WireError(self.what, self.position, f"{self.end - self.position} bytes left over")
