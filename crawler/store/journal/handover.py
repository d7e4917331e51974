"""What partitions hand over to each other: one file a sender, read by all the others.

    pN/handed.P   blocks of lines from position P on, each with an index of the bytes for each
    pN/offer      how much of it is committed, and how far N has read what others have handed over

The file is cut into segments, of which those that all the others have read are deleted.

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

SEGMENT = 64 * 2**20
"""Bytes after which another segment begins."""
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


def segments(folder: Path) -> list[int]:
    """Return where the segments of what a partition has handed over begin, in order."""
    return sorted(int(path.suffix[1:]) for path in folder.glob("handed.*"))


def receivers_of(path: Path, size: int) -> set[int]:
    """Return the partitions that the first `size` bytes of a segment have lines for.

    Raises `OSError`, `ValueError` for a damaged file.
    """
    found: set[int] = set()
    with path.open("rb") as file:
        while file.tell() < size:
            index: list[tuple[int, int]] = orjson.loads(file.readline())
            found.update(receiver for receiver, length in index if length)
            file.seek(sum(length for _, length in index), os.SEEK_CUR)
    return found


class Outbox:
    """The lines that a partition hands over, in its folder, after `length` bytes of earlier runs.

    own: its number; receivers: the folders of the others. elsewhere: what earlier runs have handed
    over lies in other folders. Raises `OSError`, and `ConfigurationError` if there are fewer bytes.
    """

    def __init__(
        self,
        folder: Path,
        length: int,
        positions: Mapping[int, Position],
        *,
        own: int = 0,
        receivers: Iterable[Path] = (),
        elsewhere: bool = False,
    ) -> None:
        self._folder = folder
        self._own = own
        self._receivers = list(receivers)
        self.length = length
        self._file: BinaryIO | None = None
        # Another attempt's copy ends here: who reads that one finds what is new in a new segment.
        self._fresh = elsewhere
        self._starts = segments(folder)
        while self._starts and self._starts[-1] >= length:  # never committed
            disk.remove(self._path(self._starts.pop()))
        if length and (self._starts or not elsewhere):
            self._cut()
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
        file = self._segment()
        disk.write(file.fileno(), block)
        sync(file.fileno())
        self.length += len(block)

    def _segment(self) -> BinaryIO:
        """Return the file to add to: another once the last is long enough."""
        if not self._starts or self._fresh or self.length - self._starts[-1] >= SEGMENT:
            self._fresh = False
            self.close()
            self._starts.append(self.length)
            self._path(self.length).touch(mode=0o600)
            disk.settle(self._folder)
        if self._file is None:
            self._file = self._path(self._starts[-1]).open("ab", buffering=0)
        return self._file

    def _path(self, start: int) -> Path:
        return self._folder / f"handed.{start}"

    def _cut(self) -> None:
        """Cut off what was not committed."""
        size = 0
        if self._starts:
            path = self._path(self._starts[-1])
            size = self._starts[-1] + path.stat().st_size
        if size < self.length:
            raise ConfigurationError(
                f"{self._folder}: what was handed over has {size:,} bytes, and had "
                f"{self.length:,}; --overwrite starts over"
            )
        if size > self.length:
            disk.truncate(path, self.length - self._starts[-1])

    def _forget(self) -> None:
        """Delete segments that all others have read, by what they have committed."""
        if len(self._starts) > 1 and self._receivers:
            read = min(read_offer(each)[1].get(self._own, 0) for each in self._receivers)
            while len(self._starts) > 1 and self._starts[1] <= read:
                disk.remove(self._path(self._starts.pop(0)))

    def publish(self, positions: Mapping[int, Position]) -> None:
        """Offer what was written, now that it is committed. Raises `OSError`."""
        received = {str(sender): position.block for sender, position in positions.items()}
        draft = self._folder / "offer.new"
        with draft.open("wb", buffering=0) as file:
            disk.write(file.fileno(), orjson.dumps({"handed": self.length, "received": received}))
        disk.rename(draft, self._folder / "offer")
        self._forget()

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


class Inbox:
    """What the other partitions, in `folders`, have handed over to `own`, after `positions`."""

    def __init__(
        self, own: int, folders: Mapping[int, Path], positions: Mapping[int, Position]
    ) -> None:
        self._senders = [
            Sender(number, own, folder, positions.get(number, Position()))
            for number, folder in folders.items()
        ]
        self._turn = 0

    def __repr__(self) -> str:
        return f"Inbox({self._senders!r})"

    @property
    def positions(self) -> dict[int, Position]:
        """How far each partition's lines were taken; from any thread."""
        return {sender.number: sender.position for sender in self._senders}

    def take(self, most: int) -> Arrivals | None:
        """Return up to `most` of what is there, from one sender; None if there is nothing.

        Senders take turns. Raises `OSError`, and `ConfigurationError` for a damaged file.
        """
        for _ in self._senders:
            sender = self._senders[self._turn]
            self._turn = (self._turn + 1) % len(self._senders)
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
        self._start = 0  # of the segment
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
        data = self._read(block.size, block.start)
        if len(data) < block.size:
            raise self._damaged()
        self._lines = data.splitlines(keepends=True)[self.position.lines :]
        self._next = block.next
        if not self._lines:
            self.position = Position(block.next)

    def _found(self, at: int) -> Block:
        self._open(at)
        head = more = self._read(_INDEX, at)
        while b"\n" not in head and len(more) == _INDEX:
            more = self._read(_INDEX, at + len(head))
            head += more
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

    def _open(self, at: int) -> None:
        """Open the segment with this position, where another may begin."""
        new = at != self._start and (self._folder / f"handed.{at}").exists()
        if self._file is not None and not new:
            return
        self.close()
        start = max((each for each in segments(self._folder) if each <= at), default=None)
        if start is None:
            raise self._damaged()
        self._file = os.open(self._folder / f"handed.{start}", os.O_RDONLY | os.O_CLOEXEC)
        self._start = start

    def _read(self, size: int, at: int) -> bytes:
        return b"" if self._file is None else os.pread(self._file, size, at - self._start)

    def _damaged(self) -> ConfigurationError:
        return ConfigurationError(
            f"{self._folder}: what was handed over is damaged at byte {self.position.block:,}; "
            "--overwrite starts over"
        )

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _given(line: bytes) -> Request | Url:
    return Url(line[1:-1].decode()) if line.startswith(b"+") else request_of(line)
