"""Let a pool notice a worker that dies in the middle of an answer, or sends one without end.

A `ProcessPoolExecutor` with one worker reads answers from a pipe whose writing end the parent also
holds, to pass it to further workers. If the worker is killed after the first bytes of an answer
(the kernel does that when it is out of memory), the pipe still has a writer and no end of file
comes: the executor's thread stays in `recv`, and the interpreter, which joins that thread at exit,
never ends. With the parent's end closed, `recv` raises `EOFError` as soon as the worker is gone,
and the executor breaks as usual: each future ends in `BrokenProcessPool`.

An answer begins with its length. If that exceeds the limit the answer is not read and the pool
breaks in the same way; otherwise `recv` would fill the crawler's memory.

The private names `_result_queue`, `_reader` and `_writer` are the same from CPython 3.11 to 3.14
(`tests/workers/test_hang_up.py`). Nothing else uses the parent's end, and closing a connection
twice has no effect.
"""

from __future__ import annotations

import pickle
import weakref
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any


def hang_up(executor: ProcessPoolExecutor, *, most: int) -> None:
    """Close the parent's end, and accept no answer of more than `most` bytes.

    Call it after the executor's only worker has started: the end cannot be passed to a later one.
    """
    answers: Any = executor._result_queue  # noqa: SLF001
    answers._writer.close()  # noqa: SLF001
    reader: Any = weakref.proxy(answers._reader)  # noqa: SLF001  whose descriptor closes with the queue
    reader.recv = partial(_receive, reader, most)


def _receive(reader: Any, most: int) -> Any:
    """Do the same as `recv`, with a size limit."""
    return pickle.loads(reader.recv_bytes(most))  # noqa: S301  as it does itself
