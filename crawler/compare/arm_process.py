"""A measured process that is kept over the rounds, as its parent sees it.

A fresh process for each turn costs most of a second of imports, which half a minute cannot afford.
So one process serves an arm: it prepares and warms up once, says that it is ready, and then does a
turn for each line that it is sent. `crawler.compare.child` is the other side.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from time import perf_counter
from typing import Any, Self

from crawler.runtime.companion import ended
from crawler.runtime.process_group import guarded

_LAST_WORDS = 300  # characters of the last line that a process said before it failed
_CHUNK = 65_536


class ArmProcess:
    """A process that was started; leaving the block kills it.

    Its answers are JSON objects, or in words why there is none; after such words it is dead.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], job: Mapping[str, Any]
    ) -> None:
        self._command, self._environment, self._job = command, environment, job
        self._unread = b""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._said = stack.enter_context(tempfile.TemporaryFile())
            self._answers, end = os.pipe()
            stack.callback(os.close, self._answers)
            try:
                self._process = stack.enter_context(
                    guarded(
                        self._command,
                        stdin=subprocess.PIPE,
                        stdout=self._said,
                        stderr=self._said,
                        env=dict(self._environment),
                        pass_fds=[end],
                    )
                )
            finally:
                os.close(end)
            self.tell(json.dumps({**self._job, "kept": True, "answer": end}))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()

    def tell(self, line: str) -> None:
        """Send a line; one that nobody reads any more is told of by the missing answer."""
        pipe = self._process.stdin
        if pipe is not None:
            with suppress(BrokenPipeError):
                pipe.write(f"{line}\n".encode())
                pipe.flush()

    def answer(self, seconds: float) -> dict[str, Any] | str:
        """Wait for the next answer, at most so long."""
        ends = perf_counter() + seconds
        while b"\n" not in self._unread:
            left = ends - perf_counter()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                return f"not done after {seconds:g} s"
            if not (chunk := os.read(self._answers, _CHUNK)):
                return self._ended()
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        found: dict[str, Any] = json.loads(line)
        return found

    def _ended(self) -> str:
        code = self._process.wait()
        self._said.seek(0)
        return with_last_words(ended(code), self._said.read())


def with_last_words(why: str, said: bytes) -> str:
    """Append the last line that was said before a failure: of a traceback, what it was."""
    last = said[-100_000:].decode(errors="replace").strip().splitlines()[-1:]
    return f"{why}: {last[0].strip()[:_LAST_WORDS]}" if last else why
