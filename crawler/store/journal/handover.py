"""What partitions hand over to each other: one file a sender, read by all the others.

    pN/handed    blocks of lines, each with an index: how many bytes and lines are for whom
    pN/offer     how much of it is committed, and how far N has read what others have handed over

A block is written before the frame that counts it, and named in `offer` after that. So nobody reads
what a sender could still take back; and what a receiver has read is in the frame that also has its
consequences, or is read again. An offer that was not written before a kill is written by the next
run; a block behind the last frame is cut off. A sender ends no request before its frame has handed
it over, so a request waits in one partition at any time, or lies in a committed block.

A line is a request (`crawler.store.request_line`), or `+` and a URL that widens the scope.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeGuard

import orjson

from crawler.model.errors import ConfigurationError
from crawler.model.request import Arrivals, Position, Request
from crawler.model.url import Url
from crawler.store.journal import disk
from crawler.store.journal.lines import request_key
from crawler.store.request_line import lined, request_of

_INDEX = 4_096
"""Bytes that are read at once of a block's index: enough for 100 partitions."""


class Passing:
    """What passed between partitions within a portion of changes.

    `lines` are for others, by receiver; `gone` are the keys of requests that moved there. `come`
    counts requests that moved here, `received` all lines; `positions` are those after them.
    """

    __slots__ = ("come", "gone", "lines", "positions", "received", "sent", "went")

    def __init__(self) -> None:
        self.lines: dict[int, list[bytes]] = {}
        self.gone: dict[int, None] = {}
        self.sent = self.went = self.received = self.come = 0
        self.positions: dict[int, Position] = {}

    def hand_over(self, what: Request | Url, owner: int) -> int:
        """Add what goes to another partition; return the size of its line."""
        line = line_of(what)
        self.lines.setdefault(owner, []).append(line)
        self.sent += 1
        if moves(what):
            self.went += 1
            self.gone[request_key(what)] = None
        return len(line)

    def receive(self, arrivals: Arrivals) -> None:
        """Add what came from another partition."""
        self.positions[arrivals.sender] = arrivals.position
        self.received += len(arrivals)
        self.come += sum(map(moves, arrivals))

    def take(self, other: Passing) -> None:
        """Add what came after it."""
        for receiver, lines in other.lines.items():
            self.lines.setdefault(receiver, []).extend(lines)
        self.gone |= other.gone
        self.sent += other.sent
        self.went += other.went
        self.received += other.received
        self.come += other.come
        self.positions |= other.positions


class Block(NamedTuple):
    """The place of a receiver's lines, and of the block behind them."""

    start: int
    size: int
    next: int


def moves(what: Request | Url) -> TypeGuard[Request]:
    """Return whether this is a request that gets its record where it goes: a redirect's target."""
    return isinstance(what, Request) and bool(what.hops)


def line_of(what: Request | Url) -> bytes:
    """Return the line of a request, or of a URL that widens the scope."""
    return lined(what) if isinstance(what, Request) else f"+{what.href}\n".encode()


def read_offer(folder: Path) -> tuple[int, dict[int, int]]:
    """Return how much a partition has committed, and from where on it needs each other's blocks."""
    try:
        offer = orjson.loads((folder / "offer").read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):  # not yet, or lost in a power cut
        return 0, {}
    return offer["handed"], {int(sender): at for sender, at in offer["received"].items()}


class Outbox:
    """The lines that a partition hands over, in its folder, after `length` bytes of earlier runs.

    Raises `OSError`, and `ConfigurationError` if the file is shorter.
    """

    def __init__(self, folder: Path, length: int, positions: Mapping[int, Position]) -> None:
        self._folder = folder
        self.length = length
        self._file: BinaryIO | None = None
        path = folder / "handed"
        size = path.stat().st_size if path.exists() else 0
        if size < length:
            raise ConfigurationError(
                f"{path}: has {size:,} bytes, and had {length:,}; --overwrite starts over"
            )
        if size > length:
            disk.truncate(path, length)
        if length or positions:
            self.publish(positions)
        else:
            disk.remove(folder / "offer")

    def __repr__(self) -> str:
        return f"Outbox({str(self._folder)!r}, {self.length})"

    def write(self, lines: Mapping[int, Iterable[bytes]], sync: Callable[[int], None]) -> None:
        """Append a block with these lines for each receiver. Raises `OSError`."""
        parts = {receiver: b"".join(given) for receiver, given in lines.items()}
        index = orjson.dumps([(receiver, len(part)) for receiver, part in parts.items()])
        block = b"".join((index, b"\n", *parts.values()))
        if self._file is None:
            self._file = (self._folder / "handed").open("ab", buffering=0)
        disk.write(self._file.fileno(), block)
        sync(self._file.fileno())
        self.length += len(block)

    def publish(self, positions: Mapping[int, Position]) -> None:
        """Offer what was written, now that it is committed. Raises `OSError`."""
        received = {str(sender): position.block for sender, position in positions.items()}
        draft = self._folder / "offer.new"
        with draft.open("wb", buffering=0) as file:
            disk.write(file.fileno(), orjson.dumps({"handed": self.length, "received": received}))
        disk.rename(draft, self._folder / "offer")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


