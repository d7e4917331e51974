"""Tasks that `robust` runs in workers: innocent ones, and guilty ones that ruin their worker.

A task cannot harm the machine: it loops for seconds and not for ever, what it allocates is never
written to and stays below a limit, and its crash leaves no core file.
"""

from __future__ import annotations

import mmap
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from crawler.model.document import RawResponse

_TAKES = 0.002  # seconds of an innocent task
_FOR_EVER = 15.0  # seconds: far longer than anybody here waits
_PIECE = 8 << 20
_ROOM = 256 << 20  # bytes above what the worker has already
_PIECES = 2 * _ROOM // _PIECE  # where no limit holds


def do(task: str, _argument: object = None) -> Any:
    """Do what the words say: `innocent 7` is its square after two milliseconds; `guilty killed`."""
    kind, _, detail = task.partition(" ")
    if kind == "guilty":
        return _CASES[detail]()
    time.sleep(_TAKES)
    return int(detail) ** 2


def fragile(response: RawResponse) -> dict[str, Any]:
    """Run a task as a parser of the crawler's: the page's body says which."""
    return {"answer": do(response.body.decode())}


class Unreadable(Exception):
    """An exception that can be pickled, and not be made again from the pickle."""

    def __init__(self, page: int, reason: str) -> None:
        super().__init__(f"page {page}: {reason}")


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _crash() -> NoReturn:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.abort()


def _loop() -> None:
    ends = time.perf_counter() + _FOR_EVER
    while time.perf_counter() < ends:
        pass


def _hoard() -> int:
    """Take memory until the limit, which holds for the whole process meanwhile.

    It is mapped, and so not the machine's before it is written to, with any allocator of Python's.
    """
    before, most = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + _ROOM  # bytes of address space
    with suppress(ValueError, OSError):  # there is a narrower one
        resource.setrlimit(resource.RLIMIT_AS, (limit, most))
    try:
        return len([mmap.mmap(-1, _PIECE) for _ in range(_PIECES)])
    except OSError as error:
        raise MemoryError("the limit is reached") from error
    finally:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (before, most))


def _unreadable() -> NoReturn:
    raise Unreadable(7, "no title")


_CASES: Mapping[str, Callable[[], Any]] = {
    "none": lambda: 1,
    "killed": _kill,
    "crashed": _crash,
    "looping": _loop,
    "hungry": _hoard,
    "result": threading.Lock,
    "argument": lambda: 1,
    "unreadable": _unreadable,
}

CASES = tuple(_CASES)
"""What can befall a worker; `none` is there to be compared with."""
