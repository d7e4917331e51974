"""Several processes that do a work together, each its share, all at the same time.

A member is `python -m crawler.compare.crew`, a fresh process that imports nothing of its parent's.
It prepares and warms up like any work, and says so; when all are ready the watch starts and they
are told to go; when all are done it stops. Only then do they clean up, so that what they cost is
still to be seen when the watch reads it.

    parent   job        go          end
    member        ready      done        answer
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict
from importlib import import_module
from typing import IO, Any, Self

from crawler.compare.experiment import Done, Parameters, Watch
from crawler.runtime.children import environment, python

_END_SECONDS = 10.0


def together(function: str, shares: Sequence[Parameters], watch: Watch) -> list[Done]:
    """What each share came to, in their order; `function` is `module:name`, called as a work is.

    Raises `RuntimeError` when a member ends early; why is on standard error.
    """
    with ExitStack() as stack:
        members = [stack.enter_context(_Member(function, share)) for share in shares]
        for member in members:
            member.expect("ready")
        with watch:
            for member in members:
                member.tell("go")
            for member in members:
                member.expect("done")
        for member in members:
            member.tell("end")
        return [member.answer() for member in members]


class _Member:
    """A process of the crew, as its parent sees it."""

    def __init__(self, function: str, share: Parameters) -> None:
        self._job = json.dumps({"function": function, "parameters": dict(share)})

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(  # noqa: S603  this very Python and this very package
            python("-m", "crawler.compare.crew"),
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.tell(self._job)
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.stdout.close()  # type: ignore[union-attr]  # it is a pipe
        with suppress(BrokenPipeError):  # it ended before it read what was told
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def tell(self, line: str) -> None:
        _say(self._process.stdin, line)

    def expect(self, word: str) -> None:
        if (heard := self._heard()) != word:
            raise RuntimeError(f"a process of the crew ended early: {heard or 'no'} and no {word}")

    def answer(self) -> Done:
        if not (line := self._heard()):
            raise RuntimeError("a process of the crew ended without an answer")
        return Done(**json.loads(line))

    def _heard(self) -> str:
        return self._process.stdout.readline().rstrip("\n")  # type: ignore[union-attr]


class Gate:
    """A member's watch: it waits to be told, and lets the parent measure."""

    wall = 0.0
    cpu = 0.0

    def __init__(self, told: IO[str], said: IO[str]) -> None:
        self._told, self._said = told, said

    def __repr__(self) -> str:
        return "Gate()"

    def __enter__(self) -> Self:
        _say(self._said, "ready")
        self._wait("go")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        if kind is None:
            _say(self._said, "done")
            self._wait("end")

    def _wait(self, word: str) -> None:
        if self._told.readline().strip() != word:
            raise RuntimeError(f"the parent ended before it said {word}")


def main() -> None:
    """Be a member: do the job that standard input has."""
    said = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the work prints is no answer
    job = json.loads(sys.stdin.readline())
    module, _, name = job["function"].partition(":")
    done = getattr(import_module(module), name)(job["parameters"], Gate(sys.stdin, said))
    _say(said, json.dumps(asdict(done)))


def _say(pipe: IO[Any] | None, line: str) -> None:
    if pipe is not None:
        pipe.write(f"{line}\n")
        pipe.flush()


if __name__ == "__main__":
    main()