class Inbox:
    """What the other partitions, in `folders`, have handed over to `own`, after `positions`."""

    def __init__(
        self, own: int, folders: Mapping[int, Path], positions: Mapping[int, Position]
    ) -> None:
        self._senders = [
            Sender(number, own, folder, positions.get(number, Position()))
            for number, folder in folders.items()
        ]

    def __repr__(self) -> str:
        return f"Inbox({self._senders!r})"

    @property
    def positions(self) -> dict[int, Position]:
        """How far each partition's lines were taken."""
        return {sender.number: sender.position for sender in self._senders}

    def take(self, most: int) -> Arrivals | None:
        """Return up to `most` of what is there, from one sender; None if there is nothing.

        Senders take turns. Raises `OSError`, and `ConfigurationError` for a damaged file.
        """
        for _ in self._senders:
            sender = self._senders.pop(0)
            self._senders.append(sender)
            if (arrivals := sender.take(most)) is not None:
                return arrivals
        return None

    def close(self) -> None:
        """Close the files."""
        for sender in self._senders:
            sender.close()


class Sender:
    """The lines of one partition for another."""

    def __init__(self, number: int, receiver: int, folder: Path, position: Position) -> None:
        self.number = number
        self.position = position
        self._receiver = receiver
        self._folder = folder
        self._file: int | None = None
        self._lines: list[bytes] = []  # of the block, after the position
        self._next = 0
        self._offered = 0

    def __repr__(self) -> str:
        return f"Sender({self.number}, {self.position}, offered={self._offered})"

    def take(self, most: int) -> Arrivals | None:
        """Return the next lines, up to `most`, or None."""
        before = self.position
        while not self._lines and self._more():
            self._open_block()
        lines, self._lines = self._lines[:most], self._lines[most:]
        if self._lines:
            self.position = self.position._replace(lines=self.position.lines + len(lines))
        elif lines:
            self.position = Position(self._next)
        if self.position == before:
            return None
        return Arrivals(map(_given, lines), self.number, self.position)

    def _more(self) -> bool:
        """Return whether another block is offered."""
        if self.position.block >= self._offered:
            self._offered, _ = read_offer(self._folder)
        return self.position.block < self._offered

    def _open_block(self) -> None:
        """Read the lines of the next block; one without any is passed."""
        block = self._found(self.position.block)
        data = os.pread(self._number(), block.size, block.start) if block.size else b""
        if len(data) < block.size:
            raise self._damaged()
        self._lines = data.splitlines(keepends=True)[self.position.lines :]
        self._next = block.next
        if not self._lines:
            self.position = Position(block.next)

    def _found(self, at: int) -> Block:
        head = os.pread(self._number(), _INDEX, at)
        while b"\n" not in head and len(head) % _INDEX == 0 and head:
            head += os.pread(self._number(), _INDEX, at + len(head))
        line, end, _ = head.partition(b"\n")
        try:
            index: list[tuple[int, int]] = orjson.loads(line)
        except orjson.JSONDecodeError:
            raise self._damaged() from None
        start = at + len(line) + len(end)
        own = (start, 0)
        for receiver, size in index:
            if receiver == self._receiver:
                own = (start, size)
            start += size
        return Block(*own, start)

    def _number(self) -> int:
        if self._file is None:
            self._file = os.open(self._folder / "handed", os.O_RDONLY | os.O_CLOEXEC)
        return self._file

    def _damaged(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self._folder / 'handed'} is damaged at byte {self.position.block:,}; --overwrite "
            "starts over"
        )

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)


def _given(line: bytes) -> Request | Url:
    return Url(line[1:-1].decode()) if line.startswith(b"+") else request_of(line)
