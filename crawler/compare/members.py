"""Several processes that do a work together, each its share, all at the same time.

A member is `python -m crawler.compare.members`, a fresh process that imports nothing of its
parent. It prepares and warms up like any work, and says so; when all are ready the watch starts and
they are told to go; when all are done it stops. Only then do they clean up, so that the watch can
still read what they cost.

    parent   job        go          end
    member        ready      done        answer
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from importlib import import_module
from typing import IO, Any, Self

from crawler.compare.design import Done, Parameters, Watch
from crawler.runtime.companion import Companion, companion


def together(function: str, shares: Sequence[Parameters], watch: Watch) -> list[Done]:
    """Return the outcome of each share, in order; `function` is `module:name`.

    Raises `RuntimeError` when a member ends early; why is on standard error.
    """
    with ExitStack() as stack:
        members = [stack.enter_context(companion(__name__)) for _ in shares]
        for member, share in zip(members, shares, strict=True):
            member.tell(json.dumps({"function": function, "parameters": dict(share)}))
        for member in members:
            _expect(member, "ready")
        with watch:
            for member in members:
                member.tell("go")
            for member in members:
                _expect(member, "done")
        for member in members:
            member.tell("end")
        return [_answer(member) for member in members]


def _expect(member: Companion, word: str) -> None:
    if (heard := member.heard()) != word:
        raise RuntimeError(f"a process of the crew ended early: expected {word!r}, got {heard!r}")


def _answer(member: Companion) -> Done:
    if not (line := member.heard()):
        raise RuntimeError("a process of the crew ended without an answer")
    return Done(**json.loads(line))


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
    os.dup2(2, 1)  # what the work prints is not an answer
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
