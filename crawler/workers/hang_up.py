"""Lets a pool notice a worker that dies in the middle of an answer, or whose answer has no end.

A `ProcessPoolExecutor` of one worker reads answers from a pipe whose writing end the parent holds
as well, as it would pass it on to further workers. A worker that is killed after the first bytes of
an answer (a kernel out of memory does that) leaves the executor's thread in `recv` for the rest:
the pipe has a writer left, so that no end of file comes. The pool then waits for nothing, and the
interpreter, which joins that thread at its exit, never ends.

With the parent's writing end closed, `recv` ends in an `EOFError` the moment the worker is gone,
and the executor takes its own way of breaking: each future ends in `BrokenProcessPool`.

An answer begins with its length. One that announces more than it may have is not read, and the pool
breaks in the same way; else `recv` would fill the crawler's memory with whatever comes.

The private names, `_result_queue`, `_reader` and `_writer`, are the same from CPython 3.11 to 3.14,
which `tests/workers/test_hang_up.py` holds. Nothing else uses the parent's end: workers that leave
tell so over their own, and closing a connection twice is of no effect.
"""

from __future__ import annotations

import pickle
import weakref
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any


def hang_up(executor: ProcessPoolExecutor, *, most: int) -> None:
    """Close the parent's end, and take no answer of more than `most` bytes.

    Call it once the only worker of the executor has been started: a later one could not be given
    the end, so the executor must have been made for one.
    """
    answers: Any = executor._result_queue  # noqa: SLF001
    answers._writer.close()  # noqa: SLF001
    reader: Any = weakref.proxy(answers._reader)  # noqa: SLF001  whose descriptor closes with the queue
    reader.recv = partial(_receive, reader, most)


def _receive(reader: Any, most: int) -> Any:
    """Do what `recv` does, with a bound."""
    return pickle.loads(reader.recv_bytes(most))  # noqa: S301  as it does itself
