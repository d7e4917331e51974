"""A measured process, as its parent sees it: `crawler.compare.child` is the other side.

It does one turn and ends; or it is kept, prepares and warms up once, says that it is ready, and
then does a turn for each line that it is sent: a fresh process for each costs most of a second of
imports, which half a minute cannot afford. Answers come through a pipe, and what it says otherwise
goes to a file without a name: nothing is left of it.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from time import perf_counter
from typing import Any, Self

from crawler.compare.design import Interpreter
from crawler.runtime.children import SAFE_PATH
from crawler.runtime.companion import ended
from crawler.runtime.process_group import guarded

_LAST_WORDS = 300  # characters of the last line that a process said before it failed
_CHUNK = 65_536


class ArmProcess:
    """A process that does a job; it runs within the block, whose end kills it.

    Its answers are JSON objects, or in words why there is none; after such words it is dead.
    """

    def __init__(
        self,
        interpreter: Interpreter,
        job: Mapping[str, Any],
        hash_seed: int,
        *,
        kept: bool = False,
    ) -> None:
        self._interpreter, self._job, self._kept = interpreter, job, kept
        fixed = {**SAFE_PATH, "PYTHONHASHSEED": str(hash_seed)}
        self._environment = {**os.environ, **interpreter.environment, **fixed}
        self._unread = b""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._said = stack.enter_context(tempfile.TemporaryFile())
            self._answers, end = os.pipe()
            stack.callback(os.close, self._answers)
            try:
                self._process = stack.enter_context(
                    guarded(
                        [self._interpreter.path, "-P", "-m", "crawler.compare.child"],
                        stdin=subprocess.PIPE,
                        stdout=self._said,
                        stderr=self._said,
                        env=self._environment,
                        pass_fds=[end],
                    )
                )
            finally:
                os.close(end)
            self.tell(json.dumps({**self._job, "kept": self._kept, "answer": end}))
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
        """Wait for the next answer, at most so long; unless it is kept, for its end, too."""
        ends, code = perf_counter() + seconds, 0
        try:
            line = self._line(ends)
            if not (line and self._kept):
                code = self._process.wait(max(ends - perf_counter(), 0.0))
        except subprocess.TimeoutExpired:
            return f"not done after {seconds:g} s"
        if code or not line:
            return self._last_words(code)
        found: dict[str, Any] = json.loads(line)
        return found

    def _line(self, ends: float) -> bytes:
        """Return the next line of the answers; nothing once there is none."""
        while b"\n" not in self._unread:
            left = ends - perf_counter()
            if left <= 0 or not select.select([self._answers], [], [], left)[0]:
                raise subprocess.TimeoutExpired(self._interpreter.path, left)
            if not (chunk := os.read(self._answers, _CHUNK)):
                return b""
            self._unread += chunk
        line, _, self._unread = self._unread.partition(b"\n")
        return line

    def _last_words(self, code: int) -> str:
        """Return how it ended, and the last line that it said: of a traceback, what it was."""
        why = ended(code) if code else "it ended without an answer"
        self._said.seek(0)
        last = self._said.read()[-100_000:].decode(errors="replace").strip().splitlines()[-1:]
        return f"{why}: {last[0].strip()[:_LAST_WORDS]}" if last else why
