"""Lets a pool notice a worker that dies in the middle of an answer.

A `ProcessPoolExecutor` of one worker reads answers from a pipe whose writing end the parent holds
as well, as it would pass it on to further workers. A worker that is killed after the first bytes of
an answer (a kernel out of memory does that) leaves the executor's thread in `recv` for the rest:
the pipe has a writer left, so that no end of file comes. The pool then waits for nothing, and the
interpreter, which joins that thread at its exit, never ends.

With the parent's writing end closed, `recv` ends in an `EOFError` the moment the worker is gone,
and the executor takes its own way of breaking: each future ends in `BrokenProcessPool`.

The two private names, `_result_queue` and `_writer`, are the same from CPython 3.11 to 3.14, which
`tests/parse/test_hang_up.py` holds. Nothing else uses the parent's end: workers that leave tell so
over their own, and closing a connection twice is of no effect.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import Any


def hang_up(executor: ProcessPoolExecutor) -> None:
    """Close the parent's end; call it once the only worker of the executor has been started.

    A later worker could not be given it: the executor must have been made for one.
    """
    answers: Any = executor._result_queue  # noqa: SLF001
    answers._writer.close()  # noqa: SLF001
