"""Lines of hosts: what a host must not forget, one line for each, the latest counts.

A line has the host's key, the Unix time until which it matters, and a JSON object, with blanks
between. A table of them is bounded: the oldest lines make room, and their hosts are asked for their
robots.txt again.
"""

from __future__ import annotations

from collections.abc import Iterator

MOST_BYTES = 64 * 2**20
"""Memory of a table's lines: 100,000 hosts with a usual robots.txt."""
_ENTRY = 200
"""Bytes of memory for a line's key and its places in the table."""
_PORTION = 2**20
"""Bytes of lines in one frame of a base."""


class HostLines:
    """The latest line of each host, in the order in which they came."""

    def __init__(self) -> None:
        self._lines: dict[str, bytes] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._lines)

    def __repr__(self) -> str:
        return f"HostLines({len(self)}, {self._size} bytes)"

    def read(self, text: bytes) -> None:
        """Add lines; each replaces the earlier one of its host."""
        for line in text.splitlines(keepends=True):
            key = line[: line.index(b" ")].decode()
            self.pop(key)
            self._lines[key] = line
            self._size += len(line) + _ENTRY
        while self._size > MOST_BYTES:
            self.pop(next(iter(self._lines)))

    def pop(self, key: str) -> bytes | None:
        """Return and drop the line of a host; None without one."""
        line = self._lines.pop(key, None)
        if line is not None:
            self._size -= len(line) + _ENTRY
        return line

    def drop_before(self, now: float) -> None:
        """Drop the lines that mattered until an earlier Unix time."""
        for key, line in list(self._lines.items()):
            if float(line.split(b" ", 2)[1]) <= now:
                self.pop(key)

    def portions(self) -> Iterator[bytes]:
        """Yield all lines, some at a time."""
        part: list[bytes] = []
        size = 0
        for line in self._lines.values():
            part.append(line)
            size += len(line)
            if size >= _PORTION:
                yield b"".join(part)
                part, size = [], 0
        if part:
            yield b"".join(part)
